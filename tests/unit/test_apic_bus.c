/* SPDX-License-Identifier: MIT */
/*
 * Interrupt commands of the local APIC, whom they reach, and the errors that it reports: SDM vol. 3
 * 11.6, 11.5.3, 11.12.9 and 11.12.10.
 */
#include "lapic_fixture.h"

/* --- interrupt commands ----------------------------------------------------------------------- */

/* Who of four gets it. dest is the field, 8 bits in xAPIC mode and 32 in x2APIC mode. */
enum model {
	FLAT,
	CLUSTER,
	X2
};

static const struct destination {
	enum model model;
	u32 icr, dest;
	u32 expect; /* bit a CPU */
} destinations[] = {
	{ FLAT, 0, 0, 1 },
	{ FLAT, 0, 3, 8 },
	{ FLAT, 0, 4, 0 },
	{ FLAT, 0, 0xfe, 0 },
	{ FLAT, 0, 0xff, 15 },
	{ FLAT, ICR_LOGICAL, 1, 1 },
	{ FLAT, ICR_LOGICAL, 6, 6 },
	{ FLAT, ICR_LOGICAL, 0xf0, 0 },
	{ FLAT, ICR_LOGICAL, 0, 0 },
	{ FLAT, ICR_LOGICAL, 0xff, 15 },
	{ FLAT, ICR_SHORTHAND(APIC_DEST_SELF), 3, 1 },
	{ FLAT, ICR_SHORTHAND(APIC_DEST_ALL), 3, 15 },
	{ FLAT, ICR_SHORTHAND(APIC_DEST_OTHERS), 0, 14 },
	/* LDRs are 11, 12, 21, 22 */
	{ CLUSTER, ICR_LOGICAL, 0x11, 1 },
	{ CLUSTER, ICR_LOGICAL, 0x13, 3 },
	{ CLUSTER, ICR_LOGICAL, 0x22, 8 },
	{ CLUSTER, ICR_LOGICAL, 0x2f, 12 },
	{ CLUSTER, ICR_LOGICAL, 0x31, 0 },
	{ CLUSTER, ICR_LOGICAL, 0x20, 0 },
	{ CLUSTER, ICR_LOGICAL, 0xff, 15 },
	{ CLUSTER, 0, 2, 4 },
	{ X2, 0, 2, 4 },
	{ X2, 0, 0xff, 0 },
	{ X2, 0, 0x100, 0 },
	{ X2, 0, 0xffffffff, 15 },
	{ X2, ICR_LOGICAL, 5, 5 },
	{ X2, ICR_LOGICAL, 0xffff, 15 },
	{ X2, ICR_LOGICAL, 0x10001, 0 },
	{ X2, ICR_LOGICAL, 0xffffffff, 15 },
	{ X2, ICR_LOGICAL, 0xff, 15 },
	{ X2, ICR_SHORTHAND(APIC_DEST_OTHERS), 0, 14 },
};

static void destinations_of_ipis(void **state)
{
	static const u32 cluster_ldr[CPUS] = { 0x11, 0x12, 0x21, 0x22 };

	for (size_t i = 0; i < ARRAY_SIZE(destinations); i++) {
		const struct destination *d = &destinations[i];
		u32 got = 0, nmis = 0;

		setup(state);
		for (unsigned int n = 0; n < CPUS; n++) {
			wr_on(n, LAPIC_LDR,
			      d->model == CLUSTER ? cluster_ldr[n] << 24 : BIT(n) << 24);
			if (d->model == CLUSTER)
				wr_on(n, LAPIC_DFR, 0);
			if (d->model == X2)
				x2apic(&cpu[n].lapic);
		}
		if (d->model == X2) {
			assert_int_equal(wrmsr(LAPIC_ICR, (u64)d->dest << 32 | d->icr | 0x45), 0);
			assert_int_equal(wrmsr(LAPIC_ICR, (u64)d->dest << 32 | d->icr |
								  APIC_MODE(APIC_NMI) | ICR_ASSERT),
					 0);
		} else {
			wr(LAPIC_ICR_HI, d->dest << 24);
			wr(LAPIC_ICR, d->icr | ICR_ASSERT | 0x45);
			wr(LAPIC_ICR, d->icr | APIC_MODE(APIC_NMI) | ICR_ASSERT);
		}
		for (unsigned int n = 0; n < CPUS; n++) {
			if (pending_on(n) == 0x45)
				got |= BIT(n);
			if (cpu[n].nmis)
				nmis |= BIT(n);
		}
		if (got != d->expect || nmis != d->expect)
			fail_msg("destination %zu: fixed %x, NMI %x", i, got, nmis);
	}
}

