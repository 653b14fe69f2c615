/* SPDX-License-Identifier: MIT */
/*
 * All clocks of the machine agree within 0.1 % over a second, and no interrupt of theirs is lost or doubled: 8254 (Intel 231164),
 * MC146818A (Motorola ADI1014R1), ACPI PM timer (ACPI 6.4, 4.8.3.3), LAPIC timer and TSC (SDM vol. 3 rev. 083, 11.5.4, 18.17).
 *
 * The PM timer gives the TSC its rate; all others are held against that. A reading lies between two readings of the TSC, so that a
 * measured interval has a least and a greatest length. These must leave room for the right one, and be near to each other: what the
 * machine below did to us in between is tried again.
 */
#include "guest.h"

#define PM_HZ	    3579545ULL
#define PIT_HZ	    1193182ULL
#define RTC_HZ	    16ULL
#define HV_TSC_LEAF 0x40000010U /* Plinth's: EBX is the LAPIC timer's kHz */
#define PPM	    1000000ULL
#define TOLERANCE   1000 /* ppm */
#define SHARP	    400	 /* ppm of the interval between its least and its greatest length */
#define TRIES	    12
#define PIT_WRAP    0x10000ULL
#define PIT_0	    0x40
#define PIT_CTL	    0x43
#define PIT_LATCH_0 0x00
#define PIT_RATE_0  0x34
#define PIT_TICK    59659U /* 20 Hz */
#define BASE	    0x50
#define RTC_VECTOR  (BASE + 8)
#define VEC_TIMER   0x60
#define LVT_EXTINT  0x700
#define PERIODIC    0x20000U
#define DEADLINE    0x40000U
#define PIC_EOI	    0x20
#define RTC_A	    0x0a
#define RTC_B	    0x0b
#define RTC_C	    0x0c
#define RTC_PIE	    0x40
#define RTC_UIE	    0x10
#define RTC_24H	    0x02
#define RTC_16_HZ   0x2c

/* A count, and between which two values of the TSC it was read. */
struct sample {
	u64 before, after, count;
};

static u64 tsc_hz;
static u16 pm_port;
static u64 pm_mask;

