/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's timer: SDM vol. 3 11.5.4. The counter is never run: it is the count at one
 * moment (timer_start), from which the present count and the next deadline follow. A period starts
 * where the one before ended, however late that was noticed.
 */
#include "dev/lapic.h"

#define DIVIDE_LOW  0x3U /* bits 1:0 and 3 of the divide configuration make the exponent */
#define DIVIDE_HIGH 0x8U
#define DIVIDE_WRAP 0x7U

/*
 * A periodic timer below this is not served at each expiry: they would merge in the IRR anyway and
 * the guest could do nothing else but exit.
 */
#define SHORT_PERIOD_NS 10000U

_Static_assert(LAPIC_TIMER_HZ == 1000000000ULL, "one tick before scale and divider is one ns");

/* One count in ns, as a power of two. */
static unsigned int shift(const struct lapic *l)
{
	u32 code = (l->timer_div & DIVIDE_LOW) | (l->timer_div & DIVIDE_HIGH) >> 1;

	/* 0 = divide by 2 ... 6 = by 128, 7 = by 1 */
	return l->timer_scale + ((code + 1) & DIVIDE_WRAP);
}

static enum lapic_timer_mode mode(const struct lapic *l)
{
	return (enum lapic_timer_mode)((l->lvt[LVT_TIMER] & LVT_TIMER_MODE) >> LVT_TIMER_SHIFT);
}

static u64 now(const struct lapic *l)
{
	return l->queue->now();
}

/* Brings the counter up to t: an expiry that the timer queue has not served yet is served. */
static void settle(struct lapic *l, u64 t)
{
	u64 elapsed, left, period;

	if (!l->timer_count || t < l->timer_start)
		return;
	elapsed = t - l->timer_start;
	left = (u64)l->timer_count << shift(l);
	if (elapsed < left)
		return;
	if (mode(l) == LAPIC_TIMER_PERIODIC) {
		period = (u64)l->timer_init << shift(l);
		elapsed -= left;
		if (elapsed >= period)
			elapsed %= period;
		l->timer_start = t - elapsed;
		l->timer_count = l->timer_init;
	} else {
		l->timer_count = 0;
	}
	lapic_local_interrupt(l, LVT_TIMER);
}

static void settle_deadline(struct lapic *l)
{
	if (!l->tsc_deadline || l->ops->guest_tsc(l->ctx) < l->tsc_deadline)
		return;
	l->tsc_deadline = 0;
	lapic_local_interrupt(l, LVT_TIMER);
}

static void arm_deadline(struct lapic *l)
{
	if (l->tsc_deadline)
		timer_arm(l->queue, &l->timer, l->ops->tsc_to_ns(l->ctx, l->tsc_deadline));
	else
		timer_cancel(l->queue, &l->timer);
}

/* After settle(): arms for the next expiry that anybody would notice. */
static void arm_count(struct lapic *l, u64 t)
{
	u64 deadline, period;

	if (!l->timer_count || (l->lvt[LVT_TIMER] & LVT_MASKED)) {
		timer_cancel(l->queue, &l->timer);
		return;
	}
	deadline = l->timer_start + ((u64)l->timer_count << shift(l));
	period = (u64)l->timer_init << shift(l);
	if (mode(l) == LAPIC_TIMER_PERIODIC && period < SHORT_PERIOD_NS &&
	    deadline < t + SHORT_PERIOD_NS)
		deadline += (t + SHORT_PERIOD_NS - deadline) / period * period;
	timer_arm(l->queue, &l->timer, deadline);
}

static void fire(void *arg, u64 t)
{
	struct lapic *l = arg;

	if (mode(l) == LAPIC_TIMER_TSC_DEADLINE) {
		settle_deadline(l);
		arm_deadline(l);
	} else {
		settle(l, t);
		arm_count(l, t);
	}
}

void lapic_timer_create(struct lapic *l)
{
	l->timer.fire = fire;
	l->timer.arg = l;
}

void lapic_timer_reset(struct lapic *l)
{
	timer_cancel(l->queue, &l->timer);
	l->timer_init = 0;
	l->timer_count = 0;
	l->timer_div = 0;
	l->tsc_deadline = 0;
}

/* One-shot and periodic share the running counter; to and from TSC-deadline mode disarms. */
void lapic_timer_write_lvt(struct lapic *l, u32 value)
{
	u64 t = now(l);
	bool was_deadline = mode(l) == LAPIC_TIMER_TSC_DEADLINE, is_deadline;

	if (was_deadline)
		settle_deadline(l);
	else
		settle(l, t);
	l->lvt[LVT_TIMER] = value;
	is_deadline = mode(l) == LAPIC_TIMER_TSC_DEADLINE;
	if (was_deadline != is_deadline) {
		l->tsc_deadline = 0;
		l->timer_count = 0;
	}
	if (is_deadline)
		arm_deadline(l);
	else
		arm_count(l, t);
}

void lapic_timer_write_init(struct lapic *l, u32 value)
{
	u64 t;

	if (mode(l) == LAPIC_TIMER_TSC_DEADLINE)
		return; /* "writes to the initial-count register are ignored" */
	t = now(l);
	settle(l, t);
	l->timer_init = value;
	l->timer_count = value;
	l->timer_start = t;
	arm_count(l, t);
}

void lapic_timer_write_divide(struct lapic *l, u32 value)
{
	u64 t = now(l);

	if (mode(l) == LAPIC_TIMER_TSC_DEADLINE) {
		l->timer_div = value;
		return;
	}
	/* The count so far was at the old rate. */
	settle(l, t);
	if (l->timer_count && t > l->timer_start) {
		l->timer_count -= (u32)((t - l->timer_start) >> shift(l));
		l->timer_start = t;
	}
	l->timer_div = value;
	arm_count(l, t);
}

u32 lapic_timer_read_current(struct lapic *l)
{
	u64 t;

	if (mode(l) == LAPIC_TIMER_TSC_DEADLINE)
		return 0;
	t = now(l);
	settle(l, t);
	if (!l->timer_count || t < l->timer_start)
		return l->timer_count;
	return l->timer_count - (u32)((t - l->timer_start) >> shift(l));
}

u64 lapic_timer_read_deadline(struct lapic *l)
{
	settle_deadline(l);
	return l->tsc_deadline;
}

void lapic_timer_write_deadline(struct lapic *l, u64 value)
{
	if (mode(l) != LAPIC_TIMER_TSC_DEADLINE)
		return; /* "in other timer modes ... writes are ignored" */
	settle_deadline(l);
	l->tsc_deadline = value;
	settle_deadline(l);
	arm_deadline(l);
}

void lapic_tsc_changed(struct lapic *l)
{
	if (!l->tsc_deadline)
		return;
	settle_deadline(l);
	arm_deadline(l);
}
