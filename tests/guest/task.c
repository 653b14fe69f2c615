/* SPDX-License-Identifier: MIT */
/*
 * Task switches: JMP, CALL, IRET, task gates in the GDT and in the IDT, 32-bit and 16-bit TSSs, and all that can fault on the way. SDM vol. 3
 * (rev. 083) ch. 8, 6.12.2, 6.13, 6.14.2.
 */
#include "guest32.h"

enum selector {
	SEL_A = GUEST_FREE, /* the task that is switched to */
	SEL_16 = 0x48,
	SEL_FAULT = 0x50, /* 8 of them: the tasks that take faults */
	SEL_LDT = 0x90,
	SEL_LDT_ABSENT = 0x98,
	SEL_CODE_ABSENT = 0xa0,
	SEL_DATA_ABSENT = 0xa8,
	SEL_READ_ONLY = 0xb0,
	SEL_EXECUTE_ONLY = 0xb8,
	SEL_CONFORMING = 0xc0,
	SEL_CONFORMING3 = 0xc8,
	SEL_TSS_ABSENT = 0xd0,
	SEL_TSS_SHORT = 0xd8,
	SEL_TSS_BUSY = 0xe0,
	SEL_TSS16_SHORT = 0xe8,
	SEL_GATE = 0xf0,
	SEL_GATE_ABSENT = 0xf8,
	SEL_GATE_TO_ABSENT = 0x100,
	SEL_GATE_TO_LDT = 0x108,
	SEL_GATE_TO_NULL = 0x110,
	SEL_CODE16 = 0x118,
	SEL_STACK16 = 0x120,
	SEL_SHORT_CODE = 0x128,
	SEL_TINY_STACK = 0x130,
	SEL_TSS_PAGE = 0x138,
	SEL_NOT_ACCESSED = 0x140,
	SEL_END = 0x1f8, /* the table's last one: null */
	SEL_BEYOND = 0x200,
};

/* In the LDT. */
#define LDT_CODE 0x0c
#define LDT_DATA 0x14
#define LDT_TSS	 0x1c

#define VEC_GATE   0x60
#define VEC_ABSENT 0x61
#define VEC_IPI	   0x71
#define STACK	   2048
#define BUSY	   2U
#define EXT	   1U
#define IDT_ERROR  2U
#define DR7_L1	   4U
#define DR7_G1	   8U
#define DR7_LE	   0x100U

/* What the task found in its registers. Filled by task_entry. */
struct seen {
	u32 eax, ecx, edx, ebx, esp, ebp, esi, edi, eflags;
	u32 es, cs, ss, ds, fs, gs, tr, ldt;
	u32 cr0, cr3, dr7;
	u32 own_type, main_type, probe, count;
};
static volatile struct seen seen __asm__("seen") __attribute__((used));
static u32 *volatile probe __asm__("probe") __attribute__((used));
static u32 probed = 0x600dcafe;

/* Kept by fault_task(). */
static struct {
	int vector;
	u32 error, link, eip, eflags, cr2;
	bool nested;
} fault;
static volatile u32 resume __asm__("resume") __attribute__((used));
static volatile u32 at __asm__("at") __attribute__((used));

static struct tss a __aligned(128), fault_tss[8] __aligned(128);
static u8 a_stack[STACK] __aligned(16), fault_stack[8][STACK] __aligned(16);
static u64 ldt[4];

/* SDM vol. 3 figure 8-10. */
static struct tss16 {
	u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs,
		ss, ds, ldt;
} t16 __aligned(64);
_Static_assert(sizeof(struct tss16) == 44, "SDM vol. 3 figure 8-10");
static u8 stack16[STACK] __aligned(16);
extern u8 task16_entry[], task16_nesting[], task16_code[];

extern u8 task_entry[], task_jumps_back[], task_ends_interrupt[], task_waits[];

#define RECORD                                                                                     \
	"movl %eax, seen\n\tmovl %ecx, seen+4\n\tmovl %edx, seen+8\n\tmovl %ebx, seen+12\n\t"      \
	"movl %esp, seen+16\n\tmovl %ebp, seen+20\n\tmovl %esi, seen+24\n\tmovl %edi, seen+28\n\t" \
	"pushfl\n\tpopl seen+32\n\t"                                                               \
	"movl %es, %eax\n\tmovl %eax, seen+36\n\tmovl %cs, %eax\n\tmovl %eax, seen+40\n\t"         \
	"movl %ss, %eax\n\tmovl %eax, seen+44\n\tmovl %ds, %eax\n\tmovl %eax, seen+48\n\t"         \
	"movl %fs, %eax\n\tmovl %eax, seen+52\n\tmovl %gs, %eax\n\tmovl %eax, seen+56\n\t"         \
	"str %eax\n\tmovzwl %ax, %eax\n\tmovl %eax, seen+60\n\t"                                   \
	"sldt %eax\n\tmovzwl %ax, %eax\n\tmovl %eax, seen+64\n\t"                                  \
	"movl %cr0, %eax\n\tmovl %eax, seen+68\n\tmovl %cr3, %eax\n\tmovl %eax, seen+72\n\t"       \
	"movl %dr7, %eax\n\tmovl %eax, seen+76\n\t"                                                \
	"movzbl gdt+0x40+5, %eax\n\tmovl %eax, seen+80\n\t"                                        \
	"movzbl gdt+0x38+5, %eax\n\tmovl %eax, seen+84\n\t"                                        \
	"movl probe, %eax\n\tmovl (%eax), %eax\n\tmovl %eax, seen+88\n\t"                          \
	"incl seen+92\n"

