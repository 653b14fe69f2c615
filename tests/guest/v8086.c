/* SPDX-License-Identifier: MIT */
/*
 * Virtual-8086 mode under paging: entry and exit, what is sensitive to IOPL, interrupts, I/O permission, device memory, single-stepping, and
 * CR4.VME. SDM vol. 3 (rev. 083) ch. 21, vol. 1 19.5; APM vol. 2 (rev. 3.42) 8.10.
 */
#include "guest32.h"

#define CODE_AT	   0x9000U /* linear; the code segment's base */
#define DATA_AT	   0xa000U
#define HIDDEN_AT  0xb000U /* a supervisor's page */
#define DEVICE_AT  0xc000U /* the LAPIC */
#define STACK_TOP  0x0ff0U
#define CODE_BYTES 32
#define VEC_INT	   0x65
#define VEC_CLOSED 0x66
#define VEC_REAL   0x67
#define VEC_IPI	   0x71
#define IDT_ERROR  2U
#define PAGE	   4096U
#define HLT	   0xf4
#define INT_MAP	   32U	  /* bytes, in front of the I/O map */
#define IVT_OFFSET 0x100U /* in the code segment: where the IVT's handlers are */

/* The machine's state: what goes in, and with vector and error code what came out. */
static struct v86 {
	struct regs r;
} in, out;
static volatile u32 saved_esp __asm__("saved_esp") __attribute__((used));
static volatile u32 interrupts, interrupt_flags, interrupt_ds;

void v86_enter(const struct regs *r);
void v86_leave(void) __attribute__((noreturn));

/* The frame's order is the stubs'. */
__asm__("v86_enter:\n\tpushal\n\tmovl 36(%esp), %eax\n\tmovl %esp, saved_esp\n\t"
	"movl %eax, %esp\n\tpopl %gs\n\tpopl %fs\n\tpopl %es\n\taddl $4, %esp\n\tpopal\n\t"
	"addl $8, %esp\n\tiretl\n"
	"v86_leave:\n\tmovl saved_esp, %esp\n\tmovw $0x10, %ax\n\tmovw %ax, %ds\n\tmovw %ax, %es\n\t"
	"popal\n\tret\n");

static void ends(struct regs *r)
{
	out.r = *r;
	v86_leave();
}

static void counts(struct regs *r)
{
	interrupts++;
	interrupt_flags = r->eflags;
	interrupt_ds = r->ds;
	if (r->vector == VEC_IPI)
		lapic_write(LAPIC_EOI, 0);
}

/* --- one run ------------------------------------------------------------------------------------------ */

struct run {
	const char *name;
	u8 code[CODE_BYTES];
	u8 len;
	u8 iopl;
	u32 flags;	/* on entry, beside VM and IOPL */
	u32 vector;	/* that ends it; the code is followed by HLT, which is #GP(0) */
	u32 error, eip; /* eip: of the exception */
	u32 eax, eax_mask;
};

/* A copy, so that the frame can be popped. */
static struct regs frame;

static void run(const struct run *x)
{
	for (u32 i = 0; i < x->len; i++)
		*(volatile u8 *)(CODE_AT + i) = x->code[i];
	*(volatile u8 *)(CODE_AT + x->len) = HLT;
	in.r = (struct regs){
		.eax = 0x11111111,
		.edx = 0x21,
		.ebx = 0x22222222,
		.esi = 0x10,
		.edi = 0x20,
		.cs = CODE_AT >> 4,
		.eflags = (u32)(RFLAGS_ONE | RFLAGS_VM) | (u32)x->iopl << 12 | x->flags,
		.esp = STACK_TOP,
		.ss = DATA_AT >> 4,
		.v86_es = DATA_AT >> 4,
		.v86_ds = DATA_AT >> 4,
		.v86_fs = DEVICE_AT >> 4,
		.v86_gs = HIDDEN_AT >> 4,
	};
	interrupts = 0;
	frame = in.r;
	v86_enter(&frame);
}

static void check(const struct run *x)
{
	bool right;

	run(x);
	right = out.r.vector == x->vector && out.r.error == x->error && out.r.eip == x->eip &&
		(out.r.eflags & RFLAGS_VM) && ((out.r.eax ^ x->eax) & x->eax_mask) == 0;
	ok(right, "%s", x->name);
	if (!right)
		print("# vector %u(%x) at %x eax %x eflags %x\n", out.r.vector, out.r.error,
		      out.r.eip, out.r.eax, out.r.eflags);
}

