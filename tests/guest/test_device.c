/* SPDX-License-Identifier: MIT */
/*
 * The test device, and instructions on its memory: each runs on RAM, where the processor executes it, and on the device, where it is
 * emulated, from the same registers. SDM vol. 2.
 */
#include "guest.h"

#define TEST_PORT  0xe0
#define TEST_FLUSH 0xe4
#define TEST_LINES 0x2000
#define DEVICE	   0xff000000UL
#define RAM	   0x700000UL
#define BYTES	   0x1000UL
#define MIDDLE	   0x800UL
#define ARITH	   (RFLAGS_CF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_PF | RFLAGS_AF)
#define NO_AF	   (ARITH & ~RFLAGS_AF)
#define CF_OF	   (RFLAGS_CF | RFLAGS_OF)
#define VEC_HIGH   0x78
#define VEC_LOW	   0x66

struct state {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, flags;
	int vector;
};

static struct state in, out[2];

/* The device is uncached memory to the processor. */
static void fill(u64 page)
{
	for (u64 i = 0; i < BYTES; i += 8)
		*(volatile u64 *)(page + i) = (i * 0x0123456789abcdefULL) ^ 0x5aa5123400ff8001ULL;
}

static bool same_bytes(void)
{
	for (u64 i = 0; i < BYTES; i += 8)
		if (*(volatile u64 *)(RAM + i) != *(volatile u64 *)(DEVICE + i)) {
			print("# at %lx: RAM %lx, device %lx\n", i, *(volatile u64 *)(RAM + i),
			      *(volatile u64 *)(DEVICE + i));
			return false;
		}
	return true;
}

/* A register that points into the page is the same when its offset there is. */
static bool same_register(u64 ram, u64 device)
{
	return ram == device || (ram - RAM <= BYTES && device - DEVICE == ram - RAM);
}

static bool same_state(u64 flags_mask)
{
	const u64 *a = &out[0].rax, *b = &out[1].rax;
	bool same = out[0].vector == out[1].vector;

	for (u32 i = 0; i < 8; i++)
		same = same && same_register(a[i], b[i]);
	same = same && ((out[0].flags ^ out[1].flags) & flags_mask) == 0;
	for (u32 i = 0; !same && i < 9; i++)
		print("# register %u: RAM %lx, device %lx (vectors %d, %d)\n", i, a[i], b[i],
		      out[0].vector, out[1].vector);
	return same;
}

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

u64 own_rsp;

/*
 * RBX, RSI, RDI: the middle of the page; RBP: a quarter behind it; RAX, RCX, RDX, the flags from in. A text may load RSP: the
 * test's is back afterwards.
 */
