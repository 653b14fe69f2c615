/* SPDX-License-Identifier: MIT */
/*
 * Operands: registers, effective addresses (SDM vol. 1 rev. 083 3.7.5), segmentation (SDM vol. 3
 * 5.3 to 5.5), paging, and access to what is behind. All checks of an access come before its
 * first byte.
 */
#include "emulate_priv.h"
#include "errors.h"
#include "guest_mem_priv.h"
#include "vm.h"

#define CANONICAL_48 47
#define CANONICAL_57 56
#define OFFSET(a)    ((a) & (PAGE_SIZE - 1))

int emu_fault(struct emu *e, const struct fault *f)
{
	if (f->vector == VEC_PF)
		vcpu_inject_pf(e->v, f->address, f->error);
	else
		vcpu_inject_exception(e->v, f->vector, f->has_error, f->error);
	return -EFAULT;
}

int emu_gp(struct emu *e)
{
	vcpu_inject_gp(e->v, 0);
	return -EFAULT;
}

static int segment_fault(struct emu *e, unsigned int seg)
{
	vcpu_inject_exception(e->v, seg == SEG_SS ? VEC_SS : VEC_GP, true, 0);
	return -EFAULT;
}

static bool is_canonical(struct vcpu *v, gva_t gva)
{
	s64 high = (s64)gva >> CANONICAL_48;

	if (likely(high == 0 || high == -1))
		return true;
	if (!(vcpu_cr4(v) & CR4_LA57))
		return false;
	high = (s64)gva >> CANONICAL_57;
	return high == 0 || high == -1;
}

/*
 * Type and limit outside 64-bit mode: SDM vol. 3 5.3, 5.5; real and virtual-8086 mode know the
 * limit only.
 */
static bool segment_allows(struct vcpu *v, const struct segment *s, u64 offset, unsigned int size,
			   bool write)
{
	u64 last = offset + size - 1;

	if ((vcpu_cr0(v) & CR0_PE) && !(vcpu_rflags(v) & RFLAGS_VM)) {
		if (!(s->attr & SEG_P))
			return false;
		if (s->attr & SEG_CODE) {
			if (write || !(s->attr & SEG_R))
				return false;
		} else {
			if (write && !(s->attr & SEG_W))
				return false;
			if (s->attr & SEG_E)
				return offset > s->limit &&
				       last <= (s->attr & SEG_DB ? UINT32_MAX : UINT16_MAX);
		}
	}
	return last <= s->limit;
}

/* SDM vol. 3 6.15, #AC: only at CPL 3 with both switches on. */
static bool misaligned(struct emu *e, gva_t gva, unsigned int size)
{
	return e->access && (vcpu_cr0(e->v) & CR0_AM) && (vcpu_rflags(e->v) & RFLAGS_AC) &&
	       (gva & (size - 1));
}

int emu_linear(struct emu *e, unsigned int seg, u64 offset, unsigned int size, bool write,
	       gva_t *gva)
{
	struct vcpu *v = e->v;

	if (likely(e->code_size == 8)) {
		if (unlikely(seg >= SEG_FS))
			offset += vcpu_seg(v, seg)->base;
		if (unlikely(!is_canonical(v, offset) || !is_canonical(v, offset + size - 1)))
			return segment_fault(e, seg);
		*gva = offset;
	} else {
		const struct segment *s = vcpu_seg(v, seg);

		if (!segment_allows(v, s, offset, size, write))
			return segment_fault(e, seg);
		*gva = (u32)(s->base + offset);
	}
	if (unlikely(misaligned(e, *gva, size))) {
		vcpu_inject_exception(v, VEC_AC, true, 0);
		return -EFAULT;
	}
	return 0;
}

/*
 * The processor has walked the guest's tables and checked the access before it took the nested
 * page fault (APM vol. 2 15.25.6, SDM vol. 3 29.3.3): its address can be used where it is certain
 * whose it is.
 */
static bool known_gpa(const struct emu *e, gva_t gva, bool write)
{
	const struct vm_exit *x = &e->v->exit;

	if (!e->single_operand || x->kind != EXIT_NESTED_PAGE_FAULT || x->npf.table_walk ||
	    x->npf.fetch || (write && !x->npf.write))
		return false;
	if (x->npf.gva_valid && x->npf.gva != gva)
		return false;
	return OFFSET(x->npf.gpa ^ gva) == 0;
}

int emu_translate(struct emu *e, gva_t gva, unsigned int size, bool write, struct page_cache *cache,
		  struct mem *m)
{
	unsigned int access = e->access | (write ? (unsigned int)ACCESS_WRITE : 0);
	unsigned int room = (unsigned int)(PAGE_SIZE - OFFSET(gva));
	struct fault f;

