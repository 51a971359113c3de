/* SPDX-License-Identifier: MIT */
/* What a target is to the sink: somewhere to bring batches. Implemented by
 * redis/delivery.c (Redis), sink/file.c and sink/memory.c. */
#ifndef HR_SINK_TARGET_H
#define HR_SINK_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "ring/batch.h"
#include "base/status.h"
#include "base/wake.h"

typedef struct hr_sink_target hr_sink_target;

/* What people are told about a target. All strings end in NUL. */
typedef struct hr_sink_target_report {
    char delivery[64]; /* the level reached: "exactly-once", ... */
    char server[48];   /* version; "" unknown */
    bool may_evict;    /* it may throw events away when memory is short */
    char detail[192];  /* why the last attempt failed; "" it did not */
} hr_sink_target_report;

typedef struct hr_sink_target_ops {
    /* Brings the waiting events of the batch to the target. OK: none is
     * waiting any more. Else why not; those that wait are offered again, and
     * what became of them is found out first. CLOSED as in base/wake.h. */
    hr_status (*deliver)(hr_sink_target *target, hr_ring_batch *batch,
                         hr_wake *wake);
    /* A descriptor that is readable when the target wants attention, or -1;
     * and what to do then. NULL: never. */
    int (*fd)(const hr_sink_target *target);
    void (*attend)(hr_sink_target *target);
    /* Fills in what it knows. The thread that delivers. */
    void (*report)(const hr_sink_target *target,
                   hr_sink_target_report *report);
    /* Closes what is open; deliver opens it again. The thread that delivers,
     * before it leaves. */
    void (*close)(hr_sink_target *target);
    /* In a forked child; async-signal-safe. */
    void (*forget)(hr_sink_target *target);
    void (*free)(hr_sink_target *target);
} hr_sink_target_ops;

/* The first member of every target. */
struct hr_sink_target {
    const hr_sink_target_ops *ops;
};

#endif
