/* SPDX-License-Identifier: MIT */
/*
 * 8254 programmable interval timer. Intel 8254 data sheet (231164-005), "Mode Definitions",
 * "Programming the 8254", "Read Operations"; port 61 as in the 82371AB (PIIX4) data sheet 4.2.4.
 *
 * Nothing counts: a count is computed from the clock when somebody asks. Only channel 0 has a
 * timer, for the rising edges of its OUT, IRQ0. Edges lie on multiples of the period from the load,
 * so that lateness does not add up. Edges that came late because we did not run (never those that
 * the guest did not take: these are lost, as in the real part) follow at half a period's distance,
 * up to PIT_CATCH_UP; after a longer stop only one does.
 */
#include "dev/pit.h"
#include "errors.h"
#include "lib.h"
#include "time.h"

enum pit_port {
	PIT_CONTROL = 3, /* after the three channels */
	PIT_PORTS = 4,
	PIT_BASE = 0x40,
	PORT61 = 0x61,
};

enum {
	CONTROL_BCD = BIT(0),
	CONTROL_MODE_SHIFT = 1,
	CONTROL_MODE_MASK = 7,
	CONTROL_ACCESS_SHIFT = 4,
	CONTROL_ACCESS_MASK = 3,
	CONTROL_CHANNEL_SHIFT = 6,
	CONTROL_KEPT = 0x3f, /* what the status byte repeats */

	ACCESS_LATCH = 0,
	ACCESS_LOW = 1,
	ACCESS_HIGH = 2,
	ACCESS_BOTH = 3,

	READ_BACK = 3, /* in the channel's place */
	READ_BACK_NO_COUNT = BIT(5),
	READ_BACK_NO_STATUS = BIT(4),
	READ_BACK_CHANNEL_0 = BIT(1),

	STATUS_NULL_COUNT = BIT(6),
	STATUS_OUT = BIT(7),

	PORT61_GATE2 = BIT(0),
	PORT61_WRITABLE = 0x0f, /* gate, speaker, the two NMI enables */
	PORT61_REFRESH = BIT(4),
	PORT61_OUT2 = BIT(5),
};

#define PIT_BINARY_MODULUS 65536U
#define PIT_BCD_MODULUS	   10000U
#define PIT_REFRESH_CLOCKS 18 /* a memory refresh each 15 us toggles the bit */
#define PIT_CATCH_UP	   8
#define PIT_MIN_EDGE_NS	   10000ULL /* a guest that asks for more than 100 kHz gets that */

static u64 clocks(u64 ns)
{
	return muldiv_u64(ns, PIT_HZ, NSEC_PER_SEC);
}

/* The first ns at which so many pulses have come. */
static u64 clocks_to_ns(u64 pulses)
{
	u64 ns = muldiv_u64(pulses, NSEC_PER_SEC, PIT_HZ);

	return clocks(ns) < pulses ? ns + 1 : ns;
}

static u64 clock_now(const struct pit *p)
{
	return clocks(p->queue->now());
}

static u32 modulus(const struct pit_channel *c)
{
	return c->bcd ? PIT_BCD_MODULUS : PIT_BINARY_MODULUS;
}

