// SPDX-License-Identifier: MIT
/*
 * Measures TSC and local APIC timer against a counter of known speed: the ACPI PM timer (ACPI 6.5,
 * 4.8.3.3), or channel 2 of the 8254 (Intel 231164, mode 0; gate by port 61H).
 */
#include "calibrate.h"
#include "errors.h"
#include "irqflags.h"
#include "lapic.h"
#include "printk.h"

#define PM_TIMER_HZ    3579545U
#define PM_TIMER_24BIT 0xffffffU
#define PM_TIMER_32BIT 0xffffffffU
#define PIT_HZ	       1193182U
#define PIT_MASK       0xffffU
#define WINDOWS_PER_S  200 /* a window is 5 ms; two make a round */
#define ROUNDS_MAX     3
#define TOLERANCE      1000 /* the two windows agree to one part in so many */
#define READS_A_SAMPLE 4
#define DEAD_READS     50000 /* of a counter that stands still */

enum pit {
	PIT_CHANNEL2 = 0x42,
	PIT_COMMAND = 0x43,
	PIT_GATE = 0x61,
	PIT_GATE_ON = 0x01,
	PIT_SPEAKER = 0x02,
	PIT_CHANNEL2_MODE0 = 0xb0, /* low byte, then high byte */
	PIT_CHANNEL2_LATCH = 0x80,
};

struct reference {
	u32 (*read)(const struct reference *);
	const char *name;
	u16 port;
	u32 mask;
	u32 hz;
};

struct sample {
	u64 tsc;
	u32 ref;
	u32 lapic;
};

static u32 pm_timer_read(const struct reference *r)
{
	return inl(r->port);
}

static u32 pit_read(const struct reference *r)
{
	u32 count;

	(void)r;
	outb(PIT_COMMAND, PIT_CHANNEL2_LATCH);
	count = inb(PIT_CHANNEL2);
	count |= (u32)inb(PIT_CHANNEL2) << 8;
	return ~count; /* it counts down */
}

/* The quickest of a few reads: the others were interrupted by something below us. */
static struct sample take_sample(const struct reference *r)
{
	struct sample best = { 0 };
	u64 best_length = UINT64_MAX;

	for (unsigned int i = 0; i < READS_A_SAMPLE; i++) {
		u64 before = rdtsc(), after;
		u32 ref = r->read(r);
		u32 lapic = host_lapic.present ? lapic_read(LAPIC_TIMER_CURRENT) : 0;

		after = rdtsc();
		if (after - before >= best_length)
			continue;
		best_length = after - before;
		best = (struct sample){
			.tsc = before + best_length / 2,
			.ref = ref,
			.lapic = lapic,
		};
	}
	return best;
}

static u32 elapsed(const struct reference *r, const struct sample *a, const struct sample *b)
{
	return (b->ref - a->ref) & r->mask;
}

static int wait_window(const struct reference *r, const struct sample *from, struct sample *to)
{
	u32 last = from->ref, same = 0;

	for (;;) {
		u32 now = r->read(r);

		if (((now - from->ref) & r->mask) >= r->hz / WINDOWS_PER_S)
			break;
		same = now == last ? same + 1 : 0;
		if (same > DEAD_READS)
			return -ENODEV;
		last = now;
	}
	*to = take_sample(r);
	return 0;
}

static struct clock_rates rates_between(const struct reference *r, const struct sample *a,
					const struct sample *b)
{
	u64 ticks = elapsed(r, a, b);

	return (struct clock_rates){
		.tsc_hz = muldiv_u64(b->tsc - a->tsc, r->hz, ticks),
		.lapic_hz = muldiv_u64(a->lapic - b->lapic, r->hz, ticks), /* down */
	};
}

static bool agree(u64 a, u64 b)
{
	return (a > b ? a - b : b - a) <= a / TOLERANCE;
}

static int measure(const struct reference *r, struct clock_rates *rates)
{
	for (unsigned int round = 0; round < ROUNDS_MAX; round++) {
		struct clock_rates first, second;
		struct sample s[3];

		s[0] = take_sample(r);
		if (wait_window(r, &s[0], &s[1]) != 0 || wait_window(r, &s[1], &s[2]) != 0)
			return -ENODEV;
		first = rates_between(r, &s[0], &s[1]);
		second = rates_between(r, &s[1], &s[2]);
		*rates = rates_between(r, &s[0], &s[2]);
		if (agree(first.tsc_hz, second.tsc_hz) && agree(first.lapic_hz, second.lapic_hz))
			return 0;
	}
	pr_warn("clock: measurements against the %s disagree", r->name);
	return 0;
}

int calibrate(u16 pm_timer_port, bool pm_timer_32bit, struct clock_rates *rates)
{
	const struct reference pm = {
		.read = pm_timer_read,
		.name = "PM timer",
		.port = pm_timer_port,
		.mask = pm_timer_32bit ? PM_TIMER_32BIT : PM_TIMER_24BIT,
		.hz = PM_TIMER_HZ,
	};
	const struct reference pit = {
		.read = pit_read,
		.name = "PIT",
		.mask = PIT_MASK,
		.hz = PIT_HZ,
	};
	u64 flags = irq_save();
	int err = -ENODEV;

	if (host_lapic.present) {
		lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
		lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED);
		lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	}
	if (pm_timer_port != 0)
		err = measure(&pm, rates);
	if (err) {
		u8 gate = inb(PIT_GATE);

		outb(PIT_GATE, (u8)((gate & ~(unsigned int)PIT_SPEAKER) | PIT_GATE_ON));
		outb(PIT_COMMAND, PIT_CHANNEL2_MODE0);
		outb(PIT_CHANNEL2, PIT_MASK & 0xff);
		outb(PIT_CHANNEL2, PIT_MASK >> 8);
		err = measure(&pit, rates);
		outb(PIT_GATE, gate);
	}
	if (host_lapic.present)
		lapic_write(LAPIC_TIMER_INITIAL, 0);
	irq_restore(flags);
	return err;
}
