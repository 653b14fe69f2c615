/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: SDM vol. 3 ch. 11 (registers 11.4, LVT 11.5, IPIs 11.6, priorities and EOI 11.8,
 * x2APIC 11.12), APM vol. 2 ch. 16. Version 14H with six LVT entries. The timer is in
 * lapic_timer.c, the LINT pins in lapic_lint.c, the bus in apic_bus.c.
 *
 * Each 256-bit register has a summary of its words, so that its highest bit takes two scans of one
 * word. EOI, self-IPI and a look with nothing pending are the hot paths.
 */
#include "dev/lapic.h"
#include "errors.h"
#include "lib.h"

#define APIC_BASE_RESERVED_LO (UINT64_C(0xfff) & ~(APIC_BASE_BSP | APIC_BASE_EXTD | APIC_BASE_EN))
#define APIC_PHYS_BITS_MAX    52
#define APIC_MODE_BITS	      (APIC_BASE_EN | APIC_BASE_EXTD)

#define VECTOR_WORDS	 8U
#define CLASS_MASK	 0xf0U
#define REG_STRIDE_SHIFT 4
#define MSR_X2APIC_EOI	 (MSR_X2APIC_FIRST + (LAPIC_EOI >> REG_STRIDE_SHIFT))
#define REG_ALIGN	 0xfU
#define REG_SIZE	 4U
#define XAPIC_ID_SHIFT	 24
#define DFR_ONES	 0x0fffffffU
#define DFR_RESET	 0xffffffffU
#define SVR_RESET	 0xffU
#define ICR_HI_SHIFT	 32

/* Vectors 0-15 of the first word of a register. */
#define ILLEGAL_VECTORS 0xffffU

/* --- the register table ----------------------------------------------------------------------- */

enum {
	X_R = 1,  /* xAPIC: defined and readable (what is only written reads 0) */
	X_W = 2,  /* xAPIC: writable */
	X2_R = 4, /* x2APIC: RDMSR */
	X2_W = 8, /* x2APIC: WRMSR */
	RW = X_R | X_W | X2_R | X2_W,
	RO = X_R | X2_R,
};

#define LVT_COMMON (APIC_VECTOR_MASK | LVT_MASKED)
#define LVT_PIN	   (LVT_COMMON | APIC_MODE_MASK | LVT_ACTIVE_LOW | APIC_LEVEL_TRIGGER)
#define LVT_STATUS (APIC_DELIVERY_PENDING | LVT_REMOTE_IRR) /* read-only, no #GP */
#define ICR_BITS                                                                             \
	(APIC_VECTOR_MASK | APIC_MODE_MASK | ICR_LOGICAL | ICR_ASSERT | APIC_LEVEL_TRIGGER | \
	 ICR_SHORTHAND_MASK)

/* SDM vol. 3 tables 11-1 and 11-6; bits: those that a write may set, the others are reserved. */
static const struct reg {
	u8 access;
	u32 bits;
	u32 status; /* read-only bits that a WRMSR may set in vain */
} regs[LAPIC_REGS_END >> REG_STRIDE_SHIFT] = {
#define REG(offset)	[(offset) >> REG_STRIDE_SHIFT]
#define VECTORS(offset) [(offset) >> REG_STRIDE_SHIFT...((offset) >> REG_STRIDE_SHIFT) + 7]
	REG(LAPIC_ID) = { X_R | X_W | X2_R, 0xff000000, 0 },
	REG(LAPIC_VERSION) = { RO, 0, 0 },
	REG(LAPIC_TPR) = { RW, 0xff, 0 },
	REG(LAPIC_APR) = { X_R, 0, 0 },
	REG(LAPIC_PPR) = { RO, 0, 0 },
	REG(LAPIC_EOI) = { X_R | X_W | X2_W, 0, 0 },
	REG(LAPIC_RRD) = { X_R, 0, 0 },
	REG(LAPIC_LDR) = { X_R | X_W | X2_R, 0xff000000, 0 },
	REG(LAPIC_DFR) = { X_R | X_W, 0xf0000000, 0 },
	REG(LAPIC_SVR) = { RW, 0xff | SVR_ENABLED | SVR_FOCUS, 0 },
	VECTORS(LAPIC_ISR) = { RO, 0, 0 },
	VECTORS(LAPIC_TMR) = { RO, 0, 0 },
	VECTORS(LAPIC_IRR) = { RO, 0, 0 },
	REG(LAPIC_ESR) = { RW, 0, 0 },
	REG(LAPIC_ICR) = { RW, ICR_BITS, APIC_DELIVERY_PENDING },
	REG(LAPIC_ICR_HI) = { X_R | X_W, 0xff000000, 0 },
	REG(LAPIC_LVT_TIMER) = { RW, LVT_COMMON | LVT_TIMER_MODE, APIC_DELIVERY_PENDING },
	REG(LAPIC_LVT_THERMAL) = { RW, LVT_COMMON | APIC_MODE_MASK, APIC_DELIVERY_PENDING },
	REG(LAPIC_LVT_PERF) = { RW, LVT_COMMON | APIC_MODE_MASK, APIC_DELIVERY_PENDING },
	REG(LAPIC_LVT_LINT0) = { RW, LVT_PIN, LVT_STATUS },
	REG(LAPIC_LVT_LINT1) = { RW, LVT_PIN, LVT_STATUS },
	REG(LAPIC_LVT_ERROR) = { RW, LVT_COMMON, APIC_DELIVERY_PENDING },
	REG(LAPIC_TIMER_INIT) = { RW, 0xffffffff, 0 },
	REG(LAPIC_TIMER_CURRENT) = { RO, 0, 0 },
	REG(LAPIC_TIMER_DIVIDE) = { RW, 0xb, 0 },
	REG(LAPIC_SELF_IPI) = { X2_W, 0xff, 0 },
};

