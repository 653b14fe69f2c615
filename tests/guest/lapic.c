/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: SDM vol. 3 (rev. 083) ch. 11; APM vol. 2 (rev. 3.42) ch. 16.
 */
#include "guest.h"

#define VEC_A		  0x71
#define VEC_B		  0x91
#define VEC_C		  0x75
#define VEC_ERROR	  0x45
#define VEC_TIMER	  0x60
#define SPURIOUS	  0xff
#define X2_MSR(reg)	  (0x800U + ((reg) >> 4))
#define PERIODIC	  0x20000U
#define DEADLINE	  0x40000U
#define PERIOD_PIT_CLOCKS 2000
#define NEW_BASE	  0xfed50000UL

DEFINE_REG_ACCESSORS(cr8)

static u32 order[8], orders;
static bool nested;

static void note(struct regs *r)
{
	if (orders < ARRAY_SIZE(order))
		order[orders++] = (u32)r->vector;
	if (nested)
		irq_window();
	lapic_write(LAPIC_EOI, 0);
}

static void self(u32 vector)
{
	lapic_write(LAPIC_ICR_LO, ICR_SELF | vector);
}

static bool bit(u32 reg, u32 vector)
{
	return lapic_read(reg + (vector >> 5) * 16) & BIT(vector & 31);
}

static void registers(void)
{
	static const struct {
		u32 reg, write, read;
		const char *name;
	} rows[] = {
		{ LAPIC_TPR, 0xffffffff, 0xff, "TPR" },
		{ LAPIC_TPR, 0x23, 0x23, "TPR low bits" },
		{ LAPIC_LDR, 0xffffffff, 0xff000000, "LDR" },
		{ LAPIC_DFR, 0, 0x0fffffff, "DFR cluster" },
		{ LAPIC_DFR, 0xffffffff, 0xffffffff, "DFR flat" },
		{ LAPIC_SVR, 0x1ef, 0x1ef, "SVR" },
		{ LAPIC_LVT_TIMER, 0x300ff, 0x300ff, "LVT timer" },
		{ LAPIC_LVT_THERMAL, 0x104fe, 0x104fe, "LVT thermal" },
		{ LAPIC_LVT_PERF, 0x104fe, 0x104fe, "LVT performance" },
		{ LAPIC_LVT_LINT0, 0x1a7fe, 0x1a7fe, "LVT LINT0" },
		{ LAPIC_LVT_LINT1, 0x1a7fe, 0x1a7fe, "LVT LINT1" },
		{ LAPIC_LVT_ERROR, 0x100fe, 0x100fe, "LVT error" },
		{ LAPIC_ICR_HI, 0xffffffff, 0xff000000, "ICR high" },
		{ LAPIC_TIMER_DIVIDE, 0xffffffff, 0xb, "divide configuration" },
		{ LAPIC_TIMER_INIT, 0, 0, "initial count" },
	};

	is(lapic_read(LAPIC_VERSION) & 0xff, (lapic_read(LAPIC_VERSION) & 0xf) | 0x10,
	   "version: an integrated APIC");
	ok((lapic_read(LAPIC_VERSION) >> 16 & 0xff) >= 3, "version: 4 or more LVT entries");
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 old = lapic_read(rows[i].reg);

		lapic_write(rows[i].reg, rows[i].write);
		is(lapic_read(rows[i].reg), rows[i].read, "%s reads back", rows[i].name);
		lapic_write(rows[i].reg, old);
	}
	lapic_write(LAPIC_VERSION, 0);
	ok(lapic_read(LAPIC_VERSION) != 0, "version is read-only");
	lapic_write(LAPIC_TPR, 0);
}

