/* SPDX-License-Identifier: MIT */
/* headrace.EventSink: emit, flush, close and what it tells. */
#include "event_sink.h"

#include <math.h>
#include <structmember.h>

#include "base/clock.h"
#include "sink/memory.h"
#include "errors.h"
#include "event_fields.h"
#include "arguments.h"

/* How long one wait holds off KeyboardInterrupt. */
#define SLICE_NS INT64_C(100000000)
/* A sink that is simply let go of does not hold up whoever does so; what is
 * left then stays in its ring for adoption. */
#define LET_GO_NS INT64_C(100000000)

/* ---- emit -------------------------------------------------------------- */

void
event_sink_log(EventSinkObject *self)
{
    char notice[HR_NOTICE_MAX];
    if (!hr_sink_take_notice(self->sink, notice)) {
        return;
    }
    assert(!PyErr_Occurred());
    PyObject *text =
        PyUnicode_DecodeUTF8(notice, (Py_ssize_t)strlen(notice), "replace");
    PyObject *done = text != NULL
                         ? call_imported("headrace._exit", "log", "(O)", text)
                         : NULL;
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(done);
    Py_XDECREF(text);
}

static int
read_kind(PyObject *kind, hr_span *out)
{
    if (!PyUnicode_Check(kind)) {
        raise_wrong_type("kind: a str", kind);
        return -1;
    }
    Py_ssize_t len;
    const char *text = event_utf8_of(kind, &len);
    if (text == NULL) {
        return -1; /* UnicodeEncodeError is a ValueError */
    }
    if (len == 0 || len > HR_KIND_MAX) {
        PyErr_Format(PyExc_ValueError, "kind: 1 to %d bytes, not %zd",
                     HR_KIND_MAX, len);
        return -1;
    }
    *out = (hr_span){text, (size_t)len};
    return 0;
}

PyDoc_STRVAR(
    emit_doc,
    "emit($self, kind, fields=None)\n--\n\n"
    "Hands one event over: True, or False when it was refused and\n"
    "counted. Never blocks. `fields` is a dict of str to str, bytes,\n"
    "int, float, bool or None (left out); no code of the caller's\n"
    "runs. Raises TypeError for other types and ValueError for names\n"
    "that an event cannot have.");

static PyObject *
sink_emit(EventSinkObject *self, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const char *const NAMES[] = {"kind", "fields"};
    PyObject *values[2] = {NULL, NULL};
    hr_ring_event_body body;
    hr_span kind;
    if (kwnames == NULL && (nargs == 1 || nargs == 2)) {
        values[0] = args[0];
        values[1] = nargs == 2 ? args[1] : NULL;
    } else if (read_arguments("emit", NAMES, 2, 1, args, nargs, kwnames,
                              values) < 0) {
        return NULL;
    }
    if (read_kind(values[0], &kind) < 0) {
        return NULL;
    }
    hr_ring_event_body_init(&body);
    if (values[1] != NULL && values[1] != Py_None &&
        event_fields_read(&body, values[1], event_field_is_reserved) < 0) {
        return NULL;
    }
    hr_status status = hr_sink_emit(self->sink, kind, &body, 0);
    event_sink_log(self);
    return Py_NewRef(status == HR_OK ? Py_True : Py_False);
}

/* ---- flush, close ------------------------------------------------------ */

/* The steady clock at the end of `timeout` seconds; negative counts as 0. */
static int64_t
deadline_of(double timeout)
{
    return hr_clock_steady_ns() + to_ns(fmin(fmax(timeout, 0), HR_WAIT_MAX_S));
}

static int
read_timeout(const char *function, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames, double *timeout)
{
    static const char *const NAMES[] = {"timeout"};
    PyObject *value = NULL;
    if (read_arguments(function, NAMES, 1, 0, args, nargs, kwnames, &value) <
        0) {
        return -1;
    }
    if (value == NULL || value == Py_None) {
        return 0;
    }
    *timeout = PyFloat_AsDouble(value);
    if (*timeout == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(*timeout)) {
        PyErr_SetString(PyExc_ValueError, "timeout: a number of seconds");
        return -1;
    }
    return 0;
}

