/* SPDX-License-Identifier: MIT */
/*
 * The one-byte opcodes: moves, arithmetic, shifts, groups 1 to 4. SDM vol. 2 rev. 083, table A-2
 * and the instructions' pages.
 */
#include "emulate_priv.h"
#include "errors.h"

#define ACC GPR_RAX

static unsigned int width(const struct emu *e)
{
	return e->in.opcode & 1 ? e->in.op_size : 1;
}

static enum emulate_result undefined(struct emu *e)
{
	vcpu_inject_ud(e->v);
	return EMULATE_FAULT;
}

/* ModRM's operand op b. */
static enum emulate_result binary_rm(struct emu *e, enum alu_op op, u64 b, bool write)
{
	unsigned int size = width(e);
	u64 flags, old, r;
	struct rm rm;

	if (emu_rm(e, size, write, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		r = alu_binary(op, old, b, size, &flags);
	} while (write && !emu_rm_commit(e, &rm, old, r));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* 00-3F: the operation is in bits 3-5, its operands in bits 0-2. */
static enum emulate_result arith(struct emu *e)
{
	enum alu_op op = (enum alu_op)(e->in.opcode >> 3 & 7U);
	unsigned int form = e->in.opcode & 7U;
	unsigned int size = width(e);
	u64 flags, r;
	struct rm rm;

	if (form < 2)
		return binary_rm(e, op, emu_reg_read(e, e->in.reg, size), op != ALU_CMP);
	if (form < 4) {
		if (emu_rm(e, size, false, &rm))
			return EMULATE_FAULT;
		flags = vcpu_rflags(e->v);
		r = alu_binary(op, emu_reg_read(e, e->in.reg, size), emu_rm_read(e, &rm), size,
			       &flags);
		if (op != ALU_CMP)
			emu_reg_write(e, e->in.reg, size, r);
		vcpu_set_rflags(e->v, flags);
		return emu_done(e);
	}
	return EMULATE_UNKNOWN;
}

static enum emulate_result mov(struct emu *e, bool to_rm)
{
	unsigned int size = width(e);
	struct rm rm;

	if (unlikely(emu_rm(e, size, to_rm, &rm)))
		return EMULATE_FAULT;
	if (to_rm)
		emu_rm_write(e, &rm, emu_reg_read(e, e->in.reg, size));
	else
		emu_reg_write(e, e->in.reg, size, emu_rm_read(e, &rm));
	return emu_done(e);
}

static enum emulate_result mov_imm(struct emu *e)
{
	struct rm rm;

	if ((e->in.reg & 7U) != 0)
		return EMULATE_UNKNOWN; /* XABORT, XBEGIN; else #UD */
	if (emu_rm(e, width(e), true, &rm))
		return EMULATE_FAULT;
	emu_rm_write(e, &rm, e->in.imm);
	return emu_done(e);
}

/* A0-A3 */
static enum emulate_result mov_moffs(struct emu *e)
{
	unsigned int size = width(e);
	bool store = e->in.opcode & 2;
	struct mem m;

	if (emu_mem(e, emu_data_segment(e), e->in.moffs, size, store, NULL, &m))
		return EMULATE_FAULT;
	if (store)
		emu_mem_write(e, &m, 0, size, emu_reg_read(e, ACC, size));
	else
		emu_reg_write(e, ACC, size, emu_mem_read(e, &m, 0, size));
	return emu_done(e);
}

/* 8C: to memory always 16 bits. */
static enum emulate_result mov_from_segment(struct emu *e)
{
	unsigned int seg = e->in.reg & 7U;
	struct rm rm;

	if (seg > SEG_GS)
		return undefined(e);
	if (emu_rm(e, e->in.mod == 3 ? e->in.op_size : 2, true, &rm))
		return EMULATE_FAULT;
	emu_rm_write(e, &rm, vcpu_seg(e->v, seg)->selector);
	return emu_done(e);
}

/* 63 in 64-bit mode */
static enum emulate_result movsxd(struct emu *e)
{
	unsigned int from = e->in.op_size == 2 ? 2 : 4;
	struct rm rm;

	if (e->code_size != 8)
		return EMULATE_UNKNOWN; /* ARPL */
	if (emu_rm(e, from, false, &rm))
		return EMULATE_FAULT;
	emu_reg_write(e, e->in.reg, e->in.op_size,
		      from == 4 ? (u64)(s32)emu_rm_read(e, &rm) : emu_rm_read(e, &rm));
	return emu_done(e);
}

static enum emulate_result xchg(struct emu *e)
{
	unsigned int size = width(e);
	u64 old, value = emu_reg_read(e, e->in.reg, size);
	struct rm rm;

	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		old = emu_rm_read(e, &rm);
	} while (!emu_rm_commit(e, &rm, old, value));
	emu_reg_write(e, e->in.reg, size, old);
	return emu_done(e);
}

static enum emulate_result imul_imm(struct emu *e)
{
	unsigned int size = e->in.op_size;
	u64 flags = vcpu_rflags(e->v);
	struct rm rm;

	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	emu_reg_write(e, e->in.reg, size, alu_imul(emu_rm_read(e, &rm), e->in.imm, size, &flags));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* Group 2: C0, C1, D0-D3 */
static enum emulate_result shift(struct emu *e)
{
	enum shift_op op = (enum shift_op)(e->in.reg & 7U);
	unsigned int size = width(e);
	unsigned int count = 1;
	u64 flags, old, r;
	struct rm rm;

