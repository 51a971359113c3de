/* SPDX-License-Identifier: MIT */
/* The request table at the level of the core; every cell through Python is
 * in tests/unit/test_gate.py. */
#include "tap.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/gate.h"
#include "../../ext/core/target_memory.h"

static ps_span headers[PS_HEADER_COUNT];
static ps_span cookie_header;

static ps_span
fake_header(void *source, ps_header which, size_t *count)
{
    (void)source;
    *count = headers[which].ptr != NULL;
    return headers[which];
}

static size_t
fake_cookies(void *source, const ps_span **found)
{
    (void)source;
    *found = &cookie_header;
    return cookie_header.ptr != NULL;
}

static size_t
no_forwarded(void *source, const ps_span **found)
{
    (void)source;
    *found = NULL;
    return 0;
}

static ps_span
fake_detail(void *source, ps_detail which)
{
    (void)source;
    return which == PS_DETAIL_PEER ? PS_SPAN("192.0.2.1") : PS_SPAN("http");
}

static const ps_request REQUEST = {
    .header = fake_header,
    .cookies = fake_cookies,
    .forwarded = no_forwarded,
    .detail = fake_detail,
};

typedef struct fixture {
    ps_path_filter *paths;
    ps_fingerprint_cookie *cookie;
    ps_sink *sink;
    ps_gate_settings settings;
} fixture;

static int
must(ps_status status)
{
    if (status != PS_OK) {
        printf("Bail out! %s\n", ps_status_word(status));
        exit(2);
    }
    return 1;
}

static void
set_up(fixture *f)
{
    static const ps_path_rule RULES[] = {
        {{"/static/", 8}, {"skip", 4}},
        {{"/api/", 5}, {"api", 3}},
    };
    static const ps_span KEYS[] = {{"a key", 5}};
    static const uint8_t ROWS[] = {PS_LABEL_SKIP, PS_LABEL_API,
                                   PS_LABEL_TRACK};
    ps_path_error error;
    must(ps_path_filter_new(RULES, 2, PS_SPAN("track"), &f->paths, &error));
    ps_fingerprint_settings cookie = {
        .name = {"device_fp", 9},
        .keys = KEYS,
        .key_count = 1,
        .max_age = 3600,
        .path = {"/", 1},
        .samesite = {"Lax", 3},
    };
    const char *why;
    must(ps_fingerprint_cookie_new(&cookie, &f->cookie, &why));
    ps_target *target;
    must(ps_target_memory_new(&target));
    ps_sink_settings sink = {
        .target = target,
        .identity = {"memory:", 7},
        .ring_bytes = PS_RING_BYTES_MIN,
        .ring_dir = {"", 0},
        .batch = 16,
        .sample = 1.0,
        .reconnect_first_ns = 1,
        .reconnect_longest_ns = 1,
    };
    must(ps_sink_new(&sink, &f->sink, &why));
    f->settings = (ps_gate_settings){
        .paths = f->paths,
        .cookie = f->cookie,
        .sink = f->sink,
        .rows = ROWS,
        .row_count = 3,
        .mode = PS_MODE_COOKIE,
        .gpc = PS_MODE_DERIVED,
    };
}

static void
tear_down(fixture *f)
{
    ps_sink_close(f->sink, 0);
    ps_sink_release(f->sink);
    ps_fingerprint_cookie_free(f->cookie);
    ps_path_filter_free(f->paths);
}

static void
clear_request(void)
{
    memset(headers, 0, sizeof(headers));
    cookie_header = PS_NO_SPAN;
}

static size_t
recorded(fixture *f)
{
    ps_sink_flush(f->sink, INT64_MAX);
    return ps_target_memory_count(ps_sink_target(f->sink));
}

static ps_event
last_event(fixture *f)
{
    return ps_target_memory_at(ps_sink_target(f->sink), recorded(f) - 1)
        ->event;
}

static void
test_new_visitor(fixture *f, ps_gate *gate)
{
    clear_request();
    headers[PS_HEADER_SEC_FETCH_MODE] = guarded(PS_SPAN("navigate"));
    ps_visit visit;
    ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"), guarded(PS_SPAN("/page")),
                  PS_MODE_COOKIE, true, NULL, &visit);
    ok(visit.is_new && visit.has_fingerprint, "new: a candidate");
    ok(ps_gate_may_set_cookie(gate, &visit, 200, false), "new: at 200");
    ok(!ps_gate_may_set_cookie(gate, &visit, 304, false), "new: not at 304");
    ok(!ps_gate_may_set_cookie(gate, &visit, 200, true), "new: not a user");
    char set_cookie[PS_SET_COOKIE_MAX];
    ps_outcome outcome = {.status = 200, .hand_out = true, .secure = true};
    size_t before = recorded(f);
    size_t length =
        ps_gate_finish(gate, &visit, &REQUEST, &outcome, set_cookie);
    ps_span text = {set_cookie, length};
    ok(ps_span_starts_with(text, PS_SPAN("device_fp=")), "new: Set-Cookie");
    ok(recorded(f) == before + 1, "new: one event");
    ps_event event = last_event(f);
    ok(ps_span_equal(ps_event_find(&event, PS_SPAN("new")), PS_SPAN("1")),
       "new: the event says so");
    ok((event.flags & PS_EVENT_SESSION) != 0, "new: the session is touched");
    ok(ps_gate_finish(gate, &visit, &REQUEST, &outcome, set_cookie) == 0 &&
           recorded(f) == before + 1,
       "new: a second finish does nothing");
    ps_visit_fini(&visit);

    cookie_header = guarded((ps_span){set_cookie, strcspn(set_cookie, ";")});
    ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"), PS_SPAN("/page"),
                  PS_MODE_COOKIE, true, NULL, &visit);
    ok(visit.has_fingerprint && !visit.is_new, "returning: known");
    ok(!ps_gate_may_set_cookie(gate, &visit, 200, false),
       "returning: no second cookie");
    ps_visit_fini(&visit);
}

