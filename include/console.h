/* SPDX-License-Identifier: MIT */
/*
 * The real consoles (arch/cpu/console.c): a 16550 serial port and the VGA text screen. The serial
 * port is shared with the guest, whose emulated COM1 is joined to it by two rings, the "wire".
 * Nothing here waits for a slow line while a guest runs. All functions may be called on any CPU and
 * in interrupt handlers.
 */
#ifndef PLINTH_CONSOLE_H
#define PLINTH_CONSOLE_H

#include "types.h"

#define CONSOLE_COM1	     0x3f8
#define CONSOLE_COM2	     0x2f8
#define CONSOLE_SERIAL_SPEED 115200U

struct console_config {
	u16 serial_port;  /* 0: none */
	u32 serial_speed; /* 50 to 115200 */
	bool vga;	  /* 80x25 text; false under UEFI */
};

/* COM1 at 115200 and VGA text, before the command line is known. A missing port is noticed. */
void console_init_early(void);
void console_configure(const struct console_config *config);
bool console_has_serial(void);

/*
 * Plinth's own text; '\n' becomes CR LF. Into the wire when a guest is connected, else synchronous.
 */
void console_write(const char *text, size_t len);

/* Connects or disconnects the guest; disconnecting sends what is still in the wire. */
void console_guest_open(void);
void console_guest_close(void);

/*
 * The other end of the guest's UART (struct uart_backend). tx: false when the wire is full;
 * CONSOLE_TX_ROOM follows. rx: the next byte that was typed, or -1; CONSOLE_RX tells of new ones.
 * Without a serial port what the guest sends goes to the VGA screen.
 */
bool console_guest_tx(void *ctx, u8 byte);
int console_guest_rx(void *ctx);

/*
 * Routes the serial interrupt (HOST_VEC_CONSOLE) and uses it. Returns 0 or -ENODEV: then the caller
 * calls console_pump() from its timer, every CONSOLE_POLL_NS while console_needs_poll().
 */
int console_irq_init(void);
bool console_needs_poll(void);
#define CONSOLE_POLL_NS UINT64_C(1000000)

/* Moves bytes between the rings and the port, as many as the port takes now. */
void console_pump(void);

/* What happened since the last call; clears it. Cheap when nothing did. */
enum console_event {
	CONSOLE_RX = BIT(0),	  /* typed bytes wait in the wire */
	CONSOLE_TX_ROOM = BIT(1), /* a refused tx would now be taken */
};
unsigned int console_events(void);

/*
 * Waits, within bounds, until everything has left the port: before power-off, reset and debug exit.
 */
void console_drain(void);

/* For panic(): from now on no locks, no interrupts, synchronous output. */
void console_panic(void);

/*
 * The log's lock, shared with the consoles: false where this CPU holds it already (NMI, fault
 * inside).
 */
bool console_lock(u64 *flags) __must_check;
void console_unlock(u64 flags);
void console_write_locked(const char *text, size_t len);

#endif
