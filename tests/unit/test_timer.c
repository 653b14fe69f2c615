/* SPDX-License-Identifier: MIT */
/*
 * Timer queues: order, re-arming and cancelling in handlers, no endless run.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "timer.h"

#define TIMERS 4

static struct timer_queue q;
static struct timer t[TIMERS];
static char trace[64];
static unsigned int traced;
static u64 clock_now, rearm_step;
static int cancels;

static u64 clock(void)
{
	return clock_now;
}

static void note(void *arg, u64 now)
{
	struct timer *self = arg;

	(void)now;
	assert_false(self->armed);
	assert_true(traced < sizeof(trace) - 1);
	trace[traced++] = (char)('a' + (self - t));
}

static void note_and_rearm(void *arg, u64 now)
{
	struct timer *self = arg;

	note(arg, now);
	timer_arm(&q, self, self->deadline + rearm_step);
}

static void note_and_cancel(void *arg, u64 now)
{
	note(arg, now);
	timer_cancel(&q, &t[cancels]);
}

static int setup(void **state)
{
	(void)state;
	timer_queue_init(&q, clock);
	for (int i = 0; i < TIMERS; i++)
		t[i] = (struct timer){ .fire = note, .arg = &t[i] };
	for (size_t i = 0; i < sizeof(trace); i++)
		trace[i] = 0;
	traced = 0;
	return 0;
}

static void test_order(void **state)
{
	static const struct {
		u64 deadline[TIMERS];
		u64 now;
		const char *fired;
		u64 next;
	} cases[] = {
		{ { 10, 20, 30, 40 }, 9, "", 10 },
		{ { 10, 20, 30, 40 }, 10, "a", 20 },
		{ { 40, 30, 20, 10 }, 39, "dcb", 40 },
		{ { 20, 10, 20, 10 }, 50, "bdac", UINT64_MAX },
		{ { 0, 0, 0, UINT64_MAX }, 0, "abc", UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(NULL);
		assert_true(timer_next(&q) == UINT64_MAX);
		for (int j = 0; j < TIMERS; j++)
			timer_arm(&q, &t[j], cases[i].deadline[j]);
		timer_run(&q, cases[i].now);
		assert_string_equal(trace, cases[i].fired);
		assert_true(timer_next(&q) == cases[i].next);
	}
}

static void test_rearm(void **state)
{
	(void)state;
	t[0].fire = note_and_rearm;
	rearm_step = 10;
	timer_arm(&q, &t[0], 10);
	timer_arm(&q, &t[1], 25);
	timer_run(&q, 12);
	assert_string_equal(trace, "a");
	assert_int_equal(timer_next(&q), 20);
	/* Late: one firing a run, however many periods have passed; the others are not starved. */
	timer_run(&q, 100);
	assert_string_equal(trace, "aab");
	assert_int_equal(timer_next(&q), 30);
	timer_run(&q, 100);
	assert_string_equal(trace, "aaba");
	rearm_step = 0;
	timer_run(&q, 100);
	assert_string_equal(trace, "aabaa");
	/* Arming again moves, it does not double. */
	timer_arm(&q, &t[0], 500);
	timer_arm(&q, &t[0], 300);
	t[0].fire = note;
	timer_run(&q, 1000);
	timer_run(&q, 1000);
	assert_string_equal(trace, "aabaaa");
}

static void test_cancel(void **state)
{
	(void)state;
	cancels = 2;
	t[0].fire = note_and_cancel;
	for (int i = 0; i < TIMERS; i++)
		timer_arm(&q, &t[i], 10);
	timer_cancel(&q, &t[1]);
	timer_cancel(&q, &t[1]);
	timer_run(&q, 10);
	assert_string_equal(trace, "ad");
	assert_false(t[1].armed || t[2].armed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_rearm, setup),
		cmocka_unit_test_setup(test_cancel, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