	if (e->in.opcode < 0xd0)
		count = (unsigned int)e->in.imm;
	else if (e->in.opcode & 2)
		count = (unsigned int)emu_reg_read(e, GPR_RCX, 4) & 0xff;
	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		r = alu_shift(op, old, count, size, &flags);
	} while (!emu_rm_commit(e, &rm, old, r));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

enum unary {
	UNARY_INC,
	UNARY_DEC,
	UNARY_NOT,
	UNARY_NEG
};

static enum emulate_result unary(struct emu *e, enum unary op)
{
	unsigned int size = width(e);
	u64 flags, old, r;
	struct rm rm;

	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		switch (op) {
		case UNARY_INC:
			r = alu_inc(old, size, &flags);
			break;
		case UNARY_DEC:
			r = alu_dec(old, size, &flags);
			break;
		case UNARY_NOT:
			r = ~old & emu_mask(size);
			break;
		default:
			r = alu_neg(old, size, &flags);
			break;
		}
	} while (!emu_rm_commit(e, &rm, old, r));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* The accumulator pair of MUL and DIV: AX for bytes (AL low, AH high), else rDX:rAX. */
static void write_pair(struct emu *e, unsigned int size, u64 lo, u64 hi)
{
	if (size == 1) {
		emu_reg_write(e, ACC, 2, lo | hi << 8);
		return;
	}
	emu_reg_write(e, ACC, size, lo);
	emu_reg_write(e, GPR_RDX, size, hi);
}

static enum emulate_result multiply_divide(struct emu *e, bool divide, bool is_signed)
{
	unsigned int size = width(e);
	u64 flags = vcpu_rflags(e->v);
	u64 operand, lo, hi;
	struct rm rm;

	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	operand = emu_rm_read(e, &rm);
	lo = emu_reg_read(e, ACC, size);
	if (!divide) {
		alu_mul(is_signed, lo, operand, size, &lo, &hi, &flags);
		vcpu_set_rflags(e->v, flags);
	} else {
		hi = size == 1 ? emu_reg_read(e, ACC, 2) >> 8 : emu_reg_read(e, GPR_RDX, size);
		if (!alu_div(is_signed, lo, hi, operand, size, &lo, &hi)) {
			vcpu_inject_exception(e->v, VEC_DE, false, 0);
			return EMULATE_FAULT;
		}
	}
	write_pair(e, size, lo, hi);
	return emu_done(e);
}

/* F6, F7 */
static enum emulate_result group3(struct emu *e)
{
	switch (e->in.reg & 7U) {
	case 0:
	case 1:
		return binary_rm(e, ALU_AND, e->in.imm, false);
	case 2:
		return unary(e, UNARY_NOT);
	case 3:
		return unary(e, UNARY_NEG);
	case 4:
		return multiply_divide(e, false, false);
	case 5:
		return multiply_divide(e, false, true);
	case 6:
		return multiply_divide(e, true, false);
	default:
		return multiply_divide(e, true, true);
	}
}

/* FE, FF */
static enum emulate_result group45(struct emu *e)
{
	unsigned int reg = e->in.reg & 7U;

	if (reg < 2)
		return unary(e, reg ? UNARY_DEC : UNARY_INC);
	if (e->in.opcode == 0xfe || reg == 7)
		return undefined(e);
	return emu_stack(e);
}

static enum emulate_result xlat(struct emu *e)
{
	u64 offset = vcpu_gpr(e->v, GPR_RBX) + emu_reg_read(e, ACC, 1);
	struct mem m;

	if (emu_mem(e, emu_data_segment(e), offset & emu_mask(e->in.addr_size), 1, false, NULL, &m))
		return EMULATE_FAULT;
	emu_reg_write(e, ACC, 1, emu_mem_read(e, &m, 0, 1));
	return emu_done(e);
}

enum emulate_result emu_one(struct emu *e)
{
	switch (e->in.opcode) {
	case 0x88:
	case 0x89:
		return mov(e, true);
	case 0x8a:
	case 0x8b:
		return mov(e, false);
	case 0xc6:
	case 0xc7:
		return mov_imm(e);
	case 0x00 ... 0x3f:
		return (e->in.opcode & 7U) < 6 ? arith(e) : EMULATE_UNKNOWN;
	case 0x63:
		return movsxd(e);
	case 0x69:
	case 0x6b:
		/* Both work on the operand size: bit 0 of the opcode is set. */
		return imul_imm(e);
	case 0x6c ... 0x6f:
	case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf:
		return emu_string(e);
	case 0x80 ... 0x83:
		return binary_rm(e, (enum alu_op)(e->in.reg & 7U), e->in.imm,
				 (e->in.reg & 7U) != ALU_CMP);
	case 0x84:
	case 0x85:
		return binary_rm(e, ALU_AND, emu_reg_read(e, e->in.reg, width(e)), false);
	case 0x86:
	case 0x87:
		return xchg(e);
	case 0x8c:
		return mov_from_segment(e);
	case 0xa0 ... 0xa3:
		return mov_moffs(e);
	case 0xc0:
	case 0xc1:
	case 0xd0 ... 0xd3:
		return shift(e);
	case 0xd7:
		return xlat(e);
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		return emu_port(e);
	case 0x50 ... 0x5f:
	case 0x68:
	case 0x6a:
	case 0x8f:
	case 0x9c:
	case 0xc2:
	case 0xc3:
	case 0xc8:
	case 0xc9:
	case 0xe8:
		return emu_stack(e);
	case 0xf6:
	case 0xf7:
		return group3(e);
	case 0xfe:
	case 0xff:
		return group45(e);
	default:
		return EMULATE_UNKNOWN;
	}
}
