/* SPDX-License-Identifier: MIT */
/*
 * The firmware configuration device: QEMU's docs/specs/fw_cfg.rst. Registers, offset, directory, and
 * DMA operations with their errors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dev/fw_cfg.h"
#include "errors.h"

#define RAM_BASE 0x1000U
#define RAM_LEN	 0x1000U
#define HIGH	 (RAM_BASE + (1ULL << 32)) /* the same memory again */

static struct bus bus;
static struct fw_cfg fw;
static u8 ram[RAM_LEN];
static unsigned int selects;

static bool inside(gpa_t gpa, u64 len)
{
	gpa &= UINT32_MAX;
	return gpa >= RAM_BASE && gpa - RAM_BASE <= RAM_LEN && len <= RAM_LEN - (gpa - RAM_BASE);
}

static u8 *at(gpa_t gpa)
{
	return &ram[(gpa & UINT32_MAX) - RAM_BASE];
}

static int mem_read(void *ctx, gpa_t gpa, void *dst, u64 len)
{
	assert_ptr_equal(ctx, ram);
	if (!inside(gpa, len))
		return -EFAULT;
	memcpy(dst, at(gpa), len);
	return 0;
}

static int mem_write(void *ctx, gpa_t gpa, const void *src, u64 len)
{
	assert_ptr_equal(ctx, ram);
	if (!inside(gpa, len))
		return -EFAULT;
	memcpy(at(gpa), src, len);
	return 0;
}

static int mem_clear(void *ctx, gpa_t gpa, u64 len)
{
	assert_ptr_equal(ctx, ram);
	if (!inside(gpa, len))
		return -EFAULT;
	memset(at(gpa), 0, len);
	return 0;
}

static const struct fw_cfg_memory memory = { mem_read, mem_write, mem_clear, ram };

static void selected(void *ctx)
{
	assert_ptr_equal(ctx, &selects);
	selects++;
}

static const u8 two[] = { 0x34, 0x12 };

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	memset(ram, 0xcc, sizeof(ram));
	selects = 0;
	fw_cfg_init(&fw, &memory);
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_NB_CPUS, two, sizeof(two)), 0);
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_IRQ0_OVERRIDE, "\1\0\0", 4), 0);
	assert_int_equal(fw_cfg_add_file(&fw, "etc/two", "second", 6), 0);
	assert_int_equal(fw_cfg_add_file(&fw, "bootorder", "", 0), 0);
	assert_int_equal(fw_cfg_add_file(&fw, "etc/one", "first", 5), 0);
	assert_int_equal(fw_cfg_attach(&fw, &bus), 0);
	return 0;
}

static void select_key(u16 key)
{
	bus_port_write(&bus, 0x510, 2, key);
}

static u8 data(void)
{
	return (u8)bus_port_read(&bus, 0x511, 1);
}

static void assert_data(const void *want, size_t n)
{
	const u8 *w = want;

	for (size_t i = 0; i < n; i++) {
		u8 got = data();

		if (got != w[i])
			fail_msg("byte %zu: %02x, expected %02x", i, got, w[i]);
	}
}

