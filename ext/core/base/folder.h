/* SPDX-License-Identifier: MIT */
/* The folder of this user's own that all our files on a host lie in: rings,
 * totals, salts. Only a folder that nobody else can write to is used. */
#ifndef HR_BASE_FOLDER_H
#define HR_BASE_FOLDER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/status.h"

/* Writes the path of this user's folder below `parent` (NULL: /dev/shm), and
 * touches nothing. False: it is too long. */
bool hr_folder_name(const char *parent, char path[HR_FOLDER_PATH_MAX]);

/* Opens the folder at `path` and makes it where it is missing. Returns a
 * descriptor for hr_fork_guard_close(); -1 with errno set where it cannot be
 * made, or where it is not a folder of this user's own with mode 0700. */
int hr_folder_open(const char *path);

/* Writes the path as hr_folder_name() and makes the folder where it is
 * missing. SYSTEM: as hr_folder_open. */
HR_CHECKED hr_status hr_folder_make(const char *parent,
                                    char path[HR_FOLDER_PATH_MAX]);

/* Does `found` belong to this user, with exactly this type (S_IFREG, S_IFDIR)
 * and mode? */
bool hr_folder_is_private(const struct stat *found, mode_t type, mode_t mode);

#endif
