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
 * What the replies mean is judged in redis/outcome.c. */
#include "redis/delivery.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "redis/command.h"
#include "redis/hello.h"
#include "redis/outcome.h"
#include "redis/session.h"
#include "redis/transaction.h"

/* Strings that live as long as the target. */
enum {
    CA_FILE,
    CERTIFICATE,
    PRIVATE_KEY,
    CLIENT_NAME,
    STREAM_KEY, /* prefix and stream */
    OWNED_COUNT
};

/* What is known of a ring's events at the target. */
typedef struct known_ring {
    char producer[HR_RING_PRODUCER_SIZE]; /* zeroed: of none */
    bool in_doubt;   /* a batch may or may not have been applied */
    uint64_t marker; /* the last sequence that is known to be applied */
} known_ring;

typedef struct delivery {
    hr_sink_target base;
    hr_redis_delivery_settings settings; /* its spans point into `owned` */
    hr_redis_url url;                    /* owned */
    char *owned[OWNED_COUNT];
    hr_redis_link *link;              /* owned */
    hr_redis_hello_peer peer;         /* of the connection */
    hr_redis_delivery_level level;    /* reached on the connection */
    bool connected;                   /* the greeting was replied to */
    hr_redis_transaction_form form;   /* of the commands, on the connection */
    hr_redis_session_touches touches; /* of the batch */
    hr_buf out;                       /* the commands of one attempt */
    unsigned *tries;                  /* of its events; owned */
    hr_redis_outcome_event *events;   /* what became of them; owned */
    known_ring known[2];              /* our ring, the adopted one */
    char detail[160];                 /* why the last attempt failed */
} delivery;

/* Keeps a text for people. */
static void
keep_text(delivery *self, const char *lead, hr_span text)
{
    snprintf(self->detail, sizeof(self->detail), "%s%.*s", lead,
             (int)(text.len < 150 ? text.len : 150),
             text.ptr != NULL ? text.ptr : "");
}

/* The connection is not wanted any more. */
static void
hang_up(delivery *self)
{
    hr_redis_link_close(self->link);
    self->connected = false;
}

/* The connection broke, or the greeting failed. */
static hr_status
give_up(delivery *self, hr_status status)
{
    const char *detail = hr_redis_link_detail(self->link);
    if (detail[0] != '\0') {
        keep_text(self, detail, HR_NO_SPAN);
    } else if (status == HR_PROTOCOL) {
        keep_text(self, "a reply of another shape than asked for", HR_NO_SPAN);
    }
    hang_up(self);
    return status;
}

/* What is known of the batch's ring. An adopted one was in the middle of a
 * batch when its process died, or may have been. */
static known_ring *
know(delivery *self, const hr_ring *ring)
{
    known_ring *known = &self->known[ring->adopted];
    const char *producer = hr_ring_header_producer(ring->header).ptr;
    if (memcmp(known->producer, producer, HR_RING_PRODUCER_SIZE) != 0) {
        *known = (known_ring){.in_doubt = ring->adopted};
        memcpy(known->producer, producer, HR_RING_PRODUCER_SIZE);
    }
    return known;
}

/* Does what the outcome says but for the events. */
static hr_status
act(delivery *self, const hr_redis_outcome *outcome, known_ring *known)
{
    if (outcome->lead[0] != '\0' || outcome->text.len != 0) {
        keep_text(self, outcome->lead, outcome->text);
    }
    if (outcome->known) {
        known->in_doubt = false;
    }
    if (outcome->hang_up) {
        hang_up(self);
    }
    return outcome->status;
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
            keep_text(self, "", error);
        }
        return give_up(self, status);
    }
    self->level = choose_level(self);
    if (self->level == HR_REDIS_DELIVERY_MARKER && !may_fence(&self->peer)) {
        /* Asked for by name: rather late than twice. */
        keep_text(self,
                  "delivery=\"exactly-once\" needs CLIENT ID, CLIENT KILL, "
                  "INFO, GET, MULTI and EXEC, and one of these is refused",
                  HR_NO_SPAN);
        hang_up(self);
        return HR_AUTH;
    }
    self->form.sessions =
        self->peer.may_eval ? HR_REDIS_SESSION_SCRIPT : HR_REDIS_SESSION_PLAIN;
    self->connected = true;
    return HR_OK;
}

/* The connection that this ring was last sent over, to the server that we now
 * talk to; 0: none. */
static uint64_t
fence_of(const delivery *self, const hr_ring *ring)
{
    return hr_ring_header_fence_read(ring->header, self->peer.run_id);
}

