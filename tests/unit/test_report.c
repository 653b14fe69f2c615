/* SPDX-License-Identifier: MIT */
/*
 * The report after a run of the guest (boot/report.c): counts as they are, and each part of memory that must not change is
 * missed when a byte of it does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm.h"
#include "printk.h"
#include "report.h"

__asm__(".pushsection .data\n"
	".balign 4096\n"
	"__text_start:	.skip 4096\n"
	"__text_end:\n"
	"__rodata_start: .skip 4096\n"
	"__rodata_end:\n"
	"__symbols_start: .skip 4096\n"
	"__symbols_end:\n"
	".popsection");

#include "../../boot/report.c"

static u64 tables, nested;
static char lines[16][128];
static unsigned int nr_lines, errors;

u64 paging_checksum(void)
{
	return tables;
}

u64 gpmap_checksum(const struct gpmap *m)
{
	(void)m;
	return nested;
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	assert_true(nr_lines < ARRAY_SIZE(lines));
	va_start(ap, fmt);
	vsnprintf(lines[nr_lines++], sizeof(lines[0]), fmt, ap);
	va_end(ap);
	errors += level == LOG_ERR;
}

static struct vm *vm;
static struct boot_info info;
static struct options options;
static char module[2][13];

/* How many parts have changed; the last of them is in *which. */
static unsigned int changed(const char **which)
{
	static char name[32];
	unsigned int n = 0;

	nr_lines = errors = 0;
	report_end(vm, &options, &info);
	assert_int_equal(nr_lines, 4);
	for (unsigned int i = 0; i < nr_lines; i++) {
		if (strstr(lines[i], "CHANGED")) {
			n++;
			assert_int_equal(sscanf(lines[i], "memory: %31[a-z ] CHANGED", name), 1);
		} else {
			assert_non_null(strstr(lines[i], " unchanged, checksum "));
		}
	}
	assert_int_equal(errors, n);
	*which = name;
	return n;
}

static void assert_found(char *byte, const char *part)
{
	const char *which;

	*byte ^= 0x10;
	assert_int_equal(changed(&which), 1);
	assert_int_equal(strncmp(which, part, strlen(part)), 0);
	*byte ^= 0x10;
	assert_int_equal(changed(&which), 0);
}

static void test_memory(void **state)
{
	const char *which;

	(void)state;
	options.report = REPORT_MEMORY;
	info.module_count = 2;
	for (unsigned int i = 0; i < 2; i++) {
		info.module[i].start = (hpa_t)(uintptr_t)module[i];
		info.module[i].len = sizeof(module[i]);
	}
	report_start(vm, &options, &info);
	assert_int_equal(changed(&which), 0);
	for (unsigned int i = 0; i < 4096; i += 273) {
		assert_found(&__text_start[i], "image");
		assert_found(&__rodata_start[i], "image");
		assert_found(&__symbols_start[i], "image");
	}
	for (unsigned int i = 0; i < sizeof(module[0]); i++) {
		assert_found(&module[0][i], "modules");
		assert_found(&module[1][i], "modules");
	}
	assert_found((char *)&tables, "page tables");
	assert_found((char *)&nested, "nested tables");
	/* What a life changes is changed in the next one. */
	module[1][12] = 1;
	report_start(vm, &options, &info);
	assert_int_equal(changed(&which), 1);
}

static void test_unhandled(void **state)
{
	(void)state;
	options.report = REPORT_UNHANDLED;
	bus_init(&vm->board.bus);
	bus_port_read(&vm->board.bus, 0x1234, 2);
	report_start(vm, &options, &info);
	nr_lines = 0;
	report_end(vm, &options, &info);
	assert_int_equal(nr_lines, 1);
	assert_string_equal(lines[0], "unhandled: nothing");
	bus_port_read(&vm->board.bus, 0x1234, 2);
	bus_port_write(&vm->board.bus, 0x1234, 1, 0);
	bus_mmio_read(&vm->board.bus, 0xd0000ffc, 4);
	bus_note_unhandled(&vm->board.bus, BUS_MSR, 0xc0012345);
	nr_lines = 0;
	report_end(vm, &options, &info);
	assert_int_equal(nr_lines, 3);
	assert_string_equal(lines[0], "unhandled: port 0x1234: 2");
	assert_string_equal(lines[1], "unhandled: memory 0xd0000000: 1");
	assert_string_equal(lines[2], "unhandled: msr 0xc0012345: 1");
	options.report = 0;
	nr_lines = 0;
	report_end(vm, &options, &info);
	assert_int_equal(nr_lines, 0);
}

static int setup(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	return vm ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(vm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unhandled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
