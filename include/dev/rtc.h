/* SPDX-License-Identifier: MIT */
/*
 * MC146818A real-time clock with CMOS RAM (dev/rtc.c), ports 70/71. Motorola MC146818A data sheet; 0x32 is the century (and FADT says so).
 * Under the board's lock.
 */
#ifndef PLINTH_DEV_RTC_H
#define PLINTH_DEV_RTC_H

#include "../bus.h"
#include "../irq.h"
#include "../timer.h"

struct rtc {
	u8 ram[128];
	u8 index;
	u64 (*wallclock)(void); /* ns since 1970 */
	s64 offset;		/* guest clock minus wall clock, ns */
	u64 frozen;		/* guest clock while SET or the divider stops it, ns */
	u64 periodic_next;	/* ns of the one clock */
	struct timer periodic, update;
	struct timer_queue *queue;
	struct irq_line irq;
};

void rtc_init(struct rtc *r, struct timer_queue *q, u64 (*wallclock)(void), struct irq_line irq);
void rtc_reset(struct rtc *r);
/* Fills the memory-size registers that firmware reads: 0x15-0x18, 0x30-0x35, 0x5b-0x5d. */
void rtc_set_memory(struct rtc *r, u64 below_4g, u64 above_4g);
int rtc_attach(struct rtc *r, struct bus *b);

#endif
