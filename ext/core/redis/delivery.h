/* SPDX-License-Identifier: MIT */
/* The Redis target: brings batches into a stream, exactly once. See
 * docs/internals/delivery.md. */
#ifndef HR_REDIS_DELIVERY_H
#define HR_REDIS_DELIVERY_H

#include <stdint.h>

#include "redis/link.h"
#include "base/span.h"
#include "base/status.h"
#include "sink/target.h"

/* How an event is kept from arriving twice. */
typedef enum hr_redis_delivery_level {
    HR_REDIS_DELIVERY_AUTO,   /* the best that the server allows */
    HR_REDIS_DELIVERY_MARKER, /* exactly once: MULTI, marker, fence */
    HR_REDIS_DELIVERY_SCRIPT, /* exactly once: a script compares the marker */
    HR_REDIS_DELIVERY_LEAST   /* at least once: the reader compares `id` */
} hr_redis_delivery_level;

/* All is copied but the URL, which the target takes over when it is made. */
typedef struct hr_redis_delivery_settings {
    hr_redis_url *url;
    int64_t connect_timeout_ns;
    int64_t command_timeout_ns;
    hr_span ca_file; /* these three: absent where there is none */
    hr_span certificate;
    hr_span private_key;
    hr_span prefix; /* of every key; up to HR_PREFIX_MAX bytes */
    hr_span stream; /* without the prefix */
    hr_span client_name;
    uint64_t max_length; /* of the stream; 0: not trimmed */
    hr_redis_delivery_level level;
    size_t batch; /* the most events of one batch */
} hr_redis_delivery_settings;

/* Are the settings beside the URL in range? SETTING: `*why` names the one that
 * is not. */
HR_CHECKED hr_status hr_redis_delivery_check(
    const hr_redis_delivery_settings *settings, const char **why);

/* A target that has not connected yet, of settings that are in range.
 * NO_MEMORY. */
HR_CHECKED hr_status hr_redis_delivery_new(
    const hr_redis_delivery_settings *settings, hr_sink_target **target);

#endif
