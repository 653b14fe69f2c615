/* SPDX-License-Identifier: MIT */
/*
 * The firmware configuration device: QEMU's docs/specs/fw_cfg.rst (registers, DMA structure, file
 * directory), with the x86 placement. No item can be written.
 */
#include "dev/fw_cfg.h"
#include "errors.h"
#include "lib.h"

enum {
	SELECTOR = 0, /* offsets in the first range */
	DATA = 1,
	REGISTERS = 2,
	DMA_OFFSET = 4, /* from FW_CFG_BASE */
	DMA_PORTS = 8,
	DMA_HIGH = 0, /* offsets in the second range */
	DMA_LOW = 4,
};

/* FW_CFG_ID. */
enum {
	ID_TRADITIONAL = BIT(0),
	ID_DMA = BIT(1),
};

#define KEY_WRITE 0x4000U /* once asked for write access: means nothing any more */

enum dma_control {
	DMA_ERROR = BIT(0),
	DMA_READ = BIT(1),
	DMA_SKIP = BIT(2),
	DMA_SELECT = BIT(3),
	DMA_WRITE = BIT(4),
	DMA_KEY_SHIFT = 16,
};

/* Big-endian in guest memory. */
struct dma_access {
	u32 control;
	u32 length;
	u64 address;
} __packed;
_Static_assert(sizeof(struct dma_access) == 16, "FWCfgDmaAccess");
_Static_assert(sizeof(struct fw_cfg_file) == 64, "FWCfgFile");

static const char signature[4] = { 'Q', 'E', 'M', 'U' };
/* What the DMA address reads as. */
static const char dma_signature[DMA_PORTS] = { 'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G' };

static bool has_dma(const struct fw_cfg *f)
{
	return f->memory.read && f->memory.write && f->memory.clear;
}

/* --- items ------------------------------------------------------------------------------------- */

static const struct fw_cfg_item *find(const struct fw_cfg *f, u16 key)
{
	unsigned int n = (unsigned int)key - FW_CFG_FILE_FIRST;

	if (key >= FW_CFG_FILE_FIRST && n < f->files)
		return &f->file[n];
	for (unsigned int i = 0; i < f->items; i++)
		if (f->item[i].key == key)
			return &f->item[i];
	return NULL;
}

static void select_key(struct fw_cfg *f, u16 key)
{
	f->offset = 0;
	f->current = find(f, key & (u16)~KEY_WRITE);
	if (f->current && f->current->key >= FW_CFG_FILE_FIRST &&
	    f->current->key < FW_CFG_ARCH_LOCAL && f->selected)
		f->selected(f->ctx);
}

int fw_cfg_add(struct fw_cfg *f, u16 key, const void *data, u32 len)
{
	u16 generic = key & (u16)~FW_CFG_ARCH_LOCAL;

	if ((key & KEY_WRITE) || (generic == key && generic >= FW_CFG_FILE_FIRST))
		return -EINVAL;
	if (find(f, key))
		return -EEXIST;
	if (f->items == FW_CFG_ITEMS)
		return -ENOSPC;
	f->item[f->items++] = (struct fw_cfg_item){ .key = key, .len = len, .data = data };
	return 0;
}

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, u32 len)
{
	struct fw_cfg_file *file = f->dir.file;
	size_t name_len = strlen(name);
	unsigned int pos = 0;

	if (name_len == 0 || name_len > FW_CFG_NAME_MAX)
		return -EINVAL;
	while (pos < f->files && strcmp(file[pos].name, name) < 0)
		pos++;
	if (pos < f->files && strcmp(file[pos].name, name) == 0)
		return -EEXIST;
	if (f->files == FW_CFG_FILES)
		return -ENOSPC;
	memmove(&file[pos + 1], &file[pos], (f->files - pos) * sizeof(*file));
	memmove(&f->file[pos + 1], &f->file[pos], (f->files - pos) * sizeof(f->file[0]));
	f->files++;
	f->file[pos] = (struct fw_cfg_item){ .len = len, .data = data };
	memset(&file[pos], 0, sizeof(file[pos]));
	memcpy(file[pos].name, name, name_len);
	file[pos].size = __builtin_bswap32(len);
	/* Keys are places in the order of names: those behind move on. */
	for (unsigned int i = pos; i < f->files; i++) {
		f->file[i].key = (u16)(FW_CFG_FILE_FIRST + i);
		file[i].select = __builtin_bswap16(f->file[i].key);
	}
	f->dir.count = __builtin_bswap32(f->files);
	return 0;
}

/* --- the traditional interface ----------------------------------------------------------------- */

