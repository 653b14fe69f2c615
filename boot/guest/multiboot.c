/* SPDX-License-Identifier: MIT */
/*
 * Multiboot1 kernels as guests: Multiboot Specification 0.6.96, chapter 3; ELF by the System V ABI
 * (gABI 4.1, chapter 5), or the addresses of the header (a.out kludge). The further modules are
 * copied behind the kernel, and the information structure with its strings behind them.
 */
#include "errors.h"
#include "guest_modules.h"
#include "lib.h"
#include "vm.h"

#define HEADER_SEARCH	8192U /* 3.1: the header lies wholly within these bytes */
#define HEADER_MAGIC	0x1badb002U
#define FLAG_REQUIRED	0x0000ffffU
#define FLAG_KNOWN	0x00000007U /* page-aligned modules, memory sizes, video (ignored) */
#define FLAG_ADDRESSES	BIT(16)
#define LOW_END		UINT64_C(0x100000)
#define SEGMENTS_MAX	32U
#define MMAP_SIZE_FIELD sizeof(u32) /* the size of an entry does not count itself */

struct mb_header {
	u32 magic, flags, checksum;
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
#define MB_HEADER_SHORT offsetof(struct mb_header, header_addr)

/* 3.3, up to the VBE fields. */
struct mb_info {
	u32 flags;
	u32 mem_lower, mem_upper; /* KiB */
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
	u32 drives_length, drives_addr;
	u32 config_table;
	u32 boot_loader_name;
	u32 apm_table;
	u32 vbe_control_info, vbe_mode_info;
	u16 vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
};
_Static_assert(offsetof(struct mb_info, mmap_length) == 44, "Multiboot 3.3");
_Static_assert(offsetof(struct mb_info, boot_loader_name) == 64, "Multiboot 3.3");
_Static_assert(sizeof(struct mb_info) == 88, "Multiboot 3.3");

enum mb_info_flags {
	INFO_MEMORY = BIT(0),
	INFO_CMDLINE = BIT(2),
	INFO_MODS = BIT(3),
	INFO_MMAP = BIT(6),
	INFO_LOADER_NAME = BIT(9),
};

struct mb_module {
	u32 start, end, string, reserved;
};

struct mb_mmap {
	u32 size;
	struct e820_entry e;
} __packed;
_Static_assert(sizeof(struct mb_mmap) == 24, "Multiboot 3.3");

struct elf_ident {
	u8 magic[4];
	u8 class, data, version, abi[9];
};

struct elf32_header {
	struct elf_ident ident;
	u16 type, machine;
	u32 version, entry, phoff, shoff, flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_header {
	struct elf_ident ident;
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf32_segment {
	u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct elf64_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf32_header) == 52 && sizeof(struct elf64_header) == 64 &&
		       sizeof(struct elf32_segment) == 32 && sizeof(struct elf64_segment) == 56,
	       "System V ABI chapter 5");

enum elf_value {
	ELF_CLASS32 = 1,
	ELF_CLASS64 = 2,
	ELF_LITTLE_ENDIAN = 1,
	ELF_EXEC = 2,
	ELF_386 = 3,
	ELF_X86_64 = 62,
	ELF_LOAD = 1,
};

/* The kernel's file. */
struct file {
	const u8 *p;
	u64 len;
};

struct segment_plan {
	u64 offset, filesz; /* inside the file, checked */
	u64 vaddr;
	u64 paddr, memsz; /* below 4 GiB, filesz <= memsz, checked */
};

struct plan {
	struct segment_plan seg[SEGMENTS_MAX];
	unsigned int n;
	u64 entry;
	u64 low, high; /* hull of what lies above 1 MiB; low == high: nothing does */
};

static bool file_read(const struct file *f, u64 offset, void *dst, u64 n)
{
	if (offset > f->len || n > f->len - offset)
		return false;
	memcpy(dst, f->p + offset, n);
	return true;
}

/* --- the header ------------------------------------------------------------------------------- */

/* The first valid header. Fields past its end, which only FLAG_ADDRESSES makes valid, read as 0. */
static bool find_header(const struct file *f, struct mb_header *h, u64 *where)
{
	u64 end = min_u64(f->len, HEADER_SEARCH);

	for (u64 at = 0; at + MB_HEADER_SHORT <= end; at += sizeof(u32)) {
		u64 len = min_u64(sizeof(*h), end - at);

		memset(h, 0, sizeof(*h));
		memcpy(h, f->p + at, MB_HEADER_SHORT);
		if (h->magic != HEADER_MAGIC || h->magic + h->flags + h->checksum != 0)
			continue;
		if ((h->flags & FLAG_ADDRESSES) && len < sizeof(*h))
			continue;
		memcpy(h, f->p + at, len);
		*where = at;
		return true;
	}
	return false;
}

/* --- what to load ----------------------------------------------------------------------------- */

static int add_segment(struct plan *p, const struct file *f, const struct segment_plan *s,
		       const char **why)
{
	if (s->memsz == 0)
		return 0;
	if (s->filesz > s->memsz) {
		*why = "a segment of the kernel is larger in the file than in memory";
		return -EINVAL;
	}
	if (s->offset > f->len || s->filesz > f->len - s->offset) {
		*why = guest_why("the kernel is truncated: a segment ends beyond its %llu bytes",
				 (unsigned long long)f->len);
		return -EINVAL;
	}
	if (s->paddr >= GIB(4) || s->memsz > GIB(4) - s->paddr) {
		*why = "a segment of the kernel lies above 4 GiB";
		return -EINVAL;
	}
	if (p->n == SEGMENTS_MAX) {
		*why = guest_why("the kernel has more than %u segments", SEGMENTS_MAX);
		return -EINVAL;
	}
	p->seg[p->n++] = *s;
	if (s->paddr + s->memsz > LOW_END) {
		u64 low = max_u64(s->paddr, LOW_END);

		p->low = p->high ? min_u64(p->low, low) : low;
		p->high = max_u64(p->high, s->paddr + s->memsz);
	}
	return 0;
}

static int plan_addresses(struct plan *p, const struct file *f, const struct mb_header *h,
			  u64 where, const char **why)
{
	struct segment_plan s = { .vaddr = h->load_addr, .paddr = h->load_addr };
	u64 end;

	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > where) {
		*why = "the Multiboot header's load address does not lie in the file";
		return -EINVAL;
	}
	s.offset = where - (h->header_addr - h->load_addr);
	end = h->load_end_addr ? h->load_end_addr : s.paddr + (f->len - s.offset);
	if (end < s.paddr || (h->bss_end_addr && h->bss_end_addr < end)) {
		*why = "the addresses in the Multiboot header are out of order";
		return -EINVAL;
	}
	s.filesz = end - s.paddr;
	s.memsz = (h->bss_end_addr ? h->bss_end_addr : end) - s.paddr;
	p->entry = h->entry_addr;
	return add_segment(p, f, &s, why);
}

static bool read_segment(const struct file *f, bool wide, u64 offset, u32 *type,
			 struct segment_plan *s)
{
	struct elf32_segment p32;
	struct elf64_segment p64;

