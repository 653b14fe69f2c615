/* SPDX-License-Identifier: MIT */
/*
 * What fw_cfg tells the guest's firmware: memory, processors, ACPI tables with their loader script.
 * Formats: QEMU's docs/specs/fw_cfg.rst; E820 entries as in ACPI 6.4 table 15-4. There are no items
 * of a kernel, an initrd or SMBIOS: what is absent reads as a size of 0.
 */
#include "acpi_loader.h"
#include "dev/acpi_pm.h"
#include "errors.h"
#include "lib.h"
#include "vm.h"

enum {
	SYSTEM_STATES = 6,	/* S0 to S5: what goes into SLP_TYP, and: */
	STATE_SUPPORTED = 0x80, /* clear: the value means nothing */
	RAM_REGIONS = 2,
};

/* For all lives of the guest; rebuilt tables excepted, written once. */
static struct {
	u64 ram_size;
	u8 uuid[16]; /* zeros: none */
	u16 no_graphics, cpus, cpus_max, boot_menu;
	u64 numa[1 + VM_VCPUS_MAX]; /* no nodes */
	u32 irq0_override;
	struct e820_entry e820[RAM_REGIONS];
	u8 system_states[SYSTEM_STATES];
} items;

static struct acpi_area tables;
static struct acpi_rsdp rsdp;
static struct loader_script script;

static bool make_tables(const struct vm *vm)
{
	tables.base = 0;
	tables.relocatable = true;
	tables.pm_base = vm->board.pm.base ? vm->board.pm.base : PM_BASE;
	if (!acpi_make_tables(&tables, vm))
		return false;
	acpi_make_rsdp(&rsdp, &tables);
	acpi_make_loader(&script, &tables);
	return true;
}

/* Firmware moves the power-management ports before it asks for the tables. The lengths stay. */
static void file_selected(void *ctx)
{
	const struct vm *vm = ctx;

	if (vm->board.pm.base && vm->board.pm.base != tables.pm_base)
		make_tables(vm);
}

/* RAM as it is wired: what firmware takes of it, it knows itself. The number of entries. */
static unsigned int fill_e820(const struct vm *vm)
{
	unsigned int n = 0;

	items.e820[n++] = (struct e820_entry){ 0, vm->ram_below_4g, E820_RAM };
	if (vm->ram_above_4g)
		items.e820[n++] = (struct e820_entry){ GIB(4), vm->ram_above_4g, E820_RAM };
	return n;
}

static int add_items(struct fw_cfg *f, const struct vm *vm)
{
	const struct {
		u16 key;
		const void *data;
		size_t len;
	} row[] = {
		{ FW_CFG_UUID, items.uuid, sizeof(items.uuid) },
		{ FW_CFG_RAM_SIZE, &items.ram_size, sizeof(items.ram_size) },
		{ FW_CFG_NOGRAPHIC, &items.no_graphics, sizeof(items.no_graphics) },
		{ FW_CFG_NB_CPUS, &items.cpus, sizeof(items.cpus) },
		{ FW_CFG_MAX_CPUS, &items.cpus_max, sizeof(items.cpus_max) },
		{ FW_CFG_BOOT_MENU, &items.boot_menu, sizeof(items.boot_menu) },
		{ FW_CFG_NUMA, items.numa, (1 + (size_t)vm->nr_vcpus) * sizeof(items.numa[0]) },
		{ FW_CFG_IRQ0_OVERRIDE, &items.irq0_override, sizeof(items.irq0_override) },
	};
	int err = 0;

	items.ram_size = vm->ram_below_4g + vm->ram_above_4g;
	items.no_graphics = !vm->vga;
	items.cpus = items.cpus_max = (u16)vm->nr_vcpus;
	items.irq0_override = true;
	items.system_states[0] = STATE_SUPPORTED;
	items.system_states[5] = STATE_SUPPORTED | PM_SLP_TYP_S5;
	for (unsigned int i = 0; i < ARRAY_SIZE(row) && !err; i++)
		err = fw_cfg_add(f, row[i].key, row[i].data, (u32)row[i].len);
	return err;
}

int guest_fw_cfg(struct vm *vm)
{
	struct fw_cfg *f = &vm->board.fw_cfg;
	unsigned int regions = fill_e820(vm);
	const struct {
		const char *name;
		const void *data;
		size_t len;
	} file[] = {
		{ LOADER_RSDP, &rsdp, sizeof(rsdp) },
		{ LOADER_TABLES, tables.bytes, sizeof(tables.bytes) },
		{ LOADER_SCRIPT, script.bytes, sizeof(script.bytes) },
		{ "etc/e820", items.e820, regions * sizeof(items.e820[0]) },
		{ "etc/system-states", items.system_states, sizeof(items.system_states) },
		{ "bootorder", "", 0 }, /* there is nothing to boot from */
	};
	int err = add_items(f, vm);

	if (!err && !make_tables(vm))
		err = -ENOSPC;
	for (unsigned int i = 0; i < ARRAY_SIZE(file) && !err; i++)
		err = fw_cfg_add_file(f, file[i].name, file[i].data, (u32)file[i].len);
	f->selected = file_selected;
	f->ctx = vm;
	return err;
}
