/* SPDX-License-Identifier: MIT */
/*
 * The freestanding helpers that stand in for libc inside the image (arch/cpu/string.c, printf.c).
 * Host-compiled tests get the C library's.
 */
#ifndef PLINTH_LIB_H
#define PLINTH_LIB_H

#include "types.h"

#if __STDC_HOSTED__
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#else
#include <stdarg.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/*
 * %d %i %u %x %X %c %s %p %% with flags '-' '0' '+' ' ' '#', width and precision (also '*'), and
 * lengths hh h l ll z. Returns the length that the whole text has, as C17 7.21.6.5 does.
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
#endif

#endif
