/* SPDX-License-Identifier: MIT */
/*
 * AMD-V: detection, enabling, and the life of a vCPU's control block. AMD64 APM vol. 2 rev. 3.42, ch. 15.
 */
#include "cpu.h"
#include "cpuid.h"
#include "errors.h"
#include "lib.h"
#include "mm.h"
#include "msr.h"
#include "panic.h"
#include "policy.h"
#include "svm.h"
#include "virt.h"
#include "vm.h"

/* One vCPU stands on one CPU, so a single ASID serves; 0 is the host's (15.5.1). */
#define GUEST_ASID 1

u32 svm_features;

static int svm_probe(const char **why)
{
	u64 vm_cr;

	if (cpuid(CPUID_EXT, 0).eax < CPUID_EXT_SVM ||
	    !(cpuid(CPUID_EXT_IDENT, 0).ecx & CPUID_81_ECX_SVM))
		return -ENODEV;
	if (rdmsr_safe(MSR_VM_CR, &vm_cr) == 0 && (vm_cr & VM_CR_SVMDIS) && (vm_cr & VM_CR_LOCK)) {
		*why = "AMD-V is disabled and locked by the firmware (VM_CR.SVMDIS); enable SVM in its set-up";
		return -EPERM;
	}
	svm_features = cpuid(CPUID_EXT_SVM, 0).edx;
	if (!(svm_features & SVM_FEATURE_NP)) {
		*why = "this processor's AMD-V has no nested paging (CPUID 8000_000A EDX bit 0)";
		return -ENOSYS;
	}
	npt_format.max_level = cpuid(CPUID_EXT_IDENT, 0).edx & CPUID_81_EDX_PAGE1GB ? 2 : 1;
	return 0;
}

static void svm_describe(char *buf, size_t size)
{
	snprintf(buf, size, "nested paging%s%s%s%s, %u ASIDs",
		 svm_features & SVM_FEATURE_NRIPS ? ", NRIP save" : "",
		 svm_features & SVM_FEATURE_DECODE_ASSIST ? ", decode assists" : "",
		 svm_features & SVM_FEATURE_FLUSH_ASID ? ", flush by ASID" : "",
		 svm_features & SVM_FEATURE_CLEAN ? ", clean bits" : "",
		 cpuid(CPUID_EXT_SVM, 0).ebx);
}

/* The host state area that VMRUN uses (15.30.4) and the VMSAVE image of the host. */
struct svm_cpu {
	void *hsave;
	struct vmcb *host;
};

/*
 * Bochs takes the #DB of a guest's single step over an instruction that exits to the host, at the host's first instruction.
 * GS is the guest's there.
 */
static void stray_debug(struct trap_frame *f)
{
	if (f->rip != (u64)svm_exited)
		panic_trap(f, "debug exception");
}

static int svm_cpu_enable(void)
{
	struct cpu *cpu = this_cpu();
	struct svm_cpu *s = page_alloc();
	u64 vm_cr;

	if (!s)
		return -ENOMEM;
	s->hsave = page_alloc();
	s->host = page_alloc();
	if (!s->hsave || !s->host)
		return -ENOMEM;
	if (rdmsr_safe(MSR_VM_CR, &vm_cr) == 0 && (vm_cr & VM_CR_SVMDIS))
		wrmsr(MSR_VM_CR, vm_cr & ~VM_CR_SVMDIS);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(s->hsave));
	trap_set_handler(VEC_DB, stray_debug);
	__asm__ volatile("vmsave" : : "a"(virt_to_phys(s->host)) : "memory");
	cpu->virt = s;
	return 0;
}

static void svm_cpu_disable(void)
{
	struct svm_cpu *s = this_cpu()->virt;

	trap_set_handler(VEC_DB, NULL);
	wrmsr(MSR_VM_HSAVE_PA, 0);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
	page_free(s->hsave, 1);
	page_free(s->host, 1);
	page_free(s, 1);
	this_cpu()->virt = NULL;
}

static void svm_vcpu_destroy(struct vcpu *v)
{
	struct svm_vcpu *s = v->svm;

	if (!s)
		return;
	if (s->vmcb)
		page_free(s->vmcb, 1);
	if (s->iopm)
		page_free(s->iopm, IOPM_PAGES);
	if (s->msrpm)
		page_free(s->msrpm, MSRPM_PAGES);
	page_free(s, 1);
	v->svm = NULL;
}

static int svm_vcpu_create(struct vcpu *v)
{
	struct svm_vcpu *s = page_alloc();

	if (!s)
		return -ENOMEM;
	v->svm = s;
	s->vmcb = page_alloc();
	s->iopm = page_alloc_contig(IOPM_PAGES);
	s->msrpm = page_alloc_contig(MSRPM_PAGES);
	if (!s->vmcb || !s->iopm || !s->msrpm) {
		svm_vcpu_destroy(v);
		return -ENOMEM;
	}
	memset(s->iopm, 0xff, IOPM_PAGES * PAGE_SIZE);
	memset(s->msrpm, 0xff, MSRPM_PAGES * PAGE_SIZE);
	s->vmcb_pa = virt_to_phys(s->vmcb);
	s->host_vmcb_pa = virt_to_phys(((struct svm_cpu *)this_cpu()->virt)->host);
	return 0;
}

