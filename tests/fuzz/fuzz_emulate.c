/* SPDX-License-Identifier: MIT */
/*
 * The emulator: any bytes in any mode with any registers, on a machine with the real board. An
 * instruction is done and skipped, or has queued one exception with RIP where it was, or is
 * unknown and has changed nothing.
 */
#include "emulate.h"
#include "errors.h"
#include "guest_mem.h"
#include "policy.h"
#include "world.h"

#define PML4   0x1000ULL
#define PDPT   0x2000ULL
#define PD_LOW 0x3000ULL
#define PT_LOW 0x4000ULL
#define PD_DEV 0x5000ULL
#define CODE   0x8000ULL
#define ROUNDS 4
#define PAGES  64
#define DEVICE 0xfec00000ULL
#define ALLOW  (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

unsigned int policy_maxphyaddr(void)
{
	return 40;
}

bool cpuid_policy_has(u32 leaf, u32 subleaf, char reg, unsigned int bit)
{
	(void)leaf;
	(void)subleaf;
	(void)reg;
	(void)bit;
	return false;
}

static void set64(gpa_t gpa, u64 value)
{
	memcpy(world_ram + gpa, &value, sizeof(value));
}

/* One to one: the first pages with flags of the input's, and the devices below 4 GiB. */
static void page_tables(struct input *in)
{
	u64 except = take8(in) % PAGES, flags = take16(in);

	set64(PML4, PDPT | ALLOW);
	set64(PDPT, PD_LOW | ALLOW);
	set64(PDPT + 3 * 8, PD_DEV | ALLOW);
	set64(PD_LOW, PT_LOW | ALLOW);
	for (u64 i = 0; i < PAGES; i++)
		set64(PT_LOW + i * 8, i * PAGE_SIZE | ALLOW);
	/* The second last is a device, the last one nothing. */
	set64(PT_LOW + 62 * 8, DEVICE | ALLOW);
	set64(PT_LOW + 63 * 8, 0xd0000000ULL | ALLOW);
	set64(PT_LOW + 61 * 8, 0xfee00000ULL | ALLOW);
	set64(PT_LOW + except * 8, except * PAGE_SIZE | (flags & 0xfff) | (flags & PTE_P));
	for (u64 i = 502; i < 512; i++)
		set64(PD_DEV + i * 8, (0xc0000000ULL + (i << 21)) | ALLOW | PTE_PS);
	world_vcpu->cr3 = PML4;
}

/* An address that means something, or any. */
static u64 choose_value(struct input *in)
{
	u8 how = take8(in);
	u64 low = take16(in);

	switch (how & 7) {
	case 0:
		return take64(in);
	case 1:
		return low;
	case 2:
		return DEVICE + (low & 0xff);
	case 3:
		return 0xfee00000ULL + (low & 0xfff);
	case 4:
		return 0x3d000 + (low & 0x3fff);
	case 5:
		return 0x3dff0 + (low & 0x201f);
	case 6:
		return (u64)(s16)low;
	default:
		return 0x9ff0 + (low & 0x1f);
	}
}

static void registers(struct input *in)
{
	struct vcpu *v = world_vcpu;
	u8 which = take8(in);

	for (unsigned int r = 0; r < NR_GPRS; r++)
		v->gpr[r] = choose_value(in);
	v->rflags = (take32(in) & 0x3f7fd5ULL & ~RFLAGS_TF & ~RFLAGS_VM) | RFLAGS_ONE;
	if (which & 1) { /* a segment of any kind */
		struct segment *s = &v->seg[which >> 1 & 7];
		u16 keep = SEG_S | SEG_P;

		if ((which >> 1 & 7) == SEG_CS)
			keep |= SEG_CODE | SEG_L | SEG_DB;
		s->attr = (u16)((take16(in) & ~keep & 0xf0ff) | (s->attr & keep));
		s->limit = take32(in);
		s->base = (which & 0x10) ? take32(in) : take64(in) & 0x7fffffffffffULL;
	}
	if (which & 0x20) {
		v->seg[SEG_CS].attr |= 3U << SEG_DPL_SHIFT;
		v->seg[SEG_SS].attr |= 3U << SEG_DPL_SHIFT;
		v->cr0 |= CR0_AM;
	}
	if (which & 0x40)
		v->cr4 |= CR4_SMAP | CR4_SMEP;
}

