/* SPDX-License-Identifier: MIT */
/*
 * Plinth's options. The table at the end of this file is the whole list: what is parsed, its
 * default and its help line.
 */
#include "lib.h"
#include "errors.h"
#include "options.h"

#define UART_CLOCK	   115200U /* highest speed of a 16550A with the PC's crystal */
#define UART_SPEED_MIN	   50U
#define DEFAULT_DEBUG_EXIT 0xf4U

/* Longest value that means anything; longer ones are bad. */
#define VALUE_MAX 64

/* Part of a string. */
struct word {
	const char *s;
	size_t len;
};

struct option {
	const char *name;
	const char *values; /* for the help text; NULL = takes none */
	const char *help;
	/*
	 * value is NULL when there is no '='. Returns false when it is bad; *o is unchanged then.
	 */
	bool (*set)(struct options *o, const char *value);
};

struct choice {
	const char *name;
	unsigned int value;
};

static const struct choice ports[] = {
	{ "com1", 0x3f8 }, { "com2", 0x2f8 }, { "com3", 0x3e8 }, { "com4", 0x2e8 }, { NULL, 0 },
};

static const struct choice log_levels[] = {
	{ "err", LOG_ERR },	{ "warn", LOG_WARN }, { "info", LOG_INFO },
	{ "debug", LOG_DEBUG }, { NULL, 0 },
};

static const struct choice reset_actions[] = {
	{ "restart", RESET_RESTART },
	{ "reboot", RESET_REBOOT },
	{ "poweroff", RESET_POWEROFF },
	{ "halt", RESET_HALT },
	{ NULL, 0 },
};

static const struct choice poweroff_actions[] = {
	{ "off", POWEROFF_OFF },
	{ "reboot", POWEROFF_REBOOT },
	{ "halt", POWEROFF_HALT },
	{ NULL, 0 },
};

static const struct choice keyboard_inputs[] = {
	{ "none", KEYBOARD_NONE },
	{ "console", KEYBOARD_CONSOLE },
	{ NULL, 0 },
};

static const struct choice reports[] = {
	{ "unhandled", REPORT_UNHANDLED },
	{ "memory", REPORT_MEMORY },
	{ NULL, 0 },
};

static bool choose(const struct choice *list, const char *s, unsigned int *value)
{
	for (; list->name; list++) {
		if (s && strcmp(list->name, s) == 0) {
			*value = list->value;
			return true;
		}
	}
	return false;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The power of two a suffix stands for, or -1. */
static int suffix_shift(char c)
{
	static const char suffixes[] = "KMGT";

	for (int i = 0; suffixes[i] != '\0'; i++) {
		if (c == suffixes[i] || c == suffixes[i] - 'A' + 'a')
			return 10 * (i + 1);
	}
	return -1;
}

int parse_size(const char *s, u64 *size)
{
	unsigned int base = 10;
	bool any = false;
	u64 value = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	for (;; s++) {
		int d = digit_value(*s);

		if (d < 0 || (unsigned int)d >= base)
			break;
		any = true;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (unsigned int)d, &value))
			return -ERANGE;
	}
	if (!any)
		return -EINVAL;
	if (*s != '\0') {
		int shift = suffix_shift(*s);

		if (shift < 0 || s[1] != '\0')
			return -EINVAL;
		if (value > UINT64_MAX >> shift)
			return -ERANGE;
		value <<= shift;
	}
	*size = value;
	return 0;
}

/* A port number other than 0. */
static bool parse_port(const char *s, u16 *port)
{
	u64 value;

	if (parse_size(s, &value) || value == 0 || value > UINT16_MAX)
		return false;
	*port = (u16)value;
	return true;
}

static bool parse_speed(const char *s, u32 *speed)
{
	u64 value;

	if (parse_size(s, &value) || value < UART_SPEED_MIN || value > UART_CLOCK ||
	    UART_CLOCK % value != 0)
		return false;
	*speed = (u32)value;
	return true;
}

