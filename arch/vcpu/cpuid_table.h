/* SPDX-License-Identifier: MIT */
/*
 * The CPUID policy as data (cpuid_table.c), and the builder that reads it (cpuid.c).
 */
#ifndef PLINTH_CPUID_TABLE_H
#define PLINTH_CPUID_TABLE_H

#include "x86.h"

/* Which processors a row is for. On the others the leaf reads zero, as a reserved one does. */
enum cpuid_vendor {
	CPUID_ANY,
	CPUID_INTEL,
	CPUID_AMD,
};

/* What is added when the guest asks. Each knows its leaf's subleaves. */
enum cpuid_dynamic {
	CPUID_STATIC,	     /* nothing; the subleaf does not matter */
	CPUID_DYN_IDENT,     /* 1: APIC id, number of CPUs, OSXSAVE */
	CPUID_DYN_CACHES,    /* 4, 8000001D: who shares a cache */
	CPUID_DYN_FEATURES,  /* 7: OSPKE */
	CPUID_DYN_TOPOLOGY,  /* B, 1F */
	CPUID_DYN_XSAVE,     /* D: sizes by XCR0 */
	CPUID_DYN_EXT_IDENT, /* 80000001: CmpLegacy */
	CPUID_DYN_SIZES,     /* 80000008: number of CPUs */
	CPUID_DYN_NODE,	     /* 8000001E: APIC id */
	CPUID_DYN_BEYOND,    /* above the highest leaf */
};

struct cpuid_row {
	u32 leaf;
	u8 first, last; /* subleaves */
	u8 vendor;
	u8 dynamic;
	struct cpuid_regs keep; /* these bits are the host's */
	struct cpuid_regs set;	/* these are always one */
	const char *reason;
};

/* Sorted by leaf, then subleaf. A leaf without a row is zero. */
extern const struct cpuid_row cpuid_rows[];
extern const unsigned int cpuid_nr_rows;

/* Bits that mean nothing without a component of the XSAVE state. */
struct cpuid_state_row {
	u64 xcr0; /* all of these are needed */
	u32 leaf;
	u32 subleaf;
	struct cpuid_regs bits;
};

extern const struct cpuid_state_row cpuid_state_rows[];
extern const unsigned int cpuid_nr_state_rows;

/* Highest leaves with a row, and how many subleaves beside the first ones there may be in all. */
#define CPUID_BASIC_MAX		   0x1fU
#define CPUID_EXT_MAX		   0x21U
#define CPUID_CACHES_MAX	   8
#define CPUID_FEATURES_MAX_SUBLEAF 2
#define CPUID_XSAVE_COMPONENTS	   10
#define CPUID_SUBLEAVES \
	(2 * (CPUID_CACHES_MAX - 1) + CPUID_FEATURES_MAX_SUBLEAF + CPUID_XSAVE_COMPONENTS)

#endif
