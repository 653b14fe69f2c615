/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration, and the power-management registers that it moves about.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0xcf8, 8 }, { 0xcfc, 4 }, { 0xcf8, 1 }, { 0x600, 12 }, { 0 },
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
	CHECK((b->pci.address & 0x7f000003) == 0, "address %#x", b->pci.address);
	CHECK(b->bus.ports <= 1 + BUS_PORT_RANGES, "%u port ranges", b->bus.ports);
}
