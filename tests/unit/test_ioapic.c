/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC against the 82093AA data sheet (290566-001): sequences of register accesses and
 * input levels, with the messages that must leave it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/ioapic.h"

enum op {
	END,
	SEL,	/* IOREGSEL <- a */
	W,	/* register a <- b */
	R,	/* register a reads b */
	UP,	/* pin a high */
	DOWN,	/* pin a low */
	EOI,	/* EOI broadcast of vector a */
	EOIR,	/* EOI register <- a */
	NONE,	/* nothing was sent */
	SENT,	/* exactly one message: vector a, destination b; mode, logical, level below */
	ACCEPT, /* the bus takes messages: a */
	RESET,
	RAW_W, /* 32-bit write at offset a */
	RAW_R, /* 32-bit read at offset a is b */
};

struct step {
	enum op op;
	u32 a, b;
	enum apic_delivery mode;
	bool logical, level;
};

#define LO(pin)	   (0x10U + 2 * (pin))
#define HI(pin)	   (0x11U + 2 * (pin))
#define LEVEL	   0x8000U
#define REMOTE_IRR 0x4000U
#define LOW	   0x2000U
#define STATUS	   0x1000U
#define LOGICAL	   0x0800U
#define MODE(m)	   ((u32)(m) << 8)
#define MASKED	   0x10000U

static struct bus bus;
static struct ioapic io;
static struct apic_bus apics;
static struct apic_msg last;
static unsigned int sent;
static bool accept_all;

/* Stands in for the bus with its LAPICs. */
bool apic_bus_send(struct apic_bus *b, struct lapic *src, const struct apic_msg *msg)
{
	assert_ptr_equal(b, &apics);
	assert_null(src);
	assert_true(msg->assert);
	assert_false(msg->x2apic);
	assert_int_equal(msg->shorthand, APIC_DEST_FIELD);
	last = *msg;
	sent++;
	return accept_all;
}

static void write32(u64 offset, u32 value)
{
	bus_mmio_write(&bus, IOAPIC_BASE + offset, 4, value);
}

static u32 read32(u64 offset)
{
	return (u32)bus_mmio_read(&bus, IOAPIC_BASE + offset, 4);
}

static void expect(const struct step *s, unsigned int index, u32 got, u32 want)
{
	if (got != want)
		fail_msg("step %u (op %d, %x, %x): got %x", index, (int)s->op, s->a, s->b, got);
}

static void run_step(const struct step *s, unsigned int index)
{
	switch (s->op) {
	case SEL:
		write32(0, s->a);
		break;
	case W:
		write32(0, s->a);
		write32(0x10, s->b);
		break;
	case R:
		write32(0, s->a);
		expect(s, index, read32(0x10), s->b);
		break;
	case UP:
		ioapic_set_line(&io, s->a, true);
		break;
	case DOWN:
		ioapic_set_line(&io, s->a, false);
		break;
	case EOI:
		ioapic_eoi(&io, (u8)s->a);
		break;
	case EOIR:
		write32(0x40, s->a);
		break;
	case NONE:
		expect(s, index, sent, 0);
		break;
	case SENT:
		expect(s, index, sent, 1);
		expect(s, index, last.vector, s->a);
		expect(s, index, last.dest, s->b);
		expect(s, index, last.mode, s->mode);
		expect(s, index, last.logical, s->logical);
		expect(s, index, last.level, s->level);
		sent = 0;
		break;
	case ACCEPT:
		accept_all = s->a;
		break;
	case RESET:
		ioapic_reset(&io);
		break;
	case RAW_W:
		write32(s->a, s->b);
		break;
	case RAW_R:
		expect(s, index, read32(s->a), s->b);
		break;
	case END:
		break;
	}
}

static void setup(void)
{
	bus_init(&bus);
	ioapic_init(&io, &apics);
	assert_int_equal(ioapic_attach(&io, &bus), 0);
	sent = 0;
	accept_all = true;
}

static void run(void **state)
{
	const struct step *steps = *state;

	setup();
	for (unsigned int i = 0; steps[i].op != END; i++)
		run_step(&steps[i], i);
}

