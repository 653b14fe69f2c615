/* SPDX-License-Identifier: MIT */
/*
 * Control registers, EFER, XCR0, MSRs and CPUID of one vCPU, over recorded processors. A refused
 * write changes nothing; after each write the state is one that the processor would be in
 * (SDM vol. 3 rev. 083 2.5, 4.1, 10.8.5, 27.3.1.1; vol. 1 13.3).
 */
#include "cpuid.h"
#include "errors.h"
#include "msr.h"
#include "policy.h"
#include "world.h"

#include "../unit/cpuid_recordings.h"

#define STEPS_MAX 200
#define CALLS_MAX 200
#define TSC_HZ	  2000000000ULL

static const struct host {
	const struct recorded_leaf *leaf;
	size_t n;
} hosts[] = {
	{ qemu_epyc, ARRAY_SIZE(qemu_epyc) }, { qemu_max, ARRAY_SIZE(qemu_max) },
	{ skylake_x, ARRAY_SIZE(skylake_x) }, { ryzen, ARRAY_SIZE(ryzen) },
	{ phenom, ARRAY_SIZE(phenom) },
};
static const struct host *host;
static u64 xcr0;
static u8 msr_page[PAGE_SIZE];

u64 host_xcr0_read(void)
{
	return xcr0;
}

void host_xcr0_write(u64 value)
{
	xcr0 = value;
}

void *page_alloc(void)
{
	memset(msr_page, 0, sizeof(msr_page));
	return msr_page;
}

static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf)
{
	for (size_t i = 0; i < host->n; i++)
		if (host->leaf[i].leaf == leaf && host->leaf[i].subleaf == subleaf)
			return host->leaf[i].r;
	return (struct cpuid_regs){ 0 };
}

static int host_msr_read(u32 msr, u64 *value)
{
	*value = (u64)msr << 32;
	return 0;
}

static int host_msr_write(u32 msr, u64 value)
{
	(void)msr;
	return value >> 63 ? -EINVAL : 0;
}

static bool is_canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16) == a;
}

/* --- what must hold ---------------------------------------------------------------------------- */

static void check_state(const struct vcpu *v)
{
	u64 high = ~(BIT64(policy_maxphyaddr()) - 1);

	CHECK(!(v->cr0 & CR0_PG) || (v->cr0 & CR0_PE), "CR0 %#llx", (unsigned long long)v->cr0);
	CHECK(!(v->cr0 & CR0_NW) || (v->cr0 & CR0_CD), "CR0 %#llx", (unsigned long long)v->cr0);
	CHECK((v->cr0 & ~CR0_KNOWN) == 0 && (v->cr0 & CR0_ET), "CR0 %#llx",
	      (unsigned long long)v->cr0);
	CHECK((v->cr4 & ~policy_cr4_allowed()) == 0, "CR4 %#llx", (unsigned long long)v->cr4);
	CHECK((v->efer & ~(policy_efer_allowed() | EFER_LMA)) == 0, "EFER %#llx",
	      (unsigned long long)v->efer);
	CHECK(!(v->efer & EFER_LMA) == !((v->efer & EFER_LME) && (v->cr0 & CR0_PG)),
	      "EFER %#llx, CR0 %#llx", (unsigned long long)v->efer, (unsigned long long)v->cr0);
	CHECK(!(v->efer & EFER_LMA) || (v->cr4 & CR4_PAE), "long mode without PAE");
	CHECK(!(v->cr4 & CR4_PCIDE) || (v->efer & EFER_LMA), "PCIDE outside long mode");
	CHECK((v->cr3 & high) == 0, "CR3 %#llx", (unsigned long long)v->cr3);
	CHECK(is_canonical(v->lstar) && is_canonical(v->cstar) && is_canonical(v->kernel_gs_base),
	      "a system call register is not canonical");
	CHECK(is_canonical(v->sysenter_esp) && is_canonical(v->sysenter_eip),
	      "a SYSENTER register is not canonical");
	CHECK(is_canonical(v->seg[SEG_FS].base) && is_canonical(v->seg[SEG_GS].base),
	      "a segment base is not canonical");
	for (unsigned int i = 0; i < 8; i++) {
		u8 type = (u8)(v->pat >> (8 * i));

		CHECK(type <= 7 && type != 2 && type != 3, "PAT %#llx", (unsigned long long)v->pat);
	}
	CHECK((xcr0 & XCR0_X87) && (!(xcr0 & XCR0_AVX) || (xcr0 & XCR0_SSE)), "XCR0 %#llx",
	      (unsigned long long)xcr0);
	CHECK(xcr0 == XCR0_X87 || (xcr0 & ~policy_xcr0_allowed()) == 0, "XCR0 %#llx",
	      (unsigned long long)xcr0);
}

/* Leaves that agree with one another whatever the state is. */
static void check_cpuid(struct vcpu *v)
{
	struct cpuid_regs one = cpuid_policy(v, 1, 0), sizes;

	CHECK(one.ecx >> 31, "no hypervisor bit");
	CHECK(!(one.ecx & BIT(5)), "VMX is offered");
	CHECK(!(one.ecx >> 27 & 1) == !(v->cr4 & CR4_OSXSAVE), "OSXSAVE");
	CHECK(one.ebx >> 24 == (u8)v->id, "APIC id %u", one.ebx >> 24);
	sizes = cpuid_policy(v, 0x80000008, 0);
	CHECK((sizes.eax & 0xff) == policy_maxphyaddr(), "address width %u", sizes.eax & 0xff);
	if (policy_xcr0_allowed()) {
		sizes = cpuid_policy(v, 0xd, 0);
		CHECK(sizes.ebx >= 576 && sizes.ebx <= sizes.ecx, "XSAVE area %u of %u", sizes.ebx,
		      sizes.ecx);
		CHECK(((u64)sizes.edx << 32 | sizes.eax) == policy_xcr0_allowed(), "XCR0 bits %#x",
		      sizes.eax);
	}
}

