/* SPDX-License-Identifier: MIT */
/*
 * The firmware loader: what is taken for an image (SDM vol. 3 10.1.4; UEFI PI 1.7 vol. 3, 3.2.1), where
 * it stands in the guest, and the fw_cfg files that the module's string makes.
 */
#include "guest_fixture.h"

#include "printk.h"

#define IMAGE_MAX MIB(16)
#define SHADOW	  KIB(128)
#define ROM_END	  GIB(4)
#define DEFAULTS  2U /* files that each firmware gets */

static u8 *image;
static struct boot_module module;
static unsigned int warnings;

void printk(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	warnings += level == LOG_WARN;
}

/* An image of n bytes which all differ from their neighbours, with these at the reset vector. */
static void make(u64 n, const u8 *vector, size_t vector_len)
{
	for (u64 i = 0; i < n; i++)
		image[i] = (u8)(1 + (i + (i >> 16)) % 253);
	/* No jump, unless one is given. */
	if (n >= 16)
		image[n - 16] = 0x90;
	memcpy(image + n - 16, vector, vector_len);
	module_set(&module, image, n, "");
}

static void make_seabios(u64 n)
{
	static const u8 far_jump[] = { 0xea, 0x5b, 0xe0, 0x00, 0xf0 };

	make(n, far_jump, sizeof(far_jump));
}

static int probe(const char **why)
{
	*why = NULL;
	return guest_firmware.probe(&module, 1, why);
}

static void assert_not_firmware(void)
{
	const char *why;

	assert_int_equal(probe(&why), -ENOEXEC);
}

static void test_sizes(void **state)
{
	static const u64 good[] = { KIB(64), KIB(68), KIB(128), KIB(256), MIB(2), IMAGE_MAX };
	static const u64 bad[] = { 16,		4096,		KIB(60),       KIB(64) - 1,
				   KIB(64) + 1, KIB(256) - 512, KIB(256) + 16, IMAGE_MAX + 4096 };
	const char *why;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		make_seabios(good[i]);
		assert_int_equal(probe(&why), 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		make_seabios(bad[i]);
		assert_not_firmware();
	}
	/* Cut at its end, on a page and off: the reset vector is gone. */
	make_seabios(KIB(256));
	for (u64 n = KIB(256) - 1; n > KIB(252); n--) {
		module.len = n;
		assert_not_firmware();
	}
	module.len = KIB(128);
	assert_not_firmware();
	module.len = 0;
	assert_not_firmware();
	make_seabios(KIB(256));
	module.bad = true;
	assert_not_firmware();
	assert_int_equal(guest_firmware.probe(&module, 0, &why), -ENOEXEC);
}

static void test_jumps(void **state)
{
	const char *why;
	const struct {
		u8 vector[5];
		u64 target; /* from the end; 0: no jump */
	} row[] = {
		{ { 0xea, 0x5b, 0xe0, 0x00, 0xf0 }, 0x1fa5 },
		{ { 0xea, 0x00, 0x00, 0x00, 0xe0 }, 0x20000 },
		{ { 0xea, 0xff, 0xff, 0x00, 0xf0 }, 1 },
		{ { 0xea, 0xff, 0xff, 0x00, 0xd0 }, 0 }, /* below the shadow */
		{ { 0xea, 0x10, 0x00, 0xff, 0xff }, 0 }, /* above it */
		{ { 0xea, 0xff, 0xff, 0xff, 0xff }, 0 },
		{ { 0xe9, 0x00, 0xff }, 0x10d },
		{ { 0xe9, 0xfd, 0xff }, 0x10 },	   /* itself */
		{ { 0xe9, 0x0d, 0x00 }, 0x10000 }, /* wraps at 64 KiB */
		{ { 0xeb, 0xee }, 0x20 },
		{ { 0xeb, 0x0e }, 0x10000 },
		{ { 0x90, 0xe9, 0x00, 0xff }, 0 },
		{ { 0xe8, 0x00, 0xff }, 0 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff }, 0 },
		{ { 0 }, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		u8 *target = image + KIB(256) - row[i].target;

		make(KIB(256), row[i].vector, sizeof(row[i].vector));
		if (!row[i].target) {
			assert_not_firmware();
			continue;
		}
		assert_int_equal(probe(&why), 0);
		if (row[i].target == 0x10)
			continue;
		/* To erased flash, or to nothing. */
		*target = 0xff;
		assert_not_firmware();
		*target = 0;
		assert_not_firmware();
	}
}

