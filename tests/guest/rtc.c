/* SPDX-License-Identifier: MIT */
/*
 * The real-time clock: Motorola MC146818A data sheet; the century as PC firmware keeps it, in register 32H.
 */
#include "guest.h"

#define A      0x0a
#define B      0x0b
#define C      0x0c
#define D      0x0d
#define B_SET  0x80
#define B_PIE  0x40
#define B_AIE  0x20
#define B_UIE  0x10
#define B_DM   0x04
#define B_24   0x02
#define C_IRQF 0x80
#define C_PF   0x40
#define C_AF   0x20
#define C_UF   0x10
#define SPARE  0x50
#define ROUNDS 20000000U

static u8 rd(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void wr(u8 reg, u8 value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

static bool flag(u8 which)
{
	for (u32 n = 0; n < ROUNDS; n++)
		if (rd(C) & which)
			return true;
	return false;
}

static bool bcd(u8 value)
{
	return (value & 0xf) <= 9 && value >> 4 <= 9;
}

static void registers(void)
{
	u8 spare = rd(SPARE), b = rd(B);

	is(rd(A) & 0x70, 0x20, "A: the divider runs at 32768 Hz");
	is(rd(D) & 0x80, 0x80, "D: memory and time are valid");
	wr(D, 0);
	is(rd(D) & 0x80, 0x80, "D is read-only");
	wr(A, 0x2f);
	is(rd(A) & 0x7f, 0x2f, "A reads back");
	wr(A, 0x26);
	wr(SPARE, 0x5a);
	is(rd(SPARE), 0x5a, "RAM reads back");
	wr(SPARE, spare);
	wr(B, B_24 | B_DM);
	is(rd(B), B_24 | B_DM, "B reads back");
	wr(B, b);
	(void)rd(C);
	is(rd(C) & 0x0f, 0, "C: the low bits are 0");
	outb(0x70, 0x80 | SPARE);
	is(inb(0x71), spare, "bit 7 of the index is the NMI mask");
	outb(0x70, SPARE);
}

/* The time is set in one format and read in another. */
static void formats(void)
{
	static const struct {
		u8 b, hours, pm_hours;
		const char *name;
	} rows[] = {
		{ B_24, 0x13, 0x13, "BCD, 24 h" },
		{ B_24 | B_DM, 13, 13, "binary, 24 h" },
		{ 0, 0x81, 0x81, "BCD, 12 h" },
		{ B_DM, 0x81, 0x81, "binary, 12 h" },
	};
	u8 old_b = rd(B), time[7];
	static const u8 regs[] = { 0, 2, 4, 6, 7, 8, 9 };

	wr(B, old_b | B_SET);
	for (u32 i = 0; i < ARRAY_SIZE(regs); i++)
		time[i] = rd(regs[i]);
	ok(bcd(time[0]) && bcd(time[1]) && bcd(time[4]) && bcd(time[5]), "the time is BCD");
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		bool binary = rows[i].b & B_DM;

		wr(B, B_SET | rows[i].b);
		wr(0, binary ? 30 : 0x30);
		wr(2, binary ? 45 : 0x45);
		wr(4, rows[i].hours);
		wr(6, 5);
		wr(7, binary ? 17 : 0x17);
		wr(8, binary ? 6 : 0x06);
		wr(9, binary ? 24 : 0x24);
		wr(B, rows[i].b);
		ok(rd(4) == rows[i].pm_hours && rd(2) == (binary ? 45 : 0x45),
		   "%s: hours and minutes come back", rows[i].name);
		ok(rd(7) == (binary ? 17 : 0x17) && rd(9) == (binary ? 24 : 0x24),
		   "%s: the date comes back", rows[i].name);
	}
	/* Midnight and noon in 12 hours. */
	wr(B, B_SET | B_24);
	wr(4, 0);
	wr(B, B_24);
	wr(B, B_SET | B_24);
	is(rd(4), 0, "SET holds the time");
	wr(B, B_SET | B_24);
	for (u32 i = 0; i < ARRAY_SIZE(regs); i++)
		wr(regs[i], time[i]);
	wr(B, old_b);
	is(rd(8), time[5], "the old time is back");
}

static void flags(void)
{
	u8 b = rd(B), s;

	wr(B, b & (0xff ^ (B_PIE | B_AIE | B_UIE | B_SET)));
	(void)rd(C);
	wr(A, 0x26);
	ok(flag(C_PF), "C: periodic flag without its interrupt");
	(void)rd(C);
	s = rd(0);
	ok(flag(C_UF), "C: update-ended flag");
	ok(rd(0) != s || flag(C_UF), "the seconds go on");
	is(rd(A) & 0x80, 0, "A: no update in progress right behind one");
	wr(1, 0xff);
	wr(3, 0xff);
	wr(5, 0xff);
	(void)rd(C);
	ok(flag(C_AF), "C: alarm each second with don't-care bytes");
	is(rd(C) & C_IRQF, 0, "C: no IRQF without an enabled interrupt");
	wr(B, b);
}

static volatile u8 causes;

static void irq(struct regs *r)
{
	(void)r;
	causes |= rd(C);
	outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void interrupts(void)
{
	u8 b = rd(B) & (0xff ^ (B_PIE | B_AIE | B_UIE));

	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	pic_setup(0x50);
	on_vector(0x58, irq);
	(void)rd(C);
	outb(0x21, 0xfb);
	outb(0xa1, 0xfe);
	wr(A, 0x26);
	wr(B, b | B_PIE);
	ok(WAIT_FOR(taken[0x58] >= 5), "IRQ8: periodic, again and again");
	ok((causes & (C_IRQF | C_PF)) == (C_IRQF | C_PF), "IRQ8: periodic, the cause");
	wr(B, b);
	(void)rd(C);
	irq_window();
	causes = 0;
	taken[0x58] = 0;
	wr(B, b | B_UIE);
	ok(WAIT_FOR(taken[0x58] >= 1), "IRQ8: update ended");
	ok((causes & (C_IRQF | C_UF)) == (C_IRQF | C_UF), "IRQ8: update ended, the cause");
	wr(B, b);
	(void)rd(C);
	causes = 0;
	taken[0x58] = 0;
	wr(1, 0xff);
	wr(3, 0xff);
	wr(5, 0xff);
	wr(B, b | B_AIE);
	ok(WAIT_FOR(taken[0x58] >= 1) && (causes & C_AF), "IRQ8: alarm");
	wr(B, b);
	(void)rd(C);
	taken[0x58] = 0;
	wr(A, 0x20);
	(void)rd(C);
	wr(B, b | B_PIE);
	pit_delay(20000);
	irq_window();
	is(taken[0x58], 0, "rate 0: no periodic interrupt");
	wr(B, b);
	wr(A, 0x26);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

void guest_main(void)
{
	registers();
	formats();
	flags();
	interrupts();
}
