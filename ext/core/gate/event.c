/* SPDX-License-Identifier: MIT */
/* The fixed fields come first, always in the same order, so that Redis can
 * store their names once for many entries; then the extra fields, in theirs;
 * then what the view added. Empty fields are left out. */
#include "gate/event.h"

#include <string.h>

#include "base/buf.h"
#include "visitor/client_address.h"

/* The fixed fields: name, value, and whether the value is a repaired one.
 * `event` and `digits`, room for a number, are those of add_fixed_fields(). */
#define FIXED_FIELDS(X)                                                     \
    X("label", event->label, false)                                         \
    X("method", event->method, false)                                       \
    X("path", event->path, event->path_is_altered)                          \
    X("route", event->route, false)                                         \
    X("status", hr_buf_number_text(digits, event->status), false)           \
    X("duration_us", hr_buf_number_text(digits, event->duration_us), false) \
    X("user", event->user, false)                                           \
    X("fingerprint", event->fingerprint, false)                             \
    X("new", event->is_new ? HR_SPAN("1") : HR_NO_SPAN, false)              \
    X("reason", reason_word(event->reason), false)                          \
    X("agent", hr_visitor_agent_word(event->agent), false)

/* The extra fields follow the fixed ones. */
static const hr_span NAMES[] = {
#define X(name, value, is_repaired) {name, sizeof(name) - 1},
    FIXED_FIELDS(X)
#undef X
#define X(which, name) {name, sizeof(name) - 1},
        HR_GATE_EVENT_EXTRAS(X)
#undef X
};
#define NAME_COUNT (sizeof(NAMES) / sizeof(NAMES[0]))
#define FIXED_COUNT (NAME_COUNT - HR_GATE_EVENT_EXTRA_COUNT)

static inline __attribute__((always_inline)) void
add(hr_ring_event_body *body, hr_span name, hr_span value, bool is_repaired)
{
    if (value.len == 0) {
        return;
    }
    if (is_repaired) {
        hr_ring_event_body_add_altered(body, name, value);
    } else {
        hr_ring_event_body_add(body, name, value);
    }
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
            hr_gate_event_extra which,
            char prefix[HR_VISITOR_CLIENT_ADDRESS_MAX + 4])
{
    switch (which) {
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
        return hr_visitor_client_address_prefix(event->address, prefix);
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
add_extra_fields(const hr_gate_event *event, const hr_gate_request *request,
                 hr_ring_event_body *body)
{
    char prefix[HR_VISITOR_CLIENT_ADDRESS_MAX + 4];
    for (int i = 0; i < HR_GATE_EVENT_EXTRA_COUNT; i++) {
        if (event->extra_fields & (1U << i)) {
            hr_span value =
                extra_value(event, request, (hr_gate_event_extra)i, prefix);
            add(body, NAMES[FIXED_COUNT + (size_t)i], value, false);
        }
    }
}

/* Absent for a token that was not refused. */
static hr_span
reason_word(hr_status reason)
{
    if (reason == HR_OK || reason == HR_ABSENT) {
        return HR_NO_SPAN;
    }
    const char *word = hr_status_word(reason);
    return (hr_span){word, strlen(word)};
}

static void
add_fixed_fields(const hr_gate_event *event, hr_ring_event_body *body)
{
    char digits[20];
#define X(name, value, is_repaired) \
    add(body, HR_SPAN(name), value, is_repaired);
    FIXED_FIELDS(X)
#undef X
}

bool
hr_gate_event_has_field(hr_span name)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (hr_span_equal(name, NAMES[i])) {
            return true;
        }
    }
    return false;
}

void
hr_gate_event_emit(hr_sink *sink, const hr_gate_event *event,
                   const hr_gate_request *request)
{
    hr_ring_event_body body;
    hr_ring_event_body_init(&body);
    add_fixed_fields(event, &body);
    if (event->extra_fields != 0) {
        add_extra_fields(event, request, &body);
    }
    if (event->fields != NULL) {
        hr_ring_event_body_append(&body, event->fields);
    }
    /* a refused event is counted by the sink; the request goes on */
    hr_status status =
        hr_sink_emit(sink, HR_SPAN("request"), &body,
                     event->fingerprint.len != 0 ? HR_RING_EVENT_SESSION : 0);
    (void)status;
}
