/* SPDX-License-Identifier: MIT */
/*
 * The DSDT of the guest's board, as AML: ACPI 6.4 chapter 20 (AML encoding) and 6.4 (resource
 * descriptors). In ASL:
 *
 *	Name(\_S5, Package() { S5, S5, 0, 0 })
 *	Scope(\_SB) {
 *		Device(Cnnn) { _HID "ACPI0007", _UID n }	for each vCPU
 *		Device(PCI0) {					PNP0A03, bus 0
 *			Device(ISA) { PIC, TIMR, RTC, KBD, COM1, SYSR }
 *		}
 *		Device(FWCF) { _HID "QEMU0002", _STA present but not shown }
 *	}
 */
#include "dev/fw_cfg.h"
#include "dev/ioapic.h"
#include "guest_modules.h"
#include "lib.h"
#include "msr.h"

/* --- the builder ------------------------------------------------------------------------------ */

enum aml_op {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_ROOT = '\\',
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
};

#define PKG_ONE_BYTE_MAX   0x3fU /* the length counts its own bytes */
#define PKG_LOW_NIBBLE	   0x0fU
#define PKG_COUNT_SHIFT	   6
#define PKG_BYTES_MAX	   4U
#define NAME_SEG	   4U
#define RESOURCES_MAX	   256U
#define ISA_BRIDGE_ADDRESS 0x00010000U /* device 1, function 0 */

/* Bytes are appended while they fit; after an overflow nothing more is. */
struct aml {
	u8 *p;
	size_t n, size;
	bool overflow;
};

static void aml_bytes(struct aml *a, const void *src, size_t len)
{
	if (a->overflow || len > a->size - a->n) {
		a->overflow = true;
		return;
	}
	memcpy(a->p + a->n, src, len);
	a->n += len;
}

/* Little-endian, as AML and this processor are. */
static void aml_uint(struct aml *a, u32 value, size_t len)
{
	aml_bytes(a, &value, len);
}

static void aml_byte(struct aml *a, u8 value)
{
	aml_bytes(a, &value, 1);
}

/* A package's content starts here; aml_end() puts the length before it. */
static size_t aml_begin(const struct aml *a)
{
	return a->n;
}

static void aml_end(struct aml *a, size_t start)
{
	size_t content = a->n - start;
	u8 length[PKG_BYTES_MAX];
	size_t count = 1;
	size_t total;

	if (a->overflow)
		return;
	while (count < PKG_BYTES_MAX &&
	       content + count > (count == 1 ? PKG_ONE_BYTE_MAX : (1ULL << (8 * count - 4)) - 1))
		count++;
	total = content + count;
	if (count == 1) {
		length[0] = (u8)total;
	} else {
		length[0] = (u8)((count - 1) << PKG_COUNT_SHIFT | (total & PKG_LOW_NIBBLE));
		for (size_t i = 1; i < count; i++)
			length[i] = (u8)(total >> (8 * i - 4));
	}
	aml_bytes(a, length, count); /* for the bounds check; then into place */
	if (a->overflow)
		return;
	memmove(a->p + start + count, a->p + start, content);
	memcpy(a->p + start, length, count);
}

static void aml_name_seg(struct aml *a, const char name[NAME_SEG + 1])
{
	aml_bytes(a, name, NAME_SEG);
}

/* Name(name, value follows) */
static void aml_name(struct aml *a, const char name[NAME_SEG + 1])
{
	aml_byte(a, AML_NAME);
	aml_name_seg(a, name);
}

static void aml_integer(struct aml *a, u32 value)
{
	if (value <= 1) {
		aml_byte(a, value ? AML_ONE : AML_ZERO);
	} else if (value <= UINT8_MAX) {
		aml_byte(a, AML_BYTE);
		aml_uint(a, value, sizeof(u8));
	} else if (value <= UINT16_MAX) {
		aml_byte(a, AML_WORD);
		aml_uint(a, value, sizeof(u16));
	} else {
		aml_byte(a, AML_DWORD);
		aml_uint(a, value, sizeof(u32));
	}
}

