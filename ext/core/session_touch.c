/* SPDX-License-Identifier: MIT */
/* Combining is a hash table with open addressing over the batch: at least
 * twice as many slots as events, so that a probe is short. The hash is no
 * defence: fingerprints are random numbers that we made and signed. */
#include "session_touch.h"

#include "alloc.h"
#include "config.h"
#include "redis_command.h"

#define KEY_PREFIX "session:"

const char ps_session_touch_lua[] =
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

ps_status
ps_session_touch_init(ps_session_touches *touches, size_t room)
{
    size_t slots = 16;
    while (slots < room * 2) {
        slots *= 2;
    }
    *touches = (ps_session_touches){.room = room, .slot_mask = slots - 1};
    touches->touches = ps_calloc(room, sizeof(*touches->touches));
    touches->slots = ps_calloc(slots, sizeof(*touches->slots));
    if (touches->touches == NULL || touches->slots == NULL) {
        ps_session_touch_fini(touches);
        return PS_NO_MEMORY;
    }
    return PS_OK;
}

void
ps_session_touch_fini(ps_session_touches *touches)
{
    ps_free(touches->touches);
    ps_free(touches->slots);
    *touches = (ps_session_touches){0};
}

/* The touch of `fingerprint`, new or known. */
static ps_session_touch *
find(ps_session_touches *touches, ps_span fingerprint)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < fingerprint.len; i++) {
        hash = (hash ^ (unsigned char)fingerprint.ptr[i]) *
               UINT64_C(0x100000001b3);
    }
    for (size_t at = hash & touches->slot_mask;;
         at = (at + 1) & touches->slot_mask) {
        uint32_t index = touches->slots[at];
        if (index == 0) {
            ps_session_touch *made = &touches->touches[touches->count++];
            *made = (ps_session_touch){.fingerprint = fingerprint,
                                       .first_ms = INT64_MAX};
            touches->slots[at] = (uint32_t)touches->count;
            return made;
        }
        if (ps_span_equal(touches->touches[index - 1].fingerprint,
                          fingerprint)) {
            return &touches->touches[index - 1];
        }
    }
}

