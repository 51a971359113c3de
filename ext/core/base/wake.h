/* SPDX-License-Identifier: MIT */
/* How the sink thread waits: on a socket, for a time, and always for a call
 * from another thread. */
#ifndef HR_BASE_WAKE_H
#define HR_BASE_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hr_wake {
    int fd;           /* eventfd; -1: none */
    atomic_bool stop; /* the thread is to leave, whatever it waits for */
} hr_wake;

/* Opens the eventfd. SYSTEM. */
HR_CHECKED hr_status hr_wake_init(hr_wake *wake);
/* Twice is fine. */
void hr_wake_fini(hr_wake *wake);

/* In a forked child. Async-signal-safe. */
void hr_wake_forget(hr_wake *wake);

/* Ends the wait that is going on, or the next one. Any thread; one syscall. */
void hr_wake_call(hr_wake *wake);

/* Waits until `fd` (-1: none) is ready for `events` (POLLIN, POLLOUT), or
 * somebody calls, or the steady clock shows `deadline_ns`. OK: `fd` is ready;
 * ABSENT: called; TIMEOUT; CLOSED: to leave (asked first); SYSTEM. The sink
 * thread only. */
HR_CHECKED hr_status hr_wake_wait(hr_wake *wake, int fd, short events,
                                  int64_t deadline_ns);

#endif
