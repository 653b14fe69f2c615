// SPDX-License-Identifier: MIT
/*
 * Offsets of structure fields for the assembly files. Compiled to assembly only; the Makefile turns
 * each "@@NAME value" line into a nasm %define. (In a string, because clang checks what it prints.)
 */
#include "../vmx/vmx.h"
#include "cpu.h"
#include "vcpu.h"

#define DEFINE(name, value)	  __asm__ volatile("\n.ascii \"@@" #name " %0\"" ::"i"(value))
#define OFFSET(name, type, field) DEFINE(name, offsetof(type, field))
#define SIZE(name, type)	  DEFINE(name, sizeof(type))

void offsets(void);

void offsets(void)
{
	OFFSET(CPU_ID, struct cpu, id);
	OFFSET(CPU_VCPU, struct cpu, vcpu);

	OFFSET(VCPU_RAX, struct vcpu, gpr[GPR_RAX]);
	OFFSET(VCPU_RCX, struct vcpu, gpr[GPR_RCX]);
	OFFSET(VCPU_RDX, struct vcpu, gpr[GPR_RDX]);
	OFFSET(VCPU_RBX, struct vcpu, gpr[GPR_RBX]);
	OFFSET(VCPU_RBP, struct vcpu, gpr[GPR_RBP]);
	OFFSET(VCPU_RSI, struct vcpu, gpr[GPR_RSI]);
	OFFSET(VCPU_RDI, struct vcpu, gpr[GPR_RDI]);
	OFFSET(VCPU_R8, struct vcpu, gpr[GPR_R8]);
	OFFSET(VCPU_R9, struct vcpu, gpr[GPR_R9]);
	OFFSET(VCPU_R10, struct vcpu, gpr[GPR_R10]);
	OFFSET(VCPU_R11, struct vcpu, gpr[GPR_R11]);
	OFFSET(VCPU_R12, struct vcpu, gpr[GPR_R12]);
	OFFSET(VCPU_R13, struct vcpu, gpr[GPR_R13]);
	OFFSET(VCPU_R14, struct vcpu, gpr[GPR_R14]);
	OFFSET(VCPU_R15, struct vcpu, gpr[GPR_R15]);

	DEFINE(VMCS_HOST_RSP_ENCODING, VMCS_HOST_RSP);
	DEFINE(VMX_FAIL_INVALID_VALUE, VMX_FAIL_INVALID);
	DEFINE(VMX_FAIL_VALID_VALUE, VMX_FAIL_VALID);

	OFFSET(TRAP_RBP, struct trap_frame, rbp);
	OFFSET(TRAP_VECTOR, struct trap_frame, vector);
	OFFSET(TRAP_RIP, struct trap_frame, rip);
	SIZE(TRAP_SIZE, struct trap_frame);
}
