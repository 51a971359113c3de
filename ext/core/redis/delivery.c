/* SPDX-License-Identifier: MIT */
/* A batch goes out as one transaction:
 *
 *   MULTI
 *   XADD <stream> MAXLEN ~ <n> * id <producer>-<sequence> kind .. time .. ..
 *   ...                                     one for each waiting event
 *   SET <prefix>marker:<producer> <last sequence> EX <7 days>
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
#include "redis/delivery_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "redis/command.h"
#include "redis/error.h"

void
hr_redis_delivery_explain(delivery *self, hr_span text)
{
    snprintf(self->detail, sizeof(self->detail), "%.*s",
             (int)(text.len < 150 ? text.len : 150),
             text.ptr != NULL ? text.ptr : "");
}

void
hr_redis_delivery_hang_up(delivery *self)
{
    hr_redis_link_close(self->link);
    self->connected = false;
}

/* The connection cannot be used any more. */
hr_status
hr_redis_delivery_give_up(delivery *self, hr_status status)
{
    const char *detail = hr_redis_link_detail(self->link);
    if (detail[0] != '\0') {
        hr_redis_delivery_explain(self, (hr_span){detail, strlen(detail)});
    } else if (status == HR_PROTOCOL) {
        hr_redis_delivery_explain(
            self, HR_SPAN("a reply of another shape than asked for"));
    }
    hr_redis_delivery_hang_up(self);
    return status;
}

/* ---- one connection --------------------------------------------------- */

/* Is all there that the marker and the fence need? */
static bool
may_fence(const hr_redis_hello_peer *peer)
{
    return peer->may_kill && peer->may_read && peer->may_multi &&
           peer->client_id != 0 && peer->run_id[0] != '\0';
}

static hr_redis_delivery_level
choose_level(const delivery *self)
{
    const hr_redis_hello_peer *peer = &self->peer;
    if (self->settings.level == HR_REDIS_DELIVERY_AUTO) {
        return may_fence(peer)  ? HR_REDIS_DELIVERY_MARKER
               : peer->may_eval ? HR_REDIS_DELIVERY_SCRIPT
                                : HR_REDIS_DELIVERY_LEAST;
    }
    return self->settings.level;
}

static hr_status
connect_and_greet(delivery *self, hr_wake *wake)
{
    hr_span error = HR_NO_SPAN;
    self->detail[0] = '\0';
    hr_status status = hr_redis_link_open(self->link, wake);
    if (status == HR_OK) {
        status = hr_redis_hello(self->link, wake, &self->url,
                                self->settings.client_name,
                                self->settings.prefix, &self->peer, &error);
    }
    if (status != HR_OK) {
        if (error.ptr != NULL) {
            hr_redis_delivery_explain(self, error);
        }
        return hr_redis_delivery_give_up(self, status);
    }
    self->level = choose_level(self);
    if (self->level == HR_REDIS_DELIVERY_MARKER && !may_fence(&self->peer)) {
        /* Asked for by name: rather late than twice. */
        hr_redis_delivery_explain(
            self, HR_SPAN("delivery=\"exactly-once\" needs CLIENT ID, CLIENT "
                          "KILL, INFO, GET, MULTI and EXEC, and one of these "
                          "is refused"));
        hr_redis_delivery_hang_up(self);
        return HR_AUTH;
    }
    self->form.sessions =
        self->peer.may_eval ? HR_REDIS_SESSION_SCRIPT : HR_REDIS_SESSION_PLAIN;
    self->connected = true;
    return HR_OK;
}

/* Is the ring's fence another connection to the server we now talk to? */
static bool
must_kill(const delivery *self, const hr_ring *ring)
{
    uint64_t fence = atomic_load(&ring->header->fence_client);
    return fence != 0 && fence != self->peer.client_id &&
           memcmp(ring->header->fence_run_id, self->peer.run_id,
                  HR_RING_RUN_ID_SIZE) == 0;
}

/* A marker is a bare number, which is format 1. Any later format begins with
 * its own number and a colon. */
