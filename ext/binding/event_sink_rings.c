/* SPDX-License-Identifier: MIT */
/* EventSink._rings: every ring of this user, for `headrace stats` and the
 * metrics. The files may hold anything: texts are made printable, numbers are
 * bounded or passed on as they are. */
#include "event_sink.h"

#include "errors.h"

#include "ring/view.h"
#include "ring/totals.h"

typedef struct collected {
    core_state *state; /* borrowed */
    const char *ring_dir;
    PyObject *rings; /* list of dicts */
    PyObject *ended; /* dict of dicts, by target */
} collected;

/* Printable ASCII of at most `size` bytes up to the first NUL. */
static const char *
error_word(uint32_t error)
{
    return error == HR_OK || error >= HR_STATUS_SLOTS
               ? NULL
               : hr_status_word((hr_status)error);
}

static PyObject *
describe_ring(core_state *state, const hr_ring_view *view, const char *name)
{
    const hr_ring_header_label *label = hr_ring_header_label_of(view->header);
    const hr_ring_header_beacon *beacon =
        hr_ring_header_beacon_of(view->header);
    PyObject *dict = Py_BuildValue(
        "{s:s,s:I,s:L,s:L,s:K,s:K,s:K,s:K,s:L,s:L,s:s,s:z,s:K,s:N,s:N,s:N,s:N,"
        "s:N}",
        "file", name, "pid", label->pid, "created_ms",
        (long long)label->created_ms, "touched_ms",
        (long long)hr_ring_header_touched_ms(view->header), "bytes",
        (unsigned long long)label->data_bytes, "used",
        (unsigned long long)view->used_bytes, "device",
        (unsigned long long)view->device, "inode",
        (unsigned long long)view->inode, "oldest_ms",
        (long long)view->oldest_ms, "delivered_ms",
        (long long)atomic_load(&beacon->delivered_ms), "state",
        event_sink_state_word(atomic_load(&beacon->state)), "error",
        error_word(atomic_load(&beacon->error)), "failures",
        (unsigned long long)atomic_load(&beacon->failures), "producer",
        event_sink_printable(label->producer, HR_RING_PRODUCER_SIZE), "target",
        event_sink_printable(label->target, HR_RING_PRODUCER_SIZE), "identity",
        event_sink_printable(beacon->identity, sizeof(beacon->identity)),
        "delivery",
        event_sink_printable(beacon->delivery, sizeof(beacon->delivery)),
        "server",
        event_sink_printable(beacon->server, sizeof(beacon->server)));
    if (dict == NULL ||
        event_sink_set_counters(state, dict,
                                hr_ring_header_counters(view->header)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* Reads are quick: files in memory, some 300 KiB each. */
static bool
append_ring(const hr_ring_view *view, const char *name, void *context)
{
    collected *all = context;
    PyObject *ring = describe_ring(all->state, view, name);
    bool appended = ring != NULL && PyList_Append(all->rings, ring) == 0;
    Py_XDECREF(ring);
    return appended;
}

static bool
put_ended(const char target[HR_RING_PRODUCER_SIZE], void *context)
{
    collected *all = context;
    hr_ring_header *ended = hr_ring_header_new(-1, 0);
    if (ended == NULL) {
        PyErr_NoMemory();
        return false;
    }
    hr_ring_counters *sum = hr_ring_header_counters(ended);
    char identity[HR_IDENTITY_KEPT];
    hr_ring_totals_look(all->ring_dir, target, sum, identity);
    PyObject *dict = PyDict_New();
    PyObject *key = event_sink_printable(target, HR_RING_PRODUCER_SIZE);
    bool put = dict != NULL && key != NULL &&
               event_sink_set_counters(all->state, dict, sum) == 0 &&
               event_sink_set_steal(
                   dict, "identity",
                   event_sink_printable(identity, sizeof(identity))) == 0 &&
               PyDict_SetItem(all->ended, key, dict) == 0;
    Py_XDECREF(key);
    Py_XDECREF(dict);
    hr_ring_header_free(ended, 0);
    return put;
}

const char event_sink_rings_doc[] =
    "_rings($type, /, ring_dir=None)\n--\n\n"
    "Every ring of this user below ring_dir, by default /dev/shm, as they\n"
    "are now: (a list of dicts, a dict of dicts of what the ended processes\n"
    "of each target counted, how many files cannot be trusted). Takes no\n"
    "lock and disturbs nobody. OSError where the folder is not this user's.";

PyObject *
event_sink_rings(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"ring_dir", NULL};
    PyObject *given = Py_None;
    PyObject *path = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:_rings", keywords,
                                     &given) ||
        (given != Py_None && !PyUnicode_FSConverter(given, &path))) {
        return NULL;
    }
    collected all = {
        .state = state_of_type((PyTypeObject *)type),
        .ring_dir = path != NULL ? PyBytes_AS_STRING(path) : NULL,
        .rings = PyList_New(0),
        .ended = PyDict_New(),
    };
    size_t left_alone = 0;
    hr_status status = HR_OK;
    PyObject *answer = NULL;
    if (all.rings != NULL && all.ended != NULL) {
        status =
            hr_ring_view_each(all.ring_dir, append_ring, &all, &left_alone);
        if (status == HR_OK && !PyErr_Occurred()) {
            hr_ring_totals_each(all.ring_dir, put_ended, &all);
        }
    }
    if (status != HR_OK) {
        raise_setting_error(all.state, status, "ring_dir", NULL);
    } else if (!PyErr_Occurred()) {
        answer = Py_BuildValue("(OOn)", all.rings, all.ended,
                               (Py_ssize_t)left_alone);
    }
    Py_XDECREF(all.rings);
    Py_XDECREF(all.ended);
    Py_XDECREF(path);
    return answer;
}
