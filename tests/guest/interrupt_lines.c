/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines and who takes them: requests withdrawn before the acknowledge (8259A data sheet 231468-003, "default IR7"),
 * ELCR (82371AB 4.2.5), LINT0's delivery modes (SDM vol. 3 11.5.1), the I/O APIC's ExtINT, polarity and EOI register
 * (82093AA 290566). The 8254 is IRQ0 and pin 2, COM1 IRQ4, the RTC IRQ8.
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
#define EOI	 0x20
#define COM_IER	 0x3f9
#define COM_IIR	 0x3fa
#define COM_MCR	 0x3fc
#define COM_LSR	 0x3fd
#define RTC_REG	 0x70
#define RTC_DATA 0x71

#define IOAPIC_EOI (IOAPIC_PAGE + 0x40)
#define PIN_PIT	   2
#define PIN_COM1   4
#define ENTRY(n)   (0x10U + 2 * (n))
#define MASKED	   0x10000U
#define LEVEL	   0x8000U
#define REMOTE_IRR 0x4000U
#define ACTIVE_LOW 0x2000U
#define EXTINT	   0x700U
#define NMI_MODE   0x400U
#define VEC_A	   0x62

static u8 read_reg(u16 port, u8 which)
{
	outb(port, which);
	return inb(port);
}

static void irq(struct regs *r)
{
	if (r->vector >= BASE + 8)
		outb(S_CMD, EOI);
	outb(M_CMD, EOI);
}

/* A default IR7 has no bit in the ISR: it is not ended. */
static bool ended_nothing;

static void spurious(struct regs *r)
{
	u16 port = r->vector < BASE + 8 ? M_CMD : S_CMD;

	ended_nothing = !(read_reg(port, READ_ISR) & 0x80);
	if (port == S_CMD)
		outb(M_CMD, EOI);
}

static void start(void)
{
	outb(COM_IER, 0);
	(void)inb(COM_IIR);
	outb(0x43, 0x30);
	outb(ELCR_M, 0);
	outb(ELCR_S, 0);
	pic_setup(BASE);
	for (u8 i = 0; i < 16; i++)
		on_vector((u8)(BASE + i), i % 8 == 7 ? spurious : irq);
	ended_nothing = true;
}

static void uart_request(void)
{
	while (!(inb(COM_LSR) & 0x40))
		cpu_pause();
	outb(COM_IER, 0);
	outb(COM_IER, 2);
}

static void uart_withdraw(void)
{
	outb(COM_IER, 0);
	(void)inb(COM_IIR);
}

static void pit_edge(void)
{
	outb(0x43, 0x30);
	outb(0x40, 50);
	outb(0x40, 0);
	pit_delay(200);
}

static void withdrawn(void)
{
	start();
	outb(ELCR_M, 0x10);
	outb(M_DATA, 0xef);
	uart_request();
	ok(read_reg(M_CMD, READ_IRR) & 0x10, "withdrawn: a level was requested");
	uart_withdraw();
	irq_window();
	ok(taken[BASE + 4] == 0 && taken[BASE + 7] <= 1 && ended_nothing,
	   "withdrawn: a level gives IRQ7 at most, with nothing in service");
	start();
	outb(M_DATA, 0xef);
	uart_request();
	outb(M_DATA, 0xff);
	irq_window();
	is(taken[BASE + 4] + taken[BASE + 7], 0, "masked before the acknowledge: nothing comes");
	outb(M_DATA, 0xef);
	irq_window();
	is(taken[BASE + 4], 1, "masked before the acknowledge: it comes when unmasked");
	uart_withdraw();
}

static u8 rtc(u8 reg)
{
	outb(RTC_REG, reg);
	return inb(RTC_DATA);
}

/* The RTC's periodic interrupt; register C takes the request back. */
static void withdrawn_slave(void)
{
	u8 b;

	start();
	(void)rtc(0x0a);
	outb(RTC_DATA, 0x26);
	b = rtc(0x0b);
	outb(RTC_DATA, (u8)((b & ~0x30) | 0x40));
	outb(S_DATA, 0xfe);
	outb(M_DATA, 0xfb);
	ok(WAIT_FOR(taken[BASE + 8]), "slave: IRQ8 comes");
	(void)rtc(0x0b);
	outb(RTC_DATA, (u8)(b & ~0x70));
	(void)rtc(0x0c);
	irq_window();
	taken[BASE + 8] = taken[BASE + 15] = 0;
	(void)rtc(0x0b);
	outb(RTC_DATA, (u8)((b & ~0x30) | 0x40));
	for (u32 n = 0; n < WAIT_ROUNDS / 64 && !(read_reg(S_CMD, READ_IRR) & 1); n++)
		;
	ok(read_reg(S_CMD, READ_IRR) & 1, "slave: requested again");
	(void)rtc(0x0b);
	outb(RTC_DATA, (u8)(b & ~0x70));
	(void)rtc(0x0c);
	irq_window();
	/* QEMU's 8259 keeps an edge that has gone. */
	inside_only(taken[BASE + 8] == 0 && taken[BASE + 15] <= 1 && ended_nothing,
		    "slave: withdrawn, it gives IRQ15 at most, with nothing in service");
	(void)rtc(0x0b);
	outb(RTC_DATA, b);
}

