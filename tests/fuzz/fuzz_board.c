/* SPDX-License-Identifier: MIT */
/*
 * All ports of the board, and those that nobody has.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0 },	      { 0x20, 2 },  { 0x40, 4 },   { 0x60, 5 },	  { 0x70, 2 },
	{ 0x80, 19 }, { 0xa0, 2 },  { 0xb2, 2 },   { 0xf4, 4 },	  { 0x3f8, 8 },
	{ 0x4d0, 2 }, { 0xcf8, 8 }, { 0x600, 16 }, { 0xfffc, 4 }, { 0x510, 12 },
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
	(void)b;
}
