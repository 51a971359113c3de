/* SPDX-License-Identifier: MIT */
/* Combining is a hash table with open addressing over the batch: at least
 * twice as many slots as events, so that a probe is short. The hash is no
 * defence: fingerprints are random numbers that we made and signed. */
#include "redis/session.h"

#include "base/alloc.h"
#include "base/config.h"
#include "redis/command.h"

const char hr_redis_session_lua[] =
    "local function touch(keys,from,argv,at)"
    " local ttl,bad=argv[at-1],0"
    " for i=from,#keys do"
    " local key=keys[i]"
    " local seen=redis.pcall('HMGET',key,'first_seen','last_seen')"
    " if seen.err then bad=bad+1 else"
    " local first,last=tonumber(seen[1] or ''),tonumber(seen[2] or '')"
    " if not first or tonumber(argv[at])<first then"
    " redis.call('HSET',key,'first_seen',argv[at]) end"
    " if not last or tonumber(argv[at+1])>=last then"
    " redis.call('HSET',key,'last_seen',argv[at+1],'path',argv[at+3])"
    " if argv[at+4]~='' then redis.call('HSET',key,'user',argv[at+4]) end end"
    " if type(redis.pcall('HINCRBY',key,'views',argv[at+2]))=='table' then"
    " bad=bad+1 end"
    " redis.call('EXPIRE',key,ttl)"
    " end"
    " at=at+5 end"
    " return bad end ";

hr_status
hr_redis_session_init(hr_redis_session_touches *touches, size_t room)
{
    size_t slots = 16;
    while (slots < room * 2) {
        slots *= 2;
    }
    *touches =
        (hr_redis_session_touches){.room = room, .slot_mask = slots - 1};
    touches->touches = hr_alloc_zeroed(room, sizeof(*touches->touches));
    touches->slots = hr_alloc_zeroed(slots, sizeof(*touches->slots));
    if (touches->touches == NULL || touches->slots == NULL) {
        hr_redis_session_fini(touches);
        return HR_NO_MEMORY;
    }
    return HR_OK;
}

void
hr_redis_session_fini(hr_redis_session_touches *touches)
{
    hr_alloc_free(touches->touches);
    hr_alloc_free(touches->slots);
    *touches = (hr_redis_session_touches){0};
}

/* The touch of `fingerprint`, new or known. */
static hr_redis_session_touch *
find(hr_redis_session_touches *touches, hr_span fingerprint)
{
    for (size_t at = hr_span_hash(fingerprint) & touches->slot_mask;;
         at = (at + 1) & touches->slot_mask) {
        uint32_t index = touches->slots[at];
        if (index == 0) {
            hr_redis_session_touch *made = &touches->touches[touches->count++];
            *made = (hr_redis_session_touch){.fingerprint = fingerprint,
                                             .first_ms = INT64_MAX};
            touches->slots[at] = (uint32_t)touches->count;
            return made;
        }
        if (hr_span_equal(touches->touches[index - 1].fingerprint,
                          fingerprint)) {
            return &touches->touches[index - 1];
        }
    }
}

static void
add(hr_redis_session_touches *touches, const hr_ring_event *event)
{
    hr_span fingerprint = hr_ring_event_find(event, HR_SPAN("fingerprint"));
    if (fingerprint.len == 0) {
        return;
    }
    hr_redis_session_touch *touch = find(touches, fingerprint);
    hr_span path = hr_ring_event_find(event, HR_SPAN("path"));
    hr_span user = hr_ring_event_find(event, HR_SPAN("user"));
    touch->views++;
    if (event->time_ms < touch->first_ms) {
        touch->first_ms = event->time_ms;
    }
    if (event->time_ms >= touch->last_ms) {
        touch->last_ms = event->time_ms;
        touch->path = path.ptr != NULL ? path : touch->path;
        touch->user = user.ptr != NULL ? user : touch->user;
    }
}

