/* SPDX-License-Identifier: MIT */
/*
 * The guest-physical map. The second-level tables have the same shape on both vendors: 512 entries
 * of 8 bytes a table, the table or page address in bits 12-51, bit 7 = large page above the lowest
 * level, and an entry without any permission (0) is absent. NPT: APM vol. 2 rev. 3.42, 15.25 and
 * 5.3; EPT: SDM vol. 3 rev. 083, 29.3. The rest of an entry is the backend's.
 */
#include "errors.h"
#include "gpmap.h"
#include "lib.h"
#include "mm.h"

#define INDEX_BITS  9U
#define ENTRIES	    512U
#define ENTRY_LARGE BIT64(7)
#define ENTRY_ADDR  UINT64_C(0x000ffffffffff000)
#define PHYS_END    (UINT64_C(1) << 52)
#define LEVELS_MIN  3U
#define LEVELS_MAX  5U
#define LEAF_LEVELS 3U /* 4 KiB, 2 MiB, 1 GiB */

static unsigned int level_shift(unsigned int level)
{
	return PAGE_SHIFT + INDEX_BITS * level;
}

static u64 level_size(unsigned int level)
{
	return BIT64(level_shift(level));
}

static unsigned int level_index(gpa_t gpa, unsigned int level)
{
	return (unsigned int)(gpa >> level_shift(level)) & (ENTRIES - 1);
}

static gpa_t gpa_end(const struct gpmap *m)
{
	return min_u64(level_size(m->format->levels), PHYS_END);
}

static bool is_leaf(u64 entry, unsigned int level)
{
	return level == 0 || (level < LEAF_LEVELS && (entry & ENTRY_LARGE));
}

static u64 *entry_table(u64 entry)
{
	return phys_to_virt(entry & ENTRY_ADDR);
}

int gpmap_init(struct gpmap *m, const struct gpmap_format *format)
{
	if (format->levels < LEVELS_MIN || format->levels > LEVELS_MAX ||
	    format->max_level >= LEAF_LEVELS)
		return -EINVAL;
	memset(m, 0, sizeof(*m));
	m->format = format;
	m->root = page_alloc();
	if (!m->root)
		return -ENOMEM;
	m->table_pages = 1;
	return 0;
}

/* The entry for gpa at a level, with the tables above it made; NULL without memory. */
static u64 *entry_at(struct gpmap *m, gpa_t gpa, unsigned int level)
{
	u64 *table = m->root;

	for (unsigned int l = m->format->levels - 1; l > level; l--) {
		u64 *entry = &table[level_index(gpa, l)];

		if (*entry == 0) {
			u64 *next = page_alloc();

			if (!next)
				return NULL;
			m->table_pages++;
			*entry = m->format->table(virt_to_phys(next));
		}
		table = entry_table(*entry);
	}
	return &table[level_index(gpa, level)];
}

/* A table, rather than nothing, already stands where a leaf of this level would go. */
static bool table_in_the_way(const struct gpmap *m, gpa_t gpa, unsigned int level)
{
	const u64 *table = m->root;

	for (unsigned int l = m->format->levels - 1; l > level; l--) {
		u64 entry = table[level_index(gpa, l)];

		if (entry == 0)
			return false;
		table = entry_table(entry);
	}
	return table[level_index(gpa, level)] != 0;
}

/*
 * Largest level whose pages fit at gpa and hpa; no leaf is there yet, since extents do not overlap.
 */
static unsigned int leaf_level(const struct gpmap *m, gpa_t gpa, hpa_t hpa, u64 left)
{
	unsigned int level = m->format->max_level;

	while (level > 0 && (!IS_ALIGNED(gpa | hpa, level_size(level)) ||
			     left < level_size(level) || table_in_the_way(m, gpa, level)))
		level--;
	return level;
}

/* Takes out the leaves of [gpa, end), all of which exist. The tables stay. */
static void clear_leaves(struct gpmap *m, gpa_t gpa, gpa_t end)
{
	while (gpa < end) {
		unsigned int level = m->format->levels - 1;
		u64 *entry = &m->root[level_index(gpa, level)];

		while (!is_leaf(*entry, level)) {
			level--;
			entry = &entry_table(*entry)[level_index(gpa, level)];
		}
		*entry = 0;
		gpa += level_size(level);
	}
}

static int map_leaves(struct gpmap *m, const struct gp_extent *e, enum memtype type)
{
	u64 done = 0, end = 0;
	enum memtype here = type;

	while (done < e->len) {
		unsigned int level;
		u64 *entry;

		if (done == end) {
			u64 len = e->len - done;

			if (type == MEMTYPE_WB && m->format->ram_type)
				here = m->format->ram_type(e->hpa + done, &len);
			end = done + len;
		}
		level = leaf_level(m, e->gpa + done, e->hpa + done, end - done);
		entry = entry_at(m, e->gpa + done, level);
		if (!entry) {
			clear_leaves(m, e->gpa, e->gpa + done);
			return -ENOMEM;
		}
		*entry = m->format->leaf(e->hpa + done, level, e->prot, here);
		done += level_size(level);
	}
	return 0;
}

static bool joins(const struct gp_extent *a, const struct gp_extent *b)
{
	return a->gpa + a->len == b->gpa && a->hpa + a->len == b->hpa && a->prot == b->prot;
}

