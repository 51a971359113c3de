/* SPDX-License-Identifier: MIT */
/* The request table, in the order of its columns.
 *
 *   label  token verified  fingerprint read  minted            event
 *   skip   no              no                no                no
 *   api    yes             yes               no                of a user
 *   track  yes             yes               on a navigation   GET 200, or of
 *                                            of nobody known   a user
 *
 * Authentication fails closed (a bad token is no token), telemetry fails
 * open (an event that cannot be recorded is counted by the sink). The
 * candidate of `enter` becomes a fingerprint only when `finish` hands it
 * out: until then nobody has it, so no event and no session may carry it. */
#include "gate.h"

#include "alloc.h"
#include "client_address.h"
#include "clock.h"
#include "derived.h"
#include "stats.h"

struct ps_gate {
    ps_verifier *verifier; /* borrowed, as all four parts */
    ps_path_filter *paths;
    ps_fingerprint_cookie *cookie;
    ps_sink *sink;
    ps_derived *derived; /* owned; NULL: no derived ids */
    ps_token_source *sources;
    size_t source_count;
    ps_span *user_claims;
    size_t user_claim_count;
    uint8_t rows[PS_LABELS_MAX];
    uint32_t extra_fields;
    bool hash_ids;
    ps_mode mode;
    ps_mode gpc;
    unsigned trusted_proxies;
    bool metrics;
};

/* --- making and freeing ------------------------------------------------ */

/* A copy of the span's bytes, owned; absent when there is no memory. */
static ps_span
copy_span(ps_span text)
{
    return (ps_span){ps_dup(text), text.len};
}

static void
free_span(ps_span text)
{
    ps_free((void *)(uintptr_t)text.ptr);
}

