/* SPDX-License-Identifier: MIT */
/*
 * Plinth's own page tables: identity, four levels, large pages where possible, nothing both
 * writable and executable. APM vol. 2 rev. 3.42, 5.3 and 5.6; SDM vol. 3 rev. 083, 4.5. The tables
 * are not global; other CPUs load the same root, and whoever takes rights away after they run must
 * not count on their seeing it before they reload CR3.
 */
#include "cpuid.h"
#include "errors.h"
#include "lib.h"
#include "mm.h"
#include "msr.h"
#include "spinlock.h"
#include "x86.h"

/* linker.ld; all page-aligned. */
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[], __data_start[],
	__bss_end[], __image_start[], __image_end[];

#define LEVELS	   4U
#define INDEX_BITS 9U
#define ENTRIES	   512U

/* The lower canonical half, where an address is its own physical address. */
#define IDENTITY_END BIT64(PAGE_SHIFT + INDEX_BITS * LEVELS - 1)

#define VIDEO_START UINT64_C(0xa0000) /* text screen, before a driver asks for it */
#define VIDEO_END   UINT64_C(0xc0000)
#define ROM_END	    UINT64_C(0x100000) /* the BIOS area, where ACPI's RSDP can be */

static struct {
	struct spinlock lock;
	u64 *root;
	unsigned int max_level; /* 1: 2 MiB, 2: 1 GiB */
	bool loaded;
} paging;

static u64 level_size(unsigned int level)
{
	return BIT64(PAGE_SHIFT + INDEX_BITS * level);
}

static unsigned int level_index(hpa_t va, unsigned int level)
{
	return (unsigned int)(va >> (PAGE_SHIFT + INDEX_BITS * level)) & (ENTRIES - 1);
}

/* Bits 3 and 4 choose UC of the PAT's power-on entries, at all levels alike. */
static u64 leaf_bits(unsigned int flags)
{
	u64 bits = PTE_P | PTE_A | PTE_D;

	if (flags & MAP_WRITE)
		bits |= PTE_W;
	if (!(flags & MAP_EXEC))
		bits |= PTE_NX;
	if (flags & MAP_UNCACHED)
		bits |= PTE_PCD | PTE_PWT;
	return bits;
}

static u64 leaf(hpa_t pa, unsigned int level, u64 bits)
{
	return pa | bits | (level > 0 ? PTE_PS : 0);
}

static bool is_large(u64 entry, unsigned int level)
{
	return level > 0 && (entry & PTE_P) && (entry & PTE_PS);
}

static void flush(hpa_t va)
{
	if (paging.loaded)
		invlpg((const void *)(uintptr_t)va);
}

/* Turns a large page into a table of 512 smaller ones with the same rights. */
static int split(u64 *entry, hpa_t va, unsigned int level)
{
	u64 *table = page_alloc();
	u64 bits = *entry & ~(PTE_ADDR | PTE_PS);
	hpa_t pa = *entry & PTE_ADDR;

	if (!table)
		return -ENOMEM;
	for (unsigned int i = 0; i < ENTRIES; i++)
		table[i] = leaf(pa + i * level_size(level - 1), level - 1, bits);
	*entry = virt_to_phys(table) | PTE_P | PTE_W;
	flush(va);
	return 0;
}

/*
 * The entry that decides about va, at the given level or, where tables lie deeper or (with make
 * unset) end earlier, there; *level is updated.
 */
static u64 *walk(hpa_t va, unsigned int *level, bool make)
{
	u64 *table = paging.root;

	for (unsigned int l = LEVELS - 1;; l--) {
		u64 *entry = &table[level_index(va, l)];
		bool present = *entry & PTE_P;

		if (l == 0 || (l <= *level && (!present || is_large(*entry, l))) ||
		    (!present && !make)) {
			*level = l;
			return entry;
		}
		if (!present) {
			u64 *next = page_alloc();

			if (!next)
				return NULL;
			*entry = virt_to_phys(next) | PTE_P | PTE_W;
		} else if (is_large(*entry, l)) {
			if (split(entry, va, l))
				return NULL;
		}
		table = phys_to_virt(*entry & PTE_ADDR);
	}
}

static unsigned int best_level(hpa_t va, hpa_t end)
{
	unsigned int level = paging.max_level;

	while (level > 0 && (!IS_ALIGNED(va, level_size(level)) || end - va < level_size(level)))
		level--;
	return level;
}

static int map_range(hpa_t va, hpa_t end, unsigned int flags)
{
	while (va < end) {
		unsigned int level = best_level(va, end);
		u64 *entry = walk(va, &level, true);
		u64 new;

		if (!entry)
			return -ENOMEM;
		new = leaf(va, level, leaf_bits(flags));
		if (*entry != new) {
			bool present = *entry & PTE_P;

			*entry = new;
			if (present)
				flush(va);
		}
		va += level_size(level);
	}
	return 0;
}

/* The end of the entry of this level that va lies in. */
static hpa_t entry_end(hpa_t va, unsigned int level)
{
	return ALIGN_DOWN(va, level_size(level)) + level_size(level);
}

static int unmap_range(hpa_t va, hpa_t end)
{
	while (va < end) {
		unsigned int level = best_level(va, end);
		u64 *entry;

		/* Nothing mapped: step over the whole hole; else split down to the size wanted. */
		entry = walk(va, &level, false);
		if (!entry)
			return -ENOMEM;
		if (*entry & PTE_P) {
			*entry = 0;
			flush(va);
		}
		va = entry_end(va, level);
	}
	return 0;
}

