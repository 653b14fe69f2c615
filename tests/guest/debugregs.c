/* SPDX-License-Identifier: MIT */
/*
 * Debug exceptions and registers around what exits: TF, RF, breakpoints, DR4 to DR7, INT1, and NMIs whose IRET steps. SDM vol. 3 (rev. 083)
 * ch. 18, 6.7.1, 6.8.1, 6.8.3; APM vol. 2 (rev. 3.42) 13.1.
 */
#include "guest.h"

#define STEPS	     16
#define DR7_EXEC0    0x1U
#define DR7_EXEC1    0x4U
#define DR7_FIXED    0x400U
#define DR6_FIXED    0xffff0ff0ULL
#define DR6_WRITABLE 0xe00fULL
#define BAD_CS	     0x1f8U
#define FREE_RAM     0x700000UL

static volatile u64 step_rip[STEPS], step_flags, step_dr6;
static volatile u32 steps;

static void step(struct regs *r)
{
	if (steps < STEPS)
		step_rip[steps] = r->rip;
	if (!steps++) {
		step_flags = r->rflags;
		step_dr6 = read_dr6();
	}
	write_dr6(DR6_RESET);
}

/* TF on, one instruction, TF off: the first trap is behind the instruction. */
#define STEP(name, insn, ...)                                                                      \
	do {                                                                                       \
		u64 after_, a_ = 0;                                                                \
		steps = 0;                                                                         \
		__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t" insn                 \
				 "\n2:\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n"                \
				 "\tleaq 2b(%%rip), %1"                                            \
				 : "+a"(a_), "=&r"(after_)                                         \
				 : __VA_ARGS__                                                     \
				 : "memory", "cc", "rbx", "rdx");                                  \
		ok(steps &&step_rip[0] == after_ && (step_dr6 & DR6_BS) && step_flags & RFLAGS_TF, \
		   "TF: behind %s", name);                                                         \
	} while (0)

static u64 mmio_word;

static void single_step(void)
{
	on_vector(VEC_DB, step);
	STEP("XCHG with device memory", "xchgl %%eax, (%%rcx)", "c"(LAPIC_PAGE + LAPIC_TPR));
	lapic_write(LAPIC_TPR, 0);
	STEP("OR to device memory", "orl $0, (%%rcx)", "c"(LAPIC_PAGE + LAPIC_TPR));
	STEP("CMP with device memory", "cmpl %%eax, (%%rcx)", "c"(LAPIC_PAGE + LAPIC_VERSION));
	STEP("MOVSD from device memory", "movsl", "S"(LAPIC_PAGE + LAPIC_VERSION), "D"(&mmio_word),
	     "c"(0));
	STEP("MOV to CR8", "movq %%rcx, %%cr8", "c"(0));
	STEP("MOV to CR3", "movq %%rcx, %%cr3", "c"(read_cr3()));
	STEP("MOV to CR4", "movq %%rcx, %%cr4", "c"(read_cr4()));
	STEP("CLTS", "clts", "c"(0));
	STEP("LMSW", "lmsw %%cx", "c"(read_cr0()));
	STEP("WRMSR", "wrmsr", "c"(MSR_SYSENTER_CS));
	STEP("RDTSC", "rdtsc", "c"(0));
	STEP("INVLPG", "invlpg (%%rcx)", "c"(FREE_RAM));
	/* Not held up: the trap is taken at once. The emulators sleep on. */
	if (!under_plinth)
		skip("TF: behind HLT", "the emulator does not wake up");
	else
		STEP("HLT", "hlt", "c"(0));
	on_vector(VEC_DB, NULL);
}

/* --- instruction breakpoints ------------------------------------------------------------------------- */

static volatile u32 hits;
static u64 hit_rip, hit_dr6;

static void hit(struct regs *r)
{
	hits++;
	hit_rip = r->rip;
	hit_dr6 = read_dr6();
	write_dr6(DR6_RESET);
	r->rflags |= RFLAGS_RF;
}

/* Once, before the instruction; RF then lets it pass, and is clear behind it: the NOP there hits too. */
#define BREAK(name, insn, ...)                                                                 \
	do {                                                                                   \
		u64 at_, a_ = 0;                                                               \
		hits = 0;                                                                      \
		__asm__ volatile(                                                              \
			"leaq 1f(%%rip), %1\n\tmovq %1, %%dr0\n\tleaq 2f(%%rip), %1\n\t"       \
			"movq %1, %%dr1\n\tmovl $0x405, %%ebx\n\tmovq %%rbx, %%dr7\n1:\t" insn \
			"\n2:\tnop\n\tmovl $0x400, %%ebx\n\tmovq %%rbx, %%dr7"                 \
			: "+a"(a_), "=&r"(at_)                                                 \
			: __VA_ARGS__                                                          \
			: "memory", "cc", "rbx", "rdx");                                       \
		ok(hits == 2 && hit_rip == at_ && (hit_dr6 & 3) == 2 && !(hit_dr6 & DR6_BS),   \
		   "RF: passes %s once, and is over behind it", name);                         \
	} while (0)

static void breakpoints(void)
{
	on_vector(VEC_DB, hit);
	BREAK("NOP", "nop", "c"(0));
	BREAK("IN", "inb $0x61, %%al", "c"(0));
	BREAK("RDMSR", "rdmsr", "c"(MSR_APIC_BASE));
	BREAK("a read of device memory", "movl (%%rcx), %%eax", "c"(LAPIC_PAGE + LAPIC_VERSION));
	BREAK("a write to device memory", "movl %%eax, (%%rcx)", "c"(LAPIC_PAGE + LAPIC_TPR));
	BREAK("MOV from CR8", "movq %%cr8, %%rax", "c"(0));
	BREAK("WBINVD", "wbinvd", "c"(0));
	on_vector(VEC_DB, NULL);
}

/* --- registers ------------------------------------------------------------------------------------------ */

static void registers(void)
{
	u64 a = 0;

	write_dr6(0);
	is(read_dr6() & ~DR6_WRITABLE & 0xffffffff, DR6_FIXED & ~DR6_WRITABLE,
	   "DR6: reserved bits are ones, bit 12 is zero");
	write_dr6(DR6_FIXED | 0xe00f);
	is(read_dr6() & DR6_WRITABLE, 0xe00f, "DR6: B0 to B3, BD, BS, BT can be written");
	write_dr6(DR6_RESET);
	write_dr7(0);
	is(read_dr7() & 0xdc00, DR7_FIXED, "DR7: bit 10 is one, 11, 12, 14, 15 are zero");
	write_dr7(DR7_FIXED | 0x3ff);
	is(read_dr7() & 0x3ff, 0x3ff, "DR7: enables can be written");
	write_dr7(DR7_FIXED);
	write_cr4(read_cr4() & ~CR4_DE);
	write_dr6(DR6_RESET | BIT64(14));
	ok(TRY("movq %%dr4, %0", "=r"(a) :) == -1 && a == read_dr6(), "DR4 without CR4.DE is DR6");
	ok(TRY("movq %%dr5, %0", "=r"(a) :) == -1 && a == read_dr7(), "DR5 without CR4.DE is DR7");
	write_cr4(read_cr4() | CR4_DE);
	ok(TRY("movq %%dr5, %0", "=r"(a) :) == VEC_UD, "DR5 with CR4.DE: #UD");
	write_cr4(read_cr4() & ~CR4_DE);
	inside_only(TRY("movq %1, %%dr6", "+a"(a)
			: "r"(BIT64(32))) == VEC_GP,
		    "DR6: upper half is #GP");
	write_dr6(DR6_RESET);
	ok(TRY(".byte 0x62, 0x00", "+a"(a)
	       : "b"(&a)) == VEC_UD,
	   "BOUND is undefined in 64-bit mode");
	ok(TRY(".byte 0xce", "+a"(a) :) == VEC_UD, "INTO is undefined in 64-bit mode");
}

/* DR6 of a hit joins what is there: only software clears it. */
static void sticky(void)
{
	on_vector(VEC_DB, step);
	steps = 0;
	write_dr6(DR6_RESET | DR6_BT);
	__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tcpuid\n\t"
			 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
			 :
			 : "a"(0), "c"(0)
			 : "rbx", "rdx", "memory", "cc");
	ok(steps, "DR6: the trap came");
	on_vector(VEC_DB, NULL);
	write_dr6(DR6_RESET);
}

