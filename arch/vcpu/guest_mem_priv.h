/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM as the page walker and the emulator reach it: one look-up, inlined, because both are
 * on the path of every emulated device access.
 */
#ifndef PLINTH_GUEST_MEM_PRIV_H
#define PLINTH_GUEST_MEM_PRIV_H

#include "gpmap.h"
#include "mm.h"
#include "vcpu.h"

/*
 * Host pointer to guest memory at gpa, or NULL when there is none or prot is not all allowed. It
 * reaches at least to the end of the 4-KiB page. *hint is the extent found last: one page table
 * after the other, and the code behind them, mostly lie in the same one.
 */
static inline __attribute__((always_inline)) void *
guest_ram(const struct gpmap *m, gpa_t gpa, unsigned int prot, const struct gp_extent **hint)
{
	const struct gp_extent *x = *hint;

	if (unlikely(!x || gpa - x->gpa >= x->len)) {
		const struct gp_extent *end = m->extent + m->n;

		for (x = m->extent; x < end && gpa - x->gpa >= x->len; x++)
			;
		if (x == end)
			return NULL;
		*hint = x;
	}
	if (unlikely((x->prot & prot) != prot))
		return NULL;
	return phys_to_virt(x->hpa + (gpa - x->gpa));
}

/* What a fetch went through: the entries of its tables, and the host page. */
struct fetch_trace {
	unsigned int n;
	const u64 *where[INSN_CACHE_LEVELS];
	u64 entry[INSN_CACHE_LEVELS];
	const u8 *host;
};

/*
 * walk.c: translates a fetch and notes what it used. False: the walk is not the common one
 * (another mode, a fault, an accessed bit to set); guest_translate() is to be asked.
 */
bool guest_fetch_walk(struct vcpu *v, gva_t gva, bool user, struct fetch_trace *t);

#endif
