/* SPDX-License-Identifier: MIT */
/*
 * The host's ACPI tables (boot/acpi.c), built in an arena that stands for memory up to 2 MiB. The
 * mapping callback refuses what lies outside, and copies every range to a place of its own, so that
 * the sanitizer sees a read beyond what was asked.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "acpi.h"
#include "errors.h"
#include "lib.h"

#define ARENA MIB(2)

static u8 arena[ARENA];
static struct memmap map;
static struct acpi_info info;
static void *copies[256];
static unsigned int n_copies;
static u32 table_end;

static const void *map_bytes(hpa_t pa, u64 len)
{
	void *p;

	if (pa >= ARENA || len > ARENA - pa || len == 0 || n_copies == ARRAY_SIZE(copies))
		return NULL;
	p = malloc(len);
	copies[n_copies++] = p;
	memcpy(p, &arena[pa], len);
	return p;
}

static int init(hpa_t ebda)
{
	int rc;

	memset(&info, 0x5a, sizeof(info));
	rc = acpi_init(&map, ebda, map_bytes, &info);
	while (n_copies > 0)
		free(copies[--n_copies]);
	return rc;
}

static int reset(void **state)
{
	(void)state;
	memset(arena, 0, sizeof(arena));
	map.n = 0;
	table_end = 0x180000;
	return 0;
}

static void put16(u32 pa, u16 v)
{
	memcpy(&arena[pa], &v, sizeof(v));
}

static void put32(u32 pa, u32 v)
{
	memcpy(&arena[pa], &v, sizeof(v));
}

static void put64(u32 pa, u64 v)
{
	memcpy(&arena[pa], &v, sizeof(v));
}

static void fix_sum(u32 pa, u32 len, u32 at)
{
	u8 sum = 0;

	arena[pa + at] = 0;
	for (u32 i = 0; i < len; i++)
		sum = (u8)(sum + arena[pa + i]);
	arena[pa + at] = (u8)-sum;
}

#define HEADER 36U

/* Lays a table out; the caller fills it and calls finish(). */
static u32 begin(const char *signature, u32 len, u8 revision)
{
	u32 pa = table_end;

	table_end += (len + 63) & ~31U;
	memcpy(&arena[pa], signature, 4);
	put32(pa + 4, len);
	arena[pa + 8] = revision;
	return pa;
}

static u32 finish(u32 pa)
{
	u32 len;

	memcpy(&len, &arena[pa + 4], 4);
	fix_sum(pa, len, 9);
	return pa;
}

static u32 root(const char *signature, unsigned int n, const u32 *tables)
{
	u32 width = signature[0] == 'X' ? 8 : 4;
	u32 pa = begin(signature, HEADER + n * width, 1);

	for (u32 i = 0; i < n; i++)
		put32(pa + HEADER + i * width, tables[i]); /* the upper half is 0 */
	return finish(pa);
}

static void rsdp(u32 pa, u8 revision, u32 rsdt, u32 xsdt)
{
	memcpy(&arena[pa], "RSD PTR ", 8);
	memcpy(&arena[pa + 9], "PLINTH", 6);
	arena[pa + 15] = revision;
	put32(pa + 16, rsdt);
	fix_sum(pa, 20, 8);
	if (revision >= 2) {
		put32(pa + 20, 36);
		put64(pa + 24, xsdt);
		fix_sum(pa, 36, 32);
	}
}

/* Offsets in the FADT: ACPI 6.5 table 5.9. */
static u32 fadt(u32 len, u8 revision, u32 dsdt)
{
	u32 pa = begin("FACP", len, revision);

	put32(pa + 40, dsdt);
	put16(pa + 46, 9);
	put32(pa + 48, 0xb2);
	arena[pa + 52] = 0xf1;
	arena[pa + 53] = 0xf0;
	put32(pa + 56, 0x600);
	put32(pa + 64, 0x604);
	put32(pa + 76, 0x608);
	arena[pa + 88] = 4;
	arena[pa + 89] = 2;
	arena[pa + 91] = 4;
	arena[pa + 108] = 0x32;
	put16(pa + 109, 0x0003);
	put32(pa + 112, 0x5a5 | ACPI_FADT_TMR_VAL_EXT | ACPI_FADT_RESET_REG_SUP);
	return pa;
}

