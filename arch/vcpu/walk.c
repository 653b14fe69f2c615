/* SPDX-License-Identifier: MIT */
/*
 * The guest's own page walk, for all paging modes: SDM vol. 3 rev. 083 ch. 4, APM vol. 2 rev.
 * 3.42 ch. 5. The tables are read from guest RAM as the processor reads them; accessed and dirty
 * bits are set by compare-and-swap, and only when the whole walk is permitted. A walk that
 * another processor's change overtakes starts again.
 */
#include "cpuid.h"
#include "errors.h"
#include "guest_mem.h"
#include "guest_mem_priv.h"
#include "policy.h"
#include "vm.h"

#define WALK_LEVELS   5
#define WALK_RETRIES  8
#define INDEX_BITS    9
#define INDEX_MASK    511U
#define OPEN_BUS      (~UINT64_C(0))
#define CR3_PAE_TABLE 0xffffffe0U /* SDM vol. 3 table 4-7 */
#define CANONICAL_48  47
#define CANONICAL_57  56

#define PTE_ADDR_HIGH 52 /* bits from here on are not part of an address */
#define PTE_KEY_SHIFT 59
#define PTE_KEY_MASK  15U
#define PKRU_AD	      BIT(0)
#define PKRU_WD	      BIT(1)

/*
 * PDPTEs of PAE paging: table 4-8. Bit 5 is reserved too, but QEMU's software emulation sets it as an accessed bit; the processor has
 * made this walk before us and did not mind.
 */
#define PDPTE_RESERVED	  (BIT64(1) | BIT64(2) | (BIT64(9) - BIT64(6)))
#define PDPTE_SHIFT	  30
#define PDPTE_MASK	  3U
/* PAE entries have no ignored bits above the address but NX: tables 4-9 to 4-11 */
#define PAE_RESERVED_HIGH (BIT64(63) - BIT64(PTE_ADDR_HIGH))

/* 32-bit paging: tables 4-4 and 4-5 */
#define PDE32_SHIFT	22
#define PDE32_ADDR	0xfffff000U
#define PDE32_PAGE	0xffc00000U
#define PDE32_PAGE_SIZE MIB(4)
#define PSE36_SHIFT	13 /* entry bits 13 and up are address bits 32 and up */
#define PSE36_BITS	8
#define PSE36_TOP	21 /* reserved from the last one in use to this one */
#define INDEX32_MASK	1023U

struct walk {
	struct vcpu *v;
	struct fault *fault;
	gva_t gva;
	unsigned int access;
	u64 cr0, cr4, efer;
	u64 reserved;
	unsigned int n; /* levels read */
	gpa_t where[WALK_LEVELS];
	u64 entry[WALK_LEVELS];
};

#if __STDC_HOSTED__
/* A host program has no guest in its registers; tests bring their own. */
u32 guest_pkru(void);

__attribute__((weak)) u32 guest_pkru(void)
{
	return 0;
}
#else
/*
 * The guest's PKRU is live in the register. RDPKRU needs CR4.PKE, which is the guest's and not
 * necessarily ours.
 */
static u32 guest_pkru(void)
{
	u64 cr4 = read_cr4();
	u32 pkru, edx;

	if (!(cr4 & CR4_PKE))
		write_cr4(cr4 | CR4_PKE);
	__asm__ volatile("rdpkru" : "=a"(pkru), "=d"(edx) : "c"(0));
	if (!(cr4 & CR4_PKE))
		write_cr4(cr4);
	return pkru;
}
#endif

/* 4.7: error code of a page fault; P, RSVD and PK come from the caller. */
static int page_fault(const struct walk *w, u32 error)
{
	bool nx = (w->efer & EFER_NXE) && (w->cr4 & CR4_PAE);

	if (w->access & ACCESS_WRITE)
		error |= PFERR_W;
	if ((w->access & (ACCESS_USER | ACCESS_IMPLICIT)) == ACCESS_USER)
		error |= PFERR_U;
	if ((w->access & ACCESS_FETCH) && (nx || (w->cr4 & CR4_SMEP)))
		error |= PFERR_I;
	*w->fault = (struct fault){
		.vector = VEC_PF,
		.has_error = true,
		.error = error,
		.address = w->gva,
	};
	return -EFAULT;
}

/* 4.6.2: protection keys apply to data on user pages, whoever accesses them. */
static bool key_denies(const struct walk *w, u64 leaf)
{
	unsigned int key = (unsigned int)(leaf >> PTE_KEY_SHIFT) & PTE_KEY_MASK;
	u32 rights = guest_pkru() >> (2 * key);
	bool user = (w->access & (ACCESS_USER | ACCESS_IMPLICIT)) == ACCESS_USER;

	if (rights & PKRU_AD)
		return true;
	return (rights & PKRU_WD) && (w->access & ACCESS_WRITE) && (user || (w->cr0 & CR0_WP));
}

