/* SPDX-License-Identifier: MIT */
/* Arguments of calls. Those of the request path are read without building a
 * tuple or a dict; those of the constructors by tables.
 *
 * What a constructor takes is one X-macro list of lines such as
 *
 *     OPTIONAL("leeway", "0", "seconds", argument_seconds, leeway)
 *
 * with the name, the default as Python writes it, what is wanted in words, the
 * reader, and the member of the struct that it fills in. After STAR all are
 * keyword-only; the last line is LAST. A default goes through the same reader
 * as a value that is given. Ranges are the core's. */
#ifndef HR_BINDING_ARGUMENTS_H
#define HR_BINDING_ARGUMENTS_H

#include "state.h"

#include "base/span.h"

/* read_arguments() with keywords, or with what is wrong; the names after the
 * first `positional` are keyword-only. */
int read_named_arguments(const char *function, const char *const *names,
                         Py_ssize_t count, Py_ssize_t positional,
                         Py_ssize_t required, PyObject *const *args,
                         Py_ssize_t nargs, PyObject *kwnames,
                         PyObject **values);

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS call into `values`
 * (borrowed; NULL where not given) by the `count` names in `names`, of which
 * the first `required` must be there. -1 with TypeError set. */
static inline int
read_arguments(const char *function, const char *const *names,
               Py_ssize_t count, Py_ssize_t required, PyObject *const *args,
               Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (kwnames != NULL || nargs < required || nargs > count) {
        return read_named_arguments(function, names, count, count, required,
                                    args, nargs, kwnames, values);
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        values[i] = args[i];
    }
    return 0;
}

/* Sets TypeError "<what>, not <the type of got>". Always NULL. */
PyObject *raise_wrong_type(const char *what, PyObject *got);

/* Seconds since the epoch, an int or a float below 1e15; `usual` for None and
 * for NULL. -1 with TypeError, ValueError or OverflowError. */
int read_now(PyObject *value, double usual, double *now);

/* A str into `*slot`, or nothing for None (and del). -1 with TypeError. */
int set_optional_text(PyObject **slot, PyObject *value, const char *name);

/* ---- tables ------------------------------------------------------------- */

typedef struct argument_reading argument_reading;

/* Reads `value`, borrowed, into the argument's member. -1 with an exception
 * that names the argument. */
typedef int argument_reader(argument_reading *reading, PyObject *value,
                            void *member);

typedef struct argument {
    const char *name;
    const char *want;      /* in words, for error texts */
    argument_reader *read; /* NULL: what follows is keyword-only */
    size_t member;         /* its offset in the struct */
    size_t count;          /* of a list: the offset of its size_t */
    size_t type;           /* of a part: where core_state has its type */
    bool required;
} argument;

typedef struct argument_table {
    const argument *arguments;
    size_t length;
    const char *signature; /* as in the parentheses of a def */
    const char *defaults;  /* a tuple: one for each name */
    argument_table_number number;
} argument_table;

/* One call while it is read. */
struct argument_reading {
    core_state *state;
    void *into;               /* the struct */
    const argument *argument; /* this one */
    PyObject *fallback;       /* its default, borrowed; NULL: none */
    PyObject *kept;           /* list of what the struct points into */
};

#define ARGUMENT_TEXT_REQUIRED(name, ...) name ", "
#define ARGUMENT_TEXT_OPTIONAL(name, shown, ...) name "=" shown ", "
#define ARGUMENT_TEXT_LAST(name, shown, ...) name "=" shown

/* The text signature of a list, without parentheses. */
#define ARGUMENTS_TEXT(list)                                                 \
    list(ARGUMENT_TEXT_REQUIRED, ARGUMENT_TEXT_OPTIONAL, ARGUMENT_TEXT_LAST, \
         "*, ")

#define ARGUMENT_DEFAULT_REQUIRED(...) "None, "
#define ARGUMENT_DEFAULT_OPTIONAL(name, shown, ...) shown ", "
#define ARGUMENTS_DEFAULTS(list)                                   \
    "(" list(ARGUMENT_DEFAULT_REQUIRED, ARGUMENT_DEFAULT_OPTIONAL, \
             ARGUMENT_DEFAULT_OPTIONAL, ) ")"