/* Why the processor gave the instruction up, as a backend tells it. */
static void choose_exit(struct input *in)
{
	struct vm_exit *x = &world_vcpu->exit;
	u8 how = take8(in);

	memset(x, 0, sizeof(*x));
	if (how & 1) {
		x->kind = EXIT_NESTED_PAGE_FAULT;
		x->npf.gpa = choose_value(in) & PTE_ADDR;
		x->npf.write = how & 2;
		x->npf.gpa |= how & 4 ? world_vcpu->gpr[how >> 4] & 0xfff : 0;
	} else if (how & 2) {
		x->kind = EXIT_PORT_IO;
		x->io = (struct exit_io){ .port = (u16)world_vcpu->gpr[GPR_RDX], .size = 1 };
	}
}

static bool is_string(const u8 *code, unsigned int n, unsigned int code_size)
{
	struct insn in;

	if (insn_decode(&in, code, n, code_size) || in.map != MAP_ONE)
		return false;
	return (in.opcode >= 0x6c && in.opcode <= 0x6f) ||
	       (in.opcode >= 0xa4 && in.opcode <= 0xaf && in.opcode != 0xa8 && in.opcode != 0xa9);
}

static void one_insn(const u8 *code, unsigned int n, bool known)
{
	struct vcpu *v = world_vcpu;
	static struct vcpu before;
	unsigned int code_size = vcpu_code_size(v);
	enum emulate_result r;

	world_event.any = false;
	world_skips = 0;
	world_calls = 0;
	before = *v;
	r = emulate_insn(v, known ? code : NULL, known ? n : 0);
	CHECK(r == EMULATE_DONE || r == EMULATE_FAULT || r == EMULATE_UNKNOWN, "result %d", (int)r);
	CHECK(world_skips <= 1, "%u skips", world_skips);
	CHECK(world_calls < 100000, "%lu calls", world_calls);
	CHECK((v->rflags & ~0x3f7fffULL) == 0 && (v->rflags & RFLAGS_ONE), "flags %#llx",
	      (unsigned long long)v->rflags);
	if (r == EMULATE_DONE) {
		CHECK(!world_event.any, "done with vector %u", world_event.vector);
		CHECK(world_skips == 1 || v->rip == before.rip, "RIP moved without a skip");
		CHECK(code_size == 8 || v->rip >> 32 == 0, "RIP %#llx", (unsigned long long)v->rip);
		return;
	}
	CHECK(world_skips == 0 && v->rip == before.rip, "RIP moved");
	/* A page that became fetchable meanwhile is the one fault without an exception: not here. */
	CHECK(r == EMULATE_UNKNOWN || world_event.any, "fault without an exception");
	CHECK(r == EMULATE_FAULT || !world_event.any, "unknown with vector %u", world_event.vector);
	if (!is_string(code, n, code_size)) {
		CHECK(!memcmp(before.gpr, v->gpr, sizeof(v->gpr)), "a register changed");
		CHECK(!memcmp(before.seg, v->seg, sizeof(v->seg)), "a segment changed");
		CHECK(before.rflags == v->rflags, "flags changed");
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 code_sizes[] = { 8, 8, 4, 2 };
	struct input in = { data, size };
	struct vcpu *v;
	u8 mode = take8(&in), code[INSN_MAX] = { 0 }, at;
	size_t n;
	u64 start;

	world_start();
	v = world_vcpu;
	world_mode(code_sizes[mode & 3]);
	if (mode & 8) {
		v->cr0 |= CR0_PG;
		v->cr4 |= CR4_PAE;
	}
	page_tables(&in);
	registers(&in);
	choose_exit(&in);
	/* At the begin of a page, at its end, or before what cannot be fetched. */
	at = take8(&in);
	start = CODE + (at & 0x80 ? PAGE_SIZE - (at & 15) : at & 15U);
	v->rip = vcpu_code_size(v) == 8 ? start : start - v->seg[SEG_CS].base;
	if (vcpu_code_size(v) != 8)
		v->rip = (u32)v->rip;
	n = in.left < INSN_MAX ? in.left : INSN_MAX;
	memcpy(code, in.p, n);
	memcpy(world_ram + start, code, INSN_MAX);
	in.p += n;
	in.left -= n;
	/* The rest is what RAM holds where the operands are. */
	if (in.left)
		memcpy(world_ram + 0xa000, in.p, in.left < 0x1000 ? in.left : 0x1000);
	for (unsigned int i = 0; i < ROUNDS && v->rip == (vcpu_code_size(v) == 8 ? start : v->rip);
	     i++) {
		one_insn(code, INSN_MAX, (mode & 0x30) == 0x30);
		if (world_skips || world_event.any)
			break;
	}
	return 0;
}
