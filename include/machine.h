/* SPDX-License-Identifier: MIT */
/*
 * The real machine's ends, and the guest's board joined to the real world (boot/machine.c).
 */
#ifndef PLINTH_MACHINE_H
#define PLINTH_MACHINE_H

#include "acpi.h"
#include "board.h"
#include "options.h"
#include "vm.h"

/* Both stay the caller's and must outlive the machine. Call before any of the others. */
void machine_init(const struct acpi_info *acpi_info, const struct options *opts);

/* What board_init() needs: clock, battery clock, the real serial line, kicks to vm's boot vCPU. */
struct board_host machine_board_host(struct vm *vm);

/* Joins the guest's COM1 to the real line at each start of the guest. */
void machine_start_console(struct vm *vm);

/* The real machine. Where the firmware gives no way, a line says so and the CPU halts. */
void machine_power_off(void) __noreturn;
void machine_reboot(void) __noreturn;
void machine_halt(void) __noreturn;
/* Ends a run under an emulator through its debug exit port; halts when nothing listens. */
void machine_debug_exit(u32 value) __noreturn;

#endif
