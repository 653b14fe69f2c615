/* SPDX-License-Identifier: MIT */
/*
 * A guest without a processor for the loaders' tests: RAM behind a real guest-physical map, one
 * vCPU whose registers are only the copies, and recorded writes to the board.
 */
#ifndef PLINTH_TEST_GUEST_FIXTURE_H
#define PLINTH_TEST_GUEST_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "errors.h"
#include "guest_modules.h"
#include "lib.h"
#include "mm.h"
#include "policy.h"
#include "vm.h"

#define FIXTURE_LOW  MIB(64)
#define FIXTURE_HIGH MIB(16)
#define FIXTURE_POOL MIB(2)

static struct vm vm;
static struct vcpu boot_vcpu;
static u8 *low_ram, *high_ram, *pool;
static unsigned int lapic_writes, port_writes;

/* --- what the image has and these tests replace ---------------------------------------------- */

void vcpu_load(struct vcpu *v, u32 regs)
{
	v->reg_avail |= regs;
}

void lapic_mmio_write(struct lapic *l, u32 offset, unsigned int size, u32 value)
{
	(void)offset;
	(void)value;
	assert_ptr_equal(l, &boot_vcpu.lapic);
	assert_int_equal(size, 4);
	lapic_writes++;
}

void bus_port_write(struct bus *b, u16 port, unsigned int size, u32 value)
{
	(void)port;
	(void)value;
	assert_ptr_equal(b, &vm.board.bus);
	assert_int_equal(size, 1);
	port_writes++;
}

struct cpuid_regs cpuid_policy(struct vcpu *v, u32 leaf, u32 subleaf)
{
	const struct cpuid_regs r = { 0x00800f12, 0, 0, 0x178bfbff };

	assert_ptr_equal(v, &boot_vcpu);
	assert_int_equal(leaf, 1);
	(void)subleaf;
	return r;
}

/* --- the guest ------------------------------------------------------------------------------- */

static u64 fixture_leaf(hpa_t pa, unsigned int level, unsigned int prot, enum memtype type)
{
	(void)type;
	return pa | (level ? PTE_PS : 0) | (prot & GP_WRITE) | PTE_P;
}

static u64 fixture_table(hpa_t table)
{
	return table | PTE_P;
}

static const struct gpmap_format fixture_format = { "test", fixture_leaf, fixture_table, NULL, 4, 2,
						    0 };

static void fixture_ram(u64 below, u64 above)
{
	const unsigned int all = GP_READ | GP_WRITE | GP_EXEC;

	memset(&vm, 0, sizeof(vm));
	memset(&boot_vcpu, 0, sizeof(boot_vcpu));
	memset(low_ram, 0xcc, FIXTURE_LOW);
	memset(high_ram, 0xcc, FIXTURE_HIGH);
	lapic_writes = port_writes = 0;
	assert_int_equal(gpmap_init(&vm.gpmap, &fixture_format), 0);
	assert_int_equal(
		gpmap_add(&vm.gpmap, 0, (hpa_t)(uintptr_t)low_ram, 0xa0000, all, MEMTYPE_WB), 0);
	assert_int_equal(gpmap_add(&vm.gpmap, 0xc0000, (hpa_t)(uintptr_t)low_ram + 0xc0000,
				   below - 0xc0000, all, MEMTYPE_WB),
			 0);
	if (above)
		assert_int_equal(gpmap_add(&vm.gpmap, GIB(4), (hpa_t)(uintptr_t)high_ram, above,
					   all, MEMTYPE_WB),
				 0);
	vm.ram_below_4g = below;
	vm.ram_above_4g = above;
	vm.nr_vcpus = 1;
	vm.vcpu[0] = &boot_vcpu;
	boot_vcpu.vm = &vm;
}

static int fixture_setup(void **state)
{
	(void)state;
	low_ram = aligned_alloc(MIB(2), FIXTURE_LOW);
	high_ram = aligned_alloc(MIB(2), FIXTURE_HIGH);
	pool = aligned_alloc(PAGE_SIZE, FIXTURE_POOL);
	return low_ram && high_ram && pool &&
			       page_pool_add((hpa_t)(uintptr_t)pool, FIXTURE_POOL) == 0
		       ? 0
		       : -1;
}

static int fixture_teardown(void **state)
{
	(void)state;
	free(low_ram);
	free(high_ram);
	return 0;
}

/* Guest memory as the guest reads it. */
static inline u32 guest_u32(gpa_t gpa)
{
	u32 v;

	assert_int_equal(gpmap_read(&vm.gpmap, gpa, &v, sizeof(v)), 0);
	return v;
}

static inline u16 guest_u16(gpa_t gpa)
{
	return (u16)guest_u32(gpa);
}

static inline u64 guest_u64(gpa_t gpa)
{
	return guest_u32(gpa) | (u64)guest_u32(gpa + 4) << 32;
}

static inline void assert_guest_bytes(gpa_t gpa, const void *want, size_t n)
{
	u8 *got = malloc(n);

	assert_non_null(got);
	assert_int_equal(gpmap_read(&vm.gpmap, gpa, got, n), 0);
	assert_memory_equal(got, want, n);
	free(got);
}

static inline void assert_guest_string(gpa_t gpa, const char *want)
{
	assert_guest_bytes(gpa, want, strlen(want) + 1);
}

static inline void module_set(struct boot_module *m, const void *data, u64 len, const char *args)
{
	memset(m, 0, sizeof(*m));
	m->start = (hpa_t)(uintptr_t)data;
	m->len = len;
	assert_true(strlen(args) < sizeof(m->args));
	strcpy(m->args, args);
}

static inline void assert_reason(const char *why, const char *want)
{
	assert_non_null(why);
	if (!strstr(why, want))
		fail_msg("reason is \"%s\", expected \"%s\"", why, want);
}

#endif