/* 4.6.1. all: entries and-ed (U, W); nx: of any level. 0 or -EFAULT. */
static inline int check_access(const struct walk *w, u64 all, bool nx, u64 leaf)
{
	bool user = (w->access & (ACCESS_USER | ACCESS_IMPLICIT)) == ACCESS_USER;

	if (user) {
		if (!(all & PTE_U))
			return page_fault(w, PFERR_P);
		if ((w->access & ACCESS_WRITE) && !(all & PTE_W))
			return page_fault(w, PFERR_P);
	} else {
		if ((w->access & ACCESS_WRITE) && !(all & PTE_W) && (w->cr0 & CR0_WP))
			return page_fault(w, PFERR_P);
		if (all & PTE_U) {
			if (w->access & ACCESS_FETCH) {
				if (w->cr4 & CR4_SMEP)
					return page_fault(w, PFERR_P);
			} else if ((w->cr4 & CR4_SMAP) && ((w->access & ACCESS_IMPLICIT) ||
							   !(vcpu_rflags(w->v) & RFLAGS_AC))) {
				return page_fault(w, PFERR_P);
			}
		}
	}
	if (w->access & ACCESS_FETCH)
		return nx ? page_fault(w, PFERR_P) : 0;
	if (unlikely((w->cr4 & CR4_PKE) && (w->efer & EFER_LMA) && (all & PTE_U)) &&
	    key_denies(w, leaf))
		return page_fault(w, PFERR_P | PFERR_PK);
	return 0;
}

/*
 * Sets accessed bits in what the walk used, and dirty in the last. 0; -EAGAIN: an entry has
 * changed since. Tables in memory that the guest cannot write stay as they are, as in a ROM.
 */
