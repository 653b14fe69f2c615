; SPDX-License-Identifier: MIT
;
; The VT-x world switch: SDM vol. 3 rev. 083, ch. 27 and 28.

%include "offsets.inc"

bits 64
default rel

global vmx_enter
global vmx_exit_point

; VMCS field encoding: vmcs.h
HOST_RSP	equ VMCS_HOST_RSP_ENCODING

section .text

; enum vmx_entry vmx_enter(struct vcpu *v, bool launched, u64 *host_rsp)
;
; The processor switches RSP, RIP, RFLAGS, control and segment registers and what the controls name; the other
; general registers are moved here. An exit comes to vmx_exit_point with RSP as it is at the entry and interrupts off.
; A refused entry falls through with the host's state untouched, but for the general registers.
vmx_enter:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	push	rdi
	cmp	rsp, [rdx]
	je	.rsp_known
	mov	[rdx], rsp
	mov	eax, HOST_RSP
	vmwrite	rax, rsp
.rsp_known:
	test	esi, esi		; the moves below keep the flags
	mov	rax, [rdi + VCPU_RAX]
	mov	rcx, [rdi + VCPU_RCX]
	mov	rdx, [rdi + VCPU_RDX]
	mov	rbx, [rdi + VCPU_RBX]
	mov	rbp, [rdi + VCPU_RBP]
	mov	rsi, [rdi + VCPU_RSI]
	mov	r8, [rdi + VCPU_R8]
	mov	r9, [rdi + VCPU_R9]
	mov	r10, [rdi + VCPU_R10]
	mov	r11, [rdi + VCPU_R11]
	mov	r12, [rdi + VCPU_R12]
	mov	r13, [rdi + VCPU_R13]
	mov	r14, [rdi + VCPU_R14]
	mov	r15, [rdi + VCPU_R15]
	mov	rdi, [rdi + VCPU_RDI]
	jnz	.resume
.launch:
	vmlaunch
	jmp	.refused
.resume:
	vmresume
.refused:
	; CF: no current VMCS; ZF: the error is in the VMCS (31.2).
	mov	eax, VMX_FAIL_INVALID_VALUE
	mov	ecx, VMX_FAIL_VALID_VALUE
	cmovnc	eax, ecx
	add	rsp, 8
	jmp	.leave

vmx_exit_point:
	push	rdi
	mov	rdi, [rsp + 8]
	mov	[rdi + VCPU_RAX], rax
	mov	[rdi + VCPU_RCX], rcx
	mov	[rdi + VCPU_RDX], rdx
	mov	[rdi + VCPU_RBX], rbx
	mov	[rdi + VCPU_RBP], rbp
	mov	[rdi + VCPU_RSI], rsi
	mov	[rdi + VCPU_R8], r8
	mov	[rdi + VCPU_R9], r9
	mov	[rdi + VCPU_R10], r10
	mov	[rdi + VCPU_R11], r11
	mov	[rdi + VCPU_R12], r12
	mov	[rdi + VCPU_R13], r13
	mov	[rdi + VCPU_R14], r14
	mov	[rdi + VCPU_R15], r15
	pop	rax
	mov	[rdi + VCPU_RDI], rax
	add	rsp, 8
	xor	eax, eax		; VMX_ENTERED
vmx_enter.leave:
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret
