/* SPDX-License-Identifier: MIT */
/*
 * 8254 against its data sheet: the figures of the six modes clock by clock, latches, read-back,
 * BCD, gate, and IRQ0's edges.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pit.h"

#define NS 1000000000ULL

static struct bus bus;
static struct timer_queue q;
static struct pit pit;
static u64 clock_ns, tick;
static bool irq;
static unsigned int edges;
static u64 edge_ns[64];

static u64 clock(void)
{
	return clock_ns;
}

static void set_irq(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	(void)line;
	if (level && !irq) {
		edge_ns[edges % 64] = clock_ns;
		edges++;
	}
	irq = level;
}

/* To the middle of the time after so many pulses. */
static void at(u64 pulse)
{
	tick = pulse;
	clock_ns = (pulse * NS + NS / 2) / PIT_HZ;
}

static void run_to(u64 pulse)
{
	u64 end = (pulse * NS + NS / 2) / PIT_HZ;

	while (timer_next(&q) <= end) {
		clock_ns = timer_next(&q);
		timer_run(&q, clock_ns);
	}
	at(pulse);
}

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	timer_queue_init(&q, clock);
	irq = false;
	at(1000);
	pit_init(&pit, &q, (struct irq_line){ .set = set_irq });
	assert_int_equal(pit_attach(&pit, &bus), 0);
	edges = 0;
	return 0;
}

static u32 in(u16 port)
{
	return bus_port_read(&bus, port, 1);
}

static void outb(u16 port, u32 value)
{
	bus_port_write(&bus, port, 1, value);
}

static bool out2(void)
{
	return in(0x61) & 0x20;
}

/* Count of channel 2 by latch command; access is both bytes or the low one. */
static u32 count2(bool both)
{
	u32 low;

	outb(0x43, 0x80);
	low = in(0x42);
	return both ? low | in(0x42) << 8 : low;
}

/*
 * The figures of the sheet, on channel 2, low byte only. `counts` and `out` say what is seen after
 * each pulse, from the one right after the count was written. '^', 'v': the gate changes before
 * this pulse; digits: a new count is written before this pulse; '.': nothing.
 */
