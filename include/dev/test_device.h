/* SPDX-License-Identifier: MIT */
/*
 * The test device (dev/test_device.c), only when asked for: what test programs for hypervisors find beside the board on QEMU's
 * "pc-testdev". E0-E3: a register that keeps what is written. E4-E7: "drop this page's mapping", which needs nothing here. 2000-2017:
 * a level for each interrupt line. FF000000: 64 KiB of memory that is a device to the processor. Under the board's lock.
 */
#ifndef PLINTH_DEV_TEST_DEVICE_H
#define PLINTH_DEV_TEST_DEVICE_H

#include "../bus.h"
#include "../irq.h"

#define TEST_PORT	  0xe0
#define TEST_FLUSH_PORT	  0xe4
#define TEST_LINES_PORT	  0x2000
#define TEST_MEMORY	  0xff000000U
#define TEST_MEMORY_BYTES 0x10000U

struct test_device {
	u8 port[4];
	void (*set_line)(void *ctx, unsigned int line, bool level);
	void *ctx;
	u8 memory[TEST_MEMORY_BYTES];
};

/* set_line: a pin of the I/O APIC, and what else is on it. */
void test_device_init(struct test_device *d,
		      void (*set_line)(void *ctx, unsigned int line, bool level), void *ctx);
int test_device_attach(struct test_device *d, struct bus *b);

#endif
