/* SPDX-License-Identifier: MIT */
/*
 * Physical memory as Plinth sees it: the machine's memory map, Plinth's own pages and page tables.
 * Plinth runs identity-mapped: a host-physical address is also the pointer.
 */
#ifndef PLINTH_MM_H
#define PLINTH_MM_H

#include "types.h"

#if __STDC_HOSTED__
void *phys_to_virt(hpa_t pa); /* tests supply an arena */
hpa_t virt_to_phys(const void *va);
#else
static inline void *phys_to_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa;
}

static inline hpa_t virt_to_phys(const void *va)
{
	return (hpa_t)(uintptr_t)va;
}
#endif

/*
 * The memory map (mm/memmap.c): sorted, non-overlapping regions. Where sources overlap the more
 * restrictive type (the higher number) wins.
 */
enum mem_type {
	MEM_RAM = 1,
	MEM_ACPI_RECLAIM = 3,
	MEM_ACPI_NVS = 4,
	MEM_BAD = 5,
	MEM_RESERVED = 6,
	MEM_MODULE = 7, /* boot modules and their strings: kept pristine */
	MEM_PLINTH = 8, /* image and pool */
	MEM_GUEST = 9,	/* handed to the guest */
};

struct mem_region {
	hpa_t start; /* inclusive */
	hpa_t end;   /* exclusive */
	enum mem_type type;
};

#define MEMMAP_MAX 256

struct memmap {
	struct mem_region r[MEMMAP_MAX];
	unsigned int n;
};

/*
 * Adds [start, start + len) with a type; splits and merges as needed. A length that wraps is cut at
 * 2^52. RAM is trimmed to whole pages, all else is widened to them. Returns 0, -EINVAL (empty) or
 * -ENOSPC (table full: the map is unchanged). All of memmap_* runs at boot, on one CPU (static work
 * space).
 */
int memmap_add(struct memmap *m, hpa_t start, u64 len, enum mem_type type);
/*
 * Takes [start, start+len) out of RAM, page-granular outwards; no error if it was not RAM. 0 or
 * -ENOSPC.
 */
int memmap_reserve(struct memmap *m, hpa_t start, u64 len, enum mem_type type);
/*
 * Lowest RAM range of len bytes with start aligned to align (power of two) inside [min, max).
 * Returns 0 or -ENOSPC.
 */
int memmap_find(const struct memmap *m, u64 len, u64 align, hpa_t min, hpa_t max, hpa_t *start);
u64 memmap_total(const struct memmap *m, enum mem_type type);
/* One past the highest address of any region that is RAM or in use. */
hpa_t memmap_top(const struct memmap *m);

/*
 * Plinth's own page pool (mm/page.c). Pages come zeroed. Takes a spinlock; any CPU. Pages are 4
 * KiB.
 */
/*
 * Adds a run; its first pages hold its bitmap. 0, -EINVAL (under two pages), -EEXIST (overlap) or
 * -ENOSPC (16 runs).
 */
int page_pool_add(hpa_t start, u64 len);
void *page_alloc(void);			 /* NULL when the pool is empty */
void *page_alloc_contig(unsigned int n); /* n physically contiguous pages, or NULL */
/* Panics when that is not n pages that are in use. NULL is ignored. */
void page_free(void *page, unsigned int n);
u64 page_pool_free(void); /* bytes */

/*
 * Plinth's own page tables (mm/paging.c): identity, W^X, NX, guard pages, page 0 unmapped.
 */
enum map_flags {
	MAP_READ = 0,
	MAP_WRITE = BIT(0),
	MAP_EXEC = BIT(1),
	MAP_UNCACHED = BIT(2),
};

/*
 * Builds the tables for the linked image and for all of m's memory, sets EFER.NXE and switches CR3.
 * Mapped as well: the video aperture (uncached) and 0xC0000-0xFFFFF (read-only). 0, -ENOMEM, or
 * -ENODEV (the processor lacks NX).
 */
int paging_init(const struct memmap *m);
/*
 * Maps [pa, pa+len), page-granular outwards, identity; existing mappings get the new flags. 0,
 * -ENOMEM, or -EINVAL (beyond 2^47, or both writable and executable).
 */
int paging_map(hpa_t pa, u64 len, unsigned int flags);
/* The same, but what is mapped already keeps its flags. */
int paging_ensure(hpa_t pa, u64 len, unsigned int flags);
/* Unmaps pages (guard pages). 0, -EINVAL, or -ENOMEM (splitting a large page). */
int paging_unmap(hpa_t pa, u64 len);
/* What CR3 holds, for the other CPUs. */
hpa_t paging_root(void);
/* Of all tables, without accessed and dirty bits. */
u64 paging_checksum(void);

/*
 * A checksum of the 64-bit words in [p, p + len), each and-ed with mask (mm/checksum.c). sum is that
 * of what comes before, 0 at the start.
 */
u64 checksum_words(u64 sum, const void *p, u64 len, u64 mask);

#endif
