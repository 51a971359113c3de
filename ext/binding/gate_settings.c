/* SPDX-License-Identifier: MIT */
/* Gate's arguments: checked one by one, each error naming its setting, then
 * compiled into the core's gate. */
#include "visit.h"

#include "arguments.h"
#include "errors.h"

#include "ring/file.h"
#include "base/folder.h"

#define TOKEN_HEADER_MAX 64

/* The parts and the lists of labels are looked at together. */
typedef struct gate_arguments {
    hr_gate_settings settings;
    PyObject *verifier;
    PyObject *paths;
    PyObject *fingerprint;
    PyObject *sink;
    PyObject *require_token; /* list of str */
    PyObject *token_from;    /* list of str */
    PyObject *treat_as;      /* dict or None */
    PyObject *token_header;
    uint8_t rows[HR_LABELS_MAX]; /* what the settings point to */
    char folder[HR_FOLDER_PATH_MAX];
} gate_arguments;

/* ---- readers ------------------------------------------------------------ */

int
mode_from_object(PyObject *object, const char *setting, hr_gate_mode fallback,
                 hr_gate_mode *mode)
{
    if (object == NULL || object == Py_None) {
        *mode = fallback;
        return 0;
    }
    if (PyUnicode_Check(object)) {
        for (int i = HR_GATE_MODE_OFF; i <= HR_GATE_MODE_COOKIE; i++) {
            if (PyUnicode_CompareWithASCIIString(
                    object, hr_gate_mode_word((hr_gate_mode)i).ptr) == 0) {
                *mode = (hr_gate_mode)i;
                return 0;
            }
        }
    }
    PyErr_Format(PyExc_ValueError, "%s: 'cookie', 'derived' or 'off'",
                 setting);
    return -1;
}

/* None stands for the default. */
static int
read_mode(argument_reading *reading, PyObject *value, void *member)
{
    return mode_from_object(value == Py_None ? reading->fallback : value,
                            reading->argument->name, HR_GATE_MODE_OFF, member);
}

static int
read_labels(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *labels = argument_items(reading, value);
    for (Py_ssize_t i = 0; labels != NULL && i < PyList_GET_SIZE(labels);
         i++) {
        PyObject *label = PyList_GET_ITEM(labels, i);
        if (!PyUnicode_Check(label)) {
            return argument_wrong_type(reading, label);
        }
    }
    *(PyObject **)member = labels;
    return labels != NULL ? 0 : -1;
}

static int
read_user_claims(argument_reading *reading, PyObject *value, void *member)
{
    static const hr_span USUAL[] = {{"user_id", 7}, {"sub", 3}};
    if (value != Py_None) {
        return argument_texts(reading, value, member);
    }
    *(const hr_span **)member = USUAL;
    ((gate_arguments *)reading->into)->settings.user_claim_count = 2;
    return 0;
}

/* "bearer", "cookie:<name>", or "scheme:<name>": Authorization with exactly
 * that scheme, as a framework may have it. */
static int
read_source(argument_reading *reading, PyObject *word,
            hr_gate_token_source *source)
{
    hr_span text;
    if (argument_utf8(reading, word, &text) < 0) {
        return -1;
    }
    static const hr_span COOKIE = {"cookie:", 7};
    static const hr_span SCHEME = {"scheme:", 7};
    if (hr_span_equal(text, HR_SPAN("bearer"))) {
        *source = (hr_gate_token_source){false, HR_SPAN("Bearer"), false};
        return 0;
    }
    if (hr_span_starts_with(text, SCHEME) && text.len > SCHEME.len) {
        *source = (hr_gate_token_source){false, hr_span_from(text, SCHEME.len),
                                         true};
        return 0;
    }
    if (hr_span_starts_with(text, COOKIE) && text.len > COOKIE.len &&
        text.len - COOKIE.len <= HR_COOKIE_NAME_MAX) {
        *source =
            (hr_gate_token_source){true, hr_span_from(text, COOKIE.len), true};
        return 0;
    }
    return argument_refuse(reading, "'bearer' or 'cookie:<name>'");
}

