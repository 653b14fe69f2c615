/* SPDX-License-Identifier: MIT */
/*
 * Linux bzImage by the 64-bit or the 32-bit boot protocol: Linux 6.1, Documentation/arch/x86/boot.rst
 * and zero-page.rst. No real-mode code runs: the setup header is copied into a zero page and the
 * kernel is entered in 64-bit mode, 0x200 bytes into its protected-mode part, or, when it has no such
 * entry, in flat 32-bit protected mode at the part's start.
 *
 * Low memory, which the kernel leaves alone until it has copied what it needs:
 * zero page, GDT and page tables from 0x10000, the command line from 0x20000 to the EBDA.
 */
#include "errors.h"
#include "guest_modules.h"
#include "lib.h"
#include "printk.h"
#include "vm.h"

#define ZERO_PAGE	  0x10000U
#define BOOT_GDT	  0x11000U
#define BOOT_TABLES	  0x12000U
#define COMMAND_LINE	  0x20000U
#define COMMAND_LINE_ROOM ((u64)(GUEST_EBDA - COMMAND_LINE))
_Static_assert(BOOT_TABLES + GUEST_IDENTITY_PAGES * PAGE_SIZE <= COMMAND_LINE, "low memory");

#define LOW_END		      UINT64_C(0x100000)
#define SECTOR		      512U
#define SETUP_SECTS_DEFAULT   4U
#define PARAGRAPH	      16U
#define HEADER_OFFSET	      0x1f1U
#define HEADER_FIXED_END      0x202U /* the jump's displacement counts from here */
#define HEADER_JUMP_LENGTH    0x201U
#define BOOT_FLAG	      0xaa55U
#define HEADER_MAGIC	      0x53726448U /* "HdrS" */
#define PROTOCOL_MIN	      0x0204U	  /* syssize is trustworthy from here on */
#define PROTOCOL_RELOCATABLE  0x0205U
#define PROTOCOL_CMDLINE_SIZE 0x0206U
#define PROTOCOL_PREF_ADDRESS 0x020aU
#define PROTOCOL_XLOADFLAGS   0x020cU
#define PROTOCOL_RSDP	      0x020eU /* acpi_rsdp_addr is read from here on */
#define LOADFLAGS_LOADED_HIGH BIT(0)
#define XLF_KERNEL_64	      BIT(0)
#define XLF_ABOVE_4G	      BIT(1)
#define CMDLINE_SIZE_DEFAULT  255U
#define LOADER_UNDEFINED      0xffU
#define VID_MODE_NORMAL	      0xffffU
#define ENTRY_64	      0x200U
#define VIDEO_VGA	      1U
#define VIDEO_MODE_TEXT_80X25 3U
#define VIDEO_EGA_BX	      3U /* 256 KiB, colour: INT 10h AH=12 BL=10 */
#define VIDEO_CELL_HEIGHT     16U
#define BOOT_PARAMS_E820_MAX  128U
#define MODULE_KERNEL	      0U
#define MODULE_INITRD	      1U

