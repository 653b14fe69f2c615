/* SPDX-License-Identifier: MIT */
/*
 * Checks before each entry, and entries broken on purpose: SDM vol. 3 rev. 083, 27.2, 27.3.1, 27.8. Part of debug builds only.
 */
#include "check.h"
#include "entry_debug.h"
#include "lib.h"
#include "printk.h"
#include "vmx.h"

#define NOT_CANONICAL	    BIT64(47)
#define BEYOND_WIDTH	    BIT64(62)
#define UNALIGNED	    BIT64(3)
#define EVENT(type, vector) (INTINFO_VALID | (u32)(type) << INTINFO_TYPE_SHIFT | (vector))
#define ALL		    (~UINT64_C(0))

/* A field becomes (old & ~clear) | set. */
struct edit {
	enum vmcs_field field;
	u64 clear, set;
};

#define EDITS 4

struct broken {
	const char *name;
	struct edit edit[EDITS]; /* up to one that changes nothing */
};

#define SET(name, bits)                \
	{                              \
		VMCS_##name, 0, (bits) \
	}
#define CLEAR(name, bits)              \
	{                              \
		VMCS_##name, (bits), 0 \
	}
#define BE(name, value)                   \
	{                                 \
		VMCS_##name, ALL, (value) \
	}
#define ON(name, control)  SET(name, CTL_BIT(control))
#define OFF(name, control) CLEAR(name, CTL_BIT(control))