/* A row; ARGUMENTS_INTO is the struct. */
#define ARGUMENT_REQUIRED(name_, want_, read_, member_, ...) \
    {.name = name_,                                          \
     .want = want_,                                          \
     .read = read_,                                          \
     .member = offsetof(ARGUMENTS_INTO, member_),            \
     .required = true,                                       \
     __VA_ARGS__},
#define ARGUMENT_OPTIONAL(name_, shown, want_, read_, member_, ...) \
    {.name = name_,                                                 \
     .want = want_,                                                 \
     .read = read_,                                                 \
     .member = offsetof(ARGUMENTS_INTO, member_),                   \
     __VA_ARGS__},
#define ARGUMENT_STAR {.name = "*"},
#define ARGUMENTS_ROWS(list)                                      \
    list(ARGUMENT_REQUIRED, ARGUMENT_OPTIONAL, ARGUMENT_OPTIONAL, \
         ARGUMENT_STAR)

/* A table of `rows`, an array made by ARGUMENTS_ROWS(list). */
#define ARGUMENTS_TABLE(list, rows, number_)                         \
    {                                                                \
        .arguments = rows, .length = sizeof(rows) / sizeof(rows[0]), \
        .signature = ARGUMENTS_TEXT(list),                           \
        .defaults = ARGUMENTS_DEFAULTS(list), .number = number_,     \
    }

/* The text of a macro's value. */
#define ARGUMENT_SHOWN(value) ARGUMENT_SHOWN_(value)
#define ARGUMENT_SHOWN_(value) #value

/* Reads a call of `function` into the struct `into`; `reading` is not yet in
 * use. -1 with TypeError or ValueError that names the argument. The caller
 * calls arguments_fini() whatever comes out, once it has done with what the
 * struct points to. */
int arguments_read(argument_reading *reading, const argument_table *table,
                   const char *function, core_state *state, PyObject *args,
                   PyObject *kwargs, void *into);
void arguments_fini(argument_reading *reading);

/* add_type() for a type whose constructor has a table: with `__signature__`,
 * since inspect reads "('x',)" in a text signature as a str. */
int signature_add_type(PyObject *module, PyType_Spec *spec,
                       PyTypeObject **slot, const argument_table *table);

/* Evaluates text of ours, an expression; a new reference. */
PyObject *arguments_evaluate(const char *text);

/* ---- readers ------------------------------------------------------------ */

/* Sets TypeError "<name>: <want>, not <the type of value>". Always -1. */
int argument_wrong_type(const argument_reading *reading, PyObject *value);

/* Sets ValueError "<name>: <why>". Always -1. */
int argument_refuse(const argument_reading *reading, const char *why);

/* Keeps an object until arguments_fini(), which gives the reference back. -1
 * where `object_steal` is NULL, or without memory. */
int argument_keep_steal(argument_reading *reading, PyObject *object_steal);

/* Zeroed memory until arguments_fini(); NULL with MemoryError. */
void *argument_memory(argument_reading *reading, size_t count, size_t size);

/* The items of an iterable that is not a str and not bytes, as a list that is
 * kept (borrowed); NULL with an exception. */
PyObject *argument_items(argument_reading *reading, PyObject *value);

/* The UTF-8 of a str, alive as long as the str is. A ValueError does not show
 * the text: it may be a secret. */
int argument_utf8(const argument_reading *reading, PyObject *value,
                  hr_span *text);

/* A str; a dict or None: PyObject *, borrowed. */
argument_reader argument_str, argument_dict;
/* A str; also None, which is an absent span: hr_span. */
argument_reader argument_text, argument_optional_text;
/* An iterable of str: const hr_span *, and its count. */
argument_reader argument_texts;
/* A bool, or an int as one: bool. */
argument_reader argument_bool;
/* An int: int64_t, or size_t. One that does not fit is the farthest that does,
 * or SIZE_MAX: beyond all ranges. */
argument_reader argument_integer, argument_size;
/* A number; also a timedelta: double. Beyond all doubles is infinity. */
argument_reader argument_number, argument_seconds;
/* A path or None: PyObject *, bytes or NULL. */
argument_reader argument_path;
/* An object of the row's type, or None: PyObject *, borrowed. */
argument_reader argument_part;
/* One of the words that `want` has in quotes, else ValueError: its place
 * there, as int. */
argument_reader argument_word;

#endif
