/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM as the page walker and the emulator reach it: one look-up, inlined, because both are on the path of
 * every emulated device access.
 */
#ifndef PLINTH_GUEST_MEM_PRIV_H
#define PLINTH_GUEST_MEM_PRIV_H

#include "gpmap.h"
#include "mm.h"

/*
 * The extent that holds gpa, or NULL. *hint is the extent found last: one page table after the other, and the code
 * behind them, mostly lie in the same one.
 */
static inline const struct gp_extent *guest_extent(const struct gpmap *m, gpa_t gpa,
						   const struct gp_extent **hint)
{
	const struct gp_extent *x = *hint;

	if (likely(x && gpa - x->gpa < x->len))
		return x;
	for (unsigned int i = m->n; i-- > 0;) {
		x = &m->extent[i];
		if (gpa - x->gpa < x->len) {
			*hint = x;
			return x;
		}
	}
	return NULL;
}

/* Host pointer to readable guest memory at gpa, or NULL. It reaches at least to the end of the 4-KiB page. */
static inline void *guest_ram(const struct gpmap *m, gpa_t gpa, unsigned int prot,
			      const struct gp_extent **hint)
{
	const struct gp_extent *x = guest_extent(m, gpa, hint);

	if (!x || (x->prot & prot) != prot)
		return NULL;
	return phys_to_virt(x->hpa + (gpa - x->gpa));
}

#endif
