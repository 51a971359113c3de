/* SPDX-License-Identifier: MIT */
/* pthread_atfork runs under every server, also where Python's own fork hooks
 * do not (uWSGI). The lock is taken before fork and given back on both sides,
 * so that the child finds the list whole; it is held only for a few
 * instructions at a time, so no fork waits for it. Lock order: a sink's own
 * lock before this one; this one is a leaf. */
#include "fork_guard.h"

#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;
static ps_fork_entry *entries; /* under `lock` */

static void
before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void
in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void
in_child(void)
{
    for (ps_fork_entry *entry = entries; entry != NULL; entry = entry->next) {
        entry->forget(entry->context);
    }
    pthread_mutex_unlock(&lock);
}

static void
install(void)
{
    once_error = pthread_atfork(before_fork, in_parent, in_child);
}

ps_status
ps_fork_register(ps_fork_entry *entry)
{
    pthread_once(&once, install);
    if (once_error != 0) {
        return PS_SYSTEM;
    }
    pthread_mutex_lock(&lock);
    entry->previous = NULL;
    entry->next = entries;
    if (entries != NULL) {
        entries->previous = entry;
    }
    entries = entry;
    pthread_mutex_unlock(&lock);
    return PS_OK;
}

void
ps_fork_unregister(ps_fork_entry *entry)
{
    pthread_mutex_lock(&lock);
    if (entry->previous != NULL) {
        entry->previous->next = entry->next;
    } else {
        entries = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    }
    pthread_mutex_unlock(&lock);
}

void
ps_fork_hold(void)
{
    pthread_mutex_lock(&lock);
}

void
ps_fork_let_go(void)
{
    pthread_mutex_unlock(&lock);
}
