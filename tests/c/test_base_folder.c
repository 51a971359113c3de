/* SPDX-License-Identifier: MIT */
/* The folder of this user's own, and folders that are not. */
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "base/fork_guard.h"

static char folder[] = "/tmp/headrace-test-XXXXXX";

static int
is_ours(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 &&
           hr_folder_is_private(&found, S_IFDIR, 0700);
}

static void
test_names(void)
{
    char path[HR_FOLDER_PATH_MAX];
    char want[64];
    char parent[HR_FOLDER_PATH_MAX];
    snprintf(want, sizeof(want), "/dev/shm/headrace-%u", geteuid());
    ok(hr_folder_name(NULL, path) && strcmp(path, want) == 0,
       "name: shared memory where nothing else is said");
    memset(parent, 'x', sizeof(parent));
    parent[sizeof(parent) - 1] = '\0';
    ok(!hr_folder_name(parent, path), "name: too long");
    ok(hr_folder_make(parent, path) == HR_SYSTEM, "make: too long");
    ok(hr_folder_name("/nowhere", path) && access("/nowhere", F_OK) != 0,
       "name: touches nothing");
}

static void
test_modes(void)
{
    char path[HR_FOLDER_PATH_MAX];
    ok(hr_folder_make(folder, path) == HR_OK && is_ours(path),
       "make: made, 0700");
    ok(hr_folder_make(folder, path) == HR_OK, "make: it may be there");
    chmod(path, 0755);
    ok(hr_folder_make(folder, path) == HR_SYSTEM,
       "make: a folder that others can read is not ours");
    chmod(path, S_ISGID | 0700);
    ok(hr_folder_make(folder, path) == HR_OK && is_ours(path),
       "make: a group handed down lets nobody in, and is taken off");
    int fd = hr_folder_open(path);
    ok(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
       "open: a descriptor that no program inherits");
    hr_fork_guard_close(fd);
    rmdir(path);
}

static void
test_others(void)
{
    char path[HR_FOLDER_PATH_MAX];
    ok(hr_folder_make("/nowhere/at/all", path) == HR_SYSTEM,
       "make: no such parent");
    ok(hr_folder_name(folder, path) && symlink("/tmp", path) == 0 &&
           hr_folder_open(path) < 0,
       "open: no link is followed");
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY, 0700);
    ok(fd >= 0 && hr_folder_open(path) < 0, "open: a file is no folder");
    close(fd);
    unlink(path);
}

/* mkdir below a setgid folder makes a setgid folder. */
static void
test_setgid(void)
{
    char outside[sizeof(folder) + 8];
    char inside[HR_FOLDER_PATH_MAX];
    struct stat found;
    snprintf(outside, sizeof(outside), "%s/setgid", folder);
    ok(mkdir(outside, 0700) == 0 && chmod(outside, S_ISGID | 0755) == 0,
       "setgid: a folder");
    ok(hr_folder_make(outside, inside) == HR_OK && stat(inside, &found) == 0 &&
           (found.st_mode & 07777) == 0700,
       "setgid: the folder below it is ours alone");
    mode_t before = umask(0177);
    ok(rmdir(inside) == 0 && hr_folder_make(outside, inside) == HR_OK &&
           stat(inside, &found) == 0 && (found.st_mode & 07777) == 0700,
       "setgid: also under a umask that takes from its owner");
    umask(before);
    rmdir(inside);
    rmdir(outside);
}

int
main(void)
{
    if (mkdtemp(folder) == NULL) {
        printf("Bail out! no folder\n");
        return 2;
    }
    test_names();
    test_modes();
    test_others();
    test_setgid();
    rmdir(folder);
    return done_testing();
}
