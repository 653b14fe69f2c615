/* SPDX-License-Identifier: MIT */
/*
 * ACPI power-management registers: ACPI 6.4, 4.8.3; 82371AB data sheet (290562) ch. 7.
 */
#include "guest.h"

#define STATUS	0
#define ENABLE	2
#define CONTROL 4
#define TIMER	8
#define TMR	0x0001
#define GBL	0x0020
#define SCI_EN	0x0001
#define SLP_TYP 0x1c00
#define ROUNDS	200000000U

static u16 base;

static u32 count(void)
{
	return inl((u16)(base + TIMER)) & 0xffffff;
}

static void timer(void)
{
	u32 first = count(), last = first, back = 0, moved = 0;
	u64 t0, t1;
	u32 a, b;

	for (u32 n = 0; n < 20000; n++) {
		u32 now = count(), step = now - last;

		step &= 0xffffff;
		if (step > 0x800000)
			back++;
		moved += step != 0;
		last = now;
	}
	is(back, 0, "timer: never goes back");
	ok(moved > 10, "timer: moves");
	is(inl((u16)(base + TIMER)) >> 24, 0, "timer: 24 bits");
	a = count();
	outl((u16)(base + TIMER), 0);
	ok(((count() - a) & 0xffffff) < 0x400000, "timer: read-only");
	/* Twice the 8254's clocks take twice the counts: three clocks of 1193182 Hz are nine of ours. */
	a = count();
	t0 = rdtsc();
	pit_delay(30000);
	t1 = rdtsc();
	b = count();
	a = (b - a) & 0xffffff;
	ok(a >= 89000, "timer: three times as fast as the 8254");
	if (a < 89000)
		print("# %u counts\n", a);
	ok(t1 > t0, "TSC goes on meanwhile");
}

static void event(void)
{
	u16 enable = inw((u16)(base + ENABLE)), control = inw((u16)(base + CONTROL));

	outw((u16)(base + ENABLE), 0x0520);
	is(inw((u16)(base + ENABLE)), 0x0520, "PM1 enable reads back");
	outw((u16)(base + ENABLE), 0);
	is(inw((u16)(base + ENABLE)), 0, "PM1 enable reads back 0");
	is(inl((u16)(base + STATUS)) >> 16, 0, "PM1: status and enable as a dword");
	outb((u16)(base + ENABLE), TMR);
	is(inb((u16)(base + ENABLE)), TMR, "PM1 enable: a byte");
	outw((u16)(base + ENABLE), 0);
	outw((u16)(base + CONTROL), (u16)(SCI_EN | 0x0400));
	is(inw((u16)(base + CONTROL)) & (SLP_TYP | SCI_EN), 0x0400 | SCI_EN,
	   "PM1 control: SLP_TYP and SCI_EN");
	is(inw((u16)(base + CONTROL)) & 0x2000, 0, "PM1 control: SLP_EN reads 0");
	outw((u16)(base + CONTROL), control);
	outw((u16)(base + ENABLE), enable);
}

static volatile u16 status_seen;

static void sci(struct regs *r)
{
	(void)r;
	status_seen = inw((u16)(base + STATUS));
	outw((u16)(base + ENABLE), 0);
	outw((u16)(base + STATUS), TMR);
	outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

/* The top bit changes each 2.3 s: that is waited for once. */
static void carry(void)
{
	u32 n = 0;

	/* Bochs' SCI is not on IRQ 9. */
	if (bare_bochs) {
		inside_only(false, "SCI: the timer's carry interrupts");
		inside_only(false, "SCI: its status");
		inside_only(false, "SCI: low when the status is cleared");
		return;
	}
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, 0x700);
	pic_setup(0x50);
	outb(0x4d1, 0x02);
	on_vector(0x59, sci);
	outw((u16)(base + CONTROL), SCI_EN);
	outw((u16)(base + STATUS), 0xffff);
	is(inw((u16)(base + STATUS)) & TMR, 0, "PM1 status: written ones clear");
	outb(0x21, 0xfb);
	outb(0xa1, 0xfd);
	outw((u16)(base + ENABLE), TMR);
	for (; n < ROUNDS && !taken[0x59]; n++)
		irq_window();
	is(taken[0x59], 1, "SCI: the timer's carry interrupts");
	ok(status_seen & TMR, "SCI: its status");
	irq_window();
	is(taken[0x59], 1, "SCI: low when the status is cleared");
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	outb(0x4d1, 0);
}

static void smi_command(void)
{
	outb(0xb2, 0xf0);
	inside_only(!(inw((u16)(base + CONTROL)) & SCI_EN), "SMI command: ACPI off");
	outb(0xb2, 0xf1);
	inside_only(inw((u16)(base + CONTROL)) & SCI_EN, "SMI command: ACPI on");
	is(inb(0xb2), 0xf1, "SMI command reads back");
}

void guest_main(void)
{
	base = pm_base();
	if (!base) {
		skip("PM ports", "the board has none");
		return;
	}
	timer();
	event();
	if (under_plinth)
		smi_command();
	carry();
}
