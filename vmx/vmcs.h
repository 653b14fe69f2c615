/* SPDX-License-Identifier: MIT */
/*
 * The virtual-machine control structure: its fields in one table, from which accessors, dump and
 * checks derive, and the encodings inside them. SDM vol. 3 rev. 083, ch. 25 and appendix B.
 */
#ifndef PLINTH_VMX_VMCS_H
#define PLINTH_VMX_VMCS_H

#include "types.h"

/* --- controls: 25.6 to 25.8 ------------------------------------------------------------------ */

/* The five words of controls; a control is named by its word and its bit. */
enum vmx_word {
	WORD_PIN,
	WORD_PROC,
	WORD_PROC2,
	WORD_EXIT,
	WORD_ENTRY,
	NR_WORDS,
};

#define CTL(word, bit) ((word) << 5 | (bit))
#define CTL_WORD(c)    ((c) >> 5)
#define CTL_BIT(c)     BIT((c)&31U)

enum vmx_control {
	PIN_EXTERNAL_INTERRUPT = CTL(WORD_PIN, 0),
	PIN_NMI = CTL(WORD_PIN, 3),
	PIN_VIRTUAL_NMIS = CTL(WORD_PIN, 5),
	PIN_PREEMPTION_TIMER = CTL(WORD_PIN, 6),
	PIN_POSTED_INTERRUPTS = CTL(WORD_PIN, 7),

	PROC_INTERRUPT_WINDOW = CTL(WORD_PROC, 2),
	PROC_TSC_OFFSET = CTL(WORD_PROC, 3),
	PROC_HLT = CTL(WORD_PROC, 7),
	PROC_INVLPG = CTL(WORD_PROC, 9),
	PROC_MWAIT = CTL(WORD_PROC, 10),
	PROC_RDPMC = CTL(WORD_PROC, 11),
	PROC_RDTSC = CTL(WORD_PROC, 12),
	PROC_CR3_LOAD = CTL(WORD_PROC, 15),
	PROC_CR3_STORE = CTL(WORD_PROC, 16),
	PROC_CR8_LOAD = CTL(WORD_PROC, 19),
	PROC_CR8_STORE = CTL(WORD_PROC, 20),
	PROC_TPR_SHADOW = CTL(WORD_PROC, 21),
	PROC_NMI_WINDOW = CTL(WORD_PROC, 22),
	PROC_MOV_DR = CTL(WORD_PROC, 23),
	PROC_UNCONDITIONAL_IO = CTL(WORD_PROC, 24),
	PROC_IO_BITMAPS = CTL(WORD_PROC, 25),
	PROC_MONITOR_TRAP = CTL(WORD_PROC, 27),
	PROC_MSR_BITMAPS = CTL(WORD_PROC, 28),
	PROC_MONITOR = CTL(WORD_PROC, 29),
	PROC_PAUSE = CTL(WORD_PROC, 30),
	PROC_SECONDARY = CTL(WORD_PROC, 31),

	PROC2_APIC_ACCESSES = CTL(WORD_PROC2, 0),
	PROC2_EPT = CTL(WORD_PROC2, 1),
	PROC2_DESCRIPTOR_TABLE = CTL(WORD_PROC2, 2),
	PROC2_RDTSCP = CTL(WORD_PROC2, 3),
	PROC2_X2APIC_MODE = CTL(WORD_PROC2, 4),
	PROC2_VPID = CTL(WORD_PROC2, 5),
	PROC2_WBINVD = CTL(WORD_PROC2, 6),
	PROC2_UNRESTRICTED_GUEST = CTL(WORD_PROC2, 7),
	PROC2_APIC_REGISTERS = CTL(WORD_PROC2, 8),
	PROC2_VIRTUAL_INTERRUPTS = CTL(WORD_PROC2, 9),
	PROC2_PAUSE_LOOP = CTL(WORD_PROC2, 10),
	PROC2_INVPCID = CTL(WORD_PROC2, 12),
	PROC2_VMFUNC = CTL(WORD_PROC2, 13),
	PROC2_VMCS_SHADOWING = CTL(WORD_PROC2, 14),
	PROC2_PML = CTL(WORD_PROC2, 17),
	PROC2_EPT_VE = CTL(WORD_PROC2, 18),
	PROC2_XSAVES = CTL(WORD_PROC2, 20),
	PROC2_TSC_SCALING = CTL(WORD_PROC2, 25),

