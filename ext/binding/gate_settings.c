/* SPDX-License-Identifier: MIT */
/* Gate's arguments: checked one by one, each error naming its setting, then
 * compiled into the core's gate. */
#include "visit.h"

#include "errors.h"

#include "ring/file.h"
#include "base/folder.h"

#define TOKEN_SOURCES_MAX 8
#define USER_CLAIMS_MAX 16
#define TOKEN_HEADER_MAX 64

/* A tuple of str from any iterable of str but a str itself; NULL with an
 * exception that names the setting. */
static PyObject *
words_from_object(PyObject *object, const char *setting)
{
    if (PyUnicode_Check(object) || PyBytes_Check(object)) {
        PyErr_Format(PyExc_TypeError,
                     "%s: a list or tuple of str is meant, not one %.100s",
                     setting, Py_TYPE(object)->tp_name);
        return NULL;
    }
    PyObject *words = PySequence_Tuple(object);
    if (words == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "%s: a list or tuple of str is meant, not %.100s",
                         setting, Py_TYPE(object)->tp_name);
        }
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(words); i++) {
        PyObject *word = PyTuple_GET_ITEM(words, i);
        Py_ssize_t size;
        if (!PyUnicode_Check(word)) {
            PyErr_Format(PyExc_TypeError, "%s: %R is not a str", setting,
                         word);
            goto fail;
        }
        if (PyUnicode_AsUTF8AndSize(word, &size) == NULL) {
            goto fail;
        }
        if (size == 0) {
            PyErr_Format(PyExc_ValueError, "%s: an empty name", setting);
            goto fail;
        }
    }
    return words;
