/* SPDX-License-Identifier: MIT */
/* Writes commands as Redis reads them: every argument with its length, so
 * that no byte of an argument can be taken for anything else. */
#ifndef PS_REDIS_COMMAND_H
#define PS_REDIS_COMMAND_H

#include "buf.h"
#include "span.h"
#include "status.h"

/* Begins a command of `arguments` arguments, the command's name included.
 * TOO_BIG, NO_MEMORY; so do the others. */
PS_CHECKED ps_status ps_redis_command_begin(ps_buf *out, size_t arguments);
PS_CHECKED ps_status ps_redis_command_text(ps_buf *out, ps_span argument);
PS_CHECKED ps_status ps_redis_command_number(ps_buf *out, uint64_t argument);

/* A whole command of words, which a space separates; for commands of our own
 * text only. */
PS_CHECKED ps_status ps_redis_command_words(ps_buf *out, ps_span words);

#endif
