/* SPDX-License-Identifier: MIT */
/* The side of the sink that other threads call. emit takes no lock: it looks
 * at one word of a page that fork wipes, reserves, copies, commits. All that
 * is slow (making the ring, starting the thread) happens once per process, on
 * the first event.
 *
 * The ring's memory stays mapped until the last reference is gone: a thread
 * that is in the middle of emit while another one closes the sink finds the
 * ring sealed, not gone. */
#include "sink_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ring_file.h"
#include "totals.h"

#define NS_PER_MS 1000000

/* ---- starting ---------------------------------------------------------- */

/* Under `lock`. The thread takes no signal: they are Python's. */
static ps_status
start_thread(ps_sink *sink)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (sink->wake.fd < 0 && ps_wake_init(&sink->wake) != PS_OK) {
        return PS_SYSTEM;
    }
    if (pthread_attr_init(&attributes) != 0) {
        return PS_NO_MEMORY;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, PS_SINK_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ps_sink_retain(sink);
    sink->running = true;
    int error = pthread_create(&thread, &attributes, ps_sink_thread, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        sink->running = false;
        atomic_fetch_sub(&sink->references, 1);
        errno = error;
        return PS_SYSTEM;
    }
    return PS_OK;
}

static void
move_stats(ps_stats *into, ps_stats *from)
{
    _Atomic uint64_t *to = (_Atomic uint64_t *)(void *)into;
    _Atomic uint64_t *old = (_Atomic uint64_t *)(void *)from;
    for (size_t i = 0; i < sizeof(ps_stats) / sizeof(uint64_t); i++) {
        ps_count(&to[i], atomic_exchange(&old[i], 0));
    }
}

/* Under `lock`. Makes sure of the thread, at most one try a second. */
static void
ensure_thread(ps_sink *sink)
{
    int64_t now = ps_clock_steady_ns();
    if (sink->running || !sink->settings.threaded || now < sink->retry_at_ns) {
        return;
    }
    atomic_store(&sink->wake.stop, false);
    if (start_thread(sink) == PS_OK) {
        atomic_store(&sink->thread_state, PS_THREAD_AWAKE);
        return;
    }
    atomic_store(&sink->thread_state, PS_THREAD_MISSING);
    sink->retry_at_ns = now + (int64_t)PS_SINK_RETRY_MS * NS_PER_MS;
    snprintf(sink->report.detail, sizeof(sink->report.detail),
             "the sink thread cannot be started: %s", strerror(errno));
}

static const char EXPOSED[] =
    "the ring is anonymous memory, so a kill loses the events in it: ring_dir "
    "(by default /dev/shm) cannot be written, or the penstock folder in it "
    "is not this user's own with mode 0700";

/* Under `lock`. Is there no ring file although one was asked for? */
static bool
is_exposed(const ps_sink *sink)
{
    return sink->ring.path[0] == '\0' &&
           (sink->ring_dir == NULL || sink->ring_dir[0] != '\0');
}

/* The first event of this process. */
static ps_status
start(ps_sink *sink)
{
    ps_status status = PS_OK;
    pthread_mutex_lock(&sink->lock);
    if (sink->closed) {
        status = PS_CLOSED;
    } else if (atomic_load(&sink->page->up) == 0) {
        int64_t now = ps_clock_steady_ns();
        status = PS_NO_MEMORY;
        if (now >= sink->retry_at_ns) {
            status = ps_ring_file_create(&sink->ring, sink->ring_dir,
                                         sink->target_name, sink->ring_bytes);
        }
        if (status == PS_OK) {
            move_stats(&sink->ring.header->stats, sink->own_stats);
            snprintf(sink->ring.header->beacon.identity,
                     sizeof(sink->ring.header->beacon.identity), "%s",
                     sink->identity);
            atomic_store(&sink->state, PS_SINK_CONNECTING);
            atomic_store(&sink->ring.header->beacon.state, PS_SINK_CONNECTING);
            atomic_store(&sink->page->mapped, 1);
            atomic_store_explicit(&sink->page->up, 1, memory_order_release);
            sink->retry_at_ns = 0;
            ensure_thread(sink);
        } else if (now >= sink->retry_at_ns) {
            sink->retry_at_ns = now + (int64_t)PS_SINK_RETRY_MS * NS_PER_MS;
        }
    }
    const char *greeting = NULL;
    if (status == PS_OK && !sink->greeted) {
        sink->greeted = true;
        greeting = sink->greeting != NULL ? sink->greeting
                   : is_exposed(sink)     ? EXPOSED
                                          : NULL;
    }
    pthread_mutex_unlock(&sink->lock);
    if (greeting != NULL) {
        ps_sink_notify(sink, greeting, true);
    }
    return status;
}

