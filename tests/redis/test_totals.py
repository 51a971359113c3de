# SPDX-License-Identifier: MIT
"""The ledger over all processes: it adds up, also for those that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from headrace import EventSink
from tests.redis.conftest import Server

CHILD = """
    import os, signal, sys
    from headrace import EventSink
    sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
    for n in range(int(sys.argv[3])):
        sink.emit("visit", {"n": n})
    if sys.argv[4] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def child(server: Server, ring_dir: str, count: int, end: str) -> None:
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), server.url, ring_dir, str(count), end],
        check=end == "exit",
    )


def test_totals_add_up_over_exits_and_kills(server: Server, ring_dir: str) -> None:
    for count, end in ((10, "exit"), (20, "kill"), (30, "exit"), (40, "kill")):
        child(server, ring_dir, count, end)
    sink = EventSink(server.url, ring_dir=ring_dir)
    totals = sink.totals()
    assert totals["accepted"] == 100
    assert totals["rings"] <= 2, "the other one may have adopted the first"
    last = 0
    sink.emit("visit", {"n": -1})
    deadline = time.monotonic() + 10
    while len(list(Path(ring_dir).rglob("*.ring"))) > 1:
        totals = sink.totals()
        assert totals["accepted"] == totals["delivered"] + totals["pending"] == 101
        assert totals["delivered"] >= last
        last = totals["delivered"]
        assert time.monotonic() < deadline
    assert sink.flush(5) == 0
    totals = sink.totals()
    assert (totals["accepted"], totals["delivered"], totals["rings"]) == (101, 101, 1)
    assert totals["adopted"]["rings"] == 2
    assert totals["dropped"] == {}
    assert len(server.events()) == 101
    sink.close()
    assert sink.totals()["delivered"] == 101
    assert sink.totals()["rings"] == 0


def test_totals_that_nobody_adds_to_go_after_a_week(server: Server, ring_dir: str) -> None:
    def use(stream: str) -> EventSink:
        sink = EventSink(server.url, ring_dir=ring_dir, stream=stream)
        assert sink.emit("visit")
        assert sink.flush(5) == 0
        return sink

    old, busy, recent = use("old"), use("busy"), use("recent")
    names = {}
    for name, sink in (("old", old), ("busy", busy), ("recent", recent)):
        before = set(Path(ring_dir).rglob("*.totals"))
        sink.close()
        (names[name],) = set(Path(ring_dir).rglob("*.totals")) - before
    busy = use("busy")
    for name, days in (("old", 7.01), ("busy", 30), ("recent", 6.99)):
        then = time.time() - days * 86400
        os.utime(names[name], (then, then))
    use("another").close()
    assert not names["old"].exists()
    assert names["busy"].exists(), "it has a ring"
    assert names["recent"].exists()
    assert busy.totals()["accepted"] == 2
    assert old.totals()["accepted"] == 0
    busy.close()


def test_rings_of_the_dead_are_kept_up_to_a_number(server: Server, ring_dir: str) -> None:
    """The oldest ones beyond it are dropped, and counted."""
    server.kill()
    for n in range(258):
        sink = EventSink(server.url, ring_dir=ring_dir, ring_bytes=65536, exit_timeout=0)
        assert sink.emit("visit", {"n": n})
        sink.close(0)
    server.start()
    sink = EventSink(server.url, ring_dir=ring_dir, ring_bytes=65536)
    sink.emit("visit", {"n": 258})
    deadline = time.monotonic() + 120
    while len(list(Path(ring_dir).rglob("*.ring"))) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sink.flush(5) == 0
    totals = sink.totals()
    assert totals["accepted"] == 259
    assert totals["dropped"] == {"stale_ring": 2}
    assert len(server.events()) == totals["delivered"] == 257
    sink.close()


def test_another_target_counts_for_itself(server: Server, ring_dir: str) -> None:
    one = EventSink(server.url, ring_dir=ring_dir)
    other = EventSink(server.url, ring_dir=ring_dir, stream="other")
    one.emit("visit")
    assert one.flush(5) == 0
    assert one.totals()["accepted"] == 1
    assert other.totals()["accepted"] == 0
    one.close()
    other.close()
