/* SPDX-License-Identifier: MIT */
/*
 * Instructions on device memory: SDM vol. 2. The registers that keep what is written are the LAPIC's (TPR, LDR, ICR high, error LVT), with 32-bit
 * accesses at 16-byte steps; the I/O APIC's select register takes bytes; open bus reads all ones.
 */
#include "guest.h"

#define REG	 (LAPIC_PAGE + LAPIC_TPR)    /* eight bits */
#define WIDE	 (LAPIC_PAGE + LAPIC_ICR_HI) /* bits 24-31 */
#define OPEN	 0xd0000000UL
#define SELECT	 IOAPIC_PAGE
#define FREE_RAM 0x700000UL
#define FLAGS	 (RFLAGS_CF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_PF)

static u64 flags;

/* An instruction's text on one line. */
static const char *title(const char *text)
{
	static char line[160];
	u32 n = 0;

	for (; *text && n < sizeof(line) - 1; text++)
		if (*text == '\n')
			line[n++] = ';';
		else if (*text == '\t')
			line[n++] = ' ';
		else if (*text != '%' || text[1] != '%')
			line[n++] = *text;
	line[n] = 0;
	return line;
}

/* Sets the register, executes with the operand in RAX (and CL), and wants register, RAX and flags. */
#define CASE(insn, ...) CASE_AS("", insn, __VA_ARGS__)
#define CASE_AS(suffix, insn, before, operand, after, result, want_flags)                          \
	do {                                                                                       \
		u64 a_ = (operand);                                                                \
		mmio_write32(REG, before);                                                         \
		__asm__ volatile("xorl %%edx, %%edx\n\t" insn "\n\tpushfq\n\tpopq %%rdx"           \
				 : "+a"(a_), "=&d"(flags)                                          \
				 : "b"(REG), "c"(3)                                                \
				 : "memory", "cc");                                                \
		ok(mmio_read32(REG) == (after) && a_ == (u64)(result) &&                           \
			   ((want_flags) == NO_FLAGS || (flags & FLAGS) == (want_flags)),          \
		   "%s" suffix, title(insn));                                                      \
		if (mmio_read32(REG) != (after) || a_ != (u64)(result))                            \
			print("# register %x, RAX %lx, flags %lx\n", mmio_read32(REG), a_, flags); \
	} while (0)
#define NO_FLAGS ~0ULL

