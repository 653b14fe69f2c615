/* SPDX-License-Identifier: MIT */
/*
 * Power-off and reset of the real machine through its ACPI registers: ACPI Specification 6.5, 4.8.3
 * (fixed hardware), 4.8.3.6 (reset register) and 16.1.7 (the way into S5).
 */
#include "acpi.h"
#include "errors.h"
#include "mm.h"
#include "x86.h"

/* 4.8.3.2.1, PM1 control */
#define PM1_SCI_EN	  BIT(0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK  (7U << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN	  BIT(13)

/* 4.8.3.7, sleep control of hardware-reduced machines */
#define SLEEP_TYP_SHIFT 2
#define SLEEP_EN	BIT(5)

/* How often a register is read before we give up; a read of a port takes about a microsecond. */
#define POLLS 300000U

/* The legacy mode's post code port: writing it takes time and does nothing. */
#define DELAY_PORT 0x80

/* The address space of PCI_CONFIG registers on bus 0: 5.2.3.2. */
#define PCI_CONFIG_ADDRESS    0xcf8
#define PCI_CONFIG_DATA	      0xcfc
#define PCI_CONFIG_ENABLE     BIT(31)
#define PCI_GAS_OFFSET(a)     ((u32)((a)&0xff))
#define PCI_GAS_FUNCTION(a)   ((u32)(((a) >> 16) & 7))
#define PCI_GAS_DEVICE(a)     ((u32)(((a) >> 32) & 0x1f))
#define PCI_CONFIG_DEV_SHIFT  11
#define PCI_CONFIG_FUNC_SHIFT 8

const void *acpi_map_host(hpa_t pa, u64 len)
{
	if (paging_ensure(pa, len, MAP_READ))
		return NULL;
	return phys_to_virt(pa);
}

static void delay(unsigned int polls)
{
	while (polls-- > 0)
		outb(DELAY_PORT, 0);
}

static volatile void *map_register(const struct acpi_gas *g, u64 size)
{
	if (paging_map(g->address, size, MAP_WRITE | MAP_UNCACHED))
		return NULL;
	return phys_to_virt(g->address);
}

static u16 read16(const struct acpi_gas *g)
{
	volatile u16 *p;

	if (g->space == ACPI_SPACE_IO)
		return inw((u16)g->address);
	p = map_register(g, sizeof(*p));
	return p ? *p : 0;
}

static void write16(const struct acpi_gas *g, u16 value)
{
	volatile u16 *p;

	if (g->space == ACPI_SPACE_IO) {
		outw((u16)g->address, value);
		return;
	}
	p = map_register(g, sizeof(*p));
	if (p)
		*p = value;
}

/* Reset and sleep control are byte registers. */
static bool write8(const struct acpi_gas *g, u8 value)
{
	volatile u8 *p;

	switch (g->space) {
	case ACPI_SPACE_IO:
		outb((u16)g->address, value);
		return true;
	case ACPI_SPACE_MEMORY:
		p = map_register(g, sizeof(*p));
		if (!p)
			return false;
		*p = value;
		return true;
	case ACPI_SPACE_PCI:
		outl(PCI_CONFIG_ADDRESS,
		     PCI_CONFIG_ENABLE | PCI_GAS_DEVICE(g->address) << PCI_CONFIG_DEV_SHIFT |
			     PCI_GAS_FUNCTION(g->address) << PCI_CONFIG_FUNC_SHIFT |
			     (PCI_GAS_OFFSET(g->address) & ~3U));
		outb((u16)(PCI_CONFIG_DATA + (PCI_GAS_OFFSET(g->address) & 3U)), value);
		return true;
	default:
		return false;
	}
}

/* 4.8.2.1: the firmware hands the registers over when asked through its SMI port. */
static void enable_acpi_mode(const struct acpi_info *info)
{
	if (info->smi_cmd == 0 || info->acpi_enable == 0 ||
	    (read16(&info->pm1a_control) & PM1_SCI_EN))
		return;
	outb((u16)info->smi_cmd, info->acpi_enable);
	for (unsigned int i = 0; i < POLLS; i++) {
		if (read16(&info->pm1a_control) & PM1_SCI_EN)
			return;
		delay(1);
	}
}

static u16 sleep_value(const struct acpi_gas *g, u8 type)
{
	u32 value = read16(g) & ~(PM1_SLP_TYP_MASK | PM1_SLP_EN);

	return (u16)(value | (u32)type << PM1_SLP_TYP_SHIFT);
}

int acpi_power_off(const struct acpi_info *info)
{
	const struct acpi_gas *a = &info->pm1a_control, *b = &info->pm1b_control;
	u16 value_a, value_b = 0;

	if (!info->has_fadt || !info->has_s5)
		return -ENODEV;
	if (info->flags & ACPI_FADT_HW_REDUCED) {
		u8 value = (u8)((u32)info->s5_typ_a << SLEEP_TYP_SHIFT | SLEEP_EN);

		if (info->sleep_control.address == 0 || !write8(&info->sleep_control, value))
			return -ENODEV;
		delay(POLLS);
		return -EIO;
	}
	if (a->address == 0)
		return -ENODEV;
	enable_acpi_mode(info);
	/* The type first, then the type with the enable bit: 4.8.3.2.1 wants A before B. */
	value_a = sleep_value(a, info->s5_typ_a);
	write16(a, value_a);
	if (b->address != 0) {
		value_b = sleep_value(b, info->s5_typ_b);
		write16(b, value_b);
	}
	write16(a, (u16)(value_a | PM1_SLP_EN));
	if (b->address != 0)
		write16(b, (u16)(value_b | PM1_SLP_EN));
	delay(POLLS);
	return -EIO;
}

int acpi_reset(const struct acpi_info *info)
{
	const struct acpi_gas *g = &info->reset_register;

	if (!info->has_fadt || !info->reset_supported)
		return -ENODEV;
	if (g->space == ACPI_SPACE_IO && g->address > UINT16_MAX)
		return -ENODEV;
	if (!write8(g, info->reset_value))
		return -ENODEV;
	delay(POLLS);
	return -EIO;
}
