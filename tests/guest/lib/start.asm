; SPDX-License-Identifier: MIT
;
; Start of a guest test: a Multiboot1 kernel that enters long mode on an identity map of 4 GiB, and one stub for each
; interrupt vector. Multiboot Specification 0.6.96; SDM vol. 3 rev. 083, 9.8.5 and 6.14.

MULTIBOOT_MAGIC	  equ 0x1badb002
MULTIBOOT_FLAGS	  equ 0x3			; page-aligned modules, memory information
CR0_PG		  equ 1 << 31
CR0_WP		  equ 1 << 16
CR0_MP		  equ 1 << 1
CR0_EM		  equ 1 << 2
CR4_PAE		  equ 1 << 5
CR4_OSFXSR	  equ 3 << 9			; and OSXMMEXCPT
MSR_EFER	  equ 0xc0000080
EFER_LME	  equ 1 << 8
PTE_TABLE	  equ 0x7			; present, writable, user
PTE_LARGE	  equ 0x87			; and PS
STACK_BYTES	  equ 0x8000
USER_CS		  equ 0x33
USER_SS		  equ 0x3b

extern guest_start
extern guest_trap
global trap_stubs
global page_tables

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
	mov	esi, eax
	mov	edi, page_tables + 0x1000
	mov	eax, page_tables + 0x2000 + PTE_TABLE
	mov	ecx, 4
.pdpt:
	mov	[edi], eax
	add	eax, 0x1000
	add	edi, 8
	loop	.pdpt
	mov	edi, page_tables + 0x2000
	mov	eax, PTE_LARGE
	mov	ecx, 4 * 512
.pd:
	mov	[edi], eax
	add	eax, 0x200000
	add	edi, 8
	loop	.pd
	mov	dword [page_tables], page_tables + 0x1000 + PTE_TABLE
	mov	eax, page_tables
	mov	cr3, eax
	mov	eax, CR4_PAE | CR4_OSFXSR
	mov	cr4, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME
	wrmsr
	mov	eax, cr0
	and	eax, ~CR0_EM
	or	eax, CR0_PG | CR0_WP | CR0_MP
	mov	cr0, eax
	lgdt	[gdt_pointer]
	jmp	0x08:.long

bits 64
.long:
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax
	mov	rsp, stack_top
	mov	edi, esi			; magic
	mov	esi, ebx			; Multiboot information
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
	push	0
	%endif
	push	vector
	jmp	trap_common
	%assign vector vector + 1
%endrep

trap_common:
	push	rax
	push	rcx
	push	rdx
	push	rbx
	push	rbp
	push	rsi
	push	rdi
	push	r8
	push	r9
	push	r10
	push	r11
	push	r12
	push	r13
	push	r14
	push	r15
	cld
	mov	rdi, rsp
	mov	rbp, rsp
	and	rsp, ~15
	call	guest_trap
	mov	rsp, rbp
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rdi
	pop	rsi
	pop	rbp
	pop	rbx
	pop	rdx
	pop	rcx
	pop	rax
	add	rsp, 16
	iretq

; void call_user(void (*fn)(u64 arg), u64 arg): to ring 3 and back by vector 81H, whose handler comes to user_done.
global call_user
global user_done
global user_rsp
call_user:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[user_rsp], rsp
	mov	rax, user_stack_top - 8
	mov	qword [rax], user_return
	push	USER_SS
	push	rax
	push	2
	push	USER_CS
	push	rdi
	mov	rdi, rsi
	iretq
user_return:
	int	0x81
user_done:
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

section .data
align 8
global gdt
gdt:
	dq	0
	dq	0x00209b0000000000		; 08: 64-bit code
	dq	0x00cf93000000ffff		; 10: data
	dq	0x00cf9b000000ffff		; 18: 32-bit code
	dq	0x00009b000000ffff		; 20: 16-bit code
	dq	0x000093000000ffff		; 28: 16-bit data
	dq	0x0020fb0000000000		; 30: 64-bit code, DPL 3
	dq	0x00cff3000000ffff		; 38: data, DPL 3
	dq	0				; 40: TSS, filled by C
	dq	0
gdt_end:
gdt_pointer:
	dw	gdt_end - gdt - 1
	dq	gdt

section .bss
alignb 4096
page_tables:
	resb	6 * 4096
stack:
	resb	STACK_BYTES
stack_top:
	resb	STACK_BYTES
user_stack_top:
user_rsp:
	resq	1

section .note.GNU-stack noalloc noexec nowrite progbits
