/* SPDX-License-Identifier: MIT */
/*
 * Four local APICs on one bus with an I/O APIC: the registers in both modes, messages among them,
 * timers. After each step the redundant parts of the state agree: SDM vol. 3 11.8.
 */
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "errors.h"
#include "fuzz.h"

#define CPUS	   4
#define STEPS_MAX  400
#define CALLS_MAX  200
#define TSC_PER_NS 2
#define START_NS   1000000000ULL
#define TIME_BITS  45
#define ISR_WORDS  8

struct cpu {
	struct lapic lapic;
	struct timer_queue queue;
	bool init;
	int sipi;
};

static struct cpu cpu[CPUS];
static struct apic_bus bus;
static struct ioapic ioapic;
static u64 ns;
static unsigned long calls;
static bool intr;

static u64 clock_ns(void)
{
	calls++;
	return ns;
}

static void note(void *ctx)
{
	(void)ctx;
	calls++;
}

static void note_init(void *ctx)
{
	((struct cpu *)ctx)->init = true;
	calls++;
}

static void note_sipi(void *ctx, u8 vector)
{
	((struct cpu *)ctx)->sipi = vector;
	calls++;
}

static void eoi_broadcast(void *ctx, u8 vector)
{
	(void)ctx;
	calls++;
	ioapic_eoi(&ioapic, vector);
}

static bool extint_pending(void *ctx)
{
	(void)ctx;
	return intr;
}

static u64 guest_tsc(void *ctx)
{
	(void)ctx;
	calls++;
	return ns * TSC_PER_NS;
}

static u64 tsc_to_ns(void *ctx, u64 tsc)
{
	(void)ctx;
	return tsc / TSC_PER_NS + tsc % TSC_PER_NS;
}

static const struct lapic_ops ops = {
	.kick = note,
	.nmi = note,
	.smi = note,
	.init = note_init,
	.sipi = note_sipi,
	.eoi_broadcast = eoi_broadcast,
	.extint_pending = extint_pending,
	.guest_tsc = guest_tsc,
	.tsc_to_ns = tsc_to_ns,
	.tpr_changed = note,
};

static void start(void)
{
	memset(&bus, 0, sizeof(bus));
	memset(cpu, 0, sizeof(cpu));
	ns = START_NS;
	intr = false;
	ioapic_init(&ioapic, &bus);
	for (unsigned int i = 0; i < CPUS; i++) {
		timer_queue_init(&cpu[i].queue, clock_ns);
		lapic_create(&cpu[i].lapic, i, i == 0, &cpu[i].queue, &bus, &ops, &cpu[i]);
		bus.lapic[bus.n++] = &cpu[i].lapic;
	}
}

static int highest(const u32 *reg)
{
	for (int w = ISR_WORDS - 1; w >= 0; w--)
		if (reg[w])
			return 32 * w + 31 - __builtin_clz(reg[w]);
	return -1;
}

static u32 words_of(const u32 *reg)
{
	u32 words = 0;

	for (unsigned int w = 0; w < ISR_WORDS; w++)
		words |= reg[w] ? BIT(w) : 0;
	return words;
}

static void check_lapic(const struct lapic *l, unsigned int n)
{
	u64 mode = l->base_msr & (APIC_BASE_EN | APIC_BASE_EXTD);

	CHECK(l->isr_top == highest(l->isr), "CPU %u: ISR top %d", n, l->isr_top);
	CHECK((l->irr_words & words_of(l->irr)) == words_of(l->irr), "CPU %u: IRR words %#x", n,
	      l->irr_words);
	CHECK((l->isr_words & words_of(l->isr)) == words_of(l->isr), "CPU %u: ISR words %#x", n,
	      l->isr_words);
	CHECK((l->irr[0] & 0xffff) == 0 && (l->isr[0] & 0xffff) == 0,
	      "CPU %u: an illegal vector was accepted", n);
	CHECK(mode != APIC_BASE_EXTD, "CPU %u: base %#llx", n, (unsigned long long)l->base_msr);
	CHECK((l->tpr & ~0xffU) == 0, "CPU %u: TPR %#x", n, l->tpr);
	if (!(l->svr & SVR_ENABLED))
		for (unsigned int i = 0; i < LVT_ENTRIES; i++)
			CHECK(l->lvt[i] & LVT_MASKED, "CPU %u: LVT %u open while disabled", n, i);
	CHECK(l->timer_count <= l->timer_init || !l->timer_init, "CPU %u: count %#x of %#x", n,
	      l->timer_count, l->timer_init);
}

/* What the processor would take next; it must lie above the class in service. */
static void take_interrupt(struct lapic *l, bool eoi)
{
	bool masked;
	int vector = lapic_pending(l, &masked);

	CHECK(vector >= -1 && vector <= LAPIC_EXTINT, "vector %d", vector);
	if (vector < 0 || vector == LAPIC_EXTINT)
		return;
	CHECK(vector >> 4 > (int)(l->tpr >> 4) && (l->isr_top < 0 || vector >> 4 > l->isr_top >> 4),
	      "vector %#x with TPR %#x, ISR %#x", vector, l->tpr, l->isr_top);
	lapic_ack(l, (u8)vector);
	CHECK(l->isr_top == vector, "vector %#x is not in service", vector);
	if (eoi && (l->base_msr & APIC_BASE_EXTD))
		CHECK(lapic_msr_write(l, MSR_X2APIC_FIRST + LAPIC_EOI / 16, 0) == 0, "EOI refused");
	else if (eoi && (l->base_msr & APIC_BASE_EN))
		lapic_mmio_write(l, LAPIC_EOI, 4, 0);
	if (eoi && (l->base_msr & APIC_BASE_EN))
		CHECK(l->isr_top != vector, "vector %#x is still in service", vector);
}