/* Without exception but for the HLT behind it. */
#define FINE(n, l)  .len = (l), .vector = VEC_GP, .eip = (l), .name = (n)
/* #GP(0) at its first instruction. */
#define FAULT(n, l) .len = (l), .vector = VEC_GP, .name = (n)

static void instructions(void)
{
	static const struct run rows[] = {
		{ FAULT("IOPL 0: CLI: #GP(0)", 1), .code = { 0xfa } },
		{ FAULT("IOPL 0: STI: #GP(0)", 1), .code = { 0xfb } },
		{ FAULT("IOPL 0: PUSHF: #GP(0)", 1), .code = { 0x9c } },
		{ FAULT("IOPL 0: POPF: #GP(0)", 1), .code = { 0x9d } },
		{ FAULT("IOPL 0: IRET: #GP(0)", 1), .code = { 0xcf } },
		{ FAULT("IOPL 0: INT n: #GP(0)", 2), .code = { 0xcd, VEC_INT } },
		{ FINE("IOPL 3: CLI, STI, PUSHF, POPF", 4), .code = { 0xfa, 0x9c, 0x9d, 0xfb },
		  .iopl = 3 },
		{ FAULT("IOPL 3: HLT: #GP(0)", 1), .code = { HLT }, .iopl = 3 },
		{ FAULT("MOV from CR0: #GP(0)", 3), .code = { 0x0f, 0x20, 0xc0 }, .iopl = 3 },
		{ FAULT("MOV to DR7: #GP(0)", 3), .code = { 0x0f, 0x23, 0xf8 }, .iopl = 3 },
		{ FAULT("CLTS: #GP(0)", 2), .code = { 0x0f, 0x06 }, .iopl = 3 },
		{ FAULT("WBINVD: #GP(0)", 2), .code = { 0x0f, 0x09 }, .iopl = 3 },
		{ FAULT("RDMSR: #GP(0)", 2), .code = { 0x0f, 0x32 }, .iopl = 3 },
		{ .name = "LTR: #UD", .code = { 0x0f, 0x00, 0xd8 }, .len = 3, .vector = VEC_UD },
		{ .name = "SLDT: #UD", .code = { 0x0f, 0x00, 0xc0 }, .len = 3, .vector = VEC_UD },
		{ .name = "LAR: #UD", .code = { 0x0f, 0x02, 0xc0 }, .len = 3, .vector = VEC_UD },
		{ .name = "ARPL: #UD", .code = { 0x63, 0xc0 }, .len = 2, .vector = VEC_UD },
		{ .name = "UD2: #UD", .code = { 0x0f, 0x0b }, .len = 2, .vector = VEC_UD },
		{ .name = "DIV by zero: #DE",
		  .code = { 0x31, 0xc9, 0xf7, 0xf1 },
		  .len = 4,
		  .vector = VEC_DE,
		  .eip = 2 },
		{ .name = "BOUND: #BR", .code = { 0x62, 0x06, 0, 0 }, .len = 4, .vector = VEC_BR },
		/* Its gate's DPL counts, IOPL does not. */
		{ .name = "INT3: through its gate",
		  .code = { 0xcc },
		  .len = 1,
		  .vector = VEC_BP,
		  .eip = 1 },
		{ .name = "INTO: through its gate",
		  .code = { 0x31, 0xc0, 0x48, 0xb0, 0x7f, 0x04, 0x01, 0xce },
		  .len = 8,
		  .vector = VEC_OF,
		  .eip = 8 },
		{ .name = "IOPL 3: INT n: gate's DPL too low: #GP(vector)",
		  .code = { 0xcd, VEC_CLOSED },
		  .len = 2,
		  .iopl = 3,
		  .vector = VEC_GP,
		  .error = VEC_CLOSED << 3 | IDT_ERROR },
		/* MOV EAX,0x40000000; CPUID; MOV EAX,EBX */
		{ FINE("CPUID", 11),
		  .code = { 0x66, 0xb8, 0, 0, 0, 0x40, 0x0f, 0xa2, 0x66, 0x89, 0xd8 } },
		{ FINE("RDTSC", 2), .code = { 0x0f, 0x31 } },
		{ FINE("segment arithmetic: wraps at 1 MiB and 64 KiB", 9),
		  .code = { 0xb8, 0x34, 0x12, 0x8e, 0xd8, 0x8c, 0xd8, 0x90, 0x90 }, .eax = 0x1234,
		  .eax_mask = 0xffff },
		{ FAULT("a word at FFFFh: #GP(0)", 3), .code = { 0xa1, 0xff, 0xff } },
		{ .name = "a word at SS:FFFFh: #SS(0)",
		  .code = { 0x36, 0xa1, 0xff, 0xff },
		  .len = 4,
		  .vector = VEC_SS },
		{ .name = "a supervisor's page: #PF",
		  .code = { 0x65, 0xa1, 0, 0 },
		  .len = 4,
		  .vector = VEC_PF,
		  .error = PFERR_P | PFERR_U },
		{ .name = "a write to a supervisor's page: #PF",
		  .code = { 0x65, 0xa3, 0, 0 },
		  .len = 4,
		  .vector = VEC_PF,
		  .error = PFERR_P | PFERR_U | PFERR_W },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

/* --- ports and device memory ------------------------------------------------------------------------------ */

static void open_port(u32 port, bool open)
{
	u8 *map = (u8 *)&main_task + main_task.tss.io_map;

	if (open)
		map[port / 8] &= (u8) ~(1U << port % 8);
	else
		map[port / 8] |= (u8)(1U << port % 8);
}

static void ports(void)
{
	static const struct run closed[] = {
		{ FAULT("I/O map: IN from a closed port: #GP(0)", 2), .code = { 0xe4, 0x21 },
		  .iopl = 3 },
		{ FAULT("I/O map: OUT to a closed port: #GP(0)", 1), .code = { 0xee } },
		{ FAULT("I/O map: INS from a closed port: #GP(0)", 1), .code = { 0x6c } },
	};
	static const struct run open[] = {
		{ FINE("I/O map: IN from an open port", 2), .code = { 0xe4, 0x21 },
		  .eax = 0x111111ff, .eax_mask = ~0U },
		{ FINE("I/O map: IN by DX", 1), .code = { 0xec }, .eax = 0x111111ff,
		  .eax_mask = ~0U },
		{ FINE("I/O map: OUT", 3), .code = { 0xb0, 0xff, 0xee } },
		{ FAULT("I/O map: a word half of which is closed: #GP(0)", 1), .code = { 0xed } },
	};
	static const struct run insb = { FINE("INSB", 1), .code = { 0x6c } };
	static const struct run outsb = { FINE("OUTSB with an override", 2),
					  .code = { 0x26, 0x6e } };
	static const struct run rep = { FINE("REP INSB", 5), .code = { 0xb9, 3, 0, 0xf3, 0x6c } };
	static const struct run mmio[] = {
		{ FINE("device memory: a dword", 5), .code = { 0x66, 0x64, 0xa1, LAPIC_VERSION, 0 },
		  .eax_mask = ~0U },
		/* MOV ECX,FS:[LAPIC_VERSION]; MOV EAX,ECX */
		{ FINE("device memory: by ModRM", 9),
		  .code = { 0x66, 0x64, 0x8b, 0x0e, LAPIC_VERSION, 0, 0x66, 0x89, 0xc8 },
		  .eax_mask = ~0U },
		{ FAULT("device memory: a dword behind the limit: #GP(0)", 5),
		  .code = { 0x66, 0x64, 0xa1, 0xfd, 0xff } },
	};
	volatile u8 *data = (volatile u8 *)DATA_AT;

	for (u32 i = 0; i < ARRAY_SIZE(closed); i++)
		check(&closed[i]);
	open_port(0x21, true);
	for (u32 i = 0; i < ARRAY_SIZE(open); i++)
		check(&open[i]);
	data[0x20] = data[0x21] = data[0x22] = data[0x23] = 0;
	check(&insb);
	ok(data[0x20] == 0xff && data[0x21] == 0 && out.r.edi == 0x21, "INSB: to ES:DI");
	data[0x10] = 0xff;
	check(&outsb);
	is(out.r.esi, 0x11, "OUTSB: SI");
	check(&rep);
	ok(data[0x22] == 0xff && data[0x23] == 0 && out.r.edi == 0x23 && (u16)out.r.ecx == 0,
	   "REP INSB: all three, and no more");
	open_port(0x21, false);
	for (u32 i = 0; i < ARRAY_SIZE(mmio); i++) {
		struct run x = mmio[i];

		x.eax = lapic_read(LAPIC_VERSION);
		check(&x);
	}
	*(volatile u32 *)DATA_AT = 0;
	{
		/* MOVSD from the device to ES:DI. */
		static const struct run movs = {
			FINE("device memory: MOVSD out of FS", 6),
			.code = { 0xbe, LAPIC_VERSION, 0, 0x66, 0x64, 0xa5 },
		};

		check(&movs);
		is(*(volatile u32 *)(DATA_AT + 0x20), lapic_read(LAPIC_VERSION),
		   "MOVSD: the value");
	}
}

/* --- interrupts --------------------------------------------------------------------------------------------- */

static void events(void)
{
	static const struct run monitor = { FINE("IOPL 3: INT n: to the monitor, and back", 2),
					    .code = { 0xcd, VEC_INT }, .iopl = 3 };
	static const struct run idle = { FINE("an interrupt between two instructions", 4),
					 .code = { 0x90, 0x90, 0x90, 0x90 }, .iopl = 3,
					 .flags = (u32)RFLAGS_IF };
	static const struct run masked = { FINE("masked: none comes", 2), .code = { 0x90, 0x90 },
					   .iopl = 3 };
	static const struct run sti = { FINE("STI: it comes behind the next instruction", 3),
					.code = { 0xfb, 0x90, 0x90 }, .iopl = 3 };

	on_vector(VEC_INT, counts);
	check(&monitor);
	is(interrupts, 1, "INT n: once");
	ok(interrupt_flags & RFLAGS_VM, "INT n: VM in the saved flags");
	is(interrupt_ds, 0, "INT n: the data segments are null in the handler");
	ok((out.r.v86_ds & 0xffff) == DATA_AT >> 4 && (out.r.v86_fs & 0xffff) == DEVICE_AT >> 4 &&
		   (out.r.v86_gs & 0xffff) == HIDDEN_AT >> 4 &&
		   (out.r.v86_es & 0xffff) == DATA_AT >> 4 && (out.r.ss & 0xffff) == DATA_AT >> 4 &&
		   out.r.esp == STACK_TOP,
	   "INT n: the segments are back");
	on_vector(VEC_IPI, counts);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	check(&masked);
	is(interrupts, 0, "masked: it waits");
	check(&sti);
	is(interrupts, 1, "STI: it came");
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	check(&idle);
	is(interrupts, 1, "with IF on entry: it came");
	ok(interrupt_flags & RFLAGS_VM, "interrupt: VM in the saved flags");
	on_vector(VEC_IPI, NULL);
	on_vector(VEC_INT, NULL);
}

static u32 steps, step_eip[8];

static void step(struct regs *r)
{
	if (!(r->eflags & RFLAGS_VM))
		return;
	if (steps < ARRAY_SIZE(step_eip))
		step_eip[steps] = r->eip;
	steps++;
}

static void single_step(void)
{
	/* NOP; CPUID; IN AL,21h; device memory */
	static const struct run x = {
		FINE("TF: runs to its end", 9),
		.code = { 0x90, 0x0f, 0xa2, 0xe4, 0x21, 0x64, 0xa1, LAPIC_VERSION, 0 },
		.flags = (u32)RFLAGS_TF,
	};

	open_port(0x21, true);
	steps = 0;
	on_vector(VEC_DB, step);
	set_dr6((u32)DR6_RESET);
	check(&x);
	on_vector(VEC_DB, ends);
	ok(steps == 4 && step_eip[0] == 1 && step_eip[1] == 3 && step_eip[2] == 5 &&
		   step_eip[3] == 9,
	   "TF: #DB behind each of NOP, CPUID, IN, MOV from device memory");
	ok(get_dr6() & DR6_BS, "TF: DR6.BS");
	open_port(0x21, false);
}

/* --- CR4.VME: 21.3 --------------------------------------------------------------------------------------------- */

#define VIF ((u32)RFLAGS_VIF)
#define VIP ((u32)RFLAGS_VIP)

static void extensions(void)
{
	static const struct run rows[] = {
		{ FAULT("VME: STI with VIP: #GP(0)", 1), .code = { 0xfb }, .flags = VIP },
		{ FAULT("VME: INT n whose bit is set: #GP(0)", 2), .code = { 0xcd, VEC_INT } },
	};
	static const struct run sti = { FINE("VME: STI", 1), .code = { 0xfb } };
	static const struct run cli = { FINE("VME: CLI", 1), .code = { 0xfa }, .flags = VIF };
	static const struct run pushf = { FINE("VME: PUSHF", 2), .code = { 0x9c, 0x58 },
					  .flags = VIF };
	static const struct run redirected = { FINE("VME: INT n through the IVT", 2),
					       .code = { 0xcd, VEC_REAL }, .flags = VIF };
	u8 *map = (u8 *)&main_task + main_task.tss.io_map - INT_MAP;
	static volatile u32 ivt_entry = 4 * VEC_REAL; /* the compiler knows no memory there */
	volatile u16 *ivt = (volatile u16 *)ivt_entry;
	u16 old[2] = { ivt[0], ivt[1] };

	if (!(cpuid(1, 0).edx & BIT(1))) {
		skip("VME", "not offered");
		return;
	}
	set_cr4(get_cr4() | (u32)CR4_VME);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
	check(&sti);
	ok((out.r.eflags & VIF) && !(out.r.eflags & RFLAGS_IF), "VME: STI sets VIF, not IF");
	check(&cli);
	ok(!(out.r.eflags & VIF), "VME: CLI clears VIF");
	check(&pushf);
	is(out.r.eax & 0x3200, 0x3200, "VME: PUSHF stores VIF as IF, and IOPL 3");
	/* PUSHF; POP AX; IRET */
	for (u32 i = 0; i < 3; i++)
		*(volatile u8 *)(CODE_AT + IVT_OFFSET + i) = ((const u8[]){ 0x9c, 0x58, 0xcf })[i];
	ivt[0] = IVT_OFFSET;
	ivt[1] = CODE_AT >> 4;
	map[VEC_REAL / 8] &= (u8) ~(1U << VEC_REAL % 8);
	check(&redirected);
	ok(!(out.r.eax & RFLAGS_IF) && (out.r.eflags & VIF),
	   "VME: the handler runs with VIF clear, and IRET restores it");
	map[VEC_REAL / 8] |= (u8)(1U << VEC_REAL % 8);
	ivt[0] = old[0];
	ivt[1] = old[1];
	set_cr4(get_cr4() & ~(u32)CR4_VME);
}

/* --- ------------------------------------------------------------------------------------------------------------ */

#define ENTRIES 1024U
#define LARGE	0x400000U
static u32 directory[ENTRIES] __aligned(4096), table[ENTRIES] __aligned(4096);

static void paging_on(void)
{
	for (u32 i = 0; i < ENTRIES; i++) {
		directory[i] = (u32)(i * LARGE | PTE_P | PTE_W | PTE_PS);
		table[i] = (u32)(i * PAGE | PTE_P | PTE_W | PTE_U);
	}
	directory[0] = (u32)((u32)table | PTE_P | PTE_W | PTE_U);
	table[HIDDEN_AT / PAGE] &= ~(u32)PTE_U;
	table[DEVICE_AT / PAGE] = (u32)(LAPIC_PAGE | PTE_P | PTE_W | PTE_U);
	set_cr4(get_cr4() | (u32)CR4_PSE);
	set_cr3((u32)directory);
	set_cr0((u32)(get_cr0() | CR0_PG | CR0_WP));
}

void guest_main(void)
{
	static const u8 ending[] = { VEC_DE, VEC_DB, VEC_BP, VEC_OF, VEC_BR, VEC_UD,
				     VEC_TS, VEC_NP, VEC_SS, VEC_GP, VEC_PF };

	lapic_enable();
	tss_setup();
	/* The interrupt redirection map lies in front of the I/O map. */
	main_task.tss.io_map = (u16)(sizeof(main_task.tss) + INT_MAP);
	paging_on();
	for (u32 i = 0; i < ARRAY_SIZE(ending); i++)
		on_vector(ending[i], ends);
	idt[VEC_BP] |= (u64)GATE_DPL3 << 40;
	idt[VEC_OF] |= (u64)GATE_DPL3 << 40;
	idt[VEC_INT] |= (u64)GATE_DPL3 << 40;
	/* BOUND's limits, which 1111h is beyond. */
	*(volatile u32 *)DATA_AT = 0x00200010;
	instructions();
	*(volatile u32 *)DATA_AT = 0;
	ports();
	events();
	single_step();
	extensions();
}
