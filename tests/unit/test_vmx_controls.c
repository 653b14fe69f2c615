/* SPDX-License-Identifier: MIT */
/*
 * The negotiation of VT-x controls (vmx/controls.c) over the capabilities of Bochs' processor
 * models, of a minimal processor, and with each feature taken away singly. SDM vol. 3 rev. 083,
 * appendix A.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../vmx/vmx.h"
#include "errors.h"

#define TRUE_PIN   0x00000016U
#define TRUE_PROC  0x04006172U
#define TRUE_EXIT  0x00036dfbU
#define TRUE_ENTRY 0x000011fbU

/* Read from Bochs 2.7's models: allowed 1-settings, IA32_VMX_BASIC, IA32_VMX_EPT_VPID_CAP. */
static const struct recorded {
	const char *name;
	u32 one[NR_WORDS];
	u64 basic, ept_vpid, cr4_fixed1;
	const char *lacks; /* NULL: runs Plinth */
	u32 proc2;	   /* what is chosen */
	bool one_gb, ad;
} models[] = {
	{ "core2_penryn_t9600",
	  { 0x3f, 0xf7f9fffe, 0x41, 0x0003ffff, 0x3fff },
	  0xd810000000002b,
	  0,
	  0x467ff,
	  "EPT (extended page tables)",
	  0,
	  false,
	  false },
	{ "corei5_lynnfield_750",
	  { 0x7f, 0xf7f9fffe, 0x7f, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106114141,
	  0x67ff,
	  "unrestricted guest",
	  0,
	  false,
	  false },
	{ "corei7_sandy_bridge_2600k",
	  { 0x7f, 0xf7f9fffe, 0xff, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106114141,
	  0x627ff,
	  NULL,
	  0xea,
	  false,
	  false },
	{ "corei7_ivy_bridge_3770k",
	  { 0x7f, 0xf7f9fffe, 0x8ff, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106114141,
	  0x1727ff,
	  NULL,
	  0xea,
	  false,
	  false },
	{ "corei7_haswell_4770",
	  { 0x7f, 0xf7f9fffe, 0x47fff, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106334141,
	  0x1727ff,
	  NULL,
	  0x10ea,
	  true,
	  true },
	{ "broadwell_ult",
	  { 0x7f, 0xf7f9fffe, 0x57fff, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106334141,
	  0x3727ff,
	  NULL,
	  0x10ea,
	  true,
	  true },
	{ "corei7_skylake_x",
	  { 0x7f, 0xf7f9fffe, 0x2177fff, 0x007fffff, 0xffff },
	  0xd810000000002b,
	  0xf0106334141,
	  0x3727ff,
	  NULL,
	  0x1010ea,
	  true,
	  true },
	{ "corei7_icelake_u",
	  { 0x7f, 0xfff9fffe, 0x2977fff, 0x007fffff, 0xffff },
	  0xd8100000000004,
	  0xf0106334141,
	  0x772fff,
	  NULL,
	  0x1010ea,
	  true,
	  true },
	{ "tigerlake",
	  { 0x7f, 0xfff9fffe, 0x2977fff, 0x107fffff, 0x10ffff },
	  0x1d8100000000004,
	  0xf0106b34141,
	  0xf72fff,
	  NULL,
	  0x1010ea,
	  true,
	  true },
};
#define FULL 6 /* skylake */

static struct vmx_caps caps_of(const struct recorded *r)
{
	static const u32 zero[NR_WORDS] = { TRUE_PIN, TRUE_PROC, 0, TRUE_EXIT, TRUE_ENTRY };
	struct vmx_caps c = {
		.basic = r->basic,
		.ept_vpid = r->ept_vpid,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = r->cr4_fixed1,
	};

	for (unsigned int i = 0; i < NR_WORDS; i++)
		c.word[i] = (struct vmx_allowed){ zero[i], r->one[i] };
	return c;
}

static void take(struct vmx_caps *c, unsigned int control)
{
	c->word[CTL_WORD(control)].one &= ~CTL_BIT(control);
	c->word[CTL_WORD(control)].zero &= ~CTL_BIT(control);
}

/* Whatever was chosen, the processor must accept it: 27.2.1. */
static void check_allowed(const struct vmx_caps *c, const struct vmx_controls *got)
{
	for (unsigned int i = 0; i < NR_WORDS; i++) {
		assert_int_equal(got->word[i] & ~c->word[i].one, 0);
		assert_int_equal(~got->word[i] & c->word[i].zero, 0);
	}
	if (vmx_has(got, PROC2_UNRESTRICTED_GUEST))
		assert_true(vmx_has(got, PROC2_EPT));
	if (vmx_has(got, PIN_VIRTUAL_NMIS))
		assert_true(vmx_has(got, PIN_NMI));
	if (vmx_has(got, PROC2_VPID))
		assert_true(got->invvpid);
}

static struct vmx_controls accepted(const struct vmx_caps *c)
{
	struct vmx_controls got;
	const char *why = NULL;
	int err = vmx_negotiate(c, &got, &why);

	if (err)
		fail_msg("%s", why);
	check_allowed(c, &got);
	return got;
}

static void refused(const struct vmx_caps *c, const char *part)
{
	struct vmx_controls got;
	const char *why = "";

	assert_int_equal(vmx_negotiate(c, &got, &why), -ENOSYS);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not name \"%s\"", why, part);
	assert_null(strchr(why, '\n'));
}

static void test_models(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(models); i++) {
		const struct recorded *r = &models[i];
		struct vmx_caps c = caps_of(r);
		struct vmx_controls got;

		if (r->lacks) {
			refused(&c, r->lacks);
			continue;
		}
		got = accepted(&c);
		assert_int_equal(got.word[WORD_PIN], 0x3f);
		assert_int_equal(got.word[WORD_PROC], 0xb6206dfa);
		assert_int_equal(got.word[WORD_PROC2], r->proc2);
		assert_int_equal(got.word[WORD_EXIT], 0x2b6fff);
		assert_int_equal(got.word[WORD_ENTRY], 0xd1ff);
		assert_true(got.two_mb);
		assert_int_equal(got.one_gb, r->one_gb);
		assert_int_equal(got.ad, r->ad);
	}
}

static const struct {
	u16 control;
	const char *name;
} required[] = {
	{ PIN_EXTERNAL_INTERRUPT, "external-interrupt exiting" },
	{ PIN_NMI, "NMI exiting" },
	{ PIN_VIRTUAL_NMIS, "virtual NMIs" },
	{ PROC_TSC_OFFSET, "TSC offsetting" },
	{ PROC_HLT, "HLT exiting" },
	{ PROC_MWAIT, "MWAIT exiting" },
	{ PROC_RDPMC, "RDPMC exiting" },
	{ PROC_IO_BITMAPS, "I/O bitmaps" },
	{ PROC_MSR_BITMAPS, "MSR bitmaps" },
	{ PROC_MONITOR, "MONITOR exiting" },
	{ PROC_SECONDARY, "secondary processor-based controls" },
	{ PROC2_EPT, "EPT (extended page tables)" },
	{ PROC2_UNRESTRICTED_GUEST, "unrestricted guest" },
	{ EXIT_SAVE_DEBUG, "saving debug controls" },
	{ EXIT_HOST_64, "64-bit host" },
	{ EXIT_LOAD_PAT, "loading IA32_PAT at exits" },
	{ EXIT_LOAD_EFER, "loading IA32_EFER at exits" },
	{ ENTRY_LOAD_DEBUG, "loading debug controls" },
	{ ENTRY_LOAD_PAT, "loading IA32_PAT at entries" },
	{ ENTRY_LOAD_EFER, "loading IA32_EFER at entries" },
};

static const u16 optional[] = {
	PROC_TPR_SHADOW, PROC2_RDTSCP, PROC2_VPID, PROC2_WBINVD, PROC2_INVPCID, PROC2_XSAVES,
};

static void test_each_required(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(required); i++) {
		struct vmx_caps c = caps_of(&models[FULL]);

		take(&c, required[i].control);
		refused(&c, required[i].name);
	}
}

static void test_each_optional(void **state)
{
	struct vmx_caps full = caps_of(&models[FULL]);
	struct vmx_controls all = accepted(&full);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++) {
		struct vmx_caps c = full;
		struct vmx_controls got;

		take(&c, optional[i]);
		got = accepted(&c);
		assert_false(vmx_has(&got, optional[i]));
		for (unsigned int j = 0; j < ARRAY_SIZE(optional); j++)
			if (j != i)
				assert_true(vmx_has(&got, optional[j]));
		for (unsigned int j = 0; j < ARRAY_SIZE(required); j++)
			assert_true(vmx_has(&got, required[j].control));
	}
	/* And every set of them. */
	for (unsigned int set = 0; set < BIT(ARRAY_SIZE(optional)); set++) {
		struct vmx_caps c = full;
		struct vmx_controls got;

		for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++)
			if (!(set & BIT(i)))
				take(&c, optional[i]);
		got = accepted(&c);
		for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++)
			assert_int_equal(vmx_has(&got, optional[i]), (set & BIT(i)) != 0);
	}
	assert_true(vmx_has(&all, PROC_TPR_SHADOW));
	assert_false(vmx_has(&all, PROC_CR8_LOAD));
}

