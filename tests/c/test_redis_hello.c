/* SPDX-License-Identifier: MIT */
/* The first words with servers that allow all, little, or nothing. */
#include "redis_server.h"

#include "redis/hello.h"

static hr_wake wake;

#define NO "-NOPERM this user has no permissions\r\n"

static const struct {
    const char *why;
    const char *password;
    unsigned database;
    step steps[3];
    hr_status want;
    const char *error;   /* the server's own words, or NULL */
    const char *version; /* these only when all is well */
    uint64_t client;
    int evicts, kills, reads, multis, evals;
} CASES[] = {
    {"all is allowed",
     NULL,
     0,
     {{GREETING_COMMANDS, GREETING, 1}, {-1, "", 0}},
     HR_OK,
     NULL,
     "7.0.15",
     77,
     0,
     1,
     1,
     1,
     1},
    {"a password and a database",
     "secret",
     3,
     {{2, "+OK\r\n+OK\r\n", 0}, {GREETING_COMMANDS, GREETING, 1}, {-1, "", 0}},
     HR_OK,
     NULL,
     "7.0.15",
     77,
     0,
     1,
     1,
     1,
     1},
    {"nothing but events is allowed",
     NULL,
     0,
     {{GREETING_COMMANDS, NO NO NO NO NO NO NO NO NO, 1}, {-1, "", 0}},
     HR_OK,
     NULL,
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"a server that is loading refuses nothing",
     NULL,
     0,
     {{GREETING_COMMANDS,
       "+OK\r\n:77\r\n" INFO_SERVER INFO_MEMORY
       "-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n"
       "-LOADING x\r\n",
       1},
      {-1, "", 0}},
     HR_OK,
     NULL,
     "7.0.15",
     77,
     0,
     1,
     1,
     1,
     1},
    {"a server that may evict",
     NULL,
     0,
     {{GREETING_COMMANDS,
       "+OK\r\n:77\r\n" INFO_SERVER
       "$46\r\nmaxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n"
       "\r\n:0\r\n$-1\r\n+OK\r\n*0\r\n:1\r\n",
       1},
      {-1, "", 0}},
     HR_OK,
     NULL,
     "7.0.15",
     77,
     1,
     1,
     1,
     1,
     1},
    {"a wrong password",
     "wrong",
     0,
     {{1, "-WRONGPASS invalid username-password pair\r\n", 1}, {-1, "", 0}},
     HR_AUTH,
     "WRONGPASS invalid username-password pair",
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"no password where one is needed",
     NULL,
     0,
     {{GREETING_COMMANDS,
       "-NOAUTH a\r\n-NOAUTH b\r\n-NOAUTH c\r\n-NOAUTH d\r\n-NOAUTH e\r\n"
       "-NOAUTH f\r\n-NOAUTH g\r\n-NOAUTH h\r\n-NOAUTH i\r\n",
       1},
      {-1, "", 0}},
     HR_AUTH,
     "NOAUTH b",
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"a database that is not there",
     NULL,
     99,
     {{1, "-ERR DB index is out of range\r\n", 1}, {-1, "", 0}},
     HR_SERVER,
     "ERR DB index is out of range",
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"another shape than a status",
     "secret",
     0,
     {{1, ":1\r\n", 1}, {-1, "", 0}},
     HR_PROTOCOL,
     NULL,
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"too few answers",
     NULL,
     0,
     {{GREETING_COMMANDS, "+OK\r\n:77\r\n", 1}, {-1, "", 0}},
     HR_DISCONNECTED,
     NULL,
     "",
     0,
     0,
     0,
     0,
     0,
     0},
    {"a version that is too long",
     NULL,
     0,
     {{GREETING_COMMANDS,
       "+OK\r\n:77\r\n$38\r\nredis_version:"
       "7777777777777777777777\r\n\r\n" INFO_MEMORY
       ":0\r\n$-1\r\n+OK\r\n*0\r\n:1\r\n",
       1},
      {-1, "", 0}},
     HR_OK,
     NULL,
     "",
     77,
     0,
     1,
     1,
     1,
     1},
    {"a negative id",
     NULL,
     0,
     {{GREETING_COMMANDS, "+OK\r\n:-3\r\n" GREETING_FROM_ID, 1}, {-1, "", 0}},
     HR_OK,
     NULL,
     "7.0.15",
     0,
     0,
     1,
     1,
     1,
     1},
};

int
main(void)
{
    if (hr_wake_init(&wake) != HR_OK) {
        printf("Bail out! no eventfd\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        redis_server server;
        hr_redis_link *link = NULL;
        hr_redis_hello_peer peer;
        hr_span error = HR_NO_SPAN;
        char password[16];
        start_server(&server, CASES[i].steps);
        hr_redis_url url = {.path = server.path,
                            .database = CASES[i].database};
        if (CASES[i].password != NULL) {
            snprintf(password, sizeof(password), "%s", CASES[i].password);
            url.password = password;
            url.password_len = strlen(password);
        }
        hr_status status = hr_redis_link_new(
            &(hr_redis_link_settings){.url = &url,
                                      .connect_timeout_ns = 5000000000,
                                      .command_timeout_ns = 5000000000},
            &link);
        if (status == HR_OK) {
            status = hr_redis_link_open(link, &wake);
        }
        if (status == HR_OK) {
            status = hr_redis_hello(link, &wake, &url, HR_SPAN("test"),
                                    HR_SPAN("headrace:"), &peer, &error);
        }
        ok(status == CASES[i].want, "%s: %s", CASES[i].why,
           hr_status_word(status));
        const char *want = CASES[i].error;
        ok(want == NULL ? error.ptr == NULL
                        : hr_span_equal(error, (hr_span){want, strlen(want)}),
           "%s: the server's own words", CASES[i].why);
        ok(status != HR_OK || (strcmp(peer.version, CASES[i].version) == 0 &&
                               peer.client_id == CASES[i].client &&
                               peer.may_evict == CASES[i].evicts &&
                               peer.may_kill == CASES[i].kills &&
                               peer.may_read == CASES[i].reads &&
                               peer.may_multi == CASES[i].multis &&
                               peer.may_eval == CASES[i].evals),
           "%s: what the server lets us do", CASES[i].why);
        hr_redis_link_free(link);
        stop_server(&server);
    }
    hr_wake_fini(&wake);
    return done_testing();
}
