/* SPDX-License-Identifier: MIT */
/*
 * Real mode, "unreal" mode, 16-bit and 32-bit protected mode, 32-bit and PAE paging, compatibility and 64-bit mode, up and down and up again, with
 * exits in each. SDM vol. 3 (rev. 083) 10.8.5, 10.9, 21.1; vol. 2 INS, OUTS.
 */
#include "guest32.h"

#define BLOB_AT	   0x6000U
#define CODE_AT	   0x9000U  /* linear; the code segment's base */
#define DATA_AT	   0x20000U /* 64 KiB */
#define STACK_AT   0xa000U
#define STACK_TOP  0x0ff0U
#define CODE_BYTES 32
#define VEC_END	   0x68
#define VEC_IPI	   0x71
#define PIC_MASK   0x21 /* reads FFH here */
#define MSR_NONE   0x3fffffffU
#define HIDDEN	   0x100010U /* FFFF:0020 */

/* What real.asm keeps of the code that was interrupted. */
struct real_frame {
	u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
	u16 gs, fs, es, ds;
	u16 vector, ip, cs, flags;
} __packed;

void real_enter(const struct regs *r);
u32 long_probe(u32 address, u32 *results);
extern u8 real_blob[], real_blob_end[];
extern u32 real_stubs_at, real_count_at, real_frame_at, real_flat_at;

/* The compiler believes in nothing below its first page. */
static volatile u32 ivt_at;

static struct regs in;
static volatile struct real_frame *out;

static volatile u32 *low32(u32 address)
{
	return (volatile u32 *)address;
}

static void real_setup(void)
{
	for (u32 i = 0; i < (u32)(real_blob_end - real_blob); i++)
		*(volatile u8 *)(BLOB_AT + i) = real_blob[i];
	out = (volatile struct real_frame *)real_frame_at;
}

/* --- real mode ---------------------------------------------------------------------------------------- */

struct run {
	const char *name;
	u8 code[CODE_BYTES];
	u8 len;
	u8 vector; /* 0xff: none; the code is followed by INT 68H */
	u16 ip;	   /* of the exception */
	u32 eax, eax_mask;
	u32 esi, edi, ecx, flags;
	bool flat; /* FS has a limit of 4 GiB */
};

#define FINE .vector = 0xff

static void run(const struct run *x)
{
	u32 old[256];

	for (u32 i = 0; i < x->len; i++)
		*(volatile u8 *)(CODE_AT + i) = x->code[i];
	*(volatile u8 *)(CODE_AT + x->len) = 0xcd;
	*(volatile u8 *)(CODE_AT + x->len + 1) = VEC_END;
	for (u32 i = 0; i < ARRAY_SIZE(old); i++) {
		old[i] = low32(ivt_at)[i];
		low32(ivt_at)[i] = real_stubs_at + 8 * i;
	}
	in = (struct regs){
		.eax = 0x11111111,
		.edx = PIC_MASK,
		.esi = x->esi,
		.edi = x->edi,
		.ecx = x->ecx,
		.cs = CODE_AT >> 4,
		.eflags = (u32)RFLAGS_ONE | x->flags,
		.esp = STACK_TOP,
		.ss = STACK_AT >> 4,
		.ds = DATA_AT >> 4,
		.es = DATA_AT >> 4,
	};
	*low32(real_flat_at) = x->flat;
	*low32(real_count_at) = 0;
	real_enter(&in);
	for (u32 i = 0; i < ARRAY_SIZE(old); i++)
		low32(ivt_at)[i] = old[i];
}

static void check(const struct run *x, const char *where)
{
	bool none = x->vector == 0xff, right;

	run(x);
	right = out->vector == (none ? VEC_END : x->vector) &&
		out->ip == (none ? x->len + 2U : x->ip) &&
		((out->eax ^ x->eax) & x->eax_mask) == 0 && out->cs == CODE_AT >> 4;
	ok(right, "%s: %s", where, x->name);
	if (!right)
		print("# vector %u at %x:%x eax %x flags %x\n", out->vector, out->cs, out->ip,
		      out->eax, out->flags);
}