static u8 rtc_read(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void rtc_write(u8 reg, u8 value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

static u64 pm_count(void)
{
	return inl(pm_port);
}

static u64 pit_count(void)
{
	u8 low;

	outb(PIT_CTL, PIT_LATCH_0);
	low = inb(PIT_0);
	return low | (u64)inb(PIT_0) << 8;
}

static u64 lapic_count(void)
{
	return lapic_read(LAPIC_TIMER_COUNT);
}

/* The sharpest of some. */
static struct sample take(u64 (*count)(void))
{
	struct sample best = { .before = 0, .after = ~0ULL };

	for (u32 i = 0; i < TRIES; i++) {
		struct sample s;

		s.before = rdtsc();
		s.count = count();
		s.after = rdtsc();
		if (s.after - s.before < best.after - best.before)
			best = s;
	}
	return best;
}

static u64 looked,
	longest; /* when register C was read, and the longest time between two of its readings */

static u8 look(void)
{
	u8 flags = rtc_read(RTC_C);
	u64 now = rdtsc();

	if (now - looked > longest)
		longest = now - looked;
	looked = now;
	return flags;
}

/* Waits for a flag of the RTC to rise: the count is not used. */
static struct sample take_edge(u8 flag)
{
	struct sample s = { 0 };

	do {
		s.before = looked;
	} while (!(look() & flag));
	s.after = looked;
	return s;
}

static bool sharp(const struct sample *a, const struct sample *b)
{
	u64 slack = (a->after - a->before) + (b->after - b->before);

	return slack * PPM <= SHARP * (b->before - a->after);
}

/* Whether the middle of what the interval can be is that of so many clocks, within the tolerance. */
static bool agrees(const struct sample *a, const struct sample *b, u64 clocks, u64 hz)
{
	u64 nominal = clocks * tsc_hz / hz, slack = nominal * TOLERANCE / PPM;
	u64 length = (b->before - a->after) / 2 + (b->after - a->before) / 2;

	if (length + slack >= nominal && length <= nominal + slack)
		return true;
	print("# %lu clocks at %lu Hz took %lu of the TSC rather than %lu\n", clocks, hz, length,
	      nominal);
	return false;
}

static void wait_tsc(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		cpu_pause();
}

/* --- rates -------------------------------------------------------------------------------------- */

/* The TSC's rate by the PM timer, over as much as its 24 bits allow, and by itself in two unequal parts. */
static bool pm_rate(void)
{
	for (u32 i = 0; i < TRIES; i++) {
		struct sample a = take(pm_count), b, c;
		u64 clocks;

		do {
			b = take(pm_count);
		} while (((b.count - a.count) & pm_mask) < PM_HZ / 4);
		do {
			c = take(pm_count);
		} while (((c.count - a.count) & pm_mask) < PM_HZ);
		clocks = (c.count - a.count) & pm_mask;
		tsc_hz = ((c.before + c.after) / 2 - (a.before + a.after) / 2) * PM_HZ / clocks;
		if (sharp(&a, &b) && sharp(&a, &c))
			return agrees(&a, &b, (b.count - a.count) & pm_mask, PM_HZ);
	}
	return false;
}

static u64 elapsed(const struct sample *a, const struct sample *b, u64 hz)
{
	return ((b->before - a->after) / 2 + (b->after - a->before) / 2) * (hz / 1000) /
	       (tsc_hz / 1000);
}

/*
 * A counter that counts down from 0 and wraps at `wrap`. Over a second it may do so often: how often follows from the time, once less
 * than a round was about right.
 */
static bool counter_rate(u64 (*count)(void), u64 wrap, u64 hz)
{
	for (u32 n = 0; n < TRIES; n++) {
		struct sample a = take(count), b, c;
		u64 clocks, expected;

		wait_tsc(tsc_hz / 64);
		b = take(count);
		wait_tsc(tsc_hz);
		c = take(count);
		if (!sharp(&a, &c))
			continue;
		clocks = (a.count - b.count + wrap) % wrap;
		expected = elapsed(&a, &b, hz);
		if (clocks < expected - expected / 16 || clocks > expected + expected / 16) {
			print("# %lu clocks, %lu expected\n", clocks, expected);
			return false;
		}
		clocks = (a.count - c.count + wrap) % wrap;
		expected = elapsed(&a, &c, hz) + wrap / 2;
		if (expected > clocks)
			clocks += (expected - clocks) / wrap * wrap;
		return agrees(&a, &c, clocks, hz);
	}
	return false;
}

/* So many periods, each of them seen: what keeps us from looking for half of one spoils the try. */
static bool rtc_rate(u8 enable, u8 rate, u64 hz, u64 periods)
{
	rtc_write(RTC_A, rate);
	rtc_write(RTC_B, RTC_24H | enable);
	for (u32 n = 0; n < TRIES; n++) {
		struct sample a, b;

		(void)look();
		a = b = take_edge(enable);
		longest = 0;
		for (u64 i = 0; i < periods; i++)
			b = take_edge(enable);
		if (longest < tsc_hz / hz / 2 && sharp(&a, &b))
			return agrees(&a, &b, periods, hz);
	}
	return false;
}

static u64 lapic_hz(void)
{
	struct sample a = take(lapic_count), b;

	wait_tsc(tsc_hz / 4);
	b = take(lapic_count);
	return (a.count - b.count) * tsc_hz / ((b.before + b.after) / 2 - (a.before + a.after) / 2);
}

static void rates(void)
{
	u64 hz;

	ok(pm_rate(), "rate: the PM timer and the TSC");
	print("# TSC %lu kHz\n", tsc_hz / 1000);
	outb(PIT_CTL, PIT_RATE_0);
	outb(PIT_0, 0);
	outb(PIT_0, 0);
	ok(counter_rate(pit_count, PIT_WRAP, PIT_HZ), "rate: the PIT");

	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | PERIODIC | VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	hz = lapic_hz();
	print("# LAPIC timer %lu kHz\n", hz / 1000);
	ok(counter_rate(lapic_count, 0xffffffff, hz), "rate: the LAPIC timer keeps its own");
	/* Bare it is the emulator's choice. */
	inside_only(under_plinth && counter_rate(lapic_count, 0xffffffff,
						 cpuid(HV_TSC_LEAF, 0).ebx * 1000ULL),
		    "rate: the LAPIC timer's is that of CPUID leaf 40000010H");
	lapic_write(LAPIC_TIMER_INIT, 0);

	ok(rtc_rate(RTC_PIE, RTC_16_HZ, RTC_HZ, RTC_HZ), "rate: the RTC's periodic interrupt");
	ok(rtc_rate(RTC_UIE, RTC_16_HZ, 1, 1), "rate: the RTC's update-ended interrupt");
	rtc_write(RTC_B, RTC_24H);
	(void)rtc_read(RTC_C);
}

/* --- interrupts --------------------------------------------------------------------------------- */

static volatile u32 ticks;
static volatile u64 first, last, shortest;

static void note(void)
{
	u64 now = rdtsc();

	if (ticks++ == 0)
		first = now;
	else if (now - last < shortest)
		shortest = now - last;
	last = now;
}

static void pit_tick(struct regs *r)
{
	(void)r;
	note();
	outb(0x20, PIC_EOI);
}

static void rtc_tick(struct regs *r)
{
	(void)r;
	note();
	(void)rtc_read(RTC_C);
	outb(0xa0, PIC_EOI);
	outb(0x20, PIC_EOI);
}

static void lapic_tick(struct regs *r)
{
	(void)r;
	note();
	lapic_write(LAPIC_EOI, 0);
}

struct source {
	const char *name;
	void (*start)(void), (*stop)(void), (*mask)(bool masked);
	u64 (*period)(void); /* of the TSC */
	bool late;	     /* what came while masked is taken when it ends */
};

static void pit_start(void)
{
	outb(PIT_CTL, PIT_RATE_0);
	outb(PIT_0, PIT_TICK & 0xff);
	outb(PIT_0, PIT_TICK >> 8);
	outb(0x21, 0xfe);
}

static void pit_stop(void)
{
	outb(0x21, 0xff);
}

static void pit_mask(bool masked)
{
	outb(0x21, masked ? 0xff : 0xfe);
}

static u64 pit_period(void)
{
	return PIT_TICK * tsc_hz / PIT_HZ;
}

static void rtc_start(void)
{
	rtc_write(RTC_A, RTC_16_HZ);
	(void)rtc_read(RTC_C);
	rtc_write(RTC_B, RTC_24H | RTC_PIE);
	outb(0x21, 0xfb);
	outb(0xa1, 0xfe);
}

static void rtc_stop(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	rtc_write(RTC_B, RTC_24H);
	(void)rtc_read(RTC_C);
}

static void rtc_mask(bool masked)
{
	outb(0xa1, masked ? 0xff : 0xfe);
}

static u64 rtc_period(void)
{
	return tsc_hz / RTC_HZ;
}

static u32 lapic_init_count;

static void lapic_start(void)
{
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_LVT_TIMER, PERIODIC | VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, lapic_init_count);
}

static void lapic_stop(void)
{
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
	irq_window();
}

static void lapic_mask(bool masked)
{
	lapic_write(LAPIC_LVT_TIMER, (masked ? LAPIC_VECTOR_MASKED : 0) | PERIODIC | VEC_TIMER);
}

static u64 lapic_period(void)
{
	return tsc_hz / 20;
}

enum how {
	BUSY,	/* computing with interrupts on */
	EXITS,	/* doing what leaves the guest */
	HALTED, /* in HLT */
	MASKED, /* looking away for some periods */
	HOWS,
};

static const char *const how_names[] = { "busy", "leaving the guest", "halted",
					 "masked for some periods" };

#define PERIODS	       8
#define MASKED_PERIODS 3

/*
 * From one interrupt to the one that is PERIODS later: as many are counted as the time has periods, and no two are nearer than half a
 * period, but for one that waited behind the mask.
 */
static bool ticks_right(const struct source *s, enum how how)
{
	u64 period = s->period(), n;
	u32 expected = PERIODS;
	bool masked = false;

	ticks = 0;
	shortest = ~0ULL;
	s->start();
	while (ticks < PERIODS + 1) {
		if (how == MASKED && ticks == 2 && !masked) {
			u32 before = ticks;

			s->mask(true);
			/* With IF set: with it clear Bochs does not let Plinth run, which then makes up for it. */
			irq_enable();
			wait_tsc(MASKED_PERIODS * period);
			irq_disable();
			masked = ticks == before;
			s->mask(false);
			if (!masked)
				break;
		}
		irq_enable();
		switch (how) {
		case HALTED:
			__asm__ volatile("hlt");
			break;
		case EXITS:
			(void)cpuid(0, 0);
			(void)inb(0x61);
			break;
		default:
			for (u32 i = 0; i < 100; i++)
				cpu_pause();
			break;
		}
		irq_disable();
	}
	s->stop();
	if (how == MASKED && !masked) {
		print("# an interrupt came through the mask\n");
		return false;
	}
	n = (last - first + period / 2) / period;
	/* Of those behind the mask the 8259A keeps one, which is late; the LAPIC keeps none. */
	if (how == MASKED)
		expected += MASKED_PERIODS - (s->late ? 1U : 0U);
	if (n == expected && (shortest > period / 2 || (how == MASKED && s->late)))
		return true;
	print("# %lu periods, %u expected; the shortest was %lu of %lu\n", n, expected, shortest,
	      period);
	return false;
}

/* What the machine below did to one run is no fault of the timer's. */
static bool eventually(const struct source *s, enum how how)
{
	for (u32 i = 0; i < 3; i++)
		if (ticks_right(s, how))
			return true;
	return false;
}

static void interrupts(void)
{
	static const struct source sources[] = {
		{ "the PIT", pit_start, pit_stop, pit_mask, pit_period, true },
		{ "the RTC", rtc_start, rtc_stop, rtc_mask, rtc_period, true },
		{ "the LAPIC timer", lapic_start, lapic_stop, lapic_mask, lapic_period, false },
	};

	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	lapic_init_count = (u32)(lapic_hz() / 20);
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	pic_setup(BASE);
	on_vector(BASE, pit_tick);
	on_vector(RTC_VECTOR, rtc_tick);
	on_vector(VEC_TIMER, lapic_tick);
	for (u32 i = 0; i < ARRAY_SIZE(sources); i++)
		for (u32 how = 0; how < HOWS; how++)
			ok(eventually(&sources[i], (enum how)how), "%s: one interrupt a period, %s",
			   sources[i].name, how_names[how]);
}

/* --- TSC ---------------------------------------------------------------------------------------- */

#define ROUNDS 20000

static void monotonic(void)
{
	u64 then = rdtsc(), now;
	u32 back = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		if (i % 4 == 0)
			(void)cpuid(0, 0);
		else if (i % 4 == 1)
			(void)inb(0x61);
		now = rdtsc();
		back += now < then;
		then = now;
		now = rdmsr(MSR_TSC);
		back += now < then;
		then = now;
	}
	is(back, 0, "TSC: never goes back");
}

