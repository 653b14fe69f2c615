/* SPDX-License-Identifier: MIT */
/*
 * The checks that a VM entry makes on controls, host state and guest state: SDM vol. 3 rev. 083,
 * 27.2 and 27.3.1, in the manual's order. An entry that fails tells a number; this tells the rule,
 * the field and the section. Rules about features that Plinth never turns on are left out.
 */
#include "check.h"
#include "errors.h"
#include "x86.h"

#define F(name)	     (in->f[VMCS_INDEX_##name])
#define CONTROL(c)   ((control_word(in, CTL_WORD(c)) & CTL_BIT(c)) != 0)
#define CANONICAL(x) ((u64)((s64)((x) << 16) >> 16) == (x))

/* Ends the check with a violation. */
#define RULE(holds, name, text, where)                      \
	do {                                                \
		if (!(holds)) {                             \
			*out = (struct vmx_violation){      \
				.rule = (text),             \
				.section = (where),         \
				.field = VMCS_INDEX_##name, \
				.value = F(name),           \
			};                                  \
			return true;                        \
		}                                           \
	} while (0)

/* The same for a field known by its row. */
#define RULE_AT(holds, index, text, where)             \
	do {                                           \
		if (!(holds)) {                        \
			*out = (struct vmx_violation){ \
				.rule = (text),        \
				.section = (where),    \
				.field = (index),      \
				.value = in->f[index], \
			};                             \
			return true;                   \
		}                                      \
	} while (0)

#define DEBUGCTL_RESERVED  (~UINT64_C(0x1ffc3))
#define DR7_HIGH	   (~UINT64_C(0xffffffff))
#define EFER_RESERVED	   (~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
#define RFLAGS_RESERVED	   (~UINT64_C(0x3fffff) | BIT64(15) | BIT64(5) | BIT64(3))
#define RIGHTS_RESERVED	   0xfffe0f00U
#define PENDING_RESERVED   (~(UINT64_C(0xf) | PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS))
#define INTR_RESERVED	   0xffffffe0U
#define INTINFO_RESERVED   0x7ffff000U
#define SELECTOR_RPL_TI	   7U
#define SELECTOR_TI	   BIT(2)
#define TABLE_LIMIT_MAX	   0xffffU
#define PAE_PDPTE_RESERVED 0x1e6U
#define V86_LIMIT	   0xffffU
#define V86_RIGHTS	   0xf3U
#define ACTIVITY_LAST	   3U
#define EPTP_TYPE(p)	   ((p)&7U)
#define EPTP_WALK(p)	   ((p) >> 3 & 7U)
#define EPTP_RESERVED	   0xf80U
#define ERROR_CODE_VECTORS                                                                   \
	(BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
	 BIT(VEC_AC))

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

static u32 control_word(const struct vmx_image *in, unsigned int word)
{
	static const u16 index[NR_WORDS] = {
		[WORD_PIN] = VMCS_INDEX_PIN_CONTROLS,	  [WORD_PROC] = VMCS_INDEX_PROC_CONTROLS,
		[WORD_PROC2] = VMCS_INDEX_PROC2_CONTROLS, [WORD_EXIT] = VMCS_INDEX_EXIT_CONTROLS,
		[WORD_ENTRY] = VMCS_INDEX_ENTRY_CONTROLS,
	};

	return (u32)in->f[index[word]];
}

static bool allowed(const struct vmx_image *in, unsigned int word)
{
	u32 value = control_word(in, word);
	const struct vmx_allowed *a = &in->caps->word[word];

	return !(value & ~a->one) && !(~value & a->zero);
}

static bool fits(const struct vmx_image *in, u64 address)
{
	return in->phys_bits >= 64 || !(address >> in->phys_bits);
}

static bool page(const struct vmx_image *in, u64 address)
{
	return IS_ALIGNED(address, PAGE_SIZE) && fits(in, address);
}

/* --- 27.2.1 --------------------------------------------------------------------------------------- */

