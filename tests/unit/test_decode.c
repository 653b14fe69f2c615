/* SPDX-License-Identifier: MIT */
/*
 * The decoder against a disassembler library (Zydis 4): length, ModRM, addressing and immediate
 * over the whole opcode map in 16-, 32- and 64-bit code, and over random bytes; and what must be
 * refused, from the manuals (SDM vol. 2 ch. 2 and appendix A). PLINTH_SEED repeats a random run.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <Zydis/Zydis.h>

#include "errors.h"
#include "insn.h"
#include "vcpu.h"

#define RANDOM_STRINGS 400000

static ZydisDecoder decoder[3];
static const unsigned int code_sizes[3] = { 2, 4, 8 };
static unsigned long compared, refused;
static u64 seed;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int setup(void **state)
{
	const char *s = getenv("PLINTH_SEED");

	(void)state;
	ZydisDecoderInit(&decoder[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	ZydisDecoderInit(&decoder[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoder[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	seed = s ? strtoull(s, NULL, 0) : (u64)time(NULL) * 0x9e3779b97f4a7c15ULL | 1;
	printf("# PLINTH_SEED=%#llx\n", (unsigned long long)seed);
	return 0;
}

static _Noreturn void differ(const u8 *b, unsigned int n, unsigned int mode, const char *what,
			     long long ours, long long theirs)
{
	printf("# %u-bit code:", code_sizes[mode] * 8);
	for (unsigned int i = 0; i < n; i++)
		printf(" %02x", b[i]);
	printf(": %s is %lld, disassembler says %lld\n", what, ours, theirs);
	fail();
	abort();
}

#define SAME(what, ours, theirs)                                            \
	do {                                                                \
		long long a_ = (long long)(ours), b_ = (long long)(theirs); \
		if (a_ != b_)                                               \
			differ(b, n, mode, what, a_, b_);                   \
	} while (0)

static int gpr_number(ZydisRegister r)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(r);

	if (c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 || c == ZYDIS_REGCLASS_GPR64)
		return ZydisRegisterGetId(r);
	return -1;
}

static void compare_memory(const struct insn *in, const ZydisDecodedInstruction *zi,
			   const ZydisDecodedOperand *op, const u8 *b, unsigned int n,
			   unsigned int mode)
{
	const ZydisDecodedOperandMem *m = &op->mem;

	if (op->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
		return;
	/*
	 * SIB without a base (mod 0, base 101): REX.B is not decoded there, SDM vol. 2 table 2-5.
	 * Zydis 4.0 with a 67 prefix takes R13D as the base.
	 */
	if (in->mod == 0 && in->base < 0 && m->base == ZYDIS_REGISTER_R13D)
		return;
	SAME("rip_relative", in->rip_relative,
	     m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP);
	SAME("base", in->base, gpr_number(m->base));
	SAME("has displacement", in->disp != 0, m->disp.value != 0);
	if (ZydisRegisterGetClass(m->index) < ZYDIS_REGCLASS_XMM &&
	    m->type != ZYDIS_MEMOP_TYPE_MIB) {
		SAME("index", in->index, gpr_number(m->index));
		if (in->index >= 0 && in->addr_size != 2)
			SAME("scale", in->scale, m->scale);
	}
	(void)zi;
}

static void compare_segment(const struct insn *in, const ZydisDecodedInstruction *zi, const u8 *b,
			    unsigned int n, unsigned int mode)
{
	static const struct {
		ZydisInstructionAttributes attr;
		int seg;
	} map[] = {
		{ ZYDIS_ATTRIB_HAS_SEGMENT_ES, SEG_ES }, { ZYDIS_ATTRIB_HAS_SEGMENT_CS, SEG_CS },
		{ ZYDIS_ATTRIB_HAS_SEGMENT_SS, SEG_SS }, { ZYDIS_ATTRIB_HAS_SEGMENT_DS, SEG_DS },
		{ ZYDIS_ATTRIB_HAS_SEGMENT_FS, SEG_FS }, { ZYDIS_ATTRIB_HAS_SEGMENT_GS, SEG_GS },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(map); i++)
		if (zi->attributes & map[i].attr)
			SAME("segment", in->seg, map[i].seg);
}

