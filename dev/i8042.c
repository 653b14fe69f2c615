/* SPDX-License-Identifier: MIT */
/*
 * 8042 keyboard controller and its keyboard. IBM PS/2 Hardware Interface Technical Reference
 * (S84F-9809), "Keyboard and Auxiliary Device Controller" and "Keyboard". The controller has an
 * auxiliary port's commands but no device: its interface test reports a dead clock line. A20 is a
 * bit that can be read back: address line 20 is never masked.
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

/* The keyboard's commands and answers. */
enum {
	KBD_LEDS = 0xed,
	KBD_ECHO = 0xee,
	KBD_SCAN_SET = 0xf0,
	KBD_IDENTIFY = 0xf2,
	KBD_RATE = 0xf3,
	KBD_ENABLE = 0xf4,
	KBD_DISABLE = 0xf5,
	KBD_DEFAULTS = 0xf6,
	KBD_ALL_FIRST = 0xf7, /* to FA: key types of set 3, for all keys */
	KBD_ALL_LAST = 0xfa,
	KBD_ACK = 0xfa,
	KBD_RESEND = 0xfe,
	KBD_RESET = 0xff,
	KBD_SELF_TEST_PASSED = 0xaa,
	KBD_ID_1 = 0xab,
	KBD_ID_2 = 0x83,
	KBD_ID_2_TRANSLATED = 0x41,
	KBD_SET_DEFAULT = 2,
	KBD_SETS = 3,
};

/* The number of a scan code set, as the controller translates it. */
static const u8 translated_set[KBD_SETS + 1] = { 0, 0x43, 0x41, 0x3f };

static bool kbd_on(const struct i8042 *k)
{
	return !(k->command_byte & COMMAND_BYTE_KBD_OFF);
}

static void update_irq(struct i8042 *k)
{
	irq_set(&k->irq1, (k->status & STATUS_OBF) && (k->command_byte & COMMAND_BYTE_IRQ1) != 0);
}

/* The next byte of the keyboard goes to the output buffer when that is free. */
static void refill(struct i8042 *k)
{
	if (!(k->status & STATUS_OBF) && k->out_count && kbd_on(k)) {
		k->data = k->out[k->out_head];
		k->kbd_last = k->data;
		k->out_head = (u8)((k->out_head + 1) % I8042_QUEUE);
		k->out_count--;
		k->status |= STATUS_OBF;
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

static bool kbd_put(struct i8042 *k, u8 byte)
{
	if (k->out_count == I8042_QUEUE)
		return false;
	k->out[(k->out_head + k->out_count) % I8042_QUEUE] = byte;
	k->out_count++;
	return true;
}

/* An answer to a command pushes aside what was typed. */
static void kbd_flush(struct i8042 *k)
{
	k->out_head = 0;
	k->out_count = 0;
}

static bool translating(const struct i8042 *k)
{
	return k->command_byte & COMMAND_BYTE_TRANSLATE;
}

static void kbd_defaults(struct i8042 *k)
{
	k->kbd_set = KBD_SET_DEFAULT;
	k->kbd_command = 0;
	kbd_flush(k);
}

/* The data byte of ED, F0 or F3. */
static void kbd_parameter(struct i8042 *k, u8 byte)
{
	u8 command = k->kbd_command;

	k->kbd_command = 0;
	if (command == KBD_SCAN_SET && byte > KBD_SETS) {
		kbd_put(k, KBD_RESEND);
		return;
	}
	kbd_put(k, KBD_ACK);
	if (command != KBD_SCAN_SET)
		return;
	if (byte == 0)
		kbd_put(k, translating(k) ? translated_set[k->kbd_set] : k->kbd_set);
	else
		k->kbd_set = byte;
}

static void kbd_write(struct i8042 *k, u8 byte)
{
	/* A command takes the place of a parameter: those are below it. */
	if (k->kbd_command && byte < KBD_LEDS) {
		kbd_parameter(k, byte);
		return;
	}
	k->kbd_command = 0;
	switch (byte) {
	case KBD_LEDS:
	case KBD_SCAN_SET:
	case KBD_RATE:
		kbd_put(k, KBD_ACK);
		k->kbd_command = byte;
		break;
	case KBD_ECHO:
		kbd_put(k, KBD_ECHO);
		break;
	case KBD_IDENTIFY:
		kbd_put(k, KBD_ACK);
		kbd_put(k, KBD_ID_1);
		kbd_put(k, translating(k) ? KBD_ID_2_TRANSLATED : KBD_ID_2);
		break;
	case KBD_ENABLE:
		kbd_flush(k);
		k->kbd_scanning = true;
		kbd_put(k, KBD_ACK);
		break;
	case KBD_DISABLE:
		kbd_defaults(k);
		k->kbd_scanning = false;
		kbd_put(k, KBD_ACK);
		break;
	case KBD_DEFAULTS:
		kbd_defaults(k);
		kbd_put(k, KBD_ACK);
		break;
	case KBD_RESET:
		kbd_defaults(k);
		k->kbd_scanning = true;
		kbd_put(k, KBD_ACK);
		kbd_put(k, KBD_SELF_TEST_PASSED);
		break;
	case KBD_RESEND:
		kbd_put(k, k->kbd_last);
		break;
	default:
		kbd_put(k, byte >= KBD_ALL_FIRST && byte <= KBD_ALL_LAST ? KBD_ACK : KBD_RESEND);
		break;
	}
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
		kbd_write(k, byte);
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
		void (*reset)(void *ctx), void *ctx)
{
	memset(k, 0, sizeof(*k));
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
	kbd_defaults(k);
	k->kbd_last = 0;
	k->kbd_scanning = true;
	irq_set(&k->irq1, false);
	irq_set(&k->irq12, false);
}

bool i8042_key(struct i8042 *k, u8 code)
{
	if (!k->kbd_scanning || !kbd_put(k, code))
		return false;
	refill(k);
	return true;
}

int i8042_attach(struct i8042 *k, struct bus *b)
{
	int err = bus_add_port(b, I8042_DATA_PORT, 1, &data_ops, k);

	return err ? err : bus_add_port(b, I8042_COMMAND_PORT, 1, &command_ops, k);
}
