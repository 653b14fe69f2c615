/* SPDX-License-Identifier: MIT */
/*
 * The bzImage loader, with images made here: Linux 6.1, Documentation/arch/x86/boot.rst. Offsets
 * are written as that document gives them.
 */
#include "guest_fixture.h"

#define SETUP_SECTS 3U
#define SETUP_BYTES ((SETUP_SECTS + 1) * 512U)
#define PAYLOAD	    0x8000U
#define IMAGE_BYTES (SETUP_BYTES + PAYLOAD)
#define ZERO_PAGE   0x10000U

static u8 *image; /* exactly IMAGE_BYTES: the sanitizer sees what lies beyond */
static u8 *initrd;
static struct boot_module mod[3];

static void put16(unsigned int at, u32 v)
{
	image[at] = (u8)v;
	image[at + 1] = (u8)(v >> 8);
}

static void put32(unsigned int at, u32 v)
{
	put16(at, v);
	put16(at + 2, v >> 16);
}

/* A 6.1-like kernel: relocatable, preferring 16 MiB, needing 8 MiB. */
static void make_image(void)
{
	memset(image, 0, SETUP_BYTES);
	for (unsigned int i = 0; i < PAYLOAD; i++)
		image[SETUP_BYTES + i] = (u8)(i * 7 + (i >> 8));
	image[0x1f1] = SETUP_SECTS;
	put32(0x1f4, PAYLOAD / 16);
	put16(0x1fe, 0xaa55);
	put16(0x200, 0x6aeb); /* the header ends at 0x26c */
	memcpy(image + 0x202, "HdrS", 4);
	put16(0x206, 0x020f);
	image[0x211] = 0x01;
	put32(0x214, 0x100000);
	put32(0x22c, 0x7fffffff);
	put32(0x230, 0x200000);
	image[0x234] = 1;
	put16(0x236, 0x3f);
	put32(0x238, 2047);
	put32(0x258, MIB(16));
	put32(0x260, MIB(8));
	image[0x26c] = 0x5a; /* setup code, not for the zero page */
	module_set(&mod[0], image, IMAGE_BYTES, "console=ttyS0");
	module_set(&mod[1], initrd, 0x3001, "");
}

static int before(void **state)
{
	(void)state;
	fixture_ram(FIXTURE_LOW, FIXTURE_HIGH);
	make_image();
	return 0;
}

static void expect_error(unsigned int n, int err, const char *reason)
{
	const char *why = NULL;

	assert_int_equal(guest_linux.load(&vm, mod, n, &why), err);
	assert_reason(why, reason);
}

static void load_ok(unsigned int n)
{
	const char *why = "";
	int err = guest_linux.load(&vm, mod, n, &why);

	if (err)
		fail_msg("load: %d, %s", err, why);
}

/* --- a good image ---------------------------------------------------------------------------- */

static void test_registers(void **state)
{
	struct vcpu *v = &boot_vcpu;

	(void)state;
	load_ok(1);
	assert_int_equal(vcpu_rip(v), MIB(16) + 0x200);
	assert_int_equal(vcpu_gpr(v, GPR_RSI), ZERO_PAGE);
	assert_int_equal(vcpu_gpr(v, GPR_RBX) | vcpu_gpr(v, GPR_RBP) | vcpu_gpr(v, GPR_RDI), 0);
	assert_int_equal(vcpu_rflags(v), RFLAGS_ONE);
	assert_int_equal(vcpu_efer(v), EFER_LME | EFER_LMA);
	assert_true((vcpu_cr0(v) & (CR0_PE | CR0_PG)) == (CR0_PE | CR0_PG));
	assert_true(vcpu_cr4(v) & CR4_PAE);
	assert_int_equal(vcpu_seg(v, SEG_CS)->selector, 0x10);
	assert_true(vcpu_seg(v, SEG_CS)->attr & SEG_L);
	assert_int_equal(vcpu_seg(v, SEG_DS)->selector, 0x18);
	assert_int_equal(vcpu_seg(v, SEG_SS)->selector, 0x18);
	assert_int_equal(vcpu_seg(v, SEG_ES)->selector, 0x18);
	assert_int_equal(vcpu_code_size(v), 8);
	assert_int_equal(guest_u64(v->gdtr.base + 0x10), 0x00af9b000000ffffULL);
	assert_int_equal(guest_u64(v->gdtr.base + 0x18), 0x00cf93000000ffffULL);
	assert_int_equal(v->gdtr.limit, 0x1f);
	assert_int_equal(v->reg_dirty & (REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER | REG_RIP | REG_CS |
					 REG_SEGS | REG_TABLES | REG_RFLAGS),
			 REG_CR0 | REG_CR3 | REG_CR4 | REG_EFER | REG_RIP | REG_CS | REG_SEGS |
				 REG_TABLES | REG_RFLAGS);
	assert_int_equal(lapic_writes, 3);
	assert_true(port_writes >= 10);
}

