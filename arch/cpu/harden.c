// SPDX-License-Identifier: MIT
/*
 * The processor's protections for Plinth's own page tables and mode: SDM vol. 3 rev. 083, 4.6
 * (access rights), 2.5 (CR4); machine checks are let through to their handler (SDM vol. 3, 16.7).
 */
#include "cpu.h"
#include "cpuid.h"
#include "msr.h"
#include "x86.h"

void cpu_harden(void)
{
	u64 cr4 = read_cr4();

	if (cpuid(CPUID_VENDOR, 0).eax >= CPUID_FEATURES) {
		struct cpuid_regs r = cpuid(CPUID_FEATURES, 0);

		if (r.ebx & CPUID_7_EBX_SMEP)
			cr4 |= CR4_SMEP;
		if (r.ebx & CPUID_7_EBX_SMAP)
			cr4 |= CR4_SMAP;
		if (r.ecx & CPUID_7_ECX_UMIP)
			cr4 |= CR4_UMIP;
	}
	if (cpuid(CPUID_IDENT, 0).edx & CPUID_1_EDX_MCE)
		cr4 |= CR4_MCE;
	write_cr4(cr4);
	if (cpuid(CPUID_EXT_IDENT, 0).edx & CPUID_81_EDX_NX)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(read_cr0() | CR0_WP);
}
