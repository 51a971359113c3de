/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "../../ext/core/event.h"

static char big[4096];

/* Writes and reads back; the record ends at an unreadable page. */
static ps_status
round_trip(ps_span kind, const ps_field *fields, size_t count, ps_event *event)
{
    ps_event_plan plan;
    ps_status status = ps_event_measure(kind, fields, count, &plan);
    if (status != PS_OK) {
        return status;
    }
    static char room[PS_RECORD_MAX];
    memset(room, 0, sizeof(room));
    ps_span record = guarded((ps_span){room, plan.size});
    ps_event_write((char *)(uintptr_t)record.ptr, &plan, kind, fields, count,
                   1234567890123, PS_EVENT_SESSION);
    return ps_event_read(record, event);
}

/* Values of every length that has a way of its own to be copied: written one
 * by one they make the same record. */
static void
test_written(void)
{
    int same = 1;
    for (size_t len = 0; len <= 70; len++) {
        const ps_field fields[] = {
            {.name = PS_SPAN("label"), .value = PS_SPAN("track")},
            {.name = PS_SPAN("path"), .value = {big, len}},
        };
        char at_once[PS_RECORD_MAX] = {0};
        char one_by_one[PS_RECORD_MAX] = {0};
        ps_event_plan plan;
        if (ps_event_measure(PS_SPAN("request"), fields, 2, &plan) != PS_OK) {
            same = 0;
            break;
        }
        ps_event_write(at_once, &plan, PS_SPAN("request"), fields, 2, 5,
                       PS_EVENT_SESSION);
        ps_span room = guarded((ps_span){big, 2 * 3 + 5 + 5 + 4 + len});
        char *body = (char *)(uintptr_t)room.ptr;
        char *end = ps_event_put_field(body, fields[0].name, fields[0].value);
        end = ps_event_put_field(end, fields[1].name, fields[1].value);
        ps_span written = {body, (size_t)(end - body)};
        ps_event_write_body(one_by_one, PS_SPAN("request"), written, 2, 5,
                            PS_EVENT_SESSION);
        same &= written.len == room.len;
        same &= plan.size == ps_event_size(PS_SPAN("request"), written.len);
        same &= memcmp(at_once, one_by_one, sizeof(at_once)) == 0;
    }
    ok(same, "written: the same record, at once or field by field");
}

static const struct {
    const char *why;
    ps_span text;
    size_t max;
    size_t want;
} CUTS[] = {
    {"shorter than the cap", PS_SPAN("abc"), 4, 3},
    {"as long as the cap", PS_SPAN("abcd"), 4, 4},
    {"between ASCII", PS_SPAN("abcde"), 4, 4},
    {"inside two bytes", PS_SPAN("abc\xc3\xa9"), 4, 3},
    {"behind two bytes", PS_SPAN("ab\xc3\xa9z"), 4, 4},
    {"inside four bytes", PS_SPAN("a\xf0\x9f\x98\x80z"), 4, 1},
    {"only continuation bytes", PS_SPAN("\x80\x80\x80\x80\x80\x80"), 4, 4},
};

static void
test_cut(void)
{
    for (size_t i = 0; i < sizeof(CUTS) / sizeof(CUTS[0]); i++) {
        ok(ps_event_cut(guarded(CUTS[i].text), CUTS[i].max).len ==
               CUTS[i].want,
           "cut: %s", CUTS[i].why);
    }
}

