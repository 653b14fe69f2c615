/* SPDX-License-Identifier: MIT */
/*
 * MSR policy: each register's way, legal and illegal values. SDM vol. 3 12.11, 12.12, 18.17, vol. 4; APM vol. 2 appendix A.
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
#include "mm.h"
#include "msr.h"
#include "policy.h"
#include "printk.h"
#include "virt.h"
#include "vm.h"

/* --- the world around -------------------------------------------------------------------------- */

static struct vm *vm;
static struct vcpu *v;
static u8 state_page[4096];
static bool no_memory;
static u64 guest_tsc;
static u64 offset_set;
static unsigned int offset_sets;
static u32 lapic_msr;
static u64 lapic_value;
static unsigned int lapic_reads, lapic_writes, tsc_changes;
static unsigned int notes[LOG_DEBUG + 1];
static u64 efer_written;

#define LAPIC_REFUSES 0xbadULL

void printk(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	notes[level]++;
}

void *page_alloc(void)
{
	memset(state_page, 0xa5, sizeof(state_page));
	return no_memory ? NULL : state_page;
}

void vcpu_load(struct vcpu *c, u32 regs)
{
	c->reg_avail |= regs;
}

u64 vcpu_guest_tsc(struct vcpu *c)
{
	return guest_tsc + c->tsc_offset;
}

int efer_write(struct vcpu *c, u64 value)
{
	(void)c;
	efer_written = value;
	return value & EFER_SVME ? -EINVAL : 0;
}

int lapic_msr_read(struct lapic *l, u32 msr, u64 *value)
{
	assert_ptr_equal(l, &v->lapic);
	lapic_reads++;
	lapic_msr = msr;
	*value = 0x1234;
	return 0;
}

void lapic_tsc_changed(struct lapic *l)
{
	assert_ptr_equal(l, &v->lapic);
	tsc_changes++;
}

int lapic_msr_write(struct lapic *l, u32 msr, u64 value)
{
	assert_ptr_equal(l, &v->lapic);
	lapic_writes++;
	lapic_msr = msr;
	lapic_value = value;
	return value == LAPIC_REFUSES ? -EINVAL : 0;
}

u64 host_xcr0_read(void)
{
	return 1;
}

static void set_tsc_offset(struct vcpu *c, u64 offset)
{
	(void)c;
	offset_set = offset;
	offset_sets++;
}

static u32 passed[64];
static unsigned int nr_passed;

static void intercept_msr(struct vcpu *c, u32 msr, unsigned int access)
{
	(void)c;
	assert_int_equal(access, 0);
	assert_in_range(nr_passed, 0, ARRAY_SIZE(passed) - 1);
	passed[nr_passed++] = msr;
}

static const struct virt_ops ops = {
	.set_tsc_offset = set_tsc_offset,
	.intercept_msr = intercept_msr,
};

/* --- the host ---------------------------------------------------------------------------------- */

static bool intel, bare;
static u64 host_de_cfg;
static u64 host_live[3]; /* SPEC_CTRL, PRED_CMD, TSC_AUX */
static bool host_microcode_asked;

static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0:
		return intel ? (struct cpuid_regs){ 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 }
			     : (struct cpuid_regs){ 0xd, 0x68747541, 0x444d4163, 0x69746e65 };
	case 1:
		return (struct cpuid_regs){ 0x800f11, 0x10800, 0, 0x178bfbff };
	case 7:
		if (bare || !intel)
			return (struct cpuid_regs){ 0 };
		return (struct cpuid_regs){ 0, 0, 0,
					    CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_L1D_FLUSH |
						    CPUID_7_EDX_ARCH_CAP };
	case 0x80000000:
		return (struct cpuid_regs){ 0x80000008, 0, 0, 0 };
	case 0x80000001:
		return (struct cpuid_regs){ 0, 0, 0,
					    bare ? 0x24d3fbffU : 0x2fd3fbffU }; /* RDTSCP */
	case 0x80000008:
		return (struct cpuid_regs){ 0x3028,
					    intel || bare ? 0
							  : CPUID_88_EBX_IBPB | CPUID_88_EBX_IBRS |
								    CPUID_88_EBX_SSBD,
					    0, 0 };
	default:
		return (struct cpuid_regs){ 0 };
	}
}

