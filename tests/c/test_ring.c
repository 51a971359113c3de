/* SPDX-License-Identifier: MIT */
/* The ring against its invariants, and a file left by a dead process against
 * every place where that process can have died. */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../ext/core/ring_file.h"

static char folder[] = "/tmp/penstock-test-XXXXXX";
static char target[PS_PRODUCER_SIZE];

/* One event whose only field is `number`; false when the ring is full. */
static int
put(ps_ring *ring, uint64_t number, size_t padding, int commit)
{
    static const char dots[2048] = {'.'};
    const ps_field fields[] = {
        {.name = PS_SPAN("n"), .value = {(char *)&number, sizeof(number)}},
        {.name = PS_SPAN("p"), .value = {dots, padding}},
    };
    ps_event_plan plan;
    uint64_t position;
    char *record;
    if (ps_event_measure(PS_SPAN("k"), fields, 2, &plan) != PS_OK ||
        ps_ring_reserve(ring, plan.size, ring->units, &position, &record) !=
            PS_OK) {
        return 0;
    }
    ps_event_write(record, &plan, PS_SPAN("k"), fields, 2, 1, 0);
    if (commit) {
        ps_ring_commit(ring, position, record, plan.size);
    }
    return 1;
}

static uint64_t
number_of(ps_span record)
{
    ps_event event;
    uint64_t number = UINT64_MAX;
    if (ps_event_read(record, &event) == PS_OK) {
        ps_span value = ps_event_find(&event, PS_SPAN("n"));
        if (value.len == sizeof(number)) {
            memcpy(&number, value.ptr, sizeof(number));
        }
    }
    return number;
}

static void
test_laps(void)
{
    ps_ring ring;
    ok(ps_ring_file_create(&ring, folder, target, PS_RING_BYTES_MIN) == PS_OK,
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
        ps_span record;
        uint64_t next;
        while (ps_ring_look(&ring, ring.taken, &record, &next) == PS_OK) {
            in_order &= number_of(record) == read++;
            ring.taken = next;
        }
        ps_ring_release(&ring, ring.taken);
    }
    ok(full > 100, "laps: it filled up many times");
    ok(in_order, "laps: every record came back whole and in order");
    ps_ring_file_abandon(&ring, true);
    ps_ring_file_unmap(&ring);
}

static void
test_states(void)
{
    ps_ring ring;
    ps_span record;
    uint64_t next;
    uint64_t position;
    char *bytes;
    ok(ps_ring_file_create(&ring, folder, target, PS_RING_BYTES_MIN) == PS_OK,
       "states: a ring");
    ok(ps_ring_look(&ring, ring.taken, &record, &next) == PS_ABSENT,
       "states: empty");
    put(&ring, 1, 0, 0);
    ok(ps_ring_look(&ring, ring.taken, &record, &next) == PS_TIMEOUT,
       "states: reserved, not committed");
    put(&ring, 2, 0, 1);
    ok(ps_ring_look(&ring, ring.taken, &record, &next) == PS_TIMEOUT,
       "states: a later record does not overtake");
    ok(ps_ring_reserve(&ring, PS_RECORD_MAX, 16, &position, &bytes) == PS_FULL,
       "states: over the limit of this kind");
    uint64_t head = ps_ring_seal(&ring);
    ok(head == ps_ring_head(&ring), "states: sealed at the head");
    ok(ps_ring_reserve(&ring, 64, ring.units, &position, &bytes) == PS_CLOSED,
       "states: nothing goes into a sealed ring");
    ps_ring_file_abandon(&ring, true);
    ps_ring_file_unmap(&ring);
}

/* The child dies with records committed or torn as `pattern` says. */
static void
leave_ring(const char *pattern)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        ps_ring ring;
        if (ps_ring_file_create(&ring, folder, target, PS_RING_BYTES_MIN) !=
            PS_OK) {
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
        ps_ring ring;
        ps_ring_scan scan;
        leave_ring(DEATHS[i].pattern);
        ps_status status = ps_ring_file_adopt(&ring, folder, target, &scan);
        ok(status == PS_OK && ring.in_doubt, "adoption: %s: found",
           DEATHS[i].why);
        if (status != PS_OK) {
            continue;
        }
        ps_ring second;
        ok(ps_ring_file_adopt(&second, folder, target, &scan) == PS_ABSENT,
           "adoption: %s: by one only", DEATHS[i].why);
        uint64_t torn = 0;
        size_t at = 0;
        int right = 1;
        ps_span record;
        uint64_t start;
        uint64_t next;
        while (ps_ring_salvage(&ring, ring.taken, &record, &start, &next,
                               &torn) == PS_OK) {
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
        ps_ring_file_abandon(&ring, true);
        ps_ring_file_unmap(&ring);
    }
}

