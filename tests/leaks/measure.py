# SPDX-License-Identifier: MIT
"""Measures one scenario for leaks; run in a process of its own: measure.py <scenario>.

Prints what one call leaves behind, as JSON: `type_refs` (references to the scenario's
types), `blocks` (Python's own allocator) and `bytes` (malloc), each the smallest growth a
call over several rounds, so that a cache that fills once does not count.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scenarios import SCENARIOS

CALLS = 1_000
ROUNDS = 5


class MallInfo2(ctypes.Structure):
    """glibc's struct mallinfo2 (malloc.h): ten sizes; `uordblks` is what is in use."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
        ).split()
    ]


mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = MallInfo2


def in_use() -> int:
    """Bytes that malloc has handed out and not got back, mapped blocks too."""
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def reading(types: tuple[type, ...]) -> tuple[int, int, int]:
    gc.collect()
    refs = sum(sys.getrefcount(each) for each in types)
    return refs, sys.getallocatedblocks(), in_use()


def measure(body: Callable[[], object], types: tuple[type, ...]) -> dict[str, float]:
    for _ in range(CALLS):
        body()
    growth = []
    before = reading(types)
    for _ in range(ROUNDS):
        for _ in range(CALLS):
            body()
        after = reading(types)
        growth.append([a - b for a, b in zip(after, before, strict=True)])
        before = after
    refs, blocks, bytes_ = (min(column) / CALLS for column in zip(*growth, strict=True))
    return {"type_refs": refs, "blocks": blocks, "bytes": bytes_}


def main() -> None:
    body, types = SCENARIOS[sys.argv[1]]()
    sys.stdout.write(json.dumps(measure(body, types)))


if __name__ == "__main__":
    main()