/* Walks the guest's tables for addresses all over the first 4 GiB. */
static void test_identity_map(void **state)
{
	static const gva_t address[] = { 0,	 0x10123,	    MIB(16) + 0x200, MIB(64),
					 GIB(1), GIB(3) + 0x123456, 0xfee00000,	     0xffffffff };
	u64 cr3;

	(void)state;
	load_ok(1);
	cr3 = vcpu_cr3(&boot_vcpu);
	for (unsigned int i = 0; i < ARRAY_SIZE(address); i++) {
		gva_t a = address[i];
		u64 e = guest_u64(cr3 + (a >> 39 & 511) * 8);

		assert_true(e & PTE_P);
		e = guest_u64((e & PTE_ADDR) + (a >> 30 & 511) * 8);
		assert_true(e & PTE_P);
		e = guest_u64((e & PTE_ADDR) + (a >> 21 & 511) * 8);
		assert_int_equal(e & (PTE_P | PTE_W | PTE_PS), PTE_P | PTE_W | PTE_PS);
		assert_int_equal((e & PTE_ADDR) | (a & (MIB(2) - 1)), a);
	}
	assert_int_equal(guest_u64(cr3 + 8), 0);
}

static void test_zero_page(void **state)
{
	(void)state;
	load_ok(2);
	assert_guest_bytes(MIB(16), image + SETUP_BYTES, PAYLOAD);
	assert_int_equal(guest_u64(ZERO_PAGE + 0x70), 0xe0000); /* acpi_rsdp_addr */
	assert_guest_bytes(0xe0000, "RSD PTR ", 8);
	assert_guest_bytes(ZERO_PAGE + 0x202, "HdrS", 4);
	assert_int_equal(guest_u16(ZERO_PAGE + 0x210) & 0xff, 0xff);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x214), MIB(16));
	assert_int_equal(guest_u32(ZERO_PAGE + 0x26c) & 0xff, 0);
	assert_int_equal(guest_u16(ZERO_PAGE + 0x1ee) >> 8, 0); /* sentinel */
	assert_guest_string(guest_u32(ZERO_PAGE + 0x228), "console=ttyS0");
	assert_int_equal(guest_u16(ZERO_PAGE + 0x1e8) & 0xff, 5); /* E820 */
	assert_int_equal(guest_u64(ZERO_PAGE + 0x2d0 + 3 * 20), 0x100000);
	assert_int_equal(guest_u64(ZERO_PAGE + 0x2d0 + 3 * 20 + 8), FIXTURE_LOW - MIB(1));
	assert_int_equal(guest_u64(ZERO_PAGE + 0x2d0 + 4 * 20), GIB(4));
	assert_int_equal(guest_u64(ZERO_PAGE + 0x2d0 + 5 * 20), 0);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x1e0), (FIXTURE_LOW - MIB(1)) / 1024);
	assert_int_equal(guest_u64(ZERO_PAGE + 6), 0); /* no display */
}

static void test_vga(void **state)
{
	(void)state;
	vm.vga = true;
	load_ok(1);
	assert_int_equal(guest_u16(ZERO_PAGE + 6), 80 << 8 | 3);
	assert_int_equal(guest_u16(ZERO_PAGE + 0xe), 1 << 8 | 25);
}

/* Fields behind the header's own end (here 0x264) do not reach the zero page. */
static void test_short_header(void **state)
{
	(void)state;
	put16(0x200, 0x62eb);
	put32(0x268, 0x12345678);
	load_ok(1);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x268), 0);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x260), MIB(8));
}