	EXIT_SAVE_DEBUG = CTL(WORD_EXIT, 2),
	EXIT_HOST_64 = CTL(WORD_EXIT, 9),
	EXIT_LOAD_PERF_GLOBAL = CTL(WORD_EXIT, 12),
	EXIT_ACK_INTERRUPT = CTL(WORD_EXIT, 15),
	EXIT_SAVE_PAT = CTL(WORD_EXIT, 18),
	EXIT_LOAD_PAT = CTL(WORD_EXIT, 19),
	EXIT_SAVE_EFER = CTL(WORD_EXIT, 20),
	EXIT_LOAD_EFER = CTL(WORD_EXIT, 21),
	EXIT_SAVE_PREEMPTION_TIMER = CTL(WORD_EXIT, 22),
	EXIT_CLEAR_BNDCFGS = CTL(WORD_EXIT, 23),

	ENTRY_LOAD_DEBUG = CTL(WORD_ENTRY, 2),
	ENTRY_IA32E = CTL(WORD_ENTRY, 9),
	ENTRY_SMM = CTL(WORD_ENTRY, 10),
	ENTRY_DUAL_MONITOR = CTL(WORD_ENTRY, 11),
	ENTRY_LOAD_PERF_GLOBAL = CTL(WORD_ENTRY, 13),
	ENTRY_LOAD_PAT = CTL(WORD_ENTRY, 14),
	ENTRY_LOAD_EFER = CTL(WORD_ENTRY, 15),
	ENTRY_LOAD_BNDCFGS = CTL(WORD_ENTRY, 16),

	CTL_NONE = CTL(NR_WORDS, 0),
};

/* --- the fields ------------------------------------------------------------------------------- */

/* Bits 14:13 of an encoding: 25.11.2, table 25-21. */
enum vmcs_width {
	W16 = 0,
	W64 = 1,
	W32 = 2,
	WNAT = 3,
};
#define VMCS_WIDTH(encoding) ((enum vmcs_width)((encoding) >> 13 & 3U))

