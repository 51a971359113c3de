# SPDX-License-Identifier: MIT
"""Entries of a stream as events, beside a model in Python, on what hypothesis thinks up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events import (
    FORMAT_FIELD,
    ID_MAX_CHARS,
    Event,
    NewerFormatError,
    _entry_ms,
    _read_entries,
    _repaired,
)

LAST_MS = 253_402_300_799_999  # of the year 9999
NAMES = st.sampled_from(
    ["id", "kind", "time", "label", "path", "dead_error", FORMAT_FIELD, "i\u00e4", "x"]
)
TIMES = ["1700000000123", str(LAST_MS), str(LAST_MS + 1), "0" * 15, "0" * 16]
NO_TIMES = [" 5", "+5", "-5", "1_0", "5.0", "\u0665"]
IDS = ["", "1", "a-18", "a" * ID_MAX_CHARS, "a" * (ID_MAX_CHARS + 1)]
VALUES = st.text(max_size=70) | st.sampled_from([*TIMES, *NO_TIMES, *IDS])
WHOLE = ["id", "a-18", "kind", "visit", "time", "1700000000123"]
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(
    lambda pairs: [text for pair in pairs for text in pair]
)


def expected(entry: str, pairs: list[str]) -> Event:
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    rest = {name: text for name, text in fields.items() if name not in ("id", "kind", "time")}
    is_whole = (
        0 < len(fields.get("id", "")) <= ID_MAX_CHARS
        and fields.get("kind", "") != ""
        and fields.get("time", "").isascii()
        and fields.get("time", "").isdigit()
        and len(fields["time"]) <= 15
        and int(fields["time"]) <= LAST_MS
        and not {FORMAT_FIELD, "dead_error"} & fields.keys()
    )
    if is_whole:
        return Event(fields["id"], fields["kind"], int(fields["time"]), rest, entry)
    return _repaired(fields, f"entry:{entry}", _entry_ms(entry), entry)


@given(st.lists(PAIRS | PAIRS.map(lambda pairs: [*WHOLE, *pairs]), max_size=4))
def test_an_entry_is_read_as_the_model_reads_it(several: list[list[str]]) -> None:
    rows = [(f"{n}-0", pairs) for n, pairs in enumerate(several)]
    try:
        want = [expected(*row) for row in rows]
    except NewerFormatError:
        with pytest.raises(NewerFormatError):
            _read_entries(rows)
        return
    got = _read_entries(rows)
    assert got == want
    assert [list(event.fields) for event in got] == [list(event.fields) for event in want]
    assert got == [
        Event.from_entry(entry, dict(zip(pairs[::2], pairs[1::2], strict=True)))
        for entry, pairs in rows
    ]


def test_an_event_that_was_read_is_frozen_and_its_own() -> None:
    one, two = _read_entries([("1-0", [*WHOLE, "x", "y"]), ("2-0", [*WHOLE, "x", "y"])])
    with pytest.raises(AttributeError):
        one.id = "other"  # type: ignore[misc]
    assert one.fields is not two.fields
    assert repr(one).startswith("Event(id='a-18', kind='visit', time=1700000000123,")
    assert hash(one.id) == hash(two.id)
