/* SPDX-License-Identifier: MIT */
/*
 * A guest without a processor, for the harnesses: RAM, the real board with a clock that the harness
 * moves, one vCPU whose registers are only the copies, and what the core would do with them.
 */
#ifndef PLINTH_FUZZ_WORLD_H
#define PLINTH_FUZZ_WORLD_H

#include "fuzz.h"
#include "vm.h"

#define WORLD_RAM      KIB(128)	  /* from 0 */
#define WORLD_ROM      0x40000ULL /* one page that the guest cannot write */
#define WORLD_HIGH     GIB(4)
#define WORLD_HIGH_LEN KIB(16)

extern struct vm *world_vm;
extern struct vcpu *world_vcpu;
extern u8 *world_ram, *world_rom, *world_high;

/* The clock of board and LAPIC, in ns. */
extern u64 world_now;
/* Calls from the devices to the world since somebody cleared it: what bounds their loops. */
extern unsigned long world_calls;
/* What the guest may read from its serial line, and what it wrote there. */
extern const u8 *world_typed;
extern size_t world_typed_left;
extern unsigned long world_sent;
extern unsigned int world_kicks;
extern u32 world_pkru;

/* The exception that was queued last. */
struct world_event {
	bool any, has_error;
	u8 vector;
	u32 error;
	gva_t address;
};
extern struct world_event world_event;
extern unsigned int world_skips, world_skip_len;

/* All new: RAM zeroed, board at power-on, LAPIC reset, time one second. */
void world_start(void);
/* The board alone, into b, which is all zeros. The LAPIC is not on its bus. */
void world_board(struct board *b);
/* Flat segments; code_size 8: long mode, whose page tables are the caller's. */
void world_mode(unsigned int code_size);
/* Time passes and the timers are served, as the run loop does it. */
void world_pass(u64 ns);

#endif
