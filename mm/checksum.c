/* SPDX-License-Identifier: MIT */
/*
 * A checksum that finds stray writes; no defence against somebody who computes it. FNV-1a's step over
 * 64-bit words instead of bytes.
 */
#include "mm.h"

#define PRIME UINT64_C(0x00000100000001b3)

u64 checksum_words(u64 sum, const void *p, u64 len, u64 mask)
{
	const u8 *byte = p;
	u64 word;

	/* Modules need not be aligned. */
	for (u64 i = 0; i < len / sizeof(word); i++) {
		__builtin_memcpy(&word, byte + i * sizeof(word), sizeof(word));
		sum = (sum ^ (word & mask)) * PRIME;
	}
	return sum;
}
