/* SPDX-License-Identifier: MIT */
/* Looks headers up in an environ by interned name (a dict look-up each, and
 * only for those the gate asks for), or collects those it knows from the
 * header list of a scope in one pass. Nothing here keeps a reference beyond
 * the call, and nothing raises because of what a client sent. */
#include "request.h"

hr_span
text_bytes_of_any(PyObject *text)
{
    if (PyUnicode_Check(text)) {
        if (PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND) {
            return (hr_span){(const char *)PyUnicode_1BYTE_DATA(text),
                             (size_t)PyUnicode_GET_LENGTH(text)};
        }
        Py_ssize_t size;
        const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
        if (bytes == NULL) {
            PyErr_Clear(); /* a lone surrogate: no header has one */
            return HR_NO_SPAN;
        }
        return (hr_span){bytes, (size_t)size};
    }
    if (PyBytes_Check(text)) {
        return (hr_span){PyBytes_AS_STRING(text),
                         (size_t)PyBytes_GET_SIZE(text)};
    }
    return HR_NO_SPAN;
}

PyObject *
request_lookup(PyObject *dict, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(dict, name);
    if (value == NULL && PyErr_Occurred()) {
        PyErr_Clear();
    }
    return value;
}

/* False when there is no room: then no span of it may be kept. */
static bool
hold(request_source *source, PyObject *value)
{
    if (source->held_count == Py_ARRAY_LENGTH(source->held)) {
        return false;
    }
    if (value != NULL) {
        source->held[source->held_count++] = Py_NewRef(value);
    }
    return true;
}

void
request_source_fini(request_source *source)
{
    for (size_t i = 0; i < source->held_count; i++) {
        Py_DECREF(source->held[i]);
    }
    source->held_count = 0;
    for (size_t i = 0; i < source->forwarded_count; i++) {
        Py_DECREF(source->forwarded_held[i]);
    }
    source->forwarded_count = 0;
}

/* --- WSGI -------------------------------------------------------------- */

static PyObject *
environ_name(const request_source *source, hr_gate_request_header_id which)
{
    core_state *state = source->state;
    switch (which) {
    case HR_GATE_REQUEST_HEADER_AUTHORIZATION:
        return source->token_key;
    case HR_GATE_REQUEST_HEADER_USER_AGENT:
        return state->name_HTTP_USER_AGENT;
    case HR_GATE_REQUEST_HEADER_ACCEPT:
        return state->name_HTTP_ACCEPT;
    case HR_GATE_REQUEST_HEADER_ACCEPT_LANGUAGE:
        return state->name_HTTP_ACCEPT_LANGUAGE;
    case HR_GATE_REQUEST_HEADER_ACCEPT_ENCODING:
        return state->name_HTTP_ACCEPT_ENCODING;
    case HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE:
        return state->name_HTTP_SEC_FETCH_MODE;
    case HR_GATE_REQUEST_HEADER_SEC_PURPOSE:
        return state->name_HTTP_SEC_PURPOSE;
    case HR_GATE_REQUEST_HEADER_PURPOSE:
        return state->name_HTTP_PURPOSE;
    case HR_GATE_REQUEST_HEADER_X_MOZ:
        return state->name_HTTP_X_MOZ;
    case HR_GATE_REQUEST_HEADER_SEC_GPC:
        return state->name_HTTP_SEC_GPC;
    case HR_GATE_REQUEST_HEADER_HOST:
        return state->name_HTTP_HOST;
    case HR_GATE_REQUEST_HEADER_REFERER:
        return state->name_HTTP_REFERER;
    case HR_GATE_REQUEST_HEADER_TRACEPARENT:
        return state->name_HTTP_TRACEPARENT;
    case HR_GATE_REQUEST_HEADER_COUNT:
        break;
    }
    Py_UNREACHABLE();
}

static hr_span
environ_header(void *opaque, hr_gate_request_header_id which, size_t *count)
{
    request_source *source = opaque;
    PyObject *value =
        request_lookup(source->environ, environ_name(source, which));
    if (value == NULL || /* most of those that are asked for */
        (which == HR_GATE_REQUEST_HEADER_AUTHORIZATION &&
         !hold(source, value))) {
        *count = 0;
        return HR_NO_SPAN;
    }
    hr_span text = text_bytes(value);
    *count = text.ptr != NULL;
    return text;
}

