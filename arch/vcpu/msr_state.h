/* SPDX-License-Identifier: MIT */
/*
 * The emulated MSRs of a vCPU that have no better place: what struct vcpu's msr points to. Known to msr.c and mtrr.c only.
 */
#ifndef PLINTH_MSR_STATE_H
#define PLINTH_MSR_STATE_H

#include "types.h"

#define MTRR_VARIABLE	  8
#define MTRR_FIXED	  11
#define MTRR_FIXED_RANGES 8 /* in one MSR, a byte each */

struct mtrr_state {
	u64 base[MTRR_VARIABLE];
	u64 mask[MTRR_VARIABLE];
	u64 fixed[MTRR_FIXED];
	u64 def_type;
};

struct msr_state {
	struct mtrr_state mtrr;
	u64 misc_enable;
	u64 mcg_status;
	u64 hwcr;
};
_Static_assert(sizeof(struct msr_state) <= PAGE_SIZE, "one page a vCPU");

void mtrr_reset(struct mtrr_state *m);
u64 mtrr_cap(void);
/* Any MSR of mtrr_find()'s: 0, or -EINVAL for #GP(0). */
int mtrr_read(const struct mtrr_state *m, u32 msr, u64 *value);
int mtrr_write(struct mtrr_state *m, u32 msr, u64 value);

/* PAT and the MTRRs take different types: SDM vol. 3 12.12.2, 12.11.2.1. */
bool pat_valid(u64 value);

#endif
