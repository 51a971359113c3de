/* SPDX-License-Identifier: MIT */
/* Two round trips: what must succeed (AUTH, SELECT), then what may be refused
 * and only tells what is possible. HELLO is not sent: RESP2 is all we speak,
 * and proxies and old servers do not know it. */
#include "redis/hello.h"

#include <string.h>

#include "base/config.h"
#include "redis/command.h"
#include "redis/error.h"
#include "base/secret.h"

/* No connection has this id; killing it shows whether killing is allowed. */
#define NO_CLIENT "9223372036854775807"

hr_span
hr_redis_hello_info_field(hr_span info, hr_span name)
{
    while (info.len != 0) {
        const char *end = memchr(info.ptr, '\n', info.len);
        size_t len = end != NULL ? (size_t)(end - info.ptr) : info.len;
        hr_span line = {info.ptr, len};
        info = hr_span_from(info, end != NULL ? len + 1 : len);
        if (line.len > name.len && line.ptr[name.len] == ':' &&
            hr_span_starts_with(line, name)) {
            line = hr_span_from(line, name.len + 1);
            if (line.len != 0 && line.ptr[line.len - 1] == '\r') {
                line.len--;
            }
            return line;
        }
    }
    return HR_NO_SPAN;
}

/* Commands whose refusal ends the connection come first. Returns how many of
 * them there are. */
static size_t
write_login(hr_buf *out, const hr_redis_url *url)
{
    size_t must = 0;
    if (url->password != NULL) {
        hr_redis_command_begin(out, url->user != NULL ? 3 : 2);
        hr_redis_command_text(out, HR_SPAN("AUTH"));
        if (url->user != NULL) {
            hr_redis_command_text(out,
                                  (hr_span){url->user, strlen(url->user)});
        }
        hr_redis_command_text(out,
                              (hr_span){url->password, url->password_len});
        must++;
    }
    if (url->database != 0) {
        hr_redis_command_begin(out, 2);
        hr_redis_command_text(out, HR_SPAN("SELECT"));
        hr_redis_command_number(out, url->database);
        must++;
    }
    return must;
}

static void
write_questions(hr_buf *out, hr_span client_name, hr_span prefix)
{
    hr_redis_command_begin(out, 3);
    hr_redis_command_text(out, HR_SPAN("CLIENT"));
    hr_redis_command_text(out, HR_SPAN("SETNAME"));
    hr_redis_command_text(out, client_name);
    hr_redis_command_words(out, HR_SPAN("CLIENT ID"));
    hr_redis_command_words(out, HR_SPAN("INFO server"));
    hr_redis_command_words(out, HR_SPAN("INFO memory"));
    hr_redis_command_words(out, HR_SPAN("CLIENT KILL ID " NO_CLIENT));
    /* A user of ACL may be let at our own keys only. */
    hr_redis_command_begin(out, 2);
    hr_redis_command_text(out, HR_SPAN("GET"));
    hr_redis_command_key(out, prefix, HR_SPAN("marker:"), HR_SPAN("-"));
    hr_redis_command_words(out, HR_SPAN("MULTI"));
    hr_redis_command_words(out, HR_SPAN("EXEC"));
    hr_redis_command_words(out, HR_SPAN("EVAL return(1) 0"));
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
may_evict(hr_span memory)
{
    hr_span limit = hr_redis_hello_info_field(memory, HR_SPAN("maxmemory"));
    hr_span policy =
        hr_redis_hello_info_field(memory, HR_SPAN("maxmemory_policy"));
    return limit.ptr != NULL && !hr_span_equal(limit, HR_SPAN("0")) &&
           policy.ptr != NULL && !hr_span_equal(policy, HR_SPAN("noeviction"));
}

/* For good, that is: a server that is loading refuses nothing. */
static bool
is_refused(const hr_redis_link_received *received,
           const hr_redis_link_reply *answer)
{
    return answer->type == HR_REDIS_LINK_ERROR &&
           hr_redis_error_class(hr_redis_link_text(received, answer)) !=
               HR_REDIS_ERROR_WAIT;
}

static void
read_answers(const hr_redis_link_received *received,
             const hr_redis_link_reply *const answers[],
             hr_redis_hello_peer *peer)
{
    if (answers[Q_ID]->type == HR_REDIS_LINK_INTEGER &&
        answers[Q_ID]->integer > 0) {
        peer->client_id = (uint64_t)answers[Q_ID]->integer;
    }
    if (answers[Q_SERVER]->type == HR_REDIS_LINK_STRING) {
        hr_span info = hr_redis_link_text(received, answers[Q_SERVER]);
        hr_span run_id = hr_redis_hello_info_field(info, HR_SPAN("run_id"));
        hr_span version =
            hr_redis_hello_info_field(info, HR_SPAN("redis_version"));
        if (run_id.len == HR_RING_RUN_ID_SIZE) {
            memcpy(peer->run_id, run_id.ptr, HR_RING_RUN_ID_SIZE);
        }
        if (version.len < sizeof(peer->version) && version.len != 0) {
            memcpy(peer->version, version.ptr, version.len);
        }
    }
    if (answers[Q_MEMORY]->type == HR_REDIS_LINK_STRING) {
        peer->may_evict =
            may_evict(hr_redis_link_text(received, answers[Q_MEMORY]));
    }
    peer->may_kill = !is_refused(received, answers[Q_KILL]);
    peer->may_read = !is_refused(received, answers[Q_GET]);
    peer->may_multi = !is_refused(received, answers[Q_MULTI]) &&
                      !is_refused(received, answers[Q_EXEC]);
    peer->may_eval = !is_refused(received, answers[Q_EVAL]);
}

/* Sends what was written to `out` and splits the nodes of the replies into
 * `count` answers. */
static hr_status
ask(hr_redis_link *link, hr_wake *wake, const hr_buf *out, size_t count,
    hr_redis_link_received *received, const hr_redis_link_reply *answers[])
{
    hr_status status = hr_buf_status(out);
    if (status == HR_OK) {
        status =
            hr_redis_link_exchange(link, wake, hr_buf_span(out), count, NULL);
    }
    if (status != HR_OK) {
        return status;
    }
    *received = hr_redis_link_read(link);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (at >= received->count) {
            return HR_PROTOCOL;
        }
        answers[i] = &received->nodes[at];
        at += 1 + (size_t)answers[i]->elements;
    }
    return at == received->count ? HR_OK : HR_PROTOCOL;
}

