/* SPDX-License-Identifier: MIT */
/*
 * Registers of the real processor's local APIC, for lapic.c and time.c: SDM vol. 3 rev. 083, table
 * 11-1 and 11.12.1.2. An x2APIC register is MSR 0x800 + offset / 16.
 */
#ifndef PLINTH_ARCH_LAPIC_H
#define PLINTH_ARCH_LAPIC_H

#include "msr.h"
#include "x86.h"

enum lapic_reg {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_EOI = 0x0b0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100, /* eight registers, 0x10 apart */
	LAPIC_LVT_CMCI = 0x2f0,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define LAPIC_LVT_MASKED	BIT(16)
#define LAPIC_LVT_NMI		(4U << 8)
#define LAPIC_LVT_TSC_DEADLINE	(2U << 17)
#define LAPIC_TIMER_DIVIDE_BY_1 0xbU

struct lapic {
	bool present;
	bool x2apic;
	volatile u32 *regs; /* xAPIC */
};
extern struct lapic host_lapic;

static inline u32 lapic_read(enum lapic_reg reg)
{
	if (host_lapic.x2apic)
		return (u32)rdmsr(MSR_X2APIC_FIRST + (u32)reg / 16);
	return host_lapic.regs[reg / sizeof(u32)];
}

static inline void lapic_write(enum lapic_reg reg, u32 value)
{
	if (host_lapic.x2apic)
		wrmsr(MSR_X2APIC_FIRST + (u32)reg / 16, value);
	else
		host_lapic.regs[reg / sizeof(u32)] = value;
}

#endif
