/* SPDX-License-Identifier: MIT */
/*
 * What a directly booted kernel finds of a BIOS: interrupt vectors, BIOS data area, EBDA, and the code
 * of bios.asm in the last page below 1 MiB. Kernels that ask a BIOS for its memory map, video modes or
 * disks (Xen does) get an answer, instead of running through empty vectors. IBM PC AT Technical
 * Reference, section 5; ACPI 6.4 chapter 15.
 */
#include "guest_modules.h"
#include "lib.h"
#include "vm.h"

#define BIOS_BYTES   0x1000U
#define BIOS_SEGMENT 0xf000U
#define BIOS_VECTORS 256U
#define SIZE_16M     MIB(16)
#define SIZE_BLOCK   KIB(64)

/* INT 15h: what bios.asm answers from. */
struct bios_memory {
	u32 entries;
	u16 kib_to_16m; /* E801: from 1 MiB */
	u16 above_16m;	/* E801: in 64 KiB blocks */
	u16 kib;	/* 88: from 1 MiB */
	u16 pad;
	struct e820_entry map[GUEST_E820_MAX];
};
_Static_assert(offsetof(struct bios_memory, map) == 12, "bios.asm");
_Static_assert(sizeof(struct bios_memory) == 12 + 16 * 20, "bios.asm");

extern const u8 bios_image[], bios_memory[];
extern const u16 bios_handlers[BIOS_VECTORS];

struct bios_data {
	u16 com_port[4];
	u16 lpt_port[3];
	u16 ebda_segment;
	u16 equipment;
	u8 post;
	u16 base_memory; /* KiB */
	u8 keyboard[52];
	u8 video_mode;
	u16 video_columns;
	u16 video_page_bytes;
	u8 cursors[21];
	u16 video_port;
	u8 rest_465[0x84 - 0x65];
	u8 video_last_row;
	u16 cell_height;
} __packed;
#define BDA_AT(field, offset) \
	_Static_assert(offsetof(struct bios_data, field) == (offset), "BIOS data area: " #field)
BDA_AT(ebda_segment, 0x0e);
BDA_AT(equipment, 0x10);
BDA_AT(base_memory, 0x13);
BDA_AT(video_mode, 0x49);
BDA_AT(video_port, 0x63);
BDA_AT(video_last_row, 0x84);

#define BDA		 0x400U
#define COM1		 0x3f8U
#define EQUIPMENT_FPU	 BIT(1)
#define EQUIPMENT_80X25	 (2U << 4)
#define EQUIPMENT_COM	 (1U << 9)
#define VIDEO_MODE_TEXT	 3U
#define VIDEO_PAGE_BYTES 0x1000U
#define VIDEO_CRTC_COLOR 0x3d4U
#define EBDA_KIB	 ((u8)((GUEST_EBDA_END - GUEST_EBDA) / KIB(1)))
#define REAL_SEGMENT(a)	 ((u16)((a) >> 4))

static int write_vectors(struct vm *vm)
{
	u32 vector[BIOS_VECTORS];

	for (unsigned int i = 0; i < BIOS_VECTORS; i++)
		vector[i] = BIOS_SEGMENT << 16 | bios_handlers[i];
	return gpmap_write(&vm->gpmap, 0, vector, sizeof(vector));
}

/* BIOS data area and EBDA: where other software looks for both. */
static int write_data(struct vm *vm)
{
	struct bios_data d = { .com_port = { COM1 },
			       .ebda_segment = REAL_SEGMENT(GUEST_EBDA),
			       .equipment = EQUIPMENT_FPU | EQUIPMENT_COM,
			       .base_memory = (u16)(GUEST_EBDA / KIB(1)) };
	const u8 ebda_kib = EBDA_KIB;
	int err;

	if (vm->vga) {
		d.equipment |= EQUIPMENT_80X25;
		d.video_mode = VIDEO_MODE_TEXT;
		d.video_columns = 80;
		d.video_page_bytes = VIDEO_PAGE_BYTES;
		d.video_port = VIDEO_CRTC_COLOR;
		d.video_last_row = 24;
		d.cell_height = 16;
	}
	err = gpmap_write(&vm->gpmap, BDA, &d, sizeof(d));
	if (!err)
		err = gpmap_write(&vm->gpmap, GUEST_EBDA, &ebda_kib, sizeof(ebda_kib));
	return err;
}

static int write_memory(struct vm *vm)
{
	const u64 end = vm->ram_below_4g, kib = (end - GUEST_ROM_END) / KIB(1);
	struct bios_memory m = { .kib = (u16)min_u64(kib, UINT16_MAX) };

	m.kib_to_16m = (u16)min_u64(kib, (SIZE_16M - GUEST_ROM_END) / KIB(1));
	m.above_16m = (u16)(end > SIZE_16M ? (end - SIZE_16M) / SIZE_BLOCK : 0);
	m.entries = guest_e820(vm, m.map);
	return gpmap_write(&vm->gpmap, GUEST_ROM_BIOS + (u64)(bios_memory - bios_image), &m,
			   sizeof(m));
}

int guest_write_bios(struct vm *vm)
{
	int err = write_vectors(vm);

	if (!err)
		err = write_data(vm);
	if (!err)
		err = gpmap_write(&vm->gpmap, GUEST_ROM_BIOS, bios_image, BIOS_BYTES);
	if (!err)
		err = write_memory(vm);
	return err;
}
