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
    const char *prefix;
    Py_ssize_t prefix_len;
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
    hr_redis_delivery_level level;
    hr_sink_reserve reserves[HR_RING_RESERVES_MAX];
    size_t reserve_count;
} sink_arguments;

static PyObject *
refuse(PyObject *type, const char *setting, const char *why)
{
    return raise_setting_error(state_of_type((PyTypeObject *)type), HR_SETTING,
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
    if (PyDict_GET_SIZE(reserve) > HR_RING_RESERVES_MAX) {
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
        if (len == 0 || len > HR_KIND_MAX) {
            refuse((PyObject *)type, "reserve", "a kind has 1 to 64 bytes");
            return -1;
        }
        arguments->reserves[arguments->reserve_count++] =
            (hr_sink_reserve){{text, (size_t)len}, value};
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
        hr_redis_delivery_level level;
    } LEVELS[] = {
        {"auto", HR_REDIS_DELIVERY_AUTO},
        {"exactly-once", HR_REDIS_DELIVERY_MARKER},
        {"script", HR_REDIS_DELIVERY_SCRIPT},
        {"at-least-once", HR_REDIS_DELIVERY_LEAST},
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

/* Braces are left to the lanes of a cluster. */
static bool
is_prefix(const char *text, Py_ssize_t len)
{
    for (Py_ssize_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '{' ||
            text[i] == '}') {
            return false;
        }
    }
    return len <= HR_PREFIX_MAX;
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
    if (!is_prefix(arguments->prefix, arguments->prefix_len)) {
        refuse((PyObject *)type, "prefix",
               "up to 64 printable ASCII characters without blanks and "
               "braces");
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

static hr_span
path_span(PyObject *path)
{
    if (path == NULL) {
        return HR_NO_SPAN;
    }
    return (hr_span){PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path)};
}

static int64_t
to_ns(double seconds)
{
    return (int64_t)(seconds * 1e9);
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
            .prefix = {arguments->prefix, (size_t)arguments->prefix_len},
            .stream = {arguments->stream, (size_t)arguments->stream_len},
            .client_name = {arguments->client_name,
                            (size_t)arguments->client_name_len},
            .max_length = arguments->length,
            .level = arguments->level,
            .batch = (size_t)arguments->batch,
        },
        opened, &why);
    Py_XDECREF(authorities);
    if (status != HR_OK) {
        raise_setting_error(state_of_type(type), status, "url", why);
        return -1;
    }
    return 0;
}

/* Lets the exit hook know of the sink; the first one installs it. */
static int
enter_exit_hook(PyObject *self)
{
    PyObject *module = PyImport_ImportModule("headrace._exit");
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
            .ring_bytes = (size_t)arguments->ring_bytes,
            .ring_dir =
                self->captures ? HR_SPAN("") : path_span(arguments->paths[0]),
            .batch = (size_t)arguments->batch,
            .linger_ns = to_ns(arguments->linger),
            .reconnect_first_ns = to_ns(arguments->reconnect_first),
            .reconnect_longest_ns = to_ns(arguments->reconnect_longest),
            .max_age_ms = (int64_t)ceil(arguments->age * 1000),
            .sample = arguments->sample,
            .reserves = arguments->reserves,
            .reserve_count = arguments->reserve_count,
            .greeting = hr_buf_span(&opened.greeting),
        },
        &self->sink, &why);
    if (status != HR_OK) {
        raise_setting_error(state_of_type(type), status, "EventSink", why);
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

const char event_sink_doc[] = PyDoc_STR(
    "EventSink(url, *, prefix='headrace:', stream='events', ring_bytes=4 << "
    "20, ...)\n"
    "--\n\n"
    "Takes events without ever blocking and brings them to `url`:\n"
    "redis://, rediss://, unix://, file: or memory:. Opens nothing and\n"
    "starts nothing before the first event of the process.\n\n"
    "Times are seconds. Raises TypeError, or ValueError naming the\n"
    "setting.");

PyObject *
event_sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "url",       "prefix",          "stream",          "ring_bytes",
        "linger",    "batch",           "max_length",      "ring_dir",
        "reconnect", "connect_timeout", "command_timeout", "exit_timeout",
        "delivery",  "reserve",         "max_age",         "sample",
        "ca_file",   "certificate",     "private_key",     "client_name",
        NULL};
    sink_arguments arguments = {
        .prefix = "headrace:",
        .prefix_len = 9,
        .stream = "events",
        .stream_len = 6,
        .ring_bytes = HR_RING_BYTES_DEFAULT,
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
            args, kwargs, "U|$s#s#ndnOO(dd)dddsOOdOOOz#:EventSink", names,
            &arguments.url, &arguments.prefix, &arguments.prefix_len,
            &arguments.stream, &arguments.stream_len, &arguments.ring_bytes,
            &arguments.linger, &arguments.batch, &arguments.max_length,
            &arguments.ring_dir, &arguments.reconnect_first,
            &arguments.reconnect_longest, &arguments.connect_timeout,
            &arguments.command_timeout, &arguments.exit_timeout,
            &arguments.delivery, &arguments.reserve, &arguments.max_age,
            &arguments.sample, &arguments.ca_file, &arguments.certificate,
            &arguments.private_key, &arguments.client_name,
            &arguments.client_name_len)) {
        return NULL;
    }
    if (arguments.client_name == NULL) {
        arguments.client_name = "headrace";
        arguments.client_name_len = 8;
    }
    PyObject *self = NULL;
    if (arguments.batch < 1 || arguments.batch > HR_BATCH_MAX) {
        refuse((PyObject *)type, "batch", "from 1 to 4096 events");
    } else if (arguments.ring_bytes < HR_RING_BYTES_MIN ||
               arguments.ring_bytes > (Py_ssize_t)HR_RING_BYTES_TOP) {
        refuse((PyObject *)type, "ring_bytes", "from 64 KiB to 1 GiB");
    } else if (!(arguments.linger >= 0 && arguments.linger <= 60)) {
        refuse((PyObject *)type, "linger", "from 0 to 60 seconds");
    } else if (check_arguments(type, &arguments) == 0) {
        self = make_sink(type, &arguments);
    }
    for (size_t i = 0; i < 4; i++) {
        Py_XDECREF(arguments.paths[i]);
    }
    return self;
}
