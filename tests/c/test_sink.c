/* SPDX-License-Identifier: MIT */
/* A sink with a target of the test's own: the loop's every turn, threads that
 * emit while it closes, and every allocation failing in turn. */
#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/clock.h"
#include "../../ext/core/sink.h"
#include "../../ext/core/target_memory.h"

#define SECOND INT64_C(1000000000)

/* Fails so many times, then takes everything and checks the order. */
typedef struct probe {
    ps_target base;
    atomic_int failures;
    _Atomic uint64_t taken;
    _Atomic uint64_t last;
    atomic_int out_of_order;
} probe;

static ps_status
probe_deliver(ps_target *target, ps_batch *batch, ps_wake *wake)
{
    (void)wake;
    probe *self = (probe *)(void *)target;
    if (atomic_load(&self->failures) > 0) {
        atomic_fetch_sub(&self->failures, 1);
        return PS_CONNECT;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != PS_EVENT_WAITING) {
            continue;
        }
        if (batch->events[i].sequence <= atomic_load(&self->last)) {
            atomic_fetch_add(&self->out_of_order, 1);
        }
        atomic_store(&self->last, batch->events[i].sequence);
        atomic_fetch_add(&self->taken, 1);
        ps_batch_settle(batch, i, PS_EVENT_DELIVERED);
    }
    return PS_OK;
}

static void
probe_report(const ps_target *target, ps_target_report *report)
{
    (void)target;
    *report = (ps_target_report){.delivery = "probe"};
}

static void
probe_nothing(ps_target *target)
{
    (void)target;
}

static const ps_target_ops PROBE = {
    .deliver = probe_deliver,
    .report = probe_report,
    .close = probe_nothing,
    .forget = probe_nothing,
    .free = probe_nothing,
};

static ps_sink *
make(probe *target, size_t ring_bytes)
{
    ps_sink *sink = NULL;
    const char *why;
    ps_status status = ps_sink_new(
        &(ps_sink_settings){
            .target = &target->base,
            .identity = PS_SPAN("probe"),
            .threaded = true,
            .ring_bytes = ring_bytes,
            .ring_dir = PS_SPAN(""),
            .batch = 64,
            .linger_ns = 100000,
            .reconnect_first_ns = 1000000,
            .reconnect_longest_ns = 4000000,
            .sample = 1,
        },
        &sink, &why);
    if (status != PS_OK) {
        printf("Bail out! %s\n", ps_status_word(status));
        exit(2);
    }
    return sink;
}

static int64_t
soon(int64_t seconds)
{
    return ps_clock_steady_ns() + seconds * SECOND;
}

static void
test_failures_pass(void)
{
    static probe target = {.base = {&PROBE}, .failures = 5};
    ps_sink *sink = make(&target, PS_RING_BYTES_MIN);
    int accepted = 0;
    for (int i = 0; i < 100; i++) {
        accepted += ps_sink_emit(sink, PS_SPAN("k"), NULL, 0, 0) == PS_OK;
    }
    ok(accepted == 100, "failures: the ring takes events meanwhile");
    ok(ps_sink_flush(sink, soon(20)) == 0, "failures: then all is settled");
    ok(atomic_load(&target.taken) == 100, "failures: every event, once");
    ps_sink_report report;
    ps_sink_describe(sink, &report);
    ok(report.failures == 5 && report.state == PS_SINK_DELIVERING,
       "failures: counted");
    char notice[PS_NOTICE_MAX];
    ok(ps_sink_take_notice(sink, notice), "failures: there is a line to log");
    ok(!ps_sink_take_notice(sink, notice), "failures: once");
    ok(ps_sink_close(sink, soon(20)) == 0, "failures: closed");
    ok(ps_sink_emit(sink, PS_SPAN("k"), NULL, 0, 0) == PS_CLOSED,
       "failures: nothing goes in any more");
    ps_sink_release(sink);
}

static void
test_deadlines(void)
{
    static probe target = {.base = {&PROBE}, .failures = 1 << 30};
    ps_sink *sink = make(&target, PS_RING_BYTES_MIN);
    ok(ps_sink_emit(sink, PS_SPAN("k"), NULL, 0, 0) == PS_OK,
       "deadlines: one event");
    int64_t start = ps_clock_steady_ns();
    ok(ps_sink_flush(sink, start + SECOND / 20) == 1,
       "deadlines: flush tells what is left");
    ok(ps_sink_close(sink, ps_clock_steady_ns() + SECOND / 20) == 1,
       "deadlines: so does close");
    ok(ps_clock_steady_ns() - start < 20 * SECOND,
       "deadlines: neither waits for ever");
    ps_sink_release(sink);
}

