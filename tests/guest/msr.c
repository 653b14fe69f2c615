/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers: SDM vol. 4 (rev. 083) ch. 2, vol. 3 12.11 (MTRR), 18.17 (TSC); APM vol. 2 (rev. 3.42) appendix A. QEMU checks
 * next to nothing in software emulation and knows no unknown MSR: most #GP cases are for the inside.
 */
#include "guest.h"

#define MISC_ENABLE_BITS                                                          \
	(MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_THERMAL | MISC_ENABLE_SPEEDSTEP | \
	 MISC_ENABLE_MONITOR | MISC_ENABLE_XTPR_DISABLE)

#define LMA_LME	      (EFER_LMA | EFER_LME)
#define CANONICAL_HI  0xffff800000000000ULL
#define NOT_CANONICAL 0x0000800000000000ULL
#define JUMP	      (1ULL << 40)

static bool amd;
static u64 phys_reserved;

static bool cpuid_bit(u32 leaf, char reg, u32 bit)
{
	struct cpuid_regs r = cpuid(leaf, 0);

	if (cpuid(leaf & 0x80000000, 0).eax < leaf)
		return false;
	return (reg == 'b' ? r.ebx : reg == 'c' ? r.ecx : r.edx) & BIT(bit);
}

/* Written values come back; the old one is restored. */
static void read_back(void)
{
	static const struct {
		u32 msr;
		const char *name;
		u64 value[3];
	} rows[] = {
		{ MSR_STAR, "STAR", { 0, ~0ULL, 0x0023001000000000 } },
		{ MSR_LSTAR, "LSTAR", { 0, CANONICAL_HI, 0x00007fffffffffff } },
		{ MSR_CSTAR, "CSTAR", { 0, CANONICAL_HI, 0x1234 } },
		{ MSR_SFMASK, "SFMASK", { 0, 0xffffffff, 0x47700 } },
		{ MSR_FS_BASE, "FS_BASE", { 0, CANONICAL_HI, 0x00007fffffffffff } },
		{ MSR_GS_BASE, "GS_BASE", { 0, CANONICAL_HI, 0x123456 } },
		{ MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE", { 0, CANONICAL_HI, 0x98765 } },
		{ MSR_SYSENTER_CS, "SYSENTER_CS", { 0, 0xffff, 8 } },
		{ MSR_SYSENTER_ESP, "SYSENTER_ESP", { 0, 0xfffffff0, CANONICAL_HI } },
		{ MSR_SYSENTER_EIP, "SYSENTER_EIP", { 0, 0xfffffff0, CANONICAL_HI } },
		{ MSR_PAT, "PAT", { 0, 0x0007040600070406, 0x0506070401000601 } },
		{ MSR_MTRR_DEF_TYPE, "MTRR_DEF_TYPE", { 0, 0xc06, 0x800 } },
		{ MSR_MTRR_PHYSBASE0, "MTRR_PHYSBASE0", { 0, 0x80000000, 0x40000006 } },
		{ MSR_MTRR_PHYSMASK0, "MTRR_PHYSMASK0", { 0, 0xff000800, 0xff000000 } },
		{ MSR_MTRR_FIX64K_00000,
		  "MTRR_FIX64K_00000",
		  { 0, 0x0606060606060606, 0x0504010006060606 } },
		{ MSR_MTRR_FIX16K_80000,
		  "MTRR_FIX16K_80000",
		  { 0, 0x0606060606060606, 0x0101010106060606 } },
		{ MSR_MTRR_FIX16K_A0000, "MTRR_FIX16K_A0000", { 0, 0x0606060606060606, 0 } },
		{ MSR_MTRR_FIX4K_C0000,
		  "MTRR_FIX4K_C0000",
		  { 0, 0x0505050505050505, 0x0606060606060606 } },
		{ MSR_MTRR_FIX4K_F8000,
		  "MTRR_FIX4K_F8000",
		  { 0, 0x0505050505050505, 0x0606060606060606 } },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 old, got = 0;
		bool good = try_rdmsr(rows[i].msr, &old) == -1;

		for (u32 k = 0; good && k < ARRAY_SIZE(rows[i].value); k++) {
			int w = try_wrmsr(rows[i].msr, rows[i].value[k]);

			try_rdmsr(rows[i].msr, &got);
			if (w != -1 || got != rows[i].value[k]) {
				print("# value %lx: vector %d, read %lx\n", rows[i].value[k], w,
				      got);
				good = false;
			}
		}
		ok(good, "%s: written values come back", rows[i].name);
		try_wrmsr(rows[i].msr, old);
	}
}

/* Values that must be refused with #GP(0), leaving the register alone. */
static void refused(void)
{
	static const struct {
		u32 msr;
		u64 value;
		const char *name;
		bool bare; /* QEMU checks it too, or neither does QEMU's AMD-V */
	} rows[] = {
		{ MSR_PAT, 0x0007040600070402, "PAT: type 2 in PA0", false },
		{ MSR_PAT, 0x0307040600070406, "PAT: type 3 in PA7", false },
		{ MSR_PAT, 0x0007040800070406, "PAT: type 8 in PA4", false },
		{ MSR_PAT, 0x0007040600ff0406, "PAT: type FF in PA2", false },
		{ MSR_MTRR_DEF_TYPE, 0x802, "MTRR_DEF_TYPE: type 2", false },
		{ MSR_MTRR_DEF_TYPE, 0x807, "MTRR_DEF_TYPE: type 7", false },
		{ MSR_MTRR_DEF_TYPE, 0x1806, "MTRR_DEF_TYPE: reserved bit 12", false },
		{ MSR_MTRR_DEF_TYPE, 0x906, "MTRR_DEF_TYPE: reserved bit 8", false },
		{ MSR_MTRR_PHYSBASE0, 0x80000003, "MTRR_PHYSBASE0: type 3", false },
		{ MSR_MTRR_PHYSBASE0, 0x80000106, "MTRR_PHYSBASE0: reserved bit 8", false },
		{ MSR_MTRR_PHYSBASE0, 0x8000000000000006, "MTRR_PHYSBASE0: bit 63", false },
		{ MSR_MTRR_PHYSMASK0, 0xff000801, "MTRR_PHYSMASK0: reserved bit 0", false },
		{ MSR_MTRR_FIX64K_00000, 0x0606060606060602, "MTRR_FIX64K: type 2", false },
		{ MSR_MTRR_FIX4K_C0000, 0x0706060606060606, "MTRR_FIX4K: type 7", false },
		{ MSR_MTRR_CAP, 0, "MTRRCAP is read-only", false },
		{ MSR_LSTAR, NOT_CANONICAL, "LSTAR: not canonical", true },
		{ MSR_CSTAR, NOT_CANONICAL, "CSTAR: not canonical", true },
		{ MSR_FS_BASE, NOT_CANONICAL, "FS_BASE: not canonical", true },
		{ MSR_GS_BASE, 0x1000000000000000, "GS_BASE: not canonical", true },
		{ MSR_KERNEL_GS_BASE, NOT_CANONICAL, "KERNEL_GS_BASE: not canonical", true },
		{ MSR_APIC_BASE, 0xfee00901, "APIC_BASE: reserved bit 0", false },
		{ MSR_APIC_BASE, 0xfee00980, "APIC_BASE: reserved bit 7", false },
		{ MSR_APIC_BASE, 0x80000000fee00900, "APIC_BASE: bit 63", false },
		{ MSR_APIC_BASE, 0xfee00500, "APIC_BASE: x2APIC without enable", false },
		{ MSR_EFER, 0x502, "EFER: reserved bit 1", false },
		{ MSR_EFER, 0x10000500, "EFER: reserved bit 28", false },
		{ MSR_EFER, 0x8000000000000500, "EFER: bit 63", false },
		{ MSR_EFER, EFER_LMA, "EFER: LME cleared under paging", false },
		{ MSR_MCG_STATUS, 0x100, "MCG_STATUS: reserved bit 8", false },
		{ MSR_DEBUGCTL, 0x8000000000000000, "DEBUGCTL: bit 63", false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 old, now = 0;
		int vector;
		bool good;

		/* What QEMU takes bare it would then act upon. */
		if (bare_qemu && !rows[i].bare) {
			inside_only(false, "#GP: %s", rows[i].name);
			continue;
		}
		try_rdmsr(rows[i].msr, &old);
		vector = try_wrmsr(rows[i].msr, rows[i].value);
		good = vector == VEC_GP && try_error == 0;
		try_rdmsr(rows[i].msr, &now);
		if (rows[i].bare)
			ok(good && now == old, "#GP: %s", rows[i].name);
		else
			inside_only(good && now == old, "#GP: %s", rows[i].name);
		try_wrmsr(rows[i].msr, old);
	}
	inside_only(try_wrmsr(MSR_MTRR_PHYSBASE0, phys_reserved & ~BIT64(63)) == VEC_GP,
		    "#GP: MTRR_PHYSBASE0: beyond the physical width");
}

static void unknown(void)
{
	static const u32 msrs[] = { 0x2,	0x4f,	    0x23f,	0x1000,	    0x3fffffff,
				    0x40000000, 0x40000100, 0x4b564d00, 0xbfffffff, 0xc0000085,
				    0xc0002000, 0xc0010200, 0xc0020000, 0xffffffff };
	u64 value;

	for (u32 i = 0; i < ARRAY_SIZE(msrs); i++) {
		int r = try_rdmsr(msrs[i], &value), w = try_wrmsr(msrs[i], 0);

		inside_only(r == VEC_GP && w == VEC_GP && try_error == 0,
			    "#GP: MSR %x does not exist", msrs[i]);
	}
}

/* Registers of features that CPUID hides do not exist; those of offered ones do. */
static void features(void)
{
	static const struct {
		u32 msr, leaf;
		char reg;
		u8 bit;
		const char *name;
	} rows[] = {
		{ MSR_TSC_ADJUST, 7, 'b', 1, "TSC_ADJUST" },
		{ MSR_TSC_AUX, 0x80000001, 'd', 27, "TSC_AUX" },
		{ MSR_TSC_DEADLINE, 1, 'c', 24, "TSC_DEADLINE" },
		{ MSR_XSS, 0xd, 'x', 3, "XSS" },
		{ MSR_ARCH_CAPABILITIES, 7, 'd', 29, "ARCH_CAPABILITIES" },
		{ MSR_PERFEVTSEL0, 0x8000000a, 'x', 0, "PERFEVTSEL0" },
		{ MSR_PERF_CTL0, 0x80000001, 'c', 23, "PERF_CTL0" },
		{ MSR_VM_HSAVE_PA, 0x80000001, 'c', 2, "VM_HSAVE_PA" },
		{ MSR_FEATURE_CONTROL, 1, 'c', 5, "FEATURE_CONTROL" },
		{ MSR_CET_FIRST, 7, 'c', 7, "CET" },
		{ MSR_PKRS, 7, 'c', 31, "PKRS" },
		{ MSR_MPERF, 6, 'c', 0, "MPERF" },
		{ MSR_OSVW_ID_LENGTH, 0x80000001, 'c', 9, "OSVW" },
		{ MSR_APIC_BASE, 1, 'd', 9, "APIC_BASE" },
		{ MSR_MTRR_CAP, 1, 'd', 12, "MTRRCAP" },
		{ MSR_PAT, 1, 'd', 16, "PAT" },
		{ MSR_MCG_CAP, 1, 'd', 14, "MCG_CAP" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		bool offered =
			rows[i].reg != 'x' && cpuid_bit(rows[i].leaf, rows[i].reg, rows[i].bit);
		u64 value;

		inside_only(try_rdmsr(rows[i].msr, &value) == (offered ? -1 : VEC_GP),
			    "%s exists as CPUID says", rows[i].name);
	}
}

static void efer(void)
{
	u64 old = rdmsr(MSR_EFER);

	is(old & LMA_LME, LMA_LME, "EFER: LMA and LME in long mode");
	is(old & ~(LMA_LME | EFER_SCE | EFER_NXE), 0, "EFER: nothing else is set");
	wrmsr(MSR_EFER, old | EFER_SCE | EFER_NXE);
	is(rdmsr(MSR_EFER), old | EFER_SCE | EFER_NXE, "EFER: SCE and NXE can be set");
	wrmsr(MSR_EFER, old & ~(EFER_SCE | EFER_NXE));
	is(rdmsr(MSR_EFER) & (EFER_SCE | EFER_NXE), 0, "EFER: SCE and NXE can be cleared");
	if (!cpuid_bit(0x80000001, 'c', 2))
		inside_only(try_wrmsr(MSR_EFER, old | EFER_SVME) == VEC_GP,
			    "EFER: no SVME without SVM");
	wrmsr(MSR_EFER, old);
}

static void tsc(void)
{
	u64 a, b, adjust, got;

	a = rdtsc();
	b = rdmsr(MSR_TSC);
	ok(b >= a && b - a < JUMP, "TSC: RDTSC and the MSR agree");
	if (cpuid_bit(0x80000001, 'd', 27)) {
		u32 lo, hi, aux;

		wrmsr(MSR_TSC_AUX, 0x1234);
		__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
		is(aux, 0x1234, "TSC: RDTSCP gives TSC_AUX");
		wrmsr(MSR_TSC_AUX, 0);
	} else {
		skip("TSC: RDTSCP gives TSC_AUX", "not offered");
	}
	if (!cpuid_bit(7, 'b', 1)) {
		inside_only(false, "TSC: moves with TSC_ADJUST");
		inside_only(false, "TSC: TSC_ADJUST moves with it");
		inside_only(false, "TSC: comes back");
		return;
	}
	adjust = rdmsr(MSR_TSC_ADJUST);
	a = rdtsc();
	wrmsr(MSR_TSC_ADJUST, adjust + JUMP);
	b = rdtsc();
	inside_only(b - a >= JUMP && b - a < 2 * JUMP, "TSC: moves with TSC_ADJUST");
	a = rdtsc();
	wrmsr(MSR_TSC, a + JUMP);
	got = rdmsr(MSR_TSC_ADJUST) - adjust;
	inside_only(got >= 2 * JUMP - JUMP / 16 && got < 2 * JUMP + JUMP / 16,
		    "TSC: TSC_ADJUST moves with it");
	wrmsr(MSR_TSC_ADJUST, adjust);
	b = rdtsc();
	inside_only(b < a && a - b < 2 * JUMP, "TSC: comes back");
}

/* The bases are those of the segments. */
static void segment_bases(void)
{
	static u64 where[2] = { 0x1111, 0x2222 };
	u64 got, old_gs = rdmsr(MSR_GS_BASE), old_kgs = rdmsr(MSR_KERNEL_GS_BASE);

	wrmsr(MSR_FS_BASE, (u64)&where[0]);
	__asm__ volatile("movq %%fs:8, %0" : "=r"(got));
	is(got, 0x2222, "FS_BASE is the base of FS");
	wrmsr(MSR_GS_BASE, (u64)&where[0]);
	wrmsr(MSR_KERNEL_GS_BASE, (u64)&where[1]);
	__asm__ volatile("swapgs\n\tmovq %%gs:0, %0" : "=r"(got));
	is(got, 0x2222, "SWAPGS takes KERNEL_GS_BASE");
	is(rdmsr(MSR_KERNEL_GS_BASE), (u64)&where[0], "SWAPGS leaves GS_BASE there");
	is(rdmsr(MSR_GS_BASE), (u64)&where[1], "GS_BASE after SWAPGS");
	__asm__ volatile("swapgs\n\tmovw %w0, %%fs" : : "r"(GUEST_DS));
	is(rdmsr(MSR_FS_BASE), 0, "loading FS loads its base");
	wrmsr(MSR_GS_BASE, old_gs);
	wrmsr(MSR_KERNEL_GS_BASE, old_kgs);
}

static volatile int user_vector[2];

static void user_msr(u64 msr)
{
	u32 lo = 0, hi = 0;

	user_vector[0] = TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"((u32)msr));
	user_vector[1] = TRY("wrmsr", "+a"(lo), "+d"(hi) : "c"((u32)msr));
}

static void registers(void)
{
	u64 a = ~0ULL, c = 0xffffffff00000000 | MSR_EFER, d = ~0ULL;

	__asm__ volatile("rdmsr" : "+a"(a), "+c"(c), "+d"(d));
	ok(!(a >> 32) && !(d >> 32), "RDMSR clears the upper halves");
	a = 0xffffffff00000000 | (u32)rdmsr(MSR_EFER);
	d = 0xffffffff00000000;
	__asm__ volatile("wrmsr" : "+a"(a), "+c"(c), "+d"(d));
	ok(a >> 32 == 0xffffffff, "WRMSR looks at the lower halves");
	a = 0x1111111111111111;
	d = 0x2222222222222222;
	c = 0x3fffffff;
	TRY("rdmsr", "+a"(a), "+d"(d) : "c"(c));
	inside_only(a == 0x1111111111111111 && d == 0x2222222222222222,
		    "a refused RDMSR changes nothing");
	tss_setup();
	call_user(user_msr, MSR_LSTAR);
	ok(user_vector[0] == VEC_GP && user_vector[1] == VEC_GP,
	   "RDMSR and WRMSR are #GP in ring 3");
	call_user(user_msr, MSR_EFER);
	ok(user_vector[0] == VEC_GP && user_vector[1] == VEC_GP,
	   "RDMSR and WRMSR of EFER are #GP in ring 3");
}

static void identity(void)
{
	u64 value, cap = rdmsr(MSR_MTRR_CAP);

	ok((cap & 0xff) >= 8 && (cap & 0xff) <= 16, "MTRRCAP: 8 or more variable ranges");
	ok(cap & MTRR_CAP_FIX, "MTRRCAP: fixed ranges");
	ok(try_rdmsr(0x200 + 2 * (u32)(cap & 0xff) - 1, &value) == -1,
	   "MTRRCAP: the last range exists");
	inside_only(try_rdmsr(0x200 + 2 * (u32)(cap & 0xff), &value) == VEC_GP,
		    "MTRRCAP: none behind the last");
	is(rdmsr(MSR_APIC_BASE) & ~0xffULL, 0xfee00900, "APIC_BASE: enabled, boot processor");
	ok(try_rdmsr(MSR_MCG_CAP, &value) == -1, "MCG_CAP can be read");
	inside_only(try_rdmsr(0x400 + 4 * (u32)(value & 0xff), &value) == VEC_GP,
		    "MCG_CAP: no bank behind the last");
	inside_only(try_rdmsr(MSR_BIOS_SIGN_ID, &value) == -1, "BIOS_SIGN_ID can be read");
	inside_only(try_wrmsr(MSR_BIOS_SIGN_ID, 0) == -1, "BIOS_SIGN_ID can be cleared");
	if (amd) {
		inside_only(try_rdmsr(MSR_SYSCFG, &value) == -1, "AMD: SYSCFG can be read");
		inside_only(try_rdmsr(MSR_HWCR, &value) == -1, "AMD: HWCR can be read");
		inside_only(try_rdmsr(MSR_TOP_MEM, &value) == -1 && value >= MIB(16) &&
				    value <= GIB(4),
			    "AMD: TOP_MEM is where memory ends");
		inside_only(try_rdmsr(MSR_VM_CR, &value) == -1 && (value & VM_CR_SVMDIS),
			    "AMD: VM_CR says that SVM is disabled");
		/* APM vol. 2 13.2.1: obligatory, without a CPUID bit. */
		for (u32 i = MSR_K7_EVNTSEL0; i <= MSR_K7_PERFCTR3; i++)
			ok(try_wrmsr(i, 0) == -1 && try_rdmsr(i, &value) == -1 && value == 0,
			   "AMD: performance counter register %x can be cleared", i);
	} else {
		skip("AMD", "another vendor's processor");
	}
	if (try_rdmsr(MSR_MISC_ENABLE, &value) == -1) {
		u64 bits = value | MISC_ENABLE_BITS;

		wrmsr(MSR_MISC_ENABLE, bits);
		inside_only(rdmsr(MSR_MISC_ENABLE) == bits, "MISC_ENABLE: reads back");
		wrmsr(MSR_MISC_ENABLE, value);
	} else {
		ok(false, "MISC_ENABLE: reads back");
	}
	inside_only(try_rdmsr(0x802, &value) == VEC_GP, "x2APIC registers only in that mode");
}

void guest_main(void)
{
	amd = processor_is_amd();
	phys_reserved = ~(BIT64(cpuid(0x80000008, 0).eax & 0xff) - 1);
	identity();
	read_back();
	refused();
	unknown();
	features();
	efer();
	tsc();
	segment_bases();
	registers();
}
