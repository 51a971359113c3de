/* SPDX-License-Identifier: MIT */
/* Writes commands as Redis reads them: every argument with its length, so
 * that no byte of an argument can be taken for anything else. */
#ifndef HR_REDIS_COMMAND_H
#define HR_REDIS_COMMAND_H

#include "base/buf.h"
#include "base/span.h"

/* Begins a command of `arguments` arguments, the command's name included. Here
 * and below, hr_buf_status tells at the end whether all had room. */
void hr_redis_command_begin(hr_buf *out, size_t arguments);
void hr_redis_command_text(hr_buf *out, hr_span argument);
void hr_redis_command_number(hr_buf *out, uint64_t argument);

/* The key `prefix` `kind` `name` as one argument. */
void hr_redis_command_key(hr_buf *out, hr_span prefix, hr_span kind,
                          hr_span name);

/* A whole command of words, which a space separates; for commands of our own
 * text only. */
void hr_redis_command_words(hr_buf *out, hr_span words);

#endif
