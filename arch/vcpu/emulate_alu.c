/* SPDX-License-Identifier: MIT */
/*
 * Integer arithmetic with its flags, as pure functions: SDM vol. 1 rev. 083 3.4.3.1 and the
 * instructions' pages in vol. 2. Operands are cut to size (1, 2, 4, 8 bytes). Where the manual
 * leaves a flag undefined, it is what most processors do, or unchanged.
 */
#include "emulate_priv.h"

#define FLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static u64 sign_of(u64 a, unsigned int size)
{
	return a >> (8 * size - 1) & 1;
}

static s64 sign_extend(u64 a, unsigned int size)
{
	unsigned int unused = 64 - 8 * size;

	return (s64)(a << unused) >> unused;
}

/* SF, ZF and PF of a result. */
static u64 result_flags(u64 r, unsigned int size)
{
	u64 flags = 0;

	if (sign_of(r, size))
		flags |= RFLAGS_SF;
	if (r == 0)
		flags |= RFLAGS_ZF;
	if (!(__builtin_popcount((u8)r) & 1))
		flags |= RFLAGS_PF;
	return flags;
}

static void set_flags(u64 *flags, u64 which, u64 values)
{
	*flags = (*flags & ~which) | (values & which);
}

static u64 add(u64 a, u64 b, u64 carry, unsigned int size, u64 *flags)
{
	u64 r = (a + b + carry) & emu_mask(size);
	u64 f = result_flags(r, size);

	if (sign_of((a & b) | ((a | b) & ~r), size))
		f |= RFLAGS_CF;
	if (sign_of((a ^ r) & (b ^ r), size))
		f |= RFLAGS_OF;
	f |= (a ^ b ^ r) & RFLAGS_AF;
	set_flags(flags, FLAGS_ARITH, f);
	return r;
}

static u64 sub(u64 a, u64 b, u64 borrow, unsigned int size, u64 *flags)
{
	u64 r = (a - b - borrow) & emu_mask(size);
	u64 f = result_flags(r, size);

	if (sign_of((~a & b) | (~(a ^ b) & r), size))
		f |= RFLAGS_CF;
	if (sign_of((a ^ b) & (a ^ r), size))
		f |= RFLAGS_OF;
	f |= (a ^ b ^ r) & RFLAGS_AF;
	set_flags(flags, FLAGS_ARITH, f);
	return r;
}

static u64 logic(u64 r, unsigned int size, u64 *flags)
{
	set_flags(flags, FLAGS_ARITH, result_flags(r, size));
	return r;
}

u64 alu_binary(enum alu_op op, u64 a, u64 b, unsigned int size, u64 *flags)
{
	u64 carry = *flags & RFLAGS_CF;

	a &= emu_mask(size);
	b &= emu_mask(size);
	switch (op) {
	case ALU_ADD:
		return add(a, b, 0, size, flags);
	case ALU_ADC:
		return add(a, b, carry, size, flags);
	case ALU_SUB:
	case ALU_CMP:
		return sub(a, b, 0, size, flags);
	case ALU_SBB:
		return sub(a, b, carry, size, flags);
	case ALU_AND:
		return logic(a & b, size, flags);
	case ALU_OR:
		return logic(a | b, size, flags);
	default:
		return logic(a ^ b, size, flags);
	}
}

/* INC and DEC leave CF alone. */
u64 alu_inc(u64 a, unsigned int size, u64 *flags)
{
	u64 f = *flags;
	u64 r = add(a & emu_mask(size), 1, 0, size, &f);

	set_flags(flags, FLAGS_ARITH & ~RFLAGS_CF, f);
	return r;
}

u64 alu_dec(u64 a, unsigned int size, u64 *flags)
{
	u64 f = *flags;
	u64 r = sub(a & emu_mask(size), 1, 0, size, &f);

	set_flags(flags, FLAGS_ARITH & ~RFLAGS_CF, f);
	return r;
}

u64 alu_neg(u64 a, unsigned int size, u64 *flags)
{
	return sub(0, a & emu_mask(size), 0, size, flags);
}

