/* SPDX-License-Identifier: MIT */
/*
 * Multiboot information (boot/multiboot.c), built in an arena that stands for the first megabyte.
 * What lies outside the arena is unreadable.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "lib.h"
#include "multiboot.h"

#define ARENA	0x100000U
#define INFO	0x9000U
#define MODS	0xa000U
#define MMAP	0xb000U
#define STRINGS 0x20000U

/* Offsets in the information structure and its flags: section 3.3. */
enum {
	MBI_FLAGS = 0,
	MBI_LOWER = 4,
	MBI_UPPER = 8,
	MBI_CMDLINE = 16,
	MBI_MODS_COUNT = 20,
	MBI_MODS_ADDR = 24,
	MBI_MMAP_LENGTH = 44,
	MBI_MMAP_ADDR = 48,
	MBI_LOADER = 64,
	MBI_FB_ADDR = 88,
	MBI_FB_PITCH = 96,
	MBI_FB_WIDTH = 100,
	MBI_FB_HEIGHT = 104,
	MBI_FB_BPP = 108,
	MBI_FB_TYPE = 109,
	HAS_MEM = 1,
	HAS_CMDLINE = 4,
	HAS_MODS = 8,
	HAS_MMAP = 0x40,
	HAS_LOADER = 0x200,
	HAS_FB = 0x1000,
};

static u8 arena[ARENA];
static struct boot_info bi;
static struct memmap map;
static u32 mmap_end;

void *phys_to_virt(hpa_t pa)
{
	return pa < ARENA ? &arena[pa] : NULL;
}

static void put32(u32 pa, u32 v)
{
	memcpy(&arena[pa], &v, sizeof(v));
}

static void put64(u32 pa, u64 v)
{
	memcpy(&arena[pa], &v, sizeof(v));
}

static u32 put_string(u32 pa, const char *s)
{
	memcpy(&arena[pa], s, strlen(s) + 1);
	return pa;
}

static void set_flags(u32 flags)
{
	u32 old;

	memcpy(&old, &arena[INFO], sizeof(old));
	put32(INFO, old | flags);
}

static void add_entry(u32 size, u64 base, u64 len, u32 type)
{
	put32(mmap_end, size);
	put64(mmap_end + 4, base);
	put64(mmap_end + 12, len);
	put32(mmap_end + 20, type);
	mmap_end += size + 4;
	put32(INFO + MBI_MMAP_ADDR, MMAP);
	put32(INFO + MBI_MMAP_LENGTH, mmap_end - MMAP);
	set_flags(HAS_MMAP);
}

static void add_module(unsigned int i, u32 start, u32 end, u32 string)
{
	put32(MODS + 16 * i, start);
	put32(MODS + 16 * i + 4, end);
	put32(MODS + 16 * i + 8, string);
	put32(INFO + MBI_MODS_ADDR, MODS);
	put32(INFO + MBI_MODS_COUNT, i + 1);
	set_flags(HAS_MODS);
}

static void set_cmdline(const char *s)
{
	put32(INFO + MBI_CMDLINE, put_string(STRINGS, s));
	set_flags(HAS_CMDLINE);
}

static int reset(void **state)
{
	(void)state;
	memset(arena, 0, sizeof(arena));
	mmap_end = MMAP;
	return 0;
}

static int parse(void)
{
	memset(&bi, 0xa5, sizeof(bi));
	return multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, INFO, &bi);
}

static void test_refused(void **state)
{
	(void)state;
	add_entry(20, 0, MIB(1), 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(multiboot_parse(0x36d76289, INFO, &bi), -EINVAL); /* Multiboot 2 */
	assert_int_equal(multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, ARENA, &bi), -EINVAL);
	assert_int_equal(multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, ARENA - 40, &bi), -EINVAL);
	assert_int_equal(multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, 0xfffffff0, &bi), -EINVAL);
	assert_int_equal(multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, BIT64(32), &bi), -EINVAL);
	assert_int_equal(multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, UINT64_MAX, &bi), -EINVAL);
}

static void test_no_map(void **state)
{
	(void)state;
	assert_int_equal(parse(), -ENOENT);
	/* The flag alone is no map. */
	set_flags(HAS_MMAP);
	assert_int_equal(parse(), -ENOENT);
	put32(INFO + MBI_LOWER, 639);
	put32(INFO + MBI_UPPER, 130048);
	set_flags(HAS_MEM);
	assert_int_equal(parse(), 0);
	assert_true(bi.mmap_from_sizes);
	assert_int_equal(boot_info_memmap(&bi, &map), 0);
	assert_int_equal(map.n, 2);
	assert_int_equal(map.r[0].end, 0x9f000);
	assert_int_equal(map.r[1].start, MIB(1));
	assert_int_equal(map.r[1].end, MIB(128));
	add_entry(20, 0, MIB(64), 1);
	assert_int_equal(parse(), 0);
	assert_false(bi.mmap_from_sizes);
	assert_int_equal(bi.mmap_count, 1);
}

