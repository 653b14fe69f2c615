/* SPDX-License-Identifier: MIT */
/*
 * Decodes a VM exit into the neutral form: SDM vol. 3 rev. 083, 28.2 and appendix C.
 */
#include "vmx.h"

enum how {
	PLAIN,		    /* the kind says all */
	INSN = BIT(0),	    /* an instruction: its length is valid (28.2.5) */
	QUALIFIED = BIT(1), /* the qualification is needed */
	DELIVERY = BIT(2),  /* may come during an event's delivery (28.2.4) */
};

static const struct {
	u8 kind;
	u8 how;
} reasons[NR_REASONS] = {
	[REASON_EXCEPTION] = { EXIT_EXCEPTION, DELIVERY },
	[REASON_EXTERNAL_INTERRUPT] = { EXIT_INTERRUPT, PLAIN },
	[REASON_TRIPLE_FAULT] = { EXIT_SHUTDOWN, PLAIN },
	[REASON_INIT] = { EXIT_INIT, PLAIN },
	[REASON_SIPI] = { EXIT_SIPI, PLAIN },
	[REASON_INTERRUPT_WINDOW] = { EXIT_INTERRUPT_WINDOW, PLAIN },
	[REASON_NMI_WINDOW] = { EXIT_NMI_WINDOW, PLAIN },
	[REASON_TASK_SWITCH] = { EXIT_TASK_SWITCH, INSN | QUALIFIED | DELIVERY },
	[REASON_CPUID] = { EXIT_CPUID, INSN },
	[REASON_GETSEC] = { EXIT_UNDEFINED, PLAIN }, /* CPUID offers neither SMX nor VMX */
	[REASON_HLT] = { EXIT_HLT, INSN },
	[REASON_INVD] = { EXIT_CACHE, INSN },
	[REASON_RDPMC] = { EXIT_RDPMC, INSN },
	[REASON_RSM] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMCALL] = { EXIT_HYPERCALL, INSN },
	[REASON_VMCLEAR] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMLAUNCH] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMPTRLD] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMPTRST] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMREAD] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMRESUME] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMWRITE] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMXOFF] = { EXIT_UNDEFINED, PLAIN },
	[REASON_VMXON] = { EXIT_UNDEFINED, PLAIN },
	[REASON_CR_ACCESS] = { EXIT_CR_ACCESS, INSN | QUALIFIED },
	[REASON_MOV_DR] = { EXIT_DR_ACCESS, INSN | QUALIFIED },
	[REASON_IO] = { EXIT_PORT_IO, INSN | QUALIFIED },
	[REASON_RDMSR] = { EXIT_RDMSR, INSN },
	[REASON_WRMSR] = { EXIT_WRMSR, INSN },
	[REASON_MWAIT] = { EXIT_MWAIT, INSN },
	[REASON_MONITOR] = { EXIT_MONITOR, INSN },
	[REASON_PAUSE] = { EXIT_PAUSE, INSN },
	[REASON_TPR_BELOW_THRESHOLD] = { EXIT_INTERRUPT_WINDOW, PLAIN },
	[REASON_EPT_VIOLATION] = { EXIT_NESTED_PAGE_FAULT, QUALIFIED | DELIVERY },
	[REASON_EPT_MISCONFIGURATION] = { EXIT_UNKNOWN, DELIVERY },
	[REASON_INVEPT] = { EXIT_UNDEFINED, PLAIN },
	[REASON_PREEMPTION_TIMER] = { EXIT_TIMER, PLAIN },
	[REASON_INVVPID] = { EXIT_UNDEFINED, PLAIN },
	[REASON_WBINVD] = { EXIT_CACHE, INSN },
	[REASON_XSETBV] = { EXIT_XSETBV, INSN },
	[REASON_VMFUNC] = { EXIT_UNDEFINED, PLAIN },
};

static void decode_io(struct vm_exit *e, u64 q)
{
	e->io = (struct exit_io){
		.port = IO_QUAL_PORT(q),
		.size = IO_QUAL_SIZE(q),
		.in = q & IO_QUAL_IN,
		.string = q & IO_QUAL_STRING,
		.rep = q & IO_QUAL_REP,
		.seg = NR_SEGS,
	};
}

static void decode_cr(struct vm_exit *e, u64 q)
{
	e->cr = (struct exit_cr){ .decoded = true };
	switch (CR_QUAL_TYPE(q)) {
	case CR_QUAL_TYPE_WRITE:
		e->cr.op = CR_WRITE;
		break;
	case CR_QUAL_TYPE_READ:
		e->cr.op = CR_READ;
		break;
	case CR_QUAL_TYPE_CLTS:
		e->cr.op = CR_CLTS;
		return;
	default:
		e->cr.op = CR_LMSW;
		e->cr.lmsw_source = CR_QUAL_LMSW(q);
		return;
	}
	e->cr.cr = CR_QUAL_CR(q);
	e->cr.gpr = CR_QUAL_GPR(q);
}

