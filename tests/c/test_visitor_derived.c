/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "visitor/derived.h"

#define DAY 86400
#define NOON (20000 * DAY + DAY / 2)

static char folder[64];

static const hr_visitor_derived_client CLIENT = {
    .address = HR_SPAN("192.0.2.1"),
    .user_agent = HR_SPAN("Mozilla/5.0"),
    .accept = HR_SPAN("text/html"),
    .accept_language = HR_SPAN("de"),
    .accept_encoding = HR_SPAN("gzip"),
};

/* A path in the folder; valid until the next call. */
static const char *
inside(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void
run(const char *command)
{
    char line[256];
    (void)snprintf(line, sizeof(line), command, folder);
    if (system(line) != 0) {
        printf("Bail out! %s\n", line);
        exit(2);
    }
}

static hr_visitor_derived *
make(void)
{
    hr_visitor_derived *derived = NULL;
    if (hr_visitor_derived_new(folder, &derived) != HR_OK) {
        printf("Bail out! no memory\n");
        exit(2);
    }
    return derived;
}

/* The id as read by a process that knows nothing yet, or SYSTEM. */
static hr_status
fresh_id(const hr_visitor_derived_client *client, int64_t now,
         hr_visitor_fingerprint *got)
{
    hr_visitor_derived *derived = make();
    hr_status status =
        hr_visitor_derived_fingerprint(derived, client, now, got);
    hr_visitor_derived_free(derived);
    return status;
}

static int
same_id(const hr_visitor_fingerprint *a, const hr_visitor_fingerprint *b)
{
    return memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

static void
test_days(void)
{
    hr_visitor_fingerprint one;
    hr_visitor_fingerprint two;
    struct stat info;
    hr_visitor_derived *derived = make();
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &one) == HR_OK &&
           one.value_len == 0 && !one.reissue && one.issued_at == NOON,
       "an id without a cookie; the folder is made");
    ok(stat(inside("salt-20000"), &info) == 0 && info.st_size == 32 &&
           (info.st_mode & 07777) == 0600,
       "the salt lies in a file of mode 0600");
    ok(fresh_id(&CLIENT, NOON + 3600, &two) == HR_OK && same_id(&one, &two),
       "two workers derive the same id");
    (void)unlink(inside("salt-20000"));
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON + 1, &two) ==
               HR_OK &&
           same_id(&one, &two),
       "while the day lasts the file is not asked");
    ok(fresh_id(&CLIENT, NOON + 2, &two) == HR_OK && !same_id(&one, &two),
       "another salt, another id");
    int fd = open(inside("salt-19999.00ff"), O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON + DAY, &two) ==
               HR_OK &&
           !same_id(&one, &two),
       "another day, another id");
    ok(stat(inside("salt-20000"), &info) != 0 &&
           stat(inside("salt-19999.00ff"), &info) != 0 &&
           stat(inside("salt-20001"), &info) == 0,
       "older salts are unlinked");
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &one) == HR_OK &&
           same_id(&one, &two) && stat(inside("salt-20000"), &info) != 0,
       "who comes late does not bring the old salt back");
    hr_visitor_derived_free(derived);
}

static void
test_clients(void)
{
    static const struct {
        const char *why;
        hr_span address;
        int same;
    } addresses[] = {
        {"same network", HR_SPAN("192.0.2.200"), 1},
        {"another network", HR_SPAN("192.0.3.1"), 0},
        {"mapped into IPv6", HR_SPAN("::ffff:192.0.2.9"), 1},
        {"IPv6", HR_SPAN("2001:db8::1"), 0},
        {"no address", HR_SPAN("unix:"), 0},
    };
    hr_visitor_fingerprint base;
    hr_visitor_fingerprint got;
    hr_visitor_derived *derived = make();
    if (hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &base) !=
        HR_OK) {
        ok(0, "a base to compare with");
        return;
    }
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        hr_visitor_derived_client client = CLIENT;
        client.address = guarded(addresses[i].address);
        ok(hr_visitor_derived_fingerprint(derived, &client, NOON, &got) ==
                   HR_OK &&
               same_id(&base, &got) == addresses[i].same,
           "address: %s", addresses[i].why);
    }
    hr_visitor_derived_client shifted = CLIENT;
    shifted.user_agent = HR_SPAN("Mozilla/5.0t");
    shifted.accept = HR_SPAN("ext/html");
    ok(hr_visitor_derived_fingerprint(derived, &shifted, NOON, &got) ==
               HR_OK &&
           !same_id(&base, &got),
       "a byte moved from one header to the next counts");
    const hr_visitor_derived_client nobody = {.address = HR_NO_SPAN};
    ok(hr_visitor_derived_fingerprint(derived, &nobody, -5, &got) == HR_OK,
       "a client without any of it, before the epoch");
    hr_visitor_derived_free(derived);
}

