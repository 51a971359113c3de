/* SPDX-License-Identifier: MIT */
/* Token: a verified JWT. It holds one reference to the core's block, which
 * the cache may share, and makes Python objects of it when asked, new ones
 * each time: nothing that a caller can change is shared. */
#include "types.h"

#include "json.h"

#include "base/base64url.h"

static hr_token *
token_of(PyObject *op)
{
    return ((TokenObject *)op)->token;
}

PyObject *
token_from_core_steal(core_state *state, hr_token *token)
{
    PyTypeObject *type = state->token_type;
    TokenObject *self = PyObject_New(TokenObject, type);
    if (self == NULL) {
        hr_token_release(token);
        return NULL;
    }
    self->token = token;
    return (PyObject *)self;
}

static void
token_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    hr_token_release(token_of(op));
    type->tp_free(op);
    Py_DECREF(type);
}

/* The member named by a Python object; NULL without an exception when there
 * is none. */
static const hr_json_member *
find_member(PyObject *op, PyObject *name)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(name)) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL) {
        PyErr_Clear(); /* a lone surrogate: no claim has such a name */
        return NULL;
    }
    return hr_token_find(token_of(op), (hr_span){text, (size_t)size});
}

static PyObject *
token_subscript(PyObject *op, PyObject *name)
{
    const hr_json_member *member = find_member(op, name);
    if (member == NULL) {
        PyErr_SetObject(PyExc_KeyError, name);
        return NULL;
    }
    return json_value(token_of(op)->payload.ptr, member);
}

static int
token_contains(PyObject *op, PyObject *name)
{
    return find_member(op, name) != NULL;
}

static Py_ssize_t
token_length(PyObject *op)
{
    return (Py_ssize_t)token_of(op)->member_count;
}

static PyObject *
token_claims(PyObject *op, void *Py_UNUSED(closure))
{
    const hr_token *token = token_of(op);
    return json_object(state_of(op), token->payload.ptr, token->members,
                       token->member_count);
}

static PyObject *
token_iter(PyObject *op)
{
    PyObject *claims = token_claims(op, NULL);
    PyObject *iterator = claims != NULL ? PyObject_GetIter(claims) : NULL;
    Py_XDECREF(claims);
    return iterator;
}

static PyObject *
token_header(PyObject *op, void *Py_UNUSED(closure))
{
    const hr_token *token = token_of(op);
    char text[HR_JOSE_HEADER_MAX];
    hr_json_member members[HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)];
    uint32_t heads[2 * HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)];
    hr_json_scratch scratch = {members, heads,
                               HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)};
    hr_span bytes = {text, hr_base64url_decoded_size(token->header.len)};
    size_t count;
    unsigned flags;
    if (hr_base64url_decode(token->header, text) != HR_OK ||
        hr_json_index(bytes, &scratch, &count, &flags) != HR_OK) {
        PyErr_SetString(PyExc_SystemError, "headrace: a header changed");
        return NULL;
    }
    return json_object(state_of(op), text, members, count);
}

static PyObject *
token_key_id(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span key_id = token_of(op)->key_id;
    if (key_id.ptr == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(key_id.ptr, (Py_ssize_t)key_id.len, NULL);
}

static PyObject *
token_algorithm(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span name = hr_token_jws_algorithm_name(token_of(op)->algorithm);
    return PyUnicode_FromStringAndSize(name.ptr, (Py_ssize_t)name.len);
}

static PyObject *
token_expires_at(PyObject *op, void *Py_UNUSED(closure))
{
    const hr_token_claims_times *times = &token_of(op)->times;
    if (!times->has_expires) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(times->expires);
}

static PyObject *
token_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError,
                     "get() takes 1 or 2 arguments (%zd given)", nargs);
        return NULL;
    }
    const hr_json_member *member = find_member(op, args[0]);
    if (member == NULL) {
        return Py_NewRef(nargs == 2 ? args[1] : Py_None);
    }
    return json_value(token_of(op)->payload.ptr, member);
}

static PyObject *
token_repr(PyObject *op)
{
    PyObject *key_id = token_key_id(op, NULL);
    PyObject *expires = token_expires_at(op, NULL);
    PyObject *repr = NULL;
    if (key_id != NULL && expires != NULL) {
        repr = PyUnicode_FromFormat(
            "<Token: %s, key_id %R, expires_at %R>",
            hr_token_jws_algorithm_name(token_of(op)->algorithm).ptr, key_id,
            expires);
    }
    Py_XDECREF(key_id);
    Py_XDECREF(expires);
    return repr;
}

static PyMethodDef token_methods[] = {
    METHOD("get", token_get, METH_FASTCALL,
           PyDoc_STR("get($self, name, default=None, /)\n--\n\n"
                     "The claim of that name, else `default`.")),
    {NULL},
};

static PyGetSetDef token_getset[] = {
    {"claims", token_claims, NULL,
     "All claims: a new dict, as json.loads() would give it.", NULL},
    {"header", token_header, NULL, "The JOSE header: a new dict.", NULL},
    {"key_id", token_key_id, NULL, "The header's `kid`, or None.", NULL},
    {"algorithm", token_algorithm, NULL, "The header's `alg`.", NULL},
    {"expires_at", token_expires_at, NULL,
     "`exp` in whole seconds since the epoch, or None.", NULL},
    {NULL},
};

static PyType_Slot token_slots[] = {
    {Py_tp_doc,
     PyDoc_STR("A verified JWT: immutable; token[name] is a claim.")},
    {Py_tp_dealloc, token_dealloc},
    {Py_tp_repr, token_repr},
    {Py_tp_iter, token_iter},
    {Py_tp_methods, token_methods},
    {Py_tp_getset, token_getset},
    {Py_mp_subscript, token_subscript},
    {Py_mp_length, token_length},
    {Py_sq_contains, token_contains},
    {0, NULL},
};

static PyType_Spec token_spec = {
    .name = "headrace._core.Token",
    .basicsize = sizeof(TokenObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_MAPPING,
    .slots = token_slots,
};

int
token_setup(PyObject *module)
{
    return add_type(module, &token_spec, &state_of_module(module)->token_type);
}