static u64 *host_reg(u32 msr)
{
	switch (msr) {
	case MSR_SPEC_CTRL:
		return &host_live[0];
	case MSR_PRED_CMD:
	case MSR_FLUSH_CMD:
		return &host_live[1];
	case MSR_TSC_AUX:
		return &host_live[2];
	case MSR_DE_CFG:
		return &host_de_cfg;
	default:
		return NULL;
	}
}

static int host_read(u32 msr, u64 *value)
{
	*value = 0;
	if (msr == MSR_BIOS_SIGN_ID)
		*value = 0xabcd00000000;
	else if (msr == MSR_ARCH_CAPABILITIES)
		*value = ~0ULL;
	else if (host_reg(msr))
		*value = *host_reg(msr);
	else
		return -EFAULT;
	return 0;
}

static int host_write(u32 msr, u64 value)
{
	if (msr == MSR_BIOS_SIGN_ID) {
		host_microcode_asked = value == 0;
		return 0;
	}
	if (!host_reg(msr))
		return -EFAULT;
	*host_reg(msr) = value;
	return 0;
}

static void boot(bool is_intel, bool is_bare)
{
	intel = is_intel;
	bare = is_bare;
	memset(vm, 0, sizeof(*vm));
	memset(v, 0, sizeof(*v));
	memset(notes, 0, sizeof(notes));
	host_live[0] = host_live[1] = host_live[2] = 0x77;
	host_de_cfg = 0x80;
	vm->ram_below_4g = GIB(3);
	vm->ram_above_4g = GIB(2);
	vm->nr_vcpus = 1;
	v->vm = vm;
	v->ops = &ops;
	v->reg_avail = REG_ALL;
	v->pat = PAT_RESET;
	cpuid_policy_init(host_cpuid, 2000000000);
	msr_policy_init(host_read, host_write);
	assert_int_equal(msr_state_create(v), 0);
	msr_state_reset(v, false);
	offset_sets = lapic_reads = lapic_writes = tsc_changes = nr_passed = 0;
	guest_tsc = 1000000;
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

static u64 rd(u32 msr)
{
	u64 value = 0xdead;

	if (msr_read(v, msr, &value) != 0)
		fail_msg("rdmsr %#x took #GP", msr);
	return value;
}

static void wr(u32 msr, u64 value)
{
	if (msr_write(v, msr, value) != 0)
		fail_msg("wrmsr %#x <- %#llx took #GP", msr, (unsigned long long)value);
}

static void rd_gp(u32 msr)
{
	u64 value = 0;

	if (msr_read(v, msr, &value) != -EINVAL)
		fail_msg("rdmsr %#x = %#llx, not #GP", msr, (unsigned long long)value);
}

static void wr_gp(u32 msr, u64 value)
{
	if (msr_write(v, msr, value) != -EINVAL)
		fail_msg("wrmsr %#x <- %#llx did not take #GP", msr, (unsigned long long)value);
}

/* --- time: SDM vol. 3 18.17.3 ------------------------------------------------------------------ */

static void test_tsc(void **state)
{
	(void)state;
	boot(true, false);
	assert_int_equal(rd(MSR_TSC), 1000000);
	assert_int_equal(rd(MSR_TSC_ADJUST), 0);
	wr(MSR_TSC, 5000000);
	assert_int_equal(rd(MSR_TSC), 5000000);
	assert_int_equal(rd(MSR_TSC_ADJUST), 4000000);
	assert_int_equal(offset_set, 4000000);
	wr(MSR_TSC_ADJUST, 1000);
	assert_int_equal(rd(MSR_TSC_ADJUST), 1000);
	assert_int_equal(rd(MSR_TSC), 1001000);
	wr(MSR_TSC, 0);
	assert_int_equal(rd(MSR_TSC), 0);
	assert_int_equal(rd(MSR_TSC_ADJUST), (u64)-1000000);
	assert_int_equal(offset_sets, 3);
	/* The LAPIC is told each time: an armed deadline is another moment now. */
	assert_int_equal(tsc_changes, 3);
	/* Unchanged: nothing to do. */
	wr(MSR_TSC_ADJUST, (u64)-1000000);
	assert_int_equal(offset_sets, 3);
	assert_int_equal(tsc_changes, 3);
	/* INIT leaves both alone; power-up goes back to the machine's base. */
	v->tsc_offset = 500;
	v->tsc_adjust = 100;
	msr_state_reset(v, true);
	assert_int_equal(v->tsc_adjust, 100);
	msr_state_reset(v, false);
	assert_int_equal(v->tsc_adjust, 0);
	assert_int_equal(v->tsc_offset, 400);
}

static void test_lapic(void **state)
{
	static const u32 msrs[] = { MSR_APIC_BASE, MSR_TSC_DEADLINE, 0x800, 0x80b, 0x830, 0x8ff };

	(void)state;
	boot(false, false);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		assert_int_equal(rd(msrs[i]), 0x1234);
		assert_int_equal(lapic_msr, msrs[i]);
		wr(msrs[i], i);
		assert_int_equal(lapic_value, i);
		wr_gp(msrs[i], LAPIC_REFUSES);
	}
	assert_int_equal(lapic_reads, ARRAY_SIZE(msrs));
	rd_gp(0x7ff);
	rd_gp(0x900);
	assert_int_equal(lapic_reads, ARRAY_SIZE(msrs));
}

