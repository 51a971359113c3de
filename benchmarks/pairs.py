# SPDX-License-Identifier: MIT
"""Compares calls that take turns in one process, so that the machine's noise falls on all."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable

Call = Callable[[], object]

ROUNDS = 30
ROUND_SECONDS = 0.02


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


def times(calls: dict[str, Call]) -> dict[str, float]:
    """Nanoseconds a call, lower decile over rounds in which all take turns."""
    counts = {}
    for name, call in calls.items():
        once(call, 10)
        counts[name] = max(1, int(ROUND_SECONDS * 1e9 / once(call, 20)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            found[name].append(once(call, counts[name]))
    gc.enable()
    return {name: statistics.quantiles(values, n=10)[0] for name, values in found.items()}


def empty() -> None:
    """What the loop and a call of nothing cost; part of every figure."""


def report(question: str, calls: dict[str, Call]) -> dict[str, float]:
    """Measures and prints; the first call is ours, the others are compared with it.

    The cost of calling an empty function is printed beside, not subtracted.
    """
    found = times({**calls, "(an empty call)": empty})
    ours = next(iter(calls))
    print(f"\n{question}")
    for name, nanoseconds in found.items():
        ratio = "" if name == ours or name[0] == "(" else f"{nanoseconds / found[ours]:9.1f} ×"
        print(f"  {name:<44}{nanoseconds:12,.0f} ns{ratio}")
    return found
