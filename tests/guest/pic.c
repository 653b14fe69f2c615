/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair: Intel 8259A data sheet (231468-003); ELCR: 82371AB data sheet 4.2.5. Requests come from the 8254 (IRQ0), COM1 (IRQ4)
 * and the RTC (IRQ8).
 */
#include "guest.h"

#define BASE	 0x50
#define M_CMD	 0x20
#define M_DATA	 0x21
#define S_CMD	 0xa0
#define S_DATA	 0xa1
#define ELCR_M	 0x4d0
#define ELCR_S	 0x4d1
#define READ_IRR 0x0a
#define READ_ISR 0x0b
#define POLL	 0x0c
#define EOI	 0x20
#define SPECIFIC 0x60
#define ROTATE	 0xa0 /* on a non-specific EOI */
#define PRIORITY 0xc0
#define SMM_ON	 0x68
#define SMM_OFF	 0x48
#define AEOI	 3
#define SFNM	 0x11
#define PIT_0	 0x40
#define PIT_CTL	 0x43
#define ONE_SHOT 0x30
#define COM_IER	 0x3f9
#define COM_IIR	 0x3fa
#define COM_MCR	 0x3fc
#define RTC_REG	 0x70
#define RTC_DATA 0x71

static u8 isr_seen, isr_slave_seen;
static bool no_eoi;

static u8 read_reg(u16 port, u8 which)
{
	outb(port, which);
	return inb(port);
}

static void irq(struct regs *r)
{
	u32 line = (u32)r->vector - BASE;

	isr_seen = read_reg(M_CMD, READ_ISR);
	isr_slave_seen = read_reg(S_CMD, READ_ISR);
	if (no_eoi)
		return;
	if (line >= 8)
		outb(S_CMD, EOI);
	outb(M_CMD, EOI);
}

/* IRQ0 high: mode 0 reaches its count. */
static bool timer_request(void)
{
	outb(PIT_CTL, ONE_SHOT);
	outb(PIT_0, 50);
	outb(PIT_0, 0);
	for (u32 n = 0; n < WAIT_ROUNDS / 16; n++)
		if (read_reg(M_CMD, READ_IRR) & 1)
			return true;
	return false;
}

static void timer_withdraw(void)
{
	outb(PIT_CTL, ONE_SHOT);
}

/* IRQ4 high: COM1's transmitter is empty. */
static void uart_request(void)
{
	while (!(inb(0x3fd) & 0x40))
		cpu_pause();
	outb(COM_IER, 0);
	outb(COM_IER, 2);
}

static void uart_withdraw(void)
{
	outb(COM_IER, 0);
	(void)inb(COM_IIR);
}

static void setup(u8 icw4)
{
	timer_withdraw();
	uart_withdraw();
	outb(ELCR_M, 0);
	outb(ELCR_S, 0);
	outb(M_CMD, 0x11);
	outb(M_DATA, BASE);
	outb(M_DATA, 4);
	outb(M_DATA, icw4);
	outb(S_CMD, 0x11);
	outb(S_DATA, BASE + 8);
	outb(S_DATA, 2);
	outb(S_DATA, 1);
	outb(M_DATA, 0xff);
	outb(S_DATA, 0xff);
}

static void masks(void)
{
	static const u8 values[] = { 0, 0xff, 0x55, 0xaa, 0xfe };

	outb(M_DATA, 0xff);
	outb(M_CMD, 0x11);
	outb(M_DATA, BASE);
	outb(M_DATA, 4);
	outb(M_DATA, 1);
	is(inb(M_DATA), 0, "ICW1 clears the mask");
	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		u8 inverse = values[i] ^ 0xff;

		outb(M_DATA, values[i]);
		outb(S_DATA, inverse);
		ok(inb(M_DATA) == values[i] && inb(S_DATA) == inverse, "mask %x reads back",
		   values[i]);
	}
	outb(M_DATA, 0xff);
	outb(S_DATA, 0xff);
	is(read_reg(M_CMD, READ_ISR), 0, "nothing is in service");
	outb(ELCR_M, 0xff);
	outb(ELCR_S, 0xff);
	is(inb(ELCR_M), 0xf8, "ELCR: inputs 0 to 2 are always edges");
	is(inb(ELCR_S), 0xde, "ELCR: inputs 8 and 13 are always edges");
	outb(ELCR_M, 0);
	outb(ELCR_S, 0);
	ok(inb(ELCR_M) == 0 && inb(ELCR_S) == 0, "ELCR: reads back 0");
}

