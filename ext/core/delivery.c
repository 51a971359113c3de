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
#include "delivery.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "config.h"
#include "redis_command.h"
#include "redis_error.h"
#include "redis_hello.h"

#define MARKER_PREFIX "penstock:marker:"

/* Strings that live as long as the target. */
enum { CA_FILE, CERTIFICATE, PRIVATE_KEY, STREAM, CLIENT_NAME, OWNED_COUNT };

typedef struct delivery {
    ps_target base;
    ps_delivery_settings settings; /* its spans point into `owned` */
    ps_redis_url url;              /* owned */
    char *owned[OWNED_COUNT];
    ps_redis_link *link;     /* owned */
    ps_redis_peer peer;      /* of the connection */
    ps_delivery_level level; /* reached on the connection */
    bool connected;          /* hello was answered */
    ps_buf out;              /* the commands of one attempt */
    char detail[160];        /* why the last attempt failed */
} delivery;

static void
explain(delivery *self, ps_span text)
{
    snprintf(self->detail, sizeof(self->detail), "%.*s",
             (int)(text.len < 150 ? text.len : 150),
             text.ptr != NULL ? text.ptr : "");
}

static ps_status
give_up(delivery *self, ps_status status)
{
    const char *detail = ps_redis_link_detail(self->link);
    if (detail[0] != '\0') {
        explain(self, (ps_span){detail, strlen(detail)});
    }
    ps_redis_link_close(self->link);
    self->connected = false;
    return status;
}

/* ---- one connection --------------------------------------------------- */

static ps_delivery_level
choose_level(const delivery *self)
{
    const ps_redis_peer *peer = &self->peer;
    bool marker = peer->may_kill && peer->may_read && peer->may_multi &&
                  peer->client_id != 0 && peer->run_id[0] != '\0';
    if (self->settings.level == PS_DELIVERY_AUTO) {
        return marker ? PS_DELIVERY_MARKER : PS_DELIVERY_LEAST;
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
            explain(self, error);
        }
        return give_up(self, status);
    }
    self->level = choose_level(self);
    self->connected = true;
    return PS_OK;
}

