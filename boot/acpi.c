/* SPDX-License-Identifier: MIT */
/*
 * The real machine's ACPI tables: ACPI Specification 6.5, 5.2 (tables) and 20.2 (the AML of \_S5).
 * Everything is read through a mapping callback, bounded by the table's own length, after its
 * checksum was found right.
 */
#include "acpi.h"
#include "errors.h"
#include "lib.h"

/* 5.2.5.1: where the RSDP is on PCs, on 16-byte boundaries. */
#define EBDA_SCAN	KIB(1)
#define BIOS_SCAN_START UINT64_C(0xe0000)
#define BIOS_SCAN_END	UINT64_C(0x100000)
#define RSDP_ALIGN	16U
#define LOW_END		MIB(1)

/* Bounds on what is believed. */
#define REGION_SCAN_MAX MIB(64)
#define TABLE_MAX	MIB(16)
#define RSDP_LEN_MAX	4096U
#define PHYS_END	(UINT64_C(1) << 52)

/* 5.2.5.3 */
struct rsdp {
	char signature[8];
	u8 checksum; /* of the first 20 bytes */
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length; /* from here on: revision 2 */
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __packed;
#define RSDP_V1_SIZE offsetof(struct rsdp, length)
_Static_assert(RSDP_V1_SIZE == 20 && sizeof(struct rsdp) == 36, "ACPI 6.5 5.2.5.3");

#define RSDP_REVISION_2 2

/* 5.2.6 */
struct header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	u32 creator_id;
	u32 creator_revision;
} __packed;
_Static_assert(sizeof(struct header) == 36, "ACPI 6.5 5.2.6");

/* 5.2.3.2 */
struct gas {
	u8 space;
	u8 bit_width;
	u8 bit_offset;
	u8 access;
	u64 address;
} __packed;
_Static_assert(sizeof(struct gas) == 12, "ACPI 6.5 5.2.3.2");

/* 5.2.9; fields beyond the table's length read as 0. */
struct fadt {
	struct header header;
	u32 firmware_ctrl;
	u32 dsdt;
	u8 reserved0;
	u8 pm_profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable;
	u8 acpi_disable;
	u8 s4bios_req;
	u8 pstate_cnt;
	u32 pm1a_evt_blk;
	u32 pm1b_evt_blk;
	u32 pm1a_cnt_blk;
	u32 pm1b_cnt_blk;
	u32 pm2_cnt_blk;
	u32 pm_tmr_blk;
	u32 gpe0_blk;
	u32 gpe1_blk;
	u8 pm1_evt_len;
	u8 pm1_cnt_len;
	u8 pm2_cnt_len;
	u8 pm_tmr_len;
	u8 gpe0_blk_len;
	u8 gpe1_blk_len;
	u8 gpe1_base;
	u8 cst_cnt;
	u16 p_lvl2_lat;
	u16 p_lvl3_lat;
	u16 flush_size;
	u16 flush_stride;
	u8 duty_offset;
	u8 duty_width;
	u8 day_alarm;
	u8 month_alarm;
	u8 century;
	u16 boot_arch;
	u8 reserved1;
	u32 flags;
	struct gas reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor_version;
	u64 x_firmware_ctrl;
	u64 x_dsdt;
	struct gas x_pm1a_evt_blk;
	struct gas x_pm1b_evt_blk;
	struct gas x_pm1a_cnt_blk;
	struct gas x_pm1b_cnt_blk;
	struct gas x_pm2_cnt_blk;
	struct gas x_pm_tmr_blk;
	struct gas x_gpe0_blk;
	struct gas x_gpe1_blk;
	struct gas sleep_control;
	struct gas sleep_status;
} __packed;
_Static_assert(offsetof(struct fadt, pm1a_evt_blk) == 56, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, pm1_evt_len) == 88, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, century) == 108, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, flags) == 112, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_pm_tmr_blk) == 208, "ACPI 6.5 table 5.9");
_Static_assert(sizeof(struct fadt) == 268, "ACPI 6.5 table 5.9, without the hypervisor id");

