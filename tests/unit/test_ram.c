/* SPDX-License-Identifier: MIT */
/*
 * The choice of guest RAM (boot/ram.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "guest_ram.h"
#include "lib.h"

static struct memmap m, before;
static struct guest_ram g;

/* What must hold for every answer. */
static void check(u64 size)
{
	u64 marked, below = 0, above = 0;

	assert_int_equal(g.size, size);
	assert_int_equal(size % GUEST_RAM_CHUNK, 0);
	assert_in_range(g.n, 2, GUEST_RAM_EXTENTS);
	assert_int_equal(g.extent[0].gpa, 0);
	assert_int_equal(g.extent[0].len, GUEST_VGA_START);
	assert_int_equal(g.extent[1].gpa, GUEST_VGA_END);
	assert_int_equal(g.extent[1].hpa, g.extent[0].hpa + GUEST_VGA_END);
	for (unsigned int i = 0; i < g.n; i++) {
		const struct gp_extent *e = &g.extent[i];
		bool inside = false;

		assert_int_equal(e->prot, GP_READ | GP_WRITE | GP_EXEC);
		assert_true(e->hpa >= MIB(1));
		assert_int_equal((e->gpa ^ e->hpa) % GUEST_RAM_CHUNK, 0);
		if (i > 0)
			assert_true(g.extent[i - 1].gpa + g.extent[i - 1].len <= e->gpa);
		if (i > 1 && e->gpa != GUEST_RAM_HIGH_START)
			assert_int_equal(g.extent[i - 1].gpa + g.extent[i - 1].len, e->gpa);
		for (unsigned int k = 0; k < i; k++) {
			const struct gp_extent *x = &g.extent[k];

			assert_true(x->hpa + x->len <= e->hpa || e->hpa + e->len <= x->hpa);
		}
		/* It was free RAM, and is the guest's now. */
		for (unsigned int k = 0; k < before.n; k++)
			inside |= before.r[k].type == MEM_RAM && before.r[k].start <= e->hpa &&
				  e->hpa + e->len <= before.r[k].end;
		assert_true(inside);
		inside = false;
		for (unsigned int k = 0; k < m.n; k++)
			inside |= m.r[k].type == MEM_GUEST && m.r[k].start <= e->hpa &&
				  e->hpa + e->len <= m.r[k].end;
		assert_true(inside);
		if (e->gpa < GIB(4))
			below = e->gpa + e->len;
		else
			above += e->len;
	}
	assert_int_equal(below, g.below_4g);
	assert_int_equal(above, g.above_4g);
	assert_int_equal(below + above, size);
	assert_true(below <= GUEST_RAM_LOW_END);
	assert_true(above == 0 || below == GUEST_RAM_LOW_END);
	marked = memmap_total(&m, MEM_GUEST) - memmap_total(&before, MEM_GUEST);
	assert_int_equal(marked, size);
	assert_int_equal(memmap_total(&m, MEM_RAM), memmap_total(&before, MEM_RAM) - size);
}

static int choose(u64 want, u64 keep)
{
	int rc;

	before = m;
	rc = guest_ram_choose(&m, want, keep, &g);
	if (rc)
		assert_memory_equal(&m, &before, sizeof(m));
	return rc;
}

static u64 giant_pages(void)
{
	u64 n = 0;

	for (unsigned int i = 0; i < g.n; i++) {
		const struct gp_extent *e = &g.extent[i];
		u64 start = ALIGN_UP(e->gpa, GIB(1)), end = ALIGN_DOWN(e->gpa + e->len, GIB(1));

		if (start < end && (e->gpa ^ e->hpa) % GIB(1) == 0)
			n += (end - start) / GIB(1);
	}
	return n;
}

/* A PC with 512 MiB, Plinth and modules somewhere in it. */
static void test_small_pc(void **state)
{
	(void)state;
	m.n = 0;
	memmap_add(&m, 0, 0x9fc00, MEM_RAM);
	memmap_add(&m, 0x9fc00, 0x400, MEM_RESERVED);
	memmap_add(&m, MIB(1), MIB(511) - 0x20000, MEM_RAM);
	memmap_reserve(&m, MIB(1), 0x80000, MEM_PLINTH);
	memmap_reserve(&m, MIB(2), 12345678, MEM_MODULE);
	memmap_reserve(&m, MIB(496), MIB(15), MEM_PLINTH);
	assert_int_equal(choose(0, 0), 0);
	check(MIB(482));
	assert_int_equal(g.n, 2);
	assert_int_equal(g.extent[0].hpa, MIB(14));
	assert_int_equal(g.available, g.size);
	/* Nothing is left. */
	assert_int_equal(choose(0, 0), -ENOMEM);
	assert_int_equal(g.available, 0);
}

