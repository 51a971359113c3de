/* SPDX-License-Identifier: MIT */
/* What delivery.c and delivery_replies.c share. */
#ifndef PS_DELIVERY_PRIVATE_H
#define PS_DELIVERY_PRIVATE_H

#include <stdbool.h>

#include "delivery.h"
#include "redis_batch.h"
#include "redis_hello.h"
#include "session_touch.h"

/* Strings that live as long as the target. */
enum { CA_FILE, CERTIFICATE, PRIVATE_KEY, STREAM, CLIENT_NAME, OWNED_COUNT };

typedef struct delivery {
    ps_target base;
    ps_delivery_settings settings; /* its spans point into `owned` */
    ps_redis_url url;              /* owned */
    char *owned[OWNED_COUNT];
    ps_redis_link *link;        /* owned */
    ps_redis_peer peer;         /* of the connection */
    ps_delivery_level level;    /* reached on the connection */
    bool connected;             /* hello was answered */
    ps_redis_form form;         /* of the commands, on the connection */
    ps_session_touches touches; /* of the batch */
    ps_buf out;                 /* the commands of one attempt */
    char detail[160];           /* why the last attempt failed */
} delivery;

/* The connection is not wanted any more. */
void ps_delivery_hang_up(delivery *self);

/* Something that cannot be went over the wire, or the link broke: hangs up,
 * keeps the reason for people, answers `status`. */
ps_status ps_delivery_give_up(delivery *self, ps_status status);

/* An error reply that ends the attempt, by what it means: hangs up where that
 * is the answer, keeps the text for people. SERVER or AUTH. */
ps_status ps_delivery_refuse(delivery *self, ps_span text);

/* Keeps a text for people. */
void ps_delivery_explain(delivery *self, ps_span text);

/* Judges the replies to a batch as it was written for each level. OK: what
 * still waits is to be sent again at once; all else as deliver. */
PS_CHECKED ps_status ps_delivery_replies_transaction(
    delivery *self, ps_batch *batch, const ps_redis_written *written);
PS_CHECKED ps_status ps_delivery_replies_script(
    delivery *self, ps_batch *batch, const ps_redis_written *written);
PS_CHECKED ps_status ps_delivery_replies_plain(
    delivery *self, ps_batch *batch, const ps_redis_written *written);

#endif
