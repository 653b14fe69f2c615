/* SPDX-License-Identifier: MIT */
/*
 * The memory types of the host's physical memory, for the EPT entries that lead there. Guest accesses do not go through
 * the MTRRs (SDM vol. 3 rev. 083, 29.3.7.2): the entry's own type takes their place, and must be the same. AMD-V needs
 * none of this: there the processor applies the host's MTRRs below nested paging (APM vol. 2 rev. 3.42, 15.25.8).
 */
#ifndef PLINTH_VMX_MEMTYPE_H
#define PLINTH_VMX_MEMTYPE_H

#include "types.h"
#include "x86.h"

#define HOST_MTRR_FIXED	   11
#define HOST_MTRR_VARIABLE 40 /* as many as have a place among the MSRs */

struct host_mtrrs {
	bool fixed_on, on;
	enum memtype rest; /* what no range covers */
	u64 fixed[HOST_MTRR_FIXED];
	struct {
		u64 base, mask;
		enum memtype type;
	} range[HOST_MTRR_VARIABLE]; /* the valid ones */
	unsigned int n;
	u64 end; /* of the physical addresses */
};

/* Reads them by read (rdmsr; tests have their own). A processor that has none has write-back memory. */
void host_mtrrs_read(struct host_mtrrs *m, u64 (*read)(u32 msr), bool present,
		     unsigned int phys_bits);
/* The type of the page at pa. In *len, which is not 0: how far is asked for; on return, how far it holds. */
enum memtype host_memtype(const struct host_mtrrs *m, hpa_t pa, u64 *len);

#endif
