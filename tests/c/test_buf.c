/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/buf.h"

static const struct {
    const char *why;
    uint64_t number;
    const char *want;
} NUMBERS[] = {
    {"nothing", 0, "0"},
    {"one digit", 7, "7"},
    {"a carry of digits", 10, "10"},
    {"the longest there is", UINT64_MAX, "18446744073709551615"},
};

static ps_span
content(const ps_buf *buf)
{
    return (ps_span){buf->ptr, buf->len};
}

static void
growing(void)
{
    ps_buf buf;
    ps_buf_init(&buf, 10);
    ok(ps_buf_add(&buf, guarded(PS_SPAN("12345678"))) == PS_OK, "it fits");
    ok(ps_buf_add(&buf, PS_SPAN("9ab")) == PS_TOO_BIG &&
           ps_span_equal(content(&buf), PS_SPAN("12345678")),
       "past the cap is refused, and nothing was added");
    ok(ps_buf_reserve(&buf, SIZE_MAX) == PS_TOO_BIG,
       "a size that would wrap is past the cap");
    ok(ps_buf_add(&buf, PS_SPAN("9a")) == PS_OK && buf.len == 10,
       "the cap itself can be reached");
    ok(ps_buf_add(&buf, PS_SPAN("")) == PS_OK, "a full one takes nothing");
    ps_buf_fini(&buf);
    ps_buf_fini(&buf);
    ok(1, "fini twice is fine");
}

static void
numbers(void)
{
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        char out[20];
        size_t len = ps_buf_format_number(out, NUMBERS[i].number);
        ps_span want = {NUMBERS[i].want, strlen(NUMBERS[i].want)};
        ok(ps_span_equal((ps_span){out, len}, want), "number: %s",
           NUMBERS[i].why);
    }
}

static void
without_memory(void)
{
    ps_buf buf;
    ps_buf_init(&buf, 1 << 20);
    if (!ok(ps_buf_add(&buf, PS_SPAN("kept")) == PS_OK, "a first piece")) {
        return;
    }
    (void)ps_alloc_fail_at(1, 1);
    ps_status status = ps_buf_reserve(&buf, 1 << 19);
    (void)ps_alloc_fail_at(0, 0);
    ok(status == PS_NO_MEMORY && ps_span_equal(content(&buf), PS_SPAN("kept")),
       "without memory the content stands");
    ps_buf_fini(&buf);
}

int
main(void)
{
    growing();
    numbers();
    without_memory();
    return done_testing();
}
