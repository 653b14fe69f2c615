/* SPDX-License-Identifier: MIT */
/*
 * The guest's port and MMIO bus (dev/bus.c). Port look-up is one table access. An access that no
 * device claims reads all ones, ignores writes and is counted. The caller (the vCPU core) holds the
 * board's lock.
 */
#ifndef PLINTH_BUS_H
#define PLINTH_BUS_H

#include "types.h"

/*
 * A device's port range. offset is relative to the range's first port. size is 1, 2 or 4, never
 * larger than max_size, and the access lies wholly inside the range: the bus splits others into
 * bytes, each to the owner of its port. A range with a min_size takes no smaller access, so that a
 * narrower range may lie under it: CF8 is an address register to dwords only, and CF9 inside it the
 * reset control to bytes. A range of whole accesses has no part in what is split.
 */
struct port_ops {
	u32 (*read)(void *dev, u16 offset, unsigned int size);
	void (*write)(void *dev, u16 offset, unsigned int size, u32 value);
	unsigned int max_size; /* 1, 2 or 4 */
	unsigned int min_size; /* 0 is the same as 1 */
	bool whole;	       /* takes no byte of a wider access */
	const char *name;
};

/* A device's MMIO range; size is 1, 2, 4 or 8 and the access lies wholly inside the range. */
struct mmio_ops {
	u64 (*read)(void *dev, u64 offset, unsigned int size);
	void (*write)(void *dev, u64 offset, unsigned int size, u64 value);
	const char *name;
};

#define BUS_PORT_RANGES 64 /* and the open bus */
#define BUS_MMIO_RANGES 16
#define BUS_UNHANDLED	64

/* What a guest looks for and may not find. */
enum bus_space {
	BUS_PORT,
	BUS_MEMORY,
	BUS_MSR,
	NR_BUS_SPACES
};

struct bus {
	/* An index of port[], 0 = open bus; where two ranges share a port, the wider one. */
	u8 owner[65536];
	struct bus_port {
		const struct port_ops *ops;
		void *dev;
		u16 first;
		u16 count;
		u32 sizes; /* the sizes 1, 2, 4 that the range takes, or-ed; 0 = free slot */
	} port[1 + BUS_PORT_RANGES]; /* [0] takes no access */
	struct bus_mmio {
		const struct mmio_ops *ops;
		void *dev;
		gpa_t first;
		u64 len;
	} mmio[BUS_MMIO_RANGES];
	unsigned int ports, mmios; /* slots in use */
	/* What the guest looked for and did not find, and how often; others: what has no slot. */
	struct bus_unhandled {
		u64 where; /* port, gpa of the page, or MSR */
		enum bus_space space;
		u64 count;
	} unhandled[BUS_UNHANDLED];
	unsigned int unhandleds;
	u64 unhandled_others;
};

void bus_init(struct bus *b);
/* 0, -EBUSY (a port is taken in one of the sizes), -EINVAL or -ENOSPC. */
int bus_add_port(struct bus *b, u16 first, u16 count, const struct port_ops *ops, void *dev);
/* Undoes one bus_add_port(), for ranges that move (PM base). 0 or -ENOENT. */
int bus_remove_port(struct bus *b, u16 first, u16 count);
int bus_add_mmio(struct bus *b, gpa_t first, u64 len, const struct mmio_ops *ops, void *dev);

/* Counts an access that nobody answered; the bus itself does so for ports and memory. */
void bus_note_unhandled(struct bus *b, enum bus_space space, u64 where);
void bus_forget_unhandled(struct bus *b);

u32 bus_port_read(struct bus *b, u16 port, unsigned int size);
void bus_port_write(struct bus *b, u16 port, unsigned int size, u32 value);
u64 bus_mmio_read(struct bus *b, gpa_t gpa, unsigned int size);
void bus_mmio_write(struct bus *b, gpa_t gpa, unsigned int size, u64 value);

#endif
