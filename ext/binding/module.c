/* SPDX-License-Identifier: MIT */
/* headrace._core: the list of its types, and the life of its state. */
#include "state.h"

#include "entries.h"
#include "errors.h"

static int
intern_strings(core_state *state)
{
    const struct {
        PyObject **slot;
        const char *text;
    } all[] = {
#define X(name) {&state->name_##name, #name},
        HR_REQUEST_NAMES(X)
#undef X
#define X(number, name, word, text) {&state->words[number], word},
            HR_STATUS_LIST(X)
#undef X
                {&state->name_wsgi_url_scheme, "wsgi.url_scheme"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(all); i++) {
        *all[i].slot = PyUnicode_InternFromString(all[i].text);
        if (*all[i].slot == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
module_exec(PyObject *module)
{
    core_state *state = state_of_module(module);
    if (intern_strings(state) < 0 || errors_setup(module) < 0 ||
        signature_setup(module) < 0 || key_setup(module) < 0 ||
        token_setup(module) < 0 || token_verifier_setup(module) < 0 ||
        path_filter_setup(module) < 0 || fingerprint_setup(module) < 0 ||
        fingerprint_cookie_setup(module) < 0 || event_sink_setup(module) < 0 ||
        visit_setup(module) < 0 || gate_setup(module) < 0) {
        return -1;
    }
    return 0;
}

/* Every owned reference. */
#define VISIT_ALL(VISIT, list)                           \
    for (size_t i = 0; i < Py_ARRAY_LENGTH(list); i++) { \
        VISIT(list[i]);                                  \
    }
#define VISIT_STATE(VISIT)                     \
    VISIT(state->key_type);                    \
    VISIT(state->token_type);                  \
    VISIT(state->token_verifier_type);         \
    VISIT(state->cache_info_type);             \
    VISIT(state->path_filter_type);            \
    VISIT(state->fingerprint_type);            \
    VISIT(state->fingerprint_cookie_type);     \
    VISIT(state->event_sink_type);             \
    VISIT(state->gate_type);                   \
    VISIT(state->visit_type);                  \
    VISIT(state->signature_type);              \
    VISIT(state->invalid_token_error);         \
    VISIT(state->invalid_key_error);           \
    VISIT(state->name_wsgi_url_scheme);        \
    HR_REQUEST_NAMES(VISIT##_NAME)             \
    VISIT_ALL(VISIT, state->member_names)      \
    VISIT_ALL(VISIT, state->by_reason)         \
    VISIT_ALL(VISIT, state->words)             \
    VISIT_ALL(VISIT, state->argument_defaults) \
    for (size_t i = 0; i < DICT_SHAPES; i++) { \
        VISIT(state->shapes[i].keys);          \
        VISIT(state->shapes[i].items);         \
    }
#define Py_VISIT_NAME(name) Py_VISIT(state->name_##name);
#define Py_CLEAR_NAME(name) Py_CLEAR(state->name_##name);

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    core_state *state = state_of_module(module);
    VISIT_STATE(Py_VISIT)
    return 0;
}

static int
module_clear(PyObject *module)
{
    core_state *state = state_of_module(module);
    visit_free_spares(state); /* before their type goes */
    VISIT_STATE(Py_CLEAR)
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static PyMethodDef module_functions[] = {
    {"_read_entries", (PyCFunction)(void (*)(void))entries_read, METH_FASTCALL,
     PyDoc_STR("_read_entries(rows, event_type, other, /)\n--\n\n"
               "The events of a stream's entries; see headrace.events.")},
    {NULL, NULL, 0, NULL},
};

struct PyModuleDef core_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headrace._core",
    .m_doc = PyDoc_STR("The C core of headrace."),
    .m_size = sizeof(core_state),
    .m_methods = module_functions,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
