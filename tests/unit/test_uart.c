/* SPDX-License-Identifier: MIT */
/*
 * 16550A against the PC16550D data sheet: each case is a script of register accesses with the
 * expected answers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dev/uart.h"

#define PORT 0x3f8

static struct bus bus;
static struct timer_queue q;
static struct uart u;
static u64 clock_now;
static bool irq;
static unsigned int edges;

/* The wire. */
static u8 sent[70000];
static size_t sent_n, room;
static const u8 *incoming;
static size_t incoming_n;

static u64 clock(void)
{
	return clock_now;
}

static void set_irq(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	assert_int_equal(line, 4);
	edges += level && !irq;
	irq = level;
}

static bool wire_tx(void *ctx, u8 byte)
{
	(void)ctx;
	if (room == 0)
		return false;
	room--;
	assert_true(sent_n < sizeof(sent));
	sent[sent_n++] = byte;
	return true;
}

static int wire_rx(void *ctx)
{
	(void)ctx;
	if (incoming_n == 0)
		return -1;
	incoming_n--;
	return *incoming++;
}

static const struct uart_backend wire = { .tx = wire_tx, .rx = wire_rx };

static void start(const struct uart_backend *backend)
{
	bus_init(&bus);
	timer_queue_init(&q, clock);
	sent_n = 0;
	room = SIZE_MAX;
	incoming_n = 0;
	irq = false;
	edges = 0;
	uart_init(&u, &q, backend, (struct irq_line){ .set = set_irq, .line = 4 });
	assert_int_equal(uart_attach(&u, &bus, PORT), 0);
}

static int setup(void **state)
{
	(void)state;
	start(&wire);
	return 0;
}

enum op {
	END,
	W,    /* write value to reg */
	R,    /* read value from reg */
	IRQ,  /* the line is at value */
	RX,   /* value bytes 'a', 'b'... arrive */
	NS,   /* value microseconds pass, reg unused */
	ROOM, /* the other end takes value more bytes */
	SENT, /* value bytes have left in all */
};

enum {
	DATA,
	IER,
	IIR,
	LCR,
	MCR,
	LSR,
	MSR,
	SCR,
	FCR = IIR
};

struct step {
	enum op op;
	unsigned int reg, value;
};

static void run(const struct step *s, const char *name)
{
	static const u8 letters[] = "abcdefghijklmnopqrstuvwxyz";
	unsigned int got;

	for (int i = 0; s[i].op != END; i++) {
		switch (s[i].op) {
		case W:
			bus_port_write(&bus, (u16)(PORT + s[i].reg), 1, s[i].value);
			break;
		case R:
			got = bus_port_read(&bus, (u16)(PORT + s[i].reg), 1);
			if (got != s[i].value)
				fail_msg("%s step %d: reg %u is %02x, want %02x", name, i, s[i].reg,
					 got, s[i].value);
			break;
		case IRQ:
			if (irq != !!s[i].value)
				fail_msg("%s step %d: irq is %d", name, i, irq);
			break;
		case RX:
			incoming = letters;
			incoming_n = s[i].value;
			uart_backend_ready(&u);
			break;
		case NS:
			clock_now += s[i].value * 1000ULL;
			timer_run(&q, clock_now);
			break;
		case ROOM:
			room = s[i].value;
			uart_backend_ready(&u);
			break;
		case SENT:
			if (sent_n != s[i].value)
				fail_msg("%s step %d: sent %zu", name, i, sent_n);
			break;
		case END:
			break;
		}
	}
}

/* 115200 8N1: four characters take 347 us. */
#define FAST                                             \
	{ W, LCR, 0x83 }, { W, DATA, 1 }, { W, IER, 0 }, \
	{                                                \
		W, LCR, 0x03                             \
	}

static const struct step reset_state[] = {
	{ R, IER, 0 },	  { R, IIR, 0x01 }, { R, LCR, 0 }, { R, MCR, 0 },
	{ R, LSR, 0x60 }, { R, MSR, 0xb0 }, { IRQ, 0, 0 }, { END, 0, 0 },
};

