/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "ring/event.h"

static char big[4096];

/* A field to add; a repaired one is to be listed in `altered`. */
typedef struct given {
    hr_span name;
    hr_span value;
    int repaired;
} given;

static void
fill(hr_ring_event_body *body, const given *fields, size_t count)
{
    hr_ring_event_body_init(body);
    for (size_t i = 0; i < count; i++) {
        (fields[i].repaired
             ? hr_ring_event_body_add_altered
             : hr_ring_event_body_add)(body, fields[i].name, fields[i].value);
    }
}

/* Writes a filled body; the record ends at an unreadable page. */
static hr_status
write_body(hr_span kind, hr_ring_event_body *body, hr_span *record)
{
    static char room[HR_RING_EVENT_RECORD_MAX];
    hr_status status = hr_ring_event_body_finish(body, kind);
    if (status == HR_OK) {
        memset(room, 0, sizeof(room));
        *record = guarded((hr_span){room, hr_ring_event_size(kind, body)});
        hr_ring_event_write((char *)(uintptr_t)record->ptr, kind, body,
                            1234567890123, HR_RING_EVENT_SESSION);
    }
    return status;
}

/* Writes and reads back. */
static hr_status
round_trip(hr_span kind, const given *fields, size_t count,
           hr_ring_event *event)
{
    hr_ring_event_body body;
    hr_span record;
    fill(&body, fields, count);
    hr_status status = write_body(kind, &body, &record);
    return status == HR_OK ? hr_ring_event_read(record, event) : status;
}

/* Fields that are added to another body first make the same event. */
static void
test_append(void)
{
    int same = 1;
    for (size_t len = 0; len <= 70; len++) {
        const given fields[] = {
            {.name = HR_SPAN("label"),
             .value = HR_SPAN("\xff"),
             .repaired = 1},
            {.name = HR_SPAN("path"), .value = {big, len}},
            {.name = HR_SPAN("odd"), .value = HR_SPAN("v"), .repaired = 1},
            {.name = HR_SPAN("long"), .value = {big, sizeof(big)}},
        };
        for (size_t first = 0; first <= 4; first++) {
            hr_ring_event_body at_once;
            hr_ring_event_body begun;
            hr_ring_event_body more;
            fill(&at_once, fields, 4);
            fill(&begun, fields, first);
            fill(&more, fields + first, 4 - first);
            hr_ring_event_body_append(&begun, &more);
            same &= hr_ring_event_body_finish(&at_once, HR_SPAN("k")) == HR_OK;
            same &= hr_ring_event_body_finish(&begun, HR_SPAN("k")) == HR_OK;
            same &= at_once.field_count == 5 && begun.field_count == 5;
            same &= at_once.length == begun.length;
            same &= memcmp(at_once.bytes, begun.bytes, begun.length) == 0;
        }
    }
    ok(same, "append: the same event, at once or in two parts");
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
    const given fields[] = {
        {.name = HR_SPAN("plan"), .value = HR_SPAN("pro")},
        {.name = HR_SPAN("gone"), .value = HR_NO_SPAN},
        {.name = HR_SPAN("empty"), .value = HR_SPAN("")},
        {.name = HR_SPAN("long"), .value = {big, sizeof(big)}},
        {.name = HR_SPAN("odd"), .value = HR_SPAN("\0\r\n$"), .repaired = 1},
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

/* Short and long copies, from what ends at an unreadable page; and a field
 * that is left out leaves nothing behind. */
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
            hr_ring_event_body bodies[2];
            const given fields[] = {
                {.name = {bytes, name}, .value = {bytes, value}},
                {.name = HR_SPAN("gone"), .value = HR_NO_SPAN},
            };
            hr_ring_event event;
            hr_span record;
            fill(&bodies[0], fields, 1);
            fill(&bodies[1], fields, 2);
            same &= bodies[0].length == bodies[1].length &&
                    bodies[0].field_count == bodies[1].field_count &&
                    memcmp(bodies[0].bytes, bodies[1].bytes,
                           bodies[0].length) == 0;
            whole &=
                write_body(HR_SPAN("kind"), &bodies[0], &record) == HR_OK &&
                hr_ring_event_read(record, &event) == HR_OK &&
                event.field_count == 1 &&
                hr_span_equal(hr_ring_event_find(&event, fields[0].name),
                              fields[0].value);
            hr_ring_event_body_init(&bodies[0]);
            hr_ring_event_body_add(&bodies[0], HR_SPAN("n"),
                                   guarded((hr_span){bytes, value}));
            whole &= bodies[0].length == 3 + 1 + value &&
                     memcmp(bodies[0].bytes + 4, bytes, value) == 0;
        }
    }
    ok(whole, "lengths: every name and value comes back whole");
    ok(same, "lengths: a field that is left out leaves nothing");
}