/* Of a guest in protected mode without paging, as Multiboot kernels start. In the manual's order. */
/* clang-format off */
static const struct broken cases[] = {
	/* 27.2.1.1 */
	{ "pin-reserved", { SET(PIN_CONTROLS, BIT(31)) } },
	{ "proc-reserved", { SET(PROC_CONTROLS, BIT(0)) } },
	{ "proc2-reserved", { SET(PROC2_CONTROLS, BIT(31)) } },
	{ "cr3-targets", { BE(CR3_TARGET_COUNT, 5) } },
	{ "io-bitmap", { SET(IO_BITMAP_A, UNALIGNED) } },
	{ "msr-bitmap", { SET(MSR_BITMAP, BEYOND_WIDTH) } },
	{ "vapic", { SET(VIRTUAL_APIC_PAGE, UNALIGNED) } },
	{ "tpr-threshold-reserved", { SET(TPR_THRESHOLD, BIT(4)) } },
	{ "tpr-threshold-high", { BE(TPR_THRESHOLD, 1) } },
	{ "virtual-nmis-alone", { OFF(PIN_CONTROLS, PIN_NMI) } },
	{ "nmi-window-alone", { OFF(PIN_CONTROLS, PIN_VIRTUAL_NMIS), ON(PROC_CONTROLS, PROC_NMI_WINDOW) } },
	{ "virtual-apic-alone", { OFF(PROC_CONTROLS, PROC_TPR_SHADOW), ON(PROC2_CONTROLS, PROC2_X2APIC_MODE) } },
	{ "x2apic-with-accesses", { ON(PROC2_CONTROLS, PROC2_X2APIC_MODE), ON(PROC2_CONTROLS, PROC2_APIC_ACCESSES) } },
	{ "virtual-interrupts-alone", { OFF(PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT), ON(PROC2_CONTROLS, PROC2_VIRTUAL_INTERRUPTS) } },
	{ "vpid-zero", { BE(VPID, 0) } },
	{ "eptp-type", { CLEAR(EPT_POINTER, 7), SET(EPT_POINTER, 1) } },
	{ "eptp-levels", { CLEAR(EPT_POINTER, EPTP_WALK_4) } },
	{ "eptp-reserved", { SET(EPT_POINTER, BIT64(11)) } },
	{ "pml-without-ept", { OFF(PROC2_CONTROLS, PROC2_EPT), OFF(PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST), ON(PROC2_CONTROLS, PROC2_PML) } },
	{ "unrestricted-without-ept", { OFF(PROC2_CONTROLS, PROC2_EPT) } },
	/* 27.2.1.2 */
	{ "exit-reserved", { SET(EXIT_CONTROLS, BIT(31)) } },
	{ "saved-timer-off", { ON(EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER) } },
	{ "exit-msr-store", { BE(EXIT_MSR_STORE_COUNT, 1), BE(EXIT_MSR_STORE, UNALIGNED) } },
	{ "exit-msr-load", { BE(EXIT_MSR_LOAD_COUNT, 1), BE(EXIT_MSR_LOAD, BEYOND_WIDTH) } },
	/* 27.2.1.3 */
	{ "entry-reserved", { SET(ENTRY_CONTROLS, BIT(31)) } },
	{ "event-type", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_RESERVED_TYPE, 0)) } },
	{ "event-nmi-vector", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_NMI, 3)) } },
	{ "event-exception-vector", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, 32)) } },
	{ "event-error-code-missing", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_GP)) } },
	{ "event-error-code-extra", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_UD) | INTINFO_ERROR) } },
	{ "event-reserved", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_UD) | BIT(12)) } },
	{ "error-code-reserved", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_GP) | INTINFO_ERROR), BE(ENTRY_EXCEPTION_ERROR, BIT(16)) } },
	{ "event-insn-length", { BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_SOFT_INTERRUPT, 0x80)), BE(ENTRY_INSN_LENGTH, 16) } },
	{ "entry-msr-load", { BE(ENTRY_MSR_LOAD_COUNT, 1), BE(ENTRY_MSR_LOAD, UNALIGNED) } },
	{ "entry-dual-monitor", { ON(ENTRY_CONTROLS, ENTRY_DUAL_MONITOR) } },
	/* 27.2.2 to 27.2.4 */
	{ "host-cr0", { CLEAR(HOST_CR0, CR0_NE) } },
	{ "host-cr3", { SET(HOST_CR3, BEYOND_WIDTH) } },
	{ "host-cr4", { CLEAR(HOST_CR4, CR4_VMXE) } },
	{ "host-sysenter", { BE(HOST_SYSENTER_EIP, NOT_CANONICAL) } },
	{ "host-pat", { SET(HOST_PAT, ALL) } },
	{ "host-efer-reserved", { SET(HOST_EFER, EFER_SVME) } },
	{ "host-efer-mode", { CLEAR(HOST_EFER, EFER_LMA) } },
	{ "host-selector", { SET(HOST_DS_SELECTOR, 3) } },
	{ "host-cs-null", { BE(HOST_CS_SELECTOR, 0) } },
	{ "host-tr-null", { BE(HOST_TR_SELECTOR, 0) } },
	{ "host-base", { BE(HOST_FS_BASE, NOT_CANONICAL) } },
	{ "host-size", { OFF(EXIT_CONTROLS, EXIT_HOST_64), CLEAR(HOST_EFER, EFER_LMA | EFER_LME) } },
	{ "host-pae", { CLEAR(HOST_CR4, CR4_PAE) } },
	{ "host-rip", { BE(HOST_RIP, NOT_CANONICAL) } },
	/* 27.3.1.1 */
	{ "cr0", { CLEAR(GUEST_CR0, CR0_NE) } },
	{ "cr0-pg-without-pe", { CLEAR(GUEST_CR0, CR0_PE), SET(GUEST_CR0, CR0_PG) } },
	{ "cr4", { CLEAR(GUEST_CR4, CR4_VMXE) } },
	{ "ia32e-without-pae", { ON(ENTRY_CONTROLS, ENTRY_IA32E), SET(GUEST_CR0, CR0_PG | CR0_PE), SET(GUEST_EFER, EFER_LMA | EFER_LME), CLEAR(GUEST_CR4, CR4_PAE) } },
	{ "pcide-outside-ia32e", { SET(GUEST_CR4, CR4_PCIDE) } },
	{ "cr3", { SET(GUEST_CR3, BEYOND_WIDTH) } },
	{ "dr7", { SET(GUEST_DR7, BIT64(32)) } },
	{ "sysenter", { BE(GUEST_SYSENTER_ESP, NOT_CANONICAL) } },
	{ "pat", { SET(GUEST_PAT, ALL) } },
	{ "efer-reserved", { SET(GUEST_EFER, EFER_SVME) } },
	{ "efer-lma", { SET(GUEST_EFER, EFER_LMA) } },
	/* 27.3.1.2 */
	{ "tr-ti", { SET(GUEST_TR_SELECTOR, BIT(2)) } },
	{ "base-canonical", { BE(GUEST_FS_BASE, NOT_CANONICAL) } },
	{ "base-high", { SET(GUEST_DS_BASE, BIT64(32)) } },
	{ "v86-base", { SET(GUEST_RFLAGS, RFLAGS_VM), SET(GUEST_ES_BASE, BIT64(4)) } },
	{ "cs-type", { CLEAR(GUEST_CS_RIGHTS, SEG_A) } },
	{ "ss-type", { CLEAR(GUEST_SS_RIGHTS, SEG_W) } },
	{ "data-not-accessed", { CLEAR(GUEST_DS_RIGHTS, SEG_A) } },
	{ "segment-system", { CLEAR(GUEST_ES_RIGHTS, SEG_S) } },
	{ "segment-absent", { CLEAR(GUEST_CS_RIGHTS, SEG_P) } },
	{ "granularity", { CLEAR(GUEST_DS_RIGHTS, SEG_G) } },
	{ "tr-type", { CLEAR(GUEST_TR_RIGHTS, BIT(1)) } },
	{ "tr-unusable", { SET(GUEST_TR_RIGHTS, RIGHTS_UNUSABLE) } },
	/* 27.3.1.3, 27.3.1.4 */
	{ "table-base", { BE(GUEST_IDTR_BASE, NOT_CANONICAL) } },
	{ "table-limit", { SET(GUEST_GDTR_LIMIT, BIT(16)) } },
	{ "rip-high", { SET(GUEST_RIP, BIT64(32)) } },
	{ "rflags", { CLEAR(GUEST_RFLAGS, RFLAGS_ONE) } },
	{ "interrupt-if", { CLEAR(GUEST_RFLAGS, RFLAGS_IF), BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXTERNAL, 0x30)) } },
	/* 27.3.1.5 */
	{ "activity", { BE(GUEST_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI + 1) } },
	{ "hlt-cpl", { BE(GUEST_ACTIVITY, ACTIVITY_HLT), SET(GUEST_SS_RIGHTS, 3U << SEG_DPL_SHIFT), SET(GUEST_CS_RIGHTS, 3U << SEG_DPL_SHIFT), SET(GUEST_CS_SELECTOR, 3) } },
	{ "inactive-in-shadow", { BE(GUEST_ACTIVITY, ACTIVITY_HLT), BE(GUEST_INTERRUPTIBILITY, INTR_MOV_SS) } },
	{ "interruptibility", { BE(GUEST_INTERRUPTIBILITY, BIT(5)) } },
	{ "sti-and-mov-ss", { SET(GUEST_RFLAGS, RFLAGS_IF), BE(GUEST_INTERRUPTIBILITY, INTR_STI | INTR_MOV_SS) } },
	{ "sti-without-if", { CLEAR(GUEST_RFLAGS, RFLAGS_IF), BE(GUEST_INTERRUPTIBILITY, INTR_STI) } },
	{ "smi-blocked", { BE(GUEST_INTERRUPTIBILITY, INTR_SMI) } },
	{ "nmi-blocked", { BE(GUEST_INTERRUPTIBILITY, INTR_NMI), BE(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_NMI, VEC_NMI)) } },
	{ "pending-reserved", { BE(GUEST_PENDING_DEBUG, BIT64(5)) } },
	{ "link-pointer", { BE(VMCS_LINK_POINTER, UNALIGNED) } },
	/* 27.3.1.6 */
	{ "pdpte", { SET(GUEST_CR0, CR0_PG), SET(GUEST_CR4, CR4_PAE), BE(GUEST_PDPTE1, PTE_P | BIT64(1)) } },
};
/* clang-format on */

