/* SPDX-License-Identifier: MIT */
/* The totals file: what it takes up, and what it makes of files that are
 * damaged or not ours. */
#include "events.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "ring/totals.h"
#include "base/folder.h"

static char folder[] = "/tmp/hr-totals-XXXXXX";
static char path[HR_RING_PATH_MAX + 64];

static uint64_t
accepted(size_t *rings)
{
    _Alignas(64) hr_ring_counters sum;
    size_t found = 99;
    hr_status status =
        hr_ring_totals_read(folder, TEST_TARGET, &sum, &found, NULL);
    if (rings != NULL) {
        *rings = found;
    }
    return status == HR_OK ? hr_ring_counters_read(&sum.accepted) : UINT64_MAX;
}

static hr_status
add(uint64_t times)
{
    _Alignas(64) static hr_ring_counters stats;
    memset((void *)&stats, 0, sizeof(stats));
    hr_ring_counters_raise(&stats.accepted, times);
    return hr_ring_totals_add(folder, TEST_TARGET, &stats);
}

static void
write_file(const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) {
        printf("Bail out! %s cannot be written\n", path);
        exit(2);
    }
    close(fd);
}

static void
test_adding(void)
{
    size_t rings;
    hr_ring ring;
    ok(accepted(&rings) == 0 && rings == 0, "adding: nothing yet");
    ok(add(5) == HR_OK && add(7) == HR_OK && accepted(NULL) == 12,
       "adding: sums up");
    ok(hr_ring_file_create(&ring, folder, TEST_TARGET, HR_RING_BYTES_MIN) ==
           HR_OK,
       "adding: a ring");
    hr_ring_counters_raise(&ring.header->stats.accepted, 100);
    ok(accepted(&rings) == 112 && rings == 1,
       "adding: a living ring is summed in");
    hr_ring_totals_retire(folder, &ring);
    hr_ring_file_unmap(&ring);
    ok(accepted(&rings) == 112 && rings == 0,
       "adding: once it goes, its counters stay");
    make_ring(&ring);
    hr_ring_totals_retire(folder, &ring);
    hr_ring_file_unmap(&ring);
    ok(accepted(NULL) == 112, "adding: a ring without a file leaves none");
}

static void
test_damage(void)
{
    static char large[1 << 17];
    memset(large, 'x', sizeof(large));
    write_file("", 0);
    ok(accepted(NULL) == 0 && add(3) == HR_OK && accepted(NULL) == 3,
       "damage: an empty file begins again");
    write_file("hrtotal1", 8);
    ok(accepted(NULL) == 0 && add(4) == HR_OK && accepted(NULL) == 4,
       "damage: a short one too");
    write_file(large, sizeof(large));
    ok(accepted(NULL) == 0 && add(5) == HR_OK && accepted(NULL) == 5,
       "damage: and one of other bytes");
    unlink(path);
    ok(symlink("/etc/hostname", path) == 0 && add(1) == HR_SYSTEM &&
           accepted(NULL) == UINT64_MAX,
       "not ours: a symbolic link is not followed");
    unlink(path);
    ok(mkdir(path, 0700) == 0 && add(1) == HR_SYSTEM, "not ours: a folder");
    rmdir(path);
    char other[sizeof(path) + 8];
    snprintf(other, sizeof(other), "%s.link", path);
    write_file("", 0);
    ok(link(path, other) == 0 && add(1) == HR_SYSTEM,
       "not ours: a file of two names");
    unlink(other);
    ok(add(6) == HR_OK && accepted(NULL) == 6, "then all is well again");
}

static void
test_memory(void)
{
#ifdef HR_ALLOC_TEST
    hr_alloc_fail_at(1, 0);
    ok(add(1) == HR_SYSTEM, "memory: none is told");
    hr_alloc_fail_at(1, 0);
    ok(accepted(NULL) == UINT64_MAX, "memory: nor is there a sum");
    hr_alloc_fail_at(0, 0);
    ok(accepted(NULL) == 6, "memory: what was there stands");
#endif
}

int
main(void)
{
    char inside[HR_FOLDER_PATH_MAX];
    if (mkdtemp(folder) == NULL || hr_folder_make(folder, inside) != HR_OK) {
        printf("Bail out! no folder\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/" TEST_TARGET ".totals", inside);
    ok(hr_ring_totals_add("/nowhere/at/all", TEST_TARGET, NULL) == HR_SYSTEM,
       "no folder: told");
    test_adding();
    test_damage();
    test_memory();
    unlink(path);
    ok(rmdir(inside) == 0 && rmdir(folder) == 0, "nothing is left behind");
    return done_testing();
}
