/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/status.h"

static const struct {
    const char *why;
    hr_span text;
    hr_span lower;
    int want;
} CONTAINS[] = {
    {"empty needle is everywhere", HR_SPAN("x"), HR_SPAN(""), 1},
    {"at the start", HR_SPAN("Googlebot"), HR_SPAN("google"), 1},
    {"at the very end", HR_SPAN("GoogleBOT"), HR_SPAN("bot"), 1},
    {"longer than the text", HR_SPAN("bo"), HR_SPAN("bot"), 0},
    {"cut off at the end", HR_SPAN("robo"), HR_SPAN("robot"), 0},
    {"not there", HR_SPAN("Mozilla"), HR_SPAN("bot"), 0},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(CONTAINS) / sizeof(CONTAINS[0]); i++) {
        ok(hr_span_contains_nocase(guarded(CONTAINS[i].text),
                                   CONTAINS[i].lower) == CONTAINS[i].want,
           "contains: %s", CONTAINS[i].why);
    }
    hr_span trimmed = hr_span_trim(guarded(HR_SPAN(" \ta b\t ")));
    ok(hr_span_equal(trimmed, HR_SPAN("a b")), "trim: both ends, not inside");
    ok(hr_span_trim(guarded(HR_SPAN("  "))).len == 0, "trim: only blanks");
    ok(hr_span_equal_nocase(guarded(HR_SPAN("BEARER")), HR_SPAN("bearer")),
       "nocase: letters");
    ok(!hr_span_equal_nocase(HR_SPAN("[earer"), HR_SPAN("{earer")),
       "nocase: only letters fold");
    ok(strcmp(hr_status_word(HR_KEY_ID), "key_id") == 0, "status: word");
    ok(strcmp(hr_status_word((hr_status)127), "unknown") == 0,
       "status: a number outside the list");
    return done_testing();
}
