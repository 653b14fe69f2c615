/* SPDX-License-Identifier: MIT */
/*
 * 8259A pair (dev/pic.c): ports 20/21, A0/A1 and the ELCR at 4D0/4D1. Intel 8259A data sheet
 * (231468-003); ELCR as in the 82371AB (PIIX4) data sheet. Under the board's lock.
 */
#ifndef PLINTH_DEV_PIC_H
#define PLINTH_DEV_PIC_H

#include "../bus.h"
#include "../irq.h"

struct pic_chip {
	u8 lines; /* levels of the inputs */
	u8 edges; /* the edge sense latches: requests of edge-triggered inputs */
	u8 isr, imr;
	u8 elcr, elcr_mask;
	u8 icw1, icw2, icw3, icw4;
	u8 top;	       /* the input with the highest priority; moved by rotation */
	u8 init_state; /* the ICW expected next (enum in pic.c), 0 = operational */
	bool read_isr, poll, special_mask, rotate_on_aeoi;
};

struct pic {
	struct pic_chip chip[2]; /* 0 = master */
	struct irq_line out;	 /* INTR */
	bool intr;		 /* its level */
};

void pic_init(struct pic *p, struct irq_line out);
/* Power-on: everything masked until it is initialised. Input levels are the devices' and stay. */
void pic_reset(struct pic *p);
/* irq 0-15, the electrical level; 2 is the cascade and ignored. */
void pic_set_line(struct pic *p, unsigned int irq, bool level);
/* Level of INTR. May be asked without the board's lock: a hint then, pic_ack() decides. */
static inline bool pic_pending(const struct pic *p)
{
	return __atomic_load_n(&p->intr, __ATOMIC_RELAXED);
}
/* The INTA cycles: the vector. With no request left it is that of input 7 (spurious). */
u8 pic_ack(struct pic *p);
int pic_attach(struct pic *p, struct bus *b);

#endif
