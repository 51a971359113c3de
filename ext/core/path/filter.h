/* SPDX-License-Identifier: MIT */
/* The path filter: path rules compiled once into an immutable structure that
 * answers the label of a decoded path. See docs/internals/path-filter.md. */
#ifndef HR_PATH_FILTER_H
#define HR_PATH_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

typedef struct hr_path_filter hr_path_filter;

/* Labels that are always there, at these places. */
enum {
    HR_PATH_FILTER_SKIP = 0,
    HR_PATH_FILTER_API = 1,
    HR_PATH_FILTER_TRACK = 2
};

typedef struct hr_path_filter_rule {
    hr_span text;  /* "=/x", "/x/", "*.x", "/a/?/b" with `*` as a segment */
    hr_span label; /* "skip", "api", "track" or a word of the user's own */
} hr_path_filter_rule;

/* Where and why a rule was refused. */
typedef struct hr_path_filter_error {
    size_t rule;     /* index of the offending rule */
    size_t other;    /* RULE_TIE: index of the rule it ties with */
    const char *why; /* static text, NULL when the status says it all */
} hr_path_filter_error;

/* Compiles `count` rules; `fallback` is the label of a path that no rule
 * matches. The rules are copied. RULE, RULE_TIE, SETTING (label), NO_MEMORY;
 * then `error` is filled in. The caller frees. */
HR_CHECKED hr_status hr_path_filter_new(const hr_path_filter_rule *rules,
                                        size_t count, hr_span fallback,
                                        hr_path_filter **filter,
                                        hr_path_filter_error *error);

/* NULL is fine. */
void hr_path_filter_free(hr_path_filter *filter);

/* How many rules it was made of. */
size_t hr_path_filter_count(const hr_path_filter *filter);

/* The label's number for a decoded path (any bytes). Never fails, allocates
 * nothing, linear in the path's length. Any thread. */
unsigned hr_path_filter_label(const hr_path_filter *filter, hr_span path);

/* How many labels there are; numbers run from 0. */
unsigned hr_path_filter_labels(const hr_path_filter *filter);

/* The word of label `number`, borrowed from the filter. */
hr_span hr_path_filter_word(const hr_path_filter *filter, unsigned number);

#endif