/* Only what is required, all reserved bits as the manual has them. */
static void test_minimal(void **state)
{
	struct vmx_caps c = {
		.basic = VMX_BASIC_TRUE_CONTROL | 6ULL << 50 | 1,
		.ept_vpid = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT | EPT_CAP_INVEPT_ALL,
	};
	struct vmx_controls got;

	(void)state;
	c.word[WORD_PIN] = (struct vmx_allowed){ TRUE_PIN, TRUE_PIN };
	c.word[WORD_PROC] = (struct vmx_allowed){ TRUE_PROC, TRUE_PROC };
	c.word[WORD_EXIT] = (struct vmx_allowed){ TRUE_EXIT, TRUE_EXIT };
	c.word[WORD_ENTRY] = (struct vmx_allowed){ TRUE_ENTRY, TRUE_ENTRY };
	for (unsigned int i = 0; i < ARRAY_SIZE(required); i++)
		c.word[CTL_WORD(required[i].control)].one |= CTL_BIT(required[i].control);
	refused(&c, "TPR shadow or CR8 exiting");
	c.word[WORD_PROC].one |= CTL_BIT(PROC_CR8_LOAD);
	refused(&c, "TPR shadow or CR8 exiting");
	c.word[WORD_PROC].one |= CTL_BIT(PROC_CR8_STORE);
	got = accepted(&c);
	assert_true(vmx_has(&got, PROC_CR8_LOAD));
	assert_true(vmx_has(&got, PROC_CR8_STORE));
	assert_false(got.two_mb || got.one_gb || got.ad || got.invept_one || got.invvpid);
	assert_int_equal(got.word[WORD_PROC2],
			 CTL_BIT(PROC2_EPT) | CTL_BIT(PROC2_UNRESTRICTED_GUEST));
}

