/* SPDX-License-Identifier: MIT */
/* How often and how long, by name: requests by route, queries by database,
 * look-ups by cache, tasks by name. One table of a fixed size in the ring's
 * header; every counter in it only ever grows.
 *
 *   name -> hash -> slot[hash % slots], the next one, ... -> one series
 *
 * Names that come when the table is full are counted under `other`, one
 * series for each kind and outcome: the sum stays exact. */
#ifndef PS_METRICS_H
#define PS_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "span.h"

#define PS_METRIC_KINDS(X)  \
    X(REQUEST, "request")   \
    X(DATABASE, "database") \
    X(CACHE, "cache")       \
    X(TASK, "task")

typedef enum ps_metric_kind {
#define X(name, word) PS_METRIC_##name,
    PS_METRIC_KINDS(X)
#undef X
        PS_METRIC_KIND_COUNT
} ps_metric_kind;

#define PS_METRIC_OUTCOMES(X) \
    X(NONE, "")               \
    X(1XX, "1xx")             \
    X(2XX, "2xx")             \
    X(3XX, "3xx")             \
    X(4XX, "4xx")             \
    X(5XX, "5xx")             \
    X(HIT, "hit")             \
    X(MISS, "miss")           \
    X(SUCCESS, "success")     \
    X(FAILURE, "failure")

typedef enum ps_metric_outcome {
#define X(name, word) PS_OUTCOME_##name,
    PS_METRIC_OUTCOMES(X)
#undef X
        PS_OUTCOME_COUNT
} ps_metric_outcome;

/* Methods that are told apart; "other" is any other one. */
#define PS_METRIC_METHODS(X) \
    X(NONE, "")              \
    X(OTHER, "other")        \
    X(GET, "GET")            \
    X(HEAD, "HEAD")          \
    X(POST, "POST")          \
    X(PUT, "PUT")            \
    X(PATCH, "PATCH")        \
    X(DELETE, "DELETE")      \
    X(OPTIONS, "OPTIONS")

typedef enum ps_metric_method {
#define X(name, word) PS_METHOD_##name,
    PS_METRIC_METHODS(X)
#undef X
        PS_METHOD_COUNT
} ps_metric_method;

/* Upper limits of the buckets in microseconds; one more takes the rest. */
#define PS_METRIC_LIMITS                                                    \
    1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, \
        2000000, 5000000, 10000000, 30000000
#define PS_METRIC_BUCKETS 15

/* What is counted of one name. The name is written once, before `ready`. */
typedef struct ps_metrics_series {
    _Atomic uint64_t key;   /* hash of the name; 0: free. By CAS */
    _Atomic uint32_t ready; /* release: the name is complete */
    uint8_t kind;
    uint8_t method;
    uint8_t outcome;
    uint8_t length;
    char name[PS_METRIC_NAME_MAX];
    _Atomic uint64_t sum_us;
    _Atomic uint64_t bucket[PS_METRIC_BUCKETS];
} ps_metrics_series;

typedef struct ps_metrics {
    _Alignas(64) _Atomic uint64_t used; /* slots that have a name */
    _Alignas(64)
        ps_metrics_series other[PS_METRIC_KIND_COUNT][PS_OUTCOME_COUNT];
    ps_metrics_series slot[PS_METRIC_SLOTS];
} ps_metrics;

/* What names a series. A name over PS_METRIC_NAME_MAX is cut. */
typedef struct ps_metrics_name {
    ps_metric_kind kind;
    ps_metric_method method; /* of a request; else NONE */
    ps_metric_outcome outcome;
    ps_span text; /* the route, or the name of what was asked */
} ps_metrics_name;

/* Counts one of them, which took `us`. Any thread; never waits. */
void ps_metrics_count(ps_metrics *metrics, const ps_metrics_name *name,
                      uint64_t us);

/* Adds every series of `from` to `into`, which nobody else is writing. `from`
 * may hold anything: what is not a series is left out. */
void ps_metrics_add(ps_metrics *into, const ps_metrics *from);

/* Calls `see` for each series that was counted, `other` ones with the name
 * "other". `see` answers false to end. `metrics` may hold anything. */
void ps_metrics_each(const ps_metrics *metrics,
                     bool (*see)(const ps_metrics_name *name,
                                 const ps_metrics_series *series,
                                 void *context),
                     void *context);

/* The method of that name, and the class of a status; NONE for no status. */
ps_metric_method ps_metrics_method(ps_span method);
ps_metric_outcome ps_metrics_class(int status);

#endif
