/* SPDX-License-Identifier: MIT */
/*
 * What reaches the local APIC from outside, against SDM vol. 3 11.5.1 and 11.8: LINT0 and LINT1 in each
 * delivery mode, ExtINT, level-triggered messages of the I/O APIC.
 */
#include "lapic_fixture.h"

static void extint(void **state)
{
	(void)state;
	intr = true;
	lapic_set_lint0(l, true);
	assert_int_equal(pending(), -1);
	wr(LAPIC_LVT_LINT0, APIC_MODE(APIC_EXTINT));
	assert_int_equal(pending(), LAPIC_EXTINT);
	/* neither TPR nor what is in service holds it */
	wr(LAPIC_TPR, 0xff);
	lapic_post(l, 0x99, false);
	assert_int_equal(pending(), LAPIC_EXTINT);
	intr = false;
	lapic_set_lint0(l, false);
	assert_int_equal(pending(), -1);
	cpu[0].kicks = 0;
	intr = true;
	lapic_set_lint0(l, true);
	assert_int_equal(cpu[0].kicks, 1);
	assert_int_equal(pending(), LAPIC_EXTINT);
	wr(LAPIC_LVT_LINT0, LVT_MASKED | APIC_MODE(APIC_EXTINT));
	assert_int_equal(pending(), -1);
	wr(LAPIC_LVT_LINT0, APIC_MODE(APIC_EXTINT));
	assert_int_equal(pending(), LAPIC_EXTINT);
	wr(LAPIC_SVR, 0xff);
	assert_int_equal(pending(), -1);
}

/* ExtINT as a message of the I/O APIC: until INTR is low again. */
static void extint_message(void **state)
{
	struct apic_msg msg = { .mode = APIC_EXTINT, .assert = true };

	(void)state;
	intr = true;
	assert_true(apic_bus_send(&bus, NULL, &msg));
	assert_int_equal(cpu[0].kicks, 1);
	assert_int_equal(pending(), LAPIC_EXTINT);
	intr = false;
	assert_int_equal(pending(), -1);
	intr = true;
	assert_int_equal(pending(), -1);
}

static void lint_modes(void **state)
{
	(void)state;
	wr(LAPIC_LVT_LINT0, APIC_MODE(APIC_NMI));
	lapic_set_lint0(l, true);
	lapic_set_lint0(l, true);
	assert_int_equal(cpu[0].nmis, 1);
	lapic_set_lint0(l, false);
	assert_int_equal(cpu[0].nmis, 1);
	wr(LAPIC_LVT_LINT0, APIC_MODE(APIC_SMI));
	lapic_set_lint0(l, true);
	assert_int_equal(cpu[0].smis, 1);
	lapic_set_lint0(l, false);
	wr(LAPIC_LVT_LINT0, APIC_MODE(APIC_INIT));
	lapic_set_lint0(l, true);
	assert_int_equal(cpu[0].inits, 1);
	lapic_set_lint0(l, false);
	/* fixed, edge */
	wr(LAPIC_LVT_LINT0, 0x44);
	lapic_set_lint0(l, true);
	take(0x44);
	eoi();
	assert_int_equal(pending(), -1);
	/* active low */
	wr(LAPIC_LVT_LINT0, LVT_ACTIVE_LOW | 0x45);
	lapic_set_lint0(l, false);
	take(0x45);
	eoi();
	lapic_set_lint0(l, true);
	assert_int_equal(pending(), -1);
	/* LINT1 */
	lapic_lint1_nmi(l);
	assert_int_equal(cpu[0].nmis, 1);
	wr(LAPIC_LVT_LINT1, APIC_MODE(APIC_NMI));
	lapic_lint1_nmi(l);
	assert_int_equal(cpu[0].nmis, 2);
	wr(LAPIC_LVT_LINT1, 0x46);
	lapic_lint1_nmi(l);
	take(0x46);
	assert_int_equal(cpu[0].nmis, 2);
}

static void lint0_level(void **state)
{
	(void)state;
	wr(LAPIC_LVT_LINT0, APIC_LEVEL_TRIGGER | 0x44);
	lapic_set_lint0(l, true);
	assert_int_equal(cpu[0].kicks, 1);
	take(0x44);
	assert_int_equal(rd(LAPIC_LVT_LINT0), APIC_LEVEL_TRIGGER | LVT_REMOTE_IRR | 0x44);
	assert_int_equal(rd(LAPIC_TMR + 0x20), 0x10);
	/* in service it is not accepted again, whatever is written */
	wr(LAPIC_LVT_LINT0, APIC_LEVEL_TRIGGER | 0x44);
	assert_int_equal(rd(LAPIC_IRR + 0x20), 0);
	assert_int_equal(pending(), -1);
	eoi();
	take(0x44);
	lapic_set_lint0(l, false);
	eoi();
	assert_int_equal(pending(), -1);
	assert_int_equal(rd(LAPIC_LVT_LINT0), APIC_LEVEL_TRIGGER | 0x44);
	/* asserted when it is unmasked */
	wr(LAPIC_LVT_LINT0, LVT_MASKED | APIC_LEVEL_TRIGGER | 0x44);
	lapic_set_lint0(l, true);
	assert_int_equal(pending(), -1);
	wr(LAPIC_LVT_LINT0, APIC_LEVEL_TRIGGER | 0x44);
	assert_int_equal(pending(), 0x44);
}

/* --- with the I/O APIC ------------------------------------------------------------------------ */

static void ioapic_level(void **state)
{
	(void)state;
	ioapic.redir[9] = IOREDTBL_LEVEL | 0x61;
	ioapic_set_line(&ioapic, 9, true);
	take(0x61);
	assert_int_equal(pending(), -1);
	eoi();
	/* still asserted: it comes again */
	take(0x61);
	ioapic_set_line(&ioapic, 9, false);
	eoi();
	assert_int_equal(pending(), -1);
	ioapic_set_line(&ioapic, 9, true);
	take(0x61);
	assert_int_equal(cpu[0].eois, 2);
	/* an illegal vector is not accepted: no remote IRR that nothing would end */
	ioapic.redir[10] = IOREDTBL_LEVEL | 0x05;
	ioapic_set_line(&ioapic, 10, true);
	assert_int_equal(ioapic.redir[10], IOREDTBL_LEVEL | 0x05);
	wr(LAPIC_ESR, 0);
	assert_int_equal(rd(LAPIC_ESR), ESR_RECEIVE_ILLEGAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(extint),	   CASE(extint_message), CASE(lint_modes),
		CASE(lint0_level), CASE(ioapic_level),
	};

	return cmocka_run_group_tests_name("lapic pins", tests, NULL, NULL);
}
