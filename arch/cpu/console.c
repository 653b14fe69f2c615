// SPDX-License-Identifier: MIT
/*
 * The real consoles and the wire that joins the guest's UART to the real serial port.
 *
 * One lock guards the port, the screen, both rings and the log (printk.c). It is taken with
 * interrupts off and knows its owner, so that an NMI inside it does not wait for itself.
 */
#include "console.h"
#include "cpu.h"
#include "errors.h"
#include "irqflags.h"
#include "lib.h"
#include "serial.h"
#include "spinlock.h"
#include "vga.h"

#define TX_SIZE	   16384U
#define RX_SIZE	   4096U
#define TX_RESERVE 1024U /* kept from the guest, for Plinth's own lines */
#define IRQ_COM1   4
#define IRQ_COM2   3
#define IRQ_ROUNDS 16

struct ring {
	u8 *data;
	u32 size; /* power of two */
	u32 head; /* next to take; free running */
	u32 tail; /* next to fill */
};

static u8 tx_data[TX_SIZE], rx_data[RX_SIZE];

static struct {
	struct spinlock lock;
	u32 owner; /* CPU id plus one */
	bool panicked;
	bool vga;
	bool guest;
	bool irq;	 /* the serial interrupt works */
	bool rx_full;	 /* no room for what is typed: the port keeps it, RX interrupt off */
	bool tx_refused; /* the guest waits for CONSOLE_TX_ROOM */
	bool fresh_line;
	u32 events;
	struct serial serial;
	struct ring tx, rx;
} con = {
	.fresh_line = true,
	.tx = { .data = tx_data, .size = TX_SIZE },
	.rx = { .data = rx_data, .size = RX_SIZE },
};

static u32 ring_used(const struct ring *r)
{
	return r->tail - r->head;
}

static u32 ring_room(const struct ring *r)
{
	return r->size - ring_used(r);
}

static void ring_put(struct ring *r, u8 byte)
{
	r->data[r->tail++ & (r->size - 1)] = byte;
}

static u8 ring_get(struct ring *r)
{
	return r->data[r->head++ & (r->size - 1)];
}

bool console_lock(u64 *flags)
{
	u32 me = this_cpu()->id + 1;

	*flags = irq_save();
	if (con.panicked)
		return true;
	if (__atomic_load_n(&con.owner, __ATOMIC_RELAXED) == me) {
		irq_restore(*flags);
		return false;
	}
	spin_lock(&con.lock);
	__atomic_store_n(&con.owner, me, __ATOMIC_RELAXED);
	return true;
}

void console_unlock(u64 flags)
{
	if (!con.panicked) {
		__atomic_store_n(&con.owner, 0, __ATOMIC_RELAXED);
		spin_unlock(&con.lock);
	}
	irq_restore(flags);
}

static void raise(enum console_event event)
{
	__atomic_fetch_or(&con.events, (u32)event, __ATOMIC_RELAXED);
}

/*
 * The transmitter interrupts only while there is something to send, the receiver while there is
 * room; without room the other end is asked to wait.
 */
static void update_irqs(void)
{
	if (con.serial.base != 0)
		serial_hold(&con.serial, con.guest && con.rx_full);
	if (con.irq && con.serial.base != 0)
		serial_set_irqs(&con.serial, con.guest && !con.rx_full, ring_used(&con.tx) != 0);
}

static void pump_tx(void)
{
	while (ring_used(&con.tx) != 0) {
		if (!serial_try_put(&con.serial, con.tx.data[con.tx.head & (TX_SIZE - 1)]))
			break;
		con.tx.head++;
	}
	if (con.tx_refused && ring_room(&con.tx) >= TX_SIZE / 2) {
		con.tx_refused = false;
		raise(CONSOLE_TX_ROOM);
	}
}

static void pump_rx(void)
{
	bool got = false;

	while (ring_room(&con.rx) != 0) {
		int byte = serial_get(&con.serial);

		if (byte < 0)
			break;
		ring_put(&con.rx, (u8)byte);
		got = true;
	}
	con.rx_full = ring_room(&con.rx) == 0;
	if (got)
		raise(CONSOLE_RX);
}

static void pump(void)
{
	if (con.serial.base == 0)
		return;
	if (con.guest)
		pump_rx();
	pump_tx();
	update_irqs();
}

/* Everything in the wire, now. */
static void flush_wire(void)
{
	while (ring_used(&con.tx) != 0)
		serial_put(&con.serial, ring_get(&con.tx));
}

static void vga_text(const char *text, size_t len)
{
	for (size_t i = 0; con.vga && i < len; i++)
		vga_put(text[i]);
}

static void write_sync(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			serial_put(&con.serial, '\r');
		serial_put(&con.serial, (u8)text[i]);
	}
}

/*
 * Own lines between the guest's bytes: each begins on a line of its own, and goes whole or not at
 * all.
 */
static void write_wire(const char *text, size_t len)
{
	u32 need = 2;

	for (size_t i = 0; i < len; i++)
		need += text[i] == '\n' ? 2 : 1;
	if (con.serial.base == 0 || need > ring_room(&con.tx))
		return;
	if (!con.fresh_line) {
		ring_put(&con.tx, '\r');
		ring_put(&con.tx, '\n');
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			ring_put(&con.tx, '\r');
		ring_put(&con.tx, (u8)text[i]);
	}
	pump();
}

