/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine control block and the encodings around it: AMD64 APM vol. 2 rev. 3.42, 15.5 and appendix B, C.
 */
#ifndef PLINTH_SVM_VMCB_H
#define PLINTH_SVM_VMCB_H

#include "types.h"

/* Intercept vector 3 (offset 00Ch) */
#define INTERCEPT_INTR	   BIT(0)
#define INTERCEPT_NMI	   BIT(1)
#define INTERCEPT_SMI	   BIT(2)
#define INTERCEPT_INIT	   BIT(3)
#define INTERCEPT_VINTR	   BIT(4)
#define INTERCEPT_RDPMC	   BIT(15)
#define INTERCEPT_CPUID	   BIT(18)
#define INTERCEPT_RSM	   BIT(19)
#define INTERCEPT_IRET	   BIT(20)
#define INTERCEPT_INVD	   BIT(22)
#define INTERCEPT_HLT	   BIT(24)
#define INTERCEPT_INVLPGA  BIT(26)
#define INTERCEPT_IOIO	   BIT(27)
#define INTERCEPT_MSR	   BIT(28)
#define INTERCEPT_SHUTDOWN BIT(31)

/* Intercept vector 4 (offset 010h) */
#define INTERCEPT_VMRUN	     BIT(0)
#define INTERCEPT_VMMCALL    BIT(1)
#define INTERCEPT_VMLOAD     BIT(2)
#define INTERCEPT_VMSAVE     BIT(3)
#define INTERCEPT_STGI	     BIT(4)
#define INTERCEPT_CLGI	     BIT(5)
#define INTERCEPT_SKINIT     BIT(6)
#define INTERCEPT_WBINVD     BIT(9)
#define INTERCEPT_MONITOR    BIT(10)
#define INTERCEPT_MWAIT	     BIT(11)
#define INTERCEPT_MWAIT_COND BIT(12)
#define INTERCEPT_XSETBV     BIT(13)
#define INTERCEPT_RDPRU	     BIT(14)

/* Intercept vector 5 (offset 014h) */
#define INTERCEPT_INVLPGB	  BIT(0)
#define INTERCEPT_INVLPGB_ILLEGAL BIT(1)
#define INTERCEPT_MCOMMIT	  BIT(3)
#define INTERCEPT_TLBSYNC	  BIT(4)

#define INTERCEPT_CR_WRITE(n) BIT(16 + (n))

/* Offset 060h: virtual interrupt control */
#define V_TPR_MASK     0xfULL
#define V_IRQ	       BIT64(8)
#define V_IGN_TPR      BIT64(20)
#define V_INTR_MASKING BIT64(24)
#define V_NMI_ENABLE   BIT64(26)

#define TLB_KEEP       0
#define TLB_FLUSH_ALL  1
#define TLB_FLUSH_ASID 3

#define NP_ENABLE BIT64(0)

/* EVENTINJ and EXITINTINFO: 15.20 */
#define SVM_EVENT_VECTOR     0xffULL
#define SVM_EVENT_TYPE_SHIFT 8
#define SVM_EVENT_TYPE_MASK  0x700ULL
#define SVM_EVENT_INTR	     0ULL
#define SVM_EVENT_NMI	     2ULL
#define SVM_EVENT_EXCEPTION  3ULL
#define SVM_EVENT_SOFT	     4ULL
#define SVM_EVENT_EV	     BIT64(11)
#define SVM_EVENT_VALID	     BIT64(31)

/* VMCB clean bits: 15.15.3 */
#define CLEAN_INTERCEPTS BIT(0)
#define CLEAN_IOPM	 BIT(1)
#define CLEAN_ASID	 BIT(2)
#define CLEAN_TPR	 BIT(3)
#define CLEAN_NP	 BIT(4)
#define CLEAN_CR	 BIT(5)
#define CLEAN_DR	 BIT(6)
#define CLEAN_DT	 BIT(7)
#define CLEAN_SEG	 BIT(8)
#define CLEAN_CR2	 BIT(9)
#define CLEAN_ALL	 0x3ffU

