/* SPDX-License-Identifier: MIT */
/*
 * The local APIC against SDM vol. 3 ch. 11: registers, priorities, EOI, enabling and disabling, both
 * modes and what may be written in each. Its pins: test_lapic_pins.c; its timer: test_lapic_timer.c.
 */
#include "lapic_fixture.h"

/* --- power-up and registers ------------------------------------------------------------------- */

static const struct {
	u32 reg, value;
} power_up_values[] = {
	{ LAPIC_ID, 0 },
	{ LAPIC_VERSION, 0x00050014 },
	{ LAPIC_TPR, 0 },
	{ LAPIC_APR, 0 },
	{ LAPIC_PPR, 0 },
	{ LAPIC_EOI, 0 },
	{ LAPIC_RRD, 0 },
	{ LAPIC_LDR, 0 },
	{ LAPIC_DFR, 0xffffffff },
	{ LAPIC_SVR, 0xff },
	{ LAPIC_ISR, 0 },
	{ LAPIC_ISR + 0x70, 0 },
	{ LAPIC_TMR, 0 },
	{ LAPIC_TMR + 0x70, 0 },
	{ LAPIC_IRR, 0 },
	{ LAPIC_IRR + 0x70, 0 },
	{ LAPIC_ICR, 0 },
	{ LAPIC_ICR_HI, 0 },
	{ LAPIC_LVT_TIMER, 0x10000 },
	{ LAPIC_LVT_THERMAL, 0x10000 },
	{ LAPIC_LVT_PERF, 0x10000 },
	{ LAPIC_LVT_LINT0, 0x10000 },
	{ LAPIC_LVT_LINT1, 0x10000 },
	{ LAPIC_LVT_ERROR, 0x10000 },
	{ LAPIC_TIMER_INIT, 0 },
	{ LAPIC_TIMER_CURRENT, 0 },
	{ LAPIC_TIMER_DIVIDE, 0 },
	{ LAPIC_ESR, 0 },
};

static void check_power_up(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(power_up_values); i++)
		if (rd(power_up_values[i].reg) != power_up_values[i].value)
			fail_msg("register %x is %x", power_up_values[i].reg,
				 rd(power_up_values[i].reg));
}

static void power_up(void **state)
{
	(void)state;
	lapic_reset(l);
	check_power_up();
	assert_int_equal(l->base_msr, 0xfee00900);
	assert_int_equal(cpu[1].lapic.base_msr, 0xfee00800);
	assert_int_equal(rd_on(3, LAPIC_ID), 0x03000000);
	assert_int_equal(pending(), -1);
}

/* Which bits stick; LVT with the APIC software-enabled. */
static void writable_bits(void **state)
{
	static const struct {
		u32 reg, value;
	} table[] = {
		{ LAPIC_ID, 0xff000000 },
		{ LAPIC_VERSION, 0x00050014 },
		{ LAPIC_TPR, 0xff },
		{ LAPIC_PPR, 0xff },
		{ LAPIC_LDR, 0xff000000 },
		{ LAPIC_DFR, 0xffffffff },
		{ LAPIC_SVR, 0x3ff },
		{ LAPIC_LVT_TIMER, 0x700ff },
		{ LAPIC_LVT_THERMAL, 0x107ff },
		{ LAPIC_LVT_PERF, 0x107ff },
		{ LAPIC_LVT_LINT0, 0x1a7ff },
		{ LAPIC_LVT_LINT1, 0x1a7ff },
		{ LAPIC_LVT_ERROR, 0x100ff },
		{ LAPIC_ICR_HI, 0xff000000 },
		{ LAPIC_TIMER_INIT, 0xffffffff },
		{ LAPIC_TIMER_DIVIDE, 0xb },
		{ LAPIC_ISR, 0 },
		{ LAPIC_IRR, 0 },
		{ LAPIC_TMR, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		wr(LAPIC_LVT_TIMER, 0x10000);
		wr(table[i].reg, 0xffffffff);
		if (rd(table[i].reg) != table[i].value)
			fail_msg("register %x is %x", table[i].reg, rd(table[i].reg));
	}
	wr(LAPIC_DFR, 0);
	assert_int_equal(rd(LAPIC_DFR), 0x0fffffff);
	assert_int_equal(pending(), -1);
}

/* Accesses that are not 4 bytes at a multiple of 16 read 0 and are ignored. */
static void odd_accesses(void **state)
{
	(void)state;
	for (unsigned int size = 1; size <= 8; size++) {
		for (u32 offset = 0; offset < 16; offset++) {
			if (size == 4 && offset == 0)
				continue;
			lapic_mmio_write(l, LAPIC_TPR + offset, size, 0x55);
			assert_int_equal(lapic_mmio_read(l, LAPIC_VERSION + offset, size), 0);
		}
	}
	assert_int_equal(rd(LAPIC_TPR), 0);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), 0);
}

