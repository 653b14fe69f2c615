/* SPDX-License-Identifier: MIT */
/*
 * How a rule is written down in check.c and check_guest.c.
 */
#ifndef PLINTH_VMX_CHECK_PRIV_H
#define PLINTH_VMX_CHECK_PRIV_H

#include "check.h"
#include "x86.h"

/* All of these speak of `in`, the image, and `out`, the violation. */
#define F(name)	      (in->f[VMCS_INDEX_##name])
#define CONTROL(c)    (vmx_control_set(in, (c)))
#define EFER_RESERVED (~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
#define CANONICAL(x)  ((u64)((s64)((x) << 16) >> 16) == (x))

/* Ends the check with a violation; the field is known by its row. */
#define RULE_AT(holds, index, name)                      \
	do {                                             \
		if (!(holds)) {                          \
			*out = (struct vmx_violation){   \
				.rule = VMX_RULE_##name, \
				.field = (index),        \
				.value = in->f[index],   \
			};                               \
			return true;                     \
		}                                        \
	} while (0)

/* The same with the field's name. */
#define RULE(holds, field, name) RULE_AT(holds, VMCS_INDEX_##field, name)

/* The value of a control; secondary ones are 0 while they are not activated (25.6.2). */
bool vmx_control_set(const struct vmx_image *in, unsigned int control);

bool vmx_address_fits(const struct vmx_image *in, u64 address);
bool vmx_page_address(const struct vmx_image *in, u64 address);
bool vmx_fixed_bits(u64 value, u64 zero, u64 one);
bool vmx_pat_valid(u64 pat);

/* The event that the entry injects: 25.8.3. */
struct injected {
	bool valid;
	u32 type; /* enum intinfo_type */
	u32 vector;
};
struct injected vmx_injected(const struct vmx_image *in);

/* check_guest.c: 27.3.1 */
bool vmx_check_guest(const struct vmx_image *in, struct vmx_violation *out);

#endif
