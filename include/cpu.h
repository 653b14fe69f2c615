/* SPDX-License-Identifier: MIT */
/*
 * The real processor (arch/cpu/): per-CPU data, descriptor tables, traps, host LAPIC.
 */
#ifndef PLINTH_CPU_H
#define PLINTH_CPU_H

#include "types.h"

struct vcpu;
struct cpu_tables; /* GDT, TSS and stacks: arch/cpu/tables.c */

/*
 * One a CPU; GS.base of that CPU points at it while Plinth runs. Touched by its own CPU only,
 * interrupt handlers included, except where a field says otherwise.
 */
struct cpu {
	struct cpu *self; /* offset 0: what this_cpu() reads */
	u32 id;		  /* 0 = boot CPU */
	u32 apic_id;
	struct vcpu *vcpu;	   /* the vCPU pinned here, or NULL */
	struct cpu_tables *tables; /* owned */
	bool timer_fired;	   /* set by the timer interrupt, cleared by host_timer_arm() */
	u64 timer_deadline;	   /* ns, UINT64_MAX when not armed */
	void *virt;		   /* the virtualization backend's area of this CPU, owned by it */
	u64 irq_count;
	u64 nmi_count;
};
_Static_assert(offsetof(struct cpu, self) == 0, "this_cpu() reads gs:0");

extern struct cpu boot_cpu; /* boot/entry.asm points GS.base at it */

/* Plinth's segment selectors. */
enum selector {
	SEL_NULL = 0x00,
	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_TSS = 0x18, /* two slots */
};

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__("movq %%gs:0, %0" : "=r"(c));
	return c;
}

/* Host interrupt vectors. */
enum host_vector {
	HOST_VEC_FIRST = 0x20,
	HOST_VEC_PIC_SPURIOUS = 0x20, /* 0x20-0x2f: where the masked 8259s point */
	HOST_VEC_CONSOLE = 0x30,
	HOST_VEC_TIMER = 0x31,
	HOST_VEC_IPI = 0x32,
	HOST_VEC_SPURIOUS = 0xff,
};

/* What an interrupt or exception handler sees; pushed by arch/cpu/traps.asm. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "pushed by traps.asm");

/*
 * Builds GDT, TSS, IDT and stacks of the boot CPU and loads them; sets GS.base. Called once, early.
 */
void cpu_init_boot(void);

/* What a VMCS needs for the host state; the selectors are above, the IDT is one for all. */
u64 cpu_gdt_base(const struct cpu *c);
u64 cpu_tss_base(const struct cpu *c);
u64 cpu_idt_base(void);

/* Hands every stack's guard page to unmap (paging_unmap); once paging_init() has run. */
void cpu_guard_pages(void (*unmap)(hpa_t page));

/*
 * A stack [low, high) in use on some CPU, with its guard page below: panic() walks no other memory.
 * 0 or -ENOSPC.
 */
int cpu_stack_register(const char *name, u64 low, u64 high);

/*
 * Installs a handler for a host vector. Interrupts: the trap code sends the EOI to the host LAPIC
 * afterwards. Exceptions and NMI: instead of the panic and of the NMI's log line; the NMI handler
 * runs on its IST stack and may not take locks.
 */
void trap_set_handler(u8 vector, void (*handler)(struct trap_frame *));

/*
 * Runs "rdmsr" and reports a #GP instead of panicking (an exception table does it).
 * Returns 0, or -EFAULT and *value = 0.
 */
int rdmsr_safe(u32 msr, u64 *value);
int wrmsr_safe(u32 msr, u64 value);

/*
 * Host local APIC, xAPIC or x2APIC as the firmware left it; masks the 8259 pair. Maps its registers
 * (paging_map). base is the MADT's address, or 0; the processor's own IA32_APIC_BASE wins. Returns
 * 0 or -ENODEV.
 */
int host_lapic_init(hpa_t base);
void host_lapic_eoi(void);
u32 host_lapic_id(void);

/* Maps the host's IOAPICs and masks all their pins. 0 or -ENODEV. */
struct acpi_info;
int host_ioapic_init(const struct acpi_info *acpi);

/*
 * Routes an ISA interrupt to a vector on this CPU through the host's IOAPIC, following the MADT's
 * overrides. The line is left masked. Returns 0 or -ENODEV (then the caller polls).
 */
int host_irq_route(unsigned isa_irq, u8 vector);
void host_irq_mask(unsigned isa_irq, bool masked);

/* Hardening of the page tables' rules: CR0.WP, EFER.NXE, SMEP, SMAP, UMIP where present. */
void cpu_harden(void);

/* Stops this CPU for good. */
void cpu_halt(void) __noreturn;

#endif
