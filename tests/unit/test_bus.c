/* SPDX-License-Identifier: MIT */
/*
 * The bus: ownership, splitting, ranges of different widths over one another, the count of what
 * nobody claims.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bus.h"
#include "errors.h"

/* A device that logs its accesses and reads as (tag, offset) in each byte. */
struct probe {
	u8 tag;
	unsigned int n;
	struct {
		u64 offset, value;
		unsigned int size;
	} log[16];
};

static struct bus bus;
static struct probe a, b, c;

static u32 probe_read(void *dev, u16 offset, unsigned int size)
{
	struct probe *p = dev;
	u32 value = 0xa5a5a5a5;

	for (unsigned int i = 0; i < size; i++) {
		value &= ~(0xffU << (8 * i));
		value |= (u32)(u8)(p->tag + offset + i) << (8 * i);
	}
	return value;
}

static void probe_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct probe *p = dev;

	assert_true(p->n < 16);
	p->log[p->n].offset = offset;
	p->log[p->n].size = size;
	p->log[p->n++].value = value;
}

static u64 probe_mmio_read(void *dev, u64 offset, unsigned int size)
{
	struct probe *p = dev;
	u64 value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (u64)(u8)(p->tag + offset + i) << (8 * i);
	return value;
}

static void probe_mmio_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct probe *p = dev;

	assert_true(p->n < 16);
	p->log[p->n].offset = offset;
	p->log[p->n].size = size;
	p->log[p->n++].value = value;
}

static const struct port_ops byte_ops = {
	.read = probe_read, .write = probe_write, .max_size = 1, .min_size = 0, .name = "byte"
};
static const struct port_ops word_ops = {
	.read = probe_read, .write = probe_write, .max_size = 2, .min_size = 0, .name = "word"
};
static const struct port_ops dword_ops = {
	.read = probe_read, .write = probe_write, .max_size = 4, .min_size = 0, .name = "dword"
};
static const struct port_ops only_dword_ops = {
	.read = probe_read, .write = probe_write, .max_size = 4, .min_size = 4, .name = "only dword"
};
static const struct port_ops no_ops = {
	.read = probe_read, .write = probe_write, .max_size = 1, .min_size = 4, .name = "nothing"
};
static const struct mmio_ops mmio_ops = { probe_mmio_read, probe_mmio_write, "mmio" };

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	a = (struct probe){ .tag = 0x10 };
	b = (struct probe){ .tag = 0x20 };
	c = (struct probe){ .tag = 0x30 };
	return 0;
}

static void test_read_split(void **state)
{
	static const struct {
		u16 port;
		unsigned int size;
		u32 value;
	} t[] = {
		{ 0x100, 1, 0x10 },	  { 0x107, 1, 0x17 },	    { 0x100, 2, 0x1110 },
		{ 0x100, 4, 0x13121110 }, { 0x106, 4, 0x21201716 }, { 0x108, 4, 0x23222120 },
		{ 0x109, 4, 0xff232221 }, { 0x0ff, 2, 0x10ff },	    { 0x10c, 4, 0xffffffff },
		{ 0x200, 4, 0x33323130 }, { 0x200, 2, 0x3130 },	    { 0x202, 4, 0xffff3332 },
		{ 0xffff, 1, 0x10 },	  { 0xffff, 2, 0xff10 },    { 0xfffe, 4, 0xffff10ff },
		{ 0, 1, 0xff },		  { 0, 4, 0xffffffff },
	};

	(void)state;
	assert_int_equal(bus_add_port(&bus, 0x100, 8, &byte_ops, &a), 0);
	assert_int_equal(bus_add_port(&bus, 0x108, 4, &word_ops, &b), 0);
	assert_int_equal(bus_add_port(&bus, 0x200, 4, &dword_ops, &c), 0);
	assert_int_equal(bus_add_port(&bus, 0xffff, 1, &byte_ops, &a), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(bus_port_read(&bus, t[i].port, t[i].size), t[i].value);
}

static void test_write_split(void **state)
{
	(void)state;
	assert_int_equal(bus_add_port(&bus, 0x100, 2, &byte_ops, &a), 0);
	assert_int_equal(bus_add_port(&bus, 0x102, 4, &dword_ops, &b), 0);
	bus_port_write(&bus, 0x101, 4, 0x44332211);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.log[0].offset, 1);
	assert_int_equal(a.log[0].value, 0x11);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.log[2].offset, 2);
	assert_int_equal(b.log[2].value, 0x44);
	assert_int_equal(b.log[2].size, 1);
	bus_port_write(&bus, 0x102, 4, 0x88776655);
	assert_int_equal(b.log[3].size, 4);
	assert_int_equal(b.log[3].value, 0x88776655);
	/* What does not belong to the access is cut off. */
	bus_port_write(&bus, 0x102, 2, 0x12345678);
	assert_int_equal(b.log[4].value, 0x5678);
	bus_port_write(&bus, 0x100, 1, 0x12345678);
	assert_int_equal(a.log[1].value, 0x78);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(bus_add_port(&bus, 0x100, 0, &byte_ops, &a), -EINVAL);
	assert_int_equal(bus_add_port(&bus, 0xffff, 2, &byte_ops, &a), -EINVAL);
	assert_int_equal(bus_add_port(&bus, 0x100, 1, &no_ops, &a), -EINVAL);
	assert_int_equal(bus_add_port(&bus, 0x100, 4, &byte_ops, &a), 0);
	assert_int_equal(bus_add_port(&bus, 0x103, 4, &byte_ops, &b), -EBUSY);
	assert_int_equal(bus_add_port(&bus, 0xfd, 4, &dword_ops, &b), -EBUSY);
	assert_int_equal(bus_add_port(&bus, 0xfc, 4, &byte_ops, &b), 0);
	for (u16 i = 2; i < BUS_PORT_RANGES; i++)
		assert_int_equal(bus_add_port(&bus, 0x1000 + i, 1, &byte_ops, &b), 0);
	assert_int_equal(bus_add_port(&bus, 0x2000, 1, &byte_ops, &b), -ENOSPC);
	assert_int_equal(bus_remove_port(&bus, 0x100, 3), -ENOENT);
	assert_int_equal(bus_remove_port(&bus, 0x100, 4), 0);
	assert_int_equal(bus_port_read(&bus, 0x100, 1), 0xff);
	assert_int_equal(bus_add_port(&bus, 0x2000, 1, &byte_ops, &b), 0);
	assert_int_equal(bus_port_read(&bus, 0x2000, 1), 0x20);
}