static bool
parse_marker(hr_span text, uint64_t *sequence)
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
hr_status
hr_redis_delivery_refuse(delivery *self, hr_span text)
{
    hr_redis_delivery_explain(self, text);
    switch (hr_redis_error_class(text)) {
    case HR_REDIS_ERROR_RECONNECT:
        hr_redis_delivery_hang_up(self);
        return HR_SERVER;
    case HR_REDIS_ERROR_AUTH:
        hr_redis_delivery_hang_up(self);
        return HR_AUTH;
    case HR_REDIS_ERROR_PERMISSION:
        return HR_AUTH;
    case HR_REDIS_ERROR_CLUSTER:
        snprintf(self->detail, sizeof(self->detail),
                 "Redis Cluster is not supported: %.*s",
                 (int)(text.len < 100 ? text.len : 100), text.ptr);
        return HR_SERVER;
    default:
        return HR_SERVER;
    }
}

/* Makes sure that the last connection of this ring can no longer act, and
 * finds out what it did. */
static hr_status
resolve_doubt(delivery *self, hr_ring *ring, hr_wake *wake)
{
    size_t count = 1;
    self->out.len = 0;
    hr_status status = HR_OK;
    if (must_kill(self, ring)) {
        status = hr_redis_command_begin(&self->out, 4);
        if (status == HR_OK) {
            status = hr_redis_command_text(&self->out, HR_SPAN("CLIENT"));
        }
        if (status == HR_OK) {
            status = hr_redis_command_text(&self->out, HR_SPAN("KILL"));
        }
        if (status == HR_OK) {
            status = hr_redis_command_text(&self->out, HR_SPAN("ID"));
        }
        if (status == HR_OK) {
            status = hr_redis_command_number(
                &self->out, atomic_load(&ring->header->fence_client));
        }
        count = 2;
    }
    if (status == HR_OK) {
        status = hr_redis_command_begin(&self->out, 2);
    }
    if (status == HR_OK) {
        status = hr_redis_command_text(&self->out, HR_SPAN("GET"));
    }
    if (status == HR_OK) {
        status =
            hr_redis_transaction_marker(self->form.prefix, ring, &self->out);
    }
    if (status != HR_OK) {
        return status;
    }
    status = hr_redis_link_exchange(self->link, wake,
                                    (hr_span){self->out.ptr, self->out.len},
                                    count, NULL);
    if (status != HR_OK) {
        return hr_redis_delivery_give_up(self, status);
    }
    size_t nodes;
    const hr_redis_link_reply *reply =
        hr_redis_link_replies(self->link, &nodes);
    for (size_t i = 0; i < nodes; i++) {
        if (reply[i].type == HR_REDIS_LINK_ERROR) {
            return hr_redis_delivery_refuse(
                self, hr_redis_link_text(self->link, &reply[i]));
        }
    }
    const hr_redis_link_reply *marker = &reply[count - 1];
    if (nodes != count ||
        (count == 2 && reply[0].type != HR_REDIS_LINK_INTEGER) ||
        (marker->type != HR_REDIS_LINK_STRING &&
         marker->type != HR_REDIS_LINK_NIL)) {
        return hr_redis_delivery_give_up(self, HR_PROTOCOL);
    }
    if (marker->type == HR_REDIS_LINK_STRING &&
        !parse_marker(hr_redis_link_text(self->link, marker), &ring->marker)) {
        /* What it says is unknown: rather late than twice. */
        return hr_redis_delivery_refuse(
            self, HR_SPAN(HR_REDIS_TRANSACTION_MARKER_UNKNOWN));
    }
    ring->in_doubt = false;
    return HR_OK;
}

/* From here on, whoever finds this ring knows whom to kill. The id is
 * cleared first: a half-written fence is none, and the old one is dead. */
static void
write_fence(const delivery *self, hr_ring *ring)
{
    hr_ring_header *header = ring->header;
    atomic_store(&header->fence_client, 0);
    memcpy(header->fence_run_id, self->peer.run_id, HR_RING_RUN_ID_SIZE);
    atomic_store(&header->fence_client, self->peer.client_id);
}

static bool
is_fenced(const delivery *self, const hr_ring *ring)
{
    return atomic_load(&ring->header->fence_client) == self->peer.client_id &&
           memcmp(ring->header->fence_run_id, self->peer.run_id,
                  HR_RING_RUN_ID_SIZE) == 0;
}

/* ---- one attempt ------------------------------------------------------ */

static void
measure(const hr_ring_batch *batch, const hr_redis_link_times *times)
{
    hr_ring_counters *stats = &batch->ring->header->stats;
    hr_ring_counters_histogram_add(
        &stats->round_trip,
        (uint64_t)(times->last_read_ns - times->first_sent_ns) / 1000);
    if (times->first_read_ns > times->last_sent_ns) {
        hr_ring_counters_histogram_add(
            &stats->server,
            (uint64_t)(times->first_read_ns - times->last_sent_ns) / 1000);
    }
}

