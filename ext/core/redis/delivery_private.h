/* SPDX-License-Identifier: MIT */
/* What redis/delivery.c and redis/delivery_replies.c share. */
#ifndef HR_REDIS_DELIVERY_PRIVATE_H
#define HR_REDIS_DELIVERY_PRIVATE_H

#include <stdbool.h>

#include "redis/delivery.h"
#include "redis/transaction.h"
#include "redis/hello.h"
#include "redis/session.h"

/* Strings that live as long as the target. */
enum {
    CA_FILE,
    CERTIFICATE,
    PRIVATE_KEY,
    PREFIX,
    STREAM,
    CLIENT_NAME,
    STREAM_KEY,
    OWNED_COUNT
};

typedef struct delivery {
    hr_sink_target base;
    hr_redis_delivery_settings settings; /* its spans point into `owned` */
    hr_redis_url url;                    /* owned */
    char *owned[OWNED_COUNT];
    hr_redis_link *link;              /* owned */
    hr_redis_hello_peer peer;         /* of the connection */
    hr_redis_delivery_level level;    /* reached on the connection */
    bool connected;                   /* hello was answered */
    hr_redis_transaction_form form;   /* of the commands, on the connection */
    hr_redis_session_touches touches; /* of the batch */
    hr_buf out;                       /* the commands of one attempt */
    char detail[160];                 /* why the last attempt failed */
} delivery;

/* The connection is not wanted any more. */
void hr_redis_delivery_hang_up(delivery *self);

/* Something that cannot be went over the wire, or the link broke: hangs up,
 * keeps the reason for people, answers `status`. */
hr_status hr_redis_delivery_give_up(delivery *self, hr_status status);

/* An error reply that ends the attempt, by what it means: hangs up where that
 * is the answer, keeps the text for people. SERVER or AUTH. */
hr_status hr_redis_delivery_refuse(delivery *self, hr_span text);

/* Keeps a text for people. */
void hr_redis_delivery_explain(delivery *self, hr_span text);

/* Judges the replies to a batch as it was written for each level. OK: what
 * still waits is to be sent again at once; all else as deliver. */
HR_CHECKED hr_status hr_redis_delivery_replies_transaction(
    delivery *self, hr_ring_batch *batch,
    const hr_redis_transaction_written *written);
HR_CHECKED hr_status
hr_redis_delivery_replies_script(delivery *self, hr_ring_batch *batch,
                                 const hr_redis_transaction_written *written);
HR_CHECKED hr_status
hr_redis_delivery_replies_plain(delivery *self, hr_ring_batch *batch,
                                const hr_redis_transaction_written *written);

#endif
