/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's timer: SDM vol. 3 11.5.4.
 */
#include "lapic_fixture.h"

/* --- timer ------------------------------------------------------------------------------------ */

static const struct {
	u32 code, divisor;
} dividers[] = {
	{ 0x0, 2 },  { 0x1, 4 },  { 0x2, 8 },	{ 0x3, 16 },
	{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 },
};

static void timer_oneshot(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(dividers); i++) {
		u64 start, div = dividers[i].divisor;

		setup(state);
		start = ns;
		wr(LAPIC_LVT_TIMER, 0x40);
		wr(LAPIC_TIMER_DIVIDE, dividers[i].code);
		assert_int_equal(rd(LAPIC_TIMER_DIVIDE), dividers[i].code);
		wr(LAPIC_TIMER_INIT, 1000);
		assert_int_equal(rd(LAPIC_TIMER_CURRENT), 1000);
		assert_int_equal(timer_next(&cpu[0].queue), start + 1000 * div);
		run_until(start + 400 * div);
		assert_int_equal(rd(LAPIC_TIMER_CURRENT), 600);
		run_until(start + 1000 * div - 1);
		assert_int_equal(rd(LAPIC_TIMER_CURRENT), 1);
		assert_int_equal(pending(), -1);
		run_until(start + 1000 * div);
		take(0x40);
		eoi();
		assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
		assert_int_equal(rd(LAPIC_TIMER_INIT), 1000);
		run_until(start + 10000 * div);
		assert_int_equal(pending(), -1);
		assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	}
}

/* A slower clock before the divider: all that counts follows it. */
static void timer_scaled(void **state)
{
	u64 start = ns;

	(void)state;
	l->timer_scale = 6;
	wr(LAPIC_LVT_TIMER, 0x40);
	wr(LAPIC_TIMER_DIVIDE, 0x0);
	wr(LAPIC_TIMER_INIT, 1000);
	assert_int_equal(timer_next(&cpu[0].queue), start + 128000);
	run_until(start + 12800);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 900);
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	assert_int_equal(timer_next(&cpu[0].queue), start + 12800 + 900 * 64);
	run_until(start + 12800 + 900 * 64);
	take(0x40);
	eoi();
	/* one count is longer than what need not be served */
	wr(LAPIC_LVT_TIMER, 0x20040);
	start = ns;
	wr(LAPIC_TIMER_INIT, 200);
	assert_int_equal(timer_next(&cpu[0].queue), start + 12800);
	run_until(start + 3 * 12800 + 64);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 199);
}

/* However late each expiry is served, the next is a whole number of periods from the start. */
static void timer_periodic(void **state)
{
	u64 start = ns;
	const u64 period = 50000;

	(void)state;
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	wr(LAPIC_LVT_TIMER, 0x20040);
	wr(LAPIC_TIMER_INIT, (u32)period);
	for (u64 i = 1; i <= 1000; i++) {
		assert_int_equal(timer_next(&cpu[0].queue), start + i * period);
		run_until(start + i * period + i * 37 % 7000);
		assert_int_equal(rd(LAPIC_TIMER_CURRENT), period - i * 37 % 7000);
		take(0x40);
		eoi();
		assert_int_equal(pending(), -1);
	}
	/* periods that nobody could serve are one interrupt, and in phase */
	run_until(start + 2000 * period + 10);
	take(0x40);
	assert_int_equal(timer_next(&cpu[0].queue), start + 2001 * period);
	wr(LAPIC_TIMER_INIT, 0);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
}

/* A period too short to be served is bounded, and its count still right. */
static void timer_short_period(void **state)
{
	u64 next;

	(void)state;
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	wr(LAPIC_LVT_TIMER, 0x20040);
	wr(LAPIC_TIMER_INIT, 7);
	for (unsigned int i = 0; i < 100; i++) {
		next = timer_next(&cpu[0].queue);
		assert_in_range(next - ns, 9990, 10007);
		assert_int_equal((next - 1000000) % 7, 0);
		run_until(next);
		take(0x40);
		eoi();
	}
	run_until(ns + 3);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 4);
	wr(LAPIC_TIMER_INIT, 1);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 1);
}

/* Masked it counts on without an interrupt; unmasked it goes on in phase. */
static void timer_masked(void **state)
{
	u64 start = ns;

	(void)state;
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	wr(LAPIC_LVT_TIMER, 0x30040);
	wr(LAPIC_TIMER_INIT, 100000);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	run_until(start + 250000);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 50000);
	assert_int_equal(pending(), -1);
	wr(LAPIC_LVT_TIMER, 0x20040);
	assert_int_equal(pending(), -1);
	assert_int_equal(timer_next(&cpu[0].queue), start + 300000);
	/* one-shot that ends while masked: no interrupt afterwards */
	wr(LAPIC_LVT_TIMER, 0x10040);
	wr(LAPIC_TIMER_INIT, 100000);
	run_until(ns + 200000);
	wr(LAPIC_LVT_TIMER, 0x40);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(pending(), -1);
	/* one that ended unmasked but was not served yet does interrupt */
	wr(LAPIC_TIMER_INIT, 100000);
	ns += 100000;
	wr(LAPIC_LVT_TIMER, 0x10040);
	take(0x40);
	/* so does one whose end is read first */
	eoi();
	wr(LAPIC_LVT_TIMER, 0x40);
	wr(LAPIC_TIMER_INIT, 100000);
	ns += 100000;
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
	take(0x40);
	eoi();
	timer_run(&cpu[0].queue, ns);
	assert_int_equal(pending(), -1);
	/* software-disabled is masked */
	wr(LAPIC_TIMER_INIT, 100000);
	wr(LAPIC_SVR, 0xff);
	run_until(ns + 100001);
	assert_int_equal(pending(), -1);
}

