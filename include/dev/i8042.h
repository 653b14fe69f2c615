/* SPDX-License-Identifier: MIT */
/*
 * 8042 keyboard controller (dev/i8042.c), ports 60/64: self test, A20, reset pulse, a keyboard that answers
 * identify/reset/enable, no auxiliary device. IBM PS/2 technical reference. Under the board's lock.
 */
#ifndef PLINTH_DEV_I8042_H
#define PLINTH_DEV_I8042_H

#include "../bus.h"
#include "../irq.h"

struct i8042 {
	u8 status, command_byte, output_port;
	u8 command;		/* controller command that waits for its data byte, 0 = none */
	u8 kbd_command;		/* keyboard command that waits for its data byte */
	u8 out[16];
	u8 out_head, out_count;
	struct irq_line irq1, irq12;
	void (*reset)(void *ctx);
	void *ctx;
};

void i8042_init(struct i8042 *k, struct irq_line irq1, struct irq_line irq12, void (*reset)(void *ctx), void *ctx);
void i8042_reset(struct i8042 *k);
int i8042_attach(struct i8042 *k, struct bus *b);

#endif
