/* SPDX-License-Identifier: MIT */
/*
 * Local APIC, xAPIC and x2APIC (dev/lapic.c, lapic_timer.c, apic_bus.c): SDM vol. 3 ch. 11, APM
 * vol. 2 ch. 16. Belongs to its vCPU and is touched by that vCPU's CPU only, except the functions
 * marked "any CPU", which are lock-free.
 */
#ifndef PLINTH_DEV_LAPIC_H
#define PLINTH_DEV_LAPIC_H

#include "../msr.h"
#include "../timer.h"
#include "apic_msg.h"

/* Register offsets in the xAPIC page, SDM vol. 3 table 11-1; x2APIC MSR = 800H + offset / 16. */
enum lapic_reg {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_APR = 0x090,
	LAPIC_PPR = 0x0a0,
	LAPIC_EOI = 0x0b0,
	LAPIC_RRD = 0x0c0,
	LAPIC_LDR = 0x0d0,
	LAPIC_DFR = 0x0e0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100,
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HI = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INIT = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0, /* x2APIC only */
	LAPIC_REGS_END = 0x400,
};

/* Version 14H, highest LVT entry 5: six entries, no CMCI, no EOI-broadcast suppression. */
#define LAPIC_VERSION_VALUE 0x00050014U

enum lapic_lvt {
	LVT_TIMER,
	LVT_THERMAL,
	LVT_PERF,
	LVT_LINT0,
	LVT_LINT1,
	LVT_ERROR,
	LVT_ENTRIES,
};

/* Bits of the LVT entries and of the low half of the ICR (SDM vol. 3 figures 11-8, 11-12). */
#define APIC_VECTOR_MASK      0xffU
#define APIC_MODE_SHIFT	      8
#define APIC_MODE_MASK	      (7U << APIC_MODE_SHIFT)
#define APIC_MODE(m)	      ((u32)(m) << APIC_MODE_SHIFT)
#define ICR_LOGICAL	      BIT(11)
#define APIC_DELIVERY_PENDING BIT(12)
#define LVT_ACTIVE_LOW	      BIT(13)
#define ICR_ASSERT	      BIT(14)
#define LVT_REMOTE_IRR	      BIT(14)
#define APIC_LEVEL_TRIGGER    BIT(15)
#define LVT_MASKED	      BIT(16)
#define LVT_TIMER_SHIFT	      17
#define LVT_TIMER_MODE	      (3U << LVT_TIMER_SHIFT)
#define ICR_SHORTHAND_SHIFT   18
#define ICR_SHORTHAND_MASK    (3U << ICR_SHORTHAND_SHIFT)
#define ICR_SHORTHAND(s)      ((u32)(s) << ICR_SHORTHAND_SHIFT)

enum lapic_timer_mode {
	LAPIC_TIMER_ONESHOT = 0,
	LAPIC_TIMER_PERIODIC = 1,
	LAPIC_TIMER_TSC_DEADLINE = 2,
};

#define SVR_ENABLED	BIT(8)
#define SVR_FOCUS	BIT(9)
#define DFR_MODEL_SHIFT 28
#define DFR_FLAT	0xfU
#define DFR_CLUSTER	0x0U

/* The logical id follows from the id: cluster and the bit in it. SDM vol. 3 11.12.10.2. */
#define X2APIC_CLUSTER_SHIFT   4 /* of the id */
#define X2APIC_CLUSTER_MEMBERS 0xfU
#define X2APIC_LDR_SHIFT       16 /* of the cluster in the LDR */

static inline u32 lapic_x2apic_ldr(u32 id)
{
	return (id >> X2APIC_CLUSTER_SHIFT) << X2APIC_LDR_SHIFT | BIT(id & X2APIC_CLUSTER_MEMBERS);
}

/* ESR, SDM vol. 3 11.5.3. */
#define ESR_SEND_ILLEGAL    BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ESR_ILLEGAL_REG	    BIT(7)

/* Vectors below are illegal in the APIC (11.5.2). */
#define LAPIC_FIRST_VECTOR 16U

