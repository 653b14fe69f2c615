/* SPDX-License-Identifier: MIT */
/*
 * The two-byte opcodes and MOVBE: extending moves, bit tests, compare and exchange, SETcc,
 * CMOVcc. SDM vol. 2 rev. 083, tables and the instructions' pages.
 */
#include "emulate_priv.h"
#include "cpuid.h"
#include "errors.h"
#include "policy.h"

#define REX_W 8U

static enum emulate_result undefined(struct emu *e)
{
	vcpu_inject_ud(e->v);
	return EMULATE_FAULT;
}

static u64 sign_extend(u64 a, unsigned int size)
{
	return size == 1 ? (u64)(s8)a : (u64)(s16)a;
}

/* MOVZX, MOVSX: B6, B7, BE, BF */
static enum emulate_result mov_extend(struct emu *e)
{
	unsigned int from = e->in.opcode & 1 ? 2 : 1;
	struct rm rm;
	u64 value;

	if (emu_rm(e, from, false, &rm))
		return EMULATE_FAULT;
	value = emu_rm_read(e, &rm);
	if (e->in.opcode & 8)
		value = sign_extend(value, from);
	emu_reg_write(e, e->in.reg, e->in.op_size, value);
	return emu_done(e);
}

/* The operand is read whatever the condition; a 32-bit destination is zero-extended in any case. */
static enum emulate_result cmov(struct emu *e)
{
	unsigned int size = e->in.op_size;
	struct rm rm;
	u64 value;

	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	value = emu_rm_read(e, &rm);
	if (!alu_condition(e->in.opcode & 15U, vcpu_rflags(e->v)))
		value = emu_reg_read(e, e->in.reg, size);
	emu_reg_write(e, e->in.reg, size, value);
	return emu_done(e);
}

static enum emulate_result setcc(struct emu *e)
{
	struct rm rm;

	if (emu_rm(e, 1, true, &rm))
		return EMULATE_FAULT;
	emu_rm_write(e, &rm, alu_condition(e->in.opcode & 15U, vcpu_rflags(e->v)));
	return emu_done(e);
}

/*
 * BT, BTS, BTR, BTC. With the bit number in a register a memory operand is a string of bits: the
 * number, signed, chooses the word too.
 */
static enum emulate_result bit_test(struct emu *e, enum bit_op op, bool by_register)
{
	unsigned int size = e->in.op_size, bits = 8 * size;
	u64 number = e->in.imm;
	u64 flags, old, r;
	struct rm rm;