/* ---- emit -------------------------------------------------------------- */

static inline bool
is_up(const ps_sink *sink)
{
    return atomic_load_explicit(&sink->page->up, memory_order_acquire) != 0;
}

ps_stats *
ps_sink_stats(ps_sink *sink)
{
    return atomic_load_explicit(&sink->page->mapped, memory_order_acquire) != 0
               ? &sink->ring.header->stats
               : sink->own_stats;
}

ps_metrics *
ps_sink_metrics(ps_sink *sink)
{
    if (__builtin_expect(!is_up(sink), 0) && start(sink) != PS_OK) {
        return NULL;
    }
    return &sink->ring.header->metrics;
}

void
ps_sink_refuse(ps_sink *sink, ps_status reason)
{
    ps_stats_refused(ps_sink_stats(sink), reason);
}

static uint64_t
limit_of(const ps_sink *sink, ps_span kind)
{
    for (size_t i = 0; i < sink->limit_count; i++) {
        if (ps_span_equal(sink->limits[i].kind, kind)) {
            return sink->limits[i].units;
        }
    }
    return sink->units;
}

/* Kept? By splitmix64 of a counter: even, and no state but the counter. */
static bool
is_sampled(ps_sink *sink)
{
    uint64_t z =
        atomic_fetch_add_explicit(&sink->sampled, 1, memory_order_relaxed) *
            UINT64_C(0x9E3779B97F4A7C15) +
        sink->ring.header->label.secret;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) < sink->sample_below;
}

/* The thread sleeps, or is missing. */
static void
rouse(ps_sink *sink, int state)
{
    if (state == PS_THREAD_MISSING) {
        pthread_mutex_lock(&sink->lock);
        ensure_thread(sink);
        pthread_mutex_unlock(&sink->lock);
    } else if (atomic_compare_exchange_strong(&sink->thread_state, &state,
                                              PS_THREAD_AWAKE)) {
        ps_wake_call(&sink->wake);
    }
}

/* Takes turns with other threads that deliver in the thread's place. */
static void
begin_turn(ps_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    while (sink->delivering) {
        sink->waiters++;
        pthread_cond_wait(&sink->changed, &sink->lock);
        sink->waiters--;
    }
    sink->delivering = true;
    pthread_mutex_unlock(&sink->lock);
}

