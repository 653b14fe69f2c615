/* SPDX-License-Identifier: MIT */
/*
 * Prints the counter at the entry of a kernel: what firmware and loader took before it, to be taken off a bare kernel's time.
 */
#include "guest.h"

void guest_main(void)
{
	print("bench: entry %lu\n", rdtsc());
	print("bench: done 0\n");
}
