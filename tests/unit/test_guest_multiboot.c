/* SPDX-License-Identifier: MIT */
/*
 * The loader of Multiboot guests, with kernels made here: Multiboot Specification 0.6.96 chapter 3,
 * System V ABI chapter 5. Offsets are written as the specifications give them.
 */
#include "guest_fixture.h"

#define IMAGE_BYTES 0x3000U
#define HEADER	    0x80U /* where the tests put the Multiboot header */
#define LOAD	    0x200000U

static u8 *image;
static u8 *data;
static struct boot_module mod[4];

static void put(unsigned int at, u64 v, unsigned int size)
{
	memcpy(image + at, &v, size);
}

static void put_header(u32 flags)
{
	put(HEADER, 0x1badb002, 4);
	put(HEADER + 4, flags, 4);
	put(HEADER + 8, (u32) - (0x1badb002U + flags), 4);
}

static void fill(void)
{
	memset(image, 0, 0x200);
	for (unsigned int i = 0x200; i < IMAGE_BYTES; i++)
		image[i] = (u8)(i * 5 + (i >> 8));
	module_set(&mod[0], image, IMAGE_BYTES, "one two");
	module_set(&mod[1], data, 5000, "first module");
	module_set(&mod[2], data + 100, 4096, "");
	strcpy(mod[2].name, "/boot/second");
	module_set(&mod[3], data + 7, 0, "empty");
}

/* Two segments: code 0x1000 bytes at LOAD; data 0x800 bytes, 0x2000 in memory, at LOAD + 0x4000. */
static void make_elf32(void)
{
	static const u32 segment[2][8] = {
		{ 1, 0x1000, LOAD, LOAD, 0x1000, 0x1000, 5, 0x1000 },
		{ 1, 0x2000, LOAD + 0x4000, LOAD + 0x4000, 0x800, 0x2000, 6, 0x1000 },
	};

	fill();
	memcpy(image, "\177ELF\1\1\1", 7);
	put(16, 2, 2);
	put(18, 3, 2);
	put(24, LOAD + 0x10, 4);
	put(28, 0x100, 4);
	put(42, 32, 2);
	put(44, 2, 2);
	memcpy(image + 0x100, segment, sizeof(segment));
	put_header(3);
}

static void make_elf64(void)
{
	static const u64 segment[6] = { 0x1000, 0xffffffff80000000ULL + LOAD, LOAD, 0x1000, 0x3000,
					0x1000 };

	fill();
	memcpy(image, "\177ELF\2\1\1", 7);
	put(16, 2, 2);
	put(18, 62, 2);
	put(24, 0xffffffff80000000ULL + LOAD + 0x20, 8);
	put(32, 0x100, 8);
	put(54, 56, 2);
	put(56, 1, 2);
	put(0x100, 1, 4);
	put(0x104, 5, 4);
	memcpy(image + 0x108, segment, sizeof(segment));
	put_header(1);
}

static void put_addresses(u32 header, u32 load, u32 load_end, u32 bss_end, u32 entry)
{
	const u32 a[5] = { header, load, load_end, bss_end, entry };

	memcpy(image + HEADER + 12, a, sizeof(a));
}

static void make_aout(void)
{
	fill();
	put_header(0x10003);
	put_addresses(LOAD + HEADER - 0x20, LOAD, LOAD + 0x1800, LOAD + 0x5000, LOAD + 0x300);
}

static int before(void **state)
{
	(void)state;
	fixture_ram(FIXTURE_LOW, 0);
	make_elf32();
	return 0;
}

static void expect_error(unsigned int n, int err, const char *reason)
{
	const char *why = NULL;

	assert_int_equal(guest_multiboot.load(&vm, mod, n, &why), err);
	assert_reason(why, reason);
}

static void load_ok(unsigned int n)
{
	const char *why = "";
	int err = guest_multiboot.load(&vm, mod, n, &why);

	if (err)
		fail_msg("load: %d, %s", err, why);
}

