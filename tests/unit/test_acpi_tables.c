/* SPDX-License-Identifier: MIT */
/*
 * The guest's ACPI and MP tables, read back as an operating system reads them: ACPI 6.4 chapter 5
 * (offsets from its tables), MultiProcessor Specification 1.4 chapter 4. With the environment's
 * PLINTH_DUMP_TABLES=DIR the tables are also written there, for a disassembler.
 */
#include "guest_fixture.h"

#include <stdio.h>

#define AREA_START 0xe0000U
#define AREA_BYTES 0x20000U

static u8 area[AREA_BYTES];

static const u8 *at(u32 gpa)
{
	assert_in_range(gpa, AREA_START, AREA_START + AREA_BYTES - 1);
	return area + (gpa - AREA_START);
}

static u64 get(const u8 *p, unsigned int size)
{
	u64 v = 0;

	memcpy(&v, p, size);
	return v;
}

static u8 sum(const u8 *p, size_t n)
{
	u8 s = 0;

	while (n--)
		s = (u8)(s + *p++);
	return s;
}

static void make(unsigned int vcpus)
{
	gpa_t rsdp;

	vm.nr_vcpus = vcpus;
	assert_int_equal(guest_write_tables(&vm, &rsdp), 0);
	assert_int_equal(rsdp, 0xe0000);
	assert_int_equal(gpmap_read(&vm.gpmap, AREA_START, area, AREA_BYTES), 0);
}

static void dump(const u8 *t)
{
	const char *dir = getenv("PLINTH_DUMP_TABLES");
	char path[256];
	FILE *f;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%.4s.dat", dir, (const char *)t);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(t, 1, get(t + 4, 4), f), get(t + 4, 4));
	fclose(f);
}

/* A table by signature, from the XSDT; checked against the RSDT, and its checksum. */
static const u8 *table(const char *signature)
{
	const u8 *rsdp = at(0xe0000);
	const u8 *rsdt = at((u32)get(rsdp + 16, 4));
	const u8 *xsdt = at((u32)get(rsdp + 24, 8));
	u64 n = (get(xsdt + 4, 4) - 36) / 8;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp + 20, 4), 36);
	assert_memory_equal(rsdt, "RSDT", 4);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(sum(rsdt, get(rsdt + 4, 4)), 0);
	assert_int_equal(sum(xsdt, get(xsdt + 4, 4)), 0);
	assert_int_equal((get(rsdt + 4, 4) - 36) / 4, n);
	for (u64 i = 0; i < n; i++) {
		const u8 *t = at((u32)get(xsdt + 36 + i * 8, 8));

		assert_int_equal(get(rsdt + 36 + i * 4, 4), get(xsdt + 36 + i * 8, 8));
		if (memcmp(t, signature, 4) == 0) {
			assert_int_equal(sum(t, get(t + 4, 4)), 0);
			dump(t);
			return t;
		}
	}
	fail_msg("no %s", signature);
	return NULL;
}

struct field {
	unsigned int offset, size;
	u64 value;
};

static void check_fields(const u8 *t, const struct field *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (get(t + f[i].offset, f[i].size) != f[i].value)
			fail_msg("offset %u: 0x%llx, expected 0x%llx", f[i].offset,
				 (unsigned long long)get(t + f[i].offset, f[i].size),
				 (unsigned long long)f[i].value);
	}
}

