/* SPDX-License-Identifier: MIT */
/*
 * The firmware configuration device: registers, and DMA operations whose structures the input puts
 * into guest memory. A model of what is selected says what the data register and the DMA give.
 */
#include "world.h"

#include "guest_modules.h"

#define STEPS_MAX 200
#define LENGTHS	  0x3fffU

enum {
	DMA_ERROR = BIT(0),
	DMA_READ = BIT(1),
	DMA_SKIP = BIT(2),
	DMA_SELECT = BIT(3),
	DMA_WRITE = BIT(4),
};

static const struct fw_cfg_item *selected;
static u64 offset;

static void select_key(struct fw_cfg *f, u16 key)
{
	key &= 0xbfff;
	offset = 0;
	selected = NULL;
	for (unsigned int i = 0; i < f->items; i++)
		if (f->item[i].key == key)
			selected = &f->item[i];
	for (unsigned int i = 0; i < f->files; i++)
		if (f->file[i].key == key)
			selected = &f->file[i];
}

static u8 next(void)
{
	u8 byte = 0;

	if (selected && offset < selected->len)
		byte = ((const u8 *)selected->data)[offset++];
	return byte;
}

static u16 choose_key(struct input *in)
{
	u16 n = take16(in);

	return n & 1 ? (u16)(n >> 1 & 0x3f) : n;
}

static void traditional(struct board *b, struct input *in)
{
	u8 how = take8(in);

	if (how & 1) {
		u16 key = choose_key(in);

		bus_port_write(&b->bus, 0x510, 2, key);
		select_key(&b->fw_cfg, key);
	}
	for (unsigned int n = how >> 1; n; n--) {
		u8 got = (u8)bus_port_read(&b->bus, 0x511, 1);

		CHECK(got == next(), "the data register has %02x", got);
	}
}

static u64 choose_address(struct input *in)
{
	u8 how = take8(in);
	u64 a = take16(in);

	switch (how % 4) {
	case 0:
		return a;
	case 1:
		return WORLD_RAM - 64 + a % 128;
	case 2:
		return WORLD_HIGH + a % (WORLD_HIGH_LEN + 64);
	default:
		return take64(in);
	}
}

static bool is_ram(u64 a, u64 len)
{
	u64 room;

	return len == 0 || (gpmap_ptr(&world_vm->gpmap, a, GP_WRITE, &room) && room >= len);
}

static void put(u64 at, const void *p, u64 len)
{
	if (is_ram(at, len))
		CHECK(gpmap_write(&world_vm->gpmap, at, p, len) == 0, "%lx", at);
}

/* What a read leaves in memory, when the structure does not lie in it. */
static void check_read(u64 to, u32 length)
{
	for (u32 i = 0; i < length; i++) {
		const u8 *p = gpmap_ptr(&world_vm->gpmap, to + i, GP_READ, NULL);
		u8 want = next();

		CHECK(p && *p == want, "byte %u of %u: %02x", i, length, want);
	}
}

static void dma(struct board *b, struct input *in)
{
	u64 at = choose_address(in), to = choose_address(in);
	u32 control = (u32)choose_key(in) << 16 | take8(in);
	u32 length = take32(in), answer;
	u32 be_control = __builtin_bswap32(control), be_length;
	u64 be_to = __builtin_bswap64(to);
	bool apart, moves;

	if (control & 0x80)
		length &= LENGTHS;
	be_length = __builtin_bswap32(length);
	put(at, &be_control, 4);
	put(at + 4, &be_length, 4);
	put(at + 8, &be_to, 8);
	bus_port_write(&b->bus, 0x514, 4, __builtin_bswap32((u32)(at >> 32)));
	bus_port_write(&b->bus, 0x518, 4, __builtin_bswap32((u32)at));
	if (!is_ram(at, 16) || at + 16 < at) {
		/* No order, or one that the memory happened to hold in part. */
		bus_port_write(&b->bus, 0x510, 2, 0);
		select_key(&b->fw_cfg, 0);
		return;
	}
	CHECK(gpmap_read(&world_vm->gpmap, at, &answer, 4) == 0, "no answer");
	apart = to + length <= at || to >= at + 16;
	moves = is_ram(to, length) && length <= FW_CFG_DMA_MAX;
	if (control & DMA_SELECT)
		select_key(&b->fw_cfg, (u16)(control >> 16));
	if (control & DMA_READ) {
		CHECK(answer == (moves ? 0 : __builtin_bswap32(DMA_ERROR)), "read: %x", answer);
		if (moves && apart) {
			check_read(to, length);
			return;
		}
	} else if (control & DMA_WRITE) {
		CHECK(answer == __builtin_bswap32(DMA_ERROR), "write: %x", answer);
		return;
	} else if (control & DMA_SKIP) {
		CHECK(answer == 0, "skip: %x", answer);
		offset += length;
		return;
	} else {
		CHECK(answer == 0, "nothing: %x", answer);
		return;
	}
	bus_port_write(&b->bus, 0x510, 2, 0);
	select_key(&b->fw_cfg, 0);
}

static void anything(struct board *b, struct input *in)
{
	u8 how = take8(in);
	u16 port = (u16)(0x510 + how % 16);
	unsigned int size = 1U << (how >> 4 & 3) % 3;

	if (how & 0x80)
		(void)bus_port_read(&b->bus, port, size);
	else
		bus_port_write(&b->bus, port, size, take32(in));
	b->fw_cfg.dma_high = 0;
	bus_port_write(&b->bus, 0x510, 2, 0);
	select_key(&b->fw_cfg, 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct board *b;

	world_start();
	CHECK(guest_fw_cfg(world_vm) == 0, "fw_cfg has no items");
	b = &world_vm->board;
	select_key(&b->fw_cfg, 0);
	for (unsigned int i = 0; i < STEPS_MAX && in.left; i++) {
		switch (take8(&in) % 4) {
		case 0:
		case 1:
			dma(b, &in);
			break;
		case 2:
			traditional(b, &in);
			break;
		default:
			anything(b, &in);
			break;
		}
		for (unsigned int j = 0; j < PAGE_SIZE; j++)
			CHECK(world_rom[j] == 0, "ROM was written at %x", j);
	}
	return 0;
}
