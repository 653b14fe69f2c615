/* SPDX-License-Identifier: MIT */
/*
 * Firmware image: what a PC has in its ROM (SeaBIOS, OVMF), started at the reset vector in real
 * mode. SDM vol. 3 rev. 083, 10.1.4; UEFI PI 1.7, vol. 3, 3.2.1 (firmware volume header). The image
 * ends at 4 GiB and cannot be written. Its last 128 KiB also stand below 1 MiB, where they are a
 * copy in RAM: firmware takes the shadow registers (PAM, 82441FX) to open what is open already.
 *
 * Firmware makes its tables from what fw_cfg gives it. Words NAME=VALUE of the module's string that
 * begin with "etc/" or "opt/" become fw_cfg files: eight bytes of a number, or else the text.
 */
#include "errors.h"
#include "guest_modules.h"
#include "lib.h"
#include "options.h"
#include "printk.h"

#define IMAGE_MIN    KIB(64) /* the code segment after a reset */
#define IMAGE_MAX    MIB(16) /* the LAPIC's page is below it */
#define ROM_END	     GIB(4)
#define SHADOW_MAX   (GUEST_ROM_END - GUEST_ROM)
#define OPTION_ROMS  0xc0000U
#define EMPTY_BUS    0xffU
#define RESET_VECTOR 16U /* before the end */

enum jump {
	JUMP_NEAR = 0xe9,
	JUMP_FAR = 0xea,
	JUMP_SHORT = 0xeb,
};

/* What stands at the reset vector. */
struct reset_vector {
	u8 opcode;
	union {
		u16 near;
		u8 near8;
		struct {
			u16 offset, segment;
		} __packed far;
		u8 rest[RESET_VECTOR - 1];
	} __packed;
} __packed;
_Static_assert(sizeof(struct reset_vector) == RESET_VECTOR, "up to 4 GiB");

/* PI 1.7 vol. 3, EFI_FIRMWARE_VOLUME_HEADER: "_FVH" */
#define VOLUME_SIGNATURE_AT 40U
#define VOLUME_SIGNATURE    0x4856465fU

static u8 byte_at(const struct boot_module *m, u64 offset)
{
	return *((const u8 *)phys_to_virt(m->start) + offset);
}

static bool is_volume(const struct boot_module *m)
{
	u32 signature;

	if (m->len < VOLUME_SIGNATURE_AT + sizeof(signature))
		return false;
	memcpy(&signature, (const u8 *)phys_to_virt(m->start) + VOLUME_SIGNATURE_AT,
	       sizeof(signature));
	return signature == VOLUME_SIGNATURE;
}

/* Erased flash and files of zeros. */
static bool is_blank(u8 byte)
{
	return byte == 0x00 || byte == 0xff;
}

/*
 * A jump out of the reset vector, to something. Near ones stay in the last 64 KiB; a far one goes
 * below 1 MiB.
 */
static bool jumps(const struct boot_module *m)
{
	const u64 segment = m->len - IMAGE_MIN;
	struct reset_vector v;
	u32 to;

	memcpy(&v, (const u8 *)phys_to_virt(m->start) + m->len - RESET_VECTOR, sizeof(v));
	switch (v.opcode) {
	case JUMP_NEAR:
		to = (u16)(IMAGE_MIN - RESET_VECTOR + 3 + v.near);
		return !is_blank(byte_at(m, segment + to));
	case JUMP_SHORT:
		to = (u16)(IMAGE_MIN - RESET_VECTOR + 2 + (u16)(s8)v.near8);
		return !is_blank(byte_at(m, segment + to));
	case JUMP_FAR:
		to = v.far.segment * 16U + v.far.offset;
		return to < GUEST_ROM_END && GUEST_ROM_END - to <= min_u64(m->len, SHADOW_MAX) &&
		       !is_blank(byte_at(m, m->len - (GUEST_ROM_END - to)));
	default:
		return false;
	}
}

static int firmware_probe(const struct boot_module *m, unsigned int n, const char **why)
{
	bool good_size;

	if (n == 0 || m->bad)
		return -ENOEXEC;
	good_size = m->len >= IMAGE_MIN && m->len <= IMAGE_MAX && IS_ALIGNED(m->len, PAGE_SIZE);
	if (good_size && jumps(m))
		return 0;
	if (!is_volume(m))
		return -ENOEXEC;
	/* UEFI's own format; its code may do other things before it jumps. */
	if (!good_size) {
		*why = guest_why(
			"its size is %lu bytes: whole pages from 64 KiB to 16 MiB can be a ROM",
			m->len);
		return -EINVAL;
	}
	if (is_blank(byte_at(m, m->len - RESET_VECTOR))) {
		*why = "there is no code at its reset vector: is this the file of the variables?";
		return -EINVAL;
	}
	return 0;
}

/* --- fw_cfg files from the module's string ------------------------------------------------------ */

