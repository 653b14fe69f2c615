/* SPDX-License-Identifier: MIT */
/*
 * 8042 keyboard controller. IBM PS/2 Hardware Interface Technical Reference (S84F-9809), "Keyboard
 * and Auxiliary Device Controller". The controller has an auxiliary port's commands but no device:
 * its interface test reports a dead clock line. A20 is a bit that can be read back: address line 20
 * is never masked.
 */
#include "dev/i8042.h"
#include "errors.h"
#include "lib.h"

enum {
	I8042_DATA_PORT = 0x60,
	I8042_COMMAND_PORT = 0x64,

	STATUS_OBF = BIT(0),
	STATUS_SYSTEM = BIT(2),
	STATUS_COMMAND = BIT(3), /* the last write was to port 64 */
	STATUS_UNLOCKED = BIT(4),

	COMMAND_BYTE_IRQ1 = BIT(0),
	COMMAND_BYTE_SYSTEM = BIT(2),
	COMMAND_BYTE_KBD_OFF = BIT(4),
	COMMAND_BYTE_AUX_OFF = BIT(5),
	COMMAND_BYTE_TRANSLATE = BIT(6),

	OUTPUT_NO_RESET = BIT(0),
	OUTPUT_A20 = BIT(1),
	OUTPUT_IRQ1 = BIT(4),
	OUTPUT_WRITABLE = 0xcf, /* all but the two interrupt lines */
	OUTPUT_POWER_ON = 0xc0 | OUTPUT_NO_RESET | OUTPUT_A20,
	INPUT_PORT = 0xa0, /* keyboard not locked, colour display jumper as usual */
};

/* Commands to port 64. */
enum {
	CMD_READ_RAM = 0x20,  /* to 3F; the first is the command byte */
	CMD_WRITE_RAM = 0x60, /* to 7F */
	CMD_RAM_MASK = 0x1f,
	CMD_AUX_OFF = 0xa7,
	CMD_AUX_ON = 0xa8,
	CMD_AUX_TEST = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_KBD_TEST = 0xab,
	CMD_KBD_OFF = 0xad,
	CMD_KBD_ON = 0xae,
	CMD_READ_INPUT = 0xc0,
	CMD_READ_OUTPUT = 0xd0,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_LOOP_KBD = 0xd2,
	CMD_LOOP_AUX = 0xd3,
	CMD_WRITE_AUX = 0xd4,
	CMD_A20_OFF = 0xdd,
	CMD_A20_ON = 0xdf,
	CMD_READ_TEST = 0xe0,
	CMD_PULSE = 0xf0, /* to FF; a 0 bit pulses its line of the output port */

	SELF_TEST_PASSED = 0x55,
	INTERFACE_PASSED = 0x00,
	INTERFACE_CLOCK_LOW = 0x01,
};

/*
 * What the controller makes of the keyboard's bytes: set 2 to set 1. F0 is swallowed, and sets bit 7
 * of what follows; other bytes above 7F are not changed but for two.
 */
enum {
	KBD_BREAK = 0xf0,
	TRANSLATED_BREAK = 0x80,
	KBD_F7 = 0x83,
	KBD_F7_TRANSLATED = 0x41,
	KBD_SYSREQ = 0x84,
	KBD_SYSREQ_TRANSLATED = 0x54,
};

