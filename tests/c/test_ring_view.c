/* SPDX-License-Identifier: MIT */
/* Rings as a stranger reads them; broken ones are in the fuzzer of ring_file
 * and in tests/unit/test_metrics.py. */
#include "events.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ring/view.h"
#include "base/folder.h"

static char folder[] = "/tmp/hr-view-XXXXXX";

typedef struct seen {
    size_t rings;
    uint64_t accepted;
    uint64_t used;
    int64_t oldest_ms;
    uint64_t inode;
} seen;

static bool
look(const hr_ring_view *view, const char *name, void *context)
{
    seen *all = context;
    (void)name;
    all->rings++;
    all->accepted += hr_ring_counters_read(&view->header->stats.accepted);
    all->used = view->used_bytes;
    all->oldest_ms = view->oldest_ms;
    all->inode = view->inode;
    return true;
}

static bool
end(const hr_ring_view *view, const char *name, void *context)
{
    (void)view;
    (void)name;
    ++*(int *)context;
    return false;
}

int
main(void)
{
    hr_ring one;
    hr_ring two;
    size_t left_alone = 1;
    seen all = {0};
    if (mkdtemp(folder) == NULL) {
        return 2;
    }
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_OK &&
           all.rings == 0 && left_alone == 0,
       "no folder: no rings");
    if (hr_ring_file_create(&one, folder, TEST_TARGET, HR_RING_BYTES_MIN) !=
            HR_OK ||
        one.path[0] == '\0') {
        return 2;
    }
    put_number(&one, 1234567890123, "1");
    put_number(&one, 1234567890124, "2");
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_OK &&
           all.rings == 1 && all.accepted == 2 && all.used > 0,
       "an owned ring is read");
    ok(all.oldest_ms == 1234567890123, "the oldest event's time");
    struct stat found;
    ok(stat(one.path, &found) == 0 && all.inode == found.st_ino,
       "where it lies, for who looks for its lock");
    ok(flock(one.fd, LOCK_EX | LOCK_NB) == 0, "its owner still has its lock");

    hr_ring_release(&one, hr_ring_head(&one));
    all = (seen){0};
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_OK &&
           all.used == 0 && all.oldest_ms == 0,
       "settled: nothing waits");

    if (hr_ring_file_create(&two, folder, "fedcba9876543210",
                            HR_RING_BYTES_MIN) != HR_OK) {
        return 2;
    }
    all = (seen){0};
    int ends = 0;
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_OK &&
           all.rings == 2,
       "rings of any target");
    ok(hr_ring_view_each(folder, end, &ends, &left_alone) == HR_OK &&
           ends == 1,
       "ends when asked to");
    chmod(two.path, 0644);
    all = (seen){0};
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_OK &&
           all.rings == 1 && left_alone == 1,
       "one that others may read is left alone");

    hr_alloc_fail_at(1, 0);
    ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_NO_MEMORY,
       "no memory");
    hr_alloc_fail_at(0, 0);

    hr_ring_file_abandon(&one, true);
    hr_ring_file_abandon(&two, true);
    hr_ring_file_unmap(&one);
    hr_ring_file_unmap(&two);
    char inside[HR_FOLDER_PATH_MAX];
    if (hr_folder_name(folder, inside)) {
        rmdir(inside);
        FILE *file = fopen(inside, "w");
        if (file != NULL) {
            fclose(file);
        }
        ok(hr_ring_view_each(folder, look, &all, &left_alone) == HR_SYSTEM,
           "a file in the folder's place");
        unlink(inside);
    }
    rmdir(folder);
    return done_testing();
}
