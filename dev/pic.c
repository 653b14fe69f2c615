/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair: Intel 8259A data sheet (231468-003), wired as in a PC (the second chip on input 2
 * of the first). Trigger mode per input by the ELCR, as in the 82371AB (PIIX4) data sheet, which
 * disables the LTIM bit of ICW1.
 */
#include "dev/pic.h"
#include "lib.h"

enum {
	PIC_INPUTS = 8,
	PIC_CASCADE = 2,
	PIC_SPURIOUS = 7,
};

/* ICW1 and ICW4. */
enum {
	ICW1_IC4 = 0x01,
	ICW1_SNGL = 0x02,
	ICW1_ADI = 0x04,
	ICW1_SELECT = 0x10,
	ICW1_A7_A5 = 0xe0,
	ICW1_A7_A6 = 0xc0,
	ICW2_T7_T3 = 0xf8,
	ICW3_ID = 0x07,
	ICW4_UPM = 0x01,
	ICW4_AEOI = 0x02,
	ICW4_SFNM = 0x10,
};

/* OCW2: R, SL and EOI as one field. */
enum {
	OCW2_LEVEL = 0x07,
	OCW2_COMMAND = 0xe0,
	OCW2_ROTATE_AEOI_CLEAR = 0x00,
	OCW2_EOI = 0x20,
	OCW2_NOP = 0x40,
	OCW2_EOI_SPECIFIC = 0x60,
	OCW2_ROTATE_AEOI_SET = 0x80,
	OCW2_ROTATE_EOI = 0xa0,
	OCW2_SET_PRIORITY = 0xc0,
	OCW2_ROTATE_EOI_SPECIFIC = 0xe0,
};

enum {
	OCW3_RIS = 0x01,
	OCW3_RR = 0x02,
	OCW3_POLL = 0x04,
	OCW3_SELECT = 0x08,
	OCW3_SMM = 0x20,
	OCW3_ESMM = 0x40,
	POLL_PENDING = 0x80,
};

enum {
	STATE_READY,
	STATE_ICW2,
	STATE_ICW3,
	STATE_ICW4,
};

enum {
	PORT_MASTER = 0x20,
	PORT_SLAVE = 0xa0,
	PORT_ELCR = 0x4d0,
	PORTS_CHIP = 2,
	PORTS_ELCR = 2,
	/* Inputs that are always edge-triggered: 0-2, 8 and 13. */
	ELCR_MASTER = 0xf8,
	ELCR_SLAVE = 0xde,
	OPEN_BUS = 0xff,
};

static u8 bit8(unsigned int n)
{
	return (u8)(1U << n);
}

/* The IRR as it is read: latched edges, and the plain level of level-triggered inputs. */
static u8 requests(const struct pic_chip *c)
{
	return (u8)((c->edges & ~c->elcr) | (c->lines & c->elcr));
}

/* 0 = the highest priority that is set in mask, PIC_INPUTS = none. */
static unsigned int first_rank(const struct pic_chip *c, u8 mask)
{
	unsigned int turned = ((unsigned int)mask << PIC_INPUTS | mask) >> c->top;

	return turned & 0xff ? (unsigned int)__builtin_ctz(turned) : PIC_INPUTS;
}

static unsigned int rank_to_input(const struct pic_chip *c, unsigned int rank)
{
	return (rank + c->top) % PIC_INPUTS;
}

/* Inputs that lead to another 8259A: only in cascade mode, and only the first chip has any. */
static u8 cascade_inputs(const struct pic *p, const struct pic_chip *c)
{
	return c == &p->chip[0] ? c->icw3 : 0;
}

/* The input that the priority resolver lets through, or -1. */
static int resolve(const struct pic *p, const struct pic_chip *c)
{
	u8 request = (u8)(requests(c) & ~c->imr);
	u8 blocking = c->isr;
	unsigned int rank, in_service, input;

	/* "After the ICWs are programmed, the chip is ready to accept interrupt requests." */
	if (!request || c->init_state != STATE_READY)
		return -1;
	/* In the special mask mode a masked level in service inhibits nothing but itself. */
	if (c->special_mask)
		blocking = (u8)(blocking & ~c->imr);
	rank = first_rank(c, request);
	in_service = first_rank(c, blocking);
	input = rank_to_input(c, rank);
	if (rank < in_service)
		return (int)input;
	/* Special fully nested: a slave in service is not locked out of its own level. */
	if (rank == in_service && (c->icw4 & ICW4_SFNM) && (cascade_inputs(p, c) & bit8(input)))
		return (int)input;
	return -1;
}

static void set_input(struct pic_chip *c, unsigned int input, bool level)
{
	u8 bit = bit8(input);

	if (level) {
		if (!(c->lines & bit))
			c->edges |= bit;
		c->lines |= bit;
	} else {
		/* A request that is withdrawn before INTA is gone ("default IR7"). */
		c->lines = (u8)(c->lines & ~bit);
		c->edges = (u8)(c->edges & ~bit);
	}
}

