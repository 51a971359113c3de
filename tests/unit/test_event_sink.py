# SPDX-License-Identifier: MIT
"""EventSink without a server: arguments, limits of events, the ledger."""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from headrace import EventSink
from headrace.testing import captured_events
from tests.unit.test_redis_keys import BAD_PREFIXES, GOOD_PREFIXES

SECRET = "s3cr3t-that-nobody-may-see"


def one(fields: dict[str, Any] | None = None, kind: str = "visit") -> dict[str, str]:
    """The event that `fields` make."""
    sink = EventSink("memory:")
    assert sink.emit(kind, fields) is True
    [event] = sink.captured()
    sink.close()
    return event


def test_values_become_text() -> None:
    event = one(
        {
            "s": "é",
            "b": b"raw",
            "i": -3,
            "big": 10**30,
            "f": 0.1,
            "t": True,
            "n": False,
            "no": None,
        }
    )
    del event["id"], event["time"]
    assert event == {
        "kind": "visit",
        "s": "é",
        "b": "raw",
        "i": "-3",
        "big": str(10**30),
        "f": "0.1",
        "t": "1",
        "n": "0",
    }


def test_fields_keep_their_order() -> None:
    assert list(one({"z": 1, "a": 2})) == ["id", "kind", "time", "z", "a"]


def test_long_values_are_cut_on_a_character_boundary() -> None:
    event = one({"short": "x" * 2048, "long": "é" * 1025, "other": "x" * 2049})
    assert event["short"] == "x" * 2048
    assert event["long"] == "é" * 1024
    assert event["other"] == "x" * 2048
    assert event["altered"] == "long,other"


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    event = one({"a": "x\ud800y", "b": "fine"})
    assert (event["a"], event["altered"]) == ("x\ufffdy", "a")


def test_code_of_the_caller_does_not_run() -> None:
    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise AssertionError

        def encode(self, *args: Any, **kwargs: Any) -> bytes:
            raise AssertionError

    class Number(int):
        def __str__(self) -> str:
            raise AssertionError

        __repr__ = __str__

    event = one({"a": Loud("x"), "b": Number(5), "c": Number(10**25)})
    assert (event["a"], event["b"], event["c"]) == ("x", "5", str(10**25))


@pytest.mark.parametrize("name", ["", "id", "kind", "time", "altered", "x" * 65])
def test_names_that_an_event_cannot_have(name: str) -> None:
    with pytest.raises(ValueError, match="field"):
        EventSink("memory:").emit("visit", {name: 1})


