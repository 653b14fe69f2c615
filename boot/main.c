/* SPDX-License-Identifier: MIT */
/*
 * The order of bring-up: from the boot loader's hands to a running guest. plinth_main() reads as a table of contents.
 */
#include "acpi.h"
#include "board.h"
#include "console.h"
#include "cpu.h"
#include "cpuid.h"
#include "entry_debug.h"
#include "errors.h"
#include "guest_modules.h"
#include "guest_ram.h"
#include "lib.h"
#include "machine.h"
#include "mm.h"
#include "multiboot.h"
#include "options.h"
#include "panic.h"
#include "policy.h"
#include "printk.h"
#include "report.h"
#include "time.h"
#include "virt.h"
#include "vm.h"

#define PLINTH_VERSION "0.1"

/*
 * Plinth's page pool: a fixed part for structures and tables, and two pages of tables for each GiB of addresses (its own and the
 * guest's), taken below 4 GiB because the entry page tables end there.
 */
#define POOL_BASE	 MIB(3)
#define POOL_PER_GIB	 (2 * PAGE_SIZE)
#define LOW_MEMORY_END	 MIB(1)
#define ENTRY_TABLES_END GIB(4)

extern char __image_start[], __image_end[];

/* Written during bring-up on the boot CPU, read-only afterwards. */
static struct boot_info boot_info;
static struct options options;
static struct memmap memmap;
static struct acpi_info acpi;
static struct guest_ram guest_ram;
static u64 pool_bytes;

static void print_line(const char *text)
{
	pr_info("%s", text);
}

static void read_boot_info(u32 magic, hpa_t info)
{
	int err = multiboot_parse(magic, info, &boot_info);

	options_parse(boot_info.cmdline, &options);
	panic_set_debug_exit(options.debug_exit);
	console_configure(&(struct console_config){
		.serial_port = options.console.port,
		.serial_speed = options.console.speed,
		.vga = options.console.vga && !(boot_info.framebuffer.present &&
						boot_info.framebuffer.type != BOOT_FB_TEXT),
	});
	printk_set_level(options.log_level);
	entry_debug_init(&options);
	pr_info("Plinth " PLINTH_VERSION ", a type-1 hypervisor, started by %s",
		boot_info.loader[0] ? boot_info.loader : "an unnamed boot loader");
	for (unsigned int i = 0; i < options.warnings; i++)
		pr_warn("%s", options.warning[i]);
	if (options.warnings_dropped)
		pr_warn("%u more words of the command line are not understood",
			options.warnings_dropped);
	if (boot_info.cmdline_truncated)
		pr_warn("the command line is longer than %u bytes: the rest is cut",
			BOOT_STRING_MAX);
	if (boot_info.mmap_dropped)
		pr_warn("%u entries of the memory map are malformed or too many",
			boot_info.mmap_dropped);
	if (options.help)
		options_help(print_line);
	if (err == -EINVAL)
		fatal("the boot loader's Multiboot information cannot be read");
	if (err)
		fatal("the boot loader gave no memory map");
}

static void unmap_guard_page(hpa_t page)
{
	if (paging_unmap(page, PAGE_SIZE))
		fatal("too little memory for Plinth's page tables");
}

static void give_memory(void)
{
	u64 image = (u64)(__image_end - __image_start);
	hpa_t pool;
	int err = boot_info_memmap(&boot_info, &memmap);

	if (err && !memmap.n)
		fatal("the memory map is too fragmented");
	memmap_reserve(&memmap, 0, LOW_MEMORY_END, MEM_RESERVED);
	memmap_reserve(&memmap, virt_to_phys(__image_start), image, MEM_PLINTH);
	pool_bytes = POOL_BASE + memmap_top(&memmap) / GIB(1) * POOL_PER_GIB;
	if (memmap_find(&memmap, pool_bytes, PAGE_SIZE, LOW_MEMORY_END, ENTRY_TABLES_END, &pool))
		fatal("too little memory: %lu KiB in one piece below 4 GiB are needed for Plinth itself",
		      pool_bytes >> 10);
	memmap_reserve(&memmap, pool, pool_bytes, MEM_PLINTH);
	page_pool_add(pool, pool_bytes);
	if (paging_init(&memmap))
		fatal("too little memory for Plinth's page tables");
	cpu_guard_pages(unmap_guard_page);
	cpu_harden();
}

