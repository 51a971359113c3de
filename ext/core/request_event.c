/* SPDX-License-Identifier: MIT */
/* The fixed fields come first, always in the same order, so that Redis can
 * store their names once for many entries; then the extra fields, in theirs;
 * then what the view added. Empty fields are left out. */
#include "request_event.h"

#include "client_address.h"

#include <string.h>

#define DECIMAL_MAX 20U /* digits of the largest uint64_t */
#define WORD_MAX 64U    /* bytes of a reason or an agent, and more */

/* The fields of one event, and room for the texts that are made for it. */
typedef struct writer {
    ps_field fields[11 + PS_EXTRA_COUNT + PS_EVENT_FIELDS_MAX];
    size_t count;
    char status[DECIMAL_MAX];
    char duration[DECIMAL_MAX];
    char prefix[PS_ADDRESS_MAX + 4];
} writer;

static void
put(writer *out, ps_span name, ps_span value)
{
    if (value.ptr != NULL && value.len != 0) {
        out->fields[out->count++] = (ps_field){name, value, false};
    }
}

/* Decimal digits of `value`, at the end of `buffer`. */
static ps_span
decimal(uint64_t value, char *buffer, size_t size)
{
    char *end = buffer + size;
    char *at = end;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return (ps_span){at, (size_t)(end - at)};
}

static ps_span
until(ps_span text, const char *stops)
{
    size_t i = 0;
    while (i < text.len && strchr(stops, text.ptr[i]) == NULL) {
        i++;
    }
    text.len = i;
    return text;
}

/* The trace id of a traceparent header (W3C Trace Context, version 00 and
 * later ones that begin like it). */
static ps_span
trace_id(ps_span traceparent)
{
    ps_span text = ps_span_trim(traceparent);
    if (text.len < 55 || text.ptr[2] != '-' || text.ptr[35] != '-' ||
        text.ptr[52] != '-' ||
        ps_span_equal((ps_span){text.ptr, 2}, PS_SPAN("ff"))) {
        return PS_NO_SPAN;
    }
    bool zero = true;
    for (size_t i = 3; i < 35; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return PS_NO_SPAN;
        }
        zero = zero && c == '0';
    }
    return zero ? PS_NO_SPAN : (ps_span){text.ptr + 3, 32};
}

static ps_span
extra_value(const ps_request_event *event, const ps_request *request,
            int which, writer *out)
{
    switch ((ps_extra_field)which) {
    case PS_EXTRA_SCHEME:
        return request->detail(request->source, PS_DETAIL_SCHEME);
    case PS_EXTRA_HOST:
        return ps_request_header(request, PS_HEADER_HOST);
    case PS_EXTRA_REFERRER:
        /* without its query: what a form carried is nobody's business */
        return until(ps_request_header(request, PS_HEADER_REFERER), "?#");
    case PS_EXTRA_USER_AGENT:
        return ps_request_header(request, PS_HEADER_USER_AGENT);
    case PS_EXTRA_LANGUAGE:
        return ps_span_trim(until(
            ps_request_header(request, PS_HEADER_ACCEPT_LANGUAGE), ",;"));
    case PS_EXTRA_IP_PREFIX:
        return ps_address_prefix(event->address, out->prefix);
    case PS_EXTRA_IP:
        return event->address;
    case PS_EXTRA_QUERY:
        return request->detail(request->source, PS_DETAIL_QUERY);
    case PS_EXTRA_TRACE_ID:
        return trace_id(ps_request_header(request, PS_HEADER_TRACEPARENT));
    case PS_EXTRA_REQUEST_ID:
        return request->request_id;
    case PS_EXTRA_COUNT:
        break;
    }
    return PS_NO_SPAN;
}

static void
put_extra_fields(const ps_request_event *event, const ps_request *request,
                 writer *out)
{
    static const ps_span NAMES[] = {
#define X(name, word) {word, sizeof(word) - 1},
        PS_EXTRA_FIELDS(X)
#undef X
    };
    for (int i = 0; i < PS_EXTRA_COUNT; i++) {
        if (event->extra_fields & (1U << i)) {
            put(out, NAMES[i], extra_value(event, request, i, out));
        }
    }
}

/* Absent for a token that was not refused; else at most WORD_MAX bytes. */
static ps_span
reason_word(ps_status reason)
{
    if (reason == PS_OK || reason == PS_ABSENT) {
        return PS_NO_SPAN;
    }
    const char *word = ps_status_word(reason);
    return (ps_span){word, strlen(word)};
}