static struct step registers[] = {
	{ .op = R, .a = 0, .b = 0 },
	{ .op = R, .a = 1, .b = 0x00170020 },
	{ .op = R, .a = 2, .b = 0 },
	{ .op = W, .a = 0, .b = 0xffffffff },
	{ .op = R, .a = 0, .b = 0x0f000000 },
	{ .op = R, .a = 2, .b = 0x0f000000 },
	{ .op = W, .a = 1, .b = 0 },
	{ .op = W, .a = 2, .b = 0 },
	{ .op = R, .a = 1, .b = 0x00170020 },
	{ .op = R, .a = 2, .b = 0x0f000000 },
	{ .op = R, .a = LO(0), .b = MASKED },
	{ .op = R, .a = LO(23), .b = MASKED },
	{ .op = R, .a = HI(23), .b = 0 },
	/* read-only and reserved bits */
	{ .op = W, .a = LO(7), .b = 0xffffffff },
	{ .op = R, .a = LO(7), .b = 0x1afff },
	{ .op = W, .a = HI(7), .b = 0xffffffff },
	{ .op = R, .a = HI(7), .b = 0xff000000 },
	/* indices beyond the table */
	{ .op = R, .a = 3, .b = 0 },
	{ .op = R, .a = 0x0f, .b = 0 },
	{ .op = R, .a = 0x40, .b = 0 },
	{ .op = R, .a = 0xff, .b = 0 },
	{ .op = W, .a = 0x40, .b = 0xffffffff },
	{ .op = W, .a = 0xff, .b = 0xffffffff },
	/* IOREGSEL is eight bits, and is read back */
	{ .op = SEL, .a = 0x12345601 },
	{ .op = RAW_R, .a = 0, .b = 1 },
	{ .op = RAW_R, .a = 0x10, .b = 0x00170020 },
	{ .op = RAW_R, .a = 0x40, .b = 0xffffffff },
	{ .op = RAW_R, .a = 0x100, .b = 0xffffffff },
	{ .op = RAW_W, .a = 0x20, .b = 5 },
	{ .op = RAW_W, .a = 0xff0, .b = 5 },
	{ .op = RESET },
	{ .op = R, .a = 0, .b = 0 },
	{ .op = R, .a = LO(7), .b = MASKED },
	{ .op = NONE },
	{ .op = END },
};

static struct step edge[] = {
	{ .op = W, .a = HI(4), .b = 0x03000000 },
	{ .op = W, .a = LO(4), .b = 0x31 },
	{ .op = UP, .a = 4 },
	{ .op = SENT, .a = 0x31, .b = 3 },
	{ .op = UP, .a = 4 },
	{ .op = NONE },
	{ .op = R, .a = LO(4), .b = 0x31 },
	{ .op = EOI, .a = 0x31 },
	{ .op = NONE },
	{ .op = DOWN, .a = 4 },
	{ .op = NONE },
	{ .op = UP, .a = 4 },
	{ .op = SENT, .a = 0x31, .b = 3 },
	{ .op = END },
};

/* "Edge-sensitive interrupts signaled on a masked interrupt pin are ignored." */
static struct step edge_masked[] = {
	{ .op = W, .a = LO(4), .b = MASKED | 0x31 },
	{ .op = UP, .a = 4 },
	{ .op = NONE },
	{ .op = W, .a = LO(4), .b = 0x31 },
	{ .op = NONE },
	{ .op = DOWN, .a = 4 },
	{ .op = UP, .a = 4 },
	{ .op = SENT, .a = 0x31 },
	{ .op = END },
};

/* What nobody takes is gone, for an edge. */
static struct step edge_refused[] = {
	{ .op = ACCEPT, .a = false },
	{ .op = W, .a = LO(4), .b = 0x31 },
	{ .op = UP, .a = 4 },
	{ .op = SENT, .a = 0x31 },
	{ .op = ACCEPT, .a = true },
	{ .op = W, .a = LO(4), .b = 0x31 },
	{ .op = NONE },
	{ .op = END },
};

