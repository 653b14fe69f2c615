/* SPDX-License-Identifier: MIT */
/*
 * The firmware configuration device: QEMU's docs/specs/fw_cfg.rst; the ACPI tables that its loader
 * script installs: ACPI 6.4 chapter 5. Bochs has none: there all is skipped bare.
 */
#include "guest.h"

#define SELECTOR 0x510
#define DATA	 0x511
#define DMA_HIGH 0x514
#define DMA_LOW	 0x518

enum key {
	KEY_SIGNATURE = 0x00,
	KEY_ID = 0x01,
	KEY_RAM_SIZE = 0x03,
	KEY_NB_CPUS = 0x05,
	KEY_KERNEL_SIZE = 0x08,
	KEY_NUMA = 0x0d,
	KEY_BOOT_MENU = 0x0e,
	KEY_MAX_CPUS = 0x0f,
	KEY_DIRECTORY = 0x19,
	KEY_NONE = 0x3abc,
};

enum control {
	DMA_ERROR = 1,
	DMA_READ = 2,
	DMA_SKIP = 4,
	DMA_SELECT = 8,
	DMA_WRITE = 16,
};

struct file {
	u32 size;
	u16 select, reserved;
	char name[56];
};

#define FILES_MAX 64
static struct {
	u32 count;
	struct file file[FILES_MAX];
} directory;

static struct {
	u32 control, length;
	u64 address;
} access __attribute__((aligned(16)));
static u8 buffer[256];

static void select_key(u16 key)
{
	outw(SELECTOR, key);
}

static void read_data(void *to, u32 n)
{
	u8 *p = to;

	while (n--)
		*p++ = inb(DATA);
}

static u64 value(u16 key, u32 size)
{
	u64 v = 0;

	select_key(key);
	read_data(&v, size);
	return v;
}

static bool same(const void *a, const void *b, u32 n)
{
	const u8 *x = a, *y = b;

	while (n && *x == *y)
		x++, y++, n--;
	return n == 0;
}

static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static int before(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a < *b;
}

/* The device's answer in the control field. */
static u32 dma(u32 control, u32 length, u64 address)
{
	access.control = __builtin_bswap32(control);
	access.length = __builtin_bswap32(length);
	access.address = __builtin_bswap64(address);
	__asm__ volatile("" ::: "memory");
	outl(DMA_HIGH, __builtin_bswap32((u32)((u64)&access >> 32)));
	outl(DMA_LOW, __builtin_bswap32((u32)(u64)&access));
	__asm__ volatile("" ::: "memory");
	return __builtin_bswap32(access.control);
}

static void registers(void)
{
	u8 four[4];

	select_key(KEY_SIGNATURE);
	read_data(four, 4);
	ok(same(four, "QEMU", 4), "signature");
	is(value(KEY_ID, 4), 3, "features: both interfaces");
	select_key(KEY_SIGNATURE);
	__asm__ volatile("rep insb" : : "D"(four), "c"(4), "d"(DATA) : "memory");
	ok(same(four, "QEMU", 4), "signature by REP INSB");
	is(inb(DATA), 0, "beyond the end: 0");
	select_key(KEY_SIGNATURE);
	(void)inb(DATA);
	select_key(KEY_SIGNATURE);
	is(inb(DATA), 'Q', "a selection begins anew");
	outb(DATA, 'x');
	select_key(KEY_SIGNATURE);
	outb(DATA, 'x');
	read_data(four, 4);
	ok(same(four, "QEMU", 4), "data cannot be written");
	is(value(KEY_NONE, 4), 0, "an absent item is zeros");
	is(value(0xffff, 4), 0, "the key FFFF is none");
	is(inl(DMA_HIGH), 0x554d4551, "DMA address reads \"QEMU\"");
	is(inl(DMA_LOW), 0x47464320, "DMA address reads \" CFG\"");
}

static void items(void)
{
	u64 ram = value(KEY_RAM_SIZE, 8);

	ok(ram >= 0x1000000 && ram % 0x100000 == 0, "RAM size: whole MiB");
	is(value(KEY_NB_CPUS, 2), 1, "one processor");
	is(value(KEY_MAX_CPUS, 2), 1, "one APIC id at most");
	is(value(KEY_NUMA, 8), 0, "no NUMA nodes");
	is(value(KEY_BOOT_MENU, 2), 0, "no boot menu");
	/* Bare, QEMU has loaded this program by it. */
	inside_only(value(KEY_KERNEL_SIZE, 4) == 0, "no kernel");
}

