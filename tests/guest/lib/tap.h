/* SPDX-License-Identifier: MIT */
/*
 * What every guest test has, whatever its width: a console, TAP results, and an end.
 */
#ifndef PLINTH_GUEST_TAP_H
#define PLINTH_GUEST_TAP_H

#include "types.h"
#include "x86.h"

#include <stdarg.h>

/* Set by the start code. */
extern u32 multiboot_magic, multiboot_info;
extern bool under_plinth;
/* Bare on QEMU's software emulation, some of whose errors end the run rather than a check. */
extern bool bare_qemu;
/* In Bochs, bare or below Plinth: the tests' command line says so. Some of its devices' deviations end the run. */
extern bool on_bochs, bare_bochs;

/* By leaf 0, which Plinth leaves as it is. */
bool processor_is_amd(void);

void print(const char *fmt, ...) __printf(1, 2);

/* The word is in the command line. */
bool cmdline_has(const char *word);
/* The number behind a word that ends in '=', decimal or 0x-hexadecimal; fallback: the word is not there. */
u64 cmdline_number(const char *word, u64 fallback);

/* --- TAP --------------------------------------------------------------------------------------- */

void ok(bool passed, const char *name, ...) __printf(2, 3);
void skip(const char *name, const char *why);
/* ok() that shows both values when they differ. */
void is(u64 got, u64 expected, const char *name, ...) __printf(3, 4);

/*
 * ok() inside Plinth. Bare it is skipped: an emulator is known to deviate from the manual here, and the comment at the place
 * says how.
 */
void inside_only(bool passed, const char *name, ...) __printf(2, 3);

/* --- machine ------------------------------------------------------------------------------------ */

u32 pci_read32(u8 dev, u8 fn, u8 reg);
/* The power-management ports: 0 where the board has none. */
u16 pm_base(void);
/* Ends the run: 0xF4 debug exit, else ACPI power-off, else halt. */
void finish(u32 status) __attribute__((noreturn));

/* The start code's: before the test program, and behind it. */
void tap_begin(u32 magic, u32 info);
void tap_end(void) __attribute__((noreturn));

#endif
