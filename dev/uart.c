/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART. TI PC16550D data sheet (SNLS378C), chapter 8 (registers) and 8.4 (FIFO operation).
 *
 * A byte leaves the moment it is written, unless the backend is full: then it waits in the
 * transmitter FIFO and THRE stays clear. The receiver takes bytes from the backend only while it
 * has room, so that the line itself never overruns; loopback can. The sheet's OUT2 pin is what a PC
 * gates the interrupt with; its register bit is used, in loopback too (where the pin would be
 * forced inactive), as drivers that test themselves in loopback expect.
 */
#include "dev/uart.h"
#include "errors.h"
#include "lib.h"
#include "time.h"

enum uart_reg {
	UART_DATA = 0, /* RBR, THR; DLL with DLAB */
	UART_IER = 1,  /* DLM with DLAB */
	UART_IIR = 2,  /* FCR when written */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCR = 7,
	UART_PORTS = 8,
};

enum {
	IER_RX = BIT(0),
	IER_THRE = BIT(1),
	IER_LINE = BIT(2),
	IER_MODEM = BIT(3),
	IER_MASK = 0x0f,

	IIR_MODEM = 0x00,
	IIR_NONE = 0x01,
	IIR_THRE = 0x02,
	IIR_RX = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFOS = 0xc0,

	FCR_ENABLE = BIT(0),
	FCR_RESET_RX = BIT(1),
	FCR_RESET_TX = BIT(2),
	FCR_DMA = BIT(3),
	FCR_TRIGGER_SHIFT = 6,

	LCR_LENGTH = 0x03,
	LCR_STOP = BIT(2),
	LCR_PARITY = BIT(3),
	LCR_BREAK = BIT(6),
	LCR_DLAB = BIT(7),

	MCR_DTR = BIT(0),
	MCR_RTS = BIT(1),
	MCR_OUT1 = BIT(2),
	MCR_OUT2 = BIT(3),
	MCR_LOOP = BIT(4),
	MCR_MASK = 0x1f,

	LSR_DR = BIT(0),
	LSR_OE = BIT(1),
	LSR_PE = BIT(2),
	LSR_FE = BIT(3),
	LSR_BI = BIT(4),
	LSR_THRE = BIT(5),
	LSR_TEMT = BIT(6),
	LSR_FIFO_ERROR = BIT(7),
	LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI,

	MSR_DELTAS = 0x0f,
	MSR_TERI = BIT(2),
	MSR_CTS = BIT(4),
	MSR_DSR = BIT(5),
	MSR_RI = BIT(6),
	MSR_DCD = BIT(7),
	MSR_DELTA_SHIFT = 4,
};

#define UART_CLOCK	   1843200ULL /* the PC's crystal */
#define UART_CLOCKS_A_BIT  16
#define UART_RESET_DIVISOR 12 /* 9600 baud; the sheet leaves it undefined */
#define UART_TIMEOUT_CHARS 4
#define UART_MIN_BITS	   5 /* LCR_LENGTH 0 */

static const u8 rx_triggers[] = { 1, 4, 8, 14 };

static bool fifos(const struct uart *u)
{
	return u->fcr & FCR_ENABLE;
}

static unsigned int capacity(const struct uart *u)
{
	return fifos(u) ? UART_FIFO : 1;
}

static bool looped(const struct uart *u)
{
	return u->mcr & MCR_LOOP;
}

static bool connected(const struct uart *u)
{
	return u->backend && u->backend->tx;
}

/*
 * The bits of a byte that come back in loopback. The line to the other end is a stream of whole
 * bytes, so that a guest that never chose a word length (5 bits after reset) can be read, as it can
 * be on a machine whose firmware chose.
 */
static u8 word_bits(const struct uart *u, u8 byte)
{
	return byte & (u8)(BIT(UART_MIN_BITS + (u->lcr & LCR_LENGTH)) - 1);
}

