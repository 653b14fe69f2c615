/* SPDX-License-Identifier: MIT */
/*
 * Where timers change their mind, or nobody listens: LAPIC timer and TSC deadline in xAPIC and x2APIC mode (SDM vol. 3 rev. 083,
 * 11.5.4, 11.12), 8254 (Intel 231164), MC146818A (Motorola ADI1014R1). Times are those of the TSC, which the PM timer gives its rate.
 */
#include "guest.h"

#define PM_HZ	       3579545ULL
#define PIT_HZ	       1193182ULL
#define TOLERANCE      20 /* an interrupt comes within one part in so many of a period */
#define VEC_TIMER      0x60
#define VEC_OTHER      0x68
#define BASE	       0x50
#define RTC_VECTOR     (BASE + 8)
#define PERIODIC       0x20000U
#define DEADLINE       0x40000U
#define LVT_EXTINT     0x700
#define DIVIDE_BY_1    0xb
#define X2_MSR(reg)    (0x800U + ((reg) >> 4))
#define PIC_EOI	       0x20
#define PIT_0	       0x40
#define PIT_CTL	       0x43
#define PIT_MODE_0     0x30
#define PIT_MODE_2     0x34
#define PIT_MODE_3     0x36
#define PIT_10MS       11932
#define PIT_ODD	       2387 /* 2 ms */
#define RTC_ALARM      1
#define RTC_SECOND     0
#define RTC_A	       0x0a
#define RTC_B	       0x0b
#define RTC_C	       0x0c
#define RTC_SET	       0x80
#define RTC_PIE	       0x40
#define RTC_AIE	       0x20
#define RTC_UIE	       0x10
#define RTC_24H	       0x02
#define RTC_UIP	       0x80
#define RTC_UIP_US     244
#define RTC_RUN	       0x20
#define RTC_RESET      0x70
#define RTC_RATE(log2) (16U - (log2)) /* of 2^log2 Hz */

static u64 tsc_hz, lapic_hz;
static bool x2;

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

static u32 apic_read(u32 reg)
{
	return x2 ? (u32)rdmsr(X2_MSR(reg)) : lapic_read(reg);
}

static void apic_write(u32 reg, u32 value)
{
	if (x2)
		wrmsr(X2_MSR(reg), value);
	else
		lapic_write(reg, value);
}

static void wait_tsc(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		cpu_pause();
}

/* --- interrupts seen ------------------------------------------------------------------------------ */

#define SEEN 16

static volatile u64 seen[SEEN], last; /* the first ones, and the one before now */
static volatile u32 ticks;
static volatile u8 causes;

static void note(void)
{
	last = rdtsc();
	if (ticks < SEEN)
		seen[ticks] = last;
	ticks++;
}

static void lapic_tick(struct regs *r)
{
	(void)r;
	note();
	apic_write(LAPIC_EOI, 0);
}

static void pit_tick(struct regs *r)
{
	(void)r;
	note();
	outb(0x20, PIC_EOI);
}

/* A square wave that falls before it was acknowledged makes a spurious IRQ7, which wants no EOI. */
static void spurious(struct regs *r)
{
	(void)r;
}

static bool read_cause = true;

static void rtc_tick(struct regs *r)
{
	(void)r;
	note();
	if (read_cause)
		causes = rtc_read(RTC_C);
	outb(0xa0, PIC_EOI);
	outb(0x20, PIC_EOI);
}

static bool wait_ticks(u32 n)
{
	return WAIT_FOR(ticks >= n);
}

static bool near(u64 at, u64 expected, u64 period)
{
	u64 off = at > expected ? at - expected : expected - at;

	if (off <= period / TOLERANCE)
		return true;
	print("# %lu off at %lu a period\n", off, period);
	return false;
}

/* What the machine below does to one run is no fault of the timer's. */
#define TRIES 10
#define EVENTUALLY(condition)                                \
	({                                                   \
		bool good_ = false;                          \
		for (u32 n_ = 0; n_ < TRIES && !good_; n_++) \
			good_ = (condition);                 \
		good_;                                       \
	})

#define MANY 100

/* What each period adds to the one before it adds up. */
static bool adds_up(u64 period)
{
	return wait_ticks(MANY + 1) && near(last, seen[0] + (ticks - 1) * period, period);
}

#define UNHEARD 3

