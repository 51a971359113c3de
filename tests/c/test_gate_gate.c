/* SPDX-License-Identifier: MIT */
/* The request table at the level of the core; every cell through Python is
 * in tests/unit/test_gate.py. */
#include "tap.h"

#include "base/alloc.h"
#include "gate/gate.h"
#include "sink/memory.h"

static hr_span headers[HR_GATE_REQUEST_HEADER_COUNT];
static hr_span cookie_header;

static hr_span
fake_header(void *source, hr_gate_request_header_id which, size_t *count)
{
    (void)source;
    *count = headers[which].ptr != NULL;
    return headers[which];
}

static size_t
fake_cookies(void *source, const hr_span **found)
{
    (void)source;
    *found = &cookie_header;
    return cookie_header.ptr != NULL;
}

static size_t
no_forwarded(void *source, const hr_span **found)
{
    (void)source;
    *found = NULL;
    return 0;
}

static hr_span
fake_detail(void *source, hr_gate_request_detail which)
{
    (void)source;
    return which == HR_GATE_REQUEST_DETAIL_PEER ? HR_SPAN("192.0.2.1")
                                                : HR_SPAN("http");
}

static const hr_gate_request REQUEST = {
    .header = fake_header,
    .cookies = fake_cookies,
    .forwarded = no_forwarded,
    .detail = fake_detail,
};

typedef struct fixture {
    hr_path_filter *paths;
    hr_visitor_fingerprint_cookie *cookie;
    hr_sink *sink;
    hr_sink_target *target; /* the sink's */
    hr_gate_settings settings;
} fixture;

static int
must(hr_status status)
{
    if (status != HR_OK) {
        printf("Bail out! %s\n", hr_status_word(status));
        exit(2);
    }
    return 1;
}

static void
set_up(fixture *f)
{
    static const hr_path_filter_rule RULES[] = {
        {{"/static/", 8}, {"skip", 4}},
        {{"/api/", 5}, {"api", 3}},
    };
    static const hr_span KEYS[] = {{"a key", 5}};
    static const uint8_t ROWS[] = {HR_PATH_FILTER_SKIP, HR_PATH_FILTER_API,
                                   HR_PATH_FILTER_TRACK};
    hr_path_filter_error error;
    must(hr_path_filter_new(RULES, 2, HR_SPAN("track"), &f->paths, &error));
    hr_visitor_fingerprint_settings cookie = {
        .name = {"device_fp", 9},
        .keys = KEYS,
        .key_count = 1,
        .max_age = 3600,
        .path = {"/", 1},
        .samesite = {"Lax", 3},
    };
    const char *why;
    must(hr_visitor_fingerprint_cookie_new(&cookie, &f->cookie, &why));
    must(hr_sink_memory_new(&f->target));
    hr_sink_settings sink = {
        .target = f->target,
        .identity = {"memory:", 7},
        .ring_bytes = HR_RING_BYTES_MIN,
        .ring_dir = {"", 0},
        .batch = 16,
        .sample = 1.0,
        .reconnect_first_ns = 1,
        .reconnect_longest_ns = 1,
    };
    must(hr_sink_new(&sink, &f->sink, &why));
    f->settings = (hr_gate_settings){
        .paths = f->paths,
        .cookie = f->cookie,
        .sink = f->sink,
        .rows = ROWS,
        .row_count = 3,
        .mode = HR_GATE_MODE_COOKIE,
        .gpc = HR_GATE_MODE_DERIVED,
    };
}

static void
tear_down(fixture *f)
{
    hr_sink_close(f->sink, 0);
    hr_sink_release(f->sink);
    hr_visitor_fingerprint_cookie_free(f->cookie);
    hr_path_filter_free(f->paths);
}

static void
clear_request(void)
{
    memset(headers, 0, sizeof(headers));
    cookie_header = HR_NO_SPAN;
}