static void gas(u32 pa, u8 space, u8 width, u64 address)
{
	arena[pa] = space;
	arena[pa + 1] = width;
	put64(pa + 4, address);
}

static u32 definition_block(const char *signature, const u8 *aml, u32 len)
{
	u32 pa = begin(signature, HEADER + len, 2);

	memcpy(&arena[pa + HEADER], aml, len);
	return finish(pa);
}

static const u8 s5_qemu[] = { 0x10, 0x20, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0 };

/* A machine as QEMU's: revision 0, RSDT, tables high. */
static u32 simple_machine(u32 where)
{
	u32 dsdt = definition_block("DSDT", s5_qemu, sizeof(s5_qemu));
	u32 f = finish(fadt(116, 1, dsdt));
	u32 r = root("RSDT", 1, &f);

	rsdp(where, 0, r, 0);
	return r;
}

static void test_places(void **state)
{
	(void)state;
	assert_int_equal(init(0), -ENOENT);
	simple_machine(0xf5a30);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.rsdp, 0xf5a30);
	assert_string_equal(info.oem_id, "PLINTH");
	assert_true(info.has_fadt);
	assert_false(info.has_madt);
	assert_true(info.has_s5);
	/* The last place of the BIOS area. */
	reset(NULL);
	simple_machine(0xffff0 - 16);
	assert_int_equal(init(0), 0);
	/* Not on a 16-byte boundary. */
	reset(NULL);
	simple_machine(0xf5a38);
	assert_int_equal(init(0), -ENOENT);
	/* The EBDA: only with its address, and only its first KiB. */
	reset(NULL);
	simple_machine(0x9fc20);
	assert_int_equal(init(0), -ENOENT);
	assert_int_equal(init(0x9fc00), 0);
	assert_int_equal(init(0x9f820), -ENOENT);
	assert_int_equal(init(0x9f840), 0);
	/* Or reserved memory below 1 MiB. */
	memmap_add(&map, 0x9f000, 0x1000, MEM_RESERVED);
	assert_int_equal(init(0), 0);
	/* UEFI: an ACPI region. */
	reset(NULL);
	simple_machine(0x170000);
	memmap_add(&map, 0x100000, 0x100000, MEM_RAM);
	assert_int_equal(init(0), -ENOENT);
	memmap_add(&map, 0x16f000, 0x3000, MEM_ACPI_RECLAIM);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.rsdp, 0x170000);
	map.n = 0;
	memmap_add(&map, 0x16f000, 0x3000, MEM_ACPI_NVS);
	assert_int_equal(init(0), 0);
	map.n = 0;
	memmap_add(&map, 0x16f000, 0x3000, MEM_RESERVED);
	assert_int_equal(init(0), -ENOENT);
	/* A region that cannot be mapped. */
	memmap_add(&map, MIB(3), 0x3000, MEM_ACPI_RECLAIM);
	assert_int_equal(init(0), -ENOENT);
}

