/* SPDX-License-Identifier: MIT */
/*
 * Instruction emulator (arch/vcpu/emulate*.c): executes one guest instruction whose memory
 * operand is a device, or which the hardware handed over for another reason (string I/O). Faults
 * are precise.
 */
#ifndef PLINTH_EMULATE_H
#define PLINTH_EMULATE_H

#include "insn.h"
#include "vcpu.h"

enum emulate_result {
	/*
	 * Registers, RIP and flags are those after the instruction, or after some REP iterations.
	 */
	EMULATE_DONE,
	/* An exception was queued on v; nothing else changed beyond what the manual allows. */
	EMULATE_FAULT,
	/* Not an instruction that is emulated: the caller stops the guest with the bytes. */
	EMULATE_UNKNOWN,
};

/*
 * Emulates the instruction at v's CS:RIP. known (n bytes) are its first bytes when the processor
 * gave them, else it is fetched. A REP instruction does at most a bounded number of iterations a
 * call (then RIP still points at it), so that interrupts are not held up. Handles interrupt
 * shadow, RF and TF as vcpu_skip_insn() does.
 */
enum emulate_result emulate_insn(struct vcpu *v, const u8 *known, unsigned int n);

/* Fetches and decodes only. 0, or -EFAULT (exception queued), -EINVAL (#UD queued). */
int emulate_fetch_decode(struct vcpu *v, const u8 *known, unsigned int n, struct insn *in);

#endif
