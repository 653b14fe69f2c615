/* SPDX-License-Identifier: MIT */
/*
 * The checks that a VM entry makes on controls and host state: SDM vol. 3 rev. 083, 27.2, in the manual's order. An entry
 * that fails tells a number; this tells the rule, the field and the section. The rules are listed in rules.h.
 */
#include "check_priv.h"

#define INTINFO_RESERVED 0x7ffff000U
#define SELECTOR_RPL_TI	 7U
#define INSN_LENGTH_MAX	 15U
#define MSR_ENTRY_BYTES	 16U /* 25.7.2 */
#define EPTP_TYPE(p)	 ((p)&7U)
#define EPTP_WALK(p)	 ((p) >> 3 & 7U)
#define EPTP_WALK_OF_4	 3U
#define EPTP_WALK_OF_5	 4U
#define EPTP_RESERVED	 0xf00U

#define RULE_INFO(name, where, what) [VMX_RULE_##name] = { .section = (where), .text = (what) },
const struct vmx_rule_info vmx_rules[NR_VMX_RULES] = { VMX_RULES(RULE_INFO) };
#undef RULE_INFO

static u32 control_word(const struct vmx_image *in, unsigned int word)
{
	static const u16 index[NR_WORDS] = {
		[WORD_PIN] = VMCS_INDEX_PIN_CONTROLS,	  [WORD_PROC] = VMCS_INDEX_PROC_CONTROLS,
		[WORD_PROC2] = VMCS_INDEX_PROC2_CONTROLS, [WORD_EXIT] = VMCS_INDEX_EXIT_CONTROLS,
		[WORD_ENTRY] = VMCS_INDEX_ENTRY_CONTROLS,
	};

	return (u32)in->f[index[word]];
}

bool vmx_control_set(const struct vmx_image *in, unsigned int control)
{
	unsigned int word = CTL_WORD(control);

	if (word == WORD_PROC2 && !(control_word(in, WORD_PROC) & CTL_BIT(PROC_SECONDARY)))
		return false;
	return control_word(in, word) & CTL_BIT(control);
}

static bool allowed(const struct vmx_image *in, unsigned int word)
{
	u32 value = control_word(in, word);
	const struct vmx_allowed *a = &in->caps->word[word];

	return !(value & ~a->one) && !(~value & a->zero);
}

bool vmx_address_fits(const struct vmx_image *in, u64 address)
{
	return in->phys_bits >= 64 || !(address >> in->phys_bits);
}

bool vmx_page_address(const struct vmx_image *in, u64 address)
{
	return IS_ALIGNED(address, PAGE_SIZE) && vmx_address_fits(in, address);
}

/* The list of MSRs of an entry or exit; with a count of 0 its address does not matter. */
static bool msr_area(const struct vmx_image *in, u64 address, u64 count)
{
	u64 bytes = (u32)count * (u64)MSR_ENTRY_BYTES;

	if (!bytes)
		return true;
	return IS_ALIGNED(address, MSR_ENTRY_BYTES) && vmx_address_fits(in, address) &&
	       vmx_address_fits(in, address + bytes - 1);
}

struct injected vmx_injected(const struct vmx_image *in)
{
	u32 info = (u32)F(ENTRY_INTERRUPTION_INFO);

	return (struct injected){
		.valid = info & INTINFO_VALID,
		.type = info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK,
		.vector = info & INTINFO_VECTOR,
	};
}

/* --- 27.2.1 --------------------------------------------------------------------------------------- */

