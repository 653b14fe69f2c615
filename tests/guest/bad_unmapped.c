/* SPDX-License-Identifier: MIT */
/*
 * A jump to guest-physical memory that is not there. Plinth must print "the guest stopped: the guest runs where there is no memory" with the
 * address d0000000, and the defined end. For the inside only.
 */
#include "guest.h"

#define NOWHERE 0xd0000000UL

void guest_main(void)
{
	print("about to jump to %lx\n", NOWHERE);
	((void (*)(void))NOWHERE)();
	print("still here\n");
}