static void test_ept_parts(void **state)
{
	static const struct {
		u64 bits;
		const char *lacks; /* NULL: goes without */
	} part[] = {
		{ EPT_CAP_WALK_4, "EPT tables of four levels" },
		{ EPT_CAP_WB, "write-back EPT tables" },
		{ EPT_CAP_INVEPT, "INVEPT" },
		{ EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL, "INVEPT" },
		{ EPT_CAP_INVEPT_ONE, NULL },
		{ EPT_CAP_INVEPT_ALL, NULL },
		{ EPT_CAP_2M, NULL },
		{ EPT_CAP_1G, NULL },
		{ EPT_CAP_AD, NULL },
		{ VPID_CAP_INVVPID, NULL },
		{ VPID_CAP_INVVPID_ALL, NULL },
	};
	struct vmx_controls got;
	struct vmx_caps c;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(part); i++) {
		c = caps_of(&models[FULL]);
		c.ept_vpid &= ~part[i].bits;
		if (part[i].lacks)
			refused(&c, part[i].lacks);
		else
			accepted(&c);
	}
	c = caps_of(&models[FULL]);
	c.ept_vpid &= ~EPT_CAP_2M;
	got = accepted(&c);
	assert_false(got.one_gb); /* leaves of the middle size would be missing */
	ept_configure(&got);
	assert_int_equal(ept_format.max_level, 0);
	c = caps_of(&models[FULL]);
	c.ept_vpid &= ~VPID_CAP_INVVPID_ALL;
	got = accepted(&c);
	assert_false(vmx_has(&got, PROC2_VPID));
	c = caps_of(&models[FULL]);
	c.basic |= VMX_BASIC_PHYS32;
	refused(&c, "structures above 4 GiB");
}

/* Each type of INVEPT and INVVPID alone, and all but that one (A.10). */
static void test_invalidation_types(void **state)
{
	static const u64 vpid_types = VPID_CAP_INVVPID_ADDRESS | VPID_CAP_INVVPID_ONE |
				      VPID_CAP_INVVPID_ALL | VPID_CAP_INVVPID_GLOBALS;
	static const u64 vpid[] = { VPID_CAP_INVVPID_ADDRESS, VPID_CAP_INVVPID_ONE,
				    VPID_CAP_INVVPID_ALL, VPID_CAP_INVVPID_GLOBALS };
	struct vmx_controls got;
	struct vmx_caps c;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(vpid); i++) {
		bool all = vpid[i] == VPID_CAP_INVVPID_ALL;

		c = caps_of(&models[FULL]);
		c.ept_vpid = (c.ept_vpid | vpid_types) & ~vpid[i];
		got = accepted(&c);
		assert_int_equal(got.invvpid, !all);
		assert_int_equal(vmx_has(&got, PROC2_VPID), !all);
		c.ept_vpid = (c.ept_vpid & ~vpid_types) | vpid[i];
		got = accepted(&c);
		assert_int_equal(got.invvpid, all);
		assert_int_equal(vmx_has(&got, PROC2_VPID), all);
	}
	c = caps_of(&models[FULL]);
	got = accepted(&c);
	assert_true(got.invept_one && got.invept_all);
	c.ept_vpid &= ~EPT_CAP_INVEPT_ONE;
	got = accepted(&c);
	assert_true(!got.invept_one && got.invept_all);
	c.ept_vpid = (c.ept_vpid | EPT_CAP_INVEPT_ONE) & ~EPT_CAP_INVEPT_ALL;
	got = accepted(&c);
	assert_true(got.invept_one && !got.invept_all);
}

