/* SPDX-License-Identifier: MIT */
/*
 * One harness for each device, all of this text: the input is a sequence of port and MMIO accesses,
 * time, interrupt acknowledges and events from outside, for a whole board. The including file says
 * which ports are interesting and may look at its device after each step.
 */
#ifndef PLINTH_FUZZ_DEVICE_H
#define PLINTH_FUZZ_DEVICE_H

#include "world.h"

struct port_range {
	u16 first, count;
};

/* Supplied by the including file. An empty range stands for any port. */
static const struct port_range ranges[];
static const size_t nr_ranges;
/* A read that went well; and after each step. */
static void check_read(struct board *b, u16 port, unsigned int size, u32 value);
static void check_device(struct board *b);

#define STEPS_MAX     400
#define CALLS_MAX     2000 /* of the devices to the world in one step */
#define TIMERS_MAX    16
#define TIME_BITS_MAX 45 /* 10 hours at once */
#define IOAPIC_SPAN   0x60

enum step {
	STEP_IN,
	STEP_OUT = 4,
	STEP_MMIO_READ = 8,
	STEP_MMIO_WRITE,
	STEP_PASS,
	STEP_TICK,
	STEP_ACK,
	STEP_LINE,
	STEP_OUTSIDE,
	STEP_RARE,
	STEP_KINDS,
};

static struct board *board;

static u32 mask_of(unsigned int size)
{
	return UINT32_MAX >> (32 - 8 * size);
}

static u16 choose_port(struct input *in)
{
	const struct port_range *r = &ranges[take8(in) % nr_ranges];

	return r->count ? (u16)(r->first + take8(in) % r->count) : take16(in);
}

static unsigned int choose_size(struct input *in)
{
	static const u8 sizes[] = { 1, 1, 2, 4 };

	return sizes[take8(in) % ARRAY_SIZE(sizes)];
}

/* No device in any size at all of these ports. */
static bool open_bus(const struct board *b, u16 port, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		if (port + i < 65536 && b->bus.owner[port + i])
			return false;
	return true;
}

static u32 port_in(struct board *b, u16 port, unsigned int size)
{
	bool open = open_bus(b, port, size);
	u32 value = bus_port_read(&b->bus, port, size);

	CHECK((value & ~mask_of(size)) == 0, "port %#x size %u reads %#x", port, size, value);
	CHECK(!open || value == mask_of(size), "open port %#x size %u reads %#x", port, size,
	      value);
	check_read(b, port, size, value);
	return value;
}

/* --- power-on state ---------------------------------------------------------------------------- */

#define PCI_DWORDS    (3 * 64)
#define RESET_READS   64
#define PORT61_CLOCKS 0x30 /* refresh toggle and output of channel 2 move by themselves */

/* What a reset must bring back. Not here: counters, the clock, CMOS RAM, received data. */
static const struct port_range reset_ports[] = {
	{ 0x20, 2 },  { 0xa0, 2 },  { 0x4d0, 2 }, { 0x64, 1 },	  { 0x92, 1 },
	{ 0xcf9, 1 }, { 0x3f9, 5 }, { 0x3ff, 1 }, { PM_BASE, 8 }, { 0xb2, 2 },
};

struct reset_state {
	u32 pci[PCI_DWORDS];
	u8 port[RESET_READS], port61;
	u64 redir[IOAPIC_PINS];
	u32 ioapic_lines;
	bool intr;
	u64 next_timer;
};

static void record(struct board *b, struct reset_state *s)
{
	static const u8 functions[] = { PCI_HOST_BRIDGE, PCI_ISA_BRIDGE, PCI_PM };
	unsigned int n = 0;

	memset(s, 0, sizeof(*s));
	s->next_timer = timer_next(&b->timers);
	s->intr = pic_pending(&b->pic);
	s->ioapic_lines = b->ioapic.lines;
	memcpy(s->redir, b->ioapic.redir, sizeof(s->redir));
	for (size_t r = 0; r < ARRAY_SIZE(reset_ports); r++)
		for (unsigned int i = 0; i < reset_ports[r].count; i++)
			s->port[n++] =
				(u8)bus_port_read(&b->bus, (u16)(reset_ports[r].first + i), 1);
	s->port61 = (u8)(bus_port_read(&b->bus, 0x61, 1) & ~(u32)PORT61_CLOCKS);
	for (unsigned int i = 0; i < PCI_DWORDS; i++) {
		u32 address = 0x80000000U | (u32)functions[i / 64] << 8 | (i % 64) << 2;

		bus_port_write(&b->bus, 0xcf8, 4, address);
		s->pci[i] = bus_port_read(&b->bus, 0xcfc, 4);
	}
}

static void check_reset(struct board *b)
{
	static struct reset_state fresh, now;
	static bool ready;

	if (!ready) {
		struct board *other = calloc(1, sizeof(*other));

		world_board(other);
		record(other, &fresh);
		free(other);
		ready = true;
	}
	board_reset(b);
	CHECK(b->request == BOARD_NONE, "request %d after a reset", (int)b->request);
	record(b, &now);
	for (unsigned int i = 0; i < RESET_READS; i++)
		CHECK(fresh.port[i] == now.port[i], "register %u: %#x, %#x after a reset", i,
		      fresh.port[i], now.port[i]);
	CHECK(fresh.port61 == now.port61, "port 61: %#x after a reset", now.port61);
	for (unsigned int i = 0; i < PCI_DWORDS; i++)
		CHECK(fresh.pci[i] == now.pci[i], "PCI dword %u: %#x, %#x after a reset", i,
		      fresh.pci[i], now.pci[i]);
	CHECK(!memcmp(fresh.redir, now.redir, sizeof(now.redir)), "redirection after a reset");
	CHECK(fresh.next_timer == now.next_timer, "a timer is armed after a reset");
	CHECK(fresh.intr == now.intr, "INTR after a reset");
}

