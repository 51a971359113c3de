/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "../../ext/core/alloc.h"

static void
overflow_and_nothing(void)
{
    ok(ps_calloc(SIZE_MAX / 2, 3) == NULL, "a product that wraps is refused");
    void *none = ps_malloc(0);
    ok(none != NULL, "a size of 0 gives a block");
    ps_free(none);
    none = ps_calloc(0, 8);
    ok(none != NULL, "a count of 0 gives a block");
    none = ps_realloc(none, 0);
    ok(none != NULL, "a block can shrink to 0");
    ps_free(none);
    ps_free(NULL);
    ok(1, "freeing NULL is fine");
}

static void
copies(void)
{
    char *copy = ps_dup(guarded(PS_SPAN("abc")));
    ok(copy != NULL && strcmp(copy, "abc") == 0, "a copy ends with a NUL");
    ps_free(copy);
    copy = ps_dup((ps_span){NULL, 0});
    ok(copy != NULL && copy[0] == '\0', "an empty copy is an empty text");
    ps_free(copy);
}

static void
failing(void)
{
    (void)ps_alloc_fail_at(2, 0);
    void *first = ps_malloc(8), *second = ps_malloc(8), *third = ps_malloc(8);
    ok(first != NULL && second == NULL && third != NULL,
       "the seam fails the second call only");
    ps_free(third);
    (void)ps_alloc_fail_at(1, 1);
    ok(ps_realloc(first, 99) == NULL && ps_dup(PS_SPAN("a")) == NULL,
       "for good: every call fails");
    ok(ps_alloc_fail_at(0, 0) == 2, "the seam counts what was asked for");
    ps_free(first);
}

int
main(void)
{
    overflow_and_nothing();
    copies();
    failing();
    return done_testing();
}