static void
end_turn(ps_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->delivering = false;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

/* Delivers on this thread; for sinks without one of their own. */
static void
drain(ps_sink *sink)
{
    begin_turn(sink);
    ps_sink_drain(sink);
    end_turn(sink);
}

void
ps_sink_inspect(ps_sink *sink,
                void (*look)(const ps_target *target, void *context),
                void *context)
{
    begin_turn(sink);
    look(sink->target, context);
    end_turn(sink);
}

static ps_status
reserve(ps_sink *sink, ps_span kind, size_t size, uint64_t *position,
        char **record)
{
    uint64_t limit =
        sink->limit_count != 0 ? limit_of(sink, kind) : sink->units;
    ps_status status =
        ps_ring_reserve(&sink->ring, size, limit, position, record);
    if (status == PS_FULL && !sink->settings.threaded) {
        drain(sink);
        status = ps_ring_reserve(&sink->ring, size, limit, position, record);
    }
    return status;
}

/* The written record becomes an event. */
static inline void
settle(ps_sink *sink, uint64_t position, char *record, size_t size)
{
    /* Counted before it can be seen: nobody reads more settled events than
     * accepted ones. */
    ps_count(&sink->ring.header->stats.accepted, 1);
    ps_ring_commit(&sink->ring, position, record, size);
    /* Either the thread saw our reservation before it slept, or we see that
     * it sleeps: see sleep_deeply. */
    int state =
        atomic_load_explicit(&sink->thread_state, memory_order_seq_cst);
    if (__builtin_expect(state >= PS_THREAD_DEEP_IDLE, 0)) {
        rouse(sink, state);
    }
}

static ps_status
put(ps_sink *sink, ps_span kind, const ps_field *fields, size_t count,
    uint32_t flags)
{
    ps_event_plan plan;
    uint64_t position;
    char *record;
    ps_status status = ps_event_measure(kind, fields, count, &plan);
    if (status == PS_OK) {
        status = reserve(sink, kind, plan.size, &position, &record);
    }
    if (status != PS_OK) {
        return status;
    }
    ps_event_write(record, &plan, kind, fields, count, ps_clock_wall_ms(),
                   flags);
    settle(sink, position, record, plan.size);
    return PS_OK;
}

/* The same for fields that are written already. */
static ps_status
put_written(ps_sink *sink, ps_span kind, ps_span body, unsigned field_count,
            uint32_t flags)
{
    size_t size = ps_event_size(kind, body.len);
    uint64_t position;
    char *record;
    ps_status status = reserve(sink, kind, size, &position, &record);
    if (status != PS_OK) {
        return status;
    }
    ps_event_write_body(record, kind, body, field_count, ps_clock_wall_ms(),
                        flags);
    settle(sink, position, record, size);
    return PS_OK;
}

/* With the sample rate as one more field. */
static ps_status
put_sampled(ps_sink *sink, ps_span kind, const ps_field *fields, size_t count,
            uint32_t flags)
{
    ps_field more[PS_EVENT_FIELDS_MAX + 1];
    if (!is_sampled(sink)) {
        return PS_SAMPLED;
    }
    if (count > PS_EVENT_FIELDS_MAX) {
        return PS_TOO_BIG;
    }
    if (count != 0) {
        memcpy(more, fields, count * sizeof(*fields));
    }
    more[count] = (ps_field){
        .name = PS_SPAN("sample"),
        .value = {sink->sample_text, strlen(sink->sample_text)},
    };
    return put(sink, kind, more, count + 1, flags);
}

ps_status
ps_sink_emit(ps_sink *sink, ps_span kind, const ps_field *fields, size_t count,
             uint32_t flags)
{
    ps_status status = PS_OK;
    if (__builtin_expect(!is_up(sink), 0)) {
        status = start(sink);
    }
    if (status == PS_OK) {
        status = !ps_sink_is_sampling(sink)
                     ? put(sink, kind, fields, count, flags)
                     : put_sampled(sink, kind, fields, count, flags);
    }
    if (__builtin_expect(status != PS_OK, 0)) {
        ps_sink_refuse(sink, status);
    }
    return status;
}

bool
ps_sink_is_sampling(const ps_sink *sink)
{
    return sink->sample_text[0] != '\0';
}

ps_status
ps_sink_emit_written(ps_sink *sink, ps_span kind, ps_span body,
                     unsigned field_count, uint32_t flags)
{
    ps_status status = PS_OK;
    if (__builtin_expect(!is_up(sink), 0)) {
        status = start(sink);
    }
    if (status == PS_OK) {
        status = put_written(sink, kind, body, field_count, flags);
    }
    if (__builtin_expect(status != PS_OK, 0)) {
        ps_sink_refuse(sink, status);
    }
    return status;
}

/* ---- flush and close --------------------------------------------------- */

/* Under `lock`: until `changed`, or the deadline. */
static bool
wait_changed(ps_sink *sink, int64_t deadline_ns)
{
    struct timespec deadline = {deadline_ns / 1000000000,
                                deadline_ns % 1000000000};
    if (ps_clock_steady_ns() >= deadline_ns) {
        return false;
    }
    sink->waiters++;
    pthread_cond_timedwait(&sink->changed, &sink->lock, &deadline);
    sink->waiters--;
    return true;
}

/* Waits until the tail has reached `position`. */
static uint64_t
flush_to(ps_sink *sink, uint64_t position, int64_t deadline_ns)
{
    if (!sink->settings.threaded) {
        drain(sink);
    } else {
        uint64_t before = atomic_load(&sink->flush_to);
        while (before < position && !atomic_compare_exchange_weak(
                                        &sink->flush_to, &before, position)) {
        }
        pthread_mutex_lock(&sink->lock);
        ensure_thread(sink);
        if (sink->running) {
            ps_wake_call(&sink->wake);
        }
        while (ps_ring_tail(&sink->ring) < position && sink->running &&
               wait_changed(sink, deadline_ns)) {
        }
        pthread_mutex_unlock(&sink->lock);
    }
    return ps_ring_tail(&sink->ring) >= position
               ? 0
               : ps_stats_pending(&sink->ring.header->stats);
}

uint64_t
ps_sink_flush(ps_sink *sink, int64_t deadline_ns)
{
    if (!is_up(sink)) {
        return 0;
    }
    return flush_to(sink, ps_ring_head(&sink->ring), deadline_ns);
}

/* The thread leaves within PS_SINK_PARK_MS, or is left behind. */
static bool
park(ps_sink *sink)
{
    int64_t deadline =
        ps_clock_steady_ns() + (int64_t)PS_SINK_PARK_MS * NS_PER_MS;
    pthread_mutex_lock(&sink->lock);
    atomic_store(&sink->wake.stop, true);
    if (sink->running) {
        ps_wake_call(&sink->wake);
    }
    while (sink->running && wait_changed(sink, deadline)) {
    }
    bool parked = !sink->running;
    pthread_mutex_unlock(&sink->lock);
    return parked;
}

uint64_t
ps_sink_close(ps_sink *sink, int64_t deadline_ns)
{
    uint64_t pending = 0;
    pthread_mutex_lock(&sink->lock);
    bool first = !sink->closed;
    sink->closed = true;
    pthread_mutex_unlock(&sink->lock);
    if (first && is_up(sink)) {
        uint64_t end = ps_ring_seal(&sink->ring);
        pending = flush_to(sink, end, deadline_ns);
        bool parked = park(sink);
        atomic_store(&sink->page->up, 0);
        /* A thread that would not stop keeps its ring: the lock goes when
         * the process does. */
        if (parked && ps_ring_tail(&sink->ring) >= end) {
            ps_totals_retire(sink->ring_dir, &sink->ring);
        } else if (parked) {
            ps_ring_file_abandon(&sink->ring, false);
        }
    }
    atomic_store(&sink->state, PS_SINK_CLOSED);
    return pending;
}

bool
ps_sink_is_closed(const ps_sink *sink)
{
    return atomic_load(&sink->state) == PS_SINK_CLOSED;
}

/* ---- what it tells ----------------------------------------------------- */

void
ps_sink_describe(ps_sink *sink, ps_sink_report *report)
{
    memset(report, 0, sizeof(*report));
    pthread_mutex_lock(&sink->lock);
    report->target = sink->report;
    if (atomic_load(&sink->page->mapped) != 0) {
        const ps_ring *ring = &sink->ring;
        memcpy(report->producer, ring->header->label.producer,
               PS_PRODUCER_SIZE);
        memcpy(report->ring_path, ring->path, sizeof(report->ring_path));
        report->survives_kill = ring->path[0] != '\0';
        report->ring_bytes = ring->units * 8;
        uint64_t tail = ps_ring_tail(ring);
        report->ring_used = (ps_ring_head(ring) - tail) * 8;
    }
    pthread_mutex_unlock(&sink->lock);
    memcpy(report->target_name, sink->target_name, PS_PRODUCER_SIZE);
    report->state = (ps_sink_state)atomic_load(&sink->state);
    report->error = (ps_status)atomic_load(&sink->error);
    report->failures = atomic_load(&sink->failures);
}

const char *
ps_sink_ring_dir(const ps_sink *sink)
{
    return sink->ring_dir;
}

ps_status
ps_sink_totals(ps_sink *sink, ps_stats *sum, size_t *rings,
               ps_metrics *metrics)
{
    return ps_totals_read(sink->ring_dir, sink->target_name, sum, rings,
                          metrics);
}

ps_target *
ps_sink_target(ps_sink *sink)
{
    return sink->target;
}

void
ps_sink_announce(ps_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    if (sink->waiters != 0) {
        pthread_cond_broadcast(&sink->changed);
    }
    pthread_mutex_unlock(&sink->lock);
}

void
ps_sink_notify(ps_sink *sink, const char *text, bool always)
{
    int64_t now = ps_clock_steady_ns();
    pthread_mutex_lock(&sink->lock);
    if (always || sink->noticed_ns == 0 ||
        now - sink->noticed_ns >= (int64_t)PS_SINK_NOTICE_MS * NS_PER_MS) {
        snprintf(sink->notice, sizeof(sink->notice), "%s", text);
        sink->noticed_ns = always ? sink->noticed_ns : now;
        atomic_store(&sink->notice_ready, 1);
    }
    pthread_mutex_unlock(&sink->lock);
}

bool
ps_sink_take_notice(ps_sink *sink, char notice[PS_NOTICE_MAX])
{
    if (atomic_load_explicit(&sink->notice_ready, memory_order_relaxed) == 0) {
        return false;
    }
    pthread_mutex_lock(&sink->lock);
    bool mine = atomic_exchange(&sink->notice_ready, 0) != 0;
    if (mine) {
        memcpy(notice, sink->notice, PS_NOTICE_MAX);
    }
    pthread_mutex_unlock(&sink->lock);
    return mine;
}