static void
add(ps_session_touches *touches, const ps_event *event)
{
    ps_span fingerprint = ps_event_find(event, PS_SPAN("fingerprint"));
    if (fingerprint.len == 0) {
        return;
    }
    ps_session_touch *touch = find(touches, fingerprint);
    ps_span path = ps_event_find(event, PS_SPAN("path"));
    ps_span user = ps_event_find(event, PS_SPAN("user"));
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
ps_session_touch_collect(ps_session_touches *touches, const ps_batch *batch,
                         int64_t oldest_ms)
{
    if (touches->count != 0) {
        memset(touches->slots, 0,
               (touches->slot_mask + 1) * sizeof(*touches->slots));
    }
    touches->count = 0;
    for (size_t i = 0; i < batch->count && i < touches->room; i++) {
        const ps_batch_event *taken = &batch->events[i];
        if (taken->state == PS_EVENT_WAITING &&
            (taken->event.flags & PS_EVENT_SESSION) != 0 &&
            taken->event.time_ms >= oldest_ms) {
            add(touches, &taken->event);
        }
    }
}

ps_status
ps_session_touch_write_key(const ps_session_touch *touch, ps_buf *out)
{
    char key[sizeof(KEY_PREFIX) - 1 + PS_FIELD_VALUE_MAX];
    memcpy(key, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
    memcpy(key + sizeof(KEY_PREFIX) - 1, touch->fingerprint.ptr,
           touch->fingerprint.len);
    return ps_redis_command_text(
        out, (ps_span){key, sizeof(KEY_PREFIX) - 1 + touch->fingerprint.len});
}

ps_status
ps_session_touch_write_arguments(const ps_session_touch *touch, ps_buf *out)
{
    ps_status status = ps_redis_command_number(out, (uint64_t)touch->first_ms);
    if (status == PS_OK) {
        status = ps_redis_command_number(out, (uint64_t)touch->last_ms);
    }
    if (status == PS_OK) {
        status = ps_redis_command_number(out, touch->views);
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(out, touch->path);
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(out, touch->user);
    }
    return status;
}

ps_status
ps_session_touch_write_script(const ps_session_touches *touches, ps_buf *out)
{
    static const char CALL[] = "return touch(KEYS,1,ARGV,2)";
    char script[1536];
    size_t len = strlen(ps_session_touch_lua);
    memcpy(script, ps_session_touch_lua, len);
    memcpy(script + len, CALL, sizeof(CALL) - 1);
    len += sizeof(CALL) - 1;
    ps_status status = ps_redis_command_begin(
        out, 4 + (1 + PS_SESSION_ARGUMENTS) * touches->count);
    if (status == PS_OK) {
        status = ps_redis_command_text(out, PS_SPAN("EVAL"));
    }
    if (status == PS_OK) {
        status = ps_redis_command_text(out, (ps_span){script, len});
    }
    if (status == PS_OK) {
        status = ps_redis_command_number(out, touches->count);
    }
    for (size_t i = 0; i < touches->count && status == PS_OK; i++) {
        status = ps_session_touch_write_key(&touches->touches[i], out);
    }
    if (status == PS_OK) {
        status = ps_redis_command_number(out, PS_SESSION_TTL_S);
    }
    for (size_t i = 0; i < touches->count && status == PS_OK; i++) {
        status = ps_session_touch_write_arguments(&touches->touches[i], out);
    }
    return status;
}

/* `arguments` words, then the key between the first and the others. */
static ps_status
write_words(const ps_session_touch *touch, ps_buf *out, const ps_span *words,
            size_t count)
{
    ps_status status = ps_redis_command_begin(out, count + 1);
    for (size_t i = 0; i < count && status == PS_OK; i++) {
        status = ps_redis_command_text(out, words[i]);
        if (i == 0 && status == PS_OK) {
            status = ps_session_touch_write_key(touch, out);
        }
    }
    return status;
}

static ps_status
write_plain(const ps_session_touch *touch, ps_buf *out)
{
    char first[20];
    char last[20];
    char views[20];
    char ttl[20];
    const ps_span first_text = {
        first, ps_buf_format_number(first, (uint64_t)touch->first_ms)};
    const ps_span last_text = {
        last, ps_buf_format_number(last, (uint64_t)touch->last_ms)};
    const ps_span views_text = {views,
                                ps_buf_format_number(views, touch->views)};
    const ps_span ttl_text = {ttl,
                              ps_buf_format_number(ttl, PS_SESSION_TTL_S)};
    const ps_span hsetnx[] = {PS_SPAN("HSETNX"), PS_SPAN("first_seen"),
                              first_text};
    const ps_span hincrby[] = {PS_SPAN("HINCRBY"), PS_SPAN("views"),
                               views_text};
    const ps_span hset[] = {
        PS_SPAN("HSET"), PS_SPAN("last_seen"), last_text,  PS_SPAN("path"),
        touch->path,     PS_SPAN("user"),      touch->user};
    const ps_span expire[] = {PS_SPAN("EXPIRE"), ttl_text};
    ps_status status = write_words(touch, out, hsetnx, 3);
    if (status == PS_OK) {
        status = write_words(touch, out, hincrby, 3);
    }
    if (status == PS_OK) {
        status = write_words(touch, out, hset, touch->user.len != 0 ? 7 : 5);
    }
    if (status == PS_OK) {
        status = write_words(touch, out, expire, 2);
    }
    return status;
}

ps_status
ps_session_touch_write_plain(const ps_session_touches *touches, ps_buf *out)
{
    ps_status status = PS_OK;
    for (size_t i = 0; i < touches->count && status == PS_OK; i++) {
        status = write_plain(&touches->touches[i], out);
    }
    return status;
}
