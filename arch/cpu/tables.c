// SPDX-License-Identifier: MIT
/*
 * Per-CPU descriptor tables and stacks: GDT, TSS with interrupt stacks, the IDT that all CPUs
 * share. APM vol. 2 rev. 3.42, 4.7 and 4.8 (descriptors), 8.9.4 (interrupt stack table), 12.2.5
 * (64-bit TSS).
 */
#include "cpu.h"
#include "errors.h"
#include "msr.h"
#include "panic.h"
#include "tables.h"
#include "x86.h"

#define IST_STACK_SIZE 8192
#define IDT_GATES      256
#define TRAP_STUB_SIZE 16   /* distance of the entries in traps.asm */
#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */
#define STACKS_MAX     64
#define TSS_AVAILABLE  0x89 /* present, DPL 0, type 9 */

/* A flat 64-bit code and a data segment, in descriptor layout: only L, P, S and the type matter. */
#define DESCRIPTOR_CODE 0x00af9b000000ffffULL
#define DESCRIPTOR_DATA 0x00cf93000000ffffULL

enum gdt_slot {
	GDT_NULL,
	GDT_CODE,
	GDT_DATA,
	GDT_TSS,
	GDT_TSS_HIGH,
	GDT_SLOTS
};
_Static_assert(SEL_CODE == GDT_CODE * 8 && SEL_DATA == GDT_DATA * 8 && SEL_TSS == GDT_TSS * 8,
	       "selectors are offsets into the GDT");

enum ist {
	IST_NMI = 1,
	IST_DF = 2,
	IST_MC = 3,
	IST_USED = 3
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap_base;
} __packed;
_Static_assert(sizeof(struct tss) == 104, "APM vol. 2 12.2.5");

struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 attributes;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};
_Static_assert(sizeof(struct gate) == 16, "APM vol. 2 4.8.4");

struct table_pointer {
	u16 limit;
	u64 base;
} __packed;

struct ist_stack {
	u8 guard[PAGE_SIZE];
	u8 stack[IST_STACK_SIZE];
};

struct cpu_tables {
	struct ist_stack ist[IST_USED];
	u64 gdt[GDT_SLOTS];
	struct tss tss;
} __aligned(4096);

struct cpu boot_cpu = { .self = &boot_cpu, .timer_deadline = UINT64_MAX };

static struct cpu_tables boot_tables;
static struct gate idt[IDT_GATES] __aligned(16);

static struct cpu_stack stacks[STACKS_MAX];
static u32 stack_count;

extern u8 trap_stubs[];
extern u8 boot_stack[], boot_stack_end[];

int cpu_stack_register(const char *name, u64 low, u64 high)
{
	u32 n = __atomic_fetch_add(&stack_count, 1, __ATOMIC_RELAXED);

	if (n >= STACKS_MAX) {
		__atomic_fetch_sub(&stack_count, 1, __ATOMIC_RELAXED);
		return -ENOSPC;
	}
	stacks[n].low = low;
	stacks[n].high = high;
	/* The name says that the slot is complete. */
	__atomic_store_n(&stacks[n].name, name, __ATOMIC_RELEASE);
	return 0;
}

const struct cpu_stack *cpu_stack_find(u64 address)
{
	for (u32 i = 0; i < STACKS_MAX; i++) {
		const struct cpu_stack *s = &stacks[i];

		if (__atomic_load_n(&s->name, __ATOMIC_ACQUIRE) == NULL)
			continue;
		if (address >= s->low - PAGE_SIZE && address < s->high)
			return s;
	}
	return NULL;
}

void cpu_guard_pages(void (*unmap)(hpa_t page))
{
	for (u32 i = 0; i < STACKS_MAX; i++) {
		if (stacks[i].name)
			unmap(stacks[i].low - PAGE_SIZE);
	}
}

static void set_gate(unsigned int vector, unsigned int ist)
{
	u64 offset = (u64)(uintptr_t)trap_stubs + vector * TRAP_STUB_SIZE;

	idt[vector] = (struct gate){
		.offset_low = (u16)offset,
		.offset_middle = (u16)(offset >> 16),
		.offset_high = (u32)(offset >> 32),
		.selector = SEL_CODE,
		.ist = (u8)ist,
		.attributes = GATE_INTERRUPT,
	};
}

static void build_idt(void)
{
	for (unsigned int v = 0; v < IDT_GATES; v++)
		set_gate(v, 0);
	set_gate(VEC_NMI, IST_NMI);
	set_gate(VEC_DF, IST_DF);
	set_gate(VEC_MC, IST_MC);
}

static void build_tables(struct cpu_tables *t)
{
	static const char *const name[IST_USED] = { "NMI", "double fault", "machine check" };
	u64 tss = (u64)(uintptr_t)&t->tss;

	t->gdt[GDT_NULL] = 0;
	t->gdt[GDT_CODE] = DESCRIPTOR_CODE;
	t->gdt[GDT_DATA] = DESCRIPTOR_DATA;
	t->gdt[GDT_TSS] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 |
			  (u64)TSS_AVAILABLE << 40 | (tss >> 24 & 0xff) << 56;
	t->gdt[GDT_TSS_HIGH] = tss >> 32;

	t->tss.iomap_base = sizeof(struct tss); /* beyond the limit: no map */
	for (unsigned int i = 0; i < IST_USED; i++) {
		u64 low = (u64)(uintptr_t)t->ist[i].stack;

		t->tss.ist[i] = low + IST_STACK_SIZE;
		BUG_ON(cpu_stack_register(name[i], low, low + IST_STACK_SIZE) != 0);
	}
}

/* Loads this CPU's tables; the segments' hidden parts, too, come from the new GDT. */
static void load_tables(struct cpu *c)
{
	struct table_pointer gdt = {
		.limit = sizeof(c->tables->gdt) - 1,
		.base = cpu_gdt_base(c),
	};
	struct table_pointer idtr = { .limit = sizeof(idt) - 1, .base = cpu_idt_base() };

	__asm__ volatile("lgdt %0\n\t"
			 "lidt %1\n\t"
			 "pushq %q2\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\n\t"
			 "movl %k3, %%ds\n\t"
			 "movl %k3, %%es\n\t"
			 "movl %k3, %%ss\n\t"
			 "lldt %w4\n\t"
			 "ltr %w5"
			 :
			 : "m"(gdt), "m"(idtr), "r"((u64)SEL_CODE), "r"((u32)SEL_DATA),
			   "r"((u16)SEL_NULL), "r"((u16)SEL_TSS)
			 : "rax", "memory");
	wrmsr(MSR_GS_BASE, (u64)(uintptr_t)c);
}

void cpu_init_boot(void)
{
	boot_cpu.tables = &boot_tables;
	BUG_ON(cpu_stack_register("boot", (u64)(uintptr_t)boot_stack,
				  (u64)(uintptr_t)boot_stack_end) != 0);
	build_idt();
	build_tables(&boot_tables);
	load_tables(&boot_cpu);
}

u64 cpu_gdt_base(const struct cpu *c)
{
	return (u64)(uintptr_t)c->tables->gdt;
}

u64 cpu_tss_base(const struct cpu *c)
{
	return (u64)(uintptr_t)&c->tables->tss;
}

u64 cpu_idt_base(void)
{
	return (u64)(uintptr_t)idt;
}