static bool periodic(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Modes 1 and 5 use the gate's rising edge only. */
static bool gate_triggered(const struct pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static u32 high_half(u32 count)
{
	return (count + 1) / 2;
}

/*
 * The count that a written value stands for; 0 is the largest. Digits above 9 count with their
 * weight.
 */
static u32 decode(const struct pit_channel *c, u16 value)
{
	u32 count = value;

	if (c->bcd)
		count = ((value >> 12 & 0xfU) * 1000 + (value >> 8 & 0xfU) * 100 +
			 (value >> 4 & 0xfU) * 10 + (value & 0xfU)) %
			PIT_BCD_MODULUS;
	return count ? count : modulus(c);
}

static u16 encode(const struct pit_channel *c, u32 count)
{
	count %= modulus(c);
	if (c->bcd)
		count = (count / 1000) << 12 | (count / 100 % 10) << 8 | (count / 10 % 10) << 4 |
			count % 10;
	return (u16)count;
}

static u64 elapsed(const struct pit_channel *c, u64 now)
{
	return c->gate || gate_triggered(c) ? now - c->start : c->elapsed;
}

/* Moves CR to CE when its time has come. */
static void sync(struct pit_channel *c, u64 now)
{
	u64 start = c->load_at;

	if (c->load_at > now)
		return;
	/*
	 * A square wave takes the new count at the end of a half; the low half lies behind the new
	 * high half.
	 */
	if (c->mode == 3 && c->loaded && c->gate &&
	    (c->load_at - c->start) % c->count == high_half(c->count))
		start -= high_half(c->reload);
	c->count = c->reload;
	c->start = start;
	c->elapsed = 0;
	c->loaded = true;
	c->null_count = false;
	c->load_at = PIT_NEVER;
}

static u16 current_count(const struct pit_channel *c, u64 now)
{
	u64 e = elapsed(c, now);

	if (!c->loaded)
		return c->held;
	switch (c->mode) {
	case 2:
		return encode(c, c->count - (u32)(e % c->count));
	case 3:
		e %= c->count;
		if (e >= high_half(c->count))
			e -= high_half(c->count);
		return encode(c, (c->count & ~1U) - 2 * (u32)e);
	default:
		return encode(c, c->count + modulus(c) - (u32)(e % modulus(c)));
	}
}

static bool out(const struct pit_channel *c, u64 now)
{
	u64 e = elapsed(c, now);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return e >= c->count;
	case 2:
		return !c->gate || e % c->count != c->count - 1;
	case 3:
		return !c->gate || e % c->count < high_half(c->count);
	default:
		return e != c->count;
	}
}

/* The first rising edge of OUT after now, of a channel whose gate is high. */
static u64 next_edge(const struct pit_channel *c, u64 now)
{
	bool pending = c->load_at != PIT_NEVER;
	u64 at, e;

	if (periodic(c)) {
		if (!c->loaded)
			return pending ? c->load_at + c->reload : PIT_NEVER;
		e = (now - c->start) % c->count;
		at = now + (c->count - e);
		/* A new count that comes with the falling edge decides when the rising one is. */
		if (pending && c->load_at < at)
			at = c->load_at + c->reload - high_half(c->reload);
		return at;
	}
	if (gate_triggered(c))
		return PIT_NEVER; /* the gate of channel 0 never rises */
	if (pending)
		at = c->load_at + c->reload;
	else if (c->loaded)
		at = c->start + c->count;
	else
		return PIT_NEVER;
	if (c->mode == 4)
		at++; /* the end of the strobe */
	return at > now ? at : PIT_NEVER;
}

static void set_out0(struct pit *p, bool level)
{
	if (level != p->out0_level) {
		p->out0_level = level;
		irq_set(&p->out0, level);
	}
}

static void arm(struct pit *p, u64 now_ns)
{
	u64 deadline = p->edge == PIT_NEVER ? TIME_NEVER : clocks_to_ns(p->edge);

	if (p->owed)
		deadline = min_u64(deadline, now_ns + clocks_to_ns(p->ch[0].count) / 2);
	if (deadline == TIME_NEVER)
		timer_cancel(p->queue, &p->timer);
	else
		timer_arm(p->queue, &p->timer, max_u64(deadline, now_ns));
}

static void fire(void *arg, u64 now_ns)
{
	struct pit *p = arg;
	struct pit_channel *c = &p->ch[0];
	u64 now = clocks(now_ns);

	sync(c, now);
	if (p->edge <= now) {
		p->owed++;
		if (periodic(c)) {
			u64 late = (now - p->edge) / c->count;
			u64 limit =
				clocks_to_ns(c->count) >= 2 * PIT_MIN_EDGE_NS ? PIT_CATCH_UP : 1;

			p->owed = late + p->owed > limit ? 1 : p->owed + (unsigned int)late;
		}
		p->edge = next_edge(c, now);
	}
	if (p->owed) {
		p->owed--;
		set_out0(p, false);
		set_out0(p, true);
	}
	arm(p, now_ns);
	if (p->timer.armed && p->timer.deadline < now_ns + PIT_MIN_EDGE_NS)
		timer_arm(p->queue, &p->timer, now_ns + PIT_MIN_EDGE_NS);
}

/* An edge whose time has come is not lost to the write that comes before the timer does. */
static void finish_edge(struct pit *p, u64 now)
{
	if (p->edge <= now)
		fire(p, p->queue->now());
}

/* Channel 0 was written: its OUT and the edges to come. */
static void restart_channel_0(struct pit *p, u64 now)
{
	struct pit_channel *c = &p->ch[0];

	/*
	 * In a square wave's low half the line stays high: the edge that counts is made at its end.
	 */
	set_out0(p, periodic(c) || out(c, now));
	p->owed = 0;
	p->edge = next_edge(c, now);
	arm(p, p->queue->now());
}

static void write_control_word(struct pit *p, struct pit_channel *c, u8 value, u64 now)
{
	c->held = current_count(c, now);
	c->control = value & CONTROL_KEPT;
	c->mode = value >> CONTROL_MODE_SHIFT & CONTROL_MODE_MASK;
	if (c->mode > 5)
		c->mode -= 4; /* the highest bit of modes 2 and 3 is "don't care" */
	c->bcd = value & CONTROL_BCD;
	c->written = false;
	c->loaded = false;
	c->null_count = true;
	c->write_high = false;
	c->read_high = false;
	c->count_latched = false;
	c->status_latched = false;
	c->load_at = PIT_NEVER;
	if (c == &p->ch[0])
		restart_channel_0(p, now);
}

static void latch_count(struct pit_channel *c, u64 now)
{
	if (c->count_latched)
		return;
	c->latch = current_count(c, now);
	c->count_latched = true;
}

static void latch_status(struct pit_channel *c, u64 now)
{
	if (c->status_latched)
		return;
	c->status = c->control;
	if (c->null_count)
		c->status |= STATUS_NULL_COUNT;
	if (out(c, now))
		c->status |= STATUS_OUT;
	c->status_latched = true;
}

static void write_control(struct pit *p, u8 value)
{
	unsigned int channel = value >> CONTROL_CHANNEL_SHIFT;
	u64 now = clock_now(p);

	for (unsigned int i = 0; i < ARRAY_SIZE(p->ch); i++) {
		struct pit_channel *c = &p->ch[i];

		if (channel == READ_BACK ? !(value & READ_BACK_CHANNEL_0 << i) : channel != i)
			continue;
		if (i == 0)
			finish_edge(p, now);
		sync(c, now);
		if (channel == READ_BACK) {
			if (!(value & READ_BACK_NO_COUNT))
				latch_count(c, now);
			if (!(value & READ_BACK_NO_STATUS))
				latch_status(c, now);
		} else if ((value >> CONTROL_ACCESS_SHIFT & CONTROL_ACCESS_MASK) == ACCESS_LATCH) {
			latch_count(c, now);
		} else {
			write_control_word(p, c, value, now);
		}
	}
}

/* A whole count is in CR: when it goes to CE depends on the mode. */
static void count_written(struct pit_channel *c, u16 value, u64 now)
{
	c->reload = decode(c, value);
	c->null_count = true;
	c->written = true;
	if (gate_triggered(c))
		return;
	if (!periodic(c) || !c->loaded) {
		c->load_at = now + 1;
		/*
		 * Terminal count of mode 0 is over at once, even if the pulse that loads is still
		 * to come.
		 */
		if (c->mode == 0) {
			c->held = current_count(c, now);
			c->loaded = false;
		}
	} else if (!c->gate) {
		c->load_at = PIT_NEVER; /* the trigger that ends the pause loads */
	} else {
		u64 e = (now - c->start) % c->count;
		u64 end = c->count;

		if (c->mode == 3 && e < high_half(c->count))
			end = high_half(c->count);
		c->load_at = now + (end - e);
	}
}

static void write_count(struct pit *p, struct pit_channel *c, u8 value)
{
	u64 now = clock_now(p);

	if (c == &p->ch[0])
		finish_edge(p, now);
	sync(c, now);
	switch (c->control >> CONTROL_ACCESS_SHIFT) {
	case ACCESS_LOW:
		count_written(c, value, now);
		break;
	case ACCESS_HIGH:
		count_written(c, (u16)(value << 8), now);
		break;
	case ACCESS_BOTH:
		if (c->write_high) {
			count_written(c, (u16)(value << 8 | c->write_low), now);
		} else {
			c->write_low = value;
			/* Mode 0: the first byte stops the counting and lowers OUT. */
			if (c->mode == 0) {
				c->held = current_count(c, now);
				c->loaded = false;
				c->load_at = PIT_NEVER;
			}
		}
		c->write_high = !c->write_high;
		break;
	default:
		return; /* no control word yet */
	}
	if (c == &p->ch[0])
		restart_channel_0(p, now);
}

static u8 read_count(struct pit *p, struct pit_channel *c)
{
	u64 now = clock_now(p);
	u16 count;
	bool high;

	sync(c, now);
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	count = c->count_latched ? c->latch : current_count(c, now);
	switch (c->control >> CONTROL_ACCESS_SHIFT) {
	case ACCESS_LOW:
		high = false;
		c->count_latched = false;
		break;
	case ACCESS_HIGH:
		high = true;
		c->count_latched = false;
		break;
	default:
		high = c->read_high;
		c->read_high = !high;
		if (high)
			c->count_latched = false;
		break;
	}
	return (u8)(high ? count >> 8 : count);
}

static void set_gate(struct pit_channel *c, bool gate, u64 now)
{
	if (gate == c->gate)
		return;
	sync(c, now);
	if (!gate) {
		c->elapsed = now - c->start;
		/* A count that was to come at the end of the period now comes with the trigger. */
		if (periodic(c) && c->loaded)
			c->load_at = PIT_NEVER;
	} else if (gate_triggered(c)) {
		if (c->written)
			c->load_at = now + 1;
	} else if (periodic(c)) {
		/* A new start, whatever phase it was in. */
		c->held = current_count(c, now);
		c->loaded = false;
		if (c->written)
			c->load_at = now + 1;
	} else {
		c->start = now - c->elapsed;
	}
	c->gate = gate;
}

static u32 pit_read(void *dev, u16 offset, unsigned int size)
{
	struct pit *p = dev;

	(void)size;
	if (offset == PIT_CONTROL)
		return 0xff; /* the part does not drive the bus */
	return read_count(p, &p->ch[offset]);
}

static void pit_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pit *p = dev;

	(void)size;
	if (offset == PIT_CONTROL)
		write_control(p, (u8)value);
	else
		write_count(p, &p->ch[offset], (u8)value);
}

