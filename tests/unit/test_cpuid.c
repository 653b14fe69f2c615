/* SPDX-License-Identifier: MIT */
/*
 * CPUID policy over recorded and made-up processors: what is hidden, what follows the vCPU, and that the leaves agree with one
 * another. SDM vol. 2A CPUID, APM vol. 3 appendix E.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cpuid.h"
#include "msr.h"
#include "policy.h"
#include "vm.h"

#include "cpuid_recordings.h"

static struct vm *vm;
static struct vcpu vcpus[VM_VCPUS_MAX];
static u64 xcr0;

u64 host_xcr0_read(void)
{
	return xcr0;
}

void host_xcr0_write(u64 value)
{
	xcr0 = value;
}

void vcpu_load(struct vcpu *v, u32 regs)
{
	(void)v;
	fail_msg("register group %#x is not in the copy", regs);
}

static const struct recorded_leaf *recording;
static size_t recording_size;

static struct cpuid_regs recorded(u32 leaf, u32 subleaf)
{
	for (size_t i = 0; i < recording_size; i++)
		if (recording[i].leaf == leaf && recording[i].subleaf == subleaf)
			return recording[i].r;
	return (struct cpuid_regs){ 0 };
}

/* A processor that has every feature bit there will ever be. */
static bool greedy_intel;

static struct cpuid_regs greedy(u32 leaf, u32 subleaf)
{
	struct cpuid_regs all = { ~0U, ~0U, ~0U, ~0U };

	switch (leaf) {
	case 0:
		return greedy_intel
			       ? (struct cpuid_regs){ 0x24, 0x756e6547, 0x6c65746e, 0x49656e69 }
			       : (struct cpuid_regs){ 0x10, 0x68747541, 0x444d4163, 0x69746e65 };
	case 0x80000000:
		return greedy_intel ? (struct cpuid_regs){ 0x80000008, 0, 0, 0 }
				    : (struct cpuid_regs){ 0x80000026, 0x68747541, 0x444d4163,
							   0x69746e65 };
	case 7:
		if (subleaf == 0)
			all.eax = 2;
		return all;
	case 4:
	case 0x8000001d:
		if (subleaf > 3)
			all.eax = 0;
		else
			all.eax = 0xfffffc01 | (subleaf + 1) << 5;
		return all;
	case 0xd:
		if (subleaf == 0)
			return (struct cpuid_regs){ 0x000602e7, 0x2b00, 0x2b00, 0 };
		if (subleaf == 1)
			return (struct cpuid_regs){ 0x1f, 0x2b00, 0x7900, 0 };
		if (subleaf == 2)
			return (struct cpuid_regs){ 256, 576, 0, 0 };
		if (subleaf == 5)
			return (struct cpuid_regs){ 60, 1088, 0,
						    0 }; /* an odd size: see test_compaction() */
		if (subleaf == 6)
			return (struct cpuid_regs){ 512, 1152, 2, 0 };
		if (subleaf == 7)
			return (struct cpuid_regs){ 1024, 1664, 0, 0 };
		if (subleaf == 8)
			return (struct cpuid_regs){ 128, 0, 1, 0 };
		if (subleaf == 9)
			return (struct cpuid_regs){ 8, 2688, 0, 0 };
		return all;
	case 0x80000008:
		return (struct cpuid_regs){ 0x00003934, ~0U, ~0U, ~0U };
	default:
		return all;
	}
}

static struct cpuid_regs greedy_i(u32 leaf, u32 subleaf)
{
	greedy_intel = true;
	return greedy(leaf, subleaf);
}

static struct cpuid_regs greedy_a(u32 leaf, u32 subleaf)
{
	greedy_intel = false;
	return greedy(leaf, subleaf);
}

struct host {
	const char *name;
	const struct recorded_leaf *leaf;
	size_t n;
	struct cpuid_regs (*reader)(u32 leaf, u32 subleaf);
	bool intel;
};

#define RECORDED(x, is_intel)                            \
	{                                                \
#x, x, ARRAY_SIZE(x), recorded, is_intel \
	}

static const struct host hosts[] = {
	RECORDED(qemu_epyc, false),
	RECORDED(qemu_max, false),
	RECORDED(skylake_x, true),
	RECORDED(ryzen, false),
	RECORDED(phenom, false),
	{ "all bits, Intel", NULL, 0, greedy_i, true },
	{ "all bits, AMD", NULL, 0, greedy_a, false },
};

