/* SPDX-License-Identifier: MIT */
/*
 * The demonstration guest: a flat Multiboot kernel (demo.asm) inside Plinth's own image, started
 * like any other Multiboot kernel when there is no module.
 */
#include "errors.h"
#include "guest_modules.h"
#include "mm.h"

extern const u8 demo_image[], demo_image_end[];

static int demo_probe(const struct boot_module *m, unsigned int n, const char **why)
{
	(void)m;
	(void)why;
	return n == 0 ? 0 : -ENOEXEC;
}

static int demo_load(struct vm *vm, const struct boot_module *m, unsigned int n, const char **why)
{
	static struct boot_module demo; /* too large for the stack */

	(void)m;
	(void)n;
	demo.start = virt_to_phys(demo_image);
	demo.len = (u64)(demo_image_end - demo_image);
	return guest_multiboot.load(vm, &demo, 1, why);
}

const struct guest_kind guest_demo = {
	.name = "built-in demonstration guest",
	.probe = demo_probe,
	.load = demo_load,
};
