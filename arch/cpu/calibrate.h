/* SPDX-License-Identifier: MIT */
/*
 * Measures the processor's clocks (arch/cpu/calibrate.c).
 */
#ifndef PLINTH_ARCH_CALIBRATE_H
#define PLINTH_ARCH_CALIBRATE_H

#include "types.h"

struct clock_rates {
	u64 tsc_hz;
	u64 lapic_hz; /* 0 without a local APIC */
};

#define RATE_MIN 100000U /* nothing that counts slower is believed */

/* About 10 ms, with interrupts off. 0, or -ENODEV when neither PM timer nor PIT counts. */
int calibrate(u16 pm_timer_port, bool pm_timer_32bit, struct clock_rates *rates);

#endif