/* --- priorities ------------------------------------------------------------------------------- */

static void priority_order(void **state)
{
	(void)state;
	lapic_post(l, 0x31, false);
	lapic_post(l, 0x81, false);
	lapic_post(l, 0x85, false);
	lapic_post(l, 0xff, false);
	assert_int_equal(rd(LAPIC_IRR + 0x10), 1U << 0x11);
	assert_int_equal(rd(LAPIC_IRR + 0x40), 0x22);
	take(0xff);
	assert_int_equal(rd(LAPIC_PPR), 0xf0);
	assert_int_equal(rd(LAPIC_ISR + 0x70), 0x80000000);
	assert_int_equal(rd(LAPIC_IRR + 0x70), 0);
	assert_int_equal(pending(), -1);
	eoi();
	take(0x85);
	/* the same class waits */
	assert_int_equal(pending(), -1);
	lapic_post(l, 0x8f, false);
	assert_int_equal(pending(), -1);
	lapic_post(l, 0x90, false);
	take(0x90);
	assert_int_equal(rd(LAPIC_PPR), 0x90);
	eoi();
	assert_int_equal(rd(LAPIC_PPR), 0x80);
	assert_int_equal(pending(), -1);
	eoi();
	take(0x8f);
	eoi();
	take(0x81);
	eoi();
	take(0x31);
	eoi();
	assert_int_equal(pending(), -1);
	eoi();
	eoi();
	assert_int_equal(rd(LAPIC_PPR), 0);
	assert_int_equal(cpu[0].eois, 0);
}

static void task_priority(void **state)
{
	static const struct {
		u32 tpr, isr, ppr; /* isr 0 = nothing in service */
	} table[] = {
		{ 0x00, 0x00, 0x00 }, { 0x35, 0x00, 0x35 }, { 0x35, 0x42, 0x40 },
		{ 0x45, 0x42, 0x45 }, { 0x55, 0x42, 0x55 }, { 0xff, 0x42, 0xff },
	};
	bool masked;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		setup(state);
		if (table[i].isr) {
			lapic_post(l, (u8)table[i].isr, false);
			take((int)table[i].isr);
		}
		wr(LAPIC_TPR, table[i].tpr);
		assert_int_equal(rd(LAPIC_PPR), table[i].ppr);
		for (u32 v = 16; v < 256; v += 5) {
			if (v == table[i].isr)
				continue;
			lapic_post(l, (u8)v, false);
			if ((v & 0xf0) > (table[i].ppr & 0xf0)) {
				assert_int_equal(lapic_pending(l, &masked), v);
				assert_false(masked);
				lapic_ack(l, (u8)v);
				eoi();
			} else {
				assert_int_equal(lapic_pending(l, &masked), -1);
				assert_int_equal(masked, (v & 0xf0) > (table[i].isr & 0xf0));
			}
			/* take away what stayed */
			l->irr[v / 32] &= ~BIT(v % 32);
			l->irr_words = 0;
		}
	}
}