static void test_rsdp_needs_2_14(void **state)
{
	(void)state;
	put16(0x206, 0x020d);
	load_ok(1);
	assert_int_equal(guest_u64(ZERO_PAGE + 0x70), 0);
}

/* --- placement ------------------------------------------------------------------------------- */

static void expect_initrd(gpa_t at)
{
	assert_int_equal(guest_u32(ZERO_PAGE + 0x218) | (u64)guest_u32(ZERO_PAGE + 0xc0) << 32, at);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x21c), mod[1].len);
	assert_guest_bytes(at, initrd, mod[1].len);
}

static void test_initrd_highest(void **state)
{
	(void)state;
	load_ok(2);
	expect_initrd(FIXTURE_LOW - 0x4000);
}

static void test_initrd_addr_max(void **state)
{
	(void)state;
	put32(0x22c, MIB(32) - 1);
	load_ok(2);
	expect_initrd(MIB(32) - 0x4000);
	put32(0x22c, MIB(20)); /* inside the kernel: only below it is left */
	load_ok(2);
	expect_initrd(MIB(16) - 0x4000);
}

static void test_initrd_above_4g(void **state)
{
	(void)state;
	put32(0x22c, MIB(1));
	load_ok(2);
	expect_initrd(GIB(4) + FIXTURE_HIGH - 0x4000);
	put16(0x236, 0x01); /* without XLF_CAN_BE_LOADED_ABOVE_4G */
	expect_error(2, -ENOSPC, "the initrd (1 MiB) does not fit");
}

static void test_initrd_too_large(void **state)
{
	(void)state;
	mod[1].len = MIB(40) + 1; /* 40 MiB are free behind the kernel, 15 before, 16 above */
	expect_error(2, -ENOSPC, "the initrd (41 MiB) does not fit");
	mod[1].len = UINT64_MAX;
	expect_error(2, -ENOSPC, "the initrd (17592186044416 MiB) does not fit");
	mod[1].bad = true;
	expect_error(2, -EINVAL, "damaged");
}

static void test_initrd_empty(void **state)
{
	(void)state;
	mod[1].len = 0;
	load_ok(2);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x218) | guest_u32(ZERO_PAGE + 0x21c), 0);
}

static void test_kernel_placement(void **state)
{
	(void)state;
	put32(0x258, MIB(17)); /* not aligned */
	load_ok(1);
	assert_int_equal(vcpu_rip(&boot_vcpu), MIB(18) + 0x200);
	image[0x234] = 0; /* not relocatable: there and nowhere else */
	load_ok(1);
	assert_int_equal(vcpu_rip(&boot_vcpu), MIB(17) + 0x200);
	image[0x234] = 1;
	put32(0x258, 0x1000);
	load_ok(1);
	assert_int_equal(vcpu_rip(&boot_vcpu), MIB(2) + 0x200);
}

static void test_kernel_does_not_fit(void **state)
{
	(void)state;
	put32(0x260, MIB(48));
	load_ok(1);
	put32(0x260, MIB(48) + 1);
	expect_error(1, -ENOSPC, "the kernel needs 49 MiB at 16 MiB");
	put32(0x260, UINT32_MAX);
	expect_error(1, -ENOSPC, "too little RAM");
	put32(0x260, 0); /* the payload itself must fit */
	put32(0x258, (u32)(FIXTURE_LOW - 0x4000));
	put32(0x230, 0x1000);
	expect_error(1, -ENOSPC, "too little RAM");
	put32(0x25c, 0xffffffff);
	expect_error(1, -ENOSPC, "too little RAM");
}

/* --- bad images ------------------------------------------------------------------------------ */

static void test_not_linux(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(guest_linux.probe(mod, 0, &why), -ENOEXEC);
	image[0x202] = 'h';
	assert_int_equal(guest_linux.probe(mod, 1, &why), -ENOEXEC);
	make_image();
	image[0x1fe] = 0;
	assert_int_equal(guest_linux.probe(mod, 1, &why), -ENOEXEC);
	make_image();
	assert_int_equal(guest_linux.probe(mod, 1, &why), 0);
}

