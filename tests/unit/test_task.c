/* SPDX-License-Identifier: MIT */
/*
 * Task switches: what the two TSSs and the registers hold afterwards, and each exception of SDM vol. 3 (rev. 083) table 8-1 with its
 * error code, in the task that it belongs to.
 */
#include "vcpu_fixture.h"

#include "virt.h"
#include "../../arch/vcpu/event.h"

#define GDT_AT	 0x1000U
#define LDT_AT	 0x1800U
#define OLD_TSS	 0x2000U
#define NEW_TSS	 0x3000U
#define STACK_AT 0x5000U
#define TABLES	 0x6000U

enum {
	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_OLD = 0x18,
	SEL_NEW = 0x20,
	SEL_NEW_BUSY = 0x28,
	SEL_ABSENT = 0x30,
	SEL_SHORT = 0x38,
	SEL_LDT = 0x40,
	SEL_16 = 0x48,
	SEL_CODE_ABSENT = 0x50,
	SEL_DATA_ABSENT = 0x58,
	SEL_READ_ONLY = 0x60,
	SEL_CODE3 = 0x68,
	SEL_DATA3 = 0x70,
	SEL_CONFORMING3 = 0x78,
	SEL_FRESH = 0x80, /* not accessed yet */
	SEL_SMALL = 0x88, /* stack of 2 bytes */
	SEL_EXECUTE = 0x90,
	SEL_LIMIT = 0x98,
	LDT_CODE = 0x04,
};

/* Offsets in a 32-bit TSS. */
enum {
	T_CR3 = 28,
	T_EIP = 32,
	T_EFLAGS = 36,
	T_EAX = 40,
	T_ESP = 56,
	T_ES = 72,
	T_CS = 76,
	T_SS = 80,
	T_DS = 84,
	T_FS = 88,
	T_GS = 92,
	T_LDT = 96,
	T_TRAP = 100,
};

#define TSS_AVAILABLE (SEG_P | 9U)
#define TSS_BUSY      (SEG_P | 11U)
#define TSS16	      (SEG_P | 1U)
#define CODE32	      (ATTR_CODE | SEG_DB | SEG_G)
#define DATA32	      (ATTR_DATA | SEG_DB | SEG_G)
#define DPL3	      (3U << SEG_DPL_SHIFT)

static int nmi_blocked;
static unsigned int flushes;

static void set_nmi_blocked(struct vcpu *c, bool blocked)
{
	assert_ptr_equal(c, v);
	nmi_blocked = blocked;
}

static void flush_tlb(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	flushes++;
}

static const struct virt_ops ops = { .set_nmi_blocked = set_nmi_blocked, .flush_tlb = flush_tlb };

/* What cr.c wants of the policy. */
bool policy_vendor_is_intel(void)
{
	return true;
}

u64 policy_cr4_allowed(void)
{
	return ~UINT64_C(0);
}

u64 policy_efer_allowed(void)
{
	return ~UINT64_C(0);
}

u64 policy_xcr0_allowed(void)
{
	return 0;
}

static void descriptor(u32 table, u16 selector, u32 base, u32 limit, u32 attr)
{
	set64(table + (selector & ~7U),
	      (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xf0ff) << 40 |
		      (u64)(limit >> 16 & 0xf) << 48 | (u64)(base >> 24) << 56);
}

static u32 ram32(gpa_t gpa)
{
	return (u32)ram64(gpa);
}

static u16 ram16(gpa_t gpa)
{
	return (u16)ram64(gpa);
}

static unsigned int type_of(u16 selector)
{
	return ram[GDT_AT + selector + 5] & SEG_TYPE_MASK;
}

