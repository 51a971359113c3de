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
#include "../../ext/core/redis_link.c"

#include "../../ext/core/delivery_private.h"
#include "../c/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const ps_batch *batch, ps_status status, const delivery *self)
{
    size_t waiting = 0;
    for (size_t i = 0; i < batch->count; i++) {
        waiting += batch->events[i].state == PS_EVENT_WAITING;
    }
    assert(waiting == batch->waiting);
    assert((status == PS_OK) == (waiting == 0));
    assert(status == PS_OK || waiting != 0);
    assert(memchr(self->detail, '\0', sizeof(self->detail)) != NULL);
    assert(self->connected == (ps_redis_link_fd(self->link) >= 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000) {
        return 0;
    }
    int ends[2];
    ps_ring ring;
    ps_batch batch;
    ps_wake wake;
    ps_target *target;
    ps_redis_url url = {.path = ps_dup(PS_SPAN("/nowhere"))};
    if (url.path == NULL || ps_batch_init(&batch, 8) != PS_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 ||
        ps_wake_init(&wake) != PS_OK ||
        ps_delivery_new(
            &(ps_delivery_settings){.url = &url,
                                    .connect_timeout_ns = 1,
                                    .command_timeout_ns = 1000000000,
                                    .stream = PS_SPAN("events"),
                                    .client_name = PS_SPAN("fuzz"),
                                    .max_length = 10,
                                    .level = PS_DELIVERY_AUTO,
                                    .batch = 8},
            &target) != PS_OK) {
        abort();
    }
    make_ring(&ring);
    put_number(&ring, 1, "1");
    /* Newer than any session's end. */
    put_touch(&ring, INT64_C(1) << 42, "aa", "/", "7");
    put_touch(&ring, INT64_C(1) << 42, "bb", "/", NULL);
    ps_batch_take(&batch, &ring, 8, false);
    delivery *self = (delivery *)(void *)target;
    self->level = (ps_delivery_level)(PS_DELIVERY_MARKER + data[0] % 3);
    self->form.sessions = (ps_session_mode)(data[0] / 3 % 3);
    self->connected = true;
    self->link->fd = ends[0];
    assert(start_reader(self->link) == PS_OK);
    if (send(ends[1], data + 1, size - 1, 0) != (ssize_t)(size - 1)) {
        abort();
    }
    shutdown(ends[1], SHUT_WR);
    ps_status status = target->ops->deliver(target, &batch, &wake);
    check(&batch, status, self);
    target->ops->free(target);
    ps_wake_fini(&wake);
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
    close(ends[1]);
    return 0;
}
