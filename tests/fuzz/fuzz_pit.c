/* SPDX-License-Identifier: MIT */
/*
 * The 8254 and port 61.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x40, 4 },
	{ 0x61, 1 },
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
	for (unsigned int i = 0; i < 3; i++) {
		const struct pit_channel *c = &b->pit.ch[i];

		CHECK(c->mode < 6, "mode %u", c->mode);
		CHECK(c->reload <= 65536, "reload %u", c->reload);
	}
}