fail:
    Py_DECREF(words);
    return NULL;
}

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
    PyErr_Format(PyExc_ValueError,
                 "%s: %R is none of 'cookie', 'derived', 'off'", setting,
                 object);
    return -1;
}

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
    if (treat_as == NULL || treat_as == Py_None) {
        return 0;
    }
    PyObject *items = PyDict_Check(treat_as) ? PyDict_Items(treat_as) : NULL;
    if (items == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "treat_as: a dict, not %.100s",
                         Py_TYPE(treat_as)->tp_name);
        }
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        PyObject *word;
        PyObject *row;
        if (!PyArg_ParseTuple(pair, "OO", &word, &row)) {
            goto fail;
        }
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
read_require_token(GateObject *self, PyObject *labels, const uint8_t *rows)
{
    self->require_token = labels != NULL
                              ? words_from_object(labels, "require_token")
                              : PyTuple_New(0);
    if (self->require_token == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->require_token); i++) {
        PyObject *word = PyTuple_GET_ITEM(self->require_token, i);
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

/* "bearer", "cookie:<name>", or "scheme:<name>": Authorization with exactly
 * that scheme, as a framework may have it. */
static int
read_source(PyObject *word, hr_gate_token_source *source)
{
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(word, &size);
    if (bytes == NULL) {
        return -1;
    }
    hr_span text = {bytes, (size_t)size};
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
    PyErr_Format(PyExc_ValueError,
                 "token_from: %R is neither 'bearer' nor 'cookie:<name>'",
                 word);
    return -1;
}

static int
read_event_fields(GateObject *self, PyObject *names, uint32_t *bits)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        HR_GATE_EVENT_EXTRAS(X)
#undef X
    };
    self->event_fields = names != NULL
                             ? words_from_object(names, "event_fields")
                             : PyTuple_New(0);
    if (self->event_fields == NULL) {
        return -1;
    }
    *bits = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->event_fields); i++) {
        PyObject *name = PyTuple_GET_ITEM(self->event_fields, i);
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

/* A strong reference to `part`, or to None; -1 when it is of another type. */
static int
read_part(PyObject *part, PyTypeObject *type, const char *setting,
          PyObject **slot)
{
    if (part == NULL || part == Py_None) {
        *slot = Py_NewRef(Py_None);
        return 0;
    }
    if (!Py_IS_TYPE(part, type)) {
        PyErr_Format(PyExc_TypeError, "%s: a %s or None is meant, not %.100s",
                     setting, type->tp_name, Py_TYPE(part)->tp_name);
        return -1;
    }
    *slot = Py_NewRef(part);
    return 0;
}

static PyObject *
label_words(core_state *state, PyObject *paths)
{
    if (paths != Py_None) {
        return Py_NewRef(((PathFilterObject *)paths)->words);
    }
    (void)state;
    return Py_BuildValue("(sss)", "skip", "api", "track");
}

static int
read_sources(GateObject *self, PyObject *names, hr_gate_token_source *sources)
{
    self->token_from = names != NULL ? words_from_object(names, "token_from")
                                     : Py_BuildValue("(s)", "bearer");
    if (self->token_from == NULL) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(self->token_from);
    if (count > TOKEN_SOURCES_MAX) {
        PyErr_Format(PyExc_ValueError, "token_from: at most %d sources",
                     TOKEN_SOURCES_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_source(PyTuple_GET_ITEM(self->token_from, i), &sources[i]) <
            0) {
            return -1;
        }
    }
    return 0;
}

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
read_token_header(GateObject *self, PyObject *name)
{
    if (name == NULL || name == Py_None) {
        self->token_header = PyUnicode_FromString("Authorization");
        return self->token_header != NULL ? 0 : -1;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError,
                     "token_header: a str is meant, not %.100s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    if (!is_header_name(name)) {
        PyErr_Format(PyExc_ValueError,
                     "token_header: %R is not the name of a header", name);
        return -1;
    }
    self->token_header = Py_NewRef(name);
    if (hr_span_equal_nocase(text_bytes(name), HR_SPAN("authorization"))) {
        return 0;
    }
    self->token_key = environ_key(name);
    return self->token_key != NULL ? 0 : -1;
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
read_user_claims(GateObject *self, PyObject *names, hr_span *claims)
{
    self->user_claims = names != NULL
                            ? words_from_object(names, "user_claims")
                            : Py_BuildValue("(ss)", "user_id", "sub");
    if (self->user_claims == NULL) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(self->user_claims);
    if (count > USER_CLAIMS_MAX) {
        PyErr_Format(PyExc_ValueError, "user_claims: at most %d names",
                     USER_CLAIMS_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t size;
        const char *bytes = PyUnicode_AsUTF8AndSize(
            PyTuple_GET_ITEM(self->user_claims, i), &size);
        if (bytes == NULL) {
            return -1;
        }
        claims[i] = (hr_span){bytes, (size_t)size};
    }
    return 0;
}

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

int
gate_configure(GateObject *self, core_state *state, PyObject *args,
               PyObject *kwargs)
{
    static char *keywords[] = {
        "verifier",        "paths",        "fingerprint", "sink",
        "require_token",   "user_claims",  "token_from",  "treat_as",
        "event_fields",    "hash_ids",     "mode",        "gpc",
        "trusted_proxies", "token_header", "metrics",     NULL};
    PyObject *verifier = NULL;
    PyObject *paths = NULL;
    PyObject *fingerprint = NULL;
    PyObject *sink = NULL;
    PyObject *require_token = NULL;
    PyObject *user_claims = NULL;
    PyObject *token_from = NULL;
    PyObject *treat_as = NULL;
    PyObject *event_fields = NULL;
    int hash_ids = 0;
    PyObject *mode = NULL;
    PyObject *gpc = NULL;
    int trusted_proxies = 0;
    PyObject *token_header = NULL;
    int metrics = 0;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|$OOOOOOOOOpOOiOp:Gate", keywords, &verifier,
            &paths, &fingerprint, &sink, &require_token, &user_claims,
            &token_from, &treat_as, &event_fields, &hash_ids, &mode, &gpc,
            &trusted_proxies, &token_header, &metrics)) {
        return -1;
    }
    hr_gate_token_source sources[TOKEN_SOURCES_MAX];
    hr_span claims[USER_CLAIMS_MAX];
    uint8_t rows[HR_LABELS_MAX];
    hr_gate_settings settings = {0};
    if (trusted_proxies < 0 || trusted_proxies > 100) {
        PyErr_Format(PyExc_ValueError, "trusted_proxies: 0 to 100, not %d",
                     trusted_proxies);
        return -1;
    }
    if (read_part(verifier, state->token_verifier_type, "verifier",
                  &self->verifier) < 0 ||
        read_part(paths, state->path_filter_type, "paths", &self->paths) < 0 ||
        read_part(fingerprint, state->fingerprint_cookie_type, "fingerprint",
                  &self->fingerprint) < 0 ||
        read_part(sink, state->event_sink_type, "sink", &self->sink) < 0) {
        return -1;
    }
    self->words = label_words(state, self->paths);
    if (self->words == NULL || read_rows(self, treat_as, rows) < 0 ||
        read_require_token(self, require_token, rows) < 0 ||
        read_sources(self, token_from, sources) < 0 ||
        read_token_header(self, token_header) < 0 ||
        read_user_claims(self, user_claims, claims) < 0 ||
        read_event_fields(self, event_fields, &settings.extra_fields) < 0 ||
        mode_from_object(mode, "mode", HR_GATE_MODE_COOKIE, &settings.mode) <
            0 ||
        mode_from_object(gpc, "gpc", HR_GATE_MODE_DERIVED, &settings.gpc) <
            0) {
        return -1;
    }
    if (self->verifier != Py_None) {
        settings.verifier = ((TokenVerifierObject *)self->verifier)->verifier;
    }
    if (self->paths != Py_None) {
        settings.paths = ((PathFilterObject *)self->paths)->filter;
    }
    if (self->fingerprint != Py_None) {
        settings.cookie =
            ((FingerprintCookieObject *)self->fingerprint)->cookie;
    }
    if (self->sink != Py_None) {
        settings.sink = ((EventSinkObject *)self->sink)->sink;
    }
    char folder[HR_FOLDER_PATH_MAX];
    if (settings.cookie != NULL && name_salt_folder(settings.sink, folder)) {
        settings.salt_folder = folder;
    }
    settings.sources = sources;
    settings.source_count = (size_t)PyTuple_GET_SIZE(self->token_from);
    settings.user_claims = claims;
    settings.user_claim_count = (size_t)PyTuple_GET_SIZE(self->user_claims);
    settings.rows = rows;
    settings.row_count = HR_LABELS_MAX;
    settings.hash_ids = hash_ids != 0;
    settings.metrics = metrics != 0;
    settings.trusted_proxies = (unsigned)trusted_proxies;
    self->hash_ids = settings.hash_ids;
    self->mode = settings.mode;
    self->gpc = settings.gpc;
    self->trusted_proxies = settings.trusted_proxies;
    hr_status status = hr_gate_new(&settings, &self->gate);
    if (status != HR_OK) {
        raise_setting_error(state, status, "Gate", NULL);
        return -1;
    }
    return 0;
}