static void test_protocol(void **state)
{
	(void)state;
	put16(0x206, 0x0203);
	expect_error(1, -EINVAL, "boot protocol 2.03 is too old (2.04 needed)");
	put16(0x206, 0x0204);
	load_ok(1);
	make_image();
	image[0x211] = 0;
	expect_error(1, -EINVAL, "zImage");
	make_image();
	put32(0x214, 0); /* an image whose setup code does it all */
	expect_error(1, -EINVAL, "starts in real mode and needs a BIOS");
	make_image();
	put32(0x230, 0);
	expect_error(1, -EINVAL, "alignment");
	put32(0x230, 0x300000);
	expect_error(1, -EINVAL, "alignment");
	make_image();
	put32(0x1f4, 0);
	expect_error(1, -EINVAL, "no kernel");
}

static void expect_entry(bool wide, gpa_t at)
{
	struct vcpu *v = &boot_vcpu;

	load_ok(2);
	assert_int_equal(vcpu_rip(v), at + (wide ? 0x200 : 0));
	assert_int_equal(vcpu_code_size(v), wide ? 8 : 4);
	assert_int_equal(vcpu_gpr(v, GPR_RSI), ZERO_PAGE);
	assert_int_equal(vcpu_gpr(v, GPR_RBX) | vcpu_gpr(v, GPR_RBP) | vcpu_gpr(v, GPR_RDI), 0);
	assert_int_equal(guest_u32(ZERO_PAGE + 0x214), at);
	assert_guest_bytes(at, image + SETUP_BYTES, PAYLOAD);
}

/* boot.rst, "32-bit boot protocol": flat segments, no paging, at the start of the kernel. */
static void test_32_bit_entry(void **state)
{
	struct vcpu *v = &boot_vcpu;

	(void)state;
	put16(0x236, 0x3e); /* all but XLF_KERNEL_64 */
	expect_entry(false, MIB(16));
	assert_int_equal(vcpu_cr0(v) & (CR0_PE | CR0_PG), CR0_PE);
	assert_int_equal(vcpu_cr4(v), 0);
	assert_int_equal(vcpu_efer(v), 0);
	assert_int_equal(vcpu_rflags(v), RFLAGS_ONE);
	assert_int_equal(vcpu_seg(v, SEG_CS)->selector, 0x10);
	assert_int_equal(vcpu_seg(v, SEG_DS)->selector, 0x18);
	assert_int_equal(vcpu_seg(v, SEG_ES)->selector, 0x18);
	assert_int_equal(vcpu_seg(v, SEG_SS)->selector, 0x18);
	assert_int_equal(guest_u64(v->gdtr.base + 0x10), 0x00cf9b000000ffffULL);
	assert_int_equal(guest_u64(v->gdtr.base + 0x18), 0x00cf93000000ffffULL);
	assert_guest_string(guest_u32(ZERO_PAGE + 0x228), "console=ttyS0");
}

/* A field counts only from the protocol version on that has it. */
static void test_old_protocols(void **state)
{
	(void)state;
	put16(0x206, 0x020b); /* no xloadflags */
	expect_entry(false, MIB(16));
	put16(0x206, 0x0209); /* no preferred address */
	expect_entry(false, MIB(2));
	put32(0x238, 12);
	expect_error(1, -E2BIG, "longer than the 12 bytes");
	put16(0x206, 0x0205); /* cmdline_size is 255 */
	expect_entry(false, MIB(2));
	put16(0x206, 0x0204); /* not relocatable */
	put32(0x230, 0x300000);
	expect_entry(false, MIB(1));
}

/* syssize counts paragraphs: the file may end inside the last one. */
static void test_last_paragraph(void **state)
{
	(void)state;
	put32(0x1f4, PAYLOAD / 16 + 1);
	expect_error(1, -EINVAL, "bzImage is truncated: 34816 of 34832 bytes");
	module_set(&mod[0], image, IMAGE_BYTES - 8, "");
	put32(0x1f4, PAYLOAD / 16);
	load_ok(1);
	assert_guest_bytes(MIB(16), image + SETUP_BYTES, PAYLOAD - 8);
}

