/* SPDX-License-Identifier: MIT */
/*
 * Event injection, interrupt and NMI windows: APM vol. 2 rev. 3.42, 15.20 and 15.21.
 */
#include "svm.h"
#include "time.h"

bool svm_can_take_interrupt(struct vcpu *v)
{
	return (vcpu_rflags(v) & RFLAGS_IF) && !v->shadow &&
	       !(v->svm->vmcb->event_inj & SVM_EVENT_VALID);
}

void svm_inject(struct vcpu *v, const struct event *e)
{
	u64 inj = SVM_EVENT_VALID | e->vector;

	if (unlikely(v->svm->nmi == NMI_IRET_SEEN))
		svm_nmi_before_event(v);
	switch (e->type) {
	case EVENT_INTERRUPT:
		inj |= SVM_EVENT_INTR << SVM_EVENT_TYPE_SHIFT;
		break;
	case EVENT_NMI:
		inj |= SVM_EVENT_NMI << SVM_EVENT_TYPE_SHIFT;
		svm_set_nmi_blocked(v, true);
		break;
	case EVENT_SOFT_INTERRUPT:
		inj |= SVM_EVENT_SOFT << SVM_EVENT_TYPE_SHIFT;
		break;
	default:
		inj |= SVM_EVENT_EXCEPTION << SVM_EVENT_TYPE_SHIFT;
		break;
	}
	if (e->has_error)
		inj |= SVM_EVENT_EV | (u64)e->error << 32;
	v->svm->vmcb->event_inj = inj;
	v->svm->injected = inj;
}

/*
 * The interrupt window is a dummy virtual interrupt whose delivery is intercepted. While it is pending CR8 writes are
 * intercepted too: QEMU's software emulation cannot take them then, and the core wants to know of a lower TPR anyway.
 */
void svm_set_windows(struct vcpu *v, unsigned int windows)
{
	struct vmcb *c = v->svm->vmcb;

	if (windows & WINDOW_INTERRUPT) {
		c->intercept3 |= INTERCEPT_VINTR;
		c->vintr |= V_IRQ | V_IGN_TPR;
	} else {
		c->intercept3 &= ~INTERCEPT_VINTR;
		c->vintr &= ~(V_IRQ | V_IGN_TPR);
	}
	if (windows & (WINDOW_INTERRUPT | WINDOW_TPR))
		c->intercept_cr |= INTERCEPT_CR_WRITE(8);
	else
		c->intercept_cr &= ~INTERCEPT_CR_WRITE(8);
	vmcb_touch(c, CLEAN_INTERCEPTS | CLEAN_TPR);

	/*
	 * A blocked NMI waits for the IRET intercept. One that only an interrupt shadow or another event keeps out gets its
	 * turn at the next exit, which the host's timer brings about at once.
	 */
	if ((windows & WINDOW_NMI) && v->svm->nmi == NMI_OPEN)
		host_timer_arm(0);
}

void svm_set_cr8(struct vcpu *v, u8 cr8)
{
	struct vmcb *c = v->svm->vmcb;

	c->vintr = (c->vintr & ~V_TPR_MASK) | (cr8 & V_TPR_MASK);
	v->svm->cr8 = cr8;
	vmcb_touch(c, CLEAN_TPR);
}

/*
 * EXITINTINFO. Software interrupts and exceptions are dropped: RIP still points at the instruction, which raises them again.
 */
void svm_cut_short(const struct vcpu *v, struct event *e)
{
	u64 info = v->svm->vmcb->exit_int_info;

	*e = (struct event){ .type = EVENT_NONE, .vector = (u8)info };
	switch ((info & SVM_EVENT_TYPE_MASK) >> SVM_EVENT_TYPE_SHIFT) {
	case SVM_EVENT_INTR:
		e->type = EVENT_INTERRUPT;
		break;
	case SVM_EVENT_NMI:
		e->type = EVENT_NMI;
		break;
	case SVM_EVENT_EXCEPTION:
		if (e->vector == VEC_BP || e->vector == VEC_OF)
			return;
		e->type = EVENT_EXCEPTION;
		break;
	default:
		return;
	}
	if (info & SVM_EVENT_EV) {
		e->has_error = true;
		e->error = (u32)(info >> 32);
	}
}