#define FADT_MIN_LEN		116U /* ACPI 1.0 */
#define FADT_BOOT_ARCH_REVISION 3    /* earlier, the bytes are reserved */
#define FADT_RESET_END		(offsetof(struct fadt, reset_value) + 1)

/* 5.2.12 */
struct madt {
	struct header header;
	u32 lapic_address;
	u32 flags;
} __packed;
_Static_assert(sizeof(struct madt) == 44, "ACPI 6.5 5.2.12");

#define MADT_PCAT_COMPAT BIT(0)

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

struct madt_entry {
	u8 type;
	u8 length;
} __packed;

struct madt_lapic {
	struct madt_entry entry;
	u8 uid;
	u8 apic_id;
	u32 flags;
} __packed;
_Static_assert(sizeof(struct madt_lapic) == 8, "ACPI 6.5 5.2.12.2");

struct madt_ioapic {
	struct madt_entry entry;
	u8 id;
	u8 reserved;
	u32 address;
	u32 gsi_base;
} __packed;
_Static_assert(sizeof(struct madt_ioapic) == 12, "ACPI 6.5 5.2.12.3");

struct madt_override {
	struct madt_entry entry;
	u8 bus; /* 0 = ISA */
	u8 source;
	u32 gsi;
	u16 flags;
} __packed;
_Static_assert(sizeof(struct madt_override) == 10, "ACPI 6.5 5.2.12.5");

struct madt_lapic_nmi {
	struct madt_entry entry;
	u8 uid;
	u16 flags;
	u8 lint;
} __packed;
_Static_assert(sizeof(struct madt_lapic_nmi) == 6, "ACPI 6.5 5.2.12.7");

struct madt_lapic_address {
	struct madt_entry entry;
	u16 reserved;
	u64 address;
} __packed;
_Static_assert(sizeof(struct madt_lapic_address) == 12, "ACPI 6.5 5.2.12.8");

struct madt_x2apic {
	struct madt_entry entry;
	u16 reserved;
	u32 apic_id;
	u32 flags;
	u32 uid;
} __packed;
_Static_assert(sizeof(struct madt_x2apic) == 16, "ACPI 6.5 5.2.12.12");

struct madt_x2apic_nmi {
	struct madt_entry entry;
	u16 flags;
	u32 uid;
	u8 lint;
	u8 reserved[3];
} __packed;
_Static_assert(sizeof(struct madt_x2apic_nmi) == 12, "ACPI 6.5 5.2.12.13");

#define MADT_CPU_ENABLED	BIT(0)
#define MADT_CPU_ONLINE_CAPABLE BIT(1)
#define MADT_BUS_ISA		0
#define MADT_UID8_ALL		0xffU
#define MADT_APIC_ID_NONE	0xffU /* broadcast: no processor has it */
#define ISA_IRQS		16

static u8 sum(const u8 *p, u64 len)
{
	u8 s = 0;

	for (u64 i = 0; i < len; i++)
		s = (u8)(s + p[i]);
	return s;
}

static const u8 *map_range(acpi_map_fn map, hpa_t pa, u64 len)
{
	if (pa == 0 || pa >= PHYS_END || len > PHYS_END - pa)
		return NULL;
	return map(pa, len);
}

/* A whole table with a right checksum, or NULL; *h is its header. */
static const u8 *map_table(acpi_map_fn map, hpa_t pa, struct header *h)
{
	const u8 *p = map_range(map, pa, sizeof(*h));

	if (!p)
		return NULL;
	memcpy(h, p, sizeof(*h));
	if (h->length < sizeof(*h) || h->length > TABLE_MAX)
		return NULL;
	p = map_range(map, pa, h->length);
	return p && sum(p, h->length) == 0 ? p : NULL;
}

static bool has_signature(const struct header *h, const char *signature)
{
	return memcmp(h->signature, signature, sizeof(h->signature)) == 0;
}

static void note_table(hpa_t pa, acpi_map_fn map, struct acpi_info *out)
{
	struct acpi_table *t = &out->table[out->tables];
	struct header h;

	if (out->tables == ACPI_TABLES_MAX || !map_table(map, pa, &h)) {
		out->tables_bad++;
		return;
	}
	memcpy(t->signature, h.signature, sizeof(t->signature));
	t->address = pa;
	t->length = h.length;
	out->tables++;
}

