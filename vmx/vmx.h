/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share.
 */
#ifndef PLINTH_VMX_VMX_H
#define PLINTH_VMX_VMX_H

#include "caps.h"
#include "gpmap.h"
#include "memtype.h"
#include "vcpu.h"
#include "vmcs.h"

/* This processor's capabilities and the choice made from them. Written once by vmx_probe(). */
extern struct vmx_caps vmx_caps;
extern struct vmx_controls vmx_controls;

/* The backend's part of a vCPU. Own CPU only: its VMCS is current there from creation on. */
struct vmx_vcpu {
	void *vmcs; /* owned: one page */
	hpa_t vmcs_pa;
	u8 *msr_bitmap; /* owned: one page, 1 = exit */
	u8 *io_bitmap;	/* owned: two pages, 1 = exit */
	u8 *vapic;	/* owned: one page, of which the TPR is used */
	u64 eptp;
	u64 host_rsp; /* what HOST_RSP holds */
	bool launched;
	bool nmi_exit;	/* the last exit was an NMI, not taken yet */
	bool injecting; /* an event stands ready for the next entry */

	/* What the VMCS holds, so that only changes are written and nothing is read back. */
	u32 proc_controls;
	u32 entry_controls;
	u32 tpr_threshold;
	u64 cr0_shadow, cr4_shadow;
	u32 interruptibility; /* valid with REG_SHADOW */
	u8 cr8;		      /* the virtual TPR as the LAPIC knows it */
	u32 failure;	      /* VM-instruction error of a failed entry, 0: none */
};

#define IO_BITMAP_PAGES 2
#define VAPIC_TPR	0x80U /* offset of the TPR in the virtual-APIC page */
#define TPR_CR8_SHIFT	4

/*
 * The guest's bits of CR0 and CR4 that it changes without an exit; all others are the host's, and
 * the guest reads them from the shadow (25.6.6).
 */
#define CR0_GUEST_OWNED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM)
u64 vmx_cr4_guest_owned(void);

/* --- VMREAD and VMWRITE: 31.3. Both succeed on fields that exist while a VMCS is current. ------ */

static inline u64 vmcs_read(enum vmcs_field field)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc", "memory");
	return value;
}

static inline u32 vmcs_read32(enum vmcs_field field)
{
	return (u32)vmcs_read(field);
}

static inline void vmcs_write(enum vmcs_field field, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"((u64)field), "r"(value) : "cc", "memory");
}

static inline bool vmcs_field_exists(const struct vmcs_field_info *f)
{
	return vmx_allowed(&vmx_caps, f->needs);
}

/* --- entry.asm --------------------------------------------------------------------------------- */

enum vmx_entry {
	VMX_ENTERED,	  /* and left again */
	VMX_FAIL_INVALID, /* no current VMCS */
	VMX_FAIL_VALID,	  /* the VM-instruction error field tells */
};

/*
 * Runs the guest with v's general registers (RSP is the VMCS's). Interrupts off before and after.
 * *host_rsp is what HOST_RSP holds.
 */
enum vmx_entry vmx_enter(struct vcpu *v, bool launched, u64 *host_rsp);
/* Where exits arrive; not to be called. */
void vmx_exit_point(void);

/* --- exit.c ------------------------------------------------------------------------------------- */

/* Fills v->exit and the event whose delivery was cut short. */
void vmx_decode_exit(struct vcpu *v, struct event *cut_short);

/* --- state.c ------------------------------------------------------------------------------------ */

void vmx_load(struct vcpu *v, u32 regs);
void vmx_store(struct vcpu *v);
/* The host's state in the VMCS: what an exit loads. */
void vmx_store_host(void);

/* --- dump.c ------------------------------------------------------------------------------------- */

void vmx_dump(struct vcpu *v);
struct vmx_violation;
/* The entry rule that the current VMCS violates, which is v's; false: none. */
bool vmx_find_violation(const struct vcpu *v, struct vmx_violation *out);
/* One line that begins with the words before. */
void vmx_print_violation(const char *before, const struct vmx_violation *f);

/* --- debug_entry.c, in debug builds only: checks what the next entry enters with ----------------- */

#ifdef PLINTH_DEBUG
void vmx_debug_entry(struct vcpu *v);
#else
static inline void vmx_debug_entry(struct vcpu *v)
{
	(void)v;
}
#endif

/* --- event.c ------------------------------------------------------------------------------------ */

bool vmx_can_take_interrupt(struct vcpu *v);
bool vmx_can_take_nmi(struct vcpu *v);
void vmx_inject(struct vcpu *v, const struct event *e);
void vmx_set_windows(struct vcpu *v, unsigned int windows);
void vmx_set_cr8(struct vcpu *v, u8 cr8);
static inline u8 vmx_guest_cr8(const struct vmx_vcpu *s)
{
	return s->vapic[VAPIC_TPR] >> TPR_CR8_SHIFT;
}

/* The guest wrote CR8: passes it to the LAPIC. */
void vmx_sync_cr8(struct vcpu *v);
/* The event that IDT-vectoring information tells of. */
void vmx_cut_short(struct event *e, u32 info);
/* Also for an IRET that had ended the blocking and then faulted: NMIs are blocked as before it. */
void vmx_set_nmi_blocked(struct vcpu *v, bool blocked);

/* --- permmap.c: 25.6.4, 25.6.9 ------------------------------------------------------------------ */

void vmx_intercept_msr(struct vcpu *v, u32 msr, unsigned int access);
void vmx_intercept_port(struct vcpu *v, u16 port, bool on);

/* --- ept.c: 29.3 -------------------------------------------------------------------------------- */

extern struct gpmap_format ept_format;
/* Follows the page sizes that were negotiated. */
void ept_configure(const struct vmx_controls *c);
/* RAM gets the types that the host's MTRRs give it, rather than write-back throughout. */
void ept_set_memtypes(const struct host_mtrrs *host);
u64 ept_pointer(hpa_t root, const struct vmx_controls *c);

#endif
