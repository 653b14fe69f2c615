/* SPDX-License-Identifier: MIT */
/*
 * CPUID is consistent within itself and with the processor: SDM vol. 2A (rev. 083) CPUID, vol. 1 13.2; APM vol. 3 (rev. 3.36) appendix E.
 */
#include "guest.h"

#define EXT		0x80000000U
#define COMMON_EDX	0x0183f3ffU /* leaf 1 and 80000001H alike on AMD */
#define XSAVE_LEGACY	576U	    /* legacy region and header */
#define CACHE_TYPES_END 0

static struct cpuid_regs l1, l7, e1, e8;
static u32 max_basic, max_ext;
static bool amd;

static u32 reg(const struct cpuid_regs *r, char name)
{
	return name == 'a' ? r->eax : name == 'b' ? r->ebx : name == 'c' ? r->ecx : r->edx;
}

static bool has(u32 leaf, char name, u32 bit)
{
	struct cpuid_regs r = cpuid(leaf, 0);

	if (leaf < EXT ? leaf > max_basic : leaf > max_ext)
		return false;
	return reg(&r, name) & BIT(bit);
}

static void leaves(void)
{
	struct cpuid_regs r0 = cpuid(0, 0), re = cpuid(EXT, 0), beyond, hv;

	max_basic = r0.eax;
	max_ext = re.eax;
	amd = processor_is_amd();
	l1 = cpuid(1, 0);
	l7 = cpuid(7, 0);
	e1 = cpuid(EXT + 1, 0);
	e8 = cpuid(EXT + 8, 0);
	ok(max_basic >= 1 && max_basic < 0x40, "highest basic leaf");
	ok(max_ext >= EXT + 8 && max_ext < EXT + 0x40, "highest extended leaf");
	if (amd) {
		ok(r0.ebx == re.ebx && r0.ecx == re.ecx && r0.edx == re.edx,
		   "AMD: vendor: leaves 0 and 80000000 alike");
		is(e1.edx & COMMON_EDX, l1.edx & COMMON_EDX,
		   "AMD: features: leaves 1 and 80000001 alike");
		is(e1.eax, l1.eax, "AMD: family and model: leaves 1 and 80000001 alike");
		beyond = cpuid(max_ext + 1, 0);
		inside_only(!(beyond.eax | beyond.ebx | beyond.ecx | beyond.edx),
			    "AMD: leaves beyond the highest extended one are zero");
		beyond = cpuid(max_basic + 1, 0);
		inside_only(!(beyond.eax | beyond.ebx | beyond.ecx | beyond.edx),
			    "AMD: leaves beyond the highest basic one are zero");
	} else {
		skip("AMD", "another vendor's processor");
	}
	hv = cpuid(0x40000000, 0);
	inside_only(l1.ecx & BIT(31), "hypervisor bit");
	inside_only(hv.ebx == 0x6e696c50 && hv.ecx == 0x6c506874 && hv.edx == 0x68746e69,
		    "hypervisor signature");
	inside_only(hv.eax >= 0x40000001 && hv.eax <= 0x400000ff, "hypervisor leaves");
}

static void upper_halves(void)
{
	u64 a = 0xffffffff00000000, b = ~0ULL, c = 0xffffffff00000000, d = ~0ULL;

	__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	ok(!((a | b | c | d) >> 32), "CPUID clears the upper halves of the registers");
}

/* The ids of the boot processor agree everywhere. */
static void topology(void)
{
	u32 id = l1.ebx >> 24;
	u32 logical = l1.ebx >> 16 & 0xff;
	bool htt = l1.edx & BIT(28);

	is(lapic_read(LAPIC_ID) >> 24, id, "topology: APIC id of leaf 1");
	ok(!htt || logical > 1, "topology: HTT only with several logical processors");
	if (amd)
		is((e8.ecx & 0xff) + 1, htt ? logical : 1, "AMD: topology: cores of leaf 80000008");
	ok((l1.ebx >> 8 & 0xff) * 8 == 64 || !(l1.edx & BIT(19)), "CLFLUSH line is 64 bytes");
	if (max_basic >= 0xb) {
		struct cpuid_regs r = cpuid(0xb, 0);
		u32 levels = 0;

		is(r.edx, id, "topology: x2APIC id of leaf B");
		is(r.ecx >> 8 & 0xff, 1, "topology: leaf B begins with threads");
		for (; levels < 8; levels++) {
			r = cpuid(0xb, levels);
			if (!(r.ecx >> 8 & 0xff))
				break;
			if ((r.ecx & 0xff) != levels || r.edx != id || !(r.ebx & 0xffff))
				break;
		}
		ok(!(r.ecx >> 8 & 0xff) && levels >= 1, "topology: levels of leaf B end");
		is(r.ecx & 0xff, levels, "topology: leaf B repeats the subleaf");
		r = cpuid(0xb, levels - 1);
		ok((r.eax & 0x1f) == 0 || (r.ebx & 0xffff) <= 1U << (r.eax & 0x1f),
		   "topology: the ids of leaf B have room for the count");
	} else {
		skip("topology: leaf B", "not offered");
	}
	if (amd && (e1.ecx & BIT(22)) && max_ext >= EXT + 0x1e) {
		struct cpuid_regs r = cpuid(EXT + 0x1e, 0);

		is(r.eax, id, "topology: leaf 8000001E: APIC id");
		is(r.ebx >> 8 & 0xff, 0, "topology: leaf 8000001E: one thread a core");
	} else {
		skip("topology: leaf 8000001E", "not offered");
	}
}

