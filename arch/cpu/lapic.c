// SPDX-License-Identifier: MIT
/*
 * The real processor's local APIC, and the 8259 pair put out of the way: SDM vol. 3 rev. 083,
 * chapter 11; Intel 8259A data sheet (231468), "Initialization Command Words".
 */
#include "lapic.h"
#include "cpu.h"
#include "cpuid.h"
#include "errors.h"
#include "mm.h"
#include "printk.h"

#define SVR_ENABLE	BIT(8)
#define ID_SHIFT	24		      /* xAPIC */
#define VERSION_LVTS(v) (((v) >> 16) & 0xffU) /* number of LVT entries minus one */
#define LVTS_PERF	4U
#define LVTS_THERMAL	5U
#define LVTS_CMCI	6U
#define ISR_REGS	8U
#define ISR_REG_BITS	32U
#define ISR_REG_STRIDE	0x10U

enum pic {
	PIC1_COMMAND = 0x20,
	PIC1_DATA = 0x21,
	PIC2_COMMAND = 0xa0,
	PIC2_DATA = 0xa1,
	PIC_ICW1_INIT_ICW4 = 0x11,
	PIC_ICW3_MASTER = 0x04, /* slave on input 2 */
	PIC_ICW3_SLAVE = 0x02,
	PIC_ICW4_8086 = 0x01,
	PIC_INPUTS = 8,
	PIC_ALL_MASKED = 0xff,
};

struct lapic host_lapic;

/*
 * Masked, and pointed at vectors of their own: a spurious interrupt comes even from a masked one.
 */
static void mask_8259s(void)
{
	outb(PIC1_DATA, PIC_ALL_MASKED);
	outb(PIC2_DATA, PIC_ALL_MASKED);
	outb(PIC1_COMMAND, PIC_ICW1_INIT_ICW4);
	outb(PIC2_COMMAND, PIC_ICW1_INIT_ICW4);
	outb(PIC1_DATA, HOST_VEC_PIC_SPURIOUS);
	outb(PIC2_DATA, HOST_VEC_PIC_SPURIOUS + PIC_INPUTS);
	outb(PIC1_DATA, PIC_ICW3_MASTER);
	outb(PIC2_DATA, PIC_ICW3_SLAVE);
	outb(PIC1_DATA, PIC_ICW4_8086);
	outb(PIC2_DATA, PIC_ICW4_8086);
	outb(PIC1_DATA, PIC_ALL_MASKED);
	outb(PIC2_DATA, PIC_ALL_MASKED);
}

/* What firmware or loader left in service would block everything below it. */
static void clear_in_service(void)
{
	for (unsigned int i = 0; i < ISR_REGS * ISR_REG_BITS; i++) {
		u32 any = 0;

		for (unsigned int r = 0; r < ISR_REGS; r++)
			any |= lapic_read((enum lapic_reg)(LAPIC_ISR + r * ISR_REG_STRIDE));
		if (any == 0)
			return;
		lapic_write(LAPIC_EOI, 0);
	}
}

static void enable(void)
{
	u32 lvts = VERSION_LVTS(lapic_read(LAPIC_VERSION));

	/* Enabled first: while it is not, the LVT's mask bits cannot be changed (11.4.7.2). */
	lapic_write(LAPIC_SVR, SVR_ENABLE | HOST_VEC_SPURIOUS);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | HOST_VEC_TIMER);
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	lapic_write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LAPIC_LVT_NMI);
	lapic_write(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED | HOST_VEC_SPURIOUS);
	if (lvts >= LVTS_PERF)
		lapic_write(LAPIC_LVT_PERF, LAPIC_LVT_MASKED);
	if (lvts >= LVTS_THERMAL)
		lapic_write(LAPIC_LVT_THERMAL, LAPIC_LVT_MASKED);
	if (lvts >= LVTS_CMCI)
		lapic_write(LAPIC_LVT_CMCI, LAPIC_LVT_MASKED);
	clear_in_service();
}

int host_lapic_init(hpa_t base)
{
	u64 msr;
	hpa_t address;

	mask_8259s();
	if (!(cpuid(CPUID_IDENT, 0).edx & CPUID_1_EDX_APIC) || rdmsr_safe(MSR_APIC_BASE, &msr) != 0)
		return -ENODEV;
	if (!(msr & APIC_BASE_EN)) {
		if (wrmsr_safe(MSR_APIC_BASE, msr | APIC_BASE_EN) != 0)
			return -ENODEV;
		msr = rdmsr(MSR_APIC_BASE);
	}
	address = msr & APIC_BASE_ADDR;
	host_lapic.x2apic = (msr & APIC_BASE_EXTD) != 0;
	if (!host_lapic.x2apic) {
		if (base != 0 && base != address)
			pr_debug("local APIC at %#llx, the MADT says %#llx",
				 (unsigned long long)address, (unsigned long long)base);
		if (paging_map(address, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED) != 0)
			return -ENODEV;
		host_lapic.regs = phys_to_virt(address);
	}
	host_lapic.present = true;
	enable();
	this_cpu()->apic_id = host_lapic_id();
	return 0;
}

void host_lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

u32 host_lapic_id(void)
{
	u32 id = lapic_read(LAPIC_ID);

	return host_lapic.x2apic ? id : id >> ID_SHIFT;
}
