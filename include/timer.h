/* SPDX-License-Identifier: MIT */
/*
 * Timer queues (dev/timer.c): the deadlines of emulated devices, in ns of the one clock. A queue
 * belongs to a vCPU (its LAPIC timer) or to the board (under the board's lock); the vCPU's run loop
 * arms the host timer for the earliest one.
 */
#ifndef PLINTH_TIMER_H
#define PLINTH_TIMER_H

#include "types.h"

struct timer {
	u64 deadline; /* ns; meaningful while armed */
	void (*fire)(void *arg, u64 now);
	void *arg;
	struct timer *next;
	u64 run; /* the timer_run() during which it was armed */
	bool armed;
};

struct timer_queue {
	u64 (*now)(void);   /* time_now, or a test's clock */
	struct timer *head; /* sorted by deadline, first armed first among equals */
	u64 run;	    /* timer_run() calls so far */
};

void timer_queue_init(struct timer_queue *q, u64 (*now)(void));

/* (Re)arms t. A deadline in the past fires at the next timer_run(). */
void timer_arm(struct timer_queue *q, struct timer *t, u64 deadline);
void timer_cancel(struct timer_queue *q, struct timer *t);

/*
 * Fires all that are due at now, in order. A handler may arm and cancel any timer; what it arms for
 * a time that has passed waits for the next timer_run(), so that no period, however short, keeps
 * the caller here.
 */
void timer_run(struct timer_queue *q, u64 now);

static inline u64 timer_next(const struct timer_queue *q)
{
	return q->head ? q->head->deadline : UINT64_MAX;
}

#endif
