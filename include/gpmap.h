/* SPDX-License-Identifier: MIT */
/*
 * The guest-physical map (mm/gpmap.c): which host memory stands behind a guest-physical address,
 * and the second-level page tables (NPT or EPT) built from it. One builder; the backend supplies
 * the entry format. Built before the guest runs and read-only afterwards, so that readers take no
 * lock.
 */
#ifndef PLINTH_GPMAP_H
#define PLINTH_GPMAP_H

#include "types.h"
#include "x86.h"

enum gp_prot {
	GP_READ = BIT(0),
	GP_WRITE = BIT(1),
	GP_EXEC = BIT(2),
};

/* Entry format of a backend. level 0 = 4 KiB page, 1 = 2 MiB, 2 = 1 GiB. */
struct gpmap_format {
	const char *name;
	u64 (*leaf)(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type);
	u64 (*table)(hpa_t table);
	/*
	 * The memory type that the host's write-back RAM at pa really has, and for how many of the
	 * *len bytes. NULL: the processor asks the host's MTRRs by itself.
	 */
	enum memtype (*ram_type)(hpa_t pa, u64 *len);
	unsigned int levels;	/* of tables: 4 */
	unsigned int max_level; /* largest leaf level: 1 or 2 */
	u64 hardware_bits;	/* of an entry: what the processor sets by itself */
};

/* One run of guest-physical pages with the host memory behind it. */
struct gp_extent {
	gpa_t gpa;
	hpa_t hpa;
	u64 len;
	unsigned int prot;
};

#define GPMAP_EXTENTS_MAX 64

struct gpmap {
	const struct gpmap_format *format;
	u64 *root;				    /* owned: from the page pool */
	struct gp_extent extent[GPMAP_EXTENTS_MAX]; /* sorted by gpa */
	unsigned int n;
	u64 table_pages; /* for the report */
};

int gpmap_init(struct gpmap *m, const struct gpmap_format *format); /* 0 or -ENOMEM */
/*
 * All page-aligned. Largest leaves that alignment allows. 0, -EINVAL (unaligned, overlap), -ENOSPC,
 * -ENOMEM.
 */
int gpmap_add(struct gpmap *m, gpa_t gpa, hpa_t hpa, u64 len, unsigned int prot, enum memtype type);

/*
 * Pointer to guest memory at gpa and, in *len, how many bytes follow contiguously; NULL when
 * nothing is mapped there or prot is not all allowed.
 */
void *gpmap_ptr(const struct gpmap *m, gpa_t gpa, unsigned int prot, u64 *len);

/*
 * Copies; stop at the first byte that is not guest memory. 0 or -EFAULT (a part may have been
 * copied).
 */
int gpmap_read(const struct gpmap *m, gpa_t gpa, void *dst, u64 len);
int gpmap_write(const struct gpmap *m, gpa_t gpa, const void *src, u64 len);
int gpmap_fill(const struct gpmap *m, gpa_t gpa, u8 byte, u64 len);

/*
 * Walks the hardware tables as the processor would (for tests and reports). Returns the leaf entry
 * or 0.
 */
u64 gpmap_lookup(const struct gpmap *m, gpa_t gpa, unsigned int *level);
/* Of all tables, without the hardware's bits. */
u64 gpmap_checksum(const struct gpmap *m);

#endif
