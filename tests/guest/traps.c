/* SPDX-License-Identifier: MIT */
/*
 * Exceptions, interrupts, NMI, single-stepping and shadows: SDM vol. 3 (rev. 083) ch. 6, 18.3; APM vol. 2 (rev. 3.42) ch. 8, 13.1.
 */
#include "guest.h"

#define VEC_SOFT   0x70
#define VEC_IPI	   0x71
#define VEC_IPI2   0x91
#define FREE_RAM   0x700000UL
#define STEPS	   32
#define DR7_EXEC0  0x1U
#define DR7_WRITE0 0x00010001U
#define DR7_IO0	   0x00020001U

static void simple(void)
{
	u32 a = 1, d = 0, z = 0;

	is((u64)TRY("ud2", "+a"(a) :), VEC_UD, "UD2");
	is((u64)TRY("divl %2", "+a"(a), "+d"(d) : "r"(z)), VEC_DE, "DIV by zero");
	a = 0x80000000;
	d = 0xffffffff;
	is((u64)TRY("idivl %2", "+a"(a), "+d"(d) : "r"(-1)), VEC_DE, "IDIV overflow");
	ok(TRY("movl $0, (%1)", "+a"(a)
	       : "r"(0x800000000000ULL)) == VEC_GP &&
		   try_error == 0,
	   "non-canonical data: #GP(0)");
	ok(TRY("movw %w1, %%ds", "+a"(a)
	       : "r"(0x88)) == VEC_GP &&
		   try_error == 0x88,
	   "selector beyond the table: #GP(selector)");
	ok(TRY("movw %w1, %%ss", "+a"(a)
	       : "r"(0)) == VEC_GP ||
		   try_vector == -1,
	   "null SS in ring 0");
	__asm__ volatile("movw %w0, %%ss" : : "r"(GUEST_DS));
	ok(TRY("lidt (%1)", "+a"(a)
	       : "r"(0x8000000000000000ULL)) == VEC_GP,
	   "LIDT from a non-canonical address");
	ok(TRY(".byte 0x06", "+a"(a) :) == VEC_UD, "PUSH ES is undefined in 64-bit mode");
	ok(TRY("lock; nop", "+a"(a) :) == VEC_UD, "LOCK NOP is undefined");
	ok(TRY(".fill 15, 1, 0x66\n\tnop", "+a"(a) :) == VEC_GP, "16 bytes are too long: #GP");
}

/* What the stubs saw. */
static struct regs last;

static void keep(struct regs *r)
{
	last = *r;
}

static void software(void)
{
	u64 next;
	u32 a = 0;

	on_vector(VEC_BP, keep);
	__asm__ volatile("int3\n1:\tleaq 1b(%%rip), %0" : "=r"(next) : : "memory");
	ok(taken[VEC_BP] == 1 && last.rip == next, "INT3: a trap, RIP behind it");
	__asm__ volatile("int $3\n1:\tleaq 1b(%%rip), %0" : "=r"(next) : : "memory");
	ok(taken[VEC_BP] == 2 && last.rip == next, "INT 3 with two bytes: RIP behind it");
	on_vector(VEC_BP, NULL);
	on_vector(VEC_SOFT, keep);
	__asm__ volatile("int $0x70\n1:\tleaq 1b(%%rip), %0" : "=r"(next) : : "memory");
	ok(taken[VEC_SOFT] == 1 && last.rip == next, "INT n: RIP behind it");
	ok(!(last.rflags & RFLAGS_IF), "INT n: RFLAGS are saved");
	on_vector(VEC_DB, keep);
	/* QEMU's software emulation does not know it. */
	a = (u32)TRY("leaq 2f(%%rip), %1\n\t.byte 0xf1\n2:", "+a"(a), "=&r"(next) :);
	ok(a == (u32)-1 && taken[VEC_DB] == 1 && last.rip == next, "ICEBP: #DB, RIP behind it");
	on_vector(VEC_DB, NULL);
	set_gate(VEC_SOFT, GATE_ABSENT, 0);
	/* QEMU's error code has the vector times 16. */
	ok(TRY("int $0x70", "+a"(a)
	       :) == VEC_NP &&
		   try_error == (VEC_SOFT << 3 | 2),
	   "INT n, gate not present: #NP(IDT)");
	set_gate(VEC_SOFT, GATE_INTERRUPT, 0);
	on_vector(VEC_SOFT, NULL);
}

