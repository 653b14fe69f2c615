/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by linear address (arch/vcpu/walk.c): the guest's page walk for all paging modes,
 * and access to what it finds, RAM or device. SDM vol. 3 ch. 4.
 */
#ifndef PLINTH_GUEST_MEM_H
#define PLINTH_GUEST_MEM_H

#include "vcpu.h"

enum access {
	ACCESS_READ = 0,
	ACCESS_WRITE = BIT(0),
	ACCESS_FETCH = BIT(1),
	ACCESS_USER = BIT(2),	  /* checked as CPL 3 */
	ACCESS_IMPLICIT = BIT(3), /* system access (descriptor tables): supervisor whatever CPL */
};

struct fault {
	u8 vector; /* VEC_PF, VEC_GP, VEC_SS, VEC_AC */
	bool has_error;
	u32 error;
	gva_t address; /* CR2 of a page fault */
};

/*
 * Translates one linear address; sets accessed and dirty bits as the processor would (in guest
 * memory, atomically). 0, or -EFAULT with *fault filled. A page table that lies outside guest RAM
 * reads as not present entries of all ones (open bus).
 */
int guest_translate(struct vcpu *v, gva_t gva, unsigned int access, gpa_t *gpa,
		    struct fault *fault);

/*
 * Copies between the guest's linear space and a buffer, page by page. All of it or, at a fault,
 * nothing is written: both pages of a crossing are translated first. len is at most PAGE_SIZE. 0
 * or -EFAULT with *fault. Device pages are accessed through the board (MMIO).
 */
int guest_read_linear(struct vcpu *v, gva_t gva, void *dst, unsigned int len, unsigned int access,
		      struct fault *fault);
int guest_write_linear(struct vcpu *v, gva_t gva, const void *src, unsigned int len,
		       unsigned int access, struct fault *fault);

/*
 * The bytes of the instruction at CS:RIP, up to 15, fewer when the next page is not fetchable.
 * Returns how many (>= 1), or -EFAULT.
 */
int guest_fetch(struct vcpu *v, u8 bytes[15], struct fault *fault);

/*
 * Physical access as the processor sees it: RAM, this vCPU's LAPIC page, or a device on the
 * board. size 1 to 8; the address need not be aligned.
 */
u64 guest_phys_read(struct vcpu *v, gpa_t gpa, unsigned int size);
void guest_phys_write(struct vcpu *v, gpa_t gpa, unsigned int size, u64 value);

#endif
