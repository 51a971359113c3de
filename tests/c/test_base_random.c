/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <sys/wait.h>

#include "base/random.h"

int
main(void)
{
    static const unsigned char zeroes[16];
    unsigned char a[16];
    unsigned char b[16];
    hr_random *random = hr_random_new();
    ok(random != NULL, "a store that forks do not copy");
    ok(hr_random_take(random, a, 16) == HR_OK &&
           hr_random_take(random, b, 16) == HR_OK && memcmp(a, b, 16) != 0,
       "two takes differ");
    ok(hr_random_take(NULL, b, 16) == HR_OK && memcmp(b, zeroes, 16) != 0,
       "without a store the kernel is asked");
    size_t same = 0;
    for (int i = 0; i < 1000; i++) { /* past several refills */
        same +=
            hr_random_take(random, b, 16) != HR_OK || memcmp(a, b, 16) == 0;
        memcpy(a, b, 16);
    }
    ok(same == 0, "a thousand takes");
    static char big[5000];
    ok(hr_random_take(random, big, sizeof(big)) == HR_OK &&
           memcmp(big + sizeof(big) - 16, zeroes, 16) != 0,
       "more than the store holds");

    int pipes[2];
    if (pipe(pipes) != 0) {
        printf("Bail out! no pipe\n");
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        int failed = hr_random_take(random, b, 16) != HR_OK ||
                     write(pipes[1], b, 16) != 16;
        _exit(failed);
    }
    int status = 1;
    ok(waitpid(child, &status, 0) == child && status == 0 &&
           read(pipes[0], a, 16) == 16,
       "a forked child takes");
    int repeated = 0;
    for (int i = 0; i < 200; i++) { /* all that the store can still hold */
        repeated +=
            hr_random_take(random, b, 16) != HR_OK || memcmp(a, b, 16) == 0;
    }
    ok(repeated == 0 || emulated(), "and its parent never hands out the same");
    hr_random_free(random);
    hr_random_free(NULL);
    return done_testing();
}