void
hr_redis_session_collect(hr_redis_session_touches *touches,
                         const hr_ring_batch *batch, int64_t oldest_ms)
{
    if (touches->count != 0) {
        memset(touches->slots, 0,
               (touches->slot_mask + 1) * sizeof(*touches->slots));
    }
    touches->count = 0;
    for (size_t i = 0; i < batch->count && i < touches->room; i++) {
        const hr_ring_batch_event *taken = &batch->events[i];
        if (taken->state == HR_RING_BATCH_WAITING &&
            (taken->event.flags & HR_RING_EVENT_SESSION) != 0 &&
            taken->event.time_ms >= oldest_ms) {
            add(touches, &taken->event);
        }
    }
}

void
hr_redis_session_write_key(const hr_redis_session_touch *touch, hr_span prefix,
                           hr_buf *out)
{
    hr_redis_command_key(out, prefix, HR_SPAN("session:"), touch->fingerprint);
}

void
hr_redis_session_write_arguments(const hr_redis_session_touch *touch,
                                 hr_buf *out)
{
    hr_redis_command_number(out, (uint64_t)touch->first_ms);
    hr_redis_command_number(out, (uint64_t)touch->last_ms);
    hr_redis_command_number(out, touch->views);
    hr_redis_command_text(out, touch->path);
    hr_redis_command_text(out, touch->user);
}

void
hr_redis_session_write_script(const hr_redis_session_touches *touches,
                              hr_span prefix, hr_buf *out)
{
    static const char CALL[] = "return touch(KEYS,1,ARGV,2)";
    hr_redis_command_begin(out, 4 + (1 + HR_REDIS_SESSION_ARGUMENTS) *
                                        touches->count);
    hr_redis_command_text(out, HR_SPAN("EVAL"));
    hr_redis_command_key(
        out, (hr_span){hr_redis_session_lua, strlen(hr_redis_session_lua)},
        HR_SPAN(CALL), HR_NO_SPAN);
    hr_redis_command_number(out, touches->count);
    for (size_t i = 0; i < touches->count; i++) {
        hr_redis_session_write_key(&touches->touches[i], prefix, out);
    }
    hr_redis_command_number(out, HR_SESSION_TTL_S);
    for (size_t i = 0; i < touches->count; i++) {
        hr_redis_session_write_arguments(&touches->touches[i], out);
    }
}

static void
write_plain(const hr_redis_session_touch *touch, hr_span prefix, hr_buf *out)
{
    hr_redis_command_begin(out, 4);
    hr_redis_command_text(out, HR_SPAN("HSETNX"));
    hr_redis_session_write_key(touch, prefix, out);
    hr_redis_command_text(out, HR_SPAN("first_seen"));
    hr_redis_command_number(out, (uint64_t)touch->first_ms);

    hr_redis_command_begin(out, 4);
    hr_redis_command_text(out, HR_SPAN("HINCRBY"));
    hr_redis_session_write_key(touch, prefix, out);
    hr_redis_command_text(out, HR_SPAN("views"));
    hr_redis_command_number(out, touch->views);

    hr_redis_command_begin(out, touch->user.len != 0 ? 8 : 6);
    hr_redis_command_text(out, HR_SPAN("HSET"));
    hr_redis_session_write_key(touch, prefix, out);
    hr_redis_command_text(out, HR_SPAN("last_seen"));
    hr_redis_command_number(out, (uint64_t)touch->last_ms);
    hr_redis_command_text(out, HR_SPAN("path"));
    hr_redis_command_text(out, touch->path);
    if (touch->user.len != 0) {
        hr_redis_command_text(out, HR_SPAN("user"));
        hr_redis_command_text(out, touch->user);
    }

    hr_redis_command_begin(out, 3);
    hr_redis_command_text(out, HR_SPAN("EXPIRE"));
    hr_redis_session_write_key(touch, prefix, out);
    hr_redis_command_number(out, HR_SESSION_TTL_S);
}

void
hr_redis_session_write_plain(const hr_redis_session_touches *touches,
                             hr_span prefix, hr_buf *out)
{
    for (size_t i = 0; i < touches->count; i++) {
        write_plain(&touches->touches[i], prefix, out);
    }
}