/* --- values ------------------------------------------------------------------------------------ */

static void test_pat(void **state)
{
	(void)state;
	boot(true, false);
	assert_int_equal(rd(MSR_PAT), PAT_RESET);
	for (u64 type = 0; type < 256; type++) {
		bool legal = type <= 1 || (type >= 4 && type <= 7);

		for (unsigned int byte = 0; byte < 8; byte++) {
			u64 value = (PAT_RESET & ~(0xffULL << (8 * byte))) | type << (8 * byte);

			v->reg_dirty = 0;
			v->pat = PAT_RESET;
			assert_int_equal(msr_write(v, MSR_PAT, value), legal ? 0 : -EINVAL);
			assert_int_equal(v->pat, legal ? value : PAT_RESET);
			assert_int_equal(v->reg_dirty, legal ? REG_PAT : 0);
		}
	}
}

static void test_mtrr(void **state)
{
	u64 phys = (BIT64(40) - 1) & ~0xfffULL;

	(void)state;
	boot(true, false);
	assert_int_equal(rd(MSR_MTRR_CAP), 8 | BIT64(8) | BIT64(10));
	wr_gp(MSR_MTRR_CAP, 8);
	/* As firmware leaves it: all write-back but the PCI hole and the VGA aperture. */
	assert_int_equal(rd(MSR_MTRR_DEF_TYPE), 0xc06);
	assert_int_equal(rd(0x200), 0xc0000000);
	assert_int_equal(rd(0x201), (phys & ~0x3fffffffULL) | 0x800);
	for (u32 msr = 0x202; msr < 0x210; msr++)
		assert_int_equal(rd(msr), 0);
	assert_int_equal(rd(0x250), 0x0606060606060606);
	assert_int_equal(rd(0x258), 0x0606060606060606);
	assert_int_equal(rd(0x259), 0);
	for (u32 msr = 0x268; msr < 0x270; msr++)
		assert_int_equal(rd(msr), 0x0505050505050505);
	rd_gp(0x210);
	wr_gp(0x210, 0);
	rd_gp(0x251);
	rd_gp(0x267);
	rd_gp(0x270);

	for (u64 type = 0; type < 256; type++) {
		int expected = type <= 1 || (type >= 4 && type <= 6) ? 0 : -EINVAL;

		assert_int_equal(msr_write(v, 0x20e, 0x12345000 | type), expected);
		assert_int_equal(msr_write(v, MSR_MTRR_DEF_TYPE, 0xc00 | type), expected);
		for (unsigned int byte = 0; byte < 64; byte += 8)
			assert_int_equal(msr_write(v, 0x26f, type << byte), expected);
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool address = bit >= 12 && bit < 40;

		assert_int_equal(msr_write(v, 0x20f, BIT64(bit)),
				 address || bit == 11 ? 0 : -EINVAL);
		if (bit >= 8) {
			assert_int_equal(msr_write(v, 0x20e, BIT64(bit)), address ? 0 : -EINVAL);
			assert_int_equal(msr_write(v, MSR_MTRR_DEF_TYPE, BIT64(bit)),
					 bit == 10 || bit == 11 ? 0 : -EINVAL);
		}
	}
	/* Each register is its own, and a refused write changes none. */
	for (u32 msr = 0x200; msr < 0x210; msr++)
		wr(msr, (u64)msr << 12);
	wr_gp(0x203, 1);
	for (u32 msr = 0x268; msr < 0x270; msr++)
		wr(msr, msr & 1);
	wr_gp(0x26c, 7);
	for (u32 msr = 0x200; msr < 0x210; msr++)
		assert_int_equal(rd(msr), (u64)msr << 12);
	for (u32 msr = 0x268; msr < 0x270; msr++)
		assert_int_equal(rd(msr), msr & 1);
	msr_state_reset(v, true);
	assert_int_equal(rd(0x202), 0x202000);
	msr_state_reset(v, false);
	assert_int_equal(rd(0x202), 0);
}

