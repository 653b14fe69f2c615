/* SPDX-License-Identifier: MIT */
/*
 * The guest's model-specific registers: SDM vol. 4 (rev. 083) ch. 2, SDM vol. 3 11.12, 18.17; APM vol. 2 (rev. 3.42) appendix A.
 * One table: a row says which way an MSR goes and why. What has no row does not exist: #GP(0).
 */
#include "policy.h"

#include "cpuid.h"
#include "errors.h"
#include "lib.h"
#include "mm.h"
#include "msr.h"
#include "msr_state.h"
#include "printk.h"
#include "virt.h"
#include "vm.h"

#define UNKNOWN_NOTES_MAX 16U
#define TOP_MEM_ALIGN	  MIB(8)

enum msr_kind {
	MSR_KIND_FAULT, /* known, and not offered: #GP without a note */
	MSR_KIND_PASS,	/* the processor's own; the handlers are for backends that intercept it */
	MSR_KIND_EMULATED, /* handlers; a missing one is #GP */
	MSR_KIND_CONSTANT, /* reads value, writes #GP */
	MSR_KIND_SINK,	   /* reads value, ignores writes */
};

enum msr_vendor {
	MSR_ANY,
	MSR_INTEL,
	MSR_AMD,
};

/* On which CPUID feature an MSR depends. */
enum msr_need {
	NEED_NOTHING,
	NEED_TSC_AUX,
	NEED_SPEC_CTRL,
	NEED_PRED_CMD,
	NEED_FLUSH_CMD,
	NEED_ARCH_CAP,
};

struct msr_row {
	u32 first, last;
	const char *name;
	u8 kind;
	u8 vendor;
	u8 need;
	u64 value;
	int (*read)(struct vcpu *v, u32 msr, u64 *value);
	int (*write)(struct vcpu *v, u32 msr, u64 value);
	const char *reason;
};

/* Written by msr_policy_init() only. */
static struct {
	int (*read)(u32 msr, u64 *value);
	int (*write)(u32 msr, u64 value);
	u64 microcode;
	u64 arch_capabilities;
} host;

static bool is_canonical(u64 address)
{
	/* 48 linear bits: 5-level paging is not offered. */
	return (u64)((s64)(address << 16) >> 16) == address;
}

/* --- time -------------------------------------------------------------------------------------- */

/* SDM vol. 3 18.17.3: TSC and TSC_ADJUST move together. */
static void tsc_move(struct vcpu *v, u64 delta)
{
	v->tsc_offset += delta;
	v->tsc_adjust += delta;
	v->ops->set_tsc_offset(v, v->tsc_offset);
	lapic_tsc_changed(&v->lapic);
}

static int tsc_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = vcpu_guest_tsc(v);
	return 0;
}

static int tsc_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	tsc_move(v, value - vcpu_guest_tsc(v));
	return 0;
}

static int tsc_adjust_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->tsc_adjust;
	return 0;
}

static int tsc_adjust_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value != v->tsc_adjust)
		tsc_move(v, value - v->tsc_adjust);
	return 0;
}

/* --- the local APIC ---------------------------------------------------------------------------- */

static int apic_read(struct vcpu *v, u32 msr, u64 *value)
{
	return lapic_msr_read(&v->lapic, msr, value);
}

static int apic_write(struct vcpu *v, u32 msr, u64 value)
{
	return lapic_msr_write(&v->lapic, msr, value);
}

/* --- registers of the instruction set ---------------------------------------------------------- */

static int efer_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = vcpu_efer(v);
	return 0;
}

static int efer_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	return efer_write(v, value);
}

static u64 *syscall_reg(struct vcpu *v, u32 msr)
{
	switch (msr) {
	case MSR_STAR:
		return &v->star;
	case MSR_LSTAR:
		return &v->lstar;
	case MSR_CSTAR:
		return &v->cstar;
	case MSR_SFMASK:
		return &v->sfmask;
	default:
		return &v->kernel_gs_base;
	}
}

static int syscall_read(struct vcpu *v, u32 msr, u64 *value)
{
	vcpu_need(v, REG_SYSCALL);
	*value = *syscall_reg(v, msr);
	return 0;
}

