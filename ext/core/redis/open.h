/* SPDX-License-Identifier: MIT */
/* From a URL to a target: redis://, rediss://, unix://, file: and memory:.
 * Nothing is opened but, for a relative path, the question where we are. */
#ifndef HR_REDIS_OPEN_H
#define HR_REDIS_OPEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"
#include "redis/delivery.h"
#include "sink/target.h"

typedef struct hr_redis_open_result {
    hr_sink_target *target; /* owned, until it is set to NULL */
    hr_buf identity;        /* names the target, without credentials */
    hr_buf greeting;        /* the log line of the first event; empty: none */
    bool in_memory;         /* events stay in this process */
} hr_redis_open_result;

/* Does `url` ask for TLS, so that `ca_file` has a default? */
bool hr_redis_open_is_tls(hr_span url);

/* Makes the target of `url`; `settings->url` is not used. URL: `*why` is a
 * static phrase that quotes nothing of it, or NULL. SETTING, also for file:
 * and memory:, as hr_redis_delivery_check. TOO_BIG, NO_MEMORY, SYSTEM (errno).
 * The result is to be finished in any case. */
HR_CHECKED hr_status
hr_redis_open_target(hr_span url, const hr_redis_delivery_settings *settings,
                     hr_redis_open_result *result, const char **why);

/* Frees what is owned. Twice is fine. */
void hr_redis_open_fini(hr_redis_open_result *result);

#endif
