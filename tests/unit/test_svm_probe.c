/* SPDX-License-Identifier: MIT */
/*
 * What AMD-V's detection (svm/svm.c) says of each processor: the file itself is included, with CPUID and the reads of
 * MSRs replaced. AMD64 APM vol. 2 rev. 3.42, 15.4 and 15.30.1; vol. 3 rev. 3.36, appendix E.4.9.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu.h"
#include "errors.h"
#include "msr.h"
#include "types.h"
#include "x86.h"

/* The processor. An MSR that is not there raises #GP, which rdmsr_safe() reports. */
static struct {
	u32 ext_max; /* 8000_0000 EAX */
	u32 ext_ecx; /* 8000_0001 ECX */
	u32 ext_edx; /* 8000_0001 EDX */
	u32 svm_ebx; /* 8000_000A EBX */
	u32 svm_edx; /* 8000_000A EDX */
	bool has_vm_cr;
	u64 vm_cr;
} processor;
static unsigned int writes;

static struct cpuid_regs test_cpuid(u32 leaf, u32 subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0x80000000:
		return (struct cpuid_regs){ .eax = processor.ext_max };
	case 0x80000001:
		assert_true(processor.ext_max >= leaf);
		return (struct cpuid_regs){ .ecx = processor.ext_ecx, .edx = processor.ext_edx };
	case 0x8000000a:
		assert_true(processor.ext_max >= leaf);
		return (struct cpuid_regs){ .eax = 1,
					    .ebx = processor.svm_ebx,
					    .edx = processor.svm_edx };
	default:
		fail_msg("CPUID %x is not asked for", leaf);
		return (struct cpuid_regs){ 0 };
	}
}

static int test_rdmsr_safe(u32 msr, u64 *value)
{
	assert_int_equal(msr, 0xc0010114);
	if (!processor.has_vm_cr)
		return -EFAULT;
	*value = processor.vm_cr;
	return 0;
}

static u64 test_rdmsr(u32 msr)
{
	fail_msg("MSR %x is not read without a net", msr);
	return 0;
}

static void test_wrmsr(u32 msr, u64 value)
{
	(void)msr;
	(void)value;
	writes++;
}

#define cpuid(leaf, sub)       test_cpuid(leaf, sub)
#define rdmsr(msr)	       test_rdmsr(msr)
#define rdmsr_safe(msr, value) test_rdmsr_safe(msr, value)
#define wrmsr(msr, value)      test_wrmsr(msr, value)

#include "../../svm/svm.c"

struct gpmap_format npt_format;

/* The rest of the backend, and what it calls: not linked, as nothing here comes that far. */
#pragma weak svm_enter
#pragma weak svm_exited
#pragma weak trap_set_handler
#pragma weak panic_trap
#pragma weak svm_decode_exit
#pragma weak svm_store
#pragma weak svm_load
#pragma weak svm_dump
#pragma weak svm_cut_short
#pragma weak svm_can_take_interrupt
#pragma weak svm_can_take_nmi
#pragma weak svm_inject
#pragma weak svm_set_nmi_blocked
#pragma weak svm_step_end
#pragma weak svm_set_windows
#pragma weak svm_set_cr8
#pragma weak svm_intercept_msr
#pragma weak svm_intercept_port
#pragma weak lapic_set_cr8
#pragma weak policy_cr4_hidden

enum {
	SVM = 1 << 2, /* 8000_0001 ECX */
	NP = 1 << 0,  /* 8000_000A EDX */
	NRIPS = 1 << 3,
	DECODE = 1 << 7,
	FLUSH = 1 << 6,
	CLEAN = 1 << 5,
	LOCK = 1 << 3, /* VM_CR */
	SVMDIS = 1 << 4,
};
#define MAX_LEAF 0x8000000aU