__asm__("task_entry:\n\t" RECORD "\tiretl\n\tjmp task_entry\n"
	"task_jumps_back:\n\t" RECORD "\tljmp $0x38, $0\n\tjmp task_jumps_back\n"
	"task_ends_interrupt:\n\t" RECORD
	"\tmovl $0, 0xfee000b0\n\tiretl\n\tjmp task_ends_interrupt\n"
	/* Time for another NMI to come, were it not blocked. */
	"task_waits:\n\t" RECORD "\tmovl $0x40400, 0xfee00300\n\tmovl $100, %ecx\n"
	"1:\tinb $0x61, %al\n\tloop 1b\n\tiretl\n\t" RECORD "\tiretl\n\tjmp task_waits\n"
	/* 16-bit code, in a segment of its own. */
	".code16\ntask16_code:\ntask16_nesting:\n\tint $0x60\n"
	"task16_entry:\n\tpushal\n\tpushfl\n\tpushw %es\n\tpushw %cs\n\tpushw %ss\n\tpushw %ds\n\tpushw %fs\n"
	"\tpushw %gs\n\tstr %ax\n\tpushw %ax\n\tiretw\n.code32\n");

/* --- the tasks that take faults ----------------------------------------------------------------------- */

static const u8 fault_vectors[] = { VEC_TS, VEC_NP, VEC_SS, VEC_GP, VEC_PF, VEC_DF, VEC_UD };
#define NO_ERRORS 6 /* the index of the first one without an error code */

extern u8 fault_entries[];
#define FAULT_ENTRY_BYTES 32

void fault_task(u32 index, u32 error);

__asm__(".align 32\nfault_entries:\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6\n\t.align 32\n\t"
	".if \\n == 6\n\tpushl $0\n\t.endif\n\t"
	"pushl $\\n\n\tcall fault_task\n\tiretl\n\t.endr\n.align 32\n");

static struct tss *tss_of(u32 selector)
{
	if (selector == GUEST_TSS)
		return &main_task.tss;
	if (selector == SEL_A)
		return &a;
	return &fault_tss[(selector - SEL_FAULT) / 8 % 8];
}

/* Goes back to the test, wherever the fault came from. */
void fault_task(u32 index, u32 error)
{
	struct tss *own = &fault_tss[index], *from = tss_of(own->link & 0xffff);

	fault.vector = fault_vectors[index];
	fault.error = error;
	fault.link = own->link & 0xffff;
	fault.eip = from->eip;
	fault.eflags = from->eflags;
	fault.nested = eflags() & RFLAGS_NT;
	fault.cr2 = get_cr2();
	own->link = GUEST_TSS;
	main_task.tss.eip = resume;
	main_task.tss.eflags &= ~(u32)RFLAGS_NT;
	gdt[GUEST_TSS / 8] |= (u64)BUSY << 40;
}

static void set_up_tss(struct tss *t, u8 *stack, const u8 *entry)
{
	*t = (struct tss){
		.eip = (u32)entry,
		.eflags = (u32)RFLAGS_ONE,
		.esp = (u32)stack + STACK,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.ds = GUEST_DS,
		.es = GUEST_DS,
		.cr3 = get_cr3(),
		.io_map = sizeof(*t),
	};
}

static void tss_descriptor(u16 selector, const void *t, u32 size, u32 attr)
{
	set_descriptor(selector, descriptor((u32)t, size - 1, attr));
}

/* All is as before the first switch; a's registers have distinct values. */
static void fresh(const u8 *entry)
{
	set_up_tss(&a, a_stack, entry);
	a.eax = 0xa0a0a0a0;
	a.ecx = 0xa1a1a1a1;
	a.edx = 0xa2a2a2a2;
	a.ebx = 0xa3a3a3a3;
	a.ebp = 0xa5a5a5a5;
	a.esi = 0xa6a6a6a6;
	a.edi = 0xa7a7a7a7;
	a.link = 0xdead;
	tss_descriptor(SEL_A, &a, sizeof(a), ATTR_TSS);
	for (u32 i = 0; i < ARRAY_SIZE(fault_vectors); i++) {
		set_up_tss(&fault_tss[i], fault_stack[i], fault_entries + i * FAULT_ENTRY_BYTES);
		tss_descriptor((u16)(SEL_FAULT + 8 * i), &fault_tss[i], sizeof(a), ATTR_TSS);
		idt[fault_vectors[i]] = gate((u16)(SEL_FAULT + 8 * i), 0, GATE_TASK);
	}
	t16 = (struct tss16){
		.ip = (u16)(task16_entry - task16_code),
		.flags = (u16)RFLAGS_ONE,
		.ax = 0xb0b0,
		.cx = 0xb1b1,
		.dx = 0xb2b2,
		.bx = 0xb3b3,
		.sp = STACK,
		.bp = 0xb5b5,
		.si = 0xb6b6,
		.di = 0xb7b7,
		.cs = SEL_CODE16,
		.ss = SEL_STACK16,
		.ds = GUEST_DS,
		.es = GUEST_DS,
	};
	tss_descriptor(SEL_16, &t16, sizeof(t16), ATTR_TSS16);
	idt[VEC_GATE] = gate(SEL_A, 0, GATE_TASK);
	main_task.tss.link = 0;
	main_task.tss.cr3 = get_cr3();
	fault.vector = -1;
	seen.count = 0;
	probe = &probed;
	__asm__ volatile("clts");
}

