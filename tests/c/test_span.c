/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/status.h"

static const struct {
    const char *why;
    ps_span text;
    ps_span lower;
    int want;
} CONTAINS[] = {
    {"empty needle is everywhere", PS_SPAN("x"), PS_SPAN(""), 1},
    {"at the start", PS_SPAN("Googlebot"), PS_SPAN("google"), 1},
    {"at the very end", PS_SPAN("GoogleBOT"), PS_SPAN("bot"), 1},
    {"longer than the text", PS_SPAN("bo"), PS_SPAN("bot"), 0},
    {"cut off at the end", PS_SPAN("robo"), PS_SPAN("robot"), 0},
    {"not there", PS_SPAN("Mozilla"), PS_SPAN("bot"), 0},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(CONTAINS) / sizeof(CONTAINS[0]); i++) {
        ok(ps_span_contains_nocase(guarded(CONTAINS[i].text),
                                   CONTAINS[i].lower) == CONTAINS[i].want,
           "contains: %s", CONTAINS[i].why);
    }
    ps_span trimmed = ps_span_trim(guarded(PS_SPAN(" \ta b\t ")));
    ok(ps_span_equal(trimmed, PS_SPAN("a b")), "trim: both ends, not inside");
    ok(ps_span_trim(guarded(PS_SPAN("  "))).len == 0, "trim: only blanks");
    ok(ps_span_equal_nocase(guarded(PS_SPAN("BEARER")), PS_SPAN("bearer")),
       "nocase: letters");
    ok(!ps_span_equal_nocase(PS_SPAN("[earer"), PS_SPAN("{earer")),
       "nocase: only letters fold");
    ok(strcmp(ps_status_word(PS_KEY_ID), "key_id") == 0, "status: word");
    ok(strcmp(ps_status_word((ps_status)127), "unknown") == 0,
       "status: a number outside the list");
    return done_testing();
}