static void ipis(void)
{
	on_vector(VEC_A, note);
	on_vector(VEC_B, note);
	on_vector(VEC_C, note);
	self(VEC_A);
	ok(bit(LAPIC_IRR, VEC_A), "IRR shows a pending one");
	ok(!bit(LAPIC_TMR, VEC_A), "TMR: an edge");
	irq_window();
	ok(taken[VEC_A] == 1 && !bit(LAPIC_IRR, VEC_A) && !bit(LAPIC_ISR, VEC_A),
	   "self-IPI by shorthand");
	lapic_write(LAPIC_ICR_LO, ICR_ALL | VEC_A);
	irq_window();
	is(taken[VEC_A], 2, "IPI to all including self");
	lapic_write(LAPIC_ICR_HI, lapic_read(LAPIC_ID));
	lapic_write(LAPIC_ICR_LO, VEC_A);
	irq_window();
	is(taken[VEC_A], 3, "IPI to the own physical id");
	lapic_write(LAPIC_ICR_HI, 0xff000000);
	lapic_write(LAPIC_ICR_LO, VEC_A);
	irq_window();
	is(taken[VEC_A], 4, "IPI to the physical broadcast");
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_LDR, 0x04000000);
	lapic_write(LAPIC_ICR_HI, 0x06000000);
	lapic_write(LAPIC_ICR_LO, 0x800 | VEC_A);
	irq_window();
	is(taken[VEC_A], 5, "IPI to a logical id, flat");
	lapic_write(LAPIC_ICR_HI, 0x02000000);
	lapic_write(LAPIC_ICR_LO, 0x800 | VEC_A);
	irq_window();
	is(taken[VEC_A], 5, "IPI to somebody else's logical id");
	lapic_write(LAPIC_ICR_HI, 0x05000000);
	lapic_write(LAPIC_ICR_LO, 0x900 | VEC_A);
	irq_window();
	is(taken[VEC_A], 6, "lowest priority to a logical id");
	lapic_write(LAPIC_DFR, 0x0fffffff);
	lapic_write(LAPIC_LDR, 0x21000000);
	lapic_write(LAPIC_ICR_HI, 0x23000000);
	lapic_write(LAPIC_ICR_LO, 0x800 | VEC_A);
	irq_window();
	is(taken[VEC_A], 7, "IPI to a logical id, cluster");
	lapic_write(LAPIC_ICR_HI, 0x31000000);
	lapic_write(LAPIC_ICR_LO, 0x800 | VEC_A);
	irq_window();
	is(taken[VEC_A], 7, "IPI to another cluster");
	lapic_write(LAPIC_DFR, 0xffffffff);
	lapic_write(LAPIC_ICR_LO, 0xc0000 | VEC_A);
	irq_window();
	is(taken[VEC_A], 7, "IPI to all but self");
	is(lapic_read(LAPIC_ICR_LO) & 0x1000, 0, "ICR: delivery status is idle");
}

static void priorities(void)
{
	orders = 0;
	self(VEC_A);
	self(VEC_B);
	irq_window();
	irq_window();
	ok(orders == 2 && order[0] == VEC_B && order[1] == VEC_A, "the higher vector comes first");

	lapic_write(LAPIC_TPR, 0x70);
	is(lapic_read(LAPIC_PPR), 0x70, "PPR is TPR when nothing is in service");
	is(read_cr8(), 7, "CR8 mirrors TPR");
	orders = 0;
	self(VEC_A);
	irq_window();
	is(orders, 0, "TPR of the same class blocks");
	self(VEC_B);
	irq_window();
	ok(orders == 1 && order[0] == VEC_B, "a class above TPR comes, another waiting");
	lapic_write(LAPIC_TPR, 0x60);
	irq_window();
	ok(orders == 2 && order[1] == VEC_A, "a lower TPR lets the waiting one come");

	write_cr8(15);
	is(lapic_read(LAPIC_TPR), 0xf0, "TPR mirrors CR8");
	orders = 0;
	self(VEC_B);
	irq_window();
	is(orders, 0, "CR8 = 15 blocks all");
	write_cr8(0);
	irq_window();
	is(orders, 1, "a lower CR8 opens");
	/* The same with interrupts on: it comes behind the MOV to CR8. */
	write_cr8(15);
	orders = 0;
	self(VEC_B);
	irq_enable();
	write_cr8(0);
	__asm__ volatile("nop\n\tnop\n\tnop");
	irq_disable();
	is(orders, 1, "a lower CR8 opens with IF on");
	lapic_write(LAPIC_TPR, 0);

	nested = true;
	orders = 0;
	self(VEC_A);
	on_vector(VEC_A, note);
	irq_window();
	nested = false;
	is(orders, 1, "in service: nothing nests of itself");
}

static u32 ppr_in, isr_in;

static void nest(struct regs *r)
{
	(void)r;
	ppr_in = lapic_read(LAPIC_PPR);
	isr_in = bit(LAPIC_ISR, VEC_A);
	self(VEC_C);
	irq_window();
	if (orders == 0)
		isr_in |= 2;
	self(VEC_B);
	irq_window();
	if (orders == 1 && order[0] == VEC_B)
		isr_in |= 4;
	lapic_write(LAPIC_EOI, 0);
	irq_window();
	if (orders == 2 && order[1] == VEC_C)
		isr_in |= 8;
}

