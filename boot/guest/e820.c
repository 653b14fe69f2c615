/* SPDX-License-Identifier: MIT */
/*
 * The memory map that directly booted guests are given: ACPI 6.4 chapter 15 (INT 15h E820). The ROM
 * area is RAM in the guest-physical map, and reserved here because the tables lie in it.
 */
#include "guest_modules.h"
#include "vm.h"

static unsigned int append(struct e820_entry *out, unsigned int n, gpa_t start, gpa_t end, u32 type)
{
	if (end <= start)
		return n;
	out[n].start = start;
	out[n].len = end - start;
	out[n].type = type;
	return n + 1;
}

unsigned int guest_e820(const struct vm *vm, struct e820_entry out[GUEST_E820_MAX])
{
	unsigned int n = 0;

	n = append(out, n, 0, min_u64(GUEST_EBDA, vm->ram_below_4g), E820_RAM);
	n = append(out, n, GUEST_EBDA, GUEST_EBDA_END, E820_RESERVED);
	n = append(out, n, GUEST_ROM, GUEST_ROM_END, E820_RESERVED);
	n = append(out, n, GUEST_ROM_END, vm->ram_below_4g, E820_RAM);
	n = append(out, n, GIB(4), GIB(4) + vm->ram_above_4g, E820_RAM);
	return n;
}

bool guest_ram_covers(const struct vm *vm, gpa_t start, u64 len)
{
	struct e820_entry e[GUEST_E820_MAX];
	unsigned int n = guest_e820(vm, e);

	for (unsigned int i = 0; i < n; i++) {
		if (e[i].type != E820_RAM || start < e[i].start || start - e[i].start >= e[i].len)
			continue;
		return len != 0 && len <= e[i].len - (start - e[i].start);
	}
	return false;
}
