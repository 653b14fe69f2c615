/* SPDX-License-Identifier: MIT */
/*
 * The guest-physical map (mm/gpmap.c), with an entry format like NPT's, with 1 GiB and with 2 MiB
 * as the largest leaf, and one like EPT's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "gpmap.h"
#include "lib.h"
#include "mm.h"

#define ADDR	    UINT64_C(0x000ffffffffff000)
#define RWX	    (GP_READ | GP_WRITE | GP_EXEC)
#define TABLE_PAGES 1200
#define RAM_PAGES   2048

/* Two arenas: tables at 1 GiB, guest memory at 32 GiB. Other host addresses are never touched. */
#define TABLE_BASE GIB(1)
#define RAM_BASE   GIB(32)

static u8 tables[TABLE_PAGES * PAGE_SIZE] __aligned(4096);
static u8 ram[RAM_PAGES * PAGE_SIZE] __aligned(4096);

/* The pool, replaced: one that can be made to fail. */
static unsigned int pages_used, pages_allowed = TABLE_PAGES;

void *page_alloc(void)
{
	u8 *p;

	if (pages_used == pages_allowed)
		return NULL;
	p = &tables[pages_used++ * PAGE_SIZE];
	memset(p, 0, PAGE_SIZE);
	return p;
}

void *phys_to_virt(hpa_t pa)
{
	if (pa >= TABLE_BASE && pa < TABLE_BASE + sizeof(tables))
		return &tables[pa - TABLE_BASE];
	if (pa >= RAM_BASE && pa < RAM_BASE + sizeof(ram))
		return &ram[pa - RAM_BASE];
	return (void *)(uintptr_t)pa; /* compared, never read */
}

hpa_t virt_to_phys(const void *va)
{
	return (hpa_t)((const u8 *)va - tables) + TABLE_BASE;
}

static u64 npt_leaf(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type)
{
	assert_true(IS_ALIGNED(pa, PAGE_SIZE << (9 * level)));
	return pa | 1 | (prot & GP_WRITE ? 2U : 0U) | 4 | (type == MEMTYPE_UC ? 0x18U : 0U) |
	       (level ? 0x80U : 0U) | (prot & GP_EXEC ? 0 : BIT64(63));
}

static u64 npt_table(hpa_t table)
{
	return table | 7;
}

static u64 ept_leaf(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type)
{
	return pa | prot | (u64)type << 3 | (level ? 0x80U : 0U);
}

static const struct gpmap_format npt_1g = { "npt 1G", npt_leaf, npt_table, NULL, 4, 2, 0 };
static const struct gpmap_format npt_2m = { "npt 2M", npt_leaf, npt_table, NULL, 4, 1, 0 };
static const struct gpmap_format npt_4k = { "npt 4K", npt_leaf, npt_table, NULL, 4, 0, 0 };
static const struct gpmap_format ept = { "ept", ept_leaf, npt_table, NULL, 4, 2, 0 };

static struct gpmap m;

static void start(const struct gpmap_format *format)
{
	pages_used = 0;
	pages_allowed = TABLE_PAGES;
	assert_int_equal(gpmap_init(&m, format), 0);
}

static void expect_leaf(gpa_t gpa, unsigned int level, hpa_t hpa)
{
	unsigned int l = 99;
	u64 e = gpmap_lookup(&m, gpa, &l);
	u64 size = PAGE_SIZE << (9 * level);

	assert_int_not_equal(e, 0);
	assert_int_equal(l, level);
	assert_int_equal((e & ADDR) + (gpa & (size - 1)), hpa);
}

static void expect_nothing(gpa_t gpa)
{
	u64 len = 1;

	assert_int_equal(gpmap_lookup(&m, gpa, NULL), 0);
	assert_null(gpmap_ptr(&m, gpa, GP_READ, &len));
	assert_int_equal(len, 0);
}