/* QEMU's error code lacks P where reserved bits are set. */
static void page_faults(void)
{
	static const struct {
		u64 entry;
		u8 write;
		int vector;
		u32 error;
		const char *name;
	} rows[] = {
		{ FREE_RAM | PTE_P | PTE_W, 1, -1, 0, "write to a writable page" },
		{ 0, 0, VEC_PF, 0, "read of a missing page" },
		{ 0, 1, VEC_PF, PFERR_W, "write to a missing page" },
		{ FREE_RAM | PTE_P, 1, VEC_PF, PFERR_P | PFERR_W,
		  "write to a read-only page (WP)" },
		{ FREE_RAM | PTE_P, 0, -1, 0, "read of a read-only page" },
		{ FREE_RAM | PTE_P | PTE_W | BIT64(51), 0, VEC_PF, PFERR_P | PFERR_RSVD,
		  "reserved physical bit" },
		{ FREE_RAM | PTE_P | PTE_W | PTE_NX, 0, VEC_PF, PFERR_P | PFERR_RSVD,
		  "NX bit without NXE" },
	};
	u64 old = *pte_of(FREE_RAM);

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NXE);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 a = 0;
		int vector;

		/* With all 52 bits there is none to be reserved. */
		if ((rows[i].entry & BIT64(51)) && (cpuid(0x80000008, 0).eax & 0xff) > 51) {
			skip("page fault: reserved physical bit", "52 bits");
			continue;
		}
		write_cr2(0);
		map_page(FREE_RAM, rows[i].entry);
		if (rows[i].write)
			vector = TRY("movl %0, (%1)", "+a"(a) : "r"(FREE_RAM + 8));
		else
			vector = TRY("movl (%1), %0", "+a"(a) : "r"(FREE_RAM + 8));
		ok(vector == rows[i].vector && (vector == -1 || (try_error == rows[i].error &&
								 read_cr2() == FREE_RAM + 8)),
		   "page fault: %s", rows[i].name);
	}
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	map_page(FREE_RAM, FREE_RAM | PTE_P | PTE_W | PTE_NX);
	*(volatile u8 *)FREE_RAM = 0xc3;
	{
		u32 a = 0;
		int vector = TRY("jmp *%1", "+a"(a) : "r"(FREE_RAM));

		ok(vector == VEC_PF && (try_error & ~PFERR_RSVD) == (PFERR_P | PFERR_I),
		   "page fault: fetch from an NX page");
	}
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NXE);
	map_page(FREE_RAM, old);
}

/* Returns behind the macro, not to the faulting instruction. */
static void double_fault(struct regs *r)
{
	last = *r;
	r->rip = try_resume;
	try_resume = 0;
}

static void double_faults(void)
{
	u64 nothing;
	u32 a = 0;

	on_vector(VEC_DF, double_fault);
	tss_setup();
	set_gate(VEC_DF, GATE_INTERRUPT, 1);
	set_gate(VEC_GP, GATE_ABSENT, 0);
	TRY("movl $0, (%1)", "+a"(a) : "r"(0x800000000000ULL));
	set_gate(VEC_GP, GATE_INTERRUPT, 0);
	ok(taken[VEC_DF] == 1 && last.error == 0, "#GP whose gate is missing: #DF(0)");
	set_gate(VEC_PF, GATE_ABSENT, 0);
	map_page(FREE_RAM, 0);
	TRY("movl $0, (%1)", "+a"(a) : "r"(FREE_RAM));
	set_gate(VEC_PF, GATE_INTERRUPT, 0);
	ok(taken[VEC_DF] == 2, "#PF whose gate is missing: #DF");
	set_gate(VEC_UD, GATE_ABSENT, 0);
	a = (u32)TRY("ud2", "+a"(a) :);
	set_gate(VEC_UD, GATE_INTERRUPT, 0);
	ok(a == VEC_NP && taken[VEC_DF] == 2, "#UD whose gate is missing: #NP");
	/* The same out of an emulated instruction: RDMSR of nothing. */
	set_gate(VEC_GP, GATE_ABSENT, 0);
	try_rdmsr(0x3fffffff, &nothing);
	set_gate(VEC_GP, GATE_INTERRUPT, 0);
	/* QEMU has no such #GP, and forgets what it was delivering when its AMD-V injects one. */
	ok(taken[VEC_DF] == 3, "#GP of an exit whose gate is missing: #DF");
	set_gate(VEC_DF, GATE_INTERRUPT, 0);
	on_vector(VEC_DF, NULL);
	map_page(FREE_RAM, FREE_RAM | PTE_P | PTE_W | PTE_U);
}

/* --- single-stepping ----------------------------------------------------------------------------- */