/* PORT[:SPEED]; cuts s at the colon. */
static bool set_serial(struct options *o, char *s)
{
	u32 speed = UART_CLOCK;
	char *colon = strchr(s, ':');
	unsigned int named;
	u16 port;

	if (colon) {
		*colon = '\0';
		if (!parse_speed(colon + 1, &speed))
			return false;
	}
	if (choose(ports, s, &named))
		port = (u16)named;
	else if (!parse_port(s, &port) || port > UINT16_MAX - 7) /* eight registers */
		return false;
	o->console.port = port;
	o->console.speed = speed;
	return true;
}

static bool set_console(struct options *o, const char *value)
{
	struct options new = { .console = { .port = 0, .speed = UART_CLOCK, .vga = false } };
	char text[VALUE_MAX];
	char *next = text;

	if (!value || strlen(value) >= sizeof(text))
		return false;
	memcpy(text, value, strlen(value) + 1);
	while (next) {
		char *item = next;

		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		if (strcmp(item, "vga") == 0)
			new.console.vga = true;
		else if (strcmp(item, "none") == 0 && item == text && !next)
			break;
		else if (new.console.port != 0 || !set_serial(&new, item))
			return false;
	}
	o->console = new.console;
	return true;
}

static bool set_mem(struct options *o, const char *value)
{
	u64 size;

	if (!value || parse_size(value, &size))
		return false;
	o->mem = size;
	return true;
}

static bool set_log_level(struct options *o, const char *value)
{
	unsigned int choice;

	if (!choose(log_levels, value, &choice))
		return false;
	o->log_level = (enum log_level)choice;
	return true;
}

static bool set_reset(struct options *o, const char *value)
{
	unsigned int choice;

	if (!choose(reset_actions, value, &choice))
		return false;
	o->reset = (enum reset_action)choice;
	return true;
}

static bool set_poweroff(struct options *o, const char *value)
{
	unsigned int choice;

	if (!choose(poweroff_actions, value, &choice))
		return false;
	o->poweroff = (enum poweroff_action)choice;
	return true;
}

static bool set_debug_exit(struct options *o, const char *value)
{
	if (!value) {
		o->debug_exit = DEFAULT_DEBUG_EXIT;
		return true;
	}
	return parse_port(value, &o->debug_exit);
}

static bool set_keyboard(struct options *o, const char *value)
{
	unsigned int choice;

	if (!choose(keyboard_inputs, value, &choice))
		return false;
	o->keyboard = (enum keyboard_input)choice;
	return true;
}

static bool set_report(struct options *o, const char *value)
{
	char text[VALUE_MAX];
	char *next = text;
	u32 report = 0;

	if (!value || strlen(value) >= sizeof(text))
		return false;
	memcpy(text, value, strlen(value) + 1);
	while (next) {
		char *item = next;
		unsigned int what;

		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		if (!choose(reports, item, &what))
			return false;
		report |= what;
	}
	o->report = report;
	return true;
}

#ifdef PLINTH_DEBUG
static bool set_break_entry(struct options *o, const char *value)
{
	if (!value || !*value || strlen(value) >= sizeof(o->break_entry))
		return false;
	memcpy(o->break_entry, value, strlen(value) + 1);
	return true;
}
#endif

static bool set_test_device(struct options *o, const char *value)
{
	if (value)
		return false;
	o->test_device = true;
	return true;
}

static bool set_help(struct options *o, const char *value)
{
	if (value)
		return false;
	o->help = true;
	return true;
}