static bool mapped(hpa_t va, hpa_t *next)
{
	const u64 *table = paging.root;

	for (unsigned int l = LEVELS - 1;; l--) {
		u64 entry = table[level_index(va, l)];

		if (l == 0 || !(entry & PTE_P) || is_large(entry, l)) {
			*next = entry_end(va, l);
			return entry & PTE_P;
		}
		table = phys_to_virt(entry & PTE_ADDR);
	}
}

/* Page-granular outwards; false when that leaves the identity range. */
static bool range(hpa_t pa, u64 len, hpa_t *start, hpa_t *end)
{
	if (pa >= IDENTITY_END || len > IDENTITY_END - pa)
		return false;
	*start = ALIGN_DOWN(pa, PAGE_SIZE);
	*end = ALIGN_UP(pa + len, PAGE_SIZE);
	return true;
}

static bool valid_flags(unsigned int flags)
{
	return (flags & (MAP_WRITE | MAP_EXEC)) != (MAP_WRITE | MAP_EXEC);
}

int paging_map(hpa_t pa, u64 len, unsigned int flags)
{
	hpa_t start, end;
	int rc;

	if (!valid_flags(flags) || !range(pa, len, &start, &end))
		return -EINVAL;
	spin_lock(&paging.lock);
	rc = map_range(start, end, flags);
	spin_unlock(&paging.lock);
	return rc;
}

int paging_ensure(hpa_t pa, u64 len, unsigned int flags)
{
	hpa_t va, end;
	int rc = 0;

	if (!valid_flags(flags) || !range(pa, len, &va, &end))
		return -EINVAL;
	spin_lock(&paging.lock);
	while (va < end && rc == 0) {
		hpa_t next;

		if (!mapped(va, &next))
			rc = map_range(va, min_u64(va + PAGE_SIZE, end), flags);
		else
			va = next;
	}
	spin_unlock(&paging.lock);
	return rc;
}

int paging_unmap(hpa_t pa, u64 len)
{
	hpa_t start, end;
	int rc;

	if (!range(pa, len, &start, &end))
		return -EINVAL;
	spin_lock(&paging.lock);
	rc = unmap_range(start, end);
	spin_unlock(&paging.lock);
	return rc;
}

hpa_t paging_root(void)
{
	return virt_to_phys(paging.root);
}

static bool is_memory(enum mem_type type)
{
	switch (type) {
	case MEM_RAM:
	case MEM_ACPI_RECLAIM:
	case MEM_ACPI_NVS:
	case MEM_MODULE:
	case MEM_PLINTH:
	case MEM_GUEST:
		return true;
	case MEM_BAD:
	case MEM_RESERVED:
		break;
	}
	return false;
}

static int map_section(const char *start, const char *end, unsigned int flags)
{
	return map_range(virt_to_phys(start), virt_to_phys(end), flags);
}

/* Later calls override earlier ones where they overlap. */
static int build(const struct memmap *m)
{
	int rc = 0;

	for (unsigned int i = 0; i < m->n && rc == 0; i++) {
		hpa_t end = min_u64(m->r[i].end, IDENTITY_END);

		if (is_memory(m->r[i].type))
			rc = map_range(m->r[i].start, end, MAP_WRITE);
	}
	if (rc == 0)
		rc = map_range(VIDEO_START, VIDEO_END, MAP_WRITE | MAP_UNCACHED);
	if (rc == 0)
		rc = map_range(VIDEO_END, ROM_END, MAP_READ);
	if (rc == 0)
		rc = map_section(__image_start, __image_end, MAP_READ);
	if (rc == 0)
		rc = map_section(__text_start, __text_end, MAP_EXEC);
	if (rc == 0)
		rc = map_section(__rodata_start, __rodata_end, MAP_READ);
	if (rc == 0)
		rc = map_section(__data_start, __bss_end, MAP_WRITE);
	if (rc == 0)
		rc = unmap_range(0, PAGE_SIZE);
	return rc;
}

int paging_init(const struct memmap *m)
{
	struct cpuid_regs r = cpuid(CPUID_EXT, 0);
	int rc;

	if (r.eax < CPUID_EXT_IDENT)
		return -ENODEV;
	r = cpuid(CPUID_EXT_IDENT, 0);
	if (!(r.edx & CPUID_81_EDX_NX))
		return -ENODEV;
	paging.max_level = r.edx & CPUID_81_EDX_PAGE1GB ? 2 : 1;
	paging.root = page_alloc();
	if (!paging.root)
		return -ENOMEM;
	rc = build(m);
	if (rc)
		return rc;
	/* Before the tables: without it the NX bit is a reserved bit. */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr3(virt_to_phys(paging.root));
	paging.loaded = true;
	return 0;
}

static u64 table_checksum(const u64 *table, unsigned int level, u64 sum)
{
	sum = checksum_words(sum, table, PAGE_SIZE, ~(u64)(PTE_A | PTE_D));
	for (unsigned int i = 0; i < ENTRIES && level > 0; i++)
		if ((table[i] & PTE_P) && !is_large(table[i], level))
			sum = table_checksum(phys_to_virt(table[i] & PTE_ADDR), level - 1, sum);
	return sum;
}

u64 paging_checksum(void)
{
	return table_checksum(paging.root, LEVELS - 1, 0);
}
