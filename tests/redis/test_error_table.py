# SPDX-License-Identifier: MIT
"""Every row of the error table, by a server that answers with it three times."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from headrace import EventSink
from tests.redis.fault import Script

KEPT, DROPPED = "connection kept", "connection closed"


def sink_for(script: Script, ring_dir: str, **options: Any) -> EventSink:
    options = {"reconnect": (0.002, 0.01), "command_timeout": 2.0, "batch": 10, **options}
    return EventSink(script.url, ring_dir=ring_dir, **options)


def numbers(script: Script) -> list[int]:
    return [int(event["n"]) for event in script.stream]


def failing(text: bytes, times: int) -> Any:
    """The first XADD of each of the first `times` batches is answered with `text`."""
    left = times

    def answer(_: int, words: list[bytes]) -> bytes | None:
        nonlocal left
        if left > 0 and words[-1] == b"0":
            left -= 1
            return b"-" + text + b"\r\n"
        return None

    return answer


# What the text says of a state passes: all is kept and sent again.
STATES = [
    (b"LOADING Redis is loading the dataset in memory", KEPT),
    (b"BUSY Redis is busy running a script.", KEPT),
    (b"MASTERDOWN Link with MASTER is down", KEPT),
    (b"TRYAGAIN Multiple keys request during rehashing of slot", KEPT),
    (b"CLUSTERDOWN Hash slot not served", KEPT),
    (b"OOM command not allowed when used memory > 'maxmemory'.", KEPT),
    (b"MISCONF Redis is configured to save RDB snapshots", KEPT),
    (b"NOREPLICAS Not enough good replicas to write.", KEPT),
    (b"NOSCRIPT No matching script.", KEPT),
    (b"NOPERM this user has no permissions to run 'xadd'", KEPT),
    (b"MOVED 3999 127.0.0.1:6381", KEPT),
    (b"ASK 3999 127.0.0.1:6381", KEPT),
    (b"CROSSSLOT Keys in request don't hash to the same slot", KEPT),
    (b"READONLY You can't write against a read only replica.", DROPPED),
    (b"NOAUTH Authentication required.", DROPPED),
]


@pytest.mark.parametrize(
    ("text", "connection"), STATES, ids=[t.split()[0].decode() for t, _ in STATES]
)
def test_a_state_that_passes_keeps_everything(
    folder: Path, ring_dir: str, text: bytes, connection: str
) -> None:
    script = Script(folder, failing(text, 3))
    sink = sink_for(script, ring_dir)
    for n in range(10):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    stats = sink.stats()
    assert numbers(script) == list(range(10))
    assert (stats["delivered"], stats["dropped"]) == (10, {})
    assert stats["connection"]["failures"] == 3
    assert script.connections == (1 if connection == KEPT else 4)
    assert b"SCRIPT" not in script.commands
    sink.close()
    script.close()


def test_a_cluster_is_named_in_the_detail(folder: Path, ring_dir: str) -> None:
    script = Script(folder, failing(b"CROSSSLOT Keys in request", 1 << 30))
    sink = sink_for(script, ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(0.3) == 1
    assert "Cluster is not supported" in sink.stats()["connection"]["detail"]
    sink.close(0)
    script.close()


# What the text says is wrong with the event itself: it is dropped, its neighbours are not.
FOR_GOOD = [
    b"WRONGTYPE Operation against a key holding the wrong kind of value",
    b"ERR Elements are too large to be stored",
    b"ERR wrong number of arguments for 'xadd' command",
    b"ERR unknown command 'XADD'",
    b"ERR The stream has exhausted the last possible ID",
    b"ERR nobody knows this one yet",
]


@pytest.mark.parametrize("text", FOR_GOOD, ids=[text[:24].decode() for text in FOR_GOOD])
def test_an_event_that_is_refused_for_good_is_dropped_alone(
    folder: Path, ring_dir: str, text: bytes
) -> None:
    script = Script(folder, failing(text, 1 << 30))
    sink = sink_for(script, ring_dir)
    for n in range(10):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    stats = sink.stats()
    assert numbers(script) == list(range(1, 10))
    assert (stats["delivered"], stats["dropped"]) == (9, {"rejected": 1})
    assert stats["accepted"] == 10
    assert script.connections == 1
    assert script.asked <= 4 * 10, "no hot loop"
    sink.close()
    script.close()


@pytest.mark.parametrize("at", [0, 1, 7, 9, 25, 99])
def test_an_error_at_the_nth_event_stops_nothing(folder: Path, ring_dir: str, at: int) -> None:
    script = Script(folder, lambda n, _: b"-OOM no\r\n" if n == at else None)
    sink = sink_for(script, ring_dir)
    for n in range(100):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(script) == list(range(100))
    sink.close()
    script.close()


@pytest.mark.parametrize("at", [0, 1, 9, 10, 25])
def test_hanging_up_at_the_nth_event_stops_nothing(folder: Path, ring_dir: str, at: int) -> None:
    script = Script(folder, lambda n, _: b"" if n == at else None)
    sink = sink_for(script, ring_dir)
    for n in range(50):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(script) == list(range(50))
    assert script.connections == 2
    sink.close()
    script.close()


def test_too_many_clients_are_waited_for(folder: Path, ring_dir: str) -> None:
    script = Script(folder, lambda *_: None, b"-ERR max number of clients reached\r\n")
    sink = sink_for(script, ring_dir)
    sink.emit("visit", {"n": 0})
    deadline = time.monotonic() + 10
    while script.connections < 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert sink.stats()["pending"] == 1
    script.greeting = b""
    assert sink.flush(10) == 0
    assert numbers(script) == [0]
    sink.close()
    script.close()
