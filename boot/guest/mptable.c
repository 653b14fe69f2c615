/* SPDX-License-Identifier: MIT */
/*
 * The MP table of a directly booted guest, for systems that do not read ACPI: Intel
 * MultiProcessor Specification 1.4, chapter 4.
 */
#include "dev/ioapic.h"
#include "guest_modules.h"
#include "lib.h"
#include "msr.h"
#include "policy.h"
#include "vm.h"

struct mp_floating {
	char signature[4];
	u32 table;
	u8 length; /* in 16-byte units */
	u8 revision;
	u8 checksum;
	u8 default_config; /* 0: there is a table */
	u8 features[4];	   /* IMCR bit clear: virtual-wire mode */
} __packed;
_Static_assert(sizeof(struct mp_floating) == 16, "MP 1.4 table 4-1");

struct mp_header {
	char signature[4];
	u16 length;
	u8 revision;
	u8 checksum;
	char oem_id[8];
	char product_id[12];
	u32 oem_table;
	u16 oem_table_size;
	u16 entries;
	u32 lapic_address;
	u16 extended_length;
	u8 extended_checksum;
	u8 reserved;
} __packed;
_Static_assert(sizeof(struct mp_header) == 44, "MP 1.4 table 4-2");

struct mp_processor {
	u8 type, apic_id, apic_version, flags;
	u32 signature, features;
	u32 reserved[2];
} __packed;

struct mp_bus {
	u8 type, id;
	char name[6];
} __packed;

struct mp_ioapic {
	u8 type, id, version, flags;
	u32 address;
} __packed;

/* I/O and local interrupts: tables 4-10 and 4-11. */
struct mp_interrupt {
	u8 type, kind;
	u16 flags;
	u8 source_bus, source_irq, dest_apic, dest_pin;
} __packed;
_Static_assert(sizeof(struct mp_processor) == 20 && sizeof(struct mp_bus) == 8 &&
		       sizeof(struct mp_ioapic) == 8 && sizeof(struct mp_interrupt) == 8,
	       "MP 1.4 table 4-3");

enum mp_value {
	MP_PROCESSOR = 0,
	MP_BUS = 1,
	MP_IOAPIC = 2,
	MP_IO_INTERRUPT = 3,
	MP_LOCAL_INTERRUPT = 4,
	MP_REVISION = 4,
	MP_CPU_ENABLED = 1,
	MP_CPU_BOOT = 2,
	MP_IOAPIC_ENABLED = 1,
	MP_INT = 0,
	MP_NMI = 1,
	MP_EXTINT = 3,
	MP_CONFORMS = 0,
	MP_ACTIVE_HIGH = 1,
	MP_LEVEL = 3 << 2,
	MP_BUS_PCI = 0,
	MP_BUS_ISA = 1,
	MP_ALL_LAPICS = 0xff,
	MP_LINT0 = 0,
	MP_LINT1 = 1,
};

#define LAPIC_VERSION	0x14U
#define IOAPIC_VERSION	0x20U
#define IOAPIC_ID	0U
#define ISA_IRQS	16U
#define IRQ_TIMER	0U
#define IRQ_CASCADE	2U
#define PIN_TIMER	2U /* board_isa_irq() */
#define TABLE_MAX	KIB(2)
#define CPUID_SIGNATURE 1U

