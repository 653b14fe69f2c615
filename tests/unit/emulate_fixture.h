/* SPDX-License-Identifier: MIT */
/*
 * What the emulator's tests share: a device with a log, ports, XMM registers, and page tables for
 * long mode.
 */
#ifndef PLINTH_TESTS_EMULATE_FIXTURE_H
#define PLINTH_TESTS_EMULATE_FIXTURE_H

#include <time.h>

#include "vcpu_fixture.h"
#include "emulate.h"
#include "guest_mem.h"

#define CODE   0x6000ULL
#define DATA   0x8000ULL /* one page, and PAGE_B behind it */
#define PAGE_B 0x9000ULL
#define STACK  0xa000ULL
#define DEV    0xd0000000ULL
#define PML4   0x1000
#define PDPT   0x2000
#define PD_LOW 0x3000
#define PT_LOW 0x4000
#define PD_DEV 0x5000
#define ALLOW  (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static u8 dev_mem[0x2000];
static struct {
	u64 offset, value;
	unsigned int size;
	bool write;
} dev_log[2048];
static unsigned int dev_logged;
static u64 seed;

static inline u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static inline u64 dev_read(void *dev, u64 offset, unsigned int size)
{
	u64 x = 0;

	(void)dev;
	memcpy(&x, dev_mem + offset, size);
	if (dev_logged < ARRAY_SIZE(dev_log)) {
		dev_log[dev_logged].offset = offset;
		dev_log[dev_logged].size = size;
		dev_log[dev_logged++].write = false;
	}
	return x;
}

static inline void dev_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	(void)dev;
	memcpy(dev_mem + offset, &value, size);
	if (dev_logged < ARRAY_SIZE(dev_log)) {
		dev_log[dev_logged].offset = offset;
		dev_log[dev_logged].size = size;
		dev_log[dev_logged].value = value;
		dev_log[dev_logged++].write = true;
	}
}

static const struct mmio_ops dev_ops = { dev_read, dev_write, "test" };

static u32 port_next;
static struct {
	u32 value;
	u16 offset;
	unsigned int size;
} port_log[2048];
static unsigned int port_logged;

static u32 port_read(void *dev, u16 offset, unsigned int size)
{
	(void)dev;
	(void)size;
	return 0x01010101U * (port_next++ & 0xff) + offset;
}

static inline void port_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	(void)dev;
	assert_true(port_logged < ARRAY_SIZE(port_log));
	port_log[port_logged].offset = offset;
	port_log[port_logged].size = size;
	port_log[port_logged++].value = value;
}

static const struct port_ops port_ops = {
	.read = port_read, .write = port_write, .max_size = 4, .min_size = 0, .name = "test"
};

/* Long mode, the first 2 MiB and the device mapped one to one. */
static inline void long_mode(void)
{
	fixture_mode(8);
	v->cr3 = PML4;
	set64(PML4, PDPT | ALLOW);
	set64(PDPT, PD_LOW | ALLOW);
	set64(PDPT + 3 * 8, PD_DEV | ALLOW);
	set64(PD_LOW, PT_LOW | ALLOW);
	for (unsigned int i = 0; i < 512; i++)
		set64(PT_LOW + i * 8, i * PAGE_SIZE | ALLOW);
	set64(PD_DEV + (DEV >> 21 & 511) * 8, DEV | ALLOW | PTE_PS);
	v->rip = CODE;
}

static inline int setup(void **state)
{
	fixture_setup(state);
	assert_int_equal(bus_add_mmio(&vm->board.bus, DEV, sizeof(dev_mem), &dev_ops, NULL), 0);
	assert_int_equal(bus_add_port(&vm->board.bus, 0x100, 8, &port_ops, NULL), 0);
	memset(dev_mem, 0, sizeof(dev_mem));
	dev_logged = 0;
	port_logged = 0;
	port_next = 1;
	v->rip = CODE;
	return 0;
}

static inline enum emulate_result run(const u8 *code, unsigned int n)
{
	fixture_forget();
	dev_logged = 0;
	memcpy(ram + v->seg[SEG_CS].base + v->rip, code, n);
	return emulate_insn(v, NULL, 0);
}

#define CODE_BYTES(...) ((const u8[]){ __VA_ARGS__ }), sizeof((const u8[]){ __VA_ARGS__ })

static inline void expect_done(enum emulate_result r, unsigned int len)
{
	if (r != EMULATE_DONE || queued.any)
		fail_msg("result %u, vector %u, error %#x, address %#lx", r, queued.vector,
			 queued.error, (unsigned long)queued.address);
	assert_int_equal(skip_len, len);
}

static inline void expect_queued(enum emulate_result r, u8 vector, u32 error)
{
	assert_int_equal(r, EMULATE_FAULT);
	assert_true(queued.any);
	assert_int_equal(queued.vector, vector);
	assert_int_equal(queued.error, error);
	assert_int_equal(v->rip, CODE);
	assert_int_equal(dev_logged, 0);
}

/* The guest's XMM registers, and whether the host can reach them. */
static u64 xmm[16][2];
static bool xmm_off;

bool xmm_usable(void);
bool xmm_usable(void)
{
	return !xmm_off;
}

void xmm_read(unsigned int n, u64 value[2]);
void xmm_read(unsigned int n, u64 value[2])
{
	memcpy(value, xmm[n], 16);
}

void xmm_write(unsigned int n, const u64 value[2]);
void xmm_write(unsigned int n, const u64 value[2])
{
	memcpy(xmm[n], value, 16);
}

static inline void seed_setup(void)
{
	const char *s = getenv("PLINTH_SEED");

	seed = s ? strtoull(s, NULL, 0) : (u64)time(NULL) * 0x9e3779b97f4a7c15ULL | 1;
	printf("# PLINTH_SEED=%#llx\n", (unsigned long long)seed);
}

#endif
