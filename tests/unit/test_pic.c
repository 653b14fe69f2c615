/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair against its data sheet (231468-003) and the ELCR: each case is a sequence of port
 * accesses, input levels and acknowledges through the bus, with what must be seen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pic.h"

enum op {
	END,
	W,	/* port a <- b */
	R,	/* port a reads b */
	UP,	/* input a high */
	DOWN,	/* input a low */
	INTR,	/* INTR is a */
	ACK,	/* INTA gives vector a */
	PULSES, /* INTR has risen a times since the last look */
	RESET,	/* power-on */
};

struct step {
	enum op op;
	unsigned int a, b;
};

#define M0    0x20
#define M1    0x21
#define S0    0xa0
#define S1    0xa1
#define ELCR0 0x4d0
#define ELCR1 0x4d1

/* The usual set-up: vectors 20H and 28H, cascade on 2, nothing masked. */
#define INIT_AS(icw4_master, icw4_slave)                                           \
	{ W, M0, 0x11 }, { W, M1, 0x20 }, { W, M1, 0x04 }, { W, M1, icw4_master }, \
		{ W, S0, 0x11 }, { W, S1, 0x28 }, { W, S1, 0x02 },                 \
	{                                                                          \
		W, S1, icw4_slave                                                  \
	}
#define INIT_PC INIT_AS(0x01, 0x01)
#define READ_ISR0           \
	{                   \
		W, M0, 0x0b \
	}
#define READ_IRR0           \
	{                   \
		W, M0, 0x0a \
	}
#define READ_ISR1           \
	{                   \
		W, S0, 0x0b \
	}
#define READ_IRR1           \
	{                   \
		W, S0, 0x0a \
	}
#define EOI0                \
	{                   \
		W, M0, 0x20 \
	}
#define EOI1                \
	{                   \
		W, S0, 0x20 \
	}

static struct bus bus;
static struct pic pic;
static unsigned int rises;
static bool intr;

static void intr_changed(void *ctx, unsigned int line, bool level)
{
	assert_ptr_equal(ctx, &pic);
	assert_int_equal(line, 3);
	assert_int_not_equal(level, intr);
	intr = level;
	rises += level;
}

static int setup(void **state)
{
	(void)state;
	intr = false;
	rises = 0;
	bus_init(&bus);
	pic_init(&pic, (struct irq_line){ .set = intr_changed, .ctx = &pic, .line = 3 });
	assert_int_equal(pic_attach(&pic, &bus), 0);
	return 0;
}

/* In a sequence the number of the step tells more than the line of the check. */
static void expect(const struct step *s, unsigned int index, unsigned int got, unsigned int want)
{
	if (got != want)
		fail_msg("step %u (op %d, %x, %x): got %x", index, (int)s->op, s->a, s->b, got);
}

static void run_step(const struct step *s, unsigned int index)
{
	switch (s->op) {
	case W:
		bus_port_write(&bus, (u16)s->a, 1, s->b);
		break;
	case R:
		expect(s, index, bus_port_read(&bus, (u16)s->a, 1), s->b);
		break;
	case UP:
		pic_set_line(&pic, s->a, true);
		break;
	case DOWN:
		pic_set_line(&pic, s->a, false);
		break;
	case INTR:
		expect(s, index, pic_pending(&pic), s->a);
		expect(s, index, intr, s->a);
		break;
	case ACK:
		expect(s, index, pic_ack(&pic), s->a);
		break;
	case PULSES:
		expect(s, index, rises, s->a);
		rises = 0;
		break;
	case RESET:
		pic_reset(&pic);
		break;
	case END:
		break;
	}
}

static void run_steps(const struct step *steps)
{
	for (unsigned int i = 0; steps[i].op != END; i++)
		run_step(&steps[i], i);
}

static void run(void **state)
{
	const struct step *steps = *state;

	setup(state);
	run_steps(steps);
}

/* Masked and quiet until it is initialised; the mask register already works. */
static struct step power_on[] = {
	{ R, M1, 0xff }, { R, S1, 0xff }, { UP, 4, 0 },	   { INTR, 0, 0 },
	{ R, M0, 0x10 }, { R, ELCR0, 0 }, { R, ELCR1, 0 }, { END, 0, 0 },
};

