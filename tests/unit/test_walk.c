/* SPDX-License-Identifier: MIT */
/*
 * The guest page walker against SDM vol. 3 ch. 4: every paging mode, each permission, the error
 * codes, accessed and dirty bits; and copies by linear address.
 */
#include "vcpu_fixture.h"
#include "guest_mem.h"
#include "insn.h"

#define ROOT		 0x1000
#define L3		 0x2000
#define L2		 0x3000
#define L1		 0x4000
#define TOP		 0x5000 /* 5-level root */
#define PAGE		 0x10000
#define PAGE2		 0x20000
#define VA		 0x0000123456789000ULL
#define ENTRY(va, level) ((((va) >> (12 + 9 * ((level)-1))) & 511) * 8)
#define ALLOW		 (PTE_P | PTE_W | PTE_U)

static struct fault fault;

static void map_long(gva_t va, u64 page, u64 flags)
{
	set64(TOP + ENTRY(va, 5), ROOT | ALLOW);
	set64(ROOT + ENTRY(va, 4), L3 | ALLOW);
	set64(L3 + ENTRY(va, 3), L2 | ALLOW);
	set64(L2 + ENTRY(va, 2), L1 | ALLOW);
	set64(L1 + ENTRY(va, 1), page | flags);
}

static void long_mode(void)
{
	fixture_mode(8);
	v->cr3 = ROOT;
	map_long(VA, PAGE, ALLOW);
}

static void expect_fault(gva_t va, unsigned int access, u32 error)
{
	gpa_t gpa;

	memset(&fault, 0, sizeof(fault));
	if (guest_translate(v, va, access, &gpa, &fault) != -EFAULT)
		fail_msg("%#lx access %#x: no fault", (unsigned long)va, access);
	assert_int_equal(fault.vector, VEC_PF);
	assert_true(fault.has_error);
	assert_int_equal(fault.error, error);
	assert_int_equal(fault.address, va);
}

static void expect_gpa(gva_t va, unsigned int access, gpa_t want)
{
	gpa_t gpa = ~0ULL;

	if (guest_translate(v, va, access, &gpa, &fault))
		fail_msg("%#lx access %#x: fault, error %#x", (unsigned long)va, access,
			 fault.error);
	assert_int_equal(gpa, want);
}

static void test_no_paging(void **state)
{
	(void)state;
	expect_gpa(0x12345, ACCESS_WRITE, 0x12345);
	expect_gpa(0x1000000123ULL, ACCESS_READ, 0x123);
}

static void test_four_levels(void **state)
{
	(void)state;
	long_mode();
	expect_gpa(VA + 0x123, ACCESS_READ, PAGE + 0x123);
	/* Accessed in all, dirty in none. */
	assert_int_equal(ram64(ROOT + ENTRY(VA, 4)), L3 | ALLOW | PTE_A);
	assert_int_equal(ram64(L3 + ENTRY(VA, 3)), L2 | ALLOW | PTE_A);
	assert_int_equal(ram64(L2 + ENTRY(VA, 2)), L1 | ALLOW | PTE_A);
	assert_int_equal(ram64(L1 + ENTRY(VA, 1)), PAGE | ALLOW | PTE_A);
	expect_gpa(VA, ACCESS_WRITE, PAGE);
	assert_int_equal(ram64(L1 + ENTRY(VA, 1)), PAGE | ALLOW | PTE_A | PTE_D);
	assert_int_equal(ram64(L2 + ENTRY(VA, 2)), L1 | ALLOW | PTE_A);
	/* Not present at each level; nothing is set by a walk that fails. */
	for (unsigned int level = 1; level <= 4; level++) {
		static const gpa_t tables[] = { 0, L1, L2, L3, ROOT };

		map_long(VA, PAGE, ALLOW);
		set64(tables[level] + ENTRY(VA, level), 0xfffffffffffffffeULL);
		expect_fault(VA, ACCESS_READ, 0);
		expect_fault(VA, ACCESS_WRITE | ACCESS_USER, PFERR_W | PFERR_U);
		expect_fault(VA, ACCESS_FETCH, PFERR_I);
		if (level < 4)
			assert_int_equal(ram64(ROOT + ENTRY(VA, 4)), L3 | ALLOW);
	}
}