static int
read_sources(argument_reading *reading, PyObject *value, void *member)
{
    gate_arguments *given = reading->into;
    PyObject *words = argument_items(reading, value);
    if (words == NULL) {
        return -1;
    }
    size_t count = (size_t)PyList_GET_SIZE(words);
    hr_gate_token_source *sources =
        argument_memory(reading, count, sizeof(*sources));
    for (size_t i = 0; sources != NULL && i < count; i++) {
        if (read_source(reading, PyList_GET_ITEM(words, (Py_ssize_t)i),
                        &sources[i]) < 0) {
            return -1;
        }
    }
    *(const hr_gate_token_source **)member = sources;
    given->settings.source_count = count;
    given->token_from = words;
    return sources != NULL ? 0 : -1;
}

static int
read_event_fields(argument_reading *reading, PyObject *value, void *member)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        HR_GATE_EVENT_EXTRAS(X)
#undef X
    };
    uint32_t *bits = member;
    PyObject *names = argument_items(reading, value);
    if (names == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        if (!PyUnicode_Check(name)) {
            return argument_wrong_type(reading, name);
        }
        int at = 0;
        while (at < HR_GATE_EVENT_EXTRA_COUNT &&
               PyUnicode_CompareWithASCIIString(name, WORDS[at]) != 0) {
            at++;
        }
        if (at == HR_GATE_EVENT_EXTRA_COUNT) {
            PyErr_Format(PyExc_ValueError,
                         "event_fields: %R is none of scheme, host, referrer, "
                         "user_agent, language, ip_prefix, ip, query, "
                         "trace_id, request_id",
                         name);
            return -1;
        }
        *bits |= 1U << at;
    }
    return 0;
}

static bool
is_header_name(PyObject *name)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(name, i);
        if (c > 127 || (c != '-' && !Py_ISALNUM(c))) {
            return false;
        }
    }
    return length > 0 && length <= TOKEN_HEADER_MAX;
}

static int
read_token_header(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *name = value == Py_None ? reading->fallback : value;
    if (argument_str(reading, name, member) < 0) {
        return -1;
    }
    return is_header_name(name)
               ? 0
               : argument_refuse(reading, "not the name of a header");
}

#define ARGUMENTS_INTO gate_arguments
#define WORDS "an iterable of str"
#define PART(type_) .type = offsetof(core_state, type_)
/* clang-format off */
#define GATE_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR) \
    STAR OPTIONAL("verifier", "None", "a TokenVerifier or None", \
        argument_part, verifier, PART(token_verifier_type)) \
    OPTIONAL("paths", "None", "a PathFilter or None", argument_part, \
        paths, PART(path_filter_type)) \
    OPTIONAL("fingerprint", "None", "a FingerprintCookie or None", \
        argument_part, fingerprint, PART(fingerprint_cookie_type)) \
    OPTIONAL("sink", "None", "an EventSink or None", argument_part, sink, \
        PART(event_sink_type)) \
    OPTIONAL("require_token", "()", WORDS, read_labels, require_token) \
    OPTIONAL("user_claims", "None", WORDS " or None", read_user_claims, \
        settings.user_claims, \
        .count = offsetof(gate_arguments, settings.user_claim_count)) \
    OPTIONAL("token_from", "('bearer',)", WORDS, read_sources, \
        settings.sources) \
    OPTIONAL("treat_as", "None", "a dict or None", argument_dict, treat_as) \
    OPTIONAL("event_fields", "()", WORDS, read_event_fields, \
        settings.extra_fields) \
    OPTIONAL("hash_ids", "False", "a bool", argument_bool, settings.hash_ids) \
    OPTIONAL("mode", "'cookie'", "a str", read_mode, settings.mode) \
    OPTIONAL("gpc", "'derived'", "a str", read_mode, settings.gpc) \
    OPTIONAL("trusted_proxies", "0", "an int", argument_size, \
        settings.trusted_proxies) \
    OPTIONAL("token_header", "'Authorization'", "a str", \
        read_token_header, token_header) \
    LAST("metrics", "False", "a bool", argument_bool, settings.metrics)
