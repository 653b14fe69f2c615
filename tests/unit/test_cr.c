/* SPDX-License-Identifier: MIT */
/*
 * Control registers, EFER, XCR0: legal and illegal writes, transitions, side effects. SDM vol. 2B MOV CR, vol. 3 2.5, 4.4.1,
 * 10.8.5; APM vol. 2 3.1, 14.6.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpuid.h"
#include "policy.h"
#include "virt.h"
#include "vm.h"

static struct vm *vm;
static struct vcpu *v;
static unsigned int flushes;
static u64 xcr0;
static unsigned int xcr0_writes;
static u64 pdptes[4];
static gpa_t pdpte_gpa;

u64 host_xcr0_read(void)
{
	return xcr0;
}

void host_xcr0_write(u64 value)
{
	xcr0 = value;
	xcr0_writes++;
}

void vcpu_load(struct vcpu *c, u32 regs)
{
	c->reg_avail |= regs;
}

int gpmap_read(const struct gpmap *m, gpa_t gpa, void *dst, u64 len)
{
	assert_ptr_equal(m, &vm->gpmap);
	assert_int_equal(len, sizeof(pdptes));
	if (gpa != pdpte_gpa)
		return -EFAULT;
	memcpy(dst, pdptes, sizeof(pdptes));
	return 0;
}

static void flush_tlb(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	flushes++;
}

static const struct virt_ops ops = { .flush_tlb = flush_tlb };

static bool intel;
static bool small;

static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf)
{
	switch (leaf) {
	case 0:
		return intel ? (struct cpuid_regs){ 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 }
			     : (struct cpuid_regs){ 0xd, 0x68747541, 0x444d4163, 0x69746e65 };
	case 1:
		return small ? (struct cpuid_regs){ 0x100f23, 0x800, 0, 0x178bfbff }
			     : (struct cpuid_regs){ 0x800f11, 0x800, ~0U, 0x178bfbff };
	case 7:
		return small ? (struct cpuid_regs){ 0 } : (struct cpuid_regs){ 0, ~0U, ~0U, ~0U };
	case 0xd:
		if (subleaf == 0)
			return (struct cpuid_regs){ 0x602e7, 0, 0, 0 };
		return (struct cpuid_regs){ 64, 576 + 64 * subleaf, 0, 0 };
	case 0x80000000:
		return (struct cpuid_regs){ 0x80000008, 0, 0, 0 };
	case 0x80000001:
		return (struct cpuid_regs){ 0, 0, small ? 0 : ~0U, small ? 0x20000800 : ~0U };
	case 0x80000008:
		return (struct cpuid_regs){ 0x3028, 0, 0, 0 };
	default:
		return (struct cpuid_regs){ 0 };
	}
}

#define REAL_MODE (CR0_ET | CR0_CD | CR0_NW)

static void reset(bool is_intel, bool is_small)
{
	intel = is_intel;
	small = is_small;
	cpuid_policy_init(host_cpuid, 2000000000);
	memset(v, 0, sizeof(*v));
	v->vm = vm;
	v->ops = &ops;
	v->reg_avail = REG_ALL;
	v->cr0 = REAL_MODE;
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS_BUSY;
	v->seg[SEG_CS].attr = SEG_P | SEG_S | SEG_CODE | SEG_R;
	flushes = 0;
	memset(pdptes, 0, sizeof(pdptes));
	pdpte_gpa = 0x1000;
}

#define PROTECTED (CR0_ET | CR0_PE)
#define PAGED	  (CR0_ET | CR0_PE | CR0_PG)

static void long_mode(bool is_64bit)
{
	v->cr0 = PAGED;
	v->cr4 = CR4_PAE;
	v->efer = EFER_LME | EFER_LMA;
	v->cr3 = 0x1000;
	if (is_64bit)
		v->seg[SEG_CS].attr |= SEG_L;
	v->reg_dirty = 0;
}

static int setup(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	v = calloc(1, sizeof(*v));
	return vm && v ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(vm);
	free(v);
	return 0;
}

static void refused(int result)
{
	assert_int_equal(result, -EINVAL);
	assert_int_equal(v->reg_dirty, 0);
	assert_int_equal(flushes, 0);
}

/* --- CR0 --------------------------------------------------------------------------------------- */