static int syscall_write(struct vcpu *v, u32 msr, u64 value)
{
	if (msr == MSR_SFMASK)
		value = (u32)value;
	else if (msr != MSR_STAR && !is_canonical(value))
		return -EINVAL;
	vcpu_need(v, REG_SYSCALL);
	*syscall_reg(v, msr) = value;
	vcpu_dirty(v, REG_SYSCALL);
	return 0;
}

static u64 *sysenter_reg(struct vcpu *v, u32 msr)
{
	switch (msr) {
	case MSR_SYSENTER_CS:
		return &v->sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &v->sysenter_esp;
	default:
		return &v->sysenter_eip;
	}
}

static int sysenter_read(struct vcpu *v, u32 msr, u64 *value)
{
	vcpu_need(v, REG_SYSENTER);
	*value = *sysenter_reg(v, msr);
	return 0;
}

static int sysenter_write(struct vcpu *v, u32 msr, u64 value)
{
	if (msr == MSR_SYSENTER_CS)
		value = (u32)value;
	else if (!is_canonical(value))
		return -EINVAL;
	vcpu_need(v, REG_SYSENTER);
	*sysenter_reg(v, msr) = value;
	vcpu_dirty(v, REG_SYSENTER);
	return 0;
}

static int segment_base_read(struct vcpu *v, u32 msr, u64 *value)
{
	*value = vcpu_seg(v, msr == MSR_FS_BASE ? SEG_FS : SEG_GS)->base;
	return 0;
}

static int segment_base_write(struct vcpu *v, u32 msr, u64 value)
{
	unsigned int seg = msr == MSR_FS_BASE ? SEG_FS : SEG_GS;
	struct segment s;

	if (!is_canonical(value))
		return -EINVAL;
	s = *vcpu_seg(v, seg);
	s.base = value;
	vcpu_set_seg(v, seg, &s);
	return 0;
}

/* Live in the processor: the real one decides what is legal. */
static int live_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	return host.read && host.read(msr, value) == 0 ? 0 : -EINVAL;
}

static int live_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	return host.write && host.write(msr, value) == 0 ? 0 : -EINVAL;
}

static int pat_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	vcpu_need(v, REG_PAT);
	*value = v->pat;
	return 0;
}

static int pat_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (!pat_valid(value))
		return -EINVAL;
	v->pat = value;
	vcpu_dirty(v, REG_PAT);
	return 0;
}

/* --- memory types ------------------------------------------------------------------------------ */

static int mtrr_cap_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = mtrr_cap();
	return 0;
}

static int mtrr_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	return mtrr_read(&v->msr->mtrr, msr, value);
}

static int mtrr_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	return mtrr_write(&v->msr->mtrr, msr, value);
}

static int top_mem_read(struct vcpu *v, u32 msr, u64 *value)
{
	u64 top = msr == MSR_TOP_MEM ? v->vm->ram_below_4g : GIB(4) + v->vm->ram_above_4g;

	*value = ALIGN_DOWN(top, TOP_MEM_ALIGN);
	return 0;
}

static int syscfg_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = SYSCFG_MTRR_VAR_DRAM_EN;
	if (v->vm->ram_above_4g)
		*value |= SYSCFG_TOM2_EN | SYSCFG_TOM2_FORCE_WB;
	return 0;
}

static int ignored_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	(void)value;
	return 0;
}

/* --- identity, machine check, debugging -------------------------------------------------------- */

static int microcode_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = host.microcode;
	return 0;
}

static int arch_cap_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = host.arch_capabilities;
	return 0;
}

static int mcg_status_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->msr->mcg_status;
	return 0;
}

static int mcg_status_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value & ~(MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP))
		return -EINVAL;
	v->msr->mcg_status = value;
	return 0;
}

#define MISC_ENABLE_READ_ONLY \
	(MISC_ENABLE_PMU | MISC_ENABLE_BTS_UNAVAILABLE | MISC_ENABLE_PEBS_UNAVAILABLE)

