// SPDX-License-Identifier: MIT
/*
 * The processor's protections for Plinth's own page tables and mode: SDM vol. 3 rev. 083, 4.6
 * (access rights), 2.5 (CR4); machine checks are let through to their handler (SDM vol. 3, 16.7).
 */
#include "cpu.h"
#include "msr.h"
#include "x86.h"

#define LEAF_FEATURES	  1
#define FEATURE_MCE	  BIT(7) /* EDX */
#define LEAF_STRUCTURED	  7
#define STRUCTURED_SMEP	  BIT(7)  /* EBX */
#define STRUCTURED_SMAP	  BIT(20) /* EBX */
#define STRUCTURED_UMIP	  BIT(2)  /* ECX */
#define LEAF_EXT_FEATURES 0x80000001U
#define EXT_FEATURE_NX	  BIT(20) /* EDX */

void cpu_harden(void)
{
	u64 cr4 = read_cr4();

	if (cpuid(0, 0).eax >= LEAF_STRUCTURED) {
		struct cpuid_regs r = cpuid(LEAF_STRUCTURED, 0);

		if (r.ebx & STRUCTURED_SMEP)
			cr4 |= CR4_SMEP;
		if (r.ebx & STRUCTURED_SMAP)
			cr4 |= CR4_SMAP;
		if (r.ecx & STRUCTURED_UMIP)
			cr4 |= CR4_UMIP;
	}
	if (cpuid(LEAF_FEATURES, 0).edx & FEATURE_MCE)
		cr4 |= CR4_MCE;
	write_cr4(cr4);
	if (cpuid(LEAF_EXT_FEATURES, 0).edx & EXT_FEATURE_NX)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(read_cr0() | CR0_WP);
}