static void test_cr0_values(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		reset(i != 0, false);
		refused(cr0_write(v, CR0_PG));		/* without PE */
		refused(cr0_write(v, CR0_PE | CR0_NW)); /* without CD */
		refused(cr0_write(v, CR0_NW));
		for (unsigned int bit = 32; bit < 64; bit++)
			refused(cr0_write(v, CR0_PE | BIT64(bit)));
		/* Low reserved bits are ignored, ET stays one. */
		assert_int_equal(cr0_write(v, 0x1ffaffc0 | CR0_PE), 0);
		assert_int_equal(v->cr0, PROTECTED);
		assert_int_equal(v->reg_dirty, REG_CR0);
		assert_int_equal(flushes, 0);
		assert_int_equal(cr0_write(v, CR0_CD | CR0_NW | CR0_TS | CR0_EM | CR0_MP | CR0_WP |
						      CR0_AM | CR0_NE),
				 0);
		assert_int_equal(v->cr0, CR0_CD | CR0_NW | CR0_TS | CR0_EM | CR0_MP | CR0_WP |
						 CR0_AM | CR0_NE | CR0_ET);
	}
}

static void test_cr0_long_mode(void **state)
{
	(void)state;
	reset(true, false);
	v->cr0 = PROTECTED;
	v->efer = EFER_LME;
	refused(cr0_write(v, PAGED)); /* no PAE */
	v->cr4 = CR4_PAE;
	v->seg[SEG_CS].attr |= SEG_L;
	refused(cr0_write(v, PAGED)); /* CS.L */
	v->seg[SEG_CS].attr &= (u16)~SEG_L;
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS16_BUSY;
	refused(cr0_write(v, PAGED)); /* 16-bit TSS */
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS_BUSY;
	pdpte_gpa = ~0ULL; /* long mode reads no PDPTEs */
	assert_int_equal(cr0_write(v, PAGED), 0);
	assert_int_equal(v->cr0, PAGED);
	assert_int_equal(v->efer, EFER_LME | EFER_LMA);
	assert_int_equal(v->reg_dirty, REG_CR0 | REG_EFER);
	assert_int_equal(flushes, 1);

	/* WP alone: nothing but CR0. */
	v->reg_dirty = 0;
	assert_int_equal(cr0_write(v, PAGED | CR0_WP), 0);
	assert_int_equal(v->reg_dirty, REG_CR0);
	assert_int_equal(flushes, 1);

	/* Out again, from compatibility mode. */
	v->reg_dirty = 0;
	assert_int_equal(cr0_write(v, PROTECTED), 0);
	assert_int_equal(v->efer, EFER_LME);
	assert_int_equal(v->reg_dirty, REG_CR0 | REG_EFER);
	assert_int_equal(flushes, 2);

	reset(true, false);
	long_mode(true);
	refused(cr0_write(v, PROTECTED)); /* from 64-bit mode */
	reset(true, false);
	long_mode(false);
	v->cr4 |= CR4_PCIDE;
	refused(cr0_write(v, PROTECTED));

	/* AMD: TR holds a 16-bit TSS after reset. */
	reset(false, false);
	v->cr0 = PROTECTED;
	v->efer = EFER_LME;
	v->cr4 = CR4_PAE;
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS16_BUSY;
	assert_int_equal(cr0_write(v, PAGED), 0);
	assert_int_equal(v->efer, EFER_LME | EFER_LMA);
}

/* --- PDPTEs ------------------------------------------------------------------------------------ */

