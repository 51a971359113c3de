# SPDX-License-Identifier: MIT
"""What a report holds, and the collector that it comes from, whatever the source."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from headrace.django.reports.sketches import COARSE, Distinct, Histogram, Sessions

SLOWEST: Final = 20  # requests that are shown one by one
MOST_GROUPS: Final = 1000  # routes, labels and reasons that are told apart; the rest is "(other)"
MOST_TRENDS: Final = 200  # routes whose percentiles are known over time
MOST_SLOTS: Final = 400
OTHER: Final = "(other)"
NO_ROUTE: Final = "(no route)"
_HOUR, _DAY = 3600, 86400
_WIDTHS: Final = (
    *(1, 5, 15, 60, 300, 900),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY),
)
_WANTED_SLOTS: Final = 48


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, in milliseconds since the epoch, and the slots of the charts."""

    since: int
    until: int
    width: int  # of one slot

    @classmethod
    def of(cls, since: datetime | None, until: datetime, earliest: datetime | None) -> Window:
        """`since` None: from the earliest event, or a day back where there is none."""
        start = since or earliest or until - timedelta(days=1)
        seconds = max((until - start).total_seconds(), 1.0)
        width = next((w for w in _WIDTHS if seconds / w <= _WANTED_SLOTS), _WIDTHS[-1])
        width = max(width, round(seconds / MOST_SLOTS))
        return cls(_ms(start), _ms(until), width * 1000)

    @property
    def origin(self) -> int:
        """Where the first slot begins: a whole minute, hour or day (in UTC)."""
        return self.since // self.width * self.width

    @property
    def before(self) -> Window:
        """The window of the same length that ends where this one begins."""
        return Window(2 * self.since - self.until, self.since, self.width)

    def slot(self, time: int) -> int:
        return (time - self.origin) // self.width


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