static void compare_imm(const struct insn *in, const ZydisDecodedInstruction *zi, const u8 *b,
			unsigned int n, unsigned int mode)
{
	unsigned int size = zi->raw.imm[0].size / 8U, size1 = zi->raw.imm[1].size / 8U;
	u64 imm = zi->raw.imm[0].value.u;
	u64 mask;

	if (in->map == MAP_ONE && in->opcode >= 0xa0 && in->opcode <= 0xa3) {
		SAME("moffs", in->moffs,
		     (u64)zi->raw.disp.value & (~0ULL >> (64 - zi->raw.disp.size)));
		return;
	}
	SAME("imm size", in->imm_size, size + size1);
	if (size + size1 == 0)
		return;
	mask = ~0ULL >> (64 - 8 * (size + size1));
	if (size1)
		imm = (imm & (~0ULL >> (64 - 8 * size))) | zi->raw.imm[1].value.u << (8 * size);
	SAME("imm", in->imm & mask, imm & mask);
	if (!size1 && zi->raw.imm[0].is_signed)
		SAME("imm sign", in->imm, imm);
}

/*
 * Bound registers take no 16- or 32-bit addresses in 64-bit mode: APM and SDM leave 67 to the
 * opcode.
 */
static bool is_mpx(const struct insn *in)
{
	return in->map == MAP_0F && (in->opcode == 0x1a || in->opcode == 0x1b);
}

