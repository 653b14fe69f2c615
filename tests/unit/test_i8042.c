/* SPDX-License-Identifier: MIT */
/*
 * 8042 and keyboard: scripts of port accesses (IBM PS/2 Hardware Interface Technical Reference).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dev/i8042.h"

static struct bus bus;
static struct i8042 kbc;
static bool irq;
static unsigned int edges, resets;
static const char *typing;
static char one[2];

static void set_irq1(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	(void)line;
	edges += level && !irq;
	irq = level;
}

static void set_irq12(void *ctx, unsigned int line, bool level)
{
	(void)ctx;
	(void)line;
	assert_false(level);
}

static void reset(void *ctx)
{
	assert_ptr_equal(ctx, &kbc);
	resets++;
}

static int typed(void *ctx)
{
	assert_ptr_equal(ctx, &kbc);
	return typing && *typing ? (u8)*typing++ : -1;
}

static int setup(void **state)
{
	(void)state;
	typing = NULL;
	bus_init(&bus);
	irq = false;
	edges = 0;
	resets = 0;
	i8042_init(&kbc, (struct irq_line){ .set = set_irq1 },
		   (struct irq_line){ .set = set_irq12 }, reset, typed, &kbc);
	assert_int_equal(i8042_attach(&kbc, &bus), 0);
	return 0;
}

enum op {
	END,
	C,    /* command to 64 */
	D,    /* data to 60 */
	R,    /* read 60 */
	S,    /* read 64 */
	IRQ,  /* line of IRQ1 */
	KEY,  /* a character is typed */
	GONE, /* resets asked for so far */
};

struct step {
	enum op op;
	u32 value;
};

static const struct step power_on[] = { { S, 0x14 }, { IRQ, 0 },  { C, 0x20 }, { S, 0x1d },
					{ IRQ, 1 },  { R, 0x65 }, { S, 0x1c }, { IRQ, 0 },
					{ R, 0x65 }, { END, 0 } };
static const struct step self_test[] = { { C, 0xaa }, { S, 0x1d }, { R, 0x55 },
					 { C, 0xab }, { R, 0x00 }, { C, 0xa9 },
					 { R, 0x01 }, { S, 0x1c }, { END, 0 } };
static const struct step command_byte[] = { { C, 0x60 }, { D, 0x30 }, { S, 0x10 }, { C, 0x20 },
					    { IRQ, 0 },	 { R, 0x30 }, { C, 0xae }, { C, 0x20 },
					    { R, 0x20 }, { C, 0xad }, { C, 0xa8 }, { C, 0x20 },
					    { R, 0x10 }, { C, 0xa7 }, { C, 0x20 }, { R, 0x30 },
					    { C, 0xaa }, { R, 0x55 }, { S, 0x1c }, { END, 0 } };
static const struct step ram[] = { { C, 0x65 }, { D, 0x77 }, { C, 0x25 }, { R, 0x77 }, { C, 0x7f },
				   { D, 0x12 }, { C, 0x3f }, { R, 0x12 }, { END, 0 } };
static const struct step output_port[] = { { C, 0xd0 }, { R, 0xc3 }, { C, 0xd1 }, { D, 0xdd },
					   { C, 0xd0 }, { R, 0xcd }, { C, 0xdf }, { C, 0xd0 },
					   { R, 0xcf }, { C, 0xdd }, { C, 0xd0 }, { R, 0xcd },
					   { GONE, 0 }, { C, 0xd1 }, { D, 0xfe }, { GONE, 1 },
					   { END, 0 } };
static const struct step pulse[] = { { C, 0xff }, { GONE, 0 }, { C, 0xfd },
				     { GONE, 0 }, { C, 0xfe }, { GONE, 1 },
				     { C, 0xf0 }, { GONE, 2 }, { END, 0 } };
static const struct step loops[] = { { C, 0xd2 }, { D, 0x5a }, { S, 0x15 }, { R, 0x5a },
				     { C, 0xd3 }, { D, 0xa5 }, { S, 0x15 }, { R, 0xa5 },
				     { C, 0xd4 }, { D, 0xff }, { S, 0x14 }, { C, 0xc0 },
				     { R, 0xa0 }, { C, 0xe0 }, { R, 0x00 }, { C, 0xb9 },
				     { S, 0x1c }, { END, 0 } };
static const struct step kbd_reset[] = { { D, 0xff }, { IRQ, 1 },  { S, 0x15 },
					 { R, 0xfa }, { IRQ, 1 },  { R, 0xaa },
					 { IRQ, 0 },  { S, 0x14 }, { END, 0 } };
static const struct step kbd_identify[] = { { D, 0xf2 }, { R, 0xfa }, { R, 0xab }, { R, 0x41 },
					    { C, 0x60 }, { D, 0x01 }, { D, 0xf2 }, { R, 0xfa },
					    { R, 0xab }, { R, 0x83 }, { END, 0 } };
