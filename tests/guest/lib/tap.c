/* SPDX-License-Identifier: MIT */
/*
 * The part of the guest tests' library that 32-bit and 64-bit programs share: polled 16550, TAP, what is below, end.
 */
#include "tap.h"

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
/* Leaf 0, EBX. */
#define AUTHENTIC_AMD 0x68747541U /* "Auth" */
/* Leaf 40000000H, EBX. */
#define HV_PLINTH     0x6e696c50U /* "Plin" */
#define HV_QEMU	      0x54474354U /* "TCGT" */

u32 multiboot_magic, multiboot_info;
bool under_plinth, bare_qemu, on_bochs, bare_bochs;

static u32 tests, failures;

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

/* v / base, without the compiler's library, which a 32-bit program would need. */
static unsigned int divide(u64 *v, u32 base)
{
	u32 hi = (u32)(*v >> 32), lo = (u32)*v, rest = hi % base;

	hi /= base;
	__asm__("divl %4" : "=a"(lo), "=d"(rest) : "a"(lo), "d"(rest), "r"(base) : "cc");
	*v = (u64)hi << 32 | lo;
	return rest;
}

static void put_number(u64 v, unsigned int base, unsigned int width, char pad)
{
	char buf[24];
	unsigned int n = 0;

	do {
		buf[n++] = "0123456789abcdef"[divide(&v, base)];
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
		unsigned int longs = 0;
		bool wide;
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
			longs++;
			f++;
		}
		wide = longs * sizeof(long) >= sizeof(u64);
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
		print("# got 0x%llx, expected 0x%llx\n", (unsigned long long)got,
		      (unsigned long long)expected);
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

/* --- machine ------------------------------------------------------------------------------------ */

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
	outw((u16)(base + 4), SLP_EN); /* SLP_TYP 0: soft off */
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

/* Multiboot Specification 0.6.96, 3.3. */
#define INFO_FLAGS	 0
#define INFO_CMDLINE	 16
#define INFO_HAS_CMDLINE BIT(2)

static u32 info_word(u32 offset)
{
	return *(const u32 *)(unsigned long)(multiboot_info + offset);
}

/* What follows the word, or NULL. */
static const char *behind(const char *word)
{
	const char *line = (const char *)(unsigned long)info_word(INFO_CMDLINE);

	if (!(info_word(INFO_FLAGS) & INFO_HAS_CMDLINE))
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

void tap_begin(u32 magic, u32 info)
{
	struct cpuid_regs hv = cpuid(0x40000000, 0);

	multiboot_magic = magic;
	multiboot_info = info;
	under_plinth = hv.ebx == HV_PLINTH;
	bare_qemu = hv.ebx == HV_QEMU;
	on_bochs = cmdline_has("emulator=bochs");
	bare_bochs = on_bochs && !under_plinth;
	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_DLAB);
	outb(COM1 + COM_DATA, 1);
	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_8N1);
	outb(COM1 + COM_FCR, 7);
	outb(COM1 + COM_MCR, 3);
}

void tap_end(void)
{
	print("1..%u\n", tests);
	if (failures)
		print("# %u failed\n", failures);
	finish(failures ? 1 : 0);
}
