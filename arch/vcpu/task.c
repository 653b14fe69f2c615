/* SPDX-License-Identifier: MIT */
/*
 * Task switches that the processor hands over: VT-x does so with each one, once it has made its own checks of the gate
 * and the new TSS's descriptor (SDM vol. 3 rev. 083, 26.4.2). Steps and exceptions: ch. 8, 6.13, and the task-switch
 * parts of JMP, CALL, IRET and INT in vol. 2.
 *
 * All that can fault in the old task is tried first; then the switch is committed, and what is wrong with the new task's
 * segments faults there.
 */
#include "task.h"
#include "emulate.h"
#include "errors.h"
#include "event.h"
#include "guest_mem.h"
#include "policy.h"
#include "virt.h"
#include "vm.h"

/* 8.2.1, figure 8-2. Segments are in the order of their encoding, general registers too. */
struct tss32 {
	u16 link, reserved_link;
	u32 stack[6];
	u32 cr3, eip, eflags;
	u32 gpr[8];
	struct {
		u16 selector, reserved;
	} seg[6];
	u16 ldt, reserved_ldt;
	u16 trap, io_map;
};
_Static_assert(sizeof(struct tss32) == 104, "SDM vol. 3 figure 8-2");
_Static_assert(offsetof(struct tss32, eip) == 32 && offsetof(struct tss32, ldt) == 96,
	       "SDM vol. 3 figure 8-2");

/* 8.6, figure 8-10. */
struct tss16 {
	u16 link;
	u16 stack[6];
	u16 ip, flags;
	u16 gpr[8];
	u16 seg[4];
	u16 ldt;
};
_Static_assert(sizeof(struct tss16) == 44, "SDM vol. 3 figure 8-10");
_Static_assert(offsetof(struct tss16, ip) == 14 && offsetof(struct tss16, ldt) == 42,
	       "SDM vol. 3 figure 8-10");

#define TSS_TRAP BIT(0)

#define LEGACY_GPRS 8U
#define TSS16_SEGS  4U
/* What 16-bit TSSs leave in the upper halves of the general registers; the manuals do not say. */
#define GPR_UPPER   0xffff0000U

/* Every LE and Ln of DR7: 8.3. */
#define DR7_LOCAL 0x155ULL

#define TSS_TYPE_MASK (SEG_S | SEG_TYPE_MASK)
#define TSS_BUSY_BIT  BIT(1)
#define TSS_WIDE_BIT  BIT(3)

/* The registers that both kinds of TSS hold. */
struct task_state {
	u32 eip, eflags;
	u32 gpr[LEGACY_GPRS];
	u16 seg[SEG_GS + 1];
	u16 ldt;
	bool trap;
};

/* --- faults -------------------------------------------------------------------------------------- */

int task_fault(const struct task *t, u8 vector, u16 selector)
{
	vcpu_inject_exception(t->v, vector, true, (selector & ~3U) | t->ext);
	return -EFAULT;
}

int task_memory_fault(const struct task *t, const struct fault *f)
{
	if (f->vector == VEC_PF)
		vcpu_inject_pf(t->v, f->address, f->error);
	else
		vcpu_inject_exception(t->v, f->vector, f->has_error, f->error);
	return -EFAULT;
}

/* --- memory: the processor's own accesses are a supervisor's ---------------------------------------- */

static int read_system(const struct task *t, gva_t gva, void *dst, unsigned int len)
{
	struct fault f;

	return guest_read_linear(t->v, gva, dst, len, ACCESS_IMPLICIT, &f)
		       ? task_memory_fault(t, &f)
		       : 0;
}

static int write_system(const struct task *t, gva_t gva, const void *src, unsigned int len)
{
	struct fault f;

	return guest_write_linear(t->v, gva, src, len, ACCESS_IMPLICIT, &f)
		       ? task_memory_fault(t, &f)
		       : 0;
}

/* Is all of it there, and writable where that is asked? */
static int probe_system(const struct task *t, gva_t gva, unsigned int len, unsigned int access)
{
	struct fault f;
	gpa_t gpa;

	if (guest_translate(t->v, gva, access | ACCESS_IMPLICIT, &gpa, &f) ||
	    guest_translate(t->v, gva + len - 1, access | ACCESS_IMPLICIT, &gpa, &f))
		return task_memory_fault(t, &f);
	return 0;
}

/* --- descriptors --------------------------------------------------------------------------------- */

