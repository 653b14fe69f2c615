/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2; configuration space 6.1) and the
 * functions of an i440FX/PIIX board. Registers from the data sheets 82441FX (290549), 82371SB
 * (290550), 82371AB (290562). No function has a BAR. The shadow (PAM) and interrupt routing
 * registers keep what firmware writes: memory and routing are fixed here. The host bridge has a
 * subsystem id, which the data sheet's has not: by it stock firmware knows that there is fw_cfg.
 */
#include "dev/pci.h"
#include "dev/acpi_pm.h"
#include "errors.h"
#include "lib.h"

enum {
	PCI_ADDRESS_PORT = 0xcf8,
	PCI_DATA_PORT = 0xcfc,
	PCI_PORTS = 4, /* each of the two */
};

#define ADDRESS_ENABLE	 BIT(31)
#define ADDRESS_WRITABLE 0x80fffffcU
#define ADDRESS_BUS(a)	 ((a) >> 16 & 0xff)
#define ADDRESS_DEVFN(a) ((a) >> 8 & 0xff)
#define ADDRESS_REG(a)	 ((a)&0xfc)

enum pci_reg {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CLASS = 0x09, /* interface, sub-class, class */
	PCI_HEADER_TYPE = 0x0e,
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM = 0x2e,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,

	HOST_PAM = 0x59, /* seven bytes */
	HOST_SMRAM = 0x72,
	ISA_RECOVERY = 0x4c,
	ISA_XBCS = 0x4e,
	ISA_PIRQ = 0x60, /* four bytes */
	ISA_TOM = 0x69,
	PM_PMBA = 0x40,
	PM_DEVACTB = 0x58, /* four bytes */
	PM_PMREGMISC = 0x80,
	PM_SMBBA = 0x90,
	PM_SMBHSTCFG = 0xd2,
};

enum {
	HEADER_MULTI_FUNCTION = 0x80,
	STATUS_ERRORS = 0xf900, /* cleared by writing ones */
	COMMAND_IO = BIT(0),
	COMMAND_MEMORY = BIT(1),
	COMMAND_MASTER = BIT(2),
	COMMAND_SERR = BIT(8),
	STATUS_FAST_BACK = BIT(7),
	STATUS_MEDIUM = 1 << 9,
	BASE_IO = BIT(0), /* of PMBA and SMBBA, hardwired */
	PMBA_ADDRESS = 0xffc0,
	SMBBA_ADDRESS = 0xfff0,
	DEVACTB_APMC_EN = BIT(1), /* bit 25: SMI for writes to port B2 */
	PMREGMISC_PMIOSE = BIT(0),
	SUBSYSTEM_VENDOR_VIRTUAL = 0x1af4, /* a QEMU-compatible virtual machine */
	SUBSYSTEM_VIRTUAL = 0x1100,
};

/* What identifies a function; the class as class, sub-class, interface. */
static const struct pci_identity {
	u8 devfn;
	u16 vendor, device;
	u32 class;
	u8 revision, header_type;
	u16 command, command_writable, status;
	u16 subsystem_vendor, subsystem;
} identities[] = {
	{ .devfn = PCI_HOST_BRIDGE,
	  .vendor = 0x8086,
	  .device = 0x1237,
	  .class = 0x060000,
	  .revision = 0x02,
	  .command = COMMAND_MEMORY | COMMAND_MASTER,
	  .command_writable = COMMAND_SERR,
	  .status = STATUS_FAST_BACK | STATUS_MEDIUM,
	  .subsystem_vendor = SUBSYSTEM_VENDOR_VIRTUAL,
	  .subsystem = SUBSYSTEM_VIRTUAL },
	{ .devfn = PCI_ISA_BRIDGE,
	  .vendor = 0x8086,
	  .device = 0x7000,
	  .class = 0x060100,
	  .header_type = HEADER_MULTI_FUNCTION,
	  .command = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER,
	  .command_writable = COMMAND_SERR,
	  .status = STATUS_MEDIUM },
	{ .devfn = PCI_PM,
	  .vendor = 0x8086,
	  .device = 0x7113,
	  .class = 0x068000,
	  .revision = 0x03,
	  .command_writable = COMMAND_IO,
	  .status = STATUS_FAST_BACK | STATUS_MEDIUM },
};

