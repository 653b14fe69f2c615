/* SPDX-License-Identifier: MIT */
/*
 * The LINT pins of the local APIC: SDM vol. 3 11.5.1. LINT0 is the level of the 8259's INTR, LINT1
 * a pulse of NMI; the pins may change on any CPU.
 */
#include "dev/lapic.h"

/* LINT0 as a level-triggered fixed interrupt: in service until its EOI. */
void lapic_look_at_lint0(struct lapic *l)
{
	u32 e = l->lvt[LVT_LINT0];
	bool level = __atomic_load_n(&l->lint0, __ATOMIC_RELAXED);

	if ((e & (LVT_MASKED | LVT_REMOTE_IRR | APIC_MODE_MASK)) || !(e & APIC_LEVEL_TRIGGER) ||
	    level == ((e & LVT_ACTIVE_LOW) != 0))
		return;
	if (lapic_accept(l, (u8)(e & APIC_VECTOR_MASK), true))
		l->lvt[LVT_LINT0] |= LVT_REMOTE_IRR;
}

/* An edge on a LINT pin, any CPU. ExtINT is a level that the owner asks for itself. */
static void pin_edge(struct lapic *l, u32 entry)
{
	switch ((enum apic_delivery)((entry & APIC_MODE_MASK) >> APIC_MODE_SHIFT)) {
	case APIC_FIXED:
		lapic_post(l, (u8)(entry & APIC_VECTOR_MASK), false);
		break;
	case APIC_SMI:
		if (l->ops->smi)
			l->ops->smi(l->ctx);
		break;
	case APIC_NMI:
		l->ops->nmi(l->ctx);
		break;
	case APIC_INIT:
		l->ops->init(l->ctx);
		break;
	case APIC_EXTINT:
		l->ops->kick(l->ctx);
		break;
	default:
		break;
	}
}

void lapic_set_lint0(struct lapic *l, bool level)
{
	u32 entry = __atomic_load_n(&l->lvt[LVT_LINT0], __ATOMIC_RELAXED);
	bool was = __atomic_exchange_n(&l->lint0, (u8)level, __ATOMIC_SEQ_CST);

	if (level == was)
		return;
	if (!(__atomic_load_n(&l->base_msr, __ATOMIC_RELAXED) & APIC_BASE_EN)) {
		if (level)
			l->ops->kick(l->ctx);
		return;
	}
	if ((entry & LVT_MASKED) || level == ((entry & LVT_ACTIVE_LOW) != 0))
		return;
	if ((entry & APIC_LEVEL_TRIGGER) && (entry & APIC_MODE_MASK) == APIC_MODE(APIC_FIXED))
		lapic_signal(l, LAPIC_POSTED_LINT0);
	else
		pin_edge(l, entry);
}

void lapic_lint1_nmi(struct lapic *l)
{
	u32 entry = __atomic_load_n(&l->lvt[LVT_LINT1], __ATOMIC_RELAXED);

	/* Without an APIC the pin is the processor's NMI (11.4.3). */
	if (!(__atomic_load_n(&l->base_msr, __ATOMIC_RELAXED) & APIC_BASE_EN))
		l->ops->nmi(l->ctx);
	else if (!(entry & LVT_MASKED))
		pin_edge(l, entry);
}
