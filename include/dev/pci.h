/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration mechanism 1 (dev/pci.c), ports CF8-CFF, and the functions of an i440FX/PIIX
 * board: 82441FX host bridge (0:0.0), 82371SB ISA bridge (0:1.0), 82371AB power management (0:1.3).
 * PCI Local Bus 3.0 3.2.2.3. Port CF9 lies inside CF8-CFB but belongs to the reset control: PCI
 * takes dwords only there. Under the board's lock.
 */
#ifndef PLINTH_DEV_PCI_H
#define PLINTH_DEV_PCI_H

#include "../bus.h"

#define PCI_FUNCTIONS 8

#define PCI_DEVFN(dev, fn) ((u8)((dev) << 3 | (fn)))
#define PCI_HOST_BRIDGE	   PCI_DEVFN(0, 0)
#define PCI_ISA_BRIDGE	   PCI_DEVFN(1, 0)
#define PCI_PM		   PCI_DEVFN(1, 3)

struct pci_function {
	u8 devfn;
	u8 config[256];
	u8 writable[256];  /* bits that the guest may change */
	u8 clearable[256]; /* bits that a written 1 clears */
};

struct pci {
	u32 address; /* CF8 */
	struct pci_function f[PCI_FUNCTIONS];
	unsigned int n;
	/* The base of PCI_PM's registers or its enable bit changed; NULL: nobody cares. */
	void (*pm_changed)(void *ctx);
	void *ctx;
};

void pci_init(struct pci *p);
void pci_reset(struct pci *p); /* to what firmware leaves to a direct boot */
/* After a reset, for a guest that is firmware: nothing is set up yet. Under the board's lock. */
void pci_power_on(struct pci *p);
/* Where the guest put the PM registers, or 0 when it disabled them. */
u16 pci_pm_base(const struct pci *p);
/* CF8 (dword only) and CFC-CFF; CF9 byte accesses belong to dev/reset.c. */
int pci_attach(struct pci *p, struct bus *b);

#endif