/* The old task stands at 0x100 and calls; the new one is sound. */
static void fresh(void)
{
	memset(ram, 0, TABLES);
	fixture_forget();
	fixture_mode(4);
	v->ops = &ops;
	v->pending.type = EVENT_NONE;
	v->rip = 0x100;
	v->cr3 = 0x7000;
	v->dr6 = DR6_RESET;
	v->dr7 = DR7_RESET | 0x1ff;
	v->shadow = 1;
	for (unsigned int i = 0; i < 8; i++)
		v->gpr[i] = 0x10000000U + i;
	v->seg[SEG_CS].selector = SEL_CODE;
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++)
		if (i != SEG_CS)
			v->seg[i].selector = SEL_DATA;
	v->seg[SEG_TR] = (struct segment){
		.selector = SEL_OLD,
		.attr = TSS_BUSY,
		.limit = 103,
		.base = OLD_TSS,
	};
	v->seg[SEG_LDTR] = (struct segment){ 0 };
	v->gdtr = (struct desc_table){ .base = GDT_AT, .limit = SEL_LIMIT - 1 };
	descriptor(GDT_AT, SEL_CODE, 0, 0xfffff, CODE32);
	descriptor(GDT_AT, SEL_DATA, 0, 0xfffff, DATA32);
	descriptor(GDT_AT, SEL_OLD, OLD_TSS, 103, TSS_BUSY);
	descriptor(GDT_AT, SEL_NEW, NEW_TSS, 103, TSS_AVAILABLE);
	descriptor(GDT_AT, SEL_NEW_BUSY, NEW_TSS, 103, TSS_BUSY);
	descriptor(GDT_AT, SEL_ABSENT, NEW_TSS, 103, TSS_AVAILABLE & ~SEG_P);
	descriptor(GDT_AT, SEL_SHORT, NEW_TSS, 102, TSS_AVAILABLE);
	descriptor(GDT_AT, SEL_LDT, LDT_AT, 15, SEG_P | SEG_TYPE_LDT);
	descriptor(GDT_AT, SEL_16, NEW_TSS, 43, TSS16);
	descriptor(GDT_AT, SEL_CODE_ABSENT, 0, 0xfffff, CODE32 & ~SEG_P);
	descriptor(GDT_AT, SEL_DATA_ABSENT, 0, 0xfffff, DATA32 & ~SEG_P);
	descriptor(GDT_AT, SEL_READ_ONLY, 0, 0xfffff, DATA32 & ~SEG_W);
	descriptor(GDT_AT, SEL_CODE3, 0, 0xfffff, CODE32 | DPL3);
	descriptor(GDT_AT, SEL_DATA3, 0, 0xfffff, DATA32 | DPL3);
	descriptor(GDT_AT, SEL_CONFORMING3, 0, 0xfffff, CODE32 | DPL3 | SEG_E);
	descriptor(GDT_AT, SEL_FRESH, 0, 0xfffff, DATA32 & ~SEG_A);
	descriptor(GDT_AT, SEL_SMALL, STACK_AT, 1, DATA32 & ~SEG_G);
	descriptor(GDT_AT, SEL_EXECUTE, 0, 0xfffff, CODE32 & ~SEG_R);
	descriptor(LDT_AT, LDT_CODE, 0, 0xfffff, CODE32);
	set32(NEW_TSS + T_CR3, 0x8000);
	set32(NEW_TSS + T_EIP, 0x4000);
	set32(NEW_TSS + T_EFLAGS, (u32)(RFLAGS_ONE | RFLAGS_IF | 0x8000));
	for (unsigned int i = 0; i < 8; i++)
		set32(NEW_TSS + T_EAX + 4 * i, 0x20000000U + i);
	set32(NEW_TSS + T_ESP, STACK_AT + 0x100);
	for (unsigned int i = T_ES; i <= T_GS; i += 4)
		set32(NEW_TSS + i, 0xbad0000U | SEL_DATA);
	set32(NEW_TSS + T_CS, SEL_CODE);
	v->exit = (struct vm_exit){
		.kind = EXIT_TASK_SWITCH,
		.insn_len = 7,
		.task = { .selector = SEL_NEW, .source = TASK_CALL },
	};
	nmi_blocked = -1;
	flushes = 0;
}

static void run(void)
{
	v->reg_dirty = 0;
	vcpu_task_switch(v);
}

