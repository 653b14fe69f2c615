/* SPDX-License-Identifier: MIT */
/*
 * ACPI power-management registers (dev/acpi_pm.c) at 600: PM1 event and control, PM timer; SMI
 * command port B2. ACPI 6.4 4.8; layout of the 82371AB (PIIX4). Under the board's lock.
 */
#ifndef PLINTH_DEV_ACPI_PM_H
#define PLINTH_DEV_ACPI_PM_H

#include "../bus.h"
#include "../irq.h"
#include "../timer.h"

#define PM_BASE		0x600
#define PM1_EVT_OFFSET	0x0  /* status, enable: 4 bytes */
#define PM1_CNT_OFFSET	0x4  /* 2 bytes */
#define PM_TMR_OFFSET	0x8  /* 4 bytes, 24-bit counter */
#define PM_LEN		0x0c /* the 82371AB decodes 64 bytes; ours end with the timer */
#define PM_TIMER_HZ	3579545ULL
#define PM_SMI_CMD	0xb2
#define PM_ACPI_ENABLE	0xf1
#define PM_ACPI_DISABLE 0xf0
#define PM_SLP_TYP_S5	0 /* soft off: fixed by the chip, and firmware does not ask the DSDT */
#define PM_SCI_IRQ	9

struct acpi_pm {
	u16 status, enable, control;
	u8 apm[2];	    /* what was last written to the SMI command port and the next one */
	u64 half_seen;	    /* half turns of the timer that the status knows of */
	struct timer timer; /* timer carry */
	struct timer_queue *queue;
	struct irq_line sci;
	bool sci_level;
	u16 base; /* where the bus has it, 0 = nowhere */
	struct bus *bus;
	void (*power_off)(void *ctx);
	void *ctx;
};

void acpi_pm_init(struct acpi_pm *p, struct timer_queue *q, struct irq_line sci,
		  void (*power_off)(void *ctx), void *ctx);
void acpi_pm_reset(struct acpi_pm *p);
void acpi_pm_power_button(struct acpi_pm *p);
/* At PM_BASE, with the SMI command port. */
int acpi_pm_attach(struct acpi_pm *p, struct bus *b);
/* Follows the PCI register: elsewhere, or nowhere with base 0 and where other devices are. */
void acpi_pm_move(struct acpi_pm *p, u16 base);

#endif
