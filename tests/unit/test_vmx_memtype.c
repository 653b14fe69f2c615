/* SPDX-License-Identifier: MIT */
/*
 * Memory types of the host's RAM in EPT (vmx/memtype.c, vmx/ept.c): fixed and variable ranges, their overlaps, the default
 * type, and the leaves that follow. SDM vol. 3 rev. 083, 12.11, 29.3.7.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../vmx/memtype.h"
#include "../../vmx/vmx.h"
#include "gpmap.h"
#include "lib.h"
#include "mm.h"
#include "msr.h"

#define PHYS_BITS   36
#define EPT_TYPE(e) ((enum memtype)((e) >> 3 & 7U))
#define VALID	    MTRR_MASK_VALID
#define ON	    (MTRR_DEF_E | MTRR_DEF_FE)

/* Of a range of that size, which is a power of two. */
#define MASK(size) (((BIT64(PHYS_BITS) - 1) & ~((u64)(size)-1)) | VALID)

static u64 msr[0x300];
static struct host_mtrrs m;

static u64 read_msr(u32 number)
{
	assert_true(number < ARRAY_SIZE(msr));
	return msr[number];
}

static void set_range(unsigned int i, u64 base, u64 mask, enum memtype type)
{
	msr[MSR_MTRR_PHYSBASE0 + 2 * i] = base | type;
	msr[MSR_MTRR_PHYSMASK0 + 2 * i] = mask;
}

/* As firmware leaves them: all is write-back but the hole below 4 GiB, the video aperture and the ROMs. */
static void firmware(void)
{
	memset(msr, 0, sizeof(msr));
	msr[MSR_MTRR_CAP] = MTRR_CAP_FIX | 8;
	msr[MSR_MTRR_DEF_TYPE] = ON | MEMTYPE_WB;
	msr[MSR_MTRR_FIX64K_00000] = 0x0606060606060606;
	msr[MSR_MTRR_FIX16K_80000] = 0x0606060606060606;
	msr[MSR_MTRR_FIX16K_A0000] = 0;
	for (unsigned int i = 0; i < 8; i++)
		msr[MSR_MTRR_FIX4K_C0000 + i] = 0x0505050505050505;
	set_range(0, GIB(3), MASK(GIB(1)), MEMTYPE_UC);
}

static void load(void)
{
	host_mtrrs_read(&m, read_msr, true, PHYS_BITS);
}

static void expect(hpa_t pa, u64 asked, enum memtype type, u64 len)
{
	u64 got = asked;

	assert_int_equal(host_memtype(&m, pa, &got), type);
	assert_int_equal(got, len);
}

static void test_firmware(void **state)
{
	(void)state;
	firmware();
	load();
	expect(0, 0x200000, MEMTYPE_WB, 0xa0000);
	expect(0x9f000, 0x200000, MEMTYPE_WB, 0x1000);
	expect(0xa0000, 0x200000, MEMTYPE_UC, 0x20000);
	expect(0xc0000, 0x200000, MEMTYPE_WP, 0x40000);
	expect(0x100000, 0x200000, MEMTYPE_WB, 0x200000);
	expect(0x100000, GIB(16), MEMTYPE_WB, GIB(3) - 0x100000);
	expect(GIB(3), GIB(16), MEMTYPE_UC, GIB(1));
	expect(GIB(3) + MIB(8), MIB(4), MEMTYPE_UC, MIB(4));
	expect(GIB(4), GIB(16), MEMTYPE_WB, GIB(16));
}

static void test_fixed(void **state)
{
	(void)state;
	firmware();
	msr[MSR_MTRR_FIX64K_00000] = 0x0606060604060606; /* the fourth 64 KiB */
	msr[MSR_MTRR_FIX16K_80000] = 0x0006060606060606; /* the last 16 KiB */
	msr[MSR_MTRR_FIX4K_F8000] = 0x0605050505050505;	 /* the last 4 KiB */
	load();
	expect(0, MIB(1), MEMTYPE_WB, 0x30000);
	expect(0x30000, MIB(1), MEMTYPE_WT, 0x10000);
	expect(0x40000, MIB(1), MEMTYPE_WB, 0x5c000);
	expect(0x9c000, MIB(1), MEMTYPE_UC, 0x24000);
	expect(0xc0000, MIB(1), MEMTYPE_WP, 0x3f000);
	expect(0xff000, MIB(2), MEMTYPE_WB, MIB(2));
	/* A type that is none is not trusted. */
	msr[MSR_MTRR_FIX64K_00000] = 0x0202020202020303;
	load();
	expect(0, 0x20000, MEMTYPE_UC, 0x20000);
	/* Switched off, or not there, what is below 1 MiB is nothing special. */
	msr[MSR_MTRR_DEF_TYPE] = MTRR_DEF_E | MEMTYPE_WB;
	load();
	expect(0, MIB(2), MEMTYPE_WB, MIB(2));
	msr[MSR_MTRR_DEF_TYPE] = ON | MEMTYPE_WB;
	msr[MSR_MTRR_CAP] = 8;
	load();
	expect(0, MIB(2), MEMTYPE_WB, MIB(2));
}