/* --- vectors ---------------------------------------------------------------------------------- */

static unsigned int high_bit(u32 x)
{
	return 31U - (unsigned int)__builtin_clz(x);
}

static int top_vector(const u32 *reg, u32 words)
{
	unsigned int w;

	if (!words)
		return -1;
	w = high_bit(words);
	return (int)(w * 32 + high_bit(reg[w]));
}

/* SDM vol. 3 11.8.3.1. */
static u32 processor_priority(const struct lapic *l)
{
	u32 service = l->isr_top < 0 ? 0 : (u32)l->isr_top & CLASS_MASK;

	return (l->tpr & CLASS_MASK) >= service ? l->tpr : service;
}

/* Which errors; the interrupt comes once until ESR is written (11.5.3). */
static void error(struct lapic *l, u32 bits)
{
	bool first = l->esr_pending == 0;

	l->esr_pending |= bits;
	if (first)
		lapic_local_interrupt(l, LVT_ERROR);
}

bool lapic_accept(struct lapic *l, u8 vector, bool level)
{
	u32 w = vector / 32, bit = BIT(vector % 32);

	if (unlikely(vector < LAPIC_FIRST_VECTOR)) {
		error(l, ESR_RECEIVE_ILLEGAL);
		return false;
	}
	if (unlikely(!(l->svr & SVR_ENABLED)))
		return false;
	l->irr[w] |= bit;
	l->irr_words |= BIT(w);
	if (unlikely(level))
		l->tmr[w] |= bit;
	else
		l->tmr[w] &= ~bit;
	return true;
}

void lapic_local_interrupt(struct lapic *l, enum lapic_lvt entry)
{
	if (!(l->lvt[entry] & LVT_MASKED))
		lapic_accept(l, (u8)(l->lvt[entry] & APIC_VECTOR_MASK), false);
}

void lapic_signal(struct lapic *l, u32 what)
{
	if (!(__atomic_fetch_or(&l->posted, what, __ATOMIC_SEQ_CST) & what))
		l->ops->kick(l->ctx);
}

void lapic_post(struct lapic *l, u8 vector, bool level)
{
	u32 w = vector / 32, bit = BIT(vector % 32);

	/*
	 * A word's bit in posted that is already there was set by somebody who kicks, and the
	 * owner takes it away before it looks at the word.
	 */
	__atomic_fetch_or(level ? &l->posted_level[w] : &l->posted_edge[w], bit, __ATOMIC_SEQ_CST);
	if (!(__atomic_fetch_or(&l->posted, 1U << w, __ATOMIC_SEQ_CST) & 1U << w))
		l->ops->kick(l->ctx);
}

/* INTR of the 8259 reaches the CPU through LINT0, or directly while there is no APIC (11.4.3). */
static void update_extint(struct lapic *l)
{
	u32 lint0 = l->lvt[LVT_LINT0];
	bool was = l->extint_open;

	l->extint_open =
		!(l->base_msr & APIC_BASE_EN) || l->extint_sent ||
		(!(lint0 & LVT_MASKED) && (lint0 & APIC_MODE_MASK) == APIC_MODE(APIC_EXTINT));
	/* INTR may have been up for long: nobody would look. */
	if (l->extint_open && !was)
		l->ops->kick(l->ctx);
}