/* 5.2.7 and 5.2.8: the two differ in the width of their entries. */
static bool read_root(hpa_t pa, const char *signature, size_t width, acpi_map_fn map,
		      struct acpi_info *out)
{
	struct header h;
	const u8 *p = map_table(map, pa, &h);

	if (!p || !has_signature(&h, signature))
		return false;
	for (u64 pos = sizeof(h); h.length - pos >= width; pos += width) {
		u64 entry = 0;

		memcpy(&entry, p + pos, width);
		if (entry != 0)
			note_table(entry, map, out);
	}
	return true;
}

/* Follows one candidate; false leaves *out as it was. */
static bool try_rsdp(hpa_t pa, const u8 *p, u64 left, acpi_map_fn map, struct acpi_info *out)
{
	struct rsdp r;
	bool root = false;

	memset(&r, 0, sizeof(r));
	if (left < RSDP_V1_SIZE || memcmp(p, "RSD PTR ", sizeof(r.signature)) != 0 ||
	    sum(p, RSDP_V1_SIZE) != 0)
		return false;
	memcpy(&r, p, RSDP_V1_SIZE);
	if (r.revision >= RSDP_REVISION_2 && left >= sizeof(r)) {
		memcpy(&r, p, sizeof(r));
		if (r.length >= sizeof(r) && r.length <= RSDP_LEN_MAX && r.length <= left &&
		    sum(p, r.length) == 0)
			root = read_root(r.xsdt, "XSDT", sizeof(u64), map, out);
	}
	if (!root)
		root = read_root(r.rsdt, "RSDT", sizeof(u32), map, out);
	if (!root)
		return false;
	out->rsdp = pa;
	out->revision = r.revision;
	memcpy(out->oem_id, r.oem_id, sizeof(r.oem_id));
	return true;
}

static bool scan(hpa_t start, u64 len, acpi_map_fn map, struct acpi_info *out)
{
	const u8 *p;

	if (len > REGION_SCAN_MAX)
		len = REGION_SCAN_MAX;
	p = map_range(map, start, len);
	if (!p)
		return false;
	for (u64 pos = 0; len - pos >= RSDP_V1_SIZE; pos += RSDP_ALIGN) {
		if (try_rsdp(start + pos, p + pos, len - pos, map, out))
			return true;
		if (len - pos < RSDP_ALIGN)
			break;
	}
	return false;
}

/* ACPI's own regions, where UEFI keeps the RSDP, and reserved memory below 1 MiB. */
static bool scan_regions(const struct memmap *m, acpi_map_fn map, struct acpi_info *out)
{
	for (unsigned int i = 0; i < m->n; i++) {
		hpa_t start = m->r[i].start, end = m->r[i].end;
		bool acpi = m->r[i].type == MEM_ACPI_RECLAIM || m->r[i].type == MEM_ACPI_NVS;
		bool low = m->r[i].type == MEM_RESERVED && start < LOW_END;

		if (start == 0) /* page 0 is not mapped */
			start = PAGE_SIZE;
		if (low)
			end = min_u64(end, LOW_END);
		if ((acpi || low) && start < end && scan(start, end - start, map, out))
			return true;
	}
	return false;
}

const struct acpi_table *acpi_find(const struct acpi_info *info, const char *signature,
				   unsigned int nth)
{
	for (unsigned int i = 0; i < info->tables; i++) {
		if (memcmp(info->table[i].signature, signature, sizeof(info->table[i].signature)) ==
			    0 &&
		    nth-- == 0)
			return &info->table[i];
	}
	return NULL;
}