static const u8 translation[0x80] = {
	0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
	0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
	0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
	0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
	0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
	0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
	0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
	0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
	0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static bool kbd_on(const struct i8042 *k)
{
	return !(k->command_byte & COMMAND_BYTE_KBD_OFF);
}

static void update_irq(struct i8042 *k)
{
	irq_set(&k->irq1, (k->status & STATUS_OBF) && (k->command_byte & COMMAND_BYTE_IRQ1) != 0);
}

/* The keyboard's next byte as the guest reads it, or -1. */
static int kbd_next(struct i8042 *k)
{
	int byte = keyboard_next(&k->keyboard);

	if (!(k->command_byte & COMMAND_BYTE_TRANSLATE)) {
		k->kbd_break = 0;
		return byte;
	}
	while (byte == KBD_BREAK) {
		k->kbd_break = TRANSLATED_BREAK;
		byte = keyboard_next(&k->keyboard);
	}
	if (byte == KBD_F7)
		byte = KBD_F7_TRANSLATED;
	else if (byte == KBD_SYSREQ)
		byte = KBD_SYSREQ_TRANSLATED;
	else if (byte >= 0 && byte < (int)ARRAY_SIZE(translation))
		byte = translation[byte];
	else
		return byte; /* none, or an answer in between */
	byte |= k->kbd_break;
	k->kbd_break = 0;
	return byte;
}

/* The next byte of the keyboard goes to the output buffer when that is free. */
static void refill(struct i8042 *k)
{
	if (!(k->status & STATUS_OBF) && kbd_on(k)) {
		int byte = kbd_next(k);

		if (byte >= 0) {
			k->data = (u8)byte;
			k->status |= STATUS_OBF;
		}
	}
	update_irq(k);
}

/* The controller's own answers do not wait for the keyboard's. */
static void answer(struct i8042 *k, u8 byte)
{
	k->data = byte;
	k->status |= STATUS_OBF;
	update_irq(k);
}

static void write_command_byte(struct i8042 *k, u8 byte)
{
	k->command_byte = byte;
	k->status &= (u8)~STATUS_SYSTEM;
	if (byte & COMMAND_BYTE_SYSTEM)
		k->status |= STATUS_SYSTEM;
	refill(k);
}

static void write_output_port(struct i8042 *k, u8 byte)
{
	k->output_port = byte & OUTPUT_WRITABLE;
	if (!(byte & OUTPUT_NO_RESET))
		k->reset(k->ctx);
}

static u8 read_output_port(const struct i8042 *k)
{
	bool irq = (k->status & STATUS_OBF) && (k->command_byte & COMMAND_BYTE_IRQ1);

	return k->output_port | (irq ? OUTPUT_IRQ1 : 0);
}

static void write_command(struct i8042 *k, u8 command)
{
	k->command = 0;
	k->status |= STATUS_COMMAND;
	if (command >= CMD_PULSE) {
		if (!(command & OUTPUT_NO_RESET))
			k->reset(k->ctx);
		return;
	}
	if ((command & ~CMD_RAM_MASK) == CMD_READ_RAM) {
		answer(k,
		       command == CMD_READ_RAM ? k->command_byte : k->ram[command & CMD_RAM_MASK]);
		return;
	}
	if ((command & ~CMD_RAM_MASK) == CMD_WRITE_RAM) {
		k->command = command;
		return;
	}
	switch (command) {
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KBD:
	case CMD_LOOP_AUX:
	case CMD_WRITE_AUX:
		k->command = command;
		break;
	case CMD_AUX_OFF:
		write_command_byte(k, k->command_byte | COMMAND_BYTE_AUX_OFF);
		break;
	case CMD_AUX_ON:
		write_command_byte(k, k->command_byte & (u8)~COMMAND_BYTE_AUX_OFF);
		break;
	case CMD_AUX_TEST:
		answer(k, INTERFACE_CLOCK_LOW);
		break;
	case CMD_SELF_TEST:
		write_command_byte(k, k->command_byte | COMMAND_BYTE_SYSTEM);
		answer(k, SELF_TEST_PASSED);
		break;
	case CMD_KBD_TEST:
		answer(k, INTERFACE_PASSED);
		break;
	case CMD_KBD_OFF:
		write_command_byte(k, k->command_byte | COMMAND_BYTE_KBD_OFF);
		break;
	case CMD_KBD_ON:
		write_command_byte(k, k->command_byte & (u8)~COMMAND_BYTE_KBD_OFF);
		break;
	case CMD_READ_INPUT:
		answer(k, INPUT_PORT);
		break;
	case CMD_READ_OUTPUT:
		answer(k, read_output_port(k));
		break;
	case CMD_A20_OFF:
		k->output_port &= (u8)~OUTPUT_A20;
		break;
	case CMD_A20_ON:
		k->output_port |= OUTPUT_A20;
		break;
	case CMD_READ_TEST:
		answer(k, 0);
		break;
	default:
		break; /* no such command: nothing happens */
	}
}

static void write_data(struct i8042 *k, u8 byte)
{
	u8 command = k->command;

	k->command = 0;
	k->status &= (u8)~STATUS_COMMAND;
	if (command == 0) {
		/* Sending to the keyboard enables its interface. */
		k->command_byte &= (u8)~COMMAND_BYTE_KBD_OFF;
		keyboard_write(&k->keyboard, byte);
		refill(k);
	} else if (command == CMD_WRITE_RAM) {
		write_command_byte(k, byte);
	} else if ((command & ~CMD_RAM_MASK) == CMD_WRITE_RAM) {
		k->ram[command & CMD_RAM_MASK] = byte;
	} else if (command == CMD_WRITE_OUTPUT) {
		write_output_port(k, byte);
	} else if (command != CMD_WRITE_AUX) {
		answer(k, byte); /* loops; without a device nothing is marked as its */
	}
}

static u32 data_read(void *dev, u16 offset, unsigned int size)
{
	struct i8042 *k = dev;
	u8 byte = k->data;

	(void)offset;
	(void)size;
	/* The line falls before the next byte raises it. */
	k->status &= (u8)~STATUS_OBF;
	update_irq(k);
	refill(k);
	return byte;
}

static void data_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	(void)offset;
	(void)size;
	write_data(dev, (u8)value);
}

