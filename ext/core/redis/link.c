/* SPDX-License-Identifier: MIT */
/* An exchange writes and reads at once: a server that answers early, or not
 * until its own buffers are drained, never deadlocks us. The reader's
 * callbacks allocate nothing per reply: nodes and texts go to two buffers
 * with caps of their own, and refuse what no reply to our commands looks
 * like, before memory is spent on it.
 *
 * The state is `fd`: -1 when closed. Every error path ends in close, so a
 * link is never used after a surprise. */
#include "redis/link.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/fork_guard.h"
#include "redis/tls.h"
#include "redis/resolve.h"

#define READ_BYTES 16384
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_EVERY_S 5
#define KEEPALIVE_TIMES 3

struct hr_redis_link {
    hr_redis_link_settings settings;
    int fd;
    redisReader *reader; /* owned; lives as long as the connection */
    hr_redis_tls *tls;   /* owned; NULL without TLS */
    hr_redis_resolve
        *resolve; /* a look-up that was left behind by its deadline */
    hr_buf nodes; /* of hr_redis_link_reply */
    hr_buf text;
    size_t expected; /* replies still to come in this exchange */
    size_t received; /* bytes read in this exchange */
    char detail[160];
};

static void
explain(hr_redis_link *link, const char *what, const char *why)
{
    snprintf(link->detail, sizeof(link->detail), "%s: %s", what, why);
}

static void
explain_errno(hr_redis_link *link, const char *what, int error)
{
    char text[96];
    explain(link, what, strerror_r(error, text, sizeof(text)));
}

/* ---- replies ---------------------------------------------------------- */

/* One more node; NULL refuses the reply, which hiredis takes for an error. */
static hr_redis_link_reply *
add_node(const redisReadTask *task, hr_redis_link_reply_type type)
{
    hr_redis_link *link = task->privdata;
    /* Arrays of arrays are no answer to anything we send. */
    if (task->parent != NULL && task->parent->parent != NULL) {
        return NULL;
    }
    if (!hr_buf_room(&link->nodes, sizeof(hr_redis_link_reply))) {
        return NULL;
    }
    hr_redis_link_reply *node =
        (hr_redis_link_reply *)(void *)(link->nodes.ptr + link->nodes.len);
    *node = (hr_redis_link_reply){.type = type};
    link->nodes.len += sizeof(hr_redis_link_reply);
    return node;
}

static void *
on_string(const redisReadTask *task, char *text, size_t len)
{
    hr_redis_link *link = task->privdata;
    hr_redis_link_reply_type type =
        task->type == REDIS_REPLY_STATUS  ? HR_REDIS_LINK_STATUS
        : task->type == REDIS_REPLY_ERROR ? HR_REDIS_LINK_ERROR
                                          : HR_REDIS_LINK_STRING;
    hr_redis_link_reply *node = add_node(task, type);
    size_t offset = link->text.len;
    hr_buf_add(&link->text, (hr_span){text, len});
    if (node == NULL || hr_buf_status(&link->text) != HR_OK) {
        return NULL;
    }
    node->text = (uint32_t)offset;
    node->text_len = (uint32_t)len;
    return link;
}

#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static void *
on_array(const redisReadTask *task, element_count elements)
{
    hr_redis_link *link = task->privdata;
    if (task->type != REDIS_REPLY_ARRAY || task->parent != NULL ||
        elements < 0 || (size_t)elements > HR_REPLY_NODES_MAX) {
        return NULL;
    }
    hr_redis_link_reply *node = add_node(task, HR_REDIS_LINK_ARRAY);
    if (node == NULL) {
        return NULL;
    }
    node->elements = (uint32_t)elements;
    return link;
}

static void *
on_integer(const redisReadTask *task, long long value)
{
    hr_redis_link_reply *node = add_node(task, HR_REDIS_LINK_INTEGER);
    if (node == NULL) {
        return NULL;
    }
    node->integer = value;
    return task->privdata;
}

static void *
on_nil(const redisReadTask *task)
{
    return add_node(task, HR_REDIS_LINK_NIL) != NULL ? task->privdata : NULL;
}

