/* SPDX-License-Identifier: MIT */
/* TAP output, and inputs that end at an unreadable page: a read of one byte
 * too many faults at once, also where the sanitizers would see a legal NUL. */
#ifndef HR_TAP_H
#define HR_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/span.h"

static int tap_count;
static int tap_failed;

__attribute__((format(printf, 2, 3), unused)) static int
ok(int passed, const char *why, ...)
{
    va_list args;
    va_start(args, why);
    printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
    vprintf(why, args);
    printf("\n");
    va_end(args);
    if (!passed) {
        tap_failed++;
    }
    return passed;
}

/* Whether this runs under qemu-user, as `make aarch64` has it: there
 * MADV_WIPEONFORK is taken and does nothing. */
__attribute__((unused)) static int
emulated(void)
{
    return getenv("HR_EMULATED") != NULL;
}

/* The plan, and main's return value. */
__attribute__((unused)) static int
done_testing(void)
{
    printf("1..%d\n", tap_count);
    fflush(stdout);
    return tap_failed != 0;
}

/* A copy of `input` whose last byte is the last readable one. Stays mapped
 * until the process ends. */
__attribute__((unused)) static hr_span
guarded(hr_span input)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (input.len + page - 1) / page * page;
    char *map = mmap(NULL, body + page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + body, page, PROT_NONE) != 0) {
        printf("Bail out! no memory for a guarded input\n");
        exit(2);
    }
    char *start = map + body - input.len;
    if (input.len != 0) {
        memcpy(start, input.ptr, input.len);
    }
    return (hr_span){start, input.len};
}

#endif
