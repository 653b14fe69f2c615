/* SPDX-License-Identifier: MIT */
/*
 * Event delivery: combination of exceptions (SDM vol. 3 rev. 083 table 6-5), their order, windows, and the end of an emulated
 * instruction.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "board.h"
#include "time.h"
#include "virt.h"
#include "vm.h"
#include "../../arch/vcpu/event.h"

static struct vm *vm;
static struct vcpu *v;
static struct event injected;
static unsigned int injections, stops;
static unsigned int windows;
static bool irq_ok, nmi_ok;

void vcpu_load(struct vcpu *c, u32 regs)
{
	c->reg_avail |= regs;
}

void vcpu_stop_guest(struct vcpu *c, const char *why)
{
	(void)c;
	assert_string_equal(why, "triple fault");
	stops++;
}

static bool can_take_interrupt(struct vcpu *c)
{
	(void)c;
	return irq_ok;
}

static bool can_take_nmi(struct vcpu *c)
{
	(void)c;
	return nmi_ok;
}

static void inject(struct vcpu *c, const struct event *e)
{
	(void)c;
	injected = *e;
	injections++;
}

static void set_windows(struct vcpu *c, unsigned int w)
{
	(void)c;
	windows = w;
}

static void set_cr8(struct vcpu *c, u8 cr8)
{
	(void)c;
	(void)cr8;
}

static const struct virt_ops ops = {
	.can_take_interrupt = can_take_interrupt,
	.can_take_nmi = can_take_nmi,
	.inject = inject,
	.set_windows = set_windows,
	.set_cr8 = set_cr8,
};

static void lapic_event(void *ctx)
{
	vcpu_request(ctx, VCPU_REQ_EVENT);
}

static bool no_extint(void *ctx)
{
	(void)ctx;
	return false;
}

static const struct lapic_ops lapic_ops = {
	.kick = lapic_event,
	.nmi = lapic_event,
	.extint_pending = no_extint,
};

static int setup(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	v = aligned_alloc(64, (sizeof(*v) + 63) & ~(size_t)63);
	*v = (struct vcpu){ .vm = vm, .ops = &ops, .reg_avail = REG_ALL, .rflags = RFLAGS_ONE };
	timer_queue_init(&v->timers, time_now);
	lapic_create(&v->lapic, 0, true, &v->timers, &vm->board.apic_bus, &lapic_ops, v);
	lapic_reset(&v->lapic);
	lapic_mmio_write(&v->lapic, 0xf0, 4, 0x1ff);
	injected = (struct event){ 0 };
	injections = stops = windows = 0;
	irq_ok = nmi_ok = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(v);
	free(vm);
	return 0;
}

static void test_combination(void **state)
{
	static const struct {
		u8 first, second, result; /* result 0xff: triple fault */
	} rows[] = {
		{ VEC_DB, VEC_GP, VEC_GP }, { VEC_GP, VEC_DB, VEC_DB }, { VEC_GP, VEC_GP, VEC_DF },
		{ VEC_NP, VEC_SS, VEC_DF }, { VEC_GP, VEC_PF, VEC_PF }, { VEC_PF, VEC_PF, VEC_DF },
		{ VEC_PF, VEC_GP, VEC_DF }, { VEC_PF, VEC_UD, VEC_UD }, { VEC_DE, VEC_TS, VEC_DF },
		{ VEC_UD, VEC_PF, VEC_PF }, { VEC_DF, VEC_GP, 0xff },	{ VEC_DF, VEC_PF, 0xff },
		{ VEC_DF, VEC_UD, VEC_UD }, { VEC_AC, VEC_PF, VEC_PF },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		v->pending.type = EVENT_NONE;
		stops = 0;
		vcpu_inject_exception(v, rows[i].first, true, 0x10);
		vcpu_inject_exception(v, rows[i].second, true, 0x20);
		if (rows[i].result == 0xff) {
			assert_int_equal(stops, 1);
			continue;
		}
		assert_int_equal(stops, 0);
		assert_int_equal(v->pending.vector, rows[i].result);
		assert_true(v->pending.has_error);
		assert_int_equal(v->pending.error, rows[i].result == VEC_DF ? 0 : 0x20);
	}
}

