/* SPDX-License-Identifier: MIT */
/*
 * The stacks that are known to be stacks (arch/cpu/tables.c).
 */
#ifndef PLINTH_ARCH_TABLES_H
#define PLINTH_ARCH_TABLES_H

#include "types.h"

struct cpu_stack {
	const char *name;
	u64 low, high; /* the guard page ends at low */
};

/* The stack that an address belongs to, its guard page included, or NULL. */
const struct cpu_stack *cpu_stack_find(u64 address);

#endif
