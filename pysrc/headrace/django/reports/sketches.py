# SPDX-License-Identifier: MIT
"""Numbers about many events in bounded memory, and how exact each is."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Final

FINE: Final = 3  # digits of a duration that are kept: within 0.5 %
COARSE: Final = 2  # the same for a chart: within 5 %
_HASH_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


def rounded_down(value: int, digits: int) -> int:
    """The value with only its first digits: 12_345 with 3 is 12_300."""
    scale = 1
    limit = 10**digits
    while value >= limit * scale:
        scale *= 10
    return value // scale * scale


class Histogram:
    """How often each duration came, told apart by their first digits."""

    __slots__ = ("_counts", "_digits")

    def __init__(self, digits: int = FINE) -> None:
        self._digits = digits
        self._counts: Counter[int] = Counter()

    def add(self, value: int, count: int = 1) -> None:
        self._counts[rounded_down(value, self._digits)] += count

    def add_rounded(self, value: int, count: int) -> None:
        """The same for a value that `rounded_down` has gone over already."""
        self._counts[value] += count

    def percentiles(self, *shares: float) -> list[float | None]:
        """The value below or at which each share of all lies; None where there are none."""
        whole = self._counts.total()
        if not whole:
            return [None] * len(shares)
        found: list[float | None] = []
        wanted = [share * whole for share in shares]  # rising
        seen = 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            while len(found) < len(wanted) and seen >= wanted[len(found)]:
                found.append(self._middle(value))
        return found

    def _middle(self, value: int) -> float:
        width = 1
        while value >= 10**self._digits * width:
            width *= 10
        return value + (width - 1) / 2


class Distinct:
    """How many different texts: exact up to `SIZE`, beyond that within some 2 %.

    The smallest hashes are kept; how dense they lie says how many there are.
    """

    SIZE: Final = 16_384

    __slots__ = ("_heap", "_kept", "_size")

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: set[int] = set()
        self._heap: list[int] = []  # the negated hashes: the largest on top

    def add(self, text: str) -> None:
        self._add(hash(text) & _HASH_MASK)  # keyed anew in each process: see PYTHONHASHSEED

    def add_all(self, texts: Iterable[str]) -> None:
        """Each of them. Most of many are there already, or too large: those cost little."""
        found = {value & _HASH_MASK for value in map(hash, texts)} - self._kept
        if len(self._heap) == self._size:
            limit = -self._heap[0]
            found = {value for value in found if value < limit}
        for value in sorted(found):
            if not self._add(value):
                break  # the rest is larger still

    def _add(self, value: int) -> bool:
        """Was it not there, and small enough?"""
        if value in self._kept:
            return False
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, -value)
        elif value < -self._heap[0]:
            self._kept.discard(-heapq.heappushpop(self._heap, -value))
        else:
            return False
        self._kept.add(value)
        return True

    @property
    def is_exact(self) -> bool:
        return len(self._heap) < self._size

    @property
    def count(self) -> int:
        if self.is_exact:
            return len(self._heap)
        return round((self._size - 1) / (-self._heap[0] / 2**64))


class Sessions:
    """Sessions begun: a visitor's view after so long a pause begins one.

    Events come nearly in the order of time. Of at most `MOST` visitors it is known when they were
    last seen; one who was forgotten begins anew.
    """

    MOST: Final = 200_000

    __slots__ = ("_idle_ms", "_last", "_most", "count", "is_exact")

    def __init__(self, idle_seconds: float = 1800, most: int = MOST) -> None:
        self._idle_ms = idle_seconds * 1000
        self._last: OrderedDict[str, int] = OrderedDict()
        self._most = most
        self.count = 0
        self.is_exact = True

    def add(self, visitor: str, time_ms: int) -> None:
        last = self._last.pop(visitor, None)
        if last is None or time_ms - last >= self._idle_ms:
            self.count += 1
        self._last[visitor] = time_ms if last is None else max(last, time_ms)
        if len(self._last) > self._most:
            _, oldest = self._last.popitem(last=False)
            if time_ms - oldest < self._idle_ms:
                self.is_exact = False