/* What is done at each level: how the batch is written, how many replies it
 * has beside one for each of its commands, how these are judged. */
static const struct {
    hr_status (*write)(const hr_redis_transaction_form *form,
                       const hr_ring_batch *batch,
                       const hr_redis_session_touches *touches, hr_buf *out,
                       hr_redis_transaction_written *written);
    hr_status (*judge)(delivery *self, hr_ring_batch *batch,
                       const hr_redis_transaction_written *written);
} LEVELS[] = {
    [HR_REDIS_DELIVERY_MARKER] = {hr_redis_transaction_multi,
                                  hr_redis_delivery_replies_transaction},
    [HR_REDIS_DELIVERY_SCRIPT] = {hr_redis_transaction_script,
                                  hr_redis_delivery_replies_script},
    [HR_REDIS_DELIVERY_LEAST] = {hr_redis_transaction_plain,
                                 hr_redis_delivery_replies_plain},
};

static size_t
count_replies(const delivery *self,
              const hr_redis_transaction_written *written)
{
    switch (self->level) {
    case HR_REDIS_DELIVERY_MARKER:
        return written->events + written->sessions + 3;
    case HR_REDIS_DELIVERY_SCRIPT:
        return 1;
    default:
        return written->events + written->sessions;
    }
}

static hr_status
attempt(delivery *self, hr_ring_batch *batch, hr_wake *wake)
{
    hr_redis_transaction_written written;
    hr_redis_link_times times;
    self->out.len = 0;
    hr_redis_session_collect(&self->touches, batch,
                             hr_clock_wall_ms() - HR_SESSION_TTL_S * 1000);
    hr_status status = LEVELS[self->level].write(
        &self->form, batch, &self->touches, &self->out, &written);
    if (status != HR_OK) {
        return status;
    }
    batch->ring->in_doubt = true;
    status = hr_redis_link_exchange(self->link, wake,
                                    (hr_span){self->out.ptr, self->out.len},
                                    count_replies(self, &written), &times);
    if (status != HR_OK) {
        return hr_redis_delivery_give_up(self, status);
    }
    measure(batch, &times);
    return LEVELS[self->level].judge(self, batch, &written);
}

/* ---- the target ------------------------------------------------------- */

static delivery *
of(hr_sink_target *target)
{
    return (delivery *)(void *)target;
}

static hr_status
delivery_deliver(hr_sink_target *target, hr_ring_batch *batch, hr_wake *wake)
{
    delivery *self = of(target);
    hr_status status = HR_OK;
    if (!self->connected) {
        status = connect_and_greet(self, wake);
    }
    while (status == HR_OK && batch->waiting != 0) {
        if (self->level == HR_REDIS_DELIVERY_MARKER &&
            !is_fenced(self, batch->ring)) {
            if (batch->ring->in_doubt) {
                status = resolve_doubt(self, batch->ring, wake);
            }
            if (status == HR_OK) {
                write_fence(self, batch->ring);
            }
        }
        for (size_t i = 0; i < batch->count && status == HR_OK; i++) {
            if (batch->events[i].state == HR_RING_BATCH_WAITING &&
                batch->events[i].sequence <= batch->ring->marker) {
                hr_ring_batch_settle(batch, i, HR_RING_BATCH_DELIVERED);
            }
        }
        if (status == HR_OK && batch->waiting != 0) {
            status = attempt(self, batch, wake);
        }
    }
    if (status == HR_OK) {
        self->detail[0] = '\0';
    }
    return status;
}

static int
delivery_fd(const hr_sink_target *target)
{
    const delivery *self = (const delivery *)(const void *)target;
    return self->connected ? hr_redis_link_fd(self->link) : -1;
}

static void
delivery_attend(hr_sink_target *target)
{
    /* Nothing was asked: it has hung up, or is talking out of turn. */
    delivery *self = of(target);
    hr_redis_delivery_hang_up(self);
}

