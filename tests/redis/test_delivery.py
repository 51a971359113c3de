# SPDX-License-Identifier: MIT
"""What reaches Redis, and in which form."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from headrace import EventSink
from tests.redis.conftest import Server


def test_every_event_arrives_once_and_in_order(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    assert all(sink.emit("signup", {"n": n}) for n in range(5000))
    assert sink.flush(10) == 0
    assert [int(event["n"]) for event in server.events()] == list(range(5000))
    sink.close()


def test_an_event_begins_with_id_kind_and_time(server: Server, ring_dir: str) -> None:
    before = time.time_ns() // 1_000_000 - 20
    sink = EventSink(server.url, ring_dir=ring_dir)
    sink.emit("signup", {"plan": "pro", "left_out": None, "seats": 3, "trial": True})
    sink.flush(5)
    [event] = server.events()
    assert list(event) == ["id", "kind", "time", "plan", "seats", "trial"]
    assert event["id"].startswith(sink.stats()["ring"]["producer"] + "-")
    assert (event["kind"], event["plan"], event["seats"], event["trial"]) == (
        "signup",
        "pro",
        "3",
        "1",
    )
    assert before <= int(event["time"]) <= time.time_ns() // 1_000_000
    sink.close()


def test_bytes_that_look_like_commands_stay_bytes(server: Server, ring_dir: str) -> None:
    hostile = b"\r\n*1\r\n$8\r\nFLUSHALL\r\n\x00\xff"
    sink = EventSink(server.url, ring_dir=ring_dir)
    sink.emit("visit", {"agent": hostile})
    assert sink.flush(5) == 0
    raw = server.command("XRANGE", "headrace:events", "-", "+", NEVER_DECODE=True)
    assert raw[0][1][b"agent"] == hostile
    sink.close()


def test_the_marker_is_the_last_sequence(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    for n in range(10):
        sink.emit("visit", {"n": n})
    sink.flush(5)
    producer, _, sequence = server.events()[-1]["id"].partition("-")
    assert server.client.get(f"headrace:marker:{producer}") == sequence
    assert 0 < server.client.ttl(f"headrace:marker:{producer}") <= 7 * 86400
    sink.close()


def test_nothing_is_opened_before_the_first_event(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    clients = server.client.client_list()
    assert sink.stats()["connection"]["state"] == "idle"
    assert sink.stats()["ring"]["kind"] == "none"
    assert len(clients) == 1
    sink.close()


def test_events_wait_for_a_redis_that_is_not_there_yet(server: Server, ring_dir: str) -> None:
    server.kill()
    sink = EventSink(server.url, ring_dir=ring_dir, reconnect=(0.01, 0.05))
    for n in range(100):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(0.1) == 100
    stats = sink.stats()
    assert stats["pending"] == 100
    assert stats["connection"]["state"] == "waiting"
    assert stats["connection"]["error"] == "connect"
    server.start()
    assert sink.flush(5) == 0
    assert [int(event["n"]) for event in server.events()] == list(range(100))
    assert sink.stats()["connection"]["state"] == "connected"
    sink.close()


def test_a_full_ring_refuses_the_newest_and_counts(server: Server, ring_dir: str) -> None:
    server.kill()
    sink = EventSink(server.url, ring_dir=ring_dir, ring_bytes=65536, reconnect=(0.01, 0.05))
    answers = [sink.emit("visit", {"n": n}) for n in range(3000)]
    accepted = answers.count(True)
    stats = sink.stats()
    assert 0 < accepted < 3000
    assert answers == [True] * accepted + [False] * (3000 - accepted)
    assert stats["refused"] == {"full": 3000 - accepted}
    assert stats["offered"] == 3000
    server.start()
    assert sink.flush(5) == 0
    assert [int(event["n"]) for event in server.events()] == list(range(accepted))
    assert sink.emit("visit", {"n": -1})
    sink.close()


def test_a_server_killed_under_load_loses_and_doubles_nothing(
    server: Server, ring_dir: str
) -> None:
    server.options = ("--appendonly", "yes", "--appendfsync", "always")
    server.kill()
    server.start()
    sink = EventSink(
        server.url, ring_dir=ring_dir, batch=16, reconnect=(0.005, 0.02), max_length=None
    )
    emitted = 0
    for _ in range(4):
        for _ in range(2000):
            emitted += sink.emit("visit", {"n": emitted})
        time.sleep(0.02)
        server.kill()
        for _ in range(50):
            emitted += sink.emit("visit", {"n": emitted})
        server.start()
    assert sink.flush(20) == 0
    assert [int(event["n"]) for event in server.events()] == list(range(emitted))
    assert sink.stats()["delivered"] == emitted
    sink.close()


LEFT = """
import os, signal, sys
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], delivery=sys.argv[3])
for n in range(5):
    assert sink.emit("left", {"n": n})
print(sink.stats()["ring"]["producer"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("delivery", ["exactly-once", "script"])
def test_a_marker_of_another_format_holds_its_ring_back(
    server: Server, ring_dir: str, delivery: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a newer version has delivered is not known: rather late than twice."""
    server.pause()
    left = subprocess.run(
        [sys.executable, "-c", LEFT, server.url, ring_dir, delivery],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    server.resume()
    marker = f"headrace:marker:{left.stdout.strip()}"
    server.client.set(marker, "2:7")
    options: Any = {"delivery": delivery, "reconnect": (0.01, 0.05)}
    sink = EventSink(server.url, ring_dir=ring_dir, **options)
    assert sink.emit("own", {"n": 5})
    deadline = time.monotonic() + 20
    while "of another format" not in sink.stats()["connection"]["detail"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sink.emit("own", {"n": 6})
    while len(server.events()) < 2:  # its own are not in the way of it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while "of another format" not in caplog.text:
        assert time.monotonic() < deadline
        sink.stats()
        time.sleep(0.01)
    assert [event["kind"] for event in server.events()] == ["own", "own"]
    assert server.client.get(marker) == "2:7"
    server.client.delete(marker)
    while len(server.events()) < 7:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sink.close()
    assert sorted(int(event["n"]) for event in server.events()) == list(range(7))
