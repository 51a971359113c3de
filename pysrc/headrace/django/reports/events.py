# SPDX-License-Identifier: MIT
"""A report out of single events, one after the other: a `file:` or the stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from headrace.django.reports.figures import Before, Collector, Report, Section, Slow, Window
from headrace.django.reports.sketches import COARSE, FINE, Distinct, rounded_down
from headrace.events import Event, NewerFormatError

OLD_FILES: Final = 3  # `<path>.1` to `<path>.3`, as the file target keeps them
MAX_LINE: Final = 1 << 17  # bytes of a line that are looked at; an event has 8 KiB
BATCH: Final = 2000  # entries of the stream asked for at a time
SKEW_MS: Final = 300_000  # between the clocks of senders and of Redis
MOST_STATEMENTS: Final = 1000


@dataclass(slots=True)
class Unread:
    """What could not be read, and why."""

    broken: int = 0
    newer: int = 0

    def notes(self) -> Iterator[str]:
        if self.broken:
            yield f"{self.broken} lines were no events and are left out."
        if self.newer:
            yield f"{self.newer} events are of a newer format and are left out."


# --- where events come from -------------------------------------------------------------------


def file_events(path: Path, since_ms: int, unread: Unread) -> Iterator[Event]:
    """The events of the file and the old ones beside it, the oldest first.

    A line may be anything. Files last written before `since_ms` are not opened. Raises
    FileNotFoundError where there is none at all.
    """
    names = [path.with_name(f"{path.name}.{number}") for number in range(OLD_FILES, 0, -1)]
    files = [name for name in (*names, path) if name.exists()]
    if not files:
        raise FileNotFoundError(f"there is no {path}")
    for name in files:
        with name.open("rb") as lines:
            if name.stat().st_mtime * 1000 < since_ms:
                continue
            while line := lines.readline(MAX_LINE):
                try:
                    yield Event.from_line(line)
                except NewerFormatError:
                    unread.newer += 1
                except (ValueError, RecursionError):
                    if line.strip():
                        unread.broken += 1


def stream_events(client: Any, stream: str, since_ms: int, unread: Unread) -> Iterator[Event]:
    """The entries of the stream from `since_ms` on; `client` is redis-py's.

    Redis is asked for one batch after the other, so that neither side holds all of them.
    """
    start = str(max(since_ms - SKEW_MS, 0))
    while True:
        entries = client.xrange(stream, min=start, max="+", count=BATCH)
        for entry, fields in entries:
            try:
                yield Event.from_entry(
                    _text(entry), {_text(k): _text(v) for k, v in fields.items()}
                )
            except NewerFormatError:
                unread.newer += 1
        if len(entries) < BATCH:
            return
        start = "(" + _text(entries[-1][0])


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


# --- the report -------------------------------------------------------------------------------


class _Statements:
    """The slow and the repeated queries that the middleware has told of."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], list[float]] = {}

    def add(self, event: Event) -> None:
        key = (event.kind, event.fields.get("statement", ""), event.fields.get("where", ""))
        number = event.number("ms" if event.kind == "slow_query" else "count") or 0.0
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MOST_STATEMENTS:
                return
            found = self._found[key] = [0, 0.0, 0.0]
        found[0] += 1
        found[1] += number
        found[2] = max(found[2], number)

    def rows(self) -> Iterator[tuple[str, str, str, int, float, float]]:
        """Kind, statement, line, how often, the sum and the most."""
        for (kind, statement, where), (count, whole, most) in self._found.items():
            yield kind, statement, where, int(count), whole, most