/* Puts e before m->extent[pos], joining it with its neighbours where everything goes on. */
static void insert_extent(struct gpmap *m, unsigned int pos, const struct gp_extent *e)
{
	bool left = pos > 0 && joins(&m->extent[pos - 1], e);
	bool right = pos < m->n && joins(e, &m->extent[pos]);

	if (left && right) {
		m->extent[pos - 1].len += e->len + m->extent[pos].len;
		m->n--;
		memmove(&m->extent[pos], &m->extent[pos + 1], (m->n - pos) * sizeof(*e));
	} else if (left) {
		m->extent[pos - 1].len += e->len;
	} else if (right) {
		m->extent[pos].gpa = e->gpa;
		m->extent[pos].hpa = e->hpa;
		m->extent[pos].len += e->len;
	} else {
		memmove(&m->extent[pos + 1], &m->extent[pos], (m->n - pos) * sizeof(*e));
		m->extent[pos] = *e;
		m->n++;
	}
}

int gpmap_add(struct gpmap *m, gpa_t gpa, hpa_t hpa, u64 len, unsigned int prot, enum memtype type)
{
	struct gp_extent e = { .gpa = gpa, .hpa = hpa, .len = len, .prot = prot };
	unsigned int pos = 0;
	bool left, right;
	int rc;

	if (!IS_ALIGNED(gpa | hpa | len, PAGE_SIZE) || len == 0 || !(prot & GP_READ))
		return -EINVAL;
	if (gpa >= gpa_end(m) || len > gpa_end(m) - gpa || hpa >= PHYS_END || len > PHYS_END - hpa)
		return -EINVAL;
	while (pos < m->n && m->extent[pos].gpa < gpa)
		pos++;
	if (pos > 0 && m->extent[pos - 1].len > gpa - m->extent[pos - 1].gpa)
		return -EINVAL;
	if (pos < m->n && len > m->extent[pos].gpa - gpa)
		return -EINVAL;
	left = pos > 0 && joins(&m->extent[pos - 1], &e);
	right = pos < m->n && joins(&e, &m->extent[pos]);
	if (m->n == GPMAP_EXTENTS_MAX && !left && !right)
		return -ENOSPC;
	rc = map_leaves(m, &e, type);
	if (rc)
		return rc;
	insert_extent(m, pos, &e);
	return 0;
}

void *gpmap_ptr(const struct gpmap *m, gpa_t gpa, unsigned int prot, u64 *len)
{
	unsigned int lo = 0, hi = m->n;

	/* The last extent that does not start above gpa is lo - 1. */
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (m->extent[mid].gpa <= gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0) {
		const struct gp_extent *e = &m->extent[lo - 1];
		u64 offset = gpa - e->gpa;

		if (offset < e->len && (e->prot & prot) == prot) {
			if (len)
				*len = e->len - offset;
			return phys_to_virt(e->hpa + offset);
		}
	}
	if (len)
		*len = 0;
	return NULL;
}

int gpmap_read(const struct gpmap *m, gpa_t gpa, void *dst, u64 len)
{
	u8 *to = dst;

	while (len > 0) {
		u64 n;
		const void *from = gpmap_ptr(m, gpa, GP_READ, &n);

		if (!from)
			return -EFAULT;
		n = min_u64(n, len);
		memcpy(to, from, n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gpmap_write(const struct gpmap *m, gpa_t gpa, const void *src, u64 len)
{
	const u8 *from = src;

	while (len > 0) {
		u64 n;
		void *to = gpmap_ptr(m, gpa, GP_WRITE, &n);

		if (!to)
			return -EFAULT;
		n = min_u64(n, len);
		memcpy(to, from, n);
		from += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gpmap_fill(const struct gpmap *m, gpa_t gpa, u8 byte, u64 len)
{
	while (len > 0) {
		u64 n;
		void *to = gpmap_ptr(m, gpa, GP_WRITE, &n);

		if (!to)
			return -EFAULT;
		n = min_u64(n, len);
		memset(to, byte, n);
		gpa += n;
		len -= n;
	}
	return 0;
}

u64 gpmap_lookup(const struct gpmap *m, gpa_t gpa, unsigned int *level)
{
	unsigned int l = m->format->levels - 1;
	u64 entry;

	if (gpa >= gpa_end(m))
		return 0;
	entry = m->root[level_index(gpa, l)];
	while (entry != 0 && !is_leaf(entry, l)) {
		l--;
		entry = entry_table(entry)[level_index(gpa, l)];
	}
	if (entry != 0 && level)
		*level = l;
	return entry;
}

static u64 table_checksum(const struct gpmap *m, const u64 *table, unsigned int level, u64 sum)
{
	sum = checksum_words(sum, table, PAGE_SIZE, ~m->format->hardware_bits);
	for (unsigned int i = 0; i < ENTRIES; i++)
		if (table[i] != 0 && !is_leaf(table[i], level))
			sum = table_checksum(m, entry_table(table[i]), level - 1, sum);
	return sum;
}

u64 gpmap_checksum(const struct gpmap *m)
{
	return table_checksum(m, m->root, m->format->levels - 1, 0);
}
