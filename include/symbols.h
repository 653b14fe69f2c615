/* SPDX-License-Identifier: MIT */
/*
 * The functions of the image by address (debug/symbols.c); the table is made by scripts/symbols.
 */
#ifndef PLINTH_SYMBOLS_H
#define PLINTH_SYMBOLS_H

#include "types.h"

/* The layout that scripts/symbols prints: sorted by address, the last one ends the text. */
struct symbol {
	u32 address;
	u32 name; /* offset into symbol_names */
};

extern const u32 symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

/*
 * The function that holds an address, and how far into it; NULL when the address is in no function.
 */
const char *symbol_lookup(u64 address, u64 *offset);
/* The address of a function by its exact name, or 0. */
u64 symbol_address(const char *name);

#endif