static void merge_word(struct lapic *l, unsigned int w)
{
	u32 edge = 0, level = 0;

	if (l->posted_edge[w])
		edge = __atomic_exchange_n(&l->posted_edge[w], 0, __ATOMIC_SEQ_CST);
	if (l->posted_level[w])
		level = __atomic_exchange_n(&l->posted_level[w], 0, __ATOMIC_SEQ_CST);
	/* Switched off since it was sent: nobody is there. */
	if (unlikely(!(l->svr & SVR_ENABLED) || !(l->base_msr & APIC_BASE_EN)))
		return;
	if (unlikely(w == 0 && ((edge | level) & ILLEGAL_VECTORS))) {
		error(l, ESR_RECEIVE_ILLEGAL);
		edge &= ~ILLEGAL_VECTORS;
		level &= ~ILLEGAL_VECTORS;
	}
	if (!(edge | level))
		return;
	l->irr[w] |= edge | level;
	l->tmr[w] = (l->tmr[w] & ~edge) | level;
	l->irr_words |= BIT(w);
}

/* What other CPUs posted goes to IRR and TMR. */
static void merge(struct lapic *l)
{
	u32 what;

	if (!__atomic_load_n(&l->posted, __ATOMIC_RELAXED))
		return;
	what = __atomic_exchange_n(&l->posted, 0, __ATOMIC_SEQ_CST);
	for (u32 words = what & (BIT(VECTOR_WORDS) - 1); words; words &= words - 1)
		merge_word(l, (unsigned int)__builtin_ctz(words));
	if (what & LAPIC_POSTED_LINT0)
		lapic_look_at_lint0(l);
	if ((what & LAPIC_POSTED_EXTINT) && (l->base_msr & APIC_BASE_EN)) {
		l->extint_sent = true;
		update_extint(l);
	}
}

int lapic_pending_slow(struct lapic *l, bool *masked_by_tpr)
{
	int top;
	u32 class;

	*masked_by_tpr = false;
	merge(l);
	if (l->extint_open) {
		if (l->ops->extint_pending(l->ctx))
			return LAPIC_EXTINT;
		if (l->extint_sent) {
			l->extint_sent = false;
			update_extint(l);
		}
	}
	top = top_vector(l->irr, l->irr_words);
	if (top < 0)
		return -1;
	class = (u32)top & CLASS_MASK;
	if (class > (processor_priority(l) & CLASS_MASK))
		return top;
	*masked_by_tpr = l->isr_top < 0 || class > ((u32)l->isr_top & CLASS_MASK);
	return -1;
}

void lapic_ack(struct lapic *l, u8 vector)
{
	u32 w = vector / 32, bit = BIT(vector % 32);

	l->irr[w] &= ~bit;
	if (!l->irr[w])
		l->irr_words &= ~BIT(w);
	l->isr[w] |= bit;
	l->isr_words |= BIT(w);
	if (vector > l->isr_top)
		l->isr_top = vector;
}

/* The end of a level-triggered interrupt goes to the I/O APICs, and to LINT0 (11.8.5). */
static void end_level(struct lapic *l, u8 vector)
{
	u32 lint0 = l->lvt[LVT_LINT0];

	if ((lint0 & LVT_REMOTE_IRR) && (lint0 & APIC_VECTOR_MASK) == vector) {
		l->lvt[LVT_LINT0] = lint0 & ~LVT_REMOTE_IRR;
		lapic_look_at_lint0(l);
	}
	if (l->ops->eoi_broadcast)
		l->ops->eoi_broadcast(l->ctx, vector);
}

static void end_of_interrupt(struct lapic *l)
{
	int vector = l->isr_top;
	u32 w, bit, rest;

	if (unlikely(vector < 0))
		return;
	w = (u32)vector / 32;
	bit = BIT((u32)vector % 32);
	rest = l->isr[w] & ~bit;
	l->isr[w] = rest;
	if (!rest)
		l->isr_words &= ~BIT(w);
	l->isr_top = top_vector(l->isr, l->isr_words);
	if (unlikely(l->tmr[w] & bit))
		end_level(l, (u8)vector);
}

/* --- interrupt commands ----------------------------------------------------------------------- */

