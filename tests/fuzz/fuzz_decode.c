/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder on any bytes: what the disassembler library accepts has the same length
 * here, a byte less is not enough, and a byte more changes nothing.
 */
#include <Zydis/Zydis.h>

#include "errors.h"
#include "fuzz.h"
#include "insn.h"
#include "vcpu.h"

static const unsigned int code_sizes[] = { 2, 4, 8 };

static void check_fields(const struct insn *in, unsigned int code_size)
{
	CHECK(in->len > 0 && in->len <= INSN_MAX, "length %u", in->len);
	CHECK(in->map <= MAP_VEX, "map %u", in->map);
	CHECK(in->op_size == 2 || in->op_size == 4 || in->op_size == 8, "size %u", in->op_size);
	CHECK(in->op_size <= code_size || code_size == 2, "size %u", in->op_size);
	CHECK(in->addr_size == 2 || in->addr_size == 4 || in->addr_size == 8, "address size %u",
	      in->addr_size);
	CHECK(in->base >= -1 && in->base < NR_GPRS, "base %d", in->base);
	CHECK(in->index >= -1 && in->index < NR_GPRS, "index %d", in->index);
	CHECK(in->seg >= -1 && in->seg <= SEG_GS, "segment %d", in->seg);
	CHECK(code_size == 8 || !in->rex || in->map == MAP_VEX, "REX %#x", in->rex);
	CHECK(in->mod <= 3 && in->reg < NR_GPRS && in->rm < NR_GPRS, "ModRM %u %u %u", in->mod,
	      in->reg, in->rm);
	CHECK(in->scale == 0 || in->scale == 1 || in->scale == 2 || in->scale == 4 ||
		      in->scale == 8,
	      "scale %u", in->scale);
}

/* Encodings of a coprocessor only: MVEX; JKZD, JKNZD, which have no ModRM where VEX has one. */
static bool of_knights_corner(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
	       z->mnemonic == ZYDIS_MNEMONIC_JKZD || z->mnemonic == ZYDIS_MNEMONIC_JKNZD;
}

static void one_mode(const u8 *b, unsigned int n, unsigned int mode)
{
	static ZydisDecoder decoder[ARRAY_SIZE(code_sizes)];
	static bool ready;
	unsigned int code_size = code_sizes[mode];
	ZydisDecodedInstruction z;
	struct insn in;
	int r = insn_decode(&in, b, n, code_size);

	if (!ready) {
		ZydisDecoderInit(&decoder[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
		ZydisDecoderInit(&decoder[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
		ZydisDecoderInit(&decoder[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		ready = true;
	}
	CHECK(r == 0 || r == -EAGAIN || r == -E2BIG || r == -EINVAL, "result %d", r);
	CHECK(r != -EAGAIN || n < INSN_MAX, "more than 15 bytes asked for");
	if (r == 0) {
		struct insn again;
		u8 *exact = malloc(in.len);

		CHECK(in.len <= n, "length %u of %u bytes", in.len, n);
		check_fields(&in, code_size);
		memcpy(exact, b, in.len);
		CHECK(insn_decode(&again, exact, in.len, code_size) == 0 && again.len == in.len,
		      "the bytes behind an instruction matter");
		CHECK(insn_decode(&again, exact, in.len - 1U, code_size) == -EAGAIN,
		      "complete without its last byte");
		free(exact);
	}
	if (n && ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder[mode], NULL, b, n, &z)) &&
	    !of_knights_corner(&z))
		CHECK(r == 0 && in.len == z.length, "result %d, length %u, disassembler says %u", r,
		      in.len, z.length);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size > INSN_MAX + 1 ? INSN_MAX + 1 : size };
	size_t n;
	u8 *b = take_rest(&in, &n);

	for (unsigned int mode = 0; mode < ARRAY_SIZE(code_sizes); mode++)
		one_mode(b, (unsigned int)n, mode);
	free(b);
	return 0;
}
