/* SPDX-License-Identifier: MIT */
/* From the arguments of EventSink to a sink with its target. */
#include "event_sink.h"

#include <math.h>
#include <stdlib.h>

#include "redis/open.h"
#include "errors.h"

/* ---- arguments --------------------------------------------------------- */

typedef struct sink_arguments {
    PyObject *url;
    hr_span prefix;
    hr_span stream;
    hr_span client_name;
    size_t ring_bytes;
    size_t batch;
    uint64_t length; /* 0: not trimmed */
    double linger;
    double reconnect[2];
    double connect_timeout;
    double command_timeout;
    double exit_timeout;
    double age; /* 0: none */
    double sample;
    PyObject *paths[4]; /* bytes: ring_dir, ca_file, ...; borrowed */
    hr_redis_delivery_level level;
    const hr_sink_reserve *reserves;
    size_t reserve_count;
} sink_arguments;

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
read_url(argument_reading *reading, PyObject *value, void *member)
{
    hr_span text;
    *(PyObject **)member = value;
    return argument_utf8(reading, value, &text);
}

/* 0 is "not trimmed" to the core, so that a 0 that is given becomes a length
 * that it refuses. */
static int
read_length(argument_reading *reading, PyObject *value, void *member)
{
    int64_t length = 0;
    if (value != Py_None && argument_integer(reading, value, &length) < 0) {
        return -1;
    }
    *(uint64_t *)member = value == Py_None ? 0
                          : length < 1     ? UINT64_MAX
                                           : (uint64_t)length;
    return 0;
}

/* Here 0 is "none": an age of 0 becomes one below. */
static int
read_age(argument_reading *reading, PyObject *value, void *member)
{
    double *age = member;
    *age = 0;
    if (value == Py_None || argument_number(reading, value, member) < 0) {
        return value == Py_None ? 0 : -1;
    }
    *age = *age > 0 ? *age : -1;
    return 0;
}

static int
read_exit_timeout(argument_reading *reading, PyObject *value, void *member)
{
    const double *seconds = member;
    if (argument_number(reading, value, member) < 0) {
        return -1;
    }
    return *seconds >= 0 && *seconds <= HR_WAIT_MAX_S
               ? 0
               : argument_refuse(reading, "seconds, 0 or more, up to a year");
}

/* A first wait of 0 is the default to the core. */
static int
read_reconnect(argument_reading *reading, PyObject *value, void *member)
{
    double *waits = member;
    PyObject *items = argument_items(reading, value);
    if (items == NULL) {
        return -1;
    }
    if (PyList_GET_SIZE(items) != 2) {
        return argument_wrong_type(reading, value);
    }
    for (Py_ssize_t i = 0; i < 2; i++) {
        if (argument_number(reading, PyList_GET_ITEM(items, i), &waits[i]) <
            0) {
            return -1;
        }
        waits[i] = waits[i] > 0 ? waits[i] : -1;
    }
    return 0;
}

static int
read_client_name(argument_reading *reading, PyObject *value, void *member)
{
    *(hr_span *)member = HR_SPAN("headrace");
    return value == Py_None ? 0 : argument_utf8(reading, value, member);
}

static int
read_reserves(argument_reading *reading, PyObject *value, void *member)
{
    if (value == Py_None) {
        return 0;
    }
    if (!PyDict_Check(value)) {
        return argument_wrong_type(reading, value);
    }
    PyObject *items = PyDict_Items(value);
    if (argument_keep_steal(reading, items) < 0) {
        return -1;
    }
    size_t count = (size_t)PyList_GET_SIZE(items);
    hr_sink_reserve *reserves =
        argument_memory(reading, count, sizeof(*reserves));
    if (reserves == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *item = PyList_GET_ITEM(items, (Py_ssize_t)i);
        if (argument_utf8(reading, PyTuple_GET_ITEM(item, 0),
                          &reserves[i].kind) < 0 ||
            argument_number(reading, PyTuple_GET_ITEM(item, 1),
                            &reserves[i].part) < 0) {
            return -1;
        }
    }
    *(const hr_sink_reserve **)member = reserves;
    ((sink_arguments *)reading->into)->reserve_count = count;
    return 0;
}

