/* SPDX-License-Identifier: MIT */
/*
 * The guest's CPUID: SDM vol. 2A (rev. 083) CPUID, APM vol. 3 (rev. 3.36) appendix E. The static part is built once from the host's leaves
 * by the rows of cpuid_table.c; what depends on the asking vCPU is added when it asks.
 */
#include "policy.h"

#include "cpuid.h"
#include "cpuid_table.h"
#include "lib.h"
#include "vm.h"

#define VENDOR_AMD_EBX	 0x68747541U /* "Auth" of "AuthenticAMD" */
#define VENDOR_HYGON_EBX 0x6f677948U /* "Hygo" of "HygonGenuine" */

/* x2APIC makes leaf B obligatory: SDM vol. 3 11.12.8. */
#define BASIC_MIN CPUID_TOPOLOGY
#define EXT_MIN	  (CPUID_EXT_SIZES - CPUID_EXT)

#define PHYS_BITS_MIN 36U
#define PHYS_BITS_MAX 52U
#define LINEAR_BITS   48U

/* The XSAVE area: SDM vol. 1 13.4. */
#define XSAVE_LEGACY_AND_HEADER 576U
#define XSAVE_ALIGN		64U
#define XSAVE_FIRST_EXTENDED	2U

#define FREQUENCY_BUS_MHZ 100U
#define HZ_PER_KHZ	  1000U
#define HZ_PER_MHZ	  1000000U
#define TSC_ERROR_PART	  128U

struct leaf {
	struct cpuid_regs r; /* subleaf 0 */
	u8 dynamic;	     /* enum cpuid_dynamic */
	u8 subleaves;	     /* that have a place in policy.sub, beside subleaf 0 */
	u8 sub;		     /* the place of subleaf 1 */
};

/* Written by cpuid_policy_init() only. */
static struct {
	struct leaf basic[CPUID_BASIC_MAX + 1];
	struct leaf ext[CPUID_EXT_MAX + 1];
	struct cpuid_regs sub[CPUID_SUBLEAVES];
	u32 basic_max;
	u32 ext_max;
	bool intel;
	unsigned int lapic_scale;
	u64 lapic_hz;
	u32 tsc_khz;
	u64 xcr0;
	u64 cr4;
	u64 cr4_hidden;
	u64 efer;
} policy;

/* --- building -------------------------------------------------------------------------------- */

static struct leaf *find_leaf(u32 leaf)
{
	if (leaf <= CPUID_BASIC_MAX)
		return &policy.basic[leaf];
	if (leaf - CPUID_EXT <= CPUID_EXT_MAX)
		return &policy.ext[leaf - CPUID_EXT];
	return NULL;
}

/* The place of a subleaf in the built policy, or NULL where it reads zero. */
static struct cpuid_regs *subleaf_of(struct leaf *l, u32 subleaf)
{
	if (subleaf == 0 || l->dynamic == CPUID_STATIC)
		return &l->r;
	if (subleaf > l->subleaves)
		return NULL;
	return &policy.sub[l->sub + subleaf - 1];
}

static struct cpuid_regs regs_and_or(struct cpuid_regs a, struct cpuid_regs mask,
				     struct cpuid_regs set)
{
	return (struct cpuid_regs){
		.eax = (a.eax & mask.eax) | set.eax,
		.ebx = (a.ebx & mask.ebx) | set.ebx,
		.ecx = (a.ecx & mask.ecx) | set.ecx,
		.edx = (a.edx & mask.edx) | set.edx,
	};
}

static void regs_clear(struct cpuid_regs *r, struct cpuid_regs bits)
{
	r->eax &= ~bits.eax;
	r->ebx &= ~bits.ebx;
	r->ecx &= ~bits.ecx;
	r->edx &= ~bits.edx;
}