static void compare_fields(const struct insn *in, const ZydisDecodedInstruction *zi,
			   const ZydisDecodedOperand *ops, const u8 *b, unsigned int n,
			   unsigned int mode)
{
	static const u8 maps[] = {
		[ZYDIS_OPCODE_MAP_DEFAULT] = MAP_ONE,
		[ZYDIS_OPCODE_MAP_0F] = MAP_0F,
		[ZYDIS_OPCODE_MAP_0F38] = MAP_0F38,
		[ZYDIS_OPCODE_MAP_0F3A] = MAP_0F3A,
	};
	bool legacy = zi->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;

	if (in->has_modrm && in->mod != 3)
		SAME("address size", is_mpx(in) ? zi->address_width : in->addr_size * 8,
		     zi->address_width);
	SAME("lock", in->lock, in->lock || (zi->attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0);
	if (legacy) {
		SAME("map", in->map, maps[zi->opcode_map]);
		SAME("opcode", in->opcode, zi->opcode);
	} else if (zi->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW) {
		SAME("map", in->map, MAP_VEX);
		SAME("opcode", in->opcode, zi->opcode);
	}
	SAME("ModRM", in->has_modrm, (zi->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0);
	if (in->has_modrm) {
		SAME("reg", in->reg & 7, zi->raw.modrm.reg);
		SAME("rm", in->rm & 7, zi->raw.modrm.rm);
		if (in->map != MAP_0F || (in->opcode & ~3U) != 0x20)
			SAME("mod", in->mod, zi->raw.modrm.mod);
		if (legacy && mode == 2) {
			SAME("rex.r", in->reg >> 3, zi->raw.rex.R);
			SAME("rex.b", in->mod == 3 && in->rm >> 3, in->mod == 3 && zi->raw.rex.B);
		}
		if (in->mod != 3)
			SAME("disp", in->disp, zi->raw.disp.size ? zi->raw.disp.value : 0);
	}
	compare_segment(in, zi, b, n, mode);
	if (zi->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW)
		compare_imm(in, zi, b, n, mode);
	for (unsigned int i = 0; i < zi->operand_count; i++) {
		const ZydisDecodedOperand *op = &ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && in->map != MAP_VEX)
			compare_memory(in, zi, op, b, n, mode);
		/* The width of a plain integer register operand is the effective operand size. */
		if (legacy && in->map == MAP_ONE && in->opcode == 0x8b && i == 0)
			SAME("operand size", in->op_size * 8, op->size);
	}
}

/* Encodings of a coprocessor only: MVEX, and JKZD, JKNZD, which have no ModRM where VEX has one. */
static bool of_knights_corner(const ZydisDecodedInstruction *zi)
{
	return zi->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
	       zi->mnemonic == ZYDIS_MNEMONIC_JKZD || zi->mnemonic == ZYDIS_MNEMONIC_JKNZD;
}

static void compare(const u8 *bytes, unsigned int n, unsigned int mode)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct insn in;
	/* Exactly n bytes, so that ASan sees a read beyond. */
	u8 *b = malloc(n);
	ZyanStatus st;
	int r;

	memcpy(b, bytes, n);
	st = ZydisDecoderDecodeFull(&decoder[mode], b, n, &zi, ops);
	r = insn_decode(&in, b, n, code_sizes[mode]);
	if (ZYAN_SUCCESS(st) && of_knights_corner(&zi)) {
		refused++;
	} else if (ZYAN_SUCCESS(st)) {
		SAME("result", r, 0);
		SAME("length", in.len, zi.length);
		compare_fields(&in, &zi, ops, b, n, mode);
		compared++;
		/* One byte less is not enough. */
		SAME("cut result", insn_decode(&in, b, zi.length - 1U, code_sizes[mode]), -EAGAIN);
	} else {
		refused++;
		if (st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
			SAME("too long", r == -E2BIG || r == -EINVAL, true);
		if (st == ZYDIS_STATUS_NO_MORE_DATA && n < INSN_MAX && r != 0)
			SAME("no more data", r == -EAGAIN || r == -EINVAL, true);
		assert_true(r == 0 || r == -EAGAIN || r == -E2BIG || r == -EINVAL);
	}
	free(b);
}

static void test_opcode_map(void **state)
{
	static const struct {
		u8 n, b[3];
	} prefixes[] = {
		{ 0, { 0 } },	       { 1, { 0x66 } },	      { 1, { 0x67 } },
		{ 1, { 0xf2 } },       { 1, { 0xf3 } },	      { 1, { 0x48 } },
		{ 1, { 0x47 } },       { 2, { 0x66, 0x4f } }, { 2, { 0x67, 0x66 } },
		{ 2, { 0x64, 0x2e } }, { 2, { 0x36, 0xf2 } }, { 3, { 0x66, 0xf2, 0x4a } },
	};
	static const struct {
		u8 n, b[2];
	} maps[] = { { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } } };

	(void)state;
	for (unsigned int mode = 0; mode < 3; mode++)
		for (unsigned int p = 0; p < ARRAY_SIZE(prefixes); p++)
			for (unsigned int m = 0; m < ARRAY_SIZE(maps); m++)
				for (unsigned int op = 0; op < 0x10000; op += p == 0 ? 1 : 3) {
					u8 b[32];
					unsigned int n = prefixes[p].n;

					for (unsigned int i = 0; i < sizeof(b); i += 8) {
						u64 r = rnd();

						memcpy(b + i, &r, 8);
					}
					memcpy(b, prefixes[p].b, n);
					memcpy(b + n, maps[m].b, maps[m].n);
					n += maps[m].n;
					b[n] = (u8)(op >> 8);
					b[n + 1] = (u8)op;
					compare(b, INSN_MAX, mode);
				}
	printf("# %lu compared, %lu refused by the disassembler\n", compared, refused);
	assert_true(compared > 500000);
}

