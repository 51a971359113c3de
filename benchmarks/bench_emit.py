# SPDX-License-Identifier: MIT
"""What does an event cost the thread that emits it, also while Redis is down?"""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Callable

from pairs import machine

from penstock import EventSink

FIELDS = {"user": "1234567", "plan": "pro", "path": "/community/7/", "n": 7, "ok": True}
COUNT = 20_000


def percentiles(call: Callable[[], object]) -> tuple[int, int, int]:
    """p50, p99 and p99.9 in nanoseconds; each call timed by itself."""
    clock = time.perf_counter_ns
    taken = []
    for n in range(COUNT):
        start = clock()
        call()
        taken.append(clock() - start)
        if n % 500 == 499:
            time.sleep(0.005)  # so that no ring is ever full
    taken.sort()
    return taken[COUNT // 2], taken[COUNT * 99 // 100], taken[COUNT * 999 // 1000]


def main() -> None:
    print(f"\nemit of five fields ({machine()})")
    memory = EventSink("file:/dev/null", ring_bytes=16 << 20)
    folder = tempfile.TemporaryDirectory(dir="/dev/shm")  # what is undelivered goes with it
    down = EventSink("redis://127.0.0.1:1/0", ring_bytes=16 << 20, ring_dir=folder.name)
    filled: queue.SimpleQueue[object] = queue.SimpleQueue()
    calls: dict[str, Callable[[], object]] = {
        "emit": lambda: memory.emit("signup", FIELDS),
        "emit, Redis down": lambda: down.emit("signup", FIELDS),
        "queue.SimpleQueue.put, never emptied": lambda: filled.put(FIELDS),
        "(an empty call)": lambda: None,
    }
    for name, call in calls.items():
        p50, p99, p999 = percentiles(call)
        print(f"  {name:<44}p50 {p50:6,} ns   p99 {p99:6,} ns   p99.9 {p999:7,} ns")
    memory.close()
    down.close(timeout=0)
    folder.cleanup()


if __name__ == "__main__":
    main()
