/* SPDX-License-Identifier: MIT */
/* Two events and a server that answers by a script: what becomes of each
 * event, of the connection and of the doubt; and every allocation failing. */
#include "events.h"
#include "redis_server.h"

/* The doubt about a ring is the target's own. */
#include "redis/delivery.c"

static hr_wake wake;

/* Is it unknown what was applied of our ring? */
static bool
in_doubt(hr_sink_target *target)
{
    return of(target)->known[0].in_doubt;
}

static hr_sink_target *
make_target(const char *path, hr_redis_delivery_level level)
{
    hr_redis_url url = {.path = hr_alloc_copy((hr_span){path, strlen(path)})};
    hr_sink_target *target = NULL;
    hr_status status = url.path == NULL
                           ? HR_NO_MEMORY
                           : hr_redis_delivery_new(
                                 &(hr_redis_delivery_settings){
                                     .url = &url,
                                     .connect_timeout_ns = 5000000000,
                                     .command_timeout_ns = 5000000000,
                                     .prefix = HR_SPAN("headrace:"),
                                     .stream = HR_SPAN("events"),
                                     .client_name = HR_SPAN("t"),
                                     .max_length = 10,
                                     .level = level,
                                     .batch = 8,
                                 },
                                 &target);
    hr_redis_url_fini(&url);
    return status == HR_OK ? target : NULL;
}

#define START "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
#define ID1 "$3\r\n1-1\r\n"
#define ID2 "$3\r\n1-2\r\n"
#define DONE START "*3\r\n" ID1 ID2 "+OK\r\n"
#define ABORT "-EXECABORT Transaction discarded\r\n"
/* MULTI, two events, the marker, EXEC. */
#define BATCH 5

typedef struct delivery_case {
    const char *why;
    const char *answer; /* to the first batch */
    hr_status want;
    int delivered;
    int rejected;
    int open;  /* the connection is kept */
    int doubt; /* it is unknown what was applied */
} delivery_case;

static const delivery_case CASES[] = {
    {"all is well", DONE, HR_OK, 2, 0, 1, 0},
    {"out of memory", "+OK\r\n-OOM x\r\n-OOM x\r\n-OOM x\r\n" ABORT, HR_SERVER,
     0, 0, 1, 0},
    {"out of memory at EXEC", START "-OOM x\r\n", HR_SERVER, 0, 0, 1, 0},
    {"a replica", "+OK\r\n-READONLY x\r\n-READONLY x\r\n-READONLY x\r\n" ABORT,
     HR_SERVER, 0, 0, 0, 0},
    {"not allowed", "+OK\r\n-NOPERM x\r\n-NOPERM x\r\n+QUEUED\r\n" ABORT,
     HR_AUTH, 0, 0, 1, 0},
    {"the second key is of another type",
     START "*3\r\n" ID1 "-WRONGTYPE x\r\n+OK\r\n", HR_OK, 1, 1, 1, 0},
    {"MULTI is refused", "-ERR no\r\n" ID1 ID2 "+OK\r\n-ERR EXEC\r\n",
     HR_SERVER, 0, 0, 0, 1},
    {"EXEC answers too few", START "*2\r\n" ID1 ID2, HR_PROTOCOL, 0, 0, 0, 1},
    {"EXEC answers too many", START "*4\r\n" ID1 ID2 "+OK\r\n+OK\r\n",
     HR_PROTOCOL, 0, 0, 0, 1},
    {"EXEC answers nil", START "*-1\r\n", HR_PROTOCOL, 0, 0, 0, 1},
    {"an id that is none", START "*3\r\n" ID1 "$3\r\nabc\r\n+OK\r\n",
     HR_PROTOCOL, 1, 0, 0, 1},
    {"an integer for an id", START "*3\r\n:1\r\n:2\r\n+OK\r\n", HR_PROTOCOL, 0,
     0, 0, 1},
    {"a marker that was not set", START "*3\r\n" ID1 ID2 "$-1\r\n",
     HR_PROTOCOL, 0, 0, 0, 1},
    {"never queued", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n*3\r\n" ID1 ID2 "+OK\r\n",
     HR_PROTOCOL, 0, 0, 0, 1},
    {"cut in the middle", START "*3\r\n" ID1, HR_DISCONNECTED, 0, 0, 0, 1},
    {"cut at once", "", HR_DISCONNECTED, 0, 0, 0, 1},
    {"garbage", "\x01\x02\x03\r\n", HR_PROTOCOL, 0, 0, 0, 1},
};

typedef struct outcome {
    hr_ring ring;
    hr_ring_batch batch;
    int delivered;
    int rejected;
} outcome;

static void
begin(outcome *found)
{
    make_ring(&found->ring);
    if (hr_ring_batch_init(&found->batch, 8) != HR_OK) {
        printf("Bail out! no batch\n");
        exit(2);
    }
    put_number(&found->ring, 1, "1");
    put_number(&found->ring, 2, "2");
    hr_ring_batch_take(&found->batch, &found->ring, 8, false);
}

