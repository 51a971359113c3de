/* SPDX-License-Identifier: MIT */
/* A slot goes from free to claimed (its key, by CAS) to ready (its name is
 * there), and never back. Whoever finds a name claimed but not ready, which
 * takes two threads at its first use, counts under `other` rather than wait.
 * A slot that its process died over stays claimed, and is no series. */
#include "ring/metrics.h"

#include <string.h>

_Static_assert(sizeof(hr_ring_metrics_series) % 64 == 0,
               "a series begins on a line of its own");
_Static_assert((HR_METRIC_SLOTS & (HR_METRIC_SLOTS - 1)) == 0,
               "slots are found by a mask");
_Static_assert(HR_METRIC_NAME_MAX <= UINT8_MAX, "its length is one byte");

static const uint64_t LIMITS[HR_RING_METRICS_BUCKETS - 1] = {
    HR_RING_METRICS_LIMITS};
static const hr_span OTHER = {"other", 5};

static void
count(_Atomic uint64_t *counter, uint64_t times)
{
    atomic_fetch_add_explicit(counter, times, memory_order_relaxed);
}

/* Of names that the site chose, never of a client's: no seed. Never 0. */
static uint64_t
hash(const hr_ring_metrics_name *name)
{
    const uint64_t mix = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t h = (uint64_t)name->kind << 16 | (uint64_t)name->method << 8 |
                 (uint64_t)name->outcome;
    const char *at = name->text.ptr;
    size_t left = name->text.len;
    h = (h ^ left << 32) * mix;
    while (left != 0) {
        uint64_t word = 0;
        size_t part = left < 8 ? left : 8;
        memcpy(&word, at, part);
        h = (h ^ h >> 29 ^ word) * mix;
        at += part;
        left -= part;
    }
    h ^= h >> 32;
    return h != 0 ? h : 1;
}

static bool
is_named(const hr_ring_metrics_series *series,
         const hr_ring_metrics_name *name)
{
    return series->length == name->text.len && series->kind == name->kind &&
           series->method == name->method &&
           series->outcome == name->outcome &&
           (name->text.len == 0 ||
            memcmp(series->name, name->text.ptr, name->text.len) == 0);
}

static void
set_name(hr_ring_metrics_series *series, const hr_ring_metrics_name *name)
{
    series->kind = (uint8_t)name->kind;
    series->method = (uint8_t)name->method;
    series->outcome = (uint8_t)name->outcome;
    series->length = (uint8_t)name->text.len;
    if (name->text.len != 0) {
        memcpy(series->name, name->text.ptr, name->text.len);
    }
    atomic_store_explicit(&series->ready, 1, memory_order_release);
}

/* The series of that name, made when there are fewer than `limit`. */
static hr_ring_metrics_series *
find(hr_ring_metrics *metrics, const hr_ring_metrics_name *name,
     uint64_t limit)
{
    uint64_t key = hash(name);
    for (uint64_t step = 0; step < HR_METRIC_SLOTS; step++) {
        hr_ring_metrics_series *series =
            &metrics->slot[(key + step) & (HR_METRIC_SLOTS - 1)];
        uint64_t found =
            atomic_load_explicit(&series->key, memory_order_acquire);
        if (found == 0) {
            if (atomic_load_explicit(&metrics->used, memory_order_relaxed) >=
                limit) {
                break;
            }
            if (atomic_compare_exchange_strong(&series->key, &found, key)) {
                count(&metrics->used, 1);
                set_name(series, name);
                return series;
            }
        }
        if (found == key) {
            if (atomic_load_explicit(&series->ready, memory_order_acquire) ==
                0) {
                break;
            }
            if (is_named(series, name)) {
                return series;
            }
        }
    }
    return &metrics->other[name->kind][name->outcome];
}

void
hr_ring_metrics_count(hr_ring_metrics *metrics,
                      const hr_ring_metrics_name *name, uint64_t us)
{
    hr_ring_metrics_name cut = *name;
    if (cut.text.len > HR_METRIC_NAME_MAX) {
        cut.text.len = HR_METRIC_NAME_MAX;
    }
    hr_ring_metrics_series *series = find(metrics, &cut, HR_METRIC_SERIES_MAX);
    size_t bucket = 0;
    while (bucket < HR_RING_METRICS_BUCKETS - 1 && us > LIMITS[bucket]) {
        bucket++;
    }
    count(&series->bucket[bucket], 1);
    count(&series->sum_us, us);
}

