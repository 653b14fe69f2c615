/* SPDX-License-Identifier: MIT */
/*
 * IA32_APIC_BASE: SDM vol. 3 (rev. 083) 11.4.4, 11.12.1 and figure 11-27; what a mode keeps and forgets: 11.12.5.
 */
#include "guest.h"

#define VEC_A	    0x71
#define X2_MSR(reg) (0x800U + ((reg) >> 4))
#define NO_FAULT    ((u64)-1ULL)
#define NEW_BASE    0xfed60000UL

static bool has_x2apic(void)
{
	return cpuid(1, 0).ecx & BIT(21);
}

/* QEMU's APIC takes all of this; what it would do then is not tried. */
static void illegal(void)
{
	static const u8 reserved[] = { 0, 1, 2, 3, 4, 5, 6, 7, 9 };
	u64 base = rdmsr(MSR_APIC_BASE);
	u32 width = cpuid(0x80000008, 0).eax & 0xff;
	bool all = true;

	is(base, LAPIC_PAGE | APIC_BASE_EN | APIC_BASE_BSP,
	   "the boot processor's, on, at FEE00000");
	for (u32 i = 0; under_plinth && i < ARRAY_SIZE(reserved); i++)
		all &= try_wrmsr(MSR_APIC_BASE, base | BIT64(reserved[i])) == VEC_GP;
	inside_only(all, "a reserved bit below the address is #GP");
	all = true;
	for (u32 bit = width; under_plinth && bit < 64; bit++)
		all &= try_wrmsr(MSR_APIC_BASE, base | BIT64(bit)) == VEC_GP;
	inside_only(all, "an address beyond the physical width is #GP");
	if (under_plinth)
		all = try_wrmsr(MSR_APIC_BASE, (base & ~APIC_BASE_EN) | APIC_BASE_EXTD) == VEC_GP;
	inside_only(all, "x2APIC without the APIC is #GP");
	inside_only(rdmsr(MSR_APIC_BASE) == base, "a write that faults changes nothing");
}

/* The x2APIC's MSRs are there in its mode only. */
static void msrs(void)
{
	u64 value;
	bool all = true;

	for (u32 i = 0; i < 0x40; i++)
		all &= try_rdmsr(0x800 + i, &value) == VEC_GP;
	/* QEMU answers with 0. */
	inside_only(all, "no x2APIC register in xAPIC mode");
}

static void modes(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);
	u32 id = lapic_read(LAPIC_ID);

	if (!has_x2apic()) {
		skip("from xAPIC to x2APIC", "not offered");
		return;
	}
	lapic_write(LAPIC_TPR, 0x50);
	lapic_write(LAPIC_LVT_ERROR, 0x100fe);
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_ICR_HI, 0x55000000);
	is((u64)try_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD), NO_FAULT, "from xAPIC to x2APIC");
	is(rdmsr(X2_MSR(LAPIC_TPR)), 0x50, "to x2APIC: TPR stays");
	is(rdmsr(X2_MSR(LAPIC_LVT_ERROR)), 0x100fe, "to x2APIC: LVT stays");
	is(rdmsr(X2_MSR(LAPIC_TIMER_DIVIDE)), 0xb, "to x2APIC: the divider stays");
	is(rdmsr(X2_MSR(LAPIC_SVR)), 0x1ff, "to x2APIC: it stays enabled");
	inside_only(rdmsr(X2_MSR(LAPIC_ICR_LO)) >> 32 == 0, "to x2APIC: the destination is 0");
	is((u64)try_wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_EN | APIC_BASE_EXTD)), NO_FAULT,
	   "from x2APIC to off");
	is((u64)try_wrmsr(MSR_APIC_BASE, base), NO_FAULT, "from off to xAPIC");
	is(lapic_read(LAPIC_ID), id, "after off: the initial id");
	inside_only(lapic_read(LAPIC_SVR) == 0xff, "after off: software-disabled");
	inside_only(lapic_read(LAPIC_TPR) == 0, "after off: TPR is 0");
	inside_only(lapic_read(LAPIC_LVT_ERROR) == LAPIC_VECTOR_MASKED, "after off: LVT is masked");
	lapic_enable();
}

/* Moved away, it works as before. QEMU's translations of the page stay behind. */
static void relocated(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);
	bool self = false, eoi = false;

	on_vector(VEC_A, NULL);
	if (under_plinth) {
		wrmsr(MSR_APIC_BASE, (base & 0xfff) | NEW_BASE);
		mmio_write32(NEW_BASE + LAPIC_TPR, 0x80);
		mmio_write32(NEW_BASE + LAPIC_ICR_LO, ICR_SELF | VEC_A);
		self = mmio_read32(NEW_BASE + LAPIC_IRR + (VEC_A >> 5) * 16) & BIT(VEC_A & 31);
		wrmsr(MSR_APIC_BASE, base);
		on_vector(VEC_A, eoi_handler);
		lapic_write(LAPIC_TPR, 0);
		irq_window();
		eoi = taken[VEC_A] == 1 && !lapic_read(LAPIC_ISR + (VEC_A >> 5) * 16);
	}
	inside_only(self, "moved: an IPI by the page where it is now");
	inside_only(eoi, "moved back: it is delivered");
}

void guest_main(void)
{
	lapic_enable();
	illegal();
	msrs();
	modes();
	relocated();
}