static const struct step scratch_and_divisor[] = {
	{ W, SCR, 0x5a },  { R, SCR, 0x5a }, { W, LCR, 0x80 }, { W, DATA, 0x34 }, { W, IER, 0x12 },
	{ R, DATA, 0x34 }, { R, IER, 0x12 }, { W, LCR, 0x03 }, { R, IER, 0x00 },  { SENT, 0, 0 },
	{ W, IER, 0xff },  { R, IER, 0x0f }, { W, MCR, 0xff }, { R, MCR, 0x1f },  { W, LSR, 0x00 },
	{ R, LSR, 0x60 },  { W, LCR, 0xff }, { R, LCR, 0xff }, { END, 0, 0 },
};

static const struct step fifo_bits[] = {
	{ R, IIR, 0x01 }, { W, FCR, 0xc0 }, { R, IIR, 0x01 }, { W, FCR, 0x01 }, { R, IIR, 0xc1 },
	{ W, FCR, 0xc7 }, { R, IIR, 0xc1 }, { W, FCR, 0x00 }, { R, IIR, 0x01 }, { END, 0, 0 },
};

/* THRE: raised by the enable, cleared by reading IIR, raised again by an emptied THR. */
static const struct step thre[] = {
	{ W, MCR, 0x0b }, { W, IER, 0x02 }, { IRQ, 0, 1 },    { R, IIR, 0x02 }, { IRQ, 0, 0 },
	{ R, IIR, 0x01 }, { W, DATA, 'x' }, { SENT, 0, 1 },   { IRQ, 0, 1 },	{ R, IIR, 0x02 },
	{ R, IIR, 0x01 }, { W, IER, 0x02 }, { R, IIR, 0x01 }, { W, IER, 0x00 }, { W, IER, 0x02 },
	{ R, IIR, 0x02 }, { IRQ, 0, 0 },    { W, IER, 0x00 }, { W, IER, 0x02 }, { IRQ, 0, 1 },
	{ W, IER, 0x00 }, { IRQ, 0, 0 },    { END, 0, 0 },
};

/* The other end is full: THRE and TEMT stay clear until it has taken all. */
static const struct step tx_full[] = {
	{ W, FCR, 0x01 }, { W, MCR, 0x08 }, { W, IER, 0x02 }, { R, IIR, 0xc2 }, { ROOM, 0, 1 },
	{ W, DATA, 'a' }, { R, LSR, 0x60 }, { W, DATA, 'b' }, { R, LSR, 0x00 }, { R, IIR, 0xc1 },
	{ W, DATA, 'c' }, { SENT, 0, 1 },   { ROOM, 0, 1 },   { SENT, 0, 2 },	{ R, LSR, 0x00 },
	{ IRQ, 0, 0 },	  { ROOM, 0, 1 },   { SENT, 0, 3 },   { IRQ, 0, 1 },	{ R, LSR, 0x60 },
	{ R, IIR, 0xc2 }, { ROOM, 0, 0 },   { W, DATA, 'd' }, { W, FCR, 0x05 }, { R, LSR, 0x60 },
	{ R, IIR, 0xc2 }, { ROOM, 0, 9 },   { SENT, 0, 3 },   { END, 0, 0 },
};

static const struct step out2_gates[] = {
	{ W, IER, 0x02 }, { IRQ, 0, 0 }, { W, MCR, 0x08 }, { IRQ, 0, 1 },
	{ W, MCR, 0x00 }, { IRQ, 0, 0 }, { R, IIR, 0x02 }, { END, 0, 0 },
};

static const struct step rx_single[] = {
	{ W, MCR, 0x08 }, { W, IER, 0x01 }, { RX, 0, 2 },     { IRQ, 0, 1 },	{ R, IIR, 0x04 },
	{ R, LSR, 0x61 }, { R, DATA, 'a' }, { IRQ, 0, 1 },    { R, LSR, 0x61 }, { R, DATA, 'b' },
	{ IRQ, 0, 0 },	  { R, LSR, 0x60 }, { R, IIR, 0x01 }, { END, 0, 0 },
};

