/* SPDX-License-Identifier: MIT */
/*
 * Events on their way into the guest: exceptions from emulation, re-injection, NMI, external interrupts; and the end of an
 * emulated instruction. SDM vol. 3 rev. 083 ch. 6, 25.3, 28.3; APM vol. 2 rev. 3.42 ch. 8, 15.20.
 */
#include "event.h"
#include "board.h"
#include "emulate_priv.h"
#include "virt.h"
#include "vm.h"

/* The classes of SDM vol. 3 table 6-4. */
enum fault_class {
	BENIGN,
	CONTRIBUTORY,
	PAGE_FAULT,
	DOUBLE_FAULT,
};

static enum fault_class fault_class(u8 vector)
{
	switch (vector) {
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP:
	case VEC_CP:
		return CONTRIBUTORY;
	case VEC_PF:
	case VEC_VE:
		return PAGE_FAULT;
	case VEC_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

/* SDM vol. 3 table 6-5: what the second of two exceptions becomes. */
static enum fault_class combine(u8 first, u8 second)
{
	enum fault_class a = fault_class(first), b = fault_class(second);

	if (a == DOUBLE_FAULT && b != BENIGN)
		return DOUBLE_FAULT + 1; /* triple fault */
	if ((a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN))
		return DOUBLE_FAULT;
	return BENIGN;
}

void vcpu_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	if (v->pending.type == EVENT_EXCEPTION) {
		switch (combine(v->pending.vector, vector)) {
		case BENIGN:
			break;
		case DOUBLE_FAULT:
			vector = VEC_DF;
			has_error = true;
			error = 0;
			break;
		default:
			vcpu_stop_guest(v, "triple fault");
			return;
		}
	}
	v->pending = (struct event){
		.type = EVENT_EXCEPTION,
		.vector = vector,
		.has_error = has_error,
		.error = error,
	};
}

void vcpu_inject_ud(struct vcpu *v)
{
	vcpu_inject_exception(v, VEC_UD, false, 0);
}

void vcpu_inject_gp(struct vcpu *v, u32 error)
{
	vcpu_inject_exception(v, VEC_GP, true, error);
}

void vcpu_inject_pf(struct vcpu *v, gva_t address, u32 error)
{
	vcpu_inject_exception(v, VEC_PF, true, error);
	if (v->pending.vector == VEC_PF)
		vcpu_set_cr2(v, address);
}

void vcpu_request(struct vcpu *v, u32 requests)
{
	__atomic_fetch_or(&v->requests, requests, __ATOMIC_RELEASE);
}

u64 vcpu_guest_tsc(struct vcpu *v)
{
	return rdtsc() + v->tsc_offset;
}

/* The length of the instruction at RIP, for processors that do not tell; or 0 with an exception queued. */
static unsigned int insn_length(struct vcpu *v)
{
	const struct insn *cached = insn_cache_get(v);
	struct insn in;

	if (likely(cached != NULL))
		return cached->len;
	return emulate_fetch_decode(v, NULL, 0, &in) ? 0 : in.len;
}

/* The rare ends of an instruction. */
static __noinline bool skip_flags(struct vcpu *v)
{
	u64 rflags = v->rflags;

	vcpu_set_rflags(v, rflags & ~RFLAGS_RF);
	if (rflags & RFLAGS_TF) {
		vcpu_need(v, REG_SHADOW);
		vcpu_set_dr6(v, vcpu_dr6(v) | DR6_BS);
		vcpu_inject_exception(v, VEC_DB, false, 0);
	}
	return true;
}

static __noinline bool skip_unknown(struct vcpu *v)
{
	unsigned int len = insn_length(v);

	return len && vcpu_skip_insn(v, len);
}

/* RIP, RFLAGS: include/virt.h, run(). */
static inline bool arrive(struct vcpu *v, u64 rip)
{
	vcpu_set_rip(v, rip);
	if (unlikely(!(v->reg_avail & REG_SHADOW))) {
		v->shadow_over = true;
	} else if (unlikely(v->shadow)) {
		v->shadow = 0;
		vcpu_dirty(v, REG_SHADOW);
		/* The window is open. (In Bochs a guest entered with IF set does not see V_IRQ.) */
		if (v->windows & WINDOW_INTERRUPT)
			vcpu_request(v, VCPU_REQ_EVENT);
	}
	if (unlikely(v->rflags & (RFLAGS_TF | RFLAGS_RF)))
		return skip_flags(v);
	return true;
}

static __noinline bool skip_carry(struct vcpu *v, u64 rip)
{
	return arrive(v, vcpu_code_size(v) == 8 ? rip : (u32)rip);
}

bool vcpu_skip_insn(struct vcpu *v, unsigned int insn_len)
{
	u64 rip = v->rip + insn_len;

	if (unlikely(!insn_len))
		return skip_unknown(v);
	/* Without carry into bit 32 the width of the code segment does not matter. */
	if (unlikely((rip ^ v->rip) >> 32))
		return skip_carry(v, rip);
	return arrive(v, rip);
}

static void inject_interrupt(struct vcpu *v, int vector)
{
	struct event e = { .type = EVENT_INTERRUPT };

	if (vector == LAPIC_EXTINT) {
		spin_lock(&v->vm->board.lock);
		e.vector = pic_ack(&v->vm->board.pic);
		spin_unlock(&v->vm->board.lock);
	} else {
		e.vector = (u8)vector;
		lapic_ack(&v->lapic, e.vector);
	}
	v->ops->inject(v, &e);
	v->halted = false;
}

void vcpu_deliver(struct vcpu *v)
{
	bool busy = false, masked_by_tpr = false;
	unsigned int windows = 0;
	int vector;

	if (v->pending.type) {
		v->ops->inject(v, &v->pending);
		v->pending.type = EVENT_NONE;
		v->halted = false;
		busy = true;
	}
	if (__atomic_load_n(&v->requests, __ATOMIC_RELAXED) & VCPU_REQ_NMI) {
		if (!busy && v->ops->can_take_nmi(v)) {
			static const struct event nmi = { .type = EVENT_NMI, .vector = VEC_NMI };

			__atomic_fetch_and(&v->requests, ~(u32)VCPU_REQ_NMI, __ATOMIC_RELAXED);
			v->ops->inject(v, &nmi);
			v->halted = false;
			busy = true;
		} else {
			windows |= WINDOW_NMI;
		}
	}
	vector = lapic_pending(&v->lapic, &masked_by_tpr);
	if (vector >= 0 && !busy && v->ops->can_take_interrupt(v)) {
		inject_interrupt(v, vector);
		vector = lapic_pending(&v->lapic, &masked_by_tpr);
	}
	if (vector >= 0)
		windows |= WINDOW_INTERRUPT;
	if (masked_by_tpr)
		windows |= WINDOW_TPR;
	if (windows != v->windows || (windows & WINDOW_NMI)) {
		v->ops->set_windows(v, windows);
		v->windows = (u8)windows;
	}
}