static void test_volumes(void **state)
{
	static const u8 no_jump[] = { 0x0f, 0x20, 0xc0 };
	static const u8 blank[16] = { 0 };
	const char *why;

	(void)state;
	make(MIB(2), no_jump, sizeof(no_jump));
	assert_not_firmware();
	memcpy(image + 40, "_FVH", 4);
	assert_int_equal(probe(&why), 0);
	module.len -= 512;
	assert_int_equal(probe(&why), -EINVAL);
	assert_reason(why, "2096640 bytes");
	module.len = 44;
	assert_int_equal(probe(&why), -EINVAL);
	module.len = 43;
	assert_not_firmware();
	/* A file of variables. */
	make(KIB(128), blank, sizeof(blank));
	memcpy(image + 40, "_FVH", 4);
	assert_int_equal(probe(&why), -EINVAL);
	assert_reason(why, "variables");
}

static void machine(void)
{
	static const struct fw_cfg_memory none;

	fixture_ram(MIB(32), 0);
	fw_cfg_init(&vm.board.fw_cfg, &none);
	pci_init(&vm.board.pci);
	warnings = 0;
}

/* Reads as the guest does, and checks that nobody can write there. */
static void assert_rom(gpa_t gpa, const u8 *want, u64 n)
{
	u8 byte = 0x5a;

	assert_guest_bytes(gpa, want, n);
	assert_int_equal(gpmap_write(&vm.gpmap, gpa, &byte, 1), -EFAULT);
	assert_int_equal(gpmap_write(&vm.gpmap, gpa + n - 1, &byte, 1), -EFAULT);
	assert_non_null(gpmap_ptr(&vm.gpmap, gpa, GP_READ | GP_EXEC, NULL));
}

static void test_places(void **state)
{
	static const u64 sizes[] = { KIB(64), KIB(128), KIB(256), MIB(2), IMAGE_MAX };
	static u8 copy[IMAGE_MAX], empty[KIB(256)];
	const u8 scribble[4] = { 1, 2, 3, 4 };
	const char *why = NULL;

	(void)state;
	memset(empty, 0xff, sizeof(empty));
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 n = sizes[i], shadow = n < SHADOW ? n : SHADOW;

		make_seabios(n);
		memcpy(copy, image, n);
		machine();
		assert_int_equal(guest_firmware.build(&vm, &module, 1, &why), 0);
		assert_rom(ROM_END - n, copy, n);
		assert_null(gpmap_ptr(&vm.gpmap, ROM_END - n - 1, GP_READ, NULL));
		assert_null(gpmap_ptr(&vm.gpmap, ROM_END, GP_READ, NULL));
		/* A reset undoes what the guest wrote to the shadow. */
		for (unsigned int life = 0; life < 2; life++) {
			assert_int_equal(guest_firmware.load(&vm, &module, 1, &why), 0);
			assert_guest_bytes(0x100000 - shadow, copy + n - shadow, shadow);
			assert_guest_bytes(0xc0000, empty, 0x40000 - shadow);
			assert_int_equal(gpmap_write(&vm.gpmap, 0xffff0, scribble, 4), 0);
			assert_int_equal(gpmap_write(&vm.gpmap, 0xc0000, scribble, 4), 0);
		}
		assert_memory_equal(image, copy, n);
		/* The rest of RAM is not touched, and neither are processor and board. */
		assert_int_equal(guest_u32(0x400), 0xcccccccc);
		assert_int_equal(guest_u32(0x9fc00), 0xcccccccc);
		assert_int_equal(guest_u32(0x100000), 0xcccccccc);
		assert_int_equal(boot_vcpu.reg_dirty, 0);
		assert_int_equal(pci_pm_base(&vm.board.pci), 0);
		assert_int_equal(lapic_writes + port_writes, 0);
	}
}

