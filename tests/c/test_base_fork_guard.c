/* SPDX-License-Identifier: MIT */
/* What a forked child finds: entries told, short-lived descriptors closed. */
#include "tap.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/fork_guard.h"

static int told[3];

static void
tell(void *context)
{
    ++*(int *)context;
}

/* What `look` answers in a forked child. */
static int
in_child(int (*look)(void))
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        _exit(look());
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("Bail out! no child\n");
        exit(2);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
told_as_bits(void)
{
    return told[0] | told[1] << 2 | told[2] << 4;
}

static int tracked;
static int untracked;

static int
open_as_bits(void)
{
    return (fcntl(tracked, F_GETFD) >= 0) | (fcntl(untracked, F_GETFD) >= 0)
                                                << 1;
}

/* A child of a child is told again. */
static int
grandchild(void)
{
    return in_child(told_as_bits);
}

int
main(void)
{
    hr_fork_guard_entry entries[3] = {
        {.forget = tell, .context = &told[0]},
        {.forget = tell, .context = &told[1]},
        {.forget = tell, .context = &told[2]},
    };
    for (int i = 0; i < 3; i++) {
        ok(hr_fork_guard_register(&entries[i]) == HR_OK, "entry %d", i);
    }
    ok(in_child(told_as_bits) == (1 | 1 << 2 | 1 << 4),
       "a child tells every entry once");
    ok(told_as_bits() == 0, "the parent tells none");
    hr_fork_guard_unregister(&entries[1]);
    ok(in_child(told_as_bits) == (1 | 1 << 4), "an entry that is out is not");
    ok(in_child(grandchild) == (2 | 2 << 4), "a child's child tells again");
    hr_fork_guard_unregister(&entries[0]);
    hr_fork_guard_unregister(&entries[2]);
    ok(in_child(told_as_bits) == 0, "none is left");

    tracked = hr_fork_guard_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
    untracked = hr_fork_guard_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
    hr_fork_guard_untrack(untracked);
    ok(tracked >= 0 && untracked >= 0, "two descriptors");
    ok((fcntl(tracked, F_GETFD) & FD_CLOEXEC) != 0,
       "a descriptor is not inherited by exec");
    ok(in_child(open_as_bits) == 2,
       "a child closes the short-lived one, and no other");
    ok(open_as_bits() == 3, "the parent keeps both");
    hr_fork_guard_close(tracked);
    close(untracked);
    ok(hr_fork_guard_openat(AT_FDCWD, "/nowhere", O_RDONLY, 0) < 0,
       "what cannot be opened is told");
    for (int i = 0; i < 200; i++) {
        hr_fork_guard_hold();
        hr_fork_guard_let_go();
    }
    ok(in_child(open_as_bits) >= 0, "fork goes on after hold and let go");
    return done_testing();
}
