; SPDX-License-Identifier: MIT
;
; A Multiboot kernel (flat, by the address fields of its header: Multiboot Specification 0.6.96, 3.1.3) that jumps to
; another kernel's entry point as a bad boot loader would. That kernel, and its entry point at ENTRY_AT, have been put
; into memory by QEMU's loader device. Assembled with -DCASE=n.

MAGIC		equ 0x1badb002
LOADER_MAGIC	equ 0x2badb002
FLAGS		equ 1 << 16		; the address fields are valid
LOAD		equ 0x6000000
ENTRY_AT	equ 0x7000000

; Section 3.3: the information's flags and size.
INFO_CMDLINE	equ 1 << 2
INFO_MMAP	equ 1 << 6
INFO_SIZE	equ 88
INFO_CMDLINE_AT	equ 16
INFO_MMAP_AT	equ 44			; length, then address

NO_MAGIC	equ 1
NO_MEMORY	equ 2			; neither sizes nor a map
EMPTY_MAP	equ 3			; a map without entries

	org LOAD
	bits 32

header:
	dd	MAGIC
	dd	FLAGS
	dd	-(MAGIC + FLAGS)
	dd	header, LOAD, 0, 0, start

start:
%if CASE = NO_MAGIC
	xor	eax, eax
%else
	mov	eax, LOADER_MAGIC
	mov	ebx, information
%endif
	jmp	[ENTRY_AT]

%if CASE <> NO_MAGIC
align 4
information:
%if CASE = EMPTY_MAP
	dd	INFO_CMDLINE | INFO_MMAP
%else
	dd	INFO_CMDLINE
%endif
	times INFO_CMDLINE_AT - 4 db 0
	dd	cmdline
	times INFO_MMAP_AT - INFO_CMDLINE_AT - 4 db 0
	dd	0, information
	times INFO_SIZE - INFO_MMAP_AT - 8 db 0
cmdline:
	db	"debug-exit=0xf4", 0
%endif