static void build_rows(struct cpuid_regs (*host)(u32 leaf, u32 subleaf))
{
	u32 host_basic = host(CPUID_VENDOR, 0).eax;
	u32 host_ext = host(CPUID_EXT, 0).eax;
	unsigned int used = 0;

	for (unsigned int i = 0; i < cpuid_nr_rows; i++) {
		const struct cpuid_row *row = &cpuid_rows[i];
		struct leaf *l = find_leaf(row->leaf);
		bool there = row->leaf <= (row->leaf >= CPUID_EXT ? host_ext : host_basic);

		if (row->vendor != CPUID_ANY && (row->vendor == CPUID_INTEL) != policy.intel)
			continue;
		l->dynamic = row->dynamic;
		for (u32 s = row->first; s <= row->last; s++) {
			struct cpuid_regs h = { 0 };

			if (there &&
			    !(row->leaf == CPUID_FEATURES && s > host(CPUID_FEATURES, 0).eax))
				h = host(row->leaf, s);
			h = regs_and_or(h, row->keep, row->set);
			if (s == 0) {
				l->r = h;
				continue;
			}
			if (l->subleaves++ == 0)
				l->sub = (u8)used;
			policy.sub[used++] = h;
		}
	}
}

/* What of XCR0 the guest may set: user states that live in the real registers. */
static u64 build_xcr0(struct cpuid_regs (*host)(u32 leaf, u32 subleaf))
{
	u64 there = ((u64)policy.basic[CPUID_XSAVE].r.edx << 32) | policy.basic[CPUID_XSAVE].r.eax;
	u64 xcr0 = XCR0_X87 | XCR0_SSE;

	/* Without the host's CR4.OSXSAVE an XSETBV on behalf of the guest would be #UD. */
	if (!(host(CPUID_IDENT, 0).ecx & CPUID_1_ECX_OSXSAVE))
		return 0;
	if (!cpuid_policy_has(CPUID_IDENT, 0, 'c', CPUID_BIT(CPUID_1_ECX_XSAVE)))
		return 0;
	if ((there & XCR0_AVX) &&
	    cpuid_policy_has(CPUID_IDENT, 0, 'c', CPUID_BIT(CPUID_1_ECX_AVX))) {
		xcr0 |= XCR0_AVX;
		if ((there & XCR0_AVX512) == XCR0_AVX512 &&
		    cpuid_policy_has(CPUID_FEATURES, 0, 'b', CPUID_BIT(CPUID_7_EBX_AVX512F)))
			xcr0 |= XCR0_AVX512;
	}
	if ((there & XCR0_PKRU) &&
	    cpuid_policy_has(CPUID_FEATURES, 0, 'c', CPUID_BIT(CPUID_7_ECX_PKU)))
		xcr0 |= XCR0_PKRU;
	return xcr0;
}

/* Size of the XSAVE area for the components of xcr0: SDM vol. 1 13.4.3. */
static u32 xsave_size(u64 xcr0, bool compacted)
{
	u32 size = XSAVE_LEGACY_AND_HEADER;

	for (u32 i = XSAVE_FIRST_EXTENDED; i < CPUID_XSAVE_COMPONENTS; i++) {
		const struct cpuid_regs *c = subleaf_of(&policy.basic[CPUID_XSAVE], i);
		u32 start;

		if (!(xcr0 & BIT64(i)))
			continue;
		if (compacted)
			start = c->ecx & CPUID_D2_ECX_ALIGN64 ? ALIGN_UP(size, XSAVE_ALIGN) : size;
		else
			start = c->ebx;
		if (start + c->eax > size)
			size = start + c->eax;
	}
	return size;
}

