/* SPDX-License-Identifier: MIT */
/*
 * Access to the guest's memory, by physical and by linear address. What is not RAM is this vCPU's
 * LAPIC page or belongs to the board; there an access is made in naturally aligned pieces of 1,
 * 2, 4 or 8 bytes, as a chipset splits it by byte enables. SDM vol. 3 rev. 083 11.4.1 (the LAPIC
 * page comes before what the bus has there).
 */
#include "errors.h"
#include "guest_mem.h"
#include "guest_mem_priv.h"
#include "insn.h"
#include "lib.h"
#include "vm.h"

#define PAGE_OFFSET(a) ((a) & (PAGE_SIZE - 1))
#define LAPIC_ACCESS   4U /* widest access that the LAPIC page takes */

static u64 load(const void *p, unsigned int size)
{
	u64 v = 0;

	switch (size) {
	case 1:
		return *(const u8 *)p;
	case 2:
		__builtin_memcpy(&v, p, 2);
		return v;
	case 4:
		__builtin_memcpy(&v, p, 4);
		return v;
	default:
		__builtin_memcpy(&v, p, 8);
		return v;
	}
}

static void store(void *p, unsigned int size, u64 value)
{
	switch (size) {
	case 1:
		__builtin_memcpy(p, &value, 1);
		break;
	case 2:
		__builtin_memcpy(p, &value, 2);
		break;
	case 4:
		__builtin_memcpy(p, &value, 4);
		break;
	default:
		__builtin_memcpy(p, &value, 8);
		break;
	}
}

/* One naturally aligned access to a device. */
static u64 device_read(struct vcpu *v, gpa_t gpa, unsigned int size)
{
	struct board *b = &v->vm->board;
	u64 value;

	if (lapic_claims(&v->lapic, gpa))
		return lapic_mmio_read(&v->lapic, (u32)PAGE_OFFSET(gpa), size);
	spin_lock(&b->lock);
	value = bus_mmio_read(&b->bus, gpa, size);
	spin_unlock(&b->lock);
	return value;
}

static void device_write(struct vcpu *v, gpa_t gpa, unsigned int size, u64 value)
{
	struct board *b = &v->vm->board;

	if (lapic_claims(&v->lapic, gpa)) {
		lapic_mmio_write(&v->lapic, (u32)PAGE_OFFSET(gpa), size, (u32)value);
		return;
	}
	spin_lock(&b->lock);
	bus_mmio_write(&b->bus, gpa, size, value);
	spin_unlock(&b->lock);
}

/* The largest aligned piece at gpa of at most size bytes. */
static unsigned int piece(const struct vcpu *v, gpa_t gpa, unsigned int size)
{
	unsigned int n = 8;

	if (lapic_claims(&v->lapic, gpa))
		n = LAPIC_ACCESS;
	while (n > size || !IS_ALIGNED(gpa, n))
		n >>= 1;
	return n;
}

static u64 size_mask(unsigned int size)
{
	return ~UINT64_C(0) >> (64 - 8 * size);
}

static __noinline u64 read_pieces(struct vcpu *v, gpa_t gpa, unsigned int size)
{
	const struct gp_extent *hint = NULL;
	u64 value = 0;

	for (unsigned int done = 0, n; done < size; done += n) {
		const void *p;

		n = piece(v, gpa + done, size - done);
		p = lapic_claims(&v->lapic, gpa + done)
			    ? NULL
			    : guest_ram(&v->vm->gpmap, gpa + done, GP_READ, &hint);
		value |= (p ? load(p, n) : device_read(v, gpa + done, n) & size_mask(n))
			 << (8 * done);
	}
	return value;
}

static __noinline void write_pieces(struct vcpu *v, gpa_t gpa, unsigned int size, u64 value)
{
	const struct gp_extent *hint = NULL;

	for (unsigned int done = 0, n; done < size; done += n) {
		u64 part = value >> (8 * done);
		void *p;

		n = piece(v, gpa + done, size - done);
		p = lapic_claims(&v->lapic, gpa + done)
			    ? NULL
			    : guest_ram(&v->vm->gpmap, gpa + done, GP_WRITE, &hint);
		if (p)
			store(p, n, part);
		else
			device_write(v, gpa + done, n, part & size_mask(n));
	}
}

u64 guest_phys_read(struct vcpu *v, gpa_t gpa, unsigned int size)
{
	const struct gp_extent *hint = NULL;

	if (lapic_claims(&v->lapic, gpa)) {
		if (likely(size == LAPIC_ACCESS && IS_ALIGNED(gpa, LAPIC_ACCESS)))
			return lapic_mmio_read(&v->lapic, (u32)PAGE_OFFSET(gpa), size);
	} else {
		const void *p = guest_ram(&v->vm->gpmap, gpa, GP_READ, &hint);

		if (p && (size & (size - 1)) == 0 && PAGE_OFFSET(gpa) + size <= PAGE_SIZE)
			return load(p, size);
	}
	return read_pieces(v, gpa, size);
}