static void transfers(void)
{
	static const u8 zeros[8];
	u64 hole = 0xd0000000;

	is(dma(KEY_SIGNATURE << 16 | DMA_SELECT | DMA_READ, 4, (u64)buffer), 0, "DMA: read");
	ok(same(buffer, "QEMU", 4), "DMA: what was read");
	buffer[8] = 0x5a;
	is(dma(KEY_SIGNATURE << 16 | DMA_SELECT | DMA_SKIP, 2, 0), 0, "DMA: skip");
	is(dma(DMA_READ, 8, (u64)buffer), 0, "DMA: read on");
	ok(same(buffer, "MU", 2) && same(buffer + 2, zeros, 6), "DMA: zeros beyond the end");
	is(buffer[8], 0x5a, "DMA: no more than asked for");
	is(dma(KEY_SIGNATURE << 16 | DMA_SELECT, 4, 0), 0, "DMA: select alone");
	is(inb(DATA), 'Q', "DMA: select is the register's");
	is(dma(KEY_SIGNATURE << 16 | DMA_SELECT | DMA_WRITE, 4, (u64)buffer), DMA_ERROR,
	   "DMA: a write is refused");
	is(value(KEY_SIGNATURE, 1), 'Q', "DMA: nothing was written");
	/* QEMU writes to where there is nothing without an error. */
	inside_only(dma(KEY_SIGNATURE << 16 | DMA_SELECT | DMA_READ, 4, hole) == DMA_ERROR,
		    "DMA: not to where there is no memory");
	inside_only(dma(KEY_SIGNATURE << 16 | DMA_SELECT | DMA_READ, 4, LAPIC_PAGE + LAPIC_TPR) ==
			    DMA_ERROR,
		    "DMA: not to a device");
}

static const struct file *find(const char *name)
{
	for (u32 i = 0; i < directory.count; i++)
		if (same_name(directory.file[i].name, name))
			return &directory.file[i];
	return NULL;
}

static u32 file_size(const char *name)
{
	const struct file *f = find(name);

	return f ? __builtin_bswap32(f->size) : 0;
}

static void read_file(const char *name, void *to)
{
	const struct file *f = find(name);

	if (f)
		dma((u32)__builtin_bswap16(f->select) << 16 | DMA_SELECT | DMA_READ,
		    __builtin_bswap32(f->size), (u64)to);
}

static void files(void)
{
	static const char *const names[] = { "etc/acpi/rsdp", "etc/acpi/tables", "etc/table-loader",
					     "etc/e820", "etc/system-states" };
	bool sorted = true;
	u8 states[6];

	select_key(KEY_DIRECTORY);
	read_data(&directory, 4);
	directory.count = __builtin_bswap32(directory.count);
	ok(directory.count >= 5 && directory.count <= FILES_MAX, "directory: a number of entries");
	if (directory.count > FILES_MAX)
		directory.count = FILES_MAX;
	read_data(directory.file, directory.count * (u32)sizeof(struct file));
	for (u32 i = 0; i < directory.count; i++) {
		const struct file *f = &directory.file[i];

		if (i && !before(f[-1].name, f->name))
			sorted = false;
		if (__builtin_bswap16(f->select) < 0x20 || f->reserved || f->name[55])
			sorted = false;
	}
	ok(sorted, "directory: sorted by name, keys from 20 on");
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		ok(file_size(names[i]) > 0, "there is %s", names[i]);
	is(file_size("etc/system-states"), sizeof(states), "etc/system-states: six bytes");
	read_file("etc/system-states", states);
	ok(states[5] & 0x80, "S5 is supported");
}

static void memory_map(void)
{
	static struct {
		u64 start, len;
		u32 type;
	} __packed e820[12];
	u32 n = file_size("etc/e820") / (u32)sizeof(e820[0]);
	u64 ram = 0;

	is(file_size("etc/e820") % sizeof(e820[0]), 0, "etc/e820: whole entries");
	if (n > ARRAY_SIZE(e820)) {
		ok(false, "etc/e820: few entries");
		return;
	}
	read_file("etc/e820", e820);
	for (u32 i = 0; i < n; i++)
		if (e820[i].type == 1)
			ram += e820[i].len;
	is(ram, value(KEY_RAM_SIZE, 8), "etc/e820: all RAM");
}

/* --- the loader script ------------------------------------------------------------------------- */

#define SCRIPT_MAX 0x4000U
#define TABLES_MAX 0x40000U
#define ENTRY	   128U
#define SOURCES	   4U

static u8 script[SCRIPT_MAX];
static u8 memory[TABLES_MAX] __attribute__((aligned(4096)));
static struct {
	const char *name;
	u8 *at;
	u32 size;
} loaded[SOURCES];
static u32 loadeds, used;

static u32 get32(const u8 *p)
{
	return *(const u32 *)p;
}

static u8 *place(const char *name, u32 *size)
{
	for (u32 i = 0; i < loadeds; i++) {
		if (same_name(loaded[i].name, name)) {
			*size = loaded[i].size;
			return loaded[i].at;
		}
	}
	return NULL;
}