static void cr8(void **state)
{
	bool masked;

	(void)state;
	wr(LAPIC_TPR, 0x5a);
	assert_int_equal(lapic_get_cr8(l), 5);
	assert_int_equal(cpu[0].tpr_changes, 1);
	wr(LAPIC_TPR, 0x5f);
	assert_int_equal(cpu[0].tpr_changes, 1);
	lapic_set_cr8(l, 9);
	assert_int_equal(rd(LAPIC_TPR), 0x90);
	assert_int_equal(cpu[0].tpr_changes, 2);
	lapic_set_cr8(l, 9);
	assert_int_equal(cpu[0].tpr_changes, 2);
	lapic_post(l, 0x91, false);
	assert_int_equal(lapic_pending(l, &masked), -1);
	assert_true(masked);
	lapic_set_cr8(l, 8);
	take(0x91);
}

/* One bit each for IRR and ISR: two of a vector can wait, a third merges. */
static void merging(void **state)
{
	(void)state;
	lapic_post(l, 0x40, false);
	take(0x40);
	lapic_post(l, 0x40, false);
	lapic_post(l, 0x40, false);
	assert_int_equal(pending(), -1);
	eoi();
	take(0x40);
	eoi();
	assert_int_equal(pending(), -1);
}

/* Every vector: the summaries must agree with a plain scan. */
static void all_vectors(void **state)
{
	(void)state;
	for (int v = 16; v < 256; v++)
		lapic_post(l, (u8)v, v & 1);
	for (int v = 255; v >= 16; v--) {
		take(v);
		assert_int_equal(rd(LAPIC_PPR), v & 0xf0);
		assert_int_equal(pending(), -1);
		cpu[0].eoi = -1;
		eoi();
		assert_int_equal(cpu[0].eoi, v & 1 ? v : -1);
		assert_int_equal(rd(LAPIC_PPR), 0);
	}
	assert_int_equal(pending(), -1);
	/* fifteen nested ones, one in each class */
	for (int v = 0x1f; v < 256; v += 16) {
		lapic_post(l, (u8)v, false);
		take(v);
	}
	for (int v = 0xff; v >= 0x1f; v -= 16) {
		assert_int_equal(rd(LAPIC_PPR), v & 0xf0);
		eoi();
	}
	assert_int_equal(rd(LAPIC_PPR), 0);
}

static void trigger_mode(void **state)
{
	(void)state;
	lapic_post(l, 0x40, true);
	assert_int_equal(pending(), 0x40);
	assert_int_equal(rd(LAPIC_TMR + 0x20), 1);
	take(0x40);
	eoi();
	assert_int_equal(cpu[0].eoi, 0x40);
	/* TMR follows the next acceptance */
	assert_int_equal(rd(LAPIC_TMR + 0x20), 1);
	lapic_post(l, 0x40, false);
	assert_int_equal(rd(LAPIC_TMR + 0x20), 0);
	take(0x40);
	eoi();
	assert_int_equal(cpu[0].eois, 1);
}

/* A poster kicks once until the owner has looked. */
static void kicks(void **state)
{
	(void)state;
	lapic_post(l, 0x40, false);
	assert_int_equal(cpu[0].kicks, 1);
	lapic_post(l, 0x41, false);
	lapic_post(l, 0x40, true);
	assert_int_equal(cpu[0].kicks, 1);
	assert_int_equal(pending(), 0x41);
	lapic_post(l, 0x41, false);
	assert_int_equal(cpu[0].kicks, 2);
}

/* --- enabling --------------------------------------------------------------------------------- */

