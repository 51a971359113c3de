/* SPDX-License-Identifier: MIT */
/* The ring against its invariants, and a file left by a dead process against
 * every place where that process can have died. */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ring/file.h"
#include "base/folder.h"

static char folder[] = "/tmp/headrace-test-XXXXXX";
static char target[HR_RING_PRODUCER_SIZE];

/* One event whose only field is `number`; false when the ring is full. */
static int
put(hr_ring *ring, uint64_t number, size_t padding, int commit)
{
    static const char dots[2048] = {'.'};
    hr_ring_event_body body;
    uint64_t position;
    char *record;
    hr_ring_event_body_init(&body);
    hr_ring_event_body_add(&body, HR_SPAN("n"),
                           (hr_span){(char *)&number, sizeof(number)});
    hr_ring_event_body_add(&body, HR_SPAN("p"), (hr_span){dots, padding});
    if (hr_ring_event_body_finish(&body, HR_SPAN("k")) != HR_OK) {
        return 0;
    }
    size_t size = hr_ring_event_size(HR_SPAN("k"), &body);
    if (hr_ring_reserve(ring, size, ring->units, &position, &record) !=
        HR_OK) {
        return 0;
    }
    hr_ring_event_write(record, HR_SPAN("k"), &body, 1, 0);
    if (commit) {
        hr_ring_commit(ring, position, record, size);
    }
    return 1;
}

static uint64_t
number_of(hr_span record)
{
    hr_ring_event event;
    uint64_t number = UINT64_MAX;
    if (hr_ring_event_read(record, &event) == HR_OK) {
        hr_span value = hr_ring_event_find(&event, HR_SPAN("n"));
        if (value.len == sizeof(number)) {
            memcpy(&number, value.ptr, sizeof(number));
        }
    }
    return number;
}

static void
test_laps(void)
{
    hr_ring ring;
    ok(hr_ring_file_create(&ring, folder, target, HR_RING_BYTES_MIN) == HR_OK,
       "laps: a ring");
    uint64_t written = 0;
    uint64_t read = 0;
    int in_order = 1;
    uint64_t full = 0;
    while (written < 100000) {
        if (put(&ring, written, (size_t)(written * 7919 % 1900), 1)) {
            written++;
            continue;
        }
        full++;
        hr_span record;
        uint64_t next;
        while (hr_ring_look(&ring, ring.taken, &record, &next) == HR_OK) {
            in_order &= number_of(record) == read++;
            ring.taken = next;
        }
        hr_ring_release(&ring, ring.taken);
    }
    ok(full > 100, "laps: it filled up many times");
    ok(in_order, "laps: every record came back whole and in order");
    hr_ring_file_abandon(&ring, true);
    hr_ring_file_unmap(&ring);
}

static void
test_states(void)
{
    hr_ring ring;
    hr_span record;
    uint64_t next;
    uint64_t position;
    char *bytes;
    ok(hr_ring_file_create(&ring, folder, target, HR_RING_BYTES_MIN) == HR_OK,
       "states: a ring");
    ok(hr_ring_look(&ring, ring.taken, &record, &next) == HR_ABSENT,
       "states: empty");
    put(&ring, 1, 0, 0);
    ok(hr_ring_look(&ring, ring.taken, &record, &next) == HR_TIMEOUT,
       "states: reserved, not committed");
    put(&ring, 2, 0, 1);
    ok(hr_ring_look(&ring, ring.taken, &record, &next) == HR_TIMEOUT,
       "states: a later record does not overtake");
    ok(hr_ring_reserve(&ring, HR_RING_EVENT_RECORD_MAX, 16, &position,
                       &bytes) == HR_FULL,
       "states: over the limit of this kind");
    uint64_t head = hr_ring_seal(&ring);
    ok(head == hr_ring_head(&ring), "states: sealed at the head");
    ok(hr_ring_reserve(&ring, 64, ring.units, &position, &bytes) == HR_CLOSED,
       "states: nothing goes into a sealed ring");
    hr_ring_file_abandon(&ring, true);
    hr_ring_file_unmap(&ring);
}

/* The child dies with records committed or torn as `pattern` says. */
static void
leave_ring(const char *pattern)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        hr_ring ring;
        if (hr_ring_file_create(&ring, folder, target, HR_RING_BYTES_MIN) !=
            HR_OK) {
            _exit(1);
        }
        for (uint64_t i = 0; pattern[i] != '\0'; i++) {
            put(&ring, i, 100, pattern[i] == 'c');
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
}