static size_t
recorded(fixture *f)
{
    hr_sink_flush(f->sink, INT64_MAX);
    return hr_sink_memory_count(f->target);
}

static hr_ring_event
last_event(fixture *f)
{
    return hr_sink_memory_at(f->target, recorded(f) - 1)->event;
}

/* Both steps; the length of the Set-Cookie. */
static size_t
respond_and_finish(const hr_gate *gate, hr_gate_visit *visit,
                   const hr_gate_response *response,
                   const hr_gate_outcome *outcome,
                   char set_cookie[HR_SET_COOKIE_MAX])
{
    static const hr_gate_outcome NOTHING = {.fields = NULL};
    size_t length = hr_gate_respond(gate, visit, response, set_cookie);
    hr_gate_finish(gate, visit, &REQUEST,
                   outcome != NULL ? outcome : &NOTHING);
    return length;
}

static void
test_new_visitor(fixture *f, hr_gate *gate)
{
    clear_request();
    headers[HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE] =
        guarded(HR_SPAN("navigate"));
    hr_gate_visit visit;
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), guarded(HR_SPAN("/page")),
                  HR_GATE_MODE_COOKIE, true, NULL, &visit);
    ok(visit.is_new && visit.has_fingerprint, "new: a candidate");
    ok(hr_gate_may_set_cookie(gate, &visit, 200, false), "new: at 200");
    ok(!hr_gate_may_set_cookie(gate, &visit, 304, false), "new: not at 304");
    ok(!hr_gate_may_set_cookie(gate, &visit, 200, true), "new: not a user");
    char set_cookie[HR_SET_COOKIE_MAX];
    hr_gate_response response = {
        .status = 200, .hand_out = true, .secure = true};
    size_t before = recorded(f);
    size_t length =
        respond_and_finish(gate, &visit, &response, NULL, set_cookie);
    hr_span text = {set_cookie, length};
    ok(hr_span_starts_with(text, HR_SPAN("device_fp=")), "new: Set-Cookie");
    ok(recorded(f) == before + 1, "new: one event");
    hr_ring_event event = last_event(f);
    ok(hr_span_equal(hr_ring_event_find(&event, HR_SPAN("new")), HR_SPAN("1")),
       "new: the event says so");
    ok((event.flags & HR_RING_EVENT_SESSION) != 0,
       "new: the session is touched");
    ok(respond_and_finish(gate, &visit, &response, NULL, set_cookie) == 0 &&
           recorded(f) == before + 1,
       "new: a second finish does nothing");
    hr_gate_visit_fini(&visit);

    cookie_header = guarded((hr_span){set_cookie, strcspn(set_cookie, ";")});
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/page"),
                  HR_GATE_MODE_COOKIE, true, NULL, &visit);
    ok(visit.has_fingerprint && !visit.is_new, "returning: known");
    ok(!hr_gate_may_set_cookie(gate, &visit, 200, false),
       "returning: no second cookie");
    hr_gate_visit_fini(&visit);
}

/* The fixed fields in their order, the extra ones, then those of the view;
 * empty ones are left out, and `altered` lists from all three. */
