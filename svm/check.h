/* SPDX-License-Identifier: MIT */
/*
 * The entry checker: what VMRUN checks, checked beforehand or afterwards (check.c). AMD64 APM vol. 2 rev. 3.42, 15.5.1.
 */
#ifndef PLINTH_SVM_CHECK_H
#define PLINTH_SVM_CHECK_H

#include "rules.h"
#include "vmcb.h"

/* A VMCB, and what the rules ask for beside it. */
struct svm_image {
	const struct vmcb *vmcb;
	u64 event_inj;		   /* EVENTINJ of that entry; the VMCB's is cleared afterwards */
	unsigned int phys_bits;	   /* of the processor's physical addresses */
	u64 cr4_known, efer_known; /* bits that this processor implements */
	bool long_mode;
};

struct svm_violation {
	enum svm_rule rule;
	enum svm_field field;
	u64 value;
};

struct svm_rule_info {
	const char *section; /* of APM vol. 2 */
	const char *text;
};
extern const struct svm_rule_info svm_rules[NR_SVM_RULES];
extern const char *const svm_field_name[NR_SVM_FIELDS];

/* True and the first violated rule, or false. Pure. */
bool svm_check(const struct svm_image *image, struct svm_violation *out);

#endif
