/* SPDX-License-Identifier: MIT */
/*
 * The guest's ACPI tables: ACPI 6.4 5.2 (RSDP, RSDT, XSDT, FADT, FACS, MADT). For a direct boot they
 * are copied into the guest's ROM area; firmware gets them by fw_cfg and places them itself.
 */
#include "acpi_priv.h"
#include "dev/acpi_pm.h"
#include "dev/ioapic.h"
#include "errors.h"
#include "guest_modules.h"
#include "lib.h"
#include "msr.h"
#include "vm.h"

/* --- layouts ---------------------------------------------------------------------------------- */

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
} __packed;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4 table 5-4");
_Static_assert(offsetof(struct acpi_header, checksum) == ACPI_CHECKSUM_OFFSET,
	       "ACPI 6.4 table 5-4");

struct acpi_rsdt {
	struct acpi_header h;
	u32 entry[NR_SDTS];
} __packed;

struct acpi_xsdt {
	struct acpi_header h;
	u64 entry[NR_SDTS];
} __packed;

/* Generic address structure: table 5-1. */
struct acpi_gas {
	u8 space, width, offset, access;
	u64 address;
} __packed;
#define GAS_IO	      1U
#define GAS_BYTE_BITS 8U
#define GAS_BYTE      1U
#define GAS_WORD      2U
#define GAS_DWORD     3U

struct acpi_fadt {
	struct acpi_header h;
	u32 firmware_ctrl;
	u32 dsdt;
	u8 reserved1;
	u8 preferred_pm_profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk;
	u32 pm2_cnt_blk, pm_tmr_blk, gpe0_blk, gpe1_blk;
	u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
	u8 gpe0_blk_len, gpe1_blk_len, gpe1_base, cst_cnt;
	u16 p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alrm, mon_alrm, century;
	u16 iapc_boot_arch;
	u8 reserved2;
	u32 flags;
	struct acpi_gas reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor_version;
	u64 x_firmware_ctrl;
	u64 x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk;
	struct acpi_gas x_pm2_cnt_blk, x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk;
	struct acpi_gas sleep_control_reg, sleep_status_reg;
	u64 hypervisor_vendor;
} __packed;
_Static_assert(offsetof(struct acpi_fadt, pm1a_evt_blk) == 56, "ACPI 6.4 table 5-9");
_Static_assert(offsetof(struct acpi_fadt, iapc_boot_arch) == 109, "ACPI 6.4 table 5-9");
_Static_assert(offsetof(struct acpi_fadt, reset_reg) == 116, "ACPI 6.4 table 5-9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 6.4 table 5-9");
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.4 table 5-9");

enum fadt_value {
	FADT_MAJOR = 6,
	FADT_MINOR = 4,
	FADT_PROFILE_DESKTOP = 1,
	FADT_PM1_EVT_LEN = 4,
	FADT_PM1_CNT_LEN = 2,
	FADT_PM_TMR_LEN = 4,
	FADT_NO_C2 = 101,  /* above 100 us: not supported */
	FADT_NO_C3 = 1001, /* above 1000 us */
	FADT_CENTURY = 0x32,
	FADT_RESET_PORT = 0xcf9,
	FADT_RESET_VALUE = 6,
};

enum fadt_boot_arch {
	BOOT_ARCH_LEGACY_DEVICES = BIT(0),
	BOOT_ARCH_8042 = BIT(1),
	BOOT_ARCH_NO_VGA = BIT(2),
};

/* The timer has 24 bits (TMR_VAL_EXT clear); the power button is the fixed one. */
enum fadt_flags {
	FADT_WBINVD = BIT(0),
	FADT_PROC_C1 = BIT(2),
	FADT_NO_SLP_BUTTON = BIT(5),
	FADT_FIX_RTC = BIT(6), /* the RTC cannot wake the machine */
	FADT_RESET_REG_SUP = BIT(10),
};

struct acpi_facs {
	char signature[4];
	u32 length;
	u32 hardware_signature;
	u32 waking_vector;
	u32 global_lock;
	u32 flags;
	u64 x_waking_vector;
	u8 version;
	u8 reserved1[3];
	u32 ospm_flags;
	u8 reserved2[24];
} __packed;
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI 6.4 table 5-15");
#define FACS_VERSION 2U
#define FACS_ALIGN   64U