static int update_entries(const struct walk *w, bool wide)
{
	for (unsigned int i = 0; i < w->n; i++) {
		u64 want = w->entry[i] | PTE_A;
		u64 len;
		void *p;

		if (i == w->n - 1 && (w->access & ACCESS_WRITE))
			want |= PTE_D;
		if (want == w->entry[i])
			continue;
		p = gpmap_ptr(&w->v->vm->gpmap, w->where[i], GP_READ | GP_WRITE, &len);
		if (!p)
			continue;
		if (wide) {
			u64 old = w->entry[i];

			if (!__atomic_compare_exchange_n((u64 *)p, &old, want, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				return -EAGAIN;
		} else {
			u32 old = (u32)w->entry[i];

			if (!__atomic_compare_exchange_n((u32 *)p, &old, (u32)want, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				return -EAGAIN;
		}
	}
	return 0;
}

static u64 read_entry(const struct walk *w, gpa_t where, const struct gp_extent **hint)
{
	const u64 *p = guest_ram(&w->v->vm->gpmap, where, GP_READ, hint);

	return likely(p != NULL) ? __atomic_load_n(p, __ATOMIC_RELAXED) : OPEN_BUS;
}

/*
 * Are bits of a large page's address below its size set? Bit 12 is PAT. level 2: 2 MiB, 3: 1 GiB.
 */
static bool large_page_bad(u64 entry, unsigned int level)
{
	unsigned int shift = PAGE_SHIFT + INDEX_BITS * (level - 1);

	if (level > 3 || (level == 3 && !cpuid_policy_has(CPUID_EXT_IDENT, 0, 'd',
							  CPUID_BIT(CPUID_81_EDX_PAGE1GB))))
		return true;
	return (entry & (BIT64(shift) - BIT64(PAGE_SHIFT + 1))) != 0;
}

/* Tables of 512 entries from the given level down: 4.4.2 (without the PDPTEs), 4.5. */
static int walk_wide(struct walk *w, gpa_t table, unsigned int level, gpa_t *gpa)
{
	unsigned int shift = PAGE_SHIFT + INDEX_BITS * (level - 1);
	const struct gp_extent *hint = NULL;
	u64 all = PTE_U | PTE_W | PTE_A;
	u64 any = 0;
	u64 entry;
	int err;

	w->n = 0;
	for (;; shift -= INDEX_BITS, level--) {
		gpa_t where = table + ((w->gva >> shift & INDEX_MASK) << 3);

		entry = read_entry(w, where, &hint);
		if (unlikely(!(entry & PTE_P)))
			return page_fault(w, 0);
		if (unlikely(entry & w->reserved))
			return page_fault(w, PFERR_P | PFERR_RSVD);
		w->where[w->n] = where;
		w->entry[w->n++] = entry;
		all &= entry;
		any |= entry;
		if (level == 1)
			break;
		if (entry & PTE_PS) {
			if (unlikely(large_page_bad(entry, level)))
				return page_fault(w, PFERR_P | PFERR_RSVD);
			break;
		}
		table = entry & PTE_ADDR;
	}
	err = check_access(w, all, (any & PTE_NX) != 0, entry);
	if (unlikely(err))
		return err;
	*gpa = (entry & PTE_ADDR & ~(BIT64(shift) - 1)) | (w->gva & (BIT64(shift) - 1));
	if (unlikely(!(all & PTE_A) || ((w->access & ACCESS_WRITE) && !(entry & PTE_D))))
		return update_entries(w, true);
	return 0;
}

/* 4.5: 4 levels, or 5. */
static int walk_long(struct walk *w, gpa_t *gpa)
{
	return walk_wide(w, vcpu_cr3(w->v) & PTE_ADDR, w->cr4 & CR4_LA57 ? 5 : 4, gpa);
}

/*
 * 4.4: the PDPTEs are read from memory, as processors with nested paging do (APM vol. 2
 * 15.25.10).
 */
static int walk_pae(struct walk *w, gpa_t *gpa)
{
	const struct gp_extent *hint = NULL;
	gpa_t where =
		(vcpu_cr3(w->v) & CR3_PAE_TABLE) + ((w->gva >> PDPTE_SHIFT & PDPTE_MASK) << 3);
	u64 pdpte = read_entry(w, where, &hint);

	if (!(pdpte & PTE_P))
		return page_fault(w, 0);
	w->reserved |= PAE_RESERVED_HIGH;
	if (pdpte & (PDPTE_RESERVED | PTE_NX | (w->reserved & ~PTE_NX)))
		return page_fault(w, PFERR_P | PFERR_RSVD);
	return walk_wide(w, pdpte & PTE_ADDR, 2, gpa);
}

/* Reserved bits of a 4-MiB page's entry: 4.3, table 4-4. */
static u64 pse_reserved(void)
{
	unsigned int width = policy_maxphyaddr();
	unsigned int bits = width <= 32 ? 0 : width - 32;

	if (bits > PSE36_BITS)
		bits = PSE36_BITS;
	return BIT64(PSE36_TOP + 1) - BIT64(PSE36_SHIFT + bits);
}

/* 4.3: 32-bit paging. */
static int walk_32(struct walk *w, gpa_t *gpa)
{
	const struct gpmap *m = &w->v->vm->gpmap;
	const struct gp_extent *hint = NULL;
	gpa_t table = vcpu_cr3(w->v) & PDE32_ADDR;
	u64 all = PTE_U | PTE_W | PTE_A;
	unsigned int shift = PDE32_SHIFT;
	gpa_t page;
	u32 entry;
	int err;

	for (w->n = 0;;) {
		gpa_t where = table + ((w->gva >> shift & INDEX32_MASK) << 2);
		const u32 *p = guest_ram(m, where, GP_READ, &hint);

		entry = p ? __atomic_load_n(p, __ATOMIC_RELAXED) : (u32)OPEN_BUS;
		if (!(entry & PTE_P))
			return page_fault(w, 0);
		w->where[w->n] = where;
		w->entry[w->n++] = entry;
		all &= entry;
		page = entry & PDE32_ADDR;
		if (shift == PAGE_SHIFT)
			break;
		if ((entry & PTE_PS) && (w->cr4 & CR4_PSE)) {
			if (entry & pse_reserved())
				return page_fault(w, PFERR_P | PFERR_RSVD);
			page = (entry & PDE32_PAGE) |
			       (u64)(entry >> PSE36_SHIFT & (BIT(PSE36_BITS) - 1)) << 32;
			break;
		}
		table = entry & PDE32_ADDR;
		shift = PAGE_SHIFT;
	}
	err = check_access(w, all, false, entry);
	if (err)
		return err;
	*gpa = page | (w->gva & (BIT64(shift) - 1));
	if (!(all & PTE_A) || ((w->access & ACCESS_WRITE) && !(entry & PTE_D)))
		return update_entries(w, false);
	return 0;
}

static bool is_canonical(gva_t gva, unsigned int sign_bit)
{
	s64 high = (s64)gva >> sign_bit;

	return high == 0 || high == -1;
}

static int walk_once(struct walk *w, gpa_t *gpa)
{
	bool long_mode = (w->efer & EFER_LMA) != 0;

	if (long_mode || (w->cr4 & CR4_PAE)) {
		w->reserved = BIT64(PTE_ADDR_HIGH) - BIT64(policy_maxphyaddr());
		if (!(w->efer & EFER_NXE))
			w->reserved |= PTE_NX;
		return long_mode ? walk_long(w, gpa) : walk_pae(w, gpa);
	}
	return walk_32(w, gpa);
}

/*
 * The common walk: long mode with 4 levels, nothing refused, accessed and dirty bits set. It
 * reads the same entries as walk_wide() and changes nothing; false leaves everything else, each
 * fault included, to that.
 */
static inline __attribute__((always_inline)) bool walk_plain(const struct vcpu *v, gva_t gva,
							     unsigned int access, gpa_t *gpa,
							     struct fetch_trace *trace)
{
	const struct gpmap *m = &v->vm->gpmap;
	const struct gp_extent *x = NULL;
	const u64 need = PTE_P | PTE_A;
	u64 refuse = need | (BIT64(PTE_ADDR_HIGH) - BIT64(policy_maxphyaddr()));
	gpa_t table = v->cr3 & PTE_ADDR;
	unsigned int shift = PAGE_SHIFT + 3 * INDEX_BITS;
	u64 all = ~UINT64_C(0), any = 0, entry;

	if (!(v->efer & EFER_NXE))
		refuse |= PTE_NX;
	for (;;) {
		gpa_t where = table + ((gva >> shift & INDEX_MASK) << 3);
		const u64 *p = guest_ram(m, where, GP_READ, &x);

		if (unlikely(!p))
			return false;
		entry = __atomic_load_n(p, __ATOMIC_RELAXED);
		if (unlikely((entry ^ need) & refuse))
			return false;
		if (trace) {
			trace->where[trace->n] = p;
			trace->entry[trace->n++] = entry;
		}
		all &= entry;
		any |= entry;
		if (shift == PAGE_SHIFT)
			break;
		if (entry & PTE_PS) {
			/* 2-MiB pages only; bits 13-20 are reserved. */
			if (shift != PAGE_SHIFT + INDEX_BITS ||
			    (entry & (BIT64(PAGE_SHIFT + INDEX_BITS) - BIT64(PAGE_SHIFT + 1))))
				return false;
			break;
		}
		table = entry & PTE_ADDR;
		shift -= INDEX_BITS;
	}
	if (access & ACCESS_USER) {
		if (!(all & PTE_U))
			return false;
	} else if ((all & PTE_U) && (v->cr4 & (CR4_SMEP | CR4_SMAP))) {
		return false;
	}
	if (access & ACCESS_FETCH) {
		if (any & PTE_NX)
			return false;
	} else if ((v->cr4 & CR4_PKE) && (all & PTE_U)) {
		return false;
	}
	if ((access & ACCESS_WRITE) && (!(all & PTE_W) || !(entry & PTE_D)))
		return false;
	*gpa = (entry & PTE_ADDR & ~(BIT64(shift) - 1)) | (gva & (BIT64(shift) - 1));
	return true;
}

/* CR0.PG follows from EFER.LMA. */
static bool plain_mode(const struct vcpu *v, gva_t gva)
{
	return (v->efer & EFER_LMA) && !(v->cr4 & CR4_LA57) && is_canonical(gva, CANONICAL_48);
}

bool guest_fetch_walk(struct vcpu *v, gva_t gva, bool user, struct fetch_trace *t)
{
	unsigned int access = ACCESS_FETCH | (user ? (unsigned int)ACCESS_USER : 0);
	const struct gp_extent *x = NULL;
	gpa_t gpa;

	vcpu_need(v, REG_CR3 | REG_CR4 | REG_EFER);
	*t = (struct fetch_trace){ 0 };
	if (!plain_mode(v, gva) || !walk_plain(v, gva, access, &gpa, t))
		return false;
	t->host = guest_ram(&v->vm->gpmap, gpa & ~(PAGE_SIZE - 1), GP_READ, &x);
	return t->host != NULL;
}

int guest_translate(struct vcpu *v, gva_t gva, unsigned int access, gpa_t *gpa, struct fault *fault)
{
	struct walk w;
	int err;

	vcpu_need(v, REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER);
	if (likely(plain_mode(v, gva) && !(access & ACCESS_IMPLICIT) &&
		   walk_plain(v, gva, access, gpa, NULL)))
		return 0;
	w.cr0 = vcpu_cr0(v);
	w.efer = vcpu_efer(v);
	if (!(w.efer & EFER_LMA))
		gva = (u32)gva;
	if (!(w.cr0 & CR0_PG)) {
		*gpa = gva;
		return 0;
	}
	w.v = v;
	w.fault = fault;
	w.gva = gva;
	w.access = access;
	w.cr4 = vcpu_cr4(v);
	if (unlikely((w.efer & EFER_LMA) &&
		     !is_canonical(gva, w.cr4 & CR4_LA57 ? CANONICAL_57 : CANONICAL_48))) {
		*fault = (struct fault){ .vector = VEC_GP, .has_error = true };
		return -EFAULT;
	}
	for (unsigned int i = 0; i < WALK_RETRIES; i++) {
		err = walk_once(&w, gpa);
		if (likely(err != -EAGAIN))
			return err;
	}
	/*
	 * The guest's other processors keep changing these entries. The walk was permitted each
	 * time and *gpa is its result: go on without the bits, as if it had been done before
	 * them.
	 */
	return 0;
}
