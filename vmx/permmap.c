/* SPDX-License-Identifier: MIT */
/*
 * I/O and MSR bitmaps: SDM vol. 3 rev. 083, 25.6.4 and 25.6.9. A set bit exits.
 */
#include "virt.h"
#include "vmx.h"

/* Two ranges of 8192 MSRs, reads in the first half of the page; all other MSRs always exit. */
#define RANGE_MSRS   0x2000U
#define RANGE_BYTES  0x400U
#define WRITES_AT    0x800U
#define BITMAP_A_END 0x8000U /* ports; bitmap B follows in memory */
_Static_assert(BITMAP_A_END / 8 == PAGE_SIZE, "one page each");

static const u32 range[] = { 0x00000000, 0xc0000000 };

static void set_bit(u8 *map, u32 index, bool on)
{
	u8 bit = (u8)BIT(index % 8);

	map[index / 8] = on ? map[index / 8] | bit : map[index / 8] & (u8)~bit;
}

void vmx_intercept_msr(struct vcpu *v, u32 msr, unsigned int access)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(range); i++) {
		u8 *map = v->vmx->msr_bitmap + i * RANGE_BYTES;
		u32 index = msr - range[i];

		if (index >= RANGE_MSRS)
			continue;
		set_bit(map, index, access & MSR_READ);
		set_bit(map + WRITES_AT, index, access & MSR_WRITE);
		return;
	}
}

void vmx_intercept_port(struct vcpu *v, u16 port, bool on)
{
	set_bit(v->vmx->io_bitmap, port, on);
}