struct acpi_madt {
	struct acpi_header h;
	u32 lapic_address;
	u32 flags;
} __packed;
#define MADT_REVISION	 5U
#define MADT_PCAT_COMPAT BIT(0)

struct madt_lapic {
	u8 type, length, uid, apic_id;
	u32 flags;
} __packed;

struct madt_ioapic {
	u8 type, length, id, reserved;
	u32 address, gsi_base;
} __packed;

struct madt_override {
	u8 type, length, bus, source;
	u32 gsi;
	u16 flags;
} __packed;

struct madt_lapic_nmi {
	u8 type, length, uid;
	u16 flags;
	u8 lint;
} __packed;
_Static_assert(sizeof(struct madt_lapic) == 8 && sizeof(struct madt_ioapic) == 12 &&
		       sizeof(struct madt_override) == 10 && sizeof(struct madt_lapic_nmi) == 6,
	       "ACPI 6.4 tables 5-21 to 5-26");

enum madt_value {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ENABLED = 1,
	MADT_BUS_ISA = 0,
	MADT_ALL_UIDS = 0xff,
	MADT_LINT1 = 1,
	MADT_CONFORMS = 0,
	MADT_ACTIVE_HIGH = 1,
	MADT_LEVEL = 3 << 2,
	MADT_PIT_GSI = 2, /* board_isa_irq() */
};

#define RSDP_REVISION 2U
#define SDT_REVISION  1U
#define DSDT_REVISION 2U /* 64-bit integers */
#define OEM_REVISION  1U
#define TABLE_ALIGN   16U
/* In the ROM area the tables follow the RSDP, as far behind it as the FACS must be aligned. */
#define ROM_TABLES    (GUEST_ROM + FACS_ALIGN)
_Static_assert(sizeof(struct acpi_rsdp) <= FACS_ALIGN, "the tables follow the RSDP");
_Static_assert(ROM_TABLES + ACPI_AREA_BYTES <= GUEST_ROM_MPTABLE, "the MP table comes after");

static const char oem_id[6] = { 'P', 'L', 'I', 'N', 'T', 'H' };
static const char oem_table_id[8] = { 'P', 'L', 'I', 'N', 'T', 'H', 'P', 'C' };
static const char creator_id[4] = { 'P', 'L', 'T', 'H' };

/* --- making ----------------------------------------------------------------------------------- */

u8 guest_checksum(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *b++);
	return (u8)-sum;
}

static u32 area_offset(const struct acpi_area *a, const void *p)
{
	return (u32)((const u8 *)p - a->bytes);
}

/* The field of that size at p points to target; both are in the area. */
static void area_point(struct acpi_area *a, void *p, u8 size, const void *target)
{
	u64 value = a->base + area_offset(a, target);

	memcpy(p, &value, size);
	a->pointer[a->pointers].at = area_offset(a, p);
	a->pointer[a->pointers++].size = size;
}

/* Room for a structure, aligned; NULL when the area is full. */
static void *area_take(struct acpi_area *a, size_t size, size_t align)
{
	size_t start = ALIGN_UP(a->n, align);

	if (start > sizeof(a->bytes) || size > sizeof(a->bytes) - start)
		return NULL;
	a->n = start + size;
	return a->bytes + start;
}

static void finish(struct acpi_area *a, struct acpi_header *h, const char signature[5], u8 revision,
		   size_t length)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (u32)length;
	h->revision = revision;
	memcpy(h->oem_id, oem_id, sizeof(h->oem_id));
	memcpy(h->oem_table_id, oem_table_id, sizeof(h->oem_table_id));
	h->oem_revision = OEM_REVISION;
	memcpy(h->creator_id, creator_id, sizeof(h->creator_id));
	h->creator_revision = OEM_REVISION;
	h->checksum = 0;
	if (!a->relocatable)
		h->checksum = guest_checksum(h, length);
	a->checked[a->checkeds].at = area_offset(a, h);
	a->checked[a->checkeds++].length = (u32)length;
}

static struct acpi_facs *make_facs(struct acpi_area *a)
{
	struct acpi_facs *f = area_take(a, sizeof(*f), FACS_ALIGN);

