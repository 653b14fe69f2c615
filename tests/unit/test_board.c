/* SPDX-License-Identifier: MIT */
/*
 * The board's wiring: which ports are claimed, which interrupt goes where, requests, reset.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "board.h"

static struct board *board;
static u64 now_ns;
static unsigned int kicks;
static unsigned int sent;
static const char *input;

static u64 clock(void)
{
	return now_ns;
}

static u64 wallclock(void)
{
	return now_ns + 1700000000ULL * 1000000000ULL;
}

static void kick(void *ctx)
{
	assert_ptr_equal(ctx, &kicks);
	kicks++;
}

static bool tx(void *ctx, u8 byte)
{
	(void)ctx;
	(void)byte;
	sent++;
	return true;
}

static int rx(void *ctx)
{
	(void)ctx;
	return input && *input ? *input++ : -1;
}

static const struct board_host host = {
	.now = clock,
	.wallclock = wallclock,
	.com1 = { .tx = tx, .rx = rx },
	.debug_exit_port = 0xf4,
	.kick = kick,
	.ctx = &kicks,
};

static int setup(void **state)
{
	(void)state;
	board = test_calloc(1, sizeof(*board));
	now_ns = 1000000;
	kicks = 0;
	input = NULL;
	assert_int_equal(board_init(board, &host, 512ULL << 20, 0), 0);
	kicks = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_free(board);
	return 0;
}

static u32 in(u16 port)
{
	return bus_port_read(&board->bus, port, 1);
}

static void out(u16 port, u32 value)
{
	bus_port_write(&board->bus, port, 1, value);
}

static void test_ports(void **state)
{
	static const struct {
		u16 first, last;
	} claimed[] = {
		{ 0x20, 0x21 },	  { 0x40, 0x43 },   { 0x60, 0x61 },   { 0x64, 0x64 },
		{ 0x70, 0x71 },	  { 0x80, 0x80 },   { 0x92, 0x92 },   { 0xa0, 0xa1 },
		{ 0xb2, 0xb3 },	  { 0xf4, 0xf7 },   { 0x3f8, 0x3ff }, { 0x4d0, 0x4d1 },
		{ 0x510, 0x511 }, { 0x600, 0x60b }, { 0xcf8, 0xcff }, { 0x8900, 0x8900 },
	};
	size_t c = 0;

	(void)state;
	for (u32 port = 0; port < 65536; port++) {
		bool want;

		while (c < ARRAY_SIZE(claimed) && port > claimed[c].last)
			c++;
		want = c < ARRAY_SIZE(claimed) && port >= claimed[c].first;
		if ((board->bus.owner[port] != 0) != want)
			fail_msg("port %04x: %d", port, board->bus.owner[port]);
	}
	/* CF9 to bytes is the reset control, CF8 to dwords the PCI address. */
	assert_int_equal(in(0xcf9), 0);
	bus_port_write(&board->bus, 0xcf8, 4, 0x80000800);
	assert_int_equal(bus_port_read(&board->bus, 0xcfc, 4), 0x70008086);
	assert_int_equal(board->request, BOARD_NONE);
	assert_int_equal(bus_mmio_read(&board->bus, IOAPIC_BASE, 4), 0);
}

/* Sets up both 8259A: vectors 20 and 28, all unmasked. */
static void init_pics(void)
{
	out(0x20, 0x11);
	out(0x21, 0x20);
	out(0x21, 0x04);
	out(0x21, 0x01);
	out(0xa0, 0x11);
	out(0xa1, 0x28);
	out(0xa1, 0x02);
	out(0xa1, 0x01);
	out(0x21, 0x00);
	out(0xa1, 0x00);
}

static void test_irqs(void **state)
{
	(void)state;
	init_pics();
	for (unsigned int irq = 0; irq < 16; irq++) {
		unsigned int pin = irq == 0 ? 2 : irq;

		kicks = 0;
		board_isa_irq(board, irq, true);
		if (irq == 2) {
			assert_false(pic_pending(&board->pic));
			assert_int_equal(board->ioapic.lines, 0);
			continue;
		}
		assert_true(pic_pending(&board->pic));
		assert_int_equal(board->ioapic.lines, 1U << pin);
		assert_true(kicks > 0);
		assert_int_equal(pic_ack(&board->pic), 0x20 + irq);
		board_isa_irq(board, irq, false);
		assert_int_equal(board->ioapic.lines, 0);
		out(0xa0, 0x20);
		out(0x20, 0x20);
		assert_false(pic_pending(&board->pic));
	}
	board_isa_irq(board, 16, true);
	board_isa_irq(board, 1000, true);
	assert_int_equal(board->ioapic.lines, 0);
}

