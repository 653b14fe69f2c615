/* SPDX-License-Identifier: MIT */
/*
 * What one operation costs a guest, in instructions: run where a TSC tick is an instruction, in QEMU under `-icount shift=0` or in
 * Bochs. One line an operation: "bench: NAME TICKS". Then the operation stands BRACKETED times between two `xchg %bx, %bx`, at which
 * Bochs' debugger can stop to see what is executed between them; to a processor they mean nothing.
 */
#include "guest.h"

#define ROUNDS		 1000U
#define WARM_UP		 16U
#define BRACKETED	 4U
#define VECTOR		 0x50
#define X2APIC_EOI	 0x80b
#define X2APIC_ICR	 0x830
#define X2APIC_LVT_TIMER 0x832
#define LVT_TSC_DEADLINE (2U << 17)

static volatile u32 handled;
static bool x2apic;

static void eoi(void)
{
	if (x2apic)
		wrmsr(X2APIC_EOI, 0);
	else
		lapic_write(LAPIC_EOI, 0);
}

static void handler(struct regs *r)
{
	(void)r;
	handled++;
	eoi();
}

#define BRACKET() __asm__ volatile("xchgw %%bx, %%bx" : : : "memory")

/* Ticks of one round of op, the empty loop taken off. */
#define MEASURE(name, op)                                                             \
	do {                                                                          \
		u64 start, empty, full;                                               \
		for (u32 i = 0; i < WARM_UP; i++) {                                   \
			op;                                                           \
		}                                                                     \
		start = rdtsc();                                                      \
		for (u32 i = 0; i < ROUNDS; i++)                                      \
			__asm__ volatile("");                                         \
		empty = rdtsc() - start;                                              \
		start = rdtsc();                                                      \
		for (u32 i = 0; i < ROUNDS; i++) {                                    \
			op;                                                           \
			__asm__ volatile("");                                         \
		}                                                                     \
		full = rdtsc() - start;                                               \
		print("bench: %s %lu\n", name, (full - empty + ROUNDS / 2) / ROUNDS); \
		for (u32 i = 0; i < BRACKETED; i++) {                                 \
			BRACKET();                                                    \
			op;                                                           \
			BRACKET();                                                    \
		}                                                                     \
	} while (0)

static void self_ipi(void)
{
	u32 before = handled;

	if (x2apic)
		wrmsr(X2APIC_ICR, ICR_SELF | VECTOR);
	else
		lapic_write(LAPIC_ICR_LO, ICR_SELF | VECTOR);
	while (handled == before)
		;
}

/* Interrupts are off until the STI;HLT, so that the interrupt always ends a HLT. */
static void self_ipi_hlt(void)
{
	irq_disable();
	if (x2apic)
		wrmsr(X2APIC_ICR, ICR_SELF | VECTOR);
	else
		lapic_write(LAPIC_ICR_LO, ICR_SELF | VECTOR);
	__asm__ volatile("sti; hlt");
}

static void tsc_deadline(void)
{
	u32 before = handled;

	wrmsr(MSR_TSC_DEADLINE, rdtsc());
	while (handled == before)
		;
}

static void bench_ipi(const char *ipi, const char *hlt)
{
	on_vector(VECTOR, handler);
	irq_enable();
	MEASURE(ipi, self_ipi());
	MEASURE(hlt, self_ipi_hlt());
	irq_disable();
}

static void bench_deadline(void)
{
	if (!(cpuid(1, 0).ecx & BIT(24)))
		return;
	if (x2apic)
		wrmsr(X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR);
	else
		lapic_write(LAPIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR);
	irq_enable();
	MEASURE("tsc-deadline", tsc_deadline());
	irq_disable();
}

static void bench_registers(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	u64 v;

	MEASURE("cr0-wp-toggle", write_cr0(cr0 ^ CR0_WP); write_cr0(cr0));
	MEASURE("cr4-pge-toggle", write_cr4(cr4 ^ CR4_PGE); write_cr4(cr4));
	MEASURE("cr8-read", __asm__ volatile("movq %%cr8, %0" : "=r"(v)));
	MEASURE("cr8-write", __asm__ volatile("movq %0, %%cr8" : : "r"(0UL)));
	MEASURE("kernel-gs-base-write", wrmsr(MSR_KERNEL_GS_BASE, 0));
}

/* Each vendor's own instruction; the other's is #UD. */
static void bench_hypercall(void)
{
	u64 rax = 0;

	if (TRY("vmcall", "+a"(rax) :) < 0)
		MEASURE("hypercall", __asm__ volatile("vmcall" : : : "rax"));
	else
		MEASURE("hypercall", __asm__ volatile("vmmcall" : : : "rax"));
}

void guest_main(void)
{
	u64 v;

	lapic_enable();
	MEASURE("cpuid", cpuid(0, 0));
	MEASURE("port-read", inb(0x21));
	MEASURE("port-write", outb(0x21, 0xff));
	MEASURE("pm-timer-read", inl(0x608));
	if (try_rdmsr(MSR_TSC_ADJUST, &v) < 0) {
		MEASURE("tsc-adjust-write", wrmsr(MSR_TSC_ADJUST, v));
		MEASURE("tsc-adjust-read", rdmsr(MSR_TSC_ADJUST));
	}
	MEASURE("eoi-xapic", lapic_write(LAPIC_EOI, 0));
	bench_ipi("self-ipi-xapic", "self-ipi-hlt-xapic");
	bench_deadline();
	if (cpuid(1, 0).ecx & BIT(21)) {
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
		x2apic = true;
		MEASURE("eoi-x2apic", wrmsr(X2APIC_EOI, 0));
		bench_ipi("self-ipi-x2apic", "self-ipi-hlt-x2apic");
	}
	bench_registers();
	if (under_plinth)
		bench_hypercall();
	print("bench: done 0\n");
}
