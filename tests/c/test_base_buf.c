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
    hr_buf_add(&buf, guarded(HR_SPAN("12345678")));
    ok(hr_buf_status(&buf) == HR_OK, "it fits");
    ok(hr_buf_reserve(&buf, SIZE_MAX) == HR_TOO_BIG &&
           hr_buf_status(&buf) == HR_OK,
       "a size that would wrap is past the cap; a reserve is not remembered");
    hr_buf_add(&buf, HR_SPAN("9a"));
    ok(hr_buf_status(&buf) == HR_OK && buf.len == 10,
       "the cap itself can be reached");
    hr_buf_add(&buf, HR_SPAN(""));
    ok(hr_buf_status(&buf) == HR_OK, "a full one takes nothing");
    hr_buf_fini(&buf);
}

/* After the first failure nothing goes in, whether it would fit or not. */
static void
remembering(void)
{
    hr_buf buf;
    hr_buf_init(&buf, 10);
    hr_buf_add(&buf, HR_SPAN("12345678"));
    hr_buf_add(&buf, HR_SPAN("9ab"));
    ok(hr_buf_status(&buf) == HR_TOO_BIG &&
           hr_span_equal(content(&buf), HR_SPAN("12345678")),
       "past the cap is refused, and nothing was added");
    hr_buf_add(&buf, HR_SPAN("9"));
    ok(hr_buf_status(&buf) == HR_TOO_BIG && buf.len == 8,
       "what would fit is refused after that");
    ok(!hr_buf_room(&buf, 0) && hr_buf_reserve(&buf, 1) == HR_TOO_BIG,
       "there is no room for anything");
    hr_buf_clear(&buf);
    hr_buf_add(&buf, HR_SPAN("1234567890"));
    ok(hr_buf_status(&buf) == HR_OK && buf.len == 10,
       "a cleared one takes again what fits");
    hr_buf_fini(&buf);
    hr_buf_fini(&buf);
    ok(1, "fini twice is fine");
}

static void
numbers(void)
{
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        char out[20];
        hr_span want = {NUMBERS[i].want, strlen(NUMBERS[i].want)};
        hr_span text = hr_buf_number_text(out, NUMBERS[i].number);
        ok(hr_span_equal(text, want) && text.ptr + text.len == out + 20,
           "number: %s, at the end", NUMBERS[i].why);
    }
}

static void
without_memory(void)
{
    hr_buf buf;
    hr_buf_init(&buf, 1 << 20);
    hr_buf_add(&buf, HR_SPAN("kept"));
    if (!ok(hr_buf_status(&buf) == HR_OK, "a first piece")) {
        return;
    }
    (void)hr_alloc_fail_at(1, 1);
    hr_status status = hr_buf_reserve(&buf, 1 << 19);
    ok(status == HR_NO_MEMORY && hr_span_equal(content(&buf), HR_SPAN("kept")),
       "without memory the content stands");
    (void)hr_alloc_fail_at(1, 1);
    status = hr_buf_room(&buf, 1 << 19) ? HR_OK : hr_buf_status(&buf);
    (void)hr_alloc_fail_at(0, 0);
    hr_buf_add(&buf, HR_SPAN("more"));
    ok(status == HR_NO_MEMORY && hr_buf_status(&buf) == HR_NO_MEMORY &&
           hr_span_equal(content(&buf), HR_SPAN("kept")),
       "that there was none is remembered");
    hr_buf_fini(&buf);
}

int
main(void)
{
    growing();
    remembering();
    numbers();
    without_memory();
    return done_testing();
}
