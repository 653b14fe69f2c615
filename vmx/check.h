/* SPDX-License-Identifier: MIT */
/*
 * The entry checker: what a VM entry checks, checked beforehand or afterwards (check.c). SDM vol. 3 rev. 083, 27.2 and
 * 27.3.1.
 */
#ifndef PLINTH_VMX_CHECK_H
#define PLINTH_VMX_CHECK_H

#include "caps.h"
#include "rules.h"

/* A VMCS as values, one for each row of the field table, and what the rules ask for beside it. */
struct vmx_image {
	u64 f[NR_VMCS_FIELDS];
	const struct vmx_caps *caps;
	unsigned int phys_bits; /* MAXPHYADDR */
	u64 address;		/* of this VMCS */
	u8 vtpr;		/* the TPR in the virtual-APIC page */
	bool sgx, rtm;		/* CPUID 7 EBX */
};

struct vmx_violation {
	enum vmx_rule rule;
	enum vmcs_index field;
	u64 value;
};

struct vmx_rule_info {
	const char *section; /* of SDM vol. 3 */
	const char *text;
};
extern const struct vmx_rule_info vmx_rules[NR_VMX_RULES];

/* True and the first violated rule, or false. Pure. */
bool vmx_check(const struct vmx_image *image, struct vmx_violation *out);

#endif
