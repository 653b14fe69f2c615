; SPDX-License-Identifier: MIT
;
; The AMD-V world switch: AMD64 APM vol. 2 rev. 3.42, 15.5.

%include "offsets.inc"

bits 64
default rel

global svm_enter
global svm_exited

section .text

; void svm_enter(struct vcpu *v, hpa_t vmcb, hpa_t host_vmcb)
;
; VMRUN switches RAX, RSP, RIP, RFLAGS and what the VMCB's basic save area holds; VMLOAD/VMSAVE move FS, GS, TR, LDTR and the system-call
; MSRs, of which the host needs GS and TR; the other general registers are moved here. The host runs with interrupts
; off; VMRUN needs RFLAGS.IF set for physical interrupts to end the guest's run (15.21.1), so IF is set under CLGI.
svm_enter:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	push	rdx
	push	rdi
	mov	rax, rsi
	clgi
	sti
	vmload
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
.run:
	vmrun
svm_exited:
	vmsave
	push	rdi
	mov	rdi, [rsp + 8]
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
	pop	rax
	vmload
	cli
	stgi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret
