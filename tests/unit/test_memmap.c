/* SPDX-License-Identifier: MIT */
/*
 * The memory map (mm/memmap.c): hand-made odd maps, and random ones against an array with one byte
 * a page.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "lib.h"
#include "mm.h"

#define PHYS_END (UINT64_C(1) << 52)

struct range {
	u64 start, len;
	enum mem_type type;
};

struct map_case {
	const char *name;
	struct range add[8];
	struct mem_region expect[8];
};

static const struct map_case cases[] = {
	{ "one", { { 0x1000, 0x1000, MEM_RAM } }, { { 0x1000, 0x2000, MEM_RAM } } },
	{ "unsorted and adjacent join",
	  { { 0x3000, 0x1000, MEM_RAM }, { 0x1000, 0x1000, MEM_RAM }, { 0x2000, 0x1000, MEM_RAM } },
	  { { 0x1000, 0x4000, MEM_RAM } } },
	{ "adjacent of another type do not",
	  { { 0x1000, 0x1000, MEM_RAM }, { 0x2000, 0x1000, MEM_ACPI_NVS } },
	  { { 0x1000, 0x2000, MEM_RAM }, { 0x2000, 0x3000, MEM_ACPI_NVS } } },
	{ "RAM is trimmed", { { 0x1001, 0x2ffe, MEM_RAM } }, { { 0x2000, 0x3000, MEM_RAM } } },
	{ "the rest is widened",
	  { { 0x1fff, 2, MEM_RESERVED } },
	  { { 0x1000, 0x3000, MEM_RESERVED } } },
	{ "PC's first 640 KiB",
	  { { 0, 0x9fc00, MEM_RAM }, { 0x9fc00, 0x400, MEM_RESERVED } },
	  { { 0, 0x9f000, MEM_RAM }, { 0x9f000, 0xa0000, MEM_RESERVED } } },
	{ "stricter wins, hole in the middle",
	  { { 0x2000, 0x1000, MEM_RESERVED }, { 0x1000, 0x4000, MEM_RAM } },
	  { { 0x1000, 0x2000, MEM_RAM },
	    { 0x2000, 0x3000, MEM_RESERVED },
	    { 0x3000, 0x5000, MEM_RAM } } },
	{ "stricter wins, other order",
	  { { 0x1000, 0x4000, MEM_RAM }, { 0x2000, 0x1000, MEM_RESERVED } },
	  { { 0x1000, 0x2000, MEM_RAM },
	    { 0x2000, 0x3000, MEM_RESERVED },
	    { 0x3000, 0x5000, MEM_RAM } } },
	{ "over several regions and their gaps",
	  { { 0x1000, 0x1000, MEM_RAM },
	    { 0x3000, 0x1000, MEM_BAD },
	    { 0x5000, 0x1000, MEM_RAM },
	    { 0x1000, 0x6000, MEM_ACPI_RECLAIM } },
	  { { 0x1000, 0x3000, MEM_ACPI_RECLAIM },
	    { 0x3000, 0x4000, MEM_BAD },
	    { 0x4000, 0x7000, MEM_ACPI_RECLAIM } } },
	{ "twice the same",
	  { { 0x1000, 0x1000, MEM_RAM }, { 0x1000, 0x1000, MEM_RAM } },
	  { { 0x1000, 0x2000, MEM_RAM } } },
	{ "wraps",
	  { { 0x1000, UINT64_MAX, MEM_RAM }, { 0x5000, UINT64_MAX - 0x5000 + 1, MEM_RESERVED } },
	  { { 0x1000, 0x5000, MEM_RAM }, { 0x5000, PHYS_END, MEM_RESERVED } } },
};

static void test_cases(void **state)
{
	static struct memmap m;

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		unsigned int n = 0;

		m.n = 0;
		for (unsigned int i = 0; i < 8 && cases[c].add[i].len; i++)
			assert_int_equal(memmap_add(&m, cases[c].add[i].start, cases[c].add[i].len,
						    cases[c].add[i].type),
					 0);
		while (n < 8 && cases[c].expect[n].end)
			n++;
		if (m.n != n)
			fail_msg("%s: %u regions, not %u", cases[c].name, m.n, n);
		for (unsigned int i = 0; i < n; i++) {
			if (m.r[i].start != cases[c].expect[i].start ||
			    m.r[i].end != cases[c].expect[i].end ||
			    m.r[i].type != cases[c].expect[i].type)
				fail_msg("%s: region %u is %llx-%llx type %d", cases[c].name, i,
					 (unsigned long long)m.r[i].start,
					 (unsigned long long)m.r[i].end, m.r[i].type);
		}
	}
}

static void test_empty(void **state)
{
	static struct memmap m;

	(void)state;
	m.n = 0;
	assert_int_equal(memmap_add(&m, 0x1000, 0, MEM_RAM), -EINVAL);
	assert_int_equal(memmap_add(&m, PHYS_END, 0x1000, MEM_RAM), -EINVAL);
	assert_int_equal(memmap_add(&m, UINT64_MAX, UINT64_MAX, MEM_RESERVED), -EINVAL);
	assert_int_equal(memmap_add(&m, 0x1800, 0x1000, MEM_RAM), 0); /* no whole page */
	assert_int_equal(memmap_reserve(&m, 0x1000, 0, MEM_PLINTH), 0);
	assert_int_equal(memmap_reserve(&m, UINT64_MAX, 1, MEM_PLINTH), 0);
	assert_int_equal(m.n, 0);
	assert_int_equal(memmap_top(&m), 0);
	assert_int_equal(memmap_total(&m, MEM_RAM), 0);
}

static void test_full(void **state)
{
	static struct memmap m, before;

	(void)state;
	m.n = 0;
	for (u64 i = 0; i < MEMMAP_MAX; i++)
		assert_int_equal(memmap_add(&m, i * 0x4000, 0x3000, MEM_RAM), 0);
	before = m;
	assert_int_equal(memmap_add(&m, MEMMAP_MAX * 0x4000, 0x1000, MEM_RAM), -ENOSPC);
	assert_memory_equal(&m, &before, sizeof(m));
	assert_int_equal(memmap_add(&m, 0x1000, 0x1000, MEM_BAD), -ENOSPC);
	assert_memory_equal(&m, &before, sizeof(m));
	assert_int_equal(memmap_reserve(&m, 0x1000, 0x1000, MEM_PLINTH), -ENOSPC);
	assert_memory_equal(&m, &before, sizeof(m));
	/* Splits at the start, but what it joins makes room. */
	assert_int_equal(memmap_add(&m, 0x1000, 0x10000, MEM_BAD), 0);
	assert_true(m.n < MEMMAP_MAX);
	assert_int_equal(memmap_add(&m, 0, UINT64_MAX, MEM_GUEST), 0);
	assert_int_equal(m.n, 1);
}

static void test_find(void **state)
{
	static struct memmap m;
	hpa_t pa;

	(void)state;
	m.n = 0;
	memmap_add(&m, 0x1000, 0x9e000, MEM_RAM);
	memmap_add(&m, MIB(1), MIB(1), MEM_RESERVED);
	memmap_add(&m, MIB(2) + 0x1000, MIB(14), MEM_RAM);
	memmap_add(&m, GIB(4), GIB(2), MEM_RAM);
	assert_int_equal(memmap_find(&m, 0x1000, 1, 0, UINT64_MAX, &pa), 0);
	assert_int_equal(pa, 0x1000);
	assert_int_equal(memmap_find(&m, 0x1000, 0x10000, 0, MIB(1), &pa), 0);
	assert_int_equal(pa, 0x10000);
	assert_int_equal(memmap_find(&m, MIB(2), MIB(2), 0, GIB(4), &pa), 0);
	assert_int_equal(pa, MIB(4));
	assert_int_equal(memmap_find(&m, MIB(14), 0x1000, MIB(1), GIB(4), &pa), 0);
	assert_int_equal(pa, MIB(2) + 0x1000);
	assert_int_equal(memmap_find(&m, MIB(14) + 1, 0x1000, MIB(1), GIB(4), &pa), -ENOSPC);
	assert_int_equal(memmap_find(&m, GIB(1), GIB(1), GIB(4) + 1, UINT64_MAX, &pa), 0);
	assert_int_equal(pa, GIB(5));
	assert_int_equal(memmap_find(&m, 0x1000, 3, 0, UINT64_MAX, &pa), -ENOSPC);
	assert_int_equal(memmap_find(&m, 0, 0x1000, 0, UINT64_MAX, &pa), -ENOSPC);
	assert_int_equal(memmap_find(&m, 1, BIT64(63), 0, UINT64_MAX, &pa), -ENOSPC);
	assert_int_equal(memmap_find(&m, 1, 1, MIB(1), MIB(2), &pa), -ENOSPC);
}

static void test_totals(void **state)
{
	static struct memmap m;

	(void)state;
	m.n = 0;
	memmap_add(&m, 0, MIB(16), MEM_RAM);
	memmap_add(&m, MIB(16), MIB(1), MEM_ACPI_NVS);
	memmap_add(&m, 0xfec00000, 0x1000, MEM_RESERVED);
	assert_int_equal(memmap_top(&m), MIB(17));
	assert_int_equal(memmap_reserve(&m, MIB(1) + 5, 10, MEM_MODULE), 0);
	assert_int_equal(memmap_reserve(&m, MIB(15), MIB(3), MEM_PLINTH), 0);
	assert_int_equal(memmap_total(&m, MEM_RAM), MIB(15) - 0x1000);
	assert_int_equal(memmap_total(&m, MEM_MODULE), 0x1000);
	assert_int_equal(memmap_total(&m, MEM_PLINTH), MIB(1));
	assert_int_equal(memmap_total(&m, MEM_ACPI_NVS), MIB(1));
	memmap_add(&m, GIB(64), MIB(1), MEM_RAM);
	assert_int_equal(memmap_top(&m), GIB(64) + MIB(1));
}

