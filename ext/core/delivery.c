/* SPDX-License-Identifier: MIT */
/* A batch goes out as one transaction:
 *
 *   MULTI
 *   XADD <stream> MAXLEN ~ <n> * id <producer>-<sequence> kind .. time .. ..
 *   ...                                     one for each waiting event
 *   SET penstock:marker:<producer> <last sequence> EX <7 days>
 *   EXEC
 *
 * so the marker says at any time which events Redis has. After a break it is
 * unknown whether the transaction was, or still will be, executed: the bytes
 * may wait in the server. Hence the order on the new connection: the old
 * client is killed by its id (the fence), then the marker is read, then what
 * lies above it is sent again. The fence stands in the ring's header before
 * the first batch of a connection is sent, so that an adopter can do the same.
 *
 * A reply is matched by type and shape, never just counted. Anything
 * unexpected closes the connection and leaves the batch in doubt. */
#include "delivery_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "config.h"
#include "redis_command.h"
#include "redis_error.h"

void
ps_delivery_explain(delivery *self, ps_span text)
{
    snprintf(self->detail, sizeof(self->detail), "%.*s",
             (int)(text.len < 150 ? text.len : 150),
             text.ptr != NULL ? text.ptr : "");
}

void
ps_delivery_hang_up(delivery *self)
{
    ps_redis_link_close(self->link);
    self->connected = false;
}

/* The connection cannot be used any more. */
ps_status
ps_delivery_give_up(delivery *self, ps_status status)
{
    const char *detail = ps_redis_link_detail(self->link);
    if (detail[0] != '\0') {
        ps_delivery_explain(self, (ps_span){detail, strlen(detail)});
    } else if (status == PS_PROTOCOL) {
        ps_delivery_explain(
            self, PS_SPAN("a reply of another shape than asked for"));
    }
    ps_delivery_hang_up(self);
    return status;
}

/* ---- one connection --------------------------------------------------- */

/* Is all there that the marker and the fence need? */
static bool
may_fence(const ps_redis_peer *peer)
{
    return peer->may_kill && peer->may_read && peer->may_multi &&
           peer->client_id != 0 && peer->run_id[0] != '\0';
}

static ps_delivery_level
choose_level(const delivery *self)
{
    const ps_redis_peer *peer = &self->peer;
    if (self->settings.level == PS_DELIVERY_AUTO) {
        return may_fence(peer)  ? PS_DELIVERY_MARKER
               : peer->may_eval ? PS_DELIVERY_SCRIPT
                                : PS_DELIVERY_LEAST;
    }
    return self->settings.level;
}

static ps_status
connect_and_greet(delivery *self, ps_wake *wake)
{
    ps_span error = PS_NO_SPAN;
    self->detail[0] = '\0';
    ps_status status = ps_redis_link_open(self->link, wake);
    if (status == PS_OK) {
        status =
            ps_redis_hello(self->link, wake, &self->url,
                           self->settings.client_name, &self->peer, &error);
    }
    if (status != PS_OK) {
        if (error.ptr != NULL) {
            ps_delivery_explain(self, error);
        }
        return ps_delivery_give_up(self, status);
    }
    self->level = choose_level(self);
    if (self->level == PS_DELIVERY_MARKER && !may_fence(&self->peer)) {
        /* Asked for by name: rather late than twice. */
        ps_delivery_explain(
            self, PS_SPAN("delivery=\"exactly-once\" needs CLIENT ID, CLIENT "
                          "KILL, INFO, GET, MULTI and EXEC, and one of these "
                          "is refused"));
        ps_delivery_hang_up(self);
        return PS_AUTH;
    }
    self->form.sessions =
        self->peer.may_eval ? PS_SESSION_SCRIPT : PS_SESSION_PLAIN;
    self->connected = true;
    return PS_OK;
}

/* Is the ring's fence another connection to the server we now talk to? */
static bool
must_kill(const delivery *self, const ps_ring *ring)
{
    uint64_t fence = atomic_load(&ring->header->fence_client);
    return fence != 0 && fence != self->peer.client_id &&
           memcmp(ring->header->fence_run_id, self->peer.run_id,
                  PS_RUN_ID_SIZE) == 0;
}