static const struct {
    const char *why;
    const char *pattern; /* c: committed, t: torn */
    uint64_t torn;
} DEATHS[] = {
    {"nothing left", "", 0},       {"all committed", "cccc", 0},
    {"the first torn", "tccc", 1}, {"one torn in the middle", "cctcc", 1},
    {"two gaps", "ctctc", 2},      {"the last torn", "ccct", 1},
    {"only a torn one", "t", 1},
};

static void
test_adoption(void)
{
    for (size_t i = 0; i < sizeof(DEATHS) / sizeof(DEATHS[0]); i++) {
        hr_ring ring;
        hr_ring_file_scan scan;
        leave_ring(DEATHS[i].pattern);
        hr_status status = hr_ring_file_adopt(&ring, folder, target, &scan);
        ok(status == HR_OK && ring.adopted, "adoption: %s: found",
           DEATHS[i].why);
        if (status != HR_OK) {
            continue;
        }
        hr_ring second;
        ok(hr_ring_file_adopt(&second, folder, target, &scan) == HR_ABSENT,
           "adoption: %s: by one only", DEATHS[i].why);
        uint64_t torn = 0;
        size_t at = 0;
        int right = 1;
        hr_span record;
        uint64_t start;
        uint64_t next;
        while (hr_ring_salvage(&ring, ring.taken, &record, &start, &next,
                               &torn) == HR_OK) {
            while (DEATHS[i].pattern[at] == 't') {
                at++;
            }
            right &= number_of(record) == at++;
            ring.taken = next;
        }
        while (DEATHS[i].pattern[at] == 't') {
            at++;
        }
        ok(right && DEATHS[i].pattern[at] == '\0',
           "adoption: %s: every committed record, once", DEATHS[i].why);
        ok(torn == DEATHS[i].torn, "adoption: %s: gaps counted",
           DEATHS[i].why);
        hr_ring_file_abandon(&ring, true);
        hr_ring_file_unmap(&ring);
    }
}

static char *
ring_path(void)
{
    static char path[HR_RING_PATH_MAX];
    hr_ring ring;
    hr_ring_file_scan scan;
    path[0] = '\0';
    if (hr_ring_file_adopt(&ring, folder, target, &scan) == HR_OK) {
        memcpy(path, ring.path, sizeof(path));
        hr_ring_file_abandon(&ring, false);
        hr_ring_file_unmap(&ring);
    }
    return path;
}

static void
spoil(const char *path, off_t at, const void *bytes, size_t len)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, bytes, len, at) != (ssize_t)len) {
        printf("Bail out! %s cannot be written\n", path);
        exit(2);
    }
    close(fd);
}

static void
expect_left_alone(const char *why)
{
    hr_ring ring;
    hr_ring_file_scan scan;
    ok(hr_ring_file_adopt(&ring, folder, target, &scan) == HR_ABSENT &&
           scan.left_alone == 1,
       "hostile: %s: left alone and counted", why);
}

static void
test_hostile_files(void)
{
    char path[HR_RING_PATH_MAX];
    uint64_t wild = UINT64_MAX / 2;
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    chmod(path, 0644);
    expect_left_alone("readable by others");
    chmod(path, 0600);
    char other[HR_RING_PATH_MAX + 8];
    snprintf(other, sizeof(other), "%s.link", path);
    if (link(path, other) == 0) {
        expect_left_alone("two names");
        unlink(other);
    }
    spoil(path, 0, "HEADRACE", 8);
    expect_left_alone("another magic");
    spoil(path, 0, "headrace", 8);
    spoil(path, offsetof(hr_ring_header_label, data_bytes), "\0\0\x02", 3);
    expect_left_alone("a size without its checksum");
    unlink(path);
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    spoil(path, offsetof(hr_ring_header, head), &wild, sizeof(wild));
    expect_left_alone("a head that the tail never reaches");
    unlink(path);
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    if (truncate(path, HR_RING_HEADER_BYTES) == 0) {
        expect_left_alone("shorter than it says");
    }
    unlink(path);
    if (symlink("/etc/passwd", path) == 0) {
        expect_left_alone("a symbolic link");
    }
    unlink(path);
}

