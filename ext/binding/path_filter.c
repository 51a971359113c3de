/* SPDX-License-Identifier: MIT */
/* PathFilter: rules by label in, the label of a path out. */
#include "arguments.h"
#include "types.h"

#include <structmember.h>

/* The rules while they are taken over. All is kept by the reading. */
typedef struct rule_list {
    hr_path_filter_rule *rules;
    PyObject **texts;  /* str: the rules, for error texts */
    PyObject **labels; /* str: the label of each */
    size_t count;
    PyObject *fallback;
    hr_span fallback_text;
} rule_list;

/* The bytes of a str, lone surrogates and all. */
static int
encode(argument_reading *reading, PyObject *text, hr_span *span)
{
    PyObject *bytes =
        PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (argument_keep_steal(reading, bytes) < 0) {
        return -1;
    }
    *span =
        (hr_span){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    return 0;
}

static int
add_label(argument_reading *reading, PyObject *label, PyObject *rules)
{
    rule_list *list = reading->into;
    hr_span span;
    if (encode(reading, label, &span) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rules); i++) {
        PyObject *rule = PyList_GET_ITEM(rules, i);
        if (!PyUnicode_Check(rule)) {
            return argument_wrong_type(reading, rule);
        }
        if (encode(reading, rule, &list->rules[list->count].text) < 0) {
            return -1;
        }
        list->rules[list->count].label = span;
        list->texts[list->count] = rule;
        list->labels[list->count++] = label;
    }
    return 0;
}

/* A mapping of labels to iterables of rules, which are counted first. */
static int
read_rules(argument_reading *reading, PyObject *value, void *member)
{
    rule_list *list = member;
    if (!PyDict_Check(value) && !PyObject_HasAttrString(value, "items")) {
        return argument_wrong_type(reading, value);
    }
    PyObject *items = PyMapping_Items(value);
    PyObject *all = PyList_New(0);
    if (argument_keep_steal(reading, items) < 0 ||
        argument_keep_steal(reading, all) < 0) {
        return -1;
    }
    size_t count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2 ||
            !PyUnicode_Check(PyTuple_GET_ITEM(item, 0))) {
            return argument_wrong_type(reading, item);
        }
        PyObject *rules = argument_items(reading, PyTuple_GET_ITEM(item, 1));
        if (rules == NULL || PyList_Append(all, rules) < 0) {
            return -1;
        }
        count += (size_t)PyList_GET_SIZE(rules);
    }
    list->rules = argument_memory(reading, count, sizeof(*list->rules));
    list->texts = argument_memory(reading, count, sizeof(PyObject *));
    list->labels = argument_memory(reading, count, sizeof(PyObject *));
    if (PyErr_Occurred()) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        if (add_label(reading, PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0),
                      PyList_GET_ITEM(all, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
read_fallback(argument_reading *reading, PyObject *value, void *member)
{
    *(PyObject **)member = value;
    return PyUnicode_Check(value)
               ? encode(reading, value,
                        &((rule_list *)reading->into)->fallback_text)
               : argument_wrong_type(reading, value);
}

#define ARGUMENTS_INTO rule_list
#define FILTER_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR)                  \
    REQUIRED("rules", "a mapping of str to iterables of str", read_rules, \
             rules)                                                       \
    LAST("default", "'track'", "a str", read_fallback, fallback)

static const argument ROWS[] = {ARGUMENTS_ROWS(FILTER_ARGUMENTS)};
static const argument_table TABLE =
    ARGUMENTS_TABLE(FILTER_ARGUMENTS, ROWS, PATH_FILTER_TABLE);

/* Why the filter was refused, in words that name the rules. */
static PyObject *
raise_path_error(const rule_list *list, hr_status status,
                 const hr_path_filter_error *error)
{
    const char *why = error->why != NULL ? error->why : hr_status_text(status);
    PyObject *text = NULL;
    PyObject *label = list->fallback;
    if (status == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (error->rule < list->count) {
        text = list->texts[error->rule];
        label = list->labels[error->rule];
    }
    if (status == HR_RULE_TIE) {
        return PyErr_Format(
            PyExc_ValueError,
            "rules: %R of %R and %R of %R tie: a path can match both, and "
            "neither is more specific",
            list->texts[error->other], list->labels[error->other], text,
            label);
    }
    if (status == HR_SETTING) {
        return PyErr_Format(PyExc_ValueError, "%s: %R: %s",
                            text == NULL ? "default" : "rules", label, why);
    }
    if (text == NULL) {
        return PyErr_Format(PyExc_ValueError, "rules: %s", why);
    }
    return PyErr_Format(PyExc_ValueError, "rules: %R of %R: %s", text, label,
                        why);
}

/* The labels as interned str, in the order of their numbers. */
static PyObject *
make_words(const hr_path_filter *filter)
{
    unsigned count = hr_path_filter_labels(filter);
    PyObject *words = PyTuple_New((Py_ssize_t)count);
    for (unsigned i = 0; words != NULL && i < count; i++) {
        hr_span word = hr_path_filter_word(filter, i);
        PyObject *text = PyUnicode_DecodeUTF8(word.ptr, (Py_ssize_t)word.len,
                                              "surrogatepass");
        if (text == NULL) {
            Py_CLEAR(words);
            break;
        }
        PyUnicode_InternInPlace(&text);
        PyTuple_SET_ITEM(words, (Py_ssize_t)i, text);
    }
    return words;
}

static PyObject *
path_filter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    argument_reading reading;
    PathFilterObject *self = NULL;
    hr_path_filter *filter = NULL;
    hr_path_filter_error error = {0};
    rule_list list = {0};
    if (arguments_read(&reading, &TABLE, "PathFilter", state_of_type(type),
                       args, kwargs, &list) < 0) {
        goto done;
    }
    hr_status status = hr_path_filter_new(list.rules, list.count,
                                          list.fallback_text, &filter, &error);
    if (status != HR_OK) {
        raise_path_error(&list, status, &error);
        goto done;
    }
    self = (PathFilterObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        hr_path_filter_free(filter);
        goto done;
    }
    self->filter = filter; /* owned from here on */
    self->words = make_words(filter);
    if (self->words == NULL) {
        Py_CLEAR(self);
    }
done:
    arguments_fini(&reading);
    return (PyObject *)self;
}

static int
path_filter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((PathFilterObject *)op)->words);
    return 0;
}