static bool check_execution(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.1.1";
	u64 eptp = F(EPT_POINTER);

	RULE(allowed(in, WORD_PIN), PIN_CONTROLS, "reserved pin-based controls", where);
	RULE(allowed(in, WORD_PROC), PROC_CONTROLS, "reserved processor-based controls", where);
	if (CONTROL(PROC_SECONDARY))
		RULE(allowed(in, WORD_PROC2), PROC2_CONTROLS,
		     "reserved secondary processor-based controls", where);
	RULE(F(CR3_TARGET_COUNT) <= 4, CR3_TARGET_COUNT, "CR3-target count above 4", where);
	if (CONTROL(PROC_IO_BITMAPS)) {
		RULE(page(in, F(IO_BITMAP_A)), IO_BITMAP_A, "address of I/O bitmap A", where);
		RULE(page(in, F(IO_BITMAP_B)), IO_BITMAP_B, "address of I/O bitmap B", where);
	}
	if (CONTROL(PROC_MSR_BITMAPS))
		RULE(page(in, F(MSR_BITMAP)), MSR_BITMAP, "address of the MSR bitmaps", where);
	if (CONTROL(PROC_TPR_SHADOW)) {
		RULE(page(in, F(VIRTUAL_APIC_PAGE)), VIRTUAL_APIC_PAGE,
		     "address of the virtual-APIC page", where);
		RULE(!(F(TPR_THRESHOLD) >> 4), TPR_THRESHOLD, "bits 31:4 of the TPR threshold",
		     where);
	}
	RULE(CONTROL(PIN_NMI) || !CONTROL(PIN_VIRTUAL_NMIS), PIN_CONTROLS,
	     "virtual NMIs without NMI exiting", where);
	RULE(CONTROL(PIN_VIRTUAL_NMIS) || !CONTROL(PROC_NMI_WINDOW), PROC_CONTROLS,
	     "NMI-window exiting without virtual NMIs", where);
	if (!CONTROL(PROC_SECONDARY))
		return false;
	if (CONTROL(PROC2_VPID))
		RULE(F(VPID) != 0, VPID, "VPID 0", where);
	if (CONTROL(PROC2_EPT)) {
		RULE(EPTP_TYPE(eptp) == EPTP_WB || EPTP_TYPE(eptp) == 0, EPT_POINTER,
		     "memory type of the EPT tables", where);
		RULE(EPTP_WALK(eptp) == 3, EPT_POINTER, "levels of the EPT tables", where);
		RULE(!(eptp & EPTP_AD) || (in->caps->ept_vpid & EPT_CAP_AD), EPT_POINTER,
		     "EPT accessed and dirty flags that do not exist", where);
		RULE(!(eptp & EPTP_RESERVED) && fits(in, eptp), EPT_POINTER,
		     "reserved bits of the EPT pointer", where);
	}
	RULE(CONTROL(PROC2_EPT) || !CONTROL(PROC2_UNRESTRICTED_GUEST), PROC2_CONTROLS,
	     "unrestricted guest without EPT", where);
	return false;
}

static bool check_exit(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.1.2";

	RULE(allowed(in, WORD_EXIT), EXIT_CONTROLS, "reserved VM-exit controls", where);
	RULE(CONTROL(PIN_PREEMPTION_TIMER) || !CONTROL(EXIT_SAVE_PREEMPTION_TIMER), EXIT_CONTROLS,
	     "saving a preemption timer that is off", where);
	if (F(EXIT_MSR_STORE_COUNT))
		RULE(!(F(EXIT_MSR_STORE) & 15) && fits(in, F(EXIT_MSR_STORE)), EXIT_MSR_STORE,
		     "address of the MSR-store area", where);
	if (F(EXIT_MSR_LOAD_COUNT))
		RULE(!(F(EXIT_MSR_LOAD) & 15) && fits(in, F(EXIT_MSR_LOAD)), EXIT_MSR_LOAD,
		     "address of the MSR-load area", where);
	return false;
}

static bool soft_event(u32 type)
{
	return type == INTINFO_SOFT_INTERRUPT || type == INTINFO_PRIVILEGED ||
	       type == INTINFO_SOFT_EXCEPTION;
}

