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
	const struct keyboard *k = &b->i8042.keyboard;

	CHECK(k->codes.count <= KEYBOARD_CODES && k->codes.head < KEYBOARD_CODES, "codes");
	CHECK(k->answers.count <= KEYBOARD_ANSWERS && k->answers.head < KEYBOARD_ANSWERS,
	      "answers");
	CHECK(k->set >= 1 && k->set <= 3, "scan code set %u", k->set);
}