/* No tp_clear: a tuple of str is in no cycle, and the gate relies on it. */
static void
path_filter_dealloc(PyObject *op)
{
    PathFilterObject *self = (PathFilterObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    hr_path_filter_free(self->filter);
    Py_XDECREF(self->words);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Text that UTF-8 cannot hold: lone surrogates, from broken clients. */
static PyObject *
label_of_surrogates(PathFilterObject *self, PyObject *path)
{
    PyObject *bytes =
        PyUnicode_AsEncodedString(path, "utf-8", "surrogatepass");
    if (bytes == NULL) {
        return NULL;
    }
    hr_span text = {PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    unsigned number = hr_path_filter_label(self->filter, text);
    Py_DECREF(bytes);
    return Py_NewRef(PyTuple_GET_ITEM(self->words, (Py_ssize_t)number));
}

static PyObject *
path_filter_label(PyObject *op, PyObject *path)
{
    PathFilterObject *self = (PathFilterObject *)op;
    const char *text;
    Py_ssize_t size;
    if (!PyUnicode_Check(path)) {
        return raise_wrong_type("path: a str", path);
    }
    if (PyUnicode_IS_COMPACT_ASCII(path)) {
        text = PyUnicode_DATA(path);
        size = PyUnicode_GET_LENGTH(path);
    } else {
        text = PyUnicode_AsUTF8AndSize(path, &size);
        if (text == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return NULL;
            }
            PyErr_Clear();
            return label_of_surrogates(self, path);
        }
    }
    unsigned number =
        hr_path_filter_label(self->filter, (hr_span){text, (size_t)size});
    return Py_NewRef(PyTuple_GET_ITEM(self->words, (Py_ssize_t)number));
}

static PyObject *
path_filter_repr(PyObject *op)
{
    PathFilterObject *self = (PathFilterObject *)op;
    size_t count = hr_path_filter_count(self->filter);
    return PyUnicode_FromFormat("<PathFilter: %zu rule%s, labels %R>", count,
                                count == 1 ? "" : "s", self->words);
}

static PyMethodDef path_filter_methods[] = {
    METHOD("label", path_filter_label, METH_O,
           PyDoc_STR("label($self, path, /)\n--\n\n"
                     "The label of a decoded path: a str of .labels.")),
    {NULL},
};

static PyMemberDef path_filter_members[] = {
    {"labels", T_OBJECT, offsetof(PathFilterObject, words), READONLY,
     "All labels, the built-in ones first: tuple of str."},
    {NULL},
};

static PyType_Slot path_filter_slots[] = {
    {Py_tp_doc,
     PyDoc_STR("PathFilter(" ARGUMENTS_TEXT(
         FILTER_ARGUMENTS) ")\n--\n\n"
                           "Path rules by label, compiled once; immutable.")},
    {Py_tp_new, path_filter_new},
    {Py_tp_dealloc, path_filter_dealloc},
    {Py_tp_traverse, path_filter_traverse},
    {Py_tp_repr, path_filter_repr},
    {Py_tp_methods, path_filter_methods},
    {Py_tp_members, path_filter_members},
    {0, NULL},
};

static PyType_Spec path_filter_spec = {
    .name = "headrace._core.PathFilter",
    .basicsize = sizeof(PathFilterObject),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = path_filter_slots,
};

int
path_filter_setup(PyObject *module)
{
    return signature_add_type(module, &path_filter_spec,
                              &state_of_module(module)->path_filter_type,
                              &TABLE);
}
