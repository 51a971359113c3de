# SPDX-License-Identifier: MIT
"""The wire is cut at random places: nothing is lost, nothing arrives twice, all is in order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from headrace import EventSink
from tests.redis.conftest import SOAK, Server
from tests.redis.fault import Proxy, random_cuts

CUTS = 1000 if SOAK else 100


def naive(url: str, count: int, *, again: bool) -> int:
    """A sink as it is often written: a pipeline, after an error sent again or given up."""
    client = redis.Redis.from_url(url, retry=None)
    sent = 0
    while sent < count:
        pipeline = client.pipeline(transaction=False)
        for n in range(sent, min(sent + 50, count)):
            pipeline.xadd("headrace:events", {"n": n})
        try:
            pipeline.execute()
        except redis.exceptions.RedisError:
            if again:
                continue
        sent += 50
    client.close()
    return sent


def numbers(server: Server) -> list[int]:
    return [int(event["n"]) for event in server.events()]


@pytest.mark.parametrize("delivery", ["exactly-once", "script"])
def test_cuts_lose_and_double_nothing(
    server: Server, folder: Path, ring_dir: str, delivery: str
) -> None:
    proxy = Proxy(folder, server.socket, random_cuts(7, 30_000))
    sink = EventSink(
        proxy.url,
        ring_dir=ring_dir,
        batch=50,
        linger=0.0,
        max_length=None,
        reconnect=(0.001, 0.002),
        delivery=delivery,
    )
    emitted = 0
    deadline = time.monotonic() + 100
    while proxy.cuts < CUTS:
        assert time.monotonic() < deadline, f"only {proxy.cuts} cuts"
        for _ in range(500):
            assert sink.emit("visit", {"n": emitted})
            emitted += 1
        while sink.stats()["pending"] > 2000:
            time.sleep(0.001)
    assert sink.flush(60) == 0
    assert numbers(server) == list(range(emitted))
    stats = sink.stats()
    assert stats["delivered"] == stats["accepted"] == emitted
    assert stats["dropped"] == {}
    sink.close()
    proxy.close()


def test_cuts_at_least_once_lose_nothing(server: Server, folder: Path, ring_dir: str) -> None:
    proxy = Proxy(folder, server.socket, random_cuts(11, 30_000))
    sink = EventSink(
        proxy.url,
        ring_dir=ring_dir,
        batch=50,
        linger=0.0,
        max_length=None,
        reconnect=(0.001, 0.002),
        delivery="at-least-once",
    )
    for n in range(2000):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(60) == 0
    assert set(numbers(server)) == set(range(2000))
    assert sink.stats()["delivery"] == "at-least-once"
    sink.close()
    proxy.close()


@pytest.mark.parametrize("again", [True, False], ids=["sends again", "gives up"])
def test_a_naive_sink_fails_the_same_test(server: Server, folder: Path, again: bool) -> None:
    proxy = Proxy(folder, server.socket, random_cuts(7, 30_000))
    count = naive(proxy.url, 5000, again=again)
    seen = numbers(server)
    proxy.close()
    assert proxy.cuts > 3
    twice = len(seen) - len(set(seen))
    lost = set(range(count)) - set(seen)
    assert (twice > 0) if again else (len(lost) > 0), "the test proves nothing"
