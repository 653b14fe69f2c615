/* SPDX-License-Identifier: MIT */
/*
 * Reset and exit ports: 92 (82371AB data sheet 290562, 4.2.6.2), CF9 (there 4.2.6.3), the POST code
 * port 80, the power-off port 8900 of Bochs (bochsrc: "the string Shutdown"), which programs use that know no ACPI, and a debug exit. A20 is a bit that can be read back: address line 20 is never masked.
 */
#include "dev/reset.h"
#include "errors.h"
#include "lib.h"

enum {
	PORT92 = 0x92,
	PORT92_RESET = BIT(0),
	PORT92_A20 = BIT(1),
	PORT92_WRITABLE = PORT92_A20 | PORT92_RESET,

	CF9 = 0xcf9,
	CF9_HARD = BIT(1),  /* what kind of reset */
	CF9_RESET = BIT(2), /* rising: now */
	CF9_POWER = BIT(3), /* with a power cycle */
	CF9_WRITABLE = CF9_HARD | CF9_RESET | CF9_POWER,

	POST_PORT = 0x80,
	SHUTDOWN_PORT = 0x8900,
	DEBUG_EXIT_PORTS = 4,
};

static u32 port92_read(void *dev, u16 offset, unsigned int size)
{
	const struct reset_ports *r = dev;

	(void)offset;
	(void)size;
	return r->port92;
}

static void port92_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct reset_ports *r = dev;
	bool reset = value & ~r->port92 & PORT92_RESET;

	(void)offset;
	(void)size;
	r->port92 = value & PORT92_WRITABLE;
	if (reset)
		r->reset(r->ctx);
}

static u32 cf9_read(void *dev, u16 offset, unsigned int size)
{
	const struct reset_ports *r = dev;

	(void)offset;
	(void)size;
	return r->cf9;
}

static void cf9_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct reset_ports *r = dev;
	bool reset = value & ~r->cf9 & CF9_RESET;

	(void)offset;
	(void)size;
	r->cf9 = value & CF9_WRITABLE;
	if (reset)
		r->reset(r->ctx);
}

static u32 post_read(void *dev, u16 offset, unsigned int size)
{
	const struct reset_ports *r = dev;

	(void)offset;
	(void)size;
	return r->post;
}

static void post_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct reset_ports *r = dev;

	(void)offset;
	(void)size;
	r->post = (u8)value;
}

static u32 shutdown_read(void *dev, u16 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0xff;
}

static void shutdown_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	static const char word[] = "Shutdown";
	struct reset_ports *r = dev;

	(void)offset;
	(void)size;
	if (value != (u8)word[r->shutdown])
		r->shutdown = 0;
	if (value == (u8)word[r->shutdown])
		r->shutdown++;
	if (r->shutdown == sizeof(word) - 1) {
		r->shutdown = 0;
		r->power_off(r->ctx);
	}
}

static u32 debug_exit_read(void *dev, u16 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct reset_ports *r = dev;

	(void)size;
	if (offset == 0)
		r->debug_exit(r->ctx, value);
}

static const struct port_ops port92_ops = {
	.read = port92_read,
	.write = port92_write,
	.max_size = 1,
	.name = "port92",
};

/*
 * 8-bit accesses only. Wider ones that begin at CF8 are the host bridge's: dwords its address
 * register, others nothing.
 */
static const struct port_ops cf9_ops = {
	.read = cf9_read,
	.write = cf9_write,
	.max_size = 1,
	.whole = true,
	.name = "reset-control",
};

static const struct port_ops post_ops = {
	.read = post_read,
	.write = post_write,
	.max_size = 1,
	.name = "post",
};

static const struct port_ops shutdown_ops = {
	.read = shutdown_read,
	.write = shutdown_write,
	.max_size = 1,
	.whole = true,
	.name = "shutdown",
};

static const struct port_ops debug_exit_ops = {
	.read = debug_exit_read,
	.write = debug_exit_write,
	.max_size = 4,
	.name = "debug-exit",
};

void reset_ports_init(struct reset_ports *r, void (*reset)(void *ctx), void (*power_off)(void *ctx),
		      void (*debug_exit)(void *ctx, u32 value), void *ctx)
{
	r->reset = reset;
	r->power_off = power_off;
	r->debug_exit = debug_exit;
	r->ctx = ctx;
	reset_ports_reset(r);
}

void reset_ports_reset(struct reset_ports *r)
{
	r->port92 = PORT92_A20;
	r->cf9 = 0;
	r->post = 0;
	r->shutdown = 0;
}

int reset_ports_attach(struct reset_ports *r, struct bus *b, u16 debug_exit_port)
{
	int err;

	if ((err = bus_add_port(b, PORT92, 1, &port92_ops, r)) != 0 ||
	    (err = bus_add_port(b, CF9, 1, &cf9_ops, r)) != 0 ||
	    (err = bus_add_port(b, POST_PORT, 1, &post_ops, r)) != 0 ||
	    (err = bus_add_port(b, SHUTDOWN_PORT, 1, &shutdown_ops, r)) != 0)
		return err;
	if (debug_exit_port == 0)
		return 0;
	return bus_add_port(b, debug_exit_port, DEBUG_EXIT_PORTS, &debug_exit_ops, r);
}