static bool in_new_task(void)
{
	return v->seg[SEG_TR].selector == v->exit.task.selector && v->rip == 0x4000;
}

static void test_call(void **state)
{
	(void)state;
	fresh();
	v->cr0 |= CR0_PG;
	/* Flat tables, both the same: a 4-MiB page. */
	v->cr4 = CR4_PSE;
	set32(0x7000, 0x83);
	set32(0x8000, 0x83);
	run();
	assert_false(queued.any);
	assert_true(in_new_task());
	assert_int_equal(ram32(OLD_TSS + T_EIP), 0x107);
	assert_int_equal(ram32(OLD_TSS + T_EFLAGS), RFLAGS_ONE);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(ram32(OLD_TSS + T_EAX + 4 * i), 0x10000000U + i);
		assert_int_equal(v->gpr[i], i == GPR_RSP ? STACK_AT + 0x100 : 0x20000000U + i);
	}
	assert_int_equal(ram16(OLD_TSS + T_CS), SEL_CODE);
	assert_int_equal(ram16(OLD_TSS + T_GS), SEL_DATA);
	assert_int_equal(ram16(NEW_TSS), SEL_OLD);
	assert_int_equal(type_of(SEL_OLD), SEG_TYPE_TSS_BUSY);
	assert_int_equal(type_of(SEL_NEW), SEG_TYPE_TSS_BUSY);
	assert_int_equal(v->seg[SEG_TR].attr, TSS_BUSY);
	assert_int_equal(v->seg[SEG_TR].base, NEW_TSS);
	assert_int_equal(v->rflags, RFLAGS_ONE | RFLAGS_IF | RFLAGS_NT);
	assert_true(v->cr0 & CR0_TS);
	assert_int_equal(v->dr7, DR7_RESET | 0xaa);
	assert_int_equal(v->cr3, 0x8000);
	assert_int_equal(flushes, 1);
	assert_int_equal(v->shadow, 0);
	assert_int_equal(nmi_blocked, -1);
	assert_int_equal(v->seg[SEG_CS].limit, UINT32_MAX);
	assert_int_equal(v->seg[SEG_LDTR].attr & SEG_P, 0);
}

static void test_jmp(void **state)
{
	(void)state;
	fresh();
	v->exit.task.source = TASK_JMP;
	v->rflags |= RFLAGS_NT;
	run();
	assert_true(in_new_task());
	assert_int_equal(type_of(SEL_OLD), 9);
	assert_int_equal(type_of(SEL_NEW), SEG_TYPE_TSS_BUSY);
	assert_int_equal(ram16(NEW_TSS), 0);
	assert_false(v->rflags & RFLAGS_NT);
	assert_true(ram32(OLD_TSS + T_EFLAGS) & RFLAGS_NT);
	/* No paging: the new CR3 is not loaded. */
	assert_int_equal(v->cr3, 0x7000);
	assert_int_equal(flushes, 0);
}

static void test_iret(void **state)
{
	(void)state;
	fresh();
	v->exit.task.source = TASK_IRET;
	v->exit.task.selector = SEL_NEW_BUSY;
	set32(OLD_TSS, SEL_NEW_BUSY);
	v->rflags |= RFLAGS_NT;
	run();
	assert_true(in_new_task());
	assert_int_equal(type_of(SEL_OLD), 9);
	assert_int_equal(type_of(SEL_NEW_BUSY), SEG_TYPE_TSS_BUSY);
	assert_false(ram32(OLD_TSS + T_EFLAGS) & RFLAGS_NT);
	assert_false(v->rflags & RFLAGS_NT);
	assert_int_equal(nmi_blocked, false);
}