void console_write_locked(const char *text, size_t len)
{
	if (len == 0)
		return;
	if (con.guest)
		write_wire(text, len);
	else
		write_sync(text, len);
	vga_text(text, len);
	con.fresh_line = text[len - 1] == '\n';
}

void console_write(const char *text, size_t len)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	console_write_locked(text, len);
	console_unlock(flags);
}

void console_init_early(void)
{
	const struct console_config config = {
		.serial_port = CONSOLE_COM1,
		.serial_speed = CONSOLE_SERIAL_SPEED,
		.vga = true,
	};

	console_configure(&config);
}

void console_configure(const struct console_config *config)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	serial_drain(&con.serial);
	if (con.serial.base != 0)
		serial_set_irqs(&con.serial, false, false);
	con.irq = false;
	serial_init(&con.serial, config->serial_port, config->serial_speed);
	if (config->vga && !con.vga)
		vga_init();
	con.vga = config->vga;
	console_unlock(flags);
}

bool console_has_serial(void)
{
	return con.serial.base != 0;
}

void console_guest_open(void)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	con.guest = true;
	con.rx.head = con.rx.tail;
	con.rx_full = false;
	con.tx_refused = false;
	update_irqs();
	console_unlock(flags);
}

void console_guest_close(void)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	flush_wire();
	con.guest = false;
	update_irqs();
	if (!con.fresh_line) {
		write_sync("\n", 1);
		con.fresh_line = true;
	}
	console_unlock(flags);
}

bool console_guest_tx(void *ctx, u8 byte)
{
	bool taken = true;
	u64 flags;

	(void)ctx;
	if (!console_lock(&flags))
		return false;
	if (con.serial.base == 0) {
		vga_text((const char *)&byte, 1);
	} else if (ring_used(&con.tx) == 0 && serial_try_put(&con.serial, byte)) {
		/* The line is idle: straight through, without an interrupt. */
	} else if (ring_room(&con.tx) > TX_RESERVE) {
		ring_put(&con.tx, byte);
		update_irqs();
	} else {
		con.tx_refused = true;
		taken = false;
	}
	if (taken)
		con.fresh_line = byte == '\n' || (con.fresh_line && byte == '\r');
	console_unlock(flags);
	return taken;
}

int console_guest_rx(void *ctx)
{
	int byte = -1;
	u64 flags;

	(void)ctx;
	/* Empty is the common case. A byte that arrives this moment raises CONSOLE_RX. */
	if (__atomic_load_n(&con.rx.tail, __ATOMIC_RELAXED) == con.rx.head)
		return -1;
	if (!console_lock(&flags))
		return -1;
	if (ring_used(&con.rx) != 0)
		byte = ring_get(&con.rx);
	if (con.rx_full && ring_room(&con.rx) >= RX_SIZE / 2) {
		con.rx_full = false;
		update_irqs();
	}
	console_unlock(flags);
	return byte;
}

static void console_interrupt(struct trap_frame *frame)
{
	u64 flags;

	(void)frame;
	if (!console_lock(&flags))
		return;
	/* The line is edge-triggered: it must be seen low, or the next edge never comes. */
	for (unsigned int i = 0; i < IRQ_ROUNDS && con.serial.base != 0; i++) {
		if (!serial_irq_pending(&con.serial))
			break;
		pump();
	}
	console_unlock(flags);
}

int console_irq_init(void)
{
	unsigned int line = con.serial.base == CONSOLE_COM2 ? IRQ_COM2 : IRQ_COM1;
	u64 flags;
	int err;

	if (con.serial.base != CONSOLE_COM1 && con.serial.base != CONSOLE_COM2)
		return -ENODEV;
	err = host_irq_route(line, HOST_VEC_CONSOLE);
	if (err)
		return err;
	trap_set_handler(HOST_VEC_CONSOLE, console_interrupt);
	if (!console_lock(&flags))
		return -EBUSY;
	con.irq = true;
	update_irqs();
	console_unlock(flags);
	host_irq_mask(line, false);
	return 0;
}

bool console_needs_poll(void)
{
	return !con.irq && con.guest && con.serial.base != 0;
}

void console_pump(void)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	pump();
	console_unlock(flags);
}

unsigned int console_events(void)
{
	if (__atomic_load_n(&con.events, __ATOMIC_RELAXED) == 0)
		return 0;
	return __atomic_exchange_n(&con.events, 0, __ATOMIC_RELAXED);
}

void console_drain(void)
{
	u64 flags;

	if (!console_lock(&flags))
		return;
	flush_wire();
	serial_drain(&con.serial);
	console_unlock(flags);
}

void console_panic(void)
{
	con.panicked = true;
	if (con.serial.base != 0)
		serial_set_irqs(&con.serial, false, false);
	con.irq = false;
	con.guest = false;
	flush_wire();
	if (!con.fresh_line)
		write_sync("\n", 1);
	con.fresh_line = true;
}