#define TSC_HZ 3493000000ULL

static void use(const struct host *h)
{
	recording = h->leaf;
	recording_size = h->n;
	cpuid_policy_init(h->reader, TSC_HZ);
}

static void set_vcpus(u32 n)
{
	vm->nr_vcpus = n;
	memset(vcpus, 0, sizeof(vcpus));
	for (u32 i = 0; i < n; i++) {
		vcpus[i].vm = vm;
		vcpus[i].id = i;
		vcpus[i].reg_avail = REG_ALL;
		vcpus[i].lapic.id = i;
		vcpus[i].lapic.base_msr = APIC_BASE_DEFAULT | APIC_BASE_EN;
		vm->vcpu[i] = &vcpus[i];
	}
	xcr0 = XCR0_X87;
}

static struct cpuid_regs ask(u32 leaf, u32 subleaf)
{
	return cpuid_policy(&vcpus[0], leaf, subleaf);
}

static bool zero(struct cpuid_regs r)
{
	return !(r.eax | r.ebx | r.ecx | r.edx);
}

static bool same(struct cpuid_regs a, struct cpuid_regs b)
{
	return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

static int setup(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	return vm ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(vm);
	return 0;
}

/* --- what no guest may see, whatever the processor has ----------------------------------------- */

static const struct {
	u32 leaf, subleaf;
	struct cpuid_regs hidden;
} hidden[] = {
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2; xTPR, PDCM, DCA */
	{ 1, 0, { 0, 0, 0x000001fc | BIT(14) | BIT(15) | BIT(18), 0 } },
	/* PSN, DS, ACPI, TM, PBE */
	{ 1, 0, { 0, 0, 0, BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31) } },
	/* all of leaf 6 but ARAT */
	{ 6, 0, { ~4U, ~0U, ~0U, ~0U } },
	/* SGX, HLE, RTM, RDT-M, MPX, RDT-A, PT */
	{ 7, 0, { 0, BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(25), 0, 0 } },
	/* WAITPKG, CET_SS, TME, LA57, KL, bus lock, ENQCMD, SGX_LC, PKS */
	{ 7,
	  0,
	  { 0, 0,
	    BIT(5) | BIT(7) | BIT(13) | BIT(16) | BIT(23) | BIT(24) | BIT(29) | BIT(30) | BIT(31),
	    0 } },
	/* UINTR, hybrid, TSXLDTRK, PCONFIG, arch LBR, IBT, AMX, CORE_CAP */
	{ 7,
	  0,
	  { 0, 0, 0,
	    BIT(5) | BIT(15) | BIT(16) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25) |
		    BIT(30) } },
	/* FRED, LKGS, WRMSRNS, AMX-FP16, HRESET, LAM, MSRLIST */
	{ 7,
	  1,
	  { BIT(17) | BIT(18) | BIT(19) | BIT(21) | BIT(22) | BIT(26) | BIT(27), ~0U, ~0U,
	    BIT(8) | BIT(17) | BIT(18) } },
	/* XSAVES, XFD; the size and states of XSS */
	{ 0xd, 1, { ~7U, 0, ~0U, ~0U } },
	/* BNDREGS, BNDCSR, PT, CET, HDC, UINTR, LBR, HWP, AMX */
	{ 0xd, 0, { ~0x2e7U, 0, 0, ~0U } },
	/* SVM, ExtApic, OSVW, IBS, SKINIT, WDT, LWP, NodeId, PerfCtr*, DBE, PerfTsc, MWAITX, AddrMask */
	{ 0x80000001,
	  0,
	  { 0, 0,
	    BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(23) |
		    BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30),
	    0 } },
	/* all but the invariant TSC */
	{ 0x80000007, 0, { ~0U, ~0U, ~0U, ~BIT(8) } },
	/* IRPERF, INVLPGB, RDPRU, MCOMMIT, INT_WBINVD, PPIN, VIRT_SSBD, CPPC */
	{ 0x80000008,
	  0,
	  { 0xffff0000,
	    BIT(1) | BIT(3) | BIT(4) | BIT(8) | BIT(13) | BIT(21) | BIT(23) | BIT(25) | BIT(27), 0,
	    ~0U } },
	/* UAI, AutoIBRS, CPUID faulting */
	{ 0x80000021, 0, { BIT(3) | BIT(7) | BIT(8) | BIT(13) | BIT(17), ~0U, ~0U, ~0U } },
};

