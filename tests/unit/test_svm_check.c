/* SPDX-License-Identifier: MIT */
/*
 * The entry checker (svm/check.c): valid guests in each mode, and each rule broken on purpose. AMD64 APM vol. 2 rev. 3.42,
 * 15.5.1, 15.20, 15.21.10, 15.25.4.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../svm/check.h"
#include "x86.h"

static struct vmcb vmcb;
static struct svm_image image;

#define ATTRIB_CODE_32 0xc9b /* G, D, P, S, accessed code */
#define ATTRIB_CODE_64 0xa9b

static void protected_guest(void)
{
	memset(&vmcb, 0, sizeof(vmcb));
	image = (struct svm_image){
		.vmcb = &vmcb,
		.phys_bits = 40,
		.cr4_known = 0x7ff | CR4_CET,
		.efer_known = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | 0xfe,
		.long_mode = true,
	};
	vmcb.intercept3 = INTERCEPT_NMI;
	vmcb.intercept4 = INTERCEPT_VMRUN;
	vmcb.iopm_base = 0x10000;
	vmcb.msrpm_base = 0x14000;
	vmcb.asid = 1;
	vmcb.np_control = NP_ENABLE;
	vmcb.n_cr3 = 0x20000;
	vmcb.g_pat = PAT_RESET;
	vmcb.efer = EFER_SVME;
	vmcb.cr0 = CR0_PE | CR0_ET;
	vmcb.dr6 = DR6_RESET;
	vmcb.dr7 = DR7_RESET;
	vmcb.rflags = RFLAGS_ONE;
	vmcb.cs.attrib = ATTRIB_CODE_32;
}

static void long_mode_guest(void)
{
	protected_guest();
	vmcb.efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE;
	vmcb.cr0 = CR0_PG | CR0_PE | CR0_ET;
	vmcb.cr3 = 0x1000;
	vmcb.cr4 = CR4_PAE;
	vmcb.cs.attrib = ATTRIB_CODE_64;
}

static void old_processor(void)
{
	protected_guest();
	image.long_mode = false;
}

static void accepted(void)
{
	struct svm_violation v;

	if (svm_check(&image, &v))
		fail_msg("%s: %s = %lx (%s)", svm_rules[v.rule].text, svm_field_name[v.field],
			 v.value, svm_rules[v.rule].section);
}

static void test_valid(void **state)
{
	(void)state;
	protected_guest();
	accepted();
	old_processor();
	accepted();
	long_mode_guest();
	accepted();
}

#define EVENT(type, vector) (SVM_EVENT_VALID | (type) << SVM_EVENT_TYPE_SHIFT | (vector))

/* What is allowed, next to what is not. */
static void test_borders(void **state)
{
	static const u8 exceptions[] = { 0,  1,	 3,  4,	 5,  6,	 7,  8,	 10, 11, 12,
					 13, 14, 16, 17, 18, 19, 21, 28, 29, 30 };

	(void)state;
	protected_guest();
	vmcb.cr0 = CR0_PE | CR0_ET | CR0_CD | CR0_NW;
	accepted();
	/* Paged real mode is VMRUN's own: 15.5.1. */
	vmcb.cr0 = CR0_PG | CR0_ET;
	accepted();
	/* The upper half of CR3 is not there outside long mode, also while LME waits for paging. */
	vmcb.cr0 = CR0_PE | CR0_ET;
	vmcb.efer = EFER_SVME | EFER_LME;
	vmcb.cr3 = ~0ULL;
	accepted();
	/* CS.L means nothing outside long mode. */
	vmcb.cs.attrib = 0xe9b;
	accepted();
	long_mode_guest();
	vmcb.cr3 = (1ULL << 40) - 1;
	/* The last maps that fit; their low bits are ignored. */
	vmcb.iopm_base = (1ULL << 40) - 0x3000 + 0xfff;
	vmcb.msrpm_base = (1ULL << 40) - 0x2000 + 0xfff;
	accepted();
	vmcb.vintr = V_NMI_ENABLE;
	accepted();
	/* Without nested paging its fields do not count. */
	vmcb.np_control = 0;
	vmcb.n_cr3 = ~0ULL;
	vmcb.g_pat = ~0ULL;
	accepted();
	long_mode_guest();
	image.event_inj = EVENT(SVM_EVENT_INTR, 0xff);
	accepted();
	image.event_inj = EVENT(SVM_EVENT_NMI, 0);
	accepted();
	image.event_inj = EVENT(SVM_EVENT_SOFT, 0x80);
	accepted();
	/* Not valid: nothing is injected. */
	image.event_inj = EVENT(1ULL, 0) & ~SVM_EVENT_VALID;
	accepted();
	for (unsigned int vector = 0; vector < 256; vector++) {
		struct svm_violation v;
		bool exception = memchr(exceptions, (int)vector, sizeof(exceptions)) != NULL;

		image.event_inj = EVENT(SVM_EVENT_EXCEPTION, vector);
		assert_int_equal(svm_check(&image, &v), !exception);
	}
}

/* A member made wrong; the checker must name the rule and the field. */
struct broken {
	void (*guest)(void);
	enum svm_rule rule;
	enum svm_field named;
	u16 offset, size;
	u64 value;
};

#define P	       protected_guest
#define L	       long_mode_guest
#define EVENT_INJ_SIZE 0 /* kept beside the VMCB */
#define ROW(guest, rule, name, member, x)                                                \
	{                                                                                \
		guest, SVM_RULE_##rule, SVM_FIELD_##name, offsetof(struct vmcb, member), \
			sizeof(vmcb.member), (x)                                         \
	}
#define INJECTS(rule, x)                                                        \
	{                                                                       \
		P, SVM_RULE_##rule, SVM_FIELD_EVENT_INJ, 0, EVENT_INJ_SIZE, (x) \
	}