static ps_status
marker_key(ps_buf *out, const ps_ring *ring)
{
    char key[sizeof(MARKER_PREFIX) - 1 + PS_PRODUCER_SIZE];
    memcpy(key, MARKER_PREFIX, sizeof(MARKER_PREFIX) - 1);
    memcpy(key + sizeof(MARKER_PREFIX) - 1, ring->header->label.producer,
           PS_PRODUCER_SIZE);
    return ps_redis_command_text(out, (ps_span){key, sizeof(key)});
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

static uint64_t
parse_sequence(ps_span text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '0' || c > '9' || value > UINT64_MAX / 10 - 1) {
            return 0;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    return value;
}

/* A state of the server that ends the attempt, by what its error means. */
static ps_status
refuse(delivery *self, ps_span text)
{
    explain(self, text);
    switch (ps_redis_error_class(text)) {
    case PS_REDIS_RECONNECT:
        ps_redis_link_close(self->link);
        self->connected = false;
        return PS_SERVER;
    case PS_REDIS_AUTH:
        ps_redis_link_close(self->link);
        self->connected = false;
        return PS_AUTH;
    case PS_REDIS_PERMISSION:
        return PS_AUTH;
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
        status = marker_key(&self->out, ring);
    }
    if (status != PS_OK) {
        return status;
    }
    status = ps_redis_link_exchange(self->link, wake,
                                    (ps_span){self->out.ptr, self->out.len},
                                    count, NULL);
    if (status != PS_OK) {
        return give_up(self, status);
    }
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    for (size_t i = 0; i < nodes; i++) {
        if (reply[i].type == PS_REPLY_ERROR) {
            return refuse(self, ps_redis_link_text(self->link, &reply[i]));
        }
    }
    const ps_reply *marker = &reply[count - 1];
    if (nodes != count || (count == 2 && reply[0].type != PS_REPLY_INTEGER) ||
        (marker->type != PS_REPLY_STRING && marker->type != PS_REPLY_NIL)) {
        return give_up(self, PS_PROTOCOL);
    }
    if (marker->type == PS_REPLY_STRING) {
        ring->marker = parse_sequence(ps_redis_link_text(self->link, marker));
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

static ps_status
write_event(delivery *self, const ps_ring *ring, const ps_batch_event *taken)
{
    ps_buf *out = &self->out;
    const ps_event *event = &taken->event;
    size_t arguments = 9 + 2 * (size_t)event->field_count;
    size_t trim = self->settings.max_length != 0 ? 3 : 0;
    ps_status status = ps_redis_command_begin(out, arguments + trim);
    /* Room for all of it at once: names and values are inside the body, each
     * with less than 32 bytes of framing, and so is what we add. */
    if (status == PS_OK) {
        status = ps_buf_reserve(out, event->body.len + event->kind.len +
                                         self->settings.stream.len +
                                         32 * (arguments + trim) + 160);
    }
    if (status != PS_OK) {
        return status;
    }
    char id[PS_PRODUCER_SIZE + 1 + 20];
    memcpy(id, ring->header->label.producer, PS_PRODUCER_SIZE);
    id[PS_PRODUCER_SIZE] = '-';
    size_t id_len =
        PS_PRODUCER_SIZE + 1 +
        ps_buf_format_number(id + PS_PRODUCER_SIZE + 1, taken->sequence);
    status = ps_redis_command_text(out, PS_SPAN("XADD"));
    if (status == PS_OK) {
        status = ps_redis_command_text(out, self->settings.stream);
    }
    if (status == PS_OK && trim != 0) {
        ps_buf_put(out, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 19);
        status = ps_redis_command_number(out, self->settings.max_length);
    }
    if (status == PS_OK) {
        ps_buf_put(out, "$1\r\n*\r\n$2\r\nid\r\n", 15);
        status = ps_redis_command_text(out, (ps_span){id, id_len});
    }
    if (status == PS_OK) {
        ps_buf_put(out, "$4\r\nkind\r\n", 10);
        status = ps_redis_command_text(out, event->kind);
    }
    if (status == PS_OK) {
        ps_buf_put(out, "$4\r\ntime\r\n", 10);
        status = ps_redis_command_number(out, (uint64_t)event->time_ms);
    }
    ps_span rest = event->body;
    ps_field field;
    while (status == PS_OK && ps_event_next_field(&rest, &field)) {
        status = ps_redis_command_text(out, field.name);
        if (status == PS_OK) {
            status = ps_redis_command_text(out, field.value);
        }
    }
    return status;
}

static ps_status
write_marker(delivery *self, const ps_ring *ring, uint64_t sequence)
{
    ps_status status = ps_redis_command_begin(&self->out, 5);
    if (status == PS_OK) {
        status = ps_redis_command_text(&self->out, PS_SPAN("SET"));
    }
    if (status == PS_OK) {
        status = marker_key(&self->out, ring);
    }
    if (status == PS_OK) {
        status = ps_redis_command_number(&self->out, sequence);
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(&self->out, PS_SPAN("EX"));
    }
    if (status == PS_OK) {
        status = ps_redis_command_number(&self->out, PS_MARKER_TTL_S);
    }
    return status;
}

/* Writes the commands for the waiting events. With a transaction the reply
 * to command i of `*count` is QUEUED; without one it is its result. */
static ps_status
write_batch(delivery *self, const ps_batch *batch, size_t *count)
{
    bool transaction = self->level != PS_DELIVERY_LEAST;
    ps_status status = PS_OK;
    uint64_t last = 0;
    self->out.len = 0;
    *count = 0;
    if (transaction) {
        status = ps_redis_command_words(&self->out, PS_SPAN("MULTI"));
    }
    for (size_t i = 0; i < batch->count && status == PS_OK; i++) {
        const ps_batch_event *taken = &batch->events[i];
        if (taken->state == PS_EVENT_WAITING) {
            status = write_event(self, batch->ring, taken);
            last = taken->sequence;
            ++*count;
        }
    }
    if (status == PS_OK && transaction) {
        status = write_marker(self, batch->ring, last);
        ++*count;
    }
    if (status == PS_OK && transaction) {
        status = ps_redis_command_words(&self->out, PS_SPAN("EXEC"));
    }
    return status;
}

/* A stream id: digits, a minus, digits. */
static bool
is_stream_id(ps_span text)
{
    size_t digits = 0;
    size_t minus = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-' && digits != 0 && minus == 0) {
            minus = i;
        } else if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        digits++;
    }
    return minus != 0 && minus + 1 < text.len;
}

/* An error that answers one event. OK: the event is settled by it. Else the
 * attempt ends with that status. */
static ps_status
judge_event(delivery *self, ps_batch *batch, size_t index, ps_span text)
{
    ps_batch_event *taken = &batch->events[index];
    ps_redis_error meaning = ps_redis_error_class(text);
    if (meaning == PS_REDIS_SUSPECT) {
        taken->tries++;
    }
    if (meaning == PS_REDIS_REJECT ||
        (meaning == PS_REDIS_SUSPECT && taken->tries >= PS_REJECT_TRIES)) {
        explain(self, text);
        ps_batch_settle(batch, index, PS_EVENT_REJECTED);
        return PS_OK;
    }
    return refuse(self, text);
}

/* The replies to write_batch without a transaction, or the elements of
 * EXEC's: one for each waiting event, in order. */
static ps_status
judge_results(delivery *self, ps_batch *batch, const ps_reply *reply,
              size_t replies, bool executed)
{
    ps_status outcome = PS_OK;
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != PS_EVENT_WAITING) {
            continue;
        }
        if (at >= replies) {
            return give_up(self, PS_PROTOCOL);
        }
        const ps_reply *result = &reply[at++];
        ps_span text = ps_redis_link_text(self->link, result);
        if (result->type == PS_REPLY_STRING && is_stream_id(text)) {
            ps_batch_settle(batch, i, PS_EVENT_DELIVERED);
        } else if (result->type != PS_REPLY_ERROR) {
            return give_up(self, PS_PROTOCOL);
        } else if (executed) {
            /* The transaction stands, its marker is above this event: there
             * is no second try. */
            explain(self, text);
            ps_batch_settle(batch, i, PS_EVENT_REJECTED);
        } else {
            ps_status status = judge_event(self, batch, i, text);
            if (status != PS_OK) {
                outcome = status;
            }
        }
    }
    return outcome;
}