/*
 * Nobody listens for three periods and a half: one interrupt waits, and the next ones come in their old phase. With exits the machine
 * below runs meanwhile; without any it must interrupt the guest to do its part. From an entry with IF clear on Bochs holds these
 * interrupts back, too, until IF changes: CLI in the shadow of STI changes it, and leaves no window.
 */
static bool unheard(u64 start, u64 period, bool exits)
{
	while (rdtsc() - start < UNHEARD * period + period / 2)
		if (exits)
			(void)cpuid(0, 0);
		else if (on_bochs)
			__asm__ volatile("sti\n\tcli");
	irq_window();
	irq_window();
	if (ticks != 1) {
		print("# %u waited\n", ticks);
		return false;
	}
	if (!wait_ticks(3))
		return false;
	return near(seen[1], start + (UNHEARD + 1) * period, period) &&
	       near(seen[2], start + (UNHEARD + 2) * period, period);
}

/* --- LAPIC timer ------------------------------------------------------------------------------------ */

#define MS	     (tsc_hz / 1000)
#define COUNT_MS(ms) ((u32)(lapic_hz / 1000 * (ms)))

static void set_timer(u32 lvt, u32 count)
{
	on_vector(VEC_TIMER, lapic_tick);
	on_vector(VEC_OTHER, lapic_tick);
	ticks = 0;
	apic_write(LAPIC_LVT_TIMER, lvt);
	apic_write(LAPIC_TIMER_INIT, count);
}

static void stop_timer(void)
{
	apic_write(LAPIC_TIMER_INIT, 0);
	apic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
	irq_window();
}

static bool lapic_unheard(bool exits)
{
	u64 start;
	bool good;

	set_timer(PERIODIC | VEC_TIMER, COUNT_MS(10));
	start = rdtsc();
	good = unheard(start, 10 * MS, exits);
	stop_timer();
	return good;
}

static bool divided_by(u32 log2)
{
	u32 code = (log2 + 7) & 7; /* 7 divides by 1, 0 by 2 ... 6 by 128 */
	u64 a, b, clocks, expected;

	apic_write(LAPIC_TIMER_DIVIDE, (code & 3) | (code & 4) << 1);
	apic_write(LAPIC_TIMER_INIT, 0xffffffff);
	clocks = apic_read(LAPIC_TIMER_COUNT);
	a = rdtsc();
	wait_tsc(8 * MS);
	clocks -= apic_read(LAPIC_TIMER_COUNT);
	b = rdtsc();
	expected = ((b - a) * (lapic_hz / 1000) / MS) >> log2;
	if (clocks >= expected - expected / 50 - 1 && clocks <= expected + expected / 50 + 1)
		return true;
	print("# divided by %u: %lu clocks, %lu expected\n", 1U << log2, clocks, expected);
	return false;
}

static bool lapic_adds_up(void)
{
	bool good;

	set_timer(PERIODIC | VEC_TIMER, COUNT_MS(2));
	good = adds_up(COUNT_MS(2) * tsc_hz / lapic_hz);
	stop_timer();
	return good;
}

/* The count's rate by each of the eight divisors. */
static bool divided(void)
{
	bool good = true;

	for (u32 log2 = 0; log2 < 8; log2++)
		good &= EVENTUALLY(divided_by(log2));
	apic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(LAPIC_TIMER_INIT, 0);
	return good;
}

/* A new divisor in mid-count: what is left takes so many times longer. */
static bool divided_underway(void)
{
	u64 start;
	bool good;

	set_timer(VEC_TIMER, COUNT_MS(20));
	start = rdtsc();
	wait_tsc(10 * MS);
	apic_write(LAPIC_TIMER_DIVIDE, 0); /* by 2 */
	good = wait_ticks(1) && near(seen[0], start + 30 * MS, 20 * MS);
	apic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	stop_timer();
	return good;
}

static bool restarted(void)
{
	u64 start;
	bool good;

	set_timer(VEC_TIMER, COUNT_MS(10));
	wait_tsc(5 * MS);
	apic_write(LAPIC_TIMER_INIT, COUNT_MS(10));
	start = rdtsc();
	good = wait_ticks(1) && near(seen[0], start + 10 * MS, 10 * MS);
	stop_timer();
	return good;
}