static void test_large_pages(void **state)
{
	(void)state;
	long_mode();
	set64(L2 + ENTRY(VA, 2), 0x200000 | ALLOW | PTE_PS | BIT64(12));
	expect_gpa(VA + 0x45, ACCESS_WRITE, 0x200000 | ((VA + 0x45) & 0x1fffff));
	assert_int_equal(ram64(L2 + ENTRY(VA, 2)),
			 0x200000 | ALLOW | PTE_PS | BIT64(12) | PTE_A | PTE_D);
	set64(L2 + ENTRY(VA, 2), 0x200000 | ALLOW | PTE_PS | BIT64(13));
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(L2 + ENTRY(VA, 2), 0x200000 | ALLOW | PTE_PS | BIT64(20));
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(L3 + ENTRY(VA, 3), 0x40000000 | ALLOW | PTE_PS);
	expect_gpa(VA, ACCESS_READ, 0x40000000 | (VA & 0x3fffffff));
	fixture_page1gb = false;
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	fixture_page1gb = true;
	set64(L3 + ENTRY(VA, 3), 0x40000000 | ALLOW | PTE_PS | BIT64(29));
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(ROOT + ENTRY(VA, 4), L3 | ALLOW | PTE_PS);
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
}

static void test_reserved(void **state)
{
	(void)state;
	long_mode();
	for (unsigned int bit = 36; bit < 52; bit++) {
		map_long(VA, PAGE, ALLOW | BIT64(bit));
		fixture_maxphyaddr = bit;
		expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
		fixture_maxphyaddr = bit + 1;
		expect_gpa(VA, ACCESS_READ, PAGE | BIT64(bit));
	}
	/* Bits 52-62 are free in long mode. */
	map_long(VA, PAGE, ALLOW | (BIT64(63) - BIT64(52)));
	expect_gpa(VA, ACCESS_READ, PAGE);
	/* NX without EFER.NXE, and the I bit of the error code likewise. */
	map_long(VA, PAGE, ALLOW | PTE_NX);
	expect_fault(VA, ACCESS_FETCH, PFERR_P | PFERR_I);
	v->efer &= ~EFER_NXE;
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	expect_fault(VA, ACCESS_FETCH, PFERR_P | PFERR_RSVD);
	v->cr4 |= CR4_SMEP;
	expect_fault(VA, ACCESS_FETCH, PFERR_P | PFERR_RSVD | PFERR_I);
}

/* Every combination of entry bits and controls against the sentences of 4.6.1. */
static void permissions(u64 accessed)
{
	static const unsigned int accesses[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };
	unsigned int denied = 0, allowed = 0;

	long_mode();
	for (unsigned int i = 0; i < 4 * 4 * 4 * 32 * 3 * 3; i++) {
		unsigned int upper = i & 3, lower = i >> 2 & 3, nxs = i >> 4 & 3;
		unsigned int controls = i >> 6 & 31, rest = i >> 11;
		unsigned int access = accesses[rest % 3], who = rest / 3 % 3;
		bool u = (upper & lower & 1) != 0, w = (upper & lower & 2) != 0, nx = nxs != 0;
		bool wp = controls & 1, smep = controls & 2, smap = controls & 4;
		bool ac = controls & 8, user = who == 1, deny = false;
		u32 error = PFERR_P;
		gpa_t gpa;

		map_long(VA, PAGE,
			 accessed | PTE_P | (lower & 1 ? PTE_U : 0) | (lower & 2 ? PTE_W : 0) |
				 (nxs & 1 ? PTE_NX : 0));
		set64(L3 + ENTRY(VA, 3), L2 | accessed | PTE_P | (upper & 1 ? PTE_U : 0) |
						 (upper & 2 ? PTE_W : 0) | (nxs & 2 ? PTE_NX : 0));
		set64(ROOT + ENTRY(VA, 4), L3 | ALLOW | accessed);
		set64(L2 + ENTRY(VA, 2), L1 | ALLOW | accessed);
		v->cr0 = CR0_PE | CR0_PG | (wp ? CR0_WP : 0);
		v->cr4 = CR4_PAE | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0);
		v->rflags = RFLAGS_ONE | (ac ? RFLAGS_AC : 0);
		if (user && !u)
			deny = true;
		if (access == ACCESS_FETCH && nx)
			deny = true;
		if (access == ACCESS_FETCH && !user && u && smep)
			deny = true;
		if (access == ACCESS_WRITE && !w && (user || wp))
			deny = true;
		if (access != ACCESS_FETCH && !user && u && smap && (!ac || who == 2))
			deny = true;
		if (access == ACCESS_WRITE)
			error |= PFERR_W;
		if (access == ACCESS_FETCH)
			error |= PFERR_I;
		if (user)
			error |= PFERR_U;
		/* who 2: an implicit access at CPL 3 is a supervisor's */
		access |= who == 1 ? ACCESS_USER : who == 2 ? ACCESS_USER | ACCESS_IMPLICIT : 0;
		if (deny) {
			expect_fault(VA, access, error);
			denied++;
		} else {
			if (guest_translate(v, VA, access, &gpa, &fault))
				fail_msg("case %#x: fault %#x", i, fault.error);
			allowed++;
		}
	}
	assert_true(denied > 1000 && allowed > 1000);
}

