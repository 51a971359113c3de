/* SPDX-License-Identifier: MIT */
/* One eventfd per sink thread. Its counter remembers a call that comes before
 * the wait, so that none is lost. */
#include "base/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fork_guard.h"

hr_status
hr_wake_init(hr_wake *wake)
{
    atomic_store(&wake->stop, false);
    hr_fork_guard_hold();
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hr_fork_guard_let_go();
    return wake->fd >= 0 ? HR_OK : HR_SYSTEM;
}

void
hr_wake_fini(hr_wake *wake)
{
    hr_fork_guard_hold();
    if (wake->fd >= 0) {
        close(wake->fd);
        wake->fd = -1;
    }
    hr_fork_guard_let_go();
}

void
hr_wake_forget(hr_wake *wake)
{
    if (wake->fd >= 0) {
        close(wake->fd);
        wake->fd = -1;
    }
    atomic_store(&wake->stop, false);
}

void
hr_wake_call(hr_wake *wake)
{
    uint64_t one = 1;
    int saved = errno;
    if (write(wake->fd, &one, sizeof(one)) < 0) {
        /* EAGAIN: the counter is full of calls already. */
    }
    errno = saved;
}

hr_status
hr_wake_wait(hr_wake *wake, int fd, short events, int64_t deadline_ns)
{
    struct pollfd polled[2] = {{wake->fd, POLLIN, 0}, {fd, events, 0}};
    for (;;) {
        if (atomic_load(&wake->stop)) {
            return HR_CLOSED;
        }
        int64_t left = deadline_ns - hr_clock_steady_ns();
        if (left < 0) {
            left = 0;
        }
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int ready = ppoll(polled, fd >= 0 ? 2 : 1, &timeout, NULL);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready < 0) {
            return HR_SYSTEM;
        }
        if (ready == 0) {
            return HR_TIMEOUT;
        }
        if (fd >= 0 && polled[1].revents != 0) {
            return HR_OK;
        }
        uint64_t calls;
        if (read(wake->fd, &calls, sizeof(calls)) < 0 && errno != EAGAIN &&
            errno != EINTR) {
            return HR_SYSTEM;
        }
        return atomic_load(&wake->stop) ? HR_CLOSED : HR_ABSENT;
    }
}
