/* SPDX-License-Identifier: MIT */
/*
 * The checks that VMRUN makes on the VMCB: AMD64 APM vol. 2 rev. 3.42, 15.5.1, 15.20 and 15.25.4. An entry that fails says no
 * more than VMEXIT_INVALID; this tells the rule, the field and the section. The rules are listed in rules.h.
 */
#include "check.h"
#include "x86.h"

#define HIGH(x)	       ((x) >> 32)
#define IOPM_BYTES     (3 * PAGE_SIZE) /* 15.10.1 */
#define MSRPM_BYTES    (2 * PAGE_SIZE) /* 15.11 */
#define LONG_CR3_FIRST 52	       /* bits 63:52 of a long-mode CR3 must be 0 */
#define SEG_ATTRIB_L   BIT(9)	       /* the packed form of 15.5, appendix B */
#define SEG_ATTRIB_D   BIT(10)
#define VECTOR_HV      28 /* 8.2.21, 8.2.22: not Intel's */
#define VECTOR_VC      29

/* Vectors that are exceptions: 8.2. Vector 2 is the NMI; 9 is reserved on these processors. */
static const u32 exceptions = BIT(VEC_DE) | BIT(VEC_DB) | BIT(VEC_BP) | BIT(VEC_OF) | BIT(VEC_BR) |
			      BIT(VEC_UD) | BIT(VEC_NM) | BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) |
			      BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | BIT(VEC_MF) | BIT(VEC_AC) |
			      BIT(VEC_MC) | BIT(VEC_XM) | BIT(VEC_CP) | BIT(VECTOR_HV) |
			      BIT(VECTOR_VC) | BIT(VEC_SX);

#define RULE_INFO(name, where, what) [SVM_RULE_##name] = { .section = (where), .text = (what) },
const struct svm_rule_info svm_rules[NR_SVM_RULES] = { SVM_RULES(RULE_INFO) };
#undef RULE_INFO

#define FIELD_NAME(name, member, text) [SVM_FIELD_##name] = (text),
const char *const svm_field_name[NR_SVM_FIELDS] = {
	SVM_CHECKED_FIELDS(FIELD_NAME)[SVM_FIELD_EVENT_INJ] = "EVENTINJ",
};
#undef FIELD_NAME

static u64 value_of(const struct svm_image *in, enum svm_field field)
{
#define FIELD_VALUE(name, member, text) \
	case SVM_FIELD_##name:          \
		return in->vmcb->member;
	switch (field) {
		SVM_CHECKED_FIELDS(FIELD_VALUE)
	default:
		return in->event_inj;
	}
#undef FIELD_VALUE
}