static void nesting(void)
{
	u64 a = 0x10;

	orders = 0;
	on_vector(VEC_A, nest);
	on_vector(VEC_B, note);
	on_vector(VEC_C, note);
	self(VEC_A);
	irq_window();
	is(ppr_in, VEC_A & 0xf0, "PPR is the class in service");
	ok(isr_in & 1, "ISR in the handler");
	ok(isr_in & 2, "the same class does not nest");
	ok(isr_in & 4, "a higher class nests");
	ok(isr_in & 8, "EOI lets the same class come");
	is(lapic_read(LAPIC_PPR), 0, "PPR is 0 at the end");
	lapic_write(LAPIC_EOI, 0);
	ok(true, "an EOI with nothing in service does no harm");
	ok(TRY("movq %0, %%cr8", "+r"(a) :) == VEC_GP, "CR8: reserved bit is #GP");
}

/*
 * The clocks of the timer in about 1.7 ms. What a clock is differs: 1 ns inside, an instruction on bare Bochs. A period must leave
 * the slowest machine time to do something between two of its interrupts.
 */
static u32 timer_period(void)
{
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	pit_delay(PERIOD_PIT_CLOCKS);
	return 0xffffffff - lapic_read(LAPIC_TIMER_COUNT);
}

static void timer(void)
{
	u32 a, b, n, period;

	on_vector(VEC_TIMER, eoi_handler);
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	period = timer_period();
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, period);
	ok(WAIT_FOR(taken[VEC_TIMER]), "timer: one-shot fires");
	pit_delay(3 * PERIOD_PIT_CLOCKS);
	irq_window();
	is(taken[VEC_TIMER], 1, "timer: one-shot fires once");
	is(lapic_read(LAPIC_TIMER_COUNT), 0, "timer: count stays at 0");
	lapic_write(LAPIC_LVT_TIMER, PERIODIC | VEC_TIMER);
	lapic_write(LAPIC_TIMER_INIT, period);
	ok(WAIT_FOR(taken[VEC_TIMER] >= 6), "timer: periodic fires again and again");
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED | PERIODIC | VEC_TIMER);
	irq_window();
	n = taken[VEC_TIMER];
	pit_delay(3 * PERIOD_PIT_CLOCKS);
	irq_window();
	is(taken[VEC_TIMER], n, "timer: masked");
	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	a = lapic_read(LAPIC_TIMER_COUNT);
	pit_delay(100);
	b = lapic_read(LAPIC_TIMER_COUNT);
	ok(b < a && a > 0xf0000000, "timer: counts down");
	lapic_write(LAPIC_TIMER_INIT, 0);
	is(lapic_read(LAPIC_TIMER_COUNT), 0, "timer: 0 stops it");
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	pit_delay(5000);
	a = 0xffffffff - lapic_read(LAPIC_TIMER_COUNT);
	lapic_write(LAPIC_TIMER_DIVIDE, 0x2); /* by 8 */
	lapic_write(LAPIC_TIMER_INIT, 0xffffffff);
	pit_delay(5000);
	b = 0xffffffff - lapic_read(LAPIC_TIMER_COUNT);
	ok(b < a / 2, "timer: divided by 8 it is slower");
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	on_vector(VEC_TIMER, eoi_handler);
	lapic_write(LAPIC_TIMER_INIT, 1000000);
	for (u32 i = 0; i < 4 && !taken[VEC_TIMER]; i++)
		irq_wait();
	is(taken[VEC_TIMER], 1, "timer: ends HLT");
	lapic_write(LAPIC_LVT_TIMER, LAPIC_VECTOR_MASKED);
}