static u8 sum(const u8 *p, u32 n)
{
	u8 s = 0;

	while (n--)
		s = (u8)(s + *p++);
	return s;
}

static bool allocate(const u8 *e)
{
	const char *name = (const char *)e + 4;
	u32 align = get32(e + 60), size = file_size(name);

	if (!size || loadeds == SOURCES || !align)
		return false;
	used = (used + align - 1) / align * align;
	if (used + size > TABLES_MAX)
		return false;
	read_file(name, memory + used);
	loaded[loadeds].name = name;
	loaded[loadeds].at = memory + used;
	loaded[loadeds++].size = size;
	used += size;
	return true;
}

static bool add_pointer(const u8 *e)
{
	u32 offset = get32(e + 116), size = e[120], to_size, from_size;
	u8 *to = place((const char *)e + 4, &to_size);
	u8 *from = place((const char *)e + 60, &from_size);

	if (!to || !from || offset + size > to_size)
		return false;
	if (size == 4)
		*(u32 *)(to + offset) += (u32)(u64)from;
	else if (size == 8)
		*(u64 *)(to + offset) += (u64)from;
	else
		return false;
	return true;
}

static bool add_checksum(const u8 *e)
{
	u32 offset = get32(e + 60), start = get32(e + 64), length = get32(e + 68), size;
	u8 *at = place((const char *)e + 4, &size);

	if (!at || offset >= size || start + length > size)
		return false;
	at[offset] = (u8)(at[offset] - sum(at + start, length));
	return true;
}

static bool run_script(u32 size)
{
	for (u32 i = 0; i < size; i += ENTRY) {
		const u8 *e = script + i;
		bool good = true;

		if (get32(e) == 1)
			good = allocate(e);
		else if (get32(e) == 2)
			good = add_pointer(e);
		else if (get32(e) == 3)
			good = add_checksum(e);
		if (!good) {
			print("# entry %u, command %u\n", i / ENTRY, get32(e));
			return false;
		}
	}
	return true;
}

static bool good_table(u32 at, const char *signature)
{
	const u8 *t = (const u8 *)(u64)at;

	return at >= (u64)memory && at < (u64)memory + TABLES_MAX && same(t, signature, 4) &&
	       sum(t, get32(t + 4)) == 0;
}

static void tables(void)
{
	u32 size = file_size("etc/table-loader"), rsdp_size = 0, n;
	const u8 *rsdp, *fadt = NULL;
	bool madt = false;
	u32 rsdt;
	u16 pm = pm_base();

	ok(size && size <= SCRIPT_MAX && size % ENTRY == 0, "loader script: whole entries");
	if (size > SCRIPT_MAX)
		return;
	read_file("etc/table-loader", script);
	ok(run_script(size), "loader script: runs");
	rsdp = place("etc/acpi/rsdp", &rsdp_size);
	if (!rsdp) {
		ok(false, "loader script: RSDP");
		return;
	}
	ok(same(rsdp, "RSD PTR ", 8) && sum(rsdp, 20) == 0, "loader script: RSDP");
	rsdt = get32(rsdp + 16);
	ok(good_table(rsdt, "RSDT"), "loader script: RSDT");
	if (!good_table(rsdt, "RSDT"))
		return;
	n = (get32((const u8 *)(u64)rsdt + 4) - 36) / 4;
	for (u32 i = 0; i < n; i++) {
		u32 at = get32((const u8 *)(u64)(rsdt + 36 + i * 4));

		if (good_table(at, "FACP"))
			fadt = (const u8 *)(u64)at;
		madt |= good_table(at, "APIC");
	}
	ok(madt, "loader script: MADT");
	ok(fadt != NULL, "loader script: FADT");
	if (!fadt)
		return;
	ok(good_table(get32(fadt + 40), "DSDT"), "loader script: DSDT");
	ok(same((const u8 *)(u64)get32(fadt + 36), "FACS", 4), "loader script: FACS");
	is(get32(fadt + 56), pm, "FADT: power management is where the PCI register says");
	/* Firmware may move it; the tables then follow. */
	if (under_plinth) {
		outl(0xcf8, 0x80000b40);
		outl(0xcfc, 0xb001);
		loadeds = used = 0;
		ok(run_script(size) && get32(fadt + 56) == 0xb000, "FADT: follows it");
		outl(0xcf8, 0x80000b40);
		outl(0xcfc, pm | 1U);
	} else {
		skip("FADT: follows it", "not tried bare");
	}
}

void guest_main(void)
{
	u8 four[4];

	select_key(KEY_SIGNATURE);
	read_data(four, 4);
	if (!under_plinth && !same(four, "QEMU", 4)) {
		skip("signature", "this machine has no fw_cfg");
		return;
	}
	registers();
	items();
	transfers();
	files();
	memory_map();
	tables();
}
