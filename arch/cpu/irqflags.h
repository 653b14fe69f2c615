/* SPDX-License-Identifier: MIT */
/*
 * Interrupts off for a while, back to what they were: for locks that interrupt handlers take too.
 */
#ifndef PLINTH_ARCH_IRQFLAGS_H
#define PLINTH_ARCH_IRQFLAGS_H

#include "x86.h"

static inline u64 irq_save(void)
{
	u64 flags;

	__asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void irq_restore(u64 flags)
{
	if (flags & RFLAGS_IF)
		irq_enable();
}

#endif
