/* SPDX-License-Identifier: MIT */
/*
 * Four LAPICs on one APIC bus with an I/O APIC, a clock that the test sets, and counters for all
 * that leaves them. For test_lapic*.c and test_apic_bus.c.
 */
#ifndef PLINTH_TEST_LAPIC_FIXTURE_H
#define PLINTH_TEST_LAPIC_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "errors.h"

#define CPUS	       4
#define TSC_PER_NS     2
#define IOREDTBL_LEVEL 0x8000U

struct cpu {
	struct lapic lapic;
	struct timer_queue queue;
	unsigned int kicks, nmis, smis, inits, tpr_changes;
	int sipi; /* vector of the last, -1 = none */
	int eoi;
	unsigned int eois;
};

static struct cpu cpu[CPUS];
static struct apic_bus bus;
static struct ioapic ioapic;
static u64 ns;
static bool intr;

static inline u64 clock(void)
{
	return ns;
}

static inline void kick(void *ctx)
{
	((struct cpu *)ctx)->kicks++;
}

static inline void nmi(void *ctx)
{
	((struct cpu *)ctx)->nmis++;
}

static inline void smi(void *ctx)
{
	((struct cpu *)ctx)->smis++;
}

static inline void init(void *ctx)
{
	((struct cpu *)ctx)->inits++;
}

static inline void sipi(void *ctx, u8 vector)
{
	((struct cpu *)ctx)->sipi = vector;
}

static inline void eoi_broadcast(void *ctx, u8 vector)
{
	struct cpu *c = ctx;

	c->eoi = vector;
	c->eois++;
	ioapic_eoi(&ioapic, vector);
}

static inline bool extint_pending(void *ctx)
{
	(void)ctx;
	return intr;
}

static inline u64 guest_tsc(void *ctx)
{
	(void)ctx;
	return ns * TSC_PER_NS;
}

/* Rounded down, as a careless caller would do it. */
static inline u64 tsc_to_ns(void *ctx, u64 tsc)
{
	(void)ctx;
	return tsc / TSC_PER_NS;
}

static inline void tpr_changed(void *ctx)
{
	((struct cpu *)ctx)->tpr_changes++;
}

static const struct lapic_ops ops = {
	.kick = kick,
	.nmi = nmi,
	.smi = smi,
	.init = init,
	.sipi = sipi,
	.eoi_broadcast = eoi_broadcast,
	.extint_pending = extint_pending,
	.guest_tsc = guest_tsc,
	.tsc_to_ns = tsc_to_ns,
	.tpr_changed = tpr_changed,
};

/* What most of the tests use. */
static struct lapic *const l = &cpu[0].lapic;

static inline void clear_counts(void)
{
	for (unsigned int i = 0; i < CPUS; i++) {
		struct cpu *c = &cpu[i];

		c->kicks = c->nmis = c->smis = c->inits = c->tpr_changes = c->eois = 0;
		c->sipi = c->eoi = -1;
	}
}

static inline void wr_on(unsigned int n, u32 reg, u32 value)
{
	lapic_mmio_write(&cpu[n].lapic, reg, 4, value);
}

static inline u32 rd_on(unsigned int n, u32 reg)
{
	return lapic_mmio_read(&cpu[n].lapic, reg, 4);
}

static inline void wr(u32 reg, u32 value)
{
	wr_on(0, reg, value);
}

static inline u32 rd(u32 reg)
{
	return rd_on(0, reg);
}

static inline u32 msr_of(u32 reg)
{
	return MSR_X2APIC_FIRST + reg / 16;
}

static inline int wrmsr(u32 reg, u64 value)
{
	return lapic_msr_write(l, msr_of(reg), value);
}

static inline u64 rdmsr(u32 reg)
{
	u64 value = 0;

	assert_int_equal(lapic_msr_read(l, msr_of(reg), &value), 0);
	return value;
}

static inline int write_base(struct lapic *which, u64 value)
{
	return lapic_msr_write(which, MSR_APIC_BASE, value);
}

static inline void x2apic(struct lapic *which)
{
	assert_int_equal(write_base(which, which->base_msr | APIC_BASE_EXTD), 0);
}

static inline int pending(void)
{
	bool masked;

	return lapic_pending(l, &masked);
}

static inline int pending_on(unsigned int n)
{
	bool masked;

	return lapic_pending(&cpu[n].lapic, &masked);
}

/* Takes what is pending, which must be vector. */
static inline void take(int vector)
{
	assert_int_equal(pending(), vector);
	lapic_ack(l, (u8)vector);
}

static inline void eoi(void)
{
	wr(LAPIC_EOI, 0);
}

static inline void run_until(u64 t)
{
	ns = t;
	timer_run(&cpu[0].queue, t);
}

/* Four CPUs with ids 0-3, all software-enabled with spurious vector FF. */
static inline int setup(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	memset(cpu, 0, sizeof(cpu));
	ns = 1000000;
	intr = false;
	ioapic_init(&ioapic, &bus);
	for (unsigned int i = 0; i < CPUS; i++) {
		timer_queue_init(&cpu[i].queue, clock);
		lapic_create(&cpu[i].lapic, i, i == 0, &cpu[i].queue, &bus, &ops, &cpu[i]);
		bus.lapic[bus.n++] = &cpu[i].lapic;
		wr_on(i, LAPIC_SVR, 0x1ff);
	}
	clear_counts();
	return 0;
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

#endif
