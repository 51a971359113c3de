/* SPDX-License-Identifier: MIT */
/* A planted bug: the second of two allocations is used without a look at it.
 * `make test` runs this first: the loop that fails each allocation in turn
 * must fail that one, and the sanitizers report the store through NULL. */
#include <stdio.h>

#include "base/alloc.h"

/* 0 without memory, as far as it looks. */
static int
planted_bug(void)
{
    char *first = hr_alloc(8);
    if (first == NULL) {
        return 0;
    }
    volatile int *second = hr_alloc_zeroed(1, sizeof(*second));
    *second = 1; /* the bug */
    hr_alloc_free((void *)second);
    hr_alloc_free(first);
    return 1;
}

int
main(void)
{
    int whole = 0;
    for (size_t n = 1; n < 200 && !whole; n++) {
        (void)hr_alloc_fail_at(n, 0);
        whole = planted_bug() && hr_alloc_fail_at(0, 0) < n;
        (void)hr_alloc_fail_at(0, 0);
    }
    printf("%d\n", whole);
    return 0;
}
