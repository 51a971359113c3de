/* SPDX-License-Identifier: MIT */
/* EventSink.observe and EventSink.metrics. */
#include "event_sink.h"

#include "errors.h"
#include "event_fields.h"

#include "ring/metrics.h"

static const char *const KINDS[] = {
#define X(name, word) word,
    HR_RING_METRICS_KINDS(X)
#undef X
};

static const char *const OUTCOMES[] = {
#define X(name, word) word,
    HR_RING_METRICS_OUTCOMES(X)
#undef X
};

static const char *const METHODS[] = {
#define X(name, word) word,
    HR_RING_METRICS_METHODS(X)
#undef X
};

static int
read_word(const char *setting, const char *word, const char *const *words,
          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (int)i;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s: %.100s is none", setting, word);
    return -1;
}

const char event_sink_observe_doc[] =
    "observe($self, kind, name, seconds=0.0, outcome='')\n--\n\n"
    "Counts one of them in the metrics, and how long it took.\n\n"
    "kind is 'database', 'cache' or 'task'; name the alias or the task's;\n"
    "outcome '', 'hit', 'miss', 'success' or 'failure'. Never blocks; what\n"
    "cannot be counted (the sink is closed) is not. Raises ValueError for\n"
    "other words.";

PyObject *
event_sink_observe(EventSinkObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"kind", "name", "seconds", "outcome", NULL};
    const char *kind_word;
    PyObject *text;
    double seconds = 0;
    const char *outcome_word = "";
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sU|ds:observe", keywords,
                                     &kind_word, &text, &seconds,
                                     &outcome_word)) {
        return NULL;
    }
    Py_ssize_t length;
    int kind = read_word("kind", kind_word, KINDS, Py_ARRAY_LENGTH(KINDS));
    int outcome = read_word("outcome", outcome_word, OUTCOMES,
                            Py_ARRAY_LENGTH(OUTCOMES));
    if (kind < 0 || outcome < 0) {
        return NULL;
    }
    const char *bytes = event_utf8_of(text, &length);
    if (bytes == NULL) {
        return NULL;
    }
    hr_ring_metrics *metrics = hr_sink_metrics(self->sink);
    if (metrics != NULL) {
        hr_ring_metrics_name name = {
            .kind = (hr_ring_metrics_kind)kind,
            .method = HR_RING_METRICS_METHOD_NONE,
            .outcome = (hr_ring_metrics_outcome)outcome,
            .text = {bytes, (size_t)length},
        };
        bool sane = seconds > 0 && seconds < HR_WAIT_MAX_S;
        hr_ring_metrics_count(metrics, &name,
                              sane ? (uint64_t)(seconds * 1e6) : 0);
    }
    Py_RETURN_NONE;
}

/* Appends (kind, name, method, outcome, seconds, counts). */
static bool
append_series(const hr_ring_metrics_name *name,
              const hr_ring_metrics_series *series, void *context)
{
    PyObject *list = context;
    PyObject *counts = PyTuple_New(HR_RING_METRICS_BUCKETS);
    for (Py_ssize_t i = 0; counts != NULL && i < HR_RING_METRICS_BUCKETS;
         i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(
            hr_ring_counters_read(&series->bucket[i]));
        if (count == NULL) {
            Py_CLEAR(counts);
        } else {
            PyTuple_SET_ITEM(counts, i, count); /* steals */
        }
    }
    PyObject *text = PyUnicode_DecodeUTF8(
        name->text.ptr, (Py_ssize_t)name->text.len, "replace");
    PyObject *row = NULL;
    if (counts != NULL && text != NULL) {
        row = Py_BuildValue(
            "(sOssdO)", KINDS[name->kind], text, METHODS[name->method],
            OUTCOMES[name->outcome],
            (double)hr_ring_counters_read(&series->sum_us) / 1e6, counts);
    }
    bool appended = row != NULL && PyList_Append(list, row) == 0;
    Py_XDECREF(row);
    Py_XDECREF(text);
    Py_XDECREF(counts);
    return appended;
}

const char event_sink_metrics_doc[] =
    "metrics($self, own=False)\n--\n\n"
    "What was counted by name, by all processes of this host and user with\n"
    "the same target, the ended ones included (own: by this process "
    "alone).\n\n"
    "A pair: the upper limits of the buckets in seconds, without the last\n"
    "one, which takes the rest; and a list of tuples (kind, name, method,\n"
    "outcome, seconds, counts), counts being one number a bucket. OSError\n"
    "where there is no folder for rings.";

PyObject *
event_sink_metrics(EventSinkObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"own", NULL};
    static const double LIMITS[] = {HR_RING_METRICS_LIMITS};
    int own = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:metrics", keywords,
                                     &own)) {
        return NULL;
    }
    hr_ring_header *all = hr_ring_header_new(-1, 0);
    if (all == NULL) {
        return PyErr_NoMemory();
    }
    hr_ring_metrics *sum = hr_ring_header_metrics(all);
    hr_status status = HR_OK;
    if (own) {
        const hr_ring_metrics *metrics = hr_sink_metrics(self->sink);
        if (metrics != NULL) {
            hr_ring_metrics_add(sum, metrics);
        }
    } else {
        size_t rings;
        PyThreadState *saved = PyEval_SaveThread();
        status = hr_sink_totals(self->sink, hr_ring_header_counters(all),
                                &rings, sum);
        PyEval_RestoreThread(saved);
    }
    PyObject *limits = PyTuple_New(Py_ARRAY_LENGTH(LIMITS));
    PyObject *list = PyList_New(0);
    for (size_t i = 0; limits != NULL && i < Py_ARRAY_LENGTH(LIMITS); i++) {
        PyObject *limit = PyFloat_FromDouble(LIMITS[i] / 1e6);
        if (limit == NULL) {
            Py_CLEAR(limits);
        } else {
            PyTuple_SET_ITEM(limits, (Py_ssize_t)i, limit); /* steals */
        }
    }
    PyObject *answer = NULL;
    if (status != HR_OK) {
        raise_setting_error(state_of((PyObject *)self), status, "metrics",
                            NULL);
    } else if (limits != NULL && list != NULL) {
        hr_ring_metrics_each(sum, append_series, list);
        if (!PyErr_Occurred()) {
            answer = PyTuple_Pack(2, limits, list);
        }
    }
    Py_XDECREF(list);
    Py_XDECREF(limits);
    hr_ring_header_free(all, 0);
    return answer;
}