/* Eight-bit destinations (I/O APIC) and mixed modes. */
static void mixed_modes(void **state)
{
	struct apic_msg msg = { .vector = 0x45, .assert = true };

	(void)state;
	x2apic(&cpu[1].lapic);
	wr(LAPIC_LDR, 0x01000000);
	msg.dest = 0xff;
	assert_true(lapic_matches(l, NULL, &msg));
	assert_true(lapic_matches(&cpu[1].lapic, NULL, &msg));
	msg.dest = 1;
	assert_true(lapic_matches(&cpu[1].lapic, NULL, &msg));
	msg.logical = true;
	msg.dest = 2;
	assert_true(lapic_matches(&cpu[1].lapic, NULL, &msg));
	assert_false(lapic_matches(l, NULL, &msg));
	msg.dest = 3;
	assert_true(lapic_matches(l, NULL, &msg));
	/* 32-bit ones reach an xAPIC by its 8 bits only */
	msg.x2apic = true;
	msg.dest = 1;
	assert_true(lapic_matches(l, NULL, &msg));
	msg.dest = 0x101;
	assert_false(lapic_matches(l, NULL, &msg));
	msg.dest = 0xffffffff;
	assert_true(lapic_matches(l, NULL, &msg));
	/* a changed id is the address in xAPIC mode */
	wr(LAPIC_ID, 0x30000000);
	msg.logical = false;
	msg.dest = 0x30;
	assert_true(lapic_matches(l, NULL, &msg));
	msg.dest = 0;
	assert_false(lapic_matches(l, NULL, &msg));
	/* no model but flat and cluster */
	wr(LAPIC_DFR, 0x70000000);
	msg.logical = true;
	msg.dest = 1;
	assert_false(lapic_matches(l, NULL, &msg));
	msg.shorthand = APIC_DEST_SELF;
	assert_false(lapic_matches(l, NULL, &msg));
}

static void ipi_kinds(void **state)
{
	(void)state;
	wr(LAPIC_ICR_HI, 0x02000000);
	wr(LAPIC_ICR, APIC_MODE(APIC_INIT) | APIC_LEVEL_TRIGGER | ICR_ASSERT);
	assert_int_equal(cpu[2].inits, 1);
	/* level de-assert is nothing */
	wr(LAPIC_ICR, APIC_MODE(APIC_INIT) | APIC_LEVEL_TRIGGER);
	assert_int_equal(cpu[2].inits, 1);
	wr(LAPIC_ICR, APIC_MODE(APIC_SIPI) | 0x12);
	assert_int_equal(cpu[2].sipi, 0x12);
	wr(LAPIC_ICR, APIC_MODE(APIC_SIPI) | 0);
	assert_int_equal(cpu[2].sipi, 0);
	wr(LAPIC_ICR, APIC_MODE(APIC_SMI));
	assert_int_equal(cpu[2].smis, 1);
	/* reserved ones */
	wr(LAPIC_ICR, APIC_MODE(3) | 0x45);
	wr(LAPIC_ICR, APIC_MODE(7) | 0x45);
	assert_int_equal(pending_on(2), -1);
	assert_int_equal(cpu[2].kicks, 0);
	/* a level-triggered IPI is made an edge */
	wr(LAPIC_ICR, APIC_LEVEL_TRIGGER | ICR_ASSERT | 0x45);
	assert_int_equal(pending_on(2), 0x45);
	assert_int_equal(rd_on(2, LAPIC_TMR + 0x20), 0);
	/* read back without the delivery status and reserved bits */
	wr(LAPIC_ICR, 0xfff33000 | ICR_ASSERT | 0x46);
	assert_int_equal(rd(LAPIC_ICR), ICR_ASSERT | 0x46);
	assert_int_equal(rd(LAPIC_ICR_HI), 0x02000000);
}

static void self_ipi(void **state)
{
	(void)state;
	wr(LAPIC_ICR, ICR_SHORTHAND(APIC_DEST_SELF) | 0x45);
	take(0x45);
	eoi();
	/* to itself by its number */
	wr(LAPIC_ICR_HI, 0);
	wr(LAPIC_ICR, 0x46);
	take(0x46);
	x2apic(l);
	assert_int_equal(wrmsr(LAPIC_EOI, 0), 0);
	assert_int_equal(wrmsr(LAPIC_SELF_IPI, 0x47), 0);
	take(0x47);
	assert_int_equal(cpu[0].kicks, 0);
}

