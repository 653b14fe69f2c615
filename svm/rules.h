/* SPDX-License-Identifier: MIT */
/*
 * The rules of VMRUN: AMD64 APM vol. 2 rev. 3.42, 15.5.1, 15.20, 15.21.10 and 15.25.4. Those about fields that Plinth never uses
 * (shadow stacks, AVIC, SEV) are left out.
 */
#ifndef PLINTH_SVM_RULES_H
#define PLINTH_SVM_RULES_H

/* X(name, the VMCB's member, its name in the manual) */
#define SVM_CHECKED_FIELDS(X)                            \
	X(INTERCEPTS4, intercept4, "intercept vector 4") \
	X(IOPM_BASE, iopm_base, "IOPM_BASE_PA")          \
	X(MSRPM_BASE, msrpm_base, "MSRPM_BASE_PA")       \
	X(ASID, asid, "guest ASID")                      \
	X(VINTR, vintr, "virtual interrupt control")     \
	X(N_CR3, n_cr3, "N_CR3")                         \
	X(EFER, efer, "EFER")                            \
	X(CR0, cr0, "CR0")                               \
	X(CR3, cr3, "CR3")                               \
	X(CR4, cr4, "CR4")                               \
	X(DR6, dr6, "DR6")                               \
	X(DR7, dr7, "DR7")                               \
	X(CS_ATTRIB, cs.attrib, "CS.attrib")             \
	X(G_PAT, g_pat, "G_PAT")

/* X(name, section, what is wrong when the rule is violated) */
#define SVM_RULES(X)                                                                    \
	X(SVME_CLEAR, "15.5.1", "EFER.SVME is 0")                                       \
	X(CR0_NW_WITHOUT_CD, "15.5.1", "CR0.NW without CD")                             \
	X(CR0_HIGH, "15.5.1", "bits 63:32 of CR0")                                      \
	X(CR3_RESERVED, "15.5.1", "reserved bits of CR3")                               \
	X(CR4_RESERVED, "15.5.1", "reserved bits of CR4")                               \
	X(DR6_HIGH, "15.5.1", "bits 63:32 of DR6")                                      \
	X(DR7_HIGH, "15.5.1", "bits 63:32 of DR7")                                      \
	X(EFER_RESERVED, "15.5.1", "reserved bits of EFER")                             \
	X(NO_LONG_MODE, "15.5.1", "EFER.LMA or LME on a processor without long mode")   \
	X(LME_WITHOUT_PAE, "15.5.1", "EFER.LME and CR0.PG without CR4.PAE")             \
	X(LME_WITHOUT_PE, "15.5.1", "EFER.LME and CR0.PG without CR0.PE")               \
	X(CS_L_AND_D, "15.5.1", "CS.L and CS.D both set in long mode")                  \
	X(VMRUN_INTERCEPT, "15.5.1", "VMRUN is not intercepted")                        \
	X(IOPM_ADDRESS, "15.5.1", "I/O permission map beyond the physical addresses")   \
	X(MSRPM_ADDRESS, "15.5.1", "MSR permission map beyond the physical addresses")  \
	X(ASID_ZERO, "15.5.1", "ASID 0")                                                \
	X(CET_WITHOUT_WP, "15.5.1", "CR4.CET without CR0.WP")                           \
	X(EVENT_TYPE, "15.20", "reserved type of event")                                \
	X(EVENT_VECTOR, "15.20", "exception with a vector that is none")                \
	X(VNMI_WITHOUT_INTERCEPT, "15.21.10", "virtual NMIs without the NMI intercept") \
	X(NCR3_RESERVED, "15.25.4", "reserved bits of the nested CR3")                  \
	X(PAT_TYPE, "15.25.4", "guest PAT with a reserved type")

#define SVM_RULE_ENUM(name, section, text) SVM_RULE_##name,
enum svm_rule {
	SVM_RULES(SVM_RULE_ENUM) NR_SVM_RULES
};
#undef SVM_RULE_ENUM

#define SVM_FIELD_ENUM(name, member, text) SVM_FIELD_##name,
enum svm_field {
	SVM_CHECKED_FIELDS(SVM_FIELD_ENUM) SVM_FIELD_EVENT_INJ, /* kept beside the VMCB: check.h */
	NR_SVM_FIELDS,
};
#undef SVM_FIELD_ENUM

#endif
