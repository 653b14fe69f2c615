/* SPDX-License-Identifier: MIT */
/*
 * 8042 keyboard controller (dev/i8042.c), ports 60/64: self test, A20, reset pulse, scan code
 * translation, a keyboard, no auxiliary device. IBM PS/2 technical reference. Under the board's
 * lock.
 */
#ifndef PLINTH_DEV_I8042_H
#define PLINTH_DEV_I8042_H

#include "../bus.h"
#include "../irq.h"
#include "keyboard.h"

struct i8042 {
	u8 status, command_byte, output_port;
	u8 command;   /* controller command that waits for its data byte, 0 = none */
	u8 data;      /* the output buffer */
	u8 ram[32];   /* internal RAM; [0] is unused: the command byte has its own field */
	u8 kbd_break; /* translation: bit 7 of the next scan code */
	struct keyboard keyboard;
	struct irq_line irq1, irq12;
	void (*reset)(void *ctx);
	void *ctx;
};

/* typed: see struct keyboard. */
void i8042_init(struct i8042 *k, struct irq_line irq1, struct irq_line irq12,
		void (*reset)(void *ctx), int (*typed)(void *ctx), void *ctx);
void i8042_reset(struct i8042 *k);
/* There is something typed. */
void i8042_typed(struct i8042 *k);
int i8042_attach(struct i8042 *k, struct bus *b);

#endif