static void decode_task_switch(struct vm_exit *e, u64 q, const struct event *cut_short)
{
	static const u8 source[] = { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

	e->task = (struct exit_task_switch){
		.selector = TASK_QUAL_SELECTOR(q),
		.source = source[TASK_QUAL_SOURCE(q)],
		.has_error = cut_short->has_error,
		.error = cut_short->error,
	};
}

static void decode_ept_violation(struct vcpu *v, u64 q, const struct event *cut_short)
{
	struct exit_npf *npf = &v->exit.npf;

	npf->gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	npf->table_walk = (q & EPT_QUAL_GVA_VALID) && !(q & EPT_QUAL_FINAL);
	npf->gva_valid = (q & EPT_QUAL_GVA_VALID) && (q & EPT_QUAL_FINAL);
	npf->gva = npf->gva_valid ? vmcs_read(VMCS_GUEST_LINEAR_ADDRESS) : 0;
	npf->write = q & EPT_QUAL_WRITE;
	npf->fetch = q & EPT_QUAL_FETCH;
	npf->insn_bytes = 0;
	v->exit.info[1] = npf->gpa;
	if ((q & EPT_QUAL_IRET_NMI) && !cut_short->type)
		vmx_set_nmi_blocked(v, true);
}

static void decode_exception(struct vcpu *v)
{
	struct vm_exit *e = &v->exit;
	u32 info = vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO);

	e->info[0] = info;
	if ((info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK) == INTINFO_NMI) {
		e->kind = EXIT_NMI;
		v->vmx->nmi_exit = true;
		return;
	}
	e->exception = (struct event){
		.type = EVENT_EXCEPTION,
		.vector = (u8)info,
		.has_error = info & INTINFO_ERROR,
	};
	if (info & INTINFO_ERROR)
		e->exception.error = vmcs_read32(VMCS_EXIT_INTERRUPTION_ERROR);
	if ((info & INTINFO_IRET_NMI) && e->exception.vector != VEC_DF)
		vmx_set_nmi_blocked(v, true);
}

/* Exits that may come in the middle of an event's delivery, and those that need more than the qualification. */
static __noinline void decode_rest(struct vcpu *v, u32 reason, struct event *cut_short)
{
	struct vm_exit *e = &v->exit;
	u64 q = e->info[0];

	if (reasons[reason].how & DELIVERY) {
		u32 info = vmcs_read32(VMCS_IDT_VECTORING_INFO);

		if (unlikely(info & INTINFO_VALID))
			vmx_cut_short(cut_short, info);
	}
	switch (reason) {
	case REASON_EPT_VIOLATION:
		decode_ept_violation(v, q, cut_short);
		break;
	case REASON_CR_ACCESS:
		decode_cr(e, q);
		break;
	case REASON_MOV_DR:
		e->dr = (struct exit_dr){
			.dr = DR_QUAL_DR(q),
			.gpr = DR_QUAL_GPR(q),
			.write = !(q & DR_QUAL_READ),
			.decoded = true,
		};
		break;
	case REASON_EXCEPTION:
		decode_exception(v);
		break;
	case REASON_TASK_SWITCH:
		decode_task_switch(e, q, cut_short);
		break;
	case REASON_EPT_MISCONFIGURATION:
		e->info[0] = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
		break;
	default:
		break;
	}
}

void vmx_decode_exit(struct vcpu *v, struct event *cut_short)
{
	struct vm_exit *e = &v->exit;
	u32 reason = vmcs_read32(VMCS_EXIT_REASON);
	u8 how;

	e->raw = reason;
	e->info[0] = e->info[1] = 0;
	e->insn_len = 0;
	if (unlikely(reason & EXIT_REASON_ENTRY_FAILURE)) {
		e->kind = EXIT_ENTRY_FAILURE;
		e->info[0] = vmcs_read(VMCS_EXIT_QUALIFICATION);
		return;
	}
	reason &= EXIT_REASON_BASIC;
	if (unlikely(reason >= NR_REASONS)) {
		e->kind = EXIT_UNKNOWN;
		return;
	}
	e->kind = reasons[reason].kind;
	how = reasons[reason].how;
	if (how & INSN)
		e->insn_len = (u8)vmcs_read32(VMCS_EXIT_INSN_LENGTH);
	if (!(how & (QUALIFIED | DELIVERY)))
		return;
	if (how & QUALIFIED)
		e->info[0] = vmcs_read(VMCS_EXIT_QUALIFICATION);
	if (reason == REASON_IO)
		decode_io(e, e->info[0]);
	else
		decode_rest(v, reason, cut_short);
}
