/* SPDX-License-Identifier: MIT */
/*
 * What VT-x's detection and switching on (vmx/vmx.c) say and do on each processor: the file itself is included, with CPUID, MSRs,
 * control registers and its instructions replaced. SDM vol. 3 rev. 083, 24.6 to 24.8 and appendix A.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cpu.h"
#include "cpuid.h"
#include "errors.h"
#include "mm.h"
#include "msr.h"
#include "types.h"
#include "x86.h"
#include "../../vmx/vmx.h"

enum {
	VMX = 1 << 5, /* CPUID 1 ECX */
	LOCK = 1 << 0,
	INSIDE_SMX = 1 << 1,
	OUTSIDE_SMX = 1 << 2,
};
#define CAPABILITY_FIRST 0x480U
#define CAPABILITIES	 0x12U
#define REVISION	 0x2aU
#define PHYSICAL_BITS	 40

/* The processor. An MSR that is not there raises #GP, which rdmsr_safe() reports. */
static struct {
	u32 ecx; /* CPUID 1 */
	bool has_feature_control, refuses_lock;
	u64 feature_control;
	u64 capability[CAPABILITIES];
	u64 cr0, cr4;
	bool vmxon_works;
} processor;

static struct {
	unsigned int writes, vmxons, invepts, invvpids, pages;
	bool no_memory;
	u32 revision; /* in the region that VMXON saw */
	u64 cr0, cr4; /* at VMXON */
} seen;

static struct cpu test_cpu;
static u8 test_page[PAGE_SIZE] __aligned(PAGE_SIZE);

static struct cpuid_regs test_cpuid(u32 leaf, u32 subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 1:
		return (struct cpuid_regs){ .ecx = processor.ecx };
	case CPUID_EXT_SIZES:
		return (struct cpuid_regs){ .eax = PHYSICAL_BITS };
	default:
		fail_msg("leaf %x", leaf);
		return (struct cpuid_regs){};
	}
}

static int test_rdmsr_safe(u32 msr, u64 *value)
{
	if (msr == MSR_FEATURE_CONTROL && processor.has_feature_control) {
		*value = processor.feature_control;
		return 0;
	}
	*value = 0;
	if (msr - CAPABILITY_FIRST >= CAPABILITIES)
		return -EFAULT;
	*value = processor.capability[msr - CAPABILITY_FIRST];
	return 0;
}

static int test_wrmsr_safe(u32 msr, u64 value)
{
	assert_int_equal(msr, MSR_FEATURE_CONTROL);
	/* Locked, a write is #GP (24.7). */
	assert_false(processor.feature_control & LOCK);
	seen.writes++;
	if (processor.refuses_lock)
		return -EFAULT;
	processor.feature_control = value;
	return 0;
}

static bool test_vmxon(hpa_t region)
{
	/* What would make it #GP or fail (24.7, 24.8, 31.3). */
	if (processor.has_feature_control)
		assert_int_equal(processor.feature_control & (LOCK | OUTSIDE_SMX),
				 LOCK | OUTSIDE_SMX);
	seen.vmxons++;
	seen.cr0 = processor.cr0;
	seen.cr4 = processor.cr4;
	memcpy(&seen.revision, (void *)(uintptr_t)region, sizeof(seen.revision));
	return processor.vmxon_works;
}

static void *test_page_alloc(void)
{
	if (seen.no_memory)
		return NULL;
	seen.pages++;
	memset(test_page, 0, sizeof(test_page));
	return test_page;
}

static void test_page_free(void *page)
{
	assert_ptr_equal(page, test_page);
	seen.pages--;
}