/* clang-format off */
static const struct broken rows[] = {
	ROW(P, SVME_CLEAR, EFER, efer, 0),
	ROW(P, CR0_NW_WITHOUT_CD, CR0, cr0, CR0_PE | CR0_NW),
	ROW(P, CR0_HIGH, CR0, cr0, CR0_PE | BIT64(32)),
	ROW(P, CR0_HIGH, CR0, cr0, CR0_PE | BIT64(63)),
	ROW(L, CR3_RESERVED, CR3, cr3, BIT64(40)),
	ROW(L, CR3_RESERVED, CR3, cr3, BIT64(63)),
	ROW(P, CR4_RESERVED, CR4, cr4, BIT64(15)),
	ROW(P, CR4_RESERVED, CR4, cr4, BIT64(32)),
	ROW(P, CR4_RESERVED, CR4, cr4, CR4_SMEP), /* that processor has none */
	ROW(P, DR6_HIGH, DR6, dr6, DR6_RESET | BIT64(32)),
	ROW(P, DR7_HIGH, DR7, dr7, DR7_RESET | BIT64(32)),
	ROW(P, EFER_RESERVED, EFER, efer, EFER_SVME | BIT64(9)),
	ROW(P, EFER_RESERVED, EFER, efer, EFER_SVME | BIT64(63)),
	ROW(P, EFER_RESERVED, EFER, efer, EFER_SVME | EFER_FFXSR),
	ROW(old_processor, NO_LONG_MODE, EFER, efer, EFER_SVME | EFER_LME),
	ROW(old_processor, NO_LONG_MODE, EFER, efer, EFER_SVME | EFER_LMA),
	ROW(L, LME_WITHOUT_PAE, CR4, cr4, 0),
	ROW(L, LME_WITHOUT_PE, CR0, cr0, CR0_PG | CR0_ET),
	ROW(L, CS_L_AND_D, CS_ATTRIB, cs.attrib, 0xe9b),
	ROW(P, VMRUN_INTERCEPT, INTERCEPTS4, intercept4, ~INTERCEPT_VMRUN),
	ROW(P, IOPM_ADDRESS, IOPM_BASE, iopm_base, (1ULL << 40) - 0x2000),
	ROW(P, IOPM_ADDRESS, IOPM_BASE, iopm_base, BIT64(40)),
	ROW(P, MSRPM_ADDRESS, MSRPM_BASE, msrpm_base, (1ULL << 40) - 0x1000),
	ROW(P, MSRPM_ADDRESS, MSRPM_BASE, msrpm_base, BIT64(63)),
	ROW(P, ASID_ZERO, ASID, asid, 0),
	ROW(P, CET_WITHOUT_WP, CR4, cr4, CR4_CET),
	INJECTS(EVENT_TYPE, EVENT(1ULL, 0x30)),
	INJECTS(EVENT_TYPE, EVENT(5ULL, 0x30)),
	INJECTS(EVENT_TYPE, EVENT(6ULL, 0x30)),
	INJECTS(EVENT_TYPE, EVENT(7ULL, 0x30)),
	INJECTS(EVENT_VECTOR, EVENT(SVM_EVENT_EXCEPTION, VEC_NMI)),
	INJECTS(EVENT_VECTOR, EVENT(SVM_EVENT_EXCEPTION, 9)),
	INJECTS(EVENT_VECTOR, EVENT(SVM_EVENT_EXCEPTION, 32)),
	ROW(P, VNMI_WITHOUT_INTERCEPT, VINTR, vintr, V_NMI_ENABLE),
	ROW(P, NCR3_RESERVED, N_CR3, n_cr3, BIT64(40)),
	ROW(P, NCR3_RESERVED, N_CR3, n_cr3, BIT64(52)),
	ROW(P, PAT_TYPE, G_PAT, g_pat, 2),
	ROW(P, PAT_TYPE, G_PAT, g_pat, 0x0800000000000000),
};
/* clang-format on */

/* Each row, and that no rule is without one. */
static void test_each_rule(void **state)
{
	bool broken[NR_SVM_RULES] = { false };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct broken *b = &rows[i];
		struct svm_violation v;

		b->guest();
		if (b->rule == SVM_RULE_VNMI_WITHOUT_INTERCEPT)
			vmcb.intercept3 = 0;
		if (b->size == EVENT_INJ_SIZE)
			image.event_inj = b->value;
		else
			memcpy((u8 *)&vmcb + b->offset, &b->value, b->size);
		if (!svm_check(&image, &v))
			fail_msg("row %u (%s): nothing found", i, svm_rules[b->rule].text);
		if (v.rule != b->rule || v.field != b->named)
			fail_msg("row %u: %s: %s, expected %s: %s", i, svm_field_name[v.field],
				 svm_rules[v.rule].text, svm_field_name[b->named],
				 svm_rules[b->rule].text);
		assert_int_equal(v.value,
				 b->rule == SVM_RULE_VMRUN_INTERCEPT ? (u32)b->value : b->value);
		broken[b->rule] = true;
	}
	for (unsigned int r = 0; r < NR_SVM_RULES; r++)
		if (!broken[r])
			fail_msg("no row breaks the rule: %s (%s)", svm_rules[r].text,
				 svm_rules[r].section);
}

/* Sections are those of chapter 15; each field has a name. */
static void test_rules(void **state)
{
	(void)state;
	for (unsigned int r = 0; r < NR_SVM_RULES; r++) {
		assert_int_equal(strncmp(svm_rules[r].section, "15.", 3), 0);
		assert_true(strlen(svm_rules[r].text) >= 6);
	}
	for (unsigned int f = 0; f < NR_SVM_FIELDS; f++)
		assert_non_null(svm_field_name[f]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_each_rule),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