static void forms(void)
{
	CASE("movl (%%rbx), %%eax", 0x53, ~0ULL, 0x53, 0x53, NO_FLAGS);
	CASE("movl %%eax, (%%rbx)", 0x11, 0x47, 0x47, 0x47, NO_FLAGS);
	CASE("movl $0x2a, (%%rbx)", 0x11, 1, 0x2a, 1, NO_FLAGS);
	CASE("addl %%eax, (%%rbx)", 0x13, 0x20, 0x33, 0x20, RFLAGS_PF);
	CASE("addl $-1, (%%rbx)", 1, 0, 0, 0, RFLAGS_CF | RFLAGS_ZF | RFLAGS_PF);
	CASE("addl (%%rbx), %%eax", 0x13, 0x20, 0x13, 0x33, RFLAGS_PF);
	CASE("subl %%eax, (%%rbx)", 0x33, 0x22, 0x11, 0x22, RFLAGS_PF);
	CASE("subl (%%rbx), %%eax", 0x33, 0x22, 0x33, 0xffffffef, RFLAGS_CF | RFLAGS_SF);
	CASE("stc\n\tadcl $1, (%%rbx)", 0x10, 0, 0x12, 0, RFLAGS_PF);
	CASE("stc\n\tsbbl $1, (%%rbx)", 0x10, 0, 0x0e, 0, 0);
	CASE("andl %%eax, (%%rbx)", 0x3c, 0x0f, 0x0c, 0x0f, RFLAGS_PF);
	CASE("orl %%eax, (%%rbx)", 0x30, 0x0f, 0x3f, 0x0f, RFLAGS_PF);
	CASE("xorl %%eax, (%%rbx)", 0x3c, 0x0f, 0x33, 0x0f, RFLAGS_PF);
	CASE("andl (%%rbx), %%eax", 0x3c, 0xff, 0x3c, 0x3c, RFLAGS_PF);
	CASE("cmpl %%eax, (%%rbx)", 0x33, 0x33, 0x33, 0x33, RFLAGS_ZF | RFLAGS_PF);
	CASE("cmpl $0x34, (%%rbx)", 0x33, 0, 0x33, 0, RFLAGS_CF | RFLAGS_SF | RFLAGS_PF);
	CASE("cmpl (%%rbx), %%eax", 0x33, 0x34, 0x33, 0x34, 0);
	CASE("testl %%eax, (%%rbx)", 0x33, 0x44, 0x33, 0x44, RFLAGS_ZF | RFLAGS_PF);
	CASE("testl $1, (%%rbx)", 0x33, 0, 0x33, 0, 0);
	CASE("incl (%%rbx)", 0x33, 0, 0x34, 0, 0);
	CASE("decl (%%rbx)", 0x33, 0, 0x32, 0, 0);
	CASE("notl (%%rbx)", 0x33, 0, 0xcc, 0, NO_FLAGS);
	CASE("negl (%%rbx)", 0x01, 0, 0xff, 0, RFLAGS_CF | RFLAGS_SF | RFLAGS_PF);
	CASE("xchgl %%eax, (%%rbx)", 0x33, 0x44, 0x44, 0x33, NO_FLAGS);
	CASE("lock orl $0x40, (%%rbx)", 0x03, 0, 0x43, 0, 0);
	CASE("lock xaddl %%eax, (%%rbx)", 0x21, 0x12, 0x33, 0x21, RFLAGS_PF);
	CASE("lock cmpxchgl %%ecx, (%%rbx)", 0x33, 0x33, 3, 0x33, RFLAGS_ZF | RFLAGS_PF);
	CASE_AS(": not equal", "lock cmpxchgl %%ecx, (%%rbx)", 0x33, 0x34, 0x33, 0x33, 0);
	CASE("btl $5, (%%rbx)", 0x20, 0, 0x20, 0, NO_FLAGS);
	CASE("btsl $6, (%%rbx)", 0x20, 0, 0x60, 0, NO_FLAGS);
	CASE("lock btrl $5, (%%rbx)", 0x60, 0, 0x40, 0, NO_FLAGS);
	CASE("btcl %%ecx, (%%rbx)", 0x60, 0, 0x68, 0, NO_FLAGS);
	CASE("shll $1, (%%rbx)", 0x21, 0, 0x42, 0, NO_FLAGS);
	CASE("shrl %%cl, (%%rbx)", 0x88, 0, 0x11, 0, NO_FLAGS);
	CASE("rorl $4, (%%rbx)", 0x30, 0, 0x03, 0, NO_FLAGS);
	CASE("imull (%%rbx), %%eax", 7, 6, 7, 42, NO_FLAGS);
	CASE("movslq (%%rbx), %%rax", 0x93, ~0ULL, 0x93, 0x93, NO_FLAGS);
	CASE("xorl %%eax, %%eax\n\tcmovzl (%%rbx), %%eax", 0x93, 0, 0x93, 0x93, NO_FLAGS);
	CASE("movl -12(%%rbx,%%rcx,4), %%eax\n\tmovl 4(%%rbx,%%rcx,4), %%eax", 0x93, 0, 0x93,
	     mmio_read32(REG + 0x10), NO_FLAGS);
	CASE("addr32 movl (%%ebx), %%eax", 0x93, 0, 0x93, 0x93, NO_FLAGS);
	CASE("pushq %%rax\n\tpopq (%%rsp)\n\tpushq %%rax\n\tmovl (%%rbx), %%eax\n\tpopq %%rdx\n\taddq $0, %%rdx",
	     0x2f, 5, 0x2f, 0x2f, NO_FLAGS);
	CASE("movl (%%rbx), %%eax\n\tpushq %%rax\n\tpopq %%rax", 0x2f, 5, 0x2f, 0x2f, NO_FLAGS);
	mmio_write32(REG, 0);
}