/* ACPI 6.4 table 5-9. */
static void test_fadt(void **state)
{
	static const struct field field[] = {
		{ 4, 4, 276 },	       /* length */
		{ 8, 1, 6 },	       /* revision */
		{ 46, 2, 9 },	       /* SCI */
		{ 48, 4, 0xb2 },       /* SMI command */
		{ 52, 1, 0xf1 },       /* ACPI enable */
		{ 53, 1, 0xf0 },       /* ACPI disable */
		{ 56, 4, 0x600 },      /* PM1a event */
		{ 60, 4, 0 },	       /* PM1b event */
		{ 64, 4, 0x604 },      /* PM1a control */
		{ 72, 4, 0 },	       /* PM2 control */
		{ 76, 4, 0x608 },      /* PM timer */
		{ 80, 8, 0 },	       /* GPE0, GPE1 */
		{ 88, 4, 0x04000204 }, /* lengths: event, control, PM2, timer */
		{ 92, 4, 0 },	       /* GPE lengths, C-state control */
		{ 108, 1, 0x32 },      /* century */
		{ 109, 2, 0x7 },       /* legacy devices, 8042, no VGA */
		{ 112, 4, 0x465 },     /* WBINVD, C1, no sleep button, RTC fixed, reset register */
		{ 116, 4, 0x01000801 },
		{ 120, 8, 0xcf9 }, /* reset register and value */
		{ 128, 1, 6 },
		{ 131, 1, 4 }, /* minor revision */
		{ 132, 8, 0 }, /* 64-bit FACS: the 32-bit field holds it */
		{ 148, 4, 0x02002001 },
		{ 152, 8, 0x600 },
		{ 172, 4, 0x02001001 },
		{ 176, 8, 0x604 },
		{ 208, 4, 0x03002001 },
		{ 212, 8, 0x608 },
	};
	const u8 *t, *facs;

	(void)state;
	make(1);
	t = table("FACP");
	check_fields(t, field, ARRAY_SIZE(field));
	assert_true(get(t + 96, 2) > 100);
	assert_true(get(t + 98, 2) > 1000);
	facs = at((u32)get(t + 36, 4));
	assert_int_equal(get(t + 36, 4) % 64, 0);
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(get(facs + 4, 4), 64);
	dump(facs);
	vm.vga = true;
	make(1);
	assert_int_equal(get(table("FACP") + 109, 2), 0x3);
}

/* ACPI 6.4 5.2.12. */
static void test_madt(void **state)
{
	static const u8 rest[] = {
		1, 12, 0,    0, 0, 0, 0xc0, 0xfe, 0,	0, 0, 0, /* IOAPIC */
		2, 10, 0,    0, 2, 0, 0,    0,	  0,	0,	 /* IRQ 0 is input 2 */
		2, 10, 0,    9, 9, 0, 0,    0,	  0x0d, 0,	 /* SCI: level, active high */
		4, 6,  0xff, 0, 0, 1,				 /* LINT1 is NMI everywhere */
	};
	const u8 *t;

	(void)state;
	for (unsigned int n = 1; n <= VM_VCPUS_MAX; n += 21) {
		make(n);
		t = table("APIC");
		assert_int_equal(get(t + 36, 4), 0xfee00000);
		assert_int_equal(get(t + 40, 4), 1);
		assert_int_equal(get(t + 4, 4), 44 + n * 8 + sizeof(rest));
		for (unsigned int i = 0; i < n; i++) {
			const u8 want[8] = { 0, 8, (u8)i, (u8)i, 1 };

			assert_memory_equal(t + 44 + i * 8, want, sizeof(want));
		}
		assert_memory_equal(t + 44 + n * 8, rest, sizeof(rest));
	}
}

static bool contains(const u8 *p, size_t n, const void *what, size_t len)
{
	for (size_t i = 0; i + len <= n; i++) {
		if (memcmp(p + i, what, len) == 0)
			return true;
	}
	return false;
}

/* A package length as ACPI 6.4 20.2.4 has it; *p moves behind it. The end of the package. */
static const u8 *package_end(const u8 **p)
{
	const u8 *start = *p;
	unsigned int more = *start >> 6;
	size_t len = more ? *start & 0xf : *start & 0x3f;

	for (unsigned int i = 1; i <= more; i++)
		len |= (size_t)start[i] << (8 * i - 4);
	*p = start + 1 + more;
	return start + len;
}

