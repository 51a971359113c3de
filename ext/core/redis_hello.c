/* SPDX-License-Identifier: MIT */
/* Two round trips: what must succeed (AUTH, SELECT), then what may be refused
 * and only tells what is possible. HELLO is not sent: RESP2 is all we speak,
 * and proxies and old servers do not know it. */
#include "redis_hello.h"

#include <string.h>

#include "config.h"
#include "redis_command.h"
#include "redis_error.h"
#include "signature.h"

/* No connection has this id; killing it shows whether killing is allowed. */
#define NO_CLIENT "9223372036854775807"

ps_span
ps_redis_info_field(ps_span info, ps_span name)
{
    while (info.len != 0) {
        const char *end = memchr(info.ptr, '\n', info.len);
        size_t len = end != NULL ? (size_t)(end - info.ptr) : info.len;
        ps_span line = {info.ptr, len};
        info = ps_span_from(info, end != NULL ? len + 1 : len);
        if (line.len > name.len && line.ptr[name.len] == ':' &&
            ps_span_starts_with(line, name)) {
            line = ps_span_from(line, name.len + 1);
            if (line.len != 0 && line.ptr[line.len - 1] == '\r') {
                line.len--;
            }
            return line;
        }
    }
    return PS_NO_SPAN;
}

/* Commands whose refusal ends the connection come first; `*must` of them. */
static ps_status
write_login(ps_buf *out, const ps_redis_url *url, size_t *must)
{
    ps_status status = PS_OK;
    *must = 0;
    if (url->password != NULL) {
        status = ps_redis_command_begin(out, url->user != NULL ? 3 : 2);
        if (status == PS_OK) {
            status = ps_redis_command_text(out, PS_SPAN("AUTH"));
        }
        if (status == PS_OK && url->user != NULL) {
            status = ps_redis_command_text(
                out, (ps_span){url->user, strlen(url->user)});
        }
        if (status == PS_OK) {
            status = ps_redis_command_text(
                out, (ps_span){url->password, url->password_len});
        }
        ++*must;
    }
    if (status == PS_OK && url->database != 0) {
        status = ps_redis_command_begin(out, 2);
        if (status == PS_OK) {
            status = ps_redis_command_text(out, PS_SPAN("SELECT"));
        }
        if (status == PS_OK) {
            status = ps_redis_command_number(out, url->database);
        }
        ++*must;
    }
    return status;
}

static ps_status
write_questions(ps_buf *out, ps_span client_name)
{
    ps_status status = ps_redis_command_begin(out, 3);
    if (status == PS_OK) {
        status = ps_redis_command_text(out, PS_SPAN("CLIENT"));
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(out, PS_SPAN("SETNAME"));
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(out, client_name);
    }
    static const char *const QUESTIONS[] = {
        "CLIENT ID",
        "INFO server",
        "INFO memory",
        ("CLIENT KILL ID " NO_CLIENT),
        "GET penstock:marker:-",
        "MULTI",
        "EXEC",
        "EVAL return(1) 0",
    };
    for (size_t i = 0;
         status == PS_OK && i < sizeof(QUESTIONS) / sizeof(QUESTIONS[0]);
         i++) {
        status = ps_redis_command_words(
            out, (ps_span){QUESTIONS[i], strlen(QUESTIONS[i])});
    }
    return status;
}

enum {
    Q_SETNAME,
    Q_ID,
    Q_SERVER,
    Q_MEMORY,
    Q_KILL,
    Q_GET,
    Q_MULTI,
    Q_EXEC,
    Q_EVAL,
    QUESTION_COUNT
};

static bool
may_evict(ps_span memory)
{
    ps_span limit = ps_redis_info_field(memory, PS_SPAN("maxmemory"));
    ps_span policy = ps_redis_info_field(memory, PS_SPAN("maxmemory_policy"));
    return limit.ptr != NULL && !ps_span_equal(limit, PS_SPAN("0")) &&
           policy.ptr != NULL && !ps_span_equal(policy, PS_SPAN("noeviction"));
}

/* For good, that is: a server that is loading refuses nothing. */
static bool
is_refused(const ps_redis_link *link, const ps_reply *answer)
{
    return answer->type == PS_REPLY_ERROR &&
           ps_redis_error_class(ps_redis_link_text(link, answer)) !=
               PS_REDIS_WAIT;
}