static u32 choose_msr(struct input *in)
{
	u8 what = take8(in);

	if (what < 0x40)
		return MSR_X2APIC_FIRST + what;
	if (what < 0x80)
		return MSR_TSC_DEADLINE;
	if (what < 0xc0)
		return MSR_APIC_BASE;
	return MSR_X2APIC_FIRST + what;
}

static void msr_read(struct lapic *l, u32 msr)
{
	u64 value = 0;
	int r = lapic_msr_read(l, msr, &value);

	CHECK(r == 0 || r == -EINVAL, "read of MSR %#x: %d", msr, r);
	if (r == 0 && msr != MSR_APIC_BASE && msr != MSR_TSC_DEADLINE)
		CHECK((l->base_msr & APIC_BASE_EXTD) && (msr == 0x830 || value >> 32 == 0),
		      "MSR %#x reads %#llx", msr, (unsigned long long)value);
}

/* A refused write changes nothing. */
static void msr_write(struct lapic *l, u32 msr, u64 value)
{
	static struct lapic before;
	int r;

	before = *l;
	r = lapic_msr_write(l, msr, value);
	CHECK(r == 0 || r == -EINVAL, "write of MSR %#x: %d", msr, r);
	if (r)
		CHECK(!memcmp(&before, l, sizeof(before)), "refused write of MSR %#x", msr);
}

static void pass(u64 time)
{
	ns += time;
	for (unsigned int i = 0; i < CPUS; i++) {
		timer_run(&cpu[i].queue, ns);
		CHECK(timer_next(&cpu[i].queue) > ns || cpu[i].lapic.timer.run == cpu[i].queue.run,
		      "CPU %u: a timer was not served", i);
	}
}

static void message(struct input *in)
{
	u8 flags = take8(in), more = take8(in);
	struct apic_msg msg = {
		.vector = take8(in),
		.mode = (enum apic_delivery)(flags & 7),
		.logical = flags & 8,
		.level = flags & 0x10,
		.assert = flags & 0x20,
		.shorthand = (enum apic_shorthand)(flags >> 6),
		.x2apic = more & 1,
	};

	msg.dest = msg.x2apic ? take32(in) : take8(in);
	apic_bus_send(&bus, more & 2 || msg.shorthand ? &cpu[more >> 2 & 3].lapic : NULL, &msg);
}

static void one_step(struct input *in)
{
	u8 kind = take8(in);
	unsigned int n = kind >> 6;
	struct lapic *l = &cpu[n].lapic;
	u32 offset;
	u32 value;

	switch (kind & 15) {
	case 0:
		offset = take16(in) & 0xfff;
		lapic_mmio_read(l, offset, 1U << (kind >> 4 & 3));
		break;
	case 1:
		offset = take16(in) & 0xfff;
		lapic_mmio_write(l, offset, 1U << (kind >> 4 & 3), take32(in));
		break;
	case 2:
		lapic_mmio_read(l, (take8(in) & 0x3fU) << 4, 4);
		break;
	case 3:
	case 4:
		offset = (take8(in) & 0x3fU) << 4;
		lapic_mmio_write(l, offset, 4, take32(in));
		break;
	case 5:
		msr_read(l, choose_msr(in));
		break;
	case 6:
	case 7:
		value = choose_msr(in);
		msr_write(l, value, take64(in));
		break;
	case 8:
		take_interrupt(l, kind & 0x10);
		break;
	case 9:
		value = take8(in);
		pass(kind & 0x10 ? 1ULL << value % TIME_BITS : value * 1000ULL);
		break;
	case 10:
		if (kind & 0x10)
			ioapic_set_line(&ioapic, take8(in) % IOAPIC_PINS, kind & 0x20);
		else
			lapic_post(l, (u8)(take8(in) | LAPIC_FIRST_VECTOR), kind & 0x20);
		break;
	case 11:
		value = take8(in) % IOAPIC_PINS;
		ioapic.redir[value] = take64(in) & 0xff0000000001afffULL;
		break;
	case 12:
		message(in);
		break;
	case 13:
		intr = kind & 0x10;
		lapic_set_lint0(l, intr);
		break;
	case 14:
		if (kind & 0x10)
			lapic_set_cr8(l, take8(in) & 15);
		else if (kind & 0x20)
			lapic_lint1_nmi(l);
		else
			lapic_tsc_changed(l);
		break;
	default:
		if (kind & 0x10)
			lapic_init_reset(l);
		else if (kind & 0x20)
			lapic_reset(l);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };

	start();
	for (unsigned int i = 0; i < STEPS_MAX && in.left; i++) {
		calls = 0;
		one_step(&in);
		CHECK(calls < CALLS_MAX, "%lu calls in one step", calls);
		for (unsigned int n = 0; n < CPUS; n++)
			check_lapic(&cpu[n].lapic, n);
	}
	return 0;
}
