/* SPDX-License-Identifier: MIT */
/*
 * NMI blocking: APM vol. 2 rev. 3.42, 15.21.2 and 15.9. The processor does not tell when an IRET ends it. IRET is
 * intercepted while NMIs are blocked, which is before it executes; with an NMI waiting it is stepped over.
 */
#include "svm.h"

/* What an IRET can raise. Delivered by the processor, it would save the step's TF. */
#define STEP_EXCEPTIONS                                                                      \
	(BIT(VEC_DB) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
	 BIT(VEC_AC))

/* No TPR: svm_run() finds that the VMCB's differs, at the next exit. */
#define CR8_LOOK 0xff

static void intercept_iret(struct vcpu *v, bool on)
{
	struct vmcb *c = v->svm->vmcb;

	c->intercept3 = on ? c->intercept3 | INTERCEPT_IRET : c->intercept3 & ~INTERCEPT_IRET;
	vmcb_touch(c, CLEAN_INTERCEPTS);
}

void svm_set_nmi_blocked(struct vcpu *v, bool blocked)
{
	v->svm->nmi = blocked ? NMI_BLOCKED : NMI_OPEN;
	v->reg_dirty &= ~(u32)SVM_REG_STEP;
	intercept_iret(v, blocked);
}

/* An IRET that was let through ends the blocking once RIP has left it. */
static void settle(struct vcpu *v)
{
	if (v->svm->nmi == NMI_IRET_SEEN && vcpu_rip(v) != v->svm->iret_rip)
		v->svm->nmi = NMI_OPEN;
}

bool svm_can_take_nmi(struct vcpu *v)
{
	settle(v);
	return v->svm->nmi == NMI_OPEN && !v->shadow &&
	       !(v->svm->vmcb->event_inj & SVM_EVENT_VALID);
}

void svm_nmi_before_event(struct vcpu *v)
{
	settle(v);
	if (v->svm->nmi == NMI_IRET_SEEN)
		svm_set_nmi_blocked(v, true);
}

bool svm_nmi_iret(struct vcpu *v)
{
	const u64 rflags = vcpu_rflags(v);

	/* One that switches tasks would leave the step's TF in the TSS: the core carries it out. */
	if ((rflags & RFLAGS_NT) && !(rflags & RFLAGS_VM) && !(vcpu_efer(v) & EFER_LMA) &&
	    (vcpu_cr0(v) & CR0_PE))
		return false;
	v->svm->nmi = NMI_IRET_SEEN;
	v->svm->iret_rip = vcpu_rip(v);
	intercept_iret(v, false);
	if (v->windows & WINDOW_NMI)
		v->reg_dirty |= SVM_REG_STEP;
	return true;
}

void svm_step_begin(struct vcpu *v)
{
	struct svm_vcpu *s = v->svm;
	struct vmcb *c = s->vmcb;

	s->stepping = true;
	s->step_rflags = c->rflags;
	s->step_dr6 = c->dr6;
	c->rflags |= RFLAGS_TF;
	c->dr6 &= ~DR6_BS;
	c->intercept_exceptions |= STEP_EXCEPTIONS;
	s->cr8 = CR8_LOOK;
	vmcb_touch(c, CLEAN_INTERCEPTS | CLEAN_DR);
}

/*
 * TF as it was before IRET makes the trap behind it; TF afterwards is what IRET loaded, and so the guest's. Where the
 * IRET did not come to its end TF is the step's still.
 */
void svm_step_end(struct vcpu *v)
{
	struct svm_vcpu *s = v->svm;
	struct vmcb *c = s->vmcb;
	bool debug = c->exit_code == SVM_EXIT_EXCEPTION + VEC_DB;
	bool fault =
		c->exit_code - SVM_EXIT_EXCEPTION < SVM_EXIT_INTR - SVM_EXIT_EXCEPTION && !debug;
	/* Bochs' DR6 tells nothing yet. */
	bool done = debug && ((c->dr6 & DR6_BS) || c->rip != s->iret_rip);

	s->stepping = false;
	s->stepped = done && !(s->step_rflags & RFLAGS_TF);
	c->intercept_exceptions &= ~STEP_EXCEPTIONS;
	vmcb_touch(c, CLEAN_INTERCEPTS | CLEAN_DR);
	if (s->stepped) {
		/* Other breakpoints may have been hit with it: they are the guest's. */
		s->stepped = !(c->dr6 & ~s->step_dr6 & DR6_HITS);
		c->dr6 &= ~DR6_BS;
	}
	c->dr6 |= s->step_dr6 & DR6_BS;
	if (done && (s->step_rflags & RFLAGS_TF))
		c->dr6 |= DR6_BS;
	/* One that faults has ended the blocking too. */
	svm_set_nmi_blocked(v, !done && !fault);
	if (!done)
		vcpu_set_rflags(v, (v->rflags & ~RFLAGS_TF) | (s->step_rflags & RFLAGS_TF));
}
