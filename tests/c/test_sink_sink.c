/* SPDX-License-Identifier: MIT */
/* A sink with a target of the test's own: the loop's every turn, threads that
 * emit while it closes, and every allocation failing in turn. */
#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sink/sink.h"
#include "sink/memory.h"

#define SECOND INT64_C(1000000000)

/* Fails so many times, then takes everything and checks the order. */
typedef struct probe {
    hr_sink_target base;
    atomic_int failures;
    _Atomic uint64_t taken;
    _Atomic uint64_t last;
    atomic_int out_of_order;
} probe;

static hr_status
probe_deliver(hr_sink_target *target, hr_ring_batch *batch, hr_wake *wake)
{
    (void)wake;
    probe *self = (probe *)(void *)target;
    if (atomic_load(&self->failures) > 0) {
        atomic_fetch_sub(&self->failures, 1);
        return HR_CONNECT;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != HR_RING_BATCH_WAITING) {
            continue;
        }
        if (batch->events[i].sequence <= atomic_load(&self->last)) {
            atomic_fetch_add(&self->out_of_order, 1);
        }
        atomic_store(&self->last, batch->events[i].sequence);
        atomic_fetch_add(&self->taken, 1);
        hr_ring_batch_settle(batch, i, HR_RING_BATCH_DELIVERED);
    }
    return HR_OK;
}

static void
probe_report(const hr_sink_target *target, hr_sink_target_report *report)
{
    (void)target;
    *report = (hr_sink_target_report){.delivery = "probe"};
}

static void
probe_nothing(hr_sink_target *target)
{
    (void)target;
}

static const hr_sink_target_ops PROBE = {
    .deliver = probe_deliver,
    .report = probe_report,
    .close = probe_nothing,
    .forget = probe_nothing,
    .free = probe_nothing,
};

/* An event without fields. */
static hr_status
emit(hr_sink *sink)
{
    hr_ring_event_body body;
    hr_ring_event_body_init(&body);
    return hr_sink_emit(sink, HR_SPAN("k"), &body, 0);
}

static hr_sink *
make(probe *target, size_t ring_bytes)
{
    hr_sink *sink = NULL;
    const char *why;
    hr_status status = hr_sink_new(
        &(hr_sink_settings){
            .target = &target->base,
            .identity = HR_SPAN("probe"),
            .threaded = true,
            .ring_bytes = ring_bytes,
            .ring_dir = HR_SPAN(""),
            .batch = 64,
            .linger_ns = 100000,
            .reconnect_first_ns = 1000000,
            .reconnect_longest_ns = 4000000,
            .sample = 1,
        },
        &sink, &why);
    if (status != HR_OK) {
        printf("Bail out! %s\n", hr_status_word(status));
        exit(2);
    }
    return sink;
}

static int64_t
soon(int64_t seconds)
{
    return hr_clock_steady_ns() + seconds * SECOND;
}

static void
test_failures_pass(void)
{
    static probe target = {.base = {&PROBE}, .failures = 5};
    hr_sink *sink = make(&target, HR_RING_BYTES_MIN);
    int accepted = 0;
    for (int i = 0; i < 100; i++) {
        accepted += emit(sink) == HR_OK;
    }
    ok(accepted == 100, "failures: the ring takes events meanwhile");
    ok(hr_sink_flush(sink, soon(20)) == 0, "failures: then all is settled");
    ok(atomic_load(&target.taken) == 100, "failures: every event, once");
    hr_sink_report report;
    hr_sink_describe(sink, &report);
    ok(report.failures == 5 && report.state == HR_SINK_DELIVERING,
       "failures: counted");
    char notice[HR_NOTICE_MAX];
    ok(hr_sink_take_notice(sink, notice), "failures: there is a line to log");
    ok(!hr_sink_take_notice(sink, notice), "failures: once");
    ok(hr_sink_close(sink, soon(20)) == 0, "failures: closed");
    ok(emit(sink) == HR_CLOSED, "failures: nothing goes in any more");
    hr_sink_release(sink);
}

