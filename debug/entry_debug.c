/* SPDX-License-Identifier: MIT */
/*
 * What both backends' checks before an entry have in common. Part of debug builds only.
 */
#include "entry_debug.h"
#include "lib.h"

#define RULES_MAX 256 /* of one backend */

static const char all[] = "all";

static struct {
	const char *broken; /* the option's value; "": nothing is broken */
	u64 checks, violations;
	bool printed[RULES_MAX];
} state = { .broken = "" };

void entry_debug_init(const struct options *options)
{
	state.broken = options->break_entry;
}

enum entry_debug entry_debug_next(void)
{
	static bool done;

	if (done || !state.broken[0])
		return ENTRY_CHECK;
	done = true;
	return memcmp(state.broken, all, sizeof(all) - 1) == 0 ? ENTRY_BREAK_ALL : ENTRY_BREAK_ONE;
}

bool entry_debug_wants(const char *name)
{
	const char *word = strchr(state.broken, ',');
	size_t len = strlen(name);

	for (; word; word = strchr(word + 1, ','))
		if (word[1] == '-' && strlen(word + 2) >= len && memcmp(word + 2, name, len) == 0 &&
		    (word[2 + len] == ',' || !word[2 + len]))
			return false;
	return true;
}

const char *entry_debug_case(void)
{
	return state.broken;
}

bool entry_debug_checked(bool violated, unsigned int rule)
{
	state.checks++;
	if (!violated)
		return false;
	state.violations++;
	if (rule >= RULES_MAX || state.printed[rule])
		return false;
	state.printed[rule] = true;
	return true;
}

void entry_debug_summary(void)
{
	pr_info("entry checks: %lu entries checked, %lu with a violation", state.checks,
		state.violations);
}
