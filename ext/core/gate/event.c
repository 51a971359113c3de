/* SPDX-License-Identifier: MIT */
/* The fixed fields come first, always in the same order, so that Redis can
 * store their names once for many entries; then the extra fields, in theirs;
 * then what the view added. Empty fields are left out. */
#include "gate/event.h"

#include "visitor/client_address.h"

#include <string.h>

#define DECIMAL_MAX 20U /* digits of the largest uint64_t */
#define WORD_MAX 64U    /* bytes of a reason or an agent, and more */

/* The fields of one event, and room for the texts that are made for it. */
typedef struct writer {
    hr_ring_event_field
        fields[11 + HR_GATE_EVENT_EXTRA_COUNT + HR_EVENT_FIELDS_MAX];
    size_t count;
    char status[DECIMAL_MAX];
    char duration[DECIMAL_MAX];
    char prefix[HR_VISITOR_CLIENT_ADDRESS_MAX + 4];
} writer;

static void
put(writer *out, hr_span name, hr_span value)
{
    if (value.ptr != NULL && value.len != 0) {
        out->fields[out->count++] = (hr_ring_event_field){name, value, false};
    }
}

/* Decimal digits of `value`, at the end of `buffer`. */
static hr_span
decimal(uint64_t value, char *buffer, size_t size)
{
    char *end = buffer + size;
    char *at = end;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return (hr_span){at, (size_t)(end - at)};
}

static hr_span
until(hr_span text, const char *stops)
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
static hr_span
trace_id(hr_span traceparent)
{
    hr_span text = hr_span_trim(traceparent);
    if (text.len < 55 || text.ptr[2] != '-' || text.ptr[35] != '-' ||
        text.ptr[52] != '-' ||
        hr_span_equal((hr_span){text.ptr, 2}, HR_SPAN("ff"))) {
        return HR_NO_SPAN;
    }
    bool zero = true;
    for (size_t i = 3; i < 35; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return HR_NO_SPAN;
        }
        zero = zero && c == '0';
    }
    return zero ? HR_NO_SPAN : (hr_span){text.ptr + 3, 32};
}

static hr_span
extra_value(const hr_gate_event *event, const hr_gate_request *request,
            int which, writer *out)
{
    switch ((hr_gate_event_extra)which) {
    case HR_GATE_EVENT_EXTRA_SCHEME:
        return request->detail(request->source, HR_GATE_REQUEST_DETAIL_SCHEME);
    case HR_GATE_EVENT_EXTRA_HOST:
        return hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_HOST);
    case HR_GATE_EVENT_EXTRA_REFERRER:
        /* without its query: what a form carried is nobody's business */
        return until(
            hr_gate_request_header(request, HR_GATE_REQUEST_HEADER_REFERER),
            "?#");
    case HR_GATE_EVENT_EXTRA_USER_AGENT:
        return hr_gate_request_header(request,
                                      HR_GATE_REQUEST_HEADER_USER_AGENT);
    case HR_GATE_EVENT_EXTRA_LANGUAGE:
        return hr_span_trim(
            until(hr_gate_request_header(
                      request, HR_GATE_REQUEST_HEADER_ACCEPT_LANGUAGE),
                  ",;"));
    case HR_GATE_EVENT_EXTRA_IP_PREFIX:
        return hr_visitor_client_address_prefix(event->address, out->prefix);
    case HR_GATE_EVENT_EXTRA_IP:
        return event->address;
    case HR_GATE_EVENT_EXTRA_QUERY:
        return request->detail(request->source, HR_GATE_REQUEST_DETAIL_QUERY);
    case HR_GATE_EVENT_EXTRA_TRACE_ID:
        return trace_id(hr_gate_request_header(
            request, HR_GATE_REQUEST_HEADER_TRACEPARENT));
    case HR_GATE_EVENT_EXTRA_REQUEST_ID:
        return request->request_id;
    case HR_GATE_EVENT_EXTRA_COUNT:
        break;
    }
    return HR_NO_SPAN;
}

static void
put_extra_fields(const hr_gate_event *event, const hr_gate_request *request,
                 writer *out)
{
    static const hr_span NAMES[] = {
#define X(name, word) {word, sizeof(word) - 1},
        HR_GATE_EVENT_EXTRAS(X)
#undef X
    };
    for (int i = 0; i < HR_GATE_EVENT_EXTRA_COUNT; i++) {
        if (event->extra_fields & (1U << i)) {
            put(out, NAMES[i], extra_value(event, request, i, out));
        }
    }
}