static void tables(void)
{
	const u32 code = ATTR_CODE, data = ATTR_DATA;

	tss_setup();
	ldt[LDT_CODE / 8] = descriptor(0, 0xfffff, code);
	ldt[LDT_DATA / 8] = descriptor(0, 0xfffff, data);
	ldt[LDT_TSS / 8] = descriptor((u32)&a, sizeof(a) - 1, ATTR_TSS);
	tss_descriptor(SEL_LDT, ldt, sizeof(ldt), ATTR_LDT);
	tss_descriptor(SEL_LDT_ABSENT, ldt, sizeof(ldt), SEG_TYPE_LDT);
	__asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
	set_descriptor(SEL_CODE_ABSENT, descriptor(0, 0xfffff, code & ~SEG_P));
	set_descriptor(SEL_DATA_ABSENT, descriptor(0, 0xfffff, data & ~SEG_P));
	set_descriptor(SEL_READ_ONLY, descriptor(0, 0xfffff, data & ~SEG_W));
	set_descriptor(SEL_EXECUTE_ONLY, descriptor(0, 0xfffff, code & ~SEG_R));
	set_descriptor(SEL_CONFORMING, descriptor(0, 0xfffff, code | SEG_E));
	set_descriptor(SEL_CONFORMING3, descriptor(0, 0xfffff, code | SEG_E | ATTR_DPL3));
	tss_descriptor(SEL_TSS_ABSENT, &a, sizeof(a), ATTR_TSS & ~SEG_P);
	tss_descriptor(SEL_TSS_SHORT, &a, sizeof(a) - 1, ATTR_TSS);
	tss_descriptor(SEL_TSS_BUSY, &a, sizeof(a), ATTR_TSS | BUSY);
	tss_descriptor(SEL_TSS16_SHORT, &t16, sizeof(t16) - 1, ATTR_TSS16);
	set_descriptor(SEL_GATE, gate(SEL_A, 0, GATE_TASK));
	set_descriptor(SEL_GATE_ABSENT, gate(SEL_A, 0, GATE_TASK & ~GATE_PRESENT));
	set_descriptor(SEL_GATE_TO_ABSENT, gate(SEL_TSS_ABSENT, 0, GATE_TASK));
	set_descriptor(SEL_GATE_TO_LDT, gate(LDT_TSS, 0, GATE_TASK));
	set_descriptor(SEL_GATE_TO_NULL, gate(0, 0, GATE_TASK));
	set_descriptor(SEL_CODE16, descriptor((u32)task16_code, 0xffff,
					      SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A));
	set_descriptor(SEL_STACK16,
		       descriptor((u32)stack16, STACK - 1, SEG_P | SEG_S | SEG_W | SEG_A));
	set_descriptor(SEL_SHORT_CODE, descriptor(0, 0xfff, code & ~SEG_G));
	set_descriptor(SEL_TINY_STACK, descriptor((u32)a_stack, 1, data & ~SEG_G));
	idt[VEC_ABSENT] = gate(SEL_A, 0, GATE_TASK & ~GATE_PRESENT);
}

/* --- switches ------------------------------------------------------------------------------------------- */

static struct {
	u32 offset;
	u16 selector;
} __packed far_pointer __asm__("far_pointer") __attribute__((used));

/* The state of this task comes back with it: nothing is clobbered. */
#define SWITCH(insn) \
	__asm__ volatile("movl $1f, resume\n\tmovl $2f, at\n2:\t" insn "\n1:" : : : "memory", "cc")

static void call_task(u32 selector)
{
	far_pointer.selector = (u16)selector;
	SWITCH("lcall *far_pointer");
}

static void jump_task(u32 selector)
{
	far_pointer.selector = (u16)selector;
	SWITCH("ljmp *far_pointer");
}

static void return_task(u32 link)
{
	main_task.tss.link = link;
	__asm__ volatile("pushfl\n\torl $0x4000, (%%esp)\n\tpopfl" : : : "memory", "cc");
	SWITCH("iretl");
}

static u32 type_of(u32 selector)
{
	return (u32)(gdt[selector / 8] >> 40) & SEG_TYPE_MASK;
}

static bool registers_came(void)
{
	return seen.eax == 0xa0a0a0a0 && seen.ecx == 0xa1a1a1a1 && seen.edx == 0xa2a2a2a2 &&
	       seen.ebx == 0xa3a3a3a3 && seen.ebp == 0xa5a5a5a5 && seen.esi == 0xa6a6a6a6 &&
	       seen.edi == 0xa7a7a7a7 && seen.esp == (u32)a_stack + STACK;
}

