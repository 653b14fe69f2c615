// SPDX-License-Identifier: MIT
/*
 * Looking up addresses and names in a symbol table of the layout that scripts/symbols prints.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib.h"
#include "symbols.h"

const char symbol_names[] = "first\0second\0third\0end";
const struct symbol symbol_table[] = {
	{ 0x100000, 0 },
	{ 0x100010, 6 },
	{ 0x100200, 13 },
	{ 0x100300, 19 }, /* the end of the text */
};
const u32 symbol_count = ARRAY_SIZE(symbol_table);

static void test_lookup(void **state)
{
	static const struct {
		u64 address;
		const char *name;
		u64 offset;
	} cases[] = {
		{ 0, NULL, 0 },
		{ 0xfffff, NULL, 0 },
		{ 0x100000, "first", 0 },
		{ 0x10000f, "first", 0xf },
		{ 0x100010, "second", 0 },
		{ 0x1001ff, "second", 0x1ef },
		{ 0x100200, "third", 0 },
		{ 0x1002ff, "third", 0xff },
		{ 0x100300, NULL, 0 },
		{ UINT64_MAX, NULL, 0 },
		{ UINT64_C(0x100000010), NULL, 0 }, /* not cut to 32 bits */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 offset = 0;
		const char *name = symbol_lookup(cases[i].address, &offset);

		if (cases[i].name == NULL) {
			assert_null(name);
		} else {
			assert_non_null(name);
			assert_string_equal(name, cases[i].name);
			assert_int_equal(offset, cases[i].offset);
		}
	}
}

static void test_address(void **state)
{
	(void)state;
	assert_int_equal(symbol_address("second"), 0x100010);
	assert_int_equal(symbol_address("sec"), 0);
	assert_int_equal(symbol_address(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
