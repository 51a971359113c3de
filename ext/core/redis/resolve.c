/* SPDX-License-Identifier: MIT */
/* Two parties share one job, the thread and whoever asked; the last one frees
 * it. A literal address needs neither a thread nor the network. */
#include "redis/resolve.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/span.h"

#define RESOLVER_STACK_BYTES 524288 /* nss modules are not modest */

struct hr_redis_resolve {
    _Atomic unsigned parties;
    atomic_bool done;           /* release by the thread, acquire by us */
    int error;                  /* getaddrinfo's; before `done` */
    struct addrinfo *addresses; /* owned; before `done` */
    int fd;                     /* eventfd: readable once done */
    char port[8];
    char host[HR_HOST_MAX + 1];
};

static void
drop(hr_redis_resolve *job)
{
    if (atomic_fetch_sub(&job->parties, 1) != 1) {
        return;
    }
    if (job->addresses != NULL) {
        freeaddrinfo(job->addresses);
    }
    if (job->fd >= 0) {
        close(job->fd);
    }
    hr_alloc_free(job);
}

static int
look_up(hr_redis_resolve *job, int flags)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };
    return getaddrinfo(job->host, job->port, &hints, &job->addresses);
}

static void *
run(void *context)
{
    hr_redis_resolve *job = context;
    pthread_setname_np(pthread_self(), "headrace-dns");
    job->error = look_up(job, AI_ADDRCONFIG);
    if (job->error != 0) {
        job->error = look_up(job, 0);
    }
    atomic_store_explicit(&job->done, true, memory_order_release);
    uint64_t one = 1;
    if (write(job->fd, &one, sizeof(one)) < 0) {
        /* A fresh eventfd takes its first write. */
    }
    drop(job);
    return NULL;
}

static hr_status
start(hr_redis_resolve *job)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) {
        return HR_NO_MEMORY;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, RESOLVER_STACK_BYTES);
    atomic_store(&job->parties, 2);
    int error = pthread_create(&thread, &attributes, run, job);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        atomic_store(&job->parties, 1);
        return HR_SYSTEM;
    }
    return HR_OK;
}

hr_status
hr_redis_resolve_new(const char *host, uint16_t port,
                     hr_redis_resolve **resolve)
{
    hr_redis_resolve *job = hr_alloc_zeroed(1, sizeof(*job));
    if (job == NULL) {
        return HR_NO_MEMORY;
    }
    atomic_store(&job->parties, 1);
    snprintf(job->host, sizeof(job->host), "%s", host);
    snprintf(job->port, sizeof(job->port), "%u", (unsigned)port);
    job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hr_status status = job->fd >= 0 ? HR_OK : HR_SYSTEM;
    if (status == HR_OK) {
        job->error = look_up(job, AI_NUMERICHOST);
        if (job->error == 0) {
            atomic_store(&job->done, true);
        } else {
            status = start(job);
        }
    }
    if (status != HR_OK) {
        drop(job);
        return status;
    }
    *resolve = job;
    return HR_OK;
}

hr_status
hr_redis_resolve_wait(hr_redis_resolve *resolve, hr_wake *wake,
                      int64_t deadline_ns, const struct addrinfo **addresses)
{
    while (!atomic_load_explicit(&resolve->done, memory_order_acquire)) {
        hr_status status =
            hr_wake_wait(wake, resolve->fd, POLLIN, deadline_ns);
        if (status != HR_OK && status != HR_ABSENT) {
            return status;
        }
    }
    if (resolve->error != 0 || resolve->addresses == NULL) {
        return HR_RESOLVE;
    }
    *addresses = resolve->addresses;
    return HR_OK;
}

void
hr_redis_resolve_free(hr_redis_resolve *resolve)
{
    if (resolve != NULL) {
        drop(resolve);
    }
}