static void self_ipi(struct lapic *l, u8 vector)
{
	/* Sent and received by the same APIC: both see what is wrong with it. */
	if (unlikely(vector < LAPIC_FIRST_VECTOR))
		error(l, ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	else
		lapic_accept(l, vector, false);
}

static void send_ipi(struct lapic *l, u32 icr, u32 dest, bool x2apic)
{
	enum apic_delivery mode = (enum apic_delivery)((icr & APIC_MODE_MASK) >> APIC_MODE_SHIFT);
	bool level_trigger = icr & APIC_LEVEL_TRIGGER;
	struct apic_msg msg = {
		.dest = dest,
		.vector = (u8)(icr & APIC_VECTOR_MASK),
		.mode = mode,
		.shorthand =
			(enum apic_shorthand)((icr & ICR_SHORTHAND_MASK) >> ICR_SHORTHAND_SHIFT),
		.logical = icr & ICR_LOGICAL,
		.level = false, /* the xAPIC makes all IPIs edges (table 11-3, note 2) */
		.assert = (icr & ICR_ASSERT) || !level_trigger,
		.x2apic = x2apic,
	};

	switch (mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (msg.vector < LAPIC_FIRST_VECTOR) {
			error(l, ESR_SEND_ILLEGAL);
			return;
		}
		break;
	case APIC_SMI:
	case APIC_NMI:
	case APIC_INIT:
	case APIC_SIPI:
		break;
	default: /* reserved */
		return;
	}
	apic_bus_send(l->bus, l, &msg);
}

static void write_icr(struct lapic *l, u32 icr, u32 dest, bool x2apic)
{
	icr &= ICR_BITS;
	l->icr_lo = icr;
	if (likely((icr & (ICR_SHORTHAND_MASK | APIC_MODE_MASK)) ==
		   (ICR_SHORTHAND(APIC_DEST_SELF) | APIC_MODE(APIC_FIXED))))
		self_ipi(l, (u8)(icr & APIC_VECTOR_MASK));
	else
		send_ipi(l, icr, dest, x2apic);
}

/* --- registers -------------------------------------------------------------------------------- */

static void set_tpr(struct lapic *l, u32 tpr)
{
	bool changed = (l->tpr ^ tpr) & CLASS_MASK;

	l->tpr = tpr;
	if (changed && l->ops->tpr_changed)
		l->ops->tpr_changed(l->ctx);
}

void lapic_set_cr8(struct lapic *l, u8 cr8)
{
	set_tpr(l, (u32)cr8 << 4 & CLASS_MASK);
}

static void write_lvt(struct lapic *l, enum lapic_lvt entry, u32 value)
{
	/* While software-disabled all entries stay masked (11.4.7.2). */
	if (!(l->svr & SVR_ENABLED))
		value |= LVT_MASKED;
	switch (entry) {
	case LVT_TIMER:
		lapic_timer_write_lvt(l, value);
		break;
	case LVT_LINT0:
		if (value & APIC_LEVEL_TRIGGER)
			value |= l->lvt[LVT_LINT0] & LVT_REMOTE_IRR;
		l->lvt[LVT_LINT0] = value;
		update_extint(l);
		lapic_look_at_lint0(l);
		break;
	default:
		l->lvt[entry] = value;
		break;
	}
}

static void write_svr(struct lapic *l, u32 value)
{
	u32 was;

	merge(l); /* what arrived before is held (11.4.7.2) */
	was = l->svr;
	l->svr = value;
	if ((was & ~value) & SVR_ENABLED) {
		for (unsigned int i = 0; i < LVT_ENTRIES; i++)
			write_lvt(l, (enum lapic_lvt)i, l->lvt[i] & ~LVT_REMOTE_IRR);
	}
}

/* Both modes' registers; offset is one of the table's, value has only its writable bits. */
static void write_reg(struct lapic *l, u32 offset, u32 value)
{
	switch (offset) {
	case LAPIC_ID:
		l->reg_id = value >> XAPIC_ID_SHIFT;
		break;
	case LAPIC_TPR:
		set_tpr(l, value);
		break;
	case LAPIC_EOI:
		end_of_interrupt(l);
		break;
	case LAPIC_LDR:
		l->ldr = value;
		break;
	case LAPIC_DFR:
		l->dfr = value | DFR_ONES;
		break;
	case LAPIC_SVR:
		write_svr(l, value);
		break;
	case LAPIC_ESR:
		merge(l);
		l->esr = l->esr_pending;
		l->esr_pending = 0;
		break;
	case LAPIC_ICR_HI:
		l->icr_hi = value;
		break;
	case LAPIC_LVT_TIMER:
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
	case LAPIC_LVT_ERROR:
		write_lvt(l, (enum lapic_lvt)((offset - LAPIC_LVT_TIMER) >> REG_STRIDE_SHIFT),
			  value);
		break;
	case LAPIC_TIMER_INIT:
		lapic_timer_write_init(l, value);
		break;
	case LAPIC_TIMER_DIVIDE:
		lapic_timer_write_divide(l, value);
		break;
	}
}

static u32 read_vectors(const u32 *reg, u32 offset, u32 first)
{
	return reg[(offset - first) >> REG_STRIDE_SHIFT];
}

/* offset is one of the table's that may be read. */
static u32 read_reg(struct lapic *l, u32 offset, bool x2apic)
{
	switch (offset) {
	case LAPIC_ID:
		return x2apic ? l->id : l->reg_id << XAPIC_ID_SHIFT;
	case LAPIC_VERSION:
		return LAPIC_VERSION_VALUE;
	case LAPIC_TPR:
		return l->tpr;
	case LAPIC_PPR:
		return processor_priority(l);
	case LAPIC_LDR:
		return x2apic ? lapic_x2apic_ldr(l->id) : l->ldr;
	case LAPIC_DFR:
		return l->dfr;
	case LAPIC_SVR:
		return l->svr;
	case LAPIC_ESR:
		return l->esr;
	case LAPIC_ICR:
		return l->icr_lo;
	case LAPIC_ICR_HI:
		return l->icr_hi;
	case LAPIC_TIMER_INIT:
		return l->timer_init;
	case LAPIC_TIMER_CURRENT:
		return lapic_timer_read_current(l);
	case LAPIC_TIMER_DIVIDE:
		return l->timer_div;
	}
	if (offset >= LAPIC_ISR && offset < LAPIC_TMR)
		return read_vectors(l->isr, offset, LAPIC_ISR);
	if (offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR)
		return l->lvt[(offset - LAPIC_LVT_TIMER) >> REG_STRIDE_SHIFT];
	if (offset >= LAPIC_TMR && offset < LAPIC_ESR) {
		merge(l);
		return offset < LAPIC_IRR ? read_vectors(l->tmr, offset, LAPIC_TMR)
					  : read_vectors(l->irr, offset, LAPIC_IRR);
	}
	return 0; /* EOI, and APR and RRD, which later processors do not have */
}

/* A defined xAPIC register or NULL, which is an error for ESR bit 7. */
static const struct reg *xapic_reg(struct lapic *l, u32 offset)
{
	const struct reg *r;

	if (offset < LAPIC_REGS_END) {
		r = &regs[offset >> REG_STRIDE_SHIFT];
		if (r->access & X_R)
			return r;
	}
	error(l, ESR_ILLEGAL_REG);
	return NULL;
}

u32 lapic_mmio_read(struct lapic *l, u32 offset, unsigned int size)
{
	if (size != REG_SIZE || (offset & REG_ALIGN) || !xapic_reg(l, offset))
		return 0;
	return read_reg(l, offset, false);
}

void lapic_mmio_write(struct lapic *l, u32 offset, unsigned int size, u32 value)
{
	const struct reg *r;

	if (unlikely(size != REG_SIZE || (offset & REG_ALIGN)))
		return;
	if (likely(offset == LAPIC_EOI)) {
		end_of_interrupt(l);
		return;
	}
	if (offset == LAPIC_ICR) {
		write_icr(l, value, l->icr_hi >> XAPIC_ID_SHIFT, false);
		return;
	}
	r = xapic_reg(l, offset);
	if (r && (r->access & X_W))
		write_reg(l, offset, value & r->bits);
}

/* --- MSRs ------------------------------------------------------------------------------------- */

static bool x2apic_mode(const struct lapic *l)
{
	return (l->base_msr & APIC_MODE_BITS) == APIC_MODE_BITS;
}

/* The transitions of SDM vol. 3 figure 11-27. */
static int write_base(struct lapic *l, u64 value)
{
	u64 reserved = APIC_BASE_RESERVED_LO | ~((UINT64_C(1) << l->phys_bits) - 1);
	u64 from = l->base_msr & APIC_MODE_BITS, to = value & APIC_MODE_BITS;

	if (value & reserved)
		return -EINVAL;
	if (to == APIC_BASE_EXTD)
		return -EINVAL;
	if (from == APIC_MODE_BITS && to == APIC_BASE_EN)
		return -EINVAL;
	if (from == 0 && to == APIC_MODE_BITS)
		return -EINVAL;
	merge(l);
	l->base_msr = value;
	if (from != to) {
		if (to == 0) {
			/* All state is lost, and the id is the initial one again. */
			l->reg_id = l->id & APIC_VECTOR_MASK;
			lapic_init_reset(l);
		} else if (to == APIC_MODE_BITS) {
			l->icr_hi = 0;
			l->reg_id = l->id & APIC_VECTOR_MASK;
		}
		update_extint(l);
	}
	return 0;
}

int lapic_msr_read(struct lapic *l, u32 msr, u64 *value)
{
	u32 index = msr - MSR_X2APIC_FIRST, offset = index << REG_STRIDE_SHIFT;

	if (msr == MSR_TSC_DEADLINE) {
		*value = lapic_timer_read_deadline(l);
		return 0;
	}
	if (msr == MSR_APIC_BASE) {
		*value = l->base_msr;
		return 0;
	}
	if (!x2apic_mode(l) || index >= ARRAY_SIZE(regs) || !(regs[index].access & X2_R))
		return -EINVAL;
	*value = read_reg(l, offset, true);
	if (offset == LAPIC_ICR)
		*value |= (u64)l->icr_hi << ICR_HI_SHIFT;
	return 0;
}

int lapic_msr_write(struct lapic *l, u32 msr, u64 value)
{
	u32 index = msr - MSR_X2APIC_FIRST, offset = index << REG_STRIDE_SHIFT;
	const struct reg *r;
	u64 allowed;

	if (msr == MSR_X2APIC_EOI) {
		if (!x2apic_mode(l) || value)
			return -EINVAL;
		end_of_interrupt(l);
		return 0;
	}
	if (msr == MSR_TSC_DEADLINE) {
		lapic_timer_write_deadline(l, value);
		return 0;
	}
	if (msr == MSR_APIC_BASE)
		return write_base(l, value);
	if (!x2apic_mode(l) || index >= ARRAY_SIZE(regs))
		return -EINVAL;
	r = &regs[index];
	allowed = (u64)r->bits | r->status;
	if (offset == LAPIC_ICR)
		allowed |= UINT64_C(0xffffffff) << ICR_HI_SHIFT;
	if (!(r->access & X2_W) || (value & ~allowed))
		return -EINVAL;
	switch (offset) {
	case LAPIC_ICR:
		l->icr_hi = (u32)(value >> ICR_HI_SHIFT);
		write_icr(l, (u32)value, l->icr_hi, true);
		break;
	case LAPIC_SELF_IPI:
		self_ipi(l, (u8)value);
		break;
	default:
		write_reg(l, offset, (u32)value & r->bits);
		break;
	}
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

/* SDM vol. 3 11.4.7.1 and 11.4.7.3. */
void lapic_init_reset(struct lapic *l)
{
	lapic_timer_reset(l);
	__atomic_store_n(&l->posted, 0, __ATOMIC_SEQ_CST);
	for (unsigned int w = 0; w < VECTOR_WORDS; w++) {
		__atomic_store_n(&l->posted_edge[w], 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&l->posted_level[w], 0, __ATOMIC_SEQ_CST);
		l->irr[w] = 0;
		l->isr[w] = 0;
		l->tmr[w] = 0;
	}
	l->irr_words = 0;
	l->isr_words = 0;
	l->isr_top = -1;
	l->ldr = 0;
	l->dfr = DFR_RESET;
	l->svr = SVR_RESET;
	l->esr = 0;
	l->esr_pending = 0;
	l->icr_lo = 0;
	l->icr_hi = 0;
	for (unsigned int i = 0; i < LVT_ENTRIES; i++)
		l->lvt[i] = LVT_MASKED;
	l->extint_sent = false;
	update_extint(l);
	set_tpr(l, 0);
}

void lapic_reset(struct lapic *l)
{
	l->base_msr = APIC_BASE_DEFAULT | APIC_BASE_EN | (l->bsp ? APIC_BASE_BSP : 0);
	l->reg_id = l->id & APIC_VECTOR_MASK;
	lapic_init_reset(l);
}

void lapic_create(struct lapic *l, u32 id, bool bsp, struct timer_queue *q, struct apic_bus *bus,
		  const struct lapic_ops *ops, void *ctx)
{
	memset(l, 0, sizeof(*l));
	l->id = id;
	l->bsp = bsp;
	l->phys_bits = APIC_PHYS_BITS_MAX;
	l->queue = q;
	l->bus = bus;
	l->ops = ops;
	l->ctx = ctx;
	lapic_timer_create(l);
	lapic_reset(l);
}
