/* SPDX-License-Identifier: MIT */
/*
 * Decoded instructions of 64-bit mode, found again by RIP and checked against guest memory. A
 * guest exits at few places: its EOI, its timer, its console. SDM vol. 3 rev. 083 4.10 allows a
 * processor to remember translations longer than this does, since here each table entry is read
 * anew.
 */
#include "emulate_priv.h"
#include "guest_mem_priv.h"
#include "vm.h"

#define CR3_TABLE  0x000ffffffffff000ULL
#define ROOT_SHIFT 39 /* of 4 levels */
#define ROOT_MASK  511U

/* Neighbouring instructions, and the same offset in two pages, get different slots. */
static inline struct cached_insn *slot_of(struct vcpu *v)
{
	u64 hash = v->rip ^ v->rip >> 12;

	return &v->insns.slot[(hash ^ hash >> 5) & (INSN_CACHE_ENTRIES - 1)];
}

static inline bool same_bytes(const struct cached_insn *c)
{
	u64 now[2], then[2];

	/* 15 bytes as two overlapping words */
	__builtin_memcpy(&now[0], c->host, 8);
	__builtin_memcpy(&now[1], c->host + INSN_MAX - 8, 8);
	__builtin_memcpy(&then[0], c->bytes, 8);
	__builtin_memcpy(&then[1], c->bytes + INSN_MAX - 8, 8);
	return now[0] == then[0] && now[1] == then[1];
}

/* In another address space the root table is another one, but its entry may be the same. */
static const u64 *root_entry(struct vcpu *v)
{
	const struct gp_extent *hint = NULL;
	gpa_t where = (v->cr3 & CR3_TABLE) + (v->rip >> ROOT_SHIFT & ROOT_MASK) * sizeof(u64);

	return guest_ram(&v->vm->gpmap, where, GP_READ, &hint);
}

/* Decodes at RIP into c. NULL: let the general path tell why not. */
static const struct insn *fill(struct vcpu *v, struct cached_insn *c)
{
	u64 offset = v->rip & (PAGE_SIZE - 1);
	struct fetch_trace t;

	c->efer = 0;
	if (vcpu_code_size(v) != 8 || offset > PAGE_SIZE - INSN_MAX ||
	    !guest_fetch_walk(v, v->rip, vcpu_cpl(v) == 3, &t))
		return NULL;
	c->host = t.host + offset;
	__builtin_memcpy(c->bytes, c->host, INSN_MAX);
	if (insn_decode(&c->insn, c->bytes, INSN_MAX, 8))
		return NULL;
	for (unsigned int i = 0; i < INSN_CACHE_LEVELS; i++) {
		c->where[i] = i < t.n ? t.where[i] : &c->entry[i];
		c->entry[i] = t.entry[i];
	}
	c->rip = v->rip;
	c->cr3 = v->cr3;
	c->efer = v->efer;
	return &c->insn;
}

/*
 * Whether the fetch was allowed, the processor has decided before it exited: privilege and the bits of CR4 and EFER that forbid a
 * fetch need no look. Of the mode it counts that it is 64-bit mode, with tables of four levels: five are not offered.
 */
const struct insn *insn_cache_get(struct vcpu *v)
{
	struct cached_insn *c;
	const u64 *root;

	vcpu_need(v, REG_RIP | REG_CODE | REG_CR3 | REG_EFER);
	c = slot_of(v);
	if (unlikely(c->rip != v->rip || c->efer != v->efer || !(v->seg[SEG_CS].attr & SEG_L)))
		return fill(v, c);
	root = c->where[0];
	if (unlikely(c->cr3 != v->cr3)) {
		root = root_entry(v);
		if (!root)
			return fill(v, c);
	}
	if (unlikely(*root != c->entry[0] || *c->where[1] != c->entry[1] ||
		     *c->where[2] != c->entry[2] || *c->where[3] != c->entry[3] || !same_bytes(c)))
		return fill(v, c);
	return &c->insn;
}