static u64 step_rip[STEPS];
static volatile u32 steps;
static u64 step_dr6;

static void step(struct regs *r)
{
	if (steps < STEPS)
		step_rip[steps] = r->rip;
	steps++;
	step_dr6 |= read_dr6();
	write_dr6(DR6_RESET);
}

/* TF on, one instruction, TF off: a #DB behind each of the three instructions after POPF. */
#define STEP(name, insn, ...)                                                       \
	do {                                                                        \
		u64 after_, a_ = 0;                                                 \
		bool behind_ = false;                                               \
		steps = 0;                                                          \
		step_dr6 = 0;                                                       \
		__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t" insn  \
				 "\n2:\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n" \
				 "\tleaq 2b(%%rip), %1"                             \
				 : "+a"(a_), "=&r"(after_)                          \
				 : __VA_ARGS__                                      \
				 : "memory", "cc", "rbx", "rdx");                   \
		for (u32 i_ = 0; i_ < steps && i_ < STEPS; i_++)                    \
			behind_ = behind_ || step_rip[i_] == after_;                \
		ok(behind_ &&step_rip[0] == after_, "TF: #DB behind " name);        \
		ok(step_dr6 &DR6_BS, "TF: DR6.BS behind " name);                    \
	} while (0)

static void single_step(void)
{
	on_vector(VEC_DB, step);
	write_dr6(DR6_RESET);
	STEP("NOP", "nop", "c"(0));
	STEP("CPUID", "cpuid", "c"(0));
	STEP("IN", "inb $0x61, %%al", "c"(0));
	STEP("OUT", "outb %%al, $0x80", "c"(0));
	STEP("RDMSR", "rdmsr", "c"(MSR_APIC_BASE));
	STEP("MOV from CR0", "movq %%cr0, %%rax", "c"(0));
	STEP("MOV from CR8", "movq %%cr8, %%rax", "c"(0));
	STEP("MMIO read", "movl (%%rcx), %%eax", "c"(LAPIC_PAGE + LAPIC_VERSION));
	STEP("MMIO write", "movl %%eax, (%%rcx)", "c"(LAPIC_PAGE + LAPIC_TPR));
	STEP("WBINVD", "wbinvd", "c"(0));
	{
		/* A repeated instruction: one behind each iteration, RIP still at it but for the last. */
		u8 buffer[4];
		void *p = buffer;
		u64 n = 3, after, start;

		steps = 0;
		__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n3:\trep insb\n"
				 "2:\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n"
				 "\tleaq 2b(%%rip), %2\n\tleaq 3b(%%rip), %3"
				 : "+D"(p), "+c"(n), "=&r"(after), "=&r"(start)
				 : "d"(0x2f0)
				 : "memory", "cc");
		ok(step_rip[0] == start && step_rip[1] == start && step_rip[2] == after,
		   "TF: #DB behind each iteration of REP INSB");
	}
	on_vector(VEC_DB, NULL);
}

/* --- breakpoints ---------------------------------------------------------------------------------- */

static volatile u32 hits;
static u64 hit_rip, hit_dr6, hit_rflags;

static void hit(struct regs *r)
{
	hits++;
	hit_rip = r->rip;
	hit_dr6 = read_dr6();
	hit_rflags = r->rflags;
	write_dr6(DR6_RESET);
	r->rflags |= RFLAGS_RF; /* so that an instruction breakpoint lets it pass */
}

static u32 watched;

