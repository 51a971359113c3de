/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "redis/error.h"
#include "redis/hello.h"

static const struct {
    hr_span text;
    hr_redis_error want;
} CASES[] = {
    {HR_SPAN("LOADING Redis is loading the dataset in memory"),
     HR_REDIS_ERROR_WAIT},
    {HR_SPAN("BUSY Redis is busy running a script."), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("OOM command not allowed when used memory > 'maxmemory'."),
     HR_REDIS_ERROR_WAIT},
    {HR_SPAN("MISCONF Redis is configured to save RDB snapshots"),
     HR_REDIS_ERROR_WAIT},
    {HR_SPAN("NOREPLICAS Not enough good replicas to write."),
     HR_REDIS_ERROR_WAIT},
    {HR_SPAN("MASTERDOWN Link with MASTER is down"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("TRYAGAIN Multiple keys request during rehashing of slot"),
     HR_REDIS_ERROR_WAIT},
    {HR_SPAN("CLUSTERDOWN Hash slot not served"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("READONLY You can't write against a read only replica."),
     HR_REDIS_ERROR_RECONNECT},
    {HR_SPAN("ERR max number of clients reached"), HR_REDIS_ERROR_RECONNECT},
    {HR_SPAN("NOAUTH Authentication required."), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("WRONGPASS invalid username-password pair"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("ERR AUTH <password> called without any password configured"),
     HR_REDIS_ERROR_AUTH},
    {HR_SPAN("NOPERM this user has no permissions to run 'xadd'"),
     HR_REDIS_ERROR_PERMISSION},
    {HR_SPAN("MOVED 3999 127.0.0.1:6381"), HR_REDIS_ERROR_CLUSTER},
    {HR_SPAN("CROSSSLOT Keys in request don't hash to the same slot"),
     HR_REDIS_ERROR_CLUSTER},
    {HR_SPAN("EXECABORT Transaction discarded"), HR_REDIS_ERROR_ABORTED},
    {HR_SPAN("WRONGTYPE Operation against a key holding the wrong kind"),
     HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR Elements are too large to be stored"),
     HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR something new"), HR_REDIS_ERROR_SUSPECT},
    {HR_SPAN("OO"), HR_REDIS_ERROR_SUSPECT},
    {HR_SPAN(""), HR_REDIS_ERROR_SUSPECT},
};

static const struct {
    const char *why;
    hr_span info;
    const char *want; /* NULL: absent */
} FIELDS[] = {
    {"the first line", HR_SPAN("run_id:abc\r\nx:1\r\n"), "abc"},
    {"a later line", HR_SPAN("# Server\r\nx:1\r\nrun_id:abc\r\n"), "abc"},
    {"no line end", HR_SPAN("x:1\nrun_id:abc"), "abc"},
    {"an empty value", HR_SPAN("run_id:\r\n"), ""},
    {"a longer name", HR_SPAN("run_ids:abc\r\n"), NULL},
    {"inside a line", HR_SPAN("x run_id:abc\r\n"), NULL},
    {"without a colon", HR_SPAN("run_id"), NULL},
    {"nothing", HR_SPAN(""), NULL},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ok(hr_redis_error_class(guarded(CASES[i].text)) == CASES[i].want,
           "error: %.*s", (int)CASES[i].text.len, CASES[i].text.ptr);
    }
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        hr_span got = hr_redis_hello_info_field(guarded(FIELDS[i].info),
                                                HR_SPAN("run_id"));
        const char *want = FIELDS[i].want;
        ok(want == NULL
               ? got.ptr == NULL
               : got.ptr != NULL &&
                     hr_span_equal(got, (hr_span){want, strlen(want)}),
           "info: %s", FIELDS[i].why);
    }
    return done_testing();
}
