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
 * candidate of `enter` becomes a fingerprint only when `respond` hands it
 * out: until then nobody has it, so no event and no session may carry it. */
#include "gate/gate.h"

#include "base/alloc.h"
#include "visitor/client_address.h"
#include "base/clock.h"
#include "visitor/derived.h"
#include "ring/counters.h"

struct hr_gate {
    hr_token_verifier *verifier; /* borrowed, as all four parts */
    hr_path_filter *paths;
    hr_visitor_fingerprint_cookie *cookie;
    hr_sink *sink;
    hr_visitor_derived *derived; /* owned; NULL: no derived ids */
    hr_gate_token_source *sources;
    size_t source_count;
    hr_span *user_claims;
    size_t user_claim_count;
    uint8_t rows[HR_LABELS_MAX];
    uint32_t extra_fields;
    bool hash_ids;
    hr_gate_mode mode;
    hr_gate_mode gpc;
    unsigned trusted_proxies;
    bool metrics;
};

/* --- making and freeing ------------------------------------------------ */

/* A copy of the span's bytes, owned; absent when there is no memory. */
static hr_span
copy_span(hr_span text)
{
    return (hr_span){hr_alloc_copy(text), text.len};
}

static void
free_span(hr_span text)
{
    hr_alloc_free((void *)(uintptr_t)text.ptr);
}

static hr_status
copy_sources(hr_gate *gate, const hr_gate_settings *settings)
{
    gate->sources =
        hr_alloc_zeroed(settings->source_count, sizeof(*gate->sources));
    gate->user_claims = hr_alloc_zeroed(settings->user_claim_count,
                                        sizeof(*gate->user_claims));
    if (gate->sources == NULL || gate->user_claims == NULL) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < settings->source_count; i++) {
        gate->sources[i] = settings->sources[i];
        gate->sources[i].name = copy_span(settings->sources[i].name);
        gate->source_count = i + 1;
        if (gate->sources[i].name.ptr == NULL) {
            return HR_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < settings->user_claim_count; i++) {
        gate->user_claims[i] = copy_span(settings->user_claims[i]);
        gate->user_claim_count = i + 1;
        if (gate->user_claims[i].ptr == NULL) {
            return HR_NO_MEMORY;
        }
    }
    return HR_OK;
}

/* What is out of its range, or NULL. */
static const char *
find_fault(const hr_gate_settings *settings)
{
    for (size_t i = 0; i < settings->user_claim_count; i++) {
        if (settings->user_claims[i].len == 0) {
            return "user_claims: an empty name";
        }
    }
    return settings->user_claim_count > HR_USER_CLAIMS_MAX
               ? "user_claims: at most 16 names"
           : settings->source_count > HR_TOKEN_SOURCES_MAX
               ? "token_from: at most 8 sources"
           : settings->trusted_proxies > HR_PROXIES_MAX
               ? "trusted_proxies: from 0 to 100"
               : NULL;
}

hr_status
hr_gate_new(const hr_gate_settings *settings, hr_gate **result,
            const char **why)
{
    *why = find_fault(settings);
    if (*why != NULL) {
        return HR_SETTING;
    }
    hr_gate *gate = hr_alloc_zeroed(1, sizeof(*gate));
    if (gate == NULL) {
        return HR_NO_MEMORY;
    }
    gate->verifier = settings->verifier;
    gate->paths = settings->paths;
    gate->cookie = settings->cookie;
    gate->sink = settings->sink;
    gate->extra_fields = settings->extra_fields;
    gate->hash_ids = settings->hash_ids;
    gate->mode = settings->mode;
    gate->gpc = settings->gpc;
    gate->trusted_proxies = (unsigned)settings->trusted_proxies;
    gate->metrics = settings->metrics;
    for (size_t i = 0; i < HR_LABELS_MAX; i++) {
        gate->rows[i] =
            i < settings->row_count ? settings->rows[i] : HR_PATH_FILTER_TRACK;
    }
    hr_status status = copy_sources(gate, settings);
    if (status == HR_OK && settings->salt_folder != NULL) {
        status = hr_visitor_derived_new(settings->salt_folder, &gate->derived);
    }
    if (status != HR_OK) {
        hr_gate_free(gate);
        return status;
    }
    *result = gate;
    return HR_OK;
}

void
hr_gate_free(hr_gate *gate)
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
    hr_alloc_free(gate->sources);
    hr_alloc_free(gate->user_claims);
    hr_visitor_derived_free(gate->derived);
    hr_alloc_free(gate);
}

hr_span
hr_gate_mode_word(hr_gate_mode mode)
{
    static const hr_span WORDS[] = {
        [HR_GATE_MODE_OFF] = {"off", 3},
        [HR_GATE_MODE_DERIVED] = {"derived", 7},
        [HR_GATE_MODE_COOKIE] = {"cookie", 6},
    };
    return WORDS[mode];
}

/* --- enter ------------------------------------------------------------- */

static hr_ring_counters *
stats_of(const hr_gate *gate)
{
    return gate->sink != NULL ? hr_sink_stats(gate->sink) : NULL;
}

/* "Bearer <token>": OK with the token's text, ABSENT for another scheme or
 * no header, MALFORMED for a scheme without a token or two headers. */
static hr_status
bearer_text(const hr_gate_request *request, const hr_gate_token_source *source,
            hr_span *text)
{
    size_t count;
    hr_span value = request->header(
        request->source, HR_GATE_REQUEST_HEADER_AUTHORIZATION, &count);
    value = hr_span_trim(value);
    if (value.len < source->name.len) {
        return HR_ABSENT;
    }
    hr_span scheme = {value.ptr, source->name.len};
    hr_span rest = hr_span_from(value, scheme.len);
    bool named = source->exact ? hr_span_equal(scheme, source->name)
                               : hr_span_equal_nocase(scheme, source->name);
    if (!named || (rest.len != 0 && *rest.ptr != ' ' && *rest.ptr != '\t')) {
        return HR_ABSENT;
    }
    *text = hr_span_trim(rest);
    /* two credentials are none: which one would the view believe? */
    return text->len != 0 && count == 1 ? HR_OK : HR_MALFORMED;
}

static hr_status
token_text(const hr_gate_request *request, const hr_gate_token_source *source,
           hr_span *text)
{
    if (!source->cookie) {
        return bearer_text(request, source, text);
    }
    const hr_span *headers;
    size_t count = request->cookies(request->source, &headers);
    hr_status status = hr_visitor_cookie_only(headers, count, source->name,
                                              request->cookie_text, text);
    return status == HR_OK && text->len == 0 ? HR_ABSENT : status;
}

/* The first source that is present counts, also when its token is bad. */
static void
find_token(const hr_gate *gate, const hr_gate_request *request,
           const hr_token_verifier_slow_section *slow, hr_gate_visit *visit)
{
    visit->reason = HR_ABSENT;
    for (size_t i = 0; i < gate->source_count; i++) {
        hr_span text;
        hr_status status = token_text(request, &gate->sources[i], &text);
        if (status == HR_ABSENT) {
            continue;
        }
        if (status == HR_OK) {
            status = hr_token_verifier_verify(gate->verifier, text,
                                              HR_TOKEN_VERIFIER_BY_CLOCK, slow,
                                              &visit->token);
        }
        visit->reason = status;
        visit->source = (int)i;
        hr_ring_counters_token(stats_of(gate), status);
        return;
    }
}

static void
find_user(const hr_gate *gate, hr_gate_visit *visit)
{
    char text[HR_GATE_USER_MAX];
    for (size_t i = 0; i < gate->user_claim_count; i++) {
        hr_span user;
        if (hr_token_claim_text(visit->token, gate->user_claims[i], text,
                                sizeof(text), &user) != HR_OK) {
            continue;
        }
        if (user.ptr == text) { /* it had escapes: not in the token as such */
            visit->user_text = hr_alloc_copy(user);
            user.ptr = visit->user_text;
        }
        visit->user = user;
        return;
    }
}

static hr_visitor_agent
find_agent(const hr_gate_request *request)
{
    if (hr_visitor_agent_is_prefetch(hr_gate_request_header(
            request, HR_GATE_REQUEST_HEADER_SEC_PURPOSE)) ||
        hr_visitor_agent_is_prefetch(
            hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_PURPOSE)) ||
        hr_visitor_agent_is_prefetch(
            hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_X_MOZ))) {
        return HR_VISITOR_AGENT_PREFETCH;
    }
    return hr_visitor_agent_is_bot(hr_gate_request_header(
               request, HR_GATE_REQUEST_HEADER_USER_AGENT))
               ? HR_VISITOR_AGENT_BOT
               : HR_VISITOR_AGENT_BROWSER;
}

