/* SPDX-License-Identifier: MIT */
/*
 * VT-x: detection, enabling, and the life of a vCPU's control structure. SDM vol. 3 rev. 083,
 * ch. 24 and 25, 31.3, appendix A.
 */
#include "cpu.h"
#include "cpuid.h"
#include "errors.h"
#include "insn.h"
#include "lib.h"
#include "mm.h"
#include "msr.h"
#include "policy.h"
#include "printk.h"
#include "virt.h"
#include "vm.h"
#include "vmx.h"

struct vmx_caps vmx_caps;
struct vmx_controls vmx_controls;

/* The first word of a VMXON region or VMCS: 25.2. */
struct vmx_region {
	u32 revision;
	u32 abort; /* VMX-abort indicator */
};

/* --- detection ------------------------------------------------------------------------------------- */

static u64 read_capability(u32 msr)
{
	u64 value;

	(void)rdmsr_safe(msr, &value); /* 0 where there is none */
	return value;
}

static int vmx_probe(const char **why)
{
	u64 control;

	if (!(cpuid(CPUID_IDENT, 0).ecx & CPUID_1_ECX_VMX))
		return -ENODEV;
	if (rdmsr_safe(MSR_FEATURE_CONTROL, &control) == 0 && (control & FEATURE_CONTROL_LOCK) &&
	    !(control & FEATURE_CONTROL_VMX)) {
		*why = "VT-x is locked off by the firmware (IA32_FEATURE_CONTROL); enable VT-x in its set-up";
		return -EPERM;
	}
	if (read_cr4() & CR4_VMXE) {
		*why = "VT-x is in use already (CR4.VMXE is set)";
		return -EBUSY;
	}
	vmx_caps_read(&vmx_caps, read_capability);
	return vmx_negotiate(&vmx_caps, &vmx_controls, why);
}

/* Instructions that a guest can use only while a secondary control lets it: table 25-7. */
static const struct {
	u16 control;
	u32 leaf, subleaf;
	char reg;
	u8 bit;
} gates[] = {
	{ PROC2_RDTSCP, 0x80000001, 0, 'd', 27 },
	{ PROC2_INVPCID, 7, 0, 'b', 10 },
	{ PROC2_XSAVES, 0xd, 1, 'a', 3 },
};

static struct cpuid_regs vmx_cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r = cpuid(leaf, subleaf);

	for (unsigned int i = 0; i < ARRAY_SIZE(gates); i++) {
		u32 *reg = gates[i].reg == 'a' ? &r.eax : gates[i].reg == 'b' ? &r.ebx : &r.edx;

		if (gates[i].leaf == leaf && gates[i].subleaf == subleaf &&
		    !vmx_has(&vmx_controls, gates[i].control))
			*reg &= ~BIT(gates[i].bit);
	}
	return r;
}

static void vmx_describe(char *buf, size_t size)
{
	const struct vmx_controls *c = &vmx_controls;

	for (unsigned int i = 0; i < NR_WORDS; i++)
		pr_debug("VT-x capability word %u: %08x allowed 0, %08x allowed 1, %08x chosen", i,
			 vmx_caps.word[i].zero, vmx_caps.word[i].one, c->word[i]);
	pr_debug("VT-x basic %lx ept_vpid %lx cr0 %lx/%lx cr4 %lx/%lx", vmx_caps.basic,
		 vmx_caps.ept_vpid, vmx_caps.cr0_fixed0, vmx_caps.cr0_fixed1, vmx_caps.cr4_fixed0,
		 vmx_caps.cr4_fixed1);
	snprintf(buf, size, "EPT with %s pages%s, unrestricted guest%s%s%s",
		 c->one_gb   ? "1 GiB"
		 : c->two_mb ? "2 MiB"
			     : "4 KiB",
		 c->ad ? ", accessed and dirty flags" : "", vmx_has(c, PROC2_VPID) ? ", VPID" : "",
		 vmx_has(c, PROC_TPR_SHADOW) ? ", TPR shadow" : "",
		 vmx_has(c, PROC2_XSAVES) ? ", XSAVES" : "");
}

/* --- each CPU -------------------------------------------------------------------------------------- */

static void follow_memtypes(void)
{
	struct host_mtrrs mtrrs;

	host_mtrrs_read(&mtrrs, read_capability, cpuid(CPUID_IDENT, 0).edx & CPUID_1_EDX_MTRR,
			cpuid(CPUID_EXT_SIZES, 0).eax & 0xff);
	if (mtrrs.rest == MEMTYPE_UC && !mtrrs.n)
		pr_warn("the firmware left all memory uncached (MTRRs): so is the guest's");
	ept_set_memtypes(&mtrrs);
}

