/* SPDX-License-Identifier: MIT */
/*
 * 8042 and keyboard: IBM PS/2 technical reference. With "keys" on its command line it shows what
 * interrupt 1 brings, for tests/system/test_keyboard.py, until Enter comes up; "raw": in set 2.
 */
#include "guest.h"

#define DATA	0x60
#define COMMAND 0x64
#define BASE	0x20

enum {
	STATUS_FULL = 1,
	STATUS_BUSY = 2,
	ROUNDS = 200000,
	CODES_MAX = 512,
	COMMAND_BYTE = 0x45, /* interrupt, system, translation */
	COMMAND_BYTE_RAW = 0x05,
};

static void wait_input(void)
{
	for (u32 i = 0; i < ROUNDS && (inb(COMMAND) & STATUS_BUSY); i++)
		;
}

static void command(u8 value)
{
	wait_input();
	outb(COMMAND, value);
}

static void data(u8 value)
{
	wait_input();
	outb(DATA, value);
}

/* The next byte, or -1. */
static int read_byte(void)
{
	for (u32 i = 0; i < ROUNDS; i++)
		if (inb(COMMAND) & STATUS_FULL)
			return inb(DATA);
	return -1;
}

static void flush(void)
{
	for (u32 i = 0; i < 64 && (inb(COMMAND) & STATUS_FULL); i++)
		(void)inb(DATA);
}

static void write_command_byte(u8 value)
{
	command(0x60);
	data(value);
}

static void controller(void)
{
	flush();
	command(0xaa);
	is((u64)read_byte(), 0x55, "controller: self test");
	command(0xab);
	is((u64)read_byte(), 0x00, "controller: interface test");
	write_command_byte(0x44);
	command(0x20);
	is((u64)read_byte(), 0x44, "controller: command byte reads back");
	command(0xad);
	command(0x20);
	is((u64)read_byte() & 0x10, 0x10, "controller: AD switches the keyboard off");
	command(0xae);
	command(0x20);
	is((u64)read_byte() & 0x10, 0, "controller: AE switches it on");
	command(0xd0);
	is((u64)read_byte() & 0x03, 0x03, "controller: output port: no reset, A20");
	command(0xd2);
	data(0x5a);
	is((u64)read_byte(), 0x5a, "controller: D2 loops a byte");
	is(inb(COMMAND) & STATUS_FULL, 0, "controller: the buffer is empty then");
}

/* A command and what is answered. */
static void ask(u8 byte, const char *what, u32 n, const u8 *want)
{
	bool good = true;

	data(byte);
	for (u32 i = 0; i < n; i++) {
		int got = read_byte();

		if (got != want[i]) {
			print("# %s: byte %u is %x\n", what, i, (u32)got);
			good = false;
		}
	}
	ok(good && !(inb(COMMAND) & STATUS_FULL), "keyboard: %s", what);
}

static void commands(void)
{
	static const u8 ack[] = { 0xfa };
	static const u8 reset[] = { 0xfa, 0xaa };
	static const u8 echo[] = { 0xee };
	static const u8 id[] = { 0xfa, 0xab, 0x41 };
	static const u8 raw_id[] = { 0xfa, 0xab, 0x83 };
	static const u8 set_2[] = { 0xfa, 0x41 };
	static const u8 resend[] = { 0xfe };

	ask(0xff, "reset and its self test", 2, reset);
	ask(0xee, "echo", 1, echo);
	ask(0xf2, "identify, translated", 3, id);
	ask(0xed, "lamps", 1, ack);
	ask(0x02, "lamps: which", 1, ack);
	ask(0xf3, "rate", 1, ack);
	ask(0x20, "rate: which", 1, ack);
	ask(0xf0, "scan code set", 1, ack);
	ask(0x00, "it is set 2, translated", 2, set_2);
	ask(0xf5, "disable", 1, ack);
	ask(0xf4, "enable", 1, ack);
	ask(0xf6, "defaults", 1, ack);
	ask(0xe0, "no such command", 1, resend);
	write_command_byte(COMMAND_BYTE_RAW & ~1);
	ask(0xf2, "identify", 3, raw_id);
	write_command_byte(COMMAND_BYTE & ~1);
	flush();
}

static void interrupt(void)
{
	pic_setup(BASE);
	on_vector(BASE + 1, NULL);
	flush();
	write_command_byte(COMMAND_BYTE);
	outb(0x20, 0x0a);
	is(inb(0x20) & 2, 0, "interrupt 1: not yet");
	data(0xee);
	for (u32 i = 0; i < ROUNDS && !(inb(COMMAND) & STATUS_FULL); i++)
		;
	is(inb(0x20) & 2, 2, "interrupt 1: with a byte");
	is(inb(DATA), 0xee, "interrupt 1: the byte");
	write_command_byte(COMMAND_BYTE & ~1);
}

/* --- shown for the system test ------------------------------------------------------------------ */

static u8 code[CODES_MAX];
static volatile u32 codes;

static void key(struct regs *r)
{
	u8 byte = inb(DATA);

	(void)r;
	if (codes < CODES_MAX)
		code[codes++] = byte;
	outb(0x20, 0x20);
}

/* Up to where Enter comes up. */
static void show_keys(bool raw)
{
	u8 enter = raw ? 0x5a : 0x9c, before = raw ? 0xf0 : 0x1c;
	u32 shown = 0;

	pic_setup(BASE);
	on_vector(BASE + 1, key);
	flush();
	write_command_byte(raw ? COMMAND_BYTE_RAW : COMMAND_BYTE);
	outb(0x21, 0xfd);
	print("type\n");
	do {
		if (!WAIT_FOR(codes != shown))
			break;
		shown++;
	} while (codes < CODES_MAX &&
		 !(shown > 1 && code[shown - 1] == enter && code[shown - 2] == before));
	print("codes");
	for (u32 i = 0; i < shown; i++)
		print(" %x", code[i]);
	print("\n");
	ok(codes == shown, "nothing after Enter");
}

void guest_main(void)
{
	bool raw = cmdline_has("raw");

	if (raw || cmdline_has("keys")) {
		show_keys(raw);
		return;
	}
	controller();
	commands();
	interrupt();
}
