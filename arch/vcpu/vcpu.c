/* SPDX-License-Identifier: MIT */
/*
 * A virtual processor's life: creation, reset, the run loop.
 */
#include "board.h"
#include "console.h"
#include "cpu.h"
#include "errors.h"
#include "event.h"
#include "lib.h"
#include "msr.h"
#include "policy.h"
#include "printk.h"
#include "time.h"
#include "virt.h"
#include "vm.h"

void vcpu_load(struct vcpu *v, u32 regs)
{
	v->ops->load(v, vcpu_reg_parts(regs));
}

/* --- what the LAPIC wants of its vCPU ------------------------------------------------------- */

static void lapic_kick(void *ctx)
{
	vcpu_request(ctx, VCPU_REQ_EVENT);
}

static void lapic_nmi(void *ctx)
{
	vcpu_request(ctx, VCPU_REQ_NMI);
}

/* The board has no SMM: an SMI would run firmware that is not there. */
static void lapic_smi(void *ctx)
{
	(void)ctx;
}

static void lapic_init(void *ctx)
{
	vcpu_request(ctx, VCPU_REQ_INIT);
}

/* Only an application processor waits for one: SDM vol. 3 9.4.3. */
static void lapic_sipi(void *ctx, u8 vector)
{
	(void)ctx;
	(void)vector;
}

static void lapic_eoi_broadcast(void *ctx, u8 vector)
{
	struct board *b = &((struct vcpu *)ctx)->vm->board;

	spin_lock(&b->lock);
	ioapic_eoi(&b->ioapic, vector);
	spin_unlock(&b->lock);
}

static bool lapic_extint_pending(void *ctx)
{
	return pic_pending(&((struct vcpu *)ctx)->vm->board.pic);
}

static u64 lapic_guest_tsc(void *ctx)
{
	return vcpu_guest_tsc(ctx);
}

static u64 lapic_tsc_to_ns(void *ctx, u64 guest_tsc)
{
	u64 now = vcpu_guest_tsc(ctx);

	if (guest_tsc <= now)
		return 0;
	/* Further than the clock counts: never. */
	if (guest_tsc - now > INT64_MAX - rdtsc())
		return TIME_NEVER;
	/* Rounded up, so that the guest never sees the timer before its time. */
	return time_from_tsc(guest_tsc - ((struct vcpu *)ctx)->tsc_offset) + 1;
}

static void lapic_tpr_changed(void *ctx)
{
	struct vcpu *v = ctx;

	v->ops->set_cr8(v, lapic_get_cr8(&v->lapic));
	vcpu_request(v, VCPU_REQ_EVENT);
}

static const struct lapic_ops lapic_ops = {
	.kick = lapic_kick,
	.nmi = lapic_nmi,
	.smi = lapic_smi,
	.init = lapic_init,
	.sipi = lapic_sipi,
	.eoi_broadcast = lapic_eoi_broadcast,
	.extint_pending = lapic_extint_pending,
	.guest_tsc = lapic_guest_tsc,
	.tsc_to_ns = lapic_tsc_to_ns,
	.tpr_changed = lapic_tpr_changed,
};

/* --- creation and reset ----------------------------------------------------------------------- */

int vcpu_create(struct vcpu *v, struct vm *vm, const struct virt_ops *ops, u32 id)
{
	struct apic_bus *bus = &vm->board.apic_bus;
	int err;

	v->vm = vm;
	v->ops = ops;
	v->id = id;
	timer_queue_init(&v->timers, time_now);
	err = msr_state_create(v);
	if (err)
		return err;
	err = ops->vcpu_create(v);
	if (err)
		return err;
	lapic_create(&v->lapic, id, id == 0, &v->timers, bus, &lapic_ops, v);
	v->lapic.phys_bits = (u8)policy_maxphyaddr();
	v->lapic.timer_scale = (u8)policy_lapic_timer_scale();
	bus->lapic[bus->n++] = &v->lapic;
	vm->vcpu[vm->nr_vcpus++] = v;
	msr_setup_intercepts(v);
	this_cpu()->vcpu = v;
	return 0;
}

/* Values after power-up and INIT: SDM vol. 3 table 10-1. */
#define RESET_CS_SELECTOR 0xf000
#define RESET_CS_BASE	  0xffff0000ULL
#define RESET_RIP	  0xfff0ULL
#define RESET_LIMIT	  0xffffU
#define RESET_ATTR_CODE	  (SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A)
#define RESET_ATTR_DATA	  (SEG_P | SEG_S | SEG_W | SEG_A)