static void calls(void)
{
	u32 before[3] = { 0x12345678, 0x9abcdef0, 0x0fedcba9 }, after[3];

	fresh(task_entry);
	a.fs = GUEST_USER_DS;
	a.gs = SEL_READ_ONLY;
	set_dr7(DR7_RESET | DR7_LE | DR7_L1 | DR7_G1);
	far_pointer.selector = SEL_A;
	__asm__ volatile("movl $1f, resume\n\tmovl $1f, at\n\tlcall *far_pointer\n1:"
			 : "=a"(after[0]), "=S"(after[1]), "=D"(after[2])
			 : "a"(before[0]), "S"(before[1]), "D"(before[2])
			 : "memory", "cc");
	set_dr7(DR7_RESET);
	is(seen.count, 1, "CALL: the task ran once");
	ok(registers_came(), "CALL: its general registers came from its TSS");
	ok(seen.cs == GUEST_CS && seen.ss == GUEST_DS && seen.ds == GUEST_DS &&
		   seen.es == GUEST_DS && seen.fs == GUEST_USER_DS && seen.gs == SEL_READ_ONLY,
	   "CALL: its segments came from its TSS");
	is(seen.tr, SEL_A, "CALL: TR");
	is(seen.ldt, 0, "CALL: LDTR");
	ok(seen.eflags & RFLAGS_NT, "CALL: NT is set");
	is(a.link, GUEST_TSS, "CALL: the back link is the caller's TSS");
	ok((seen.own_type & SEG_TYPE_MASK) == SEG_TYPE_TSS_BUSY &&
		   (seen.main_type & SEG_TYPE_MASK) == SEG_TYPE_TSS_BUSY,
	   "CALL: both TSSs are busy");
	ok(seen.cr0 & CR0_TS, "CALL: CR0.TS is set");
	is(seen.dr7, DR7_RESET | DR7_G1, "CALL: DR7 loses its local enables");
	is(main_task.tss.eip, at, "CALL: EIP in the old TSS is the next instruction's");
	ok(main_task.tss.eax == before[0] && main_task.tss.esi == before[1] &&
		   main_task.tss.edi == before[2],
	   "CALL: general registers in the old TSS");
	ok((main_task.tss.cs & 0xffff) == GUEST_CS && (main_task.tss.ss & 0xffff) == GUEST_DS &&
		   (main_task.tss.fs & 0xffff) == 0,
	   "CALL: segments in the old TSS");
	ok(!(main_task.tss.eflags & RFLAGS_NT), "CALL: NT is clear in the old TSS");
	is(task_register(), GUEST_TSS, "IRET: TR");
	ok(after[0] == before[0] && after[1] == before[1] && after[2] == before[2],
	   "IRET: general registers are back");
	ok(!(eflags() & RFLAGS_NT), "IRET: NT is clear");
	ok(!(a.eflags & RFLAGS_NT), "IRET: NT is clear in the TSS that was left");
	ok(type_of(SEL_A) == (ATTR_TSS & SEG_TYPE_MASK) && type_of(GUEST_TSS) == SEG_TYPE_TSS_BUSY,
	   "IRET: the task that was left is not busy, the other is");
	ok(get_cr0() & CR0_TS, "IRET: CR0.TS is set");
	call_task(SEL_A);
	is(seen.count, 2, "CALL: again, the task goes on behind its IRET");
	fresh(task_entry);
	call_task(SEL_GATE);
	ok(seen.count == 1 && seen.tr == SEL_A && registers_came(), "CALL: through a task gate");
	fresh(task_entry);
	a.ldt = SEL_LDT;
	a.cs = LDT_CODE;
	a.ds = a.es = a.ss = LDT_DATA;
	call_task(SEL_A);
	ok(seen.count == 1 && seen.ldt == SEL_LDT && seen.cs == LDT_CODE && seen.ss == LDT_DATA,
	   "CALL: segments from an LDT");
	fresh(task_entry);
	a.cs = SEL_CONFORMING;
	call_task(SEL_A);
	ok(seen.count == 1 && seen.cs == SEL_CONFORMING, "CALL: conforming code");
	fresh(task_entry);
	set_descriptor(SEL_NOT_ACCESSED, descriptor(0, 0xfffff, ATTR_DATA & ~SEG_A));
	a.fs = SEL_NOT_ACCESSED;
	call_task(SEL_A);
	ok(seen.count == 1 && (type_of(SEL_NOT_ACCESSED) & SEG_A),
	   "CALL: a segment's accessed bit is set");
}

static void jumps(void)
{
	fresh(task_jumps_back);
	jump_task(SEL_A);
	is(seen.count, 1, "JMP: the task ran once");
	ok(registers_came(), "JMP: its general registers came from its TSS");
	ok(!(seen.eflags & RFLAGS_NT), "JMP: NT is clear");
	is(a.link, 0xdead, "JMP: the back link is left alone");
	ok((seen.own_type & SEG_TYPE_MASK) == SEG_TYPE_TSS_BUSY &&
		   (seen.main_type & SEG_TYPE_MASK) == (ATTR_TSS & SEG_TYPE_MASK),
	   "JMP: the new TSS is busy, the old is not");
	ok(type_of(SEL_A) == (ATTR_TSS & SEG_TYPE_MASK) && type_of(GUEST_TSS) == SEG_TYPE_TSS_BUSY,
	   "JMP back: the other way round");
	is(task_register(), GUEST_TSS, "JMP back: TR");
	fresh(task_jumps_back);
	jump_task(SEL_GATE);
	ok(seen.count == 1 && seen.tr == SEL_A, "JMP: through a task gate");
	fresh(task_jumps_back);
	a.eflags |= RFLAGS_NT;
	jump_task(SEL_A);
	ok(seen.count == 1 && (seen.eflags & RFLAGS_NT), "JMP: NT as the new TSS has it");
	fresh(task_jumps_back);
	gdt[SEL_A / 8] |= (u64)BUSY << 40;
	return_task(SEL_A);
	ok(seen.count == 1 && !(seen.eflags & RFLAGS_NT) &&
		   (seen.main_type & SEG_TYPE_MASK) == (ATTR_TSS & SEG_TYPE_MASK),
	   "IRET: to a busy TSS, out of one that is not any more");
	ok(!(eflags() & RFLAGS_NT), "IRET: NT is clear in the old TSS");
}

/* --- events ------------------------------------------------------------------------------------------------ */

