/* SPDX-License-Identifier: MIT */
/*
 * Writes to control registers, EFER and XCR0 as the processor would take them: SDM vol. 2B (rev. 083) MOV to/from control registers, SDM
 * vol. 3 2.5, 4.10.4, 10.8.5; APM vol. 2 (rev. 3.42) 3.1, 14.6. Everything is checked before anything changes.
 */
#include "policy.h"

#include "cpuid.h"
#include "errors.h"
#include "virt.h"
#include "vm.h"

#define CR3_NO_FLUSH BIT64(63)
#define CR3_PCID     0xfffULL
#define CR3_PAE_ADDR 0xffffffe0ULL

#define PDPTES		   4
#define PDPTE_RESERVED_LOW 0x1e6ULL /* bits 1-2 and 5-8 */

/* A write that changes one of these takes the PDPTEs anew: SDM vol. 3 4.4.1. */
#define CR0_RELOADS_PDPTES (CR0_CD | CR0_NW | CR0_PG)
#define CR4_RELOADS_PDPTES (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)
/* A change of these makes cached translations wrong: SDM vol. 3 4.10.4.1. */
#define CR4_FLUSHES	   (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_PCIDE)

static u64 physical_reserved(void)
{
	return ~(BIT64(policy_maxphyaddr()) - 1);
}

int pae_pdptes_read(struct vcpu *v, u64 cr3, u64 pdpte[PDPTES])
{
	if (gpmap_read(&v->vm->gpmap, cr3 & CR3_PAE_ADDR, pdpte, PDPTES * sizeof(pdpte[0])) != 0)
		return -EINVAL;
	for (unsigned int i = 0; i < PDPTES; i++)
		if ((pdpte[i] & PTE_P) && (pdpte[i] & (PDPTE_RESERVED_LOW | physical_reserved())))
			return -EINVAL;
	return 0;
}

static int check_pdptes(struct vcpu *v, u64 cr3)
{
	u64 pdpte[PDPTES];

	return pae_pdptes_read(v, cr3, pdpte);
}

static bool is_pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* SDM vol. 3 10.8.5: what forbids to turn IA-32e mode on. */
static bool may_enter_long_mode(struct vcpu *v)
{
	if (!(vcpu_cr4(v) & CR4_PAE) || (vcpu_seg(v, SEG_CS)->attr & SEG_L))
		return false;
	/* AMD's processors start with a 16-bit TSS in TR and do not look at it. */
	return !(policy_vendor_is_intel() &&
		 (vcpu_seg(v, SEG_TR)->attr & SEG_TYPE_MASK) == SEG_TYPE_TSS16_BUSY);
}

int cr0_write(struct vcpu *v, u64 value)
{
	u64 old = vcpu_cr0(v);
	u64 efer = vcpu_efer(v);
	u64 changed;

	if (value >> 32)
		return -EINVAL;
	/* The other reserved bits are ignored; ET is wired to one. */
	value = (value & CR0_KNOWN) | CR0_ET;
	changed = old ^ value;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return -EINVAL;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return -EINVAL;
	if (changed & value & CR0_PG) {
		if (efer & EFER_LME) {
			if (!may_enter_long_mode(v))
				return -EINVAL;
			efer |= EFER_LMA;
		}
	} else if (changed & CR0_PG) {
		/* 64-bit mode must be left, and PCIDs turned off, before paging is. */
		if ((efer & EFER_LMA) && (vcpu_seg(v, SEG_CS)->attr & SEG_L))
			return -EINVAL;
		if (vcpu_cr4(v) & CR4_PCIDE)
			return -EINVAL;
		efer &= ~EFER_LMA;
	}
	if ((changed & CR0_RELOADS_PDPTES) && is_pae_paging(value, vcpu_cr4(v), efer) &&
	    check_pdptes(v, vcpu_cr3(v)) != 0)
		return -EINVAL;

	vcpu_set_cr0(v, value);
	if (changed & CR0_PG) {
		if (efer != v->efer)
			vcpu_set_efer(v, efer);
		v->ops->flush_tlb(v);
	}
	return 0;
}

int cr3_write(struct vcpu *v, u64 value)
{
	bool flush = true;

	if (vcpu_efer(v) & EFER_LMA) {
		if ((vcpu_cr4(v) & CR4_PCIDE) && (value & CR3_NO_FLUSH)) {
			value &= ~CR3_NO_FLUSH;
			flush = false;
		}
		if (value & physical_reserved())
			return -EINVAL;
	} else {
		value = (u32)value;
		if (is_pae_paging(vcpu_cr0(v), vcpu_cr4(v), v->efer) && check_pdptes(v, value) != 0)
			return -EINVAL;
	}
	vcpu_set_cr3(v, value);
	if (flush)
		v->ops->flush_tlb(v);
	return 0;
}

int cr4_write(struct vcpu *v, u64 value)
{
	u64 changed = vcpu_cr4(v) ^ value;
	bool lma = (vcpu_efer(v) & EFER_LMA) != 0;

	/* Also what would be legal on this processor but is not offered (VMXE, LA57, CET...). */
	if (value & ~policy_cr4_allowed())
		return -EINVAL;
	if (lma && !(value & CR4_PAE))
		return -EINVAL;
	if ((changed & value & CR4_PCIDE) && (!lma || (vcpu_cr3(v) & CR3_PCID)))
		return -EINVAL;
	if ((changed & CR4_RELOADS_PDPTES) && is_pae_paging(vcpu_cr0(v), value, v->efer) &&
	    check_pdptes(v, vcpu_cr3(v)) != 0)
		return -EINVAL;

	vcpu_set_cr4(v, value);
	if (changed & CR4_FLUSHES)
		v->ops->flush_tlb(v);
	return 0;
}

int efer_write(struct vcpu *v, u64 value)
{
	u64 old = vcpu_efer(v);
	u64 changed;

	if (value & ~policy_efer_allowed())
		return -EINVAL;
	/* LMA is a status bit: what is written to it is ignored. */
	value = (value & ~EFER_LMA) | (old & EFER_LMA);
	changed = old ^ value;
	if ((changed & EFER_LME) && (vcpu_cr0(v) & CR0_PG))
		return -EINVAL;

	vcpu_set_efer(v, value);
	/* With NXE bit 63 of an entry changes its meaning. */
	if (changed & EFER_NXE)
		v->ops->flush_tlb(v);
	return 0;
}

/* --- XCR0: SDM vol. 1 13.3, vol. 2D XSETBV -------------------------------------------------------- */

__attribute__((weak)) u64 host_xcr0_read(void)
{
	return xgetbv(0);
}

__attribute__((weak)) void host_xcr0_write(u64 value)
{
	xsetbv(0, value);
}

int xcr0_write(struct vcpu *v, u32 index, u64 value)
{
	(void)v;
	if (index != 0 || !(value & XCR0_X87) || (value & ~policy_xcr0_allowed()))
		return -EINVAL;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return -EINVAL;
	if ((value & XCR0_AVX512) && ((value & XCR0_AVX512) != XCR0_AVX512 || !(value & XCR0_AVX)))
		return -EINVAL;
	host_xcr0_write(value);
	return 0;
}

void xcr0_reset(void)
{
	if (policy_xcr0_allowed())
		host_xcr0_write(XCR0_X87);
}