static void
test_limits(void)
{
    given fields[HR_EVENT_FIELDS_MAX + 2];
    hr_ring_event event;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fields[i] = (given){.name = HR_SPAN("n"), .value = HR_SPAN("v")};
    }
    ok(round_trip(HR_SPAN("k"), fields, HR_EVENT_FIELDS_MAX + 1, &event) ==
           HR_OK,
       "limits: 64 fields of the caller and one of ours");
    ok(round_trip(HR_SPAN("k"), fields, HR_EVENT_FIELDS_MAX + 2, &event) ==
           HR_TOO_BIG,
       "limits: more fields");
    for (size_t i = 0; i < 4; i++) {
        fields[i].value = (hr_span){big, 2047};
    }
    ok(round_trip((hr_span){big, 0}, fields, 4, &event) == HR_OK,
       "limits: exactly 8 KiB of names and values");
    ok(round_trip(HR_SPAN("k"), fields, 4, &event) == HR_TOO_BIG,
       "limits: one byte more");
    ok(round_trip((hr_span){big, HR_KIND_MAX}, NULL, 0, &event) == HR_OK &&
           event.kind.len == HR_KIND_MAX,
       "limits: the longest kind");
    ok(round_trip((hr_span){big, HR_KIND_MAX + 1}, NULL, 0, &event) ==
           HR_TOO_BIG,
       "limits: the kind's length");
    fields[0].name = (hr_span){big, HR_FIELD_NAME_MAX};
    ok(round_trip(HR_SPAN("k"), fields, 1, &event) == HR_OK &&
           hr_ring_event_find(&event, fields[0].name).len == 2047,
       "limits: the longest name");
    fields[0].name.len = HR_FIELD_NAME_MAX + 1;
    ok(round_trip(HR_SPAN("k"), fields, 1, &event) == HR_TOO_BIG,
       "limits: a name's length");
    fields[0].value = HR_NO_SPAN;
    ok(round_trip(HR_SPAN("k"), fields, 1, &event) == HR_OK &&
           event.field_count == 0,
       "limits: nothing is asked of the name of an absent value");
}

static void
test_limit_of_a_value(void)
{
    given field = {.name = HR_SPAN("n"), .value = {big, HR_FIELD_VALUE_MAX}};
    hr_ring_event event;
    ok(round_trip(HR_SPAN("k"), &field, 1, &event) == HR_OK &&
           event.field_count == 1 &&
           hr_ring_event_find(&event, field.name).len == HR_FIELD_VALUE_MAX,
       "value: the longest one is not altered");
    field.value.len++;
    ok(round_trip(HR_SPAN("k"), &field, 1, &event) == HR_OK &&
           event.field_count == 2 &&
           hr_ring_event_find(&event, field.name).len == HR_FIELD_VALUE_MAX &&
           hr_span_equal(hr_ring_event_find(&event, HR_SPAN("altered")),
                         field.name),
       "value: one byte more is cut");
    char text[HR_FIELD_VALUE_MAX + 1];
    memcpy(text, big, sizeof(text));
    memcpy(text + HR_FIELD_VALUE_MAX - 1, "\xc3\xa9", 2);
    field.value = guarded((hr_span){text, sizeof(text)});
    ok(round_trip(HR_SPAN("k"), &field, 1, &event) == HR_OK &&
           hr_ring_event_find(&event, field.name).len ==
               HR_FIELD_VALUE_MAX - 1,
       "value: it is cut between characters");
}

/* `altered` itself counts: it is 7 bytes, and here 10 names with 9 commas. */
static void
test_limit_with_altered(void)
{
    given fields[HR_EVENT_FIELDS_MAX + 2];
    hr_ring_event event;
    for (size_t i = 0; i < 10; i++) {
        fields[i] = (given){.name = {big, 20}, .repaired = 1};
        fields[i].value = (hr_span){big, 777};
    }
    const size_t text = 10 * (20 + 777) + 7 + 10 * 20 + 9; /* 8,186 */
    const hr_span kind = {big, HR_EVENT_MAX - text};
    ok(round_trip(kind, fields, 10, &event) == HR_OK &&
           hr_ring_event_find(&event, HR_SPAN("altered")).len == 209,
       "altered: exactly 8 KiB with the list");
    ok(round_trip((hr_span){big, kind.len + 1}, fields, 10, &event) ==
           HR_TOO_BIG,
       "altered: one byte more");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fields[i] = (given){.name = {big, 60}, .repaired = 1};
        fields[i].value = HR_SPAN("v");
    }
    const size_t all = HR_EVENT_FIELDS_MAX + 1;
    ok(round_trip(HR_SPAN("k"), fields, all, &event) == HR_OK &&
           event.field_count == all + 1 &&
           hr_ring_event_find(&event, HR_SPAN("altered")).len ==
               all * 60 + all - 1,
       "altered: every field, in a list longer than another value");
    ok(round_trip(HR_SPAN("k"), fields, all + 1, &event) == HR_TOO_BIG,
       "altered: one field more");
    for (size_t i = 0; i < all; i++) {
        fields[i].name.len = HR_FIELD_NAME_MAX;
    }
    ok(round_trip(HR_SPAN("k"), fields, all, &event) == HR_TOO_BIG,
       "altered: a list that is too long");
}

