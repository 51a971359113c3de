/* SPDX-License-Identifier: MIT */
/* Hostile until proven ours: opened without following links, then checked by
 * descriptor. */
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fork_guard.h"

#define DEFAULT_PARENT "/dev/shm"

bool
hr_folder_is_private(const struct stat *found, mode_t type, mode_t mode)
{
    return (found->st_mode & S_IFMT) == type && found->st_uid == geteuid() &&
           (found->st_mode & 07777) == mode;
}

bool
hr_folder_name(const char *parent, char path[HR_FOLDER_PATH_MAX])
{
    if (parent == NULL) {
        parent = DEFAULT_PARENT;
    }
    int len = snprintf(path, HR_FOLDER_PATH_MAX, "%s/headrace-%lu", parent,
                       (unsigned long)geteuid());
    return len >= 0 && len < HR_FOLDER_PATH_MAX;
}

int
hr_folder_open(const char *path)
{
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) {
        return -1;
    }
    int fd = hr_fork_guard_openat(AT_FDCWD, path,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct stat found;
    if (fd < 0) {
        return -1;
    }
    /* Below a setgid folder mkdir hands the bit down, which lets nobody in; a
     * umask may have taken others away. */
    bool ours = fstat(fd, &found) == 0 && found.st_uid == geteuid();
    if (ours && (made || (found.st_mode & 07777) == (S_ISGID | 0700))) {
        ours = fchmod(fd, 0700) == 0 && fstat(fd, &found) == 0;
    }
    if (!ours || !hr_folder_is_private(&found, S_IFDIR, 0700)) {
        hr_fork_guard_close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

hr_status
hr_folder_make(const char *parent, char path[HR_FOLDER_PATH_MAX])
{
    if (!hr_folder_name(parent, path)) {
        return HR_SYSTEM;
    }
    int fd = hr_folder_open(path);
    if (fd < 0) {
        return HR_SYSTEM;
    }
    hr_fork_guard_close(fd);
    return HR_OK;
}