static void test_want(void **state)
{
	(void)state;
	m.n = 0;
	memmap_add(&m, MIB(1), MIB(255), MEM_RAM);
	assert_int_equal(choose(1, 0), -EINVAL);
	assert_int_equal(choose(MIB(32) - 1, 0), -EINVAL);
	assert_int_equal(choose(MIB(256), 0), -ENOMEM);
	assert_int_equal(g.available, MIB(254));
	assert_int_equal(g.n, 0);
	assert_int_equal(choose(UINT64_MAX, 0), -ENOMEM);
	assert_int_equal(choose(MIB(65) + 5, 0), 0);
	check(MIB(64));
	assert_int_equal(choose(MIB(32), 0), 0);
	check(MIB(32));
	m.n = 0;
	memmap_add(&m, 0, MIB(31), MEM_RAM);
	assert_int_equal(choose(0, 0), -ENOMEM);
	assert_int_equal(g.available, MIB(28));
	m.n = 0;
	assert_int_equal(choose(0, 0), -ENOMEM);
}

static void test_keep(void **state)
{
	(void)state;
	m.n = 0;
	memmap_add(&m, 0, MIB(256), MEM_RAM);
	assert_int_equal(choose(0, MIB(16)), 0);
	/* Of the 16, one is the megabyte before the first chunk; the rest goes in chunks. */
	check(MIB(238));
	assert_int_equal(memmap_total(&m, MEM_RAM), MIB(1) + MIB(17));
	m = before;
	assert_int_equal(choose(0, MIB(1)), 0);
	check(MIB(254));
	m = before;
	assert_int_equal(choose(MIB(254), MIB(2)), -ENOMEM);
	assert_int_equal(g.available, MIB(252));
	assert_int_equal(choose(0, MIB(255)), -ENOMEM);
	assert_int_equal(choose(0, UINT64_MAX), -ENOMEM);
	assert_int_equal(g.available, 0);
}

/*
 * A PC with 8 GiB, hole at 3 GiB: seven aligned blocks, of which all but the first slot's are used
 * as such.
 */
static void test_large_pc(void **state)
{
	(void)state;
	m.n = 0;
	memmap_add(&m, 0, 0x9f000, MEM_RAM);
	memmap_add(&m, MIB(1), GIB(3) - MIB(1), MEM_RAM);
	memmap_add(&m, GIB(4), GIB(5), MEM_RAM);
	memmap_reserve(&m, MIB(1), MIB(15), MEM_PLINTH);
	assert_int_equal(choose(0, 0), 0);
	check(GIB(8) - MIB(16));
	assert_int_equal(g.below_4g, GIB(3));
	assert_int_equal(g.above_4g, GIB(5) - MIB(16));
	assert_int_equal(giant_pages(), 6);
	/* Want 4 GiB: slots 1, 2 and 4 by giant pages, slot 0 from a fragment or the rest. */
	m = before;
	assert_int_equal(choose(GIB(4), 0), 0);
	check(GIB(4));
	assert_int_equal(giant_pages(), 3);
	/* A small guest is one piece. */
	m = before;
	assert_int_equal(choose(MIB(512), 0), 0);
	check(MIB(512));
	assert_int_equal(g.n, 2);
	m = before;
	assert_int_equal(choose(GIB(3), 0), 0);
	check(GIB(3));
	assert_int_equal(g.above_4g, 0);
	m = before;
	assert_int_equal(choose(GIB(3) + MIB(2), 0), 0);
	check(GIB(3) + MIB(2));
	assert_int_equal(g.above_4g, MIB(2));
}