static void test_addresses(void **state)
{
	static const struct {
		u32 msr;
		bool canonical;
	} rows[] = {
		{ MSR_LSTAR, true },	      { MSR_CSTAR, true },
		{ MSR_KERNEL_GS_BASE, true }, { MSR_SYSENTER_ESP, true },
		{ MSR_SYSENTER_EIP, true },   { MSR_FS_BASE, true },
		{ MSR_GS_BASE, true },	      { MSR_STAR, false },
	};

	(void)state;
	boot(true, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		wr(rows[i].msr, 0xffff800000000000);
		assert_int_equal(rd(rows[i].msr), 0xffff800000000000);
		wr(rows[i].msr, 0x00007fffffffffff);
		if (rows[i].canonical) {
			wr_gp(rows[i].msr, 0x0000800000000000);
			wr_gp(rows[i].msr, 0xffff7fffffffffff);
			wr_gp(rows[i].msr, 0x8000000000000000);
			assert_int_equal(rd(rows[i].msr), 0x00007fffffffffff);
		} else {
			wr(rows[i].msr, 0x0000800000000000);
		}
	}
	assert_int_equal(v->seg[SEG_FS].base, 0x00007fffffffffff);
	assert_int_equal(v->reg_dirty, REG_SYSCALL | REG_SYSENTER | REG_SEGS);
	wr(MSR_SFMASK, 0xffffffff00047700);
	assert_int_equal(rd(MSR_SFMASK), 0x47700);
	wr(MSR_SYSENTER_CS, 0x10);
	assert_int_equal(v->sysenter_cs, 0x10);
	v->efer = EFER_LME;
	assert_int_equal(rd(MSR_EFER), EFER_LME);
	wr(MSR_EFER, EFER_SCE);
	assert_int_equal(efer_written, EFER_SCE);
	wr_gp(MSR_EFER, EFER_SVME);
}

static void test_machine_check(void **state)
{
	(void)state;
	boot(true, false);
	assert_int_equal(rd(MSR_MCG_CAP), 0);
	wr_gp(MSR_MCG_CAP, 0);
	assert_int_equal(rd(MSR_MCG_STATUS), 0);
	wr(MSR_MCG_STATUS, 5);
	assert_int_equal(rd(MSR_MCG_STATUS), 5);
	wr(MSR_MCG_STATUS, 0);
	wr_gp(MSR_MCG_STATUS, 8);
	rd_gp(MSR_MCG_CTL);
	for (u32 msr = 0x400; msr < 0x480; msr++)
		rd_gp(msr);
	assert_int_equal(rd(0), 0);
	assert_int_equal(rd(1), 0);
	assert_int_equal(notes[LOG_WARN] + notes[LOG_DEBUG], 0);
}

static void test_debugctl(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		boot(i != 0, false);
		wr(MSR_DEBUGCTL, 0);
		wr(MSR_DEBUGCTL, 3);
		assert_int_equal(rd(MSR_DEBUGCTL), 0);
		assert_int_equal(msr_write(v, MSR_DEBUGCTL, 0x3c), intel ? -EINVAL : 0);
		for (unsigned int bit = 6; bit < 64; bit++)
			wr_gp(MSR_DEBUGCTL, BIT64(bit));
	}
}

