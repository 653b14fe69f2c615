/* SPDX-License-Identifier: MIT */
/*
 * String instructions and port I/O: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS with REP, REPE,
 * REPNE; IN, OUT. SDM vol. 1 rev. 083 7.3.9 and the REP page of vol. 2. After each iteration the
 * registers are those that the manual promises, so that a fault or an interrupt between two finds
 * the state precise.
 */
#include "emulate_priv.h"
#include "errors.h"
#include "vm.h"

/* Iterations a call; interrupts wait no longer. */
#define REP_LIMIT 256

enum string_op {
	STRING_INS,
	STRING_OUTS,
	STRING_MOVS,
	STRING_CMPS,
	STRING_STOS,
	STRING_LODS,
	STRING_SCAS,
};

struct string {
	enum string_op op;
	unsigned int size;
	u64 step; /* added to the index registers */
	u64 flags;
	struct page_cache source, destination;
};

static u32 port_read(struct emu *e, u16 port, unsigned int size)
{
	struct board *b = &e->v->vm->board;
	u32 value;

	spin_lock(&b->lock);
	value = bus_port_read(&b->bus, port, size);
	spin_unlock(&b->lock);
	return value;
}

static void port_write(struct emu *e, u16 port, unsigned int size, u32 value)
{
	struct board *b = &e->v->vm->board;

	spin_lock(&b->lock);
	bus_port_write(&b->bus, port, size, value);
	spin_unlock(&b->lock);
}

/* There is no 64-bit port access: REX.W is ignored. */
static unsigned int port_size(const struct emu *e)
{
	if (!(e->in.opcode & 1))
		return 1;
	return e->in.op_size == 2 ? 2 : 4;
}

enum emulate_result emu_port(struct emu *e)
{
	unsigned int size = port_size(e);
	u16 port = e->in.opcode < 0xe8 ? (u8)e->in.imm : (u16)vcpu_gpr(e->v, GPR_RDX);

	if (e->in.opcode & 2)
		port_write(e, port, size, (u32)emu_reg_read(e, GPR_RAX, size));
	else
		emu_reg_write(e, GPR_RAX, size, port_read(e, port, size));
	return emu_done(e);
}

static int source(struct emu *e, struct string *s, struct mem *m)
{
	u64 offset = vcpu_gpr(e->v, GPR_RSI) & emu_mask(e->in.addr_size);

	return emu_mem(e, emu_data_segment(e), offset, s->size, false, &s->source, m);
}

/* ES, whatever the prefix. */
static int destination(struct emu *e, struct string *s, bool write, struct mem *m)
{
	u64 offset = vcpu_gpr(e->v, GPR_RDI) & emu_mask(e->in.addr_size);

	return emu_mem(e, SEG_ES, offset, s->size, write, &s->destination, m);
}

static void advance(struct emu *e, unsigned int reg, u64 step)
{
	emu_reg_write(e, reg, e->in.addr_size, vcpu_gpr(e->v, reg) + step);
}

/* One element: every check of it, then its accesses, then its registers. 0 or -EFAULT. */
static int element(struct emu *e, struct string *s)
{
	u16 port = (u16)vcpu_gpr(e->v, GPR_RDX);
	u64 acc = emu_reg_read(e, GPR_RAX, s->size);
	struct mem from = { 0 }, to = { 0 };
	u64 a;

	if (s->op == STRING_MOVS || s->op == STRING_CMPS || s->op == STRING_LODS ||
	    s->op == STRING_OUTS) {
		if (source(e, s, &from))
			return -EFAULT;
	}
	if (s->op != STRING_LODS && s->op != STRING_OUTS) {
		if (destination(e, s, s->op != STRING_CMPS && s->op != STRING_SCAS, &to))
			return -EFAULT;
	}
	switch (s->op) {
	case STRING_INS:
		emu_mem_write(e, &to, 0, s->size, port_read(e, port, s->size));
		break;
	case STRING_OUTS:
		port_write(e, port, s->size, (u32)emu_mem_read(e, &from, 0, s->size));
		break;
	case STRING_MOVS:
		emu_mem_write(e, &to, 0, s->size, emu_mem_read(e, &from, 0, s->size));
		break;
	case STRING_CMPS:
		a = emu_mem_read(e, &from, 0, s->size);
		alu_binary(ALU_CMP, a, emu_mem_read(e, &to, 0, s->size), s->size, &s->flags);
		break;
	case STRING_STOS:
		emu_mem_write(e, &to, 0, s->size, acc);
		break;
	case STRING_LODS:
		emu_reg_write(e, GPR_RAX, s->size, emu_mem_read(e, &from, 0, s->size));
		break;
	case STRING_SCAS:
		alu_binary(ALU_CMP, acc, emu_mem_read(e, &to, 0, s->size), s->size, &s->flags);
		break;
	}
	if (from.size)
		advance(e, GPR_RSI, s->step);
	if (to.size)
		advance(e, GPR_RDI, s->step);
	return 0;
}

static enum string_op string_op(u8 opcode)
{
	switch (opcode & ~1U) {
	case 0x6c:
		return STRING_INS;
	case 0x6e:
		return STRING_OUTS;
	case 0xa4:
		return STRING_MOVS;
	case 0xa6:
		return STRING_CMPS;
	case 0xaa:
		return STRING_STOS;
	case 0xac:
		return STRING_LODS;
	default:
		return STRING_SCAS;
	}
}

/* REPE and REPNE end when ZF says so. */
static bool compare_ends(const struct emu *e, const struct string *s)
{
	bool equal = (s->flags & RFLAGS_ZF) != 0;

	if (s->op != STRING_CMPS && s->op != STRING_SCAS)
		return false;
	return e->in.rep ? !equal : equal;
}

enum emulate_result emu_string(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 count_mask = emu_mask(e->in.addr_size);
	bool rep = e->in.rep || e->in.repne;
	struct string s = { .op = string_op(e->in.opcode), .flags = vcpu_rflags(v) };

	if (s.op == STRING_INS || s.op == STRING_OUTS)
		s.size = port_size(e);
	else
		s.size = e->in.opcode & 1 ? e->in.op_size : 1;
	s.step = s.flags & RFLAGS_DF ? -(u64)s.size : s.size;
	/* The exit's address is that of one element, and MOVS and CMPS have two. */
	e->single_operand = false;
	if (!rep) {
		if (element(e, &s))
			return EMULATE_FAULT;
		vcpu_set_rflags(v, s.flags);
		return emu_done(e);
	}
	for (unsigned int i = 0; i < REP_LIMIT; i++) {
		if ((vcpu_gpr(v, GPR_RCX) & count_mask) == 0)
			break;
		/* A fault leaves the flags as they were before the instruction. */
		if (element(e, &s))
			return EMULATE_FAULT;
		advance(e, GPR_RCX, ~UINT64_C(0));
		if ((vcpu_gpr(v, GPR_RCX) & count_mask) == 0 || compare_ends(e, &s)) {
			vcpu_set_rflags(v, s.flags);
			return emu_done(e);
		}
		/*
		 * TF traps after each iteration, with RIP at the instruction: SDM vol. 3
		 * 17.3.1.4.
		 */
		if (s.flags & RFLAGS_TF) {
			vcpu_set_dr6(v, vcpu_dr6(v) | DR6_BS);
			vcpu_inject_exception(v, VEC_DB, false, 0);
			return EMULATE_DONE;
		}
	}
	if ((vcpu_gpr(v, GPR_RCX) & count_mask) == 0)
		return emu_done(e);
	return EMULATE_DONE;
}
