/* SPDX-License-Identifier: MIT */
/*
 * The real machine's ACPI tables (boot/acpi.c): ACPI Specification 6.5, chapters 5.2 and 4.8. Read
 * once at boot; nothing in them is trusted: lengths are bounded, checksums checked, and a bad table
 * counts as absent.
 */
#ifndef PLINTH_ACPI_H
#define PLINTH_ACPI_H

#include "mm.h"
#include "types.h"

#define ACPI_CPUS_MAX	   256
#define ACPI_IOAPICS_MAX   8
#define ACPI_OVERRIDES_MAX 16
#define ACPI_NMIS_MAX	   8
#define ACPI_TABLES_MAX	   64

/* Generic Address Structure, decoded (5.2.3.2). address == 0: register absent. */
enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
	ACPI_SPACE_PCI = 2,
};

struct acpi_gas {
	u8 space;
	u8 bit_width;
	u8 bit_offset;
	u8 access;
	u64 address;
};

struct acpi_cpu {
	u32 apic_id;
	u32 uid;
	bool enabled;	     /* usable now */
	bool online_capable; /* may be enabled later: not usable for us */
};

struct acpi_ioapic {
	u8 id;
	u32 address;
	u32 gsi_base;
};

/*
 * MPS INTI flags (5.2.12.5): polarity in bits 0-1, trigger mode in bits 2-3; 0 = as the bus says.
 */
#define ACPI_INTI_POLARITY	0x3U
#define ACPI_INTI_ACTIVE_HIGH	0x1U
#define ACPI_INTI_ACTIVE_LOW	0x3U
#define ACPI_INTI_TRIGGER	0xcU
#define ACPI_INTI_TRIGGER_EDGE	0x4U
#define ACPI_INTI_TRIGGER_LEVEL 0xcU

struct acpi_override {
	u8 isa_irq;
	u16 flags;
	u32 gsi;
};

#define ACPI_UID_ALL 0xffffffffU

struct acpi_nmi {
	u32 uid; /* of the processor, or ACPI_UID_ALL */
	u16 flags;
	u8 lint; /* 0 or 1 */
};

struct acpi_table {
	char signature[4];
	hpa_t address;
	u32 length;
};

/* FADT flags (table 5.10) and boot architecture flags (table 5.11) that somebody asks for. */
#define ACPI_FADT_RESET_REG_SUP	 BIT(10)
#define ACPI_FADT_TMR_VAL_EXT	 BIT(8)
#define ACPI_FADT_HW_REDUCED	 BIT(20)
#define ACPI_BOOT_LEGACY_DEVICES BIT(0)
#define ACPI_BOOT_8042		 BIT(1)
#define ACPI_BOOT_NO_VGA	 BIT(2)
#define ACPI_BOOT_NO_CMOS_RTC	 BIT(5)

struct acpi_info {
	hpa_t rsdp;
	u8 revision; /* of the RSDP: 0 = ACPI 1.0, 2 = later */
	char oem_id[7];
	struct acpi_table
		table[ACPI_TABLES_MAX]; /* those that passed the checks, without the DSDT */
	unsigned int tables;
	unsigned int tables_bad; /* bad address, length or checksum, or no room */

	bool has_madt;
	hpa_t lapic_address;
	bool has_8259; /* PCAT_COMPAT */
	struct acpi_cpu cpu[ACPI_CPUS_MAX];
	unsigned int cpus;
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
	unsigned int ioapics;
	struct acpi_override override[ACPI_OVERRIDES_MAX];
	unsigned int overrides;
	struct acpi_nmi nmi[ACPI_NMIS_MAX];
	unsigned int nmis;
	unsigned int madt_dropped; /* entries malformed or without room */

	bool has_fadt;
	u32 flags;
	u16 boot_arch; /* 0 also where the table is too old to have it */
	bool has_boot_arch;
	u16 sci_irq;
	u32 smi_cmd; /* port, 0 = none */
	u8 acpi_enable;
	u8 acpi_disable;
	struct acpi_gas pm1a_event, pm1b_event;
	u8 pm1_event_len;
	struct acpi_gas pm1a_control, pm1b_control;
	struct acpi_gas pm_timer;
	u16 pm_timer_port; /* 0: none, or not in I/O space */
	bool pm_timer_32bit;
	struct acpi_gas reset_register;
	u8 reset_value;
	bool reset_supported;
	struct acpi_gas sleep_control; /* hardware-reduced machines only */
	u8 century;		       /* CMOS index, 0 = none */

	bool has_s5;
	u8 s5_typ_a, s5_typ_b;
};

/*
 * How the tables are reached: returns a pointer to len readable bytes at pa, or NULL when that
 * cannot be. In the image: acpi_map_host.
 */
typedef const void *(*acpi_map_fn)(hpa_t pa, u64 len);

/*
 * Finds the RSDP in the EBDA (its address as saved from the BIOS data area; 0 = none) and in
 * 0xE0000-0xFFFFF (5.2.5.1), then, for UEFI, in m's ACPI regions and in reserved memory below 1
 * MiB; reads MADT, FADT and \_S5. 0, or -ENOENT: no RSDP that leads to a good RSDT or XSDT. What is
 * missing beyond that shows in the has_ flags.
 */
int acpi_init(const struct memmap *m, hpa_t ebda, acpi_map_fn map, struct acpi_info *out);

/* The nth table with a signature among those that passed the checks, or NULL. */
const struct acpi_table *acpi_find(const struct acpi_info *info, const char *signature,
				   unsigned int nth);

/* boot/acpi_power.c: touches the machine. */

/* Maps what is not mapped yet, read-only. */
const void *acpi_map_host(hpa_t pa, u64 len);
/*
 * Enters S5. Returns only when that did not work: -ENODEV (no registers or no \_S5) or -EIO
 * (nothing happened).
 */
int acpi_power_off(const struct acpi_info *info);
/*
 * Resets by the FADT's register. Returns -ENODEV (none) or -EIO (nothing happened); the caller goes
 * on with 0xCF9 and 8042.
 */
int acpi_reset(const struct acpi_info *info);

#endif