static void delivery(void)
{
	setup(1);
	on_vector(BASE, irq);
	ok(timer_request(), "IRR shows a masked request");
	irq_window();
	is(taken[BASE], 0, "a masked request is not delivered");
	is(inb(M_CMD) & 1, 1, "OCW3's choice of register stays");
	outb(M_DATA, 0xfe);
	ok(WAIT_FOR(taken[BASE]), "unmasked: delivered with the vector of ICW2");
	is(isr_seen, 1, "ISR in the handler");
	ok(!(read_reg(M_CMD, READ_IRR) & 1), "IRR is clear after the acknowledge");
	is(read_reg(M_CMD, READ_ISR), 0, "ISR is clear after EOI");
	irq_window();
	is(taken[BASE], 1, "an edge counts once");

	no_eoi = true;
	timer_request();
	ok(WAIT_FOR(taken[BASE] == 2), "the next edge is delivered");
	timer_request();
	irq_window();
	is(taken[BASE], 2, "in service: the same level is blocked");
	outb(M_CMD, SPECIFIC | 1);
	irq_window();
	is(taken[BASE], 2, "specific EOI of another level does not open it");
	outb(M_CMD, SPECIFIC | 0);
	ok(WAIT_FOR(taken[BASE] == 3), "specific EOI opens it");
	outb(M_CMD, EOI);
	no_eoi = false;
	/* QEMU keeps what it latched. */
	outb(M_DATA, 0xff);
	timer_request();
	timer_withdraw();
	inside_only(!(read_reg(M_CMD, READ_IRR) & 1),
		    "an edge that goes before the acknowledge is lost");
	setup(1);
}

static void poll(void)
{
	setup(1);
	outb(M_DATA, 0xfe);
	is(read_reg(M_CMD, POLL) & 0x80, 0, "poll: no request");
	timer_request();
	is(read_reg(M_CMD, POLL), 0x80, "poll: IRQ0");
	is(read_reg(M_CMD, READ_ISR), 1, "poll: acknowledges");
	outb(M_CMD, EOI);
	is(read_reg(M_CMD, READ_ISR), 0, "poll: EOI");
}

/* Which of IRQ0 and IRQ4 is first. */
static u8 first_of_two(void)
{
	u8 got;

	outb(M_DATA, 0xff);
	timer_withdraw();
	uart_withdraw();
	timer_request();
	uart_request();
	outb(M_DATA, 0xee);
	got = read_reg(M_CMD, POLL);
	outb(M_DATA, 0xff);
	return got;
}

static void priorities(void)
{
	setup(1);
	is(first_of_two(), 0x80, "priority: IRQ0 before IRQ4");
	outb(M_CMD, EOI);
	outb(M_CMD, PRIORITY | 3);
	is(first_of_two(), 0x84, "set priority: IRQ3 last, IRQ4 first");
	outb(M_CMD, EOI);
	outb(M_CMD, PRIORITY | 7);
	is(first_of_two(), 0x80, "set priority: IRQ7 last");
	outb(M_CMD, ROTATE);
	is(first_of_two(), 0x84, "rotate on EOI: IRQ0 is last");
	outb(M_CMD, 0xe0 | 4);
	is(first_of_two(), 0x80, "rotate on specific EOI: IRQ4 is last");
	outb(M_CMD, EOI);
	setup(1);
	is(first_of_two(), 0x80, "ICW1 restores the priorities");

	/* IRQ0 is in service now. */
	outb(M_DATA, 0xef);
	is(read_reg(M_CMD, POLL) & 0x80, 0, "fully nested: IRQ4 is blocked by IRQ0");
	outb(M_CMD, SMM_ON);
	outb(M_DATA, 0xef);
	is(read_reg(M_CMD, POLL), 0x84, "special mask: a masked level in service blocks nothing");
	is(read_reg(M_CMD, READ_ISR), 0x11, "special mask: both in service");
	outb(M_CMD, SMM_OFF);
	outb(M_CMD, SPECIFIC | 4);
	outb(M_CMD, SPECIFIC | 0);
	is(read_reg(M_CMD, READ_ISR), 0, "specific EOIs");
	uart_withdraw();
}

