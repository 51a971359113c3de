/* SPDX-License-Identifier: MIT */
/* penstock.EventSink. */
#include "types.h"

#include <math.h>
#include <structmember.h>

#include "../core/clock.h"
#include "../core/delivery.h"
#include "../core/target_memory.h"
#include "arguments.h"
#include "errors.h"
#include "event_fields.h"

/* The most seconds that a timeout may have: a year. */
#define LONGEST_S 31536000.0
/* How long one wait holds off KeyboardInterrupt. */
#define SLICE_NS INT64_C(100000000)
/* A sink that is simply let go of does not hold up whoever does so; what is
 * left then stays in its ring for adoption. */
#define LET_GO_NS INT64_C(100000000)

/* ---- arguments --------------------------------------------------------- */

typedef struct sink_arguments {
    PyObject *url;
    const char *stream;
    Py_ssize_t stream_len;
    Py_ssize_t ring_bytes;
    double linger;
    Py_ssize_t batch;
    PyObject *max_length;
    PyObject *ring_dir;
    double reconnect_first;
    double reconnect_longest;
    double connect_timeout;
    double command_timeout;
    double exit_timeout;
    const char *delivery;
    PyObject *reserve;
    PyObject *max_age;
    double sample;
    PyObject *ca_file;
    PyObject *certificate;
    PyObject *private_key;
    const char *client_name;
    Py_ssize_t client_name_len;
    /* read from the objects above */
    uint64_t length;
    double age;
    PyObject *paths[4]; /* bytes: ring_dir, ca_file, ...; owned */
    ps_delivery_level level;
    ps_sink_reserve reserves[PS_RING_RESERVES_MAX];
    size_t reserve_count;
} sink_arguments;

static PyObject *
refuse(PyObject *type, const char *setting, const char *why)
{
    return raise_setting_error(state_of_type((PyTypeObject *)type), PS_SETTING,
                               setting, why);
}

static int
check_seconds(PyTypeObject *type, const char *setting, double value)
{
    if (!(value > 0 && value <= LONGEST_S)) {
        refuse((PyObject *)type, setting, "seconds above 0");
        return -1;
    }
    return 0;
}

/* None, or a path as owned bytes. */
static int
read_path(PyObject *object, PyObject **out)
{
    if (object == NULL || object == Py_None) {
        return 0;
    }
    return PyUnicode_FSConverter(object, out) ? 0 : -1;
}

