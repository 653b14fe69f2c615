/* SPDX-License-Identifier: MIT */
/*
 * The VMCS field table (vmx/vmcs.h, fields.c): SDM vol. 3 rev. 083, 25.11.2 and appendix B.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../vmx/caps.h"

/* Bits 11:10 of an encoding: table 25-21. */
enum type {
	CONTROL,
	READ_ONLY,
	GUEST,
	HOST,
};

static enum type type_of(u16 encoding)
{
	return encoding >> 10 & 3;
}

static void test_encodings(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		assert_non_null(f->name);
		assert_int_equal(f->width, VMCS_WIDTH(f->encoding));
		/* Bit 0 is for the high halves, 12 and 15 are reserved. */
		assert_int_equal(f->encoding & 0x9001, 0);
		/* In ascending order, so that no field is there twice. */
		if (i)
			assert_true(vmcs_fields[i - 1].encoding < f->encoding);
		assert_true(CTL_WORD(f->needs) < NR_WORDS || f->needs == CTL_NONE);
	}
}

static void test_types(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NR_VMCS_FIELDS; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		if (strncmp(f->name, "HOST_", 5) == 0)
			assert_int_equal(type_of(f->encoding), HOST);
		else if (type_of(f->encoding) == HOST)
			fail_msg("%s is host state by its encoding", f->name);
		/* The guest-physical and linear addresses are exit information. */
		if (strncmp(f->name, "GUEST_", 6) == 0 && type_of(f->encoding) != GUEST)
			assert_true(f->encoding == VMCS_GUEST_PHYSICAL_ADDRESS ||
				    f->encoding == VMCS_GUEST_LINEAR_ADDRESS);
	}
	assert_int_equal(type_of(VMCS_EXIT_REASON), READ_ONLY);
	assert_int_equal(type_of(VMCS_ENTRY_INTERRUPTION_INFO), CONTROL);
	assert_int_equal(type_of(VMCS_VMCS_LINK_POINTER), GUEST);
}

/* Some encodings written out anew from appendix B. */
static void test_samples(void **state)
{
	static const struct {
		enum vmcs_field field;
		u16 encoding;
	} sample[] = {
		{ VMCS_GUEST_CS_SELECTOR, 0x0802 }, { VMCS_HOST_TR_SELECTOR, 0x0c0c },
		{ VMCS_EPT_POINTER, 0x201a },	    { VMCS_VMCS_LINK_POINTER, 0x2800 },
		{ VMCS_GUEST_EFER, 0x2806 },	    { VMCS_HOST_EFER, 0x2c02 },
		{ VMCS_PROC2_CONTROLS, 0x401e },    { VMCS_EXIT_REASON, 0x4402 },
		{ VMCS_GUEST_TR_RIGHTS, 0x4822 },   { VMCS_GUEST_INTERRUPTIBILITY, 0x4824 },
		{ VMCS_CR0_MASK, 0x6000 },	    { VMCS_EXIT_QUALIFICATION, 0x6400 },
		{ VMCS_GUEST_RIP, 0x681e },	    { VMCS_HOST_RSP, 0x6c14 },
		{ VMCS_SEG(BASE, 6), 0x6812 },	    { VMCS_SEG(LIMIT, 1), 0x4802 },
		{ VMCS_SEG(SELECTOR, 7), 0x080e },  { VMCS_SEG(RIGHTS, 2), 0x4818 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sample); i++)
		assert_int_equal(sample[i].field, sample[i].encoding);
	assert_int_equal(vmcs_fields[VMCS_INDEX_GUEST_RIP].encoding, VMCS_GUEST_RIP);
	assert_string_equal(vmcs_fields[VMCS_INDEX_GUEST_RIP].name, "GUEST_RIP");
}

static void test_existence(void **state)
{
	struct vmx_caps caps = { 0 };

	(void)state;
	assert_true(vmx_allowed(&caps, vmcs_fields[VMCS_INDEX_GUEST_RIP].needs));
	assert_false(vmx_allowed(&caps, vmcs_fields[VMCS_INDEX_VPID].needs));
	assert_false(vmx_allowed(&caps, vmcs_fields[VMCS_INDEX_TPR_THRESHOLD].needs));
	caps.word[WORD_PROC2].one = CTL_BIT(PROC2_VPID);
	assert_true(vmx_allowed(&caps, vmcs_fields[VMCS_INDEX_VPID].needs));
	assert_false(vmx_allowed(&caps, vmcs_fields[VMCS_INDEX_EPT_POINTER].needs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_existence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