/* Somebody goes to a page, rather than a script or an image fetching. */
static bool
is_navigation(const hr_gate_request *request, hr_span method)
{
    if (!hr_span_equal(method, HR_SPAN("GET"))) {
        return false;
    }
    hr_span mode =
        hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE);
    if (mode.ptr != NULL) {
        return hr_span_equal(hr_span_trim(mode), HR_SPAN("navigate"));
    }
    return hr_span_contains_nocase(
        hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_ACCEPT),
        HR_SPAN("text/html"));
}

static hr_span
client_address(const hr_gate *gate, const hr_gate_request *request)
{
    const hr_span *headers = NULL;
    size_t count = 0;
    if (gate->trusted_proxies != 0) {
        count = request->forwarded(request->source, &headers);
    }
    return hr_visitor_client_address(
        request->detail(request->source, HR_GATE_REQUEST_DETAIL_PEER), headers,
        count, gate->trusted_proxies);
}

static void
read_cookie(const hr_gate *gate, const hr_gate_request *request, bool secure,
            hr_gate_visit *visit)
{
    int64_t now = hr_clock_wall_ms() / 1000;
    const hr_span *headers;
    size_t count = request->cookies(request->source, &headers);
    hr_visitor_fingerprint_counts counts = {0};
    hr_status status = hr_visitor_fingerprint_cookie_read(
        gate->cookie, headers, count, request->cookie_text, now,
        &visit->fingerprint, &counts);
    hr_ring_counters *stats = stats_of(gate);
    hr_ring_counters_cookie(stats, HR_OK, status == HR_OK);
    hr_ring_counters_cookie(stats, HR_MALFORMED, counts.malformed);
    hr_ring_counters_cookie(stats, HR_SIGNATURE, counts.signature);
    hr_ring_counters_cookie(stats, HR_EXPIRED, counts.expired);
    hr_ring_counters_cookie(stats, HR_KEY_ID, counts.key_id);
    if (status == HR_OK) {
        visit->has_fingerprint = true;
        return;
    }
    if (visit->row == HR_PATH_FILTER_TRACK && visit->token == NULL &&
        visit->agent == HR_VISITOR_AGENT_BROWSER &&
        is_navigation(request, visit->method) &&
        (secure ||
         hr_visitor_fingerprint_cookie_works_insecure(gate->cookie)) &&
        hr_visitor_fingerprint_cookie_mint(gate->cookie, now,
                                           &visit->fingerprint) == HR_OK) {
        visit->has_fingerprint = true;
        visit->is_new = true;
    }
}

static void
find_fingerprint(const hr_gate *gate, const hr_gate_request *request,
                 hr_gate_mode mode, bool secure, hr_gate_visit *visit)
{
    if (gate->cookie == NULL || mode == HR_GATE_MODE_OFF) {
        return;
    }
    if (mode > gate->gpc &&
        hr_span_equal(hr_span_trim(hr_gate_request_header(
                          request, HR_GATE_REQUEST_HEADER_SEC_GPC)),
                      HR_SPAN("1"))) {
        mode = gate->gpc;
    }
    if (mode == HR_GATE_MODE_COOKIE) {
        read_cookie(gate, request, secure, visit);
    } else if (mode == HR_GATE_MODE_DERIVED && gate->derived != NULL) {
        hr_visitor_derived_client client = {
            .address = client_address(gate, request),
            .user_agent = hr_gate_request_header(
                request, HR_GATE_REQUEST_HEADER_USER_AGENT),
            .accept =
                hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_ACCEPT),
            .accept_language = hr_gate_request_header(
                request, HR_GATE_REQUEST_HEADER_ACCEPT_LANGUAGE),
            .accept_encoding = hr_gate_request_header(
                request, HR_GATE_REQUEST_HEADER_ACCEPT_ENCODING),
        };
        visit->has_fingerprint =
            hr_visitor_derived_fingerprint(gate->derived, &client,
                                           hr_clock_wall_ms() / 1000,
                                           &visit->fingerprint) == HR_OK;
        visit->is_derived = visit->has_fingerprint;
    }
}

/* One stage ends, the next begins. */
static int64_t
end_stage(hr_ring_counters *stats, hr_ring_counters_stage stage,
          int64_t began_ns)
{
    int64_t now = hr_clock_steady_ns();
    hr_ring_counters_stage_add(stats, stage, now - began_ns);
    return now;
}