/*
 * Intercepts, each with its reason:
 * - INTR, NMI, SMI, INIT, MC: the real ones belong to the host.
 * - VMRUN must be intercepted (15.5.1); the rest of SVM and what CPUID hides is #UD for the guest.
 * - CPUID, MSR, IOIO, HLT, XSETBV, RDPMC, VMMCALL: policy and devices.
 * - INVD, WBINVD: INVD would lose host data.
 * - CR4 writes only where the processor would accept a bit that the policy hides.
 */
static void svm_vcpu_reset(struct vcpu *v)
{
	struct svm_vcpu *s = v->svm;
	struct vmcb *c = s->vmcb;

	memset(c, 0, sizeof(*c));
	c->intercept_exceptions = BIT(VEC_MC);
	c->intercept3 = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT |
			INTERCEPT_RDPMC | INTERCEPT_CPUID | INTERCEPT_RSM | INTERCEPT_INVD |
			INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IOIO | INTERCEPT_MSR |
			INTERCEPT_SHUTDOWN;
	c->intercept4 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE |
			INTERCEPT_STGI | INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD |
			INTERCEPT_MONITOR | INTERCEPT_MWAIT | INTERCEPT_MWAIT_COND |
			INTERCEPT_XSETBV | INTERCEPT_RDPRU;
	c->intercept5 = INTERCEPT_INVLPGB | INTERCEPT_INVLPGB_ILLEGAL | INTERCEPT_MCOMMIT |
			INTERCEPT_TLBSYNC;
	if (policy_cr4_hidden())
		c->intercept_cr |= INTERCEPT_CR_WRITE(4);
	c->iopm_base = virt_to_phys(s->iopm);
	c->msrpm_base = virt_to_phys(s->msrpm);
	c->tsc_offset = v->tsc_offset;
	c->asid = GUEST_ASID;
	c->tlb_control = TLB_FLUSH_ALL;
	c->vintr = V_INTR_MASKING;
	c->np_control = NP_ENABLE;
	c->n_cr3 = virt_to_phys(v->vm->gpmap.root);
	s->nmi = NMI_OPEN;
	s->stepping = false;
	s->injected = 0;
	s->cr8 = 0;
	v->windows = 0;
}

static void svm_set_tsc_offset(struct vcpu *v, u64 offset)
{
	v->svm->vmcb->tsc_offset = offset;
	vmcb_touch(v->svm->vmcb, CLEAN_INTERCEPTS);
}

static void svm_flush_tlb(struct vcpu *v)
{
	v->svm->vmcb->tlb_control =
		svm_features & SVM_FEATURE_FLUSH_ASID ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
}

static void svm_run(struct vcpu *v, struct event *cut_short)
{
	struct svm_vcpu *s = v->svm;
	struct vmcb *c = s->vmcb;

	if (v->reg_dirty)
		svm_store(v);
	c->rax = v->gpr[GPR_RAX];
	svm_debug_entry(v);
	svm_enter(v, s->vmcb_pa, s->host_vmcb_pa);
	v->gpr[GPR_RAX] = c->rax;
	v->rip = c->rip;
	v->rflags = c->rflags;
	v->shadow = c->interrupt_shadow & 1;
	v->reg_avail = REG_RIP | REG_RFLAGS | REG_SHADOW;
	c->clean = CLEAN_ALL;
	c->tlb_control = TLB_KEEP;
	c->event_inj = 0;
	if (unlikely((c->vintr & V_TPR_MASK) != s->cr8)) {
		if (s->stepping)
			svm_step_end(v);
		s->cr8 = c->vintr & V_TPR_MASK;
		lapic_set_cr8(&v->lapic, s->cr8);
	}
	if (unlikely(c->exit_int_info & SVM_EVENT_VALID))
		svm_cut_short(v, cut_short);
	svm_decode_exit(v);
}

const struct virt_ops svm_ops = {
	.name = "AMD-V",
	.probe = svm_probe,
	.describe = svm_describe,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.gpmap_format = &npt_format,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.run = svm_run,
	.load = svm_load,
	.can_take_interrupt = svm_can_take_interrupt,
	.can_take_nmi = svm_can_take_nmi,
	.inject = svm_inject,
	.set_nmi_blocked = svm_set_nmi_blocked,
	.set_windows = svm_set_windows,
	.intercept_msr = svm_intercept_msr,
	.intercept_port = svm_intercept_port,
	.set_tsc_offset = svm_set_tsc_offset,
	.flush_tlb = svm_flush_tlb,
	.set_cr8 = svm_set_cr8,
	.dump = svm_dump,
};
