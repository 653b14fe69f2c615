/* SPDX-License-Identifier: MIT */
/*
 * A million random accesses to ports, devices in memory, MSRs, CPUID, control registers and hypercalls. Plinth must print no
 * panic, stay alive and let the guest go on: the last line is "survived". rounds= and seed= on the command line give another
 * number and another run; both are printed. Left out is what ends the machine by intent (the reset and power-off registers, the
 * debug exit), and the DMA of fw_cfg, which would write over this program. For the inside only.
 */
#include "guest.h"

#define ROUNDS	1000000U
#define REPORT	100000U
#define SEED	0x9e3779b97f4a7c15ULL
#define COM1	0x3f8
#define NO_INIT 0xfafafafafafafafaULL /* delivery mode 5 has bits 8 and 10 */
#define PM_BASE 0x600

static u64 state;

static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

/* Ports whose writes end the machine, or silence the console that reports. */
static bool forbidden(u32 first, u32 size)
{
	static const struct {
		u16 from, to;
	} rows[] = {
		{ 0x64, 0x64 },	  { 0x92, 0x92 },     { 0xb2, 0xb3 },
		{ 0xf4, 0xf7 },	  { COM1, COM1 + 7 }, { PM_BASE + 4, PM_BASE + 5 },
		{ 0xcf8, 0xcff }, { 0x514, 0x51b },   { 0x8900, 0x8900 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (first <= rows[i].to && first + size > rows[i].from)
			return true;
	return false;
}

static const u16 devices[] = { 0x20, 0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,
			       0x41, 0x42,  0x43,  0x60,  0x61,	 0x70,	0x71,
			       0x80, 0x600, 0x602, 0x608, 0x2f8, 0x510, 0x511 };

static void port(void)
{
	u64 r = rnd();
	u16 p = r & 1 ? (u16)(r >> 16) : devices[(r >> 16) % ARRAY_SIZE(devices)];
	u32 size = 1U << (r >> 4 & 3) % 3, value = (u32)(r >> 32);

	if (forbidden(p, size))
		return;
	switch ((r >> 1 & 1) << 2 | (size - 1)) {
	case 0:
		outb(p, (u8)value);
		break;
	case 1:
		outw(p, (u16)value);
		break;
	case 3:
		outl(p, value);
		break;
	case 4:
		(void)inb(p);
		break;
	case 5:
		(void)inw(p);
		break;
	default:
		(void)inl(p);
		break;
	}
}

static void memory(void)
{
	static const u64 pages[] = { LAPIC_PAGE, IOAPIC_PAGE, 0xd0000000, 0xfed40000,
				     0xf0000000, 0xfee01000,  0xfebff000 };
	u64 r = rnd();
	u64 a = pages[(r >> 8) % ARRAY_SIZE(pages)] + (r >> 16 & (r & 1 ? 0xff0 : 0xfff));
	u64 v = rnd();

	/* An INIT by the ICR would restart this processor at the reset vector. */
	if ((a & ~0xfffUL) == LAPIC_PAGE && (a & 0xfff) + 8 > 0x300 && (a & 0xfff) < 0x310)
		return;
	/* Nor one by an entry of the LAPIC or I/O APIC with that delivery mode, whichever byte it is in. */
	if (a >> 24 == LAPIC_PAGE >> 24 || a >> 24 == IOAPIC_PAGE >> 24)
		v &= NO_INIT;
	switch (r >> 4 & 0xf) {
	case 0:
		TRY("movb %b0, (%1)", "+r"(v) : "r"(a));
		break;
	case 1:
		TRY("movw %w0, (%1)", "+r"(v) : "r"(a));
		break;
	case 2:
	case 3:
		TRY("movl %k0, (%1)", "+r"(v) : "r"(a));
		break;
	case 4:
		TRY("movq %0, (%1)", "+r"(v) : "r"(a));
		break;
	case 5:
		TRY("xchgl %k0, (%1)", "+r"(v) : "r"(a));
		break;
	case 6:
		TRY("andl %k0, (%1)", "+r"(v) : "r"(a));
		break;
	case 7:
		TRY("lock orl %k0, (%1)", "+r"(v) : "r"(a));
		break;
	case 8:
		TRY("movzbl (%1), %k0", "+r"(v) : "r"(a));
		break;
	case 9:
		TRY("movq (%1), %0", "+r"(v) : "r"(a));
		break;
	default:
		TRY("movl (%1), %k0", "+r"(v) : "r"(a));
		break;
	}
}

static void msr(void)
{
	static const u32 bases[] = { 0,		 0x10,	     0x170,	 0x1b,
				     0x200,	 0x270,	     0x2ff,	 0x400,
				     0x480,	 0x6e0,	     0x800,	 0xc0000080,
				     0xc0000100, 0xc0010000, 0xc0010110, 0xc0011020 };
	u64 r = rnd(), value;
	u32 n = r & 1 ? (u32)(r >> 32)
		      : bases[(r >> 8) % ARRAY_SIZE(bases)] + (u32)(r >> 32 & 0x3f);

	/* These move what we stand on: the base of GS and FS is not used, the APIC's and the x2APIC's ICR are. */
	if (n == MSR_APIC_BASE || n == MSR_EFER || n >> 8 == 8 || !(r & 6))
		(void)try_rdmsr(n, &value);
	else
		(void)try_wrmsr(n, rnd());
}

static void control(void)
{
	static const u64 toggles[] = { CR4_TSD, CR4_DE,	    CR4_PGE,	   CR4_MCE,
				       CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT };
	u64 r = rnd(), old0 = read_cr0(), old4 = read_cr4();
	u64 v;

	switch (r & 7) {
	case 0:
		v = old4 ^ toggles[(r >> 8) % ARRAY_SIZE(toggles)];
		TRY("movq %0, %%cr4", "+r"(v) :);
		break;
	case 1:
		v = old4 | BIT64(24 + (r >> 8) % 40); /* reserved: must fault */
		TRY("movq %0, %%cr4", "+r"(v) :);
		break;
	case 2:
		v = old0 ^ (CR0_TS | CR0_WP | CR0_AM);
		TRY("movq %0, %%cr0", "+r"(v) :);
		break;
	case 3:
		v = old0 | BIT64(32 + (r >> 8) % 32);
		TRY("movq %0, %%cr0", "+r"(v) :);
		break;
	case 4:
		v = r >> 8 & 0xf;
		TRY("movq %0, %%cr8", "+r"(v) :);
		v = 0;
		TRY("movq %0, %%cr8", "+r"(v) :);
		break;
	case 5:
		v = r >> 32;
		TRY("xsetbv", "+a"(v) : "c"((u32)(r >> 8 & 3)), "d"(0));
		break;
	case 6:
		v = 0;
		TRY("wbinvd", "+r"(v) :);
		break;
	default:
		(void)cpuid((u32)rnd(), (u32)rnd());
		break;
	}
	write_cr0(old0);
	write_cr4(old4);
}

/* The one of the other vendor is #UD. */
static void hypercall(void)
{
	u64 r = rnd(), rax = rnd(), rbx = rnd(), rcx = rnd(), rdx = rnd();

	if (r & 1)
		TRY("vmcall", "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx) : "S"(r), "D"(r >> 1));
	else
		TRY("vmmcall", "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx) : "S"(r), "D"(r >> 1));
}

static void leave_alone(struct regs *r)
{
	/* Somebody was programmed to interrupt: fine, and no more of it. */
	(void)r;
}

void guest_main(void)
{
	u32 faults[VEC_PF + 1] = { 0 }, others = 0, rounds;

	for (u32 v = 32; v < 256; v++)
		on_vector((u8)v, leave_alone);
	on_vector(VEC_NMI, leave_alone);
	lapic_enable();
	/* The generator stands still at 0. */
	state = cmdline_number("seed=", SEED);
	if (!state)
		state = SEED;
	rounds = (u32)cmdline_number("rounds=", ROUNDS);
	print("seed 0x%lx, %u accesses\n", state, rounds);
	for (u32 n = 0; n < rounds; n++) {
		if (n % REPORT == 0)
			print("# %u\n", n);
		try_vector = -1;
		switch (rnd() % 9) {
		case 0:
		case 1:
		case 2:
			port();
			break;
		case 3:
		case 4:
			memory();
			break;
		case 5:
			msr();
			break;
		case 6:
			control();
			break;
		case 7:
			hypercall();
			break;
		default:
			(void)cpuid((u32)(rnd() & 0xc00000ff), (u32)(rnd() & 0xf));
			break;
		}
		if (try_vector == VEC_UD || try_vector == VEC_GP || try_vector == VEC_PF)
			faults[try_vector]++;
		else if (try_vector >= 0)
			others++;
	}
	print("# faults: #UD %u, #GP %u, #PF %u, others %u\n", faults[VEC_UD], faults[VEC_GP],
	      faults[VEC_PF], others);
	print("survived\n");
	ok(true, "survived");
}
