/* SPDX-License-Identifier: MIT */
/*
 * Vector moves between XMM or MMX registers and devices, as compilers and memcpy use them: MOVUPS,
 * MOVAPS, MOVDQU, MOVDQA, the non-temporal ones, MOVSS, MOVSD, MOVD, MOVQ, MOVLPS, MOVHPS. SDM
 * vol. 2 rev. 083. The guest's registers are live in the processor, since Plinth itself uses
 * none. Whether the guest may use them (CR0.EM, TS, CR4.OSFXSR) was checked before the exit.
 */
#include "emulate_priv.h"
#include "errors.h"

#define XMM_SIZE 16U
#define REX_W	 8U

#if __STDC_HOSTED__
/* A host program has no guest in its registers; tests bring their own. */
bool xmm_usable(void);
void xmm_read(unsigned int n, u64 value[2]);
void xmm_write(unsigned int n, const u64 value[2]);

__attribute__((weak)) bool xmm_usable(void)
{
	return false;
}

__attribute__((weak)) void xmm_read(unsigned int n, u64 value[2])
{
	(void)n;
	value[0] = 0;
	value[1] = 0;
}

__attribute__((weak)) void xmm_write(unsigned int n, const u64 value[2])
{
	(void)n;
	(void)value;
}
/* MMX registers: a host program has its own. */
static bool mm_usable(void)
{
	return false;
}

static u64 mm_read(unsigned int n)
{
	(void)n;
	return 0;
}

static void mm_write(unsigned int n, u64 value)
{
	(void)n;
	(void)value;
}
#else
/* Does the processor let us, in the state in which Plinth runs? */
static bool xmm_usable(void)
{
	return (read_cr4() & CR4_OSFXSR) && !(read_cr0() & (CR0_EM | CR0_TS));
}

#define EACH_XMM(x) \
	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)

