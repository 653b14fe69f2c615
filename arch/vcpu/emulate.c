/* SPDX-License-Identifier: MIT */
/*
 * Instruction emulator: fetches, decodes and hands over to the group that knows the instruction.
 * SDM vol. 2 rev. 083, APM vol. 3 rev. 3.35. It is reached only for instructions that the
 * processor has begun and given up because of an intercept: what it would have refused before
 * (privilege, I/O permission) is not checked again.
 */
#include "emulate_priv.h"
#include "errors.h"

/* Why the bytes after the n that could be fetched cannot be. */
static int fetch_fault(struct vcpu *v, unsigned int n, unsigned int code_size)
{
	unsigned int access = ACCESS_FETCH | (vcpu_cpl(v) == 3 ? (unsigned int)ACCESS_USER : 0);
	u64 rip = vcpu_rip(v) + n;
	struct fault f = { .vector = VEC_GP, .has_error = true };
	struct emu e = { .v = v };
	gpa_t gpa;

	if (code_size != 8) {
		const struct segment *cs = vcpu_seg(v, SEG_CS);

		rip = (u32)rip;
		if (rip > cs->limit)
			return emu_fault(&e, &f);
		rip = (u32)(rip + cs->base);
	}
	/* It may have become fetchable meanwhile: then the instruction is simply tried again. */
	if (guest_translate(v, rip, access, &gpa, &f))
		return emu_fault(&e, &f);
	return -EFAULT;
}

static int fetch_decode(struct vcpu *v, const u8 *known, unsigned int n, struct insn *in,
			unsigned int code_size)
{
	u8 bytes[INSN_MAX];
	struct fault f;
	int err = -EAGAIN, got;

	if (n)
		err = insn_decode(in, known, n, code_size);
	if (err == -EAGAIN) {
		got = guest_fetch(v, bytes, &f);
		if (unlikely(got < 0)) {
			struct emu e = { .v = v };

			return emu_fault(&e, &f);
		}
		err = insn_decode(in, bytes, (unsigned int)got, code_size);
		if (unlikely(err == -EAGAIN))
			return fetch_fault(v, (unsigned int)got, code_size);
	}
	if (likely(!err))
		return 0;
	if (err == -E2BIG) {
		vcpu_inject_gp(v, 0);
		return -EFAULT;
	}
	vcpu_inject_ud(v);
	return -EINVAL;
}

int emulate_fetch_decode(struct vcpu *v, const u8 *known, unsigned int n, struct insn *in)
{
	const struct insn *cached = n ? NULL : insn_cache_get(v);

	if (cached) {
		*in = *cached;
		return 0;
	}
	return fetch_decode(v, known, n, in, vcpu_code_size(v));
}

/* LOCK's page in vol. 2: these, with a destination in memory; anything else is #UD. */
static bool lock_allowed(const struct insn *in)
{
	unsigned int reg = in->reg & 7U;

	if (!in->has_modrm || in->mod == 3)
		return false;
	if (in->map == MAP_ONE) {
		if (in->opcode < 0x38)
			return (in->opcode & 7U) <
			       2; /* ADD to XOR with ModRM's operand as destination */
		switch (in->opcode) {
		case 0x80:
		case 0x81:
		case 0x82:
		case 0x83:
			return reg != ALU_CMP;
		case 0x86: /* XCHG */
		case 0x87:
			return true;
		case 0xf6: /* NOT, NEG */
		case 0xf7:
			return reg == 2 || reg == 3;
		case 0xfe: /* INC, DEC */
		case 0xff:
			return reg < 2;
		default:
			return false;
		}
	}
	if (in->map != MAP_0F)
		return false;
	switch (in->opcode) {
	case 0xab: /* BTS, BTR, BTC */
	case 0xb3:
	case 0xbb:
	case 0xb0: /* CMPXCHG */
	case 0xb1:
	case 0xc0: /* XADD */
	case 0xc1:
		return true;
	case 0xba:
		return reg > 4;
	case 0xc7: /* CMPXCHG8B, CMPXCHG16B */
		return reg == 1;
	default:
		return false;
	}
}

enum emulate_result emu_done(struct emu *e)
{
	return vcpu_skip_insn(e->v, e->in.len) ? EMULATE_DONE : EMULATE_FAULT;
}

/*
 * RIP is set so that skipping the instruction arrives at the target. The caller has checked that.
 */
enum emulate_result emu_jump(struct emu *e, u64 target)
{
	u64 before = target - e->in.len;

	vcpu_set_rip(e->v, e->code_size == 8 ? before : (u32)before);
	return emu_done(e);
}

/*
 * The common case, in short: a MOV in 64-bit mode between a register or an immediate and the
 * device address that the nested page fault reported. The processor has checked segment,
 * alignment and page tables for this access before it faulted (see emu_translate()). False: not
 * that, nothing has happened.
 */
static bool device_mov(struct vcpu *v, const struct insn *in)
{
	const struct vm_exit *x = &v->exit;
	unsigned int size = in->opcode & 1 ? in->op_size : 1;
	u64 offset;

	if (x->kind != EXIT_NESTED_PAGE_FAULT || x->npf.table_walk || x->npf.fetch ||
	    in->mod == 3 || in->map != MAP_ONE || in->lock || in->seg >= 0)
		return false;
	switch (in->opcode) {
	case 0x88:
	case 0x89:
	case 0xc7:
		if (!x->npf.write || (in->opcode == 0xc7 && (in->reg & 7U)))
			return false;
		break;
	case 0x8a:
	case 0x8b:
		break;
	default:
		return false;
	}
	offset = emu_offset(v, in, v->rip + in->len);
	if (((offset ^ x->npf.gpa) & (PAGE_SIZE - 1)) ||
	    (offset & (PAGE_SIZE - 1)) > PAGE_SIZE - size ||
	    (x->npf.gva_valid && x->npf.gva != offset))
		return false;
	if (in->opcode == 0x8a || in->opcode == 0x8b)
		emu_gpr_write(v, in, in->reg, size, guest_phys_read(v, x->npf.gpa, size));
	else
		guest_phys_write(v, x->npf.gpa, size,
				 in->opcode == 0xc7 ? in->imm : emu_gpr_read(v, in, in->reg, size));
	return true;
}

static enum emulate_result emulate_any(struct vcpu *v, const struct insn *cached, const u8 *known,
				       unsigned int n)
{
	struct emu e = { .v = v };

	if (cached)
		e.in = *cached;
	else if (fetch_decode(v, known, n, &e.in, vcpu_code_size(v)))
		return EMULATE_FAULT;
	e.code_size = vcpu_code_size(v);
	e.access = vcpu_cpl(v) == 3 ? ACCESS_USER : 0;
	e.single_operand = true;
	e.next_rip = vcpu_rip(v) + e.in.len;
	if (unlikely(e.in.lock && !lock_allowed(&e.in))) {
		vcpu_inject_ud(v);
		return EMULATE_FAULT;
	}
	switch (e.in.map) {
	case MAP_ONE:
		return emu_one(&e);
	case MAP_VEX:
		return EMULATE_UNKNOWN;
	default:
		return emu_0f(&e);
	}
}

enum emulate_result emulate_insn(struct vcpu *v, const u8 *known, unsigned int n)
{
	const struct insn *cached = n ? NULL : insn_cache_get(v);

	if (likely(cached && device_mov(v, cached)))
		return vcpu_skip_insn(v, cached->len) ? EMULATE_DONE : EMULATE_FAULT;
	return emulate_any(v, cached, known, n);
}