/* X(name, encoding, width, control whose 1-setting must be allowed for the field to exist) */
#define VMCS_FIELDS(X)                                         \
	/* B.1: 16-bit fields */                               \
	X(VPID, 0x0000, W16, PROC2_VPID)                       \
	X(GUEST_ES_SELECTOR, 0x0800, W16, CTL_NONE)            \
	X(GUEST_CS_SELECTOR, 0x0802, W16, CTL_NONE)            \
	X(GUEST_SS_SELECTOR, 0x0804, W16, CTL_NONE)            \
	X(GUEST_DS_SELECTOR, 0x0806, W16, CTL_NONE)            \
	X(GUEST_FS_SELECTOR, 0x0808, W16, CTL_NONE)            \
	X(GUEST_GS_SELECTOR, 0x080a, W16, CTL_NONE)            \
	X(GUEST_LDTR_SELECTOR, 0x080c, W16, CTL_NONE)          \
	X(GUEST_TR_SELECTOR, 0x080e, W16, CTL_NONE)            \
	X(HOST_ES_SELECTOR, 0x0c00, W16, CTL_NONE)             \
	X(HOST_CS_SELECTOR, 0x0c02, W16, CTL_NONE)             \
	X(HOST_SS_SELECTOR, 0x0c04, W16, CTL_NONE)             \
	X(HOST_DS_SELECTOR, 0x0c06, W16, CTL_NONE)             \
	X(HOST_FS_SELECTOR, 0x0c08, W16, CTL_NONE)             \
	X(HOST_GS_SELECTOR, 0x0c0a, W16, CTL_NONE)             \
	X(HOST_TR_SELECTOR, 0x0c0c, W16, CTL_NONE)             \
	/* B.2: 64-bit fields */                               \
	X(IO_BITMAP_A, 0x2000, W64, CTL_NONE)                  \
	X(IO_BITMAP_B, 0x2002, W64, CTL_NONE)                  \
	X(MSR_BITMAP, 0x2004, W64, PROC_MSR_BITMAPS)           \
	X(EXIT_MSR_STORE, 0x2006, W64, CTL_NONE)               \
	X(EXIT_MSR_LOAD, 0x2008, W64, CTL_NONE)                \
	X(ENTRY_MSR_LOAD, 0x200a, W64, CTL_NONE)               \
	X(TSC_OFFSET, 0x2010, W64, CTL_NONE)                   \
	X(VIRTUAL_APIC_PAGE, 0x2012, W64, PROC_TPR_SHADOW)     \
	X(EPT_POINTER, 0x201a, W64, PROC2_EPT)                 \
	X(XSS_EXIT_BITMAP, 0x202c, W64, PROC2_XSAVES)          \
	X(GUEST_PHYSICAL_ADDRESS, 0x2400, W64, PROC2_EPT)      \
	X(VMCS_LINK_POINTER, 0x2800, W64, CTL_NONE)            \
	X(GUEST_DEBUGCTL, 0x2802, W64, CTL_NONE)               \
	X(GUEST_PAT, 0x2804, W64, ENTRY_LOAD_PAT)              \
	X(GUEST_EFER, 0x2806, W64, ENTRY_LOAD_EFER)            \
	X(GUEST_PDPTE0, 0x280a, W64, PROC2_EPT)                \
	X(GUEST_PDPTE1, 0x280c, W64, PROC2_EPT)                \
	X(GUEST_PDPTE2, 0x280e, W64, PROC2_EPT)                \
	X(GUEST_PDPTE3, 0x2810, W64, PROC2_EPT)                \
	X(HOST_PAT, 0x2c00, W64, EXIT_LOAD_PAT)                \
	X(HOST_EFER, 0x2c02, W64, EXIT_LOAD_EFER)              \
	/* B.3: 32-bit fields */                               \
	X(PIN_CONTROLS, 0x4000, W32, CTL_NONE)                 \
	X(PROC_CONTROLS, 0x4002, W32, CTL_NONE)                \
	X(EXCEPTION_BITMAP, 0x4004, W32, CTL_NONE)             \
	X(PF_ERROR_MASK, 0x4006, W32, CTL_NONE)                \
	X(PF_ERROR_MATCH, 0x4008, W32, CTL_NONE)               \
	X(CR3_TARGET_COUNT, 0x400a, W32, CTL_NONE)             \
	X(EXIT_CONTROLS, 0x400c, W32, CTL_NONE)                \
	X(EXIT_MSR_STORE_COUNT, 0x400e, W32, CTL_NONE)         \
	X(EXIT_MSR_LOAD_COUNT, 0x4010, W32, CTL_NONE)          \
	X(ENTRY_CONTROLS, 0x4012, W32, CTL_NONE)               \
	X(ENTRY_MSR_LOAD_COUNT, 0x4014, W32, CTL_NONE)         \
	X(ENTRY_INTERRUPTION_INFO, 0x4016, W32, CTL_NONE)      \
	X(ENTRY_EXCEPTION_ERROR, 0x4018, W32, CTL_NONE)        \
	X(ENTRY_INSN_LENGTH, 0x401a, W32, CTL_NONE)            \
	X(TPR_THRESHOLD, 0x401c, W32, PROC_TPR_SHADOW)         \
	X(PROC2_CONTROLS, 0x401e, W32, PROC_SECONDARY)         \
	X(INSTRUCTION_ERROR, 0x4400, W32, CTL_NONE)            \
	X(EXIT_REASON, 0x4402, W32, CTL_NONE)                  \
	X(EXIT_INTERRUPTION_INFO, 0x4404, W32, CTL_NONE)       \
	X(EXIT_INTERRUPTION_ERROR, 0x4406, W32, CTL_NONE)      \
	X(IDT_VECTORING_INFO, 0x4408, W32, CTL_NONE)           \
	X(IDT_VECTORING_ERROR, 0x440a, W32, CTL_NONE)          \
	X(EXIT_INSN_LENGTH, 0x440c, W32, CTL_NONE)             \
	X(EXIT_INSN_INFO, 0x440e, W32, CTL_NONE)               \
	X(GUEST_ES_LIMIT, 0x4800, W32, CTL_NONE)               \
	X(GUEST_CS_LIMIT, 0x4802, W32, CTL_NONE)               \
	X(GUEST_SS_LIMIT, 0x4804, W32, CTL_NONE)               \
	X(GUEST_DS_LIMIT, 0x4806, W32, CTL_NONE)               \
	X(GUEST_FS_LIMIT, 0x4808, W32, CTL_NONE)               \
	X(GUEST_GS_LIMIT, 0x480a, W32, CTL_NONE)               \
	X(GUEST_LDTR_LIMIT, 0x480c, W32, CTL_NONE)             \
	X(GUEST_TR_LIMIT, 0x480e, W32, CTL_NONE)               \
	X(GUEST_GDTR_LIMIT, 0x4810, W32, CTL_NONE)             \
	X(GUEST_IDTR_LIMIT, 0x4812, W32, CTL_NONE)             \
	X(GUEST_ES_RIGHTS, 0x4814, W32, CTL_NONE)              \
	X(GUEST_CS_RIGHTS, 0x4816, W32, CTL_NONE)              \
	X(GUEST_SS_RIGHTS, 0x4818, W32, CTL_NONE)              \
	X(GUEST_DS_RIGHTS, 0x481a, W32, CTL_NONE)              \
	X(GUEST_FS_RIGHTS, 0x481c, W32, CTL_NONE)              \
	X(GUEST_GS_RIGHTS, 0x481e, W32, CTL_NONE)              \
	X(GUEST_LDTR_RIGHTS, 0x4820, W32, CTL_NONE)            \
	X(GUEST_TR_RIGHTS, 0x4822, W32, CTL_NONE)              \
	X(GUEST_INTERRUPTIBILITY, 0x4824, W32, CTL_NONE)       \
	X(GUEST_ACTIVITY, 0x4826, W32, CTL_NONE)               \
	X(GUEST_SMBASE, 0x4828, W32, CTL_NONE)                 \
	X(GUEST_SYSENTER_CS, 0x482a, W32, CTL_NONE)            \
	X(PREEMPTION_TIMER, 0x482e, W32, PIN_PREEMPTION_TIMER) \
	X(HOST_SYSENTER_CS, 0x4c00, W32, CTL_NONE)             \
	/* B.4: natural-width fields */                        \
	X(CR0_MASK, 0x6000, WNAT, CTL_NONE)                    \
	X(CR4_MASK, 0x6002, WNAT, CTL_NONE)                    \
	X(CR0_SHADOW, 0x6004, WNAT, CTL_NONE)                  \
	X(CR4_SHADOW, 0x6006, WNAT, CTL_NONE)                  \
	X(EXIT_QUALIFICATION, 0x6400, WNAT, CTL_NONE)          \
	X(GUEST_LINEAR_ADDRESS, 0x640a, WNAT, CTL_NONE)        \
	X(GUEST_CR0, 0x6800, WNAT, CTL_NONE)                   \
	X(GUEST_CR3, 0x6802, WNAT, CTL_NONE)                   \
	X(GUEST_CR4, 0x6804, WNAT, CTL_NONE)                   \
	X(GUEST_ES_BASE, 0x6806, WNAT, CTL_NONE)               \
	X(GUEST_CS_BASE, 0x6808, WNAT, CTL_NONE)               \
	X(GUEST_SS_BASE, 0x680a, WNAT, CTL_NONE)               \
	X(GUEST_DS_BASE, 0x680c, WNAT, CTL_NONE)               \
	X(GUEST_FS_BASE, 0x680e, WNAT, CTL_NONE)               \
	X(GUEST_GS_BASE, 0x6810, WNAT, CTL_NONE)               \
	X(GUEST_LDTR_BASE, 0x6812, WNAT, CTL_NONE)             \
	X(GUEST_TR_BASE, 0x6814, WNAT, CTL_NONE)               \
	X(GUEST_GDTR_BASE, 0x6816, WNAT, CTL_NONE)             \
	X(GUEST_IDTR_BASE, 0x6818, WNAT, CTL_NONE)             \
	X(GUEST_DR7, 0x681a, WNAT, CTL_NONE)                   \
	X(GUEST_RSP, 0x681c, WNAT, CTL_NONE)                   \
	X(GUEST_RIP, 0x681e, WNAT, CTL_NONE)                   \
	X(GUEST_RFLAGS, 0x6820, WNAT, CTL_NONE)                \
	X(GUEST_PENDING_DEBUG, 0x6822, WNAT, CTL_NONE)         \
	X(GUEST_SYSENTER_ESP, 0x6824, WNAT, CTL_NONE)          \
	X(GUEST_SYSENTER_EIP, 0x6826, WNAT, CTL_NONE)          \
	X(HOST_CR0, 0x6c00, WNAT, CTL_NONE)                    \
	X(HOST_CR3, 0x6c02, WNAT, CTL_NONE)                    \
	X(HOST_CR4, 0x6c04, WNAT, CTL_NONE)                    \
	X(HOST_FS_BASE, 0x6c06, WNAT, CTL_NONE)                \
	X(HOST_GS_BASE, 0x6c08, WNAT, CTL_NONE)                \
	X(HOST_TR_BASE, 0x6c0a, WNAT, CTL_NONE)                \
	X(HOST_GDTR_BASE, 0x6c0c, WNAT, CTL_NONE)              \
	X(HOST_IDTR_BASE, 0x6c0e, WNAT, CTL_NONE)              \
	X(HOST_SYSENTER_ESP, 0x6c10, WNAT, CTL_NONE)           \
	X(HOST_SYSENTER_EIP, 0x6c12, WNAT, CTL_NONE)           \
	X(HOST_RSP, 0x6c14, WNAT, CTL_NONE)                    \
	X(HOST_RIP, 0x6c16, WNAT, CTL_NONE)

