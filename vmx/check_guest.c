/* SPDX-License-Identifier: MIT */
/*
 * The checks that a VM entry makes on the guest's state: SDM vol. 3 rev. 083, 27.3.1. The rules are listed in rules.h.
 */
#include "check_priv.h"
#include "msr.h"

/* Bits without a meaning in any processor: SDM vol. 4, table 2-2. */
#define DEBUGCTL_RESERVED (~UINT64_C(0xffc7))
#define DR7_HIGH	  (~UINT64_C(0xffffffff))
#define RFLAGS_RESERVED	  (~UINT64_C(0x3fffff) | BIT64(15) | BIT64(5) | BIT64(3))
#define RIGHTS_RESERVED	  0xfffe0f00U
#define PENDING_RESERVED \
	(~(UINT64_C(0xf) | PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS | PENDING_DEBUG_RTM))
#define INTR_RESERVED	   0xffffffe0U
#define SELECTOR_TI	   BIT(2)
#define TABLE_LIMIT_MAX	   0xffffU
#define PAE_PDPTE_RESERVED 0x1e6U
#define V86_LIMIT	   0xffffU
#define V86_RIGHTS	   0xf3U
#define LINEAR_BITS	   48

/* Types of code and data segments: SDM vol. 3 table 3-1. */
#define TYPE_DATA	   (SEG_W | SEG_A)
#define TYPE_EXPAND_DOWN   (SEG_E | SEG_W | SEG_A)
#define TYPE_LAST_WITH_DPL 11U /* data and code that does not conform */

enum {
	ES,
	CS,
	SS,
	DS,
	FS,
	GS,
	LDTR,
	TR,
};

static bool unrestricted(const struct vmx_image *in)
{
	return CONTROL(PROC2_UNRESTRICTED_GUEST);
}

/* --- 27.3.1.1 --------------------------------------------------------------------------------------- */

static bool check_control(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 cr0 = F(GUEST_CR0), cr4 = F(GUEST_CR4);
	u64 exempt = unrestricted(in) ? CR0_PE | CR0_PG : 0;

	/* Entries ignore CD and NW. */
	RULE(vmx_fixed_bits(cr0 & ~(CR0_CD | CR0_NW), in->caps->cr0_fixed0 & ~exempt,
			    in->caps->cr0_fixed1),
	     GUEST_CR0, CR0_FIXED);
	RULE(!(cr0 & CR0_PG) || (cr0 & CR0_PE), GUEST_CR0, CR0_PG_WITHOUT_PE);
	RULE(vmx_fixed_bits(cr4, in->caps->cr4_fixed0, in->caps->cr4_fixed1), GUEST_CR4, CR4_FIXED);
	RULE(!(cr4 & CR4_CET) || (cr0 & CR0_WP), GUEST_CR4, CET_WITHOUT_WP);
	if (CONTROL(ENTRY_LOAD_DEBUG))
		RULE(!(F(GUEST_DEBUGCTL) & DEBUGCTL_RESERVED), GUEST_DEBUGCTL, DEBUGCTL_BITS);
	if (CONTROL(ENTRY_IA32E)) {
		RULE(cr0 & CR0_PG, GUEST_CR0, IA32E_WITHOUT_PG);
		RULE(cr4 & CR4_PAE, GUEST_CR4, IA32E_WITHOUT_PAE);
	} else {
		RULE(!(cr4 & CR4_PCIDE), GUEST_CR4, PCIDE_OUTSIDE_IA32E);
	}
	RULE(vmx_address_fits(in, F(GUEST_CR3)), GUEST_CR3, CR3_WIDTH);
	if (CONTROL(ENTRY_LOAD_DEBUG))
		RULE(!(F(GUEST_DR7) & DR7_HIGH), GUEST_DR7, DR7_BITS);
	return false;
}

