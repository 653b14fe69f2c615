/* SPDX-License-Identifier: MIT */
/*
 * The page pool (mm/page.c). The pool lives as long as the program: the tests run in order.
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
#include "panic.h"

#define ARENA_PAGES 1024
#define ARENA_BASE  UINT64_C(0x100000)

static u8 arena[ARENA_PAGES * PAGE_SIZE] __aligned(4096);
static jmp_buf panicked;

void *phys_to_virt(hpa_t pa)
{
	assert_in_range(pa, ARENA_BASE, ARENA_BASE + sizeof(arena) - 1);
	return &arena[pa - ARENA_BASE];
}

hpa_t virt_to_phys(const void *va)
{
	return (hpa_t)((const u8 *)va - arena) + ARENA_BASE;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	longjmp(panicked, 1);
}

static bool free_panics(void *page, unsigned int n)
{
	if (setjmp(panicked))
		return true;
	page_free(page, n);
	return false;
}

static void test_add(void **state)
{
	(void)state;
	memset(arena, 0xcc, sizeof(arena));
	assert_null(page_alloc());
	assert_int_equal(page_pool_free(), 0);
	assert_int_equal(page_pool_add(ARENA_BASE, 0), -EINVAL);
	assert_int_equal(page_pool_add(ARENA_BASE, PAGE_SIZE), -EINVAL);
	assert_int_equal(page_pool_add(ARENA_BASE + 1, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(page_pool_add(0, 2 * PAGE_SIZE), -EINVAL);
	assert_int_equal(page_pool_add(UINT64_MAX - 4095, 4095), -EINVAL);
	assert_int_equal(page_pool_add(UINT64_MAX, 1), -EINVAL);
	assert_int_equal(page_pool_add(PAGE_SIZE * 3, UINT64_MAX), -EINVAL);
	/* Three runs: 100 pages (one of them the bitmap), 2, and 65 not aligned. */
	assert_int_equal(page_pool_add(ARENA_BASE, 100 * PAGE_SIZE), 0);
	assert_int_equal(page_pool_add(ARENA_BASE + 99 * PAGE_SIZE, 4 * PAGE_SIZE), -EEXIST);
	assert_int_equal(page_pool_add(ARENA_BASE + 101 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(page_pool_add(ARENA_BASE + 110 * PAGE_SIZE + 1, 66 * PAGE_SIZE), 0);
	assert_int_equal(page_pool_free(), (99 + 1 + 64) * PAGE_SIZE);
}

static void test_all_pages(void **state)
{
	static u8 *page[200];
	u64 total = page_pool_free() / PAGE_SIZE;

	(void)state;
	for (u64 i = 0; i < total; i++) {
		page[i] = page_alloc();
		assert_non_null(page[i]);
		assert_true(IS_ALIGNED(virt_to_phys(page[i]), PAGE_SIZE));
		for (u64 k = 0; k < PAGE_SIZE; k++)
			assert_int_equal(page[i][k], 0);
		memset(page[i], (int)(i + 1), PAGE_SIZE);
	}
	assert_null(page_alloc());
	assert_int_equal(page_pool_free(), 0);
	for (u64 i = 0; i < total; i++) { /* nobody else wrote there: all are distinct */
		assert_int_equal(page[i][0], (u8)(i + 1));
		assert_int_equal(page[i][PAGE_SIZE - 1], (u8)(i + 1));
		page_free(page[i], 1);
	}
	assert_int_equal(page_pool_free(), total * PAGE_SIZE);
	/* Behind the runs nothing was touched. */
	for (u64 k = 176 * PAGE_SIZE; k < sizeof(arena); k++)
		assert_int_equal(arena[k], 0xcc);
}

static void test_contiguous(void **state)
{
	u8 *a, *b, *c, *d;

	(void)state;
	assert_null(page_alloc_contig(0));
	assert_null(page_alloc_contig(100)); /* more than the largest run has */
	assert_null(page_alloc_contig(UINT32_MAX));
	a = page_alloc_contig(99);
	assert_non_null(a);
	for (u64 k = 0; k < 99 * PAGE_SIZE; k++)
		assert_int_equal(a[k], 0);
	b = page_alloc_contig(64);
	assert_non_null(b);
	assert_null(page_alloc_contig(2));
	c = page_alloc();
	assert_non_null(c);
	assert_null(page_alloc());
	/* A hole of three in the middle. */
	page_free(a + 40 * PAGE_SIZE, 3);
	assert_null(page_alloc_contig(4));
	d = page_alloc_contig(3);
	assert_ptr_equal(d, a + 40 * PAGE_SIZE);
	/* Two holes of two with a page between them are not one of four. */
	page_free(a + 10 * PAGE_SIZE, 2);
	page_free(a + 13 * PAGE_SIZE, 2);
	assert_null(page_alloc_contig(3));
	page_free(a + 12 * PAGE_SIZE, 1);
	assert_ptr_equal(page_alloc_contig(5), a + 10 * PAGE_SIZE);
	page_free(a, 99);
	page_free(b, 64);
	page_free(c, 1);
	assert_int_equal(page_pool_free(), 164 * PAGE_SIZE);
}

static void test_bad_free(void **state)
{
	u8 *a = page_alloc_contig(4);

	(void)state;
	assert_non_null(a);
	page_free(NULL, 1);
	assert_true(free_panics(a + 1, 1));
	assert_true(free_panics(arena, 1));		       /* a bitmap */
	assert_true(free_panics(arena + 105 * PAGE_SIZE, 1));  /* between runs */
	assert_true(free_panics(arena + 1000 * PAGE_SIZE, 1)); /* behind them */
	assert_true(free_panics(a, 5));			       /* one too many */
	assert_true(free_panics(arena + 175 * PAGE_SIZE, 2));  /* over a run's end */
	assert_true(free_panics(a, UINT32_MAX));
	assert_int_equal(page_pool_free(), 160 * PAGE_SIZE); /* nothing was freed */
	assert_false(free_panics(a, 4));
	assert_true(free_panics(a, 4));
	assert_int_equal(page_pool_free(), 164 * PAGE_SIZE);
}

/* Random allocations and releases against a list of what is held. */
static void test_random(void **state)
{
	static struct {
		u8 *page;
		unsigned int n;
		u8 tag;
	} held[64];
	u64 used = 0;

	(void)state;
	srand(2);
	for (unsigned int op = 0; op < 20000; op++) {
		unsigned int i = (unsigned int)rand() % 64;

		if (held[i].page) {
			for (u64 k = 0; k < held[i].n * PAGE_SIZE; k += 512)
				assert_int_equal(held[i].page[k], held[i].tag);
			page_free(held[i].page, held[i].n);
			used -= held[i].n;
			held[i].page = NULL;
		} else {
			held[i].n = rand() % 3 ? 1 : (unsigned int)rand() % 12 + 1;
			held[i].tag = (u8)rand();
			held[i].page = page_alloc_contig(held[i].n);
			if (!held[i].page) {
				assert_true(held[i].n > 1 || used == 164);
				continue;
			}
			assert_int_equal(held[i].page[0], 0);
			memset(held[i].page, held[i].tag, held[i].n * PAGE_SIZE);
			used += held[i].n;
		}
		assert_int_equal(page_pool_free(), (164 - used) * PAGE_SIZE);
	}
	for (unsigned int i = 0; i < 64; i++)
		page_free(held[i].page, held[i].n);
	assert_int_equal(page_pool_free(), 164 * PAGE_SIZE);
}

/* A search that skips a full word of the bitmap must not join what lies on its two sides. */
static void test_full_word(void **state)
{
	u8 *a, *b, *c;

	(void)state;
	assert_int_equal(page_pool_add(ARENA_BASE + 300 * PAGE_SIZE, 256 * PAGE_SIZE), 0);
	a = page_alloc_contig(255);
	assert_ptr_equal(a, arena + 301 * PAGE_SIZE);
	page_free(arena + (300 + 62) * PAGE_SIZE, 2);
	page_free(arena + (300 + 128) * PAGE_SIZE, 2);
	/* Whatever gives the four pages, it is not these two and two. */
	b = page_alloc_contig(4);
	assert_true(b < arena + 300 * PAGE_SIZE);
	page_free(b, 4);
	assert_int_equal(page_pool_free(), (164 + 4) * PAGE_SIZE);
	b = page_alloc_contig(99);
	c = page_alloc_contig(64);
	assert_non_null(c);
	assert_null(page_alloc_contig(4));
	assert_ptr_equal(page_alloc_contig(2), arena + (300 + 62) * PAGE_SIZE);
	assert_ptr_equal(page_alloc_contig(2), arena + (300 + 128) * PAGE_SIZE);
	page_free(b, 99);
	page_free(c, 64);
	page_free(a, 255);
}

static void test_runs_full(void **state)
{
	unsigned int added = 0;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		int rc = page_pool_add(ARENA_BASE + (600 + 3 * i) * PAGE_SIZE, 2 * PAGE_SIZE);

		if (rc == 0)
			added++;
		else
			assert_int_equal(rc, -ENOSPC);
	}
	assert_int_equal(added, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),	   cmocka_unit_test(test_all_pages),
		cmocka_unit_test(test_contiguous), cmocka_unit_test(test_bad_free),
		cmocka_unit_test(test_random),	   cmocka_unit_test(test_full_word),
		cmocka_unit_test(test_runs_full),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