static void assert_zero(gpa_t at, u64 n)
{
	for (u64 i = 0; i < n; i += 8)
		assert_int_equal(guest_u64(at + i), 0);
}

/* --- good kernels ---------------------------------------------------------------------------- */

static void test_elf32(void **state)
{
	(void)state;
	load_ok(1);
	assert_guest_bytes(LOAD, image + 0x1000, 0x1000);
	assert_guest_bytes(LOAD + 0x4000, image + 0x2000, 0x800);
	assert_zero(LOAD + 0x4800, 0x1800);
	assert_int_equal(vcpu_rip(&boot_vcpu), LOAD + 0x10);
}

static void test_elf64(void **state)
{
	(void)state;
	make_elf64();
	load_ok(1);
	assert_guest_bytes(LOAD, image + 0x1000, 0x1000);
	assert_zero(LOAD + 0x1000, 0x2000);
	assert_int_equal(vcpu_rip(&boot_vcpu), LOAD + 0x20); /* given as a virtual address */
	put(24, LOAD + 0x30, 8);
	load_ok(1);
	assert_int_equal(vcpu_rip(&boot_vcpu), LOAD + 0x30); /* as a physical one */
}

static void test_aout(void **state)
{
	(void)state;
	make_aout();
	load_ok(1);
	assert_guest_bytes(LOAD, image + 0x20, 0x1800);
	assert_zero(LOAD + 0x1800, 0x3800);
	assert_int_equal(vcpu_rip(&boot_vcpu), LOAD + 0x300);
	put_addresses(LOAD + HEADER, LOAD, 0, 0, LOAD); /* to the end of the file, no bss */
	load_ok(1);
	assert_guest_bytes(LOAD, image, IMAGE_BYTES);
}

static void test_registers(void **state)
{
	struct vcpu *v = &boot_vcpu;
	static const u8 data_seg[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS };
	const struct segment *cs;

	(void)state;
	load_ok(1);
	assert_int_equal(vcpu_gpr(v, GPR_RAX), 0x2badb002);
	assert_int_equal(vcpu_rflags(v), RFLAGS_ONE);
	assert_int_equal(vcpu_cr0(v) & (CR0_PE | CR0_PG), CR0_PE);
	assert_int_equal(vcpu_efer(v), 0);
	cs = vcpu_seg(v, SEG_CS);
	assert_int_equal(cs->base, 0);
	assert_int_equal(cs->limit, 0xffffffff);
	assert_int_equal(cs->attr, 0xc09b); /* present, code, readable, accessed, 32-bit, 4 KiB */
	for (unsigned int i = 0; i < sizeof(data_seg); i++) {
		assert_int_equal(vcpu_seg(v, data_seg[i])->base, 0);
		assert_int_equal(vcpu_seg(v, data_seg[i])->limit, 0xffffffff);
		assert_int_equal(vcpu_seg(v, data_seg[i])->attr, 0xc093);
	}
	assert_int_equal(vcpu_code_size(v), 4);
	assert_int_equal(guest_u64(v->gdtr.base + cs->selector), 0x00cf9b000000ffffULL);
	assert_int_equal(v->idtr.base, 0);
	assert_int_equal(v->idtr.limit, 0x3ff);
	assert_int_equal(lapic_writes, 3);
}

/* Strings without a file name are GRUB 2's habit, and kernels know that by its name. */
static void test_loader_name(void **state)
{
	(void)state;
	vm.loader = "GRUB 2.06";
	load_ok(4);
	vm.loader = NULL;
	assert_guest_string(guest_u32(vcpu_gpr(&boot_vcpu, GPR_RBX) + 64), "GRUB 2.06");
}

