/* SPDX-License-Identifier: MIT */
/* What an error reply of Redis means for the events that it answers. */
#ifndef HR_REDIS_ERROR_H
#define HR_REDIS_ERROR_H

#include "base/span.h"

typedef enum hr_redis_error {
    HR_REDIS_ERROR_WAIT,      /* a state of the server: keep all, try later */
    HR_REDIS_ERROR_RECONNECT, /* this server is not the one to talk to */
    HR_REDIS_ERROR_AUTH,      /* who we are is refused: reconnect, try later */
    HR_REDIS_ERROR_PERMISSION, /* this command is refused: do without or wait
                                */
    HR_REDIS_ERROR_CLUSTER,    /* the keys are elsewhere: people must act */
    HR_REDIS_ERROR_ABORTED,    /* EXECABORT: an earlier reply says why */
    HR_REDIS_ERROR_REJECT,     /* this event will never be taken */
    HR_REDIS_ERROR_SUSPECT     /* not in the table: tried again a few times */
} hr_redis_error;

/* The row of the error table for the text behind the minus sign. */
hr_redis_error hr_redis_error_class(hr_span text);

#endif
