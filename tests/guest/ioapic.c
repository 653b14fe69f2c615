/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC: Intel 82093AA data sheet (290566). The 8254 is on input 2, COM1 on input 4.
 */
#include "guest.h"

#define SELECT	 (IOAPIC_PAGE + 0)
#define WINDOW	 (IOAPIC_PAGE + 0x10)
#define REG_ID	 0
#define REG_VER	 1
#define REG_ARB	 2
#define ENTRY(n) (0x10U + 2 * (n))
#define PIN_PIT	 2
#define PIN_COM1 4
#define MASKED	 0x10000U
#define LEVEL	 0x8000U
#define IRR	 0x4000U
#define LOGICAL	 0x800U
#define VEC_A	 0x62
#define VEC_B	 0x83
#define LATE	 20000 /* clocks: a slow emulator's edge has come by then */
#define COM_IER	 0x3f9
#define COM_IIR	 0x3fa
#define COM_MCR	 0x3fc

static u32 rd(u32 reg)
{
	mmio_write32(SELECT, reg);
	return mmio_read32(WINDOW);
}

static void wr(u32 reg, u32 value)
{
	mmio_write32(SELECT, reg);
	mmio_write32(WINDOW, value);
}

static void set_entry(u32 pin, u32 low)
{
	wr(ENTRY(pin), MASKED);
	wr(ENTRY(pin) + 1, lapic_read(LAPIC_ID));
	wr(ENTRY(pin), low);
}

static void registers(void)
{
	is(rd(REG_VER) & 0xff, rd(REG_VER) & 0xff, "version reads");
	is(rd(REG_VER) >> 16 & 0xff, 23, "version: 24 entries");
	wr(REG_ID, 0x0a000000);
	is(rd(REG_ID), 0x0a000000, "id reads back");
	wr(REG_ID, 0);
	mmio_write32(SELECT, 0x12);
	is(mmio_read32(SELECT) & 0xff, 0x12, "IOREGSEL reads back");
	wr(ENTRY(23), 0xffffffff);
	is(rd(ENTRY(23)) & ~0x7000U, 0x18fff & ~0x7000U, "entry: only defined bits can be set");
	is(rd(ENTRY(23)) & 0x2000, 0x2000, "entry: polarity can be set");
	is(rd(ENTRY(23)) & 0x5000, 0, "entry: status bits are read-only");
	wr(ENTRY(23) + 1, 0xffffffff);
	is(rd(ENTRY(23) + 1), 0xff000000, "entry: destination");
	wr(ENTRY(23), MASKED);
	wr(ENTRY(23) + 1, 0);
	is(rd(ENTRY(23)), MASKED, "entry reads back");
	/* Bochs ends. */
	inside_only(bare_bochs || rd(0x50) == 0xffffffff || rd(0x50) == 0,
		    "a register that does not exist");
}

static void eoi(struct regs *r)
{
	(void)r;
	lapic_write(LAPIC_EOI, 0);
}

static void pit_edge(u16 count)
{
	outb(0x43, 0x30);
	outb(0x40, (u8)count);
	outb(0x40, (u8)(count >> 8));
}