/* A marker is a bare number, which is format 1. Any later format begins with
 * its own number and a colon. */
static bool
parse_marker(ps_span text, uint64_t *sequence)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '0' || c > '9' || value > UINT64_MAX / 10 - 1) {
            return false;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    *sequence = value;
    return text.len != 0;
}

/* A state of the server that ends the attempt, by what its error means. */
ps_status
ps_delivery_refuse(delivery *self, ps_span text)
{
    ps_delivery_explain(self, text);
    switch (ps_redis_error_class(text)) {
    case PS_REDIS_RECONNECT:
        ps_delivery_hang_up(self);
        return PS_SERVER;
    case PS_REDIS_AUTH:
        ps_delivery_hang_up(self);
        return PS_AUTH;
    case PS_REDIS_PERMISSION:
        return PS_AUTH;
    case PS_REDIS_CLUSTER:
        snprintf(self->detail, sizeof(self->detail),
                 "Redis Cluster is not supported: %.*s",
                 (int)(text.len < 100 ? text.len : 100), text.ptr);
        return PS_SERVER;
    default:
        return PS_SERVER;
    }
}

/* Makes sure that the last connection of this ring can no longer act, and
 * finds out what it did. */
static ps_status
resolve_doubt(delivery *self, ps_ring *ring, ps_wake *wake)
{
    size_t count = 1;
    self->out.len = 0;
    ps_status status = PS_OK;
    if (must_kill(self, ring)) {
        status = ps_redis_command_begin(&self->out, 4);
        if (status == PS_OK) {
            status = ps_redis_command_text(&self->out, PS_SPAN("CLIENT"));
        }
        if (status == PS_OK) {
            status = ps_redis_command_text(&self->out, PS_SPAN("KILL"));
        }
        if (status == PS_OK) {
            status = ps_redis_command_text(&self->out, PS_SPAN("ID"));
        }
        if (status == PS_OK) {
            status = ps_redis_command_number(
                &self->out, atomic_load(&ring->header->fence_client));
        }
        count = 2;
    }
    if (status == PS_OK) {
        status = ps_redis_command_begin(&self->out, 2);
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(&self->out, PS_SPAN("GET"));
    }
    if (status == PS_OK) {
        status = ps_redis_batch_marker(ring, &self->out);
    }
    if (status != PS_OK) {
        return status;
    }
    status = ps_redis_link_exchange(self->link, wake,
                                    (ps_span){self->out.ptr, self->out.len},
                                    count, NULL);
    if (status != PS_OK) {
        return ps_delivery_give_up(self, status);
    }
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    for (size_t i = 0; i < nodes; i++) {
        if (reply[i].type == PS_REPLY_ERROR) {
            return ps_delivery_refuse(
                self, ps_redis_link_text(self->link, &reply[i]));
        }
    }
    const ps_reply *marker = &reply[count - 1];
    if (nodes != count || (count == 2 && reply[0].type != PS_REPLY_INTEGER) ||
        (marker->type != PS_REPLY_STRING && marker->type != PS_REPLY_NIL)) {
        return ps_delivery_give_up(self, PS_PROTOCOL);
    }
    if (marker->type == PS_REPLY_STRING &&
        !parse_marker(ps_redis_link_text(self->link, marker), &ring->marker)) {
        /* What it says is unknown: rather late than twice. */
        return ps_delivery_refuse(self, PS_SPAN(PS_MARKER_UNKNOWN));
    }
    ring->in_doubt = false;
    return PS_OK;
}

/* From here on, whoever finds this ring knows whom to kill. The id is
 * cleared first: a half-written fence is none, and the old one is dead. */
static void
write_fence(const delivery *self, ps_ring *ring)
{
    ps_ring_header *header = ring->header;
    atomic_store(&header->fence_client, 0);
    memcpy(header->fence_run_id, self->peer.run_id, PS_RUN_ID_SIZE);
    atomic_store(&header->fence_client, self->peer.client_id);
}

static bool
is_fenced(const delivery *self, const ps_ring *ring)
{
    return atomic_load(&ring->header->fence_client) == self->peer.client_id &&
           memcmp(ring->header->fence_run_id, self->peer.run_id,
                  PS_RUN_ID_SIZE) == 0;
}

