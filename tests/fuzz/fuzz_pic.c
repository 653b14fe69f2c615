/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x20, 2 },
	{ 0xa0, 2 },
	{ 0x4d0, 2 },
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
	for (unsigned int i = 0; i < 2; i++) {
		const struct pic_chip *c = &b->pic.chip[i];

		CHECK(c->top < 8, "input %u is the highest", c->top);
		CHECK((c->elcr & ~c->elcr_mask) == 0, "ELCR %#x", c->elcr);
	}
	CHECK(!(pic_pending(&b->pic) && b->pic.chip[0].imr == 0xff &&
		b->pic.chip[0].init_state == 0 && !b->pic.chip[0].poll),
	      "INTR with everything masked");
}