static const struct run real_rows[] = {
	{ "CPUID", { 0x66, 0x31, 0xc0, 0x0f, 0xa2, 0x90 }, 6, FINE },
	/* MOV EAX,CR0; AND AL,1 */
	{ "CR0.PE is clear", { 0x0f, 0x20, 0xc0, 0x24, 1 }, 5, FINE, .eax = 0, .eax_mask = 1 },
	{ "SMSW", { 0x0f, 0x01, 0xe0, 0x24, 1 }, 5, FINE, .eax = 0, .eax_mask = 0xff },
	{ "RDTSC", { 0x0f, 0x31 }, 2, FINE },
	/* MOV ECX,1BH; RDMSR */
	{ "RDMSR",
	  { 0x66, 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32 },
	  8,
	  FINE,
	  .eax = LAPIC_PAGE,
	  .eax_mask = 0xfffff000 },
	{ "WRMSR to none: vector 13",
	  { 0x66, 0xb9, 0xff, 0xff, 0xff, 0x3f, 0x0f, 0x30 },
	  8,
	  .vector = VEC_GP,
	  .ip = 6 },
	{ "IN AL, imm8", { 0xe4, PIC_MASK }, 2, FINE, .eax = 0x111111ff, .eax_mask = ~0U },
	{ "IN AL, DX", { 0xec }, 1, FINE, .eax = 0x111111ff, .eax_mask = ~0U },
	/* MOV DX,2F0H */
	{ "IN AX, DX: open bus",
	  { 0xba, 0xf0, 2, 0xed },
	  4,
	  FINE,
	  .eax = 0x1111ffff,
	  .eax_mask = ~0U },
	{ "IN EAX, DX: open bus",
	  { 0xba, 0xf0, 2, 0x66, 0xed },
	  5,
	  FINE,
	  .eax = ~0U,
	  .eax_mask = ~0U },
	{ "OUT", { 0xb0, 0xff, 0xee, 0xe6, 0x80 }, 5, FINE },
	{ "STI; HLT; an interrupt ends it", { 0xfb, 0xf4, 0x90 }, 3, FINE },
	{ "WBINVD", { 0x0f, 0x09 }, 2, FINE },
	{ "UD2: vector 6", { 0x0f, 0x0b }, 2, .vector = VEC_UD, .ip = 0 },
	{ "INT3: vector 3", { 0xcc }, 1, .vector = VEC_BP, .ip = 1 },
	{ "INT n", { 0xcd, 0x69 }, 2, .vector = 0x69, .ip = 2 },
	{ "DIV by zero: vector 0", { 0x31, 0xc9, 0xf7, 0xf1 }, 4, .vector = VEC_DE, .ip = 2 },
	{ "LTR: vector 6", { 0x0f, 0x00, 0xd8 }, 3, .vector = VEC_UD, .ip = 0 },
	{ "a word at FFFFh: vector 13", { 0xa1, 0xff, 0xff }, 3, .vector = VEC_GP, .ip = 0 },
	{ "a word at SS:FFFFh: vector 12",
	  { 0x36, 0xa1, 0xff, 0xff },
	  4,
	  .vector = VEC_SS,
	  .ip = 0 },
	{ "MOV EAX,FS:[ESI] beyond 64 KiB: vector 13",
	  { 0x66, 0x67, 0x64, 0x8b, 0x06 },
	  5,
	  .vector = VEC_GP,
	  .ip = 0,
	  .esi = 0xfee00030 },
	{ "TF: vector 1 behind NOP",
	  { 0x90, 0x90 },
	  2,
	  .vector = VEC_DB,
	  .ip = 1,
	  .flags = (u32)RFLAGS_TF },
	{ "TF: vector 1 behind CPUID",
	  { 0x0f, 0xa2, 0x90 },
	  3,
	  .vector = VEC_DB,
	  .ip = 2,
	  .flags = (u32)RFLAGS_TF },
	{ "TF: vector 1 behind IN",
	  { 0xec, 0x90 },
	  2,
	  .vector = VEC_DB,
	  .ip = 1,
	  .flags = (u32)RFLAGS_TF },
	{ "TF: vector 1 behind an iteration of REP INSB",
	  { 0xf3, 0x6c, 0x90 },
	  3,
	  .vector = VEC_DB,
	  .ip = 0,
	  .ecx = 2,
	  .flags = (u32)RFLAGS_TF },
};

static void real_mode(const char *where)
{
	for (u32 i = 0; i < ARRAY_SIZE(real_rows); i++) {
		const bool halts = real_rows[i].code[0] == 0xfb;

		if (halts)
			lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
		check(&real_rows[i], where);
		if (halts) {
			is(*low32(real_count_at), 1, "%s: it came once", where);
			lapic_write(LAPIC_EOI, 0);
		}
	}
}

/* --- real mode: strings and segments --------------------------------------------------------------------- */