static const struct {
	const char *what;
	u32 ext_max, ext_ecx, svm_edx;
	bool has_vm_cr;
	u64 vm_cr;
	int err;
	const char *why; /* NULL: the caller's own words stay */
} cases[] = {
	{ "all of it", MAX_LEAF, ~0U, ~0U, true, 0, 0, NULL },
	{ "nested paging alone", MAX_LEAF, SVM, NP, true, 0, 0, NULL },
	{ "more leaves", 0x80000020, SVM, NP, true, 0, 0, NULL },
	{ "locked on", MAX_LEAF, SVM, NP, true, LOCK, 0, NULL },
	{ "disabled, not locked: cpu_enable() switches it on", MAX_LEAF, SVM, NP, true, SVMDIS, 0,
	  NULL },
	{ "no VM_CR, as in some emulators", MAX_LEAF, SVM, NP, false, 0, 0, NULL },
	{ "disabled and locked by the firmware", MAX_LEAF, SVM, NP, true, SVMDIS | LOCK, -EPERM,
	  "AMD-V is disabled and locked by the firmware (VM_CR.SVMDIS); enable SVM in its set-up" },
	{ "locked by the firmware, and no nested paging: the firmware first", MAX_LEAF, SVM, 0,
	  true, SVMDIS | LOCK, -EPERM,
	  "AMD-V is disabled and locked by the firmware (VM_CR.SVMDIS); enable SVM in its set-up" },
	{ "no nested paging, all else", MAX_LEAF, SVM, ~(u32)NP, true, 0, -ENOSYS,
	  "this processor's AMD-V has no nested paging (CPUID 8000_000A EDX bit 0)" },
	{ "no nested paging, no VM_CR", MAX_LEAF, SVM, 0, false, 0, -ENOSYS,
	  "this processor's AMD-V has no nested paging (CPUID 8000_000A EDX bit 0)" },
	{ "no SVM", MAX_LEAF, ~(u32)SVM, ~0U, true, 0, -ENODEV, NULL },
	{ "SVM without its leaf", MAX_LEAF - 1, SVM, NP, true, 0, -ENODEV, NULL },
	{ "no extended features", 0x80000000, SVM, NP, true, 0, -ENODEV, NULL },
	{ "no extended leaves", 0, SVM, NP, true, 0, -ENODEV, NULL },
	/* Intel's processors have the leaf's number, and nothing in it. */
	{ "another vendor", 0x80000008, 1, 0, false, 0, -ENODEV, NULL },
};

static void test_each_cause(void **state)
{
	static const char *const callers = "the caller's words";

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = callers;
		int err;

		processor.ext_max = cases[i].ext_max;
		processor.ext_ecx = cases[i].ext_ecx;
		processor.svm_edx = cases[i].svm_edx;
		processor.has_vm_cr = cases[i].has_vm_cr;
		processor.vm_cr = cases[i].vm_cr;
		writes = 0;
		err = svm_ops.probe(&why);
		if (err != cases[i].err)
			fail_msg("%s: %d, not %d", cases[i].what, err, cases[i].err);
		assert_string_equal(why, cases[i].why ? cases[i].why : callers);
		/* A probe touches nothing, and one line is one line. */
		assert_int_equal(writes, 0);
		assert_null(strchr(why, '\n'));
	}
}

/* The banner names what was found, and only that. */
static void test_describe(void **state)
{
	static const struct {
		u32 edx, asids;
		const char *text;
	} rows[] = {
		{ NP, 16, "nested paging, 16 ASIDs" },
		{ NP | NRIPS, 64, "nested paging, NRIP save, 64 ASIDs" },
		{ NP | DECODE, 8, "nested paging, decode assists, 8 ASIDs" },
		{ NP | FLUSH, 8, "nested paging, flush by ASID, 8 ASIDs" },
		{ NP | CLEAN, 8, "nested paging, clean bits, 8 ASIDs" },
		{ ~0U, 32768,
		  "nested paging, NRIP save, decode assists, flush by ASID, clean bits, 32768 ASIDs" },
	};
	char text[128], small[8];
	const char *why;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		processor.ext_max = MAX_LEAF;
		processor.ext_ecx = SVM;
		processor.svm_edx = rows[i].edx;
		processor.svm_ebx = rows[i].asids;
		processor.has_vm_cr = false;
		assert_int_equal(svm_ops.probe(&why), 0);
		svm_ops.describe(text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	svm_ops.describe(small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

/* 1-GiB pages of the nested tables come with those of the processor's own. */
static void test_page_sizes(void **state)
{
	const char *why = NULL;

	(void)state;
	memset(&processor, 0, sizeof(processor));
	processor.ext_max = 0x8000000a;
	processor.ext_ecx = BIT(2);
	processor.svm_edx = NP;
	assert_int_equal(svm_ops.probe(&why), 0);
	assert_int_equal(npt_format.max_level, 1);
	processor.ext_edx = BIT(26);
	assert_int_equal(svm_ops.probe(&why), 0);
	assert_int_equal(npt_format.max_level, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_cause),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_page_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