static void events(void)
{
	fresh(task_entry);
	SWITCH("int $0x60\n\tmovl $0, %%eax");
	ok(seen.count == 1 && seen.tr == SEL_A && registers_came() && (seen.eflags & RFLAGS_NT) &&
		   (a.link & 0xffff) == GUEST_TSS,
	   "INT n: through a task gate in the IDT");
	is(main_task.tss.eip, at + 2, "INT n: EIP in the old TSS is the next instruction's");
	is(seen.esp, (u32)a_stack + STACK, "INT n: nothing is pushed");
	fresh(task_entry);
	idt[VEC_BP] = gate(SEL_A, 0, GATE_TASK);
	SWITCH("int3");
	ok(seen.count == 1 && main_task.tss.eip == at + 1, "INT3: through a task gate");
	fresh(task_entry);
	SWITCH("ud2");
	ok(fault.vector == VEC_UD && fault.link == GUEST_TSS && fault.eip == at && fault.nested,
	   "#UD: through a task gate, EIP at the instruction");
	ok(fault.eflags & RFLAGS_RF, "#UD: RF in the old TSS");
	fresh(task_entry);
	SWITCH("movw $0x1f8, %%ax\n3:\tmovw %%ax, %%ds");
	ok(fault.vector == VEC_GP && fault.link == GUEST_TSS, "#GP: through a task gate");
	is(fault.error, SEL_END, "#GP: the error code is on the new task's stack");
	fresh(task_entry);
	idt[VEC_IPI] = gate(SEL_A, 0, GATE_TASK);
	a.eip = (u32)task_ends_interrupt;
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	SWITCH("sti\n\tnop\n\tnop\n\tcli");
	ok(seen.count == 1 && seen.tr == SEL_A && !(seen.eflags & RFLAGS_IF),
	   "interrupt: through a task gate");
	is(main_task.tss.eip, at + 2, "interrupt: EIP in the old TSS");
	fresh(task_waits);
	idt[VEC_NMI] = gate(SEL_A, 0, GATE_TASK);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | ICR_NMI);
	for (u32 i = 0; i < 100; i++)
		(void)inb(0x61);
	is(seen.count, 2, "NMI: through a task gate, and a second one behind the IRET");
	fresh(task_entry);
	idt[VEC_GP] = gate(SEL_TSS_ABSENT, 0, GATE_TASK);
	SWITCH("movw $0x1f8, %%ax\n\tmovw %%ax, %%ds");
	ok(fault.vector == VEC_DF && fault.link == GUEST_TSS && fault.error == 0,
	   "#GP whose task is not present: #DF, through a task gate");
	/* Its error code finds no room on the new task's stack. */
	fresh(task_entry);
	fault_tss[3].ss = SEL_TINY_STACK;
	fault_tss[3].esp = 0x100;
	SWITCH("movw $0x1f8, %%ax\n\tmovw %%ax, %%ds");
	ok(fault.vector == VEC_DF && fault.link == SEL_FAULT + 8 * 3,
	   "#GP whose error code finds no stack: #DF in the new task");
	fresh(task_entry);
	idt[VEC_UD] = gate(SEL_TSS_ABSENT, 0, GATE_TASK);
	SWITCH("ud2");
	ok(fault.vector == VEC_NP && fault.link == GUEST_TSS && fault.eip == at &&
		   fault.error == (SEL_TSS_ABSENT | EXT),
	   "#UD whose task is not present: #NP with EXT");
	fresh(task_entry);
	idt[VEC_UD] = gate(SEL_A, 0, GATE_TASK);
	a.ds = SEL_DATA_ABSENT;
	SWITCH("ud2");
	ok(fault.vector == VEC_NP && fault.link == SEL_A && fault.eip == (u32)task_entry,
	   "#UD whose task has a bad segment: #NP in the new task");
	is(fault.error, SEL_DATA_ABSENT | EXT, "#UD whose task has a bad segment: EXT");
}

static u32 trap_eip, trap_dr6, trap_tr;

static void trapped(struct regs *r)
{
	trap_eip = r->eip;
	trap_tr = task_register();
	trap_dr6 = get_dr6();
	set_dr6((u32)DR6_RESET);
}

static void trap_bit(void)
{
	fresh(task_entry);
	on_vector(VEC_DB, trapped);
	a.trap = 1;
	set_dr6((u32)DR6_RESET);
	call_task(SEL_A);
	/* QEMU's software emulation has no such trap. */
	ok(taken[VEC_DB] == 1, "T: a #DB");
	is(trap_eip, (u32)task_entry, "T: before the new task's first instruction");
	is(trap_tr, SEL_A, "T: in the new task");
	ok(trap_dr6 & DR6_BT, "T: DR6.BT");
	on_vector(VEC_DB, NULL);
}

/* --- faults -------------------------------------------------------------------------------------------------- */

enum op {
	CALL,
	JMP,
	IRET,
};

