/* SPDX-License-Identifier: MIT */
/*
 * The virtual processor as the core sees it: its registers, its pending events, and why it last left the guest. Backends
 * (vmx/, svm/) fill and drain it through struct virt_ops (include/virt.h).
 */
#ifndef PLINTH_VCPU_H
#define PLINTH_VCPU_H

#include "dev/lapic.h"
#include "insn_cache.h"
#include "timer.h"
#include "types.h"
#include "x86.h"

struct vm;
struct virt_ops;
struct svm_vcpu;
struct vmx_vcpu;

/* General registers in the order of their encoding. */
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	NR_GPRS,
};

/* Segment registers in the order of their encoding, then the system ones. */
enum segreg {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	NR_SEGS,
};

struct segment {
	u16 selector;
	u16 attr;  /* descriptor layout, SEG_*; !SEG_P = unusable */
	u32 limit; /* bytes, granularity applied */
	u64 base;
};

struct desc_table {
	u64 base;
	u16 limit;
};

/*
 * State that the core reads only when somebody asks. A bit in reg_avail: the copy in struct vcpu is valid; in
 * reg_dirty: the copy is newer than the backend's. RAX and RSP are part of gpr[] but live in the control structure on
 * one or both vendors.
 */
enum vcpu_reg {
	REG_RIP = BIT(0),
	REG_RSP = BIT(1),
	REG_RFLAGS = BIT(2),
	REG_CR0 = BIT(3),
	REG_CR2 = BIT(4),
	REG_CR3 = BIT(5),
	REG_CR4 = BIT(6),
	REG_EFER = BIT(7),
	REG_DR6 = BIT(8),
	REG_DR7 = BIT(9),
	REG_CS = BIT(10),      /* CS and SS: what mode and privilege follow from */
	REG_SEGS = BIT(11),    /* ES, DS, FS, GS, LDTR, TR */
	REG_TABLES = BIT(12),  /* GDTR, IDTR */
	REG_SYSCALL = BIT(13), /* STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE */
	REG_SYSENTER = BIT(14),
	REG_PAT = BIT(15),
	REG_SHADOW = BIT(16), /* interrupt shadow */
	/* Parts of REG_CS, for readers only: each is a VMREAD, and the group is eight. */
	REG_CODE = BIT(17), /* attributes of CS: the mode */
	REG_CPL = BIT(18),  /* attributes of SS: the privilege level */
	REG_ALL = BIT(19) - 1,
};

/* The groups that come with these. */
static inline u32 vcpu_reg_parts(u32 regs)
{
	return regs & REG_CS ? regs | REG_CODE | REG_CPL : regs;
}

/* An event on its way into the guest: SDM vol. 3 25.8.3, APM vol. 2 15.20. */
enum event_type {
	EVENT_NONE,
	EVENT_INTERRUPT,
	EVENT_NMI,
	EVENT_EXCEPTION,
	EVENT_SOFT_INTERRUPT, /* INT n */
	EVENT_SOFT_EXCEPTION, /* INT3, INTO */
};

struct event {
	u8 type; /* enum event_type */
	u8 vector;
	u8 insn_len; /* soft events: length of the instruction */
	bool has_error;
	u32 error;
};

enum exit_kind {
	EXIT_UNKNOWN,
	EXIT_CPUID,
	EXIT_RDMSR,
	EXIT_WRMSR,
	EXIT_PORT_IO,
	EXIT_NESTED_PAGE_FAULT,
	EXIT_CR_ACCESS,
	EXIT_DR_ACCESS,
	EXIT_HLT,
	EXIT_PAUSE,
	EXIT_HYPERCALL,
	EXIT_EXCEPTION,
	EXIT_INTERRUPT,
	EXIT_NMI,
	EXIT_INTERRUPT_WINDOW,
	EXIT_NMI_WINDOW,
	EXIT_SHUTDOWN,
	EXIT_INIT,
	EXIT_SIPI,
	EXIT_XSETBV,
	EXIT_CACHE, /* INVD, WBINVD */
	EXIT_MONITOR,
	EXIT_MWAIT,
	EXIT_TASK_SWITCH,
	EXIT_RDPMC,
	EXIT_UNDEFINED, /* an instruction that this processor does not offer: #UD */
	EXIT_TIMER,	/* the backend's own timer */
	EXIT_ENTRY_FAILURE,
	NR_EXIT_KINDS,
};

struct exit_io {
	u16 port;
	u8 size; /* 1, 2, 4 */
	bool in, string, rep;
	u8 addr_size; /* 2, 4, 8; 0 where the processor did not tell (the decoder supplies it) */
	u8 seg;	      /* enum segreg of a string's memory operand; NR_SEGS where unknown */
};