/* One-shot and periodic share the count; only to and from the deadline's mode it is stopped (11.5.4.1). */
static bool to_periodic(void)
{
	u64 start;
	bool good;

	set_timer(VEC_TIMER, COUNT_MS(10));
	start = rdtsc();
	wait_tsc(5 * MS);
	apic_write(LAPIC_LVT_TIMER, PERIODIC | VEC_TIMER);
	good = wait_ticks(2) && near(seen[0], start + 10 * MS, 10 * MS) &&
	       near(seen[1], start + 20 * MS, 10 * MS);
	stop_timer();
	return good;
}

static bool to_one_shot(void)
{
	bool good;

	set_timer(PERIODIC | VEC_TIMER, COUNT_MS(10));
	good = wait_ticks(1);
	apic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	good &= wait_ticks(2);
	wait_tsc(15 * MS);
	irq_window();
	good &= ticks == 2 && apic_read(LAPIC_TIMER_COUNT) == 0;
	stop_timer();
	return good;
}

static bool stays_ended(void)
{
	bool good;

	set_timer(VEC_TIMER, COUNT_MS(2));
	good = wait_ticks(1);
	apic_write(LAPIC_LVT_TIMER, PERIODIC | VEC_TIMER);
	wait_tsc(5 * MS);
	irq_window();
	good &= ticks == 1 && apic_read(LAPIC_TIMER_COUNT) == 0;
	stop_timer();
	return good;
}

static bool other_vector(void)
{
	bool good;

	set_timer(VEC_TIMER, COUNT_MS(5));
	apic_write(LAPIC_LVT_TIMER, VEC_OTHER);
	good = wait_ticks(1) && taken[VEC_OTHER] == 1 && !taken[VEC_TIMER];
	stop_timer();
	return good;
}

static bool behind_mask(void)
{
	set_timer(VEC_TIMER, COUNT_MS(5));
	apic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | VEC_TIMER);
	wait_tsc(8 * MS);
	apic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	wait_tsc(4 * MS);
	irq_window();
	stop_timer();
	return ticks == 0;
}

static void lapic_edges(const char *how)
{
	ok(EVENTUALLY(lapic_unheard(true)), "%s: with IF clear one period waits, leaving the guest",
	   how);
	ok(EVENTUALLY(lapic_unheard(false)), "%s: with IF clear one period waits, computing", how);
	ok(EVENTUALLY(lapic_adds_up()), "%s: a hundred periods are as long as that", how);
	ok(divided(), "%s: the eight divisors", how);
	/* Bochs counts anew; QEMU takes what is left for what has passed. */
	inside_only(under_plinth && EVENTUALLY(divided_underway()), "%s: a new divisor underway",
		    how);
	ok(EVENTUALLY(restarted()), "%s: a new initial count starts anew", how);
	ok(EVENTUALLY(to_periodic()), "%s: from one-shot to periodic underway", how);
	/* QEMU goes on with the period. */
	inside_only(under_plinth && EVENTUALLY(to_one_shot()),
		    "%s: from periodic to one-shot underway", how);

	/* QEMU starts it again. */
	inside_only(stays_ended(), "%s: a count that ended stays ended in periodic mode", how);
	ok(EVENTUALLY(other_vector()), "%s: the vector at the end counts", how);
	ok(EVENTUALLY(behind_mask()), "%s: what ended behind the mask is gone", how);
	apic_write(LAPIC_TPR, VEC_TIMER);
	set_timer(PERIODIC | VEC_TIMER, COUNT_MS(10));
	wait_tsc(35 * MS);
	irq_window();
	is(ticks, 0, "%s: TPR holds it", how);
	apic_write(LAPIC_LVT_TIMER, VEC_TIMER | LAPIC_VECTOR_MASKED);
	apic_write(LAPIC_TPR, 0);
	irq_window();
	irq_window();
	is(ticks, 1, "%s: once for all periods behind TPR", how);
	stop_timer();
}

/* --- TSC deadline ----------------------------------------------------------------------------------- */

static void set_deadline(u64 value)
{
	ticks = 0;
	apic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	/* An xAPIC store and a WRMSR are not ordered by themselves (11.5.4.1). */
	__asm__ volatile("mfence" : : : "memory");
	wrmsr(MSR_TSC_DEADLINE, value);
}

static bool later(u64 ticks_of_tsc)
{
	wait_tsc(ticks_of_tsc);
	irq_window();
	return ticks != 0;
}