/* VMCS_GUEST_RIP and so on: the encodings. */
#define VMCS_ENUM(name, encoding, width, needs) VMCS_##name = (encoding),
enum vmcs_field {
	VMCS_FIELDS(VMCS_ENUM)
};
#undef VMCS_ENUM

/* Row numbers of the table, for arrays with a place for each field. */
#define VMCS_ENUM(name, encoding, width, needs) VMCS_INDEX_##name,
enum vmcs_index {
	VMCS_FIELDS(VMCS_ENUM) NR_VMCS_FIELDS
};
#undef VMCS_ENUM

struct vmcs_field_info {
	const char *name;
	u16 encoding;
	u8 width;  /* enum vmcs_width */
	u16 needs; /* enum vmx_control, or CTL_NONE: always there */
};
extern const struct vmcs_field_info vmcs_fields[NR_VMCS_FIELDS];

/* The fields of segment register s (enum segreg) lie two apart. */
#define VMCS_SEG(field, s) ((enum vmcs_field)(VMCS_GUEST_ES_##field + 2U * (s)))
_Static_assert(VMCS_SEG(RIGHTS, 7) == VMCS_GUEST_TR_RIGHTS, "segments in the order of enum segreg");

/* --- inside the fields ------------------------------------------------------------------------ */

/* Segment access rights are SEG_* of x86.h and this: 25.4.1 */
#define RIGHTS_UNUSABLE BIT(16)