	if (wide) {
		if (!file_read(f, offset, &p64, sizeof(p64)))
			return false;
		*type = p64.type;
		*s = (struct segment_plan){ p64.offset, p64.filesz, p64.vaddr, p64.paddr,
					    p64.memsz };
		return true;
	}
	if (!file_read(f, offset, &p32, sizeof(p32)))
		return false;
	*type = p32.type;
	*s = (struct segment_plan){ p32.offset, p32.filesz, p32.vaddr, p32.paddr, p32.memsz };
	return true;
}

static int plan_segments(struct plan *p, const struct file *f, bool wide, u64 phoff, u16 phentsize,
			 u16 phnum, const char **why)
{
	if (phentsize < (wide ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment))) {
		*why = "the ELF kernel's program headers are too small";
		return -EINVAL;
	}
	for (unsigned int i = 0; i < phnum; i++) {
		struct segment_plan s;
		u64 offset;
		u32 type;
		int err;

		if (__builtin_add_overflow(phoff, (u64)i * phentsize, &offset) ||
		    !read_segment(f, wide, offset, &type, &s)) {
			*why = "the ELF kernel is truncated: a program header lies beyond its end";
			return -EINVAL;
		}
		err = type == ELF_LOAD ? add_segment(p, f, &s, why) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int plan_elf(struct plan *p, const struct file *f, const char **why)
{
	struct elf32_header h32;
	struct elf64_header h64;
	bool wide;

	if (!file_read(f, 0, &h32, sizeof(h32)) || memcmp(h32.ident.magic, "\177ELF", 4) != 0) {
		*why = "the Multiboot header gives no addresses and the file is not ELF";
		return -EINVAL;
	}
	wide = h32.ident.class == ELF_CLASS64;
	if ((!wide && h32.ident.class != ELF_CLASS32) || h32.ident.data != ELF_LITTLE_ENDIAN ||
	    h32.type != ELF_EXEC || (h32.machine != ELF_386 && h32.machine != ELF_X86_64)) {
		*why = "the ELF kernel is not an executable for x86";
		return -EINVAL;
	}
	if (!wide) {
		p->entry = h32.entry;
		return plan_segments(p, f, wide, h32.phoff, h32.phentsize, h32.phnum, why);
	}
	if (!file_read(f, 0, &h64, sizeof(h64))) {
		*why = "the ELF kernel is truncated: its header is not complete";
		return -EINVAL;
	}
	p->entry = h64.entry;
	return plan_segments(p, f, wide, h64.phoff, h64.phentsize, h64.phnum, why);
}

/*
 * The entry point is a physical address by the specification; many linkers write a virtual one
 * there, so an address inside a segment's virtual range is taken for that first, as GRUB does.
 */
static int resolve_entry(struct plan *p, const char **why)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const struct segment_plan *s = &p->seg[i];

		if (p->entry >= s->vaddr && p->entry - s->vaddr < s->memsz) {
			p->entry = p->entry - s->vaddr + s->paddr;
			return 0;
		}
	}
	for (unsigned int i = 0; i < p->n; i++) {
		const struct segment_plan *s = &p->seg[i];

		if (p->entry >= s->paddr && p->entry - s->paddr < s->memsz)
			return 0;
	}
	*why = guest_why("the kernel's entry point 0x%llx lies in none of its segments",
			 (unsigned long long)p->entry);
	return -EINVAL;
}