/* The cache's counters lie in the process: readers of the ring are told now
 * and then, at first often. */
static void
tell_cache(const hr_gate *gate, hr_ring_counters *stats)
{
    uint64_t turn = hr_ring_counters_read(&stats->turn) - 1;
    if (gate->verifier != NULL &&
        (turn % 256 == 0 || (turn & (turn - 1)) == 0)) {
        hr_token_cache_info info =
            hr_token_verifier_cache_counts(gate->verifier);
        atomic_store_explicit(&stats->cache_hits, info.hits,
                              memory_order_relaxed);
        atomic_store_explicit(&stats->cache_misses, info.misses,
                              memory_order_relaxed);
    }
}

void
hr_gate_enter(const hr_gate *gate, const hr_gate_request *request,
              hr_span method, hr_span path, hr_gate_mode mode, bool secure,
              const hr_token_verifier_slow_section *slow, hr_gate_visit *visit)
{
    hr_ring_counters *stats = stats_of(gate);
    bool measured = stats != NULL && hr_ring_counters_measures(stats);
    visit->started_ns = hr_clock_steady_ns();
    visit->entered_ns = 0;
    visit->token = NULL;
    visit->reason = HR_ABSENT;
    visit->source = -1;
    visit->has_fingerprint = false;
    visit->is_new = false;
    visit->is_derived = false;
    visit->agent = HR_VISITOR_AGENT_BROWSER;
    visit->method = method;
    visit->path = path;
    visit->user = HR_NO_SPAN;
    visit->user_text = NULL;
    visit->status = 0;
    visit->responded = false;
    visit->handed_out = false;
    visit->finished = false;
    visit->discarded = false;
    visit->label = gate->paths != NULL
                       ? hr_path_filter_label(gate->paths, path)
                       : HR_PATH_FILTER_TRACK;
    visit->row = gate->rows[visit->label];
    int64_t began_ns =
        measured
            ? end_stage(stats, HR_RING_COUNTERS_STAGE_LABEL, visit->started_ns)
            : 0;
    if (visit->row == HR_PATH_FILTER_SKIP) {
        return;
    }
    if (gate->verifier != NULL) {
        find_token(gate, request, slow, visit);
        if (visit->token != NULL) {
            find_user(gate, visit);
        }
        if (measured) {
            began_ns =
                end_stage(stats, HR_RING_COUNTERS_STAGE_TOKEN, began_ns);
        }
    }
    visit->agent = find_agent(request);
    find_fingerprint(gate, request, mode, secure, visit);
    if (measured) {
        tell_cache(gate, stats);
        visit->entered_ns =
            end_stage(stats, HR_RING_COUNTERS_STAGE_FINGERPRINT, began_ns);
    }
}

/* --- finish ------------------------------------------------------------ */

