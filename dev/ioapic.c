/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC: Intel 82093AA data sheet (290566-001). Version 0x20 and the EOI register are those
 * of the parts that followed it (82801 ICH data sheets, "EOIR"); they also carry 8-bit physical
 * destinations.
 */
#include "dev/ioapic.h"
#include "lib.h"

/* Memory-mapped registers, data sheet 3.1. */
enum {
	IOREGSEL = 0x00,
	IOWIN = 0x10,
	IOEOI = 0x40,
};

/* Indexed registers, data sheet 3.2. */
enum {
	IOAPICID = 0x00,
	IOAPICVER = 0x01,
	IOAPICARB = 0x02,
	IOREDTBL = 0x10,
};

#define IOAPIC_VERSION	  0x20U
#define IOAPIC_MAX_SHIFT  16
#define IOAPIC_ID_SHIFT	  24
#define IOAPIC_ID_MASK	  0x0fU
#define IOAPIC_REG_SIZE	  4U
#define IOAPIC_OPEN_BUS	  0xffffffffU
#define REDIR_MODE_SHIFT  8
#define REDIR_MODE_MASK	  7U
#define REDIR_DEST_SHIFT  56
#define REDIR_HIGH_SHIFT  32
#define REDIR_VECTOR	  UINT64_C(0xff)
#define REDIR_LOGICAL	  BIT64(11)
#define REDIR_STATUS	  BIT64(12)
#define REDIR_ACTIVE_LOW  BIT64(13)
#define REDIR_REMOTE_IRR  BIT64(14)
#define REDIR_LEVEL	  BIT64(15)
#define REDIR_MASKED	  BIT64(16)
#define REDIR_WRITABLE_LO UINT64_C(0x0001afff)
#define REDIR_WRITABLE_HI UINT64_C(0xff00000000000000)

static enum apic_delivery redir_mode(u64 e)
{
	return (enum apic_delivery)(e >> REDIR_MODE_SHIFT & REDIR_MODE_MASK);
}

/* SMI, NMI, INIT and ExtINT are edges, whatever the trigger mode says (3.2.4, DELMOD). */
static bool is_level(u64 e)
{
	return (e & REDIR_LEVEL) && (redir_mode(e) == APIC_FIXED || redir_mode(e) == APIC_LOWEST);
}

static bool asserted(const struct ioapic *io, unsigned int pin, u64 e)
{
	return ((io->lines >> pin & 1) != 0) != ((e & REDIR_ACTIVE_LOW) != 0);
}

static bool send(const struct ioapic *io, u64 e)
{
	enum apic_delivery mode = redir_mode(e);
	struct apic_msg msg = {
		.dest = (u32)(e >> REDIR_DEST_SHIFT),
		.vector = (u8)(e & REDIR_VECTOR),
		.mode = mode,
		.shorthand = APIC_DEST_FIELD,
		.logical = e & REDIR_LOGICAL,
		.level = is_level(e),
		.assert = true,
		.x2apic = false,
	};

	switch (mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
	case APIC_SMI:
	case APIC_NMI:
	case APIC_INIT:
	case APIC_EXTINT:
		return apic_bus_send(io->bus, NULL, &msg);
	default: /* reserved, also the start-up mode of the ICR */
		return false;
	}
}

/*
 * A level that is asserted, not masked and not in service is sent. One that nobody accepts stays
 * "send pending" and is offered again with the next event.
 */
static void service_level(struct ioapic *io, unsigned int pin)
{
	u64 e = io->redir[pin];

	if ((e & (REDIR_MASKED | REDIR_REMOTE_IRR)) || !is_level(e) || !asserted(io, pin, e))
		return;
	if (send(io, e))
		io->redir[pin] |= REDIR_REMOTE_IRR;
}

/* After an input or its entry changed: was tells whether the pin was asserted before. */
static void service(struct ioapic *io, unsigned int pin, bool was)
{
	u64 e = io->redir[pin];

	if (is_level(e))
		service_level(io, pin);
	else if (!was && asserted(io, pin, e) && !(e & REDIR_MASKED))
		send(io, e); /* an edge on a masked pin is lost (3.2.4, mask) */
}