static bool check_msrs(const struct vmx_image *in, struct vmx_violation *out)
{
	bool lma = F(GUEST_EFER) & EFER_LMA, lme = F(GUEST_EFER) & EFER_LME;

	RULE(CANONICAL(F(GUEST_SYSENTER_ESP)), GUEST_SYSENTER_ESP, SYSENTER);
	RULE(CANONICAL(F(GUEST_SYSENTER_EIP)), GUEST_SYSENTER_EIP, SYSENTER);
	if (CONTROL(ENTRY_LOAD_PAT))
		RULE(vmx_pat_valid(F(GUEST_PAT)), GUEST_PAT, PAT_TYPE);
	if (CONTROL(ENTRY_LOAD_EFER)) {
		RULE(!(F(GUEST_EFER) & EFER_RESERVED), GUEST_EFER, EFER_RESERVED_BITS);
		RULE(lma == CONTROL(ENTRY_IA32E), GUEST_EFER, EFER_LMA_CONTROL);
		RULE(!(F(GUEST_CR0) & CR0_PG) || lma == lme, GUEST_EFER, EFER_LMA_LME);
	}
	return false;
}

/* --- 27.3.1.2 --------------------------------------------------------------------------------------- */

#define SELECTOR_AT(s) (VMCS_INDEX_GUEST_ES_SELECTOR + (s))
#define LIMIT_AT(s)    (VMCS_INDEX_GUEST_ES_LIMIT + (s))
#define RIGHTS_AT(s)   (VMCS_INDEX_GUEST_ES_RIGHTS + (s))
#define BASE_AT(s)     (VMCS_INDEX_GUEST_ES_BASE + (s))

#define SELECTOR(s) ((u32)in->f[SELECTOR_AT(s)])
#define LIMIT(s)    ((u32)in->f[LIMIT_AT(s)])
#define RIGHTS(s)   ((u32)in->f[RIGHTS_AT(s)])
#define BASE(s)	    (in->f[BASE_AT(s)])
#define USABLE(s)   (!(RIGHTS(s) & RIGHTS_UNUSABLE))
#define TYPE(s)	    (RIGHTS(s) & SEG_TYPE_MASK)
#define RPL(s)	    (SELECTOR(s) & 3U)

static bool check_v86(const struct vmx_image *in, struct vmx_violation *out)
{
	for (unsigned int s = ES; s <= GS; s++) {
		RULE_AT(BASE(s) == (u64)SELECTOR(s) << 4, BASE_AT(s), V86_BASE);
		RULE_AT(LIMIT(s) == V86_LIMIT, LIMIT_AT(s), V86_LIMIT);
		RULE_AT(RIGHTS(s) == V86_RIGHTS, RIGHTS_AT(s), V86_RIGHTS);
	}
	return false;
}

static bool check_bases(const struct vmx_image *in, struct vmx_violation *out)
{
	for (unsigned int s = FS; s <= TR; s++)
		if (s != LDTR || USABLE(LDTR))
			RULE_AT(CANONICAL(BASE(s)), BASE_AT(s), BASE_CANONICAL);
	for (unsigned int s = ES; s <= DS; s++)
		if (s == CS || USABLE(s))
			RULE_AT(!(BASE(s) >> 32), BASE_AT(s), BASE_HIGH);
	return false;
}

static bool check_cs(const struct vmx_image *in, struct vmx_violation *out)
{
	u32 r = RIGHTS(CS), type = TYPE(CS), dpl = SEG_DPL(r), ss_dpl = SEG_DPL(RIGHTS(SS));
	bool code = (type & SEG_CODE) && (type & SEG_A);

	RULE(code || (type == TYPE_DATA && unrestricted(in)), GUEST_CS_RIGHTS, CS_TYPE);
	if (!code)
		RULE(dpl == 0, GUEST_CS_RIGHTS, CS_DATA_DPL);
	else if (!(type & SEG_E))
		RULE(dpl == ss_dpl, GUEST_CS_RIGHTS, CS_DPL);
	else
		RULE(dpl <= ss_dpl, GUEST_CS_RIGHTS, CS_CONFORMING_DPL);
	RULE(!CONTROL(ENTRY_IA32E) || !(r & SEG_L) || !(r & SEG_DB), GUEST_CS_RIGHTS, CS_L_AND_D);
	return false;
}