static void set_intr(struct pic *p, bool level)
{
	if (level == p->intr)
		return;
	__atomic_store_n(&p->intr, level, __ATOMIC_RELAXED);
	irq_set(&p->out, level);
}

static void update(struct pic *p)
{
	set_input(&p->chip[0], PIC_CASCADE, resolve(p, &p->chip[1]) >= 0);
	set_intr(p, resolve(p, &p->chip[0]) >= 0);
}

/* What an acknowledge does inside one chip. */
static void acknowledge(struct pic_chip *c, unsigned int input)
{
	c->edges = (u8)(c->edges & ~bit8(input));
	if (!(c->icw4 & ICW4_AEOI))
		c->isr |= bit8(input);
	else if (c->rotate_on_aeoi)
		c->top = (u8)((input + 1) % PIC_INPUTS);
}

/*
 * INT goes low with the acknowledge and high again if more is waiting, so that what sees edges
 * only (input 2 of the master, an I/O APIC pin, LINT0) sees the next one.
 */
static void acknowledge_done(struct pic *p, const struct pic_chip *c)
{
	if (c == &p->chip[1])
		set_input(&p->chip[0], PIC_CASCADE, false);
	set_intr(p, false);
	update(p);
}

/* The byte of the second INTA: the vector, or in MCS-80/85 mode the low half of a CALL address. */
static u8 vector_byte(const struct pic_chip *c, unsigned int input)
{
	if (c->icw4 & ICW4_UPM)
		return (u8)((c->icw2 & ICW2_T7_T3) | input);
	if (c->icw1 & ICW1_ADI)
		return (u8)((c->icw1 & ICW1_A7_A5) | input << 2);
	return (u8)((c->icw1 & ICW1_A7_A6) | input << 3);
}

u8 pic_ack(struct pic *p)
{
	struct pic_chip *master = &p->chip[0], *slave = &p->chip[1], *acked = master;
	int input = resolve(p, master);
	u8 vector;

	if (input < 0)
		return vector_byte(master, PIC_SPURIOUS);
	acknowledge(master, (unsigned int)input);
	if (!(cascade_inputs(p, master) & bit8((unsigned int)input))) {
		vector = vector_byte(master, (unsigned int)input);
	} else if (input != PIC_CASCADE || (slave->icw3 & ICW3_ID) != input) {
		vector = OPEN_BUS; /* no slave answers to this number */
	} else {
		int low = resolve(p, slave);

		if (low >= 0)
			acknowledge(slave, (unsigned int)low);
		vector = vector_byte(slave, low >= 0 ? (unsigned int)low : PIC_SPURIOUS);
		acked = slave;
	}
	acknowledge_done(p, acked);
	return vector;
}

void pic_set_line(struct pic *p, unsigned int irq, bool level)
{
	if (irq >= 2 * PIC_INPUTS || irq == PIC_CASCADE)
		return;
	set_input(&p->chip[irq / PIC_INPUTS], irq % PIC_INPUTS, level);
	update(p);
}

/* --- commands --------------------------------------------------------------------------------- */

/* "Initialization command word 1": effects a to f of the data sheet. */
static void write_icw1(struct pic *p, struct pic_chip *c, u8 value)
{
	c->icw1 = value;
	c->edges = 0;
	c->isr = 0;
	c->imr = 0;
	c->top = 0;
	c->icw3 = c == &p->chip[1] ? ICW3_ID : 0;
	c->icw4 = 0;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->rotate_on_aeoi = false;
	c->init_state = STATE_ICW2;
}

static void end_of_interrupt(struct pic_chip *c, unsigned int input, bool rotate)
{
	c->isr = (u8)(c->isr & ~bit8(input));
	if (rotate)
		c->top = (u8)((input + 1) % PIC_INPUTS);
}

static void write_ocw2(struct pic_chip *c, u8 value)
{
	unsigned int level = value & OCW2_LEVEL, rank;
	u8 ends;

	switch (value & OCW2_COMMAND) {
	case OCW2_EOI:
	case OCW2_ROTATE_EOI:
		/* In the special mask mode it does not end a masked level. */
		ends = c->special_mask ? (u8)(c->isr & ~c->imr) : c->isr;
		rank = first_rank(c, ends);
		if (rank < PIC_INPUTS)
			end_of_interrupt(c, rank_to_input(c, rank),
					 (value & OCW2_COMMAND) == OCW2_ROTATE_EOI);
		break;
	case OCW2_EOI_SPECIFIC:
		end_of_interrupt(c, level, false);
		break;
	case OCW2_ROTATE_EOI_SPECIFIC:
		end_of_interrupt(c, level, true);
		break;
	case OCW2_SET_PRIORITY:
		c->top = (u8)((level + 1) % PIC_INPUTS);
		break;
	case OCW2_ROTATE_AEOI_SET:
		c->rotate_on_aeoi = true;
		break;
	case OCW2_ROTATE_AEOI_CLEAR:
		c->rotate_on_aeoi = false;
		break;
	case OCW2_NOP:
		break;
	}
}