#define FILES_MAX 8U

#define NUMBER_MAX 24U /* characters */

/* For all lives of the guest, as are the module's string and the texts in it. */
static u64 numbers[FILES_MAX];
static unsigned int nr_files;

static bool is_name(const char *word, size_t len)
{
	return len > 4 && len <= FW_CFG_NAME_MAX &&
	       (strncmp(word, "etc/", 4) == 0 || strncmp(word, "opt/", 4) == 0);
}

static bool is_number(const char *text, size_t len, u64 *number)
{
	char copy[NUMBER_MAX + 1] = { 0 };

	if (len > NUMBER_MAX)
		return false;
	memcpy(copy, text, len);
	return parse_size(copy, number) == 0;
}

/* word: NAME=VALUE, len characters in all. */
static int add_file(struct fw_cfg *cfg, const char *word, size_t len)
{
	char name[FW_CFG_NAME_MAX + 1] = { 0 };
	const char *value;
	u64 *number = &numbers[nr_files];
	size_t n = 0;

	while (n < len && word[n] != '=')
		n++;
	if (n == len || !is_name(word, n))
		return -EINVAL;
	if (nr_files == FILES_MAX)
		return -ENOSPC;
	memcpy(name, word, n);
	value = word + n + 1;
	len -= n + 1;
	nr_files++;
	if (is_number(value, len, number))
		return fw_cfg_add_file(cfg, name, number, sizeof(*number));
	return fw_cfg_add_file(cfg, name, value, (u32)len);
}

static const char *file_error(int err)
{
	switch (err) {
	case -EEXIST:
		return "there is such a file";
	case -ENOSPC:
		return "so many files do not fit";
	default:
		return "expected etc/NAME=VALUE or opt/NAME=VALUE";
	}
}

static void add_words(struct fw_cfg *cfg, const char *args)
{
	nr_files = 0;
	for (;;) {
		const char *end;
		int err;

		while (*args == ' ' || *args == '\t')
			args++;
		if (*args == '\0')
			return;
		for (end = args; *end != '\0' && *end != ' ' && *end != '\t';)
			end++;
		err = add_file(cfg, args, (size_t)(end - args));
		if (err)
			pr_warn("the firmware's word '%.*s' is ignored: %s", (int)(end - args),
				args, file_error(err));
		args = end;
	}
}

/* Where there is no screen SeaBIOS talks to COM1 instead. It tells of its boot menu. */
static void add_defaults(struct fw_cfg *cfg, bool screen)
{
	static const struct {
		const char *name;
		u64 value;
	} row[] = {
		{ "etc/show-boot-menu", 1 }, { "etc/sercon-port", 0x3f8 }, /* the last */
	};

	/* What a word of the string has set stays; there is room for all. */
	for (unsigned int i = 0; i < ARRAY_SIZE(row) - screen; i++)
		(void)fw_cfg_add_file(cfg, row[i].name, &row[i].value, sizeof(row[i].value));
}

/* --- the kind --------------------------------------------------------------------------------- */

/* Boot loaders put modules on page boundaries, as the Multiboot header asks them to. */
static int firmware_build(struct vm *vm, const struct boot_module *m, unsigned int n,
			  const char **why)
{
	int err;

	if (n > 1)
		pr_warn("firmware has a ROM and nothing else: %u more modules are ignored", n - 1);
	err = gpmap_add(&vm->gpmap, ROM_END - m->len, m->start, m->len, GP_READ | GP_EXEC,
			MEMTYPE_WB);
	if (err) {
		*why = err == -EINVAL ? "the boot loader did not put it on a page boundary"
				      : "there is too little memory to map it";
		return err;
	}
	add_words(&vm->board.fw_cfg, m->args);
	add_defaults(&vm->board.fw_cfg, vm->vga);
	return 0;
}

/* The processor is reset, and stays so, as does the board: what follows is the firmware's work. */
static int firmware_load(struct vm *vm, const struct boot_module *m, unsigned int n,
			 const char **why)
{
	u64 shadow = min_u64(m->len, SHADOW_MAX);
	const u8 *end = (const u8 *)phys_to_virt(m->start) + m->len;
	int err;

	(void)n;
	err = gpmap_fill(&vm->gpmap, OPTION_ROMS, EMPTY_BUS, GUEST_ROM_END - OPTION_ROMS);
	if (!err)
		err = gpmap_write(&vm->gpmap, GUEST_ROM_END - shadow, end - shadow, shadow);
	if (err) {
		*why = "guest RAM has a hole where its shadow goes";
		return err;
	}
	spin_lock(&vm->board.lock);
	pci_power_on(&vm->board.pci);
	spin_unlock(&vm->board.lock);
	return 0;
}

const struct guest_kind guest_firmware = {
	.name = "firmware image",
	.probe = firmware_probe,
	.build = firmware_build,
	.load = firmware_load,
};