/* The replies while a transaction was being queued, when EXEC was refused:
 * nothing of it was applied. OK: some event was settled, try the rest. */
static ps_status
judge_refusal(delivery *self, ps_batch *batch, const ps_reply *queued,
              size_t count, ps_span exec_error)
{
    size_t at = 0;
    bool settled = false;
    ps_status outcome = PS_OK;
    for (size_t i = 0; i < batch->count && at < count; i++) {
        if (batch->events[i].state != PS_EVENT_WAITING) {
            continue;
        }
        const ps_reply *reply = &queued[at++];
        if (reply->type == PS_REPLY_ERROR) {
            ps_status status = judge_event(
                self, batch, i, ps_redis_link_text(self->link, reply));
            settled |= status == PS_OK;
            outcome = status != PS_OK ? status : outcome;
        }
    }
    if (outcome != PS_OK) {
        return outcome;
    }
    if (settled) {
        return PS_OK;
    }
    for (; at < count; at++) {
        if (queued[at].type == PS_REPLY_ERROR) {
            return refuse(self, ps_redis_link_text(self->link, &queued[at]));
        }
    }
    return refuse(self, exec_error);
}

static ps_status
judge_transaction(delivery *self, ps_batch *batch, size_t count)
{
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    if (nodes < count + 2) {
        return give_up(self, PS_PROTOCOL);
    }
    if (reply[0].type == PS_REPLY_ERROR) {
        /* MULTI itself was refused; what followed stood alone, if at all. */
        ps_status status =
            refuse(self, ps_redis_link_text(self->link, &reply[0]));
        ps_redis_link_close(self->link);
        self->connected = false;
        return status;
    }
    bool queued = reply[0].type == PS_REPLY_STATUS;
    for (size_t i = 1; i <= count; i++) {
        queued = queued &&
                 (reply[i].type == PS_REPLY_ERROR ||
                  (reply[i].type == PS_REPLY_STATUS &&
                   ps_span_equal(ps_redis_link_text(self->link, &reply[i]),
                                 PS_SPAN("QUEUED"))));
    }
    const ps_reply *exec = &reply[count + 1];
    if (queued && exec->type == PS_REPLY_ERROR && nodes == count + 2) {
        batch->ring->in_doubt = false;
        return judge_refusal(self, batch, reply + 1, count,
                             ps_redis_link_text(self->link, exec));
    }
    if (!queued || exec->type != PS_REPLY_ARRAY || exec->elements != count ||
        nodes != 2 * count + 2 || reply[nodes - 1].type != PS_REPLY_STATUS) {
        return give_up(self, PS_PROTOCOL);
    }
    ps_status status = judge_results(self, batch, exec + 1, count - 1, true);
    if (status == PS_OK) {
        batch->ring->in_doubt = false;
    }
    return status;
}

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

static ps_status
attempt(delivery *self, ps_batch *batch, ps_wake *wake)
{
    size_t count;
    ps_redis_times times;
    bool transaction = self->level != PS_DELIVERY_LEAST;
    ps_status status = write_batch(self, batch, &count);
    if (status != PS_OK) {
        return status;
    }
    batch->ring->in_doubt = true;
    status = ps_redis_link_exchange(self->link, wake,
                                    (ps_span){self->out.ptr, self->out.len},
                                    transaction ? count + 2 : count, &times);
    if (status != PS_OK) {
        return give_up(self, status);
    }
    measure(batch, &times);
    if (transaction) {
        return judge_transaction(self, batch, count);
    }
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    if (nodes != count) {
        return give_up(self, PS_PROTOCOL);
    }
    batch->ring->in_doubt = false;
    return judge_results(self, batch, reply, count, false);
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
    ps_redis_link_close(self->link);
    self->connected = false;
}

static void
delivery_report(const ps_target *target, ps_target_report *report)
{
    const delivery *self = (const delivery *)(const void *)target;
    static const char *const LEVELS[] = {
        [PS_DELIVERY_AUTO] = "unknown",
        [PS_DELIVERY_MARKER] = "exactly-once",
        [PS_DELIVERY_SCRIPT] = "exactly-once, script",
        [PS_DELIVERY_LEAST] = "at-least-once",
    };
    snprintf(report->delivery, sizeof(report->delivery), "%s%s",
             LEVELS[self->level], self->peer.may_evict ? ", evictable" : "");
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
    ps_redis_url_fini(&self->url);
    for (size_t i = 0; i < OWNED_COUNT; i++) {
        ps_free(self->owned[i]);
    }
    ps_free(self);
}

static void
delivery_close(ps_target *target)
{
    delivery *self = of(target);
    ps_redis_link_close(self->link);
    self->connected = false;
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
