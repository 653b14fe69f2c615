/* SPDX-License-Identifier: MIT */
/*
 * The one exit switch: what each reason for leaving the guest means. Backends have decoded the reason; nothing here
 * knows them.
 */
#include "board.h"
#include "emulate.h"
#include "errors.h"
#include "event.h"
#include "guest_mem.h"
#include "lib.h"
#include "panic.h"
#include "policy.h"
#include "printk.h"
#include "virt.h"
#include "vm.h"

#define OPCODE_MOV_TO_CR 0x22 /* after 0F */

/* The switch at the end jumps to these: inlined into it they would give it a stack frame that all pay for. */

static __noinline void exit_cpuid(struct vcpu *v)
{
	struct cpuid_regs r;

	if (!vcpu_skip_insn(v, v->exit.insn_len))
		return;
	r = cpuid_policy(v, (u32)v->gpr[GPR_RAX], (u32)v->gpr[GPR_RCX]);
	v->gpr[GPR_RAX] = r.eax;
	v->gpr[GPR_RBX] = r.ebx;
	v->gpr[GPR_RCX] = r.ecx;
	v->gpr[GPR_RDX] = r.edx;
}

/* RDMSR and RDPMC: the register that ECX names to EDX:EAX. */
static inline void read_named(struct vcpu *v, int (*read)(struct vcpu *v, u32 name, u64 *value))
{
	u64 value;

	if (read(v, (u32)v->gpr[GPR_RCX], &value)) {
		vcpu_inject_gp(v, 0);
		return;
	}
	if (!vcpu_skip_insn(v, v->exit.insn_len))
		return;
	v->gpr[GPR_RAX] = (u32)value;
	v->gpr[GPR_RDX] = value >> 32;
}

static __noinline void exit_rdmsr(struct vcpu *v)
{
	read_named(v, msr_read);
}

static __noinline void exit_rdpmc(struct vcpu *v)
{
	read_named(v, pmc_read);
}

static __noinline void exit_wrmsr(struct vcpu *v)
{
	u64 value = (u32)v->gpr[GPR_RAX] | v->gpr[GPR_RDX] << 32;

	if (msr_write(v, (u32)v->gpr[GPR_RCX], value))
		vcpu_inject_gp(v, 0);
	else
		vcpu_skip_insn(v, v->exit.insn_len);
}

static __noinline void report_bytes(struct vcpu *v, const char *what)
{
	char why[160];
	u8 bytes[INSN_MAX];
	char hex[3 * INSN_MAX + 1] = "";
	struct fault fault;
	int n = guest_fetch(v, bytes, &fault);

	for (int i = 0; i < n && i < INSN_MAX; i++)
		snprintf(hex + 3 * i, 4, "%02x ", bytes[i]);
	snprintf(why, sizeof(why), "%s (instruction bytes: %s)", what,
		 n > 0 ? hex : "not readable");
	vcpu_stop_guest(v, why);
}

static void emulate(struct vcpu *v, const u8 *bytes, unsigned int n)
{
	if (emulate_insn(v, bytes, n) == EMULATE_UNKNOWN)
		report_bytes(v,
			     "the guest accessed a device by an instruction that is not emulated");
}

static __noinline void exit_io(struct vcpu *v)
{
	const struct exit_io *io = &v->exit.io;
	struct board *b = &v->vm->board;

	if (unlikely(io->string)) {
		emulate(v, NULL, 0);
		return;
	}
	spin_lock(&b->lock);
	if (io->in) {
		u64 value = bus_port_read(&b->bus, io->port, io->size);
		u64 *rax = &v->gpr[GPR_RAX];

		/* A 32-bit result zeroes the upper half, smaller ones keep the rest. */
		if (io->size == 4)
			*rax = value;
		else if (io->size == 2)
			*rax = (*rax & ~0xffffULL) | (u16)value;
		else
			*rax = (*rax & ~0xffULL) | (u8)value;
	} else {
		u32 mask = io->size == 4 ? UINT32_MAX : BIT(io->size * 8) - 1;

		bus_port_write(&b->bus, io->port, io->size, (u32)v->gpr[GPR_RAX] & mask);
	}
	spin_unlock(&b->lock);
	vcpu_skip_insn(v, v->exit.insn_len);
}