static void edges(void)
{
	on_vector(VEC_A, eoi);
	on_vector(VEC_B, eoi);
	set_entry(PIN_PIT, MASKED | VEC_A);
	pit_edge(50);
	pit_delay(LATE);
	irq_window();
	is(taken[VEC_A], 0, "edge: masked");
	set_entry(PIN_PIT, VEC_A);
	irq_window();
	pit_edge(50);
	ok(WAIT_FOR(taken[VEC_A] >= 1), "edge: delivered");
	taken[VEC_A] = 0;
	pit_delay(LATE);
	irq_window();
	is(taken[VEC_A], 0, "edge: once");
	is(rd(ENTRY(PIN_PIT)) & IRR, 0, "edge: no remote IRR");
	set_entry(PIN_PIT, VEC_B);
	taken[VEC_B] = 0;
	pit_edge(50);
	ok(WAIT_FOR(taken[VEC_B]), "edge: another vector");
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_LDR, 0x08000000);
	wr(ENTRY(PIN_PIT), MASKED);
	wr(ENTRY(PIN_PIT) + 1, 0x0c000000);
	wr(ENTRY(PIN_PIT), LOGICAL | VEC_A);
	taken[VEC_A] = 0;
	pit_edge(50);
	ok(WAIT_FOR(taken[VEC_A]), "edge: logical destination");
	wr(ENTRY(PIN_PIT), MASKED);
	wr(ENTRY(PIN_PIT) + 1, 0x03000000);
	wr(ENTRY(PIN_PIT), LOGICAL | VEC_A);
	irq_window();
	taken[VEC_A] = 0;
	pit_edge(50);
	pit_delay(LATE);
	irq_window();
	is(taken[VEC_A], 0, "edge: somebody else's logical destination");
	wr(ENTRY(PIN_PIT), MASKED);
	wr(ENTRY(PIN_PIT) + 1, 0x08000000);
	wr(ENTRY(PIN_PIT), LOGICAL | 0x100 | VEC_A);
	irq_window();
	taken[VEC_A] = 0;
	pit_edge(50);
	ok(WAIT_FOR(taken[VEC_A]), "edge: lowest priority");
	on_vector(VEC_NMI, eoi_handler);
	set_entry(PIN_PIT, 0x400);
	pit_edge(50);
	ok(WAIT_FOR(taken[VEC_NMI]), "edge: NMI");
	set_entry(PIN_PIT, MASKED);
	on_vector(VEC_NMI, NULL);
}

static u32 irr_in_handler;
static bool tmr_in_handler, lower_it;

static void level_irq(struct regs *r)
{
	(void)r;
	irr_in_handler = rd(ENTRY(PIN_COM1)) & IRR;
	tmr_in_handler = lapic_read(LAPIC_TMR + (VEC_A >> 5) * 16) & BIT(VEC_A & 31);
	if (lower_it || taken[VEC_A] > 3) {
		outb(COM_IER, 0);
		(void)inb(COM_IIR);
	}
	lapic_write(LAPIC_EOI, 0);
}

/* COM1 asserts: its transmitter is empty. */
static void level(void)
{
	while (!(inb(0x3fd) & 0x40))
		cpu_pause();
	outb(COM_MCR, 0x0b);
	on_vector(VEC_A, level_irq);
	lower_it = true;
	set_entry(PIN_COM1, LEVEL | VEC_A);
	outb(COM_IER, 2);
	ok(WAIT_FOR(taken[VEC_A]), "level: delivered");
	is(irr_in_handler, IRR, "level: remote IRR in the handler");
	ok(tmr_in_handler, "level: TMR in the handler");
	is(rd(ENTRY(PIN_COM1)) & IRR, 0, "level: remote IRR is clear after EOI");
	irq_window();
	is(taken[VEC_A], 1, "level: not again when the line is low");
	taken[VEC_A] = 0;
	lower_it = false;
	if (bare_bochs) {
		/* Its I/O APIC does nothing on EOI. */
		inside_only(false, "level: again after EOI while the line is high");
	} else {
		outb(COM_IER, 2);
		ok(WAIT_FOR(taken[VEC_A] >= 3), "level: again after EOI while the line is high");
		(void)WAIT_FOR(taken[VEC_A] >= 4);
	}
	taken[VEC_A] = 0;
	lower_it = true;
	set_entry(PIN_COM1, MASKED | LEVEL | VEC_A);
	outb(COM_IER, 2);
	irq_window();
	is(taken[VEC_A], 0, "level: masked");
	set_entry(PIN_COM1, LEVEL | VEC_A);
	ok(WAIT_FOR(taken[VEC_A] == 1), "level: unmasked with the line high");
	set_entry(PIN_COM1, MASKED);
	outb(COM_MCR, 3);
}

void guest_main(void)
{
	lapic_enable();
	registers();
	edges();
	level();
}
