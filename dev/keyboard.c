/* SPDX-License-Identifier: MIT */
/*
 * The keyboard. IBM PS/2 Hardware Interface Technical Reference (S84F-9809), "101- and 102-Key
 * Keyboard": commands, answers, scan code sets. A character is typed as the keys that make it on a
 * US keyboard, each pressed and released at once: there is no typematic repeat. Answers go before
 * scan codes that wait.
 */
#include "dev/keyboard.h"
#include "lib.h"

enum {
	KBD_LEDS = 0xed,
	KBD_ECHO = 0xee,
	KBD_SCAN_SET = 0xf0,
	KBD_IDENTIFY = 0xf2,
	KBD_RATE = 0xf3,
	KBD_ENABLE = 0xf4,
	KBD_DISABLE = 0xf5,
	KBD_DEFAULTS = 0xf6,
	KBD_ALL_TYPEMATIC = 0xf7, /* to FA: key types of set 3, for all keys */
	KBD_ALL_BREAK = 0xf8,
	KBD_ALL_MAKE = 0xf9,
	KBD_ALL_BOTH = 0xfa,
	KBD_ACK = 0xfa,
	KBD_RESEND = 0xfe,
	KBD_RESET = 0xff,
	KBD_SELF_TEST_PASSED = 0xaa,
	KBD_ID_1 = 0xab,
	KBD_ID_2 = 0x83,
	KBD_SET_DEFAULT = 2,
	KBD_SETS = 3,
};

/* --- keys -------------------------------------------------------------------------------------- */

/* A key's make code in each set. Sets 2 and 3 send F0 and the code when it goes up, set 1 bit 7. */
struct key {
	u8 code[KBD_SETS];
};

enum {
	SET_1_BREAK = 0x80,
	BREAK_PREFIX = 0xf0,
	CTRL_MASK = 0x1f, /* of a letter: what Ctrl makes of it */
	ASCII_ESC = 0x1b,
	ASCII_DEL = 0x7f,
};

static const struct key key_ctrl = { { 0x1d, 0x14, 0x11 } };
static const struct key key_shift = { { 0x2a, 0x12, 0x12 } };

