/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli, RFC 3720 appendix B.4). */
#ifndef HR_BASE_CRC32C_H
#define HR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `len` bytes going on from `crc` (0 to begin). Chaining two
 * calls gives the checksum of the concatenation. Any thread. */
uint32_t hr_crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same in plain C, whatever the processor offers: the model that the
 * test holds the fast one against. */
uint32_t hr_crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
