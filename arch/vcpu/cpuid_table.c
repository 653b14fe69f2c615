/* SPDX-License-Identifier: MIT */
/*
 * What of the real processor the guest's CPUID shows, leaf by leaf, and why: SDM vol. 2A (rev. 083) CPUID, APM vol. 3 (rev. 3.36)
 * appendix E. An allow-list: a bit that is not named here is hidden, so that a feature of a future processor needs a decision first.
 */
#include "cpuid.h"
#include "cpuid_table.h"
#include "policy.h"

#define ALL 0xffffffffU

const struct cpuid_row cpuid_rows[] = {
	{
		.leaf = CPUID_VENDOR,
		.keep = { 0, ALL, ALL, ALL },
		.reason = "the processor's own name; EAX is the highest leaf with a row",
	},
	{
		.leaf = CPUID_IDENT,
		.dynamic = CPUID_DYN_IDENT,
		/*
		 * Hidden: VMX, SMX (no nesting); MONITOR (would stop the real CPU); EIST, TM, TM2, ACPI, PBE
		 * (power and heat are the host's); DS, DTES64, DS_CPL, PDCM (no PMU); xTPR, DCA (chipset);
		 * SDBG, CNXT-ID; PSN.
		 */
		.keep = { ALL, CPUID_1_EBX_BRAND_CLFLUSH,
			  CPUID_1_ECX_SSE3 | CPUID_1_ECX_PCLMULQDQ | CPUID_1_ECX_SSSE3 |
				  CPUID_1_ECX_FMA | CPUID_1_ECX_CX16 | CPUID_1_ECX_PCID |
				  CPUID_1_ECX_SSE4_1 | CPUID_1_ECX_SSE4_2 | CPUID_1_ECX_MOVBE |
				  CPUID_1_ECX_POPCNT | CPUID_1_ECX_AES | CPUID_1_ECX_XSAVE |
				  CPUID_1_ECX_AVX | CPUID_1_ECX_F16C | CPUID_1_ECX_RDRAND,
			  CPUID_EDX_COMMON_AMD | CPUID_1_EDX_SEP | CPUID_1_EDX_CLFSH |
				  CPUID_1_EDX_SSE | CPUID_1_EDX_SSE2 | CPUID_1_EDX_SS },
		.set = { 0, 0,
			 CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR,
			 CPUID_1_EDX_APIC | CPUID_1_EDX_MTRR | CPUID_1_EDX_PAT },
		.reason =
			"APIC, its x2 mode and its TSC-deadline timer, MTRRs and PAT are emulated",
	},
	{
		.leaf = CPUID_CACHE_DESCRIPTORS,
		.vendor = CPUID_INTEL,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the real caches and TLBs are the guest's",
	},
	{
		.leaf = CPUID_CACHES,
		.first = 0,
		.last = CPUID_CACHES_MAX - 1,
		.vendor = CPUID_INTEL,
		.dynamic = CPUID_DYN_CACHES,
		.keep = { ~(CPUID_CACHE_SHARING_MASK | CPUID_4_CORES_MASK), ALL, ALL, ALL },
		.reason = "the real caches; who shares them follows the virtual CPUs",
	},
	{
		.leaf = CPUID_MONITOR,
		.reason = "MONITOR/MWAIT hidden: the guest must idle with HLT, which frees the CPU",
	},
	{
		.leaf = CPUID_POWER,
		.set = { CPUID_6_EAX_ARAT, 0, 0, 0 },
		.reason = "power and heat are the host's; the virtual LAPIC timer never stops",
	},
	{
		.leaf = CPUID_FEATURES,
		.dynamic = CPUID_DYN_FEATURES,
		/*
		 * Hidden: SGX, PT, RDT, MPX, PKS, CET, UINTR, AMX, key locker, ENQCMD, bus-lock traps (state or
		 * MSRs that are not virtualized); HLE, RTM (aborts by exits, and their side channels); WAITPKG
		 * (waits that would stop the real CPU); LA57 (48-bit addresses are what Plinth's guest walker,
		 * canonical checks and second-level tables are built for); CORE_CAP, ARCH_LBR.
		 */
		.keep = { 0,
			  CPUID_7_EBX_FSGSBASE | CPUID_7_EBX_BMI1 | CPUID_7_EBX_AVX2 |
				  CPUID_7_EBX_FDP_EXCPTN | CPUID_7_EBX_SMEP | CPUID_7_EBX_BMI2 |
				  CPUID_7_EBX_ERMS | CPUID_7_EBX_INVPCID | CPUID_7_EBX_FCS_FDS |
				  CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512DQ | CPUID_7_EBX_RDSEED |
				  CPUID_7_EBX_ADX | CPUID_7_EBX_SMAP | CPUID_7_EBX_AVX512IFMA |
				  CPUID_7_EBX_CLFLUSHOPT | CPUID_7_EBX_CLWB | CPUID_7_EBX_AVX512PF |
				  CPUID_7_EBX_AVX512ER | CPUID_7_EBX_AVX512CD | CPUID_7_EBX_SHA |
				  CPUID_7_EBX_AVX512BW | CPUID_7_EBX_AVX512VL,
			  CPUID_7_ECX_PREFETCHWT1 | CPUID_7_ECX_AVX512VBMI | CPUID_7_ECX_UMIP |
				  CPUID_7_ECX_PKU | CPUID_7_ECX_AVX512VBMI2 | CPUID_7_ECX_GFNI |
				  CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ |
				  CPUID_7_ECX_AVX512VNNI | CPUID_7_ECX_AVX512BITALG |
				  CPUID_7_ECX_AVX512POPCNT | CPUID_7_ECX_RDPID |
				  CPUID_7_ECX_CLDEMOTE | CPUID_7_ECX_MOVDIRI |
				  CPUID_7_ECX_MOVDIR64B,
			  CPUID_7_EDX_AVX512_4VNNIW | CPUID_7_EDX_AVX512_4FMAPS | CPUID_7_EDX_FSRM |
				  CPUID_7_EDX_VP2INTERSECT | CPUID_7_EDX_MD_CLEAR |
				  CPUID_7_EDX_SERIALIZE | CPUID_7_EDX_AVX512_FP16 |
				  CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP |
				  CPUID_7_EDX_L1D_FLUSH | CPUID_7_EDX_ARCH_CAP | CPUID_7_EDX_SSBD },
		.set = { 0, CPUID_7_EBX_TSC_ADJUST, 0, 0 },
		.reason =
			"instructions without state of their own, or with state that XCR0 covers; "
			"TSC_ADJUST is emulated",
	},
	{
		.leaf = CPUID_FEATURES,
		.first = 1,
		.last = 1,
		.dynamic = CPUID_DYN_FEATURES,
		.keep = { CPUID_7_1_EAX_SHA512 | CPUID_7_1_EAX_SM3 | CPUID_7_1_EAX_SM4 |
				  CPUID_7_1_EAX_AVX_VNNI | CPUID_7_1_EAX_AVX512_BF16 |
				  CPUID_7_1_EAX_CMPCCXADD | CPUID_7_1_EAX_FZRM |
				  CPUID_7_1_EAX_FSRS | CPUID_7_1_EAX_FSRCS | CPUID_7_1_EAX_AVX_IFMA,
			  0, 0,
			  CPUID_7_1_EDX_AVX_VNNI_INT8 | CPUID_7_1_EDX_AVX_NE_CONVERT |
				  CPUID_7_1_EDX_AVX_VNNI_INT16 | CPUID_7_1_EDX_PREFETCHI },
		.reason = "as subleaf 0; FRED, LAM, AMX, HRESET, CET are not virtualized",
	},
	{
		.leaf = CPUID_FEATURES,
		.first = 2,
		.last = 2,
		.dynamic = CPUID_DYN_FEATURES,
		.keep = { 0, 0, 0,
			  CPUID_7_2_EDX_PSFD | CPUID_7_2_EDX_IPRED_CTRL | CPUID_7_2_EDX_RRSBA_CTRL |
				  CPUID_7_2_EDX_DDPD_U | CPUID_7_2_EDX_BHI_CTRL |
				  CPUID_7_2_EDX_MCDT_NO },
		.reason = "bits of SPEC_CTRL, which is passed through",
	},
	{
		.leaf = CPUID_DCA,
		.reason = "direct cache access hidden: a matter of the chipset",
	},
	{
		.leaf = CPUID_PMU,
		.reason = "no PMU: its counters would count the host, its NMIs would be the host's",
	},
	{
		.leaf = CPUID_TOPOLOGY,
		.dynamic = CPUID_DYN_TOPOLOGY,
		.reason = "the virtual CPUs: cores of one package, one thread each",
	},
	{
		.leaf = CPUID_XSAVE,
		.dynamic = CPUID_DYN_XSAVE,
		.keep = { ALL, 0, 0, ALL },
		.reason = "the components of policy_xcr0_allowed(); sizes are computed",
	},
	{
		.leaf = CPUID_XSAVE,
		.first = 1,
		.last = 1,
		.dynamic = CPUID_DYN_XSAVE,
		.keep = { CPUID_D1_EAX_XSAVEOPT | CPUID_D1_EAX_XSAVEC | CPUID_D1_EAX_XGETBV1, 0, 0,
			  0 },
		.reason = "no supervisor states (XSAVES, IA32_XSS), no XFD",
	},
	{
		.leaf = CPUID_XSAVE,
		.first = 2,
		.last = CPUID_XSAVE_COMPONENTS - 1,
		.dynamic = CPUID_DYN_XSAVE,
		.keep = { ALL, ALL, CPUID_D2_ECX_ALIGN64, 0 },
		.reason =
			"user components, live in the real registers: size and offset are hardware's",
	},
	{
		.leaf = CPUID_RDT_MONITOR,
		.reason = "resource monitoring hidden: it is the host's",
	},
	{
		.leaf = CPUID_RDT_ALLOC,
		.reason = "resource allocation hidden: it is the host's",
	},
	{
		.leaf = CPUID_SGX,
		.reason = "SGX hidden: enclave memory is not virtualized",
	},
	{
		.leaf = CPUID_PT,
		.reason = "processor trace hidden: it writes to physical addresses",
	},
	{
		.leaf = CPUID_TSC,
		.vendor = CPUID_INTEL,
		.reason = "made up: the crystal is what the virtual LAPIC timer counts",
	},
	{
		.leaf = CPUID_FREQUENCY,
		.vendor = CPUID_INTEL,
		.keep = { 0, ALL, ALL, 0 },
		.reason = "the base frequency is the TSC's, so that nobody finds two",
	},
	{
		.leaf = CPUID_KEY_LOCKER,
		.reason = "key locker hidden: its internal key is not virtualized",
	},
	{
		.leaf = CPUID_LBR,
		.reason = "last-branch records hidden: not switched",
	},
	{
		.leaf = CPUID_TILE,
		.reason = "AMX hidden: 8 KiB of state and XFD",
	},
	{
		.leaf = CPUID_TMUL,
		.reason = "AMX hidden",
	},
	{
		.leaf = CPUID_TOPOLOGY_V2,
		.vendor = CPUID_INTEL,
		.dynamic = CPUID_DYN_TOPOLOGY,
		.reason = "the same as leaf B",
	},
	{
		.leaf = CPUID_EXT,
		.keep = { 0, ALL, ALL, ALL },
		.reason = "the vendor again (AMD); EAX is the highest leaf with a row",
	},
	{
		.leaf = CPUID_EXT_IDENT,
		.dynamic = CPUID_DYN_EXT_IDENT,
		/*
		 * Hidden: SVM, SKINIT (no nesting); extended APIC space; OSVW, WDT, NodeId (MSRs of the host);
		 * IBS, PerfCtr*, PerfTsc (no PMU); LWP; MWAITX; data breakpoint extension (its address masks
		 * are not switched).
		 */
		.keep = { ALL, ALL,
			  CPUID_81_ECX_LAHF | CPUID_81_ECX_ALT_MOV_CR8 | CPUID_81_ECX_ABM |
				  CPUID_81_ECX_SSE4A | CPUID_81_ECX_MISALIGN_SSE |
				  CPUID_81_ECX_PREFETCHW | CPUID_81_ECX_XOP | CPUID_81_ECX_FMA4 |
				  CPUID_81_ECX_TCE | CPUID_81_ECX_TBM | CPUID_81_ECX_TOPOEXT,
			  CPUID_EDX_COMMON_AMD | CPUID_81_EDX_SYSCALL | CPUID_81_EDX_NX |
				  CPUID_81_EDX_MMXEXT | CPUID_81_EDX_FFXSR | CPUID_81_EDX_PAGE1GB |
				  CPUID_81_EDX_RDTSCP | CPUID_81_EDX_LM | CPUID_81_EDX_3DNOWEXT |
				  CPUID_81_EDX_3DNOW },
		.reason = "instructions and paging features that the processor virtualizes itself",
	},
	{
		.leaf = CPUID_BRAND_0,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the processor's own name",
	},
	{
		.leaf = CPUID_BRAND_1,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the processor's own name",
	},
	{
		.leaf = CPUID_BRAND_2,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the processor's own name",
	},
	{
		.leaf = CPUID_EXT_L1,
		.vendor = CPUID_AMD,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the real L1 caches and TLBs",
	},
	{
		.leaf = CPUID_EXT_L2_L3,
		.keep = { ALL, ALL, ALL, ALL },
		.reason = "the real L2 and L3 caches",
	},
	{
		.leaf = CPUID_EXT_POWER,
		.keep = { 0, 0, 0, CPUID_87_EDX_INVARIANT_TSC },
		.reason =
			"the guest's TSC is the host's plus a constant; power and RAS are the host's",
	},
	{
		.leaf = CPUID_EXT_SIZES,
		.dynamic = CPUID_DYN_SIZES,
		/*
		 * Hidden: RDPRU, IRPERF (APERF/MPERF), INVLPGB, MCOMMIT and INT_WBINVD (bits of EFER), PPIN, CPPC,
		 * VIRT_SSBD (SSBD is there itself). EFER.LMSLE is not offered: with it the emulator would
		 * have to check segment limits in 64-bit mode.
		 */
		.keep = { CPUID_88_EAX_PHYS,
			  CPUID_88_EBX_CLZERO | CPUID_88_EBX_XSAVE_ERPTR | CPUID_88_EBX_WBNOINVD |
				  CPUID_88_EBX_IBPB | CPUID_88_EBX_IBRS | CPUID_88_EBX_STIBP |
				  CPUID_88_EBX_IBRS_ALWAYS | CPUID_88_EBX_STIBP_ALWAYS |
				  CPUID_88_EBX_IBRS_PREFERRED | CPUID_88_EBX_IBRS_SAME_MODE |
				  CPUID_88_EBX_SSBD | CPUID_88_EBX_SSB_NO | CPUID_88_EBX_PSFD |
				  CPUID_88_EBX_BTC_NO | CPUID_88_EBX_IBPB_RET,
			  0, 0 },
		.reason =
			"physical width as the hardware's reserved-bit checks see it; 48 linear bits",
	},
	{
		.leaf = CPUID_EXT_SVM,
		.reason = "SVM hidden: no nesting",
	},
	{
		.leaf = CPUID_EXT_TLB_1G,
		.vendor = CPUID_AMD,
		.keep = { ALL, ALL, 0, 0 },
		.reason = "the real TLBs",
	},
	{
		.leaf = CPUID_EXT_PERF_HINTS,
		.vendor = CPUID_AMD,
		.keep = { ALL, 0, 0, 0 },
		.reason = "which vector instructions are fast here",
	},
	{
		.leaf = CPUID_EXT_IBS,
		.reason = "instruction-based sampling hidden: part of the PMU",
	},
	{
		.leaf = CPUID_EXT_LWP,
		.reason = "lightweight profiling hidden",
	},
	{
		.leaf = CPUID_EXT_CACHES,
		.first = 0,
		.last = CPUID_CACHES_MAX - 1,
		.vendor = CPUID_AMD,
		.dynamic = CPUID_DYN_CACHES,
		.keep = { ~CPUID_CACHE_SHARING_MASK, ALL, ALL, ALL },
		.reason = "the real caches; who shares them follows the virtual CPUs",
	},
	{
		.leaf = CPUID_EXT_NODE,
		.vendor = CPUID_AMD,
		.dynamic = CPUID_DYN_NODE,
		.reason = "the virtual CPUs: one node, one thread a core",
	},
	{
		.leaf = CPUID_EXT_SEV,
		.reason = "memory encryption hidden: its bit belongs to the host's page tables",
	},
	{
		.leaf = CPUID_EXT_QOS,
		.reason = "quality of service hidden: it is the host's",
	},
	{
		.leaf = CPUID_EXT_FEATURES_2,
		.vendor = CPUID_AMD,
		.keep = { CPUID_821_EAX_NO_NESTED_DATA_BP | CPUID_821_EAX_LFENCE_SERIAL |
				  CPUID_821_EAX_NULL_SEL_CLEARS | CPUID_821_EAX_NO_SMM_CTL |
				  CPUID_821_EAX_FSRS | CPUID_821_EAX_FSRC | CPUID_821_EAX_SBPB |
				  CPUID_821_EAX_IBPB_BRTYPE | CPUID_821_EAX_SRSO_NO,
			  0, 0, 0 },
		.reason =
			"facts; features with an EFER bit or an MSR of their own are not virtualized",
	},
};
const unsigned int cpuid_nr_rows = ARRAY_SIZE(cpuid_rows);