static void software_disable(void **state)
{
	(void)state;
	wr(LAPIC_LVT_LINT0, 0x700);
	wr(LAPIC_LVT_ERROR, 0x33);
	lapic_post(l, 0x40, false);
	take(0x40);
	lapic_post(l, 0x50, false);
	wr(LAPIC_SVR, 0xff);
	/* masked at once, and cannot be unmasked */
	assert_int_equal(rd(LAPIC_LVT_LINT0), 0x10700);
	assert_int_equal(rd(LAPIC_LVT_ERROR), 0x10033);
	wr(LAPIC_LVT_ERROR, 0x33);
	assert_int_equal(rd(LAPIC_LVT_ERROR), 0x10033);
	/* what is in IRR and ISR is held and can be handled; new ones are refused */
	take(0x50);
	lapic_post(l, 0x60, false);
	wr(LAPIC_ICR, ICR_SHORTHAND(APIC_DEST_SELF) | 0x61);
	assert_int_equal(pending(), -1);
	eoi();
	eoi();
	assert_int_equal(rd(LAPIC_PPR), 0);
	/* NMI, INIT, SIPI and SMI still come */
	wr_on(1, LAPIC_ICR_HI, 0);
	wr_on(1, LAPIC_ICR, APIC_MODE(APIC_NMI) | ICR_ASSERT);
	wr_on(1, LAPIC_ICR, APIC_MODE(APIC_SMI) | ICR_ASSERT);
	wr_on(1, LAPIC_ICR, APIC_MODE(APIC_INIT) | ICR_ASSERT);
	wr_on(1, LAPIC_ICR, APIC_MODE(APIC_SIPI) | ICR_ASSERT | 0x9a);
	assert_int_equal(cpu[0].nmis, 1);
	assert_int_equal(cpu[0].smis, 1);
	assert_int_equal(cpu[0].inits, 1);
	assert_int_equal(cpu[0].sipi, 0x9a);
	/* and IPIs can be sent */
	wr(LAPIC_ICR_HI, 0x01000000);
	wr(LAPIC_ICR, ICR_ASSERT | 0x77);
	assert_int_equal(pending_on(1), 0x77);
	wr(LAPIC_SVR, 0x1ff);
	assert_int_equal(rd(LAPIC_LVT_ERROR), 0x10033);
	lapic_post(l, 0x60, false);
	take(0x60);
}

static void global_disable(void **state)
{
	const u64 off = APIC_BASE_DEFAULT | APIC_BASE_BSP;

	(void)state;
	wr(LAPIC_ID, 0x09000000);
	wr(LAPIC_TPR, 0x40);
	lapic_post(l, 0x80, false);
	assert_int_equal(write_base(l, off), 0);
	assert_false(lapic_claims(l, 0xfee00000));
	assert_int_equal(pending(), -1);
	/* it is addressed by nobody */
	wr_on(1, LAPIC_ICR_HI, 0xff000000);
	wr_on(1, LAPIC_ICR, ICR_ASSERT | 0x77);
	wr_on(1, LAPIC_ICR, APIC_MODE(APIC_NMI) | ICR_ASSERT);
	lapic_post(l, 0x70, false);
	assert_int_equal(pending(), -1);
	assert_int_equal(cpu[0].nmis, 0);
	assert_int_equal(pending_on(1), 0x77);
	/* the pins are INTR and NMI */
	intr = true;
	lapic_set_lint0(l, true);
	assert_int_equal(pending(), LAPIC_EXTINT);
	intr = false;
	lapic_set_lint0(l, false);
	assert_int_equal(pending(), -1);
	lapic_lint1_nmi(l);
	assert_int_equal(cpu[0].nmis, 1);
	/* enabled again it is as after power-up */
	assert_int_equal(write_base(l, off | APIC_BASE_EN), 0);
	check_power_up();
	assert_true(lapic_claims(l, 0xfee00000));
	intr = true;
	assert_int_equal(pending(), -1);
}

static void relocation(void **state)
{
	(void)state;
	assert_true(lapic_claims(l, 0xfee00ff0));
	assert_false(lapic_claims(l, 0xfee01000));
	assert_false(lapic_claims(l, 0x1fee00000));
	wr(LAPIC_TPR, 0x20);
	assert_int_equal(write_base(l, 0xd0000000 | APIC_BASE_EN), 0);
	assert_false(lapic_claims(l, 0xfee00000));
	assert_true(lapic_claims(l, 0xd0000020));
	assert_int_equal(rd(LAPIC_TPR), 0x20);
	l->phys_bits = 36;
	assert_int_equal(write_base(l, 0xf00000000 | APIC_BASE_EN), 0);
	assert_true(lapic_claims(l, 0xf00000020));
	assert_int_equal(write_base(l, 0x1000000000 | APIC_BASE_EN), -EINVAL);
	x2apic(l);
	assert_false(lapic_claims(l, 0xf00000020));
}