static struct step basic[] = {
	INIT_PC,
	{ R, M1, 0x00 },
	{ R, S1, 0x00 },
	{ UP, 3, 0 },
	{ INTR, 1, 0 },
	{ R, M0, 0x08 },
	{ ACK, 0x23, 0 },
	{ INTR, 0, 0 },
	{ R, M0, 0x00 },
	READ_ISR0,
	{ R, M0, 0x08 },
	{ R, M0, 0x08 },
	READ_IRR0,
	{ R, M0, 0x00 },
	/* the line stays high: an edge only */
	EOI0,
	{ INTR, 0, 0 },
	READ_ISR0,
	{ R, M0, 0 },
	{ DOWN, 3, 0 },
	{ UP, 3, 0 },
	{ INTR, 1, 0 },
	{ END, 0, 0 },
};

/* No interrupt before the last ICW; edges that came meanwhile are kept. */
static struct step init_sequence[] = {
	{ W, M0, 0x11 },  { R, M1, 0x00 }, { UP, 1, 0 },    { INTR, 0, 0 },  { W, M1, 0x40 },
	{ INTR, 0, 0 },	  { W, M1, 0x04 }, { INTR, 0, 0 },  { W, M1, 0x01 }, { INTR, 1, 0 },
	{ ACK, 0x41, 0 }, { W, M1, 0xa5 }, { R, M1, 0xa5 }, { END, 0, 0 },
};

/* SNGL skips ICW3, no IC4 skips ICW4 and clears what it sets (MCS-80 mode, no AEOI). */
static struct step init_short[] = {
	{ W, M0, 0x13 },
	{ W, M1, 0x57 },
	{ W, M1, 0x01 },
	{ W, M1, 0x00 },
	{ R, M1, 0x00 },
	{ UP, 5, 0 },
	{ ACK, 0x55, 0 },
	/* without a cascade input 2 is the chip's own */
	INIT_AS(0x01, 0x01),
	{ W, M0, 0x13 },
	{ W, M1, 0x50 },
	{ W, M1, 0x01 },
	{ UP, 9, 0 },
	{ ACK, 0x52, 0 },
	{ W, M0, 0x12 },
	{ W, M1, 0x50 },
	{ W, M1, 0xfe },
	{ R, M1, 0xfe },
	{ END, 0, 0 },
};

/* The second byte of the CALL: interval 8 and interval 4. */
static struct step mcs80[] = {
	{ W, M0, 0xf2 }, { W, M1, 0x12 }, { UP, 3, 0 }, { ACK, 0xc0 | 3 << 3, 0 }, { DOWN, 3, 0 },
	{ W, M0, 0xf6 }, { W, M1, 0x12 }, { UP, 3, 0 }, { ACK, 0xe0 | 3 << 2, 0 }, { END, 0, 0 },
};

/* ICW1 resets the edge sense, the mask, priorities, special mask, and selects IRR. */
static struct step icw1_effects[] = {
	INIT_PC,	  { UP, 4, 0 },	   { UP, 1, 0 },    { ACK, 0x21, 0 }, { W, M1, 0xf0 },
	{ W, M0, 0xc3 },  { W, M0, 0x6b }, { R, M0, 0x02 }, { W, M0, 0x11 },  { R, M1, 0x00 },
	{ R, M0, 0x00 },  { W, M1, 0x20 }, { W, M1, 0x04 }, { W, M1, 0x01 },  { INTR, 0, 0 },
	READ_ISR0,	  { R, M0, 0 },	   { DOWN, 4, 0 },  { UP, 4, 0 },     { UP, 3, 0 },
	{ ACK, 0x23, 0 }, { END, 0, 0 },
};

/* A level that is asserted comes through ICW1. */
static struct step icw1_level[] = {
	{ W, ELCR0, 0x20 }, { UP, 5, 0 }, INIT_PC, { INTR, 1, 0 }, { ACK, 0x25, 0 }, { END, 0, 0 },
};

static struct step priorities[] = {
	INIT_PC,
	{ UP, 5, 0 },
	{ UP, 3, 0 },
	{ UP, 6, 0 },
	{ ACK, 0x23, 0 },
	{ INTR, 0, 0 },
	{ UP, 1, 0 },
	{ INTR, 1, 0 },
	{ ACK, 0x21, 0 },
	READ_ISR0,
	{ R, M0, 0x0a },
	EOI0,
	{ R, M0, 0x08 },
	{ INTR, 0, 0 },
	EOI0,
	{ INTR, 1, 0 },
	{ ACK, 0x25, 0 },
	EOI0,
	{ ACK, 0x26, 0 },
	EOI0,
	{ INTR, 0, 0 },
	{ R, M0, 0 },
	{ END, 0, 0 },
};

