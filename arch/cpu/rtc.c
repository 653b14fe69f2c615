// SPDX-License-Identifier: MIT
/*
 * Wall-clock time from the machine's battery clock: MC146818A data sheet (Motorola ADI856R2),
 * registers 0 to 9, A and B.
 */
#include "irqflags.h"
#include "spinlock.h"
#include "time.h"
#include "x86.h"

enum rtc_port {
	RTC_INDEX = 0x70,
	RTC_DATA = 0x71
};

enum rtc_reg {
	REG_SECONDS = 0x00,
	REG_MINUTES = 0x02,
	REG_HOURS = 0x04,
	REG_DAY = 0x07,
	REG_MONTH = 0x08,
	REG_YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_LAST = 0x7f,
};

#define A_UIP		 BIT(7)
#define B_BINARY	 BIT(2)
#define B_24H		 BIT(1)
#define HOUR_PM		 BIT(7)
#define UPDATE_NS	 UINT64_C(3000000) /* UIP lasts 2.2 ms at the most (data sheet, table 6) */
#define UPDATE_POLLS	 5000		   /* the same before the clock runs */
#define READ_TRIES	 4
#define YEAR_FIRST	 1970U
#define CENTURY_PIVOT	 70U   /* without a century: 1970 to 2069 */
#define YEAR_LAST	 2261U /* 64 bits of ns */
#define SECONDS_A_MINUTE 60U
#define SECONDS_AN_HOUR	 3600U
#define SECONDS_A_DAY	 86400U

struct rtc_fields {
	u8 second, minute, hour, day, month, year, century;
};

static struct spinlock lock; /* index and data; held with interrupts off */
static u8 century_reg;
static bool started;
static u64 offset; /* wall clock minus time_now() */

static u8 rtc_read(u8 reg)
{
	outb(RTC_INDEX, reg);
	return inb(RTC_DATA);
}

static struct rtc_fields read_fields(void)
{
	return (struct rtc_fields){
		.second = rtc_read(REG_SECONDS),
		.minute = rtc_read(REG_MINUTES),
		.hour = rtc_read(REG_HOURS),
		.day = rtc_read(REG_DAY),
		.month = rtc_read(REG_MONTH),
		.year = rtc_read(REG_YEAR),
		.century = century_reg ? rtc_read(century_reg) : 0,
	};
}

static bool updating(void)
{
	return (rtc_read(REG_A) & A_UIP) != 0;
}

static void wait_update(void)
{
	u64 start = time_now();

	for (unsigned int i = 0; i < UPDATE_POLLS && time_now() - start < UPDATE_NS; i++) {
		if (!updating())
			return;
	}
}

static unsigned int number(u8 value, bool binary)
{
	return binary ? value : (value >> 4) * 10U + (value & 0xfU);
}

static bool leap(unsigned int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of a month. */
static unsigned int days_before(unsigned int year, unsigned int month)
{
	static const u16 before_month[12] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
	};
	unsigned int last = year - 1;
	unsigned int leaps = last / 4 - last / 100 + last / 400;
	unsigned int leaps_first =
		(YEAR_FIRST - 1) / 4 - (YEAR_FIRST - 1) / 100 + (YEAR_FIRST - 1) / 400;
	unsigned int days =
		(year - YEAR_FIRST) * 365 + leaps - leaps_first + before_month[month - 1];

	return month > 2 && leap(year) ? days + 1 : days;
}

/* Seconds since 1970, or 0 when the registers hold no date. */
static u64 to_seconds(const struct rtc_fields *f, u8 reg_b)
{
	bool binary = (reg_b & B_BINARY) != 0;
	unsigned int second = number(f->second, binary), minute = number(f->minute, binary);
	unsigned int hour = number(f->hour & (u8)~HOUR_PM, binary), day = number(f->day, binary);
	unsigned int month = number(f->month, binary), year = number(f->year, binary);
	unsigned int century = number(f->century, binary);

	if (!(reg_b & B_24H))
		hour = hour % 12 + (f->hour & HOUR_PM ? 12 : 0);
	if (year < 100)
		year += century * 100 >= 1900 ? century * 100 : year < CENTURY_PIVOT ? 2000 : 1900;
	if (second >= SECONDS_A_MINUTE || minute >= 60 || hour >= 24 || day < 1 || day > 31 ||
	    month < 1 || month > 12 || year < YEAR_FIRST || year > YEAR_LAST)
		return 0;
	return (u64)(days_before(year, month) + day - 1) * SECONDS_A_DAY + hour * SECONDS_AN_HOUR +
	       minute * SECONDS_A_MINUTE + second;
}

static u64 read_seconds(void)
{
	struct rtc_fields f = read_fields();

	/* An update between two registers shows as another second, or is announced. */
	for (unsigned int i = 0; i < READ_TRIES; i++) {
		if (rtc_read(REG_SECONDS) == f.second && !updating())
			break;
		wait_update();
		f = read_fields();
	}
	return to_seconds(&f, rtc_read(REG_B));
}

void wallclock_init(u8 century)
{
	century_reg = century <= REG_LAST ? century : 0;
}

u64 wallclock_ns(void)
{
	u64 flags = irq_save(), wall, seconds;

	spin_lock(&lock);
	if (!started) {
		wait_update();
		/*
		 * Somewhere in this second; the middle is wrong by half a second at most until the
		 * next calls.
		 */
		offset = read_seconds() * NSEC_PER_SEC + NSEC_PER_SEC / 2 - time_now();
		started = true;
	}
	wall = time_now() + offset;
	/* Shortly before and in an update the second says nothing; the computed one will do. */
	if (!updating()) {
		seconds = read_seconds();
		if (seconds > wall / NSEC_PER_SEC)
			offset += seconds * NSEC_PER_SEC - wall;
		else if (seconds != 0 && seconds < wall / NSEC_PER_SEC)
			offset -= wall - (seconds * NSEC_PER_SEC + NSEC_PER_SEC - 1);
		wall = time_now() + offset;
	}
	spin_unlock(&lock);
	irq_restore(flags);
	return wall;
}
