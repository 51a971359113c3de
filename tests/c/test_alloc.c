/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "../../ext/core/alloc.h"

static void
overflow_and_nothing(void)
{
    ok(hr_calloc(SIZE_MAX / 2, 3) == NULL, "a product that wraps is refused");
    void *none = hr_malloc(0);
    ok(none != NULL, "a size of 0 gives a block");
    hr_free(none);
    none = hr_calloc(0, 8);
    ok(none != NULL, "a count of 0 gives a block");
    none = hr_realloc(none, 0);
    ok(none != NULL, "a block can shrink to 0");
    hr_free(none);
    hr_free(NULL);
    ok(1, "freeing NULL is fine");
}

static void
copies(void)
{
    char *copy = hr_dup(guarded(HR_SPAN("abc")));
    ok(copy != NULL && strcmp(copy, "abc") == 0, "a copy ends with a NUL");
    hr_free(copy);
    copy = hr_dup((hr_span){NULL, 0});
    ok(copy != NULL && copy[0] == '\0', "an empty copy is an empty text");
    hr_free(copy);
}

static void
failing(void)
{
    (void)hr_alloc_fail_at(2, 0);
    void *first = hr_malloc(8), *second = hr_malloc(8), *third = hr_malloc(8);
    ok(first != NULL && second == NULL && third != NULL,
       "the seam fails the second call only");
    hr_free(third);
    (void)hr_alloc_fail_at(1, 1);
    ok(hr_realloc(first, 99) == NULL && hr_dup(HR_SPAN("a")) == NULL,
       "for good: every call fails");
    ok(hr_alloc_fail_at(0, 0) == 2, "the seam counts what was asked for");
    hr_free(first);
}

int
main(void)
{
    overflow_and_nothing();
    copies();
    failing();
    return done_testing();
}