static struct step mask[] = {
	INIT_PC,	 { W, M1, 0x08 }, { UP, 3, 0 },	    { INTR, 0, 0 },
	{ R, M0, 0x08 }, { W, M1, 0x00 }, { INTR, 1, 0 },   { W, M1, 0xff },
	{ INTR, 0, 0 },	 { W, M1, 0xf7 }, { ACK, 0x23, 0 }, { END, 0, 0 },
};

/* A request that goes before INTA: vector 7, no ISR bit. */
static struct step spurious_master[] = {
	INIT_PC,
	{ UP, 3, 0 },
	{ INTR, 1, 0 },
	{ DOWN, 3, 0 },
	{ INTR, 0, 0 },
	{ R, M0, 0 },
	{ ACK, 0x27, 0 },
	READ_ISR0,
	{ R, M0, 0 },
	/* the real one has its bit */
	{ UP, 7, 0 },
	{ ACK, 0x27, 0 },
	{ R, M0, 0x80 },
	{ END, 0, 0 },
};

/* The slave's: INTA is for input 2 of the master, whose ISR bit is set and needs an EOI. */
static struct step spurious_slave[] = {
	INIT_PC,
	{ UP, 12, 0 },
	{ INTR, 1, 0 },
	/* after the master has latched it, mask it in the slave: input 2 falls as well */
	{ W, S1, 0xff },
	{ INTR, 0, 0 },
	{ ACK, 0x27, 0 },
	/* an asserted input 2 in level mode cannot be (ELCR bit 2 is fixed) */
	{ W, ELCR0, 0xff },
	{ R, ELCR0, 0xf8 },
	{ END, 0, 0 },
};

static struct step cascade[] = {
	INIT_PC,
	{ UP, 10, 0 },
	{ R, M0, 0x04 },
	{ R, S0, 0x04 },
	{ ACK, 0x2a, 0 },
	READ_ISR0,
	READ_ISR1,
	{ R, M0, 0x04 },
	{ R, S0, 0x04 },
	/* a higher one of the slave waits for the master's EOI (fully nested) */
	{ UP, 8, 0 },
	{ INTR, 0, 0 },
	/* a higher one of the master does not */
	{ UP, 1, 0 },
	{ ACK, 0x21, 0 },
	EOI0,
	{ INTR, 0, 0 },
	EOI0,
	{ INTR, 1, 0 },
	{ ACK, 0x28, 0 },
	{ R, S0, 0x05 },
	EOI1,
	{ R, S0, 0x04 },
	EOI1,
	{ R, S0, 0 },
	EOI0,
	{ R, M0, 0 },
	{ END, 0, 0 },
};

/* Two at once on the slave: the second follows after both EOIs. */
static struct step cascade_two[] = {
	INIT_PC, { W, M1, 0xfb }, { UP, 9, 0 }, { UP, 15, 0 },	{ ACK, 0x29, 0 },
	EOI1,	 { INTR, 0, 0 },  EOI0,		{ INTR, 1, 0 }, { ACK, 0x2f, 0 },
	EOI0,	 { INTR, 0, 0 },  EOI1,		{ INTR, 0, 0 }, { END, 0, 0 },
};

/* A slave with another identification does not answer; nothing drives the data bus. */
static struct step cascade_wrong_id[] = {
	INIT_PC,	 { W, S0, 0x11 }, { W, S1, 0x28 },  { W, S1, 0x05 },
	{ W, S1, 0x01 }, { UP, 8, 0 },	  { ACK, 0xff, 0 }, { END, 0, 0 },
};

/* Input 2 that is not in ICW3 is an ordinary input of the master. */
static struct step cascade_not_told[] = {
	INIT_PC,	 { W, M0, 0x11 }, { W, M1, 0x20 },  { W, M1, 0x00 },
	{ W, M1, 0x01 }, { UP, 8, 0 },	  { ACK, 0x22, 0 }, { END, 0, 0 },
};

static struct step special_fully_nested[] = {
	INIT_AS(0x11, 0x01),
	{ UP, 12, 0 },
	{ ACK, 0x2c, 0 },
	{ INTR, 0, 0 },
	/* lower ones of the slave and of the master wait */
	{ UP, 13, 0 },
	{ INTR, 0, 0 },
	{ UP, 5, 0 },
	{ INTR, 0, 0 },
	/* a higher one of the slave gets through */
	{ UP, 9, 0 },
	{ INTR, 1, 0 },
	{ ACK, 0x29, 0 },
	READ_ISR1,
	{ R, S0, 0x12 },
	EOI1,
	{ R, S0, 0x10 },
	{ INTR, 0, 0 },
	EOI1,
	{ INTR, 1, 0 },
	{ ACK, 0x2d, 0 },
	EOI1,
	EOI0,
	{ ACK, 0x25, 0 },
	{ END, 0, 0 },
};

