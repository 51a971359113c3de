/* SPDX-License-Identifier: MIT */
/* Any bytes as a User-Agent: the scan in blocks answers what a scan byte by
 * byte does, wherever in a block the word lies. */
#include <assert.h>
#include <stdint.h>

#include "visitor/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
plain_is_bot(hr_span text)
{
    static const char *const WORDS[] = {
        "crawl",
        "spider",
        "slurp",
        "scrapy",
        "headless",
        "lighthouse",
        "facebookexternalhit",
    };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (hr_span_contains_nocase(text,
                                    (hr_span){WORDS[i], strlen(WORDS[i])})) {
            return true;
        }
    }
    for (size_t i = 0; i + 3 <= text.len; i++) {
        hr_span here = {text.ptr + i, 3};
        bool cubot = i >= 2 && hr_span_equal_nocase((hr_span){here.ptr - 2, 5},
                                                    HR_SPAN("cubot"));
        if (hr_span_equal_nocase(here, HR_SPAN("bot")) && !cubot) {
            return true;
        }
    }
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hr_span text = {(const char *)data, size};
    assert(hr_visitor_agent_is_bot(text) == plain_is_bot(text));
    (void)hr_visitor_agent_is_prefetch(text);
    return 0;
}