/*
 * The virtual APIC timer counts at 1 GHz before its divider, halved timer_scale times where the TSC is slower: programs expect a
 * count to take no fewer clocks of the TSC than it is. 1 GHz stays whole in Hz, and nearly in kHz, that often.
 */
#define LAPIC_TIMER_HZ	      1000000000ULL
#define LAPIC_TIMER_SCALE_MAX 8U

struct lapic;

/*
 * What a LAPIC needs from its vCPU and board. eoi_broadcast, extint_pending, guest_tsc, tsc_to_ns
 * and tpr_changed are called on the own CPU; the others on any, perhaps under the board's lock,
 * which they must not take (eoi_broadcast takes it, extint_pending need not). smi, eoi_broadcast and
 * tpr_changed may be NULL. What a LAPIC accepts while its own CPU works on it (timer, self-IPI,
 * error, lower TPR) makes no kick: the run loop asks lapic_pending() before each entry anyway.
 */
struct lapic_ops {
	void (*kick)(void *ctx); /* look for pending interrupts before the next entry */
	void (*nmi)(void *ctx);
	void (*smi)(void *ctx);
	void (*init)(void *ctx);
	void (*sipi)(void *ctx, u8 vector);
	void (*eoi_broadcast)(void *ctx, u8 vector);
	bool (*extint_pending)(void *ctx);	    /* level of the 8259's INTR */
	u64 (*guest_tsc)(void *ctx);		    /* now */
	u64 (*tsc_to_ns)(void *ctx, u64 guest_tsc); /* when the guest's TSC reaches it */
	/* The CR8-visible priority changed (backends mirror it). */
	void (*tpr_changed)(void *ctx);
};

/* Bits of lapic.posted above the one for each word of vectors. */
#define LAPIC_POSTED_LINT0  BIT(8) /* the level on LINT0 wants a look */
#define LAPIC_POSTED_EXTINT BIT(9) /* an I/O APIC sent an ExtINT message */

struct lapic {
	/* Any CPU, atomically. posted: one bit for each word below that may hold something. */
	u32 posted;
	u32 posted_edge[8];
	u32 posted_level[8];
	u8 lint0; /* level of the pin */

	/* The owner; others only read addressing, svr and priority, as racily as hardware does. */
	u8 phys_bits; /* guest MAXPHYADDR, for the reserved bits of IA32_APIC_BASE; 52 unless set */
	bool bsp;
	bool extint_open; /* INTR of the 8259 reaches this CPU: see lapic_pending() */
	bool extint_sent; /* an ExtINT message arrived and INTR was not yet seen low */
	u32 irr_words;	  /* which words of irr[] have a bit */
	u32 isr_words;
	int isr_top; /* highest ISR vector, -1 = none */
	u32 isr[8], tmr[8], irr[8];
	u64 base_msr; /* IA32_APIC_BASE */
	u32 id;	      /* initial APIC id, x2APIC id */
	u32 reg_id;   /* xAPIC ID register's byte, writable */
	u32 ldr, dfr, tpr, svr, esr, esr_pending;
	u32 lvt[LVT_ENTRIES];
	u32 icr_lo, icr_hi;

	/* lapic_timer.c */
	u8 timer_scale; /* one tick before the divider: 1 << timer_scale ns; 0 unless set */
	u32 timer_init, timer_div;
	u32 timer_count;  /* at timer_start; 0 = stopped */
	u64 timer_start;  /* ns when the count was written or reloaded */
	u64 tsc_deadline; /* guest TSC, 0 = disarmed */
	struct timer timer;
	struct timer_queue *queue;

	struct apic_bus *bus;
	const struct lapic_ops *ops;
	void *ctx;
};

/* The caller enters it into the bus. */
void lapic_create(struct lapic *l, u32 id, bool bsp, struct timer_queue *q, struct apic_bus *bus,
		  const struct lapic_ops *ops, void *ctx);
void lapic_reset(struct lapic *l);	/* power-up */
void lapic_init_reset(struct lapic *l); /* INIT: as reset but the base and id stay */

