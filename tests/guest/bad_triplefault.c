/* SPDX-License-Identifier: MIT */
/*
 * A triple fault: no IDT and an INT3. Plinth must print "the guest stopped: triple fault" with the registers and the last exits, and then do
 * what a reset does by its options. Bare, the machine resets: this program is for the inside only.
 */
#include "guest.h"

void guest_main(void)
{
	struct {
		u16 limit;
		u64 base;
	} __packed none = { 0, 0 };

	print("about to triple-fault\n");
	__asm__ volatile("lidt %0\n\tint3" : : "m"(none));
	print("still here\n");
}
