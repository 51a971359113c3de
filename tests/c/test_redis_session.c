/* SPDX-License-Identifier: MIT */
/* What a batch says about visitors, and the commands that say it. */
#include "events.h"

#include "base/alloc.h"
#include "redis/session.h"

static hr_ring ring;
static hr_ring_batch batch;
static hr_redis_session_touches touches;

static void
begin(void)
{
    make_ring(&ring);
    if (hr_ring_batch_init(&batch, 300) != HR_OK ||
        hr_redis_session_init(&touches, 300) != HR_OK) {
        printf("Bail out! no memory\n");
        exit(2);
    }
}

static void
collect(int64_t oldest_ms)
{
    hr_ring_batch_take(&batch, &ring, 300, false);
    hr_redis_session_collect(&touches, &batch, oldest_ms);
}

static void
end(void)
{
    hr_redis_session_fini(&touches);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

static void
test_combining(void)
{
    begin();
    put_touch(&ring, 200, "aa", "/2", NULL);
    put_touch(&ring, 100, "aa", "/1", "old");
    put_touch(&ring, 300, "bb", "/b", "7");
    put_touch(&ring, 250, "aa", "/3", "9");
    put_touch(&ring, 260, "aa", NULL, NULL);
    put_number(&ring, 400, "no touch");
    put_touch(&ring, 400, "", "/x", NULL);
    collect(0);
    const hr_redis_session_touch *a = &touches.touches[0];
    ok(touches.count == 2, "combining: one touch a visitor");
    ok(a->views == 4 && a->first_ms == 100 && a->last_ms == 260,
       "combining: counted, from the first to the last");
    ok(hr_span_equal(a->path, HR_SPAN("/3")) &&
           hr_span_equal(a->user, HR_SPAN("9")),
       "combining: path and user of the newest event that has one");
    ok(touches.touches[1].views == 1, "combining: others are others");
    hr_redis_session_collect(&touches, &batch, 250);
    ok(touches.count == 2 && touches.touches[1].views == 2,
       "combining: older than the oldest are left out");
    hr_ring_batch_settle(&batch, 3, HR_RING_BATCH_DELIVERED);
    hr_ring_batch_settle(&batch, 4, HR_RING_BATCH_DELIVERED);
    hr_redis_session_collect(&touches, &batch, 250);
    ok(touches.count == 1 &&
           hr_span_equal(touches.touches[0].fingerprint, HR_SPAN("bb")),
       "combining: settled events touch nothing again");
    end();
}

static void
test_many(void)
{
    begin();
    for (int i = 0; i < 300; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%d", i % 100);
        put_touch(&ring, i, name, "/", NULL);
    }
    collect(0);
    int right = touches.count == 100;
    for (size_t i = 0; i < touches.count; i++) {
        right = right && touches.touches[i].views == 3;
    }
    ok(right, "many: a hundred visitors, three views each");
    end();
}

static void
test_commands(void)
{
    hr_buf out;
    begin();
    put_touch(&ring, 100, "aa", "/1\r\n", NULL);
    put_touch(&ring, 200, "bb", "/2", "7");
    collect(0);
    hr_buf_init(&out, 65536);
    hr_redis_session_write_plain(&touches, HR_SPAN("a:"), &out);
    ok(hr_buf_status(&out) == HR_OK, "plain: written");
    static const char PLAIN[] =
        "*4\r\n$6\r\nHSETNX\r\n$12\r\na:session:aa\r\n$10\r\nfirst_seen\r\n"
        "$3\r\n100\r\n"
        "*4\r\n$7\r\nHINCRBY\r\n$12\r\na:session:aa\r\n$5\r\nviews\r\n$"
        "1\r\n1\r\n"
        "*6\r\n$4\r\nHSET\r\n$12\r\na:session:aa\r\n$9\r\nlast_seen\r\n"
        "$3\r\n100\r\n$4\r\npath\r\n$4\r\n/1\r\n\r\n"
        "*3\r\n$6\r\nEXPIRE\r\n$12\r\na:session:aa\r\n$4\r\n1800\r\n";
    ok(out.len > sizeof(PLAIN) &&
           memcmp(out.ptr, PLAIN, sizeof(PLAIN) - 1) == 0,
       "plain: four commands, any bytes in a path");
    ok(memmem(out.ptr, out.len, "$4\r\nuser\r\n$1\r\n7\r\n", 17) != NULL,
       "plain: a user where there is one");
    hr_buf_fini(&out);
    hr_buf_init(&out, 65536);
    hr_redis_session_write_script(&touches, HR_SPAN("a:"), &out);
    ok(hr_buf_status(&out) == HR_OK, "script: written");
    static const char TAIL[] =
        "$1\r\n2\r\n$12\r\na:session:aa\r\n$12\r\na:session:bb\r\n$"
        "4\r\n1800\r\n"
        "$3\r\n100\r\n$3\r\n100\r\n$1\r\n1\r\n$4\r\n/1\r\n\r\n$0\r\n\r\n"
        "$3\r\n200\r\n$3\r\n200\r\n$1\r\n1\r\n$2\r\n/2\r\n$1\r\n7\r\n";
    size_t tail = sizeof(TAIL) - 1;
    ok(memcmp(out.ptr, "*16\r\n$4\r\nEVAL\r\n", 15) == 0 && out.len > tail &&
           memcmp(out.ptr + out.len - tail, TAIL, tail) == 0,
       "script: keys, the lifetime, five arguments each");
    hr_buf_fini(&out);
    hr_buf_init(&out, 64);
    hr_redis_session_write_plain(&touches, HR_SPAN("a:"), &out);
    ok(hr_buf_status(&out) == HR_TOO_BIG, "cap: told, plain");
    hr_buf_clear(&out);
    hr_redis_session_write_script(&touches, HR_SPAN("a:"), &out);
    ok(hr_buf_status(&out) == HR_TOO_BIG, "cap: told, script");
    hr_buf_fini(&out);
    end();
}

int
main(void)
{
    test_combining();
    test_many();
    test_commands();
#ifdef HR_ALLOC_TEST
    for (size_t n = 1; n < 3; n++) {
        hr_redis_session_touches none;
        hr_alloc_fail_at(n, 0);
        ok(hr_redis_session_init(&none, 8) == HR_NO_MEMORY,
           "memory: none for part %zu", n);
        hr_alloc_fail_at(0, 0);
        hr_redis_session_fini(&none);
    }
#endif
    return done_testing();
}
