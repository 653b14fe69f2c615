/* SPDX-License-Identifier: MIT */
/*
 * Plinth's command line: any text gives usable options and terminated warnings.
 */
#include "fuzz.h"
#include "options.h"

#define BASE_SPEED 115200U

static void check_options(const struct options *o)
{
	CHECK(o->console.speed != 0 && BASE_SPEED % o->console.speed == 0, "speed %u",
	      o->console.speed);
	CHECK(o->log_level <= LOG_DEBUG, "log level %d", (int)o->log_level);
	CHECK(o->reset <= RESET_HALT, "reset %d", (int)o->reset);
	CHECK(o->poweroff <= POWEROFF_HALT, "poweroff %d", (int)o->poweroff);
	CHECK(o->warnings <= OPTIONS_WARNINGS_MAX, "%u warnings", o->warnings);
	CHECK(o->warnings == OPTIONS_WARNINGS_MAX || o->warnings_dropped == 0,
	      "dropped %u with %u kept", o->warnings_dropped, o->warnings);
	for (unsigned int i = 0; i < o->warnings; i++) {
		size_t n = strnlen(o->warning[i], OPTIONS_WARNING_LEN);

		CHECK(n > 0 && n < OPTIONS_WARNING_LEN, "warning %u has %zu bytes", i, n);
		/* It goes to a terminal. */
		for (size_t c = 0; c < n; c++)
			CHECK((u8)o->warning[i][c] >= ' ' && o->warning[i][c] != 0x7f,
			      "warning %u holds %#x", i, (u8)o->warning[i][c]);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct options o;
	char *text = malloc(size + 1);
	u64 bytes = 0x5a5a;

	memcpy(text, data, size);
	text[size] = 0;
	memset(&o, 0xa5, sizeof(o));
	options_parse(text, &o);
	check_options(&o);
	if (parse_size(text, &bytes))
		CHECK(bytes == 0x5a5a, "a size that is none was stored");
	free(text);
	return 0;
}
