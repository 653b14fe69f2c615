/* SPDX-License-Identifier: MIT */
/*
 * Inside this room: the run loop's call into event delivery.
 */
#ifndef PLINTH_VCPU_EVENT_H
#define PLINTH_VCPU_EVENT_H

#include "vcpu.h"

/* Hands the most urgent deliverable event to the backend and opens the windows that the others wait for. */
void vcpu_deliver(struct vcpu *v);

/* vcpu.c: the host took interrupts. */
void vcpu_after_interrupt(struct vcpu *v);

/* task.c: carries out the switch that v->exit describes, or queues the exception that forbids it. */
void vcpu_task_switch(struct vcpu *v);

/* exit.c: acts on v->exit. */
void vcpu_handle_exit(struct vcpu *v);

#endif