static size_t
environ_cookies(void *opaque, const hr_span **headers)
{
    request_source *source = opaque;
    PyObject *value =
        request_lookup(source->environ, source->state->name_HTTP_COOKIE);
    source->cookies[0] = hold(source, value) ? text_bytes(value) : HR_NO_SPAN;
    *headers = source->cookies;
    return source->cookies[0].ptr != NULL;
}

static size_t
environ_forwarded(void *opaque, const hr_span **headers)
{
    request_source *source = opaque;
    PyObject *value = request_lookup(source->environ,
                                     source->state->name_HTTP_X_FORWARDED_FOR);
    source->forwarded[0] = text_bytes(value);
    *headers = source->forwarded;
    return source->forwarded[0].ptr != NULL;
}

static hr_span
environ_detail(void *opaque, hr_gate_request_detail which)
{
    request_source *source = opaque;
    PyObject *name = which == HR_GATE_REQUEST_DETAIL_PEER
                         ? source->state->name_REMOTE_ADDR
                     : which == HR_GATE_REQUEST_DETAIL_QUERY
                         ? source->state->name_QUERY_STRING
                         : source->state->name_wsgi_url_scheme;
    return text_bytes(request_lookup(source->environ, name));
}

void
request_from_environ(core_state *state, PyObject *environ, header_name token,
                     request_source *source, hr_gate_request *request)
{
    source->state = state;
    source->token_key =
        token.key != NULL ? token.key : state->name_HTTP_AUTHORIZATION;
    source->environ = environ;
    source->held_count = 0;
    source->forwarded_count = 0;
    *request = (hr_gate_request){
        .source = source,
        .header = environ_header,
        .cookies = environ_cookies,
        .forwarded = environ_forwarded,
        .cookie_text = HR_VISITOR_COOKIE_UTF8,
        .detail = environ_detail,
        .request_id = HR_NO_SPAN,
    };
}

/* --- ASGI -------------------------------------------------------------- */

static const struct {
    hr_span name;
    hr_gate_request_header_id which;
} SCOPE_NAMES[] = {
    {{"authorization", 13}, HR_GATE_REQUEST_HEADER_AUTHORIZATION},
    {{"user-agent", 10}, HR_GATE_REQUEST_HEADER_USER_AGENT},
    {{"accept", 6}, HR_GATE_REQUEST_HEADER_ACCEPT},
    {{"accept-language", 15}, HR_GATE_REQUEST_HEADER_ACCEPT_LANGUAGE},
    {{"accept-encoding", 15}, HR_GATE_REQUEST_HEADER_ACCEPT_ENCODING},
    {{"sec-fetch-mode", 14}, HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE},
    {{"sec-purpose", 11}, HR_GATE_REQUEST_HEADER_SEC_PURPOSE},
    {{"purpose", 7}, HR_GATE_REQUEST_HEADER_PURPOSE},
    {{"x-moz", 5}, HR_GATE_REQUEST_HEADER_X_MOZ},
    {{"sec-gpc", 7}, HR_GATE_REQUEST_HEADER_SEC_GPC},
    {{"host", 4}, HR_GATE_REQUEST_HEADER_HOST},
    {{"referer", 7}, HR_GATE_REQUEST_HEADER_REFERER},
    {{"traceparent", 11}, HR_GATE_REQUEST_HEADER_TRACEPARENT},
};

static void
see_first(request_source *source, hr_gate_request_header_id which,
          hr_span value, PyObject *object)
{
    if (source->counts[which]++ == 0 && hold(source, object)) {
        source->first[which] = value;
    }
}

/* The last HR_FORWARDED_MAX ones: the proxies that are trusted come last. */
static void
see_forwarded(request_source *source, hr_span value, PyObject *object)
{
    PyObject **held = source->forwarded_held;
    if (source->forwarded_count == HR_FORWARDED_MAX) {
        Py_DECREF(held[0]);
        memmove(source->forwarded, source->forwarded + 1,
                sizeof(source->forwarded) - sizeof(source->forwarded[0]));
        memmove(held, held + 1,
                sizeof(source->forwarded_held) - sizeof(*held));
        source->forwarded_count--;
    }
    held[source->forwarded_count] = Py_NewRef(object);
    source->forwarded[source->forwarded_count++] = value;
}

