/* SPDX-License-Identifier: MIT */
/*
 * The boot loader's information, copied: Multiboot Specification 0.6.96, section 3.3 "Boot
 * information format".
 */
#include "errors.h"
#include "lib.h"
#include "multiboot.h"

/* Section 3.3, the bits of "flags". */
enum multiboot_flag {
	MBI_MEMORY = BIT(0),
	MBI_CMDLINE = BIT(2),
	MBI_MODULES = BIT(3),
	MBI_MMAP = BIT(6),
	MBI_LOADER_NAME = BIT(9),
	MBI_FRAMEBUFFER = BIT(12),
};

/* Section 3.3; offsets as printed there. */
struct mbi {
	u32 flags;
	u32 mem_lower; /* KiB from 0 */
	u32 mem_upper; /* KiB from 1 MiB */
	u32 boot_device;
	u32 cmdline;
	u32 mods_count;
	u32 mods_addr;
	u32 syms[4];
	u32 mmap_length;
	u32 mmap_addr;
	u32 drives_length;
	u32 drives_addr;
	u32 config_table;
	u32 boot_loader_name;
	u32 apm_table;
	u32 vbe_control_info;
	u32 vbe_mode_info;
	u16 vbe_mode;
	u16 vbe_interface_seg;
	u16 vbe_interface_off;
	u16 vbe_interface_len;
	u64 framebuffer_addr;
	u32 framebuffer_pitch;
	u32 framebuffer_width;
	u32 framebuffer_height;
	u8 framebuffer_bpp;
	u8 framebuffer_type;
	u8 color_info[6];
} __packed;
_Static_assert(offsetof(struct mbi, mmap_length) == 44, "section 3.3");
_Static_assert(offsetof(struct mbi, boot_loader_name) == 64, "section 3.3");
_Static_assert(offsetof(struct mbi, framebuffer_addr) == 88, "section 3.3");
_Static_assert(sizeof(struct mbi) == 116, "section 3.3");

/* What every loader provides; the framebuffer's fields came with later revisions. */
#define MBI_BASE_SIZE offsetof(struct mbi, framebuffer_addr)

struct mbi_module {
	u32 start;
	u32 end; /* exclusive */
	u32 string;
	u32 reserved;
} __packed;
_Static_assert(sizeof(struct mbi_module) == 16, "section 3.3");

struct mbi_mmap {
	u32 size; /* of the rest */
	u64 base;
	u64 len;
	u32 type;
} __packed;
_Static_assert(sizeof(struct mbi_mmap) == 24, "section 3.3");

#define MMAP_SIZE_FIELD sizeof(u32)

/* Types in the memory map: section 3.3 and ACPI 6.5 table 15.4. */
enum mmap_type {
	MMAP_RAM = 1,
	MMAP_ACPI_RECLAIM = 3,
	MMAP_ACPI_NVS = 4,
	MMAP_BAD = 5,
};

/* The loader's pointers are 32 bits wide, and the entry page tables map just that. */
#define LOADER_END BIT64(32)

/* The BIOS data area's word with the segment of the EBDA, and where an EBDA can be. */
#define BDA_EBDA_SEGMENT UINT64_C(0x40e)
#define EBDA_MIN	 UINT64_C(0x80000)
#define EBDA_MAX	 UINT64_C(0xa0000)

/* Pointer to len bytes of the loader's, or NULL. */
static const void *loader_bytes(u64 pa, u64 len)
{
	const void *p;

	if (len == 0 || pa >= LOADER_END || len > LOADER_END - pa)
		return NULL;
	p = phys_to_virt(pa);
	if (!p || !phys_to_virt(pa + len - 1))
		return NULL;
	/* Low addresses are real here; the compiler must not reason about objects at them. */
	__asm__("" : "+r"(p));
	return p;
}

static bool copy_in(void *dst, u64 pa, u64 len)
{
	const void *p = loader_bytes(pa, len);

	if (p)
		memcpy(dst, p, len);
	return p;
}

/* Copies a string and terminates it; true when it was cut. */
static bool copy_string(char *dst, size_t size, u64 pa)
{
	size_t n = 0;

	for (;; n++) {
		const char *c = loader_bytes(pa + n, 1);

		if (!c || *c == '\0')
			break;
		if (n + 1 == size) {
			dst[n] = '\0';
			return true;
		}
		dst[n] = *c;
	}
	dst[n] = '\0';
	return false;
}

/*
 * Takes a leading file name off a string, see multiboot.h, and leading blanks in any case. name may
 * be NULL.
 */
static void strip_file_name(char *s, char *name, size_t name_size)
{
	static const char suffix[] = ".elf";
	const size_t suffix_len = sizeof(suffix) - 1;
	bool slash = false, equals = false;
	size_t start = 0, end, rest;

	while (s[start] == ' ')
		start++;
	for (end = start; s[end] != '\0' && s[end] != ' '; end++) {
		slash |= s[end] == '/';
		equals |= s[end] == '=';
	}
	rest = start;
	if (!equals && (slash || (end - start >= suffix_len &&
				  memcmp(&s[end - suffix_len], suffix, suffix_len) == 0))) {
		if (name) {
			size_t n = min_u64(end - start, name_size - 1);

			memcpy(name, &s[start], n);
			name[n] = '\0';
		}
		rest = end;
		while (s[rest] == ' ')
			rest++;
	}
	memmove(s, &s[rest], strlen(&s[rest]) + 1);
}

