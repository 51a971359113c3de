/* SPDX-License-Identifier: MIT */
/* The path filter: path rules compiled once into an immutable structure that
 * answers the label of a decoded path. See docs/internals/path-filter.md. */
#ifndef PS_PATH_FILTER_H
#define PS_PATH_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "status.h"

typedef struct ps_path_filter ps_path_filter;

/* Labels that are always there, at these places. */
enum { PS_LABEL_SKIP = 0, PS_LABEL_API = 1, PS_LABEL_TRACK = 2 };

typedef struct ps_path_rule {
    ps_span text;  /* "=/x", "/x/", "*.x", "/a/?/b" with `*` as a segment */
    ps_span label; /* "skip", "api", "track" or a word of the user's own */
} ps_path_rule;

/* Where and why a rule was refused. */
typedef struct ps_path_error {
    size_t rule;     /* index of the offending rule */
    size_t other;    /* RULE_TIE: index of the rule it ties with */
    const char *why; /* static text, NULL when the status says it all */
} ps_path_error;

/* Compiles `count` rules; `fallback` is the label of a path that no rule
 * matches. The rules are copied. RULE, RULE_TIE, SETTING (label), NO_MEMORY;
 * then `error` is filled in. The caller frees. */
PS_CHECKED ps_status ps_path_filter_new(const ps_path_rule *rules,
                                        size_t count, ps_span fallback,
                                        ps_path_filter **filter,
                                        ps_path_error *error);

/* NULL is fine. */
void ps_path_filter_free(ps_path_filter *filter);

/* How many rules it was made of. */
size_t ps_path_filter_count(const ps_path_filter *filter);

/* The label's number for a decoded path (any bytes). Never fails, allocates
 * nothing, linear in the path's length. Any thread. */
unsigned ps_path_filter_label(const ps_path_filter *filter, ps_span path);

/* How many labels there are; numbers run from 0. */
unsigned ps_path_filter_labels(const ps_path_filter *filter);

/* The word of label `number`, borrowed from the filter. */
ps_span ps_path_filter_word(const ps_path_filter *filter, unsigned number);

#endif
