/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory map: ACPI 6.4 chapter 15, and the board's layout.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest_modules.h"
#include "lib.h"
#include "vm.h"

static struct vm vm;

static void check(u64 below, u64 above, const struct e820_entry *want, unsigned int n)
{
	struct e820_entry got[GUEST_E820_MAX];

	vm.ram_below_4g = below;
	vm.ram_above_4g = above;
	assert_int_equal(guest_e820(&vm, got), n);
	assert_memory_equal(got, want, n * sizeof(*want));
}

static void test_small(void **state)
{
	const struct e820_entry want[] = {
		{ 0, 0x9fc00, E820_RAM },
		{ 0x9fc00, 0x400, E820_RESERVED },
		{ 0xe0000, 0x20000, E820_RESERVED },
		{ 0x100000, MIB(31), E820_RAM },
	};

	(void)state;
	check(MIB(32), 0, want, ARRAY_SIZE(want));
}

static void test_large(void **state)
{
	const struct e820_entry want[] = {
		{ 0, 0x9fc00, E820_RAM },
		{ 0x9fc00, 0x400, E820_RESERVED },
		{ 0xe0000, 0x20000, E820_RESERVED },
		{ 0x100000, GIB(3) - MIB(1), E820_RAM },
		{ GIB(4), GIB(5), E820_RAM },
	};

	(void)state;
	check(GIB(3), GIB(5), want, ARRAY_SIZE(want));
}

/* Sorted and free of overlaps, whatever the sizes. */
static void test_order(void **state)
{
	static const u64 sizes[] = { 0, MIB(1), MIB(2), MIB(64), GIB(1), GIB(3) };
	struct e820_entry e[GUEST_E820_MAX];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int n;

		vm.ram_below_4g = sizes[i];
		vm.ram_above_4g = sizes[ARRAY_SIZE(sizes) - 1 - i];
		n = guest_e820(&vm, e);
		for (unsigned int k = 1; k < n; k++)
			assert_true(e[k].start >= e[k - 1].start + e[k - 1].len);
	}
}

static void test_covers(void **state)
{
	static const struct {
		u64 start, len;
		bool covered;
	} row[] = {
		{ 0, 0x9fc00, true },
		{ 0, 0x9fc01, false },
		{ 0x9fbff, 1, true },
		{ 0x9fc00, 1, false },
		{ 0xa0000, 1, false },
		{ 0xf0000, 1, false },
		{ 0xfffff, 2, false },
		{ 0x100000, MIB(63), true },
		{ 0x100000, MIB(63) + 1, false },
		{ MIB(64) - 1, 1, true },
		{ MIB(64), 1, false },
		{ MIB(1), 0, false },
		{ MIB(1), UINT64_MAX, false },
		{ UINT64_MAX, 1, false },
		{ GIB(4), MIB(16), true },
		{ GIB(4) + 1, MIB(16), false },
		{ GIB(4) - 1, 2, false },
	};

	(void)state;
	vm.ram_below_4g = MIB(64);
	vm.ram_above_4g = MIB(16);
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		if (guest_ram_covers(&vm, row[i].start, row[i].len) != row[i].covered)
			fail_msg("row %u", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_covers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