static int
read_reserve(PyTypeObject *type, sink_arguments *arguments)
{
    PyObject *reserve = arguments->reserve;
    if (reserve == NULL || reserve == Py_None) {
        return 0;
    }
    if (!PyDict_Check(reserve)) {
        PyErr_SetString(PyExc_TypeError,
                        "reserve: a dict of kind and part, or None");
        return -1;
    }
    if (PyDict_GET_SIZE(reserve) > PS_RING_RESERVES_MAX) {
        refuse((PyObject *)type, "reserve", "at most 8 kinds");
        return -1;
    }
    Py_ssize_t at = 0;
    PyObject *kind;
    PyObject *part;
    while (PyDict_Next(reserve, &at, &kind, &part)) {
        Py_ssize_t len;
        const char *text =
            PyUnicode_Check(kind) ? PyUnicode_AsUTF8AndSize(kind, &len) : NULL;
        if (text == NULL) {
            PyErr_SetString(PyExc_TypeError, "reserve: kinds are str");
            return -1;
        }
        if (!PyFloat_Check(part) && !PyLong_Check(part)) {
            PyErr_SetString(PyExc_TypeError, "reserve: parts are numbers");
            return -1;
        }
        double value = PyFloat_AsDouble(part);
        if (value == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        if (len == 0 || len > PS_KIND_MAX) {
            refuse((PyObject *)type, "reserve", "a kind has 1 to 64 bytes");
            return -1;
        }
        arguments->reserves[arguments->reserve_count++] =
            (ps_sink_reserve){{text, (size_t)len}, value};
    }
    return 0;
}

static int
read_optional_numbers(PyTypeObject *type, sink_arguments *arguments)
{
    PyObject *length = arguments->max_length;
    arguments->length = 100000;
    if (length == Py_None) {
        arguments->length = 0;
    } else if (length != NULL) {
        long long value = PyLong_AsLongLong(length);
        if (value == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (value < 1) {
            refuse((PyObject *)type, "max_length",
                   "at least 1, or None for a stream that is not trimmed");
            return -1;
        }
        arguments->length = (uint64_t)value;
    }
    if (arguments->max_age != NULL && arguments->max_age != Py_None) {
        arguments->age = PyFloat_AsDouble(arguments->max_age);
        if (arguments->age == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        if (check_seconds(type, "max_age", arguments->age) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
read_level(PyTypeObject *type, sink_arguments *arguments)
{
    static const struct {
        const char *word;
        ps_delivery_level level;
    } LEVELS[] = {
        {"auto", PS_DELIVERY_AUTO},
        {"exactly-once", PS_DELIVERY_MARKER},
        {"script", PS_DELIVERY_SCRIPT},
        {"at-least-once", PS_DELIVERY_LEAST},
    };
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
        if (strcmp(arguments->delivery, LEVELS[i].word) == 0) {
            arguments->level = LEVELS[i].level;
            return 0;
        }
    }
    refuse((PyObject *)type, "delivery",
           "\"auto\", \"exactly-once\", \"script\" or \"at-least-once\"");
    return -1;
}

static int
check_arguments(PyTypeObject *type, sink_arguments *arguments)
{
    if (check_seconds(type, "connect_timeout", arguments->connect_timeout) <
            0 ||
        check_seconds(type, "command_timeout", arguments->command_timeout) <
            0 ||
        check_seconds(type, "reconnect", arguments->reconnect_first) < 0 ||
        check_seconds(type, "reconnect", arguments->reconnect_longest) < 0 ||
        read_optional_numbers(type, arguments) < 0 ||
        read_level(type, arguments) < 0 || read_reserve(type, arguments) < 0 ||
        read_path(arguments->ring_dir, &arguments->paths[0]) < 0 ||
        read_path(arguments->ca_file, &arguments->paths[1]) < 0 ||
        read_path(arguments->certificate, &arguments->paths[2]) < 0 ||
        read_path(arguments->private_key, &arguments->paths[3]) < 0) {
        return -1;
    }
    if (!(arguments->exit_timeout >= 0 &&
          arguments->exit_timeout <= LONGEST_S)) {
        refuse((PyObject *)type, "exit_timeout", "seconds, 0 or more");
        return -1;
    }
    if (arguments->stream_len == 0 || arguments->stream_len > 512) {
        refuse((PyObject *)type, "stream", "a key of 1 to 512 bytes");
        return -1;
    }
    for (Py_ssize_t i = 0; i < arguments->client_name_len; i++) {
        unsigned char c = (unsigned char)arguments->client_name[i];
        if (c <= ' ' || c > '~' || i >= 128) {
            refuse((PyObject *)type, "client_name",
                   "up to 128 printable ASCII characters without spaces");
            return -1;
        }
    }
    return 0;
}

static ps_span
path_span(PyObject *path)
{
    if (path == NULL) {
        return PS_NO_SPAN;
    }
    return (ps_span){PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path)};
}

static int64_t
to_ns(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

/* ---- targets ----------------------------------------------------------- */

/* The Redis target and what names it. */
static int
make_redis(PyTypeObject *type, const sink_arguments *arguments, ps_span url,
           ps_target **target, ps_buf *identity)
{
    core_state *state = state_of_type(type);
    ps_redis_url parsed;
    const char *why = NULL;
    ps_status status = ps_redis_url_parse(url, &parsed, &why);
    if (status != PS_OK) {
        raise_setting_error(state, status, "url", why);
        return -1;
    }
    if (!parsed.tls &&
        (arguments->paths[1] != NULL || arguments->paths[2] != NULL ||
         arguments->paths[3] != NULL)) {
        ps_redis_url_fini(&parsed);
        refuse((PyObject *)type, "url",
               "ca_file, certificate and private_key need rediss://");
        return -1;
    }
    status = ps_redis_url_identity(&parsed, identity);
    if (status == PS_OK) {
        status = ps_buf_add(identity, PS_SPAN(" "));
    }
    if (status == PS_OK) {
        status =
            ps_buf_add(identity, (ps_span){arguments->stream,
                                           (size_t)arguments->stream_len});
    }
    if (status == PS_OK) {
        status = ps_delivery_new(
            &(ps_delivery_settings){
                .url = &parsed,
                .connect_timeout_ns = to_ns(arguments->connect_timeout),
                .command_timeout_ns = to_ns(arguments->command_timeout),
                .ca_file = path_span(arguments->paths[1]),
                .certificate = path_span(arguments->paths[2]),
                .private_key = path_span(arguments->paths[3]),
                .stream = {arguments->stream, (size_t)arguments->stream_len},
                .client_name = {arguments->client_name,
                                (size_t)arguments->client_name_len},
                .max_length = arguments->length,
                .level = arguments->level,
                .batch = (size_t)arguments->batch,
            },
            target);
    }
    ps_redis_url_fini(&parsed);
    if (status != PS_OK) {
        raise_setting_error(state, status, "url", NULL);
        return -1;
    }
    return 0;
}

static int
make_target(PyTypeObject *type, const sink_arguments *arguments,
            ps_target **target, ps_buf *identity, bool *captures)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(arguments->url, &len);
    if (text == NULL) {
        return -1;
    }
    ps_span url = {text, (size_t)len};
    if (!ps_span_equal(url, PS_SPAN("memory:"))) {
        return make_redis(type, arguments, url, target, identity);
    }
    *captures = true;
    if (ps_buf_add(identity, url) != PS_OK ||
        ps_target_memory_new(target) != PS_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Lets the exit hook know of the sink; the first one installs it. */
static int
enter_exit_hook(PyObject *self)
{
    PyObject *module = PyImport_ImportModule("penstock._exit");
    if (module == NULL) {
        return -1;
    }
    PyObject *done = PyObject_CallMethod(module, "watch", "O", self);
    Py_DECREF(module);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyObject *
make_sink(PyTypeObject *type, const sink_arguments *arguments)
{
    const char *why = NULL;
    ps_target *target = NULL;
    ps_buf identity;
    bool captures = false;
    EventSinkObject *self = NULL;
    ps_buf_init(&identity, 4096);
    if (make_target(type, arguments, &target, &identity, &captures) < 0) {
        goto done;
    }
    self = (EventSinkObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        goto done;
    }
    self->exit_timeout = arguments->exit_timeout;
    self->captures = captures;
    ps_status status = ps_sink_new(
        &(ps_sink_settings){
            .target = target,
            .identity = {identity.ptr, identity.len},
            .threaded = !captures,
            .ring_bytes = (size_t)arguments->ring_bytes,
            .ring_dir =
                captures ? PS_SPAN("") : path_span(arguments->paths[0]),
            .batch = (size_t)arguments->batch,
            .linger_ns = to_ns(arguments->linger),
            .reconnect_first_ns = to_ns(arguments->reconnect_first),
            .reconnect_longest_ns = to_ns(arguments->reconnect_longest),
            .max_age_ms = (int64_t)ceil(arguments->age * 1000),
            .sample = arguments->sample,
            .reserves = arguments->reserves,
            .reserve_count = arguments->reserve_count,
        },
        &self->sink, &why);
    if (status != PS_OK) {
        raise_setting_error(state_of_type(type), status, "EventSink", why);
        Py_CLEAR(self);
        goto done;
    }
    target = NULL;
    if (enter_exit_hook((PyObject *)self) < 0) {
        Py_CLEAR(self);
    }
done:
    if (target != NULL) {
        target->ops->free(target);
    }
    ps_buf_fini(&identity);
    return (PyObject *)self;
}

PyDoc_STRVAR(sink_doc,
             "EventSink(url, *, stream='events', ring_bytes=4 << 20, ...)\n"
             "--\n\n"
             "Takes events without ever blocking and brings them to `url`:\n"
             "redis://, rediss://, unix:// or memory:. Opens nothing and\n"
             "starts nothing before the first event of the process.\n\n"
             "Times are seconds. Raises TypeError, or ValueError naming the\n"
             "setting.");

static PyObject *
sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"url",
                            "stream",
                            "ring_bytes",
                            "linger",
                            "batch",
                            "max_length",
                            "ring_dir",
                            "reconnect",
                            "connect_timeout",
                            "command_timeout",
                            "exit_timeout",
                            "delivery",
                            "reserve",
                            "max_age",
                            "sample",
                            "ca_file",
                            "certificate",
                            "private_key",
                            "client_name",
                            NULL};
    sink_arguments arguments = {
        .stream = "events",
        .stream_len = 6,
        .ring_bytes = PS_RING_BYTES_DEFAULT,
        .linger = 0.010,
        .batch = 256,
        .reconnect_first = 0.1,
        .reconnect_longest = 10.0,
        .connect_timeout = 2.0,
        .command_timeout = 5.0,
        .exit_timeout = 2.0,
        .delivery = "auto",
        .sample = 1.0,
        .client_name = NULL,
    };
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "U|$s#ndnOO(dd)dddsOOdOOOz#:EventSink", names,
            &arguments.url, &arguments.stream, &arguments.stream_len,
            &arguments.ring_bytes, &arguments.linger, &arguments.batch,
            &arguments.max_length, &arguments.ring_dir,
            &arguments.reconnect_first, &arguments.reconnect_longest,
            &arguments.connect_timeout, &arguments.command_timeout,
            &arguments.exit_timeout, &arguments.delivery, &arguments.reserve,
            &arguments.max_age, &arguments.sample, &arguments.ca_file,
            &arguments.certificate, &arguments.private_key,
            &arguments.client_name, &arguments.client_name_len)) {
        return NULL;
    }
    if (arguments.client_name == NULL) {
        arguments.client_name = "penstock";
        arguments.client_name_len = 8;
    }
    PyObject *self = NULL;
    if (arguments.ring_bytes < 0 || arguments.batch < 0 ||
        !(fabs(arguments.linger) <= LONGEST_S)) {
        refuse((PyObject *)type, "EventSink",
               "ring_bytes, batch and linger are not negative");
    } else if (check_arguments(type, &arguments) == 0) {
        self = make_sink(type, &arguments);
    }
    for (size_t i = 0; i < 4; i++) {
        Py_XDECREF(arguments.paths[i]);
    }
    return self;
}

/* ---- emit -------------------------------------------------------------- */

void
event_sink_log(EventSinkObject *self)
{
    char notice[PS_NOTICE_MAX];
    if (!ps_sink_take_notice(self->sink, notice)) {
        return;
    }
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("penstock._exit");
    PyObject *text =
        PyUnicode_DecodeUTF8(notice, (Py_ssize_t)strlen(notice), "replace");
    PyObject *done = NULL;
    if (module != NULL && text != NULL) {
        done = PyObject_CallMethod(module, "log", "O", text);
    }
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(done);
    Py_XDECREF(text);
    Py_XDECREF(module);
    PyErr_Restore(type, value, traceback);
}

static int
read_kind(PyObject *kind, ps_span *out)
{
    if (!PyUnicode_Check(kind)) {
        PyErr_Format(PyExc_TypeError, "kind: a str, not %.100s",
                     Py_TYPE(kind)->tp_name);
        return -1;
    }
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(kind, &len);
    if (text == NULL) {
        return -1; /* UnicodeEncodeError is a ValueError */
    }
    if (len == 0 || len > PS_KIND_MAX) {
        PyErr_Format(PyExc_ValueError, "kind: 1 to %d bytes, not %zd",
                     PS_KIND_MAX, len);
        return -1;
    }
    *out = (ps_span){text, (size_t)len};
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
    event_fields fields;
    ps_span kind;
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
    if (values[1] == NULL || values[1] == Py_None) {
        fields.count = 0;
        fields.owned_count = 0;
    } else if (event_fields_read(&fields, values[1], event_field_is_reserved) <
               0) {
        return NULL;
    }
    ps_status status =
        ps_sink_emit(self->sink, kind, fields.fields, fields.count, 0);
    if (fields.owned_count != 0) {
        event_fields_clear(&fields);
    }
    event_sink_log(self);
    return PyBool_FromLong(status == PS_OK);
}

/* ---- flush, close ------------------------------------------------------ */

/* The steady clock at the end of `timeout` seconds; negative counts as 0. */
static int64_t
deadline_of(double timeout)
{
    if (!(timeout > 0)) {
        timeout = 0;
    }
    if (timeout > LONGEST_S) {
        timeout = LONGEST_S;
    }
    return ps_clock_steady_ns() + to_ns(timeout);
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
        int64_t slice = ps_clock_steady_ns() + SLICE_NS;
        bool last = slice >= deadline;
        Py_BEGIN_ALLOW_THREADS *pending =
            ps_sink_flush(self->sink, last ? deadline : slice);
        Py_END_ALLOW_THREADS if (*pending == 0 || last)
        {
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
    Py_BEGIN_ALLOW_THREADS pending = ps_sink_close(self->sink, deadline);
    Py_END_ALLOW_THREADS event_sink_log(self);
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

static int
set_text(PyObject *dict, ps_span name, ps_span value)
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
kept_to_dict(const ps_kept_event *kept)
{
    PyObject *dict = PyDict_New();
    PyObject *id = PyUnicode_FromFormat("%.16s-%llu", kept->producer,
                                        (unsigned long long)kept->sequence);
    PyObject *time =
        PyUnicode_FromFormat("%lld", (long long)kept->event.time_ms);
    ps_span rest = kept->event.body;
    ps_field field;
    if (dict == NULL || id == NULL || time == NULL ||
        PyDict_SetItemString(dict, "id", id) < 0 ||
        set_text(dict, PS_SPAN("kind"), kept->event.kind) < 0 ||
        PyDict_SetItemString(dict, "time", time) < 0) {
        Py_CLEAR(dict);
    }
    while (dict != NULL && ps_event_next_field(&rest, &field)) {
        if (set_text(dict, field.name, field.value) < 0) {
            Py_CLEAR(dict);
        }
    }
    Py_XDECREF(id);
    Py_XDECREF(time);
    return dict;
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
    Py_BEGIN_ALLOW_THREADS(void) ps_sink_flush(self->sink, 0);
    Py_END_ALLOW_THREADS const ps_target *target = ps_sink_target(self->sink);
    PyObject *list = PyList_New(0);
    size_t count = ps_target_memory_count(target);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *event = kept_to_dict(ps_target_memory_at(target, i));
        if (event == NULL || PyList_Append(list, event) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(event);
    }
    return list;
}

static PyObject *
sink_closed(EventSinkObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(ps_sink_is_closed(self->sink));
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
        Py_BEGIN_ALLOW_THREADS(void)
            ps_sink_close(self->sink, ps_clock_steady_ns() + LET_GO_NS);
        ps_sink_release(self->sink);
        Py_END_ALLOW_THREADS
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
    {"emit", (PyCFunction)(void (*)(void))sink_emit,
     METH_FASTCALL | METH_KEYWORDS, emit_doc},
    {"flush", (PyCFunction)(void (*)(void))sink_flush,
     METH_FASTCALL | METH_KEYWORDS, flush_doc},
    {"close", (PyCFunction)(void (*)(void))sink_close,
     METH_FASTCALL | METH_KEYWORDS, close_doc},
    {"stats", (PyCFunction)(void (*)(void))sink_stats, METH_NOARGS, stats_doc},
    {"captured", (PyCFunction)(void (*)(void))sink_captured, METH_NOARGS,
     captured_doc},
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
    {Py_tp_doc, (void *)sink_doc},
    {Py_tp_new, (void *)sink_new},
    {Py_tp_dealloc, (void *)sink_dealloc},
    {Py_tp_traverse, (void *)sink_traverse},
    {Py_tp_methods, sink_methods},
    {Py_tp_members, sink_members},
    {Py_tp_getset, sink_getset},
    {0, NULL},
};

static PyType_Spec sink_spec = {
    .name = "penstock._core.EventSink",
    .basicsize = sizeof(EventSinkObject),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = sink_slots,
};

int
event_sink_setup(PyObject *module)
{
    return add_type(module, &sink_spec,
                    &state_of_module(module)->event_sink_type);
}
