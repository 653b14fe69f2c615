/* SPDX-License-Identifier: MIT */
/*
 * MC146818A real-time clock with CMOS RAM. Motorola MC146818A data sheet (ADI1014R1), "Registers",
 * "Update Cycle"; extended with the century byte of the PC/AT. Daylight saving (DSE) is kept but
 * does nothing, as in all later parts.
 *
 * The guest's clock is the wall clock plus what the guest set. Flags are computed when somebody
 * asks; a timer runs only for an interrupt that is enabled and whose flag is not set yet. The
 * update itself takes no time here: UIP is seen for the 244 us before it, in which a driver may
 * still read.
 */
#include "dev/rtc.h"
#include "errors.h"
#include "lib.h"
#include "time.h"

enum rtc_port {
	RTC_INDEX = 0,
	RTC_DATA = 1,
	RTC_PORTS = 2,
	RTC_BASE = 0x70,
};

enum rtc_reg {
	RTC_SECOND = 0x00,
	RTC_SECOND_ALARM = 0x01,
	RTC_MINUTE = 0x02,
	RTC_MINUTE_ALARM = 0x03,
	RTC_HOUR = 0x04,
	RTC_HOUR_ALARM = 0x05,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	CMOS_BASE_MEMORY = 0x15,     /* KiB below 640 K */
	CMOS_EXTENDED_MEMORY = 0x17, /* KiB above 1 M */
	CMOS_EXTENDED_MEMORY_2 = 0x30,
	RTC_CENTURY = 0x32,
	CMOS_ABOVE_16M = 0x34, /* 64 KiB units */
	CMOS_ABOVE_4G = 0x5b,  /* 64 KiB units, three bytes */
};

enum {
	INDEX_MASK = 0x7f,

	A_UIP = BIT(7),
	A_DIVIDER_RESET = 0x60, /* both bits */
	A_RATE = 0x0f,
	A_DEFAULT = 0x26, /* 32768 Hz, 1024 Hz */

	B_SET = BIT(7),
	B_PIE = BIT(6),
	B_AIE = BIT(5),
	B_UIE = BIT(4),
	B_SQWE = BIT(3),
	B_BINARY = BIT(2),
	B_24H = BIT(1),

	C_IRQF = BIT(7),
	C_PF = BIT(6),
	C_AF = BIT(5),
	C_UF = BIT(4),
	C_FLAGS = C_PF | C_AF | C_UF, /* in the places of their enables in B */

	D_VRT = BIT(7),

	HOUR_PM = BIT(7),
	ALARM_ANY = 0xc0, /* both bits set: don't care */
};

#define RTC_HZ		  32768ULL
#define RTC_UIP_NS	  244000ULL
#define RTC_FIRST_UPDATE  (NSEC_PER_SEC / 2) /* after the divider was started */
#define WALL_SMALL	  (2 * NSEC_PER_SEC)
#define WALL_SLEW	  4000 /* an error is made up for at one part in so many of the time */
#define SECONDS_A_DAY	  86400
#define DAYS_TO_1970	  719528 /* since 0000-01-01 */
#define WEEKDAY_OF_DAY_0  6	 /* 0000-01-01 was a Saturday */
#define DAYS_IN_400_YEARS 146097

/* A point of the guest's clock. */
struct rtc_clock {
	s64 sec; /* since 1970 */
	u64 ns;
};

struct rtc_time {
	u32 second, minute, hour, weekday, day, month, year; /* weekday 0-6, Sunday 0 */
};

/* --- the calendar -------------------------------------------------------------------------- */

static bool leap(u32 year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static u32 month_days(u32 year, u32 month)
{
	static const u8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap(year) ? 1U : 0U);
}

