/* SPDX-License-Identifier: MIT */
/*
 * The guest tests' small library: polled 16550, TAP, traps, end.
 */
#include "guest.h"

#define COM1	      0x3f8
#define COM_DATA      0
#define COM_IER	      1
#define COM_FCR	      2
#define COM_LCR	      3
#define COM_MCR	      4
#define COM_LSR	      5
#define LSR_THRE      0x20
#define LSR_TEMT      0x40
#define LCR_DLAB      0x80
#define LCR_8N1	      0x03
#define DEBUG_EXIT    0xf4
#define PCI_ADDRESS   0xcf8
#define PCI_DATA      0xcfc
#define SLP_EN	      0x2000
#define VECTORS	      256
#define NOT_CANONICAL 0x0000800000000000ULL
/* Leaf 0, EBX. */
#define AUTHENTIC_AMD 0x68747541U /* "Auth" */
/* Leaf 40000000H, EBX. */
#define HV_PLINTH     0x6e696c50U /* "Plin" */
#define HV_QEMU	      0x54474354U /* "TCGT" */

u32 multiboot_magic, multiboot_info;
bool under_plinth, bare_qemu, lax_processor, on_bochs, bare_bochs;
volatile u32 taken[VECTORS];
volatile u32 try_error;
volatile u64 try_resume;
volatile int try_vector;

static trap_handler handlers[VECTORS];
static u32 tests, failures;

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

bool processor_is_amd(void)
{
	return cpuid(0, 0).ebx == AUTHENTIC_AMD;
}

/* --- output ------------------------------------------------------------------------------------ */

static void put_char(char c)
{
	while (!(inb(COM1 + COM_LSR) & LSR_THRE))
		cpu_pause();
	outb(COM1 + COM_DATA, (u8)c);
}

static void put_number(u64 v, unsigned int base, unsigned int width, char pad)
{
	char buf[24];
	unsigned int n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (width > n) {
		put_char(pad);
		width--;
	}
	while (n)
		put_char(buf[--n]);
}

/* %s %c %d %u %x %lu %lx with a width and zero padding: what the tests use. */
static void vprint(const char *f, va_list ap)
{
	for (; *f; f++) {
		unsigned int width = 0;
		bool wide = false;
		char pad = ' ';

		if (*f != '%') {
			put_char(*f);
			continue;
		}
		f++;
		if (*f == '0')
			pad = *f++;
		while (*f >= '0' && *f <= '9')
			width = width * 10 + (unsigned int)(*f++ - '0');
		while (*f == 'l') {
			wide = true;
			f++;
		}
		switch (*f) {
		case 's':
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put_char(*s);
			break;
		case 'c':
			put_char((char)va_arg(ap, int));
			break;
		case 'd': {
			s64 v = wide ? va_arg(ap, s64) : va_arg(ap, int);

			if (v < 0)
				put_char('-');
			put_number(v < 0 ? -(u64)v : (u64)v, 10, width, pad);
			break;
		}
		case 'u':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, u32), 10, width, pad);
			break;
		case 'x':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, u32), 16, width, pad);
			break;
		case '%':
			put_char('%');
			break;
		default:
			return;
		}
	}
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

/* --- TAP --------------------------------------------------------------------------------------- */

static void result(bool passed, const char *fmt, va_list ap)
{
	tests++;
	failures += !passed;
	print("%s %u - ", passed ? "ok" : "not ok", tests);
	vprint(fmt, ap);
	print("\n");
}

void ok(bool passed, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(passed, name, ap);
	va_end(ap);
}

void is(u64 got, u64 expected, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	result(got == expected, name, ap);
	va_end(ap);
	if (got != expected)
		print("# got 0x%lx, expected 0x%lx\n", got, expected);
}

void skip(const char *name, const char *why)
{
	tests++;
	print("ok %u - %s # SKIP %s\n", tests, name, why);
}

void inside_only(bool passed, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	if (under_plinth) {
		result(passed, name, ap);
	} else {
		tests++;
		print("ok %u - ", tests);
		vprint(name, ap);
		print(" # SKIP the emulator deviates from the manual\n");
	}
	va_end(ap);
}

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

u32 pci_read32(u8 dev, u8 fn, u8 reg)
{
	outl(PCI_ADDRESS, 0x80000000U | (u32)dev << 11 | (u32)fn << 8 | reg);
	return inl(PCI_DATA);
}

u16 pm_base(void)
{
	u32 base = pci_read32(1, 3, 0x40);

	return base == 0xffffffff ? 0 : (u16)(base & 0xffc0);
}

/* PM1 control is at +4. */
static void power_off(void)
{
	u16 base = pm_base();

	if (!base)
		return;
	outw((u16)(base + 4), SLP_EN | 5U << 10); /* Plinth's _S5 */
	outw((u16)(base + 4), SLP_EN);		  /* the emulators' */
}

void finish(u32 status)
{
	while (!(inb(COM1 + COM_LSR) & LSR_TEMT))
		cpu_pause();
	outl(DEBUG_EXIT, status);
	power_off();
	for (;;)
		__asm__ volatile("cli; hlt");
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

/* Multiboot Specification 0.6.96, 3.3. */
#define INFO_FLAGS	 0
#define INFO_CMDLINE	 16
#define INFO_HAS_CMDLINE BIT(2)

/* What follows the word, or NULL. */
static const char *behind(const char *word)
{
	const char *line = (const char *)(u64)mmio_read32(multiboot_info + INFO_CMDLINE);

	if (!(mmio_read32(multiboot_info + INFO_FLAGS) & INFO_HAS_CMDLINE))
		return NULL;
	for (; *line; line++) {
		u32 n = 0;

		while (word[n] && line[n] == word[n])
			n++;
		if (!word[n])
			return line + n;
	}
	return NULL;
}

bool cmdline_has(const char *word)
{
	return behind(word) != NULL;
}

u64 cmdline_number(const char *word, u64 fallback)
{
	const char *s = behind(word);
	u64 value = 0;
	u32 base = 10;

	if (!s)
		return fallback;
	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	}
	for (;; s++) {
		u32 digit = 16;

		if (*s >= '0' && *s <= '9')
			digit = (u32)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			digit = (u32)(*s - 'a' + 10);
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

void guest_start(u32 magic, u32 info)
{
	struct cpuid_regs hv = cpuid(0x40000000, 0);

	multiboot_magic = magic;
	multiboot_info = info;
	under_plinth = hv.ebx == HV_PLINTH;
	bare_qemu = hv.ebx == HV_QEMU;
	on_bochs = cmdline_has("emulator=bochs");
	bare_bochs = on_bochs && !under_plinth;
	load_idt();
	/* Nobody uses SYSCALL yet. */
	lax_processor = try_wrmsr(MSR_LSTAR, NOT_CANONICAL) == -1;
	wrmsr(MSR_LSTAR, 0);
	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_DLAB);
	outb(COM1 + COM_DATA, 1);
	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_8N1);
	outb(COM1 + COM_FCR, 7);
	outb(COM1 + COM_MCR, 3);
	guest_main();
	print("1..%u\n", tests);
	if (failures)
		print("# %u failed\n", failures);
	finish(failures ? 1 : 0);
}
