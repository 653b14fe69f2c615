/* SPDX-License-Identifier: MIT */
/*
 * EPT entry format: SDM vol. 3 rev. 083, 29.3.2. Pure.
 */
#include "caps.h"
#include "gpmap.h"
#include "memtype.h"
#include "vmx.h"

#define EPT_READ       BIT64(0)
#define EPT_WRITE      BIT64(1)
#define EPT_EXEC       BIT64(2)
#define EPT_TYPE_SHIFT 3
#define EPT_LARGE      BIT64(7)
#define EPT_ACCESSED   BIT64(8)
#define EPT_DIRTY      BIT64(9)

/*
 * The guest's own PAT decides within the memory type (29.3.7.2: "ignore PAT" is 0), so that RAM is
 * what the guest makes of it and a device stays uncached. Accessed and dirty are set beforehand:
 * nobody asks for them, and the processor need not write them.
 */
static u64 ept_leaf(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type)
{
	u64 e = pa | (u64)type << EPT_TYPE_SHIFT | EPT_ACCESSED | EPT_DIRTY;

	if (prot & GP_READ)
		e |= EPT_READ;
	if (prot & GP_WRITE)
		e |= EPT_WRITE;
	if (prot & GP_EXEC)
		e |= EPT_EXEC;
	if (level > 0)
		e |= EPT_LARGE;
	return e;
}

static struct host_mtrrs mtrrs;

static enum memtype ept_ram_type(hpa_t pa, u64 *len)
{
	return host_memtype(&mtrrs, pa, len);
}

static u64 ept_table(hpa_t table)
{
	return table | EPT_READ | EPT_WRITE | EPT_EXEC | EPT_ACCESSED;
}

struct gpmap_format ept_format = {
	.name = "EPT",
	.leaf = ept_leaf,
	.table = ept_table,
	.levels = 4,
	.hardware_bits = EPT_ACCESSED | EPT_DIRTY,
};

void ept_set_memtypes(const struct host_mtrrs *host)
{
	mtrrs = *host;
	ept_format.ram_type = ept_ram_type;
}

void ept_configure(const struct vmx_controls *c)
{
	ept_format.max_level = c->one_gb ? 2 : c->two_mb ? 1 : 0;
}

u64 ept_pointer(hpa_t root, const struct vmx_controls *c)
{
	return root | EPTP_WB | EPTP_WALK_4 | (c->ad ? EPTP_AD : 0U);
}
