/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM. The guest's memory is cut into slots of 1 GiB (0, 1, 2, then 4 and up, as its PCI hole
 * is 3-4 GiB). Every slot that lies wholly in RAM gets an aligned 1 GiB block of host memory as
 * long as there are any; slot 0, which the VGA aperture breaks up anyway, the last, partial one,
 * and what is left over share the fragments, in units of 2 MiB.
 */
#include "errors.h"
#include "guest_ram.h"
#include "lib.h"

#define SLOT	  GIB(1)
#define LOW_SLOTS 3U /* below the PCI hole */
#define HIGH_SLOT 4U /* the first above it */
#define HOST_MIN  MIB(1)
#define PROT_ALL  (GP_READ | GP_WRITE | GP_EXEC)

_Static_assert(GUEST_RAM_LOW_END == LOW_SLOTS * SLOT, "slots end at the hole");
_Static_assert(GUEST_RAM_HIGH_START == HIGH_SLOT * SLOT, "slots go on above the hole");

/* A run of free host memory, in whole chunks. */
struct run {
	hpa_t start, end;
};

/* Work space: too large for the stack. */
static struct run all[MEMMAP_MAX]; /* largest first */
static struct run work[2 * MEMMAP_MAX];
static struct memmap backup;

static void sort_by_size(struct run *r, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++) {
		struct run x = r[i];
		unsigned int k = i;

		for (; k > 0 && r[k - 1].end - r[k - 1].start < x.end - x.start; k--)
			r[k] = r[k - 1];
		r[k] = x;
	}
}

/* Fills all[]; *unusable is free RAM from 1 MiB up that is not in whole chunks. */
static unsigned int collect_runs(const struct memmap *m, u64 *unusable)
{
	unsigned int n = 0;

	*unusable = 0;
	for (unsigned int i = 0; i < m->n; i++) {
		hpa_t from = max_u64(m->r[i].start, HOST_MIN), to = m->r[i].end;
		hpa_t start = ALIGN_UP(from, GUEST_RAM_CHUNK),
		      end = ALIGN_DOWN(to, GUEST_RAM_CHUNK);

		if (m->r[i].type != MEM_RAM || from >= to)
			continue;
		if (start < end) {
			all[n++] = (struct run){ .start = start, .end = end };
			*unusable += (to - from) - (end - start);
		} else {
			*unusable += to - from;
		}
	}
	sort_by_size(all, n);
	return n;
}

static u64 total_of(const struct run *r, unsigned int n)
{
	u64 total = 0;

	for (unsigned int i = 0; i < n; i++)
		total += r[i].end - r[i].start;
	return total;
}

/* The slots of a guest of a given size, counted from 0 without the hole. */
static u64 slot_count(u64 size)
{
	return ALIGN_UP(size, SLOT) / SLOT;
}

static gpa_t slot_gpa(u64 slot)
{
	return (slot < LOW_SLOTS ? slot : slot + HIGH_SLOT - LOW_SLOTS) * SLOT;
}

static u64 slot_len(u64 slot, u64 size)
{
	return min_u64(SLOT, size - slot * SLOT);
}

/* Adds an extent, joined to its neighbours where both addresses go on. */
static bool add_extent(struct guest_ram *out, gpa_t gpa, hpa_t hpa, u64 len)
{
	struct gp_extent e = { .gpa = gpa, .hpa = hpa, .len = len, .prot = PROT_ALL };
	unsigned int pos = out->n;
	struct gp_extent *x = out->extent;

	while (pos > 0 && x[pos - 1].gpa > gpa)
		pos--;
	if (pos > 0 && x[pos - 1].gpa + x[pos - 1].len == gpa &&
	    x[pos - 1].hpa + x[pos - 1].len == hpa) {
		x[pos - 1].len += len;
		if (pos < out->n && x[pos].gpa == gpa + len && x[pos].hpa == hpa + len) {
			x[pos - 1].len += x[pos].len;
			out->n--;
			memmove(&x[pos], &x[pos + 1], (out->n - pos) * sizeof(*x));
		}
		return true;
	}
	if (pos < out->n && x[pos].gpa == gpa + len && x[pos].hpa == hpa + len) {
		x[pos].gpa = gpa;
		x[pos].hpa = hpa;
		x[pos].len += len;
		return true;
	}
	if (out->n == GUEST_RAM_EXTENTS - 1) /* the VGA aperture takes one more */
		return false;
	memmove(&x[pos + 1], &x[pos], (out->n - pos) * sizeof(*x));
	x[pos] = e;
	out->n++;
	return true;
}

/*
 * Takes [start, end) out of work[i], which holds it; the list grows by one when it lies in the
 * middle.
 */
