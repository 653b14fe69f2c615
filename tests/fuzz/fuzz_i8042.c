/* SPDX-License-Identifier: MIT */
/*
 * The keyboard controller, fast A20 and reset.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x60, 5 },
	{ 0x92, 1 },
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
	CHECK(b->i8042.out_count <= I8042_QUEUE && b->i8042.out_head < I8042_QUEUE, "queue");
	CHECK(b->i8042.kbd_set >= 1 && b->i8042.kbd_set <= 3, "scan code set %u", b->i8042.kbd_set);
}
