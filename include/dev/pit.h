/* SPDX-License-Identifier: MIT */
/*
 * 8254 programmable interval timer (dev/pit.c), ports 40-43, and port 61 (NMI status and control,
 * speaker gate). Intel 8254 data sheet (231164-005). Under the board's lock.
 */
#ifndef PLINTH_DEV_PIT_H
#define PLINTH_DEV_PIT_H

#include "../bus.h"
#include "../irq.h"
#include "../timer.h"

#define PIT_HZ	  1193182ULL
#define PIT_NEVER UINT64_MAX

/* Times are CLK pulses since the clock started: exact, and one rounding away from ns. */
struct pit_channel {
	u8 control; /* access, mode and BCD bits as written */
	u8 mode;    /* 0-5 */
	bool bcd, gate;
	bool written;	 /* a count was written since the control word: triggers load it */
	bool loaded;	 /* CE counts, from `count` at `start` */
	bool null_count; /* CR not yet in CE */
	bool write_high, read_high; /* second byte comes next */
	bool count_latched, status_latched;
	u8 write_low;
	u8 status;
	u16 latch;
	u16 held;    /* what CE shows while it does not count */
	u32 reload;  /* CR, 1-65536 */
	u32 count;   /* what CE was loaded with */
	u64 load_at; /* CR goes to CE then; PIT_NEVER: waits for a trigger or has gone */
	u64 start;   /* when CE held `count` */
	u64 elapsed; /* pulses since start while the gate is low */
};

struct pit {
	struct pit_channel ch[3];
	u8 port61;
	struct timer timer; /* channel 0 */
	struct timer_queue *queue;
	struct irq_line out0;
	u64 edge;	   /* next rising edge of OUT0, PIT_NEVER: none */
	unsigned int owed; /* edges of OUT0 that are due */
	bool out0_level;
};

void pit_init(struct pit *p, struct timer_queue *q, struct irq_line out0);
void pit_reset(struct pit *p);
int pit_attach(struct pit *p, struct bus *b);

#endif
