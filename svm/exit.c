/* SPDX-License-Identifier: MIT */
/*
 * Decodes a #VMEXIT into the neutral form: APM vol. 2 rev. 3.42, appendix C and 15.7 to 15.25.
 */
#include "svm.h"

#define EXIT_CODES 0xa8

static const u8 exit_kind[EXIT_CODES] = {
	[SVM_EXIT_INTR] = EXIT_INTERRUPT,    [SVM_EXIT_NMI] = EXIT_NMI,
	[SVM_EXIT_SMI] = EXIT_INTERRUPT, /* taken by the firmware at STGI */
	[SVM_EXIT_INIT] = EXIT_INIT,	     [SVM_EXIT_VINTR] = EXIT_INTERRUPT_WINDOW,
	[SVM_EXIT_RDPMC] = EXIT_RDPMC,	     [SVM_EXIT_CPUID] = EXIT_CPUID,
	[SVM_EXIT_RSM] = EXIT_UNDEFINED,     [SVM_EXIT_INVD] = EXIT_CACHE,
	[SVM_EXIT_PAUSE] = EXIT_PAUSE,	     [SVM_EXIT_HLT] = EXIT_HLT,
	[SVM_EXIT_INVLPGA] = EXIT_UNDEFINED, [SVM_EXIT_IOIO] = EXIT_PORT_IO,
	[SVM_EXIT_MSR] = EXIT_RDMSR,	     [SVM_EXIT_SHUTDOWN] = EXIT_SHUTDOWN,
	[SVM_EXIT_VMRUN] = EXIT_UNDEFINED,   [SVM_EXIT_VMMCALL] = EXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD] = EXIT_UNDEFINED,  [SVM_EXIT_VMSAVE] = EXIT_UNDEFINED,
	[SVM_EXIT_STGI] = EXIT_UNDEFINED,    [SVM_EXIT_CLGI] = EXIT_UNDEFINED,
	[SVM_EXIT_SKINIT] = EXIT_UNDEFINED,  [SVM_EXIT_WBINVD] = EXIT_CACHE,
	[SVM_EXIT_MONITOR] = EXIT_UNDEFINED, /* CPUID offers neither MONITOR nor RDPRU nor the broadcasts */
	[SVM_EXIT_MWAIT] = EXIT_UNDEFINED,   [SVM_EXIT_MWAIT_COND] = EXIT_UNDEFINED,
	[SVM_EXIT_XSETBV] = EXIT_XSETBV,     [SVM_EXIT_RDPRU] = EXIT_UNDEFINED,
	[SVM_EXIT_INVLPGB] = EXIT_UNDEFINED, [SVM_EXIT_INVLPGB_ILLEGAL] = EXIT_UNDEFINED,
	[SVM_EXIT_MCOMMIT] = EXIT_UNDEFINED, [SVM_EXIT_TLBSYNC] = EXIT_UNDEFINED,
};

static void decode_io(const struct vmcb *c, struct vm_exit *e)
{
	u64 info = c->exit_info1;

	e->insn_len = (u8)(c->exit_info2 - c->rip);
	e->io = (struct exit_io){
		.port = (u16)(info >> IOIO_PORT_SHIFT),
		.size = (u8)(info >> IOIO_SIZE_SHIFT & IOIO_SIZE_MASK),
		.in = info & IOIO_IN,
		.string = info & IOIO_STR,
		.rep = info & IOIO_REP,
		.addr_size = (u8)((info >> IOIO_ADDR_SHIFT & IOIO_ADDR_MASK) * 2),
		.seg = NR_SEGS,
	};
}

