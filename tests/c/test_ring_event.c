/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "ring/event.h"

static char big[4096];

/* Writes and reads back; the record ends at an unreadable page. */
static hr_status
round_trip(hr_span kind, const hr_ring_event_field *fields, size_t count,
           hr_ring_event *event)
{
    hr_ring_event_plan plan;
    hr_status status = hr_ring_event_measure(kind, fields, count, &plan);
    if (status != HR_OK) {
        return status;
    }
    static char room[HR_RING_EVENT_RECORD_MAX];
    memset(room, 0, sizeof(room));
    hr_span record = guarded((hr_span){room, plan.size});
    hr_ring_event_write((char *)(uintptr_t)record.ptr, &plan, kind, fields,
                        count, 1234567890123, HR_RING_EVENT_SESSION);
    return hr_ring_event_read(record, event);
}

/* Values of every length that has a way of its own to be copied: written one
 * by one they make the same record. */
static void
test_written(void)
{
    int same = 1;
    for (size_t len = 0; len <= 70; len++) {
        const hr_ring_event_field fields[] = {
            {.name = HR_SPAN("label"), .value = HR_SPAN("track")},
            {.name = HR_SPAN("path"), .value = {big, len}},
        };
        char at_once[HR_RING_EVENT_RECORD_MAX] = {0};
        char one_by_one[HR_RING_EVENT_RECORD_MAX] = {0};
        hr_ring_event_plan plan;
        if (hr_ring_event_measure(HR_SPAN("request"), fields, 2, &plan) !=
            HR_OK) {
            same = 0;
            break;
        }
        hr_ring_event_write(at_once, &plan, HR_SPAN("request"), fields, 2, 5,
                            HR_RING_EVENT_SESSION);
        hr_span room = guarded((hr_span){big, 2 * 3 + 5 + 5 + 4 + len});
        char *body = (char *)(uintptr_t)room.ptr;
        char *end =
            hr_ring_event_put_field(body, fields[0].name, fields[0].value);
        end = hr_ring_event_put_field(end, fields[1].name, fields[1].value);
        hr_span written = {body, (size_t)(end - body)};
        hr_ring_event_write_body(one_by_one, HR_SPAN("request"), written, 2, 5,
                                 HR_RING_EVENT_SESSION);
        same &= written.len == room.len;
        same &=
            plan.size == hr_ring_event_size(HR_SPAN("request"), written.len);
        same &= memcmp(at_once, one_by_one, sizeof(at_once)) == 0;
    }
    ok(same, "written: the same record, at once or field by field");
}

static const struct {
    const char *why;
    hr_span text;
    size_t max;
    size_t want;
} CUTS[] = {
    {"shorter than the cap", HR_SPAN("abc"), 4, 3},
    {"as long as the cap", HR_SPAN("abcd"), 4, 4},
    {"between ASCII", HR_SPAN("abcde"), 4, 4},
    {"inside two bytes", HR_SPAN("abc\xc3\xa9"), 4, 3},
    {"behind two bytes", HR_SPAN("ab\xc3\xa9z"), 4, 4},
    {"inside four bytes", HR_SPAN("a\xf0\x9f\x98\x80z"), 4, 1},
    {"only continuation bytes", HR_SPAN("\x80\x80\x80\x80\x80\x80"), 4, 4},
};

static void
test_cut(void)
{
    for (size_t i = 0; i < sizeof(CUTS) / sizeof(CUTS[0]); i++) {
        ok(hr_ring_event_cut(guarded(CUTS[i].text), CUTS[i].max).len ==
               CUTS[i].want,
           "cut: %s", CUTS[i].why);
    }
}

static void
test_round_trip(void)
{
    const hr_ring_event_field fields[] = {
        {.name = HR_SPAN("plan"), .value = HR_SPAN("pro")},
        {.name = HR_SPAN("gone"), .value = HR_NO_SPAN},
        {.name = HR_SPAN("empty"), .value = HR_SPAN("")},
        {.name = HR_SPAN("long"), .value = {big, sizeof(big)}},
        {.name = HR_SPAN("odd"), .value = HR_SPAN("\0\r\n$"), .altered = true},
    };
    hr_ring_event event;
    hr_status status = round_trip(HR_SPAN("signup"), fields, 5, &event);
    ok(status == HR_OK, "event: reads back: %s", hr_status_word(status));
    ok(event.time_ms == 1234567890123, "event: time");
    ok(event.flags == HR_RING_EVENT_SESSION, "event: flags");
    ok(hr_span_equal(event.kind, HR_SPAN("signup")), "event: kind");
    ok(event.field_count == 5, "event: an absent value is left out");
    ok(hr_span_equal(hr_ring_event_find(&event, HR_SPAN("plan")),
                     HR_SPAN("pro")),
       "event: a value");
    ok(hr_ring_event_find(&event, HR_SPAN("empty")).ptr != NULL,
       "event: an empty value is there");
    ok(hr_ring_event_find(&event, HR_SPAN("gone")).ptr == NULL,
       "event: an absent value is not");
    ok(hr_ring_event_find(&event, HR_SPAN("long")).len == HR_FIELD_VALUE_MAX,
       "event: a long value is cut");
    ok(hr_span_equal(hr_ring_event_find(&event, HR_SPAN("odd")),
                     HR_SPAN("\0\r\n$")),
       "event: binary-safe");
    ok(hr_span_equal(hr_ring_event_find(&event, HR_SPAN("altered")),
                     HR_SPAN("long,odd")),
       "event: altered names both");
    ok(round_trip(HR_SPAN("k"), NULL, 0, &event) == HR_OK &&
           event.field_count == 0,
       "event: no fields");
}

