/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration mechanism 1: access sizes, absent devices, write masks, BAR sizing, identities.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pci.h"

static struct bus bus;
static struct pci pci;
static unsigned int moves;

static void pm_changed(void *ctx)
{
	assert_ptr_equal(ctx, &moves);
	moves++;
}

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	moves = 0;
	pci_init(&pci);
	pci.pm_changed = pm_changed;
	pci.ctx = &moves;
	assert_int_equal(pci_attach(&pci, &bus), 0);
	return 0;
}

static u32 address(u32 b, u32 dev, u32 fn, u32 reg)
{
	return 0x80000000 | b << 16 | dev << 11 | fn << 8 | (reg & 0xfc);
}

static u32 get(u32 dev, u32 fn, u32 reg, unsigned int size)
{
	bus_port_write(&bus, 0xcf8, 4, address(0, dev, fn, reg));
	return bus_port_read(&bus, (u16)(0xcfc + (reg & 3)), size);
}

static void put(u32 dev, u32 fn, u32 reg, unsigned int size, u32 value)
{
	bus_port_write(&bus, 0xcf8, 4, address(0, dev, fn, reg));
	bus_port_write(&bus, (u16)(0xcfc + (reg & 3)), size, value);
}

static void test_address(void **state)
{
	(void)state;
	bus_port_write(&bus, 0xcf8, 4, 0xffffffff);
	assert_int_equal(bus_port_read(&bus, 0xcf8, 4), 0x80fffffc);
	/* Only dwords reach it. */
	bus_port_write(&bus, 0xcfb, 1, 0x01);
	bus_port_write(&bus, 0xcf8, 2, 0);
	assert_int_equal(bus_port_read(&bus, 0xcf8, 4), 0x80fffffc);
	assert_int_equal(bus_port_read(&bus, 0xcf8, 1), 0xff);
	bus_port_write(&bus, 0xcf8, 4, 0x00000000);
	assert_int_equal(bus_port_read(&bus, 0xcfc, 4), 0xffffffff);
}

static void test_identities(void **state)
{
	static const struct {
		u32 dev, fn, id, class, header, subsystem;
	} t[] = {
		/* Stock firmware finds fw_cfg by the host bridge's subsystem. */
		{ 0, 0, 0x12378086, 0x06000002, 0x00, 0x11001af4 },
		{ 1, 0, 0x70008086, 0x06010000, 0x80, 0 },
		{ 1, 3, 0x71138086, 0x06800003, 0x00, 0 },
	};
	unsigned int found = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(get(t[i].dev, t[i].fn, 0, 4), t[i].id);
		assert_int_equal(get(t[i].dev, t[i].fn, 8, 4), t[i].class);
		assert_int_equal(get(t[i].dev, t[i].fn, 0x0e, 1), t[i].header);
		/* No BARs, no ROM: sizing reads 0. */
		for (u32 reg = 0x10; reg <= 0x30; reg += 4) {
			put(t[i].dev, t[i].fn, reg, 4, 0xffffffff);
			assert_int_equal(get(t[i].dev, t[i].fn, reg, 4),
					 reg == 0x2c ? t[i].subsystem : 0);
		}
	}
	for (u32 devfn = 0; devfn < 256; devfn++)
		found += get(devfn >> 3, devfn & 7, 0, 4) != 0xffffffff;
	assert_int_equal(found, 3);
	/* IDE is absent, and so is every other bus. */
	assert_int_equal(get(1, 1, 0, 2), 0xffff);
	bus_port_write(&bus, 0xcf8, 4, address(1, 0, 0, 0));
	assert_int_equal(bus_port_read(&bus, 0xcfc, 4), 0xffffffff);
	bus_port_write(&bus, 0xcfc, 4, 0);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(get(0, 0, 0, 1), 0x86);
	assert_int_equal(get(0, 0, 1, 1), 0x80);
	assert_int_equal(get(0, 0, 2, 2), 0x1237);
	assert_int_equal(get(0, 0, 1, 2), 0x3780);
	/* The last register, and an access that leaves the data port. */
	assert_int_equal(get(0, 0, 0xfc, 4), 0);
	assert_int_equal(get(0, 0, 0xff, 1), 0);
	bus_port_write(&bus, 0xcf8, 4, address(0, 0, 0, 0));
	assert_int_equal(bus_port_read(&bus, 0xcfe, 4), 0xffff1237);
}

