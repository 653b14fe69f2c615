/* SPDX-License-Identifier: MIT */
/*
 * Driver of the machine's real 16550A (arch/cpu/serial.c). The caller holds the console lock.
 */
#ifndef PLINTH_ARCH_SERIAL_H
#define PLINTH_ARCH_SERIAL_H

#include "types.h"

struct serial {
	u16 base;   /* 0: none */
	bool stuck; /* the last wait ran out: do not wait again before it moves */
	u8 fifo;    /* bytes that an empty transmitter takes */
	u8 credit;  /* of those, still free for sure */
	u8 ier;
	bool held; /* the other end is asked not to send */
};

void serial_init(struct serial *s, u16 base, u32 speed);
/* Takes a byte if the transmitter has room. */
bool serial_try_put(struct serial *s, u8 byte);
/* Waits for room, within bounds; a byte that finds none is dropped. */
void serial_put(struct serial *s, u8 byte);
/* A received byte, or -1. */
int serial_get(struct serial *s);
/* Waits, within bounds, until the line is idle. */
void serial_drain(struct serial *s);
void serial_set_irqs(struct serial *s, bool rx, bool tx);
/* Drops RTS: the other end, if it minds, sends no more until that is over. */
void serial_hold(struct serial *s, bool hold);
/* Asking ends a transmitter interrupt; a receiver interrupt ends when the bytes are read. */
bool serial_irq_pending(struct serial *s);

#endif