def report(
    source: str, events: Iterable[Event], since: datetime | None, until: datetime, unread: Unread
) -> tuple[Report, list[Section]]:
    """Reads all events once, in bounded memory. The second value: tables of slow queries."""
    window = Window.of(since, until, None)
    first: int | None = None
    if since is None:  # the slots are not known before the first event is seen
        events = iter(events)
        head = next(events, None)
        if head is not None:
            first = min(head.time, head.received or head.time) or None
            begin = None if first is None else datetime.fromtimestamp(first / 1000, UTC)
            window = Window.of(None, until, begin)
            events = _chained(head, events)
    collector = Collector(window)
    before = window.before if since is not None else None
    earlier, earlier_visitors, earlier_errors = Collector(window), Distinct(), 0
    statements = _Statements()
    samples: Counter[float] = Counter()
    seen_earlier = False
    for event in events:
        time = event.time
        if event.received is not None and time > event.received + SKEW_MS:
            time = event.received
        if event.kind != "request":
            if window.since <= time < window.until and event.kind in _QUERY_KINDS:
                statements.add(event)
            continue
        if window.since <= time < window.until:
            _add(collector, event, time)
            if "sample" in event.fields and len(samples) < 100:
                samples[event.sample] += 1
        elif before is not None and before.since <= time < before.until:
            seen_earlier = True
            duration = event.duration_us
            status_class = (event.status or 0) // 100
            earlier_errors += status_class == 5
            earlier.total.add(
                status_class, None if duration is None else rounded_down(duration, FINE), 1
            )
            if event.fingerprint:
                earlier_visitors.add(event.fingerprint)
                earlier.sessions.add(event.fingerprint, time)
    compared = None
    if seen_earlier:
        total = earlier.total.group("before")
        compared = Before(
            total.requests,
            earlier_visitors.count,
            earlier.sessions.count,
            total.server_errors,
            total.p95,
        )
    notes = [*_notes(collector, samples), *unread.notes()]
    found = collector.report(
        source,
        collector.visitors.count,
        collector.new_visitors,
        collector.sessions.count,
        compared,
        notes,
    )
    return found, statement_sections(statements.rows())


def _chained(head: Event, rest: Iterable[Event]) -> Iterator[Event]:
    yield head
    yield from rest


_QUERY_KINDS = ("slow_query", "repeated_query")


def who(agent: str, user: str, fingerprint: str) -> str:
    """For whom a request was."""
    if agent:
        return "bots and prefetches"
    if user:
        return "users"
    return "visitors" if fingerprint else "others"


def _add(collector: Collector, event: Event, time: int) -> None:
    duration = event.duration_us
    status = event.status or 0
    status_class = status // 100
    fine = coarse = None
    of = who(event.agent, event.user, event.fingerprint)
    if duration is not None:
        fine, coarse = rounded_down(duration, FINE), rounded_down(duration, COARSE)
        if collector.is_slow(duration):
            collector.add_slow(
                Slow(
                    duration,
                    time,
                    event.method,
                    event.path,
                    event.route,
                    status,
                    of,
                    event.fields.get("request_id", ""),
                )
            )
    route, reason = event.route, event.reason
    collector.add_total(status_class, fine)
    collector.add_route(route, status_class, fine)
    collector.add_label(event.label, status_class, fine)
    collector.add_who(of, status_class, fine)
    if reason:
        collector.add_reason(reason)
    slot = collector.window.slot(time)
    collector.add_to_slot(slot, route, status_class == 5, coarse)
    fingerprint = event.fingerprint
    if fingerprint:
        collector.visitors.add(fingerprint)
        collector.sessions.add(fingerprint, time)
        collector.new_visitors += event.new
        visitors = collector.slot_visitors(slot)
        if visitors is not None:
            visitors.add(fingerprint)


def _notes(collector: Collector, samples: Counter[float]) -> Iterator[str]:
    yield "Percentiles are within 0.5 %, those of charts within 5 %."
    if not collector.visitors.is_exact:
        yield "There are too many visitors to tell them apart: their number is within some 2 %."
    if not collector.sessions.is_exact:
        yield "There are too many visitors at a time: some sessions are counted twice."
    if samples:
        shares = ", ".join(f"{share:g}" for share in sorted(samples))
        yield f"Events are sampled ({shares}): the counts are of those that were kept."


def statement_sections(
    rows: Iterable[tuple[str, str, str, int, float, float]],
) -> list[Section]:
    """Tables of what the middleware's own warnings say."""
    slow: list[list[Any]] = []
    repeated: list[list[Any]] = []
    for kind, statement, where, count, whole, most in rows:
        if kind == "slow_query":
            slow.append([statement, where, count, round(whole / max(count, 1), 1), round(most, 1)])
        else:
            repeated.append([statement, where, count, round(whole), round(most)])
    slow.sort(key=lambda row: -row[2] * row[3])
    repeated.sort(key=lambda row: -row[3])
    return [
        Section(
            "slow_queries",
            "Slow queries",
            ["statement", "line", "times", "mean ms", "most ms"],
            slow[:50],
            "As warned of by SLOW_QUERY; at most 60 a minute and process are told.",
        ),
        Section(
            "repeated_queries",
            "Repeated queries",
            ["statement", "line", "requests", "queries", "most in one request"],
            repeated[:50],
            "As warned of by REPEATED_QUERIES; at most 60 a minute and process are told.",
        ),
    ]