static bool on_time(void)
{
	u64 deadline = rdtsc() + 20 * MS;

	set_deadline(deadline);
	while (!ticks)
		irq_wait();
	return ticks == 1 && seen[0] >= deadline && near(seen[0], deadline, 20 * MS);
}

static bool disarmed_by_mode(void)
{
	bool zero;

	set_deadline(rdtsc() + 5 * MS);
	apic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	zero = rdmsr(MSR_TSC_DEADLINE) == 0;
	apic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	return zero && rdmsr(MSR_TSC_DEADLINE) == 0 && !later(10 * MS);
}

static bool count_stopped_by_mode(void)
{
	u32 count;

	set_timer(VEC_TIMER, COUNT_MS(5));
	apic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	count = apic_read(LAPIC_TIMER_COUNT);
	return count == 0 && !later(10 * MS);
}

static bool no_count(void)
{
	bool none;

	set_deadline(0);
	apic_write(LAPIC_TIMER_INIT, COUNT_MS(5));
	none = apic_read(LAPIC_TIMER_COUNT) == 0 && !later(10 * MS);
	apic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	return none && !later(10 * MS) && apic_read(LAPIC_TIMER_COUNT) == 0;
}

static bool deadline_behind_mask(void)
{
	u64 left;

	set_deadline(rdtsc() + 5 * MS);
	apic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | DEADLINE | VEC_TIMER);
	wait_tsc(8 * MS);
	left = rdmsr(MSR_TSC_DEADLINE);
	apic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	return !left && !later(MS);
}

static void deadline_edges(const char *how)
{
	u64 far = ~0ULL;

	if (!(cpuid(1, 0).ecx & BIT(24))) {
		skip("TSC deadline", "not offered");
		return;
	}
	on_vector(VEC_TIMER, lapic_tick);
	ok(EVENTUALLY(on_time()), "%s, deadline: ends HLT in time", how);
	/* Bochs shows it again in its own mode. */
	inside_only(EVENTUALLY(disarmed_by_mode()), "%s, deadline: another mode disarms it", how);
	ok(EVENTUALLY(count_stopped_by_mode()), "%s, deadline: its mode stops the count", how);
	/* Bochs lets the count run unseen, and does not clear what is masked. */
	inside_only(no_count(), "%s, deadline: no count starts", how);
	inside_only(EVENTUALLY(deadline_behind_mask()), "%s, deadline: passes behind the mask",
		    how);
	set_deadline(far);
	ok(!later(MS) && rdmsr(MSR_TSC_DEADLINE) == far, "%s, deadline: the largest is far", how);
	set_deadline(rdtsc() + 2 * MS);
	wait_tsc(10 * MS);
	irq_window();
	irq_window();
	is(ticks, 1, "%s, deadline: with IF clear it waits", how);
	stop_timer();
}

/* --- TSC -------------------------------------------------------------------------------------------- */

#define READS	    100000
#define READS_EXIT  64 /* each so manieth time */
#define JUMP	    (1ULL << 40)
#define HV_TSC_LEAF 0x40000010U

static u64 rdtscp(void)
{
	u32 lo, hi, aux;

	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	return (u64)hi << 32 | lo;
}

static void monotonic(void)
{
	bool p = cpuid(0x80000001, 0).edx & BIT(27);
	u64 then = rdtsc(), now;
	u32 back = 0;

	for (u32 i = 0; i < READS; i++) {
		if (i % READS_EXIT == 0)
			(void)cpuid(0, 0);
		now = p && i % 2 ? rdtscp() : rdtsc();
		back += now < then;
		then = now;
	}
	is(back, 0, "TSC: neither RDTSC nor RDTSCP goes back");
}

static bool put_off(u64 adjust)
{
	wrmsr(MSR_TSC_ADJUST, adjust + JUMP);
	set_deadline(rdtsc() + 5 * MS);
	wrmsr(MSR_TSC_ADJUST, adjust);
	return !later(10 * MS) && rdmsr(MSR_TSC_DEADLINE) != 0;
}

