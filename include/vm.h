/* SPDX-License-Identifier: MIT */
/*
 * A guest: its memory, board and vCPUs. Allocated once, in main.
 */
#ifndef PLINTH_VM_H
#define PLINTH_VM_H

#include "board.h"
#include "gpmap.h"
#include "vcpu.h"

#define VM_VCPUS_MAX 64

struct vm {
	struct gpmap gpmap; /* read-only while the guest runs */
	struct board board; /* board.lock */
	struct vcpu *vcpu[VM_VCPUS_MAX];
	unsigned int nr_vcpus;
	u64 ram_below_4g, ram_above_4g; /* bytes; below counts the VGA hole as RAM */
	bool vga;			/* the real VGA aperture and ports are the guest's */
	const char *loader; /* whose strings the modules have, and its habits; or NULL */
};

/* --- guest kinds (boot/guest/) --------------------------------------------------------------- */

struct boot_module;

/* ACPI 6.4 table 15-2. */
enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3,
	E820_NVS = 4,
};

/* E820 as direct boots report it. */
struct e820_entry {
	u64 start, len;
	u32 type; /* enum e820_type */
} __packed;
_Static_assert(sizeof(struct e820_entry) == 20, "INT 15h E820 layout");

#define GUEST_E820_MAX 16
unsigned int guest_e820(const struct vm *vm, struct e820_entry out[GUEST_E820_MAX]);

/*
 * Writes RSDP, XSDT, RSDT, FADT, FACS, MADT, DSDT and the MP table into the guest's ROM area, and
 * where the EBDA lies into the BIOS data area. *rsdp is the RSDP's address. 0, or -EFAULT when the
 * ROM area is not guest memory.
 */
int guest_write_tables(struct vm *vm, gpa_t *rsdp);

/*
 * A kind of guest. Modules are read in place and stay pristine. load() puts the guest into (reset)
 * RAM and, for direct boots, writes the tables, sets the boot vCPU's registers through the vcpu_set
 * functions, and brings the (reset) board and boot LAPIC into the state that firmware leaves; the
 * vCPUs have been created and reset. *why points at a constant or at the one buffer that the next load overwrites; it is
 * set whenever an error other than -ENOEXEC is returned. One guest is loaded at a time.
 */
struct guest_kind {
	const char *name; /* "Linux bzImage" */
	/* 0: it is one; -ENOEXEC: not this kind; another error: it is, but bad, *why tells. */
	int (*probe)(const struct boot_module *m, unsigned int n, const char **why);
	/* Adds to the machine what only this kind has, once, before the first load(). NULL: nothing. */
	int (*build)(struct vm *vm, const struct boot_module *m, unsigned int n, const char **why);
	int (*load)(struct vm *vm, const struct boot_module *m, unsigned int n, const char **why);
};

extern const struct guest_kind guest_linux;
extern const struct guest_kind guest_multiboot;
extern const struct guest_kind guest_firmware; /* asked last: it has no magic number */
extern const struct guest_kind guest_demo;     /* needs no module */

#endif
