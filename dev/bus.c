/* SPDX-License-Identifier: MIT */
/*
 * The guest's port and MMIO bus. Ports: one byte of the owner table says who answers. MMIO: few
 * ranges, searched in the order in which they were added. IO access sizes and splitting: PCI Local
 * Bus 3.0, 3.2.2.1 (byte enables).
 */
#include "bus.h"
#include "errors.h"
#include "lib.h"

#define PORTS	  65536U
#define OPEN_BYTE 0xffU

/* The sizes that a range takes, as a mask in which each size is its own bit. */
static u32 port_sizes(const struct port_ops *ops)
{
	u32 sizes = 0;

	for (unsigned int size = 1; size <= sizeof(u32); size <<= 1)
		if (size >= ops->min_size && size <= ops->max_size)
			sizes |= size;
	return sizes;
}

static u32 port_mask(unsigned int size)
{
	return UINT32_MAX >> (32 - 8 * size);
}

static bool port_covers(const struct bus_port *p, u32 port)
{
	return p->sizes != 0 && port >= p->first && port < (u32)p->first + p->count;
}

void bus_init(struct bus *b)
{
	memset(b, 0, sizeof(*b));
	b->ports = 1;
}

int bus_add_port(struct bus *b, u16 first, u16 count, const struct port_ops *ops, void *dev)
{
	u32 end = (u32)first + count;
	u32 sizes = port_sizes(ops);
	unsigned int slot = b->ports;

	if (count == 0 || end > PORTS || sizes == 0)
		return -EINVAL;
	for (unsigned int i = 1; i < b->ports; i++) {
		const struct bus_port *p = &b->port[i];

		if (p->sizes == 0)
			slot = i;
		else if ((p->sizes & sizes) && first < (u32)p->first + p->count && p->first < end)
			return -EBUSY;
	}
	if (slot == ARRAY_SIZE(b->port))
		return -ENOSPC;
	if (slot == b->ports)
		b->ports++;
	b->port[slot] = (struct bus_port){
		.ops = ops,
		.dev = dev,
		.first = first,
		.count = count,
		.sizes = sizes,
	};
	for (u32 port = first; port < end; port++) {
		u8 other = b->owner[port];

		if (b->port[other].sizes < sizes)
			b->owner[port] = (u8)slot;
	}
	return 0;
}

int bus_remove_port(struct bus *b, u16 first, u16 count)
{
	for (unsigned int i = 1; i < b->ports; i++) {
		struct bus_port *p = &b->port[i];

		if (p->sizes == 0 || p->first != first || p->count != count)
			continue;
		p->sizes = 0;
		for (u32 port = first; port < (u32)first + count; port++) {
			if (b->owner[port] != i)
				continue;
			b->owner[port] = 0;
			for (unsigned int j = 1; j < b->ports; j++)
				if (port_covers(&b->port[j], port))
					b->owner[port] = (u8)j;
		}
		return 0;
	}
	return -ENOENT;
}

/* Out of line: the paths below stay short. */
__noinline void bus_note_unhandled(struct bus *b, enum bus_space space, u64 where)
{
	struct bus_unhandled *u = b->unhandled;

	for (unsigned int i = 0; i < b->unhandleds; i++, u++) {
		if (u->where == where && u->space == space) {
			u->count++;
			return;
		}
	}
	if (b->unhandleds == BUS_UNHANDLED) {
		b->unhandled_others++;
		return;
	}
	b->unhandleds++;
	*u = (struct bus_unhandled){ .where = where, .space = space, .count = 1 };
}

void bus_forget_unhandled(struct bus *b)
{
	b->unhandleds = 0;
	b->unhandled_others = 0;
}

/*
 * Who takes one byte at a port, of an access of that size: the owner, or the narrower range that
 * lies under it.
 */
static const struct bus_port *byte_owner(const struct bus *b, u32 port, unsigned int size)
{
	const struct bus_port *p;

	if (port >= PORTS)
		return NULL;
	p = &b->port[b->owner[port]];
	for (unsigned int i = 1; i < b->ports && !(p->sizes & 1); i++)
		if (port_covers(&b->port[i], port) && (b->port[i].sizes & 1))
			p = &b->port[i];
	if (!(p->sizes & 1) || (p->ops->whole && size > 1))
		return NULL;
	return p;
}

static __noinline u32 port_read_bytes(struct bus *b, u16 port, unsigned int size)
{
	bool open = false;
	u32 value = 0;

	for (unsigned int i = 0; i < size; i++) {
		const struct bus_port *p = byte_owner(b, (u32)port + i, size);
		u32 byte = OPEN_BYTE;

		if (p) {
			byte = p->ops->read(p->dev, (u16)(port + i - p->first), 1) & OPEN_BYTE;
		} else if (!open) {
			open = true;
			bus_note_unhandled(b, BUS_PORT, port + i);
		}
		value |= byte << (8 * i);
	}
	return value;
}

