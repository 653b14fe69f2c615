/* SPDX-License-Identifier: MIT */
/*
 * The guest's page walk over any tables in a small RAM, against a second walk written here as the
 * manual's tables go, one level after the other: SDM vol. 3 rev. 083 4.3 to 4.7. Also: a fault
 * changes no memory, and a permitted walk sets the accessed and dirty bits and nothing else.
 */
#include "errors.h"
#include "guest_mem.h"
#include "policy.h"
#include "world.h"

#define TRANSLATIONS 16
#define ENTRIES_MAX  64
#define LEVELS_MAX   5

static unsigned int maxphyaddr;
static bool page1gb;

unsigned int policy_maxphyaddr(void)
{
	return maxphyaddr;
}

bool cpuid_policy_has(u32 leaf, u32 subleaf, char reg, unsigned int bit)
{
	(void)subleaf;
	return leaf == 0x80000001 && reg == 'd' && bit == 26 && page1gb;
}

/* --- the second walk --------------------------------------------------------------------------- */

struct result {
	bool ok;
	gpa_t gpa;
	u8 vector;
	u32 error;
	unsigned int levels;
	gpa_t where[LEVELS_MAX];
	unsigned int entry_size;
};

static u64 phys(gpa_t gpa, unsigned int size)
{
	u64 len, value = 0;
	void *p = gpmap_ptr(&world_vm->gpmap, gpa, GP_READ, &len);

	if (!p)
		return UINT64_MAX >> (64 - 8 * size);
	memcpy(&value, p, size);
	return value;
}

static struct result refuse(unsigned int access, bool present, bool reserved, bool key)
{
	const struct vcpu *v = world_vcpu;
	bool user = (access & ACCESS_USER) && !(access & ACCESS_IMPLICIT);
	u32 error = (present ? 1U : 0) | (access & ACCESS_WRITE ? 2U : 0) | (user ? 4U : 0) |
		    (reserved ? 8U : 0) | (key ? 0x20U : 0);

	if ((access & ACCESS_FETCH) &&
	    (((v->cr4 & CR4_PAE) && (v->efer & EFER_NXE)) || (v->cr4 & CR4_SMEP)))
		error |= 0x10;
	return (struct result){ .vector = VEC_PF, .error = error };
}

/* The rights of 4.6. Key: of the leaf. */
static bool permitted(unsigned int access, bool user_page, bool writable, bool nx, unsigned int key,
		      bool *by_key)
{
	const struct vcpu *v = world_vcpu;
	bool user = (access & ACCESS_USER) && !(access & ACCESS_IMPLICIT);
	bool wp = v->cr0 & CR0_WP;

	*by_key = false;
	if (user && !user_page)
		return false;
	if (!user && user_page) {
		if ((access & ACCESS_FETCH) && (v->cr4 & CR4_SMEP))
			return false;
		if (!(access & ACCESS_FETCH) && (v->cr4 & CR4_SMAP) &&
		    ((access & ACCESS_IMPLICIT) || !(v->rflags & RFLAGS_AC)))
			return false;
	}
	if ((access & ACCESS_WRITE) && !writable && (user || wp))
		return false;
	if (access & ACCESS_FETCH)
		return !nx;
	if ((v->cr4 & CR4_PKE) && (v->efer & EFER_LMA) && user_page) {
		u32 rights = world_pkru >> (2 * key) & 3;

		if ((rights & 1) || ((rights & 2) && (access & ACCESS_WRITE) && (user || wp))) {
			*by_key = true;
			return false;
		}
	}
	return true;
}

static struct result walk(gva_t gva, unsigned int access)
{
	const struct vcpu *v = world_vcpu;
	bool lma = v->efer & EFER_LMA, pae = v->cr4 & CR4_PAE, nxe = v->efer & EFER_NXE;
	bool user_page = true, writable = true, nx = false, by_key;
	struct result r = { .ok = true };
	unsigned int level, bits, shift;
	u64 entry = 0, table, reserved = 0;