static u32 status_read(void *dev, u16 offset, unsigned int size)
{
	const struct i8042 *k = dev;

	(void)offset;
	(void)size;
	return k->status;
}

static void command_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	(void)offset;
	(void)size;
	write_command(dev, (u8)value);
}

static const struct port_ops data_ops = {
	.read = data_read,
	.write = data_write,
	.max_size = 1,
	.name = "i8042-data",
};

static const struct port_ops command_ops = {
	.read = status_read,
	.write = command_write,
	.max_size = 1,
	.name = "i8042-command",
};

void i8042_init(struct i8042 *k, struct irq_line irq1, struct irq_line irq12,
		void (*reset)(void *ctx), int (*typed)(void *ctx), void *ctx)
{
	memset(k, 0, sizeof(*k));
	keyboard_init(&k->keyboard, typed, ctx);
	k->irq1 = irq1;
	k->irq12 = irq12;
	k->reset = reset;
	k->ctx = ctx;
	i8042_reset(k);
}

/* As firmware leaves it after its self test: translation and IRQ1 on. */
void i8042_reset(struct i8042 *k)
{
	k->status = STATUS_SYSTEM | STATUS_UNLOCKED;
	k->command_byte = COMMAND_BYTE_IRQ1 | COMMAND_BYTE_SYSTEM | COMMAND_BYTE_AUX_OFF |
			  COMMAND_BYTE_TRANSLATE;
	k->output_port = OUTPUT_POWER_ON;
	k->command = 0;
	k->data = 0;
	memset(k->ram, 0, sizeof(k->ram));
	k->kbd_break = 0;
	keyboard_reset(&k->keyboard);
	irq_set(&k->irq1, false);
	irq_set(&k->irq12, false);
}

void i8042_typed(struct i8042 *k)
{
	refill(k);
}

int i8042_attach(struct i8042 *k, struct bus *b)
{
	int err = bus_add_port(b, I8042_DATA_PORT, 1, &data_ops, k);

	return err ? err : bus_add_port(b, I8042_COMMAND_PORT, 1, &command_ops, k);
}