static void test_devices_irqs(void **state)
{
	(void)state;
	init_pics();
	/* Keyboard. */
	out(0x60, 0xee);
	assert_int_equal(pic_ack(&board->pic), 0x21);
	assert_int_equal(in(0x60), 0xee);
	out(0x20, 0x20);
	/* COM1. */
	out(0x3fc, 0x08);
	out(0x3f9, 0x01);
	input = "x";
	uart_backend_ready(&board->uart[0]);
	assert_int_equal(pic_ack(&board->pic), 0x24);
	assert_int_equal(in(0x3f8), 'x');
	out(0x20, 0x20);
	/* PIT, mode 2, 1000 Hz. */
	out(0x43, 0x34);
	out(0x20, 0x20);
	if (pic_pending(&board->pic))
		pic_ack(&board->pic); /* OUT0 rose with the control word */
	out(0x20, 0x20);
	out(0x40, 0xa9);
	out(0x40, 0x04);
	now_ns += 1001000;
	timer_run(&board->timers, now_ns);
	assert_int_equal(pic_ack(&board->pic), 0x20);
	assert_int_equal(board->ioapic.lines, 1U << 2);
	out(0x20, 0x20);
	/* RTC, update ended. */
	out(0x70, 0x0b);
	out(0x71, 0x12);
	now_ns += 1000000000;
	out(0x43, 0x30);
	timer_run(&board->timers, now_ns);
	while (pic_pending(&board->pic) && pic_ack(&board->pic) != 0x28)
		out(0x20, 0x20);
	assert_int_equal(board->ioapic.lines, 1U << 8);
	out(0x70, 0x0c);
	assert_int_equal(in(0x71) & 0x90, 0x90);
	assert_int_equal(board->ioapic.lines, 0);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	/* SCI. */
	out(0xb2, 0xf1);
	bus_port_write(&board->bus, 0x602, 2, 0x100);
	acpi_pm_power_button(&board->pm);
	assert_int_equal(pic_ack(&board->pic), 0x29);
	assert_int_equal(board->ioapic.lines, 1U << 9);
}

