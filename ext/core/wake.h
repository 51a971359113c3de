/* SPDX-License-Identifier: MIT */
/* How the sink thread waits: on a socket, for a time, and always for a call
 * from another thread. */
#ifndef PS_WAKE_H
#define PS_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

typedef struct ps_wake {
    int fd;           /* eventfd; -1: none */
    atomic_bool stop; /* the thread is to leave, whatever it waits for */
} ps_wake;

/* Opens the eventfd. SYSTEM. */
PS_CHECKED ps_status ps_wake_init(ps_wake *wake);
/* Twice is fine. */
void ps_wake_fini(ps_wake *wake);

/* In a forked child. Async-signal-safe. */
void ps_wake_forget(ps_wake *wake);

/* Ends the wait that is going on, or the next one. Any thread; one syscall. */
void ps_wake_call(ps_wake *wake);

/* Waits until `fd` (-1: none) is ready for `events` (POLLIN, POLLOUT), or
 * somebody calls, or the steady clock shows `deadline_ns`. OK: `fd` is ready;
 * ABSENT: called; TIMEOUT; CLOSED: to leave (asked first); SYSTEM. The sink
 * thread only. */
PS_CHECKED ps_status ps_wake_wait(ps_wake *wake, int fd, short events,
                                  int64_t deadline_ns);

#endif
