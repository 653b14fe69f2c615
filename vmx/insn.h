/* SPDX-License-Identifier: MIT */
/*
 * The instructions that switch VT-x on, choose a VMCS and drop translations: SDM vol. 3 rev. 083, 31.3. True: VMsucceed.
 */
#ifndef PLINTH_VMX_INSN_H
#define PLINTH_VMX_INSN_H

#include "types.h"

/* INVEPT and INVVPID types: 31.3 */
#define INVEPT_ONE  1UL
#define INVEPT_ALL  2UL
#define INVVPID_ALL 2UL

static inline bool vmxon(hpa_t region)
{
	bool ok;

	__asm__ volatile("vmxon %1" : "=@cca"(ok) : "m"(region) : "memory");
	return ok;
}

static inline void vmxoff(void)
{
	__asm__ volatile("vmxoff" : : : "cc", "memory");
}

static inline bool vmclear(hpa_t vmcs)
{
	bool ok;

	__asm__ volatile("vmclear %1" : "=@cca"(ok) : "m"(vmcs) : "memory");
	return ok;
}

static inline bool vmptrld(hpa_t vmcs)
{
	bool ok;

	__asm__ volatile("vmptrld %1" : "=@cca"(ok) : "m"(vmcs) : "memory");
	return ok;
}

static inline void invept(u64 type, u64 eptp)
{
	struct {
		u64 eptp, reserved;
	} d = { .eptp = eptp };

	__asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

static inline void invvpid(u64 type, u64 vpid)
{
	struct {
		u64 vpid, address;
	} d = { .vpid = vpid };

	__asm__ volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

#endif
