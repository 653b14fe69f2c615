/* SPDX-License-Identifier: MIT */
/*
 * Guest state between the VMCS, the live registers and the core's copies, and the host state that
 * an exit loads: SDM vol. 3 rev. 083, 25.4, 25.5, 27.2.2, 27.3.1.
 *
 * Live in the processor, since the host does not use them: CR2, DR0-DR3, DR6, the SYSCALL MSRs and
 * KERNEL_GS_BASE. EFER and PAT change by intercepted writes only: the core's copy stays valid.
 */
#include "cpu.h"
#include "mm.h"
#include "msr.h"
#include "policy.h"
#include "vmx.h"

#define LIMIT_BYTES_MAX	 0xfffffU /* with a byte-granular limit */
#define LIMIT_PAGE_MASK	 0xfffU
#define REAL_MODE_RIGHTS (SEG_P | SEG_S | SEG_W | SEG_A)
#define CR0_CACHE	 (CR0_CD | CR0_NW)

/*
 * Bits whose change the processor carries out by itself. PAE stays with the host for the PDPTEs,
 * MCE for the machine checks, and all that the policy hides for the #GP.
 */
u64 vmx_cr4_guest_owned(void)
{
	return policy_cr4_allowed() & vmx_caps.cr4_fixed1 & ~vmx_caps.cr4_fixed0 &
	       ~(CR4_PAE | CR4_MCE | CR4_VMXE);
}

/* --- segments ------------------------------------------------------------------------------------ */

/* Of an unusable SS the DPL counts: it is the CPL (28.3.2). */
static u16 load_attr(unsigned int i)
{
	u32 rights = vmcs_read32(VMCS_SEG(RIGHTS, i));

	return (u16)(rights & RIGHTS_UNUSABLE ? rights & ~SEG_P : rights);
}

static struct segment load_segment(unsigned int i)
{
	return (struct segment){
		.selector = (u16)vmcs_read(VMCS_SEG(SELECTOR, i)),
		.attr = load_attr(i),
		.limit = vmcs_read32(VMCS_SEG(LIMIT, i)),
		.base = vmcs_read(VMCS_GUEST_ES_BASE + 2U * i),
	};
}

/* The form that the entry checks want (27.3.1.2) and that a load of the register leaves anyway. */
static u32 rights_of(const struct segment *s, unsigned int i, bool real_mode)
{
	u32 rights = s->attr;

	if (!(rights & SEG_P)) {
		if (i != SEG_TR)
			return rights | RIGHTS_UNUSABLE;
		/* TR is always usable. */
		rights = SEG_P | SEG_TYPE_TSS_BUSY;
	}
	/* Some models refuse a code type in real mode unless the selector's low bits are clear. */
	if (i == SEG_CS && real_mode)
		rights = REAL_MODE_RIGHTS;
	if (rights & SEG_S)
		rights |= SEG_A;
	if (s->limit > LIMIT_BYTES_MAX)
		rights |= SEG_G;
	else if ((s->limit & LIMIT_PAGE_MASK) != LIMIT_PAGE_MASK)
		rights &= ~SEG_G;
	return rights;
}

static void store_segment(struct vcpu *v, unsigned int i)
{
	const struct segment *s = &v->seg[i];

	vmcs_write(VMCS_SEG(SELECTOR, i), s->selector);
	vmcs_write(VMCS_SEG(RIGHTS, i), rights_of(s, i, !(vcpu_cr0(v) & CR0_PE)));
	vmcs_write(VMCS_SEG(LIMIT, i), s->limit);
	vmcs_write(VMCS_GUEST_ES_BASE + 2U * i, s->base);
}

/* ES, DS, FS, GS, LDTR, TR */
static bool in_segs_group(unsigned int i)
{
	return i != SEG_CS && i != SEG_SS;
}

/* --- control registers --------------------------------------------------------------------------- */

static void load_control(struct vcpu *v, u32 regs)
{
	const struct vmx_vcpu *s = v->vmx;

	if (regs & REG_CR0)
		v->cr0 = (vmcs_read(VMCS_GUEST_CR0) & CR0_GUEST_OWNED) |
			 (s->cr0_shadow & ~CR0_GUEST_OWNED);
	if (regs & REG_CR4) {
		u64 owned = vmx_cr4_guest_owned();

		v->cr4 = (vmcs_read(VMCS_GUEST_CR4) & owned) | (s->cr4_shadow & ~owned);
	}
}

/*
 * Unrestricted guest exempts PE and PG from the fixed bits (24.8). Entries ignore CD and NW: the
 * guest's caching stays on (27.3.2.1).
 */
static void store_cr0(struct vcpu *v)
{
	u64 value = vmx_fix(v->cr0 & ~CR0_CACHE, vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG),
			    vmx_caps.cr0_fixed1);

	vmcs_write(VMCS_GUEST_CR0, value);
	if (v->vmx->cr0_shadow != v->cr0) {
		v->vmx->cr0_shadow = v->cr0;
		vmcs_write(VMCS_CR0_SHADOW, v->cr0);
	}
}

