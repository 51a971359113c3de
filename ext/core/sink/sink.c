/* SPDX-License-Identifier: MIT */
/* The side of the sink that other threads call. emit takes no lock: it looks
 * at one word of a page that fork wipes, reserves, copies, commits. All that
 * is slow (making the ring, starting the thread) happens once per process, on
 * the first event.
 *
 * The ring's memory stays mapped until the last reference is gone: a thread
 * that is in the middle of emit while another one closes the sink finds the
 * ring sealed, not gone. */
#include "sink/sink.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ring/file.h"
#include "ring/totals.h"
#include "sink/drain.h"
#include "sink/state.h"
#include "sink/thread.h"

/* ---- making ------------------------------------------------------------ */

static hr_status
check(const hr_sink_settings *settings, const char **why)
{
    const int64_t longest = HR_WAIT_MAX_S * INT64_C(1000) * HR_CLOCK_NS_PER_MS;
    double reserved = 0;
    *why = NULL;
    for (size_t i = 0; i < settings->reserve_count; i++) {
        const hr_sink_reserve *reserve = &settings->reserves[i];
        if (reserve->kind.len == 0 || reserve->kind.len > HR_KIND_MAX) {
            *why = "reserve: a kind has 1 to 64 bytes";
        } else if (!(reserve->part > 0 && reserve->part < 1)) {
            *why = "reserve: a part is above 0 and below 1";
        }
        reserved += reserve->part;
    }
    if (*why != NULL) {
        return HR_SETTING;
    }
    if (settings->reserve_count > HR_RING_RESERVES_MAX || reserved >= 1) {
        *why = "reserve: at most 8 kinds, all parts together below 1";
    } else if (settings->ring_bytes < HR_RING_BYTES_MIN ||
               settings->ring_bytes > HR_RING_BYTES_TOP) {
        *why = "ring_bytes: from 64 KiB to 1 GiB";
    } else if (settings->batch == 0 || settings->batch > HR_BATCH_MAX) {
        *why = "batch: from 1 to 4096 events";
    } else if (settings->linger_ns < 0 ||
               settings->linger_ns > INT64_C(60000) * HR_CLOCK_NS_PER_MS) {
        *why = "linger: from 0 to 60 seconds";
    } else if (settings->reconnect_first_ns < 0 ||
               settings->reconnect_longest_ns < settings->reconnect_first_ns ||
               settings->reconnect_longest_ns > longest) {
        *why = "reconnect: the first wait is above 0, the longest not below, "
               "up to a year";
    } else if (settings->max_age_ms < 0 ||
               settings->max_age_ms > longest / HR_CLOCK_NS_PER_MS) {
        *why = "max_age: seconds above 0, up to a year, or None";
    } else if (!(settings->sample > 0 && settings->sample <= 1)) {
        *why = "sample: above 0, up to 1";
    }
    return *why == NULL ? HR_OK : HR_SETTING;
}

hr_status
hr_sink_new(const hr_sink_settings *settings, hr_sink **sink, const char **why)
{
    hr_status status = check(settings, why);
    return status == HR_OK ? hr_sink_state_new(settings, sink) : status;
}

void
hr_sink_release(hr_sink *sink)
{
    hr_sink_state_release(sink);
}

/* ---- starting ---------------------------------------------------------- */

/* Under `lock`. The thread takes no signal: they are Python's. */
static hr_status
start_thread(hr_sink *sink)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (sink->wake.fd < 0 && hr_wake_init(&sink->wake) != HR_OK) {
        return HR_SYSTEM;
    }
    if (pthread_attr_init(&attributes) != 0) {
        return HR_NO_MEMORY;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, HR_SINK_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&sink->references, 1);
    sink->running = true;
    int error = pthread_create(&thread, &attributes, hr_sink_thread, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        sink->running = false;
        atomic_fetch_sub(&sink->references, 1);
        errno = error;
        return HR_SYSTEM;
    }
    return HR_OK;
}