static void
test_candidate_that_is_not_handed_out(fixture *f, ps_gate *gate)
{
    clear_request();
    headers[PS_HEADER_ACCEPT] = PS_SPAN("text/html");
    ps_visit visit;
    char set_cookie[PS_SET_COOKIE_MAX];
    ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"), PS_SPAN("/page"),
                  PS_MODE_COOKIE, false, NULL, &visit);
    ps_outcome outcome = {.status = 200, .hand_out = false};
    size_t length =
        ps_gate_finish(gate, &visit, &REQUEST, &outcome, set_cookie);
    ps_event event = last_event(f);
    ok(length == 0, "not handed out: no Set-Cookie");
    ok(ps_event_find(&event, PS_SPAN("fingerprint")).ptr == NULL,
       "not handed out: no fingerprint in the event");
    ok((event.flags & PS_EVENT_SESSION) == 0, "not handed out: no session");
    ps_visit_fini(&visit);
}

static void
test_skip(fixture *f, ps_gate *gate)
{
    clear_request();
    ps_visit visit;
    char set_cookie[PS_SET_COOKIE_MAX];
    ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"), PS_SPAN("/static/x"),
                  PS_MODE_COOKIE, false, NULL, &visit);
    size_t before = recorded(f);
    ps_outcome outcome = {.status = 200, .hand_out = true};
    ok(ps_gate_finish(gate, &visit, &REQUEST, &outcome, set_cookie) == 0 &&
           recorded(f) == before,
       "skip: nothing");
    ps_visit_fini(&visit);
}

static void
test_gpc(ps_gate *gate)
{
    clear_request();
    headers[PS_HEADER_SEC_FETCH_MODE] = PS_SPAN("navigate");
    headers[PS_HEADER_SEC_GPC] = PS_SPAN(" 1 ");
    ps_visit visit;
    ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"), PS_SPAN("/page"),
                  PS_MODE_COOKIE, false, NULL, &visit);
    ok(!visit.has_fingerprint, "GPC: no cookie, and no folder for a salt");
    ps_visit_fini(&visit);
}

static uint64_t
stage_count(fixture *f, ps_stage stage)
{
    return ps_counted(&ps_sink_stats(f->sink)->stage[stage].count);
}

static void
test_stages(fixture *f, ps_gate *gate)
{
    uint64_t before[PS_STAGE_COUNT];
    clear_request();
    for (int i = 0; i < PS_STAGE_COUNT; i++) {
        before[i] = stage_count(f, (ps_stage)i);
    }
    for (int n = 0; n < 4 * PS_STAGE_EVERY; n++) {
        /* a period that has no divisor in common with PS_STAGE_EVERY */
        bool skipped = n % 3 == 0;
        ps_visit visit;
        ps_outcome outcome = {.status = 200};
        char cookie[PS_SET_COOKIE_MAX];
        ps_gate_enter(gate, &REQUEST, PS_SPAN("GET"),
                      skipped ? PS_SPAN("/static/x") : PS_SPAN("/page"),
                      PS_MODE_COOKIE, false, NULL, &visit);
        ps_gate_finish(gate, &visit, &REQUEST, &outcome, cookie);
        ps_visit_fini(&visit);
    }
    uint64_t seen[PS_STAGE_COUNT];
    for (int i = 0; i < PS_STAGE_COUNT; i++) {
        seen[i] = stage_count(f, (ps_stage)i) - before[i];
    }
    ok(seen[PS_STAGE_LABEL] == 4, "stages: one request in %d is measured",
       PS_STAGE_EVERY);
    ok(seen[PS_STAGE_TOKEN] == 0, "stages: none that this gate has not");
    ok(seen[PS_STAGE_FINGERPRINT] >= 2 && seen[PS_STAGE_FINGERPRINT] <= 3 &&
           seen[PS_STAGE_APPLICATION] == seen[PS_STAGE_FINGERPRINT] &&
           seen[PS_STAGE_EVENT] == seen[PS_STAGE_FINGERPRINT],
       "stages: a skipped request has but the first");
}

static void
test_no_memory(fixture *f)
{
    static const ps_span CLAIMS[] = {{"user_id", 7}, {"sub", 3}};
    static const ps_token_source SOURCES[] = {
        {false, {"Bearer", 6}, false},
        {true, {"access", 6}, true},
    };
    ps_gate_settings settings = f->settings;
    settings.user_claims = CLAIMS;
    settings.user_claim_count = 2;
    settings.sources = SOURCES;
    settings.source_count = 2;
    settings.salt_folder = "/nowhere";
    ps_status status = PS_NO_MEMORY;
    size_t n = 0;
    while (status == PS_NO_MEMORY && n < 100) {
        ps_gate *gate = NULL;
        ps_alloc_fail_at(++n, 0);
        status = ps_gate_new(&settings, &gate);
        ps_alloc_fail_at(0, 0);
        if (status == PS_OK) {
            ps_gate_free(gate);
        }
    }
    ok(status == PS_OK && n > 5, "memory: each of %zu allocations may fail",
       n - 1);
}

int
main(void)
{
    fixture f;
    ps_gate *gate;
    set_up(&f);
    must(ps_gate_new(&f.settings, &gate));
    test_new_visitor(&f, gate);
    test_candidate_that_is_not_handed_out(&f, gate);
    test_skip(&f, gate);
    test_gpc(gate);
    test_stages(&f, gate);
    ps_gate_free(gate);
    test_no_memory(&f);
    tear_down(&f);
    return done_testing();
}