/* Registers beyond the common header: value after reset and the bits that can be written. */
static const struct pci_register {
	u8 devfn, reg, value, writable;
} registers[] = {
	{ PCI_HOST_BRIDGE, HOST_PAM + 0, 0x00, 0x30 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 1, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 2, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 3, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 4, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 5, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_PAM + 6, 0x00, 0x33 },
	{ PCI_HOST_BRIDGE, HOST_SMRAM, 0x02, 0x78 },
	{ PCI_ISA_BRIDGE, ISA_RECOVERY, 0x4d, 0x7f },
	{ PCI_ISA_BRIDGE, ISA_XBCS + 0, 0x03, 0xff },
	{ PCI_ISA_BRIDGE, ISA_XBCS + 1, 0x00, 0x01 },
	{ PCI_ISA_BRIDGE, ISA_PIRQ + 0, 0x80, 0x8f },
	{ PCI_ISA_BRIDGE, ISA_PIRQ + 1, 0x80, 0x8f },
	{ PCI_ISA_BRIDGE, ISA_PIRQ + 2, 0x80, 0x8f },
	{ PCI_ISA_BRIDGE, ISA_PIRQ + 3, 0x80, 0x8f },
	{ PCI_ISA_BRIDGE, ISA_TOM, 0x02, 0xfe },
	{ PCI_PM, PCI_INTERRUPT_LINE, PM_SCI_IRQ, 0xff },
	{ PCI_PM, PCI_INTERRUPT_PIN, 1, 0x00 },
	/* As firmware leaves it: a direct boot has none, and the tables it gives say PM_BASE. */
	{ PCI_PM, PM_PMBA + 0, (PM_BASE & 0xff) | BASE_IO, PMBA_ADDRESS & 0xff },
	{ PCI_PM, PM_PMBA + 1, PM_BASE >> 8, PMBA_ADDRESS >> 8 },
	{ PCI_PM, PM_PMREGMISC, PMREGMISC_PMIOSE, PMREGMISC_PMIOSE },
	/* As if SMM were set up: there is none, and firmware would wait for its SMI for ever. */
	{ PCI_PM, PM_DEVACTB + 3, DEVACTB_APMC_EN, 0x00 },
	{ PCI_PM, PM_SMBBA + 0, BASE_IO, SMBBA_ADDRESS & 0xff },
	{ PCI_PM, PM_SMBBA + 1, 0x00, SMBBA_ADDRESS >> 8 },
	{ PCI_PM, PM_SMBHSTCFG, 0x00, 0x0f },
};

_Static_assert(ARRAY_SIZE(identities) <= PCI_FUNCTIONS, "too many PCI functions");

static void put16(u8 *at, u16 value)
{
	at[0] = (u8)value;
	at[1] = (u8)(value >> 8);
}

static struct pci_function *find(struct pci *p, unsigned int devfn)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->f[i].devfn == devfn)
			return &p->f[i];
	return NULL;
}

static void set_header(struct pci_function *f, const struct pci_identity *id)
{
	f->devfn = id->devfn;
	put16(&f->config[PCI_VENDOR], id->vendor);
	put16(&f->config[PCI_DEVICE], id->device);
	put16(&f->config[PCI_COMMAND], id->command);
	put16(&f->config[PCI_STATUS], id->status);
	f->config[PCI_REVISION] = id->revision;
	put16(&f->config[PCI_CLASS], (u16)id->class);
	f->config[PCI_CLASS + 2] = (u8)(id->class >> 16);
	f->config[PCI_HEADER_TYPE] = id->header_type;
	put16(&f->config[PCI_SUBSYSTEM_VENDOR], id->subsystem_vendor);
	put16(&f->config[PCI_SUBSYSTEM], id->subsystem);
	put16(&f->writable[PCI_COMMAND], id->command_writable);
	put16(&f->clearable[PCI_STATUS], STATUS_ERRORS);
}

