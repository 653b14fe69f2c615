/* SPDX-License-Identifier: MIT */
/*
 * Plinth's own command line (boot/cmdline.c): words of the form name or name=value, separated by
 * blanks. One table drives the parsing and the help text.
 */
#ifndef PLINTH_OPTIONS_H
#define PLINTH_OPTIONS_H

#include "printk.h"
#include "types.h"

enum reset_action {
	RESET_RESTART,	/* the guest, from its pristine modules */
	RESET_REBOOT,	/* the real machine */
	RESET_POWEROFF, /* the real machine */
	RESET_HALT,
};

enum poweroff_action {
	POWEROFF_OFF, /* the real machine */
	POWEROFF_REBOOT,
	POWEROFF_HALT,
};

/* After each life of the guest. */
enum report {
	REPORT_UNHANDLED = BIT(0), /* accesses that nobody answered */
	REPORT_MEMORY = BIT(1),	   /* checksums of what must not change */
};

/* Who types on the guest's keyboard. */
enum keyboard_input {
	KEYBOARD_NONE,
	KEYBOARD_CONSOLE, /* what is typed on the console, instead of COM1 */
};

#define OPTIONS_WARNINGS_MAX 8
#define OPTIONS_WARNING_LEN  112

struct options {
	struct {
		u16 port;  /* of the serial console, 0 = none */
		u32 speed; /* bit/s; 115200 / speed is a whole number */
		bool vga;
	} console;
	u64 mem; /* guest RAM in bytes, 0 = all */
	enum log_level log_level;
	enum reset_action reset;
	enum poweroff_action poweroff;
	u16 debug_exit; /* port, 0 = none */
	bool test_device;
	enum keyboard_input keyboard;
	u32 report; /* enum report, or-ed */
	bool help;
#ifdef PLINTH_DEBUG
	char break_entry[64]; /* entry_debug.h; "": none */
#endif

	/* The console is not there yet while this is parsed: to be printed later. */
	char warning[OPTIONS_WARNINGS_MAX][OPTIONS_WARNING_LEN];
	unsigned int warnings;
	unsigned int warnings_dropped;
};

/*
 * Defaults, then the words of the line; of an option given twice the last one counts. Bad words
 * become warnings.
 */
void options_parse(const char *cmdline, struct options *out);

/* Calls line() for each line of the help text. */
void options_help(void (*line)(const char *text));

/*
 * A decimal or 0x-hexadecimal number with an optional suffix K, M, G or T (powers of 1024, either
 * case). 0; -EINVAL: not such a number; -ERANGE: does not fit. *size is set on success only.
 */
int parse_size(const char *s, u64 *size);

#endif