static ps_status
copy_sources(ps_gate *gate, const ps_gate_settings *settings)
{
    gate->sources = ps_calloc(settings->source_count, sizeof(*gate->sources));
    gate->user_claims =
        ps_calloc(settings->user_claim_count, sizeof(*gate->user_claims));
    if (gate->sources == NULL || gate->user_claims == NULL) {
        return PS_NO_MEMORY;
    }
    for (size_t i = 0; i < settings->source_count; i++) {
        gate->sources[i] = settings->sources[i];
        gate->sources[i].name = copy_span(settings->sources[i].name);
        gate->source_count = i + 1;
        if (gate->sources[i].name.ptr == NULL) {
            return PS_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < settings->user_claim_count; i++) {
        gate->user_claims[i] = copy_span(settings->user_claims[i]);
        gate->user_claim_count = i + 1;
        if (gate->user_claims[i].ptr == NULL) {
            return PS_NO_MEMORY;
        }
    }
    return PS_OK;
}

ps_status
ps_gate_new(const ps_gate_settings *settings, ps_gate **result)
{
    ps_gate *gate = ps_calloc(1, sizeof(*gate));
    if (gate == NULL) {
        return PS_NO_MEMORY;
    }
    gate->verifier = settings->verifier;
    gate->paths = settings->paths;
    gate->cookie = settings->cookie;
    gate->sink = settings->sink;
    gate->extra_fields = settings->extra_fields;
    gate->hash_ids = settings->hash_ids;
    gate->mode = settings->mode;
    gate->gpc = settings->gpc;
    gate->trusted_proxies = settings->trusted_proxies;
    gate->metrics = settings->metrics;
    for (size_t i = 0; i < PS_LABELS_MAX; i++) {
        gate->rows[i] =
            i < settings->row_count ? settings->rows[i] : PS_LABEL_TRACK;
    }
    ps_status status = copy_sources(gate, settings);
    if (status == PS_OK && settings->salt_folder != NULL) {
        status = ps_derived_new(settings->salt_folder, &gate->derived);
    }
    if (status != PS_OK) {
        ps_gate_free(gate);
        return status;
    }
    *result = gate;
    return PS_OK;
}

void
ps_gate_free(ps_gate *gate)
{
    if (gate == NULL) {
        return;
    }
    for (size_t i = 0; i < gate->source_count; i++) {
        free_span(gate->sources[i].name);
    }
    for (size_t i = 0; i < gate->user_claim_count; i++) {
        free_span(gate->user_claims[i]);
    }
    ps_free(gate->sources);
    ps_free(gate->user_claims);
    ps_derived_free(gate->derived);
    ps_free(gate);
}

ps_span
ps_mode_word(ps_mode mode)
{
    switch (mode) {
    case PS_MODE_OFF:
        return PS_SPAN("off");
    case PS_MODE_DERIVED:
        return PS_SPAN("derived");
    case PS_MODE_COOKIE:
        return PS_SPAN("cookie");
    }
    return PS_NO_SPAN;
}

/* --- enter ------------------------------------------------------------- */

static ps_stats *
stats_of(const ps_gate *gate)
{
    return gate->sink != NULL ? ps_sink_stats(gate->sink) : NULL;
}

/* "Bearer <token>": OK with the token's text, ABSENT for another scheme or
 * no header, MALFORMED for a scheme without a token or two headers. */
static ps_status
bearer_text(const ps_request *request, const ps_token_source *source,
            ps_span *text)
{
    size_t count;
    ps_span value =
        request->header(request->source, PS_HEADER_AUTHORIZATION, &count);
    value = ps_span_trim(value);
    if (value.len < source->name.len) {
        return PS_ABSENT;
    }
    ps_span scheme = {value.ptr, source->name.len};
    ps_span rest = ps_span_from(value, scheme.len);
    bool named = source->exact ? ps_span_equal(scheme, source->name)
                               : ps_span_equal_nocase(scheme, source->name);
    if (!named || (rest.len != 0 && *rest.ptr != ' ' && *rest.ptr != '\t')) {
        return PS_ABSENT;
    }
    *text = ps_span_trim(rest);
    /* two credentials are none: which one would the view believe? */
    return text->len != 0 && count == 1 ? PS_OK : PS_MALFORMED;
}

static ps_status
token_text(const ps_request *request, const ps_token_source *source,
           ps_span *text)
{
    if (!source->cookie) {
        return bearer_text(request, source, text);
    }
    const ps_span *headers;
    size_t count = request->cookies(request->source, &headers);
    ps_status status = ps_cookie_only(headers, count, source->name,
                                      request->cookie_text, text);
    return status == PS_OK && text->len == 0 ? PS_ABSENT : status;
}

/* The first source that is present counts, also when its token is bad. */
static void
find_token(const ps_gate *gate, const ps_request *request,
           const ps_slow_section *slow, ps_visit *visit)
{
    visit->reason = PS_ABSENT;
    for (size_t i = 0; i < gate->source_count; i++) {
        ps_span text;
        ps_status status = token_text(request, &gate->sources[i], &text);
        if (status == PS_ABSENT) {
            continue;
        }
        if (status == PS_OK) {
            status = ps_verifier_verify(gate->verifier, text, PS_NOW_BY_CLOCK,
                                        slow, &visit->token);
        }
        visit->reason = status;
        visit->source = (int)i;
        ps_stats_token(stats_of(gate), status);
        return;
    }
}

static void
find_user(const ps_gate *gate, ps_visit *visit)
{
    char text[PS_USER_MAX];
    for (size_t i = 0; i < gate->user_claim_count; i++) {
        ps_span user;
        if (ps_token_claim_text(visit->token, gate->user_claims[i], text,
                                sizeof(text), &user) != PS_OK) {
            continue;
        }
        if (user.ptr == text) { /* it had escapes: not in the token as such */
            visit->user_text = ps_dup(user);
            user.ptr = visit->user_text;
        }
        visit->user = user;
        return;
    }
}

static ps_agent
find_agent(const ps_request *request)
{
    if (ps_agent_is_prefetch(
            ps_request_header(request, PS_HEADER_SEC_PURPOSE)) ||
        ps_agent_is_prefetch(ps_request_header(request, PS_HEADER_PURPOSE)) ||
        ps_agent_is_prefetch(ps_request_header(request, PS_HEADER_X_MOZ))) {
        return PS_AGENT_PREFETCH;
    }
    return ps_agent_is_bot(ps_request_header(request, PS_HEADER_USER_AGENT))
               ? PS_AGENT_BOT
               : PS_AGENT_BROWSER;
}

/* Somebody goes to a page, rather than a script or an image fetching. */
static bool
is_navigation(const ps_request *request, ps_span method)
{
    if (!ps_span_equal(method, PS_SPAN("GET"))) {
        return false;
    }
    ps_span mode = ps_request_header(request, PS_HEADER_SEC_FETCH_MODE);
    if (mode.ptr != NULL) {
        return ps_span_equal(ps_span_trim(mode), PS_SPAN("navigate"));
    }
    return ps_span_contains_nocase(
        ps_request_header(request, PS_HEADER_ACCEPT), PS_SPAN("text/html"));
}

static ps_span
client_address(const ps_gate *gate, const ps_request *request)
{
    const ps_span *headers = NULL;
    size_t count = 0;
    if (gate->trusted_proxies != 0) {
        count = request->forwarded(request->source, &headers);
    }
    return ps_client_address(request->detail(request->source, PS_DETAIL_PEER),
                             headers, count, gate->trusted_proxies);
}

static void
read_cookie(const ps_gate *gate, const ps_request *request, bool secure,
            ps_visit *visit)
{
    int64_t now = ps_clock_wall_ms() / 1000;
    const ps_span *headers;
    size_t count = request->cookies(request->source, &headers);
    ps_cookie_counts counts = {0};
    ps_status status = ps_fingerprint_cookie_read_as(
        gate->cookie, headers, count, request->cookie_text, now,
        &visit->fingerprint, &counts);
    ps_stats *stats = stats_of(gate);
    ps_stats_cookie(stats, PS_OK, status == PS_OK);
    ps_stats_cookie(stats, PS_MALFORMED, counts.malformed);
    ps_stats_cookie(stats, PS_SIGNATURE, counts.signature);
    ps_stats_cookie(stats, PS_EXPIRED, counts.expired);
    ps_stats_cookie(stats, PS_KEY_ID, counts.key_id);
    if (status == PS_OK) {
        visit->has_fingerprint = true;
        return;
    }
    if (visit->row == PS_LABEL_TRACK && visit->token == NULL &&
        visit->agent == PS_AGENT_BROWSER &&
        is_navigation(request, visit->method) &&
        (secure || ps_fingerprint_cookie_works_insecure(gate->cookie)) &&
        ps_fingerprint_cookie_mint(gate->cookie, now, &visit->fingerprint) ==
            PS_OK) {
        visit->has_fingerprint = true;
        visit->is_new = true;
    }
}

static void
find_fingerprint(const ps_gate *gate, const ps_request *request, ps_mode mode,
                 bool secure, ps_visit *visit)
{
    if (gate->cookie == NULL || mode == PS_MODE_OFF) {
        return;
    }
    if (mode > gate->gpc && ps_span_equal(ps_span_trim(ps_request_header(
                                              request, PS_HEADER_SEC_GPC)),
                                          PS_SPAN("1"))) {
        mode = gate->gpc;
    }
    if (mode == PS_MODE_COOKIE) {
        read_cookie(gate, request, secure, visit);
    } else if (mode == PS_MODE_DERIVED && gate->derived != NULL) {
        ps_derived_client client = {
            .address = client_address(gate, request),
            .user_agent = ps_request_header(request, PS_HEADER_USER_AGENT),
            .accept = ps_request_header(request, PS_HEADER_ACCEPT),
            .accept_language =
                ps_request_header(request, PS_HEADER_ACCEPT_LANGUAGE),
            .accept_encoding =
                ps_request_header(request, PS_HEADER_ACCEPT_ENCODING),
        };
        visit->has_fingerprint =
            ps_derived_fingerprint(gate->derived, &client,
                                   ps_clock_wall_ms() / 1000,
                                   &visit->fingerprint) == PS_OK;
        visit->is_derived = visit->has_fingerprint;
    }
}

/* One stage ends, the next begins. */
static int64_t
end_stage(ps_stats *stats, ps_stage stage, int64_t began_ns)
{
    int64_t now = ps_clock_steady_ns();
    ps_stats_stage(stats, stage, now - began_ns);
    return now;
}

/* The cache's counters lie in the process: readers of the ring are told now
 * and then, at first often. */
static void
tell_cache(const ps_gate *gate, ps_stats *stats)
{
    uint64_t turn = ps_counted(&stats->turn) - 1;
    if (gate->verifier != NULL &&
        (turn % 256 == 0 || (turn & (turn - 1)) == 0)) {
        ps_token_cache_info info = ps_verifier_cache_counts(gate->verifier);
        atomic_store_explicit(&stats->cache_hits, info.hits,
                              memory_order_relaxed);
        atomic_store_explicit(&stats->cache_misses, info.misses,
                              memory_order_relaxed);
    }
}

void
ps_gate_enter(const ps_gate *gate, const ps_request *request, ps_span method,
              ps_span path, ps_mode mode, bool secure,
              const ps_slow_section *slow, ps_visit *visit)
{
    ps_stats *stats = stats_of(gate);
    bool measured = stats != NULL && ps_stats_measures(stats);
    visit->started_ns = ps_clock_steady_ns();
    visit->entered_ns = 0;
    visit->token = NULL;
    visit->reason = PS_ABSENT;
    visit->source = -1;
    visit->has_fingerprint = false;
    visit->is_new = false;
    visit->is_derived = false;
    visit->agent = PS_AGENT_BROWSER;
    visit->method = method;
    visit->path = path;
    visit->user = PS_NO_SPAN;
    visit->user_text = NULL;
    visit->finished = false;
    visit->discarded = false;
    visit->label = gate->paths != NULL
                       ? ps_path_filter_label(gate->paths, path)
                       : PS_LABEL_TRACK;
    visit->row = gate->rows[visit->label];
    int64_t began_ns =
        measured ? end_stage(stats, PS_STAGE_LABEL, visit->started_ns) : 0;
    if (visit->row == PS_LABEL_SKIP) {
        return;
    }
    if (gate->verifier != NULL) {
        find_token(gate, request, slow, visit);
        if (visit->token != NULL) {
            find_user(gate, visit);
        }
        if (measured) {
            began_ns = end_stage(stats, PS_STAGE_TOKEN, began_ns);
        }
    }
    visit->agent = find_agent(request);
    find_fingerprint(gate, request, mode, secure, visit);
    if (measured) {
        tell_cache(gate, stats);
        visit->entered_ns = end_stage(stats, PS_STAGE_FINGERPRINT, began_ns);
    }
}

/* --- finish ------------------------------------------------------------ */

bool
ps_gate_may_set_cookie(const ps_gate *gate, const ps_visit *visit, int status,
                       bool has_user)
{
    if (visit->finished || gate->cookie == NULL || !visit->has_fingerprint ||
        visit->is_derived || visit->row != PS_LABEL_TRACK ||
        (status < 200 && status != 101) || status >= 400 || status == 301 ||
        status == 304 || status == 308) {
        return false;
    }
    if (visit->is_new) {
        return !has_user && visit->token == NULL;
    }
    return visit->fingerprint.reissue;
}

/* Into the metrics, by what cannot have more values than a site has routes. */
static void
measure(const ps_gate *gate, const ps_visit *visit, const ps_outcome *outcome,
        uint64_t duration_us)
{
    ps_metrics *metrics = ps_sink_metrics(gate->sink);
    if (metrics != NULL) {
        ps_metrics_name name = {
            .kind = PS_METRIC_REQUEST,
            .method = ps_metrics_method(visit->method),
            .outcome = ps_metrics_class(outcome->status),
            .text = outcome->route,
        };
        ps_metrics_count(metrics, &name, duration_us);
    }
}

static bool
is_recorded(const ps_visit *visit, int status, bool verified)
{
    if (visit->discarded) {
        return false;
    }
    switch (visit->row) {
    case PS_LABEL_API:
        return verified;
    case PS_LABEL_TRACK:
        return verified ||
               (status == 200 && ps_span_equal(visit->method, PS_SPAN("GET")));
    default:
        return false;
    }
}

static void
record(const ps_gate *gate, const ps_visit *visit, const ps_request *request,
       const ps_outcome *outcome, bool handed_out, uint64_t duration_us)
{
    char hashed[2 * PS_FINGERPRINT_ID_SIZE];
    ps_request_event event = {
        .label = gate->paths != NULL
                     ? ps_path_filter_word(gate->paths, visit->label)
                     : PS_SPAN("track"),
        .method = visit->method,
        .path = outcome->path.ptr != NULL ? outcome->path : visit->path,
        .path_is_altered = outcome->path_is_altered,
        .route = outcome->route,
        .status = outcome->status,
        .duration_us = duration_us,
        .user = visit->token != NULL ? visit->user : outcome->user,
        .reason = visit->reason,
        .agent = visit->agent,
        .extra_fields = gate->extra_fields,
        .fields = outcome->fields,
        .field_count = outcome->field_count,
    };
    if (visit->has_fingerprint && (handed_out || !visit->is_new)) {
        event.is_new = visit->is_new;
        event.fingerprint = (ps_span){visit->fingerprint.id_text,
                                      sizeof(visit->fingerprint.id_text)};
        if (gate->hash_ids) {
            ps_fingerprint_cookie_hash(gate->cookie, &visit->fingerprint,
                                       hashed);
            event.fingerprint.ptr = hashed;
        }
    }
    if (gate->extra_fields != 0) {
        event.address = client_address(gate, request);
    }
    ps_request_event_emit(gate->sink, &event, request);
}

size_t
ps_gate_finish(const ps_gate *gate, ps_visit *visit, const ps_request *request,
               const ps_outcome *outcome, char set_cookie[PS_SET_COOKIE_MAX])
{
    if (visit->finished) {
        return 0;
    }
    int64_t left_ns = 0;
    if (visit->entered_ns != 0) {
        left_ns =
            end_stage(stats_of(gate), PS_STAGE_APPLICATION, visit->entered_ns);
    }
    bool verified = visit->token != NULL || outcome->user.ptr != NULL;
    bool hand_out = outcome->hand_out &&
                    ps_gate_may_set_cookie(gate, visit, outcome->status,
                                           outcome->user.ptr != NULL);
    size_t length = 0;
    if (hand_out) {
        if (visit->is_new) {
            ps_stats_minted(stats_of(gate));
        } /* else it was read, and is signed anew already */
        /* a new one lives for all of max_age, however long the view took */
        int64_t now = visit->is_new ? visit->fingerprint.issued_at
                                    : ps_clock_wall_ms() / 1000;
        length =
            ps_fingerprint_cookie_header(gate->cookie, &visit->fingerprint,
                                         outcome->secure, now, set_cookie);
    }
    visit->duration_ns = ps_visit_elapsed_ns(visit);
    if (visit->row != PS_LABEL_SKIP && gate->sink != NULL) {
        uint64_t duration_us = (uint64_t)(visit->duration_ns / 1000);
        ps_stats_request(stats_of(gate), duration_us);
        if (gate->metrics && outcome->status != 0) {
            measure(gate, visit, outcome, duration_us);
        }
        if (is_recorded(visit, outcome->status, verified)) {
            record(gate, visit, request, outcome, hand_out, duration_us);
        }
    }
    if (left_ns != 0) {
        end_stage(stats_of(gate), PS_STAGE_EVENT, left_ns);
    }
    visit->finished = true;
    return length;
}

int64_t
ps_visit_elapsed_ns(const ps_visit *visit)
{
    return visit->finished ? visit->duration_ns
                           : ps_clock_steady_ns() - visit->started_ns;
}

void
ps_visit_fini(ps_visit *visit)
{
    ps_token_release(visit->token);
    visit->token = NULL;
    visit->user = PS_NO_SPAN;
    ps_free(visit->user_text);
    visit->user_text = NULL;
}
