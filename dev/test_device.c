/* SPDX-License-Identifier: MIT */
/*
 * The test device: the ports and the memory of QEMU's pc-testdev, which no document describes; the layout is what programs that run
 * there use.
 */
#include "dev/test_device.h"
#include "dev/ioapic.h"
#include "lib.h"

static u32 port_read(void *dev, u16 offset, unsigned int size)
{
	const struct test_device *d = dev;
	u32 value = 0;

	memcpy(&value, d->port + offset, size);
	return value;
}

static void port_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct test_device *d = dev;

	memcpy(d->port + offset, &value, size);
}

static u32 nothing_read(void *dev, u16 offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

/* All guest memory is mapped for good: a mapping that is gone when it is needed does not happen. */
static void flush_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static void line_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	const struct test_device *d = dev;

	(void)size;
	d->set_line(d->ctx, offset, value != 0);
}

static u64 memory_read(void *dev, u64 offset, unsigned int size)
{
	const struct test_device *d = dev;
	u64 value = 0;

	memcpy(&value, d->memory + offset, size);
	return value;
}

static void memory_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct test_device *d = dev;

	memcpy(d->memory + offset, &value, size);
}

static const struct port_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.max_size = 4,
	.name = "test-port",
};

static const struct port_ops flush_ops = {
	.read = nothing_read,
	.write = flush_write,
	.max_size = 4,
	.name = "test-flush",
};

static const struct port_ops line_ops = {
	.read = nothing_read,
	.write = line_write,
	.max_size = 1,
	.name = "test-lines",
};

static const struct mmio_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.name = "test-memory",
};

void test_device_init(struct test_device *d,
		      void (*set_line)(void *ctx, unsigned int line, bool level), void *ctx)
{
	memset(d, 0, sizeof(*d));
	d->set_line = set_line;
	d->ctx = ctx;
}

int test_device_attach(struct test_device *d, struct bus *b)
{
	int err;

	if ((err = bus_add_port(b, TEST_PORT, sizeof(d->port), &port_ops, d)) != 0 ||
	    (err = bus_add_port(b, TEST_FLUSH_PORT, sizeof(u32), &flush_ops, d)) != 0 ||
	    (err = bus_add_port(b, TEST_LINES_PORT, IOAPIC_PINS, &line_ops, d)) != 0)
		return err;
	return bus_add_mmio(b, TEST_MEMORY, TEST_MEMORY_BYTES, &memory_ops, d);
}