static void test_init(void **state)
{
	static const struct gpmap_format levels = { "", npt_leaf, npt_table, NULL, 6, 1, 0 };
	static const struct gpmap_format leaf = { "", npt_leaf, npt_table, NULL, 4, 3, 0 };

	(void)state;
	assert_int_equal(gpmap_init(&m, &levels), -EINVAL);
	assert_int_equal(gpmap_init(&m, &leaf), -EINVAL);
	pages_used = pages_allowed;
	assert_int_equal(gpmap_init(&m, &npt_1g), -ENOMEM);
	start(&npt_1g);
	assert_int_equal(m.table_pages, 1);
	expect_nothing(0);
	expect_nothing(UINT64_MAX);
	expect_nothing(BIT64(48));
}

static void test_levels(void **state)
{
	(void)state;
	start(&npt_1g);
	/* A PC: 640 KiB, the rest of the first 2 MiB, then up to 3 GiB and 2.5 GiB above 4. */
	assert_int_equal(gpmap_add(&m, 0, GIB(8), 0xa0000, RWX, MEMTYPE_WB), 0);
	assert_int_equal(
		gpmap_add(&m, 0xc0000, GIB(8) + 0xc0000, GIB(3) - 0xc0000, RWX, MEMTYPE_WB), 0);
	assert_int_equal(gpmap_add(&m, GIB(4), GIB(12), GIB(2) + MIB(512), RWX, MEMTYPE_WB), 0);
	assert_int_equal(m.n, 3);
	expect_leaf(0, 0, GIB(8));
	expect_leaf(0x9ffff, 0, GIB(8) + 0x9ffff);
	expect_nothing(0xa0000);
	expect_nothing(0xbffff);
	expect_leaf(0xc0000, 0, GIB(8) + 0xc0000);
	expect_leaf(MIB(2), 1, GIB(8) + MIB(2));
	expect_leaf(GIB(1) - 1, 1, GIB(9) - 1);
	expect_leaf(GIB(1), 2, GIB(9));
	expect_leaf(GIB(3) - 1, 2, GIB(11) - 1);
	expect_nothing(GIB(3));
	expect_nothing(GIB(4) - 1);
	expect_leaf(GIB(5) + 12345, 2, GIB(13) + 12345);
	expect_leaf(GIB(6), 1, GIB(14));
	expect_leaf(GIB(6) + MIB(512) - 1, 1, GIB(14) + MIB(512) - 1);
	expect_nothing(GIB(6) + MIB(512));
	/*
	 * Root, one of 1 GiB entries, of 2 MiB entries for 0 and 6 GiB, of 4 KiB for the first 2
	 * MiB.
	 */
	assert_int_equal(m.table_pages, 5);
	assert_int_equal(pages_used, 5);

	start(&npt_2m);
	assert_int_equal(gpmap_add(&m, GIB(1), GIB(9), GIB(1), RWX, MEMTYPE_WB), 0);
	expect_leaf(GIB(1) + MIB(3), 1, GIB(9) + MIB(3));
	start(&npt_4k);
	assert_int_equal(gpmap_add(&m, GIB(1), GIB(9), MIB(4), RWX, MEMTYPE_WB), 0);
	expect_leaf(GIB(1) + MIB(3), 0, GIB(9) + MIB(3));
}

/* Addresses that are not congruent force smaller leaves. */
static void test_congruence(void **state)
{
	(void)state;
	start(&npt_1g);
	assert_int_equal(gpmap_add(&m, GIB(4), GIB(9) + MIB(2), GIB(1), RWX, MEMTYPE_WB), 0);
	expect_leaf(GIB(4), 1, GIB(9) + MIB(2));
	assert_int_equal(gpmap_add(&m, GIB(6), GIB(11) + 0x1000, MIB(2), RWX, MEMTYPE_WB), 0);
	expect_leaf(GIB(6), 0, GIB(11) + 0x1000);
	expect_leaf(GIB(6) + MIB(2) - 1, 0, GIB(11) + MIB(2) + 0xfff);
	/* Starts and ends off the boundary: 4 KiB, 2 MiB, 1 GiB, 2 MiB, 4 KiB. */
	assert_int_equal(gpmap_add(&m, GIB(9) - MIB(2) - 0x1000, GIB(21) - MIB(2) - 0x1000,
				   GIB(1) + MIB(4) + 0x2000, RWX, MEMTYPE_WB),
			 0);
	expect_nothing(GIB(9) - MIB(2) - 0x1001);
	expect_leaf(GIB(9) - MIB(2) - 0x1000, 0, GIB(21) - MIB(2) - 0x1000);
	expect_leaf(GIB(9) - MIB(2), 1, GIB(21) - MIB(2));
	expect_leaf(GIB(9), 2, GIB(21));
	expect_leaf(GIB(10), 1, GIB(22));
	expect_leaf(GIB(10) + MIB(2), 0, GIB(22) + MIB(2));
	expect_nothing(GIB(10) + MIB(2) + 0x1000);
}