bool
hr_gate_may_set_cookie(const hr_gate *gate, const hr_gate_visit *visit,
                       int status, bool has_user)
{
    if (visit->finished || gate->cookie == NULL || !visit->has_fingerprint ||
        visit->is_derived || visit->row != HR_PATH_FILTER_TRACK ||
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
measure(const hr_gate *gate, const hr_gate_visit *visit,
        const hr_gate_outcome *outcome, uint64_t duration_us)
{
    hr_ring_metrics *metrics = hr_sink_metrics(gate->sink);
    if (metrics != NULL) {
        hr_ring_metrics_name name = {
            .kind = HR_RING_METRICS_KIND_REQUEST,
            .method = hr_ring_metrics_method_of(visit->method),
            .outcome = hr_ring_metrics_class_of(visit->status),
            .text = outcome->route,
        };
        hr_ring_metrics_count(metrics, &name, duration_us);
    }
}

static bool
is_recorded(const hr_gate_visit *visit, bool verified)
{
    if (visit->discarded) {
        return false;
    }
    switch (visit->row) {
    case HR_PATH_FILTER_API:
        return verified;
    case HR_PATH_FILTER_TRACK:
        return verified || (visit->status == 200 &&
                            hr_span_equal(visit->method, HR_SPAN("GET")));
    default:
        return false;
    }
}

static void
record(const hr_gate *gate, const hr_gate_visit *visit,
       const hr_gate_request *request, const hr_gate_outcome *outcome,
       uint64_t duration_us)
{
    char hashed[2 * HR_VISITOR_FINGERPRINT_ID_SIZE];
    hr_gate_event event = {
        .label = gate->paths != NULL
                     ? hr_path_filter_word(gate->paths, visit->label)
                     : HR_SPAN("track"),
        .method = visit->method,
        .path = outcome->path.ptr != NULL ? outcome->path : visit->path,
        .path_is_altered = outcome->path_is_altered,
        .route = outcome->route,
        .status = visit->status > 0 ? (unsigned)visit->status : 0,
        .duration_us = duration_us,
        .user = visit->token != NULL ? visit->user : outcome->user,
        .reason = visit->reason,
        .agent = visit->agent,
        .extra_fields = gate->extra_fields,
        .fields = outcome->fields,
    };
    if (visit->has_fingerprint && (visit->handed_out || !visit->is_new)) {
        event.is_new = visit->is_new;
        event.fingerprint = (hr_span){visit->fingerprint.id_text,
                                      sizeof(visit->fingerprint.id_text)};
        if (gate->hash_ids) {
            hr_visitor_fingerprint_cookie_hash(gate->cookie,
                                               &visit->fingerprint, hashed);
            event.fingerprint.ptr = hashed;
        }
    }
    if (gate->extra_fields != 0) {
        event.address = client_address(gate, request);
    }
    hr_gate_event_emit(gate->sink, &event, request);
}

size_t
hr_gate_respond(const hr_gate *gate, hr_gate_visit *visit,
                const hr_gate_response *response,
                char set_cookie[HR_SET_COOKIE_MAX])
{
    if (visit->finished) {
        return 0;
    }
    if (visit->entered_ns != 0 && !visit->responded) {
        end_stage(stats_of(gate), HR_RING_COUNTERS_STAGE_APPLICATION,
                  visit->entered_ns);
    }
    visit->status = response->status;
    visit->handed_out = response->hand_out &&
                        hr_gate_may_set_cookie(gate, visit, response->status,
                                               response->has_user);
    size_t length = 0;
    if (visit->handed_out) {
        /* a new one lives for all of max_age, however long the view took */
        int64_t now = visit->is_new ? visit->fingerprint.issued_at
                                    : hr_clock_wall_ms() / 1000;
        length = hr_visitor_fingerprint_cookie_header(
            gate->cookie, &visit->fingerprint, response->secure, now,
            set_cookie);
    }
    visit->duration_ns = hr_clock_steady_ns() - visit->started_ns;
    visit->responded = true;
    return length;
}

void
hr_gate_finish(const hr_gate *gate, hr_gate_visit *visit,
               const hr_gate_request *request, const hr_gate_outcome *outcome)
{
    if (visit->finished) {
        return;
    }
    int64_t began_ns = visit->entered_ns != 0 ? hr_clock_steady_ns() : 0;
    if (!visit->responded) {
        visit->duration_ns = hr_clock_steady_ns() - visit->started_ns;
    }
    if (visit->handed_out && visit->is_new) {
        hr_ring_counters_minted(stats_of(gate));
    } /* else it was read, and is signed anew already */
    bool verified = visit->token != NULL || outcome->user.ptr != NULL;
    if (visit->row != HR_PATH_FILTER_SKIP && gate->sink != NULL) {
        uint64_t duration_us = (uint64_t)(visit->duration_ns / 1000);
        hr_ring_counters_request(stats_of(gate), duration_us);
        if (gate->metrics && visit->status != 0) {
            measure(gate, visit, outcome, duration_us);
        }
        if (is_recorded(visit, verified)) {
            record(gate, visit, request, outcome, duration_us);
        }
    }
    if (began_ns != 0) {
        end_stage(stats_of(gate), HR_RING_COUNTERS_STAGE_EVENT, began_ns);
    }
    visit->finished = true;
}

int64_t
hr_gate_visit_elapsed_ns(const hr_gate_visit *visit)
{
    return visit->responded || visit->finished
               ? visit->duration_ns
               : hr_clock_steady_ns() - visit->started_ns;
}

void
hr_gate_visit_fini(hr_gate_visit *visit)
{
    hr_token_release(visit->token);
    visit->token = NULL;
    visit->user = HR_NO_SPAN;
    hr_alloc_free(visit->user_text);
    visit->user_text = NULL;
}