static void
add_counters(hr_ring_metrics_series *into, const hr_ring_metrics_series *from)
{
    count(&into->sum_us,
          atomic_load_explicit(&from->sum_us, memory_order_relaxed));
    for (size_t i = 0; i < HR_RING_METRICS_BUCKETS; i++) {
        count(&into->bucket[i],
              atomic_load_explicit(&from->bucket[i], memory_order_relaxed));
    }
}

static bool
add_series(const hr_ring_metrics_name *name,
           const hr_ring_metrics_series *series, void *context)
{
    hr_ring_metrics *into = context;
    bool is_other = series->length == 0 && hr_span_equal(name->text, OTHER);
    add_counters(is_other ? &into->other[name->kind][name->outcome]
                          : find(into, name, HR_METRIC_SLOTS - 64),
                 series);
    return true;
}

void
hr_ring_metrics_add(hr_ring_metrics *into, const hr_ring_metrics *from)
{
    hr_ring_metrics_each(from, add_series, into);
}

static bool
was_counted(const hr_ring_metrics_series *series)
{
    for (size_t i = 0; i < HR_RING_METRICS_BUCKETS; i++) {
        if (atomic_load_explicit(&series->bucket[i], memory_order_relaxed) !=
            0) {
            return true;
        }
    }
    return false;
}

static bool
is_series(const hr_ring_metrics_series *series)
{
    return atomic_load_explicit(&series->key, memory_order_acquire) != 0 &&
           atomic_load_explicit(&series->ready, memory_order_acquire) == 1 &&
           series->kind < HR_RING_METRICS_KIND_KIND_COUNT &&
           series->method < HR_RING_METRICS_METHOD_COUNT &&
           series->outcome < HR_RING_METRICS_OUTCOME_COUNT &&
           series->length <= HR_METRIC_NAME_MAX && was_counted(series);
}

void
hr_ring_metrics_each(const hr_ring_metrics *metrics,
                     bool (*see)(const hr_ring_metrics_name *name,
                                 const hr_ring_metrics_series *series,
                                 void *context),
                     void *context)
{
    for (size_t i = 0; i < HR_METRIC_SLOTS; i++) {
        const hr_ring_metrics_series *series = &metrics->slot[i];
        if (!is_series(series)) {
            continue;
        }
        hr_ring_metrics_name name = {
            .kind = (hr_ring_metrics_kind)series->kind,
            .method = (hr_ring_metrics_method)series->method,
            .outcome = (hr_ring_metrics_outcome)series->outcome,
            .text = {series->name, series->length},
        };
        if (!see(&name, series, context)) {
            return;
        }
    }
    for (int kind = 0; kind < HR_RING_METRICS_KIND_KIND_COUNT; kind++) {
        for (int outcome = 0; outcome < HR_RING_METRICS_OUTCOME_COUNT;
             outcome++) {
            const hr_ring_metrics_series *series =
                &metrics->other[kind][outcome];
            hr_ring_metrics_name name = {
                .kind = (hr_ring_metrics_kind)kind,
                .method = kind == HR_RING_METRICS_KIND_REQUEST
                              ? HR_RING_METRICS_METHOD_OTHER
                              : HR_RING_METRICS_METHOD_NONE,
                .outcome = (hr_ring_metrics_outcome)outcome,
                .text = OTHER,
            };
            if (was_counted(series) && !see(&name, series, context)) {
                return;
            }
        }
    }
}

hr_ring_metrics_method
hr_ring_metrics_method_of(hr_span method)
{
    static const hr_span WORDS[] = {
#define X(name, word) {word, sizeof(word) - 1},
        HR_RING_METRICS_METHODS(X)
#undef X
    };
    for (int i = HR_RING_METRICS_METHOD_GET; i < HR_RING_METRICS_METHOD_COUNT;
         i++) {
        if (hr_span_equal(method, WORDS[i])) {
            return (hr_ring_metrics_method)i;
        }
    }
    return HR_RING_METRICS_METHOD_OTHER;
}

hr_ring_metrics_outcome
hr_ring_metrics_class_of(int status)
{
    return status >= 100 && status < 600
               ? (hr_ring_metrics_outcome)(HR_RING_METRICS_OUTCOME_1XX +
                                           status / 100 - 1)
               : HR_RING_METRICS_OUTCOME_NONE;
}