/* Makes sure that the last connection of this ring can no longer act, and
 * finds out what it did. */
static hr_status
resolve_doubt(delivery *self, const hr_ring *ring, hr_wake *wake)
{
    uint64_t fence = fence_of(self, ring);
    bool kill = fence != 0 && fence != self->peer.client_id;
    hr_buf_clear(&self->out);
    if (kill) {
        hr_redis_command_begin(&self->out, 4);
        hr_redis_command_text(&self->out, HR_SPAN("CLIENT"));
        hr_redis_command_text(&self->out, HR_SPAN("KILL"));
        hr_redis_command_text(&self->out, HR_SPAN("ID"));
        hr_redis_command_number(&self->out, fence);
    }
    hr_redis_command_begin(&self->out, 2);
    hr_redis_command_text(&self->out, HR_SPAN("GET"));
    hr_redis_transaction_marker(self->form.prefix, ring, &self->out);
    hr_status status = hr_buf_status(&self->out);
    if (status != HR_OK) {
        return status;
    }
    status = hr_redis_link_exchange(self->link, wake, hr_buf_span(&self->out),
                                    kill ? 2 : 1, NULL);
    if (status != HR_OK) {
        return give_up(self, status);
    }
    known_ring *known = know(self, ring);
    hr_redis_link_received received = hr_redis_link_read(self->link);
    hr_redis_outcome outcome =
        hr_redis_outcome_of_marker(&received, kill, &known->marker);
    return act(self, &outcome, known);
}

/* ---- one attempt ------------------------------------------------------ */

static void
measure(const hr_ring_batch *batch, const hr_redis_link_times *times)
{
    hr_ring_counters *stats = hr_ring_header_counters(batch->ring->header);
    hr_ring_counters_histogram_add(
        &stats->round_trip,
        (uint64_t)(times->last_read_ns - times->first_sent_ns) / 1000);
    if (times->first_read_ns > times->last_sent_ns) {
        hr_ring_counters_histogram_add(
            &stats->server,
            (uint64_t)(times->first_read_ns - times->last_sent_ns) / 1000);
    }
}

/* How a batch is written at each level. */
static const hr_redis_transaction_kind KINDS[] = {
    [HR_REDIS_DELIVERY_MARKER] = HR_REDIS_TRANSACTION_MULTI,
    [HR_REDIS_DELIVERY_SCRIPT] = HR_REDIS_TRANSACTION_SCRIPT,
    [HR_REDIS_DELIVERY_LEAST] = HR_REDIS_TRANSACTION_PLAIN,
};

/* What the replies to the batch mean. */
static hr_redis_outcome
judge(delivery *self, const hr_ring_batch *batch,
      const hr_redis_transaction_written *written)
{
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state == HR_RING_BATCH_WAITING) {
            self->tries[at++] = batch->events[i].tries;
        }
    }
    assert(at == written->events);
    hr_redis_link_received received = hr_redis_link_read(self->link);
    return hr_redis_outcome_of_batch(
        &(hr_redis_outcome_asked){
            .written = *written,
            .sessions = self->form.sessions,
            .needs_marker = self->settings.level != HR_REDIS_DELIVERY_AUTO,
            .tries = self->tries,
        },
        &received, self->events);
}

/* Settles the events that were written. */
static void
settle(const delivery *self, hr_ring_batch *batch)
{
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != HR_RING_BATCH_WAITING) {
            continue;
        }
        hr_redis_outcome_event event = self->events[at++];
        batch->events[i].tries += event == HR_REDIS_OUTCOME_AGAIN;
        if (event == HR_REDIS_OUTCOME_DELIVERED) {
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_DELIVERED);
        } else if (event == HR_REDIS_OUTCOME_REJECTED) {
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_REJECTED);
        }
    }
}

