/* SPDX-License-Identifier: MIT */
/*
 * The emulated i440FX/PIIX-class board (dev/board.c): the devices, wired.
 */
#ifndef PLINTH_BOARD_H
#define PLINTH_BOARD_H

#include "bus.h"
#include "spinlock.h"
#include "dev/acpi_pm.h"
#include "dev/fw_cfg.h"
#include "dev/i8042.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/pci.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/reset.h"
#include "dev/rtc.h"
#include "dev/test_device.h"
#include "dev/uart.h"

/* What the guest asked the machine to do; taken by the run loop. */
enum board_request {
	BOARD_NONE,
	BOARD_RESET,
	BOARD_POWER_OFF,
	BOARD_DEBUG_EXIT,
	BOARD_CRASHED, /* Plinth stopped it: vcpu_stop_guest() */
};

/* What the board needs from outside. */
struct board_host {
	u64 (*now)(void);
	u64 (*wallclock)(void);
	struct uart_backend com1;    /* tx == NULL: nothing on the other end */
	int (*keyboard)(void *ctx);  /* next character that was typed, or -1; NULL: nobody types */
	u16 debug_exit_port;	     /* 0: absent */
	bool test_device;	     /* present */
	struct fw_cfg_memory memory; /* of the guest, under the board's lock */
	/* INTR of the 8259 changed, a request was made: the vCPUs must look. Any CPU. */
	void (*kick)(void *ctx);
	void *ctx;
};

struct board {
	struct spinlock lock; /* all below but the LAPICs */
	struct bus bus;
	struct timer_queue timers;
	struct apic_bus apic_bus;
	struct pic pic;
	struct ioapic ioapic;
	struct pit pit;
	struct rtc rtc;
	struct uart uart[2]; /* [1], COM2, is not on the bus: nothing is on its other end */
	struct acpi_pm pm;
	struct pci pci;
	struct i8042 i8042;
	struct reset_ports reset;
	struct fw_cfg fw_cfg;
	struct test_device test_device;
	enum board_request request; /* the first one made, until somebody takes it */
	u32 debug_exit_value;
	struct board_host host;
};

/* Creates and attaches all devices. 0 or a negative error of an attach. */
int board_init(struct board *b, const struct board_host *host, u64 ram_below_4g, u64 ram_above_4g);
/* The other ends of COM1 and of the keyboard have bytes or room again. */
void board_console_ready(struct board *b);
/* Power-on state of every device except the LAPICs. */
void board_reset(struct board *b);
/*
 * ISA interrupt 0-15 from a device: PIC input n and IOAPIC pin n (0 goes to pin 2, as the MADT
 * says).
 */
void board_isa_irq(void *board, unsigned int irq, bool level);

#endif
