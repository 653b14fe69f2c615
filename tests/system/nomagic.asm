; SPDX-License-Identifier: MIT
;
; A Multiboot kernel (flat, by the address fields of its header: Multiboot Specification 0.6.96, 3.1.3) that jumps to
; another kernel's entry point without the magic number. That kernel, and its entry point at ENTRY_AT, have been put
; into memory by QEMU's loader device.

MAGIC		equ 0x1badb002
FLAGS		equ 1 << 16		; the address fields are valid
LOAD		equ 0x6000000
ENTRY_AT	equ 0x7000000

	org LOAD
	bits 32

header:
	dd	MAGIC
	dd	FLAGS
	dd	-(MAGIC + FLAGS)
	dd	header, LOAD, 0, 0, start

start:
	xor	eax, eax
	jmp	[ENTRY_AT]
