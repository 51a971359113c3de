/* SPDX-License-Identifier: MIT */
/* What an error reply of Redis means for the events that it answers. */
#ifndef PS_REDIS_ERROR_H
#define PS_REDIS_ERROR_H

#include "span.h"

typedef enum ps_redis_error {
    PS_REDIS_WAIT,       /* a state of the server: keep all, try later */
    PS_REDIS_RECONNECT,  /* this server is not the one to talk to */
    PS_REDIS_AUTH,       /* who we are is refused: reconnect, try later */
    PS_REDIS_PERMISSION, /* this command is refused: do without or wait */
    PS_REDIS_CLUSTER,    /* the keys are elsewhere: people must act */
    PS_REDIS_ABORTED,    /* EXECABORT: an earlier reply says why */
    PS_REDIS_REJECT,     /* this event will never be taken */
    PS_REDIS_SUSPECT     /* not in the table: tried again a few times */
} ps_redis_error;

/* The row of the error table for the text behind the minus sign. */
ps_redis_error ps_redis_error_class(ps_span text);

#endif
