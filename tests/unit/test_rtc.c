/* SPDX-License-Identifier: MIT */
/*
 * MC146818A against its data sheet: time in all modes, SET and the divider, alarms, periodic rates,
 * flags and interrupt.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/rtc.h"

#define SEC 1000000000ULL
#define MS  1000000ULL

static struct bus bus;
static struct timer_queue q;
static struct rtc rtc;
static u64 now_ns, wall_base;
static u64 step; /* how far the clock goes on each time it is read */
static bool irq;
static u32 falls; /* of the line */

static u64 clock(void)
{
	now_ns += step;
	return now_ns;
}

static u64 wallclock(void)
{
	return wall_base + now_ns;
}

static void set_irq(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	assert_int_equal(line, 8);
	falls += irq && !level;
	irq = level;
}

static void pass(u64 ns)
{
	u64 end = now_ns + ns;

	while (timer_next(&q) <= end) {
		if (timer_next(&q) > now_ns)
			now_ns = timer_next(&q);
		timer_run(&q, now_ns);
	}
	now_ns = end;
}

static u32 get(u8 reg)
{
	bus_port_write(&bus, 0x70, 1, reg);
	return bus_port_read(&bus, 0x71, 1);
}

static void set(u8 reg, u32 value)
{
	bus_port_write(&bus, 0x70, 1, reg);
	bus_port_write(&bus, 0x71, 1, value);
}

/* Unix time of the start; 951827696 is Tuesday 2000-02-29 12:34:56. */
static void start(u64 unix_time)
{
	bus_init(&bus);
	timer_queue_init(&q, clock);
	now_ns = 5 * SEC;
	wall_base = (unix_time - 5) * SEC;
	irq = false;
	falls = 0;
	step = 0;
	rtc_init(&rtc, &q, wallclock, (struct irq_line){ .set = set_irq, .line = 8 });
	assert_int_equal(rtc_attach(&rtc, &bus), 0);
}

static int setup(void **state)
{
	(void)state;
	start(951827696);
	return 0;
}

enum {
	SECOND = 0,
	MINUTE = 2,
	HOUR = 4,
	WDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9,
	CENTURY = 0x32
};

static void check_time(const char *name, const u8 *want)
{
	static const u8 regs[] = { CENTURY, YEAR, MONTH, DAY, WDAY, HOUR, MINUTE, SECOND };

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (get(regs[i]) != want[i])
			fail_msg("%s: register %02x is %02x, want %02x", name, regs[i],
				 get(regs[i]), want[i]);
}