#define ARGUMENTS_INTO sink_arguments
#define WANT_PATH "a path or None"
/* In the order of hr_redis_delivery_level. */
#define WANT_LEVEL "'auto', 'exactly-once', 'script' or 'at-least-once'"
/* clang-format off */
#define SINK_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR) \
    REQUIRED("url", "a str", read_url, url) \
    STAR OPTIONAL("prefix", "'headrace:'", "a str", argument_text, \
        prefix) \
    OPTIONAL("stream", "'events'", "a str", argument_text, stream) \
    OPTIONAL("ring_bytes", ARGUMENT_SHOWN(HR_RING_BYTES_DEFAULT), \
        "an int", argument_size, ring_bytes) \
    OPTIONAL("linger", "0.01", "seconds", argument_number, linger) \
    OPTIONAL("batch", "256", "an int", argument_size, batch) \
    OPTIONAL("max_length", "100000", "an int or None", read_length, length) \
    OPTIONAL("ring_dir", "None", WANT_PATH, argument_path, paths[0]) \
    OPTIONAL("reconnect", "(0.1, 10.0)", \
        "a tuple of two numbers of seconds", read_reconnect, reconnect) \
    OPTIONAL("connect_timeout", "2.0", "seconds", argument_number, \
        connect_timeout) \
    OPTIONAL("command_timeout", "5.0", "seconds", argument_number, \
        command_timeout) \
    OPTIONAL("exit_timeout", "2.0", "seconds", read_exit_timeout, \
        exit_timeout) \
    OPTIONAL("delivery", "'auto'", WANT_LEVEL, argument_word, level) \
    OPTIONAL("reserve", "None", "a dict of str and numbers, or None", \
        read_reserves, reserves) \
    OPTIONAL("max_age", "None", "seconds or None", read_age, age) \
    OPTIONAL("sample", "1.0", "a number", argument_number, sample) \
    OPTIONAL("ca_file", "None", WANT_PATH, argument_path, paths[1]) \
    OPTIONAL("certificate", "None", WANT_PATH, argument_path, paths[2]) \
    OPTIONAL("private_key", "None", WANT_PATH, argument_path, paths[3]) \
    LAST("client_name", "None", "a str or None", read_client_name, \
        client_name)
/* clang-format on */

static const argument ROWS[] = {ARGUMENTS_ROWS(SINK_ARGUMENTS)};
const argument_table event_sink_table =
    ARGUMENTS_TABLE(SINK_ARGUMENTS, ROWS, EVENT_SINK_TABLE);

const char event_sink_doc[] = PyDoc_STR("EventSink(" ARGUMENTS_TEXT(
    SINK_ARGUMENTS) ")\n--\n\n"
                    "Takes events without ever blocking and brings them to "
                    "`url`:\n"
                    "redis://, rediss://, unix://, file: or memory:. Opens "
                    "nothing and\n"
                    "starts nothing before the first event of the process.");

static hr_span
path_span(PyObject *path)
{
    if (path == NULL) {
        return HR_NO_SPAN;
    }
    return (hr_span){PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path)};
}

/* ---- targets ----------------------------------------------------------- */

/* The PEM file or the folder of authorities that TLS trusts where ca_file is
 * not given, as owned bytes; NULL in `out`: what OpenSSL was built with. A
 * wheel's OpenSSL was built elsewhere, so Python's is asked. */