static const u32 zero_leaves[] = {
	3,	    5,		9,	    0xa,	0xc,	    0xe,
	0xf,	    0x10,	0x11,	    0x12,	0x13,	    0x14,
	0x17,	    0x18,	0x19,	    0x1a,	0x1b,	    0x1c,
	0x1d,	    0x1e,	0x40000001, 0x4000000f, 0x40000011, 0x400000ff,
	0x8000000a, 0x8000001b, 0x8000001c, 0x8000001f, 0x80000020,
};

static void test_hidden(void **state)
{
	(void)state;
	for (size_t h = 0; h < ARRAY_SIZE(hosts); h++) {
		use(&hosts[h]);
		set_vcpus(1);
		for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
			struct cpuid_regs r = ask(hidden[i].leaf, hidden[i].subleaf);
			u32 max = ask(hidden[i].leaf & 0x80000000, 0).eax;

			if (hidden[i].leaf > max)
				continue;
			if ((r.eax & hidden[i].hidden.eax) || (r.ebx & hidden[i].hidden.ebx) ||
			    (r.ecx & hidden[i].hidden.ecx) || (r.edx & hidden[i].hidden.edx))
				fail_msg("%s: row %zu, leaf %#x shows %#x %#x %#x %#x",
					 hosts[h].name, i, hidden[i].leaf, r.eax, r.ebx, r.ecx,
					 r.edx);
		}
		for (size_t i = 0; i < ARRAY_SIZE(zero_leaves); i++) {
			u32 leaf = zero_leaves[i];

			/* Intel's rule for leaves out of range is tested below. */
			if (hosts[h].intel && leaf - 0x40000000 > 0xff &&
			    leaf > ask(leaf & 0x80000000, 0).eax)
				continue;
			for (u32 s = 0; s < 4; s++)
				if (!zero(ask(leaf, s)))
					fail_msg("%s: leaf %#x.%u is not zero", hosts[h].name, leaf,
						 s);
		}
	}
}

/* --- that the leaves agree --------------------------------------------------------------------- */

static void check_topology(const struct host *h, u32 n)
{
	u32 bits = 0;

	while (BIT(bits) < n)
		bits++;
	for (u32 i = 0; i < n; i++) {
		struct vcpu *v = &vcpus[i];
		struct cpuid_regs one = cpuid_policy(v, 1, 0);
		struct cpuid_regs ext = cpuid_policy(v, 0x80000001, 0);
		struct cpuid_regs smt = cpuid_policy(v, 0xb, 0);
		struct cpuid_regs core = cpuid_policy(v, 0xb, 1);
		struct cpuid_regs end = cpuid_policy(v, 0xb, 2);
		u32 cache_leaf = h->intel ? 4 : 0x8000001d;
		bool caches = h->intel || (ext.ecx & CPUID_81_ECX_TOPOEXT);

		assert_int_equal(one.ebx >> 24, i);
		assert_int_equal((one.ebx >> 16) & 0xff, n);
		assert_int_equal(!!(one.edx & CPUID_1_EDX_HTT), n > 1);
		assert_int_equal(smt.edx, i);
		assert_int_equal(core.edx, i);
		assert_int_equal(end.edx, i);
		assert_int_equal(smt.ecx, 0x100);
		assert_int_equal(core.ecx, 0x201);
		assert_int_equal(end.ecx, 2);
		assert_int_equal(smt.eax, 0);
		assert_int_equal(smt.ebx, 1);
		assert_int_equal(core.eax, bits);
		assert_int_equal(core.ebx, n);
		assert_int_equal(end.eax | end.ebx, 0);
		if (!h->intel) {
			struct cpuid_regs sizes = cpuid_policy(v, 0x80000008, 0);
			struct cpuid_regs node = cpuid_policy(v, 0x8000001e, 0);

			assert_int_equal(sizes.ecx & 0xff, n - 1);
			assert_int_equal((sizes.ecx >> 12) & 0xf, bits);
			assert_int_equal(sizes.ecx & ~0xf0ffU, 0);
			assert_int_equal(!!(ext.ecx & CPUID_81_ECX_CMP_LEGACY), n > 1);
			if (ext.ecx & CPUID_81_ECX_TOPOEXT) {
				assert_int_equal(node.eax, i);
				assert_int_equal(node.ebx, i);
				assert_int_equal(node.ecx, 0);
			} else {
				assert_true(zero(node));
				assert_true(zero(cpuid_policy(v, 0x8000001d, 0)));
			}
			assert_true(zero(cpuid_policy(v, 4, 0)));
		}
		for (u32 s = 0; caches && s < 12; s++) {
			struct cpuid_regs c = cpuid_policy(v, cache_leaf, s);
			u32 sharing = (c.eax >> 14) & 0xfff;

			if (!(c.eax & 0x1f)) {
				assert_true(zero(c));
				break;
			}
			assert_int_equal(sharing, ((c.eax >> 5) & 7) >= 3 ? BIT(bits) - 1 : 0);
			if (h->intel)
				assert_int_equal(c.eax >> 26, BIT(bits) - 1);
			assert_in_range(s, 0, 7);
		}
	}
}