static void build_xsave(void)
{
	struct leaf *l = &policy.basic[CPUID_XSAVE];

	if (!policy.xcr0) {
		policy.basic[CPUID_IDENT].r.ecx &= ~CPUID_1_ECX_XSAVE;
		memset(&l->r, 0, sizeof(l->r));
		l->dynamic = CPUID_STATIC;
	} else {
		if (policy.basic_max < CPUID_XSAVE)
			policy.basic_max = CPUID_XSAVE;
		for (u32 i = XSAVE_FIRST_EXTENDED; i < CPUID_XSAVE_COMPONENTS; i++)
			if (!(policy.xcr0 & BIT64(i)))
				memset(subleaf_of(l, i), 0, sizeof(struct cpuid_regs));
		l->r.eax = (u32)policy.xcr0;
		l->r.edx = (u32)(policy.xcr0 >> 32);
		l->r.ecx = xsave_size(policy.xcr0, false);
	}
	for (unsigned int i = 0; i < cpuid_nr_state_rows; i++) {
		const struct cpuid_state_row *row = &cpuid_state_rows[i];

		if ((policy.xcr0 & row->xcr0) != row->xcr0)
			regs_clear(subleaf_of(find_leaf(row->leaf), row->subleaf), row->bits);
	}
}

/*
 * Not above the TSC's rate, but for what its measurement errs by: at 1 GHz, which emulators give the TSC, the rate must not hang on
 * the last digits. 0: not measured.
 */
static void build_lapic_rate(u64 tsc_hz)
{
	u64 limit = tsc_hz + tsc_hz / TSC_ERROR_PART;

	policy.lapic_hz = LAPIC_TIMER_HZ;
	while (tsc_hz != 0 && policy.lapic_hz > limit &&
	       policy.lapic_scale < LAPIC_TIMER_SCALE_MAX) {
		policy.lapic_hz /= 2;
		policy.lapic_scale++;
	}
}

/*
 * Leaf 15H: EBX / EAX = TSC / crystal. Where it is given the virtual LAPIC timer must count the crystal (SDM vol. 3 11.5.4), so
 * the crystal is that timer's rate and the ratio is the best one that fits: systems multiply the crystal in kHz by EBX in
 * 32 bits.
 */
static void build_tsc_leaf(u64 tsc_hz)
{
	const u64 hz = policy.lapic_hz, num_max = UINT32_MAX / (hz / HZ_PER_KHZ);
	const u64 den_max = 100000;
	u64 best_num = 0, best_den = 1, best_error = UINT64_MAX;
	struct cpuid_regs *r = &policy.basic[CPUID_TSC].r;

	for (u64 den = 1; den <= den_max && best_error != 0; den++) {
		u64 exact = tsc_hz * den;
		u64 num = (exact + hz / 2) / hz;
		u64 near = num * hz;
		u64 error = near > exact ? near - exact : exact - near;

		if (num > num_max)
			break;
		if (num == 0)
			continue;
		/* error / den < best_error / best_den */
		if (best_num == 0 || (u128)error * best_den < (u128)best_error * den) {
			best_num = num;
			best_den = den;
			best_error = error;
		}
	}
	if (best_num == 0)
		return;
	r->eax = (u32)best_den;
	r->ebx = (u32)best_num;
	r->ecx = (u32)hz;
}

static void build_frequency(u64 tsc_hz)
{
	struct cpuid_regs *r = &policy.basic[CPUID_FREQUENCY].r;

	r->eax = (u32)((tsc_hz + HZ_PER_MHZ / 2) / HZ_PER_MHZ);
	if (r->ebx < r->eax)
		r->ebx = r->eax;
	if (r->ecx == 0)
		r->ecx = FREQUENCY_BUS_MHZ;
}

static u64 feature_bits(u32 leaf, char reg, u32 feature, u64 bits)
{
	return cpuid_policy_has(leaf, 0, reg, CPUID_BIT(feature)) ? bits : 0;
}

