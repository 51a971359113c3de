/* SPDX-License-Identifier: MIT */
/* Random bytes of the kernel, and memory that a forked child finds zeroed. */
#ifndef PS_RANDOM_H
#define PS_RANDOM_H

#include <stddef.h>

#include "status.h"

/* Fills `out` from getrandom(2). SYSTEM when the kernel has none. */
PS_CHECKED ps_status ps_random_fill(void *out, size_t size);

/* A store of random bytes, so that one system call serves many ids. It is
 * empty in a forked child, which therefore never repeats its parent's. */
typedef struct ps_random ps_random;

/* NULL when there is no such memory: ps_random_take works without. */
ps_random *ps_random_new(void);

/* Wipes what was not handed out. NULL is fine. */
void ps_random_free(ps_random *random);

/* As ps_random_fill, from the store when `random` is not NULL; what was handed
 * out is wiped there. Any thread. */
PS_CHECKED ps_status ps_random_take(ps_random *random, void *out, size_t size);

/* `size` zeroed bytes in pages of their own that a fork hands on as zeroes
 * and a core dump leaves out. NULL when the kernel cannot do it. */
void *ps_forgotten_new(size_t size);
void ps_forgotten_free(void *block, size_t size);

#endif
