# SPDX-License-Identifier: MIT
"""How does each cost grow, and where does its curve bend?

With the number of rules, of cookies, of bytes in a header and in a token, of tokens in the cache,
of threads, of workers, and of events a second. The bend is computed: of a cost, where it
passes one and a half times the first point's and does not come back; of a rate, where more of x
gives less than half of what it gave at first.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import jwt as pyjwt
import results
from bench_sink import FIELDS, redis_server
from pairs import Call, calls_a_round, once

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

SECRET = "a secret of the benchmarks, long enough for all"
NOW = int(time.time())
CLAIMS: dict[str, Any] = {"token_type": "access", "exp": NOW + 86400, "user_id": "12345"}
ROUNDS = 60
BENT = 1.5  # times the first point's cost, from here on
SECONDS = 0.4  # of a rate

Points = list[tuple[float, results.Spread]]


def costs(calls: dict[float, Call]) -> Points:
    """Nanoseconds a call by x; all points take turns."""
    counts = {x: calls_a_round(call) for x, call in calls.items()}
    found: dict[float, list[float]] = {x: [] for x in calls}
    for _ in range(ROUNDS):
        for x, call in calls.items():
            found[x].append(once(call, counts[x]))
    return [(x, results.spread(values)) for x, values in found.items()]


def undisturbed(point: tuple[float, results.Spread]) -> float:
    """The lower end of a point's spread: noise only ever adds."""
    return point[1][1]


def bend_of_cost(points: Points, what: str) -> str:
    costs_ = [undisturbed(point) for point in points]
    bent = [n for n in range(len(points)) if min(costs_[n:]) > BENT * costs_[0]]
    ratio = costs_[-1] / costs_[0]
    whole = f"{ratio:.1f} × from {points[0][0]:,.0f} to {points[-1][0]:,.0f} {what}"
    if not bent:
        return f"Flat, {whole}: it does not bend."
    last, before = points[-1], points[-2]
    power = math.log(costs_[-1] / costs_[-2]) / math.log(last[0] / before[0])
    return (
        f"It grows {whole}; it bends between {points[bent[0] - 1][0]:,.0f} and "
        f"{points[bent[0]][0]:,.0f}, and at the end grows with the power {power:.2f} of {what}."
    )


def bend_of_rate(points: Points, what: str) -> str:
    first = points[0][1][0] / points[0][0]
    for one, other in itertools.pairwise(points):
        gained = (other[1][0] - one[1][0]) / (other[0] - one[0])
        if gained < first / 2:
            return (
                f"It bends at {one[0]:,.0f} {what}: from there on one more gives "
                f"{gained / first:.0%} of what the first gave."
            )
    return f"It does not bend up to {points[-1][0]:,.0f} {what}."


def show(
    question: str,
    x: str,
    unit: str,
    series: dict[str, Points],
    bend: Callable[[Points, str], str],
) -> None:
    words = [f"{name}: {bend(points, x)}" for name, points in series.items()]
    results.curve(question, x, unit, series, words)
    print(f"\n{question} ({unit})")
    for name, points in series.items():
        cells = [f"{at:,.0f}: {y[0]:,.0f}" for at, y in points]
        print(f"  {name:<34}{'  '.join(cells)}")
    print("\n".join(f"  {line}" for line in words), flush=True)


# --- costs ---------------------------------------------------------------------


def rules() -> None:
    sizes = (1, 10, 100, 1_000, 10_000, 100_000)
    path = "/community/1234/members/"

    def filled(size: int) -> Call:
        label = PathFilter({"skip": [f"/tenant{n}/static/" for n in range(size)]}).label
        return lambda: label(path)

    points = costs({size: filled(size) for size in sizes})
    show("a path label by the number of rules", "rules", "ns", {"label": points}, bend_of_cost)


def cookies() -> None:
    cookie = FingerprintCookie(keys=[SECRET])
    value = cookie.mint().value

    def among(count: int) -> Call:
        others = "".join(f"cookie{n:04}=abcdefghijklmnop; " for n in range(count - 1))
        header = f"{others}device_fp={value}"
        return lambda: cookie.read(header)

    points = costs({count: among(count) for count in (1, 3, 10, 30, 100, 300)})
    series = {"read, ours the last": points}
    show("a fingerprint by the number of cookies", "cookies", "ns", series, bend_of_cost)

    def filled(size: int) -> Call:
        header = f"{'x' * (size - 100)}=1; device_fp={value}"
        return lambda: cookie.read(header)

    points = costs({size: filled(size) for size in (128, 512, 2048, 8192, 32768, 65536)})
    series = {"read, ours the last": points}
    show("a fingerprint by the header's length", "bytes", "ns", series, bend_of_cost)


def tokens() -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    anew = TokenVerifier([key], cache_size=0, max_bytes=1 << 20)
    cached = TokenVerifier([key])
    calls: dict[str, dict[float, Call]] = {"not cached": {}, "cached": {}}
    for size in (100, 500, 1_000, 3_000, 10_000, 100_000):
        text = pyjwt.encode({**CLAIMS, "x": "y" * size}, SECRET)
        calls["not cached"][len(text)] = lambda text=text: anew.verify(text)  # type: ignore[misc]
        if len(text) <= 4096:
            calls["cached"][len(text)] = lambda text=text: cached.verify(text)  # type: ignore[misc]
    series = {name: costs(some) for name, some in calls.items()}
    show("verify HS256 by the token's size", "bytes", "ns", series, bend_of_cost)


