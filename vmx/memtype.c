/* SPDX-License-Identifier: MIT */
/*
 * The host's MTRRs, evaluated: SDM vol. 3 rev. 083, 12.11.1 to 12.11.4. Pure.
 */
#include "memtype.h"
#include "lib.h"
#include "msr.h"

#define CAP_COUNT(cap)	 ((unsigned int)((cap)&0xffU))
#define FIXED_END	 0x100000ULL /* 12.11.2.2 */
#define FIXED_16K_BEGIN	 0x80000ULL
#define FIXED_4K_BEGIN	 0xc0000ULL
#define FIXED_MSR_RANGES 8U /* a byte each */

static const u32 fixed_msr[HOST_MTRR_FIXED] = {
	MSR_MTRR_FIX64K_00000,	  MSR_MTRR_FIX16K_80000,    MSR_MTRR_FIX16K_A0000,
	MSR_MTRR_FIX4K_C0000,	  MSR_MTRR_FIX4K_C0000 + 1, MSR_MTRR_FIX4K_C0000 + 2,
	MSR_MTRR_FIX4K_C0000 + 3, MSR_MTRR_FIX4K_C0000 + 4, MSR_MTRR_FIX4K_C0000 + 5,
	MSR_MTRR_FIX4K_C0000 + 6, MSR_MTRR_FIX4K_F8000,
};

/* A reserved encoding is not to be trusted with a cache. */
static enum memtype type_of(u64 bits)
{
	switch (bits & MTRR_TYPE_MASK) {
	case MEMTYPE_WC:
	case MEMTYPE_WT:
	case MEMTYPE_WP:
	case MEMTYPE_WB:
		return (enum memtype)(bits & MTRR_TYPE_MASK);
	default:
		return MEMTYPE_UC;
	}
}

void host_mtrrs_read(struct host_mtrrs *m, u64 (*read)(u32 msr), bool present,
		     unsigned int phys_bits)
{
	u64 cap, def;

	memset(m, 0, sizeof(*m));
	m->end = BIT64(phys_bits);
	m->rest = MEMTYPE_WB;
	if (!present)
		return;
	cap = read(MSR_MTRR_CAP);
	def = read(MSR_MTRR_DEF_TYPE);
	m->on = def & MTRR_DEF_E;
	/* Off: all memory is uncached (12.11.2.1). */
	m->rest = m->on ? type_of(def) : MEMTYPE_UC;
	if (!m->on)
		return;
	m->fixed_on = (cap & MTRR_CAP_FIX) && (def & MTRR_DEF_FE);
	for (unsigned int i = 0; m->fixed_on && i < HOST_MTRR_FIXED; i++)
		m->fixed[i] = read(fixed_msr[i]);
	for (unsigned int i = 0; i < CAP_COUNT(cap) && i < HOST_MTRR_VARIABLE; i++) {
		u64 base = read(MSR_MTRR_PHYSBASE0 + 2 * i),
		    mask = read(MSR_MTRR_PHYSMASK0 + 2 * i);
		u64 address = (m->end - 1) & ~(PAGE_SIZE - 1);

		if (!(mask & MTRR_MASK_VALID))
			continue;
		m->range[m->n].type = type_of(base);
		m->range[m->n].mask = mask & address;
		m->range[m->n++].base = base & mask & address;
	}
}

/* Which of the fixed ranges has pa, and where it ends. */
static unsigned int fixed_range(hpa_t pa, u64 *end)
{
	unsigned int shift = 16;
	u64 begin = 0, first = 0;

	if (pa >= FIXED_4K_BEGIN) {
		shift = 12;
		begin = FIXED_4K_BEGIN;
		first = 3 * FIXED_MSR_RANGES;
	} else if (pa >= FIXED_16K_BEGIN) {
		shift = 14;
		begin = FIXED_16K_BEGIN;
		first = FIXED_MSR_RANGES;
	}
	*end = ((pa >> shift) + 1) << shift;
	return (unsigned int)(first + ((pa - begin) >> shift));
}

/* Two ranges that overlap: 12.11.4.1. What is undefined there is uncached here. */
static enum memtype overlap(enum memtype a, enum memtype b)
{
	if (a == b)
		return a;
	if ((a == MEMTYPE_WT && b == MEMTYPE_WB) || (a == MEMTYPE_WB && b == MEMTYPE_WT))
		return MEMTYPE_WT;
	return MEMTYPE_UC;
}

/* Where range i begins or ends next after pa. */
static u64 next_edge(const struct host_mtrrs *m, unsigned int i, hpa_t pa)
{
	u64 base = m->range[i].base, mask = m->range[i].mask;
	u64 size = mask & -mask;

	if (!mask)
		return m->end;
	/* A mask with holes: its smallest block is all one. */
	if (mask + size != m->end)
		return (pa | (size - 1)) + 1;
	if (pa < base)
		return base;
	return pa - base < size ? base + size : m->end;
}

/* The type at pa; *end: up to where nothing changes. */
static enum memtype type_at(const struct host_mtrrs *m, hpa_t pa, u64 *end)
{
	enum memtype type = m->rest;
	bool found = false;

	*end = m->end;
	if (m->fixed_on && pa < FIXED_END) {
		unsigned int i = fixed_range(pa, end);

		return type_of(m->fixed[i / FIXED_MSR_RANGES] >> 8 * (i % FIXED_MSR_RANGES));
	}
	for (unsigned int i = 0; i < m->n; i++) {
		*end = min_u64(*end, next_edge(m, i, pa));
		if ((pa & m->range[i].mask) != m->range[i].base)
			continue;
		type = found ? overlap(type, m->range[i].type) : m->range[i].type;
		found = true;
	}
	return type;
}

enum memtype host_memtype(const struct host_mtrrs *m, hpa_t pa, u64 *len)
{
	u64 end, stop = pa + *len, next;
	enum memtype type = type_at(m, pa, &end);

	while (end < stop && type_at(m, end, &next) == type)
		end = next;
	*len = min_u64(end, stop) - pa;
	return type;
}