/* ---- one attempt ------------------------------------------------------ */

static void
measure(const ps_batch *batch, const ps_redis_times *times)
{
    ps_stats *stats = &batch->ring->header->stats;
    ps_histogram_add(&stats->round_trip,
                     (uint64_t)(times->last_read_ns - times->first_sent_ns) /
                         1000);
    if (times->first_read_ns > times->last_sent_ns) {
        ps_histogram_add(
            &stats->server,
            (uint64_t)(times->first_read_ns - times->last_sent_ns) / 1000);
    }
}

/* What is done at each level: how the batch is written, how many replies it
 * has beside one for each of its commands, how these are judged. */
static const struct {
    ps_status (*write)(const ps_redis_form *form, const ps_batch *batch,
                       const ps_session_touches *touches, ps_buf *out,
                       ps_redis_written *written);
    ps_status (*judge)(delivery *self, ps_batch *batch,
                       const ps_redis_written *written);
} LEVELS[] = {
    [PS_DELIVERY_MARKER] = {ps_redis_batch_transaction,
                            ps_delivery_replies_transaction},
    [PS_DELIVERY_SCRIPT] = {ps_redis_batch_script, ps_delivery_replies_script},
    [PS_DELIVERY_LEAST] = {ps_redis_batch_plain, ps_delivery_replies_plain},
};

static size_t
count_replies(const delivery *self, const ps_redis_written *written)
{
    switch (self->level) {
    case PS_DELIVERY_MARKER:
        return written->events + written->sessions + 3;
    case PS_DELIVERY_SCRIPT:
        return 1;
    default:
        return written->events + written->sessions;
    }
}

static ps_status
attempt(delivery *self, ps_batch *batch, ps_wake *wake)
{
    ps_redis_written written;
    ps_redis_times times;
    self->out.len = 0;
    ps_session_touch_collect(&self->touches, batch,
                             ps_clock_wall_ms() - PS_SESSION_TTL_S * 1000);
    ps_status status = LEVELS[self->level].write(
        &self->form, batch, &self->touches, &self->out, &written);
    if (status != PS_OK) {
        return status;
    }
    batch->ring->in_doubt = true;
    status = ps_redis_link_exchange(self->link, wake,
                                    (ps_span){self->out.ptr, self->out.len},
                                    count_replies(self, &written), &times);
    if (status != PS_OK) {
        return ps_delivery_give_up(self, status);
    }
    measure(batch, &times);
    return LEVELS[self->level].judge(self, batch, &written);
}

/* ---- the target ------------------------------------------------------- */

static delivery *
of(ps_target *target)
{
    return (delivery *)(void *)target;
}

static ps_status
delivery_deliver(ps_target *target, ps_batch *batch, ps_wake *wake)
{
    delivery *self = of(target);
    ps_status status = PS_OK;
    if (!self->connected) {
        status = connect_and_greet(self, wake);
    }
    while (status == PS_OK && batch->waiting != 0) {
        if (self->level == PS_DELIVERY_MARKER &&
            !is_fenced(self, batch->ring)) {
            if (batch->ring->in_doubt) {
                status = resolve_doubt(self, batch->ring, wake);
            }
            if (status == PS_OK) {
                write_fence(self, batch->ring);
            }
        }
        for (size_t i = 0; i < batch->count && status == PS_OK; i++) {
            if (batch->events[i].state == PS_EVENT_WAITING &&
                batch->events[i].sequence <= batch->ring->marker) {
                ps_batch_settle(batch, i, PS_EVENT_DELIVERED);
            }
        }
        if (status == PS_OK && batch->waiting != 0) {
            status = attempt(self, batch, wake);
        }
    }
    if (status == PS_OK) {
        self->detail[0] = '\0';
    }
    return status;
}

static int
delivery_fd(const ps_target *target)
{
    const delivery *self = (const delivery *)(const void *)target;
    return self->connected ? ps_redis_link_fd(self->link) : -1;
}

static void
delivery_attend(ps_target *target)
{
    /* Nothing was asked: it has hung up, or is talking out of turn. */
    delivery *self = of(target);
    ps_delivery_hang_up(self);
}