static void test_info(void **state)
{
	gpa_t info, at;

	(void)state;
	load_ok(4);
	info = vcpu_gpr(&boot_vcpu, GPR_RBX);
	assert_int_equal(guest_u32(info), 0x24d);
	assert_int_equal(guest_u32(info + 4), 639);
	assert_int_equal(guest_u32(info + 8), 63 * 1024);
	assert_guest_string(guest_u32(info + 16), "one two");
	assert_guest_string(guest_u32(info + 64), "Plinth");

	assert_int_equal(guest_u32(info + 20), 3);
	at = guest_u32(info + 24);
	for (unsigned int i = 1; i < 4; i++, at += 16) {
		gpa_t start = guest_u32(at);

		assert_int_equal(start & 0xfff, 0);
		assert_true(start >= LOAD + 0x6000);
		assert_true(guest_u32(at + 4) <= info);
		assert_int_equal(guest_u32(at + 4) - start, mod[i].len);
		assert_guest_bytes(start, phys_to_virt(mod[i].start), mod[i].len);
	}
	assert_guest_string(guest_u32(at - 40), "first module");
	assert_guest_string(guest_u32(at - 24), "/boot/second");
	assert_guest_string(guest_u32(at - 8), "empty");

	assert_int_equal(guest_u32(info + 44), 4 * 24);
	at = guest_u32(info + 48);
	assert_int_equal(guest_u32(at), 20);
	assert_int_equal(guest_u64(at + 4), 0);
	assert_int_equal(guest_u64(at + 12), 0x9fc00);
	assert_int_equal(guest_u32(at + 20), 1);
	assert_int_equal(guest_u64(at + 3 * 24 + 4), 0x100000);
	assert_guest_bytes(0xe0000, "RSD PTR ", 8);
}

/* A name that the boot parser took off the string comes back. */
static void test_command_line(void **state)
{
	(void)state;
	strcpy(mod[0].name, "/k.elf");
	load_ok(1);
	assert_guest_string(guest_u32(vcpu_gpr(&boot_vcpu, GPR_RBX) + 16), "/k.elf one two");
	mod[0].args[0] = 0;
	load_ok(1);
	assert_guest_string(guest_u32(vcpu_gpr(&boot_vcpu, GPR_RBX) + 16), "/k.elf");
	mod[0].name[0] = 0;
	load_ok(1);
	assert_guest_string(guest_u32(vcpu_gpr(&boot_vcpu, GPR_RBX) + 16), "");
}

/* A kernel at the end of RAM: everything else goes in front of it. */
static void test_kernel_on_top(void **state)
{
	(void)state;
	make_aout();
	put_addresses(FIXTURE_LOW - 0x2000, FIXTURE_LOW - 0x2000, 0, FIXTURE_LOW,
		      FIXTURE_LOW - 0x2000);
	mod[0].len = HEADER + 0x1000;
	load_ok(2);
	assert_int_equal(vcpu_gpr(&boot_vcpu, GPR_RBX), 0x102000);
	assert_guest_bytes(0x100000, data, 5000);
	mod[1].len = FIXTURE_LOW;
	expect_error(2, -ENOSPC, "the modules (65 MiB) do not fit beside the kernel");
}

/* A segment in low memory, as kernels with real-mode parts have, is not in the way. */
static void test_low_segment(void **state)
{
	(void)state;
	put(0x100 + 12, 0x7000, 4);
	put(0x100 + 8, 0x7000, 4);
	put(24, 0x7000, 4);
	load_ok(2);
	assert_guest_bytes(0x7000, image + 0x1000, 0x1000);
	assert_true(vcpu_gpr(&boot_vcpu, GPR_RBX) >= LOAD + 0x6000);
}

/* --- recognition and bad kernels ------------------------------------------------------------- */

