# SPDX-License-Identifier: MIT
"""Compares calls that take turns in one process, so that the machine's noise falls on all."""

from __future__ import annotations

import gc
import os
import platform
import random
import time
from collections.abc import Callable

import results

Call = Callable[[], object]

ROUNDS = 200
ROUND_SECONDS = 0.001  # short: most rounds end before another process gets the core


def machine() -> str:
    """Processor, cores and Python, for the head of a report."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def once(call: Call, count: int) -> float:
    """Nanoseconds a call, over `count` calls."""
    start = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - start) / count


def calls_a_round(call: Call, seconds: float = ROUND_SECONDS) -> int:
    """How many calls fill a round; the best of some tries, since noise only ever adds."""
    once(call, 10)
    return max(1, int(seconds * 1e9 / min(once(call, 10) for _ in range(5))))


def rounds(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Nanoseconds a call, one figure a round; in each round all take turns."""
    counts = {name: calls_a_round(call) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            found[name].append(once(call, counts[name]))
    gc.enable()
    return found


def by_request(calls: dict[str, Call], seconds: float) -> dict[str, list[int]]:
    """Nanoseconds a request: all take turns request by request, since a sink thread and a Redis
    that are busy in one's rounds only would be charged to it twice.
    """
    found: dict[str, list[int]] = {name: [] for name in calls}
    end = time.monotonic() + seconds
    order = list(calls.items())
    gc.disable()
    while time.monotonic() < end:
        random.shuffle(order)  # who comes after whom finds other things in the caches
        for name, call in order:
            start = time.perf_counter_ns()
            call()
            found[name].append(time.perf_counter_ns() - start)
    gc.enable()
    return found


def times(calls: dict[str, Call]) -> dict[str, float]:
    """Nanoseconds a call, the median of the rounds."""
    return {name: results.spread(values)[0] for name, values in rounds(calls).items()}


def empty() -> None:
    """What the loop and a call of nothing cost; part of every figure."""


def report(question: str, calls: dict[str, Call]) -> dict[str, float]:
    """Measures, prints and keeps; the first call is ours, the others are compared with it.

    Answers the medians. Of a ratio, the interval holds eight rounds in ten. The cost of calling
    an empty function is printed beside, not subtracted.
    """
    found = rounds({**calls, "(an empty call)": empty})
    results.table(question, found)
    ours = next(iter(calls))
    print(f"\n{question}")
    for name, values in found.items():
        ratio = ""
        if name != ours and name[0] != "(":
            middle, low, high = results.ratios(found[ours], values)
            ratio = f"{middle:9.1f} × ({low:.1f} to {high:.1f})"
        print(f"  {name:<44}{results.spread(values)[0]:12,.0f} ns{ratio}", flush=True)
    return {name: results.spread(values)[0] for name, values in found.items()}
