/* SPDX-License-Identifier: MIT */
/* The Redis target: brings batches into a stream, exactly once. See
 * docs/internals/delivery.md. */
#ifndef HR_DELIVERY_H
#define HR_DELIVERY_H

#include <stdint.h>

#include "redis_link.h"
#include "span.h"
#include "status.h"
#include "target.h"

/* How an event is kept from arriving twice. */
typedef enum hr_delivery_level {
    HR_DELIVERY_AUTO,   /* the best that the server allows */
    HR_DELIVERY_MARKER, /* exactly once: MULTI, marker, fence */
    HR_DELIVERY_SCRIPT, /* exactly once: a script compares the marker */
    HR_DELIVERY_LEAST   /* at least once: the reader compares `id` */
} hr_delivery_level;

/* All is copied but the URL, which the target takes over when it is made. */
typedef struct hr_delivery_settings {
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
    hr_delivery_level level;
    size_t batch; /* the most events of one batch */
} hr_delivery_settings;

/* A target that has not connected yet. NO_MEMORY. */
HR_CHECKED hr_status hr_delivery_new(const hr_delivery_settings *settings,
                                     hr_target **target);

#endif
