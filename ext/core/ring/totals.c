/* SPDX-License-Identifier: MIT */
/* The file holds a magic, the size of hr_ring_counters and of hr_ring_metrics,
 * a hr_ring_counters and, once there are any, a hr_ring_metrics. One lock, the
 * file's, orders everything: a ring's counters are added and its name is
 * taken away under it, and a reader holds it while it looks at the rings.
 * Whoever gives up a ring also removes the files of targets that nobody has
 * written to for HR_TOTALS_KEPT_S and that have no ring.
 * Nothing here is on the request path. */
#include "ring/totals.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fork_guard.h"
#include "ring/file.h"
#include "base/folder.h"

#define SUFFIX ".totals"

typedef struct totals_file {
    char magic[8];
    uint64_t size;
    uint64_t metrics_size;
    char identity[HR_IDENTITY_KEPT];
    _Alignas(64) hr_ring_counters stats;
    _Alignas(64) hr_ring_metrics metrics;
} totals_file;

/* Without the metrics. */
#define STATS_END (offsetof(totals_file, stats) + sizeof(hr_ring_counters))

static const char MAGIC[8] = {'h', 'r', 't', 'o', 't', 'a', 'l', '3'};

/* Whoever holds the lock does so for microseconds, unless it was stopped. */
static bool
lock_soon(int fd)
{
    const struct timespec pause = {0, 2000000};
    for (int tries = 0; tries < 100; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

/* The file, open and locked; -1 when it cannot be had or is not ours. */
static int
lock_file(const char *ring_dir, const char target[HR_RING_PRODUCER_SIZE],
          char folder[HR_FOLDER_PATH_MAX])
{
    char path[HR_RING_PATH_MAX + 32];
    if (hr_folder_make(ring_dir, folder) != HR_OK) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%.16s" SUFFIX, folder, target);
    /* Another one may sweep the file away before we have its lock. */
    for (int tries = 0; tries < 3; tries++) {
        struct stat found;
        int fd = hr_fork_guard_openat(AT_FDCWD, path,
                                      O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (fd < 0) {
            return -1;
        }
        bool ours = lock_soon(fd) && fstat(fd, &found) == 0 &&
                    S_ISREG(found.st_mode) && found.st_uid == geteuid();
        if (ours && found.st_nlink == 1) {
            return fd;
        }
        hr_fork_guard_close(fd);
        if (!ours || found.st_nlink != 0) {
            return -1;
        }
    }
    return -1;
}

/* ---- those that nobody asks for any more ------------------------------- */

static bool
is_totals(const char *name)
{
    return strlen(name) == HR_RING_PRODUCER_SIZE + sizeof(SUFFIX) - 1 &&
           strcmp(name + HR_RING_PRODUCER_SIZE, SUFFIX) == 0;
}

static bool
is_ring_of(const char *name, const char *target)
{
    size_t len = strlen(name);
    return len > 5 && strncmp(name, target, HR_RING_PRODUCER_SIZE) == 0 &&
           strcmp(name + len - 5, ".ring") == 0;
}

static bool
has_ring(const char *folder, const char *target)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return true;
    }
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(listing)) != NULL) {
        found = is_ring_of(entry->d_name, target);
    }
    closedir(listing);
    return found;
}

static bool
is_old(const struct stat *found)
{
    return S_ISREG(found->st_mode) && found->st_uid == geteuid() &&
           found->st_nlink == 1 &&
           found->st_mtime < hr_clock_wall_ms() / 1000 - HR_TOTALS_KEPT_S;
}

/* Removes one file that was not written for long and has no ring, under its
 * lock. */
static void
sweep_one(const char *folder, const char *name)
{
    char path[HR_RING_PATH_MAX + NAME_MAX + 2];
    struct stat found;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (lstat(path, &found) != 0 || !is_old(&found)) {
        return;
    }
    int fd = hr_fork_guard_openat(AT_FDCWD, path,
                                  O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &found) == 0 &&
        is_old(&found) && !has_ring(folder, name)) {
        unlink(path);
    }
    hr_fork_guard_close(fd);
}

static void
sweep(const char *folder)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (is_totals(entry->d_name)) {
            sweep_one(folder, entry->d_name);
        }
    }
    closedir(listing);
}

