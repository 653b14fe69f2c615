/* SPDX-License-Identifier: MIT */
/*
 * The 8254, mostly channel 2 with its gate and OUT at port 61: Intel 8254 data sheet (231164-005).
 */
#include "guest.h"

#define CH0	0x40
#define CH2	0x42
#define CONTROL 0x43
#define PORT61	0x61
#define GATE	1
#define OUT	0x20
#define REFRESH 0x10
#define BASE	0x50
#define ROUNDS	(WAIT_ROUNDS / 16)
#define ST_NULL 0x40
#define ST_OUT	0x80

static void gate(bool on)
{
	outb(PORT61, on ? GATE : 0);
}

static bool out(void)
{
	return inb(PORT61) & OUT;
}

static bool wait_out(bool level)
{
	for (u32 n = 0; n < ROUNDS; n++)
		if (out() == level)
			return true;
	return false;
}

static void program(u8 mode, u8 bcd, u16 count)
{
	outb(CONTROL, (u8)(0xb0 | mode << 1 | bcd));
	outb(CH2, (u8)count);
	outb(CH2, (u8)(count >> 8));
}

static u16 latched(void)
{
	u8 low;

	outb(CONTROL, 0x80);
	low = inb(CH2);
	return (u16)(low | inb(CH2) << 8);
}

static u8 status(void)
{
	outb(CONTROL, 0xe8);
	return inb(CH2);
}

static void mode0(void)
{
	u16 a, b;

	gate(true);
	outb(CONTROL, 0xb0);
	ok(!out(), "mode 0: OUT is low after the control word");
	ok(status() & ST_NULL, "mode 0: null count before a count");
	outb(CH2, 100);
	outb(CH2, 0);
	ok(wait_out(true), "mode 0: OUT rises at terminal count");
	ok(!(status() & ST_NULL), "mode 0: no null count after the load");
	a = latched();
	for (u32 n = 0; n < ROUNDS && latched() == a; n++)
		;
	ok(latched() > 100, "mode 0: the count goes on below zero");
	program(0, 0, 60000);
	ok(!out(), "mode 0: a new count lowers OUT");
	for (u32 n = 0; n < ROUNDS && latched() > 59900; n++)
		;
	gate(false);
	a = latched();
	for (u32 n = 0; n < 1000; n++)
		(void)inb(PORT61);
	b = latched();
	ok(a == b && a < 60000, "mode 0: a low gate stops the count");
	gate(true);
	for (u32 n = 0; n < ROUNDS && latched() == b; n++)
		;
	ok(latched() < b && latched() > 10000, "mode 0: the gate lets it go on");
	outb(CH2, 50);
	/* QEMU waits for the second byte. */
	inside_only((a = latched()) == latched(), "mode 0: the first byte stops the count");
	outb(CH2, 0);
	ok(wait_out(true), "mode 0: and the second starts it anew");
}

static void mode1(void)
{
	gate(false);
	program(1, 0, 2000);
	ok(out(), "mode 1: OUT is high before the trigger");
	for (u32 n = 0; n < 3000; n++)
		(void)inb(PORT61);
	ok(out(), "mode 1: and stays so");
	gate(true);
	ok(wait_out(false), "mode 1: the gate's edge starts the pulse");
	ok(wait_out(true), "mode 1: the pulse ends");
	gate(false);
	ok(out(), "mode 1: a low gate changes nothing");
	program(1, 0, 60000);
	gate(true);
	ok(wait_out(false), "mode 1: triggered again");
	for (u32 n = 0; n < ROUNDS && latched() > 50000; n++)
		;
	gate(false);
	gate(true);
	for (u32 n = 0; n < 16; n++)
		(void)inb(PORT61);
	ok(latched() > 50000 && !out(), "mode 1: a new edge starts the count anew");
}