static void test_rsdp(void **state)
{
	u32 r, x, t;

	(void)state;
	simple_machine(0xe0000);
	arena[0xe0000 + 9] ^= 1; /* checksum */
	assert_int_equal(init(0), -ENOENT);
	/* A stale copy before the good one. */
	simple_machine(0xf0000);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.rsdp, 0xf0000);
	/* One with a right checksum whose RSDT is gone. */
	rsdp(0xe0000, 0, 0x120000, 0);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.rsdp, 0xf0000);
	/* XSDT preferred; the RSDT when the XSDT or the extended checksum is bad. */
	reset(NULL);
	t = finish(begin("HPET", 56, 1));
	r = root("RSDT", 1, &t);
	t = finish(begin("MCFG", 60, 1));
	x = root("XSDT", 1, &t);
	rsdp(0xe0000, 2, r, x);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.revision, 2);
	assert_non_null(acpi_find(&info, "MCFG", 0));
	assert_null(acpi_find(&info, "HPET", 0));
	arena[x + HEADER + 1] ^= 0xff;
	assert_int_equal(init(0), 0);
	assert_non_null(acpi_find(&info, "HPET", 0));
	arena[x + HEADER + 1] ^= 0xff;
	arena[0xe0000 + 33] ^= 1;
	assert_int_equal(init(0), 0);
	assert_non_null(acpi_find(&info, "HPET", 0));
	rsdp(0xe0000, 2, 0, x);
	put32(0xe0000 + 20, 35);
	fix_sum(0xe0000, 36, 32);
	assert_int_equal(init(0), -ENOENT);
	put32(0xe0000 + 20, UINT32_MAX);
	fix_sum(0xe0000, 36, 32);
	assert_int_equal(init(0), -ENOENT);
	/* Longer than what is left of the area it was found in. */
	reset(NULL);
	x = root("XSDT", 0, NULL);
	rsdp(0xfffd0, 2, 0, x);
	assert_int_equal(init(0), 0);
	put32(0xfffd0 + 20, 100);
	fix_sum(0xfffd0, 100, 32);
	assert_int_equal(init(0), -ENOENT);
	/* An RSDT under the XSDT's pointer is none. */
	r = root("RSDT", 0, NULL);
	rsdp(0xe0000, 2, 0, r);
	assert_int_equal(init(0), -ENOENT);
}

static void test_tables(void **state)
{
	static u32 list[ACPI_TABLES_MAX + 10];
	u32 good, r;

	(void)state;
	good = finish(begin("SSDT", 50, 2));
	list[0] = good;
	list[1] = 0; /* skipped */
	list[2] = finish(begin("BAD1", 40, 1));
	arena[list[2] + 9] ^= 1; /* checksum */
	list[3] = finish(begin("BAD2", 40, 1));
	put32(list[3] + 4, 35); /* shorter than a header */
	list[4] = finish(begin("BAD3", 40, 1));
	put32(list[4] + 4, UINT32_MAX);				  /* absurd */
	list[5] = ARENA - 10;					  /* header not readable */
	list[6] = begin("BAD4", (u32)(ARENA - table_end + 1), 1); /* body not readable */
	table_end = 0x190000;
	list[7] = 0xfffffff0;
	list[8] = good;
	r = root("RSDT", 9, list);
	rsdp(0xe0000, 0, r, 0);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.tables, 2);
	assert_int_equal(info.tables_bad, 6);
	assert_int_equal(acpi_find(&info, "SSDT", 0)->address, good);
	assert_int_equal(acpi_find(&info, "SSDT", 0)->length, 50);
	assert_ptr_equal(acpi_find(&info, "SSDT", 1), &info.table[1]);
	assert_null(acpi_find(&info, "SSDT", 2));
	/* More than fit. */
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = good;
	r = root("RSDT", ARRAY_SIZE(list), list);
	rsdp(0xe0000, 0, r, 0);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.tables, ACPI_TABLES_MAX);
	assert_int_equal(info.tables_bad, 10);
	/* None at all, and a length that is no multiple of an entry. */
	r = root("RSDT", 0, list);
	rsdp(0xe0000, 0, r, 0);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.tables, 0);
	put32(r + 4, HEADER + 3);
	finish(r);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.tables, 0);
}