static hr_status
attempt(delivery *self, hr_ring_batch *batch, hr_wake *wake)
{
    hr_redis_transaction_written written;
    hr_redis_link_times times;
    known_ring *known = know(self, batch->ring);
    hr_buf_clear(&self->out);
    hr_redis_session_collect(&self->touches, batch,
                             hr_clock_wall_ms() - HR_SESSION_TTL_S * 1000);
    hr_status status =
        hr_redis_transaction_write(KINDS[self->level], &self->form, batch,
                                   &self->touches, &self->out, &written);
    if (status != HR_OK) {
        return status;
    }
    known->in_doubt = true;
    status = hr_redis_link_exchange(self->link, wake, hr_buf_span(&self->out),
                                    written.replies, &times);
    if (status != HR_OK) {
        return give_up(self, status);
    }
    measure(batch, &times);
    hr_redis_outcome outcome = judge(self, batch, &written);
    settle(self, batch);
    hr_ring_counters_raise(
        &hr_ring_header_counters(batch->ring->header)->session_errors,
        outcome.session_errors);
    self->form.sessions = outcome.sessions;
    if (outcome.without_marker) {
        self->level = HR_REDIS_DELIVERY_LEAST;
    }
    return act(self, &outcome, known);
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
    assert(batch->count <= self->settings.batch);
    if (!self->connected) {
        status = connect_and_greet(self, wake);
    }
    const known_ring *known = know(self, batch->ring);
    while (status == HR_OK && batch->waiting != 0) {
        if (self->level == HR_REDIS_DELIVERY_MARKER &&
            fence_of(self, batch->ring) != self->peer.client_id) {
            if (known->in_doubt) {
                status = resolve_doubt(self, batch->ring, wake);
            }
            if (status == HR_OK) {
                /* From here on, whoever finds this ring knows whom to kill. */
                hr_ring_header_fence_write(batch->ring->header,
                                           self->peer.run_id,
                                           self->peer.client_id);
            }
        }
        for (size_t i = 0; i < batch->count && status == HR_OK; i++) {
            if (batch->events[i].state == HR_RING_BATCH_WAITING &&
                batch->events[i].sequence <= known->marker) {
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
    memset(self->known, 0, sizeof(self->known));
    self->connected = false;
    self->level = HR_REDIS_DELIVERY_AUTO;
}

static void
delivery_free(hr_sink_target *target)
{
    delivery *self = of(target);
    hr_redis_link_free(self->link);
    hr_buf_fini(&self->out);
    hr_alloc_free(self->tries);
    hr_alloc_free(self->events);
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
    hang_up(of(target));
}

static const hr_sink_target_ops OPS = {
    .deliver = delivery_deliver,
    .fd = delivery_fd,
    /* Nothing was asked: it has hung up, or is talking out of turn. */
    .attend = delivery_close,
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
    self->form.prefix = self->settings.prefix = (hr_span){key, prefix.len};
    self->form.stream = (hr_span){key, prefix.len + stream.len};
    self->settings.stream = hr_span_from(self->form.stream, prefix.len);
    return HR_OK;
}

/* Printable ASCII without blanks, and without what is in `but`. */
static bool
is_plain(hr_span text, size_t max, const char *but)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= ' ' || c > '~' || strchr(but, c) != NULL) {
            return false;
        }
    }
    return text.len <= max;
}

hr_status
hr_redis_delivery_check(const hr_redis_delivery_settings *settings,
                        const char **why)
{
    const int64_t longest = HR_WAIT_MAX_S * INT64_C(1000) * HR_CLOCK_NS_PER_MS;
    *why = NULL;
    if (settings->connect_timeout_ns <= 0 ||
        settings->connect_timeout_ns > longest) {
        *why = "connect_timeout: seconds above 0, up to a year";
    } else if (settings->command_timeout_ns <= 0 ||
               settings->command_timeout_ns > longest) {
        *why = "command_timeout: seconds above 0, up to a year";
    } else if (settings->stream.len == 0 ||
               settings->stream.len > HR_STREAM_MAX) {
        *why = "stream: a key of 1 to 512 bytes";
    } else if (!is_plain(settings->prefix, HR_PREFIX_MAX, "{}")) {
        /* braces are left to the lanes of a cluster */
        *why = "prefix: up to 64 printable ASCII characters without blanks "
               "and braces";
    } else if (!is_plain(settings->client_name, HR_CLIENT_NAME_MAX, "")) {
        *why = "client_name: up to 128 printable ASCII characters without "
               "spaces";
    } else if (settings->batch == 0 || settings->batch > HR_BATCH_MAX) {
        *why = "batch: from 1 to 4096 events";
    } else if (settings->max_length >= INT64_MAX) {
        *why = "max_length: at least 1, or None for a stream that is not "
               "trimmed";
    }
    return *why == NULL ? HR_OK : HR_SETTING;
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
    self->form.max_length = settings->max_length;
    self->tries = hr_alloc_zeroed(settings->batch, sizeof(*self->tries));
    self->events = hr_alloc_zeroed(settings->batch, sizeof(*self->events));
    hr_status status = HR_NO_MEMORY;
    if (self->tries != NULL && self->events != NULL && own(self) == HR_OK &&
        make_stream_key(self) == HR_OK &&
        hr_redis_session_init(&self->touches, settings->batch) == HR_OK) {
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
