/* SPDX-License-Identifier: MIT */
/*
 * Inside the emulator: one instruction under emulation, its operands, and the groups of
 * instructions.
 */
#ifndef PLINTH_EMULATE_PRIV_H
#define PLINTH_EMULATE_PRIV_H

#include "emulate.h"
#include "guest_mem.h"
#include "insn.h"
#include "vcpu.h"

/* A memory operand after segmentation and paging; at most two pages. */
struct mem {
	unsigned int size;  /* 1-16 */
	unsigned int first; /* bytes in the first page */
	gpa_t gpa[2];
};

/* What ModRM names: a register or memory. */
struct rm {
	bool is_mem;
	u8 reg;
	u8 size;
	struct mem mem;
};

/* One translated page that a string instruction goes on using. */
struct page_cache {
	bool valid;
	gva_t gva;
	gpa_t gpa;
};

struct emu {
	struct vcpu *v;
	struct insn in;
	u64 next_rip;
	unsigned int code_size;
	unsigned int access; /* ACCESS_USER at CPL 3, else 0 */
	bool single_operand; /* no other memory operand: the exit's gpa belongs to this one */
};

static inline u64 emu_mask(unsigned int size)
{
	return ~UINT64_C(0) >> (64 - 8 * size);
}

/* --- operands (emulate_mem.c): 0, or -EFAULT with the exception queued ----------------------- */

#define HIGH_BYTE 4 /* without REX, byte registers 4-7 are AH, CH, DH, BH */

static inline u64 emu_gpr_read(struct vcpu *v, const struct insn *in, unsigned int reg,
			       unsigned int size)
{
	if (size == 1 && !in->rex && reg >= HIGH_BYTE)
		return vcpu_gpr(v, reg - HIGH_BYTE) >> 8 & 0xff;
	return vcpu_gpr(v, reg) & emu_mask(size);
}

static inline void emu_gpr_write(struct vcpu *v, const struct insn *in, unsigned int reg,
				 unsigned int size, u64 value)
{
	u64 mask = emu_mask(size);

	if (size == 1 && !in->rex && reg >= HIGH_BYTE) {
		reg -= HIGH_BYTE;
		value <<= 8;
		mask <<= 8;
	}
	value &= mask;
	if (size < 4)
		value |= vcpu_gpr(v, reg) & ~mask;
	vcpu_set_gpr(v, reg, value);
}

static inline u64 emu_reg_read(struct emu *e, unsigned int reg, unsigned int size)
{
	return emu_gpr_read(e->v, &e->in, reg, size);
}

static inline void emu_reg_write(struct emu *e, unsigned int reg, unsigned int size, u64 value)
{
	emu_gpr_write(e->v, &e->in, reg, size, value);
}

/* Queues a fault on v. Returns -EFAULT. */
int emu_fault(struct emu *e, const struct fault *f);
int emu_gp(struct emu *e);

/* Segmentation: checks seg:offset and makes the linear address. */
int emu_linear(struct emu *e, unsigned int seg, u64 offset, unsigned int size, bool write,
	       gva_t *gva);
int emu_translate(struct emu *e, gva_t gva, unsigned int size, bool write, struct page_cache *cache,
		  struct mem *m);
/* Both in one. */
int emu_mem(struct emu *e, unsigned int seg, u64 offset, unsigned int size, bool write,
	    struct page_cache *cache, struct mem *m);
/* Offset and segment of ModRM's memory operand. */
static inline u64 emu_offset(struct vcpu *v, const struct insn *in, u64 next_rip)
{
	u64 offset = (u64)in->disp;

	if (in->rip_relative)
		offset += next_rip;
	if (in->base >= 0)
		offset += vcpu_gpr(v, (unsigned int)in->base);
	if (in->index >= 0)
		offset += vcpu_gpr(v, (unsigned int)in->index) * in->scale;
	return offset & emu_mask(in->addr_size);
}

unsigned int emu_segment(const struct emu *e);
unsigned int emu_data_segment(const struct emu *e);

