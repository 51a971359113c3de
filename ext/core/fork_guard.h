/* SPDX-License-Identifier: MIT */
/* The registry of what must be forgotten in a forked child: the one global
 * of the core. */
#ifndef HR_FORK_GUARD_H
#define HR_FORK_GUARD_H

#include <sys/types.h>

#include "status.h"

typedef struct hr_fork_entry {
    /* Called in the child, before fork returns there, on its only thread.
     * Async-signal-safe: closes descriptors, stores words, nothing else. */
    void (*forget)(void *context);
    void *context;
    struct hr_fork_entry *previous; /* the registry's */
    struct hr_fork_entry *next;
} hr_fork_entry;

/* Enters `entry` (caller's storage). SYSTEM where pthread_atfork fails. */
HR_CHECKED hr_status hr_fork_register(hr_fork_entry *entry);

/* Takes it out again. */
void hr_fork_unregister(hr_fork_entry *entry);

/* As openat, for a descriptor that is open for a short time only; a forked
 * child closes it at once (it may hold a lock). Given back with
 * hr_fork_close, or after hr_fork_untrack by whatever else closes it. */
int hr_fork_openat(int folder, const char *path, int flags, mode_t mode);
void hr_fork_close(int fd);
void hr_fork_untrack(int fd);

/* Around "open a descriptor and record where `forget` finds it": no fork
 * falls in between. Short, never around anything that waits. */
void hr_fork_hold(void);
void hr_fork_let_go(void);

#endif