static int make_plan(const struct boot_module *m, unsigned int n, struct plan *p, const char **why)
{
	struct mb_header h;
	struct file f;
	u64 where;
	int err;

	if (n == 0 || m->bad || m->len == 0)
		return -ENOEXEC;
	f.p = phys_to_virt(m->start);
	f.len = m->len;
	memset(p, 0, sizeof(*p));
	if (!find_header(&f, &h, &where))
		return -ENOEXEC;
	if (h.flags & FLAG_REQUIRED & ~FLAG_KNOWN) {
		*why = guest_why(
			"the Multiboot kernel requires features that are unknown (flags 0x%x)",
			h.flags & FLAG_REQUIRED & ~FLAG_KNOWN);
		return -EINVAL;
	}
	err = h.flags & FLAG_ADDRESSES ? plan_addresses(p, &f, &h, where, why)
				       : plan_elf(p, &f, why);
	if (!err && p->n == 0) {
		*why = "the Multiboot kernel has nothing to load";
		err = -EINVAL;
	}
	return err ? err : resolve_entry(p, why);
}

static int load_segments(struct vm *vm, const struct file *f, const struct plan *p,
			 const char **why)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const struct segment_plan *s = &p->seg[i];
		int err;

		if (!guest_ram_covers(vm, s->paddr, s->memsz)) {
			*why = guest_why("the kernel's segment 0x%llx-0x%llx is not in guest RAM",
					 (unsigned long long)s->paddr,
					 (unsigned long long)(s->paddr + s->memsz - 1));
			return -ENOSPC;
		}
		err = gpmap_write(&vm->gpmap, s->paddr, f->p + s->offset, s->filesz);
		if (!err)
			err = gpmap_fill(&vm->gpmap, s->paddr + s->filesz, 0, s->memsz - s->filesz);
		if (err) {
			*why = "guest RAM has a hole where the kernel goes";
			return err;
		}
	}
	return 0;
}

