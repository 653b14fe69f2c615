/* SPDX-License-Identifier: MIT */
/*
 * Control registers and the modes they make: SDM vol. 2B (rev. 083) MOV to control registers, vol. 3 2.5, 10.8.5; APM vol. 2 (rev. 3.42) 3.1, ch. 14.
 */
#include "guest.h"

#define BLOB	   0x7000UL
#define ENTRIES_32 1024
#define SIZE_4M	   (1UL << 22)
#define SIZE_2M	   (1UL << 21)
#define FREE_RAM   0x700000UL
#define HIGH	   0xc0000000UL /* where the tour looks for the first 4 MiB */
#define MARK	   0x600dcafe

DEFINE_REG_ACCESSORS(cr8)

void modes_tour(u64 cr3_32, u64 cr3_pae);
extern u64 modes_results;
extern u8 modes_blob[], modes_blob_end[];

static u32 directory[ENTRIES_32] __aligned(4096);
static u64 pdpt[4] __aligned(4096);
static u64 directories[4][512] __aligned(4096);

static void refused(void)
{
	static const struct {
		u8 cr;
		u64 clear, set;
		const char *name;
		bool ends_qemu; /* bare: see cpuid.c */
	} rows[] = {
		{ 0, CR0_PE, 0, "#GP: CR0: PG without PE", false },
		{ 0, 0, CR0_NW, "#GP: CR0: NW without CD", false },
		{ 0, 0, 1ULL << 32, "#GP: CR0: bit 32", false },
		{ 0, 0, 1ULL << 63, "#GP: CR0: bit 63", false },
		{ 0, CR0_PG, 0, "#GP: CR0: PG off in 64-bit mode", false },
		{ 3, 0, 1ULL << 63, "#GP: CR3: bit 63 without PCIDs", true },
		{ 3, 0, 1ULL << 52, "#GP: CR3: bit 52", true },
		{ 4, CR4_PAE, 0, "#GP: CR4: PAE off in long mode", false },
		{ 4, 0, 1ULL << 15, "#GP: CR4: bit 15", true },
		{ 4, 0, 1ULL << 31, "#GP: CR4: bit 31", true },
		{ 4, 0, 1ULL << 32, "#GP: CR4: bit 32", true },
		{ 4, 0, 1ULL << 63, "#GP: CR4: bit 63", true },
		{ 4, 0, CR4_LA57, "#GP: CR4: LA57 changed in long mode", true },
		{ 8, 0, 0x10, "#GP: CR8: bit 4", false },
		{ 8, 0, 1ULL << 63, "#GP: CR8: bit 63", false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 old = rows[i].cr == 0   ? read_cr0()
			  : rows[i].cr == 3 ? read_cr3()
			  : rows[i].cr == 4 ? read_cr4()
					    : read_cr8();
		u64 value = (old & ~rows[i].clear) | rows[i].set, now;
		int vector;

		/* Also as the processor below Plinth QEMU takes any CR0; its next VMRUN then fails. */
		if (lax_processor && (rows[i].cr == 0 || rows[i].clear)) {
			skip(rows[i].name, "QEMU's processor takes it, and fails the next entry");
			continue;
		}
		/* Bochs allows what VMRUN may (APM vol. 2 15.25: paged real mode) to the guest's MOV, and then panics. */
		if (on_bochs && processor_is_amd() && rows[i].cr == 0 && rows[i].clear == CR0_PE) {
			skip(rows[i].name, "Bochs' AMD-V takes it of a guest");
			continue;
		}
		if (bare_qemu && (rows[i].ends_qemu || rows[i].clear)) {
			inside_only(false, "%s", rows[i].name);
			continue;
		}
		switch (rows[i].cr) {
		case 0:
			vector = TRY("movq %0, %%cr0", "+r"(value) :);
			break;
		case 3:
			vector = TRY("movq %0, %%cr3", "+r"(value) :);
			break;
		case 4:
			vector = TRY("movq %0, %%cr4", "+r"(value) :);
			break;
		default:
			vector = TRY("movq %0, %%cr8", "+r"(value) :);
			break;
		}
		now = rows[i].cr == 0	? read_cr0()
		      : rows[i].cr == 3 ? read_cr3()
		      : rows[i].cr == 4 ? read_cr4()
					: read_cr8();
		ok(vector == VEC_GP && try_error == 0 && now == old, "%s", rows[i].name);
		if (rows[i].cr == 0)
			write_cr0(old);
		else if (rows[i].cr == 3)
			write_cr3(old);
		else if (rows[i].cr == 8)
			write_cr8(0);
		else
			write_cr4(old);
	}
}

static void toggles(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4(), a = 0;
	static const struct {
		u64 bit;
		const char *name;
	} bits0[] = { { CR0_WP, "WP" }, { CR0_AM, "AM" }, { CR0_TS, "TS" },
		      { CR0_MP, "MP" }, { CR0_NE, "NE" }, { CR0_CD, "CD" } },
	  bits4[] = { { CR4_TSD, "TSD" },
		      { CR4_DE, "DE" },
		      { CR4_PGE, "PGE" },
		      { CR4_MCE, "MCE" },
		      { CR4_PCE, "PCE" } };

	for (u32 i = 0; i < ARRAY_SIZE(bits0); i++) {
		write_cr0(cr0 ^ bits0[i].bit);
		is(read_cr0(), cr0 ^ bits0[i].bit, "CR0.%s toggles", bits0[i].name);
		write_cr0(cr0);
	}
	for (u32 i = 0; i < ARRAY_SIZE(bits4); i++) {
		write_cr4(cr4 ^ bits4[i].bit);
		is(read_cr4(), cr4 ^ bits4[i].bit, "CR4.%s toggles", bits4[i].name);
		write_cr4(cr4);
	}
	is(read_cr0() & CR0_ET, CR0_ET, "CR0.ET is one");
	write_cr0(cr0 & ~CR0_ET);
	is(read_cr0() & CR0_ET, CR0_ET, "CR0.ET stays one");
	write_cr0(cr0 | CR0_TS);
	is((u64)TRY("fninit", "+a"(a) :), VEC_NM, "TS: FPU instruction is #NM");
	__asm__ volatile("clts");
	is((u64)TRY("fninit", "+a"(a) :), (u64)-1, "CLTS: FPU instruction runs");
	write_cr0(cr0 | CR0_EM);
	is((u64)TRY("fninit", "+a"(a) :), VEC_NM, "EM: FPU instruction is #NM");
	write_cr0(cr0);
	a = CR0_TS | CR0_MP | CR0_PE;
	__asm__ volatile("lmsw %w0" : : "r"(a));
	is(read_cr0() & 0xf, CR0_TS | CR0_MP | CR0_PE, "LMSW sets TS");
	a = CR0_MP;
	__asm__ volatile("lmsw %w0" : : "r"(a));
	is(read_cr0() & 0xf, CR0_MP | CR0_PE, "LMSW clears TS, not PE");
	__asm__ volatile("smsw %0" : "=r"(a));
	is(a & 0xffff, read_cr0() & 0xffff, "SMSW reads CR0");
	write_cr0(cr0);
	for (u64 v = 0; v < 16; v += 5) {
		write_cr8(v);
		is(read_cr8(), v, "CR8 reads back %lx", v);
	}
	write_cr8(0);
	write_cr2(0x123456789abcdef0);
	is(read_cr2(), 0x123456789abcdef0, "CR2 takes anything");
	is((u64)TRY(".byte 0x0f, 0x20, 0xc8", "+a"(a) :), VEC_UD, "CR1 is #UD");
	is((u64)TRY(".byte 0x0f, 0x22, 0xe8", "+a"(a) :), VEC_UD, "CR5 is #UD");
}

/* A global page's translation outlives a write of CR3, and ends with a change of CR4.PGE. */
static void global_pages(void)
{
	volatile u32 *p = (volatile u32 *)FREE_RAM;
	u64 *pte = pte_of(FREE_RAM), bits = PTE_P | PTE_W | PTE_U;

	map_page(FREE_RAM + PAGE_SIZE, (FREE_RAM + PAGE_SIZE) | bits);
	*(volatile u32 *)(FREE_RAM + PAGE_SIZE) = 2;
	map_page(FREE_RAM, FREE_RAM | bits);
	*p = 1;
	write_cr4(read_cr4() | CR4_PGE);
	map_page(FREE_RAM, FREE_RAM | bits | PTE_G);
	is(*p, 1, "PGE: the page");
	*pte = (FREE_RAM + PAGE_SIZE) | bits | PTE_G;
	write_cr4(read_cr4() & ~CR4_PGE);
	is(*p, 2, "PGE: a change forgets global translations");
	*pte = FREE_RAM | bits;
	write_cr3(read_cr3());
	is(*p, 1, "CR3: a write forgets the others");
}

/* In the order of modes.asm. */
enum {
	R_COMPAT,
	R_COMPAT_MMIO,
	R_COMPAT_CPUID,
	R_OFF_EFER,
	R_NO_LME,
	R_OFF_MMIO,
	R_32_MMIO,
	R_32_CR0,
	R_32_CPUID,
	R_32_HIGH,
	R_PAE_MMIO,
	R_PAE_EFER,
	R_16,
	R_16_MMIO,
	R_REAL_CR0,
	R_REAL_INT,
	R_REAL_CPUID,
	R_UNREAL_MMIO,
	R_REAL_IPI,
	R_REAL_IN,
	R_REAL_SEG,
	R_REAL_IDT,
	R_HOME_EFER,
	R_HOME_LMA,
};

#define LONG_MODE (u32)(EFER_LMA | EFER_LME)
#define ALL	  ~0U

static void tour(const char *which)
{
	u32 version = lapic_read(LAPIC_VERSION), vendor = cpuid(0, 0).ebx;
	const struct {
		u32 index, mask, value;
		const char *name;
	} rows[] = {
		{ R_COMPAT, ALL, 4, "compatibility mode: 32-bit code" },
		{ R_COMPAT_MMIO, ALL, version, "compatibility mode: device memory" },
		{ R_COMPAT_CPUID, ALL, vendor, "compatibility mode: CPUID" },
		{ R_OFF_EFER, LONG_MODE, EFER_LME, "paging off: LMA falls, LME stays" },
		{ R_NO_LME, LONG_MODE, 0, "paging off: LME can be cleared" },
		{ R_OFF_MMIO, ALL, version, "protected mode without paging: device memory" },
		{ R_32_MMIO, ALL, version, "32-bit paging: device memory" },
		{ R_32_CR0, CR0_PG, CR0_PG, "32-bit paging: PG" },
		{ R_32_CPUID, ALL, vendor, "32-bit paging: CPUID" },
		{ R_32_HIGH, ALL, MARK, "32-bit paging: a page elsewhere" },
		{ R_PAE_MMIO, ALL, version, "PAE paging: device memory" },
		{ R_PAE_EFER, LONG_MODE, 0, "PAE paging: no long mode" },
		{ R_16, ALL, 0x11113333, "16-bit protected mode: operand sizes" },
		{ R_16_MMIO, ALL, version, "16-bit protected mode: device memory" },
		{ R_REAL_CR0, CR0_PE, 0, "real mode: PE" },
		{ R_REAL_INT, ALL, 0x77, "real mode: INT through its vector table" },
		{ R_REAL_CPUID, ALL, vendor, "real mode: CPUID" },
		{ R_UNREAL_MMIO, ALL, version, "unreal mode: device memory" },
		{ R_REAL_IPI, ALL, 1, "real mode: an interrupt of the LAPIC" },
		{ R_REAL_IN, ALL, 0xffffffff, "real mode: IN EAX" },
		{ R_REAL_SEG, ALL, MARK, "real mode: a segment is its selector times 16" },
		{ R_REAL_IDT, ALL, 0x3ff, "real mode: IDTR" },
		{ R_HOME_EFER, LONG_MODE, EFER_LME, "on the way back: LME without LMA" },
		{ R_HOME_LMA, LONG_MODE, LONG_MODE, "on the way back: both" },
	};
	volatile u32 *r;
	u32 n = (u32)(modes_blob_end - modes_blob);

	for (u32 i = 0; i < n; i++)
		((volatile u8 *)BLOB)[i] = modes_blob[i];
	for (u64 i = 0; i < ENTRIES_32; i++)
		directory[i] = (u32)(i * SIZE_4M) | PTE_P | PTE_W | PTE_PS;
	directory[HIGH / SIZE_4M] = PTE_P | PTE_W | PTE_PS;
	for (u64 i = 0; i < 4 * 512; i++)
		directories[i / 512][i % 512] = i * SIZE_2M | PTE_P | PTE_W | PTE_PS;
	for (u32 i = 0; i < 4; i++)
		pdpt[i] = (u64)directories[i] | PTE_P;
	modes_tour((u64)directory, (u64)pdpt);
	/* The IDT register was real mode's. */
	load_idt();
	r = (volatile u32 *)modes_results;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		is(r[rows[i].index] & rows[i].mask, rows[i].value, "%s%s", which, rows[i].name);
}

void guest_main(void)
{
	lapic_enable();
	refused();
	toggles();
	global_pages();
	tour("");
	tour("again: ");
}
