/* SPDX-License-Identifier: MIT */
/*
 * PUSH, POP, ENTER, LEAVE and the near CALL, JMP, RET whose stack or operand lies in a device. SDM vol.
 * 1 rev. 083 ch. 6 and the instructions' pages in vol. 2. RSP changes last, so that every fault
 * leaves it alone.
 */
#include "emulate_priv.h"
#include "errors.h"

enum {
	OP_CALL_GROUP = 2,
	OP_JMP_GROUP = 4,
	OP_PUSH_GROUP = 6,
};

/* The immediate of ENTER: size of the frame, then the level. */
#define ENTER_SIZE   0xffffU
#define ENTER_LEVELS (31U << 16)

/* RFLAGS as PUSHF stores it: without VM and RF. */
#define PUSHF_MASK 0x00fcffffULL

/* Stack-address size: SDM vol. 1 6.2.3. */
static unsigned int stack_width(struct emu *e)
{
	if (e->code_size == 8)
		return 8;
	return vcpu_seg(e->v, SEG_SS)->attr & SEG_DB ? 4 : 2;
}

/* Operand size of stack instructions: 64-bit mode knows no 4 bytes; near branches there only 8. */
static unsigned int stack_size(const struct emu *e, bool branch)
{
	if (e->code_size != 8)
		return e->in.op_size;
	return e->in.opsize_prefix && !branch ? 2 : 8;
}

static void set_sp(struct emu *e, u64 sp)
{
	emu_reg_write(e, GPR_RSP, stack_width(e), sp);
}

static int push(struct emu *e, u64 value, unsigned int size)
{
	u64 sp = (vcpu_gpr(e->v, GPR_RSP) - size) & emu_mask(stack_width(e));
	struct mem m;

	if (emu_mem(e, SEG_SS, sp, size, true, NULL, &m))
		return -EFAULT;
	emu_mem_write(e, &m, 0, size, value);
	set_sp(e, sp);
	return 0;
}

/* Reads from sp; the caller moves RSP. */
static int peek(struct emu *e, u64 sp, unsigned int size, u64 *value)
{
	struct mem m;

	if (emu_mem(e, SEG_SS, sp & emu_mask(stack_width(e)), size, false, NULL, &m))
		return -EFAULT;
	*value = emu_mem_read(e, &m, 0, size);
	return 0;
}

/* A near target must be canonical, or within the limit of CS. 0 or -EFAULT with #GP(0). */
static int check_target(struct emu *e, u64 target)
{
	gva_t unused;

	if (e->code_size == 8)
		return emu_linear(e, SEG_CS, target, 1, false, &unused);
	return target > vcpu_seg(e->v, SEG_CS)->limit ? emu_gp(e) : 0;
}

static enum emulate_result push_done(struct emu *e, u64 value, unsigned int size)
{
	return push(e, value, size) ? EMULATE_FAULT : emu_done(e);
}

static enum emulate_result call(struct emu *e, u64 target, unsigned int size)
{
	if (check_target(e, target) || push(e, e->next_rip, size))
		return EMULATE_FAULT;
	return emu_jump(e, target);
}

/* FF /2, /4, /6 */
static enum emulate_result group5(struct emu *e)
{
	unsigned int op = e->in.reg & 7U;
	unsigned int size = stack_size(e, op != OP_PUSH_GROUP);
	struct rm rm;
	u64 value;

	if (op != OP_CALL_GROUP && op != OP_JMP_GROUP && op != OP_PUSH_GROUP)
		return EMULATE_UNKNOWN; /* far */
	e->single_operand = op == OP_JMP_GROUP;
	if (emu_rm(e, size, false, &rm))
		return EMULATE_FAULT;
	value = emu_rm_read(e, &rm);
	if (op == OP_PUSH_GROUP)
		return push_done(e, value, size);
	if (op == OP_CALL_GROUP)
		return call(e, value, size);
	return check_target(e, value) ? EMULATE_FAULT : emu_jump(e, value);
}

/* 8F /0: an address with RSP as the base is computed after the pop. */
static enum emulate_result pop_rm(struct emu *e)
{
	unsigned int size = stack_size(e, false);
	u64 sp = vcpu_gpr(e->v, GPR_RSP);
	struct rm rm;
	u64 value;