#define RUN(insn, page, o)                                                                      \
	do {                                                                                    \
		register struct state *o_ __asm__("r12") = (o);                                 \
		u64 at_ = (page) + MIDDLE;                                                      \
                                                                                                \
		*o_ = in;                                                                       \
		o_->rbx = o_->rsi = o_->rdi = at_;                                              \
		o_->rbp = at_ + MIDDLE / 2;                                                     \
		fill(page);                                                                     \
		try_vector = -1;                                                                \
		__asm__ volatile("pushq %%rbp\n\tmovq %%rsp, own_rsp(%%rip)\n\t"                \
				 "leaq 2f(%%rip), %%r11\n\tmovq %%r11, try_resume(%%rip)\n\t"   \
				 "movq 0(%0), %%rax\n\tmovq 8(%0), %%rbx\n\t"                   \
				 "movq 16(%0), %%rcx\n\tmovq 24(%0), %%rdx\n\t"                 \
				 "movq 32(%0), %%rsi\n\tmovq 40(%0), %%rdi\n\t"                 \
				 "movq 48(%0), %%rbp\n\tpushq 64(%0)\n\tpopfq\n\t" insn         \
				 "\n2:\n\tmovq %%rsp, 56(%0)\n\tmovq own_rsp(%%rip), %%rsp\n\t" \
				 "pushfq\n\tpopq 64(%0)\n\tcld\n\t"                             \
				 "movq %%rax, 0(%0)\n\tmovq %%rbx, 8(%0)\n\t"                   \
				 "movq %%rcx, 16(%0)\n\tmovq %%rdx, 24(%0)\n\t"                 \
				 "movq %%rsi, 32(%0)\n\tmovq %%rdi, 40(%0)\n\t"                 \
				 "movq %%rbp, 48(%0)\n\tpopq %%rbp"                             \
				 :                                                              \
				 : "r"(o_)                                                      \
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", \
				   "r11", "memory", "cc");                                      \
		try_resume = 0;                                                                 \
		o_->vector = try_vector;                                                        \
	} while (0)

/* One copy of the text for both, so that return addresses are the same. */
#define SAME_FLAGS(insn, flags)                                         \
	do {                                                            \
		bool same_;                                             \
                                                                        \
		for (volatile u32 n_ = 0; n_ < 2; n_++)                 \
			RUN(insn, n_ ? DEVICE : RAM, &out[n_ ? 1 : 0]); \
		same_ = same_state(flags);                              \
		ok(same_bytes() && same_, "%s", title(insn));           \
	} while (0)
#define SAME(insn) SAME_FLAGS(insn, ARITH)

static void set_in(u64 rax, u64 rcx, u64 rdx, u64 flags)
{
	in = (struct state){ .rax = rax, .rcx = rcx, .rdx = rdx, .flags = flags | 2 };
}

#define EACH_SIZE(SAME_, op)                  \
	SAME_(op "b %%al, (%%rbx)", ARITH);   \
	SAME_(op "w %%ax, (%%rbx)", ARITH);   \
	SAME_(op "l %%eax, (%%rbx)", ARITH);  \
	SAME_(op "q %%rax, (%%rbx)", ARITH);  \
	SAME_(op "b (%%rbx), %%ah", ARITH);   \
	SAME_(op "w 2(%%rbx), %%ax", ARITH);  \
	SAME_(op "l 4(%%rbx), %%eax", ARITH); \
	SAME_(op "q 8(%%rbx), %%rax", ARITH)

static void arithmetic(void)
{
	set_in(0x8877665544332211, 3, 0x1122334455667788, RFLAGS_CF);
	EACH_SIZE(SAME_FLAGS, "mov");
	EACH_SIZE(SAME_FLAGS, "add");
	EACH_SIZE(SAME_FLAGS, "adc");
	EACH_SIZE(SAME_FLAGS, "sub");
	EACH_SIZE(SAME_FLAGS, "sbb");
	EACH_SIZE(SAME_FLAGS, "cmp");
	SAME_FLAGS("andq %%rax, (%%rbx)", NO_AF);
	SAME_FLAGS("orl %%eax, (%%rbx)", NO_AF);
	SAME_FLAGS("xorw (%%rbx), %%ax", NO_AF);
	SAME_FLAGS("testb $0x80, (%%rbx)", NO_AF);
	SAME("lock addl $0x1234, 4(%%rbx)");
	SAME("incb 1(%%rbx)");
	SAME("decw (%%rbx)");
	SAME("lock incl (%%rbx)");
	SAME("negq (%%rbx)");
	SAME("notl (%%rbx)");
	SAME("xchgb %%al, (%%rbx)");
	SAME("xchgq %%rax, (%%rbx)");
	SAME("lock xaddw %%ax, (%%rbx)");
	SAME("xaddq %%rax, (%%rbx)");
	SAME("cmpxchgl %%edx, (%%rbx)");
	SAME("movl (%%rbx), %%eax\n\tlock cmpxchgl %%edx, (%%rbx)");
	SAME("cmpxchg8b (%%rbx)");
	SAME("lock cmpxchg16b (%%rbx)");
	SAME_FLAGS("imulw (%%rbx), %%ax", CF_OF);
	SAME_FLAGS("imull $311, (%%rbx), %%eax", CF_OF);
	SAME_FLAGS("imulq $51, (%%rbx), %%rax", CF_OF);
	SAME_FLAGS("mulb (%%rbx)", CF_OF);
	SAME_FLAGS("mull (%%rbx)", CF_OF);
	SAME_FLAGS("imulq (%%rbx)", CF_OF);
	SAME_FLAGS("movl $5, %%edx\n\tdivq 8(%%rbx)", 0);
	SAME_FLAGS("movq $0, (%%rbx)\n\tdivl (%%rbx)", 0);
	SAME_FLAGS("movswl (%%rbx), %%eax", ARITH);
	SAME_FLAGS("movzbq 3(%%rbx), %%rax", ARITH);
	SAME_FLAGS("movslq (%%rbx), %%rax", ARITH);
	SAME("cmovcq (%%rbx), %%rax");
	SAME("cmovncl (%%rbx), %%eax");
	SAME("setc 5(%%rbx)");
	SAME("movntil %%eax, 4(%%rbx)");
}

static void bits(void)
{
	set_in(0x8877665544332211, 3, 0x1122334455667788, RFLAGS_CF);
	SAME_FLAGS("rolb $3, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("rcrl %%cl, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("shlq (%%rbx)", NO_AF);
	SAME_FLAGS("sarw %%cl, (%%rbx)", NO_AF & ~RFLAGS_OF);
	SAME_FLAGS("shldl %%cl, %%eax, (%%rbx)", NO_AF & ~RFLAGS_OF);
	SAME_FLAGS("shrdq $5, %%rdx, (%%rbx)", NO_AF & ~RFLAGS_OF);
	SAME_FLAGS("btcl $33, (%%rbx)", RFLAGS_CF);
	set_in(66, 3, (u64)-1, 0);
	SAME_FLAGS("btcl %%eax, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("lock btsl %%eax, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("btrl %%edx, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("btcq %%rdx, (%%rbx)", RFLAGS_CF);
	SAME_FLAGS("bsfw (%%rbx), %%ax", RFLAGS_ZF);
	SAME_FLAGS("bsfl (%%rbx), %%eax", RFLAGS_ZF);
	SAME_FLAGS("bsfq 8(%%rbx), %%rax", RFLAGS_ZF);
	SAME_FLAGS("bsrw (%%rbx), %%ax", RFLAGS_ZF);
	SAME_FLAGS("bsrl (%%rbx), %%eax", RFLAGS_ZF);
	SAME_FLAGS("bsrq 8(%%rbx), %%rax", RFLAGS_ZF);
	SAME_FLAGS("movq $0, (%%rbx)\n\tbsfq (%%rbx), %%rax", RFLAGS_ZF);
	SAME_FLAGS("movw $0, (%%rbx)\n\tbsrw (%%rbx), %%ax", RFLAGS_ZF);
	SAME_FLAGS("tzcntl (%%rbx), %%eax", RFLAGS_ZF);
	SAME_FLAGS("lzcntl (%%rbx), %%eax", RFLAGS_ZF);
	SAME_FLAGS("movq $0, (%%rbx)\n\ttzcntw (%%rbx), %%cx", RFLAGS_ZF);
	SAME_FLAGS("movq $0, (%%rbx)\n\tlzcntq (%%rbx), %%rcx", RFLAGS_ZF);
	if (cpuid(1, 0).ecx & BIT(23)) {
		SAME("popcntw (%%rbx), %%ax");
		SAME("popcntq (%%rbx), %%rax");
		SAME("movq $0, (%%rbx)\n\tpopcntl (%%rbx), %%eax");
	} else {
		skip("popcnt", "not offered");
	}
	SAME("smsw (%%rbx)");
	SAME("str (%%rsp)\n\tmovw %%ds, (%%rbx)");
}

static void stack(void)
{
	set_in(0x8877665544332211, 3, 0x1122334455667788, RFLAGS_CF);
	SAME("movq %%rbx, %%rsp\n\tpushq $-7\n\tpushq %%rax\n\tpushq 8(%%rbx)\n\tpushq $-7070707");
	SAME("movq %%rbx, %%rsp\n\tpushw %%ax\n\tpushw (%%rbx)");
	SAME("movq %%rbx, %%rsp\n\tpopq %%rax\n\tpopq 24(%%rbx)\n\tpopw %%dx\n\tpopw 8(%%rsp)");
	SAME("pushq %%rax\n\tpopq (%%rbx)");
	SAME("movq %%rbx, %%rsp\n\tpushfq");
	SAME("movq %%rbx, %%rsp\n\tleave");
	SAME("movq %%rbx, %%rsp\n\tmovq %%rdx, %%rbp\n\tenter $0x138, $0");
	SAME("movq %%rbx, %%rsp\n\tcall 3f\n\tmovl $1, %%eax\n\tjmp 2f\n3:\tincl %%edx\n\tret");
	SAME("movq %%rbx, %%rsp\n\tcall 3f\n\tjmp 2f\n3:\tincl %%edx\n\tret $24");
	SAME("leaq 3f(%%rip), %%rdx\n\tmovq %%rdx, (%%rbx)\n\txorl %%edx, %%edx\n\tjmp *(%%rbx)\n\t"
	     "incl %%eax\n3:");
	SAME("leaq 3f(%%rip), %%rdx\n\tmovq %%rdx, (%%rbx)\n\txorl %%edx, %%edx\n\tcall *(%%rbx)\n\t"
	     "incl %%eax\n\tjmp 2f\n3:\tincl %%ecx\n\tret");
	SAME_FLAGS("movq %%rax, %%rcx\n\tmovb $0x11, 7(%%rbx)\n\tjmp *(%%rbx)", 0);
}

static void strings(void)
{
	set_in(0x8877665544332211, 30, 0, 0);
	SAME("rep stosb");
	SAME("rep stosw");
	SAME("rep stosq");
	SAME("std\n\trep stosl");
	SAME("lodsw");
	SAME("rep lodsq");
	SAME("addq $100, %%rdi\n\trep movsb");
	SAME("addq $8, %%rdi\n\trep movsq");
	SAME("std\n\tsubq $4, %%rdi\n\trep movsl");
	SAME("addq $256, %%rdi\n\trepe cmpsb");
	SAME("movq %%rsi, %%rdi\n\trepe cmpsw");
	SAME("movb $1, 20(%%rbx)\n\tleaq -8(%%rdi), %%rdi\n\trepne cmpsb");
	SAME("movl 40(%%rbx), %%eax\n\trepne scasl");
	SAME("movb (%%rbx), %%al\n\trepe scasb");
	SAME("scasq");
	SAME("xorl %%ecx, %%ecx\n\trep movsb");
	SAME("movl $600, %%ecx\n\tsubq $0x700, %%rdi\n\trep stosl");
	/* The register of the test device takes and gives. */
	SAME("movl $0xe0, %%edx\n\trep outsb\n\tinb %%dx, %%al");
	SAME("movl $0xe0, %%edx\n\tstd\n\trep outsw\n\tinl %%dx, %%eax");
	SAME("movl $0xe0, %%edx\n\toutl %%eax, %%dx\n\trep insb");
	SAME("movl $0xe0, %%edx\n\toutl %%eax, %%dx\n\trep insl");
}

static void vectors(void)
{
	write_cr4(read_cr4() | CR4_OSFXSR);
	set_in(0, 0, 0, 0);
	SAME("movdqu (%%rbx), %%xmm1\n\tmovdqu %%xmm1, 24(%%rbx)");
	SAME("movaps 16(%%rbx), %%xmm9\n\tmovups %%xmm9, 43(%%rbx)");
	SAME("movupd 1(%%rbx), %%xmm2\n\tmovapd %%xmm2, 48(%%rbx)");
	SAME("movdqa (%%rbx), %%xmm3\n\tmovntdq %%xmm3, 64(%%rbx)");
	SAME("movss (%%rbx), %%xmm4\n\tmovsd 8(%%rbx), %%xmm5\n\tmovlps %%xmm4, 32(%%rbx)\n\t"
	     "movhps 8(%%rbx), %%xmm5\n\tmovups %%xmm5, 40(%%rbx)");
	SAME("movaps %%xmm0, 8(%%rbx)");
	SAME("movaps 8(%%rbx), %%xmm0");
	SAME("fninit\n\tmovq (%%rbx), %%mm1\n\tmovq %%mm1, 24(%%rbx)\n\tmovd 9(%%rbx), %%mm7\n\t"
	     "movd %%mm7, 40(%%rbx)\n\tmovntq %%mm1, 48(%%rbx)\n\temms");
}

static u32 highs, lows, lows_behind;

static void high(struct regs *r)
{
	highs++;
	eoi_handler(r);
}

static void low(struct regs *r)
{
	lows++;
	lows_behind += highs != 0;
	eoi_handler(r);
}

static void lower(struct regs *r)
{
	outb(TEST_LINES + 23, 0);
	low(r);
}

static void redirect(u32 pin, u32 low_half)
{
	mmio_write32(IOAPIC_PAGE, 0x10 + 2 * pin + 1);
	mmio_write32(IOAPIC_PAGE + 0x10, 0);
	mmio_write32(IOAPIC_PAGE, 0x10 + 2 * pin);
	mmio_write32(IOAPIC_PAGE + 0x10, low_half);
}

static void pulse(u32 pin)
{
	outb((u16)(TEST_LINES + pin), 1);
	outb((u16)(TEST_LINES + pin), 0);
}

static void lines(void)
{
	lapic_enable();
	on_vector(VEC_HIGH, high);
	on_vector(VEC_LOW, low);
	redirect(14, VEC_HIGH);
	pulse(14);
	irq_window();
	is(highs, 1, "line 14: an edge is one interrupt");
	highs = 0;
	redirect(15, VEC_LOW);
	pulse(15);
	pulse(14);
	irq_window();
	ok(highs == 1 && lows == 1 && lows_behind == 1, "lines 15, 14: the higher vector first");
	redirect(14, LAPIC_VECTOR_MASKED);
	redirect(15, LAPIC_VECTOR_MASKED);
	/* QEMU's device stops QEMU there. */
	if (bare_qemu) {
		inside_only(false, "line 23: a level is an interrupt until it is low");
		return;
	}
	on_vector(VEC_LOW, lower);
	redirect(23, VEC_LOW | BIT(15));
	lows = 0;
	outb(TEST_LINES + 23, 1);
	irq_window();
	irq_window();
	inside_only(lows == 1, "line 23: a level is an interrupt until it is low");
	redirect(23, LAPIC_VECTOR_MASKED);
}

void guest_main(void)
{
	outl(TEST_PORT, 0x12345678);
	if (inl(TEST_PORT) != 0x12345678) {
		skip("test device", "none there");
		return;
	}
	outb(TEST_PORT + 2, 0x9a);
	is(inl(TEST_PORT), 0x129a5678, "port E0 to E3 keeps bytes");
	outl(TEST_FLUSH, RAM);
	ok(true, "port E4 takes a page");
	arithmetic();
	bits();
	stack();
	strings();
	vectors();
	lines();
}