static void deadline(void)
{
	u32 n;

	if (!(cpuid(1, 0).ecx & BIT(24))) {
		skip("TSC deadline", "not offered");
		return;
	}
	on_vector(VEC_TIMER, eoi_handler);
	lapic_write(LAPIC_LVT_TIMER, DEADLINE | VEC_TIMER);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 200000);
	ok(rdmsr(MSR_TSC_DEADLINE) != 0 || taken[VEC_TIMER] || bit(LAPIC_IRR, VEC_TIMER),
	   "TSC deadline: reads back while armed");
	ok(WAIT_FOR(taken[VEC_TIMER]), "TSC deadline: fires");
	is(rdmsr(MSR_TSC_DEADLINE), 0, "TSC deadline: 0 after it fired");
	wrmsr(MSR_TSC_DEADLINE, 1);
	irq_window();
	is(taken[VEC_TIMER], 2, "TSC deadline: in the past fires at once");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ULL << 44));
	n = taken[VEC_TIMER];
	is(lapic_read(LAPIC_TIMER_COUNT), 0, "TSC deadline: the count reads 0");
	wrmsr(MSR_TSC_DEADLINE, 0);
	irq_window();
	is(taken[VEC_TIMER], n, "TSC deadline: 0 disarms");
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER | LAPIC_VECTOR_MASKED);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
	is(rdmsr(MSR_TSC_DEADLINE), 0, "TSC deadline: not in another mode");
}

static void errors(void)
{
	on_vector(VEC_ERROR, eoi_handler);
	lapic_write(LAPIC_LVT_ERROR, VEC_ERROR);
	lapic_write(LAPIC_ESR, 0);
	lapic_write(LAPIC_ESR, 0);
	is(lapic_read(LAPIC_ESR), 0, "ESR is clear");
	on_vector(5, eoi_handler); /* QEMU delivers it */
	self(5);
	irq_window();
	on_vector(5, NULL);
	lapic_write(LAPIC_ESR, 0);
	/* QEMU knows no ESR. */
	inside_only(lapic_read(LAPIC_ESR) & 0x20, "ESR: illegal vector sent");
	inside_only(taken[VEC_ERROR] == 1, "LVT error: an interrupt");
	lapic_write(LAPIC_ESR, 0);
	is(lapic_read(LAPIC_ESR), 0, "ESR: written twice it is clear");
	(void)lapic_read(0x3f0);
	lapic_write(LAPIC_ESR, 0);
	inside_only(lapic_read(LAPIC_ESR) & 0x80, "ESR: illegal register");
	lapic_write(LAPIC_LVT_ERROR, LAPIC_VECTOR_MASKED);
	lapic_write(LAPIC_ESR, 0);
	irq_window();
}

static void software_disable(void)
{
	on_vector(VEC_A, note);
	on_vector(VEC_B, note);
	orders = 0;
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	self(VEC_A);
	lapic_write(LAPIC_SVR, 0xff);
	ok(lapic_read(LAPIC_LVT_TIMER) & LAPIC_VECTOR_MASKED, "disabled: LVT entries are masked");
	lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
	inside_only(lapic_read(LAPIC_LVT_TIMER) & LAPIC_VECTOR_MASKED,
		    "disabled: LVT entries stay masked");
	self(VEC_B);
	ok(!bit(LAPIC_IRR, VEC_B), "disabled: a new one is not accepted");
	lapic_write(LAPIC_SVR, 0x1ff);
	irq_window();
	ok(orders == 1 && order[0] == VEC_A, "disabled: what was pending is held");
	ok(lapic_read(LAPIC_LVT_TIMER) & LAPIC_VECTOR_MASKED,
	   "enabled: LVT entries stay as they are");
}

static void relocation(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);
	u32 version = lapic_read(LAPIC_VERSION);
	bool there;

	/* QEMU moves it, but its translations stay. */
	wrmsr(MSR_APIC_BASE, (base & 0xfff) | NEW_BASE);
	there = mmio_read32(NEW_BASE + LAPIC_VERSION) == version;
	inside_only(there, "base: the page is where the MSR says");
	inside_only(mmio_read32(LAPIC_PAGE + LAPIC_VERSION) == 0xffffffff,
		    "base: the old page is open bus");
	wrmsr(MSR_APIC_BASE, base);
	is(lapic_read(LAPIC_VERSION), version, "base: and back");
}

static void hardware_disable(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	if (!under_plinth) {
		inside_only(false, "disabled by the MSR: CPUID says no APIC");
		inside_only(false, "disabled by the MSR: open bus");
		inside_only(false, "enabled again: software-disabled");
		return;
	}
	wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_EN);
	inside_only(!(cpuid(1, 0).edx & BIT(9)), "disabled by the MSR: CPUID says no APIC");
	inside_only(lapic_read(LAPIC_VERSION) == 0xffffffff, "disabled by the MSR: open bus");
	wrmsr(MSR_APIC_BASE, base);
	inside_only(lapic_read(LAPIC_SVR) == 0xff, "enabled again: software-disabled");
	lapic_enable();
}

