/* SPDX-License-Identifier: MIT */
/*
 * The segments of a task that was just switched to: SDM vol. 3 rev. 083, 8.3 step 13 and table 8-1, in its order. Every
 * fault here is the new task's own; what could not be loaded stays unusable, in a form that lets the fault be delivered.
 */
#include "errors.h"
#include "task.h"

#define DPL(cpl)   ((u16)((cpl) << SEG_DPL_SHIFT))
#define V86_ATTR   (SEG_P | DPL(3) | SEG_S | SEG_W | SEG_A)
#define V86_LIMIT  0xffffU
#define STACK_TYPE (SEG_S | SEG_CODE | SEG_W)

#define LDT_TYPE_MASK (SEG_S | SEG_TYPE_MASK)

/* Selectors only. The code segment must look like one even so, and SS keeps the privilege. */
static void load_selectors(struct vcpu *v, const u16 *selector, unsigned int cpl)
{
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++) {
		struct segment s = { .selector = selector[i] };

		if (i == SEG_SS)
			s.attr = DPL(cpl);
		if (i == SEG_CS) {
			s.attr = SEG_P | DPL(cpl) | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_DB |
				 SEG_G;
			s.limit = UINT32_MAX;
		}
		vcpu_set_seg(v, i, &s);
	}
}

static void load_v86(struct vcpu *v, const u16 *selector)
{
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++) {
		const struct segment s = {
			.selector = selector[i],
			.attr = V86_ATTR,
			.limit = V86_LIMIT,
			.base = (u64)selector[i] << 4,
		};

		vcpu_set_seg(v, i, &s);
	}
}

static int load_ldt(const struct task *t, u16 selector)
{
	struct task_descriptor d = { .seg = { .selector = selector } };

	/* Without one until it is known to be good. */
	vcpu_set_seg(t->v, SEG_LDTR, &d.seg);
	if (!(selector & ~SELECTOR_RPL))
		return 0;
	if (selector & SELECTOR_TI)
		return task_fault(t, VEC_TS, selector);
	if (task_descriptor(t, selector, VEC_TS, &d))
		return -EFAULT;
	if ((d.seg.attr & LDT_TYPE_MASK) != SEG_TYPE_LDT || !(d.seg.attr & SEG_P))
		return task_fault(t, VEC_TS, selector);
	vcpu_set_seg(t->v, SEG_LDTR, &d.seg);
	return 0;
}

/* Reads a segment's descriptor; null is no choice for CS and SS. */
static int fetch(const struct task *t, u16 selector, struct task_descriptor *d)
{
	if (!(selector & ~SELECTOR_RPL))
		return task_fault(t, VEC_TS, selector);
	return task_descriptor(t, selector, VEC_TS, d);
}

static int load(const struct task *t, unsigned int i, struct task_descriptor *d)
{
	if (!(d->seg.attr & SEG_A) && task_descriptor_mark(t, d, SEG_A, true))
		return -EFAULT;
	vcpu_set_seg(t->v, i, &d->seg);
	return 0;
}

static int check_code(const struct task *t, u16 selector, unsigned int cpl,
		      struct task_descriptor *d)
{
	if (fetch(t, selector, d))
		return -EFAULT;
	if (!(d->seg.attr & SEG_S) || !(d->seg.attr & SEG_CODE))
		return task_fault(t, VEC_TS, selector);
	if (d->seg.attr & SEG_E ? SEG_DPL(d->seg.attr) > cpl : SEG_DPL(d->seg.attr) != cpl)
		return task_fault(t, VEC_TS, selector);
	return 0;
}

static int check_stack(const struct task *t, u16 selector, unsigned int cpl,
		       struct task_descriptor *d)
{
	if (fetch(t, selector, d))
		return -EFAULT;
	if ((d->seg.attr & STACK_TYPE) != (SEG_S | SEG_W))
		return task_fault(t, VEC_TS, selector);
	if (!(d->seg.attr & SEG_P))
		return task_fault(t, VEC_SS, selector);
	if (SEG_DPL(d->seg.attr) != cpl)
		return task_fault(t, VEC_TS, selector);
	return 0;
}