/* What is not an access to the LAPIC page. */
static __noinline void npf_elsewhere(struct vcpu *v)
{
	const struct exit_npf *npf = &v->exit.npf;
	unsigned int prot = npf->write ? GP_WRITE : GP_READ;
	char why[96];
	u64 len;

	if (npf->fetch)
		prot = GP_EXEC;
	if (unlikely(gpmap_ptr(&v->vm->gpmap, npf->gpa, prot, &len))) {
		/* Mapped and allowed: a stale translation. */
		v->ops->flush_tlb(v);
		return;
	}
	if (unlikely(npf->fetch && !npf->table_walk)) {
		snprintf(why, sizeof(why),
			 "the guest runs where there is no memory: guest-physical %lx", npf->gpa);
		vcpu_stop_guest(v, why);
		return;
	}
	if (unlikely(v->pending.type)) {
		/* An event's delivery reached for a stack or table that is not memory. */
		snprintf(why, sizeof(why),
			 "delivery of vector %u needs guest-physical %lx, which is not memory",
			 v->pending.vector, npf->gpa);
		vcpu_stop_guest(v, why);
		return;
	}
	emulate(v, npf->insn, npf->insn_bytes);
}

static __noinline void exit_npf(struct vcpu *v)
{
	const struct exit_npf *npf = &v->exit.npf;

	if (likely(lapic_claims(&v->lapic, npf->gpa) && !npf->fetch && !v->pending.type))
		emulate(v, npf->insn, npf->insn_bytes);
	else
		npf_elsewhere(v);
}

static __noinline void exit_xsetbv(struct vcpu *v)
{
	u64 value = (u32)v->gpr[GPR_RAX] | v->gpr[GPR_RDX] << 32;

	if (vcpu_cpl(v) || xcr0_write(v, (u32)v->gpr[GPR_RCX], value))
		vcpu_inject_gp(v, 0);
	else
		vcpu_skip_insn(v, v->exit.insn_len);
}

/* Plinth offers no hypercalls: all answer "no such call". */
static __noinline void exit_hypercall(struct vcpu *v)
{
	if (vcpu_skip_insn(v, v->exit.insn_len))
		v->gpr[GPR_RAX] = (u64) - (s64)ENOSYS;
}

static u64 read_cr(struct vcpu *v, unsigned int cr)
{
	switch (cr) {
	case 0:
		return vcpu_cr0(v);
	case 2:
		return vcpu_cr2(v);
	case 3:
		return vcpu_cr3(v);
	case 4:
		return vcpu_cr4(v);
	default:
		return lapic_get_cr8(&v->lapic);
	}
}

static int write_cr(struct vcpu *v, unsigned int cr, u64 value)
{
	switch (cr) {
	case 0:
		return cr0_write(v, value);
	case 3:
		return cr3_write(v, value);
	case 4:
		return cr4_write(v, value);
	default:
		if (value >> 4)
			return -EINVAL;
		lapic_set_cr8(&v->lapic, (u8)value);
		vcpu_request(v, VCPU_REQ_EVENT);
		return 0;
	}
}

static __noinline void exit_cr(struct vcpu *v)
{
	struct exit_cr cr = v->exit.cr;
	unsigned int len = v->exit.insn_len;
	int err = 0;
	u64 value;

	if (!cr.decoded) {
		struct insn in;

		if (emulate_fetch_decode(v, NULL, 0, &in))
			return;
		cr.gpr = in.rm;
		len = in.len;
	}
	switch (cr.op) {
	case CR_READ:
		value = read_cr(v, cr.cr);
		if (vcpu_code_size(v) != 8)
			value = (u32)value;
		vcpu_set_gpr(v, cr.gpr, value);
		break;
	case CR_WRITE:
		value = vcpu_gpr(v, cr.gpr);
		if (vcpu_code_size(v) != 8)
			value = (u32)value;
		err = write_cr(v, cr.cr, value);
		break;
	case CR_CLTS:
		err = cr0_write(v, vcpu_cr0(v) & ~CR0_TS);
		break;
	case CR_LMSW:
		/* PE can be set, not cleared: SDM vol. 2, LMSW. */
		value = vcpu_cr0(v);
		value = (value & ~(CR0_MP | CR0_EM | CR0_TS)) |
			(cr.lmsw_source & (CR0_PE | CR0_MP | CR0_EM | CR0_TS));
		err = cr0_write(v, value);
		break;
	}
	if (err)
		vcpu_inject_gp(v, 0);
	else
		vcpu_skip_insn(v, len);
}