static volatile u8 *data(u32 offset)
{
	return (volatile u8 *)(DATA_AT + offset);
}

static void fill(u8 value)
{
	for (u32 i = 0; i < 0x10000; i++)
		*data(i) = value;
}

static void strings(void)
{
	static const struct run ins = { "INSB", { 0x6c }, 1, FINE, .edi = 0x55 };
	static const struct run wrap = {
		"INSB at FFFFh", { 0x6c }, 1, FINE, .edi = 0xdead0000 | 0xffff
	};
	static const struct run rep = {
		"REP INSB across 64 KiB", { 0xf3, 0x6c }, 2, FINE, .edi = 0xfffe, .ecx = 4
	};
	static const struct run down = {
		"REP INSB downwards",	{ 0xf3, 0x6c }, 2, FINE, .edi = 1, .ecx = 3,
		.flags = (u32)RFLAGS_DF
	};
	static const struct run word = { "INSW at FFFFh: vector 13", { 0x6d }, 1,
					 .vector = VEC_GP,	     .ip = 0,  .edi = 0xffff };
	static const struct run wide = {
		"INSB with 32-bit addresses", { 0x67, 0x6c }, 2, FINE, .edi = 0x60
	};
	static const struct run wide_gp = {
		"INSB with 32-bit addresses beyond the limit: vector 13",
		{ 0x67, 0x6c },
		2,
		.vector = VEC_GP,
		.ip = 0,
		.edi = 0x10000
	};
	static const struct run outs = { "OUTSB", { 0x6e }, 1, FINE, .esi = 0xffff };
	static const struct run outs_cs = {
		"OUTSB with CS", { 0x2e, 0x6e }, 2, FINE, .esi = 0x200
	};
	static const struct run none = { "REP INSB, count 0", { 0xf3, 0x6c }, 2, FINE,
					 .edi = 0x70,	      .ecx = 0x10000 };
	/* MOV AX,FFFFH; MOV DS,AX; MOV AX,[20H] */
	static const struct run high = { "FFFF:0020 is above 1 MiB",
					 { 0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa1, 0x20, 0 },
					 8,
					 FINE,
					 .eax = 0x7357,
					 .eax_mask = 0xffff };

	fill(0);
	check(&ins, "real");
	ok(*data(0x55) == 0xff && *data(0x56) == 0 && out->edi == 0x56, "real: INSB: to ES:DI");
	check(&wrap, "real");
	ok(*data(0xffff) == 0xff && out->edi == 0xdead0000, "real: INSB: DI wraps, EDI does not");
	fill(0);
	check(&rep, "real");
	ok(*data(0xfffe) == 0xff && *data(0xffff) == 0xff && *data(0) == 0xff && *data(1) == 0xff &&
		   *data(2) == 0 && out->edi == 2 && out->ecx == 0,
	   "real: REP INSB: wraps");
	fill(0);
	check(&down, "real");
	ok(*data(1) == 0xff && *data(0) == 0xff && *data(0xffff) == 0xff && *data(0xfffe) == 0 &&
		   out->edi == 0xfffe,
	   "real: REP INSB: wraps downwards");
	fill(0);
	check(&word, "real");
	ok(*data(0xffff) == 0 && *data(0) == 0, "real: INSW: nothing is written");
	check(&wide, "real");
	ok(*data(0x60) == 0xff && out->edi == 0x61, "real: INSB: by EDI");
	check(&wide_gp, "real");
	/* What goes to the 8259's mask is what it is. */
	*data(0xffff) = *(volatile u8 *)(CODE_AT + 0x200) = 0xff;
	check(&outs, "real");
	is(out->esi, 0, "real: OUTSB: SI wraps");
	check(&outs_cs, "real");
	is(out->esi, 0x201, "real: OUTSB: SI");
	check(&none, "real");
	ok(*data(0x70) == 0 && out->ecx == 0x10000, "real: REP INSB: CX counts, not ECX");
	*low32(HIDDEN) = 0x7357;
	check(&high, "real");
}