static u32 cache_bytes(const struct cpuid_regs *r)
{
	return ((r->ebx >> 22) + 1) * ((r->ebx >> 12 & 0x3ff) + 1) * ((r->ebx & 0xfff) + 1) *
	       (r->ecx + 1);
}

static void caches(void)
{
	u32 leaf = amd ? EXT + 0x1d : 4, n = 0, bad = 0;
	struct cpuid_regs r, l2 = cpuid(EXT + 6, 0), first = cpuid(EXT + 5, 0);

	if (amd && (!(e1.ecx & BIT(22)) || max_ext < EXT + 0x1d)) {
		skip("caches", "not offered");
		skip("AMD: caches", "not offered");
		return;
	}
	for (; n < 16; n++) {
		u32 level;

		r = cpuid(leaf, n);
		if ((r.eax & 0x1f) == CACHE_TYPES_END)
			break;
		level = r.eax >> 5 & 7;
		if ((r.ebx & 0xfff) + 1 != 64)
			bad++;
		if (amd && level == 1 && (r.eax & 0x1f) == 1)
			is(cache_bytes(&r), (first.ecx >> 24) * 1024,
			   "AMD: caches: L1D in both leaves");
		if (amd && level == 1 && (r.eax & 0x1f) == 2)
			is(cache_bytes(&r), (first.edx >> 24) * 1024,
			   "AMD: caches: L1I in both leaves");
		if (amd && level == 2)
			is(cache_bytes(&r), (l2.ecx >> 16) * 1024,
			   "AMD: caches: L2 in both leaves");
	}
	ok(n >= 1 && n < 16, "caches: the list ends");
	is(bad, 0, "caches: 64-byte lines");
}

static int try_xsetbv(u32 index, u64 value)
{
	u32 lo = (u32)value;

	return TRY("xsetbv", "+a"(lo) : "d"((u32)(value >> 32)), "c"(index));
}

static void xsave(void)
{
	u64 all, xcr0;
	struct cpuid_regs r;
	int vector;
	u32 lo = 0, hi = 0;

	if (!has(1, 'c', 26)) {
		vector = try_wrmsr(0xda0, 0);
		inside_only(vector == VEC_GP, "XSAVE: no IA32_XSS without it");
		skip("XSAVE", "not offered");
		return;
	}
	skip("XSAVE: no IA32_XSS without it", "XSAVE is offered");
	ok(!(cpuid(1, 0).ecx & BIT(27)), "XSAVE: OSXSAVE clear while CR4 says so");
	vector = TRY("xgetbv", "+a"(lo), "+d"(hi) : "c"(0));
	is((u64)vector, VEC_UD, "XSAVE: XGETBV without CR4.OSXSAVE");
	write_cr4(read_cr4() | CR4_OSXSAVE);
	ok(cpuid(1, 0).ecx & BIT(27), "XSAVE: OSXSAVE follows CR4");
	is(xgetbv(0), 1, "XSAVE: XCR0 at reset");
	r = cpuid(0xd, 0);
	all = (u64)r.edx << 32 | r.eax;
	is(all & 3, 3, "XSAVE: x87 and SSE are offered");
	is(r.ebx, XSAVE_LEGACY, "XSAVE: size with XCR0 = 1");
	for (u32 i = 0; i < 2; i++) {
		u64 expected = XSAVE_LEGACY;

		xcr0 = i ? all : 3;
		vector = try_xsetbv(0, xcr0);
		is((u64)vector, (u64)-1, "XSAVE: XSETBV %s", i ? "all" : "3");
		is(xgetbv(0), xcr0, "XSAVE: XCR0 reads back %s", i ? "all" : "3");
		for (u32 c = 2; c < 63; c++)
			if (xcr0 & BIT64(c)) {
				struct cpuid_regs s = cpuid(0xd, c);

				expected = max_u64(expected, (u64)s.ebx + s.eax);
			}
		is(cpuid(0xd, 0).ebx, expected, "XSAVE: size with XCR0 = %s", i ? "all" : "3");
	}
	r = cpuid(0xd, 0);
	is(r.ebx, r.ecx, "XSAVE: the largest size is that of all components");
	if (all & XCR0_AVX) {
		struct cpuid_regs s = cpuid(0xd, 2);

		ok(s.eax == 256 && s.ebx == XSAVE_LEGACY, "XSAVE: AVX has 256 bytes at 576");
	} else {
		skip("XSAVE: AVX has 256 bytes at 576", "not offered");
	}
	ok(!(cpuid(1, 0).ecx & BIT(28)) || (all & XCR0_AVX), "XSAVE: no AVX without its state");
	{
		static const struct {
			u32 index;
			u64 value;
			const char *name;
		} bad[] = {
			{ 0, 0, "XCR0 without x87" },
			{ 0, 2, "XCR0 with SSE alone" },
			{ 0, 5, "XCR0 with AVX, not SSE" },
			{ 0, 0x8000000000000001, "XCR0 bit 63" },
			{ 0, 0x101, "XCR0 bit 8" },
			{ 1, 1, "XCR1" },
			{ 0xffffffff, 1, "XCR FFFFFFFFH" },
		};
		for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
			vector = try_xsetbv(bad[i].index, bad[i].value);
			ok(vector == VEC_GP && try_error == 0, "XSAVE: XSETBV #GP: %s",
			   bad[i].name);
		}
		is(xgetbv(0), all, "XSAVE: refused values leave XCR0 alone");
	}
	xsetbv(0, 1);
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
	ok(!(cpuid(1, 0).ecx & BIT(27)), "XSAVE: OSXSAVE follows CR4 back");
	vector = try_xsetbv(0, 1);
	is((u64)vector, VEC_UD, "XSAVE: XSETBV without CR4.OSXSAVE");
}