/* Which bits of CR4 exist follows from the features: SDM vol. 3 2.5, APM vol. 2 3.1.3. */
static const struct {
	u32 leaf;
	char reg;
	u32 feature;
	u64 cr4;
} cr4_feature[] = {
	{ CPUID_IDENT, 'd', CPUID_1_EDX_VME, CR4_VME | CR4_PVI },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_TSC, CR4_TSD },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_DE, CR4_DE },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_PSE, CR4_PSE },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_PAE, CR4_PAE },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_MCE, CR4_MCE },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_PGE, CR4_PGE },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_FXSR, CR4_OSFXSR },
	{ CPUID_IDENT, 'd', CPUID_1_EDX_SSE, CR4_OSXMMEXCPT },
	{ CPUID_IDENT, 'c', CPUID_1_ECX_PCID, CR4_PCIDE },
	{ CPUID_IDENT, 'c', CPUID_1_ECX_XSAVE, CR4_OSXSAVE },
	{ CPUID_IDENT, 'c', CPUID_1_ECX_VMX, CR4_VMXE },
	{ CPUID_IDENT, 'c', CPUID_1_ECX_SMX, CR4_SMXE },
	{ CPUID_FEATURES, 'b', CPUID_7_EBX_FSGSBASE, CR4_FSGSBASE },
	{ CPUID_FEATURES, 'b', CPUID_7_EBX_SMEP, CR4_SMEP },
	{ CPUID_FEATURES, 'b', CPUID_7_EBX_SMAP, CR4_SMAP },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_UMIP, CR4_UMIP },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_PKU, CR4_PKE },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_LA57, CR4_LA57 },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_KEY_LOCKER, CR4_KL },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_PKS, CR4_PKS },
	{ CPUID_FEATURES, 'c', CPUID_7_ECX_CET_SS, CR4_CET },
	{ CPUID_FEATURES, 'd', CPUID_7_EDX_CET_IBT, CR4_CET },
};

static u32 reg_of(const struct cpuid_regs *r, char reg)
{
	switch (reg) {
	case 'a':
		return r->eax;
	case 'b':
		return r->ebx;
	case 'c':
		return r->ecx;
	case 'd':
		return r->edx;
	default:
		return 0;
	}
}

/* What the policy shows, and what this processor has beyond it. */
static void build_cr4(struct cpuid_regs (*host)(u32 leaf, u32 subleaf))
{
	u32 host_max = host(CPUID_VENDOR, 0).eax;
	u64 host_cr4 = 0;

	/* RDPMC exists on every processor with long mode, with or without CPUID's PMU. */
	policy.cr4 = CR4_PCE;
	for (unsigned int i = 0; i < ARRAY_SIZE(cr4_feature); i++) {
		struct cpuid_regs r = { 0 };

		policy.cr4 |= feature_bits(cr4_feature[i].leaf, cr4_feature[i].reg,
					   cr4_feature[i].feature, cr4_feature[i].cr4);
		if (cr4_feature[i].leaf <= host_max)
			r = host(cr4_feature[i].leaf, 0);
		if (reg_of(&r, cr4_feature[i].reg) & cr4_feature[i].feature)
			host_cr4 |= cr4_feature[i].cr4;
	}
	policy.cr4_hidden = host_cr4 & ~policy.cr4;
}

static u64 build_efer(void)
{
	u64 efer = EFER_SCE | EFER_LME | EFER_LMA;

	efer |= feature_bits(CPUID_EXT_IDENT, 'd', CPUID_81_EDX_NX, EFER_NXE);
	efer |= feature_bits(CPUID_EXT_IDENT, 'd', CPUID_81_EDX_FFXSR, EFER_FFXSR);
	efer |= feature_bits(CPUID_EXT_IDENT, 'c', CPUID_81_ECX_TCE, EFER_TCE);
	return efer;
}

