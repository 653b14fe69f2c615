/* SPDX-License-Identifier: MIT */
/*
 * 8042 keyboard controller (dev/i8042.c), ports 60/64: self test, A20, reset pulse, a keyboard that
 * answers identify/reset/enable, no auxiliary device. IBM PS/2 technical reference. Under the
 * board's lock.
 */
#ifndef PLINTH_DEV_I8042_H
#define PLINTH_DEV_I8042_H

#include "../bus.h"
#include "../irq.h"

#define I8042_QUEUE 16

struct i8042 {
	u8 status, command_byte, output_port;
	u8 command;	/* controller command that waits for its data byte, 0 = none */
	u8 data;	/* the output buffer */
	u8 ram[32];	/* internal RAM; [0] is unused: the command byte has its own field */
	u8 kbd_command; /* keyboard command that waits for its data byte */
	u8 kbd_set;	/* scan code set 1-3 */
	u8 kbd_last;	/* for a resend */
	bool kbd_scanning;
	u8 out[I8042_QUEUE]; /* what the keyboard has to say */
	u8 out_head, out_count;
	struct irq_line irq1, irq12;
	void (*reset)(void *ctx);
	void *ctx;
};

void i8042_init(struct i8042 *k, struct irq_line irq1, struct irq_line irq12,
		void (*reset)(void *ctx), void *ctx);
void i8042_reset(struct i8042 *k);
/*
 * A scan code from the keyboard, as the guest shall read it. False: it does not listen, or the
 * queue is full.
 */
bool i8042_key(struct i8042 *k, u8 code);
int i8042_attach(struct i8042 *k, struct bus *b);

#endif