/* --- NMI ---------------------------------------------------------------------------------------------------- */

static volatile u32 nmis, faults;
static volatile u64 fault_flags;
static bool with_step, with_fault;

/* A second one waits for our IRET. */
static void nmi(struct regs *r)
{
	if (++nmis > 1)
		return;
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	for (u32 i = 0; i < 100; i++)
		(void)inb(0x61);
	if (with_step)
		r->rflags |= RFLAGS_TF;
	if (with_fault)
		r->cs = BAD_CS;
}

static void end_steps(struct regs *r)
{
	step(r);
	r->rflags &= ~RFLAGS_TF;
}

/* The IRET is tried again with a frame that it can load. */
static void mend(struct regs *r)
{
	faults++;
	fault_flags = r->rflags;
	((u64 *)r->rsp)[1] = GUEST_CS;
}

static void two_nmis(bool stepping, bool faulting)
{
	nmis = faults = steps = 0;
	with_step = stepping;
	with_fault = faulting;
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	for (u32 i = 0; i < 100 && nmis < 2; i++)
		(void)inb(0x61);
	is(nmis, 2, "NMI: the second one comes (%s)",
	   stepping   ? "IRET sets TF"
	   : faulting ? "IRET faults"
		      : "plain");
}

static void nmi_iret(void)
{
	on_vector(VEC_NMI, nmi);
	on_vector(VEC_DB, end_steps);
	two_nmis(false, false);
	is(steps, 0, "NMI: no #DB that nobody asked for");
	two_nmis(true, false);
	is(steps, 1, "NMI: a TF that IRET loads is not lost");
	on_vector(VEC_GP, mend);
	two_nmis(false, true);
	is(faults, 1, "NMI: IRET's own #GP comes");
	ok(!(fault_flags & RFLAGS_TF), "NMI: with TF clear in the saved flags");
	is(steps, 0, "NMI: and no #DB");
	on_vector(VEC_GP, NULL);
	on_vector(VEC_DB, NULL);
	on_vector(VEC_NMI, NULL);
}

void guest_main(void)
{
	lapic_enable();
	write_dr6(DR6_RESET);
	single_step();
	breakpoints();
	registers();
	sticky();
	nmi_iret();
}