static int vmx_cpu_enable(void)
{
	struct vmx_region *region = page_alloc();
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	u64 control;

	if (!region)
		return -ENOMEM;
	/* Absent under some hypervisors, which then need no unlocking. Without it VMXON is #GP. */
	if (rdmsr_safe(MSR_FEATURE_CONTROL, &control) == 0 && !(control & FEATURE_CONTROL_LOCK) &&
	    wrmsr_safe(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX)) {
		page_free(region, 1);
		return -EPERM;
	}
	/* Fixed bits of VMX operation: 24.8. */
	write_cr0(vmx_fix(cr0, vmx_caps.cr0_fixed0, vmx_caps.cr0_fixed1));
	write_cr4(vmx_fix(cr4 | CR4_VMXE, vmx_caps.cr4_fixed0, vmx_caps.cr4_fixed1));
	region->revision = (u32)(vmx_caps.basic & VMX_BASIC_REVISION);
	if (!vmxon(virt_to_phys(region))) {
		write_cr4(cr4);
		write_cr0(cr0);
		page_free(region, 1);
		return -EIO;
	}
	this_cpu()->virt = region;
	ept_configure(&vmx_controls);
	follow_memtypes();
	/* Each vCPU's reset drops what belongs to its own tables. */
	if (vmx_controls.invept_all)
		invept(INVEPT_ALL, 0);
	if (vmx_controls.invvpid)
		invvpid(INVVPID_ALL, 0);
	return 0;
}

static void vmx_cpu_disable(void)
{
	vmxoff();
	write_cr4(read_cr4() & ~CR4_VMXE);
	page_free(this_cpu()->virt, 1);
	this_cpu()->virt = NULL;
}

/* --- the vCPU -------------------------------------------------------------------------------------- */

static void vmx_vcpu_destroy(struct vcpu *v)
{
	struct vmx_vcpu *s = v->vmx;

	if (!s)
		return;
	if (s->vmcs) {
		(void)vmclear(s->vmcs_pa);
		page_free(s->vmcs, 1);
	}
	page_free(s->msr_bitmap, 1);
	page_free(s->io_bitmap, IO_BITMAP_PAGES);
	page_free(s->vapic, 1);
	page_free(s, 1);
	v->vmx = NULL;
}

static int vmx_vcpu_create(struct vcpu *v)
{
	struct vmx_vcpu *s = page_alloc();
	struct vmx_region *vmcs;

	_Static_assert(sizeof(*s) <= PAGE_SIZE, "one page");
	if (!s)
		return -ENOMEM;
	v->vmx = s;
	s->msr_bitmap = page_alloc();
	s->io_bitmap = page_alloc_contig(IO_BITMAP_PAGES);
	s->vapic = page_alloc();
	vmcs = page_alloc();
	if (!vmcs || !s->msr_bitmap || !s->io_bitmap || !s->vapic) {
		page_free(vmcs, 1);
		vmx_vcpu_destroy(v);
		return -ENOMEM;
	}
	s->vmcs = vmcs;
	s->vmcs_pa = virt_to_phys(vmcs);
	vmcs->revision = (u32)(vmx_caps.basic & VMX_BASIC_REVISION);
	if (!vmclear(s->vmcs_pa) || !vmptrld(s->vmcs_pa)) {
		vmx_vcpu_destroy(v);
		return -EIO;
	}
	memset(s->msr_bitmap, 0xff, PAGE_SIZE);
	memset(s->io_bitmap, 0xff, IO_BITMAP_PAGES * PAGE_SIZE);
	s->eptp = ept_pointer(virt_to_phys(v->vm->gpmap.root), &vmx_controls);
	return 0;
}

/* Secondary controls that only let the guest use an instruction follow what CPUID shows it. */
static u32 secondary_controls(void)
{
	u32 word = vmx_controls.word[WORD_PROC2];

	for (unsigned int i = 0; i < ARRAY_SIZE(gates); i++)
		if (!cpuid_policy_has(gates[i].leaf, gates[i].subleaf, gates[i].reg, gates[i].bit))
			word &= ~CTL_BIT(gates[i].control);
	return word;
}

static void write_controls(const struct vcpu *v)
{
	const struct vmx_vcpu *s = v->vmx;

	vmcs_write(VMCS_PIN_CONTROLS, vmx_controls.word[WORD_PIN]);
	vmcs_write(VMCS_PROC_CONTROLS, s->proc_controls);
	vmcs_write(VMCS_PROC2_CONTROLS, secondary_controls());
	vmcs_write(VMCS_EXIT_CONTROLS, vmx_controls.word[WORD_EXIT]);
	vmcs_write(VMCS_ENTRY_CONTROLS, s->entry_controls);
	/* Machine checks are the host's; all other exceptions are the guest's own. */
	vmcs_write(VMCS_EXCEPTION_BITMAP, BIT(VEC_MC));
	vmcs_write(VMCS_PF_ERROR_MASK, 0);
	vmcs_write(VMCS_PF_ERROR_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, 0);
	vmcs_write(VMCS_MSR_BITMAP, virt_to_phys(s->msr_bitmap));
	vmcs_write(VMCS_IO_BITMAP_A, virt_to_phys(s->io_bitmap));
	vmcs_write(VMCS_IO_BITMAP_B, virt_to_phys(s->io_bitmap) + PAGE_SIZE);
	vmcs_write(VMCS_TSC_OFFSET, v->tsc_offset);
	vmcs_write(VMCS_EPT_POINTER, s->eptp);
	vmcs_write(VMCS_CR0_MASK, ~CR0_GUEST_OWNED);
	vmcs_write(VMCS_CR4_MASK, ~vmx_cr4_guest_owned());
	if (vmx_has(&vmx_controls, PROC_TPR_SHADOW)) {
		vmcs_write(VMCS_VIRTUAL_APIC_PAGE, virt_to_phys(s->vapic));
		vmcs_write(VMCS_TPR_THRESHOLD, s->tpr_threshold);
	}
	if (vmx_has(&vmx_controls, PROC2_VPID))
		vmcs_write(VMCS_VPID, VPID_GUEST);
	if (vmx_has(&vmx_controls, PROC2_XSAVES))
		vmcs_write(VMCS_XSS_EXIT_BITMAP, 0);
}

