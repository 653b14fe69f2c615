/* SPDX-License-Identifier: MIT */
/*
 * What fw_cfg tells firmware, read as firmware does: the loader script is carried out on guest
 * memory, and the ACPI tables are then looked at there (ACPI 6.4 chapter 5).
 */
#include "guest_fixture.h"

#include "dev/fw_cfg.h"

#define RSDP_AT	  0xf1230U
#define TABLES_AT 0x1234040U

/* The board has no bus here: fw_cfg is asked directly. */
int bus_add_port(struct bus *b, u16 first, u16 count, const struct port_ops *ops, void *dev)
{
	(void)b;
	(void)first;
	(void)count;
	(void)ops;
	(void)dev;
	return 0;
}

static const struct fw_cfg_file *file(const char *name)
{
	const struct fw_cfg_dir *dir = &vm.board.fw_cfg.dir;

	for (u32 i = 0; i < __builtin_bswap32(dir->count); i++)
		if (strcmp(dir->file[i].name, name) == 0)
			return &dir->file[i];
	fail_msg("no file %s", name);
	return NULL;
}

static const struct fw_cfg_item *item(u16 key)
{
	struct fw_cfg *f = &vm.board.fw_cfg;

	if (key >= FW_CFG_FILE_FIRST && key < FW_CFG_ARCH_LOCAL) {
		f->selected(f->ctx); /* as a selection does */
		return &f->file[key - FW_CFG_FILE_FIRST];
	}
	for (unsigned int i = 0; i < f->items; i++)
		if (f->item[i].key == key)
			return &f->item[i];
	fail_msg("no item %x", key);
	return NULL;
}

static const void *read_file(const char *name, u32 *len)
{
	const struct fw_cfg_file *f = file(name);
	const struct fw_cfg_item *i = item(__builtin_bswap16(f->select));

	assert_int_equal(i->len, __builtin_bswap32(f->size));
	*len = i->len;
	return i->data;
}

static void assert_item(u16 key, u64 value, u32 len)
{
	const struct fw_cfg_item *i = item(key);

	assert_int_equal(i->len, len);
	assert_memory_equal(i->data, &value, len);
}

static void make(u64 below, u64 above, unsigned int vcpus)
{
	static const struct fw_cfg_memory none;

	fixture_ram(below, above);
	vm.nr_vcpus = vcpus;
	vm.board.pm.base = 0x600;
	fw_cfg_init(&vm.board.fw_cfg, &none);
	assert_int_equal(guest_fw_cfg(&vm), 0);
}

static void test_items(void **state)
{
	static const u8 states[] = { 0x80, 0, 0, 0, 0, 0x80 };
	static const char *const sorted[] = {
		"bootorder", "etc/acpi/rsdp",	  "etc/acpi/tables",
		"etc/e820",  "etc/system-states", "etc/table-loader"
	};
	struct e820_entry want[2] = { { 0, MIB(64), 1 }, { GIB(4), MIB(16), 1 } };
	const void *data;
	u32 len;

	(void)state;
	make(MIB(64), MIB(16), 3);
	assert_item(FW_CFG_RAM_SIZE, MIB(80), 8);
	assert_item(FW_CFG_NB_CPUS, 3, 2);
	assert_item(FW_CFG_MAX_CPUS, 3, 2);
	assert_item(FW_CFG_NOGRAPHIC, 1, 2);
	assert_item(FW_CFG_BOOT_MENU, 0, 2);
	assert_item(FW_CFG_IRQ0_OVERRIDE, 1, 4);
	assert_int_equal(item(FW_CFG_NUMA)->len, 4 * 8);
	assert_int_equal(item(FW_CFG_UUID)->len, 16);
	data = read_file("etc/e820", &len);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(data, want, sizeof(want));
	data = read_file("etc/system-states", &len);
	assert_int_equal(len, sizeof(states));
	assert_memory_equal(data, states, sizeof(states));
	read_file("bootorder", &len);
	assert_int_equal(len, 0);
	assert_int_equal(vm.board.fw_cfg.files, ARRAY_SIZE(sorted));
	for (unsigned int i = 0; i < ARRAY_SIZE(sorted); i++)
		assert_string_equal(vm.board.fw_cfg.dir.file[i].name, sorted[i]);
	/* Without memory above 4 GiB there is one entry. */
	make(MIB(32), 0, 1);
	read_file("etc/e820", &len);
	assert_int_equal(len, sizeof(want[0]));
	assert_item(FW_CFG_RAM_SIZE, MIB(32), 8);
	/* Twice is once too often. */
	assert_int_equal(guest_fw_cfg(&vm), -EEXIST);
}

/* --- the loader -------------------------------------------------------------------------------- */

static struct {
	char name[56];
	gpa_t at;
	u32 len;
} loaded[4];
static unsigned int loadeds;

static gpa_t where(const char *name, u32 *len)
{
	for (unsigned int i = 0; i < loadeds; i++) {
		if (strncmp(loaded[i].name, name, 56) == 0) {
			*len = loaded[i].len;
			return loaded[i].at;
		}
	}
	fail_msg("%.56s is not allocated", name);
	return 0;
}

static u32 le32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, 4);
	return v;
}

static u8 guest_sum(gpa_t gpa, u32 len)
{
	u8 byte, sum = 0;

	while (len--) {
		assert_int_equal(gpmap_read(&vm.gpmap, gpa++, &byte, 1), 0);
		sum = (u8)(sum + byte);
	}
	return sum;
}