/* clang-format on */

static const argument ROWS[] = {ARGUMENTS_ROWS(GATE_ARGUMENTS)};
const argument_table gate_table =
    ARGUMENTS_TABLE(GATE_ARGUMENTS, ROWS, GATE_TABLE);

const char gate_doc[] = PyDoc_STR("Gate(" ARGUMENTS_TEXT(
    GATE_ARGUMENTS) ")\n--\n\n"
                    "The one entry point: enter before the view, Visit.finish "
                    "after it.\n\n"
                    "verifier, paths, fingerprint and sink are a "
                    "TokenVerifier, PathFilter,\n"
                    "FingerprintCookie and EventSink; with None that step is "
                    "off. Raises\n"
                    "TypeError or ValueError naming the setting.");

/* ---- labels ------------------------------------------------------------- */

/* The number of the label `word`, -1 with ValueError. */
static int
label_number(GateObject *self, PyObject *word, const char *setting)
{
    Py_ssize_t count = PyTuple_GET_SIZE(self->words);
    for (Py_ssize_t i = 0; i < count; i++) {
        int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(self->words, i),
                                            word, Py_EQ);
        if (same != 0) {
            return same < 0 ? -1 : (int)i;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s: %R is not a label of paths", setting,
                 word);
    return -1;
}

/* treat_as: which row of the request table a label follows. */
static int
read_rows(GateObject *self, PyObject *treat_as, uint8_t *rows)
{
    for (size_t i = 0; i < HR_LABELS_MAX; i++) {
        rows[i] =
            i <= HR_PATH_FILTER_TRACK ? (uint8_t)i : HR_PATH_FILTER_TRACK;
    }
    PyObject *items =
        treat_as == Py_None ? PyList_New(0) : PyDict_Items(treat_as);
    if (items == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        PyObject *word = PyTuple_GET_ITEM(pair, 0);
        PyObject *row = PyTuple_GET_ITEM(pair, 1);
        int label = label_number(self, word, "treat_as");
        if (label < 0) {
            goto fail;
        }
        int number = label_number(self, row, "treat_as");
        if (number < 0 || number > HR_PATH_FILTER_TRACK) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_ValueError,
                             "treat_as: %R is none of 'skip', 'api', 'track'",
                             row);
            }
            goto fail;
        }
        if (label <= HR_PATH_FILTER_TRACK && number != label) {
            PyErr_Format(PyExc_ValueError,
                         "treat_as: the built-in label %R has its own row",
                         word);
            goto fail;
        }
        rows[label] = (uint8_t)number;
    }
    Py_DECREF(items);
    return 0;
fail:
    Py_DECREF(items);
    return -1;
}

static int
require_labels(GateObject *self, PyObject *labels, const uint8_t *rows)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(labels); i++) {
        PyObject *word = PyList_GET_ITEM(labels, i);
        int label = label_number(self, word, "require_token");
        if (label < 0) {
            return -1;
        }
        if (rows[label] == HR_PATH_FILTER_SKIP) {
            PyErr_Format(PyExc_ValueError,
                         "require_token: the label %R follows 'skip', where "
                         "no token is looked at",
                         word);
            return -1;
        }
        if (self->verifier == Py_None) {
            PyErr_SetString(PyExc_ValueError,
                            "require_token: there is no verifier");
            return -1;
        }
        self->required[label] = true;
    }
    return 0;
}

static PyObject *
label_words(PyObject *paths)
{
    return paths != Py_None ? Py_NewRef(((PathFilterObject *)paths)->words)
                            : Py_BuildValue("(sss)", "skip", "api", "track");
}

/* ---- the header of the token -------------------------------------------- */

