/* SPDX-License-Identifier: MIT */
/* The Redis target: brings batches into a stream, exactly once. See
 * docs/internals/delivery.md. */
#ifndef PS_DELIVERY_H
#define PS_DELIVERY_H

#include <stdint.h>

#include "redis_link.h"
#include "span.h"
#include "status.h"
#include "target.h"

/* How an event is kept from arriving twice. */
typedef enum ps_delivery_level {
    PS_DELIVERY_AUTO,   /* the best that the server allows */
    PS_DELIVERY_MARKER, /* exactly once: MULTI, marker, fence */
    PS_DELIVERY_SCRIPT, /* exactly once: a script compares the marker */
    PS_DELIVERY_LEAST   /* at least once: the reader compares `id` */
} ps_delivery_level;

/* All is copied but the URL, which the target takes over when it is made. */
typedef struct ps_delivery_settings {
    ps_redis_url *url;
    int64_t connect_timeout_ns;
    int64_t command_timeout_ns;
    ps_span ca_file; /* these three: absent where there is none */
    ps_span certificate;
    ps_span private_key;
    ps_span stream;
    ps_span client_name;
    uint64_t max_length; /* of the stream; 0: not trimmed */
    ps_delivery_level level;
    size_t batch; /* the most events of one batch */
} ps_delivery_settings;

/* A target that has not connected yet. NO_MEMORY. */
PS_CHECKED ps_status ps_delivery_new(const ps_delivery_settings *settings,
                                     ps_target **target);

#endif