static void do_allocate(const u8 *e)
{
	const char *name = (const char *)e + 4;
	u32 align = le32(e + 60), len;
	bool rsdp = strcmp(name, "etc/acpi/rsdp") == 0;
	const void *data = read_file(name, &len);
	gpa_t at = rsdp ? RSDP_AT : TABLES_AT;

	assert_int_equal(e[64], rsdp ? 2 : 1);
	assert_int_equal(at % align, 0);
	assert_int_equal(align, rsdp ? 16 : 64);
	assert_int_equal(gpmap_write(&vm.gpmap, at, data, len), 0);
	strcpy(loaded[loadeds].name, name);
	loaded[loadeds].at = at;
	loaded[loadeds++].len = len;
}

static void do_pointer(const u8 *e)
{
	u32 dest_len, src_len, offset = le32(e + 116);
	gpa_t dest = where((const char *)e + 4, &dest_len);
	gpa_t src = where((const char *)e + 60, &src_len);
	u8 size = e[120];
	u64 value = 0;

	assert_true(size == 4 || size == 8);
	assert_true(offset < dest_len && size <= dest_len - offset);
	assert_int_equal(gpmap_read(&vm.gpmap, dest + offset, &value, size), 0);
	assert_true(value < src_len);
	value += src;
	assert_int_equal(gpmap_write(&vm.gpmap, dest + offset, &value, size), 0);
}

static void do_checksum(const u8 *e)
{
	u32 len, offset = le32(e + 60), start = le32(e + 64), length = le32(e + 68);
	gpa_t at = where((const char *)e + 4, &len);
	u8 byte;

	assert_true(offset < len && start < len && length <= len - start);
	assert_int_equal(gpmap_read(&vm.gpmap, at + offset, &byte, 1), 0);
	assert_int_equal(byte, 0);
	byte = (u8)-guest_sum(at + start, length);
	assert_int_equal(gpmap_write(&vm.gpmap, at + offset, &byte, 1), 0);
}

static void run_script(void)
{
	u32 len;
	const u8 *e = read_file("etc/table-loader", &len);

	loadeds = 0;
	assert_int_equal(len % 128, 0);
	for (; len; e += 128, len -= 128) {
		switch (le32(e)) {
		case 1:
			do_allocate(e);
			break;
		case 2:
			do_pointer(e);
			break;
		case 3:
			do_checksum(e);
			break;
		default:
			fail_msg("command %u", le32(e));
		}
	}
}

static void assert_table(gpa_t at, const char *signature)
{
	assert_guest_bytes(at, signature, 4);
	assert_int_equal(guest_sum(at, guest_u32(at + 4)), 0);
}

static void test_loader(void **state)
{
	gpa_t rsdt, xsdt, fadt, madt;

	(void)state;
	make(MIB(64), 0, 2);
	run_script();
	assert_int_equal(loadeds, 2);
	assert_guest_bytes(RSDP_AT, "RSD PTR ", 8);
	assert_int_equal(guest_sum(RSDP_AT, 20), 0);
	assert_int_equal(guest_sum(RSDP_AT, 36), 0);
	rsdt = guest_u32(RSDP_AT + 16);
	xsdt = guest_u64(RSDP_AT + 24);
	assert_table(rsdt, "RSDT");
	assert_table(xsdt, "XSDT");
	fadt = guest_u64(xsdt + 36);
	madt = guest_u64(xsdt + 44);
	assert_int_equal(guest_u32(rsdt + 36), fadt);
	assert_int_equal(guest_u32(rsdt + 40), madt);
	assert_table(fadt, "FACP");
	assert_table(madt, "APIC");
	assert_table(guest_u32(fadt + 40), "DSDT");
	assert_int_equal(guest_u64(fadt + 140), guest_u32(fadt + 40));
	assert_guest_bytes(guest_u32(fadt + 36), "FACS", 4);
	assert_int_equal(guest_u32(fadt + 36) % 64, 0);
	assert_int_equal(guest_u32(fadt + 56), 0x600);
}

/* Firmware has moved the power-management ports before it reads the tables. */
static void test_moved_ports(void **state)
{
	static const u8 ports[] = { 0x47, 1, 0x00, 0xb0, 0x00, 0xb0, 1, 12 };
	gpa_t fadt, dsdt;
	u32 len;
	bool found = false;

	(void)state;
	make(MIB(64), 0, 1);
	vm.board.pm.base = 0xb000;
	run_script();
	fadt = guest_u64(guest_u64(RSDP_AT + 24) + 36);
	assert_table(fadt, "FACP");
	assert_int_equal(guest_u32(fadt + 56), 0xb000);
	assert_int_equal(guest_u32(fadt + 64), 0xb004);
	assert_int_equal(guest_u32(fadt + 76), 0xb008);
	assert_int_equal(guest_u64(fadt + 152), 0xb000);
	dsdt = guest_u32(fadt + 40);
	assert_table(dsdt, "DSDT");
	len = guest_u32(dsdt + 4);
	for (u32 i = 0; i + sizeof(ports) <= len && !found; i++) {
		u8 got[sizeof(ports)];

		assert_int_equal(gpmap_read(&vm.gpmap, dsdt + i, got, sizeof(got)), 0);
		found = memcmp(got, ports, sizeof(ports)) == 0;
	}
	assert_true(found);
	/* Switched off: the tables stay as they are. */
	vm.board.pm.base = 0;
	run_script();
	fadt = guest_u64(guest_u64(RSDP_AT + 24) + 36);
	assert_int_equal(guest_u32(fadt + 56), 0xb000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_loader),
		cmocka_unit_test(test_moved_ports),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