static void test_variable(void **state)
{
	(void)state;
	firmware();
	msr[MSR_MTRR_DEF_TYPE] = ON | MEMTYPE_UC;
	set_range(0, 0, MASK(GIB(2)), MEMTYPE_WB);
	set_range(1, GIB(2), MASK(GIB(1)), MEMTYPE_WB);
	set_range(2, GIB(2) + MIB(512), MASK(MIB(512)), MEMTYPE_UC); /* wins */
	set_range(3, MIB(64), MASK(MIB(64)), MEMTYPE_WT);	     /* wins over WB */
	set_range(4, GIB(1), MASK(MIB(16)), MEMTYPE_WC);	     /* undefined over WB */
	set_range(5, GIB(8), MASK(GIB(8)), MEMTYPE_WP);
	set_range(6, GIB(8), MASK(GIB(8)), MEMTYPE_WP);
	set_range(7, GIB(32), MASK(GIB(1)) & ~VALID, MEMTYPE_WB);
	load();
	expect(MIB(1), GIB(16), MEMTYPE_WB, MIB(63));
	expect(MIB(64), GIB(16), MEMTYPE_WT, MIB(64));
	expect(MIB(128), GIB(16), MEMTYPE_WB, GIB(1) - MIB(128));
	expect(GIB(1), GIB(16), MEMTYPE_UC, MIB(16));
	/* Two ranges of one type are one. */
	expect(GIB(1) + MIB(16), GIB(16), MEMTYPE_WB, GIB(1) + MIB(496));
	expect(GIB(2) + MIB(512), GIB(16), MEMTYPE_UC, GIB(5) + MIB(512));
	expect(GIB(8), GIB(64), MEMTYPE_WP, GIB(8));
	expect(GIB(32), GIB(1), MEMTYPE_UC, GIB(1));
	/* Only as many as there are. */
	msr[MSR_MTRR_CAP] = MTRR_CAP_FIX | 5;
	load();
	expect(GIB(8), GIB(8), MEMTYPE_UC, GIB(8));
	/* A mask with a hole: each second 16 MiB of the first 64. */
	firmware();
	set_range(0, 0, MASK(MIB(16)) & ~(u64)MIB(32), MEMTYPE_UC);
	load();
	expect(MIB(1), GIB(1), MEMTYPE_UC, MIB(15));
	expect(MIB(16), GIB(1), MEMTYPE_WB, MIB(16));
	expect(MIB(32), GIB(1), MEMTYPE_UC, MIB(16));
	expect(MIB(48), GIB(1), MEMTYPE_WB, GIB(1));
	/* All of memory */
	set_range(0, 0, VALID, MEMTYPE_WT);
	load();
	expect(MIB(1), GIB(60), MEMTYPE_WT, GIB(60));
}

static void test_none(void **state)
{
	(void)state;
	firmware();
	msr[MSR_MTRR_DEF_TYPE] = MTRR_DEF_FE | MEMTYPE_WB;
	load();
	expect(0, GIB(16), MEMTYPE_UC, GIB(16));
	host_mtrrs_read(&m, read_msr, false, PHYS_BITS);
	expect(0, GIB(16), MEMTYPE_WB, GIB(16));
}

/* --- the leaves ------------------------------------------------------------------------------------ */

#define TABLES 32
static u8 tables[TABLES][PAGE_SIZE] __aligned(4096);
static unsigned int used;

void *page_alloc(void)
{
	assert_true(used < TABLES);
	return tables[used++];
}

void *phys_to_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa;
}

hpa_t virt_to_phys(const void *va)
{
	return (hpa_t)(uintptr_t)va;
}

static void expect_leaf(const struct gpmap *map, gpa_t gpa, enum memtype type, unsigned int level)
{
	unsigned int l = 0;
	u64 e = gpmap_lookup(map, gpa, &l);

	assert_int_not_equal(e, 0);
	assert_int_equal(EPT_TYPE(e), type);
	assert_int_equal(l, level);
}

static void test_leaves(void **state)
{
	static const unsigned int all = GP_READ | GP_WRITE | GP_EXEC;
	const struct vmx_controls c = { .two_mb = true, .one_gb = true };
	static struct gpmap map;

	(void)state;
	ept_configure(&c);
	/* Nothing said: what is asked for. */
	assert_int_equal(gpmap_init(&map, &ept_format), 0);
	assert_int_equal(gpmap_add(&map, 0, GIB(2), GIB(4), all, MEMTYPE_WB), 0);
	expect_leaf(&map, GIB(1), MEMTYPE_WB, 2);

	firmware();
	set_range(1, GIB(6), MASK(0x1000), MEMTYPE_WT);
	load();
	ept_set_memtypes(&m);
	assert_int_equal(gpmap_init(&map, &ept_format), 0);
	assert_int_equal(gpmap_add(&map, 0, GIB(2), GIB(6), all, MEMTYPE_WB), 0);
	expect_leaf(&map, 0, MEMTYPE_WB, 2);
	expect_leaf(&map, GIB(1), MEMTYPE_UC, 2);
	expect_leaf(&map, GIB(2), MEMTYPE_WB, 2);
	/* A page of another type takes the large one apart, no further than it must. */
	expect_leaf(&map, GIB(4), MEMTYPE_WT, 0);
	expect_leaf(&map, GIB(4) + 0x1000, MEMTYPE_WB, 0);
	expect_leaf(&map, GIB(4) + MIB(2), MEMTYPE_WB, 1);
	expect_leaf(&map, GIB(5), MEMTYPE_WB, 2);
	/* One extent all the same; and device memory is uncached whatever the host says. */
	assert_int_equal(map.n, 1);
	assert_int_equal(gpmap_add(&map, GIB(8), GIB(10), GIB(1), GP_READ, MEMTYPE_UC), 0);
	expect_leaf(&map, GIB(8), MEMTYPE_UC, 2);
	ept_format.ram_type = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firmware), cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_variable), cmocka_unit_test(test_none),
		cmocka_unit_test(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