static void add_mmap(struct boot_info *out, u64 base, u64 len, u32 type)
{
	if (out->mmap_count == BOOT_MMAP_MAX) {
		out->mmap_dropped++;
		return;
	}
	out->mmap[out->mmap_count++] =
		(struct boot_mmap_entry){ .base = base, .len = len, .type = type };
}

static void parse_mmap(const struct mbi *mbi, struct boot_info *out)
{
	u64 pos = mbi->mmap_addr;
	u64 end = pos + mbi->mmap_length;

	while (pos + sizeof(struct mbi_mmap) <= end) {
		struct mbi_mmap e;

		if (!copy_in(&e, pos, sizeof(e)))
			break;
		if (e.size < sizeof(e) - MMAP_SIZE_FIELD || e.size > end - pos - MMAP_SIZE_FIELD)
			break;
		add_mmap(out, e.base, e.len, e.type);
		pos += e.size + MMAP_SIZE_FIELD;
	}
	/* The end was not met exactly: something in there is malformed. */
	if (pos != end)
		out->mmap_dropped++;
}

static void parse_modules(const struct mbi *mbi, struct boot_info *out)
{
	for (u32 i = 0; i < mbi->mods_count; i++) {
		struct boot_module *m = &out->module[out->module_count];
		struct mbi_module raw;

		if (i == BOOT_MODULES_MAX ||
		    !copy_in(&raw, mbi->mods_addr + (u64)i * sizeof(raw), sizeof(raw))) {
			out->modules_dropped = mbi->mods_count - i;
			return;
		}
		m->start = raw.start;
		m->bad = raw.end < raw.start;
		m->len = m->bad ? 0 : raw.end - raw.start;
		if (raw.string != 0)
			m->truncated = copy_string(m->args, sizeof(m->args), raw.string);
		strip_file_name(m->args, m->name, sizeof(m->name));
		out->module_count++;
	}
}

static hpa_t find_ebda(void)
{
	u16 segment;
	hpa_t pa;

	if (!copy_in(&segment, BDA_EBDA_SEGMENT, sizeof(segment)))
		return 0;
	pa = (hpa_t)segment << 4;
	return pa >= EBDA_MIN && pa < EBDA_MAX ? pa : 0;
}

int multiboot_parse(u32 magic, hpa_t info_pa, struct boot_info *out)
{
	struct mbi mbi;

	memset(out, 0, sizeof(*out));
	memset(&mbi, 0, sizeof(mbi));
	if (magic != MULTIBOOT_BOOTLOADER_MAGIC || !copy_in(&mbi, info_pa, MBI_BASE_SIZE))
		return -EINVAL;
	out->flags = mbi.flags;
	out->ebda = find_ebda();
	if (mbi.flags & MBI_CMDLINE)
		out->cmdline_truncated =
			copy_string(out->cmdline, sizeof(out->cmdline), mbi.cmdline);
	strip_file_name(out->cmdline, NULL, 0);
	if (mbi.flags & MBI_LOADER_NAME)
		copy_string(out->loader, sizeof(out->loader), mbi.boot_loader_name);
	if (mbi.flags & MBI_MODULES)
		parse_modules(&mbi, out);
	if ((mbi.flags & MBI_FRAMEBUFFER) && copy_in(&mbi, info_pa, sizeof(mbi)))
		out->framebuffer = (struct boot_framebuffer){
			.present = true,
			.addr = mbi.framebuffer_addr,
			.pitch = mbi.framebuffer_pitch,
			.width = mbi.framebuffer_width,
			.height = mbi.framebuffer_height,
			.bpp = mbi.framebuffer_bpp,
			.type = mbi.framebuffer_type,
		};
	if (mbi.flags & MBI_MMAP)
		parse_mmap(&mbi, out);
	if (out->mmap_count == 0 && (mbi.flags & MBI_MEMORY)) {
		out->mmap_from_sizes = true;
		add_mmap(out, 0, KIB(1) * mbi.mem_lower, MMAP_RAM);
		add_mmap(out, MIB(1), KIB(1) * mbi.mem_upper, MMAP_RAM);
	}
	return out->mmap_count == 0 ? -ENOENT : 0;
}

static enum mem_type mem_type(u32 type)
{
	switch (type) {
	case MMAP_RAM:
		return MEM_RAM;
	case MMAP_ACPI_RECLAIM:
		return MEM_ACPI_RECLAIM;
	case MMAP_ACPI_NVS:
		return MEM_ACPI_NVS;
	case MMAP_BAD:
		return MEM_BAD;
	default: /* ACPI 6.5 table 15.4: what is not known is reserved */
		return MEM_RESERVED;
	}
}

int boot_info_memmap(const struct boot_info *bi, struct memmap *m)
{
	bool full = false;

	m->n = 0;
	/* What is not RAM first: if the table overflows, it is RAM that gets lost. */
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < bi->mmap_count; i++) {
			const struct boot_mmap_entry *e = &bi->mmap[i];

			if ((e->type == MMAP_RAM) == (pass == 1))
				full |= memmap_add(m, e->base, e->len, mem_type(e->type)) ==
					-ENOSPC;
		}
		if (full && pass == 0) {
			m->n = 0;
			return -ENOSPC;
		}
	}
	for (unsigned int i = 0; i < bi->module_count; i++) {
		const struct boot_module *mod = &bi->module[i];

		if (mod->len > 0 && memmap_reserve(m, mod->start, mod->len, MEM_MODULE)) {
			/*
			 * A module that cannot be protected must not be overwritten: give all up.
			 */
			m->n = 0;
			return -ENOSPC;
		}
	}
	return full ? -ENOSPC : 0;
}
