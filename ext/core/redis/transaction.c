/* SPDX-License-Identifier: MIT */
/* An event is written the same way in all three forms: XADD's arguments
 * behind the stream's name. Room for a whole event is asked for once. */
#include "redis/transaction.h"

#include "base/config.h"
#include "redis/command.h"

#define SCRIPT_MAX 4096

/* KEYS: stream, marker, sessions. ARGV: last sequence, marker's lifetime,
 * number of events; each event: sequence, number of arguments, arguments;
 * sessions' lifetime, sessions. An error that stands for all events is
 * answered as such while nothing has been written. */
static const char SCRIPT[] =
    "local marker=redis.call('GET',KEYS[2]) or '0' "
    "if not string.match(marker,'^%d+$') then return "
    "{err='" HR_REDIS_TRANSACTION_MARKER_UNKNOWN "'} end "
    "marker=tonumber(marker) "
    "local out,at,fresh={},4,true "
    "for i=1,tonumber(ARGV[3]) do"
    " local n=tonumber(ARGV[at+1])"
    " if tonumber(ARGV[at])<=marker then out[i]='dup' fresh=false else"
    " local r=redis.pcall('XADD',KEYS[1],unpack(ARGV,at+2,at+1+n))"
    " if type(r)=='table' and r.err and i==1 then"
    " local code=string.match(r.err,'^-?(%u+)')"
    " if code~='WRONGTYPE' and code~='ERR' then return r end end"
    " out[i]=r end"
    " at=at+2+n end "
    "redis.call('SET',KEYS[2],ARGV[1],'EX',ARGV[2]) "
    "out[#out+1]=fresh and #KEYS>2 and touch(KEYS,3,ARGV,at+1) or 0 "
    "return out";

hr_status
hr_redis_transaction_marker(hr_span prefix, const hr_ring *ring, hr_buf *out)
{
    return hr_redis_command_key(
        out, prefix, HR_SPAN("marker:"),
        (hr_span){ring->header->label.producer, HR_RING_PRODUCER_SIZE});
}

/* XADD's arguments behind the stream. */
static size_t
count_arguments(const hr_redis_transaction_form *form,
                const hr_ring_event *event)
{
    return 7 + 2 * (size_t)event->field_count +
           (form->max_length != 0 ? 3 : 0);
}

static hr_status
write_id(const hr_ring *ring, uint64_t sequence, hr_buf *out)
{
    char id[HR_RING_PRODUCER_SIZE + 1 + 20];
    memcpy(id, ring->header->label.producer, HR_RING_PRODUCER_SIZE);
    id[HR_RING_PRODUCER_SIZE] = '-';
    size_t digits =
        hr_buf_format_number(id + HR_RING_PRODUCER_SIZE + 1, sequence);
    return hr_redis_command_text(
        out, (hr_span){id, HR_RING_PRODUCER_SIZE + 1 + digits});
}

static hr_status
write_arguments(const hr_redis_transaction_form *form, const hr_ring *ring,
                const hr_ring_batch_event *taken, hr_buf *out)
{
    const hr_ring_event *event = &taken->event;
    hr_status status = HR_OK;
    if (form->max_length != 0) {
        hr_buf_put(out, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 19);
        status = hr_redis_command_number(out, form->max_length);
    }
    if (status == HR_OK) {
        hr_buf_put(out, "$1\r\n*\r\n$2\r\nid\r\n", 15);
        status = write_id(ring, taken->sequence, out);
    }
    if (status == HR_OK) {
        hr_buf_put(out, "$4\r\nkind\r\n", 10);
        status = hr_redis_command_text(out, event->kind);
    }
    if (status == HR_OK) {
        hr_buf_put(out, "$4\r\ntime\r\n", 10);
        status = hr_redis_command_number(out, (uint64_t)event->time_ms);
    }
    hr_span rest = event->body;
    hr_ring_event_field field;
    while (status == HR_OK && hr_ring_event_next_field(&rest, &field)) {
        status = hr_redis_command_text(out, field.name);
        if (status == HR_OK) {
            status = hr_redis_command_text(out, field.value);
        }
    }
    return status;
}

/* Room for all that is put without asking: names and values are inside the
 * body, each with less than 32 bytes of framing. */
static hr_status
reserve_event(const hr_redis_transaction_form *form,
              const hr_ring_event *event, hr_buf *out)
{
    return hr_buf_reserve(out, event->body.len + event->kind.len +
                                   form->stream.len + 256 +
                                   32 * (count_arguments(form, event) + 2));
}

static hr_status
write_events(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
             hr_buf *out, hr_redis_transaction_written *written,
             uint64_t *last)
{
    hr_status status = HR_OK;
    for (size_t i = 0; i < batch->count && status == HR_OK; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state != HR_RING_BATCH_WAITING) {
            continue;
        }
        status = reserve_event(form, &taken->event, out);
        if (status == HR_OK) {
            status = hr_redis_command_begin(
                out, 2 + count_arguments(form, &taken->event));
        }
        if (status == HR_OK) {
            hr_buf_put(out, "$4\r\nXADD\r\n", 10);
            status = hr_redis_command_text(out, form->stream);
        }
        if (status == HR_OK) {
            status = write_arguments(form, batch->ring, taken, out);
        }
        *last = taken->sequence;
        written->events++;
    }
    return status;
}

