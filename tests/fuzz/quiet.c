/* SPDX-License-Identifier: MIT */
/*
 * The log of a fuzzed program: nothing is worth printing a million times. Formatted all the same,
 * so that a bad argument is seen.
 */
#include <stdarg.h>
#include <stdio.h>

#include "printk.h"

void printk(enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}