/* True when gpa hits this LAPIC's enabled xAPIC page. */
static inline bool lapic_claims(const struct lapic *l, u64 gpa)
{
	return ((gpa ^ l->base_msr) & APIC_BASE_ADDR) == 0 &&
	       (l->base_msr & (APIC_BASE_EN | APIC_BASE_EXTD)) == APIC_BASE_EN;
}

/*
 * xAPIC page: 4-byte accesses at multiples of 16 are defined; others read 0 / are ignored, as on
 * real parts.
 */
u32 lapic_mmio_read(struct lapic *l, u32 offset, unsigned int size);
void lapic_mmio_write(struct lapic *l, u32 offset, unsigned int size, u32 value);

/* x2APIC MSRs 800-8FF, IA32_APIC_BASE, IA32_TSC_DEADLINE: 0, or -EINVAL for a #GP. */
int lapic_msr_read(struct lapic *l, u32 msr, u64 *value);
int lapic_msr_write(struct lapic *l, u32 msr, u64 value);

/* CR8: bits 7:4 of TPR. Setting it calls tpr_changed only when it differs. */
static inline u8 lapic_get_cr8(const struct lapic *l)
{
	return (u8)(l->tpr >> 4);
}
void lapic_set_cr8(struct lapic *l, u8 cr8);

int lapic_pending_slow(struct lapic *l, bool *masked_by_tpr);

/*
 * The vector that would be delivered now (IRR above PPR; or ExtINT: LAPIC_EXTINT), or -1.
 * *masked_by_tpr tells that one waits only for a lower TPR (then the backend must report TPR
 * writes). Cheap when nothing is pending.
 */
#define LAPIC_EXTINT 256

/* Something of the LAPIC's own may be pending, deliverable or not; the 8259 kicks the vCPU instead. */
static inline bool lapic_has_work(const struct lapic *l)
{
	return (__atomic_load_n(&l->posted, __ATOMIC_ACQUIRE) | l->irr_words) != 0;
}

static inline int lapic_pending(struct lapic *l, bool *masked_by_tpr)
{
	if (likely(!lapic_has_work(l) && !l->extint_open)) {
		*masked_by_tpr = false;
		return -1;
	}
	return lapic_pending_slow(l, masked_by_tpr);
}
/* Takes it: IRR to ISR. Not for LAPIC_EXTINT (the caller asks the PIC). */
void lapic_ack(struct lapic *l, u8 vector);

/* Requests a fixed interrupt. Any CPU. */
void lapic_post(struct lapic *l, u8 vector, bool level);
/* True when a message addresses this LAPIC. Any CPU. */
bool lapic_matches(const struct lapic *l, const struct lapic *src, const struct apic_msg *msg);
/* LINT pins: LINT0 is INTR of the 8259 (level), LINT1 a pulse of NMI. Any CPU, one at a time. */
void lapic_set_lint0(struct lapic *l, bool level);
void lapic_lint1_nmi(struct lapic *l);
/* The guest's TSC jumped (TSC, TSC_ADJUST written): its deadline is elsewhere now. */
void lapic_tsc_changed(struct lapic *l);

/* --- between lapic.c, lapic_timer.c and apic_bus.c -------------------------------------------- */

/* Accepts an interrupt on the own CPU; false when it cannot. */
bool lapic_accept(struct lapic *l, u8 vector, bool level);
/* The local interrupt of the timer or error entry, on the own CPU. */
void lapic_local_interrupt(struct lapic *l, enum lapic_lvt entry);
/* Something for the owner in l->posted; kicks it. Any CPU. */
void lapic_signal(struct lapic *l, u32 what);

/* LINT0 as a level-triggered interrupt, on the own CPU. */
void lapic_look_at_lint0(struct lapic *l);

void lapic_timer_create(struct lapic *l);
void lapic_timer_reset(struct lapic *l);
void lapic_timer_write_lvt(struct lapic *l, u32 value);
void lapic_timer_write_init(struct lapic *l, u32 value);
void lapic_timer_write_divide(struct lapic *l, u32 value);
u32 lapic_timer_read_current(struct lapic *l);
u64 lapic_timer_read_deadline(struct lapic *l);
void lapic_timer_write_deadline(struct lapic *l, u64 value);

#endif
