/* SPDX-License-Identifier: MIT */
/* What the core needs of a crypto library beside signatures: HMAC-SHA256 with
 * a prepared key, constant-time equality, and wiping. */
#ifndef HR_BASE_SECRET_H
#define HR_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

#define HR_SECRET_SHA256_SIZE 32

/* A prepared HMAC-SHA256 key: the hash states after the inner and the outer
 * padding block. Plain bytes, no pointers: copy and wipe it freely. */
typedef struct hr_secret_hmac {
    uint64_t inner[16];
    uint64_t outer[16];
} hr_secret_hmac;

/* `secret` of any length above 0. KEY_EMPTY for an empty one. */
HR_CHECKED hr_status hr_secret_hmac_init(hr_secret_hmac *key, hr_span secret);

/* HMAC-SHA256 of the concatenated `parts`. Any thread. */
void hr_secret_hmac_sign(const hr_secret_hmac *key, const hr_span *parts,
                         size_t count, uint8_t out[HR_SECRET_SHA256_SIZE]);

/* Equal bytes, in time that depends on `size` only. */
bool hr_secret_equal(const void *a, const void *b, size_t size);

/* Overwrites `size` bytes in a way the compiler keeps. */
void hr_secret_wipe(void *block, size_t size);

#endif