static void unreal(void)
{
	static const struct run rows[] = {
		{ "MOV EAX,FS:[ESI]: device memory",
		  { 0x66, 0x67, 0x64, 0x8b, 0x06 },
		  5,
		  FINE,
		  .esi = LAPIC_PAGE + LAPIC_VERSION,
		  .flat = true,
		  .eax_mask = ~0U },
		{ "MOVSD out of FS: device memory",
		  { 0xf3, 0x67, 0x66, 0x64, 0xa5, 0x26, 0x66, 0xa1, 0x80, 0 },
		  10,
		  FINE,
		  .esi = LAPIC_PAGE + LAPIC_VERSION,
		  .edi = 0x80,
		  .ecx = 1,
		  .flat = true,
		  .eax_mask = ~0U },
		/* MOV FS:[ESI],EAX; MOV EAX,FS:[EDI] */
		{ "MOV FS:[ESI],EAX: device memory, written",
		  { 0x66, 0x67, 0x64, 0x89, 0x06, 0x66, 0x67, 0x64, 0x8b, 0x07 },
		  10,
		  FINE,
		  .esi = LAPIC_PAGE + LAPIC_TPR,
		  .edi = LAPIC_PAGE + LAPIC_VERSION,
		  .flat = true,
		  .eax_mask = ~0U },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run x = rows[i];

		x.eax = lapic_read(LAPIC_VERSION);
		check(&x, "unreal");
		lapic_write(LAPIC_TPR, 0);
	}
	is(out->fs, 0, "unreal: FS's selector is the real one");
}

/* --- 16-bit protected mode ---------------------------------------------------------------------------------- */

enum {
	SEL_CODE = GUEST_FREE, /* 16-bit, base CODE_AT; 48H is 64-bit code */
	SEL_LONG = 0x48,
	SEL_SMALL = 0x50,  /* 16 bytes */
	SEL_DOWN = 0x58,   /* from 10H up */
	SEL_DEVICE = 0x60, /* the LAPIC's page */
	SEL_STACK = 0x68,
};

static struct regs ended;
static volatile u32 saved_esp __asm__("saved_esp") __attribute__((used));
void leave16(void) __attribute__((noreturn));
void enter16(const struct regs *r);

/* The frame is the stubs'; the stack stays the caller's, in a 16-bit segment over it. */
__asm__("enter16:\n\tpushal\n\tmovl 36(%esp), %eax\n\tmovl %esp, saved_esp\n\tmovl %eax, %esp\n\t"
	"popl %gs\n\tpopl %fs\n\tpopl %es\n\tpopl %ds\n\tpopal\n\taddl $8, %esp\n\tiretl\n"
	"leave16:\n\tmovl saved_esp, %esp\n\tmovw $0x10, %ax\n\tmovw %ax, %ds\n\tmovw %ax, %es\n\tpopal\n\tret\n");

static void ends(struct regs *r)
{
	ended = *r;
	leave16();
}

static const struct run protected_rows[] = {
	{ "CPUID", { 0x66, 0x31, 0xc0, 0x0f, 0xa2, 0x90 }, 6, FINE },
	{ "IN AL, DX", { 0xec }, 1, FINE, .eax = 0x111111ff, .eax_mask = ~0U },
	{ "INSB within the limit", { 0x6c }, 1, FINE, .edi = 0xf },
	{ "INSB beyond the limit: #GP(0)", { 0x6c }, 1, .vector = VEC_GP, .ip = 0, .edi = 0x10 },
	{ "REP INSB up to the limit: #GP(0)",
	  { 0xf3, 0x6c },
	  2,
	  .vector = VEC_GP,
	  .ip = 0,
	  .edi = 0xd,
	  .ecx = 9 },
	/* MOV EAX,FS:[30H]: device memory by 16-bit addresses */
	{ "device memory", { 0x66, 0x64, 0xa1, LAPIC_VERSION, 0 }, 5, FINE, .eax_mask = ~0U },
	{ "device memory: beyond the limit: #GP(0)",
	  { 0x66, 0x64, 0xa1, 0xfd, 0x0f },
	  5,
	  .vector = VEC_GP,
	  .ip = 0 },
	{ "expand-down: below: #GP(0)", { 0x65, 0xa0, 0x0f, 0 }, 4, .vector = VEC_GP, .ip = 0 },
	{ "expand-down: INSB", { 0x65, 0xa0, 0x10, 0 }, 4, FINE },
	/* MOV AX,GS; MOV ES,AX; INSB */
	{ "expand-down: INSB below: #GP(0)",
	  { 0x8c, 0xe8, 0x8e, 0xc0, 0x6c },
	  5,
	  .vector = VEC_GP,
	  .ip = 4,
	  .edi = 0xf },
	{ "OUTSB beyond the limit: #GP(0)", { 0x6e }, 1, .vector = VEC_GP, .ip = 0, .esi = 0x10 },
	{ "HLT", { 0xfb, 0xf4, 0x90 }, 3, FINE },
};