struct exit_npf {
	gpa_t gpa;
	gva_t gva;
	bool gva_valid;
	bool write, fetch;
	bool table_walk; /* the access was made by the guest's own page walk */
	u8 insn_bytes;	 /* how many bytes of the instruction the processor gave */
	u8 insn[15];
};

struct exit_cr {
	u8 cr; /* 0, 3, 4, 8 */
	u8 gpr;
	enum {
		CR_WRITE,
		CR_READ,
		CR_CLTS,
		CR_LMSW
	} op : 8;
	bool decoded; /* gpr, op and source are valid; else the instruction must be read */
	u16 lmsw_source;
};

struct exit_dr {
	u8 dr, gpr;
	bool write;
	bool decoded;
};

struct exit_task_switch {
	u16 selector; /* of the new TSS; of an IRET the core reads the back link */
	bool has_error;
	u32 error;
	enum {
		TASK_CALL,
		TASK_IRET,
		TASK_JMP,
		TASK_GATE
	} source : 8;
};

/* Why the guest was left, normalised by the backend. */
struct vm_exit {
	u8 kind;     /* enum exit_kind */
	u8 insn_len; /* 0 where the processor did not tell */
	u32 raw;     /* the vendor's code, for reports */
	u64 info[2]; /* the vendor's qualification, for reports */
	union {
		struct exit_io io;
		struct exit_npf npf;
		struct exit_cr cr;
		struct exit_dr dr;
		struct exit_task_switch task;
		struct event exception; /* vector, error; CR2-like address in info[1] */
	};
};

/* The last exits, for the crash report. */
#define EXIT_TRACE 16

struct exit_trace {
	u64 rip;
	u64 info;
	u32 raw;
	u8 kind;
};

/* What the run loop must look at before the next entry. Set by any CPU, atomically. */
enum vcpu_request {
	VCPU_REQ_EVENT = BIT(0), /* an interrupt may be deliverable */
	VCPU_REQ_NMI = BIT(1),	 /* stays set until the NMI was delivered */
	VCPU_REQ_TIMER = BIT(2), /* a timer queue changed or is due */
	VCPU_REQ_FLUSH = BIT(3), /* second-level TLB */
	VCPU_REQ_STOP = BIT(4),	 /* the machine changes state: see vm->board.request */
	VCPU_REQ_INIT = BIT(5),
	VCPU_REQ_SIPI = BIT(6),
	VCPU_REQ_CONSOLE = BIT(7),
};

/* enum for windows: what the backend reports as soon as it becomes possible. */
enum vcpu_window {
	WINDOW_INTERRUPT = BIT(0),
	WINDOW_NMI = BIT(1),
	WINDOW_TPR = BIT(2), /* guest writes to CR8 */
};

/*
 * One virtual CPU, pinned to one real CPU. Touched by that CPU only, except requests.
 */
struct vcpu {
	u64 gpr[NR_GPRS]; /* offset 0: the entry stubs use generated offsets */
	u64 rip;
	u64 rflags;
	u32 reg_avail; /* enum vcpu_reg */
	u32 reg_dirty;
	u32 requests; /* enum vcpu_request, atomic */
	u8 windows;   /* enum vcpu_window that are open in the backend */
	bool halted;
	bool wait_for_sipi;
	struct event pending; /* exception or re-injection: delivered before anything else */
	const struct virt_ops *ops;
	union {
		struct svm_vcpu *svm;
		struct vmx_vcpu *vmx;
	};
	struct vm *vm;
	struct vm_exit exit;

	u64 cr0, cr2, cr3, cr4, efer;
	u64 dr6, dr7;
	u64 pat;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	struct segment seg[NR_SEGS];
	struct desc_table gdtr, idtr;
	u8 shadow; /* interrupt shadow: 0 or 1 */
	/*
	 * An instruction was emulated while REG_SHADOW was not available: what the backend finds is
	 * over. For backends that do not provide REG_SHADOW at each exit; they clear it at entries.
	 */
	bool shadow_over;

	struct lapic lapic;
	struct timer_queue timers; /* the LAPIC timer */
	u64 tsc_offset;		   /* guest TSC = host TSC + this */
	u64 tsc_adjust;		   /* IA32_TSC_ADJUST */
	u64 xcr0_allowed;
	struct msr_state *msr; /* emulated MSRs: arch/vcpu/msr.c */
	u32 id;
	u32 unknown_msr_notes; /* rate limit */
	struct exit_trace trace[EXIT_TRACE];
	u32 trace_next;
	u32 refused_cr; /* failed entries in a row: exit.c */
	struct insn_cache insns;
};
_Static_assert(offsetof(struct vcpu, gpr) == 0, "entry stubs save here");

/* --- registers ---------------------------------------------------------------------------- */

void vcpu_load(struct vcpu *v, u32 regs);

static inline void vcpu_need(struct vcpu *v, u32 regs)
{
	if (unlikely(regs & ~v->reg_avail))
		vcpu_load(v, regs & ~v->reg_avail);
}