static __noinline void port_write_bytes(struct bus *b, u16 port, unsigned int size, u32 value)
{
	bool open = false;

	for (unsigned int i = 0; i < size; i++) {
		const struct bus_port *p = byte_owner(b, (u32)port + i, size);
		u32 byte = value >> (8 * i) & OPEN_BYTE;

		if (p) {
			p->ops->write(p->dev, (u16)(port + i - p->first), 1, byte);
		} else if (!open) {
			open = true;
			bus_note_unhandled(b, BUS_PORT, port + i);
		}
	}
}

/*
 * The range that takes the whole access, or NULL. A byte lies wholly in the range that owns its
 * port.
 */
static inline const struct bus_port *whole_owner(const struct bus *b, u16 port, unsigned int size)
{
	const struct bus_port *p = &b->port[b->owner[port]];

	if (unlikely(!(p->sizes & size)) ||
	    (size > 1 && unlikely((unsigned int)(port - p->first) + size > p->count)))
		return NULL;
	return p;
}

u32 bus_port_read(struct bus *b, u16 port, unsigned int size)
{
	const struct bus_port *p;

	/* Its own path: most accesses are bytes, and need neither range check nor computed mask. */
	if (likely(size == 1)) {
		p = whole_owner(b, port, 1);
		if (likely(p != NULL))
			return (u8)p->ops->read(p->dev, (u16)(port - p->first), 1);
	} else {
		p = whole_owner(b, port, size);
		if (likely(p != NULL))
			return p->ops->read(p->dev, (u16)(port - p->first), size) & port_mask(size);
	}
	return port_read_bytes(b, port, size);
}

void bus_port_write(struct bus *b, u16 port, unsigned int size, u32 value)
{
	const struct bus_port *p;

	if (likely(size == 1)) {
		p = whole_owner(b, port, 1);
		if (likely(p != NULL)) {
			p->ops->write(p->dev, (u16)(port - p->first), 1, (u8)value);
			return;
		}
	} else {
		p = whole_owner(b, port, size);
		if (likely(p != NULL)) {
			p->ops->write(p->dev, (u16)(port - p->first), size,
				      value & port_mask(size));
			return;
		}
	}
	port_write_bytes(b, port, size, value);
}

int bus_add_mmio(struct bus *b, gpa_t first, u64 len, const struct mmio_ops *ops, void *dev)
{
	if (len == 0 || first + len - 1 < first)
		return -EINVAL;
	for (unsigned int i = 0; i < b->mmios; i++) {
		const struct bus_mmio *m = &b->mmio[i];

		if (first <= m->first + (m->len - 1) && m->first <= first + (len - 1))
			return -EBUSY;
	}
	if (b->mmios == BUS_MMIO_RANGES)
		return -ENOSPC;
	b->mmio[b->mmios++] = (struct bus_mmio){
		.ops = ops,
		.dev = dev,
		.first = first,
		.len = len,
	};
	return 0;
}

static const struct bus_mmio *mmio_owner(const struct bus *b, gpa_t gpa, unsigned int size)
{
	for (unsigned int i = 0; i < b->mmios; i++) {
		const struct bus_mmio *m = &b->mmio[i];

		if (gpa >= m->first && gpa - m->first < m->len && m->len - (gpa - m->first) >= size)
			return m;
	}
	return NULL;
}

static u64 mmio_mask(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

/* An access that no range takes whole is made of bytes, each with its own owner. */
u64 bus_mmio_read(struct bus *b, gpa_t gpa, unsigned int size)
{
	const struct bus_mmio *m = mmio_owner(b, gpa, size);
	bool open = false;
	u64 value = 0;

	if (m)
		return m->ops->read(m->dev, gpa - m->first, size) & mmio_mask(size);
	for (unsigned int i = 0; i < size; i++) {
		u64 byte = OPEN_BYTE;

		m = mmio_owner(b, gpa + i, 1);
		if (m) {
			byte = m->ops->read(m->dev, gpa + i - m->first, 1) & OPEN_BYTE;
		} else if (!open) {
			open = true;
			bus_note_unhandled(b, BUS_MEMORY, ALIGN_DOWN(gpa + i, PAGE_SIZE));
		}
		value |= byte << (8 * i);
	}
	return value;
}

void bus_mmio_write(struct bus *b, gpa_t gpa, unsigned int size, u64 value)
{
	const struct bus_mmio *m = mmio_owner(b, gpa, size);
	bool open = false;

	if (m) {
		m->ops->write(m->dev, gpa - m->first, size, value & mmio_mask(size));
		return;
	}
	for (unsigned int i = 0; i < size; i++) {
		m = mmio_owner(b, gpa + i, 1);
		if (m) {
			m->ops->write(m->dev, gpa + i - m->first, 1, value >> (8 * i) & OPEN_BYTE);
		} else if (!open) {
			open = true;
			bus_note_unhandled(b, BUS_MEMORY, ALIGN_DOWN(gpa + i, PAGE_SIZE));
		}
	}
}