	if (!lma)
		gva = (u32)gva;
	r.gpa = gva;
	if (!(v->cr0 & CR0_PG))
		return r;
	if (lma) {
		level = v->cr4 & CR4_LA57 ? 5 : 4;
		shift = 64 - (12 + 9 * level);
		if ((u64)((s64)(gva << shift) >> shift) != gva)
			return (struct result){ .vector = VEC_GP };
		table = v->cr3 & PTE_ADDR;
	} else if (pae) {
		level = 3;
		table = v->cr3 & 0xffffffe0;
	} else {
		level = 2;
		table = v->cr3 & 0xfffff000;
	}
	r.entry_size = lma || pae ? 8 : 4;
	bits = lma || pae ? 9 : 10;
	if (r.entry_size == 8) {
		reserved = BIT64(52) - BIT64(maxphyaddr);
		if (!nxe)
			reserved |= PTE_NX;
		if (!lma)
			reserved |= BIT64(63) - BIT64(52);
	}
	for (;; level--) {
		gpa_t where;
		bool large = false;

		shift = 12 + bits * (level - 1);
		where = table + (gva >> shift & (BIT64(bits) - 1)) * r.entry_size;
		if (!lma && pae && level == 3)
			where = table + (gva >> 30 & 3) * 8;
		entry = phys(where, r.entry_size);
		if (!(entry & PTE_P))
			return refuse(access, false, false, false);
		if (!lma && pae && level == 3) {
			if (entry & (0x1c6 | ~(BIT64(maxphyaddr) - 1)))
				return refuse(access, true, true, false);
			table = entry & PTE_ADDR;
			continue;
		}
		if (entry & reserved)
			return refuse(access, true, true, false);
		r.where[r.levels++] = where;
		user_page &= (entry & PTE_U) != 0;
		writable &= (entry & PTE_W) != 0;
		nx |= r.entry_size == 8 && (entry & PTE_NX);
		if (level > 1 && (entry & PTE_PS)) {
			if (r.entry_size == 4) {
				large = v->cr4 & CR4_PSE;
			} else {
				if (level > 3 || (level == 3 && !page1gb))
					return refuse(access, true, true, false);
				large = true;
			}
		}
		if (large && r.entry_size == 8 && (entry & (BIT64(shift) - BIT64(13))))
			return refuse(access, true, true, false);
		if (large && r.entry_size == 4) {
			unsigned int wide = maxphyaddr < 40 ? maxphyaddr : 40;

			/* 4.3: bits (M-20):13 are address bits M-1 to 32; from there to 21 reserved */
			if (entry & (BIT64(22) - BIT64(wide - 19)))
				return refuse(access, true, true, false);
		}
		if (level == 1 || large)
			break;
		table = r.entry_size == 8 ? entry & PTE_ADDR : entry & 0xfffff000;
	}
	if (!permitted(access, user_page, writable, nx, (unsigned int)(entry >> 59) & 15, &by_key))
		return refuse(access, true, false, by_key);
	r.gpa = (r.entry_size == 8 ? entry & PTE_ADDR : entry & 0xfffff000) & ~(BIT64(shift) - 1);
	if (r.entry_size == 4 && shift == 22)
		r.gpa |= (entry >> 13 & 0xff) << 32;
	r.gpa |= gva & (BIT64(shift) - 1);
	return r;
}

/* --- the input --------------------------------------------------------------------------------- */

static void setup_mode(struct input *in)
{
	struct vcpu *v = world_vcpu;
	u8 mode = take8(in), flags = take8(in);

	maxphyaddr = 36 + mode % 17;
	page1gb = mode & 0x40;
	world_mode(mode & 0x80 ? 4 : 8);
	if (mode & 0x80) {
		v->cr0 |= CR0_PG;
		v->cr4 = (flags & 0x40 ? CR4_PAE : 0) | (flags & 0x80 ? CR4_PSE : 0);
		v->efer = flags & 1 ? EFER_NXE : 0;
	} else {
		v->efer = EFER_LME | EFER_LMA | (flags & 1 ? EFER_NXE : 0);
		v->cr4 = CR4_PAE | (flags & 0x40 ? CR4_LA57 : 0) | (flags & 0x80 ? CR4_PKE : 0);
	}
	v->cr0 = (v->cr0 & ~CR0_WP) | (flags & 2 ? CR0_WP : 0);
	v->cr4 |= (flags & 4 ? CR4_SMEP : 0) | (flags & 8 ? CR4_SMAP : 0);
	v->rflags |= flags & 0x10 ? RFLAGS_AC : 0;
	if (flags & 0x20)
		world_pkru = take32(in);
}

/* Pages of RAM and a few others, each named by a byte. */
static gpa_t choose_page(u8 n)
{
	switch (n >> 5) {
	case 6:
		return WORLD_HIGH + (n & 7U) * PAGE_SIZE;
	case 7:
		return n & 1 ? WORLD_ROM : 0x50000;
	default:
		return (n & 31U) * PAGE_SIZE;
	}
}