static void
test_deadlines(void)
{
    static probe target = {.base = {&PROBE}, .failures = 1 << 30};
    hr_sink *sink = make(&target, HR_RING_BYTES_MIN);
    ok(emit(sink) == HR_OK, "deadlines: one event");
    int64_t start = hr_clock_steady_ns();
    ok(hr_sink_flush(sink, start + SECOND / 20) == 1,
       "deadlines: flush tells what is left");
    ok(hr_sink_close(sink, hr_clock_steady_ns() + SECOND / 20) == 1,
       "deadlines: so does close");
    ok(hr_clock_steady_ns() - start < 20 * SECOND,
       "deadlines: neither waits for ever");
    hr_sink_release(sink);
}

static hr_sink *shared;
static _Atomic uint64_t answered;

static void *
emit_until_closed(void *context)
{
    (void)context;
    char text[40] = "0123456789012345678901234567890123456789";
    for (;;) {
        hr_ring_event_body body;
        hr_ring_event_body_init(&body);
        hr_ring_event_body_add(&body, HR_SPAN("n"),
                               (hr_span){text, sizeof(text)});
        hr_status status = hr_sink_emit(shared, HR_SPAN("k"), &body, 0);
        if (status == HR_CLOSED) {
            return NULL;
        }
        if (status == HR_OK) {
            atomic_fetch_add(&answered, 1);
        }
    }
}

static void *
flush_often(void *context)
{
    (void)context;
    while (!hr_sink_is_closed(shared)) {
        (void)hr_sink_flush(shared, hr_clock_steady_ns() + SECOND / 100);
        hr_sink_report report;
        hr_sink_describe(shared, &report);
    }
    return NULL;
}

static void
test_threads(void)
{
    static probe target = {.base = {&PROBE}, .failures = 3};
    pthread_t threads[4];
    shared = make(&target, HR_RING_BYTES_MIN);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, emit_until_closed, NULL);
    }
    pthread_create(&threads[3], NULL, flush_often, NULL);
    const struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    uint64_t left = hr_sink_close(shared, soon(30));
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ok(left == 0, "threads: closed while others emit");
    ok(atomic_load(&answered) == atomic_load(&target.taken),
       "threads: what was answered with OK arrived, and nothing else");
    ok(atomic_load(&target.out_of_order) == 0, "threads: in order");
    const hr_ring_counters *stats = hr_sink_stats(shared);
    ok(hr_ring_counters_read(&stats->accepted) ==
           hr_ring_counters_read(&stats->delivered),
       "threads: the ledger is even");
    hr_sink_release(shared);
}

/* Emits so many fields, a value of so many bytes among them; returns what the
 * reader gets, or nothing for an event that is refused. */
static hr_ring_event
sampled(hr_sink *sink, hr_sink_target *target, hr_status want, size_t fields,
        size_t bytes)
{
    static char text[HR_FIELD_VALUE_MAX + 1];
    size_t before = hr_sink_memory_count(target);
    hr_ring_event_body body;
    hr_ring_event_body_init(&body);
    hr_ring_event_body_add(&body, HR_SPAN("first"), (hr_span){text, bytes});
    for (size_t i = 1; i < fields; i++) {
        hr_ring_event_body_add(&body, HR_SPAN("n"), HR_SPAN("v"));
    }
    hr_status status = hr_sink_emit(sink, HR_SPAN("k"), &body, 0);
    ok(status == want, "sampled: %zu fields: %s", fields,
       hr_status_word(status));
    (void)hr_sink_flush(sink, 0);
    size_t after = hr_sink_memory_count(target);
    ok(after - before == (want == HR_OK), "sampled: kept or not");
    return after != before ? hr_sink_memory_at(target, after - 1)->event
                           : (hr_ring_event){0};
}

/* `sample` is one field more: it comes after the caller's and before
 * `altered`. */