void cpuid_policy_init(struct cpuid_regs (*host)(u32 leaf, u32 subleaf), u64 tsc_hz)
{
	struct cpuid_regs vendor = host(CPUID_VENDOR, 0);
	u32 host_ext = host(CPUID_EXT, 0).eax;
	struct leaf *ext_ident = &policy.ext[CPUID_EXT_IDENT - CPUID_EXT];
	struct leaf *sizes = &policy.ext[CPUID_EXT_SIZES - CPUID_EXT];

	memset(&policy, 0, sizeof(policy));
	policy.intel = vendor.ebx != VENDOR_AMD_EBX && vendor.ebx != VENDOR_HYGON_EBX;
	policy.tsc_khz = (u32)((tsc_hz + HZ_PER_KHZ / 2) / HZ_PER_KHZ);
	build_lapic_rate(tsc_hz);
	policy.basic_max = vendor.eax < BASIC_MIN ? BASIC_MIN : vendor.eax;
	if (policy.basic_max > CPUID_BASIC_MAX)
		policy.basic_max = CPUID_BASIC_MAX;
	policy.ext_max = host_ext < CPUID_EXT ? EXT_MIN : host_ext - CPUID_EXT;
	if (policy.ext_max < EXT_MIN)
		policy.ext_max = EXT_MIN;
	if (policy.ext_max > CPUID_EXT_MAX)
		policy.ext_max = CPUID_EXT_MAX;

	build_rows(host);
	policy.xcr0 = build_xcr0(host);
	build_xsave();

	policy.basic[CPUID_FEATURES].r.eax =
		vendor.eax < CPUID_FEATURES
			? 0
			: (u32)min_u64(host(CPUID_FEATURES, 0).eax, CPUID_FEATURES_MAX_SUBLEAF);
	if (policy.intel && vendor.eax >= CPUID_TSC && tsc_hz != 0)
		build_tsc_leaf(tsc_hz);
	if (policy.intel && vendor.eax >= CPUID_FREQUENCY && tsc_hz != 0)
		build_frequency(tsc_hz);
	if (policy.intel) {
		sizes->r.ebx &= CPUID_88_EBX_WBNOINVD;
	} else {
		ext_ident->r.edx = (ext_ident->r.edx & ~CPUID_EDX_COMMON_AMD) |
				   (policy.basic[CPUID_IDENT].r.edx & CPUID_EDX_COMMON_AMD);
		sizes->r.ebx |= CPUID_88_EBX_LMSLE_UNSUPPORTED;
		if (policy.ext_max < CPUID_EXT_NODE - CPUID_EXT)
			ext_ident->r.ecx &= ~CPUID_81_ECX_TOPOEXT;
		if (!(ext_ident->r.ecx & CPUID_81_ECX_TOPOEXT))
			for (u32 leaf = CPUID_EXT_CACHES; leaf <= CPUID_EXT_NODE; leaf++)
				memset(find_leaf(leaf), 0, sizeof(struct leaf));
	}
	if (sizes->r.eax == 0)
		sizes->r.eax = PHYS_BITS_MIN;
	if (sizes->r.eax > PHYS_BITS_MAX)
		sizes->r.eax = PHYS_BITS_MAX;
	sizes->r.eax |= LINEAR_BITS << CPUID_88_EAX_LINEAR_SHIFT;

	policy.basic[CPUID_VENDOR].r.eax = policy.basic_max;
	policy.ext[0].r.eax = CPUID_EXT + policy.ext_max;
	for (u32 i = policy.basic_max + 1; i <= CPUID_BASIC_MAX; i++)
		policy.basic[i] = (struct leaf){ .dynamic = CPUID_DYN_BEYOND };
	for (u32 i = policy.ext_max + 1; i <= CPUID_EXT_MAX; i++)
		policy.ext[i] = (struct leaf){ .dynamic = CPUID_DYN_BEYOND };
	build_cr4(host);
	policy.efer = build_efer();
}

/* --- asking ---------------------------------------------------------------------------------- */

/* Smallest n with 2^n >= count: the width of an APIC id's field. */
static u32 id_bits(u32 count)
{
	return count <= 1 ? 0 : 32U - (u32)__builtin_clz(count - 1);
}

static struct cpuid_regs dyn_ident(struct vcpu *v, const struct leaf *l)
{
	struct cpuid_regs r = l->r;
	u32 n = v->vm->nr_vcpus;

