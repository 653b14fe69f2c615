; SPDX-License-Identifier: MIT
;
; A tour through the processor's modes and back to 64-bit mode: compatibility mode, protected mode without paging, 32-bit paging, PAE paging,
; 16-bit protected mode, real mode with an interrupt through its vector table. SDM vol. 3 rev. 083, 10.8.5, 10.9; APM vol. 2
; rev. 3.42, 14.4 to 14.8. The code is copied to BLOB, below 64 KiB.
;
; Results are dwords at the end of the blob, in the order of cr.c's table.

BLOB		equ 0x7000
BLOB_BYTES	equ 0x1000
REAL_VECTOR	equ 0x60
REAL_IPI	equ 0x61
LAPIC_VERSION	equ 0xfee00030
LAPIC_EOI	equ 0xfee000b0
LAPIC_ICR	equ 0xfee00300
ICR_SELF	equ 0x40000
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
CR0_PE		equ 1
CR0_PG		equ 1 << 31
CR4_PSE		equ 1 << 4
CR4_PAE		equ 1 << 5
LARGE_4M	equ 0x83		; present, writable, PS
PRESENT		equ 1

%define AT(label) (BLOB + (label) - blob)
%macro RESULT 1				; stores EAX, with any segments based at 0
	mov	[AT(results) + 4 * %1], eax
%endmacro

global modes_tour
global modes_results
global modes_blob
global modes_blob_end
extern gdt

section .text
bits 64

; void modes_tour(u64 cr3_32, u64 cr3_pae): both below 4 GiB. Interrupts are off; the IDT is restored by the caller.
modes_tour:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[AT(saved_rsp)], rsp
	mov	[AT(cr3_32)], edi
	mov	[AT(cr3_pae)], esi
	mov	rax, cr3
	mov	[AT(cr3_64)], eax
	sidt	[AT(idt_64)]
	sgdt	[AT(gdt_64)]
	mov	rax, cr4
	mov	[AT(cr4_64)], eax
	mov	rax, cr0
	mov	[AT(cr0_64)], eax
	jmp	dword far [rel to_compat]	; m16:32: AMD has no m16:64
.back:
	mov	rsp, [AT(saved_rsp)]
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax
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

modes_results:
	dq	AT(results)

align 16
modes_blob:
blob:
bits 32
compat:
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	esp, BLOB
	; 32-bit code: 48H is DEC EAX here, a REX prefix in 64-bit mode.
	mov	eax, 5
	db	0x48
	nop
	RESULT	0
	mov	eax, [LAPIC_VERSION]
	RESULT	1
	xor	eax, eax
	cpuid
	mov	eax, ebx
	RESULT	2
	; paging off: compatibility mode becomes protected mode
	mov	eax, cr0
	and	eax, ~CR0_PG
	mov	cr0, eax
	mov	ecx, MSR_EFER
	rdmsr
	RESULT	3
	and	eax, ~EFER_LME
	wrmsr
	rdmsr
	RESULT	4
	mov	eax, [LAPIC_VERSION]
	RESULT	5
	; 32-bit paging with 4 MiB pages
	mov	eax, CR4_PSE
	mov	cr4, eax
	mov	eax, [AT(cr3_32)]
	mov	cr3, eax
	mov	eax, cr0
	or	eax, CR0_PG
	mov	cr0, eax
	mov	eax, [LAPIC_VERSION]
	RESULT	6
	mov	eax, cr0
	RESULT	7
	xor	eax, eax
	cpuid
	mov	eax, ebx
	RESULT	8
	mov	eax, [0xc0000000 + AT(mark)]	; the same page elsewhere
	RESULT	9
	mov	eax, cr0
	and	eax, ~CR0_PG
	mov	cr0, eax
	; PAE paging
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [AT(cr3_pae)]
	mov	cr3, eax
	mov	eax, cr0
	or	eax, CR0_PG
	mov	cr0, eax
	mov	eax, [LAPIC_VERSION]
	RESULT	10
	mov	ecx, MSR_EFER
	rdmsr
	RESULT	11
	mov	eax, cr0
	and	eax, ~CR0_PG
	mov	cr0, eax
	; 16-bit protected mode
	jmp	0x20:AT(protected16)

bits 16
protected16:
	mov	ax, 0x28
	mov	ss, ax
	mov	gs, ax				; real mode keeps the limit, which is none in 64-bit mode's null segment
	mov	sp, BLOB
	mov	eax, 0x11112222
	mov	ax, 0x3333
	RESULT	12
	mov	eax, [dword LAPIC_VERSION]	; DS is flat still
	RESULT	13
	; real mode, with the 4 GiB limit left in DS ("unreal")
	mov	eax, cr0
	and	al, ~CR0_PE
	mov	cr0, eax
	jmp	0:AT(real)
real:
	xor	ax, ax
	mov	ss, ax
	mov	es, ax
	mov	sp, BLOB
	mov	eax, cr0
	RESULT	14
	lidt	[AT(ivt)]
	mov	eax, [es:4 * REAL_VECTOR]
	mov	[AT(old_vector)], eax
	mov	eax, [es:4 * REAL_IPI]
	mov	[AT(old_ipi)], eax
	mov	dword [es:4 * REAL_VECTOR], AT(service)
	mov	dword [es:4 * REAL_IPI], AT(ipi)
	xor	eax, eax
	mov	ebx, 1
	stc
	int	REAL_VECTOR
	RESULT	15			; what the service made of it
	xor	eax, eax
	cpuid
	mov	eax, ebx
	RESULT	16
	mov	eax, [dword LAPIC_VERSION]
	RESULT	17
	mov	word [AT(count)], 0
	mov	dword [dword LAPIC_ICR], ICR_SELF | REAL_IPI
	sti
	nop
	nop
	cli
	movzx	eax, word [AT(count)]
	RESULT	18
	in	al, 0x61
	mov	dx, 0x2f0
	in	eax, dx
	RESULT	19
	mov	ax, 0x1234			; segment arithmetic: 0x700:0 is BLOB
	push	ds
	mov	ax, BLOB >> 4
	mov	gs, ax
	mov	eax, [gs:mark - blob]
	pop	cx
	RESULT	20
	sidt	[AT(scratch)]
	movzx	eax, word [AT(scratch)]
	RESULT	21
	mov	eax, [AT(old_vector)]
	mov	[es:4 * REAL_VECTOR], eax
	mov	eax, [AT(old_ipi)]
	mov	[es:4 * REAL_IPI], eax
	; and home
	mov	eax, cr0
	or	al, CR0_PE
	mov	cr0, eax
	jmp	dword 0x18:AT(home)

service:
	add	ax, 0x77
	iret
ipi:
	inc	word [AT(count)]
	push	eax
	mov	dword [dword LAPIC_EOI], 0
	pop	eax
	iret

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
	rdmsr
	RESULT	22			; LME without LMA
	mov	eax, [AT(cr0_64)]
	mov	cr0, eax
	rdmsr
	RESULT	23			; both
	jmp	0x08:modes_tour.back

align 8
ivt:		dw 0x3ff
		dd 0
		align 8
idt_64:		times 10 db 0
		align 8
gdt_64:		times 10 db 0
		align 8
scratch:	times 10 db 0
		align 8
saved_rsp:	dq 0
cr3_32:		dd 0
cr3_pae:	dd 0
cr3_64:		dd 0
cr4_64:		dd 0
cr0_64:		dd 0
old_vector:	dd 0
old_ipi:	dd 0
count:		dw 0, 0
mark:		dd 0x600dcafe
results:	times 32 dd 0
modes_blob_end:

section .note.GNU-stack noalloc noexec nowrite progbits