/* Short and long copies; and the record is the same bytes whether or not a
 * field that is left out sent it the long way round. */
static void
test_lengths(void)
{
    int whole = 1;
    int same = 1;
    char bytes[80];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 37 + 11);
    }
    for (size_t name = 1; name <= HR_FIELD_NAME_MAX; name++) {
        for (size_t value = 0; value <= sizeof(bytes); value++) {
            char records[2][256] = {{0}, {0}};
            hr_ring_event_plan plans[2];
            const hr_ring_event_field fields[] = {
                {.name = {bytes, name}, .value = {bytes, value}},
                {.name = HR_SPAN("gone"), .value = HR_NO_SPAN},
            };
            for (size_t i = 0; i < 2; i++) {
                whole &= hr_ring_event_measure(HR_SPAN("kind"), fields, i + 1,
                                               &plans[i]) == HR_OK;
                hr_ring_event_write(records[i], &plans[i], HR_SPAN("kind"),
                                    fields, i + 1, 1, 0);
            }
            hr_ring_event event;
            hr_span record = guarded((hr_span){records[0], plans[0].size});
            whole &= hr_ring_event_read(record, &event) == HR_OK &&
                     event.field_count == 1 &&
                     hr_span_equal(hr_ring_event_find(&event, fields[0].name),
                                   fields[0].value);
            same &= plans[0].size == plans[1].size && plans[0].plain &&
                    !plans[1].plain &&
                    memcmp(records[0], records[1], sizeof(records[0])) == 0;
        }
    }
    ok(whole, "lengths: every name and value comes back whole");
    ok(same, "lengths: both ways write the same record");
}

static void
test_limits(void)
{
    hr_ring_event_field fields[HR_EVENT_FIELDS_MAX + 2];
    hr_ring_event event;
    hr_ring_event_plan plan;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fields[i] =
            (hr_ring_event_field){.name = HR_SPAN("n"), .value = HR_SPAN("v")};
    }
    ok(round_trip(HR_SPAN("k"), fields, HR_EVENT_FIELDS_MAX + 1, &event) ==
           HR_OK,
       "limits: 64 fields of the caller and one of ours");
    ok(hr_ring_event_measure(HR_SPAN("k"), fields, HR_EVENT_FIELDS_MAX + 2,
                             &plan) == HR_TOO_BIG,
       "limits: more fields");
    for (size_t i = 0; i < 4; i++) {
        fields[i].name = HR_SPAN("n");
        fields[i].value = (hr_span){big, 2047};
    }
    ok(round_trip((hr_span){big, 0}, fields, 4, &event) == HR_OK,
       "limits: exactly 8 KiB of names and values");
    ok(hr_ring_event_measure(HR_SPAN("k"), fields, 4, &plan) == HR_TOO_BIG,
       "limits: one byte more");
    ok(hr_ring_event_measure((hr_span){big, HR_KIND_MAX + 1}, NULL, 0,
                             &plan) == HR_TOO_BIG,
       "limits: the kind's length");
    fields[0].name.len = HR_FIELD_NAME_MAX + 1;
    ok(hr_ring_event_measure(HR_SPAN("k"), fields, 1, &plan) == HR_TOO_BIG,
       "limits: a name's length");
}

/* Every way to shorten a record, and every byte of it changed, is either
 * refused or reads inside the record. */
static void
test_hostile(void)
{
    const hr_ring_event_field fields[] = {
        {.name = HR_SPAN("a"), .value = HR_SPAN("12")},
        {.name = HR_SPAN("b"), .value = HR_SPAN("3")},
    };
    char record[64] = {0};
    hr_ring_event_plan plan;
    hr_ring_event event;
    int wrong = 0;
    ok(hr_ring_event_measure(HR_SPAN("k"), fields, 2, &plan) == HR_OK,
       "hostile: measured");
    hr_ring_event_write(record, &plan, HR_SPAN("k"), fields, 2, 1, 0);
    for (size_t len = 0; len < plan.size; len++) {
        wrong += hr_ring_event_read(guarded((hr_span){record, len}), &event) ==
                 HR_OK;
    }
    ok(wrong == 0, "hostile: no prefix of a record is a record");
    for (size_t at = 16; at < plan.size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char copy[64];
            memcpy(copy, record, sizeof(copy));
            copy[at] = (char)byte;
            hr_span input = {copy, plan.size};
            if (hr_ring_event_read(input, &event) != HR_OK) {
                continue;
            }
            hr_span rest = event.body;
            hr_ring_event_field field;
            unsigned seen = 0;
            while (hr_ring_event_next_field(&rest, &field)) {
                seen++;
                wrong += field.value.ptr + field.value.len > copy + plan.size;
            }
            wrong += seen != event.field_count;
        }
    }
    ok(wrong == 0, "hostile: what is read lies inside the record");
}

int
main(void)
{
    memset(big, 'x', sizeof(big));
    test_cut();
    test_round_trip();
    test_lengths();
    test_limits();
    test_written();
    test_hostile();
    return done_testing();
}
