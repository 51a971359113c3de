/* SPDX-License-Identifier: MIT */
/* Making, sharing and unmaking a sink, and what is left of it in a forked
 * child: its settings, nothing else. */
#include "sink/private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ring/file.h"

#define NS_PER_MS 1000000

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
    atomic_store(&sink->page->mapped, 0);
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
    init_lock(sink);
    atomic_store(&sink->thread_state, HR_SINK_THREAD_AWAKE);
    atomic_store(&sink->notice_ready, 0);
    atomic_store(&sink->flush_to, 0);
    atomic_store(&sink->failures, 0);
    atomic_store(&sink->error, HR_OK);
    atomic_store(&sink->state, sink->closed ? HR_SINK_CLOSED : HR_SINK_IDLE);
    memset((void *)sink->own_stats, 0, sizeof(*sink->own_stats));
}

/* ---- making and unmaking ----------------------------------------------- */

static hr_status
check(const hr_sink_settings *settings, const char **why)
{
    double reserved = 0;
    for (size_t i = 0; i < settings->reserve_count; i++) {
        double part = settings->reserves[i].part;
        if (!(part > 0 && part < 1)) {
            *why = "reserve: a part is above 0 and below 1";
            return HR_SETTING;
        }
        reserved += part;
    }
    *why = NULL;
    if (settings->reserve_count > HR_RING_RESERVES_MAX || reserved >= 1) {
        *why = "reserve: at most 8 kinds, all parts together below 1";
    } else if (settings->ring_bytes < HR_RING_BYTES_MIN ||
               settings->ring_bytes > HR_RING_BYTES_TOP) {
        *why = "ring_bytes: from 64 KiB to 1 GiB";
    } else if (settings->batch == 0 || settings->batch > HR_BATCH_MAX) {
        *why = "batch: from 1 to 4096 events";
    } else if (settings->linger_ns < 0 ||
               settings->linger_ns > INT64_C(60000000000)) {
        *why = "linger: from 0 to 60 seconds";
    } else if (settings->reconnect_first_ns < 0 ||
               settings->reconnect_longest_ns < settings->reconnect_first_ns) {
        *why = "reconnect: the first wait is above 0, the longest not below";
    } else if (settings->max_age_ms < 0) {
        *why = "max_age: seconds above 0, or None";
    } else if (!(settings->sample > 0 && settings->sample <= 1)) {
        *why = "sample: above 0, up to 1";
    }
    return *why == NULL ? HR_OK : HR_SETTING;
}

static void
free_sink(hr_sink *sink)
{
    if (sink->fork.forget != NULL) {
        hr_fork_guard_unregister(&sink->fork);
    }
    if (sink->page != NULL && atomic_load(&sink->page->mapped) != 0) {
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
    hr_alloc_free(sink->own_stats_block);
    if (sink->page != NULL) {
        munmap(sink->page, sizeof(*sink->page));
    }
    if (sink->target != NULL) {
        sink->target->ops->free(sink->target);
    }
    pthread_cond_destroy(&sink->changed);
    pthread_mutex_destroy(&sink->lock);
    hr_alloc_free(sink);
}

static hr_status
make_page(hr_sink *sink)
{
    void *page = mmap(NULL, sizeof(hr_sink_page), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return HR_NO_MEMORY;
    }
    sink->page = page;
    return madvise(page, sizeof(hr_sink_page), MADV_WIPEONFORK) == 0
               ? HR_OK
               : HR_SYSTEM;
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
        sink->limits[sink->limit_count++] = (hr_sink_limit){
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

/* On a cache line of its own, as in a ring's header. */
static void
make_own_stats(hr_sink *sink)
{
    const size_t align = _Alignof(hr_ring_counters);
    sink->own_stats_block =
        hr_alloc_zeroed(1, sizeof(hr_ring_counters) + align);
    if (sink->own_stats_block != NULL) {
        uintptr_t at = (uintptr_t)sink->own_stats_block;
        sink->own_stats =
            (hr_ring_counters *)((at + align - 1) & ~(align - 1));
    }
}

hr_status
hr_sink_life_new(const hr_sink_settings *settings, hr_sink **sink,
                 const char **why)
{
    hr_status status = check(settings, why);
    if (status != HR_OK) {
        return status;
    }
    hr_sink *made = hr_alloc_zeroed(1, sizeof(*made));
    if (made == NULL) {
        return HR_NO_MEMORY;
    }
    init_lock(made);
    made->settings = *settings;
    if (settings->reconnect_longest_ns == 0) {
        made->settings.reconnect_first_ns = 100 * NS_PER_MS;
        made->settings.reconnect_longest_ns = INT64_C(10000) * NS_PER_MS;
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
    made->identity = hr_alloc_copy(settings->identity);
    make_own_stats(made);
    if (settings->ring_dir.ptr != NULL) {
        made->ring_dir = hr_alloc_copy(settings->ring_dir);
    }
    if (settings->greeting.ptr != NULL) {
        made->greeting = hr_alloc_copy(settings->greeting);
    }
    status = HR_NO_MEMORY;
    if (made->identity != NULL && made->own_stats != NULL &&
        (settings->greeting.ptr == NULL || made->greeting != NULL) &&
        (settings->ring_dir.ptr == NULL || made->ring_dir != NULL)) {
        status = make_page(made);
    }
    if (status == HR_OK) {
        status = make_limits(made, settings);
    }
    if (status == HR_OK) {
        status = hr_ring_batch_init(&made->batch, settings->batch);
    }
    if (status == HR_OK) {
        status = hr_ring_batch_init(&made->adopted_batch, settings->batch);
    }
    if (status == HR_OK) {
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

hr_sink *
hr_sink_life_retain(hr_sink *sink)
{
    atomic_fetch_add(&sink->references, 1);
    return sink;
}

void
hr_sink_life_release(hr_sink *sink)
{
    if (sink != NULL && atomic_fetch_sub(&sink->references, 1) == 1) {
        free_sink(sink);
    }
}