def cache() -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    sizes = (16, 256, 4_096, 16_384, 65_536)
    texts = [pyjwt.encode({**CLAIMS, "user_id": str(n)}, SECRET) for n in range(sizes[-1])]
    calls: dict[float, Call] = {}
    for size in sizes:
        verify = TokenVerifier([key], cache_size=2 * size).verify
        for text in texts[:size]:
            verify(text)
        turn = iter(Endless(texts[:size]))
        calls[size] = lambda verify=verify, turn=turn: verify(next(turn))  # type: ignore[misc]
    points = costs(calls)
    show("a cached token by how many are in use", "tokens", "ns", {"hit": points}, bend_of_cost)


class Endless:
    """Goes round, so that each token comes as long after its last time as it can."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def __iter__(self) -> Any:
        while True:
            yield from self.texts


# --- rates ----------------------------------------------------------------------


def threads(folder: Path) -> None:
    sink = EventSink("file:/dev/null", ring_bytes=64 << 20, ring_dir=folder)
    cookie = FingerprintCookie(keys=[SECRET])
    private = TokenVerifier([Key.secret(SECRET, algorithm="HS256")], cache_size=0)
    gate = Gate(fingerprint=cookie, sink=sink)
    text = pyjwt.encode(CLAIMS, SECRET)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/community/7/",
        "HTTP_COOKIE": f"device_fp={cookie.mint().value}",
        "wsgi.url_scheme": "http",
    }
    jobs: dict[str, Call] = {
        "enter + finish": lambda: gate.enter(environ).finish(200),
        "verify HS256, not cached": lambda: private.verify(text),
    }
    series = {
        name: [
            (float(n), results.spread([threaded(job, n) for _ in range(3)])) for n in (1, 2, 4, 8)
        ]
        for name, job in jobs.items()
    }
    show("calls a second by threads", "threads", "calls/s", series, bend_of_rate)
    sink.close(timeout=0)


def threaded(job: Call, count: int) -> float:
    """Calls a second of all threads together."""
    done = [0] * count
    stop = threading.Event()

    def work(slot: int) -> None:
        while not stop.is_set():
            for _ in range(100):
                job()
            done[slot] += 100

    pool = [threading.Thread(target=work, args=(slot,)) for slot in range(count)]
    start = time.perf_counter()
    for thread in pool:
        thread.start()
    time.sleep(SECONDS / 2)
    stop.set()
    for thread in pool:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def work_and_deliver(url: str, folder: str, events: int, barrier: Barrier) -> None:
    sink = EventSink(url, ring_bytes=64 << 20, ring_dir=folder)
    sink.emit("warm", {})
    sink.flush(10)
    barrier.wait()
    for _ in range(events):
        sink.emit("signup", FIELDS)
    assert sink.flush(60) == 0
    barrier.wait()
    sink.close()


def workers(folder: Path) -> None:
    """All workers' events into one Redis, by the second."""
    events = 30_000
    points: Points = []
    spawn = multiprocessing.get_context("spawn")
    with redis_server(folder) as (_, path):
        for count in (1, 2, 4):
            rates = []
            for _ in range(2):
                barrier = spawn.Barrier(count + 1)
                args = (f"unix://{path}", str(folder), events, barrier)
                pool = [spawn.Process(target=work_and_deliver, args=args) for _ in range(count)]
                for process in pool:
                    process.start()
                barrier.wait(60)
                start = time.perf_counter()
                barrier.wait(60)
                rates.append(count * events / (time.perf_counter() - start))
                for process in pool:
                    process.join()
            points.append((float(count), results.spread(rates)))
    series = {"delivered": points}
    show("events a second by workers, one Redis", "workers", "events/s", series, bend_of_rate)


def offered(folder: Path) -> None:
    """What arrives, and what emit costs, when so many events a second are offered."""
    arrived: Points = []
    cost: Points = []
    with redis_server(folder) as (_, path):
        for rate in (10_000, 30_000, 100_000, 200_000, 400_000):
            sink = EventSink(f"unix://{path}", ring_dir=folder)  # the ring of the defaults
            sink.emit("warm", {})
            sink.flush(10)
            delivered, took = offer(sink, rate)
            arrived.append((float(rate), (delivered, delivered, delivered)))
            cost.append((float(rate), results.spread(results.chunks(took))))
            sink.close(timeout=1)
    show(
        "events delivered a second by events offered a second",
        "events offered a second",
        "events/s",
        {"delivered": arrived},
        bend_of_rate,
    )
    show("emit by events offered a second", "events a second", "ns", {"emit": cost}, bend_of_cost)


def offer(sink: EventSink, rate: float) -> tuple[float, list[float]]:
    """Emits at this pace in steps of a millisecond; events delivered a second, and what each
    emit took, clock included.
    """
    clock = time.perf_counter_ns
    before = sink.stats()["delivered"]
    took: list[float] = []
    start = time.perf_counter()
    end = start + 2 * SECONDS
    sent = 0
    while (now := time.perf_counter()) < end:
        due = int((now - start) * rate)
        for _ in range(min(due - sent, 2_000)):
            begun = clock()
            sink.emit("signup", FIELDS)
            took.append(clock() - begun)
        sent = due
        time.sleep(0.001)
    delivered = sink.stats()["delivered"] - before
    return delivered / (time.perf_counter() - start), took


def main() -> None:
    rules()
    cookies()
    tokens()
    cache()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        threads(Path(name))
        workers(Path(name))
        offered(Path(name))


if __name__ == "__main__":
    main()