static void find_devices(void)
{
	if (acpi_init(&memmap, boot_info.ebda, acpi_map_host, &acpi))
		pr_warn("no usable ACPI tables: power-off and interrupt routing fall back to the legacy ways");
	machine_init(&acpi, &options);
	if (host_lapic_init(acpi.has_madt ? acpi.lapic_address : APIC_BASE_DEFAULT))
		fatal("this processor has no local APIC");
	host_ioapic_init(&acpi);
	if (time_init(acpi.pm_timer_port, acpi.pm_timer_32bit))
		fatal("no clock to calibrate the processor's timestamp counter against");
	wallclock_init(acpi.century);
	if (console_irq_init())
		pr_debug("the serial interrupt is not routed: the console is polled");
}

/* The only place that looks at both backends. */
static const struct virt_ops *find_virtualization(void)
{
	static const struct virt_ops *const backend[] = { &svm_ops, &vmx_ops };
	const char *why =
		"this processor offers neither AMD-V (SVM) nor VT-x (VMX), or they are hidden";
	char features[128];

	for (unsigned int i = 0; i < ARRAY_SIZE(backend); i++) {
		int err = backend[i]->probe(&why);

		if (err == -ENODEV)
			continue;
		if (err)
			break;
		err = backend[i]->cpu_enable();
		if (err)
			fatal("%s cannot be switched on: %s", backend[i]->name,
			      err == -ENOMEM ? "too little memory in Plinth's pool"
			      : err == -EPERM
				      ? "the firmware left it unlocked, and the lock cannot be set"
				      : "the processor refuses");
		backend[i]->describe(features, sizeof(features));
		pr_info("%s: %s", backend[i]->name, features);
		return backend[i];
	}
	fatal("%s", why);
}

static void *alloc_zeroed(size_t size)
{
	void *p = page_alloc_contig((unsigned int)(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE));

	if (!p)
		fatal("too little memory in Plinth's pool (%lu bytes wanted)", size);
	return p;
}

static void __noreturn no_guest_memory(int err)
{
	u64 least = (u64)GUEST_RAM_MIN >> 20, free = guest_ram.available >> 20;

	if (err == -EINVAL)
		fatal("mem=%luM is too little memory for a guest: %lu MiB are the least",
		      options.mem >> 20, least);
	if (options.mem > GUEST_RAM_MIN)
		fatal("too little memory for a guest with mem=%luM: %lu MiB are free beside Plinth and the modules",
		      options.mem >> 20, free);
	fatal("too little memory for a guest: at least %lu MiB are needed, %lu MiB are free beside Plinth and the modules",
	      least, free);
}

static struct vm *build_machine(const struct virt_ops *ops, const struct guest_kind *kind)
{
	struct vm *vm = alloc_zeroed(sizeof(*vm));
	struct vcpu *v = alloc_zeroed(sizeof(*v));
	struct board_host host;
	const char *why = "";
	int err = guest_ram_choose(&memmap, options.mem, 0, &guest_ram);

	if (err)
		no_guest_memory(err);
	/* The emulator moves the guest's SSE registers, which are live; XCR0 is the guest's too, and the policy sets it. */
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_PGE | CR4_PSE);
	if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)
		write_cr4(read_cr4() | CR4_OSXSAVE);
	cpuid_policy_init(ops->cpuid ? ops->cpuid : cpuid, time_tsc_hz());
	msr_policy_init(rdmsr_safe, wrmsr_safe);
	vm->loader = boot_info.loader[0] ? boot_info.loader : NULL;
	vm->ram_below_4g = guest_ram.below_4g;
	vm->ram_above_4g = guest_ram.above_4g;
	err = gpmap_init(&vm->gpmap, ops->gpmap_format);
	for (unsigned int i = 0; i < guest_ram.n && !err; i++) {
		const struct gp_extent *e = &guest_ram.extent[i];

		err = gpmap_add(&vm->gpmap, e->gpa, e->hpa, e->len, e->prot, MEMTYPE_WB);
	}
	if (err)
		fatal("the guest's memory cannot be mapped (error %d)", -err);
	host = machine_board_host(vm);
	err = board_init(&vm->board, &host, vm->ram_below_4g, vm->ram_above_4g);
	if (!err)
		err = vcpu_create(v, vm, ops, 0);
	if (!err)
		err = guest_fw_cfg(vm);
	if (err)
		fatal("the guest's machine cannot be built (error %d)", -err);
	if (kind->build && kind->build(vm, boot_info.module, boot_info.module_count, &why))
		fatal("%s: %s", kind->name, why);
	return vm;
}

