/* SPDX-License-Identifier: MIT */
/*
 * What a kernel that goes back to real mode finds of the BIOS: memory sizes, E820, ticks, the data area, and an orderly refusal of
 * what is not there. IBM PC AT Technical Reference, section 5; ACPI 6.4 chapter 15; Multiboot Specification 0.6.96, 3.3.
 */
#include "guest.h"

#define VEC_VIDEO     0x10
#define VEC_EQUIPMENT 0x11
#define VEC_MEMORY    0x12
#define VEC_DISK      0x13
#define VEC_SYSTEM    0x15
#define VEC_KEYS      0x16
#define VEC_CLOCK     0x1a
#define VEC_USER_TICK 0x1c

#define SMAP		0x534d4150U
#define MAP_BUFFER	0x5000U
#define MAP_ENTRY_BYTES 20U
#define MAP_MAX		32U
#define MAP_RAM		1U
#define UNSUPPORTED	0x86U
#define KIB_TO_16M	0x3c00U
#define BDA		0x400UL
#define FLAG_CF		0x0001U
#define FLAG_ZF		0x0040U
#define FLAG_IF		0x0200U
#define FLAGS_DEFAULT	0x0002U
#define ONE_MS		1193U
#define TICK_WAITS	1000U
#define PIC_READ_ISR	0x0b

struct mbi {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
		mmap_length, mmap_addr;
};

struct map_entry {
	u64 start, len;
	u32 type;
} __packed;

static struct real_regs call(u8 vector, struct real_regs r)
{
	r.flags |= FLAGS_DEFAULT;
	real_int(vector, &r);
	return r;
}

/* Low addresses look like null pointers to the compiler. */
static volatile u8 *low(u64 address)
{
	__asm__("" : "+r"(address));
	return (volatile u8 *)address;
}

static u16 bda16(u64 offset)
{
	return *(volatile u16 *)low(BDA + offset);
}

static u64 multiboot_ram(const struct mbi *m)
{
	u64 ram = 0;

	for (u32 at = 0; at < m->mmap_length; at += *(u32 *)(u64)(m->mmap_addr + at) + 4) {
		const struct map_entry *e = (const void *)(u64)(m->mmap_addr + at + 4);

		if (e->type == MAP_RAM)
			ram += e->len;
	}
	return ram;
}

static void memory_map(const struct mbi *m)
{
	volatile struct map_entry *e = (volatile struct map_entry *)low(MAP_BUFFER);
	bool marks = true, sizes = true, keeps = true;
	u64 ram = 0, behind_1m = 0;
	struct real_regs r = { 0 };
	u32 n = 0;

	do {
		r = call(VEC_SYSTEM, (struct real_regs){ .eax = 0xe820,
							 .ebx = r.ebx,
							 .ecx = MAP_ENTRY_BYTES,
							 .edx = SMAP,
							 .edi = MAP_BUFFER });
		if (r.flags & FLAG_CF)
			break;
		marks &= r.eax == SMAP;
		sizes &= r.ecx == MAP_ENTRY_BYTES;
		keeps &= r.edi == MAP_BUFFER && r.sp == REAL_STACK;
		if (e->type == MAP_RAM)
			ram += e->len;
		if (e->start == 0x100000)
			behind_1m = e->len;
	} while (r.ebx && ++n < MAP_MAX);
	ok(n && n < MAP_MAX && !(r.flags & FLAG_CF), "INT 15h E820 lists the memory to its end");
	ok(marks, "E820 answers with its mark");
	ok(sizes, "E820 gives entries of 20 bytes");
	ok(keeps, "E820 keeps DI and the stack");
	is(ram, multiboot_ram(m), "E820 counts as much RAM as the loader");
	r = call(VEC_SYSTEM, (struct real_regs){ .eax = 0xe820,
						 .ecx = MAP_ENTRY_BYTES,
						 .edx = 0x12345678,
						 .edi = MAP_BUFFER });
	ok(r.flags & FLAG_CF, "E820 without its mark is refused");
	r = call(VEC_SYSTEM, (struct real_regs){ .eax = 0xe801, .flags = FLAG_CF });
	ok(!(r.flags & FLAG_CF), "INT 15h E801 answers");
	is((u16)r.eax, KIB_TO_16M, "E801: the memory from 1 to 16 MiB");
	ok((u64)(u16)r.ebx * 64 <= behind_1m / 1024 && (u16)r.ebx,
	   "E801: no more above 16 MiB than there is");
	r = call(VEC_SYSTEM, (struct real_regs){ .eax = 0x8800, .flags = FLAG_CF });
	ok((u16)r.eax >= KIB_TO_16M, "INT 15h 88: the extended memory");
}

static void refusals(void)
{
	struct real_regs r = call(VEC_SYSTEM, (struct real_regs){ .eax = 0x5a5a });

	ok(r.flags & FLAG_CF, "an unknown INT 15h sets the carry flag");
	is(r.eax >> 8 & 0xff, UNSUPPORTED, "and says that it is not supported");
	r = call(VEC_DISK,
		 (struct real_regs){ .eax = 0x0200 | 1, .ecx = 1, .edx = 0x70, .ebx = MAP_BUFFER });
	ok((r.flags & FLAG_CF) && (r.eax & 0xff00), "INT 13h: no such disk");
	r = call(VEC_KEYS, (struct real_regs){ .eax = 0x0100 });
	ok(r.flags & FLAG_ZF, "INT 16h: no key waits");
	r = call(VEC_VIDEO, (struct real_regs){ .eax = 0x4f01, .ecx = 0x7fff, .edi = MAP_BUFFER });
	ok((u16)r.eax != 0x004f, "INT 10h: no such VESA mode");
	r = call(VEC_USER_TICK,
		 (struct real_regs){
			 .eax = 0x1234abcd, .ebx = 1, .ecx = 2, .edx = 3, .esi = 4, .edi = 5 });
	ok(r.eax == 0x1234abcd && r.ebx == 1 && r.ecx == 2 && r.edx == 3 && r.esi == 4 &&
		   r.edi == 5 && r.sp == REAL_STACK,
	   "INT 1Ch only returns");
}

static u32 ticks(u16 flags)
{
	struct real_regs r = call(VEC_CLOCK, (struct real_regs){ .flags = flags });

	return r.ecx << 16 | (u16)r.edx;
}

static void timer(void)
{
	u32 first = ticks(FLAG_IF), n = 0;

	while (ticks(FLAG_IF) == first && n++ < TICK_WAITS)
		pit_delay(ONE_MS);
	ok(n < TICK_WAITS, "the timer's interrupt counts ticks");
	outb(0x20, PIC_READ_ISR);
	is(inb(0x20), 0, "and is ended");
}

void guest_main(void)
{
	const struct mbi *m = (const void *)(u64)multiboot_info;
	struct real_regs r = call(VEC_MEMORY, (struct real_regs){ 0 });

	is((u16)r.eax, m->mem_lower, "INT 12h: the memory below 1 MiB");
	is(bda16(0x13), m->mem_lower, "so does the data area");
	is((u32)bda16(0x0e) << 4, m->mem_lower * 1024, "the EBDA follows it");
	is(bda16(0x00), 0x3f8, "the data area has COM1's port");
	r = call(VEC_EQUIPMENT, (struct real_regs){ 0 });
	is((u16)r.eax, bda16(0x10), "INT 11h is the data area's equipment word");
	ok(*low(0xffff0) == 0xea, "a far jump at the reset vector");
	is(*low(0xffffe), 0xfc, "the model byte of an AT");
	memory_map(m);
	refusals();
	timer();
}