/* Devices nest properly and fill their parents; returns how many there are. */
static unsigned int walk_devices(const u8 *p, const u8 *end)
{
	unsigned int n = 0;

	while (p < end) {
		const u8 *stop;

		if (p[0] == 0x08) { /* Name: skip to what is next by its value's kind */
			p += 5;
			switch (p[0]) {
			case 0x00:
			case 0x01:
				p += 1;
				continue;
			case 0x0a:
				p += 2;
				continue;
			case 0x0b:
				p += 3;
				continue;
			case 0x0c:
				p += 5;
				continue;
			case 0x0d:
				p += 2 + strlen((const char *)p + 1);
				continue;
			case 0x11:
			case 0x12:
				p++;
				p = package_end(&p);
				continue;
			default:
				fail_msg("value %02x", p[0]);
			}
		}
		if (p[0] == 0x5b && p[1] == 0x82) {
			p += 2;
			stop = package_end(&p);
			assert_true(stop <= end);
			n += 1 + walk_devices(p + 4, stop);
			p = stop;
			continue;
		}
		fail_msg("opcode %02x", p[0]);
	}
	assert_ptr_equal(p, end);
	return n;
}

static void test_dsdt(void **state)
{
	static const u8 s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0 };
	static const u8 hid[][5] = {
		{ 0x0c, 0x41, 0xd0, 0x0a, 0x03 }, /* PNP0A03 */
		{ 0x0c, 0x41, 0xd0, 0x05, 0x01 }, /* PNP0501 */
		{ 0x0c, 0x41, 0xd0, 0x0b, 0x00 }, /* PNP0B00 */
		{ 0x0c, 0x41, 0xd0, 0x01, 0x00 }, /* PNP0100 */
		{ 0x0c, 0x41, 0xd0, 0x00, 0x00 }, /* PNP0000 */
		{ 0x0c, 0x41, 0xd0, 0x03, 0x03 }, /* PNP0303 */
		{ 0x0c, 0x41, 0xd0, 0x0c, 0x02 }, /* PNP0C02 */
	};
	static const u8 com1[] = { 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0 };
	static const u8 hole[] = { 0x87, 23,   0,    0,	   0x0c, 1, 0, 0, 0, 0, 0, 0,	 0,
				   0xc0, 0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x3e };
	static const u8 fw_cfg[] = { 'F',  'W',	 'C', 'F', 0x08, '_', 'H',  'I', 'D',
				     0x0d, 'Q',	 'E', 'M', 'U',	 '0', '0',  '0', '2',
				     0,	   0x08, '_', 'S', 'T',	 'A', 0x0a, 0x0b };
	static const u8 fw_ports[] = { 0x47, 1, 0x10, 5, 0x10, 5, 1, 12, 0x79, 0 };
	static const u8 pm_ports[] = { 0x47, 1, 0x00, 6, 0x00, 6, 1, 12 };
	static const u8 bus[] = { 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };

	(void)state;
	for (unsigned int n = 1; n <= VM_VCPUS_MAX; n += 21) {
		const u8 *fadt, *t, *scope;
		size_t len;

		make(n);
		fadt = table("FACP");
		t = at((u32)get(fadt + 40, 4));
		assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
		assert_memory_equal(t, "DSDT", 4);
		len = get(t + 4, 4);
		assert_int_equal(sum(t, len), 0);
		dump(t);
		assert_memory_equal(t + 36, s5, sizeof(s5));
		scope = t + 36 + sizeof(s5);
		assert_int_equal(*scope++, 0x10);
		assert_ptr_equal(package_end(&scope), t + len);
		assert_memory_equal(scope, "\\_SB_", 5);
		assert_int_equal(walk_devices(scope + 5, t + len), n + 9);
		for (unsigned int i = 0; i < ARRAY_SIZE(hid); i++)
			assert_true(contains(t, len, hid[i], sizeof(hid[i])));
		assert_true(contains(t, len, com1, sizeof(com1)));
		assert_true(contains(t, len, hole, sizeof(hole)));
		assert_true(contains(t, len, bus, sizeof(bus)));
		assert_true(contains(t, len, fw_cfg, sizeof(fw_cfg)));
		assert_true(contains(t, len, fw_ports, sizeof(fw_ports)));
		assert_true(contains(t, len, pm_ports, sizeof(pm_ports)));
	}
}

