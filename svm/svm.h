/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share.
 */
#ifndef PLINTH_SVM_SVM_H
#define PLINTH_SVM_SVM_H

#include "gpmap.h"
#include "vcpu.h"
#include "vmcb.h"

/* CPUID 8000_000A: APM vol. 3 appendix E.4.9 */
#define SVM_FEATURE_NP		  BIT(0)
#define SVM_FEATURE_NRIPS	  BIT(3)
#define SVM_FEATURE_CLEAN	  BIT(5)
#define SVM_FEATURE_FLUSH_ASID	  BIT(6)
#define SVM_FEATURE_DECODE_ASSIST BIT(7)

/* Optional features of this processor, from CPUID only. Written once by svm_probe(). */
extern u32 svm_features;

/* Where the guest stands between an IRET that ends NMI blocking being seen and being done. */
enum nmi_state {
	NMI_OPEN,
	NMI_BLOCKED,   /* IRET is intercepted */
	NMI_IRET_SEEN, /* the IRET at iret_rip executes now */
};

/* The backend's part of a vCPU. Own CPU only. */
struct svm_vcpu {
	struct vmcb *vmcb; /* owned */
	hpa_t vmcb_pa;
	hpa_t host_vmcb_pa; /* VMSAVE area of this CPU */
	u8 *iopm;	    /* owned: 3 pages, 1 = intercept */
	u8 *msrpm;	    /* owned: 2 pages */
	enum nmi_state nmi;
	u64 iret_rip;
	u8 cr8;		 /* the VMCB's V_TPR as the LAPIC knows it */
	bool stepping;	 /* TF was set by the host to step over the IRET */
	bool stepped;	 /* the last exit is that step's #DB, and nothing else */
	u64 step_rflags; /* what the guest had before the step */
	u64 step_dr6;
	u64 injected; /* the last EVENTINJ, for the report on a failed entry */
};

/* In reg_dirty: the next entry steps over the IRET. */
#define SVM_REG_STEP BIT(31)
_Static_assert(!(SVM_REG_STEP & REG_ALL), "a bit of its own");

#define IOPM_PAGES  3
#define MSRPM_PAGES 2

/* The only way to change what a clean bit covers. */
static inline void vmcb_touch(struct vmcb *c, u32 clean_bits)
{
	c->clean &= ~clean_bits;
}

/* entry.asm: runs the guest with v's general registers (RAX and RSP are the VMCB's). Interrupts off before and after. */
void svm_enter(struct vcpu *v, hpa_t vmcb, hpa_t host_vmcb);
/* The instruction behind its VMRUN. */
extern const u8 svm_exited[];

/* exit.c: fills v->exit from the VMCB. */
void svm_decode_exit(struct vcpu *v);

/* state.c */
void svm_load(struct vcpu *v, u32 regs);
void svm_store(struct vcpu *v);

/* dump.c */
struct svm_violation;
void svm_dump(struct vcpu *v);
/* The entry rule that the VMCB violates with that EVENTINJ; false: none. */
bool svm_find_violation(const struct vcpu *v, u64 event_inj, struct svm_violation *out);
/* One line that begins with the words before. */
void svm_print_violation(const char *before, const struct svm_violation *f);

/* debug_entry.c, in debug builds only: checks what the next entry enters with */
#ifdef PLINTH_DEBUG
void svm_debug_entry(struct vcpu *v);
#else
static inline void svm_debug_entry(struct vcpu *v)
{
	(void)v;
}
#endif

/* event.c */
bool svm_can_take_interrupt(struct vcpu *v);
void svm_inject(struct vcpu *v, const struct event *e);
void svm_set_windows(struct vcpu *v, unsigned int windows);
void svm_set_cr8(struct vcpu *v, u8 cr8);
void svm_cut_short(const struct vcpu *v, struct event *e);

/* nmi.c */
bool svm_can_take_nmi(struct vcpu *v);
void svm_set_nmi_blocked(struct vcpu *v, bool blocked);
/* An event is delivered before the IRET that was let through. */
void svm_nmi_before_event(struct vcpu *v);
/* An IRET was intercepted; false: it is a task switch. */
bool svm_nmi_iret(struct vcpu *v);
/* Around the entry that steps over it: the first when all else is in the VMCB. */
void svm_step_begin(struct vcpu *v);
void svm_step_end(struct vcpu *v);

/* permmap.c: 15.10.1, 15.11 */
void svm_intercept_msr(struct vcpu *v, u32 msr, unsigned int access);
void svm_intercept_port(struct vcpu *v, u16 port, bool on);

/* npt.c */
extern struct gpmap_format npt_format; /* written by svm_probe() only */

#endif