static const struct option table[] = {
	{ "console", "com1[:SPEED][,vga]",
	  "where to print: com1-com4 or an I/O port, vga, none; default com1:115200,vga",
	  set_console },
	{ "mem", "SIZE[K|M|G]", "RAM of the guest; default 0: all but what Plinth needs", set_mem },
	{ "loglevel", "err|warn|info|debug", "what is printed; default info", set_log_level },
	{ "reset", "restart|reboot|poweroff|halt",
	  "when the guest resets; default restart: the guest, from its modules", set_reset },
	{ "poweroff", "off|reboot|halt", "when the guest powers off; default off: the real machine",
	  set_poweroff },
	{ "debug-exit", "[PORT]",
	  "give the guest a debug exit port, 0xf4 unless named; default none", set_debug_exit },
	{ "test-device", NULL,
	  "give the guest the ports and the memory that test programs use; default none",
	  set_test_device },
	{ "keyboard", "none|console",
	  "what is typed on the console goes to the guest's keyboard, not COM1; default none",
	  set_keyboard },
	{ "report", "unhandled|memory[,...]",
	  "after each run of the guest: what nobody answered, checksums of what must not change",
	  set_report },
#ifdef PLINTH_DEBUG
	{ "break-entry", "CASE|all[,-CASE...]",
	  "break the guest's first entry on purpose, or all ways in turn (debug_entry.c)",
	  set_break_entry },
#endif
	{ "help", NULL, "print this list", set_help },
};

/* Adds a warning about a word, made printable. */
static void warn(struct options *o, const char *what, const char *word, size_t len)
{
	char *out;
	size_t n;

	if (o->warnings == OPTIONS_WARNINGS_MAX) {
		o->warnings_dropped++;
		return;
	}
	out = o->warning[o->warnings++];
	n = strlen(what);
	memcpy(out, what, n);
	out[n++] = ' ';
	out[n++] = '\'';
	for (size_t i = 0; i < len; i++) {
		if (n + sizeof("...'") >= OPTIONS_WARNING_LEN) {
			memcpy(&out[n], "...", 3);
			n += 3;
			break;
		}
		out[n++] = word[i] >= ' ' && word[i] <= '~' ? word[i] : '?';
	}
	out[n++] = '\'';
	out[n] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const struct option *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return &table[i];
	}
	return NULL;
}

static void parse_word(struct options *o, const char *word, size_t len)
{
	const struct option *option;
	char value[VALUE_MAX];
	size_t name_len = 0, value_len;

	while (name_len < len && word[name_len] != '=')
		name_len++;
	option = find_option(word, name_len);
	if (!option) {
		warn(o, "unknown option", word, len);
		return;
	}
	if (name_len == len) {
		if (!option->set(o, NULL))
			warn(o, "option without a value", word, len);
		return;
	}
	value_len = len - name_len - 1;
	if (value_len < sizeof(value)) {
		memcpy(value, &word[name_len + 1], value_len);
		value[value_len] = '\0';
		if (option->set(o, value))
			return;
	}
	warn(o, "bad value in option", word, len);
}

void options_parse(const char *cmdline, struct options *out)
{
	memset(out, 0, sizeof(*out));
	out->console.port = (u16)ports[0].value;
	out->console.speed = UART_CLOCK;
	out->console.vga = true;
	out->log_level = LOG_INFO;
	out->reset = RESET_RESTART;
	out->poweroff = POWEROFF_OFF;
	out->keyboard = KEYBOARD_NONE;

	while (*cmdline != '\0') {
		size_t len = 0;

		if (is_blank(*cmdline)) {
			cmdline++;
			continue;
		}
		while (cmdline[len] != '\0' && !is_blank(cmdline[len]))
			len++;
		parse_word(out, cmdline, len);
		cmdline += len;
	}
}

void options_help(void (*line)(const char *text))
{
	char text[160];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct option *o = &table[i];

		if (!o->values)
			snprintf(text, sizeof(text), "%s: %s", o->name, o->help);
		else if (o->values[0] == '[')
			snprintf(text, sizeof(text), "%s[=%s: %s", o->name, &o->values[1], o->help);
		else
			snprintf(text, sizeof(text), "%s=%s: %s", o->name, o->values, o->help);
		line(text);
	}
}
