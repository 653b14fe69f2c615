/* SPDX-License-Identifier: MIT */
/*
 * Instruction decoder: prefixes, opcode map, ModRM and SIB, displacement, immediate. SDM vol. 2
 * rev. 083 ch. 2, APM vol. 3 rev. 3.35 ch. 1. It knows which opcode bytes exist, not each form of
 * a group: what an instruction does with its operands, and which forms are #UD, is the emulator's
 * business.
 *
 * Where the vendors differ (a near branch with 66 in 64-bit mode) Intel's reading is taken: 66 is
 * ignored.
 */
#include "decode_priv.h"
#include "errors.h"
#include "insn.h"
#include "vcpu.h"

#define REX_BASE 0x40U
#define REX_B	 BIT(0)
#define REX_X	 BIT(1)
#define REX_R	 BIT(2)
#define REX_W	 BIT(3)

enum escape {
	ESC_0F = 0x0f,
	ESC_38 = 0x38,
	ESC_3A = 0x3a,
	ESC_EVEX = 0x62,
	ESC_XOP = 0x8f,
	ESC_VEX3 = 0xc4,
	ESC_VEX2 = 0xc5,
};

enum prefix {
	PREFIX_ES = 0x26,
	PREFIX_CS = 0x2e,
	PREFIX_SS = 0x36,
	PREFIX_DS = 0x3e,
	PREFIX_FS = 0x64,
	PREFIX_GS = 0x65,
	PREFIX_OPSIZE = 0x66,
	PREFIX_ADDRSIZE = 0x67,
	PREFIX_LOCK = 0xf0,
	PREFIX_REPNE = 0xf2,
	PREFIX_REP = 0xf3,
};

/* VEX, EVEX and XOP: SDM vol. 2 2.3.5 and 2.7.1, APM vol. 3 1.8 */
#define VEX_R		 BIT(7) /* R, X, B are stored inverted */
#define VEX_X		 BIT(6)
#define VEX_B		 BIT(5)
#define VEX_W		 BIT(7)
#define VEX_MAP		 0x1fU
#define EVEX_MAP	 0x07U
#define EVEX_P0_ZERO	 BIT(3)
#define EVEX_P1_ONE	 BIT(2)
#define XOP_MAP_FIRST	 8U
#define VEX_MOD3	 0xc0U /* outside 64-bit mode: else the byte is LES, LDS or BOUND */
#define VEX_OP_ZEROUPPER 0x77U

enum vex_map {
	VEX_MAP_0F = 1,
	VEX_MAP_0F38 = 2,
	VEX_MAP_0F3A = 3,
	EVEX_MAP_5 = 5,
	EVEX_MAP_6 = 6,
	XOP_MAP_8 = 8,
	XOP_MAP_9 = 9,
	XOP_MAP_A = 10,
};

struct cursor {
	const u8 *bytes;
	unsigned int pos, end;
};

/* Why k more bytes cannot be had: the limit of 15 comes before the end of what the caller has. */
static int missing(const struct cursor *c, unsigned int k)
{
	return c->pos + k > INSN_MAX ? -E2BIG : -EAGAIN;
}

static u64 load_le(const u8 *p, unsigned int size)
{
	u64 v = 0;
	u32 v32;
	u16 v16;

	switch (size) {
	case 1:
		return p[0];
	case 2:
		__builtin_memcpy(&v16, p, sizeof(v16));
		return v16;
	case 4:
		__builtin_memcpy(&v32, p, sizeof(v32));
		return v32;
	default:
		for (unsigned int i = 0; i < size; i++)
			v |= (u64)p[i] << (8 * i);
		return v;
	}
}

static s64 load_le_signed(const u8 *p, unsigned int size)
{
	switch (size) {
	case 1:
		return (s8)p[0];
	case 2:
		return (s16)load_le(p, 2);
	case 4:
		return (s32)load_le(p, 4);
	default:
		return (s64)load_le(p, size);
	}
}