/* Every length gives a defined answer; the copy is exact, so that a read beyond it is seen. */
static void test_truncated(void **state)
{
	(void)state;
	for (u64 len = 0; len <= IMAGE_BYTES - 16; len += len < 0x300 ? 1 : 509) {
		const char *why = NULL;
		u8 *copy = malloc(len ? len : 1);
		int err;

		assert_non_null(copy);
		memcpy(copy, image, len);
		module_set(&mod[0], copy, len, "");
		err = guest_linux.load(&vm, mod, 1, &why);
		free(copy);
		assert_true(err == -ENOEXEC || err == -EINVAL);
		if (len >= 0x208)
			assert_reason(why, "bzImage is truncated: ");
	}
	module_set(&mod[0], image, IMAGE_BYTES - 16, "");
	expect_error(1, -EINVAL, "bzImage is truncated: 34800 of 34816 bytes");
	image[0x1f1] = 0; /* means 4 */
	expect_error(1, -EINVAL, "bzImage is truncated: ");
}

static void test_command_line(void **state)
{
	(void)state;
	put32(0x238, 13);
	load_ok(1);
	put32(0x238, 12);
	expect_error(1, -E2BIG,
		     "the command line is longer than the 12 bytes that this kernel takes");
	put32(0x238, 2047);
	mod[0].truncated = true;
	expect_error(1, -E2BIG, "the command line is longer than the 2047 bytes");
	mod[0].truncated = false;
	memset(mod[0].args, 'a', sizeof(mod[0].args) - 1);
	load_ok(1);
	put32(0x238, UINT32_MAX);
	load_ok(1);
	assert_guest_string(guest_u32(ZERO_PAGE + 0x228), mod[0].args);
}

static void test_random_headers(void **state)
{
	(void)state;
	srand(4711);
	for (unsigned int round = 0; round < 20000; round++) {
		const char *why = NULL;
		int err;

		for (unsigned int i = 0x1f1; i < 0x26c; i++)
			image[i] = (u8)rand();
		put16(0x1fe, 0xaa55);
		memcpy(image + 0x202, "HdrS", 4);
		put16(0x206, 0x020f);
		image[0x211] |= 1;
		image[0x236] |= 1;
		if (round & 8)
			put16(0x206, 0x0204 + (u32)rand() % 12);
		if (round & 1) {
			image[0x1f1] = SETUP_SECTS;
			put32(0x1f4, PAYLOAD / 16);
		}
		if (round & 2) {
			put32(0x230, 1U << (rand() & 31));
			put32(0x258, (u32)rand() & 0x3ffffff);
			put32(0x25c, 0);
		}
		if (round & 4)
			put32(0x260, (u32)rand() & 0x1ffffff);
		err = guest_linux.load(&vm, mod, 2, &why);
		assert_true(err == 0 || why != NULL);
	}
}

/* Guest RAM with a hole that the E820 does not show is an error, not a crash. */
static void test_hole(void **state)
{
	(void)state;
	vm.ram_below_4g = MIB(128);
	put32(0x258, MIB(70));
	expect_error(1, -EFAULT, "hole");
}

static int setup(void **state)
{
	image = malloc(IMAGE_BYTES);
	initrd = malloc(MIB(42));
	if (!image || !initrd)
		return -1;
	for (u64 i = 0; i < MIB(42); i++)
		initrd[i] = (u8)(i ^ i >> 8);
	return fixture_setup(state);
}

static int teardown(void **state)
{
	free(image);
	free(initrd);
	return fixture_teardown(state);
}

#define T(f) cmocka_unit_test_setup(f, before)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_registers),
		T(test_identity_map),
		T(test_zero_page),
		T(test_vga),
		T(test_short_header),
		T(test_rsdp_needs_2_14),
		T(test_initrd_highest),
		T(test_initrd_addr_max),
		T(test_initrd_above_4g),
		T(test_initrd_too_large),
		T(test_initrd_empty),
		T(test_kernel_placement),
		T(test_kernel_does_not_fit),
		T(test_not_linux),
		T(test_protocol),
		T(test_32_bit_entry),
		T(test_old_protocols),
		T(test_last_paragraph),
		T(test_truncated),
		T(test_command_line),
		T(test_random_headers),
		T(test_hole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
