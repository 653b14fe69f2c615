/* SPDX-License-Identifier: MIT */
/*
 * The script by which firmware installs the ACPI tables that fw_cfg gives it: QEMU's table-loader
 * format (commands allocate, add pointer, add checksum). Firmware puts each file somewhere, adds
 * that address to the pointers, and makes the checksums.
 */
#include "acpi_loader.h"
#include "lib.h"

enum loader_command {
	LOADER_ALLOCATE = 1,
	LOADER_ADD_POINTER = 2,
	LOADER_ADD_CHECKSUM = 3,
};

enum loader_zone {
	ZONE_HIGH = 1, /* anywhere below 4 GiB */
	ZONE_FSEG = 2, /* where an RSDP is looked for */
};

/* Little-endian; the rest of an entry is 0. */
struct loader_entry {
	u32 command;
	union {
		struct {
			char file[LOADER_FILE_MAX];
			u32 align;
			u8 zone;
		} __packed allocate;
		struct {
			char dest[LOADER_FILE_MAX]; /* which has the pointer */
			char src[LOADER_FILE_MAX];  /* to which it points */
			u32 offset;
			u8 size;
		} __packed pointer;
		struct {
			char file[LOADER_FILE_MAX];
			u32 offset; /* of the checksum byte */
			u32 start, length;
		} __packed checksum;
		u8 room[124];
	};
} __packed;
_Static_assert(sizeof(struct loader_entry) == LOADER_ENTRY_BYTES, "an entry has 128 bytes");

#define ALIGN_TABLES 64U /* of the FACS, which is first */
#define ALIGN_RSDP   16U

static struct loader_entry *next(struct loader_script *s, enum loader_command command)
{
	struct loader_entry *e = (struct loader_entry *)(s->bytes + s->n);

	memset(e, 0, sizeof(*e));
	e->command = command;
	s->n += sizeof(*e);
	return e;
}

static void name(char to[LOADER_FILE_MAX], const char *file)
{
	memcpy(to, file, strlen(file) + 1);
}

static void allocate(struct loader_script *s, const char *file, u32 align, enum loader_zone zone)
{
	struct loader_entry *e = next(s, LOADER_ALLOCATE);

	name(e->allocate.file, file);
	e->allocate.align = align;
	e->allocate.zone = (u8)zone;
}

/* All pointers are into the tables. */
static void add_pointer(struct loader_script *s, const char *dest, u32 offset, u8 size)
{
	struct loader_entry *e = next(s, LOADER_ADD_POINTER);

	name(e->pointer.dest, dest);
	name(e->pointer.src, LOADER_TABLES);
	e->pointer.offset = offset;
	e->pointer.size = size;
}

static void add_checksum(struct loader_script *s, const char *file, u32 offset, u32 start,
			 u32 length)
{
	struct loader_entry *e = next(s, LOADER_ADD_CHECKSUM);

	name(e->checksum.file, file);
	e->checksum.offset = offset;
	e->checksum.start = start;
	e->checksum.length = length;
}

void acpi_make_loader(struct loader_script *s, const struct acpi_area *a)
{
	s->n = 0;
	allocate(s, LOADER_RSDP, ALIGN_RSDP, ZONE_FSEG);
	allocate(s, LOADER_TABLES, ALIGN_TABLES, ZONE_HIGH);
	for (unsigned int i = 0; i < a->pointers; i++)
		add_pointer(s, LOADER_TABLES, a->pointer[i].at, a->pointer[i].size);
	for (unsigned int i = 0; i < a->checkeds; i++)
		add_checksum(s, LOADER_TABLES, a->checked[i].at + ACPI_CHECKSUM_OFFSET,
			     a->checked[i].at, a->checked[i].length);
	add_pointer(s, LOADER_RSDP, offsetof(struct acpi_rsdp, rsdt), sizeof(u32));
	add_pointer(s, LOADER_RSDP, offsetof(struct acpi_rsdp, xsdt), sizeof(u64));
	add_checksum(s, LOADER_RSDP, offsetof(struct acpi_rsdp, checksum), 0, RSDP_V1_BYTES);
	add_checksum(s, LOADER_RSDP, offsetof(struct acpi_rsdp, extended_checksum), 0,
		     sizeof(struct acpi_rsdp));
}
