/* SPDX-License-Identifier: MIT */
/*
 * What a run of the guest left behind (boot/report.c), for the option report=: accesses that nobody
 * answered, and whether memory that must not change has changed.
 */
#ifndef PLINTH_REPORT_H
#define PLINTH_REPORT_H

#include "multiboot.h"
#include "options.h"
#include "vm.h"

/* Before the guest's life, with its machine built; info stays the caller's. */
void report_start(struct vm *vm, const struct options *o, const struct boot_info *info);
/* After it. */
void report_end(struct vm *vm, const struct options *o, const struct boot_info *info);

#endif
