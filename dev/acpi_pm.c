/* SPDX-License-Identifier: MIT */
/*
 * ACPI power-management registers: PM1 event and control blocks, power-management timer (ACPI 6.4,
 * 4.8.3), laid out as in the 82371AB (PIIX4) data sheet (290562), chapter 7; SMI command port
 * (there 4.2.7). There is no SMI: the port's two ACPI commands act at once.
 */
#include "dev/acpi_pm.h"
#include "errors.h"
#include "lib.h"
#include "time.h"

enum {
	PM1_TMR = BIT(0), /* in status and enable alike */
	PM1_BM_STS = BIT(4),
	PM1_GBL = BIT(5),
	PM1_PWRBTN = BIT(8),
	PM1_RTC = BIT(10),
	PM1_WAK_STS = BIT(15),
	PM1_STATUS = PM1_TMR | PM1_BM_STS | PM1_GBL | PM1_PWRBTN | PM1_RTC | PM1_WAK_STS,
	PM1_ENABLE = PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC,

	PM1_SCI_EN = BIT(0),
	PM1_BM_RLD = BIT(1),
	PM1_SLP_TYP_SHIFT = 10,
	PM1_SLP_TYP = 7 << PM1_SLP_TYP_SHIFT,
	PM1_SLP_EN = BIT(13),
	PM1_CONTROL = PM1_SCI_EN | PM1_BM_RLD | PM1_SLP_TYP, /* GBL_RLS and SLP_EN read as 0 */

	SMI_PORTS = 2, /* command and data */
	SMI_COMMAND = 0,
};

/* The block's three dwords, by their offset divided by 4. */
enum {
	DWORD_EVENT = PM1_EVT_OFFSET / 4,
	DWORD_CONTROL = PM1_CNT_OFFSET / 4,
	DWORD_TIMER = PM_TMR_OFFSET / 4,
};

#define PM_TIMER_MASK  0xffffffU
#define PM_TIMER_CARRY 23 /* TMR_STS: this bit changed */

static u64 pulses(const struct acpi_pm *p)
{
	return muldiv_u64(p->queue->now(), PM_TIMER_HZ, NSEC_PER_SEC);
}

/* Status, line and timer, after any change and before any look. */
static void update(struct acpi_pm *p)
{
	u64 half = pulses(p) >> PM_TIMER_CARRY;
	bool level;

	if (half != p->half_seen)
		p->status |= PM1_TMR;
	p->half_seen = half;
	level = (p->control & PM1_SCI_EN) && (p->status & p->enable & PM1_ENABLE);
	if (level != p->sci_level) {
		p->sci_level = level;
		irq_set(&p->sci, level);
	}
	/* The carry needs a timer only where it would interrupt. */
	if ((p->control & PM1_SCI_EN) && (p->enable & ~p->status & PM1_TMR))
		timer_arm(p->queue, &p->timer,
			  muldiv_u64((half + 1) << PM_TIMER_CARRY, NSEC_PER_SEC, PM_TIMER_HZ) + 1);
	else
		timer_cancel(p->queue, &p->timer);
}

static void carry(void *arg, u64 now)
{
	(void)now;
	update(arg);
}

static u32 read_dword(struct acpi_pm *p, unsigned int n)
{
	switch (n) {
	case DWORD_EVENT:
		update(p);
		return p->status | (u32)p->enable << 16;
	case DWORD_CONTROL:
		return p->control;
	case DWORD_TIMER:
		return (u32)pulses(p) & PM_TIMER_MASK;
	default:
		return 0;
	}
}

static void write_control(struct acpi_pm *p, u32 value, u32 mask)
{
	mask &= PM1_CONTROL | PM1_SLP_EN;
	value = (p->control & ~mask) | (value & mask);
	p->control = value & PM1_CONTROL;
	update(p);
	if ((value & PM1_SLP_EN) && (value & PM1_SLP_TYP) >> PM1_SLP_TYP_SHIFT == PM_SLP_TYP_S5)
		p->power_off(p->ctx);
}

