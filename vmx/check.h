/* SPDX-License-Identifier: MIT */
/*
 * The entry checker: what a VM entry checks, checked beforehand or afterwards (check.c).
 */
#ifndef PLINTH_VMX_CHECK_H
#define PLINTH_VMX_CHECK_H

#include "caps.h"

/* A VMCS as values, one for each row of the field table. */
struct vmx_image {
	u64 f[NR_VMCS_FIELDS];
	const struct vmx_caps *caps;
	unsigned int phys_bits; /* MAXPHYADDR */
};

struct vmx_violation {
	const char *rule;
	const char *section; /* of SDM vol. 3 */
	enum vmcs_index field;
	u64 value;
};

/* True and the first violated rule, or false. Pure. */
bool vmx_check(const struct vmx_image *image, struct vmx_violation *out);

#endif
