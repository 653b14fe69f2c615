/* SPDX-License-Identifier: MIT */
/*
 * Executes from the page of the LAPIC. Plinth must print "the guest stopped: the guest runs where there is no memory" with the address fee00000,
 * and the defined end. For the inside only.
 */
#include "guest.h"

void guest_main(void)
{
	print("about to execute from %lx\n", LAPIC_PAGE);
	((void (*)(void))LAPIC_PAGE)();
	print("still here\n");
}
