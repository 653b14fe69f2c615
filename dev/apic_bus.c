/* SPDX-License-Identifier: MIT */
/*
 * The APIC bus: which LAPICs a message names and how it reaches them. SDM vol. 3 11.6.2
 * (destination formats), 11.6.1 (delivery modes), 11.12.9 and 11.12.10 (x2APIC). Of another CPU's
 * LAPIC only its addressing, SVR and priority are read, at a moment of nobody's choice, as with hardware.
 */
#include "dev/lapic.h"

#define XAPIC_BROADCAST	   0xffU
#define X2APIC_BROADCAST   0xffffffffU
#define XAPIC_ID_SHIFT	   24
#define CLUSTER_SHIFT	   4
#define CLUSTER_MEMBERS	   0xfU
#define X2_CLUSTER_MEMBERS 0xffffU
#define CLASS_MASK	   0xf0U

#define RACY(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static bool matches_logical(const struct lapic *l, u64 base, u32 dest)
{
	u32 ldr, model;

	if (base & APIC_BASE_EXTD) {
		ldr = lapic_x2apic_ldr(l->id);
		return ((dest ^ ldr) >> X2APIC_LDR_SHIFT) == 0 &&
		       (dest & ldr & X2_CLUSTER_MEMBERS) != 0;
	}
	if (dest > XAPIC_BROADCAST)
		return false;
	ldr = RACY(l->ldr) >> XAPIC_ID_SHIFT;
	model = RACY(l->dfr) >> DFR_MODEL_SHIFT;
	if (model == DFR_FLAT)
		return (dest & ldr) != 0;
	if (model == DFR_CLUSTER)
		return ((dest ^ ldr) >> CLUSTER_SHIFT) == 0 && (dest & ldr & CLUSTER_MEMBERS) != 0;
	return false;
}

bool lapic_matches(const struct lapic *l, const struct lapic *src, const struct apic_msg *msg)
{
	u64 base = RACY(l->base_msr);

	if (!(base & APIC_BASE_EN))
		return false;
	switch (msg->shorthand) {
	case APIC_DEST_SELF:
		return l == src;
	case APIC_DEST_ALL:
		return true;
	case APIC_DEST_OTHERS:
		return l != src;
	case APIC_DEST_FIELD:
		break;
	}
	if (msg->dest == (msg->x2apic ? X2APIC_BROADCAST : XAPIC_BROADCAST))
		return true;
	if (msg->logical)
		return matches_logical(l, base, msg->dest);
	return msg->dest == (base & APIC_BASE_EXTD ? l->id : RACY(l->reg_id));
}

static bool software_enabled(const struct lapic *l)
{
	return RACY(l->svr) & SVR_ENABLED;
}

static bool deliver(struct lapic *l, const struct lapic *src, const struct apic_msg *msg)
{
	switch (msg->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (!software_enabled(l))
			return false;
		if (l == src)
			return lapic_accept(l, msg->vector, msg->level);
		lapic_post(l, msg->vector, msg->level);
		return msg->vector >= LAPIC_FIRST_VECTOR;
	case APIC_SMI:
		if (l->ops->smi)
			l->ops->smi(l->ctx);
		return true;
	case APIC_NMI:
		l->ops->nmi(l->ctx);
		return true;
	case APIC_INIT:
		l->ops->init(l->ctx);
		return true;
	case APIC_SIPI:
		l->ops->sipi(l->ctx, msg->vector);
		return true;
	case APIC_EXTINT:
		if (!software_enabled(l))
			return false;
		lapic_signal(l, LAPIC_POSTED_EXTINT);
		return true;
	}
	return false;
}

/* The class that arbitration compares: of the task or of what is in service. */
static u32 priority(const struct lapic *l)
{
	u32 task = RACY(l->tpr) & CLASS_MASK;
	int top = RACY(l->isr_top);
	u32 service = top < 0 ? 0 : (u32)top & CLASS_MASK;

	return task > service ? task : service;
}

/* Lowest priority: the one with the least urgent work, the first of the bus among equals. */
static bool send_lowest(struct apic_bus *bus, struct lapic *src, const struct apic_msg *msg)
{
	struct lapic *best = NULL;
	u32 best_priority = 0;

	for (unsigned int i = 0; i < bus->n; i++) {
		struct lapic *l = bus->lapic[i];
		u32 p;

		if (!lapic_matches(l, src, msg) || !software_enabled(l))
			continue;
		p = priority(l);
		if (!best || p < best_priority) {
			best = l;
			best_priority = p;
		}
	}
	return best && deliver(best, src, msg);
}

bool apic_bus_send(struct apic_bus *bus, struct lapic *src, const struct apic_msg *msg)
{
	bool accepted = false;

	/* INIT level de-assert only set arbitration ids on the APIC bus of old (11.6.1). */
	if (msg->mode == APIC_INIT && !msg->assert)
		return true;
	if (msg->mode == APIC_LOWEST)
		return send_lowest(bus, src, msg);
	for (unsigned int i = 0; i < bus->n; i++)
		if (lapic_matches(bus->lapic[i], src, msg))
			accepted |= deliver(bus->lapic[i], src, msg);
	return accepted;
}