static void test_page_fault_sets_cr2(void **state)
{
	(void)state;
	vcpu_inject_pf(v, 0x1234, PFERR_W);
	assert_int_equal(vcpu_cr2(v), 0x1234);
	/* The second one makes a double fault, which has no address. */
	vcpu_inject_pf(v, 0x5678, PFERR_W);
	assert_int_equal(v->pending.vector, VEC_DF);
	assert_int_equal(vcpu_cr2(v), 0x1234);
}

static void test_order(void **state)
{
	(void)state;
	lapic_post(&v->lapic, 0x50, false);
	vcpu_request(v, VCPU_REQ_NMI);
	vcpu_inject_ud(v);
	v->halted = true;
	vcpu_deliver(v);
	assert_int_equal(injections, 1);
	assert_int_equal(injected.type, EVENT_EXCEPTION);
	assert_int_equal(injected.vector, VEC_UD);
	assert_int_equal(windows, WINDOW_NMI | WINDOW_INTERRUPT);
	assert_false(v->halted);
	vcpu_deliver(v);
	assert_int_equal(injected.type, EVENT_NMI);
	assert_int_equal(windows, WINDOW_INTERRUPT);
	assert_int_equal(v->requests & VCPU_REQ_NMI, 0);
	vcpu_deliver(v);
	assert_int_equal(injected.type, EVENT_INTERRUPT);
	assert_int_equal(injected.vector, 0x50);
	assert_int_equal(windows, 0);
	vcpu_deliver(v);
	assert_int_equal(injections, 3);
}

static void test_windows(void **state)
{
	(void)state;
	irq_ok = nmi_ok = false;
	v->halted = true;
	lapic_post(&v->lapic, 0x31, false);
	vcpu_request(v, VCPU_REQ_NMI);
	vcpu_deliver(v);
	assert_int_equal(injections, 0);
	assert_true(v->halted);
	assert_int_equal(windows, WINDOW_NMI | WINDOW_INTERRUPT);
	/* One that only TPR holds back asks for CR8 writes. */
	irq_ok = nmi_ok = true;
	vcpu_deliver(v);
	lapic_set_cr8(&v->lapic, 3);
	vcpu_deliver(v);
	assert_int_equal(injections, 1);
	assert_int_equal(windows, WINDOW_TPR);
	lapic_set_cr8(&v->lapic, 2);
	vcpu_deliver(v);
	assert_int_equal(injections, 2);
	assert_int_equal(injected.vector, 0x31);
	assert_int_equal(windows, 0);
}

static void test_skip(void **state)
{
	(void)state;
	v->rip = 0xfffffffe;
	v->shadow = 1;
	v->rflags = RFLAGS_ONE | RFLAGS_RF;
	v->reg_dirty = 0;
	v->windows = WINDOW_NMI;
	v->requests = 0;
	assert_true(vcpu_skip_insn(v, 2)); /* 32-bit code wraps */
	assert_int_equal(v->requests, 0);
	assert_int_equal(v->rip, 0);
	assert_int_equal(v->shadow, 0);
	assert_int_equal(v->rflags, RFLAGS_ONE);
	assert_int_equal(v->reg_dirty, REG_RIP | REG_SHADOW | REG_RFLAGS);
	assert_int_equal(v->pending.type, EVENT_NONE);
	/* An interrupt that waited for the end of the shadow gets its second look. */
	v->windows = WINDOW_INTERRUPT;
	assert_true(vcpu_skip_insn(v, 1));
	assert_int_equal(v->requests, 0);
	v->shadow = 1;
	assert_true(vcpu_skip_insn(v, 1));
	assert_int_equal(v->requests, VCPU_REQ_EVENT);
	v->efer = EFER_LMA;
	v->seg[SEG_CS].attr = SEG_P | SEG_L;
	v->rip = 0xffffffff;
	v->rflags = RFLAGS_ONE | RFLAGS_TF;
	v->dr6 = DR6_RESET;
	assert_true(vcpu_skip_insn(v, 1));
	assert_int_equal(v->rip, 0x100000000);
	assert_int_equal(v->pending.vector, VEC_DB);
	assert_int_equal(v->dr6, DR6_RESET | DR6_BS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_combination, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_fault_sets_cr2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skip, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