static bool check_injection(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.1.3";
	u32 info = (u32)F(ENTRY_INTERRUPTION_INFO), vector = info & INTINFO_VECTOR;
	u32 type = info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK;
	bool real = CONTROL(PROC2_UNRESTRICTED_GUEST) && !(F(GUEST_CR0) & CR0_PE);
	bool has_code = type == INTINFO_EXCEPTION && !real && vector < 32 &&
			(BIT(vector) & ERROR_CODE_VECTORS);

	if (!(info & INTINFO_VALID))
		return false;
	RULE(type != 1 && type != INTINFO_OTHER, ENTRY_INTERRUPTION_INFO, "reserved type of event",
	     where);
	RULE(type != INTINFO_NMI || vector == VEC_NMI, ENTRY_INTERRUPTION_INFO,
	     "NMI with another vector than 2", where);
	RULE(type != INTINFO_EXCEPTION || vector < 32, ENTRY_INTERRUPTION_INFO,
	     "exception with a vector above 31", where);
	RULE(!!(info & INTINFO_ERROR) == has_code, ENTRY_INTERRUPTION_INFO,
	     "error code where there is none, or none where there is one", where);
	RULE(!(info & INTINFO_RESERVED), ENTRY_INTERRUPTION_INFO, "reserved bits of the event",
	     where);
	if (info & INTINFO_ERROR)
		RULE(!(F(ENTRY_EXCEPTION_ERROR) >> 16), ENTRY_EXCEPTION_ERROR,
		     "reserved bits of the error code", where);
	if (soft_event(type))
		RULE(F(ENTRY_INSN_LENGTH) >= 1 && F(ENTRY_INSN_LENGTH) <= 15, ENTRY_INSN_LENGTH,
		     "instruction length of a software event", where);
	return false;
}

static bool check_entry(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.1.3";

	RULE(allowed(in, WORD_ENTRY), ENTRY_CONTROLS, "reserved VM-entry controls", where);
	if (F(ENTRY_MSR_LOAD_COUNT))
		RULE(!(F(ENTRY_MSR_LOAD) & 15) && fits(in, F(ENTRY_MSR_LOAD)), ENTRY_MSR_LOAD,
		     "address of the MSR-load area", where);
	RULE(!CONTROL(ENTRY_SMM) && !CONTROL(ENTRY_DUAL_MONITOR), ENTRY_CONTROLS,
	     "entry to SMM from outside SMM", where);
	return check_injection(in, out);
}

/* --- 27.2.2 to 27.2.4 ------------------------------------------------------------------------------ */

