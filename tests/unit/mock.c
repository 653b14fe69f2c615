/* SPDX-License-Identifier: MIT */
/*
 * What the image supplies and host tests replace. All weak: a test may bring its own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mm.h"
#include "panic.h"
#include "printk.h"
#include "time.h"

#define WEAK __attribute__((weak))

WEAK void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level == LOG_DEBUG)
		return;
	va_start(ap, fmt);
	fputs("# ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

WEAK void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

WEAK void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

/* The test's clock, in ns. */
u64 mock_now;

WEAK u64 time_now(void)
{
	return mock_now;
}

WEAK void *phys_to_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa;
}

WEAK hpa_t virt_to_phys(const void *va)
{
	return (hpa_t)(uintptr_t)va;
}