static bool check_virtual_apic(const struct vmx_image *in, struct vmx_violation *out)
{
	bool shadow = CONTROL(PROC_TPR_SHADOW), delivery = CONTROL(PROC2_VIRTUAL_INTERRUPTS);
	bool accesses = CONTROL(PROC2_APIC_ACCESSES), x2apic = CONTROL(PROC2_X2APIC_MODE);

	if (shadow) {
		RULE(vmx_page_address(in, F(VIRTUAL_APIC_PAGE)), VIRTUAL_APIC_PAGE, VAPIC_ADDRESS);
		RULE(delivery || !(F(TPR_THRESHOLD) >> 4), TPR_THRESHOLD, TPR_THRESHOLD_RESERVED);
		RULE(accesses || delivery || (F(TPR_THRESHOLD) & 0xfU) <= in->vtpr >> 4,
		     TPR_THRESHOLD, TPR_THRESHOLD_HIGH);
	}
	RULE(CONTROL(PIN_NMI) || !CONTROL(PIN_VIRTUAL_NMIS), PIN_CONTROLS, VIRTUAL_NMIS_ALONE);
	RULE(CONTROL(PIN_VIRTUAL_NMIS) || !CONTROL(PROC_NMI_WINDOW), PROC_CONTROLS,
	     NMI_WINDOW_ALONE);
	RULE(shadow || (!x2apic && !CONTROL(PROC2_APIC_REGISTERS) && !delivery), PROC2_CONTROLS,
	     VIRTUAL_APIC_ALONE);
	RULE(!x2apic || !accesses, PROC2_CONTROLS, X2APIC_WITH_ACCESSES);
	RULE(!delivery || CONTROL(PIN_EXTERNAL_INTERRUPT), PROC2_CONTROLS,
	     VIRTUAL_INTERRUPTS_ALONE);
	if (CONTROL(PIN_POSTED_INTERRUPTS)) {
		RULE(delivery, PIN_CONTROLS, POSTED_WITHOUT_DELIVERY);
		RULE(CONTROL(EXIT_ACK_INTERRUPT), PIN_CONTROLS, POSTED_WITHOUT_ACK);
	}
	return false;
}

static bool check_ept(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 eptp = F(EPT_POINTER), cap = in->caps->ept_vpid;

	RULE((EPTP_TYPE(eptp) == MEMTYPE_UC && (cap & EPT_CAP_UC)) ||
		     (EPTP_TYPE(eptp) == MEMTYPE_WB && (cap & EPT_CAP_WB)),
	     EPT_POINTER, EPTP_MEMORY_TYPE);
	RULE((EPTP_WALK(eptp) == EPTP_WALK_OF_4 && (cap & EPT_CAP_WALK_4)) ||
		     (EPTP_WALK(eptp) == EPTP_WALK_OF_5 && (cap & EPT_CAP_WALK_5)),
	     EPT_POINTER, EPTP_LEVELS);
	RULE(!(eptp & EPTP_AD) || (cap & EPT_CAP_AD), EPT_POINTER, EPTP_AD_FLAGS);
	RULE(!(eptp & EPTP_SSS) || (cap & EPT_CAP_SSS), EPT_POINTER, EPTP_SHADOW_STACK);
	RULE(!(eptp & EPTP_RESERVED) && vmx_address_fits(in, eptp), EPT_POINTER,
	     EPTP_RESERVED_BITS);
	return false;
}

static bool check_execution(const struct vmx_image *in, struct vmx_violation *out)
{
	RULE(allowed(in, WORD_PIN), PIN_CONTROLS, PIN_RESERVED);
	RULE(allowed(in, WORD_PROC), PROC_CONTROLS, PROC_RESERVED);
	if (CONTROL(PROC_SECONDARY))
		RULE(allowed(in, WORD_PROC2), PROC2_CONTROLS, PROC2_RESERVED);
	RULE(F(CR3_TARGET_COUNT) <= VMX_MISC_CR3_TARGETS(in->caps->misc), CR3_TARGET_COUNT,
	     CR3_TARGETS);
	if (CONTROL(PROC_IO_BITMAPS)) {
		RULE(vmx_page_address(in, F(IO_BITMAP_A)), IO_BITMAP_A, IO_BITMAP_ADDRESS);
		RULE(vmx_page_address(in, F(IO_BITMAP_B)), IO_BITMAP_B, IO_BITMAP_ADDRESS);
	}
	if (CONTROL(PROC_MSR_BITMAPS))
		RULE(vmx_page_address(in, F(MSR_BITMAP)), MSR_BITMAP, MSR_BITMAP_ADDRESS);
	if (check_virtual_apic(in, out))
		return true;
	if (CONTROL(PROC2_VPID))
		RULE(F(VPID) != 0, VPID, VPID_ZERO);
	if (CONTROL(PROC2_EPT))
		return check_ept(in, out);
	RULE(!CONTROL(PROC2_PML), PROC2_CONTROLS, PML_WITHOUT_EPT);
	RULE(!CONTROL(PROC2_UNRESTRICTED_GUEST), PROC2_CONTROLS, UNRESTRICTED_WITHOUT_EPT);
	return false;
}