static void test_formats(void **state)
{
	static const struct {
		const char *name;
		u64 unix_time;
		u8 b;
		u8 want[8];
	} t[] = {
		{ "BCD 24h", 951827696, 0x02, { 0x20, 0x00, 0x02, 0x29, 3, 0x12, 0x34, 0x56 } },
		{ "binary 24h", 951827696, 0x06, { 20, 0, 2, 29, 3, 12, 34, 56 } },
		{ "BCD 12h noon", 951827696, 0x00, { 0x20, 0, 2, 0x29, 3, 0x92, 0x34, 0x56 } },
		{ "binary 12h noon", 951827696, 0x04, { 20, 0, 2, 29, 3, 0x8c, 34, 56 } },
		{ "BCD 12h midnight", 951782400, 0x00, { 0x20, 0, 2, 0x29, 3, 0x12, 0, 0 } },
		{ "binary 12h 11 pm", 951868799, 0x04, { 20, 0, 2, 29, 3, 0x8b, 59, 59 } },
		{ "1970", 5, 0x02, { 0x19, 0x70, 1, 1, 5, 0, 0, 5 } },
		{ "end of 1999", 946684799, 0x02, { 0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59 } },
		{ "2000", 946684800, 0x02, { 0x20, 0, 1, 1, 7, 0, 0, 0 } },
		{ "2100 is no leap year", 4107542400, 0x02, { 0x21, 0, 3, 1, 2, 0, 0, 0 } },
		{ "2024-12-31", 1735689599, 0x02, { 0x20, 0x24, 0x12, 0x31, 3, 0x23, 0x59, 0x59 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		start(t[i].unix_time);
		set(0x0b, t[i].b);
		check_time(t[i].name, t[i].want);
	}
}

static void test_runs(void **state)
{
	static const u8 want[] = { 0x20, 0, 3, 1, 4, 0, 0, 0x01 };

	(void)state;
	pass((11 * 3600 + 25 * 60 + 4 + 1) * SEC);
	check_time("the next day", want);
	/* It follows the wall clock where that is set right. */
	wall_base += 3600 * SEC;
	pass(2 * SEC);
	assert_int_equal(get(HOUR), 0x01);
	assert_int_equal(get(SECOND), 0x03);
}

static void test_set(void **state)
{
	static const u8 want[] = { 0x19, 0x85, 0x10, 0x26, 7, 0x01, 0x22, 0x00 };
	static const u8 rolled[] = { 0x20, 0x00, 0x01, 0x01, 1, 0x00, 0x00, 0x00 };
	static const u8 bad[] = { 0x99, 0x99, 0x12, 0x31, 7, 0x23, 0x59, 0x59 };

	(void)state;
	set(0x0b, 0x82);
	set(CENTURY, 0x19);
	set(YEAR, 0x85);
	set(MONTH, 0x10);
	set(DAY, 0x26);
	set(WDAY, 0x07);
	set(HOUR, 0x01);
	set(MINUTE, 0x22);
	set(SECOND, 0x00);
	pass(10 * SEC);
	check_time("SET holds", want);
	set(0x0b, 0x02);
	check_time("SET released", want);
	pass(1 * SEC);
	assert_int_equal(get(SECOND), 0x01);
	/* The day of the week is the guest's own count. */
	set(CENTURY, 0x19);
	set(YEAR, 0x99);
	set(MONTH, 0x12);
	set(DAY, 0x31);
	set(WDAY, 0x07);
	set(HOUR, 0x23);
	set(MINUTE, 0x59);
	set(SECOND, 0x59);
	pass(1 * SEC);
	check_time("rolled over", rolled);
	/* What is no time becomes one; nothing breaks. */
	set(0x0b, 0x82);
	for (u8 i = 0; i < 10; i += 1)
		set(i, 0xff);
	set(CENTURY, 0xff);
	assert_int_equal(get(SECOND), 0xff);
	set(0x0b, 0x02);
	check_time("clamped", bad);
	pass(2 * SEC);
	get(YEAR);
	/* A year far away works without overflow. */
	set(0x0b, 0x82);
	for (u8 i = 0; i < 10; i++)
		set(i, 0);
	set(CENTURY, 0);
	set(0x0b, 0x02);
	assert_int_equal(get(YEAR), 0);
	assert_int_equal(get(CENTURY), 0);
	assert_int_equal(get(DAY), 1);
	/* rtc_reset leaves the clock. */
	setup(NULL);
	set(YEAR, 0x42);
	set(0x0b, 0x72);
	rtc_reset(&rtc);
	assert_int_equal(get(YEAR), 0x42);
	assert_int_equal(get(0x0b), 0x02);
	assert_true(timer_next(&q) == UINT64_MAX);
}

/* The first update comes half a second after the divider was started. */
static void test_divider(void **state)
{
	(void)state;
	pass(123 * MS);
	set(0x0b, 0x82);
	set(0x0a, 0x76);
	set(SECOND, 0x30);
	pass(7 * SEC);
	set(0x0b, 0x02);
	pass(3 * SEC);
	assert_int_equal(get(SECOND), 0x30);
	assert_int_equal(get(0x0a), 0x76);
	set(0x0a, 0x26);
	pass(499 * MS);
	assert_int_equal(get(SECOND), 0x30);
	pass(2 * MS);
	assert_int_equal(get(SECOND), 0x31);
	pass(SEC);
	assert_int_equal(get(SECOND), 0x32);
	/* SET alone does not touch the fraction. */
	pass(399 * MS);
	set(0x0b, 0x82);
	pass(5 * SEC + 200 * MS);
	set(0x0b, 0x02);
	assert_int_equal(get(SECOND), 0x32);
	pass(398 * MS);
	assert_int_equal(get(SECOND), 0x32);
	pass(4 * MS);
	assert_int_equal(get(SECOND), 0x33);
}

static void test_uip(void **state)
{
	(void)state;
	assert_int_equal(get(0x0a), 0x26);
	pass(SEC - 245000);
	assert_int_equal(get(0x0a), 0x26);
	pass(2000);
	assert_int_equal(get(0x0a), 0xa6);
	pass(242999);
	assert_int_equal(get(0x0a), 0xa6);
	assert_int_equal(get(SECOND), 0x56);
	pass(1);
	assert_int_equal(get(0x0a), 0x26);
	assert_int_equal(get(SECOND), 0x57);
	set(0x0b, 0x82);
	pass(SEC - 1000);
	assert_int_equal(get(0x0a), 0x26);
	/* UIP cannot be written. */
	set(0x0a, 0xa6);
	assert_int_equal(get(0x0a), 0x26);
}

static void test_update_ended(void **state)
{
	(void)state;
	get(0x0c);
	/* The flag comes without the interrupt, too, and without a timer. */
	pass(SEC);
	assert_true(timer_next(&q) == UINT64_MAX);
	assert_int_equal(get(0x0c), 0x50); /* PF: 1024 Hz is set */
	assert_int_equal(get(0x0c), 0x00);
	set(0x0a, 0x20);
	get(0x0c);
	set(0x0b, 0x12);
	for (int i = 0; i < 5; i++) {
		pass(999 * MS);
		assert_false(irq);
		pass(1 * MS);
		assert_true(irq);
		assert_int_equal(get(0x0c), 0x90);
		assert_false(irq);
	}
	/* The line stays until C is read, and no timer runs meanwhile. */
	pass(SEC);
	assert_true(irq);
	assert_true(timer_next(&q) == UINT64_MAX);
	pass(3 * SEC);
	assert_int_equal(get(0x0c), 0x90);
	/* SET clears UIE. */
	set(0x0b, 0x92);
	assert_int_equal(get(0x0b), 0x82);
	/* Enabling with the flag already there interrupts at once. */
	set(0x0b, 0x02);
	pass(2 * SEC);
	set(0x0b, 0x12);
	assert_true(irq);
	set(0x0b, 0x02);
	assert_false(irq);
}

static void test_periodic(void **state)
{
	static const u32 hz[16] = { 0,	 256, 128, 8192, 4096, 2048, 1024, 512,
				    256, 128, 64,  32,	 16,   8,    4,	   2 };

	for (u32 rate = 0; rate < 16; rate++) {
		u32 n = 0;

		setup(state);
		set(0x0a, 0x20 | rate);
		get(0x0c);
		set(0x0b, 0x42);
		for (u64 end = now_ns + 4 * SEC; timer_next(&q) <= end;) {
			now_ns = timer_next(&q);
			timer_run(&q, now_ns);
			assert_true(irq);
			assert_int_equal(get(0x0c) & 0xef, 0xc0);
			n++;
		}
		if (n + 1 < hz[rate] * 4 || n > hz[rate] * 4)
			fail_msg("rate %u: %u", rate, n);
	}
	/* Not read for long: one flag, no timer; then the next period, not the missed ones. */
	setup(state);
	set(0x0b, 0x42);
	pass(SEC);
	assert_true(timer_next(&q) == UINT64_MAX);
	assert_int_equal(get(0x0c), 0xd0);
	assert_int_equal(get(0x0c), 0x00);
	assert_true(timer_next(&q) > now_ns && timer_next(&q) <= now_ns + 976563);
}

/*
 * A period or a second that ends while register C is being read: the line falls for what was read, so that an edge-triggered input
 * sees the new one, and the new one is neither lost nor late.
 */
static void test_ends_while_read(void **state)
{
	static const struct {
		u8 enable;
		u64 period;
	} rows[] = { { 0x40, 976563 }, { 0x10, SEC } };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		for (u64 before = 0; before < 16; before++) {
			u64 end;
			u32 value;

			setup(state);
			set(0x0b, 0x02 | rows[i].enable);
			get(0x0c);
			pass(rows[i].period + 2000);
			assert_true(irq);
			end = now_ns - 2000 + rows[i].period;
			now_ns = end - before * 1000;
			falls = 0;
			step = 1000;
			value = get(0x0c);
			step = 0;
			assert_int_equal(value & rows[i].enable, rows[i].enable);
			assert_int_equal(falls, 1);
			assert_true(irq || timer_next(&q) <= now_ns + rows[i].period);
			if (now_ns >= end + 1000 && before > 4)
				assert_true(irq || timer_next(&q) <= now_ns);
		}
}

static void test_alarm(void **state)
{
	/* From 12:34:56, which second after the start matches first, and then again after. */
	static const struct {
		u8 b, h, m, s;
		u32 first, again;
	} t[] = {
		{ 0x22, 0x12, 0x34, 0x58, 2, 86400 },
		{ 0x22, 0xff, 0xff, 0xff, 1, 1 },
		{ 0x22, 0xc0, 0xd5, 0x10, 14, 60 },
		{ 0x22, 0xff, 0x40, 0x00, 304, 3600 },
		{ 0x22, 0x13, 0x00, 0xff, 1504, 1 },
		{ 0x22, 0x00, 0x00, 0x00, 41104, 86400 },
		{ 0x26, 12, 35, 0, 4, 86400 },
		{ 0x24, 0x8c, 35, 0, 4, 86400 },
		{ 0x20, 0x12, 0x00, 0x00, 41104, 86400 },
		{ 0x20, 0x81, 0x00, 0x05, 1509, 86400 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		setup(state);
		set(0x0a, 0x20);
		set(5, t[i].h);
		set(3, t[i].m);
		set(1, t[i].s);
		set(0x0b, t[i].b);
		get(0x0c);
		for (int round = 0; round < 2; round++) {
			pass((round ? t[i].again : t[i].first) * SEC - 1);
			if (irq)
				fail_msg("alarm %zu round %d too early", i, round);
			pass(1);
			if (!irq)
				fail_msg("alarm %zu round %d missed", i, round);
			assert_int_equal(get(0x0c), 0xb0);
		}
		/* The flag comes by itself: looked at late, without the interrupt. */
		set(0x0b, t[i].b & 0x0f);
		pass(86400 * SEC);
		assert_int_equal(get(0x0c), 0x30);
	}
	/* An alarm that never comes. */
	setup(state);
	set(5, 0x25);
	set(0x0b, 0x22);
	assert_true(timer_next(&q) == UINT64_MAX);
	get(0x0c);
	pass(86400 * SEC);
	assert_int_equal(get(0x0c) & 0x20, 0);
}

static void test_ram(void **state)
{
	(void)state;
	assert_int_equal(get(0x0d), 0x80);
	set(0x0d, 0);
	set(0x0c, 0xff);
	assert_int_equal(get(0x0d), 0x80);
	for (u8 i = 0x0e; i < 0x80; i++)
		if (i != 0x32)
			set(i, i ^ 0x5a);
	for (u8 i = 0x0e; i < 0x80; i++)
		if (i != 0x32)
			assert_int_equal(get(i), i ^ 0x5a);
	assert_false(rtc_nmi_masked(&rtc));
	assert_int_equal(get(0x8e), 0x0e ^ 0x5a);
	assert_true(rtc_nmi_masked(&rtc));
	assert_int_equal(bus_port_read(&bus, 0x70, 1), 0xff);
	rtc_set_memory(&rtc, 512ULL << 20, 0);
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
	assert_int_equal(get(0x30) | get(0x31) << 8, 0xffff);
	assert_int_equal(get(0x34) | get(0x35) << 8, 496 * 16);
	assert_int_equal(get(0x5b) | get(0x5c) | get(0x5d), 0);
	rtc_set_memory(&rtc, 8ULL << 20, 5ULL << 30);
	assert_int_equal(get(0x17) | get(0x18) << 8, 7 * 1024);
	assert_int_equal(get(0x34) | get(0x35) << 8, 0);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 5 << 14);
}

static u32 second_of_hour(void)
{
	return get(MINUTE) * 60 + get(SECOND);
}

/* Updates only, with their interrupt, and binary numbers. */
static void updates_on(void)
{
	set(0x0a, 0x20);
	set(0x0b, 0x16);
	get(0x0c);
}

/* Which found that it was wrong by so much, at this phase of the guest's second. */
static void check_small_step(s64 error, u64 phase)
{
	u64 last = 0;
	u32 shown;

	start(951827696);
	updates_on();
	pass(3 * SEC + phase);
	get(0x0c);
	shown = second_of_hour();
	wall_base += (u64)error;
	for (int i = 0; i < 1000; i++) {
		u64 length;

		pass(10 * MS);
		if (!irq) {
			assert_int_equal(second_of_hour(), shown);
			continue;
		}
		assert_int_equal(get(0x0c), 0x90);
		assert_int_equal(second_of_hour(), ++shown);
		length = now_ns - last;
		if (last && (length < 990 * MS || length > 1010 * MS))
			fail_msg("%lld ns, phase %llu: a second of %llu ns", (long long)error,
				 (unsigned long long)phase, (unsigned long long)length);
		last = now_ns;
	}
}

/*
 * The real clock tells its second only, so that the wall clock is put right by parts of one time and again: the guest's seconds keep
 * their length within 0.1 %, none comes twice, and the error goes away in time.
 */
static void test_wall_put_right(void **state)
{
	static const s64 errors[] = { -1, 1, -50 * (s64)MS, 300 * (s64)MS, -700 * (s64)MS };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		for (u64 phase = 0; phase < SEC; phase += 125 * MS)
			check_small_step(errors[i], phase);
	setup(state);
	wall_base += 400 * MS;
	for (int i = 0; i < 3600; i++) {
		pass(SEC);
		second_of_hour();
	}
	updates_on();
	while (!irq)
		pass(MS);
	assert_true(wallclock() % SEC < 2 * MS);
}

/* A wall clock that was set takes the guest's with it. */
static void test_wall_set(void **state)
{
	static const s64 jumps[] = { 60, -7, 3600 };

	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		u64 t;

		setup(state);
		updates_on();
		pass(3 * SEC + 500 * MS);
		wall_base += (u64)(jumps[i] * (s64)SEC);
		pass(5 * SEC);
		t = wallclock() / SEC;
		assert_int_equal(second_of_hour(), t % 3600);
		get(0x0c);
		for (int n = 0; n < 5; n++) {
			pass(SEC);
			assert_int_equal(get(0x0c), 0x90);
			assert_int_equal(second_of_hour(), ++t % 3600);
		}
	}
}

static void test_random(void **state)
{
	u32 seed = 3;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed & 0x10000000)
			get((u8)(seed >> 8 & (seed & 0x20000000 ? 0x0f : 0x7f)));
		else
			set((u8)(seed >> 8 & (seed & 0x20000000 ? 0x0f : 0x7f)), seed >> 16 & 0xff);
		pass((u64)(seed >> 12) * (seed % 61 == 0 ? 100000 : 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test_setup(test_runs, setup),
		cmocka_unit_test_setup(test_set, setup),
		cmocka_unit_test_setup(test_divider, setup),
		cmocka_unit_test_setup(test_uip, setup),
		cmocka_unit_test_setup(test_update_ended, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_ends_while_read, setup),
		cmocka_unit_test_setup(test_alarm, setup),
		cmocka_unit_test_setup(test_ram, setup),
		cmocka_unit_test_setup(test_wall_put_right, setup),
		cmocka_unit_test_setup(test_wall_set, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
