/* SPDX-License-Identifier: MIT */
/*
 * A 101-key keyboard behind the 8042 (dev/keyboard.c): its commands, scan code sets 1 to 3, and keys
 * pressed for characters that somebody types. IBM PS/2 technical reference. Under the board's lock.
 */
#ifndef PLINTH_DEV_KEYBOARD_H
#define PLINTH_DEV_KEYBOARD_H

#include "../types.h"

#define KEYBOARD_ANSWERS 8 /* the longest answer has three bytes */
#define KEYBOARD_CODES \
	16 /* what one character needs at most: two modifiers and a key, up and down */

struct keyboard_queue {
	u8 head, count;
	u8 byte[KEYBOARD_CODES];
};

struct keyboard {
	u8 command; /* waits for its data byte, 0 = none */
	u8 set;	    /* of scan codes, 1-3 */
	u8 last;    /* sent: for a resend */
	bool scanning;
	bool breaks; /* set 3: keys other than the modifiers tell when they go up */
	struct keyboard_queue answers, codes;
	/* The next character that was typed (US layout), or -1; NULL: nobody types. */
	int (*typed)(void *ctx);
	void *ctx;
};

void keyboard_init(struct keyboard *k, int (*typed)(void *ctx), void *ctx);
void keyboard_reset(struct keyboard *k); /* power-on */
/* A byte from the controller. */
void keyboard_write(struct keyboard *k, u8 byte);
/* The next byte for the controller, or -1. Characters are taken as they are needed, not before. */
int keyboard_next(struct keyboard *k);

#endif