static const struct step trigger_8[] = {
	FAST,
	{ W, FCR, 0x81 },
	{ W, MCR, 0x08 },
	{ W, IER, 0x01 },
	{ RX, 0, 7 },
	{ IRQ, 0, 0 },
	{ R, IIR, 0xc1 },
	{ NS, 0, 300 },
	{ IRQ, 0, 0 },
	{ NS, 0, 48 },
	{ IRQ, 0, 1 },
	{ R, IIR, 0xcc },
	{ R, DATA, 'a' },
	{ IRQ, 0, 0 },
	{ R, IIR, 0xc1 },
	{ RX, 0, 2 },
	{ IRQ, 0, 1 },
	{ R, IIR, 0xc4 },
	{ R, DATA, 'b' },
	{ IRQ, 0, 0 },
	{ NS, 0, 348 },
	{ R, IIR, 0xcc },
	{ W, FCR, 0x83 },
	{ IRQ, 0, 0 },
	{ R, LSR, 0x60 },
	{ NS, 0, 1000 },
	{ R, IIR, 0xc1 },
	{ END, 0, 0 },
};

static const struct step trigger_levels[] = {
	{ W, IER, 0x01 }, { W, FCR, 0x01 }, { RX, 0, 1 }, { R, IIR, 0xc4 }, { W, FCR, 0x43 },
	{ RX, 0, 3 },	  { R, IIR, 0xc1 }, { RX, 0, 1 }, { R, IIR, 0xc4 }, { W, FCR, 0xc3 },
	{ RX, 0, 13 },	  { R, IIR, 0xc1 }, { RX, 0, 1 }, { R, IIR, 0xc4 }, { END, 0, 0 },
};

/* No timeout while the receiver interrupt is off is seen, but it was counted. */
static const struct step timeout_masked[] = {
	FAST,	       { W, FCR, 0xc1 }, { W, MCR, 0x08 }, { RX, 0, 1 },     { NS, 0, 400 },
	{ IRQ, 0, 0 }, { W, IER, 0x01 }, { IRQ, 0, 1 },	   { R, IIR, 0xcc }, { END, 0, 0 },
};

static const struct step loop_modem[] = {
	{ R, MSR, 0xb0 }, { W, MCR, 0x10 }, { R, MSR, 0x0b }, { R, MSR, 0x00 }, { W, MCR, 0x12 },
	{ R, MSR, 0x11 }, { W, MCR, 0x13 }, { R, MSR, 0x32 }, { W, MCR, 0x17 }, { R, MSR, 0x70 },
	{ W, MCR, 0x1f }, { R, MSR, 0xf8 }, { W, MCR, 0x1b }, { R, MSR, 0xb4 }, { R, MSR, 0xb0 },
	{ W, MCR, 0x0b }, { R, MSR, 0xb0 }, { END, 0, 0 },
};

static const struct step loop_modem_irq[] = {
	{ W, MCR, 0x18 }, { R, MSR, 0x83 }, { W, IER, 0x08 }, { IRQ, 0, 0 },
	{ W, MCR, 0x1a }, { IRQ, 0, 1 },    { R, IIR, 0x00 }, { IRQ, 0, 1 },
	{ R, MSR, 0x91 }, { IRQ, 0, 0 },    { R, IIR, 0x01 }, { END, 0, 0 },
};

static const struct step loop_data[] = {
	{ W, LCR, 0x03 },  { W, MCR, 0x10 },  { W, DATA, 0xa5 }, { SENT, 0, 0 },
	{ R, LSR, 0x61 },  { R, DATA, 0xa5 }, { R, LSR, 0x60 },	 { W, LCR, 0x00 },
	{ W, DATA, 0xff }, { R, DATA, 0x1f }, { END, 0, 0 },
};