/* What is written in which width, and what the next four bytes of the data register are then. */
static void test_sequences(void **state)
{
	static const struct {
		const char *what;
		struct {
			u16 port;
			u8 size; /* 0: end */
			u32 value;
		} write[4];
		u8 want[4];
	} row[] = {
		{ "power-on", { { 0 } }, { 'Q', 'E', 'M', 'U' } },
		{ "signature", { { 0x510, 2, 0x0000 } }, { 'Q', 'E', 'M', 'U' } },
		{ "features", { { 0x510, 2, 0x0001 } }, { 3, 0, 0, 0 } },
		{ "beyond the end", { { 0x510, 2, 0x0005 } }, { 0x34, 0x12, 0, 0 } },
		{ "of the architecture", { { 0x510, 2, 0x8002 } }, { 1, 0, 0, 0 } },
		{ "asked for writing", { { 0x510, 2, 0x4005 } }, { 0x34, 0x12, 0, 0 } },
		{ "of the architecture, for writing", { { 0x510, 2, 0xc002 } }, { 1, 0, 0, 0 } },
		{ "data is not written",
		  { { 0x510, 2, 0x0005 }, { 0x511, 1, 0xff } },
		  { 0x34, 0x12, 0, 0 } },
		{ "nor for writing",
		  { { 0x510, 2, 0x4005 }, { 0x511, 1, 0xff }, { 0x511, 2, 0xffff } },
		  { 0x34, 0x12, 0, 0 } },
		{ "no kernel", { { 0x510, 2, 0x0008 } }, { 0, 0, 0, 0 } },
		{ "unknown", { { 0x510, 2, 0x1234 } }, { 0, 0, 0, 0 } },
		{ "unknown, of the architecture", { { 0x510, 2, 0x8020 } }, { 0, 0, 0, 0 } },
		{ "no key", { { 0x510, 2, 0xffff } }, { 0, 0, 0, 0 } },
		{ "past the last file", { { 0x510, 2, 0x0023 } }, { 0, 0, 0, 0 } },
		{ "a byte selects nothing",
		  { { 0x510, 2, 0x0005 }, { 0x510, 1, 0x00 } },
		  { 0x34, 0x12, 0, 0 } },
		{ "nor do four",
		  { { 0x510, 2, 0x0005 }, { 0x510, 4, 0x00000000 } },
		  { 0x34, 0x12, 0, 0 } },
		{ "selected again",
		  { { 0x510, 2, 0x0000 }, { 0x510, 2, 0x0005 }, { 0x510, 2, 0x0005 } },
		  { 0x34, 0x12, 0, 0 } },
		{ "empty file", { { 0x510, 2, 0x0020 } }, { 0, 0, 0, 0 } },
		{ "file", { { 0x510, 2, 0x0021 } }, { 'f', 'i', 'r', 's' } },
		{ "second file", { { 0x510, 2, 0x0022 } }, { 's', 'e', 'c', 'o' } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		setup(state);
		for (unsigned int j = 0; j < 4 && row[i].write[j].size; j++)
			bus_port_write(&bus, row[i].write[j].port, row[i].write[j].size,
				       row[i].write[j].value);
		for (unsigned int j = 0; j < 4; j++) {
			u8 got = data();

			if (got != row[i].want[j])
				fail_msg("%s: byte %u is %02x", row[i].what, j, got);
		}
	}
}

static void test_registers(void **state)
{
	(void)state;
	/* The selector is write-only; reading it moves nothing. */
	select_key(FW_CFG_NB_CPUS);
	assert_int_equal(bus_port_read(&bus, 0x510, 1), 0xff);
	assert_int_equal(bus_port_read(&bus, 0x510, 2), 0xffff);
	assert_int_equal(data(), 0x34);
	/* The neighbours are open; a wider read is split. */
	assert_int_equal(bus_port_read(&bus, 0x511, 2), 0xff12);
	assert_int_equal(bus_port_read(&bus, 0x512, 2), 0xffff);
	/* The first byte again after a selection; a reset selects the signature. */
	select_key(FW_CFG_NB_CPUS);
	assert_int_equal(data(), 0x34);
	fw_cfg_reset(&fw);
	assert_data("QEMU\0\0", 6);
}

static void test_directory(void **state)
{
	static const u8 head[] = { 0, 0, 0, 3, /* then the first entry */
				   0, 0, 0, 0, 0, 0x20, 0, 0 };
	char name[56];

	(void)state;
	select_key(FW_CFG_FILE_DIR);
	assert_int_equal(selects, 0);
	assert_data(head, sizeof(head));
	memset(name, 0, sizeof(name));
	strcpy(name, "bootorder");
	assert_data(name, sizeof(name));
	assert_data("\0\0\0\5\0\x21\0\0etc/one", 16);
	for (unsigned int i = 8 + 8; i < 64; i++)
		assert_int_equal(data(), 0);
	assert_data("\0\0\0\6\0\x22\0\0etc/two", 16);
}

static void test_add(void **state)
{
	static char names[FW_CFG_FILES][8];
	static const char longest[] = "0123456789012345678901234567890123456789012345678901234";

	(void)state;
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_NB_CPUS, two, 2), -EEXIST);
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_SIGNATURE, two, 2), -EEXIST);
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_FILE_FIRST, two, 2), -EINVAL);
	assert_int_equal(fw_cfg_add(&fw, 0x4005, two, 2), -EINVAL);
	assert_int_equal(fw_cfg_add_file(&fw, "etc/one", two, 2), -EEXIST);
	assert_int_equal(fw_cfg_add_file(&fw, "", two, 2), -EINVAL);
	assert_int_equal(strlen(longest), FW_CFG_NAME_MAX);
	assert_int_equal(fw_cfg_add_file(&fw, longest, two, 2), 0);
	assert_int_equal(fw_cfg_add_file(&fw,
					 "01234567890123456789012345678901234567890123456789012345",
					 two, 2),
			 -EINVAL);
	for (unsigned int i = 4; i < FW_CFG_FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "z%02u", 99 - i);
		assert_int_equal(fw_cfg_add_file(&fw, names[i], names[i], 3), 0);
	}
	assert_int_equal(fw_cfg_add_file(&fw, "more", two, 2), -ENOSPC);
	/* The keys follow the names. */
	for (unsigned int i = 4; i < FW_CFG_FILES; i++) {
		char want[8];

		/* z84 was added last and is the first of them. */
		snprintf(want, sizeof(want), "z%02u", 99 - FW_CFG_FILES + 1 + i - 4);
		select_key((u16)(0x20 + i));
		assert_data(want, 3);
	}
	for (u16 key = 0x100; fw.items < FW_CFG_ITEMS; key++)
		assert_int_equal(fw_cfg_add(&fw, 0x8000 | key, two, 2), 0);
	assert_int_equal(fw_cfg_add(&fw, FW_CFG_RAM_SIZE, two, 2), -ENOSPC);
}