static void elcr(void)
{
	u32 n;

	start();
	outb(ELCR_M, 0xff);
	outb(ELCR_S, 0xff);
	is(inb(ELCR_M), 0xf8, "ELCR: inputs 3 to 7 can be levels");
	is(inb(ELCR_S), 0xde, "ELCR: inputs 9 to 12, 14 and 15 can be levels");
	outb(ELCR_M, 0);
	outb(ELCR_S, 0);
	/* An edge that was served, then a level: the line is still high. */
	outb(M_DATA, 0xef);
	uart_request();
	irq_window();
	n = taken[BASE + 4];
	irq_window();
	ok(n == 1 && taken[BASE + 4] == 1, "ELCR: as an edge it counts once");
	outb(M_DATA, 0xff);
	outb(ELCR_M, 0x10);
	ok(read_reg(M_CMD, READ_IRR) & 0x10, "ELCR: as a level the high line requests again");
	uart_withdraw();
	outb(ELCR_M, 0);
	ok(!(read_reg(M_CMD, READ_IRR) & 0x10), "ELCR: a low line requests nothing");
}

/* Bochs' 8259 goes to the processor past LINT0. */
static void lint0_nmi(void)
{
	bool come = false, pending = false;

	start();
	if (!bare_bochs) {
		on_vector(VEC_NMI, eoi_handler);
		lapic_write(LAPIC_LVT_LINT0, NMI_MODE);
		outb(M_DATA, 0xfe);
		pit_edge();
		come = taken[VEC_NMI] == 1 && taken[BASE] == 0;
		on_vector(VEC_NMI, NULL);
		pending = read_reg(M_CMD, READ_IRR) & 1;
		lapic_write(LAPIC_LVT_LINT0, EXTINT);
		irq_window();
		pending &= taken[BASE] == 1;
	}
	inside_only(come, "LINT0 as NMI: it comes with interrupts off");
	inside_only(pending, "LINT0 as NMI: the 8259 was not acknowledged");
	lapic_write(LAPIC_LVT_LINT0, MASKED | EXTINT);
}

static void wr(u32 reg, u32 value)
{
	mmio_write32(IOAPIC_PAGE, reg);
	mmio_write32(IOAPIC_PAGE + 0x10, value);
}

static u32 rd(u32 reg)
{
	mmio_write32(IOAPIC_PAGE, reg);
	return mmio_read32(IOAPIC_PAGE + 0x10);
}

static void set_entry(u32 pin, u32 low)
{
	wr(ENTRY(pin), MASKED);
	wr(ENTRY(pin) + 1, lapic_read(LAPIC_ID));
	wr(ENTRY(pin), low);
}

/* Not in bare Bochs, whose 8259 goes past LINT0. */
static void ioapic_extint(void)
{
	bool come = false, masked = false;

	start();
	lapic_write(LAPIC_LVT_LINT0, MASKED | EXTINT);
	if (!bare_bochs) {
		outb(M_DATA, 0xfe);
		pit_edge();
		irq_window();
		masked = taken[BASE] == 0;
		start();
		outb(M_DATA, 0xfe);
		set_entry(PIN_PIT, EXTINT);
		pit_edge();
		irq_window();
		come = taken[BASE] == 1;
		set_entry(PIN_PIT, MASKED);
	}
	inside_only(masked, "ExtINT: not by a masked LINT0");
	inside_only(come, "ExtINT: by an entry of the I/O APIC, with the 8259's vector");
}

static u32 irr_before, irr_after;

static void level_irq(struct regs *r)
{
	(void)r;
	uart_withdraw();
	irr_before = rd(ENTRY(PIN_COM1)) & REMOTE_IRR;
	mmio_write32(IOAPIC_EOI, VEC_A);
	irr_after = rd(ENTRY(PIN_COM1)) & REMOTE_IRR;
	lapic_write(LAPIC_EOI, 0);
}

static void mask_irq(struct regs *r)
{
	(void)r;
	wr(ENTRY(PIN_COM1), MASKED);
	lapic_write(LAPIC_EOI, 0);
}

static void ioapic(void)
{
	bool low = false, high = false;

	start();
	on_vector(VEC_A, level_irq);
	irr_before = irr_after = REMOTE_IRR;
	if ((rd(1) & 0xff) >= 0x20 && !bare_bochs) {
		set_entry(PIN_COM1, LEVEL | VEC_A);
		uart_request();
		(void)WAIT_FOR(taken[VEC_A]);
	}
	inside_only(irr_before == REMOTE_IRR && irr_after == 0, "EOI register: ends a level");
	/* QEMU knows no polarity; not tried bare in Bochs. */
	if (under_plinth) {
		set_entry(PIN_COM1, MASKED);
		on_vector(VEC_A, mask_irq);
		set_entry(PIN_COM1, LEVEL | ACTIVE_LOW | VEC_A);
		irq_window();
		low = taken[VEC_A] == 1;
		uart_request();
		set_entry(PIN_COM1, LEVEL | ACTIVE_LOW | VEC_A);
		irq_window();
		high = taken[VEC_A] == 1;
	}
	inside_only(low, "active low: a low line requests");
	inside_only(high, "active low: a high line does not");
	set_entry(PIN_COM1, MASKED);
	uart_withdraw();
}

static void init_deassert(void)
{
	/* Pentium 4 and later do nothing with it: SDM vol. 3 11.6.1. A wrong one would end a bare run. */
	if (under_plinth) {
		lapic_write(LAPIC_ICR_HI, 0);
		lapic_write(LAPIC_ICR_LO, ICR_ALL | LEVEL | 0x500);
	}
	inside_only(lapic_read(LAPIC_SVR) == 0x1ff, "INIT level de-assert does nothing");
}

void guest_main(void)
{
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, EXTINT);
	outb(COM_MCR, 0x0b);
	withdrawn();
	withdrawn_slave();
	elcr();
	lint0_nmi();
	ioapic_extint();
	ioapic();
	init_deassert();
	outb(COM_MCR, 3);
}