/* A bit of CR4 exists when its feature does: SDM vol. 3 2.5. */
static void cr4_bits(void)
{
	static const struct {
		u8 bit;
		char name;
		u32 leaf;
		u8 feature;
		const char *title;
	} bits[] = {
		{ 0, 'd', 1, 1, "VME" },     { 2, 'd', 1, 4, "TSD" },
		{ 3, 'd', 1, 2, "DE" },	     { 4, 'd', 1, 3, "PSE" },
		{ 6, 'd', 1, 7, "MCE" },     { 7, 'd', 1, 13, "PGE" },
		{ 9, 'd', 1, 24, "OSFXSR" }, { 10, 'd', 1, 25, "OSXMMEXCPT" },
		{ 11, 'c', 7, 2, "UMIP" },   { 13, 'c', 1, 5, "VMXE" },
		{ 14, 'c', 1, 6, "SMXE" },   { 16, 'b', 7, 0, "FSGSBASE" },
		{ 17, 'c', 1, 17, "PCIDE" }, { 18, 'c', 1, 26, "OSXSAVE" },
		{ 19, 'c', 7, 23, "KL" },    { 20, 'b', 7, 7, "SMEP" },
		{ 21, 'b', 7, 20, "SMAP" },  { 22, 'c', 7, 3, "PKE" },
		{ 23, 'c', 7, 7, "CET" },    { 24, 'c', 7, 31, "PKS" },
	};
	u64 old = read_cr4(), top = page_tables[0];

	/* SMEP and SMAP would take away what is a user's: all memory is, until here. */
	page_tables[0] = top & ~PTE_U;
	write_cr3(read_cr3());
	for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
		bool offered = has(bits[i].leaf, bits[i].name, bits[i].feature);
		u64 value = old | BIT64(bits[i].bit);
		int vector;

		/*
		 * QEMU takes a reserved bit for a failed VMRUN, and comes to its end. VME and PCIDE it accepts always, also
		 * of a guest.
		 */
		if (bare_qemu && !offered && !(BIT64(bits[i].bit) & (CR4_VME | CR4_PCIDE))) {
			inside_only(false, "CR4.%s is as CPUID says", bits[i].title);
			continue;
		}
		vector = TRY("movq %0, %%cr4", "+r"(value) :);
		ok(vector == (offered ? -1 : VEC_GP), "CR4.%s is as CPUID says", bits[i].title);
		write_cr4(old);
	}
	page_tables[0] = top;
	write_cr3(read_cr3());
}

#define NO_FEATURE 32

