/* SPDX-License-Identifier: MIT */
/*
 * A vCPU on a small machine for tests of the page walker and the emulator: RAM, a recording LAPIC
 * and the real bus. What the core supplies (events, skipping) is recorded.
 */
#ifndef PLINTH_TESTS_VCPU_FIXTURE_H
#define PLINTH_TESTS_VCPU_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "policy.h"
#include "vm.h"

#define RAM_SIZE  MIB(4)
#define LAPIC_GPA 0xfee00000ULL

static struct vm *vm;
static struct vcpu *v;
static u8 *ram;

/* What was queued last. */
static struct {
	bool any, has_error;
	u8 vector;
	u32 error;
	gva_t address;
} queued;
static unsigned int skips, skip_len;

static unsigned int fixture_maxphyaddr = 40;
static bool fixture_page1gb = true;
static u32 fixture_pkru;

/* The LAPIC page: every access in order. */
static struct {
	u32 offset, value;
	unsigned int size;
	bool write;
} lapic_log[16];
static unsigned int lapic_logged;

void vcpu_load(struct vcpu *vcpu, u32 regs)
{
	(void)vcpu;
	fail_msg("registers %#x are not loaded", regs);
}

void vcpu_inject_exception(struct vcpu *vcpu, u8 vector, bool has_error, u32 error)
{
	(void)vcpu;
	assert_false(queued.any);
	queued.any = true;
	queued.vector = vector;
	queued.has_error = has_error;
	queued.error = error;
}

void vcpu_inject_ud(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VEC_UD, false, 0);
}

void vcpu_inject_gp(struct vcpu *vcpu, u32 error)
{
	vcpu_inject_exception(vcpu, VEC_GP, true, error);
}

void vcpu_inject_pf(struct vcpu *vcpu, gva_t address, u32 error)
{
	vcpu_inject_exception(vcpu, VEC_PF, true, error);
	queued.address = address;
}

bool vcpu_skip_insn(struct vcpu *vcpu, unsigned int len)
{
	u64 rip = vcpu->rip + len;

	skips++;
	skip_len = len;
	vcpu_set_rip(vcpu, vcpu_code_size(vcpu) == 8 ? rip : (u32)rip);
	return true;
}

void vcpu_request(struct vcpu *vcpu, u32 requests)
{
	(void)vcpu;
	(void)requests;
}

unsigned int policy_maxphyaddr(void)
{
	return fixture_maxphyaddr;
}

bool cpuid_policy_has(u32 leaf, u32 subleaf, char reg, unsigned int bit)
{
	(void)subleaf;
	return leaf == 0x80000001 && reg == 'd' && bit == 26 && fixture_page1gb;
}

u32 guest_pkru(void);
u32 guest_pkru(void)
{
	return fixture_pkru;
}

u32 lapic_mmio_read(struct lapic *l, u32 offset, unsigned int size)
{
	(void)l;
	assert_true(lapic_logged < ARRAY_SIZE(lapic_log));
	lapic_log[lapic_logged].offset = offset;
	lapic_log[lapic_logged].size = size;
	lapic_log[lapic_logged++].write = false;
	return 0xa5a50000 | offset;
}

void lapic_mmio_write(struct lapic *l, u32 offset, unsigned int size, u32 value)
{
	(void)l;
	assert_true(lapic_logged < ARRAY_SIZE(lapic_log));
	lapic_log[lapic_logged].offset = offset;
	lapic_log[lapic_logged].size = size;
	lapic_log[lapic_logged].value = value;
	lapic_log[lapic_logged++].write = true;
}

static inline void fixture_forget(void)
{
	memset(&queued, 0, sizeof(queued));
	skips = 0;
	skip_len = 0;
	lapic_logged = 0;
}

#define ATTR_CODE (SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A)
#define ATTR_DATA (SEG_P | SEG_S | SEG_W | SEG_A)

/* Flat segments, no paging. code_size 8: long mode, whose paging the test sets up. */
static inline void fixture_mode(unsigned int code_size)
{
	u16 size_bit = code_size == 4 ? (u16)SEG_DB : 0;

	v->cr0 = CR0_PE | CR0_WP;
	v->cr4 = 0;
	v->efer = 0;
	v->rflags = RFLAGS_ONE;
	for (unsigned int s = SEG_ES; s <= SEG_GS; s++)
		v->seg[s] = (struct segment){
			.selector = (u16)(8 + 8 * s),
			.attr = (u16)(ATTR_DATA | SEG_DB | SEG_G),
			.limit = UINT32_MAX,
		};
	v->seg[SEG_CS].attr = (u16)(ATTR_CODE | size_bit | SEG_G);
	if (code_size != 4)
		v->seg[SEG_SS].attr = ATTR_DATA | SEG_G;
	if (code_size == 8) {
		v->cr0 |= CR0_PG;
		v->cr4 = CR4_PAE;
		v->efer = EFER_LMA | EFER_LME | EFER_NXE;
		v->seg[SEG_CS].attr |= SEG_L;
	}
}

static inline int fixture_setup(void **state)
{
	(void)state;
	vm = calloc(1, sizeof(*vm));
	v = calloc(1, sizeof(*v));
	ram = aligned_alloc(PAGE_SIZE, RAM_SIZE);
	memset(ram, 0, RAM_SIZE);
	v->vm = vm;
	v->reg_avail = REG_ALL;
	v->lapic.base_msr = LAPIC_GPA | 0x800;
	vm->vcpu[0] = v;
	vm->nr_vcpus = 1;
	vm->gpmap.extent[0] = (struct gp_extent){
		.gpa = 0,
		.hpa = (hpa_t)(uintptr_t)ram,
		.len = RAM_SIZE,
		.prot = GP_READ | GP_WRITE | GP_EXEC,
	};
	vm->gpmap.n = 1;
	bus_init(&vm->board.bus);
	fixture_maxphyaddr = 40;
	fixture_page1gb = true;
	fixture_pkru = 0;
	fixture_forget();
	fixture_mode(4);
	return 0;
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	free(ram);
	free(v);
	free(vm);
	return 0;
}

static inline u64 ram64(gpa_t gpa)
{
	u64 x;

	memcpy(&x, ram + gpa, 8);
	return x;
}

static inline void set64(gpa_t gpa, u64 x)
{
	memcpy(ram + gpa, &x, 8);
}

static inline void set32(gpa_t gpa, u32 x)
{
	memcpy(ram + gpa, &x, 4);
}

#endif
