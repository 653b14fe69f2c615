/* SPDX-License-Identifier: MIT */
/*
 * Plinth's page pool: a few runs of physical memory, each with a bitmap in its own first pages (bit
 * set = taken). The pool is small (megabytes), so a search is a short loop over words.
 */
#include "errors.h"
#include "lib.h"
#include "mm.h"
#include "panic.h"
#include "spinlock.h"

#define POOL_RUNS_MAX 16
#define WORD_BITS     64U

struct run {
	hpa_t start;
	u64 *bitmap; /* the first pages of the run */
	u64 pages;
	u64 bitmap_pages;
	u64 free;
	u64 hint; /* no free page lies below it */
};

static struct {
	struct spinlock lock;
	struct run run[POOL_RUNS_MAX];
	unsigned int runs;
} pool;

static bool taken(const struct run *r, u64 page)
{
	return (r->bitmap[page / WORD_BITS] >> (page % WORD_BITS)) & 1;
}

static void set_taken(struct run *r, u64 page, u64 n, bool value)
{
	for (u64 i = page; i < page + n; i++) {
		if (value)
			r->bitmap[i / WORD_BITS] |= BIT64(i % WORD_BITS);
		else
			r->bitmap[i / WORD_BITS] &= ~BIT64(i % WORD_BITS);
	}
}

int page_pool_add(hpa_t start, u64 len)
{
	struct run *r;
	hpa_t end;
	int rc = 0;

	if (len > UINT64_MAX - start)
		return -EINVAL;
	end = ALIGN_DOWN(start + len, PAGE_SIZE);
	if (start > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	start = ALIGN_UP(start, PAGE_SIZE);
	/* One page for the bitmap, one to give; address 0 would be NULL. */
	if (end <= start || end - start < 2 * PAGE_SIZE || start == 0)
		return -EINVAL;

	spin_lock(&pool.lock);
	for (unsigned int i = 0; i < pool.runs; i++) {
		r = &pool.run[i];
		if (start < r->start + r->pages * PAGE_SIZE && r->start < end)
			rc = -EEXIST;
	}
	if (rc == 0 && pool.runs == POOL_RUNS_MAX)
		rc = -ENOSPC;
	if (rc == 0) {
		u64 bytes;

		r = &pool.run[pool.runs++];
		r->start = start;
		r->bitmap = phys_to_virt(start);
		r->pages = (end - start) / PAGE_SIZE;
		bytes = ALIGN_UP(r->pages, WORD_BITS) / 8;
		r->bitmap_pages = ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
		r->free = r->pages - r->bitmap_pages;
		r->hint = r->bitmap_pages;
		memset(r->bitmap, 0, r->bitmap_pages * PAGE_SIZE);
		set_taken(r, 0, r->bitmap_pages, true);
	}
	spin_unlock(&pool.lock);
	return rc;
}

/* First n free pages in a row; false when there are none. */
static bool run_find(const struct run *r, u64 n, u64 *page)
{
	u64 length = 0;

	for (u64 i = r->hint; i < r->pages; i++) {
		if (i % WORD_BITS == 0 && r->bitmap[i / WORD_BITS] == UINT64_MAX) {
			i += WORD_BITS - 1;
			length = 0;
			continue;
		}
		length = taken(r, i) ? 0 : length + 1;
		if (length == n) {
			*page = i + 1 - n;
			return true;
		}
	}
	return false;
}

void *page_alloc_contig(unsigned int n)
{
	void *va = NULL;

	if (n == 0)
		return NULL;
	spin_lock(&pool.lock);
	for (unsigned int i = 0; i < pool.runs; i++) {
		struct run *r = &pool.run[i];
		u64 page;

		if (r->free < n || !run_find(r, n, &page))
			continue;
		set_taken(r, page, n, true);
		r->free -= n;
		if (n == 1) /* the search began at the hint and took the first free one */
			r->hint = page + 1;
		va = phys_to_virt(r->start + page * PAGE_SIZE);
		break;
	}
	spin_unlock(&pool.lock);
	if (va)
		memset(va, 0, n * PAGE_SIZE);
	return va;
}

void *page_alloc(void)
{
	return page_alloc_contig(1);
}

/*
 * Gives the pages back; NULL, or the reason why they cannot be pages of the pool that are in use.
 */
static const char *release(hpa_t pa, u64 n)
{
	for (unsigned int i = 0; i < pool.runs; i++) {
		struct run *r = &pool.run[i];
		u64 page;

		if (pa < r->start || pa - r->start >= r->pages * PAGE_SIZE)
			continue;
		page = (pa - r->start) / PAGE_SIZE;
		if (page < r->bitmap_pages || n > r->pages - page)
			return "not pages that were given out";
		for (u64 k = 0; k < n; k++) {
			if (!taken(r, page + k))
				return "freed twice";
		}
		set_taken(r, page, n, false);
		r->free += n;
		r->hint = min_u64(r->hint, page);
		return NULL;
	}
	return "not in the pool";
}

void page_free(void *page, unsigned int n)
{
	hpa_t pa = virt_to_phys(page);
	const char *wrong;

	if (!page || n == 0)
		return;
	if (!IS_ALIGNED(pa, PAGE_SIZE))
		panic("page_free(%p, %u): not page-aligned", page, n);
	spin_lock(&pool.lock);
	wrong = release(pa, n);
	spin_unlock(&pool.lock);
	if (wrong)
		panic("page_free(%p, %u): %s", page, n, wrong);
}

u64 page_pool_free(void)
{
	u64 pages = 0;

	spin_lock(&pool.lock);
	for (unsigned int i = 0; i < pool.runs; i++)
		pages += pool.run[i].free;
	spin_unlock(&pool.lock);
	return pages * PAGE_SIZE;
}