	r.ebx |= (v->lapic.id << CPUID_1_EBX_APIC_ID_SHIFT) | (n << CPUID_1_EBX_COUNT_SHIFT);
	if (n > 1)
		r.edx |= CPUID_1_EDX_HTT;
	if (vcpu_cr4(v) & CR4_OSXSAVE)
		r.ecx |= CPUID_1_ECX_OSXSAVE;
	/* SDM vol. 3 11.4.3: a globally disabled APIC is absent. */
	if (!(v->lapic.base_msr & APIC_BASE_EN))
		r.edx &= ~CPUID_1_EDX_APIC;
	return r;
}

static struct cpuid_regs dyn_ext_ident(struct vcpu *v, const struct leaf *l)
{
	struct cpuid_regs r = l->r;

	if (!policy.intel && v->vm->nr_vcpus > 1)
		r.ecx |= CPUID_81_ECX_CMP_LEGACY;
	if (!(v->lapic.base_msr & APIC_BASE_EN))
		r.edx &= ~CPUID_1_EDX_APIC;
	return r;
}

/* Levels 1 and 2 belong to a core, the last one to the package. */
static struct cpuid_regs dyn_caches(struct vcpu *v, struct leaf *l, u32 leaf, u32 subleaf)
{
	const struct cpuid_regs *s = subleaf_of(l, subleaf);
	struct cpuid_regs r = { 0 };
	u32 cores = BIT(id_bits(v->vm->nr_vcpus)) - 1;

	if (!s || !(s->eax & CPUID_CACHE_TYPE))
		return r;
	r = *s;
	if (CPUID_CACHE_LEVEL(r.eax) >= 3)
		r.eax |= cores << CPUID_CACHE_SHARING_SHIFT;
	if (leaf == CPUID_CACHES)
		r.eax |= cores << CPUID_4_CORES_SHIFT;
	return r;
}

static struct cpuid_regs dyn_features(struct vcpu *v, struct leaf *l, u32 subleaf)
{
	const struct cpuid_regs *s = subleaf_of(l, subleaf);
	struct cpuid_regs r = { 0 };

	if (!s)
		return r;
	r = *s;
	if (subleaf == 0 && (r.ecx & CPUID_7_ECX_PKU) && (vcpu_cr4(v) & CR4_PKE))
		r.ecx |= CPUID_7_ECX_OSPKE;
	return r;
}

static struct cpuid_regs dyn_topology(struct vcpu *v, u32 subleaf)
{
	struct cpuid_regs r = {
		.ecx = subleaf & CPUID_TOPOLOGY_LEVEL,
		.edx = v->lapic.id,
	};

	if (subleaf == 0) {
		r.ebx = 1;
		r.ecx |= CPUID_TOPOLOGY_SMT;
	} else if (subleaf == 1) {
		r.eax = id_bits(v->vm->nr_vcpus);
		r.ebx = v->vm->nr_vcpus;
		r.ecx |= CPUID_TOPOLOGY_CORE;
	}
	return r;
}

static struct cpuid_regs dyn_xsave(struct leaf *l, u32 subleaf)
{
	const struct cpuid_regs *s = subleaf_of(l, subleaf);
	struct cpuid_regs r = { 0 };

	if (!s)
		return r;
	r = *s;
	if (subleaf == 0)
		r.ebx = xsave_size(host_xcr0_read() & policy.xcr0, false);
	else if (subleaf == 1 && (r.eax & CPUID_D1_EAX_XSAVEC))
		r.ebx = xsave_size(host_xcr0_read() & policy.xcr0, true);
	return r;
}

static struct cpuid_regs dyn_sizes(struct vcpu *v, const struct leaf *l)
{
	struct cpuid_regs r = l->r;

	if (!policy.intel)
		r.ecx = (v->vm->nr_vcpus - 1) |
			(id_bits(v->vm->nr_vcpus) << CPUID_88_ECX_ID_SIZE_SHIFT);
	return r;
}

static struct cpuid_regs dyn_node(struct vcpu *v)
{
	/* Core id = APIC id, one thread a core, node 0 of one. */
	return (struct cpuid_regs){ .eax = v->lapic.id, .ebx = v->lapic.id & 0xff };
}

