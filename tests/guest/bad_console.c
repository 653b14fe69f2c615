/* SPDX-License-Identifier: MIT */
/*
 * The other end of tests/system/test_console.py. "paste": takes in 64 KiB by interrupts, shows their
 * checksum and sends them back. "flood": sends for a while to somebody who does not read, and shows
 * how many of the 8254's interrupts came meanwhile. TI PC16550D data sheet; 82371AB (PM timer).
 */
#include "guest.h"

#define COM1 0x3f8
#define BASE 0x20

enum {
	PASTE = 65536,
	PM_HZ = 3579545,
	PM_MASK = 0xffffff,
	PIT_HZ = 1193182,
	TICK_HZ = 1000,
	FLOOD_SECONDS = 2,
	FIFO = 16,
	FIFO_TRIGGER_14 = 0xc7,
	LSR_DR = 1,
	LSR_OE = 2,
	LSR_THRE = 0x20,
	MCR_OUT2_RTS_DTR = 0x0b,
};

static u8 pasted[PASTE];
static volatile u32 got, overruns, ticks;

static void receive(struct regs *r)
{
	u8 lsr;

	(void)r;
	while ((lsr = inb(COM1 + 5)) & LSR_DR) {
		u8 byte = inb(COM1);

		overruns += (lsr & LSR_OE) != 0;
		if (got < PASTE)
			pasted[got++] = byte;
	}
	outb(0x20, 0x20);
}

static void tick(struct regs *r)
{
	(void)r;
	ticks++;
	outb(0x20, 0x20);
}

/* FNV-1a. */
static u32 checksum(const u8 *p, u32 n)
{
	u32 sum = 0x811c9dc5;

	while (n--)
		sum = (sum ^ *p++) * 0x01000193;
	return sum;
}

static void send(u8 byte)
{
	while (!(inb(COM1 + 5) & LSR_THRE))
		cpu_pause();
	outb(COM1, byte);
}

static void paste(void)
{
	pic_setup(BASE);
	on_vector(BASE + 4, receive);
	outb(COM1 + 2, FIFO_TRIGGER_14);
	outb(COM1 + 4, MCR_OUT2_RTS_DTR);
	outb(COM1 + 1, 1);
	outb(0x21, 0xef);
	print("ready\n");
	ok(WAIT_FOR(got == PASTE), "all of it came");
	outb(COM1 + 1, 0);
	print("got %u, checksum %x, overruns %u\n", got, checksum(pasted, got), overruns);
	print("back:");
	for (u32 i = 0; i < got; i++)
		send(pasted[i]);
	print("\nsent\n");
}

static u32 pm_clocks(u16 port, u32 since)
{
	return (inl(port) - since) & PM_MASK;
}

static void flood(void)
{
	u16 port = (u16)(pm_base() + 8);
	u64 passed = 0, blocked = 0;
	u32 sent = 0, expected, last;

	pic_setup(BASE);
	on_vector(BASE, tick);
	outb(COM1 + 2, FIFO_TRIGGER_14);
	outb(0x43, 0x34);
	outb(0x40, PIT_HZ / TICK_HZ & 0xff);
	outb(0x40, PIT_HZ / TICK_HZ >> 8);
	outb(0x21, 0xfe);
	print("flood\n");
	last = inl(port);
	ticks = 0;
	while (passed < (u64)FLOOD_SECONDS * PM_HZ) {
		bool room = inb(COM1 + 5) & LSR_THRE;
		u32 step;

		for (u32 i = 0; room && i < FIFO; i++, sent++)
			outb(COM1, (u8) "0123456789abcde\n"[i]);
		irq_window();
		step = pm_clocks(port, last);
		last = (last + step) & PM_MASK;
		passed += step;
		blocked += room ? 0 : step;
	}
	expected = (u32)(passed * TICK_HZ / PM_HZ);
	outb(0x21, 0xff);
	print("\nticks %u of %u, sent %u, blocked %u ms\n", ticks, expected, sent,
	      (u32)(blocked * 1000 / PM_HZ));
}

void guest_main(void)
{
	if (cmdline_has("paste"))
		paste();
	else
		flood();
}
