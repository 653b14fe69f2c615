/* SPDX-License-Identifier: MIT */
/*
 * The host's ACPI tables. The input is a list of tables; they are laid out in memory with a root
 * table, and their lengths and checksums made right, but for what the input wants wrong. Each range
 * that is asked for is a copy of its own, so that the sanitizer sees a read beyond it.
 */
#include "acpi.h"
#include "errors.h"
#include "fuzz.h"

#define ARENA	   0x110000U
#define RSDP	   0xe0000U
#define ROOT	   0xe0040U
#define FIRST	   0xe1000U
#define EBDA	   0x9fc00U
#define HEADER	   36U
#define TABLES_MAX 12U
#define BODY_MAX   1024U
#define COPIES_MAX 512U

/* What may be wrong with a table. */
enum {
	WRONG_SUM = 1,
	WRONG_LENGTH = 2,
	WRONG_ADDRESS = 4,
};

static u8 arena[ARENA];
static void *copies[COPIES_MAX];
static unsigned int n_copies;

static const void *map_bytes(hpa_t pa, u64 len)
{
	void *p;

	if (pa >= ARENA || len > ARENA - pa || len == 0 || n_copies == COPIES_MAX)
		return NULL;
	p = malloc(len);
	copies[n_copies++] = p;
	memcpy(p, &arena[pa], len);
	return p;
}

static void put(u32 pa, u64 value, unsigned int size)
{
	memcpy(&arena[pa], &value, size);
}

static void fix_sum(u32 pa, u32 len, u32 at)
{
	u8 sum = 0;

	arena[pa + at] = 0;
	for (u32 i = 0; i < len && pa + i < ARENA; i++)
		sum = (u8)(sum + arena[pa + i]);
	arena[pa + at] = (u8)-sum;
}

/* Returns where the next table may lie. */
static u32 put_table(struct input *in, u32 pa, u8 *wrong)
{
	static const char signatures[] = "FACPAPICDSDTSSDTHPETMCFGFACPAPIC";
	u8 which = take8(in);
	u32 len = HEADER + take16(in) % BODY_MAX;

	*wrong = take8(in) & take8(in);
	if (pa + len > RSDP + 0x20000)
		len = HEADER;
	memcpy(&arena[pa], &signatures[which % 8 * 4], 4);
	if (which == 0xff)
		put(pa, take32(in), 4);
	put(pa + 4, *wrong & WRONG_LENGTH ? take32(in) : len, 4);
	arena[pa + 8] = take8(in) & 7;
	for (u32 i = HEADER; i < len; i++)
		arena[pa + i] = take8(in);
	return pa + ALIGN_UP(len, 16);
}

static bool is_table(u32 pa, const char *signature)
{
	return !memcmp(&arena[pa], signature, 4);
}

static void build(struct input *in)
{
	u32 at[TABLES_MAX], pa = FIRST, width, dsdt = 0;
	u8 wrong[TABLES_MAX], how = take8(in);
	unsigned int n = 1 + take8(in) % TABLES_MAX;

	memset(arena, 0, sizeof(arena));
	for (unsigned int i = 0; i < n; i++) {
		at[i] = pa;
		pa = put_table(in, pa, &wrong[i]);
		if (is_table(at[i], "DSDT"))
			dsdt = at[i];
	}
	/* The FADT leads to the DSDT: ACPI 6.5 table 5.9. */
	for (unsigned int i = 0; i < n; i++) {
		if (is_table(at[i], "FACP") && dsdt && !(how & 1))
			put(at[i] + 40, dsdt, 4);
		if (!(wrong[i] & WRONG_SUM)) {
			u32 len;

			memcpy(&len, &arena[at[i] + 4], 4);
			if (len < ARENA)
				fix_sum(at[i], len, 9);
		}
	}
	width = how & 2 ? 8 : 4;
	memcpy(&arena[ROOT], how & 2 ? "XSDT" : "RSDT", 4);
	put(ROOT + 4, how & 4 ? take32(in) : HEADER + n * width, 4);
	for (u32 i = 0; i < n; i++)
		put(ROOT + HEADER + i * width, wrong[i] & WRONG_ADDRESS ? take64(in) : at[i],
		    width);
	fix_sum(ROOT, HEADER + n * width, 9);
	memcpy(&arena[RSDP], "RSD PTR ", 8);
	arena[RSDP + 15] = how & 2 ? 2 : 0;
	put(RSDP + 16, how & 2 ? 0 : ROOT, 4);
	put(RSDP + 20, how & 8 ? take32(in) : 36, 4);
	put(RSDP + 24, ROOT, 8);
	fix_sum(RSDP, 20, 8);
	fix_sum(RSDP, 36, 32);
}

static void check_info(const struct acpi_info *a)
{
	CHECK(a->tables <= ACPI_TABLES_MAX, "%u tables", a->tables);
	CHECK(a->cpus <= ACPI_CPUS_MAX, "%u processors", a->cpus);
	CHECK(a->ioapics <= ACPI_IOAPICS_MAX, "%u I/O APICs", a->ioapics);
	CHECK(a->overrides <= ACPI_OVERRIDES_MAX, "%u overrides", a->overrides);
	CHECK(a->nmis <= ACPI_NMIS_MAX, "%u NMIs", a->nmis);
	CHECK(strnlen(a->oem_id, sizeof(a->oem_id)) < sizeof(a->oem_id), "OEM id");
	CHECK(!a->has_s5 || (a->s5_typ_a <= 7 && a->s5_typ_b <= 7), "_S5 %u, %u", a->s5_typ_a,
	      a->s5_typ_b);
	for (unsigned int i = 0; i < a->overrides; i++)
		CHECK(a->override[i].isa_irq < 16, "override of %u", a->override[i].isa_irq);
	for (unsigned int i = 0; i < a->nmis; i++)
		CHECK(a->nmi[i].lint <= 1, "NMI on LINT%u", a->nmi[i].lint);
	for (unsigned int i = 0; i < a->tables; i++)
		CHECK(a->table[i].length >= HEADER, "table %u has %u bytes", i, a->table[i].length);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct acpi_info info;
	static const struct memmap none;
	struct input in = { data, size };
	int err;

	build(&in);
	memset(&info, 0x5a, sizeof(info));
	err = acpi_init(&none, EBDA, map_bytes, &info);
	CHECK(err == 0 || err == -ENOENT, "acpi_init: %d", err);
	if (err == 0)
		check_info(&info);
	while (n_copies)
		free(copies[--n_copies]);
	return 0;
}