static const struct figure {
	const char *name;
	u8 control;
	u8 count;
	bool gate;
	const char *event, *out;
	u8 counts[14];
} figures[] = {
	{ "mode 0",
	  0x90,
	  4,
	  true,
	  "..........",
	  "LLLLHHHHHH",
	  { 4, 3, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb } },
	{ "mode 0, gate",
	  0x90,
	  3,
	  true,
	  "..v..^....",
	  "LLLLLLHHHH",
	  { 3, 2, 2, 2, 2, 1, 0, 0xff, 0xfe, 0xfd } },
	{ "mode 0, new count",
	  0x90,
	  3,
	  true,
	  "...2......",
	  "LLLLLHHHHH",
	  { 3, 2, 1, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc } },
	{ "mode 0, written with the gate low",
	  0x90,
	  2,
	  false,
	  "..^.......",
	  "LLLHHHHHHH",
	  { 2, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa } },
	{ "mode 1",
	  0x92,
	  3,
	  false,
	  "..^....v^..",
	  "HHLLLHHHLLL",
	  { 0, 0, 3, 2, 1, 0, 0xff, 0xfe, 3, 2, 1 } },
	{ "mode 1, retriggered",
	  0x92,
	  3,
	  false,
	  "^.v^......",
	  "LLLLLLHHHH",
	  { 3, 2, 1, 3, 2, 1, 0, 0xff, 0xfe, 0xfd } },
	{ "mode 1, new count",
	  0x92,
	  2,
	  false,
	  "^4..v^....",
	  "LLHHHLLLLH",
	  { 2, 1, 0, 0xff, 0xfe, 4, 3, 2, 1, 0 } },
	{ "mode 2", 0x94, 3, true, "..........", "HHLHHLHHLH", { 3, 2, 1, 3, 2, 1, 3, 2, 1, 3 } },
	{ "mode 2, gate",
	  0x94,
	  3,
	  true,
	  "..v.^.....",
	  "HHHHHHLHHL",
	  { 3, 2, 2, 2, 3, 2, 1, 3, 2, 1 } },
	{ "mode 2, new count",
	  0x94,
	  4,
	  true,
	  ".5........",
	  "HHHLHHHHLH",
	  { 4, 3, 2, 1, 5, 4, 3, 2, 1, 5 } },
	{ "mode 2 as 6",
	  0x9c,
	  3,
	  true,
	  "..........",
	  "HHLHHLHHLH",
	  { 3, 2, 1, 3, 2, 1, 3, 2, 1, 3 } },
	{ "mode 3, even",
	  0x96,
	  4,
	  true,
	  "..........",
	  "HHLLHHLLHH",
	  { 4, 2, 4, 2, 4, 2, 4, 2, 4, 2 } },
	{ "mode 3, odd",
	  0x96,
	  5,
	  true,
	  "..........",
	  "HHHLLHHHLL",
	  { 4, 2, 0, 4, 2, 4, 2, 0, 4, 2 } },
	{ "mode 3, gate",
	  0x96,
	  4,
	  true,
	  "...v.^....",
	  "HHLHHHHLLH",
	  { 4, 2, 4, 4, 4, 4, 2, 4, 2, 4 } },
	{ "mode 3, new count in the high half",
	  0x96,
	  4,
	  true,
	  ".6........",
	  "HHLLLHHHLL",
	  { 4, 2, 6, 4, 2, 6, 4, 2, 6, 4 } },
	{ "mode 3, new count in the low half",
	  0x96,
	  4,
	  true,
	  "...6......",
	  "HHLLHHHLLL",
	  { 4, 2, 4, 2, 6, 4, 2, 6, 4, 2 } },
	{ "mode 4",
	  0x98,
	  3,
	  true,
	  "..........",
	  "HHHLHHHHHH",
	  { 3, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa } },
	{ "mode 4, gate",
	  0x98,
	  3,
	  true,
	  "..v.^.....",
	  "HHHHHLHHHH",
	  { 3, 2, 2, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc } },
	{ "mode 4, new count",
	  0x98,
	  3,
	  true,
	  "..2.......",
	  "HHHHLHHHHH",
	  { 3, 2, 2, 1, 0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb } },
	{ "mode 5",
	  0x9a,
	  3,
	  false,
	  "..^...v^..",
	  "HHHHHLHHHH",
	  { 0, 0, 3, 2, 1, 0, 0xff, 3, 2, 1 } },
	{ "BCD, mode 0",
	  0x91,
	  0x11,
	  true,
	  "..............",
	  "LLLLLLLLLLLHHH",
	  { 0x11, 0x10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0x99, 0x98 } },
	{ "BCD, mode 3",
	  0x97,
	  0x12,
	  true,
	  "..........",
	  "HHHHHHLLLL",
	  { 0x12, 0x10, 8, 6, 4, 2, 0x12, 0x10, 8, 6 } },
};

static void test_figures(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(figures); f++) {
		const struct figure *g = &figures[f];

		setup(state);
		outb(0x61, g->gate);
		outb(0x43, (g->control & 0x3f) | 0x80);
		if (out2() != ((g->control >> 1 & 7) != 0))
			fail_msg("%s: OUT after the control word", g->name);
		at(tick + 3);
		outb(0x42, g->count);
		for (unsigned int i = 0; g->event[i]; i++) {
			u32 got;

			if (g->event[i] == '^' || g->event[i] == 'v')
				outb(0x61, g->event[i] == '^');
			else if (g->event[i] != '.')
				outb(0x42, (u32)(g->event[i] - '0'));
			/* A gate that falls raises OUT of modes 2 and 3 without a pulse. */
			if (g->event[i] == 'v' && (g->control & 4) && (g->control & 8) == 0)
				assert_true(out2());
			at(tick + 1);
			got = count2(false);
			if (got != g->counts[i])
				fail_msg("%s: pulse %u: count %02x, want %02x", g->name, i, got,
					 g->counts[i]);
			if (out2() != (g->out[i] == 'H'))
				fail_msg("%s: pulse %u: OUT is %d", g->name, i, out2());
		}
	}
}

