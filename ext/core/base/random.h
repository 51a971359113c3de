/* SPDX-License-Identifier: MIT */
/* Random bytes of the kernel. */
#ifndef HR_BASE_RANDOM_H
#define HR_BASE_RANDOM_H

#include <stddef.h>

#include "base/status.h"

/* Fills `out` from getrandom(2). SYSTEM when the kernel has none. */
HR_CHECKED hr_status hr_random_fill(void *out, size_t size);

/* A store of random bytes, so that one system call serves many ids. It is
 * empty in a forked child, which therefore never repeats its parent's. */
typedef struct hr_random hr_random;

/* NULL when there is no such memory: hr_random_take works without. */
hr_random *hr_random_new(void);

/* Wipes what was not handed out. NULL is fine. */
void hr_random_free(hr_random *random);

/* As hr_random_fill, from the store when `random` is not NULL; what was handed
 * out is wiped there. Any thread. */
HR_CHECKED hr_status hr_random_take(hr_random *random, void *out, size_t size);

#endif