static void
test_fields(fixture *f)
{
    static const char WANT[] =
        "label=track\nmethod=GET\npath=/p\nstatus=404\nduration_us=*\n"
        "user=7\nagent=bot\nscheme=http\nhost=*\nip=192.0.2.1\n"
        "plan=pro\nlong=*\naltered=path,host,long\n";
    static char text[HR_FIELD_VALUE_MAX + 1];
    hr_gate *gate;
    const char *why;
    hr_gate_settings settings = f->settings;
    settings.extra_fields =
        1U << HR_GATE_EVENT_EXTRA_SCHEME | 1U << HR_GATE_EVENT_EXTRA_HOST |
        1U << HR_GATE_EVENT_EXTRA_REFERRER | 1U << HR_GATE_EVENT_EXTRA_IP;
    must(hr_gate_new(&settings, &gate, &why));
    memset(text, 'x', sizeof(text));
    clear_request();
    headers[HR_GATE_REQUEST_HEADER_USER_AGENT] = HR_SPAN("Googlebot/2.1");
    headers[HR_GATE_REQUEST_HEADER_HOST] =
        guarded((hr_span){text, sizeof(text)});
    hr_ring_event_body fields;
    hr_ring_event_body_init(&fields);
    hr_ring_event_body_add(&fields, HR_SPAN("plan"), HR_SPAN("pro"));
    hr_ring_event_body_add(&fields, HR_SPAN("long"),
                           (hr_span){text, sizeof(text)});
    hr_gate_visit visit;
    char cookie[HR_SET_COOKIE_MAX];
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/page"),
                  HR_GATE_MODE_OFF, false, NULL, &visit);
    hr_gate_response response = {.status = 404, .has_user = true};
    hr_gate_outcome outcome = {.user = HR_SPAN("7"),
                               .route = HR_SPAN(""),
                               .path = HR_SPAN("/p"),
                               .path_is_altered = true,
                               .fields = &fields};
    respond_and_finish(gate, &visit, &response, &outcome, cookie);
    hr_gate_visit_fini(&visit);
    hr_ring_event event = last_event(f);
    hr_ring_event_field field;
    char found[512];
    size_t at = 0;
    while (hr_ring_event_next_field(&event.body, &field)) {
        bool starred = field.value.len > 100 ||
                       hr_span_equal(field.name, HR_SPAN("duration_us"));
        hr_span value = starred ? HR_SPAN("*") : field.value;
        at += (size_t)snprintf(found + at, sizeof(found) - at, "%.*s=%.*s\n",
                               (int)field.name.len, field.name.ptr,
                               (int)value.len, value.ptr);
    }
    ok(hr_span_equal((hr_span){found, at}, HR_SPAN(WANT)), "fields: %s",
       strcmp(found, WANT) == 0 ? "all in order" : found);
    hr_gate_free(gate);
    static const char *const NAMES[] = {"label", "path",   "new",
                                        "agent", "scheme", "request_id"};
    int known = 1;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        known &=
            hr_gate_event_has_field((hr_span){NAMES[i], strlen(NAMES[i])});
    }
    ok(known, "fields: the fixed and the extra ones are known");
    ok(!hr_gate_event_has_field(HR_SPAN("plan")) &&
           !hr_gate_event_has_field(HR_SPAN("pat")),
       "fields: others are not");
}

static void
test_candidate_that_is_not_handed_out(fixture *f, hr_gate *gate)
{
    clear_request();
    headers[HR_GATE_REQUEST_HEADER_ACCEPT] = HR_SPAN("text/html");
    hr_gate_visit visit;
    char set_cookie[HR_SET_COOKIE_MAX];
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/page"),
                  HR_GATE_MODE_COOKIE, false, NULL, &visit);
    hr_gate_response response = {.status = 200, .hand_out = false};
    size_t length =
        respond_and_finish(gate, &visit, &response, NULL, set_cookie);
    hr_ring_event event = last_event(f);
    ok(length == 0, "not handed out: no Set-Cookie");
    ok(hr_ring_event_find(&event, HR_SPAN("fingerprint")).ptr == NULL,
       "not handed out: no fingerprint in the event");
    ok((event.flags & HR_RING_EVENT_SESSION) == 0,
       "not handed out: no session");
    hr_gate_visit_fini(&visit);
}

/* A response may be corrected until its first byte leaves; the body may end
 * in another way than it began. */
