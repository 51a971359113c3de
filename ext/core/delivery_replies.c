/* SPDX-License-Identifier: MIT */
/* A reply is matched by type and shape, never just counted. Whatever is not
 * what was asked for closes the connection and leaves the batch in doubt:
 * the marker will tell. Only XADD's own answer decides an event. */
#include "delivery_private.h"

#include "config.h"
#include "redis_error.h"

/* A stream id: digits, a minus, digits. */
static bool
is_stream_id(ps_span text)
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
is_status(const delivery *self, const ps_reply *reply, ps_span text)
{
    return reply->type == PS_REPLY_STATUS &&
           ps_span_equal(ps_redis_link_text(self->link, reply), text);
}

/* An error that answers one event which was not applied. OK: the event is
 * settled by it. Else the attempt ends with that status. */
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
        ps_delivery_explain(self, text);
        ps_batch_settle(batch, index, PS_EVENT_REJECTED);
        return PS_OK;
    }
    return ps_delivery_refuse(self, text);
}

/* The results of the waiting events, one reply each, in order. `executed`:
 * they are part of a transaction that stands, so an error is the last word
 * on its event. */
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
            return ps_delivery_give_up(self, PS_PROTOCOL);
        }
        const ps_reply *result = &reply[at++];
        ps_span text = ps_redis_link_text(self->link, result);
        if (result->type == PS_REPLY_STRING &&
            (is_stream_id(text) || (self->level == PS_DELIVERY_SCRIPT &&
                                    ps_span_equal(text, PS_SPAN("dup"))))) {
            ps_batch_settle(batch, i, PS_EVENT_DELIVERED);
        } else if (result->type != PS_REPLY_ERROR) {
            return ps_delivery_give_up(self, PS_PROTOCOL);
        } else if (executed) {
            ps_delivery_explain(self, text);
            ps_batch_settle(batch, i, PS_EVENT_REJECTED);
        } else {
            ps_status status = judge_event(self, batch, i, text);
            outcome = status != PS_OK ? status : outcome;
        }
    }
    return at == replies || outcome != PS_OK
               ? outcome
               : ps_delivery_give_up(self, PS_PROTOCOL);
}

/* What the session commands answered; it decides nothing about events. */
static void
judge_sessions(delivery *self, const ps_batch *batch, const ps_reply *reply,
               size_t replies)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < replies; i++) {
        if (reply[i].type == PS_REPLY_ERROR) {
            failed += self->form.sessions == PS_SESSION_SCRIPT
                          ? self->touches.count
                          : 1;
        } else if (reply[i].type == PS_REPLY_INTEGER &&
                   self->form.sessions == PS_SESSION_SCRIPT &&
                   reply[i].integer > 0) {
            failed += (uint64_t)reply[i].integer;
        }
    }
    if (failed != 0) {
        ps_count(&batch->ring->header->stats.session_errors, failed);
    }
}

/* A command of ours beside the events is not allowed here: do without it on
 * this connection, and tell. False: there is nothing to do without. */
static bool
do_without(delivery *self, const ps_batch *batch, size_t at,
           const ps_redis_written *written)
{
    if (at < written->events + written->sessions) {
        self->form.sessions = self->form.sessions == PS_SESSION_SCRIPT
                                  ? PS_SESSION_PLAIN
                                  : PS_SESSION_OFF;
        if (self->form.sessions == PS_SESSION_OFF) {
            ps_count(&batch->ring->header->stats.session_errors,
                     self->touches.count);
        }
        return true;
    }
    if (self->settings.level == PS_DELIVERY_AUTO) {
        self->level = PS_DELIVERY_LEAST;
        return true;
    }
    return false;
}

/* EXEC was refused, so nothing was applied; `queued` says why. OK: something
 * was settled or done without, try again at once. */
