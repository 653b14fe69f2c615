/* SPDX-License-Identifier: MIT */
/*
 * The 16550A at COM1, in loopback where it talks: TI PC16550D data sheet (SNLS378C). Nothing is printed while it is in loopback: results
 * are kept and shown afterwards.
 */
#include "guest.h"

#define COM    0x3f8
#define RBR    (COM + 0)
#define IER    (COM + 1)
#define IIR    (COM + 2)
#define FCR    (COM + 2)
#define LCR    (COM + 3)
#define MCR    (COM + 4)
#define LSR    (COM + 5)
#define MSR    (COM + 6)
#define SCR    (COM + 7)
#define LOOP   0x10
#define DR     0x01
#define OE     0x02
#define THRE   0x20
#define TEMT   0x40
#define ROUNDS 2000000U
#define KEEP   64

static struct {
	u32 got, expected;
	const char *name;
} kept[KEEP];
static u32 n_kept;

static void keep(u32 got, u32 expected, const char *name)
{
	if (n_kept < KEEP) {
		kept[n_kept].got = got;
		kept[n_kept].expected = expected;
		kept[n_kept++].name = name;
	}
}

static void show(void)
{
	for (u32 i = 0; i < n_kept; i++)
		is(kept[i].got, kept[i].expected, "%s", kept[i].name);
	n_kept = 0;
}

/* Reading LSR clears its error bits: what was seen. */
static u8 lsr_seen;

static bool wait_lsr(u8 mask)
{
	for (u32 n = 0; n < ROUNDS; n++) {
		u8 lsr = inb(LSR);

		lsr_seen |= lsr;
		if ((lsr & mask) == mask)
			return true;
	}
	return false;
}

static void registers(void)
{
	static const u8 values[] = { 0, 0xff, 0x55, 0xaa };
	u8 lcr = inb(LCR), mcr = inb(MCR);
	bool good = true;

	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		outb(SCR, values[i]);
		good = good && inb(SCR) == values[i];
	}
	ok(good, "scratch reads back");
	(void)wait_lsr(TEMT);
	outb(LCR, 0x80 | lcr);
	outb(RBR, 0x34);
	outb(IER, 0x12);
	keep(inb(RBR), 0x34, "divisor: low byte reads back");
	keep(inb(IER), 0x12, "divisor: high byte reads back");
	keep(inb(LCR), 0x80U | lcr, "LCR reads back with DLAB");
	outb(RBR, 1);
	outb(IER, 0);
	outb(LCR, lcr);
	outb(IER, 0xff);
	keep(inb(IER), 0x0f, "IER: four bits");
	outb(IER, 0);
	keep(inb(IER), 0, "IER: behind DLAB the divisor is not it");
	outb(MCR, 0xff);
	keep(inb(MCR), 0x1f, "MCR: five bits");
	outb(MCR, mcr);
	show();
}

static void modem(void)
{
	static const struct {
		u8 mcr, msr;
		const char *name;
	} rows[] = {
		{ 0, 0, "loopback: no line" },	      { 1, 0x20, "loopback: DTR is DSR" },
		{ 2, 0x10, "loopback: RTS is CTS" },  { 4, 0x40, "loopback: OUT1 is RI" },
		{ 8, 0x80, "loopback: OUT2 is DCD" }, { 15, 0xf0, "loopback: all lines" },
	};

	outb(MCR, LOOP);
	(void)inb(MSR);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		outb(MCR, LOOP | rows[i].mcr);
		keep(inb(MSR) & 0xf0, rows[i].msr, rows[i].name);
	}
	outb(MCR, LOOP);
	(void)inb(MSR);
	outb(MCR, LOOP | 2);
	keep(inb(MSR) & 0x0f, 1, "delta CTS");
	keep(inb(MSR) & 0x0f, 0, "delta CTS is cleared by the read");
	outb(MCR, LOOP | 4);
	(void)inb(MSR);
	outb(MCR, LOOP);
	keep(inb(MSR) & 0x0f, 4, "trailing edge of RI");
	outb(IER, 8);
	outb(MCR, LOOP | 1);
	keep(inb(IIR) & 0x0f, 0, "IIR: modem status");
	(void)inb(MSR);
	keep(inb(IIR) & 0x0f, 1, "IIR: cleared by reading MSR");
	outb(IER, 0);
}

static void send(u8 c)
{
	(void)wait_lsr(THRE);
	outb(RBR, c);
	(void)wait_lsr(TEMT);
}

