/* SPDX-License-Identifier: MIT */
/* A reply is matched by type and shape, never just counted. Whatever is not
 * what was asked for closes the connection and leaves the batch in doubt:
 * the marker will tell. Only XADD's own answer decides an event. */
#include "redis/delivery_private.h"

#include "base/config.h"
#include "redis/error.h"

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
is_status(const delivery *self, const hr_redis_link_reply *reply, hr_span text)
{
    return reply->type == HR_REDIS_LINK_STATUS &&
           hr_span_equal(hr_redis_link_text(self->link, reply), text);
}

/* An error that answers one event which was not applied. OK: the event is
 * settled by it. Else the attempt ends with that status. */
static hr_status
judge_event(delivery *self, hr_ring_batch *batch, size_t index, hr_span text)
{
    hr_ring_batch_event *taken = &batch->events[index];
    hr_redis_error meaning = hr_redis_error_class(text);
    if (meaning == HR_REDIS_ERROR_SUSPECT) {
        taken->tries++;
    }
    if (meaning == HR_REDIS_ERROR_REJECT ||
        (meaning == HR_REDIS_ERROR_SUSPECT &&
         taken->tries >= HR_REJECT_TRIES)) {
        hr_redis_delivery_explain(self, text);
        hr_ring_batch_settle(batch, index, HR_RING_BATCH_REJECTED);
        return HR_OK;
    }
    return hr_redis_delivery_refuse(self, text);
}

/* The results of the waiting events, one reply each, in order. `executed`:
 * they are part of a transaction that stands, so an error is the last word
 * on its event. */
static hr_status
judge_results(delivery *self, hr_ring_batch *batch,
              const hr_redis_link_reply *reply, size_t replies, bool executed)
{
    hr_status outcome = HR_OK;
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != HR_RING_BATCH_WAITING) {
            continue;
        }
        if (at >= replies) {
            return hr_redis_delivery_give_up(self, HR_PROTOCOL);
        }
        const hr_redis_link_reply *result = &reply[at++];
        hr_span text = hr_redis_link_text(self->link, result);
        if (result->type == HR_REDIS_LINK_STRING &&
            (is_stream_id(text) || (self->level == HR_REDIS_DELIVERY_SCRIPT &&
                                    hr_span_equal(text, HR_SPAN("dup"))))) {
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_DELIVERED);
        } else if (result->type != HR_REDIS_LINK_ERROR) {
            return hr_redis_delivery_give_up(self, HR_PROTOCOL);
        } else if (executed) {
            hr_redis_delivery_explain(self, text);
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_REJECTED);
        } else {
            hr_status status = judge_event(self, batch, i, text);
            outcome = status != HR_OK ? status : outcome;
        }
    }
    return at == replies || outcome != HR_OK
               ? outcome
               : hr_redis_delivery_give_up(self, HR_PROTOCOL);
}

/* What the session commands answered; it decides nothing about events. */
static void
judge_sessions(delivery *self, const hr_ring_batch *batch,
               const hr_redis_link_reply *reply, size_t replies)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < replies; i++) {
        if (reply[i].type == HR_REDIS_LINK_ERROR) {
            failed += self->form.sessions == HR_REDIS_SESSION_SCRIPT
                          ? self->touches.count
                          : 1;
        } else if (reply[i].type == HR_REDIS_LINK_INTEGER &&
                   self->form.sessions == HR_REDIS_SESSION_SCRIPT &&
                   reply[i].integer > 0) {
            failed += (uint64_t)reply[i].integer;
        }
    }
    if (failed != 0) {
        hr_ring_counters_raise(&batch->ring->header->stats.session_errors,
                               failed);
    }
}

/* A command of ours beside the events is not allowed here: do without it on
 * this connection, and tell. False: there is nothing to do without. */
static bool
do_without(delivery *self, const hr_ring_batch *batch, size_t at,
           const hr_redis_transaction_written *written)
{
    if (at < written->events + written->sessions) {
        self->form.sessions = self->form.sessions == HR_REDIS_SESSION_SCRIPT
                                  ? HR_REDIS_SESSION_PLAIN
                                  : HR_REDIS_SESSION_OFF;
        if (self->form.sessions == HR_REDIS_SESSION_OFF) {
            hr_ring_counters_raise(&batch->ring->header->stats.session_errors,
                                   self->touches.count);
        }
        return true;
    }
    if (self->settings.level == HR_REDIS_DELIVERY_AUTO) {
        self->level = HR_REDIS_DELIVERY_LEAST;
        return true;
    }
    return false;
}

/* EXEC was refused, so nothing was applied; `queued` says why. OK: something
 * was settled or done without, try again at once. */
