# SPDX-License-Identifier: MIT
"""The tools of the benchmarks measure what they say: a stall is not left out, a delay is there."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench_growth  # noqa: E402 - benchmarks are no package
import open_loop  # noqa: E402
import results  # noqa: E402

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request at once, except while `stalled` is set."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.going = threading.Event()
        self.going.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client: socket.socket) -> None:
        with client:
            while client.recv(65536):
                self.going.wait()
                client.sendall(ANSWER)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.going.set()
    made.listener.close()


def test_requests_that_were_due_in_a_stall_count_from_when_they_were_due(server: Server) -> None:
    stall = 0.5

    def stall_once() -> None:
        time.sleep(0.3)
        server.going.clear()
        time.sleep(stall)
        server.going.set()

    thread = threading.Thread(target=stall_once)
    thread.start()
    outcome = open_loop.run(server.port, "/", {}, rate=100, seconds=1.0, give_up=30)
    thread.join()
    assert outcome.statuses == {200: 100}
    # A client that waits for its answers would have seen the stall once a connection.
    waited = [seconds for seconds in outcome.seconds if seconds > stall / 2]
    assert len(waited) >= 100 * stall / 2 * 0.8
    assert outcome.at(0.99) > stall * 0.8


def test_what_is_never_answered_takes_endlessly(server: Server) -> None:
    server.going.clear()
    outcome = open_loop.run(server.port, "/", {}, rate=40, seconds=0.5, give_up=0.2)
    assert outcome.seconds == [math.inf] * 20
    assert outcome.at(0.5) == math.inf
    assert outcome.statuses == {}


def test_percentiles_are_of_the_nearest_rank() -> None:
    outcome = open_loop.Outcome(seconds=[float(n) for n in range(100, 0, -1)])
    assert [outcome.at(share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]


def test_what_goes_through_is_held_back_and_does_not_queue() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as target,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        port, target_port = free.getsockname()[1], target.getsockname()[1]
        free.close()
        program = [sys.executable, str(BENCHMARKS / "far_away.py"), str(port), str(target_port)]
        with subprocess.Popen([*program, "40"]) as proxy:
            try:
                client = connect(port)
                with client:
                    server, _ = target.accept()
                    with server:
                        start = time.monotonic()
                        for _ in range(20):
                            client.sendall(b"ping")
                            time.sleep(0.001)
                        received = b""
                        while len(received) < 80:
                            received += server.recv(100)
                        server.sendall(b"pong")
                        assert client.recv(4) == b"pong"
                        took = time.monotonic() - start
                assert received == b"ping" * 20
                assert took >= 0.040
                assert took < 20 * 0.020  # had each waited for the one before
            finally:
                proxy.terminate()


def connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_ratio_is_taken_round_by_round() -> None:
    ours, theirs = [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]
    assert results.ratios(ours, theirs) == (10, 10, 10)
    middle, low, high = results.ratios(ours, [30.0, 20.0, 10.0])
    assert low < middle == 10 < high


def points(costs: dict[int, float]) -> bench_growth.Points:
    return [(float(x), (y, y, y)) for x, y in costs.items()]


def test_bends_are_found_where_they_are() -> None:
    flat = bench_growth.bend_of_cost(points({1: 50, 10: 55, 100: 120, 1000: 52}), "rules")
    assert "does not bend" in flat
    bent = bench_growth.bend_of_cost(points({1: 50, 10: 52, 100: 100, 1000: 1000}), "rules")
    assert "bends between 10 and 100, and at the end grows with the power 1.00" in bent
    rate = bench_growth.bend_of_rate(points({1: 100, 2: 190, 4: 220}), "workers")
    assert "bends at 2 workers" in rate
    assert "does not bend" in bench_growth.bend_of_rate(points({1: 100, 2: 190}), "workers")
