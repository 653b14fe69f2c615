/* SPDX-License-Identifier: MIT */
/*
 * Which VT-x controls Plinth uses, negotiated against what the processor allows: SDM vol. 3
 * rev. 083, 25.6 to 25.8 and appendix A. Pure: tested over recorded and synthetic capabilities.
 */
#include "caps.h"
#include "errors.h"
#include "lib.h"

/* Capability MSRs: SDM vol. 3 appendix A. */
enum {
	MSR_VMX_BASIC = 0x480,
	MSR_VMX_PIN = 0x481,
	MSR_VMX_PROC = 0x482,
	MSR_VMX_EXIT = 0x483,
	MSR_VMX_ENTRY = 0x484,
	MSR_VMX_MISC = 0x485,
	MSR_VMX_CR0_FIXED0 = 0x486,
	MSR_VMX_CR0_FIXED1 = 0x487,
	MSR_VMX_CR4_FIXED0 = 0x488,
	MSR_VMX_CR4_FIXED1 = 0x489,
	MSR_VMX_PROC2 = 0x48b,
	MSR_VMX_EPT_VPID = 0x48c,
	MSR_VMX_TRUE_PIN = 0x48d,
	MSR_VMX_TRUE_PROC = 0x48e,
	MSR_VMX_TRUE_EXIT = 0x48f,
	MSR_VMX_TRUE_ENTRY = 0x490,
};

enum need {
	REQUIRED,
	OPTIONAL,
	TOLERATED, /* not wanted; where the processor insists on it the exit is handled */
};

/* In the order in which a missing one is named: the well-known features first. */
static const struct {
	u16 control;
	u8 need;
	const char *name;
} table[] = {
	{ PROC_SECONDARY, REQUIRED, "secondary processor-based controls" },
	{ PROC2_EPT, REQUIRED, "EPT (extended page tables)" },
	{ PROC2_UNRESTRICTED_GUEST, REQUIRED, "unrestricted guest" },

	{ PIN_EXTERNAL_INTERRUPT, REQUIRED, "external-interrupt exiting" },
	{ PIN_NMI, REQUIRED, "NMI exiting" },
	{ PIN_VIRTUAL_NMIS, REQUIRED, "virtual NMIs" },

	{ PROC_TSC_OFFSET, REQUIRED, "TSC offsetting" },
	{ PROC_HLT, REQUIRED, "HLT exiting" },
	{ PROC_MWAIT, REQUIRED, "MWAIT exiting" },
	{ PROC_RDPMC, REQUIRED, "RDPMC exiting" },
	{ PROC_IO_BITMAPS, REQUIRED, "I/O bitmaps" },
	{ PROC_MSR_BITMAPS, REQUIRED, "MSR bitmaps" },
	{ PROC_MONITOR, REQUIRED, "MONITOR exiting" },
	{ PROC_TPR_SHADOW, OPTIONAL, "TPR shadow" },
	{ PROC_CR3_LOAD, TOLERATED, "CR3-load exiting" },
	{ PROC_CR3_STORE, TOLERATED, "CR3-store exiting" },

	{ PROC2_RDTSCP, OPTIONAL, "RDTSCP" },
	{ PROC2_VPID, OPTIONAL, "VPID" },
	{ PROC2_WBINVD, OPTIONAL, "WBINVD exiting" },
	{ PROC2_INVPCID, OPTIONAL, "INVPCID" },
	{ PROC2_XSAVES, OPTIONAL, "XSAVES" },

	{ EXIT_SAVE_DEBUG, REQUIRED, "saving debug controls" },
	{ EXIT_HOST_64, REQUIRED, "64-bit host" },
	{ EXIT_LOAD_PAT, REQUIRED, "loading IA32_PAT at exits" },
	{ EXIT_LOAD_EFER, REQUIRED, "loading IA32_EFER at exits" },

	{ ENTRY_LOAD_DEBUG, REQUIRED, "loading debug controls" },
	{ ENTRY_LOAD_PAT, REQUIRED, "loading IA32_PAT at entries" },
	{ ENTRY_LOAD_EFER, REQUIRED, "loading IA32_EFER at entries" },
};

/*
 * Reserved controls whose 0-setting a processor need not allow, the "default1" class: they must
 * follow the capability (A.2 to A.5). Those with a name are in the table.
 */
static const u32 default1[NR_WORDS] = {
	[WORD_PIN] = 0x00000016,  [WORD_PROC] = 0x04006172,  [WORD_PROC2] = 0,
	[WORD_EXIT] = 0x00036dfb, [WORD_ENTRY] = 0x000011fb,
};

static const char *const word_name[NR_WORDS] = {
	[WORD_PIN] = "pin-based control",
	[WORD_PROC] = "processor-based control",
	[WORD_PROC2] = "secondary processor-based control",
	[WORD_EXIT] = "VM-exit control",
	[WORD_ENTRY] = "VM-entry control",
};

static char line[128];