/* From 0000-01-01 to the first day of the year. */
static u64 days_before_year(u64 year)
{
	return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static s64 to_seconds(const struct rtc_time *t)
{
	u64 days = days_before_year(t->year) + t->day - 1;

	for (u32 m = 1; m < t->month; m++)
		days += month_days(t->year, m);
	return ((s64)days - DAYS_TO_1970) * SECONDS_A_DAY + t->hour * 3600 + t->minute * 60 +
	       t->second;
}

static void from_seconds(s64 sec, struct rtc_time *t)
{
	u64 all = (u64)(sec + (s64)DAYS_TO_1970 * SECONDS_A_DAY);
	u64 days = all / SECONDS_A_DAY;
	u32 rest = (u32)(all % SECONDS_A_DAY);
	u64 year = days * 400 / DAYS_IN_400_YEARS;

	t->hour = rest / 3600;
	t->minute = rest / 60 % 60;
	t->second = rest % 60;
	t->weekday = (u32)((days + WEEKDAY_OF_DAY_0) % 7);
	/* The average year is a day off at most. */
	if (days < days_before_year(year))
		year--;
	else if (days >= days_before_year(year + 1))
		year++;
	t->year = (u32)year;
	days -= days_before_year(year);
	for (t->month = 1; days >= month_days(t->year, t->month); t->month++)
		days -= month_days(t->year, t->month);
	t->day = (u32)days + 1;
}

/* --- the bytes ----------------------------------------------------------------------------- */

static u8 encode(const struct rtc *r, u32 value)
{
	value %= 100;
	return (u8)(r->ram[RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static u32 decode(const struct rtc *r, u8 byte)
{
	return r->ram[RTC_B] & B_BINARY ? byte : (byte >> 4) * 10U + (byte & 0x0fU);
}

static u8 encode_hour(const struct rtc *r, u32 hour)
{
	if (r->ram[RTC_B] & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static u32 decode_hour(const struct rtc *r, u8 byte)
{
	if (r->ram[RTC_B] & B_24H)
		return decode(r, byte);
	return decode(r, byte & (u8)~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

static u32 clamp(u32 value, u32 low, u32 high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

/* The ten bytes and the century, from a time. */
static void time_to_ram(struct rtc *r, const struct rtc_time *t)
{
	r->ram[RTC_SECOND] = encode(r, t->second);
	r->ram[RTC_MINUTE] = encode(r, t->minute);
	r->ram[RTC_HOUR] = encode_hour(r, t->hour);
	r->ram[RTC_WEEKDAY] = encode(r, (t->weekday + r->weekday_offset) % 7 + 1);
	r->ram[RTC_DAY] = encode(r, t->day);
	r->ram[RTC_MONTH] = encode(r, t->month);
	r->ram[RTC_YEAR] = encode(r, t->year % 100);
	r->ram[RTC_CENTURY] = encode(r, t->year / 100);
}

/*
 * The time that the bytes say; what is no time becomes the nearest one. Sets the day of the week,
 * too.
 */
static s64 time_from_ram(struct rtc *r)
{
	struct rtc_time t = {
		.second = clamp(decode(r, r->ram[RTC_SECOND]), 0, 59),
		.minute = clamp(decode(r, r->ram[RTC_MINUTE]), 0, 59),
		.hour = clamp(decode_hour(r, r->ram[RTC_HOUR]), 0, 23),
		.day = clamp(decode(r, r->ram[RTC_DAY]), 1, 31),
		.month = clamp(decode(r, r->ram[RTC_MONTH]), 1, 12),
		.year = clamp(decode(r, r->ram[RTC_CENTURY]), 0, 99) * 100 +
			clamp(decode(r, r->ram[RTC_YEAR]), 0, 99),
	};
	u32 weekday = clamp(decode(r, r->ram[RTC_WEEKDAY]), 1, 7) - 1;
	s64 sec;

	if (t.day > month_days(t.year, t.month))
		t.day = month_days(t.year, t.month);
	sec = to_seconds(&t);
	from_seconds(sec, &t);
	r->weekday_offset = (u8)((weekday + 7 - t.weekday) % 7);
	return sec;
}

/* --- the clock ----------------------------------------------------------------------------- */

static bool divider_reset(const struct rtc *r)
{
	return (r->ram[RTC_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static bool frozen(const struct rtc *r)
{
	return (r->ram[RTC_B] & B_SET) || divider_reset(r);
}

/* What of the error is made up for by now: so slow that no second differs from another. */
static s64 put_right(const struct rtc *r, u64 past)
{
	s64 most = (s64)(past / WALL_SLEW);

	if (r->sample_error < 0)
		return r->sample_error > -most ? r->sample_error : -most;
	return r->sample_error < most ? r->sample_error : most;
}

/*
 * The wall clock costs port accesses: it is asked once a second at most, and between that our clock
 * is as good. It tells of small errors of its own by steps, which the guest must not see: an update
 * would come twice, or a second be short. A large step is a clock that was set.
 */
static u64 wall(struct rtc *r)
{
	u64 now = r->queue->now(), past = now - r->sample_now;
	u64 own = r->sample_wall + past + (u64)put_right(r, past), asked;

	if (r->sampled && past < NSEC_PER_SEC)
		return own;
	asked = r->wallclock();
	if (!r->sampled || asked - own + WALL_SMALL > 2 * WALL_SMALL)
		own = asked;
	r->sample_wall = own;
	r->sample_error = (s64)(asked - own);
	r->sample_now = now;
	r->sampled = true;
	return own;
}

static struct rtc_clock clock_read(struct rtc *r)
{
	u64 t = wall(r) + r->offset_ns;

	return (struct rtc_clock){
		.sec = (s64)(t / NSEC_PER_SEC) + r->offset_s,
		.ns = t % NSEC_PER_SEC,
	};
}

/* The running clock shows this second from now on; its fraction stays. */
static void clock_set(struct rtc *r, s64 sec)
{
	r->offset_s += sec - clock_read(r).sec;
	r->flags_upto = sec;
}

/* --- flags and interrupts ------------------------------------------------------------------ */

static bool alarm_matches(u8 byte, u32 alarm, u32 value)
{
	return (byte & ALARM_ANY) == ALARM_ANY || alarm == value;
}

/* The first second from `from` on at which the alarm matches, or -1 if it never does. */
static s64 next_alarm(const struct rtc *r, s64 from)
{
	const u8 *ram = r->ram;
	u32 hour = decode_hour(r, ram[RTC_HOUR_ALARM]);
	u32 minute = decode(r, ram[RTC_MINUTE_ALARM]);
	u32 second = decode(r, ram[RTC_SECOND_ALARM]);
	/* Seconds of the day count from a multiple of it before any year. */
	u64 at = (u64)(from + (s64)DAYS_TO_1970 * SECONDS_A_DAY);
	u64 end = at + SECONDS_A_DAY;

	while (at < end) {
		if (!alarm_matches(ram[RTC_HOUR_ALARM], hour, (u32)(at / 3600 % 24)))
			at += 3600 - at % 3600;
		else if (!alarm_matches(ram[RTC_MINUTE_ALARM], minute, (u32)(at / 60 % 60)))
			at += 60 - at % 60;
		else if (!alarm_matches(ram[RTC_SECOND_ALARM], second, (u32)(at % 60)))
			at++;
		else
			return (s64)at - (s64)DAYS_TO_1970 * SECONDS_A_DAY;
	}
	return -1;
}

/*
 * 32768 Hz pulses in a period, 0 = none. Rates 1 and 2 are those of 8 and 9 (table 5 of the sheet).
 */
static u64 period(const struct rtc *r)
{
	unsigned int rate = r->ram[RTC_A] & A_RATE;

	if (rate == 0 || divider_reset(r))
		return 0;
	if (rate <= 2)
		rate += 7;
	return BIT64(rate - 1);
}

/* How many periods have ended since the divider was started. */
static u64 periods(const struct rtc *r)
{
	u64 pulses = muldiv_u64(r->queue->now() - r->periodic_start, RTC_HZ, NSEC_PER_SEC);

	return period(r) ? pulses / period(r) : 0;
}

/* Sets the flags whose time has come. */
static void update_flags(struct rtc *r)
{
	struct rtc_clock now;
	s64 alarm;

	if (period(r)) {
		u64 n = periods(r);

		if (n > r->periodic_upto)
			r->ram[RTC_C] |= C_PF;
		r->periodic_upto = n;
	}
	if (frozen(r))
		return;
	now = clock_read(r);
	if (now.sec > r->flags_upto) {
		r->ram[RTC_C] |= C_UF;
		alarm = next_alarm(r, r->flags_upto + 1);
		if (alarm >= 0 && alarm <= now.sec)
			r->ram[RTC_C] |= C_AF;
	}
	r->flags_upto = now.sec;
}

/* An interrupt that may come and has not come needs its timer. */
static u8 awaited(const struct rtc *r)
{
	return (u8)(r->ram[RTC_B] & C_FLAGS & ~r->ram[RTC_C]);
}

static void arm_periodic(struct rtc *r)
{
	u64 pulses;

	if (!(awaited(r) & C_PF) || period(r) == 0) {
		timer_cancel(r->queue, &r->periodic);
		return;
	}
	/* The first that made no flag yet, even if it has ended since update_flags() looked. */
	pulses = (r->periodic_upto + 1) * period(r);
	/* Rounded up: when it fires the period has ended. */
	timer_arm(r->queue, &r->periodic,
		  r->periodic_start + muldiv_u64(pulses, NSEC_PER_SEC, RTC_HZ) + 1);
}

static void arm_update(struct rtc *r)
{
	struct rtc_clock now = { 0 };
	s64 at = -1, wait;

	if (!frozen(r) && (awaited(r) & (C_UF | C_AF))) {
		now = clock_read(r);
		if (awaited(r) & C_UF)
			at = r->flags_upto + 1;
		else
			at = next_alarm(r, r->flags_upto + 1);
	}
	if (at < 0) {
		timer_cancel(r->queue, &r->update);
		return;
	}
	/* The second may have begun since update_flags() looked. */
	wait = (at - now.sec) * (s64)NSEC_PER_SEC - (s64)now.ns;
	timer_arm(r->queue, &r->update, r->queue->now() + (wait > 0 ? (u64)wait : 0));
}

/* After any change: flags, line, timers. */
static void refresh(struct rtc *r)
{
	update_flags(r);
	irq_set(&r->irq, r->ram[RTC_B] & r->ram[RTC_C] & C_FLAGS);
	arm_periodic(r);
	arm_update(r);
}

static void fire(void *arg, u64 now)
{
	(void)now;
	refresh(arg);
}

/* --- registers ----------------------------------------------------------------------------- */

static bool time_byte(u8 reg)
{
	return reg == RTC_SECOND || reg == RTC_MINUTE || reg == RTC_HOUR || reg == RTC_CENTURY ||
	       (reg >= RTC_WEEKDAY && reg <= RTC_YEAR);
}

/* Brings the time's bytes up to date, unless it is they that count. */
static void show_time(struct rtc *r)
{
	struct rtc_time t;

	if (frozen(r))
		return;
	from_seconds(clock_read(r).sec, &t);
	time_to_ram(r, &t);
}

static u8 read_a(struct rtc *r)
{
	bool uip = !frozen(r) && clock_read(r).ns >= NSEC_PER_SEC - RTC_UIP_NS;

	return (u8)(r->ram[RTC_A] | (uip ? A_UIP : 0));
}

static u8 read_c(struct rtc *r)
{
	u8 value;

	update_flags(r);
	value = r->ram[RTC_C];
	if (value & r->ram[RTC_B] & C_FLAGS)
		value |= C_IRQF;
	r->ram[RTC_C] = 0;
	/* Low even if the next flag is due by now: it makes an edge of its own. */
	irq_set(&r->irq, false);
	refresh(r);
	return value;
}

static void write_a(struct rtc *r, u8 value)
{
	bool was_reset = divider_reset(r);
	bool was_frozen = frozen(r);
	struct rtc_clock now;

	update_flags(r);
	show_time(r);
	r->ram[RTC_A] = value & (u8)~A_UIP;
	if (was_reset && !divider_reset(r)) {
		now = clock_read(r);
		r->offset_ns =
			(r->offset_ns + NSEC_PER_SEC + RTC_FIRST_UPDATE - now.ns) % NSEC_PER_SEC;
		r->periodic_start = r->queue->now();
	}
	if (was_frozen && !frozen(r))
		clock_set(r, time_from_ram(r));
	r->periodic_upto = periods(r);
	refresh(r);
}

static void write_b(struct rtc *r, u8 value)
{
	bool was_frozen = frozen(r);

	update_flags(r);
	show_time(r);
	if (value & ~r->ram[RTC_B] & B_SET)
		value &= (u8)~B_UIE;
	r->ram[RTC_B] = value;
	if (was_frozen && !frozen(r))
		clock_set(r, time_from_ram(r));
	refresh(r);
}

static void write_time(struct rtc *r, u8 reg, u8 value)
{
	update_flags(r);
	show_time(r);
	r->ram[reg] = value;
	if (!frozen(r)) {
		clock_set(r, time_from_ram(r));
		refresh(r);
	}
}

static u8 read_data(struct rtc *r)
{
	u8 reg = r->index & INDEX_MASK;

	switch (reg) {
	case RTC_A:
		return read_a(r);
	case RTC_C:
		return read_c(r);
	case RTC_D:
		return D_VRT;
	default:
		if (time_byte(reg))
			show_time(r);
		return r->ram[reg];
	}
}

static void write_data(struct rtc *r, u8 value)
{
	u8 reg = r->index & INDEX_MASK;

	switch (reg) {
	case RTC_SECOND_ALARM:
	case RTC_MINUTE_ALARM:
	case RTC_HOUR_ALARM:
		update_flags(r); /* by the old alarm up to here */
		r->ram[reg] = value;
		refresh(r);
		break;
	case RTC_A:
		write_a(r, value);
		break;
	case RTC_B:
		write_b(r, value);
		break;
	case RTC_C:
	case RTC_D:
		break; /* read only */
	default:
		if (time_byte(reg))
			write_time(r, reg, value);
		else
			r->ram[reg] = value;
		break;
	}
}

static u32 rtc_read(void *dev, u16 offset, unsigned int size)
{
	(void)size;
	return offset == RTC_DATA ? read_data(dev) : 0xff; /* the index cannot be read */
}

static void rtc_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct rtc *r = dev;

	(void)size;
	if (offset == RTC_DATA)
		write_data(r, (u8)value);
	else
		r->index = (u8)value;
}

static const struct port_ops rtc_ports = {
	.read = rtc_read,
	.write = rtc_write,
	.max_size = 1,
	.name = "rtc",
};

void rtc_init(struct rtc *r, struct timer_queue *q, u64 (*wallclock)(void), struct irq_line irq)
{
	memset(r, 0, sizeof(*r));
	r->queue = q;
	r->wallclock = wallclock;
	r->irq = irq;
	r->periodic.fire = fire;
	r->periodic.arg = r;
	r->update.fire = fire;
	r->update.arg = r;
	r->ram[RTC_A] = A_DEFAULT;
	r->ram[RTC_B] = B_24H;
	r->periodic_start = q->now();
	r->flags_upto = clock_read(r).sec;
	rtc_reset(r);
}

/* The RESET pin: clock, calendar and RAM run on from their battery. */
void rtc_reset(struct rtc *r)
{
	update_flags(r);
	r->index = 0;
	r->ram[RTC_B] &= (u8) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	r->ram[RTC_C] = 0;
	refresh(r);
}

void rtc_set_memory(struct rtc *r, u64 below_4g, u64 above_4g)
{
	u64 base = min_u64(below_4g, KIB(640)) >> 10;
	u64 extended = below_4g > MIB(1) ? min_u64((below_4g - MIB(1)) >> 10, UINT16_MAX) : 0;
	u64 above_16m = below_4g > MIB(16) ? min_u64((below_4g - MIB(16)) >> 16, UINT16_MAX) : 0;
	u64 high = min_u64(above_4g >> 16, BIT64(24) - 1);

	for (unsigned int i = 0; i < 2; i++) {
		r->ram[CMOS_BASE_MEMORY + i] = (u8)(base >> 8 * i);
		r->ram[CMOS_EXTENDED_MEMORY + i] = (u8)(extended >> 8 * i);
		r->ram[CMOS_EXTENDED_MEMORY_2 + i] = (u8)(extended >> 8 * i);
		r->ram[CMOS_ABOVE_16M + i] = (u8)(above_16m >> 8 * i);
	}
	for (unsigned int i = 0; i < 3; i++)
		r->ram[CMOS_ABOVE_4G + i] = (u8)(high >> 8 * i);
}

int rtc_attach(struct rtc *r, struct bus *b)
{
	return bus_add_port(b, RTC_BASE, RTC_PORTS, &rtc_ports, r);
}
