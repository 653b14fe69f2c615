// SPDX-License-Identifier: MIT
/*
 * The memory and string functions of C17 7.24 that the image uses; the compiler itself calls the
 * mem*() ones. Bulk goes by REP MOVSQ/STOSQ: processors with fast strings treat it as well as the
 * byte form, and where each iteration is counted it is an eighth.
 */
#include "lib.h"

#define WORD sizeof(u64)

static void *copy_forward(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / WORD, bytes = n % WORD;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(bytes) : : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	return copy_forward(dst, src, n);
}

void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return copy_forward(dst, src, n);
	/* The destination begins inside the source: from the end. */
	while (n >= WORD) {
		u64 word;

		n -= WORD;
		__builtin_memcpy(&word, s + n, WORD);
		__builtin_memcpy(d + n, &word, WORD);
	}
	while (n > 0) {
		n--;
		*(volatile u8 *)(d + n) = s[n];
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	size_t words = n / WORD, bytes = n % WORD;
	u64 value = (u8)c * UINT64_C(0x0101010101010101);

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(value) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(value) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		u8 x = (u8)a[i], y = (u8)b[i];

		if (x != y)
			return x < y ? -1 : 1;
		if (x == '\0')
			break;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (*s == '\0')
			return NULL;
	}
}