@pytest.mark.parametrize("value", [[], {}, object(), 1j, bytearray(b"x")])
def test_values_of_other_types(value: object) -> None:
    with pytest.raises(TypeError):
        EventSink("memory:").emit("visit", {"a": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", ["", "x" * 65, "\ud800"])
def test_kinds_that_an_event_cannot_have(kind: str) -> None:
    with pytest.raises(ValueError):
        EventSink("memory:").emit(kind)


def test_other_arguments_of_emit() -> None:
    sink = EventSink("memory:")
    for arguments in [(), (1,), ("visit", [("a", 1)]), ("visit", {1: 1}), ("visit", {}, {})]:
        with pytest.raises(TypeError):
            sink.emit(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="64"):
        sink.emit("visit", {f"n{n}": n for n in range(65)})
    assert sink.emit(kind="visit", fields={f"n{n}": n for n in range(64)})
    assert sink.stats()["offered"] == 1


def test_an_event_over_8_kib_is_refused_and_counted() -> None:
    sink = EventSink("memory:")
    assert sink.emit("k", {f"n{n}": "x" * 2000 for n in range(5)}) is False
    assert sink.stats()["refused"] == {"too_big": 1}
    assert sink.captured() == []


def test_a_closed_sink_refuses_and_counts() -> None:
    sink = EventSink("memory:")
    sink.emit("visit")
    assert sink.close() == 0
    assert sink.closed
    assert sink.emit("visit") is False
    assert sink.close() == 0
    stats = sink.stats()
    assert (stats["offered"], stats["accepted"], stats["refused"]) == (2, 1, {"closed": 1})
    assert len(sink.captured()) == 1


def test_the_ledger_adds_up_while_threads_emit() -> None:
    sink = EventSink("memory:", ring_bytes=65536)
    threads = [
        threading.Thread(target=lambda: [sink.emit("visit", {"n": n}) for n in range(3000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        stats = sink.stats()
        assert stats["offered"] == stats["accepted"] + sum(stats["refused"].values())
        assert 0 <= stats["pending"] <= stats["accepted"]
    assert sink.flush() == 0
    stats = sink.stats()
    assert stats["accepted"] == stats["delivered"] == len(sink.captured()) == 12000


def test_a_sample_keeps_its_part_and_says_so() -> None:
    sink = EventSink("memory:", sample=0.25)
    kept = sum(sink.emit("visit", {"n": n}) for n in range(4000))
    assert 800 < kept < 1200
    assert sink.stats()["refused"] == {"sampled": 4000 - kept}
    assert {event["sample"] for event in sink.captured()} == {"0.25"}


def test_a_reserve_is_for_its_kind_only(tmp_path: Path) -> None:
    sink = EventSink(
        "redis://127.0.0.1:1/0",
        ring_bytes=65536,
        ring_dir=tmp_path,
        reserve={"order": 0.1},
        exit_timeout=0,
    )
    while sink.emit("visit", {"n": "x" * 100}):
        pass
    assert sink.emit("order", {"n": "x" * 100})
    assert not sink.emit("visit", {"n": "x" * 100})
    used = sink.stats()["ring"]["used"]
    assert 0.85 < used / 65536 < 0.95
    sink.close(0)


BAD_ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("url", {"url": ""}),
    ("url", {"url": f"http://:{SECRET}@host"}),
    ("url", {"url": "redis://"}),
    ("url", {"url": f"redis://:{SECRET}@host:0"}),
    ("url", {"url": f"redis://:{SECRET}@host:70000"}),
    ("url", {"url": f"redis://:{SECRET}@host:x"}),
    ("url", {"url": f"redis://:{SECRET}@host/x"}),
    ("url", {"url": f"redis://:{SECRET}@host?x=1"}),
    ("url", {"url": f"redis://:{SECRET}%4@host"}),
    ("url", {"url": f"redis://:{SECRET}#@host"}),
    ("url", {"url": "redis://" + "h" * 256}),
    ("url", {"url": "redis://[::1"}),
    ("url", {"url": "unix://relative"}),
    ("url", {"url": "unix:///" + "x" * 120}),
    ("url", {"url": "redis://host\x00"}),
    ("url", {"url": "file:"}),
    ("url", {"url": "redis://host", "ca_file": "/x"}),
    ("stream", {"stream": ""}),
    ("ring_bytes", {"ring_bytes": 1000}),
    ("ring_bytes", {"ring_bytes": 1 << 40}),
    ("batch", {"batch": 0}),
    ("batch", {"batch": 10**9}),
    ("batch", {"batch": -1}),
    ("linger", {"linger": -1.0}),
    ("linger", {"linger": float("nan")}),
    ("max_length", {"max_length": 0}),
    ("reconnect", {"reconnect": (1.0, 0.5)}),
    ("reconnect", {"reconnect": (0.0, 1.0)}),
    ("connect_timeout", {"connect_timeout": 0.0}),
    ("command_timeout", {"command_timeout": float("inf")}),
    ("exit_timeout", {"exit_timeout": -1.0}),
    ("delivery", {"delivery": "perhaps"}),
    ("reserve", {"reserve": {"a": 0.5, "b": 0.6}}),
    ("reserve", {"reserve": {"a": 1.5}}),
    ("reserve", {"reserve": {"": 0.5}}),
    ("max_age", {"max_age": 0}),
    ("sample", {"sample": 0.0}),
    ("sample", {"sample": 1.5}),
    ("client_name", {"client_name": "two words"}),
    *(("prefix", {"prefix": prefix}) for prefix in BAD_PREFIXES),
]


@pytest.mark.parametrize(("setting", "arguments"), BAD_ARGUMENTS)
def test_a_wrong_setting_is_named_and_no_secret_shown(
    setting: str, arguments: dict[str, Any]
) -> None:
    arguments = {"url": "redis://127.0.0.1", **arguments}
    with pytest.raises(ValueError, match=setting) as raised:
        EventSink(arguments.pop("url"), **arguments)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("prefix", GOOD_PREFIXES)
def test_a_prefix_may_be_any_printable_text(prefix: str) -> None:
    EventSink("redis://127.0.0.1", prefix=prefix).close()


def test_a_prefix_is_text() -> None:
    with pytest.raises(TypeError):
        EventSink("redis://127.0.0.1", prefix=7)  # type: ignore[arg-type]


def test_an_unknown_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        EventSink("memory:", nonsense=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://:p%40ss@host:6380/3",
        "redis://user:pass@[::1]:6379/0",
        "rediss://host?db=2",
        "unix:///run/redis.sock?db=1",
        "unix://user:pass@/run/redis.sock",
    ],
)
def test_urls_that_are_fine_open_nothing(url: str) -> None:
    sink = EventSink(url)
    assert sink.stats()["connection"]["state"] == "idle"
    sink.close()


def test_secrets_are_in_no_text_of_the_sink(tmp_path: Path) -> None:
    sink = EventSink(f"redis://user:{SECRET}@127.0.0.1:1/0", ring_dir=tmp_path)
    sink.emit("visit")
    sink.flush(0.3)
    assert SECRET not in repr(sink) + repr(sink.stats())
    sink.close(0)


def test_a_failure_is_logged_once_and_names_the_target(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = EventSink(
        f"redis://:{SECRET}@127.0.0.1:1/0", ring_dir=tmp_path, reconnect=(0.001, 0.001)
    )
    with caplog.at_level(logging.WARNING, logger="headrace"):
        for _ in range(50):
            sink.emit("visit")
            sink.flush(0.02)
    sink.close(0)
    assert len(caplog.records) == 1
    assert "redis://127.0.0.1:1/0" in caplog.text
    assert SECRET not in caplog.text


def test_a_ring_that_a_kill_would_lose_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = EventSink("redis://127.0.0.1:1/0", ring_dir=tmp_path / "nowhere")
    with caplog.at_level(logging.WARNING, logger="headrace"):
        sink.emit("visit")
        sink.emit("visit")
    sink.close(0)
    assert [text for text in caplog.messages if "anonymous memory" in text] == caplog.messages[:1]
    assert not sink.stats()["ring"]["survives_kill"]


def test_a_ring_below_a_setgid_folder_is_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o2755)
    sink = EventSink("redis://127.0.0.1:1/0", ring_dir=tmp_path)
    sink.emit("visit")
    assert sink.stats()["ring"]["survives_kill"]
    sink.close(0)
    assert "anonymous" not in caplog.text


def test_a_file_gets_one_json_object_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".headrace" / "events.ndjson"
    sink = EventSink(f"file:{path}", ring_dir=tmp_path)
    hostile = 'a\r\n"\\\x1b[31m\u2028\x85é' + chr(0x10FFFF)
    with caplog.at_level(logging.WARNING, logger="headrace"):
        sink.emit("visit", {"text": hostile, "raw": b"\xff\xed\xa0\x80"})
    sink.emit("visit", {"n": 2})
    assert sink.flush(5) == 0
    raw = path.read_bytes()
    assert raw.count(b"\n") == 2
    assert b"\x1b" not in raw
    first, second = map(json.loads, raw.splitlines())
    assert first["text"] == hostile
    assert set(first["raw"]) == {"\ufffd"}
    assert (second["kind"], second["n"]) == ("visit", "2")
    assert isinstance(second["time"], int)
    assert str(path) in caplog.text
    assert f"watch them with: headrace tail file:{path}" in caplog.text
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert path.stat().st_mode & 0o777 == 0o600
    sink.close()


def test_a_file_is_rotated_by_size(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    sink = EventSink(f"file:{path}", ring_dir=tmp_path)
    lines = 12_000
    for n in range(lines):
        while not sink.emit("visit", {"n": n, "text": "x" * 2000}):
            sink.flush(5)
    assert sink.flush(20) == 0
    sink.close()
    files = [Path(f"{path}.1"), path]
    assert all(file.stat().st_size <= 16 << 20 for file in files)
    seen = [json.loads(line)["n"] for file in files for line in file.read_text().splitlines()]
    assert seen == [str(n) for n in range(lines)]


def test_captured_events_are_those_of_the_block() -> None:
    sink = EventSink("memory:")
    sink.emit("before")
    with captured_events(sink) as events:
        assert len(events) == 0
        sink.emit("signup", {"plan": "pro"})
        sink.emit("visit")
        assert [event["kind"] for event in events] == ["signup", "visit"]
        assert events.of_kind("signup")[0]["plan"] == "pro"
    with pytest.raises(ValueError, match="memory:"):
        EventSink("redis://host").captured()


def test_captured_while_other_threads_emit_and_flush() -> None:
    sink = EventSink("memory:", ring_bytes=65536)
    threads = [
        threading.Thread(target=lambda: [sink.emit("visit", {"n": n}) for n in range(2000)]),
        threading.Thread(target=lambda: [sink.flush(0) for _ in range(2000)]),
    ]
    for thread in threads:
        thread.start()
    last = 0
    while any(thread.is_alive() for thread in threads):
        seen = [int(event["n"]) for event in sink.captured()]
        assert seen == list(range(len(seen)))
        assert len(seen) >= last
        last = len(seen)
    assert len(sink.captured()) == 2000


def test_flush_and_close_take_odd_timeouts() -> None:
    sink = EventSink("memory:")
    for timeout in (0, -1, 1e9, float("inf")):
        assert sink.flush(timeout) == 0
    with pytest.raises(ValueError, match="timeout"):
        sink.flush(float("nan"))
    with pytest.raises(TypeError):
        sink.flush("soon")  # type: ignore[arg-type]
    assert sink.close(timeout=-5) == 0


def test_a_sink_can_be_let_go_of() -> None:
    sink = EventSink("memory:")
    reference = weakref.ref(sink)
    before = sys.getrefcount(EventSink)
    many = [EventSink("memory:") for _ in range(100)]
    assert sys.getrefcount(EventSink) >= before + 100
    del many, sink
    gc.collect()
    assert reference() is None
    assert sys.getrefcount(EventSink) <= before


def test_old_events_expire(tmp_path: Path) -> None:
    sink = EventSink(
        "redis://127.0.0.1:1/0", ring_dir=tmp_path, max_age=0.05, reconnect=(0.01, 0.02)
    )
    for _ in range(5):
        sink.emit("visit")
    assert sink.flush(5) == 0
    assert sink.stats()["dropped"] == {"expired": 5}
    sink.close()
