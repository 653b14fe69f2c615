/* SPDX-License-Identifier: MIT */
/*
 * The VMCS in a report: SDM vol. 3 rev. 083, 31.4 (instruction errors), 27.8 (failed entries).
 */
#include "check.h"
#include "cpuid.h"
#include "policy.h"
#include "printk.h"
#include "vmx.h"

/* VM-instruction errors: table 31-1, those that an entry can meet. */
static const char *const instruction_error[] = {
	[3] = "VMPTRLD with an invalid address",
	[4] = "VMLAUNCH with a VMCS that is not clear",
	[5] = "VMRESUME with a VMCS that is not launched",
	[6] = "VMRESUME after VMXOFF",
	[7] = "invalid control fields",
	[8] = "invalid host state",
	[9] = "VMPTRLD of the VMXON region",
	[11] = "VMPTRLD with another revision identifier",
	[12] = "VMREAD or VMWRITE of a field that does not exist",
	[13] = "VMWRITE to a read-only field",
	[26] = "entry with events blocked by MOV SS",
};

/* Exit qualification of an entry that failed for the guest's state: 27.8. */
static const char *entry_qualification(u64 q)
{
	switch (q) {
	case 2:
		return "a PDPTE";
	case 3:
		return "an NMI while blocked by STI";
	case 4:
		return "the VMCS link pointer";
	default:
		return "guest state";
	}
}

bool vmx_find_violation(const struct vcpu *v, struct vmx_violation *out)
{
	static struct vmx_image image; /* large; checks come one at a time */
	u32 features = cpuid(CPUID_FEATURES, 0).ebx;

	image.caps = &vmx_caps;
	image.phys_bits = policy_maxphyaddr();
	image.address = v->vmx->vmcs_pa;
	image.vtpr = v->vmx->vapic[VAPIC_TPR];
	image.sgx = features & CPUID_7_EBX_SGX;
	image.rtm = features & CPUID_7_EBX_RTM;
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++)
		image.f[i] =
			vmcs_field_exists(&vmcs_fields[i]) ? vmcs_read(vmcs_fields[i].encoding) : 0;
	return vmx_check(&image, out);
}

void vmx_print_violation(const char *before, const struct vmx_violation *f)
{
	pr_err("%s: %s: %s = %lx (SDM vol. 3 %s)", before, vmx_rules[f->rule].text,
	       vmcs_fields[f->field].name, f->value, vmx_rules[f->rule].section);
}

static bool report_violation(const struct vcpu *v)
{
	struct vmx_violation found;

	if (!vmx_find_violation(v, &found))
		return false;
	vmx_print_violation("  VM entry", &found);
	return true;
}

static void dump_failure(const struct vcpu *v)
{
	u32 error = v->vmx->failure;
	const char *name = error < ARRAY_SIZE(instruction_error) ? instruction_error[error] : NULL;

	if (v->exit.kind == EXIT_ENTRY_FAILURE && !report_violation(v))
		pr_err("  VM entry: no rule that Plinth knows is violated");
	if (error)
		pr_err("  entry refused: VM-instruction error %u, %s (SDM vol. 3 31.4)", error,
		       name ? name : "unnamed");
	if (!(v->exit.raw & EXIT_REASON_ENTRY_FAILURE) || v->exit.kind != EXIT_ENTRY_FAILURE)
		return;
	switch (v->exit.raw & EXIT_REASON_BASIC) {
	case REASON_ENTRY_GUEST_STATE:
		pr_err("  entry failed: %s is invalid (SDM vol. 3 27.8)",
		       entry_qualification(v->exit.info[0]));
		break;
	case REASON_ENTRY_MSR_LOADING:
		pr_err("  entry failed: MSR %lu of the list cannot be loaded (SDM vol. 3 27.4)",
		       v->exit.info[0]);
		break;
	default:
		pr_err("  entry failed: machine check (SDM vol. 3 27.9)");
		break;
	}
}

void vmx_dump(struct vcpu *v)
{
	pr_err("VMCS at %lx (fields not listed are 0):", v->vmx->vmcs_pa);
	dump_failure(v);
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		u64 value;

		if (!vmcs_field_exists(f))
			continue;
		value = vmcs_read(f->encoding);
		if (value)
			pr_err("  %04x %-24s %lx", f->encoding, f->name, value);
	}
}