static void check_xsave(void)
{
	struct cpuid_regs one = ask(1, 0);
	struct cpuid_regs seven = ask(7, 0);
	struct cpuid_regs d0 = ask(0xd, 0), d1 = ask(0xd, 1);
	u64 allowed = policy_xcr0_allowed();
	u32 size = 576;

	if (!(one.ecx & CPUID_1_ECX_XSAVE)) {
		assert_int_equal(allowed, 0);
		assert_false(one.ecx & (CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C));
		assert_false(seven.ebx & (CPUID_7_EBX_AVX2 | CPUID_7_EBX_AVX512F));
		for (u32 s = 0; s < 12; s++)
			assert_true(ask(0, 0).eax < 0xd || zero(ask(0xd, s)));
		return;
	}
	assert_true(ask(0, 0).eax >= 0xd);
	assert_int_equal(((u64)d0.edx << 32) | d0.eax, allowed);
	assert_int_equal(allowed & 3, 3);
	assert_int_equal(!!(one.ecx & CPUID_1_ECX_AVX), !!(allowed & XCR0_AVX));
	assert_int_equal(!!(seven.ebx & CPUID_7_EBX_AVX512F), !!(allowed & XCR0_AVX512));
	assert_int_equal(!!(seven.ecx & CPUID_7_ECX_PKU), !!(allowed & XCR0_PKRU));
	for (u32 s = 2; s < 64; s++) {
		struct cpuid_regs c = ask(0xd, s);

		if (!(allowed & BIT64(s))) {
			assert_true(zero(c));
			continue;
		}
		assert_int_equal(c.ecx & ~2U, 0); /* user states only */
		assert_int_equal(c.edx, 0);
		if (c.ebx + c.eax > size)
			size = c.ebx + c.eax;
		/* Alone. */
		xcr0 = XCR0_X87 | XCR0_SSE | BIT64(s);
		assert_int_equal(ask(0xd, 0).ebx, c.ebx + c.eax);
		if (d1.eax & CPUID_D1_EAX_XSAVEC)
			assert_int_equal(ask(0xd, 1).ebx, 576 + c.eax);
	}
	assert_int_equal(d0.ecx, size);
	xcr0 = XCR0_X87;
	assert_int_equal(ask(0xd, 0).ebx, 576);
	xcr0 = allowed;
	assert_int_equal(ask(0xd, 0).ebx, size);
	xcr0 = XCR0_X87;
}