/* Which EIP is saved, and what is pushed, by the event that came through the gate. */
static void test_gates(void **state)
{
	static const struct {
		struct event e;
		u32 eip, pushed;
		bool rf;
	} rows[] = {
		{ { .type = EVENT_INTERRUPT, .vector = 0x50 }, 0x100, 0, false },
		{ { .type = EVENT_NMI, .vector = 2 }, 0x100, 0, false },
		{ { .type = EVENT_EXCEPTION, .vector = VEC_UD }, 0x100, 0, true },
		{ { .type = EVENT_EXCEPTION, .vector = VEC_DB }, 0x100, 0, false },
		{ { .type = EVENT_EXCEPTION, .vector = VEC_GP, .has_error = true, .error = 0x1234 },
		  0x100,
		  0x1234,
		  true },
		{ { .type = EVENT_SOFT_INTERRUPT, .vector = 0x50, .insn_len = 2 },
		  0x102,
		  0,
		  false },
		{ { .type = EVENT_SOFT_EXCEPTION, .vector = VEC_BP, .insn_len = 1 },
		  0x101,
		  0,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh();
		v->exit.task = (struct exit_task_switch){
			.selector = SEL_NEW,
			.source = TASK_GATE,
			.has_error = rows[i].e.has_error,
			.error = rows[i].e.error,
		};
		v->pending = rows[i].e;
		run();
		assert_false(queued.any);
		assert_true(in_new_task());
		assert_int_equal(v->pending.type, EVENT_NONE);
		assert_int_equal(ram32(OLD_TSS + T_EIP), rows[i].eip);
		assert_int_equal(!!(ram32(OLD_TSS + T_EFLAGS) & RFLAGS_RF), rows[i].rf);
		assert_true(v->rflags & RFLAGS_NT);
		assert_int_equal(ram16(NEW_TSS), SEL_OLD);
		if (rows[i].e.has_error) {
			assert_int_equal(v->gpr[GPR_RSP], STACK_AT + 0xfc);
			assert_int_equal(ram32(STACK_AT + 0xfc), rows[i].pushed);
		} else {
			assert_int_equal(v->gpr[GPR_RSP], STACK_AT + 0x100);
		}
		assert_int_equal(nmi_blocked, rows[i].e.type == EVENT_NMI ? true : -1);
	}
}

/* Before the commit: the old task takes it, and nothing has changed. */
static void test_old_task_faults(void **state)
{
	static const struct {
		u8 source;
		u16 selector;
		u8 vector;
		u32 error;
	} rows[] = {
		{ TASK_CALL, 0, VEC_GP, 0 },
		{ TASK_CALL, SEL_NEW_BUSY, VEC_GP, SEL_NEW_BUSY },
		{ TASK_JMP, SEL_NEW_BUSY, VEC_GP, SEL_NEW_BUSY },
		{ TASK_JMP, SEL_ABSENT, VEC_NP, SEL_ABSENT },
		{ TASK_JMP, SEL_SHORT, VEC_TS, SEL_SHORT },
		{ TASK_CALL, SEL_LDT, VEC_GP, SEL_LDT },
		{ TASK_CALL, SEL_CODE, VEC_GP, SEL_CODE },
		{ TASK_CALL, SEL_LIMIT, VEC_GP, SEL_LIMIT },
		{ TASK_CALL, SEL_NEW | 4, VEC_GP, SEL_NEW | 4 },
		{ TASK_IRET, 0, VEC_TS, 0 },
		{ TASK_IRET, SEL_NEW, VEC_TS, SEL_NEW },
		{ TASK_IRET, SEL_NEW_BUSY | 4, VEC_TS, SEL_NEW_BUSY | 4 },
		{ TASK_IRET, SEL_LIMIT, VEC_TS, SEL_LIMIT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh();
		v->exit.task.source = rows[i].source;
		v->exit.task.selector = rows[i].selector;
		set32(OLD_TSS, rows[i].selector);
		run();
		assert_true(queued.any);
		assert_int_equal(queued.vector, rows[i].vector);
		assert_true(queued.has_error);
		assert_int_equal(queued.error, rows[i].error);
		assert_int_equal(v->rip, 0x100);
		assert_int_equal(v->seg[SEG_TR].selector, SEL_OLD);
		assert_int_equal(type_of(SEL_OLD), SEG_TYPE_TSS_BUSY);
		assert_int_equal(ram32(OLD_TSS + T_EIP), 0);
		assert_int_equal(v->reg_dirty, 0);
	}
}

static void test_old_tss_too_short(void **state)
{
	(void)state;
	fresh();
	v->seg[SEG_TR].limit = 102;
	run();
	assert_int_equal(queued.vector, VEC_TS);
	assert_int_equal(queued.error, SEL_NEW);
	assert_int_equal(v->rip, 0x100);
}

static void test_external_bit(void **state)
{
	static const struct {
		struct event e;
		u32 ext;
	} rows[] = {
		{ { .type = EVENT_INTERRUPT, .vector = 0x50 }, 1 },
		{ { .type = EVENT_NMI, .vector = 2 }, 1 },
		{ { .type = EVENT_EXCEPTION, .vector = VEC_UD }, 1 },
		{ { .type = EVENT_SOFT_INTERRUPT, .vector = 0x50, .insn_len = 2 }, 0 },
		{ { .type = EVENT_SOFT_EXCEPTION, .vector = VEC_BP, .insn_len = 1 }, 0 },
		/* INT1: SDM vol. 3 6.13. */
		{ { .type = EVENT_SOFT_EXCEPTION, .vector = VEC_DB, .insn_len = 1 }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh();
		v->exit.task.source = TASK_GATE;
		v->exit.task.selector = SEL_ABSENT;
		v->pending = rows[i].e;
		run();
		assert_int_equal(queued.vector, VEC_NP);
		assert_int_equal(queued.error, SEL_ABSENT | rows[i].ext);
	}
}

/* Behind the commit: the new task takes it, before its first instruction. */
static void test_new_task_faults(void **state)
{
	static const struct {
		u8 field;
		u16 value;
		u8 vector;
		u32 error;
	} rows[] = {
		{ T_LDT, SEL_DATA, VEC_TS, SEL_DATA },
		{ T_LDT, SEL_LIMIT, VEC_TS, SEL_LIMIT },
		{ T_LDT, SEL_LDT | 4, VEC_TS, SEL_LDT | 4 },
		{ T_CS, 0, VEC_TS, 0 },
		{ T_CS, SEL_DATA, VEC_TS, SEL_DATA },
		{ T_CS, SEL_CODE | 3, VEC_TS, SEL_CODE },
		{ T_CS, SEL_CODE3, VEC_TS, SEL_CODE3 },
		{ T_CS, SEL_CONFORMING3, VEC_TS, SEL_CONFORMING3 },
		{ T_CS, SEL_CODE_ABSENT, VEC_NP, SEL_CODE_ABSENT },
		{ T_CS, LDT_CODE, VEC_TS, LDT_CODE },
		{ T_SS, 0, VEC_TS, 0 },
		{ T_SS, 3, VEC_TS, 0 },
		{ T_SS, SEL_CODE, VEC_TS, SEL_CODE },
		{ T_SS, SEL_READ_ONLY, VEC_TS, SEL_READ_ONLY },
		{ T_SS, SEL_DATA_ABSENT, VEC_SS, SEL_DATA_ABSENT },
		{ T_SS, SEL_DATA3, VEC_TS, SEL_DATA3 },
		{ T_SS, SEL_DATA | 3, VEC_TS, SEL_DATA },
		{ T_DS, SEL_OLD, VEC_TS, SEL_OLD },
		{ T_ES, SEL_EXECUTE, VEC_TS, SEL_EXECUTE },
		{ T_FS, SEL_DATA | 3, VEC_TS, SEL_DATA },
		{ T_GS, SEL_DATA_ABSENT, VEC_NP, SEL_DATA_ABSENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh();
		set32(NEW_TSS + rows[i].field, rows[i].value);
		run();
		assert_true(queued.any);
		assert_int_equal(queued.vector, rows[i].vector);
		assert_int_equal(queued.error, rows[i].error);
		assert_true(in_new_task());
		assert_int_equal(ram32(OLD_TSS + T_EIP), 0x107);
		/* An entry must be able to deliver it. */
		assert_true(v->seg[SEG_CS].attr & SEG_P);
		assert_true(v->seg[SEG_CS].attr & SEG_CODE);
		assert_int_equal(vcpu_cpl(v), ram16(NEW_TSS + T_CS) & 3);
	}
}

static void test_good_segments(void **state)
{
	static const struct {
		u8 field;
		u16 value;
	} rows[] = {
		{ T_FS, 0 },
		{ T_GS, 3 },
		{ T_DS, SEL_CODE },
		{ T_ES, SEL_CONFORMING3 },
		{ T_FS, SEL_READ_ONLY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh();
		set32(NEW_TSS + rows[i].field, rows[i].value);
		run();
		assert_false(queued.any);
	}
	fresh();
	set32(NEW_TSS + T_GS, SEL_FRESH);
	run();
	assert_false(queued.any);
	assert_true(type_of(SEL_FRESH) & SEG_A);
	fresh();
	set32(NEW_TSS + T_LDT, SEL_LDT);
	set32(NEW_TSS + T_CS, LDT_CODE);
	run();
	assert_false(queued.any);
	assert_int_equal(v->seg[SEG_CS].selector, LDT_CODE);
	fresh();
	set32(NEW_TSS + T_CS, SEL_CODE3 | 3);
	set32(NEW_TSS + T_SS, SEL_DATA3 | 3);
	for (unsigned int f = T_DS; f <= T_GS; f += 4)
		set32(NEW_TSS + f, SEL_DATA3 | 3);
	set32(NEW_TSS + T_ES, 0);
	run();
	assert_false(queued.any);
	assert_int_equal(vcpu_cpl(v), 3);
}

static void test_start(void **state)
{
	(void)state;
	/* EIP beyond CS. */
	fresh();
	descriptor(GDT_AT, SEL_CODE, 0, 0x3fff, CODE32 & ~SEG_G);
	run();
	assert_int_equal(queued.vector, VEC_GP);
	assert_int_equal(queued.error, 0);
	assert_true(in_new_task());
	/* The error code finds no room: #SS with EXT, not the selector. */
	fresh();
	set32(NEW_TSS + T_SS, SEL_SMALL);
	v->exit.task = (struct exit_task_switch){
		.selector = SEL_NEW,
		.source = TASK_GATE,
		.has_error = true,
	};
	v->pending = (struct event){ .type = EVENT_EXCEPTION, .vector = VEC_GP, .has_error = true };
	run();
	assert_int_equal(queued.vector, VEC_SS);
	assert_int_equal(queued.error, 1);
	/* T. */
	fresh();
	set32(NEW_TSS + T_TRAP, 1);
	run();
	assert_int_equal(queued.vector, VEC_DB);
	assert_false(queued.has_error);
	assert_int_equal(v->dr6, DR6_RESET | DR6_BT);
	assert_true(in_new_task());
}

static void test_v86(void **state)
{
	(void)state;
	fresh();
	set32(NEW_TSS + T_EFLAGS, (u32)(RFLAGS_ONE | RFLAGS_VM));
	set32(NEW_TSS + T_CS, 0x1234);
	set32(NEW_TSS + T_SS, 0);
	run();
	assert_false(queued.any);
	assert_int_equal(v->seg[SEG_CS].base, 0x12340);
	assert_int_equal(v->seg[SEG_CS].limit, 0xffff);
	assert_int_equal(v->seg[SEG_CS].attr, 0xf3);
	assert_int_equal(vcpu_cpl(v), 3);
}

/* Both kinds of 16-bit: to one, and back out of it. */
static void test_tss16(void **state)
{
	(void)state;
	fresh();
	memset(ram + NEW_TSS, 0, 44);
	ram[NEW_TSS + 14] = 0x00;
	ram[NEW_TSS + 15] = 0x40; /* IP */
	ram[NEW_TSS + 16] = 2;
	ram[NEW_TSS + 18] = 0x77; /* AX */
	ram[NEW_TSS + 26] = 0x80; /* SP */
	ram[NEW_TSS + 34] = SEL_DATA;
	ram[NEW_TSS + 36] = SEL_CODE;
	ram[NEW_TSS + 38] = SEL_DATA;
	ram[NEW_TSS + 40] = SEL_DATA;
	v->exit.task.selector = SEL_16;
	run();
	assert_false(queued.any);
	assert_true(in_new_task());
	assert_int_equal((u16)v->gpr[GPR_RAX], 0x77);
	assert_int_equal(v->seg[SEG_FS].selector, 0);
	assert_int_equal(v->seg[SEG_FS].attr & SEG_P, 0);
	assert_int_equal(v->rflags, RFLAGS_ONE | RFLAGS_NT);
	assert_int_equal(type_of(SEL_16), SEG_TYPE_TSS16_BUSY);
	assert_int_equal(v->cr3, 0x7000);

	v->gpr[GPR_RCX] = 0x99998888;
	v->exit.task.selector = SEL_OLD;
	v->exit.task.source = TASK_IRET;
	v->exit.insn_len = 1;
	descriptor(GDT_AT, SEL_CODE, 0, 0xfffff, CODE32);
	run();
	assert_false(queued.any);
	assert_int_equal(v->seg[SEG_TR].selector, SEL_OLD);
	assert_int_equal(v->rip, 0x107);
	assert_int_equal(v->gpr[GPR_RCX], 0x10000001);
	assert_int_equal(ram16(NEW_TSS + 14), 0x4001);
	assert_int_equal(ram16(NEW_TSS + 20), 0x8888);
	assert_int_equal(ram16(NEW_TSS + 16), 2);
	assert_int_equal(type_of(SEL_16), 1);
}

/* The TSS's second page is missing, or read-only where it is written. */
static void test_page_faults(void **state)
{
	(void)state;
	fresh();
	v->cr0 |= CR0_PG;
	v->cr3 = 0x7000;
	set32(0x7000, 0x9000 | PTE_P | PTE_W);
	for (u32 i = 0; i < 16; i++)
		set32(0x9000 + 4 * i, (u32)(i * PAGE_SIZE | PTE_P | PTE_W));
	set32(NEW_TSS + T_CR3, 0x7000);
	set32(0x9000 + 4 * 3, 0);
	run();
	assert_int_equal(queued.vector, VEC_PF);
	assert_int_equal(queued.error, 0);
	assert_int_equal(queued.address & ~0xfffULL, NEW_TSS);
	assert_int_equal(v->rip, 0x100);
	/* The busy bit cannot be set. */
	fixture_forget();
	set32(0x9000 + 4 * 3, NEW_TSS | PTE_P | PTE_W);
	set32(0x9000 + 4 * 1, GDT_AT | PTE_P);
	run();
	assert_int_equal(queued.vector, VEC_PF);
	assert_int_equal(queued.error, PFERR_P | PFERR_W);
	assert_int_equal(v->rip, 0x100);
	assert_int_equal(ram32(OLD_TSS + T_EIP), 0);
}

static void test_bad_pdptes(void **state)
{
	(void)state;
	fresh();
	v->cr0 |= CR0_PG;
	v->cr4 = CR4_PAE;
	v->cr3 = 0x7000;
	set64(0x7000, 0x9000 | PTE_P);
	set64(0x9000, PTE_P | PTE_W | PTE_PS);
	set64(0x8000, 0x9000 | PTE_P | PTE_W);
	run();
	assert_int_equal(queued.vector, VEC_GP);
	assert_int_equal(queued.error, 0);
	assert_int_equal(v->rip, 0x100);
	assert_int_equal(v->cr3, 0x7000);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_call),
		T(test_jmp),
		T(test_iret),
		T(test_gates),
		T(test_old_task_faults),
		T(test_old_tss_too_short),
		T(test_external_bit),
		T(test_new_task_faults),
		T(test_good_segments),
		T(test_start),
		T(test_v86),
		T(test_tss16),
		T(test_page_faults),
		T(test_bad_pdptes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