/* Under `lock`. Makes sure of the thread, at most one try a second. */
static void
ensure_thread(hr_sink *sink)
{
    int64_t now = hr_clock_steady_ns();
    if (sink->running || !sink->settings.threaded || now < sink->retry_at_ns) {
        return;
    }
    atomic_store(&sink->wake.stop, false);
    if (start_thread(sink) == HR_OK) {
        atomic_store(&sink->thread_state, HR_SINK_THREAD_AWAKE);
        return;
    }
    atomic_store(&sink->thread_state, HR_SINK_THREAD_MISSING);
    sink->retry_at_ns = now + (int64_t)HR_SINK_RETRY_MS * HR_CLOCK_NS_PER_MS;
    snprintf(sink->report.detail, sizeof(sink->report.detail),
             "the sink thread cannot be started: %s", strerror(errno));
}

static const char EXPOSED[] =
    "the ring is anonymous memory, so a kill loses the events in it: ring_dir "
    "(by default /dev/shm) cannot be written, or the headrace folder in it "
    "is not this user's own with mode 0700";

/* Under `lock`. Is there no ring file although one was asked for? */
static bool
is_exposed(const hr_sink *sink)
{
    return sink->ring.path[0] == '\0' &&
           (sink->ring_dir == NULL || sink->ring_dir[0] != '\0');
}

/* The first event of this process. */
static hr_status
start(hr_sink *sink)
{
    hr_status status = HR_OK;
    pthread_mutex_lock(&sink->lock);
    if (sink->closed) {
        status = HR_CLOSED;
    } else if (atomic_load(&sink->page->up) == 0) {
        int64_t now = hr_clock_steady_ns();
        status = HR_NO_MEMORY;
        if (now >= sink->retry_at_ns) {
            status = hr_ring_file_create(&sink->ring, sink->ring_dir,
                                         sink->target_name, sink->ring_bytes);
        }
        if (status == HR_OK) {
            hr_ring_header *header = sink->ring.header;
            hr_ring_counters_move(hr_ring_header_counters(header),
                                  hr_ring_header_counters(sink->own));
            hr_ring_header_beacon *beacon = hr_ring_header_beacon_of(header);
            snprintf(beacon->identity, sizeof(beacon->identity), "%s",
                     sink->identity);
            atomic_store(&beacon->state, HR_SINK_CONNECTING);
            atomic_store(&sink->state, HR_SINK_CONNECTING);
            atomic_store(&sink->page->header, header);
            atomic_store_explicit(&sink->page->up, 1, memory_order_release);
            sink->retry_at_ns = 0;
            ensure_thread(sink);
        } else if (now >= sink->retry_at_ns) {
            sink->retry_at_ns =
                now + (int64_t)HR_SINK_RETRY_MS * HR_CLOCK_NS_PER_MS;
        }
    }
    const char *greeting = NULL;
    if (status == HR_OK && !sink->greeted) {
        sink->greeted = true;
        greeting = sink->greeting != NULL ? sink->greeting
                   : is_exposed(sink)     ? EXPOSED
                                          : NULL;
    }
    pthread_mutex_unlock(&sink->lock);
    if (greeting != NULL) {
        hr_sink_state_notify(sink, true, "%s", greeting);
    }
    return status;
}

/* ---- emit -------------------------------------------------------------- */

static inline bool
is_up(const hr_sink *sink)
{
    return atomic_load_explicit(&sink->page->up, memory_order_acquire) != 0;
}

hr_ring_counters *
hr_sink_stats(hr_sink *sink)
{
    return hr_sink_state_counters(sink);
}

hr_ring_metrics *
hr_sink_metrics(hr_sink *sink)
{
    if (__builtin_expect(!is_up(sink), 0) && start(sink) != HR_OK) {
        return NULL;
    }
    return hr_ring_header_metrics(hr_sink_state_header(sink));
}

void
hr_sink_refuse(hr_sink *sink, hr_status reason)
{
    hr_ring_counters_refused(hr_sink_state_counters(sink), reason);
}

static uint64_t
limit_of(const hr_sink *sink, hr_span kind)
{
    for (size_t i = 0; i < sink->limit_count; i++) {
        if (hr_span_equal(sink->limits[i].kind, kind)) {
            return sink->limits[i].units;
        }
    }
    return sink->units;
}

/* Kept? By splitmix64 of a counter: even, and no state but the counter. */
static bool
is_sampled(hr_sink *sink)
{
    uint64_t z =
        atomic_fetch_add_explicit(&sink->sampled, 1, memory_order_relaxed) *
            UINT64_C(0x9E3779B97F4A7C15) +
        hr_ring_header_label_of(sink->ring.header)->secret;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) < sink->sample_below;
}