static void store_cr4(struct vcpu *v)
{
	u64 value =
		vmx_fix(v->cr4 | (read_cr4() & CR4_MCE), vmx_caps.cr4_fixed0, vmx_caps.cr4_fixed1);

	vmcs_write(VMCS_GUEST_CR4, value);
	if (v->vmx->cr4_shadow != v->cr4) {
		v->vmx->cr4_shadow = v->cr4;
		vmcs_write(VMCS_CR4_SHADOW, v->cr4);
	}
}

static void store_efer(struct vcpu *v)
{
	u32 entry = v->vmx->entry_controls & ~CTL_BIT(ENTRY_IA32E);

	if (v->efer & EFER_LMA)
		entry |= CTL_BIT(ENTRY_IA32E);
	vmcs_write(VMCS_GUEST_EFER, v->efer);
	if (entry != v->vmx->entry_controls) {
		v->vmx->entry_controls = entry;
		vmcs_write(VMCS_ENTRY_CONTROLS, entry);
	}
}

/* The entry takes them from the VMCS (27.3.2.4); the core has checked those in memory. */
static void store_pdptes(struct vcpu *v)
{
	u64 pdpte[4];

	vcpu_need(v, REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER);
	if (!(v->cr0 & CR0_PG) || !(v->cr4 & CR4_PAE) || (v->efer & EFER_LMA) ||
	    pae_pdptes_read(v, v->cr3, pdpte))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(pdpte); i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + 2U * i, pdpte[i]);
}

static void store_control(struct vcpu *v, u32 regs)
{
	if (regs & REG_CR0)
		store_cr0(v);
	if (regs & REG_CR3)
		vmcs_write(VMCS_GUEST_CR3, v->cr3);
	if (regs & REG_CR4)
		store_cr4(v);
	if (regs & REG_EFER)
		store_efer(v);
	if (regs & (REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER))
		store_pdptes(v);
}

/* --- interruptibility ---------------------------------------------------------------------------- */

static void load_shadow(struct vcpu *v)
{
	v->vmx->interruptibility = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);
	v->shadow = (v->vmx->interruptibility & (INTR_STI | INTR_MOV_SS)) != 0;
	if (v->shadow && v->shadow_over) {
		v->shadow = 0;
		vcpu_dirty(v, REG_SHADOW);
	}
}

/*
 * The end of a shadow also ends what it held back: the single-step trap of the MOV SS or STI before
 * it, in favour of the emulated instruction's own. A shadow with TF needs that trap pending
 * (27.3.1.5). Breakpoints that a MOV SS met stay pending: the entry delivers them (27.7.3).
 */
static void store_shadow(struct vcpu *v)
{
	struct vmx_vcpu *s = v->vmx;
	u32 value = s->interruptibility & ~(INTR_STI | INTR_MOV_SS);
	u64 rflags = vcpu_rflags(v);

	if (v->shadow)
		value |= rflags & RFLAGS_IF ? INTR_STI : INTR_MOV_SS;
	s->interruptibility = value;
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, value);
	if (unlikely(rflags & RFLAGS_TF))
		vmcs_write(VMCS_GUEST_PENDING_DEBUG, v->shadow ? PENDING_DEBUG_BS : 0);
}

/* --- the groups ---------------------------------------------------------------------------------- */

static void load_msrs(struct vcpu *v, u32 regs)
{
	if (regs & REG_SYSCALL) {
		v->star = rdmsr(MSR_STAR);
		v->lstar = rdmsr(MSR_LSTAR);
		v->cstar = rdmsr(MSR_CSTAR);
		v->sfmask = rdmsr(MSR_SFMASK);
		v->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	}
	if (regs & REG_SYSENTER) {
		v->sysenter_cs = vmcs_read(VMCS_GUEST_SYSENTER_CS);
		v->sysenter_esp = vmcs_read(VMCS_GUEST_SYSENTER_ESP);
		v->sysenter_eip = vmcs_read(VMCS_GUEST_SYSENTER_EIP);
	}
}

static __noinline void load_rare(struct vcpu *v, u32 regs)
{
	if (regs & REG_SHADOW)
		load_shadow(v);
	if (regs & (REG_CR0 | REG_CR4))
		load_control(v, regs);
	if (regs & REG_CR2)
		v->cr2 = read_cr2();
	if (regs & REG_DR6)
		v->dr6 = read_dr6();
	if (regs & REG_DR7)
		v->dr7 = vmcs_read(VMCS_GUEST_DR7);
	if (regs & REG_CS) {
		v->seg[SEG_CS] = load_segment(SEG_CS);
		v->seg[SEG_SS] = load_segment(SEG_SS);
	}
	if (regs & REG_SEGS)
		for (unsigned int i = 0; i < NR_SEGS; i++)
			if (in_segs_group(i))
				v->seg[i] = load_segment(i);
	if (regs & REG_TABLES) {
		v->gdtr.base = vmcs_read(VMCS_GUEST_GDTR_BASE);
		v->gdtr.limit = (u16)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
		v->idtr.base = vmcs_read(VMCS_GUEST_IDTR_BASE);
		v->idtr.limit = (u16)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
	}
	if (regs & (REG_SYSCALL | REG_SYSENTER))
		load_msrs(v, regs);
}

