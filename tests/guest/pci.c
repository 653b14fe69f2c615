/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration mechanism 1: PCI Local Bus 3.0, 3.2.2.3 and 6.1; the i440FX/PIIX identity (82441FX, 82371AB data sheets).
 */
#include "guest.h"

#define ADDRESS 0xcf8
#define DATA	0xcfc
#define ENABLE	0x80000000U

static u32 at(u32 dev, u32 fn, u32 reg)
{
	return ENABLE | dev << 11 | fn << 8 | reg;
}

static void identity(void)
{
	static const struct {
		u8 dev, fn;
		u32 id, class;
		const char *name;
	} rows[] = {
		{ 0, 0, 0x12378086, 0x0600, "host bridge" },
		{ 1, 0, 0x70008086, 0x0601, "ISA bridge" },
		{ 1, 3, 0x71138086, 0x0680, "power management" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		is(pci_read32(rows[i].dev, rows[i].fn, 0), rows[i].id, "%s: vendor and device",
		   rows[i].name);
		is(pci_read32(rows[i].dev, rows[i].fn, 8) >> 16, rows[i].class, "%s: class",
		   rows[i].name);
		outl(ADDRESS, at(rows[i].dev, rows[i].fn, 0));
		outl(DATA, 0);
		is(inl(DATA), rows[i].id, "%s: the id is read-only", rows[i].name);
	}
	is(pci_read32(1, 0, 0xc) >> 16 & 0xff, 0x80, "ISA bridge: several functions");
	is(pci_read32(0, 0, 0xc) >> 16 & 0x7f, 0, "host bridge: header type 0");
}

static void mechanism(void)
{
	u32 address;

	outl(ADDRESS, at(0, 0, 0));
	is(inl(ADDRESS), at(0, 0, 0), "CF8 reads back");
	outl(ADDRESS, 0xffffffff);
	address = inl(ADDRESS);
	ok((address | 0x7f000003) == 0xffffffff, "CF8: enable, bus, device, function, register");
	outl(ADDRESS, at(0, 0, 0));
	is(inw(DATA), 0x8086, "CFC: word");
	is(inw(DATA + 2), 0x1237, "CFE: word");
	is(inb(DATA), 0x86, "CFC: byte");
	is(inb(DATA + 1), 0x80, "CFD: byte");
	is(inb(DATA + 2), 0x37, "CFE: byte");
	is(inb(DATA + 3), 0x12, "CFF: byte");
	outl(ADDRESS, at(0, 0, 0) & ~ENABLE);
	is(inl(DATA), 0xffffffff, "not enabled: open bus");
	outl(ADDRESS, at(0, 0, 0));
	outb(ADDRESS, 0x55);
	/* QEMU takes bytes too. */
	inside_only(inl(ADDRESS) == at(0, 0, 0), "CF8 takes dwords only: a byte");
	outl(ADDRESS, at(0, 0, 0));
	outw(ADDRESS, 0x0055); /* the other byte is CF9, the reset control */
	inside_only(inl(ADDRESS) == at(0, 0, 0), "CF8 takes dwords only: a word");
	/* Bare, QEMU would reset. */
	if (under_plinth)
		outw(ADDRESS, 0x0600);
	inside_only(inw(ADDRESS) == 0xffff, "CF9 takes bytes only");
	outl(ADDRESS, at(0, 0, 0));
	outb(0xcf9, 0);
	is(inl(ADDRESS), at(0, 0, 0), "CF9 is not part of the address");
}

static void absent(void)
{
	static const u32 where[][3] = {
		{ 0x1e, 0, 0 }, { 0x1e, 0, 0x3c }, { 0, 1, 0 }, { 0x1f, 7, 0xfc }
	};

	for (u32 i = 0; i < ARRAY_SIZE(where); i++) {
		outl(ADDRESS, at(where[i][0], where[i][1], where[i][2]));
		outl(DATA, 0);
		ok(inl(DATA) == 0xffffffff && inw(DATA) == 0xffff && inb(DATA + 3) == 0xff,
		   "absent: %x.%u register %x is all ones", where[i][0], where[i][1], where[i][2]);
	}
	outl(ADDRESS, at(0, 0, 0) | 5 << 16);
	is(inl(DATA), 0xffffffff, "absent: bus 5");
}

static void writes(void)
{
	u16 pm = pm_base();
	u32 command = pci_read32(0, 0, 4), base;

	outl(DATA, 0xffffffff);
	ok((inl(DATA) & 0xf800) == 0, "command: reserved bits are 0");
	outl(ADDRESS, at(0, 0, 4));
	outl(DATA, command & 0xffff);
	is(inl(DATA) & 0xffff, command & 0xffff, "command: restored");
	outl(ADDRESS, at(0, 0, 0x10));
	outl(DATA, 0xffffffff);
	is(inl(DATA), 0, "no base address register in the host bridge");
	outl(ADDRESS, at(1, 0, 0x60));
	base = inl(DATA);
	outb(DATA + 1, 0x0b);
	is(inb(DATA + 1), 0x0b, "PIRQ routing: a byte can be written");
	is(inb(DATA), base & 0xff, "PIRQ routing: its neighbour stays");
	outl(DATA, base);
	if (!pm) {
		skip("PM base", "no PM ports");
		return;
	}
	/* The ports follow the register. */
	outl(ADDRESS, at(1, 3, 0x40));
	base = inl(DATA);
	outl(DATA, 0x4201);
	is(inl(DATA), 0x4201, "PM base: reads back");
	ok(inl(0x4208) != 0xffffffff, "PM base: the timer is there");
	is(inl((u16)(pm + 8)), 0xffffffff, "PM base: and no longer here");
	outl(DATA, base);
	ok(inl((u16)(pm + 8)) != 0xffffffff, "PM base: and back");
}

void guest_main(void)
{
	identity();
	mechanism();
	absent();
	writes();
}
