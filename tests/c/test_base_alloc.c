/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "base/alloc.h"

static void
overflow_and_nothing(void)
{
    ok(hr_alloc_zeroed(SIZE_MAX / 2, 3) == NULL,
       "a product that wraps is refused");
    void *none = hr_alloc(0);
    ok(none != NULL, "a size of 0 gives a block");
    hr_alloc_free(none);
    none = hr_alloc_zeroed(0, 8);
    ok(none != NULL, "a count of 0 gives a block");
    none = hr_alloc_resize(none, 0);
    ok(none != NULL, "a block can shrink to 0");
    hr_alloc_free(none);
    hr_alloc_free(NULL);
    ok(1, "freeing NULL is fine");
}

static void
copies(void)
{
    char *copy = hr_alloc_copy(guarded(HR_SPAN("abc")));
    ok(copy != NULL && strcmp(copy, "abc") == 0, "a copy ends with a NUL");
    hr_alloc_free(copy);
    copy = hr_alloc_copy((hr_span){NULL, 0});
    ok(copy != NULL && copy[0] == '\0', "an empty copy is an empty text");
    hr_alloc_free(copy);
}

static void
failing(void)
{
    (void)hr_alloc_fail_at(2, 0);
    void *first = hr_alloc(8), *second = hr_alloc(8), *third = hr_alloc(8);
    ok(first != NULL && second == NULL && third != NULL,
       "the seam fails the second call only");
    hr_alloc_free(third);
    (void)hr_alloc_fail_at(1, 1);
    ok(hr_alloc_resize(first, 99) == NULL &&
           hr_alloc_copy(HR_SPAN("a")) == NULL,
       "for good: every call fails");
    ok(hr_alloc_fail_at(0, 0) == 2, "the seam counts what was asked for");
    hr_alloc_free(first);
}

int
main(void)
{
    overflow_and_nothing();
    copies();
    failing();
    return done_testing();
}
