/* SPDX-License-Identifier: MIT */
/*
 * What a 32-bit guest test has to hand beside tap.h: descriptors, traps, and the machine. It starts in flat protected mode, without
 * paging, at CPL 0, with interrupts off.
 */
#ifndef PLINTH_GUEST32_H
#define PLINTH_GUEST32_H

#include "msr.h"
#include "tap.h"

#define GUEST_CS      0x08
#define GUEST_DS      0x10
#define GUEST_USER_CS 0x1b
#define GUEST_USER_DS 0x23
#define GUEST_CS16    0x28
#define GUEST_DS16    0x30
#define GUEST_TSS     0x38 /* tss_setup() */
#define GUEST_FREE    0x40 /* from here to the end for the test */
#define GDT_ENTRIES   64

/* What the stubs push. The last ones: from an outer ring; from virtual-8086 mode. */
struct regs {
	u32 gs, fs, es, ds;
	u32 edi, esi, ebp, unused, ebx, edx, ecx, eax;
	u32 vector, error, eip, cs, eflags;
	u32 esp, ss;
	u32 v86_es, v86_ds, v86_fs, v86_gs;
};

/* SDM vol. 3 figure 8-2. */
struct tss {
	u32 link;
	u32 esp0, ss0, esp1, ss1, esp2, ss2;
	u32 cr3, eip, eflags;
	u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt;
	u16 trap, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "SDM vol. 3 figure 8-2");

/* The test program. Its return ends the machine. */
void guest_main(void);

extern u64 gdt[GDT_ENTRIES];

/* Attributes as in x86.h (SEG_...). The limit is in bytes, or in pages with SEG_G. */
u64 descriptor(u32 base, u32 limit, u32 attr);
void set_descriptor(u16 selector, u64 d);
#define ATTR_TSS   (SEG_P | 0x9U)
#define ATTR_TSS16 (SEG_P | 0x1U)
#define ATTR_LDT   (SEG_P | SEG_TYPE_LDT)
#define ATTR_CODE  (SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_DB | SEG_G)
#define ATTR_DATA  (SEG_P | SEG_S | SEG_W | SEG_A | SEG_DB | SEG_G)
#define ATTR_DPL3  (3U << SEG_DPL_SHIFT)

#define GATE_INTERRUPT 0x8eU
#define GATE_TRAP      0x8fU
#define GATE_TASK      0x85U
#define GATE_DPL3      0x60U
#define GATE_PRESENT   0x80U
/* A gate as it stands in the IDT, GDT or LDT. */
u64 gate(u16 selector, u32 offset, u8 attr);
extern u64 idt[256];
/* All vectors to the stubs. */
void load_idt(void);

/* The TSS of the test itself: ESP0, and an I/O bit map that forbids all ports. */
#define IO_MAP_BYTES 8193
struct main_task {
	struct tss tss;
	u8 io_map[IO_MAP_BYTES]; /* its last byte is all ones: SDM vol. 1 19.5.2 */
};
extern struct main_task main_task;
void tss_setup(void);

/* --- traps: as in guest.h ------------------------------------------------------------------------ */

typedef void (*trap_handler)(struct regs *r);
void on_vector(u8 vector, trap_handler handler);
extern volatile u32 taken[256];
void eoi_handler(struct regs *r);

extern volatile u32 try_error, try_resume;
extern volatile int try_vector;

#define TRY(insn, ...)                                                  \
	({                                                              \
		try_vector = -1;                                        \
		__asm__ volatile("movl $1f, try_resume\n\t" insn "\n1:" \
				 : __VA_ARGS__                          \
				 : "memory", "cc");                     \
		try_resume = 0;                                         \
		try_vector;                                             \
	})

/* --- machine ------------------------------------------------------------------------------------- */

#define LAPIC_PAGE    0xfee00000U
#define LAPIC_VERSION 0x030U
#define LAPIC_TPR     0x080U
#define LAPIC_EOI     0x0b0U
#define LAPIC_SVR     0x0f0U
#define LAPIC_ICR_LO  0x300U
#define ICR_SELF      0x40000U
#define ICR_NMI	      0x400U

static inline u32 lapic_read(u32 reg)
{
	return *(volatile u32 *)(LAPIC_PAGE + reg);
}

/* What it lets come may look at all memory. */
static inline void lapic_write(u32 reg, u32 value)
{
	__asm__ volatile("" : : : "memory");
	*(volatile u32 *)(LAPIC_PAGE + reg) = value;
}

/* Software-enables the LAPIC, masks both 8259s. */
void lapic_enable(void);

#define DEFINE_REG32(reg)                                                       \
	static inline u32 get_##reg(void)                                       \
	{                                                                       \
		u32 v;                                                          \
		__asm__ volatile("movl %%" #reg ", %0" : "=r"(v) : : "memory"); \
		return v;                                                       \
	}                                                                       \
	static inline void set_##reg(u32 v)                                     \
	{                                                                       \
		__asm__ volatile("movl %0, %%" #reg : : "r"(v) : "memory");     \
	}

DEFINE_REG32(cr0)
DEFINE_REG32(cr2)
DEFINE_REG32(cr3)
DEFINE_REG32(cr4)
DEFINE_REG32(dr0)
DEFINE_REG32(dr6)
DEFINE_REG32(dr7)

static inline u32 eflags(void)
{
	u32 v;

	__asm__ volatile("pushfl\n\tpopl %0" : "=r"(v) : : "memory");
	return v;
}

static inline u16 task_register(void)
{
	u16 v;

	__asm__ volatile("str %0" : "=r"(v));
	return v;
}

#endif
