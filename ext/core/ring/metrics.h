/* SPDX-License-Identifier: MIT */
/* How often and how long, by name: requests by route, queries by database,
 * look-ups by cache, tasks by name. One table of a fixed size in the ring's
 * header; every counter in it only ever grows.
 *
 *   name -> hash -> slot[hash % slots], the next one, ... -> one series
 *
 * Names that come when the table is full are counted under `other`, one
 * series for each kind and outcome: the sum stays exact. */
#ifndef HR_RING_METRICS_H
#define HR_RING_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/span.h"

#define HR_RING_METRICS_KINDS(X) \
    X(REQUEST, "request")        \
    X(DATABASE, "database")      \
    X(CACHE, "cache")            \
    X(TASK, "task")

typedef enum hr_ring_metrics_kind {
#define X(name, word) HR_RING_METRICS_KIND_##name,
    HR_RING_METRICS_KINDS(X)
#undef X
        HR_RING_METRICS_KIND_KIND_COUNT
} hr_ring_metrics_kind;

#define HR_RING_METRICS_OUTCOMES(X) \
    X(NONE, "")                     \
    X(1XX, "1xx")                   \
    X(2XX, "2xx")                   \
    X(3XX, "3xx")                   \
    X(4XX, "4xx")                   \
    X(5XX, "5xx")                   \
    X(HIT, "hit")                   \
    X(MISS, "miss")                 \
    X(SUCCESS, "success")           \
    X(FAILURE, "failure")

typedef enum hr_ring_metrics_outcome {
#define X(name, word) HR_RING_METRICS_OUTCOME_##name,
    HR_RING_METRICS_OUTCOMES(X)
#undef X
        HR_RING_METRICS_OUTCOME_COUNT
} hr_ring_metrics_outcome;

/* Methods that are told apart; "other" is any other one. */
#define HR_RING_METRICS_METHODS(X) \
    X(NONE, "")                    \
    X(OTHER, "other")              \
    X(GET, "GET")                  \
    X(HEAD, "HEAD")                \
    X(POST, "POST")                \
    X(PUT, "PUT")                  \
    X(PATCH, "PATCH")              \
    X(DELETE, "DELETE")            \
    X(OPTIONS, "OPTIONS")

typedef enum hr_ring_metrics_method {
#define X(name, word) HR_RING_METRICS_METHOD_##name,
    HR_RING_METRICS_METHODS(X)
#undef X
        HR_RING_METRICS_METHOD_COUNT
} hr_ring_metrics_method;

/* Upper limits of the buckets in microseconds; one more takes the rest. */
#define HR_RING_METRICS_LIMITS                                              \
    1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, \
        2000000, 5000000, 10000000, 30000000
#define HR_RING_METRICS_BUCKETS 15

/* What is counted of one name. The name is written once, before `ready`. */
typedef struct hr_ring_metrics_series {
    _Atomic uint64_t key;   /* hash of the name; 0: free. By CAS */
    _Atomic uint32_t ready; /* release: the name is complete */
    uint8_t kind;
    uint8_t method;
    uint8_t outcome;
    uint8_t length;
    char name[HR_METRIC_NAME_MAX];
    _Atomic uint64_t sum_us;
    _Atomic uint64_t bucket[HR_RING_METRICS_BUCKETS];
} hr_ring_metrics_series;

typedef struct hr_ring_metrics {
    _Alignas(64) _Atomic uint64_t used; /* slots that have a name */
    _Alignas(64) hr_ring_metrics_series
        other[HR_RING_METRICS_KIND_KIND_COUNT][HR_RING_METRICS_OUTCOME_COUNT];
    hr_ring_metrics_series slot[HR_METRIC_SLOTS];
} hr_ring_metrics;

/* What names a series. A name over HR_METRIC_NAME_MAX is cut. */
typedef struct hr_ring_metrics_name {
    hr_ring_metrics_kind kind;
    hr_ring_metrics_method method; /* of a request; else NONE */
    hr_ring_metrics_outcome outcome;
    hr_span text; /* the route, or the name of what was asked */
} hr_ring_metrics_name;

/* Counts one of them, which took `us`. Any thread; never waits. */
void hr_ring_metrics_count(hr_ring_metrics *metrics,
                           const hr_ring_metrics_name *name, uint64_t us);

/* Adds every series of `from` to `into`, which nobody else is writing. `from`
 * may hold anything: what is not a series is left out. */
void hr_ring_metrics_add(hr_ring_metrics *into, const hr_ring_metrics *from);

/* Calls `see` for each series that was counted, `other` ones with the name
 * "other". `see` answers false to end. `metrics` may hold anything. */
void hr_ring_metrics_each(const hr_ring_metrics *metrics,
                          bool (*see)(const hr_ring_metrics_name *name,
                                      const hr_ring_metrics_series *series,
                                      void *context),
                          void *context);

/* The method of that name, and the class of a status; NONE for no status. */
hr_ring_metrics_method hr_ring_metrics_method_of(hr_span method);
hr_ring_metrics_outcome hr_ring_metrics_class_of(int status);

#endif