static void
test_round_trip(void)
{
    const ps_field fields[] = {
        {.name = PS_SPAN("plan"), .value = PS_SPAN("pro")},
        {.name = PS_SPAN("gone"), .value = PS_NO_SPAN},
        {.name = PS_SPAN("empty"), .value = PS_SPAN("")},
        {.name = PS_SPAN("long"), .value = {big, sizeof(big)}},
        {.name = PS_SPAN("odd"), .value = PS_SPAN("\0\r\n$"), .altered = true},
    };
    ps_event event;
    ps_status status = round_trip(PS_SPAN("signup"), fields, 5, &event);
    ok(status == PS_OK, "event: reads back: %s", ps_status_word(status));
    ok(event.time_ms == 1234567890123, "event: time");
    ok(event.flags == PS_EVENT_SESSION, "event: flags");
    ok(ps_span_equal(event.kind, PS_SPAN("signup")), "event: kind");
    ok(event.field_count == 5, "event: an absent value is left out");
    ok(ps_span_equal(ps_event_find(&event, PS_SPAN("plan")), PS_SPAN("pro")),
       "event: a value");
    ok(ps_event_find(&event, PS_SPAN("empty")).ptr != NULL,
       "event: an empty value is there");
    ok(ps_event_find(&event, PS_SPAN("gone")).ptr == NULL,
       "event: an absent value is not");
    ok(ps_event_find(&event, PS_SPAN("long")).len == PS_FIELD_VALUE_MAX,
       "event: a long value is cut");
    ok(ps_span_equal(ps_event_find(&event, PS_SPAN("odd")),
                     PS_SPAN("\0\r\n$")),
       "event: binary-safe");
    ok(ps_span_equal(ps_event_find(&event, PS_SPAN("altered")),
                     PS_SPAN("long,odd")),
       "event: altered names both");
    ok(round_trip(PS_SPAN("k"), NULL, 0, &event) == PS_OK &&
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
    for (size_t name = 1; name <= PS_FIELD_NAME_MAX; name++) {
        for (size_t value = 0; value <= sizeof(bytes); value++) {
            char records[2][256] = {{0}, {0}};
            ps_event_plan plans[2];
            const ps_field fields[] = {
                {.name = {bytes, name}, .value = {bytes, value}},
                {.name = PS_SPAN("gone"), .value = PS_NO_SPAN},
            };
            for (size_t i = 0; i < 2; i++) {
                whole &= ps_event_measure(PS_SPAN("kind"), fields, i + 1,
                                          &plans[i]) == PS_OK;
                ps_event_write(records[i], &plans[i], PS_SPAN("kind"), fields,
                               i + 1, 1, 0);
            }
            ps_event event;
            ps_span record = guarded((ps_span){records[0], plans[0].size});
            whole &= ps_event_read(record, &event) == PS_OK &&
                     event.field_count == 1 &&
                     ps_span_equal(ps_event_find(&event, fields[0].name),
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
    ps_field fields[PS_EVENT_FIELDS_MAX + 2];
    ps_event event;
    ps_event_plan plan;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fields[i] = (ps_field){.name = PS_SPAN("n"), .value = PS_SPAN("v")};
    }
    ok(round_trip(PS_SPAN("k"), fields, PS_EVENT_FIELDS_MAX + 1, &event) ==
           PS_OK,
       "limits: 64 fields of the caller and one of ours");
    ok(ps_event_measure(PS_SPAN("k"), fields, PS_EVENT_FIELDS_MAX + 2,
                        &plan) == PS_TOO_BIG,
       "limits: more fields");
    for (size_t i = 0; i < 4; i++) {
        fields[i].name = PS_SPAN("n");
        fields[i].value = (ps_span){big, 2047};
    }
    ok(round_trip((ps_span){big, 0}, fields, 4, &event) == PS_OK,
       "limits: exactly 8 KiB of names and values");
    ok(ps_event_measure(PS_SPAN("k"), fields, 4, &plan) == PS_TOO_BIG,
       "limits: one byte more");
    ok(ps_event_measure((ps_span){big, PS_KIND_MAX + 1}, NULL, 0, &plan) ==
           PS_TOO_BIG,
       "limits: the kind's length");
    fields[0].name.len = PS_FIELD_NAME_MAX + 1;
    ok(ps_event_measure(PS_SPAN("k"), fields, 1, &plan) == PS_TOO_BIG,
       "limits: a name's length");
}

/* Every way to shorten a record, and every byte of it changed, is either
 * refused or reads inside the record. */
static void
test_hostile(void)
{
    const ps_field fields[] = {
        {.name = PS_SPAN("a"), .value = PS_SPAN("12")},
        {.name = PS_SPAN("b"), .value = PS_SPAN("3")},
    };
    char record[64] = {0};
    ps_event_plan plan;
    ps_event event;
    int wrong = 0;
    ok(ps_event_measure(PS_SPAN("k"), fields, 2, &plan) == PS_OK,
       "hostile: measured");
    ps_event_write(record, &plan, PS_SPAN("k"), fields, 2, 1, 0);
    for (size_t len = 0; len < plan.size; len++) {
        wrong +=
            ps_event_read(guarded((ps_span){record, len}), &event) == PS_OK;
    }
    ok(wrong == 0, "hostile: no prefix of a record is a record");
    for (size_t at = 16; at < plan.size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char copy[64];
            memcpy(copy, record, sizeof(copy));
            copy[at] = (char)byte;
            ps_span input = {copy, plan.size};
            if (ps_event_read(input, &event) != PS_OK) {
                continue;
            }
            ps_span rest = event.body;
            ps_field field;
            unsigned seen = 0;
            while (ps_event_next_field(&rest, &field)) {
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