static int
default_authorities(PyObject **out)
{
    const char *file = getenv("SSL_CERT_FILE");
    if (file != NULL && *file != '\0') {
        *out = PyBytes_FromString(file);
        return *out == NULL ? -1 : 0;
    }
    PyObject *ssl = PyImport_ImportModule("ssl");
    if (ssl == NULL) { /* a Python without ssl */
        if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    PyObject *paths =
        PyObject_CallMethod(ssl, "get_default_verify_paths", NULL);
    Py_DECREF(ssl);
    if (paths == NULL) {
        return -1;
    }
    int result = 0;
    static const char *const NAMES[] = {"cafile", "capath"};
    for (size_t i = 0; i < 2 && result == 0 && *out == NULL; i++) {
        PyObject *path = PyObject_GetAttrString(paths, NAMES[i]);
        result = path == NULL ? -1 : read_path(path, out);
        Py_XDECREF(path);
    }
    Py_DECREF(paths);
    return result;
}

/* The target of `url` and what names it; `opened` is to be finished in any
 * case. */
static int
make_target(PyTypeObject *type, const sink_arguments *arguments,
            hr_redis_open_result *opened)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(arguments->url, &len);
    if (text == NULL) {
        return -1;
    }
    hr_span url = {text, (size_t)len};
    PyObject *authorities = Py_XNewRef(arguments->paths[1]);
    if (authorities == NULL && hr_redis_open_is_tls(url) &&
        default_authorities(&authorities) < 0) {
        return -1;
    }
    const char *why;
    hr_status status = hr_redis_open_target(
        url,
        &(hr_redis_delivery_settings){
            .connect_timeout_ns = to_ns(arguments->connect_timeout),
            .command_timeout_ns = to_ns(arguments->command_timeout),
            .ca_file = path_span(authorities),
            .certificate = path_span(arguments->paths[2]),
            .private_key = path_span(arguments->paths[3]),
            .prefix = arguments->prefix,
            .stream = arguments->stream,
            .client_name = arguments->client_name,
            .max_length = arguments->length,
            .level = arguments->level,
            .batch = arguments->batch,
        },
        opened, &why);
    Py_XDECREF(authorities);
    if (status != HR_OK) {
        raise_setting_error(state_of_type(type), status,
                            status == HR_SETTING ? NULL : "url", why);
        return -1;
    }
    return 0;
}

/* Lets the exit hook know of the sink; the first one installs it. */
static int
enter_exit_hook(PyObject *self)
{
    PyObject *done = call_imported("headrace._exit", "watch", "(O)", self);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyObject *
make_sink(PyTypeObject *type, const sink_arguments *arguments)
{
    const char *why = NULL;
    hr_redis_open_result opened = {.target = NULL};
    EventSinkObject *self = NULL;
    if (make_target(type, arguments, &opened) < 0) {
        goto done;
    }
    self = (EventSinkObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        goto done;
    }
    self->exit_timeout = arguments->exit_timeout;
    self->captures = opened.in_memory;
    hr_status status = hr_sink_new(
        &(hr_sink_settings){
            .target = opened.target,
            .identity = hr_buf_span(&opened.identity),
            .threaded = !self->captures,
            .ring_bytes = arguments->ring_bytes,
            .ring_dir =
                self->captures ? HR_SPAN("") : path_span(arguments->paths[0]),
            .batch = arguments->batch,
            .linger_ns = to_ns(arguments->linger),
            .reconnect_first_ns = to_ns(arguments->reconnect[0]),
            .reconnect_longest_ns = to_ns(arguments->reconnect[1]),
            .max_age_ms = whole(ceil(arguments->age * 1000)),
            .sample = arguments->sample,
            .reserves = arguments->reserves,
            .reserve_count = arguments->reserve_count,
            .greeting = hr_buf_span(&opened.greeting),
        },
        &self->sink, &why);
    if (status != HR_OK) {
        raise_setting_error(state_of_type(type), status, NULL, why);
        Py_CLEAR(self);
        goto done;
    }
    opened.target = NULL;
    if (enter_exit_hook((PyObject *)self) < 0) {
        Py_CLEAR(self);
    }
done:
    hr_redis_open_fini(&opened);
    return (PyObject *)self;
}

PyObject *
event_sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    sink_arguments arguments = {0};
    argument_reading reading;
    core_state *state = state_of_type(type);
    PyObject *self = NULL;
    if (arguments_read(&reading, &event_sink_table, "EventSink", state, args,
                       kwargs, &arguments) == 0) {
        self = make_sink(type, &arguments);
    }
    arguments_fini(&reading);
    return self;
}
