/* SPDX-License-Identifier: MIT */
/*
 * Plain types and the few macros that every file uses.
 */
#ifndef PLINTH_TYPES_H
#define PLINTH_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
#ifdef __SIZEOF_INT128__ /* not in 32-bit guest tests */
typedef unsigned __int128 u128;
#endif

/* Three address spaces that must never be mixed up. */
typedef u64 gva_t; /* guest linear */
typedef u64 gpa_t; /* guest physical */
typedef u64 hpa_t; /* host physical */

#define BIT(n)		 (1U << (n))
#define BIT64(n)	 (UINT64_C(1) << (n))
#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)	 ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)
#define KIB(n)		 (UINT64_C(n) << 10)
#define MIB(n)		 (UINT64_C(n) << 20)
#define GIB(n)		 (UINT64_C(n) << 30)
#define PAGE_SHIFT	 12
#define PAGE_SIZE	 UINT64_C(4096)

#define likely(x)		      __builtin_expect(!!(x), 1)
#define unlikely(x)		      __builtin_expect(!!(x), 0)
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __noreturn     __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __must_check   __attribute__((warn_unused_result))
/* Rare ways stay out of the common one, which then needs no stack frame. */
#define __noinline     __attribute__((noinline))

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

/* a * b / c with a 128-bit product; the quotient must fit 64 bits. */
static inline u64 muldiv_u64(u64 a, u64 b, u64 c)
{
	u64 lo, hi, quotient, rest;

	__asm__("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "rm"(b) : "cc");
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(lo), "d"(hi), "rm"(c) : "cc");
	return quotient;
}

#endif