/* --- steps ------------------------------------------------------------------------------------- */

/* Inputs that no device here drives. */
static void drive_line(struct board *b, u8 what)
{
	static const u8 free_irqs[] = { 3, 5, 6, 7, 10, 11, 14, 15 };
	unsigned int n = what >> 1;

	if (n % 2)
		board_isa_irq(b, free_irqs[n / 2 % ARRAY_SIZE(free_irqs)], what & 1);
	else
		ioapic_set_line(&b->ioapic, 16 + n / 2 % (IOAPIC_PINS - 16), what & 1);
}

/* The processor takes what it would take. */
static void acknowledge(struct board *b, bool spurious)
{
	struct lapic *l = &world_vcpu->lapic;
	bool masked, pending = pic_pending(&b->pic);
	int vector = lapic_pending(l, &masked);

	CHECK(vector >= -1 && vector <= LAPIC_EXTINT, "vector %d", vector);
	if (vector == LAPIC_EXTINT || (vector < 0 && (pending || spurious))) {
		u8 isr[2] = { b->pic.chip[0].isr, b->pic.chip[1].isr };
		u8 v = pic_ack(&b->pic);

		/* In MCS-80 mode the byte is another one. */
		if (!pending && (b->pic.chip[0].icw4 & 1))
			CHECK((v & 7) == 7 && isr[0] == b->pic.chip[0].isr &&
				      isr[1] == b->pic.chip[1].isr,
			      "a spurious interrupt is vector %#x", v);
	} else if (vector >= 0) {
		CHECK(vector >= (int)LAPIC_FIRST_VECTOR, "vector %d", vector);
		lapic_ack(l, (u8)vector);
		if (spurious)
			lapic_mmio_write(l, LAPIC_EOI, 4, 0);
	}
}

static void outside(struct board *b, struct input *in)
{
	u8 what = take8(in);
	size_t n;

	switch (what & 3) {
	case 0: /* typed: bytes of the input itself */
		n = what >> 2;
		world_typed = in->p;
		world_typed_left = n < in->left ? n : in->left;
		board_console_ready(b);
		break;
	case 1:
		uart_backend_ready(&b->uart[0]);
		break;
	case 2:
		i8042_typed(&b->i8042);
		break;
	default:
		acpi_pm_power_button(&b->pm);
		break;
	}
}

static void check_timers(const struct timer_queue *q)
{
	unsigned int n = 0;

	for (const struct timer *t = q->head; t; t = t->next) {
		CHECK(t->armed && ++n <= TIMERS_MAX, "timer %u", n);
		CHECK(!t->next || t->next->deadline >= t->deadline, "timer %u is not in order", n);
		CHECK(t->deadline > world_now || t->run == q->run, "timer %u was not served", n);
	}
}

static void pass(struct board *b, u64 ns)
{
	world_pass(ns);
	check_timers(&b->timers);
	check_timers(&world_vcpu->timers);
}

static void one_step(struct board *b, struct input *in)
{
	u8 kind = take8(in) % STEP_KINDS;
	unsigned int size;
	u16 port;
	u32 offset;

	switch (kind) {
	case STEP_MMIO_READ:
		offset = take8(in) % IOAPIC_SPAN;
		size = 1U << take8(in) % 4;
		bus_mmio_read(&b->bus, IOAPIC_BASE + offset, size);
		break;
	case STEP_MMIO_WRITE:
		offset = take8(in) % IOAPIC_SPAN;
		size = 1U << take8(in) % 4;
		bus_mmio_write(&b->bus, IOAPIC_BASE + offset, size, take(in, size));
		break;
	case STEP_PASS:
		pass(b, take16(in) * 1000ULL);
		break;
	case STEP_TICK:
		offset = take8(in);
		pass(b, 1ULL << offset % TIME_BITS_MAX | offset);
		break;
	case STEP_ACK:
		acknowledge(b, take8(in) & 1);
		break;
	case STEP_LINE:
		drive_line(b, take8(in));
		break;
	case STEP_OUTSIDE:
		outside(b, in);
		break;
	case STEP_RARE:
		offset = take8(in);
		if (offset == 0)
			check_reset(b);
		else if (offset & 1)
			b->request = BOARD_NONE;
		else
			lapic_mmio_write(&world_vcpu->lapic, (offset & 0x3f) << 4, 4, take32(in));
		break;
	default:
		port = choose_port(in);
		size = choose_size(in);
		if (kind < STEP_OUT)
			port_in(b, port, size);
		else
			bus_port_write(&b->bus, port, size, (u32)take(in, size));
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };

	world_start();
	board = &world_vm->board;
	for (unsigned int i = 0; i < STEPS_MAX && in.left; i++) {
		world_calls = 0;
		one_step(board, &in);
		CHECK(world_calls < CALLS_MAX, "%lu calls in one step", world_calls);
		CHECK(board->request <= BOARD_DEBUG_EXIT, "request %d", (int)board->request);
		CHECK(board->bus.unhandleds <= BUS_UNHANDLED, "%u open ports",
		      board->bus.unhandleds);
		check_device(board);
	}
	board->lock = (struct spinlock){ 0 };
	/* The lines of what is not on the board go low first. */
	for (unsigned int what = 0; what < 64; what += 2)
		drive_line(board, (u8)what);
	world_typed_left = 0;
	check_reset(board);
	return 0;
}

#endif
