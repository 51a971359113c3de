/* SPDX-License-Identifier: MIT */
/* Making and unmaking, what is left in a forked child (the settings, nothing
 * else), and what is told from one thread to another. */
#include "sink/state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ring/file.h"

/* ---- fork -------------------------------------------------------------- */

static void
init_lock(hr_sink *sink)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sink->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* In the child: the events, the connection and the thread are the parent's.
 * Nobody else runs here, so the lock is simply made anew. */
static void
forget(void *context)
{
    hr_sink *sink = context;
    atomic_store(&sink->page->up, 0);
    atomic_store(&sink->page->header, NULL);
    hr_ring_file_forget(&sink->ring);
    hr_ring_file_forget(&sink->adopted);
    sink->target->ops->forget(sink->target);
    hr_wake_forget(&sink->wake);
    hr_ring_batch_reset(&sink->batch);
    hr_ring_batch_reset(&sink->adopted_batch);
    if (sink->running) {
        atomic_fetch_sub(&sink->references, 1);
    }
    sink->running = false;
    sink->delivering = false;
    sink->waiters = 0;
    sink->retry_at_ns = 0;
    sink->adopt_at_ns = 0;
    init_lock(sink);
    atomic_store(&sink->thread_state, HR_SINK_THREAD_AWAKE);
    atomic_store(&sink->notice_ready, 0);
    atomic_store(&sink->flush_to, 0);
    atomic_store(&sink->failures, 0);
    atomic_store(&sink->error, HR_OK);
    atomic_store(&sink->state, sink->closed ? HR_SINK_CLOSED : HR_SINK_IDLE);
}

/* ---- making and unmaking ----------------------------------------------- */

static void
free_sink(hr_sink *sink)
{
    if (sink->fork.forget != NULL) {
        hr_fork_guard_unregister(&sink->fork);
    }
    if (sink->page != NULL && atomic_load(&sink->page->header) != NULL) {
        hr_ring_file_unmap(&sink->ring);
    }
    hr_wake_fini(&sink->wake);
    hr_ring_batch_fini(&sink->batch);
    hr_ring_batch_fini(&sink->adopted_batch);
    for (size_t i = 0; i < sink->limit_count; i++) {
        hr_alloc_free((void *)(uintptr_t)sink->limits[i].kind.ptr);
    }
    hr_alloc_free(sink->ring_dir);
    hr_alloc_free(sink->identity);
    hr_alloc_free(sink->greeting);
    hr_ring_header_free(sink->own, 0);
    hr_fork_guard_page_free(sink->page, sizeof(*sink->page));
    if (sink->target != NULL) {
        sink->target->ops->free(sink->target);
    }
    pthread_cond_destroy(&sink->changed);
    pthread_mutex_destroy(&sink->lock);
    hr_alloc_free(sink);
}

static hr_status
make_limits(hr_sink *sink, const hr_sink_settings *settings)
{
    double units = (double)(sink->ring_bytes / 8);
    double reserved = 0;
    for (size_t i = 0; i < settings->reserve_count; i++) {
        reserved += settings->reserves[i].part;
    }
    sink->units = (uint64_t)(units * (1 - reserved));
    for (size_t i = 0; i < settings->reserve_count; i++) {
        char *kind = hr_alloc_copy(settings->reserves[i].kind);
        if (kind == NULL) {
            return HR_NO_MEMORY;
        }
        double part = 1 - reserved + settings->reserves[i].part;
        sink->limits[sink->limit_count++] = (hr_sink_state_limit){
            {kind, settings->reserves[i].kind.len}, (uint64_t)(units * part)};
    }
    return HR_OK;
}

static void
make_sample(hr_sink *sink, double sample)
{
    sink->sample_below = UINT64_MAX;
    if (sample < 1) {
        sink->sample_below = (uint64_t)ldexp(sample, 64);
        snprintf(sink->sample_text, sizeof(sink->sample_text), "%.6g", sample);
    }
}

