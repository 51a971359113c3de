/* SPDX-License-Identifier: MIT */
/* The gate. Three calls do the whole request table:
 *
 *   request -> path label -> token -> fingerprint    (enter)
 *   response -> hand the cookie out?                 (respond)
 *   end of the body -> event -> ring                 (finish)
 *
 * The gate is immutable once made and may be used by any thread; a visit
 * belongs to one request. Nothing here blocks or touches a socket. */
#ifndef HR_GATE_GATE_H
#define HR_GATE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visitor/agent.h"
#include "base/config.h"
#include "ring/event.h"
#include "visitor/fingerprint.h"
#include "path/filter.h"
#include "gate/request.h"
#include "gate/event.h"
#include "sink/sink.h"
#include "base/span.h"
#include "base/status.h"
#include "token/verifier.h"

/* How much is done about a visitor, least first: `Sec-GPC: 1` takes the
 * smaller of two. */
typedef enum hr_gate_mode {
    HR_GATE_MODE_OFF = 0,
    HR_GATE_MODE_DERIVED = 1,
    HR_GATE_MODE_COOKIE = 2
} hr_gate_mode;

/* Where a token is looked for. */
typedef struct hr_gate_token_source {
    bool cookie;  /* in the cookie `name`; else in Authorization */
    hr_span name; /* the cookie's name, or the scheme ("Bearer") */
    bool exact;   /* the scheme is compared with its case */
} hr_gate_token_source;

typedef struct hr_gate_settings {
    hr_token_verifier *verifier;           /* NULL: no tokens */
    hr_path_filter *paths;                 /* NULL: every path is `track` */
    hr_visitor_fingerprint_cookie *cookie; /* NULL: no fingerprints */
    hr_sink *sink;                         /* NULL: no events */
    const char *salt_folder; /* of derived ids; NULL: none are made */
    const hr_gate_token_source *sources;
    size_t source_count;
    const hr_span *user_claims;
    size_t user_claim_count;
    const uint8_t
        *rows; /* a label's row: HR_PATH_FILTER_SKIP, _API or _TRACK */
    size_t row_count;
    uint32_t extra_fields; /* bits of hr_gate_event_extra */
    bool hash_ids;
    hr_gate_mode mode;
    hr_gate_mode gpc;
    size_t trusted_proxies;
    bool metrics; /* requests are counted by route, method and class */
} hr_gate_settings;

typedef struct hr_gate hr_gate;

/* The parts (verifier, paths, cookie, sink) are borrowed and must outlive the
 * gate; everything else is copied. SETTING: `*why` names it. NO_MEMORY. The
 * caller frees. */
HR_CHECKED hr_status hr_gate_new(const hr_gate_settings *settings,
                                 hr_gate **gate, const char **why);

/* NULL is fine. */
void hr_gate_free(hr_gate *gate);

#define HR_GATE_USER_MAX 256 /* bytes of a user's id that has escapes */

/* What `enter` found. The spans point into the request (the front keeps it
 * alive), the token, or what the visit owns. */
typedef struct hr_gate_visit {
    unsigned label;
    uint8_t row;
    hr_token *token;  /* one reference, or NULL */
    hr_status reason; /* OK, ABSENT (none sent), or why it was refused */
    int source;       /* index of the token's source; -1 without one */
    bool has_fingerprint;
    bool is_new;     /* a candidate: nothing is handed out yet */
    bool is_derived; /* the fingerprint has no cookie */
    hr_visitor_agent agent;
    hr_visitor_fingerprint fingerprint;
    hr_span method;
    hr_span path;
    hr_span user; /* absent when there is none */
    int64_t started_ns;
    int64_t entered_ns;  /* enter's end, where stages are measured; else 0 */
    int64_t duration_ns; /* until the last respond; else until finish */
    int status;          /* of the response; 0: not known */
    bool responded;
    bool handed_out; /* the response carries our cookie */
    bool finished;
    bool discarded;
    char *user_text; /* owned: where the token has it in escapes; or NULL */
} hr_gate_visit;

/* Fills in `visit`. `mode` is what the site's consent allows; `secure` says
 * whether the request came over https. Never fails: a bad token or cookie is
 * a reason, and what cannot be done is left out. */
void hr_gate_enter(const hr_gate *gate, const hr_gate_request *request,
                   hr_span method, hr_span path, hr_gate_mode mode,
                   bool secure, const hr_token_verifier_slow_section *slow,
                   hr_gate_visit *visit);

/* Would this response carry a Set-Cookie, if no shared cache may keep it? The
 * front looks at the response headers only then. */
bool hr_gate_may_set_cookie(const hr_gate *gate, const hr_gate_visit *visit,
                            int status, bool has_user);

/* What the front knows when the response starts. */
typedef struct hr_gate_response {
    int status;
    bool hand_out; /* hr_gate_may_set_cookie, and no shared cache keeps it */
    bool secure;
    bool has_user; /* the framework's session has logged somebody in */
} hr_gate_response;

/* Notes the response, and how long it took. Where `hand_out` is set, writes
 * the Set-Cookie value to `set_cookie` and returns its length, else 0. May be
 * called again for a corrected response. Does nothing after finish. */
size_t hr_gate_respond(const hr_gate *gate, hr_gate_visit *visit,
                       const hr_gate_response *response,
                       char set_cookie[HR_SET_COOKIE_MAX]);

/* What the front knows at the end of the body. */
typedef struct hr_gate_outcome {
    hr_span user;  /* who the framework's session has logged in, or absent */
    hr_span route; /* the framework's route, or absent */
    hr_span path;  /* stands in for the visit's path, or absent */
    bool path_is_altered;             /* that path is a repaired one */
    const hr_ring_event_body *fields; /* more of this event, or NULL */
} hr_gate_outcome;

/* Records the event, with the visit's status. A second call does nothing. */
void hr_gate_finish(const hr_gate *gate, hr_gate_visit *visit,
                    const hr_gate_request *request,
                    const hr_gate_outcome *outcome);

/* How long the visit has taken so far, or took until the response. */
int64_t hr_gate_visit_elapsed_ns(const hr_gate_visit *visit);

/* Gives back what the visit owns: the token, and the text of its user. */
void hr_gate_visit_fini(hr_gate_visit *visit);

/* The word of a mode: "off", "derived", "cookie". */
hr_span hr_gate_mode_word(hr_gate_mode mode);

#endif