static void test_format(void **state)
{
	(void)state;
	start(&npt_1g);
	gpmap_add(&m, 0, RAM_BASE, 0x1000, GP_READ, MEMTYPE_UC);
	assert_int_equal(gpmap_lookup(&m, 0, NULL), RAM_BASE | 0x1d | BIT64(63));
	gpmap_add(&m, MIB(2), GIB(2), MIB(2), RWX, MEMTYPE_WB);
	assert_int_equal(gpmap_lookup(&m, MIB(2), NULL), GIB(2) | 0x87);
	start(&ept);
	gpmap_add(&m, 0, RAM_BASE, 0x1000, GP_READ | GP_EXEC, MEMTYPE_WB);
	assert_int_equal(gpmap_lookup(&m, 0, NULL), RAM_BASE | 0x35);
	gpmap_add(&m, GIB(1), GIB(2), GIB(1), RWX, MEMTYPE_WB);
	assert_int_equal(gpmap_lookup(&m, GIB(1), NULL), GIB(2) | 0xb7);
}

static void test_refused(void **state)
{
	static struct gpmap before;
	static const struct {
		u64 gpa, hpa, len;
		unsigned int prot;
	} bad[] = {
		{ 0x1001, 0, 0x1000, RWX },
		{ 0x1000, 1, 0x1000, RWX },
		{ 0x1000, 0, 0x1001, RWX },
		{ 0x1000, 0, 0, RWX },
		{ 0x1000, 0, 0x1000, 0 },
		{ 0x1000, 0, 0x1000, GP_WRITE },
		{ MIB(4), 0, 0x1000, RWX },	     /* the same */
		{ MIB(4) - 0x1000, 0, 0x2000, RWX }, /* over its start */
		{ MIB(6) - 0x1000, 0, 0x2000, RWX }, /* over its end */
		{ MIB(2), 0, MIB(8), RWX },	     /* around */
		{ MIB(5), 0, 0x1000, RWX },	     /* inside */
		{ 0, 0, GIB(1), RWX },		     /* over all */
		{ BIT64(48), 0, 0x1000, RWX },	     /* beyond the tables */
		{ BIT64(48) - 0x1000, 0, 0x2000, RWX },
		{ 0x1000, BIT64(52), 0x1000, RWX },
		{ 0x1000, BIT64(52) - 0x1000, 0x2000, RWX },
		{ 0x1000, 0, -UINT64_C(0x1000), RWX },
		{ -UINT64_C(0x1000), 0, 0x2000, RWX },
	};

	(void)state;
	start(&npt_1g);
	assert_int_equal(gpmap_add(&m, MIB(4), GIB(1), MIB(2), RWX, MEMTYPE_WB), 0);
	before = m;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (gpmap_add(&m, bad[i].gpa, bad[i].hpa, bad[i].len, bad[i].prot, MEMTYPE_WB) !=
		    -EINVAL)
			fail_msg("case %zu was not refused", i);
		assert_memory_equal(&m, &before, sizeof(m));
	}
	expect_leaf(MIB(4), 1, GIB(1));
	assert_int_equal(gpmap_add(&m, BIT64(48) - 0x1000, 0, 0x1000, RWX, MEMTYPE_WB), 0);
	expect_leaf(BIT64(48) - 1, 0, 0xfff);
}