/* Exit codes: appendix C */
enum svm_exit_code {
	SVM_EXIT_CR_READ = 0x000,
	SVM_EXIT_CR_WRITE = 0x010,
	SVM_EXIT_DR_READ = 0x020,
	SVM_EXIT_DR_WRITE = 0x030,
	SVM_EXIT_EXCEPTION = 0x040,
	SVM_EXIT_INTR = 0x060,
	SVM_EXIT_NMI = 0x061,
	SVM_EXIT_SMI = 0x062,
	SVM_EXIT_INIT = 0x063,
	SVM_EXIT_VINTR = 0x064,
	SVM_EXIT_RDPMC = 0x06f,
	SVM_EXIT_CPUID = 0x072,
	SVM_EXIT_RSM = 0x073,
	SVM_EXIT_IRET = 0x074,
	SVM_EXIT_INVD = 0x076,
	SVM_EXIT_PAUSE = 0x077,
	SVM_EXIT_HLT = 0x078,
	SVM_EXIT_INVLPGA = 0x07a,
	SVM_EXIT_IOIO = 0x07b,
	SVM_EXIT_MSR = 0x07c,
	SVM_EXIT_SHUTDOWN = 0x07f,
	SVM_EXIT_VMRUN = 0x080,
	SVM_EXIT_VMMCALL = 0x081,
	SVM_EXIT_VMLOAD = 0x082,
	SVM_EXIT_VMSAVE = 0x083,
	SVM_EXIT_STGI = 0x084,
	SVM_EXIT_CLGI = 0x085,
	SVM_EXIT_SKINIT = 0x086,
	SVM_EXIT_WBINVD = 0x089,
	SVM_EXIT_MONITOR = 0x08a,
	SVM_EXIT_MWAIT = 0x08b,
	SVM_EXIT_MWAIT_COND = 0x08c,
	SVM_EXIT_XSETBV = 0x08d,
	SVM_EXIT_RDPRU = 0x08e,
	SVM_EXIT_INVLPGB = 0x0a0,
	SVM_EXIT_INVLPGB_ILLEGAL = 0x0a1,
	SVM_EXIT_MCOMMIT = 0x0a3,
	SVM_EXIT_TLBSYNC = 0x0a4,
	SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID (~UINT64_C(0))

/* EXITINFO1 of an IOIO intercept: 15.10.2 */
#define IOIO_IN		BIT64(0)
#define IOIO_STR	BIT64(2)
#define IOIO_REP	BIT64(3)
#define IOIO_SIZE_SHIFT 4 /* SZ8, SZ16, SZ32: one bit each, so the field is the size in bytes */
#define IOIO_SIZE_MASK	7ULL
#define IOIO_ADDR_SHIFT 7 /* A16, A32, A64 likewise, in units of two bytes */
#define IOIO_ADDR_MASK	7ULL
#define IOIO_PORT_SHIFT 16

/* EXITINFO1 of a nested page fault: 15.25.6 */
#define NPF_WRITE BIT64(1)
#define NPF_FETCH BIT64(4)
#define NPF_TABLE BIT64(33)

/* EXITINFO1 of a MOV CRn with decode assists: 15.8.1 */
#define CR_INFO_MOV BIT64(63)
#define CR_INFO_GPR 0xfULL

/* A segment register in the save area; attributes packed to 12 bits. */
struct vmcb_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
} __packed;