static void write_entries(struct input *in)
{
	unsigned int n = take8(in) % ENTRIES_MAX;

	while (n-- && in->left) {
		u8 how = take8(in);
		gpa_t at = choose_page(take8(in));
		u64 len, value = choose_page(take8(in)), index = take16(in), more;
		void *p;

		/* Most entries are good ones; some have any bits. */
		value |= take16(in) & 0xfff;
		value |= how & 3 ? PTE_P : 0;
		value ^= how & 4 ? take64(in) : 0;
		more = how & 8 ? 7 : 511;
		at += how & 0x10 ? (index & 1023) * 4 : (index & more) * 8;
		p = gpmap_ptr(&world_vm->gpmap, at, GP_READ, &len);
		if (p)
			memcpy(p, &value, how & 0x10 ? 4 : 8);
	}
}

static gva_t choose_address(struct input *in)
{
	u8 how = take8(in);
	gva_t gva = take16(in);

	if (how & 1)
		return take64(in);
	/* Low indices at each level, so that entries are found. */
	gva = (gva & 0xfff) | (how >> 1 & 7ULL) << 12 | (how >> 4 & 3ULL) << 21;
	gva |= (u64)(how >> 6 & 1) << 30;
	if (how & 0x80)
		gva |= 0xffffff8000000000ULL;
	return gva;
}

static void check_bits(const u8 *before, const struct result *r, unsigned int access)
{
	for (unsigned int i = 0; i < r->levels; i++) {
		u64 len, old, want = PTE_A, now = phys(r->where[i], r->entry_size);

		if (i == r->levels - 1 && (access & ACCESS_WRITE))
			want |= PTE_D;
		if (gpmap_ptr(&world_vm->gpmap, r->where[i], GP_WRITE, &len))
			CHECK((now & want) == want, "level %u: entry %#llx", i,
			      (unsigned long long)now);
		if (r->where[i] >= WORLD_RAM)
			continue;
		old = 0;
		memcpy(&old, before + r->where[i], r->entry_size);
		CHECK(((old ^ now) & ~(PTE_A | PTE_D)) == 0, "level %u: %#llx from %#llx", i,
		      (unsigned long long)now, (unsigned long long)old);
	}
}

/*
 * PAE tables in which a PDPTE is also an entry of a lower level: its accessed bit, set by this very
 * walk, is reserved in a PDPTE. When that is noticed depends on the processor.
 */
static bool pdpte_is_lower_entry(const struct result *r)
{
	gpa_t pdpt = world_vcpu->cr3 & 0xffffffe0;

	if ((world_vcpu->efer & EFER_LMA) || !(world_vcpu->cr4 & CR4_PAE))
		return false;
	for (unsigned int i = 0; i < r->levels; i++)
		if (r->where[i] >= pdpt && r->where[i] < pdpt + 32)
			return true;
	return false;
}

static void translate(gva_t gva, unsigned int access)
{
	static u8 before[WORLD_RAM];
	struct result want = walk(gva, access);
	struct fault f = { 0 };
	gpa_t gpa = 0;
	int r;

	memcpy(before, world_ram, sizeof(before));
	r = guest_translate(world_vcpu, gva, access, &gpa, &f);
	CHECK(r == 0 || r == -EFAULT, "result %d", r);
	if (!want.ok) {
		CHECK(r != 0, "%#llx is permitted, expected vector %u, error %#x",
		      (unsigned long long)gva, want.vector, want.error);
		CHECK(f.vector == want.vector && f.error == want.error && f.has_error,
		      "vector %u, error %#x; expected %u, %#x", f.vector, f.error, want.vector,
		      want.error);
		CHECK(!memcmp(before, world_ram, sizeof(before)), "a fault changed memory");
		return;
	}
	if (pdpte_is_lower_entry(&want))
		return;
	CHECK(r == 0, "vector %u, error %#x; expected address %#llx", f.vector, f.error,
	      (unsigned long long)want.gpa);
	CHECK(gpa == want.gpa, "address %#llx, expected %#llx", (unsigned long long)gpa,
	      (unsigned long long)want.gpa);
	check_bits(before, &want, access);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 accesses[] = {
		ACCESS_READ,
		ACCESS_WRITE,
		ACCESS_FETCH,
		ACCESS_USER,
		ACCESS_USER | ACCESS_WRITE,
		ACCESS_USER | ACCESS_FETCH,
		ACCESS_IMPLICIT,
		ACCESS_USER | ACCESS_IMPLICIT | ACCESS_WRITE,
	};
	struct input in = { data, size };

	world_start();
	setup_mode(&in);
	world_vcpu->cr3 = choose_page(take8(&in));
	if (world_vcpu->cr3 >> 32)
		world_vcpu->cr3 = 0x1000;
	world_vcpu->cr3 |= take16(&in) & 0xfff;
	write_entries(&in);
	for (unsigned int i = 0; i < TRANSLATIONS && in.left; i++) {
		u8 access = accesses[take8(&in) % ARRAY_SIZE(accesses)];

		translate(choose_address(&in), access);
	}
	return 0;
}
