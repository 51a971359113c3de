/* SPDX-License-Identifier: MIT */
/* The processor's own instruction on x86-64 with SSE 4.2 (8 bytes in 3
 * cycles) and on aarch64 built with +crc, else four bits a step. */
#include "base/crc32c.h"

#include <string.h>

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

uint32_t
hr_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
    /* The reflected polynomial 0x82F63B78, four bits at a time. */
    static const uint32_t NIBBLE[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
        0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
        0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
    };
    const unsigned char *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ NIBBLE[crc & 15];
        crc = crc >> 4 ^ NIBBLE[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *bytes, size_t len)
{
    const char *p = bytes;
    uint64_t wide = ~crc;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
        p += 8;
        len -= 8;
    }
    uint32_t narrow = (uint32_t)wide;
    if ((len & 4) != 0) {
        uint32_t half;
        memcpy(&half, p, 4);
        narrow = __builtin_ia32_crc32si(narrow, half);
        p += 4;
    }
    if ((len & 2) != 0) {
        uint16_t quarter;
        memcpy(&quarter, p, 2);
        narrow = __builtin_ia32_crc32hi(narrow, quarter);
        p += 2;
    }
    if ((len & 1) != 0) {
        narrow = __builtin_ia32_crc32qi(narrow, (unsigned char)*p);
    }
    return ~narrow;
}

uint32_t
hr_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(crc, bytes, len);
    }
    return hr_crc32c_portable(crc, bytes, len);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
uint32_t
hr_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    const char *p = bytes;
    crc = ~crc;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
        p += 8;
        len -= 8;
    }
    while (len > 0) {
        crc = __crc32cb(crc, (unsigned char)*p);
        p++;
        len--;
    }
    return ~crc;
}
#else
uint32_t
hr_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return hr_crc32c_portable(crc, bytes, len);
}
#endif