static ps_status
emit_fields(ps_sink *sink, const ps_request_event *event,
            const ps_request *request)
{
    writer out;
    out.count = 0;
    put(&out, PS_SPAN("label"), event->label);
    put(&out, PS_SPAN("method"), event->method);
    put(&out, PS_SPAN("path"), event->path);
    if (event->path_is_altered && event->path.len != 0) {
        out.fields[out.count - 1].altered = true;
    }
    put(&out, PS_SPAN("route"), event->route);
    put(&out, PS_SPAN("status"),
        decimal((uint64_t)(event->status > 0 ? event->status : 0), out.status,
                sizeof(out.status)));
    put(&out, PS_SPAN("duration_us"),
        decimal(event->duration_us, out.duration, sizeof(out.duration)));
    put(&out, PS_SPAN("user"), event->user);
    put(&out, PS_SPAN("fingerprint"), event->fingerprint);
    put(&out, PS_SPAN("new"), event->is_new ? PS_SPAN("1") : PS_NO_SPAN);
    put(&out, PS_SPAN("reason"), reason_word(event->reason));
    put(&out, PS_SPAN("agent"), ps_agent_word(event->agent));
    put_extra_fields(event, request, &out);
    for (size_t i = 0; i < event->field_count && i < PS_EVENT_FIELDS_MAX;
         i++) {
        out.fields[out.count++] = event->fields[i];
    }
    return ps_sink_emit(sink, PS_SPAN("request"), out.fields, out.count,
                        event->fingerprint.len != 0 ? PS_EVENT_SESSION : 0);
}

/* --- the usual event --------------------------------------------------- */

/* Values of the usual event, all together. */
#define USUAL_MAX 512U
/* Its names, their lengths, and what is not counted among its values. */
#define USUAL_REST 192U

/* Every field that it may have, with its head of three bytes. */
_Static_assert(sizeof("label"
                      "method"
                      "path"
                      "route"
                      "status"
                      "duration_us"
                      "user"
                      "fingerprint"
                      "new"
                      "reason"
                      "agent") +
                       11 * 3 + DECIMAL_MAX * 2 + 1 <=
                   USUAL_REST,
               "an event of usual length fits");

/* No field is cut, repaired or asked for by a setting or the view; and the
 * event is short. */
static bool
is_usual(const ps_sink *sink, const ps_request_event *event)
{
    return event->extra_fields == 0 && event->field_count == 0 &&
           !event->path_is_altered && !ps_sink_is_sampling(sink) &&
           event->label.len + event->method.len + event->path.len +
                   event->route.len + event->user.len +
                   event->fingerprint.len <=
               USUAL_MAX - 2 * WORD_MAX;
}

/* Where the next field goes, and how many there are. */
typedef struct written {
    char *at;
    unsigned count;
} written;

static inline __attribute__((always_inline)) void
write(written *out, ps_span name, ps_span value)
{
    if (value.ptr != NULL && value.len != 0) {
        out->at = ps_event_put_field(out->at, name, value);
        out->count++;
    }
}

/* The same fields as emit_fields(), each written once where its name is
 * known. */
static ps_status
emit_usual(ps_sink *sink, const ps_request_event *event)
{
    char bytes[USUAL_MAX + USUAL_REST];
    char digits[DECIMAL_MAX];
    written out = {bytes, 0};
    write(&out, PS_SPAN("label"), event->label);
    write(&out, PS_SPAN("method"), event->method);
    write(&out, PS_SPAN("path"), event->path);
    write(&out, PS_SPAN("route"), event->route);
    write(&out, PS_SPAN("status"),
          decimal((uint64_t)(event->status > 0 ? event->status : 0), digits,
                  sizeof(digits)));
    write(&out, PS_SPAN("duration_us"),
          decimal(event->duration_us, digits, sizeof(digits)));
    write(&out, PS_SPAN("user"), event->user);
    write(&out, PS_SPAN("fingerprint"), event->fingerprint);
    if (event->is_new) {
        write(&out, PS_SPAN("new"), PS_SPAN("1"));
    }
    write(&out, PS_SPAN("reason"), reason_word(event->reason));
    write(&out, PS_SPAN("agent"), ps_agent_word(event->agent));
    ps_span body = {bytes, (size_t)(out.at - bytes)};
    return ps_sink_emit_written(sink, PS_SPAN("request"), body, out.count,
                                event->fingerprint.len != 0 ? PS_EVENT_SESSION
                                                            : 0);
}

void
ps_request_event_emit(ps_sink *sink, const ps_request_event *event,
                      const ps_request *request)
{
    /* a refused event is counted by the sink; the request goes on */
    ps_status status = is_usual(sink, event)
                           ? emit_usual(sink, event)
                           : emit_fields(sink, event, request);
    (void)status;
}