static void test_requests(void **state)
{
	static const struct {
		u16 port;
		unsigned int size;
		u32 value;
		enum board_request request;
	} t[] = {
		{ 0xcf9, 1, 0x02, BOARD_NONE },	       { 0xcf9, 1, 0x06, BOARD_RESET },
		{ 0xcf9, 1, 0x0e, BOARD_RESET },       { 0x92, 1, 0x02, BOARD_NONE },
		{ 0x92, 1, 0x01, BOARD_RESET },	       { 0x92, 1, 0x03, BOARD_RESET },
		{ 0x64, 1, 0xfe, BOARD_RESET },	       { 0x605, 1, 0x20, BOARD_POWER_OFF },
		{ 0x604, 2, 0x2000, BOARD_POWER_OFF }, { 0xf4, 4, 0x1234, BOARD_DEBUG_EXIT },
		{ 0xf4, 1, 0x34, BOARD_DEBUG_EXIT },   { 0xf5, 1, 0x34, BOARD_NONE },
		{ 0x80, 1, 0x34, BOARD_NONE },	       { 0xcf8, 2, 0x0600, BOARD_NONE },
		{ 0xcf9, 2, 0x0006, BOARD_NONE },      { 0xcf8, 4, 0x0600, BOARD_NONE },
		{ 0xcf7, 4, 0x060000, BOARD_NONE },    { 0xcf6, 4, 0x06000000, BOARD_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		board_reset(board);
		kicks = 0;
		bus_port_write(&board->bus, t[i].port, t[i].size, t[i].value);
		if (board->request != t[i].request)
			fail_msg("case %zu: request %d", i, (int)board->request);
		assert_int_equal(kicks, t[i].request != BOARD_NONE);
		if (t[i].request == BOARD_DEBUG_EXIT)
			assert_int_equal(board->debug_exit_value, t[i].value);
	}
	/* The first one stands. */
	board_reset(board);
	out(0xcf9, 0x06);
	bus_port_write(&board->bus, 0x604, 2, 0x2000);
	out(0xf4, 1);
	assert_int_equal(board->request, BOARD_RESET);
	/* The reset bits are edges. */
	board->request = BOARD_NONE;
	out(0xcf9, 0x06);
	assert_int_equal(board->request, BOARD_NONE);
	out(0xcf9, 0x02);
	out(0xcf9, 0x06);
	assert_int_equal(board->request, BOARD_RESET);
	out(0x92, 0x02);
	assert_int_equal(in(0x92), 0x02);
	out(0x80, 0x77);
	assert_int_equal(in(0x80), 0x77);
}

static void test_pm_moves(void **state)
{
	(void)state;
	bus_port_write(&board->bus, 0xcf8, 4, 0x80000b40);
	bus_port_write(&board->bus, 0xcfc, 4, 0xb001);
	assert_int_equal(bus_port_read(&board->bus, 0x600, 4), 0xffffffff);
	bus_port_write(&board->bus, 0xb002, 2, 0x20);
	assert_int_equal(bus_port_read(&board->bus, 0xb000, 4), 0x00200000);
	board_reset(board);
	assert_int_equal(bus_port_read(&board->bus, 0x600, 4), 0);
	assert_int_equal(bus_port_read(&board->bus, 0xb000, 4), 0xffffffff);
}

static void say(const char *word)
{
	for (; *word; word++)
		out(0x8900, (u8)*word);
}

/* The word, whatever came before; nothing else. */
static void test_shutdown_word(void **state)
{
	static const struct {
		const char *before, *word;
		enum board_request request;
	} t[] = {
		{ "", "Shutdown", BOARD_POWER_OFF },	{ "Shut", "Shutdown", BOARD_POWER_OFF },
		{ "xyz", "Shutdown", BOARD_POWER_OFF }, { "", "Shutdow", BOARD_NONE },
		{ "", "shutdown", BOARD_NONE },		{ "Shutdow", "x", BOARD_NONE },
		{ "Shut", "down!", BOARD_POWER_OFF },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		board_reset(board);
		say(t[i].before);
		assert_int_equal(board->request, BOARD_NONE);
		say(t[i].word);
		if (board->request != t[i].request)
			fail_msg("case %zu: request %d", i, (int)board->request);
	}
	board_reset(board);
	say("Shut");
	board_reset(board);
	say("down");
	assert_int_equal(board->request, BOARD_NONE);
}

static void test_test_device(void **state)
{
	struct board_host with = host;

	(void)state;
	/* Only when asked for. */
	bus_port_write(&board->bus, 0xe0, 4, 0x12345678);
	assert_int_equal(bus_port_read(&board->bus, 0xe0, 4), 0xffffffff);
	bus_mmio_write(&board->bus, 0xff000000, 4, 1);
	assert_int_equal(bus_mmio_read(&board->bus, 0xff000000, 4), 0xffffffff);
	with.test_device = true;
	memset(board, 0, sizeof(*board));
	assert_int_equal(board_init(board, &with, 512ULL << 20, 4ULL << 30), 0);
	bus_port_write(&board->bus, 0xe0, 4, 0x12345678);
	out(0xe2, 0x9a);
	assert_int_equal(bus_port_read(&board->bus, 0xe0, 4), 0x129a5678);
	assert_int_equal(bus_port_read(&board->bus, 0xe1, 2), 0x9a56);
	bus_port_write(&board->bus, 0xe4, 4, 0x1000);
	bus_mmio_write(&board->bus, 0xff00fff8, 8, 0x1122334455667788);
	assert_int_equal(bus_mmio_read(&board->bus, 0xff00fff9, 1), 0x77);
	assert_int_equal(bus_mmio_read(&board->bus, 0xff00fffc, 4), 0x11223344);
	assert_int_equal(bus_mmio_read(&board->bus, 0xff00fffd, 8), 0xffffffffff112233);
	/* A line: for the first 16 the 8259s too. */
	out(0x2005, 1);
	out(0x20, 0x0a);
	assert_int_equal(in(0x20), 1 << 5);
	out(0x2005, 0);
	assert_int_equal(in(0x20), 0);
	out(0x2017, 1);
	out(0x2017, 0);
	board_reset(board);
	assert_int_equal(bus_port_read(&board->bus, 0xe0, 4), 0);
	assert_int_equal(bus_mmio_read(&board->bus, 0xff00fff8, 8), 0);
}

static void test_no_debug_exit(void **state)
{
	struct board_host plain = host;

	(void)state;
	plain.debug_exit_port = 0;
	plain.com1 = (struct uart_backend){ .tx = NULL };
	memset(board, 0, sizeof(*board));
	assert_int_equal(board_init(board, &plain, 512ULL << 20, 4ULL << 30), 0);
	out(0xf4, 1);
	assert_int_equal(board->request, BOARD_NONE);
	out(0x3f8, 'x');
	/* A port that another device has cannot be the debug exit. */
	plain.debug_exit_port = 0x3f8;
	memset(board, 0, sizeof(*board));
	assert_true(board_init(board, &plain, 512ULL << 20, 0) < 0);
}

/* Power-on state again after anything at all. */
static void test_reset(void **state)
{
	u32 seed = 11;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		u16 port;

		seed = seed * 1664525 + 1013904223;
		port = (u16)(seed >> 8);
		if (seed & 0x40000000)
			port &= 0xff;
		if (seed & 0x10000000)
			bus_port_read(&board->bus, port, 1U << (seed % 3));
		else
			bus_port_write(&board->bus, port, 1U << (seed % 3), seed * 77);
		now_ns += seed >> 16;
		timer_run(&board->timers, now_ns);
	}
	board_reset(board);
	assert_int_equal(board->request, BOARD_NONE);
	assert_int_equal(board->ioapic.lines, 0);
	assert_false(pic_pending(&board->pic));
	assert_true(timer_next(&board->timers) == UINT64_MAX);
	test_ports(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irqs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices_irqs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pm_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shutdown_word, setup, teardown),
		cmocka_unit_test_setup_teardown(test_test_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_debug_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
