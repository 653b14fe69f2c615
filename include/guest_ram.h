/* SPDX-License-Identifier: MIT */
/*
 * Which host memory becomes the guest's RAM, and where the guest sees it (boot/ram.c).
 */
#ifndef PLINTH_GUEST_RAM_H
#define PLINTH_GUEST_RAM_H

#include "gpmap.h"
#include "mm.h"
#include "types.h"

#define GUEST_RAM_CHUNK	     MIB(2) /* unit of host memory and of the guest's size */
#define GUEST_RAM_MIN	     MIB(32)
#define GUEST_RAM_MAX	     (UINT64_C(1) << 42)
#define GUEST_RAM_LOW_END    UINT64_C(0xc0000000) /* start of the PCI hole */
#define GUEST_RAM_HIGH_START GIB(4)
#define GUEST_VGA_START	     UINT64_C(0xa0000)
#define GUEST_VGA_END	     UINT64_C(0xc0000)
#define GUEST_RAM_EXTENTS    48 /* leaves room in a gpmap for ROM and firmware */

struct guest_ram {
	struct gp_extent extent[GUEST_RAM_EXTENTS]; /* sorted by gpa, prot = all */
	unsigned int n;
	u64 size;      /* below + above; the VGA aperture counts as RAM, as PCs sell it */
	u64 below_4g;  /* end of RAM below the PCI hole */
	u64 above_4g;  /* RAM from 4 GiB up */
	u64 available; /* largest size that could be had; also set on failure */
};

/*
 * Chooses guest RAM out of m's free RAM from 1 MiB up, in 2 MiB chunks, so that as much as possible
 * of it can be mapped with 1 GiB pages, and marks it MEM_GUEST. want: bytes, rounded down to 2 MiB,
 * 0 = all; keep: bytes of RAM above 1 MiB that must stay free beside what is reserved already. 0;
 * -EINVAL: want is below GUEST_RAM_MIN; -ENOMEM: less than that is available, or less than the
 * minimum. m is unchanged then. Runs at boot on one CPU (static work space).
 */
int guest_ram_choose(struct memmap *m, u64 want, u64 keep, struct guest_ram *out);

#endif
