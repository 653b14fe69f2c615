/* SPDX-License-Identifier: MIT */
/*
 * Plinth's own page tables (mm/paging.c), built as the image builds them and walked here. The file
 * itself is included, with the privileged instructions replaced; the linker's symbols lie in a
 * block that stands for an image at 1 MiB.
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
#include "x86.h"

static u64 cr3, efer;
static struct cpuid_regs fake_cpuid[2] = { { .eax = 0x80000008 }, { .edx = 0 } };
static unsigned int flushes;

static struct cpuid_regs test_cpuid(u32 leaf, u32 subleaf)
{
	(void)subleaf;
	return fake_cpuid[leaf & 1];
}

static void test_invlpg(const void *va)
{
	(void)va;
	flushes++;
}

#define cpuid(leaf, sub) test_cpuid(leaf, sub)
#define invlpg(va)	 test_invlpg(va)
#define rdmsr(msr)	 ((void)(msr), efer)
#define wrmsr(msr, v)	 ((void)(msr), efer = (v))
#define write_cr3(v)	 (cr3 = (v))

/* The image, section by section. */
enum {
	IMAGE = 0x100000,
	TEXT = 0x101000,
	RODATA = 0x109000,
	RODATA_END = 0x10c000,
	DATA = 0x10d000,
	BSS_END = 0x120000,
};
__asm__(".pushsection .bss\n"
	".balign 4096\n"
	"__image_start:	.skip 0x1000\n"
	"__text_start:	.skip 0x8000\n"
	"__text_end:\n"
	"__rodata_start: .skip 0x3000\n"
	"__rodata_end:	.skip 0x1000\n"
	"__data_start:	.skip 0x13000\n"
	"__bss_end:\n"
	"__image_end:\n"
	".popsection");

#include "../../mm/paging.c"

#define TABLE_PAGES 200
#define TABLE_BASE  UINT64_C(0x400000)

static u8 tables[TABLE_PAGES * PAGE_SIZE] __aligned(4096);
static unsigned int pages_used, pages_allowed;

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
	assert_in_range(pa, TABLE_BASE, TABLE_BASE + sizeof(tables) - 1);
	return &tables[pa - TABLE_BASE];
}

hpa_t virt_to_phys(const void *va)
{
	const char *p = va;

	if (p >= __image_start && p <= __image_end)
		return (hpa_t)(p - __image_start) + IMAGE;
	return (hpa_t)((const u8 *)va - tables) + TABLE_BASE;
}

/*
 * The translation of va as the processor would find it: effective rights of all levels, 0 = not
 * mapped.
 */
enum {
	R = 1,
	W = 2,
	X = 4,
	UC = 8,
};

static unsigned int rights(hpa_t va, unsigned int *level)
{
	unsigned int r = R | W | X;
	u64 table = cr3;

	for (unsigned int l = 3;; l--) {
		u64 e;

		memcpy(&e, (u8 *)phys_to_virt(table) + (va >> (12 + 9 * l) & 511) * 8, 8);
		if (!(e & PTE_P))
			return 0;
		assert_int_equal(e & (PTE_U | PTE_G), 0);
		if (!(e & PTE_W))
			r &= ~(unsigned int)W;
		if (e & PTE_NX)
			r &= ~(unsigned int)X;
		if (l == 0 || (l < 3 && (e & PTE_PS))) {
			u64 offset = (UINT64_C(1) << (12 + 9 * l)) - 1;

			if (l > 0)
				assert_int_equal(e & 0x1000, 0); /* PAT */
			assert_int_equal(e & PTE_ADDR & offset, 0);
			assert_int_equal(((e & PTE_ADDR) | (va & offset)), va); /* identity */
			if (level)
				*level = l;
			if ((e & (PTE_PCD | PTE_PWT)) == (PTE_PCD | PTE_PWT))
				r |= UC;
			else
				assert_int_equal(e & (PTE_PCD | PTE_PWT), 0);
			return r;
		}
		table = e & PTE_ADDR;
	}
}

static struct memmap map;

static int start(bool giant)
{
	memset(&paging, 0, sizeof(paging));
	cr3 = 0;
	efer = EFER_LME | EFER_LMA;
	flushes = 0;
	pages_used = 0;
	pages_allowed = TABLE_PAGES;
	fake_cpuid[0].eax = 0x80000008;
	fake_cpuid[1].edx = BIT(20) | (giant ? BIT(26) : 0);
	return paging_init(&map);
}