static void
read_answers(const ps_redis_link *link, const ps_reply *const answers[],
             ps_redis_peer *peer)
{
    if (answers[Q_ID]->type == PS_REPLY_INTEGER &&
        answers[Q_ID]->integer > 0) {
        peer->client_id = (uint64_t)answers[Q_ID]->integer;
    }
    if (answers[Q_SERVER]->type == PS_REPLY_STRING) {
        ps_span info = ps_redis_link_text(link, answers[Q_SERVER]);
        ps_span run_id = ps_redis_info_field(info, PS_SPAN("run_id"));
        ps_span version = ps_redis_info_field(info, PS_SPAN("redis_version"));
        if (run_id.len == PS_RUN_ID_SIZE) {
            memcpy(peer->run_id, run_id.ptr, PS_RUN_ID_SIZE);
        }
        if (version.len < sizeof(peer->version) && version.len != 0) {
            memcpy(peer->version, version.ptr, version.len);
        }
    }
    if (answers[Q_MEMORY]->type == PS_REPLY_STRING) {
        peer->may_evict =
            may_evict(ps_redis_link_text(link, answers[Q_MEMORY]));
    }
    peer->may_kill = !is_refused(link, answers[Q_KILL]);
    peer->may_read = !is_refused(link, answers[Q_GET]);
    peer->may_multi = !is_refused(link, answers[Q_MULTI]) &&
                      !is_refused(link, answers[Q_EXEC]);
    peer->may_eval = !is_refused(link, answers[Q_EVAL]);
}

/* Splits the nodes into `count` answers. */
static ps_status
split(const ps_redis_link *link, size_t count, const ps_reply *answers[])
{
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(link, &nodes);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (at >= nodes) {
            return PS_PROTOCOL;
        }
        answers[i] = &reply[at];
        at += 1 + (size_t)reply[at].elements;
    }
    return at == nodes ? PS_OK : PS_PROTOCOL;
}

static ps_status
judge_login(const ps_redis_link *link, const ps_reply *const answers[],
            size_t must, ps_span *error)
{
    for (size_t i = 0; i < must; i++) {
        if (answers[i]->type == PS_REPLY_ERROR) {
            *error = ps_redis_link_text(link, answers[i]);
            ps_redis_error meaning = ps_redis_error_class(*error);
            return meaning == PS_REDIS_AUTH || meaning == PS_REDIS_PERMISSION
                       ? PS_AUTH
                       : PS_SERVER;
        }
        if (answers[i]->type != PS_REPLY_STATUS) {
            return PS_PROTOCOL;
        }
    }
    return PS_OK;
}

ps_status
ps_redis_hello(ps_redis_link *link, ps_wake *wake, const ps_redis_url *url,
               ps_span client_name, ps_redis_peer *peer, ps_span *error)
{
    const ps_reply *answers[QUESTION_COUNT];
    size_t must;
    ps_buf out;
    *peer = (ps_redis_peer){0};
    *error = PS_NO_SPAN;
    ps_buf_init(&out, PS_COMMAND_BYTES_MAX);
    ps_status status = write_login(&out, url, &must);
    if (status == PS_OK && must != 0) {
        status = ps_redis_link_exchange(
            link, wake, (ps_span){out.ptr, out.len}, must, NULL);
        if (status == PS_OK) {
            status = split(link, must, answers);
        }
        if (status == PS_OK) {
            status = judge_login(link, answers, must, error);
        }
    }
    if (out.ptr != NULL) {
        ps_wipe(out.ptr, out.len);
    }
    out.len = 0;
    if (status == PS_OK) {
        status = write_questions(&out, client_name);
    }
    if (status == PS_OK) {
        status = ps_redis_link_exchange(
            link, wake, (ps_span){out.ptr, out.len}, QUESTION_COUNT, NULL);
    }
    ps_buf_fini(&out);
    if (status == PS_OK) {
        status = split(link, QUESTION_COUNT, answers);
    }
    if (status == PS_OK) {
        if (answers[Q_ID]->type == PS_REPLY_ERROR) {
            ps_span text = ps_redis_link_text(link, answers[Q_ID]);
            if (ps_redis_error_class(text) == PS_REDIS_AUTH) {
                *error = text;
                return PS_AUTH;
            }
        }
        read_answers(link, answers, peer);
    }
    return status;
}
