/* SPDX-License-Identifier: MIT */
/*
 * What follows an opcode byte: one set of flags per opcode. SDM vol. 2 rev. 083 appendix A.
 */
#ifndef PLINTH_DECODE_PRIV_H
#define PLINTH_DECODE_PRIV_H

#include "types.h"

enum opcode_flags {
	OP_MODRM = BIT(0),
	OP_IMM8 = BIT(1),    /* sign-extended */
	OP_IMM8U = BIT(2),   /* zero-extended */
	OP_IMM16 = BIT(3),   /* zero-extended */
	OP_IMMZ = BIT(4),    /* 2 or 4 bytes by operand size, sign-extended */
	OP_IMMV = BIT(5),    /* 2, 4 or 8 bytes by operand size */
	OP_MOFFS = BIT(6),   /* an offset of address size */
	OP_FAR = BIT(7),     /* offset and selector */
	OP_REL = BIT(8),     /* as OP_IMMZ, but always 4 bytes in 64-bit mode */
	OP_GROUP3 = BIT(9),  /* F6, F7: TEST alone has an immediate */
	OP_REGS = BIT(10),   /* ModRM.mod is taken as 3: MOV CRn, DRn */
	OP_PREFIX = BIT(11), /* a prefix, an escape, or possibly one (VEX, EVEX, XOP, REX) */
	OP_NO64 = BIT(12),   /* no instruction in 64-bit mode */
	OP_BAD = BIT(13),    /* no instruction */
	OP_SSE4A = BIT(14),  /* two bytes with 66 or F2: EXTRQ, INSERTQ */
};

#define OP_ANY_IMM                                                                        \
	(OP_IMM8 | OP_IMM8U | OP_IMM16 | OP_IMMZ | OP_IMMV | OP_MOFFS | OP_FAR | OP_REL | \
	 OP_GROUP3 | OP_SSE4A)

extern const u16 insn_flags_one[256];
extern const u16 insn_flags_0f[256];

#endif