static void tsc_moves(void)
{
	u64 adjust, before, after, moved, at;
	bool has_deadline = cpuid(1, 0).ecx & BIT(24);

	if (!(cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & BIT(1)))) {
		skip("TSC_ADJUST", "not offered");
		return;
	}
	adjust = rdmsr(MSR_TSC_ADJUST);
	before = rdtsc();
	wrmsr(MSR_TSC, before + JUMP);
	after = rdtsc();
	moved = rdmsr(MSR_TSC_ADJUST) - adjust;
	/* The write happened when the old TSC was this. */
	at = before + JUMP - moved;
	ok(at >= before && at <= after - moved, "TSC: TSC_ADJUST moves by exactly as much");
	ok(!(cpuid(0x80000001, 0).edx & BIT(27)) || rdtscp() - after < JUMP,
	   "TSC: RDTSCP moves with it");
	wrmsr(MSR_TSC_ADJUST, adjust);
	after = rdtsc();
	ok(after > before && after - before < JUMP, "TSC: TSC_ADJUST takes it back");
	wrmsr(MSR_TSC_ADJUST, adjust);
	ok(rdtsc() - after < JUMP, "TSC: the same TSC_ADJUST again moves nothing");
	if (!has_deadline)
		return;
	on_vector(VEC_TIMER, lapic_tick);
	/* Bochs looks at the deadline when it is written only. */
	set_deadline(rdtsc() + JUMP);
	wrmsr(MSR_TSC_ADJUST, adjust + 2 * JUMP);
	irq_window();
	inside_only(ticks == 1, "TSC: TSC_ADJUST beyond the deadline fires at once");
	set_deadline(rdtsc() + JUMP);
	wrmsr(MSR_TSC, rdtsc() + 2 * JUMP);
	irq_window();
	inside_only(ticks == 1, "TSC: a TSC beyond the deadline fires at once");
	inside_only(EVENTUALLY(put_off(adjust)), "TSC: a step back puts the deadline off");
	stop_timer();
	wrmsr(MSR_TSC_ADJUST, adjust);
}

/* The rates that CPUID tells are the measured ones, within 0.1 %. */
static bool rate_is(u64 hz, u64 measured)
{
	u64 off = hz > measured ? hz - measured : measured - hz;

	if (off <= measured / 1000)
		return true;
	print("# %lu Hz told, %lu measured\n", hz, measured);
	return false;
}

static void told(void)
{
	struct cpuid_regs r;

	if (!under_plinth) {
		skip("CPUID's TSC rate", "the emulator tells none");
		return;
	}
	r = cpuid(HV_TSC_LEAF, 0);
	ok(rate_is(r.eax * 1000ULL, tsc_hz), "TSC: its rate is that of CPUID leaf 40000010H");
	ok(rate_is(r.ebx * 1000ULL, lapic_hz),
	   "LAPIC timer: its rate is that of CPUID leaf 40000010H");
	r = cpuid(0, 0).eax >= 0x15 ? cpuid(0x15, 0) : (struct cpuid_regs){ 0 };
	if (r.eax && r.ebx && r.ecx)
		ok(rate_is((u64)r.ecx * r.ebx / r.eax, tsc_hz),
		   "TSC: its rate is that of CPUID leaf 15H");
	else
		skip("TSC: its rate is that of CPUID leaf 15H", "not told");
}

/* --- 8254 ------------------------------------------------------------------------------------------- */

static void pit_set(u8 mode, u32 count)
{
	on_vector(BASE, pit_tick);
	ticks = 0;
	outb(PIT_CTL, mode);
	outb(PIT_0, (u8)count);
	outb(PIT_0, (u8)(count >> 8));
}

static u64 pit_ticks(u64 clocks)
{
	return clocks * tsc_hz / PIT_HZ;
}

static bool pit_unheard(bool exits)
{
	u64 period = pit_ticks(PIT_10MS);

	pit_set(PIT_MODE_2, PIT_10MS);
	return unheard(rdtsc(), period, exits);
}

static bool square(void)
{
	pit_set(PIT_MODE_3, PIT_ODD);
	return adds_up(pit_ticks(PIT_ODD));
}

static bool terminal_count(void)
{
	u64 start;

	pit_set(PIT_MODE_0, PIT_10MS);
	start = rdtsc();
	return wait_ticks(1) && near(seen[0], start + pit_ticks(PIT_10MS), pit_ticks(PIT_10MS));
}

/* The new count begins when the period that runs is over. */
static bool new_count(void)
{
	u64 start, old = pit_ticks(PIT_10MS), new = pit_ticks(2 * PIT_10MS);

	pit_set(PIT_MODE_2, PIT_10MS);
	start = rdtsc();
	wait_tsc(old / 2);
	outb(PIT_0, (u8)(2 * PIT_10MS));
	outb(PIT_0, (u8)(2 * PIT_10MS >> 8));
	return wait_ticks(2) && near(seen[0], start + old, old) &&
	       near(seen[1], start + old + new, old);
}

