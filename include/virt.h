/* SPDX-License-Identifier: MIT */
/*
 * The seam: what a virtualization extension offers to the core. Implemented twice, by svm/ and vmx/; nobody else knows
 * a VMCB or a VMCS.
 */
#ifndef PLINTH_VIRT_H
#define PLINTH_VIRT_H

#include "gpmap.h"
#include "vcpu.h"

enum msr_access {
	MSR_READ = BIT(0),
	MSR_WRITE = BIT(1),
};

struct virt_ops {
	const char *name; /* "AMD-V", "VT-x" */

	/*
	 * Is it there and usable? 0; -ENODEV: this processor has no such extension; or another error with one line of
	 * cause in *why. Logs nothing. Touches no state.
	 */
	int (*probe)(const char **why);
	/* One line that names the optional features found, for the banner. */
	void (*describe)(char *buf, size_t size);

	/*
	 * The processor's CPUID leaves without the instructions that this extension cannot let a
	 * guest use. NULL: it can let it use them all.
	 */
	struct cpuid_regs (*cpuid)(u32 leaf, u32 subleaf);

	/*
	 * Switch the extension on and off on this CPU. 0; -ENOMEM; -EPERM: what the firmware left open cannot be set; -EIO: the
	 * processor refuses.
	 */
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	const struct gpmap_format *gpmap_format;

	/* Control structure for v; v->vm's map is complete. All registers start dirty. 0 or -ENOMEM. */
	int (*vcpu_create)(struct vcpu *v);
	void (*vcpu_destroy)(struct vcpu *v);
	/* v was reset: all cached state of the backend (pending injection, windows) goes. */
	void (*vcpu_reset)(struct vcpu *v);

	/*
	 * Enters the guest with v's dirty registers, leaves it, fills v->exit, RIP, RFLAGS and the event whose delivery was cut
	 * short (into *cut_short; type EVENT_NONE if none). Interrupts are off before and after; an NMI or interrupt that ended the run is
	 * taken by the host at its usual place afterwards.
	 */
	void (*run)(struct vcpu *v, struct event *cut_short);

	/* Fills v's copies of the register groups and marks them available. */
	void (*load)(struct vcpu *v, u32 regs);

	/* May the guest take an external interrupt / an NMI right now, as far as the hardware state goes? */
	bool (*can_take_interrupt)(struct vcpu *v);
	bool (*can_take_nmi)(struct vcpu *v);
	/* To be delivered by the next entry. At most one. */
	void (*inject)(struct vcpu *v, const struct event *e);
	/* What an IRET or an NMI's delivery does by itself, for those that the core carries out. */
	void (*set_nmi_blocked)(struct vcpu *v, bool blocked);
	/* Replaces the set of open windows (enum vcpu_window). */
	void (*set_windows)(struct vcpu *v, unsigned int windows);

	/* Accesses in the mask exit, others go to the processor. */
	void (*intercept_msr)(struct vcpu *v, u32 msr, unsigned int access);
	void (*intercept_port)(struct vcpu *v, u16 port, bool on);
	/* From now on guest TSC = host TSC + offset. */
	void (*set_tsc_offset)(struct vcpu *v, u64 offset);
	/* Drops all cached translations of this guest on this CPU. */
	void (*flush_tlb)(struct vcpu *v);
	/* The LAPIC's TPR changed by other means than CR8. */
	void (*set_cr8)(struct vcpu *v, u8 cr8);
	/* The control structure, through printk(LOG_ERR). */
	void (*dump)(struct vcpu *v);
};

extern const struct virt_ops svm_ops;
extern const struct virt_ops vmx_ops;

#endif