static char *
ring_path(void)
{
    static char path[PS_RING_PATH_MAX];
    ps_ring ring;
    ps_ring_scan scan;
    path[0] = '\0';
    if (ps_ring_file_adopt(&ring, folder, target, &scan) == PS_OK) {
        memcpy(path, ring.path, sizeof(path));
        ps_ring_file_abandon(&ring, false);
        ps_ring_file_unmap(&ring);
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
    ps_ring ring;
    ps_ring_scan scan;
    ok(ps_ring_file_adopt(&ring, folder, target, &scan) == PS_ABSENT &&
           scan.left_alone == 1,
       "hostile: %s: left alone and counted", why);
}

static void
test_hostile_files(void)
{
    char path[PS_RING_PATH_MAX];
    uint64_t wild = UINT64_MAX / 2;
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    chmod(path, 0644);
    expect_left_alone("readable by others");
    chmod(path, 0600);
    char other[PS_RING_PATH_MAX + 8];
    snprintf(other, sizeof(other), "%s.link", path);
    if (link(path, other) == 0) {
        expect_left_alone("two names");
        unlink(other);
    }
    spoil(path, 0, "PENSTOCK", 8);
    expect_left_alone("another magic");
    spoil(path, 0, "penstock", 8);
    spoil(path, offsetof(ps_ring_label, data_bytes), "\0\0\x02", 3);
    expect_left_alone("a size without its checksum");
    unlink(path);
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    spoil(path, offsetof(ps_ring_header, head), &wild, sizeof(wild));
    expect_left_alone("a head that the tail never reaches");
    unlink(path);
    leave_ring("cc");
    memcpy(path, ring_path(), sizeof(path));
    if (truncate(path, PS_RING_HEADER_BYTES) == 0) {
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
        ps_ring ring;
        int in_order = 1;
        ps_span record;
        uint64_t next;
        if (ps_ring_file_create(&ring, "", target, PS_RING_BYTES_MIN) !=
            PS_OK) {
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
            ps_count(&ring.header->stats.accepted, 1);
            in_order &= ps_stats_pending(&ring.header->stats) == 1;
            in_order &=
                ps_ring_look(&ring, ring.taken, &record, &next) == PS_OK &&
                number_of(record) == n;
            ring.taken = next;
            ps_count(&ring.header->stats.delivered, 1);
            ps_ring_release(&ring, next);
        }
        ok(in_order && ps_ring_head(&ring) > STARTS[i] + 3000,
           "large numbers: from %llu on", (unsigned long long)STARTS[i]);
        ps_ring_file_unmap(&ring);
    }
}

static void
test_places(void)
{
    ps_ring ring;
    char path[PS_RING_PATH_MAX];
    char inside[PS_RING_PATH_MAX];
    ok(ps_ring_file_folder(folder, inside) == PS_OK, "places: a folder");
    chmod(inside, 0755);
    ok(ps_ring_file_folder(folder, path) == PS_SYSTEM,
       "places: a folder that others can read is not ours");
    ok(ps_ring_file_create(&ring, folder, target, PS_RING_BYTES_MIN) ==
               PS_OK &&
           ring.path[0] == '\0' && put(&ring, 1, 0, 1),
       "places: then the ring is anonymous, and works");
    ps_ring_file_abandon(&ring, true);
    ps_ring_file_unmap(&ring);
    chmod(inside, S_ISGID | 0700);
    struct stat found;
    ok(ps_ring_file_folder(folder, path) == PS_OK &&
           stat(inside, &found) == 0 && (found.st_mode & 07777) == 0700,
       "places: a group handed down lets nobody in, and is taken off");
    ok(ps_ring_file_create(&ring, "/nowhere/at/all", target,
                           PS_RING_BYTES_MIN) == PS_OK &&
           ring.path[0] == '\0',
       "places: no such folder");
    ps_ring_file_abandon(&ring, true);
    ps_ring_file_unmap(&ring);
}

/* mkdir below a setgid folder makes a setgid folder. */
static void
test_setgid(void)
{
    char outside[sizeof(folder) + 8];
    char inside[PS_RING_PATH_MAX];
    struct stat found;
    snprintf(outside, sizeof(outside), "%s/setgid", folder);
    ok(mkdir(outside, 0700) == 0 && chmod(outside, S_ISGID | 0755) == 0,
       "setgid: a folder");
    ok(ps_ring_file_folder(outside, inside) == PS_OK &&
           stat(inside, &found) == 0 && (found.st_mode & 07777) == 0700,
       "setgid: the folder below it is ours alone");
    mode_t before = umask(0177);
    ok(rmdir(inside) == 0 && ps_ring_file_folder(outside, inside) == PS_OK &&
           stat(inside, &found) == 0 && (found.st_mode & 07777) == 0700,
       "setgid: also under a umask that takes from its owner");
    umask(before);
    rmdir(inside);
    rmdir(outside);
}

#define PRODUCERS 3
#define EACH 20000

static ps_ring shared;

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
    ok(ps_ring_file_create(&shared, "", target, PS_RING_BYTES_MIN) == PS_OK,
       "threads: a ring");
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        pthread_create(&threads[i], NULL, produce, (void *)i);
    }
    int in_order = 1;
    uint64_t total = 0;
    while (total < PRODUCERS * EACH) {
        ps_span record;
        uint64_t next;
        if (ps_ring_look(&shared, shared.taken, &record, &next) != PS_OK) {
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
            ps_ring_release(&shared, shared.taken);
        }
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    ok(in_order, "threads: each producer's records, all, in order");
    ps_ring_file_unmap(&shared);
}

int
main(void)
{
    if (mkdtemp(folder) == NULL) {
        printf("Bail out! no folder\n");
        return 2;
    }
    ps_ring_file_target(PS_SPAN("redis://h:1/0 events"), target);
    test_laps();
    test_states();
    test_adoption();
    test_hostile_files();
    test_large_numbers();
    test_places();
    test_setgid();
    test_threads();
    char inside[PS_RING_PATH_MAX];
    if (ps_ring_file_folder(folder, inside) == PS_OK) {
        ok(rmdir(inside) == 0, "nothing is left behind");
    }
    rmdir(folder);
    return done_testing();
}
