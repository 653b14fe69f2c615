/* SPDX-License-Identifier: MIT */
/*
 * Looks for what is not there, a known number of times, for tests/system/test_report.py. Then it ends,
 * or resets, as its command line says.
 */
#include "guest.h"

static bool asked_for(const char *word)
{
	const u32 *info = (const u32 *)(u64)multiboot_info;
	const char *line = (const char *)(u64)info[4];

	for (; *line; line++) {
		u32 n = 0;

		while (word[n] && line[n] == word[n])
			n++;
		if (!word[n])
			return true;
	}
	return false;
}

void guest_main(void)
{
	u64 value;

	for (u32 i = 0; i < 3; i++)
		(void)inb(0x2f8);
	outw(0x1234, 0);
	outl(0x0cf4, 0);
	(void)inl(0xcf4);
	for (u32 i = 0; i < 5; i++)
		(void)mmio_read32(0xd0000000 + 8 * i);
	mmio_write32(0xd0001ffc, 0);
	for (u32 i = 0; i < 2; i++)
		(void)try_rdmsr(0x12345, &value);
	(void)try_wrmsr(0xc0012345, 0);
	print("looked\n");
	if (asked_for("reset"))
		outb(0xcf9, 6);
}