static void open_bus(void)
{
	static u8 buffer[64];
	u64 a = 0, n = 16;
	void *d = buffer;
	const void *s = (const void *)OPEN;

	inside_only(*(volatile u8 *)OPEN == 0xff, "open bus: byte");
	inside_only(*(volatile u16 *)(OPEN + 2) == 0xffff, "open bus: word");
	inside_only(*(volatile u32 *)(OPEN + 4) == 0xffffffff, "open bus: dword");
	inside_only(*(volatile u64 *)(OPEN + 8) == ~0ULL, "open bus: qword");
	inside_only(*(volatile u32 *)(OPEN + 0xffe) == 0xffffffff, "open bus: across pages");
	*(volatile u64 *)OPEN = 0;
	inside_only(*(volatile u64 *)OPEN == ~0ULL, "open bus: writes are lost");
	for (u32 i = 0; i < sizeof(buffer); i++)
		buffer[i] = 0x11;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	inside_only(buffer[15] == 0xff && buffer[16] == 0x11 && n == 0 && d == buffer + 16 &&
			    s == (void *)(OPEN + 16),
		    "REP MOVSB from open bus");
	d = buffer + 56;
	s = (const void *)(OPEN + 56);
	n = 3;
	__asm__ volatile("std\n\trep movsq\n\tcld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	inside_only(buffer[40] == 0xff && buffer[39] == 0x11 && d == buffer + 32 && n == 0,
		    "REP MOVSQ from open bus with DF");
	d = (void *)OPEN;
	s = buffer;
	n = 8;
	__asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	inside_only(d == (void *)(OPEN + 32) && n == 0, "REP MOVSL to open bus");
	d = (void *)OPEN;
	n = 9;
	__asm__ volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(0) : "memory");
	inside_only(d == (void *)(OPEN + 36) && n == 0, "REP STOSL to open bus");
	s = (void *)OPEN;
	__asm__ volatile("lodsl" : "+S"(s), "+a"(a));
	inside_only(a == 0xffffffff && s == (void *)(OPEN + 4), "LODSL from open bus");
	d = (void *)OPEN;
	n = 20;
	__asm__ volatile("repe scasb" : "+D"(d), "+c"(n) : "a"(0xff) : "memory", "cc");
	inside_only(n == 0 && d == (void *)(OPEN + 20), "REPE SCASB on open bus");
	d = (void *)OPEN;
	n = 20;
	__asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"(0xff) : "memory", "cc");
	inside_only(n == 19 && d == (void *)(OPEN + 1), "REPNE SCASB on open bus");
	for (u32 i = 0; i < 16; i++)
		buffer[i] = i == 9 ? 0 : 0xff;
	d = (void *)OPEN;
	s = buffer;
	n = 16;
	__asm__ volatile("repe cmpsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
	inside_only(n == 6 && s == buffer + 10, "REPE CMPSB with open bus");
	n = 0;
	__asm__ volatile("pushq (%1)\n\tpopq %0" : "=r"(a) : "r"(OPEN) : "memory");
	inside_only(a == ~0ULL, "PUSH from open bus");
	__asm__ volatile("pushq %1\n\tpopq (%2)\n\tmovq %1, %0"
			 : "=&r"(a)
			 : "r"(7ULL), "r"(OPEN)
			 : "memory");
	inside_only(a == 7, "POP to open bus");
#define NARROW(insn, before, result)                                           \
	do {                                                                   \
		a = (before);                                                  \
		__asm__ volatile(insn : "+a"(a) : "b"(OPEN) : "memory", "cc"); \
		inside_only(a == (u64)(result), "open bus: %s", title(insn));  \
	} while (0)
	NARROW("movzbl (%%rbx), %%eax", ~0ULL, 0xff);
	NARROW("movsbl (%%rbx), %%eax", 0, 0xffffffff);
	NARROW("movsbq (%%rbx), %%rax", 0, ~0ULL);
	NARROW("movzwl (%%rbx), %%eax", ~0ULL, 0xffff);
	NARROW("movslq (%%rbx), %%rax", 0, ~0ULL);
	NARROW("movb (%%rbx), %%al", 0x1100, 0x11ff);
	NARROW("movb (%%rbx), %%ah", 0x11, 0xff11);
	NARROW("movw (%%rbx), %%ax", 0x110000, 0x11ffff);
	NARROW("cmpb $0xff, (%%rbx)\n\tsete %%al", 0, 1);
	NARROW("lock incb (%%rbx)\n\tsete %%al", 0, 1);
}

