/* SPDX-License-Identifier: MIT */
/*
 * Reset and exit ports (dev/reset.c): 92 (fast A20 and reset), CF9 (reset control), F4 (debug exit,
 * only when asked for), 8900 (power-off), 80 (POST code). 82371AB data sheet 4.2.6. Under the board's lock.
 */
#ifndef PLINTH_DEV_RESET_H
#define PLINTH_DEV_RESET_H

#include "../bus.h"

struct reset_ports {
	u8 port92, cf9, post;
	u8 shutdown; /* characters of the word so far */
	void (*reset)(void *ctx);
	void (*power_off)(void *ctx);
	void (*debug_exit)(void *ctx, u32 value);
	void *ctx;
};

void reset_ports_init(struct reset_ports *r, void (*reset)(void *ctx), void (*power_off)(void *ctx),
		      void (*debug_exit)(void *ctx, u32 value), void *ctx);
void reset_ports_reset(struct reset_ports *r);
/* debug_exit_port 0: no such port. */
int reset_ports_attach(struct reset_ports *r, struct bus *b, u16 debug_exit_port);

#endif