static void check_features(const struct host *h)
{
	struct cpuid_regs zero_leaf = ask(0, 0);
	struct cpuid_regs one = ask(1, 0), seven = ask(7, 0);
	struct cpuid_regs ext0 = ask(0x80000000, 0), ext = ask(0x80000001, 0);
	struct cpuid_regs sizes = ask(0x80000008, 0);

	assert_in_range(zero_leaf.eax, 0xb, 0x1f);
	assert_in_range(ext0.eax, 0x80000008, 0x80000021);
	assert_true(one.ecx & CPUID_1_ECX_HYPERVISOR);
	assert_true(one.ecx & CPUID_1_ECX_X2APIC);
	assert_true(one.ecx & CPUID_1_ECX_TSC_DEADLINE);
	assert_true(one.edx & CPUID_1_EDX_APIC);
	assert_true(one.edx & CPUID_1_EDX_MTRR);
	assert_true(one.edx & CPUID_1_EDX_PAT);
	assert_true(seven.ebx & CPUID_7_EBX_TSC_ADJUST);
	assert_int_equal(ask(6, 0).eax, 4);
	assert_true(seven.eax <= 2);
	assert_true(ext.edx & CPUID_81_EDX_LM);
	assert_true(ext.edx & CPUID_81_EDX_SYSCALL);
	assert_int_equal((sizes.eax >> 8) & 0xff, 48);
	assert_in_range(sizes.eax & 0xff, 36, 52);
	assert_int_equal(sizes.eax & 0xff, policy_maxphyaddr());
	assert_int_equal(policy_vendor_is_intel(), h->intel);
	if (!h->intel) {
		assert_int_equal(ext.edx & CPUID_EDX_COMMON_AMD, one.edx & CPUID_EDX_COMMON_AMD);
		assert_int_equal(ext0.ebx, zero_leaf.ebx);
		assert_int_equal(ext0.ecx, zero_leaf.ecx);
		assert_int_equal(ext0.edx, zero_leaf.edx);
		assert_true(sizes.ebx & CPUID_88_EBX_LMSLE_UNSUPPORTED);
	}
	/* Nothing is offered that the processor lacks, except what Plinth emulates. */
	for (u32 leaf = 1; leaf <= 7; leaf += 6) {
		struct cpuid_regs real = h->reader(leaf, 0), mine = ask(leaf, 0);
		u32 c = leaf == 1 ? CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE |
					    CPUID_1_ECX_HYPERVISOR
				  : 0;
		u32 b = leaf == 7 ? CPUID_7_EBX_TSC_ADJUST : ~0U;

		assert_int_equal(mine.ecx & ~real.ecx & ~c, 0);
		assert_int_equal(mine.edx & ~real.edx & (leaf == 1 ? ~CPUID_1_EDX_HTT : ~0U), 0);
		assert_int_equal(mine.ebx & ~real.ebx & ~b, 0);
	}
}

static void check_derived(void)
{
	static const struct {
		u64 bit;
		u32 leaf;
		char reg;
		u32 feature;
	} rows[] = {
		{ CR4_VME, 1, 'd', CPUID_1_EDX_VME },
		{ CR4_PVI, 1, 'd', CPUID_1_EDX_VME },
		{ CR4_TSD, 1, 'd', CPUID_1_EDX_TSC },
		{ CR4_DE, 1, 'd', CPUID_1_EDX_DE },
		{ CR4_PSE, 1, 'd', CPUID_1_EDX_PSE },
		{ CR4_PAE, 1, 'd', CPUID_1_EDX_PAE },
		{ CR4_MCE, 1, 'd', CPUID_1_EDX_MCE },
		{ CR4_PGE, 1, 'd', CPUID_1_EDX_PGE },
		{ CR4_OSFXSR, 1, 'd', CPUID_1_EDX_FXSR },
		{ CR4_OSXMMEXCPT, 1, 'd', CPUID_1_EDX_SSE },
		{ CR4_PCIDE, 1, 'c', CPUID_1_ECX_PCID },
		{ CR4_OSXSAVE, 1, 'c', CPUID_1_ECX_XSAVE },
		{ CR4_FSGSBASE, 7, 'b', CPUID_7_EBX_FSGSBASE },
		{ CR4_SMEP, 7, 'b', CPUID_7_EBX_SMEP },
		{ CR4_SMAP, 7, 'b', CPUID_7_EBX_SMAP },
		{ CR4_UMIP, 7, 'c', CPUID_7_ECX_UMIP },
		{ CR4_PKE, 7, 'c', CPUID_7_ECX_PKU },
	};
	u64 expected = CR4_PCE;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool has =
			cpuid_policy_has(rows[i].leaf, 0, rows[i].reg, CPUID_BIT(rows[i].feature));

		if (has)
			expected |= rows[i].bit;
	}
	assert_int_equal(policy_cr4_allowed(), expected);
	assert_int_equal(policy_cr4_hidden() & expected, 0);
	assert_false(policy_efer_allowed() & (EFER_SVME | EFER_LMSLE));
	assert_int_equal(!!(policy_efer_allowed() & EFER_NXE),
			 !!(ask(0x80000001, 0).edx & CPUID_81_EDX_NX));
	assert_int_equal(!!(policy_efer_allowed() & EFER_FFXSR),
			 !!(ask(0x80000001, 0).edx & CPUID_81_EDX_FFXSR));
	assert_int_equal(!!(policy_efer_allowed() & EFER_TCE),
			 !!(ask(0x80000001, 0).ecx & CPUID_81_ECX_TCE));
	assert_false(policy_has_long_mode_la57());
}