/* The characters without and with Shift; 0: none. */
static const struct {
	char plain, shifted;
	struct key key;
} layout[] = {
	{ '`', '~', { { 0x29, 0x0e, 0x0e } } },	 { '1', '!', { { 0x02, 0x16, 0x16 } } },
	{ '2', '@', { { 0x03, 0x1e, 0x1e } } },	 { '3', '#', { { 0x04, 0x26, 0x26 } } },
	{ '4', '$', { { 0x05, 0x25, 0x25 } } },	 { '5', '%', { { 0x06, 0x2e, 0x2e } } },
	{ '6', '^', { { 0x07, 0x36, 0x36 } } },	 { '7', '&', { { 0x08, 0x3d, 0x3d } } },
	{ '8', '*', { { 0x09, 0x3e, 0x3e } } },	 { '9', '(', { { 0x0a, 0x46, 0x46 } } },
	{ '0', ')', { { 0x0b, 0x45, 0x45 } } },	 { '-', '_', { { 0x0c, 0x4e, 0x4e } } },
	{ '=', '+', { { 0x0d, 0x55, 0x55 } } },	 { 'q', 'Q', { { 0x10, 0x15, 0x15 } } },
	{ 'w', 'W', { { 0x11, 0x1d, 0x1d } } },	 { 'e', 'E', { { 0x12, 0x24, 0x24 } } },
	{ 'r', 'R', { { 0x13, 0x2d, 0x2d } } },	 { 't', 'T', { { 0x14, 0x2c, 0x2c } } },
	{ 'y', 'Y', { { 0x15, 0x35, 0x35 } } },	 { 'u', 'U', { { 0x16, 0x3c, 0x3c } } },
	{ 'i', 'I', { { 0x17, 0x43, 0x43 } } },	 { 'o', 'O', { { 0x18, 0x44, 0x44 } } },
	{ 'p', 'P', { { 0x19, 0x4d, 0x4d } } },	 { '[', '{', { { 0x1a, 0x54, 0x54 } } },
	{ ']', '}', { { 0x1b, 0x5b, 0x5b } } },	 { 'a', 'A', { { 0x1e, 0x1c, 0x1c } } },
	{ 's', 'S', { { 0x1f, 0x1b, 0x1b } } },	 { 'd', 'D', { { 0x20, 0x23, 0x23 } } },
	{ 'f', 'F', { { 0x21, 0x2b, 0x2b } } },	 { 'g', 'G', { { 0x22, 0x34, 0x34 } } },
	{ 'h', 'H', { { 0x23, 0x33, 0x33 } } },	 { 'j', 'J', { { 0x24, 0x3b, 0x3b } } },
	{ 'k', 'K', { { 0x25, 0x42, 0x42 } } },	 { 'l', 'L', { { 0x26, 0x4b, 0x4b } } },
	{ ';', ':', { { 0x27, 0x4c, 0x4c } } },	 { '\'', '"', { { 0x28, 0x52, 0x52 } } },
	{ '\\', '|', { { 0x2b, 0x5d, 0x5c } } }, { 'z', 'Z', { { 0x2c, 0x1a, 0x1a } } },
	{ 'x', 'X', { { 0x2d, 0x22, 0x22 } } },	 { 'c', 'C', { { 0x2e, 0x21, 0x21 } } },
	{ 'v', 'V', { { 0x2f, 0x2a, 0x2a } } },	 { 'b', 'B', { { 0x30, 0x32, 0x32 } } },
	{ 'n', 'N', { { 0x31, 0x31, 0x31 } } },	 { 'm', 'M', { { 0x32, 0x3a, 0x3a } } },
	{ ',', '<', { { 0x33, 0x41, 0x41 } } },	 { '.', '>', { { 0x34, 0x49, 0x49 } } },
	{ '/', '?', { { 0x35, 0x4a, 0x4a } } },	 { ' ', 0, { { 0x39, 0x29, 0x29 } } },
	{ '\r', 0, { { 0x1c, 0x5a, 0x5a } } },	 { '\t', 0, { { 0x0f, 0x0d, 0x0d } } },
	{ '\b', 0, { { 0x0e, 0x66, 0x66 } } },	 { ASCII_ESC, 0, { { 0x01, 0x76, 0x08 } } },
};

/* --- queues ------------------------------------------------------------------------------------ */

static void put(struct keyboard_queue *q, unsigned int size, u8 byte)
{
	if (q->count < size)
		q->byte[(q->head + q->count++) % size] = byte;
}

static u8 take(struct keyboard_queue *q, unsigned int size)
{
	u8 byte = q->byte[q->head];

	q->head = (u8)((q->head + 1) % size);
	q->count--;
	return byte;
}

static void answer(struct keyboard *k, u8 byte)
{
	put(&k->answers, KEYBOARD_ANSWERS, byte);
}

static void press(struct keyboard *k, const struct key *key)
{
	put(&k->codes, KEYBOARD_CODES, key->code[k->set - 1]);
}

static void release(struct keyboard *k, const struct key *key)
{
	u8 code = key->code[k->set - 1];

	if (k->set == 1) {
		put(&k->codes, KEYBOARD_CODES, code | SET_1_BREAK);
	} else {
		put(&k->codes, KEYBOARD_CODES, BREAK_PREFIX);
		put(&k->codes, KEYBOARD_CODES, code);
	}
}

/* The layout's key for a character, or NULL. */
static const struct key *find(char c, bool *shift)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(layout); i++) {
		*shift = layout[i].shifted && layout[i].shifted == c;
		if (layout[i].plain == c || *shift)
			return &layout[i].key;
	}
	return NULL;
}

