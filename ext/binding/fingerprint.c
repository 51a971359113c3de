/* SPDX-License-Identifier: MIT */
/* Fingerprint: what a cookie held, or what it is going to hold. Immutable;
 * made by FingerprintCookie and by a visit, never by a caller. */
#include "types.h"

PyObject *
fingerprint_from_core(core_state *state,
                      const hr_visitor_fingerprint *fingerprint)
{
    PyTypeObject *type = state->fingerprint_type;
    FingerprintObject *self = (FingerprintObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->fingerprint = *fingerprint;
    }
    return (PyObject *)self;
}

static void
fingerprint_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
get_id(PyObject *op, void *Py_UNUSED(closure))
{
    hr_visitor_fingerprint *own = &((FingerprintObject *)op)->fingerprint;
    return PyUnicode_FromStringAndSize(own->id_text, sizeof(own->id_text));
}

static PyObject *
get_value(PyObject *op, void *Py_UNUSED(closure))
{
    hr_visitor_fingerprint *own = &((FingerprintObject *)op)->fingerprint;
    return PyUnicode_FromStringAndSize(own->value, own->value_len);
}

static PyObject *
get_issued_at(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(
        ((FingerprintObject *)op)->fingerprint.issued_at);
}

static PyObject *
get_reissue(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((FingerprintObject *)op)->fingerprint.reissue);
}

static PyObject *
fingerprint_repr(PyObject *op)
{
    /* the id only: a repr ends up in logs, and the value is a credential */
    PyObject *id = get_id(op, NULL);
    if (id == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat(
        "<Fingerprint %U, issued at %lld>", id,
        (long long)((FingerprintObject *)op)->fingerprint.issued_at);
    Py_DECREF(id);
    return text;
}

static PyObject *
fingerprint_compare(PyObject *left, PyObject *right, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) ||
        Py_TYPE(left) != Py_TYPE(right)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    hr_visitor_fingerprint *a = &((FingerprintObject *)left)->fingerprint;
    hr_visitor_fingerprint *b = &((FingerprintObject *)right)->fingerprint;
    bool equal = memcmp(a->id, b->id, sizeof(a->id)) == 0 &&
                 a->issued_at == b->issued_at &&
                 hr_span_equal((hr_span){a->value, a->value_len},
                               (hr_span){b->value, b->value_len});
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

static Py_hash_t
fingerprint_hash(PyObject *op)
{
    Py_hash_t hash; /* the id is random, or a keyed hash */
    memcpy(&hash, ((FingerprintObject *)op)->fingerprint.id, sizeof(hash));
    return hash == -1 ? -2 : hash;
}

static PyGetSetDef fingerprint_getset[] = {
    GETTER("id", get_id,
           PyDoc_STR("The visitor's id: 32 lower-case hex digits.")),
    GETTER("value", get_value,
           PyDoc_STR("The cookie's value; '' for a derived id.")),
    GETTER("issued_at", get_issued_at,
           PyDoc_STR("When the id was made, seconds since the epoch.")),
    GETTER("reissue", get_reissue,
           PyDoc_STR("True where the visitor's cookie was signed with an "
                     "old key, or not at all.")),
    {NULL},
};

static PyType_Slot fingerprint_slots[] = {
    {Py_tp_doc, PyDoc_STR("A visitor's id and the cookie that holds it.")},
    {Py_tp_dealloc, fingerprint_dealloc},
    {Py_tp_repr, fingerprint_repr},
    {Py_tp_richcompare, fingerprint_compare},
    {Py_tp_hash, fingerprint_hash},
    {Py_tp_getset, fingerprint_getset},
    {0, NULL},
};

static PyType_Spec fingerprint_spec = {
    .name = "headrace._core.Fingerprint",
    .basicsize = sizeof(FingerprintObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = fingerprint_slots,
};

int
fingerprint_setup(PyObject *module)
{
    return add_type(module, &fingerprint_spec,
                    &state_of_module(module)->fingerprint_type);
}