static void test_permissions(void **state)
{
	(void)state;
	permissions(0);
}

/* The same where nothing is left to set: a shorter way through the walker. */
static void test_permissions_accessed(void **state)
{
	(void)state;
	permissions(PTE_A | PTE_D);
}

static void test_protection_keys(void **state)
{
	(void)state;
	long_mode();
	map_long(VA, PAGE, ALLOW | 5ULL << 59);
	fixture_pkru = 1U << 10; /* AD of key 5 */
	expect_gpa(VA, ACCESS_READ | ACCESS_USER, PAGE);
	v->cr4 |= CR4_PKE;
	expect_fault(VA, ACCESS_READ | ACCESS_USER, PFERR_P | PFERR_PK | PFERR_U);
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_PK);
	expect_gpa(VA, ACCESS_FETCH | ACCESS_USER, PAGE);
	fixture_pkru = 2U << 10; /* WD */
	expect_gpa(VA, ACCESS_READ | ACCESS_USER, PAGE);
	expect_fault(VA, ACCESS_WRITE | ACCESS_USER, PFERR_P | PFERR_PK | PFERR_U | PFERR_W);
	expect_fault(VA, ACCESS_WRITE, PFERR_P | PFERR_PK | PFERR_W);
	v->cr0 &= ~CR0_WP;
	expect_gpa(VA, ACCESS_WRITE, PAGE);
	expect_fault(VA, ACCESS_WRITE | ACCESS_USER, PFERR_P | PFERR_PK | PFERR_U | PFERR_W);
	/* Another key; and a supervisor page has none. */
	map_long(VA, PAGE, ALLOW | 4ULL << 59);
	expect_gpa(VA, ACCESS_WRITE | ACCESS_USER, PAGE);
	fixture_pkru = UINT32_MAX;
	map_long(VA, PAGE, PTE_P | PTE_W | 5ULL << 59);
	expect_gpa(VA, ACCESS_WRITE, PAGE);
}

static void test_canonical_and_la57(void **state)
{
	gpa_t gpa;

	(void)state;
	long_mode();
	assert_int_equal(guest_translate(v, 0x0000800000000000ULL, 0, &gpa, &fault), -EFAULT);
	assert_int_equal(fault.vector, VEC_GP);
	assert_int_equal(guest_translate(v, 0xffff7fffffffffffULL, 0, &gpa, &fault), -EFAULT);
	assert_int_equal(fault.vector, VEC_GP);
	map_long(0xffff800000000000ULL, PAGE, ALLOW);
	expect_gpa(0xffff800000000000ULL, ACCESS_READ, PAGE);
	v->cr4 |= CR4_LA57;
	v->cr3 = TOP;
	map_long(0x0081234567890000ULL, PAGE2, ALLOW);
	expect_gpa(0x0081234567890abcULL, ACCESS_READ, PAGE2 + 0xabc);
	assert_int_equal(guest_translate(v, 0x0100000000000000ULL, 0, &gpa, &fault), -EFAULT);
	assert_int_equal(fault.vector, VEC_GP);
	expect_fault(0xff00000000000000ULL, ACCESS_READ, 0);
}

