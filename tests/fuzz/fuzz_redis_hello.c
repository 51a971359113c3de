/* SPDX-License-Identifier: MIT */
/* Any bytes as the answers to the greeting, which INFO's text is part of. The
 * first byte says whether a password and a database are asked for first. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket is put in place of a connection. */
#include "redis/link.c"

#include "redis/hello.h"

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
    hr_redis_hello_peer peer;
    hr_span error = HR_NO_SPAN;
    hr_wake wake;
    if ((data[0] & 1) != 0) {
        url.password = (char[]){"secret"};
        url.password_len = 6;
        url.database = 3;
    }
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
    hr_status status = hr_redis_hello(link, &wake, &url, HR_SPAN("fuzz"),
                                      HR_SPAN("headrace:"), &peer, &error);
    assert(memchr(peer.version, '\0', sizeof(peer.version)) != NULL);
    assert(status != HR_OK || error.ptr == NULL);
    if (error.ptr != NULL) {
        assert(status == HR_AUTH || status == HR_SERVER);
        assert(error.len == 0 ||
               (error.ptr >= link->text.ptr &&
                error.ptr + error.len <= link->text.ptr + link->text.len));
    }
    /* The text itself, whatever it is. */
    hr_span value = hr_redis_hello_info_field(
        (hr_span){(const char *)data, size}, HR_SPAN("run_id"));
    assert(value.ptr == NULL ||
           (value.ptr >= (const char *)data &&
            value.ptr + value.len <= (const char *)data + size));
    hr_redis_link_free(link);
    hr_wake_fini(&wake);
    close(ends[1]);
    return 0;
}
