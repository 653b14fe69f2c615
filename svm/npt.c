/* SPDX-License-Identifier: MIT */
/*
 * Nested paging entry format: ordinary long-mode page-table entries that are always user accessible. APM vol. 2
 * rev. 3.42, 15.25.5.
 */
#include "svm.h"

/*
 * PAT indices of PTE.PAT, PCD and PWT against the host's PAT, which Plinth leaves as the reset value: 0 = WB, 1 = WT,
 * 3 = UC. Guest RAM is WB and lets the guest's own PAT decide (15.25.8).
 */
static u64 npt_leaf(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type)
{
	u64 e = pa | PTE_P | PTE_U | PTE_A | PTE_D;

	if (prot & GP_WRITE)
		e |= PTE_W;
	if (!(prot & GP_EXEC))
		e |= PTE_NX;
	if (level > 0)
		e |= PTE_PS;
	if (type == MEMTYPE_UC)
		e |= PTE_PCD | PTE_PWT;
	else if (type == MEMTYPE_WT)
		e |= PTE_PWT;
	return e;
}

static u64 npt_table(hpa_t table)
{
	return table | PTE_P | PTE_W | PTE_U | PTE_A;
}

/* 1 GiB pages only where the processor has them for its own tables (15.25.5): svm_probe() lowers max_level. */
struct gpmap_format npt_format = {
	.name = "NPT",
	.leaf = npt_leaf,
	.table = npt_table,
	.levels = 4,
	.max_level = 2,
	.hardware_bits = PTE_A | PTE_D,
};
