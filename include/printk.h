/* SPDX-License-Identifier: MIT */
/*
 * Plinth's own log (arch/cpu/printk.c). Lines go to a ring buffer and, up to the console log level,
 * to the consoles, prefixed "plinth: ". Never called on the exit path of a running guest except for
 * warnings that are rate-limited by the caller. Safe on every CPU and in interrupt and NMI context.
 */
#ifndef PLINTH_PRINTK_H
#define PLINTH_PRINTK_H

#include "types.h"

enum log_level {
	LOG_ERR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/* Prints one line; the newline is added. At most 240 characters, the rest is cut. */
void printk(enum log_level level, const char *fmt, ...) __printf(2, 3);

/* Lines above this level stay in the ring buffer only. */
void printk_set_level(enum log_level level);

/*
 * A guest owns the console while running: own lines start on a fresh line, and only errors and
 * warnings are shown. Joins the guest to the real serial port and parts it (console.h).
 */
void printk_guest_running(bool running);

/*
 * Reads the ring buffer from *position (0: the oldest kept) and advances it. Returns the bytes
 * read, 0 at the end. Lines are stamped with time_now().
 */
size_t printk_read(u64 *position, char *buf, size_t size);

#define pr_err(...)   printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)  printk(LOG_WARN, __VA_ARGS__)
#define pr_info(...)  printk(LOG_INFO, __VA_ARGS__)
#define pr_debug(...) printk(LOG_DEBUG, __VA_ARGS__)

#endif