static u32 port61_read(void *dev, u16 offset, unsigned int size)
{
	struct pit *p = dev;
	u64 now = clock_now(p);
	u32 value = p->port61;

	(void)offset;
	(void)size;
	sync(&p->ch[2], now);
	if (out(&p->ch[2], now))
		value |= PORT61_OUT2;
	if (now / PIT_REFRESH_CLOCKS % 2)
		value |= PORT61_REFRESH;
	return value;
}

static void port61_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pit *p = dev;

	(void)offset;
	(void)size;
	p->port61 = value & PORT61_WRITABLE;
	set_gate(&p->ch[2], value & PORT61_GATE2, clock_now(p));
}

static const struct port_ops pit_ports = {
	.read = pit_read,
	.write = pit_write,
	.max_size = 1,
	.name = "pit",
};

static const struct port_ops port61_ops = {
	.read = port61_read,
	.write = port61_write,
	.max_size = 1,
	.name = "port61",
};

void pit_init(struct pit *p, struct timer_queue *q, struct irq_line out0)
{
	memset(p, 0, sizeof(*p));
	p->queue = q;
	p->out0 = out0;
	p->timer.fire = fire;
	p->timer.arg = p;
	pit_reset(p);
}

/*
 * The sheet leaves the state after power-up undefined: here no channel counts before it is
 * programmed, so that a guest that never uses the PIT is not woken by it.
 */
void pit_reset(struct pit *p)
{
	timer_cancel(p->queue, &p->timer);
	for (unsigned int i = 0; i < ARRAY_SIZE(p->ch); i++)
		p->ch[i] = (struct pit_channel){
			.gate = i != 2,
			.null_count = true,
			.reload = PIT_BINARY_MODULUS,
			.count = PIT_BINARY_MODULUS,
			.load_at = PIT_NEVER,
		};
	p->port61 = 0;
	p->edge = PIT_NEVER;
	p->owed = 0;
	p->out0_level = false;
	irq_set(&p->out0, false);
}

int pit_attach(struct pit *p, struct bus *b)
{
	int err = bus_add_port(b, PIT_BASE, PIT_PORTS, &pit_ports, p);

	return err ? err : bus_add_port(b, PORT61, 1, &port61_ops, p);
}