/* Guest interruptibility state: table 25-3 */
#define INTR_STI     BIT(0)
#define INTR_MOV_SS  BIT(1)
#define INTR_SMI     BIT(2)
#define INTR_NMI     BIT(3)
#define INTR_ENCLAVE BIT(4)

/* Guest activity state: 25.4.2 */
#define ACTIVITY_ACTIVE	       0U
#define ACTIVITY_HLT	       1U
#define ACTIVITY_SHUTDOWN      2U
#define ACTIVITY_WAIT_FOR_SIPI 3U

/* VMCS link pointer without a shadow VMCS: 25.4.2 */
#define VMCS_LINK_NONE (~UINT64_C(0))

/* Pending debug exceptions: table 25-4 */
#define PENDING_DEBUG_ENABLED BIT64(12)
#define PENDING_DEBUG_BS      BIT64(14)
#define PENDING_DEBUG_RTM     BIT64(16)

/* Interruption information, the same in its three fields: 25.8.3, 25.9.2, 25.9.3 */
#define INTINFO_VECTOR	   0xffU
#define INTINFO_TYPE_SHIFT 8
#define INTINFO_TYPE_MASK  7U
#define INTINFO_ERROR	   BIT(11)
#define INTINFO_IRET_NMI   BIT(12) /* exit information only: IRET had unblocked NMIs */
#define INTINFO_VALID	   BIT(31)

enum intinfo_type {
	INTINFO_EXTERNAL = 0,
	INTINFO_RESERVED_TYPE = 1,
	INTINFO_NMI = 2,
	INTINFO_EXCEPTION = 3,
	INTINFO_SOFT_INTERRUPT = 4,
	INTINFO_PRIVILEGED = 5,	    /* INT1 */
	INTINFO_SOFT_EXCEPTION = 6, /* INT3, INTO */
	INTINFO_OTHER = 7,
};