static const struct step kbd_parameters[] = { { D, 0xed },
					      { R, 0xfa },
					      { D, 0x07 },
					      { R, 0xfa },
					      { D, 0xf3 },
					      { R, 0xfa },
					      { D, 0x20 },
					      { R, 0xfa },
					      { D, 0xf0 },
					      { R, 0xfa },
					      { D, 0x00 },
					      { R, 0xfa },
					      { R, 0x41 },
					      { D, 0xf0 },
					      { R, 0xfa },
					      { D, 0x01 },
					      { R, 0xfa },
					      { D, 0xf0 },
					      { R, 0xfa },
					      { D, 0x00 },
					      { R, 0xfa },
					      { R, 0x43 },
					      { D, 0xf0 },
					      { R, 0xfa },
					      { D, 0x09 },
					      { R, 0xfe },
					      { D, 0xee },
					      { R, 0xee },
					      { D, 0xfe },
					      { R, 0xee },
					      { D, 0x11 },
					      { R, 0xfe },
					      { D, 0xf8 },
					      { R, 0xfa },
					      /* a command instead of the parameter */
					      { D, 0xed },
					      { R, 0xfa },
					      { D, 0xee },
					      { R, 0xee },
					      { S, 0x14 },
					      { END, 0 } };
/* A switched-off interface or keyboard keeps what is typed. */
static const struct step kbd_off[] = {
	{ C, 0xad }, { KEY, 'a' }, { S, 0x1c }, { C, 0xae }, { S, 0x1d }, { R, 0x1e }, { R, 0x9e },
	{ S, 0x1c }, { C, 0xad },  { D, 0xf4 }, { R, 0xfa }, { C, 0x20 }, { R, 0x65 }, { D, 0xf5 },
	{ R, 0xfa }, { KEY, 'b' }, { S, 0x14 }, { D, 0xf6 }, { R, 0xfa }, { S, 0x14 }, { D, 0xf4 },
	{ R, 0xfa }, { R, 0x30 },  { R, 0xb0 }, { IRQ, 0 },  { END, 0 }
};
/* Answers go before scan codes that wait. */
static const struct step kbd_order[] = { { KEY, 'a' }, { D, 0xed }, { R, 0x1e },
					 { R, 0xfa },  { R, 0x9e }, { D, 0x00 },
					 { R, 0xfa },  { S, 0x14 }, { END, 0 } };
static const struct step kbd_set_2[] = { { C, 0x60 }, { D, 0x01 }, { KEY, 'A' }, { R, 0x12 },
					 { R, 0x1c }, { R, 0xf0 }, { R, 0x1c },	 { R, 0xf0 },
					 { R, 0x12 }, { S, 0x10 }, { END, 0 } };
static const struct step kbd_set_1[] = { { C, 0x60 }, { D, 0x01 }, { D, 0xf0 },	 { R, 0xfa },
					 { D, 0x01 }, { R, 0xfa }, { KEY, 'A' }, { R, 0x2a },
					 { R, 0x1e }, { R, 0x9e }, { R, 0xaa },	 { S, 0x10 },
					 { END, 0 } };
/* Modifiers tell when they go up; other keys when they are told to. */
static const struct step kbd_set_3[] = {
	{ C, 0x60 }, { D, 0x01 }, { D, 0xf0 }, { R, 0xfa }, { D, 0x03 }, { R, 0xfa }, { KEY, 3 },
	{ R, 0x11 }, { R, 0x21 }, { R, 0xf0 }, { R, 0x11 }, { KEY, 27 }, { R, 0x08 }, { D, 0xfa },
	{ R, 0xfa }, { KEY, 27 }, { R, 0x08 }, { R, 0xf0 }, { R, 0x08 }, { D, 0xf7 }, { R, 0xfa },
	{ KEY, 27 }, { R, 0x08 }, { S, 0x10 }, { END, 0 }
};
/* A repeated byte is the keyboard's, before translation. */
static const struct step kbd_resend[] = { { KEY, '1' }, { R, 0x02 }, { R, 0x82 },
					  { D, 0xfe },	{ R, 0x02 }, { END, 0 } };

#define CASE(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	const struct step *steps;
} cases[] = {
	CASE(power_on),	    CASE(self_test),	  CASE(command_byte), CASE(ram),
	CASE(output_port),  CASE(pulse),	  CASE(loops),	      CASE(kbd_reset),
	CASE(kbd_identify), CASE(kbd_parameters), CASE(kbd_off),      CASE(kbd_order),
	CASE(kbd_set_2),    CASE(kbd_set_1),	  CASE(kbd_set_3),    CASE(kbd_resend),
};

static u32 do_step(const struct step *s)
{
	switch (s->op) {
	case C:
		bus_port_write(&bus, 0x64, 1, s->value);
		return s->value;
	case D:
		bus_port_write(&bus, 0x60, 1, s->value);
		return s->value;
	case R:
		return bus_port_read(&bus, 0x60, 1);
	case S:
		return bus_port_read(&bus, 0x64, 1);
	case IRQ:
		return irq;
	case KEY:
		one[0] = (char)s->value;
		typing = one;
		i8042_typed(&kbc);
		return s->value;
	case GONE:
		return resets;
	case END:
		break;
	}
	return 0;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);
		for (int j = 0; cases[i].steps[j].op != END; j++) {
			u32 got = do_step(&cases[i].steps[j]);

			if (got != cases[i].steps[j].value)
				fail_msg("%s step %d: %02x, want %02x", cases[i].name, j, got,
					 cases[i].steps[j].value);
		}
	}
}

