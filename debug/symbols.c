// SPDX-License-Identifier: MIT
/*
 * Looks up the image's functions, for backtraces and for the monitor.
 */
#include "symbols.h"
#include "lib.h"

const char *symbol_lookup(u64 address, u64 *offset)
{
	u32 low = 0, high = symbol_count;

	/* The last entry is the end of the text: nothing at or after it is a function. */
	if (symbol_count == 0 || address < symbol_table[0].address ||
	    address >= symbol_table[symbol_count - 1].address)
		return NULL;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (symbol_table[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	*offset = address - symbol_table[low].address;
	return symbol_names + symbol_table[low].name;
}

u64 symbol_address(const char *name)
{
	for (u32 i = 0; i < symbol_count; i++) {
		if (strcmp(symbol_names + symbol_table[i].name, name) == 0)
			return symbol_table[i].address;
	}
	return 0;
}