static __noinline void exit_exception(struct vcpu *v)
{
	const struct event *e = &v->exit.exception;

	if (e->vector == VEC_MC)
		panic("machine check while the guest ran");
	vcpu_inject_exception(v, e->vector, e->has_error, e->error);
}

/* A guest may write bad values in a row with nothing else that exits; an entry that fails by itself does so for ever. */
#define REFUSED_CR_MAX 4096

/* QEMU's software emulation answers a CR3 or CR4 with reserved bits, which is #GP, with the code of a failed entry at the MOV. */
static bool refused_cr(struct vcpu *v)
{
	const struct exit_trace *before = &v->trace[(v->trace_next - 2) % EXIT_TRACE];
	struct insn in;
	u64 value;

	v->refused_cr = before->kind == EXIT_ENTRY_FAILURE ? v->refused_cr + 1 : 0;
	if (v->refused_cr > REFUSED_CR_MAX || emulate_fetch_decode(v, NULL, 0, &in) ||
	    in.map != MAP_0F || in.opcode != OPCODE_MOV_TO_CR)
		return false;
	value = vcpu_gpr(v, in.rm);
	if (vcpu_code_size(v) != 8)
		value = (u32)value;
	if (in.reg == 3 ? cr3_write(v, value) == 0 : in.reg != 4 || cr4_write(v, value) == 0)
		return false;
	vcpu_inject_gp(v, 0);
	return true;
}

static __noinline void exit_unexpected(struct vcpu *v)
{
	char why[64];

	snprintf(why, sizeof(why), "exit with code %x that Plinth does not expect", v->exit.raw);
	vcpu_stop_guest(v, why);
}

static __noinline void exit_interrupt(struct vcpu *v)
{
	irq_window();
	vcpu_after_interrupt(v);
}

static __noinline void exit_hlt(struct vcpu *v)
{
	if (vcpu_skip_insn(v, v->exit.insn_len)) {
		v->halted = !v->pending.type;
		vcpu_request(v, VCPU_REQ_EVENT);
	}
}

/* Each case is one call, so that the switch itself needs no stack frame. */
void vcpu_handle_exit(struct vcpu *v)
{
	switch ((enum exit_kind)v->exit.kind) {
	case EXIT_CPUID:
		exit_cpuid(v);
		return;
	case EXIT_PORT_IO:
		exit_io(v);
		return;
	case EXIT_NESTED_PAGE_FAULT:
		exit_npf(v);
		return;
	case EXIT_RDMSR:
		exit_rdmsr(v);
		return;
	case EXIT_WRMSR:
		exit_wrmsr(v);
		return;
	case EXIT_INTERRUPT:
		exit_interrupt(v);
		return;
	case EXIT_NMI:
	case EXIT_INIT:
	case EXIT_SIPI:
	case EXIT_PAUSE:
	case EXIT_TIMER:
		return;
	case EXIT_INTERRUPT_WINDOW:
	case EXIT_NMI_WINDOW:
		vcpu_request(v, VCPU_REQ_EVENT);
		return;
	case EXIT_HLT:
		exit_hlt(v);
		return;
	case EXIT_CR_ACCESS:
		exit_cr(v);
		return;
	case EXIT_HYPERCALL:
		exit_hypercall(v);
		return;
	case EXIT_XSETBV:
		exit_xsetbv(v);
		return;
	case EXIT_CACHE:
		/* Guest RAM is write-back and coherent: nothing to write back, and INVD must not lose data. */
		vcpu_skip_insn(v, v->exit.insn_len);
		return;
	case EXIT_RDPMC:
		exit_rdpmc(v);
		return;
	case EXIT_UNDEFINED:
	case EXIT_MONITOR:
	case EXIT_MWAIT:
		vcpu_inject_ud(v);
		return;
	case EXIT_EXCEPTION:
		exit_exception(v);
		return;
	case EXIT_SHUTDOWN:
		vcpu_stop_guest(v, "triple fault");
		return;
	case EXIT_ENTRY_FAILURE:
		if (refused_cr(v))
			return;
		vcpu_stop_guest(v, "the processor refused the guest's state");
		return;
	case EXIT_TASK_SWITCH:
		vcpu_task_switch(v);
		return;
	case EXIT_DR_ACCESS:
	case EXIT_UNKNOWN:
	case NR_EXIT_KINDS:
		break;
	}
	exit_unexpected(v);
}
