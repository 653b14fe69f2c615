// SPDX-License-Identifier: MIT
/*
 * The VGA text screen in mode 3, as the firmware left it: 80x25 cells at 0xB8000 of character and
 * attribute; cursor address in CRT controller registers 0EH and 0FH (IBM VGA Technical Reference,
 * "CRT Controller Registers").
 */
#include "vga.h"
#include "lib.h"
#include "x86.h"

#define VGA_TEXT	 0xb8000
#define VGA_COLUMNS	 80U
#define VGA_ROWS	 25U
#define VGA_CELLS	 (VGA_COLUMNS * VGA_ROWS)
#define VGA_GREY	 0x0700 /* light grey on black, in a cell's upper byte */
#define VGA_TAB		 8U
#define CRTC_INDEX	 0x3d4
#define CRTC_DATA	 0x3d5
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW	 0x0f

static unsigned int position;

static volatile u16 *screen(void)
{
	return (volatile u16 *)(uintptr_t)VGA_TEXT;
}

static void blank(unsigned int first, unsigned int end)
{
	for (unsigned int i = first; i < end; i++)
		screen()[i] = VGA_GREY | ' ';
}

static void show_cursor(void)
{
	outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
	outb(CRTC_DATA, (u8)(position >> 8));
	outb(CRTC_INDEX, CRTC_CURSOR_LOW);
	outb(CRTC_DATA, (u8)position);
}

static void scroll(void)
{
	for (unsigned int i = 0; i < VGA_CELLS - VGA_COLUMNS; i++)
		screen()[i] = screen()[i + VGA_COLUMNS];
	blank(VGA_CELLS - VGA_COLUMNS, VGA_CELLS);
	position -= VGA_COLUMNS;
}

void vga_init(void)
{
	blank(0, VGA_CELLS);
	position = 0;
	show_cursor();
}

void vga_put(char c)
{
	switch (c) {
	case '\n':
		position += VGA_COLUMNS - position % VGA_COLUMNS;
		break;
	case '\r':
		position -= position % VGA_COLUMNS;
		break;
	case '\b':
		if (position % VGA_COLUMNS != 0)
			position--;
		break;
	case '\t':
		position += VGA_TAB - position % VGA_TAB;
		break;
	default:
		if ((u8)c < ' ')
			return;
		screen()[position++] = (u16)(VGA_GREY | (u8)c);
		break;
	}
	if (position >= VGA_CELLS)
		scroll();
	show_cursor();
}