static void test_extents(void **state)
{
	(void)state;
	start(&npt_1g);
	/* Joins to the left, to the right, and both. */
	gpmap_add(&m, MIB(2), GIB(1) + MIB(2), MIB(2), RWX, MEMTYPE_WB);
	gpmap_add(&m, MIB(4), GIB(1) + MIB(4), MIB(2), RWX, MEMTYPE_WB);
	assert_int_equal(m.n, 1);
	gpmap_add(&m, 0, GIB(1), MIB(2), RWX, MEMTYPE_WB);
	assert_int_equal(m.n, 1);
	gpmap_add(&m, MIB(8), GIB(1) + MIB(8), MIB(2), RWX, MEMTYPE_WB);
	assert_int_equal(m.n, 2);
	gpmap_add(&m, MIB(6), GIB(1) + MIB(6), MIB(2), RWX, MEMTYPE_WB);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.extent[0].gpa, 0);
	assert_int_equal(m.extent[0].len, MIB(10));
	/* Other rights or another place do not join. */
	gpmap_add(&m, MIB(10), GIB(1) + MIB(10), MIB(2), GP_READ, MEMTYPE_WB);
	gpmap_add(&m, MIB(12), GIB(3), MIB(2), GP_READ, MEMTYPE_WB);
	assert_int_equal(m.n, 3);
	/* Full: only what joins goes in. */
	for (u64 i = m.n; i < GPMAP_EXTENTS_MAX; i++)
		assert_int_equal(
			gpmap_add(&m, GIB(1) + i * 0x2000, GIB(4), 0x1000, RWX, MEMTYPE_WB), 0);
	assert_int_equal(m.n, GPMAP_EXTENTS_MAX);
	assert_int_equal(gpmap_add(&m, GIB(2), GIB(5), 0x1000, RWX, MEMTYPE_WB), -ENOSPC);
	expect_nothing(GIB(2));
	assert_int_equal(gpmap_add(&m, MIB(14), GIB(3) + MIB(2), MIB(2), GP_READ, MEMTYPE_WB), 0);
	for (unsigned int i = 1; i < m.n; i++)
		assert_true(m.extent[i - 1].gpa + m.extent[i - 1].len <= m.extent[i].gpa);
}

static void test_ptr(void **state)
{
	u64 len;

	(void)state;
	start(&npt_1g);
	gpmap_add(&m, 0, RAM_BASE, 0x4000, RWX, MEMTYPE_WB);
	gpmap_add(&m, 0x6000, RAM_BASE + 0x8000, 0x1000, GP_READ | GP_EXEC, MEMTYPE_WB);
	assert_ptr_equal(gpmap_ptr(&m, 0, GP_READ, &len), ram);
	assert_int_equal(len, 0x4000);
	assert_ptr_equal(gpmap_ptr(&m, 0x3fff, RWX, &len), ram + 0x3fff);
	assert_int_equal(len, 1);
	assert_null(gpmap_ptr(&m, 0x4000, GP_READ, &len));
	assert_null(gpmap_ptr(&m, 0x5fff, GP_READ, &len));
	assert_ptr_equal(gpmap_ptr(&m, 0x6001, GP_READ, NULL), ram + 0x8001);
	assert_null(gpmap_ptr(&m, 0x6001, GP_WRITE, &len));
	assert_null(gpmap_ptr(&m, 0x6001, GP_READ | GP_WRITE, NULL));
	assert_null(gpmap_ptr(&m, UINT64_MAX, GP_READ, &len));
}

