/* SPDX-License-Identifier: MIT */
/*
 * Instruction decoder (arch/vcpu/decode.c): lengths and operands over the whole opcode space; pure.
 * SDM vol. 2 rev. 083 ch. 2 and appendix A, APM vol. 3 rev. 3.35 ch. 1 and appendix A.
 */
#ifndef PLINTH_INSN_H
#define PLINTH_INSN_H

#include "types.h"

#define INSN_MAX 15

enum insn_map {
	MAP_ONE,  /* one-byte opcodes */
	MAP_0F,	  /* 0F xx */
	MAP_0F38, /* 0F 38 xx */
	MAP_0F3A, /* 0F 3A xx */
	MAP_VEX,  /* VEX, EVEX, XOP: length only */
};

struct insn {
	u8 len;
	u8 map; /* enum insn_map */
	u8 opcode;
	u8 rex;		       /* 0 = none; else 0x40-0x4f; for VEX and EVEX what REX would be */
	u8 op_size;	       /* 2, 4, 8: before an opcode's own rule (byte forms, stack) */
	u8 addr_size;	       /* 2, 4, 8 */
	bool lock, rep, repne; /* F0; F3 and F2: of several the last */
	bool opsize_prefix;    /* 66 */
	s8 seg; /* override as enum segreg, or -1; ES, CS, SS, DS are none in 64-bit mode */
	bool has_modrm;
	u8 mod, reg, rm; /* REX.R and REX.B applied to reg, and to rm when mod is 3 */
	bool rip_relative;
	s8 base, index; /* enum gpr or -1 */
	u8 scale;	/* 1, 2, 4, 8 */
	u8 imm_size;	/* bytes: 0-4, 6 (far pointer), 8 */
	u8 vex_map;	/* VEX, EVEX, XOP: the opcode map */
	u8 vex_last;	/* and the last payload byte of VEX and XOP: W, vvvv, L, pp */
	s64 disp;
	/*
	 * Sign-extended, except shift counts, ports, vectors and 16-bit stack adjustments. A far
	 * pointer is offset, then selector; ENTER is the 16-bit size, then the level.
	 */
	u64 imm;
	u64 moffs; /* A0-A3 */
};

/*
 * Decodes one instruction from n bytes in a code segment of code_size (2, 4, 8 bytes). 0; -EAGAIN:
 * more bytes are needed; -E2BIG: longer than 15 bytes (#GP); -EINVAL: no valid encoding (#UD).
 */
int insn_decode(struct insn *in, const u8 *bytes, unsigned int n, unsigned int code_size);

#endif