/* Set 1 as PC programs read it: the keys of a US keyboard, up and down. */
static void test_layout(void **state)
{
	static const struct {
		const char *text;
		u8 codes[12];
		unsigned int n;
	} row[] = {
		{ "q", { 0x10, 0x90 }, 2 },
		{ "Q", { 0x2a, 0x10, 0x90, 0xaa }, 4 },
		{ "0", { 0x0b, 0x8b }, 2 },
		{ ")", { 0x2a, 0x0b, 0x8b, 0xaa }, 4 },
		{ "~", { 0x2a, 0x29, 0xa9, 0xaa }, 4 },
		{ "\\", { 0x2b, 0xab }, 2 },
		{ "|", { 0x2a, 0x2b, 0xab, 0xaa }, 4 },
		{ "/", { 0x35, 0xb5 }, 2 },
		{ "?", { 0x2a, 0x35, 0xb5, 0xaa }, 4 },
		{ "'", { 0x28, 0xa8 }, 2 },
		{ " ", { 0x39, 0xb9 }, 2 },
		{ "\r", { 0x1c, 0x9c }, 2 },
		{ "\n", { 0x1c, 0x9c }, 2 },
		{ "\t", { 0x0f, 0x8f }, 2 },
		{ "\b", { 0x0e, 0x8e }, 2 },
		{ "\x7f", { 0x0e, 0x8e }, 2 },
		{ "\x1b", { 0x01, 0x81 }, 2 },
		{ "\x01", { 0x1d, 0x1e, 0x9e, 0x9d }, 4 },
		{ "\x1a", { 0x1d, 0x2c, 0xac, 0x9d }, 4 },
		{ "\x1c", { 0x1d, 0x2b, 0xab, 0x9d }, 4 },
		{ "\x1d", { 0x1d, 0x1b, 0x9b, 0x9d }, 4 },
		{ "\xe4\xff", { 0 }, 0 }, /* no such key */
		{ "\x80z", { 0x2c, 0xac }, 2 },
		{ "dir\r", { 0x20, 0xa0, 0x17, 0x97, 0x13, 0x93, 0x1c, 0x9c }, 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		setup(state);
		typing = row[i].text;
		i8042_typed(&kbc);
		for (unsigned int j = 0; j < row[i].n; j++) {
			u32 got;

			assert_true(irq);
			got = bus_port_read(&bus, 0x60, 1);
			if (got != row[i].codes[j])
				fail_msg("row %zu, byte %u: %02x", i, j, got);
		}
		assert_false(irq);
		/* One edge a byte. */
		assert_int_equal(edges, row[i].n);
	}
}

/* Every ASCII character has a key or is passed over; each set gives a whole sequence. */
static void test_all_characters(void **state)
{
	for (u8 set = 1; set <= 3; set++) {
		for (unsigned int c = 1; c < 256; c++) {
			char text[] = { (char)c, 0 };
			unsigned int n = 0;

			setup(state);
			kbc.command_byte = 0x01;
			kbc.keyboard.set = set;
			kbc.keyboard.breaks = true;
			typing = text;
			i8042_typed(&kbc);
			while (bus_port_read(&bus, 0x64, 1) & 1) {
				bus_port_read(&bus, 0x60, 1);
				n++;
			}
			assert_int_equal(*typing, 0);
			if (c >= ' ' && c <= '~')
				assert_true(n >= 2);
			assert_true(set == 1 ? n % 2 == 0 : n % 3 == 0);
		}
	}
}

/* What is typed is taken as it is read: nothing is lost, however much it is. */
static void test_paste(void **state)
{
	static char text[70001];
	unsigned int n = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	typing = text;
	i8042_typed(&kbc);
	assert_true(text + sizeof(text) - 1 - typing > 69000);
	while (bus_port_read(&bus, 0x64, 1) & 1) {
		assert_int_equal(bus_port_read(&bus, 0x60, 1), n % 2 ? 0xad : 0x2d);
		n++;
	}
	assert_int_equal(n, 140000);
}

static void test_random(void **state)
{
	u32 seed = 9;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed & 0x10000000)
			bus_port_read(&bus, seed & 0x20000000 ? 0x64 : 0x60, 1);
		else
			bus_port_write(&bus, seed & 0x20000000 ? 0x64 : 0x60, 1, seed >> 16 & 0xff);
		if (seed % 31 == 0)
			do_step(&(struct step){ KEY, seed >> 8 & 0xff });
		assert_true(kbc.keyboard.codes.count <= KEYBOARD_CODES);
		assert_true(kbc.keyboard.answers.count <= KEYBOARD_ANSWERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cases, setup),
		cmocka_unit_test_setup(test_layout, setup),
		cmocka_unit_test_setup(test_all_characters, setup),
		cmocka_unit_test_setup(test_paste, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