static void test_forced(void **state)
{
	struct vmx_caps c = caps_of(&models[FULL]);
	struct vmx_controls got;

	(void)state;
	/* Without the true capabilities the whole default1 class is forced: A.2. */
	c.word[WORD_PROC].zero |= CTL_BIT(PROC_CR3_LOAD) | CTL_BIT(PROC_CR3_STORE);
	got = accepted(&c);
	assert_true(vmx_has(&got, PROC_CR3_LOAD) && vmx_has(&got, PROC_CR3_STORE));

	c = caps_of(&models[FULL]);
	c.word[WORD_PROC].zero |= CTL_BIT(PROC_INVLPG);
	refused(&c, "insists on processor-based control 9");
	c = caps_of(&models[FULL]);
	c.word[WORD_ENTRY].zero |= CTL_BIT(ENTRY_SMM);
	refused(&c, "insists on VM-entry control 10");
	c = caps_of(&models[FULL]);
	c.word[WORD_PROC2].zero |= CTL_BIT(PROC2_PML);
	refused(&c, "insists on secondary processor-based control 17");
}

/* --- reading the capabilities --------------------------------------------------------------------- */

static u64 basic_shown;
static u32 highest_read;
static bool secondary_read, ept_read;

static u64 fake_msr(u32 msr)
{
	highest_read = msr > highest_read ? msr : highest_read;
	secondary_read |= msr == 0x48b;
	ept_read |= msr == 0x48c;
	if (msr == 0x480)
		return basic_shown;
	return (u64)msr << 32 | msr;
}

static void test_read(void **state)
{
	struct vmx_caps c;

	(void)state;
	basic_shown = 0;
	vmx_caps_read(&c, fake_msr);
	assert_int_equal(c.word[WORD_PIN].one, 0x481);
	assert_int_equal(c.word[WORD_PROC].zero, 0x482);
	/* Bit 31 of the allowed 1-settings is clear: neither exists, and reading would be #GP. */
	assert_false(secondary_read || ept_read);
	assert_int_equal(highest_read, 0x489);

	basic_shown = VMX_BASIC_TRUE_CONTROL;
	vmx_caps_read(&c, fake_msr);
	assert_int_equal(c.word[WORD_PIN].one, 0x48d);
	assert_int_equal(c.word[WORD_PROC].one, 0x48e);
	assert_int_equal(c.word[WORD_EXIT].one, 0x48f);
	assert_int_equal(c.word[WORD_ENTRY].one, 0x490);
	assert_int_equal(c.cr0_fixed0 & 0xfff, 0x486);
	assert_int_equal(c.cr4_fixed1 & 0xfff, 0x489);
}

/* --- EPT entries: 29.3.2, tables 29-2 to 29-6 ------------------------------------------------------ */

static void test_ept_entries(void **state)
{
	struct vmx_controls c = { .ad = true };

	(void)state;
	assert_int_equal(ept_format.table(0x1234000), 0x1234000 | 7 | BIT(8));
	assert_int_equal(ept_format.leaf(0x5000, 0, GP_READ | GP_WRITE | GP_EXEC, MEMTYPE_WB),
			 0x5000 | 7 | 6 << 3 | BIT(8) | BIT(9));
	assert_int_equal(ept_format.leaf(0x200000, 1, GP_READ | GP_EXEC, MEMTYPE_WB),
			 0x200000 | 5 | 6 << 3 | BIT(7) | BIT(8) | BIT(9));
	assert_int_equal(ept_format.leaf(GIB(1), 2, GP_READ | GP_WRITE, MEMTYPE_UC),
			 GIB(1) | 3 | BIT(7) | BIT(8) | BIT(9));
	assert_int_equal(ept_pointer(0xabc000, &c), 0xabc000 | 6 | 3 << 3 | BIT(6));
	c.ad = false;
	assert_int_equal(ept_pointer(0xabc000, &c), 0xabc000 | 6 | 3 << 3);
	c.two_mb = true;
	ept_configure(&c);
	assert_int_equal(ept_format.max_level, 1);
	c.one_gb = true;
	ept_configure(&c);
	assert_int_equal(ept_format.max_level, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models),	      cmocka_unit_test(test_each_required),
		cmocka_unit_test(test_each_optional), cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_ept_parts),     cmocka_unit_test(test_invalidation_types),
		cmocka_unit_test(test_forced),	      cmocka_unit_test(test_read),
		cmocka_unit_test(test_ept_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
