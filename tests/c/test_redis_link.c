/* SPDX-License-Identifier: MIT */
/* One exchange with a server that answers by a script: what is right is
 * taken, any surprise closes the connection. */
#include "redis_server.h"

#include "base/alloc.h"
#include "base/clock.h"

static hr_wake wake;

static hr_redis_link *
make_link(hr_redis_url *url, char *path, int64_t timeout_ms)
{
    hr_redis_link *link = NULL;
    *url = (hr_redis_url){.path = path};
    if (hr_redis_link_new(
            &(hr_redis_link_settings){
                .url = url,
                .connect_timeout_ns = INT64_C(5000000000),
                .command_timeout_ns = timeout_ms * 1000000,
            },
            &link) != HR_OK) {
        printf("Bail out! no link\n");
        exit(2);
    }
    return link;
}

#define PING "*1\r\n$4\r\nPING\r\n"

static const struct {
    const char *why;
    int replies; /* that are waited for, a PING each */
    const char *answer;
    hr_status want;
} CASES[] = {
    {"a status", 1, "+OK\r\n", HR_OK},
    {"an error is an answer", 1, "-ERR x\r\n", HR_OK},
    {"an integer", 1, ":-5\r\n", HR_OK},
    {"a string", 1, "$3\r\nabc\r\n", HR_OK},
    {"an empty string", 1, "$0\r\n\r\n", HR_OK},
    {"nil", 1, "$-1\r\n", HR_OK},
    {"an array", 1, "*2\r\n:1\r\n$1\r\nx\r\n", HR_OK},
    {"an empty array", 1, "*0\r\n", HR_OK},
    {"three answers", 3, "+OK\r\n:1\r\n*1\r\n+x\r\n", HR_OK},
    {"too few, then the end", 2, "+OK\r\n", HR_DISCONNECTED},
    {"cut in the middle", 1, "$10\r\nabc", HR_DISCONNECTED},
    {"nothing", 1, "", HR_DISCONNECTED},
    {"one too many", 1, "+OK\r\n+OK\r\n", HR_PROTOCOL},
    {"half a one too many", 1, "+OK\r\n+", HR_PROTOCOL},
    {"garbage", 1, "HTTP/1.1 200 OK\r\n", HR_PROTOCOL},
    {"a push message", 1, ">2\r\n+a\r\n+b\r\n", HR_PROTOCOL},
    {"an array in an array", 1, "*1\r\n*1\r\n:1\r\n", HR_PROTOCOL},
    {"an array that is too long", 1, "*2147483647\r\n", HR_PROTOCOL},
    {"a length that is no number", 1, "$x\r\n", HR_PROTOCOL},
};

static void
test_answers(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const step steps[] = {{CASES[i].replies, CASES[i].answer, 1},
                              {-1, "", 0}};
        redis_server server;
        hr_redis_url url;
        hr_redis_link_times times;
        start_server(&server, steps);
        hr_redis_link *link = make_link(&url, server.path, 5000);
        hr_status status = hr_redis_link_open(link, &wake);
        const hr_span commands = {
            PING PING PING, (sizeof(PING) - 1) * (size_t)CASES[i].replies};
        if (status == HR_OK) {
            status = hr_redis_link_exchange(link, &wake, commands,
                                            (size_t)CASES[i].replies, &times);
        }
        ok(status == CASES[i].want, "answer: %s: %s", CASES[i].why,
           hr_status_word(status));
        ok((hr_redis_link_fd(link) >= 0) == (status == HR_OK),
           "answer: %s: open only when all is well", CASES[i].why);
        ok(status == HR_OK || hr_redis_link_detail(link)[0] != '\0',
           "answer: %s: a failure says why", CASES[i].why);
        ok(times.first_sent_ns != 0 &&
               times.first_sent_ns <= times.last_sent_ns,
           "answer: %s: it was sent", CASES[i].why);
        hr_redis_link_free(link);
        stop_server(&server);
    }
}

static void
test_nodes(void)
{
    const step steps[] = {{3, "+OK\r\n*2\r\n:7\r\n$2\r\nab\r\n-ERR no\r\n", 1},
                          {-1, "", 0}};
    redis_server server;
    hr_redis_url url;
    start_server(&server, steps);
    hr_redis_link *link = make_link(&url, server.path, 5000);
    ok(hr_redis_link_open(link, &wake) == HR_OK &&
           hr_redis_link_exchange(link, &wake, HR_SPAN(PING PING PING), 3,
                                  NULL) == HR_OK,
       "nodes: three answers");
    hr_redis_link_received received = hr_redis_link_read(link);
    const hr_redis_link_reply *reply = received.nodes;
    ok(received.count == 5 && reply[0].type == HR_REDIS_LINK_STATUS &&
           reply[1].type == HR_REDIS_LINK_ARRAY && reply[1].elements == 2 &&
           reply[2].type == HR_REDIS_LINK_INTEGER && reply[2].integer == 7 &&
           reply[3].type == HR_REDIS_LINK_STRING &&
           reply[4].type == HR_REDIS_LINK_ERROR,
       "nodes: each with its type, in order");
    ok(hr_span_equal(hr_redis_link_text(&received, &reply[3]),
                     HR_SPAN("ab")) &&
           hr_span_equal(hr_redis_link_text(&received, &reply[4]),
                         HR_SPAN("ERR no")),
       "nodes: and its text");
    hr_redis_link_free(link);
    stop_server(&server);
}

