/* SPDX-License-Identifier: MIT */
/*
 * See world.h. The vCPU's part of it stands for arch/vcpu/event.c and vcpu.c: it records.
 */
#include "world.h"

#include "guest_mem.h"
#include "policy.h"
#include "virt.h"

#define START_NS      1000000000ULL
#define WALL_NS	      1700000000000000000ULL
#define TSC_PER_NS    2
#define DEBUG_EXIT    0xf4
#define WIRE_CAPACITY 64 /* bytes that the wire takes before it is full for one byte */

struct vm *world_vm;
struct vcpu *world_vcpu;
u8 *world_ram, *world_rom, *world_high;
u64 world_now;
unsigned long world_calls;
const u8 *world_typed;
size_t world_typed_left;
unsigned long world_sent;
unsigned int world_kicks;
u32 world_pkru;
struct world_event world_event;
unsigned int world_skips, world_skip_len;

/* --- what the core does ------------------------------------------------------------------------ */

void vcpu_load(struct vcpu *v, u32 regs)
{
	CHECK(false, "registers %#x are not loaded in vCPU %u", regs, v->id);
}

void vcpu_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	/* SDM vol. 3 table 6-1: which have an error code. */
	bool wants = vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) ||
		     vector == VEC_AC || vector == VEC_CP;

	(void)v;
	CHECK(vector < 32 && vector != VEC_NMI, "vector %u is no exception", vector);
	CHECK(has_error == wants, "vector %u, error code %u", vector, has_error);
	CHECK(!world_event.any, "vector %u queued upon %u", vector, world_event.vector);
	world_event = (struct world_event){ true, has_error, vector, error, 0 };
}

void vcpu_inject_ud(struct vcpu *v)
{
	vcpu_inject_exception(v, VEC_UD, false, 0);
}

void vcpu_inject_gp(struct vcpu *v, u32 error)
{
	vcpu_inject_exception(v, VEC_GP, true, error);
}

void vcpu_inject_pf(struct vcpu *v, gva_t address, u32 error)
{
	vcpu_inject_exception(v, VEC_PF, true, error);
	world_event.address = address;
}

bool vcpu_skip_insn(struct vcpu *v, unsigned int len)
{
	u64 rip = v->rip + len;

	CHECK(len > 0 && len <= INSN_MAX, "length %u", len);
	world_skips++;
	world_skip_len = len;
	vcpu_set_rip(v, vcpu_code_size(v) == 8 ? rip : (u32)rip);
	return true;
}

void vcpu_request(struct vcpu *v, u32 requests)
{
	v->requests |= requests;
}

u64 vcpu_guest_tsc(struct vcpu *v)
{
	return world_now * TSC_PER_NS + v->tsc_offset;
}

u32 guest_pkru(void);
u32 guest_pkru(void)
{
	return world_pkru;
}

/* --- LAPIC and board --------------------------------------------------------------------------- */

static u64 now(void)
{
	world_calls++;
	return world_now;
}

static u64 wallclock(void)
{
	world_calls++;
	return WALL_NS + world_now;
}

static bool tx(void *ctx, u8 byte)
{
	(void)ctx;
	(void)byte;
	world_calls++;
	return ++world_sent % WIRE_CAPACITY != 0;
}

static int rx(void *ctx)
{
	(void)ctx;
	world_calls++;
	if (!world_typed_left)
		return -1;
	world_typed_left--;
	return *world_typed++;
}

static void kick(void *ctx)
{
	(void)ctx;
	world_calls++;
	world_kicks++;
}

static void pulse(void *ctx)
{
	(void)ctx;
	world_calls++;
}

static void sipi(void *ctx, u8 vector)
{
	(void)ctx;
	(void)vector;
	world_calls++;
}

static void eoi_broadcast(void *ctx, u8 vector)
{
	struct vcpu *v = ctx;

	world_calls++;
	ioapic_eoi(&v->vm->board.ioapic, vector);
}

static bool extint_pending(void *ctx)
{
	struct vcpu *v = ctx;

	return pic_pending(&v->vm->board.pic);
}

static u64 guest_tsc(void *ctx)
{
	world_calls++;
	return vcpu_guest_tsc(ctx);
}

/* A time that has passed is as good as any other in the past. */
static u64 tsc_to_ns(void *ctx, u64 tsc)
{
	struct vcpu *v = ctx;
	u64 ahead = tsc - vcpu_guest_tsc(v);

	if (tsc <= vcpu_guest_tsc(v))
		return world_now;
	if (ahead / TSC_PER_NS > UINT64_MAX - world_now - 1)
		return UINT64_MAX;
	return world_now + (ahead + TSC_PER_NS - 1) / TSC_PER_NS;
}

static const struct lapic_ops lapic_ops = {
	.kick = kick,
	.nmi = pulse,
	.smi = pulse,
	.init = pulse,
	.sipi = sipi,
	.eoi_broadcast = eoi_broadcast,
	.extint_pending = extint_pending,
	.guest_tsc = guest_tsc,
	.tsc_to_ns = tsc_to_ns,
	.tpr_changed = pulse,
};

static int memory_read(void *ctx, gpa_t gpa, void *dst, u64 len)
{
	(void)ctx;
	world_calls++;
	return gpmap_read(&world_vm->gpmap, gpa, dst, len);
}