static void
test_sampled(void)
{
    hr_sink_target *target = NULL;
    hr_sink *sink = NULL;
    const char *why;
    if (hr_sink_memory_new(&target) != HR_OK ||
        hr_sink_new(
            &(hr_sink_settings){
                .target = target,
                .identity = HR_SPAN("memory:"),
                .ring_bytes = HR_RING_BYTES_MIN,
                .ring_dir = HR_SPAN(""),
                .batch = 8,
                .sample = 0.9999999999,
            },
            &sink, &why) != HR_OK) {
        printf("Bail out! no sink\n");
        exit(2);
    }
    hr_ring_event event = sampled(sink, target, HR_OK, HR_EVENT_FIELDS_MAX, 5);
    ok(event.field_count == HR_EVENT_FIELDS_MAX + 1, "sampled: one more");
    event = sampled(sink, target, HR_OK, 1, HR_FIELD_VALUE_MAX + 1);
    hr_span rest = event.body;
    hr_ring_event_field fields[3];
    size_t count = 0;
    while (count < 3 && hr_ring_event_next_field(&rest, &fields[count])) {
        count++;
    }
    ok(count == 3 && rest.len == 0 &&
           hr_span_equal(fields[1].name, HR_SPAN("sample")) &&
           hr_span_equal(fields[2].name, HR_SPAN("altered")) &&
           hr_span_equal(fields[2].value, HR_SPAN("first")),
       "sampled: `altered` is the last");
    sampled(sink, target, HR_TOO_BIG, HR_EVENT_FIELDS_MAX + 1, 5);
    const hr_ring_counters *stats = hr_sink_stats(sink);
    ok(hr_ring_counters_read(&stats->accepted) == 2, "sampled: counted");
    (void)hr_sink_close(sink, 0);
    hr_sink_release(sink);
}

#ifdef HR_ALLOC_TEST
/* Makes a sink, emits, reads, closes. With every status but a crash. */
static hr_status
live_once(void)
{
    hr_sink_target *target = NULL;
    hr_sink *sink = NULL;
    const char *why;
    hr_status status = hr_sink_memory_new(&target);
    if (status == HR_OK) {
        status = hr_sink_new(
            &(hr_sink_settings){
                .target = target,
                .identity = HR_SPAN("memory:"),
                .ring_bytes = HR_RING_BYTES_MIN,
                .ring_dir = HR_SPAN(""),
                .batch = 8,
                .sample = 1,
                .reserves = &(hr_sink_reserve){HR_SPAN("order"), 0.1},
                .reserve_count = 1,
                .greeting = HR_SPAN("hello"),
            },
            &sink, &why);
        if (status != HR_OK) {
            target->ops->free(target);
        }
    }
    if (status == HR_OK) {
        for (int i = 0; i < 20 && status == HR_OK; i++) {
            status = emit(sink);
        }
        (void)hr_sink_flush(sink, 0);
        if (status == HR_OK &&
            hr_ring_counters_pending(hr_sink_stats(sink)) != 0) {
            status = HR_NO_MEMORY;
        }
        (void)hr_sink_close(sink, 0);
        hr_sink_release(sink);
    }
    return status;
}

static void
test_out_of_memory(void)
{
    hr_alloc_fail_at(0, 0);
    ok(live_once() == HR_OK, "memory: enough");
    size_t calls = hr_alloc_fail_at(0, 0);
    int told = 0;
    for (int for_good = 0; for_good < 2; for_good++) {
        for (size_t n = 1; n <= calls; n++) {
            hr_alloc_fail_at(n, for_good);
            told += live_once() == HR_NO_MEMORY;
        }
    }
    hr_alloc_fail_at(0, 0);
    ok(told == 2 * (int)calls, "memory: each of %zu failures is told", calls);
    ok(live_once() == HR_OK, "memory: enough again");
}

#endif

int
main(void)
{
    test_failures_pass();
    test_deadlines();
    test_threads();
    test_sampled();
#ifdef HR_ALLOC_TEST
    test_out_of_memory();
#endif
    return done_testing();
}