static void x2apic(void)
{
	u64 base = rdmsr(MSR_APIC_BASE), value;
	u32 id = lapic_read(LAPIC_ID) >> 24;

	if (!(cpuid(1, 0).ecx & BIT(21))) {
		skip("x2APIC", "not offered");
		return;
	}
	lapic_write(LAPIC_SVR, 0x1ff);
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
	is(rdmsr(MSR_APIC_BASE), base | APIC_BASE_EXTD, "x2APIC: on");
	is(rdmsr(X2_MSR(LAPIC_ID)), id, "x2APIC: the whole id");
	is(rdmsr(X2_MSR(LAPIC_LDR)), (id >> 4 << 16) | BIT((int)(id & 15)),
	   "x2APIC: the logical id follows from it");
	is((u64)try_wrmsr(X2_MSR(LAPIC_LDR), 1), (u64)VEC_GP, "x2APIC: LDR is read-only");
	is((u64)try_rdmsr(X2_MSR(LAPIC_DFR), &value), (u64)VEC_GP, "x2APIC: no DFR");
	is((u64)try_rdmsr(X2_MSR(LAPIC_ICR_HI), &value), (u64)VEC_GP, "x2APIC: no upper ICR");
	is((u64)try_wrmsr(X2_MSR(LAPIC_TPR), 0x100), (u64)VEC_GP, "x2APIC: reserved bits of TPR");
	is((u64)try_wrmsr(X2_MSR(LAPIC_TPR), BIT64(32)), (u64)VEC_GP, "x2APIC: upper half of TPR");
	is((u64)try_wrmsr(X2_MSR(LAPIC_EOI), 1), (u64)VEC_GP, "x2APIC: EOI takes 0 only");
	is((u64)try_rdmsr(X2_MSR(LAPIC_EOI), &value), (u64)VEC_GP, "x2APIC: EOI is write-only");
	is((u64)try_wrmsr(X2_MSR(LAPIC_ESR), 1), (u64)VEC_GP, "x2APIC: ESR takes 0 only");
	is((u64)try_wrmsr(X2_MSR(LAPIC_VERSION), 0), (u64)VEC_GP, "x2APIC: version is read-only");
	is((u64)try_rdmsr(0x8ff, &value), (u64)VEC_GP, "x2APIC: no register 8FF");
	inside_only(lapic_read(LAPIC_VERSION) == 0xffffffff, "x2APIC: the page is open bus");
	on_vector(VEC_A, NULL);
	taken[VEC_A] = 0;
	{
		orders = 0;
		wrmsr(X2_MSR(LAPIC_TPR), 0xf0);
		wrmsr(0x83f, VEC_A); /* SELF IPI */
		ok(rdmsr(X2_MSR(LAPIC_IRR) + VEC_A / 32) & BIT(VEC_A & 31),
		   "x2APIC: self-IPI register");
		wrmsr(X2_MSR(LAPIC_ICR_LO), ICR_SELF | VEC_B);
		ok(rdmsr(X2_MSR(LAPIC_IRR) + VEC_B / 32) & BIT(VEC_B & 31),
		   "x2APIC: ICR in one write");
		wrmsr(X2_MSR(LAPIC_ICR_LO), (u64)id << 32 | VEC_C);
		ok(rdmsr(X2_MSR(LAPIC_IRR) + VEC_C / 32) & BIT(VEC_C & 31),
		   "x2APIC: IPI to the own id");
		is(read_cr8(), 15, "x2APIC: CR8 mirrors TPR");
	}
	is((u64)try_wrmsr(MSR_APIC_BASE, base), (u64)VEC_GP,
	   "x2APIC: straight back to xAPIC is #GP");
	is((u64)try_wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_EN), (u64)-1ULL, "x2APIC: off");
	is((u64)try_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD), (u64)VEC_GP,
	   "x2APIC: from off straight to x2APIC is #GP");
	is((u64)try_wrmsr(MSR_APIC_BASE, base), (u64)-1ULL, "xAPIC: on again");
	lapic_enable();
	orders = 0;
	on_vector(VEC_A, note);
	irq_window();
	is(orders, 0, "the off state forgot what was pending");
}

void guest_main(void)
{
	lapic_enable();
	registers();
	ipis();
	priorities();
	nesting();
	timer();
	deadline();
	errors();
	software_disable();
	relocation();
	hardware_disable();
	x2apic();
}
