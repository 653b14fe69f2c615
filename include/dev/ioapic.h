/* SPDX-License-Identifier: MIT */
/*
 * 82093AA I/O APIC (dev/ioapic.c), 24 inputs, at 0xFEC00000; version 0x20, with the EOI register of
 * later parts. Intel 82093AA data sheet (290566-001). Under the board's lock.
 */
#ifndef PLINTH_DEV_IOAPIC_H
#define PLINTH_DEV_IOAPIC_H

#include "../bus.h"
#include "apic_msg.h"

#define IOAPIC_BASE 0xfec00000ULL
#define IOAPIC_LEN  0x1000ULL
#define IOAPIC_PINS 24

struct ioapic {
	struct apic_bus *bus;
	u64 redir[IOAPIC_PINS];
	u32 lines; /* electrical input levels, one bit a pin, before the polarity bit */
	u8 id;
	u8 index;
};

void ioapic_init(struct ioapic *io, struct apic_bus *bus);
/* Power-on: all masked. Input levels are the devices' and stay. */
void ioapic_reset(struct ioapic *io);
/* The electrical level: a device that drives a pin as "active low" passes false to assert it. */
void ioapic_set_line(struct ioapic *io, unsigned int pin, bool level);
void ioapic_eoi(struct ioapic *io, u8 vector); /* EOI broadcast from a LAPIC */
int ioapic_attach(struct ioapic *io, struct bus *b);

#endif