static size_t
all_forwarded(void *opaque, const hr_span **headers)
{
    request_source *source = opaque;
    *headers = source->forwarded;
    return source->forwarded_count;
}

/* A name with "_" in it equals none of ours, so that no client can pass
 * "sec_gpc" for "sec-gpc" where WSGI would make them one. */
static void
see_scope_header(request_source *source, hr_span name, PyObject *object)
{
    hr_span value = text_bytes(object);
    if (source->token_name.ptr != NULL &&
        hr_span_equal_nocase(name, source->token_name)) {
        see_first(source, HR_GATE_REQUEST_HEADER_AUTHORIZATION, value, object);
        return;
    }
    if (hr_span_equal_nocase(name, HR_SPAN("cookie"))) {
        if (source->cookie_count < HR_COOKIE_HEADERS_MAX &&
            hold(source, object)) {
            source->cookies[source->cookie_count++] = value;
        }
        return;
    }
    if (hr_span_equal_nocase(name, HR_SPAN("x-forwarded-for"))) {
        see_forwarded(source, value, object);
        return;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(SCOPE_NAMES); i++) {
        if (hr_span_equal_nocase(name, SCOPE_NAMES[i].name)) {
            hr_gate_request_header_id which = SCOPE_NAMES[i].which;
            if (which != HR_GATE_REQUEST_HEADER_AUTHORIZATION ||
                source->token_name.ptr == NULL) {
                see_first(source, which, value, object);
            }
            return;
        }
    }
}

static hr_span
scope_header(void *opaque, hr_gate_request_header_id which, size_t *count)
{
    request_source *source = opaque;
    *count = source->counts[which];
    return source->first[which];
}

static size_t
scope_cookies(void *opaque, const hr_span **headers)
{
    request_source *source = opaque;
    *headers = source->cookies;
    return source->cookie_count;
}

/* The two items of a [name, value] pair, borrowed; -1 when it is none. */
static int
pair_items(PyObject *pair, PyObject **name, PyObject **value)
{
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        *name = PyTuple_GET_ITEM(pair, 0);
        *value = PyTuple_GET_ITEM(pair, 1);
        return 0;
    }
    if (PyList_Check(pair) && PyList_GET_SIZE(pair) == 2) {
        *name = PyList_GET_ITEM(pair, 0);
        *value = PyList_GET_ITEM(pair, 1);
        return 0;
    }
    return -1;
}

/* scope["client"][0]; the pair may be None (a Unix socket). */
static hr_span
scope_peer(core_state *state, PyObject *scope)
{
    PyObject *client = request_lookup(scope, state->name_client);
    PyObject *host;
    PyObject *port;
    if (client == NULL || pair_items(client, &host, &port) < 0) {
        return HR_NO_SPAN;
    }
    return text_bytes(host);
}

static hr_span
scope_detail(void *opaque, hr_gate_request_detail which)
{
    request_source *source = opaque;
    switch (which) {
    case HR_GATE_REQUEST_DETAIL_PEER:
        return scope_peer(source->state, source->scope);
    case HR_GATE_REQUEST_DETAIL_QUERY:
        return text_bytes(
            request_lookup(source->scope, source->state->name_query_string));
    case HR_GATE_REQUEST_DETAIL_SCHEME:
        break;
    }
    return text_bytes(
        request_lookup(source->scope, source->state->name_scheme));
}