static void
delivery_report(const hr_sink_target *target, hr_sink_target_report *report)
{
    const delivery *self = (const delivery *)(const void *)target;
    static const char *const WORDS[] = {
        [HR_REDIS_DELIVERY_AUTO] = "unknown",
        [HR_REDIS_DELIVERY_MARKER] = "exactly-once",
        [HR_REDIS_DELIVERY_SCRIPT] = "exactly-once, script",
        [HR_REDIS_DELIVERY_LEAST] = "at-least-once",
    };
    const char *sessions = "";
    if (self->connected && self->form.sessions != HR_REDIS_SESSION_SCRIPT) {
        sessions = self->form.sessions == HR_REDIS_SESSION_PLAIN
                       ? ", plain sessions"
                       : ", no sessions";
    }
    snprintf(report->delivery, sizeof(report->delivery), "%s%s%s",
             WORDS[self->level], sessions,
             self->peer.may_evict ? ", evictable" : "");
    report->may_evict = self->peer.may_evict;
    snprintf(report->server, sizeof(report->server), "%s", self->peer.version);
    snprintf(report->detail, sizeof(report->detail), "%s", self->detail);
}

static void
delivery_forget(hr_sink_target *target)
{
    delivery *self = of(target);
    hr_redis_link_forget(self->link);
    hr_buf_init(&self->out, self->out.max);
    self->connected = false;
    self->level = HR_REDIS_DELIVERY_AUTO;
}

static void
delivery_free(hr_sink_target *target)
{
    delivery *self = of(target);
    hr_redis_link_free(self->link);
    hr_buf_fini(&self->out);
    hr_redis_session_fini(&self->touches);
    hr_redis_url_fini(&self->url);
    for (size_t i = 0; i < OWNED_COUNT; i++) {
        hr_alloc_free(self->owned[i]);
    }
    hr_alloc_free(self);
}

static void
delivery_close(hr_sink_target *target)
{
    hr_redis_delivery_hang_up(of(target));
}

static const hr_sink_target_ops OPS = {
    .deliver = delivery_deliver,
    .fd = delivery_fd,
    .attend = delivery_attend,
    .report = delivery_report,
    .close = delivery_close,
    .forget = delivery_forget,
    .free = delivery_free,
};

/* Copies the spans of the settings and lets them point to the copies. */
static hr_status
own(delivery *self)
{
    hr_span *spans[] = {
        [CA_FILE] = &self->settings.ca_file,
        [CERTIFICATE] = &self->settings.certificate,
        [PRIVATE_KEY] = &self->settings.private_key,
        [PREFIX] = &self->settings.prefix,
        [STREAM] = &self->settings.stream,
        [CLIENT_NAME] = &self->settings.client_name,
    };
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        if (spans[i]->ptr == NULL) {
            continue;
        }
        self->owned[i] = hr_alloc_copy(*spans[i]);
        if (self->owned[i] == NULL) {
            return HR_NO_MEMORY;
        }
        spans[i]->ptr = self->owned[i];
    }
    return HR_OK;
}

/* The stream's key: prefix and name. */
static hr_status
make_stream_key(delivery *self)
{
    hr_span prefix = self->settings.prefix;
    hr_span stream = self->settings.stream;
    char *key = hr_alloc(prefix.len + stream.len);
    if (key == NULL) {
        return HR_NO_MEMORY;
    }
    if (prefix.len != 0) {
        memcpy(key, prefix.ptr, prefix.len);
    }
    memcpy(key + prefix.len, stream.ptr, stream.len);
    self->owned[STREAM_KEY] = key;
    self->form.prefix = prefix;
    self->form.stream = (hr_span){key, prefix.len + stream.len};
    return HR_OK;
}

hr_status
hr_redis_delivery_new(const hr_redis_delivery_settings *settings,
                      hr_sink_target **target)
{
    delivery *self = hr_alloc_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return HR_NO_MEMORY;
    }
    self->base.ops = &OPS;
    self->settings = *settings;
    hr_buf_init(&self->out, HR_COMMAND_BYTES_MAX);
    hr_status status = own(self);
    self->form.max_length = settings->max_length;
    if (status == HR_OK) {
        status = make_stream_key(self);
    }
    if (status == HR_OK) {
        status = hr_redis_session_init(&self->touches, settings->batch);
    }
    if (status == HR_OK) {
        status = hr_redis_link_new(
            &(hr_redis_link_settings){
                .url = &self->url,
                .connect_timeout_ns = settings->connect_timeout_ns,
                .command_timeout_ns = settings->command_timeout_ns,
                .ca_file = self->owned[CA_FILE],
                .certificate = self->owned[CERTIFICATE],
                .private_key = self->owned[PRIVATE_KEY],
            },
            &self->link);
    }
    if (status != HR_OK) {
        delivery_free(&self->base);
        return status;
    }
    self->url = *settings->url;
    *settings->url = (hr_redis_url){0};
    *target = &self->base;
    return HR_OK;
}