	m->size = size;
	m->first = size;
	if (likely(size <= room)) {
		if (known_gpa(e, gva, write)) {
			m->gpa[0] = e->v->exit.npf.gpa;
			return 0;
		}
		if (cache && cache->valid && cache->gva == (gva & ~(PAGE_SIZE - 1))) {
			m->gpa[0] = cache->gpa + OFFSET(gva);
			return 0;
		}
	}
	if (guest_translate(e->v, gva, access, &m->gpa[0], &f))
		return emu_fault(e, &f);
	if (unlikely(size > room)) {
		m->first = room;
		if (guest_translate(e->v, gva + room, access, &m->gpa[1], &f))
			return emu_fault(e, &f);
	} else if (cache) {
		cache->valid = true;
		cache->gva = gva & ~(PAGE_SIZE - 1);
		cache->gpa = m->gpa[0] & ~(PAGE_SIZE - 1);
	}
	return 0;
}

int emu_mem(struct emu *e, unsigned int seg, u64 offset, unsigned int size, bool write,
	    struct page_cache *cache, struct mem *m)
{
	gva_t gva;

	if (emu_linear(e, seg, offset, size, write, &gva))
		return -EFAULT;
	return emu_translate(e, gva, size, write, cache, m);
}

/* DS, unless a prefix says otherwise. */
unsigned int emu_data_segment(const struct emu *e)
{
	return e->in.seg >= 0 ? (unsigned int)e->in.seg : SEG_DS;
}

/* The same for a ModRM operand: a base of (E)BP or (E)SP means SS. */
unsigned int emu_segment(const struct emu *e)
{
	if (e->in.seg < 0 && (e->in.base == GPR_RBP || e->in.base == GPR_RSP))
		return SEG_SS;
	return emu_data_segment(e);
}

u64 emu_mem_read(struct emu *e, const struct mem *m, unsigned int offset, unsigned int size)
{
	unsigned int low;

	if (likely(offset + size <= m->first))
		return guest_phys_read(e->v, m->gpa[0] + offset, size);
	if (offset >= m->first)
		return guest_phys_read(e->v, m->gpa[1] + (offset - m->first), size);
	low = m->first - offset;
	return guest_phys_read(e->v, m->gpa[0] + offset, low) |
	       guest_phys_read(e->v, m->gpa[1], size - low) << (8 * low);
}

void emu_mem_write(struct emu *e, const struct mem *m, unsigned int offset, unsigned int size,
		   u64 value)
{
	unsigned int low;

	if (likely(offset + size <= m->first)) {
		guest_phys_write(e->v, m->gpa[0] + offset, size, value);
	} else if (offset >= m->first) {
		guest_phys_write(e->v, m->gpa[1] + (offset - m->first), size, value);
	} else {
		low = m->first - offset;
		guest_phys_write(e->v, m->gpa[0] + offset, low, value);
		guest_phys_write(e->v, m->gpa[1], size - low, value >> (8 * low));
	}
}

int emu_rm(struct emu *e, unsigned int size, bool write, struct rm *rm)
{
	rm->size = (u8)size;
	rm->is_mem = e->in.mod != 3;
	if (!rm->is_mem) {
		rm->reg = e->in.rm;
		return 0;
	}
	return emu_mem(e, emu_segment(e), emu_offset(e->v, &e->in, e->next_rip), size, write, NULL,
		       &rm->mem);
}

u64 emu_rm_read(struct emu *e, const struct rm *rm)
{
	if (!rm->is_mem)
		return emu_reg_read(e, rm->reg, rm->size);
	return emu_mem_read(e, &rm->mem, 0, rm->size);
}

void emu_rm_write(struct emu *e, const struct rm *rm, u64 value)
{
	if (!rm->is_mem)
		emu_reg_write(e, rm->reg, rm->size, value);
	else
		emu_mem_write(e, &rm->mem, 0, rm->size, value);
}

/* Compare and exchange in RAM. False: it had another value. */
static bool ram_exchange(void *p, unsigned int size, u64 old, u64 value)
{
	u8 o8 = (u8)old;
	u16 o16 = (u16)old;
	u32 o32 = (u32)old;

	switch (size) {
	case 1:
		return __atomic_compare_exchange_n((u8 *)p, &o8, (u8)value, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_RELAXED);
	case 2:
		return __atomic_compare_exchange_n((u16 *)p, &o16, (u16)value, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	case 4:
		return __atomic_compare_exchange_n((u32 *)p, &o32, (u32)value, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	default:
		return __atomic_compare_exchange_n((u64 *)p, &old, value, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_RELAXED);
	}
}

bool emu_rm_commit(struct emu *e, const struct rm *rm, u64 old, u64 value)
{
	if (rm->is_mem && rm->mem.first == rm->size && IS_ALIGNED(rm->mem.gpa[0], rm->size) &&
	    !lapic_claims(&e->v->lapic, rm->mem.gpa[0])) {
		const struct gp_extent *hint = NULL;
		void *p = guest_ram(&e->v->vm->gpmap, rm->mem.gpa[0], GP_READ | GP_WRITE, &hint);

		if (p)
			return ram_exchange(p, rm->size, old, value);
	}
	emu_rm_write(e, rm, value);
	return true;
}