static bool add_cpu(struct acpi_info *out, u32 apic_id, u32 uid, u32 flags)
{
	for (unsigned int i = 0; i < out->cpus; i++) {
		if (out->cpu[i].apic_id == apic_id) { /* listed as LAPIC and as x2APIC */
			out->cpu[i].enabled |= !!(flags & MADT_CPU_ENABLED);
			return true;
		}
	}
	if (out->cpus == ACPI_CPUS_MAX)
		return false;
	out->cpu[out->cpus++] = (struct acpi_cpu){
		.apic_id = apic_id,
		.uid = uid,
		.enabled = flags & MADT_CPU_ENABLED,
		.online_capable = flags & MADT_CPU_ONLINE_CAPABLE,
	};
	return true;
}

static bool add_nmi(struct acpi_info *out, u32 uid, u16 flags, u8 lint)
{
	if (out->nmis == ACPI_NMIS_MAX || lint > 1)
		return false;
	out->nmi[out->nmis++] = (struct acpi_nmi){ .uid = uid, .flags = flags, .lint = lint };
	return true;
}

/* One entry's bytes as its structure; false when the entry is shorter. */
#define ENTRY(p, e, dst) ((e).length >= sizeof(dst) && memcpy(&(dst), (p), sizeof(dst)))

static bool madt_entry(const u8 *p, struct madt_entry e, struct acpi_info *out)
{
	union {
		struct madt_lapic lapic;
		struct madt_ioapic ioapic;
		struct madt_override over;
		struct madt_lapic_nmi nmi;
		struct madt_lapic_address address;
		struct madt_x2apic x2apic;
		struct madt_x2apic_nmi x2nmi;
	} u;

	switch (e.type) {
	case MADT_LAPIC:
		if (!ENTRY(p, e, u.lapic))
			return false;
		/* Slots without a processor are listed with flags 0 and any id. */
		if (u.lapic.apic_id == MADT_APIC_ID_NONE)
			return true;
		return add_cpu(out, u.lapic.apic_id, u.lapic.uid, u.lapic.flags);
	case MADT_X2APIC:
		if (!ENTRY(p, e, u.x2apic))
			return false;
		if (u.x2apic.apic_id == UINT32_MAX)
			return true;
		return add_cpu(out, u.x2apic.apic_id, u.x2apic.uid, u.x2apic.flags);
	case MADT_IOAPIC:
		if (out->ioapics == ACPI_IOAPICS_MAX || !ENTRY(p, e, u.ioapic))
			return false;
		out->ioapic[out->ioapics++] = (struct acpi_ioapic){
			.id = u.ioapic.id,
			.address = u.ioapic.address,
			.gsi_base = u.ioapic.gsi_base,
		};
		return true;
	case MADT_OVERRIDE:
		if (out->overrides == ACPI_OVERRIDES_MAX || !ENTRY(p, e, u.over) ||
		    u.over.bus != MADT_BUS_ISA || u.over.source >= ISA_IRQS)
			return false;
		out->override[out->overrides++] = (struct acpi_override){
			.isa_irq = u.over.source,
			.flags = u.over.flags,
			.gsi = u.over.gsi,
		};
		return true;
	case MADT_LAPIC_NMI:
		if (!ENTRY(p, e, u.nmi))
			return false;
		return add_nmi(out, u.nmi.uid == MADT_UID8_ALL ? ACPI_UID_ALL : u.nmi.uid,
			       u.nmi.flags, u.nmi.lint);
	case MADT_X2APIC_NMI:
		return ENTRY(p, e, u.x2nmi) &&
		       add_nmi(out, u.x2nmi.uid, u.x2nmi.flags, u.x2nmi.lint);
	case MADT_LAPIC_ADDRESS:
		if (!ENTRY(p, e, u.address))
			return false;
		out->lapic_address = u.address.address;
		return true;
	default: /* of no use to us */
		return true;
	}
}

static void read_madt(acpi_map_fn map, struct acpi_info *out)
{
	const struct acpi_table *t = acpi_find(out, "APIC", 0);
	const u8 *p = t ? map_range(map, t->address, t->length) : NULL;
	struct madt madt;
	u64 pos = sizeof(madt);

	if (!p || t->length < sizeof(madt))
		return;
	memcpy(&madt, p, sizeof(madt));
	out->lapic_address = madt.lapic_address;
	out->has_8259 = madt.flags & MADT_PCAT_COMPAT;
	while (t->length - pos >= sizeof(struct madt_entry)) {
		struct madt_entry e;

		memcpy(&e, p + pos, sizeof(e));
		if (e.length < sizeof(e) || e.length > t->length - pos) {
			out->madt_dropped++;
			break;
		}
		if (!madt_entry(p + pos, e, out))
			out->madt_dropped++;
		pos += e.length;
	}
	out->has_madt = true;
}