static void
delivery_report(const ps_target *target, ps_target_report *report)
{
    const delivery *self = (const delivery *)(const void *)target;
    static const char *const WORDS[] = {
        [PS_DELIVERY_AUTO] = "unknown",
        [PS_DELIVERY_MARKER] = "exactly-once",
        [PS_DELIVERY_SCRIPT] = "exactly-once, script",
        [PS_DELIVERY_LEAST] = "at-least-once",
    };
    const char *sessions = "";
    if (self->connected && self->form.sessions != PS_SESSION_SCRIPT) {
        sessions = self->form.sessions == PS_SESSION_PLAIN ? ", plain sessions"
                                                           : ", no sessions";
    }
    snprintf(report->delivery, sizeof(report->delivery), "%s%s%s",
             WORDS[self->level], sessions,
             self->peer.may_evict ? ", evictable" : "");
    snprintf(report->server, sizeof(report->server), "%s", self->peer.version);
    snprintf(report->detail, sizeof(report->detail), "%s", self->detail);
}

static void
delivery_forget(ps_target *target)
{
    delivery *self = of(target);
    ps_redis_link_forget(self->link);
    ps_buf_init(&self->out, self->out.max);
    self->connected = false;
    self->level = PS_DELIVERY_AUTO;
}

static void
delivery_free(ps_target *target)
{
    delivery *self = of(target);
    ps_redis_link_free(self->link);
    ps_buf_fini(&self->out);
    ps_session_touch_fini(&self->touches);
    ps_redis_url_fini(&self->url);
    for (size_t i = 0; i < OWNED_COUNT; i++) {
        ps_free(self->owned[i]);
    }
    ps_free(self);
}

static void
delivery_close(ps_target *target)
{
    ps_delivery_hang_up(of(target));
}

static const ps_target_ops OPS = {
    .deliver = delivery_deliver,
    .fd = delivery_fd,
    .attend = delivery_attend,
    .report = delivery_report,
    .close = delivery_close,
    .forget = delivery_forget,
    .free = delivery_free,
};

/* Copies the spans of the settings and lets them point to the copies. */
static ps_status
own(delivery *self)
{
    ps_span *spans[OWNED_COUNT] = {
        [CA_FILE] = &self->settings.ca_file,
        [CERTIFICATE] = &self->settings.certificate,
        [PRIVATE_KEY] = &self->settings.private_key,
        [STREAM] = &self->settings.stream,
        [CLIENT_NAME] = &self->settings.client_name,
    };
    for (size_t i = 0; i < OWNED_COUNT; i++) {
        if (spans[i]->ptr == NULL) {
            continue;
        }
        self->owned[i] = ps_dup(*spans[i]);
        if (self->owned[i] == NULL) {
            return PS_NO_MEMORY;
        }
        spans[i]->ptr = self->owned[i];
    }
    return PS_OK;
}

ps_status
ps_delivery_new(const ps_delivery_settings *settings, ps_target **target)
{
    delivery *self = ps_calloc(1, sizeof(*self));
    if (self == NULL) {
        return PS_NO_MEMORY;
    }
    self->base.ops = &OPS;
    self->settings = *settings;
    ps_buf_init(&self->out, PS_COMMAND_BYTES_MAX);
    ps_status status = own(self);
    self->form.stream = self->settings.stream;
    self->form.max_length = settings->max_length;
    if (status == PS_OK) {
        status = ps_session_touch_init(&self->touches, settings->batch);
    }
    if (status == PS_OK) {
        status = ps_redis_link_new(
            &(ps_redis_link_settings){
                .url = &self->url,
                .connect_timeout_ns = settings->connect_timeout_ns,
                .command_timeout_ns = settings->command_timeout_ns,
                .ca_file = self->owned[CA_FILE],
                .certificate = self->owned[CERTIFICATE],
                .private_key = self->owned[PRIVATE_KEY],
            },
            &self->link);
    }
    if (status != PS_OK) {
        delivery_free(&self->base);
        return status;
    }
    self->url = *settings->url;
    *settings->url = (ps_redis_url){0};
    *target = &self->base;
    return PS_OK;
}