static void
on_free(void *object)
{
    (void)object; /* the nodes live in the link's buffer */
}

static const redisReplyObjectFunctions FUNCTIONS = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

static hr_status
start_reader(hr_redis_link *link)
{
    if (link->reader != NULL) {
        redisReaderFree(link->reader);
    }
    /* hiredis forgot a const; it only reads them. */
    link->reader = redisReaderCreateWithFunctions(
        (redisReplyObjectFunctions *)(uintptr_t)&FUNCTIONS);
    if (link->reader == NULL) {
        return HR_NO_MEMORY;
    }
    link->reader->privdata = link;
    return HR_OK;
}

/* Feeds what was read; counts down `expected`. */
static hr_status
take_replies(hr_redis_link *link, const char *bytes, size_t len)
{
    link->received += len;
    if (link->received > HR_REPLY_BYTES_MAX) {
        explain(link, "reply", "larger than any answer to what was asked");
        return HR_PROTOCOL;
    }
    if (redisReaderFeed(link->reader, bytes, len) != REDIS_OK) {
        explain(link, "reply", link->reader->errstr);
        return HR_PROTOCOL;
    }
    while (link->expected != 0) {
        void *reply = NULL;
        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK) {
            explain(link, "reply", link->reader->errstr);
            return HR_PROTOCOL;
        }
        if (reply == NULL) {
            return HR_OK;
        }
        link->expected--;
    }
    if (link->reader->pos < link->reader->len) {
        explain(link, "reply", "more replies than commands");
        return HR_PROTOCOL;
    }
    return HR_OK;
}

/* ---- bytes ------------------------------------------------------------ */