/* SDM vol. 4 table 2-2. They are read back, and switch nothing. */
#define MISC_ENABLE_KEPT                                                            \
	(MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_THERMAL | MISC_ENABLE_SPEEDSTEP |   \
	 MISC_ENABLE_MONITOR | MISC_ENABLE_LIMIT_CPUID | MISC_ENABLE_XTPR_DISABLE | \
	 MISC_ENABLE_XD_DISABLE)

static int misc_enable_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->msr->misc_enable;
	return 0;
}

static int misc_enable_write(struct vcpu *v, u32 msr, u64 value)
{
	u64 changed = value ^ v->msr->misc_enable;

	(void)msr;
	if (changed & ~(MISC_ENABLE_READ_ONLY | MISC_ENABLE_KEPT))
		return -EINVAL;
	v->msr->misc_enable ^= changed & MISC_ENABLE_KEPT;
	return 0;
}

/*
 * Last-branch records and single-stepping on branches are not switched between host and guest: the bits can be written and
 * do not stick, as on a processor that lacks them. Others are reserved.
 */
static int debugctl_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = 0;
	return 0;
}

static int debugctl_write(struct vcpu *v, u32 msr, u64 value)
{
	u64 allowed = DEBUGCTL_LBR | DEBUGCTL_BTF;

	(void)v;
	(void)msr;
	if (!policy_vendor_is_intel())
		allowed |= DEBUGCTL_AMD_PINS;
	return value & ~allowed ? -EINVAL : 0;
}

#define HWCR_IGNORED (HWCR_TLB_CACHE_DIS | HWCR_FFDIS | HWCR_IGNNE_EMULATION | HWCR_TSC_FREQ_SEL)

static int hwcr_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->msr->hwcr;
	return 0;
}

static int hwcr_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value & ~(HWCR_IGNORED | HWCR_MC_STATUS_WRITE))
		return -EINVAL;
	v->msr->hwcr = HWCR_TSC_FREQ_SEL | (value & HWCR_MC_STATUS_WRITE);
	return 0;
}

static int de_cfg_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = DE_CFG_LFENCE_SERIALIZE;
	return 0;
}

/* Makes it true. Where the register is missing LFENCE serializes always (or, emulated, nothing speculates). */
static void de_cfg_setup(void)
{
	u64 value;

	if (host.read(MSR_DE_CFG, &value) == 0 && !(value & DE_CFG_LFENCE_SERIALIZE))
		(void)host.write(MSR_DE_CFG, value | DE_CFG_LFENCE_SERIALIZE);
}

/* --- the table --------------------------------------------------------------------------------- */

#define FAULT(a, b, n, why)                                                                     \
	{                                                                                       \
		.first = (a), .last = (b), .name = (n), .kind = MSR_KIND_FAULT, .reason = (why) \
	}
#define PASS(m, n, needs, r, w, why)                                                            \
	{                                                                                       \
		.first = (m), .last = (m), .name = (n), .kind = MSR_KIND_PASS, .need = (needs), \
		.read = (r), .write = (w), .reason = (why)                                      \
	}
#define EMUL(a, b, n, who, r, w, why)                                              \
	{                                                                          \
		.first = (a), .last = (b), .name = (n), .kind = MSR_KIND_EMULATED, \
		.vendor = (who), .read = (r), .write = (w), .reason = (why)        \
	}
#define CONST(m, n, who, x, why)                                                   \
	{                                                                          \
		.first = (m), .last = (m), .name = (n), .kind = MSR_KIND_CONSTANT, \
		.vendor = (who), .value = (x), .reason = (why)                     \
	}
#define SINKS(a, b, n, who, x, why)                                                             \
	{                                                                                       \
		.first = (a), .last = (b), .name = (n), .kind = MSR_KIND_SINK, .vendor = (who), \
		.value = (x), .reason = (why)                                                   \
	}
#define SINK(m, n, who, x, why) SINKS(m, m, n, who, x, why)