static void test_bad_machine(void **state)
{
	const char *why = NULL;

	(void)state;
	make_seabios(KIB(256));
	machine();
	module.start += 16;
	assert_int_equal(guest_firmware.build(&vm, &module, 1, &why), -EINVAL);
	assert_reason(why, "page boundary");
	module.start -= 16;
	/* The modules behind it are of no use. */
	machine();
	assert_int_equal(guest_firmware.build(&vm, &module, 3, &why), 0);
	assert_int_equal(warnings, 1);
	vm.gpmap.n = 1;
	why = NULL;
	assert_int_equal(guest_firmware.load(&vm, &module, 1, &why), -EFAULT);
	assert_reason(why, "hole");
}

/* --- fw_cfg files ------------------------------------------------------------------------------- */

/* The file's length, or -1. */
static int file(const char *name, const void **data)
{
	const struct fw_cfg *f = &vm.board.fw_cfg;

	for (unsigned int i = 0; i < f->files; i++) {
		if (strcmp(f->dir.file[i].name, name))
			continue;
		*data = f->file[i].data;
		return (int)f->file[i].len;
	}
	return -1;
}

static void files(const char *args)
{
	const char *why;

	make_seabios(KIB(64));
	module_set(&module, image, KIB(64), args);
	machine();
	assert_int_equal(guest_firmware.build(&vm, &module, 1, &why), 0);
}

static void assert_number(const char *name, u64 want)
{
	const void *data;
	u64 value;

	assert_int_equal(file(name, &data), sizeof(value));
	memcpy(&value, data, sizeof(value));
	assert_int_equal(value, want);
}

static void assert_text(const char *name, const char *want)
{
	const void *data;

	assert_int_equal(file(name, &data), strlen(want));
	assert_memory_equal(data, want, strlen(want));
}

static void test_files(void **state)
{
	const void *data;
	char args[256];

	(void)state;
	files(" \t etc/boot-fail-wait=100  opt/a/b=0x10K\topt/text=yes,=1 opt/empty= ");
	assert_number("etc/boot-fail-wait", 100);
	assert_number("opt/a/b", KIB(16));
	assert_text("opt/text", "yes,=1");
	assert_text("opt/empty", "");
	assert_int_equal(vm.board.fw_cfg.files, 4 + DEFAULTS);
	assert_int_equal(warnings, 0);
	/* What is no file, and one that is there. */
	files("quiet etc/=1 etc/x opt= =1 boot/x=1 opt/y=1 opt/y=2");
	assert_int_equal(warnings, 7);
	assert_int_equal(vm.board.fw_cfg.files, 1 + DEFAULTS);
	assert_number("opt/y", 1);
	files("");
	assert_int_equal(vm.board.fw_cfg.files, DEFAULTS);
	assert_number("etc/sercon-port", 0x3f8);
	assert_number("etc/show-boot-menu", 1);
	files("etc/sercon-port=0");
	assert_int_equal(vm.board.fw_cfg.files, DEFAULTS);
	assert_number("etc/sercon-port", 0);
	assert_int_equal(warnings, 0);
	/* Text, not a number: too many digits. */
	files("opt/n=1000000000000000000000000000");
	assert_text("opt/n", "1000000000000000000000000000");
	/* The longest name, and one more. */
	snprintf(args, sizeof(args), "opt/%051d=1 opt/%052d=1", 0, 0);
	files(args);
	assert_int_equal(warnings, 1);
	snprintf(args, sizeof(args), "opt/%051d", 0);
	assert_number(args, 1);
	/* So many and no more. */
	files("opt/1=1 opt/2=2 opt/3=3 opt/4=4 opt/5=5 opt/6=6 opt/7=7 opt/8=8 opt/9=9");
	assert_int_equal(warnings, 1);
	assert_number("opt/1", 1);
	assert_number("opt/8", 8);
	assert_int_equal(file("opt/9", &data), -1);
}

int bus_add_port(struct bus *b, u16 first, u16 count, const struct port_ops *ops, void *dev)
{
	(void)b;
	(void)first;
	(void)count;
	(void)ops;
	(void)dev;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_volumes),	    cmocka_unit_test(test_places),
		cmocka_unit_test(test_bad_machine), cmocka_unit_test(test_files),
	};
	int failed;

	image = aligned_alloc(PAGE_SIZE, IMAGE_MAX + PAGE_SIZE);
	if (!image)
		return 1;
	failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
	free(image);
	return failed;
}