static ps_sink *shared;
static _Atomic uint64_t answered;

static void *
emit_until_closed(void *context)
{
    (void)context;
    char text[40] = "0123456789012345678901234567890123456789";
    const ps_field field = {.name = PS_SPAN("n"),
                            .value = {text, sizeof(text)}};
    for (;;) {
        ps_status status = ps_sink_emit(shared, PS_SPAN("k"), &field, 1, 0);
        if (status == PS_CLOSED) {
            return NULL;
        }
        if (status == PS_OK) {
            atomic_fetch_add(&answered, 1);
        }
    }
}

static void *
flush_often(void *context)
{
    (void)context;
    while (!ps_sink_is_closed(shared)) {
        (void)ps_sink_flush(shared, ps_clock_steady_ns() + SECOND / 100);
        ps_sink_report report;
        ps_sink_describe(shared, &report);
    }
    return NULL;
}

static void
test_threads(void)
{
    static probe target = {.base = {&PROBE}, .failures = 3};
    pthread_t threads[4];
    shared = make(&target, PS_RING_BYTES_MIN);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, emit_until_closed, NULL);
    }
    pthread_create(&threads[3], NULL, flush_often, NULL);
    const struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    uint64_t left = ps_sink_close(shared, soon(30));
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ok(left == 0, "threads: closed while others emit");
    ok(atomic_load(&answered) == atomic_load(&target.taken),
       "threads: what was answered with OK arrived, and nothing else");
    ok(atomic_load(&target.out_of_order) == 0, "threads: in order");
    const ps_stats *stats = ps_sink_stats(shared);
    ok(ps_counted(&stats->accepted) == ps_counted(&stats->delivered),
       "threads: the ledger is even");
    ps_sink_release(shared);
}

#ifdef PS_ALLOC_TEST
/* Makes a sink, emits, reads, closes. With every status but a crash. */
static ps_status
live_once(void)
{
    ps_target *target = NULL;
    ps_sink *sink = NULL;
    const char *why;
    ps_status status = ps_target_memory_new(&target);
    if (status == PS_OK) {
        status = ps_sink_new(
            &(ps_sink_settings){
                .target = target,
                .identity = PS_SPAN("memory:"),
                .ring_bytes = PS_RING_BYTES_MIN,
                .ring_dir = PS_SPAN(""),
                .batch = 8,
                .sample = 1,
                .reserves = &(ps_sink_reserve){PS_SPAN("order"), 0.1},
                .reserve_count = 1,
                .greeting = PS_SPAN("hello"),
            },
            &sink, &why);
        if (status != PS_OK) {
            target->ops->free(target);
        }
    }
    if (status == PS_OK) {
        for (int i = 0; i < 20 && status == PS_OK; i++) {
            status = ps_sink_emit(sink, PS_SPAN("k"), NULL, 0, 0);
        }
        (void)ps_sink_flush(sink, 0);
        if (status == PS_OK && ps_stats_pending(ps_sink_stats(sink)) != 0) {
            status = PS_NO_MEMORY;
        }
        (void)ps_sink_close(sink, 0);
        ps_sink_release(sink);
    }
    return status;
}

static void
test_out_of_memory(void)
{
    ps_alloc_fail_at(0, 0);
    ok(live_once() == PS_OK, "memory: enough");
    size_t calls = ps_alloc_fail_at(0, 0);
    int told = 0;
    for (int for_good = 0; for_good < 2; for_good++) {
        for (size_t n = 1; n <= calls; n++) {
            ps_alloc_fail_at(n, for_good);
            told += live_once() == PS_NO_MEMORY;
        }
    }
    ps_alloc_fail_at(0, 0);
    ok(told == 2 * (int)calls, "memory: each of %zu failures is told", calls);
    ok(live_once() == PS_OK, "memory: enough again");
}

#endif

int
main(void)
{
    test_failures_pass();
    test_deadlines();
    test_threads();
#ifdef PS_ALLOC_TEST
    test_out_of_memory();
#endif
    return done_testing();
}
