/* SPDX-License-Identifier: MIT */
/*
 * Guest state between the VMCB's save area and the core's register copies: APM vol. 2 rev. 3.42, appendix B.
 */
#include "svm.h"

/* The save area packs descriptor bits 7:0 and 15:12 of SEG_* into 12 bits. */
static u16 attr_from_vmcb(const struct vmcb_seg *s)
{
	return (u16)((s->attrib & 0xffU) | (s->attrib & 0xf00U) << 4);
}

static struct segment seg_from_vmcb(const struct vmcb_seg *s)
{
	return (struct segment){
		.selector = s->selector,
		.attr = attr_from_vmcb(s),
		.limit = s->limit,
		.base = s->base,
	};
}

static struct vmcb_seg seg_to_vmcb(const struct segment *s)
{
	return (struct vmcb_seg){
		.selector = s->selector,
		.attrib = (u16)((s->attr & 0xffU) | (s->attr & 0xf000U) >> 4),
		.limit = s->limit,
		.base = s->base,
	};
}

static void load_segments(struct vcpu *v, const struct vmcb *c)
{
	v->seg[SEG_ES] = seg_from_vmcb(&c->es);
	v->seg[SEG_DS] = seg_from_vmcb(&c->ds);
	v->seg[SEG_FS] = seg_from_vmcb(&c->fs);
	v->seg[SEG_GS] = seg_from_vmcb(&c->gs);
	v->seg[SEG_LDTR] = seg_from_vmcb(&c->ldtr);
	v->seg[SEG_TR] = seg_from_vmcb(&c->tr);
}

void svm_load(struct vcpu *v, u32 regs)
{
	const struct vmcb *c = v->svm->vmcb;

	if (regs & REG_CS) {
		v->seg[SEG_CS] = seg_from_vmcb(&c->cs);
		v->seg[SEG_SS] = seg_from_vmcb(&c->ss);
	}
	if (regs & REG_CODE)
		v->seg[SEG_CS].attr = attr_from_vmcb(&c->cs);
	/* CPL has a field of its own; SS.DPL need not follow it (15.5.1). */
	if (regs & REG_CPL)
		v->seg[SEG_SS].attr = (u16)((attr_from_vmcb(&c->ss) & ~(3U << SEG_DPL_SHIFT)) |
					    (c->cpl & 3U) << SEG_DPL_SHIFT);
	if (regs & REG_CR0)
		v->cr0 = c->cr0;
	if (regs & REG_CR3)
		v->cr3 = c->cr3;
	if (regs & REG_CR4)
		v->cr4 = c->cr4;
	if (regs & REG_EFER)
		v->efer = c->efer & ~EFER_SVME;
	if (regs & REG_RSP)
		v->gpr[GPR_RSP] = c->rsp;
	v->reg_avail |= regs;
	/* What follows is asked for by few exits. */
	regs &= ~(u32)(REG_CS | REG_CODE | REG_CPL | REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER |
		       REG_RSP);
	if (likely(!regs))
		return;
	if (regs & REG_CR2)
		v->cr2 = c->cr2;
	if (regs & REG_DR6)
		v->dr6 = c->dr6;
	if (regs & REG_DR7)
		v->dr7 = c->dr7;
	if (regs & REG_SEGS)
		load_segments(v, c);
	if (regs & REG_TABLES) {
		v->gdtr = (struct desc_table){ .base = c->gdtr.base, .limit = (u16)c->gdtr.limit };
		v->idtr = (struct desc_table){ .base = c->idtr.base, .limit = (u16)c->idtr.limit };
	}
	if (regs & REG_SYSCALL) {
		v->star = c->star;
		v->lstar = c->lstar;
		v->cstar = c->cstar;
		v->sfmask = c->sfmask;
		v->kernel_gs_base = c->kernel_gs_base;
	}
	if (regs & REG_SYSENTER) {
		v->sysenter_cs = c->sysenter_cs;
		v->sysenter_esp = c->sysenter_esp;
		v->sysenter_eip = c->sysenter_eip;
	}
	if (regs & REG_PAT)
		v->pat = c->g_pat;
}

static void store_rare(struct vcpu *v, struct vmcb *c, u32 regs)
{
	if (regs & (REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER))
		vmcb_touch(c, CLEAN_CR);
	if (regs & REG_CR0)
		c->cr0 = v->cr0;
	if (regs & REG_CR2) {
		c->cr2 = v->cr2;
		vmcb_touch(c, CLEAN_CR2);
		/* Bochs' VMRUN does not load it; the host needs none. */
		write_cr2(v->cr2);
	}
	if (regs & REG_CR3)
		c->cr3 = v->cr3;
	if (regs & REG_CR4)
		c->cr4 = v->cr4;
	if (regs & REG_EFER)
		c->efer = v->efer | EFER_SVME;
	if (regs & (REG_DR6 | REG_DR7))
		vmcb_touch(c, CLEAN_DR);
	if (regs & REG_DR6)
		c->dr6 = v->dr6;
	if (regs & REG_DR7)
		c->dr7 = v->dr7;
	if (regs & REG_CS) {
		c->cs = seg_to_vmcb(&v->seg[SEG_CS]);
		c->ss = seg_to_vmcb(&v->seg[SEG_SS]);
		c->cpl = (u8)SEG_DPL(v->seg[SEG_SS].attr);
		vmcb_touch(c, CLEAN_SEG);
	}
	if (regs & REG_SEGS) {
		c->es = seg_to_vmcb(&v->seg[SEG_ES]);
		c->ds = seg_to_vmcb(&v->seg[SEG_DS]);
		c->fs = seg_to_vmcb(&v->seg[SEG_FS]);
		c->gs = seg_to_vmcb(&v->seg[SEG_GS]);
		c->ldtr = seg_to_vmcb(&v->seg[SEG_LDTR]);
		c->tr = seg_to_vmcb(&v->seg[SEG_TR]);
		vmcb_touch(c, CLEAN_SEG);
	}
	if (regs & REG_TABLES) {
		c->gdtr = (struct vmcb_seg){ .base = v->gdtr.base, .limit = v->gdtr.limit };
		c->idtr = (struct vmcb_seg){ .base = v->idtr.base, .limit = v->idtr.limit };
		vmcb_touch(c, CLEAN_DT);
	}
	if (regs & REG_SYSCALL) {
		c->star = v->star;
		c->lstar = v->lstar;
		c->cstar = v->cstar;
		c->sfmask = v->sfmask;
		c->kernel_gs_base = v->kernel_gs_base;
	}
	if (regs & REG_SYSENTER) {
		c->sysenter_cs = v->sysenter_cs;
		c->sysenter_esp = v->sysenter_esp;
		c->sysenter_eip = v->sysenter_eip;
	}
	if (regs & REG_PAT) {
		c->g_pat = v->pat;
		vmcb_touch(c, CLEAN_NP);
	}
	if (regs & SVM_REG_STEP)
		svm_step_begin(v);
}

void svm_store(struct vcpu *v)
{
	struct vmcb *c = v->svm->vmcb;
	u32 regs = v->reg_dirty;

	if (regs & REG_RIP)
		c->rip = v->rip;
	if (regs & REG_RSP)
		c->rsp = v->gpr[GPR_RSP];
	if (regs & REG_RFLAGS)
		c->rflags = v->rflags;
	if (regs & REG_SHADOW)
		c->interrupt_shadow = v->shadow;
	regs &= ~(u32)(REG_RIP | REG_RSP | REG_RFLAGS | REG_SHADOW);
	if (unlikely(regs))
		store_rare(v, c, regs);
	v->reg_dirty = 0;
}