static bool check_exit(const struct vmx_image *in, struct vmx_violation *out)
{
	RULE(allowed(in, WORD_EXIT), EXIT_CONTROLS, EXIT_RESERVED);
	RULE(CONTROL(PIN_PREEMPTION_TIMER) || !CONTROL(EXIT_SAVE_PREEMPTION_TIMER), EXIT_CONTROLS,
	     SAVED_TIMER_OFF);
	RULE(msr_area(in, F(EXIT_MSR_STORE), F(EXIT_MSR_STORE_COUNT)), EXIT_MSR_STORE,
	     EXIT_MSR_STORE_ADDRESS);
	RULE(msr_area(in, F(EXIT_MSR_LOAD), F(EXIT_MSR_LOAD_COUNT)), EXIT_MSR_LOAD,
	     EXIT_MSR_LOAD_ADDRESS);
	return false;
}

static bool soft_event(u32 type)
{
	return type == INTINFO_SOFT_INTERRUPT || type == INTINFO_PRIVILEGED ||
	       type == INTINFO_SOFT_EXCEPTION;
}

static bool check_error_code(const struct vmx_image *in, struct vmx_violation *out,
			     const struct injected *e)
{
	bool given = F(ENTRY_INTERRUPTION_INFO) & INTINFO_ERROR;
	bool possible = e->type == INTINFO_EXCEPTION && (F(GUEST_CR0) & CR0_PE);
	/* Processors with shadow stacks leave it to software which exceptions have a code. */
	bool any = in->caps->basic & VMX_BASIC_ANY_ERROR_CODE;
	bool usual = e->vector < 32 && (BIT(e->vector) & VECTORS_WITH_ERROR);

	RULE(given || any || !possible || !usual, ENTRY_INTERRUPTION_INFO,
	     EVENT_ERROR_CODE_MISSING);
	RULE(!given || (possible && (any || usual)), ENTRY_INTERRUPTION_INFO,
	     EVENT_ERROR_CODE_EXTRA);
	if (given)
		RULE(!(F(ENTRY_EXCEPTION_ERROR) >> 16), ENTRY_EXCEPTION_ERROR, ERROR_CODE_RESERVED);
	return false;
}

static bool check_injection(const struct vmx_image *in, struct vmx_violation *out)
{
	struct injected e = vmx_injected(in);
	u64 least = in->caps->misc & VMX_MISC_ZERO_LENGTH ? 0 : 1;

	if (!e.valid)
		return false;
	RULE(e.type != INTINFO_RESERVED_TYPE &&
		     (e.type != INTINFO_OTHER || vmx_allowed(in->caps, PROC_MONITOR_TRAP)),
	     ENTRY_INTERRUPTION_INFO, EVENT_TYPE);
	RULE(e.type != INTINFO_NMI || e.vector == VEC_NMI, ENTRY_INTERRUPTION_INFO,
	     EVENT_NMI_VECTOR);
	RULE(e.type != INTINFO_EXCEPTION || e.vector < 32, ENTRY_INTERRUPTION_INFO,
	     EVENT_EXCEPTION_VECTOR);
	RULE(e.type != INTINFO_OTHER || e.vector == 0, ENTRY_INTERRUPTION_INFO, EVENT_OTHER_VECTOR);
	if (check_error_code(in, out, &e))
		return true;
	RULE(!(F(ENTRY_INTERRUPTION_INFO) & INTINFO_RESERVED), ENTRY_INTERRUPTION_INFO,
	     EVENT_RESERVED_BITS);
	if (soft_event(e.type))
		RULE(F(ENTRY_INSN_LENGTH) >= least && F(ENTRY_INSN_LENGTH) <= INSN_LENGTH_MAX,
		     ENTRY_INSN_LENGTH, EVENT_INSN_LENGTH);
	return false;
}

static bool check_entry(const struct vmx_image *in, struct vmx_violation *out)
{
	RULE(allowed(in, WORD_ENTRY), ENTRY_CONTROLS, ENTRY_RESERVED);
	if (check_injection(in, out))
		return true;
	RULE(msr_area(in, F(ENTRY_MSR_LOAD), F(ENTRY_MSR_LOAD_COUNT)), ENTRY_MSR_LOAD,
	     ENTRY_MSR_LOAD_ADDRESS);
	RULE(!CONTROL(ENTRY_SMM) && !CONTROL(ENTRY_DUAL_MONITOR), ENTRY_CONTROLS, ENTRY_TO_SMM);
	return false;
}

