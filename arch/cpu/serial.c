// SPDX-License-Identifier: MIT
/*
 * Driver of the machine's real 16550A: TI PC16550D data sheet (SNLS378C), sections 8.1 to 8.6.
 */
#include "serial.h"
#include "x86.h"

enum serial_reg {
	REG_DATA = 0, /* RBR, THR; divisor low while DLAB */
	REG_IER = 1,  /* divisor high while DLAB */
	REG_IIR = 2,  /* read */
	REG_FCR = 2,  /* write */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
};

#define IER_RX		 BIT(0)
#define IER_TX		 BIT(1)
#define IIR_NO_INTERRUPT BIT(0)
#define IIR_FIFOS	 (BIT(6) | BIT(7))
#define FCR_ENABLE	 BIT(0)
#define FCR_CLEAR	 (BIT(1) | BIT(2))
#define FCR_TRIGGER_8	 BIT(7)
#define LCR_8N1		 0x03
#define LCR_DLAB	 BIT(7)
#define MCR_DTR		 BIT(0)
#define MCR_RTS		 BIT(1)
#define MCR_OUT2	 BIT(3) /* lets the interrupt out on a PC */
#define LSR_DR		 BIT(0)
#define LSR_THRE	 BIT(5)
#define LSR_TEMT	 BIT(6)
#define LSR_ABSENT	 0xff /* nobody answers at this port */

#define SERIAL_CLOCK 115200U /* speed of divisor 1 */
#define FIFO_DEPTH   16
/* A port read takes about a microsecond; a byte at 50 baud takes 200 ms. */
#define WAIT_POLLS   250000

static u8 reg_read(const struct serial *s, enum serial_reg reg)
{
	return inb((u16)(s->base + reg));
}

static void reg_write(const struct serial *s, enum serial_reg reg, unsigned int value)
{
	outb((u16)(s->base + reg), (u8)value);
}

void serial_init(struct serial *s, u16 base, u32 speed)
{
	u32 divisor = speed == 0 || speed > SERIAL_CLOCK ? 1 : SERIAL_CLOCK / speed;

	*s = (struct serial){ .base = base };
	if (base == 0)
		return;
	if (reg_read(s, REG_LSR) == LSR_ABSENT) {
		s->base = 0;
		return;
	}
	reg_write(s, REG_IER, 0);
	reg_write(s, REG_LCR, LCR_DLAB | LCR_8N1);
	reg_write(s, REG_DATA, divisor & 0xff);
	reg_write(s, REG_IER, divisor >> 8);
	reg_write(s, REG_LCR, LCR_8N1);
	reg_write(s, REG_FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_8);
	reg_write(s, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	/* 8250 and 16450 have no FIFO, the first 16550 a broken one with only bit 7. */
	s->fifo = (reg_read(s, REG_IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_DEPTH : 1;
}

bool serial_try_put(struct serial *s, u8 byte)
{
	if (s->credit == 0) {
		if (!(reg_read(s, REG_LSR) & LSR_THRE))
			return false;
		s->credit = s->fifo;
		s->stuck = false;
	}
	s->credit--;
	reg_write(s, REG_DATA, byte);
	return true;
}

void serial_put(struct serial *s, u8 byte)
{
	if (s->base == 0)
		return;
	for (unsigned int i = 0; i < (s->stuck ? 1 : WAIT_POLLS); i++) {
		if (serial_try_put(s, byte))
			return;
		cpu_pause();
	}
	s->stuck = true;
}

int serial_get(struct serial *s)
{
	u8 lsr = reg_read(s, REG_LSR);

	if (lsr == LSR_ABSENT || !(lsr & LSR_DR))
		return -1;
	return reg_read(s, REG_DATA);
}

void serial_drain(struct serial *s)
{
	if (s->base == 0)
		return;
	for (unsigned int i = 0; i < WAIT_POLLS && !s->stuck; i++) {
		if (reg_read(s, REG_LSR) & LSR_TEMT)
			return;
		cpu_pause();
	}
}

void serial_set_irqs(struct serial *s, bool rx, bool tx)
{
	u8 ier = (u8)((rx ? IER_RX : 0) | (tx ? IER_TX : 0));

	if (ier == s->ier)
		return;
	s->ier = ier;
	reg_write(s, REG_IER, ier);
}

void serial_hold(struct serial *s, bool hold)
{
	if (hold == s->held)
		return;
	s->held = hold;
	reg_write(s, REG_MCR, MCR_DTR | MCR_OUT2 | (hold ? 0 : MCR_RTS));
}

bool serial_irq_pending(struct serial *s)
{
	return !(reg_read(s, REG_IIR) & IIR_NO_INTERRUPT);
}
