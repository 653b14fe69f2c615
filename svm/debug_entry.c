/* SPDX-License-Identifier: MIT */
/*
 * Checks before each entry, and entries broken on purpose: AMD64 APM vol. 2 rev. 3.42, 15.5.1. Part of debug builds only.
 */
#include "check.h"
#include "entry_debug.h"
#include "lib.h"
#include "printk.h"
#include "svm.h"

#define BEYOND_WIDTH	    BIT64(62)
#define ALL		    (~UINT64_C(0))
#define EVENT(type, vector) (SVM_EVENT_VALID | (type) << SVM_EVENT_TYPE_SHIFT | (vector))
#define EVENT_TYPE_RESERVED UINT64_C(1)
#define ATTRIB_L	    BIT64(9)
#define ATTRIB_D	    BIT64(10)

/* A member becomes (old & ~clear) | set. */
struct edit {
	u16 offset;
	u16 size;
	u64 clear, set;
};

#define EDITS 4

struct broken {
	const char *name;
	struct edit edit[EDITS]; /* up to one that changes nothing */
};

#define MEMBER(m) offsetof(struct vmcb, m), sizeof(((struct vmcb *)NULL)->m)
#define SET(member, bits)                 \
	{                                 \
		MEMBER(member), 0, (bits) \
	}
#define CLEAR(member, bits)               \
	{                                 \
		MEMBER(member), (bits), 0 \
	}
#define BE(member, value)                    \
	{                                    \
		MEMBER(member), ALL, (value) \
	}
#define LONG_MODE SET(efer, EFER_LME | EFER_LMA)

/* Of a guest in protected mode without paging, as Multiboot kernels start. */
/* clang-format off */
static const struct broken cases[] = {
	/* 15.5.1 */
	{ "efer-svme", { CLEAR(efer, EFER_SVME) } },
	{ "cr0-nw-without-cd", { CLEAR(cr0, CR0_CD), SET(cr0, CR0_NW) } },
	{ "cr0-high", { SET(cr0, BIT64(32)) } },
	{ "cr3", { LONG_MODE, SET(cr0, CR0_PG | CR0_PE), SET(cr4, CR4_PAE), SET(cr3, BEYOND_WIDTH) } },
	{ "cr4", { SET(cr4, BIT64(31)) } },
	{ "cr4-high", { SET(cr4, BIT64(32)) } },
	{ "dr6", { SET(dr6, BIT64(32)) } },
	{ "dr7", { SET(dr7, BIT64(32)) } },
	{ "efer-reserved", { SET(efer, BIT64(30)) } },
	{ "efer-high", { SET(efer, BIT64(32)) } },
	{ "lme-without-pae", { LONG_MODE, SET(cr0, CR0_PG | CR0_PE), CLEAR(cr4, CR4_PAE) } },
	{ "lme-without-pe", { LONG_MODE, SET(cr0, CR0_PG), CLEAR(cr0, CR0_PE), SET(cr4, CR4_PAE) } },
	{ "cs-l-and-d", { LONG_MODE, SET(cr0, CR0_PG | CR0_PE), SET(cr4, CR4_PAE), SET(cs.attrib, ATTRIB_L | ATTRIB_D) } },
	{ "vmrun-intercept", { CLEAR(intercept4, INTERCEPT_VMRUN) } },
	{ "iopm", { SET(iopm_base, BEYOND_WIDTH) } },
	{ "msrpm", { SET(msrpm_base, BEYOND_WIDTH) } },
	{ "asid-zero", { BE(asid, 0) } },
	/* 15.20 */
	{ "event-type", { BE(event_inj, EVENT(EVENT_TYPE_RESERVED, 0)) } },
	{ "event-vector", { BE(event_inj, EVENT(SVM_EVENT_EXCEPTION, 32)) } },
	{ "event-nmi-vector", { BE(event_inj, EVENT(SVM_EVENT_EXCEPTION, VEC_NMI)) } },
	/* 15.25.4 */
	{ "ncr3", { SET(n_cr3, BEYOND_WIDTH) } },
	{ "pat", { SET(g_pat, ALL) } },
};
/* clang-format on */

static void apply(struct vcpu *v, const struct broken *b)
{
	struct vmcb *c = v->svm->vmcb;

	for (unsigned int i = 0; i < EDITS; i++) {
		const struct edit *e = &b->edit[i];
		u8 *member = (u8 *)c + e->offset;
		u64 value = 0;

		memcpy(&value, member, e->size);
		value = (value & ~e->clear) | e->set;
		memcpy(member, &value, e->size);
	}
	c->clean = 0;
	v->svm->injected = c->event_inj;
}

static void say_check(const struct vcpu *v, const struct broken *b)
{
	struct svm_violation found;
	char before[64];

	snprintf(before, sizeof(before), "break-entry %s: check", b->name);
	if (svm_find_violation(v, v->svm->vmcb->event_inj, &found))
		svm_print_violation(before, &found);
	else
		pr_err("%s: nothing found", before);
}

static void say_verdict(const struct vcpu *v, const struct broken *b)
{
	u64 code = v->svm->vmcb->exit_code;

	if ((u32)code == (u32)SVM_EXIT_INVALID)
		pr_err("break-entry %s: processor: VMEXIT_INVALID", b->name);
	else
		pr_err("break-entry %s: processor: enters, exit code %lx", b->name, code);
}

static void break_all(struct vcpu *v)
{
	static struct vmcb kept;
	u64 gpr[NR_GPRS];

	memcpy(&kept, v->svm->vmcb, sizeof(kept));
	memcpy(gpr, v->gpr, sizeof(gpr));
	printk_guest_running(false);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!entry_debug_wants(cases[i].name))
			continue;
		apply(v, &cases[i]);
		say_check(v, &cases[i]);
		svm_enter(v, v->svm->vmcb_pa, v->svm->host_vmcb_pa);
		say_verdict(v, &cases[i]);
		memcpy(v->svm->vmcb, &kept, sizeof(kept));
		memcpy(v->gpr, gpr, sizeof(gpr));
	}
	v->svm->vmcb->clean = 0;
	v->svm->injected = kept.event_inj;
	pr_err("break-entry: done");
	printk_guest_running(true);
}

static void break_one(struct vcpu *v, const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		if (strcmp(cases[i].name, name) == 0) {
			apply(v, &cases[i]);
			return;
		}
	}
	pr_err("break-entry: there is no case %s", name);
}

void svm_debug_entry(struct vcpu *v)
{
	struct svm_violation found = { 0 };

	switch (entry_debug_next()) {
	case ENTRY_BREAK_ALL:
		break_all(v);
		break;
	case ENTRY_BREAK_ONE:
		break_one(v, entry_debug_case());
		break;
	case ENTRY_CHECK:
		break;
	}
	if (entry_debug_checked(svm_find_violation(v, v->svm->vmcb->event_inj, &found), found.rule))
		svm_print_violation("entry check", &found);
}