static void test_two_bytes(void **state)
{
	(void)state;
	outb(0x61, 1);
	outb(0x43, 0xb0);
	outb(0x42, 0x34);
	at(tick + 5);
	outb(0x42, 0x12);
	at(tick + 1);
	assert_int_equal(count2(true), 0x1234);
	at(tick + 0x34);
	assert_int_equal(count2(true), 0x1200);
	/* Mode 0: the first byte stops the count and lowers OUT. */
	at(tick + 0x1200);
	assert_true(out2());
	outb(0x42, 0x10);
	assert_false(out2());
	at(tick + 100);
	assert_int_equal(count2(true), 0);
	outb(0x42, 0x00);
	at(tick + 0x10);
	assert_false(out2());
	at(tick + 1);
	assert_true(out2());
	/* High byte only; 0 is 65536 and in BCD 10000. */
	outb(0x43, 0xa0);
	outb(0x42, 0x02);
	at(tick + 2);
	assert_int_equal(in(0x42), 0x01);
	outb(0x43, 0xb0);
	outb(0x42, 0);
	outb(0x42, 0);
	at(tick + 1);
	assert_int_equal(count2(true), 0);
	at(tick + 1);
	assert_int_equal(count2(true), 0xffff);
	at(tick + 65534);
	assert_false(out2());
	at(tick + 1);
	assert_true(out2());
	outb(0x43, 0xb1);
	outb(0x42, 0);
	outb(0x42, 0);
	at(tick + 2);
	assert_int_equal(count2(true), 0x9999);
	at(tick + 9998);
	assert_false(out2());
	at(tick + 1);
	assert_true(out2());
}

static void test_latch(void **state)
{
	(void)state;
	outb(0x43, 0x34); /* channel 0, mode 2 */
	outb(0x40, 0x00);
	outb(0x40, 0x10);
	at(tick + 1 + 0x123);
	outb(0x43, 0x00);
	at(tick + 50);
	outb(0x43, 0x00); /* ignored: one is latched */
	assert_int_equal(in(0x40), 0xdd);
	at(tick + 50);
	assert_int_equal(in(0x40), 0x0e);
	/* Not latched: what it is now, byte by byte. */
	assert_int_equal(in(0x40), 0x79);
	at(tick + 0x100);
	assert_int_equal(in(0x40), 0x0d);
	/* A latch command between the two bytes. */
	assert_int_equal(in(0x40), 0x79);
	at(tick + 0x100);
	outb(0x43, 0x00);
	at(tick + 0x100);
	assert_int_equal(in(0x40), 0x0c);
	assert_int_equal(in(0x40), 0x79);
	assert_int_equal(in(0x40), 0x0b);
	/* A control word forgets the latches. */
	outb(0x43, 0x00);
	outb(0x43, 0x34);
	outb(0x40, 0x77);
	outb(0x40, 0x77);
	at(tick + 1);
	assert_int_equal(in(0x40), 0x77);
	assert_int_equal(in(0x43), 0xff);
}