/* Bits 11:10 of an encoding: 25.11.2. */
static bool writable(const struct vmcs_field_info *f)
{
	return vmcs_field_exists(f) && (f->encoding >> 10 & 3U) != 1;
}

static void save(u64 fields[NR_VMCS_FIELDS])
{
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++)
		fields[i] = writable(&vmcs_fields[i]) ? vmcs_read(vmcs_fields[i].encoding) : 0;
}

static void restore(const u64 fields[NR_VMCS_FIELDS])
{
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++)
		if (writable(&vmcs_fields[i]))
			vmcs_write(vmcs_fields[i].encoding, fields[i]);
}

static void apply(const struct broken *b)
{
	for (unsigned int i = 0; i < EDITS; i++) {
		const struct edit *e = &b->edit[i];

		if (e->clear | e->set)
			vmcs_write(e->field, (vmcs_read(e->field) & ~e->clear) | e->set);
	}
}

/* Some processors have no such field: then there is nothing to break. */
static bool possible(const struct broken *b)
{
	for (unsigned int i = 0; i < EDITS; i++)
		for (unsigned int f = 0; f < NR_VMCS_FIELDS; f++)
			if ((b->edit[i].clear | b->edit[i].set) &&
			    vmcs_fields[f].encoding == b->edit[i].field &&
			    !writable(&vmcs_fields[f]))
				return false;
	return true;
}