/* mask: the bits of the dword that the access covers. */
static void write_dword(struct acpi_pm *p, unsigned int n, u32 value, u32 mask)
{
	u32 enable_mask = mask >> 16 & PM1_ENABLE;

	switch (n) {
	case DWORD_EVENT:
		update(p); /* what happened before the write */
		p->status &= (u16) ~(value & mask & PM1_STATUS);
		p->enable = (u16)((p->enable & ~enable_mask) | (value >> 16 & enable_mask));
		update(p);
		break;
	case DWORD_CONTROL:
		if (mask)
			write_control(p, value, mask);
		break;
	default:
		break; /* the timer is read only */
	}
}

/* An access of any size at any offset is a part of one dword or of two that follow each other. */
static u32 pm_read(void *dev, u16 offset, unsigned int size)
{
	unsigned int n = offset / 4, shift = offset % 4 * 8;
	u64 value = read_dword(dev, n);

	if (shift / 8 + size > 4)
		value |= (u64)read_dword(dev, n + 1) << 32;
	return (u32)(value >> shift);
}

static void pm_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	unsigned int n = offset / 4, shift = offset % 4 * 8;
	u64 mask = (BIT64(8 * size) - 1) << shift;
	u64 bits = (u64)value << shift;

	write_dword(dev, n, (u32)bits, (u32)mask);
	if (mask >> 32)
		write_dword(dev, n + 1, (u32)(bits >> 32), (u32)(mask >> 32));
}

static const struct port_ops pm_ports = {
	.read = pm_read,
	.write = pm_write,
	.max_size = 4,
	.name = "acpi-pm",
};

static u32 smi_read(void *dev, u16 offset, unsigned int size)
{
	const struct acpi_pm *p = dev;

	(void)size;
	return p->apm[offset];
}

static void smi_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct acpi_pm *p = dev;

	(void)size;
	p->apm[offset] = (u8)value;
	if (offset != SMI_COMMAND)
		return;
	if (value == PM_ACPI_ENABLE)
		p->control |= PM1_SCI_EN;
	else if (value == PM_ACPI_DISABLE)
		p->control &= (u16)~PM1_SCI_EN;
	update(p);
}

static const struct port_ops smi_ports = {
	.read = smi_read,
	.write = smi_write,
	.max_size = 1,
	.name = "smi-command",
};

void acpi_pm_init(struct acpi_pm *p, struct timer_queue *q, struct irq_line sci,
		  void (*power_off)(void *ctx), void *ctx)
{
	memset(p, 0, sizeof(*p));
	p->queue = q;
	p->sci = sci;
	p->power_off = power_off;
	p->ctx = ctx;
	p->timer.fire = carry;
	p->timer.arg = p;
	acpi_pm_reset(p);
}

void acpi_pm_reset(struct acpi_pm *p)
{
	p->status = 0;
	p->enable = 0;
	p->control = 0;
	p->apm[0] = 0;
	p->apm[1] = 0;
	p->half_seen = pulses(p) >> PM_TIMER_CARRY;
	p->sci_level = false;
	irq_set(&p->sci, false);
	timer_cancel(p->queue, &p->timer);
}

void acpi_pm_power_button(struct acpi_pm *p)
{
	p->status |= PM1_PWRBTN;
	update(p);
}

void acpi_pm_move(struct acpi_pm *p, u16 base)
{
	if (p->base == base)
		return;
	if (p->base)
		bus_remove_port(p->bus, p->base, PM_LEN);
	p->base = 0;
	if (base && bus_add_port(p->bus, base, PM_LEN, &pm_ports, p) == 0)
		p->base = base;
}

int acpi_pm_attach(struct acpi_pm *p, struct bus *b)
{
	int err = bus_add_port(b, PM_BASE, PM_LEN, &pm_ports, p);

	if (err)
		return err;
	p->bus = b;
	p->base = PM_BASE;
	return bus_add_port(b, PM_SMI_CMD, SMI_PORTS, &smi_ports, p);
}
