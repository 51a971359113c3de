/* SPDX-License-Identifier: MIT */
/* Who sends the request: a browser, a bot, or a browser that only prefetches.
 * A small set of words, not a bot list: what is missed is counted as a
 * browser, and nothing is refused because of it. */
#ifndef HR_VISITOR_AGENT_H
#define HR_VISITOR_AGENT_H

#include <stdbool.h>

#include "base/span.h"

typedef enum hr_visitor_agent {
    HR_VISITOR_AGENT_BROWSER = 0,
    HR_VISITOR_AGENT_BOT = 1,
    HR_VISITOR_AGENT_PREFETCH = 2
} hr_visitor_agent;

/* Does the User-Agent name a crawler, a link previewer or a headless
 * browser? False for an absent one. Linear, allocates nothing. */
bool hr_visitor_agent_is_bot(hr_span user_agent);

/* Does a Sec-Purpose, Purpose or X-Moz header say `prefetch`? */
bool hr_visitor_agent_is_prefetch(hr_span purpose);

/* "bot", "prefetch", or absent for a browser. */
hr_span hr_visitor_agent_word(hr_visitor_agent agent);

#endif
