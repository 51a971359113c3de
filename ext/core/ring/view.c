/* SPDX-License-Identifier: MIT */
/* Everything is read once into a copy and looked at there. The copy is not of
 * one moment: `accepted` is read again at the end, so that more events seem
 * to be pending rather than fewer than none. */
#include "ring/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fork_guard.h"
#include "ring/file.h"
#include "base/folder.h"

#define SUFFIX ".ring"
#define NAME_LENGTH (2 * HR_RING_PRODUCER_SIZE + sizeof("-" SUFFIX) - 1)
/* The first words of a record, as ring/event.h draws it. */
#define RECORD_WORDS 3
#define TIME_BITS 48

static bool
is_ring(const char *name)
{
    return strlen(name) == NAME_LENGTH && name[HR_RING_PRODUCER_SIZE] == '-' &&
           strcmp(name + NAME_LENGTH - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

/* The time of the record at the tail, when it is committed. */
static int64_t
oldest(int fd, const hr_ring_header *header, uint64_t tail)
{
    uint64_t words[RECORD_WORDS];
    uint64_t units = header->label.data_bytes / 8;
    off_t at = (off_t)(HR_RING_HEADER_BYTES + (tail & (units - 1)) * 8);
    if (pread(fd, words, sizeof(words), at) != (ssize_t)sizeof(words) ||
        words[0] != (tail ^ header->label.seal)) {
        return 0;
    }
    return (int64_t)(words[2] & ((UINT64_C(1) << TIME_BITS) - 1));
}

static void
end_texts(hr_ring_header_beacon *beacon)
{
    beacon->identity[sizeof(beacon->identity) - 1] = '\0';
    beacon->delivery[sizeof(beacon->delivery) - 1] = '\0';
    beacon->server[sizeof(beacon->server) - 1] = '\0';
}

static bool
read_ring(int fd, hr_ring_view *view)
{
    struct stat found;
    hr_ring_header_label label;
    hr_ring_header *header = view->header;
    if (!hr_ring_file_is_trusted(fd, NULL, &label) || fstat(fd, &found) != 0 ||
        pread(fd, (void *)header, sizeof(*header), 0) !=
            (ssize_t)sizeof(*header) ||
        pread(fd, (void *)&header->stats.accepted, sizeof(uint64_t),
              offsetof(hr_ring_header, stats.accepted)) !=
            (ssize_t)sizeof(uint64_t)) {
        return false;
    }
    header->label = label;
    end_texts(&header->beacon);
    view->device = (uint64_t)found.st_dev;
    view->inode = (uint64_t)found.st_ino;
    uint64_t head = atomic_load(&header->head) & ~HR_RING_SEALED;
    uint64_t tail = atomic_load(&header->tail);
    uint64_t used = head >= tail ? (head - tail) * 8 : 0;
    view->used_bytes = used <= label.data_bytes ? used : label.data_bytes;
    view->oldest_ms = used != 0 ? oldest(fd, header, tail) : 0;
    return true;
}

static hr_status
see_all(DIR *listing, hr_ring_view *view,
        bool (*see)(const hr_ring_view *view, const char *name, void *context),
        void *context, size_t *left_alone)
{
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (!is_ring(entry->d_name)) {
            continue;
        }
        int fd = hr_fork_guard_openat(dirfd(listing), entry->d_name,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        if (fd < 0) {
            *left_alone += errno != ENOENT;
            continue;
        }
        bool good = read_ring(fd, view);
        hr_fork_guard_close(fd);
        if (!good) {
            *left_alone += 1;
        } else if (!see(view, entry->d_name, context)) {
            break;
        }
    }
    return HR_OK;
}

hr_status
hr_ring_view_each(const char *ring_dir,
                  bool (*see)(const hr_ring_view *view, const char *name,
                              void *context),
                  void *context, size_t *left_alone)
{
    char folder[HR_FOLDER_PATH_MAX];
    struct stat found;
    *left_alone = 0;
    if (!hr_folder_name(ring_dir, folder)) {
        return HR_SYSTEM;
    }
    if (lstat(folder, &found) != 0) {
        return errno == ENOENT ? HR_OK : HR_SYSTEM;
    }
    if (!S_ISDIR(found.st_mode) || found.st_uid != geteuid()) {
        return HR_SYSTEM;
    }
    hr_ring_view view = {.header = hr_ring_header_new(-1, 0)};
    if (view.header == NULL) {
        return HR_NO_MEMORY;
    }
    hr_status status = HR_SYSTEM;
    int fd = hr_fork_guard_openat(AT_FDCWD, folder,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (listing != NULL) {
        status = see_all(listing, &view, see, context, left_alone);
        hr_fork_guard_untrack(fd);
        closedir(listing);
    } else if (fd >= 0) {
        hr_fork_guard_close(fd);
    }
    hr_ring_header_free(view.header, 0);
    return status;
}
