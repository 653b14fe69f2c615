/* SPDX-License-Identifier: MIT */
/*
 * The guest tests' small library: traps, page tables, rings.
 */
#include "guest.h"

#define VECTORS	      256
#define NOT_CANONICAL 0x0000800000000000ULL

bool lax_processor;
volatile u32 taken[VECTORS];
volatile u32 try_error;
volatile u64 try_resume;
volatile int try_vector;

static trap_handler handlers[VECTORS];

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, attr;
	u16 offset_mid;
	u32 offset_high, zero;
};
_Static_assert(sizeof(struct idt_gate) == 16, "SDM vol. 3 figure 6-8");

static struct idt_gate idt[VECTORS];
extern u8 trap_stubs[];
#define STUB_BYTES 16

void guest_start(u32 magic, u32 info);
void guest_trap(struct regs *r);

/* --- traps ------------------------------------------------------------------------------------- */

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

void set_gate(u8 vector, u8 attr, u8 ist)
{
	idt[vector].attr = attr;
	idt[vector].ist = ist;
}

/* APM vol. 2 figure 12-8. */
struct tss {
	u32 reserved;
	u64 rsp[3];
	u64 reserved2;
	u64 ist[7];
	u64 reserved3;
	u16 reserved4, io_map;
} __packed;
_Static_assert(sizeof(struct tss) == 104, "APM vol. 2 figure 12-8");

#define STACK_SIZE     4096
#define TSS_AVAILABLE  0x89ULL
#define VECTOR_RETURN  0x81
#define DESCRIPTOR_P_S (GUEST_TSS / 8)

static struct tss tss;
static u8 trap_stack[STACK_SIZE] __aligned(16), ist_stack[STACK_SIZE] __aligned(16);
extern u64 user_rsp;
extern u8 user_done[];

static void back_from_user(struct regs *r)
{
	r->rip = (u64)user_done;
	r->cs = GUEST_CS;
	r->rsp = user_rsp;
	r->ss = GUEST_DS;
	r->rflags = RFLAGS_ONE;
}

void tss_setup(void)
{
	u64 base = (u64)&tss;

	tss.rsp[0] = (u64)trap_stack + STACK_SIZE;
	tss.ist[0] = (u64)ist_stack + STACK_SIZE;
	tss.io_map = sizeof(tss); /* behind the limit: no port is open */
	gdt[DESCRIPTOR_P_S] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | TSS_AVAILABLE << 40 |
			      (base >> 24 & 0xff) << 56;
	gdt[DESCRIPTOR_P_S + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(GUEST_TSS));
	set_gate(VECTOR_RETURN, GATE_USER, 0);
	on_vector(VECTOR_RETURN, back_from_user);
}

void guest_trap(struct regs *r)
{
	u8 vector = (u8)r->vector;

	taken[vector]++;
	if (handlers[vector]) {
		handlers[vector](r);
		return;
	}
	if (try_resume && vector < 32) {
		try_vector = vector;
		try_error = (u32)r->error;
		r->rip = try_resume;
		try_resume = 0;
		return;
	}
	print("Bail out! vector %u error %lx at %lx cr2 %lx\n", vector, r->error, r->rip,
	      read_cr2());
	finish(1);
}

int try_rdmsr(u32 msr, u64 *value)
{
	u32 lo = 0, hi = 0;
	int vector = TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr));

	*value = (u64)hi << 32 | lo;
	return vector;
}

int try_wrmsr(u32 msr, u64 value)
{
	u32 lo = (u32)value, hi = (u32)(value >> 32);

	return TRY("wrmsr", "+a"(lo), "+d"(hi) : "c"(msr));
}

/* --- machine ------------------------------------------------------------------------------------ */

void lapic_enable(void)
{
	irq_disable();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TPR, 0);
}

#define PD_FIRST     2 /* of page_tables: PML4, PDPT, four directories */
#define ENTRIES	     512
#define LARGE_SHIFT  21
#define SPLIT_TABLES 8

static u64 split[SPLIT_TABLES][ENTRIES] __aligned(4096);
static u32 splits;

u64 *pte_of(u64 address)
{
	u64 *pde = &page_tables[PD_FIRST * ENTRIES + (address >> LARGE_SHIFT)];

	if (*pde & PTE_PS) {
		u64 *table = split[splits++ % SPLIT_TABLES];

		for (u64 i = 0; i < ENTRIES; i++)
			table[i] = ((*pde & PTE_ADDR) + i * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
		*pde = (u64)table | PTE_P | PTE_W | PTE_U;
		write_cr3(read_cr3());
	}
	return (u64 *)(*pde & PTE_ADDR) + (address >> PAGE_SHIFT) % ENTRIES;
}

void map_page(u64 address, u64 entry)
{
	*pte_of(address) = entry;
	invlpg((const void *)address);
}

void pic_setup(u8 base)
{
	static const struct {
		u16 port;
		u8 value;
	} words[] = {
		{ 0x20, 0x11 }, { 0x21, 0 }, { 0x21, 4 }, { 0x21, 1 },	  { 0xa0, 0x11 },
		{ 0xa1, 8 },	{ 0xa1, 2 }, { 0xa1, 1 }, { 0x21, 0xff }, { 0xa1, 0xff },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		bool is_vector = i == 1 || i == 5;

		outb(words[i].port, (u8)(words[i].value + (is_vector ? base : 0)));
	}
}

#define PORT61		 0x61
#define PORT61_GATE2	 1
#define PORT61_OUT2	 0x20
#define PIT_CHANNEL_2	 0x42
#define PIT_CONTROL_PORT 0x43
#define PIT_ONE_SHOT_2	 0xb0

void pit_delay(u16 clocks)
{
	outb(PORT61, PORT61_GATE2);
	outb(PIT_CONTROL_PORT, PIT_ONE_SHOT_2);
	outb(PIT_CHANNEL_2, (u8)clocks);
	outb(PIT_CHANNEL_2, (u8)(clocks >> 8));
	for (u32 n = 0; n < WAIT_ROUNDS && !(inb(PORT61) & PORT61_OUT2); n++)
		cpu_pause();
}

void load_idt(void)
{
	struct {
		u16 limit;
		u64 base;
	} __packed pointer = { sizeof(idt) - 1, (u64)idt };

	for (unsigned int i = 0; i < VECTORS; i++) {
		u64 stub = (u64)trap_stubs + i * STUB_BYTES;

		idt[i] = (struct idt_gate){
			.offset_low = (u16)stub,
			.selector = GUEST_CS,
			.attr = 0x8e,
			.offset_mid = (u16)(stub >> 16),
			.offset_high = (u32)(stub >> 32),
		};
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void guest_start(u32 magic, u32 info)
{
	tap_begin(magic, info);
	load_idt();
	/* Nobody uses SYSCALL yet. */
	lax_processor = try_wrmsr(MSR_LSTAR, NOT_CANONICAL) == -1;
	wrmsr(MSR_LSTAR, 0);
	guest_main();
	tap_end();
}