void ioapic_set_line(struct ioapic *io, unsigned int pin, bool level)
{
	bool was;

	if (pin >= IOAPIC_PINS)
		return;
	was = asserted(io, pin, io->redir[pin]);
	if (level)
		io->lines |= BIT(pin);
	else
		io->lines &= ~BIT(pin);
	service(io, pin, was);
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 e = io->redir[pin];

		if ((e & REDIR_VECTOR) != vector || !(e & REDIR_REMOTE_IRR))
			continue;
		io->redir[pin] = e & ~REDIR_REMOTE_IRR;
		service_level(io, pin);
	}
}

static void write_redir(struct ioapic *io, unsigned int index, u32 value)
{
	unsigned int pin = index / 2;
	u64 e = io->redir[pin];
	bool was = asserted(io, pin, e);

	if (index & 1) {
		e &= ~REDIR_WRITABLE_HI;
		e |= (u64)value << REDIR_HIGH_SHIFT & REDIR_WRITABLE_HI;
	} else {
		e &= ~REDIR_WRITABLE_LO;
		e |= value & REDIR_WRITABLE_LO;
		/* An edge has no remote IRR; software clears a stuck one by this. */
		if (!(e & REDIR_LEVEL))
			e &= ~REDIR_REMOTE_IRR;
	}
	io->redir[pin] = e;
	service(io, pin, was);
}

static u32 read_redir(const struct ioapic *io, unsigned int index)
{
	unsigned int pin = index / 2;
	u64 e = io->redir[pin];

	if (is_level(e) && !(e & (REDIR_MASKED | REDIR_REMOTE_IRR)) && asserted(io, pin, e))
		e |= REDIR_STATUS;
	return (u32)(index & 1 ? e >> REDIR_HIGH_SHIFT : e);
}

static u32 read_window(const struct ioapic *io)
{
	switch (io->index) {
	case IOAPICID:
	case IOAPICARB: /* loaded with the id whenever that is written */
		return (u32)io->id << IOAPIC_ID_SHIFT;
	case IOAPICVER:
		return IOAPIC_VERSION | (IOAPIC_PINS - 1) << IOAPIC_MAX_SHIFT;
	default:
		if (io->index >= IOREDTBL && io->index < IOREDTBL + 2 * IOAPIC_PINS)
			return read_redir(io, io->index - IOREDTBL);
		return 0;
	}
}

static void write_window(struct ioapic *io, u32 value)
{
	if (io->index == IOAPICID)
		io->id = (u8)(value >> IOAPIC_ID_SHIFT & IOAPIC_ID_MASK);
	else if (io->index >= IOREDTBL && io->index < IOREDTBL + 2 * IOAPIC_PINS)
		write_redir(io, io->index - IOREDTBL, value);
}

/* "All registers are accessed using 32-bit loads and stores"; the select register is a byte. */
static u64 mmio_read(void *dev, u64 offset, unsigned int size)
{
	const struct ioapic *io = dev;

	(void)size; /* a narrower load gets the low bytes, cut by the bus */
	switch (offset) {
	case IOREGSEL:
		return io->index;
	case IOWIN:
		return read_window(io);
	default:
		return IOAPIC_OPEN_BUS;
	}
}

static void mmio_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct ioapic *io = dev;

	if (offset == IOREGSEL)
		io->index = (u8)value;
	else if (offset == IOWIN && size == IOAPIC_REG_SIZE)
		write_window(io, (u32)value);
	else if (offset == IOEOI && size == IOAPIC_REG_SIZE)
		ioapic_eoi(io, (u8)value);
}

static const struct mmio_ops ops = {
	.read = mmio_read,
	.write = mmio_write,
	.name = "IOAPIC",
};

void ioapic_init(struct ioapic *io, struct apic_bus *bus)
{
	memset(io, 0, sizeof(*io));
	io->bus = bus;
	ioapic_reset(io);
}

void ioapic_reset(struct ioapic *io)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		io->redir[pin] = REDIR_MASKED;
	io->id = 0;
	io->index = 0;
}

int ioapic_attach(struct ioapic *io, struct bus *b)
{
	return bus_add_mmio(b, IOAPIC_BASE, IOAPIC_LEN, &ops, io);
}