/* Tables outside RAM read as all ones: reserved bits are set in them. */
static void test_tables_outside_ram(void **state)
{
	(void)state;
	long_mode();
	v->cr3 = RAM_SIZE;
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	v->cr3 = ROOT;
	set64(L2 + ENTRY(VA, 2), 0xfee00000 | ALLOW);
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
	v->cr3 = 0x000ffffffffff000ULL;
	expect_fault(VA, ACCESS_READ, PFERR_P | PFERR_RSVD);
}

static void test_pae(void **state)
{
	gva_t va = 0xc0203456;

	(void)state;
	v->cr0 = CR0_PE | CR0_PG | CR0_WP;
	v->cr4 = CR4_PAE;
	v->efer = EFER_NXE;
	v->cr3 = 0x1020 | 0x18; /* a table of 32 bytes; PWT and PCD are ignored */
	set64(0x1020 + 3 * 8, L2 | PTE_P);
	set64(L2 + 1 * 8, L1 | ALLOW);
	set64(L1 + 3 * 8, PAGE | ALLOW | PTE_NX | BIT64(35));
	expect_gpa(va, ACCESS_WRITE | ACCESS_USER, (PAGE + 0x456) | BIT64(35));
	assert_int_equal(ram64(0x1020 + 3 * 8), L2 | PTE_P);
	assert_int_equal(ram64(L2 + 8), L1 | ALLOW | PTE_A);
	expect_gpa(va | BIT64(40), ACCESS_READ, (PAGE + 0x456) | BIT64(35));
	expect_fault(va, ACCESS_FETCH, PFERR_P | PFERR_I);
	set64(L1 + 3 * 8, PAGE | ALLOW | BIT64(52)); /* reserved here, unlike in long mode */
	expect_fault(va, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(L2 + 1 * 8, 0x400000 | ALLOW | PTE_PS);
	expect_gpa(va, ACCESS_READ, 0x400000 + 0x3456);
	/* Reserved, but an accessed bit that QEMU sets is let through. */
	set64(0x1020 + 3 * 8, L2 | PTE_P | PTE_A);
	expect_gpa(va, ACCESS_READ, 0x400000 + 0x3456);
	set64(0x1020 + 3 * 8, L2 | PTE_P | PTE_W);
	expect_fault(va, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(0x1020 + 3 * 8, L2 | PTE_P | BIT64(41));
	expect_fault(va, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set64(0x1020 + 3 * 8, L2);
	expect_fault(va, ACCESS_READ, 0);
}

static void test_32bit(void **state)
{
	gva_t va = 0xc0803456;

	(void)state;
	v->cr0 = CR0_PE | CR0_PG;
	v->cr3 = 0x1018;
	set32(0x1000 + (0xc0803456 >> 22) * 4, L1 | ALLOW);
	set32(L1 + 3 * 4, PAGE | ALLOW);
	set32(L1 + 4 * 4, 0xffffffff);
	expect_gpa(va, ACCESS_WRITE | ACCESS_USER, PAGE + 0x456);
	assert_int_equal(ram64(L1 + 12) & 0xffffffff, PAGE | ALLOW | PTE_A | PTE_D);
	assert_int_equal(ram64(L1 + 12) >> 32, 0xffffffff); /* the neighbour */
	/* No NX, so no I in the error code. */
	set32(L1 + 3 * 4, PAGE | PTE_P);
	expect_fault(va, ACCESS_FETCH | ACCESS_USER, PFERR_P | PFERR_U);
	expect_gpa(va, ACCESS_WRITE, PAGE + 0x456); /* WP = 0 */
	v->cr4 = CR4_SMEP;
	set32(L1 + 3 * 4, PAGE | ALLOW);
	expect_fault(va, ACCESS_FETCH, PFERR_P | PFERR_I);
	v->cr4 = 0;
	/* PS is ignored without CR4.PSE. */
	set32(0x1000 + (0xc0803456 >> 22) * 4, L1 | ALLOW | (u32)PTE_PS);
	expect_gpa(va, ACCESS_READ, PAGE + 0x456);
	v->cr4 = CR4_PSE;
	set32(0x1000 + (0xc0803456 >> 22) * 4, 0x00c00000 | ALLOW | (u32)PTE_PS | 0x5 << 13);
	expect_gpa(va, ACCESS_WRITE, 0x500c03456ULL);
	assert_true(ram64(0x1000 + (0xc0803456 >> 22) * 4) & PTE_D);
	/* PSE-36: bit 21 is reserved, and what the address width does not reach. */
	set32(0x1000 + (0xc0803456 >> 22) * 4, 0x00c00000 | ALLOW | (u32)PTE_PS | BIT(21));
	expect_fault(va, ACCESS_READ, PFERR_P | PFERR_RSVD);
	set32(0x1000 + (0xc0803456 >> 22) * 4, 0x00c00000 | ALLOW | (u32)PTE_PS | BIT(17));
	expect_gpa(va, ACCESS_READ, 0x1000c03456ULL);
	fixture_maxphyaddr = 36;
	expect_fault(va, ACCESS_READ, PFERR_P | PFERR_RSVD);
}

static void test_linear_copies(void **state)
{
	u8 buf[64], zero[64] = { 0 };

	(void)state;
	long_mode();
	map_long(VA + 0x1000, PAGE2, ALLOW);
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(guest_write_linear(v, VA + 0xff0, buf, 32, 0, &fault), 0);
	assert_memory_equal(ram + PAGE + 0xff0, buf, 16);
	assert_memory_equal(ram + PAGE2, buf, 16);
	assert_int_equal(ram[PAGE2 + 16], 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(guest_read_linear(v, VA + 0xff0, buf, 32, 0, &fault), 0);
	assert_int_equal(buf[31], 0x5a);
	/* The second page faults: nothing is written, CR2 is its first byte. */
	set64(L1 + ENTRY(VA + 0x1000, 1), PAGE2 | PTE_P);
	memset(ram + PAGE, 0, 0x1000);
	assert_int_equal(guest_write_linear(v, VA + 0xff0, buf, 32, 0, &fault), -EFAULT);
	assert_int_equal(fault.address, VA + 0x1000);
	assert_int_equal(fault.error, PFERR_P | PFERR_W);
	assert_memory_equal(ram + PAGE + 0xff0, zero, 16);
}

static void test_fetch(void **state)
{
	u8 bytes[INSN_MAX];

	(void)state;
	long_mode();
	for (unsigned int i = 0; i < 0x1000; i++)
		ram[PAGE + i] = (u8)i;
	v->rip = VA + 0x123;
	assert_int_equal(guest_fetch(v, bytes, &fault), 15);
	assert_memory_equal(bytes, ram + PAGE + 0x123, 15);
	v->rip = VA + 0xffa;
	assert_int_equal(guest_fetch(v, bytes, &fault), 6);
	map_long(VA + 0x1000, PAGE2, ALLOW);
	ram[PAGE2 + 8] = 0x77;
	assert_int_equal(guest_fetch(v, bytes, &fault), 15);
	assert_int_equal(bytes[14], 0x77);
	/* CPL 3 on a supervisor page */
	map_long(VA, PAGE, PTE_P);
	v->seg[SEG_SS].attr |= 3 << SEG_DPL_SHIFT;
	assert_int_equal(guest_fetch(v, bytes, &fault), -EFAULT);
	assert_int_equal(fault.error, PFERR_P | PFERR_U | PFERR_I);
	/* The limit of CS cuts. */
	fixture_mode(2);
	v->seg[SEG_CS].base = PAGE;
	v->seg[SEG_CS].limit = 0x10;
	v->rip = 0xd;
	assert_int_equal(guest_fetch(v, bytes, &fault), 4);
	assert_int_equal(bytes[3], 0x10);
	v->rip = 0x11;
	assert_int_equal(guest_fetch(v, bytes, &fault), -EFAULT);
	assert_int_equal(fault.vector, VEC_GP);
	/* From a device: open bus. */
	v->seg[SEG_CS].base = RAM_SIZE;
	v->rip = 0;
	assert_int_equal(guest_fetch(v, bytes, &fault), 15);
	assert_int_equal(bytes[0], 0xff);
}

static struct {
	u64 offset, value;
	unsigned int size;
} mmio_log[32];
static unsigned int mmio_logged;

static u64 log_read(void *dev, u64 offset, unsigned int size)
{
	(void)dev;
	mmio_log[mmio_logged].offset = offset;
	mmio_log[mmio_logged++].size = size;
	return 0x1111111111111111ULL * (offset + 1);
}

static void log_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	mmio_log[mmio_logged].offset = offset;
	mmio_log[mmio_logged].value = value;
	mmio_log[mmio_logged++].size = size;
}

static const struct mmio_ops log_ops = { log_read, log_write, "log" };

static void test_physical(void **state)
{
	(void)state;
	mmio_logged = 0;
	assert_int_equal(bus_add_mmio(&vm->board.bus, 0xd0000000, 0x1000, &log_ops, NULL), 0);
	set64(0x100, 0x1122334455667788ULL);
	assert_true(guest_phys_read(v, 0x101, 4) == 0x44556677);
	guest_phys_write(v, 0x101, 2, 0xabcd);
	assert_true(ram64(0x100) == 0x1122334455abcd88ULL);
	/* An aligned access is one access. */
	assert_true(guest_phys_read(v, 0xd0000000, 8) == 0x1111111111111111ULL);
	assert_int_equal(mmio_logged, 1);
	/* An unaligned one: 1, 2, 1 bytes. */
	guest_phys_write(v, 0xd0000005, 4, 0x44332211);
	assert_int_equal(mmio_logged, 4);
	assert_true(mmio_log[1].offset == 5 && mmio_log[1].size == 1 && mmio_log[1].value == 0x11);
	assert_true(mmio_log[2].offset == 6 && mmio_log[2].size == 2 &&
		    mmio_log[2].value == 0x3322);
	assert_true(mmio_log[3].offset == 8 && mmio_log[3].size == 1 && mmio_log[3].value == 0x44);
	/* From the last bytes of RAM into open bus. */
	memset(ram + RAM_SIZE - 4, 0x66, 4);
	assert_true(guest_phys_read(v, RAM_SIZE - 4, 8) == 0xffffffff66666666ULL);
	guest_phys_write(v, RAM_SIZE - 2, 4, 0x01020304);
	assert_int_equal(ram[RAM_SIZE - 1], 3);
	/* The LAPIC takes 4 bytes at a time and lies before RAM. */
	guest_phys_write(v, LAPIC_GPA + 0xb0, 4, 0);
	assert_int_equal(lapic_logged, 1);
	assert_true(lapic_log[0].write && lapic_log[0].offset == 0xb0 && lapic_log[0].size == 4);
	assert_true(guest_phys_read(v, LAPIC_GPA + 0x20, 8) == 0xa5a50024a5a50020ULL);
	assert_int_equal(lapic_logged, 3);
	v->lapic.base_msr = 0x3000 | 0x800;
	assert_true(guest_phys_read(v, 0x3080, 4) == 0xa5a50080);
	v->lapic.base_msr = 0x3000; /* disabled */
	assert_true(guest_phys_read(v, 0x3080, 4) == 0);
	/* ROM: read, not written. */
	vm->gpmap.extent[0].prot = GP_READ;
	guest_phys_write(v, 0x100, 8, 0);
	assert_true(guest_phys_read(v, 0x100, 8) == 0x1122334455abcd88ULL);
	/* Accessed bits of tables in ROM stay as they are; the walk works. */
	long_mode();
	expect_gpa(VA, ACCESS_WRITE, PAGE);
	assert_int_equal(ram64(ROOT + ENTRY(VA, 4)), L3 | ALLOW);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_paging),
		TEST(test_four_levels),
		TEST(test_large_pages),
		TEST(test_reserved),
		TEST(test_permissions),
		TEST(test_permissions_accessed),
		TEST(test_protection_keys),
		TEST(test_canonical_and_la57),
		TEST(test_tables_outside_ram),
		TEST(test_pae),
		TEST(test_32bit),
		TEST(test_linear_copies),
		TEST(test_fetch),
		TEST(test_physical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