static struct vmx_allowed allowed(u64 msr)
{
	return (struct vmx_allowed){ .zero = (u32)msr, .one = (u32)(msr >> 32) };
}

void vmx_caps_read(struct vmx_caps *caps, u64 (*read)(u32 msr))
{
	bool exact;

	memset(caps, 0, sizeof(*caps));
	caps->basic = read(MSR_VMX_BASIC);
	exact = caps->basic & VMX_BASIC_TRUE_CONTROL;
	caps->word[WORD_PIN] = allowed(read(exact ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN));
	caps->word[WORD_PROC] = allowed(read(exact ? MSR_VMX_TRUE_PROC : MSR_VMX_PROC));
	caps->word[WORD_EXIT] = allowed(read(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT));
	caps->word[WORD_ENTRY] = allowed(read(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY));
	/* These two exist only where something announces them: A.3.3, A.10. */
	if (vmx_allowed(caps, PROC_SECONDARY))
		caps->word[WORD_PROC2] = allowed(read(MSR_VMX_PROC2));
	if (vmx_allowed(caps, PROC2_EPT) || vmx_allowed(caps, PROC2_VPID))
		caps->ept_vpid = read(MSR_VMX_EPT_VPID);
	caps->misc = read(MSR_VMX_MISC);
	caps->cr0_fixed0 = read(MSR_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = read(MSR_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = read(MSR_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = read(MSR_VMX_CR4_FIXED1);
}

static int lacks(const char *what, const char **why)
{
	snprintf(line, sizeof(line), "this processor's VT-x lacks a feature that Plinth needs: %s",
		 what);
	*why = line;
	return -ENOSYS;
}

/* Parts of EPT and of the VMCS that no control stands for. */
static const char *missing_part(const struct vmx_caps *caps)
{
	if (!(caps->ept_vpid & EPT_CAP_WALK_4))
		return "EPT tables of four levels";
	if (!(caps->ept_vpid & EPT_CAP_WB))
		return "write-back EPT tables";
	if (!(caps->ept_vpid & EPT_CAP_INVEPT) ||
	    !(caps->ept_vpid & (EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL)))
		return "INVEPT";
	if (caps->basic & VMX_BASIC_PHYS32)
		return "structures above 4 GiB";
	return NULL;
}

/* What the processor insists on: all of it must be understood. */
static int add_forced(const struct vmx_caps *caps, struct vmx_controls *out, const u32 *tolerated,
		      const char **why)
{
	for (unsigned int w = 0; w < NR_WORDS; w++) {
		u32 forced = caps->word[w].zero & ~out->word[w];
		u32 unknown = forced & ~(default1[w] | tolerated[w]);

		if (w == WORD_PROC2 && !vmx_allowed(caps, PROC_SECONDARY))
			continue;
		if (unknown) {
			snprintf(
				line, sizeof(line),
				"this processor's VT-x insists on %s %d, which Plinth does not know",
				word_name[w], __builtin_ctz(unknown));
			*why = line;
			return -ENOSYS;
		}
		out->word[w] |= forced;
	}
	return 0;
}

int vmx_negotiate(const struct vmx_caps *caps, struct vmx_controls *out, const char **why)
{
	u32 tolerated[NR_WORDS] = { 0 };
	const char *part;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned int word = CTL_WORD(table[i].control);
		u32 bit = CTL_BIT(table[i].control);

		if (table[i].need == TOLERATED)
			tolerated[word] |= bit;
		else if (vmx_allowed(caps, table[i].control))
			out->word[word] |= bit;
		else if (table[i].need == REQUIRED)
			return lacks(table[i].name, why);
	}
	part = missing_part(caps);
	if (part)
		return lacks(part, why);

	/* Without a TPR shadow each access to CR8 exits. */
	if (!vmx_has(out, PROC_TPR_SHADOW)) {
		if (!vmx_allowed(caps, PROC_CR8_LOAD) || !vmx_allowed(caps, PROC_CR8_STORE))
			return lacks("TPR shadow or CR8 exiting", why);
		out->word[WORD_PROC] |= CTL_BIT(PROC_CR8_LOAD) | CTL_BIT(PROC_CR8_STORE);
	}
	out->two_mb = caps->ept_vpid & EPT_CAP_2M;
	out->one_gb = out->two_mb && (caps->ept_vpid & EPT_CAP_1G);
	out->ad = caps->ept_vpid & EPT_CAP_AD;
	out->invept_one = caps->ept_vpid & EPT_CAP_INVEPT_ONE;
	out->invept_all = caps->ept_vpid & EPT_CAP_INVEPT_ALL;
	/* Without a way to drop them, tagged translations are worse than none. */
	out->invvpid =
		(caps->ept_vpid & VPID_CAP_INVVPID) && (caps->ept_vpid & VPID_CAP_INVVPID_ALL);
	if (!out->invvpid)
		out->word[WORD_PROC2] &= ~CTL_BIT(PROC2_VPID);
	return add_forced(caps, out, tolerated, why);
}