static void test_mmap(void **state)
{
	(void)state;
	add_entry(20, 0, 0x9fc00, 1);
	add_entry(24, 0x9fc00, 0x400, 2); /* with ACPI 3 attributes */
	add_entry(20, MIB(1), MIB(511), 1);
	add_entry(20, MIB(510), MIB(1), 3);
	add_entry(20, MIB(511), 0x8000, 4);
	add_entry(20, MIB(64), 0x1000, 5);
	add_entry(20, GIB(4), GIB(1), 99); /* of a type to come */
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 7);
	assert_int_equal(bi.mmap_dropped, 0);
	assert_int_equal(bi.mmap[1].base, 0x9fc00);
	assert_int_equal(bi.mmap[2].base, MIB(1));
	assert_int_equal(bi.mmap[6].type, 99);
	assert_int_equal(boot_info_memmap(&bi, &map), 0);
	assert_int_equal(memmap_total(&map, MEM_ACPI_RECLAIM), MIB(1));
	assert_int_equal(memmap_total(&map, MEM_ACPI_NVS), 0x8000);
	assert_int_equal(memmap_total(&map, MEM_BAD), 0x1000);
	assert_int_equal(memmap_total(&map, MEM_RESERVED), GIB(1) + 0x1000);
	assert_int_equal(memmap_total(&map, MEM_RAM), 0x9f000 + MIB(510) - 0x9000);
}

static void test_bad_mmap(void **state)
{
	(void)state;
	/* An entry that is too short ends the list, and is counted. */
	add_entry(20, 0, MIB(1), 1);
	add_entry(20, MIB(1), MIB(1), 1);
	add_entry(20, MIB(2), MIB(1), 1);
	put32(MMAP + 24, 19);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 1);
	assert_int_equal(bi.mmap_dropped, 1);
	put32(MMAP + 24, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 1);
	/* One that says it is longer than the list. */
	put32(MMAP + 24, 45);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 1);
	put32(MMAP + 24, 44);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 2);
	assert_int_equal(bi.mmap_dropped, 0);
	put32(MMAP + 24, UINT32_MAX);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 1);
	/* A list that ends in the middle of an entry. */
	put32(MMAP + 24, 20);
	put32(INFO + MBI_MMAP_LENGTH, 60);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, 2);
	assert_int_equal(bi.mmap_dropped, 1);
	/* A list that goes beyond what can be read, and one at the end of the address space. */
	put32(INFO + MBI_MMAP_ADDR, ARENA - 24);
	assert_int_equal(parse(), -ENOENT); /* its entry has size 0 */
	put32(INFO + MBI_MMAP_ADDR, 0xfffffff0);
	put32(INFO + MBI_MMAP_LENGTH, UINT32_MAX);
	assert_int_equal(parse(), -ENOENT);
}

static void test_many_entries(void **state)
{
	(void)state;
	for (u64 i = 0; i < BOOT_MMAP_MAX + 3; i++)
		add_entry(20, i * 0x3000, 0x1000, 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.mmap_count, BOOT_MMAP_MAX);
	assert_int_equal(bi.mmap_dropped, 3);
	assert_int_equal(boot_info_memmap(&bi, &map), 0);
	assert_int_equal(map.n, MEMMAP_MAX);
}

static void test_full_map(void **state)
{
	(void)state;
	/*
	 * Reserved pages inside RAM: the table is full of what must be kept, RAM in between gets
	 * lost.
	 */
	add_entry(20, 0, MIB(512), 1);
	for (u64 i = 1; i < 200; i++)
		add_entry(20, i * 0x2000, 0x1000, 2);
	assert_int_equal(parse(), 0);
	assert_int_equal(boot_info_memmap(&bi, &map), -ENOSPC);
	assert_int_equal(memmap_total(&map, MEM_RESERVED), 199 * 0x1000);
	/*
	 * A module that finds no room in the table: no map is better than one that lets it be
	 * overwritten.
	 */
	bi.mmap_count = 0;
	for (u64 i = 0; i < BOOT_MMAP_MAX; i++)
		bi.mmap[bi.mmap_count++] = (struct boot_mmap_entry){ i * 0x4000, 0x3000, 1 };
	bi.module[0].start = 0x1000;
	bi.module[0].len = 1;
	bi.module_count = 1;
	assert_int_equal(boot_info_memmap(&bi, &map), -ENOSPC);
	assert_int_equal(map.n, 0);
}