static void test_copy(void **state)
{
	u8 buf[0x3000];

	(void)state;
	start(&npt_1g);
	for (size_t i = 0; i < sizeof(ram); i++)
		ram[i] = (u8)(i * 7 + i / 256);
	/* Adjacent for the guest, apart on the host; then a read-only page, then nothing. */
	gpmap_add(&m, 0x1000, RAM_BASE + 0x10000, 0x1000, RWX, MEMTYPE_WB);
	gpmap_add(&m, 0x2000, RAM_BASE + 0x4000, 0x1000, RWX, MEMTYPE_WB);
	gpmap_add(&m, 0x3000, RAM_BASE + 0x8000, 0x1000, GP_READ, MEMTYPE_WB);
	assert_int_equal(gpmap_read(&m, 0x1800, buf, 0x2000), 0);
	assert_memory_equal(buf, ram + 0x10800, 0x800);
	assert_memory_equal(buf + 0x800, ram + 0x4000, 0x1000);
	assert_memory_equal(buf + 0x1800, ram + 0x8000, 0x800);
	assert_int_equal(gpmap_read(&m, 0x3800, buf, 0x801), -EFAULT);
	assert_int_equal(gpmap_read(&m, 0xfff, buf, 1), -EFAULT);
	assert_int_equal(gpmap_read(&m, 0xfff, buf, 0), 0);
	assert_int_equal(gpmap_read(&m, UINT64_MAX, buf, 0x3000), -EFAULT);
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(gpmap_write(&m, 0x1ff0, buf, 0x20), 0);
	assert_memory_equal(ram + 0x10ff0, buf, 0x10);
	assert_memory_equal(ram + 0x4000, buf, 0x10);
	assert_int_equal(ram[0x4010], (u8)(0x4010 * 7 + 0x40));
	assert_int_equal(ram[0x11000], (u8)(0x11000 * 7 + 0x110));
	assert_int_equal(gpmap_write(&m, 0x2fff, buf, 2), -EFAULT);
	assert_int_equal(ram[0x8000], (u8)(0x8000 * 7 + 0x80));
	assert_int_equal(gpmap_fill(&m, 0x1000, 0xee, 0x2000), 0);
	for (u64 i = 0; i < 0x1000; i++) {
		assert_int_equal(ram[0x10000 + i], 0xee);
		assert_int_equal(ram[0x4000 + i], 0xee);
	}
	assert_int_equal(gpmap_fill(&m, 0x2000, 0, UINT64_MAX), -EFAULT);
}

/* Wherever memory runs out, nothing of the new extent is left, and it can be added later. */
static void test_out_of_memory(void **state)
{
	(void)state;
	for (unsigned int allowed = 1; allowed < 10; allowed++) {
		const gpa_t gpa = GIB(2) - MIB(4) - 0x3000;
		const u64 len = GIB(1) + MIB(8) + 0x6000;
		int rc;

		start(&npt_1g);
		assert_int_equal(gpmap_add(&m, 0, GIB(1), 0x1000, RWX, MEMTYPE_WB), 0);
		pages_allowed = pages_used + allowed - 1;
		rc = gpmap_add(&m, gpa, GIB(12) - MIB(4) - 0x3000, len, RWX, MEMTYPE_WB);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			for (gpa_t a = gpa; a < gpa + len; a += MIB(1))
				expect_nothing(a);
			assert_int_equal(m.n, 1);
			pages_allowed = TABLE_PAGES;
			assert_int_equal(
				gpmap_add(&m, gpa, GIB(12) - MIB(4) - 0x3000, len, RWX, MEMTYPE_WB),
				0);
		} else {
			assert_int_equal(allowed, 5);
			return;
		}
		expect_leaf(gpa, 0, GIB(12) - MIB(4) - 0x3000);
		expect_leaf(GIB(2) + MIB(20), 2, GIB(12) + MIB(20));
		expect_leaf(gpa + len - 1, 0, GIB(13) + MIB(4) + 0x2fff);
		expect_leaf(0, 0, GIB(1));
	}
	fail();
}

/* After a failed add, a table can stand where a leaf would go: smaller leaves are right too. */
static void test_left_over_table(void **state)
{
	(void)state;
	start(&npt_1g);
	pages_allowed = pages_used + 2; /* the 4 KiB table is missing */
	assert_int_equal(gpmap_add(&m, GIB(1), GIB(9), MIB(2) + 0x1000, RWX, MEMTYPE_WB), -ENOMEM);
	pages_allowed = TABLE_PAGES;
	assert_int_equal(gpmap_add(&m, GIB(1), GIB(9), GIB(1), RWX, MEMTYPE_WB), 0);
	expect_leaf(GIB(1) + MIB(100), 1, GIB(9) + MIB(100));
	expect_leaf(GIB(2) - 1, 1, GIB(10) - 1);
	expect_nothing(GIB(2));
}