/* 16-bit addressing: SDM vol. 2 table 2-1. */
static const struct {
	s8 base, index;
} addr16[8] = {
	{ GPR_RBX, GPR_RSI }, { GPR_RBX, GPR_RDI }, { GPR_RBP, GPR_RSI }, { GPR_RBP, GPR_RDI },
	{ GPR_RSI, -1 },      { GPR_RDI, -1 },	    { GPR_RBP, -1 },	  { GPR_RBX, -1 },
};

/* Sets base and index; returns the displacement's size. */
static unsigned int modrm_16(struct insn *in)
{
	if (in->mod == 0 && in->rm == 6)
		return 2;
	in->base = addr16[in->rm].base;
	in->index = addr16[in->rm].index;
	return in->mod; /* 0, 1, 2 bytes */
}

/* The same for 32- and 64-bit addressing, SIB included: tables 2-2 and 2-3. */
static int modrm_32(struct insn *in, struct cursor *c, bool long_mode)
{
	unsigned int rex_b = in->rex & REX_B ? 8 : 0;
	unsigned int base = in->rm;

	if (base == 4) {
		u8 sib;
		unsigned int index;

		if (c->pos >= c->end)
			return missing(c, 1);
		sib = c->bytes[c->pos++];
		base = sib & 7U;
		index = (sib >> 3 & 7U) | (in->rex & REX_X ? 8U : 0U);
		in->scale = (u8)(1U << (sib >> 6));
		if (index != GPR_RSP)
			in->index = (s8)index;
		if (base == 5 && in->mod == 0)
			return 4;
	} else if (base == 5 && in->mod == 0) {
		in->rip_relative = long_mode;
		return 4;
	}
	in->base = (s8)(base | rex_b);
	return in->mod == 2 ? 4 : in->mod;
}

static int decode_modrm(struct insn *in, struct cursor *c, unsigned int flags, bool long_mode)
{
	int disp_size;
	u8 modrm;

	if (c->pos >= c->end)
		return missing(c, 1);
	modrm = c->bytes[c->pos++];
	in->has_modrm = true;
	in->mod = flags & OP_REGS ? 3 : modrm >> 6;
	in->reg = (u8)((modrm >> 3 & 7U) | (in->rex & REX_R ? 8U : 0U));
	in->rm = modrm & 7U;
	if (in->mod == 3) {
		in->rm = (u8)(in->rm | (in->rex & REX_B ? 8U : 0U));
		return 0;
	}
	if (in->addr_size == 2)
		disp_size = (int)modrm_16(in);
	else
		disp_size = modrm_32(in, c, long_mode);
	if (disp_size <= 0)
		return disp_size;
	if (c->pos + (unsigned int)disp_size > c->end)
		return missing(c, (unsigned int)disp_size);
	in->disp = load_le_signed(c->bytes + c->pos, (unsigned int)disp_size);
	c->pos += (unsigned int)disp_size;
	return 0;
}

static int decode_imm(struct insn *in, struct cursor *c, unsigned int flags, unsigned int code_size)
{
	unsigned int z = in->op_size == 2 ? 2 : 4;
	unsigned int size = 0;
	bool is_signed = true;

	if (flags & OP_GROUP3) {
		if ((in->reg & 7U) < 2)
			size = in->opcode & 1U ? z : 1;
	} else if (flags & OP_IMM8) {
		size = 1;
	} else if (flags & OP_IMMZ) {
		size = z;
	} else if (flags & OP_REL) {
		size = code_size == 8 ? 4 : z;
	} else if (flags & OP_IMMV) {
		size = in->op_size;
	} else if (flags & OP_FAR) {
		size = z + 2;
		is_signed = false;
	} else if (flags & OP_SSE4A) {
		size = in->opsize_prefix || in->repne ? 2 : 0;
		is_signed = false;
	} else {
		size = (flags & OP_IMM16 ? 2 : 0) + (flags & OP_IMM8U ? 1 : 0);
		is_signed = false;
	}
	if (flags & OP_MOFFS)
		size = in->addr_size;
	if (c->pos + size > c->end)
		return missing(c, size);
	if (flags & OP_MOFFS) {
		in->moffs = load_le(c->bytes + c->pos, size);
	} else if (size) {
		in->imm_size = (u8)size;
		in->imm = is_signed ? (u64)load_le_signed(c->bytes + c->pos, size)
				    : load_le(c->bytes + c->pos, size);
	}
	c->pos += size;
	return 0;
}

