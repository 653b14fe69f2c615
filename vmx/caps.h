/* SPDX-License-Identifier: MIT */
/*
 * What a processor's VT-x can do, and the controls chosen from it. SDM vol. 3 rev. 083, appendix A.
 */
#ifndef PLINTH_VMX_CAPS_H
#define PLINTH_VMX_CAPS_H

#include "vmcs.h"

/* IA32_VMX_BASIC: A.1 */
#define VMX_BASIC_REVISION	 0x7fffffffULL
#define VMX_BASIC_SIZE(b)	 ((u32)((b) >> 32 & 0x1fffU))
#define VMX_BASIC_PHYS32	 BIT64(48)
#define VMX_BASIC_MEMTYPE(b)	 ((u32)((b) >> 50 & 0xfU))
#define VMX_BASIC_INS_OUTS	 BIT64(54)
#define VMX_BASIC_TRUE_CONTROL	 BIT64(55)
#define VMX_BASIC_ANY_ERROR_CODE BIT64(56) /* an injected exception may have one or not */

/* IA32_VMX_MISC: A.6 */
#define VMX_MISC_ACTIVITY(a)	(BIT64(5) << (a)) /* the activity states but the active one */
#define VMX_MISC_CR3_TARGETS(m) ((m) >> 16 & 0x1ffU)
#define VMX_MISC_ZERO_LENGTH	BIT64(30) /* software events of length 0 */

/* IA32_VMX_EPT_VPID_CAP: A.10 */
#define EPT_CAP_WALK_4		 BIT64(6)
#define EPT_CAP_WALK_5		 BIT64(7)
#define EPT_CAP_UC		 BIT64(8)
#define EPT_CAP_WB		 BIT64(14)
#define EPT_CAP_2M		 BIT64(16)
#define EPT_CAP_1G		 BIT64(17)
#define EPT_CAP_INVEPT		 BIT64(20)
#define EPT_CAP_AD		 BIT64(21)
#define EPT_CAP_SSS		 BIT64(23) /* supervisor shadow-stack control */
#define EPT_CAP_INVEPT_ONE	 BIT64(25)
#define EPT_CAP_INVEPT_ALL	 BIT64(26)
#define VPID_CAP_INVVPID	 BIT64(32)
#define VPID_CAP_INVVPID_ADDRESS BIT64(40)
#define VPID_CAP_INVVPID_ONE	 BIT64(41)
#define VPID_CAP_INVVPID_ALL	 BIT64(42)
#define VPID_CAP_INVVPID_GLOBALS BIT64(43) /* single context, but for global translations */

/* IA32_FEATURE_CONTROL: SDM vol. 3 24.7 */
#define FEATURE_CONTROL_VMX BIT64(2) /* outside SMX */

/* A capability word: bits that must be one, bits that may be one (A.2). */
struct vmx_allowed {
	u32 zero; /* the allowed 0-settings: a one here must be one */
	u32 one;  /* the allowed 1-settings */
};

/* The capability MSRs. */
struct vmx_caps {
	u64 basic;
	struct vmx_allowed word[NR_WORDS]; /* the true ones where the processor has them */
	u64 misc;
	u64 ept_vpid;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/* What was negotiated. */
struct vmx_controls {
	u32 word[NR_WORDS];
	bool two_mb, one_gb, ad; /* EPT */
	bool invept_one;	 /* single-context INVEPT, else all contexts */
	bool invept_all;	 /* all contexts; one of the two is there */
	bool invvpid;		 /* with all contexts */
};

static inline bool vmx_allowed(const struct vmx_caps *caps, unsigned int control)
{
	return control == CTL_NONE || (caps->word[CTL_WORD(control)].one & CTL_BIT(control));
}

static inline bool vmx_has(const struct vmx_controls *c, unsigned int control)
{
	return c->word[CTL_WORD(control)] & CTL_BIT(control);
}

/*
 * Chooses the controls: all that are required and what is offered of the optional ones. 0, or
 * -ENOSYS with one line of cause in *why (a buffer that the next call overwrites).
 */
int vmx_negotiate(const struct vmx_caps *caps, struct vmx_controls *out, const char **why);

/* Reads the capability MSRs by read (rdmsr; tests have their own). */
void vmx_caps_read(struct vmx_caps *caps, u64 (*read)(u32 msr));

static inline u64 vmx_fix(u64 value, u64 fixed0, u64 fixed1)
{
	return (value | fixed0) & fixed1;
}

#endif