static void test_fadt(void **state)
{
	u32 dsdt, f, r;

	(void)state;
	dsdt = definition_block("DSDT", s5_qemu, sizeof(s5_qemu));
	f = finish(fadt(116, 1, dsdt));
	r = root("RSDT", 1, &f);
	rsdp(0xe0000, 0, r, 0);
	assert_int_equal(init(0), 0);
	assert_true(info.has_fadt);
	assert_int_equal(info.sci_irq, 9);
	assert_int_equal(info.smi_cmd, 0xb2);
	assert_int_equal(info.acpi_enable, 0xf1);
	assert_int_equal(info.acpi_disable, 0xf0);
	assert_int_equal(info.pm1a_event.address, 0x600);
	assert_int_equal(info.pm1a_event.bit_width, 32);
	assert_int_equal(info.pm1_event_len, 4);
	assert_int_equal(info.pm1b_event.address, 0);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(info.pm1a_control.bit_width, 16);
	assert_int_equal(info.pm1b_control.address, 0);
	assert_int_equal(info.pm_timer_port, 0x608);
	assert_true(info.pm_timer_32bit);
	assert_int_equal(info.century, 0x32);
	assert_int_equal(info.flags & 0xff, 0xa5);
	assert_false(info.has_boot_arch); /* revision 1: reserved bytes */
	assert_int_equal(info.boot_arch, 0);
	assert_false(info.reset_supported); /* the table is too short to have it */
	/* One byte less is no FADT. */
	put32(f + 4, 115);
	finish(f);
	assert_int_equal(init(0), 0);
	assert_false(info.has_fadt);
	assert_false(info.has_s5);

	/* Revision 6, with the extended fields. */
	f = fadt(276, 6, 0);
	put64(f + 140, dsdt);
	gas(f + 116, ACPI_SPACE_IO, 8, 0xcf9);
	arena[f + 128] = 6;
	gas(f + 148, ACPI_SPACE_IO, 32, 0x1800);
	gas(f + 160, ACPI_SPACE_IO, 32, 0x1900);
	gas(f + 172, ACPI_SPACE_MEMORY, 16, 0xfed80804);
	gas(f + 184, ACPI_SPACE_IO, 16, 0x1904);
	gas(f + 208, ACPI_SPACE_MEMORY, 32, 0xfed80808);
	gas(f + 244, ACPI_SPACE_IO, 8, 0x700);
	finish(f);
	r = root("RSDT", 1, &f);
	rsdp(0xe0000, 0, r, 0);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.boot_arch, 3);
	assert_true(info.has_boot_arch);
	assert_true(info.reset_supported);
	assert_int_equal(info.reset_register.address, 0xcf9);
	assert_int_equal(info.reset_value, 6);
	assert_int_equal(info.pm1a_event.address, 0x1800);
	assert_int_equal(info.pm1b_event.address, 0x1900);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.pm1a_control.address, 0xfed80804);
	assert_int_equal(info.pm1b_control.address, 0x1904);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.pm_timer_port, 0);
	assert_int_equal(info.sleep_control.address, 0x700);
	assert_true(info.has_s5); /* by X_DSDT */
	/* An extended register in a space that we cannot use: the legacy one counts. */
	gas(f + 208, 0x7f, 32, 0x1234);
	gas(f + 172, ACPI_SPACE_IO, 16, 0);
	gas(f + 148, ACPI_SPACE_IO, 32, 0x12345);
	put32(f + 48, 0x10000);
	finish(f);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.pm_timer_port, 0x608);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_event.address, 0); /* no such port */
	assert_int_equal(info.smi_cmd, 0);
	/* The flag without a register. */
	gas(f + 116, ACPI_SPACE_IO, 8, 0);
	finish(f);
	assert_int_equal(init(0), 0);
	assert_false(info.reset_supported);
}

