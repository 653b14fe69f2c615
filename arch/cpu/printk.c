// SPDX-License-Identifier: MIT
/*
 * The log: lines to a ring buffer and, up to the console's level, to the consoles.
 */
#include "printk.h"
#include "console.h"
#include "lib.h"
#include "time.h"

#define PREFIX	     "plinth: "
#define LINE_MAX     240
#define LOG_SIZE     32768U /* power of two */
#define DEFERRED_MAX 8U
#define STAMP_MAX    32

static struct {
	char data[LOG_SIZE];
	u64 head; /* bytes ever written */
	enum log_level level;
	bool guest_running;
} log = { .level = LOG_INFO };

/* Lines of an NMI that came while this CPU held the lock; the next line takes them along. */
static struct deferred {
	u32 state;
	enum log_level level;
	char text[LINE_MAX + 1];
} deferred[DEFERRED_MAX];
enum deferred_state {
	DEFERRED_FREE,
	DEFERRED_FILLING,
	DEFERRED_READY
};

static void defer(enum log_level level, const char *text)
{
	for (unsigned int i = 0; i < DEFERRED_MAX; i++) {
		struct deferred *d = &deferred[i];
		u32 expected = DEFERRED_FREE;

		if (!__atomic_compare_exchange_n(&d->state, &expected, DEFERRED_FILLING, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		d->level = level;
		memcpy(d->text, text, strlen(text) + 1);
		__atomic_store_n(&d->state, DEFERRED_READY, __ATOMIC_RELEASE);
		return;
	}
}

static void log_append(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		log.data[log.head++ & (LOG_SIZE - 1)] = text[i];
}

static void emit(enum log_level level, const char *text)
{
	char line[sizeof(PREFIX) + LINE_MAX + 1];
	char stamp[STAMP_MAX];
	u64 us = time_now() / (NSEC_PER_SEC / 1000000);
	int len;

	len = snprintf(stamp, sizeof(stamp), "[%5llu.%06llu] ", (unsigned long long)(us / 1000000),
		       (unsigned long long)(us % 1000000));
	log_append(stamp, (size_t)len);
	len = snprintf(line, sizeof(line), PREFIX "%s\n", text);
	log_append(line + sizeof(PREFIX) - 1, (size_t)len - (sizeof(PREFIX) - 1));
	if (level > log.level || (log.guest_running && level > LOG_WARN))
		return;
	console_write_locked(line, (size_t)len);
}

void printk(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX + 1];
	va_list ap;
	u64 flags;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	if (!console_lock(&flags)) {
		defer(level, text);
		return;
	}
	for (unsigned int i = 0; i < DEFERRED_MAX; i++) {
		if (__atomic_load_n(&deferred[i].state, __ATOMIC_ACQUIRE) != DEFERRED_READY)
			continue;
		emit(deferred[i].level, deferred[i].text);
		__atomic_store_n(&deferred[i].state, DEFERRED_FREE, __ATOMIC_RELEASE);
	}
	emit(level, text);
	console_unlock(flags);
}

void printk_set_level(enum log_level level)
{
	log.level = level;
}

void printk_guest_running(bool running)
{
	log.guest_running = running;
	if (running)
		console_guest_open();
	else
		console_guest_close();
}

size_t printk_read(u64 *position, char *buf, size_t size)
{
	size_t n = 0;
	u64 flags;

	if (!console_lock(&flags))
		return 0;
	if (log.head > LOG_SIZE && *position < log.head - LOG_SIZE)
		*position = log.head - LOG_SIZE;
	while (n < size && *position < log.head)
		buf[n++] = log.data[(*position)++ & (LOG_SIZE - 1)];
	console_unlock(flags);
	return n;
}
