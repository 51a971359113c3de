/* SPDX-License-Identifier: MIT */
/* All heap memory of the core comes from here, so that the out-of-memory
 * test can fail the n-th call for every n (build with -DHR_ALLOC_TEST). */
#ifndef HR_BASE_ALLOC_H
#define HR_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* NULL when there is none. A size of 0 gives a block of 1 byte. */
void *hr_alloc(size_t size);
/* `count * size` zeroed bytes; NULL on overflow too. */
void *hr_alloc_zeroed(size_t count, size_t size);
/* As realloc: on NULL the old block stands. */
void *hr_alloc_resize(void *block, size_t size);
/* NULL is fine. */
void hr_alloc_free(void *block);
/* A copy of the span with a NUL after it (not counted); NULL without memory.
 */
char *hr_alloc_copy(hr_span text);

/* For memory that is not malloc's: must the caller go without? Only ever so in
 * the out-of-memory test. */
bool hr_alloc_is_refused(void);

#ifdef HR_ALLOC_TEST
/* Fails the n-th allocation from now (1 = the next), then, if `for_good`,
 * every later one. 0 turns it off. Answers how many were asked for since the
 * last call. Test builds only; not thread-safe. */
size_t hr_alloc_fail_at(size_t n, int for_good);

/* Shows each block to `seen`, as it is freed, NULL left out. NULL turns it
 * off. The same builds, the same threads. */
void hr_alloc_on_free(void (*seen)(const void *block));
#endif

#endif