/* --- modules and information ------------------------------------------------------------------ */

/* Writes one thing after another into a block of guest RAM whose size was computed before. */
struct writer {
	struct vm *vm;
	gpa_t at;
	int err;
};

static u32 put(struct writer *w, const void *p, u64 n)
{
	gpa_t at = w->at;

	if (!w->err)
		w->err = gpmap_write(&w->vm->gpmap, at, p, n);
	w->at += n;
	return (u32)at; /* below 4 GiB: place_block() */
}

/*
 * Kernels tell by the loader's name what its strings look like: GRUB 2 leaves the file name out, others
 * put it in front. The strings are passed on as they came, so it is that loader's name that is true.
 */
static const char *loader_name(const struct vm *vm)
{
	return vm->loader ? vm->loader : "Plinth";
}

/* The string as the boot loader had it: the file name that was taken off comes back in front. */
static u64 string_size(const struct boot_module *m)
{
	u64 name = strnlen(m->name, sizeof(m->name) - 1);
	u64 args = strnlen(m->args, sizeof(m->args) - 1);

	return name + (name && args) + args + 1;
}

static u32 put_string(struct writer *w, const struct boot_module *m)
{
	u64 name = strnlen(m->name, sizeof(m->name) - 1);
	u64 args = strnlen(m->args, sizeof(m->args) - 1);
	u32 at = put(w, m->name, name);

	if (name && args)
		put(w, " ", 1);
	put(w, m->args, args);
	put(w, "", 1);
	return at;
}

static u64 info_size(const struct vm *vm, const struct boot_module *m, unsigned int n)
{
	u64 size = sizeof(struct mb_info) + GUEST_GDT_BYTES +
		   GUEST_E820_MAX * sizeof(struct mb_mmap) + n * sizeof(struct mb_module) +
		   strlen(loader_name(vm)) + 1;

	for (unsigned int i = 0; i < n; i++)
		size += string_size(&m[i]);
	return size;
}

/* Page-aligned, behind the kernel or else before it, in RAM below 4 GiB. */
static int place_block(const struct vm *vm, const struct plan *p, u64 size, gpa_t *at,
		       const char **why)
{
	gpa_t behind = p->high ? ALIGN_UP(p->high, PAGE_SIZE) : LOW_END;

	if (guest_ram_covers(vm, behind, size)) {
		*at = behind;
		return 0;
	}
	if (p->high && p->low - LOW_END >= size) {
		*at = LOW_END;
		return 0;
	}
	*why = guest_why("the modules (%llu MiB) do not fit beside the kernel",
			 (unsigned long long)((size + MIB(1) - 1) / MIB(1)));
	return -ENOSPC;
}

static void put_mmap(struct writer *w, struct mb_info *info)
{
	struct e820_entry map[GUEST_E820_MAX];
	unsigned int n = guest_e820(w->vm, map);

	info->mmap_addr = (u32)w->at;
	info->mmap_length = (u32)(n * sizeof(struct mb_mmap));
	for (unsigned int i = 0; i < n; i++) {
		const struct mb_mmap e = { sizeof(e) - MMAP_SIZE_FIELD, map[i] };

		put(w, &e, sizeof(e));
	}
}