	if (by_register) {
		number = emu_reg_read(e, e->in.reg, size);
		if (e->in.mod != 3) {
			unsigned int unused = 64 - bits;
			s64 n = (s64)(number << unused) >> unused;

			/* An arithmetic shift: rounds down. */
			n >>= size == 8 ? 6 : size == 4 ? 5 : 4;
			e->in.disp = (s64)((u64)e->in.disp + (u64)n * size);
		}
	}
	if (emu_rm(e, size, op != BIT_TEST, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		r = alu_bit(op, old, (unsigned int)(number & (bits - 1)), &flags);
	} while (op != BIT_TEST && !emu_rm_commit(e, &rm, old, r));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

static enum emulate_result double_shift(struct emu *e)
{
	unsigned int size = e->in.op_size;
	unsigned int count =
		(unsigned int)(e->in.opcode & 1 ? emu_reg_read(e, GPR_RCX, 4) & 0xff : e->in.imm);
	u64 flags, old, r;
	struct rm rm;

	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		r = alu_double_shift(e->in.opcode & 8, old, emu_reg_read(e, e->in.reg, size), count,
				     size, &flags);
	} while (!emu_rm_commit(e, &rm, old, r));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

static enum emulate_result imul(struct emu *e)
{
	unsigned int size = e->in.op_size;
	u64 flags = vcpu_rflags(e->v);
	struct rm rm;

	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	emu_reg_write(
		e, e->in.reg, size,
		alu_imul(emu_reg_read(e, e->in.reg, size), emu_rm_read(e, &rm), size, &flags));
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* The destination is written in any case, with its own value when they differ. */
static enum emulate_result cmpxchg(struct emu *e)
{
	unsigned int size = e->in.opcode & 1 ? e->in.op_size : 1;
	u64 expected = emu_reg_read(e, GPR_RAX, size);
	u64 value = emu_reg_read(e, e->in.reg, size);
	u64 flags, old;
	struct rm rm;

	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		alu_binary(ALU_CMP, expected, old, size, &flags);
	} while (!emu_rm_commit(e, &rm, old, old == expected ? value : old));
	if (old != expected)
		emu_reg_write(e, GPR_RAX, size, old);
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* CMPXCHG16B takes #GP(0) for an address that is not a multiple of 16. 64-bit mode only. */
static bool pair_aligned(struct emu *e)
{
	unsigned int seg = emu_segment(e);
	u64 base = seg >= SEG_FS ? vcpu_seg(e->v, seg)->base : 0;

	return IS_ALIGNED(base + emu_offset(e->v, &e->in, e->next_rip), 16);
}

/* C7 /1: CMPXCHG8B, with REX.W CMPXCHG16B. */
static enum emulate_result cmpxchg_pair(struct emu *e)
{
	unsigned int half = e->in.rex & REX_W ? 8 : 4;
	u64 flags = vcpu_rflags(e->v);
	struct rm rm;
	u64 lo, hi;

	if (e->in.mod == 3)
		return undefined(e);
	if (half == 8 && !pair_aligned(e)) {
		emu_gp(e);
		return EMULATE_FAULT;
	}
	if (emu_rm(e, 2 * half, true, &rm))
		return EMULATE_FAULT;
	for (;;) {
		lo = emu_mem_read(e, &rm.mem, 0, half);
		hi = emu_mem_read(e, &rm.mem, half, half);
		if (lo != emu_reg_read(e, GPR_RAX, half) || hi != emu_reg_read(e, GPR_RDX, half)) {
			emu_reg_write(e, GPR_RAX, half, lo);
			emu_reg_write(e, GPR_RDX, half, hi);
			flags &= ~RFLAGS_ZF;
			break;
		}
		if (half == 4) {
			u64 new = emu_reg_read(e, GPR_RBX, 4) | emu_reg_read(e, GPR_RCX, 4) << 32;

			if (!emu_rm_commit(e, &rm, lo | hi << 32, new))
				continue;
		} else {
			emu_mem_write(e, &rm.mem, 0, 8, vcpu_gpr(e->v, GPR_RBX));
			emu_mem_write(e, &rm.mem, 8, 8, vcpu_gpr(e->v, GPR_RCX));
		}
		flags |= RFLAGS_ZF;
		break;
	}
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

static enum emulate_result xadd(struct emu *e)
{
	unsigned int size = e->in.opcode & 1 ? e->in.op_size : 1;
	u64 addend = emu_reg_read(e, e->in.reg, size);
	u64 flags, old, r;
	struct rm rm;

	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	do {
		flags = vcpu_rflags(e->v);
		old = emu_rm_read(e, &rm);
		r = alu_binary(ALU_ADD, old, addend, size, &flags);
	} while (!emu_rm_commit(e, &rm, old, r));
	/* With one register as both, the sum stays. */
	if (rm.is_mem || rm.reg != e->in.reg)
		emu_reg_write(e, e->in.reg, size, old);
	else
		emu_reg_write(e, e->in.reg, size, r);
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

static enum emulate_result movnti(struct emu *e)
{
	unsigned int size = e->in.rex & REX_W ? 8 : 4;
	struct rm rm;

	if (e->in.mod == 3)
		return undefined(e);
	if (emu_rm(e, size, true, &rm))
		return EMULATE_FAULT;
	emu_rm_write(e, &rm, emu_reg_read(e, e->in.reg, size));
	return emu_done(e);
}

static u64 byte_swap(u64 value, unsigned int size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

/* 0F 38 F0, F1 without F2 (that is CRC32) */
static enum emulate_result movbe(struct emu *e)
{
	unsigned int size = e->in.op_size;
	bool store = e->in.opcode & 1;
	struct rm rm;

	if (e->in.mod == 3)
		return undefined(e);
	if (emu_rm(e, size, store, &rm))
		return EMULATE_FAULT;
	if (store)
		emu_rm_write(e, &rm, byte_swap(emu_reg_read(e, e->in.reg, size), size));
	else
		emu_reg_write(e, e->in.reg, size, byte_swap(emu_rm_read(e, &rm), size));
	return emu_done(e);
}

/*
 * BSF, BSR (BC, BD), with F3 TZCNT, LZCNT, POPCNT (B8); a processor without the latter takes them for the former. BSF and BSR of 0
 * leave the register alone, as the APM says and Intel's processors do.
 */
static enum emulate_result bit_count(struct emu *e)
{
	unsigned int size = e->in.op_size;
	bool forward = e->in.opcode == 0xbc, population = e->in.opcode == 0xb8, count;
	u64 flags, value, r;
	struct rm rm;

	if (population)
		count = e->in.rep &&
			cpuid_policy_has(CPUID_IDENT, 0, 'c', CPUID_BIT(CPUID_1_ECX_POPCNT));
	else if (forward)
		count = e->in.rep &&
			cpuid_policy_has(CPUID_FEATURES, 0, 'b', CPUID_BIT(CPUID_7_EBX_BMI1));
	else
		count = e->in.rep &&
			cpuid_policy_has(CPUID_EXT_IDENT, 0, 'c', CPUID_BIT(CPUID_81_ECX_ABM));
	if (population && !count)
		return EMULATE_UNKNOWN;
	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	value = emu_rm_read(e, &rm);
	flags = vcpu_rflags(e->v) & ~(RFLAGS_ZF | RFLAGS_CF);
	r = 0;
	if (population)
		for (u64 rest = value; rest; rest &= rest - 1)
			r++;
	else if (value == 0)
		r = 8 * size;
	else if (forward)
		r = (u64)__builtin_ctzll(value);
	else if (count)
		r = 8 * size - 64 + (u64)__builtin_clzll(value);
	else
		r = 63 - (u64)__builtin_clzll(value);
	if (population)
		flags &= ~(RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF);
	if (value == 0 && count && !population)
		flags |= RFLAGS_CF;
	if (population || !count ? value == 0 : value != 0 && r == 0)
		flags |= RFLAGS_ZF;
	if (value != 0 || count)
		emu_reg_write(e, e->in.reg, size, r);
	vcpu_set_rflags(e->v, flags);
	return emu_done(e);
}

/* 0F 01 /4, SMSW: to memory always 16 bits. The rest of the group accesses tables. */
static enum emulate_result group7(struct emu *e)
{
	struct rm rm;

	if ((e->in.reg & 7U) != 4)
		return EMULATE_UNKNOWN;
	if (emu_rm(e, e->in.mod == 3 ? e->in.op_size : 2, true, &rm))
		return EMULATE_FAULT;
	emu_rm_write(e, &rm, vcpu_cr0(e->v));
	return emu_done(e);
}

enum emulate_result emu_0f(struct emu *e)
{
	if (e->in.map == MAP_0F38) {
		if ((e->in.opcode & ~1U) == 0xf0 && !e->in.repne)
			return movbe(e);
		return emu_sse(e);
	}
	if (e->in.map != MAP_0F)
		return EMULATE_UNKNOWN;
	switch (e->in.opcode) {
	case 0x01:
		return group7(e);
	case 0x0d: /* prefetches and hints access nothing */
	case 0x18 ... 0x1f:
		return e->in.mod == 3 ? EMULATE_UNKNOWN : emu_done(e);
	case 0x40 ... 0x4f:
		return cmov(e);
	case 0x90 ... 0x9f:
		return setcc(e);
	case 0xa3:
		return bit_test(e, BIT_TEST, true);
	case 0xab:
		return bit_test(e, BIT_SET, true);
	case 0xb3:
		return bit_test(e, BIT_RESET, true);
	case 0xbb:
		return bit_test(e, BIT_COMPLEMENT, true);
	case 0xba:
		if ((e->in.reg & 7U) < 4)
			return undefined(e);
		return bit_test(e, (enum bit_op)(e->in.reg & 3U), false);
	case 0xa4:
	case 0xa5:
	case 0xac:
	case 0xad:
		return double_shift(e);
	case 0xae: /* CLFLUSH, with 66 CLFLUSHOPT and CLWB: devices are not cached */
		if (e->in.mod != 3 && !e->in.rep &&
		    ((e->in.reg & 7U) == 7 || ((e->in.reg & 7U) == 6 && e->in.opsize_prefix)))
			return emu_done(e);
		return EMULATE_UNKNOWN;
	case 0xaf:
		return imul(e);
	case 0xb0:
	case 0xb1:
		return cmpxchg(e);
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		return mov_extend(e);
	case 0xb8:
	case 0xbc:
	case 0xbd:
		return bit_count(e);
	case 0xc0:
	case 0xc1:
		return xadd(e);
	case 0xc3:
		return movnti(e);
	case 0xc7:
		return (e->in.reg & 7U) == 1 ? cmpxchg_pair(e) : EMULATE_UNKNOWN;
	default:
		return emu_sse(e);
	}
}
