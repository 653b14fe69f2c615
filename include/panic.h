/* SPDX-License-Identifier: MIT */
/*
 * The end of Plinth itself (arch/cpu/panic.c): only for what cannot go on. A guest can never reach
 * it. Prints the cause, the registers, a symbolised backtrace and the vCPU's state, then stops.
 */
#ifndef PLINTH_PANIC_H
#define PLINTH_PANIC_H

#include "types.h"

void panic(const char *fmt, ...) __noreturn __printf(1, 2);

/*
 * Plinth cannot start or go on for an outside cause: one line, then the defined end (halt or debug
 * exit).
 */
void fatal(const char *fmt, ...) __noreturn __printf(1, 2);

/* The defined end of both: the value 3 to this debug exit port instead of halting (0: none). */
void panic_set_debug_exit(u16 port);
#define DEBUG_EXIT_FAILED 3

/* The rest of a panic from a trap: registers are the frame's. */
struct trap_frame;
void panic_trap(const struct trap_frame *frame, const char *fmt, ...) __noreturn __printf(2, 3);

/* Prints the state of this CPU's vCPU through pr_err(); weak, arch/vcpu has the real one. */
void vcpu_dump_current(void);

#define BUG_ON(cond)                                                        \
	do {                                                                \
		if (unlikely(cond))                                         \
			panic("%s:%d: BUG: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