/* --- steps ------------------------------------------------------------------------------------- */

static struct vcpu before;
static u8 msr_before[PAGE_SIZE];
static u64 xcr0_before;

static void remember(const struct vcpu *v)
{
	before = *v;
	memcpy(msr_before, msr_page, sizeof(msr_page));
	xcr0_before = xcr0;
}

static void check_result(struct vcpu *v, int r, const char *what, u32 number)
{
	CHECK(r == 0 || r == -EINVAL, "write of %s %#x: %d", what, number, r);
	if (r == 0)
		return;
	before.unknown_msr_notes = v->unknown_msr_notes;
	CHECK(!memcmp(&before, v, sizeof(before)) && xcr0 == xcr0_before &&
		      !memcmp(msr_before, msr_page, sizeof(msr_page)),
	      "refused write of %s %#x", what, number);
}

/* MSRs that exist somewhere, and any. */
static u32 choose_msr(struct input *in)
{
	static const u32 bases[] = { 0x0,	 0x100,	     0x200,	 0x280,	     0x400,
				     0x600,	 0x6e0,	     0x800,	 0xc0000080, 0xc0000100,
				     0xc0010000, 0xc0010040, 0xc0010100, 0xc0011000, 0x40000000 };
	u8 which = take8(in);

	if (which % 16 == 15)
		return take32(in);
	return bases[which % 16] + take8(in);
}

static u64 choose_value(struct input *in)
{
	u8 how = take8(in);

	switch (how & 3) {
	case 0:
		return take64(in);
	case 1:
		return take16(in);
	case 2:
		return BIT64(how >> 2);
	default:
		return take32(in);
	}
}

static void control_register(struct vcpu *v, struct input *in, u8 which)
{
	u64 old, value = choose_value(in);
	int r;

	remember(v);
	switch (which) {
	case 0:
		old = v->cr0;
		r = cr0_write(v, take8(in) & 1 ? value : old ^ value);
		break;
	case 1:
		r = cr3_write(v, value);
		break;
	case 2:
		old = v->cr4;
		r = cr4_write(v, take8(in) & 1 ? value : old ^ value);
		break;
	case 3:
		old = v->efer;
		r = efer_write(v, take8(in) & 1 ? value : old ^ value);
		break;
	default:
		r = xcr0_write(v, take8(in) & 1, value);
		break;
	}
	check_result(v, r, "control register", which);
}

static void msr(struct vcpu *v, struct input *in)
{
	u32 number = choose_msr(in);
	u64 value = choose_value(in), now;
	int r;

	remember(v);
	r = msr_write(v, number, value);
	check_result(v, r, "MSR", number);
	now = 0;
	r = msr_read(v, number, &now);
	CHECK(r == 0 || r == -EINVAL, "read of MSR %#x: %d", number, r);
	if (r == 0 && msr_write(v, number, now))
		/* Read-only ones, and status bits that cannot be written back. */
		check_result(v, 0, "MSR", number);
}

static void one_step(struct vcpu *v, struct input *in)
{
	u8 kind = take8(in);
	struct segment s;

	switch (kind % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		control_register(v, in, kind % 12);
		break;
	case 5:
	case 6:
	case 7:
		msr(v, in);
		break;
	case 8:
		cpuid_policy(v, take32(in), take8(in));
		break;
	case 9:
		cpuid_policy(v, (take8(in) & 1 ? 0x80000000U : 0) + take8(in), take8(in));
		break;
	case 10: /* what a far jump would do */
		s = v->seg[SEG_CS];
		s.attr ^= SEG_L;
		if (!(s.attr & SEG_L) || (v->efer & EFER_LMA))
			vcpu_set_seg(v, SEG_CS, &s);
		break;
	default:
		world_pass(take16(in));
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct vcpu *v;

	world_start();
	v = world_vcpu;
	host = &hosts[take8(&in) % ARRAY_SIZE(hosts)];
	cpuid_policy_init(host_cpuid, TSC_HZ);
	msr_policy_init(host_msr_read, host_msr_write);
	v->lapic.phys_bits = (u8)policy_maxphyaddr();
	CHECK(msr_state_create(v) == 0, "no memory");
	msr_state_reset(v, false);
	xcr0 = XCR0_X87;
	v->pat = PAT_RESET;
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS_BUSY;
	v->cr0 = CR0_ET | CR0_PE;
	/* PDPTEs: good ones in page 0, bad ones behind it. */
	memset(world_ram + PAGE_SIZE, 0xff, PAGE_SIZE);
	for (unsigned int i = 0; i < STEPS_MAX && in.left; i++) {
		world_calls = 0;
		one_step(v, &in);
		CHECK(world_calls < CALLS_MAX, "%lu calls in one step", world_calls);
		check_state(v);
		check_cpuid(v);
	}
	return 0;
}