#define MOVE (1ULL << 40)

/* A moved TSC keeps its rate, and moves no timer. */
static void adjusted(void)
{
	u64 adjust, period;
	struct sample a, b;

	if (!(cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & BIT(1)))) {
		skip("TSC_ADJUST", "not offered");
		return;
	}
	adjust = rdmsr(MSR_TSC_ADJUST);
	a = take(pm_count);
	wrmsr(MSR_TSC_ADJUST, adjust + MOVE);
	wait_tsc(tsc_hz / 4);
	b = take(pm_count);
	b.before -= MOVE;
	b.after -= MOVE;
	ok(agrees(&a, &b, (b.count - a.count) & pm_mask, PM_HZ),
	   "TSC_ADJUST: the TSC moves by as much");
	period = lapic_init_count;
	wrmsr(MSR_TSC_ADJUST, adjust);
	on_vector(VEC_TIMER, lapic_tick);
	ticks = 0;
	a.before = rdtsc();
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, (u32)period);
	wrmsr(MSR_TSC_ADJUST, adjust + MOVE);
	ok(WAIT_FOR(ticks), "TSC_ADJUST: the LAPIC timer still fires");
	wrmsr(MSR_TSC_ADJUST, adjust);
	ok(last - MOVE - a.before >= lapic_period() - lapic_period() / 100,
	   "TSC_ADJUST: and not before its time");
}

