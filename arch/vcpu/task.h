/* SPDX-License-Identifier: MIT */
/*
 * Inside this room: a task switch under way. task.c takes it to its commit point, task_segments.c loads what the new
 * task's selectors name. SDM vol. 3 rev. 083 ch. 8.
 */
#ifndef PLINTH_VCPU_TASK_H
#define PLINTH_VCPU_TASK_H

#include "guest_mem.h"
#include "vcpu.h"

/* Parts of a selector: SDM vol. 3 figure 3-6. */
#define SELECTOR_RPL 3U
#define SELECTOR_TI  4U
#define SELECTOR_LOW 7U

#define SEG_ATTR_MASK 0xf0ffU

struct task_descriptor {
	gva_t where;
	struct segment seg;
};

struct task {
	struct vcpu *v;
	u8 source; /* of struct exit_task_switch */
	bool wide; /* 32-bit TSS */
	bool push_error;
	u16 selector;
	u32 error;
	u32 ext; /* bit 0 of each error code: SDM vol. 3 6.13 */
	struct task_descriptor tss, old;
};

/* task.c. Each returns 0 or -EFAULT with an exception queued. */
int task_fault(const struct task *t, u8 vector, u16 selector);
int task_memory_fault(const struct task *t, const struct fault *f);
/* Reads what the selector names; the vector is for one outside its table. It is not null. */
int task_descriptor(const struct task *t, u16 selector, u8 vector, struct task_descriptor *d);
/* Sets or clears a bit of the descriptor's type, in memory too. */
int task_descriptor_mark(const struct task *t, struct task_descriptor *d, u8 bit, bool on);

/* task_segments.c */
int task_load_segments(const struct task *t, const u16 seg[SEG_GS + 1], u16 ldt);
/* Pushes the error code, and looks at EIP. */
int task_begin(const struct task *t);

#endif
