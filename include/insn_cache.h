/* SPDX-License-Identifier: MIT */
/*
 * The instructions that a vCPU exited at last, decoded (arch/vcpu/insn_cache.c). An entry holds
 * the page-table entries that its fetch used and the bytes that it found; it counts only while
 * all of them have the same value in guest memory. So nothing ever needs to invalidate it, and
 * the answer is that of a full walk, fetch and decode by a processor that may fetch there: this one
 * has done so, or it would not have exited at the instruction.
 */
#ifndef PLINTH_INSN_CACHE_H
#define PLINTH_INSN_CACHE_H

#include "insn.h"

#define INSN_CACHE_ENTRIES 32 /* a power of two */
#define INSN_CACHE_LEVELS  4

struct insn_cache {
	struct cached_insn {
		u64 rip;
		u64 efer; /* 0: the entry is empty */
		u64 cr3;
		const u64
			*where[INSN_CACHE_LEVELS]; /* behind the last one: an entry of this array */
		u64 entry[INSN_CACHE_LEVELS];
		const u8 *host; /* the instruction */
		u8 bytes[INSN_MAX + 1];
		struct insn insn;
	} slot[INSN_CACHE_ENTRIES];
};

#endif
