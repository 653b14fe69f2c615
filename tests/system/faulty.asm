; SPDX-License-Identifier: MIT
;
; Guests that do what no guest should: flat Multiboot kernels (Multiboot Specification 0.6.96, 3.1.3), assembled with
; -DCASE=n. Each says "guest: start" on COM1 first, and "guest: survived" if it lives on.

MAGIC		equ 0x1badb002
FLAGS		equ 1 << 16		; the address fields are valid
LOAD		equ 0x200000
STACK		equ 0x300000
COM1		equ 0x3f8
LINE_STATUS	equ COM1 + 5
HOLDING_EMPTY	equ 1 << 5
HOLE		equ 0xd0000000		; no memory and no device
LAPIC		equ 0xfee00000
DEBUG_EXIT	equ 0xf4
CODE		equ 0x08
DATA		equ 0x10

TRIPLE_FAULT	equ 1
FETCH_HOLE	equ 2
FETCH_LAPIC	equ 3
STACK_HOLE	equ 4

	org LOAD
	bits 32

header:
	dd	MAGIC
	dd	FLAGS
	dd	-(MAGIC + FLAGS)
	dd	header, LOAD, 0, 0, start

start:
	cli
	lgdt	[gdt_pointer]
	jmp	CODE:.segments
.segments:
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	esp, STACK
	mov	esi, started
	call	print

%if CASE = TRIPLE_FAULT
	lidt	[no_idt]
	ud2
%elif CASE = FETCH_HOLE
	mov	eax, HOLE
	jmp	eax
%elif CASE = FETCH_LAPIC
	mov	eax, LAPIC
	jmp	eax
%elif CASE = STACK_HOLE
	; The frame of an exception goes to a hole.
	lidt	[idt_pointer]
	mov	esp, HOLE + 0x1000
	ud2
%endif

survived:
	mov	esp, STACK
	mov	esi, alive
	call	print
	xor	eax, eax
	out	DEBUG_EXIT, eax
	cli
	hlt

invalid_opcode:
	jmp	survived

print:
	mov	dx, LINE_STATUS
.wait:
	in	al, dx
	test	al, HOLDING_EMPTY
	jz	.wait
	lodsb
	test	al, al
	jz	.done
	mov	dx, COM1
	out	dx, al
	jmp	print
.done:
	ret

started: db "guest: start", 13, 10, 0
alive:	db "guest: survived", 13, 10, 0

align 8
gdt:	dq	0
	dq	0x00cf9b000000ffff	; 32-bit code
	dq	0x00cf93000000ffff	; data
gdt_pointer:
	dw	$ - gdt - 1
	dd	gdt
no_idt:
	dw	0
	dd	0
idt:
	times 6 dq 0
	dw	(invalid_opcode - $$ + LOAD) & 0xffff, CODE, 0x8e00, (invalid_opcode - $$ + LOAD) >> 16
idt_pointer:
	dw	$ - idt - 1
	dd	idt