static void write_ocw3(struct pic_chip *c, u8 value)
{
	if (value & OCW3_ESMM)
		c->special_mask = value & OCW3_SMM;
	if (value & OCW3_POLL)
		c->poll = true;
	if (value & OCW3_RR)
		c->read_isr = value & OCW3_RIS;
}

/* A write with A0 = 1: the next ICW, or the mask (OCW1). */
static void write_data(struct pic_chip *c, u8 value)
{
	switch (c->init_state) {
	case STATE_ICW2:
		c->icw2 = value;
		if (!(c->icw1 & ICW1_SNGL))
			c->init_state = STATE_ICW3;
		else
			c->init_state = c->icw1 & ICW1_IC4 ? STATE_ICW4 : STATE_READY;
		break;
	case STATE_ICW3:
		c->icw3 = value;
		c->init_state = c->icw1 & ICW1_IC4 ? STATE_ICW4 : STATE_READY;
		break;
	case STATE_ICW4:
		c->icw4 = value;
		c->init_state = STATE_READY;
		break;
	default:
		c->imr = value;
		break;
	}
}

static void chip_write(struct pic *p, struct pic_chip *c, u16 offset, u8 value)
{
	if (offset)
		write_data(c, value);
	else if (value & ICW1_SELECT)
		write_icw1(p, c, value);
	else if (value & OCW3_SELECT)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
	update(p);
}

static u8 chip_read(struct pic *p, struct pic_chip *c, u16 offset)
{
	if (c->poll) {
		/* The next read, of whichever address, is an acknowledge. */
		int input = resolve(p, c);

		c->poll = false;
		if (input < 0)
			return 0;
		acknowledge(c, (unsigned int)input);
		acknowledge_done(p, c);
		return (u8)(POLL_PENDING | input);
	}
	if (offset)
		return c->imr;
	return c->read_isr ? c->isr : requests(c);
}

/* --- ports ------------------------------------------------------------------------------------ */

static u32 master_read(void *dev, u16 offset, unsigned int size)
{
	struct pic *p = dev;

	(void)size;
	return chip_read(p, &p->chip[0], offset);
}

static void master_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pic *p = dev;

	(void)size;
	chip_write(p, &p->chip[0], offset, (u8)value);
}

static u32 slave_read(void *dev, u16 offset, unsigned int size)
{
	struct pic *p = dev;

	(void)size;
	return chip_read(p, &p->chip[1], offset);
}

static void slave_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pic *p = dev;

	(void)size;
	chip_write(p, &p->chip[1], offset, (u8)value);
}

static u32 elcr_read(void *dev, u16 offset, unsigned int size)
{
	const struct pic *p = dev;

	(void)size;
	return p->chip[offset & 1].elcr;
}

static void elcr_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pic *p = dev;
	struct pic_chip *c = &p->chip[offset & 1];

	(void)size;
	c->elcr = (u8)(value & c->elcr_mask);
	update(p);
}

static const struct port_ops master_ops = {
	.read = master_read,
	.write = master_write,
	.max_size = 1,
	.name = "8259A master",
};

static const struct port_ops slave_ops = {
	.read = slave_read,
	.write = slave_write,
	.max_size = 1,
	.name = "8259A slave",
};

static const struct port_ops elcr_ops = {
	.read = elcr_read,
	.write = elcr_write,
	.max_size = 1,
	.name = "ELCR",
};

void pic_init(struct pic *p, struct irq_line out)
{
	memset(p, 0, sizeof(*p));
	p->out = out;
	pic_reset(p);
}

void pic_reset(struct pic *p)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(p->chip); i++) {
		struct pic_chip *c = &p->chip[i];
		u8 lines = c->lines;

		memset(c, 0, sizeof(*c));
		c->lines = lines;
		c->elcr_mask = i ? ELCR_SLAVE : ELCR_MASTER;
		c->imr = 0xff;
		c->icw3 = i ? PIC_CASCADE : bit8(PIC_CASCADE);
		c->icw4 = ICW4_UPM;
	}
	update(p);
}

int pic_attach(struct pic *p, struct bus *b)
{
	int err = bus_add_port(b, PORT_MASTER, PORTS_CHIP, &master_ops, p);

	if (!err)
		err = bus_add_port(b, PORT_SLAVE, PORTS_CHIP, &slave_ops, p);
	if (!err)
		err = bus_add_port(b, PORT_ELCR, PORTS_ELCR, &elcr_ops, p);
	return err;
}
