/* SPDX-License-Identifier: MIT */
/*
 * The emulator against SDM vol. 1-3: devices, page crossings, segmentation, stacks, LOCK, faults.
 * PLINTH_SEED repeats a random run.
 */
#include <Zydis/Zydis.h>

#include "emulate_fixture.h"

/* --- moves ----------------------------------------------------------------------------------- */

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

/* --- vectors and the instruction cache --- */

static void test_vectors(void **state)
{
	(void)state;
	long_mode();
	for (unsigned int i = 0; i < 16; i++)
		xmm[i][0] = 0x1111 * i + 1, xmm[i][1] = 0x2222 * i + 2;
	v->gpr[GPR_RBX] = DEV + 0x20;
	expect_done(run(CODE_BYTES(0x44, 0x0f, 0x11, 0x0b)), 4); /* movups [rbx], xmm9 */
	assert_int_equal(dev_logged, 2);
	assert_true(dev_log[0].size == 8 && dev_log[0].value == xmm[9][0] &&
		    dev_log[0].offset == 0x20);
	assert_true(dev_log[1].value == xmm[9][1] && dev_log[1].offset == 0x28);
	expect_done(run(CODE_BYTES(0x66, 0x0f, 0x6f, 0x13)), 4); /* movdqa xmm2, [rbx] */
	assert_memory_equal(xmm[2], xmm[9], 16);
	/* Aligned forms take #GP, the others split. */
	v->rip = CODE;
	v->gpr[GPR_RBX] = DEV + 0x24;
	expect_queued(run(CODE_BYTES(0x0f, 0x28, 0x13)), VEC_GP, 0);
	expect_queued(run(CODE_BYTES(0x66, 0x0f, 0xe7, 0x13)), VEC_GP, 0);
	expect_queued(run(CODE_BYTES(0x66, 0x0f, 0x38, 0x2a, 0x13)), VEC_GP, 0);
	expect_done(run(CODE_BYTES(0xf3, 0x0f, 0x6f, 0x1b)), 4); /* movdqu */
	assert_true(xmm[3][0] == (xmm[9][0] >> 32 | xmm[9][1] << 32));
	/* Scalars: a load clears the rest, MOVLPS and MOVHPS keep the other half. */
	v->gpr[GPR_RBX] = DEV + 0x20;
	expect_done(run(CODE_BYTES(0xf3, 0x0f, 0x10, 0x23)), 4); /* movss */
	assert_true(xmm[4][0] == (u32)xmm[9][0] && xmm[4][1] == 0);
	assert_int_equal(dev_log[0].size, 4);
	expect_done(run(CODE_BYTES(0x0f, 0x16, 0x2b)), 3); /* movhps xmm5 */
	assert_true(xmm[5][1] == xmm[9][0] && xmm[5][0] == 0x5556);
	expect_done(run(CODE_BYTES(0x0f, 0x17, 0x33)), 3); /* movhps [rbx], xmm6 */
	assert_true(dev_log[0].size == 8 && dev_log[0].value == xmm[6][1]);
	expect_done(run(CODE_BYTES(0x66, 0x48, 0x0f, 0x7e, 0x3b)), 5); /* movq [rbx], xmm7 */
	assert_true(dev_log[0].size == 8 && dev_log[0].value == xmm[7][0]);
	expect_done(run(CODE_BYTES(0x66, 0x0f, 0x7e, 0x3b)), 4); /* movd */
	assert_int_equal(dev_log[0].size, 4);
	/* No such form; and a host that cannot. */
	assert_int_equal(run(CODE_BYTES(0x0f, 0x6f, 0x13)), EMULATE_UNKNOWN);
	xmm_off = true;
	assert_int_equal(run(CODE_BYTES(0x0f, 0x10, 0x13)), EMULATE_UNKNOWN);
	xmm_off = false;
}