static void test_modules(void **state)
{
	(void)state;
	add_entry(20, 0, MIB(64), 1);
	add_module(0, 0x200000, 0x345678,
		   put_string(STRINGS, "/boot/vmlinuz console=ttyS0 root=/dev/sda1"));
	add_module(1, 0x400000, 0x400000, 0);
	add_module(2, 0x500000, 0x4fffff, put_string(STRINGS + 100, "root=/dev/sda1 quiet"));
	add_module(3, 0x600000, 0x600001, ARENA + 5); /* unreadable string */
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.module_count, 4);
	assert_int_equal(bi.modules_dropped, 0);
	assert_int_equal(bi.module[0].start, 0x200000);
	assert_int_equal(bi.module[0].len, 0x145678);
	assert_string_equal(bi.module[0].name, "/boot/vmlinuz");
	assert_string_equal(bi.module[0].args, "console=ttyS0 root=/dev/sda1");
	assert_int_equal(bi.module[1].len, 0);
	assert_false(bi.module[1].bad);
	assert_string_equal(bi.module[1].args, "");
	assert_int_equal(bi.module[2].len, 0);
	assert_true(bi.module[2].bad);
	assert_string_equal(bi.module[2].name, "");
	assert_string_equal(bi.module[2].args, "root=/dev/sda1 quiet");
	assert_string_equal(bi.module[3].args, "");
	assert_int_equal(boot_info_memmap(&bi, &map), 0);
	assert_int_equal(memmap_total(&map, MEM_MODULE), 0x146000 + 0x1000);
	/* More than fit; a list that cannot be read; counts that are absurd. */
	for (unsigned int i = 0; i < BOOT_MODULES_MAX + 2; i++)
		add_module(i, 0x200000 + i, 0x200000 + i + 1, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.module_count, BOOT_MODULES_MAX);
	assert_int_equal(bi.modules_dropped, 2);
	put32(INFO + MBI_MODS_COUNT, UINT32_MAX);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.modules_dropped, UINT32_MAX - BOOT_MODULES_MAX);
	put32(INFO + MBI_MODS_ADDR, ARENA - 20);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.module_count, 1);
	put32(INFO + MBI_MODS_ADDR, 0xfffffff8);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.module_count, 0);
}

static void test_strings(void **state)
{
	static const struct {
		const char *in, *out;
	} lines[] = {
		{ "", "" },
		{ "   ", "" },
		{ "console=com1", "console=com1" },
		{ "  help mem=1G", "help mem=1G" },
		{ "build/plinth.elf console=vga help", "console=vga help" },
		{ "plinth.elf  help", "help" },
		{ "/boot/plinth", "" },
		{ ".elf", "" },
		{ "elf help", "elf help" },
		{ "plinth.elf.bak help", "plinth.elf.bak help" },
		{ "a=/b.elf help", "a=/b.elf help" },
		{ "help /x", "help /x" },
		{ "/a /b", "/b" },
	};
	static char longest[3000];

	(void)state;
	add_entry(20, 0, MIB(1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		set_cmdline(lines[i].in);
		assert_int_equal(parse(), 0);
		assert_string_equal(bi.cmdline, lines[i].out);
		assert_false(bi.cmdline_truncated);
	}
	put32(INFO + MBI_LOADER, put_string(STRINGS + 0x4000, "GRUB 2.06"));
	set_flags(HAS_LOADER);
	assert_int_equal(parse(), 0);
	assert_string_equal(bi.loader, "GRUB 2.06");
	/* The longest that fits, and one more. */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[BOOT_STRING_MAX - 1] = '\0';
	set_cmdline(longest);
	assert_int_equal(parse(), 0);
	assert_string_equal(bi.cmdline, longest);
	assert_false(bi.cmdline_truncated);
	longest[BOOT_STRING_MAX - 1] = 'x';
	longest[BOOT_STRING_MAX] = '\0';
	set_cmdline(longest);
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(bi.cmdline), BOOT_STRING_MAX - 1);
	assert_true(bi.cmdline_truncated);
	/* A file name longer than the field for it. */
	longest[0] = '/';
	longest[1000] = ' ';
	add_module(0, 0, 1, put_string(STRINGS, longest));
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(bi.module[0].name), BOOT_NAME_MAX - 1);
	assert_int_equal(bi.module[0].args[0], 'x');
	assert_true(bi.module[0].truncated);
	/* Not terminated before memory ends. */
	memset(&arena[ARENA - 10], 'y', 10);
	put32(INFO + MBI_CMDLINE, ARENA - 10);
	assert_int_equal(parse(), 0);
	assert_string_equal(bi.cmdline, "yyyyyyyyyy");
}