static void test_dsdt_room(void **state)
{
	static u8 aml[4096];
	size_t full;

	(void)state;
	vm.nr_vcpus = VM_VCPUS_MAX;
	full = guest_dsdt_aml(&vm, 0x600, aml, sizeof(aml));
	assert_in_range(full, 1, sizeof(aml));
	for (size_t size = 0; size < full; size++) {
		u8 *exact = malloc(size ? size : 1);

		assert_non_null(exact);
		assert_int_equal(guest_dsdt_aml(&vm, 0x600, exact, size), 0);
		free(exact);
	}
}

/* MP 1.4 chapter 4. */
static void test_mptable(void **state)
{
	static const struct field floating[] = {
		{ 4, 4, 0xf0010 }, { 8, 1, 1 }, { 9, 1, 4 }, { 11, 4, 0 }, { 15, 1, 0 },
	};

	(void)state;
	for (unsigned int n = 1; n <= VM_VCPUS_MAX; n += 21) {
		const u8 *f, *t, *p;
		u32 pins = 0;

		make(n);
		f = at(0xf0000);
		assert_memory_equal(f, "_MP_", 4);
		assert_int_equal(sum(f, 16), 0);
		check_fields(f, floating, ARRAY_SIZE(floating));
		t = at(0xf0010);
		assert_memory_equal(t, "PCMP", 4);
		assert_int_equal(sum(t, get(t + 4, 2)), 0);
		assert_int_equal(t[6], 4);
		assert_int_equal(get(t + 34, 2), n + 3 + 15 + 2);
		assert_int_equal(get(t + 36, 4), 0xfee00000);
		p = t + 44;
		for (unsigned int i = 0; i < n; i++, p += 20) {
			assert_int_equal(p[0], 0);
			assert_int_equal(p[1], i);
			assert_int_equal(p[2], 0x14);
			assert_int_equal(p[3], i ? 1 : 3);
			assert_int_equal(get(p + 4, 4), 0x00800f12);
			assert_int_equal(get(p + 8, 4), 0x178bfbff);
		}
		assert_memory_equal(p, "\1\0PCI   \1\1ISA   ", 16);
		p += 16;
		assert_memory_equal(p, "\2\0\x20\1\0\0\xc0\xfe", 8);
		p += 8;
		for (unsigned int i = 0; i < 15; i++, p += 8) {
			assert_int_equal(get(p, 2), 3);
			assert_int_equal(get(p + 2, 2), p[5] == 9 ? 0xd : 0);
			assert_int_equal(p[4], 1);
			assert_int_equal(p[7], p[5] ? p[5] : 2);
			pins |= 1U << p[7];
		}
		assert_int_equal(pins, 0xfffe);
		assert_memory_equal(p, "\4\3\0\0\1\0\0\0\4\1\0\0\1\0\xff\1", 16);
		assert_ptr_equal(p + 16, t + get(t + 4, 2));
	}
}

static void test_bios_data(void **state)
{
	(void)state;
	make(1);
	assert_int_equal(guest_u16(0x40e), 0x9fc0);
	assert_int_equal(guest_u16(0x413), 639);
	assert_int_equal(guest_u16(0x9fc00) & 0xff, 1);
}

static int before(void **state)
{
	(void)state;
	fixture_ram(MIB(32), 0);
	return 0;
}

/* Without memory behind the ROM area there is an error. */
static void test_no_rom_area(void **state)
{
	gpa_t rsdp;

	(void)state;
	memset(&vm.gpmap.extent, 0, sizeof(vm.gpmap.extent));
	vm.gpmap.n = 0;
	assert_int_equal(guest_write_tables(&vm, &rsdp), -EFAULT);
}

#define T(f) cmocka_unit_test_setup(f, before)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fadt),	 T(test_madt),	    T(test_dsdt),	 T(test_dsdt_room),
		T(test_mptable), T(test_bios_data), T(test_no_rom_area),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
