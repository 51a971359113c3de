/* SPDX-License-Identifier: MIT */
/* The GIL around a slow signature: RSA, EC and EdDSA verification takes 15 µs
 * and more, letting go of the GIL and taking it back a tenth of one. A thread
 * that is the only one keeps it, since nobody else could use it. */
#ifndef HR_BINDING_SLOW_SECTION_H
#define HR_BINDING_SLOW_SECTION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

/* Has the interpreter this thread only? New threads come in at the head of its
 * list, so that no other thread's state is looked at. */
static inline bool
slow_section_alone(void)
{
#ifdef Py_GIL_DISABLED
    return false; /* others may wait for this thread to pause */
#else
    PyThreadState *self = PyThreadState_Get();
    return PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(self)) ==
               self &&
           PyThreadState_Next(self) == NULL;
#endif
}

/* `enter` and `leave` of a hr_token_verifier_slow_section whose context is the
 * address of a PyThreadState pointer. */
static inline void
slow_section_enter(void *context)
{
    *(PyThreadState **)context =
        slow_section_alone() ? NULL : PyEval_SaveThread();
}

static inline void
slow_section_leave(void *context)
{
    PyThreadState *thread = *(PyThreadState **)context;
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
}

#endif
