/* SPDX-License-Identifier: MIT */
/*
 * The local APIC and event delivery, as programs use them that test whole machines: the page and CR8 while the APIC is off, the
 * timer's modes changed while it counts, NMIs that come while one is handled, an interrupt against a software interrupt in the
 * shadow of STI, HLT under single-step. SDM vol. 3 rev. 083, 7.7.1, 7.8.3, 11.4.7, 11.5.4, 11.8.4, 18.3.1.4.
 */
#include "guest.h"

#define VEC_SOFT   0x52
#define VEC_LOW	   0x50
#define VEC_HIGH   0x7e
#define VEC_TIMER  0x60
#define TPR_ALL	   0xf0U
#define TPR_MIDDLE 0x60U
#define CR8_ALL	   0xfU
#define PERIODIC   0x20000U
#define INITIAL	   0x999999U
#define DIVIDE_1   0xbU
#define NMI_BURST  10
#define TF_BIT	   "0x100"
#define STEPS_MAX  16U

static volatile u32 order, soft_at, low_at, high_at;

static void soft_handler(struct regs *r)
{
	(void)r;
	soft_at = ++order;
}

static void low_handler(struct regs *r)
{
	(void)r;
	low_at = ++order;
	lapic_write(LAPIC_EOI, 0);
}

static void high_handler(struct regs *r)
{
	(void)r;
	high_at = ++order;
	lapic_write(LAPIC_EOI, 0);
}

static void write_cr8(u64 value)
{
	__asm__ volatile("movq %0, %%cr8" ::"r"(value) : "memory");
}

static u64 read_cr8(void)
{
	u64 value;

	__asm__ volatile("movq %%cr8, %0" : "=r"(value));
	return value;
}

/* --- the APIC switched off --------------------------------------------------------------------------- */

static void fill_page(void)
{
	u64 to = LAPIC_PAGE, n = 4096;

	__asm__ volatile("cld\n\trep stosb" : "+D"(to), "+c"(n) : "a"(0xff) : "memory", "cc");
}

static void nobody_home(const char *how)
{
	fill_page();
	is(lapic_read(LAPIC_VERSION), 0xffffffff, "%s: nobody at the page", how);
	is(read_cr8(), 0, "%s: CR8 is left alone", how);
	write_cr8(CR8_ALL);
	is(read_cr8(), CR8_ALL, "%s: CR8 keeps a value", how);
	is(lapic_read(LAPIC_TPR), 0xffffffff, "%s: no TPR at the page", how);
	write_cr8(0);
}

static void switched_off(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);
	u32 version = lapic_read(LAPIC_VERSION);

	/* Bochs' APIC does not come back. */
	if (bare_bochs) {
		skip("APIC off", "for good in Bochs");
		return;
	}
	wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_EN);
	nobody_home("APIC off");
	wrmsr(MSR_APIC_BASE, base);
	is(lapic_read(LAPIC_VERSION), version, "APIC on again: the version");
	is(lapic_read(LAPIC_TPR), 0, "APIC on again: TPR is CR8");
	write_cr8(CR8_ALL);
	is(lapic_read(LAPIC_TPR), TPR_ALL, "APIC on again: TPR follows CR8");
	write_cr8(0);
	lapic_enable();
}

/* --- the timer's modes -------------------------------------------------------------------------------- */

static bool falls_below(u32 count)
{
	u32 n = 0;

	while (lapic_read(LAPIC_TIMER_COUNT) >= count)
		if (++n == WAIT_ROUNDS)
			return false;
	return true;
}

static bool rises_above(u32 count)
{
	u32 n = 0;

	while (lapic_read(LAPIC_TIMER_COUNT) <= count)
		if (++n == WAIT_ROUNDS)
			return false;
	return true;
}

static void timer_modes(void)
{
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_1);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, INITIAL);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | PERIODIC | VEC_TIMER);
	is(lapic_read(LAPIC_TIMER_INIT), INITIAL,
	   "timer: a change of mode keeps the initial count");
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, INITIAL);
	ok(lapic_read(LAPIC_TIMER_COUNT), "timer: one-shot counts");
	ok(falls_below(1), "timer: one-shot gets to 0");
	lapic_write(LAPIC_TIMER_INIT, INITIAL);
	falls_below(INITIAL / 2);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | PERIODIC | VEC_TIMER);
	ok(lapic_read(LAPIC_TIMER_COUNT) < INITIAL / 2, "timer: to periodic: goes on where it was");
	ok(rises_above(INITIAL / 2), "timer: to periodic: begins again");
	falls_below(INITIAL / 2);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | VEC_TIMER);
	ok(lapic_read(LAPIC_TIMER_COUNT) < INITIAL / 2, "timer: to one-shot: goes on where it was");
	ok(falls_below(1), "timer: to one-shot: gets to 0");
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | PERIODIC | VEC_TIMER);
	is(lapic_read(LAPIC_TIMER_COUNT), 0, "timer: to periodic at 0: stays there");
	lapic_write(LAPIC_TIMER_INIT, 0);
}

