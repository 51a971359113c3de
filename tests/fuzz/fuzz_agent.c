/* SPDX-License-Identifier: MIT */
/* Any bytes as a User-Agent: the scan in blocks answers what a scan byte by
 * byte does, wherever in a block the word lies. */
#include <assert.h>
#include <stdint.h>

#include "../../ext/core/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
plain_is_bot(ps_span text)
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
        if (ps_span_contains_nocase(text,
                                    (ps_span){WORDS[i], strlen(WORDS[i])})) {
            return true;
        }
    }
    for (size_t i = 0; i + 3 <= text.len; i++) {
        ps_span here = {text.ptr + i, 3};
        bool cubot = i >= 2 && ps_span_equal_nocase((ps_span){here.ptr - 2, 5},
                                                    PS_SPAN("cubot"));
        if (ps_span_equal_nocase(here, PS_SPAN("bot")) && !cubot) {
            return true;
        }
    }
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ps_span text = {(const char *)data, size};
    assert(ps_agent_is_bot(text) == plain_is_bot(text));
    (void)ps_agent_is_prefetch(text);
    return 0;
}
