/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory type range registers and the values of its PAT: SDM vol. 3 (rev. 083) 12.11, 12.12. Kept and checked; they change
 * nothing, because the guest's RAM is write-back in the second-level tables and what is emulated is not cached.
 */
#include "msr_state.h"

#include "errors.h"
#include "lib.h"
#include "msr.h"
#include "policy.h"

#define PHYSBASE_RESERVED 0xf00ULL
#define PHYSMASK_RESERVED 0x7ffULL
#define DEF_TYPE_WRITABLE (MTRR_TYPE_MASK | MTRR_DEF_FE | MTRR_DEF_E)

/* Power-up: what PC firmware leaves for a machine with its PCI hole in the last GiB below 4 GiB. */
#define HOLE_BASE GIB(3)
#define HOLE_SIZE GIB(1)

#define BYTES(type) ((type)*0x0101010101010101ULL)

/* The fixed-range MSRs in the order of the addresses they cover. */
enum fixed {
	FIXED_64K,	 /* 00000-7FFFF */
	FIXED_16K_80000, /* 80000-9FFFF */
	FIXED_16K_A0000, /* A0000-BFFFF */
	FIXED_4K,	 /* C0000-FFFFF: eight MSRs */
};

static bool type_valid(u64 type)
{
	switch (type) {
	case MEMTYPE_UC:
	case MEMTYPE_WC:
	case MEMTYPE_WT:
	case MEMTYPE_WP:
	case MEMTYPE_WB:
		return true;
	default:
		return false;
	}
}

static bool bytes_valid(u64 value, bool pat)
{
	for (unsigned int i = 0; i < MTRR_FIXED_RANGES; i++, value >>= 8)
		if (!type_valid(value & 0xff) && !(pat && (value & 0xff) == MEMTYPE_UC_MINUS))
			return false;
	return true;
}

bool pat_valid(u64 value)
{
	return bytes_valid(value, true);
}

static u64 address_mask(void)
{
	return (BIT64(policy_maxphyaddr()) - 1) & ~(PAGE_SIZE - 1);
}

void mtrr_reset(struct mtrr_state *m)
{
	memset(m, 0, sizeof(*m));
	m->fixed[FIXED_64K] = BYTES(MEMTYPE_WB);
	m->fixed[FIXED_16K_80000] = BYTES(MEMTYPE_WB);
	m->fixed[FIXED_16K_A0000] = BYTES(MEMTYPE_UC);
	for (unsigned int i = FIXED_4K; i < MTRR_FIXED; i++)
		m->fixed[i] = BYTES(MEMTYPE_WP);
	m->base[0] = HOLE_BASE | MEMTYPE_UC;
	m->mask[0] = (address_mask() & ~(HOLE_SIZE - 1)) | MTRR_MASK_VALID;
	m->def_type = MTRR_DEF_E | MTRR_DEF_FE | MEMTYPE_WB;
}

u64 mtrr_cap(void)
{
	return MTRR_VARIABLE | MTRR_CAP_FIX | MTRR_CAP_WC;
}

/* The register behind a fixed-range MSR, or -1. */
static int fixed_index(u32 msr)
{
	if (msr == MSR_MTRR_FIX64K_00000)
		return FIXED_64K;
	if (msr == MSR_MTRR_FIX16K_80000)
		return FIXED_16K_80000;
	if (msr == MSR_MTRR_FIX16K_A0000)
		return FIXED_16K_A0000;
	if (msr >= MSR_MTRR_FIX4K_C0000 && msr <= MSR_MTRR_FIX4K_F8000)
		return FIXED_4K + (int)(msr - MSR_MTRR_FIX4K_C0000);
	return -1;
}

static bool is_variable(u32 msr)
{
	return msr >= MSR_MTRR_PHYSBASE0 && msr < MSR_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE;
}

int mtrr_read(const struct mtrr_state *m, u32 msr, u64 *value)
{
	int fixed = fixed_index(msr);

	if (msr == MSR_MTRR_DEF_TYPE) {
		*value = m->def_type;
	} else if (is_variable(msr)) {
		u32 i = msr - MSR_MTRR_PHYSBASE0;

		*value = i & 1 ? m->mask[i / 2] : m->base[i / 2];
	} else if (fixed >= 0) {
		*value = m->fixed[fixed];
	} else {
		return -EINVAL;
	}
	return 0;
}

int mtrr_write(struct mtrr_state *m, u32 msr, u64 value)
{
	u64 beyond = ~(address_mask() | (PAGE_SIZE - 1));
	int fixed = fixed_index(msr);

	if (msr == MSR_MTRR_DEF_TYPE) {
		if ((value & ~DEF_TYPE_WRITABLE) || !type_valid(value & MTRR_TYPE_MASK))
			return -EINVAL;
		m->def_type = value;
	} else if (is_variable(msr)) {
		u32 i = msr - MSR_MTRR_PHYSBASE0;

		if (i & 1) {
			if (value & (beyond | PHYSMASK_RESERVED))
				return -EINVAL;
			m->mask[i / 2] = value;
		} else {
			if ((value & (beyond | PHYSBASE_RESERVED)) ||
			    !type_valid(value & MTRR_TYPE_MASK))
				return -EINVAL;
			m->base[i / 2] = value;
		}
	} else if (fixed >= 0) {
		if (!bytes_valid(value, false))
			return -EINVAL;
		m->fixed[fixed] = value;
	} else {
		return -EINVAL;
	}
	return 0;
}
