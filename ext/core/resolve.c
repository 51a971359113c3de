/* SPDX-License-Identifier: MIT */
/* Two parties share one job, the thread and whoever asked; the last one frees
 * it. A literal address needs neither a thread nor the network. */
#include "resolve.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alloc.h"
#include "config.h"
#include "span.h"

#define RESOLVER_STACK_BYTES 524288 /* nss modules are not modest */

struct ps_resolve {
    _Atomic unsigned parties;
    atomic_bool done;           /* release by the thread, acquire by us */
    int error;                  /* getaddrinfo's; before `done` */
    struct addrinfo *addresses; /* owned; before `done` */
    int fd;                     /* eventfd: readable once done */
    char port[8];
    char host[PS_HOST_MAX + 1];
};

static void
drop(ps_resolve *job)
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
    ps_free(job);
}

static int
look_up(ps_resolve *job, int flags)
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
    ps_resolve *job = context;
    pthread_setname_np(pthread_self(), "penstock-dns");
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

static ps_status
start(ps_resolve *job)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) {
        return PS_NO_MEMORY;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, RESOLVER_STACK_BYTES);
    atomic_store(&job->parties, 2);
    int error = pthread_create(&thread, &attributes, run, job);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        atomic_store(&job->parties, 1);
        return PS_SYSTEM;
    }
    return PS_OK;
}

ps_status
ps_resolve_new(const char *host, uint16_t port, ps_resolve **resolve)
{
    ps_resolve *job = ps_calloc(1, sizeof(*job));
    if (job == NULL) {
        return PS_NO_MEMORY;
    }
    atomic_store(&job->parties, 1);
    snprintf(job->host, sizeof(job->host), "%s", host);
    snprintf(job->port, sizeof(job->port), "%u", (unsigned)port);
    job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ps_status status = job->fd >= 0 ? PS_OK : PS_SYSTEM;
    if (status == PS_OK) {
        job->error = look_up(job, AI_NUMERICHOST);
        if (job->error == 0) {
            atomic_store(&job->done, true);
        } else {
            status = start(job);
        }
    }
    if (status != PS_OK) {
        drop(job);
        return status;
    }
    *resolve = job;
    return PS_OK;
}

ps_status
ps_resolve_wait(ps_resolve *resolve, ps_wake *wake, int64_t deadline_ns,
                const struct addrinfo **addresses)
{
    while (!atomic_load_explicit(&resolve->done, memory_order_acquire)) {
        ps_status status =
            ps_wake_wait(wake, resolve->fd, POLLIN, deadline_ns);
        if (status != PS_OK && status != PS_ABSENT) {
            return status;
        }
    }
    if (resolve->error != 0 || resolve->addresses == NULL) {
        return PS_RESOLVE;
    }
    *addresses = resolve->addresses;
    return PS_OK;
}

void
ps_resolve_free(ps_resolve *resolve)
{
    if (resolve != NULL) {
        drop(resolve);
    }
}
