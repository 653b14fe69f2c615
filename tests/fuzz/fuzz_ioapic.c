/* SPDX-License-Identifier: MIT */
/*
 * The 82093AA, with a LAPIC that takes its messages.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x20, 2 },
	{ 0xa0, 2 },
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
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		CHECK((b->ioapic.redir[i] & 0x00fffffffffe0000ULL) == 0, "entry %u: %#llx", i,
		      (unsigned long long)b->ioapic.redir[i]);
}