/* Sorted by address, without overlaps: find_row() searches it by halves. */
/* clang-format off */
static const struct msr_row rows[] = {
	CONST(MSR_P5_MC_ADDR, "P5_MC_ADDR", MSR_ANY, 0, "no machine checks"),
	CONST(MSR_P5_MC_TYPE, "P5_MC_TYPE", MSR_ANY, 0, "no machine checks"),
	EMUL(MSR_TSC, MSR_TSC, "TSC", MSR_ANY, tsc_read, tsc_write, "host TSC plus an offset"),
	CONST(MSR_PLATFORM_ID, "PLATFORM_ID", MSR_INTEL, 0, "selects microcode: none to load here"),
	EMUL(MSR_APIC_BASE, MSR_APIC_BASE, "APIC_BASE", MSR_ANY, apic_read, apic_write, "virtual LAPIC"),
	CONST(MSR_EBL_CR_POWERON, "EBL_CR_POWERON", MSR_INTEL, 0, "bus straps: none"),
	FAULT(MSR_TEST_CTRL, MSR_TEST_CTRL, "TEST_CTRL", "no split-lock detection"),
	FAULT(MSR_SMI_COUNT, MSR_SMI_COUNT, "SMI_COUNT", "the host's SMIs"),
	FAULT(MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, "FEATURE_CONTROL",
	      "comes with VMX and SMX, which are hidden"),
	EMUL(MSR_TSC_ADJUST, MSR_TSC_ADJUST, "TSC_ADJUST", MSR_ANY, tsc_adjust_read, tsc_adjust_write,
	     "part of the TSC's offset"),
	PASS(MSR_SPEC_CTRL, "SPEC_CTRL", NEED_SPEC_CTRL, live_read, live_write,
	     "the guest protects itself; Plinth runs well under any value"),
	PASS(MSR_PRED_CMD, "PRED_CMD", NEED_PRED_CMD, NULL, live_write, "a command without state"),
	SINK(MSR_BIOS_UPDT_TRIG, "BIOS_UPDT_TRIG", MSR_INTEL, 0, "microcode belongs to the host"),
	EMUL(MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, "BIOS_SIGN_ID", MSR_ANY, microcode_read, ignored_write,
	     "the real revision; software writes 0 before reading it"),
	FAULT(MSR_PMC0, MSR_PMC7, "PMC", "no PMU"),
	FAULT(MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, "PLATFORM_INFO", "clock ratios are the host's"),
	FAULT(MSR_CORE_CAPABILITIES, MSR_CORE_CAPABILITIES, "CORE_CAPABILITIES", "hidden in CPUID"),
	FAULT(MSR_MPERF, MSR_APERF, "MPERF, APERF", "hidden in CPUID leaf 6"),
	EMUL(MSR_MTRR_CAP, MSR_MTRR_CAP, "MTRRCAP", MSR_ANY, mtrr_cap_read, NULL, "virtual MTRRs"),
	{ .first = MSR_ARCH_CAPABILITIES, .last = MSR_ARCH_CAPABILITIES, .name = "ARCH_CAPABILITIES",
	  .kind = MSR_KIND_EMULATED, .need = NEED_ARCH_CAP, .read = arch_cap_read,
	  .reason = "the real one, without the bits that announce hidden MSRs" },
	PASS(MSR_FLUSH_CMD, "FLUSH_CMD", NEED_FLUSH_CMD, NULL, live_write, "a command without state"),
	FAULT(MSR_TSX_CTRL, MSR_TSX_CTRL, "TSX_CTRL", "TSX is hidden"),
	PASS(MSR_SYSENTER_CS, "SYSENTER_CS", NEED_NOTHING, sysenter_read, sysenter_write,
	     "the host does not use it"),
	PASS(MSR_SYSENTER_ESP, "SYSENTER_ESP", NEED_NOTHING, sysenter_read, sysenter_write,
	     "the host does not use it"),
	PASS(MSR_SYSENTER_EIP, "SYSENTER_EIP", NEED_NOTHING, sysenter_read, sysenter_write,
	     "the host does not use it"),
	CONST(MSR_MCG_CAP, "MCG_CAP", MSR_ANY, 0, "no banks: machine checks are the host's"),
	EMUL(MSR_MCG_STATUS, MSR_MCG_STATUS, "MCG_STATUS", MSR_ANY, mcg_status_read, mcg_status_write,
	     "exists with no banks, too"),
	FAULT(MSR_MCG_CTL, MSR_MCG_CTL, "MCG_CTL", "MCG_CAP.MCG_CTL_P is 0"),
	FAULT(MSR_PERFEVTSEL0, MSR_PERFEVTSEL7, "PERFEVTSEL", "no PMU"),
	FAULT(MSR_PERF_STATUS, MSR_MISC_ENABLE - 1, "PERF_STATUS, thermal", "EIST, TM hidden"),
	/* AMD's manual does not have it. Test suites that run on any virtual machine read it on any. */
	EMUL(MSR_MISC_ENABLE, MSR_MISC_ENABLE, "MISC_ENABLE", MSR_ANY, misc_enable_read,
	     misc_enable_write, "fast strings; no BTS, PEBS, EIST, MONITOR"),
	FAULT(MSR_MISC_ENABLE + 1, MSR_PACKAGE_THERM_INT, "power, thermal", "the host's"),
	EMUL(MSR_DEBUGCTL, MSR_DEBUGCTL, "DEBUGCTL", MSR_ANY, debugctl_read, debugctl_write,
	     "LBR and BTF are accepted and do nothing"),
	CONST(MSR_LASTBRANCH_FROM, "LASTBRANCHFROMIP", MSR_AMD, 0, "no branch recorded"),
	CONST(MSR_LASTBRANCH_TO, "LASTBRANCHTOIP", MSR_AMD, 0, "no branch recorded"),
	CONST(MSR_LASTINT_FROM, "LASTINTFROMIP", MSR_AMD, 0, "no branch recorded"),
	CONST(MSR_LASTINT_TO, "LASTINTTOIP", MSR_AMD, 0, "no branch recorded"),
	FAULT(MSR_SMRR_PHYSBASE, MSR_SMRR_PHYSMASK, "SMRR", "MTRRCAP says none"),
	EMUL(MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE - 1, "MTRR variable", MSR_ANY,
	     mtrr_msr_read, mtrr_msr_write, "virtual MTRRs"),
	EMUL(MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX64K_00000, "MTRR fixed 64K", MSR_ANY, mtrr_msr_read,
	     mtrr_msr_write, "virtual MTRRs"),
	EMUL(MSR_MTRR_FIX16K_80000, MSR_MTRR_FIX16K_A0000, "MTRR fixed 16K", MSR_ANY, mtrr_msr_read,
	     mtrr_msr_write, "virtual MTRRs"),
	EMUL(MSR_MTRR_FIX4K_C0000, MSR_MTRR_FIX4K_F8000, "MTRR fixed 4K", MSR_ANY, mtrr_msr_read,
	     mtrr_msr_write, "virtual MTRRs"),
	EMUL(MSR_PAT, MSR_PAT, "PAT", MSR_ANY, pat_read, pat_write, "kept by the backend, checked here"),
	FAULT(MSR_MC0_CTL2, MSR_MC31_CTL2, "MCi_CTL2", "no banks"),
	EMUL(MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, "MTRR_DEF_TYPE", MSR_ANY, mtrr_msr_read,
	     mtrr_msr_write, "virtual MTRRs"),
	FAULT(MSR_FIXED_CTR0, MSR_FIXED_CTR2, "FIXED_CTR", "no PMU"),
	FAULT(MSR_PERF_CAPABILITIES, MSR_PERF_CAPABILITIES, "PERF_CAPABILITIES", "no PMU"),
	FAULT(MSR_FIXED_CTR_CTRL, MSR_PERF_GLOBAL_OVF_CTRL, "PERF_GLOBAL", "no PMU"),
	FAULT(MSR_PEBS_ENABLE, MSR_PEBS_ENABLE, "PEBS_ENABLE", "no PMU"),
	FAULT(MSR_MC0_CTL, MSR_MC_LAST, "MCi_CTL...", "no banks"),
	FAULT(MSR_VMX_FIRST, MSR_VMX_LAST, "VMX", "no nesting"),
	FAULT(MSR_RTIT_FIRST, MSR_RTIT_LAST, "RTIT", "processor trace is hidden"),
	FAULT(MSR_DS_AREA, MSR_DS_AREA, "DS_AREA", "DS is hidden"),
	FAULT(MSR_RAPL_POWER_UNIT, MSR_RAPL_LAST, "RAPL", "energy is the host's"),
	FAULT(MSR_CET_FIRST, MSR_CET_LAST, "CET", "CET is hidden"),
	EMUL(MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, "TSC_DEADLINE", MSR_ANY, apic_read, apic_write,
	     "virtual LAPIC"),
	FAULT(MSR_PKRS, MSR_PKRS, "PKRS", "PKS is hidden"),
	FAULT(MSR_HWP_FIRST, MSR_HWP_LAST, "HWP", "power is the host's"),
	EMUL(MSR_X2APIC_FIRST, MSR_X2APIC_LAST, "x2APIC", MSR_ANY, apic_read, apic_write,
	     "virtual LAPIC"),
	FAULT(MSR_XSS, MSR_XSS, "XSS", "XSAVES is hidden"),
	EMUL(MSR_EFER, MSR_EFER, "EFER", MSR_ANY, efer_msr_read, efer_msr_write,
	     "the hardware's has SVME; LMA follows CR0.PG"),
	PASS(MSR_STAR, "STAR", NEED_NOTHING, syscall_read, syscall_write, "the host does not use it"),
	PASS(MSR_LSTAR, "LSTAR", NEED_NOTHING, syscall_read, syscall_write, "the host does not use it"),
	PASS(MSR_CSTAR, "CSTAR", NEED_NOTHING, syscall_read, syscall_write, "the host does not use it"),
	PASS(MSR_SFMASK, "SFMASK", NEED_NOTHING, syscall_read, syscall_write, "the host does not use it"),
	FAULT(MSR_MPERF_RO, MSR_APERF_RO, "MPERF_RO, APERF_RO", "hidden in CPUID"),
	PASS(MSR_FS_BASE, "FS_BASE", NEED_NOTHING, segment_base_read, segment_base_write,
	     "switched with the segment"),
	PASS(MSR_GS_BASE, "GS_BASE", NEED_NOTHING, segment_base_read, segment_base_write,
	     "switched with the segment"),
	PASS(MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE", NEED_NOTHING, syscall_read, syscall_write,
	     "the host does not use it"),
	PASS(MSR_TSC_AUX, "TSC_AUX", NEED_TSC_AUX, live_read, live_write, "the host does not use it"),
	FAULT(MSR_TSC_RATIO, MSR_TSC_RATIO, "TSC_RATIO", "SVM is hidden"),
	/* APM vol. 2 13.2.1: no CPUID bit says that they are there. Nothing is counted. */
	SINKS(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3, "PERF_CTL, PERF_CTR (K7)", MSR_AMD, 0, "four counters are obligatory"),
	EMUL(MSR_SYSCFG, MSR_SYSCFG, "SYSCFG", MSR_AMD, syscfg_read, ignored_write,
	     "how the memory is routed: fixed"),
	EMUL(MSR_HWCR, MSR_HWCR, "HWCR", MSR_AMD, hwcr_read, hwcr_write,
	     "the TSC counts at its nominal frequency"),
	FAULT(MSR_IORR_BASE0, MSR_IORR_MASK1, "IORR", "memory routing is fixed"),
	EMUL(MSR_TOP_MEM, MSR_TOP_MEM, "TOP_MEM", MSR_AMD, top_mem_read, NULL, "the guest's RAM"),
	EMUL(MSR_TOP_MEM2, MSR_TOP_MEM2, "TOP_MEM2", MSR_AMD, top_mem_read, NULL, "the guest's RAM"),
	SINK(MSR_NB_CFG, "NB_CFG", MSR_AMD, 0, "systems enable extended PCI configuration there; none here"),
	SINK(MSR_PATCH_LOADER, "PATCH_LOADER", MSR_AMD, 0, "microcode belongs to the host"),
	SINK(MSR_INT_PENDING, "INT_PENDING", MSR_AMD, 0, "no C1E"),
	CONST(MSR_MMIO_CFG_BASE, "MMIO_CFG_BASE", MSR_AMD, 0, "no memory-mapped PCI configuration"),
	FAULT(MSR_PSTATE_FIRST, MSR_PSTATE_LAST, "P-states", "power is the host's"),
	FAULT(MSR_SMM_BASE, MSR_SMM_MASK, "SMM", "no SMM"),
	SINK(MSR_VM_CR, "VM_CR", MSR_AMD, VM_CR_SVMDIS | VM_CR_LOCK,
	     "SVM disabled and locked; a locked register ignores writes"),
	FAULT(MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, "VM_HSAVE_PA", "no nesting"),
	FAULT(MSR_SVM_KEY, MSR_SVM_KEY, "SVM_KEY", "no nesting"),
	FAULT(MSR_OSVW_ID_LENGTH, MSR_OSVW_STATUS, "OSVW", "hidden in CPUID"),
	FAULT(MSR_PERF_CTL0, MSR_PERF_CTR5, "PERF_CTL, PERF_CTR", "no PMU"),
	EMUL(MSR_DE_CFG, MSR_DE_CFG, "DE_CFG", MSR_AMD, de_cfg_read, ignored_write,
	     "LFENCE serializes: de_cfg_setup()"),
	FAULT(MSR_IBS_FIRST, MSR_IBS_LAST, "IBS", "no PMU"),
};
/* clang-format on */

