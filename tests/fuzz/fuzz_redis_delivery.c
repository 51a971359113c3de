/* SPDX-License-Identifier: MIT */
/* Any bytes as the answer to a batch of three events, of which two touch a
 * session. The first byte chooses the level and the form of the sessions.
 * Nothing is settled but by an answer of the right shape. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket is put in place of a connection. */
#include "redis/link.c"

#include "redis/delivery.c"

#include "../c/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const hr_ring_batch *batch, hr_status status, const delivery *self)
{
    size_t waiting = 0;
    for (size_t i = 0; i < batch->count; i++) {
        waiting += batch->events[i].state == HR_RING_BATCH_WAITING;
    }
    assert(waiting == batch->waiting);
    assert((status == HR_OK) == (waiting == 0));
    assert(status == HR_OK || waiting != 0);
    assert(memchr(self->detail, '\0', sizeof(self->detail)) != NULL);
    assert(self->connected == (hr_redis_link_fd(self->link) >= 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000) {
        return 0;
    }
    int ends[2];
    hr_ring ring;
    hr_ring_batch batch;
    hr_wake wake;
    hr_sink_target *target;
    hr_redis_url url = {.path = hr_alloc_copy(HR_SPAN("/nowhere"))};
    if (url.path == NULL || hr_ring_batch_init(&batch, 8) != HR_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 ||
        hr_wake_init(&wake) != HR_OK ||
        hr_redis_delivery_new(
            &(hr_redis_delivery_settings){.url = &url,
                                          .connect_timeout_ns = 1,
                                          .command_timeout_ns = 1000000000,
                                          .prefix = HR_SPAN("headrace:"),
                                          .stream = HR_SPAN("events"),
                                          .client_name = HR_SPAN("fuzz"),
                                          .max_length = 10,
                                          .level = HR_REDIS_DELIVERY_AUTO,
                                          .batch = 8},
            &target) != HR_OK) {
        abort();
    }
    make_ring(&ring);
    put_number(&ring, 1, "1");
    /* Newer than any session's end. */
    put_touch(&ring, INT64_C(1) << 42, "aa", "/", "7");
    put_touch(&ring, INT64_C(1) << 42, "bb", "/", NULL);
    hr_ring_batch_take(&batch, &ring, 8, false);
    delivery *self = (delivery *)(void *)target;
    self->level =
        (hr_redis_delivery_level)(HR_REDIS_DELIVERY_MARKER + data[0] % 3);
    self->form.sessions = (hr_redis_session_mode)(data[0] / 3 % 3);
    self->connected = true;
    self->link->fd = ends[0];
    assert(start_reader(self->link) == HR_OK);
    if (send(ends[1], data + 1, size - 1, 0) != (ssize_t)(size - 1)) {
        abort();
    }
    shutdown(ends[1], SHUT_WR);
    hr_status status = target->ops->deliver(target, &batch, &wake);
    check(&batch, status, self);
    target->ops->free(target);
    hr_wake_fini(&wake);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
    close(ends[1]);
    return 0;
}
