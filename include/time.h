/* SPDX-License-Identifier: MIT */
/*
 * The one clock (arch/cpu/time.c): nanoseconds since Plinth started, computed from the TSC, and one
 * one-shot host timer a CPU. Also the battery clock.
 */
#ifndef PLINTH_TIME_H
#define PLINTH_TIME_H

#include "types.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
#define TIME_NEVER   UINT64_MAX

/*
 * Calibrates the TSC and the LAPIC timer against the PM timer (pm_timer_port, 0 if none) or else
 * PIT channel 2, on the boot CPU. CPUID leaf 15H is believed where it is complete and within 1 % of
 * what was measured. Returns 0, or -ENODEV when nothing counts or there is no timer. After
 * host_lapic_init().
 */
int time_init(u16 pm_timer_port, bool pm_timer_32bit);

/* ns since time_init(), monotonic. About ten instructions. */
u64 time_now(void);

/*
 * ns since time_init() of a host TSC value, rounded down, and the first host TSC value at or after
 * a time in ns.
 */
u64 time_from_tsc(u64 tsc);
u64 time_to_tsc(u64 ns);
u64 time_tsc_hz(void);

/*
 * Arms this CPU's timer to interrupt at or after deadline (ns; TIME_NEVER = off). A deadline in the
 * past interrupts at once. The handler sets this_cpu()->timer_fired. The call is cheap when the
 * deadline is unchanged.
 */
void host_timer_arm(u64 deadline);
/* Sets up the timer of a further CPU, after its host_lapic_init(). */
void host_timer_init_cpu(void);

/*
 * Seconds-and-fraction wall-clock time, in ns since 1970-01-01 UTC, that follows the real CMOS
 * clock: read at start, re-read here and stepped when the second no longer agrees. Takes port
 * accesses; not for the exit path's common cases.
 */
u64 wallclock_ns(void);
/* Before the first wallclock_ns(): CMOS index of the century (FADT), 0 = none. */
void wallclock_init(u8 century);

#endif
