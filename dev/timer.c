/* SPDX-License-Identifier: MIT */
/*
 * Timer queues: a list sorted by deadline. A board has fewer than ten timers and the earliest is
 * what everybody asks for, so that no cleverer structure pays.
 */
#include "timer.h"

void timer_queue_init(struct timer_queue *q, u64 (*now)(void))
{
	*q = (struct timer_queue){ .now = now };
}

void timer_cancel(struct timer_queue *q, struct timer *t)
{
	if (!t->armed)
		return;
	for (struct timer **p = &q->head; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	t->next = NULL;
	t->armed = false;
}

void timer_arm(struct timer_queue *q, struct timer *t, u64 deadline)
{
	struct timer **p = &q->head;

	timer_cancel(q, t);
	while (*p && (*p)->deadline <= deadline)
		p = &(*p)->next;
	t->deadline = deadline;
	t->run = q->run;
	t->armed = true;
	t->next = *p;
	*p = t;
}

/* The first that is due and was not armed by a handler of this same run. */
static struct timer *first_due(const struct timer_queue *q, u64 now)
{
	for (struct timer *t = q->head; t && t->deadline <= now; t = t->next)
		if (t->run != q->run)
			return t;
	return NULL;
}

void timer_run(struct timer_queue *q, u64 now)
{
	struct timer *t;

	q->run++;
	while ((t = first_due(q, now)) != NULL) {
		timer_cancel(q, t);
		t->fire(t->arg, now);
	}
}