static void test_read_back(void **state)
{
	(void)state;
	/* Null count until the next pulse after the count. */
	outb(0x43, 0x34);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xf4);
	outb(0x40, 0x34);
	outb(0x40, 0x12);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xf4);
	at(tick + 1);
	outb(0x43, 0xe2);
	at(tick + 1);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xb4);
	/* A count for the next period is not in CE yet. */
	outb(0x40, 0x00);
	outb(0x40, 0x20);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xf4);
	at(tick + 0x1232);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0x74); /* the pulse before the reload: OUT low */
	at(tick + 1);
	outb(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xb4);
	/* Status and count at once: status is read first. Several channels at once. */
	outb(0x61, 1);
	outb(0x43, 0xb1);
	outb(0x42, 0x50);
	outb(0x42, 0x00);
	at(tick + 3);
	outb(0x43, 0xca);
	at(tick + 7);
	outb(0x43, 0xda); /* count latched already: ignored */
	assert_int_equal(in(0x42), 0x31);
	assert_int_equal(in(0x42), 0x48);
	assert_int_equal(in(0x42), 0x00);
	assert_int_equal(in(0x40), 0xb4);
	assert_int_equal(in(0x40), 0xfd);
	assert_int_equal(in(0x40), 0x1f);
	/* A mode's don't-care bit is repeated as written. */
	outb(0x43, 0xbe);
	outb(0x43, 0xe8);
	assert_int_equal(in(0x42), 0xfe);
	/* Mode 1 loads by trigger only. */
	outb(0x61, 0);
	outb(0x43, 0x92);
	outb(0x42, 9);
	at(tick + 5);
	outb(0x43, 0xe8);
	assert_int_equal(in(0x42), 0xd2);
	outb(0x61, 1);
	at(tick + 1);
	outb(0x43, 0xe8);
	assert_int_equal(in(0x42), 0x12);
}

static void test_port61(void **state)
{
	u32 toggles = 0, last;

	(void)state;
	outb(0x61, 0xff);
	assert_int_equal(in(0x61) & 0xcf, 0x0f);
	outb(0x61, 0x00);
	assert_int_equal(in(0x61) & 0xcf, 0x00);
	last = in(0x61);
	for (u64 end = tick + 18 * 100; tick < end; at(tick + 1)) {
		toggles += (in(0x61) ^ last) >> 4 & 1;
		last = in(0x61);
	}
	assert_in_range(toggles, 99, 101);
}

/* 1000 Hz for ten seconds: as many edges as periods, each within a pulse of its place. */
static void test_periodic(void **state)
{
	static const u8 modes[] = { 0x34, 0x36 };

	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		u64 begin;

		setup(state);
		outb(0x43, modes[m]);
		outb(0x40, 1193 & 0xff);
		outb(0x40, 1193 >> 8);
		begin = tick + 1;
		run_to(tick);
		edges = 0;
		run_to(begin + 1193 * 10000 - 1);
		assert_int_equal(edges, 9999);
		run_to(begin + 1193 * 10000 + 1);
		assert_int_equal(edges, 10000);
		assert_in_range(edge_ns[9999 % 64], (begin + 1193 * 10000ULL) * NS / PIT_HZ,
				(begin + 1193 * 10000ULL) * NS / PIT_HZ + 1);
	}
}

static void test_late(void **state)
{
	u64 period = clock_ns;

	(void)state;
	outb(0x43, 0x34);
	outb(0x40, 1193 & 0xff);
	outb(0x40, 1193 >> 8);
	edges = 0;
	/* Four periods late: one edge at once, the rest half a period apart, none lost. */
	at(tick + 1 + 1193 * 4 + 10);
	timer_run(&q, clock_ns);
	assert_int_equal(edges, 1);
	timer_run(&q, clock_ns);
	assert_int_equal(edges, 1);
	period = clock_ns;
	assert_in_range(timer_next(&q), period + 490000, period + 510000);
	run_to(tick + 1193 * 16);
	assert_int_equal(edges, 20);
	/* A second late: one edge. */
	edges = 0;
	at(tick + PIT_HZ);
	timer_run(&q, clock_ns);
	assert_int_equal(edges, 1);
	assert_true(timer_next(&q) > clock_ns + 1000);
	run_to(tick + 1193 * 10);
	assert_int_equal(edges, 11);
	/* No storm from the shortest counts. */
	outb(0x43, 0x14);
	outb(0x40, 1);
	edges = 0;
	run_to(tick + PIT_HZ / 100);
	assert_in_range(edges, 900, 1001);
}