static void protected16(void)
{
	static const u8 ending[] = { VEC_UD, VEC_SS, VEC_GP, VEC_END };

	set_descriptor(SEL_CODE,
		       descriptor(CODE_AT, 0xff, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A));
	set_descriptor(SEL_SMALL, descriptor(DATA_AT, 0xf, SEG_P | SEG_S | SEG_W | SEG_A));
	set_descriptor(SEL_DOWN, descriptor(DATA_AT, 0xf, SEG_P | SEG_S | SEG_W | SEG_A | SEG_E));
	set_descriptor(SEL_DEVICE, descriptor(LAPIC_PAGE, 0xfff, SEG_P | SEG_S | SEG_W | SEG_A));
	for (u32 i = 0; i < ARRAY_SIZE(ending); i++)
		on_vector(ending[i], ends);
	fill(0xff); /* QEMU's software emulation knows no limits */
	on_vector(VEC_IPI, eoi_handler);
	for (u32 i = 0; i < ARRAY_SIZE(protected_rows); i++) {
		struct run x = protected_rows[i];
		bool none = x.vector == 0xff, halts = x.code[0] == 0xfb;

		for (u32 j = 0; j < x.len; j++)
			*(volatile u8 *)(CODE_AT + j) = x.code[j];
		*(volatile u8 *)(CODE_AT + x.len) = 0xcd;
		*(volatile u8 *)(CODE_AT + x.len + 1) = VEC_END;
		if (x.code[1] == 0x64)
			x.eax = none ? lapic_read(LAPIC_VERSION) : 0;
		if (!none)
			x.eax_mask = 0;
		in = (struct regs){
			.gs = SEL_DOWN,
			.fs = SEL_DEVICE,
			.es = SEL_SMALL,
			.ds = SEL_SMALL,
			.eax = 0x11111111,
			.edx = PIC_MASK,
			.esi = x.esi,
			.edi = x.edi,
			.ecx = x.ecx,
			.eip = 0,
			.cs = SEL_CODE,
			.eflags = (u32)RFLAGS_ONE,
		};
		if (halts)
			lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
		enter16(&in);
		ok(ended.vector == (none ? VEC_END : x.vector) && ended.error == 0 &&
			   ended.eip == (none ? x.len + 2U : x.ip) &&
			   ((ended.eax ^ x.eax) & x.eax_mask) == 0,
		   "16-bit protected: %s", x.name);
		if (ended.vector != (none ? VEC_END : x.vector) ||
		    ended.eip != (none ? x.len + 2U : x.ip))
			print("# vector %u(%x) at %x eax %x\n", ended.vector, ended.error,
			      ended.eip, ended.eax);
		if (halts)
			is(taken[VEC_IPI], 1, "16-bit protected: HLT: an interrupt ended it");
		if (x.ecx)
			ok(ended.edi == 0x10 && ended.ecx == 6,
			   "16-bit protected: %s: the state is precise", x.name);
	}
	for (u32 i = 0; i < ARRAY_SIZE(ending); i++)
		on_vector(ending[i], NULL);
}

/* --- 32-bit code in all that it runs in ------------------------------------------------------------------------ */

static u8 buffer[4];

/* Exits of each kind. Without an IDT for this mode nothing may interrupt. */
static void exits(const char *mode, bool may_interrupt)
{
	u32 version, lo, hi, n = 3;
	void *p = buffer;

	is(cpuid(0x40000000, 0).ebx, under_plinth ? 0x6e696c50 : cpuid(0x40000000, 0).ebx,
	   "%s: CPUID", mode);
	is(inb(PIC_MASK), 0xff, "%s: IN", mode);
	version = lapic_read(LAPIC_VERSION);
	is(version >> 16 & 0xff, 5, "%s: device memory is read", mode);
	lapic_write(LAPIC_TPR, 0x20);
	is(lapic_read(LAPIC_TPR), 0x20, "%s: device memory is written", mode);
	lapic_write(LAPIC_TPR, 0);
	buffer[0] = buffer[1] = buffer[2] = buffer[3] = 0;
	__asm__ volatile("cld\n\trep insb" : "+D"(p), "+c"(n) : "d"(PIC_MASK) : "memory");
	ok(buffer[0] == 0xff && buffer[2] == 0xff && buffer[3] == 0 && n == 0, "%s: REP INSB",
	   mode);
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_APIC_BASE));
	is(lo & 0xfffff000, LAPIC_PAGE, "%s: RDMSR", mode);
	if (!may_interrupt)
		return;
	{
		u32 a = 0;

		ok(TRY("rdmsr", "+a"(a), "=d"(hi)
		       : "c"(MSR_NONE)) == VEC_GP ||
			   bare_qemu || bare_bochs,
		   "%s: RDMSR of none: #GP", mode);
		is((u32)TRY("ud2", "+a"(a) :), VEC_UD, "%s: UD2", mode);
	}
	on_vector(VEC_IPI, eoi_handler);
	lapic_write(LAPIC_ICR_LO, ICR_SELF | VEC_IPI);
	irq_wait();
	is(taken[VEC_IPI], 1, "%s: STI; HLT: an interrupt ends it", mode);
}

