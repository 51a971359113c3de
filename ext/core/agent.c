/* SPDX-License-Identifier: MIT */
/* One pass over the User-Agent, sixteen bytes at a time: a block that has no
 * pair of letters with which a word begins is passed over, so that the usual
 * browser costs a few nanoseconds. */
#include "agent.h"

#include <stdint.h>

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
    switch (ps_lower(text.ptr[at])) {
    case 'b':
        return stands_at(text, at, PS_SPAN("bot")) && !is_cubot(text, at);
    case 'c':
        return stands_at(text, at, PS_SPAN("crawl"));
    case 'f':
        return stands_at(text, at, PS_SPAN("facebookexternalhit"));
    case 'h':
        return stands_at(text, at, PS_SPAN("headless"));
    case 'l':
        return stands_at(text, at, PS_SPAN("lighthouse"));
    case 's':
        return stands_at(text, at, PS_SPAN("spider")) ||
               stands_at(text, at, PS_SPAN("slurp")) ||
               stands_at(text, at, PS_SPAN("scrapy"));
    default:
        return false;
    }
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

static bool
block_has_word(ps_span text, size_t at)
{
    uint64_t halves[2];
    block found = word_starts(text.ptr + at);
    memcpy(halves, &found, sizeof(halves));
    if ((halves[0] | halves[1]) == 0) {
        return false;
    }
    for (size_t k = 0; k < sizeof(block); k++) {
        if (found[k] && word_stands_at(text, at + k)) {
            return true;
        }
    }
    return false;
}

bool
ps_agent_is_bot(ps_span user_agent)
{
    /* a block and the byte behind it: its last pair of letters */
    const size_t reach = sizeof(block) + 1;
    if (user_agent.len < reach) {
        for (size_t i = 0; i < user_agent.len; i++) {
            if (word_stands_at(user_agent, i)) {
                return true;
            }
        }
        return false;
    }
    size_t last = user_agent.len - reach;
    for (size_t i = 0; i < last; i += sizeof(block)) {
        if (block_has_word(user_agent, i)) {
            return true;
        }
    }
    return block_has_word(user_agent, last);
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
