// SPDX-License-Identifier: MIT
/*
 * What happens on the real processor's exceptions and interrupts: APM vol. 2 rev. 3.42, 8.2.
 */
#include "cpu.h"
#include "errors.h"
#include "panic.h"
#include "printk.h"
#include "tables.h"
#include "x86.h"

#define VECTORS		   256
#define EXCEPTIONS	   32
#define PIC_VECTORS	   16
#define NMI_LINES_MAX	   10
#define UNEXPECTED_MAX	   10
#define PIC_SPURIOUS_SLAVE (HOST_VEC_PIC_SPURIOUS + 15)
#define PIC_MASTER_COMMAND 0x20
#define PIC_EOI		   0x20

/* Where an instruction that may fault is, and where to go on if it does. */
struct ex_entry {
	u32 instruction;
	u32 fixup;
};
extern const struct ex_entry __ex_table_start[], __ex_table_end[];

#define EX_TABLE(from, to)                  \
	".pushsection .ex_table, \"a\"\n\t" \
	".long " #from ", " #to "\n\t"      \
	".popsection\n\t"

static void (*handlers[VECTORS])(struct trap_frame *);

static const char *const exception_name[EXCEPTIONS] = {
	[VEC_DE] = "divide error",
	[VEC_DB] = "debug",
	[VEC_NMI] = "NMI",
	[VEC_BP] = "breakpoint",
	[VEC_OF] = "overflow",
	[VEC_BR] = "bound range",
	[VEC_UD] = "invalid opcode",
	[VEC_NM] = "device not available",
	[VEC_DF] = "double fault",
	[VEC_TS] = "invalid TSS",
	[VEC_NP] = "segment not present",
	[VEC_SS] = "stack fault",
	[VEC_GP] = "general protection",
	[VEC_PF] = "page fault",
	[VEC_MF] = "x87 error",
	[VEC_AC] = "alignment check",
	[VEC_MC] = "machine check",
	[VEC_XM] = "SIMD error",
	[VEC_VE] = "virtualization",
	[VEC_CP] = "control protection",
	[VEC_SX] = "security",
};

void trap_dispatch(struct trap_frame *f);

void trap_set_handler(u8 vector, void (*handler)(struct trap_frame *))
{
	__atomic_store_n(&handlers[vector], handler, __ATOMIC_RELEASE);
}

static bool fixup(struct trap_frame *f)
{
	for (const struct ex_entry *e = __ex_table_start; e < __ex_table_end; e++) {
		if (e->instruction == f->rip) {
			f->rip = e->fixup;
			return true;
		}
	}
	return false;
}

static void nmi(struct trap_frame *f)
{
	struct cpu *c = this_cpu();

	c->nmi_count++;
	if (handlers[VEC_NMI])
		handlers[VEC_NMI](f);
	else if (c->nmi_count <= NMI_LINES_MAX)
		pr_warn("CPU %u: NMI %llu at %#llx", c->id, (unsigned long long)c->nmi_count,
			(unsigned long long)f->rip);
}

static __noreturn void unhandled_exception(const struct trap_frame *f)
{
	const char *name = exception_name[f->vector];
	u64 cr2 = read_cr2();
	const struct cpu_stack *s = cpu_stack_find(cr2);

	if (name == NULL)
		name = "reserved exception";
	/*
	 * A push into a guard page is a #PF that cannot be delivered either: #DF, with CR2 left
	 * behind.
	 */
	if ((f->vector == VEC_PF || f->vector == VEC_DF) && s && cr2 < s->low)
		panic_trap(f, "%s: overflow of the %s stack at %#llx", name, s->name,
			   (unsigned long long)cr2);
	if (f->vector == VEC_PF)
		panic_trap(f, "page fault: %s %#llx%s (error code %#llx)",
			   f->error & PFERR_I	? "execution of"
			   : f->error & PFERR_W ? "write to"
						: "read of",
			   (unsigned long long)cr2,
			   f->error & PFERR_P ? ", protected" : ", not mapped",
			   (unsigned long long)f->error);
	panic_trap(f, "exception %llu: %s (error code %#llx)", (unsigned long long)f->vector, name,
		   (unsigned long long)f->error);
}

static void exception(struct trap_frame *f)
{
	if (f->vector == VEC_NMI)
		nmi(f);
	else if (handlers[f->vector])
		handlers[f->vector](f);
	else if (!fixup(f))
		unhandled_exception(f);
}

static void interrupt(struct trap_frame *f)
{
	static u32 unexpected;
	void (*handler)(struct trap_frame *) = handlers[f->vector];

	this_cpu()->irq_count++;
	if (f->vector == HOST_VEC_SPURIOUS)
		return; /* SDM vol. 3 11.9: no EOI */
	if (f->vector < HOST_VEC_PIC_SPURIOUS + PIC_VECTORS) {
		/*
		 * Only a spurious one can come from a masked 8259; the master has a spurious IRQ 15
		 * in service.
		 */
		if (f->vector == PIC_SPURIOUS_SLAVE)
			outb(PIC_MASTER_COMMAND, PIC_EOI);
		return;
	}
	if (handler)
		handler(f);
	else if (__atomic_fetch_add(&unexpected, 1, __ATOMIC_RELAXED) < UNEXPECTED_MAX)
		pr_warn("CPU %u: unexpected interrupt %#llx", this_cpu()->id,
			(unsigned long long)f->vector);
	host_lapic_eoi();
}

void trap_dispatch(struct trap_frame *f)
{
	if (f->vector < EXCEPTIONS)
		exception(f);
	else
		interrupt(f);
}

int rdmsr_safe(u32 msr, u64 *value)
{
	u32 lo, hi;
	int err;

	__asm__ volatile("xorl %0, %0\n"
			 "1:\trdmsr\n\t"
			 "jmp 3f\n"
			 "2:\tmovl %4, %0\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "xorl %%edx, %%edx\n"
			 "3:\n\t" EX_TABLE(1b, 2b)
			 : "=&r"(err), "=&a"(lo), "=&d"(hi)
			 : "c"(msr), "i"(-EFAULT));
	*value = ((u64)hi << 32) | lo;
	return err;
}

int wrmsr_safe(u32 msr, u64 value)
{
	int err;

	__asm__ volatile("xorl %0, %0\n"
			 "1:\twrmsr\n\t"
			 "jmp 3f\n"
			 "2:\tmovl %4, %0\n"
			 "3:\n\t" EX_TABLE(1b, 2b)
			 : "=&r"(err)
			 : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)), "i"(-EFAULT)
			 : "memory");
	return err;
}