/* The running count survives a change of the divider and of one-shot and periodic. */
static void timer_changes(void **state)
{
	u64 start = ns;

	(void)state;
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	wr(LAPIC_LVT_TIMER, 0x40);
	wr(LAPIC_TIMER_INIT, 100000);
	run_until(start + 40000);
	wr(LAPIC_TIMER_DIVIDE, 0x0);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 60000);
	assert_int_equal(timer_next(&cpu[0].queue), start + 40000 + 120000);
	wr(LAPIC_LVT_TIMER, 0x20041);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 60000);
	run_until(start + 160000);
	take(0x41);
	eoi();
	assert_int_equal(timer_next(&cpu[0].queue), start + 160000 + 200000);
	wr(LAPIC_LVT_TIMER, 0x42);
	run_until(start + 360000);
	take(0x42);
	eoi();
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	/* at rest it stays at rest */
	wr(LAPIC_LVT_TIMER, 0x20042);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	/* the longest count */
	wr(LAPIC_TIMER_DIVIDE, 0xa);
	wr(LAPIC_TIMER_INIT, 0xffffffff);
	assert_int_equal(timer_next(&cpu[0].queue), ns + 0xffffffffULL * 128);
	run_until(ns + 0xffffffffULL * 64);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0x80000000);
}

static u64 deadline(void)
{
	u64 value = 1;

	assert_int_equal(lapic_msr_read(l, MSR_TSC_DEADLINE, &value), 0);
	return value;
}

static void set_deadline(u64 tsc)
{
	assert_int_equal(lapic_msr_write(l, MSR_TSC_DEADLINE, tsc), 0);
}

static void timer_deadline(void **state)
{
	u64 tsc = ns * TSC_PER_NS;

	(void)state;
	/* in other modes it reads 0 and ignores writes */
	set_deadline(tsc + 1000);
	assert_int_equal(deadline(), 0);
	wr(LAPIC_LVT_TIMER, 0x40040);
	set_deadline(tsc + 1001);
	assert_int_equal(deadline(), tsc + 1001);
	assert_int_equal(timer_next(&cpu[0].queue), ns + 500);
	run_until(ns + 500); /* half a nanosecond early */
	assert_int_equal(pending(), -1);
	assert_int_equal(deadline(), tsc + 1001);
	run_until(ns + 1);
	take(0x40);
	eoi();
	assert_int_equal(deadline(), 0);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	/* in the past: at once */
	set_deadline(5);
	take(0x40);
	eoi();
	assert_int_equal(deadline(), 0);
	set_deadline(ns * TSC_PER_NS);
	take(0x40);
	eoi();
	/* 0 disarms */
	set_deadline(ns * TSC_PER_NS + 1000);
	set_deadline(0);
	run_until(ns + 10000);
	assert_int_equal(pending(), -1);
	/* as does another mode, in both directions */
	set_deadline(ns * TSC_PER_NS + 1000);
	wr(LAPIC_LVT_TIMER, 0x40);
	assert_int_equal(deadline(), 0);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	wr(LAPIC_TIMER_INIT, 1000);
	wr(LAPIC_LVT_TIMER, 0x40040);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	assert_int_equal(deadline(), 0);
	/* the counter is not there */
	wr(LAPIC_TIMER_INIT, 5000);
	assert_int_equal(rd(LAPIC_TIMER_INIT), 1000);
	assert_int_equal(rd(LAPIC_TIMER_CURRENT), 0);
	/* masked it ends in silence */
	wr(LAPIC_LVT_TIMER, 0x50040);
	set_deadline(ns * TSC_PER_NS + 1000);
	run_until(ns + 1000);
	assert_int_equal(deadline(), 0);
	wr(LAPIC_LVT_TIMER, 0x40040);
	assert_int_equal(pending(), -1);
	/* due but not served when the next is written or it is read */
	set_deadline(ns * TSC_PER_NS + 1000);
	ns += 600;
	set_deadline(ns * TSC_PER_NS + 1000);
	take(0x40);
	eoi();
	assert_int_equal(pending(), -1);
	ns += 600;
	assert_int_equal(deadline(), 0);
	take(0x40);
	eoi();
	/* the far end of time */
	set_deadline(UINT64_MAX);
	assert_int_equal(deadline(), UINT64_MAX);
	run_until(ns + 1000000);
	assert_int_equal(pending(), -1);
	/* the clock was set: look again */
	l->tsc_deadline = 1;
	lapic_tsc_changed(l);
	take(0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(timer_oneshot),	  CASE(timer_scaled), CASE(timer_periodic),
		CASE(timer_short_period), CASE(timer_masked), CASE(timer_changes),
		CASE(timer_deadline),
	};

	return cmocka_run_group_tests_name("lapic_timer", tests, NULL, NULL);
}