# --- what a report holds ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that have something in common; times in milliseconds, None without any."""

    name: str
    requests: int
    client_errors: int  # 4xx
    server_errors: int  # 5xx
    p50: float | None
    p95: float | None
    p99: float | None
    total_seconds: float  # of all requests together
    trend: list[float | None] = field(default_factory=list)  # p95 by slot

    @property
    def error_rate(self) -> float:
        return self.server_errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One step of time."""

    start: datetime
    requests: int
    server_errors: int
    visitors: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, order=True)
class Slow:
    """One of the slowest requests."""

    duration_us: int
    time: int
    method: str
    path: str
    route: str
    status: int
    who: str
    request_id: str = ""

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.time / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Before:
    """The window before this one, to compare with."""

    requests: int
    visitors: int
    sessions: int
    server_errors: int
    p95: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """A table beside the figures: slow queries, caches, processes, the benchmark."""

    key: str
    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""


@dataclass(slots=True)
class Report:
    """Everything that is rendered."""

    source: str
    window: Window
    since: datetime
    until: datetime
    total: Group
    visitors: int
    new_visitors: int
    sessions: int
    routes: list[Group]
    labels: list[Group]
    who: list[Group]
    reasons: dict[str, int]
    slots: list[Slot]
    slowest: list[Slow]
    before: Before | None = None
    notes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


# --- the collector ----------------------------------------------------------------------------


class Numbers:
    """What is added up of one group."""

    __slots__ = ("client_errors", "durations", "microseconds", "requests", "server_errors")

    def __init__(self) -> None:
        self.requests = 0
        self.client_errors = 0
        self.server_errors = 0
        self.microseconds = 0
        self.durations = Histogram()

    def add(self, status_class: int, duration_us: int | None, count: int) -> None:
        """`duration_us` has been through `rounded_down` with `FINE`."""
        self.requests += count
        if status_class == 5:
            self.server_errors += count
        elif status_class == 4:
            self.client_errors += count
        if duration_us is not None:
            self.microseconds += duration_us * count
            self.durations.add_rounded(duration_us, count)

    def group(self, name: str, trend: list[float | None] | None = None) -> Group:
        p50, p95, p99 = (
            None if value is None else value / 1000
            for value in self.durations.percentiles(0.50, 0.95, 0.99)
        )
        return Group(
            name,
            self.requests,
            self.client_errors,
            self.server_errors,
            p50,
            p95,
            p99,
            self.microseconds / 1e6,
            trend or [],
        )


class _Slot:
    __slots__ = ("durations", "requests", "server_errors")

    def __init__(self) -> None:
        self.requests = 0
        self.server_errors = 0
        self.durations = Histogram(COARSE)


class Collector:
    """Adds up requests: single ones, or as many as the database has counted already."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.total = Numbers()
        self.routes: dict[str, Numbers] = {}
        self.labels: dict[str, Numbers] = {}
        self.who: dict[str, Numbers] = {}
        self.reasons: Counter[str] = Counter()
        self.slots: dict[int, _Slot] = {}
        self.trends: dict[str, dict[int, Histogram]] = {}
        self.slowest: list[Slow] = []
        self._visitors: dict[int, Distinct] = {}
        self._visitor_counts: dict[int, int] = {}
        self.visitors = Distinct()
        self.new_visitors = 0
        self.sessions = Sessions()

    def add_total(self, status_class: int, duration_us: int | None, count: int = 1) -> None:
        """`duration_us` has been through `rounded_down` with `FINE`, here and below."""
        self.total.add(status_class, duration_us, count)

    def add_route(
        self, route: str, status_class: int, duration_us: int | None, count: int = 1
    ) -> None:
        _group(self.routes, route or NO_ROUTE).add(status_class, duration_us, count)

    def add_label(
        self, label: str, status_class: int, duration_us: int | None, count: int = 1
    ) -> None:
        _group(self.labels, label).add(status_class, duration_us, count)

    def add_who(
        self, who: str, status_class: int, duration_us: int | None, count: int = 1
    ) -> None:
        _group(self.who, who).add(status_class, duration_us, count)

    def add_reason(self, reason: str, count: int = 1) -> None:
        known = reason in self.reasons or len(self.reasons) < MOST_GROUPS
        self.reasons[reason if known else OTHER] += count

    def add_to_slot(
        self, slot: int, route: str, is_error: bool, duration_us: int | None, count: int = 1
    ) -> None:
        """`duration_us` has been through `rounded_down` with `COARSE`."""
        found = self.slots.get(slot)
        if found is None:
            if len(self.slots) >= MOST_SLOTS + 1:
                return
            found = self.slots[slot] = _Slot()
        found.requests += count
        if is_error:
            found.server_errors += count
        if duration_us is None:
            return
        found.durations.add_rounded(duration_us, count)
        name = route or NO_ROUTE
        trend = self.trends.get(name)
        if trend is None:
            if len(self.trends) >= MOST_TRENDS:
                return
            trend = self.trends[name] = {}
        if slot not in trend:
            trend[slot] = Histogram(COARSE)
        trend[slot].add_rounded(duration_us, count)

    def is_slow(self, duration_us: int) -> bool:
        """Is this one of the slowest so far?"""
        return len(self.slowest) < SLOWEST or duration_us >= self.slowest[0].duration_us

    def add_slow(self, slow: Slow) -> None:
        """Keeps the slowest."""
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, slow)
        elif slow > self.slowest[0]:
            heapq.heapreplace(self.slowest, slow)

    def slot_visitors(self, slot: int) -> Distinct | None:
        """Who was there in a step of time, to be added to; None where there are too many steps."""
        visitors = self._visitors.get(slot)
        if visitors is None and len(self._visitors) <= MOST_SLOTS:
            visitors = self._visitors[slot] = Distinct(1024)
        return visitors

    def set_slot_visitors(self, slot: int, count: int) -> None:
        self._visitor_counts[slot] = count

    # --- the outcome ------------------------------------------------------------------------

    def groups(self, numbers: dict[str, Numbers], has_trend: bool = False) -> list[Group]:
        """By the time that they took together: what is worth looking at comes first."""
        found = [
            one.group(name, self._trend(name) if has_trend else None)
            for name, one in numbers.items()
        ]
        return sorted(found, key=lambda group: (-group.total_seconds, group.name))

    def _trend(self, name: str) -> list[float | None]:
        trend = self.trends.get(name)
        if trend is None:
            return []
        return [
            None if slot not in trend else _milliseconds(trend[slot].percentiles(0.95)[0])
            for slot in range(self._slot_count())
        ]

    def _slot_count(self) -> int:
        return self.window.slot(self.window.until - 1) + 1

    def timeline(self) -> list[Slot]:
        """Every slot of the window, those without a request too."""
        window = self.window
        empty = _Slot()
        timeline = []
        for number in range(self._slot_count()):
            slot = self.slots.get(number, empty)
            p50, p95 = map(_milliseconds, slot.durations.percentiles(0.50, 0.95))
            sketch = self._visitors.get(number)
            visitors = self._visitor_counts.get(number, 0) if sketch is None else sketch.count
            start = datetime.fromtimestamp((window.origin + number * window.width) / 1000, UTC)
            timeline.append(Slot(start, slot.requests, slot.server_errors, visitors, p50, p95))
        return timeline

    def report(
        self,
        source: str,
        visitors: int,
        new_visitors: int,
        sessions: int,
        before: Before | None,
        notes: Iterable[str],
    ) -> Report:
        return Report(
            source=source,
            window=self.window,
            since=datetime.fromtimestamp(self.window.since / 1000, UTC),
            until=datetime.fromtimestamp(self.window.until / 1000, UTC),
            total=self.total.group("all"),
            visitors=visitors,
            new_visitors=new_visitors,
            sessions=sessions,
            routes=self.groups(self.routes, has_trend=True),
            labels=self.groups(self.labels),
            who=self.groups(self.who),
            reasons=dict(self.reasons.most_common()),
            slots=self.timeline(),
            slowest=sorted(self.slowest, reverse=True),
            before=before,
            notes=list(notes),
        )


def _group(groups: dict[str, Numbers], name: str) -> Numbers:
    numbers = groups.get(name)
    if numbers is None:
        if len(groups) >= MOST_GROUPS:
            name = OTHER
        numbers = groups.setdefault(name, Numbers())
    return numbers


def _milliseconds(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