static const struct msr_row *find_row(u32 msr)
{
	unsigned int low = 0, high = ARRAY_SIZE(rows);

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (msr > rows[middle].last)
			low = middle + 1;
		else if (msr < rows[middle].first)
			high = middle;
		else
			return &rows[middle];
	}
	return NULL;
}

static bool has(u32 leaf, char reg, u32 mask)
{
	return cpuid_policy_has(leaf, 0, reg, CPUID_BIT(mask));
}

static bool offered_here(const struct msr_row *row)
{
	if (row->vendor != MSR_ANY && (row->vendor == MSR_INTEL) != policy_vendor_is_intel())
		return false;
	switch (row->need) {
	case NEED_TSC_AUX:
		return has(CPUID_EXT_IDENT, 'd', CPUID_81_EDX_RDTSCP) ||
		       has(CPUID_FEATURES, 'c', CPUID_7_ECX_RDPID);
	case NEED_SPEC_CTRL:
		return has(CPUID_FEATURES, 'd', CPUID_7_EDX_SPEC_CTRL) ||
		       has(CPUID_FEATURES, 'd', CPUID_7_EDX_STIBP) ||
		       has(CPUID_FEATURES, 'd', CPUID_7_EDX_SSBD) ||
		       has(CPUID_EXT_SIZES, 'b', CPUID_88_EBX_IBRS) ||
		       has(CPUID_EXT_SIZES, 'b', CPUID_88_EBX_STIBP) ||
		       has(CPUID_EXT_SIZES, 'b', CPUID_88_EBX_SSBD);
	case NEED_PRED_CMD:
		return has(CPUID_FEATURES, 'd', CPUID_7_EDX_SPEC_CTRL) ||
		       has(CPUID_EXT_SIZES, 'b', CPUID_88_EBX_IBPB);
	case NEED_FLUSH_CMD:
		return has(CPUID_FEATURES, 'd', CPUID_7_EDX_L1D_FLUSH);
	case NEED_ARCH_CAP:
		return has(CPUID_FEATURES, 'd', CPUID_7_EDX_ARCH_CAP);
	default:
		return true;
	}
}

