/* SPDX-License-Identifier: MIT */
/* The file holds a magic, the size of ps_stats and of ps_metrics, a ps_stats
 * and, once there are any, a ps_metrics. One lock, the
 * file's, orders everything: a ring's counters are added and its name is
 * taken away under it, and a reader holds it while it looks at the rings.
 * Whoever gives up a ring also removes the files of targets that nobody has
 * written to for PS_TOTALS_KEPT_S and that have no ring.
 * Nothing here is on the request path. */
#include "totals.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "fork_guard.h"
#include "ring_file.h"

#define SUFFIX ".totals"

typedef struct totals_file {
    char magic[8];
    uint64_t size;
    uint64_t metrics_size;
    char identity[PS_IDENTITY_KEPT];
    _Alignas(64) ps_stats stats;
    _Alignas(64) ps_metrics metrics;
} totals_file;

/* Without the metrics. */
#define STATS_END (offsetof(totals_file, stats) + sizeof(ps_stats))

static const char MAGIC[8] = {'p', 's', 't', 'o', 't', 'a', 'l', '3'};

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
lock_file(const char *ring_dir, const char target[PS_PRODUCER_SIZE],
          char folder[PS_RING_PATH_MAX])
{
    char path[PS_RING_PATH_MAX + 32];
    if (ps_ring_file_folder(ring_dir, folder) != PS_OK) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%.16s" SUFFIX, folder, target);
    /* Another one may sweep the file away before we have its lock. */
    for (int tries = 0; tries < 3; tries++) {
        struct stat found;
        int fd = ps_fork_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW,
                                0600);
        if (fd < 0) {
            return -1;
        }
        bool ours = lock_soon(fd) && fstat(fd, &found) == 0 &&
                    S_ISREG(found.st_mode) && found.st_uid == geteuid();
        if (ours && found.st_nlink == 1) {
            return fd;
        }
        ps_fork_close(fd);
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
    return strlen(name) == PS_PRODUCER_SIZE + sizeof(SUFFIX) - 1 &&
           strcmp(name + PS_PRODUCER_SIZE, SUFFIX) == 0;
}

static bool
is_ring_of(const char *name, const char *target)
{
    size_t len = strlen(name);
    return len > 5 && strncmp(name, target, PS_PRODUCER_SIZE) == 0 &&
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
           found->st_mtime < ps_clock_wall_ms() / 1000 - PS_TOTALS_KEPT_S;
}

/* Removes one file that was not written for long and has no ring, under its
 * lock. */
static void
sweep_one(const char *folder, const char *name)
{
    char path[PS_RING_PATH_MAX + NAME_MAX + 2];
    struct stat found;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (lstat(path, &found) != 0 || !is_old(&found)) {
        return;
    }
    int fd =
        ps_fork_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &found) == 0 &&
        is_old(&found) && !has_ring(folder, name)) {
        unlink(path);
    }
    ps_fork_close(fd);
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
        file->size != sizeof(ps_stats) ||
        file->metrics_size != sizeof(ps_metrics)) {
        memset((void *)file, 0, sizeof(*file));
    } else if (pread(fd, (void *)&file->metrics, sizeof(ps_metrics),
                     offsetof(totals_file, metrics)) !=
               (ssize_t)sizeof(ps_metrics)) {
        memset((void *)&file->metrics, 0, sizeof(ps_metrics));
    }
}

static bool
has_metrics(const ps_metrics *metrics)
{
    return ps_counted(&metrics->used) != 0;
}

static bool
store(int fd, totals_file *file)
{
    memcpy(file->magic, MAGIC, sizeof(MAGIC));
    file->size = sizeof(ps_stats);
    file->metrics_size = sizeof(ps_metrics);
    size_t size = has_metrics(&file->metrics) ? sizeof(*file) : STATS_END;
    return pwrite(fd, file, size, 0) == (ssize_t)size;
}

/* Static storage would be shared by threads: a block for each call. */
static totals_file *
make_block(void **block)
{
    const size_t align = _Alignof(totals_file);
    *block = ps_calloc(1, sizeof(totals_file) + align);
    uintptr_t at = (uintptr_t)*block;
    return *block != NULL ? (totals_file *)((at + align - 1) & ~(align - 1))
                          : NULL;
}

static bool
add_locked(int fd, const ps_stats *stats, const ps_metrics *metrics,
           const char *identity)
{
    void *block;
    totals_file *file = make_block(&block);
    bool added = false;
    if (file != NULL) {
        load(fd, file);
        ps_stats_add(&file->stats, stats);
        if (metrics != NULL && has_metrics(metrics)) {
            ps_metrics_add(&file->metrics, metrics);
        }
        if (identity != NULL && identity[0] != '\0') {
            memcpy(file->identity, identity, PS_IDENTITY_KEPT);
        }
        added = store(fd, file);
    }
    ps_free(block);
    return added;
}

ps_status
ps_totals_add(const char *ring_dir, const char target[PS_PRODUCER_SIZE],
              const ps_stats *stats)
{
    char folder[PS_RING_PATH_MAX];
    int fd = lock_file(ring_dir, target, folder);
    if (fd < 0) {
        return PS_SYSTEM;
    }
    bool added = add_locked(fd, stats, NULL, NULL);
    ps_fork_close(fd);
    return added ? PS_OK : PS_SYSTEM;
}