/* Absent for a token that was not refused; else at most WORD_MAX bytes. */
static hr_span
reason_word(hr_status reason)
{
    if (reason == HR_OK || reason == HR_ABSENT) {
        return HR_NO_SPAN;
    }
    const char *word = hr_status_word(reason);
    return (hr_span){word, strlen(word)};
}

static hr_status
emit_fields(hr_sink *sink, const hr_gate_event *event,
            const hr_gate_request *request)
{
    writer out;
    out.count = 0;
    put(&out, HR_SPAN("label"), event->label);
    put(&out, HR_SPAN("method"), event->method);
    put(&out, HR_SPAN("path"), event->path);
    if (event->path_is_altered && event->path.len != 0) {
        out.fields[out.count - 1].altered = true;
    }
    put(&out, HR_SPAN("route"), event->route);
    put(&out, HR_SPAN("status"),
        decimal((uint64_t)(event->status > 0 ? event->status : 0), out.status,
                sizeof(out.status)));
    put(&out, HR_SPAN("duration_us"),
        decimal(event->duration_us, out.duration, sizeof(out.duration)));
    put(&out, HR_SPAN("user"), event->user);
    put(&out, HR_SPAN("fingerprint"), event->fingerprint);
    put(&out, HR_SPAN("new"), event->is_new ? HR_SPAN("1") : HR_NO_SPAN);
    put(&out, HR_SPAN("reason"), reason_word(event->reason));
    put(&out, HR_SPAN("agent"), hr_visitor_agent_word(event->agent));
    put_extra_fields(event, request, &out);
    for (size_t i = 0; i < event->field_count && i < HR_EVENT_FIELDS_MAX;
         i++) {
        out.fields[out.count++] = event->fields[i];
    }
    return hr_sink_emit(sink, HR_SPAN("request"), out.fields, out.count,
                        event->fingerprint.len != 0 ? HR_RING_EVENT_SESSION
                                                    : 0);
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
is_usual(const hr_sink *sink, const hr_gate_event *event)
{
    return event->extra_fields == 0 && event->field_count == 0 &&
           !event->path_is_altered && !hr_sink_is_sampling(sink) &&
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
write(written *out, hr_span name, hr_span value)
{
    if (value.ptr != NULL && value.len != 0) {
        out->at = hr_ring_event_put_field(out->at, name, value);
        out->count++;
    }
}

/* The same fields as emit_fields(), each written once where its name is
 * known. */
static hr_status
emit_usual(hr_sink *sink, const hr_gate_event *event)
{
    char bytes[USUAL_MAX + USUAL_REST];
    char digits[DECIMAL_MAX];
    written out = {bytes, 0};
    write(&out, HR_SPAN("label"), event->label);
    write(&out, HR_SPAN("method"), event->method);
    write(&out, HR_SPAN("path"), event->path);
    write(&out, HR_SPAN("route"), event->route);
    write(&out, HR_SPAN("status"),
          decimal((uint64_t)(event->status > 0 ? event->status : 0), digits,
                  sizeof(digits)));
    write(&out, HR_SPAN("duration_us"),
          decimal(event->duration_us, digits, sizeof(digits)));
    write(&out, HR_SPAN("user"), event->user);
    write(&out, HR_SPAN("fingerprint"), event->fingerprint);
    if (event->is_new) {
        write(&out, HR_SPAN("new"), HR_SPAN("1"));
    }
    write(&out, HR_SPAN("reason"), reason_word(event->reason));
    write(&out, HR_SPAN("agent"), hr_visitor_agent_word(event->agent));
    hr_span body = {bytes, (size_t)(out.at - bytes)};
    return hr_sink_emit_written(
        sink, HR_SPAN("request"), body, out.count,
        event->fingerprint.len != 0 ? HR_RING_EVENT_SESSION : 0);
}

void
hr_gate_event_emit(hr_sink *sink, const hr_gate_event *event,
                   const hr_gate_request *request)
{
    /* a refused event is counted by the sink; the request goes on */
    hr_status status = is_usual(sink, event)
                           ? emit_usual(sink, event)
                           : emit_fields(sink, event, request);
    (void)status;
}