u64 emu_mem_read(struct emu *e, const struct mem *m, unsigned int offset, unsigned int size);
void emu_mem_write(struct emu *e, const struct mem *m, unsigned int offset, unsigned int size,
		   u64 value);

/* ModRM's operand; write: it will be written, so that this is checked before anything is read. */
int emu_rm(struct emu *e, unsigned int size, bool write, struct rm *rm);
u64 emu_rm_read(struct emu *e, const struct rm *rm);
void emu_rm_write(struct emu *e, const struct rm *rm, u64 value);
/* Second half of a read-modify-write. False: RAM has another value than old by now; do it again. */
bool emu_rm_commit(struct emu *e, const struct rm *rm, u64 old, u64 value);

/* --- pure arithmetic (emulate_alu.c); flags are read and written in *flags ------------------- */

enum alu_op {
	ALU_ADD,
	ALU_OR,
	ALU_ADC,
	ALU_SBB,
	ALU_AND,
	ALU_SUB,
	ALU_XOR,
	ALU_CMP,
};

enum shift_op {
	SHIFT_ROL,
	SHIFT_ROR,
	SHIFT_RCL,
	SHIFT_RCR,
	SHIFT_SHL,
	SHIFT_SHR,
	SHIFT_SAL, /* the same as SHL */
	SHIFT_SAR,
};

enum bit_op {
	BIT_TEST,
	BIT_SET,
	BIT_RESET,
	BIT_COMPLEMENT,
};

u64 alu_binary(enum alu_op op, u64 a, u64 b, unsigned int size, u64 *flags);
u64 alu_inc(u64 a, unsigned int size, u64 *flags);
u64 alu_dec(u64 a, unsigned int size, u64 *flags);
u64 alu_neg(u64 a, unsigned int size, u64 *flags);
u64 alu_shift(enum shift_op op, u64 a, unsigned int count, unsigned int size, u64 *flags);
/* SHLD, SHRD: bits of b move into a. */
u64 alu_double_shift(bool right, u64 a, u64 b, unsigned int count, unsigned int size, u64 *flags);
u64 alu_bit(enum bit_op op, u64 a, unsigned int bit, u64 *flags);
/* Signed product cut to size; CF and OF tell that it did not fit. */
u64 alu_imul(u64 a, u64 b, unsigned int size, u64 *flags);
/* Both halves of a product of size bytes each. */
void alu_mul(bool is_signed, u64 a, u64 b, unsigned int size, u64 *lo, u64 *hi, u64 *flags);
/* hi:lo / b. False: #DE. */
bool alu_div(bool is_signed, u64 lo, u64 hi, u64 b, unsigned int size, u64 *quotient, u64 *rest);
/* Condition code 0-15 of Jcc, SETcc, CMOVcc. */
bool alu_condition(unsigned int cc, u64 flags);

/* --- insn_cache.c ------------------------------------------------------------------------ */

/*
 * The instruction at RIP in 64-bit mode, or NULL: fetch and decode it. Valid until the next call.
 */

const struct insn *insn_cache_get(struct vcpu *v);

/* --- groups. EMULATE_DONE: registers and RIP are final --------------------------------------- */

/* Ends an instruction: to the next one, or to a target. */
enum emulate_result emu_done(struct emu *e);
enum emulate_result emu_jump(struct emu *e, u64 target);

enum emulate_result emu_one(struct emu *e);    /* emulate_one.c: one-byte opcodes */
enum emulate_result emu_0f(struct emu *e);     /* emulate_0f.c */
enum emulate_result emu_string(struct emu *e); /* emulate_string.c */
enum emulate_result emu_port(struct emu *e);   /* emulate_string.c: IN, OUT */
enum emulate_result emu_stack(struct emu *e);  /* emulate_stack.c: PUSH, POP, CALL, JMP, RET */
enum emulate_result emu_sse(struct emu *e);    /* emulate_sse.c: vector moves */

#endif