/* Half a megabyte at a server that reads one byte at a time. */
static void
test_short_writes(void)
{
    static char large[600000];
    const step steps[] = {{1, "+OK\r\n", 1}, {-1, "", 0}};
    redis_server server;
    hr_redis_url url;
    int head =
        snprintf(large, sizeof(large), "*2\r\n$4\r\nECHO\r\n$500000\r\n");
    memset(large + head, 'x', 500000);
    memcpy(large + head + 500000, "\r\n", 2);
    start_server(&server, steps);
    hr_redis_link *link = make_link(&url, server.path, 60000);
    ok(hr_redis_link_open(link, &wake) == HR_OK &&
           hr_redis_link_exchange(link, &wake,
                                  (hr_span){large, (size_t)head + 500002}, 1,
                                  NULL) == HR_OK,
       "short writes: all of it arrives");
    hr_redis_link_free(link);
    stop_server(&server);
}

static void
test_deadline_and_leave(void)
{
    const step steps[] = {{2, "", 1}, {2, "", 1}, {-1, "", 0}};
    redis_server server;
    hr_redis_url url;
    start_server(&server, steps);
    hr_redis_link *link = make_link(&url, server.path, 50);
    ok(hr_redis_link_open(link, &wake) == HR_OK, "deadline: connected");
    ok(hr_redis_link_exchange(link, &wake, HR_SPAN(PING), 1, NULL) ==
               HR_TIMEOUT &&
           hr_redis_link_fd(link) < 0,
       "deadline: no answer in time closes");
    ok(hr_redis_link_exchange(link, &wake, HR_SPAN(PING), 1, NULL) ==
           HR_DISCONNECTED,
       "deadline: a closed link says so");
    ok(hr_redis_link_open(link, &wake) == HR_OK, "leave: connected again");
    atomic_store(&wake.stop, true);
    ok(hr_redis_link_exchange(link, &wake, HR_SPAN(PING), 1, NULL) ==
               HR_CLOSED &&
           hr_redis_link_fd(link) < 0,
       "leave: asked to, it does");
    atomic_store(&wake.stop, false);
    hr_redis_link_free(link);
    stop_server(&server);
}

static void
test_nobody_there(void)
{
    hr_redis_url url;
    hr_redis_link *link = make_link(&url, (char[]){"/nowhere/at/all"}, 50);
    ok(hr_redis_link_open(link, &wake) == HR_CONNECT &&
           hr_redis_link_fd(link) < 0,
       "nobody there: told");
    ok(strstr(hr_redis_link_detail(link), "connect") != NULL,
       "nobody there: with the reason");
    hr_redis_link_free(link);
    hr_redis_link_free(NULL);
}

/* Each allocation fails in turn; then all is well. */
static void
test_memory(void)
{
#ifdef HR_ALLOC_TEST
    size_t failures = 0;
    for (size_t n = 1; n < 50; n++) {
        const step steps[] = {{1, "*2\r\n+a\r\n+b\r\n", 1}, {-1, "", 0}};
        redis_server server;
        hr_redis_link *link = NULL;
        start_server(&server, steps);
        hr_redis_url url = {.path = server.path};
        hr_alloc_fail_at(n, 0);
        hr_status status = hr_redis_link_new(
            &(hr_redis_link_settings){.url = &url,
                                      .connect_timeout_ns = 5000000000,
                                      .command_timeout_ns = 5000000000},
            &link);
        if (status == HR_OK) {
            status = hr_redis_link_open(link, &wake);
        }
        if (status == HR_OK) {
            status =
                hr_redis_link_exchange(link, &wake, HR_SPAN(PING), 1, NULL);
        }
        hr_alloc_fail_at(0, 0);
        hr_redis_link_free(link);
        stop_server(&server);
        if (status == HR_OK) {
            break;
        }
        failures++;
    }
    ok(failures > 0 && failures < 40, "memory: %zu places that may fail",
       failures);
#endif
}

int
main(void)
{
    if (hr_wake_init(&wake) != HR_OK) {
        printf("Bail out! no eventfd\n");
        return 2;
    }
    test_answers();
    test_nodes();
    test_short_writes();
    test_deadline_and_leave();
    test_nobody_there();
    test_memory();
    hr_wake_fini(&wake);
    return done_testing();
}