static void test_vex_maps(void **state)
{
	(void)state;
	compared = 0;
	for (unsigned int mode = 0; mode < 3; mode++)
		for (unsigned int i = 0; i < 400000; i++) {
			static const u8 escapes[4] = { 0xc4, 0xc5, 0x62, 0x8f };
			u64 r[2] = { rnd(), rnd() };
			u8 b[16];

			memcpy(b, r, sizeof(b));
			b[0] = escapes[i & 3];
			if (b[0] == 0x62) {
				b[1] &= 0xf7;
				b[2] |= 4;
			} else if (b[0] == 0xc4) {
				b[1] = (u8)((b[1] & 0xe0) | (1 + b[1] % 3));
			} else if (b[0] == 0x8f && (i & 4)) {
				b[1] = (u8)((b[1] & 0xe0) | (8 + b[1] % 3));
			}
			compare(b, INSN_MAX, mode);
		}
	printf("# %lu compared\n", compared);
	assert_true(compared > 50000);
}

static void test_random(void **state)
{
	(void)state;
	compared = 0;
	for (unsigned int i = 0; i < RANDOM_STRINGS; i++) {
		u64 r[2] = { rnd(), rnd() };
		unsigned int n = 1 + (unsigned int)(rnd() % INSN_MAX);
		u8 b[16];

		memcpy(b, r, sizeof(b));
		for (unsigned int mode = 0; mode < 3; mode++)
			compare(b, n, mode);
	}
	printf("# %lu compared\n", compared);
	assert_true(compared > RANDOM_STRINGS / 2);
}

/* Opcodes without any meaning: SDM vol. 2 tables. */
static void test_refused(void **state)
{
	static const struct {
		unsigned int code_size, n;
		u8 b[16];
		int want;
	} rows[] = {
		{ 8, 1, { 0x06 }, -EINVAL },
		{ 8, 1, { 0x60 }, -EINVAL },
		{ 8, 3, { 0x82, 0xc0, 1 }, -EINVAL },
		{ 8, 7, { 0x9a }, -EINVAL },
		{ 8, 1, { 0xce }, -EINVAL },
		{ 8, 2, { 0xd4, 10 }, -EINVAL },
		{ 8, 7, { 0xea }, -EINVAL },
		{ 4, 1, { 0x60 }, 0 },
		{ 4, 2, { 0x0f, 0x04 }, -EINVAL },
		{ 4, 3, { 0x0f, 0x24, 0xc0 }, -EINVAL },
		{ 8, 3, { 0x0f, 0x7a, 0xc0 }, -EINVAL },
		{ 8, 4, { 0x66, 0xc5, 0xf8, 0x77 }, -EINVAL }, /* 66 before VEX */
		{ 8, 4, { 0xf0, 0xc5, 0xf8, 0x77 }, -EINVAL },
		{ 8, 3, { 0xc5, 0xf8, 0x77 }, 0 },
		{ 8, 0, { 0 }, -EAGAIN },
		{ 8, 1, { 0x0f }, -EAGAIN },
		{ 8, 2, { 0x8b, 0x04 }, -EAGAIN },
		{ 8, 6, { 0x8b, 0x05, 1, 2, 3 }, 0 },
		{ 8, 5, { 0x8b, 0x05, 1, 2, 3 }, -EAGAIN },
		/* 14 prefixes and NOP are 15 bytes, with one more prefix it is #GP: 2.3.11 */
		{ 8, 15, { [0 ... 13] = 0x66, 0x90 }, 0 },
		{ 8, 16, { [0 ... 14] = 0x66, 0x90 }, -E2BIG },
		{ 4, 16, { [0 ... 12] = 0x2e, 0x83, 0x00, 0x01 }, -E2BIG },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct insn in;
		int r = insn_decode(&in, rows[i].b, rows[i].n, rows[i].code_size);

		if (r != rows[i].want)
			fail_msg("row %u: %d, expected %d", i, r, rows[i].want);
	}
}