/* What CPUID hides faults when it is used. */
static void hidden(void)
{
	static u8 operand[64] __aligned(64);
	u64 a, c, d;
	int v;
#define UD(text, code, leaf, name, bit)                              \
	do {                                                         \
		if ((bit) != NO_FEATURE && has(leaf, name, bit)) {   \
			skip(text ": #UD where hidden", "offered");  \
			break;                                       \
		}                                                    \
		a = (u64)operand;                                    \
		c = 0;                                               \
		d = 0;                                               \
		v = TRY(code, "+a"(a), "+c"(c), "+d"(d) :);          \
		inside_only(v == VEC_UD, text ": #UD where hidden"); \
	} while (0)
	UD("VMRUN", ".byte 0x0f, 0x01, 0xd8", 0, 'a', NO_FEATURE);
	UD("VMLOAD", ".byte 0x0f, 0x01, 0xda", 0, 'a', NO_FEATURE);
	UD("VMSAVE", ".byte 0x0f, 0x01, 0xdb", 0, 'a', NO_FEATURE);
	UD("STGI", ".byte 0x0f, 0x01, 0xdc", EXT + 1, 'c', 12);
	UD("CLGI", ".byte 0x0f, 0x01, 0xdd", 0, 'a', NO_FEATURE);
	UD("SKINIT", ".byte 0x0f, 0x01, 0xde", EXT + 1, 'c', 12);
	UD("INVLPGA", ".byte 0x0f, 0x01, 0xdf", 0, 'a', NO_FEATURE);
	UD("VMXON", ".byte 0xf3, 0x0f, 0xc7, 0x30", 0, 'a', NO_FEATURE);
	UD("VMCLEAR", ".byte 0x66, 0x0f, 0xc7, 0x30", 0, 'a', NO_FEATURE);
	UD("VMREAD", ".byte 0x0f, 0x78, 0xc1", 0, 'a', NO_FEATURE);
	UD("GETSEC", ".byte 0x0f, 0x37", 0, 'a', NO_FEATURE);
	UD("MONITOR", ".byte 0x0f, 0x01, 0xc8", 1, 'c', 3);
	UD("MWAIT", ".byte 0x0f, 0x01, 0xc9", 1, 'c', 3);
	UD("MONITORX", ".byte 0x0f, 0x01, 0xfa", EXT + 1, 'c', 29);
	UD("MWAITX", ".byte 0x0f, 0x01, 0xfb", EXT + 1, 'c', 29);
	UD("RDTSCP", ".byte 0x0f, 0x01, 0xf9", EXT + 1, 'd', 27);
	UD("RDPRU", ".byte 0x0f, 0x01, 0xfd", EXT + 8, 'b', 4);
	UD("XSAVES", ".byte 0x48, 0x0f, 0xc7, 0x28", 0, 'a', NO_FEATURE);
	UD("RDPKRU", ".byte 0x0f, 0x01, 0xee", 0, 'a', NO_FEATURE);
	UD("ENCLS", ".byte 0x0f, 0x01, 0xcf", 7, 'b', 2);
	UD("RDFSBASE", ".byte 0xf3, 0x48, 0x0f, 0xae, 0xc0", 0, 'a', NO_FEATURE);
	UD("INVPCID", ".byte 0x66, 0x0f, 0x38, 0x82, 0x10", 7, 'b', 10);
#undef UD
	a = 0;
	c = 0;
	d = 0;
	v = TRY("rdpmc", "+a"(a), "+c"(c), "+d"(d) :);
	inside_only(amd ? v == -1 && (u32)a == 0 && (u32)d == 0 : v == VEC_GP && try_error == 0,
		    "RDPMC: AMD's counter 0 counts nothing, Intel's is not there");
	c = 0x100;
	v = TRY("rdpmc", "+a"(a), "+c"(c), "+d"(d) :);
	inside_only(v == VEC_GP && try_error == 0, "RDPMC: no counter 100H");
	a = 0;
	v = TRY(".byte 0x0f, 0x01, 0xd9", "+a"(a) :);
	inside_only(v == VEC_UD || (s64)a < 0, "VMMCALL: no such call");
}

static void widths(void)
{
	u32 phys = e8.eax & 0xff, virt = e8.eax >> 8 & 0xff;

	ok(phys >= 32 && phys <= 52, "physical addresses have 32 to 52 bits");
	inside_only(virt == 48, "linear addresses have 48 bits");
	ok(e1.edx & BIT(29), "long mode is offered");
	ok(virt == 48 || has(7, 'c', 16), "57 bits only with LA57");
	if (amd)
		is(e1.ecx & BIT(2) ? 0 : cpuid(EXT + 0xa, 0).eax, 0, "AMD: SVM leaf only with SVM");
	inside_only(!(e1.ecx & BIT(2)) && !(l1.ecx & BIT(5)), "neither SVM nor VMX is offered");
	ok(l1.edx & BIT(9), "the APIC is offered");
}

void guest_main(void)
{
	leaves();
	upper_halves();
	topology();
	caches();
	widths();
	xsave();
	cr4_bits();
	hidden();
}