void pci_init(struct pci *p)
{
	memset(p, 0, sizeof(*p));
	pci_reset(p);
}

void pci_reset(struct pci *p)
{
	p->address = 0;
	p->n = ARRAY_SIZE(identities);
	memset(p->f, 0, sizeof(p->f));
	for (unsigned int i = 0; i < p->n; i++)
		set_header(&p->f[i], &identities[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(registers); i++) {
		const struct pci_register *r = &registers[i];
		struct pci_function *f = find(p, r->devfn);

		f->config[r->reg] = r->value;
		f->writable[r->reg] = r->writable;
	}
}

void pci_power_on(struct pci *p)
{
	struct pci_function *f = find(p, PCI_PM);

	put16(&f->config[PM_PMBA], BASE_IO);
	f->config[PM_PMREGMISC] = 0;
	if (p->pm_changed)
		p->pm_changed(p->ctx);
}

u16 pci_pm_base(const struct pci *p)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const u8 *config = p->f[i].config;

		if (p->f[i].devfn == PCI_PM && (config[PM_PMREGMISC] & PMREGMISC_PMIOSE))
			return (u16)((config[PM_PMBA] | config[PM_PMBA + 1] << 8) & PMBA_ADDRESS);
	}
	return 0;
}

/* The function that CF8 points to, NULL if there is none. Only bus 0 has any. */
static struct pci_function *addressed(struct pci *p)
{
	if (!(p->address & ADDRESS_ENABLE) || ADDRESS_BUS(p->address) != 0)
		return NULL;
	return find(p, ADDRESS_DEVFN(p->address));
}

static u32 address_read(void *dev, u16 offset, unsigned int size)
{
	const struct pci *p = dev;

	(void)offset;
	(void)size;
	return p->address;
}

static void address_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pci *p = dev;

	(void)offset;
	(void)size;
	p->address = value & ADDRESS_WRITABLE;
}

/* The access lies within the four data ports: reg + size never leaves the 256 bytes. */
static u32 data_read(void *dev, u16 offset, unsigned int size)
{
	struct pci *p = dev;
	const struct pci_function *f = addressed(p);
	unsigned int reg = ADDRESS_REG(p->address) + offset;
	u32 value = 0;

	if (!f)
		return UINT32_MAX;
	for (unsigned int i = 0; i < size; i++)
		value |= (u32)f->config[reg + i] << (8 * i);
	return value;
}

static void data_write(void *dev, u16 offset, unsigned int size, u32 value)
{
	struct pci *p = dev;
	struct pci_function *f = addressed(p);
	unsigned int reg = ADDRESS_REG(p->address) + offset;
	u16 pm_base = pci_pm_base(p);

	if (!f)
		return;
	for (unsigned int i = 0; i < size; i++) {
		u8 byte = (u8)(value >> (8 * i));
		u8 old = f->config[reg + i];
		u8 writable = f->writable[reg + i];

		old &= (u8) ~(byte & f->clearable[reg + i]);
		f->config[reg + i] = (u8)((old & ~writable) | (byte & writable));
	}
	if (p->pm_changed && pci_pm_base(p) != pm_base)
		p->pm_changed(p->ctx);
}

static const struct port_ops address_ports = {
	.read = address_read,
	.write = address_write,
	.max_size = 4,
	.min_size = 4,
	.name = "pci-address",
};

static const struct port_ops data_ports = {
	.read = data_read,
	.write = data_write,
	.max_size = 4,
	.name = "pci-data",
};

int pci_attach(struct pci *p, struct bus *b)
{
	int err = bus_add_port(b, PCI_ADDRESS_PORT, PCI_PORTS, &address_ports, p);

	return err ? err : bus_add_port(b, PCI_DATA_PORT, PCI_PORTS, &data_ports, p);
}