void
request_from_scope(core_state *state, PyObject *scope, header_name token,
                   request_source *source, hr_gate_request *request)
{
    source->state = state;
    source->token_name = token.name;
    source->environ = NULL;
    source->scope = scope;
    source->held_count = 0;
    source->cookie_count = 0;
    source->forwarded_count = 0;
    memset(source->first, 0, sizeof(source->first));
    memset(source->counts, 0, sizeof(source->counts));
    PyObject *headers = request_lookup(scope, state->name_headers);
    bool is_list = headers != NULL && PyList_Check(headers);
    bool is_tuple = headers != NULL && PyTuple_Check(headers);
    Py_ssize_t count = is_list    ? PyList_GET_SIZE(headers)
                       : is_tuple ? PyTuple_GET_SIZE(headers)
                                  : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = is_list ? PyList_GET_ITEM(headers, i)
                                 : PyTuple_GET_ITEM(headers, i);
        PyObject *name;
        PyObject *value;
        if (pair_items(pair, &name, &value) == 0 && PyBytes_Check(name) &&
            PyBytes_Check(value)) {
            see_scope_header(source, text_bytes(name), value);
        }
    }
    *request = (hr_gate_request){
        .source = source,
        .header = scope_header,
        .cookies = scope_cookies,
        .forwarded = all_forwarded,
        .cookie_text = HR_VISITOR_COOKIE_LATIN1,
        .detail = scope_detail,
        .request_id = HR_NO_SPAN,
    };
}

/* --- paths ------------------------------------------------------------- */

int
path_from_text(PyObject *text, PyObject **owner, hr_span *path)
{
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes != NULL) {
        *owner = Py_NewRef(text);
        *path = (hr_span){bytes, (size_t)size};
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    PyObject *encoded =
        PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (encoded == NULL) {
        return -1;
    }
    *owner = encoded;
    *path = text_bytes(encoded);
    return 0;
}

/* Bytes -> UTF-8, what is not UTF-8 as %XX; a new bytes object. */
static PyObject *
repercent(hr_span raw)
{
    static const char HEX[] = "0123456789ABCDEF";
    const unsigned char *in = (const unsigned char *)raw.ptr;
    PyObject *result =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(3 * raw.len));
    if (result == NULL) {
        return NULL;
    }
    char *out = PyBytes_AS_STRING(result);
    size_t used = 0;
    for (size_t i = 0; i < raw.len;) {
        size_t length =
            in[i] < 0x80 ? 1
                         : hr_span_utf8_length(raw.ptr + i, raw.ptr + raw.len);
        if (length == 0) {
            out[used++] = '%';
            out[used++] = HEX[in[i] >> 4];
            out[used++] = HEX[in[i] & 15];
            i++;
        } else {
            memcpy(out + used, in + i, length);
            used += length;
            i += length;
        }
    }
    (void)_PyBytes_Resize(&result, (Py_ssize_t)used);
    return result;
}

int
path_from_environ(core_state *state, PyObject *environ, PyObject **owner,
                  hr_span *path)
{
    PyObject *text = request_lookup(environ, state->name_PATH_INFO);
    if (text == NULL || !PyUnicode_Check(text) ||
        PyUnicode_GET_LENGTH(text) == 0) {
        *owner = NULL;
        *path = HR_SPAN("/");
        return 0;
    }
    if (PyUnicode_IS_ASCII(text) ||
        PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        return path_from_text(text, owner, path);
    }
    PyObject *decoded = repercent(text_bytes(text));
    if (decoded == NULL) {
        return -1;
    }
    *owner = decoded;
    *path = text_bytes(decoded);
    return 0;
}

int
path_from_scope(core_state *state, PyObject *scope, PyObject **owner,
                hr_span *path)
{
    PyObject *text = request_lookup(scope, state->name_path);
    if (text == NULL || !PyUnicode_Check(text)) {
        *owner = NULL;
        *path = HR_SPAN("/");
        return 0;
    }
    if (path_from_text(text, owner, path) < 0) {
        return -1;
    }
    PyObject *root = request_lookup(scope, state->name_root_path);
    if (root == NULL || !PyUnicode_Check(root) ||
        PyUnicode_GET_LENGTH(root) == 0) {
        return 0;
    }
    PyObject *root_owner;
    hr_span prefix;
    if (path_from_text(root, &root_owner, &prefix) < 0) {
        Py_CLEAR(*owner);
        return -1;
    }
    if (hr_span_starts_with(*path, prefix)) {
        *path = hr_span_from(*path, prefix.len);
    }
    Py_DECREF(root_owner);
    return 0;
}