static void
count(outcome *found)
{
    found->delivered = 0;
    found->rejected = 0;
    for (size_t i = 0; i < found->batch.count; i++) {
        hr_ring_batch_state state = found->batch.events[i].state;
        found->delivered += state == HR_RING_BATCH_DELIVERED;
        found->rejected += state == HR_RING_BATCH_REJECTED;
    }
}

static void
end(outcome *found)
{
    hr_ring_batch_fini(&found->batch);
    hr_ring_file_unmap(&found->ring);
}

static void
test_cases(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const delivery_case *c = &CASES[i];
        const step steps[] = {{GREETING_COMMANDS, GREETING, 0},
                              {BATCH, c->answer, 1},
                              {-1, "", 0}};
        redis_server server;
        outcome found = {.delivered = 0};
        start_server(&server, steps);
        hr_sink_target *target =
            make_target(server.path, HR_REDIS_DELIVERY_AUTO);
        begin(&found);
        hr_status status = target->ops->deliver(target, &found.batch, &wake);
        count(&found);
        ok(status == c->want, "%s: %s", c->why, hr_status_word(status));
        ok(found.delivered == c->delivered && found.rejected == c->rejected,
           "%s: %d delivered, %d rejected", c->why, found.delivered,
           found.rejected);
        ok((target->ops->fd(target) >= 0) == c->open, "%s: the connection",
           c->why);
        ok(in_doubt(target) == c->doubt, "%s: the doubt", c->why);
        hr_sink_target_report report = {.delivery = ""};
        target->ops->report(target, &report);
        ok(strcmp(report.delivery, "exactly-once") == 0 &&
               (status == HR_OK) == (report.detail[0] == '\0'),
           "%s: what people are told", c->why);
        ok(atomic_load(&found.ring.header->fence_client) == 77 &&
               memcmp(found.ring.header->fence_run_id, RUN_ID,
                      HR_RING_RUN_ID_SIZE) == 0,
           "%s: the fence stood before the batch", c->why);
        target->ops->free(target);
        stop_server(&server);
        end(&found);
    }
}

#define GREETING_78 "+OK\r\n:78\r\n" GREETING_FROM_ID

/* After a break: the old connection is killed, the marker read, and what
 * lies above it is sent again. */
static void
test_doubt(void)
{
    static const struct {
        const char *why;
        int marker; /* 0: none; 1: the first event; 2: both */
        int commands;
    } MARKERS[] = {
        {"nothing was applied", 0, BATCH},
        {"the first was applied", 1, BATCH - 1},
        {"all was applied", 2, 0},
    };
    for (size_t i = 0; i < sizeof(MARKERS) / sizeof(MARKERS[0]); i++) {
        outcome found = {.delivered = 0};
        char marker[64] = ":1\r\n$-1\r\n";
        begin(&found);
        if (MARKERS[i].marker != 0) {
            char digits[24];
            int len = snprintf(
                digits, sizeof(digits), "%llu",
                (unsigned long long)found.batch.events[MARKERS[i].marker - 1]
                    .sequence);
            snprintf(marker, sizeof(marker), ":1\r\n$%d\r\n%s\r\n", len,
                     digits);
        }
        const char *rest = MARKERS[i].marker == 1
                               ? "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" ID2
                                 "+OK\r\n"
                               : DONE;
        const step steps[] = {{GREETING_COMMANDS, GREETING, 0},
                              {BATCH, "", 1},
                              {GREETING_COMMANDS, GREETING_78, 0},
                              {2, marker, MARKERS[i].commands == 0},
                              {MARKERS[i].commands, rest, 1},
                              {-1, "", 0}};
        redis_server server;
        start_server(&server, steps);
        hr_sink_target *target =
            make_target(server.path, HR_REDIS_DELIVERY_AUTO);
        ok(target->ops->deliver(target, &found.batch, &wake) ==
                   HR_DISCONNECTED &&
               in_doubt(target),
           "doubt: %s: the connection breaks", MARKERS[i].why);
        ok(target->ops->deliver(target, &found.batch, &wake) == HR_OK,
           "doubt: %s: then all is settled", MARKERS[i].why);
        count(&found);
        ok(found.delivered == 2 && !in_doubt(target), "doubt: %s: every event",
           MARKERS[i].why);
        ok(atomic_load(&found.ring.header->fence_client) == 78,
           "doubt: %s: the new fence stands", MARKERS[i].why);
        target->ops->free(target);
        stop_server(&server);
        end(&found);
    }
}