static struct step level[] = {
	{ .op = W, .a = HI(10), .b = 0xff000000 },
	{ .op = W, .a = LO(10), .b = LEVEL | LOGICAL | MODE(1) | 0x51 },
	{ .op = NONE },
	{ .op = UP, .a = 10 },
	{ .op = SENT, .a = 0x51, .b = 0xff, .mode = APIC_LOWEST, .logical = true, .level = true },
	{ .op = R, .a = LO(10), .b = REMOTE_IRR | LEVEL | LOGICAL | MODE(1) | 0x51 },
	/* neither the level nor a rewrite sends it again */
	{ .op = DOWN, .a = 10 },
	{ .op = UP, .a = 10 },
	{ .op = W, .a = LO(10), .b = LEVEL | LOGICAL | MODE(1) | 0x51 },
	{ .op = NONE },
	/* other vectors do not end it */
	{ .op = EOI, .a = 0x52 },
	{ .op = NONE },
	/* still asserted: again */
	{ .op = EOI, .a = 0x51 },
	{ .op = SENT, .a = 0x51, .b = 0xff, .mode = APIC_LOWEST, .logical = true, .level = true },
	{ .op = DOWN, .a = 10 },
	{ .op = R, .a = LO(10), .b = REMOTE_IRR | LEVEL | LOGICAL | MODE(1) | 0x51 },
	{ .op = EOI, .a = 0x51 },
	{ .op = NONE },
	{ .op = R, .a = LO(10), .b = LEVEL | LOGICAL | MODE(1) | 0x51 },
	{ .op = END },
};

static struct step level_masked[] = {
	{ .op = W, .a = LO(10), .b = MASKED | LEVEL | 0x51 },
	{ .op = UP, .a = 10 },
	{ .op = NONE },
	{ .op = DOWN, .a = 10 },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = NONE },
	{ .op = W, .a = LO(10), .b = MASKED | LEVEL | 0x51 },
	{ .op = UP, .a = 10 },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	/* masked while in service: the EOI clears it, unmasking sends the next */
	{ .op = W, .a = LO(10), .b = MASKED | LEVEL | 0x51 },
	{ .op = R, .a = LO(10), .b = MASKED | REMOTE_IRR | LEVEL | 0x51 },
	{ .op = EOI, .a = 0x51 },
	{ .op = NONE },
	{ .op = R, .a = LO(10), .b = MASKED | LEVEL | 0x51 },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = END },
};

static struct step eoi_register[] = {
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = W, .a = LO(11), .b = LEVEL | 0x51 },
	{ .op = UP, .a = 10 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = UP, .a = 11 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = DOWN, .a = 10 },
	{ .op = DOWN, .a = 11 },
	/* one EOI for all entries of the vector; the upper bits do not count */
	{ .op = EOIR, .a = 0x12345651 },
	{ .op = NONE },
	{ .op = R, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = R, .a = LO(11), .b = LEVEL | 0x51 },
	{ .op = END },
};

/* A stuck remote IRR goes when the entry becomes edge-triggered. */
static struct step level_to_edge[] = {
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = UP, .a = 10 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = W, .a = LO(10), .b = MASKED | 0x51 },
	{ .op = R, .a = LO(10), .b = MASKED | 0x51 },
	{ .op = W, .a = LO(10), .b = 0x51 },
	{ .op = NONE },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = END },
};

static struct step level_refused[] = {
	{ .op = ACCEPT, .a = false },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = UP, .a = 10 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = R, .a = LO(10), .b = STATUS | LEVEL | 0x51 },
	{ .op = ACCEPT, .a = true },
	{ .op = W, .a = HI(10), .b = 0x02000000 },
	{ .op = SENT, .a = 0x51, .b = 2, .level = true },
	{ .op = R, .a = LO(10), .b = REMOTE_IRR | LEVEL | 0x51 },
	{ .op = END },
};

static struct step polarity[] = {
	/* a low pin is an asserted one, at once for a level */
	{ .op = W, .a = LO(10), .b = LOW | LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = UP, .a = 10 },
	{ .op = EOI, .a = 0x51 },
	{ .op = NONE },
	{ .op = DOWN, .a = 10 },
	{ .op = SENT, .a = 0x51, .level = true },
	/* the falling edge */
	{ .op = UP, .a = 4 },
	{ .op = W, .a = LO(4), .b = LOW | 0x31 },
	{ .op = NONE },
	{ .op = DOWN, .a = 4 },
	{ .op = SENT, .a = 0x31 },
	{ .op = UP, .a = 4 },
	{ .op = NONE },
	/* the polarity gate makes edges too */
	{ .op = W, .a = LO(4), .b = 0x31 },
	{ .op = SENT, .a = 0x31 },
	{ .op = END },
};