struct setup_header {
	u8 setup_sects;
	u16 root_flags;
	u32 syssize;
	u16 ram_size;
	u16 vid_mode;
	u16 root_dev;
	u16 boot_flag;
	u16 jump;
	u32 header;
	u16 version;
	u32 realmode_swtch;
	u16 start_sys_seg;
	u16 kernel_version;
	u8 type_of_loader;
	u8 loadflags;
	u16 setup_move_size;
	u32 code32_start;
	u32 ramdisk_image;
	u32 ramdisk_size;
	u32 bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_ver;
	u8 ext_loader_type;
	u32 cmd_line_ptr;
	u32 initrd_addr_max;
	u32 kernel_alignment;
	u8 relocatable_kernel;
	u8 min_alignment;
	u16 xloadflags;
	u32 cmdline_size;
	u32 hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset;
	u32 payload_length;
	u64 setup_data;
	u64 pref_address;
	u32 init_size;
	u32 handover_offset;
	u32 kernel_info_offset;
} __packed;
#define HEADER_AT(field, offset)                                                         \
	_Static_assert(offsetof(struct setup_header, field) + HEADER_OFFSET == (offset), \
		       "setup header: " #field)
HEADER_AT(syssize, 0x1f4);
HEADER_AT(boot_flag, 0x1fe);
HEADER_AT(header, 0x202);
HEADER_AT(type_of_loader, 0x210);
HEADER_AT(code32_start, 0x214);
HEADER_AT(ramdisk_image, 0x218);
HEADER_AT(cmd_line_ptr, 0x228);
HEADER_AT(initrd_addr_max, 0x22c);
HEADER_AT(kernel_alignment, 0x230);
HEADER_AT(xloadflags, 0x236);
HEADER_AT(cmdline_size, 0x238);
HEADER_AT(setup_data, 0x250);
HEADER_AT(pref_address, 0x258);
HEADER_AT(init_size, 0x260);
HEADER_AT(kernel_info_offset, 0x268);
_Static_assert(sizeof(struct setup_header) == 0x26c - HEADER_OFFSET, "setup header 2.15");

struct screen_info {
	u8 orig_x, orig_y;
	u16 ext_mem_k;
	u16 orig_video_page;
	u8 orig_video_mode, orig_video_cols;
	u8 flags, unused1;
	u16 orig_video_ega_bx;
	u16 unused2;
	u8 orig_video_lines, orig_video_is_vga;
	u16 orig_video_points;
	u8 framebuffer[0x2e];
} __packed;
_Static_assert(sizeof(struct screen_info) == 0x40, "screen_info");

/* The zero page. What Plinth leaves 0 is not named. */
struct boot_params {
	struct screen_info screen_info;
	u8 zero_040[0x30];
	u64 acpi_rsdp_addr;
	u8 zero_078[0x48];
	u32 ext_ramdisk_image;
	u32 ext_ramdisk_size;
	u32 ext_cmd_line_ptr;
	u8 zero_0cc[0x114];
	u32 alt_mem_k;
	u8 zero_1e4[4];
	u8 e820_entries;
	u8 zero_1e9[8];
	struct setup_header hdr;
	u8 zero_26c[0x64];
	struct e820_entry e820_table[BOOT_PARAMS_E820_MAX];
	u8 zero_cd0[0x330];
} __packed;
#define PARAMS_AT(field, offset) \
	_Static_assert(offsetof(struct boot_params, field) == (offset), "zero page: " #field)
PARAMS_AT(acpi_rsdp_addr, 0x070);
PARAMS_AT(ext_ramdisk_image, 0x0c0);
PARAMS_AT(alt_mem_k, 0x1e0);
PARAMS_AT(e820_entries, 0x1e8);
PARAMS_AT(hdr, HEADER_OFFSET);
PARAMS_AT(e820_table, 0x2d0);
_Static_assert(sizeof(struct boot_params) == PAGE_SIZE, "zero page");
_Static_assert(GUEST_E820_MAX <= BOOT_PARAMS_E820_MAX, "the guest's map fits the zero page");

/* What the header says, checked. */
struct image {
	struct setup_header hdr;
	const u8 *payload; /* protected-mode part */
	u64 payload_len;
	u64 need; /* bytes of RAM from the kernel's runtime start on */
};

/* Where things go. */
struct layout {
	gpa_t kernel;
	gpa_t initrd;
	u64 initrd_len;
};

static u64 mib_up(u64 bytes)
{
	return bytes / MIB(1) + (bytes % MIB(1) != 0);
}

/* --- the image ------------------------------------------------------------------------------ */

static int check_header(const struct setup_header *h, const char **why)
{
	if (h->version < PROTOCOL_MIN) {
		*why = guest_why("boot protocol %u.%02u is too old (%u.%02u needed)",
				 h->version >> 8, h->version & 0xffU, PROTOCOL_MIN >> 8,
				 PROTOCOL_MIN & 0xffU);
		return -EINVAL;
	}
	if (!(h->loadflags & LOADFLAGS_LOADED_HIGH)) {
		*why = "the kernel is a zImage, a bzImage is needed";
		return -EINVAL;
	}
	if (h->code32_start < LOW_END) {
		*why = "the image starts in real mode and needs a BIOS";
		return -EINVAL;
	}
	if (h->relocatable_kernel &&
	    (h->kernel_alignment == 0 || (h->kernel_alignment & (h->kernel_alignment - 1)) != 0)) {
		*why = guest_why("the setup header asks for an impossible alignment (0x%x)",
				 h->kernel_alignment);
		return -EINVAL;
	}
	return 0;
}

/* Fields that are younger than the header's protocol version are not its own: their defaults. */
static void set_defaults(struct setup_header *h)
{
	if (h->version < PROTOCOL_RELOCATABLE)
		h->relocatable_kernel = 0;
	if (h->version < PROTOCOL_CMDLINE_SIZE)
		h->cmdline_size = CMDLINE_SIZE_DEFAULT;
	if (h->version < PROTOCOL_PREF_ADDRESS) {
		h->pref_address = LOW_END;
		h->init_size = 0;
	}
	if (h->version < PROTOCOL_XLOADFLAGS)
		h->xloadflags = 0;
}

static int parse_image(const struct boot_module *m, struct image *img, const char **why)
{
	struct setup_header *h = &img->hdr;
	u64 setup_len, want;
	u64 header_len;

	if (m->len < offsetof(struct setup_header, version) + HEADER_OFFSET)
		return -ENOEXEC;
	memset(h, 0, sizeof(*h));
	header_len = min_u64(sizeof(*h), m->len - HEADER_OFFSET);
	memcpy(h, (const u8 *)phys_to_virt(m->start) + HEADER_OFFSET, header_len);
	if (h->boot_flag != BOOT_FLAG || h->header != HEADER_MAGIC)
		return -ENOEXEC;

	if (header_len < sizeof(*h)) {
		*why = guest_why("bzImage is truncated: %llu bytes end inside the setup header",
				 (unsigned long long)m->len);
		return -EINVAL;
	}
	/* Bytes beyond the header's own end are code and must not reach the zero page. */
	header_len = HEADER_FIXED_END - HEADER_OFFSET + (h->jump >> 8);
	if (header_len < sizeof(*h))
		memset((u8 *)h + header_len, 0, sizeof(*h) - header_len);
	set_defaults(h);
	if (check_header(h, why))
		return -EINVAL;

	setup_len = (u64)(h->setup_sects ? h->setup_sects : SETUP_SECTS_DEFAULT) * SECTOR + SECTOR;
	want = setup_len + (u64)h->syssize * PARAGRAPH;
	/* syssize is rounded up, the file need not be filled up. */
	if (m->len < setup_len || (m->len < want && want - m->len >= PARAGRAPH)) {
		*why = guest_why("bzImage is truncated: %llu of %llu bytes",
				 (unsigned long long)m->len, (unsigned long long)want);
		return -EINVAL;
	}
	img->payload_len = min_u64(m->len, want) - setup_len;
	if (img->payload_len <= ENTRY_64) {
		*why = "the bzImage holds no kernel";
		return -EINVAL;
	}
	img->payload = (const u8 *)phys_to_virt(m->start) + setup_len;
	img->need = max_u64(h->init_size, img->payload_len);
	return 0;
}

/* --- placement ------------------------------------------------------------------------------ */

/*
 * A relocatable kernel that finds itself below pref_address moves there, so RAM below it does not
 * help; one that is not relocatable runs at pref_address only.
 */
static int place_kernel(const struct vm *vm, const struct image *img, struct layout *l,
			const char **why)
{
	const struct setup_header *h = &img->hdr;
	u64 at = h->pref_address;

	if (at < GIB(4) && h->relocatable_kernel)
		at = ALIGN_UP(max_u64(at, LOW_END), (u64)h->kernel_alignment);
	if (at < LOW_END || at >= GIB(4) || !guest_ram_covers(vm, at, img->need)) {
		*why = guest_why(
			"the kernel needs %llu MiB at %llu MiB: the guest has too little RAM",
			(unsigned long long)mib_up(img->need), (unsigned long long)(at / MIB(1)));
		return -ENOSPC;
	}
	l->kernel = at;
	return 0;
}

/* The highest page-aligned start of len bytes in [low, high), or 0. */
static gpa_t highest(u64 len, gpa_t low, gpa_t high)
{
	gpa_t at;

	if (high <= low || high - low < len)
		return 0;
	at = ALIGN_DOWN(high - len, PAGE_SIZE);
	return at >= low ? at : 0;
}

static int place_initrd(const struct vm *vm, const struct image *img, u64 len, struct layout *l,
			const char **why)
{
	const struct setup_header *h = &img->hdr;
	gpa_t end = min_u64(vm->ram_below_4g, (u64)h->initrd_addr_max + 1);

	l->initrd = 0;
	l->initrd_len = len;
	if (len == 0)
		return 0;
	l->initrd = highest(len, l->kernel + img->need, end);
	if (!l->initrd)
		l->initrd = highest(len, LOW_END, min_u64(end, l->kernel));
	if (!l->initrd && (h->xloadflags & XLF_ABOVE_4G))
		l->initrd = highest(len, GIB(4), GIB(4) + vm->ram_above_4g);
	if (!l->initrd) {
		*why = guest_why("the initrd (%llu MiB) does not fit",
				 (unsigned long long)mib_up(len));
		return -ENOSPC;
	}
	return 0;
}

static int check_command_line(const struct image *img, const struct boot_module *m,
			      const char **why)
{
	u64 limit = min_u64(img->hdr.cmdline_size, COMMAND_LINE_ROOM - 1);

	if (strnlen(m->args, sizeof(m->args)) > limit) {
		*why = guest_why("the command line is longer than the %llu bytes that this kernel "
				 "takes",
				 (unsigned long long)limit);
		return -E2BIG;
	}
	if (m->truncated) {
		*why = guest_why("the command line is longer than the %u bytes that Plinth takes",
				 BOOT_STRING_MAX - 1);
		return -E2BIG;
	}
	return 0;
}

/* --- the zero page -------------------------------------------------------------------------- */

static void fill_screen(struct screen_info *s, const struct vm *vm)
{
	if (!vm->vga)
		return; /* all zero: no display */
	s->orig_video_mode = VIDEO_MODE_TEXT_80X25;
	s->orig_video_cols = 80;
	s->orig_video_lines = 25;
	s->orig_video_is_vga = VIDEO_VGA;
	s->orig_video_ega_bx = VIDEO_EGA_BX;
	s->orig_video_points = VIDEO_CELL_HEIGHT;
}

static int write_zero_page(struct vm *vm, const struct image *img, const struct layout *l,
			   gpa_t rsdp)
{
	static struct boot_params bp; /* too large for the stack */
	struct setup_header *h = &bp.hdr;

	memset(&bp, 0, sizeof(bp));
	*h = img->hdr;
	h->type_of_loader = LOADER_UNDEFINED;
	h->vid_mode = VID_MODE_NORMAL;
	h->code32_start = (u32)l->kernel;
	h->ramdisk_image = (u32)l->initrd;
	bp.ext_ramdisk_image = (u32)(l->initrd >> 32);
	h->ramdisk_size = (u32)l->initrd_len;
	bp.ext_ramdisk_size = (u32)(l->initrd_len >> 32);
	h->cmd_line_ptr = COMMAND_LINE;
	h->setup_data = 0; /* a list that only the loader makes */
	if (h->version >= PROTOCOL_RSDP)
		bp.acpi_rsdp_addr = rsdp;
	bp.alt_mem_k = (u32)((vm->ram_below_4g - LOW_END) / KIB(1));
	bp.screen_info.ext_mem_k = (u16)min_u64(bp.alt_mem_k, UINT16_MAX);
	fill_screen(&bp.screen_info, vm);
	bp.e820_entries = (u8)guest_e820(vm, bp.e820_table);
	return gpmap_write(&vm->gpmap, ZERO_PAGE, &bp, sizeof(bp));
}

/* --- the kind ------------------------------------------------------------------------------- */

static int linux_probe(const struct boot_module *m, unsigned int n, const char **why)
{
	struct image img;

	if (n == 0 || m[MODULE_KERNEL].bad)
		return -ENOEXEC;
	return parse_image(&m[MODULE_KERNEL], &img, why);
}

static int plan(const struct vm *vm, const struct boot_module *m, unsigned int n, struct image *img,
		struct layout *l, const char **why)
{
	u64 initrd_len = 0;
	int err = linux_probe(m, n, why);

	if (!err)
		err = parse_image(&m[MODULE_KERNEL], img, why);
	if (!err)
		err = check_command_line(img, &m[MODULE_KERNEL], why);
	if (!err && n > MODULE_INITRD) {
		initrd_len = m[MODULE_INITRD].len;
		if (m[MODULE_INITRD].bad) {
			*why = "the initrd's module entry is damaged";
			err = -EINVAL;
		}
	}
	if (!err)
		err = place_kernel(vm, img, l, why);
	if (!err)
		err = place_initrd(vm, img, initrd_len, l, why);
	return err;
}

static int linux_load(struct vm *vm, const struct boot_module *m, unsigned int n, const char **why)
{
	struct image img;
	struct layout l;
	gpa_t rsdp;
	size_t args_len;
	int err = plan(vm, m, n, &img, &l, why);

	if (err)
		return err;
	if (n > MODULE_INITRD + 1)
		pr_warn("Linux takes a kernel and an initrd: %u more modules are ignored",
			n - MODULE_INITRD - 1);

	args_len = strnlen(m[MODULE_KERNEL].args, sizeof(m->args) - 1);
	err = guest_write_tables(vm, &rsdp);
	if (!err)
		err = gpmap_write(&vm->gpmap, l.kernel, img.payload, img.payload_len);
	if (!err && l.initrd_len)
		err = gpmap_write(&vm->gpmap, l.initrd, phys_to_virt(m[MODULE_INITRD].start),
				  l.initrd_len);
	if (!err)
		err = gpmap_write(&vm->gpmap, COMMAND_LINE, m[MODULE_KERNEL].args, args_len);
	if (!err)
		err = gpmap_fill(&vm->gpmap, COMMAND_LINE + args_len, 0, 1);
	if (!err)
		err = write_zero_page(vm, &img, &l, rsdp);
	if (!err && (img.hdr.xloadflags & XLF_KERNEL_64))
		err = guest_enter_long(vm, BOOT_GDT, BOOT_TABLES, l.kernel + ENTRY_64);
	else if (!err)
		err = guest_enter_protected(vm, BOOT_GDT, l.kernel);
	if (err) {
		*why = "guest RAM has a hole where the kernel goes";
		return err;
	}
	vcpu_set_gpr(vm->vcpu[0], GPR_RSI, ZERO_PAGE);
	guest_firmware_state(vm);
	return 0;
}

const struct guest_kind guest_linux = {
	.name = "Linux bzImage",
	.probe = linux_probe,
	.load = linux_load,
};
