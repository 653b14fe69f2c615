/* SPDX-License-Identifier: MIT */
/*
 * The real machine's ends (power-off, reset, halt, debug exit), and the guest's board joined to the real clock and serial line.
 * ACPI Specification 6.5, 4.8; 82371AB data sheet (CF9).
 */
#include "machine.h"
#include "console.h"
#include "cpu.h"
#include "printk.h"
#include "time.h"
#include "x86.h"

#define RESET_CONTROL	   0xcf9
#define RESET_CONTROL_HARD 0x02
#define RESET_CONTROL_CPU  0x04
#define I8042_COMMAND	   0x64
#define I8042_PULSE_RESET  0xfe

static const struct acpi_info *acpi;
static const struct options *options;
static struct timer poll_timer; /* under the board's lock */

void machine_init(const struct acpi_info *acpi_info, const struct options *opts)
{
	acpi = acpi_info;
	options = opts;
}

void machine_halt(void)
{
	pr_info("halted");
	console_drain();
	cpu_halt();
}

void machine_power_off(void)
{
	console_drain();
	if (acpi_power_off(acpi))
		pr_warn("this machine's ACPI tables offer no power-off: switch it off by hand");
	machine_halt();
}

void machine_reboot(void)
{
	console_drain();
	acpi_reset(acpi);
	outb(RESET_CONTROL, RESET_CONTROL_HARD);
	outb(RESET_CONTROL, RESET_CONTROL_HARD | RESET_CONTROL_CPU);
	outb(I8042_COMMAND, I8042_PULSE_RESET);
	pr_warn("this machine does not reset: do it by hand");
	machine_halt();
}

void machine_debug_exit(u32 value)
{
	console_drain();
	outl(options->debug_exit, value);
	machine_halt();
}

/* --- the board's host --------------------------------------------------------------------------- */

static void kick(void *ctx)
{
	struct vm *vm = ctx;
	u32 requests = VCPU_REQ_EVENT;

	if (vm->board.request != BOARD_NONE)
		requests |= VCPU_REQ_STOP;
	if (vm->nr_vcpus)
		vcpu_request(vm->vcpu[0], requests);
}

/* The wire has something to send: the boot vCPU pumps it on its way back to the guest. */
static bool com1_tx(void *ctx, u8 byte)
{
	struct vm *vm = ctx;
	bool taken = console_guest_tx(NULL, byte);

	vcpu_request(vm->vcpu[0], VCPU_REQ_CONSOLE);
	return taken;
}

/* What is typed goes to the one or the other. */
static int com1_rx(void *ctx)
{
	return options->keyboard == KEYBOARD_CONSOLE ? -1 : console_guest_rx(ctx);
}

static int keyboard_rx(void *ctx)
{
	return console_guest_rx(ctx);
}

/* Without an interrupt from the real line it is looked at now and then. */
static void poll_console(void *ctx, u64 now)
{
	struct vm *vm = ctx;

	vcpu_request(vm->vcpu[0], VCPU_REQ_CONSOLE);
	timer_arm(&vm->board.timers, &poll_timer, now + CONSOLE_POLL_NS);
}

void machine_start_console(struct vm *vm)
{
	spin_lock(&vm->board.lock);
	timer_cancel(&vm->board.timers, &poll_timer);
	poll_timer.fire = poll_console;
	poll_timer.arg = vm;
	if (console_needs_poll())
		timer_arm(&vm->board.timers, &poll_timer, time_now());
	spin_unlock(&vm->board.lock);
}

/* A device reaches guest memory only: the map has nothing else in it. */
static int memory_read(void *ctx, gpa_t gpa, void *dst, u64 len)
{
	const struct vm *vm = ctx;

	return gpmap_read(&vm->gpmap, gpa, dst, len);
}

static int memory_write(void *ctx, gpa_t gpa, const void *src, u64 len)
{
	const struct vm *vm = ctx;

	return gpmap_write(&vm->gpmap, gpa, src, len);
}

static int memory_clear(void *ctx, gpa_t gpa, u64 len)
{
	const struct vm *vm = ctx;

	return gpmap_fill(&vm->gpmap, gpa, 0, len);
}

struct board_host machine_board_host(struct vm *vm)
{
	return (struct board_host){
		.now = time_now,
		.wallclock = wallclock_ns,
		.com1 = { .tx = com1_tx, .rx = com1_rx, .ctx = vm },
		.keyboard = options->keyboard == KEYBOARD_CONSOLE ? keyboard_rx : NULL,
		.debug_exit_port = options->debug_exit,
		.test_device = options->test_device,
		.memory = { memory_read, memory_write, memory_clear, vm },
		.kick = kick,
		.ctx = vm,
	};
}