/* One byte too many: the single register takes the new one, the FIFO keeps the old ones. */
static const struct step overrun_single[] = {
	{ W, LCR, 0x03 }, { W, IER, 0x04 }, { W, MCR, 0x18 }, { W, DATA, 1 }, { W, DATA, 2 },
	{ IRQ, 0, 1 },	  { R, IIR, 0x06 }, { R, LSR, 0x63 }, { IRQ, 0, 0 },  { R, LSR, 0x61 },
	{ R, DATA, 2 },	  { R, LSR, 0x60 }, { END, 0, 0 },
};

static const struct step break_fifo[] = {
	{ W, LCR, 0x03 }, { W, FCR, 0x01 }, { W, MCR, 0x18 }, { W, IER, 0x04 }, { W, DATA, 7 },
	{ W, LCR, 0x43 }, { IRQ, 0, 0 },    { R, LSR, 0xe1 }, { W, DATA, 9 },	{ W, LCR, 0x03 },
	{ R, DATA, 7 },	  { IRQ, 0, 1 },    { R, IIR, 0xc6 }, { R, LSR, 0xf1 }, { R, LSR, 0x61 },
	{ IRQ, 0, 0 },	  { R, DATA, 0 },   { R, LSR, 0x60 }, { END, 0, 0 },
};

/* Priority: line status, received data, transmitter, modem. */
static const struct step priority[] = {
	{ W, LCR, 0x03 }, { W, MCR, 0x10 }, { W, IER, 0x0f }, { W, DATA, 1 }, { W, DATA, 2 },
	{ R, IIR, 0x06 }, { R, LSR, 0x63 }, { R, IIR, 0x04 }, { R, DATA, 2 }, { R, IIR, 0x02 },
	{ R, IIR, 0x00 }, { R, MSR, 0x0b }, { R, IIR, 0x01 }, { END, 0, 0 },
};

/* Loopback takes the receiver off the line; what came meanwhile is not lost. */
static const struct step loop_holds_line[] = {
	{ W, FCR, 0x01 }, { W, MCR, 0x10 }, { RX, 0, 3 },     { R, LSR, 0x60 },
	{ W, MCR, 0x00 }, { R, LSR, 0x61 }, { W, LCR, 0x03 }, { END, 0, 0 },
};

static const struct step break_on_line[] = {
	{ W, LCR, 0x43 }, { W, DATA, 'x' }, { SENT, 0, 0 }, { R, LSR, 0x60 },
	{ W, LCR, 0x03 }, { W, DATA, 'y' }, { SENT, 0, 1 }, { END, 0, 0 },
};

#define CASE(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	const struct step *steps;
} cases[] = {
	CASE(reset_state),     CASE(scratch_and_divisor), CASE(fifo_bits),  CASE(thre),
	CASE(tx_full),	       CASE(out2_gates),	  CASE(rx_single),  CASE(trigger_8),
	CASE(trigger_levels),  CASE(timeout_masked),	  CASE(loop_modem), CASE(loop_modem_irq),
	CASE(loop_data),       CASE(overrun_single),	  CASE(break_fifo), CASE(priority),
	CASE(loop_holds_line), CASE(break_on_line),
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);

		run(cases[i].steps, cases[i].name);
		uart_reset(&u);
		run(reset_state, cases[i].name);
		assert_int_equal(timer_next(&q), UINT64_MAX);
	}
}

static void test_fifo_overrun(void **state)
{
	(void)state;
	bus_port_write(&bus, PORT + LCR, 1, 3);
	bus_port_write(&bus, PORT + FCR, 1, 1);
	bus_port_write(&bus, PORT + MCR, 1, 0x10);
	for (u32 i = 0; i < 20; i++)
		bus_port_write(&bus, PORT + DATA, 1, i);
	assert_int_equal(u.overruns, 4);
	assert_int_equal(bus_port_read(&bus, PORT + LSR, 1), 0x63);
	for (u32 i = 0; i < 16; i++)
		assert_int_equal(bus_port_read(&bus, PORT + DATA, 1), i);
	assert_int_equal(bus_port_read(&bus, PORT + LSR, 1), 0x60);
}