/* Bytes moved; 0: none now, wait for `*events`; -1: an error or the end. */
static ssize_t
transport_write(hr_redis_link *link, const char *bytes, size_t len,
                short *events)
{
    if (link->tls != NULL) {
        return hr_redis_tls_write(link->tls, bytes, len, events);
    }
    ssize_t sent;
    do {
        sent = send(link->fd, bytes, len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        *events |= POLLOUT;
        return 0;
    }
    return sent;
}

static ssize_t
transport_read(hr_redis_link *link, char *bytes, size_t len, short *events)
{
    if (link->tls != NULL) {
        return hr_redis_tls_read(link->tls, bytes, len, events);
    }
    ssize_t got;
    do {
        got = recv(link->fd, bytes, len, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        *events |= POLLIN;
        return 0;
    }
    if (got == 0) {
        errno = 0;
        return -1;
    }
    return got;
}

static hr_status
broken(hr_redis_link *link, const char *what)
{
    if (link->tls != NULL) {
        explain(link, what, hr_redis_tls_error(link->tls));
    } else if (errno == 0) {
        explain(link, what, "closed by the server");
    } else {
        explain_errno(link, what, errno);
    }
    return HR_DISCONNECTED;
}

/* Sends what fits now. */
static hr_status
push(hr_redis_link *link, hr_span *unsent, hr_redis_link_times *times,
     short *events)
{
    while (unsent->len != 0) {
        ssize_t sent = transport_write(link, unsent->ptr, unsent->len, events);
        if (sent < 0) {
            return broken(link, "send");
        }
        if (sent == 0) {
            return HR_OK;
        }
        if (times->first_sent_ns == 0) {
            times->first_sent_ns = hr_clock_steady_ns();
        }
        *unsent = hr_span_from(*unsent, (size_t)sent);
        if (unsent->len == 0) {
            times->last_sent_ns = hr_clock_steady_ns();
        }
    }
    return HR_OK;
}

/* Reads what is there now. */
static hr_status
pull(hr_redis_link *link, hr_redis_link_times *times, short *events)
{
    char bytes[READ_BYTES];
    while (link->expected != 0) {
        ssize_t got = transport_read(link, bytes, sizeof(bytes), events);
        if (got < 0) {
            return broken(link, "receive");
        }
        if (got == 0) {
            return HR_OK;
        }
        times->last_read_ns = hr_clock_steady_ns();
        if (times->first_read_ns == 0) {
            times->first_read_ns = times->last_read_ns;
        }
        hr_status status = take_replies(link, bytes, (size_t)got);
        if (status != HR_OK) {
            return status;
        }
    }
    return HR_OK;
}

static hr_status
exchange(hr_redis_link *link, hr_wake *wake, hr_span unsent,
         hr_redis_link_times *times)
{
    int64_t deadline =
        hr_clock_steady_ns() + link->settings.command_timeout_ns;
    for (;;) {
        short events = 0;
        hr_status status = push(link, &unsent, times, &events);
        if (status == HR_OK) {
            status = pull(link, times, &events);
        }
        if (status != HR_OK) {
            return status;
        }
        if (link->expected == 0) {
            if (unsent.len != 0) {
                explain(link, "reply", "more replies than commands");
                return HR_PROTOCOL;
            }
            return HR_OK;
        }
        status = hr_wake_wait(wake, link->fd, events, deadline);
        if (status == HR_TIMEOUT) {
            explain(link, "reply", "none within command_timeout");
        }
        if (status != HR_OK && status != HR_ABSENT) {
            return status;
        }
    }
}

hr_status
hr_redis_link_exchange(hr_redis_link *link, hr_wake *wake, hr_span commands,
                       size_t count, hr_redis_link_times *times)
{
    hr_redis_link_times ignored;
    if (times == NULL) {
        times = &ignored;
    }
    *times = (hr_redis_link_times){0, 0, 0, 0};
    if (link->fd < 0) {
        return HR_DISCONNECTED;
    }
    hr_buf_clear(&link->nodes);
    hr_buf_clear(&link->text);
    link->expected = count;
    link->received = 0;
    link->detail[0] = '\0';
    hr_status status = exchange(link, wake, commands, times);
    if (status != HR_OK) {
        hr_redis_link_close(link);
    }
    return status;
}

/* ---- connecting ------------------------------------------------------- */

/* A new socket, recorded where a forked child finds it. */
static hr_status
open_socket(hr_redis_link *link, int family)
{
    hr_fork_guard_hold();
    link->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    hr_fork_guard_let_go();
    if (link->fd < 0) {
        explain_errno(link, "socket", errno);
        return HR_CONNECT;
    }
    return HR_OK;
}

static void
tune_tcp(const hr_redis_link *link)
{
    int on = 1;
    int idle = KEEPALIVE_IDLE_S;
    int every = KEEPALIVE_EVERY_S;
    int times = KEEPALIVE_TIMES;
    unsigned timeout_ms =
        (unsigned)(link->settings.command_timeout_ns / HR_CLOCK_NS_PER_MS);
    int fd = link->fd;
    /* None of these is worth failing for. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                     sizeof(timeout_ms));
}

static hr_status
connect_to(hr_redis_link *link, hr_wake *wake, const struct sockaddr *address,
           socklen_t len, int64_t deadline)
{
    hr_status status = open_socket(link, address->sa_family);
    if (status != HR_OK) {
        return status;
    }
    int error = 0;
    if (connect(link->fd, address, len) != 0) {
        error = errno;
    }
    if (error == EINPROGRESS) {
        do {
            status = hr_wake_wait(wake, link->fd, POLLOUT, deadline);
        } while (status == HR_ABSENT);
        if (status != HR_OK) {
            if (status == HR_TIMEOUT) {
                explain(link, "connect", "no answer within connect_timeout");
            }
            return status;
        }
        socklen_t size = sizeof(error);
        if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
    }
    if (error != 0) {
        explain_errno(link, "connect", error);
        return HR_CONNECT;
    }
    if (address->sa_family != AF_UNIX) {
        tune_tcp(link);
    }
    return HR_OK;
}

static hr_status
connect_unix(hr_redis_link *link, hr_wake *wake, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* The URL's parser has checked the length. */
    memcpy(address.sun_path, link->settings.url->path,
           strlen(link->settings.url->path) + 1);
    return connect_to(link, wake, (struct sockaddr *)(void *)&address,
                      sizeof(address), deadline);
}

static hr_status
connect_tcp(hr_redis_link *link, hr_wake *wake, int64_t deadline)
{
    const struct addrinfo *addresses = NULL;
    hr_status status = HR_OK;
    if (link->resolve == NULL) {
        status =
            hr_redis_resolve_new(link->settings.url->host,
                                 link->settings.url->port, &link->resolve);
    }
    if (status == HR_OK) {
        status =
            hr_redis_resolve_wait(link->resolve, wake, deadline, &addresses);
    }
    if (status == HR_TIMEOUT) {
        /* The look-up goes on; the next attempt asks for its answer. */
        explain(link, "resolve", "no answer within connect_timeout");
        return HR_RESOLVE;
    }
    if (status == HR_OK) {
        status = HR_RESOLVE;
        for (; addresses != NULL; addresses = addresses->ai_next) {
            status = connect_to(link, wake, addresses->ai_addr,
                                addresses->ai_addrlen, deadline);
            if (status == HR_OK || status == HR_CLOSED) {
                break;
            }
            hr_redis_link_close(link);
        }
    } else if (status == HR_RESOLVE) {
        explain(link, "resolve", "the name has no address");
    }
    hr_redis_resolve_free(link->resolve);
    link->resolve = NULL;
    return status;
}

hr_status
hr_redis_link_open(hr_redis_link *link, hr_wake *wake)
{
    hr_redis_link_close(link);
    link->detail[0] = '\0';
    int64_t deadline =
        hr_clock_steady_ns() + link->settings.connect_timeout_ns;
    hr_status status = start_reader(link);
    if (status == HR_OK) {
        status = link->settings.url->path != NULL
                     ? connect_unix(link, wake, deadline)
                     : connect_tcp(link, wake, deadline);
    }
    if (status == HR_OK && link->settings.url->tls) {
        status = hr_redis_tls_open(
            &(hr_redis_tls_settings){
                .fd = link->fd,
                .host = link->settings.url->host,
                .ca_file = link->settings.ca_file,
                .certificate = link->settings.certificate,
                .private_key = link->settings.private_key,
            },
            wake, deadline, &link->tls, link->detail, sizeof(link->detail));
    }
    if (status != HR_OK) {
        hr_redis_link_close(link);
    }
    return status;
}

void
hr_redis_link_close(hr_redis_link *link)
{
    hr_redis_tls_free(link->tls);
    link->tls = NULL;
    hr_fork_guard_hold();
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
    hr_fork_guard_let_go();
}

hr_status
hr_redis_link_new(const hr_redis_link_settings *settings, hr_redis_link **link)
{
    hr_redis_link *made = hr_alloc_zeroed(1, sizeof(*made));
    if (made == NULL) {
        return HR_NO_MEMORY;
    }
    made->settings = *settings;
    made->fd = -1;
    hr_buf_init(&made->nodes,
                HR_REPLY_NODES_MAX * sizeof(hr_redis_link_reply));
    hr_buf_init(&made->text, HR_REPLY_TEXT_MAX);
    *link = made;
    return HR_OK;
}

void
hr_redis_link_free(hr_redis_link *link)
{
    if (link == NULL) {
        return;
    }
    hr_redis_link_close(link);
    if (link->reader != NULL) {
        redisReaderFree(link->reader);
    }
    hr_redis_resolve_free(link->resolve);
    hr_buf_fini(&link->nodes);
    hr_buf_fini(&link->text);
    hr_alloc_free(link);
}

int
hr_redis_link_fd(const hr_redis_link *link)
{
    return link->fd;
}

hr_redis_link_received
hr_redis_link_read(const hr_redis_link *link)
{
    return (hr_redis_link_received){
        .nodes = (const hr_redis_link_reply *)(const void *)link->nodes.ptr,
        .count = link->nodes.len / sizeof(hr_redis_link_reply),
        .texts = link->text.ptr,
    };
}

const char *
hr_redis_link_detail(const hr_redis_link *link)
{
    return link->detail;
}

void
hr_redis_link_forget(hr_redis_link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
    /* Objects that the parent's thread may have been changing at that moment
     * are left alone: some kilobytes for each fork of a connected process. */
    hr_buf_init(&link->nodes, link->nodes.max);
    hr_buf_init(&link->text, link->text.max);
    link->tls = NULL;
    link->reader = NULL;
    link->resolve = NULL;
}