static hr_status
judge_login(const hr_redis_link_received *received,
            const hr_redis_link_reply *const answers[], size_t must,
            hr_span *error)
{
    for (size_t i = 0; i < must; i++) {
        if (answers[i]->type == HR_REDIS_LINK_ERROR) {
            *error = hr_redis_link_text(received, answers[i]);
            hr_redis_error meaning = hr_redis_error_class(*error);
            return meaning == HR_REDIS_ERROR_AUTH ||
                           meaning == HR_REDIS_ERROR_PERMISSION
                       ? HR_AUTH
                       : HR_SERVER;
        }
        if (answers[i]->type != HR_REDIS_LINK_STATUS) {
            return HR_PROTOCOL;
        }
    }
    return HR_OK;
}

hr_status
hr_redis_hello(hr_redis_link *link, hr_wake *wake, const hr_redis_url *url,
               hr_span client_name, hr_span prefix, hr_redis_hello_peer *peer,
               hr_span *error)
{
    const hr_redis_link_reply *answers[QUESTION_COUNT];
    hr_redis_link_received received;
    hr_status status = HR_OK;
    hr_buf out;
    *peer = (hr_redis_hello_peer){0};
    *error = HR_NO_SPAN;
    hr_buf_init(&out, HR_COMMAND_BYTES_MAX);
    size_t must = write_login(&out, url);
    if (must != 0) {
        status = ask(link, wake, &out, must, &received, answers);
        if (status == HR_OK) {
            status = judge_login(&received, answers, must, error);
        }
        if (out.ptr != NULL) {
            hr_secret_wipe(out.ptr, out.len);
        }
        hr_buf_clear(&out);
    }
    if (status == HR_OK) {
        write_questions(&out, client_name, prefix);
        status = ask(link, wake, &out, QUESTION_COUNT, &received, answers);
    }
    hr_buf_fini(&out);
    if (status != HR_OK) {
        return status;
    }
    if (answers[Q_ID]->type == HR_REDIS_LINK_ERROR) {
        hr_span text = hr_redis_link_text(&received, answers[Q_ID]);
        if (hr_redis_error_class(text) == HR_REDIS_ERROR_AUTH) {
            *error = text;
            return HR_AUTH;
        }
    }
    read_answers(&received, answers, peer);
    return HR_OK;
}