static hr_status
judge_refusal(delivery *self, hr_ring_batch *batch,
              const hr_redis_link_reply *queued,
              const hr_redis_transaction_written *written, hr_span exec_error)
{
    size_t at = 0;
    bool changed = false;
    hr_status outcome = HR_OK;
    for (size_t i = 0; i < batch->count && at < written->events; i++) {
        if (batch->events[i].state != HR_RING_BATCH_WAITING) {
            continue;
        }
        const hr_redis_link_reply *reply = &queued[at++];
        if (reply->type == HR_REDIS_LINK_ERROR) {
            hr_status status = judge_event(
                self, batch, i, hr_redis_link_text(self->link, reply));
            changed = changed || status == HR_OK;
            outcome = status != HR_OK ? status : outcome;
        }
    }
    for (at = written->events;
         outcome == HR_OK && at < written->events + written->sessions + 1;
         at++) {
        if (queued[at].type != HR_REDIS_LINK_ERROR) {
            continue;
        }
        hr_span text = hr_redis_link_text(self->link, &queued[at]);
        hr_redis_error meaning = hr_redis_error_class(text);
        if ((meaning == HR_REDIS_ERROR_PERMISSION ||
             meaning == HR_REDIS_ERROR_REJECT) &&
            do_without(self, batch, at, written)) {
            return HR_OK;
        }
        outcome = hr_redis_delivery_refuse(self, text);
    }
    if (outcome != HR_OK || changed) {
        return outcome;
    }
    return hr_redis_delivery_refuse(self, exec_error);
}

hr_status
hr_redis_delivery_replies_transaction(
    delivery *self, hr_ring_batch *batch,
    const hr_redis_transaction_written *written)
{
    size_t nodes;
    const hr_redis_link_reply *reply =
        hr_redis_link_replies(self->link, &nodes);
    size_t count = written->events + written->sessions + 1;
    if (nodes < count + 2) {
        return hr_redis_delivery_give_up(self, HR_PROTOCOL);
    }
    if (reply[0].type == HR_REDIS_LINK_ERROR) {
        /* MULTI itself was refused; what followed may have stood alone. */
        hr_status status = hr_redis_delivery_refuse(
            self, hr_redis_link_text(self->link, &reply[0]));
        hr_redis_delivery_hang_up(self);
        return status;
    }
    bool queued = is_status(self, &reply[0], HR_SPAN("OK"));
    for (size_t i = 1; i <= count; i++) {
        queued = queued && (reply[i].type == HR_REDIS_LINK_ERROR ||
                            is_status(self, &reply[i], HR_SPAN("QUEUED")));
    }
    const hr_redis_link_reply *exec = &reply[count + 1];
    if (queued && exec->type == HR_REDIS_LINK_ERROR && nodes == count + 2) {
        batch->ring->in_doubt = false;
        return judge_refusal(self, batch, reply + 1, written,
                             hr_redis_link_text(self->link, exec));
    }
    if (!queued || exec->type != HR_REDIS_LINK_ARRAY ||
        exec->elements != count || nodes != 2 * count + 2 ||
        !is_status(self, &reply[nodes - 1], HR_SPAN("OK"))) {
        return hr_redis_delivery_give_up(self, HR_PROTOCOL);
    }
    hr_status status =
        judge_results(self, batch, exec + 1, written->events, true);
    if (status == HR_OK) {
        judge_sessions(self, batch, exec + 1 + written->events,
                       written->sessions);
        batch->ring->in_doubt = false;
    }
    return status;
}

hr_status
hr_redis_delivery_replies_script(delivery *self, hr_ring_batch *batch,
                                 const hr_redis_transaction_written *written)
{
    size_t nodes;
    const hr_redis_link_reply *reply =
        hr_redis_link_replies(self->link, &nodes);
    if (nodes == 1 && reply[0].type == HR_REDIS_LINK_ERROR) {
        return hr_redis_delivery_refuse(
            self, hr_redis_link_text(self->link, &reply[0]));
    }
    if (nodes != written->events + 2 || reply[0].type != HR_REDIS_LINK_ARRAY ||
        reply[nodes - 1].type != HR_REDIS_LINK_INTEGER) {
        return hr_redis_delivery_give_up(self, HR_PROTOCOL);
    }
    hr_status status =
        judge_results(self, batch, reply + 1, written->events, true);
    if (status == HR_OK) {
        judge_sessions(self, batch, &reply[nodes - 1], 1);
    }
    return status;
}

hr_status
hr_redis_delivery_replies_plain(delivery *self, hr_ring_batch *batch,
                                const hr_redis_transaction_written *written)
{
    size_t nodes;
    const hr_redis_link_reply *reply =
        hr_redis_link_replies(self->link, &nodes);
    if (nodes != written->events + written->sessions) {
        return hr_redis_delivery_give_up(self, HR_PROTOCOL);
    }
    judge_sessions(self, batch, reply + written->events, written->sessions);
    return judge_results(self, batch, reply, written->events, false);
}
