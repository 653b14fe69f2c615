/* SPDX-License-Identifier: MIT */
/*
 * What a guest test has to hand: a console, TAP results, interrupt handlers, and an end. Runs bare in an emulator and inside
 * Plinth alike.
 */
#ifndef PLINTH_GUEST_TEST_H
#define PLINTH_GUEST_TEST_H

#include "msr.h"
#include "tap.h"

#define GUEST_CS      0x08
#define GUEST_DS      0x10
#define GUEST_CS32    0x18
#define GUEST_USER_CS 0x33
#define GUEST_USER_DS 0x3b
#define GUEST_TSS     0x40

/* What the stubs push. */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* The test program. Its return ends the machine. */
void guest_main(void);

/*
 * The processor below checks little (QEMU's software emulation, bare or below Plinth): an illegal CR0 ends the run rather than a
 * check.
 */
extern bool lax_processor;

/* --- traps ------------------------------------------------------------------------------------- */

typedef void (*trap_handler)(struct regs *r);
/* NULL: an exception then ends the test with a "Bail out!". */
void on_vector(u8 vector, trap_handler handler);
/* How often the vector was taken since on_vector(). */
extern volatile u32 taken[256];

/* The IDT's gate of a vector: type and DPL (GATE_...), and the IST stack (0: none). */
#define GATE_INTERRUPT 0x8eU
#define GATE_TRAP      0x8fU
#define GATE_USER      0xeeU
#define GATE_ABSENT    0x0eU
void set_gate(u8 vector, u8 attr, u8 ist);
/* Loads IDTR again, with all gates as at the start. */
void load_idt(void);
/* A handler for interrupts of the LAPIC: counts, and ends the interrupt. */
void eoi_handler(struct regs *r);

/*
 * Runs an instruction that may fault: "TRY(asm statement with 1f-style labels not needed)". Vector of the exception it raised, or
 * -1; the error code goes to try_error. Resumes at the statement after the macro.
 */
extern volatile u32 try_error;
extern volatile u64 try_resume;
extern volatile int try_vector;

#define TRY(insn, ...)                                                                             \
	({                                                                                         \
		try_vector = -1;                                                                   \
		__asm__ volatile("leaq 1f(%%rip), %%r11\n\tmovq %%r11, try_resume(%%rip)\n\t" insn \
				 "\n1:"                                                            \
				 : __VA_ARGS__                                                     \
				 : "r11", "memory", "cc");                                         \
		try_resume = 0;                                                                    \
		try_vector;                                                                        \
	})

int try_rdmsr(u32 msr, u64 *value); /* vector or -1 */
int try_wrmsr(u32 msr, u64 value);

/*
 * Calls fn in ring 3 (all memory is a user's); fn must not print. TRY works there too. The TSS has RSP0, IST1 and an I/O bit map that
 * forbids all ports.
 */
void tss_setup(void);
void call_user(void (*fn)(u64 arg), u64 arg);

/* --- real mode (real.asm) ------------------------------------------------------------------------- */

struct real_regs {
	u32 eax, ebx, ecx, edx, esi, edi;
	u16 flags;
	u16 sp; /* afterwards: REAL_STACK when the service left the stack as it was */
};
#define REAL_STACK 0x6000U

/* INT vector in real mode, with these registers and DS = ES = 0, and what it made of them. The stack grows down from REAL_STACK. */
void real_int(u8 vector, struct real_regs *r);

/* --- machine ------------------------------------------------------------------------------------ */

#define LAPIC_PAGE  0xfee00000UL
#define IOAPIC_PAGE 0xfec00000UL

static inline u32 mmio_read32(u64 address)
{
	return *(volatile u32 *)address;
}

static inline void mmio_write32(u64 address, u32 value)
{
	*(volatile u32 *)address = value;
}

#define LAPIC_VECTOR_MASKED 0x10000U
#define LAPIC_ID	    0x020
#define LAPIC_VERSION	    0x030
#define LAPIC_TPR	    0x080
#define LAPIC_PPR	    0x0a0
#define LAPIC_EOI	    0x0b0
#define LAPIC_LDR	    0x0d0
#define LAPIC_DFR	    0x0e0
#define LAPIC_SVR	    0x0f0
#define LAPIC_ISR	    0x100
#define LAPIC_TMR	    0x180
#define LAPIC_IRR	    0x200
#define LAPIC_ESR	    0x280
#define LAPIC_ICR_LO	    0x300
#define LAPIC_ICR_HI	    0x310
#define LAPIC_LVT_TIMER	    0x320
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_PERF	    0x340
#define LAPIC_LVT_LINT0	    0x350
#define LAPIC_LVT_LINT1	    0x360
#define LAPIC_LVT_ERROR	    0x370
#define LAPIC_TIMER_INIT    0x380
#define LAPIC_TIMER_COUNT   0x390
#define LAPIC_TIMER_DIVIDE  0x3e0

#define ICR_SELF 0x40000U
#define ICR_ALL	 0x80000U
#define ICR_NMI	 0x400U

static inline u32 lapic_read(u32 reg)
{
	return mmio_read32(LAPIC_PAGE + reg);
}

static inline void lapic_write(u32 reg, u32 value)
{
	mmio_write32(LAPIC_PAGE + reg, value);
}

/*
 * Waits with interrupts open at each round until cond holds: true, or false after far more rounds than any emulator needs.
 */
#define WAIT_ROUNDS 300000000U
#define WAIT_FOR(cond)                                               \
	({                                                           \
		bool come_ = false;                                  \
		for (u32 n_ = 0; n_ < WAIT_ROUNDS && !come_; n_++) { \
			irq_window();                                \
			come_ = (cond);                              \
		}                                                    \
		come_;                                               \
	})

/* So many clocks of the 8254's channel 2, polled with interrupts as they are. */
void pit_delay(u16 clocks);

/* The 4 KiB entry of an address in the first 4 GiB, all of which is mapped to itself; splits the large page. */
u64 *pte_of(u64 address);
/* Gives that entry a value, and forgets what was cached. */
void map_page(u64 address, u64 entry);

/* Both 8259s: vectors from base, edge triggered, all masked. */
void pic_setup(u8 base);

/* Software-enables the LAPIC, masks both 8259s, leaves interrupts off. */
void lapic_enable(void);

extern u64 page_tables[];
extern u64 gdt[];

#endif
