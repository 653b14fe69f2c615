/* SPDX-License-Identifier: MIT */
/*
 * The emulator's string instructions, REP and port I/O against SDM vol. 1 7.3.9, vol. 2. For the others
 * see test_emulate.c.
 */
#include "emulate_fixture.h"

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
	assert_int_equal(dev_log[0].offset, 0);
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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_movs),
		TEST(test_string_fault),
		TEST(test_compare_strings),
		TEST(test_single_step_of_rep),
		TEST(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