#define XCR0_AVX512_ALL (XCR0_AVX | XCR0_AVX512)

const struct cpuid_state_row cpuid_state_rows[] = {
	{
		.xcr0 = XCR0_AVX,
		.leaf = CPUID_IDENT,
		.bits = { 0, 0, CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C, 0 },
	},
	{
		.xcr0 = XCR0_AVX,
		.leaf = CPUID_FEATURES,
		.bits = { 0, CPUID_7_EBX_AVX2, CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ, 0 },
	},
	{
		.xcr0 = XCR0_AVX,
		.leaf = CPUID_FEATURES,
		.subleaf = 1,
		.bits = { CPUID_7_1_EAX_SHA512 | CPUID_7_1_EAX_SM3 | CPUID_7_1_EAX_SM4 |
				  CPUID_7_1_EAX_AVX_VNNI | CPUID_7_1_EAX_AVX_IFMA,
			  0, 0,
			  CPUID_7_1_EDX_AVX_VNNI_INT8 | CPUID_7_1_EDX_AVX_NE_CONVERT |
				  CPUID_7_1_EDX_AVX_VNNI_INT16 },
	},
	{
		.xcr0 = XCR0_AVX,
		.leaf = CPUID_EXT_IDENT,
		.bits = { 0, 0, CPUID_81_ECX_XOP | CPUID_81_ECX_FMA4, 0 },
	},
	{
		.xcr0 = XCR0_AVX512_ALL,
		.leaf = CPUID_FEATURES,
		.bits = { 0,
			  CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512DQ | CPUID_7_EBX_AVX512IFMA |
				  CPUID_7_EBX_AVX512PF | CPUID_7_EBX_AVX512ER |
				  CPUID_7_EBX_AVX512CD | CPUID_7_EBX_AVX512BW |
				  CPUID_7_EBX_AVX512VL,
			  CPUID_7_ECX_AVX512VBMI | CPUID_7_ECX_AVX512VBMI2 |
				  CPUID_7_ECX_AVX512VNNI | CPUID_7_ECX_AVX512BITALG |
				  CPUID_7_ECX_AVX512POPCNT,
			  CPUID_7_EDX_AVX512_4VNNIW | CPUID_7_EDX_AVX512_4FMAPS |
				  CPUID_7_EDX_VP2INTERSECT | CPUID_7_EDX_AVX512_FP16 },
	},
	{
		.xcr0 = XCR0_AVX512_ALL,
		.leaf = CPUID_FEATURES,
		.subleaf = 1,
		.bits = { CPUID_7_1_EAX_AVX512_BF16, 0, 0, 0 },
	},
};
const unsigned int cpuid_nr_state_rows = ARRAY_SIZE(cpuid_state_rows);