/* The thread sleeps, or is missing. */
static void
rouse(hr_sink *sink, int state)
{
    if (state == HR_SINK_THREAD_MISSING) {
        pthread_mutex_lock(&sink->lock);
        ensure_thread(sink);
        pthread_mutex_unlock(&sink->lock);
    } else if (atomic_compare_exchange_strong(&sink->thread_state, &state,
                                              HR_SINK_THREAD_AWAKE)) {
        hr_wake_call(&sink->wake);
    }
}

/* Takes turns with other threads that deliver in the thread's place. */
static void
begin_turn(hr_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    while (sink->delivering && hr_sink_state_wait(sink, INT64_MAX)) {
    }
    sink->delivering = true;
    pthread_mutex_unlock(&sink->lock);
}

static void
end_turn(hr_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->delivering = false;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

/* Delivers on this thread; for sinks without one of their own. */
static void
drain(hr_sink *sink)
{
    begin_turn(sink);
    hr_sink_drain_all(sink);
    end_turn(sink);
}

void
hr_sink_inspect(hr_sink *sink,
                void (*look)(const hr_sink_target *target, void *context),
                void *context)
{
    begin_turn(sink);
    look(sink->target, context);
    end_turn(sink);
}

static hr_status
reserve(hr_sink *sink, hr_span kind, size_t size, uint64_t *position,
        char **record)
{
    uint64_t limit =
        sink->limit_count != 0 ? limit_of(sink, kind) : sink->units;
    hr_status status =
        hr_ring_reserve(&sink->ring, size, limit, position, record);
    if (status == HR_FULL && !sink->settings.threaded) {
        drain(sink);
        status = hr_ring_reserve(&sink->ring, size, limit, position, record);
    }
    return status;
}

/* The written record becomes an event. */
static inline void
settle(hr_sink *sink, uint64_t position, char *record, size_t size)
{
    /* Counted before it can be seen: nobody reads more settled events than
     * accepted ones. */
    hr_ring_counters_raise(
        &hr_ring_header_counters(sink->ring.header)->accepted, 1);
    hr_ring_commit(&sink->ring, position, record, size);
    /* Either the thread saw our reservation before it slept, or we see that
     * it sleeps: see sleep_deeply. */
    int state =
        atomic_load_explicit(&sink->thread_state, memory_order_seq_cst);
    if (__builtin_expect(state >= HR_SINK_THREAD_DEEP_IDLE, 0)) {
        rouse(sink, state);
    }
}

/* Adds the field `sample` where the sink keeps only some events. SAMPLED:
 * this one is not kept. */
static hr_status
add_sample(hr_sink *sink, hr_ring_event_body *body)
{
    if (!is_sampled(sink)) {
        return HR_SAMPLED;
    }
    hr_ring_event_body_add(
        body, HR_SPAN("sample"),
        (hr_span){sink->sample_text, strlen(sink->sample_text)});
    return HR_OK;
}

static hr_status
put(hr_sink *sink, hr_span kind, hr_ring_event_body *body, uint32_t flags)
{
    uint64_t position;
    char *record;
    hr_status status = hr_ring_event_body_finish(body, kind);
    if (status != HR_OK) {
        return status;
    }
    size_t size = hr_ring_event_size(kind, body);
    status = reserve(sink, kind, size, &position, &record);
    if (status != HR_OK) {
        return status;
    }
    hr_ring_event_write(record, kind, body, hr_clock_wall_ms(), flags);
    settle(sink, position, record, size);
    return HR_OK;
}

hr_status
hr_sink_emit(hr_sink *sink, hr_span kind, hr_ring_event_body *body,
             uint32_t flags)
{
    hr_status status = HR_OK;
    if (__builtin_expect(!is_up(sink), 0)) {
        status = start(sink);
    }
    if (status == HR_OK && sink->sample_text[0] != '\0') {
        status = add_sample(sink, body);
    }
    if (status == HR_OK) {
        status = put(sink, kind, body, flags);
    }
    if (__builtin_expect(status != HR_OK, 0)) {
        hr_sink_refuse(sink, status);
    }
    return status;
}

/* ---- flush and close --------------------------------------------------- */

/* Waits until the tail has reached `position`. */
static uint64_t
flush_to(hr_sink *sink, uint64_t position, int64_t deadline_ns)
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
            hr_wake_call(&sink->wake);
        }
        while (hr_ring_tail(&sink->ring) < position && sink->running &&
               hr_sink_state_wait(sink, deadline_ns)) {
        }
        pthread_mutex_unlock(&sink->lock);
    }
    return hr_ring_tail(&sink->ring) >= position
               ? 0
               : hr_ring_counters_pending(hr_sink_state_counters(sink));
}

