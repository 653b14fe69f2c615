/* SPDX-License-Identifier: MIT */
/*
 * The boot loader's structures and what follows from its memory map. The input is physical memory
 * from 0, but for its first bytes, which say where the information structure is and how much guest
 * memory is wanted. What lies beyond the input cannot be read.
 */
#include "errors.h"
#include "fuzz.h"
#include "guest_ram.h"
#include "multiboot.h"

static u8 *memory;
static size_t memory_size;

void *phys_to_virt(hpa_t pa)
{
	return pa < memory_size ? memory + pa : NULL;
}

static bool terminated(const char *s, size_t size)
{
	return strnlen(s, size) < size;
}

static void check_info(const struct boot_info *bi)
{
	CHECK(terminated(bi->cmdline, sizeof(bi->cmdline)), "command line");
	CHECK(terminated(bi->loader, sizeof(bi->loader)), "loader's name");
	CHECK(bi->mmap_count <= BOOT_MMAP_MAX, "%u map entries", bi->mmap_count);
	CHECK(bi->module_count <= BOOT_MODULES_MAX, "%u modules", bi->module_count);
	for (unsigned int i = 0; i < bi->module_count; i++) {
		const struct boot_module *m = &bi->module[i];

		CHECK(terminated(m->args, sizeof(m->args)), "arguments of module %u", i);
		CHECK(terminated(m->name, sizeof(m->name)), "name of module %u", i);
		CHECK(!m->bad || m->len == 0, "module %u is bad and has a length", i);
		CHECK(m->start + m->len >= m->start, "module %u wraps", i);
	}
}

static void check_map(const struct memmap *m)
{
	CHECK(m->n <= MEMMAP_MAX, "%u regions", m->n);
	for (unsigned int i = 0; i < m->n; i++) {
		const struct mem_region *r = &m->r[i];

		CHECK(r->start < r->end, "region %u is empty", i);
		CHECK(IS_ALIGNED(r->start, PAGE_SIZE) && IS_ALIGNED(r->end, PAGE_SIZE),
		      "region %u is odd", i);
		CHECK(i == 0 || m->r[i - 1].end <= r->start, "region %u overlaps", i);
		CHECK(i == 0 || m->r[i - 1].end < r->start || m->r[i - 1].type != r->type,
		      "region %u is not merged", i);
	}
}

/* All of [start, start + len) has the type. */
static bool map_is(const struct memmap *m, hpa_t start, u64 len, enum mem_type type)
{
	for (unsigned int i = 0; i < m->n && len; i++) {
		const struct mem_region *r = &m->r[i];

		if (start < r->start || start >= r->end)
			continue;
		if (r->type != type)
			return false;
		len -= min_u64(len, r->end - start);
		start = r->end;
	}
	return len == 0;
}

static void check_ram(struct memmap *m, u64 want, u64 keep)
{
	static struct guest_ram ram;
	static struct memmap before;
	u64 free_before = memmap_total(m, MEM_RAM), sum = 0;
	int err;

	before = *m;
	err = guest_ram_choose(m, want, keep, &ram);
	check_map(m);
	if (err) {
		CHECK(err == -EINVAL || err == -ENOMEM, "guest_ram_choose: %d", err);
		CHECK(before.n == m->n && !memcmp(before.r, m->r, m->n * sizeof(m->r[0])),
		      "the map has changed");
		return;
	}
	CHECK(ram.n > 0 && ram.n <= GUEST_RAM_EXTENTS, "%u extents", ram.n);
	CHECK(ram.size >= GUEST_RAM_MIN && ram.size == ram.below_4g + ram.above_4g, "size %#llx",
	      (unsigned long long)ram.size);
	CHECK(ram.below_4g <= GUEST_RAM_LOW_END, "low part");
	for (unsigned int i = 0; i < ram.n; i++) {
		const struct gp_extent *x = &ram.extent[i];

		sum += x->len;
		CHECK(x->len && IS_ALIGNED(x->gpa | x->hpa | x->len, PAGE_SIZE), "extent %u", i);
		CHECK(i == 0 || x[-1].gpa + x[-1].len <= x->gpa, "extent %u overlaps", i);
		CHECK(map_is(&before, x->hpa, x->len, MEM_RAM), "extent %u was not free", i);
		CHECK(map_is(m, x->hpa, x->len, MEM_GUEST), "extent %u is not marked", i);
	}
	CHECK(sum <= free_before && sum <= ram.size, "more than there is");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct boot_info bi;
	static struct memmap map;
	struct input in = { data, size };
	hpa_t info = take32(&in);
	u64 want = (u64)take16(&in) << 20, keep = (u64)take16(&in) << 16;
	int err;

	memory = take_rest(&in, &memory_size);
	memset(&bi, 0xa5, sizeof(bi));
	memset(&map, 0, sizeof(map));
	err = multiboot_parse(MULTIBOOT_BOOTLOADER_MAGIC, info, &bi);
	CHECK(err == 0 || err == -EINVAL || err == -ENOENT, "multiboot_parse: %d", err);
	if (err != -EINVAL)
		check_info(&bi);
	if (err == 0) {
		err = boot_info_memmap(&bi, &map);
		CHECK(err == 0 || err == -ENOSPC, "boot_info_memmap: %d", err);
		check_map(&map);
		for (unsigned int i = 0; i < bi.module_count && map.n; i++)
			CHECK(bi.module[i].len == 0 ||
				      !map_is(&map, bi.module[i].start, 1, MEM_RAM),
			      "module %u lies in free memory", i);
		check_ram(&map, want, keep);
	}
	free(memory);
	return 0;
}
