/* SPDX-License-Identifier: MIT */
/*
 * The entry checker (vmx/check.c): a valid 64-bit guest, a real-mode and a virtual-8086 one, and
 * each rule broken on purpose. SDM vol. 3 rev. 083, 27.2 and 27.3.1.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../vmx/check.h"
#include "x86.h"

static struct vmx_caps caps = {
	.word = { { 0, ~0U }, { 0, ~0U }, { 0, ~0U }, { 0, ~0U }, { 0, ~0U } },
	.ept_vpid = EPT_CAP_AD,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = CR4_VMXE,
	.cr4_fixed1 = 0x3727ff,
};

static struct vmx_image image;

#define SET(name, x) (image.f[VMCS_INDEX_##name] = (x))
#define BITS(c)	     CTL_BIT(c)

#define LONG_CODE 0xa09bU /* G, L, P, S, accessed code */
#define FLAT_DATA 0xc093U

static void set_segment(unsigned int s, u16 selector, u32 rights, u32 limit, u64 base)
{
	image.f[VMCS_INDEX_GUEST_ES_SELECTOR + s] = selector;
	image.f[VMCS_INDEX_GUEST_ES_RIGHTS + s] = rights;
	image.f[VMCS_INDEX_GUEST_ES_LIMIT + s] = limit;
	image.f[VMCS_INDEX_GUEST_ES_BASE + s] = base;
}

static void controls(void)
{
	SET(PIN_CONTROLS, BITS(PIN_EXTERNAL_INTERRUPT) | BITS(PIN_NMI) | BITS(PIN_VIRTUAL_NMIS));
	SET(PROC_CONTROLS, BITS(PROC_IO_BITMAPS) | BITS(PROC_MSR_BITMAPS) | BITS(PROC_TPR_SHADOW) |
				   BITS(PROC_SECONDARY));
	SET(PROC2_CONTROLS, BITS(PROC2_EPT) | BITS(PROC2_VPID) | BITS(PROC2_UNRESTRICTED_GUEST));
	SET(EXIT_CONTROLS, BITS(EXIT_HOST_64) | BITS(EXIT_LOAD_PAT) | BITS(EXIT_LOAD_EFER));
	SET(ENTRY_CONTROLS, BITS(ENTRY_IA32E) | BITS(ENTRY_LOAD_DEBUG) | BITS(ENTRY_LOAD_PAT) |
				    BITS(ENTRY_LOAD_EFER));
	SET(IO_BITMAP_A, 0x10000);
	SET(IO_BITMAP_B, 0x11000);
	SET(MSR_BITMAP, 0x12000);
	SET(VIRTUAL_APIC_PAGE, 0x13000);
	SET(EPT_POINTER, 0x14000 | EPTP_WB | EPTP_WALK_4);
	SET(VPID, 1);
}