static void test_s5(void **state)
{
	static const struct {
		const char *name;
		u8 aml[24];
		u32 len;
		bool found;
		u8 a, b;
	} cases[] = {
		{ "bytes",
		  { 0, 8, '_', 'S', '5', '_', 0x12, 8, 4, 0xa, 5, 0xa, 6, 0, 0 },
		  15,
		  true,
		  5,
		  6 },
		{ "root",
		  { 8, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 0xa, 7, 1, 0, 0, 0 },
		  15,
		  true,
		  7,
		  1 },
		{ "word",
		  { 8, '_', 'S', '5', '_', 0x12, 8, 2, 0xb, 5, 0, 0xb, 3, 0 },
		  14,
		  true,
		  5,
		  3 },
		{ "dword",
		  { 8, '_', 'S', '5', '_', 0x12, 8, 2, 0xc, 4, 0, 0, 0, 1 },
		  14,
		  true,
		  4,
		  1 },
		{ "long length",
		  { 8, '_', 'S', '5', '_', 0x12, 0x46, 0, 4, 0, 1, 0, 0 },
		  13,
		  true,
		  0,
		  1 },
		{ "longer",
		  { 8, '_', 'S', '5', '_', 0x12, 0xc7, 0, 0, 0, 4, 0, 1 },
		  13,
		  true,
		  0,
		  1 },
		{ "one element", { 8, '_', 'S', '5', '_', 0x12, 4, 1, 0xa, 5 }, 10, true, 5, 5 },
		{ "second try",
		  { 8, '_', 'S', '5', '_', 0x0a, 8, '_', 'S', '5', '_', 0x12, 4, 2, 1, 0 },
		  16,
		  true,
		  1,
		  0 },
		{ "not named", { 0, '_', 'S', '5', '_', 0x12, 4, 2, 1, 0 }, 10, false, 0, 0 },
		{ "no package", { 8, '_', 'S', '5', '_', 0x13, 4, 2, 1, 0 }, 10, false, 0, 0 },
		{ "empty package", { 8, '_', 'S', '5', '_', 0x12, 2, 0, 1, 0 }, 10, false, 0, 0 },
		{ "no constant", { 8, '_', 'S', '5', '_', 0x12, 4, 2, 0x0d, 0 }, 10, false, 0, 0 },
		{ "no second", { 8, '_', 'S', '5', '_', 0x12, 3, 2, 1, 0x0d }, 10, false, 0, 0 },
		{ "out of range",
		  { 8, '_', 'S', '5', '_', 0x12, 5, 2, 0xa, 8, 0 },
		  11,
		  false,
		  0,
		  0 },
		{ "package too long",
		  { 8, '_', 'S', '5', '_', 0x12, 9, 2, 1, 0 },
		  10,
		  false,
		  0,
		  0 },
		{ "package too short",
		  { 8, '_', 'S', '5', '_', 0x12, 3, 2, 0xa, 5, 0 },
		  11,
		  false,
		  0,
		  0 },
		{ "cut in the constant",
		  { 8, '_', 'S', '5', '_', 0x12, 4, 2, 0xb, 5 },
		  10,
		  false,
		  0,
		  0 },
		{ "cut in the length", { 8, '_', 'S', '5', '_', 0x12, 0xc4 }, 7, false, 0, 0 },
		{ "cut behind the name", { 8, '_', 'S', '5', '_' }, 5, false, 0, 0 },
		{ "cut behind the operator", { 8, '_', 'S', '5', '_', 0x12 }, 6, false, 0, 0 },
		{ "cut in the name", { 8, '_', 'S', '5' }, 4, false, 0, 0 },
		{ "nothing", { 0 }, 0, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* In the DSDT, and in an SSDT beside a DSDT without it. */
		for (unsigned int ssdt = 0; ssdt < 2; ssdt++) {
			u32 list[2];
			u32 dsdt;

			reset(NULL);
			dsdt = definition_block("DSDT", cases[i].aml, ssdt ? 0 : cases[i].len);
			list[0] = finish(fadt(132, 3, dsdt));
			list[1] = definition_block("SSDT", cases[i].aml, cases[i].len);
			rsdp(0xe0000, 0, root("RSDT", 1 + ssdt, list), 0);
			assert_int_equal(init(0), 0);
			if (info.has_s5 != cases[i].found || info.s5_typ_a != cases[i].a ||
			    info.s5_typ_b != cases[i].b)
				fail_msg("%s: %d %u %u", cases[i].name, info.has_s5, info.s5_typ_a,
					 info.s5_typ_b);
		}
	}
}

static u32 madt_end;

static u32 begin_madt(u32 lapic, u32 flags)
{
	u32 pa = begin("APIC", 0x2000, 4);

	put32(pa + 36, lapic);
	put32(pa + 40, flags);
	madt_end = pa + 44;
	return pa;
}

static void madt_bytes(const u8 *bytes, u32 len)
{
	memcpy(&arena[madt_end], bytes, len);
	madt_end += len;
}

#define MADT(...) madt_bytes((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void finish_madt(u32 pa)
{
	put32(pa + 4, madt_end - pa);
	finish(pa);
	rsdp(0xe0000, 0, root("RSDT", 1, &pa), 0);
}

static void test_madt(void **state)
{
	u32 pa;

	(void)state;
	pa = begin_madt(0xfee00000, 1);
	MADT(0, 8, 1, 0, 1, 0, 0, 0);
	MADT(0, 8, 2, 4, 0, 0, 0, 0);
	MADT(0, 8, 3, 6, 2, 0, 0, 0);
	MADT(0, 8, 4, 0xff, 0, 0, 0, 0); /* an empty slot */
	MADT(9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0);
	MADT(9, 16, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0); /* listed twice */
	MADT(1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
	MADT(1, 12, 3, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0);
	MADT(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
	MADT(2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0);
	MADT(2, 10, 1, 9, 9, 0, 0, 0, 0, 0);  /* not ISA */
	MADT(2, 10, 0, 16, 9, 0, 0, 0, 0, 0); /* no such IRQ */
	MADT(4, 6, 0xff, 5, 0, 1);
	MADT(4, 6, 2, 0, 0, 0);
	MADT(4, 6, 2, 0, 0, 2); /* no such pin */
	MADT(10, 12, 5, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0);
	MADT(3, 8, 0, 0, 2, 0, 0, 0); /* NMI source: of no use */
	MADT(0x7f, 2);
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_true(info.has_madt);
	assert_int_equal(info.lapic_address, 0xfee00000);
	assert_true(info.has_8259);
	assert_int_equal(info.cpus, 4);
	assert_int_equal(info.cpu[0].apic_id, 0);
	assert_int_equal(info.cpu[0].uid, 1);
	assert_true(info.cpu[0].enabled);
	assert_int_equal(info.cpu[1].apic_id, 4);
	assert_true(info.cpu[1].enabled); /* by its second entry */
	assert_false(info.cpu[2].enabled);
	assert_true(info.cpu[2].online_capable);
	assert_int_equal(info.cpu[3].apic_id, 256);
	assert_int_equal(info.ioapics, 2);
	assert_int_equal(info.ioapic[0].id, 2);
	assert_int_equal(info.ioapic[0].address, 0xfec00000);
	assert_int_equal(info.ioapic[1].address, 0xfec01000);
	assert_int_equal(info.ioapic[1].gsi_base, 24);
	assert_int_equal(info.overrides, 2);
	assert_int_equal(info.override[0].isa_irq, 0);
	assert_int_equal(info.override[0].gsi, 2);
	assert_int_equal(info.override[1].flags & ACPI_INTI_TRIGGER, ACPI_INTI_TRIGGER_LEVEL);
	assert_int_equal(info.override[1].flags & ACPI_INTI_POLARITY, ACPI_INTI_ACTIVE_HIGH);
	assert_int_equal(info.nmis, 3);
	assert_int_equal(info.nmi[0].uid, ACPI_UID_ALL);
	assert_int_equal(info.nmi[0].flags, 5);
	assert_int_equal(info.nmi[0].lint, 1);
	assert_int_equal(info.nmi[1].uid, 2);
	assert_int_equal(info.nmi[2].uid, ACPI_UID_ALL);
	assert_int_equal(info.madt_dropped, 3);

	pa = begin_madt(0xfee00000, 0);
	MADT(5, 12, 0, 0, 0, 0x10, 0xe0, 0xfe, 1, 0, 0, 0);
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.lapic_address, 0x1fee01000);
	assert_false(info.has_8259);
}

static void test_bad_madt(void **state)
{
	u32 pa;

	(void)state;
	/* A length of 0 would be an endless loop; what follows is lost. */
	pa = begin_madt(0xfee00000, 0);
	MADT(0, 8, 1, 0, 1, 0, 0, 0);
	MADT(0, 0, 1, 1, 1, 0, 0, 0);
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.cpus, 1);
	assert_int_equal(info.madt_dropped, 1);
	/* Beyond the table's end. */
	pa = begin_madt(0xfee00000, 0);
	MADT(0, 9, 1, 0, 1, 0, 0, 0);
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.cpus, 0);
	assert_int_equal(info.madt_dropped, 1);
	/* Entries too short for their type. */
	pa = begin_madt(0xfee00000, 0);
	MADT(0, 7, 0, 0, 0, 0, 0);
	MADT(1, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	MADT(2, 9, 0, 0, 0, 0, 0, 0, 0);
	MADT(4, 5, 0, 0, 0);
	MADT(5, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	MADT(9, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	MADT(10, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	MADT(0); /* half an entry */
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_true(info.has_madt);
	assert_int_equal(info.cpus + info.ioapics + info.overrides + info.nmis, 0);
	assert_int_equal(info.lapic_address, 0xfee00000);
	assert_int_equal(info.madt_dropped, 7);
	/* Too short for its own fields. */
	pa = finish(begin("APIC", 43, 1));
	rsdp(0xe0000, 0, root("RSDT", 1, &pa), 0);
	assert_int_equal(init(0), 0);
	assert_false(info.has_madt);
	/* More than fit. */
	pa = begin_madt(0xfee00000, 0);
	for (u32 i = 0; i < ACPI_CPUS_MAX + 5; i++)
		MADT(9, 16, 0, 0, (u8)i, (u8)(i >> 8), 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
	for (u8 i = 0; i < 20; i++) {
		MADT(1, 12, i, 0, 0, 0, 0, 0, 0, 0, 0, 0);
		MADT(2, 10, 0, i & 15, 0, 0, 0, 0, 0, 0);
		MADT(4, 6, i, 0, 0, 0);
	}
	finish_madt(pa);
	assert_int_equal(init(0), 0);
	assert_int_equal(info.cpus, ACPI_CPUS_MAX);
	assert_int_equal(info.ioapics, ACPI_IOAPICS_MAX);
	assert_int_equal(info.overrides, ACPI_OVERRIDES_MAX);
	assert_int_equal(info.nmis, ACPI_NMIS_MAX);
	assert_int_equal(info.madt_dropped, 5 + 12 + 4 + 12);
}

/* Damaged tables with right checksums. */
static void test_noise(void **state)
{
	(void)state;
	srand(7);
	for (unsigned int round = 0; round < 3000; round++) {
		u32 list[3], dsdt, pa;

		reset(NULL);
		dsdt = definition_block("DSDT", s5_qemu, sizeof(s5_qemu));
		list[0] = fadt(276, 6, dsdt);
		list[1] = begin("APIC", 200, 4);
		for (u32 i = 44; i + 12 <= 200; i += 12) {
			arena[list[1] + i] = (u8)(rand() % 12);
			arena[list[1] + i + 1] = 12;
		}
		list[2] = begin("SSDT", 100, 2);
		memcpy(&arena[list[2] + 40], s5_qemu, sizeof(s5_qemu));
		for (unsigned int k = 0; k < 3; k++) {
			for (int i = rand() % 20; i > 0; i--)
				arena[list[k] + 4 + (u32)rand() % 196] = (u8)rand();
			put32(list[k] + 4, rand() % 4 ? 36 + (u32)rand() % 240 : (u32)rand());
			memcpy(&pa, &arena[list[k] + 4], 4);
			if (pa < ARENA - list[k])
				finish(list[k]);
		}
		rsdp(0xe0000, 0, root("RSDT", 3, list), 0);
		assert_int_equal(init(0), 0);
		assert_true(info.s5_typ_a <= 7 && info.s5_typ_b <= 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_places, reset),
		cmocka_unit_test_setup(test_rsdp, reset),
		cmocka_unit_test_setup(test_tables, reset),
		cmocka_unit_test_setup(test_fadt, reset),
		cmocka_unit_test_setup(test_s5, reset),
		cmocka_unit_test_setup(test_madt, reset),
		cmocka_unit_test_setup(test_bad_madt, reset),
		cmocka_unit_test_setup(test_noise, reset),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