/* --- 27.2.2 to 27.2.4 ------------------------------------------------------------------------------ */

bool vmx_pat_valid(u64 pat)
{
	for (unsigned int i = 0; i < 8; i++) {
		u8 type = (u8)(pat >> 8 * i);

		if (type > MEMTYPE_UC_MINUS || type == 2 || type == 3)
			return false;
	}
	return true;
}

bool vmx_fixed_bits(u64 value, u64 zero, u64 one)
{
	return !(~value & zero) && !(value & ~one);
}

static bool check_host_registers(const struct vmx_image *in, struct vmx_violation *out)
{
	u64 mode = CONTROL(EXIT_HOST_64) ? EFER_LMA | EFER_LME : 0;

	RULE(vmx_fixed_bits(F(HOST_CR0), in->caps->cr0_fixed0, in->caps->cr0_fixed1), HOST_CR0,
	     HOST_CR0_FIXED);
	RULE(vmx_fixed_bits(F(HOST_CR4), in->caps->cr4_fixed0, in->caps->cr4_fixed1), HOST_CR4,
	     HOST_CR4_FIXED);
	RULE(!(F(HOST_CR4) & CR4_CET) || (F(HOST_CR0) & CR0_WP), HOST_CR4, HOST_CET_WITHOUT_WP);
	RULE(vmx_address_fits(in, F(HOST_CR3)), HOST_CR3, HOST_CR3_WIDTH);
	RULE(CANONICAL(F(HOST_SYSENTER_ESP)), HOST_SYSENTER_ESP, HOST_SYSENTER);
	RULE(CANONICAL(F(HOST_SYSENTER_EIP)), HOST_SYSENTER_EIP, HOST_SYSENTER);
	if (CONTROL(EXIT_LOAD_PAT))
		RULE(vmx_pat_valid(F(HOST_PAT)), HOST_PAT, HOST_PAT_TYPE);
	if (CONTROL(EXIT_LOAD_EFER)) {
		RULE(!(F(HOST_EFER) & EFER_RESERVED), HOST_EFER, HOST_EFER_RESERVED);
		RULE((F(HOST_EFER) & (EFER_LMA | EFER_LME)) == mode, HOST_EFER, HOST_EFER_MODE);
	}
	return false;
}

static bool check_host_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	for (unsigned int i = VMCS_INDEX_HOST_ES_SELECTOR; i <= VMCS_INDEX_HOST_TR_SELECTOR; i++)
		RULE_AT(!(in->f[i] & SELECTOR_RPL_TI), i, HOST_SELECTOR_BITS);
	RULE(F(HOST_CS_SELECTOR) != 0, HOST_CS_SELECTOR, HOST_CS_NULL);
	RULE(F(HOST_TR_SELECTOR) != 0, HOST_TR_SELECTOR, HOST_TR_NULL);
	RULE(CONTROL(EXIT_HOST_64) || F(HOST_SS_SELECTOR), HOST_SS_SELECTOR, HOST_SS_NULL);
	for (unsigned int i = VMCS_INDEX_HOST_FS_BASE; i <= VMCS_INDEX_HOST_IDTR_BASE; i++)
		RULE_AT(CANONICAL(in->f[i]), i, HOST_BASE);
	return false;
}

static bool check_host_size(const struct vmx_image *in, struct vmx_violation *out)
{
	RULE(CONTROL(EXIT_HOST_64), EXIT_CONTROLS, HOST_SIZE);
	RULE(F(HOST_CR4) & CR4_PAE, HOST_CR4, HOST_PAE);
	RULE(CANONICAL(F(HOST_RIP)), HOST_RIP, HOST_RIP_CANONICAL);
	return false;
}

bool vmx_check(const struct vmx_image *in, struct vmx_violation *out)
{
	return check_execution(in, out) || check_exit(in, out) || check_entry(in, out) ||
	       check_host_registers(in, out) || check_host_segments(in, out) ||
	       check_host_size(in, out) || vmx_check_guest(in, out);
}