#define STORE_XMM(n)                                                                    \
	case n:                                                                         \
		__asm__ volatile("movups %%xmm" #n ", (%0)" : : "r"(value) : "memory"); \
		break;
#define LOAD_XMM(n)                                                                  \
	case n:                                                                      \
		__asm__ volatile("movups (%0), %%xmm" #n : : "r"(value) : "memory"); \
		break;

static void xmm_read(unsigned int n, u64 value[2])
{
	value[0] = value[1] = 0;
	switch (n) {
		EACH_XMM(STORE_XMM)
	}
}

static void xmm_write(unsigned int n, const u64 value[2])
{
	switch (n) {
		EACH_XMM(LOAD_XMM)
	}
}

/* A pending x87 exception is raised by the guest's instruction before it accesses memory; here it would be ours. */
#define FSW_ES BIT(7)

static bool mm_usable(void)
{
	u16 status;

	if (read_cr0() & (CR0_EM | CR0_TS))
		return false;
	__asm__ volatile("fnstsw %0" : "=a"(status));
	return !(status & FSW_ES);
}

#define EACH_MM(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7)

#define STORE_MM(n)                                                        \
	case n:                                                            \
		__asm__ volatile("movq %%mm" #n ", %0" : "=m"(value) : :); \
		break;
#define LOAD_MM(n)                                                     \
	case n:                                                        \
		__asm__ volatile("movq %0, %%mm" #n : : "m"(value) :); \
		break;

static u64 mm_read(unsigned int n)
{
	u64 value = 0;

	switch (n) {
		EACH_MM(STORE_MM)
	}
	return value;
}

static void mm_write(unsigned int n, u64 value)
{
	switch (n) {
		EACH_MM(LOAD_MM)
	}
}
#endif

enum vector_form {
	FORM_NONE,
	FORM_LOAD,     /* the rest of the register is cleared */
	FORM_LOAD_LOW, /* the other half stays */
	FORM_LOAD_HIGH,
	FORM_STORE,
	FORM_STORE_HIGH,
};

struct vector_move {
	u8 form, size;
	bool aligned;
	bool mmx;
};

/* The mandatory prefix: F3 and F2 come before 66. */
enum {
	P_NONE,
	P_66,
	P_F3,
	P_F2,
	NR_P
};

static unsigned int prefix_of(const struct insn *in)
{
	if (in->rep)
		return P_F3;
	if (in->repne)
		return P_F2;
	return in->opsize_prefix ? P_66 : P_NONE;
}

#define MOVE(f, s, a)                                         \
	{                                                     \
		.form = FORM_##f, .size = (s), .aligned = (a) \
	}

/* By opcode of map 0F and prefix. MOVD and MOVQ (6E, 7E with 66) take their size from REX.W. */
static const struct {
	u8 opcode;
	struct vector_move by_prefix[NR_P];
} moves[] = {
	{ 0x10,
	  { MOVE(LOAD, 16, false), MOVE(LOAD, 16, false), MOVE(LOAD, 4, false),
	    MOVE(LOAD, 8, false) } },
	{ 0x11,
	  { MOVE(STORE, 16, false), MOVE(STORE, 16, false), MOVE(STORE, 4, false),
	    MOVE(STORE, 8, false) } },
	{ 0x12, { MOVE(LOAD_LOW, 8, false), MOVE(LOAD_LOW, 8, false) } },
	{ 0x13, { MOVE(STORE, 8, false), MOVE(STORE, 8, false) } },
	{ 0x16, { MOVE(LOAD_HIGH, 8, false), MOVE(LOAD_HIGH, 8, false) } },
	{ 0x17, { MOVE(STORE_HIGH, 8, false), MOVE(STORE_HIGH, 8, false) } },
	{ 0x28, { MOVE(LOAD, 16, true), MOVE(LOAD, 16, true) } },
	{ 0x29, { MOVE(STORE, 16, true), MOVE(STORE, 16, true) } },
	{ 0x2b, { MOVE(STORE, 16, true), MOVE(STORE, 16, true) } },
	{ 0x6e, { [P_66] = MOVE(LOAD, 4, false) } },
	{ 0x6f, { [P_66] = MOVE(LOAD, 16, true), [P_F3] = MOVE(LOAD, 16, false) } },
	{ 0x7e, { [P_66] = MOVE(STORE, 4, false), [P_F3] = MOVE(LOAD, 8, false) } },
	{ 0x7f, { [P_66] = MOVE(STORE, 16, true), [P_F3] = MOVE(STORE, 16, false) } },
	{ 0xd6, { [P_66] = MOVE(STORE, 8, false) } },
	{ 0xe7, { [P_66] = MOVE(STORE, 16, true) } },
	{ 0xf0, { [P_F2] = MOVE(LOAD, 16, false) } }, /* LDDQU */
};

#define OP_MOVD_LOAD  0x6e
#define OP_MOVQ_LOAD  0x6f
#define OP_MOVD_STORE 0x7e
#define OP_MOVQ_STORE 0x7f
#define OP_MOVNTQ     0xe7

/* Without a prefix they are MMX's. REX.R has no meaning there. */
static struct vector_move find_mmx(const struct insn *in)
{
	struct vector_move m = { .form = FORM_NONE, .mmx = true };

	switch (in->opcode) {
	case OP_MOVD_LOAD:
	case OP_MOVQ_LOAD:
		m.form = FORM_LOAD;
		break;
	case OP_MOVD_STORE:
	case OP_MOVQ_STORE:
	case OP_MOVNTQ:
		m.form = FORM_STORE;
		break;
	default:
		break;
	}
	m.size = (in->opcode == OP_MOVD_LOAD || in->opcode == OP_MOVD_STORE) && !(in->rex & REX_W)
			 ? 4
			 : 8;
	return m;
}

#define OP_MOVNTDQA 0x2a /* of map 0F 38 */

static struct vector_move find_move(const struct insn *in)
{
	unsigned int prefix = prefix_of(in);
	struct vector_move m = { .form = FORM_NONE };

	if (in->map == MAP_0F38) {
		if (in->opcode == OP_MOVNTDQA && prefix == P_66)
			m = (struct vector_move)MOVE(LOAD, XMM_SIZE, true);
		return m;
	}
	if (prefix == P_NONE) {
		m = find_mmx(in);
		if (m.form != FORM_NONE)
			return m;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].opcode == in->opcode)
			m = moves[i].by_prefix[prefix];
	if (prefix == P_66 && (in->opcode == OP_MOVD_LOAD || in->opcode == OP_MOVD_STORE) &&
	    (in->rex & REX_W))
		m.size = 8;
	return m;
}

static void load(struct emu *e, struct vector_move m, const struct mem *mem)
{
	u64 value[2] = { 0, 0 };

	if (m.mmx) {
		mm_write(e->in.reg & 7U, emu_mem_read(e, mem, 0, m.size));
		return;
	}
	if (m.form != FORM_LOAD)
		xmm_read(e->in.reg, value);
	if (m.form == FORM_LOAD_HIGH) {
		value[1] = emu_mem_read(e, mem, 0, 8);
	} else {
		value[0] = emu_mem_read(e, mem, 0, m.size < 8 ? m.size : 8);
		if (m.size == XMM_SIZE)
			value[1] = emu_mem_read(e, mem, 8, 8);
	}
	xmm_write(e->in.reg, value);
}

static void store(struct emu *e, struct vector_move m, const struct mem *mem)
{
	u64 value[2];

	if (m.mmx) {
		emu_mem_write(e, mem, 0, m.size, mm_read(e->in.reg & 7U));
		return;
	}
	xmm_read(e->in.reg, value);
	if (m.form == FORM_STORE_HIGH)
		value[0] = value[1];
	emu_mem_write(e, mem, 0, m.size < 8 ? m.size : 8, value[0]);
	if (m.size == XMM_SIZE)
		emu_mem_write(e, mem, 8, 8, value[1]);
}

enum emulate_result emu_sse(struct emu *e)
{
	struct vector_move m = find_move(&e->in);
	bool write = m.form == FORM_STORE || m.form == FORM_STORE_HIGH;
	struct mem mem;
	gva_t gva;

	if (m.form == FORM_NONE || e->in.mod == 3 || !(m.mmx ? mm_usable() : xmm_usable()))
		return EMULATE_UNKNOWN;
	if (emu_linear(e, emu_segment(e), emu_offset(e->v, &e->in, e->next_rip), m.size, write,
		       &gva))
		return EMULATE_FAULT;
	if (m.aligned && !IS_ALIGNED(gva, XMM_SIZE)) {
		emu_gp(e);
		return EMULATE_FAULT;
	}
	if (emu_translate(e, gva, m.size, write, NULL, &mem))
		return EMULATE_FAULT;
	if (write)
		store(e, m, &mem);
	else
		load(e, m, &mem);
	return emu_done(e);
}