static void test_selected(void **state)
{
	(void)state;
	fw.selected = selected;
	fw.ctx = &selects;
	select_key(FW_CFG_NB_CPUS);
	select_key(FW_CFG_FILE_DIR);
	select_key(FW_CFG_IRQ0_OVERRIDE);
	select_key(0x23);
	assert_int_equal(selects, 0);
	select_key(0x21);
	select_key(0x4021);
	assert_int_equal(selects, 2);
}

/* --- DMA --------------------------------------------------------------------------------------- */

enum {
	ERROR = 1,
	READ = 2,
	SKIP = 4,
	SELECT = 8,
	WRITE = 16,
};

#define ACCESS (RAM_BASE + 0x100)
#define BUFFER (RAM_BASE + 0x200)

static void put_access(gpa_t where, u32 control, u32 length, u64 address)
{
	control = __builtin_bswap32(control);
	length = __builtin_bswap32(length);
	address = __builtin_bswap64(address);
	memcpy(at(where), &control, 4);
	memcpy(at(where) + 4, &length, 4);
	memcpy(at(where) + 8, &address, 8);
}

static u32 result(gpa_t where)
{
	u32 control;

	memcpy(&control, at(where), 4);
	return __builtin_bswap32(control);
}

static u32 dma(u32 control, u32 length, u64 address)
{
	put_access(ACCESS, control, length, address);
	bus_port_write(&bus, 0x518, 4, __builtin_bswap32(ACCESS));
	return result(ACCESS);
}

static void test_dma_sequences(void **state)
{
	static const struct {
		const char *what;
		u32 control, length;
		u64 address;
		u32 result;
		const char *want; /* in the buffer after it; 0xcc: untouched */
		size_t want_len;
		u8 next; /* of the data register then */
	} row[] = {
		{ "select and read", 0x0021 << 16 | SELECT | READ, 5, BUFFER, 0, "first\xcc", 6,
		  0 },
		{ "a part", 0x0021 << 16 | SELECT | READ, 2, BUFFER, 0, "fi\xcc", 3, 'r' },
		{ "beyond the end: zeros", 0x0021 << 16 | SELECT | READ, 8, BUFFER, 0,
		  "first\0\0\0\xcc", 9, 0 },
		{ "nothing", 0x0021 << 16 | SELECT | READ, 0, BUFFER, 0, "\xcc", 1, 'f' },
		{ "select alone", 0x0021 << 16 | SELECT, 5, BUFFER, 0, "\xcc", 1, 'f' },
		{ "no selection", 0x0021 << 16 | READ, 4, BUFFER, 0, "QEMU\xcc", 5, 0 },
		{ "for writing is for reading", 0x4021 << 16 | SELECT | READ, 5, BUFFER, 0,
		  "first\xcc", 6, 0 },
		{ "no such item: zeros", 0x0fffU << 16 | SELECT | READ, 4, BUFFER, 0,
		  "\0\0\0\0\xcc", 5, 0 },
		{ "skip", 0x0022 << 16 | SELECT | SKIP, 2, 0, 0, "\xcc", 1, 'c' },
		{ "skip all", 0x0022 << 16 | SELECT | SKIP, UINT32_MAX, 0, 0, "\xcc", 1, 0 },
		{ "read comes before skip and write", 0x0021 << 16 | SELECT | READ | SKIP | WRITE,
		  2, BUFFER, 0, "fi\xcc", 3, 'r' },
		{ "nothing can be written", 0x0021 << 16 | SELECT | WRITE, 2, BUFFER, ERROR, "\xcc",
		  1, 'f' },
		{ "write comes before skip", 0x0021 << 16 | SELECT | WRITE | SKIP, 2, BUFFER, ERROR,
		  "\xcc", 1, 'f' },
		{ "no operation", 0, 5, BUFFER, 0, "\xcc", 1, 'Q' },
		{ "not memory", 0x0021 << 16 | SELECT | READ, 5, 0x10, ERROR, "\xcc", 1, 0 },
		{ "the end of memory", 0x0021 << 16 | SELECT | READ, 5, RAM_BASE + RAM_LEN - 4,
		  ERROR, "\xcc", 1, 0 },
		{ "zeros beyond memory", 0x0021 << 16 | SELECT | READ, 0x1000, BUFFER, ERROR,
		  "first\xcc", 6, 0 },
		{ "around the address space", 0x0021 << 16 | SELECT | READ, 0x1000, UINT64_MAX - 1,
		  ERROR, "\xcc", 1, 'f' },
		{ "more than is moved at once", 0x0021 << 16 | SELECT | READ, FW_CFG_DMA_MAX + 1,
		  BUFFER, ERROR, "\xcc", 1, 'f' },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		u32 got;

		setup(state);
		got = dma(row[i].control, row[i].length, row[i].address);
		if (got != row[i].result)
			fail_msg("%s: control %x", row[i].what, got);
		if (memcmp(at(BUFFER), row[i].want, row[i].want_len) != 0)
			fail_msg("%s: the buffer is wrong", row[i].what);
		got = data();
		if (got != row[i].next)
			fail_msg("%s: the next byte is %02x", row[i].what, got);
	}
}

