/* SPDX-License-Identifier: MIT */
/*
 * Port I/O: open bus, sizes, string instructions. SDM vol. 1 (rev. 083) ch. 19, vol. 2 INS/OUTS; PCI Local Bus 3.0, 3.2.2.1.
 */
#include "guest.h"

#define SCRATCH	   0x3ff /* of COM1: any byte can be written and read back */
#define COM1_MSR   0x3fe
#define COM1_MCR   0x3fc
#define POST_PORT  0x80
#define OPEN_PORT  0x2f0
#define BUFFER	   64
#define GUARD	   0xa5
#define SCRATCH_LO 0x700000UL /* two pages of free RAM, the second can be taken away */

static const u16 open_ports[] = { 0x148, 0x250, 0x2f0, 0x340, 0x5000, 0xabc4, 0xfff8 };

static u8 buffer[BUFFER] __aligned(16);

static void fill(u8 *p, u8 value, u32 n)
{
	for (u32 i = 0; i < n; i++)
		p[i] = value;
}

static bool all(const u8 *p, u8 value, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void open_bus(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(open_ports); i++) {
		u16 port = open_ports[i];

		outb(port, 0x12);
		outw(port, 0x1234);
		outl(port, 0x12345678);
		is(inb(port), 0xff, "open bus: 8 bits of port %x", port);
		is(inw(port), 0xffff, "open bus: 16 bits of port %x", port);
		is(inl(port), 0xffffffff, "open bus: 32 bits of port %x", port);
	}
}

static void registers(void)
{
	u64 rax = 0x1122334455667788;

	__asm__ volatile("inb %%dx, %%al" : "+a"(rax) : "d"(OPEN_PORT));
	is(rax, 0x11223344556677ff, "IN AL keeps the rest of RAX");
	__asm__ volatile("inw %%dx, %%ax" : "+a"(rax) : "d"(OPEN_PORT));
	is(rax, 0x112233445566ffff, "IN AX keeps the rest of RAX");
	__asm__ volatile("inl %%dx, %%eax" : "+a"(rax) : "d"(OPEN_PORT));
	is(rax, 0xffffffff, "IN EAX clears the upper half of RAX");
	rax = 0xaaaaaaaaaaaa5a5a;
	__asm__ volatile("outb %%al, $0x80\n\tinb $0x80, %%al" : "+a"(rax));
	is(rax >> 8, 0xaaaaaaaaaaaa5a, "IN with an immediate port keeps the rest of RAX");
	outb(SCRATCH, 0x5a);
	is(inb(SCRATCH), 0x5a, "the port above is a real one");
}

static void splitting(void)
{
	/* QEMU gives the whole word to the device, and ends. */
	if (!bare_qemu)
		outw(SCRATCH, 0x1177);
	inside_only(inb(SCRATCH) == 0x77, "OUT AX: half device, half open bus");
	outw(COM1_MSR, 0x6600);
	is(inb(SCRATCH), 0x66, "OUT AX: the high byte goes to the next port");
	is(inw(COM1_MSR) >> 8, 0x66, "IN AX: the high byte comes from the next port");
	outl(COM1_MCR, 0x55000003);
	is(inb(SCRATCH), 0x55, "OUT EAX: four ports");
	is(inl(COM1_MCR) >> 24, 0x55, "IN EAX: four ports");
	inside_only(bare_qemu || inw(SCRATCH) == 0xff55, "IN AX: half device, half open bus");
}

static void strings(void)
{
	void *p = buffer + 16;
	u64 n = 4;

	fill(buffer, GUARD, BUFFER);
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer + 16, 0xff, 4) && buffer[15] == GUARD && buffer[20] == GUARD,
	   "REP INSB: 4 bytes");
	ok(p == buffer + 20 && n == 0, "REP INSB: RDI and RCX");

	fill(buffer, GUARD, BUFFER);
	p = buffer + 16;
	n = 3;
	__asm__ volatile("rep insw" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer + 16, 0xff, 6) && buffer[22] == GUARD && p == buffer + 22 && n == 0,
	   "REP INSW");

	fill(buffer, GUARD, BUFFER);
	p = buffer + 16;
	n = 3;
	__asm__ volatile("std\n\trep insl\n\tcld" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer + 8, 0xff, 12) && buffer[7] == GUARD && buffer[20] == GUARD,
	   "REP INSL with DF");
	ok(p == buffer + 4 && n == 0, "REP INSL with DF: RDI and RCX");

	fill(buffer, GUARD, BUFFER);
	p = (void *)((u64)(buffer + 16) | 0xffffffff00000000);
	n = 0xffffffff00000002;
	__asm__ volatile("addr32 rep insb" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer + 16, 0xff, 2) && buffer[18] == GUARD, "REP INSB with 32-bit addresses");
	ok((u64)p == (u64)(buffer + 18) && n == 0, "REP INSB with 32-bit addresses: EDI and ECX");

	fill(buffer, GUARD, BUFFER);
	p = buffer + 16;
	n = 0;
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer, GUARD, BUFFER) && p == buffer + 16, "REP INSB of nothing");

	p = buffer + 16;
	__asm__ volatile("insb" : "+D"(p) : "d"(OPEN_PORT) : "memory");
	ok(buffer[16] == 0xff && p == buffer + 17, "INSB without REP");

	for (u32 i = 0; i < BUFFER; i++)
		buffer[i] = (u8)(i + 1);
	p = buffer;
	n = 8;
	__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	ok(inb(SCRATCH) == 8 && p == buffer + 8 && n == 0, "REP OUTSB");
	p = buffer + 20;
	n = 8;
	__asm__ volatile("std\n\trep outsb\n\tcld" : "+S"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	ok(inb(SCRATCH) == 14 && p == buffer + 12 && n == 0, "REP OUTSB with DF");
	p = buffer + 30;
	__asm__ volatile("outsb" : "+S"(p) : "d"(SCRATCH) : "memory");
	ok(inb(SCRATCH) == 31 && p == buffer + 31, "OUTSB without REP");
	p = buffer + 40;
	n = 2;
	__asm__ volatile("rep outsw" : "+S"(p), "+c"(n) : "d"(COM1_MSR) : "memory");
	ok(inb(SCRATCH) == 44 && p == buffer + 44 && n == 0, "REP OUTSW");

	fill(buffer, GUARD, BUFFER);
	p = buffer;
	n = BUFFER / 4;
	__asm__ volatile("rep insl" : "+D"(p), "+c"(n) : "d"(OPEN_PORT) : "memory");
	ok(all(buffer, 0xff, BUFFER) && n == 0, "REP INSL: a longer one");
}

