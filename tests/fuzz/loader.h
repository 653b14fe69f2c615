/* SPDX-License-Identifier: MIT */
/*
 * What the harnesses of the guest loaders share: a guest with enough RAM for a kernel behind a map
 * that is made once, modules in memory of exactly their size, and checks of what load() leaves.
 */
#ifndef PLINTH_FUZZ_LOADER_H
#define PLINTH_FUZZ_LOADER_H

#include "errors.h"
#include "guest_modules.h"
#include "guest_ram.h"
#include "policy.h"
#include "world.h"

#define LOW	MIB(32)
#define HIGH	MIB(2)
#define VGA	0xa0000ULL
#define MODULES 3

static struct gpmap map;
static struct boot_module module[MODULES];
static u8 *module_copy[MODULES];

struct cpuid_regs cpuid_policy(struct vcpu *v, u32 leaf, u32 subleaf)
{
	(void)v;
	(void)leaf;
	(void)subleaf;
	return (struct cpuid_regs){ 0x00800f12, 0, 0, 0x178bfbff };
}

static void add(gpa_t gpa, u8 *p, u64 len)
{
	map.extent[map.n++] =
		(struct gp_extent){ gpa, (hpa_t)(uintptr_t)p, len, GP_READ | GP_WRITE | GP_EXEC };
}

static void loader_start(void)
{
	if (!map.n) {
		u8 *low = calloc(1, VGA), *rest = calloc(1, LOW - GUEST_VGA_END),
		   *high = calloc(1, HIGH);

		add(0, low, VGA);
		add(GUEST_VGA_END, rest, LOW - GUEST_VGA_END);
		add(GIB(4), high, HIGH);
	}
	world_start();
	world_vm->gpmap = map;
	world_vm->ram_below_4g = LOW;
	world_vm->ram_above_4g = HIGH;
}

/* A module with these bytes; text becomes its arguments. */
static void loader_module(unsigned int i, const u8 *data, size_t n, const char *args)
{
	u8 *p = malloc(n ? n : 1);

	memcpy(p, data, n);
	module_copy[i] = malloc(n ? n : 1);
	memcpy(module_copy[i], data, n);
	memset(&module[i], 0, sizeof(module[i]));
	module[i].start = (hpa_t)(uintptr_t)p;
	module[i].len = n;
	snprintf(module[i].args, sizeof(module[i].args), "%s", args);
}

static void loader_run(const struct guest_kind *kind, unsigned int n)
{
	struct vcpu *v = world_vcpu;
	const char *why = NULL;
	int probed = kind->probe(module, n, &why), err;
	u64 len;

	CHECK(probed <= 0, "probe: %d", probed);
	CHECK(probed == 0 || probed == -ENOEXEC || (why && *why), "probe: %d, no reason", probed);
	why = NULL;
	err = kind->load(world_vm, module, n, &why);
	CHECK(err <= 0, "load: %d", err);
	CHECK(err == 0 || err == -ENOEXEC || (why && *why && strlen(why) < 160),
	      "load: %d, no reason", err);
	CHECK(probed == 0 || err != 0, "loaded what was not recognised");
	for (unsigned int i = 0; i < n; i++) {
		CHECK(!memcmp(module_copy[i], (void *)(uintptr_t)module[i].start, module[i].len),
		      "module %u was changed", i);
		free(module_copy[i]);
		free((void *)(uintptr_t)module[i].start);
	}
	if (err)
		return;
	CHECK(gpmap_ptr(&world_vm->gpmap, v->rip, GP_EXEC, &len), "entry %#llx is no memory",
	      (unsigned long long)v->rip);
	CHECK(vcpu_code_size(v) != 2 && v->seg[SEG_CS].limit == UINT32_MAX, "entered in 16 bits");
	CHECK(gpmap_ptr(&world_vm->gpmap, v->gdtr.base, GP_READ, &len), "no GDT");
	CHECK(v->rflags == RFLAGS_ONE, "flags %#llx", (unsigned long long)v->rflags);
}

#endif