#define cpuid(leaf, sub)       test_cpuid(leaf, sub)
#define rdmsr_safe(msr, value) test_rdmsr_safe(msr, value)
#define wrmsr_safe(msr, value) test_wrmsr_safe(msr, value)
#define read_cr0()	       (processor.cr0)
#define read_cr4()	       (processor.cr4)
#define write_cr0(x)	       ((void)(processor.cr0 = (x)))
#define write_cr4(x)	       ((void)(processor.cr4 = (x)))
#define page_alloc()	       test_page_alloc()
#define page_free(p, n)	       test_page_free(p)
#define this_cpu()	       (&test_cpu)
/* In place of insn.h. */
#define PLINTH_VMX_INSN_H
#define INVEPT_ONE	    1UL
#define INVEPT_ALL	    2UL
#define INVVPID_ALL	    2UL
#define vmxon(region)	    test_vmxon(region)
#define vmxoff()	    ((void)seen.vmxons--)
#define vmclear(vmcs)	    ((void)(vmcs), false)
#define vmptrld(vmcs)	    ((void)(vmcs), false)
#define invept(type, eptp)  ((void)(type), (void)(eptp), (void)seen.invepts++)
#define invvpid(type, vpid) ((void)(type), (void)(vpid), (void)seen.invvpids++)

#include "../../vmx/vmx.c"

/* The rest of the backend, and what it calls: not linked, as nothing here comes that far. */
#pragma weak vcpu_load
#pragma weak cpuid_policy_has
#pragma weak page_alloc_contig
#pragma weak vmx_enter
#pragma weak vmx_exit_point
#pragma weak vmx_load
#pragma weak vmx_store
#pragma weak vmx_store_host
#pragma weak vmx_dump
#pragma weak vmx_decode_exit
#pragma weak vmx_can_take_interrupt
#pragma weak vmx_can_take_nmi
#pragma weak vmx_set_nmi_blocked
#pragma weak vmx_inject
#pragma weak vmx_set_windows
#pragma weak vmx_set_cr8
#pragma weak vmx_sync_cr8
#pragma weak vmx_intercept_msr
#pragma weak vmx_intercept_port
#pragma weak vmx_cr4_guest_owned

#define CAP(msr) (processor.capability[(msr)-CAPABILITY_FIRST])
#define ALL_ONE	 0xffffffff00000000ULL /* every control may be one, none must be */

enum {
	BASIC = 0x480,
	PIN = 0x481,
	PROC = 0x482,
	EXITS = 0x483,
	ENTRIES = 0x484,
	CR0_0 = 0x486,
	CR0_1 = 0x487,
	CR4_0 = 0x488,
	CR4_1 = 0x489,
	PROC2 = 0x48b,
	EPT_VPID = 0x48c,
};

/* All that Plinth can use, unlocked by the firmware. */
static void good_processor(void)
{
	memset(&processor, 0, sizeof(processor));
	memset(&seen, 0, sizeof(seen));
	memset(&test_cpu, 0, sizeof(test_cpu));
	processor.ecx = VMX;
	processor.has_feature_control = true;
	processor.feature_control = LOCK | OUTSIDE_SMX;
	processor.cr0 = 0x80010013;
	processor.cr4 = 0x20;
	processor.vmxon_works = true;
	CAP(BASIC) = REVISION;
	CAP(PIN) = CAP(PROC) = CAP(EXITS) = CAP(ENTRIES) = CAP(PROC2) = ALL_ONE;
	CAP(EPT_VPID) = ~0ULL;
	CAP(CR0_0) = 0x80000021;
	CAP(CR0_1) = 0xffffffff;
	CAP(CR4_0) = CR4_VMXE;
	CAP(CR4_1) = 0x3767ff;
}

static void expect(int err, const char *text)
{
	static const char *const callers = "the caller's words";
	const char *why = callers;
	u64 cr0 = processor.cr0, cr4 = processor.cr4;
	int got = vmx_ops.probe(&why);

	if (got != err)
		fail_msg("%d, not %d (%s): %s", got, err, text ? text : "", why);
	assert_string_equal(why, text ? text : callers);
	/* A probe touches nothing, and one line is one line. */
	assert_null(strchr(why, '\n'));
	assert_int_equal(seen.writes + seen.vmxons + seen.invepts + seen.pages, 0);
	assert_true(processor.cr0 == cr0 && processor.cr4 == cr4);
}

#define LOCKED_OFF \
	"VT-x is locked off by the firmware (IA32_FEATURE_CONTROL); enable VT-x in its set-up"