static void pit_edges(void)
{
	on_vector(BASE + 7, spurious);
	outb(0x21, 0xfe);
	ok(EVENTUALLY(pit_unheard(true)),
	   "8254: with IF clear one period waits, leaving the guest");
	ok(EVENTUALLY(pit_unheard(false)), "8254: with IF clear one period waits, computing");
	ok(EVENTUALLY(square()), "8254: an odd square wave keeps its rate");
	ok(EVENTUALLY(terminal_count()), "8254: terminal count comes in time");
	/* QEMU and Bochs take it at once. */
	inside_only(under_plinth && EVENTUALLY(new_count()),
		    "8254: a new count begins with a new period");
	outb(0x21, 0xff);
	outb(PIT_CTL, PIT_MODE_0);
}

/* --- real-time clock -------------------------------------------------------------------------------- */

static void rtc_start(u8 log2, u8 enable)
{
	rtc_write(RTC_B, RTC_24H);
	rtc_write(RTC_A, (u8)(RTC_RUN | RTC_RATE(log2)));
	(void)rtc_read(RTC_C);
	irq_window();
	on_vector(RTC_VECTOR, rtc_tick);
	ticks = 0;
	rtc_write(RTC_B, RTC_24H | enable);
}

#define RTC_64_HZ  6
#define RTC_256_HZ 8

static bool rtc_unheard(bool exits)
{
	u64 period = tsc_hz >> RTC_64_HZ, start;

	rtc_start(RTC_64_HZ, RTC_PIE);
	if (!wait_ticks(1))
		return false;
	start = seen[0];
	ticks = 0;
	return unheard(start, period, exits);
}

static bool rtc_rate(u8 log2, u32 n)
{
	rtc_start(log2, RTC_PIE);
	return n < SEEN && wait_ticks(n + 1) &&
	       near(seen[n], seen[0] + (n * tsc_hz >> log2), tsc_hz >> log2);
}

/* The line stays low until register C is read: no edge, no interrupt. */
static void rtc_unread(void)
{
	read_cause = false;
	rtc_start(RTC_256_HZ, RTC_PIE);
	ok(wait_ticks(1), "RTC: periodic");
	wait_tsc(50 * MS);
	irq_window();
	is(ticks, 1, "RTC: none before register C is read");
	read_cause = true;
	(void)rtc_read(RTC_C);
	ok(wait_ticks(4), "RTC: and on they go");
}

/*
 * Half a second from the end of the divider's reset to the first update ("divider control"), with an alarm at that second; the next
 * update is a second later and has none.
 */
static void rtc_updates(void)
{
	u8 old = rtc_read(RTC_ALARM), second;
	u64 start, first, quiet = 0;

	/* QEMU and Bochs keep the second's phase, and a reset of the divider ends Bochs. */
	if (!under_plinth) {
		skip("RTC: updates", "the emulators know no reset of the divider");
		return;
	}
	rtc_start(0, 0);
	rtc_write(RTC_B, RTC_SET | RTC_24H);
	rtc_write(RTC_SECOND, 0x29);
	rtc_write(RTC_ALARM, 0x30);
	rtc_write(RTC_ALARM + 2, 0xff);
	rtc_write(RTC_ALARM + 4, 0xff);
	rtc_write(RTC_A, RTC_RESET);
	rtc_write(RTC_B, RTC_24H | RTC_AIE | RTC_UIE);
	wait_tsc(20 * MS);
	second = rtc_read(RTC_SECOND);
	(void)rtc_read(RTC_C);
	ticks = 0;
	rtc_write(RTC_A, RTC_RUN);
	start = rdtsc();
	while (!ticks && rdtsc() - start < tsc_hz * 2) {
		u64 now = rdtsc();

		bool uip = rtc_read(RTC_A) & RTC_UIP;

		irq_window();
		/* Behind the update there is no UIP either. */
		if (!uip && !ticks)
			quiet = now;
	}
	first = seen[0];
	ok(near(first, start + tsc_hz / 2, tsc_hz / 10),
	   "RTC: the first update is half a second behind the divider's reset");
	ok(first - quiet >= tsc_hz * RTC_UIP_US / 1000000, "RTC: announced by UIP");
	ok((causes & (RTC_AIE | RTC_UIE)) == (RTC_AIE | RTC_UIE) && ticks == 1,
	   "RTC: alarm and update are one interrupt");
	ok(second == 0x29 && rtc_read(RTC_SECOND) == 0x30,
	   "RTC: held while the divider is, then on by one");
	ok(wait_ticks(2), "RTC: the next update comes");
	ok((causes & (RTC_AIE | RTC_UIE)) == RTC_UIE, "RTC: without the alarm");
	ok(near(seen[1], first + tsc_hz, tsc_hz / 5), "RTC: and is a second later");
	rtc_write(RTC_B, RTC_24H);
	rtc_write(RTC_ALARM, old);
}