uint64_t
hr_sink_flush(hr_sink *sink, int64_t deadline_ns)
{
    if (!is_up(sink)) {
        return 0;
    }
    return flush_to(sink, hr_ring_head(&sink->ring), deadline_ns);
}

/* The thread leaves within HR_SINK_PARK_MS, or is left behind. */
static bool
park(hr_sink *sink)
{
    int64_t deadline =
        hr_clock_steady_ns() + (int64_t)HR_SINK_PARK_MS * HR_CLOCK_NS_PER_MS;
    pthread_mutex_lock(&sink->lock);
    atomic_store(&sink->wake.stop, true);
    if (sink->running) {
        hr_wake_call(&sink->wake);
    }
    while (sink->running && hr_sink_state_wait(sink, deadline)) {
    }
    bool parked = !sink->running;
    pthread_mutex_unlock(&sink->lock);
    return parked;
}

uint64_t
hr_sink_close(hr_sink *sink, int64_t deadline_ns)
{
    uint64_t pending = 0;
    pthread_mutex_lock(&sink->lock);
    bool first = !sink->closed;
    sink->closed = true;
    pthread_mutex_unlock(&sink->lock);
    if (first && is_up(sink)) {
        uint64_t end = hr_ring_seal(&sink->ring);
        pending = flush_to(sink, end, deadline_ns);
        bool parked = park(sink);
        atomic_store(&sink->page->up, 0);
        /* A thread that would not stop keeps its ring: the lock goes when
         * the process does. */
        if (parked && hr_ring_tail(&sink->ring) >= end) {
            hr_ring_totals_retire(sink->ring_dir, &sink->ring);
        } else if (parked) {
            hr_ring_file_abandon(&sink->ring, false);
        }
    }
    atomic_store(&sink->state, HR_SINK_CLOSED);
    return pending;
}

bool
hr_sink_is_closed(const hr_sink *sink)
{
    return atomic_load(&sink->state) == HR_SINK_CLOSED;
}

/* ---- what it tells ----------------------------------------------------- */

void
hr_sink_describe(hr_sink *sink, hr_sink_report *report)
{
    memset(report, 0, sizeof(*report));
    pthread_mutex_lock(&sink->lock);
    report->target = sink->report;
    memcpy(report->producer,
           hr_ring_header_producer(hr_sink_state_header(sink)).ptr,
           HR_RING_PRODUCER_SIZE);
    if (atomic_load(&sink->page->header) != NULL) {
        const hr_ring *ring = &sink->ring;
        memcpy(report->ring_path, ring->path, sizeof(report->ring_path));
        report->survives_kill = ring->path[0] != '\0';
        report->ring_bytes = ring->units * 8;
        uint64_t tail = hr_ring_tail(ring);
        report->ring_used = (hr_ring_head(ring) - tail) * 8;
    }
    pthread_mutex_unlock(&sink->lock);
    memcpy(report->target_name, sink->target_name, HR_RING_PRODUCER_SIZE);
    report->state = (hr_sink_phase)atomic_load(&sink->state);
    report->error = (hr_status)atomic_load(&sink->error);
    report->failures = atomic_load(&sink->failures);
}

const char *
hr_sink_ring_dir(const hr_sink *sink)
{
    return sink->ring_dir;
}

hr_status
hr_sink_totals(hr_sink *sink, hr_ring_counters *sum, size_t *rings,
               hr_ring_metrics *metrics)
{
    return hr_ring_totals_read(sink->ring_dir, sink->target_name, sum, rings,
                               metrics);
}

bool
hr_sink_take_notice(hr_sink *sink, char notice[HR_NOTICE_MAX])
{
    if (atomic_load_explicit(&sink->notice_ready, memory_order_relaxed) == 0) {
        return false;
    }
    pthread_mutex_lock(&sink->lock);
    bool mine = atomic_exchange(&sink->notice_ready, 0) != 0;
    if (mine) {
        memcpy(notice, sink->notice, HR_NOTICE_MAX);
    }
    pthread_mutex_unlock(&sink->lock);
    return mine;
}