/* RIP, RFLAGS, EFER and PAT are there after each exit. */
void vmx_load(struct vcpu *v, u32 regs)
{
	v->reg_avail |= regs;
	if (regs & REG_CR3)
		v->cr3 = vmcs_read(VMCS_GUEST_CR3);
	if (regs & REG_RSP)
		v->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
	if (regs & REG_CODE)
		v->seg[SEG_CS].attr = load_attr(SEG_CS);
	if (regs & REG_CPL)
		v->seg[SEG_SS].attr = load_attr(SEG_SS);
	regs &= ~(u32)(REG_CR3 | REG_RSP | REG_CODE | REG_CPL);
	if (unlikely(regs))
		load_rare(v, regs);
}

/* The core has checked what it stores: a value that the processor refuses stays out. */
static void store_msrs(struct vcpu *v, u32 regs)
{
	if (regs & REG_SYSCALL) {
		(void)wrmsr_safe(MSR_STAR, v->star);
		(void)wrmsr_safe(MSR_LSTAR, v->lstar);
		(void)wrmsr_safe(MSR_CSTAR, v->cstar);
		(void)wrmsr_safe(MSR_SFMASK, v->sfmask);
		(void)wrmsr_safe(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	}
	if (regs & REG_SYSENTER) {
		vmcs_write(VMCS_GUEST_SYSENTER_CS, v->sysenter_cs);
		vmcs_write(VMCS_GUEST_SYSENTER_ESP, v->sysenter_esp);
		vmcs_write(VMCS_GUEST_SYSENTER_EIP, v->sysenter_eip);
	}
	if (regs & REG_PAT)
		vmcs_write(VMCS_GUEST_PAT, v->pat);
}

static __noinline void store_rare(struct vcpu *v, u32 regs)
{
	if (regs & (REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER))
		store_control(v, regs);
	if (regs & REG_SHADOW)
		store_shadow(v);
	if (regs & REG_CR2)
		write_cr2(v->cr2);
	if (regs & REG_DR6)
		write_dr6(v->dr6);
	if (regs & REG_DR7)
		vmcs_write(VMCS_GUEST_DR7, (u32)v->dr7);
	if (regs & REG_CS) {
		store_segment(v, SEG_CS);
		store_segment(v, SEG_SS);
	}
	if (regs & REG_SEGS)
		for (unsigned int i = 0; i < NR_SEGS; i++)
			if (in_segs_group(i))
				store_segment(v, i);
	if (regs & REG_TABLES) {
		vmcs_write(VMCS_GUEST_GDTR_BASE, v->gdtr.base);
		vmcs_write(VMCS_GUEST_GDTR_LIMIT, v->gdtr.limit);
		vmcs_write(VMCS_GUEST_IDTR_BASE, v->idtr.base);
		vmcs_write(VMCS_GUEST_IDTR_LIMIT, v->idtr.limit);
	}
	if (regs & (REG_SYSCALL | REG_SYSENTER | REG_PAT))
		store_msrs(v, regs);
	v->reg_dirty = 0;
}

void vmx_store(struct vcpu *v)
{
	u32 regs = v->reg_dirty;

	if (regs & REG_RIP)
		vmcs_write(VMCS_GUEST_RIP, v->rip);
	if (regs & REG_RSP)
		vmcs_write(VMCS_GUEST_RSP, v->gpr[GPR_RSP]);
	if (regs & REG_RFLAGS)
		vmcs_write(VMCS_GUEST_RFLAGS, (v->rflags & RFLAGS_KNOWN) | RFLAGS_ONE);
	regs &= ~(u32)(REG_RIP | REG_RSP | REG_RFLAGS);
	if (unlikely(regs))
		store_rare(v, regs);
	else
		v->reg_dirty = 0;
}

/* --- the host -------------------------------------------------------------------------------------- */

void vmx_store_host(void)
{
	const struct cpu *cpu = this_cpu();

	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, read_cr3());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmcs_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmcs_write(VMCS_HOST_CS_SELECTOR, SEL_CODE);
	vmcs_write(VMCS_HOST_SS_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_DS_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_ES_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_FS_SELECTOR, SEL_NULL);
	vmcs_write(VMCS_HOST_GS_SELECTOR, SEL_NULL);
	vmcs_write(VMCS_HOST_TR_SELECTOR, SEL_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, (u64)(uintptr_t)cpu);
	vmcs_write(VMCS_HOST_TR_BASE, cpu_tss_base(cpu));
	vmcs_write(VMCS_HOST_GDTR_BASE, cpu_gdt_base(cpu));
	vmcs_write(VMCS_HOST_IDTR_BASE, cpu_idt_base());
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (u64)(uintptr_t)vmx_exit_point);
}
