/* SPDX-License-Identifier: MIT */
#include "redis/outcome.h"

#include "base/config.h"
#include "redis/error.h"

/* What is being made, and from what. */
typedef struct judge {
    const hr_redis_outcome_asked *asked;
    const hr_redis_link_received *received;
    hr_redis_outcome_event *events;
    hr_redis_outcome outcome;
} judge;

static hr_span
text_of(const judge *self, const hr_redis_link_reply *node)
{
    return hr_redis_link_text(self->received, node);
}

static void
explain(judge *self, const char *lead, hr_span text)
{
    self->outcome.lead = lead;
    self->outcome.text = text;
}

/* Something that cannot be went over the wire. */
static void
give_up(judge *self)
{
    explain(self, "a reply of another shape than asked for", HR_SPAN(""));
    self->outcome.status = HR_PROTOCOL;
    self->outcome.hang_up = true;
}

/* An error reply that ends the attempt, by what it means. */
static void
refuse(judge *self, hr_span text)
{
    hr_redis_error meaning = hr_redis_error_class(text);
    explain(self,
            meaning == HR_REDIS_ERROR_CLUSTER
                ? "Redis Cluster is not supported: "
                : "",
            text);
    self->outcome.status =
        meaning == HR_REDIS_ERROR_AUTH || meaning == HR_REDIS_ERROR_PERMISSION
            ? HR_AUTH
            : HR_SERVER;
    self->outcome.hang_up = self->outcome.hang_up ||
                            meaning == HR_REDIS_ERROR_RECONNECT ||
                            meaning == HR_REDIS_ERROR_AUTH;
}

/* A stream id: digits, a minus, digits. */
static bool
is_stream_id(hr_span text)
{
    size_t minus = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-' && i != 0 && minus == 0) {
            minus = i;
        } else if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return minus != 0 && minus + 1 < text.len;
}

static bool
is_status(const judge *self, const hr_redis_link_reply *node, hr_span text)
{
    return node->type == HR_REDIS_LINK_STATUS &&
           hr_span_equal(text_of(self, node), text);
}

/* An error about one event that was not applied. True: it settles the
 * event. */
static bool
judge_event(judge *self, size_t index, hr_span text)
{
    hr_redis_error meaning = hr_redis_error_class(text);
    bool again = meaning == HR_REDIS_ERROR_SUSPECT &&
                 self->asked->tries[index] + 1 < HR_REJECT_TRIES;
    if (meaning == HR_REDIS_ERROR_REJECT ||
        (meaning == HR_REDIS_ERROR_SUSPECT && !again)) {
        explain(self, "", text);
        self->events[index] = HR_REDIS_OUTCOME_REJECTED;
        return true;
    }
    if (again) {
        self->events[index] = HR_REDIS_OUTCOME_AGAIN;
    }
    refuse(self, text);
    return false;
}

/* The results of the events, one node each, in order. `executed`: they are
 * part of a transaction that stands, so an error is the last word on its
 * event. */
static void
judge_results(judge *self, const hr_redis_link_reply *node, bool executed)
{
    bool script = self->asked->written.kind == HR_REDIS_TRANSACTION_SCRIPT;
    for (size_t i = 0; i < self->asked->written.events; i++) {
        hr_span text = text_of(self, &node[i]);
        if (node[i].type == HR_REDIS_LINK_STRING &&
            (is_stream_id(text) ||
             (script && hr_span_equal(text, HR_SPAN("dup"))))) {
            self->events[i] = HR_REDIS_OUTCOME_DELIVERED;
        } else if (node[i].type != HR_REDIS_LINK_ERROR) {
            give_up(self);
            return;
        } else if (executed) {
            explain(self, "", text);
            self->events[i] = HR_REDIS_OUTCOME_REJECTED;
        } else {
            (void)judge_event(self, i, text);
        }
    }
}

/* The replies to the session commands; they decide nothing about events. */
static void
judge_sessions(judge *self, const hr_redis_link_reply *node, size_t count)
{
    bool script = self->asked->sessions == HR_REDIS_SESSION_SCRIPT;
    for (size_t i = 0; i < count; i++) {
        if (node[i].type == HR_REDIS_LINK_ERROR) {
            self->outcome.session_errors +=
                script ? self->asked->written.touches : 1;
        } else if (node[i].type == HR_REDIS_LINK_INTEGER && script &&
                   node[i].integer > 0) {
            self->outcome.session_errors += (uint64_t)node[i].integer;
        }
    }
}

/* The command at `at`, which is not an event's, is not allowed here: from now
 * on without it. False: there is nothing to do without. */
static bool
do_without(judge *self, size_t at)
{
    const hr_redis_transaction_written *written = &self->asked->written;
    if (at >= written->events + written->sessions) {
        self->outcome.without_marker = !self->asked->needs_marker;
        return self->outcome.without_marker;
    }
    if (self->asked->sessions == HR_REDIS_SESSION_SCRIPT) {
        self->outcome.sessions = HR_REDIS_SESSION_PLAIN;
    } else {
        self->outcome.sessions = HR_REDIS_SESSION_OFF;
        self->outcome.session_errors += written->touches;
    }
    return true;
}

/* EXEC was refused, so nothing was applied; `queued` says why. OK: something
 * was settled or done without, so that the rest is sent again at once. */
