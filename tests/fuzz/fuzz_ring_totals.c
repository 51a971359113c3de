/* SPDX-License-Identifier: MIT */
/* Any bytes as the totals file: read or begun anew, and then added to. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/totals.h"
#include "../c/events.h"
#include "base/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/hr-fuzz-XXXXXX";
static char path[HR_RING_PATH_MAX + 64];

static void
clean_up(void)
{
    char inside[HR_FOLDER_PATH_MAX];
    unlink(path);
    if (hr_folder_make(folder, inside) == HR_OK) {
        rmdir(inside);
    }
    rmdir(folder);
}

static void
prepare(void)
{
    char inside[HR_FOLDER_PATH_MAX];
    if (mkdtemp(folder) == NULL || hr_folder_make(folder, inside) != HR_OK) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/" TEST_TARGET ".totals", inside);
    atexit(clean_up);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _Alignas(64) static hr_ring_counters before;
    _Alignas(64) static hr_ring_counters after;
    _Alignas(64) static hr_ring_counters one;
    size_t rings = 0;
    if (path[0] == '\0') {
        prepare();
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    close(fd);
    assert(hr_ring_totals_read(folder, TEST_TARGET, &before, &rings, NULL) ==
           HR_OK);
    assert(rings == 0);
    atomic_store(&one.accepted, 7);
    assert(hr_ring_totals_add(folder, TEST_TARGET, &one) == HR_OK);
    assert(hr_ring_totals_read(folder, TEST_TARGET, &after, &rings, NULL) ==
           HR_OK);
    assert(hr_ring_counters_read(&after.accepted) ==
           hr_ring_counters_read(&before.accepted) + 7);
    assert(hr_ring_counters_read(&after.delivered) ==
           hr_ring_counters_read(&before.delivered));
    return 0;
}
