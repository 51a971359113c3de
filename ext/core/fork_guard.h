/* SPDX-License-Identifier: MIT */
/* The registry of what must be forgotten in a forked child: the one global
 * of the core. */
#ifndef PS_FORK_GUARD_H
#define PS_FORK_GUARD_H

#include <sys/types.h>

#include "status.h"

typedef struct ps_fork_entry {
    /* Called in the child, before fork returns there, on its only thread.
     * Async-signal-safe: closes descriptors, stores words, nothing else. */
    void (*forget)(void *context);
    void *context;
    struct ps_fork_entry *previous; /* the registry's */
    struct ps_fork_entry *next;
} ps_fork_entry;

/* Enters `entry` (caller's storage). SYSTEM where pthread_atfork fails. */
PS_CHECKED ps_status ps_fork_register(ps_fork_entry *entry);

/* Takes it out again. */
void ps_fork_unregister(ps_fork_entry *entry);

/* As openat, for a descriptor that is open for a short time only; a forked
 * child closes it at once (it may hold a lock). Given back with
 * ps_fork_close, or after ps_fork_untrack by whatever else closes it. */
int ps_fork_openat(int folder, const char *path, int flags, mode_t mode);
void ps_fork_close(int fd);
void ps_fork_untrack(int fd);

/* Around "open a descriptor and record where `forget` finds it": no fork
 * falls in between. Short, never around anything that waits. */
void ps_fork_hold(void);
void ps_fork_let_go(void);

#endif