static inline bool offered(const struct msr_row *row)
{
	return likely(row->vendor == MSR_ANY && row->need == NEED_NOTHING) || offered_here(row);
}

static int unknown(struct vcpu *v, u32 msr, const u64 *written)
{
	struct board *b = &v->vm->board;

	spin_lock(&b->lock);
	bus_note_unhandled(&b->bus, BUS_MSR, msr);
	spin_unlock(&b->lock);
	if (v->unknown_msr_notes < UNKNOWN_NOTES_MAX) {
		v->unknown_msr_notes++;
		if (written)
			pr_warn("vcpu %u: wrmsr %#x <- %#llx: unknown, #GP", v->id, msr,
				(unsigned long long)*written);
		else
			pr_debug("vcpu %u: rdmsr %#x: unknown, #GP", v->id, msr);
	}
	return -EINVAL;
}

/* The accesses that a busy guest makes; the others search the table. */
static bool is_apic(u32 msr)
{
	return msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST ||
	       msr == MSR_TSC_DEADLINE;
}

int msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	const struct msr_row *row;

	if (is_apic(msr))
		return lapic_msr_read(&v->lapic, msr, value);
	*value = 0;
	row = find_row(msr);
	if (!row)
		return unknown(v, msr, NULL);
	if (row->kind == MSR_KIND_FAULT || !offered(row))
		return -EINVAL;
	if (row->kind == MSR_KIND_CONSTANT || row->kind == MSR_KIND_SINK) {
		*value = row->value;
		return 0;
	}
	return row->read ? row->read(v, msr, value) : -EINVAL;
}