static __noinline void decode_npf(const struct vmcb *c, struct vm_exit *e)
{
	u64 info = c->exit_info1;

	e->kind = EXIT_NESTED_PAGE_FAULT;
	e->npf.gpa = c->exit_info2;
	e->npf.gva_valid = false;
	e->npf.write = info & NPF_WRITE;
	e->npf.fetch = info & NPF_FETCH;
	e->npf.table_walk = info & NPF_TABLE;
	e->npf.insn_bytes = 0;
	if ((svm_features & SVM_FEATURE_DECODE_ASSIST) && c->insn_bytes <= sizeof(e->npf.insn)) {
		e->npf.insn_bytes = c->insn_bytes;
		for (unsigned int i = 0; i < c->insn_bytes; i++)
			e->npf.insn[i] = c->insn[i];
	}
}

static __noinline void decode_cr(const struct vmcb *c, struct vm_exit *e)
{
	u32 code = (u32)c->exit_code;

	e->kind = EXIT_CR_ACCESS;
	e->cr = (struct exit_cr){
		.cr = code & 0xf,
		.op = code >= SVM_EXIT_CR_WRITE ? CR_WRITE : CR_READ,
	};
	if ((svm_features & SVM_FEATURE_DECODE_ASSIST) && (c->exit_info1 & CR_INFO_MOV)) {
		e->cr.gpr = c->exit_info1 & CR_INFO_GPR;
		e->cr.decoded = true;
	}
}

static __noinline void decode_exception(struct vcpu *v, const struct vmcb *c, struct vm_exit *e)
{
	u8 vector = (u8)(c->exit_code - SVM_EXIT_EXCEPTION);

	if (v->svm->stepped) {
		v->svm->stepped = false;
		e->kind = EXIT_NMI_WINDOW;
		return;
	}
	if (vector == VEC_PF)
		vcpu_set_cr2(v, c->exit_info2);
	e->kind = EXIT_EXCEPTION;
	e->exception = (struct event){
		.type = EVENT_EXCEPTION,
		.vector = vector,
		.has_error = VECTORS_WITH_ERROR >> vector & 1,
		.error = (u32)c->exit_info1,
	};
}

static __noinline void decode_iret(struct vcpu *v, struct vm_exit *e)
{
	/* Nothing for the core to do: the IRET executes at the next entry. But for this one the processor switches tasks itself. */
	e->kind = EXIT_INTERRUPT;
	if (svm_nmi_iret(v))
		return;
	e->kind = EXIT_TASK_SWITCH;
	e->task = (struct exit_task_switch){ .source = TASK_IRET };
}

void svm_decode_exit(struct vcpu *v)
{
	const struct vmcb *c = v->svm->vmcb;
	struct vm_exit *e = &v->exit;
	u64 code = c->exit_code;

	e->raw = (u32)code;
	e->info[0] = c->exit_info1;
	e->info[1] = c->exit_info2;
	e->insn_len = 0;
	if (code == SVM_EXIT_NPF) {
		decode_npf(c, e);
		return;
	}
	if (code >= EXIT_CODES) {
		/* QEMU's software emulation stores 32 bits of it. */
		e->kind = (u32)code == (u32)SVM_EXIT_INVALID ? EXIT_ENTRY_FAILURE : EXIT_UNKNOWN;
		return;
	}
	e->kind = exit_kind[code];
	/* nRIP is valid for instruction intercepts only (15.7.1): a length that cannot be is none. */
	if ((svm_features & SVM_FEATURE_NRIPS) && c->nrip - c->rip <= 15)
		e->insn_len = (u8)(c->nrip - c->rip);
	switch (code) {
	case SVM_EXIT_IOIO:
		decode_io(c, e);
		break;
	case SVM_EXIT_MSR:
		if (c->exit_info1 & 1)
			e->kind = EXIT_WRMSR;
		break;
	case SVM_EXIT_IRET:
		decode_iret(v, e);
		break;
	case SVM_EXIT_CR_READ ... SVM_EXIT_DR_READ - 1:
		decode_cr(c, e);
		break;
	case SVM_EXIT_EXCEPTION ... SVM_EXIT_INTR - 1:
		decode_exception(v, c, e);
		break;
	default:
		break;
	}
}
