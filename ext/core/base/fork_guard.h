/* SPDX-License-Identifier: MIT */
/* What a forked child must not take over from its parent: a registry of what
 * is to be forgotten there (the one global of the core), and memory that it
 * finds zeroed. */
#ifndef HR_BASE_FORK_GUARD_H
#define HR_BASE_FORK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/status.h"

typedef struct hr_fork_guard_entry {
    /* Called in the child, before fork returns there, on its only thread.
     * Async-signal-safe: closes descriptors, stores words, nothing else. */
    void (*forget)(void *context);
    void *context;
    struct hr_fork_guard_entry *previous; /* the registry's */
    struct hr_fork_guard_entry *next;
} hr_fork_guard_entry;

/* Enters `entry` (caller's storage). SYSTEM where pthread_atfork fails. */
HR_CHECKED hr_status hr_fork_guard_register(hr_fork_guard_entry *entry);

/* Takes it out again. */
void hr_fork_guard_unregister(hr_fork_guard_entry *entry);

/* As openat, for a descriptor that is open for a short time only; a forked
 * child closes it at once (it may hold a lock). Given back with
 * hr_fork_guard_close, or after hr_fork_guard_untrack by whatever else closes
 * it. */
int hr_fork_guard_openat(int folder, const char *path, int flags, mode_t mode);
void hr_fork_guard_close(int fd);
void hr_fork_guard_untrack(int fd);

/* Around "open a descriptor and record where `forget` finds it": no fork
 * falls in between. Short, never around anything that waits. */
void hr_fork_guard_hold(void);
void hr_fork_guard_let_go(void);

/* `size` zeroed bytes in pages of their own that a fork hands on as zeroes
 * and a core dump leaves out. NULL when there are none (errno says why). Where
 * the kernel cannot wipe them on a fork, `*wiped` is false; with `wiped` NULL
 * the pages are refused then. */
void *hr_fork_guard_page_new(size_t size, bool *wiped);
void hr_fork_guard_page_free(void *block, size_t size);

#endif
