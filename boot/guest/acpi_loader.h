/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables' loader script for firmware (acpi_loader.c) and the files it speaks of.
 */
#ifndef PLINTH_ACPI_LOADER_H
#define PLINTH_ACPI_LOADER_H

#include "acpi_priv.h"

#define LOADER_SCRIPT "etc/table-loader"
#define LOADER_RSDP   "etc/acpi/rsdp"
#define LOADER_TABLES "etc/acpi/tables"

#define LOADER_FILE_MAX	   56U
#define LOADER_ENTRY_BYTES 128U
/* Both files; the pointers and checksums of the tables; of the RSDP two each. */
#define LOADER_ENTRIES	   (2 + ACPI_POINTERS_MAX + ACPI_CHECKED_MAX + 4)

struct loader_script {
	u8 bytes[LOADER_ENTRIES * LOADER_ENTRY_BYTES];
	u32 n;
};

void acpi_make_loader(struct loader_script *s, const struct acpi_area *a);

#endif