/* info, GDT, memory map, module list, strings; first is where the first module was copied to. */
static int put_info(struct vm *vm, const struct boot_module *m, unsigned int n, gpa_t at,
		    gpa_t first)
{
	struct mb_info info = { .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP |
					 INFO_LOADER_NAME,
				.mem_lower = (u32)(GUEST_EBDA / KIB(1)),
				.mem_upper = (u32)((vm->ram_below_4g - LOW_END) / KIB(1)),
				.mods_count = n - 1 };
	struct writer w = { .vm = vm, .at = at + sizeof(info) + GUEST_GDT_BYTES };
	struct writer list;

	put_mmap(&w, &info);
	info.mods_addr = (u32)w.at;
	list = w;
	w.at += (n - 1) * sizeof(struct mb_module);
	for (unsigned int i = 1; i < n; i++) {
		const struct mb_module e = { .start = (u32)first,
					     .end = (u32)(first + m[i].len),
					     .string = put_string(&w, &m[i]) };

		put(&list, &e, sizeof(e));
		first = ALIGN_UP(first + m[i].len, PAGE_SIZE);
	}
	info.cmdline = put_string(&w, &m[0]);
	info.boot_loader_name = put(&w, loader_name(vm), strlen(loader_name(vm)) + 1);
	w.at = at;
	put(&w, &info, sizeof(info));
	return w.err ? w.err : list.err;
}

/* *info: where the information structure lies; the GDT follows it. */
static int load_modules(struct vm *vm, const struct plan *p, const struct boot_module *m,
			unsigned int n, gpa_t *info, const char **why)
{
	u64 size = info_size(vm, m, n);
	gpa_t first, at;
	int err;

	for (unsigned int i = 1; i < n; i++) {
		if (m[i].bad || m[i].len > GIB(4)) {
			*why = guest_why("module %u is damaged", i);
			return -EINVAL;
		}
		size += ALIGN_UP(m[i].len, PAGE_SIZE);
	}
	err = place_block(vm, p, size, &first, why);
	if (err)
		return err;
	at = first;
	for (unsigned int i = 1; i < n && !err; i++) {
		err = gpmap_write(&vm->gpmap, at, phys_to_virt(m[i].start), m[i].len);
		at = ALIGN_UP(at + m[i].len, PAGE_SIZE);
	}
	*info = at;
	if (!err)
		err = put_info(vm, m, n, at, first);
	if (err)
		*why = "guest RAM has a hole where the modules go";
	return err;
}

/* --- the kind --------------------------------------------------------------------------------- */

static int multiboot_probe(const struct boot_module *m, unsigned int n, const char **why)
{
	struct plan p;

	return make_plan(m, n, &p, why);
}

static int multiboot_load(struct vm *vm, const struct boot_module *m, unsigned int n,
			  const char **why)
{
	struct plan p;
	struct file f;
	gpa_t info, rsdp;
	int err = make_plan(m, n, &p, why);

	if (err)
		return err;
	f.p = phys_to_virt(m->start);
	f.len = m->len;
	/* Before the kernel, which may own the BIOS data area. */
	err = guest_write_tables(vm, &rsdp);
	if (err) {
		*why = "the guest has no ROM area for its tables";
		return err;
	}
	err = load_segments(vm, &f, &p, why);
	if (!err)
		err = load_modules(vm, &p, m, n, &info, why);
	if (err)
		return err;
	err = guest_enter_protected(vm, info + sizeof(struct mb_info), p.entry);
	if (err) {
		*why = "guest RAM has a hole where the GDT goes";
		return err;
	}
	vcpu_set_gpr(vm->vcpu[0], GPR_RAX, MULTIBOOT_BOOTLOADER_MAGIC);
	vcpu_set_gpr(vm->vcpu[0], GPR_RBX, info);
	guest_firmware_state(vm);
	return 0;
}

const struct guest_kind guest_multiboot = {
	.name = "Multiboot kernel",
	.probe = multiboot_probe,
	.load = multiboot_load,
};
