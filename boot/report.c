/* SPDX-License-Identifier: MIT */
/*
 * What a run of the guest left behind. The memory that is checked is all that nothing writes once
 * the guest's machine is built: code, constants and symbols of the image; Plinth's own page tables and
 * the guest's nested ones, without the bits that the processor sets; the modules. What Plinth itself
 * writes (data, stacks, control structures) cannot be told from a stray write and is left out.
 */
#include "report.h"
#include "lib.h"
#include "mm.h"
#include "printk.h"

extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[], __symbols_start[],
	__symbols_end[];

enum part {
	PART_IMAGE,
	PART_TABLES,
	PART_NESTED,
	PART_MODULES,
	NR_PARTS
};

static const char *const part_name[NR_PARTS] = { "image", "page tables", "nested tables",
						 "modules" };

/* Of the first life: no later one changes it either. */
static u64 first[NR_PARTS];
static bool taken;

static u64 range_sum(u64 sum, const char *start, const char *end)
{
	return checksum_words(sum, start, (u64)(end - start), UINT64_MAX);
}

static u64 image_sum(void)
{
	u64 sum = range_sum(0, __text_start, __text_end);

	sum = range_sum(sum, __rodata_start, __rodata_end);
	return range_sum(sum, __symbols_start, __symbols_end);
}

static u64 modules_sum(const struct boot_info *info)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < info->module_count; i++) {
		const struct boot_module *m = &info->module[i];
		u64 tail = 0, whole = ALIGN_DOWN(m->len, sizeof(tail));
		const char *start = phys_to_virt(m->start);

		if (m->bad)
			continue;
		sum = checksum_words(sum, start, whole, UINT64_MAX);
		memcpy(&tail, start + whole, m->len - whole);
		sum = checksum_words(sum, &tail, sizeof(tail), UINT64_MAX);
	}
	return sum;
}

static void take(const struct vm *vm, const struct boot_info *info, u64 sum[NR_PARTS])
{
	sum[PART_IMAGE] = image_sum();
	sum[PART_TABLES] = paging_checksum();
	sum[PART_NESTED] = gpmap_checksum(&vm->gpmap);
	sum[PART_MODULES] = modules_sum(info);
}

static void report_memory(const struct vm *vm, const struct boot_info *info)
{
	u64 now[NR_PARTS];

	take(vm, info, now);
	for (unsigned int i = 0; i < NR_PARTS; i++) {
		if (now[i] == first[i])
			pr_info("memory: %s unchanged, checksum %016lx", part_name[i], now[i]);
		else
			pr_err("memory: %s CHANGED, checksum %016lx, was %016lx", part_name[i],
			       now[i], first[i]);
	}
}

static void report_unhandled(struct bus *b)
{
	static const char *const space[NR_BUS_SPACES] = { "port", "memory", "msr" };

	for (unsigned int i = 0; i < b->unhandleds; i++) {
		const struct bus_unhandled *u = &b->unhandled[i];

		pr_info("unhandled: %s 0x%lx: %lu", space[u->space], u->where, u->count);
	}
	if (b->unhandled_others)
		pr_info("unhandled: elsewhere: %lu", b->unhandled_others);
	if (!b->unhandleds)
		pr_info("unhandled: nothing");
}

void report_start(struct vm *vm, const struct options *o, const struct boot_info *info)
{
	bus_forget_unhandled(&vm->board.bus);
	if ((o->report & REPORT_MEMORY) && !taken) {
		take(vm, info, first);
		taken = true;
	}
}

void report_end(struct vm *vm, const struct options *o, const struct boot_info *info)
{
	if (o->report & REPORT_UNHANDLED)
		report_unhandled(&vm->board.bus);
	if (o->report & REPORT_MEMORY)
		report_memory(vm, info);
}
