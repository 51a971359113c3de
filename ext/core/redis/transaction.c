/* SPDX-License-Identifier: MIT */
/* An event is written the same way in all three forms: XADD's arguments
 * behind the stream's name. Room for a whole event is asked for once. */
#include "redis/transaction.h"

#include "base/config.h"
#include "redis/command.h"

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

void
hr_redis_transaction_marker(hr_span prefix, const hr_ring *ring, hr_buf *out)
{
    hr_redis_command_key(out, prefix, HR_SPAN("marker:"),
                         hr_ring_header_producer(ring->header));
}

/* XADD's arguments behind the stream. */
static size_t
count_arguments(const hr_redis_transaction_form *form,
                const hr_ring_event *event)
{
    return 7 + 2 * (size_t)event->field_count +
           (form->max_length != 0 ? 3 : 0);
}

static void
write_id(const hr_ring *ring, uint64_t sequence, hr_buf *out)
{
    char text[20];
    hr_redis_command_key(out, hr_ring_header_producer(ring->header),
                         HR_SPAN("-"), hr_buf_number_text(text, sequence));
}

/* After reserve_event. */
static void
write_arguments(const hr_redis_transaction_form *form, const hr_ring *ring,
                const hr_ring_batch_event *taken, hr_buf *out)
{
    const hr_ring_event *event = &taken->event;
    if (form->max_length != 0) {
        hr_buf_put(out, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 19);
        hr_redis_command_number(out, form->max_length);
    }
    hr_buf_put(out, "$1\r\n*\r\n$2\r\nid\r\n", 15);
    write_id(ring, taken->sequence, out);
    hr_buf_put(out, "$4\r\nkind\r\n", 10);
    hr_redis_command_text(out, event->kind);
    hr_buf_put(out, "$4\r\ntime\r\n", 10);
    hr_redis_command_number(out, (uint64_t)event->time_ms);
    hr_span rest = event->body;
    hr_ring_event_field field;
    while (hr_ring_event_next_field(&rest, &field)) {
        hr_redis_command_text(out, field.name);
        hr_redis_command_text(out, field.value);
    }
}

/* Room for the whole event, of which much is put without asking: names and
 * values are inside the body, each with less than 32 bytes of framing. */
static bool
reserve_event(const hr_redis_transaction_form *form,
              const hr_ring_event *event, hr_buf *out)
{
    return hr_buf_room(out, event->body.len + event->kind.len +
                                form->stream.len + 256 +
                                32 * (count_arguments(form, event) + 2));
}

static void
write_events(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
             hr_buf *out, hr_redis_transaction_written *written)
{
    for (size_t i = 0; i < batch->count; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state != HR_RING_BATCH_WAITING ||
            !reserve_event(form, &taken->event, out)) {
            continue;
        }
        hr_redis_command_begin(out, 2 + count_arguments(form, &taken->event));
        hr_buf_put(out, "$4\r\nXADD\r\n", 10);
        hr_redis_command_text(out, form->stream);
        write_arguments(form, batch->ring, taken, out);
        written->last = taken->sequence;
        written->events++;
    }
}

static void
write_sessions(const hr_redis_transaction_form *form,
               const hr_redis_session_touches *touches, hr_buf *out,
               hr_redis_transaction_written *written)
{
    if (touches->count == 0) {
        return;
    }
    if (form->sessions == HR_REDIS_SESSION_PLAIN) {
        written->sessions = HR_REDIS_SESSION_COMMANDS * touches->count;
        hr_redis_session_write_plain(touches, form->prefix, out);
    } else if (form->sessions == HR_REDIS_SESSION_SCRIPT) {
        written->sessions = 1;
        hr_redis_session_write_script(touches, form->prefix, out);
    }
}

/* MULTI, the same, the marker, EXEC. */
static void
write_multi(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
            const hr_redis_session_touches *touches, hr_buf *out,
            hr_redis_transaction_written *written)
{
    hr_redis_command_words(out, HR_SPAN("MULTI"));
    write_events(form, batch, out, written);
    write_sessions(form, touches, out, written);
    hr_redis_command_begin(out, 5);
    hr_redis_command_text(out, HR_SPAN("SET"));
    hr_redis_transaction_marker(form->prefix, batch->ring, out);
    hr_redis_command_number(out, written->last);
    hr_redis_command_text(out, HR_SPAN("EX"));
    hr_redis_command_number(out, HR_MARKER_TTL_S);
    hr_redis_command_words(out, HR_SPAN("EXEC"));
    written->replies = written->events + written->sessions + 3;
}

/* How many arguments the script has; counts the events. */
static size_t
count_script(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
             size_t sessions, hr_redis_transaction_written *written)
{
    /* EVAL, script, number of keys, two keys, three numbers, a lifetime */
    size_t arguments = 9 + (1 + HR_REDIS_SESSION_ARGUMENTS) * sessions;
    for (size_t i = 0; i < batch->count; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state == HR_RING_BATCH_WAITING) {
            arguments += 2 + count_arguments(form, &taken->event);
            written->last = taken->sequence;
            written->events++;
        }
    }
    return arguments;
}

static void
write_script(const hr_redis_transaction_form *form, const hr_ring_batch *batch,
             const hr_redis_session_touches *touches, hr_buf *out,
             hr_redis_transaction_written *written)
{
    size_t sessions =
        form->sessions != HR_REDIS_SESSION_OFF ? touches->count : 0;
    written->replies = 1;
    hr_redis_command_begin(out, count_script(form, batch, sessions, written));
    hr_redis_command_text(out, HR_SPAN("EVAL"));
    hr_redis_command_key(
        out, (hr_span){hr_redis_session_lua, strlen(hr_redis_session_lua)},
        HR_SPAN(SCRIPT), HR_NO_SPAN);
    hr_redis_command_number(out, 2 + sessions);
    hr_redis_command_text(out, form->stream);
    hr_redis_transaction_marker(form->prefix, batch->ring, out);
    for (size_t i = 0; i < sessions; i++) {
        hr_redis_session_write_key(&touches->touches[i], form->prefix, out);
    }
    hr_redis_command_number(out, written->last);
    hr_redis_command_number(out, HR_MARKER_TTL_S);
    hr_redis_command_number(out, written->events);
    for (size_t i = 0; i < batch->count; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state == HR_RING_BATCH_WAITING &&
            reserve_event(form, &taken->event, out)) {
            hr_redis_command_number(out, taken->sequence);
            hr_redis_command_number(out, count_arguments(form, &taken->event));
            write_arguments(form, batch->ring, taken, out);
        }
    }
    hr_redis_command_number(out, HR_SESSION_TTL_S);
    for (size_t i = 0; i < sessions; i++) {
        hr_redis_session_write_arguments(&touches->touches[i], out);
    }
}

hr_status
hr_redis_transaction_write(hr_redis_transaction_kind kind,
                           const hr_redis_transaction_form *form,
                           const hr_ring_batch *batch,
                           const hr_redis_session_touches *touches,
                           hr_buf *out, hr_redis_transaction_written *written)
{
    *written = (hr_redis_transaction_written){.kind = kind,
                                              .touches = touches->count};
    if (kind == HR_REDIS_TRANSACTION_MULTI) {
        write_multi(form, batch, touches, out, written);
    } else if (kind == HR_REDIS_TRANSACTION_SCRIPT) {
        write_script(form, batch, touches, out, written);
    } else {
        write_events(form, batch, out, written);
        write_sessions(form, touches, out, written);
        written->replies = written->events + written->sessions;
    }
    return hr_buf_status(out);
}
