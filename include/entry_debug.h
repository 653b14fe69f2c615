/* SPDX-License-Identifier: MIT */
/*
 * Debug builds (make DEBUG=1) check each entry into the guest beforehand, and can break entries on purpose to compare the
 * checker's verdict with the processor's. The backends do both (debug_entry.c); here is what they count and say. In other builds
 * nothing of it exists. Boot CPU only.
 */
#ifndef PLINTH_ENTRY_DEBUG_H
#define PLINTH_ENTRY_DEBUG_H

#include "options.h"

#ifdef PLINTH_DEBUG

/* Takes the option break-entry=. */
void entry_debug_init(const struct options *options);

/* What is to be done before this entry; each but the last comes once. */
enum entry_debug {
	ENTRY_BREAK_ALL, /* every case in turn, each undone; then this entry as it was */
	ENTRY_BREAK_ONE, /* the named case stays: this entry fails */
	ENTRY_CHECK,
};
enum entry_debug entry_debug_next(void);

/* The case of ENTRY_BREAK_ONE. */
const char *entry_debug_case(void);
/* Of ENTRY_BREAK_ALL: all but those that the option takes out, "all,-CASE,-CASE". */
bool entry_debug_wants(const char *name);

/* Counts a check; true when this violation is to be printed: each rule is once. */
bool entry_debug_checked(bool violated, unsigned int rule);

/* One line with the counts. */
void entry_debug_summary(void);

#else

static inline void entry_debug_init(const struct options *options)
{
	(void)options;
}

static inline void entry_debug_summary(void)
{
}

#endif
#endif