void
ps_totals_retire(const char *ring_dir, ps_ring *ring)
{
    char folder[PS_RING_PATH_MAX];
    if (ring->path[0] == '\0') {
        ps_ring_file_abandon(ring, true);
        return;
    }
    int fd = lock_file(ring_dir, ring->header->label.target, folder);
    bool added =
        fd >= 0 && add_locked(fd, &ring->header->stats, &ring->header->metrics,
                              ring->header->beacon.identity);
    /* A ring whose counters found no place stays: an adopter tries again. */
    ps_ring_file_abandon(ring, added);
    if (fd >= 0) {
        ps_fork_close(fd);
        sweep(folder);
    }
}

/* The counters of one ring file, whoever owns it. */
static bool
add_ring(const char *folder, const char *name,
         const char target[PS_PRODUCER_SIZE], totals_file *scratch,
         ps_stats *sum, ps_metrics *metrics)
{
    char path[PS_RING_PATH_MAX + NAME_MAX + 2];
    struct stat found;
    ps_ring_label label;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd =
        ps_fork_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool good =
        fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
        found.st_uid == geteuid() &&
        pread(fd, &label, sizeof(label), 0) == (ssize_t)sizeof(label) &&
        label.format == PS_RING_FORMAT &&
        memcmp(label.target, target, PS_PRODUCER_SIZE) == 0 &&
        pread(fd, (void *)&scratch->stats, sizeof(ps_stats),
              offsetof(ps_ring_header, stats)) == (ssize_t)sizeof(ps_stats) &&
        /* what was accepted, after what became of it */
        pread(fd, (void *)&scratch->stats.accepted, sizeof(uint64_t),
              offsetof(ps_ring_header, stats.accepted)) ==
            (ssize_t)sizeof(uint64_t);
    bool measured = good && metrics != NULL &&
                    pread(fd, (void *)&scratch->metrics, sizeof(ps_metrics),
                          offsetof(ps_ring_header, metrics)) ==
                        (ssize_t)sizeof(ps_metrics);
    ps_fork_close(fd);
    if (good) {
        ps_stats_add(sum, &scratch->stats);
    }
    if (measured) {
        ps_metrics_add(metrics, &scratch->metrics);
    }
    return good;
}

ps_status
ps_totals_read(const char *ring_dir, const char target[PS_PRODUCER_SIZE],
               ps_stats *sum, size_t *rings, ps_metrics *metrics)
{
    char folder[PS_RING_PATH_MAX];
    void *block;
    totals_file *file = make_block(&block);
    if (file == NULL) {
        return PS_NO_MEMORY;
    }
    int fd = lock_file(ring_dir, target, folder);
    DIR *listing = fd >= 0 ? opendir(folder) : NULL;
    if (listing == NULL) {
        if (fd >= 0) {
            ps_fork_close(fd);
        }
        ps_free(block);
        return PS_SYSTEM;
    }
    memset((void *)sum, 0, sizeof(*sum));
    *rings = 0;
    load(fd, file);
    ps_stats_add(sum, &file->stats);
    if (metrics != NULL) {
        memset((void *)metrics, 0, sizeof(*metrics));
        ps_metrics_add(metrics, &file->metrics);
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (is_ring_of(entry->d_name, target)) {
            *rings +=
                add_ring(folder, entry->d_name, target, file, sum, metrics);
        }
    }
    closedir(listing);
    ps_fork_close(fd);
    ps_free(block);
    return PS_OK;
}

/* ---- without the lock -------------------------------------------------- */

void
ps_totals_look(const char *ring_dir, const char target[PS_PRODUCER_SIZE],
               ps_stats *sum, char identity[PS_IDENTITY_KEPT])
{
    char folder[PS_RING_PATH_MAX];
    char path[PS_RING_PATH_MAX + 32];
    struct stat found;
    void *block = NULL;
    totals_file *file = make_block(&block);
    memset((void *)sum, 0, sizeof(*sum));
    identity[0] = '\0';
    if (file != NULL && ps_ring_file_name_folder(ring_dir, folder)) {
        snprintf(path, sizeof(path), "%s/%.16s" SUFFIX, folder, target);
        int fd = ps_fork_openat(AT_FDCWD, path,
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
            found.st_uid == geteuid()) {
            load(fd, file);
            ps_stats_add(sum, &file->stats);
            memcpy(identity, file->identity, PS_IDENTITY_KEPT);
            identity[PS_IDENTITY_KEPT - 1] = '\0';
        }
        if (fd >= 0) {
            ps_fork_close(fd);
        }
    }
    ps_free(block);
}

void
ps_totals_each(const char *ring_dir,
               bool (*see)(const char target[PS_PRODUCER_SIZE], void *context),
               void *context)
{
    char folder[PS_RING_PATH_MAX];
    DIR *listing =
        ps_ring_file_name_folder(ring_dir, folder) ? opendir(folder) : NULL;
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