/* The extended register where it is there and usable, else the legacy I/O port. */
static struct acpi_gas reg(const struct gas *x, u32 port, u8 len)
{
	struct acpi_gas g = { .space = ACPI_SPACE_IO, .bit_width = (u8)min_u64(len * 8U, 64) };

	if (x->address != 0 && (x->space == ACPI_SPACE_IO || x->space == ACPI_SPACE_MEMORY)) {
		g.space = x->space;
		g.bit_width = x->bit_width;
		g.bit_offset = x->bit_offset;
		g.access = x->access;
		g.address = x->address;
	} else {
		g.address = port;
	}
	/* There are 64 Ki ports. */
	if (g.space == ACPI_SPACE_IO && g.address > UINT16_MAX)
		g.address = 0;
	return g;
}

static struct acpi_gas plain_gas(const struct gas *x)
{
	return (struct acpi_gas){ .space = x->space,
				  .bit_width = x->bit_width,
				  .bit_offset = x->bit_offset,
				  .access = x->access,
				  .address = x->address };
}

/* Returns the DSDT's address, 0 = none. */
static hpa_t read_fadt(acpi_map_fn map, struct acpi_info *out)
{
	const struct acpi_table *t = acpi_find(out, "FACP", 0);
	const u8 *p = t ? map_range(map, t->address, t->length) : NULL;
	struct fadt f;

	if (!p || t->length < FADT_MIN_LEN)
		return 0;
	memset(&f, 0, sizeof(f));
	memcpy(&f, p, min_u64(t->length, sizeof(f)));
	out->flags = f.flags;
	out->has_boot_arch = f.header.revision >= FADT_BOOT_ARCH_REVISION;
	if (out->has_boot_arch)
		out->boot_arch = f.boot_arch;
	out->sci_irq = f.sci_int;
	out->smi_cmd = f.smi_cmd <= UINT16_MAX ? f.smi_cmd : 0;
	out->acpi_enable = f.acpi_enable;
	out->acpi_disable = f.acpi_disable;
	out->century = f.century;
	out->pm1_event_len = f.pm1_evt_len;
	out->pm1a_event = reg(&f.x_pm1a_evt_blk, f.pm1a_evt_blk, f.pm1_evt_len);
	out->pm1b_event = reg(&f.x_pm1b_evt_blk, f.pm1b_evt_blk, f.pm1_evt_len);
	out->pm1a_control = reg(&f.x_pm1a_cnt_blk, f.pm1a_cnt_blk, f.pm1_cnt_len);
	out->pm1b_control = reg(&f.x_pm1b_cnt_blk, f.pm1b_cnt_blk, f.pm1_cnt_len);
	out->pm_timer = reg(&f.x_pm_tmr_blk, f.pm_tmr_blk, f.pm_tmr_len);
	if (out->pm_timer.space == ACPI_SPACE_IO)
		out->pm_timer_port = (u16)out->pm_timer.address;
	out->pm_timer_32bit = f.flags & ACPI_FADT_TMR_VAL_EXT;
	out->sleep_control = plain_gas(&f.sleep_control);
	out->reset_register = plain_gas(&f.reset_reg);
	out->reset_value = f.reset_value;
	out->reset_supported = (f.flags & ACPI_FADT_RESET_REG_SUP) && t->length >= FADT_RESET_END &&
			       f.reset_reg.address != 0;
	out->has_fadt = true;
	return f.x_dsdt != 0 ? f.x_dsdt : f.dsdt;
}

/* AML: 20.2.2 to 20.2.5. */
enum aml {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_PACKAGE = 0x12,
	AML_ROOT = '\\',
};