void vcpu_reset(struct vcpu *v, bool init)
{
	u64 old_cr0 = init ? vcpu_cr0(v) & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;

	memset(v->gpr, 0, sizeof(v->gpr));
	v->gpr[GPR_RDX] = cpuid_policy(v, 1, 0).eax;
	v->rip = RESET_RIP;
	v->rflags = RFLAGS_ONE;
	v->cr0 = old_cr0 | CR0_ET;
	v->cr2 = v->cr3 = v->cr4 = v->efer = 0;
	v->dr6 = DR6_RESET;
	v->dr7 = DR7_RESET;
	v->shadow = 0;
	for (unsigned int i = 0; i < NR_SEGS; i++)
		v->seg[i] = (struct segment){ .limit = RESET_LIMIT, .attr = RESET_ATTR_DATA };
	v->seg[SEG_CS] = (struct segment){
		.selector = RESET_CS_SELECTOR,
		.base = RESET_CS_BASE,
		.limit = RESET_LIMIT,
		.attr = RESET_ATTR_CODE,
	};
	v->seg[SEG_LDTR].attr = SEG_P | SEG_TYPE_LDT;
	v->seg[SEG_TR].attr = SEG_P | SEG_TYPE_TSS_BUSY;
	v->gdtr = v->idtr = (struct desc_table){ .limit = RESET_LIMIT };
	if (!init) {
		v->star = v->lstar = v->cstar = v->sfmask = v->kernel_gs_base = 0;
		v->sysenter_cs = v->sysenter_esp = v->sysenter_eip = 0;
		v->pat = PAT_RESET;
		v->tsc_offset = -rdtsc();
		v->tsc_adjust = 0;
		lapic_reset(&v->lapic);
		xcr0_reset();
	} else {
		lapic_init_reset(&v->lapic);
	}
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
	msr_state_reset(v, init);
	v->pending.type = EVENT_NONE;
	v->halted = v->wait_for_sipi = false;
	v->reg_avail = v->reg_dirty = REG_ALL;
	v->windows = 0;
	v->ops->vcpu_reset(v);
	vcpu_request(v, VCPU_REQ_EVENT | VCPU_REQ_TIMER);
}

/* --- the run loop ------------------------------------------------------------------------------ */

static void run_timers(struct vcpu *v)
{
	u64 now = time_now();
	struct board *b = &v->vm->board;

	this_cpu()->timer_fired = false;
	timer_run(&v->timers, now);
	if (v->id == 0) {
		spin_lock(&b->lock);
		timer_run(&b->timers, now);
		spin_unlock(&b->lock);
	}
}

/* The board's timers are the boot vCPU's to serve. */
static u64 next_deadline(const struct vcpu *v)
{
	u64 next = timer_next(&v->timers);

	return v->id == 0 ? min_u64(next, timer_next(&v->vm->board.timers)) : next;
}

static void pump_console(struct vcpu *v)
{
	struct board *b = &v->vm->board;

	console_pump();
	if (console_events()) {
		spin_lock(&b->lock);
		board_console_ready(b);
		spin_unlock(&b->lock);
	}
}

/* True when the machine changes state and the loop must end. */
static bool serve_requests(struct vcpu *v)
{
	u32 r = __atomic_fetch_and(&v->requests, VCPU_REQ_NMI, __ATOMIC_ACQUIRE);

	if (r & VCPU_REQ_STOP)
		return true;
	if (r & VCPU_REQ_INIT)
		vcpu_reset(v, true);
	if (r & VCPU_REQ_FLUSH)
		v->ops->flush_tlb(v);
	if (r & VCPU_REQ_TIMER)
		run_timers(v);
	if (r & VCPU_REQ_CONSOLE)
		pump_console(v);
	vcpu_deliver(v);
	return false;
}

/* The host's interrupt handlers only leave marks; this turns them into requests. */
void vcpu_after_interrupt(struct vcpu *v)
{
	if (this_cpu()->timer_fired)
		vcpu_request(v, VCPU_REQ_TIMER);
	if (v->id == 0)
		vcpu_request(v, VCPU_REQ_CONSOLE);
}

static void idle(struct vcpu *v)
{
	irq_wait();
	vcpu_after_interrupt(v);
}

/*
 * Takes the interrupts that came since the exit here, rather than by one more entry and exit. Bochs (2.7) would not even end the run
 * for them while the guest's IF is clear.
 */
static bool took_interrupts(struct vcpu *v, const struct cpu *cpu)
{
	u64 before = cpu->irq_count;

	irq_window();
	if (likely(cpu->irq_count == before))
		return false;
	vcpu_after_interrupt(v);
	return true;
}

/* Interrupts that the LAPIC accepted from its own CPU make no request; one that waits for an open window needs no second look. */
static bool has_work(const struct vcpu *v)
{
	return __atomic_load_n(&v->requests, __ATOMIC_RELAXED) || v->pending.type ||
	       (lapic_has_work(&v->lapic) && !(v->windows & WINDOW_INTERRUPT));
}

static void enter(struct vcpu *v)
{
	struct event cut_short = { .type = EVENT_NONE };
	struct exit_trace *t;

	v->ops->run(v, &cut_short);
	t = &v->trace[v->trace_next++ % EXIT_TRACE];
	t->rip = v->rip;
	t->info = v->exit.info[0];
	t->raw = v->exit.raw;
	t->kind = v->exit.kind;
	if (unlikely(cut_short.type))
		v->pending = cut_short;
	vcpu_handle_exit(v);
}

void vcpu_run(struct vcpu *v)
{
	struct cpu *cpu = this_cpu();
	bool entered = true;

	irq_disable();
	for (;;) {
		u64 deadline;

		if (unlikely(has_work(v)) && serve_requests(v))
			break;
		/* Only an earlier deadline is worth the timer; a later one is found when it fires. */
		deadline = next_deadline(v);
		if (unlikely(deadline < cpu->timer_deadline))
			host_timer_arm(deadline);
		if (unlikely(v->halted)) {
			idle(v);
			continue;
		}
		/* Once for each entry: a timer that is always due must not keep the guest out for ever. */
		if (unlikely(entered && took_interrupts(v, cpu))) {
			entered = false;
			continue;
		}
		enter(v);
		entered = true;
	}
	irq_enable();
}

void vcpu_stop_guest(struct vcpu *v, const char *why)
{
	printk_guest_running(false);
	pr_err("the guest stopped: %s", why);
	vcpu_dump(v);
	spin_lock(&v->vm->board.lock);
	v->vm->board.request = BOARD_CRASHED;
	spin_unlock(&v->vm->board.lock);
	vcpu_request(v, VCPU_REQ_STOP);
}