/* A terminal sends DEL for Backspace, and a file has LF at the end of a line. */
static void type(struct keyboard *k, u8 c)
{
	bool shift = false, ctrl = false;
	const struct key *key;

	if (c == ASCII_DEL)
		c = '\b';
	else if (c == '\n')
		c = '\r';
	key = find((char)c, &shift);
	if (!key && c && c <= CTRL_MASK) {
		ctrl = true;
		c = (u8)(c | ('a' & ~CTRL_MASK));
		key = find((char)c, &shift);
		if (!key) /* with Ctrl there is no difference */
			key = find((char)(c & ~0x20), &shift);
		shift = false;
	}
	if (!key || !c)
		return;
	if (ctrl)
		press(k, &key_ctrl);
	if (shift)
		press(k, &key_shift);
	press(k, key);
	if (k->set != 3 || k->breaks)
		release(k, key);
	if (shift)
		release(k, &key_shift);
	if (ctrl)
		release(k, &key_ctrl);
}

int keyboard_next(struct keyboard *k)
{
	int c;

	if (k->answers.count) {
		k->last = take(&k->answers, KEYBOARD_ANSWERS);
		return k->last;
	}
	/* What has no key is passed over. */
	while (k->scanning && k->typed && !k->codes.count && (c = k->typed(k->ctx)) >= 0)
		type(k, (u8)c);
	if (!k->scanning || !k->codes.count)
		return -1;
	k->last = take(&k->codes, KEYBOARD_CODES);
	return k->last;
}

/* --- commands ---------------------------------------------------------------------------------- */

static void defaults(struct keyboard *k)
{
	k->set = KBD_SET_DEFAULT;
	k->breaks = false;
	k->command = 0;
	k->codes.count = 0;
}

/* The data byte of ED, F0 or F3. */
static void parameter(struct keyboard *k, u8 byte)
{
	u8 command = k->command;

	k->command = 0;
	if (command == KBD_SCAN_SET && byte > KBD_SETS) {
		answer(k, KBD_RESEND);
		return;
	}
	answer(k, KBD_ACK);
	if (command != KBD_SCAN_SET)
		return;
	if (byte == 0) {
		answer(k, k->set);
	} else {
		k->set = byte;
		k->codes.count = 0;
	}
}

void keyboard_write(struct keyboard *k, u8 byte)
{
	/* A command takes the place of a parameter: those are below it. */
	if (k->command && byte < KBD_LEDS) {
		parameter(k, byte);
		return;
	}
	k->command = 0;
	switch (byte) {
	case KBD_LEDS:
	case KBD_SCAN_SET:
	case KBD_RATE:
		answer(k, KBD_ACK);
		k->command = byte;
		break;
	case KBD_ECHO:
		answer(k, KBD_ECHO);
		break;
	case KBD_IDENTIFY:
		answer(k, KBD_ACK);
		answer(k, KBD_ID_1);
		answer(k, KBD_ID_2);
		break;
	case KBD_ENABLE:
		k->codes.count = 0;
		k->scanning = true;
		answer(k, KBD_ACK);
		break;
	case KBD_DISABLE:
		defaults(k);
		k->scanning = false;
		answer(k, KBD_ACK);
		break;
	case KBD_DEFAULTS:
		defaults(k);
		answer(k, KBD_ACK);
		break;
	case KBD_ALL_TYPEMATIC:
	case KBD_ALL_MAKE:
		k->breaks = false;
		answer(k, KBD_ACK);
		break;
	case KBD_ALL_BREAK:
	case KBD_ALL_BOTH:
		k->breaks = true;
		answer(k, KBD_ACK);
		break;
	case KBD_RESET:
		defaults(k);
		k->scanning = true;
		answer(k, KBD_ACK);
		answer(k, KBD_SELF_TEST_PASSED);
		break;
	case KBD_RESEND:
		answer(k, k->last);
		break;
	default:
		answer(k, KBD_RESEND);
		break;
	}
}

void keyboard_init(struct keyboard *k, int (*typed)(void *ctx), void *ctx)
{
	memset(k, 0, sizeof(*k));
	k->typed = typed;
	k->ctx = ctx;
	keyboard_reset(k);
}

void keyboard_reset(struct keyboard *k)
{
	defaults(k);
	k->answers.count = 0;
	k->last = 0;
	k->scanning = true;
}