static void test_recognition(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(guest_multiboot.probe(mod, 1, &why), 0);
	assert_int_equal(guest_multiboot.probe(mod, 0, &why), -ENOEXEC);
	image[HEADER + 8] ^= 1;
	assert_int_equal(guest_multiboot.probe(mod, 1, &why), -ENOEXEC);
	put_header(3);
	put_header(7); /* video is ignored */
	assert_int_equal(guest_multiboot.probe(mod, 1, &why), 0);
	put_header(8);
	assert_int_equal(guest_multiboot.probe(mod, 1, &why), -EINVAL);
	assert_reason(why, "requires features that are unknown (flags 0x8)");
	mod[0].bad = true;
	assert_int_equal(guest_multiboot.probe(mod, 1, &why), -ENOEXEC);
}

static void test_header_position(void **state)
{
	static const struct {
		u32 at;
		int err;
	} row[] = {
		{ 8192 - 12, 0 },
		{ 8192 - 8, -ENOEXEC },
		{ 8192, -ENOEXEC },
		{ 0x202, -ENOEXEC },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		const char *why = NULL;
		u8 header[12];

		make_elf32();
		memcpy(header, image + HEADER, sizeof(header));
		image[HEADER] = 0;
		memcpy(image + row[i].at, header, sizeof(header));
		assert_int_equal(guest_multiboot.probe(mod, 1, &why), row[i].err);
	}
}