int msr_write(struct vcpu *v, u32 msr, u64 value)
{
	const struct msr_row *row;

	if (is_apic(msr))
		return lapic_msr_write(&v->lapic, msr, value);
	row = find_row(msr);
	if (!row)
		return unknown(v, msr, &value);
	if (row->kind == MSR_KIND_FAULT || row->kind == MSR_KIND_CONSTANT || !offered(row))
		return -EINVAL;
	if (row->kind == MSR_KIND_SINK)
		return 0;
	return row->write ? row->write(v, msr, value) : -EINVAL;
}

#define LEGACY_COUNTERS 4U

int pmc_read(struct vcpu *v, u32 index, u64 *value)
{
	/* APM vol. 3, RDPMC; an Intel processor without a PMU has no counters. */
	if (policy_vendor_is_intel() || index >= LEGACY_COUNTERS ||
	    (vcpu_cpl(v) && !(vcpu_cr4(v) & CR4_PCE)))
		return -EINVAL;
	*value = 0;
	return 0;
}

/* --- life -------------------------------------------------------------------------------------- */

#define ARCH_CAP_SHOWN                                                                      \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SKIP_L1DFL |       \
	 ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO |    \
	 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | \
	 ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO |           \
	 ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR)

void msr_policy_init(int (*read)(u32 msr, u64 *value), int (*write)(u32 msr, u64 value))
{
	u64 value;

	memset(&host, 0, sizeof(host));
	host.read = read;
	host.write = write;
	if (policy_vendor_is_intel()) {
		/* SDM vol. 3 10.11.7.1: CPUID puts the revision where a 0 was written. */
		if (write(MSR_BIOS_SIGN_ID, 0) == 0)
			(void)cpuid(CPUID_IDENT, 0);
		if (has(CPUID_FEATURES, 'd', CPUID_7_EDX_ARCH_CAP) &&
		    read(MSR_ARCH_CAPABILITIES, &value) == 0)
			host.arch_capabilities = value & ARCH_CAP_SHOWN;
	}
	if (read(MSR_BIOS_SIGN_ID, &value) == 0)
		host.microcode = value;
}