/* ---- the counters ------------------------------------------------------ */

/* What the file holds; zeroes when it is new or of another make. */
static void
load(int fd, totals_file *file)
{
    memset((void *)file, 0, sizeof(*file));
    if (pread(fd, file, STATS_END, 0) != (ssize_t)STATS_END ||
        memcmp(file->magic, MAGIC, sizeof(MAGIC)) != 0 ||
        file->size != sizeof(hr_ring_counters) ||
        file->metrics_size != sizeof(hr_ring_metrics)) {
        memset((void *)file, 0, sizeof(*file));
    } else if (pread(fd, (void *)&file->metrics, sizeof(hr_ring_metrics),
                     offsetof(totals_file, metrics)) !=
               (ssize_t)sizeof(hr_ring_metrics)) {
        memset((void *)&file->metrics, 0, sizeof(hr_ring_metrics));
    }
}

static bool
has_metrics(const hr_ring_metrics *metrics)
{
    return hr_ring_counters_read(&metrics->used) != 0;
}

static bool
store(int fd, totals_file *file)
{
    memcpy(file->magic, MAGIC, sizeof(MAGIC));
    file->size = sizeof(hr_ring_counters);
    file->metrics_size = sizeof(hr_ring_metrics);
    size_t size = has_metrics(&file->metrics) ? sizeof(*file) : STATS_END;
    return pwrite(fd, file, size, 0) == (ssize_t)size;
}

/* Static storage would be shared by threads: a block for each call. */
static totals_file *
make_block(void **block)
{
    const size_t align = _Alignof(totals_file);
    *block = hr_alloc_zeroed(1, sizeof(totals_file) + align);
    uintptr_t at = (uintptr_t)*block;
    return *block != NULL ? (totals_file *)((at + align - 1) & ~(align - 1))
                          : NULL;
}

static bool
add_locked(int fd, const hr_ring_counters *stats,
           const hr_ring_metrics *metrics, const char *identity)
{
    void *block;
    totals_file *file = make_block(&block);
    bool added = false;
    if (file != NULL) {
        load(fd, file);
        hr_ring_counters_add(&file->stats, stats);
        if (metrics != NULL && has_metrics(metrics)) {
            hr_ring_metrics_add(&file->metrics, metrics);
        }
        if (identity != NULL && identity[0] != '\0') {
            memcpy(file->identity, identity, HR_IDENTITY_KEPT);
        }
        added = store(fd, file);
    }
    hr_alloc_free(block);
    return added;
}

hr_status
hr_ring_totals_add(const char *ring_dir,
                   const char target[HR_RING_PRODUCER_SIZE],
                   const hr_ring_counters *stats)
{
    char folder[HR_FOLDER_PATH_MAX];
    int fd = lock_file(ring_dir, target, folder);
    if (fd < 0) {
        return HR_SYSTEM;
    }
    bool added = add_locked(fd, stats, NULL, NULL);
    hr_fork_guard_close(fd);
    return added ? HR_OK : HR_SYSTEM;
}

void
hr_ring_totals_retire(const char *ring_dir, hr_ring *ring)
{
    char folder[HR_FOLDER_PATH_MAX];
    if (ring->path[0] == '\0') {
        hr_ring_file_abandon(ring, true);
        return;
    }
    hr_ring_header *header = ring->header;
    int fd =
        lock_file(ring_dir, hr_ring_header_label_of(header)->target, folder);
    bool added =
        fd >= 0 && add_locked(fd, hr_ring_header_counters(header),
                              hr_ring_header_metrics(header),
                              hr_ring_header_beacon_of(header)->identity);
    /* A ring whose counters found no place stays: an adopter tries again. */
    hr_ring_file_abandon(ring, added);
    if (fd >= 0) {
        hr_fork_guard_close(fd);
        sweep(folder);
    }
}

