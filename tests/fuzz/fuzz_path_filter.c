/* SPDX-License-Identifier: MIT */
/* Lines of rules, then a path. The answer is compared with a plain loop over
 * the rules: no rule that matches may be more specific than the one that
 * gave the label, and where none matches the fallback comes back. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "path/filter.h"
#include "path/rule.h"

#define RULES_TOP 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "/a/<star>/b" against a path, segment by segment, both without the first
 * slash. */
static bool
matches_segments(const hr_path_rule *pattern, hr_span path)
{
    hr_span wanted = pattern->text;
    hr_span rest = path;
    while (wanted.ptr != NULL) {
        if (rest.ptr == NULL) {
            return false;
        }
        hr_span want = hr_path_rule_segment(&wanted);
        hr_span got = hr_path_rule_segment(&rest);
        if (hr_span_equal(want, HR_SPAN("*")) ? got.len == 0
                                              : !hr_span_equal(want, got)) {
            return false;
        }
    }
    return pattern->shape == HR_PATH_RULE_REST ? rest.ptr != NULL
                                               : rest.ptr == NULL;
}

static bool
matches(const hr_path_rule *pattern, hr_span path)
{
    switch (pattern->shape) {
    case HR_PATH_RULE_SUFFIX:
        return hr_span_ends_with(path, pattern->text);
    case HR_PATH_RULE_PREFIX:
        return hr_span_starts_with(path, pattern->text);
    case HR_PATH_RULE_EXACT:
        return hr_span_equal(path, pattern->text);
    case HR_PATH_RULE_REST:
    case HR_PATH_RULE_FIXED:
        return path.len != 0 && path.ptr[0] == '/' &&
               matches_segments(pattern, hr_span_from(path, 1));
    }
    return false;
}

static void
check(const hr_path_filter_rule *rules, size_t count,
      const hr_path_filter *filter, hr_span path)
{
    unsigned number = hr_path_filter_label(filter, path);
    assert(number < hr_path_filter_labels(filter));
    hr_span label = hr_path_filter_word(filter, number);
    uint32_t best = 0;
    uint32_t given = 0;
    for (size_t i = 0; i < count; i++) {
        hr_path_rule pattern;
        const char *why;
        if (hr_path_rule_parse(rules[i].text, &pattern, &why) != HR_OK) {
            abort(); /* the filter took it */
        }
        if (!matches(&pattern, path)) {
            continue;
        }
        uint32_t rank = hr_path_rule_rank(&pattern);
        best = rank > best ? rank : best;
        if (hr_span_equal(rules[i].label, label)) {
            given = rank > given ? rank : given;
        }
    }
    assert(given == best);
    assert(best != 0 || hr_span_equal(label, HR_SPAN("track")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hr_span labels[] = {{"skip", 4}, {"api", 3}, {"own", 3}};
    hr_path_filter_rule rules[RULES_TOP];
    size_t count = 0;
    hr_span rest = {(const char *)data, size};
    const char *line;
    while (count < RULES_TOP && rest.len != 0 &&
           (line = memchr(rest.ptr, '\n', rest.len)) != NULL) {
        size_t len = (size_t)(line - rest.ptr);
        rules[count].text = (hr_span){rest.ptr, len};
        rules[count].label = labels[len % 3];
        rest = hr_span_from(rest, len + 1);
        count++;
    }
    hr_path_filter *filter = NULL;
    hr_path_filter_error error;
    hr_status status =
        hr_path_filter_new(rules, count, HR_SPAN("track"), &filter, &error);
    if (status == HR_OK) {
        check(rules, count, filter, rest);
        hr_path_filter_free(filter);
    } else if (status == HR_RULE) {
        assert(error.rule < count && error.why != NULL);
    } else {
        assert(status == HR_RULE_TIE && error.other < error.rule &&
               error.rule < count);
    }
    return 0;
}
