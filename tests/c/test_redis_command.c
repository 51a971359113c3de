/* SPDX-License-Identifier: MIT */
/* Commands byte by byte: every argument has its length before it. */
#include "tap.h"

#include "base/alloc.h"
#include "redis/command.h"

static const struct {
    const char *why;
    hr_span input;
    hr_span want;
} TEXTS[] = {
    {"empty", HR_SPAN(""), HR_SPAN("$0\r\n\r\n")},
    {"one digit", HR_SPAN("123456789"), HR_SPAN("$9\r\n123456789\r\n")},
    {"two digits", HR_SPAN("1234567890"), HR_SPAN("$10\r\n1234567890\r\n")},
    {"what looks like a command", HR_SPAN("\r\n*1\r\n$8\r\nFLUSHALL\r\n"),
     HR_SPAN("$20\r\n\r\n*1\r\n$8\r\nFLUSHALL\r\n\r\n")},
    {"any bytes", HR_SPAN("\0\xff\n"), HR_SPAN("$3\r\n\0\xff\n\r\n")},
};

static const struct {
    uint64_t number;
    const char *want;
} NUMBERS[] = {
    {0, "$1\r\n0\r\n"},
    {9, "$1\r\n9\r\n"},
    {10, "$2\r\n10\r\n"},
    {99, "$2\r\n99\r\n"},
    {100, "$3\r\n100\r\n"},
    {12345, "$5\r\n12345\r\n"},
    {1000000, "$7\r\n1000000\r\n"},
    {UINT64_MAX, "$20\r\n18446744073709551615\r\n"},
};

static int
holds(const hr_buf *out, hr_span want)
{
    return hr_span_equal((hr_span){out->ptr, out->len}, want);
}

static void
test_lengths(void)
{
    static char text[1000];
    int right = 1;
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len++) {
        hr_buf out;
        char head[16];
        hr_buf_init(&out, 4096);
        hr_redis_command_text(&out, (hr_span){text, len});
        int size = snprintf(head, sizeof(head), "$%zu\r\n", len);
        right = right && hr_buf_status(&out) == HR_OK &&
                out.len == (size_t)size + len + 2 &&
                memcmp(out.ptr, head, (size_t)size) == 0 &&
                memcmp(out.ptr + out.len - 2, "\r\n", 2) == 0;
        hr_buf_fini(&out);
    }
    ok(right, "text: every length to 999");
}

static void
test_keys(void)
{
    hr_buf out;
    hr_buf_init(&out, 4096);
    hr_redis_command_key(&out, HR_SPAN("a:"), HR_SPAN("marker:"),
                         HR_SPAN("01234567"));
    ok(hr_buf_status(&out) == HR_OK &&
           holds(&out, HR_SPAN("$17\r\na:marker:01234567\r\n")),
       "key: prefix, kind, name");
    hr_buf_clear(&out);
    hr_redis_command_key(&out, HR_NO_SPAN, HR_SPAN("session:"), HR_NO_SPAN);
    ok(hr_buf_status(&out) == HR_OK &&
           holds(&out, HR_SPAN("$8\r\nsession:\r\n")),
       "key: no prefix, no name");
    hr_buf_fini(&out);
}

static void
test_caps(void)
{
    hr_buf out;
    hr_buf_init(&out, 40);
    hr_redis_command_text(&out, HR_SPAN("abc"));
    ok(hr_buf_status(&out) == HR_OK, "cap: fits");
    size_t before = out.len;
    hr_redis_command_text(&out, HR_SPAN("0123456789012345678901234567"));
    ok(hr_buf_status(&out) == HR_TOO_BIG && out.len == before,
       "cap: what does not fit changes nothing");
    hr_redis_command_begin(&out, 1);
    hr_redis_command_number(&out, 1);
    hr_redis_command_key(&out, HR_NO_SPAN, HR_NO_SPAN, HR_NO_SPAN);
    hr_redis_command_words(&out, HR_SPAN("a b"));
    ok(hr_buf_status(&out) == HR_TOO_BIG && out.len == before,
       "cap: nor does anything after it");
    hr_buf_fini(&out);
#ifdef HR_ALLOC_TEST
    hr_buf_init(&out, 4096);
    hr_alloc_fail_at(1, 0);
    hr_redis_command_begin(&out, 2);
    ok(hr_buf_status(&out) == HR_NO_MEMORY && out.len == 0,
       "memory: none is told");
    hr_alloc_fail_at(0, 0);
    hr_buf_fini(&out);
#endif
}

int
main(void)
{
    hr_buf out;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        hr_buf_init(&out, 4096);
        hr_redis_command_text(&out, guarded(TEXTS[i].input));
        ok(hr_buf_status(&out) == HR_OK && holds(&out, TEXTS[i].want),
           "text: %s", TEXTS[i].why);
        hr_buf_fini(&out);
    }
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        const char *want = NUMBERS[i].want;
        hr_buf_init(&out, 4096);
        hr_redis_command_number(&out, NUMBERS[i].number);
        ok(hr_buf_status(&out) == HR_OK &&
               holds(&out, (hr_span){want, strlen(want)}),
           "number: %llu", (unsigned long long)NUMBERS[i].number);
        hr_buf_fini(&out);
    }
    hr_buf_init(&out, 4096);
    hr_redis_command_begin(&out, 12);
    hr_redis_command_words(&out, HR_SPAN("CLIENT ID"));
    ok(hr_buf_status(&out) == HR_OK &&
           holds(&out, HR_SPAN("*12\r\n*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n")),
       "words: each is an argument");
    hr_buf_fini(&out);
    test_lengths();
    test_keys();
    test_caps();
    return done_testing();
}