static void rtc_edges(void)
{
	outb(0x21, 0xfb);
	outb(0xa1, 0xfe);
	ok(EVENTUALLY(rtc_unheard(true)), "RTC: with IF clear one period waits, leaving the guest");
	ok(EVENTUALLY(rtc_unheard(false)), "RTC: with IF clear one period waits, computing");
	ok(EVENTUALLY(rtc_rate(RTC_256_HZ, 12)), "RTC: 256 Hz");
	ok(EVENTUALLY(rtc_rate(RTC_256_HZ + 1, 14)), "RTC: 512 Hz");
	rtc_unread();
	rtc_updates();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

/* --- all -------------------------------------------------------------------------------------------- */

/* When the count was read: in the middle of what that took. */
static u64 count_at(u32 *count)
{
	u64 before = rdtsc();

	*count = apic_read(LAPIC_TIMER_COUNT);
	return before + (rdtsc() - before) / 2;
}

static void measure(void)
{
	u16 port = (u16)(pm_base() + 8);
	u64 start, end;
	u32 from, pm, count, left;

	apic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
	apic_write(LAPIC_TIMER_INIT, 0xffffffff);
	from = inl(port);
	start = rdtsc();
	do {
		pm = (inl(port) - from) & 0xffffff;
	} while (pm < PM_HZ / 10);
	end = rdtsc();
	tsc_hz = (end - start) * PM_HZ / pm;
	start = count_at(&count);
	wait_tsc(100 * MS);
	end = count_at(&left);
	lapic_hz = (count - left) * tsc_hz / (end - start);
	apic_write(LAPIC_TIMER_INIT, 0);
	print("# TSC %lu kHz, LAPIC timer %lu kHz\n", tsc_hz / 1000, lapic_hz / 1000);
}

static void x2apic_edges(void)
{
	u64 base = rdmsr(MSR_APIC_BASE), start;
	u32 count;

	if (!(cpuid(1, 0).ecx & BIT(21))) {
		skip("x2APIC", "not offered");
		return;
	}
	set_timer(VEC_TIMER, COUNT_MS(50));
	start = rdtsc();
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
	x2 = true;
	count = apic_read(LAPIC_TIMER_COUNT);
	ok(count != 0 && count < COUNT_MS(50) && wait_ticks(1) && seen[0] - start > 49 * MS,
	   "x2APIC: a running timer runs on");
	is((u64)try_wrmsr(X2_MSR(LAPIC_TIMER_COUNT), 0), (u64)VEC_GP,
	   "x2APIC: the current count is read-only");
	lapic_edges("x2APIC");
	deadline_edges("x2APIC");
	set_timer(VEC_TIMER, COUNT_MS(5));
	wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_EN);
	wait_tsc(10 * MS);
	wrmsr(MSR_APIC_BASE, base);
	x2 = false;
	lapic_enable();
	irq_window();
	/* Bochs keeps it running. */
	inside_only(ticks == 0 && lapic_read(LAPIC_TIMER_INIT) == 0 &&
			    lapic_read(LAPIC_TIMER_COUNT) == 0,
		    "a LAPIC that was off has no timer running");
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
}

void guest_main(void)
{
	u64 start = rdtsc();

	lapic_enable();
	measure();
	told();
	monotonic();
	lapic_edges("xAPIC");
	deadline_edges("xAPIC");
	tsc_moves();
	x2apic_edges();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	pic_setup(BASE);
	pit_edges();
	rtc_edges();
	print("# %lu ms\n", (rdtsc() - start) / MS);
}
