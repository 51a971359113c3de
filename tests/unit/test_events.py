# SPDX-License-Identifier: MIT
"""Reading events: whole ones, and what is missing, strange, or of another format."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from headrace.events import Event, NewerFormatError

ENTRY = "1700000000500-3"
REQUEST = {
    "id": "0123456789abcdef-18",
    "kind": "request",
    "time": "1700000000123",
    "label": "track",
    "method": "GET",
    "path": "/community/7/",
    "route": "community/<int:pk>/",
    "status": "200",
    "duration_us": "1234",
    "user": "42",
    "fingerprint": "ab" * 16,
    "new": "1",
    "reason": "expired",
    "agent": "bot",
    "plan": "pro",
    "altered": "path,plan",
    "sample": "0.25",
}


def entry(**changes: str | None) -> Event:
    fields = {**REQUEST, **changes}
    return Event.from_entry(ENTRY, {k: v for k, v in fields.items() if v is not None})


def line(**changes: object) -> Event:
    fields = {**REQUEST, "time": 1700000000123, **changes}
    return Event.from_line(json.dumps(fields))


def test_every_field_of_a_request_is_read() -> None:
    event = entry()
    assert (event.id, event.kind, event.time) == ("0123456789abcdef-18", "request", 1700000000123)
    assert event.at == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert (event.label, event.method, event.path) == ("track", "GET", "/community/7/")
    assert (event.route, event.status, event.duration_us) == ("community/<int:pk>/", 200, 1234)
    assert (event.user, event.fingerprint, event.new) == ("42", "ab" * 16, True)
    assert (event.reason, event.agent) == ("expired", "bot")
    assert (event.altered, event.sample) == (("path", "plan"), 0.25)
    assert event.fields["plan"] == "pro"
    assert not {"id", "kind", "time"} & set(event.fields)
    assert (event.entry, event.received, event.missing) == (ENTRY, 1700000000500, ())


def test_a_line_of_a_file_is_the_same_event_without_an_entry() -> None:
    event = line()
    assert (event.entry, event.received) == (None, None)
    assert (event.id, event.kind, event.time) == (entry().id, entry().kind, entry().time)
    assert event.fields == entry().fields


def test_what_a_request_lacks_is_empty() -> None:
    event = Event.from_entry(ENTRY, {"id": "a-1", "kind": "signup", "time": "1"})
    assert (event.label, event.method, event.path, event.route) == ("", "", "", "")
    assert (event.status, event.duration_us, event.new) == (None, None, False)
    assert (event.user, event.fingerprint, event.reason, event.agent) == ("", "", "", "")
    assert (event.altered, event.sample) == ((), 1.0)


@pytest.mark.parametrize("lost", [None, "", "x" * 65])
def test_without_an_id_it_is_that_of_the_entry(lost: str | None) -> None:
    event = entry(id=lost)
    assert event.id == f"entry:{ENTRY}"
    assert event.missing == ("id",)


@pytest.mark.parametrize("lost", [None, "", "soon", "-1", "1e9", "9" * 15, "9" * 5000, "12½"])
def test_without_a_time_it_is_when_redis_took_it_in(lost: str | None) -> None:
    event = entry(time=lost)
    assert event.time == 1700000000500
    assert event.missing == ("time",)


def test_without_a_kind_it_is_empty() -> None:
    event = entry(kind=None)
    assert (event.kind, event.missing) == ("", ("kind",))


def test_an_entry_with_nothing_that_we_know_is_still_an_event() -> None:
    event = Event.from_entry(ENTRY, {"x": "y"})
    assert (event.id, event.kind, event.fields) == (f"entry:{ENTRY}", "", {"x": "y"})
    assert event.missing == ("id", "kind", "time")


def test_a_line_without_an_id_has_the_same_one_each_time() -> None:
    first, second = Event.from_line('{"kind":"a"}\n'), Event.from_line(b'{"kind":"a"}')
    assert first.id == second.id
    assert first.id.startswith("line:")
    assert len(first.id) <= 64
    assert first.id != Event.from_line('{"kind":"b"}').id


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "null"])
def test_a_line_that_is_no_object_raises(text: str) -> None:
    with pytest.raises(ValueError):
        Event.from_line(text)


def test_values_of_a_line_that_are_no_text_become_text() -> None:
    event = line(status=404, half="\ud800x", none=None, deep={"a": [1]})
    assert event.status == 404
    assert event.fields["half"] == "?x"
    assert "none" not in event.fields
    assert event.fields["deep"] == '{"a": [1]}'


def test_numbers_that_are_none() -> None:
    for text in ("", "abc", "-1", "1.5", "٣", "9" * 20, str(2**63)):
        assert entry(status=text).status is None
    assert entry(duration_us=str(2**63 - 1)).duration_us == 2**63 - 1
    for text in ("0", "2", "-1", "nan", "inf", "x"):
        assert entry(sample=text).sample == 1.0


def test_a_clock_in_the_future_is_not_believed() -> None:
    """The time stays as it was sent; `at` is what is stored."""
    near, far = entry(time="1700000300500"), entry(time="1700000300501")
    assert near.at == datetime.fromtimestamp(1700000300.5, UTC)
    assert far.at == datetime.fromtimestamp(1700000000.5, UTC)
    assert far.time == 1700000300501


def test_a_clock_in_the_past_is_believed() -> None:
    """Events wait in a ring while Redis is away."""
    assert entry(time="1").at == datetime.fromtimestamp(0.001, UTC)


@pytest.mark.parametrize("read", [entry, line])
def test_a_newer_format_raises_and_says_so(read: type[Event]) -> None:
    with pytest.raises(NewerFormatError, match=r"format '2'.* knows format 1"):
        read(headrace_format="2")
    with pytest.raises(NewerFormatError):
        read(headrace_format="x")


def test_this_format_may_be_named() -> None:
    assert entry(headrace_format="1").fields == entry().fields


def test_fields_that_are_not_known_are_kept() -> None:
    assert entry(later="x").fields["later"] == "x"


def test_an_entry_of_the_dead_is_the_event_that_it_was() -> None:
    dead = entry(dead_error="ValueError", dead_tries="3", dead_entry="1-1")
    assert dead.fields == entry().fields
    assert (dead.id, dead.missing) == (entry().id, ())


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        entry().id = "other"  # type: ignore[misc]