static const struct guest_kind *recognise_guest(void)
{
	static const struct guest_kind *const kinds[] = { &guest_linux, &guest_multiboot,
							  &guest_firmware };
	const struct boot_module *m = boot_info.module;
	const char *why = "";

	if (!boot_info.module_count) {
		pr_info("no module given: the built-in demonstration guest runs");
		return &guest_demo;
	}
	for (unsigned int i = 0; i < boot_info.module_count; i++) {
		if (m[i].bad)
			fatal("module %u (%s) ends before it starts", i + 1, m[i].name);
		if (m[i].truncated)
			fatal("the command line of module %u (%s) is too long: the limit is %u bytes, with the file name",
			      i + 1, m[i].name, BOOT_STRING_MAX - 1);
	}
	if (boot_info.modules_dropped)
		pr_warn("only the first %u modules are used", BOOT_MODULES_MAX);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		int err = kinds[i]->probe(m, boot_info.module_count, &why);

		if (!err)
			return kinds[i];
		if (err != -ENOEXEC)
			fatal("%s: %s", kinds[i]->name, why);
	}
	fatal("the first module (%s, %lu bytes) is of no known kind: expected a Linux bzImage, a Multiboot kernel or a firmware image",
	      m->name[0] ? m->name : "unnamed", m->len);
}

static void report(const struct vm *vm)
{
	u64 image = (u64)(__image_end - __image_start);

	pr_info("guest: %lu MiB of memory, 1 processor; Plinth itself: %lu KiB (image %lu, pool %lu, of it %lu free)",
		(vm->ram_below_4g + vm->ram_above_4g) >> 20, (image + pool_bytes) >> 10,
		image >> 10, pool_bytes >> 10, page_pool_free() >> 10);
}

/* One life of the guest, from reset to its request. */
static enum board_request run_guest(struct vm *vm, const struct guest_kind *kind)
{
	struct board *b = &vm->board;
	const char *why = "";

	b->request = BOARD_NONE;
	board_reset(b);
	vcpu_reset(vm->vcpu[0], false);
	if (kind->load(vm, boot_info.module, boot_info.module_count, &why))
		fatal("%s: %s", kind->name, why);
	report_start(vm, &options, &boot_info);
	printk_guest_running(true);
	machine_start_console(vm);
	vcpu_run(vm->vcpu[0]);
	printk_guest_running(false);
	report_end(vm, &options, &boot_info);
	entry_debug_summary();
	return b->request;
}

/*
 * A guest that crashes as soon as it starts would do so forever: after this many short lives in a row it is not started again.
 */
#define SHORT_LIFE	(10 * NSEC_PER_SEC)
#define SHORT_LIVES_MAX 3

static bool keeps_crashing(enum board_request request, u64 life)
{
	static unsigned int short_lives;

	short_lives = request == BOARD_CRASHED && life < SHORT_LIFE ? short_lives + 1 : 0;
	return short_lives >= SHORT_LIVES_MAX;
}

/* What the guest's reset means. Returns when the guest is to be restarted. */
static void reset_machine(void)
{
	switch (options.reset) {
	case RESET_RESTART:
		pr_info("the guest restarts");
		return;
	case RESET_REBOOT:
		machine_reboot();
	case RESET_POWEROFF:
		machine_power_off();
	case RESET_HALT:
		machine_halt();
	}
}

static void __noreturn power_off_machine(void)
{
	switch (options.poweroff) {
	case POWEROFF_REBOOT:
		machine_reboot();
	case POWEROFF_HALT:
		machine_halt();
	case POWEROFF_OFF:
		break;
	}
	machine_power_off();
}

static void __noreturn run_forever(struct vm *vm, const struct guest_kind *kind)
{
	pr_info("starting %s", kind->name);
	for (;;) {
		u64 start = time_now();
		enum board_request request = run_guest(vm, kind);

		switch (request) {
		case BOARD_POWER_OFF:
			pr_info("the guest powered off");
			power_off_machine();
		case BOARD_DEBUG_EXIT:
			machine_debug_exit(vm->board.debug_exit_value);
		case BOARD_CRASHED:
		case BOARD_RESET:
		case BOARD_NONE:
			break;
		}
		if (options.reset == RESET_RESTART && keeps_crashing(request, time_now() - start)) {
			pr_err("the guest crashed %u times at its start: it is not restarted",
			       SHORT_LIVES_MAX);
			power_off_machine();
		}
		reset_machine();
	}
}

void plinth_main(u32 magic, u32 info) __noreturn;

void plinth_main(u32 magic, u32 info)
{
	const struct virt_ops *ops;
	const struct guest_kind *kind;
	struct vm *vm;

	console_init_early();
	cpu_init_boot();
	read_boot_info(magic, info);
	give_memory();
	find_devices();
	ops = find_virtualization();
	kind = recognise_guest();
	vm = build_machine(ops, kind);
	report(vm);
	run_forever(vm, kind);
}
