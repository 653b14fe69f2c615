/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory map: sorted, non-overlapping, page-aligned regions made from whatever the
 * firmware reports (ACPI Specification 6.5, chapter 15: entries may come unsorted and may overlap).
 * Boot time only, one CPU.
 */
#include "errors.h"
#include "lib.h"
#include "mm.h"

#define PHYS_END (UINT64_C(1) << 52) /* the architectural limit: APM vol. 2 5.1 */

enum overlay_rule {
	OVERLAY_STRICTER, /* gaps get the type, regions the higher of the two */
	OVERLAY_RAM_ONLY, /* only what is RAM gets the type */
};

/* Work space: too large for the stack. */
static struct memmap scratch;

static int append(struct memmap *m, hpa_t start, hpa_t end, enum mem_type type)
{
	if (start >= end)
		return 0;
	if (m->n > 0 && m->r[m->n - 1].end == start && m->r[m->n - 1].type == type) {
		m->r[m->n - 1].end = end;
		return 0;
	}
	if (m->n == MEMMAP_MAX)
		return -ENOSPC;
	m->r[m->n++] = (struct mem_region){ .start = start, .end = end, .type = type };
	return 0;
}

static enum mem_type combine(enum mem_type old, enum mem_type new, enum overlay_rule rule)
{
	if (rule == OVERLAY_RAM_ONLY)
		return old == MEM_RAM ? new : old;
	return old > new ? old : new;
}

/* Lays [start, end) over m; all or nothing. */
static int overlay(struct memmap *m, hpa_t start, hpa_t end, enum mem_type type,
		   enum overlay_rule rule)
{
	hpa_t pos = start; /* what lies below it inside the range is done */
	int rc = 0;

	scratch.n = 0;
	for (unsigned int i = 0; i < m->n; i++) {
		const struct mem_region *r = &m->r[i];
		hpa_t from = max_u64(r->start, start);
		hpa_t to = min_u64(r->end, end);

		if (from >= to) { /* outside; a gap that ends here lies before it */
			if (r->start >= end && pos < end) {
				if (rule == OVERLAY_STRICTER)
					rc |= append(&scratch, pos, end, type);
				pos = end;
			}
			rc |= append(&scratch, r->start, r->end, r->type);
			continue;
		}
		if (rule == OVERLAY_STRICTER)
			rc |= append(&scratch, pos, from, type);
		rc |= append(&scratch, r->start, from, r->type);
		rc |= append(&scratch, from, to, combine(r->type, type, rule));
		rc |= append(&scratch, to, r->end, r->type);
		pos = to;
	}
	if (rule == OVERLAY_STRICTER)
		rc |= append(&scratch, pos, end, type);
	if (rc)
		return -ENOSPC;
	m->n = scratch.n;
	memcpy(m->r, scratch.r, scratch.n * sizeof(scratch.r[0]));
	return 0;
}

/* The end of a range, cut at the end of physical memory; 0 when nothing is left. */
static hpa_t range_end(hpa_t start, u64 len)
{
	if (start >= PHYS_END || len == 0)
		return 0;
	return len > PHYS_END - start ? PHYS_END : start + len;
}

int memmap_add(struct memmap *m, hpa_t start, u64 len, enum mem_type type)
{
	hpa_t end = range_end(start, len);

	if (end == 0)
		return -EINVAL;
	/* A page that is RAM only in part is not RAM. */
	if (type == MEM_RAM) {
		start = ALIGN_UP(start, PAGE_SIZE);
		end = ALIGN_DOWN(end, PAGE_SIZE);
		if (start >= end)
			return 0;
	} else {
		start = ALIGN_DOWN(start, PAGE_SIZE);
		end = ALIGN_UP(end, PAGE_SIZE);
	}
	return overlay(m, start, end, type, OVERLAY_STRICTER);
}

int memmap_reserve(struct memmap *m, hpa_t start, u64 len, enum mem_type type)
{
	hpa_t end = range_end(start, len);

	if (end == 0)
		return 0;
	return overlay(m, ALIGN_DOWN(start, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE), type,
		       OVERLAY_RAM_ONLY);
}

int memmap_find(const struct memmap *m, u64 len, u64 align, hpa_t min, hpa_t max, hpa_t *start)
{
	if (len == 0 || align == 0 || (align & (align - 1)) || align > PHYS_END)
		return -ENOSPC;
	for (unsigned int i = 0; i < m->n; i++) {
		const struct mem_region *r = &m->r[i];
		hpa_t from = max_u64(r->start, min);
		hpa_t to = min_u64(r->end, max);

		if (r->type != MEM_RAM || from >= to)
			continue;
		from = ALIGN_UP(from, align);
		if (from < to && to - from >= len) {
			*start = from;
			return 0;
		}
	}
	return -ENOSPC;
}

u64 memmap_total(const struct memmap *m, enum mem_type type)
{
	u64 total = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		if (m->r[i].type == type)
			total += m->r[i].end - m->r[i].start;
	}
	return total;
}

hpa_t memmap_top(const struct memmap *m)
{
	hpa_t top = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		if (m->r[i].type != MEM_BAD && m->r[i].type != MEM_RESERVED)
			top = m->r[i].end;
	}
	return top;
}