struct vmcb {
	/* --- control area */
	u32 intercept_cr;	  /* 000: reads 15:0, writes 31:16 */
	u32 intercept_dr;	  /* 004 */
	u32 intercept_exceptions; /* 008 */
	u32 intercept3;		  /* 00c */
	u32 intercept4;		  /* 010 */
	u32 intercept5;		  /* 014 */
	u8 reserved018[0x03c - 0x018];
	u16 pause_threshold; /* 03c */
	u16 pause_count;     /* 03e */
	u64 iopm_base;	     /* 040 */
	u64 msrpm_base;	     /* 048 */
	u64 tsc_offset;	     /* 050 */
	u32 asid;	     /* 058 */
	u8 tlb_control;	     /* 05c */
	u8 reserved05d[3];
	u64 vintr;	      /* 060 */
	u64 interrupt_shadow; /* 068 */
	u64 exit_code;	      /* 070 */
	u64 exit_info1;	      /* 078 */
	u64 exit_info2;	      /* 080 */
	u64 exit_int_info;    /* 088 */
	u64 np_control;	      /* 090 */
	u8 reserved098[0x0a8 - 0x098];
	u64 event_inj;	 /* 0a8 */
	u64 n_cr3;	 /* 0b0 */
	u64 lbr_control; /* 0b8 */
	u32 clean;	 /* 0c0 */
	u32 reserved0c4;
	u64 nrip;      /* 0c8 */
	u8 insn_bytes; /* 0d0 */
	u8 insn[15];   /* 0d1 */
	u8 reserved0e0[0x400 - 0x0e0];
	/* --- state save area */
	struct vmcb_seg es, cs, ss, ds, fs, gs; /* 400 */
	struct vmcb_seg gdtr, ldtr, idtr, tr;	/* 460 */
	u8 reserved4a0[0x4cb - 0x4a0];
	u8 cpl; /* 4cb */
	u32 reserved4cc;
	u64 efer; /* 4d0 */
	u8 reserved4d8[0x548 - 0x4d8];
	u64 cr4;    /* 548 */
	u64 cr3;    /* 550 */
	u64 cr0;    /* 558 */
	u64 dr7;    /* 560 */
	u64 dr6;    /* 568 */
	u64 rflags; /* 570 */
	u64 rip;    /* 578 */
	u8 reserved580[0x5d8 - 0x580];
	u64 rsp; /* 5d8 */
	u8 reserved5e0[0x5f8 - 0x5e0];
	u64 rax;	    /* 5f8 */
	u64 star;	    /* 600 */
	u64 lstar;	    /* 608 */
	u64 cstar;	    /* 610 */
	u64 sfmask;	    /* 618 */
	u64 kernel_gs_base; /* 620 */
	u64 sysenter_cs;    /* 628 */
	u64 sysenter_esp;   /* 630 */
	u64 sysenter_eip;   /* 638 */
	u64 cr2;	    /* 640 */
	u8 reserved648[0x668 - 0x648];
	u64 g_pat;  /* 668 */
	u64 dbgctl; /* 670 */
	u8 reserved678[0x1000 - 0x678];
} __packed __aligned(4096);

_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB is one page");
_Static_assert(offsetof(struct vmcb, pause_threshold) == 0x03c, "VMCB");
_Static_assert(offsetof(struct vmcb, iopm_base) == 0x040, "VMCB");
_Static_assert(offsetof(struct vmcb, asid) == 0x058, "VMCB");
_Static_assert(offsetof(struct vmcb, vintr) == 0x060, "VMCB");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x070, "VMCB");
_Static_assert(offsetof(struct vmcb, np_control) == 0x090, "VMCB");
_Static_assert(offsetof(struct vmcb, event_inj) == 0x0a8, "VMCB");
_Static_assert(offsetof(struct vmcb, n_cr3) == 0x0b0, "VMCB");
_Static_assert(offsetof(struct vmcb, clean) == 0x0c0, "VMCB");
_Static_assert(offsetof(struct vmcb, nrip) == 0x0c8, "VMCB");
_Static_assert(offsetof(struct vmcb, insn) == 0x0d1, "VMCB");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "VMCB save area");
_Static_assert(offsetof(struct vmcb, gdtr) == 0x460, "VMCB save area");
_Static_assert(offsetof(struct vmcb, tr) == 0x490, "VMCB save area");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "VMCB save area");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB save area");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB save area");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "VMCB save area");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "VMCB save area");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "VMCB save area");
_Static_assert(offsetof(struct vmcb, star) == 0x600, "VMCB save area");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "VMCB save area");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "VMCB save area");

#endif
