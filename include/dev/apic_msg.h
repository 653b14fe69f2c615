/* SPDX-License-Identifier: MIT */
/*
 * Messages on the (virtual) APIC bus, and the set of LAPICs they reach: SDM vol. 3 11.6, 11.11.
 */
#ifndef PLINTH_DEV_APIC_MSG_H
#define PLINTH_DEV_APIC_MSG_H

#include "../types.h"

enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_SIPI = 6,
	APIC_EXTINT = 7,
};

enum apic_shorthand {
	APIC_DEST_FIELD = 0,
	APIC_DEST_SELF = 1,
	APIC_DEST_ALL = 2,
	APIC_DEST_OTHERS = 3,
};

struct apic_msg {
	u32 dest; /* 8 bits from xAPIC and IOAPIC, 32 from x2APIC */
	u8 vector;
	enum apic_delivery mode;
	enum apic_shorthand shorthand;
	bool logical;
	bool level;  /* trigger mode */
	bool assert; /* level of an INIT level de-assert; true otherwise */
	bool x2apic; /* dest is a 32-bit x2APIC destination */
};

struct lapic;
#define APIC_BUS_MAX 64

/* All LAPICs of a guest. Written while the guest is set up, read-only afterwards. */
struct apic_bus {
	struct lapic *lapic[APIC_BUS_MAX];
	unsigned int n;
};

/*
 * Delivers to every LAPIC that the message names; src is the sender (or NULL: IOAPIC). Any
 * CPU, but with src its own. Returns true when any accepted.
 */
bool apic_bus_send(struct apic_bus *bus, struct lapic *src, const struct apic_msg *msg);

#endif
