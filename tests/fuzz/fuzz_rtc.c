/* SPDX-License-Identifier: MIT */
/*
 * The MC146818A and CMOS RAM.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x70, 2 },
};
static const size_t nr_ranges = ARRAY_SIZE(ranges);

static void check_read(struct board *b, u16 port, unsigned int size, u32 value)
{
	(void)b;
	(void)port;
	(void)size;
	(void)value;
}

static void check_device(struct board *b)
{
	CHECK(b->rtc.weekday_offset < 7, "day of the week %u", b->rtc.weekday_offset);
	CHECK(b->rtc.offset_ns < 1000000000ULL, "fraction %llu",
	      (unsigned long long)b->rtc.offset_ns);
}