/* SDM vol. 2A CPUID: the highest basic leaf answers; APM vol. 3 E.2: undefined functions are zero. */
static struct cpuid_regs beyond(struct vcpu *v, u32 subleaf)
{
	if (!policy.intel)
		return (struct cpuid_regs){ 0 };
	return cpuid_policy(v, policy.basic_max, subleaf);
}

static __noinline struct cpuid_regs dynamic(struct vcpu *v, struct leaf *l, u32 leaf, u32 subleaf)
{
	switch (l->dynamic) {
	case CPUID_DYN_IDENT:
		return dyn_ident(v, l);
	case CPUID_DYN_CACHES:
		return dyn_caches(v, l, leaf, subleaf);
	case CPUID_DYN_FEATURES:
		return dyn_features(v, l, subleaf);
	case CPUID_DYN_TOPOLOGY:
		return dyn_topology(v, subleaf);
	case CPUID_DYN_XSAVE:
		return dyn_xsave(l, subleaf);
	case CPUID_DYN_EXT_IDENT:
		return dyn_ext_ident(v, l);
	case CPUID_DYN_SIZES:
		return dyn_sizes(v, l);
	case CPUID_DYN_NODE:
		return dyn_node(v);
	default:
		return beyond(v, subleaf);
	}
}

static __noinline struct cpuid_regs outside(struct vcpu *v, u32 leaf, u32 subleaf)
{
	if (leaf - CPUID_HV_FIRST > CPUID_HV_LAST - CPUID_HV_FIRST)
		return beyond(v, subleaf);
	switch (leaf) {
	case CPUID_HV_BASE:
		return (struct cpuid_regs){ CPUID_HV_MAX, CPUID_HV_SIG_EBX, CPUID_HV_SIG_ECX,
					    CPUID_HV_SIG_EDX };
	case CPUID_HV_TIMING:
		return (struct cpuid_regs){ policy.tsc_khz, (u32)(policy.lapic_hz / HZ_PER_KHZ), 0,
					    0 };
	default:
		return (struct cpuid_regs){ 0 };
	}
}

struct cpuid_regs cpuid_policy(struct vcpu *v, u32 leaf, u32 subleaf)
{
	struct leaf *l;

	if (leaf <= CPUID_BASIC_MAX)
		l = &policy.basic[leaf];
	else if (leaf - CPUID_EXT <= CPUID_EXT_MAX)
		l = &policy.ext[leaf - CPUID_EXT];
	else
		return outside(v, leaf, subleaf);
	if (likely(l->dynamic == CPUID_STATIC))
		return l->r;
	return dynamic(v, l, leaf, subleaf);
}

bool cpuid_policy_has(u32 leaf, u32 subleaf, char reg, unsigned int bit)
{
	struct leaf *l = find_leaf(leaf);
	const struct cpuid_regs *r = l ? subleaf_of(l, subleaf) : NULL;

	return r && bit < 32 && (reg_of(r, reg) & BIT(bit)) != 0;
}

/* --- what follows from it -------------------------------------------------------------------- */

bool policy_vendor_is_intel(void)
{
	return policy.intel;
}

u64 policy_cr4_allowed(void)
{
	return policy.cr4;
}

u64 policy_cr4_hidden(void)
{
	return policy.cr4_hidden;
}

u64 policy_efer_allowed(void)
{
	return policy.efer;
}

u64 policy_xcr0_allowed(void)
{
	return policy.xcr0;
}

unsigned int policy_lapic_timer_scale(void)
{
	return policy.lapic_scale;
}

unsigned int policy_maxphyaddr(void)
{
	return policy.ext[CPUID_EXT_SIZES - CPUID_EXT].r.eax & CPUID_88_EAX_PHYS;
}

bool policy_has_long_mode_la57(void)
{
	return cpuid_policy_has(CPUID_FEATURES, 0, 'c', CPUID_BIT(CPUID_7_ECX_LA57));
}