/* Flushes without the GIL, in slices, so that Ctrl-C is heard. */
static int
flush_until(EventSinkObject *self, int64_t deadline, uint64_t *pending)
{
    for (;;) {
        int64_t slice = hr_clock_steady_ns() + SLICE_NS;
        bool last = slice >= deadline;
        PyThreadState *saved = PyEval_SaveThread();
        *pending = hr_sink_flush(self->sink, last ? deadline : slice);
        PyEval_RestoreThread(saved);
        if (*pending == 0 || last) {
            return 0;
        }
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
}

PyDoc_STRVAR(flush_doc,
             "flush($self, timeout=2.0)\n--\n\n"
             "Waits until what was emitted before is settled, at most\n"
             "`timeout` seconds; answers how many events are still pending.");

static PyObject *
sink_flush(EventSinkObject *self, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    double timeout = 2.0;
    uint64_t pending;
    if (read_timeout("flush", args, nargs, kwnames, &timeout) < 0 ||
        flush_until(self, deadline_of(timeout), &pending) < 0) {
        return NULL;
    }
    event_sink_log(self);
    return PyLong_FromUnsignedLongLong(pending);
}

PyDoc_STRVAR(close_doc,
             "close($self, timeout=2.0)\n--\n\n"
             "Takes no more events, flushes and stops the thread. What is\n"
             "left stays in the ring file, from where the next process\n"
             "delivers it. Answers how many those are. Twice is fine.");

static PyObject *
sink_close(EventSinkObject *self, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    double timeout = 2.0;
    uint64_t pending;
    if (read_timeout("close", args, nargs, kwnames, &timeout) < 0) {
        return NULL;
    }
    int64_t deadline = deadline_of(timeout);
    PyThreadState *saved = PyEval_SaveThread();
    pending = hr_sink_close(self->sink, deadline);
    PyEval_RestoreThread(saved);
    event_sink_log(self);
    return PyLong_FromUnsignedLongLong(pending);
}

/* ---- what it tells ----------------------------------------------------- */

PyDoc_STRVAR(stats_doc,
             "stats($self)\n--\n\n"
             "The ledger of this sink in this process, and how it is, as a\n"
             "dict; latencies in seconds.");

static PyObject *
sink_stats(EventSinkObject *self, PyObject *Py_UNUSED(ignored))
{
    event_sink_log(self);
    return event_sink_stats(self);
}

PyDoc_STRVAR(totals_doc,
             "totals($self)\n--\n\n"
             "The ledger of all processes of this host and user that use the\n"
             "same target, the ended ones included, as a dict. OSError where\n"
             "there is no folder for rings.");

static PyObject *
sink_totals(EventSinkObject *self, PyObject *Py_UNUSED(ignored))
{
    return event_sink_totals(self);
}

static int
set_text(PyObject *dict, hr_span name, hr_span value)
{
    PyObject *key =
        PyUnicode_DecodeUTF8(name.ptr, (Py_ssize_t)name.len, "replace");
    PyObject *text = PyUnicode_DecodeUTF8(value.ptr, (Py_ssize_t)value.len,
                                          "surrogateescape");
    int result = -1;
    if (key != NULL && text != NULL) {
        result = PyDict_SetItem(dict, key, text);
    }
    Py_XDECREF(key);
    Py_XDECREF(text);
    return result;
}

static PyObject *
kept_to_dict(const hr_sink_memory_event *kept)
{
    PyObject *dict = Py_BuildValue(
        "{s:N,s:s#,s:N}", "id",
        PyUnicode_FromFormat("%.16s-%llu", kept->producer,
                             (unsigned long long)kept->sequence),
        "kind", kept->event.kind.ptr, (Py_ssize_t)kept->event.kind.len, "time",
        PyUnicode_FromFormat("%lld", (long long)kept->event.time_ms));
    hr_span rest = kept->event.body;
    hr_ring_event_field field;
    while (dict != NULL && hr_ring_event_next_field(&rest, &field)) {
        if (set_text(dict, field.name, field.value) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* The events that were there at one moment; each stays where it is. */
typedef struct kept_events {
    const hr_sink_memory_event **events; /* owned; NULL: no memory */
    size_t count;
} kept_events;

/* Without the GIL, while nobody delivers. */
static void
list_kept(const hr_sink_target *target, void *context)
{
    kept_events *kept = context;
    kept->count = hr_sink_memory_count(target);
    kept->events = PyMem_RawMalloc((kept->count + 1) * sizeof(*kept->events));
    for (size_t i = 0; kept->events != NULL && i < kept->count; i++) {
        kept->events[i] = hr_sink_memory_at(target, i);
    }
}

PyDoc_STRVAR(
    captured_doc,
    "captured($self)\n--\n\n"
    "What a sink with the target memory: has taken so far: a list\n"
    "of dicts of str, as Redis would hold them. ValueError for other\n"
    "targets.");

static PyObject *
sink_captured(EventSinkObject *self, PyObject *Py_UNUSED(ignored))
{
    if (!self->captures) {
        PyErr_SetString(PyExc_ValueError,
                        "captured: only with the target \"memory:\"");
        return NULL;
    }
    kept_events kept = {NULL, 0};
    PyThreadState *saved = PyEval_SaveThread();
    (void)hr_sink_flush(self->sink, 0);
    hr_sink_inspect(self->sink, list_kept, &kept);
    PyEval_RestoreThread(saved);
    if (kept.events == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < kept.count; i++) {
        PyObject *event = kept_to_dict(kept.events[i]);
        if (event == NULL || PyList_Append(list, event) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(event);
    }
    PyMem_RawFree(kept.events);
    return list;
}

static PyObject *
sink_closed(EventSinkObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(hr_sink_is_closed(self->sink));
}

static void
sink_dealloc(EventSinkObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    if (self->sink != NULL) {
        PyThreadState *saved = PyEval_SaveThread();
        (void)hr_sink_close(self->sink, hr_clock_steady_ns() + LET_GO_NS);
        hr_sink_release(self->sink);
        PyEval_RestoreThread(saved);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static int
sink_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static PyMethodDef sink_methods[] = {
    METHOD("emit", sink_emit, METH_FASTCALL | METH_KEYWORDS, emit_doc),
    METHOD("flush", sink_flush, METH_FASTCALL | METH_KEYWORDS, flush_doc),
    METHOD("close", sink_close, METH_FASTCALL | METH_KEYWORDS, close_doc),
    METHOD("stats", sink_stats, METH_NOARGS, stats_doc),
    METHOD("totals", sink_totals, METH_NOARGS, totals_doc),
    METHOD("captured", sink_captured, METH_NOARGS, captured_doc),
    METHOD("observe", event_sink_observe, METH_VARARGS | METH_KEYWORDS,
           event_sink_observe_doc),
    METHOD("metrics", event_sink_metrics, METH_VARARGS | METH_KEYWORDS,
           event_sink_metrics_doc),
    METHOD("_rings", event_sink_rings,
           METH_VARARGS | METH_KEYWORDS | METH_CLASS, event_sink_rings_doc),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef sink_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(EventSinkObject, weakrefs),
     READONLY, NULL},
    {"exit_timeout", T_DOUBLE, offsetof(EventSinkObject, exit_timeout),
     READONLY, "Seconds that the exit of the process waits for a flush."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef sink_getset[] = {
    {"closed", (getter)sink_closed, NULL, "Closed in this process?", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot sink_slots[] = {
    {Py_tp_doc, (void *)event_sink_doc},
    {Py_tp_new, (void *)event_sink_new},
    {Py_tp_dealloc, (void *)sink_dealloc},
    {Py_tp_traverse, (void *)sink_traverse},
    {Py_tp_methods, sink_methods},
    {Py_tp_members, sink_members},
    {Py_tp_getset, sink_getset},
    {0, NULL},
};

static PyType_Spec sink_spec = {
    .name = "headrace._core.EventSink",
    .basicsize = sizeof(EventSinkObject),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = sink_slots,
};

int
event_sink_setup(PyObject *module)
{
    return signature_add_type(module, &sink_spec,
                              &state_of_module(module)->event_sink_type,
                              &event_sink_table);
}