/* --- random maps ------------------------------------------------------------------------------ */

#define PAGES 700

static u8 oracle[PAGES]; /* type, 0 = nothing */

static void oracle_apply(u64 start, u64 len, enum mem_type type, bool reserve)
{
	u64 end = start + len;
	bool inwards = !reserve && type == MEM_RAM;
	u64 first = inwards ? (start + 0xfff) / 0x1000 : start / 0x1000;
	u64 last = inwards ? end / 0x1000 : (end + 0xfff) / 0x1000;

	for (u64 p = first; p < last; p++) {
		if (reserve) {
			if (oracle[p] == MEM_RAM)
				oracle[p] = (u8)type;
		} else if (oracle[p] < type) {
			oracle[p] = (u8)type;
		}
	}
}

static unsigned int oracle_regions(void)
{
	unsigned int n = 0;

	for (unsigned int p = 0; p < PAGES; p++) {
		if (oracle[p] && (p == 0 || oracle[p - 1] != oracle[p]))
			n++;
	}
	return n;
}

static void compare(const struct memmap *m)
{
	unsigned int p = 0;

	assert_int_equal(m->n, oracle_regions());
	for (unsigned int i = 0; i < m->n; i++) {
		for (; p < m->r[i].start / 0x1000; p++)
			assert_int_equal(oracle[p], 0);
		for (; p < m->r[i].end / 0x1000; p++)
			assert_int_equal(oracle[p], m->r[i].type);
	}
	for (; p < PAGES; p++)
		assert_int_equal(oracle[p], 0);
}

static void compare_find(const struct memmap *m)
{
	u64 len = (u64)(rand() % 6 + 1), align = 1U << rand() % 4;
	u64 min = (u64)(rand() % PAGES), max = (u64)(rand() % PAGES);
	hpa_t pa = 0;
	int rc = memmap_find(m, len * 0x1000, align * 0x1000, min * 0x1000, max * 0x1000, &pa);

	for (u64 p = (min + align - 1) & ~(align - 1); p + len <= max; p += align) {
		u64 k = 0;

		while (k < len && oracle[p + k] == MEM_RAM)
			k++;
		if (k == len) {
			assert_int_equal(rc, 0);
			assert_int_equal(pa, p * 0x1000);
			return;
		}
	}
	assert_int_equal(rc, -ENOSPC);
}

static void test_random(void **state)
{
	static const enum mem_type types[] = { MEM_RAM,	   MEM_ACPI_RECLAIM, MEM_ACPI_NVS,
					       MEM_BAD,	   MEM_RESERVED,     MEM_MODULE,
					       MEM_PLINTH, MEM_GUEST };
	static struct memmap m, before;
	static u8 saved[PAGES];
	unsigned int full = 0;

	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 60; round++) {
		/* Short ranges fragment until the table is full; long ones join. */
		u64 longest = round % 3 == 0 ? 0x1800 : round % 3 == 1 ? 0x8000 : 0x60000;

		m.n = 0;
		memset(oracle, 0, sizeof(oracle));
		for (unsigned int op = 0; op < 1200; op++) {
			u64 start = (u64)rand() % (PAGES * 0x1000 - longest);
			u64 len = (u64)rand() % longest + 1;
			enum mem_type type = types[rand() % (rand() % 2 ? 1 : 8)];
			bool reserve = type != MEM_RAM && rand() % 2;
			int rc;

			if (rand() % 2) {
				start &= ~UINT64_C(0xfff);
				len = (len + 0xfff) & ~UINT64_C(0xfff);
			}
			before = m;
			memcpy(saved, oracle, sizeof(oracle));
			oracle_apply(start, len, type, reserve);
			rc = reserve ? memmap_reserve(&m, start, len, type)
				     : memmap_add(&m, start, len, type);
			if (oracle_regions() > MEMMAP_MAX) {
				assert_int_equal(rc, -ENOSPC);
				assert_memory_equal(&m, &before, sizeof(m));
				memcpy(oracle, saved, sizeof(oracle));
				full++;
				continue;
			}
			assert_int_equal(rc, 0);
			if (op % 16 == 0 || op > 1150)
				compare(&m);
			compare_find(&m);
		}
	}
	assert_true(full > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full),   cmocka_unit_test(test_find),
		cmocka_unit_test(test_totals), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("memmap", tests, NULL, NULL);
}