int task_descriptor(const struct task *t, u16 selector, u8 vector, struct task_descriptor *d)
{
	struct vcpu *v = t->v;
	u32 offset = selector & ~(u32)SELECTOR_LOW;
	u64 base, raw;
	u32 limit;

	vcpu_need(v, REG_TABLES);
	base = v->gdtr.base;
	limit = v->gdtr.limit;
	if (selector & SELECTOR_TI) {
		const struct segment *ldt = vcpu_seg(v, SEG_LDTR);

		if (!(ldt->attr & SEG_P))
			return task_fault(t, vector, selector);
		base = ldt->base;
		limit = ldt->limit;
	}
	if (offset + sizeof(raw) - 1 > limit)
		return task_fault(t, vector, selector);
	d->where = (u32)(base + offset);
	if (read_system(t, d->where, &raw, sizeof(raw)))
		return -EFAULT;
	d->seg = (struct segment){
		.selector = selector,
		.attr = (u16)(raw >> 40 & SEG_ATTR_MASK),
		.limit = (u32)((raw & 0xffff) | (raw >> 32 & 0xf0000)),
		.base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000),
	};
	if (d->seg.attr & SEG_G)
		d->seg.limit = d->seg.limit << PAGE_SHIFT | (PAGE_SIZE - 1);
	return 0;
}

/* Byte 5 of a descriptor has its type. */
#define DESCRIPTOR_TYPE 5U

int task_descriptor_mark(const struct task *t, struct task_descriptor *d, u8 bit, bool on)
{
	u8 type;

	if (read_system(t, d->where + DESCRIPTOR_TYPE, &type, sizeof(type)))
		return -EFAULT;
	type = on ? type | bit : type & (u8)~bit;
	d->seg.attr = on ? d->seg.attr | bit : d->seg.attr & (u16)~bit;
	return write_system(t, d->where + DESCRIPTOR_TYPE, &type, sizeof(type));
}

static bool is_wide(const struct segment *tss)
{
	return (tss->attr & TSS_WIDE_BIT) != 0;
}

/* An IRET goes where the current TSS's back link says. */
static int find_link(struct task *t)
{
	const struct segment *tss = vcpu_seg(t->v, SEG_TR);

	if (t->source != TASK_IRET)
		return 0;
	if (tss->limit < sizeof(t->selector) - 1)
		return task_fault(t, VEC_TS, tss->selector);
	return read_system(t, tss->base, &t->selector, sizeof(t->selector));
}

/* 8.3 steps 2 to 4, table 8-1. The processor has done the same, but memory may have changed since. */
static int check_new_tss(struct task *t)
{
	bool iret = t->source == TASK_IRET;
	u8 vector = iret ? VEC_TS : VEC_GP;
	unsigned int type;

	if ((t->selector & SELECTOR_TI) || !(t->selector & ~SELECTOR_LOW))
		return task_fault(t, vector, t->selector);
	if (task_descriptor(t, t->selector, vector, &t->tss))
		return -EFAULT;
	type = t->tss.seg.attr & TSS_TYPE_MASK & ~TSS_WIDE_BIT;
	if (type != (iret ? SEG_TYPE_TSS16_BUSY : SEG_TYPE_TSS16_BUSY & ~TSS_BUSY_BIT))
		return task_fault(t, vector, t->selector);
	if (!(t->tss.seg.attr & SEG_P))
		return task_fault(t, VEC_NP, t->selector);
	t->wide = is_wide(&t->tss.seg);
	if (t->tss.seg.limit < (t->wide ? sizeof(struct tss32) : sizeof(struct tss16)) - 1)
		return task_fault(t, VEC_TS, t->selector);
	return 0;
}

/* Step 5: what will be accessed before the new task's segments are loaded. */
static int check_memory(const struct task *t, const struct segment *old)
{
	unsigned int old_size = is_wide(old) ? sizeof(struct tss32) : sizeof(struct tss16);
	unsigned int new_size = t->wide ? sizeof(struct tss32) : sizeof(struct tss16);
	bool nested = t->source == TASK_CALL || t->source == TASK_GATE;

	if (old->limit < old_size - 1)
		return task_fault(t, VEC_TS, t->selector);
	if (probe_system(t, old->base, old_size, ACCESS_WRITE) ||
	    probe_system(t, t->tss.seg.base, new_size, ACCESS_READ))
		return -EFAULT;
	if (nested && probe_system(t, t->tss.seg.base, sizeof(u16), ACCESS_WRITE))
		return -EFAULT;
	if (t->source != TASK_IRET &&
	    probe_system(t, t->tss.where, DESCRIPTOR_TYPE + 1, ACCESS_WRITE))
		return -EFAULT;
	if (!nested && probe_system(t, t->old.where, DESCRIPTOR_TYPE + 1, ACCESS_WRITE))
		return -EFAULT;
	return 0;
}