static int load_data(const struct task *t, unsigned int i, u16 selector, unsigned int cpl)
{
	unsigned int rpl = selector & SELECTOR_RPL;
	struct task_descriptor d = { 0 };
	u16 attr;

	if (!(selector & ~SELECTOR_RPL))
		return 0;
	if (task_descriptor(t, selector, VEC_TS, &d))
		return -EFAULT;
	attr = d.seg.attr;
	if (!(attr & SEG_S) || ((attr & SEG_CODE) && !(attr & SEG_R)))
		return task_fault(t, VEC_TS, selector);
	/* Conforming code is everybody's. */
	if ((attr & (SEG_CODE | SEG_E)) != (SEG_CODE | SEG_E) &&
	    (SEG_DPL(attr) < cpl || SEG_DPL(attr) < rpl))
		return task_fault(t, VEC_TS, selector);
	if (!(attr & SEG_P))
		return task_fault(t, VEC_NP, selector);
	return load(t, i, &d);
}

int task_load_segments(const struct task *t, const u16 seg[SEG_GS + 1], u16 ldt)
{
	static const u8 data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	struct vcpu *v = t->v;
	unsigned int cpl = seg[SEG_CS] & SELECTOR_RPL;
	struct task_descriptor code = { 0 }, stack = { 0 };

	if (vcpu_rflags(v) & RFLAGS_VM) {
		load_v86(v, seg);
		return load_ldt(t, ldt);
	}
	load_selectors(v, seg, cpl);
	if (load_ldt(t, ldt) || check_code(t, seg[SEG_CS], cpl, &code) ||
	    check_stack(t, seg[SEG_SS], cpl, &stack))
		return -EFAULT;
	if (!(code.seg.attr & SEG_P))
		return task_fault(t, VEC_NP, seg[SEG_CS]);
	if ((seg[SEG_SS] & SELECTOR_RPL) != cpl)
		return task_fault(t, VEC_TS, seg[SEG_SS]);
	/* Of conforming code the DPL may be less than the CPL, which SS has. */
	if (load(t, SEG_CS, &code) || load(t, SEG_SS, &stack))
		return -EFAULT;
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		if (load_data(t, data[i], seg[data[i]], cpl))
			return -EFAULT;
	return 0;
}

/* SDM vol. 3 5.3: offsets of a stack access, both inclusive. */
static bool in_stack(const struct segment *ss, u32 first, u32 last)
{
	if (last < first)
		return false;
	if (ss->attr & SEG_E)
		return first > ss->limit && last <= (ss->attr & SEG_DB ? UINT32_MAX : UINT16_MAX);
	return last <= ss->limit;
}

/* An exception's error code goes onto the new task's stack: vol. 2, INT, TASK-GATE. */
static int push_error(const struct task *t)
{
	struct vcpu *v = t->v;
	const struct segment *ss = vcpu_seg(v, SEG_SS);
	u32 mask = ss->attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
	unsigned int size = t->wide ? 4 : 2;
	u64 rsp = vcpu_gpr(v, GPR_RSP);
	u32 sp = (u32)(rsp - size) & mask;
	struct fault f;

	if (!in_stack(ss, sp, sp + size - 1))
		return task_fault(t, VEC_SS, 0);
	if (guest_write_linear(v, (u32)(ss->base + sp), &t->error, size,
			       vcpu_cpl(v) == 3 ? ACCESS_USER : ACCESS_READ, &f))
		return task_memory_fault(t, &f);
	vcpu_set_gpr(v, GPR_RSP, (rsp & ~(u64)mask) | sp);
	return 0;
}

int task_begin(const struct task *t)
{
	struct vcpu *v = t->v;

	if (t->push_error && push_error(t))
		return -EFAULT;
	return vcpu_rip(v) > vcpu_seg(v, SEG_CS)->limit ? task_fault(t, VEC_GP, 0) : 0;
}