/* Guest state that no register group covers. */
static void write_fixed_state(const struct vmx_vcpu *s)
{
	vmcs_write(VMCS_VMCS_LINK_POINTER, VMCS_LINK_NONE);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write(VMCS_GUEST_SMBASE, 0);
	vmcs_write(VMCS_CR0_SHADOW, s->cr0_shadow);
	vmcs_write(VMCS_CR4_SHADOW, s->cr4_shadow);
}

static void vmx_flush_tlb(struct vcpu *v)
{
	if (vmx_controls.invept_one)
		invept(INVEPT_ONE, v->vmx->eptp);
	else
		invept(INVEPT_ALL, 0);
}

static void vmx_vcpu_reset(struct vcpu *v)
{
	struct vmx_vcpu *s = v->vmx;

	s->proc_controls = vmx_controls.word[WORD_PROC];
	s->entry_controls = vmx_controls.word[WORD_ENTRY];
	s->tpr_threshold = 0;
	s->cr0_shadow = s->cr4_shadow = 0;
	s->interruptibility = 0;
	s->nmi_exit = s->injecting = false;
	s->failure = 0;
	v->windows = 0;
	vmx_set_cr8(v, 0);
	write_controls(v);
	write_fixed_state(s);
	vmx_store_host();
	vmx_flush_tlb(v);
}

static void vmx_set_tsc_offset(struct vcpu *v, u64 offset)
{
	(void)v;
	vmcs_write(VMCS_TSC_OFFSET, offset);
}

/* The handler runs as if the NMI had come here, and its IRET ends the host's blocking. */
static void take_nmi(struct vmx_vcpu *s)
{
	s->nmi_exit = false;
	__asm__ volatile("int %0" : : "i"(VEC_NMI) : "cc", "memory");
}

static __noinline void refused(struct vcpu *v, enum vmx_entry how)
{
	u32 error = how == VMX_FAIL_VALID ? vmcs_read32(VMCS_INSTRUCTION_ERROR) : 0;

	v->vmx->failure = error;
	v->exit = (struct vm_exit){ .kind = EXIT_ENTRY_FAILURE, .raw = error };
}

static void vmx_run(struct vcpu *v, struct event *cut_short)
{
	struct vmx_vcpu *s = v->vmx;
	enum vmx_entry how;

	/* A shadow that is over must not keep a window closed; otherwise it ends unseen. */
	if (unlikely(v->shadow_over && v->windows))
		vcpu_need(v, REG_SHADOW);
	if (v->reg_dirty)
		vmx_store(v);
	vmx_debug_entry(v);
	how = vmx_enter(v, s->launched, &s->host_rsp);
	v->rip = vmcs_read(VMCS_GUEST_RIP);
	v->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	v->reg_avail = REG_RIP | REG_RFLAGS | REG_EFER | REG_PAT;
	v->shadow_over = false;
	s->injecting = false;
	if (unlikely(how != VMX_ENTERED)) {
		refused(v, how);
		return;
	}
	if (unlikely(vmx_guest_cr8(s) != s->cr8))
		vmx_sync_cr8(v);
	vmx_decode_exit(v, cut_short);
	/* A failed entry leaves the launch state as it was (27.8). */
	if (likely(v->exit.kind != EXIT_ENTRY_FAILURE))
		s->launched = true;
	if (unlikely(s->nmi_exit))
		take_nmi(s);
}

const struct virt_ops vmx_ops = {
	.name = "VT-x",
	.probe = vmx_probe,
	.describe = vmx_describe,
	.cpuid = vmx_cpuid,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.gpmap_format = &ept_format,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_reset = vmx_vcpu_reset,
	.run = vmx_run,
	.load = vmx_load,
	.can_take_interrupt = vmx_can_take_interrupt,
	.can_take_nmi = vmx_can_take_nmi,
	.inject = vmx_inject,
	.set_nmi_blocked = vmx_set_nmi_blocked,
	.set_windows = vmx_set_windows,
	.intercept_msr = vmx_intercept_msr,
	.intercept_port = vmx_intercept_port,
	.set_tsc_offset = vmx_set_tsc_offset,
	.flush_tlb = vmx_flush_tlb,
	.set_cr8 = vmx_set_cr8,
	.dump = vmx_dump,
};
