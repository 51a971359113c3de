/* SPDX-License-Identifier: MIT */
/* A planted bug: reads one byte past a heap block. `make asan` runs this
 * first, as a program and as a library inside Python, and goes on only if
 * AddressSanitizer reports it. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int planted_bug(int size);

int
planted_bug(int size)
{
    volatile char *block = calloc((size_t)size, 1);
    if (block == NULL) {
        return 0;
    }
    int beyond = block[size]; /* the bug */
    free((void *)block);
    return beyond;
}

int
main(int argc, char **argv)
{
    (void)argv;
    printf("%d\n", planted_bug(argc + 7));
    return 0;
}
