/* SPDX-License-Identifier: MIT */
/* pthread_atfork runs under every server, also where Python's own fork hooks
 * do not (uWSGI). The lock is taken before fork and given back on both sides,
 * so that the child finds the list whole; it is held only for a few
 * instructions at a time, so no fork waits for it. Lock order: a sink's own
 * lock before this one; this one is a leaf. */
#include "base/fork_guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"

/* Each thread has at most three of them at a time; past these, a child
 * inherits one until it ends. */
#define TRACKED_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;
static hr_fork_guard_entry *entries; /* under `lock` */
static int tracked[TRACKED_MAX]; /* under `lock`; descriptor + 1, 0: free */

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
    for (hr_fork_guard_entry *entry = entries; entry != NULL;
         entry = entry->next) {
        entry->forget(entry->context);
    }
    for (size_t i = 0; i < TRACKED_MAX; i++) {
        if (tracked[i] != 0) {
            close(tracked[i] - 1);
            tracked[i] = 0;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void
install(void)
{
    once_error = pthread_atfork(before_fork, in_parent, in_child);
}

hr_status
hr_fork_guard_register(hr_fork_guard_entry *entry)
{
    pthread_once(&once, install);
    if (once_error != 0) {
        return HR_SYSTEM;
    }
    pthread_mutex_lock(&lock);
    entry->previous = NULL;
    entry->next = entries;
    if (entries != NULL) {
        entries->previous = entry;
    }
    entries = entry;
    pthread_mutex_unlock(&lock);
    return HR_OK;
}

void
hr_fork_guard_unregister(hr_fork_guard_entry *entry)
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
hr_fork_guard_hold(void)
{
    pthread_mutex_lock(&lock);
}

void
hr_fork_guard_let_go(void)
{
    pthread_mutex_unlock(&lock);
}

int
hr_fork_guard_openat(int folder, const char *path, int flags, mode_t mode)
{
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    int fd = openat(folder, path, flags | O_CLOEXEC, mode);
    for (size_t i = 0; fd >= 0 && i < TRACKED_MAX; i++) {
        if (tracked[i] == 0) {
            tracked[i] = fd + 1;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static void
untrack_locked(int fd)
{
    for (size_t i = 0; i < TRACKED_MAX; i++) {
        if (tracked[i] == fd + 1) {
            tracked[i] = 0;
            return;
        }
    }
}

void
hr_fork_guard_untrack(int fd)
{
    pthread_mutex_lock(&lock);
    untrack_locked(fd);
    pthread_mutex_unlock(&lock);
}

void
hr_fork_guard_close(int fd)
{
    pthread_mutex_lock(&lock);
    untrack_locked(fd);
    close(fd);
    pthread_mutex_unlock(&lock);
}

void *
hr_fork_guard_page_new(size_t size, bool *wiped)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        return NULL;
    }
    bool done = madvise(block, size, MADV_WIPEONFORK) == 0;
    if (wiped != NULL) {
        *wiped = done;
    } else if (!done) {
        (void)munmap(block, size);
        return NULL;
    }
    (void)madvise(block, size, MADV_DONTDUMP);
    return block;
}

void
hr_fork_guard_page_free(void *block, size_t size)
{
    if (block != NULL) {
        hr_secret_wipe(block, size);
        (void)munmap(block, size);
    }
}