static void test_consistent(void **state)
{
	static const u32 counts[] = { 1, 2, 3, 4, 6, 8, 17, 64 };

	(void)state;
	for (size_t h = 0; h < ARRAY_SIZE(hosts); h++) {
		print_message("# %s\n", hosts[h].name);
		use(&hosts[h]);
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
			set_vcpus(counts[i]);
			check_topology(&hosts[h], counts[i]);
		}
		set_vcpus(1);
		check_xsave();
		check_features(&hosts[h]);
		check_derived();
	}
}

/* --- what follows the vCPU --------------------------------------------------------------------- */

static void test_mirrors(void **state)
{
	(void)state;
	for (size_t h = 0; h < ARRAY_SIZE(hosts); h++) {
		bool pku;

		use(&hosts[h]);
		set_vcpus(1);
		pku = cpuid_policy_has(7, 0, 'c', 3);
		assert_false(ask(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
		assert_false(ask(7, 0).ecx & CPUID_7_ECX_OSPKE);
		vcpus[0].cr4 = CR4_OSXSAVE | CR4_PKE;
		assert_true(ask(1, 0).ecx & CPUID_1_ECX_OSXSAVE);
		assert_int_equal(!!(ask(7, 0).ecx & CPUID_7_ECX_OSPKE), pku);
		assert_false(ask(7, 1).ecx & CPUID_7_ECX_OSPKE);
		vcpus[0].lapic.base_msr &= ~APIC_BASE_EN;
		assert_false(ask(1, 0).edx & CPUID_1_EDX_APIC);
		assert_false(ask(0x80000001, 0).edx & CPUID_1_EDX_APIC);
	}
}

static void test_hypervisor_leaves(void **state)
{
	struct cpuid_regs r;

	(void)state;
	use(&hosts[0]);
	set_vcpus(1);
	r = ask(0x40000000, 7);
	assert_int_equal(r.eax, 0x40000010);
	assert_memory_equal(&r.ebx, "PlinthPlinth", 12);
	r = ask(0x40000010, 0);
	assert_int_equal(r.eax, TSC_HZ / 1000);
	assert_int_equal(r.ebx, LAPIC_TIMER_HZ / 1000);
}

/* A count of the LAPIC timer lasts at least so many clocks of the TSC, and what CPUID says of its rate is true. */
static void test_lapic_rate(void **state)
{
	static const struct {
		u64 tsc_hz;
		unsigned int scale;
	} cases[] = {
		{ 0, 0 },	  { 4200000000, 0 }, { 1000000000, 0 }, { 999700000, 0 },
		{ 992000000, 1 }, { 500000000, 1 },  { 499000000, 1 },	{ 400000000, 2 },
		{ 20000000, 6 },  { 10000000, 7 },   { 1000000, 8 },
	};

	(void)state;
	recording = skylake_x;
	recording_size = ARRAY_SIZE(skylake_x);
	set_vcpus(1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 hz = LAPIC_TIMER_HZ >> cases[i].scale;

		cpuid_policy_init(recorded, cases[i].tsc_hz);
		assert_int_equal(policy_lapic_timer_scale(), cases[i].scale);
		assert_int_equal(ask(0x40000010, 0).ebx, hz / 1000);
		if (cases[i].tsc_hz >= hz)
			assert_int_equal(ask(0x15, 0).ecx, hz);
	}
}

/* SDM: the highest basic leaf, subleaf included; APM: zeros. */
static void test_out_of_range(void **state)
{
	static const u32 leaves[] = { 0x20,	  0x21,	      0x1000,	  0x3fffffff, 0x40000100,
				      0x7fffffff, 0x80000022, 0x80001000, 0xc0000000, 0xffffffff };

	(void)state;
	for (size_t h = 0; h < ARRAY_SIZE(hosts); h++) {
		u32 max;

		use(&hosts[h]);
		set_vcpus(1);
		max = ask(0, 0).eax;
		for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
			for (u32 s = 0; s < 3; s++) {
				struct cpuid_regs r = ask(leaves[i], s);

				if (hosts[h].intel)
					assert_true(same(r, ask(max, s)));
				else
					assert_true(zero(r));
			}
		if (max < 0x1f)
			assert_true(hosts[h].intel ? same(ask(0x1f, 1), ask(max, 1))
						   : zero(ask(0x1f, 1)));
	}
}

/* Linux: crystal_khz * EBX / EAX in 32 bits; the result must be the TSC within 1 ppm. */
static void test_tsc_leaf(void **state)
{
	static const u64 rates[] = { 800000000,	 1000000000, 2394455000, 2800000123,
				     3493000000, 4200000000, 5700000000, 20000000 };

	(void)state;
	recording = skylake_x;
	recording_size = ARRAY_SIZE(skylake_x);
	set_vcpus(1);
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct cpuid_regs r, f;
		u64 hz, error;

		cpuid_policy_init(recorded, rates[i]);
		r = ask(0x15, 0);
		f = ask(0x16, 0);
		assert_int_equal(r.ecx, LAPIC_TIMER_HZ >> policy_lapic_timer_scale());
		assert_true(r.eax != 0 && r.ebx != 0);
		assert_true((u64)r.ecx / 1000 * r.ebx <= UINT32_MAX);
		hz = (u64)((u128)r.ecx * r.ebx / r.eax);
		error = hz > rates[i] ? hz - rates[i] : rates[i] - hz;
		if (error > rates[i] / 1000000)
			fail_msg("%llu: %u / %u", (unsigned long long)rates[i], r.ebx, r.eax);
		assert_int_equal(f.eax, (rates[i] + 500000) / 1000000);
		assert_true(f.ebx >= f.eax);
	}
	cpuid_policy_init(recorded, 0);
	assert_true(zero(ask(0x15, 0)));
}

/* XSETBV on behalf of the guest would be #UD. */
static struct cpuid_regs without_osxsave(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r = recorded(leaf, subleaf);

	if (leaf == 1)
		r.ecx &= ~CPUID_1_ECX_OSXSAVE;
	return r;
}

static void test_host_without_osxsave(void **state)
{
	(void)state;
	recording = ryzen;
	recording_size = ARRAY_SIZE(ryzen);
	cpuid_policy_init(without_osxsave, TSC_HZ);
	set_vcpus(1);
	assert_false(ask(1, 0).ecx & CPUID_1_ECX_XSAVE);
	check_xsave();
	check_derived();
}

/* Without holes, but where a component asks for it aligned: SDM vol. 1 13.4.3. */
static void test_compaction(void **state)
{
	(void)state;
	cpuid_policy_init(greedy_i, TSC_HZ);
	set_vcpus(1);
	xcr0 = 0x2e7;
	assert_int_equal(ask(0xd, 1).ebx, 896 + 512 + 1024 + 8); /* 576 + 256 + 60, aligned */
	xcr0 = 0x201;
	assert_int_equal(ask(0xd, 1).ebx, 576 + 8);
	assert_int_equal(ask(0xd, 0).ebx, 2688 + 8);
}

/* What a recorded processor must keep. */
static void test_kept(void **state)
{
	(void)state;
	use(&hosts[0]); /* QEMU EPYC */
	set_vcpus(1);
	assert_int_equal(ask(1, 0).ecx, 0xf6d83203 | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE |
						CPUID_1_ECX_HYPERVISOR);
	assert_int_equal(policy_xcr0_allowed(), 7);
	assert_int_equal(ask(0x80000006, 0).edx, 0x00408140);
	use(&hosts[2]); /* Skylake-X */
	assert_int_equal(policy_xcr0_allowed(), 0xe7);
	assert_true(ask(0x80000007, 0).edx & CPUID_87_EDX_INVARIANT_TSC);
	assert_int_equal(ask(2, 0).eax, 0x76036301);
	use(&hosts[4]); /* Phenom: its highest leaf is 5 */
	assert_int_equal(ask(0, 0).eax, 0xb);
	assert_false(cpuid_policy_has(1, 0, 'c', 26));
	assert_false(cpuid_policy_has(0x12345, 0, 'c', 0));
	assert_false(cpuid_policy_has(1, 0, 'x', 0));
	assert_false(cpuid_policy_has(1, 0, 'd', 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden),	   cmocka_unit_test(test_consistent),
		cmocka_unit_test(test_mirrors),	   cmocka_unit_test(test_hypervisor_leaves),
		cmocka_unit_test(test_lapic_rate), cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_tsc_leaf),   cmocka_unit_test(test_host_without_osxsave),
		cmocka_unit_test(test_kept),	   cmocka_unit_test(test_compaction),
	};

	return cmocka_run_group_tests_name("cpuid", tests, setup, teardown);
}