/* All that are no fixed interrupts are edges even when programmed as levels. */
static struct step delivery_modes[] = {
	{ .op = W, .a = HI(1), .b = 0x05000000 },
	{ .op = W, .a = LO(1), .b = LEVEL | MODE(APIC_NMI) | 0x77 },
	{ .op = UP, .a = 1 },
	{ .op = SENT, .a = 0x77, .b = 5, .mode = APIC_NMI },
	{ .op = R, .a = LO(1), .b = LEVEL | MODE(APIC_NMI) | 0x77 },
	{ .op = DOWN, .a = 1 },
	{ .op = W, .a = LO(1), .b = MODE(APIC_SMI) },
	{ .op = UP, .a = 1 },
	{ .op = SENT, .b = 5, .mode = APIC_SMI },
	{ .op = DOWN, .a = 1 },
	{ .op = W, .a = LO(1), .b = MODE(APIC_INIT) | LOGICAL },
	{ .op = UP, .a = 1 },
	{ .op = SENT, .b = 5, .mode = APIC_INIT, .logical = true },
	{ .op = DOWN, .a = 1 },
	{ .op = W, .a = LO(1), .b = MODE(APIC_EXTINT) | LEVEL },
	{ .op = UP, .a = 1 },
	{ .op = SENT, .b = 5, .mode = APIC_EXTINT },
	{ .op = DOWN, .a = 1 },
	/* reserved modes */
	{ .op = W, .a = LO(1), .b = MODE(3) | 0x44 },
	{ .op = UP, .a = 1 },
	{ .op = DOWN, .a = 1 },
	{ .op = W, .a = LO(1), .b = MODE(6) | 0x44 },
	{ .op = UP, .a = 1 },
	{ .op = NONE },
	{ .op = END },
};

static struct step no_such_pin[] = {
	{ .op = UP, .a = 24 },	       { .op = UP, .a = 31 }, { .op = UP, .a = 32 },
	{ .op = UP, .a = 0xffffffff }, { .op = NONE },	      { .op = END },
};

static struct step reset_keeps_lines[] = {
	{ .op = UP, .a = 10 },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = RESET },
	{ .op = W, .a = LO(10), .b = LEVEL | 0x51 },
	{ .op = SENT, .a = 0x51, .level = true },
	{ .op = END },
};

/* Only 32-bit stores reach the window and the EOI register. */
static void narrow(void **state)
{
	(void)state;
	setup();
	ioapic_set_line(&io, 10, true);
	write32(0, LO(10));
	write32(0x10, LEVEL | 0x51);
	for (unsigned int size = 1; size <= 8; size *= 2) {
		if (size == 4)
			continue;
		bus_mmio_write(&bus, IOAPIC_BASE + 0x10, size, 0x99);
		bus_mmio_write(&bus, IOAPIC_BASE + 0x40, size, 0x51);
	}
	assert_int_equal(read32(0x10), REMOTE_IRR | LEVEL | 0x51);
	bus_mmio_write(&bus, IOAPIC_BASE, 1, 1);
	assert_int_equal(read32(0x10), 0x00170020);
	assert_int_equal(sent, 1);
}

/* Each pin has its own entry and its own destination. */
static void all_pins(void **state)
{
	(void)state;
	setup();
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		write32(0, HI(pin));
		write32(0x10, pin << 24);
		write32(0, LO(pin));
		write32(0x10, 0x40 + pin);
	}
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		sent = 0;
		ioapic_set_line(&io, pin, true);
		assert_int_equal(sent, 1);
		assert_int_equal(last.vector, 0x40 + pin);
		assert_int_equal(last.dest, pin);
	}
}

#define CASE(name)                           \
	{                                    \
#name, run, NULL, NULL, name \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(registers),
		CASE(edge),
		CASE(edge_masked),
		CASE(edge_refused),
		CASE(level),
		CASE(level_masked),
		CASE(eoi_register),
		CASE(level_to_edge),
		CASE(level_refused),
		CASE(polarity),
		CASE(delivery_modes),
		CASE(no_such_pin),
		CASE(reset_keeps_lines),
		cmocka_unit_test(narrow),
		cmocka_unit_test(all_pins),
	};

	return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