static void test_bad_elf(void **state)
{
	static const struct {
		unsigned int at, size;
		u64 value;
		const char *reason;
	} row[] = {
		{ 0, 1, 0, "not ELF" },
		{ 4, 1, 3, "not an executable for x86" },
		{ 5, 1, 2, "not an executable for x86" },
		{ 16, 2, 1, "not an executable for x86" },
		{ 18, 2, 40, "not an executable for x86" },
		{ 28, 4, 0xfffffff0, "program header lies beyond its end" },
		{ 44, 2, 0xffff, "" },
		{ 44, 2, 0, "nothing to load" },
		{ 42, 2, 31, "program headers are too small" },
		{ 0x100 + 4, 4, IMAGE_BYTES, "truncated" },
		{ 0x100 + 4, 4, 0xffffffff, "truncated" },
		{ 0x100 + 16, 4, 0x1001, "larger in the file than in memory" },
		{ 0x100 + 20, 4, 0xffffffff, "above 4 GiB" },
		{ 0x100 + 12, 4, 0xfffff800, "above 4 GiB" },
		{ 0x100 + 12, 4, 0xa0000, "not in guest RAM" },
		{ 0x100 + 12, 4, 0x9f000, "segment 0x9f000-0x9ffff is not in guest RAM" },
		{ 0x100 + 12, 4, FIXTURE_LOW - 0xfff, "not in guest RAM" },
		{ 24, 4, LOAD + 0x1000, "entry point 0x201000 lies in none of its segments" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		const char *why = NULL;

		make_elf32();
		put(row[i].at, row[i].value, row[i].size);
		assert_true(guest_multiboot.load(&vm, mod, 1, &why) < 0);
		assert_reason(why, row[i].reason);
	}
	make_elf32();
	put(44, 40, 2); /* 40 program headers that all load */
	for (unsigned int i = 1; i < 40; i++)
		memcpy(image + 0x100 + i * 32, image + 0x100, 32);
	expect_error(1, -EINVAL, "more than 32 segments");
	make_elf64();
	put(0x100 + 24, GIB(4), 8);
	expect_error(1, -EINVAL, "above 4 GiB");
	make_elf64();
	put(0x100 + 40, UINT64_MAX, 8);
	expect_error(1, -EINVAL, "above 4 GiB");
	make_elf64();
	put(32, UINT64_MAX - 8, 8);
	expect_error(1, -EINVAL, "truncated");
}

static void test_bad_addresses(void **state)
{
	(void)state;
	make_aout();
	put_addresses(LOAD, LOAD + 4, 0, 0, LOAD);
	expect_error(1, -EINVAL, "does not lie in the file");
	put_addresses(LOAD + HEADER + 4, LOAD, 0, 0, LOAD);
	expect_error(1, -EINVAL, "does not lie in the file");
	put_addresses(LOAD, LOAD, LOAD - 1, 0, LOAD);
	expect_error(1, -EINVAL, "out of order");
	put_addresses(LOAD, LOAD, LOAD + 0x100, LOAD + 0x80, LOAD);
	expect_error(1, -EINVAL, "out of order");
	put_addresses(LOAD, LOAD, LOAD + IMAGE_BYTES, 0, LOAD);
	expect_error(1, -EINVAL, "truncated");
	put_addresses(LOAD, LOAD, 0, 0, LOAD - 1);
	expect_error(1, -EINVAL, "entry point");
	put_addresses(0xfffff000, 0xfffff000, 0, 0, 0xfffff000);
	expect_error(1, -EINVAL, "above 4 GiB");
	put_addresses(LOAD, LOAD, 0, 0xffffffff, LOAD);
	expect_error(1, -ENOSPC, "not in guest RAM");
}

static void test_bad_modules(void **state)
{
	(void)state;
	mod[2].bad = true;
	expect_error(3, -EINVAL, "module 2 is damaged");
	mod[2].bad = false;
	mod[2].len = UINT64_MAX;
	expect_error(3, -EINVAL, "module 2 is damaged");
}

/* Each length of each kernel, in a copy that ends there. */
static void test_truncated(void **state)
{
	static void (*const make[])(void) = { make_elf32, make_elf64, make_aout };

	(void)state;
	for (unsigned int k = 0; k < ARRAY_SIZE(make); k++) {
		for (u64 len = 1; len < IMAGE_BYTES; len += len < 0x300 ? 1 : 251) {
			const char *why = NULL;
			u8 *copy = malloc(len);
			int err;

			assert_non_null(copy);
			make[k]();
			memcpy(copy, image, len);
			module_set(&mod[0], copy, len, "");
			err = guest_multiboot.load(&vm, mod, 1, &why);
			free(copy);
			assert_true(err == 0 || err == -ENOEXEC || why != NULL);
			if (len < 0x1820)
				assert_int_not_equal(err, 0);
		}
	}
}

static void test_random(void **state)
{
	static void (*const make[])(void) = { make_elf32, make_elf64, make_aout };

	(void)state;
	srand(815);
	for (unsigned int round = 0; round < 30000; round++) {
		const char *why = NULL;
		int err;

		make[round % ARRAY_SIZE(make)]();
		for (unsigned int n = (unsigned int)rand() % 8; n; n--) {
			unsigned int at = (unsigned int)rand() % 0x180;

			if (at < HEADER || at >= HEADER + 12)
				image[at] = (u8)rand();
		}
		err = guest_multiboot.load(&vm, mod, 4, &why);
		assert_true(err == 0 || err == -ENOEXEC || why != NULL);
	}
}

static void test_hole(void **state)
{
	(void)state;
	vm.ram_below_4g = MIB(128);
	put(0x100 + 12, MIB(70), 4);
	expect_error(1, -EFAULT, "hole");
}

static int setup(void **state)
{
	image = malloc(IMAGE_BYTES);
	data = malloc(FIXTURE_LOW);
	if (!image || !data)
		return -1;
	for (u64 i = 0; i < FIXTURE_LOW; i++)
		data[i] = (u8)(i * 3 ^ i >> 8);
	return fixture_setup(state);
}

static int teardown(void **state)
{
	free(image);
	free(data);
	return fixture_teardown(state);
}

#define T(f) cmocka_unit_test_setup(f, before)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_elf32),
		T(test_elf64),
		T(test_aout),
		T(test_registers),
		T(test_loader_name),
		T(test_info),
		T(test_command_line),
		T(test_kernel_on_top),
		T(test_low_segment),
		T(test_recognition),
		T(test_header_position),
		T(test_bad_elf),
		T(test_bad_addresses),
		T(test_bad_modules),
		T(test_truncated),
		T(test_random),
		T(test_hole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