/* In the old task, which has not begun to switch. */
static void old_task(void)
{
	static const struct {
		enum op op;
		u32 selector;
		int vector;
		u32 error;
		const char *name;
	} rows[] = {
		{ CALL, SEL_TSS_BUSY, VEC_GP, SEL_TSS_BUSY, "CALL: busy" },
		{ JMP, SEL_TSS_BUSY, VEC_GP, SEL_TSS_BUSY, "JMP: busy" },
		{ JMP, GUEST_TSS, VEC_GP, GUEST_TSS, "JMP: to itself" },
		{ CALL, SEL_TSS_ABSENT, VEC_NP, SEL_TSS_ABSENT, "CALL: not present" },
		{ JMP, SEL_TSS_ABSENT, VEC_NP, SEL_TSS_ABSENT, "JMP: not present" },
		{ CALL, SEL_TSS_SHORT, VEC_TS, SEL_TSS_SHORT, "CALL: limit 102" },
		{ JMP, SEL_TSS_SHORT, VEC_TS, SEL_TSS_SHORT, "JMP: limit 102" },
		{ CALL, SEL_TSS16_SHORT, VEC_TS, SEL_TSS16_SHORT, "CALL: 16-bit, limit 42" },
		{ CALL, LDT_TSS, VEC_GP, LDT_TSS, "CALL: a TSS in the LDT" },
		{ CALL, SEL_A | 3, VEC_GP, SEL_A, "CALL: RPL above the TSS's DPL" },
		{ CALL, SEL_BEYOND, VEC_GP, SEL_BEYOND, "CALL: beyond the GDT" },
		{ CALL, SEL_END, VEC_GP, SEL_END, "CALL: an empty descriptor" },
		{ CALL, SEL_GATE_ABSENT, VEC_NP, SEL_GATE_ABSENT, "CALL: gate not present" },
		{ CALL, SEL_GATE | 3, VEC_GP, SEL_GATE, "CALL: RPL above the gate's DPL" },
		{ CALL, SEL_GATE_TO_ABSENT, VEC_NP, SEL_TSS_ABSENT,
		  "CALL: gate to a TSS not present" },
		{ JMP, SEL_GATE_TO_LDT, VEC_GP, LDT_TSS, "JMP: gate to the LDT" },
		{ JMP, SEL_GATE_TO_NULL, VEC_GP, 0, "JMP: gate to the null selector" },
		{ IRET, 0, VEC_TS, 0, "IRET: null back link" },
		{ IRET, SEL_A, VEC_TS, SEL_A, "IRET: TSS not busy" },
		{ IRET, LDT_TSS, VEC_TS, LDT_TSS, "IRET: a TSS in the LDT" },
		{ IRET, SEL_BEYOND, VEC_TS, SEL_BEYOND, "IRET: beyond the GDT" },
		{ IRET, GUEST_DS, VEC_TS, GUEST_DS, "IRET: a data segment" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh(task_entry);
		set_descriptor(SEL_TSS_BUSY, descriptor((u32)&a, sizeof(a) - 1, ATTR_TSS | BUSY));
		if (rows[i].op == CALL)
			call_task(rows[i].selector);
		else if (rows[i].op == JMP)
			jump_task(rows[i].selector);
		else
			return_task(rows[i].selector);
		ok(fault.vector == rows[i].vector && fault.error == rows[i].error,
		   "fault: %s: vector %d(%x)", rows[i].name, rows[i].vector, rows[i].error);
		if (fault.vector != rows[i].vector || fault.error != rows[i].error)
			print("# vector %d(%x)\n", fault.vector, fault.error);
		ok(fault.link == GUEST_TSS && fault.eip == at && seen.count == 0 &&
			   type_of(GUEST_TSS) == SEG_TYPE_TSS_BUSY,
		   "fault: %s: in the old task, at the instruction", rows[i].name);
	}
	fresh(task_entry);
	idt[VEC_GATE] = gate(SEL_TSS_ABSENT, 0, GATE_TASK);
	SWITCH("int $0x60");
	ok(fault.vector == VEC_NP && fault.error == SEL_TSS_ABSENT && fault.eip == at,
	   "fault: INT n: TSS not present: without EXT, at the instruction");
	fresh(task_entry);
	SWITCH("int $0x61");
	/* QEMU has the vector times 16 here. */
	ok(fault.vector == VEC_NP && fault.error == (VEC_ABSENT << 3 | IDT_ERROR) &&
		   fault.eip == at,
	   "fault: INT n: gate not present");
}

#define FIELD(f) offsetof(struct tss, f)

/* In the new task, before its first instruction. */
static void new_task(void)
{
	static const struct {
		u16 field;
		u16 value;
		int vector;
		u32 error;
		const char *name;
	} rows[] = {
		{ FIELD(ldt), GUEST_DS, VEC_TS, GUEST_DS, "LDTR: a data segment" },
		{ FIELD(ldt), SEL_LDT_ABSENT, VEC_TS, SEL_LDT_ABSENT, "LDTR: not present" },
		{ FIELD(ldt), LDT_DATA, VEC_TS, LDT_DATA, "LDTR: in an LDT" },
		{ FIELD(ldt), SEL_BEYOND, VEC_TS, SEL_BEYOND, "LDTR: beyond the GDT" },
		{ FIELD(cs), 0, VEC_TS, 0, "CS: null" },
		{ FIELD(cs), GUEST_DS, VEC_TS, GUEST_DS, "CS: a data segment" },
		{ FIELD(cs), SEL_CODE_ABSENT, VEC_NP, SEL_CODE_ABSENT, "CS: not present" },
		{ FIELD(cs), GUEST_CS | 3, VEC_TS, GUEST_CS, "CS: RPL is not the DPL" },
		{ FIELD(cs), SEL_CONFORMING3, VEC_TS, SEL_CONFORMING3,
		  "CS: conforming, DPL above the RPL" },
		{ FIELD(cs), SEL_BEYOND, VEC_TS, SEL_BEYOND, "CS: beyond the GDT" },
		{ FIELD(cs), LDT_CODE, VEC_TS, LDT_CODE, "CS: in the LDT that is not there" },
		{ FIELD(ss), 0, VEC_TS, 0, "SS: null" },
		{ FIELD(ss), GUEST_CS, VEC_TS, GUEST_CS, "SS: a code segment" },
		{ FIELD(ss), SEL_READ_ONLY, VEC_TS, SEL_READ_ONLY, "SS: read-only" },
		{ FIELD(ss), SEL_DATA_ABSENT, VEC_SS, SEL_DATA_ABSENT, "SS: not present" },
		{ FIELD(ss), GUEST_USER_DS, VEC_TS, GUEST_USER_DS & ~3U, "SS: DPL is not the CPL" },
		{ FIELD(ss), GUEST_DS | 3, VEC_TS, GUEST_DS, "SS: RPL is not the CPL" },
		{ FIELD(ds), SEL_EXECUTE_ONLY, VEC_TS, SEL_EXECUTE_ONLY, "DS: execute-only" },
		{ FIELD(ds), SEL_A, VEC_TS, SEL_A, "DS: a TSS" },
		{ FIELD(es), SEL_DATA_ABSENT, VEC_NP, SEL_DATA_ABSENT, "ES: not present" },
		{ FIELD(fs), SEL_BEYOND, VEC_TS, SEL_BEYOND, "FS: beyond the GDT" },
		{ FIELD(gs), GUEST_DS | 3, VEC_TS, GUEST_DS, "GS: RPL above the DPL" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		bool right;

		fresh(task_entry);
		*(u16 *)((u8 *)&a + rows[i].field) = rows[i].value;
		/* With the privilege that CS asks for, only CS is wrong. */
		if (rows[i].field == FIELD(cs) && (rows[i].value & 3)) {
			a.ss = GUEST_USER_DS;
			a.ds = a.es = 0;
		}
		call_task(SEL_A);
		right = fault.vector == rows[i].vector && fault.error == rows[i].error;
		ok(right, "new task: %s: vector %d(%x)", rows[i].name, rows[i].vector,
		   rows[i].error);
		if (!right)
			print("# vector %d(%x)\n", fault.vector, fault.error);
		ok(fault.link == SEL_A && fault.eip == (u32)task_entry && seen.count == 0,
		   "new task: %s: the fault is the new task's", rows[i].name);
	}
	fresh(task_entry);
	a.cs = SEL_SHORT_CODE;
	call_task(SEL_A);
	ok(fault.vector == VEC_GP && fault.error == 0 && fault.link == SEL_A &&
		   fault.eip == (u32)task_entry,
	   "new task: EIP beyond the limit: #GP(0)");
	fresh(task_entry);
	a.cs = GUEST_USER_CS;
	a.ss = GUEST_USER_DS;
	a.ds = GUEST_DS;
	a.es = 0;
	call_task(SEL_A);
	ok(fault.vector == VEC_TS && fault.error == GUEST_DS && fault.link == SEL_A,
	   "new task: DS: DPL below the CPL: #TS");
}

/* --- 16-bit TSS ------------------------------------------------------------------------------------------------ */

/* What task16_entry pushed. */
struct pushed16 {
	u16 tr, gs, fs, ds, ss, cs, es;
	u32 eflags, edi, esi, ebp, esp, ebx, edx, ecx, eax;
} __packed;

static const struct pushed16 *pushed16(void)
{
	return (const struct pushed16 *)(stack16 + STACK - sizeof(struct pushed16));
}

static void sixteen(void)
{
	const struct pushed16 *p = pushed16();

	fresh(task_entry);
	__asm__ volatile("movw %w0, %%fs\n\tmovw %w0, %%gs" : : "r"(GUEST_DS));
	call_task(SEL_16);
	ok((u16)p->eax == 0xb0b0 && (u16)p->ecx == 0xb1b1 && (u16)p->edx == 0xb2b2 &&
		   (u16)p->ebx == 0xb3b3 && (u16)p->ebp == 0xb5b5 && (u16)p->esi == 0xb6b6 &&
		   (u16)p->edi == 0xb7b7 && (u16)p->esp == STACK,
	   "16-bit TSS: general registers");
	ok(p->tr == SEL_16 && p->cs == SEL_CODE16 && p->ss == SEL_STACK16 && p->ds == GUEST_DS &&
		   p->es == GUEST_DS,
	   "16-bit TSS: TR and segments");
	ok(p->fs == 0 && p->gs == 0, "16-bit TSS: FS and GS are null");
	ok(p->eflags & RFLAGS_NT, "16-bit TSS: NT");
	is(t16.link, GUEST_TSS, "16-bit TSS: back link");
	is(type_of(SEL_16), ATTR_TSS16 & SEG_TYPE_MASK, "16-bit TSS: not busy any more");
	fresh(task_entry);
	t16.ip = (u16)(task16_nesting - task16_code);
	call_task(SEL_16);
	ok(seen.count == 1 && (a.link & 0xffff) == SEL_16 && p->tr == SEL_16 &&
		   (u16)p->eax == 0xb0b0,
	   "16-bit TSS: a 32-bit task nests inside, and comes back");
	is(task_register(), GUEST_TSS, "16-bit TSS: back at last");
	__asm__ volatile("movw %w0, %%fs\n\tmovw %w0, %%gs" : : "r"(0));
}

/* --- paging ------------------------------------------------------------------------------------------------------ */

#define PDES	   1024U
#define WINDOW	   0x40000000U
#define WINDOW_PDE (WINDOW >> 22)
#define FREE_RAM   0x1000000U
#define MARK	   0x22222222U
#define LARGE	   0x400000U
#define PAGE	   4096U
#define IN_FIRST   16U /* bytes of a TSS in the first of its two pages */

static u32 directory[2][PDES] __aligned(4096), table[PDES] __aligned(4096);
static u64 pdpt[2][4] __aligned(32), pae_directory[4][512] __aligned(4096);
static u8 tss_pages[2 * PAGE] __aligned(4096);

/* The two tasks' windows differ; the pages of a TSS are mapped one by one. */
static void paging_on(void)
{
	for (u32 d = 0; d < 2; d++) {
		for (u32 i = 0; i < PDES; i++)
			directory[d][i] = (u32)(i * LARGE | PTE_P | PTE_W | PTE_PS);
		directory[d][(u32)tss_pages / LARGE] = (u32)((u32)table | PTE_P | PTE_W);
	}
	for (u32 i = 0; i < PDES; i++)
		table[i] = (u32)(((u32)tss_pages / LARGE * LARGE + i * PAGE) | PTE_P | PTE_W);
	directory[1][WINDOW_PDE] = (u32)(FREE_RAM | PTE_P | PTE_W | PTE_PS);
	*(u32 *)FREE_RAM = MARK;
	set_cr4(get_cr4() | (u32)CR4_PSE);
	set_cr3((u32)directory[0]);
	set_cr0((u32)(get_cr0() | CR0_PG | CR0_WP));
}

static void paging(void)
{
	static const struct {
		u8 page;
		u64 without;
		u32 error;
		const char *name;
	} rows[] = {
		{ 0, PTE_P, 0, "first page missing" },
		{ 1, PTE_P, 0, "second page missing" },
		{ 0, PTE_W, PFERR_P | PFERR_W, "first page read-only" },
	};
	struct tss *t = (struct tss *)(void *)(tss_pages + PAGE - IN_FIRST);

	paging_on();
	fresh(task_entry);
	a.cr3 = (u32)directory[1];
	probe = (u32 *)WINDOW;
	call_task(SEL_A);
	ok(seen.count == 1 && seen.cr3 == (u32)directory[1] && seen.probe == MARK,
	   "paging: CR3 comes from the TSS");
	is(get_cr3(), (u32)directory[0], "paging: and goes back");
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 *pte = &table[(u32)tss_pages / PAGE % PDES + rows[i].page], old = *pte;

		fresh(task_entry);
		*t = a;
		tss_descriptor(SEL_TSS_PAGE, t, sizeof(*t), ATTR_TSS);
		*pte &= (u32)~rows[i].without;
		set_cr3(get_cr3());
		call_task(SEL_TSS_PAGE);
		*pte = old;
		set_cr3(get_cr3());
		/* QEMU's error code has U. */
		ok(fault.vector == VEC_PF && fault.link == GUEST_TSS && fault.eip == at &&
			   fault.error == rows[i].error,
		   "paging: TSS: %s: #PF in the old task", rows[i].name);
		if (fault.vector != VEC_PF || fault.error != rows[i].error)
			print("# vector %d(%x) link %x\n", fault.vector, fault.error, fault.link);
		is(fault.cr2 / PAGE, (u32)tss_pages / PAGE + rows[i].page, "paging: TSS: %s: CR2",
		   rows[i].name);
	}
	set_cr0(get_cr0() & ~(u32)CR0_PG);
	set_cr4(get_cr4() & ~(u32)CR4_PSE);
}

#define PDPTE_RESERVED 0x1e6U
#define PAE_LARGE      0x200000U
#define PAE_ENTRIES    512U

static void pae(void)
{
	if (!(cpuid(1, 0).edx & BIT(6))) {
		skip("PAE", "not offered");
		return;
	}
	for (u32 i = 0; i < 4; i++) {
		for (u32 j = 0; j < PAE_ENTRIES; j++)
			pae_directory[i][j] =
				((i * PAE_ENTRIES + j) * PAE_LARGE) | PTE_P | PTE_W | PTE_PS;
		pdpt[0][i] = pdpt[1][i] = (u32)pae_directory[i] | PTE_P;
	}
	/* The second GiB is the first again. */
	pdpt[1][1] = pdpt[1][0];
	set_cr4(get_cr4() | (u32)CR4_PAE);
	set_cr3((u32)pdpt[0]);
	set_cr0(get_cr0() | (u32)CR0_PG);
	fresh(task_entry);
	a.cr3 = (u32)pdpt[1];
	probe = (u32 *)(0x40000000U + (u32)&probed);
	call_task(SEL_A);
	ok(seen.count == 1 && seen.cr3 == (u32)pdpt[1] && seen.probe == probed,
	   "PAE: CR3 and PDPTEs come from the TSS");
	if (bare_bochs) {
		skip("PAE: reserved bits in a PDPTE: #GP(0), or found later", "ends Bochs bare");
		goto off;
	}
	fresh(task_entry);
	pdpt[1][3] |= PDPTE_RESERVED;
	a.cr3 = (u32)pdpt[1];
	call_task(SEL_A);
	pdpt[1][3] &= ~(u64)PDPTE_RESERVED;
	/* AMD's processors read PDPTEs when they use them, as QEMU does. */
	ok(seen.count == 1 || (fault.vector == VEC_GP && fault.error == 0),
	   "PAE: reserved bits in a PDPTE: #GP(0), or found later");
off:
	set_cr0(get_cr0() & ~(u32)CR0_PG);
	set_cr4(get_cr4() & ~(u32)CR4_PAE);
}

void guest_main(void)
{
	lapic_enable();
	tables();
	calls();
	jumps();
	events();
	trap_bit();
	old_task();
	new_task();
	sixteen();
	paging();
	pae();
}
