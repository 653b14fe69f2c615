// SPDX-License-Identifier: MIT
/*
 * The end of Plinth itself: the cause, the registers, a backtrace by frame pointers, and a defined
 * stop.
 */
#include "panic.h"
#include "console.h"
#include "cpu.h"
#include "lib.h"
#include "printk.h"
#include "symbols.h"
#include "tables.h"
#include "x86.h"

#define FRAMES_MAX  1000
#define LINES_MAX   32
#define MESSAGE_MAX 256

/* What "push rbp; mov rbp, rsp" leaves. */
struct stack_frame {
	u64 next;
	u64 return_address;
};

static u16 debug_exit_port;
static u32 panicking; /* CPU id plus one */

__attribute__((weak)) void vcpu_dump_current(void)
{
}

void panic_set_debug_exit(u16 port)
{
	debug_exit_port = port;
}

void cpu_halt(void)
{
	for (;;) {
		irq_disable();
		__asm__ volatile("hlt");
	}
}

static __noreturn void defined_end(void)
{
	console_drain();
	if (debug_exit_port != 0)
		outl(debug_exit_port, DEBUG_EXIT_FAILED);
	cpu_halt();
}

static void print_address(const char *what, u64 address)
{
	u64 offset;
	const char *name = symbol_lookup(address, &offset);

	if (name)
		pr_err("%s %016llx %s+%#llx", what, (unsigned long long)address, name,
		       (unsigned long long)offset);
	else
		pr_err("%s %016llx", what, (unsigned long long)address);
}

/*
 * Every frame is checked to lie in a known stack, and higher than the last one or in another stack.
 */
static void backtrace(u64 frame)
{
	const struct cpu_stack *stack = NULL;
	u64 last = 0, printed = 0;
	unsigned int lines = 0;

	pr_err("backtrace:");
	for (unsigned int i = 0; i < FRAMES_MAX && lines < LINES_MAX && frame != 0; i++) {
		const struct cpu_stack *s = cpu_stack_find(frame);
		const struct stack_frame *f;

		if (!IS_ALIGNED(frame, sizeof(u64)) || s == NULL || frame < s->low ||
		    s->high - frame < sizeof(*f) || (s == stack && frame <= last)) {
			pr_err("  (frame pointer %#llx is not in a stack)",
			       (unsigned long long)frame);
			return;
		}
		f = (const struct stack_frame *)(uintptr_t)frame;
		/*
		 * The call is before the return address: a call at a function's end stays in that
		 * function.
		 */
		if (f->return_address != 0 && f->return_address != printed) {
			print_address("  from", f->return_address - 1);
			printed = f->return_address; /* a recursion is one line */
			lines++;
		}
		stack = s;
		last = frame;
		frame = f->next;
	}
}

#define R(field) (unsigned long long)f->field

static void print_registers(const struct trap_frame *f)
{
	print_address("rip", f->rip);
	pr_err("cs %04llx  ss %04llx  rsp %016llx  rflags %08llx", R(cs), R(ss), R(rsp), R(rflags));
	pr_err("rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", R(rax), R(rbx), R(rcx),
	       R(rdx));
	pr_err("rsi %016llx  rdi %016llx  rbp %016llx  r8  %016llx", R(rsi), R(rdi), R(rbp), R(r8));
	pr_err("r9  %016llx  r10 %016llx  r11 %016llx  r12 %016llx", R(r9), R(r10), R(r11), R(r12));
	pr_err("r13 %016llx  r14 %016llx  r15 %016llx", R(r13), R(r14), R(r15));
}

static void print_control_registers(void)
{
	pr_err("cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx", (unsigned long long)read_cr0(),
	       (unsigned long long)read_cr2(), (unsigned long long)read_cr3(),
	       (unsigned long long)read_cr4());
}

static __noreturn void die(const struct trap_frame *f, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX];
	struct cpu *c = this_cpu();
	u32 nobody = 0;

	irq_disable();
	if (!__atomic_compare_exchange_n(&panicking, &nobody, c->id + 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		/*
		 * A fault while this CPU panics: say where, once, and stop. Other CPUs just stop.
		 */
		if (nobody == c->id + 1) {
			__atomic_store_n(&panicking, UINT32_MAX, __ATOMIC_RELEASE);
			if (f)
				print_address("panic inside the panic at", f->rip);
			else
				pr_err("panic inside the panic: %s", fmt);
			defined_end();
		}
		cpu_halt();
	}

	console_panic();
	printk_set_level(LOG_INFO);
	vsnprintf(message, sizeof(message), fmt, ap);
	pr_err("PANIC on CPU %u: %s", c->id, message);
	if (f)
		print_registers(f);
	print_control_registers();
	if (f)
		backtrace(f->rbp);
	else
		backtrace((u64)(uintptr_t)__builtin_frame_address(0));
	if (c->vcpu)
		vcpu_dump_current();
	pr_err("stopped");
	defined_end();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(NULL, fmt, ap);
}

void panic_trap(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(frame, fmt, ap);
}

void fatal(const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	irq_disable();
	console_panic();
	printk_set_level(LOG_INFO);
	pr_err("%s", message);
	defined_end();
}