static void test_irq0_modes(void **state)
{
	u64 begin;

	(void)state;
	/* Mode 0: low by the control word, one edge at terminal count. */
	outb(0x43, 0x34);
	assert_true(irq);
	outb(0x43, 0x30);
	assert_false(irq);
	edges = 0;
	outb(0x40, 0x00);
	assert_true(timer_next(&q) == UINT64_MAX);
	outb(0x40, 0x01);
	begin = tick + 1;
	run_to(begin + 255);
	assert_int_equal(edges, 0);
	run_to(begin + 256);
	assert_int_equal(edges, 1);
	run_to(begin + 200000);
	assert_int_equal(edges, 1);
	assert_true(timer_next(&q) == UINT64_MAX);
	/* Mode 4: the edge that ends the strobe. */
	outb(0x43, 0x38);
	outb(0x40, 0x00);
	outb(0x40, 0x01);
	begin = tick + 1;
	run_to(begin + 256);
	assert_int_equal(edges, 1);
	run_to(begin + 257);
	assert_int_equal(edges, 2);
	run_to(begin + 200000);
	assert_int_equal(edges, 2);
	/* Modes 1 and 5 wait for a gate that never rises. */
	outb(0x43, 0x3a);
	outb(0x40, 0x00);
	outb(0x40, 0x01);
	run_to(tick + 200000);
	assert_int_equal(edges, 2);
	/* A new period begins when the old one has ended; the edge between them is made. */
	outb(0x43, 0x34);
	outb(0x40, 0xe8);
	outb(0x40, 0x03);
	begin = tick + 1;
	run_to(begin + 1100);
	assert_int_equal(edges, 3);
	outb(0x40, 0xf4);
	outb(0x40, 0x01);
	run_to(begin + 1999);
	assert_int_equal(edges, 3);
	run_to(begin + 2000);
	assert_int_equal(edges, 4);
	run_to(begin + 2501);
	assert_int_equal(edges, 5);
	/* An edge that is due but was not yet made survives a write. */
	at(begin + 3001);
	outb(0x40, 0xf4);
	assert_int_equal(edges, 6);
	pit_reset(&pit);
	assert_false(irq);
	assert_true(timer_next(&q) == UINT64_MAX);
}

static void test_square_reload(void **state)
{
	u64 begin;

	(void)state;
	outb(0x43, 0x36);
	outb(0x40, 0xe8);
	outb(0x40, 0x03); /* 1000 */
	begin = tick + 1;
	run_to(begin + 100);
	edges = 0;
	outb(0x40, 0xc8);
	outb(0x40, 0x00); /* 200, from the end of the high half */
	run_to(begin + 599);
	assert_int_equal(edges, 0);
	run_to(begin + 600);
	assert_int_equal(edges, 1);
	run_to(begin + 800);
	assert_int_equal(edges, 2);
	run_to(begin + 999);
	assert_int_equal(edges, 2);
}

static void test_random(void **state)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, 0x61, 0x43, 0x40, 0x42 };
	u32 seed = 7;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed & 0x10000000)
			in(ports[seed >> 8 & 7]);
		else
			outb(ports[seed >> 8 & 7], seed >> 16 & 0xff);
		clock_ns += seed >> 14;
		timer_run(&q, clock_ns);
	}
	/* And at the far end of time. */
	clock_ns = UINT64_MAX / 2;
	for (int i = 0; i < 1000; i++) {
		seed = seed * 1664525 + 1013904223;
		outb(ports[seed >> 8 & 7], seed >> 16 & 0xff);
		in(ports[seed >> 11 & 7]);
		timer_run(&q, clock_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_figures, setup),
		cmocka_unit_test_setup(test_two_bytes, setup),
		cmocka_unit_test_setup(test_latch, setup),
		cmocka_unit_test_setup(test_read_back, setup),
		cmocka_unit_test_setup(test_port61, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_late, setup),
		cmocka_unit_test_setup(test_irq0_modes, setup),
		cmocka_unit_test_setup(test_square_reload, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