	if (!f)
		return NULL;
	memcpy(f->signature, "FACS", sizeof(f->signature));
	f->length = sizeof(*f);
	f->version = FACS_VERSION;
	return f;
}

static struct acpi_header *make_dsdt(struct acpi_area *a, const struct vm *vm)
{
	struct acpi_header *h = area_take(a, sizeof(*h), TABLE_ALIGN);
	size_t len;

	if (!h)
		return NULL;
	len = guest_dsdt_aml(vm, a->pm_base, a->bytes + a->n, sizeof(a->bytes) - a->n);
	if (len == 0)
		return NULL;
	a->n += len;
	finish(a, h, "DSDT", DSDT_REVISION, sizeof(*h) + len);
	return h;
}

static struct acpi_gas gas_io(u16 port, unsigned int bytes, u8 access)
{
	return (struct acpi_gas){ .space = GAS_IO,
				  .width = (u8)(bytes * GAS_BYTE_BITS),
				  .access = access,
				  .address = port };
}

static struct acpi_header *make_fadt(struct acpi_area *a, const struct vm *vm,
				     const struct acpi_facs *facs, const struct acpi_header *dsdt)
{
	struct acpi_fadt *f = area_take(a, sizeof(*f), TABLE_ALIGN);
	u16 event = (u16)(a->pm_base + PM1_EVT_OFFSET);
	u16 control = (u16)(a->pm_base + PM1_CNT_OFFSET);
	u16 timer = (u16)(a->pm_base + PM_TMR_OFFSET);

	if (!f)
		return NULL;
	/* Below 4 GiB: then the 64-bit field is 0. */
	area_point(a, &f->firmware_ctrl, sizeof(f->firmware_ctrl), facs);
	area_point(a, &f->dsdt, sizeof(f->dsdt), dsdt);
	area_point(a, &f->x_dsdt, sizeof(f->x_dsdt), dsdt);
	f->preferred_pm_profile = FADT_PROFILE_DESKTOP;
	f->sci_int = PM_SCI_IRQ;
	f->smi_cmd = PM_SMI_CMD;
	f->acpi_enable = PM_ACPI_ENABLE;
	f->acpi_disable = PM_ACPI_DISABLE;
	f->pm1a_evt_blk = event;
	f->pm1a_cnt_blk = control;
	f->pm_tmr_blk = timer;
	f->pm1_evt_len = FADT_PM1_EVT_LEN;
	f->pm1_cnt_len = FADT_PM1_CNT_LEN;
	f->pm_tmr_len = FADT_PM_TMR_LEN;
	f->p_lvl2_lat = FADT_NO_C2;
	f->p_lvl3_lat = FADT_NO_C3;
	f->century = FADT_CENTURY;
	f->iapc_boot_arch = BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_8042;
	if (!vm->vga)
		f->iapc_boot_arch |= BOOT_ARCH_NO_VGA;
	f->flags =
		FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP;
	f->reset_reg = gas_io(FADT_RESET_PORT, sizeof(u8), GAS_BYTE);
	f->reset_value = FADT_RESET_VALUE;
	f->minor_version = FADT_MINOR;
	f->x_pm1a_evt_blk = gas_io(event, FADT_PM1_EVT_LEN, GAS_WORD);
	f->x_pm1a_cnt_blk = gas_io(control, FADT_PM1_CNT_LEN, GAS_WORD);
	f->x_pm_tmr_blk = gas_io(timer, FADT_PM_TMR_LEN, GAS_DWORD);
	finish(a, &f->h, "FACP", FADT_MAJOR, sizeof(*f));
	return &f->h;
}

static struct acpi_header *make_madt(struct acpi_area *a, const struct vm *vm)
{
	struct acpi_madt *m = area_take(a, sizeof(*m), TABLE_ALIGN);
	struct madt_ioapic *io;
	struct madt_override *over;
	struct madt_lapic_nmi *nmi;

	if (!m)
		return NULL;
	m->lapic_address = (u32)APIC_BASE_DEFAULT;
	m->flags = MADT_PCAT_COMPAT;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct madt_lapic *l = area_take(a, sizeof(*l), 1);

