/* SPDX-License-Identifier: MIT */
/* Lines of JSON, rotation by size, and folders that cannot be written. */
#include "events.h"

#include <sys/stat.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/target_file.h"

static ps_wake wake;
static ps_ring ring;
static ps_batch batch;
static char folder[] = "/tmp/ps-file-XXXXXX";

static const struct {
    const char *why;
    ps_span value;
    const char *want; /* between the quotes */
} LINES[] = {
    {"plain", PS_SPAN("/a"), "/a"},
    {"empty", PS_SPAN(""), ""},
    {"quotes and backslashes", PS_SPAN("\"\\"), "\\\"\\\\"},
    {"line ends", PS_SPAN("a\r\nb"), "a\\u000d\\u000ab"},
    {"NUL, escape and delete", PS_SPAN("\0\x1b\x7f"), "\\u0000\\u001b\\u007f"},
    {"line ends of Unicode", PS_SPAN("\xe2\x80\xa8\xe2\x80\xa9\xc2\x85"),
     "\\u2028\\u2029\\u0085"},
    {"other characters", PS_SPAN("\xc3\xa9\xf0\x9f\x98\x80"),
     "\xc3\xa9\xf0\x9f\x98\x80"},
    {"no UTF-8",
     PS_SPAN("\xff"
             "a\xc3"),
     "\\ufffda\\ufffd"},
    {"too long a form", PS_SPAN("\xc0\xaf"), "\\ufffd\\ufffd"},
    {"a surrogate", PS_SPAN("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd"},
    {"beyond Unicode", PS_SPAN("\xf4\x90\x80\x80"),
     "\\ufffd\\ufffd\\ufffd\\ufffd"},
};

static void
take(void)
{
    ps_batch_take(&batch, &ring, 8, false);
}

static void
settle(void)
{
    for (size_t i = 0; i < batch.count; i++) {
        if (batch.events[i].state == PS_EVENT_WAITING) {
            ps_batch_settle(&batch, i, PS_EVENT_EXPIRED);
        }
    }
    ps_batch_finish(&batch);
}

static void
test_lines(void)
{
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        char want[200];
        ps_buf out;
        ps_field field = {.name = PS_SPAN("n"),
                          .value = guarded(LINES[i].value)};
        uint64_t sequence = put_event(&ring, 12, &field, 1, 0);
        take();
        ps_buf_init(&out, 4096);
        int len = snprintf(want, sizeof(want),
                           "{\"id\":\"00000000000000aa-%llu\",\"kind\":"
                           "\"visit\",\"time\":12,\"n\":\"%s\"}\n",
                           (unsigned long long)sequence, LINES[i].want);
        ok(ps_target_file_line(&out, &ring, &batch.events[0]) == PS_OK &&
               ps_span_equal((ps_span){out.ptr, out.len},
                             (ps_span){want, (size_t)len}),
           "line: %s", LINES[i].why);
        ps_buf_fini(&out);
        ps_buf_init(&out, 8);
        ok(ps_target_file_line(&out, &ring, &batch.events[0]) == PS_TOO_BIG,
           "line: %s: a cap is kept", LINES[i].why);
        ps_buf_fini(&out);
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
    ps_target *target = NULL;
    snprintf(path, sizeof(path), "%s/.penstock/e.ndjson", folder);
    ok(ps_target_file_new((ps_span){path, strlen(path)}, 200, &target) ==
           PS_OK,
       "rotation: made");
    ok(size_of(path, "") < 0, "rotation: nothing is opened before an event");
    for (int i = 0; i < 10; i++) {
        put_number(&ring, i, "x");
        take();
        ok(target->ops->deliver(target, &batch, &wake) == PS_OK &&
               batch.waiting == 0,
           "rotation: event %d", i);
        ps_batch_finish(&batch);
    }
    ok(size_of(path, "") > 0 && size_of(path, ".1") > 0 &&
           size_of(path, ".3") > 0 && size_of(path, ".4") < 0,
       "rotation: three older ones are kept");
    ok(size_of(path, "") <= 200 && size_of(path, ".1") <= 200,
       "rotation: none is over the size");
    unlink(path);
    put_number(&ring, 1, "x");
    take();
    ok(target->ops->deliver(target, &batch, &wake) == PS_OK &&
           size_of(path, "") > 0,
       "rotation: a file that was taken away is made anew");
    ps_batch_finish(&batch);
    target->ops->close(target);
    target->ops->free(target);
    char command[300];
    snprintf(command, sizeof(command), "%s/.penstock/.gitignore", folder);
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
    ps_target *target = NULL;
    ps_target_report report;
    put_number(&ring, 1, "x");
    take();
    ok(ps_target_file_new(PS_SPAN("/dev/full"), 1 << 20, &target) == PS_OK &&
           target->ops->deliver(target, &batch, &wake) != PS_OK &&
           batch.waiting == 1,
       "failure: a full disk keeps the event");
    target->ops->report(target, &report);
    ok(strstr(report.detail, "space") != NULL, "failure: with the reason");
    target->ops->free(target);
    ok(ps_target_file_new(PS_SPAN("/nowhere/at/all/e"), 1 << 20, &target) ==
               PS_OK &&
           target->ops->deliver(target, &batch, &wake) != PS_OK &&
           batch.waiting == 1,
       "failure: a folder that is not there keeps it too");
    target->ops->free(target);
#ifdef PS_ALLOC_TEST
    char path[200];
    size_t n = 0;
    ps_status status;
    snprintf(path, sizeof(path), "%s/m", folder);
    do {
        ps_alloc_fail_at(++n, 0);
        status = ps_target_file_new((ps_span){path, strlen(path)}, 1 << 20,
                                    &target);
        if (status == PS_OK) {
            status = target->ops->deliver(target, &batch, &wake);
            target->ops->free(target);
        }
        ps_alloc_fail_at(0, 0);
    } while (status == PS_NO_MEMORY && n < 20);
    ok(status == PS_OK && n > 2, "memory: none at %zu places", n - 1);
    unlink(path);
#endif
}

int
main(void)
{
    make_ring(&ring);
    if (mkdtemp(folder) == NULL || ps_batch_init(&batch, 8) != PS_OK) {
        printf("Bail out! no folder\n");
        return 2;
    }
    test_lines();
    test_rotation();
    test_failures();
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
    ok(rmdir(folder) == 0, "nothing is left behind");
    return done_testing();
}