static void host(void)
{
	SET(HOST_CR0, 0x80010031);
	SET(HOST_CR3, 0x20000);
	SET(HOST_CR4, CR4_PAE | CR4_VMXE);
	SET(HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	SET(HOST_PAT, PAT_RESET);
	SET(HOST_CS_SELECTOR, 0x08);
	SET(HOST_SS_SELECTOR, 0x10);
	SET(HOST_TR_SELECTOR, 0x18);
	SET(HOST_RIP, 0x100000);
}

static void long_mode_guest(void)
{
	memset(&image, 0, sizeof(image));
	image.caps = &caps;
	image.phys_bits = 40;
	controls();
	host();
	SET(GUEST_CR0, 0x80000031);
	SET(GUEST_CR3, 0x1000);
	SET(GUEST_CR4, CR4_PAE | CR4_VMXE);
	SET(GUEST_EFER, EFER_LME | EFER_LMA);
	SET(GUEST_PAT, PAT_RESET);
	SET(GUEST_DR7, DR7_RESET);
	set_segment(0, 0x10, FLAT_DATA, ~0U, 0);
	set_segment(1, 0x08, LONG_CODE, ~0U, 0);
	set_segment(2, 0x10, FLAT_DATA, ~0U, 0);
	set_segment(3, 0x10, FLAT_DATA, ~0U, 0);
	set_segment(4, 0, RIGHTS_UNUSABLE, 0, 0);
	set_segment(5, 0, RIGHTS_UNUSABLE, 0, 0xffff800000000000);
	set_segment(6, 0, RIGHTS_UNUSABLE, 0, 0);
	set_segment(7, 0x20, 0x8b, 0x67, 0);
	SET(GUEST_RIP, 0xffffffff80000000);
	SET(GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_IF);
	SET(VMCS_LINK_POINTER, ~UINT64_C(0));
}

static void real_mode_guest(void)
{
	long_mode_guest();
	SET(ENTRY_CONTROLS, BITS(ENTRY_LOAD_DEBUG) | BITS(ENTRY_LOAD_PAT) | BITS(ENTRY_LOAD_EFER));
	SET(GUEST_CR0, CR0_NE | CR0_ET);
	SET(GUEST_CR4, CR4_VMXE);
	SET(GUEST_EFER, 0);
	for (unsigned int s = 0; s < 6; s++)
		set_segment(s, 0, 0x93, 0xffff, 0);
	set_segment(1, 0xf000, 0x93, 0xffff, 0xffff0000);
	set_segment(6, 0, 0x82, 0xffff, 0);
	set_segment(7, 0, 0x8b, 0xffff, 0);
	SET(GUEST_RIP, 0xfff0);
	SET(GUEST_RFLAGS, RFLAGS_ONE);
}

static void v86_guest(void)
{
	real_mode_guest();
	SET(GUEST_CR0, CR0_NE | CR0_ET | CR0_PE);
	SET(GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_VM);
	for (unsigned int s = 0; s < 6; s++)
		set_segment(s, 0x1000, 0xf3, 0xffff, 0x10000);
}

static void pae_guest(void)
{
	real_mode_guest();
	SET(GUEST_CR0, 0x80000031);
	SET(GUEST_CR4, CR4_VMXE | CR4_PAE);
	set_segment(1, 8, 0xc09b, ~0U, 0);
}

static void accepted(void)
{
	struct vmx_violation v;

	if (vmx_check(&image, &v))
		fail_msg("%s: %s = %lx (%s)", v.rule, vmcs_fields[v.field].name, v.value,
			 v.section);
}

static void test_valid(void **state)
{
	(void)state;
	long_mode_guest();
	accepted();
	real_mode_guest();
	accepted();
	v86_guest();
	accepted();
	pae_guest();
	accepted();
	/* Events and shadows that are allowed. */
	long_mode_guest();
	SET(ENTRY_INTERRUPTION_INFO,
	    INTINFO_VALID | INTINFO_EXCEPTION << 8 | INTINFO_ERROR | VEC_GP);
	accepted();
	SET(ENTRY_INTERRUPTION_INFO, INTINFO_VALID | 0x31);
	accepted();
	SET(ENTRY_INTERRUPTION_INFO, 0);
	SET(GUEST_INTERRUPTIBILITY, INTR_STI);
	accepted();
	SET(GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_IF | RFLAGS_TF);
	SET(GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
	accepted();
}

/* One field made wrong; the checker must name it, its rule and its section. */
struct broken {
	void (*guest)(void);
	enum vmcs_index field;
	u64 value;
	const char *section;
	enum vmcs_index named; /* where not the field itself */
};

#define L long_mode_guest
#define R real_mode_guest
#define BROKEN(guest, name, x, section)                                 \
	{                                                               \
		guest, VMCS_INDEX_##name, x, section, VMCS_INDEX_##name \
	}
#define BLAMES(guest, name, x, section, other)                           \
	{                                                                \
		guest, VMCS_INDEX_##name, x, section, VMCS_INDEX_##other \
	}
#define EVENT(type, vector) (INTINFO_VALID | (u32)(type) << 8 | (vector))
#define NOT_CANONICAL	    0x800000000000ULL

static const struct broken rows[] = {
	BROKEN(L, CR3_TARGET_COUNT, 5, "27.2.1.1"),
	BROKEN(L, IO_BITMAP_A, 0x10001, "27.2.1.1"),
	BROKEN(L, IO_BITMAP_B, 1ULL << 40, "27.2.1.1"),
	BROKEN(L, MSR_BITMAP, 0x800, "27.2.1.1"),
	BROKEN(L, VIRTUAL_APIC_PAGE, 0x13008, "27.2.1.1"),
	BROKEN(L, TPR_THRESHOLD, 0x10, "27.2.1.1"),
	BROKEN(L, VPID, 0, "27.2.1.1"),
	BROKEN(L, EPT_POINTER, 0x14000 | 1 | EPTP_WALK_4, "27.2.1.1"),
	BROKEN(L, EPT_POINTER, 0x14000 | EPTP_WB, "27.2.1.1"),
	BROKEN(L, EPT_POINTER, 0x14080 | EPTP_WB | EPTP_WALK_4, "27.2.1.1"),
	BROKEN(L, EPT_POINTER, 1ULL << 41 | EPTP_WB | EPTP_WALK_4, "27.2.1.1"),
	BROKEN(L, PROC2_CONTROLS, BITS(PROC2_UNRESTRICTED_GUEST), "27.2.1.1"),
	BROKEN(L, EXIT_CONTROLS, BITS(EXIT_HOST_64) | BITS(EXIT_SAVE_PREEMPTION_TIMER), "27.2.1.2"),
	BROKEN(L, ENTRY_CONTROLS, BITS(ENTRY_IA32E) | BITS(ENTRY_SMM), "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(1, 0x30), "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_NMI, 3), "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, 32), "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_GP), "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_UD) | INTINFO_ERROR,
	       "27.2.1.3"),
	BROKEN(R, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_GP) | INTINFO_ERROR,
	       "27.2.1.3"),
	BROKEN(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXTERNAL, 0x30) | BIT(13), "27.2.1.3"),
	BLAMES(L, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_SOFT_INTERRUPT, 0x80), "27.2.1.3",
	       ENTRY_INSN_LENGTH),
	BROKEN(L, HOST_CR0, 0x80010011, "27.2.2"),
	BROKEN(L, HOST_CR4, CR4_PAE, "27.2.2"),
	BROKEN(L, HOST_CR4, CR4_PAE | CR4_VMXE | BIT64(30), "27.2.2"),
	BROKEN(L, HOST_CR3, 1ULL << 40, "27.2.2"),
	BROKEN(L, HOST_SYSENTER_ESP, NOT_CANONICAL, "27.2.2"),
	BROKEN(L, HOST_SYSENTER_EIP, NOT_CANONICAL, "27.2.2"),
	BROKEN(L, HOST_PAT, 2, "27.2.2"),
	BROKEN(L, HOST_EFER, EFER_LME | EFER_LMA | EFER_SVME, "27.2.2"),
	BROKEN(L, HOST_EFER, EFER_LME, "27.2.2"),
	BROKEN(L, HOST_DS_SELECTOR, 0x13, "27.2.3"),
	BROKEN(L, HOST_CS_SELECTOR, 0, "27.2.3"),
	BROKEN(L, HOST_TR_SELECTOR, 0, "27.2.3"),
	BROKEN(L, HOST_GS_BASE, NOT_CANONICAL, "27.2.3"),
	BROKEN(L, HOST_IDTR_BASE, NOT_CANONICAL, "27.2.3"),
	BROKEN(L, HOST_CR4, CR4_VMXE, "27.2.4"),
	BROKEN(L, HOST_RIP, NOT_CANONICAL, "27.2.4"),
	BROKEN(L, GUEST_CR0, CR0_PG | CR0_PE, "27.3.1.1"),
	BROKEN(L, GUEST_CR0, CR0_PG | CR0_NE, "27.3.1.1"),
	BROKEN(L, GUEST_CR0, CR0_PE | CR0_NE, "27.3.1.1"),
	BROKEN(L, GUEST_CR4, CR4_PAE, "27.3.1.1"),
	BROKEN(L, GUEST_CR4, CR4_VMXE, "27.3.1.1"),
	BROKEN(R, GUEST_CR4, CR4_VMXE | CR4_PCIDE, "27.3.1.1"),
	BROKEN(L, GUEST_DEBUGCTL, 4, "27.3.1.1"),
	BROKEN(L, GUEST_DR7, 1ULL << 32, "27.3.1.1"),
	BROKEN(L, GUEST_CR3, 1ULL << 40, "27.3.1.1"),
	BROKEN(L, GUEST_SYSENTER_ESP, NOT_CANONICAL, "27.3.1.1"),
	BROKEN(L, GUEST_SYSENTER_EIP, NOT_CANONICAL, "27.3.1.1"),
	BROKEN(L, GUEST_PAT, 3, "27.3.1.1"),
	BROKEN(L, GUEST_EFER, EFER_LME | EFER_LMA | BIT64(1), "27.3.1.1"),
	BROKEN(L, GUEST_EFER, EFER_LME, "27.3.1.1"),
	BROKEN(L, GUEST_EFER, EFER_LMA, "27.3.1.1"),
	BROKEN(L, GUEST_TR_SELECTOR, 0x24, "27.3.1.2"),
	BROKEN(R, GUEST_LDTR_SELECTOR, 4, "27.3.1.2"),
	BROKEN(L, GUEST_FS_BASE, NOT_CANONICAL, "27.3.1.2"),
	BROKEN(L, GUEST_TR_BASE, NOT_CANONICAL, "27.3.1.2"),
	BROKEN(L, GUEST_CS_BASE, 1ULL << 32, "27.3.1.2"),
	BROKEN(L, GUEST_DS_BASE, 1ULL << 32, "27.3.1.2"),
	BROKEN(v86_guest, GUEST_DS_BASE, 0, "27.3.1.2"),
	BROKEN(v86_guest, GUEST_CS_LIMIT, 0xfffff, "27.3.1.2"),
	BROKEN(v86_guest, GUEST_SS_RIGHTS, 0x93, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa09a, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa08b, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa0fb, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa0ff, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xe09b, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa01b, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0xa19b, "27.3.1.2"),
	BROKEN(L, GUEST_CS_RIGHTS, 0x209b, "27.3.1.2"),
	BROKEN(R, GUEST_CS_RIGHTS, 0xf3, "27.3.1.2"),
	BROKEN(L, GUEST_SS_RIGHTS, 0xc091, "27.3.1.2"),
	BROKEN(R, GUEST_SS_RIGHTS, 0xb3, "27.3.1.2"),
	BROKEN(L, GUEST_DS_RIGHTS, 0xc092, "27.3.1.2"),
	BROKEN(L, GUEST_ES_RIGHTS, 0xc099, "27.3.1.2"),
	BROKEN(L, GUEST_ES_RIGHTS, 0xc013, "27.3.1.2"),
	BROKEN(L, GUEST_TR_RIGHTS, 0x89, "27.3.1.2"),
	BROKEN(L, GUEST_TR_RIGHTS, 0x83, "27.3.1.2"),
	BROKEN(L, GUEST_TR_RIGHTS, 0x808b, "27.3.1.2"),
	BROKEN(L, GUEST_TR_RIGHTS, 0x8b | RIGHTS_UNUSABLE, "27.3.1.2"),
	BROKEN(R, GUEST_LDTR_RIGHTS, 0x83, "27.3.1.2"),
	BROKEN(L, GUEST_GDTR_BASE, NOT_CANONICAL, "27.3.1.3"),
	BROKEN(L, GUEST_IDTR_BASE, NOT_CANONICAL, "27.3.1.3"),
	BROKEN(L, GUEST_GDTR_LIMIT, 0x10000, "27.3.1.3"),
	BROKEN(L, GUEST_IDTR_LIMIT, 0x10000, "27.3.1.3"),
	BROKEN(L, GUEST_RIP, NOT_CANONICAL, "27.3.1.4"),
	BROKEN(R, GUEST_RIP, 1ULL << 32, "27.3.1.4"),
	BROKEN(L, GUEST_RFLAGS, RFLAGS_IF, "27.3.1.4"),
	BROKEN(L, GUEST_RFLAGS, RFLAGS_ONE | BIT64(15), "27.3.1.4"),
	BLAMES(R, ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXTERNAL, 0x30), "27.3.1.4", GUEST_RFLAGS),
	BROKEN(L, GUEST_ACTIVITY, 4, "27.3.1.5"),
	BROKEN(L, GUEST_INTERRUPTIBILITY, BIT(5), "27.3.1.5"),
	BROKEN(L, GUEST_INTERRUPTIBILITY, INTR_STI | INTR_MOV_SS, "27.3.1.5"),
	BROKEN(R, GUEST_INTERRUPTIBILITY, INTR_STI, "27.3.1.5"),
	BROKEN(L, GUEST_INTERRUPTIBILITY, INTR_SMI, "27.3.1.5"),
	BROKEN(L, GUEST_PENDING_DEBUG, BIT64(5), "27.3.1.5"),
	BROKEN(L, VMCS_LINK_POINTER, 1, "27.3.1.5"),
	BROKEN(pae_guest, GUEST_PDPTE2, PTE_P | BIT64(1), "27.3.1.6"),
	BROKEN(pae_guest, GUEST_PDPTE0, PTE_P | 1ULL << 45, "27.3.1.6"),
};

