/* SPDX-License-Identifier: MIT */
/* Lines of rules, then a path. The answer is compared with a plain loop over
 * the rules: no rule that matches may be more specific than the one that
 * gave the label, and where none matches the fallback comes back. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../ext/core/path_filter.h"
#include "../../ext/core/path_rule.h"

#define RULES_TOP 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "/a/<star>/b" against a path, segment by segment, both without the first
 * slash. */
static bool
matches_segments(const ps_path_pattern *pattern, ps_span path)
{
    ps_span wanted = pattern->text;
    ps_span rest = path;
    while (wanted.ptr != NULL) {
        if (rest.ptr == NULL) {
            return false;
        }
        ps_span want = ps_path_segment(&wanted);
        ps_span got = ps_path_segment(&rest);
        if (ps_span_equal(want, PS_SPAN("*")) ? got.len == 0
                                              : !ps_span_equal(want, got)) {
            return false;
        }
    }
    return pattern->shape == PS_PATH_REST ? rest.ptr != NULL
                                          : rest.ptr == NULL;
}

static bool
matches(const ps_path_pattern *pattern, ps_span path)
{
    switch (pattern->shape) {
    case PS_PATH_SUFFIX:
        return ps_span_ends_with(path, pattern->text);
    case PS_PATH_PREFIX:
        return ps_span_starts_with(path, pattern->text);
    case PS_PATH_EXACT:
        return ps_span_equal(path, pattern->text);
    case PS_PATH_REST:
    case PS_PATH_FIXED:
        return path.len != 0 && path.ptr[0] == '/' &&
               matches_segments(pattern, ps_span_from(path, 1));
    }
    return false;
}

static void
check(const ps_path_rule *rules, size_t count, const ps_path_filter *filter,
      ps_span path)
{
    unsigned number = ps_path_filter_label(filter, path);
    assert(number < ps_path_filter_labels(filter));
    ps_span label = ps_path_filter_word(filter, number);
    uint32_t best = 0;
    uint32_t given = 0;
    for (size_t i = 0; i < count; i++) {
        ps_path_pattern pattern;
        const char *why;
        if (ps_path_pattern_parse(rules[i].text, &pattern, &why) != PS_OK) {
            abort(); /* the filter took it */
        }
        if (!matches(&pattern, path)) {
            continue;
        }
        uint32_t rank = ps_path_pattern_rank(&pattern);
        best = rank > best ? rank : best;
        if (ps_span_equal(rules[i].label, label)) {
            given = rank > given ? rank : given;
        }
    }
    assert(given == best);
    assert(best != 0 || ps_span_equal(label, PS_SPAN("track")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ps_span labels[] = {{"skip", 4}, {"api", 3}, {"own", 3}};
    ps_path_rule rules[RULES_TOP];
    size_t count = 0;
    ps_span rest = {(const char *)data, size};
    const char *line;
    while (count < RULES_TOP && rest.len != 0 &&
           (line = memchr(rest.ptr, '\n', rest.len)) != NULL) {
        size_t len = (size_t)(line - rest.ptr);
        rules[count].text = (ps_span){rest.ptr, len};
        rules[count].label = labels[len % 3];
        rest = ps_span_from(rest, len + 1);
        count++;
    }
    ps_path_filter *filter = NULL;
    ps_path_error error;
    ps_status status =
        ps_path_filter_new(rules, count, PS_SPAN("track"), &filter, &error);
    if (status == PS_OK) {
        check(rules, count, filter, rest);
        ps_path_filter_free(filter);
    } else if (status == PS_RULE) {
        assert(error.rule < count && error.why != NULL);
    } else {
        assert(status == PS_RULE_TIE && error.other < error.rule &&
               error.rule < count);
    }
    return 0;
}