static u8 next_byte(struct fw_cfg *f)
{
	if (!f->current || f->offset >= f->current->len)
		return 0;
	return ((const u8 *)f->current->data)[f->offset++];
}

/* The selector cannot be read, and a read of both registers at once is none of the data register. */
static u32 registers_read(void *dev, u16 offset, unsigned int size)
{
	return size == 1 && offset == DATA ? next_byte(dev) : UINT16_MAX;
}

static void registers_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	if (size == sizeof(u16) && offset == SELECTOR)
		select_key(dev, (u16)value);
}

/* --- the DMA interface ------------------------------------------------------------------------- */

/* Bytes of the item, then zeros. */
static int dma_read(struct fw_cfg *f, gpa_t to, u32 length)
{
	const struct fw_cfg_memory *m = &f->memory;
	u32 left = 0;
	int err = 0;

	if (length > FW_CFG_DMA_MAX || to + length < to)
		return -EINVAL;
	if (f->current && f->offset < f->current->len)
		left = f->current->len - f->offset;
	if (left > length)
		left = length;
	if (left)
		err = m->write(m->ctx, to, (const u8 *)f->current->data + f->offset, left);
	f->offset += left;
	if (!err && length > left)
		err = m->clear(m->ctx, to + left, length - left);
	return err;
}

static void dma_skip(struct fw_cfg *f, u32 length)
{
	if (__builtin_add_overflow(f->offset, length, &f->offset))
		f->offset = UINT32_MAX;
}

static void dma_run(struct fw_cfg *f, gpa_t at)
{
	const struct fw_cfg_memory *m = &f->memory;
	struct dma_access access;
	u32 control, result = 0;
	int err = -EINVAL;

	f->dma_high = 0;
	if (at + sizeof(access) >= at)
		err = m->read(m->ctx, at, &access, sizeof(access));
	if (err)
		return; /* there is no place for an answer */
	control = __builtin_bswap32(access.control);
	if (control & DMA_SELECT)
		select_key(f, (u16)(control >> DMA_KEY_SHIFT));
	if (control & DMA_READ)
		err = dma_read(f, __builtin_bswap64(access.address),
			       __builtin_bswap32(access.length));
	else if (control & DMA_WRITE)
		err = -EPERM;
	else if (control & DMA_SKIP)
		dma_skip(f, __builtin_bswap32(access.length));
	if (err)
		result = __builtin_bswap32(DMA_ERROR);
	m->write(m->ctx, at, &result, sizeof(result));
}

/* In memory order, whatever the width. */
static u32 dma_port_read(void *dev, u16 offset, unsigned int size)
{
	u32 value = 0;

	(void)dev;
	for (unsigned int i = 0; i < size; i++)
		value |= (u32)(u8)dma_signature[offset + i] << (8 * i);
	return value;
}

static void dma_port_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct fw_cfg *f = dev;

	if (size != sizeof(u32))
		return;
	if (offset == DMA_HIGH)
		f->dma_high = __builtin_bswap32(value);
	else if (offset == DMA_LOW)
		dma_run(f, (gpa_t)f->dma_high << 32 | __builtin_bswap32(value));
}

/* --- life -------------------------------------------------------------------------------------- */

static const struct port_ops register_ports = {
	.read = registers_read,
	.write = registers_write,
	.max_size = 2,
	.name = "fw-cfg",
};

static const struct port_ops dma_ports = {
	.read = dma_port_read,
	.write = dma_port_write,
	.max_size = 4,
	.name = "fw-cfg-dma",
};

void fw_cfg_init(struct fw_cfg *f, const struct fw_cfg_memory *memory)
{
	memset(f, 0, sizeof(*f));
	f->memory = *memory;
	f->id = ID_TRADITIONAL | (has_dma(f) ? ID_DMA : 0);
	fw_cfg_add(f, FW_CFG_SIGNATURE, signature, sizeof(signature));
	fw_cfg_add(f, FW_CFG_ID, &f->id, sizeof(f->id));
	fw_cfg_add(f, FW_CFG_FILE_DIR, &f->dir, sizeof(f->dir));
	fw_cfg_reset(f);
}

void fw_cfg_reset(struct fw_cfg *f)
{
	f->dma_high = 0;
	select_key(f, FW_CFG_SIGNATURE);
}

int fw_cfg_attach(struct fw_cfg *f, struct bus *b)
{
	int err = bus_add_port(b, FW_CFG_BASE, REGISTERS, &register_ports, f);

	if (!err && has_dma(f))
		err = bus_add_port(b, FW_CFG_BASE + DMA_OFFSET, DMA_PORTS, &dma_ports, f);
	return err;
}