static void test_fragments(void **state)
{
	(void)state;
	/* 100 pieces of 4 MiB: too many extents for all, but the largest are taken. */
	m.n = 0;
	for (u64 i = 0; i < 100; i++)
		memmap_add(&m, MIB(2) + i * MIB(8), MIB(4), MEM_RAM);
	memmap_add(&m, GIB(1), MIB(100), MEM_RAM);
	assert_int_equal(choose(0, 0), 0);
	check(MIB(100) + (GUEST_RAM_EXTENTS - 2) * MIB(4));
	m = before;
	assert_int_equal(choose(MIB(100), 0), 0);
	check(MIB(100));
	assert_int_equal(g.n, 2);
	/* So many that it does not work out for what is wanted. */
	m = before;
	assert_int_equal(choose(MIB(400), 0), -ENOMEM);
	assert_true(g.available > MIB(200));
	assert_true(g.available < MIB(400));
	/* Only odd pages: no chunk at all. */
	m.n = 0;
	for (u64 i = 1; i < 100; i++)
		memmap_add(&m, i * MIB(2) + 0x1000, MIB(2) - 0x1000, MEM_RAM);
	assert_int_equal(choose(0, 0), -ENOMEM);
	assert_int_equal(g.available, 0);
}

/* The map's table is nearly full: marking must not break it. */
static void test_full_map(void **state)
{
	(void)state;
	m.n = 0;
	for (u64 i = 0; i + 1 < MEMMAP_MAX; i++)
		assert_int_equal(memmap_add(&m, i * MIB(8), 0x1000, MEM_RESERVED), 0);
	assert_int_equal(memmap_add(&m, GIB(8) + 0x1000, GIB(1), MEM_RAM), 0);
	assert_int_equal(m.n, MEMMAP_MAX);
	assert_int_equal(choose(0, 0),
			 -ENOMEM); /* splitting the last region takes two more entries */
	m.n -= 3;
	assert_int_equal(memmap_add(&m, GIB(8) + 0x1000, GIB(1), MEM_RAM), 0);
	assert_int_equal(choose(0, 0), 0);
	check(GIB(1) - MIB(2));
	/* Marking the first extent takes no entry, the second does: the first must be undone. */
	m.n = 0;
	for (u64 i = 0; i + 2 < MEMMAP_MAX; i++)
		assert_int_equal(memmap_add(&m, i * MIB(8), 0x1000, MEM_RESERVED), 0);
	assert_int_equal(memmap_add(&m, GIB(8), MIB(512), MEM_RAM), 0);
	assert_int_equal(memmap_add(&m, GIB(9) + 0x1000, MIB(256), MEM_RAM), 0);
	assert_int_equal(choose(MIB(600), 0), -ENOMEM);
	assert_int_equal(choose(MIB(512), 0), 0);
	check(MIB(512));
}

static void test_huge(void **state)
{
	(void)state;
	m.n = 0;
	memmap_add(&m, 0, UINT64_MAX, MEM_RAM); /* 4 PiB */
	assert_int_equal(choose(0, 0), 0);
	check(GUEST_RAM_MAX);
	assert_int_equal(giant_pages(), GUEST_RAM_MAX / GIB(1) - 1);
}

static void test_random(void **state)
{
	unsigned int done = 0;

	(void)state;
	srand(6);
	for (unsigned int round = 0; round < 3000; round++) {
		u64 want = rand() % 2 ? 0 : MIB(32) + (u64)(rand() % 3000) * MIB(1);
		int rc;

		m.n = 0;
		for (int i = rand() % 40; i >= 0; i--) {
			u64 start = (u64)rand() % 4096 * MIB(2) +
				    (rand() % 2 ? (u64)rand() % MIB(2) : 0);
			u64 len = (u64)rand() % (rand() % 4 ? MIB(300) : GIB(2));

			memmap_add(&m, start, len, rand() % 4 ? MEM_RAM : MEM_RESERVED);
		}
		rc = choose(want, (u64)(rand() % 3) * MIB(5));
		if (rc == 0) {
			check(want ? ALIGN_DOWN(want, MIB(2)) : g.available);
			done++;
		} else {
			assert_int_equal(rc, -ENOMEM);
			assert_true(g.available < max_u64(want, GUEST_RAM_MIN));
		}
	}
	assert_true(done > 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_pc),  cmocka_unit_test(test_want),
		cmocka_unit_test(test_keep),	  cmocka_unit_test(test_large_pc),
		cmocka_unit_test(test_fragments), cmocka_unit_test(test_full_map),
		cmocka_unit_test(test_huge),	  cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("ram", tests, NULL, NULL);
}
