/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz harnesses share: the input as a stream of little-endian numbers, and checks. An
 * input that has ended reads as zeros.
 */
#ifndef PLINTH_FUZZ_H
#define PLINTH_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types.h"

struct input {
	const u8 *p;
	size_t left;
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static inline u64 take(struct input *in, unsigned int size)
{
	u64 v = 0;

	for (unsigned int i = 0; i < size && in->left; i++, in->left--)
		v |= (u64)*in->p++ << (8 * i);
	return v;
}

static inline u8 take8(struct input *in)
{
	return (u8)take(in, 1);
}

static inline u16 take16(struct input *in)
{
	return (u16)take(in, 2);
}

static inline u32 take32(struct input *in)
{
	return (u32)take(in, 4);
}

static inline u64 take64(struct input *in)
{
	return take(in, 8);
}

/* Copies what is left into memory of exactly that size, for the sanitizer. Never NULL. */
static inline u8 *take_rest(struct input *in, size_t *size)
{
	u8 *copy = malloc(in->left ? in->left : 1);

	memcpy(copy, in->p, in->left);
	*size = in->left;
	in->p += in->left;
	in->left = 0;
	return copy;
}

#define CHECK(condition, ...)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			abort();                                                        \
		}                                                                       \
	} while (0)

#endif