static int pc(void **state)
{
	(void)state;
	map.n = 0;
	memmap_add(&map, 0, 0x9fc00, MEM_RAM);
	memmap_add(&map, 0x9fc00, 0x400, MEM_RESERVED);
	memmap_add(&map, 0xf0000, 0x10000, MEM_RESERVED);
	memmap_add(&map, MIB(1), GIB(3) - MIB(1), MEM_RAM);
	memmap_add(&map, GIB(3) - MIB(1), MIB(1), MEM_ACPI_RECLAIM);
	memmap_add(&map, 0xfec00000, 0x1000, MEM_RESERVED);
	memmap_add(&map, GIB(4), GIB(4), MEM_RAM);
	memmap_reserve(&map, IMAGE, BSS_END - IMAGE, MEM_PLINTH);
	return 0;
}

static void expect(hpa_t start_pa, hpa_t end, unsigned int r)
{
	for (hpa_t pa = start_pa; pa < end; pa += PAGE_SIZE) {
		unsigned int got = rights(pa, NULL);

		if (got != r)
			fail_msg("%llx: rights %u, not %u", (unsigned long long)pa, got, r);
	}
}

static void test_init(void **state)
{
	unsigned int level;

	(void)state;
	assert_int_equal(start(true), 0);
	assert_int_equal(cr3, paging_root());
	assert_int_equal(efer, EFER_LME | EFER_LMA | EFER_NXE);
	expect(0, 0x1000, 0);
	expect(0x1000, 0x9f000, R | W);
	expect(0x9f000, 0xa0000, 0);
	expect(0xa0000, 0xc0000, R | W | UC);
	expect(0xc0000, IMAGE, R);
	expect(IMAGE, TEXT, R);
	expect(TEXT, RODATA, R | X);
	expect(RODATA, DATA, R);
	expect(DATA, BSS_END, R | W);
	expect(BSS_END, MIB(64), R | W);
	expect(GIB(3) - MIB(64), GIB(3), R | W);
	expect(GIB(3), GIB(3) + MIB(16), 0);
	expect(0xfec00000, 0xfec01000, 0);
	assert_int_equal(rights(GIB(8), NULL), 0);
	assert_int_equal(rights(MIB(2), &level), R | W);
	assert_int_equal(level, 1);
	rights(GIB(1), &level);
	assert_int_equal(level, 2);
	rights(GIB(3) - 1, &level);
	assert_int_equal(level, 0); /* a region of its own, shorter than 2 MiB */
	rights(GIB(8) - 1, &level);
	assert_int_equal(level, 2);
	assert_int_equal(flushes, 0); /* not loaded yet */
	/* Nothing is writable and executable anywhere that matters. */
	assert_int_equal(start(false), 0);
	rights(GIB(1), &level);
	assert_int_equal(level, 1);
	expect(TEXT, RODATA, R | X);
}

static void test_no_nx(void **state)
{
	(void)state;
	start(true);
	cr3 = 0;
	fake_cpuid[1].edx = BIT(26);
	assert_int_equal(paging_init(&map), -ENODEV);
	fake_cpuid[0].eax = 0x80000000;
	assert_int_equal(paging_init(&map), -ENODEV);
	assert_int_equal(cr3, 0);
}

static void test_no_memory(void **state)
{
	unsigned int needed;

	(void)state;
	assert_int_equal(start(true), 0);
	needed = pages_used;
	for (unsigned int n = 0; n < needed; n++) {
		memset(&paging, 0, sizeof(paging));
		cr3 = 0;
		pages_used = 0;
		pages_allowed = n;
		assert_int_equal(paging_init(&map), -ENOMEM);
		assert_int_equal(cr3, 0);
	}
}