/* SDM vol. 3 figure 11-27. */
static void base_transitions(void **state)
{
	enum {
		OFF,
		BAD,
		X,
		X2
	};
	static const u64 bits[] = { 0, APIC_BASE_EXTD, APIC_BASE_EN,
				    APIC_BASE_EN | APIC_BASE_EXTD };
	static const struct {
		int from, to, result;
	} table[] = {
		{ OFF, OFF, 0 }, { OFF, BAD, -EINVAL }, { OFF, X, 0 },	    { OFF, X2, -EINVAL },
		{ X, OFF, 0 },	 { X, BAD, -EINVAL },	{ X, X, 0 },	    { X, X2, 0 },
		{ X2, OFF, 0 },	 { X2, BAD, -EINVAL },	{ X2, X, -EINVAL }, { X2, X2, 0 },
	};
	static const u64 reserved[] = { 1, 0x80, 0x200, BIT64(52), BIT64(63) };
	u64 value;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		setup(state);
		if (table[i].from == X2)
			x2apic(l);
		else
			assert_int_equal(write_base(l, APIC_BASE_DEFAULT | bits[table[i].from]), 0);
		value = APIC_BASE_DEFAULT | bits[table[i].to];
		if (write_base(l, value) != table[i].result)
			fail_msg("%d to %d", table[i].from, table[i].to);
		if (table[i].result)
			value = l->base_msr;
		assert_int_equal(l->base_msr, value);
		assert_int_equal(lapic_msr_read(l, MSR_APIC_BASE, &value), 0);
		assert_int_equal(value, l->base_msr);
	}
	setup(state);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		assert_int_equal(write_base(l, l->base_msr | reserved[i]), -EINVAL);
}

/* 11.12.5.1: what survives the change to x2APIC mode. */
static void to_x2apic(void **state)
{
	(void)state;
	wr(LAPIC_ID, 0x77000000);
	wr(LAPIC_LDR, 0x55000000);
	wr(LAPIC_ICR_HI, 0x66000000);
	wr(LAPIC_TPR, 0x20);
	wr(LAPIC_LVT_ERROR, 0x45);
	lapic_post(l, 0x55, false);
	x2apic(l);
	assert_int_equal(rdmsr(LAPIC_ID), 0);
	assert_int_equal(rdmsr(LAPIC_LDR), 1);
	assert_int_equal(rdmsr(LAPIC_ICR) >> 32, 0);
	assert_int_equal(rdmsr(LAPIC_TPR), 0x20);
	assert_int_equal(rdmsr(LAPIC_SVR), 0x1ff);
	assert_int_equal(rdmsr(LAPIC_LVT_ERROR), 0x45);
	take(0x55);
	assert_int_equal(rdmsr(LAPIC_ISR + 0x20), 1U << 0x15);
	assert_int_equal(wrmsr(LAPIC_EOI, 0), 0);
	assert_int_equal(rdmsr(LAPIC_ISR + 0x20), 0);
	x2apic(&cpu[3].lapic);
	{
		u64 value = 0;

		assert_int_equal(lapic_msr_read(&cpu[3].lapic, msr_of(LAPIC_LDR), &value), 0);
		assert_int_equal(value, 8);
	}
	/* INIT keeps the mode */
	lapic_init_reset(l);
	assert_int_equal(rdmsr(LAPIC_SVR), 0xff);
	assert_int_equal(rdmsr(LAPIC_LDR), 1);
}

/* --- x2APIC MSRs ------------------------------------------------------------------------------ */

