/* SPDX-License-Identifier: MIT */
/*
 * Page tables, walked by the processor for RAM and by whoever emulates for device memory: both must agree. SDM vol. 3 (rev. 083) ch. 4; APM
 * vol. 2 (rev. 3.42) ch. 5. Each row is tried on both.
 */
#include "guest.h"

#define VA	 0x700000UL
#define RAM	 0x700000UL
#define DEVICE	 IOAPIC_PAGE
#define FRAME(t) ((t) ? DEVICE : RAM)

static const char *const target_name[] = { "RAM", "device" };

static volatile int user_vector;
static volatile u32 user_error;

static void user_read(u64 a)
{
	u32 v = 0;

	user_vector = TRY("movl (%1), %0", "+a"(v) : "r"(a));
	user_error = try_error;
}

static void user_write(u64 a)
{
	u32 v = 0;

	user_vector = TRY("movl %0, (%1)", "+a"(v) : "r"(a));
	user_error = try_error;
}

static void rights(u32 t)
{
	static const struct {
		u64 bits;
		bool user, write;
		int vector;
		u32 error;
		const char *name;
	} rows[] = {
		{ PTE_P | PTE_W | PTE_U, false, false, -1, 0, "supervisor reads a user page" },
		{ PTE_P | PTE_W | PTE_U, false, true, -1, 0, "supervisor writes a user page" },
		{ PTE_P | PTE_U, false, true, VEC_PF, 3, "supervisor writes a read-only page" },
		{ 0, false, false, VEC_PF, 0, "supervisor reads a missing page" },
		{ 0, false, true, VEC_PF, 2, "supervisor writes a missing page" },
		{ PTE_P | PTE_W | PTE_U, true, true, -1, 0, "user writes a user page" },
		{ PTE_P | PTE_U, true, false, -1, 0, "user reads a read-only page" },
		{ PTE_P | PTE_U, true, true, VEC_PF, 7, "user writes a read-only page" },
		{ PTE_P | PTE_W, true, false, VEC_PF, 5, "user reads a supervisor page" },
		{ PTE_P | PTE_W, true, true, VEC_PF, 7, "user writes a supervisor page" },
		{ 0, true, false, VEC_PF, 4, "user reads a missing page" },
		{ PTE_P | PTE_W | PTE_U | PTE_NX, true, true, -1, 0, "user writes an NX page" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		map_page(VA, FRAME(t) | rows[i].bits);
		write_cr2(0);
		if (rows[i].user) {
			call_user(rows[i].write ? user_write : user_read, VA);
		} else if (rows[i].write) {
			user_write(VA);
		} else {
			user_read(VA);
		}
		ok(user_vector == rows[i].vector &&
			   (user_vector == -1 || (user_error == rows[i].error && read_cr2() == VA)),
		   "%s: %s", target_name[t], rows[i].name);
		if (user_vector != rows[i].vector)
			print("# vector %d, error %x, CR2 %lx\n", user_vector, user_error,
			      read_cr2());
	}
}

static void accessed_dirty(u32 t)
{
	u64 *pte = pte_of(VA);
	u64 bits = PTE_P | PTE_W | PTE_U;

	map_page(VA, FRAME(t) | bits);
	user_read(VA);
	is(*pte & (PTE_A | PTE_D), PTE_A, "%s: a read sets A", target_name[t]);
	map_page(VA, FRAME(t) | bits);
	user_write(VA);
	is(*pte & (PTE_A | PTE_D), PTE_A | PTE_D, "%s: a write sets A and D", target_name[t]);
	map_page(VA, FRAME(t) | bits | PTE_A);
	user_write(VA);
	is(*pte & PTE_D, PTE_D, "%s: a write sets D of an accessed page", target_name[t]);
	map_page(VA, FRAME(t) | PTE_P | PTE_U);
	user_write(VA);
	is(*pte & PTE_D, 0, "%s: a refused write sets no D", target_name[t]);
}

static void write_protect(u32 t)
{
	map_page(VA, FRAME(t) | PTE_P | PTE_U);
	write_cr0(read_cr0() & ~CR0_WP);
	user_write(VA);
	write_cr0(read_cr0() | CR0_WP);
	is((u64)user_vector, (u64)-1, "%s: without WP the supervisor writes a read-only page",
	   target_name[t]);
	map_page(VA, FRAME(t) | PTE_P | PTE_U);
	user_write(VA);
	is((u64)user_vector, VEC_PF, "%s: with WP it does not", target_name[t]);
}

static void reserved(u32 t)
{
	map_page(VA, FRAME(t) | PTE_P | PTE_W | PTE_U | BIT64(51));
	user_read(VA);
	/* QEMU leaves P out. */
	ok((cpuid(0x80000008, 0).eax & 0xff) > 51 ||
		   (user_vector == VEC_PF && user_error == (PFERR_P | PFERR_RSVD)),
	   "%s: a reserved bit", target_name[t]);
	ok((cpuid(0x80000008, 0).eax & 0xff) > 51 ||
		   (user_vector == VEC_PF && (user_error & PFERR_RSVD)),
	   "%s: a reserved bit is a page fault", target_name[t]);
}

static void upper_levels(u32 t)
{
	u64 *pde = &page_tables[2 * 512 + (VA >> 21)], old;

	map_page(VA, FRAME(t) | PTE_P | PTE_W | PTE_U);
	old = *pde;
	*pde = old & ~PTE_W;
	write_cr3(read_cr3());
	user_write(VA);
	*pde = old;
	write_cr3(read_cr3());
	ok(user_vector == VEC_PF && user_error == 3, "%s: W of the directory counts",
	   target_name[t]);
	*pde = old & ~PTE_U;
	write_cr3(read_cr3());
	call_user(user_read, VA);
	*pde = old;
	write_cr3(read_cr3());
	ok(user_vector == VEC_PF && user_error == 5, "%s: U of the directory counts",
	   target_name[t]);
	*pde = old & ~PTE_P;
	write_cr3(read_cr3());
	user_read(VA);
	*pde = old;
	write_cr3(read_cr3());
	ok(user_vector == VEC_PF && user_error == 0, "%s: P of the directory counts",
	   target_name[t]);
}

static void sizes(u32 t)
{
	u64 *pdpte = &page_tables[512 + 3], *pde = &page_tables[2 * 512 + (DEVICE >> 21)],
	    old = *pdpte;

	if (!t)
		return;
	is(mmio_read32(DEVICE) & 0xff, mmio_read32(DEVICE) & 0xff, "device: through a 2 MiB page");
	ok(*pde & PTE_A, "device: A of a 2 MiB page");
	*(volatile u32 *)DEVICE = 1;
	ok(*pde & PTE_D, "device: D of a 2 MiB page");
	if (!(cpuid(0x80000001, 0).edx & BIT(26))) {
		skip("device: through a 1 GiB page", "not offered");
		return;
	}
	*pdpte = GIB(3) | PTE_P | PTE_W | PTE_U | PTE_PS;
	write_cr3(read_cr3());
	is(mmio_read32(DEVICE + 0x10) >> 16 & 0xff, 23, "device: through a 1 GiB page");
	*pdpte = old;
	write_cr3(read_cr3());
}

void guest_main(void)
{
	tss_setup();
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	for (u32 t = 0; t < ARRAY_SIZE(target_name); t++) {
		rights(t);
		accessed_dirty(t);
		write_protect(t);
		reserved(t);
		upper_levels(t);
		sizes(t);
	}
	map_page(VA, RAM | PTE_P | PTE_W | PTE_U);
}