/* The first bytes are done, the rest is as it was: SDM vol. 2 REP, "faults". */
static void fault_in_the_middle(void)
{
	u8 *page = (u8 *)SCRATCH_LO;
	u8 *p = page + PAGE_SIZE - 5;
	u64 n = 16;
	int vector;

	fill(page, GUARD, PAGE_SIZE);
	map_page(SCRATCH_LO + PAGE_SIZE, 0);
	vector = TRY("rep insb", "+D"(p), "+c"(n) : "d"(OPEN_PORT));
	is((u64)vector, VEC_PF, "REP INSB into a missing page faults");
	ok(all(page + PAGE_SIZE - 5, 0xff, 5), "REP INSB: what lies before the fault is stored");
	ok(p == page + PAGE_SIZE && n == 11, "REP INSB: registers at the fault");
	is(read_cr2(), SCRATCH_LO + PAGE_SIZE, "REP INSB: CR2");
	is(try_error, PFERR_W, "REP INSB: error code");

	p = page + PAGE_SIZE - 2;
	page[PAGE_SIZE - 2] = 0x21;
	page[PAGE_SIZE - 1] = 0x22;
	n = 8;
	vector = TRY("rep outsb", "+S"(p), "+c"(n) : "d"(SCRATCH));
	ok(vector == VEC_PF && try_error == 0, "REP OUTSB from a missing page faults");
	ok(p == page + PAGE_SIZE && n == 6 && inb(SCRATCH) == 0x22,
	   "REP OUTSB: registers at the fault");

	/* Across the border: nothing of the element is stored. */
	p = page + PAGE_SIZE - 2;
	vector = TRY("insl", "+D"(p) : "d"(OPEN_PORT));
	ok(vector == VEC_PF && p == page + PAGE_SIZE - 2, "INSL across the border faults");
	is(read_cr2(), SCRATCH_LO + PAGE_SIZE, "INSL across the border: CR2");
	p = (u8 *)0x8000000000000000;
	vector = TRY("insb", "+D"(p) : "d"(OPEN_PORT));
	ok(vector == VEC_GP && try_error == 0, "INSB to a non-canonical address: #GP(0)");

	map_page(SCRATCH_LO + PAGE_SIZE, (SCRATCH_LO + PAGE_SIZE) | PTE_P | PTE_W | PTE_U);
	p = page + PAGE_SIZE - 2;
	vector = TRY("insl", "+D"(p) : "d"(OPEN_PORT));
	ok(vector == -1 && all(page + PAGE_SIZE - 2, 0xff, 4), "INSL across two pages");
	map_page(SCRATCH_LO, SCRATCH_LO | PTE_P | PTE_U);
	p = page;
	vector = TRY("insb", "+D"(p) : "d"(OPEN_PORT));
	ok(vector == VEC_PF && try_error == (PFERR_P | PFERR_W), "INSB into a read-only page");
	map_page(SCRATCH_LO, SCRATCH_LO | PTE_P | PTE_W | PTE_U);
}

static volatile int user_vector;
static volatile u32 user_error, user_value;

static void user_in(u64 port)
{
	u32 eax = 0;

	user_vector = TRY("inb %%dx, %%al", "+a"(eax) : "d"((u16)port));
	user_error = try_error;
	user_value = eax;
}

static void user_insb(u64 port)
{
	void *p = buffer;

	user_vector = TRY("insb", "+D"(p) : "d"((u16)port));
	user_error = try_error;
}

static void privilege(void)
{
	tss_setup();
	call_user(user_in, OPEN_PORT);
	ok(user_vector == VEC_GP && user_error == 0, "IN in ring 3 without permission: #GP(0)");
	fill(buffer, GUARD, BUFFER);
	call_user(user_insb, OPEN_PORT);
	ok(user_vector == VEC_GP && user_error == 0 && buffer[0] == GUARD,
	   "INSB in ring 3 without permission: #GP(0)");
}

void guest_main(void)
{
	open_bus();
	registers();
	splitting();
	strings();
	fault_in_the_middle();
	privilege();
}