static void test_map(void **state)
{
	unsigned int level;

	(void)state;
	assert_int_equal(start(true), 0);
	/* A register page: outwards to whole pages. */
	assert_int_equal(paging_map(0xfee00010, 0x20, MAP_WRITE | MAP_UNCACHED), 0);
	expect(0xfee00000, 0xfee01000, R | W | UC);
	assert_int_equal(rights(0xfedff000, NULL), 0);
	assert_int_equal(rights(0xfee01000, NULL), 0);
	assert_int_equal(flushes, 0); /* what was absent is not cached */
	assert_int_equal(paging_map(0x1fff, 2, MAP_READ), 0);
	expect(0x1000, 0x3000, R);
	assert_int_equal(rights(0x3000, NULL), R | W);
	assert_int_equal(flushes, 2);
	/* One page out of a giant one: two splits, all else as before. */
	flushes = 0;
	assert_int_equal(paging_map(GIB(6) + MIB(5), PAGE_SIZE, MAP_EXEC), 0);
	assert_int_equal(flushes, 3);
	expect(GIB(6), GIB(6) + MIB(5), R | W);
	assert_int_equal(rights(GIB(6) + MIB(5), &level), R | X);
	assert_int_equal(level, 0);
	expect(GIB(6) + MIB(5) + PAGE_SIZE, GIB(6) + MIB(10), R | W);
	rights(GIB(6) + MIB(6), &level);
	assert_int_equal(level, 1);
	expect(GIB(7) - MIB(4), GIB(7), R | W);
	rights(GIB(7), &level);
	assert_int_equal(level, 2);
	/* The whole range again, over pages of all three sizes. */
	assert_int_equal(paging_map(GIB(6), GIB(1), MAP_READ), 0);
	expect(GIB(6), GIB(7), R);
	/* Uncached large pages keep their caching when they are split. */
	assert_int_equal(paging_map(GIB(16), MIB(2), MAP_WRITE | MAP_UNCACHED), 0);
	rights(GIB(16), &level);
	assert_int_equal(level, 1);
	assert_int_equal(paging_unmap(GIB(16) + MIB(1), PAGE_SIZE), 0);
	expect(GIB(16), GIB(16) + MIB(1), R | W | UC);
	assert_int_equal(rights(GIB(16) + MIB(1), NULL), 0);
	/* Refused. */
	assert_int_equal(paging_map(GIB(1), PAGE_SIZE, MAP_WRITE | MAP_EXEC), -EINVAL);
	assert_int_equal(paging_map(BIT64(47), 1, MAP_READ), -EINVAL);
	assert_int_equal(paging_map(BIT64(47) - 1, 2, MAP_READ), -EINVAL);
	assert_int_equal(paging_map(GIB(1), UINT64_MAX, MAP_READ), -EINVAL);
	assert_int_equal(paging_unmap(UINT64_MAX, 1), -EINVAL);
	assert_int_equal(paging_ensure(UINT64_MAX, 1, MAP_READ), -EINVAL);
	assert_int_equal(rights(GIB(1), NULL), R | W);
	assert_int_equal(paging_map(BIT64(47) - 1, 1, MAP_READ), 0);
	assert_int_equal(rights(BIT64(47) - 1, NULL), R);
}

static void test_unmap(void **state)
{
	unsigned int used;

	(void)state;
	assert_int_equal(start(true), 0);
	/* A guard page in the image, whole and part pages. */
	assert_int_equal(paging_unmap(DATA + 0x2000, PAGE_SIZE), 0);
	expect(DATA, DATA + 0x2000, R | W);
	expect(DATA + 0x2000, DATA + 0x3000, 0);
	expect(DATA + 0x3000, BSS_END, R | W);
	/* Aligned: no split. */
	used = pages_used;
	assert_int_equal(paging_unmap(GIB(5), GIB(1)), 0);
	assert_int_equal(paging_unmap(MIB(4), MIB(2)), 0);
	assert_int_equal(pages_used, used);
	assert_int_equal(rights(GIB(5), NULL), 0);
	assert_int_equal(rights(GIB(6), NULL), R | W);
	expect(MIB(2), MIB(4), R | W);
	expect(MIB(4), MIB(6), 0);
	expect(MIB(6), MIB(8), R | W);
	/* Over holes, large and small pages. */
	assert_int_equal(paging_unmap(GIB(4) + MIB(3), GIB(3) - MIB(1)), 0);
	expect(GIB(4), GIB(4) + MIB(3), R | W);
	expect(GIB(4) + MIB(3), GIB(4) + MIB(8), 0);
	assert_int_equal(rights(GIB(5) - 1, NULL), 0);
	expect(GIB(6), GIB(6) + MIB(2), 0);
	expect(GIB(7), GIB(7) + MIB(2), 0);
	expect(GIB(7) + MIB(2), GIB(7) + MIB(4), R | W);
	assert_int_equal(paging_unmap(GIB(100), GIB(1000)), 0);
	/* No page for the split: nothing changes. */
	pages_allowed = pages_used;
	assert_int_equal(paging_unmap(GIB(1) + MIB(3), PAGE_SIZE), -ENOMEM);
	assert_int_equal(rights(GIB(1) + MIB(3), NULL), R | W);
}

