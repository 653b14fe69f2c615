/* SPDX-License-Identifier: MIT */
/*
 * The report on a guest that stopped: registers, last exits, the backend's control structure.
 */
#include "cpu.h"
#include "panic.h"
#include "printk.h"
#include "virt.h"

static const char *const exit_name[NR_EXIT_KINDS] = {
	[EXIT_UNKNOWN] = "unknown",
	[EXIT_CPUID] = "cpuid",
	[EXIT_RDMSR] = "rdmsr",
	[EXIT_WRMSR] = "wrmsr",
	[EXIT_PORT_IO] = "port i/o",
	[EXIT_NESTED_PAGE_FAULT] = "nested page fault",
	[EXIT_CR_ACCESS] = "cr access",
	[EXIT_DR_ACCESS] = "dr access",
	[EXIT_HLT] = "hlt",
	[EXIT_PAUSE] = "pause",
	[EXIT_HYPERCALL] = "hypercall",
	[EXIT_EXCEPTION] = "exception",
	[EXIT_INTERRUPT] = "interrupt",
	[EXIT_NMI] = "nmi",
	[EXIT_INTERRUPT_WINDOW] = "interrupt window",
	[EXIT_NMI_WINDOW] = "nmi window",
	[EXIT_SHUTDOWN] = "shutdown",
	[EXIT_INIT] = "init",
	[EXIT_SIPI] = "sipi",
	[EXIT_XSETBV] = "xsetbv",
	[EXIT_CACHE] = "cache",
	[EXIT_MONITOR] = "monitor",
	[EXIT_MWAIT] = "mwait",
	[EXIT_TASK_SWITCH] = "task switch",
	[EXIT_RDPMC] = "rdpmc",
	[EXIT_UNDEFINED] = "undefined instruction",
	[EXIT_TIMER] = "timer",
	[EXIT_ENTRY_FAILURE] = "entry failure",
};

static const char *const seg_name[NR_SEGS] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };

static void dump_exits(const struct vcpu *v)
{
	u32 n = v->trace_next < EXIT_TRACE ? v->trace_next : EXIT_TRACE;

	pr_err("last exits, newest last:");
	for (u32 i = v->trace_next - n; i != v->trace_next; i++) {
		const struct exit_trace *t = &v->trace[i % EXIT_TRACE];

		pr_err("  rip %016lx %s (%x) info %lx", t->rip, exit_name[t->kind], t->raw,
		       t->info);
	}
}

void vcpu_dump(struct vcpu *v)
{
	vcpu_need(v, REG_ALL);
	pr_err("vcpu %u (%s):", v->id, v->ops->name);
	pr_err("  rip %016lx rflags %08lx %s", v->rip, v->rflags, v->halted ? "halted" : "");
	pr_err("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", v->gpr[GPR_RAX], v->gpr[GPR_RBX],
	       v->gpr[GPR_RCX], v->gpr[GPR_RDX]);
	pr_err("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", v->gpr[GPR_RSI], v->gpr[GPR_RDI],
	       v->gpr[GPR_RBP], v->gpr[GPR_RSP]);
	pr_err("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", v->gpr[GPR_R8], v->gpr[GPR_R9],
	       v->gpr[GPR_R10], v->gpr[GPR_R11]);
	pr_err("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", v->gpr[GPR_R12], v->gpr[GPR_R13],
	       v->gpr[GPR_R14], v->gpr[GPR_R15]);
	pr_err("  cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx", v->cr0, v->cr2, v->cr3, v->cr4,
	       v->efer);
	for (unsigned int i = 0; i < NR_SEGS; i++)
		pr_err("  %-4s %04x base %016lx limit %08x attr %04x", seg_name[i],
		       v->seg[i].selector, v->seg[i].base, v->seg[i].limit, v->seg[i].attr);
	pr_err("  gdtr %016lx/%04x idtr %016lx/%04x", v->gdtr.base, v->gdtr.limit, v->idtr.base,
	       v->idtr.limit);
	dump_exits(v);
	v->ops->dump(v);
}

/* panic() asks for the state of whatever guest this CPU ran. */
void vcpu_dump_current(void)
{
	if (this_cpu()->vcpu)
		vcpu_dump(this_cpu()->vcpu);
}