static void breakpoints(void)
{
	u64 at;
	u32 got;

	on_vector(VEC_DB, hit);
	__asm__ volatile("leaq 1f(%%rip), %0\n\tmovq %0, %%dr0\n\tmovq %1, %%dr7\n1:\tnop"
			 : "=&r"(at)
			 : "r"((u64)DR7_EXEC0));
	write_dr7(DR7_RESET);
	ok(hits == 1 && hit_rip == at && (hit_dr6 & 1),
	   "DR0: instruction breakpoint, before the instruction");
	ok(!(hit_dr6 & DR6_BS), "DR0: DR6.BS is clear");
	ok(hit_rflags & RFLAGS_RF, "DR0: RF in the saved flags");

	/* On an instruction that exits: once, then RF lets it pass. */
	hits = 0;
	__asm__ volatile("leaq 1f(%%rip), %0\n\tmovq %0, %%dr0\n\tmovq %1, %%dr7\n1:\tcpuid"
			 : "=&r"(at)
			 : "r"((u64)DR7_EXEC0)
			 : "rax", "rbx", "rcx", "rdx");
	write_dr7(DR7_RESET);
	ok(hits == 1 && hit_rip == at, "DR0: breakpoint on CPUID hits once");

	hits = 0;
	write_dr0((u64)&watched);
	__asm__ volatile("movq %1, %%dr7\n\tmovl $7, watched(%%rip)\n1:\tleaq 1b(%%rip), %0"
			 : "=r"(at)
			 : "r"((u64)DR7_WRITE0 | 0xc0000));
	write_dr7(DR7_RESET);
	ok(hits == 1 && hit_rip == at && (hit_dr6 & 1) && watched == 7,
	   "DR0: write breakpoint, behind the instruction");
	hits = 0;
	write_dr7(DR7_WRITE0 | 0xc0000);
	got = *(volatile u32 *)&watched;
	write_dr7(DR7_RESET);
	ok(hits == 0 && got == 7, "DR0: a read does not hit a write breakpoint");

	write_dr1(0x123456789a);
	is(read_dr1(), 0x123456789a, "DR1 reads back");
	write_dr1(0);
	is(read_dr7() & 0x400, 0x400, "DR7: bit 10 is one");
	{
		u32 a = 0;

		write_cr4(read_cr4() | CR4_DE);
		ok(TRY("movq %%dr4, %%rax", "+a"(a) :) == VEC_UD, "DR4 with CR4.DE: #UD");
		write_cr4(read_cr4() & ~CR4_DE);
		ok(TRY("movq %%rax, %%dr6", "+a"(a) :) == -1, "DR6 can be written");
		inside_only(TRY("movq %1, %%dr7", "+a"(a)
				: "r"(0x100000000ULL)) == VEC_GP,
			    "DR7: upper half is #GP");
	}
	/* GD: the next access to a debug register traps, and clears it. */
	hits = 0;
	write_dr7(DR7_RESET | DR7_GD);
	at = read_dr0();
	ok(hits == 1 && (hit_dr6 & DR6_BD), "DR7.GD: access traps with DR6.BD");
	write_dr7(DR7_RESET);
	write_dr6(DR6_RESET);
	on_vector(VEC_DB, NULL);
}

/* --- interrupts ------------------------------------------------------------------------------------ */

static volatile u64 interrupted_at;

static void irq(struct regs *r)
{
	interrupted_at = r->rip;
	lapic_write(LAPIC_EOI, 0);
}

/* An interrupt is pending; op opens it, and the label behind one more instruction is where it must come. */
#define SHADOW(name, op)                                                            \
	do {                                                                        \
		u64 want_;                                                          \
		interrupted_at = 0;                                                 \
		on_vector(VEC_IPI, irq);                                            \
		lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);                      \
		__asm__ volatile(op "\n2:\tnop\n\tcli\n\tleaq 2b(%%rip), %0"        \
				 : "=&r"(want_)                                     \
				 : "r"(GUEST_DS)                                    \
				 : "memory", "cc", "rax", "rbx", "rcx", "rdx");     \
		ok(taken[VEC_IPI] == 1 && interrupted_at == want_, name);           \
		if (interrupted_at != want_)                                        \
			print("# %u times, at %lx, expected %lx\n", taken[VEC_IPI], \
			      interrupted_at, want_);                               \
	} while (0)

static void shadows(void)
{
	u64 inside = 0;

	SHADOW("STI: the next instruction is shadowed", "sti\n\tnop");
	SHADOW("STI: a shadowed instruction that exits", "sti\n\tcpuid");
	SHADOW("STI: a shadowed IN", "sti\n\tinb $0x61, %%al");
	SHADOW("STI: a shadowed MMIO read",
	       "movl $0xfee00030, %%ecx\n\tsti\n\tmovl (%%rcx), %%eax");
	SHADOW("POPF opens without a shadow", "pushfq\n\torq $0x200, (%%rsp)\n\tpopfq");
	SHADOW("STI; CLI lets nothing in", "sti\n\tcli\n\tsti\n\tnop");
	/* MOV SS shadows one instruction: with IF already on. */
	on_vector(VEC_IPI, irq);
	interrupted_at = 0;
	__asm__ volatile(
		"sti\n\tmovw %w1, %%ss\n\tmovl %2, (%3)\n2:\tnop\n\tcli\n\tleaq 2b(%%rip), %0"
		: "=&r"(inside)
		: "r"(GUEST_DS), "r"(ICR_SELF | VEC_IPI), "r"(LAPIC_PAGE + LAPIC_ICR_LO)
		: "memory");
	ok(taken[VEC_IPI] == 1 && interrupted_at == inside,
	   "a self-IPI with IF comes behind its MOV");
	on_vector(VEC_IPI, irq);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	__asm__ volatile("sti\n\tcli" : : : "memory");
	is(taken[VEC_IPI], 0, "STI; CLI: still pending");
	irq_window();
	is(taken[VEC_IPI], 1, "STI; CLI: taken later");
}