/* What follows the opcode of a VEX-like map, or OP_BAD. */
static unsigned int vex_flags(u8 escape, u8 map, u8 opcode)
{
	switch (map) {
	case VEX_MAP_0F:
		if (escape != ESC_EVEX && opcode == VEX_OP_ZEROUPPER)
			return 0;
		/* Branches, and what is an immediate only with 66 or F2, have no VEX form. */
		return OP_MODRM | (insn_flags_0f[opcode] & OP_IMM8U);
	case VEX_MAP_0F38:
		return OP_MODRM;
	case VEX_MAP_0F3A:
		return OP_MODRM | OP_IMM8U;
	case EVEX_MAP_5:
	case EVEX_MAP_6:
		return escape == ESC_EVEX ? OP_MODRM : OP_BAD;
	case XOP_MAP_8:
		return escape == ESC_XOP ? OP_MODRM | OP_IMM8U : OP_BAD;
	case XOP_MAP_9:
		return escape == ESC_XOP ? OP_MODRM : OP_BAD;
	case XOP_MAP_A:
		return escape == ESC_XOP ? OP_MODRM | OP_IMMZ : OP_BAD;
	default:
		return OP_BAD;
	}
}

/* The payload after C4, C5, 62 or 8F at the cursor. Returns opcode flags or a negative error. */
static int decode_vex(struct insn *in, struct cursor *c, u8 escape, bool long_mode)
{
	unsigned int payload = escape == ESC_VEX2 ? 1 : escape == ESC_EVEX ? 3 : 2;
	const u8 *p = c->bytes + c->pos;
	unsigned int flags;

	/* 2.3.2: #UD. The sizes below are those of the opcode's own rule. */
	if (in->rex || in->lock || in->rep || in->repne || in->opsize_prefix)
		return -EINVAL;
	if (c->pos + payload + 1 > c->end)
		return missing(c, payload + 1);
	in->map = MAP_VEX;
	in->vex_map = VEX_MAP_0F;
	if (escape == ESC_EVEX) {
		if ((p[0] & EVEX_P0_ZERO) || !(p[1] & EVEX_P1_ONE))
			return -EINVAL;
		in->vex_map = p[0] & EVEX_MAP;
	} else if (escape != ESC_VEX2) {
		in->vex_map = p[0] & VEX_MAP;
	}
	if (escape != ESC_EVEX)
		in->vex_last = p[payload - 1];
	if (long_mode) {
		in->rex = (u8)(REX_BASE | (p[0] & VEX_R ? 0 : REX_R));
		if (payload > 1) {
			in->rex |= (u8)((p[0] & VEX_X ? 0 : REX_X) | (p[0] & VEX_B ? 0 : REX_B));
			in->rex |= (u8)(p[1] & VEX_W ? REX_W : 0);
		}
	}
	c->pos += payload;
	in->opcode = c->bytes[c->pos++];
	flags = vex_flags(escape, in->vex_map, in->opcode);
	/* A 4-byte immediate (XOP map A) is one in 16-bit code too. */
	if (flags & OP_IMMZ)
		in->op_size = 4;
	return flags & OP_BAD ? -EINVAL : (int)flags;
}

/*
 * Is the byte at the cursor's predecessor an escape to VEX, EVEX or XOP, rather than an
 * instruction?
 */
static int is_vex(const struct cursor *c, u8 escape, bool long_mode)
{
	if (escape != ESC_XOP && long_mode)
		return 1;
	if (c->pos >= c->end)
		return missing(c, 1);
	if (escape == ESC_XOP)
		return (c->bytes[c->pos] & VEX_MAP) >= XOP_MAP_FIRST;
	return (c->bytes[c->pos] & VEX_MOD3) == VEX_MOD3;
}