static void
judge_refusal(judge *self, const hr_redis_link_reply *queued,
              hr_span exec_error)
{
    const hr_redis_transaction_written *written = &self->asked->written;
    bool changed = false;
    for (size_t i = 0; i < written->events; i++) {
        if (queued[i].type == HR_REDIS_LINK_ERROR &&
            judge_event(self, i, text_of(self, &queued[i]))) {
            changed = true;
        }
    }
    for (size_t at = written->events;
         self->outcome.status == HR_OK &&
         at < written->events + written->sessions + 1;
         at++) {
        if (queued[at].type != HR_REDIS_LINK_ERROR) {
            continue;
        }
        hr_span text = text_of(self, &queued[at]);
        hr_redis_error meaning = hr_redis_error_class(text);
        if ((meaning == HR_REDIS_ERROR_PERMISSION ||
             meaning == HR_REDIS_ERROR_REJECT) &&
            do_without(self, at)) {
            return;
        }
        refuse(self, text);
    }
    if (self->outcome.status == HR_OK && !changed) {
        refuse(self, exec_error);
    }
}

/* MULTI, events, sessions, marker, EXEC. */
static void
judge_multi(judge *self)
{
    const hr_redis_transaction_written *written = &self->asked->written;
    const hr_redis_link_reply *node = self->received->nodes;
    size_t nodes = self->received->count;
    size_t count = written->events + written->sessions + 1;
    if (nodes < count + 2) {
        give_up(self);
        return;
    }
    if (node[0].type == HR_REDIS_LINK_ERROR) {
        /* MULTI itself was refused; what followed may have stood alone. */
        refuse(self, text_of(self, &node[0]));
        self->outcome.hang_up = true;
        return;
    }
    bool queued = is_status(self, &node[0], HR_SPAN("OK"));
    for (size_t i = 1; i <= count; i++) {
        queued = queued && (node[i].type == HR_REDIS_LINK_ERROR ||
                            is_status(self, &node[i], HR_SPAN("QUEUED")));
    }
    const hr_redis_link_reply *exec = &node[count + 1];
    if (queued && exec->type == HR_REDIS_LINK_ERROR && nodes == count + 2) {
        self->outcome.known = true;
        judge_refusal(self, node + 1, text_of(self, exec));
        return;
    }
    if (!queued || exec->type != HR_REDIS_LINK_ARRAY ||
        exec->elements != count || nodes != 2 * count + 2 ||
        !is_status(self, &node[nodes - 1], HR_SPAN("OK"))) {
        give_up(self);
        return;
    }
    judge_results(self, exec + 1, true);
    if (self->outcome.status == HR_OK) {
        judge_sessions(self, exec + 1 + written->events, written->sessions);
        self->outcome.known = true;
    }
}

/* One array: the events, then how many sessions failed. */
static void
judge_script(judge *self)
{
    const hr_redis_link_reply *node = self->received->nodes;
    size_t nodes = self->received->count;
    if (nodes == 1 && node[0].type == HR_REDIS_LINK_ERROR) {
        refuse(self, text_of(self, &node[0]));
    } else if (nodes != self->asked->written.events + 2 ||
               node[0].type != HR_REDIS_LINK_ARRAY ||
               node[nodes - 1].type != HR_REDIS_LINK_INTEGER) {
        give_up(self);
    } else {
        judge_results(self, node + 1, true);
        if (self->outcome.status == HR_OK) {
            judge_sessions(self, &node[nodes - 1], 1);
        }
    }
}

/* Events, then sessions, each by itself. */
static void
judge_plain(judge *self)
{
    const hr_redis_transaction_written *written = &self->asked->written;
    const hr_redis_link_reply *node = self->received->nodes;
    if (self->received->count != written->events + written->sessions) {
        give_up(self);
        return;
    }
    judge_sessions(self, node + written->events, written->sessions);
    judge_results(self, node, false);
}

hr_redis_outcome
hr_redis_outcome_of_batch(const hr_redis_outcome_asked *asked,
                          const hr_redis_link_received *received,
                          hr_redis_outcome_event *events)
{
    judge self = {
        .asked = asked,
        .received = received,
        .events = events,
        .outcome = {.sessions = asked->sessions, .lead = ""},
    };
    for (size_t i = 0; i < asked->written.events; i++) {
        events[i] = HR_REDIS_OUTCOME_WAITING;
    }
    if (asked->written.kind == HR_REDIS_TRANSACTION_MULTI) {
        judge_multi(&self);
    } else if (asked->written.kind == HR_REDIS_TRANSACTION_SCRIPT) {
        judge_script(&self);
    } else {
        judge_plain(&self);
    }
    return self.outcome;
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
    if (text.len != 0) {
        *sequence = value;
    }
    return text.len != 0;
}

hr_redis_outcome
hr_redis_outcome_of_marker(const hr_redis_link_received *received, bool killed,
                           uint64_t *marker)
{
    judge self = {.received = received, .outcome = {.lead = ""}};
    const hr_redis_link_reply *node = received->nodes;
    size_t count = killed ? 2 : 1;
    for (size_t i = 0; i < received->count; i++) {
        if (node[i].type == HR_REDIS_LINK_ERROR) {
            refuse(&self, text_of(&self, &node[i]));
            return self.outcome;
        }
    }
    if (received->count != count ||
        (killed && node[0].type != HR_REDIS_LINK_INTEGER) ||
        (node[count - 1].type != HR_REDIS_LINK_STRING &&
         node[count - 1].type != HR_REDIS_LINK_NIL)) {
        give_up(&self);
    } else if (node[count - 1].type == HR_REDIS_LINK_STRING &&
               !parse_marker(text_of(&self, &node[count - 1]), marker)) {
        /* What it says is unknown: rather late than twice. */
        refuse(&self, HR_SPAN(HR_REDIS_TRANSACTION_MARKER_UNKNOWN));
    } else {
        self.outcome.known = true;
    }
    return self.outcome;
}
