// SPDX-License-Identifier: MIT
/*
 * The image's vsnprintf against C17 7.21.6.1: every conversion, flag and length is compared with a
 * text, and most with the C library's own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>

#include "lib.h"

/* The functions under test, beside the C library's of the same name. */
#define vsnprintf plinth_vsnprintf
#define snprintf  plinth_snprintf
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
#include "../../arch/cpu/printf.c"
#undef vsnprintf
#undef snprintf

#define SIZE 128

static void check(const char *expected, const char *fmt, ...) __printf(2, 3);

/*
 * Against a text, and the same call of the C library against it too: the expectation itself is
 * checked.
 */
static void check(const char *expected, const char *fmt, ...)
{
	char ours[SIZE], libc[SIZE];
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = plinth_vsnprintf(ours, sizeof(ours), fmt, ap);
	assert_int_equal(vsnprintf(libc, sizeof(libc), fmt, again), strlen(expected));
	va_end(again);
	va_end(ap);
	assert_string_equal(libc, expected);
	assert_string_equal(ours, expected);
	assert_int_equal(n, strlen(expected));
}

static void test_signed(void **state)
{
	(void)state;
	check("0", "%d", 0);
	check("-1", "%i", -1);
	check("2147483647", "%d", INT_MAX);
	check("-2147483648", "%d", INT_MIN);
	check("-9223372036854775808", "%lld", LLONG_MIN);
	check("9223372036854775807", "%ld", LONG_MAX);
	check("-128", "%hhd", (signed char)-128);
	check("-32768", "%hd", (short)SHRT_MIN);
	check("+5", "%+d", 5);
	check("-5", "%+d", -5);
	check(" 5", "% d", 5);
	check("-5", "% d", -5);
}

static void test_unsigned(void **state)
{
	(void)state;
	check("4294967295", "%u", UINT_MAX);
	check("18446744073709551615", "%llu", ULLONG_MAX);
	check("18446744073709551615", "%zu", SIZE_MAX);
	check("255", "%hhu", (unsigned char)255);
	check("65535", "%hu", (unsigned short)65535);
	check("deadbeef", "%x", 0xdeadbeefU);
	check("DEADBEEF", "%X", 0xdeadbeefU);
	check("0xff", "%#x", 0xffU);
	check("0XFF", "%#X", 0xffU);
	check("0", "%#x", 0U);
	check("ffffffffffffffff", "%lx", ULONG_MAX);
}

static void test_width_and_precision(void **state)
{
	(void)state;
	check("   42", "%5d", 42);
	check("42   ", "%-5d", 42);
	check("00042", "%05d", 42);
	check("-0042", "%05d", -42);
	check("+0042", "%+05d", 42);
	check("0x00ff", "%#06x", 0xffU);
	check("  0xff", "%#6x", 0xffU);
	check("00ff", "%.4x", 0xffU);
	check("    00ff", "%8.4x", 0xffU);
	check("00ff    ", "%-8.4x", 0xffU);
	check("  -007", "%6.3d", -7);
	check("", "%.0d", 0);
	check("   ", "%3.0d", 0);
	check("1", "%.0d", 1);
	check("12345", "%3d", 12345);
	check("    7", "%*d", 5, 7);
	check("7    ", "%*d", -5, 7);
	check("007", "%.*d", 3, 7);
	check("7", "%.*d", -3, 7);
	check("0000000000000042", "%016llx", 0x42ULL);
}

static void test_text(void **state)
{
	char not_terminated[3] = { 'a', 'b', 'c' };

	(void)state;
	check("x", "%c", 'x');
	check("  x", "%3c", 'x');
	check("x  ", "%-3c", 'x');
	check("hello", "%s", "hello");
	check("  hello", "%7s", "hello");
	check("hello  ", "%-7s", "hello");
	check("hel", "%.3s", "hello");
	check("  hel", "%5.3s", "hello");
	check("abc", "%.3s", not_terminated);
	check("", "%.0s", "hello");
	check("100%", "100%%");
	check("a1b2c", "a%db%dc", 1, 2);
	check("0x1234", "%p", (void *)0x1234);
}

/* Where the C library goes another way, or has no defined one. */
static void test_own_ways(void **state)
{
	const char *volatile null = NULL; /* gcc warns about a known one */
	const char *broken[] = { "50%", "%5", "%-", "%l" };
	char buf[SIZE];

	(void)state;
	assert_int_equal(plinth_snprintf(buf, sizeof(buf), "%p", (void *)0), 3);
	assert_string_equal(buf, "0x0");
	assert_int_equal(plinth_snprintf(buf, sizeof(buf), "%s", null), 6);
	assert_string_equal(buf, "(null)");
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		va_list none;

		memset(&none, 0, sizeof(none));
		assert_int_equal(plinth_vsnprintf(buf, sizeof(buf), broken[i], none),
				 i == 0 ? 2 : 0);
		assert_string_equal(buf, i == 0 ? "50" : "");
	}
}

static void test_truncation(void **state)
{
	const char *text = "0123456789";
	char buf[SIZE];

	(void)state;
	for (size_t size = 0; size <= strlen(text) + 2; size++) {
		size_t kept = size == 0 ? 0 : min_u64(size - 1, strlen(text));

		memset(buf, '!', sizeof(buf));
		assert_int_equal(plinth_snprintf(buf, size, "%s", text), strlen(text));
		if (size > 0) {
			assert_memory_equal(buf, text, kept);
			assert_int_equal(buf[kept], '\0');
		}
		/* Nothing behind the buffer. */
		for (size_t i = size == 0 ? 0 : kept + 1; i < sizeof(buf); i++)
			assert_int_equal(buf[i], '!');
	}
	assert_int_equal(plinth_snprintf(NULL, 0, "%d", 12345), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_width_and_precision),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_own_ways),
		cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