static void test_dma_address(void **state)
{
	(void)state;
	/* "QEMU CFG" in memory order, in all widths. */
	assert_int_equal(bus_port_read(&bus, 0x514, 4), 0x554d4551);
	assert_int_equal(bus_port_read(&bus, 0x518, 4), 0x47464320);
	assert_int_equal(bus_port_read(&bus, 0x515, 1), 'E');
	assert_int_equal(bus_port_read(&bus, 0x51a, 2), 'F' | 'G' << 8);
	/* The upper half is for one operation. */
	put_access(HIGH + 0x100, 0x0021 << 16 | SELECT | READ, 5, HIGH + 0x200);
	bus_port_write(&bus, 0x514, 4, __builtin_bswap32(1));
	bus_port_write(&bus, 0x518, 4, __builtin_bswap32(RAM_BASE + 0x100));
	assert_memory_equal(at(BUFFER), "first\xcc", 6);
	assert_int_equal(fw.dma_high, 0);
	/* Only the lower half starts one, and only as a whole. */
	put_access(ACCESS, 0x0022 << 16 | SELECT | READ, 6, BUFFER);
	bus_port_write(&bus, 0x514, 4, __builtin_bswap32(ACCESS));
	fw.dma_high = 0;
	bus_port_write(&bus, 0x518, 2, (u16)__builtin_bswap32(ACCESS));
	bus_port_write(&bus, 0x51a, 2, __builtin_bswap32(ACCESS) >> 16);
	for (unsigned int i = 0; i < 4; i++)
		bus_port_write(&bus, (u16)(0x518 + i), 1, __builtin_bswap32(ACCESS) >> (8 * i));
	assert_memory_equal(at(BUFFER), "first\xcc", 6);
	bus_port_write(&bus, 0x518, 4, __builtin_bswap32(ACCESS));
	assert_memory_equal(at(BUFFER), "second\xcc", 7);
	/* A structure that is not in memory, or only in part: nothing happens. */
	bus_port_write(&bus, 0x518, 4, __builtin_bswap32(RAM_BASE + RAM_LEN - 8));
	bus_port_write(&bus, 0x514, 4, UINT32_MAX);
	bus_port_write(&bus, 0x518, 4, UINT32_MAX);
	assert_int_equal(fw.dma_high, 0);
	/* Unaligned is fine; reset forgets the upper half. */
	put_access(RAM_BASE + 3, 0x0021 << 16 | SELECT | READ, 1, RAM_BASE + 1);
	bus_port_write(&bus, 0x514, 4, UINT32_MAX);
	fw_cfg_reset(&fw);
	bus_port_write(&bus, 0x518, 4, __builtin_bswap32(RAM_BASE + 3));
	assert_int_equal(result(RAM_BASE + 3), 0);
	assert_int_equal(*at(RAM_BASE + 1), 'f');
}

static void test_no_dma(void **state)
{
	static const struct fw_cfg_memory none;

	(void)state;
	bus_init(&bus);
	fw_cfg_init(&fw, &none);
	assert_int_equal(fw_cfg_attach(&fw, &bus), 0);
	select_key(FW_CFG_ID);
	assert_data("\1\0\0\0", 4);
	assert_int_equal(bus_port_read(&bus, 0x514, 4), UINT32_MAX);
	bus_port_write(&bus, 0x518, 4, 0);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sequences), T(test_registers),	  T(test_directory),   T(test_add),
		T(test_selected),  T(test_dma_sequences), T(test_dma_address), T(test_no_dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