/* Positions and counters pass 2^32 and 2^48, and counters 2^64. */
static void
test_large_numbers(void)
{
    static const uint64_t STARTS[] = {(UINT64_C(1) << 32) - 10,
                                      (UINT64_C(1) << 31) - 10,
                                      (UINT64_C(1) << 47) - 10};
    for (size_t i = 0; i < sizeof(STARTS) / sizeof(STARTS[0]); i++) {
        hr_ring ring;
        int in_order = 1;
        hr_span record;
        uint64_t next;
        if (hr_ring_file_create(&ring, "", target, HR_RING_BYTES_MIN) !=
            HR_OK) {
            ok(0, "large numbers: a ring");
            return;
        }
        atomic_store(&ring.header->head, STARTS[i]);
        atomic_store(&ring.header->tail, STARTS[i]);
        ring.taken = STARTS[i];
        atomic_store(&ring.header->stats.accepted, UINT64_MAX - 9);
        atomic_store(&ring.header->stats.delivered, UINT64_MAX - 9);
        for (uint64_t n = 0; n < 3000; n++) {
            put(&ring, n, 50, true);
            hr_ring_counters_raise(&ring.header->stats.accepted, 1);
            in_order &= hr_ring_counters_pending(&ring.header->stats) == 1;
            in_order &=
                hr_ring_look(&ring, ring.taken, &record, &next) == HR_OK &&
                number_of(record) == n;
            ring.taken = next;
            hr_ring_counters_raise(&ring.header->stats.delivered, 1);
            hr_ring_release(&ring, next);
        }
        ok(in_order && hr_ring_head(&ring) > STARTS[i] + 3000,
           "large numbers: from %llu on", (unsigned long long)STARTS[i]);
        hr_ring_file_unmap(&ring);
    }
}

static void
test_places(void)
{
    hr_ring ring;
    char inside[HR_FOLDER_PATH_MAX];
    ok(hr_folder_make(folder, inside) == HR_OK, "places: a folder");
    chmod(inside, 0755);
    ok(hr_ring_file_create(&ring, folder, target, HR_RING_BYTES_MIN) ==
               HR_OK &&
           ring.path[0] == '\0' && put(&ring, 1, 0, 1),
       "places: then the ring is anonymous, and works");
    hr_ring_file_abandon(&ring, true);
    hr_ring_file_unmap(&ring);
    chmod(inside, 0700);
    ok(hr_ring_file_create(&ring, "/nowhere/at/all", target,
                           HR_RING_BYTES_MIN) == HR_OK &&
           ring.path[0] == '\0',
       "places: no such folder");
    hr_ring_file_abandon(&ring, true);
    hr_ring_file_unmap(&ring);
}

#define PRODUCERS 3
#define EACH 20000

static hr_ring shared;

static void *
produce(void *context)
{
    uint64_t id = (uint64_t)(uintptr_t)context;
    for (uint64_t i = 0; i < EACH; i++) {
        while (!put(&shared, id * EACH + i, (size_t)(i % 200), 1)) {
            sched_yield();
        }
    }
    return NULL;
}

static void
test_threads(void)
{
    pthread_t threads[PRODUCERS];
    uint64_t seen[PRODUCERS] = {0};
    ok(hr_ring_file_create(&shared, "", target, HR_RING_BYTES_MIN) == HR_OK,
       "threads: a ring");
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        pthread_create(&threads[i], NULL, produce, (void *)i);
    }
    int in_order = 1;
    uint64_t total = 0;
    while (total < PRODUCERS * EACH) {
        hr_span record;
        uint64_t next;
        if (hr_ring_look(&shared, shared.taken, &record, &next) != HR_OK) {
            sched_yield();
            continue;
        }
        uint64_t number = number_of(record);
        if (number >= PRODUCERS * EACH) {
            in_order = 0;
        } else {
            in_order &= seen[number / EACH]++ == number % EACH;
        }
        shared.taken = next;
        total++;
        if (total % 64 == 0) {
            hr_ring_release(&shared, shared.taken);
        }
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    ok(in_order, "threads: each producer's records, all, in order");
    hr_ring_file_unmap(&shared);
}

int
main(void)
{
    if (mkdtemp(folder) == NULL) {
        printf("Bail out! no folder\n");
        return 2;
    }
    hr_ring_file_target(HR_SPAN("redis://h:1/0 events"), target);
    test_laps();
    test_states();
    test_adoption();
    test_hostile_files();
    test_large_numbers();
    test_places();
    test_threads();
    char inside[HR_FOLDER_PATH_MAX];
    if (hr_folder_make(folder, inside) == HR_OK) {
        ok(rmdir(inside) == 0, "nothing is left behind");
    }
    rmdir(folder);
    return done_testing();
}