static void aml_name_integer(struct aml *a, const char name[NAME_SEG + 1], u32 value)
{
	aml_name(a, name);
	aml_integer(a, value);
}

static size_t aml_device(struct aml *a, const char name[NAME_SEG + 1])
{
	size_t start;

	aml_byte(a, AML_EXT);
	aml_byte(a, AML_EXT_DEVICE);
	start = aml_begin(a);
	aml_name_seg(a, name);
	return start;
}

static u32 hex_digit(char c)
{
	return (u32)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* EISAID("PNP0A03"): three letters of five bits, four hexadecimal digits, big-endian. */
static u32 eisa_id(const char id[8])
{
	u32 v = 0;

	for (unsigned int i = 0; i < 3; i++)
		v = v << 5 | ((u32)(id[i] - 'A' + 1) & 0x1fU);
	for (unsigned int i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);
	return __builtin_bswap32(v);
}

static void aml_hid(struct aml *a, const char id[8])
{
	aml_name(a, "_HID");
	aml_byte(a, AML_DWORD);
	aml_uint(a, eisa_id(id), sizeof(u32));
}

/* An id of the ACPI registry, which is text. */
static void aml_hid_text(struct aml *a, const char *id)
{
	aml_name(a, "_HID");
	aml_byte(a, AML_STRING);
	aml_bytes(a, id, strlen(id) + 1);
}

/* --- resources -------------------------------------------------------------------------------- */

enum resource_tag {
	RES_IRQ = 0x22,	  /* small, 2 bytes */
	RES_IO = 0x47,	  /* small, 7 bytes */
	RES_END = 0x79,	  /* small, 1 byte */
	RES_MEM32 = 0x86, /* Memory32Fixed */
	RES_DWORD = 0x87, /* DWord address space */
	RES_WORD = 0x88,  /* Word address space */
};

enum resource_field {
	IO_DECODE16 = 1,
	MEM_WRITABLE = 1,
	SPACE_MEMORY = 0,
	SPACE_IO = 1,
	SPACE_BUS = 2,
	SPACE_FIXED = 0x0c, /* minimum and maximum are fixed, positive decode, producer */
	SPACE_IO_ENTIRE_RANGE = 3,
	SPACE_MEMORY_WRITABLE = 1,
	RES_END_NO_CHECKSUM = 0,
	MEM32_LENGTH = 9,
	WORD_LENGTH = 13,
	DWORD_LENGTH = 23,
};

/* One resource template while it is made. */
struct resources {
	struct aml a;
	u8 bytes[RESOURCES_MAX];
};

static void res_init(struct resources *r)
{
	r->a = (struct aml){ .p = r->bytes, .size = sizeof(r->bytes) };
}

static void res_io(struct resources *r, u16 port, u8 len)
{
	aml_byte(&r->a, RES_IO);
	aml_byte(&r->a, IO_DECODE16);
	aml_uint(&r->a, port, sizeof(u16));
	aml_uint(&r->a, port, sizeof(u16));
	aml_byte(&r->a, 1); /* alignment */
	aml_byte(&r->a, len);
}

static void res_irq(struct resources *r, unsigned int irq)
{
	aml_byte(&r->a, RES_IRQ);
	aml_uint(&r->a, 1U << irq, sizeof(u16));
}

static void res_mem32(struct resources *r, u32 base, u32 len)
{
	aml_byte(&r->a, RES_MEM32);
	aml_uint(&r->a, MEM32_LENGTH, sizeof(u16));
	aml_byte(&r->a, MEM_WRITABLE);
	aml_uint(&r->a, base, sizeof(u32));
	aml_uint(&r->a, len, sizeof(u32));
}

/* WordBusNumber, WordIO or DWordMemory: a window that the bridge passes down. */
static void res_window(struct resources *r, u8 space, u8 specific, u32 first, u32 last)
{
	bool word = space != SPACE_MEMORY;
	size_t width = word ? sizeof(u16) : sizeof(u32);

	aml_byte(&r->a, word ? RES_WORD : RES_DWORD);
	aml_uint(&r->a, word ? WORD_LENGTH : DWORD_LENGTH, sizeof(u16));
	aml_byte(&r->a, space);
	aml_byte(&r->a, SPACE_FIXED);
	aml_byte(&r->a, specific);
	aml_uint(&r->a, 0, width); /* granularity */
	aml_uint(&r->a, first, width);
	aml_uint(&r->a, last, width);
	aml_uint(&r->a, 0, width); /* translation */
	aml_uint(&r->a, last - first + 1, width);
}

/* Name(_CRS, ResourceTemplate() { ... }) */
static void aml_crs(struct aml *a, struct resources *r)
{
	size_t start;

	aml_byte(&r->a, RES_END);
	aml_byte(&r->a, RES_END_NO_CHECKSUM);
	a->overflow |= r->a.overflow;
	aml_name(a, "_CRS");
	aml_byte(a, AML_BUFFER);
	start = aml_begin(a);
	aml_integer(a, (u32)r->a.n);
	aml_bytes(a, r->bytes, r->a.n);
	aml_end(a, start);
}

/* --- the board -------------------------------------------------------------------------------- */

#define NO_IRQ	       0xffU
#define PORTS_PER_DEV  2U
#define PCI_CONFIG     0xcf8U
#define PCI_CONFIG_LEN 8U
#define IO_LAST	       0xffffU
#define VGA_FIRST      0xa0000U
#define VGA_LAST       0xbffffU
#define PCI_HOLE_FIRST 0xc0000000U
#define PCI_HOLE_LAST  0xfebfffffU

static const struct isa_device {
	char name[NAME_SEG + 1];
	char hid[8];
	struct {
		u16 port;
		u8 len; /* 0: none */
	} io[PORTS_PER_DEV];
	u8 irq;
} isa_devices[] = {
	{ "PIC_", "PNP0000", { { 0x20, 2 }, { 0xa0, 2 } }, 2 },
	{ "TIMR", "PNP0100", { { 0x40, 4 } }, 0 },
	{ "RTC_", "PNP0B00", { { 0x70, 2 } }, 8 },
	{ "KBD_", "PNP0303", { { 0x60, 1 }, { 0x64, 1 } }, 1 },
	{ "COM1", "PNP0501", { { 0x3f8, 8 } }, 4 },
};

/* What no driver claims and nothing else may be put on. */
static const struct {
	u16 port;
	u8 len;
} board_ports[] = {
	{ 0x61, 1 }, { 0x80, 1 }, { 0x92, 1 }, { PM_SMI_CMD, 2 }, { 0x4d0, 2 },
};

static void isa_device(struct aml *a, const struct isa_device *d)
{
	struct resources r;
	size_t start = aml_device(a, d->name);

	res_init(&r);
	for (unsigned int i = 0; i < PORTS_PER_DEV; i++) {
		if (d->io[i].len)
			res_io(&r, d->io[i].port, d->io[i].len);
	}
	if (d->irq != NO_IRQ)
		res_irq(&r, d->irq);
	aml_hid(a, d->hid);
	aml_crs(a, &r);
	aml_end(a, start);
}

static void system_resources(struct aml *a, u16 pm_base)
{
	struct resources r;
	size_t start = aml_device(a, "SYSR");

	res_init(&r);
	for (unsigned int i = 0; i < ARRAY_SIZE(board_ports); i++)
		res_io(&r, board_ports[i].port, board_ports[i].len);
	res_io(&r, pm_base, PM_LEN);
	res_mem32(&r, (u32)IOAPIC_BASE, (u32)IOAPIC_LEN);
	res_mem32(&r, (u32)APIC_BASE_DEFAULT, (u32)PAGE_SIZE);
	aml_hid(a, "PNP0C02");
	aml_crs(a, &r);
	aml_end(a, start);
}

static void isa_bridge(struct aml *a, u16 pm_base)
{
	size_t start = aml_device(a, "ISA_");

	aml_name_integer(a, "_ADR", ISA_BRIDGE_ADDRESS);
	for (unsigned int i = 0; i < ARRAY_SIZE(isa_devices); i++)
		isa_device(a, &isa_devices[i]);
	system_resources(a, pm_base);
	aml_end(a, start);
}

static void pci_root(struct aml *a, u16 pm_base)
{
	struct resources r;
	size_t start = aml_device(a, "PCI0");
	size_t prt;

	aml_hid(a, "PNP0A03");
	aml_name_integer(a, "_UID", 0);
	aml_name_integer(a, "_BBN", 0);
	res_init(&r);
	res_window(&r, SPACE_BUS, 0, 0, 0);
	res_io(&r, PCI_CONFIG, PCI_CONFIG_LEN);
	res_window(&r, SPACE_IO, SPACE_IO_ENTIRE_RANGE, 0, PCI_CONFIG - 1);
	res_window(&r, SPACE_IO, SPACE_IO_ENTIRE_RANGE, PCI_CONFIG + PCI_CONFIG_LEN, IO_LAST);
	res_window(&r, SPACE_MEMORY, SPACE_MEMORY_WRITABLE, VGA_FIRST, VGA_LAST);
	res_window(&r, SPACE_MEMORY, SPACE_MEMORY_WRITABLE, PCI_HOLE_FIRST, PCI_HOLE_LAST);
	aml_crs(a, &r);
	/* No function of the board has an interrupt pin. */
	aml_name(a, "_PRT");
	aml_byte(a, AML_PACKAGE);
	prt = aml_begin(a);
	aml_byte(a, 0);
	aml_end(a, prt);
	isa_bridge(a, pm_base);
	aml_end(a, start);
}

#define STA_PRESENT 0x0bU /* present, enabled, not shown to people, works */

static void firmware_config(struct aml *a)
{
	struct resources r;
	size_t start = aml_device(a, "FWCF");

	aml_hid_text(a, "QEMU0002");
	aml_name_integer(a, "_STA", STA_PRESENT);
	res_init(&r);
	res_io(&r, FW_CFG_BASE, FW_CFG_PORTS);
	aml_crs(a, &r);
	aml_end(a, start);
}

/* The UIDs are those of the MADT. */
static void processors(struct aml *a, unsigned int n)
{
	static const char digit[] = "0123456789ABCDEF";

	for (unsigned int i = 0; i < n; i++) {
		const char name[NAME_SEG + 1] = { 'C', digit[i >> 8 & 15], digit[i >> 4 & 15],
						  digit[i & 15], 0 };
		size_t start = aml_device(a, name);

		aml_hid_text(a, "ACPI0007");
		aml_name_integer(a, "_UID", i);
		aml_end(a, start);
	}
}

static void sleep_state(struct aml *a)
{
	size_t start;

	aml_name(a, "_S5_");
	aml_byte(a, AML_PACKAGE);
	start = aml_begin(a);
	aml_byte(a, 4);
	aml_integer(a, PM_SLP_TYP_S5);
	aml_integer(a, PM_SLP_TYP_S5);
	aml_integer(a, 0);
	aml_integer(a, 0);
	aml_end(a, start);
}

size_t guest_dsdt_aml(const struct vm *vm, u16 pm_base, u8 *out, size_t size)
{
	struct aml a = { .p = out, .size = size };
	size_t start;

	sleep_state(&a);
	aml_byte(&a, AML_SCOPE);
	start = aml_begin(&a);
	aml_byte(&a, AML_ROOT);
	aml_name_seg(&a, "_SB_");
	processors(&a, vm->nr_vcpus);
	pci_root(&a, pm_base);
	firmware_config(&a);
	aml_end(&a, start);
	return a.overflow ? 0 : a.n;
}