static void test_pdptes(void **state)
{
	u64 out[4];

	(void)state;
	reset(true, false);
	v->cr0 = PROTECTED;
	v->cr4 = CR4_PAE;
	v->cr3 = 0x101f; /* the low five bits are no address */
	assert_int_equal(pae_pdptes_read(v, 0x1018, out), 0);
	for (unsigned int bit = 1; bit < 64; bit++) {
		bool reserved = bit < 3 || (bit >= 5 && bit <= 8) || bit >= 40;

		pdptes[3] = BIT64(bit) | PTE_P;
		v->reg_dirty = 0;
		flushes = 0;
		v->cr0 = PROTECTED;
		assert_int_equal(cr0_write(v, PAGED), reserved ? -EINVAL : 0);
		assert_int_equal(v->cr0, reserved ? PROTECTED : PAGED);
		/* Not present: nothing is reserved. */
		pdptes[3] = BIT64(bit);
		v->cr0 = PROTECTED;
		assert_int_equal(cr0_write(v, PAGED), 0);
		pdptes[3] = BIT64(bit) | PTE_P;
		assert_int_equal(cr3_write(v, 0x1000), reserved ? -EINVAL : 0);
		assert_int_equal(cr4_write(v, CR4_PAE), 0); /* no change, no load */
		v->cr4 = CR4_PAE;
		assert_int_equal(cr4_write(v, CR4_PAE | CR4_PGE), reserved ? -EINVAL : 0);
		v->cr4 = CR4_PAE;
		assert_int_equal(cr4_write(v, CR4_PAE | CR4_DE), 0);
		v->cr4 = 0;
		assert_int_equal(cr4_write(v, CR4_PAE), reserved ? -EINVAL : 0);
		v->cr4 = CR4_PAE;
	}
	pdptes[3] = 0;
	assert_int_equal(cr3_write(v, 0x2000), -EINVAL);		/* no memory there */
	assert_int_equal(cr3_write(v, 0xffffffff00001fffULL), -EINVAL); /* PCD, PWT, then 0x1fe0 */
	assert_int_equal(cr3_write(v, 0xffffffff00001018ULL), 0);
	assert_int_equal(v->cr3, 0x1018);
}

/* --- CR3 --------------------------------------------------------------------------------------- */

static void test_cr3(void **state)
{
	(void)state;
	reset(true, false);
	long_mode(true);
	assert_int_equal(cr3_write(v, 0xfffffff018), 0);
	assert_int_equal(v->cr3, 0xfffffff018);
	assert_int_equal(v->reg_dirty, REG_CR3);
	assert_int_equal(flushes, 1);
	for (unsigned int bit = 40; bit < 64; bit++) {
		v->reg_dirty = 0;
		flushes = 0;
		refused(cr3_write(v, BIT64(bit)));
	}
	v->cr4 |= CR4_PCIDE;
	for (unsigned int bit = 40; bit < 63; bit++)
		refused(cr3_write(v, BIT64(63) | BIT64(bit)));
	assert_int_equal(cr3_write(v, BIT64(63) | 0x5007), 0);
	assert_int_equal(v->cr3, 0x5007);
	assert_int_equal(flushes, 0);
	assert_int_equal(cr3_write(v, 0x5007), 0);
	assert_int_equal(flushes, 1);
	/* Without paging anything goes. */
	reset(true, false);
	assert_int_equal(cr3_write(v, 0xfffff000), 0);
}

/* --- CR4 --------------------------------------------------------------------------------------- */

static void test_cr4(void **state)
{
	u64 known;

	(void)state;
	for (int i = 0; i < 4; i++) {
		reset(i & 1, i & 2);
		known = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE |
			CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
		if (!small)
			known |= CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP |
				 CR4_PKE;
		for (unsigned int bit = 0; bit < 64; bit++) {
			v->reg_dirty = 0;
			v->cr4 = 0;
			flushes = 0;
			if (!(known & BIT64(bit))) {
				refused(cr4_write(v, BIT64(bit))); /* PCIDE: not in long mode */
				continue;
			}
			assert_int_equal(cr4_write(v, BIT64(bit)), 0);
			assert_int_equal(v->cr4, BIT64(bit));
			assert_int_equal(v->reg_dirty, REG_CR4);
			assert_int_equal(
				flushes,
				(BIT64(bit) & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP)) ? 1 : 0);
		}
	}
}