/* What a body cannot hold is refused, however it comes, and for good. */
static void
test_limits_of_append(void)
{
    given fields[HR_EVENT_FIELDS_MAX + 1];
    hr_ring_event_body body;
    hr_ring_event_body more;
    for (size_t i = 0; i <= HR_EVENT_FIELDS_MAX; i++) {
        fields[i] = (given){.name = HR_SPAN("n"), .repaired = 1};
        fields[i].value = HR_SPAN("v");
    }
    fill(&more, fields, HR_EVENT_FIELDS_MAX);
    fill(&body, fields, 1);
    hr_ring_event_body_append(&body, &more);
    ok(hr_ring_event_body_finish(&body, HR_SPAN("k")) == HR_OK &&
           body.field_count == HR_EVENT_FIELDS_MAX + 2,
       "append: as many fields as there may be");
    fill(&body, fields, 2);
    hr_ring_event_body_append(&body, &more);
    ok(hr_ring_event_body_finish(&body, HR_SPAN("k")) == HR_TOO_BIG,
       "append: one more");
    for (size_t i = 0; i < 4; i++) {
        fields[i] = (given){.name = HR_SPAN("n"), .value = {big, 2047}};
    }
    for (size_t kind = 0; kind < 2; kind++) {
        fill(&body, fields, 2);
        fill(&more, fields + 2, 2);
        hr_ring_event_body_append(&body, &more);
        ok((hr_ring_event_body_finish(&body, (hr_span){big, kind}) == HR_OK) ==
               (kind == 0),
           "append: %zu bytes over 8 KiB", kind);
    }
    fill(&body, fields, 4);
    fill(&more, fields, 1);
    hr_ring_event_body_append(&body, &more);
    ok(hr_ring_event_body_finish(&body, HR_SPAN("k")) == HR_TOO_BIG,
       "append: more than a body has room for");
    fields[0].name = (hr_span){big, HR_FIELD_NAME_MAX + 1};
    fill(&more, fields, 2);
    hr_ring_event_body_init(&body);
    hr_ring_event_body_append(&body, &more);
    ok(hr_ring_event_body_finish(&body, HR_SPAN("k")) == HR_TOO_BIG,
       "append: a body that is too big makes another one so");
}

/* Every way to shorten a record, and every byte of it changed, is either
 * refused or reads inside the record. */
static void
test_hostile(void)
{
    const given fields[] = {
        {.name = HR_SPAN("a"), .value = HR_SPAN("12")},
        {.name = HR_SPAN("b"), .value = HR_SPAN("3")},
    };
    char record[64] = {0};
    hr_ring_event_body body;
    hr_ring_event event;
    int wrong = 0;
    fill(&body, fields, 2);
    ok(hr_ring_event_body_finish(&body, HR_SPAN("k")) == HR_OK,
       "hostile: there is a record");
    const size_t size = hr_ring_event_size(HR_SPAN("k"), &body);
    hr_ring_event_write(record, HR_SPAN("k"), &body, 1, 0);
    for (size_t len = 0; len < size; len++) {
        wrong += hr_ring_event_read(guarded((hr_span){record, len}), &event) ==
                 HR_OK;
    }
    ok(wrong == 0, "hostile: no prefix of a record is a record");
    for (size_t at = 16; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char copy[64];
            memcpy(copy, record, sizeof(copy));
            copy[at] = (char)byte;
            hr_span input = {copy, size};
            if (hr_ring_event_read(input, &event) != HR_OK) {
                continue;
            }
            hr_span rest = event.body;
            hr_ring_event_field field;
            unsigned seen = 0;
            while (hr_ring_event_next_field(&rest, &field)) {
                seen++;
                wrong += field.value.ptr + field.value.len > copy + size;
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
    test_limit_of_a_value();
    test_limit_with_altered();
    test_append();
    test_limits_of_append();
    test_hostile();
    return done_testing();
}
