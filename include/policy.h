/* SPDX-License-Identifier: MIT */
/*
 * What the guest's processor is: CPUID leaves (arch/vcpu/cpuid.c), MSRs (arch/vcpu/msr.c), control registers (arch/vcpu/cr.c). One table
 * each; a row has a reason.
 */
#ifndef PLINTH_POLICY_H
#define PLINTH_POLICY_H

#include "vcpu.h"

/*
 * Signature leaf 0x40000000: "PlinthPlinth". 0x40000001 is zero: no paravirtual interface is offered. 0x40000010: EAX = TSC,
 * EBX = LAPIC timer, in kHz.
 */
#define CPUID_HV_BASE	 0x40000000U
#define CPUID_HV_TIMING	 0x40000010U
#define CPUID_HV_MAX	 CPUID_HV_TIMING
#define CPUID_HV_SIG_EBX 0x6e696c50U /* "Plin" */
#define CPUID_HV_SIG_ECX 0x6c506874U /* "thPl" */
#define CPUID_HV_SIG_EDX 0x68746e69U /* "inth" */

/*
 * Built once at start from the host's leaves: the static part of each leaf after policy. host is a function so that tests can
 * feed recorded processors. XSAVE and all that hangs on it (AVX...) are offered only if the host has set its CR4.OSXSAVE before:
 * XCR0 belongs to the guest and is written with XSETBV from here. Read-only afterwards.
 */
void cpuid_policy_init(struct cpuid_regs (*host)(u32 leaf, u32 subleaf), u64 tsc_hz);

/* The guest-visible leaf, dynamic bits (OSXSAVE, APIC id, XSAVE size, x2APIC...) included. Short for the common case. */
struct cpuid_regs cpuid_policy(struct vcpu *v, u32 leaf, u32 subleaf);

/* Feature questions to the built policy, by leaf, register ('a'..'d') and bit. */
bool cpuid_policy_has(u32 leaf, u32 subleaf, char reg, unsigned int bit);

/* A fact of CPUID leaf 0 that decides which MSRs exist; false: AMD and its kin. */
bool policy_vendor_is_intel(void);

/* Derived masks. */
u64 policy_cr4_allowed(void); /* CR4 bits the guest may set */
u64 policy_efer_allowed(void);
u64 policy_xcr0_allowed(void);
unsigned int policy_maxphyaddr(void);
unsigned int policy_lapic_timer_scale(void); /* lapic.timer_scale */
bool policy_has_long_mode_la57(void);

/* CR4 bits that this processor would accept but the policy hides: when 0 the backend need not intercept CR4 writes. */
u64 policy_cr4_hidden(void);

/*
 * The host's MSRs, as rdmsr_safe() and wrmsr_safe() reach them: what is shown of them (microcode revision, ARCH_CAPABILITIES)
 * is read once, here. After cpuid_policy_init().
 */
void msr_policy_init(int (*read)(u32 msr, u64 *value), int (*write)(u32 msr, u64 value));

/* MSRs. 0, or -EINVAL: the access takes #GP(0). */
int msr_read(struct vcpu *v, u32 msr, u64 *value);
int msr_write(struct vcpu *v, u32 msr, u64 value);
/* A performance counter, as RDPMC reads it. 0, or -EINVAL: #GP(0). */
int pmc_read(struct vcpu *v, u32 index, u64 *value);
int msr_state_create(struct vcpu *v); /* 0 or -ENOMEM */
/*
 * Power-up (or INIT: nothing changes) state of the emulated MSRs and of the passed-through ones that are in no register group (SPEC_CTRL,
 * TSC_AUX). TSC_ADJUST becomes 0 and tsc_offset what it would be without. On v's CPU.
 */
void msr_state_reset(struct vcpu *v, bool init);
/* Programs the backend's bitmap: which MSRs go to the processor directly. */
void msr_setup_intercepts(struct vcpu *v);

/* Control registers: the write as MOV CRn would do it. 0 or -EINVAL: #GP(0). Side effects (LMA, TLB) included. */
int cr0_write(struct vcpu *v, u64 value);
int cr3_write(struct vcpu *v, u64 value);
int cr4_write(struct vcpu *v, u64 value);
int efer_write(struct vcpu *v, u64 value);
int xcr0_write(struct vcpu *v, u32 index, u64 value);
void xcr0_reset(void); /* power-up value 1; on the vCPU's CPU. INIT leaves XCR0 alone */

/*
 * The four PDPTEs that a load of cr3 in PAE mode takes. 0, or -EINVAL: a reserved bit is set or no memory is there, which
 * is #GP(0) (SDM vol. 3 4.4.1).
 */
int pae_pdptes_read(struct vcpu *v, u64 cr3, u64 pdpte[4]);

/* XCR0 is live in the processor: these two execute XGETBV and XSETBV. Weak, so that a host test has its own. */
u64 host_xcr0_read(void);
void host_xcr0_write(u64 value);

#endif
