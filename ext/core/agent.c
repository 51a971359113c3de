/* SPDX-License-Identifier: MIT */
/* One pass over the User-Agent, sixteen bytes at a time: a block that has no
 * pair of letters with which a word begins is passed over, so that the usual
 * browser costs a few nanoseconds. */
#include "agent.h"

#include <stdint.h>

static const ps_span WORDS[] = {
    {"bot", 3},         {"crawl", 5},
    {"spider", 6},      {"slurp", 5},
    {"scrapy", 6},      {"headless", 8},
    {"lighthouse", 10}, {"facebookexternalhit", 19},
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

static bool
word_stands_at(ps_span text, size_t at)
{
    for (size_t w = 0; w < sizeof(WORDS) / sizeof(WORDS[0]); w++) {
        if (stands_at(text, at, WORDS[w]) && !(w == 0 && is_cubot(text, at))) {
            return true;
        }
    }
    return false;
}

typedef uint8_t block __attribute__((vector_size(16)));

/* 0xff where a word may begin: its first two letters, in lower case. */
static block
word_starts(const char *at)
{
    block first;
    block second;
    memcpy(&first, at, sizeof(first));
    memcpy(&second, at + 1, sizeof(second));
    first |= 0x20;
    second |= 0x20;
    block s = first == 's';
    return (
        block)(((first == 'b') & (second == 'o')) |
               ((first == 'c') & (second == 'r')) |
               ((first == 'h') & (second == 'e')) |
               ((first == 'l') & (second == 'i')) |
               ((first == 'f') & (second == 'a')) |
               (s & ((second == 'p') | (second == 'l') | (second == 'c'))));
}

bool
ps_agent_is_bot(ps_span user_agent)
{
    size_t i = 0;
    for (; user_agent.len - i > sizeof(block); i += sizeof(block)) {
        uint64_t starts[2];
        block found = word_starts(user_agent.ptr + i);
        memcpy(starts, &found, sizeof(starts));
        if ((starts[0] | starts[1]) == 0) {
            continue;
        }
        for (size_t k = 0; k < sizeof(block); k++) {
            if (found[k] && word_stands_at(user_agent, i + k)) {
                return true;
            }
        }
    }
    for (; i < user_agent.len; i++) {
        if (word_stands_at(user_agent, i)) {
            return true;
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