/* The counters of one ring file, whoever owns it. */
static bool
add_ring(const char *folder, const char *name,
         const char target[HR_RING_PRODUCER_SIZE], totals_file *scratch,
         hr_ring_counters *sum, hr_ring_metrics *metrics)
{
    char path[HR_RING_PATH_MAX + NAME_MAX + 2];
    struct stat found;
    hr_ring_header_label label;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = hr_fork_guard_openat(AT_FDCWD, path,
                                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool good =
        fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
        found.st_uid == geteuid() &&
        pread(fd, &label, sizeof(label), 0) == (ssize_t)sizeof(label) &&
        label.format == HR_RING_FORMAT &&
        memcmp(label.target, target, HR_RING_PRODUCER_SIZE) == 0 &&
        pread(fd, (void *)&scratch->stats, sizeof(hr_ring_counters),
              offsetof(hr_ring_header, stats)) ==
            (ssize_t)sizeof(hr_ring_counters) &&
        /* what was accepted, after what became of it */
        pread(fd, (void *)&scratch->stats.accepted, sizeof(uint64_t),
              offsetof(hr_ring_header, stats.accepted)) ==
            (ssize_t)sizeof(uint64_t);
    bool measured =
        good && metrics != NULL &&
        pread(fd, (void *)&scratch->metrics, sizeof(hr_ring_metrics),
              offsetof(hr_ring_header, metrics)) ==
            (ssize_t)sizeof(hr_ring_metrics);
    hr_fork_guard_close(fd);
    if (good) {
        hr_ring_counters_add(sum, &scratch->stats);
    }
    if (measured) {
        hr_ring_metrics_add(metrics, &scratch->metrics);
    }
    return good;
}

hr_status
hr_ring_totals_read(const char *ring_dir,
                    const char target[HR_RING_PRODUCER_SIZE],
                    hr_ring_counters *sum, size_t *rings,
                    hr_ring_metrics *metrics)
{
    char folder[HR_FOLDER_PATH_MAX];
    void *block;
    totals_file *file = make_block(&block);
    if (file == NULL) {
        return HR_NO_MEMORY;
    }
    int fd = lock_file(ring_dir, target, folder);
    DIR *listing = fd >= 0 ? opendir(folder) : NULL;
    if (listing == NULL) {
        if (fd >= 0) {
            hr_fork_guard_close(fd);
        }
        hr_alloc_free(block);
        return HR_SYSTEM;
    }
    memset((void *)sum, 0, sizeof(*sum));
    *rings = 0;
    load(fd, file);
    hr_ring_counters_add(sum, &file->stats);
    if (metrics != NULL) {
        memset((void *)metrics, 0, sizeof(*metrics));
        hr_ring_metrics_add(metrics, &file->metrics);
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (is_ring_of(entry->d_name, target)) {
            *rings +=
                add_ring(folder, entry->d_name, target, file, sum, metrics);
        }
    }
    closedir(listing);
    hr_fork_guard_close(fd);
    hr_alloc_free(block);
    return HR_OK;
}

/* ---- without the lock -------------------------------------------------- */

void
hr_ring_totals_look(const char *ring_dir,
                    const char target[HR_RING_PRODUCER_SIZE],
                    hr_ring_counters *sum, char identity[HR_IDENTITY_KEPT])
{
    char folder[HR_FOLDER_PATH_MAX];
    char path[HR_RING_PATH_MAX + 32];
    struct stat found;
    void *block = NULL;
    totals_file *file = make_block(&block);
    memset((void *)sum, 0, sizeof(*sum));
    identity[0] = '\0';
    if (file != NULL && hr_folder_name(ring_dir, folder)) {
        snprintf(path, sizeof(path), "%s/%.16s" SUFFIX, folder, target);
        int fd = hr_fork_guard_openat(AT_FDCWD, path,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
            found.st_uid == geteuid()) {
            load(fd, file);
            hr_ring_counters_add(sum, &file->stats);
            memcpy(identity, file->identity, HR_IDENTITY_KEPT);
            identity[HR_IDENTITY_KEPT - 1] = '\0';
        }
        if (fd >= 0) {
            hr_fork_guard_close(fd);
        }
    }
    hr_alloc_free(block);
}

void
hr_ring_totals_each(const char *ring_dir,
                    bool (*see)(const char target[HR_RING_PRODUCER_SIZE],
                                void *context),
                    void *context)
{
    char folder[HR_FOLDER_PATH_MAX];
    DIR *listing = hr_folder_name(ring_dir, folder) ? opendir(folder) : NULL;
    if (listing == NULL) {
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (is_totals(entry->d_name) && !see(entry->d_name, context)) {
            break;
        }
    }
    closedir(listing);
}