static bool check_ss(const struct vmx_image *in, struct vmx_violation *out)
{
	u32 dpl = SEG_DPL(RIGHTS(SS));

	if (USABLE(SS))
		RULE(TYPE(SS) == TYPE_DATA || TYPE(SS) == TYPE_EXPAND_DOWN, GUEST_SS_RIGHTS,
		     SS_TYPE);
	if (!unrestricted(in)) {
		RULE(RPL(SS) == RPL(CS), GUEST_SS_SELECTOR, SS_RPL);
		RULE(dpl == RPL(SS), GUEST_SS_RIGHTS, SS_DPL);
	}
	if (TYPE(CS) == TYPE_DATA || !(F(GUEST_CR0) & CR0_PE))
		RULE(dpl == 0, GUEST_SS_RIGHTS, SS_REAL_DPL);
	return false;
}

static bool check_data(const struct vmx_image *in, struct vmx_violation *out, unsigned int s)
{
	u32 type = TYPE(s);

	RULE_AT(type & SEG_A, RIGHTS_AT(s), DATA_NOT_ACCESSED);
	RULE_AT(!(type & SEG_CODE) || (type & SEG_R), RIGHTS_AT(s), DATA_EXECUTE_ONLY);
	RULE_AT(unrestricted(in) || type > TYPE_LAST_WITH_DPL || SEG_DPL(RIGHTS(s)) >= RPL(s),
		RIGHTS_AT(s), DATA_DPL);
	return false;
}

/* What all usable registers have in common, LDTR and TR too. */
static bool check_common(const struct vmx_image *in, struct vmx_violation *out, unsigned int s)
{
	u32 r = RIGHTS(s), limit = LIMIT(s);

	RULE_AT(r & SEG_P, RIGHTS_AT(s), SEGMENT_ABSENT);
	RULE_AT(!(r & RIGHTS_RESERVED), RIGHTS_AT(s), RIGHTS_RESERVED);
	RULE_AT((limit & 0xfffU) == 0xfffU || !(r & SEG_G), RIGHTS_AT(s), GRANULARITY_SET);
	RULE_AT(!(limit >> 20) || (r & SEG_G), RIGHTS_AT(s), GRANULARITY_CLEAR);
	return false;
}

static bool check_rights(const struct vmx_image *in, struct vmx_violation *out)
{
	if (check_cs(in, out) || check_ss(in, out))
		return true;
	for (unsigned int s = ES; s <= GS; s++) {
		if (s != CS && !USABLE(s))
			continue;
		if (s != CS && s != SS && check_data(in, out, s))
			return true;
		RULE_AT(RIGHTS(s) & SEG_S, RIGHTS_AT(s), SEGMENT_SYSTEM);
		if (check_common(in, out, s))
			return true;
	}
	return false;
}

static bool check_system_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	u32 busy = TYPE(TR);

	RULE(!(SELECTOR(TR) & SELECTOR_TI), GUEST_TR_SELECTOR, TR_TI);
	RULE(busy == SEG_TYPE_TSS_BUSY || (busy == SEG_TYPE_TSS16_BUSY && !CONTROL(ENTRY_IA32E)),
	     GUEST_TR_RIGHTS, TR_TYPE);
	RULE(!(RIGHTS(TR) & SEG_S), GUEST_TR_RIGHTS, TR_NOT_SYSTEM);
	RULE(USABLE(TR), GUEST_TR_RIGHTS, TR_UNUSABLE);
	if (check_common(in, out, TR))
		return true;
	if (!USABLE(LDTR))
		return false;
	RULE(!(SELECTOR(LDTR) & SELECTOR_TI), GUEST_LDTR_SELECTOR, LDTR_TI);
	RULE(TYPE(LDTR) == SEG_TYPE_LDT, GUEST_LDTR_RIGHTS, LDTR_TYPE);
	RULE(!(RIGHTS(LDTR) & SEG_S), GUEST_LDTR_RIGHTS, LDTR_NOT_SYSTEM);
	return check_common(in, out, LDTR);
}

static bool check_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	bool v86 = F(GUEST_RFLAGS) & RFLAGS_VM;

	return check_bases(in, out) || (v86 ? check_v86(in, out) : check_rights(in, out)) ||
	       check_system_segments(in, out);
}

/* --- 27.3.1.3, 27.3.1.4 ------------------------------------------------------------------------------- */