static void
test_two_steps(fixture *f, hr_gate *gate)
{
    static const hr_gate_outcome NOTHING = {.fields = NULL};
    clear_request();
    headers[HR_GATE_REQUEST_HEADER_ACCEPT] = HR_SPAN("text/html");
    hr_gate_visit visit;
    char set_cookie[HR_SET_COOKIE_MAX];
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/page"),
                  HR_GATE_MODE_COOKIE, false, NULL, &visit);
    size_t before = recorded(f);
    hr_gate_response response = {.status = 500};
    ok(hr_gate_respond(gate, &visit, &response, set_cookie) == 0,
       "two steps: no cookie on an error");
    response = (hr_gate_response){.status = 200, .hand_out = true};
    ok(hr_gate_respond(gate, &visit, &response, set_cookie) != 0 &&
           hr_gate_respond(gate, &visit, &response, set_cookie) != 0,
       "two steps: a corrected response has one, as often as asked for");
    int64_t took = hr_gate_visit_elapsed_ns(&visit);
    ok(took > 0 && hr_gate_visit_elapsed_ns(&visit) == took,
       "two steps: the time ends with the response");
    ok(recorded(f) == before, "two steps: nothing is recorded yet");
    uint64_t minted = hr_ring_counters_read(&hr_sink_stats(f->sink)->minted);
    hr_gate_finish(gate, &visit, &REQUEST, &NOTHING);
    hr_ring_event event = last_event(f);
    ok(recorded(f) == before + 1 &&
           hr_ring_event_find(&event, HR_SPAN("fingerprint")).len != 0,
       "two steps: one event, with the id that was handed out");
    ok(hr_ring_counters_read(&hr_sink_stats(f->sink)->minted) == minted + 1,
       "two steps: one was minted");
    ok(hr_gate_respond(gate, &visit, &response, set_cookie) == 0,
       "two steps: nothing after finish");
    hr_gate_visit_fini(&visit);
}

static void
test_skip(fixture *f, hr_gate *gate)
{
    clear_request();
    hr_gate_visit visit;
    char set_cookie[HR_SET_COOKIE_MAX];
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/static/x"),
                  HR_GATE_MODE_COOKIE, false, NULL, &visit);
    size_t before = recorded(f);
    hr_gate_response response = {.status = 200, .hand_out = true};
    ok(respond_and_finish(gate, &visit, &response, NULL, set_cookie) == 0 &&
           recorded(f) == before,
       "skip: nothing");
    hr_gate_visit_fini(&visit);
}

static void
test_gpc(hr_gate *gate)
{
    clear_request();
    headers[HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE] = HR_SPAN("navigate");
    headers[HR_GATE_REQUEST_HEADER_SEC_GPC] = HR_SPAN(" 1 ");
    hr_gate_visit visit;
    hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"), HR_SPAN("/page"),
                  HR_GATE_MODE_COOKIE, false, NULL, &visit);
    ok(!visit.has_fingerprint, "GPC: no cookie, and no folder for a salt");
    hr_gate_visit_fini(&visit);
}

static uint64_t
stage_count(fixture *f, hr_ring_counters_stage stage)
{
    return hr_ring_counters_read(&hr_sink_stats(f->sink)->stage[stage].count);
}