/* Table 11-6: R and W, and for each the bits that do not fault. All else in 800H-8FFH faults. */
static const struct {
	u32 reg;
	bool read, write;
	u64 bits;
} msr_table[] = {
	{ LAPIC_ID, true, false, 0 },
	{ LAPIC_VERSION, true, false, 0 },
	{ LAPIC_TPR, true, true, 0xff },
	{ LAPIC_PPR, true, false, 0 },
	{ LAPIC_EOI, false, true, 0 },
	{ LAPIC_LDR, true, false, 0 },
	{ LAPIC_SVR, true, true, 0x3ff },
	{ LAPIC_ESR, true, true, 0 },
	{ LAPIC_ICR, true, true, 0xffffffff000cdfff },
	{ LAPIC_LVT_TIMER, true, true, 0x710ff },
	{ LAPIC_LVT_THERMAL, true, true, 0x117ff },
	{ LAPIC_LVT_PERF, true, true, 0x117ff },
	{ LAPIC_LVT_LINT0, true, true, 0x1f7ff },
	{ LAPIC_LVT_LINT1, true, true, 0x1f7ff },
	{ LAPIC_LVT_ERROR, true, true, 0x110ff },
	{ LAPIC_TIMER_INIT, true, true, 0xffffffff },
	{ LAPIC_TIMER_CURRENT, true, false, 0 },
	{ LAPIC_TIMER_DIVIDE, true, true, 0xb },
	{ LAPIC_SELF_IPI, false, true, 0xff },
};

static void x2apic_msrs(void **state)
{
	u64 value;

	(void)state;
	/* not there in xAPIC mode, nor when it is off */
	for (u32 msr = MSR_X2APIC_FIRST; msr <= MSR_X2APIC_LAST; msr++) {
		assert_int_equal(lapic_msr_read(l, msr, &value), -EINVAL);
		assert_int_equal(lapic_msr_write(l, msr, 0), -EINVAL);
	}
	x2apic(l);
	for (u32 msr = MSR_X2APIC_FIRST; msr <= MSR_X2APIC_LAST; msr++) {
		u32 reg = (msr - MSR_X2APIC_FIRST) * 16;
		bool read = reg >= LAPIC_ISR && reg < LAPIC_ESR, write = false;
		u64 bits = 0;

		for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
			if (msr_table[i].reg == reg) {
				read = msr_table[i].read;
				write = msr_table[i].write;
				bits = msr_table[i].bits;
			}
		}
		if (lapic_msr_read(l, msr, &value) != (read ? 0 : -EINVAL))
			fail_msg("read of %x", msr);
		if (lapic_msr_write(l, msr, 0) != (write ? 0 : -EINVAL))
			fail_msg("write of %x", msr);
		for (unsigned int b = 0; b < 64; b++)
			if (lapic_msr_write(l, msr, BIT64(b)) !=
			    (write && (bits & BIT64(b)) ? 0 : -EINVAL))
				fail_msg("write of %x bit %u", msr, b);
		if (write)
			lapic_msr_write(l, msr, reg == LAPIC_SVR ? 0x1ff : 0);
	}
	assert_int_equal(lapic_msr_read(l, 0x7ff, &value), -EINVAL);
	assert_int_equal(lapic_msr_read(l, 0x900, &value), -EINVAL);
	assert_int_equal(lapic_msr_write(l, 0, 0), -EINVAL);
	assert_int_equal(lapic_msr_write(l, 0xffffffff, 0), -EINVAL);
}

/* --- INIT ------------------------------------------------------------------------------------- */