static bool check_tables(const struct vmx_image *in, struct vmx_violation *out)
{
	RULE(CANONICAL(F(GUEST_GDTR_BASE)), GUEST_GDTR_BASE, TABLE_BASE);
	RULE(CANONICAL(F(GUEST_IDTR_BASE)), GUEST_IDTR_BASE, TABLE_BASE);
	RULE(F(GUEST_GDTR_LIMIT) <= TABLE_LIMIT_MAX, GUEST_GDTR_LIMIT, TABLE_LIMIT);
	RULE(F(GUEST_IDTR_LIMIT) <= TABLE_LIMIT_MAX, GUEST_IDTR_LIMIT, TABLE_LIMIT);
	return false;
}

static bool check_flow(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 rflags = F(GUEST_RFLAGS), above = F(GUEST_RIP) >> LINEAR_BITS;
	struct injected e = vmx_injected(in);
	bool ia32e = CONTROL(ENTRY_IA32E);

	/* RIP may be one past the lower half, where an instruction ended: bit 47 need not be that of 63:48. */
	if (!ia32e || !(RIGHTS(CS) & SEG_L))
		RULE(!(F(GUEST_RIP) >> 32), GUEST_RIP, RIP_HIGH);
	else
		RULE(above == 0 || above == UINT64_MAX >> LINEAR_BITS, GUEST_RIP, RIP_WIDTH);
	RULE(!(rflags & RFLAGS_RESERVED) && (rflags & RFLAGS_ONE), GUEST_RFLAGS, RFLAGS_BITS);
	RULE(!(rflags & RFLAGS_VM) || (!ia32e && (F(GUEST_CR0) & CR0_PE)), GUEST_RFLAGS,
	     RFLAGS_VM_MODE);
	RULE(!e.valid || e.type != INTINFO_EXTERNAL || (rflags & RFLAGS_IF), GUEST_RFLAGS,
	     INTERRUPT_IF);
	return false;
}

/* --- 27.3.1.5 --------------------------------------------------------------------------------------- */

static bool ends_hlt(const struct injected *e)
{
	switch (e->type) {
	case INTINFO_EXTERNAL:
	case INTINFO_NMI:
	case INTINFO_OTHER:
		return true;
	case INTINFO_EXCEPTION:
		return e->vector == VEC_DB || e->vector == VEC_MC;
	default:
		return false;
	}
}

static bool ends_shutdown(const struct injected *e)
{
	return e->type == INTINFO_NMI || (e->type == INTINFO_EXCEPTION && e->vector == VEC_MC);
}

static bool check_activity(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 activity = F(GUEST_ACTIVITY);
	struct injected e = vmx_injected(in);

	RULE(activity == ACTIVITY_ACTIVE || (activity <= ACTIVITY_WAIT_FOR_SIPI &&
					     (in->caps->misc & VMX_MISC_ACTIVITY(activity))),
	     GUEST_ACTIVITY, ACTIVITY_UNKNOWN);
	RULE(activity != ACTIVITY_HLT || SEG_DPL(RIGHTS(SS)) == 0, GUEST_ACTIVITY, HLT_CPL);
	RULE(activity == ACTIVITY_ACTIVE || !(F(GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS)),
	     GUEST_ACTIVITY, INACTIVE_IN_SHADOW);
	if (!e.valid)
		return false;
	RULE(activity != ACTIVITY_HLT || ends_hlt(&e), ENTRY_INTERRUPTION_INFO, EVENT_IN_HLT);
	RULE(activity != ACTIVITY_SHUTDOWN || ends_shutdown(&e), ENTRY_INTERRUPTION_INFO,
	     EVENT_IN_SHUTDOWN);
	RULE(activity != ACTIVITY_WAIT_FOR_SIPI, ENTRY_INTERRUPTION_INFO, EVENT_IN_WAIT);
	return false;
}