static void take(unsigned int *n, unsigned int i, hpa_t start, hpa_t end)
{
	struct run rest = { .start = end, .end = work[i].end };

	if (work[i].start < start) {
		work[i].end = start;
		if (rest.start < rest.end)
			work[(*n)++] = rest;
	} else if (rest.start < rest.end) {
		work[i] = rest;
	} else {
		work[i] = work[--*n];
	}
}

/* The lowest aligned 1 GiB block left; false when there is none. */
static bool take_block(unsigned int *n, hpa_t *block)
{
	unsigned int best = *n;

	for (unsigned int i = 0; i < *n; i++) {
		hpa_t start = ALIGN_UP(work[i].start, SLOT);

		if (start < work[i].end && work[i].end - start >= SLOT &&
		    (best == *n || start < *block)) {
			best = i;
			*block = start;
		}
	}
	if (best == *n)
		return false;
	take(n, best, *block, *block + SLOT);
	return true;
}

/* The smallest run that holds len, else the largest there is. */
static unsigned int best_fit(unsigned int n, u64 len)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < n; i++) {
		u64 size = work[i].end - work[i].start;
		u64 best_size = work[best].end - work[best].start;

		if (best_size < len ? size > best_size : size >= len && size < best_size)
			best = i;
	}
	return best;
}

static bool fill_from_fragments(unsigned int *n, gpa_t gpa, u64 len, struct guest_ram *out)
{
	while (len > 0) {
		unsigned int i = best_fit(*n, len);
		hpa_t start = work[i].start;
		u64 part = min_u64(len, work[i].end - start);

		take(n, i, start, start + part);
		if (!add_extent(out, gpa, start, part))
			return false;
		gpa += part;
		len -= part;
	}
	return true;
}

/*
 * Lays the guest out over the runs, which hold at least size; false when it takes too many extents.
 */
static bool lay_out(const struct run *runs, unsigned int n, u64 size, struct guest_ram *out)
{
	u64 slots = slot_count(size);
	u64 blocks = 0; /* slots 1 to blocks have a block of their own */
	hpa_t block = 0;

	memcpy(work, runs, n * sizeof(*runs));
	out->n = 0;
	while (blocks + 1 < slots && slot_len(blocks + 1, size) == SLOT && take_block(&n, &block)) {
		blocks++;
		if (!add_extent(out, slot_gpa(blocks), block, SLOT))
			return false;
	}
	if (!fill_from_fragments(&n, 0, slot_len(0, size), out))
		return false;
	for (u64 slot = blocks + 1; slot < slots; slot++) {
		if (!fill_from_fragments(&n, slot_gpa(slot), slot_len(slot, size), out))
			return false;
	}
	return true;
}

static int mark(struct memmap *m, const struct guest_ram *out)
{
	backup = *m;
	for (unsigned int i = 0; i < out->n; i++) {
		if (memmap_reserve(m, out->extent[i].hpa, out->extent[i].len, MEM_GUEST)) {
			*m = backup;
			return -ENOSPC;
		}
	}
	return 0;
}

/*
 * Takes the VGA aperture out of the first extent, which is a chunk at least. The memory under it
 * stays marked: it is of no use to anyone else.
 */
static void cut_vga(struct guest_ram *out)
{
	struct gp_extent *x = out->extent;

	memmove(&x[1], &x[0], out->n * sizeof(*x));
	out->n++;
	x[0].len = GUEST_VGA_START;
	x[1].gpa += GUEST_VGA_END;
	x[1].hpa += GUEST_VGA_END;
	x[1].len -= GUEST_VGA_END;
}

int guest_ram_choose(struct memmap *m, u64 want, u64 keep, struct guest_ram *out)
{
	unsigned int runs;
	u64 unusable, limit, size;

	memset(out, 0, sizeof(*out));
	if (want != 0 && want < GUEST_RAM_MIN)
		return -EINVAL;
	want = ALIGN_DOWN(want, GUEST_RAM_CHUNK);
	runs = collect_runs(m, &unusable);
	limit = total_of(all, runs);
	keep = keep > unusable ? keep - unusable : 0;
	limit = keep < limit ? min_u64(ALIGN_DOWN(limit - keep, GUEST_RAM_CHUNK), GUEST_RAM_MAX)
			     : 0;

	/* Every turn does without the smallest run, until the extents are few enough. */
	for (;; runs--) {
		size = min_u64(total_of(all, runs), limit);
		out->available = size;
		if (size < GUEST_RAM_MIN || size < want) {
			out->n = 0;
			return -ENOMEM;
		}
		if (want != 0)
			size = want;
		if (lay_out(all, runs, size, out) && mark(m, out) == 0)
			break;
	}
	cut_vga(out);
	out->size = size;
	out->below_4g = min_u64(size, GUEST_RAM_LOW_END);
	out->above_4g = size - out->below_4g;
	return 0;
}
