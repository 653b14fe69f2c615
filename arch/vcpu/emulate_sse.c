/* SPDX-License-Identifier: MIT */
/*
 * Vector moves to and from devices.
 */
#include "emulate_priv.h"

enum emulate_result emu_sse(struct emu *e)
{
	(void)e;
	return EMULATE_UNKNOWN;
}