/* A CR3 that MOV would refuse: 4.4.1. Found before the commit, so that the old task takes the fault. */
static int check_cr3(const struct task *t, u32 *cr3)
{
	struct vcpu *v = t->v;
	u64 pdpte[4];

	if (!t->wide || !(vcpu_cr0(v) & CR0_PG)) {
		*cr3 = (u32)vcpu_cr3(v);
		return 0;
	}
	if (read_system(t, t->tss.seg.base + offsetof(struct tss32, cr3), cr3, sizeof(*cr3)))
		return -EFAULT;
	if (*cr3 != vcpu_cr3(v) && (vcpu_cr4(v) & CR4_PAE) && pae_pdptes_read(v, *cr3, pdpte))
		return task_fault(t, VEC_GP, 0);
	return 0;
}

/* --- the two TSSs -------------------------------------------------------------------------------- */

static int save32(const struct task *t, gva_t base, u32 eip, u32 eflags)
{
	struct vcpu *v = t->v;
	struct tss32 tss;
	const unsigned int from = offsetof(struct tss32, eip), to = offsetof(struct tss32, ldt);

	if (read_system(t, base + from, &tss.eip, to - from))
		return -EFAULT;
	tss.eip = eip;
	tss.eflags = eflags;
	for (unsigned int i = 0; i < LEGACY_GPRS; i++)
		tss.gpr[i] = (u32)vcpu_gpr(v, i);
	for (unsigned int i = 0; i <= SEG_GS; i++)
		tss.seg[i].selector = vcpu_seg(v, i)->selector;
	return write_system(t, base + from, &tss.eip, to - from);
}

static int save16(const struct task *t, gva_t base, u32 eip, u32 eflags)
{
	struct vcpu *v = t->v;
	struct tss16 tss;
	const unsigned int from = offsetof(struct tss16, ip), to = offsetof(struct tss16, ldt);

	tss.ip = (u16)eip;
	tss.flags = (u16)eflags;
	for (unsigned int i = 0; i < LEGACY_GPRS; i++)
		tss.gpr[i] = (u16)vcpu_gpr(v, i);
	for (unsigned int i = 0; i < TSS16_SEGS; i++)
		tss.seg[i] = vcpu_seg(v, i)->selector;
	return write_system(t, base + from, &tss.ip, to - from);
}

static int read_state32(const struct task *t, struct task_state *s)
{
	struct tss32 tss;

	if (read_system(t, t->tss.seg.base, &tss, sizeof(tss)))
		return -EFAULT;
	*s = (struct task_state){
		.eip = tss.eip,
		.eflags = tss.eflags,
		.ldt = tss.ldt,
		.trap = tss.trap & TSS_TRAP,
	};
	for (unsigned int i = 0; i < LEGACY_GPRS; i++)
		s->gpr[i] = tss.gpr[i];
	for (unsigned int i = 0; i <= SEG_GS; i++)
		s->seg[i] = tss.seg[i].selector;
	return 0;
}

/* FS and GS, which it does not have, become null. */
static int read_state16(const struct task *t, struct task_state *s)
{
	struct tss16 tss;

	if (read_system(t, t->tss.seg.base, &tss, sizeof(tss)))
		return -EFAULT;
	*s = (struct task_state){ .eip = tss.ip, .eflags = tss.flags, .ldt = tss.ldt };
	for (unsigned int i = 0; i < LEGACY_GPRS; i++)
		s->gpr[i] = tss.gpr[i] | GPR_UPPER;
	for (unsigned int i = 0; i < TSS16_SEGS; i++)
		s->seg[i] = tss.seg[i];
	return 0;
}

/* --- the switch ------------------------------------------------------------------------------------ */

/* Hardware exceptions that are faults, and so find RF set in the saved flags: 18.3.1.1, table 6-1. */
static bool is_fault(const struct event *e)
{
	return e->type == EVENT_EXCEPTION && e->vector != VEC_DB && e->vector != VEC_DF &&
	       e->vector != VEC_MC;
}

/* EIP and EFLAGS as the old task will find them, and what its event leaves to the new one. 0 or -EFAULT. */
static int find_origin(struct task *t, u32 *eip, u32 *eflags)
{
	struct vcpu *v = t->v;
	const struct event *e = &v->pending;
	unsigned int len = v->exit.insn_len;

	*eip = (u32)vcpu_rip(v);
	*eflags = (u32)vcpu_rflags(v);
	if (t->source == TASK_GATE &&
	    (e->type == EVENT_EXCEPTION || e->type == EVENT_INTERRUPT || e->type == EVENT_NMI)) {
		t->ext = 1;
		t->push_error = v->exit.task.has_error;
		t->error = v->exit.task.error;
		if (is_fault(e))
			*eflags |= RFLAGS_RF;
		return 0;
	}
	/* An instruction: the old task goes on behind it. INT1's faults are external to it (6.13). */
	if (e->type == EVENT_SOFT_INTERRUPT || e->type == EVENT_SOFT_EXCEPTION) {
		len = e->insn_len;
		t->ext = e->type == EVENT_SOFT_EXCEPTION && e->vector == VEC_DB;
	}
	if (!len) {
		struct insn in;

		if (emulate_fetch_decode(v, NULL, 0, &in))
			return -EFAULT;
		len = in.len;
	}
	*eip += len;
	*eflags &= ~(u32)RFLAGS_RF;
	if (t->source == TASK_IRET)
		*eflags &= ~(u32)RFLAGS_NT;
	return 0;
}

