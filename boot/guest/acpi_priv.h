/* SPDX-License-Identifier: MIT */
/*
 * The guest's ACPI tables while they are made (acpi_tables.c), and what else places them: the loader
 * script of firmware boots (acpi_loader.c).
 */
#ifndef PLINTH_ACPI_PRIV_H
#define PLINTH_ACPI_PRIV_H

#include "guest_modules.h"

enum guest_sdt {
	SDT_FADT,
	SDT_MADT,
	NR_SDTS
};

/* RSDT and XSDT entries, the FADT's FACS and twice DSDT. */
#define ACPI_POINTERS_MAX (2 * NR_SDTS + 3)
/* DSDT, RSDT, XSDT. */
#define ACPI_CHECKED_MAX  (NR_SDTS + 3)
#define ACPI_AREA_BYTES	  KIB(16)

/* Tables that point at one another, without the RSDP. */
struct acpi_area {
	u8 bytes[ACPI_AREA_BYTES];
	size_t n;
	gpa_t base;	  /* where the bytes will be; 0: not known yet, pointers are offsets */
	u16 pm_base;	  /* of the power-management ports */
	bool relocatable; /* somebody else places it, and makes the checksums then */
	u32 rsdt, xsdt;	  /* offsets */
	struct {
		u32 at;
		u8 size;
	} pointer[ACPI_POINTERS_MAX];
	unsigned int pointers;
	struct {
		u32 at, length;
	} checked[ACPI_CHECKED_MAX]; /* what has a table header */
	unsigned int checkeds;
};

struct acpi_rsdp {
	char signature[8];
	u8 checksum; /* of the first 20 bytes */
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __packed;
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 6.4 table 5-3");
#define RSDP_V1_BYTES 20U

/* Of a table header. */
#define ACPI_CHECKSUM_OFFSET 9U

/* Makes the tables; base, pm_base and relocatable are given. False: no room. */
bool acpi_make_tables(struct acpi_area *a, const struct vm *vm);
void acpi_make_rsdp(struct acpi_rsdp *r, const struct acpi_area *a);

#endif
