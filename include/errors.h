/* SPDX-License-Identifier: MIT */
/*
 * The errno-like codes that functions return, negated. The numbers are the usual ones, so that
 * host-compiled tests can use the C library's.
 */
#ifndef PLINTH_ERRORS_H
#define PLINTH_ERRORS_H

#if __STDC_HOSTED__
#include <errno.h>
#else
enum {
	EPERM = 1,
	ENOENT = 2,
	EIO = 5,
	E2BIG = 7,
	ENOEXEC = 8,
	EAGAIN = 11,
	ENOMEM = 12,
	EFAULT = 14,
	EBUSY = 16,
	EEXIST = 17,
	ENODEV = 19,
	EINVAL = 22,
	ENOSPC = 28,
	ERANGE = 34,
	ENOSYS = 38,
	EOVERFLOW = 75,
	ETIMEDOUT = 110,
};
#endif

#endif