static void test_framebuffer(void **state)
{
	(void)state;
	add_entry(20, 0, MIB(1), 1);
	assert_int_equal(parse(), 0);
	assert_false(bi.framebuffer.present);
	put64(INFO + MBI_FB_ADDR, GIB(4) + 0x80000000);
	put32(INFO + MBI_FB_PITCH, 4096);
	put32(INFO + MBI_FB_WIDTH, 1024);
	put32(INFO + MBI_FB_HEIGHT, 768);
	arena[INFO + MBI_FB_BPP] = 32;
	arena[INFO + MBI_FB_TYPE] = 1;
	set_flags(HAS_FB);
	assert_int_equal(parse(), 0);
	assert_true(bi.framebuffer.present);
	assert_int_equal(bi.framebuffer.addr, GIB(4) + 0x80000000);
	assert_int_equal(bi.framebuffer.pitch, 4096);
	assert_int_equal(bi.framebuffer.width, 1024);
	assert_int_equal(bi.framebuffer.height, 768);
	assert_int_equal(bi.framebuffer.bpp, 32);
	assert_int_equal(bi.framebuffer.type, BOOT_FB_RGB);
}

static void test_ebda(void **state)
{
	(void)state;
	add_entry(20, 0, MIB(1), 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.ebda, 0);
	put32(0x40e, 0x12349fc0);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.ebda, 0x9fc00);
	put32(0x40e, 0xffff);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.ebda, 0);
	put32(0x40e, 0x40);
	assert_int_equal(parse(), 0);
	assert_int_equal(bi.ebda, 0);
}

/* Everything is a copy: what becomes of the loader's memory does not matter. */
static void test_copied(void **state)
{
	static struct boot_info before;

	(void)state;
	add_entry(20, 0, MIB(64), 1);
	add_module(0, 0x200000, 0x300000, put_string(STRINGS + 100, "one"));
	set_cmdline("help");
	assert_int_equal(parse(), 0);
	before = bi;
	memset(arena, 0xff, sizeof(arena));
	assert_memory_equal(&before, &bi, sizeof(bi));
	assert_string_equal(bi.module[0].args, "one");
}

/* Noise must neither crash nor leave strings without an end. */
static void test_noise(void **state)
{
	(void)state;
	srand(4);
	for (unsigned int round = 0; round < 3000; round++) {
		for (u32 i = 0; i < 120; i += 4)
			put32(INFO + i, rand() % 3 ? (u32)rand() % ARENA : (u32)rand() * 2);
		for (u32 i = 0; i < 256; i++)
			arena[(u32)rand() % ARENA] = (u8)rand();
		if (round % 2)
			put32(INFO, UINT32_MAX);
		parse();
		assert_true(strnlen(bi.cmdline, BOOT_STRING_MAX) < BOOT_STRING_MAX);
		assert_true(strnlen(bi.loader, BOOT_NAME_MAX) < BOOT_NAME_MAX);
		assert_true(bi.mmap_count <= BOOT_MMAP_MAX);
		assert_true(bi.module_count <= BOOT_MODULES_MAX);
		for (unsigned int i = 0; i < bi.module_count; i++)
			assert_true(strnlen(bi.module[i].args, BOOT_STRING_MAX) < BOOT_STRING_MAX);
		boot_info_memmap(&bi, &map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_refused, reset),
		cmocka_unit_test_setup(test_no_map, reset),
		cmocka_unit_test_setup(test_mmap, reset),
		cmocka_unit_test_setup(test_bad_mmap, reset),
		cmocka_unit_test_setup(test_many_entries, reset),
		cmocka_unit_test_setup(test_full_map, reset),
		cmocka_unit_test_setup(test_modules, reset),
		cmocka_unit_test_setup(test_strings, reset),
		cmocka_unit_test_setup(test_framebuffer, reset),
		cmocka_unit_test_setup(test_ebda, reset),
		cmocka_unit_test_setup(test_copied, reset),
		cmocka_unit_test_setup(test_noise, reset),
	};

	return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
