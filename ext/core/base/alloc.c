/* SPDX-License-Identifier: MIT */
/* malloc with an overflow check and a seam for the out-of-memory test. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef HR_ALLOC_TEST
static size_t calls;
static size_t fail_at;
static int fail_for_good;
static void (*free_seen)(const void *block);

size_t
hr_alloc_fail_at(size_t n, int for_good)
{
    size_t seen = calls;
    calls = 0;
    fail_at = n;
    fail_for_good = for_good;
    return seen;
}

void
hr_alloc_on_free(void (*seen)(const void *block))
{
    free_seen = seen;
}

bool
hr_alloc_is_refused(void)
{
    calls++;
    return fail_at != 0 &&
           (calls == fail_at || (fail_for_good && calls > fail_at));
}
#else
bool
hr_alloc_is_refused(void)
{
    return false;
}
#endif

void *
hr_alloc(size_t size)
{
    return hr_alloc_is_refused() ? NULL : malloc(size != 0 ? size : 1);
}

void *
hr_alloc_zeroed(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return hr_alloc_is_refused()
               ? NULL
               : calloc(count != 0 ? count : 1, size ? size : 1);
}

void *
hr_alloc_resize(void *block, size_t size)
{
    return hr_alloc_is_refused() ? NULL : realloc(block, size != 0 ? size : 1);
}

void
hr_alloc_free(void *block)
{
#ifdef HR_ALLOC_TEST
    if (free_seen != NULL && block != NULL) {
        free_seen(block);
    }
#endif
    free(block);
}

char *
hr_alloc_copy(hr_span text)
{
    char *copy = hr_alloc(text.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (text.len != 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}
