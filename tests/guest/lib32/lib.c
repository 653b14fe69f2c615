/* SPDX-License-Identifier: MIT */
/*
 * The 32-bit guest tests' small library: descriptors, traps, LAPIC. SDM vol. 3 rev. 083, 3.4.5, 6.11, 8.2.
 */
#include "guest32.h"

#define STUB_BYTES 16
#define STACK_SIZE 8192
#define EXCEPTIONS 32

volatile u32 taken[256];
volatile u32 try_error, try_resume;
volatile int try_vector;
u64 idt[256];

struct main_task main_task __aligned(128);

static trap_handler handlers[256];
static u8 ring0_stack[STACK_SIZE] __aligned(16);
extern u8 trap_stubs[];

void guest_start(u32 magic, u32 info);
void guest_trap(struct regs *r);

u64 descriptor(u32 base, u32 limit, u32 attr)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xf0ff) << 40 |
	       (u64)(limit >> 16 & 0xf) << 48 | (u64)(base >> 24) << 56;
}

void set_descriptor(u16 selector, u64 d)
{
	gdt[selector / 8] = d;
}

u64 gate(u16 selector, u32 offset, u8 attr)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)attr << 40 |
	       (u64)(offset >> 16) << 48;
}

void load_idt(void)
{
	struct {
		u16 limit;
		u32 base;
	} __packed pointer = { sizeof(idt) - 1, (u32)idt };

	for (u32 i = 0; i < ARRAY_SIZE(idt); i++)
		idt[i] = gate(GUEST_CS, (u32)trap_stubs + i * STUB_BYTES, GATE_INTERRUPT);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void tss_setup(void)
{
	main_task.tss.esp0 = (u32)ring0_stack + STACK_SIZE;
	main_task.tss.ss0 = GUEST_DS;
	main_task.tss.io_map = sizeof(main_task.tss);
	for (u32 i = 0; i < IO_MAP_BYTES; i++)
		main_task.io_map[i] = 0xff;
	set_descriptor(GUEST_TSS, descriptor((u32)&main_task, sizeof(struct tss) + IO_MAP_BYTES - 1,
					     ATTR_TSS));
	__asm__ volatile("ltr %w0" : : "r"(GUEST_TSS));
}

void on_vector(u8 vector, trap_handler handler)
{
	handlers[vector] = handler;
	taken[vector] = 0;
}

void eoi_handler(struct regs *r)
{
	(void)r;
	lapic_write(LAPIC_EOI, 0);
}

void guest_trap(struct regs *r)
{
	u8 vector = (u8)r->vector;

	taken[vector]++;
	if (handlers[vector]) {
		handlers[vector](r);
		return;
	}
	if (try_resume && vector < EXCEPTIONS) {
		try_vector = vector;
		try_error = r->error;
		r->eip = try_resume;
		try_resume = 0;
		return;
	}
	print("Bail out! vector %u error %x at %x:%x eflags %x cr2 %x tr %x\n", vector, r->error,
	      r->cs, r->eip, r->eflags, get_cr2(), task_register());
	finish(1);
}

void lapic_enable(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TPR, 0);
}

void guest_start(u32 magic, u32 info)
{
	tap_begin(magic, info);
	load_idt();
	guest_main();
	tap_end();
}