static void test_cr4_long_mode(void **state)
{
	(void)state;
	reset(true, false);
	long_mode(true);
	refused(cr4_write(v, CR4_PGE)); /* PAE off */
	refused(cr4_write(v, CR4_PAE | CR4_LA57));
	v->cr3 = 0x1001;
	refused(cr4_write(v, CR4_PAE | CR4_PCIDE)); /* CR3[11:0] */
	v->cr3 = 0x1000;
	assert_int_equal(cr4_write(v, CR4_PAE | CR4_PCIDE), 0);
	assert_int_equal(flushes, 1);
	v->cr3 = 0x1001; /* stays legal while it is on */
	assert_int_equal(cr4_write(v, CR4_PAE | CR4_PCIDE | CR4_DE), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(cr4_write(v, CR4_PAE), 0);
	assert_int_equal(flushes, 2);
	v->reg_dirty = 0;
	flushes = 0;
	reset(false, true);
	long_mode(true);
	refused(cr4_write(v, CR4_PAE | CR4_PCIDE)); /* not there */
}

/* --- EFER -------------------------------------------------------------------------------------- */

static void test_efer(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		reset(i & 1, i & 2);
		for (unsigned int bit = 0; bit < 64; bit++) {
			u64 known = EFER_SCE | EFER_LME | EFER_LMA;

			if (!small)
				known |= EFER_NXE | EFER_FFXSR | EFER_TCE;
			v->efer = 0;
			v->reg_dirty = 0;
			flushes = 0;
			if (!(known & BIT64(bit))) {
				refused(efer_write(v, BIT64(bit)));
				continue;
			}
			assert_int_equal(efer_write(v, BIT64(bit)), 0);
			assert_int_equal(v->efer, BIT64(bit) & ~EFER_LMA);
			assert_int_equal(v->reg_dirty, REG_EFER);
			assert_int_equal(flushes, BIT64(bit) == EFER_NXE);
		}
	}
	reset(true, false);
	long_mode(true);
	refused(efer_write(v, EFER_SCE)); /* LME off while paging */
	assert_int_equal(efer_write(v, EFER_LME | EFER_SCE), 0);
	assert_int_equal(v->efer, EFER_LME | EFER_LMA | EFER_SCE); /* LMA is kept */
	reset(true, false);
	v->cr0 = PAGED;
	refused(efer_write(v, EFER_LME)); /* on while paging */
}

/* --- XCR0 -------------------------------------------------------------------------------------- */

static void test_xcr0(void **state)
{
	static const struct {
		u64 value;
		bool legal;
	} rows[] = {
		{ 0x1, true },	  { 0x3, true },      { 0x7, true },
		{ 0xe7, true },	  { 0x2e7, true },    { 0x201, true },
		{ 0x0, false },	  { 0x2, false },     { 0x6, false },
		{ 0x5, false },	  { 0x27, false },    { 0x67, false },
		{ 0xc7, false },  { 0xe3, false },    { 0xe1, false },
		{ 0xf, false },	  { 0x1f, false },    { 0x107, false },
		{ 0x807, false }, { 0x60007, false }, { 0x8000000000000007, false },
	};

	(void)state;
	reset(true, false);
	assert_int_equal(policy_xcr0_allowed(), 0x2e7);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		xcr0 = 0x1234;
		assert_int_equal(xcr0_write(v, 0, rows[i].value), rows[i].legal ? 0 : -EINVAL);
		assert_int_equal(xcr0, rows[i].legal ? rows[i].value : 0x1234);
	}
	assert_int_equal(xcr0_write(v, 1, 1), -EINVAL);
	assert_int_equal(xcr0_write(v, 0xffffffff, 1), -EINVAL);
	xcr0_reset();
	assert_int_equal(xcr0, 1);
	/* A processor without XSAVE: never touched. */
	reset(false, true);
	xcr0_writes = 0;
	xcr0_reset();
	assert_int_equal(xcr0_write(v, 0, 1), -EINVAL);
	assert_int_equal(xcr0_writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cr0_values), cmocka_unit_test(test_cr0_long_mode),
		cmocka_unit_test(test_pdptes),	   cmocka_unit_test(test_cr3),
		cmocka_unit_test(test_cr4),	   cmocka_unit_test(test_cr4_long_mode),
		cmocka_unit_test(test_efer),	   cmocka_unit_test(test_xcr0),
	};

	return cmocka_run_group_tests_name("cr", tests, setup, teardown);
}