static void test_firmware(void **state)
{
	static const struct {
		bool has;
		u64 value;
		int err;
		const char *why;
	} rows[] = {
		{ true, LOCK | OUTSIDE_SMX, 0, NULL },
		{ true, LOCK | OUTSIDE_SMX | INSIDE_SMX, 0, NULL },
		{ true, 0, 0, NULL }, /* cpu_enable() sets and locks */
		{ true, OUTSIDE_SMX, 0, NULL },
		{ false, 0, 0, NULL }, /* some hypervisors */
		{ true, LOCK, -EPERM, LOCKED_OFF },
		{ true, LOCK | INSIDE_SMX, -EPERM, LOCKED_OFF },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		good_processor();
		processor.has_feature_control = rows[i].has;
		processor.feature_control = rows[i].value;
		expect(rows[i].err, rows[i].why);
	}
	/* The firmware first: what else is missing is not to be mended there. */
	good_processor();
	processor.feature_control = LOCK;
	CAP(PROC2) = 0;
	expect(-EPERM, LOCKED_OFF);
}

static void test_not_there(void **state)
{
	(void)state;
	good_processor();
	processor.ecx = ~(u32)VMX;
	processor.feature_control = LOCK;
	expect(-ENODEV, NULL);
}

static void test_in_use(void **state)
{
	(void)state;
	good_processor();
	processor.cr4 |= CR4_VMXE;
	expect(-EBUSY, "VT-x is in use already (CR4.VMXE is set)");
}

#define LACKS		"this processor's VT-x lacks a feature that Plinth needs: "
#define MAY_BE_ONE(bit) (1ULL << (32 + (bit)))

/* Each required control and each other part, taken away alone. Bits: SDM vol. 3 tables 25-5 to 25-14 and A.10. */
static void test_missing(void **state)
{
	static const struct {
		u32 msr;
		u64 cleared;
		const char *name;
	} rows[] = {
		{ PROC, MAY_BE_ONE(31), "secondary processor-based controls" },
		{ PROC2, MAY_BE_ONE(1), "EPT (extended page tables)" },
		{ PROC2, MAY_BE_ONE(7), "unrestricted guest" },
		{ PIN, MAY_BE_ONE(0), "external-interrupt exiting" },
		{ PIN, MAY_BE_ONE(3), "NMI exiting" },
		{ PIN, MAY_BE_ONE(5), "virtual NMIs" },
		{ PROC, MAY_BE_ONE(3), "TSC offsetting" },
		{ PROC, MAY_BE_ONE(7), "HLT exiting" },
		{ PROC, MAY_BE_ONE(10), "MWAIT exiting" },
		{ PROC, MAY_BE_ONE(11), "RDPMC exiting" },
		{ PROC, MAY_BE_ONE(25), "I/O bitmaps" },
		{ PROC, MAY_BE_ONE(28), "MSR bitmaps" },
		{ PROC, MAY_BE_ONE(29), "MONITOR exiting" },
		{ PROC, MAY_BE_ONE(21) | MAY_BE_ONE(19), "TPR shadow or CR8 exiting" },
		{ EXITS, MAY_BE_ONE(2), "saving debug controls" },
		{ EXITS, MAY_BE_ONE(9), "64-bit host" },
		{ EXITS, MAY_BE_ONE(19), "loading IA32_PAT at exits" },
		{ EXITS, MAY_BE_ONE(21), "loading IA32_EFER at exits" },
		{ ENTRIES, MAY_BE_ONE(2), "loading debug controls" },
		{ ENTRIES, MAY_BE_ONE(14), "loading IA32_PAT at entries" },
		{ ENTRIES, MAY_BE_ONE(15), "loading IA32_EFER at entries" },
		{ EPT_VPID, BIT64(6), "EPT tables of four levels" },
		{ EPT_VPID, BIT64(14), "write-back EPT tables" },
		{ EPT_VPID, BIT64(20), "INVEPT" },
		{ EPT_VPID, BIT64(25) | BIT64(26), "INVEPT" },
	};
	char text[160];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		good_processor();
		CAP(rows[i].msr) &= ~rows[i].cleared;
		snprintf(text, sizeof(text), LACKS "%s", rows[i].name);
		expect(-ENOSYS, text);
	}
	good_processor();
	CAP(BASIC) |= BIT64(48);
	expect(-ENOSYS, LACKS "structures above 4 GiB");
}