int msr_state_create(struct vcpu *v)
{
	v->msr = page_alloc();
	return v->msr ? 0 : -ENOMEM;
}

void msr_state_reset(struct vcpu *v, bool init)
{
	struct msr_state *m = v->msr;

	/* SDM vol. 3 table 10-1: INIT leaves the TSC and all MSRs of this file alone. */
	if (init)
		return;
	memset(m, 0, sizeof(*m));
	mtrr_reset(&m->mtrr);
	m->misc_enable = MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_BTS_UNAVAILABLE |
			 MISC_ENABLE_PEBS_UNAVAILABLE;
	m->hwcr = HWCR_TSC_FREQ_SEL;
	v->tsc_offset -= v->tsc_adjust;
	v->tsc_adjust = 0;
	v->unknown_msr_notes = 0;
	if (!host.write)
		return;
	if (!policy_vendor_is_intel())
		de_cfg_setup();
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == MSR_KIND_PASS && rows[i].read == live_read && offered(&rows[i]))
			(void)live_write(v, rows[i].first, 0);
}

void msr_setup_intercepts(struct vcpu *v)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == MSR_KIND_PASS && offered(&rows[i]))
			for (u32 msr = rows[i].first; msr <= rows[i].last; msr++)
				v->ops->intercept_msr(v, msr, 0);
}
