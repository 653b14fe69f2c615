/* SPDX-License-Identifier: MIT */
/*
 * An interrupt line from an emulated device to whatever it is wired to.
 */
#ifndef PLINTH_IRQ_H
#define PLINTH_IRQ_H

#include "types.h"

struct irq_line {
	void (*set)(void *ctx, unsigned int line, bool level);
	void *ctx;
	unsigned int line;
};

static inline void irq_set(const struct irq_line *l, bool level)
{
	l->set(l->ctx, l->line, level);
}

#endif