/* A decoded instruction is used again only while everything that led to it is the same. */
static void test_insn_cache(void **state)
{
	static const u8 store[] = { 0x89, 0x03 }, other[] = { 0x88, 0x0b };

	(void)state;
	long_mode();
	v->gpr[GPR_RBX] = DEV;
	v->gpr[GPR_RAX] = 0x1234;
	v->gpr[GPR_RCX] = 0x77;
	for (unsigned int i = 0; i < 3; i++) {
		v->rip = CODE;
		expect_done(run(store, 2), 2);
		assert_int_equal(dev_log[0].size, 4);
	}
	/* Other bytes */
	v->rip = CODE;
	expect_done(run(other, 2), 2);
	assert_true(dev_log[0].size == 1 && dev_log[0].value == 0x77);
	/* Another page behind the same address */
	memcpy(ram + STACK + 0, store, 2);
	set64(PT_LOW + 6 * 8, STACK | ALLOW);
	v->rip = CODE;
	fixture_forget();
	dev_logged = 0;
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_DONE);
	assert_int_equal(dev_log[0].size, 4);
	/* Another address space; with the same tables below, with others, and without a root */
	memcpy(ram + 0x20000, ram + PML4, 0x1000);
	v->cr3 = 0x20000;
	v->rip = CODE;
	expect_done(emulate_insn(v, NULL, 0), 2);
	fixture_forget();
	set64(0x20000, 0);
	v->rip = CODE;
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_FAULT);
	assert_int_equal(queued.error, PFERR_I);
	fixture_forget();
	v->cr3 = RAM_SIZE;
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_FAULT);
	v->cr3 = PML4;
	/* NX, and a page that goes away, each after a hit */
	for (unsigned int i = 0; i < 2; i++) {
		static const u32 errors[] = { PFERR_P | PFERR_I, PFERR_I };
		u64 pte = STACK | ALLOW;

		long_mode();
		set64(PT_LOW + 6 * 8, pte);
		fixture_forget();
		assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_DONE);
		v->rip = CODE;
		set64(PT_LOW + 6 * 8, i == 0 ? pte | PTE_NX : 0);
		fixture_forget();
		assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_FAULT);
		assert_int_equal(queued.vector, VEC_PF);
		assert_int_equal(queued.error, errors[i]);
	}
	/* Privilege and SMEP do not change what a fetch finds, and the processor has allowed it. */
	long_mode();
	set64(PT_LOW + 6 * 8, (STACK | ALLOW) & ~PTE_U);
	fixture_forget();
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_DONE);
	v->rip = CODE;
	v->seg[SEG_SS].attr |= 3 << SEG_DPL_SHIFT;
	v->cr4 |= CR4_SMEP;
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_DONE);
	/* A 32-bit code segment: other lengths. */
	long_mode();
	fixture_forget();
	expect_done(run(CODE_BYTES(0x48, 0x89, 0x03)), 3);
	v->rip = CODE;
	v->seg[SEG_CS].attr = (u16)((v->seg[SEG_CS].attr & ~SEG_L) | SEG_DB);
	assert_int_equal(emulate_insn(v, NULL, 0), EMULATE_UNKNOWN); /* DEC EAX */
	/* Across a page: not cached, and right. */
	long_mode();
	set64(PT_LOW + 6 * 8, CODE | ALLOW);
	v->rip = CODE + 0xfff;
	ram[CODE + 0xfff] = 0x89;
	ram[CODE + 0x1000] = 0x03;
	fixture_forget();
	expect_done(emulate_insn(v, NULL, 0), 2);
}

/* --- accesses -------------------------------------------------------------------------------- */

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

/* --- stacks ---------------------------------------------------------------------------------- */

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

/* --- LOCK, fetching, what is refused --------------------------------------------------------- */

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
	(void)state;
	seed_setup();
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_mov),
		TEST(test_extend_and_others),
		TEST(test_vectors),
		TEST(test_insn_cache),
		TEST(test_page_crossing),
		TEST(test_known_address),
		TEST(test_segments),
		TEST(test_real_mode),
		TEST(test_canonical_and_alignment),
		TEST(test_stack),
		TEST(test_pop_rsp_base),
		TEST(test_lock),
		TEST(test_fetching),
		TEST(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
