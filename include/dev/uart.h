/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART (dev/uart.c): FIFOs, interrupts, modem lines, loopback. TI PC16550D data sheet
 * (SNLS378C). Under the board's lock.
 */
#ifndef PLINTH_DEV_UART_H
#define PLINTH_DEV_UART_H

#include "../bus.h"
#include "../irq.h"
#include "../timer.h"

/* The other end of the wire. Called under the board's lock; must not call back into the UART. */
struct uart_backend {
	bool (*tx)(void *ctx, u8 byte); /* false: full, uart_backend_ready() follows later */
	int (*rx)(void *ctx);		/* next byte for the guest, or -1 */
	void *ctx;
};

#define UART_FIFO 16

struct uart {
	u8 ier, fcr, lcr, mcr, lsr, msr, scr;
	u16 divisor;
	u8 rx[UART_FIFO], tx[UART_FIFO];
	u8 rx_err[UART_FIFO]; /* LSR error bits that belong to the byte in the same place of rx */
	u8 rx_head, rx_count, tx_head, tx_count;
	u8 rx_trigger;	      /* level of the received-data interrupt */
	bool thre_pending;    /* THRE interrupt latched, cleared by IIR read or THR write */
	bool timeout_pending; /* character timeout */
	struct timer timer;   /* character timeout */
	struct timer_queue *queue;
	const struct uart_backend *backend;
	struct irq_line irq;
	bool irq_level;
	u64 overruns;
};

void uart_init(struct uart *u, struct timer_queue *q, const struct uart_backend *backend,
	       struct irq_line irq);
void uart_reset(struct uart *u);
/* The backend has bytes or room again. */
void uart_backend_ready(struct uart *u);
int uart_attach(struct uart *u, struct bus *b, u16 port);

#endif
