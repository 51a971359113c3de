/* SPDX-License-Identifier: MIT */
/* stats() as a dict. `accepted` is read after what became of the events, so
 * that pending is never below 0. */
#include "event_sink.h"

#include "errors.h"

int
event_sink_set_steal(PyObject *dict, const char *key, PyObject *value)
{
    if (value == NULL) {
        return -1;
    }
    int result = PyDict_SetItemString(dict, key, value);
    Py_DECREF(value);
    return result;
}

/* A dict of the counters that are not 0, by word; their sum. */
static PyObject *
by_reason(core_state *state, const _Atomic uint64_t *counters, uint64_t *sum)
{
    PyObject *dict = PyDict_New();
    *sum = 0;
    for (size_t i = 0; dict != NULL && i < HR_STATUS_SLOTS; i++) {
        uint64_t value = hr_ring_counters_read(&counters[i]);
        if (value == 0 || state->words[i] == NULL) {
            continue;
        }
        *sum += value;
        PyObject *number = PyLong_FromUnsignedLongLong(value);
        if (number == NULL ||
            PyDict_SetItem(dict, state->words[i], number) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(number);
    }
    return dict;
}

/* The smallest bucket limit that `part` of the values lie below. */
static double
quantile(const uint64_t *buckets, uint64_t count, double part)
{
    uint64_t wanted = (uint64_t)((double)count * part);
    uint64_t seen = 0;
    for (size_t i = 0; i < HR_RING_COUNTERS_BUCKETS; i++) {
        seen += buckets[i];
        if (seen > wanted || seen == count) {
            /* the last bucket has no end: what it begins behind */
            return (double)hr_ring_counters_histogram_upper(
                i < HR_RING_COUNTERS_BUCKETS - 1 ? i : i - 1);
        }
    }
    return 0;
}

/* In seconds; the histogram has `unit` values to one. */
static PyObject *
describe_histogram(const hr_ring_counters_histogram *histogram, double unit)
{
    uint64_t buckets[HR_RING_COUNTERS_BUCKETS];
    uint64_t count = 0;
    for (size_t i = 0; i < HR_RING_COUNTERS_BUCKETS; i++) {
        buckets[i] = hr_ring_counters_read(&histogram->bucket[i]);
        count += buckets[i];
    }
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < HR_RING_COUNTERS_BUCKETS; i++) {
        if (buckets[i] == 0) {
            continue;
        }
        PyObject *pair = Py_BuildValue(
            "dK", (double)hr_ring_counters_histogram_upper(i) / unit,
            (unsigned long long)buckets[i]);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_XDECREF(pair);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(pair);
    }
    return Py_BuildValue(
        "{s:K,s:d,s:d,s:d,s:d,s:d,s:N}", "count", (unsigned long long)count,
        "sum", (double)hr_ring_counters_read(&histogram->sum) / unit, "p50",
        quantile(buckets, count, 0.5) / unit, "p90",
        quantile(buckets, count, 0.9) / unit, "p99",
        quantile(buckets, count, 0.99) / unit, "p999",
        quantile(buckets, count, 0.999) / unit, "buckets", list);
}

/* Of the histograms in a hr_ring_counters, how many values make a second. */
#define MICROSECONDS 1e6
#define NANOSECONDS 1e9