/* 64 KiB pasted and as much printed through a slow other end arrive whole and in order. */
static void test_bulk(void **state)
{
	static u8 paste[65536];
	size_t got = 0, out = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(paste); i++)
		paste[i] = (u8)(i * 31 >> 3);
	incoming = paste;
	incoming_n = sizeof(paste);
	room = 5;
	bus_port_write(&bus, PORT + LCR, 1, 3);
	bus_port_write(&bus, PORT + FCR, 1, 0x81);
	bus_port_write(&bus, PORT + MCR, 1, 0x0b);
	bus_port_write(&bus, PORT + IER, 1, 0x03);
	uart_backend_ready(&u);
	while (got < sizeof(paste) || sent_n < sizeof(paste)) {
		u32 lsr = bus_port_read(&bus, PORT + LSR, 1);

		assert_int_equal(lsr & 0x9e, 0);
		if (lsr & 1) {
			u32 byte = bus_port_read(&bus, PORT + DATA, 1);

			if (byte != paste[got])
				fail_msg("byte %zu is %02x", got, byte);
			got++;
		}
		if (lsr & 0x20)
			for (int i = 0; i < 16 && out < sizeof(paste); i++)
				bus_port_write(&bus, PORT + DATA, 1, paste[out++]);
		if (room == 0) {
			room = 1 + out % 7;
			uart_backend_ready(&u);
		}
	}
	assert_int_equal(sent_n, sizeof(paste));
	assert_memory_equal(sent, paste, sizeof(paste));
	assert_int_equal(u.overruns, 0);
}

static void test_no_backend(void **state)
{
	static const struct uart_backend nothing;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(i ? &nothing : NULL);
		assert_int_equal(bus_port_read(&bus, PORT + MSR, 1), 0);
		bus_port_write(&bus, PORT + DATA, 1, 'x');
		assert_int_equal(bus_port_read(&bus, PORT + LSR, 1), 0x60);
		uart_backend_ready(&u);
	}
}

/* A divisor of 0 and the longest timeout do not overflow or divide by zero. */
static void test_divisor_extremes(void **state)
{
	static const struct step zero[] = { { W, LCR, 0x80 }, { W, DATA, 0 },	{ W, IER, 0 },
					    { W, LCR, 0x03 }, { W, FCR, 0x41 }, { RX, 0, 1 },
					    { NS, 0, 400 },   { W, IER, 1 },	{ R, IIR, 0xcc },
					    { END, 0, 0 } };
	static const struct step slow[] = { { W, LCR, 0x80 }, { W, DATA, 0xff },   { W, IER, 0xff },
					    { W, LCR, 0x0f }, { W, FCR, 0x41 },	   { W, IER, 1 },
					    { RX, 0, 1 },     { NS, 0, 27300000 }, { R, IIR, 0xc1 },
					    { NS, 0, 10000 }, { R, IIR, 0xcc },	   { END, 0, 0 } };

	setup(state);
	run(zero, "zero");
	setup(state);
	run(slow, "slow"); /* 4 characters of 12 bits at 1.758 baud: 27.3 s */
}

/* Any accesses at all leave the counts within the FIFO. */
static void test_random(void **state)
{
	u32 seed = 1;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed & 0x10000000)
			bus_port_read(&bus, (u16)(PORT + (seed >> 8) % 8), 1);
		else
			bus_port_write(&bus, (u16)(PORT + (seed >> 8) % 8), 1, seed >> 16);
		if (seed % 97 == 0) {
			room = seed >> 27;
			sent_n = 0;
			run((const struct step[]){ { RX, 0, 20 }, { END, 0, 0 } }, "random");
		}
		clock_now += seed >> 12;
		timer_run(&q, clock_now);
		assert_true(u.rx_count <= UART_FIFO && u.tx_count <= UART_FIFO);
		assert_true(!!(u.lsr & 1) == (u.rx_count != 0));
		assert_true(!!(u.lsr & 0x20) == (u.tx_count == 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cases, setup),
		cmocka_unit_test_setup(test_fifo_overrun, setup),
		cmocka_unit_test_setup(test_bulk, setup),
		cmocka_unit_test(test_no_backend),
		cmocka_unit_test(test_divisor_extremes),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
