/* SPDX-License-Identifier: MIT */
/* One pass over the User-Agent: a byte that starts none of the words costs
 * one table look-up, so the usual browser costs about a nanosecond a byte. */
#include "agent.h"

#include <stdint.h>

static const ps_span WORDS[] = {
    {"bot", 3},         {"crawl", 5},
    {"spider", 6},      {"slurp", 5},
    {"scrapy", 6},      {"headless", 8},
    {"lighthouse", 10}, {"facebookexternalhit", 19},
};

/* First letters of WORDS, both cases. */
static const uint8_t STARTS[256] = {
    ['b'] = 1, ['B'] = 1, ['c'] = 1, ['C'] = 1, ['s'] = 1, ['S'] = 1,
    ['h'] = 1, ['H'] = 1, ['l'] = 1, ['L'] = 1, ['f'] = 1, ['F'] = 1,
};

static bool
stands_at(ps_span text, size_t at, ps_span word)
{
    return text.len - at >= word.len &&
           ps_span_equal_nocase((ps_span){text.ptr + at, word.len}, word);
}

/* "CUBOT" makes telephones. */
static bool
is_cubot(ps_span text, size_t at)
{
    return at >= 2 && stands_at(text, at - 2, PS_SPAN("cubot"));
}

bool
ps_agent_is_bot(ps_span user_agent)
{
    for (size_t i = 0; i < user_agent.len; i++) {
        if (!STARTS[(unsigned char)user_agent.ptr[i]]) {
            continue;
        }
        for (size_t w = 0; w < sizeof(WORDS) / sizeof(WORDS[0]); w++) {
            if (stands_at(user_agent, i, WORDS[w]) &&
                !(w == 0 && is_cubot(user_agent, i))) {
                return true;
            }
        }
    }
    return false;
}

bool
ps_agent_is_prefetch(ps_span purpose)
{
    return ps_span_contains_nocase(purpose, PS_SPAN("prefetch"));
}

ps_span
ps_agent_word(ps_agent agent)
{
    switch (agent) {
    case PS_AGENT_BOT:
        return PS_SPAN("bot");
    case PS_AGENT_PREFETCH:
        return PS_SPAN("prefetch");
    case PS_AGENT_BROWSER:
        break;
    }
    return PS_NO_SPAN;
}