static void test_intel(void **state)
{
	u64 value = 1;

	(void)state;
	boot(true, false);
	assert_true(host_microcode_asked);
	assert_int_equal(rd(MSR_BIOS_SIGN_ID), 0xabcd00000000);
	wr(MSR_BIOS_SIGN_ID, 0);
	assert_int_equal(rd(MSR_BIOS_SIGN_ID), 0xabcd00000000);
	assert_int_equal(rd(MSR_PLATFORM_ID), 0);
	rd_gp(MSR_FEATURE_CONTROL);
	wr_gp(MSR_FEATURE_CONTROL, 5);
	wr(MSR_BIOS_UPDT_TRIG, 0x1000);
	assert_int_equal(rd(MSR_MISC_ENABLE), 0x1801);
	wr(MSR_MISC_ENABLE, 0x1800);
	assert_int_equal(rd(MSR_MISC_ENABLE), 0x1800);
	wr(MSR_MISC_ENABLE, 1);
	assert_int_equal(rd(MSR_MISC_ENABLE), 0x1801);
	/* What can be written is read back; bits 7, 11 and 12 are read-only. */
	wr(MSR_MISC_ENABLE, 0x400c50009);
	assert_int_equal(rd(MSR_MISC_ENABLE), 0x400c51809);
	wr_gp(MSR_MISC_ENABLE, BIT64(1));
	wr_gp(MSR_MISC_ENABLE, BIT64(35));
	rd_gp(MSR_K7_EVNTSEL0);
	assert_int_equal(pmc_read(v, 0, &value), -EINVAL);
	/* ARCH_CAPABILITIES without TSX_CTRL, MISC_PACKAGE_CTLS, FB_CLEAR_CTRL... */
	assert_int_equal(rd(MSR_ARCH_CAPABILITIES), 0x1d1ae17f);
	wr_gp(MSR_ARCH_CAPABILITIES, 0);
	rd_gp(MSR_HWCR);
	rd_gp(MSR_SYSCFG);
	rd_gp(MSR_VM_CR);
	rd_gp(MSR_LASTBRANCH_FROM);
	assert_int_equal(notes[LOG_WARN] + notes[LOG_DEBUG], 0);
}

