/* SPDX-License-Identifier: MIT */
/*
 * The 16550A.
 */
#include "device.h"

static const struct port_range ranges[] = {
	{ 0x3f8, 8 },
};
static const size_t nr_ranges = ARRAY_SIZE(ranges);

static void check_read(struct board *b, u16 port, unsigned int size, u32 value)
{
	(void)size;
	if (port == 0x3fd && size == 1)
		CHECK(b->uart[0].rx_count == 0 || (value & 1), "LSR %#x with data", value);
}

static void check_device(struct board *b)
{
	const struct uart *u = &b->uart[0];

	CHECK(u->rx_count <= UART_FIFO && u->rx_head < UART_FIFO, "receive FIFO");
	CHECK(u->tx_count <= UART_FIFO && u->tx_head < UART_FIFO, "transmit FIFO");
	CHECK(u->ier < 16, "IER %#x", u->ier);
}
