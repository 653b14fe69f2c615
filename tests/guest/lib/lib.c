/* SPDX-License-Identifier: MIT */
/*
 * The guest tests' small library: polled 16550, TAP, traps, end.
 */
#include "guest.h"

#define COM1	     0x3f8
#define COM_DATA     0
#define COM_IER	     1
#define COM_FCR	     2
#define COM_LCR	     3
#define COM_MCR	     4
#define COM_LSR	     5
#define LSR_THRE     0x20
#define LSR_TEMT     0x40
#define LCR_DLAB     0x80
#define LCR_8N1	     0x03
#define DEBUG_EXIT   0xf4
#define PCI_ADDRESS  0xcf8
#define PCI_DATA     0xcfc
#define SLP_EN	     0x2000
#define VECTORS	     256

u32 multiboot_magic, multiboot_info;
bool under_plinth;
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

/* --- traps ------------------------------------------------------------------------------------- */

void on_vector(u8 vector, trap_handler handler)
{
	handlers[vector] = handler;
	taken[vector] = 0;
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

static u32 pci_read32(u8 dev, u8 fn, u8 reg)
{
	outl(PCI_ADDRESS, 0x80000000U | (u32)dev << 11 | (u32)fn << 8 | reg);
	return inl(PCI_DATA);
}

/* The 82371AB's PM base where the board has one; PM1 control is at +4. */
static void power_off(void)
{
	u16 base = (u16)(pci_read32(1, 3, 0x40) & 0xffc0);

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

static void load_idt(void)
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
	struct cpuid_regs hv = cpuid(0x40000000, 0);

	multiboot_magic = magic;
	multiboot_info = info;
	under_plinth = hv.ebx == 0x6e696c50;
	load_idt();
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
