/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/buf.h"

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

static hr_span
content(const hr_buf *buf)
{
    return (hr_span){buf->ptr, buf->len};
}

static void
growing(void)
{
    hr_buf buf;
    hr_buf_init(&buf, 10);
    ok(hr_buf_add(&buf, guarded(HR_SPAN("12345678"))) == HR_OK, "it fits");
    ok(hr_buf_add(&buf, HR_SPAN("9ab")) == HR_TOO_BIG &&
           hr_span_equal(content(&buf), HR_SPAN("12345678")),
       "past the cap is refused, and nothing was added");
    ok(hr_buf_reserve(&buf, SIZE_MAX) == HR_TOO_BIG,
       "a size that would wrap is past the cap");
    ok(hr_buf_add(&buf, HR_SPAN("9a")) == HR_OK && buf.len == 10,
       "the cap itself can be reached");
    ok(hr_buf_add(&buf, HR_SPAN("")) == HR_OK, "a full one takes nothing");
    hr_buf_fini(&buf);
    hr_buf_fini(&buf);
    ok(1, "fini twice is fine");
}

static void
numbers(void)
{
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        char out[20];
        size_t len = hr_buf_format_number(out, NUMBERS[i].number);
        hr_span want = {NUMBERS[i].want, strlen(NUMBERS[i].want)};
        ok(hr_span_equal((hr_span){out, len}, want), "number: %s",
           NUMBERS[i].why);
    }
}

static void
without_memory(void)
{
    hr_buf buf;
    hr_buf_init(&buf, 1 << 20);
    if (!ok(hr_buf_add(&buf, HR_SPAN("kept")) == HR_OK, "a first piece")) {
        return;
    }
    (void)hr_alloc_fail_at(1, 1);
    hr_status status = hr_buf_reserve(&buf, 1 << 19);
    (void)hr_alloc_fail_at(0, 0);
    ok(status == HR_NO_MEMORY && hr_span_equal(content(&buf), HR_SPAN("kept")),
       "without memory the content stands");
    hr_buf_fini(&buf);
}

int
main(void)
{
    growing();
    numbers();
    without_memory();
    return done_testing();
}
