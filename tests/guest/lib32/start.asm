; SPDX-License-Identifier: MIT
;
; Start of a 32-bit guest test: a Multiboot1 kernel in protected mode without paging, and one stub for each interrupt
; vector. Multiboot Specification 0.6.96; SDM vol. 3 rev. 083, 6.12, 6.13.

MULTIBOOT_MAGIC	equ 0x1badb002
MULTIBOOT_FLAGS	equ 0x3			; page-aligned modules, memory information
STACK_BYTES	equ 0x8000
CS32		equ 0x08
DS32		equ 0x10

extern guest_start
extern guest_trap
global trap_stubs
global gdt
global gdt_pointer

section .multiboot align=4
	dd	MULTIBOOT_MAGIC
	dd	MULTIBOOT_FLAGS
	dd	-(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

section .text

bits 32
global _start
_start:
	cli
	mov	esp, stack_top
	lgdt	[gdt_pointer]
	jmp	CS32:.here
.here:
	mov	cx, DS32
	mov	ds, cx
	mov	es, cx
	mov	ss, cx
	xor	ecx, ecx
	mov	fs, cx
	mov	gs, cx
	push	ecx
	popf
	sub	esp, 8
	push	ebx				; Multiboot information
	push	eax				; magic
	call	guest_start
.stop:
	cli
	hlt
	jmp	.stop

; A stub is 16 bytes: vectors with an error code leave it where the others push a zero.
align 16
trap_stubs:
%assign vector 0
%rep 256
	align	16
	%if !(vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30)
	push	dword 0
	%endif
	push	dword vector
	jmp	trap_common
	%assign vector vector + 1
%endrep

; Out of virtual-8086 mode the data segments come as null and go by IRET.
trap_common:
	pusha
	push	ds
	push	es
	push	fs
	push	gs
	mov	ax, DS32
	mov	ds, ax
	mov	es, ax
	cld
	mov	eax, esp
	mov	ebp, esp
	and	esp, ~15
	sub	esp, 12
	push	eax
	call	guest_trap
	mov	esp, ebp
	pop	gs
	pop	fs
	pop	es
	pop	ds
	popa
	add	esp, 8
	iret

section .data
align 8
gdt:
	dq	0
	dq	0x00cf9b000000ffff		; 08: code
	dq	0x00cf93000000ffff		; 10: data
	dq	0x00cffb000000ffff		; 18: code, DPL 3
	dq	0x00cff3000000ffff		; 20: data, DPL 3
	dq	0x00009b000000ffff		; 28: 16-bit code
	dq	0x000093000000ffff		; 30: 16-bit data
	times	57 dq 0				; filled by C
gdt_end:
gdt_pointer:
	dw	gdt_end - gdt - 1
	dd	gdt

section .bss
alignb 16
stack:
	resb	STACK_BYTES
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
