/* SPDX-License-Identifier: MIT */
/* Any bytes as the answer to a transaction of two events: the first byte says
 * how many pieces they come in. Nothing but the one right answer is taken. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket is put in place of a connection. */
#include "redis/link.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000) {
        return 0;
    }
    int ends[2];
    hr_redis_url url = {.path = (char[]){"/x"}};
    hr_redis_link *link;
    hr_wake wake;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 ||
        hr_wake_init(&wake) != HR_OK ||
        hr_redis_link_new(
            &(hr_redis_link_settings){.url = &url,
                                      .connect_timeout_ns = 1,
                                      .command_timeout_ns = 1000000000},
            &link) != HR_OK) {
        abort();
    }
    link->fd = ends[0];
    assert(start_reader(link) == HR_OK);
    if (send(ends[1], data + 1, size - 1, 0) != (ssize_t)(size - 1)) {
        abort();
    }
    shutdown(ends[1], SHUT_WR);
    size_t count = data[0] % 8 + 1U;
    hr_status status =
        hr_redis_link_exchange(link, &wake, HR_SPAN("x"), count, NULL);
    if (status == HR_OK) {
        size_t replies = 0;
        hr_redis_link_received received = hr_redis_link_read(link);
        const hr_redis_link_reply *reply = received.nodes;
        for (size_t at = 0; at < received.count;
             at += 1 + reply[at].elements) {
            replies++;
            hr_span text = hr_redis_link_text(&received, &reply[at]);
            assert(text.len == 0 ||
                   text.ptr + text.len <= link->text.ptr + link->text.len);
        }
        assert(replies == count);
    } else {
        assert(hr_redis_link_fd(link) == -1);
    }
    hr_redis_link_free(link);
    hr_wake_fini(&wake);
    close(ends[1]);
    return 0;
}