/* Random extents: pointer and tables agree for every page, inside and outside. */
static void test_random(void **state)
{
	static hpa_t oracle[4096]; /* per 256 KiB of the first GiB, 0 = nothing */

	(void)state;
	srand(3);
	for (unsigned int round = 0; round < 30; round++) {
		start(round % 2 ? &npt_1g : &npt_2m);
		memset(oracle, 0, sizeof(oracle));
		for (unsigned int i = 0; i < 70; i++) {
			u64 page = (u64)rand() % 4096, n = (u64)rand() % 300 + 1;
			hpa_t hpa = GIB(64) + (u64)(rand() % 64) * MIB(2) +
				    (rand() % 2 ? (page % 8) * KIB(256) : KIB(256));
			bool overlap = false;
			int rc;

			if (page + n > 4096)
				n = 4096 - page;
			for (u64 k = page; k < page + n; k++)
				overlap |= oracle[k] != 0;
			rc = gpmap_add(&m, page * KIB(256), hpa, n * KIB(256), RWX, MEMTYPE_WB);
			if (overlap) {
				assert_int_equal(rc, -EINVAL);
				continue;
			}
			assert_int_equal(rc, 0);
			for (u64 k = 0; k < n; k++)
				oracle[page + k] = hpa + k * KIB(256);
		}
		for (u64 k = 0; k < 4096; k++) {
			gpa_t gpa = k * KIB(256) + 0x5678;
			unsigned int level;
			u64 e = gpmap_lookup(&m, gpa, &level);

			if (oracle[k] == 0) {
				assert_int_equal(e, 0);
				assert_null(gpmap_ptr(&m, gpa, GP_READ, NULL));
				continue;
			}
			assert_int_equal((e & ADDR) + (gpa & ((PAGE_SIZE << (9 * level)) - 1)),
					 oracle[k] + 0x5678);
			assert_ptr_equal(gpmap_ptr(&m, gpa, GP_READ, NULL),
					 (void *)(uintptr_t)(oracle[k] + 0x5678));
		}
	}
}

/* Every table counts, and of its entries all but what the processor sets. */
static void test_checksum(void **state)
{
	static const struct gpmap_format marks = {
		"marks", ept_leaf, npt_table, NULL, 4, 2, .hardware_bits = BIT64(8) | BIT64(9)
	};
	unsigned int entries = 0;
	u64 sum;

	(void)state;
	start(&marks);
	sum = gpmap_checksum(&m);
	assert_int_equal(gpmap_add(&m, 0, RAM_BASE, MIB(2) + PAGE_SIZE, GP_READ, MEMTYPE_WB), 0);
	assert_int_not_equal(gpmap_checksum(&m), sum);
	sum = gpmap_checksum(&m);
	assert_int_equal(pages_used, 4);
	for (u64 *e = (u64 *)tables; e < (u64 *)&tables[pages_used * PAGE_SIZE]; e++) {
		if (*e == 0)
			continue;
		entries++;
		*e ^= BIT64(8) | BIT64(9);
		assert_int_equal(gpmap_checksum(&m), sum);
		*e ^= BIT64(10);
		assert_int_not_equal(gpmap_checksum(&m), sum);
		*e ^= BIT64(8) | BIT64(9) | BIT64(10);
	}
	/* Three tables, a large page and a small one. */
	assert_int_equal(entries, 5);
	assert_int_equal(gpmap_checksum(&m), sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),	      cmocka_unit_test(test_levels),
		cmocka_unit_test(test_congruence),    cmocka_unit_test(test_format),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_extents),
		cmocka_unit_test(test_ptr),	      cmocka_unit_test(test_copy),
		cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_left_over_table),
		cmocka_unit_test(test_random),	      cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests_name("gpmap", tests, NULL, NULL);
}
