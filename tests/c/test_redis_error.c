/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/redis_error.h"
#include "../../ext/core/redis_hello.h"

static const struct {
    ps_span text;
    ps_redis_error want;
} CASES[] = {
    {PS_SPAN("LOADING Redis is loading the dataset in memory"), PS_REDIS_WAIT},
    {PS_SPAN("BUSY Redis is busy running a script."), PS_REDIS_WAIT},
    {PS_SPAN("OOM command not allowed when used memory > 'maxmemory'."),
     PS_REDIS_WAIT},
    {PS_SPAN("MISCONF Redis is configured to save RDB snapshots"),
     PS_REDIS_WAIT},
    {PS_SPAN("NOREPLICAS Not enough good replicas to write."), PS_REDIS_WAIT},
    {PS_SPAN("MASTERDOWN Link with MASTER is down"), PS_REDIS_WAIT},
    {PS_SPAN("TRYAGAIN Multiple keys request during rehashing of slot"),
     PS_REDIS_WAIT},
    {PS_SPAN("CLUSTERDOWN Hash slot not served"), PS_REDIS_WAIT},
    {PS_SPAN("READONLY You can't write against a read only replica."),
     PS_REDIS_RECONNECT},
    {PS_SPAN("ERR max number of clients reached"), PS_REDIS_RECONNECT},
    {PS_SPAN("NOAUTH Authentication required."), PS_REDIS_AUTH},
    {PS_SPAN("WRONGPASS invalid username-password pair"), PS_REDIS_AUTH},
    {PS_SPAN("ERR AUTH <password> called without any password configured"),
     PS_REDIS_AUTH},
    {PS_SPAN("NOPERM this user has no permissions to run 'xadd'"),
     PS_REDIS_PERMISSION},
    {PS_SPAN("MOVED 3999 127.0.0.1:6381"), PS_REDIS_CLUSTER},
    {PS_SPAN("CROSSSLOT Keys in request don't hash to the same slot"),
     PS_REDIS_CLUSTER},
    {PS_SPAN("EXECABORT Transaction discarded"), PS_REDIS_ABORTED},
    {PS_SPAN("WRONGTYPE Operation against a key holding the wrong kind"),
     PS_REDIS_REJECT},
    {PS_SPAN("ERR Elements are too large to be stored"), PS_REDIS_REJECT},
    {PS_SPAN("ERR something new"), PS_REDIS_SUSPECT},
    {PS_SPAN("OO"), PS_REDIS_SUSPECT},
    {PS_SPAN(""), PS_REDIS_SUSPECT},
};

static const struct {
    const char *why;
    ps_span info;
    const char *want; /* NULL: absent */
} FIELDS[] = {
    {"the first line", PS_SPAN("run_id:abc\r\nx:1\r\n"), "abc"},
    {"a later line", PS_SPAN("# Server\r\nx:1\r\nrun_id:abc\r\n"), "abc"},
    {"no line end", PS_SPAN("x:1\nrun_id:abc"), "abc"},
    {"an empty value", PS_SPAN("run_id:\r\n"), ""},
    {"a longer name", PS_SPAN("run_ids:abc\r\n"), NULL},
    {"inside a line", PS_SPAN("x run_id:abc\r\n"), NULL},
    {"without a colon", PS_SPAN("run_id"), NULL},
    {"nothing", PS_SPAN(""), NULL},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ok(ps_redis_error_class(guarded(CASES[i].text)) == CASES[i].want,
           "error: %.*s", (int)CASES[i].text.len, CASES[i].text.ptr);
    }
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        ps_span got =
            ps_redis_info_field(guarded(FIELDS[i].info), PS_SPAN("run_id"));
        const char *want = FIELDS[i].want;
        ok(want == NULL
               ? got.ptr == NULL
               : got.ptr != NULL &&
                     ps_span_equal(got, (ps_span){want, strlen(want)}),
           "info: %s", FIELDS[i].why);
    }
    return done_testing();
}
