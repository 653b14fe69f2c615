/* SPDX-License-Identifier: MIT */
/*
 * The VGA text screen, 80x25 (arch/cpu/vga.c). The caller holds the console lock.
 */
#ifndef PLINTH_ARCH_VGA_H
#define PLINTH_ARCH_VGA_H

#include "types.h"

void vga_init(void);
void vga_put(char c);

#endif