/* A copy, or NULL where there is nothing. False: no memory. */
static bool
copy(hr_span text, char **out)
{
    *out = text.ptr != NULL ? hr_alloc_copy(text) : NULL;
    return (*out != NULL) == (text.ptr != NULL);
}

hr_status
hr_sink_state_new(const hr_sink_settings *settings, hr_sink **sink)
{
    hr_sink *made = hr_alloc_zeroed(1, sizeof(*made));
    if (made == NULL) {
        return HR_NO_MEMORY;
    }
    init_lock(made);
    made->settings = *settings;
    if (settings->reconnect_longest_ns == 0) {
        made->settings.reconnect_first_ns = 100 * HR_CLOCK_NS_PER_MS;
        made->settings.reconnect_longest_ns =
            INT64_C(10000) * HR_CLOCK_NS_PER_MS;
    }
    made->ring.fd = made->adopted.fd = made->wake.fd = -1;
    atomic_store(&made->references, 1);
    made->ring_bytes = HR_RING_BYTES_MIN;
    while (made->ring_bytes * 2 <= settings->ring_bytes) {
        made->ring_bytes *= 2;
    }
    hr_ring_file_target(settings->identity, made->target_name);
    make_sample(made, settings->sample);
    made->random = (uint64_t)hr_clock_steady_ns();
    made->page = hr_fork_guard_page_new(sizeof(*made->page), NULL);
    made->own = hr_ring_header_new(-1, 0);
    hr_status status = made->page != NULL ? HR_NO_MEMORY : HR_SYSTEM;
    if (made->page != NULL && made->own != NULL &&
        copy(settings->identity, &made->identity) &&
        copy(settings->ring_dir, &made->ring_dir) &&
        copy(settings->greeting, &made->greeting) &&
        make_limits(made, settings) == HR_OK &&
        hr_ring_batch_init(&made->batch, settings->batch) == HR_OK &&
        hr_ring_batch_init(&made->adopted_batch, settings->batch) == HR_OK) {
        made->fork = (hr_fork_guard_entry){.forget = forget, .context = made};
        status = hr_fork_guard_register(&made->fork);
        if (status != HR_OK) {
            made->fork.forget = NULL;
        }
    }
    if (status != HR_OK) {
        free_sink(made);
        return status;
    }
    made->target = settings->target;
    *sink = made;
    return HR_OK;
}

void
hr_sink_state_release(hr_sink *sink)
{
    if (sink != NULL && atomic_fetch_sub(&sink->references, 1) == 1) {
        free_sink(sink);
    }
}

/* ---- from thread to thread ---------------------------------------------- */

bool
hr_sink_state_wait(hr_sink *sink, int64_t deadline_ns)
{
    struct timespec deadline = {deadline_ns / 1000000000,
                                deadline_ns % 1000000000};
    if (hr_clock_steady_ns() >= deadline_ns) {
        return false;
    }
    sink->waiters++;
    pthread_cond_timedwait(&sink->changed, &sink->lock, &deadline);
    sink->waiters--;
    return true;
}

void
hr_sink_state_announce(hr_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    if (sink->waiters != 0) {
        pthread_cond_broadcast(&sink->changed);
    }
    pthread_mutex_unlock(&sink->lock);
}

void
hr_sink_state_notify(hr_sink *sink, bool always, const char *format, ...)
{
    int64_t now = hr_clock_steady_ns();
    pthread_mutex_lock(&sink->lock);
    if (always || sink->noticed_ns == 0 ||
        now - sink->noticed_ns >=
            (int64_t)HR_SINK_NOTICE_MS * HR_CLOCK_NS_PER_MS) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(sink->notice, sizeof(sink->notice), format, arguments);
        va_end(arguments);
        sink->noticed_ns = always ? sink->noticed_ns : now;
        atomic_store(&sink->notice_ready, 1);
    }
    pthread_mutex_unlock(&sink->lock);
}