static void
test_levels(void)
{
    static const struct {
        const char *why;
        hr_redis_delivery_level level;
        int commands;
        const char *answer;
        const char *word;
    } LEVELS[] = {
        {"script", HR_REDIS_DELIVERY_SCRIPT, 1,
         "*3\r\n" ID1 "$3\r\ndup\r\n:0\r\n", "exactly-once, script"},
        {"at least once", HR_REDIS_DELIVERY_LEAST, 2, ID1 ID2,
         "at-least-once"},
    };
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
        const step steps[] = {{GREETING_COMMANDS, GREETING, 0},
                              {LEVELS[i].commands, LEVELS[i].answer, 1},
                              {-1, "", 0}};
        redis_server server;
        outcome found = {.delivered = 0};
        hr_sink_target_report report = {.delivery = ""};
        start_server(&server, steps);
        hr_sink_target *target = make_target(server.path, LEVELS[i].level);
        begin(&found);
        ok(target->ops->deliver(target, &found.batch, &wake) == HR_OK,
           "level: %s", LEVELS[i].why);
        count(&found);
        target->ops->report(target, &report);
        ok(found.delivered == 2 &&
               strcmp(report.delivery, LEVELS[i].word) == 0,
           "level: %s: said so", LEVELS[i].why);
        target->ops->free(target);
        stop_server(&server);
        end(&found);
    }
}

/* Each allocation of making a target and delivering fails in turn: nothing
 * leaks, nothing is settled by mistake, and the next attempt succeeds. */
static void
test_memory(void)
{
#ifdef HR_ALLOC_TEST
    size_t failures = 0;
    int right = 1;
    for (size_t n = 1; n < 100; n++) {
        const step steps[] = {
            {GREETING_COMMANDS, GREETING, 0}, {BATCH, DONE, 1}, {-1, "", 0}};
        redis_server server;
        outcome found = {.delivered = 0};
        begin(&found);
        start_server(&server, steps);
        hr_alloc_fail_at(n, 0);
        hr_sink_target *target =
            make_target(server.path, HR_REDIS_DELIVERY_AUTO);
        hr_status status =
            target != NULL ? target->ops->deliver(target, &found.batch, &wake)
                           : HR_NO_MEMORY;
        hr_alloc_fail_at(0, 0);
        count(&found);
        right = right && (status == HR_OK) == (found.delivered == 2) &&
                found.rejected == 0;
        if (target != NULL) {
            target->ops->free(target);
        }
        stop_server(&server);
        end(&found);
        if (status == HR_OK) {
            break;
        }
        failures++;
    }
    ok(right, "memory: no event is settled that was not delivered");
    ok(failures > 5 && failures < 90, "memory: %zu places that may fail",
       failures);
#endif
}

/* Which setting is out of range, "" for none. */
static void
check_is(const char *want, hr_redis_delivery_settings settings)
{
    const char *why;
    hr_status status = hr_redis_delivery_check(&settings, &why);
    ok(*want == '\0'
           ? status == HR_OK && why == NULL
           : status == HR_SETTING && strncmp(why, want, strlen(want)) == 0,
       "settings: \"%s\" is refused: %s", want, why != NULL ? why : "none");
}

static void
test_settings(void)
{
    static char long_text[HR_STREAM_MAX + 1];
    memset(long_text, 'x', sizeof(long_text));
    hr_redis_delivery_settings good = {
        .connect_timeout_ns = 1,
        .command_timeout_ns = INT64_C(31536000000000000),
        .prefix = HR_SPAN(""),
        .stream = {long_text, HR_STREAM_MAX},
        .client_name = {long_text, HR_CLIENT_NAME_MAX},
        .max_length = 1,
        .batch = HR_BATCH_MAX,
    };
    check_is("", good);
#define REFUSED(name, member, value)           \
    do {                                       \
        hr_redis_delivery_settings bad = good; \
        bad.member = value;                    \
        check_is(name ": ", bad);              \
    } while (0)
    REFUSED("connect_timeout", connect_timeout_ns, 0);
    REFUSED("connect_timeout", connect_timeout_ns, INT64_MIN);
    REFUSED("command_timeout", command_timeout_ns,
            good.command_timeout_ns + 1);
    REFUSED("prefix", prefix, HR_SPAN("a b"));
    REFUSED("prefix", prefix, HR_SPAN("{a}"));
    REFUSED("prefix", prefix, ((hr_span){long_text, HR_PREFIX_MAX + 1}));
    REFUSED("stream", stream.len, 0);
    REFUSED("stream", stream.len, HR_STREAM_MAX + 1);
    REFUSED("client_name", client_name, HR_SPAN("\x7f"));
    REFUSED("client_name", client_name.len, HR_CLIENT_NAME_MAX + 1);
    REFUSED("batch", batch, 0);
    REFUSED("batch", batch, HR_BATCH_MAX + 1);
    REFUSED("max_length", max_length, UINT64_MAX);
#undef REFUSED
}

int
main(void)
{
    if (hr_wake_init(&wake) != HR_OK) {
        printf("Bail out! no eventfd\n");
        return 2;
    }
    test_cases();
    test_doubt();
    test_levels();
    test_settings();
    test_memory();
    hr_wake_fini(&wake);
    return done_testing();
}