static PyObject *
describe_stages(const hr_ring_counters *stats)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        HR_RING_COUNTERS_STAGES(X)
#undef X
    };
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < HR_RING_COUNTERS_STAGE_COUNT; i++) {
        if (event_sink_set_steal(
                dict, WORDS[i],
                describe_histogram(&stats->stage[i], NANOSECONDS)) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

const char *
event_sink_state_word(uint32_t state)
{
    static const char *const WORDS[] = {
        [HR_SINK_IDLE] = "idle",
        [HR_SINK_CONNECTING] = "connecting",
        [HR_SINK_DELIVERING] = "connected",
        [HR_SINK_WAITING] = "waiting",
        [HR_SINK_CLOSED] = "closed",
    };
    return state < Py_ARRAY_LENGTH(WORDS) ? WORDS[state] : "unknown";
}

static PyObject *
describe_connection(const hr_sink_report *report)
{
    const hr_sink_target_report *target = &report->target;
    const char *error =
        report->error != HR_OK ? hr_status_word(report->error) : NULL;
    return Py_BuildValue(
        "{s:s,s:z,s:N,s:N,s:K}", "state", event_sink_state_word(report->state),
        "error", error, "detail",
        event_sink_printable(target->detail, sizeof(target->detail)), "server",
        event_sink_printable(target->server, sizeof(target->server)),
        "failures", (unsigned long long)report->failures);
}

static PyObject *
path_or_none(const char *path)
{
    return path != NULL && *path != '\0' ? PyUnicode_DecodeFSDefault(path)
                                         : Py_NewRef(Py_None);
}

static PyObject *
describe_ring(const hr_sink_report *report, const char *ring_dir)
{
    const char *kind = report->ring_bytes == 0 ? "none"
                       : report->survives_kill ? "shared"
                                               : "anonymous";
    return Py_BuildValue(
        "{s:s,s:O,s:s,s:s,s:K,s:K,s:N,s:N}", "kind", kind, "survives_kill",
        report->survives_kill ? Py_True : Py_False, "producer",
        report->producer, "target", report->target_name, "bytes",
        (unsigned long long)report->ring_bytes, "used",
        (unsigned long long)report->ring_used, "path",
        path_or_none(report->ring_path), "ring_dir",
        ring_dir != NULL ? PyUnicode_DecodeFSDefault(ring_dir)
                         : Py_NewRef(Py_None));
}

/* A detail may quote bytes of the server: no exception for them. */
PyObject *
event_sink_printable(const char *text, size_t size)
{
    char copy[HR_RING_PATH_MAX];
    size_t length = 0;
    while (length < size && length < sizeof(copy) && text[length] != '\0') {
        unsigned char c = (unsigned char)text[length];
        copy[length++] = c < ' ' || c >= 0x7F ? '?' : (char)c;
    }
    return PyUnicode_FromStringAndSize(copy, (Py_ssize_t)length);
}

int
event_sink_set_counters(core_state *state, PyObject *dict,
                        const hr_ring_counters *stats)
{
    uint64_t refused;
    uint64_t dropped;
    uint64_t ignored;
    uint64_t delivered =
        atomic_load_explicit(&stats->delivered, memory_order_acquire);
#define COUNT(member) (unsigned long long)hr_ring_counters_read(&stats->member)
#define LATENCY(member) describe_histogram(&stats->member, MICROSECONDS)
    PyObject *refusals = by_reason(state, stats->refused, &refused);
    PyObject *drops = by_reason(state, stats->dropped, &dropped);
    atomic_thread_fence(memory_order_acquire);
    uint64_t accepted = hr_ring_counters_read(&stats->accepted);
    uint64_t settled = delivered + dropped; /* more only in a broken file */
    PyObject *all = Py_BuildValue(
        "{s:N,s:N,s:{s:K,s:K,s:K,s:K},s:K,s:K,s:K,s:K,s:K,s:K,s:{s:K,s:K},"
        "s:N,s:N,s:{s:N,s:N,s:N,s:N},s:N}",
        "refused", refusals, "dropped", drops, "adopted", "rings",
        COUNT(adopted_rings), "events", COUNT(adopted_events), "torn",
        COUNT(adopted_torn), "left_alone", COUNT(rings_left_alone), "offered",
        (unsigned long long)accepted + refused, "accepted",
        (unsigned long long)accepted, "delivered",
        (unsigned long long)delivered, "pending",
        accepted >= settled ? (unsigned long long)accepted - settled : 0,
        "session_errors", COUNT(session_errors), "minted", COUNT(minted),
        "token_cache", "hits", COUNT(cache_hits), "misses",
        COUNT(cache_misses), "tokens",
        by_reason(state, stats->token, &ignored), "cookies",
        by_reason(state, stats->cookie, &ignored), "latency", "request",
        LATENCY(request), "queue", LATENCY(queue), "server", LATENCY(server),
        "round_trip", LATENCY(round_trip), "stages", describe_stages(stats));
    int result = all != NULL ? PyDict_Update(dict, all) : -1;
    Py_XDECREF(all);
    return result;
}

PyObject *
event_sink_stats(EventSinkObject *self)
{
    core_state *state = state_of((PyObject *)self);
    hr_sink_report report;
    hr_sink_describe(self->sink, &report);
    const char *delivery =
        report.target.delivery[0] != '\0' ? report.target.delivery : "unknown";
    PyObject *dict = PyDict_New();
    if (dict == NULL ||
        event_sink_set_counters(state, dict, hr_sink_stats(self->sink)) < 0 ||
        event_sink_set_steal(dict, "delivery",
                             PyUnicode_FromString(delivery)) < 0 ||
        event_sink_set_steal(dict, "connection",
                             describe_connection(&report)) < 0 ||
        event_sink_set_steal(
            dict, "ring",
            describe_ring(&report, hr_sink_ring_dir(self->sink))) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyObject *
event_sink_totals(EventSinkObject *self)
{
    core_state *state = state_of((PyObject *)self);
    size_t rings = 0;
    hr_ring_header *all = hr_ring_header_new(-1, 0);
    if (all == NULL) {
        return PyErr_NoMemory();
    }
    hr_ring_counters *sum = hr_ring_header_counters(all);
    PyThreadState *saved = PyEval_SaveThread();
    hr_status status = hr_sink_totals(self->sink, sum, &rings, NULL);
    PyEval_RestoreThread(saved);
    PyObject *dict = NULL;
    if (status != HR_OK) {
        raise_setting_error(state, status, "totals", NULL);
    } else {
        dict = PyDict_New();
        if (dict != NULL &&
            (event_sink_set_counters(state, dict, sum) < 0 ||
             event_sink_set_steal(dict, "rings", PyLong_FromSize_t(rings)) <
                 0)) {
            Py_CLEAR(dict);
        }
    }
    hr_ring_header_free(all, 0);
    return dict;
}