static void automatic(void)
{
	setup(AEOI);
	on_vector(BASE, irq);
	no_eoi = true;
	outb(M_DATA, 0xfe);
	timer_request();
	ok(WAIT_FOR(taken[BASE] == 1), "AEOI: delivered");
	is(isr_seen, 0, "AEOI: nothing in service in the handler");
	timer_request();
	ok(WAIT_FOR(taken[BASE] == 2), "AEOI: the next one without an EOI");
	no_eoi = false;
}

static void level(void)
{
	setup(1);
	on_vector(BASE + 4, irq);
	outb(ELCR_M, 0x10);
	no_eoi = true;
	uart_request();
	outb(M_DATA, 0xef);
	ok(WAIT_FOR(taken[BASE + 4] == 1), "level: delivered");
	ok(read_reg(M_CMD, READ_IRR) & 0x10, "level: IRR while the line is high");
	outb(M_CMD, EOI);
	ok(WAIT_FOR(taken[BASE + 4] == 2), "level: again after EOI");
	uart_withdraw();
	ok(!(read_reg(M_CMD, READ_IRR) & 0x10), "level: IRR follows the line");
	outb(M_CMD, EOI);
	irq_window();
	is(taken[BASE + 4], 2, "level: not after the line is low");
	no_eoi = false;
	outb(ELCR_M, 0);
}

static u8 rtc(u8 reg)
{
	outb(RTC_REG, reg);
	return inb(RTC_DATA);
}

static void cascade(void)
{
	u8 b;

	setup(1);
	on_vector(BASE + 8, irq);
	outb(RTC_REG, 0x0a);
	outb(RTC_DATA, 0x26);
	b = rtc(0x0b);
	outb(RTC_DATA, (u8)((b & ~0x30) | 0x40));
	(void)rtc(0x0c);
	outb(S_DATA, 0xfe);
	ok(WAIT_FOR(read_reg(M_CMD, READ_IRR) & 4), "cascade: IRQ8 raises input 2 of the master");
	is(read_reg(S_CMD, READ_IRR) & 1, 1, "cascade: IRR of the slave");
	outb(M_DATA, 0xfb);
	ok(WAIT_FOR(taken[BASE + 8]), "cascade: delivered with the vector of the slave");
	ok(isr_seen == 4 && isr_slave_seen == 1, "cascade: ISR of both");
	(void)rtc(0x0c);
	ok(WAIT_FOR(taken[BASE + 8] == 2), "cascade: again after register C was read");
	outb(RTC_REG, 0x0b);
	outb(RTC_DATA, b);
	(void)rtc(0x0c);
}

static void lint0(void)
{
	setup(1);
	on_vector(BASE, irq);
	lapic_write(LAPIC_LVT_LINT0, LAPIC_VECTOR_MASKED | 0x700);
	outb(M_DATA, 0xfe);
	timer_request();
	irq_window();
	is(taken[BASE], 0, "LINT0 masked: nothing comes");
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	ok(WAIT_FOR(taken[BASE] == 1), "LINT0 unmasked: it comes");
	/* Bochs' 8259 goes to the processor past LINT0. */
	if (bare_bochs) {
		inside_only(false, "LINT0 as a fixed interrupt: its vector");
		setup(1);
		return;
	}
	lapic_write(LAPIC_LVT_LINT0, 0x760);
	lapic_write(LAPIC_LVT_LINT0, 0x060);
	on_vector(0x60, eoi_handler);
	timer_request();
	ok(WAIT_FOR(taken[0x60] == 1) && taken[BASE] == 1,
	   "LINT0 as a fixed interrupt: its vector");
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	(void)WAIT_FOR(taken[BASE] == 2);
	setup(1);
}

void guest_main(void)
{
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	outb(COM_MCR, 0x0b); /* OUT2 lets the interrupt through */
	masks();
	delivery();
	poll();
	priorities();
	automatic();
	level();
	cascade();
	lint0();
}