static void expect(const char *section, enum vmcs_index named, unsigned int row)
{
	struct vmx_violation v;

	if (!vmx_check(&image, &v))
		fail_msg("row %u (%s): nothing found", row, vmcs_fields[named].name);
	if (v.field != named || strcmp(v.section, section) != 0)
		fail_msg("row %u: %s in %s, expected %s in %s (%s)", row, vmcs_fields[v.field].name,
			 v.section, vmcs_fields[named].name, section, v.rule);
	assert_int_equal(v.value, image.f[named]);
	assert_true(strlen(v.rule) > 4);
}

static void test_each_rule(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].guest();
		image.f[rows[i].field] = rows[i].value;
		expect(rows[i].section, rows[i].named, i);
	}
}

/* Rules that take two fields. */
static void test_pairs(void **state)
{
	(void)state;
	long_mode_guest();
	SET(PIN_CONTROLS, BITS(PIN_VIRTUAL_NMIS));
	expect("27.2.1.1", VMCS_INDEX_PIN_CONTROLS, 0);
	long_mode_guest();
	SET(PIN_CONTROLS, BITS(PIN_NMI));
	SET(PROC_CONTROLS, BITS(PROC_NMI_WINDOW));
	expect("27.2.1.1", VMCS_INDEX_PROC_CONTROLS, 1);
	long_mode_guest();
	SET(EXIT_MSR_LOAD_COUNT, 1);
	SET(EXIT_MSR_LOAD, 8);
	expect("27.2.1.2", VMCS_INDEX_EXIT_MSR_LOAD, 2);
	long_mode_guest();
	SET(EXIT_MSR_STORE_COUNT, 1);
	SET(EXIT_MSR_STORE, 8);
	expect("27.2.1.2", VMCS_INDEX_EXIT_MSR_STORE, 3);
	long_mode_guest();
	SET(ENTRY_MSR_LOAD_COUNT, 1);
	SET(ENTRY_MSR_LOAD, 1ULL << 50);
	expect("27.2.1.3", VMCS_INDEX_ENTRY_MSR_LOAD, 4);
	long_mode_guest();
	SET(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXCEPTION, VEC_GP) | INTINFO_ERROR);
	SET(ENTRY_EXCEPTION_ERROR, 0x10000);
	expect("27.2.1.3", VMCS_INDEX_ENTRY_EXCEPTION_ERROR, 5);
	long_mode_guest();
	SET(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_EXTERNAL, 0x30));
	SET(GUEST_INTERRUPTIBILITY, INTR_STI);
	expect("27.3.1.5", VMCS_INDEX_GUEST_INTERRUPTIBILITY, 6);
	long_mode_guest();
	SET(ENTRY_INTERRUPTION_INFO, EVENT(INTINFO_NMI, VEC_NMI));
	SET(GUEST_INTERRUPTIBILITY, INTR_NMI);
	expect("27.3.1.5", VMCS_INDEX_GUEST_INTERRUPTIBILITY, 7);
	SET(GUEST_INTERRUPTIBILITY, INTR_MOV_SS);
	expect("27.3.1.5", VMCS_INDEX_GUEST_INTERRUPTIBILITY, 8);
	long_mode_guest();
	SET(GUEST_INTERRUPTIBILITY, INTR_STI);
	SET(GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_IF | RFLAGS_TF);
	expect("27.3.1.5", VMCS_INDEX_GUEST_PENDING_DEBUG, 9);
	long_mode_guest();
	SET(GUEST_ACTIVITY, ACTIVITY_HLT);
	SET(GUEST_INTERRUPTIBILITY, INTR_STI);
	expect("27.3.1.5", VMCS_INDEX_GUEST_ACTIVITY, 10);
	long_mode_guest();
	SET(GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_VM);
	SET(GUEST_RIP, 0);
	for (unsigned int s = 0; s < 6; s++)
		set_segment(s, 0x1000, 0xf3, 0xffff, 0x10000);
	expect("27.3.1.4", VMCS_INDEX_GUEST_RFLAGS, 11);
	/* Without unrestricted guest: privilege levels agree, paging is on. */
	long_mode_guest();
	SET(PROC2_CONTROLS, BITS(PROC2_EPT) | BITS(PROC2_VPID));
	accepted();
	SET(GUEST_SS_SELECTOR, 0x13);
	expect("27.3.1.2", VMCS_INDEX_GUEST_SS_SELECTOR, 12);
	real_mode_guest();
	SET(PROC2_CONTROLS, BITS(PROC2_EPT) | BITS(PROC2_VPID));
	expect("27.3.1.1", VMCS_INDEX_GUEST_CR0, 13);
}

static void test_controls(void **state)
{
	static const struct {
		enum vmx_word word;
		enum vmcs_index field;
		const char *section;
	} word[] = {
		{ WORD_PIN, VMCS_INDEX_PIN_CONTROLS, "27.2.1.1" },
		{ WORD_PROC, VMCS_INDEX_PROC_CONTROLS, "27.2.1.1" },
		{ WORD_PROC2, VMCS_INDEX_PROC2_CONTROLS, "27.2.1.1" },
		{ WORD_EXIT, VMCS_INDEX_EXIT_CONTROLS, "27.2.1.2" },
		{ WORD_ENTRY, VMCS_INDEX_ENTRY_CONTROLS, "27.2.1.3" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(word); i++) {
		struct vmx_allowed *a = &caps.word[word[i].word];

		long_mode_guest();
		a->zero = BIT(30);
		expect(word[i].section, word[i].field, i);
		a->zero = 0;
		a->one = 0;
		expect(word[i].section, word[i].field, i);
		a->one = ~0U;
		accepted();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_each_rule),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
