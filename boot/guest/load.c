/* SPDX-License-Identifier: MIT */
/*
 * What direct boots have in common: the processor's state at the kernel's entry and the state that
 * firmware leaves behind. SDM vol. 3 rev. 083, 3.4.5 (descriptors), 4.5 (4-level paging), 11.5.1
 * (LVT); 8259A data sheet 231468-003; 8254 data sheet 231164-005.
 */
#include "errors.h"
#include "guest_modules.h"
#include "lib.h"

/* --- reasons -------------------------------------------------------------------------------- */

const char *guest_why(const char *fmt, ...)
{
	static char text[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/* --- processor ------------------------------------------------------------------------------ */

#define FLAT_LIMIT	 0xffffffffU
#define FLAT_CODE	 (SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_G)
#define FLAT_DATA	 (SEG_P | SEG_S | SEG_W | SEG_A | SEG_G | SEG_DB)
#define TSS_LIMIT	 0x67U
#define DESC_LIMIT_LOW	 UINT64_C(0x000000000000ffff)
#define DESC_LIMIT_HIGH	 UINT64_C(0x000f000000000000)
#define DESC_ATTR_SHIFT	 40
#define GDT_ENTRIES	 (GUEST_GDT_BYTES / sizeof(u64))
#define TABLE_ENTRIES	 512U
#define LARGE_PAGE	 MIB(2)
#define IVT_LIMIT	 0x3ffU /* real-mode vectors: SDM vol. 3 21.1.4 */
#define PAGE_DIRECTORIES (GUEST_IDENTITY_PAGES - 2)
#define TABLE_FLAGS	 (PTE_P | PTE_W | PTE_A)
#define LARGE_FLAGS	 (PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS)

static u64 flat_descriptor(u16 attr)
{
	return DESC_LIMIT_LOW | DESC_LIMIT_HIGH | (u64)attr << DESC_ATTR_SHIFT;
}

static int enter_flat(struct vm *vm, gpa_t gdt, gpa_t entry, u16 code_attr)
{
	struct vcpu *v = vm->vcpu[0];
	const struct segment code = { GUEST_BOOT_CS, code_attr, FLAT_LIMIT, 0 };
	const struct segment data = { GUEST_BOOT_DS, FLAT_DATA, FLAT_LIMIT, 0 };
	/* VM entry wants a busy TSS in TR (SDM vol. 3 27.3.1.2); LDTR may be unusable. */
	const struct segment tss = { 0, SEG_P | SEG_TYPE_TSS_BUSY, TSS_LIMIT, 0 };
	const struct segment none = { 0, 0, 0, 0 };
	static const u8 data_segs[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
	u64 table[GDT_ENTRIES] = { 0 };

	table[GUEST_BOOT_CS / sizeof(u64)] = flat_descriptor(code_attr);
	table[GUEST_BOOT_DS / sizeof(u64)] = flat_descriptor(FLAT_DATA);
	if (gpmap_write(&vm->gpmap, gdt, table, sizeof(table)))
		return -EFAULT;

	for (unsigned int i = 0; i < NR_GPRS; i++)
		vcpu_set_gpr(v, i, 0);
	vcpu_set_seg(v, SEG_CS, &code);
	for (unsigned int i = 0; i < ARRAY_SIZE(data_segs); i++)
		vcpu_set_seg(v, data_segs[i], &data);
	vcpu_set_seg(v, SEG_TR, &tss);
	vcpu_set_seg(v, SEG_LDTR, &none);
	v->gdtr.base = gdt;
	v->gdtr.limit = GUEST_GDT_BYTES - 1;
	v->idtr.base = 0;
	v->idtr.limit = 0;
	vcpu_dirty(v, REG_TABLES);
	vcpu_set_rflags(v, RFLAGS_ONE);
	vcpu_set_rip(v, entry);
	return 0;
}

int guest_enter_protected(struct vm *vm, gpa_t gdt, gpa_t entry)
{
	struct vcpu *v = vm->vcpu[0];
	int err = enter_flat(vm, gdt, entry, FLAT_CODE | SEG_DB);

	if (err)
		return err;
	/*
	 * The specification leaves IDTR open, but boot loaders leave the firmware's, the real-mode vectors: a kernel that goes to
	 * real mode may use them as they are.
	 */
	v->idtr.limit = IVT_LIMIT;
	vcpu_set_efer(v, 0);
	vcpu_set_cr4(v, 0);
	vcpu_set_cr3(v, 0);
	vcpu_set_cr0(v, CR0_PE | CR0_ET);
	return 0;
}

static int write_identity_map(struct vm *vm, gpa_t tables)
{
	gpa_t pdpt = tables + PAGE_SIZE;
	gpa_t directory = pdpt + PAGE_SIZE;
	u64 entry = pdpt | TABLE_FLAGS;
	int err = gpmap_fill(&vm->gpmap, tables, 0, GUEST_IDENTITY_PAGES * PAGE_SIZE);

	if (!err)
		err = gpmap_write(&vm->gpmap, tables, &entry, sizeof(entry));
	for (u64 i = 0; i < PAGE_DIRECTORIES && !err; i++) {
		entry = (directory + i * PAGE_SIZE) | TABLE_FLAGS;
		err = gpmap_write(&vm->gpmap, pdpt + i * sizeof(entry), &entry, sizeof(entry));
	}
	for (u64 i = 0; i < PAGE_DIRECTORIES * TABLE_ENTRIES && !err; i++) {
		entry = i * LARGE_PAGE | LARGE_FLAGS;
		err = gpmap_write(&vm->gpmap, directory + i * sizeof(entry), &entry, sizeof(entry));
	}
	return err;
}

int guest_enter_long(struct vm *vm, gpa_t gdt, gpa_t tables, gpa_t entry)
{
	struct vcpu *v = vm->vcpu[0];
	int err = write_identity_map(vm, tables);

	if (!err)
		err = enter_flat(vm, gdt, entry, FLAT_CODE | SEG_L);
	if (err)
		return err;
	vcpu_set_cr3(v, tables);
	vcpu_set_cr4(v, CR4_PAE);
	vcpu_set_efer(v, EFER_LME | EFER_LMA);
	vcpu_set_cr0(v, CR0_PE | CR0_ET | CR0_NE | CR0_PG);
	return 0;
}

/* --- board ---------------------------------------------------------------------------------- */

#define PORT_A20	0x92
#define PORT92_A20	0x02
#define LAPIC_REG_SVR	0xf0
#define LAPIC_REG_LINT0 0x350
#define LAPIC_REG_LINT1 0x360
#define SPURIOUS_VECTOR 0xffU

/*
 * The interrupts that a PC's firmware uses itself stay unmasked: kernels that keep the masks they
 * find count on it.
 */
static const struct {
	u16 port;
	u8 value;
} firmware_writes[] = {
	{ PORT_A20, PORT92_A20 },
	/* 8259A, ICW1-4: edge, cascade; vectors; wiring; 8086 mode. Then the mask. */
	{ 0x20, 0x11 },
	{ 0x21, 0x08 },
	{ 0x21, 0x04 },
	{ 0x21, 0x01 },
	{ 0x21, 0xb8 }, /* timer, keyboard, cascade, floppy */
	{ 0xa0, 0x11 },
	{ 0xa1, 0x70 },
	{ 0xa1, 0x02 },
	{ 0xa1, 0x01 },
	{ 0xa1, 0x8e }, /* clock, mouse, FPU, disk */
	/* 8254: channel 0, both bytes, mode 3, count 65536. */
	{ 0x43, 0x36 },
	{ 0x40, 0x00 },
	{ 0x40, 0x00 },
};

void guest_firmware_state(struct vm *vm)
{
	struct lapic *l = &vm->vcpu[0]->lapic;

	spin_lock(&vm->board.lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(firmware_writes); i++)
		bus_port_write(&vm->board.bus, firmware_writes[i].port, 1,
			       firmware_writes[i].value);
	spin_unlock(&vm->board.lock);
	lapic_mmio_write(l, LAPIC_REG_SVR, sizeof(u32), SVR_ENABLED | SPURIOUS_VECTOR);
	lapic_mmio_write(l, LAPIC_REG_LINT0, sizeof(u32), APIC_MODE(APIC_EXTINT));
	lapic_mmio_write(l, LAPIC_REG_LINT1, sizeof(u32), APIC_MODE(APIC_NMI));
}