static struct step specific_eoi[] = {
	INIT_PC,	 { UP, 5, 0 },	  { ACK, 0x25, 0 }, { UP, 3, 0 },    { ACK, 0x23, 0 },
	READ_ISR0,	 { W, M0, 0x65 }, { R, M0, 0x08 },  { W, M0, 0x60 }, { R, M0, 0x08 },
	{ W, M0, 0x63 }, { R, M0, 0 },	  { W, M0, 0x40 },  { R, M0, 0 },    { END, 0, 0 },
};

/* Automatic rotation: the one served becomes the lowest. */
static struct step rotate_eoi[] = {
	INIT_PC,
	{ UP, 4, 0 },
	{ UP, 6, 0 },
	{ ACK, 0x24, 0 },
	{ DOWN, 4, 0 },
	{ UP, 4, 0 },
	{ W, M0, 0xa0 },
	{ ACK, 0x26, 0 },
	{ W, M0, 0xa0 },
	/* now 7 is the highest, then 0 ... 6 */
	{ UP, 0, 0 },
	{ UP, 7, 0 },
	{ ACK, 0x27, 0 },
	EOI0,
	{ ACK, 0x20, 0 },
	EOI0,
	{ ACK, 0x24, 0 },
	{ W, M0, 0xa0 },
	{ UP, 5, 0 },
	{ DOWN, 4, 0 },
	{ UP, 4, 0 },
	{ ACK, 0x25, 0 },
	{ END, 0, 0 },
};

/* Rotate on a non-specific EOI with nothing in service does nothing. */
static struct step rotate_nothing[] = {
	INIT_PC, { W, M0, 0xa0 }, { UP, 0, 0 }, { UP, 7, 0 }, { ACK, 0x20, 0 }, { END, 0, 0 },
};

static struct step set_priority[] = {
	INIT_PC,
	{ W, M0, 0xc5 },
	{ UP, 5, 0 },
	{ UP, 6, 0 },
	{ UP, 0, 0 },
	{ ACK, 0x26, 0 },
	{ INTR, 0, 0 },
	EOI0,
	{ ACK, 0x20, 0 },
	EOI0,
	{ ACK, 0x25, 0 },
	/* nesting follows the rotated order */
	{ DOWN, 0, 0 },
	{ UP, 0, 0 },
	{ INTR, 1, 0 },
	{ ACK, 0x20, 0 },
	/* as does the non-specific EOI */
	READ_ISR0,
	{ R, M0, 0x21 },
	EOI0,
	{ R, M0, 0x20 },
	{ END, 0, 0 },
};

static struct step rotate_specific[] = {
	INIT_PC,	 { UP, 2, 0 }, { UP, 3, 0 },	 { ACK, 0x23, 0 },
	{ W, M0, 0xe3 }, READ_ISR0,    { R, M0, 0 },	 { DOWN, 3, 0 },
	{ UP, 3, 0 },	 { UP, 4, 0 }, { ACK, 0x24, 0 }, { END, 0, 0 },
};

static struct step aeoi[] = {
	INIT_AS(0x03, 0x03), { UP, 3, 0 },   { UP, 5, 0 },     { ACK, 0x23, 0 }, READ_ISR0,
	{ R, M0, 0 },	     { INTR, 1, 0 }, { ACK, 0x25, 0 }, { INTR, 0, 0 },	 { UP, 11, 0 },
	{ ACK, 0x2b, 0 },    READ_ISR1,	     { R, S0, 0 },     { R, M0, 0 },	 { END, 0, 0 },
};

static struct step aeoi_rotate[] = {
	INIT_AS(0x03, 0x01), { W, M0, 0x80 }, { UP, 0, 0 },	{ UP, 1, 0 },	  { ACK, 0x20, 0 },
	{ DOWN, 0, 0 },	     { UP, 0, 0 },    { ACK, 0x21, 0 }, { ACK, 0x20, 0 }, { W, M0, 0x00 },
	{ DOWN, 0, 0 },	     { UP, 0, 0 },    { UP, 3, 0 },	{ ACK, 0x23, 0 }, { ACK, 0x20, 0 },
	{ DOWN, 3, 0 },	     { DOWN, 0, 0 },  { UP, 3, 0 },	{ UP, 0, 0 },	  { ACK, 0x23, 0 },
	{ END, 0, 0 },
};