/* Prepares a hostile file or folder, then asks for the id of a day. */
static void
check_refused(const char *why, const char *command)
{
    hr_visitor_fingerprint got;
    run("rm -rf %s");
    run(command);
    ok(fresh_id(&CLIENT, NOON, &got) == HR_SYSTEM, "refused: %s", why);
}

static void
test_hostile_files(void)
{
    hr_visitor_fingerprint got;
    check_refused("a folder that others may read", "mkdir -m 0755 %s");
    check_refused("a link in place of the folder",
                  "mkdir -p -m 0700 %1$s.real && ln -s %1$s.real %1$s");
    check_refused("a file in place of the folder", "touch %s");
    check_refused("a file that others may read",
                  "mkdir -m 0700 %1$s && head -c 32 /dev/zero "
                  ">%1$s/salt-20000 && chmod 0644 %1$s/salt-20000");
    check_refused("a short file",
                  "mkdir -m 0700 %1$s && head -c 31 /dev/zero "
                  ">%1$s/salt-20000 && chmod 0600 %1$s/salt-20000");
    check_refused("a long file",
                  "mkdir -m 0700 %1$s && head -c 33 /dev/zero "
                  ">%1$s/salt-20000 && chmod 0600 %1$s/salt-20000");
    check_refused("a link in place of the file",
                  "mkdir -m 0700 %1$s && ln -s /dev/zero %1$s/salt-20000");
    check_refused("a pipe in place of the file",
                  "mkdir -m 0700 %1$s && mkfifo -m 0600 %1$s/salt-20000");
    check_refused("a folder in place of the file",
                  "mkdir -m 0700 %1$s && mkdir -m 0700 %1$s/salt-20000");
    run("rm -rf %1$s && mkdir -m 0700 %1$s && chmod g+s %1$s");
    ok(fresh_id(&CLIENT, NOON, &got) == HR_OK,
       "a group handed down lets nobody in");
    run("test $(stat -c %%a %s) = 700");
    run("rm -rf %1$s && touch %1$s");
    hr_visitor_derived *derived = make();
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &got) ==
           HR_SYSTEM,
       "refused once");
    run("rm -rf %s");
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON + 9, &got) ==
           HR_SYSTEM,
       "... and not looked at again at once");
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON + 10, &got) ==
           HR_OK,
       "... but after ten seconds");
    hr_visitor_derived_free(derived);
    run("rm -rf %1$s %1$s.real");
}

static void
test_fork(void)
{
    hr_visitor_fingerprint parent;
    hr_visitor_fingerprint got;
    hr_visitor_derived *derived = make();
    ok(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &parent) ==
           HR_OK,
       "before a fork");
    pid_t child = fork();
    if (child == 0) {
        _exit(hr_visitor_derived_fingerprint(derived, &CLIENT, NOON, &got) !=
                  HR_OK ||
              !same_id(&parent, &got));
    }
    int status = 1;
    ok(waitpid(child, &status, 0) == child && status == 0,
       "a forked child derives the same id");
    hr_visitor_derived_free(derived);
}

static void
test_race(void)
{
    enum { WORKERS = 8 };
    int pipes[2];
    hr_visitor_fingerprint ids[WORKERS];
    run("rm -rf %s");
    if (pipe(pipes) != 0) {
        printf("Bail out! no pipe\n");
        exit(2);
    }
    for (int i = 0; i < WORKERS; i++) {
        if (fork() == 0) {
            hr_visitor_fingerprint got = {.value_len = 0};
            ssize_t size = 0;
            if (fresh_id(&CLIENT, NOON, &got) == HR_OK) {
                size = write(pipes[1], &got, sizeof(got));
            }
            _exit(size != (ssize_t)sizeof(got));
        }
    }
    int failed = 0;
    for (int i = 0; i < WORKERS; i++) {
        int status = 1;
        failed += wait(&status) < 0 || status != 0;
    }
    for (int i = 0; failed == 0 && i < WORKERS; i++) {
        failed += read(pipes[0], &ids[i], sizeof(ids[i])) !=
                      (ssize_t)sizeof(ids[i]) ||
                  !same_id(&ids[0], &ids[i]);
    }
    ok(failed == 0, "eight workers that start at once agree");
}

static void
test_out_of_memory(void)
{
    size_t failed = 0;
    (void)hr_alloc_fail_at(0, 0);
    hr_visitor_derived_free(make());
    size_t calls = hr_alloc_fail_at(0, 0);
    for (size_t n = 1; n <= calls; n++) {
        hr_visitor_derived *derived = NULL;
        (void)hr_alloc_fail_at(n, 0);
        failed += hr_visitor_derived_new(folder, &derived) == HR_NO_MEMORY;
    }
    (void)hr_alloc_fail_at(0, 0);
    ok(failed == calls, "each of %zu allocations may fail", calls);
}

int
main(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/hr-derived-%ld",
                   (long)getpid());
    test_days();
    test_clients();
    test_hostile_files();
    test_fork();
    test_race();
    test_out_of_memory();
    hr_visitor_derived_free(NULL);
    run("rm -rf %s");
    return done_testing();
}