/* A control that the processor does not allow to be off, and that Plinth knows nothing of. */
static void test_insists(void **state)
{
	static const struct {
		u32 msr;
		unsigned int bit;
		const char *text;
	} rows[] = {
		{ PIN, 7,
		  "this processor's VT-x insists on pin-based control 7, which Plinth does not know" },
		{ PROC, 12,
		  "this processor's VT-x insists on processor-based control 12, which Plinth does not know" },
		{ PROC2, 18,
		  "this processor's VT-x insists on secondary processor-based control 18, which Plinth does not know" },
		{ EXITS, 23,
		  "this processor's VT-x insists on VM-exit control 23, which Plinth does not know" },
		{ ENTRIES, 16,
		  "this processor's VT-x insists on VM-entry control 16, which Plinth does not know" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		good_processor();
		CAP(rows[i].msr) |= BIT64(rows[i].bit);
		expect(-ENOSYS, rows[i].text);
	}
	/* The same through the exact capabilities, where the processor has them. */
	good_processor();
	CAP(BASIC) |= BIT64(55);
	for (u32 msr = 0x48d; msr <= 0x490; msr++)
		CAP(msr) = ALL_ONE;
	expect(0, NULL);
	CAP(0x48d) |= BIT64(7);
	expect(-ENOSYS, rows[0].text);
}

/* --- switching on ----------------------------------------------------------------------------------- */

static void test_enable(void **state)
{
	(void)state;
	good_processor();
	expect(0, NULL);
	assert_int_equal(vmx_ops.cpu_enable(), 0);
	assert_int_equal(seen.vmxons, 1);
	assert_int_equal(seen.revision, REVISION);
	/* Fixed bits: NE and VMXE beside what was there. */
	assert_int_equal(seen.cr0, 0x80010033);
	assert_int_equal(seen.cr4, 0x20 | CR4_VMXE);
	assert_int_equal(seen.writes, 0); /* locked by the firmware already */
	assert_int_equal(seen.invepts, 1);
	assert_int_equal(seen.invvpids, 1);
	assert_ptr_equal(test_cpu.virt, test_page);
	vmx_ops.cpu_disable();
	assert_int_equal(seen.vmxons, 0);
	assert_int_equal(seen.pages, 0);
	assert_false(processor.cr4 & CR4_VMXE);
	assert_null(test_cpu.virt);
}

static void test_enable_unlocked(void **state)
{
	static const u64 before[] = { 0, OUTSIDE_SMX, INSIDE_SMX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(before); i++) {
		good_processor();
		processor.feature_control = before[i];
		expect(0, NULL);
		assert_int_equal(vmx_ops.cpu_enable(), 0);
		assert_int_equal(seen.writes, 1);
		assert_int_equal(processor.feature_control, before[i] | LOCK | OUTSIDE_SMX);
		assert_int_equal(seen.vmxons, 1);
	}
	good_processor();
	processor.has_feature_control = false;
	assert_int_equal(vmx_ops.cpu_enable(), 0);
	assert_int_equal(seen.writes, 0);
}

/* What fails leaves the processor and the pool as they were. */
static void test_enable_fails(void **state)
{
	(void)state;
	good_processor();
	expect(0, NULL);
	processor.vmxon_works = false;
	assert_int_equal(vmx_ops.cpu_enable(), -EIO);
	assert_int_equal(seen.vmxons, 1);
	assert_int_equal(seen.pages, 0);
	assert_true(processor.cr0 == 0x80010013 && processor.cr4 == 0x20);
	assert_null(test_cpu.virt);

	good_processor();
	processor.feature_control = 0;
	processor.refuses_lock = true;
	assert_int_equal(vmx_ops.cpu_enable(), -EPERM);
	assert_int_equal(seen.vmxons, 0);
	assert_int_equal(seen.pages, 0);
	assert_true(processor.cr0 == 0x80010013 && processor.cr4 == 0x20);

	good_processor();
	seen.no_memory = true;
	assert_int_equal(vmx_ops.cpu_enable(), -ENOMEM);
	assert_int_equal(seen.vmxons, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firmware),	cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_in_use),		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_insists),		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_enable_unlocked), cmocka_unit_test(test_enable_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