/* ROL, ROR: CF is the bit that moved round last; OF is defined for a count of 1. */
static u64 rotate(bool right, u64 a, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size, n = count % bits;
	u64 f = 0;

	if (right)
		n = (bits - n) % bits;
	if (n)
		a = (a << n | a >> (bits - n)) & emu_mask(size);
	if (right) {
		if (sign_of(a, size))
			f |= RFLAGS_CF;
		if (sign_of(a ^ (a << 1), size))
			f |= RFLAGS_OF;
	} else {
		f |= a & RFLAGS_CF;
		if (sign_of(a, size) ^ (a & 1))
			f |= RFLAGS_OF;
	}
	set_flags(flags, RFLAGS_CF | RFLAGS_OF, f);
	return a;
}

/* RCL, RCR: one bit after the other through CF. */
static u64 rotate_carry(bool right, u64 a, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 carry = *flags & RFLAGS_CF, f = 0;

	for (count %= bits + 1; count > 0; count--) {
		u64 out = right ? a & 1 : sign_of(a, size);

		if (right)
			a = a >> 1 | carry << (bits - 1);
		else
			a = ((a << 1) | carry) & emu_mask(size);
		carry = out;
	}
	if (carry)
		f |= RFLAGS_CF;
	if (right ? sign_of(a ^ (a << 1), size) : sign_of(a, size) ^ carry)
		f |= RFLAGS_OF;
	set_flags(flags, RFLAGS_CF | RFLAGS_OF, f);
	return a;
}

/* SHL, SHR, SAR by 1 to 63. */
static u64 shift(enum shift_op op, u64 a, unsigned int n, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 r, f;
	u64 carry, overflow;

	switch (op) {
	case SHIFT_SHR:
		r = a >> n;
		carry = a >> (n - 1) & 1;
		overflow = sign_of(a, size);
		break;
	case SHIFT_SAR:
		r = (u64)(sign_extend(a, size) >> n) & emu_mask(size);
		carry = (u64)(sign_extend(a, size) >> (n - 1)) & 1;
		overflow = 0;
		break;
	default:
		r = (a << n) & emu_mask(size);
		carry = n <= bits ? a >> (bits - n) & 1 : 0;
		overflow = sign_of(r, size) ^ carry;
		break;
	}
	f = result_flags(r, size);
	if (carry)
		f |= RFLAGS_CF;
	if (overflow)
		f |= RFLAGS_OF;
	set_flags(flags, FLAGS_ARITH & ~RFLAGS_AF, f);
	return r;
}

u64 alu_shift(enum shift_op op, u64 a, unsigned int count, unsigned int size, u64 *flags)
{
	count &= size == 8 ? 63 : 31;
	a &= emu_mask(size);
	if (!count)
		return a;
	switch (op) {
	case SHIFT_ROL:
	case SHIFT_ROR:
		return rotate(op == SHIFT_ROR, a, count, size, flags);
	case SHIFT_RCL:
	case SHIFT_RCR:
		return rotate_carry(op == SHIFT_RCR, a, count, size, flags);
	default:
		return shift(op, a, count, size, flags);
	}
}

u64 alu_double_shift(bool right, u64 a, u64 b, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 r, carry, f;

	count &= size == 8 ? 63 : 31;
	a &= emu_mask(size);
	b &= emu_mask(size);
	if (!count)
		return a;
	if (count > bits) {
		/* 16-bit operands by 17 to 31: undefined; processors go on with a behind b. */
		count -= bits;
		r = a;
		a = b;
		b = r;
	}
	if (right) {
		carry = a >> (count - 1) & 1;
		r = count == bits ? b : (a >> count | b << (bits - count)) & emu_mask(size);
	} else {
		carry = a >> (bits - count) & 1;
		r = count == bits ? b : (a << count | b >> (bits - count)) & emu_mask(size);
	}
	f = result_flags(r, size);
	if (carry)
		f |= RFLAGS_CF;
	if (sign_of(r ^ a, size))
		f |= RFLAGS_OF;
	set_flags(flags, FLAGS_ARITH & ~RFLAGS_AF, f);
	return r;
}