static void test_masks(void **state)
{
	static const struct {
		u32 dev, fn, reg;
		unsigned int size;
		u32 write, read;
	} t[] = {
		{ 0, 0, 0x00, 4, 0, 0x12378086 },
		{ 0, 0, 0x04, 2, 0x0000, 0x0006 },
		{ 0, 0, 0x04, 2, 0xffff, 0x0106 },
		{ 0, 0, 0x06, 2, 0xffff, 0x0280 },
		{ 0, 0, 0x59, 1, 0xff, 0x30 },
		{ 0, 0, 0x5a, 1, 0xff, 0x33 },
		{ 0, 0, 0x72, 1, 0x0a, 0x0a },
		{ 1, 0, 0x04, 2, 0x0000, 0x0007 },
		{ 1, 0, 0x60, 4, 0x0b0a0b0a, 0x0b0a0b0a },
		{ 1, 0, 0x60, 1, 0xff, 0x8f },
		{ 1, 3, 0x04, 2, 0xffff, 0x0001 },
		{ 1, 3, 0x3c, 2, 0xffff, 0x01ff },
		{ 1, 3, 0x40, 4, 0xffffffff, 0x0000ffc1 },
		{ 1, 3, 0x80, 1, 0xff, 0x01 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		put(t[i].dev, t[i].fn, t[i].reg, t[i].size, t[i].write);
		if (get(t[i].dev, t[i].fn, t[i].reg, t[i].size) != t[i].read)
			fail_msg("%zu: %x", i, get(t[i].dev, t[i].fn, t[i].reg, t[i].size));
	}
	/* Error bits are cleared by ones only. */
	pci.f[0].config[7] |= 0x30;
	put(0, 0, 0x06, 2, 0x1000);
	assert_int_equal(get(0, 0, 0x06, 2), 0x2280);
	pci_reset(&pci);
	assert_int_equal(get(1, 0, 0x60, 4), 0x80808080);
}

static void test_pm_base(void **state)
{
	(void)state;
	assert_int_equal(get(1, 3, 0x40, 4), 0x601);
	assert_int_equal(pci_pm_base(&pci), 0x600);
	put(1, 3, 0x40, 4, 0x601);
	assert_int_equal(moves, 0);
	put(1, 3, 0x40, 4, 0xb001);
	assert_int_equal(moves, 1);
	assert_int_equal(pci_pm_base(&pci), 0xb000);
	put(1, 3, 0x80, 1, 0);
	assert_int_equal(moves, 2);
	assert_int_equal(pci_pm_base(&pci), 0);
	/* As firmware finds it, and a direct boot. */
	pci_reset(&pci);
	assert_int_equal(pci_pm_base(&pci), 0x600);
	pci_power_on(&pci);
	assert_int_equal(moves, 3);
	assert_int_equal(pci_pm_base(&pci), 0);
	assert_int_equal(get(1, 3, 0x40, 4), 1);
	put(1, 3, 0x40, 4, 0xb001);
	put(1, 3, 0x80, 1, 1);
	assert_int_equal(pci_pm_base(&pci), 0xb000);
	assert_int_equal(moves, 4);
}

/* Firmware must not wait for the SMI that would tell it that SMM is set up: bit 25, APMC_EN. */
static void test_no_smm(void **state)
{
	(void)state;
	assert_int_equal(get(1, 3, 0x58, 4), 1U << 25);
	put(1, 3, 0x58, 4, 0);
	assert_int_equal(get(1, 3, 0x58, 4), 1U << 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_address, setup),
		cmocka_unit_test_setup(test_identities, setup),
		cmocka_unit_test_setup(test_sizes, setup),
		cmocka_unit_test_setup(test_masks, setup),
		cmocka_unit_test_setup(test_pm_base, setup),
		cmocka_unit_test_setup(test_no_smm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
