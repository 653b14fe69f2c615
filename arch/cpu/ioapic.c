// SPDX-License-Identifier: MIT
/*
 * The machine's real I/O APICs: Intel 82093AA data sheet (290566), section 3; ISA interrupts follow
 * the MADT's overrides (ACPI 6.5, 5.2.12.5).
 */
#include "acpi.h"
#include "cpu.h"
#include "errors.h"
#include "irqflags.h"
#include "mm.h"
#include "spinlock.h"

enum ioapic_window {
	IOAPIC_SELECT = 0x00,
	IOAPIC_DATA = 0x10,
	IOAPIC_WINDOW = 0x20, /* size */
};

enum ioapic_reg {
	REG_VERSION = 0x01,
	REG_REDIRECTION = 0x10, /* two registers a pin */
};

#define VERSION_MAX_PIN(v) (((v) >> 16) & 0xffU)
#define VERSION_ABSENT	   0xffffffffU
#define RTE_LOW_ACTIVE	   BIT(13)
#define RTE_LEVEL	   BIT(15)
#define RTE_MASKED	   BIT(16)
#define RTE_DEST_SHIFT	   24	 /* in the upper register */
#define DEST_MAX	   0xffU /* of 8 bits; beyond it needs interrupt remapping */
#define ISA_IRQS	   16U

struct ioapic_host {
	volatile u32 *regs;
	u32 gsi_base;
	u32 pins;
};

static struct ioapic_host ioapic[ACPI_IOAPICS_MAX];
static unsigned int ioapics;
static struct acpi_override override[ACPI_OVERRIDES_MAX];
static unsigned int overrides;
static struct spinlock lock; /* select and data are one access; held with interrupts off */

static u32 reg_read(const struct ioapic_host *io, u32 reg)
{
	io->regs[IOAPIC_SELECT / sizeof(u32)] = reg;
	return io->regs[IOAPIC_DATA / sizeof(u32)];
}

static void reg_write(const struct ioapic_host *io, u32 reg, u32 value)
{
	io->regs[IOAPIC_SELECT / sizeof(u32)] = reg;
	io->regs[IOAPIC_DATA / sizeof(u32)] = value;
}

static u32 rte_low(u32 pin)
{
	return REG_REDIRECTION + 2 * pin;
}

int host_ioapic_init(const struct acpi_info *acpi)
{
	for (unsigned int i = 0; i < acpi->ioapics; i++) {
		struct ioapic_host *io = &ioapic[ioapics];
		u32 version;

		if (acpi->ioapic[i].address == 0 ||
		    paging_map(acpi->ioapic[i].address, IOAPIC_WINDOW, MAP_WRITE | MAP_UNCACHED) !=
			    0)
			continue;
		io->regs = phys_to_virt(acpi->ioapic[i].address);
		io->gsi_base = acpi->ioapic[i].gsi_base;
		version = reg_read(io, REG_VERSION);
		if (version == VERSION_ABSENT)
			continue;
		io->pins = VERSION_MAX_PIN(version) + 1;
		for (u32 pin = 0; pin < io->pins; pin++)
			reg_write(io, rte_low(pin), RTE_MASKED);
		ioapics++;
	}
	overrides = acpi->overrides;
	for (unsigned int i = 0; i < overrides; i++)
		override[i] = acpi->override[i];
	return ioapics != 0 ? 0 : -ENODEV;
}

/*
 * Where an ISA interrupt arrives. ISA is edge-triggered and active high unless an override says
 * otherwise.
 */
static const struct ioapic_host *find_pin(unsigned int isa_irq, u32 *pin, u32 *mode)
{
	u32 gsi = isa_irq;

	*mode = 0;
	for (unsigned int i = 0; i < overrides; i++) {
		if (override[i].isa_irq != isa_irq)
			continue;
		gsi = override[i].gsi;
		if ((override[i].flags & ACPI_INTI_POLARITY) == ACPI_INTI_ACTIVE_LOW)
			*mode |= RTE_LOW_ACTIVE;
		if ((override[i].flags & ACPI_INTI_TRIGGER) == ACPI_INTI_TRIGGER_LEVEL)
			*mode |= RTE_LEVEL;
	}
	for (unsigned int i = 0; i < ioapics; i++) {
		if (gsi >= ioapic[i].gsi_base && gsi - ioapic[i].gsi_base < ioapic[i].pins) {
			*pin = gsi - ioapic[i].gsi_base;
			return &ioapic[i];
		}
	}
	return NULL;
}

int host_irq_route(unsigned isa_irq, u8 vector)
{
	const struct ioapic_host *io;
	u32 pin, mode;
	u64 flags;

	if (isa_irq >= ISA_IRQS || this_cpu()->apic_id > DEST_MAX)
		return -ENODEV;
	io = find_pin(isa_irq, &pin, &mode);
	if (io == NULL)
		return -ENODEV;
	flags = irq_save();
	spin_lock(&lock);
	/* Fixed delivery, physical destination. */
	reg_write(io, rte_low(pin), RTE_MASKED | mode | vector);
	reg_write(io, rte_low(pin) + 1, this_cpu()->apic_id << RTE_DEST_SHIFT);
	spin_unlock(&lock);
	irq_restore(flags);
	return 0;
}

void host_irq_mask(unsigned isa_irq, bool masked)
{
	const struct ioapic_host *io;
	u32 pin, mode, low;
	u64 flags;

	if (isa_irq >= ISA_IRQS)
		return;
	io = find_pin(isa_irq, &pin, &mode);
	if (io == NULL)
		return;
	flags = irq_save();
	spin_lock(&lock);
	low = reg_read(io, rte_low(pin));
	reg_write(io, rte_low(pin), masked ? low | RTE_MASKED : low & ~RTE_MASKED);
	spin_unlock(&lock);
	irq_restore(flags);
}
