/* SPDX-License-Identifier: MIT */
/* A planted bug: two threads add to one counter without an atomic or a lock.
 * `make tsan` runs this first, and goes on only if ThreadSanitizer reports
 * it. */
#include <pthread.h>
#include <stdio.h>

static long counter;

static void *
count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        counter++; /* the bug */
    }
    return NULL;
}

int
main(void)
{
    pthread_t one;
    pthread_t two;
    if (pthread_create(&one, NULL, count, NULL) != 0 ||
        pthread_create(&two, NULL, count, NULL) != 0) {
        return 2;
    }
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    printf("%ld\n", counter);
    return 0;
}
