/* SPDX-License-Identifier: MIT */
/*
 * MC146818A real-time clock with CMOS RAM (dev/rtc.c), ports 70/71. Motorola MC146818A data sheet;
 * 0x32 is the century (and FADT says so). Under the board's lock.
 */
#ifndef PLINTH_DEV_RTC_H
#define PLINTH_DEV_RTC_H

#include "../bus.h"
#include "../irq.h"
#include "../timer.h"

#define RTC_RAM 128

struct rtc {
	u8 ram[RTC_RAM];	/* the time's bytes are in use only while it stands still */
	u8 index;		/* port 70: bit 7 masks NMI */
	u64 (*wallclock)(void); /* ns since 1970 */
	u64 sample_wall;	/* the wall clock when it was last asked, and when that was */
	u64 sample_now;
	s64 sample_error; /* by which it was ahead of ours then */
	bool sampled;
	/* Guest clock minus wall clock; the fraction is 0 to 1 s. */
	s64 offset_s;
	u64 offset_ns;
	u8 weekday_offset;  /* the guest's day of the week minus the calendar's */
	s64 flags_upto;	    /* second of the guest's clock that update and alarm flags know */
	u64 periodic_upto;  /* periodic flag: up to this period */
	u64 periodic_start; /* ns at which the divider was started */
	struct timer periodic, update;
	struct timer_queue *queue;
	struct irq_line irq;
};

static inline bool rtc_nmi_masked(const struct rtc *r)
{
	return r->index & 0x80;
}

void rtc_init(struct rtc *r, struct timer_queue *q, u64 (*wallclock)(void), struct irq_line irq);
void rtc_reset(struct rtc *r);
/* Fills the memory-size registers that firmware reads: 0x15-0x18, 0x30-0x35, 0x5b-0x5d. */
void rtc_set_memory(struct rtc *r, u64 below_4g, u64 above_4g);
int rtc_attach(struct rtc *r, struct bus *b);

#endif
