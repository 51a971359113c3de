/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "visitor/agent.h"

static const struct {
    const char *why;
    hr_span user_agent;
    int bot;
} CASES[] = {
    {"a browser",
     HR_SPAN("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 "
             "Firefox/145.0"),
     0},
    {"Googlebot",
     HR_SPAN("Mozilla/5.0 (compatible; Googlebot/2.1; "
             "+http://www.google.com/bot.html)"),
     1},
    {"upper case", HR_SPAN("AhrefsBOT"), 1},
    {"a crawler", HR_SPAN("Example Crawler"), 1},
    {"Yahoo! Slurp", HR_SPAN("Yahoo! Slurp"), 1},
    {"headless Chrome", HR_SPAN("HeadlessChrome/140.0"), 1},
    {"link preview", HR_SPAN("facebookexternalhit/1.1"), 1},
    {"a CUBOT telephone", HR_SPAN("Mozilla/5.0 (Linux; CUBOT X70)"), 0},
    {"a bot on a CUBOT telephone", HR_SPAN("CUBOT X70 somebot"), 1},
    {"word cut off at the end", HR_SPAN("Mozilla robo"), 0},
    {"the word alone", HR_SPAN("bot"), 1},
    {"empty", HR_SPAN(""), 0},
    {"bytes over 0x7f", HR_SPAN("\xff\xfe b\xc3\xb6t"), 0},
};

/* Each word at each place of a text of each length, so that it lies across
 * the end of a block, and ends with the text. */
static void
test_places(void)
{
    static const hr_span WORDS[] = {
        {"bot", 3},      {"crawl", 5},  {"facebookexternalhit", 19},
        {"headless", 8}, {"slurp", 5},  {"lighthouse", 10},
        {"spider", 6},   {"scrapy", 6},
    };
    char text[112];
    for (size_t w = 0; w < sizeof(WORDS) / sizeof(WORDS[0]); w++) {
        int found = 1;
        int invented = 0;
        for (size_t at = 0; at < 80; at++) {
            for (size_t more = 0; more < 12; more++) {
                size_t length = at + WORDS[w].len + more;
                memset(text, 'x', sizeof(text));
                memcpy(text + at, WORDS[w].ptr, WORDS[w].len);
                found &=
                    hr_visitor_agent_is_bot(guarded((hr_span){text, length}));
                text[at + WORDS[w].len - 1] = '-';
                invented |=
                    hr_visitor_agent_is_bot(guarded((hr_span){text, length}));
            }
        }
        ok(found, "bot: %s at any place", WORDS[w].ptr);
        ok(!invented, "bot: all but the end of %s is none", WORDS[w].ptr);
    }
}

int
main(void)
{
    test_places();
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ok(hr_visitor_agent_is_bot(guarded(CASES[i].user_agent)) ==
               CASES[i].bot,
           "bot: %s", CASES[i].why);
    }
    ok(!hr_visitor_agent_is_bot(HR_NO_SPAN), "bot: absent header");
    ok(hr_visitor_agent_is_prefetch(HR_SPAN("prefetch;prerender")),
       "prefetch: list");
    ok(hr_visitor_agent_is_prefetch(HR_SPAN("Prefetch")), "prefetch: case");
    ok(!hr_visitor_agent_is_prefetch(HR_NO_SPAN), "prefetch: absent header");
    ok(hr_visitor_agent_word(HR_VISITOR_AGENT_BROWSER).ptr == NULL,
       "word: none for browsers");
    return done_testing();
}