static void periodic(void)
{
	u16 top = 0, bottom = 0xffff;
	bool odd = false, high = false, low = false;

	gate(true);
	program(2, 0, 1000);
	/* The count is loaded at the next clock: until then what was there before is read. */
	for (u32 n = 0; n < ROUNDS && latched() > 1000; n++)
		;
	for (u32 n = 0; n < 20000; n++) {
		u16 c = latched();

		top = c > top ? c : top;
		bottom = c < bottom ? c : bottom;
	}
	ok(top <= 1000 && bottom >= 1 && top > bottom, "mode 2: counts from N to 1");
	gate(false);
	ok(out(), "mode 2: OUT is high while the gate is low");
	gate(true);
	program(3, 0, 5000);
	for (u32 n = 0; n < ROUNDS && latched() <= 1000; n++)
		;
	top = 0;
	for (u32 n = 0; n < 20000; n++) {
		u16 c = latched();

		odd |= c & 1;
		top = c > top ? c : top;
		if (out())
			high = true;
		else
			low = true;
	}
	ok(top <= 5000 && !odd, "mode 3: counts by two");
	ok(high && low, "mode 3: OUT is a square wave");
	gate(false);
	ok(out(), "mode 3: OUT is high while the gate is low");
	gate(true);
	outb(CONTROL, 0xbe); /* mode 7 is 3 */
	is((status() >> 1 & 7) == 3 || (status() >> 1 & 7) == 7, 1, "mode 7 is mode 3");
	outb(CONTROL, 0xbc);
	is((status() >> 1 & 3), 2, "mode 6 is mode 2");
}

static void strobes(void)
{
	gate(true);
	program(4, 0, 60000);
	ok(out(), "mode 4: OUT is high while it counts");
	for (u32 n = 0; n < ROUNDS && latched() > 59000; n++)
		;
	ok(latched() <= 59000, "mode 4: the count starts by the write");
	gate(false);
	program(5, 0, 60000);
	ok(out(), "mode 5: OUT is high before the trigger");
	gate(true);
	/* The edge loads the count at the next clock: until then what was there before is read. */
	for (u32 n = 0; n < ROUNDS && latched() <= 59000; n++)
		;
	for (u32 n = 0; n < ROUNDS && latched() > 59000; n++)
		;
	ok(latched() <= 59000, "mode 5: the gate's edge starts the count");
}

static void access(void)
{
	static const u8 modes[] = { 0x10, 0x20, 0x30 };
	u16 a;
	u8 low, s;
	bool bcd = true;

	gate(false);
	for (u32 i = 0; i < ARRAY_SIZE(modes); i++) {
		outb(CONTROL, (u8)(0x80 | modes[i] | 4));
		is(status() & 0x3f, modes[i] | 4U, "read-back: status has access mode %u", i + 1);
	}
	program(0, 0, 0x1234);
	gate(true);
	gate(false);
	outb(CONTROL, 0x80);
	outb(CONTROL, 0x80);
	low = inb(CH2);
	a = (u16)(low | inb(CH2) << 8);
	ok(a <= 0x1234 && a > 0x100, "latch: low byte, then high byte");
	gate(true);
	program(0, 0, 60000);
	outb(CONTROL, 0x80);
	/* More than 1000 clocks, and less than 60000 where a TSC tick is an instruction at 20 MHz. */
	for (u32 n = 0; n < 1000; n++)
		(void)inb(PORT61);
	outb(CONTROL, 0x80);
	low = inb(CH2);
	a = (u16)(low | inb(CH2) << 8);
	ok(a > latched(), "latch: holds its value until it is read");
	ok(a > 59000, "latch: a second command is ignored");
	outb(CONTROL, 0xc8);
	s = inb(CH2);
	low = inb(CH2);
	a = (u16)(low | inb(CH2) << 8);
	ok((s & 0x3f) == 0x30 && a <= 60000, "read-back: status first, then the count");
	gate(false);
	outb(CONTROL, 0x90);
	outb(CH2, 0x40);
	is(inb(CH2) <= 0x40, 1, "low byte only");
	outb(CONTROL, 0xa0);
	outb(CH2, 0x40);
	is(inb(CH2) <= 0x40, 1, "high byte only");
	gate(true);
	program(2, 1, 0x9000);
	for (u32 n = 0; n < 2000; n++) {
		u16 c = latched();

		for (u32 d = 0; d < 16; d += 4)
			bcd &= (c >> d & 0xf) <= 9;
		bcd &= c <= 0x9000;
	}
	ok(bcd, "BCD: all digits are decimal");
	is(status() & 1, 1, "BCD: status says so");
	program(2, 0, 0);
	for (u32 n = 0; n < ROUNDS && latched() < 60000; n++)
		;
	ok(latched() > 1000, "a count of 0 is the largest");
}