/*
 * Steps 6 to 11. The memory was probed: it can fail only where another processor changes the tables meanwhile, and then
 * as it would halfway through a real one.
 */
static int commit(struct task *t, u32 eip, u32 eflags, struct task_state *s)
{
	bool nested = t->source == TASK_CALL || t->source == TASK_GATE;
	const struct segment *old = &t->old.seg;

	if (!nested && task_descriptor_mark(t, &t->old, TSS_BUSY_BIT, false))
		return -EFAULT;
	if (is_wide(old) ? save32(t, old->base, eip, eflags) : save16(t, old->base, eip, eflags))
		return -EFAULT;
	if (nested && write_system(t, t->tss.seg.base, &old->selector, sizeof(u16)))
		return -EFAULT;
	if (t->wide ? read_state32(t, s) : read_state16(t, s))
		return -EFAULT;
	if (nested)
		s->eflags |= RFLAGS_NT;
	/* IRET finds it set. */
	return t->source == TASK_IRET ? 0 : task_descriptor_mark(t, &t->tss, TSS_BUSY_BIT, true);
}

/*
 * Step 12: all registers but what comes from descriptors. CR0.TS, DR7 and the interrupt shadow are the switch's own
 * changes.
 */
static void load_registers(struct task *t, const struct task_state *s, u32 cr3)
{
	struct vcpu *v = t->v;

	vcpu_set_seg(v, SEG_TR, &t->tss.seg);
	if (cr3 != vcpu_cr3(v)) {
		vcpu_set_cr3(v, cr3);
		v->ops->flush_tlb(v);
	}
	vcpu_set_cr0(v, vcpu_cr0(v) | CR0_TS);
	vcpu_set_dr7(v, vcpu_dr7(v) & ~DR7_LOCAL);
	vcpu_set_rip(v, s->eip);
	vcpu_set_rflags(v, (s->eflags & RFLAGS_KNOWN) | RFLAGS_ONE);
	for (unsigned int i = 0; i < LEGACY_GPRS; i++)
		vcpu_set_gpr(v, i, s->gpr[i]);
	vcpu_need(v, REG_SHADOW);
	v->shadow = 0;
	vcpu_dirty(v, REG_SHADOW);
}

/* The NMI that comes by a task gate blocks others, and the IRET that leads back to the old task ends that: 6.7.1. */
static void follow_nmi(const struct task *t)
{
	struct vcpu *v = t->v;

	if (t->source == TASK_IRET)
		v->ops->set_nmi_blocked(v, false);
	else if (t->source == TASK_GATE && v->pending.type == EVENT_NMI)
		v->ops->set_nmi_blocked(v, true);
}

void vcpu_task_switch(struct vcpu *v)
{
	struct task t = {
		.v = v,
		.source = v->exit.task.source,
		.selector = v->exit.task.selector,
	};
	struct task_state s;
	u32 eip, eflags, cr3;

	vcpu_need(v, REG_TABLES);
	follow_nmi(&t);
	if (find_origin(&t, &eip, &eflags) || find_link(&t) || check_new_tss(&t))
		return;
	/* The current task's descriptor is where it was when TR was loaded. */
	t.old.seg = *vcpu_seg(v, SEG_TR);
	t.old.where = (u32)(v->gdtr.base + (t.old.seg.selector & ~(u32)SELECTOR_LOW));
	if (check_memory(&t, &t.old.seg) || check_cr3(&t, &cr3))
		return;
	if (commit(&t, eip, eflags, &s))
		return;
	load_registers(&t, &s, cr3);
	/* From here on a fault is the new task's. It comes on top of the event that led here, if one did. */
	if (task_load_segments(&t, s.seg, s.ldt) || task_begin(&t))
		return;
	v->pending.type = EVENT_NONE;
	if (s.trap) {
		vcpu_set_dr6(v, vcpu_dr6(v) | DR6_BT);
		vcpu_inject_exception(v, VEC_DB, false, 0);
	}
}
