/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader told us (boot/multiboot.c): Multiboot Specification 0.6.96, section 3.3. All
 * of it is copied, since the loader's own structures lie in memory that the map calls free.
 */
#ifndef PLINTH_MULTIBOOT_H
#define PLINTH_MULTIBOOT_H

#include "mm.h"
#include "types.h"

#define MULTIBOOT_BOOTLOADER_MAGIC 0x2badb002U /* in EAX at entry: section 3.2 */

#define BOOT_STRING_MAX	 2048 /* with the final NUL */
#define BOOT_NAME_MAX	 128
#define BOOT_MMAP_MAX	 256
#define BOOT_MODULES_MAX 8

/* One entry of the loader's memory map; the types are those of ACPI's E820. */
struct boot_mmap_entry {
	u64 base;
	u64 len;
	u32 type;
};

struct boot_module {
	hpa_t start;
	u64 len; /* 0 also when the loader's end was below its start: then bad is set */
	bool bad;
	bool truncated;		    /* the string was longer */
	char name[BOOT_NAME_MAX];   /* the file name taken off the string, or "" */
	char args[BOOT_STRING_MAX]; /* the string without the file name */
};

/* Section 3.3, "framebuffer" (flags bit 12); type 2 is EGA text. */
enum boot_framebuffer_type {
	BOOT_FB_INDEXED = 0,
	BOOT_FB_RGB = 1,
	BOOT_FB_TEXT = 2,
};

struct boot_framebuffer {
	bool present;
	u64 addr;
	u32 pitch, width, height;
	u8 bpp;
	u8 type;
};

struct boot_info {
	u32 flags; /* as the loader gave them */
	bool cmdline_truncated;
	char cmdline[BOOT_STRING_MAX]; /* without the file name */
	char loader[BOOT_NAME_MAX];
	/* The map was made from mem_lower and mem_upper because there was none. */
	bool mmap_from_sizes;
	struct boot_mmap_entry mmap[BOOT_MMAP_MAX];
	unsigned int mmap_count;
	unsigned int mmap_dropped; /* entries that did not fit or were malformed */
	struct boot_module module[BOOT_MODULES_MAX];
	unsigned int module_count;
	unsigned int modules_dropped;
	struct boot_framebuffer framebuffer;
	hpa_t ebda; /* from the BIOS data area, which is gone once page 0 is unmapped; 0 = none */
};
_Static_assert(sizeof(struct boot_info) <= 96 * 1024, "static storage of the caller");

/*
 * Copies everything out of the loader's structures; runs on the entry page tables, before any
 * memory is given away. 0; -EINVAL: not a Multiboot loader's magic, or the structure is not
 * readable; -ENOENT: neither a memory map nor sizes.
 *
 * GRUB drops the file name from the strings that it passes, `qemu -kernel` and `-initrd` do not: a
 * first word that has no '=' and contains a '/' or ends in ".elf" is taken for a file name and
 * removed, from the command line and from module strings.
 */
int multiboot_parse(u32 magic, hpa_t info_pa, struct boot_info *out);

/*
 * The memory map: the loader's entries, with the modules taken out as MEM_MODULE. 0, or -ENOSPC:
 * too fragmented; m then lacks some RAM, or is empty when something that must be kept did not fit.
 */
int boot_info_memmap(const struct boot_info *bi, struct memmap *m);

#endif