static void loopback(void)
{
	bool good = true;

	outb(FCR, 0);
	outb(MCR, LOOP);
	(void)inb(RBR);
	(void)inb(LSR);
	keep(inb(IIR) & 0xc0, 0, "IIR: no FIFOs");
	send(0x5a);
	keep(inb(LSR) & DR, DR, "loopback: a byte arrives");
	keep(inb(RBR), 0x5a, "loopback: the byte");
	keep(inb(LSR) & DR, 0, "loopback: it is read");
	lsr_seen = 0;
	send(1);
	send(2);
	keep(lsr_seen & OE, OE, "overrun without FIFOs");
	keep(inb(LSR) & OE, 0, "overrun is cleared by the read");
	keep(inb(RBR), 2, "overrun: the new byte replaces the old one");

	outb(FCR, 7);
	keep(inb(IIR) & 0xc0, 0xc0, "IIR: FIFOs");
	for (u8 i = 0; i < 16; i++)
		send(i);
	keep(inb(LSR) & OE, 0, "FIFO: 16 bytes fit");
	for (u8 i = 0; i < 16; i++)
		good = good && (inb(LSR) & DR) && inb(RBR) == i;
	keep(good, true, "FIFO: in order");
	keep(inb(LSR) & DR, 0, "FIFO: empty");
	lsr_seen = 0;
	for (u8 i = 0; i < 17; i++)
		send(i);
	keep(lsr_seen & OE, OE, "FIFO: the 17th is an overrun");
	keep(inb(RBR), 0, "FIFO: the first is still there");
	outb(FCR, 3);
	keep(inb(LSR) & DR, 0, "FIFO: reset of the receiver");
}

static void interrupts(void)
{
	static const struct {
		u8 fcr, level;
		const char *below, *at;
	} triggers[] = {
		{ 0x01, 1, "trigger 1: empty", "trigger 1: at it" },
		{ 0x41, 4, "trigger 4: below", "trigger 4: at it" },
		{ 0x81, 8, "trigger 8: below", "trigger 8: at it" },
		{ 0xc1, 14, "trigger 14: below", "trigger 14: at it" },
	};

	outb(IER, 0);
	outb(FCR, 1);
	(void)wait_lsr(TEMT);
	keep(inb(IIR) & 0x0f, 1, "IIR: nothing");
	outb(IER, 2);
	keep(inb(IIR) & 0x0f, 2, "IIR: transmitter empty when it is enabled");
	keep(inb(IIR) & 0x0f, 1, "IIR: reading it clears that");
	send(0x11);
	keep(inb(IIR) & 0x0f, 2, "IIR: transmitter empty after a byte");
	outb(IER, 3);
	outb(FCR, 1);
	keep(inb(IIR) & 0x0f, 4, "IIR: data before transmitter empty");
	(void)inb(RBR);
	outb(FCR, 3);
	for (u32 i = 0; i < ARRAY_SIZE(triggers); i++) {
		outb(IER, 0);
		outb(FCR, (u8)(triggers[i].fcr | 2));
		for (u32 k = 1; k < triggers[i].level; k++)
			send((u8)k);
		outb(IER, 1);
		/* Below the level it can only be a timeout. */
		keep((inb(IIR) & 0x0f) == 4, 0, triggers[i].below);
		send(0x77);
		keep((inb(IIR) & 0x0f), 4, triggers[i].at);
	}
	outb(IER, 0);
	outb(FCR, 0xc3);
	send(1);
	outb(IER, 1);
	for (u32 n = 0; n < ROUNDS && (inb(IIR) & 0x0f) == 1; n++)
		cpu_pause();
	keep(inb(IIR) & 0x0f, 0xc, "IIR: character timeout");
	(void)inb(RBR);
	keep(inb(IIR) & 0x0f, 1, "IIR: the read ends the timeout");
	outb(IER, 5);
	outb(FCR, 0x03);
	for (u8 i = 0; i < 16; i++)
		send(i);
	outb(RBR, 16);
	for (u32 n = 0; n < ROUNDS && (inb(IIR) & 0x0f) != 6; n++)
		cpu_pause();
	keep(inb(IIR) & 0x0f, 6, "IIR: line status before data");
	(void)inb(LSR);
	keep(inb(IIR) & 0x0f, 4, "IIR: line status is cleared by the read");
	outb(IER, 0);
	outb(FCR, 7);
}

static volatile u8 iir_in;

static void irq(struct regs *r)
{
	(void)r;
	iir_in = inb(IIR);
	outb(0x20, 0x20);
}

static void line(void)
{
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	pic_setup(0x50);
	on_vector(0x54, irq);
	(void)wait_lsr(TEMT);
	outb(MCR, 3);
	outb(IER, 2);
	outb(0x21, 0xef);
	irq_window();
	/* QEMU's OUT2 is not connected. */
	inside_only(taken[0x54] == 0, "OUT2 low keeps the interrupt from the bus");
	outb(IER, 0);
	(void)inb(IIR);
	outb(MCR, 0x0b);
	taken[0x54] = 0;
	(void)wait_lsr(TEMT);
	outb(IER, 2);
	ok(WAIT_FOR(taken[0x54] >= 1), "IRQ4: transmitter empty");
	is(iir_in & 0x0f, 2, "IRQ4: the cause");
	(void)wait_lsr(TEMT);
	taken[0x54] = 0;
	outb(RBR, '\n');
	ok(WAIT_FOR(taken[0x54] >= 1), "IRQ4: after each byte");
	outb(IER, 0);
	outb(0x21, 0xff);
	outb(MCR, 3);
}

void guest_main(void)
{
	u8 mcr = inb(MCR);

	registers();
	(void)wait_lsr(TEMT);
	modem();
	loopback();
	interrupts();
	outb(MCR, mcr);
	show();
	line();
}
