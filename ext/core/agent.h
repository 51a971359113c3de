/* SPDX-License-Identifier: MIT */
/* Who sends the request: a browser, a bot, or a browser that only prefetches.
 * A small set of words, not a bot list: what is missed is counted as a
 * browser, and nothing is refused because of it. */
#ifndef PS_AGENT_H
#define PS_AGENT_H

#include <stdbool.h>

#include "span.h"

typedef enum ps_agent {
    PS_AGENT_BROWSER = 0,
    PS_AGENT_BOT = 1,
    PS_AGENT_PREFETCH = 2
} ps_agent;

/* Does the User-Agent name a crawler, a link previewer or a headless
 * browser? False for an absent one. Linear, allocates nothing. */
bool ps_agent_is_bot(ps_span user_agent);

/* Does a Sec-Purpose, Purpose or X-Moz header say `prefetch`? */
bool ps_agent_is_prefetch(ps_span purpose);

/* "bot", "prefetch", or absent for a browser. */
ps_span ps_agent_word(ps_agent agent);

#endif