/* Exit reasons: appendix C */
#define EXIT_REASON_BASIC	  0xffffU
#define EXIT_REASON_ENTRY_FAILURE BIT(31)

enum vmx_reason {
	REASON_EXCEPTION = 0,
	REASON_EXTERNAL_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_SIPI = 4,
	REASON_IO_SMI = 5,
	REASON_OTHER_SMI = 6,
	REASON_INTERRUPT_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_INVLPG = 14,
	REASON_RDPMC = 15,
	REASON_RDTSC = 16,
	REASON_RSM = 17,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19,
	REASON_VMLAUNCH = 20,
	REASON_VMPTRLD = 21,
	REASON_VMPTRST = 22,
	REASON_VMREAD = 23,
	REASON_VMRESUME = 24,
	REASON_VMWRITE = 25,
	REASON_VMXOFF = 26,
	REASON_VMXON = 27,
	REASON_CR_ACCESS = 28,
	REASON_MOV_DR = 29,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_ENTRY_GUEST_STATE = 33,
	REASON_ENTRY_MSR_LOADING = 34,
	REASON_MWAIT = 36,
	REASON_MONITOR_TRAP = 37,
	REASON_MONITOR = 39,
	REASON_PAUSE = 40,
	REASON_ENTRY_MACHINE_CHECK = 41,
	REASON_TPR_BELOW_THRESHOLD = 43,
	REASON_APIC_ACCESS = 44,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIGURATION = 49,
	REASON_INVEPT = 50,
	REASON_RDTSCP = 51,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_WBINVD = 54,
	REASON_XSETBV = 55,
	REASON_INVPCID = 58,
	REASON_VMFUNC = 59,
	REASON_XSAVES = 63,
	REASON_XRSTORS = 64,
	NR_REASONS,
};

/* Exit qualification of a control-register access: table 28-3 */
#define CR_QUAL_CR(q)	   ((u8)((q)&0xfU))
#define CR_QUAL_TYPE(q)	   ((q) >> 4 & 3U)
#define CR_QUAL_GPR(q)	   ((u8)((q) >> 8 & 0xfU))
#define CR_QUAL_LMSW(q)	   ((u16)((q) >> 16))
#define CR_QUAL_TYPE_WRITE 0U
#define CR_QUAL_TYPE_READ  1U
#define CR_QUAL_TYPE_CLTS  2U
#define CR_QUAL_TYPE_LMSW  3U

/* ... of a MOV DR: table 28-4 */
#define DR_QUAL_DR(q)  ((u8)((q)&7U))
#define DR_QUAL_READ   BIT64(4)
#define DR_QUAL_GPR(q) ((u8)((q) >> 8 & 0xfU))

/* ... of an I/O instruction: table 28-5 */
#define IO_QUAL_SIZE(q) ((u8)(((q)&7U) + 1))
#define IO_QUAL_IN	BIT64(3)
#define IO_QUAL_STRING	BIT64(4)
#define IO_QUAL_REP	BIT64(5)
#define IO_QUAL_PORT(q) ((u16)((q) >> 16))

/* ... of an EPT violation: table 28-7 */
#define EPT_QUAL_READ	   BIT64(0)
#define EPT_QUAL_WRITE	   BIT64(1)
#define EPT_QUAL_FETCH	   BIT64(2)
#define EPT_QUAL_GVA_VALID BIT64(7)
#define EPT_QUAL_FINAL	   BIT64(8) /* else: the access was to a paging structure */
#define EPT_QUAL_IRET_NMI  BIT64(12)

/* ... of a task switch: table 28-2 */
#define TASK_QUAL_SELECTOR(q) ((u16)(q))
#define TASK_QUAL_SOURCE(q)   ((q) >> 30 & 3U)

/* EPT pointer: table 25-9 */
#define EPTP_WB	    6U
#define EPTP_WALK_4 (3U << 3)
#define EPTP_AD	    BIT(6)
#define EPTP_SSS    BIT(7) /* supervisor shadow stacks */

#define VPID_GUEST 1U /* 0 is the host's; one vCPU stands on one CPU */

#endif