static hr_status
write_sessions(const hr_redis_transaction_form *form,
               const hr_redis_session_touches *touches, hr_buf *out,
               hr_redis_transaction_written *written)
{
    if (touches->count == 0 || form->sessions == HR_REDIS_SESSION_OFF) {
        return HR_OK;
    }
    if (form->sessions == HR_REDIS_SESSION_PLAIN) {
        written->sessions = HR_REDIS_SESSION_COMMANDS * touches->count;
        return hr_redis_session_write_plain(touches, form->prefix, out);
    }
    written->sessions = 1;
    return hr_redis_session_write_script(touches, form->prefix, out);
}

static hr_status
write_set_marker(const hr_redis_transaction_form *form, const hr_ring *ring,
                 uint64_t sequence, hr_buf *out)
{
    hr_status status = hr_redis_command_begin(out, 5);
    if (status == HR_OK) {
        status = hr_redis_command_text(out, HR_SPAN("SET"));
    }
    if (status == HR_OK) {
        status = hr_redis_transaction_marker(form->prefix, ring, out);
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, sequence);
    }
    if (status == HR_OK) {
        status = hr_redis_command_text(out, HR_SPAN("EX"));
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, HR_MARKER_TTL_S);
    }
    return status;
}

hr_status
hr_redis_transaction_plain(const hr_redis_transaction_form *form,
                           const hr_ring_batch *batch,
                           const hr_redis_session_touches *touches,
                           hr_buf *out, hr_redis_transaction_written *written)
{
    uint64_t last = 0;
    *written = (hr_redis_transaction_written){0, 0};
    hr_status status = write_events(form, batch, out, written, &last);
    if (status == HR_OK) {
        status = write_sessions(form, touches, out, written);
    }
    return status;
}

hr_status
hr_redis_transaction_multi(const hr_redis_transaction_form *form,
                           const hr_ring_batch *batch,
                           const hr_redis_session_touches *touches,
                           hr_buf *out, hr_redis_transaction_written *written)
{
    uint64_t last = 0;
    *written = (hr_redis_transaction_written){0, 0};
    hr_status status = hr_redis_command_words(out, HR_SPAN("MULTI"));
    if (status == HR_OK) {
        status = write_events(form, batch, out, written, &last);
    }
    if (status == HR_OK) {
        status = write_sessions(form, touches, out, written);
    }
    if (status == HR_OK) {
        status = write_set_marker(form, batch->ring, last, out);
    }
    if (status == HR_OK) {
        status = hr_redis_command_words(out, HR_SPAN("EXEC"));
    }
    return status;
}

/* How many arguments the script has, and the last event's sequence. */
static size_t
count_script(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
             size_t sessions, hr_redis_transaction_written *written,
             uint64_t *last)
{
    /* EVAL, script, number of keys, two keys, three numbers, a lifetime */
    size_t arguments = 9 + (1 + HR_REDIS_SESSION_ARGUMENTS) * sessions;
    for (size_t i = 0; i < batch->count; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state == HR_RING_BATCH_WAITING) {
            arguments += 2 + count_arguments(form, &taken->event);
            *last = taken->sequence;
            written->events++;
        }
    }
    return arguments;
}

static hr_status
write_script_head(const hr_redis_transaction_form *form,
                  const hr_ring_batch *batch,
                  const hr_redis_session_touches *touches, size_t sessions,
                  hr_buf *out, hr_redis_transaction_written *written)
{
    char script[SCRIPT_MAX];
    uint64_t last = 0;
    size_t touch = strlen(hr_redis_session_lua);
    memcpy(script, hr_redis_session_lua, touch);
    memcpy(script + touch, SCRIPT, sizeof(SCRIPT) - 1);
    hr_status status = hr_redis_command_begin(
        out, count_script(form, batch, sessions, written, &last));
    if (status == HR_OK) {
        status = hr_redis_command_text(out, HR_SPAN("EVAL"));
    }
    if (status == HR_OK) {
        status = hr_redis_command_text(
            out, (hr_span){script, touch + sizeof(SCRIPT) - 1});
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, 2 + sessions);
    }
    if (status == HR_OK) {
        status = hr_redis_command_text(out, form->stream);
    }
    if (status == HR_OK) {
        status = hr_redis_transaction_marker(form->prefix, batch->ring, out);
    }
    for (size_t i = 0; i < sessions && status == HR_OK; i++) {
        status = hr_redis_session_write_key(&touches->touches[i], form->prefix,
                                            out);
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, last);
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, HR_MARKER_TTL_S);
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, written->events);
    }
    return status;
}

hr_status
hr_redis_transaction_script(const hr_redis_transaction_form *form,
                            const hr_ring_batch *batch,
                            const hr_redis_session_touches *touches,
                            hr_buf *out, hr_redis_transaction_written *written)
{
    size_t sessions =
        form->sessions != HR_REDIS_SESSION_OFF ? touches->count : 0;
    *written = (hr_redis_transaction_written){0, 0};
    hr_status status =
        write_script_head(form, batch, touches, sessions, out, written);
    for (size_t i = 0; i < batch->count && status == HR_OK; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state != HR_RING_BATCH_WAITING) {
            continue;
        }
        status = reserve_event(form, &taken->event, out);
        if (status == HR_OK) {
            status = hr_redis_command_number(out, taken->sequence);
        }
        if (status == HR_OK) {
            status = hr_redis_command_number(
                out, count_arguments(form, &taken->event));
        }
        if (status == HR_OK) {
            status = write_arguments(form, batch->ring, taken, out);
        }
    }
    if (status == HR_OK) {
        status = hr_redis_command_number(out, HR_SESSION_TTL_S);
    }
    for (size_t i = 0; i < sessions && status == HR_OK; i++) {
        status = hr_redis_session_write_arguments(&touches->touches[i], out);
    }
    return status;
}