/* Four character times: start, data, parity and stop bits (1.5 stop bits count as 2). */
static u64 timeout_ns(const struct uart *u)
{
	unsigned int bits = 1 + UART_MIN_BITS + (u->lcr & LCR_LENGTH) +
			    (u->lcr & LCR_PARITY ? 1U : 0U) + (u->lcr & LCR_STOP ? 2U : 1U);
	u64 divisor = u->divisor ? u->divisor : 1;

	return NSEC_PER_SEC * UART_TIMEOUT_CHARS * bits * UART_CLOCKS_A_BIT * divisor / UART_CLOCK;
}

/* The interrupt of the highest priority, table 5 of the sheet. */
static u8 interrupt_id(const struct uart *u)
{
	if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS))
		return IIR_LINE;
	if ((u->ier & IER_RX) && u->rx_count >= u->rx_trigger)
		return IIR_RX;
	if ((u->ier & IER_RX) && u->timeout_pending)
		return IIR_TIMEOUT;
	if ((u->ier & IER_THRE) && u->thre_pending)
		return IIR_THRE;
	if ((u->ier & IER_MODEM) && (u->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_irq(struct uart *u)
{
	bool level = (u->mcr & MCR_OUT2) && interrupt_id(u) != IIR_NONE;

	if (level != u->irq_level) {
		u->irq_level = level;
		irq_set(&u->irq, level);
	}
}

/* The timeout counts from the last byte received or read, while bytes wait. */
static void restart_timeout(struct uart *u)
{
	u->timeout_pending = false;
	if (fifos(u) && u->rx_count)
		timer_arm(u->queue, &u->timer, u->queue->now() + timeout_ns(u));
	else
		timer_cancel(u->queue, &u->timer);
}

static void timeout(void *arg, u64 now)
{
	struct uart *u = arg;

	(void)now;
	u->timeout_pending = true;
	update_irq(u);
}

/* Errors of a byte show when it is the next to be read. */
static void show_head(struct uart *u)
{
	if (u->rx_count) {
		u->lsr |= LSR_DR;
		u->lsr |= u->rx_err[u->rx_head];
	} else {
		u->lsr &= (u8)~LSR_DR;
	}
}

static void rx_push(struct uart *u, u8 byte, u8 errors)
{
	unsigned int at = (u->rx_head + u->rx_count) % UART_FIFO;

	if (u->rx_count == capacity(u)) {
		u->lsr |= LSR_OE;
		u->overruns++;
		/* A FIFO keeps what it has; a single holding register is written over. */
		if (fifos(u))
			return;
		at = u->rx_head;
		u->rx_count = 0;
	}
	u->rx[at] = byte;
	u->rx_err[at] = errors;
	if (u->rx_count++ == 0)
		show_head(u);
	restart_timeout(u);
}

static void rx_clear(struct uart *u)
{
	u->rx_head = 0;
	u->rx_count = 0;
	show_head(u);
	restart_timeout(u);
}

/* Loopback disconnects the receiver from the line: then what comes waits in the backend. */
static void pull(struct uart *u)
{
	if (!connected(u) || !u->backend->rx || looped(u))
		return;
	while (u->rx_count < capacity(u)) {
		int byte = u->backend->rx(u->backend->ctx);

		if (byte < 0)
			break;
		rx_push(u, (u8)byte, 0);
	}
}

/* False: the other end is full. */
static bool transmit(struct uart *u, u8 byte)
{
	if (u->lcr & LCR_BREAK)
		return true; /* the line is held at space: the byte is lost on it */
	if (looped(u)) {
		rx_push(u, word_bits(u, byte), 0);
		return true;
	}
	return !connected(u) || u->backend->tx(u->backend->ctx, byte);
}

static void tx_empty(struct uart *u)
{
	u->lsr |= LSR_THRE | LSR_TEMT;
	u->thre_pending = true;
}

static void tx_drain(struct uart *u)
{
	if (u->tx_count == 0)
		return;
	while (u->tx_count) {
		if (!transmit(u, u->tx[u->tx_head]))
			return;
		u->tx_head = (u8)((u->tx_head + 1) % UART_FIFO);
		u->tx_count--;
	}
	tx_empty(u);
}

static void tx_clear(struct uart *u)
{
	if (u->tx_count == 0)
		return;
	u->tx_head = 0;
	u->tx_count = 0;
	tx_empty(u);
}

static void write_thr(struct uart *u, u8 byte)
{
	u->thre_pending = false;
	if (u->tx_count == 0 && transmit(u, byte)) {
		tx_empty(u);
		return;
	}
	u->lsr &= (u8) ~(LSR_THRE | LSR_TEMT);
	/*
	 * A byte too many: the FIFO drops it, the single holding register takes it instead of the
	 * old one.
	 */
	if (u->tx_count == capacity(u)) {
		if (fifos(u))
			return;
		u->tx_count = 0;
	}
	u->tx[(u->tx_head + u->tx_count) % UART_FIFO] = byte;
	u->tx_count++;
}

static u8 read_rbr(struct uart *u)
{
	u8 byte = u->rx[u->rx_head];

	if (u->rx_count) {
		u->rx_head = (u8)((u->rx_head + 1) % UART_FIFO);
		u->rx_count--;
		show_head(u);
	}
	restart_timeout(u);
	pull(u);
	return byte;
}

static void write_fcr(struct uart *u, u8 value)
{
	if ((value ^ u->fcr) & FCR_ENABLE)
		value |= FCR_RESET_RX | FCR_RESET_TX;
	else if (!(value & FCR_ENABLE))
		return; /* the other bits are programmed only together with it */
	u->fcr = value & (u8) ~(FCR_RESET_RX | FCR_RESET_TX);
	u->rx_trigger = fifos(u) ? rx_triggers[value >> FCR_TRIGGER_SHIFT] : 1;
	if (value & FCR_RESET_RX)
		rx_clear(u);
	if (value & FCR_RESET_TX)
		tx_clear(u);
	pull(u);
}

static void write_lcr(struct uart *u, u8 value)
{
	bool rising = (value & ~u->lcr) & LCR_BREAK;

	u->lcr = value;
	if (rising && looped(u))
		rx_push(u, 0, LSR_BI);
}

/* The modem inputs as they are now: from the other end, or in loopback from MCR. */
static u8 modem_inputs(const struct uart *u)
{
	u8 in = 0;

	if (!looped(u))
		return connected(u) ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
	if (u->mcr & MCR_RTS)
		in |= MSR_CTS;
	if (u->mcr & MCR_DTR)
		in |= MSR_DSR;
	if (u->mcr & MCR_OUT1)
		in |= MSR_RI;
	if (u->mcr & MCR_OUT2)
		in |= MSR_DCD;
	return in;
}

static void update_modem(struct uart *u)
{
	u8 in = modem_inputs(u);
	u8 delta = (u8)(((in ^ u->msr) & ~MSR_DELTAS) >> MSR_DELTA_SHIFT);

	/* The ring indicator reports its trailing edge only. */
	if (in & MSR_RI)
		delta &= (u8)~MSR_TERI;
	u->msr = (u8)(in | (u->msr & MSR_DELTAS) | delta);
}

static void write_mcr(struct uart *u, u8 value)
{
	u->mcr = value & MCR_MASK;
	update_modem(u);
	tx_drain(u);
	pull(u);
}

static void write_ier(struct uart *u, u8 value)
{
	/* Enabling the interrupt reports a transmitter that is empty already. */
	if ((value & ~u->ier & IER_THRE) && (u->lsr & LSR_THRE))
		u->thre_pending = true;
	u->ier = value & IER_MASK;
}

static u8 read_iir(struct uart *u)
{
	u8 id = interrupt_id(u);

	if (id == IIR_THRE) {
		u->thre_pending = false;
		update_irq(u);
	}
	return fifos(u) ? id | IIR_FIFOS : id;
}

static u8 read_lsr(struct uart *u)
{
	u8 value = u->lsr;

	if (fifos(u))
		for (unsigned int i = 0; i < u->rx_count; i++)
			if (u->rx_err[(u->rx_head + i) % UART_FIFO])
				value |= LSR_FIFO_ERROR;
	if (value & LSR_ERRORS) {
		u->lsr &= (u8)~LSR_ERRORS;
		u->rx_err[u->rx_head] = 0;
		update_irq(u);
	}
	return value;
}

static u8 read_msr(struct uart *u)
{
	u8 value = u->msr;

	if (value & MSR_DELTAS) {
		u->msr &= (u8)~MSR_DELTAS;
		update_irq(u);
	}
	return value;
}

static u32 uart_read(void *dev, u16 offset, unsigned int size)
{
	struct uart *u = dev;
	u8 byte;

	(void)size;
	switch ((enum uart_reg)offset) {
	case UART_DATA:
		if (u->lcr & LCR_DLAB)
			return u->divisor & 0xff;
		byte = read_rbr(u);
		update_irq(u);
		return byte;
	case UART_IER:
		return u->lcr & LCR_DLAB ? u->divisor >> 8 : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		return read_lsr(u);
	case UART_MSR:
		return read_msr(u);
	case UART_SCR:
		return u->scr;
	case UART_PORTS:
		break;
	}
	return 0xff;
}

static void uart_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct uart *u = dev;
	u8 byte = (u8)value;

	(void)size;
	switch ((enum uart_reg)offset) {
	case UART_DATA:
		if (u->lcr & LCR_DLAB)
			u->divisor = (u16)((u->divisor & 0xff00) | byte);
		else
			write_thr(u, byte);
		break;
	case UART_IER:
		if (u->lcr & LCR_DLAB)
			u->divisor = (u16)((u->divisor & 0x00ff) | byte << 8);
		else
			write_ier(u, byte);
		break;
	case UART_IIR:
		write_fcr(u, byte);
		break;
	case UART_LCR:
		write_lcr(u, byte);
		break;
	case UART_MCR:
		write_mcr(u, byte);
		break;
	case UART_SCR:
		u->scr = byte;
		return;
	case UART_LSR: /* factory test only */
	case UART_MSR:
	case UART_PORTS:
		return;
	}
	update_irq(u);
}

static const struct port_ops uart_ports = {
	.read = uart_read,
	.write = uart_write,
	.max_size = 1,
	.name = "uart",
};

void uart_init(struct uart *u, struct timer_queue *q, const struct uart_backend *backend,
	       struct irq_line irq)
{
	memset(u, 0, sizeof(*u));
	u->queue = q;
	u->backend = backend;
	u->irq = irq;
	u->timer.fire = timeout;
	u->timer.arg = u;
	uart_reset(u);
}

void uart_reset(struct uart *u)
{
	timer_cancel(u->queue, &u->timer);
	u->ier = 0;
	u->fcr = 0;
	u->lcr = 0;
	u->mcr = 0;
	u->lsr = LSR_THRE | LSR_TEMT;
	u->msr = modem_inputs(u);
	u->scr = 0;
	u->divisor = UART_RESET_DIVISOR;
	u->rx_head = 0;
	u->rx_count = 0;
	u->rx_trigger = 1;
	u->tx_head = 0;
	u->tx_count = 0;
	u->thre_pending = false;
	u->timeout_pending = false;
	u->irq_level = false;
	irq_set(&u->irq, false);
}

void uart_backend_ready(struct uart *u)
{
	tx_drain(u);
	pull(u);
	update_irq(u);
}

int uart_attach(struct uart *u, struct bus *b, u16 port)
{
	return bus_add_port(b, port, UART_PORTS, &uart_ports, u);
}