static void halt(void)
{
	on_vector(VEC_IPI, irq);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	irq_wait();
	is(taken[VEC_IPI], 1, "STI; HLT with one pending: wakes at once");
	on_vector(VEC_IPI2, irq);
	on_vector(VEC_IPI, irq);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI2);
	irq_window();
	ok(taken[VEC_IPI] == 1 && taken[VEC_IPI2] == 1, "two pending ones both come");
}

/* --- NMI --------------------------------------------------------------------------------------------- */

static volatile u32 nmi_depth, nmi_max;

static void nmi(struct regs *r)
{
	(void)r;
	nmi_depth++;
	if (nmi_depth > nmi_max)
		nmi_max = nmi_depth;
	if (taken[VEC_NMI] == 1) {
		/* Blocked until our IRET. */
		lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
		for (u32 i = 0; i < 100; i++)
			(void)inb(0x61);
	}
	nmi_depth--;
}

static void nmis(void)
{
	on_vector(VEC_NMI, nmi);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	for (u32 i = 0; i < 100 && taken[VEC_NMI] < 2; i++)
		(void)inb(0x61);
	is(taken[VEC_NMI], 2, "NMI: a second one comes after IRET");
	is(nmi_max, 1, "NMI: blocked within its handler");
	taken[VEC_NMI] = 2;
	irq_disable();
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	for (u32 i = 0; i < 100 && taken[VEC_NMI] < 3; i++)
		(void)inb(0x61);
	is(taken[VEC_NMI], 3, "NMI: comes with IF clear");
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	__asm__ volatile("nop");
	for (u32 i = 0; i < 100 && taken[VEC_NMI] < 4; i++)
		(void)inb(0x61);
	is(taken[VEC_NMI], 4, "NMI: the fourth");
	on_vector(VEC_NMI, NULL);
}

static volatile int user_vector;
static u64 unaligned;

static void user_align(u64 arg)
{
	u64 a = 0;

	(void)arg;
	__asm__ volatile("pushfq\n\torq $0x40000, (%%rsp)\n\tpopfq" : : : "memory", "cc");
	user_vector = TRY("movl (%1), %k0", "+a"(a) : "r"((u8 *)&unaligned + 1));
	__asm__ volatile("pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq" : : : "memory", "cc");
}

static void user_hlt(u64 arg)
{
	u64 a = 0, c = 0, d = 0;

	user_vector = arg == 0	 ? TRY("hlt", "+a"(a)
				       :)
		      : arg == 1 ? TRY("cli", "+a"(a)
				       :)
		      : arg == 2 ? TRY("movq %%cr0, %%rax", "+a"(a)
				       :)
		      : arg == 3 ? TRY("int $0x20", "+a"(a)
				       :)
		      : arg == 4 ? TRY("wbinvd", "+a"(a)
				       :)
		      : arg == 5 ? TRY("invlpg (%%rax)", "+a"(a)
				       :)
		      : arg == 6 ? TRY("movq %%rax, %%dr7", "+a"(a)
				       :)
				 : TRY("movq %%rbx, %%r11\n\tcpuid\n\tmovq %%r11, %%rbx", "+a"(a),
				       "+c"(c), "+d"(d)
				       :);
}

static void ring3(void)
{
	static const char *const names[] = { "HLT",	     "CLI",
					     "MOV from CR0", "INT to a kernel gate",
					     "WBINVD",	     "INVLPG",
					     "MOV to DR7" };

	tss_setup();
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		call_user(user_hlt, i);
		is((u64)user_vector, VEC_GP, "ring 3: %s is #GP", names[i]);
	}
	call_user(user_hlt, ARRAY_SIZE(names));
	is((u64)user_vector, (u64)-1, "ring 3: CPUID is allowed");
	write_cr0(read_cr0() | CR0_AM);
	call_user(user_align, 0);
	/* QEMU's software emulation has no alignment check. */
	ok(user_vector == VEC_AC, "ring 3: unaligned with AC: #AC");
	write_cr0(read_cr0() & ~CR0_AM);
}

void guest_main(void)
{
	lapic_enable();
	simple();
	software();
	page_faults();
	double_faults();
	single_step();
	breakpoints();
	shadows();
	halt();
	nmis();
	ring3();
}
