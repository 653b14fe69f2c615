// SPDX-License-Identifier: MIT
/*
 * Formatted output into a buffer: the integer, character and string conversions of C17 7.21.6.1.
 */
#include "lib.h"

enum flag {
	FLAG_LEFT = BIT(0),
	FLAG_ZERO = BIT(1),
	FLAG_PLUS = BIT(2),
	FLAG_SPACE = BIT(3),
	FLAG_ALT = BIT(4),
};

#define DIGITS_MAX   22 /* 64 bits in octal would need these */
#define NO_PRECISION (-1)

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, stored or not */
};

struct spec {
	unsigned int flags;
	int width;
	int precision;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
	if (!(s->flags & FLAG_LEFT))
		pad(o, ' ', s->width - len);
	for (int i = 0; i < len; i++)
		put(o, text[i]);
	if (s->flags & FLAG_LEFT)
		pad(o, ' ', s->width - len);
}

/* prefix: sign or "0x"; digits are made from the lowest on. */
static void put_number(struct out *o, const struct spec *s, u64 value, unsigned int base,
		       bool upper, const char *prefix)
{
	const char *digit = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[DIGITS_MAX];
	int n = 0, zeros, prefix_len = 0, space;

	while (value != 0) {
		text[n++] = digit[value % base];
		value /= base;
	}
	while (prefix[prefix_len] != '\0')
		prefix_len++;

	/* Zero with an explicit precision of zero has no digits at all. */
	zeros = (s->precision == NO_PRECISION ? 1 : s->precision) - n;
	if (zeros < 0)
		zeros = 0;
	space = s->width - prefix_len - zeros - n;
	if ((s->flags & FLAG_ZERO) && !(s->flags & FLAG_LEFT) && s->precision == NO_PRECISION &&
	    space > 0) {
		zeros += space;
		space = 0;
	}

	if (!(s->flags & FLAG_LEFT))
		pad(o, ' ', space);
	for (int i = 0; i < prefix_len; i++)
		put(o, prefix[i]);
	pad(o, '0', zeros);
	while (n > 0)
		put(o, text[--n]);
	if (s->flags & FLAG_LEFT)
		pad(o, ' ', space);
}

static void put_signed(struct out *o, const struct spec *s, s64 value)
{
	const char *sign = "";

	if (value < 0)
		sign = "-";
	else if (s->flags & FLAG_PLUS)
		sign = "+";
	else if (s->flags & FLAG_SPACE)
		sign = " ";
	put_number(o, s, value < 0 ? -(u64)value : (u64)value, 10, false, sign);
}

static void put_hex(struct out *o, const struct spec *s, u64 value, bool upper)
{
	const char *prefix = "";

	if ((s->flags & FLAG_ALT) && value != 0)
		prefix = upper ? "0X" : "0x";
	put_number(o, s, value, 16, upper, prefix);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	size_t max = s->precision == NO_PRECISION ? INT32_MAX : (size_t)s->precision;

	if (text == NULL)
		text = "(null)";
	put_text(o, s, text, (int)strnlen(text, max));
}

static unsigned int parse_flags(const char **fmt)
{
	unsigned int flags = 0;

	for (;; (*fmt)++) {
		switch (**fmt) {
		case '-':
			flags |= FLAG_LEFT;
			break;
		case '0':
			flags |= FLAG_ZERO;
			break;
		case '+':
			flags |= FLAG_PLUS;
			break;
		case ' ':
			flags |= FLAG_SPACE;
			break;
		case '#':
			flags |= FLAG_ALT;
			break;
		default:
			return flags;
		}
	}
}

static int parse_number(const char **fmt)
{
	int n = 0;

	while (**fmt >= '0' && **fmt <= '9' && n < INT32_MAX / 10 - 1)
		n = n * 10 + *(*fmt)++ - '0';
	return n;
}

enum length {
	LENGTH_CHAR,
	LENGTH_SHORT,
	LENGTH_INT,
	LENGTH_64, /* long, long long and size_t are all 64 bits here */
};

static enum length parse_length(const char **fmt)
{
	switch (**fmt) {
	case 'h':
		if (*++*fmt != 'h')
			return LENGTH_SHORT;
		++*fmt;
		return LENGTH_CHAR;
	case 'l':
		if (*++*fmt == 'l')
			++*fmt;
		return LENGTH_64;
	case 'z':
		++*fmt;
		return LENGTH_64;
	default:
		return LENGTH_INT;
	}
}

static s64 narrow_signed(u64 value, enum length length)
{
	switch (length) {
	case LENGTH_CHAR:
		return (s8)value;
	case LENGTH_SHORT:
		return (s16)value;
	case LENGTH_INT:
		return (s32)value;
	default:
		return (s64)value;
	}
}

static u64 narrow_unsigned(u64 value, enum length length)
{
	switch (length) {
	case LENGTH_CHAR:
		return (u8)value;
	case LENGTH_SHORT:
		return (u16)value;
	case LENGTH_INT:
		return (u32)value;
	default:
		return value;
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };

	while (*fmt != '\0') {
		struct spec s = { .precision = NO_PRECISION };
		enum length length;
		u64 value = 0;
		char c;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt++;
		s.flags = parse_flags(&fmt);
		if (*fmt == '*') {
			fmt++;
			s.width = va_arg(ap, int);
			if (s.width < 0) {
				s.flags |= FLAG_LEFT;
				s.width = s.width < -INT32_MAX ? INT32_MAX : -s.width;
			}
		} else {
			s.width = parse_number(&fmt);
		}
		if (*fmt == '.') {
			fmt++;
			if (*fmt == '*') {
				fmt++;
				s.precision = va_arg(ap, int);
				if (s.precision < 0)
					s.precision = NO_PRECISION;
			} else {
				s.precision = parse_number(&fmt);
			}
		}
		length = parse_length(&fmt);

		switch (*fmt) {
		case 'd':
		case 'i':
		case 'u':
		case 'x':
		case 'X':
			value = length == LENGTH_64 ? va_arg(ap, u64) : va_arg(ap, unsigned int);
			break;
		default:
			break;
		}
		switch (*fmt) {
		case 'd':
		case 'i':
			put_signed(&o, &s, narrow_signed(value, length));
			break;
		case 'u':
			put_number(&o, &s, narrow_unsigned(value, length), 10, false, "");
			break;
		case 'x':
		case 'X':
			put_hex(&o, &s, narrow_unsigned(value, length), *fmt == 'X');
			break;
		case 'p':
			put_number(&o, &s, (uintptr_t)va_arg(ap, void *), 16, false, "0x");
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			put_text(&o, &s, &c, 1);
			break;
		case 's':
			put_string(&o, &s, va_arg(ap, const char *));
			break;
		case '%':
			put(&o, '%');
			break;
		case '\0':
			continue; /* the format ends inside a conversion */
		default:
			put(&o, '%');
			put(&o, *fmt);
			break;
		}
		fmt++;
	}

	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