static bool pat_valid(u64 pat)
{
	for (unsigned int i = 0; i < 8; i++) {
		u8 type = (u8)(pat >> 8 * i);

		if (type > MEMTYPE_UC_MINUS || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool fixed(u64 value, u64 zero, u64 one)
{
	return !(~value & zero) && !(value & ~one);
}

static bool check_host_registers(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.2";
	bool lma = CONTROL(EXIT_HOST_64);

	RULE(fixed(F(HOST_CR0), in->caps->cr0_fixed0, in->caps->cr0_fixed1), HOST_CR0,
	     "host CR0 against its fixed bits", where);
	RULE(fixed(F(HOST_CR4), in->caps->cr4_fixed0, in->caps->cr4_fixed1), HOST_CR4,
	     "host CR4 against its fixed bits", where);
	RULE(fits(in, F(HOST_CR3)), HOST_CR3, "host CR3 beyond the physical addresses", where);
	RULE(CANONICAL(F(HOST_SYSENTER_ESP)), HOST_SYSENTER_ESP, "not canonical", where);
	RULE(CANONICAL(F(HOST_SYSENTER_EIP)), HOST_SYSENTER_EIP, "not canonical", where);
	if (CONTROL(EXIT_LOAD_PAT))
		RULE(pat_valid(F(HOST_PAT)), HOST_PAT, "host PAT with a reserved type", where);
	if (CONTROL(EXIT_LOAD_EFER)) {
		RULE(!(F(HOST_EFER) & EFER_RESERVED), HOST_EFER, "reserved bits of host EFER",
		     where);
		RULE(!!(F(HOST_EFER) & EFER_LMA) == lma && !!(F(HOST_EFER) & EFER_LME) == lma,
		     HOST_EFER, "host EFER.LMA and LME against the host's address-space size",
		     where);
	}
	return false;
}

static bool check_host_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.3";

	for (unsigned int i = VMCS_INDEX_HOST_ES_SELECTOR; i <= VMCS_INDEX_HOST_TR_SELECTOR; i++)
		RULE_AT(!(in->f[i] & SELECTOR_RPL_TI), i, "RPL or TI of a host selector", where);
	RULE(F(HOST_CS_SELECTOR) != 0, HOST_CS_SELECTOR, "null host CS", where);
	RULE(F(HOST_TR_SELECTOR) != 0, HOST_TR_SELECTOR, "null host TR", where);
	RULE(CONTROL(EXIT_HOST_64) || F(HOST_SS_SELECTOR), HOST_SS_SELECTOR, "null host SS", where);
	for (unsigned int i = VMCS_INDEX_HOST_FS_BASE; i <= VMCS_INDEX_HOST_IDTR_BASE; i++)
		RULE_AT(CANONICAL(in->f[i]), i, "host base that is not canonical", where);
	return false;
}

static bool check_host_size(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.2.4";

	RULE(CONTROL(EXIT_HOST_64), EXIT_CONTROLS, "32-bit host on a 64-bit processor", where);
	RULE(F(HOST_CR4) & CR4_PAE, HOST_CR4, "64-bit host without CR4.PAE", where);
	RULE(CANONICAL(F(HOST_RIP)), HOST_RIP, "host RIP that is not canonical", where);
	return false;
}

/* --- 27.3.1.1 --------------------------------------------------------------------------------------- */

static bool check_guest_control(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.3.1.1";
	u64 cr0 = F(GUEST_CR0), exempt = 0;
	bool ia32e = CONTROL(ENTRY_IA32E);

	if (CONTROL(PROC_SECONDARY) && CONTROL(PROC2_UNRESTRICTED_GUEST))
		exempt = CR0_PE | CR0_PG;
	/* Entries ignore CD and NW. */
	RULE(fixed(cr0 & ~(CR0_CD | CR0_NW), in->caps->cr0_fixed0 & ~exempt, in->caps->cr0_fixed1),
	     GUEST_CR0, "guest CR0 against its fixed bits", where);
	RULE(!(cr0 & CR0_PG) || (cr0 & CR0_PE), GUEST_CR0, "guest CR0.PG without PE", where);
	RULE(fixed(F(GUEST_CR4), in->caps->cr4_fixed0, in->caps->cr4_fixed1), GUEST_CR4,
	     "guest CR4 against its fixed bits", where);
	if (CONTROL(ENTRY_LOAD_DEBUG)) {
		RULE(!(F(GUEST_DEBUGCTL) & DEBUGCTL_RESERVED), GUEST_DEBUGCTL,
		     "reserved bits of DEBUGCTL", where);
		RULE(!(F(GUEST_DR7) & DR7_HIGH), GUEST_DR7, "bits 63:32 of guest DR7", where);
	}
	if (ia32e) {
		RULE(cr0 & CR0_PG, GUEST_CR0, "IA-32e mode without CR0.PG", where);
		RULE(F(GUEST_CR4) & CR4_PAE, GUEST_CR4, "IA-32e mode without CR4.PAE", where);
	} else {
		RULE(!(F(GUEST_CR4) & CR4_PCIDE), GUEST_CR4, "CR4.PCIDE outside IA-32e mode",
		     where);
	}
	RULE(fits(in, F(GUEST_CR3)), GUEST_CR3, "guest CR3 beyond the physical addresses", where);
	RULE(CANONICAL(F(GUEST_SYSENTER_ESP)), GUEST_SYSENTER_ESP, "not canonical", where);
	RULE(CANONICAL(F(GUEST_SYSENTER_EIP)), GUEST_SYSENTER_EIP, "not canonical", where);
	if (CONTROL(ENTRY_LOAD_PAT))
		RULE(pat_valid(F(GUEST_PAT)), GUEST_PAT, "guest PAT with a reserved type", where);
	if (CONTROL(ENTRY_LOAD_EFER)) {
		bool lma = F(GUEST_EFER) & EFER_LMA, lme = F(GUEST_EFER) & EFER_LME;

		RULE(!(F(GUEST_EFER) & EFER_RESERVED), GUEST_EFER, "reserved bits of guest EFER",
		     where);
		RULE(lma == ia32e, GUEST_EFER, "guest EFER.LMA against the IA-32e mode control",
		     where);
		RULE(!(cr0 & CR0_PG) || lma == lme, GUEST_EFER,
		     "guest EFER.LMA != LME while paging", where);
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

static const char segments[] = "27.3.1.2";

static bool granular(u32 limit, u32 rights)
{
	if ((limit & 0xfffU) != 0xfffU && (rights & SEG_G))
		return false;
	return !(limit >> 20) || (rights & SEG_G);
}

static bool check_v86(const struct vmx_image *in, struct vmx_violation *out)
{
	for (unsigned int s = ES; s <= GS; s++) {
		RULE_AT(BASE(s) == (u64)SELECTOR(s) << 4, BASE_AT(s),
			"base in virtual-8086 mode is not selector * 16", segments);
		RULE_AT(LIMIT(s) == V86_LIMIT, LIMIT_AT(s),
			"limit in virtual-8086 mode is not 0xffff", segments);
		RULE_AT(RIGHTS(s) == V86_RIGHTS, RIGHTS_AT(s),
			"access rights in virtual-8086 mode are not 0xf3", segments);
	}
	return false;
}

static bool check_cs(const struct vmx_image *in, struct vmx_violation *out)
{
	bool unrestricted = CONTROL(PROC_SECONDARY) && CONTROL(PROC2_UNRESTRICTED_GUEST);
	u32 r = RIGHTS(CS), type = TYPE(CS), dpl = SEG_DPL(r), ss_dpl = SEG_DPL(RIGHTS(SS));

	RULE(type == 9 || type == 11 || type == 13 || type == 15 || (unrestricted && type == 3),
	     GUEST_CS_RIGHTS, "type of CS is not accessed code", segments);
	RULE(r & SEG_S, GUEST_CS_RIGHTS, "CS is a system segment", segments);
	if (type == 3)
		RULE(dpl == 0, GUEST_CS_RIGHTS, "data CS with DPL != 0", segments);
	else if (type == 9 || type == 11)
		RULE(dpl == ss_dpl, GUEST_CS_RIGHTS, "CS.DPL != SS.DPL", segments);
	else
		RULE(dpl <= ss_dpl, GUEST_CS_RIGHTS, "conforming CS.DPL > SS.DPL", segments);
	RULE(!CONTROL(ENTRY_IA32E) || !(r & SEG_L) || !(r & SEG_DB), GUEST_CS_RIGHTS,
	     "CS.L and CS.D both set", segments);
	return false;
}

static bool check_ss(const struct vmx_image *in, struct vmx_violation *out)
{
	bool unrestricted = CONTROL(PROC_SECONDARY) && CONTROL(PROC2_UNRESTRICTED_GUEST);
	u32 dpl = SEG_DPL(RIGHTS(SS));

	if (USABLE(SS))
		RULE(TYPE(SS) == 3 || TYPE(SS) == 7, GUEST_SS_RIGHTS,
		     "type of SS is not accessed writable data", segments);
	if (!unrestricted) {
		RULE(RPL(SS) == RPL(CS), GUEST_SS_SELECTOR, "SS.RPL != CS.RPL", segments);
		RULE(dpl == RPL(SS), GUEST_SS_RIGHTS, "SS.DPL != SS.RPL", segments);
	}
	if (TYPE(CS) == 3 || !(F(GUEST_CR0) & CR0_PE))
		RULE(dpl == 0, GUEST_SS_RIGHTS, "SS.DPL != 0 in real mode", segments);
	return false;
}

static bool check_data(const struct vmx_image *in, struct vmx_violation *out, unsigned int s)
{
	u32 type = TYPE(s);

	RULE_AT(type & SEG_A, RIGHTS_AT(s), "data segment that is not accessed", segments);
	RULE_AT(!(type & SEG_CODE) || (type & SEG_R), RIGHTS_AT(s),
		"execute-only code in a data segment register", segments);
	return false;
}

static bool check_rights(const struct vmx_image *in, struct vmx_violation *out)
{
	if (check_cs(in, out) || check_ss(in, out))
		return true;
	for (unsigned int s = ES; s <= GS; s++) {
		bool data = s != CS && s != SS;

		if (s != CS && !USABLE(s))
			continue;
		if (data && check_data(in, out, s))
			return true;
		RULE_AT(RIGHTS(s) & SEG_S, RIGHTS_AT(s), "system type in a segment register",
			segments);
		RULE_AT(RIGHTS(s) & SEG_P, RIGHTS_AT(s), "segment that is not present", segments);
		RULE_AT(!(RIGHTS(s) & RIGHTS_RESERVED), RIGHTS_AT(s), "reserved access rights",
			segments);
		RULE_AT(granular(LIMIT(s), RIGHTS(s)), RIGHTS_AT(s),
			"granularity against the limit", segments);
	}
	return false;
}

static bool check_system_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	u32 busy = TYPE(TR);

	RULE(busy == SEG_TYPE_TSS_BUSY || (busy == SEG_TYPE_TSS16_BUSY && !CONTROL(ENTRY_IA32E)),
	     GUEST_TR_RIGHTS, "type of TR is not a busy TSS", segments);
	RULE(!(RIGHTS(TR) & SEG_S) && (RIGHTS(TR) & SEG_P) && USABLE(TR) &&
		     !(RIGHTS(TR) & RIGHTS_RESERVED) && granular(LIMIT(TR), RIGHTS(TR)),
	     GUEST_TR_RIGHTS, "access rights of TR", segments);
	if (USABLE(LDTR))
		RULE(TYPE(LDTR) == SEG_TYPE_LDT && !(RIGHTS(LDTR) & SEG_S) &&
			     (RIGHTS(LDTR) & SEG_P) && !(RIGHTS(LDTR) & RIGHTS_RESERVED) &&
			     granular(LIMIT(LDTR), RIGHTS(LDTR)),
		     GUEST_LDTR_RIGHTS, "access rights of LDTR", segments);
	return false;
}

static bool check_segments(const struct vmx_image *in, struct vmx_violation *out)
{
	bool v86 = F(GUEST_RFLAGS) & RFLAGS_VM;

	RULE(!(SELECTOR(TR) & SELECTOR_TI), GUEST_TR_SELECTOR, "TR in the LDT", segments);
	if (USABLE(LDTR))
		RULE(!(SELECTOR(LDTR) & SELECTOR_TI), GUEST_LDTR_SELECTOR, "LDTR in the LDT",
		     segments);
	for (unsigned int s = FS; s <= TR; s++)
		if (s != LDTR || USABLE(LDTR))
			RULE_AT(CANONICAL(BASE(s)), BASE_AT(s), "base that is not canonical",
				segments);
	for (unsigned int s = ES; s <= DS; s++)
		if (s == CS || USABLE(s))
			RULE_AT(!(BASE(s) >> 32), BASE_AT(s), "base above 4 GiB", segments);
	if (v86 ? check_v86(in, out) : check_rights(in, out))
		return true;
	return check_system_segments(in, out);
}

/* --- 27.3.1.3 to 27.3.1.6 ---------------------------------------------------------------------------- */

static bool check_tables(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.3.1.3";

	RULE(CANONICAL(F(GUEST_GDTR_BASE)), GUEST_GDTR_BASE, "not canonical", where);
	RULE(CANONICAL(F(GUEST_IDTR_BASE)), GUEST_IDTR_BASE, "not canonical", where);
	RULE(F(GUEST_GDTR_LIMIT) <= TABLE_LIMIT_MAX, GUEST_GDTR_LIMIT, "limit above 0xffff", where);
	RULE(F(GUEST_IDTR_LIMIT) <= TABLE_LIMIT_MAX, GUEST_IDTR_LIMIT, "limit above 0xffff", where);
	return false;
}

static bool check_flow(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.3.1.4";
	u64 rflags = F(GUEST_RFLAGS);
	u32 info = (u32)F(ENTRY_INTERRUPTION_INFO);
	bool external = (info & INTINFO_VALID) &&
			(info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK) == INTINFO_EXTERNAL;

	if (!CONTROL(ENTRY_IA32E) || !(RIGHTS(CS) & SEG_L))
		RULE(!(F(GUEST_RIP) >> 32), GUEST_RIP, "RIP above 4 GiB outside 64-bit mode",
		     where);
	else
		RULE(CANONICAL(F(GUEST_RIP)), GUEST_RIP, "RIP that is not canonical", where);
	RULE(!(rflags & RFLAGS_RESERVED) && (rflags & RFLAGS_ONE), GUEST_RFLAGS,
	     "reserved bits of RFLAGS", where);
	RULE(!(rflags & RFLAGS_VM) || (!CONTROL(ENTRY_IA32E) && (F(GUEST_CR0) & CR0_PE)),
	     GUEST_RFLAGS, "RFLAGS.VM in IA-32e or real mode", where);
	RULE(!external || (rflags & RFLAGS_IF), GUEST_RFLAGS,
	     "external interrupt injected while RFLAGS.IF is 0", where);
	return false;
}

static bool check_interruptibility(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.3.1.5";
	u64 rflags = F(GUEST_RFLAGS);
	u32 intr = (u32)F(GUEST_INTERRUPTIBILITY), info = (u32)F(ENTRY_INTERRUPTION_INFO);
	u32 type = info >> INTINFO_TYPE_SHIFT & INTINFO_TYPE_MASK;
	bool valid = info & INTINFO_VALID;

	RULE(!(intr & INTR_RESERVED), GUEST_INTERRUPTIBILITY, "reserved interruptibility", where);
	RULE(!(intr & INTR_STI) || !(intr & INTR_MOV_SS), GUEST_INTERRUPTIBILITY,
	     "blocking by STI and by MOV SS at once", where);
	RULE(!(intr & INTR_STI) || (rflags & RFLAGS_IF), GUEST_INTERRUPTIBILITY,
	     "blocking by STI while RFLAGS.IF is 0", where);
	if (valid && type == INTINFO_EXTERNAL)
		RULE(!(intr & (INTR_STI | INTR_MOV_SS)), GUEST_INTERRUPTIBILITY,
		     "external interrupt injected into an interrupt shadow", where);
	if (valid && type == INTINFO_NMI) {
		RULE(!(intr & INTR_MOV_SS), GUEST_INTERRUPTIBILITY,
		     "NMI injected while blocked by MOV SS", where);
		RULE(!CONTROL(PIN_VIRTUAL_NMIS) || !(intr & INTR_NMI), GUEST_INTERRUPTIBILITY,
		     "NMI injected while NMIs are blocked", where);
	}
	RULE(!(intr & INTR_SMI), GUEST_INTERRUPTIBILITY, "blocking by SMI outside SMM", where);
	return false;
}

static bool check_non_register(const struct vmx_image *in, struct vmx_violation *out)
{
	static const char where[] = "27.3.1.5";
	u64 pending = F(GUEST_PENDING_DEBUG), link = F(VMCS_LINK_POINTER);
	u32 intr = (u32)F(GUEST_INTERRUPTIBILITY);
	bool held = (intr & (INTR_STI | INTR_MOV_SS)) || F(GUEST_ACTIVITY) == ACTIVITY_HLT;
	bool stepping = (F(GUEST_RFLAGS) & RFLAGS_TF) && !(F(GUEST_DEBUGCTL) & BIT64(1));

	RULE(F(GUEST_ACTIVITY) <= ACTIVITY_LAST, GUEST_ACTIVITY, "unknown activity state", where);
	if (F(GUEST_ACTIVITY) == ACTIVITY_HLT)
		RULE(SEG_DPL(RIGHTS(SS)) == 0, GUEST_ACTIVITY, "HLT above CPL 0", where);
	if (intr & (INTR_STI | INTR_MOV_SS))
		RULE(F(GUEST_ACTIVITY) == ACTIVITY_ACTIVE, GUEST_ACTIVITY,
		     "inactive in an interrupt shadow", where);
	if (check_interruptibility(in, out))
		return true;
	RULE(!(pending & PENDING_RESERVED), GUEST_PENDING_DEBUG,
	     "reserved pending debug exceptions", where);
	if (held)
		RULE(!!(pending & PENDING_DEBUG_BS) == stepping, GUEST_PENDING_DEBUG,
		     "pending single step against RFLAGS.TF", where);
	if (link != ~UINT64_C(0))
		RULE(page(in, link), VMCS_LINK_POINTER, "VMCS link pointer", where);
	return false;
}

static bool check_pdptes(const struct vmx_image *in, struct vmx_violation *out)
{
	bool pae = (F(GUEST_CR0) & CR0_PG) && (F(GUEST_CR4) & CR4_PAE) && !CONTROL(ENTRY_IA32E);

	if (!pae || !CONTROL(PROC_SECONDARY) || !CONTROL(PROC2_EPT))
		return false;
	for (unsigned int i = VMCS_INDEX_GUEST_PDPTE0; i <= VMCS_INDEX_GUEST_PDPTE3; i++)
		RULE_AT(!(in->f[i] & PTE_P) ||
				(!(in->f[i] & PAE_PDPTE_RESERVED) && fits(in, in->f[i])),
			i, "reserved bits of a PDPTE", "27.3.1.6");
	return false;
}

bool vmx_check(const struct vmx_image *in, struct vmx_violation *out)
{
	return check_execution(in, out) || check_exit(in, out) || check_entry(in, out) ||
	       check_host_registers(in, out) || check_host_segments(in, out) ||
	       check_host_size(in, out) || check_guest_control(in, out) ||
	       check_segments(in, out) || check_tables(in, out) || check_flow(in, out) ||
	       check_non_register(in, out) || check_pdptes(in, out);
}
