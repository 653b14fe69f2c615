/* SPDX-License-Identifier: MIT */
/*
 * Architectural registers and bits of the x86-64 processor, in the manuals' spelling
 * (AMD64 APM vol. 2 rev. 3.42; Intel SDM vol. 3 rev. 083), and the instructions that C lacks.
 */
#ifndef PLINTH_X86_H
#define PLINTH_X86_H

#include "types.h"

/* CR0: APM vol. 2 3.1.1 */
#define CR0_PE BIT64(0)
#define CR0_MP BIT64(1)
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3)
#define CR0_ET BIT64(4)
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16)
#define CR0_AM BIT64(18)
#define CR0_NW BIT64(29)
#define CR0_CD BIT64(30)
#define CR0_PG BIT64(31)
#define CR0_KNOWN                                                                                  \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
	 CR0_PG)

/* CR4: SDM vol. 3 2.5 */
#define CR4_VME	       BIT64(0)
#define CR4_PVI	       BIT64(1)
#define CR4_TSD	       BIT64(2)
#define CR4_DE	       BIT64(3)
#define CR4_PSE	       BIT64(4)
#define CR4_PAE	       BIT64(5)
#define CR4_MCE	       BIT64(6)
#define CR4_PGE	       BIT64(7)
#define CR4_PCE	       BIT64(8)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXMMEXCPT BIT64(10)
#define CR4_UMIP       BIT64(11)
#define CR4_LA57       BIT64(12)
#define CR4_VMXE       BIT64(13)
#define CR4_SMXE       BIT64(14)
#define CR4_FSGSBASE   BIT64(16)
#define CR4_PCIDE      BIT64(17)
#define CR4_OSXSAVE    BIT64(18)
#define CR4_KL	       BIT64(19)
#define CR4_SMEP       BIT64(20)
#define CR4_SMAP       BIT64(21)
#define CR4_PKE	       BIT64(22)
#define CR4_CET	       BIT64(23)
#define CR4_PKS	       BIT64(24)

/* EFER: APM vol. 2 3.1.7 */
#define EFER_SCE     BIT64(0)
#define EFER_LME     BIT64(8)
#define EFER_LMA     BIT64(10)
#define EFER_NXE     BIT64(11)
#define EFER_SVME    BIT64(12)
#define EFER_LMSLE   BIT64(13)
#define EFER_FFXSR   BIT64(14)
#define EFER_TCE     BIT64(15)
#define EFER_MCOMMIT BIT64(17)
#define EFER_INTWB   BIT64(18)
#define EFER_UAIE    BIT64(20)
#define EFER_AIBRSE  BIT64(21)

/* RFLAGS: APM vol. 2 3.1.6 */
#define RFLAGS_CF   BIT64(0)
#define RFLAGS_ONE  BIT64(1)
#define RFLAGS_PF   BIT64(2)
#define RFLAGS_AF   BIT64(4)
#define RFLAGS_ZF   BIT64(6)
#define RFLAGS_SF   BIT64(7)
#define RFLAGS_TF   BIT64(8)
#define RFLAGS_IF   BIT64(9)
#define RFLAGS_DF   BIT64(10)
#define RFLAGS_OF   BIT64(11)
#define RFLAGS_IOPL (BIT64(12) | BIT64(13))
#define RFLAGS_NT   BIT64(14)
#define RFLAGS_RF   BIT64(16)
#define RFLAGS_VM   BIT64(17)
#define RFLAGS_AC   BIT64(18)
#define RFLAGS_VIF  BIT64(19)
#define RFLAGS_VIP  BIT64(20)
#define RFLAGS_ID   BIT64(21)
#define RFLAGS_KNOWN                                                                           \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_IF |   \
	 RFLAGS_DF | RFLAGS_OF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC | \
	 RFLAGS_VIF | RFLAGS_VIP | RFLAGS_ID)

/* Debug registers: APM vol. 2 13.1.1 */
#define DR6_RESET 0xffff0ff0ULL
#define DR6_HITS  0xfULL /* B0 to B3 */
#define DR6_BD	  BIT64(13)
#define DR6_BS	  BIT64(14)
#define DR6_BT	  BIT64(15)
#define DR7_RESET 0x400ULL
#define DR7_GD	  BIT64(13)

/* XCR0: SDM vol. 1 13.3 */
#define XCR0_X87 BIT64(0)
#define XCR0_SSE BIT64(1)
#define XCR0_AVX BIT64(2)

