/* SPDX-License-Identifier: MIT */
/* One path rule: its shape, how specific it is, and whether it ties with
 * another. Nothing here is on the request path. */
#ifndef HR_PATH_RULE_H
#define HR_PATH_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/span.h"
#include "base/status.h"

/* The shapes, in the order of the sort that finds ties. */
typedef enum hr_path_rule_shape {
    HR_PATH_RULE_SUFFIX, /* "*.map": `text` is ".map" */
    HR_PATH_RULE_PREFIX, /* "/static/" and "/docs/<star><star>": the literal
                            text */
    HR_PATH_RULE_REST,   /* with a `*` segment and a final "<star><star>" */
    HR_PATH_RULE_FIXED,  /* with a `*` segment, as long as it is written */
    HR_PATH_RULE_EXACT,  /* "=/favicon.ico": `text` is "/favicon.ico" */
} hr_path_rule_shape;

/* A rule taken apart. REST and FIXED hold the segments: the text after the
 * first slash, for REST without the final slash and stars. */
typedef struct hr_path_rule {
    hr_span text; /* borrowed from the rule */
    hr_path_rule_shape shape;
    uint32_t literals; /* characters that are not wildcards (code points) */
    uint32_t segments; /* REST and FIXED: how many in `text`; else 0 */
    uint64_t stars;    /* bit i: segment i is `*` */
    size_t rule;       /* its index in what the caller gave */
    unsigned label;
} hr_path_rule;

/* OK, or RULE and a static phrase in `*why`. `rule` and `label` are left to
 * the caller. */
HR_CHECKED hr_status hr_path_rule_parse(hr_span rule, hr_path_rule *pattern,
                                        const char **why);

/* Takes the first segment off `*rest`, which becomes absent (NULL) after the
 * last one. `*rest` is not absent. */
hr_span hr_path_rule_segment(hr_span *rest);

/* Orders spans by bytes, the shorter first among equals. */
int hr_path_rule_compare(hr_span a, hr_span b);

/* How specific the rule is: of two rules that match a path, the higher rank
 * wins. A rule inside another one has at least as many literal characters, so
 * that counting them first and ordering the shapes second is the whole order;
 * rules of one rank either never meet, tie, or mean the same. */
uint32_t hr_path_rule_rank(const hr_path_rule *pattern);

/* The shape part of a rank: 3 for an exact rule. */
#define HR_PATH_RULE_RANK_EXACT 3U
#define HR_PATH_RULE_RANK_SHAPES 4U

/* Finds two patterns of different labels that some path meets and neither of
 * which is more specific. Sorts `patterns`. True: `*a` and `*b` are their
 * indices in what the caller gave, the smaller first. */
bool hr_path_rule_tie(hr_path_rule *patterns, size_t count, size_t *a,
                      size_t *b);

#endif