/* The clock before the divider is at most the TSC's (SDM vol. 3 11.5.4: bus or crystal). */
static void timer_against_tsc(void)
{
	static const struct {
		u32 divide, by;
	} rows[] = { { DIVIDE_1, 1 }, { 0, 2 }, { 8, 32 } };
	const u32 counts = 0x10000;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 start;

		on_vector(VEC_LOW, eoi_handler);
		lapic_write(LAPIC_LVT_TIMER, VEC_LOW);
		lapic_write(LAPIC_TIMER_DIVIDE, rows[i].divide);
		start = rdtsc();
		lapic_write(LAPIC_TIMER_INIT, counts);
		ok(WAIT_FOR(taken[VEC_LOW]) && rdtsc() - start >= (u64)counts * rows[i].by,
		   "timer: a count divided by %u takes no fewer clocks of the TSC", rows[i].by);
	}
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | VEC_LOW);
}

/* --- priorities ------------------------------------------------------------------------------------------ */

static void software_first(void)
{
	on_vector(VEC_SOFT, soft_handler);
	on_vector(VEC_LOW, low_handler);
	on_vector(VEC_HIGH, high_handler);
	order = soft_at = low_at = 0;
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_LOW);
	__asm__ volatile("sti\n\tint %0\n\tnop\n\tcli" ::"i"(VEC_SOFT) : "memory");
	is(soft_at, 1, "INT n in the shadow of STI comes before a pending interrupt");
	is(low_at, 2, "which comes behind it");
	order = low_at = high_at = 0;
	lapic_write(LAPIC_TPR, TPR_ALL);
	__asm__ volatile("sti" ::: "memory");
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_LOW);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_HIGH);
	is(order, 0, "TPR 15 keeps both away");
	lapic_write(LAPIC_TPR, TPR_MIDDLE);
	ok(WAIT_FOR(high_at), "a lower TPR lets the higher one in");
	is(low_at, 0, "and only that");
	lapic_write(LAPIC_TPR, 0);
	ok(WAIT_FOR(low_at), "TPR 0 lets the other in");
	__asm__ volatile("cli" ::: "memory");
}

/* --- NMIs ------------------------------------------------------------------------------------------------- */

static volatile u32 nmis;
static volatile bool nested;

static void burst_handler(struct regs *r)
{
	static volatile bool inside;

	(void)r;
	if (inside)
		nested = true;
	inside = true;
	if (++nmis == 1)
		for (u32 i = 0; i < NMI_BURST; i++)
			lapic_write(LAPIC_ICR_LO, ICR_NMI);
	inside = false;
}

static void nmi_to_self(void)
{
	u32 bad = 0;

	on_vector(VEC_NMI, burst_handler);
	for (u32 round = 0; round < 100; round++) {
		nmis = 0;
		lapic_write(LAPIC_ICR_HI, lapic_read(LAPIC_ID));
		lapic_write(LAPIC_ICR_LO, ICR_NMI);
		for (u32 n = 0; nmis < 2 && n < WAIT_ROUNDS; n++)
			cpu_pause();
		bad += nmis != 2;
	}
	is(bad, 0, "of ten NMIs while one is handled one comes behind it");
	ok(!nested, "and not within it");
}

/* --- single-step --------------------------------------------------------------------------------------------- */

static volatile u64 step_rip[STEPS_MAX];
static volatile u32 steps;
static bool steps_bs = true;

static void step_handler(struct regs *r)
{
	u64 dr6;

	__asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
	steps_bs &= (dr6 & DR6_BS) != 0;
	if (steps < STEPS_MAX)
		step_rip[steps] = r->rip;
	steps++;
}

static bool stepped_at(u64 rip)
{
	for (u32 i = 0; i < steps && i < STEPS_MAX; i++)
		if (step_rip[i] == rip)
			return true;
	return false;
}

static void hlt_stepped(void)
{
	u64 hlt;

	on_vector(VEC_DB, step_handler);
	on_vector(VEC_TIMER, eoi_handler);
	steps = 0;
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, INITIAL / 8);
	__asm__ volatile("pushfq\n\torq $" TF_BIT ", (%%rsp)\n\tpopfq\n\tsti\n"
			 "1:\thlt\n\tnop\n\tpushfq\n\tandq $~" TF_BIT
			 ", (%%rsp)\n\tpopfq\n\tcli\n\tleaq 1b(%%rip), %0"
			 : "=r"(hlt)::"memory", "cc");
	ok(WAIT_FOR(taken[VEC_TIMER]), "HLT under TF: the timer's interrupt comes as well");
	/* QEMU's software emulation forgets the one behind STI, and bare the one behind HLT. */
	ok(stepped_at(hlt), "TF: #DB behind STI");
	ok(stepped_at(hlt + 1), "TF: #DB behind HLT");
	ok(stepped_at(hlt + 2), "TF: #DB behind what follows");
	ok(steps_bs, "TF: DR6.BS in each");
}

void guest_main(void)
{
	lapic_enable();
	switched_off();
	timer_modes();
	timer_against_tsc();
	software_first();
	nmi_to_self();
	hlt_stepped();
}