#define ENTRIES	    1024U
#define PAE_ENTRIES 512U
#define LARGE	    0x400000U
#define PAE_LARGE   0x200000U

static u32 directory[ENTRIES] __aligned(4096), table[ENTRIES] __aligned(4096);
static u64 pae_directory[4][PAE_ENTRIES] __aligned(4096), pdpt[PAE_ENTRIES] __aligned(4096),
	pml4[PAE_ENTRIES] __aligned(4096);

static void page_tables(void)
{
	for (u32 i = 0; i < ENTRIES; i++) {
		directory[i] = (u32)(i * LARGE | PTE_P | PTE_W | PTE_PS);
		table[i] = (u32)(i * 4096 | PTE_P | PTE_W);
	}
	directory[0] = (u32)((u32)table | PTE_P | PTE_W);
	for (u32 i = 0; i < 4; i++) {
		for (u32 j = 0; j < PAE_ENTRIES; j++)
			pae_directory[i][j] =
				((i * PAE_ENTRIES + j) * PAE_LARGE) | PTE_P | PTE_W | PTE_PS;
		pdpt[i] = (u32)pae_directory[i] | PTE_P;
	}
	pml4[0] = (u32)pdpt | PTE_P | PTE_W;
}

static void paging(u32 cr4, u32 cr3)
{
	set_cr4((get_cr4() & ~(u32)(CR4_PSE | CR4_PAE)) | cr4);
	set_cr3(cr3);
	set_cr0((u32)(get_cr0() | CR0_PG));
}

static void no_paging(void)
{
	set_cr0(get_cr0() & ~(u32)CR0_PG);
}

/* again: what the checks of a second time are told by. */
static void long_mode(const char *again)
{
	u32 results[4];

	if (!(cpuid(0x80000001, 0).edx & BIT(29))) {
		skip("compatibility mode", "no long mode");
		return;
	}
	set_descriptor(SEL_LONG,
		       descriptor(0, 0, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_L));
	for (u32 i = 0; i < 4; i++)
		pdpt[i] |= PTE_W;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_LME);
	paging((u32)CR4_PAE, (u32)pml4);
	ok(rdmsr(MSR_EFER) & EFER_LMA, "compatibility%s: EFER.LMA", again);
	exits(*again ? "compatibility again" : "compatibility", false);
	long_probe(LAPIC_PAGE + LAPIC_VERSION, results);
	is(results[0], lapic_read(LAPIC_VERSION), "64-bit%s: device memory by R8", again);
	is(results[1], 5, "64-bit%s: CR8", again);
	is(results[2], 0x12345678, "64-bit%s: IN AL keeps the upper half of RAX", again);
	is(results[3], cpuid(0x40000000, 0).ebx, "64-bit%s: CPUID", again);
	no_paging();
	ok(!(rdmsr(MSR_EFER) & EFER_LMA), "paging off%s: EFER.LMA is clear", again);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_LME);
	for (u32 i = 0; i < 4; i++)
		pdpt[i] &= ~PTE_W;
}

void guest_main(void)
{
	lapic_enable();
	tss_setup();
	real_setup();
	page_tables();
	exits("no paging", true);
	real_mode("real");
	strings();
	unreal();
	protected16();
	paging((u32)CR4_PSE, (u32)directory);
	exits("32-bit paging", true);
	/* Real mode and back while the tables stand. */
	real_mode("real, out of 32-bit paging");
	exits("32-bit paging again", true);
	no_paging();
	paging((u32)CR4_PAE, (u32)pdpt);
	exits("PAE paging", true);
	no_paging();
	long_mode("");
	exits("no paging again", true);
	long_mode(" again");
	real_mode("real, out of 64-bit mode");
}
