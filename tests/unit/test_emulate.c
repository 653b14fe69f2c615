/* SPDX-License-Identifier: MIT */
/*
 * The emulator: arithmetic against the processor that runs the test (the same instruction on the same operands, result and
 * flags), everything else against SDM vol. 1-3: devices, page crossings, segmentation, strings, stacks, LOCK, faults.
 * PLINTH_SEED repeats a random run.
 */
#include <sys/mman.h>
#include <time.h>
#include <Zydis/Zydis.h>

#include "vcpu_fixture.h"
#include "emulate.h"
#include "guest_mem.h"

#define CODE   0x6000ULL
#define DATA   0x8000ULL /* one page, and PAGE_B behind it */
#define PAGE_B 0x9000ULL
#define STACK  0xa000ULL
#define DEV    0xd0000000ULL
#define PML4   0x1000
#define PDPT   0x2000
#define PD_LOW 0x3000
#define PT_LOW 0x4000
#define PD_DEV 0x5000
#define ALLOW  (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static u8 dev_mem[0x2000];
static struct {
	u64 offset, value;
	unsigned int size;
	bool write;
} dev_log[2048];
static unsigned int dev_logged;
static u64 seed;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static u64 dev_read(void *dev, u64 offset, unsigned int size)
{
	u64 x = 0;

	(void)dev;
	memcpy(&x, dev_mem + offset, size);
	if (dev_logged < ARRAY_SIZE(dev_log)) {
		dev_log[dev_logged].offset = offset;
		dev_log[dev_logged].size = size;
		dev_log[dev_logged++].write = false;
	}
	return x;
}

static void dev_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	memcpy(dev_mem + offset, &value, size);
	if (dev_logged < ARRAY_SIZE(dev_log)) {
		dev_log[dev_logged].offset = offset;
		dev_log[dev_logged].size = size;
		dev_log[dev_logged].value = value;
		dev_log[dev_logged++].write = true;
	}
}

static const struct mmio_ops dev_ops = { dev_read, dev_write, "test" };

static u32 port_next;
static struct {
	u32 value;
	u16 offset;
	unsigned int size;
} port_log[2048];
static unsigned int port_logged;

static u32 port_read(void *dev, u16 offset, unsigned int size)
{
	(void)dev;
	(void)size;
	return 0x01010101U * (port_next++ & 0xff) + offset;
}

static void port_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	(void)dev;
	assert_true(port_logged < ARRAY_SIZE(port_log));
	port_log[port_logged].offset = offset;
	port_log[port_logged].size = size;
	port_log[port_logged++].value = value;
}

static const struct port_ops port_ops = { port_read, port_write, 4, 0, "test" };

/* Long mode, the first 2 MiB and the device mapped one to one. */
static void long_mode(void)
{
	fixture_mode(8);
	v->cr3 = PML4;
	set64(PML4, PDPT | ALLOW);
	set64(PDPT, PD_LOW | ALLOW);
	set64(PDPT + 3 * 8, PD_DEV | ALLOW);
	set64(PD_LOW, PT_LOW | ALLOW);
	for (unsigned int i = 0; i < 512; i++)
		set64(PT_LOW + i * 8, i * PAGE_SIZE | ALLOW);
	set64(PD_DEV + (DEV >> 21 & 511) * 8, DEV | ALLOW | PTE_PS);
	v->rip = CODE;
}

static int setup(void **state)
{
	fixture_setup(state);
	assert_int_equal(bus_add_mmio(&vm->board.bus, DEV, sizeof(dev_mem), &dev_ops, NULL), 0);
	assert_int_equal(bus_add_port(&vm->board.bus, 0x100, 8, &port_ops, NULL), 0);
	memset(dev_mem, 0, sizeof(dev_mem));
	dev_logged = 0;
	port_logged = 0;
	port_next = 1;
	v->rip = CODE;
	return 0;
}

static enum emulate_result run(const u8 *code, unsigned int n)
{
	fixture_forget();
	dev_logged = 0;
	memcpy(ram + v->seg[SEG_CS].base + v->rip, code, n);
	return emulate_insn(v, NULL, 0);
}

#define CODE_BYTES(...) ((const u8[]){ __VA_ARGS__ }), sizeof((const u8[]){ __VA_ARGS__ })

static void expect_done(enum emulate_result r, unsigned int len)
{
	if (r != EMULATE_DONE || queued.any)
		fail_msg("result %u, vector %u, error %#x, address %#lx", r, queued.vector,
			 queued.error, (unsigned long)queued.address);
	assert_int_equal(skip_len, len);
}

static void expect_queued(enum emulate_result r, u8 vector, u32 error)
{
	assert_int_equal(r, EMULATE_FAULT);
	assert_true(queued.any);
	assert_int_equal(queued.vector, vector);
	assert_int_equal(queued.error, error);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(dev_logged, 0);
}

/* --- moves ------------------------------------------------------------------------------------- */

static void test_mov(void **state)
{
	u64 x;

	(void)state;
	long_mode();
	v->gpr[GPR_RBX] = DEV;
	v->gpr[GPR_RAX] = 0x1122334455667788ULL;
	expect_done(run(CODE_BYTES(0x48, 0x89, 0x43, 0x10)), 4);
	assert_int_equal(dev_logged, 1);
	assert_true(dev_log[0].write && dev_log[0].size == 8 && dev_log[0].offset == 0x10 &&
		    dev_log[0].value == 0x1122334455667788ULL);
	assert_int_equal(v->rip, CODE + 4);
	expect_done(run(CODE_BYTES(0x66, 0x89, 0x43, 0x18)), 4);
	assert_true(dev_log[0].size == 2 && dev_log[0].value == 0x7788);
	expect_done(run(CODE_BYTES(0x88, 0x63, 0x1a)), 3); /* AH */
	assert_true(dev_log[0].size == 1 && dev_log[0].value == 0x77);
	expect_done(run(CODE_BYTES(0x40, 0x88, 0x63, 0x1b)), 4); /* SPL */
	assert_true(dev_log[0].value == (v->gpr[GPR_RSP] & 0xff));
	/* Loads: 32 bits zero-extend, 16 and 8 bits merge. */
	v->gpr[GPR_RCX] = ~0ULL;
	expect_done(run(CODE_BYTES(0x8b, 0x4b, 0x10)), 3);
	assert_true(v->gpr[GPR_RCX] == 0x55667788);
	v->gpr[GPR_RCX] = ~0ULL;
	expect_done(run(CODE_BYTES(0x66, 0x8b, 0x4b, 0x10)), 4);
	assert_true(v->gpr[GPR_RCX] == 0xffffffffffff7788ULL);
	expect_done(run(CODE_BYTES(0x8a, 0x6b, 0x14)), 3); /* CH */
	assert_true(v->gpr[GPR_RCX] == 0xffffffffffff4488ULL);
	/* Immediates */
	expect_done(run(CODE_BYTES(0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff)), 7);
	assert_true(dev_log[0].size == 8 && dev_log[0].value == (u64)-2);
	expect_done(run(CODE_BYTES(0x66, 0xc7, 0x03, 0x34, 0x12)), 5);
	assert_true(dev_log[0].size == 2 && dev_log[0].value == 0x1234);
	expect_done(run(CODE_BYTES(0xc6, 0x43, 0x7f, 0xab)), 4);
	assert_true(dev_log[0].size == 1 && dev_log[0].offset == 0x7f && dev_log[0].value == 0xab);
	/* moffs, 64-bit and with 67 32-bit */
	v->gpr[GPR_RAX] = 0;
	expect_done(run(CODE_BYTES(0xa1, 0x7f, 0, 0, 0xd0, 0, 0, 0, 0)), 9);
	assert_true(v->gpr[GPR_RAX] == 0xab);
	v->gpr[GPR_RAX] = 0x55;
	expect_done(run(CODE_BYTES(0x67, 0xa2, 0x01, 0, 0, 0xd0)), 6);
	assert_true(dev_log[0].offset == 1 && dev_log[0].value == 0x55);
	/* RIP-relative: from the end of the instruction, the immediate included */
	v->rip = CODE;
	x = DATA + 0x40 - (CODE + 7);
	expect_done(
		run(CODE_BYTES(0xc6, 0x05, (u8)x, (u8)(x >> 8), (u8)(x >> 16), (u8)(x >> 24), 9)),
		7);
	assert_int_equal(ram[DATA + 0x40], 9);
}