	if ((e->in.reg & 7U) != 0) {
		vcpu_inject_ud(e->v);
		return EMULATE_FAULT;
	}
	e->single_operand = false;
	if (e->in.base == GPR_RSP)
		e->in.disp = (s64)((u64)e->in.disp + size);
	/* Both are checked before either is accessed. */
	if (emu_rm(e, size, true, &rm) || peek(e, sp, size, &value))
		return EMULATE_FAULT;
	set_sp(e, sp + size);
	emu_rm_write(e, &rm, value);
	return emu_done(e);
}

static enum emulate_result pop_reg(struct emu *e, unsigned int reg)
{
	unsigned int size = stack_size(e, false);
	u64 sp = vcpu_gpr(e->v, GPR_RSP);
	u64 value;

	if (peek(e, sp, size, &value))
		return EMULATE_FAULT;
	set_sp(e, sp + size);
	emu_reg_write(e, reg, size, value);
	return emu_done(e);
}

static enum emulate_result leave(struct emu *e)
{
	unsigned int size = stack_size(e, false);
	u64 sp = vcpu_gpr(e->v, GPR_RBP);
	u64 value;

	if (peek(e, sp, size, &value))
		return EMULATE_FAULT;
	set_sp(e, sp + size);
	emu_reg_write(e, GPR_RBP, size, value);
	return emu_done(e);
}

/* C8, without copied frame pointers: those of compilers are of level 0. The end of the frame must be writable. */
static enum emulate_result enter(struct emu *e)
{
	unsigned int size = stack_size(e, false);
	u64 sp = vcpu_gpr(e->v, GPR_RSP), frame = (sp - size) & emu_mask(stack_width(e));
	u64 bottom = (frame - (e->in.imm & ENTER_SIZE)) & emu_mask(stack_width(e));
	struct mem m, end;

	if (e->in.imm & ENTER_LEVELS)
		return EMULATE_UNKNOWN;
	if (emu_mem(e, SEG_SS, frame, size, true, NULL, &m) ||
	    emu_mem(e, SEG_SS, bottom, size, true, NULL, &end))
		return EMULATE_FAULT;
	emu_mem_write(e, &m, 0, size, emu_reg_read(e, GPR_RBP, size));
	emu_reg_write(e, GPR_RBP, size, frame);
	set_sp(e, bottom);
	return emu_done(e);
}

static enum emulate_result ret(struct emu *e, u64 drop)
{
	unsigned int size = stack_size(e, true);
	u64 sp = vcpu_gpr(e->v, GPR_RSP);
	u64 target;

	if (peek(e, sp, size, &target) || check_target(e, target))
		return EMULATE_FAULT;
	set_sp(e, sp + size + drop);
	return emu_jump(e, target);
}

enum emulate_result emu_stack(struct emu *e)
{
	unsigned int size = stack_size(e, false);
	unsigned int reg = (e->in.opcode & 7U) | (e->in.rex & 1U ? 8U : 0U);

	switch (e->in.opcode) {
	case 0x50 ... 0x57:
		return push_done(e, emu_reg_read(e, reg, size), size);
	case 0x58 ... 0x5f:
		return pop_reg(e, reg);
	case 0x68:
	case 0x6a:
		return push_done(e, e->in.imm, size);
	case 0x8f:
		return pop_rm(e);
	case 0x9c:
		if (vcpu_rflags(e->v) & RFLAGS_VM)
			return EMULATE_UNKNOWN;
		return push_done(e, vcpu_rflags(e->v) & PUSHF_MASK, size);
	case 0xc2:
		return ret(e, e->in.imm);
	case 0xc3:
		return ret(e, 0);
	case 0xc8:
		return enter(e);
	case 0xc9:
		return leave(e);
	case 0xe8:
		size = stack_size(e, true);
		return call(e, (e->next_rip + e->in.imm) & emu_mask(size), size);
	case 0xff:
		return group5(e);
	default:
		return EMULATE_UNKNOWN;
	}
}