/* Forms whose exits carry no length on processors without next-RIP: each must be told exactly. */
static void test_exit_lengths(void **state)
{
	static const struct {
		unsigned int len;
		u8 b[8];
	} rows[] = {
		{ 2, { 0x0f, 0xa2 } },
		{ 3, { 0xf3, 0x0f, 0xa2 } },
		{ 2, { 0x0f, 0x32 } },
		{ 2, { 0x0f, 0x30 } },
		{ 1, { 0xf4 } },
		{ 3, { 0x0f, 0x01, 0xd9 } }, /* VMMCALL */
		{ 3, { 0x0f, 0x01, 0xc1 } },
		{ 3, { 0x0f, 0x20, 0xc0 } },
		{ 4, { 0x44, 0x0f, 0x20, 0xc0 } },
		{ 3, { 0x0f, 0x22, 0x18 } }, /* mod ignored */
		{ 3, { 0x0f, 0x23, 0x3d } },
		{ 2, { 0x0f, 0x06 } },
		{ 3, { 0x0f, 0x01, 0xf0 } },
		{ 7, { 0x0f, 0x01, 0x35, 1, 2, 3, 4 } },
		{ 3, { 0x0f, 0x01, 0xd1 } },
		{ 2, { 0x0f, 0x09 } },
		{ 2, { 0x0f, 0x08 } },
		{ 3, { 0x0f, 0x01, 0xc8 } },
		{ 3, { 0x0f, 0x01, 0xc9 } },
		{ 2, { 0x0f, 0x33 } },
		{ 2, { 0xf3, 0x90 } },
		{ 1, { 0xcf } },
		{ 2, { 0x48, 0xcf } },
		{ 3, { 0x0f, 0x01, 0xf9 } },
		{ 2, { 0xcd, 0x80 } },
		{ 1, { 0xcc } },
		{ 3, { 0x0f, 0x01, 0x38 } },
		{ 3, { 0x0f, 0xc7, 0xf0 } },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct insn in;

		assert_int_equal(insn_decode(&in, rows[i].b, 8, 8), 0);
		if (in.len != rows[i].len)
			fail_msg("row %u: length %u, expected %u", i, in.len, rows[i].len);
	}
}

static void test_fields(void **state)
{
	struct insn in;
	/* mov [rbx+r12*8-0x80], r9 through gs */
	static const u8 a[] = { 0x65, 0x4e, 0x89, 0x4c, 0xe3, 0x80 };
	/* lock add dword [bp+si+0x1234], -2 in 16-bit code */
	static const u8 b[] = { 0xf0, 0x66, 0x83, 0x82, 0x34, 0x12, 0xfe };
	/* mov al, [moffs64] */
	static const u8 c[] = { 0xa0, 1, 2, 3, 4, 5, 6, 7, 0x88 };

	(void)state;
	assert_int_equal(insn_decode(&in, a, sizeof(a), 8), 0);
	assert_int_equal(in.seg, SEG_GS);
	assert_int_equal(in.op_size, 8);
	assert_int_equal(in.reg, GPR_R9);
	assert_int_equal(in.base, GPR_RBX);
	assert_int_equal(in.index, GPR_R12);
	assert_int_equal(in.scale, 8);
	assert_int_equal(in.disp, -0x80);
	assert_int_equal(insn_decode(&in, b, sizeof(b), 2), 0);
	assert_true(in.lock);
	assert_int_equal(in.op_size, 4);
	assert_int_equal(in.addr_size, 2);
	assert_int_equal(in.base, GPR_RBP);
	assert_int_equal(in.index, GPR_RSI);
	assert_int_equal(in.disp, 0x1234);
	assert_int_equal(in.imm, (u64)-2);
	assert_int_equal(insn_decode(&in, c, sizeof(c), 8), 0);
	assert_true(in.moffs == 0x8807060504030201ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opcode_map),   cmocka_unit_test(test_vex_maps),
		cmocka_unit_test(test_random),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_exit_lengths), cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