static bool check_interruptibility(const struct vmx_image *in, struct vmx_violation *out)
{
	u32 intr = (u32)F(GUEST_INTERRUPTIBILITY);
	struct injected e = vmx_injected(in);

	RULE(!(intr & INTR_RESERVED), GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_BITS);
	RULE(!(intr & INTR_STI) || !(intr & INTR_MOV_SS), GUEST_INTERRUPTIBILITY, STI_AND_MOV_SS);
	RULE(!(intr & INTR_STI) || (F(GUEST_RFLAGS) & RFLAGS_IF), GUEST_INTERRUPTIBILITY,
	     STI_WITHOUT_IF);
	if (e.valid && e.type == INTINFO_EXTERNAL)
		RULE(!(intr & (INTR_STI | INTR_MOV_SS)), GUEST_INTERRUPTIBILITY,
		     INTERRUPT_IN_SHADOW);
	if (e.valid && e.type == INTINFO_NMI) {
		RULE(!(intr & INTR_MOV_SS), GUEST_INTERRUPTIBILITY, NMI_IN_MOV_SS);
		RULE(!(intr & INTR_STI), GUEST_INTERRUPTIBILITY, NMI_IN_STI);
		RULE(!CONTROL(PIN_VIRTUAL_NMIS) || !(intr & INTR_NMI), GUEST_INTERRUPTIBILITY,
		     NMI_BLOCKED);
	}
	RULE(!(intr & INTR_SMI), GUEST_INTERRUPTIBILITY, SMI_BLOCKED);
	if (intr & INTR_ENCLAVE) {
		RULE(!(intr & INTR_MOV_SS), GUEST_INTERRUPTIBILITY, ENCLAVE_IN_MOV_SS);
		RULE(in->sgx, GUEST_INTERRUPTIBILITY, ENCLAVE_MISSING);
	}
	return false;
}

static bool check_pending(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 pending = F(GUEST_PENDING_DEBUG), intr = F(GUEST_INTERRUPTIBILITY);
	bool held = (intr & (INTR_STI | INTR_MOV_SS)) || F(GUEST_ACTIVITY) == ACTIVITY_HLT;
	bool stepping = (F(GUEST_RFLAGS) & RFLAGS_TF) && !(F(GUEST_DEBUGCTL) & DEBUGCTL_BTF);
	bool step = pending & PENDING_DEBUG_BS;

	RULE(!(pending & PENDING_RESERVED), GUEST_PENDING_DEBUG, PENDING_BITS);
	if (pending & PENDING_DEBUG_RTM) {
		RULE(pending == (PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED), GUEST_PENDING_DEBUG,
		     PENDING_RTM);
		RULE(in->rtm, GUEST_PENDING_DEBUG, PENDING_RTM_MISSING);
		RULE(!(intr & INTR_MOV_SS), GUEST_PENDING_DEBUG, PENDING_RTM_MOV_SS);
	}
	RULE(!held || !stepping || step, GUEST_PENDING_DEBUG, PENDING_STEP_MISSING);
	RULE(!held || stepping || !step, GUEST_PENDING_DEBUG, PENDING_STEP_EXTRA);
	return false;
}

static bool check_link(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 link = F(VMCS_LINK_POINTER);

	if (link == VMCS_LINK_NONE)
		return false;
	RULE(vmx_page_address(in, link), VMCS_LINK_POINTER, LINK_ADDRESS);
	RULE(link != in->address, VMCS_LINK_POINTER, LINK_CURRENT);
	return false;
}

/* --- 27.3.1.6 --------------------------------------------------------------------------------------- */

static bool check_pdptes(const struct vmx_image *in, struct vmx_violation *out)
{
	bool pae = (F(GUEST_CR0) & CR0_PG) && (F(GUEST_CR4) & CR4_PAE) && !CONTROL(ENTRY_IA32E);

	if (!pae || !CONTROL(PROC2_EPT))
		return false;
	for (unsigned int i = VMCS_INDEX_GUEST_PDPTE0; i <= VMCS_INDEX_GUEST_PDPTE3; i++)
		RULE_AT(!(in->f[i] & PTE_P) || (!(in->f[i] & PAE_PDPTE_RESERVED) &&
						vmx_address_fits(in, in->f[i])),
			i, PDPTE_RESERVED);
	return false;
}

bool vmx_check_guest(const struct vmx_image *in, struct vmx_violation *out)
{
	return check_control(in, out) || check_msrs(in, out) || check_segments(in, out) ||
	       check_tables(in, out) || check_flow(in, out) || check_activity(in, out) ||
	       check_interruptibility(in, out) || check_pending(in, out) || check_link(in, out) ||
	       check_pdptes(in, out);
}