static void deadlines(void)
{
	u32 early = 0, missing = 0, twice = 0;

	if (!(cpuid(1, 0).ecx & BIT(24))) {
		skip("TSC deadline", "not offered");
		return;
	}
	lapic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	on_vector(VEC_TIMER, lapic_tick);
	for (u32 i = 1; i <= 10; i++) {
		u64 deadline = rdtsc() + tsc_hz / 1000 * i;

		ticks = 0;
		wrmsr(MSR_TSC_DEADLINE, deadline);
		missing += !WAIT_FOR(ticks);
		early += last < deadline;
		wait_tsc(tsc_hz / 1000);
		irq_window();
		twice += ticks > 1;
	}
	is(missing, 0, "TSC deadline: each fires");
	is(early, 0, "TSC deadline: none before its time");
	is(twice, 0, "TSC deadline: none fires twice");
	ticks = 0;
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + tsc_hz / 100);
	wrmsr(MSR_TSC_DEADLINE, 0);
	wait_tsc(tsc_hz / 50);
	irq_window();
	is(ticks, 0, "TSC deadline: 0 disarms");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
	irq_window();
	is(ticks, 1, "TSC deadline: in the past it fires at once");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + tsc_hz / 100);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + tsc_hz / 20);
	ticks = 0;
	wait_tsc(tsc_hz / 40);
	irq_window();
	is(ticks, 0, "TSC deadline: a later one replaces it");
	ok(WAIT_FOR(ticks), "TSC deadline: and fires in its turn");
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
}

void guest_main(void)
{
	lapic_enable();
	/* 24 bits suffice everywhere. */
	pm_port = (u16)(pm_base() + 8);
	pm_mask = 0xffffff;
	rates();
	interrupts();
	monotonic();
	adjusted();
	deadlines();
}
