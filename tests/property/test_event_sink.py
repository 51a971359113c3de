# SPDX-License-Identifier: MIT
"""Any event against the slow and obvious model; any order of calls against the ledger."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import EventSink
from tests.oracle.event import fields_of

EXAMPLES = 2000 if os.environ.get("HEADRACE_SOAK") == "1" else 200

RESERVED = {"id", "kind", "time", "altered"}
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16).filter(
    lambda name: name not in RESERVED and len(name.encode()) <= 64
)
texts = st.text(st.characters(), max_size=40)
values = st.one_of(
    texts,
    st.builds(lambda text, times: text * times, texts, st.integers(1, 200)),
    st.binary(max_size=40),
    st.builds(lambda raw, times: raw * times, st.binary(max_size=12), st.integers(1, 400)),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(kind=names, fields=st.dictionaries(names, values, max_size=12))
def test_an_event_is_what_the_model_says(
    kind: str, fields: dict[str, str | bytes | float | bool | None]
) -> None:
    sink = EventSink("memory:", ring_bytes=65536)
    want = fields_of(kind, fields)
    assert sink.emit(kind, fields) is (want is not None)
    if want is None:
        assert sink.stats()["refused"] == {"too_big": 1}
    else:
        [event] = sink.captured()
        got = {name: event[name].encode(errors="surrogateescape") for name in event}
        assert got.pop("kind") == kind.encode()
        del got["id"], got["time"]
        assert got == want
        assert list(got) == list(want)
    sink.close()


steps = st.lists(
    st.one_of(
        st.integers(0, 3000).map(lambda size: ("emit", size)),
        st.just(("flush", 0)),
        st.just(("captured", 0)),
        st.just(("close", 0)),
    ),
    max_size=60,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(steps=steps)
def test_the_ledger_adds_up_after_every_call(steps: list[tuple[str, int]]) -> None:
    sink = EventSink("memory:", ring_bytes=65536)
    offered = accepted = 0
    for what, size in steps:
        if what == "emit":
            offered += 1
            accepted += sink.emit("visit", {"x": "y" * size})
        elif what == "flush":
            assert sink.flush(0) == 0
        elif what == "captured":
            assert len(sink.captured()) == accepted
        else:
            assert sink.close(0) == 0
        stats = sink.stats()
        assert stats["offered"] == offered == stats["accepted"] + sum(stats["refused"].values())
        assert stats["accepted"] == accepted
        assert accepted == (stats["delivered"] + sum(stats["dropped"].values()) + stats["pending"])
    assert len(sink.captured()) == accepted
    sink.close()
