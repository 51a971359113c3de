/* SPDX-License-Identifier: MIT */
/* A ring file is made under a temporary name, locked, filled in and only then
 * renamed, so that whoever finds it by name finds it locked or ownerless,
 * never half made. An adopter, once it holds the lock, checks that the name
 * still leads to the locked inode: the owner may have removed the file in
 * between.
 *
 * Files are hostile input: made with O_EXCL and O_NOFOLLOW, taken only when
 * they are regular files of this user with mode 0600 and one link, of exactly
 * the size that a sealed label states. */
#include "ring/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/fork_guard.h"

#define NAME_SIZE (2 * HR_RING_PRODUCER_SIZE + sizeof("-.ring"))
#define TEMPORARY_AGE_S 60

static void
to_hex(uint64_t number, char out[HR_RING_PRODUCER_SIZE])
{
    for (int i = 0; i < HR_RING_PRODUCER_SIZE; i++) {
        out[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
}

void
hr_ring_file_target(hr_span identity, char target[HR_RING_PRODUCER_SIZE])
{
    to_hex(hr_span_hash(identity), target);
}

/* An open descriptor of the folder, or -1. */
static int
open_folder(const char *ring_dir, char folder[HR_FOLDER_PATH_MAX])
{
    return hr_folder_name(ring_dir, folder) ? hr_folder_open(folder) : -1;
}

static hr_status
map(hr_ring *ring, size_t data_bytes)
{
    ring->header = hr_ring_header_new(ring->fd, data_bytes);
    if (ring->header == NULL) {
        return HR_NO_MEMORY;
    }
    ring->data = (char *)ring->header + HR_RING_HEADER_BYTES;
    ring->units = data_bytes / 8;
    return HR_OK;
}

static void
set_fd(hr_ring *ring, int fd)
{
    if (ring->fd >= 0) {
        close(ring->fd);
    }
    ring->fd = fd;
}

/* HR_FOLDER_PATH_MAX leaves room for the name. */
static void
set_path(hr_ring *ring, const char *folder, const char *name)
{
    size_t len = strlen(folder);
    memcpy(ring->path, folder, len);
    ring->path[len] = '/';
    memcpy(ring->path + len + 1, name, strlen(name) + 1);
}

static void
drop_fd(hr_ring *ring)
{
    hr_fork_guard_hold();
    set_fd(ring, -1);
    hr_fork_guard_let_go();
}

static hr_status
create_anonymous(hr_ring *ring, size_t data_bytes)
{
    hr_fork_guard_hold();
    set_fd(ring, memfd_create("headrace-ring", MFD_CLOEXEC));
    hr_fork_guard_let_go();
    if (ring->fd < 0) {
        return HR_SYSTEM;
    }
    hr_status status = HR_NO_MEMORY;
    if (posix_fallocate(ring->fd, 0,
                        (off_t)(HR_RING_HEADER_BYTES + data_bytes)) == 0) {
        status = map(ring, data_bytes);
    }
    drop_fd(ring);
    return status;
}

/* In the file `name` of the folder; the caller removes it on failure. */
static hr_status
create_file(hr_ring *ring, int folder, const char *name, size_t data_bytes)
{
    hr_fork_guard_hold();
    set_fd(ring,
           openat(folder, name,
                  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    hr_fork_guard_let_go();
    if (ring->fd < 0 || fchmod(ring->fd, 0600) != 0 ||
        flock(ring->fd, LOCK_EX | LOCK_NB) != 0) {
        return HR_SYSTEM;
    }
    /* Takes the pages now: a full /dev/shm is an error here, not a SIGBUS
     * in the middle of a request. */
    if (posix_fallocate(ring->fd, 0,
                        (off_t)(HR_RING_HEADER_BYTES + data_bytes)) != 0) {
        return HR_NO_MEMORY;
    }
    return map(ring, data_bytes);
}

/* In a file of its own. */
static hr_status
create_named(hr_ring *ring, const char *ring_dir,
             const hr_ring_header_label *label)
{
    char folder_path[HR_FOLDER_PATH_MAX];
    char temporary[NAME_SIZE];
    char name[NAME_SIZE];
    int folder = open_folder(ring_dir, folder_path);
    if (folder < 0) {
        return HR_ABSENT;
    }
    snprintf(temporary, sizeof(temporary), ".%.16s.tmp", label->producer);
    snprintf(name, sizeof(name), "%.16s-%.16s.ring", label->target,
             label->producer);
    hr_status status = create_file(ring, folder, temporary, label->data_bytes);
    if (status == HR_OK) {
        hr_ring_header_begin(ring->header, label);
        set_path(ring, folder_path, name);
        if (renameat(folder, temporary, folder, name) != 0) {
            status = HR_SYSTEM;
        }
    }
    if (status != HR_OK) {
        unlinkat(folder, temporary, 0);
        drop_fd(ring);
        hr_ring_file_unmap(ring);
    }
    hr_fork_guard_close(folder);
    return status;
}

hr_status
hr_ring_file_create(hr_ring *ring, const char *ring_dir,
                    const char target[HR_RING_PRODUCER_SIZE],
                    size_t data_bytes)
{
    *ring = (hr_ring){.fd = -1};
    uint64_t random[3];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return HR_SYSTEM;
    }
    hr_ring_header_label label = {
        .data_bytes = data_bytes, .seal = random[1], .secret = random[2]};
    to_hex(random[0], label.producer);
    memcpy(label.target, target, HR_RING_PRODUCER_SIZE);
    hr_status status = HR_ABSENT;
    if (ring_dir == NULL || ring_dir[0] != '\0') {
        status = create_named(ring, ring_dir, &label);
    }
    if (status != HR_OK) {
        status = create_anonymous(ring, data_bytes);
        if (status == HR_OK) {
            hr_ring_header_begin(ring->header, &label);
        }
    }
    if (status == HR_OK) {
        ring->taken = hr_ring_tail(ring);
    }
    return status;
}

bool
hr_ring_file_is_trusted(int fd, const char target[HR_RING_PRODUCER_SIZE],
                        hr_ring_header_label *label)
{
    struct stat found;
    return fstat(fd, &found) == 0 &&
           hr_folder_is_private(&found, S_IFREG, 0600) &&
           found.st_nlink == 1 &&
           pread(fd, label, sizeof(*label), 0) == (ssize_t)sizeof(*label) &&
           hr_ring_header_label_is_sound(label) &&
           (target == NULL ||
            memcmp(label->target, target, HR_RING_PRODUCER_SIZE) == 0) &&
           (uint64_t)found.st_size == HR_RING_HEADER_BYTES + label->data_bytes;
}

/* Positions that a crash can have left; applies the journal. */
static bool
is_sound(hr_ring *ring)
{
    uint64_t head = hr_ring_head(ring);
    uint64_t tail = hr_ring_tail(ring);
    if (tail < hr_ring_header_label_of(ring->header)->first || tail > head ||
        head - tail > ring->units ||
        !hr_ring_header_redo(ring->header, head, &tail)) {
        return false;
    }
    hr_ring_release(ring, tail);
    ring->taken = tail;
    return true;
}

/* Is `name` a ring of the target? */
static bool
is_named(const char *name, const char target[HR_RING_PRODUCER_SIZE])
{
    return strlen(name) == NAME_SIZE - 1 &&
           memcmp(name, target, HR_RING_PRODUCER_SIZE) == 0 &&
           name[HR_RING_PRODUCER_SIZE] == '-' &&
           strcmp(name + 2 * HR_RING_PRODUCER_SIZE + 1, ".ring") == 0;
}

/* A file that was being made when its maker died. */
static void
sweep_temporary(int folder, const char *name)
{
    struct stat found;
    size_t len = strlen(name);
    if (name[0] == '.' && len == HR_RING_PRODUCER_SIZE + 5 &&
        strcmp(name + len - 4, ".tmp") == 0 &&
        fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        hr_folder_is_private(&found, S_IFREG, 0600) &&
        found.st_mtime < hr_clock_wall_ms() / 1000 - TEMPORARY_AGE_S) {
        unlinkat(folder, name, 0);
    }
}

/* Opens and locks `name` as `ring->fd`. OK: it has no owner. TIMEOUT: it has
 * one, or is gone. MALFORMED: not to be trusted. */
static hr_status
lock_ownerless(hr_ring *ring, int folder, const char *name,
               const char target[HR_RING_PRODUCER_SIZE],
               hr_ring_header_label *label)
{
    hr_fork_guard_hold();
    set_fd(ring,
           openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    hr_fork_guard_let_go();
    if (ring->fd < 0) {
        return errno == ENOENT ? HR_TIMEOUT : HR_MALFORMED;
    }
    struct stat locked;
    struct stat named;
    if (flock(ring->fd, LOCK_EX | LOCK_NB) != 0) {
        return HR_TIMEOUT;
    }
    if (fstat(ring->fd, &locked) != 0 ||
        fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) {
        return HR_TIMEOUT;
    }
    return hr_ring_file_is_trusted(ring->fd, target, label) ? HR_OK
                                                            : HR_MALFORMED;
}

/* The name of the oldest ownerless ring; false when there is none. */
static bool
find_oldest(hr_ring *ring, int folder,
            const char target[HR_RING_PRODUCER_SIZE], char oldest[NAME_SIZE],
            hr_ring_file_scan *scan)
{
    int copy = hr_fork_guard_openat(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *listing = copy >= 0 ? fdopendir(copy) : NULL;
    if (listing == NULL) {
        if (copy >= 0) {
            hr_fork_guard_close(copy);
        }
        return false;
    }
    int64_t best = INT64_MAX;
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        hr_ring_header_label label;
        if (!is_named(entry->d_name, target)) {
            sweep_temporary(folder, entry->d_name);
            continue;
        }
        hr_status status =
            lock_ownerless(ring, folder, entry->d_name, target, &label);
        drop_fd(ring);
        if (status == HR_MALFORMED) {
            scan->left_alone++;
        } else if (status == HR_OK) {
            scan->dead++;
            if (label.created_ms < best) {
                best = label.created_ms;
                memcpy(oldest, entry->d_name, NAME_SIZE);
            }
        }
    }
    hr_fork_guard_untrack(copy);
    closedir(listing);
    return scan->dead != 0;
}

hr_status
hr_ring_file_adopt(hr_ring *ring, const char *ring_dir,
                   const char target[HR_RING_PRODUCER_SIZE],
                   hr_ring_file_scan *scan)
{
    *ring = (hr_ring){.fd = -1};
    *scan = (hr_ring_file_scan){0, 0};
    char folder_path[HR_FOLDER_PATH_MAX];
    char name[NAME_SIZE];
    int folder = open_folder(ring_dir, folder_path);
    if (folder < 0) {
        return HR_ABSENT;
    }
    hr_ring_header_label label;
    hr_status status = HR_ABSENT;
    if (find_oldest(ring, folder, target, name, scan) &&
        lock_ownerless(ring, folder, name, target, &label) == HR_OK &&
        map(ring, label.data_bytes) == HR_OK) {
        status = HR_OK;
        ring->adopted = true;
        set_path(ring, folder_path, name);
        if (!is_sound(ring)) {
            status = HR_ABSENT;
            scan->left_alone++;
        }
    }
    hr_fork_guard_close(folder);
    if (status != HR_OK) {
        hr_ring_file_abandon(ring, false);
        hr_ring_file_unmap(ring);
    }
    return status;
}

void
hr_ring_file_abandon(hr_ring *ring, bool remove)
{
    if (remove && ring->fd >= 0 && ring->path[0] != '\0') {
        unlink(ring->path);
    }
    drop_fd(ring);
}

void
hr_ring_file_unmap(hr_ring *ring)
{
    hr_ring_header_free(ring->header, ring->units * 8);
    *ring = (hr_ring){.fd = ring->fd};
}

void
hr_ring_file_forget(hr_ring *ring)
{
    set_fd(ring, -1);
    ring->header = NULL;
    ring->data = NULL;
    ring->path[0] = '\0';
}
