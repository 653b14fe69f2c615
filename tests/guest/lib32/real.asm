; SPDX-License-Identifier: MIT
;
; Real mode and 64-bit mode for 32-bit guest tests. SDM vol. 3 rev. 083, 10.8.5, 10.9, ch. 21.
;
; void real_enter(const struct regs *r): loads the registers of r and starts at its CS:EIP in real mode. Every interrupt
; and exception but REAL_COUNTED comes back: to the instruction behind the call, with real_frame telling what was
; interrupted. The code lies at REAL_BLOB, below 64 KiB, where real_setup() copies it.

REAL_BLOB	equ 0x6000
REAL_COUNTED	equ 0x71
CR0_PE		equ 1
CS32		equ 0x08
DS32		equ 0x10
CS16		equ 0x28
DS16		equ 0x30
REGS_GPRS	equ 16			; offsets in struct regs
REGS_EIP	equ 56

%define AT(label) (REAL_BLOB + (label) - real_blob)

global real_enter
global real_blob
global real_blob_end
global real_stubs_at
global real_count_at
global real_frame_at
global real_flat_at
global long_probe

section .text
bits 32
real_enter:
	push	ebx
	push	esi
	push	edi
	push	ebp
	mov	eax, [esp + 20]
	mov	[AT(saved_esp)], esp
	sidt	[AT(pm_idt)]
	sgdt	[AT(pm_gdt)]
	mov	ecx, cr0
	mov	[AT(pm_cr0)], ecx
	mov	esi, eax
	mov	ecx, 23				; struct regs
	mov	edi, AT(registers)
	rep	movsd
	mov	eax, AT(to_real)
	jmp	eax

section .data
align 16
real_stubs_at:	dd AT(stubs)
real_count_at:	dd AT(count)
real_frame_at:	dd AT(frame)
real_flat_at:	dd AT(flat)
real_blob:
bits 32
to_real:
	mov	eax, cr0			; paging off first; all is mapped to itself
	and	eax, 0x7fffffff
	mov	cr0, eax
	jmp	CS16:AT(protected16)
bits 16
protected16:
	mov	ax, DS16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	gs, ax
	cmp	byte [AT(flat)], 0
	je	.fs
	mov	ax, DS32			; "unreal": FS keeps the 4 GiB
.fs:
	mov	fs, ax
	lidt	[AT(ivt)]
	mov	eax, cr0
	and	al, ~CR0_PE
	mov	cr0, eax
	jmp	0:AT(real)
real:
	xor	ax, ax
	mov	ds, ax
	mov	esp, AT(registers)
	mov	ss, ax
	pop	eax
	mov	gs, ax
	pop	eax
	mov	fs, ax
	pop	eax
	mov	es, ax
	mov	ax, [AT(registers) + REGS_EIP + 16]
	mov	bx, [AT(registers) + REGS_EIP + 12]
	mov	esp, AT(registers) + REGS_GPRS
	mov	cx, [AT(registers) + REGS_EIP]
	mov	[AT(target)], cx
	mov	cx, [AT(registers) + REGS_EIP + 4]
	mov	[AT(target) + 2], cx
	mov	cx, [AT(registers) + REGS_EIP + 8]
	mov	[AT(target) + 4], cx
	; The frame for IRET goes onto the code's own stack.
	mov	dx, bx
	sub	dx, 6
	mov	[AT(target) + 6], dx
	mov	[AT(target) + 8], ax
	push	es
	mov	es, ax
	mov	di, dx
	mov	si, AT(target)
	cld
	movsw
	movsw
	movsw
	pop	es
	popad
	mov	esp, [AT(target) + 6]
	mov	ss, [AT(target) + 8]
	and	esp, 0xffff
	mov	ds, [AT(registers) + 12]
	iret

interrupted:
	push	ds
	push	es
	push	fs
	push	gs
	pushad
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	cld
	; frame: 32 bytes of registers, 8 of segments, vector, IP, CS, FLAGS
	movzx	esi, sp
	mov	di, AT(frame)
	mov	cx, 48 / 2
	rep	ss movsw
	mov	eax, [AT(pm_cr0)]
	and	eax, 0x7fffffff
	lgdt	[AT(pm_gdt)]
	lidt	[AT(pm_idt)]
	mov	cr0, eax
	jmp	dword CS32:AT(back)
counted:
	inc	word [cs:AT(count)]
	iret
bits 32
back:
	mov	ax, DS32
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax
	mov	eax, [AT(pm_cr0)]
	mov	cr0, eax
	mov	esp, [AT(saved_esp)]
	pop	ebp
	pop	edi
	pop	esi
	pop	ebx
	ret

align 8
stubs:
%assign vector 0
%rep 256
	align 8
bits 16
	%if vector = REAL_COUNTED
	jmp	near counted
	%else
	push	word vector
	jmp	near interrupted
	%endif
	%assign vector vector + 1
%endrep

align 8
ivt:		dw 0x3ff
		dd 0
		align 8
pm_idt:		times 8 db 0
pm_gdt:		times 8 db 0
saved_esp:	dd 0
pm_cr0:		dd 0
flat:		dd 0
count:		dd 0
registers:	times 23 dd 0
target:		times 8 dw 0
frame:		times 48 db 0
real_blob_end:

; u32 long_probe(u32 address, u32 *version): called in compatibility mode; goes to 64-bit mode, reads the dword at the
; address by R8, and there CR8 and EFER. Selectors 48H: 64-bit code.
section .text
bits 32
long_probe:
	push	ebx
	push	esi
	push	edi
	mov	esi, [esp + 16]
	mov	edi, [esp + 20]
	jmp	0x48:.long
bits 64
.long:
	mov	r8d, esi
	mov	eax, [r8]
	mov	[rdi], eax
	mov	eax, 5
	mov	cr8, rax
	xor	eax, eax
	mov	rax, cr8
	mov	[rdi + 4], eax
	xor	eax, eax
	mov	cr8, rax
	mov	rax, 0x123456789abcdef0
	in	al, 0x21
	shr	rax, 32				; IN AL keeps the upper half
	mov	[rdi + 8], eax
	mov	eax, 0x40000000
	cpuid
	mov	[rdi + 12], ebx
	jmp	far dword [rel .back]
.back:
	dd	.compat
	dw	CS32
bits 32
.compat:
	pop	edi
	pop	esi
	pop	ebx
	ret

section .note.GNU-stack noalloc noexec nowrite progbits
