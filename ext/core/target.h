/* SPDX-License-Identifier: MIT */
/* What a target is to the sink: somewhere to bring batches. Implemented by
 * delivery.c (Redis), target_file.c and target_memory.c. */
#ifndef HR_TARGET_H
#define HR_TARGET_H

#include <stddef.h>

#include "batch.h"
#include "status.h"
#include "wake.h"

typedef struct hr_target hr_target;

/* What people are told about a target. All strings end in NUL. */
typedef struct hr_target_report {
    char delivery[64]; /* the level reached: "exactly-once", ... */
    char server[48];   /* version; "" unknown */
    char detail[192];  /* why the last attempt failed; "" it did not */
} hr_target_report;

typedef struct hr_target_ops {
    /* Brings the waiting events of the batch to the target. OK: none is
     * waiting any more. Else why not; those that wait are offered again, and
     * what became of them is found out first. CLOSED as in wake.h. */
    hr_status (*deliver)(hr_target *target, hr_batch *batch, hr_wake *wake);
    /* A descriptor that is readable when the target wants attention, or -1;
     * and what to do then. NULL: never. */
    int (*fd)(const hr_target *target);
    void (*attend)(hr_target *target);
    /* Fills in what it knows. The thread that delivers. */
    void (*report)(const hr_target *target, hr_target_report *report);
    /* Closes what is open; deliver opens it again. The thread that delivers,
     * before it leaves. */
    void (*close)(hr_target *target);
    /* In a forked child; async-signal-safe. */
    void (*forget)(hr_target *target);
    void (*free)(hr_target *target);
} hr_target_ops;

/* The first member of every target. */
struct hr_target {
    const hr_target_ops *ops;
};

#endif