		if (!l)
			return NULL;
		*l = (struct madt_lapic){ MADT_LAPIC, sizeof(*l), (u8)i, (u8)i,
					  MADT_LAPIC_ENABLED };
	}
	io = area_take(a, sizeof(*io), 1);
	over = area_take(a, 2 * sizeof(*over), 1);
	nmi = area_take(a, sizeof(*nmi), 1);
	if (!io || !over || !nmi)
		return NULL;
	*io = (struct madt_ioapic){ MADT_IOAPIC, sizeof(*io), 0, 0, (u32)IOAPIC_BASE, 0 };
	over[0] = (struct madt_override){ MADT_OVERRIDE, sizeof(*over), MADT_BUS_ISA, 0,
					  MADT_PIT_GSI,	 MADT_CONFORMS };
	over[1] = (struct madt_override){ MADT_OVERRIDE, sizeof(*over),
					  MADT_BUS_ISA,	 PM_SCI_IRQ,
					  PM_SCI_IRQ,	 MADT_ACTIVE_HIGH | MADT_LEVEL };
	*nmi = (struct madt_lapic_nmi){ MADT_LAPIC_NMI, sizeof(*nmi), MADT_ALL_UIDS, MADT_CONFORMS,
					MADT_LINT1 };
	finish(a, &m->h, "APIC", MADT_REVISION, (size_t)(a->bytes + a->n - (u8 *)m));
	return &m->h;
}

void acpi_make_rsdp(struct acpi_rsdp *r, const struct acpi_area *a)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->signature, "RSD PTR ", sizeof(r->signature));
	memcpy(r->oem_id, oem_id, sizeof(r->oem_id));
	r->revision = RSDP_REVISION;
	r->rsdt = (u32)a->base + a->rsdt;
	r->length = sizeof(*r);
	r->xsdt = a->base + a->xsdt;
	if (a->relocatable)
		return;
	r->checksum = guest_checksum(r, RSDP_V1_BYTES);
	r->extended_checksum = guest_checksum(r, sizeof(*r));
}

bool acpi_make_tables(struct acpi_area *a, const struct vm *vm)
{
	struct acpi_rsdt *rsdt;
	struct acpi_xsdt *xsdt;
	struct acpi_facs *facs;
	struct acpi_header *dsdt, *sdt[NR_SDTS];

	memset(a->bytes, 0, sizeof(a->bytes));
	a->n = 0;
	a->pointers = a->checkeds = 0;
	facs = make_facs(a);
	rsdt = area_take(a, sizeof(*rsdt), TABLE_ALIGN);
	xsdt = area_take(a, sizeof(*xsdt), TABLE_ALIGN);
	dsdt = make_dsdt(a, vm);
	if (!rsdt || !xsdt || !facs || !dsdt)
		return false;
	sdt[SDT_FADT] = make_fadt(a, vm, facs, dsdt);
	sdt[SDT_MADT] = make_madt(a, vm);
	for (unsigned int i = 0; i < NR_SDTS; i++) {
		if (!sdt[i])
			return false;
		area_point(a, &rsdt->entry[i], sizeof(rsdt->entry[i]), sdt[i]);
		area_point(a, &xsdt->entry[i], sizeof(xsdt->entry[i]), sdt[i]);
	}
	finish(a, &rsdt->h, "RSDT", SDT_REVISION, sizeof(*rsdt));
	finish(a, &xsdt->h, "XSDT", SDT_REVISION, sizeof(*xsdt));
	a->rsdt = area_offset(a, rsdt);
	a->xsdt = area_offset(a, xsdt);
	return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

int guest_write_tables(struct vm *vm, gpa_t *rsdp)
{
	static struct acpi_area area; /* too large for the stack */
	struct acpi_rsdp r;
	int err;

	*rsdp = GUEST_ROM;
	area.base = ROM_TABLES;
	area.pm_base = PM_BASE;
	if (!acpi_make_tables(&area, vm))
		return -EFAULT;
	acpi_make_rsdp(&r, &area);
	err = gpmap_write(&vm->gpmap, GUEST_ROM, &r, sizeof(r));
	if (!err)
		err = gpmap_write(&vm->gpmap, ROM_TABLES, area.bytes, area.n);
	if (!err)
		err = guest_write_mptable(vm);
	if (!err)
		err = guest_write_bios(vm);
	return err;
}