void guest_phys_write(struct vcpu *v, gpa_t gpa, unsigned int size, u64 value)
{
	const struct gp_extent *hint = NULL;

	if (lapic_claims(&v->lapic, gpa)) {
		if (likely(size == LAPIC_ACCESS && IS_ALIGNED(gpa, LAPIC_ACCESS))) {
			lapic_mmio_write(&v->lapic, (u32)PAGE_OFFSET(gpa), size, (u32)value);
			return;
		}
	} else {
		void *p = guest_ram(&v->vm->gpmap, gpa, GP_WRITE, &hint);

		if (p && (size & (size - 1)) == 0 && PAGE_OFFSET(gpa) + size <= PAGE_SIZE) {
			store(p, size, value);
			return;
		}
	}
	write_pieces(v, gpa, size, value);
}

/* len bytes inside one page. */
static void copy_from_page(struct vcpu *v, u8 *dst, gpa_t gpa, unsigned int len)
{
	const struct gp_extent *hint = NULL;
	const void *p = NULL;

	if (!lapic_claims(&v->lapic, gpa))
		p = guest_ram(&v->vm->gpmap, gpa, GP_READ, &hint);
	if (p) {
		memcpy(dst, p, len);
		return;
	}
	while (len) {
		unsigned int n = piece(v, gpa, len);

		store(dst, n, device_read(v, gpa, n));
		dst += n;
		gpa += n;
		len -= n;
	}
}

static void copy_to_page(struct vcpu *v, gpa_t gpa, const u8 *src, unsigned int len)
{
	const struct gp_extent *hint = NULL;
	void *p = NULL;

	if (!lapic_claims(&v->lapic, gpa))
		p = guest_ram(&v->vm->gpmap, gpa, GP_WRITE, &hint);
	if (p) {
		memcpy(p, src, len);
		return;
	}
	while (len) {
		unsigned int n = piece(v, gpa, len);

		device_write(v, gpa, n, load(src, n));
		src += n;
		gpa += n;
		len -= n;
	}
}

/* Translates the one or two pages of an access. *first: how many bytes lie in the first one. */
static int translate_range(struct vcpu *v, gva_t gva, unsigned int len, unsigned int access,
			   gpa_t gpa[2], unsigned int *first, struct fault *fault)
{
	u64 room = PAGE_SIZE - PAGE_OFFSET(gva);
	int err;

	if (len > PAGE_SIZE)
		len = PAGE_SIZE;
	*first = len < room ? len : (unsigned int)room;
	err = guest_translate(v, gva, access, &gpa[0], fault);
	if (!err && *first < len)
		err = guest_translate(v, gva + *first, access, &gpa[1], fault);
	return err;
}

int guest_read_linear(struct vcpu *v, gva_t gva, void *dst, unsigned int len, unsigned int access,
		      struct fault *fault)
{
	unsigned int first;
	gpa_t gpa[2];
	int err = translate_range(v, gva, len, access, gpa, &first, fault);

	if (err)
		return err;
	copy_from_page(v, dst, gpa[0], first);
	if (first < len)
		copy_from_page(v, (u8 *)dst + first, gpa[1], len - first);
	return 0;
}

int guest_write_linear(struct vcpu *v, gva_t gva, const void *src, unsigned int len,
		       unsigned int access, struct fault *fault)
{
	unsigned int first;
	gpa_t gpa[2];
	int err = translate_range(v, gva, len, access | ACCESS_WRITE, gpa, &first, fault);

	if (err)
		return err;
	copy_to_page(v, gpa[0], src, first);
	if (first < len)
		copy_to_page(v, gpa[1], (const u8 *)src + first, len - first);
	return 0;
}

int guest_fetch(struct vcpu *v, u8 bytes[INSN_MAX], struct fault *fault)
{
	unsigned int n = INSN_MAX, access = ACCESS_FETCH, first;
	gpa_t gpa;
	u64 rip;
	int err;

	rip = vcpu_rip(v);
	if (vcpu_cpl(v) == 3)
		access |= ACCESS_USER;
	if (vcpu_code_size(v) != 8) {
		const struct segment *cs = vcpu_seg(v, SEG_CS);

		rip = (u32)rip;
		if (rip > cs->limit) {
			*fault = (struct fault){ .vector = VEC_GP, .has_error = true };
			return -EFAULT;
		}
		if (cs->limit - rip < INSN_MAX - 1)
			n = (unsigned int)(cs->limit - rip) + 1;
		rip = (u32)(rip + cs->base);
	}
	err = guest_translate(v, rip, access, &gpa, fault);
	if (unlikely(err))
		return err;
	first = (unsigned int)(PAGE_SIZE - PAGE_OFFSET(rip));
	if (first > n)
		first = n;
	copy_from_page(v, bytes, gpa, first);
	if (first < n) {
		struct fault unused;

		if (guest_translate(v, rip + first, access, &gpa, &unused))
			return (int)first;
		copy_from_page(v, bytes + first, gpa, n - first);
	}
	return (int)n;
}