static int memory_write(void *ctx, gpa_t gpa, const void *src, u64 len)
{
	(void)ctx;
	world_calls++;
	return gpmap_write(&world_vm->gpmap, gpa, src, len);
}

static int memory_clear(void *ctx, gpa_t gpa, u64 len)
{
	(void)ctx;
	world_calls++;
	return gpmap_fill(&world_vm->gpmap, gpa, 0, len);
}

static const struct board_host host = {
	.now = now,
	.wallclock = wallclock,
	.com1 = { .tx = tx, .rx = rx },
	.keyboard = rx,
	.debug_exit_port = DEBUG_EXIT,
	.memory = { memory_read, memory_write, memory_clear, NULL },
	.kick = kick,
};

void world_board(struct board *b)
{
	int err = board_init(b, &host, MIB(512), GIB(1));

	CHECK(err == 0, "board_init: %d", err);
}

/* --- the backend ------------------------------------------------------------------------------- */

static void flush_tlb(struct vcpu *v)
{
	(void)v;
	world_calls++;
}

static void set_tsc_offset(struct vcpu *v, u64 offset)
{
	CHECK(v->tsc_offset == offset, "offset of vCPU %u", v->id);
}

static void intercept_msr(struct vcpu *v, u32 msr, unsigned int access)
{
	(void)v;
	(void)msr;
	(void)access;
}

static const struct virt_ops virt_ops = {
	.name = "none",
	.flush_tlb = flush_tlb,
	.set_tsc_offset = set_tsc_offset,
	.intercept_msr = intercept_msr,
};

/* --- life -------------------------------------------------------------------------------------- */

#define ATTR_CODE (SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A)
#define ATTR_DATA (SEG_P | SEG_S | SEG_W | SEG_A)

void world_mode(unsigned int code_size)
{
	struct vcpu *v = world_vcpu;

	v->cr0 = CR0_PE | CR0_ET | CR0_WP;
	v->cr4 = 0;
	v->efer = 0;
	v->rflags = RFLAGS_ONE;
	for (unsigned int s = SEG_ES; s <= SEG_GS; s++)
		v->seg[s] = (struct segment){
			.selector = (u16)(8 + 8 * s),
			.attr = (u16)(ATTR_DATA | SEG_G | (code_size == 4 ? SEG_DB : 0)),
			.limit = UINT32_MAX,
		};
	v->seg[SEG_CS].attr = (u16)(ATTR_CODE | SEG_G | (code_size == 4 ? SEG_DB : 0));
	if (code_size == 8) {
		v->cr0 |= CR0_PG;
		v->cr4 = CR4_PAE;
		v->efer = EFER_LMA | EFER_LME | EFER_NXE;
		v->seg[SEG_CS].attr |= SEG_L;
	}
}

static void add_extent(gpa_t gpa, u8 *p, u64 len, unsigned int prot)
{
	world_vm->gpmap.extent[world_vm->gpmap.n++] = (struct gp_extent){
		.gpa = gpa,
		.hpa = (hpa_t)(uintptr_t)p,
		.len = len,
		.prot = prot,
	};
}

void world_start(void)
{
	const unsigned int all = GP_READ | GP_WRITE | GP_EXEC;

	if (!world_vm) {
		world_vm = calloc(1, sizeof(*world_vm));
		world_vcpu = calloc(1, sizeof(*world_vcpu));
		world_ram = aligned_alloc(PAGE_SIZE, WORLD_RAM);
		world_rom = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		world_high = aligned_alloc(PAGE_SIZE, WORLD_HIGH_LEN);
	}
	memset(world_vm, 0, sizeof(*world_vm));
	memset(world_vcpu, 0, sizeof(*world_vcpu));
	memset(world_ram, 0, WORLD_RAM);
	memset(world_rom, 0, PAGE_SIZE);
	memset(world_high, 0, WORLD_HIGH_LEN);
	world_now = START_NS;
	world_calls = 0;
	world_typed_left = 0;
	world_sent = 0;
	world_kicks = 0;
	world_pkru = 0;
	world_event.any = false;
	world_skips = 0;

	add_extent(0, world_ram, WORLD_RAM, all);
	add_extent(WORLD_ROM, world_rom, PAGE_SIZE, GP_READ | GP_EXEC);
	add_extent(WORLD_HIGH, world_high, WORLD_HIGH_LEN, all);
	world_board(&world_vm->board);
	world_vcpu->vm = world_vm;
	world_vcpu->ops = &virt_ops;
	world_vcpu->reg_avail = REG_ALL;
	timer_queue_init(&world_vcpu->timers, now);
	lapic_create(&world_vcpu->lapic, 0, true, &world_vcpu->timers, &world_vm->board.apic_bus,
		     &lapic_ops, world_vcpu);
	world_vm->board.apic_bus.lapic[world_vm->board.apic_bus.n++] = &world_vcpu->lapic;
	world_vm->vcpu[0] = world_vcpu;
	world_vm->nr_vcpus = 1;
	world_vm->ram_below_4g = WORLD_RAM;
	world_mode(4);
}

void world_pass(u64 ns)
{
	world_now += ns;
	timer_run(&world_vm->board.timers, world_now);
	timer_run(&world_vcpu->timers, world_now);
}