u64 alu_bit(enum bit_op op, u64 a, unsigned int bit, u64 *flags)
{
	u64 mask = BIT64(bit & 63);

	set_flags(flags, RFLAGS_CF, a & mask ? RFLAGS_CF : 0);
	switch (op) {
	case BIT_SET:
		return a | mask;
	case BIT_RESET:
		return a & ~mask;
	case BIT_COMPLEMENT:
		return a ^ mask;
	default:
		return a;
	}
}

u64 alu_imul(u64 a, u64 b, unsigned int size, u64 *flags)
{
	u64 lo, hi;

	alu_mul(true, a, b, size, &lo, &hi, flags);
	return lo;
}

void alu_mul(bool is_signed, u64 a, u64 b, unsigned int size, u64 *lo, u64 *hi, u64 *flags)
{
	bool fits;
	u128 p;

	if (is_signed)
		p = (u128)((__int128)sign_extend(a, size) * sign_extend(b, size));
	else
		p = (u128)(a & emu_mask(size)) * (b & emu_mask(size));
	*lo = (u64)p & emu_mask(size);
	*hi = (u64)(p >> (8 * size)) & emu_mask(size);
	fits = *hi == (is_signed && sign_of(*lo, size) ? emu_mask(size) : 0);
	set_flags(flags, RFLAGS_CF | RFLAGS_OF, fits ? 0 : RFLAGS_CF | RFLAGS_OF);
}

/* 128 by 64 bits, unsigned, bit by bit: the C operator would need a library. hi < b. */
static u64 divide_wide(u64 lo, u64 hi, u64 b, u64 *rest)
{
	for (unsigned int i = 0; i < 64; i++) {
		bool carry = hi >> 63;

		hi = hi << 1 | lo >> 63;
		lo <<= 1;
		if (carry || hi >= b) {
			hi -= b;
			lo |= 1;
		}
	}
	*rest = hi;
	return lo;
}

bool alu_div(bool is_signed, u64 lo, u64 hi, u64 b, unsigned int size, u64 *quotient, u64 *rest)
{
	u64 mask = emu_mask(size);
	bool negative = false, rest_negative = false;

	lo &= mask;
	hi &= mask;
	b &= mask;
	if (is_signed) {
		if (sign_of(hi, size)) {
			rest_negative = true;
			lo = -lo & mask;
			hi = (~hi + (lo == 0)) & mask;
		}
		negative = rest_negative != sign_of(b, size);
		if (sign_of(b, size))
			b = -b & mask;
	}
	if (b == 0 || hi >= b)
		return false;
	if (size == 8) {
		*quotient = divide_wide(lo, hi, b, rest);
	} else {
		u64 a = hi << (8 * size) | lo;

		*quotient = a / b;
		*rest = a % b;
	}
	if (is_signed) {
		u64 most = negative ? BIT64(8 * size - 1) : BIT64(8 * size - 1) - 1;

		if (*quotient > most)
			return false;
		if (negative)
			*quotient = -*quotient & mask;
		if (rest_negative)
			*rest = -*rest & mask;
	}
	return true;
}

/* SDM vol. 2 appendix B.1.4.7: pairs of a condition and its negation. */
bool alu_condition(unsigned int cc, u64 flags)
{
	bool less = ((flags & RFLAGS_SF) != 0) != ((flags & RFLAGS_OF) != 0);
	bool r;

	switch (cc >> 1 & 7U) {
	case 0:
		r = (flags & RFLAGS_OF) != 0;
		break;
	case 1:
		r = (flags & RFLAGS_CF) != 0;
		break;
	case 2:
		r = (flags & RFLAGS_ZF) != 0;
		break;
	case 3:
		r = (flags & (RFLAGS_CF | RFLAGS_ZF)) != 0;
		break;
	case 4:
		r = (flags & RFLAGS_SF) != 0;
		break;
	case 5:
		r = (flags & RFLAGS_PF) != 0;
		break;
	case 6:
		r = less;
		break;
	default:
		r = less || (flags & RFLAGS_ZF);
		break;
	}
	return r != (cc & 1);
}
