// SPDX-License-Identifier: MIT
/*
 * The one clock, from the TSC, and the one-shot host timer: SDM vol. 3 rev. 083, 18.17 (TSC),
 * 11.5.4 (APIC timer), 11.5.4.1 (TSC-deadline mode).
 */
#include "time.h"
#include "calibrate.h"
#include "cpu.h"
#include "cpuid.h"
#include "errors.h"
#include "lapic.h"
#include "printk.h"

/*
 * The clock that CPUID tells is believed where the measured one is this near: one part in so many.
 */
#define CPUID_TOLERANCE 100
#define NS_SHIFT	48
#define COUNT_SHIFT	32

static struct {
	u64 tsc_base;
	u64 ns_mult; /* ns = ticks * ns_mult >> NS_SHIFT */
	u64 tsc_hz;
	u64 count_mult; /* APIC timer counts = ns * count_mult >> COUNT_SHIFT */
	u64 count_max_ns;
	bool tsc_deadline;
	bool timer; /* there is one */
} clock;

u64 time_from_tsc(u64 tsc)
{
	u64 ticks = tsc - clock.tsc_base;

	if ((s64)ticks < 0)
		return 0;
	return (u64)(((u128)ticks * clock.ns_mult) >> NS_SHIFT);
}

u64 time_now(void)
{
	return time_from_tsc(rdtsc());
}

u64 time_to_tsc(u64 ns)
{
	u64 high = ns >> (64 - NS_SHIFT), low = ns << NS_SHIFT, ticks, rest;

	/* A quotient beyond 64 bits is a time beyond the counter. */
	if (high >= clock.ns_mult)
		return UINT64_MAX;
	__asm__("divq %4"
		: "=a"(ticks), "=d"(rest)
		: "a"(low), "d"(high), "r"(clock.ns_mult)
		: "cc");
	if (rest != 0)
		ticks++;
	return ticks > UINT64_MAX - clock.tsc_base ? UINT64_MAX : clock.tsc_base + ticks;
}

u64 time_tsc_hz(void)
{
	return clock.tsc_hz;
}

static void program(u64 deadline)
{
	u64 now, delta;

	if (unlikely(!clock.timer))
		return;
	if (clock.tsc_deadline) {
		/* A value in the past interrupts at once, zero disarms. */
		wrmsr(MSR_TSC_DEADLINE, deadline == TIME_NEVER ? 0 : time_to_tsc(deadline));
		return;
	}
	if (deadline == TIME_NEVER) {
		lapic_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	now = time_now();
	delta = deadline > now ? deadline - now : 0;
	/* What does not fit interrupts early, and timer_interrupt() arms the rest. */
	lapic_write(LAPIC_TIMER_INITIAL,
		    delta > clock.count_max_ns
			    ? UINT32_MAX
			    : (u32)((delta * clock.count_mult) >> COUNT_SHIFT) + 1);
}

void host_timer_arm(u64 deadline)
{
	struct cpu *c = this_cpu();

	c->timer_fired = false;
	if (deadline == c->timer_deadline)
		return;
	c->timer_deadline = deadline;
	program(deadline);
}

static void timer_interrupt(struct trap_frame *frame)
{
	struct cpu *c = this_cpu();

	(void)frame;
	if (c->timer_deadline == TIME_NEVER)
		return;
	if (time_now() < c->timer_deadline) {
		program(c->timer_deadline);
		return;
	}
	c->timer_deadline = TIME_NEVER;
	c->timer_fired = true;
}

/* CPUID leaf 15H: TSC = crystal * EBX / EAX, all three given. */
static u64 tsc_hz_from_cpuid(u64 *crystal)
{
	struct cpuid_regs r;

	if (cpuid(CPUID_VENDOR, 0).eax < CPUID_TSC)
		return 0;
	r = cpuid(CPUID_TSC, 0);
	if (r.eax == 0 || r.ebx == 0 || r.ecx == 0)
		return 0;
	*crystal = r.ecx;
	return (u64)r.ecx * r.ebx / r.eax;
}

static bool near(u64 a, u64 b)
{
	return (a > b ? a - b : b - a) <= a / CPUID_TOLERANCE;
}

static void set_clock(u64 tsc_hz, u64 lapic_hz)
{
	clock.tsc_hz = tsc_hz;
	clock.ns_mult = muldiv_u64(NSEC_PER_SEC, BIT64(NS_SHIFT), tsc_hz);
	if (lapic_hz != 0) {
		clock.count_mult = muldiv_u64(lapic_hz, BIT64(COUNT_SHIFT), NSEC_PER_SEC);
		clock.count_max_ns = muldiv_u64(UINT32_MAX - 1, NSEC_PER_SEC, lapic_hz);
	}
}

void host_timer_init_cpu(void)
{
	if (!host_lapic.present)
		return;
	lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER,
		    HOST_VEC_TIMER | (clock.tsc_deadline ? LAPIC_LVT_TSC_DEADLINE : 0));
	/* An xAPIC store and a WRMSR are not ordered by themselves (11.5.4.1). */
	__asm__ volatile("mfence" : : : "memory");
	lapic_write(LAPIC_TIMER_INITIAL, 0);
}

int time_init(u16 pm_timer_port, bool pm_timer_32bit)
{
	u64 start = rdtsc(), crystal = 0, told = tsc_hz_from_cpuid(&crystal);
	struct clock_rates rates;
	int err;

	err = calibrate(pm_timer_port, pm_timer_32bit, &rates);
	if (err && told == 0)
		return err;
	if (err) {
		rates = (struct clock_rates){ .tsc_hz = told, .lapic_hz = crystal };
	} else if (told != 0 && near(told, rates.tsc_hz)) {
		rates.tsc_hz = told;
		if (near(crystal, rates.lapic_hz))
			rates.lapic_hz = crystal;
	}
	if (rates.tsc_hz < RATE_MIN)
		return -ENODEV;

	clock.tsc_base = start;
	clock.tsc_deadline =
		host_lapic.present && (cpuid(CPUID_IDENT, 0).ecx & CPUID_1_ECX_TSC_DEADLINE);
	clock.timer = host_lapic.present && (clock.tsc_deadline || rates.lapic_hz >= RATE_MIN);
	set_clock(rates.tsc_hz, rates.lapic_hz);
	trap_set_handler(HOST_VEC_TIMER, timer_interrupt);
	host_timer_init_cpu();
	pr_info("clock: TSC %llu.%03llu MHz%s, timer: %s",
		(unsigned long long)(rates.tsc_hz / 1000000),
		(unsigned long long)(rates.tsc_hz / 1000 % 1000),
		rates.tsc_hz == told ? " by CPUID" : "",
		clock.tsc_deadline ? "TSC deadline"
		: clock.timer	   ? "APIC one-shot"
				   : "none");
	return clock.timer ? 0 : -ENODEV;
}
