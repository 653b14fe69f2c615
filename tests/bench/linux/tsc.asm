; SPDX-License-Identifier: MIT
;
; A static Linux program that prints the timestamp counter and a newline: what the bench script measures with.

SYS_WRITE equ 1
SYS_EXIT  equ 60
DIGITS	  equ 24

bits 64
global _start

section .text
_start:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	lea	rsi, [rsp - 1]
	mov	byte [rsi], 10
	mov	ecx, 10
.digit:
	xor	edx, edx
	div	rcx
	add	dl, '0'
	dec	rsi
	mov	[rsi], dl
	test	rax, rax
	jnz	.digit
	mov	rdx, rsp
	sub	rdx, rsi
	mov	edi, 1
	mov	eax, SYS_WRITE
	syscall
	xor	edi, edi
	mov	eax, SYS_EXIT
	syscall

section .note.GNU-stack noalloc noexec nowrite progbits