/* Special mask: only the masked level is held back, lower ones come through. */
static struct step special_mask[] = {
	INIT_PC,
	{ UP, 3, 0 },
	{ ACK, 0x23, 0 },
	{ UP, 6, 0 },
	{ INTR, 0, 0 },
	{ W, M1, 0x08 },
	{ INTR, 0, 0 },
	{ W, M0, 0x68 },
	{ INTR, 1, 0 },
	{ ACK, 0x26, 0 },
	READ_ISR0,
	{ R, M0, 0x48 },
	/* a non-specific EOI does not end the masked one */
	EOI0,
	{ R, M0, 0x08 },
	EOI0,
	{ R, M0, 0x08 },
	{ W, M0, 0x63 },
	{ R, M0, 0x00 },
	/* ESMM = 0 leaves it on, ESMM = 1 SMM = 0 ends it */
	{ W, M1, 0 },
	{ DOWN, 3, 0 },
	{ UP, 3, 0 },
	{ ACK, 0x23, 0 },
	{ W, M1, 0x08 },
	{ W, M0, 0x28 },
	{ UP, 7, 0 },
	{ INTR, 1, 0 },
	{ W, M0, 0x48 },
	{ INTR, 0, 0 },
	{ END, 0, 0 },
};

/* The next read is the acknowledge: I bit and level; of either address. */
static struct step poll[] = {
	INIT_PC,
	{ W, M0, 0x0c },
	{ R, M0, 0x00 },
	{ UP, 5, 0 },
	{ W, M0, 0x0c },
	{ R, M0, 0x85 },
	READ_ISR0,
	{ R, M0, 0x20 },
	{ INTR, 0, 0 },
	{ UP, 1, 0 },
	{ W, M0, 0x0c },
	{ R, M1, 0x81 },
	{ R, M1, 0x00 },
	{ R, M0, 0x22 },
	EOI0,
	EOI0,
	{ R, M0, 0 },
	/* with RR in the same command the poll comes first, then the selection holds */
	{ UP, 6, 0 },
	{ W, M0, 0x0e },
	{ R, M0, 0x86 },
	{ R, M0, 0x00 },
	EOI0,
	/* the slave by itself: its INT falls, the master has nothing in service */
	{ UP, 14, 0 },
	{ INTR, 1, 0 },
	{ W, S0, 0x0c },
	{ R, S0, 0x86 },
	{ INTR, 0, 0 },
	READ_ISR0,
	{ R, M0, 0 },
	EOI1,
	/* a masked one is not there */
	{ W, M1, 0xff },
	{ UP, 0, 0 },
	{ W, M0, 0x0c },
	{ R, M0, 0 },
	{ END, 0, 0 },
};

static struct step elcr_level[] = {
	INIT_PC,	{ W, ELCR0, 0x20 }, { R, ELCR0, 0x20 },
	{ UP, 5, 0 },	{ ACK, 0x25, 0 },   { R, M0, 0x20 },
	EOI0,		{ INTR, 1, 0 },	    { ACK, 0x25, 0 },
	{ DOWN, 5, 0 }, { R, M0, 0 },	    EOI0,
	{ INTR, 0, 0 }, { W, ELCR1, 0xff }, { R, ELCR1, 0xde },
	{ UP, 10, 0 },	{ ACK, 0x2a, 0 },   EOI1,
	EOI0,		{ INTR, 1, 0 },	    { W, ELCR1, 0 },
	{ INTR, 0, 0 }, { R, S0, 0 },	    { W, ELCR1, 0x04 },
	{ INTR, 1, 0 }, { DOWN, 10, 0 },    { INTR, 0, 0 },
	{ END, 0, 0 },
};

/* INT pulses low with each acknowledge, for those who see edges only. */
static struct step pulses[] = {
	INIT_AS(0x03, 0x03), { UP, 3, 0 },     { UP, 4, 0 },	 { PULSES, 1, 0 }, { ACK, 0x23, 0 },
	{ PULSES, 1, 0 },    { ACK, 0x24, 0 }, { PULSES, 0, 0 }, { UP, 8, 0 },	   { UP, 9, 0 },
	{ PULSES, 1, 0 },    { ACK, 0x28, 0 }, { INTR, 1, 0 },	 { PULSES, 1, 0 }, { ACK, 0x29, 0 },
	{ INTR, 0, 0 },	     { END, 0, 0 },
};

