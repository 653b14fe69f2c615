; SPDX-License-Identifier: MIT
;
; The entries of all 256 vectors: they bring the stack into the form of struct trap_frame and call
; trap_dispatch(). APM vol. 2 rev. 3.42, 8.9.3 "Interrupt Stack Frame".

%include "offsets.inc"

extern trap_dispatch

STUB_SIZE	equ 16
VECTORS		equ 256

; Vectors that push an error code (APM vol. 2 8.2): #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX.
%define HAS_ERROR(v) (v = 8 || (v >= 10 && v <= 14) || v = 17 || v = 21 || v = 29 || v = 30)

section .text
bits 64

global trap_stubs
align STUB_SIZE
trap_stubs:
%assign v 0
%rep VECTORS
	align STUB_SIZE
%if HAS_ERROR(v)
%else
	push 0
%endif
	push strict dword v
	jmp strict near trap_common
%assign v v + 1
%endrep

trap_common:
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	cld
	mov rdi, rsp

	; A stack frame as if the interrupted code had called: backtraces go through it.
	push qword [rdi + TRAP_RIP]
	push rbp
	mov rbp, rsp
	call trap_dispatch
	add rsp, 16

	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
	add rsp, 16			; vector and error code
	iretq