static void test_amd(void **state)
{
	u64 value = 1;

	(void)state;
	boot(false, false);
	assert_int_equal(host_de_cfg, 0x82);
	assert_int_equal(rd(MSR_DE_CFG), 2);
	wr(MSR_DE_CFG, 2);
	assert_int_equal(rd(MSR_HWCR), BIT64(24));
	wr(MSR_HWCR, BIT64(18) | BIT64(6));
	assert_int_equal(rd(MSR_HWCR), BIT64(24) | BIT64(18));
	wr_gp(MSR_HWCR, BIT64(40));
	assert_int_equal(rd(MSR_TOP_MEM), GIB(3));
	assert_int_equal(rd(MSR_TOP_MEM2), GIB(6));
	assert_int_equal(rd(MSR_SYSCFG), BIT64(20) | BIT64(21) | BIT64(22));
	wr(MSR_SYSCFG, 0);
	vm->ram_above_4g = 0;
	assert_int_equal(rd(MSR_SYSCFG), BIT64(20));
	assert_int_equal(rd(MSR_VM_CR), VM_CR_SVMDIS | VM_CR_LOCK);
	wr(MSR_VM_CR, 0);
	assert_int_equal(rd(MSR_VM_CR), VM_CR_SVMDIS | VM_CR_LOCK);
	assert_int_equal(rd(MSR_NB_CFG), 0);
	wr(MSR_NB_CFG, BIT64(46));
	assert_int_equal(rd(MSR_INT_PENDING), 0);
	assert_int_equal(rd(MSR_LASTBRANCH_FROM), 0);
	assert_int_equal(rd(MSR_BIOS_SIGN_ID), 0xabcd00000000);
	rd_gp(MSR_VM_HSAVE_PA);
	wr_gp(MSR_VM_HSAVE_PA, 0x1000);
	assert_int_equal(rd(MSR_MISC_ENABLE), 0x1801);
	rd_gp(MSR_FEATURE_CONTROL);
	rd_gp(MSR_PLATFORM_ID);
	rd_gp(MSR_ARCH_CAPABILITIES);
	/* The four counters of every AMD processor: nothing is counted. */
	for (u32 msr = 0xc0010000; msr < 0xc0010008; msr++) {
		wr(msr, 0x530076);
		assert_int_equal(rd(msr), 0);
	}
	rd_gp(0xc0010200);
	assert_int_equal(pmc_read(v, 3, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(pmc_read(v, 4, &value), -EINVAL);
	assert_int_equal(notes[LOG_WARN] + notes[LOG_DEBUG], 0);
	/* Already serializing: left alone. */
	host_de_cfg = 0x42;
	msr_state_reset(v, false);
	assert_int_equal(host_de_cfg, 0x42);
}

/* What CPUID hides faults, in silence. */
static void test_hidden(void **state)
{
	static const u32 msrs[] = { 0x33,	0x34,	    0xc1,	0xce,	    0xcf,
				    0xe7,	0xe8,	    0x122,	0x186,	    0x198,
				    0x199,	0x19c,	    0x1b0,	0x1f2,	    0x280,
				    0x309,	0x345,	    0x38f,	0x3f1,	    0x480,
				    0x48d,	0x570,	    0x600,	0x606,	    0x611,
				    0x6a0,	0x6e1,	    0x770,	0xda0,	    0xc00000e7,
				    0xc0000104, 0xc0010016, 0xc0010061, 0xc0010111, 0xc0010118,
				    0xc0010140, 0xc0010200, 0xc0011030 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		boot(i != 0, false);
		for (size_t k = 0; k < ARRAY_SIZE(msrs); k++) {
			rd_gp(msrs[k]);
			wr_gp(msrs[k], 0);
		}
		assert_int_equal(v->unknown_msr_notes, 0);
	}
}

static void test_unknown(void **state)
{
	(void)state;
	boot(true, false);
	for (u32 i = 0; i < 10; i++)
		rd_gp(0x12345678 + i);
	for (u32 i = 0; i < 100; i++)
		wr_gp(0xfffffff0 + (i & 15), ~0ULL);
	assert_int_equal(notes[LOG_DEBUG], 10);
	assert_int_equal(notes[LOG_WARN], 6);
}

static bool is_passed(u32 msr)
{
	for (unsigned int i = 0; i < nr_passed; i++)
		if (passed[i] == msr)
			return true;
	return false;
}

static void test_pass_through(void **state)
{
	static const u32 always[] = { MSR_FS_BASE,     MSR_GS_BASE,	MSR_KERNEL_GS_BASE,
				      MSR_STAR,	       MSR_LSTAR,	MSR_CSTAR,
				      MSR_SFMASK,      MSR_SYSENTER_CS, MSR_SYSENTER_ESP,
				      MSR_SYSENTER_EIP };

	(void)state;
	for (int i = 0; i < 4; i++) {
		boot(i & 1, i & 2);
		msr_setup_intercepts(v);
		for (size_t k = 0; k < ARRAY_SIZE(always); k++)
			assert_true(is_passed(always[k]));
		assert_int_equal(is_passed(MSR_TSC_AUX), !bare);
		assert_int_equal(is_passed(MSR_SPEC_CTRL), !bare);
		assert_int_equal(is_passed(MSR_PRED_CMD), !bare);
		assert_int_equal(is_passed(MSR_FLUSH_CMD), !bare && intel);
		assert_int_equal(nr_passed, ARRAY_SIZE(always) + (bare ? 0 : intel ? 4 : 3));
		/* Intercepted all the same: reaches the processor. Not offered: #GP. */
		if (bare) {
			rd_gp(MSR_SPEC_CTRL);
			wr_gp(MSR_TSC_AUX, 1);
			assert_int_equal(host_live[0], 0x77);
		} else {
			assert_int_equal(rd(MSR_SPEC_CTRL), 0); /* power-up */
			assert_int_equal(rd(MSR_TSC_AUX), 0);
			wr(MSR_TSC_AUX, 3);
			assert_int_equal(host_live[2], 3);
			rd_gp(MSR_PRED_CMD);
			wr(MSR_PRED_CMD, 1);
			assert_int_equal(host_live[1], 1);
		}
	}
}

/* The table is searched by halves: every row must be found, whatever its place. */
static void test_garbage(void **state)
{
	u64 seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (int i = 0; i < 2; i++) {
		boot(i != 0, false);
		for (u32 n = 0; n < 200000; n++) {
			u64 value;
			u32 msr;

			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			msr = (u32)(seed >> 32) & 0x1fff;
			if (seed & BIT64(20))
				msr |= 0xc0000000;
			if (seed & BIT64(21))
				msr |= 0x00010000;
			(void)msr_read(v, msr, &value);
			(void)msr_write(v, msr, seed);
		}
	}
}

static void test_no_memory(void **state)
{
	(void)state;
	no_memory = true;
	assert_int_equal(msr_state_create(v), -ENOMEM);
	no_memory = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tsc),	  cmocka_unit_test(test_lapic),
		cmocka_unit_test(test_pat),	  cmocka_unit_test(test_mtrr),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_machine_check),
		cmocka_unit_test(test_debugctl),  cmocka_unit_test(test_intel),
		cmocka_unit_test(test_amd),	  cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_unknown),	  cmocka_unit_test(test_pass_through),
		cmocka_unit_test(test_garbage),	  cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("msr", tests, setup, teardown);
}
