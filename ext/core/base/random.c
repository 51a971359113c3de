/* SPDX-License-Identifier: MIT */
/* The store lies in a page marked MADV_WIPEONFORK. In a child it is all
 * zeroes, which reads as "nothing left, nobody inside": no pid has to be
 * asked for, and a fork in the middle of a take leaves no lock behind.
 *
 * `busy` is a lock that nobody waits for: who finds it taken asks the kernel
 * directly. */
#include "base/random.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/fork_guard.h"
#include "base/secret.h"

#define STORE_BYTES 2048

struct hr_random {
    atomic_bool busy;
    uint32_t left; /* guarded by busy: bytes[0 .. left) are fresh */
    uint8_t bytes[STORE_BYTES];
};

hr_status
hr_random_fill(void *out, size_t size)
{
    uint8_t *at = out;
    while (size != 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return HR_SYSTEM;
        }
        at += got;
        size -= (size_t)got;
    }
    return HR_OK;
}

hr_random *
hr_random_new(void)
{
    return hr_fork_guard_page_new(sizeof(hr_random), NULL);
}

void
hr_random_free(hr_random *random)
{
    hr_fork_guard_page_free(random, sizeof(*random));
}

hr_status
hr_random_take(hr_random *random, void *out, size_t size)
{
    if (random == NULL || size > STORE_BYTES ||
        atomic_exchange_explicit(&random->busy, true, memory_order_acquire)) {
        return hr_random_fill(out, size);
    }
    hr_status status = HR_OK;
    if (random->left < size) {
        random->left = 0;
        status = hr_random_fill(random->bytes, STORE_BYTES);
        random->left = status == HR_OK ? STORE_BYTES : 0;
    }
    if (status == HR_OK) {
        random->left -= (uint32_t)size;
        memcpy(out, random->bytes + random->left, size);
        hr_secret_wipe(random->bytes + random->left, size);
    }
    atomic_store_explicit(&random->busy, false, memory_order_release);
    return status;
}