static ps_status
judge_refusal(delivery *self, ps_batch *batch, const ps_reply *queued,
              const ps_redis_written *written, ps_span exec_error)
{
    size_t at = 0;
    bool changed = false;
    ps_status outcome = PS_OK;
    for (size_t i = 0; i < batch->count && at < written->events; i++) {
        if (batch->events[i].state != PS_EVENT_WAITING) {
            continue;
        }
        const ps_reply *reply = &queued[at++];
        if (reply->type == PS_REPLY_ERROR) {
            ps_status status = judge_event(
                self, batch, i, ps_redis_link_text(self->link, reply));
            changed = changed || status == PS_OK;
            outcome = status != PS_OK ? status : outcome;
        }
    }
    for (at = written->events;
         outcome == PS_OK && at < written->events + written->sessions + 1;
         at++) {
        if (queued[at].type != PS_REPLY_ERROR) {
            continue;
        }
        ps_span text = ps_redis_link_text(self->link, &queued[at]);
        ps_redis_error meaning = ps_redis_error_class(text);
        if ((meaning == PS_REDIS_PERMISSION || meaning == PS_REDIS_REJECT) &&
            do_without(self, batch, at, written)) {
            return PS_OK;
        }
        outcome = ps_delivery_refuse(self, text);
    }
    if (outcome != PS_OK || changed) {
        return outcome;
    }
    return ps_delivery_refuse(self, exec_error);
}

ps_status
ps_delivery_replies_transaction(delivery *self, ps_batch *batch,
                                const ps_redis_written *written)
{
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    size_t count = written->events + written->sessions + 1;
    if (nodes < count + 2) {
        return ps_delivery_give_up(self, PS_PROTOCOL);
    }
    if (reply[0].type == PS_REPLY_ERROR) {
        /* MULTI itself was refused; what followed may have stood alone. */
        ps_status status = ps_delivery_refuse(
            self, ps_redis_link_text(self->link, &reply[0]));
        ps_delivery_hang_up(self);
        return status;
    }
    bool queued = is_status(self, &reply[0], PS_SPAN("OK"));
    for (size_t i = 1; i <= count; i++) {
        queued = queued && (reply[i].type == PS_REPLY_ERROR ||
                            is_status(self, &reply[i], PS_SPAN("QUEUED")));
    }
    const ps_reply *exec = &reply[count + 1];
    if (queued && exec->type == PS_REPLY_ERROR && nodes == count + 2) {
        batch->ring->in_doubt = false;
        return judge_refusal(self, batch, reply + 1, written,
                             ps_redis_link_text(self->link, exec));
    }
    if (!queued || exec->type != PS_REPLY_ARRAY || exec->elements != count ||
        nodes != 2 * count + 2 ||
        !is_status(self, &reply[nodes - 1], PS_SPAN("OK"))) {
        return ps_delivery_give_up(self, PS_PROTOCOL);
    }
    ps_status status =
        judge_results(self, batch, exec + 1, written->events, true);
    if (status == PS_OK) {
        judge_sessions(self, batch, exec + 1 + written->events,
                       written->sessions);
        batch->ring->in_doubt = false;
    }
    return status;
}

ps_status
ps_delivery_replies_script(delivery *self, ps_batch *batch,
                           const ps_redis_written *written)
{
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    if (nodes == 1 && reply[0].type == PS_REPLY_ERROR) {
        return ps_delivery_refuse(self,
                                  ps_redis_link_text(self->link, &reply[0]));
    }
    if (nodes != written->events + 2 || reply[0].type != PS_REPLY_ARRAY ||
        reply[nodes - 1].type != PS_REPLY_INTEGER) {
        return ps_delivery_give_up(self, PS_PROTOCOL);
    }
    ps_status status =
        judge_results(self, batch, reply + 1, written->events, true);
    if (status == PS_OK) {
        judge_sessions(self, batch, &reply[nodes - 1], 1);
    }
    return status;
}

ps_status
ps_delivery_replies_plain(delivery *self, ps_batch *batch,
                          const ps_redis_written *written)
{
    size_t nodes;
    const ps_reply *reply = ps_redis_link_replies(self->link, &nodes);
    if (nodes != written->events + written->sessions) {
        return ps_delivery_give_up(self, PS_PROTOCOL);
    }
    judge_sessions(self, batch, reply + written->events, written->sessions);
    return judge_results(self, batch, reply, written->events, false);
}