static void test_ensure(void **state)
{
	(void)state;
	assert_int_equal(start(true), 0);
	assert_int_equal(paging_ensure(0x9e000, 0x4000, MAP_READ), 0);
	expect(0x9e000, 0x9f000, R | W);
	expect(0x9f000, 0xa0000, R);
	expect(0xa0000, 0xa2000, R | W | UC);
	assert_int_equal(paging_ensure(GIB(3) - 0x1000, MIB(3), MAP_READ), 0);
	expect(GIB(3) - 0x1000, GIB(3), R | W);
	expect(GIB(3), GIB(3) + MIB(3) - 0x1000, R);
	assert_int_equal(rights(GIB(3) + MIB(3), NULL), 0);
}

/* Random calls against a list of pages. */
static void test_random(void **state)
{
	static u8 oracle[2048]; /* 8 MiB from 2 GiB */

	(void)state;
	srand(8);
	for (unsigned int round = 0; round < 20; round++) {
		assert_int_equal(start(round % 2), 0);
		memset(oracle, R | W, sizeof(oracle));
		for (unsigned int op = 0; op < 40; op++) {
			static const unsigned int flags[] = { MAP_READ, MAP_WRITE, MAP_EXEC,
							      MAP_WRITE | MAP_UNCACHED };
			static const u8 r[] = { R, R | W, R | X, R | W | UC };
			u64 page = (u64)rand() % 2048, pa;
			u64 n = rand() % 3 ? (u64)rand() % 20 + 1 : 512;
			int what = rand() % 5;

			if (n == 512)
				page &= ~UINT64_C(511);
			n = min_u64(n, 2048 - page);
			pa = GIB(2) + page * PAGE_SIZE;
			if (what == 4) {
				assert_int_equal(paging_unmap(pa, n * PAGE_SIZE), 0);
				memset(&oracle[page], 0, n);
			} else {
				assert_int_equal(paging_map(GIB(2) + page * PAGE_SIZE,
							    n * PAGE_SIZE, flags[what]),
						 0);
				memset(&oracle[page], r[what], n);
			}
			for (unsigned int i = 0; i < 2048; i++)
				assert_int_equal(rights(GIB(2) + i * PAGE_SIZE, NULL), oracle[i]);
		}
		expect(GIB(2) - MIB(4), GIB(2), R | W);
		expect(GIB(2) + MIB(8), GIB(2) + MIB(12), R | W);
	}
}

/* Every table counts; accessed and dirty bits do not. */
static void test_checksum(void **state)
{
	unsigned int entries = 0;
	u64 sum;

	(void)state;
	assert_int_equal(start(true), 0);
	sum = paging_checksum();
	for (u64 *e = (u64 *)tables; e < (u64 *)&tables[pages_used * PAGE_SIZE]; e++) {
		if (!(*e & PTE_P))
			continue;
		entries++;
		*e ^= PTE_A | PTE_D;
		assert_int_equal(paging_checksum(), sum);
		*e ^= PTE_U;
		assert_int_not_equal(paging_checksum(), sum);
		*e ^= PTE_A | PTE_D | PTE_U;
	}
	assert_true(entries > pages_used);
	assert_int_equal(paging_map(GIB(2), PAGE_SIZE, MAP_UNCACHED), 0);
	assert_int_not_equal(paging_checksum(), sum);
}

int main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init, pc),
		cmocka_unit_test_setup(test_no_nx, pc),
		cmocka_unit_test_setup(test_no_memory, pc),
		cmocka_unit_test_setup(test_map, pc),
		cmocka_unit_test_setup(test_unmap, pc),
		cmocka_unit_test_setup(test_ensure, pc),
		cmocka_unit_test_setup(test_random, pc),
		cmocka_unit_test_setup(test_checksum, pc),
	};
	/* clang-format on */

	return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
