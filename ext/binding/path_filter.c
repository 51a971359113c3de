/* SPDX-License-Identifier: MIT */
/* PathFilter: rules by label in, the label of a path out. */
#include "arguments.h"
#include "types.h"

/* The rules while they are taken over. The spans point into `bytes`. */
typedef struct rule_list {
    hr_path_filter_rule *rules; /* PyMem */
    size_t count;
    size_t room;
    PyObject *texts;  /* list of str: the rules, for error texts */
    PyObject *labels; /* list of str: the label of each */
    PyObject *bytes;  /* list of bytes */
} rule_list;

static int
rule_list_init(rule_list *list)
{
    *list = (rule_list){
        .texts = PyList_New(0),
        .labels = PyList_New(0),
        .bytes = PyList_New(0),
    };
    return list->texts && list->labels && list->bytes ? 0 : -1;
}

static void
rule_list_fini(rule_list *list)
{
    PyMem_Free(list->rules);
    Py_XDECREF(list->texts);
    Py_XDECREF(list->labels);
    Py_XDECREF(list->bytes);
}

/* The bytes of a str, lone surrogates and all, kept alive by the list. */
static int
encode(rule_list *list, PyObject *text, hr_span *span)
{
    PyObject *bytes =
        PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (bytes == NULL) {
        return -1;
    }
    span->ptr = PyBytes_AS_STRING(bytes);
    span->len = (size_t)PyBytes_GET_SIZE(bytes);
    int result = PyList_Append(list->bytes, bytes);
    Py_DECREF(bytes);
    return result;
}

static int
add_rule(rule_list *list, PyObject *label, hr_span label_span, PyObject *rule)
{
    if (!PyUnicode_Check(rule)) {
        raise_wrong_type("rules: a rule is a str", rule);
        return -1;
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 16 : list->room * 2;
        hr_path_filter_rule *rules =
            PyMem_Realloc(list->rules, room * sizeof(*rules));
        if (rules == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        list->rules = rules;
        list->room = room;
    }
    hr_path_filter_rule *slot = &list->rules[list->count];
    slot->label = label_span;
    if (encode(list, rule, &slot->text) < 0 ||
        PyList_Append(list->texts, rule) < 0 ||
        PyList_Append(list->labels, label) < 0) {
        return -1;
    }
    list->count++;
    return 0;
}

/* One label with all its rules. */
static int
add_label(rule_list *list, PyObject *label, PyObject *rules)
{
    hr_span span;
    if (!PyUnicode_Check(label)) {
        raise_wrong_type("rules: a label is a str", label);
        return -1;
    }
    if (PyUnicode_Check(rules) || PyBytes_Check(rules)) {
        /* one rule in place of a list of them: its letters are no rules */
        raise_wrong_type("rules: a label's rules are an iterable of str",
                         rules);
        return -1;
    }
    if (encode(list, label, &span) < 0) {
        return -1;
    }
    PyObject *iterator = PyObject_GetIter(rules);
    if (iterator == NULL) {
        return -1;
    }
    PyObject *rule;
    while ((rule = PyIter_Next(iterator)) != NULL) {
        int result = add_rule(list, label, span, rule);
        Py_DECREF(rule);
        if (result < 0) {
            Py_DECREF(iterator);
            return -1;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int
add_mapping(rule_list *list, PyObject *mapping)
{
    if (!PyDict_Check(mapping) && !PyObject_HasAttrString(mapping, "items")) {
        raise_wrong_type("rules: a mapping of labels to rules", mapping);
        return -1;
    }
    PyObject *items = PyMapping_Items(mapping);
    if (items == NULL) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
            raise_wrong_type("rules: items() gives pairs", item);
            result = -1;
        } else {
            result = add_label(list, PyTuple_GET_ITEM(item, 0),
                               PyTuple_GET_ITEM(item, 1));
        }
    }
    Py_DECREF(items);
    return result;
}

/* Why the filter was refused, in words that name the rules. */
static PyObject *
raise_path_error(const rule_list *list, hr_status status,
                 const hr_path_filter_error *error, PyObject *fallback)
{
    const char *why = error->why != NULL ? error->why : hr_status_text(status);
    PyObject *text = NULL;
    PyObject *label = fallback;
    if (status == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (error->rule < list->count) {
        text = PyList_GET_ITEM(list->texts, (Py_ssize_t)error->rule);
        label = PyList_GET_ITEM(list->labels, (Py_ssize_t)error->rule);
    }
    if (status == HR_RULE_TIE) {
        return PyErr_Format(
            PyExc_ValueError,
            "rules: %R of %R and %R of %R tie: a path can match both, and "
            "neither is more specific",
            PyList_GET_ITEM(list->texts, (Py_ssize_t)error->other),
            PyList_GET_ITEM(list->labels, (Py_ssize_t)error->other), text,
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
    static char *names[] = {"rules", "default", NULL};
    PyObject *mapping;
    PyObject *fallback = NULL;
    PathFilterObject *self = NULL;
    hr_path_filter *filter = NULL;
    hr_path_filter_error error = {0};
    hr_span fallback_span = HR_SPAN("track");
    rule_list list;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|U:PathFilter", names,
                                     &mapping, &fallback)) {
        return NULL;
    }
    if (rule_list_init(&list) < 0 || add_mapping(&list, mapping) < 0 ||
        (fallback != NULL && encode(&list, fallback, &fallback_span) < 0)) {
        goto done;
    }
    hr_status status = hr_path_filter_new(list.rules, list.count,
                                          fallback_span, &filter, &error);
    if (status != HR_OK) {
        raise_path_error(&list, status, &error, fallback);
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
    rule_list_fini(&list);
    return (PyObject *)self;
}

static int
path_filter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((PathFilterObject *)op)->words);
    return 0;
}

static int
path_filter_clear(PyObject *Py_UNUSED(op))
{
    return 0; /* a tuple of str is in no cycle, and the gate relies on it */
}

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
path_filter_labels(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((PathFilterObject *)op)->words);
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
    {
        .ml_name = "label",
        .ml_meth = path_filter_label,
        .ml_flags = METH_O,
        .ml_doc = PyDoc_STR("label($self, path, /)\n--\n\n"
                            "The label of a decoded path: a str of .labels."),
    },
    {NULL},
};

static PyGetSetDef path_filter_getset[] = {
    {
        .name = "labels",
        .get = path_filter_labels,
        .doc = PyDoc_STR("All labels, the built-in ones first: tuple of str."),
    },
    {NULL},
};

static PyType_Slot path_filter_slots[] = {
    {Py_tp_doc, PyDoc_STR("PathFilter(rules, default='track')\n--\n\n"
                          "Path rules by label, compiled once; immutable.")},
    {Py_tp_new, path_filter_new},
    {Py_tp_dealloc, path_filter_dealloc},
    {Py_tp_traverse, path_filter_traverse},
    {Py_tp_clear, path_filter_clear},
    {Py_tp_repr, path_filter_repr},
    {Py_tp_methods, path_filter_methods},
    {Py_tp_getset, path_filter_getset},
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
    return add_type(module, &path_filter_spec,
                    &state_of_module(module)->path_filter_type);
}