static void init_reset(void **state)
{
	(void)state;
	assert_int_equal(write_base(l, 0xd0000000 | APIC_BASE_EN), 0);
	wr(LAPIC_ID, 0x05000000);
	wr(LAPIC_TPR, 0x70);
	wr(LAPIC_LDR, 0x01000000);
	wr(LAPIC_DFR, 0);
	wr(LAPIC_LVT_TIMER, 0x20050);
	wr(LAPIC_TIMER_INIT, 100000);
	wr(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_post(l, 0x80, true);
	take(0x80);
	lapic_post(l, 0x90, true);
	wr(0x40, 0);
	cpu[0].tpr_changes = 0;
	lapic_init_reset(l);
	assert_int_equal(cpu[0].tpr_changes, 1);
	assert_int_equal(l->base_msr, 0xd0000000 | APIC_BASE_EN);
	assert_int_equal(rd(LAPIC_ID), 0x05000000);
	wr(LAPIC_ID, 0);
	check_power_up();
	assert_int_equal(pending(), -1);
	assert_int_equal(timer_next(&cpu[0].queue), UINT64_MAX);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), 0);
}

/* --- anything at all -------------------------------------------------------------------------- */

static u32 random_state = 12345;

static u32 rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static int plain_scan(const u32 *reg)
{
	for (int v = 255; v >= 0; v--)
		if (reg[v / 32] & BIT(v % 32))
			return v;
	return -1;
}

/* Random accesses on all CPUs: the cached tops and summaries stay what a plain scan finds. */
static void random_accesses(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300000; i++) {
		struct cpu *c = &cpu[rnd() % CPUS];
		struct lapic *a = &c->lapic;
		bool masked;
		int v;
		u64 value;

		switch (rnd() % 10) {
		case 0:
		case 1:
			lapic_mmio_write(a, rnd() % 0x440 & ~(rnd() & 1 ? 0xfU : 0U),
					 rnd() & 7 ? 4 : rnd() % 9,
					 rnd() & (rnd() & 1 ? 0x1ff : 0xffffffff));
			break;
		case 2:
			lapic_mmio_read(a, rnd() % 0x440, 4);
			break;
		case 3:
			lapic_msr_write(a, 0x800 + rnd() % 0x100,
					rnd() & 1 ? rnd() & 0xff : (u64)rnd() << 32 | rnd());
			break;
		case 4:
			lapic_msr_read(a, 0x800 + rnd() % 0x100, &value);
			lapic_msr_write(a, MSR_TSC_DEADLINE, rnd() & 1 ? rnd() : ns * 2 + 999);
			break;
		case 5:
			if (rnd() % 16 == 0)
				write_base(a, APIC_BASE_DEFAULT | (rnd() & 0xd00));
			else
				lapic_mmio_write(a, LAPIC_SVR, 4, 0x1ff);
			break;
		case 6:
			lapic_post(a, (u8)rnd(), rnd() & 1);
			ioapic.redir[rnd() % IOAPIC_PINS] = rnd() & 0x1afff;
			break;
		case 7:
			intr = rnd() & 1;
			lapic_set_lint0(a, intr);
			ioapic_set_line(&ioapic, rnd() % IOAPIC_PINS, rnd() & 1);
			break;
		case 8:
			ns += rnd() % 100000;
			timer_run(&c->queue, ns);
			break;
		case 9:
			v = lapic_pending(a, &masked);
			if (v >= 0 && v != LAPIC_EXTINT)
				lapic_ack(a, (u8)v);
			else
				lapic_mmio_write(a, LAPIC_EOI, 4, 0);
			break;
		}
		assert_int_equal(a->isr_top, plain_scan(a->isr));
		assert_int_equal(a->irr[0] & 0xffff, 0);
		for (unsigned int w = 0; w < 8; w++) {
			assert_int_equal(a->irr_words >> w & 1, a->irr[w] != 0);
			assert_int_equal(a->isr_words >> w & 1, a->isr[w] != 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(power_up),	      CASE(writable_bits),    CASE(odd_accesses),
		CASE(priority_order), CASE(task_priority),    CASE(cr8),
		CASE(merging),	      CASE(all_vectors),      CASE(trigger_mode),
		CASE(kicks),	      CASE(software_disable), CASE(global_disable),
		CASE(relocation),     CASE(base_transitions), CASE(to_x2apic),
		CASE(x2apic_msrs),

		CASE(init_reset),     CASE(random_accesses),
	};

	return cmocka_run_group_tests_name("lapic", tests, NULL, NULL);
}
