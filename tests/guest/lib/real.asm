; SPDX-License-Identifier: MIT
;
; From 64-bit mode to real mode for one software interrupt, and back. SDM vol. 3 rev. 083, 10.8.5, 10.9. The code is copied to BLOB,
; below 64 KiB; interrupts are off on the way, and in real mode as the caller's flags say. Registers that are given and taken:
; struct real_regs of guest.h.

BLOB		equ 0x6000
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
CR0_PE		equ 1
CR0_PG		equ 1 << 31
CR4_PAE		equ 1 << 5

%define AT(label) (BLOB + (label) - blob)

global real_int

section .text
bits 64

; void real_int(u8 vector, struct real_regs *r): the IDT is this program's again afterwards. 16- and 32-bit segments of the GDT are used.
real_int:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	mov	r12, rsi
	mov	eax, edi
	mov	[vector], al
	mov	rsi, blob
	mov	rdi, BLOB
	mov	ecx, blob_end - blob
	cld
	rep	movsb
	mov	rsi, r12
	mov	rdi, AT(registers)
	mov	ecx, registers_end - registers
	rep	movsb
	mov	[AT(saved_rsp)], rsp
	mov	[AT(caller)], r12
	sidt	[AT(idt_64)]
	mov	rax, cr3
	mov	[AT(cr3_64)], eax
	mov	rax, cr4
	mov	[AT(cr4_64)], eax
	mov	rax, cr0
	mov	[AT(cr0_64)], eax
	jmp	dword far [rel to_compat]
.back:
	mov	rsp, [AT(saved_rsp)]
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax
	lidt	[AT(idt_64)]
	mov	rdi, [AT(caller)]
	mov	rsi, AT(registers)
	mov	ecx, registers_end - registers
	cld
	rep	movsb
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

section .data
to_compat:
	dd	AT(compat)
	dw	0x18

align 16
blob:
bits 32
compat:
	mov	eax, cr0
	and	eax, ~CR0_PG
	mov	cr0, eax
	mov	ecx, MSR_EFER
	rdmsr
	and	eax, ~EFER_LME
	wrmsr
	xor	eax, eax
	mov	cr4, eax
	jmp	0x20:AT(protected16)

bits 16
protected16:
	mov	ax, 0x28			; real mode keeps these limits
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	fs, ax
	mov	gs, ax
	mov	eax, cr0
	and	al, ~CR0_PE
	mov	cr0, eax
	jmp	0:AT(real)
real:
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	fs, ax
	mov	gs, ax
	mov	sp, BLOB
	lidt	[AT(ivt)]
	mov	eax, [AT(registers.eax)]
	mov	ebx, [AT(registers.ebx)]
	mov	ecx, [AT(registers.ecx)]
	mov	edx, [AT(registers.edx)]
	mov	esi, [AT(registers.esi)]
	mov	edi, [AT(registers.edi)]
	push	word [AT(registers.flags)]
	popf
	db	0xcd				; INT
vector:	db	0
	pushf
	cli
	mov	[AT(registers.eax)], eax
	mov	[AT(registers.ebx)], ebx
	mov	[AT(registers.ecx)], ecx
	mov	[AT(registers.edx)], edx
	mov	[AT(registers.esi)], esi
	mov	[AT(registers.edi)], edi
	pop	word [AT(registers.flags)]
	mov	[AT(registers.sp)], sp
	lgdt	[AT(gdt_32)]
	mov	eax, cr0
	or	al, CR0_PE
	mov	cr0, eax
	jmp	dword 0x18:AT(home)

bits 32
home:
	mov	ax, 0x10
	mov	ds, ax
	mov	ss, ax
	mov	eax, [AT(cr4_64)]
	mov	cr4, eax
	mov	eax, [AT(cr3_64)]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME
	wrmsr
	mov	eax, [AT(cr0_64)]
	mov	cr0, eax
	jmp	0x08:real_int.back

align 8
ivt:		dw 0x3ff
		dd 0
		align 8
idt_64:		times 10 db 0
		align 8
gdt_32:		dw 0x4f
		dd gdt
		align 8
saved_rsp:	dq 0
caller:		dq 0
cr3_64:		dd 0
cr4_64:		dd 0
cr0_64:		dd 0
registers:
.eax:		dd 0
.ebx:		dd 0
.ecx:		dd 0
.edx:		dd 0
.esi:		dd 0
.edi:		dd 0
.flags:		dw 0
.sp:		dw 0
registers_end:
blob_end:

extern gdt

section .note.GNU-stack noalloc noexec nowrite progbits
