/* SPDX-License-Identifier: MIT */
/*
 * 8042 and keyboard: scripts of port accesses (IBM PS/2 Hardware Interface Technical Reference).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/i8042.h"

static struct bus bus;
static struct i8042 kbc;
static bool irq;
static unsigned int edges, resets;

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

static int setup(void **state)
{
	(void)state;
	bus_init(&bus);
	irq = false;
	edges = 0;
	resets = 0;
	i8042_init(&kbc, (struct irq_line){ .set = set_irq1 },
		   (struct irq_line){ .set = set_irq12 }, reset, &kbc);
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
	KEY,  /* a key; its code */
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
static const struct step kbd_off[] = { { C, 0xad }, { KEY, 0x1e }, { S, 0x1c }, { C, 0xae },
				       { S, 0x1d }, { R, 0x1e },   { C, 0xad }, { D, 0xf4 },
				       { R, 0xfa }, { C, 0x20 },   { R, 0x65 }, { D, 0xf5 },
				       { R, 0xfa }, { KEY, 0x1e }, { S, 0x14 }, { D, 0xf6 },
				       { R, 0xfa }, { D, 0xf4 },   { R, 0xfa }, { KEY, 0x9e },
				       { R, 0x9e }, { END, 0 } };

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
	CASE(kbd_identify), CASE(kbd_parameters), CASE(kbd_off),
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
		i8042_key(&kbc, (u8)s->value);
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

static void test_queue(void **state)
{
	(void)state;
	/* One byte waits in the output buffer, sixteen in the keyboard. */
	for (unsigned int i = 0; i < 17; i++)
		assert_true(i8042_key(&kbc, (u8)(i + 1)));
	assert_false(i8042_key(&kbc, 0x55));
	for (u32 i = 0; i < 17; i++) {
		assert_true(irq);
		assert_int_equal(bus_port_read(&bus, 0x60, 1), i + 1);
	}
	/* One edge a byte. */
	assert_int_equal(edges, 17);
	assert_false(irq);
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
			i8042_key(&kbc, (u8)(seed >> 8));
		assert_true(kbc.out_count <= I8042_QUEUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cases, setup),
		cmocka_unit_test_setup(test_queue, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