/* Exception vectors: APM vol. 2 8.2 */
enum vector {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_DF = 8,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_MC = 18,
	VEC_XM = 19,
	VEC_VE = 20,
	VEC_CP = 21,
	VEC_SX = 30,
};

/* Exceptions that push an error code, of those that a guest here can meet: SDM vol. 3 6.15; also those of 27.2.1.3. */
#define VECTORS_WITH_ERROR                                                                   \
	(BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
	 BIT(VEC_AC))

/* Page-fault error code: APM vol. 2 8.4.2 */
#define PFERR_P	   BIT(0)
#define PFERR_W	   BIT(1)
#define PFERR_U	   BIT(2)
#define PFERR_RSVD BIT(3)
#define PFERR_I	   BIT(4)
#define PFERR_PK   BIT(5)

/* Page-table entries: APM vol. 2 5.3 */
#define PTE_P	 BIT64(0)
#define PTE_W	 BIT64(1)
#define PTE_U	 BIT64(2)
#define PTE_PWT	 BIT64(3)
#define PTE_PCD	 BIT64(4)
#define PTE_A	 BIT64(5)
#define PTE_D	 BIT64(6)
#define PTE_PS	 BIT64(7)
#define PTE_G	 BIT64(8)
#define PTE_NX	 BIT64(63)
#define PTE_ADDR 0x000ffffffffff000ULL

/* Segment attributes in descriptor layout: byte 5 in bits 0-7, the high nibble of byte 6 in 12-15. */
#define SEG_TYPE_MASK	    0x000fU
#define SEG_A		    BIT(0)
#define SEG_W		    BIT(1) /* data: writable */
#define SEG_R		    BIT(1) /* code: readable */
#define SEG_E		    BIT(2) /* data: expand-down; code: conforming */
#define SEG_CODE	    BIT(3)
#define SEG_S		    BIT(4)
#define SEG_DPL_SHIFT	    5
#define SEG_DPL(a)	    (((a) >> SEG_DPL_SHIFT) & 3U)
#define SEG_P		    BIT(7)
#define SEG_AVL		    BIT(12)
#define SEG_L		    BIT(13)
#define SEG_DB		    BIT(14)
#define SEG_G		    BIT(15)
#define SEG_TYPE_LDT	    0x2U
#define SEG_TYPE_TSS16_BUSY 0x3U
#define SEG_TYPE_TSS_BUSY   0xbU

/* Memory types as MTRR and PAT encode them: SDM vol. 3 12.3 */
enum memtype {
	MEMTYPE_UC = 0,
	MEMTYPE_WC = 1,
	MEMTYPE_WT = 4,
	MEMTYPE_WP = 5,
	MEMTYPE_WB = 6,
	MEMTYPE_UC_MINUS = 7,
};
#define PAT_RESET 0x0007040600070406ULL

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((u64)hi << 32) | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((u64)hi << 32) | lo;
}

static inline u64 xgetbv(u32 xcr)
{
	u32 lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(xcr));
	return ((u64)hi << 32) | lo;
}

static inline void xsetbv(u32 xcr, u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(xcr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

#define DEFINE_REG_ACCESSORS(reg)                                               \
	static inline u64 read_##reg(void)                                      \
	{                                                                       \
		u64 v;                                                          \
		__asm__ volatile("movq %%" #reg ", %0" : "=r"(v) : : "memory"); \
		return v;                                                       \
	}                                                                       \
	static inline void write_##reg(u64 v)                                   \
	{                                                                       \
		__asm__ volatile("movq %0, %%" #reg : : "r"(v) : "memory");     \
	}

DEFINE_REG_ACCESSORS(cr0)
DEFINE_REG_ACCESSORS(cr2)
DEFINE_REG_ACCESSORS(cr3)
DEFINE_REG_ACCESSORS(cr4)
DEFINE_REG_ACCESSORS(dr0)
DEFINE_REG_ACCESSORS(dr1)
DEFINE_REG_ACCESSORS(dr2)
DEFINE_REG_ACCESSORS(dr3)
DEFINE_REG_ACCESSORS(dr6)
DEFINE_REG_ACCESSORS(dr7)

static inline void invlpg(const void *va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Takes what is pending now: one instruction after STI is still shadowed. */
static inline void irq_window(void)
{
	__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
}

/* Sleeps until an interrupt was taken; entered and left with interrupts off, without a lost wake-up. */
static inline void irq_wait(void)
{
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

static inline void cpu_pause(void)
{
	__builtin_ia32_pause();
}

#endif
