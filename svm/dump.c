/* SPDX-License-Identifier: MIT */
/*
 * The VMCB in a report, and the rule that a failed entry violates: AMD64 APM vol. 2 rev. 3.42, 15.5.1 and appendix B.
 */
#include "check.h"
#include "policy.h"
#include "printk.h"
#include "svm.h"

/* Bits of EFER that CPUID does not tell of, as a processor may have them (3.1.7); bits 7:1 read as 0. */
#define EFER_UNTOLD \
	(EFER_SVME | EFER_LMSLE | EFER_MCOMMIT | EFER_INTWB | EFER_UAIE | EFER_AIBRSE | 0xfeU)

bool svm_find_violation(const struct vcpu *v, u64 event_inj, struct svm_violation *out)
{
	const struct svm_image image = {
		.vmcb = v->svm->vmcb,
		.event_inj = event_inj,
		.phys_bits = policy_maxphyaddr(),
		.cr4_known = policy_cr4_allowed() | policy_cr4_hidden(),
		.efer_known = policy_efer_allowed() | EFER_UNTOLD,
		.long_mode = true,
	};

	return svm_check(&image, out);
}

void svm_print_violation(const char *before, const struct svm_violation *f)
{
	pr_err("%s: %s: %s = %lx (APM vol. 2 %s)", before, svm_rules[f->rule].text,
	       svm_field_name[f->field], f->value, svm_rules[f->rule].section);
}

static bool report_violation(const struct vcpu *v)
{
	struct svm_violation found;

	if (!svm_find_violation(v, v->svm->injected, &found))
		return false;
	svm_print_violation("  VM entry", &found);
	return true;
}

static void dump_seg(const char *name, const struct vmcb_seg *s)
{
	pr_err("  %-4s sel %04x attrib %03x limit %08x base %016lx", name, s->selector, s->attrib,
	       s->limit, s->base);
}

void svm_dump(struct vcpu *v)
{
	const struct vmcb *c = v->svm->vmcb;

	pr_err("VMCB at %lx:", v->svm->vmcb_pa);
	if (v->exit.kind == EXIT_ENTRY_FAILURE && !report_violation(v))
		pr_err("  VM entry: no rule is violated by what the processor left here; a debug build checks beforehand");
	pr_err("  exitcode %lx info1 %lx info2 %lx intinfo %lx eventinj %lx", c->exit_code,
	       c->exit_info1, c->exit_info2, c->exit_int_info, c->event_inj);
	pr_err("  intercepts cr %08x dr %08x exc %08x v3 %08x v4 %08x v5 %08x", c->intercept_cr,
	       c->intercept_dr, c->intercept_exceptions, c->intercept3, c->intercept4,
	       c->intercept5);
	pr_err("  asid %u tlb %u vintr %lx shadow %lx ncr3 %lx clean %x nrip %lx", c->asid,
	       c->tlb_control, c->vintr, c->interrupt_shadow, c->n_cr3, c->clean, c->nrip);
	pr_err("  efer %lx cpl %u dr6 %lx dr7 %lx gpat %lx", c->efer, c->cpl, c->dr6, c->dr7,
	       c->g_pat);
	dump_seg("gdtr", &c->gdtr);
	dump_seg("idtr", &c->idtr);
}
