/* SPDX-License-Identifier: MIT */
/*
 * The firmware configuration device (dev/fw_cfg.c): what stock firmware and kernels ask a virtual PC
 * for (memory, processors, ACPI tables). QEMU's docs/specs/fw_cfg.rst. Items are added before the
 * guest runs; their bytes belong to who added them and may change. Under the board's lock.
 */
#ifndef PLINTH_DEV_FW_CFG_H
#define PLINTH_DEV_FW_CFG_H

#include "../bus.h"

#define FW_CFG_BASE  0x510
#define FW_CFG_PORTS 12 /* selector and data, two that are free, DMA address */

/* Items with a fixed key. An absent one reads as zeros: a size or count of 0. */
enum fw_cfg_key {
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_ID = 0x01,
	FW_CFG_UUID = 0x02,
	FW_CFG_RAM_SIZE = 0x03,	 /* u64 */
	FW_CFG_NOGRAPHIC = 0x04, /* u16 */
	FW_CFG_NB_CPUS = 0x05,	 /* u16 */
	FW_CFG_NUMA = 0x0d,	 /* u64 each: nodes, node of each processor, size of each node */
	FW_CFG_BOOT_MENU = 0x0e, /* u16 */
	FW_CFG_MAX_CPUS = 0x0f,	 /* u16: the highest APIC id is below it */
	FW_CFG_FILE_DIR = 0x19,
	FW_CFG_FILE_FIRST = 0x20, /* files in the order of their names */
	FW_CFG_ARCH_LOCAL = 0x8000,
	FW_CFG_IRQ0_OVERRIDE = 0x8002, /* u32: the timer is on pin 2 of the I/O APIC */
};

#define FW_CFG_NAME_MAX 55 /* and a NUL */
#define FW_CFG_ITEMS	16
#define FW_CFG_FILES	16
/*
 * More is not moved at once: an operation is done when the port access that starts it is. Far above
 * what the items hold.
 */
#define FW_CFG_DMA_MAX	0x100000U

/* Guest memory for the DMA interface; each returns 0 or an error, and touches nothing else. */
struct fw_cfg_memory {
	int (*read)(void *ctx, gpa_t gpa, void *dst, u64 len);
	int (*write)(void *ctx, gpa_t gpa, const void *src, u64 len);
	int (*clear)(void *ctx, gpa_t gpa, u64 len);
	void *ctx;
};

struct fw_cfg_item {
	u16 key;
	u32 len;
	const void *data;
};

/* The file directory as the guest reads it, big-endian. */
struct fw_cfg_dir {
	u32 count;
	struct fw_cfg_file {
		u32 size;
		u16 select;
		u16 reserved;
		char name[FW_CFG_NAME_MAX + 1];
	} __packed file[FW_CFG_FILES];
} __packed;

struct fw_cfg {
	struct fw_cfg_memory memory; /* without functions: no DMA interface */
	u32 id;
	struct fw_cfg_item item[FW_CFG_ITEMS];
	struct fw_cfg_item file[FW_CFG_FILES]; /* sorted by name */
	struct fw_cfg_dir dir;
	unsigned int items, files;
	/* A file is selected: its bytes may be brought up to date. NULL: nobody cares. */
	void (*selected)(void *ctx);
	void *ctx;

	const struct fw_cfg_item *current; /* NULL: no such item */
	u32 offset;
	u32 dma_high; /* upper half of the DMA address */
};

void fw_cfg_init(struct fw_cfg *f, const struct fw_cfg_memory *memory);
void fw_cfg_reset(struct fw_cfg *f); /* items stay */
/* 0; -EEXIST: the key or name is taken; -EINVAL: a file's key, or a bad name; -ENOSPC. */
int fw_cfg_add(struct fw_cfg *f, u16 key, const void *data, u32 len);
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, u32 len);
int fw_cfg_attach(struct fw_cfg *f, struct bus *b);

#endif