static void say_check(const struct vcpu *v, const struct broken *b)
{
	struct vmx_violation found;
	char before[64];

	snprintf(before, sizeof(before), "break-entry %s: check", b->name);
	if (vmx_find_violation(v, &found))
		vmx_print_violation(before, &found);
	else
		pr_err("%s: nothing found", before);
}

static void say_verdict(struct vcpu *v, const struct broken *b, enum vmx_entry how)
{
	u32 reason;

	if (how != VMX_ENTERED) {
		pr_err("break-entry %s: processor: VM-instruction error %u", b->name,
		       how == VMX_FAIL_VALID ? vmcs_read32(VMCS_INSTRUCTION_ERROR) : 0);
		return;
	}
	reason = vmcs_read32(VMCS_EXIT_REASON);
	if (reason & EXIT_REASON_ENTRY_FAILURE) {
		pr_err("break-entry %s: processor: entry failure, reason %u, qualification %lu",
		       b->name, reason & EXIT_REASON_BASIC, vmcs_read(VMCS_EXIT_QUALIFICATION));
		return;
	}
	v->vmx->launched = true;
	pr_err("break-entry %s: processor: enters, exit reason %u", b->name, reason);
}

static void break_all(struct vcpu *v)
{
	static u64 fields[NR_VMCS_FIELDS];
	u64 gpr[NR_GPRS];

	save(fields);
	memcpy(gpr, v->gpr, sizeof(gpr));
	printk_guest_running(false);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!entry_debug_wants(cases[i].name) || !possible(&cases[i]))
			continue;
		apply(&cases[i]);
		say_check(v, &cases[i]);
		say_verdict(v, &cases[i], vmx_enter(v, v->vmx->launched, &v->vmx->host_rsp));
		restore(fields);
		v->vmx->host_rsp = fields[VMCS_INDEX_HOST_RSP];
		memcpy(v->gpr, gpr, sizeof(gpr));
	}
	pr_err("break-entry: done");
	printk_guest_running(true);
}

static void break_one(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		if (strcmp(cases[i].name, name) == 0 && possible(&cases[i])) {
			apply(&cases[i]);
			return;
		}
	}
	pr_err("break-entry: there is no case %s", name);
}

void vmx_debug_entry(struct vcpu *v)
{
	struct vmx_violation found = { 0 };

	switch (entry_debug_next()) {
	case ENTRY_BREAK_ALL:
		break_all(v);
		break;
	case ENTRY_BREAK_ONE:
		break_one(entry_debug_case());
		break;
	case ENTRY_CHECK:
		break;
	}
	if (entry_debug_checked(vmx_find_violation(v, &found), found.rule))
		vmx_print_violation("entry check", &found);
}