#define AML_PKG_BYTES_SHIFT 6
#define S5_TYPE_MAX	    7U /* SLP_TYP has three bits: 4.8.3.2.1 */

/* Reads a constant at *pos; false when there is none before end. */
static bool aml_const(const u8 *p, u64 end, u64 *pos, u32 *value)
{
	u64 size;

	if (*pos >= end)
		return false;
	switch (p[(*pos)++]) {
	case AML_ZERO:
		*value = 0;
		return true;
	case AML_ONE:
		*value = 1;
		return true;
	case AML_BYTE:
		size = 1;
		break;
	case AML_WORD:
		size = 2;
		break;
	case AML_DWORD:
		size = 4;
		break;
	default:
		return false;
	}
	if (end - *pos < size)
		return false;
	*value = 0;
	for (u64 i = 0; i < size; i++)
		*value |= (u32)p[*pos + i] << (8 * i);
	*pos += size;
	return true;
}

/* The package at pos (20.2.5.4): its first two elements. */
static bool aml_sleep_package(const u8 *p, u64 end, u64 pos, u32 *a, u32 *b)
{
	u64 bytes, length, start;
	u8 count;

	if (end - pos < 2 || p[pos++] != AML_PACKAGE)
		return false;
	/* 20.2.4: the two top bits count the bytes that follow, which then hold the high part. */
	start = pos;
	bytes = p[pos] >> AML_PKG_BYTES_SHIFT;
	length = bytes == 0 ? p[pos] & 0x3fU : p[pos] & 0xfU;
	pos++;
	if (end - pos < bytes)
		return false;
	for (u64 i = 0; i < bytes; i++)
		length |= (u64)p[pos + i] << (4 + 8 * i);
	pos += bytes;
	if (length > end - start)
		return false;
	end = start + length;
	if (pos >= end)
		return false;
	count = p[pos++];
	if (count == 0 || !aml_const(p, end, &pos, a))
		return false;
	*b = *a;
	return count == 1 || aml_const(p, end, &pos, b);
}

/* Looks for Name (_S5_, Package () {a, b, ...}) in a definition block, without interpreting it. */
static bool find_s5(hpa_t pa, acpi_map_fn map, const char *signature, struct acpi_info *out)
{
	static const char name[] = "_S5_";
	const u64 name_len = sizeof(name) - 1;
	struct header h;
	const u8 *p = map_table(map, pa, &h);

	if (!p || !has_signature(&h, signature))
		return false;
	for (u64 pos = sizeof(h) + 1; h.length >= name_len && pos <= h.length - name_len; pos++) {
		bool named = p[pos - 1] == AML_NAME ||
			     (p[pos - 1] == AML_ROOT && p[pos - 2] == AML_NAME);
		u32 a, b;

		if (!named || memcmp(p + pos, name, name_len) != 0)
			continue;
		if (aml_sleep_package(p, h.length, pos + name_len, &a, &b) && a <= S5_TYPE_MAX &&
		    b <= S5_TYPE_MAX) {
			out->has_s5 = true;
			out->s5_typ_a = (u8)a;
			out->s5_typ_b = (u8)b;
			return true;
		}
	}
	return false;
}

static void read_s5(hpa_t dsdt, acpi_map_fn map, struct acpi_info *out)
{
	const struct acpi_table *t;

	if (find_s5(dsdt, map, "DSDT", out))
		return;
	for (unsigned int i = 0; (t = acpi_find(out, "SSDT", i)) != NULL; i++) {
		if (find_s5(t->address, map, "SSDT", out))
			return;
	}
}

int acpi_init(const struct memmap *m, hpa_t ebda, acpi_map_fn map, struct acpi_info *out)
{
	memset(out, 0, sizeof(*out));
	if (!(ebda != 0 && scan(ebda, EBDA_SCAN, map, out)) &&
	    !scan(BIOS_SCAN_START, BIOS_SCAN_END - BIOS_SCAN_START, map, out) &&
	    !scan_regions(m, map, out))
		return -ENOENT;
	read_madt(map, out);
	read_s5(read_fadt(map, out), map, out);
	return 0;
}