/* Half RAM, half device; and a fault in the middle. */
static void borders(void)
{
	volatile u8 *ram = (volatile u8 *)FREE_RAM;
	u64 a = 0;
	int v;

	map_page(FREE_RAM + PAGE_SIZE, OPEN | PTE_P | PTE_W | PTE_U);
	ram[PAGE_SIZE - 2] = 0x12;
	ram[PAGE_SIZE - 1] = 0x34;
	inside_only(*(volatile u32 *)(FREE_RAM + PAGE_SIZE - 2) == 0xffff3412,
		    "half RAM, half open bus: read");
	*(volatile u32 *)(FREE_RAM + PAGE_SIZE - 2) = 0x9988;
	ok(ram[PAGE_SIZE - 2] == 0x88 && ram[PAGE_SIZE - 1] == 0x99,
	   "half RAM, half open bus: write");
	map_page(FREE_RAM, OPEN | PTE_P | PTE_W | PTE_U);
	map_page(FREE_RAM + PAGE_SIZE, 0);
	v = TRY("movl (%1), %k0", "+a"(a) : "r"(FREE_RAM + PAGE_SIZE - 2));
	ok(v == VEC_PF && try_error == 0 && read_cr2() == FREE_RAM + PAGE_SIZE,
	   "half open bus, half missing: #PF at the second page");
	map_page(FREE_RAM + PAGE_SIZE, OPEN | PTE_P | PTE_U);
	v = TRY("movl %k0, (%1)", "+a"(a) : "r"(FREE_RAM + PAGE_SIZE - 2));
	ok(v == VEC_PF && try_error == (PFERR_P | PFERR_W), "half open bus, half read-only: #PF");
	map_page(FREE_RAM, FREE_RAM | PTE_P | PTE_W | PTE_U);
	map_page(FREE_RAM + PAGE_SIZE, (FREE_RAM + PAGE_SIZE) | PTE_P | PTE_W | PTE_U);
	/* Bochs ends. */
	inside_only(bare_bochs || *(volatile u64 *)(LAPIC_PAGE + 0xffc) >> 32 == 0xffffffff,
		    "the LAPIC's page ends where open bus begins");
	a = 0;
	v = TRY("movl (%1), %k0", "+a"(a) : "r"(0x8000000000000000ULL + LAPIC_PAGE));
	ok(v == VEC_GP && try_error == 0, "not canonical: #GP(0)");
}

static void ioapic(void)
{
	*(volatile u8 *)SELECT = 0x10;
	is(*(volatile u8 *)SELECT, 0x10, "I/O APIC: byte access to the select register");
	*(volatile u32 *)SELECT = 1;
	is(mmio_read32(IOAPIC_PAGE + 0x10) >> 16 & 0xff, 23, "I/O APIC: window");
}

void guest_main(void)
{
	lapic_enable();
	forms();
	open_bus();
	borders();
	ioapic();
}
