/* SPDX-License-Identifier: MIT */
/*
 * Looks for what is not there, a known number of times, for tests/system/test_report.py. Then it ends,
 * or resets, as its command line says.
 */
#include "guest.h"

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
	if (cmdline_has("reset"))
		outb(0xcf9, 6);
}