static struct step reset_keeps_lines[] = {
	INIT_PC,	 { UP, 4, 0 },	  { W, ELCR0, 0x10 }, { ACK, 0x24, 0 }, { RESET, 0, 0 },
	{ INTR, 0, 0 },	 { R, ELCR0, 0 }, { R, M1, 0xff },    { R, M0, 0 },	{ W, ELCR0, 0x10 },
	{ R, M0, 0x10 }, INIT_PC,	  { INTR, 1, 0 },     { END, 0, 0 },
};

/* Inputs that do not exist, the cascade input from outside, and an ICW1 in the middle. */
static struct step odd[] = {
	INIT_PC,	 { UP, 2, 0 },	  { UP, 16, 0 },   { UP, 4000, 0 },  { INTR, 0, 0 },
	{ R, M0, 0 },	 { W, M0, 0x11 }, { W, M1, 0x20 }, { W, M0, 0x11 },  { W, M1, 0x48 },
	{ W, M1, 0x04 }, { W, M1, 0x01 }, { UP, 1, 0 },	   { ACK, 0x49, 0 }, { END, 0, 0 },
};

/* An EOI to the slave with its master still in service must not lose an input 2 edge. */
static struct step slave_eoi_first[] = {
	INIT_PC,	  { UP, 8, 0 },	 { ACK, 0x28, 0 }, { DOWN, 8, 0 }, { UP, 8, 0 },
	{ INTR, 0, 0 },	  EOI1,		 { INTR, 0, 0 },   EOI0,	   { INTR, 1, 0 },
	{ ACK, 0x28, 0 }, { END, 0, 0 },
};

/* Every input with every base: vector arithmetic and the wiring of both chips. */
static void all_vectors(void **state)
{
	(void)state;
	for (unsigned int base = 0; base < 256; base += 8) {
		for (unsigned int irq = 0; irq < 16; irq++) {
			struct step init[] = { INIT_PC, { END, 0, 0 } };

			if (irq == 2)
				continue;
			setup(state);
			init[1].b = base | 3; /* the low bits do not count */
			init[5].b = (base + 8) & 0xff;
			run_steps(init);
			pic_set_line(&pic, irq, true);
			assert_true(intr);
			assert_int_equal(pic_ack(&pic), (base + irq) & 0xff);
		}
	}
}

/* Whatever is written, INTR is up exactly while an acknowledge finds something. */
static void random_accesses(void **state)
{
	static const u16 ports[] = { M0, M1, S0, S1, ELCR0, ELCR1 };
	u32 x = 1;

	setup(state);
	for (unsigned int i = 0; i < 300000; i++) {
		u16 port;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		port = ports[x % ARRAY_SIZE(ports)];
		if (x >> 28 < 6)
			bus_port_write(&bus, port, 1, x >> 16 & 0xff);
		else if (x >> 28 < 8)
			bus_port_read(&bus, port, 1);
		else if (x >> 28 < 12)
			pic_set_line(&pic, x >> 8 & 0xf, x >> 16 & 1);
		else if (intr || x >> 28 == 12)
			pic_ack(&pic);
		assert_int_equal(intr, pic_pending(&pic));
		if (!intr) {
			u8 master = pic.chip[0].isr, slave = pic.chip[1].isr;

			pic_ack(&pic);
			assert_int_equal(pic.chip[0].isr, master);
			assert_int_equal(pic.chip[1].isr, slave);
		}
	}
}

#define CASE(name)                           \
	{                                    \
#name, run, NULL, NULL, name \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(power_on),
		CASE(basic),
		CASE(init_sequence),
		CASE(init_short),
		CASE(mcs80),
		CASE(icw1_effects),
		CASE(icw1_level),
		CASE(priorities),
		CASE(mask),
		CASE(spurious_master),
		CASE(spurious_slave),
		CASE(cascade),
		CASE(cascade_two),
		CASE(cascade_wrong_id),
		CASE(cascade_not_told),
		CASE(special_fully_nested),
		CASE(specific_eoi),
		CASE(rotate_eoi),
		CASE(rotate_nothing),
		CASE(set_priority),
		CASE(rotate_specific),
		CASE(aeoi),
		CASE(aeoi_rotate),
		CASE(special_mask),
		CASE(poll),
		CASE(elcr_level),
		CASE(pulses),
		CASE(reset_keeps_lines),
		CASE(odd),
		CASE(slave_eoi_first),
		cmocka_unit_test(all_vectors),
		cmocka_unit_test(random_accesses),
	};

	return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