/* Ends the check with a violation. */
#define RULE(holds, which, name)                                          \
	do {                                                              \
		if (!(holds)) {                                           \
			*out = (struct svm_violation){                    \
				.rule = SVM_RULE_##name,                  \
				.field = SVM_FIELD_##which,               \
				.value = value_of(in, SVM_FIELD_##which), \
			};                                                \
			return true;                                      \
		}                                                         \
	} while (0)

static bool fits(const struct svm_image *in, u64 address)
{
	return in->phys_bits >= 64 || !(address >> in->phys_bits);
}

/* --- 15.5.1 ------------------------------------------------------------------------------------------- */

static bool check_registers(const struct svm_image *in, struct svm_violation *out)
{
	const struct vmcb *c = in->vmcb;
	bool long_mode = (c->efer & EFER_LME) && (c->cr0 & CR0_PG);

	RULE(c->efer & EFER_SVME, EFER, SVME_CLEAR);
	RULE((c->cr0 & CR0_CD) || !(c->cr0 & CR0_NW), CR0, CR0_NW_WITHOUT_CD);
	RULE(!HIGH(c->cr0), CR0, CR0_HIGH);
	/* Outside long mode the upper half of CR3 does not exist. */
	RULE(!long_mode || (fits(in, c->cr3) && !(c->cr3 >> LONG_CR3_FIRST)), CR3, CR3_RESERVED);
	RULE(!(c->cr4 & ~in->cr4_known), CR4, CR4_RESERVED);
	RULE(!HIGH(c->dr6), DR6, DR6_HIGH);
	RULE(!HIGH(c->dr7), DR7, DR7_HIGH);
	RULE(!(c->efer & ~in->efer_known), EFER, EFER_RESERVED);
	RULE(in->long_mode || !(c->efer & (EFER_LMA | EFER_LME)), EFER, NO_LONG_MODE);
	RULE(!(c->cr4 & CR4_CET) || (c->cr0 & CR0_WP), CR4, CET_WITHOUT_WP);
	if (!long_mode)
		return false;
	RULE(c->cr4 & CR4_PAE, CR4, LME_WITHOUT_PAE);
	RULE(c->cr0 & CR0_PE, CR0, LME_WITHOUT_PE);
	RULE(!(c->cs.attrib & SEG_ATTRIB_L) || !(c->cs.attrib & SEG_ATTRIB_D), CS_ATTRIB,
	     CS_L_AND_D);
	return false;
}

static bool check_controls(const struct svm_image *in, struct svm_violation *out)
{
	const struct vmcb *c = in->vmcb;
	u64 iopm = ALIGN_DOWN(c->iopm_base, PAGE_SIZE),
	    msrpm = ALIGN_DOWN(c->msrpm_base, PAGE_SIZE);

	RULE(c->intercept4 & INTERCEPT_VMRUN, INTERCEPTS4, VMRUN_INTERCEPT);
	RULE(fits(in, iopm) && fits(in, iopm + IOPM_BYTES - 1), IOPM_BASE, IOPM_ADDRESS);
	RULE(fits(in, msrpm) && fits(in, msrpm + MSRPM_BYTES - 1), MSRPM_BASE, MSRPM_ADDRESS);
	RULE(c->asid != 0, ASID, ASID_ZERO);
	RULE(!(c->vintr & V_NMI_ENABLE) || (c->intercept3 & INTERCEPT_NMI), VINTR,
	     VNMI_WITHOUT_INTERCEPT);
	return false;
}

/* --- 15.20 -------------------------------------------------------------------------------------------- */

static bool check_injection(const struct svm_image *in, struct svm_violation *out)
{
	u64 inj = in->event_inj, type = (inj & SVM_EVENT_TYPE_MASK) >> SVM_EVENT_TYPE_SHIFT;
	u32 vector = inj & SVM_EVENT_VECTOR;

	if (!(inj & SVM_EVENT_VALID))
		return false;
	RULE(type == SVM_EVENT_INTR || type == SVM_EVENT_NMI || type == SVM_EVENT_EXCEPTION ||
		     type == SVM_EVENT_SOFT,
	     EVENT_INJ, EVENT_TYPE);
	RULE(type != SVM_EVENT_EXCEPTION || (vector < 32 && (BIT(vector) & exceptions)), EVENT_INJ,
	     EVENT_VECTOR);
	return false;
}

/* --- 15.25.4 ------------------------------------------------------------------------------------------ */

static bool pat_valid(u64 pat)
{
	for (unsigned int i = 0; i < 8; i++) {
		u8 type = (u8)(pat >> 8 * i);

		if (type > MEMTYPE_UC_MINUS || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool check_nested_paging(const struct svm_image *in, struct svm_violation *out)
{
	const struct vmcb *c = in->vmcb;

	if (!(c->np_control & NP_ENABLE))
		return false;
	/* The host's paging mode, which is long mode, is that of the nested tables. */
	RULE(fits(in, c->n_cr3) && !(c->n_cr3 >> LONG_CR3_FIRST), N_CR3, NCR3_RESERVED);
	RULE(pat_valid(c->g_pat), G_PAT, PAT_TYPE);
	return false;
}

bool svm_check(const struct svm_image *in, struct svm_violation *out)
{
	return check_controls(in, out) || check_registers(in, out) || check_injection(in, out) ||
	       check_nested_paging(in, out);
}
