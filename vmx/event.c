/* SPDX-License-Identifier: MIT */
/*
 * Event injection, interrupt and NMI windows: SDM vol. 3 rev. 083, 25.8.3, 26.2, 27.6, 28.2.4.
 */
#include "vmx.h"
#include "x86.h"

bool vmx_can_take_interrupt(struct vcpu *v)
{
	vcpu_need(v, REG_RFLAGS | REG_SHADOW);
	return (v->rflags & RFLAGS_IF) && !v->shadow && !v->vmx->injecting;
}

bool vmx_can_take_nmi(struct vcpu *v)
{
	vcpu_need(v, REG_SHADOW);
	return !v->shadow && !v->vmx->injecting && !(v->vmx->interruptibility & INTR_NMI);
}

static void set_interruptibility(struct vcpu *v, u32 value)
{
	v->vmx->interruptibility = value;
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, value);
}

void vmx_set_nmi_blocked(struct vcpu *v, bool blocked)
{
	u32 value;

	vcpu_need(v, REG_SHADOW);
	value = v->vmx->interruptibility & ~INTR_NMI;
	set_interruptibility(v, blocked ? value | INTR_NMI : value);
}

static u32 exception_info(struct vcpu *v, const struct event *e)
{
	u32 info = INTINFO_EXCEPTION << INTINFO_TYPE_SHIFT;

	/* The flag must follow the vector, and there are no error codes in real mode: 27.2.1.3. */
	if (e->vector < 32 && (BIT(e->vector) & VECTORS_WITH_ERROR) && (vcpu_cr0(v) & CR0_PE)) {
		info |= INTINFO_ERROR;
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR, e->has_error ? e->error : 0);
	}
	return info;
}

static u32 soft_exception_type(u8 vector)
{
	return vector == VEC_DB ? INTINFO_PRIVILEGED : INTINFO_SOFT_EXCEPTION;
}

void vmx_inject(struct vcpu *v, const struct event *e)
{
	u32 info = 0;

	switch (e->type) {
	case EVENT_INTERRUPT:
		info = INTINFO_EXTERNAL << INTINFO_TYPE_SHIFT;
		break;
	case EVENT_NMI:
		/* The delivery blocks them; a first one that was cut short had done so: 27.3.1.5. */
		vcpu_need(v, REG_SHADOW);
		if (v->vmx->interruptibility & INTR_NMI)
			set_interruptibility(v, v->vmx->interruptibility & ~INTR_NMI);
		info = INTINFO_NMI << INTINFO_TYPE_SHIFT;
		break;
	case EVENT_SOFT_INTERRUPT:
		info = INTINFO_SOFT_INTERRUPT << INTINFO_TYPE_SHIFT;
		vmcs_write(VMCS_ENTRY_INSN_LENGTH, e->insn_len);
		break;
	case EVENT_SOFT_EXCEPTION:
		info = soft_exception_type(e->vector) << INTINFO_TYPE_SHIFT;
		vmcs_write(VMCS_ENTRY_INSN_LENGTH, e->insn_len);
		break;
	default:
		info = exception_info(v, e);
		break;
	}
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, info | INTINFO_VALID | e->vector);
	v->vmx->injecting = true;
}

/*
 * An exit below the threshold reports that the guest lowered its TPR. At the entry the TPR must not
 * be below it (27.2.1.1), so it follows.
 */
static void update_threshold(struct vcpu *v, bool wanted)
{
	u32 threshold = wanted ? v->vmx->cr8 : 0;

	if (vmx_has(&vmx_controls, PROC_TPR_SHADOW) && threshold != v->vmx->tpr_threshold) {
		v->vmx->tpr_threshold = threshold;
		vmcs_write(VMCS_TPR_THRESHOLD, threshold);
	}
}

void vmx_set_windows(struct vcpu *v, unsigned int windows)
{
	u32 proc = v->vmx->proc_controls &
		   ~(CTL_BIT(PROC_INTERRUPT_WINDOW) | CTL_BIT(PROC_NMI_WINDOW));

	if (windows & WINDOW_INTERRUPT)
		proc |= CTL_BIT(PROC_INTERRUPT_WINDOW);
	if (windows & WINDOW_NMI)
		proc |= CTL_BIT(PROC_NMI_WINDOW);
	if (proc != v->vmx->proc_controls) {
		v->vmx->proc_controls = proc;
		vmcs_write(VMCS_PROC_CONTROLS, proc);
	}
	update_threshold(v, windows & WINDOW_TPR);
}

void vmx_set_cr8(struct vcpu *v, u8 cr8)
{
	v->vmx->cr8 = cr8;
	v->vmx->vapic[VAPIC_TPR] = (u8)(cr8 << TPR_CR8_SHIFT);
	update_threshold(v, v->windows & WINDOW_TPR);
}

void vmx_sync_cr8(struct vcpu *v)
{
	v->vmx->cr8 = vmx_guest_cr8(v->vmx);
	lapic_set_cr8(&v->lapic, v->vmx->cr8);
	update_threshold(v, v->windows & WINDOW_TPR);
}

void vmx_cut_short(struct event *e, u32 info)
{
	*e = (struct event){ .type = EVENT_EXCEPTION, .vector = (u8)info };
	switch (info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK) {
	case INTINFO_EXTERNAL:
		e->type = EVENT_INTERRUPT;
		break;
	case INTINFO_NMI:
		e->type = EVENT_NMI;
		break;
	case INTINFO_SOFT_INTERRUPT:
		e->type = EVENT_SOFT_INTERRUPT;
		break;
	case INTINFO_PRIVILEGED:
	case INTINFO_SOFT_EXCEPTION:
		e->type = EVENT_SOFT_EXCEPTION;
		break;
	default:
		break;
	}
	if (e->type == EVENT_SOFT_INTERRUPT || e->type == EVENT_SOFT_EXCEPTION)
		e->insn_len = (u8)vmcs_read32(VMCS_EXIT_INSN_LENGTH);
	if (info & INTINFO_ERROR) {
		e->has_error = true;
		e->error = vmcs_read32(VMCS_IDT_VECTORING_ERROR);
	}
}
