/* SPDX-License-Identifier: MIT */
/* The gate: `enter` before the view, `finish` after it. One call each does
 * the whole request table:
 *
 *   request -> path label -> token -> fingerprint        (enter)
 *   response -> hand the cookie out? -> event -> ring    (finish)
 *
 * The gate is immutable once made and may be used by any thread; a visit
 * belongs to one request. Nothing here blocks or touches a socket. */
#ifndef PS_GATE_H
#define PS_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "config.h"
#include "event.h"
#include "fingerprint.h"
#include "path_filter.h"
#include "request.h"
#include "request_event.h"
#include "sink.h"
#include "span.h"
#include "status.h"
#include "verifier.h"

/* How much is done about a visitor, least first: `Sec-GPC: 1` takes the
 * smaller of two. */
typedef enum ps_mode {
    PS_MODE_OFF = 0,
    PS_MODE_DERIVED = 1,
    PS_MODE_COOKIE = 2
} ps_mode;

/* Where a token is looked for. */
typedef struct ps_token_source {
    bool cookie;  /* in the cookie `name`; else in Authorization */
    ps_span name; /* the cookie's name, or the scheme ("Bearer") */
    bool exact;   /* the scheme is compared with its case */
} ps_token_source;

typedef struct ps_gate_settings {
    ps_verifier *verifier;         /* NULL: no tokens */
    ps_path_filter *paths;         /* NULL: every path is `track` */
    ps_fingerprint_cookie *cookie; /* NULL: no fingerprints */
    ps_sink *sink;                 /* NULL: no events */
    const char *salt_folder;       /* of derived ids; NULL: none are made */
    const ps_token_source *sources;
    size_t source_count;
    const ps_span *user_claims;
    size_t user_claim_count;
    const uint8_t *rows; /* a label's row: PS_LABEL_SKIP, _API or _TRACK */
    size_t row_count;
    uint32_t extra_fields; /* bits of ps_extra_field */
    bool hash_ids;
    ps_mode mode;
    ps_mode gpc;
    unsigned trusted_proxies;
    bool metrics; /* requests are counted by route, method and class */
} ps_gate_settings;

typedef struct ps_gate ps_gate;

/* The parts (verifier, paths, cookie, sink) are borrowed and must outlive the
 * gate; everything else is copied. NO_MEMORY. The caller frees. */
PS_CHECKED ps_status ps_gate_new(const ps_gate_settings *settings,
                                 ps_gate **gate);

/* NULL is fine. */
void ps_gate_free(ps_gate *gate);

#define PS_USER_MAX 256 /* bytes of a user's id that has escapes */

/* What `enter` found. The spans point into the request (the front keeps it
 * alive), the token, or what the visit owns. */
typedef struct ps_visit {
    unsigned label;
    uint8_t row;
    ps_token *token;  /* one reference, or NULL */
    ps_status reason; /* OK, ABSENT (none sent), or why it was refused */
    int source;       /* index of the token's source; -1 without one */
    bool has_fingerprint;
    bool is_new;     /* a candidate: nothing is handed out yet */
    bool is_derived; /* the fingerprint has no cookie */
    ps_agent agent;
    ps_fingerprint fingerprint;
    ps_span method;
    ps_span path;
    ps_span user; /* absent when there is none */
    int64_t started_ns;
    int64_t entered_ns;  /* enter's end, where stages are measured; else 0 */
    int64_t duration_ns; /* once finished */
    bool finished;
    bool discarded;
    char *user_text; /* owned: where the token has it in escapes; or NULL */
} ps_visit;

/* Fills in `visit`. `mode` is what the site's consent allows; `secure` says
 * whether the request came over https. Never fails: a bad token or cookie is
 * a reason, and what cannot be done is left out. */
void ps_gate_enter(const ps_gate *gate, const ps_request *request,
                   ps_span method, ps_span path, ps_mode mode, bool secure,
                   const ps_slow_section *slow, ps_visit *visit);

/* Would this response carry a Set-Cookie, if no shared cache may keep it? The
 * front looks at the response headers only then. */
bool ps_gate_may_set_cookie(const ps_gate *gate, const ps_visit *visit,
                            int status, bool has_user);

/* What the front knows after the view. */
typedef struct ps_outcome {
    int status;
    bool hand_out; /* ps_gate_may_set_cookie, and no shared cache keeps it */
    bool secure;
    ps_span user;  /* who the framework's session has logged in, or absent */
    ps_span route; /* the framework's route, or absent */
    ps_span path;  /* stands in for the visit's path, or absent */
    bool path_is_altered;   /* that path is a repaired one */
    const ps_field *fields; /* more fields of this event */
    size_t field_count;
} ps_outcome;

/* Records the event. When `hand_out` is set, writes the Set-Cookie value to
 * `set_cookie` and answers its length, else 0. A second call does nothing. */
size_t ps_gate_finish(const ps_gate *gate, ps_visit *visit,
                      const ps_request *request, const ps_outcome *outcome,
                      char set_cookie[PS_SET_COOKIE_MAX]);

/* How long the visit has taken so far, or took until `finish`. */
int64_t ps_visit_elapsed_ns(const ps_visit *visit);

/* Gives back what the visit owns: the token, and the text of its user. */
void ps_visit_fini(ps_visit *visit);

/* The word of a mode: "off", "derived", "cookie". */
ps_span ps_mode_word(ps_mode mode);

#endif