static const char mp_oem[8] = { 'P', 'L', 'I', 'N', 'T', 'H', ' ', ' ' };
static const char mp_product[12] = { 'V', 'M', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ' };

struct table {
	u8 bytes[TABLE_MAX];
	size_t n;
	u16 entries;
};
_Static_assert(sizeof(struct mp_header) + VM_VCPUS_MAX * sizeof(struct mp_processor) +
			       2 * sizeof(struct mp_bus) + sizeof(struct mp_ioapic) +
			       (ISA_IRQS + 2) * sizeof(struct mp_interrupt) <=
		       TABLE_MAX,
	       "all entries fit");

static void add(struct table *t, const void *entry, size_t size)
{
	memcpy(t->bytes + t->n, entry, size);
	t->n += size;
	t->entries++;
}

static void add_processors(struct table *t, const struct vm *vm)
{
	const struct cpuid_regs id = cpuid_policy(vm->vcpu[0], CPUID_SIGNATURE, 0);

	for (unsigned int i = 0; i < vm->nr_vcpus && i < VM_VCPUS_MAX; i++) {
		const struct mp_processor p = {
			.type = MP_PROCESSOR,
			.apic_id = (u8)i,
			.apic_version = LAPIC_VERSION,
			.flags = MP_CPU_ENABLED | (i == 0 ? MP_CPU_BOOT : 0),
			.signature = id.eax,
			.features = id.edx,
		};

		add(t, &p, sizeof(p));
	}
}

static void add_buses(struct table *t)
{
	static const struct mp_bus pci = { MP_BUS, MP_BUS_PCI, { 'P', 'C', 'I', ' ', ' ', ' ' } };
	static const struct mp_bus isa = { MP_BUS, MP_BUS_ISA, { 'I', 'S', 'A', ' ', ' ', ' ' } };
	static const struct mp_ioapic io = { MP_IOAPIC, IOAPIC_ID, IOAPIC_VERSION,
					     MP_IOAPIC_ENABLED, (u32)IOAPIC_BASE };

	add(t, &pci, sizeof(pci));
	add(t, &isa, sizeof(isa));
	add(t, &io, sizeof(io));
}

static void add_interrupts(struct table *t)
{
	static const struct mp_interrupt local[] = {
		{ MP_LOCAL_INTERRUPT, MP_EXTINT, MP_CONFORMS, MP_BUS_ISA, 0, 0, MP_LINT0 },
		{ MP_LOCAL_INTERRUPT, MP_NMI, MP_CONFORMS, MP_BUS_ISA, 0, MP_ALL_LAPICS, MP_LINT1 },
	};

	for (unsigned int irq = 0; irq < ISA_IRQS; irq++) {
		const struct mp_interrupt e = {
			.type = MP_IO_INTERRUPT,
			.kind = MP_INT,
			.flags = irq == PM_SCI_IRQ ? MP_ACTIVE_HIGH | MP_LEVEL : MP_CONFORMS,
			.source_bus = MP_BUS_ISA,
			.source_irq = (u8)irq,
			.dest_apic = IOAPIC_ID,
			.dest_pin = (u8)(irq == IRQ_TIMER ? PIN_TIMER : irq),
		};

		if (irq != IRQ_CASCADE)
			add(t, &e, sizeof(e));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(local); i++)
		add(t, &local[i], sizeof(local[i]));
}

int guest_write_mptable(struct vm *vm)
{
	static struct table t; /* too large for the stack */
	struct mp_floating f = { .signature = { '_', 'M', 'P', '_' },
				 .table = GUEST_ROM_MPTABLE + sizeof(f),
				 .length = sizeof(f) / 16,
				 .revision = MP_REVISION };
	struct mp_header h = { .signature = { 'P', 'C', 'M', 'P' },
			       .revision = MP_REVISION,
			       .lapic_address = (u32)APIC_BASE_DEFAULT };
	int err;

	t.n = sizeof(h);
	t.entries = 0;
	add_processors(&t, vm);
	add_buses(&t);
	add_interrupts(&t);
	memcpy(h.oem_id, mp_oem, sizeof(h.oem_id));
	memcpy(h.product_id, mp_product, sizeof(h.product_id));
	h.length = (u16)t.n;
	h.entries = t.entries;
	memcpy(t.bytes, &h, sizeof(h));
	h.checksum = guest_checksum(t.bytes, t.n);
	memcpy(t.bytes, &h, sizeof(h));
	f.checksum = guest_checksum(&f, sizeof(f));
	err = gpmap_write(&vm->gpmap, GUEST_ROM_MPTABLE, &f, sizeof(f));
	if (!err)
		err = gpmap_write(&vm->gpmap, f.table, t.bytes, t.n);
	return err;
}