/* CF8 and CF9, in both orders of attachment. */
static void test_widths(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		setup(NULL);
		if (order)
			assert_int_equal(bus_add_port(&bus, 0xcf9, 1, &byte_ops, &b), 0);
		assert_int_equal(bus_add_port(&bus, 0xcf8, 4, &only_dword_ops, &a), 0);
		if (!order)
			assert_int_equal(bus_add_port(&bus, 0xcf9, 1, &byte_ops, &b), 0);
		assert_int_equal(bus_port_read(&bus, 0xcf8, 4), 0x13121110);
		assert_int_equal(bus_port_read(&bus, 0xcf8, 1), 0xff);
		assert_int_equal(bus_port_read(&bus, 0xcf9, 1), 0x20);
		assert_int_equal(bus_port_read(&bus, 0xcf8, 2), 0x20ff);
		assert_int_equal(bus_port_read(&bus, 0xcf9, 4), 0xffffff20);
		bus_port_write(&bus, 0xcf8, 4, 0x80000000);
		bus_port_write(&bus, 0xcf9, 1, 6);
		assert_int_equal(a.n, 1);
		assert_int_equal(b.n, 1);
		assert_int_equal(bus_add_port(&bus, 0xcfa, 1, &dword_ops, &c), -EBUSY);
		/* The same where the ranges begin at one port. */
		if (order)
			assert_int_equal(bus_add_port(&bus, 0x500, 1, &byte_ops, &b), 0);
		assert_int_equal(bus_add_port(&bus, 0x500, 4, &only_dword_ops, &a), 0);
		if (!order)
			assert_int_equal(bus_add_port(&bus, 0x500, 1, &byte_ops, &b), 0);
		assert_int_equal(bus_port_read(&bus, 0x500, 4), 0x13121110);
		assert_int_equal(bus_port_read(&bus, 0x500, 1), 0x20);
		/* Without the one the other remains. */
		assert_int_equal(bus_remove_port(&bus, 0xcf8, 4), 0);
		assert_int_equal(bus_port_read(&bus, 0xcf9, 1), 0x20);
		assert_int_equal(bus_port_read(&bus, 0xcf8, 4), 0xffff20ff);
	}
}

static u64 count_of(enum bus_space space, u64 where)
{
	for (unsigned int i = 0; i < bus.unhandleds; i++)
		if (bus.unhandled[i].where == where && bus.unhandled[i].space == space)
			return bus.unhandled[i].count;
	return 0;
}

