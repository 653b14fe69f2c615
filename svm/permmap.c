/* SPDX-License-Identifier: MIT */
/*
 * I/O and MSR permission maps: APM vol. 2 rev. 3.42, 15.10.1 and 15.11. A set bit intercepts.
 */
#include "svm.h"
#include "virt.h"

/* The three ranges of 8192 MSRs that the map covers, two bits each; all other MSRs always exit. */
#define MSRPM_RANGE_MSRS  0x2000U
#define MSRPM_RANGE_BYTES 0x800U

static const u32 msrpm_range[] = { 0x00000000, 0xc0000000, 0xc0010000 };

void svm_intercept_msr(struct vcpu *v, u32 msr, unsigned int access)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(msrpm_range); i++) {
		u32 index = msr - msrpm_range[i];

		if (index >= MSRPM_RANGE_MSRS)
			continue;
		u8 *byte = &v->svm->msrpm[i * MSRPM_RANGE_BYTES + index / 4];
		unsigned int shift = index % 4 * 2;

		*byte = (u8)((*byte & ~(3U << shift)) | ((access & 3U) << shift));
		vmcb_touch(v->svm->vmcb, CLEAN_IOPM);
		return;
	}
}

void svm_intercept_port(struct vcpu *v, u16 port, bool on)
{
	u8 *byte = &v->svm->iopm[port / 8];
	u8 bit = (u8)BIT(port % 8);

	*byte = on ? *byte | bit : *byte & (u8)~bit;
	vmcb_touch(v->svm->vmcb, CLEAN_IOPM);
}
