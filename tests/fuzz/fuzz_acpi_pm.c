/* SPDX-License-Identifier: MIT */
/*
 * ACPI power management; the timer is compared with the clock.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x600, 12 },
	{ 0xb2, 2 },
};
static const size_t nr_ranges = ARRAY_SIZE(ranges);

static void check_read(struct board *b, u16 port, unsigned int size, u32 value)
{
	u64 ticks = (u64)((u128)world_now * PM_TIMER_HZ / 1000000000ULL);

	if (port == PM_BASE + PM_TMR_OFFSET && size == 4 && b->pm.base == PM_BASE)
		CHECK(value == (ticks & 0xffffff), "PM timer reads %#x, not %#llx", value,
		      (unsigned long long)ticks & 0xffffff);
}

static void check_device(struct board *b)
{
	CHECK(b->pm.base == PM_BASE, "base %#x", b->pm.base);
}