static void lowest_priority(void **state)
{
	(void)state;
	wr_on(0, LAPIC_TPR, 0x30);
	wr_on(1, LAPIC_TPR, 0x20);
	wr_on(2, LAPIC_TPR, 0x40);
	wr_on(3, LAPIC_TPR, 0x20);
	wr(LAPIC_ICR_HI, 0xff000000);
	wr(LAPIC_ICR, APIC_MODE(APIC_LOWEST) | 0xe1);
	assert_int_equal(pending_on(1), 0xe1);
	assert_int_equal(pending_on(0), -1);
	assert_int_equal(pending_on(2), -1);
	assert_int_equal(pending_on(3), -1);
	/* what is in service counts */
	lapic_ack(&cpu[1].lapic, 0xe1);
	wr(LAPIC_ICR, APIC_MODE(APIC_LOWEST) | 0xe2);
	assert_int_equal(pending_on(3), 0xe2);
	/* one that is software-disabled is not asked */
	wr_on(3, LAPIC_SVR, 0xff);
	wr(LAPIC_ICR, APIC_MODE(APIC_LOWEST) | 0xe3);
	assert_int_equal(pending_on(0), 0xe3);
	/* among those that are named */
	wr(LAPIC_ICR_HI, 0x02000000);
	wr(LAPIC_ICR, APIC_MODE(APIC_LOWEST) | 0xe4);
	assert_int_equal(pending_on(2), 0xe4);
	{
		struct apic_msg msg = { .dest = 9, .mode = APIC_LOWEST, .vector = 0x44 };

		assert_false(apic_bus_send(&bus, NULL, &msg));
	}
}

/* --- errors ----------------------------------------------------------------------------------- */

static void errors(void **state)
{
	(void)state;
	wr(LAPIC_LVT_ERROR, 0x33);
	wr(LAPIC_ICR_HI, 0x01000000);
	wr(LAPIC_ICR, ICR_ASSERT | 0x0f);
	assert_int_equal(pending_on(1), -1);
	/* ESR shows it after the next write only */
	assert_int_equal(rd(LAPIC_ESR), 0);
	take(0x33);
	eoi();
	/* no second interrupt until ESR is written */
	wr(LAPIC_ICR, ICR_SHORTHAND(APIC_DEST_SELF) | 0x00);
	assert_int_equal(pending(), -1);
	wr(LAPIC_ESR, 0xffffffff);
	assert_int_equal(rd(LAPIC_ESR), ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	assert_int_equal(rd(LAPIC_ESR), ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), 0);
	/* received from elsewhere: never in IRR */
	lapic_post(l, 5, false);
	take(0x33);
	eoi();
	assert_int_equal(rd(LAPIC_IRR), 0);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), ESR_RECEIVE_ILLEGAL);
	/* reserved registers */
	for (u32 reg = 0; reg < 0x1000; reg += 16) {
		bool defined = reg == LAPIC_ID || reg == LAPIC_VERSION ||
			       (reg >= LAPIC_TPR && reg <= LAPIC_ESR) ||
			       (reg >= LAPIC_ICR && reg <= LAPIC_TIMER_CURRENT) ||
			       reg == LAPIC_TIMER_DIVIDE;

		wr(LAPIC_ESR, 0);
		wr(LAPIC_ESR, 0);
		assert_int_equal(rd(reg) != 0 && !defined, 0);
		wr(LAPIC_ESR, 0);
		if (rd(LAPIC_ESR) != (defined ? 0 : ESR_ILLEGAL_REG))
			fail_msg("register %x: ESR %x", reg, rd(LAPIC_ESR));
	}
	wr(LAPIC_ESR, 0);
	wr(LAPIC_SELF_IPI, 0x55);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), ESR_ILLEGAL_REG);
	assert_int_equal(pending(), 0x33);
}

/* An illegal vector in the error entry itself must not go round in circles. */
static void error_vector_illegal(void **state)
{
	(void)state;
	wr(LAPIC_LVT_ERROR, 0x05);
	wr(LAPIC_ICR, ICR_ASSERT | 0x0f);
	assert_int_equal(pending(), -1);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	wr(LAPIC_LVT_TIMER, 0x05);
	wr(LAPIC_TIMER_INIT, 1);
	run_until(ns + 2);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), ESR_RECEIVE_ILLEGAL);
}

static void x2apic_errors(void **state)
{
	(void)state;
	x2apic(l);
	assert_int_equal(wrmsr(LAPIC_SELF_IPI, 15), 0);
	assert_int_equal(wrmsr(LAPIC_ESR, 0), 0);
	assert_int_equal(rdmsr(LAPIC_ESR), ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	assert_int_equal(wrmsr(LAPIC_ICR, BIT64(32) | 3), 0);
	assert_int_equal(wrmsr(LAPIC_ESR, 0), 0);
	assert_int_equal(rdmsr(LAPIC_ESR), ESR_SEND_ILLEGAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(destinations_of_ipis),
		CASE(mixed_modes),
		CASE(ipi_kinds),
		CASE(self_ipi),
		CASE(lowest_priority),
		CASE(errors),
		CASE(error_vector_illegal),
		CASE(x2apic_errors),
	};

	return cmocka_run_group_tests_name("apic_bus", tests, NULL, NULL);
}
