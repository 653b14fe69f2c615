/* SPDX-License-Identifier: MIT */
/*
 * The board: which device is on which port and which wire. ISA interrupts as on an i440FX/PIIX3
 * machine; the timer is on pin 2 of the I/O APIC, as the MADT's interrupt source override says
 * (ACPI 6.4, 5.2.12.5). There is no COM2: with nothing on its other end an absent port is what
 * drivers expect.
 */
#include "board.h"
#include "lib.h"

enum isa_irq {
	IRQ_PIT = 0,
	IRQ_KEYBOARD = 1,
	IRQ_CASCADE = 2,
	IRQ_COM1 = 4,
	IRQ_RTC = 8,
	IRQ_MOUSE = 12,
	ISA_IRQS = 16,
};

#define PIT_IOAPIC_PIN 2
#define COM1_PORT      0x3f8

void board_isa_irq(void *board, unsigned int irq, bool level)
{
	struct board *b = board;

	/* Input 2 of the first 8259A is where the second one is. */
	if (irq >= ISA_IRQS || irq == IRQ_CASCADE)
		return;
	pic_set_line(&b->pic, irq, level);
	ioapic_set_line(&b->ioapic, irq == IRQ_PIT ? PIT_IOAPIC_PIN : irq, level);
}

/* A pin of the I/O APIC; the ISA interrupts are on the 8259s as well. */
static void test_line(void *board, unsigned int pin, bool level)
{
	struct board *b = board;

	if (pin < ISA_IRQS)
		board_isa_irq(b, pin, level);
	else
		ioapic_set_line(&b->ioapic, pin, level);
}

static void kick(struct board *b)
{
	if (b->host.kick)
		b->host.kick(b->host.ctx);
}

/* INTR of the 8259A pair: LINT0 of the boot processor. */
static void pic_intr(void *board, unsigned int line, bool level)
{
	struct board *b = board;

	(void)line;
	if (b->apic_bus.lapic[0])
		lapic_set_lint0(b->apic_bus.lapic[0], level);
	kick(b);
}

/* What the guest asked for first is what happens. */
static void make_request(struct board *b, enum board_request request)
{
	if (b->request == BOARD_NONE)
		b->request = request;
	kick(b);
}

static void request_reset(void *board)
{
	make_request(board, BOARD_RESET);
}

static int typed(void *board)
{
	struct board *b = board;

	return b->host.keyboard(b->host.ctx);
}

static void request_power_off(void *board)
{
	make_request(board, BOARD_POWER_OFF);
}

static void request_debug_exit(void *board, u32 value)
{
	struct board *b = board;

	if (b->request == BOARD_NONE)
		b->debug_exit_value = value;
	make_request(b, BOARD_DEBUG_EXIT);
}

static void pm_changed(void *board)
{
	struct board *b = board;

	acpi_pm_move(&b->pm, pci_pm_base(&b->pci));
}

static struct irq_line isa_line(struct board *b, enum isa_irq irq)
{
	return (struct irq_line){ .set = board_isa_irq, .ctx = b, .line = irq };
}

static int attach_all(struct board *b)
{
	struct bus *bus = &b->bus;
	int err;

	if ((err = pic_attach(&b->pic, bus)) != 0 || (err = ioapic_attach(&b->ioapic, bus)) != 0 ||
	    (err = pit_attach(&b->pit, bus)) != 0 || (err = rtc_attach(&b->rtc, bus)) != 0 ||
	    (err = uart_attach(&b->uart[0], bus, COM1_PORT)) != 0 ||
	    (err = acpi_pm_attach(&b->pm, bus)) != 0 || (err = pci_attach(&b->pci, bus)) != 0 ||
	    (err = i8042_attach(&b->i8042, bus)) != 0 ||
	    (err = fw_cfg_attach(&b->fw_cfg, bus)) != 0 ||
	    (err = reset_ports_attach(&b->reset, bus, b->host.debug_exit_port)) != 0)
		return err;
	return b->host.test_device ? test_device_attach(&b->test_device, bus) : 0;
}

int board_init(struct board *b, const struct board_host *host, u64 ram_below_4g, u64 ram_above_4g)
{
	memset(&b->lock, 0, sizeof(b->lock));
	b->host = *host;
	b->request = BOARD_NONE;
	b->debug_exit_value = 0;
	bus_init(&b->bus);
	timer_queue_init(&b->timers, host->now);
	pic_init(&b->pic, (struct irq_line){ .set = pic_intr, .ctx = b });
	ioapic_init(&b->ioapic, &b->apic_bus);
	pit_init(&b->pit, &b->timers, isa_line(b, IRQ_PIT));
	rtc_init(&b->rtc, &b->timers, host->wallclock, isa_line(b, IRQ_RTC));
	rtc_set_memory(&b->rtc, ram_below_4g, ram_above_4g);
	uart_init(&b->uart[0], &b->timers, &b->host.com1, isa_line(b, IRQ_COM1));
	acpi_pm_init(&b->pm, &b->timers, isa_line(b, PM_SCI_IRQ), request_power_off, b);
	pci_init(&b->pci);
	b->pci.pm_changed = pm_changed;
	b->pci.ctx = b;
	i8042_init(&b->i8042, isa_line(b, IRQ_KEYBOARD), isa_line(b, IRQ_MOUSE), request_reset,
		   host->keyboard ? typed : NULL, b);
	fw_cfg_init(&b->fw_cfg, &host->memory);
	reset_ports_init(&b->reset, request_reset, request_power_off, request_debug_exit, b);
	test_device_init(&b->test_device, test_line, b);
	return attach_all(b);
}

void board_console_ready(struct board *b)
{
	uart_backend_ready(&b->uart[0]);
	i8042_typed(&b->i8042);
}

void board_reset(struct board *b)
{
	b->request = BOARD_NONE;
	b->debug_exit_value = 0;
	/*
	 * The interrupt controllers come first: the devices then put their lines where they belong.
	 */
	pic_reset(&b->pic);
	ioapic_reset(&b->ioapic);
	pit_reset(&b->pit);
	rtc_reset(&b->rtc);
	uart_reset(&b->uart[0]);
	acpi_pm_reset(&b->pm);
	pci_reset(&b->pci);
	pm_changed(b);
	i8042_reset(&b->i8042);
	fw_cfg_reset(&b->fw_cfg);
	reset_ports_reset(&b->reset);
	test_device_init(&b->test_device, test_line, b);
}