/* 0F xx, 0F 38 xx, 0F 3A xx. Returns opcode flags or a negative error. */
static int decode_0f(struct insn *in, struct cursor *c)
{
	u8 escape;

	if (c->pos >= c->end)
		return missing(c, 1);
	in->map = MAP_0F;
	in->opcode = c->bytes[c->pos++];
	if (!(insn_flags_0f[in->opcode] & OP_PREFIX))
		return insn_flags_0f[in->opcode];
	escape = in->opcode;
	if (c->pos >= c->end)
		return missing(c, 1);
	in->opcode = c->bytes[c->pos++];
	in->map = escape == ESC_38 ? MAP_0F38 : MAP_0F3A;
	return escape == ESC_38 ? OP_MODRM : OP_MODRM | OP_IMM8U;
}

/* Takes a legacy prefix. False: the byte is none. */
static bool take_prefix(struct insn *in, u8 b, bool long_mode, bool *addrsize)
{
	switch (b) {
	case PREFIX_ES:
	case PREFIX_CS:
	case PREFIX_SS:
	case PREFIX_DS:
		if (!long_mode)
			in->seg = (s8)(b >> 3 & 3U);
		return true;
	case PREFIX_FS:
	case PREFIX_GS:
		in->seg = (s8)(SEG_FS + (b - PREFIX_FS));
		return true;
	case PREFIX_OPSIZE:
		in->opsize_prefix = true;
		return true;
	case PREFIX_ADDRSIZE:
		*addrsize = true;
		return true;
	case PREFIX_LOCK:
		in->lock = true;
		return true;
	case PREFIX_REP:
	case PREFIX_REPNE:
		in->rep = b == PREFIX_REP;
		in->repne = b == PREFIX_REPNE;
		return true;
	default:
		return false;
	}
}

/* Prefixes and the first opcode byte. Returns the opcode's flags or a negative error. */
static int decode_prefixes(struct insn *in, struct cursor *c, bool long_mode, bool *addrsize)
{
	for (;;) {
		u8 b;
		unsigned int flags;

		if (unlikely(c->pos >= c->end))
			return missing(c, 1);
		b = c->bytes[c->pos++];
		flags = insn_flags_one[b];
		if (likely(!(flags & OP_PREFIX))) {
			in->opcode = b;
			return (int)flags;
		}
		if ((b & 0xf0U) == REX_BASE) {
			if (!long_mode) {
				in->opcode = b;
				return 0;
			}
			in->rex = b;
			continue;
		}
		if (take_prefix(in, b, long_mode, addrsize)) {
			in->rex = 0; /* REX counts only right before the opcode */
			continue;
		}
		in->opcode = b;
		return (int)flags;
	}
}

int insn_decode(struct insn *in, const u8 *bytes, unsigned int n, unsigned int code_size)
{
	struct cursor c = { .bytes = bytes, .end = n < INSN_MAX ? n : INSN_MAX };
	bool long_mode = code_size == 8;
	bool addrsize = false;
	int flags, err;

	*in = (struct insn){ .seg = -1, .base = -1, .index = -1, .scale = 1 };
	flags = decode_prefixes(in, &c, long_mode, &addrsize);
	if (unlikely(flags < 0))
		return flags;
	if (long_mode) {
		in->op_size = in->rex & REX_W ? 8 : in->opsize_prefix ? 2 : 4;
		in->addr_size = addrsize ? 4 : 8;
	} else {
		in->op_size = (code_size == 4) != in->opsize_prefix ? 4 : 2;
		in->addr_size = (code_size == 4) != addrsize ? 4 : 2;
	}
	if (flags & OP_PREFIX) {
		if (in->opcode == ESC_0F) {
			flags = decode_0f(in, &c);
		} else {
			int vex = is_vex(&c, in->opcode, long_mode);

			if (vex < 0)
				return vex;
			if (vex)
				flags = decode_vex(in, &c, in->opcode, long_mode);
		}
		if (unlikely(flags < 0))
			return flags;
	}
	if (unlikely((flags & OP_BAD) || ((flags & OP_NO64) && long_mode)))
		return -EINVAL;
	if (flags & OP_MODRM) {
		err = decode_modrm(in, &c, (unsigned int)flags, long_mode);
		if (unlikely(err))
			return err;
	}
	if ((unsigned int)flags & OP_ANY_IMM) {
		err = decode_imm(in, &c, (unsigned int)flags, code_size);
		if (unlikely(err))
			return err;
	}
	in->len = (u8)c.pos;
	return 0;
}
