/* SPDX-License-Identifier: MIT */
/*
 * The instructions that a vCPU exited at last, decoded (arch/vcpu/insn_cache.c). An entry holds
 * the page-table entries that its fetch used and the bytes that it found; it counts only while
 * all of them have the same value in guest memory. So nothing ever needs to invalidate it, and
 * the answer is that of a full walk, fetch and decode.
 */
#ifndef PLINTH_INSN_CACHE_H
#define PLINTH_INSN_CACHE_H

#include "insn.h"

#define INSN_CACHE_ENTRIES 32 /* a power of two */
#define INSN_CACHE_LEVELS  4

struct insn_cache {
	struct cached_insn {
		u64 rip;
		/* What besides the tables decides about a fetch. efer 0: the entry is empty. */
		u64 efer, cr4, cr3;
		u32 attributes; /* of CS and SS: mode and privilege */
		const u64
			*where[INSN_CACHE_LEVELS]; /* behind the last one: an entry of this array */
		u64 entry[INSN_CACHE_LEVELS];
		const u8 *host; /* the instruction */
		u8 bytes[INSN_MAX + 1];
		struct insn insn;
	} slot[INSN_CACHE_ENTRIES];
};

#endif