static void
test_stages(fixture *f, hr_gate *gate)
{
    uint64_t before[HR_RING_COUNTERS_STAGE_COUNT];
    clear_request();
    for (int i = 0; i < HR_RING_COUNTERS_STAGE_COUNT; i++) {
        before[i] = stage_count(f, (hr_ring_counters_stage)i);
    }
    for (int n = 0; n < 4 * HR_RING_COUNTERS_STAGE_EVERY; n++) {
        /* a period that has no divisor in common with
         * HR_RING_COUNTERS_STAGE_EVERY */
        bool skipped = n % 3 == 0;
        hr_gate_visit visit;
        hr_gate_response response = {.status = 200};
        char cookie[HR_SET_COOKIE_MAX];
        hr_gate_enter(gate, &REQUEST, HR_SPAN("GET"),
                      skipped ? HR_SPAN("/static/x") : HR_SPAN("/page"),
                      HR_GATE_MODE_COOKIE, false, NULL, &visit);
        respond_and_finish(gate, &visit, &response, NULL, cookie);
        hr_gate_visit_fini(&visit);
    }
    uint64_t seen[HR_RING_COUNTERS_STAGE_COUNT];
    for (int i = 0; i < HR_RING_COUNTERS_STAGE_COUNT; i++) {
        seen[i] = stage_count(f, (hr_ring_counters_stage)i) - before[i];
    }
    ok(seen[HR_RING_COUNTERS_STAGE_LABEL] == 4,
       "stages: one request in %d is measured", HR_RING_COUNTERS_STAGE_EVERY);
    ok(seen[HR_RING_COUNTERS_STAGE_TOKEN] == 0,
       "stages: none that this gate has not");
    ok(seen[HR_RING_COUNTERS_STAGE_FINGERPRINT] >= 2 &&
           seen[HR_RING_COUNTERS_STAGE_FINGERPRINT] <= 3 &&
           seen[HR_RING_COUNTERS_STAGE_APPLICATION] ==
               seen[HR_RING_COUNTERS_STAGE_FINGERPRINT] &&
           seen[HR_RING_COUNTERS_STAGE_EVENT] ==
               seen[HR_RING_COUNTERS_STAGE_FINGERPRINT],
       "stages: a skipped request has but the first");
}

static void
test_no_memory(fixture *f)
{
    static const hr_span CLAIMS[] = {{"user_id", 7}, {"sub", 3}};
    static const hr_gate_token_source SOURCES[] = {
        {false, {"Bearer", 6}, false},
        {true, {"access", 6}, true},
    };
    hr_gate_settings settings = f->settings;
    settings.user_claims = CLAIMS;
    settings.user_claim_count = 2;
    settings.sources = SOURCES;
    settings.source_count = 2;
    settings.salt_folder = "/nowhere";
    hr_status status = HR_NO_MEMORY;
    size_t n = 0;
    while (status == HR_NO_MEMORY && n < 100) {
        hr_gate *gate = NULL;
        const char *why;
        hr_alloc_fail_at(++n, 0);
        status = hr_gate_new(&settings, &gate, &why);
        hr_alloc_fail_at(0, 0);
        if (status == HR_OK) {
            hr_gate_free(gate);
        }
    }
    ok(status == HR_OK && n > 5, "memory: each of %zu allocations may fail",
       n - 1);
}

static void
test_ranges(const fixture *f)
{
    static const hr_span CLAIMS[HR_USER_CLAIMS_MAX + 1] = {{"a", 1}};
    hr_gate *gate;
    const char *why;
    hr_gate_settings settings = f->settings;
    settings.trusted_proxies = HR_PROXIES_MAX + 1;
    ok(hr_gate_new(&settings, &gate, &why) == HR_SETTING &&
           strncmp(why, "trusted_proxies: ", 17) == 0,
       "ranges: trusted_proxies");
    settings = f->settings;
    settings.source_count = HR_TOKEN_SOURCES_MAX + 1;
    ok(hr_gate_new(&settings, &gate, &why) == HR_SETTING &&
           strncmp(why, "token_from: ", 12) == 0,
       "ranges: token_from");
    settings = f->settings;
    settings.user_claims = CLAIMS;
    settings.user_claim_count = 2;
    ok(hr_gate_new(&settings, &gate, &why) == HR_SETTING &&
           strncmp(why, "user_claims: ", 13) == 0,
       "ranges: user_claims");
}

int
main(void)
{
    fixture f;
    hr_gate *gate;
    set_up(&f);
    const char *why;
    must(hr_gate_new(&f.settings, &gate, &why));
    test_new_visitor(&f, gate);
    test_candidate_that_is_not_handed_out(&f, gate);
    test_fields(&f);
    test_two_steps(&f, gate);
    test_skip(&f, gate);
    test_gpc(gate);
    test_stages(&f, gate);
    hr_gate_free(gate);
    test_ranges(&f);
    test_no_memory(&f);
    tear_down(&f);
    return done_testing();
}
