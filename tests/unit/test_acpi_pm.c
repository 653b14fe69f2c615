/* SPDX-License-Identifier: MIT */
/*
 * ACPI PM1 and timer registers, the SMI command port, S5 (ACPI 6.4 4.8.3; 82371AB data sheet).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/acpi_pm.h"

#define SEC	1000000000ULL
#define HALF_NS 2343484436ULL /* 2^23 pulses */

static struct bus bus;
static struct timer_queue q;
static struct acpi_pm pm;
static u64 now_ns;
static bool sci;
static unsigned int offs;

static u64 clock(void)
{
	return now_ns;
}

static void set_irq(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	(void)line;
	sci = level;
}

static void power_off(void *ctx)
{
	assert_ptr_equal(ctx, &pm);
	offs++;
}

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	now_ns = 0;
	sci = false;
	offs = 0;
	timer_queue_init(&q, clock);
	acpi_pm_init(&pm, &q, (struct irq_line){ .set = set_irq }, power_off, &pm);
	assert_int_equal(acpi_pm_attach(&pm, &bus), 0);
	return 0;
}

static u32 in(u16 port, unsigned int size)
{
	return bus_port_read(&bus, port, size);
}

static void out(u16 port, unsigned int size, u32 value)
{
	bus_port_write(&bus, port, size, value);
}

static void pass(u64 ns)
{
	now_ns += ns;
	timer_run(&q, now_ns);
}

static void test_timer(void **state)
{
	(void)state;
	assert_int_equal(in(0x608, 4), 0);
	pass(SEC);
	assert_int_equal(in(0x608, 4), 3579545);
	assert_int_equal(in(0x608, 2), 3579545 & 0xffff);
	assert_int_equal(in(0x609, 1), 3579545 >> 8 & 0xff);
	out(0x608, 4, 0);
	assert_int_equal(in(0x608, 4), 3579545);
	pass(4 * SEC);
	assert_int_equal(in(0x608, 4), 5 * 3579545 - (1 << 24));
}

static void test_carry(void **state)
{
	(void)state;
	/* The status comes by itself, with both changes of bit 23. */
	pass(HALF_NS - 1000);
	assert_int_equal(in(0x600, 2), 0);
	pass(2000);
	assert_int_equal(in(0x600, 2), 1);
	out(0x600, 2, 1);
	assert_int_equal(in(0x600, 2), 0);
	pass(HALF_NS);
	assert_int_equal(in(0x600, 2), 1);
	/* Neither enable nor SCI_EN alone is enough. */
	out(0x602, 2, 1);
	assert_false(sci);
	out(0xb2, 1, 0xf1);
	assert_true(sci);
	assert_int_equal(in(0x604, 2), 1);
	out(0x600, 2, 1);
	assert_false(sci);
	for (int i = 0; i < 5; i++) {
		assert_in_range(timer_next(&q), now_ns + HALF_NS - 2000, now_ns + HALF_NS + 2000);
		pass(timer_next(&q) - now_ns);
		assert_true(sci);
		assert_true(timer_next(&q) == UINT64_MAX);
		out(0x600, 1, 1);
		assert_false(sci);
	}
	out(0xb2, 1, 0xf0);
	assert_int_equal(in(0x604, 2), 0);
	assert_true(timer_next(&q) == UINT64_MAX);
	assert_int_equal(in(0xb2, 1), 0xf0);
	out(0xb3, 1, 0x5a);
	assert_int_equal(in(0xb2, 2), 0x5af0);
}

static void test_registers(void **state)
{
	static const struct {
		u16 port;
		unsigned int size;
		u32 write;
		u32 read; /* dword at 600 afterwards, and control */
		u16 control;
	} t[] = {
		{ 0x602, 2, 0xffff, 0x05210000, 0 },
		{ 0x602, 1, 0x00, 0x05000000, 0 },
		{ 0x603, 1, 0x00, 0x00000000, 0 },
		{ 0x600, 4, 0xffffffff, 0x05210000, 0 },
		{ 0x601, 2, 0x0000, 0x05000000, 0 },
		{ 0x604, 2, 0x0403, 0x05000000, 0x0403 },
		{ 0x605, 1, 0x18, 0x05000000, 0x1803 },
		{ 0x604, 2, 0xc1f4, 0x05000000, 0x0000 },
		{ 0x602, 4, 0x00030001, 0x00010000, 0x0003 },
		{ 0x60a, 2, 0xffff, 0x00010000, 0x0003 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		out(t[i].port, t[i].size, t[i].write);
		if (in(0x600, 4) != t[i].read || in(0x604, 2) != t[i].control)
			fail_msg("step %zu: %08x %04x", i, in(0x600, 4), in(0x604, 2));
	}
	assert_int_equal(in(0x606, 2), 0);
	assert_int_equal(offs, 0);
}

static void test_power(void **state)
{
	(void)state;
	for (u32 type = 0; type < 8; type++) {
		offs = 0;
		out(0x604, 2, type << 10);
		assert_int_equal(offs, 0);
		out(0x604, 2, type << 10 | 1 << 13);
		assert_int_equal(offs, type == 0);
		assert_int_equal(in(0x604, 2), type << 10);
	}
	/* The high byte alone is an access, too. */
	offs = 0;
	out(0x605, 1, 0x20);
	assert_int_equal(offs, 1);
	out(0x604, 2, 1);
	out(0x602, 2, 0x100);
	acpi_pm_power_button(&pm);
	assert_true(sci);
	assert_int_equal(in(0x600, 2), 0x100);
	out(0x601, 1, 0x01);
	assert_false(sci);
	acpi_pm_power_button(&pm);
	acpi_pm_reset(&pm);
	assert_false(sci);
	assert_int_equal(in(0x600, 4), 0);
}

static void test_move(void **state)
{
	(void)state;
	acpi_pm_move(&pm, 0xb000);
	assert_int_equal(in(0x600, 4), 0xffffffff);
	out(0xb002, 2, 0x20);
	assert_int_equal(in(0xb000, 4), 0x00200000);
	/* Onto another device: nowhere, until it is moved away again. */
	acpi_pm_move(&pm, 0x80);
	assert_int_equal(in(0xb000, 4), 0xffffffff);
	acpi_pm_move(&pm, 0x80 + 0x2c);
	assert_int_equal(in(0xac, 4), 0xffffffff);
	acpi_pm_move(&pm, 0);
	acpi_pm_move(&pm, 0x600);
	assert_int_equal(in(0x600, 4), 0x00200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_timer, setup),
		cmocka_unit_test_setup(test_carry, setup),
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_power, setup),
		cmocka_unit_test_setup(test_move, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
