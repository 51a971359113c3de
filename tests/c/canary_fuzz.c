/* SPDX-License-Identifier: MIT */
/* A planted bug: an input that begins with four certain bytes is read beyond
 * its end. `make fuzz` runs this first, and goes on only if the fuzzer finds
 * these bytes and AddressSanitizer reports the read. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile uint8_t sum;
    if (size >= 4 && data[0] == 'g' && data[1] == 'a' && data[2] == 't' &&
        data[3] == 'e') {
        for (size_t i = 0; i <= size; i++) { /* the bug: <= */
            sum = (uint8_t)(sum + data[i]);
        }
    }
    return 0;
}
