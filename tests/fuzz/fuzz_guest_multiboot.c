/* SPDX-License-Identifier: MIT */
/*
 * The loader of Multiboot kernels on files of any content, with further modules of any size.
 */
#include "loader.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 extra[KIB(64)];
	struct input in = { data, size };
	unsigned int n = 1 + take8(&in) % MODULES;
	size_t len = take16(&in);
	char args[64] = { 0 };

	for (unsigned int i = 0; i < sizeof(args) - 1; i++)
		args[i] = (char)take8(&in);
	loader_start();
	loader_module(0, in.p, in.left, args);
	for (unsigned int i = 1; i < n; i++)
		loader_module(i, extra, len, args);
	loader_run(&guest_multiboot, n);
	return 0;
}
