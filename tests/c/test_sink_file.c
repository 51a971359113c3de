/* SPDX-License-Identifier: MIT */
/* Lines of JSON, rotation by size, and folders that cannot be written. */
#include "events.h"

#include <sys/stat.h>

#include "base/alloc.h"
#include "sink/file.h"

static hr_wake wake;
static hr_ring ring;
static hr_ring_batch batch;
static char folder[] = "/tmp/hr-file-XXXXXX";

static const struct {
    const char *why;
    hr_span value;
    const char *want; /* between the quotes */
} LINES[] = {
    {"plain", HR_SPAN("/a"), "/a"},
    {"empty", HR_SPAN(""), ""},
    {"quotes and backslashes", HR_SPAN("\"\\"), "\\\"\\\\"},
    {"line ends", HR_SPAN("a\r\nb"), "a\\u000d\\u000ab"},
    {"NUL, escape and delete", HR_SPAN("\0\x1b\x7f"), "\\u0000\\u001b\\u007f"},
    {"line ends of Unicode", HR_SPAN("\xe2\x80\xa8\xe2\x80\xa9\xc2\x85"),
     "\\u2028\\u2029\\u0085"},
    {"other characters", HR_SPAN("\xc3\xa9\xf0\x9f\x98\x80"),
     "\xc3\xa9\xf0\x9f\x98\x80"},
    {"no UTF-8",
     HR_SPAN("\xff"
             "a\xc3"),
     "\\ufffda\\ufffd"},
    {"too long a form", HR_SPAN("\xc0\xaf"), "\\ufffd\\ufffd"},
    {"a surrogate", HR_SPAN("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd"},
    {"beyond Unicode", HR_SPAN("\xf4\x90\x80\x80"),
     "\\ufffd\\ufffd\\ufffd\\ufffd"},
};

static void
take(void)
{
    hr_ring_batch_take(&batch, &ring, 8, false);
}

static void
settle(void)
{
    for (size_t i = 0; i < batch.count; i++) {
        if (batch.events[i].state == HR_RING_BATCH_WAITING) {
            hr_ring_batch_settle(&batch, i, HR_RING_BATCH_EXPIRED);
        }
    }
    hr_ring_batch_finish(&batch);
}

static void
test_lines(void)
{
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        char want[200];
        hr_buf out;
        uint64_t sequence =
            put_field(&ring, 12, HR_SPAN("n"), guarded(LINES[i].value));
        take();
        hr_buf_init(&out, 4096);
        int len = snprintf(want, sizeof(want),
                           "{\"id\":\"00000000000000aa-%llu\",\"kind\":"
                           "\"visit\",\"time\":12,\"n\":\"%s\"}\n",
                           (unsigned long long)sequence, LINES[i].want);
        hr_sink_file_line(&out, &ring, &batch.events[0]);
        ok(hr_buf_status(&out) == HR_OK &&
               hr_span_equal((hr_span){out.ptr, out.len},
                             (hr_span){want, (size_t)len}),
           "line: %s", LINES[i].why);
        hr_buf_fini(&out);
        hr_buf_init(&out, 8);
        hr_sink_file_line(&out, &ring, &batch.events[0]);
        ok(hr_buf_status(&out) == HR_TOO_BIG, "line: %s: a cap is kept",
           LINES[i].why);
        hr_buf_fini(&out);
        settle();
    }
}

static off_t
size_of(const char *path, const char *suffix)
{
    char name[300];
    struct stat found;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &found) == 0 ? found.st_size : -1;
}

static void
test_rotation(void)
{
    char path[200];
    hr_sink_target *target = NULL;
    snprintf(path, sizeof(path), "%s/.headrace/e.ndjson", folder);
    ok(hr_sink_file_new((hr_span){path, strlen(path)}, 200, &target) == HR_OK,
       "rotation: made");
    ok(size_of(path, "") < 0, "rotation: nothing is opened before an event");
    for (int i = 0; i < 10; i++) {
        put_number(&ring, i, "x");
        take();
        ok(target->ops->deliver(target, &batch, &wake) == HR_OK &&
               batch.waiting == 0,
           "rotation: event %d", i);
        hr_ring_batch_finish(&batch);
    }
    ok(size_of(path, "") > 0 && size_of(path, ".1") > 0 &&
           size_of(path, ".3") > 0 && size_of(path, ".4") < 0,
       "rotation: three older ones are kept");
    ok(size_of(path, "") <= 200 && size_of(path, ".1") <= 200,
       "rotation: none is over the size");
    unlink(path);
    put_number(&ring, 1, "x");
    take();
    ok(target->ops->deliver(target, &batch, &wake) == HR_OK &&
           size_of(path, "") > 0,
       "rotation: a file that was taken away is made anew");
    hr_ring_batch_finish(&batch);
    target->ops->close(target);
    target->ops->free(target);
    char command[300];
    snprintf(command, sizeof(command), "%s/.headrace/.gitignore", folder);
    ok(access(command, R_OK) == 0, "rotation: the folder ignores itself");
    for (const char *const *suffix =
             (const char *const[]){"", ".1", ".2", ".3", NULL};
         *suffix != NULL; suffix++) {
        char name[300];
        snprintf(name, sizeof(name), "%s%s", path, *suffix);
        unlink(name);
    }
    unlink(command);
    command[strlen(command) - strlen("/.gitignore")] = '\0';
    rmdir(command);
}

static void
test_failures(void)
{
    hr_sink_target *target = NULL;
    hr_sink_target_report report;
    put_number(&ring, 1, "x");
    take();
    ok(hr_sink_file_new(HR_SPAN("/dev/full"), 1 << 20, &target) == HR_OK &&
           target->ops->deliver(target, &batch, &wake) != HR_OK &&
           batch.waiting == 1,
       "failure: a full disk keeps the event");
    target->ops->report(target, &report);
    ok(strstr(report.detail, "space") != NULL, "failure: with the reason");
    target->ops->free(target);
    ok(hr_sink_file_new(HR_SPAN("/nowhere/at/all/e"), 1 << 20, &target) ==
               HR_OK &&
           target->ops->deliver(target, &batch, &wake) != HR_OK &&
           batch.waiting == 1,
       "failure: a folder that is not there keeps it too");
    target->ops->free(target);
#ifdef HR_ALLOC_TEST
    char path[200];
    size_t n = 0;
    hr_status status;
    snprintf(path, sizeof(path), "%s/m", folder);
    do {
        hr_alloc_fail_at(++n, 0);
        status =
            hr_sink_file_new((hr_span){path, strlen(path)}, 1 << 20, &target);
        if (status == HR_OK) {
            status = target->ops->deliver(target, &batch, &wake);
            target->ops->free(target);
        }
        hr_alloc_fail_at(0, 0);
    } while (status == HR_NO_MEMORY && n < 20);
    ok(status == HR_OK && n > 2, "memory: none at %zu places", n - 1);
    unlink(path);
#endif
}

int
main(void)
{
    make_ring(&ring);
    if (mkdtemp(folder) == NULL || hr_ring_batch_init(&batch, 8) != HR_OK) {
        printf("Bail out! no folder\n");
        return 2;
    }
    test_lines();
    test_rotation();
    test_failures();
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
    ok(rmdir(folder) == 0, "nothing is left behind");
    return done_testing();
}