static void test_extend_and_others(void **state)
{
	u64 x = 0x80f1;

	(void)state;
	long_mode();
	memcpy(dev_mem, &x, 8);
	v->gpr[GPR_RBX] = DEV;
	expect_done(run(CODE_BYTES(0x0f, 0xb6, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0xf1);
	expect_done(run(CODE_BYTES(0x48, 0x0f, 0xbe, 0x0b)), 4);
	assert_true(v->gpr[GPR_RCX] == 0xfffffffffffffff1ULL);
	expect_done(run(CODE_BYTES(0x0f, 0xbf, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0xffff80f1ULL);
	expect_done(run(CODE_BYTES(0x0f, 0xb7, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0x80f1);
	x = 0x80000001;
	memcpy(dev_mem, &x, 8);
	expect_done(run(CODE_BYTES(0x48, 0x63, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0xffffffff80000001ULL);
	/* MOVBE both ways */
	expect_done(run(CODE_BYTES(0x0f, 0x38, 0xf0, 0x0b)), 4);
	assert_true(v->gpr[GPR_RCX] == 0x01000080);
	v->gpr[GPR_RCX] = 0x1234;
	expect_done(run(CODE_BYTES(0x66, 0x0f, 0x38, 0xf1, 0x0b)), 5);
	assert_true(dev_log[0].size == 2 && dev_log[0].value == 0x3412);
	/* MOVNTI, MOV from a segment register (16 bits) */
	v->gpr[GPR_RCX] = 0xcafe1234;
	expect_done(run(CODE_BYTES(0x0f, 0xc3, 0x4b, 0x08)), 4);
	assert_true(dev_log[0].size == 4 && dev_log[0].value == 0xcafe1234);
	expect_done(run(CODE_BYTES(0x48, 0x8c, 0x0b)), 3);
	assert_true(dev_log[0].size == 2 && dev_log[0].value == v->seg[SEG_CS].selector);
	/* XLAT */
	dev_mem[0x42] = 0x99;
	v->gpr[GPR_RAX] = 0x42;
	expect_done(run(CODE_BYTES(0xd7)), 1);
	assert_true(v->gpr[GPR_RAX] == 0x99);
	/* Prefetch and CLFLUSH access nothing. */
	expect_done(run(CODE_BYTES(0x0f, 0x18, 0x0b)), 3);
	assert_int_equal(dev_logged, 0);
	expect_done(run(CODE_BYTES(0x0f, 0xae, 0x3b)), 3);
	assert_int_equal(dev_logged, 0);
	/* MOV r, r/m is no use of XCHG's order: XCHG reads once and writes once. */
	v->gpr[GPR_RCX] = 0x77;
	dev_mem[0] = 0x11;
	expect_done(run(CODE_BYTES(0x86, 0x0b)), 2);
	assert_int_equal(dev_logged, 2);
	assert_true(!dev_log[0].write && dev_log[1].write && dev_mem[0] == 0x77);
	assert_true((v->gpr[GPR_RCX] & 0xff) == 0x11);
	/* CMPXCHG16B */
	x = 5;
	memcpy(dev_mem, &x, 8);
	memset(dev_mem + 8, 0, 8);
	v->gpr[GPR_RSI] = DEV;
	v->gpr[GPR_RAX] = 5;
	v->gpr[GPR_RDX] = 0;
	v->gpr[GPR_RBX] = 0x1111;
	v->gpr[GPR_RCX] = 0x2222;
	expect_done(run(CODE_BYTES(0xf0, 0x48, 0x0f, 0xc7, 0x0e)), 5);
	assert_true(v->rflags & RFLAGS_ZF);
	assert_true(dev_mem[0] == 0x11 && dev_mem[9] == 0x22);
	expect_done(run(CODE_BYTES(0x48, 0x0f, 0xc7, 0x0e)), 4);
	assert_false(v->rflags & RFLAGS_ZF);
	assert_true(v->gpr[GPR_RAX] == 0x1111 && v->gpr[GPR_RDX] == 0x2222);
	v->rip = CODE;
	v->gpr[GPR_RSI] = DEV + 8;
	expect_queued(run(CODE_BYTES(0x48, 0x0f, 0xc7, 0x0e)), VEC_GP, 0);
}

/* --- against the processor ---------------------------------------------------------------------- */

#define F_ALL (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

enum {
	K_ALU,
	K_LOGIC,
	K_SHIFT,
	K_BITS,
	K_MUL,
	K_DIV,
	K_DSHIFT,
	K_PLAIN
};

struct form {
	u8 n, op[3];
	u8 reg;	   /* 255: any register */
	u8 imm;	   /* bytes; 4: by operand size */
	bool byte; /* a byte form */
	u8 kind;
};

static const struct form forms[] = {
#define ALU4(o)                                                                    \
	{ 1, { o }, 255, 0, true, K_ALU }, { 1, { o + 1 }, 255, 0, false, K_ALU }, \
		{ 1, { o + 2 }, 255, 0, true, K_ALU },                             \
	{                                                                          \
		1, { o + 3 }, 255, 0, false, K_ALU                                 \
	}
	ALU4(0x00),
	ALU4(0x08),
	ALU4(0x10),
	ALU4(0x18),
	ALU4(0x20),
	ALU4(0x28),
	ALU4(0x30),
	ALU4(0x38),
#define GROUP1(r)                                                                \
	{ 1, { 0x80 }, r, 1, true, K_ALU }, { 1, { 0x81 }, r, 4, false, K_ALU }, \
	{                                                                        \
		1, { 0x83 }, r, 1, false, K_ALU                                  \
	}
	GROUP1(0),
	GROUP1(1),
	GROUP1(2),
	GROUP1(3),
	GROUP1(4),
	GROUP1(5),
	GROUP1(6),
	GROUP1(7),
#define GROUP2(r)                                                                            \
	{ 1, { 0xc0 }, r, 1, true, K_SHIFT }, { 1, { 0xc1 }, r, 1, false, K_SHIFT },         \
		{ 1, { 0xd0 }, r, 0, true, K_SHIFT }, { 1, { 0xd1 }, r, 0, false, K_SHIFT }, \
		{ 1, { 0xd2 }, r, 0, true, K_SHIFT },                                        \
	{                                                                                    \
		1, { 0xd3 }, r, 0, false, K_SHIFT                                            \
	}
	GROUP2(0),
	GROUP2(1),
	GROUP2(2),
	GROUP2(3),
	GROUP2(4),
	GROUP2(5),
	GROUP2(6),
	GROUP2(7),
	{ 1, { 0x84 }, 255, 0, true, K_ALU },
	{ 1, { 0x85 }, 255, 0, false, K_ALU },
	{ 1, { 0x86 }, 255, 0, true, K_PLAIN },
	{ 1, { 0x87 }, 255, 0, false, K_PLAIN },
	{ 1, { 0x88 }, 255, 0, true, K_PLAIN },
	{ 1, { 0x89 }, 255, 0, false, K_PLAIN },
	{ 1, { 0x8a }, 255, 0, true, K_PLAIN },
	{ 1, { 0x8b }, 255, 0, false, K_PLAIN },
	{ 1, { 0x63 }, 255, 0, false, K_PLAIN },
	{ 1, { 0x69 }, 255, 4, false, K_MUL },
	{ 1, { 0x6b }, 255, 1, false, K_MUL },
	{ 1, { 0xc6 }, 0, 1, true, K_PLAIN },
	{ 1, { 0xc7 }, 0, 4, false, K_PLAIN },
	{ 1, { 0xf6 }, 0, 1, true, K_ALU },
	{ 1, { 0xf7 }, 0, 4, false, K_ALU },
#define GROUP3(r, k)                        \
	{ 1, { 0xf6 }, r, 0, true, k },     \
	{                                   \
		1, { 0xf7 }, r, 0, false, k \
	}
	GROUP3(2, K_ALU),
	GROUP3(3, K_ALU),
	GROUP3(4, K_MUL),
	GROUP3(5, K_MUL),
	GROUP3(6, K_DIV),
	GROUP3(7, K_DIV),
	{ 1, { 0xfe }, 0, 0, true, K_ALU },
	{ 1, { 0xfe }, 1, 0, true, K_ALU },
	{ 1, { 0xff }, 0, 0, false, K_ALU },
	{ 1, { 0xff }, 1, 0, false, K_ALU },
#define SETCC(c)                                              \
	{ 2, { 0x0f, 0x90 + c }, 0, 0, true, K_PLAIN },       \
	{                                                     \
		2, { 0x0f, 0x40 + c }, 255, 0, false, K_PLAIN \
	}
	SETCC(0),
	SETCC(1),
	SETCC(2),
	SETCC(3),
	SETCC(4),
	SETCC(5),
	SETCC(6),
	SETCC(7),
	SETCC(8),
	SETCC(9),
	SETCC(10),
	SETCC(11),
	SETCC(12),
	SETCC(13),
	SETCC(14),
	SETCC(15),
	{ 2, { 0x0f, 0xa3 }, 255, 0, false, K_BITS },
	{ 2, { 0x0f, 0xab }, 255, 0, false, K_BITS },
	{ 2, { 0x0f, 0xb3 }, 255, 0, false, K_BITS },
	{ 2, { 0x0f, 0xbb }, 255, 0, false, K_BITS },
	{ 2, { 0x0f, 0xba }, 4, 1, false, K_BITS },
	{ 2, { 0x0f, 0xba }, 5, 1, false, K_BITS },
	{ 2, { 0x0f, 0xba }, 6, 1, false, K_BITS },
	{ 2, { 0x0f, 0xba }, 7, 1, false, K_BITS },
	{ 2, { 0x0f, 0xa4 }, 255, 1, false, K_DSHIFT },
	{ 2, { 0x0f, 0xa5 }, 255, 0, false, K_DSHIFT },
	{ 2, { 0x0f, 0xac }, 255, 1, false, K_DSHIFT },
	{ 2, { 0x0f, 0xad }, 255, 0, false, K_DSHIFT },
	{ 2, { 0x0f, 0xaf }, 255, 0, false, K_MUL },
	{ 2, { 0x0f, 0xb0 }, 255, 0, true, K_ALU },
	{ 2, { 0x0f, 0xb1 }, 255, 0, false, K_ALU },
	{ 2, { 0x0f, 0xb6 }, 255, 0, false, K_PLAIN },
	{ 2, { 0x0f, 0xb7 }, 255, 0, false, K_PLAIN },
	{ 2, { 0x0f, 0xbe }, 255, 0, false, K_PLAIN },
	{ 2, { 0x0f, 0xbf }, 255, 0, false, K_PLAIN },
	{ 2, { 0x0f, 0xc0 }, 255, 0, true, K_ALU },
	{ 2, { 0x0f, 0xc1 }, 255, 0, false, K_ALU },
	{ 2, { 0x0f, 0xc7 }, 1, 0, false, K_ALU },
	{ 3, { 0x0f, 0x38, 0xf0 }, 255, 0, false, K_PLAIN },
	{ 3, { 0x0f, 0x38, 0xf1 }, 255, 0, false, K_PLAIN },
};

struct native {
	u64 rax, rcx, rdx, rbx, rsi, rflags;
};

static u8 *native_code;

/* push rbx; load; popfq; INSN; pushfq; store; pop rbx; ret. RDI: struct native. */
static void native_run(struct native *r, const u8 *insn, unsigned int n)
{
	static const u8 before[] = { 0x53, 0x48, 0x8b, 0x07, 0x48, 0x8b, 0x4f, 0x08,
				     0x48, 0x8b, 0x57, 0x10, 0x48, 0x8b, 0x5f, 0x18,
				     0x48, 0x8b, 0x77, 0x20, 0xff, 0x77, 0x28, 0x9d };
	static const u8 after[] = { 0x9c, 0x8f, 0x47, 0x28, 0x48, 0x89, 0x07,
				    0x48, 0x89, 0x4f, 0x08, 0x48, 0x89, 0x57,
				    0x10, 0x48, 0x89, 0x5f, 0x18, 0x5b, 0xc3 };
	void (*f)(struct native *);

	memcpy(native_code, before, sizeof(before));
	memcpy(native_code + sizeof(before), insn, n);
	memcpy(native_code + sizeof(before) + n, after, sizeof(after));
	memcpy(&f, &native_code, sizeof(f));
	f(r);
}

/* Flags that the manual defines for this form and count. */
static u64 defined_flags(const struct form *f, unsigned int count, unsigned int size)
{
	unsigned int masked = count & (size == 8 ? 63 : 31);

	switch (f->kind) {
	case K_SHIFT:
		if (f->reg < 4) /* rotates */
			return masked == 1 ? F_ALL : F_ALL & ~RFLAGS_OF;
		if (masked == 0)
			return F_ALL;
		if (masked >= 8 * size && f->reg != 7)
			return F_ALL & ~(RFLAGS_OF | RFLAGS_AF | RFLAGS_CF);
		return masked == 1 ? F_ALL & ~RFLAGS_AF : F_ALL & ~(RFLAGS_OF | RFLAGS_AF);
	case K_DSHIFT:
		if (masked == 0)
			return F_ALL;
		return masked == 1 ? F_ALL & ~RFLAGS_AF : F_ALL & ~(RFLAGS_OF | RFLAGS_AF);
	case K_BITS:
		return RFLAGS_CF | RFLAGS_ZF;
	case K_MUL:
		return RFLAGS_CF | RFLAGS_OF;
	case K_DIV:
		return 0;
	default:
		return F_ALL;
	}
}

static u64 interesting(void)
{
	static const u64 values[] = { 0,
				      1,
				      ~0ULL,
				      0x7f,
				      0x80,
				      0x7fff,
				      0x8000,
				      0x7fffffff,
				      0x80000000,
				      0x7fffffffffffffffULL,
				      0x8000000000000000ULL };

	return rnd() & 1 ? rnd() : values[rnd() % ARRAY_SIZE(values)];
}

static void differential(bool device)
{
	u8 *mem = native_code + 0x800; /* the operand is in the middle, for bit strings */
	unsigned int compared = 0, divide_errors = 0;

	long_mode();
	for (unsigned int i = 0; i < 300 * ARRAY_SIZE(forms); i++) {
		const struct form *f = &forms[i % ARRAY_SIZE(forms)];
		u8 *guest_mem = device ? dev_mem : ram + DATA;
		unsigned int width = (unsigned int)(rnd() % 3), n = 0, count, size, reg;
		struct native before, after;
		enum emulate_result r;
		u8 insn[15];
		u64 flags;

		if (f->op[1] == 0xc7)
			width = 0;
		if (f->op[0] == 0x63 && width == 1)
			width = 0;
		if (width == 1)
			insn[n++] = 0x66;
		else if (width == 2)
			insn[n++] = 0x48;
		size = f->byte ? 1 : width == 1 ? 2 : width == 2 ? 8 : 4;
		memcpy(insn + n, f->op, f->n);
		n += f->n;
		reg = f->reg != 255 ? f->reg : (unsigned int)(rnd() % 4);
		if (f->reg == 255 && f->byte && width != 2)
			reg |= rnd() & 4;	   /* AH, CH, DH, BH */
		insn[n++] = (u8)(0x06 | reg << 3); /* [rsi] */
		for (unsigned int b = 0; b < (f->imm == 4 && width == 1 ? 2U : f->imm); b++)
			insn[n++] = (u8)interesting();
		before = (struct native){ interesting(),
					  interesting(),
					  interesting(),
					  interesting(),
					  0,
					  RFLAGS_ONE | RFLAGS_IF | (rnd() & F_ALL) };
		if (f->kind == K_BITS && f->reg == 255)
			*(&before.rax + reg) = (rnd() & 0x1fff) - 0x1000; /* signed */
		if (f->kind == K_DIV && (rnd() & 3)) { /* mostly quotients that fit */
			before.rdx = rnd() & 1 ? 0 : ~0ULL;
			if (size == 1)
				before.rax = (u64)(s64)(s8)before.rax;
		}
		for (unsigned int k = 0; k < 0x800; k += 8) {
			u64 x = interesting();

			memcpy(mem - 0x400 + k, &x, 8);
		}
		memcpy(guest_mem, mem - 0x400, 0x800);
		if ((f->op[1] == 0xb0 || f->op[1] == 0xb1) && (rnd() & 1))
			memcpy(&before.rax, mem, 8); /* CMPXCHG that succeeds */
		if (f->op[1] == 0xc7 && (rnd() & 1)) {
			u32 half[2];

			memcpy(half, mem, 8);
			before.rax = half[0];
			before.rdx = half[1];
		}
		v->gpr[GPR_RAX] = before.rax;
		v->gpr[GPR_RCX] = before.rcx;
		v->gpr[GPR_RDX] = before.rdx;
		v->gpr[GPR_RBX] = before.rbx;
		v->gpr[GPR_RSI] = (device ? DEV : DATA) + 0x400;
		v->rflags = before.rflags;
		v->rip = CODE;
		count = f->op[0] == 0xd0 || f->op[0] == 0xd1 ? 1
			: f->imm			     ? insn[n - 1]
							     : (u8)before.rcx;
		if (f->kind == K_DSHIFT && (count & (size == 8 ? 63U : 31U)) > 8 * size)
			continue; /* result undefined */
		r = run(insn, n);
		if (f->kind == K_DIV && r == EMULATE_FAULT) {
			assert_int_equal(queued.vector, VEC_DE);
			divide_errors++;
			continue;
		}
		after = before;
		after.rsi = (u64)(uintptr_t)mem;
		native_run(&after, insn, n);
		flags = defined_flags(f, count, size);
		if (r != EMULATE_DONE || skip_len != n || v->gpr[GPR_RAX] != after.rax ||
		    v->gpr[GPR_RCX] != after.rcx || v->gpr[GPR_RDX] != after.rdx ||
		    v->gpr[GPR_RBX] != after.rbx || ((v->rflags ^ after.rflags) & flags) ||
		    memcmp(guest_mem, mem - 0x400, 0x800)) {
			printf("#");
			for (unsigned int k = 0; k < n; k++)
				printf(" %02x", insn[k]);
			printf(": result %u, skipped %u\n", r, skip_len);
			printf("# flags %#lx -> %#lx, processor %#lx\n",
			       (unsigned long)before.rflags, (unsigned long)v->rflags,
			       (unsigned long)after.rflags);
			printf("# rax %#lx -> %#lx, processor %#lx; rcx %#lx; rdx %#lx -> %#lx, processor %#lx\n",
			       (unsigned long)before.rax, (unsigned long)v->gpr[0],
			       (unsigned long)after.rax, (unsigned long)before.rcx,
			       (unsigned long)before.rdx, (unsigned long)v->gpr[2],
			       (unsigned long)after.rdx);
			fail();
		}
		compared++;
	}
	printf("# %u instructions compared, %u divide errors\n", compared, divide_errors);
	assert_true(compared > 20000);
}

static void test_against_processor_ram(void **state)
{
	(void)state;
	differential(false);
}

static void test_against_processor_device(void **state)
{
	(void)state;
	differential(true);
}

/* What must be #DE: SDM vol. 2, DIV and IDIV. */
static void test_divide_error(void **state)
{
	(void)state;
	long_mode();
	v->gpr[GPR_RSI] = DATA;
	set64(DATA, 0);
	expect_queued(run(CODE_BYTES(0x48, 0xf7, 0x36)), VEC_DE, 0);
	set64(DATA, 2);
	v->gpr[GPR_RDX] = 2;
	expect_queued(run(CODE_BYTES(0x48, 0xf7, 0x36)), VEC_DE, 0);
	set64(DATA, ~0ULL);
	v->gpr[GPR_RDX] = ~0ULL; /* -2^63 / -1 */
	v->gpr[GPR_RAX] = 1ULL << 63;
	expect_queued(run(CODE_BYTES(0x48, 0xf7, 0x3e)), VEC_DE, 0);
	v->gpr[GPR_RAX] = 1ULL << 63; /* -2^63 / 1 fits */
	set64(DATA, 1);
	expect_done(run(CODE_BYTES(0x48, 0xf7, 0x3e)), 3);
	assert_true(v->gpr[GPR_RAX] == 1ULL << 63 && v->gpr[GPR_RDX] == 0);
}

/* --- accesses ------------------------------------------------------------------------------------- */

static void test_page_crossing(void **state)
{
	(void)state;
	long_mode();
	/* Device page, then RAM page. */
	set64(PT_LOW + 8 * 8, DEV | ALLOW);
	v->gpr[GPR_RBX] = PAGE_B - 3;
	v->gpr[GPR_RAX] = 0x8877665544332211ULL;
	expect_done(run(CODE_BYTES(0x48, 0x89, 0x03)), 3);
	assert_int_equal(dev_logged, 2);
	assert_true(dev_log[0].offset == 0xffd && dev_log[0].size == 1 && dev_log[0].value == 0x11);
	assert_true(dev_log[1].offset == 0xffe && dev_log[1].size == 2 &&
		    dev_log[1].value == 0x3322);
	assert_true((ram64(PAGE_B) & 0xffffffffffULL) == 0x8877665544ULL);
	v->gpr[GPR_RCX] = 0;
	expect_done(run(CODE_BYTES(0x48, 0x8b, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0x8877665544332211ULL);
	/* The second page is read-only: nothing is written to the first. */
	v->rip = CODE;
	set64(PT_LOW + 9 * 8, PAGE_B | PTE_P);
	expect_queued(run(CODE_BYTES(0x48, 0x89, 0x03)), VEC_PF, PFERR_P | PFERR_W);
	assert_int_equal(queued.address, PAGE_B);
	/* A read-modify-write is refused before it reads. */
	expect_queued(run(CODE_BYTES(0x48, 0x01, 0x03)), VEC_PF, PFERR_P | PFERR_W);
	/* CMP does not write. */
	expect_done(run(CODE_BYTES(0x48, 0x39, 0x03)), 3);
}

/* The exit's address stands in for the walk, exactly when it is certain. */
static void test_known_address(void **state)
{
	static const u8 store[] = { 0x89, 0x03 };

	(void)state;
	long_mode();
	memcpy(ram + CODE, store, sizeof(store));
	set64(PT_LOW + 8 * 8, 0); /* DATA is not mapped */
	v->gpr[GPR_RBX] = DATA + 0x10;
	v->exit.kind = EXIT_NESTED_PAGE_FAULT;
	v->exit.npf = (struct exit_npf){ .gpa = DEV + 0x10, .write = true };
	expect_done(run(store, 2), 2);
	assert_int_equal(dev_log[0].offset, 0x10);
	v->rip = CODE;
	v->exit.npf.gpa = DEV + 0x14;
	expect_queued(run(store, 2), VEC_PF, PFERR_W);
	v->exit.npf.gpa = DEV + 0x10;
	v->exit.npf.write = false; /* permission to write was not checked */
	expect_queued(run(store, 2), VEC_PF, PFERR_W);
	v->exit.npf.write = true;
	v->exit.npf.table_walk = true;
	expect_queued(run(store, 2), VEC_PF, PFERR_W);
	v->exit.npf.table_walk = false;
	v->exit.npf.gva_valid = true;
	v->exit.npf.gva = DATA + 0x1010;
	expect_queued(run(store, 2), VEC_PF, PFERR_W);
	v->exit.npf.gva = DATA + 0x10;
	expect_done(run(store, 2), 2);
	/* Two operands: PUSH [rbx] walks. */
	v->rip = CODE;
	v->gpr[GPR_RSP] = STACK;
	expect_queued(run(CODE_BYTES(0xff, 0x33)), VEC_PF, 0);
	/* Bytes that the processor gave are not fetched again. */
	v->rip = 0x700000;
	fixture_forget();
	assert_int_equal(emulate_insn(v, store, 2), EMULATE_DONE);
	assert_int_equal(v->rip, 0x700002);
}

static void test_segments(void **state)
{
	(void)state;
	fixture_mode(4);
	v->gpr[GPR_RBX] = DATA;
	v->seg[SEG_DS].limit = DATA + 2;
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	expect_done(run(CODE_BYTES(0x66, 0x8b, 0x03)), 3);
	v->rip = CODE;
	v->seg[SEG_DS].limit = UINT32_MAX;
	v->seg[SEG_DS].attr = ATTR_DATA & ~SEG_W;
	expect_queued(run(CODE_BYTES(0x89, 0x03)), VEC_GP, 0);
	expect_done(run(CODE_BYTES(0x8b, 0x03)), 2);
	v->rip = CODE;
	v->seg[SEG_DS].attr = 0; /* null selector */
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	expect_done(run(CODE_BYTES(0x36, 0x8b, 0x03)), 3);
	v->rip = CODE;
	/* CS can be read, not written; execute-only not even that. */
	expect_queued(run(CODE_BYTES(0x2e, 0x89, 0x03)), VEC_GP, 0);
	expect_done(run(CODE_BYTES(0x2e, 0x8b, 0x03)), 3);
	v->rip = CODE;
	v->seg[SEG_CS].attr &= (u16)~SEG_R;
	expect_queued(run(CODE_BYTES(0x2e, 0x8b, 0x03)), VEC_GP, 0);
	/* SS by way of EBP */
	v->gpr[GPR_RBP] = DATA;
	v->seg[SEG_SS].limit = 0xfff;
	expect_queued(run(CODE_BYTES(0x8b, 0x45, 0)), VEC_SS, 0);
	/* Expand-down: valid above the limit, to 64 KiB or 4 GiB. */
	v->seg[SEG_DS].attr = ATTR_DATA | SEG_E;
	v->seg[SEG_DS].limit = DATA - 1;
	expect_done(run(CODE_BYTES(0x8b, 0x03)), 2);
	v->rip = CODE;
	v->seg[SEG_DS].limit = DATA;
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	v->seg[SEG_DS].limit = 0xff;
	v->gpr[GPR_RBX] = 0xfffd;
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	v->seg[SEG_DS].attr |= SEG_DB;
	expect_done(run(CODE_BYTES(0x8b, 0x03)), 2);
	v->rip = CODE;
	/* Base and offset wrap at 4 GiB. */
	fixture_mode(4);
	v->seg[SEG_DS].base = 0xfffff000;
	v->gpr[GPR_RBX] = DATA + 0x1000;
	set32(DATA, 0x12345678);
	expect_done(run(CODE_BYTES(0x8b, 0x0b)), 2);
	assert_true(v->gpr[GPR_RCX] == 0x12345678);
}

static void test_real_mode(void **state)
{
	(void)state;
	fixture_mode(2);
	v->cr0 = 0;
	v->seg[SEG_CS].base = 0;
	v->seg[SEG_DS] = (struct segment){
		.selector = 0x700, .attr = ATTR_DATA, .limit = 0xffff, .base = 0x7000
	};
	v->gpr[GPR_RBX] = 0xffff0ff0;
	v->gpr[GPR_RSI] = 0x10;
	set32(DATA, 0xabcd1234);
	expect_done(run(CODE_BYTES(0x8b, 0x08)), 2); /* mov cx, [bx+si] */
	assert_true((v->gpr[GPR_RCX] & 0xffff) == 0x1234);
	/* 16-bit offsets wrap; a word at FFFF is beyond the limit. */
	v->gpr[GPR_RSI] = 0xffff;
	v->gpr[GPR_RBX] = 0;
	v->rip = CODE;
	expect_queued(run(CODE_BYTES(0x8b, 0x08)), VEC_GP, 0);
	v->gpr[GPR_RBX] = 0x1001;
	expect_done(run(CODE_BYTES(0x8b, 0x08)), 2);
	/* Real mode knows no types: CS is writable. */
	v->rip = CODE;
	v->gpr[GPR_RBX] = DATA;
	v->gpr[GPR_RSI] = 0;
	expect_done(run(CODE_BYTES(0x2e, 0x89, 0x08)), 3);
	/* 67: 32-bit addressing in 16-bit code, up to an "unreal" limit */
	v->seg[SEG_DS].limit = UINT32_MAX;
	v->seg[SEG_DS].base = 0;
	v->gpr[GPR_RBX] = DEV;
	v->gpr[GPR_RAX] = 0x99;
	v->rip = CODE;
	expect_done(run(CODE_BYTES(0x67, 0x66, 0x89, 0x03)), 4);
	assert_true(dev_log[0].size == 4 && dev_log[0].value == 0x99);
}

static void test_canonical_and_alignment(void **state)
{
	(void)state;
	long_mode();
	v->gpr[GPR_RBX] = 0x0000800000000000ULL;
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	v->gpr[GPR_RBX] = 0x00007ffffffffffeULL;
	expect_queued(run(CODE_BYTES(0x8b, 0x03)), VEC_GP, 0);
	v->gpr[GPR_RBP] = 0x0000800000000000ULL;
	expect_queued(run(CODE_BYTES(0x8b, 0x45, 0)), VEC_SS, 0);
	/* With FS the base counts; DS has none. */
	v->seg[SEG_FS].base = DATA;
	v->seg[SEG_DS].base = 0x5000;
	v->gpr[GPR_RBX] = 0x10;
	set64(DATA + 0x10, 0x77);
	expect_done(run(CODE_BYTES(0x64, 0x8b, 0x0b)), 3);
	assert_true(v->gpr[GPR_RCX] == 0x77);
	v->gpr[GPR_RBX] = DATA + 0x10;
	expect_done(run(CODE_BYTES(0x8b, 0x0b)), 2);
	assert_true(v->gpr[GPR_RCX] == 0x77);
	/* #AC: CPL 3, AM, AC */
	v->rip = CODE;
	v->gpr[GPR_RBX] = DATA + 1;
	v->cr0 |= CR0_AM;
	v->rflags |= RFLAGS_AC;
	expect_done(run(CODE_BYTES(0x8b, 0x0b)), 2);
	v->rip = CODE;
	v->seg[SEG_SS].attr |= 3 << SEG_DPL_SHIFT;
	expect_queued(run(CODE_BYTES(0x8b, 0x0b)), VEC_AC, 0);
	expect_done(run(CODE_BYTES(0x8a, 0x0b)), 2);
	/* CPL 3 on a supervisor page */
	v->rip = CODE;
	v->rflags &= ~RFLAGS_AC;
	set64(PT_LOW + 8 * 8, DATA | PTE_P | PTE_W);
	expect_queued(run(CODE_BYTES(0x8b, 0x0b)), VEC_PF, PFERR_P | PFERR_U);
	assert_int_equal(queued.address, DATA + 1);
}

/* --- strings ------------------------------------------------------------------------------------------ */

static void test_movs(void **state)
{
	(void)state;
	long_mode();
	for (unsigned int i = 0; i < 0x1000; i++)
		ram[DATA + i] = (u8)(i * 7);
	v->gpr[GPR_RSI] = DATA;
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RCX] = 600;
	/* At most 256 a call; RIP stays. */
	assert_int_equal(run(CODE_BYTES(0xf3, 0x66, 0xa5)), EMULATE_DONE);
	assert_int_equal(skips, 0);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->gpr[GPR_RCX], 344);
	assert_int_equal(v->gpr[GPR_RDI], DEV + 512);
	assert_int_equal(dev_logged, 256);
	assert_int_equal(dev_log[0].size, 2);
	assert_int_equal(run(CODE_BYTES(0xf3, 0x66, 0xa5)), EMULATE_DONE);
	expect_done(run(CODE_BYTES(0xf3, 0x66, 0xa5)), 3);
	assert_int_equal(v->gpr[GPR_RCX], 0);
	assert_int_equal(v->gpr[GPR_RSI], DATA + 1200);
	assert_memory_equal(dev_mem, ram + DATA, 1200);
	assert_int_equal(dev_mem[1200], 0);
	/* A count of zero does nothing. */
	expect_done(run(CODE_BYTES(0xf3, 0xa4)), 2);
	assert_int_equal(dev_logged, 0);
	/* Exactly 256 end in one call. */
	v->gpr[GPR_RCX] = 256;
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RSI] = DATA;
	expect_done(run(CODE_BYTES(0xf3, 0xa4)), 2);
	/* Backwards; without REP the count stays. */
	v->rflags |= RFLAGS_DF;
	v->gpr[GPR_RCX] = 5;
	v->gpr[GPR_RSI] = DATA + 8;
	v->gpr[GPR_RDI] = DEV + 0x100;
	expect_done(run(CODE_BYTES(0x48, 0xa5)), 2);
	assert_true(v->gpr[GPR_RSI] == DATA && v->gpr[GPR_RDI] == DEV + 0xf8);
	assert_int_equal(v->gpr[GPR_RCX], 5);
	v->rflags &= ~RFLAGS_DF;
	/* 67: 32-bit registers, zero-extended */
	v->gpr[GPR_RCX] = 0xffffffff00000002ULL;
	v->gpr[GPR_RSI] = 0xabcd00000000ULL | DATA;
	v->gpr[GPR_RDI] = 0xffff00000000ULL | DEV;
	expect_done(run(CODE_BYTES(0x67, 0xf3, 0xa4)), 3);
	assert_true(v->gpr[GPR_RSI] == DATA + 2 && v->gpr[GPR_RDI] == DEV + 2);
	/* A segment prefix moves the source only. */
	v->seg[SEG_FS].base = 0x100;
	v->gpr[GPR_RSI] = DATA;
	v->gpr[GPR_RDI] = DEV;
	expect_done(run(CODE_BYTES(0x64, 0xa4)), 2);
	assert_int_equal(dev_mem[0], ram[DATA + 0x100]);
}

static void test_string_fault(void **state)
{
	(void)state;
	long_mode();
	set64(PT_LOW + 9 * 8, 0); /* the page behind DATA */
	v->gpr[GPR_RSI] = PAGE_B - 8;
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RCX] = 5;
	assert_int_equal(run(CODE_BYTES(0xf3, 0xa5)), EMULATE_FAULT);
	assert_int_equal(queued.vector, VEC_PF);
	assert_int_equal(queued.address, PAGE_B);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->gpr[GPR_RCX], 3);
	assert_int_equal(v->gpr[GPR_RSI], PAGE_B);
	assert_int_equal(v->gpr[GPR_RDI], DEV + 8);
	assert_int_equal(dev_logged, 2);
	/* INS reads the port only when the destination can be written. */
	v->gpr[GPR_RDI] = PAGE_B - 1;
	v->gpr[GPR_RDX] = 0x100;
	v->gpr[GPR_RCX] = 4;
	assert_int_equal(run(CODE_BYTES(0xf3, 0x6c)), EMULATE_FAULT);
	assert_int_equal(port_next, 2);
	assert_int_equal(v->gpr[GPR_RCX], 3);
	/* SCAS: the flags are those before the instruction. */
	v->gpr[GPR_RDI] = PAGE_B - 2;
	v->gpr[GPR_RAX] = 0xff;
	v->gpr[GPR_RCX] = 4;
	v->rflags = RFLAGS_ONE | RFLAGS_ZF;
	assert_int_equal(run(CODE_BYTES(0xf2, 0xae)), EMULATE_FAULT);
	assert_int_equal(v->rflags, RFLAGS_ONE | RFLAGS_ZF);
	assert_int_equal(v->gpr[GPR_RCX], 2);
}

static void test_compare_strings(void **state)
{
	(void)state;
	long_mode();
	memcpy(ram + DATA, "hello, world", 12);
	memcpy(dev_mem, "hello, wOrld", 12);
	v->gpr[GPR_RSI] = DATA;
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RCX] = 12;
	expect_done(run(CODE_BYTES(0xf3, 0xa6)), 2); /* REPE CMPSB */
	assert_int_equal(v->gpr[GPR_RCX], 3);
	assert_int_equal(v->gpr[GPR_RSI], DATA + 9);
	assert_false(v->rflags & (RFLAGS_ZF | RFLAGS_CF)); /* 'o' > 'O' */
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RCX] = 100;
	v->gpr[GPR_RAX] = 'w';
	expect_done(run(CODE_BYTES(0xf2, 0xae)), 2); /* REPNE SCASB */
	assert_int_equal(v->gpr[GPR_RDI], DEV + 8);
	assert_int_equal(v->gpr[GPR_RCX], 92);
	assert_true(v->rflags & RFLAGS_ZF);
	v->gpr[GPR_RDI] = DEV + 0x100;
	v->gpr[GPR_RCX] = 3;
	v->gpr[GPR_RAX] = 0xaabbccdd;
	expect_done(run(CODE_BYTES(0xf3, 0xab)), 2);
	assert_int_equal(dev_logged, 3);
	assert_true(dev_log[2].offset == 0x108 && dev_log[2].value == 0xaabbccdd);
	v->gpr[GPR_RSI] = DEV + 0x101;
	v->gpr[GPR_RCX] = 2;
	expect_done(run(CODE_BYTES(0xf3, 0xac)), 2); /* REP LODSB */
	assert_true(v->gpr[GPR_RAX] == 0xaabbccbb);
}

static void test_single_step_of_rep(void **state)
{
	(void)state;
	long_mode();
	v->gpr[GPR_RDI] = DEV;
	v->gpr[GPR_RCX] = 2;
	v->rflags |= RFLAGS_TF;
	assert_int_equal(run(CODE_BYTES(0xf3, 0xaa)), EMULATE_DONE);
	assert_true(queued.any && queued.vector == VEC_DB);
	assert_true(v->dr6 & DR6_BS);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->gpr[GPR_RCX], 1);
	/* The last one is the skip's business. */
	expect_done(run(CODE_BYTES(0xf3, 0xaa)), 2);
}

static void test_ports(void **state)
{
	(void)state;
	long_mode();
	v->gpr[GPR_RDX] = 0x104;
	v->gpr[GPR_RDI] = DATA;
	v->gpr[GPR_RCX] = 3;
	expect_done(run(CODE_BYTES(0xf3, 0x66, 0x6d)), 3); /* REP INSW */
	assert_true((ram64(DATA) & 0xffffffffffffULL) == 0x030702060105ULL);
	v->gpr[GPR_RSI] = DATA;
	v->gpr[GPR_RCX] = 300;
	v->gpr[GPR_RDX] = 0x100;
	assert_int_equal(run(CODE_BYTES(0xf3, 0x6e)), EMULATE_DONE);
	assert_int_equal(port_logged, 256);
	assert_int_equal(v->gpr[GPR_RCX], 44);
	assert_int_equal(v->rip, CODE + 3);
	assert_true(port_log[1].value == 1 && port_log[1].size == 1);
	port_logged = 0;
	/* REX.W is ignored: 4 bytes */
	v->gpr[GPR_RSI] = DATA;
	expect_done(run(CODE_BYTES(0x48, 0x6f)), 2);
	assert_true(port_log[0].size == 4 && v->gpr[GPR_RSI] == DATA + 4);
	/* OUTS through GS */
	v->seg[SEG_GS].base = DATA;
	v->gpr[GPR_RSI] = 2;
	expect_done(run(CODE_BYTES(0x65, 0x6e)), 2);
	assert_int_equal(port_log[1].value, ram[DATA + 2]);
	/* IN and OUT */
	v->gpr[GPR_RAX] = ~0ULL;
	v->gpr[GPR_RDX] = 0xffff0101;
	port_next = 0x42;
	expect_done(run(CODE_BYTES(0xec)), 1);
	assert_true(v->gpr[GPR_RAX] == 0xffffffffffffff43ULL);
	expect_done(run(CODE_BYTES(0xed)), 1);
	assert_true(v->gpr[GPR_RAX] == 0x43434344);
	expect_done(run(CODE_BYTES(0x66, 0xef)), 2);
	assert_true(port_log[2].size == 2 && port_log[2].value == 0x4344 &&
		    port_log[2].offset == 1);
	expect_done(run(CODE_BYTES(0xe4, 0xf0)), 2);
	assert_true((v->gpr[GPR_RAX] & 0xff) == 0xff); /* nobody there */
}

/* --- stacks -------------------------------------------------------------------------------------------- */

static void test_stack(void **state)
{
	u64 x = 0x123456789abcdef0ULL, target = CODE + 0x100;

	(void)state;
	long_mode();
	v->gpr[GPR_RBX] = DEV;
	v->gpr[GPR_RSP] = STACK;
	memcpy(dev_mem, &x, 8);
	memcpy(dev_mem + 8, &target, 8);
	expect_done(run(CODE_BYTES(0xff, 0x33)), 2);
	assert_true(v->gpr[GPR_RSP] == STACK - 8 && ram64(STACK - 8) == x);
	expect_done(run(CODE_BYTES(0x8f, 0x43, 0x10)), 3);
	assert_true(v->gpr[GPR_RSP] == STACK && dev_log[0].offset == 0x10 && dev_log[0].value == x);
	expect_done(run(CODE_BYTES(0x66, 0xff, 0x33)), 3);
	assert_true(v->gpr[GPR_RSP] == STACK - 2);
	v->gpr[GPR_RSP] = STACK;
	/* CALL and JMP through the device */
	v->rip = CODE;
	assert_int_equal(run(CODE_BYTES(0xff, 0x53, 0x08)), EMULATE_DONE);
	assert_true(v->rip == target && ram64(STACK - 8) == CODE + 3);
	v->rip = CODE;
	assert_int_equal(run(CODE_BYTES(0xff, 0x63, 0x08)), EMULATE_DONE);
	assert_true(v->rip == target && v->gpr[GPR_RSP] == STACK - 8);
	/* RET takes it back, and drops arguments. */
	v->rip = CODE;
	assert_int_equal(run(CODE_BYTES(0xc2, 0x10, 0x00)), EMULATE_DONE);
	assert_true(v->rip == CODE + 3 && v->gpr[GPR_RSP] == STACK + 16);
	/* A stack inside the device */
	v->gpr[GPR_RSP] = DEV + 0x100;
	v->rip = CODE;
	expect_done(run(CODE_BYTES(0x53)), 1);
	assert_true(dev_log[0].offset == 0xf8 && dev_log[0].value == DEV);
	expect_done(run(CODE_BYTES(0x41, 0x58)), 2);
	assert_true(v->gpr[GPR_R8] == DEV && v->gpr[GPR_RSP] == DEV + 0x100);
	v->rip = CODE;
	assert_int_equal(run(CODE_BYTES(0xe8, 0xfb, 0x00, 0x00, 0x00)), EMULATE_DONE);
	assert_true(v->rip == CODE + 0x100 && dev_log[0].value == CODE + 5);
	expect_done(run(CODE_BYTES(0x6a, 0xff)), 2);
	assert_true(dev_log[0].value == ~0ULL);
	/* A target that is not canonical: #GP, nothing pushed. */
	v->rip = CODE;
	x = 0x0000900000000000ULL;
	memcpy(dev_mem, &x, 8);
	v->gpr[GPR_RSP] = STACK;
	assert_int_equal(run(CODE_BYTES(0xff, 0x13)), EMULATE_FAULT);
	assert_int_equal(queued.vector, VEC_GP);
	assert_true(v->rip == CODE && v->gpr[GPR_RSP] == STACK);
	/* A stack that cannot be written: #PF, RSP stays. */
	memcpy(dev_mem, &target, 8);
	set64(PT_LOW + 9 * 8, 0);
	assert_int_equal(run(CODE_BYTES(0xff, 0x13)), EMULATE_FAULT);
	assert_int_equal(queued.vector, VEC_PF);
	assert_true(v->rip == CODE && v->gpr[GPR_RSP] == STACK);
	/* 16-bit stack in 32-bit code: SP wraps inside 64 KiB. */
	fixture_mode(4);
	v->rip = CODE;
	v->seg[SEG_SS].attr = ATTR_DATA;
	v->seg[SEG_SS].limit = 0xffff;
	v->gpr[GPR_RSP] = 0x12340000;
	v->gpr[GPR_RBX] = 0x55667788;
	expect_done(run(CODE_BYTES(0x53)), 1);
	assert_true(v->gpr[GPR_RSP] == 0x1234fffc);
	assert_true((ram64(0xfffc) & 0xffffffff) == 0x55667788);
	/* Beyond the limit of CS: #GP */
	v->rip = CODE;
	v->seg[SEG_CS].limit = 0xffff;
	set32(DATA, 0x10000);
	v->gpr[GPR_RBX] = DATA;
	expect_queued(run(CODE_BYTES(0xff, 0x23)), VEC_GP, 0);
}

/* POP [rsp+8] computes its address after RSP moved. */
static void test_pop_rsp_base(void **state)
{
	(void)state;
	long_mode();
	v->gpr[GPR_RSP] = STACK;
	set64(STACK, 0x4711);
	expect_done(run(CODE_BYTES(0x8f, 0x44, 0x24, 0x08)), 4);
	assert_true(ram64(STACK + 16) == 0x4711 && v->gpr[GPR_RSP] == STACK + 8);
}

/* --- LOCK, fetching, what is refused --------------------------------------------------------------------- */

static void test_lock(void **state)
{
	ZydisDecoder d;
	unsigned int legal = 0, illegal = 0;

	(void)state;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	long_mode();
	for (unsigned int i = 0; i < 2 * 256 * 8 * 2; i++) {
		bool two = i & 1, reg_form = i >> 1 & 1;
		u8 code[16] = { 0xf0 };
		unsigned int n = 1;
		ZydisDecodedInstruction zi;
		ZyanStatus st;
		enum emulate_result r;

		if (two)
			code[n++] = 0x0f;
		code[n++] = (u8)(i >> 5);
		code[n++] = (u8)((i >> 2 & 7) << 3 | (reg_form ? 0xc3 : 0x03));
		if (two && (code[2] == 0x38 || code[2] == 0x3a))
			continue;
		st = ZydisDecoderDecodeInstruction(&d, NULL, code, 15, &zi);
		if (st != ZYDIS_STATUS_ILLEGAL_LOCK && !ZYAN_SUCCESS(st))
			continue;
		/* MOV CR0 with LOCK is CR8 on AMD. */
		if (two && (code[2] == 0x20 || code[2] == 0x22))
			continue;
		for (unsigned int k = 0; k < 8; k++)
			v->gpr[k] = DATA + 0x200;
		v->rip = CODE;
		v->rflags = RFLAGS_ONE;
		r = run(code, 15);
		if (ZYAN_SUCCESS(st)) {
			if (r != EMULATE_DONE)
				fail_msg("lock %02x %02x %02x: not done", code[1], code[2],
					 code[3]);
			legal++;
		} else {
			if (r != EMULATE_FAULT || queued.vector != VEC_UD)
				fail_msg("lock %02x %02x %02x: no #UD", code[1], code[2], code[3]);
			illegal++;
		}
	}
	printf("# %u legal, %u illegal\n", legal, illegal);
	assert_true(legal > 150 && illegal > 2000);
}

static void test_fetching(void **state)
{
	struct insn in;

	(void)state;
	long_mode();
	/* Cut by a page that is not there: #PF with the address of its first byte. */
	set64(PT_LOW + 9 * 8, 0);
	v->rip = PAGE_B - 2;
	ram[PAGE_B - 2] = 0x8b;
	ram[PAGE_B - 1] = 0x04;
	assert_int_equal(emulate_fetch_decode(v, NULL, 0, &in), -EFAULT);
	assert_int_equal(queued.vector, VEC_PF);
	assert_int_equal(queued.address, PAGE_B);
	assert_int_equal(queued.error, PFERR_I);
	/* A shorter instruction there is fine. */
	fixture_forget();
	ram[PAGE_B - 1] = 0x03;
	assert_int_equal(emulate_fetch_decode(v, NULL, 0, &in), 0);
	assert_int_equal(in.len, 2);
	/* Too long, and invalid. */
	v->rip = CODE;
	memset(ram + CODE, 0x66, 15);
	assert_int_equal(emulate_fetch_decode(v, NULL, 0, &in), -EFAULT);
	assert_int_equal(queued.vector, VEC_GP);
	fixture_forget();
	ram[CODE] = 0x06;
	assert_int_equal(emulate_fetch_decode(v, NULL, 0, &in), -EINVAL);
	assert_int_equal(queued.vector, VEC_UD);
	/* The limit of CS cuts: #GP. */
	fixture_mode(4);
	fixture_forget();
	ram[CODE] = 0x8b;
	ram[CODE + 1] = 0x04;
	v->seg[SEG_CS].limit = CODE + 1;
	assert_int_equal(emulate_fetch_decode(v, NULL, 0, &in), -EFAULT);
	assert_int_equal(queued.vector, VEC_GP);
	/* Not emulated: nothing changes. */
	fixture_mode(4);
	assert_int_equal(run(CODE_BYTES(0xd9, 0x03)), EMULATE_UNKNOWN);
	assert_int_equal(v->rip, CODE);
	assert_false(queued.any);
}

/* No byte string may do anything but end. */
static void test_random_bytes(void **state)
{
	unsigned int results[3] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		u8 code[16];
		u64 r[2] = { rnd(), rnd() };
		enum emulate_result res;

		if (i % 3 == 0)
			long_mode();
		else
			fixture_mode(i % 3 == 1 ? 2 : 4);
		v->rip = CODE;
		for (unsigned int k = 0; k < 16; k++)
			v->gpr[k] = rnd() & 1 ? DEV + (rnd() & 0xfff) : DATA + (rnd() & 0xfff);
		v->gpr[GPR_RCX] &= 0x1f;
		v->dr6 = 0;
		memcpy(code, r, sizeof(code));
		lapic_logged = 0;
		port_logged = 0;
		res = run(code, 15);
		if (res == EMULATE_FAULT)
			assert_true(queued.any);
		results[res]++;
	}
	printf("# %u done, %u faults, %u not emulated\n", results[EMULATE_DONE],
	       results[EMULATE_FAULT], results[EMULATE_UNKNOWN]);
	assert_true(results[EMULATE_DONE] > 10000);
}

static int group_setup(void **state)
{
	const char *s = getenv("PLINTH_SEED");

	(void)state;
	seed = s ? strtoull(s, NULL, 0) : (u64)time(NULL) * 0x9e3779b97f4a7c15ULL | 1;
	printf("# PLINTH_SEED=%#llx\n", (unsigned long long)seed);
	native_code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return native_code == MAP_FAILED;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_mov),
		TEST(test_extend_and_others),
		TEST(test_against_processor_ram),
		TEST(test_against_processor_device),
		TEST(test_divide_error),
		TEST(test_page_crossing),
		TEST(test_known_address),
		TEST(test_segments),
		TEST(test_real_mode),
		TEST(test_canonical_and_alignment),
		TEST(test_movs),
		TEST(test_string_fault),
		TEST(test_compare_strings),
		TEST(test_single_step_of_rep),
		TEST(test_ports),
		TEST(test_stack),
		TEST(test_pop_rsp_base),
		TEST(test_lock),
		TEST(test_fetching),
		TEST(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