static inline void vcpu_dirty(struct vcpu *v, u32 regs)
{
	v->reg_avail |= vcpu_reg_parts(regs);
	v->reg_dirty |= regs;
}

#define VCPU_REG_ACCESSORS(name, bit)                             \
	static inline u64 vcpu_##name(struct vcpu *v)             \
	{                                                         \
		vcpu_need(v, bit);                                \
		return v->name;                                   \
	}                                                         \
	static inline void vcpu_set_##name(struct vcpu *v, u64 x) \
	{                                                         \
		v->name = x;                                      \
		vcpu_dirty(v, bit);                               \
	}

VCPU_REG_ACCESSORS(rip, REG_RIP)
VCPU_REG_ACCESSORS(rflags, REG_RFLAGS)
VCPU_REG_ACCESSORS(cr0, REG_CR0)
VCPU_REG_ACCESSORS(cr2, REG_CR2)
VCPU_REG_ACCESSORS(cr3, REG_CR3)
VCPU_REG_ACCESSORS(cr4, REG_CR4)
VCPU_REG_ACCESSORS(efer, REG_EFER)
VCPU_REG_ACCESSORS(dr6, REG_DR6)
VCPU_REG_ACCESSORS(dr7, REG_DR7)

static inline u64 vcpu_gpr(struct vcpu *v, unsigned int r)
{
	if (r == GPR_RSP)
		vcpu_need(v, REG_RSP);
	return v->gpr[r];
}

static inline void vcpu_set_gpr(struct vcpu *v, unsigned int r, u64 x)
{
	v->gpr[r] = x;
	if (r == GPR_RSP)
		vcpu_dirty(v, REG_RSP);
}

static inline u32 vcpu_seg_reg(unsigned int seg)
{
	return seg == SEG_CS || seg == SEG_SS ? REG_CS : REG_SEGS;
}

/* The copy stays valid until the next entry. To change one: write it through vcpu_set_seg(). */
static inline const struct segment *vcpu_seg(struct vcpu *v, unsigned int seg)
{
	vcpu_need(v, vcpu_seg_reg(seg));
	return &v->seg[seg];
}

static inline void vcpu_set_seg(struct vcpu *v, unsigned int seg, const struct segment *s)
{
	vcpu_need(v, vcpu_seg_reg(seg));
	v->seg[seg] = *s;
	vcpu_dirty(v, vcpu_seg_reg(seg));
}

static inline unsigned int vcpu_cpl(struct vcpu *v)
{
	vcpu_need(v, REG_CPL);
	return SEG_DPL(v->seg[SEG_SS].attr);
}

/* 8 in 64-bit mode, else the code segment's default size: 4 or 2 bytes. */
static inline unsigned int vcpu_code_size(struct vcpu *v)
{
	u16 attr;

	vcpu_need(v, REG_CODE | REG_EFER);
	attr = v->seg[SEG_CS].attr;
	if ((v->efer & EFER_LMA) && (attr & SEG_L))
		return 8;
	return attr & SEG_DB ? 4 : 2;
}

/* --- events (arch/vcpu/event.c) -------------------------------------------------------------- */

/*
 * Queues an exception to be delivered before the next instruction. A second one while one is pending makes the double or
 * triple fault of SDM vol. 3 6.15 table 6-5.
 */
void vcpu_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error);
void vcpu_inject_ud(struct vcpu *v);
void vcpu_inject_gp(struct vcpu *v, u32 error);
/* Sets CR2 when the fault is delivered. */
void vcpu_inject_pf(struct vcpu *v, gva_t address, u32 error);

/* Asks the vCPU's CPU to look at requests before the next entry. Any CPU. */
void vcpu_request(struct vcpu *v, u32 requests);

/*
 * An instruction was emulated: next RIP, interrupt shadow and RF cleared, #DB if TF. insn_len 0 asks the decoder.
 * Returns false when the length cannot be told (an event is queued then).
 */
bool vcpu_skip_insn(struct vcpu *v, unsigned int insn_len);

u64 vcpu_guest_tsc(struct vcpu *v);

/* --- life (arch/vcpu/vcpu.c) ------------------------------------------------------------------ */

int vcpu_create(struct vcpu *v, struct vm *vm, const struct virt_ops *ops,
		u32 id); /* 0 or -ENOMEM */
/* Power-up state of SDM vol. 3 table 10-1, or with init the INIT column. */
void vcpu_reset(struct vcpu *v, bool init);
/* Runs the guest until the board has a request (board.h) and returns; the caller decides what it means. */
void vcpu_run(struct vcpu *v);
/* Registers, last exits and the backend's control structure, through printk at LOG_ERR. */
void vcpu_dump(struct vcpu *v);
/* The guest cannot go on: report with the cause, then the reset policy. */
void vcpu_stop_guest(struct vcpu *v, const char *why);

#endif