static void test_unhandled(void **state)
{
	(void)state;
	bus_port_read(&bus, 0x300, 4);
	bus_port_write(&bus, 0x300, 1, 0);
	bus_mmio_read(&bus, 0x300, 4);
	bus_note_unhandled(&bus, BUS_MSR, 0x300);
	assert_int_equal(count_of(BUS_PORT, 0x300), 2);
	assert_int_equal(count_of(BUS_MEMORY, 0), 1);
	assert_int_equal(count_of(BUS_MSR, 0x300), 1);
	bus_mmio_write(&bus, 0xd0001ffe, 4, 0);
	assert_int_equal(count_of(BUS_MEMORY, 0xd0001000), 1);
	assert_int_equal(bus.unhandleds, 4);
	for (u16 i = 0; i < 100; i++)
		bus_port_read(&bus, 0x400 + i, 1);
	assert_int_equal(bus.unhandleds, BUS_UNHANDLED);
	assert_int_equal(bus.unhandled_others, 104 - BUS_UNHANDLED);
	/* What has a slot goes on counting. */
	bus_port_read(&bus, 0x400, 1);
	assert_int_equal(count_of(BUS_PORT, 0x400), 2);
	bus_forget_unhandled(&bus);
	assert_int_equal(bus.unhandleds, 0);
	assert_int_equal(bus.unhandled_others, 0);
	bus_port_read(&bus, 0x463, 1);
	assert_int_equal(count_of(BUS_PORT, 0x463), 1);
}

static void test_mmio(void **state)
{
	(void)state;
	assert_int_equal(bus_add_mmio(&bus, 0xfec00000, 0, &mmio_ops, &a), -EINVAL);
	assert_int_equal(bus_add_mmio(&bus, UINT64_MAX, 2, &mmio_ops, &a), -EINVAL);
	assert_int_equal(bus_add_mmio(&bus, 0xfec00000, 0x1000, &mmio_ops, &a), 0);
	assert_int_equal(bus_add_mmio(&bus, 0xfec00fff, 1, &mmio_ops, &b), -EBUSY);
	assert_int_equal(bus_add_mmio(&bus, 0xfebfffff, 2, &mmio_ops, &b), -EBUSY);
	assert_int_equal(bus_add_mmio(&bus, 0xfec01000, 0x1000, &mmio_ops, &b), 0);
	assert_int_equal(bus_add_mmio(&bus, UINT64_MAX, 1, &mmio_ops, &c), 0);
	assert_int_equal(bus_mmio_read(&bus, 0xfec00010, 4), 0x23222120);
	assert_int_equal(bus_mmio_read(&bus, 0xfec00010, 8), 0x2726252423222120);
	assert_int_equal(bus_mmio_read(&bus, 0xfec00ffe, 4), 0x21200f0e);
	assert_int_equal(bus_mmio_read(&bus, 0xfec01ffe, 4), 0xffff1f1e);
	assert_int_equal(bus_mmio_read(&bus, UINT64_MAX, 1), 0x30);
	/* The last byte and the first of an address space that ends. */
	assert_int_equal(bus_mmio_read(&bus, UINT64_MAX, 2), 0xff30);
	bus_mmio_write(&bus, 0xfec00ffc, 8, 0x8877665544332211);
	assert_int_equal(a.n, 4);
	assert_int_equal(b.n, 4);
	assert_int_equal(b.log[3].value, 0x88);
	bus_mmio_write(&bus, 0xfec00000, 2, 0x12345678);
	assert_int_equal(a.log[4].value, 0x5678);
	assert_int_equal(a.log[4].size, 2);
}

static const struct port_ops whole_ops = {
	.read = probe_read,
	.write = probe_write,
	.max_size = 1,
	.whole = true,
	.name = "whole",
};

/* A range of whole accesses: no byte of a wider one, whoever is beside or over it. */
static void test_whole(void **state)
{
	(void)state;
	assert_int_equal(bus_add_port(&bus, 0x9, 1, &whole_ops, &b), 0);
	for (unsigned int over = 0; over < 2; over++) {
		if (over)
			assert_int_equal(bus_add_port(&bus, 0x8, 4, &only_dword_ops, &a), 0);
		b.n = 0;
		b.tag = 0x20;
		bus_port_write(&bus, 0x8, 2, 0x1234);
		bus_port_write(&bus, 0x9, 2, 0x1234);
		bus_port_write(&bus, 0x6, 4, 0x12345678);
		assert_int_equal(b.n, 0);
		assert_int_equal(bus_port_read(&bus, 0x8, 2), 0xffff);
		bus_port_write(&bus, 0x9, 1, 0x56);
		assert_int_equal(b.n, 1);
		assert_int_equal(b.log[0].value, 0x56);
		assert_int_equal(bus_port_read(&bus, 0x9, 1), 0x20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read_split, setup),
		cmocka_unit_test_setup(test_write_split, setup),
		cmocka_unit_test_setup(test_errors, setup),
		cmocka_unit_test_setup(test_widths, setup),
		cmocka_unit_test_setup(test_whole, setup),
		cmocka_unit_test_setup(test_unhandled, setup),
		cmocka_unit_test_setup(test_mmio, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