/* The key that PEP 3333 gives a header: "HTTP_X_TOKEN" for "X-Token". NULL
 * with MemoryError. */
static PyObject *
environ_key(PyObject *name)
{
    PyObject *key = PyUnicode_New(PyUnicode_GET_LENGTH(name) + 5, 127);
    if (key == NULL) {
        return NULL;
    }
    char *out = (char *)PyUnicode_1BYTE_DATA(key);
    memcpy(out, "HTTP_", 5);
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(name); i++) {
        char c = (char)PyUnicode_READ_CHAR(name, i);
        out[5 + i] = (char)(c == '-' ? '_' : Py_TOUPPER(c));
    }
    PyUnicode_InternInPlace(&key);
    return key;
}

header_name
gate_token_header(const GateObject *self)
{
    if (self->token_key == NULL) {
        return (header_name){NULL, HR_NO_SPAN};
    }
    return (header_name){self->token_key, text_bytes(self->token_header)};
}

static int
keep_token_header(GateObject *self, PyObject *name)
{
    self->token_header = Py_NewRef(name);
    if (hr_span_equal_nocase(text_bytes(name), HR_SPAN("authorization"))) {
        return 0;
    }
    self->token_key = environ_key(name);
    return self->token_key != NULL ? 0 : -1;
}

/* ---- the gate ----------------------------------------------------------- */

/* The salts of derived ids lie beside the rings. */
static bool
name_salt_folder(const hr_sink *sink, char folder[HR_FOLDER_PATH_MAX])
{
    const char *ring_dir = sink != NULL ? hr_sink_ring_dir(sink) : NULL;
    if (ring_dir != NULL && *ring_dir == '\0') {
        ring_dir = NULL; /* this sink has no file */
    }
    return hr_folder_name(ring_dir, folder);
}

/* Fills in the gate, which keeps the objects that the core borrows from. */
static int
configure(GateObject *self, core_state *state, gate_arguments *given)
{
    hr_gate_settings *settings = &given->settings;
    const char *why = NULL;
    self->verifier = Py_NewRef(given->verifier);
    self->paths = Py_NewRef(given->paths);
    self->fingerprint = Py_NewRef(given->fingerprint);
    self->sink = Py_NewRef(given->sink);
    self->mode = settings->mode;
    self->words = label_words(self->paths);
    self->token_from = PyList_AsTuple(given->token_from);
    if (self->words == NULL || self->token_from == NULL ||
        read_rows(self, given->treat_as, given->rows) < 0 ||
        require_labels(self, given->require_token, given->rows) < 0 ||
        keep_token_header(self, given->token_header) < 0) {
        return -1;
    }
    if (self->verifier != Py_None) {
        settings->verifier = ((TokenVerifierObject *)self->verifier)->verifier;
    }
    if (self->paths != Py_None) {
        settings->paths = ((PathFilterObject *)self->paths)->filter;
    }
    if (self->fingerprint != Py_None) {
        settings->cookie =
            ((FingerprintCookieObject *)self->fingerprint)->cookie;
    }
    if (self->sink != Py_None) {
        settings->sink = ((EventSinkObject *)self->sink)->sink;
    }
    if (settings->cookie != NULL &&
        name_salt_folder(settings->sink, given->folder)) {
        settings->salt_folder = given->folder;
    }
    settings->rows = given->rows;
    settings->row_count = HR_LABELS_MAX;
    hr_status status = hr_gate_new(settings, &self->gate, &why);
    if (status != HR_OK) {
        raise_setting_error(state, status, why == NULL ? "Gate" : NULL, why);
        return -1;
    }
    return 0;
}

int
gate_configure(GateObject *self, core_state *state, PyObject *args,
               PyObject *kwargs)
{
    gate_arguments given = {0};
    argument_reading reading;
    int result = arguments_read(&reading, &gate_table, "Gate", state, args,
                                kwargs, &given);
    if (result == 0) {
        result = configure(self, state, &given);
    }
    arguments_fini(&reading);
    return result;
}