static void port61(void)
{
	bool high = false, low = false;

	outb(PORT61, 0x0f);
	is(inb(PORT61) & 0x0f, 0x0f, "port 61: the low bits read back");
	outb(PORT61, 0);
	is(inb(PORT61) & 0x0f, 0, "port 61: the low bits read back 0");
	for (u32 n = 0; n < ROUNDS && !(high && low); n++)
		if (inb(PORT61) & REFRESH)
			high = true;
		else
			low = true;
	ok(high && low, "port 61: the refresh bit toggles");
}

static void eoi(struct regs *r)
{
	(void)r;
	outb(0x20, 0x20);
}

static void irq0(void)
{
	u32 n;

	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	pic_setup(BASE);
	on_vector(BASE, eoi);
	outb(CONTROL, 0x34);
	outb(CH0, 0xa9);
	outb(CH0, 0x04); /* 1193: 1 ms */
	outb(0x21, 0xfe);
	ok(WAIT_FOR(taken[BASE] >= 10), "mode 2: IRQ0 comes again and again");
	outb(CONTROL, 0x36);
	outb(CH0, 0xa9);
	outb(CH0, 0x04);
	n = taken[BASE];
	ok(WAIT_FOR(taken[BASE] >= n + 10), "mode 3: IRQ0 comes again and again");
	outb(CONTROL, 0x30);
	irq_window();
	irq_window();
	on_vector(BASE, eoi);
	outb(CH0, 0x20);
	outb(CH0, 0);
	ok(WAIT_FOR(taken[BASE] == 1), "mode 0: IRQ0 comes");
	pit_delay(5000);
	irq_window();
	is(taken[BASE], 1, "mode 0: once");
	outb(CONTROL, 0x38);
	outb(CH0, 0x20);
	outb(CH0, 0);
	ok(WAIT_FOR(taken[BASE] == 2), "mode 4: IRQ0 comes at the end of the strobe");
	/* HLT is ended by it. */
	outb(CONTROL, 0x30);
	outb(CH0, 0);
	outb(CH0, 0x10);
	n = taken[BASE];
	for (u32 i = 0; i < 4 && taken[BASE] == n; i++)
		irq_wait();
	ok(taken[BASE] > n, "HLT is ended by IRQ0");
	outb(0x21, 0xff);
}

/* An emulator on a busy machine loses some; more than there were must never come. */
static void rates(void)
{
	u32 n, elapsed;

	outb(CONTROL, 0x34);
	outb(CH0, 0xa9);
	outb(CH0, 0x04);
	on_vector(BASE, eoi);
	outb(0x21, 0xfe);
	(void)WAIT_FOR(taken[BASE]);
	n = taken[BASE];
	gate(true);
	program(0, 0, 59650); /* 50 ms */
	(void)WAIT_FOR(out());
	n = taken[BASE] - n;
	/* Channel 2 counts on below 0: how late its end was seen. */
	elapsed = 59650 + (u16)-latched();
	outb(0x21, 0xff);
	ok(n >= 5 && n <= elapsed / 1193 + 1,
	   "channel 0 interrupts as often as channel 2's count says");
	if (n < elapsed / 1193 - 1 || n > elapsed / 1193 + 1)
		print("# %u interrupts in %u clocks\n", n, elapsed);
}

void guest_main(void)
{
	mode0();
	mode1();
	periodic();
	strobes();
	access();
	port61();
	irq0();
	rates();
}
