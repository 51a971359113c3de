/* SPDX-License-Identifier: MIT */
/* One pass over the User-Agent, 32 bytes at a time: a block that has no
 * three letters with which a word begins is passed over, so that the usual
 * browser ("Linux", "like") costs a few nanoseconds. */
#include "visitor/agent.h"

#include <stdint.h>

static bool
stands_at(hr_span text, size_t at, hr_span word)
{
    return text.len - at >= word.len &&
           hr_span_equal_nocase((hr_span){text.ptr + at, word.len}, word);
}

/* "CUBOT" makes telephones. */
static bool
is_cubot(hr_span text, size_t at)
{
    return at >= 2 && stands_at(text, at - 2, HR_SPAN("cubot"));
}

static bool
word_stands_at(hr_span text, size_t at)
{
    switch (hr_span_lower(text.ptr[at])) {
    case 'b':
        return stands_at(text, at, HR_SPAN("bot")) && !is_cubot(text, at);
    case 'c':
        return stands_at(text, at, HR_SPAN("crawl"));
    case 'f':
        return stands_at(text, at, HR_SPAN("facebookexternalhit"));
    case 'h':
        return stands_at(text, at, HR_SPAN("headless"));
    case 'l':
        return stands_at(text, at, HR_SPAN("lighthouse"));
    case 's':
        return stands_at(text, at, HR_SPAN("spider")) ||
               stands_at(text, at, HR_SPAN("slurp")) ||
               stands_at(text, at, HR_SPAN("scrapy"));
    default:
        return false;
    }
}

typedef uint8_t block __attribute__((vector_size(32)));

/* Is there a word at a byte of the block at text[at] for which `starts` has
 * 0xff? */
static bool
word_stands_in(hr_span text, size_t at, const uint64_t starts[4])
{
    for (size_t i = 0; i < sizeof(block); i += sizeof(*starts)) {
        uint64_t left = starts[i / sizeof(*starts)];
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        left = __builtin_bswap64(left);
#endif
        while (left != 0) {
            size_t byte = (size_t)__builtin_ctzll(left) / 8;
            if (word_stands_at(text, at + i + byte)) {
                return true;
            }
            left &= ~(UINT64_C(0xFF) << 8 * byte);
        }
    }
    return false;
}

/* Is there a word that begins in the block at text[at]? The two bytes behind
 * the block are read too. */
static inline __attribute__((always_inline)) bool
block_has_word(hr_span text, size_t at)
{
    block first;
    block second;
    block third;
    memcpy(&first, text.ptr + at, sizeof(first));
    memcpy(&second, text.ptr + at + 1, sizeof(second));
    memcpy(&third, text.ptr + at + 2, sizeof(third));
    first |= 0x20;
    second |= 0x20;
    third |= 0x20;
    /* 0xff where a word may begin: its first three letters, in lower case */
    block found =
        (block)(((first == 'b') & (second == 'o') & (third == 't')) |
                ((first == 'c') & (second == 'r') & (third == 'a')) |
                ((first == 'h') & (second == 'e') & (third == 'a')) |
                ((first == 'l') & (second == 'i') & (third == 'g')) |
                ((first == 'f') & (second == 'a') & (third == 'c')) |
                ((first == 's') & (((second == 'p') & (third == 'i')) |
                                   ((second == 'l') & (third == 'u')) |
                                   ((second == 'c') & (third == 'r')))));
    uint64_t quarters[4];
    memcpy(quarters, &found, sizeof(quarters));
    if ((quarters[0] | quarters[1] | quarters[2] | quarters[3]) == 0) {
        return false;
    }
    return word_stands_in(text, at, quarters);
}

/* A block and the bytes behind it: its last three letters. */
#define REACH (sizeof(block) + 2)

/* For a text of REACH bytes and more. */
static inline __attribute__((always_inline)) bool
has_word(hr_span text)
{
    size_t last = text.len - REACH;
    for (size_t i = 0; i < last; i += sizeof(block)) {
        if (block_has_word(text, i)) {
            return true;
        }
    }
    return block_has_word(text, last);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static bool
has_word_avx2(hr_span text)
{
    return has_word(text);
}
#endif

bool
hr_visitor_agent_is_bot(hr_span user_agent)
{
    char padded[REACH] = {0};
    if (user_agent.len < REACH) { /* no word begins in the zeros */
        if (user_agent.len != 0) {
            memcpy(padded, user_agent.ptr, user_agent.len);
        }
        user_agent = (hr_span){padded, REACH};
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return has_word_avx2(user_agent);
    }
#endif
    return has_word(user_agent);
}

bool
hr_visitor_agent_is_prefetch(hr_span purpose)
{
    return hr_span_contains_nocase(purpose, HR_SPAN("prefetch"));
}

hr_span
hr_visitor_agent_word(hr_visitor_agent agent)
{
    switch (agent) {
    case HR_VISITOR_AGENT_BOT:
        return HR_SPAN("bot");
    case HR_VISITOR_AGENT_PREFETCH:
        return HR_SPAN("prefetch");
    case HR_VISITOR_AGENT_BROWSER:
        break;
    }
    return HR_NO_SPAN;
}
