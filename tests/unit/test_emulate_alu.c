/* SPDX-License-Identifier: MIT */
/*
 * The emulator's arithmetic against the processor that runs the test: the same instruction on the
 * same operands, in RAM and in a device; result, registers and the flags that the manual defines.
 * PLINTH_SEED repeats a run.
 */
#include <sys/mman.h>

#include "emulate_fixture.h"

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

static int group_setup(void **state)
{
	(void)state;
	seed_setup();
	native_code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return native_code == MAP_FAILED;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_against_processor_ram),
		TEST(test_against_processor_device),
		TEST(test_divide_error),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
