/* SPDX-License-Identifier: MIT */
/*
 * What the guest loaders (boot/guest/) share: reasons, guest RAM as the guest will see it, the
 * tables of the ROM area, and the processor state at the entry of a directly booted kernel. Used by
 * one CPU at a time, while the guest is stopped.
 */
#ifndef PLINTH_GUEST_MODULES_H
#define PLINTH_GUEST_MODULES_H

#include "multiboot.h" /* struct boot_module */
#include "vm.h"

/* --- boot/guest/load.c -------------------------------------------------------------------- */

/* Formats the reason of a failure into the one buffer, which the next call overwrites. */
const char *guest_why(const char *fmt, ...) __printf(1, 2);

/* All of [start, start + len) is one run of RAM in the guest's E820; not so when len is 0. */
bool guest_ram_covers(const struct vm *vm, gpa_t start, u64 len);

/* GDT of a direct boot: what the Linux boot protocol names __BOOT_CS and __BOOT_DS. */
#define GUEST_BOOT_CS	0x10U
#define GUEST_BOOT_DS	0x18U
#define GUEST_GDT_BYTES 32U

/* Identity map of the first 4 GiB with 2 MiB pages: one PML4, one PDPT, four page directories. */
#define GUEST_IDENTITY_PAGES 6U

/*
 * Flat 32-bit protected mode without paging, interrupts off, general registers 0. Writes the GDT.
 * 0 or -EFAULT.
 */
int guest_enter_protected(struct vm *vm, gpa_t gdt, gpa_t entry);
/* 64-bit mode on an identity map that is written to tables (page-aligned). 0 or -EFAULT. */
int guest_enter_long(struct vm *vm, gpa_t gdt, gpa_t tables, gpa_t entry);

/*
 * What a PC's firmware has done when it hands over: 8259s at vectors 08 and 70, PIT channel 0 at
 * 18.2 Hz, A20 open, the boot processor's LAPIC in virtual-wire mode (MultiProcessor Specification
 * 1.4, 3.6.2.2).
 */
void guest_firmware_state(struct vm *vm);

/* --- the ROM area --------------------------------------------------------------------------- */

#define GUEST_EBDA	  0x9fc00U /* 1 KiB below the VGA aperture */
#define GUEST_EBDA_END	  0xa0000U
#define GUEST_ROM	  0xe0000U /* ACPI tables; the RSDP comes first */
#define GUEST_ROM_MPTABLE 0xf0000U
#define GUEST_ROM_BIOS	  0xff000U /* the last page: code that answers INT */
#define GUEST_ROM_END	  0x100000U

/* Eight-bit sum that makes all bytes together 0. */
u8 guest_checksum(const void *p, size_t n);

/*
 * The DSDT's AML without the header (boot/guest/dsdt.c), with the power-management ports at pm_base.
 * Its length, or 0: size is too small.
 */
size_t guest_dsdt_aml(const struct vm *vm, u16 pm_base, u8 *out, size_t size);

/*
 * Gives the board's fw_cfg its items (boot/guest/fw_items.c): once, with all vCPUs there. 0 or a
 * negative error.
 */
int guest_fw_cfg(struct vm *vm);

/* Floating pointer and configuration table (boot/guest/mptable.c). 0 or -EFAULT. */
int guest_write_mptable(struct vm *vm);

/* Interrupt vectors, BIOS data area, EBDA, the code behind them (boot/guest/bios.c). 0 or -EFAULT. */
int guest_write_bios(struct vm *vm);

#endif
