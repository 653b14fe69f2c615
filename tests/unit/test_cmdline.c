/* SPDX-License-Identifier: MIT */
/*
 * Plinth's options (boot/cmdline.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "lib.h"
#include "options.h"

static struct options o;

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int rc;
		u64 value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "512K", 0, KIB(512) },
		{ "512m", 0, MIB(512) },
		{ "3G", 0, GIB(3) },
		{ "2t", 0, UINT64_C(2) << 40 },
		{ "0x10", 0, 16 },
		{ "0XfFm", 0, MIB(255) },
		{ "0x0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "16777215T", 0, UINT64_C(16777215) << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1MB", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1a", -EINVAL, 0 },
		{ "0x1g1", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 value = 0x1234;
		int rc = parse_size(cases[i].text, &value);

		if (rc != cases[i].rc || value != (rc ? 0x1234 : cases[i].value))
			fail_msg("'%s': %d, %llu", cases[i].text, rc, (unsigned long long)value);
	}
}

static void test_defaults(void **state)
{
	(void)state;
	memset(&o, 0xff, sizeof(o));
	options_parse("", &o);
	assert_int_equal(o.console.port, 0x3f8);
	assert_int_equal(o.console.speed, 115200);
	assert_true(o.console.vga);
	assert_int_equal(o.mem, 0);
	assert_int_equal(o.log_level, LOG_INFO);
	assert_int_equal(o.reset, RESET_RESTART);
	assert_int_equal(o.poweroff, POWEROFF_OFF);
	assert_int_equal(o.debug_exit, 0);
	assert_int_equal(o.keyboard, KEYBOARD_NONE);
	assert_int_equal(o.report, 0);
	assert_false(o.help);
	assert_int_equal(o.warnings, 0);
}

static void test_console(void **state)
{
	static const struct {
		const char *line;
		bool good;
		u16 port;
		u32 speed;
		bool vga;
	} cases[] = {
		{ "console=com1", true, 0x3f8, 115200, false },
		{ "console=com2:9600", true, 0x2f8, 9600, false },
		{ "console=com3:50", true, 0x3e8, 50, false },
		{ "console=com4", true, 0x2e8, 115200, false },
		{ "console=com1:57600,vga", true, 0x3f8, 57600, true },
		{ "console=vga,com2", true, 0x2f8, 115200, true },
		{ "console=vga", true, 0, 115200, true },
		{ "console=none", true, 0, 115200, false },
		{ "console=0x3f8:38400", true, 0x3f8, 38400, false },
		{ "console=0xfff8", true, 0xfff8, 115200, false },
		{ "console=0xfff9", false, 0, 0, false },
		{ "console=0", false, 0, 0, false },
		{ "console=0x10000", false, 0, 0, false },
		{ "console", false, 0, 0, false },
		{ "console=", false, 0, 0, false },
		{ "console=,", false, 0, 0, false },
		{ "console=com1,", false, 0, 0, false },
		{ "console=com1,com2", false, 0, 0, false },
		{ "console=com5", false, 0, 0, false },
		{ "console=com1:", false, 0, 0, false },
		{ "console=com1:0", false, 0, 0, false },
		{ "console=com1:110000", false, 0, 0, false },
		{ "console=com1:230400", false, 0, 0, false },
		{ "console=com1:49", false, 0, 0, false },
		{ "console=com1:9600:9600", false, 0, 0, false },
		{ "console=vga:9600", false, 0, 0, false },
		{ "console=none,vga", false, 0, 0, false },
		{ "console=vga,none", false, 0, 0, false },
		{ "console=COM1", false, 0, 0, false },
		{ "console=com1,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga,vga",
		  false, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool good = cases[i].good;

		options_parse(cases[i].line, &o);
		if (o.warnings != !good || o.console.port != (good ? cases[i].port : 0x3f8) ||
		    o.console.speed != (good ? cases[i].speed : 115200) ||
		    o.console.vga != (good ? cases[i].vga : true))
			fail_msg("%s: %x %u %d", cases[i].line, o.console.port, o.console.speed,
				 o.console.vga);
	}
}

static void test_all(void **state)
{
	(void)state;
	options_parse("\tmem=512M  loglevel=debug reset=halt poweroff=reboot\tdebug-exit help ",
		      &o);
	assert_int_equal(o.warnings, 0);
	assert_int_equal(o.mem, MIB(512));
	assert_int_equal(o.log_level, LOG_DEBUG);
	assert_int_equal(o.reset, RESET_HALT);
	assert_int_equal(o.poweroff, POWEROFF_REBOOT);
	assert_int_equal(o.debug_exit, 0xf4);
	assert_true(o.help);
	options_parse("reset=restart reset=reboot reset=poweroff poweroff=halt poweroff=off "
		      "loglevel=err debug-exit=0x501",
		      &o);
	assert_int_equal(o.reset, RESET_POWEROFF);
	assert_int_equal(o.poweroff, POWEROFF_OFF);
	assert_int_equal(o.log_level, LOG_ERR);
	assert_int_equal(o.debug_exit, 0x501);
	assert_int_equal(o.warnings, 0);
	assert_false(o.test_device);
	options_parse("test-device", &o);
	assert_true(o.test_device);
	assert_int_equal(o.warnings, 0);
	options_parse("test-device=1", &o);
	assert_false(o.test_device);
	assert_int_equal(o.warnings, 1);
	options_parse("keyboard=console report=unhandled,memory", &o);
	assert_int_equal(o.keyboard, KEYBOARD_CONSOLE);
	assert_int_equal(o.report, REPORT_UNHANDLED | REPORT_MEMORY);
	options_parse("report=unhandled report=memory", &o);
	assert_int_equal(o.report, REPORT_MEMORY);
	assert_int_equal(o.warnings, 0);
	options_parse("reset=reboot loglevel=warn poweroff=halt", &o);
	assert_int_equal(o.reset, RESET_REBOOT);
	assert_int_equal(o.log_level, LOG_WARN);
	assert_int_equal(o.poweroff, POWEROFF_HALT);
}

static void test_warnings(void **state)
{
	static const char *const bad[] = {
		"mem",	      "mem=",	  "mem=12X",	 "mem=1 000",	      "loglevel=loud",
		"loglevel",   "reset=",	  "reset=off",	 "poweroff=poweroff", "poweroff",
		"help=1",     "help=",	  "debug-exit=", "debug-exit=0",      "debug-exit=0x10000",
		"Mem=1G",     "=",	  "=x",		 "memory=1G",	      "me=1",
		"quiet",      "report",	  "report=",	 "report=memory,",    "report=,memory",
		"report=all", "keyboard", "keyboard=",	 "keyboard=com1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		options_parse(bad[i], &o);
		if (o.warnings != 1)
			fail_msg("%s: %u warnings", bad[i], o.warnings);
		assert_false(o.help);
		assert_int_equal(o.debug_exit, 0);
	}
	options_parse("memory=1G mem=x help= mem", &o);
	assert_int_equal(o.warnings, 4);
	assert_string_equal(o.warning[0], "unknown option 'memory=1G'");
	assert_string_equal(o.warning[1], "bad value in option 'mem=x'");
	assert_string_equal(o.warning[2], "bad value in option 'help='");
	assert_string_equal(o.warning[3], "option without a value 'mem'");
	options_parse("a b c d e f g h i j", &o);
	assert_int_equal(o.warnings, OPTIONS_WARNINGS_MAX);
	assert_int_equal(o.warnings_dropped, 2);
	options_parse("x\033[2Jy\377", &o);
	assert_string_equal(o.warning[0], "unknown option 'x?[2Jy?'");
}

static void test_long_words(void **state)
{
	static char line[5000];

	(void)state;
	for (size_t len = 1; len < 300; len++) {
		memset(line, 'a', len);
		line[len] = '\0';
		options_parse(line, &o);
		assert_int_equal(o.warnings, 1);
		assert_true(strlen(o.warning[0]) < OPTIONS_WARNING_LEN);
		memcpy(line, "mem=", 4);
		if (len < 4)
			continue;
		options_parse(line, &o);
		assert_int_equal(o.warnings, 1);
		assert_true(strlen(o.warning[0]) < OPTIONS_WARNING_LEN);
	}
	memset(line, '1', sizeof(line) - 1);
	memcpy(line, "mem=", 4);
	options_parse(line, &o);
	assert_int_equal(o.warnings, 1);
	assert_int_equal(o.mem, 0);
}

static unsigned int help_lines;

static void help_line(const char *text)
{
	static const char *const names[] = { "console=",  "mem=",	"loglevel=",   "reset=",
					     "poweroff=", "debug-exit", "test-device", "keyboard=",
					     "report=",	  "help:" };

	assert_true(help_lines < ARRAY_SIZE(names));
	assert_int_equal(strncmp(text, names[help_lines], strlen(names[help_lines])), 0);
	assert_true(strlen(text) < 150); /* one line of the log, not cut */
	help_lines++;
}

static void test_help(void **state)
{
	(void)state;
	help_lines = 0;
	options_help(help_line);
	assert_int_equal(help_lines, 10);
}

static void test_noise(void **state)
{
	static const char pieces[][12] = { "console", "com1",	    "vga", "none",  "9600",
					   "0x",      "12",	    "M",   "reset", "halt",
					   "help",    "debug-exit", "=",   ",",	    ":",
					   " ",	      "\t",	    "-",   "\377" };
	char line[200];

	(void)state;
	srand(5);
	for (unsigned int round = 0; round < 50000; round++) {
		line[0] = '\0';
		for (int i = rand() % 15; i > 0; i--)
			strcat(line, pieces[(size_t)rand() % ARRAY_SIZE(pieces)]);
		options_parse(line, &o);
		assert_true(o.warnings <= OPTIONS_WARNINGS_MAX);
		assert_true(o.console.speed != 0 && 115200 % o.console.speed == 0);
		assert_true(o.reset <= RESET_HALT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),	 cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_console),	 cmocka_unit_test(test_all),
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_help),	 cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
