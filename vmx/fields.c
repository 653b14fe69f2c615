/* SPDX-License-Identifier: MIT */
/*
 * The VMCS field table as data: SDM vol. 3 rev. 083, appendix B.
 */
#include "vmcs.h"

#define ROW(field, enc, w, control) \
	[VMCS_INDEX_##              \
		field] = { .name = #field, .encoding = (enc), .width = (w), .needs = (control) },
const struct vmcs_field_info vmcs_fields[NR_VMCS_FIELDS] = { VMCS_FIELDS(ROW) };
#undef ROW

#define ROW(field, enc, w, control) \
	_Static_assert(VMCS_WIDTH(enc) == (w) && ((enc)&1U) == 0, #field);
VMCS_FIELDS(ROW)
#undef ROW
