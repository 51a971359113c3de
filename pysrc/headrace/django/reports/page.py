# SPDX-License-Identifier: MIT
"""A report as one HTML file that needs nothing else: styles and plots are in it, scripts are not.

Everything goes through a Django template with autoescape: events are what clients sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.template import Context, Engine
from django.utils import timezone

from headrace.django.measure.statements import printable
from headrace.django.reports.figures import Group, Report, Section, Slot
from headrace.django.reports.text import sections, shown, summary, without_empty_columns

HEIGHT: Final = 100.0  # of a plot, in its own units; the page stretches it
_MOST_ROWS: Final = 25  # of one table: the page is read, not searched
_LEAST_TREND: Final = 6  # points that make a line worth looking at
_MUCH: Final = 0.1  # a figure that is so much worse than before is coloured

_engine = Engine(dirs=[str(Path(__file__).parent / "templates")], autoescape=True)


@dataclass(frozen=True, slots=True)
class Bar:
    """One column of a plot, in units of the plot."""

    x: float
    width: float
    y: float
    height: float
    error_y: float
    error_height: float
    title: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `share` is how much of the row's bar is filled, in percent."""

    name: str
    text: str
    is_number: bool
    share: float | None = None
    trend: str = ""


def page(report: Report) -> str:
    """The HTML document."""
    zone = timezone.get_current_timezone()
    tables = [
        _table(section, report, zone) for section in sections(report) if section.key != "growth"
    ]
    since, until = report.since.astimezone(zone), report.until.astimezone(zone)
    plot = report.slots
    context = {
        "source": printable(report.source),
        "since": since,
        "until": until,
        "is_one_day": since.date() == until.date(),
        "zone": str(zone),
        "cards": _cards(report),
        "bars": _bars(plot, zone),
        "steps": len(plot),
        "most_requests": shown(max((slot.requests for slot in plot), default=0)),
        "visitors": _line([float(slot.visitors) for slot in plot]),
        "most_visitors": shown(max((slot.visitors for slot in plot), default=0)),
        "p50": _line([slot.p50 for slot in plot], _most([slot.p95 for slot in plot])),
        "p95": _line([slot.p95 for slot in plot]),
        "most_p95": shown(_most([slot.p95 for slot in plot])),
        "ticks": _ticks(plot, zone),
        "tables": [table for table in tables if table["rows"] or table["is_asked_for"]],
        "notes": report.notes,
        "height": HEIGHT,
    }
    return _engine.get_template("headrace_report.html").render(Context(context, use_l10n=False))


def _cards(report: Report) -> list[dict[str, Any]]:
    found = []
    worse = set(_worse(report))
    for name, value, changed in summary(report):
        if name in ("error rate %", "new visitors"):
            continue
        unit = ""
        if name.endswith(" ms"):
            name, unit = name.removesuffix(" ms"), "ms"
        more = ""
        if name == "visitors":
            more = f"{report.new_visitors:,} new"
        if name.startswith("errors"):
            more = f"{100 * report.total.error_rate:.2f} %"
        found.append(
            {
                "name": name,
                "value": shown(value),
                "unit": unit,
                "change": changed,
                "more": more,
                "is_worse": name in worse,
            }
        )
    return found


def _worse(report: Report) -> Iterator[str]:
    total, before = report.total, report.before
    if before is None:
        return
    if total.p95 is not None and before.p95 and total.p95 > before.p95 * (1 + _MUCH):
        yield "p95"
    rate = before.server_errors / before.requests if before.requests else 0.0
    if total.server_errors and total.error_rate > rate * (1 + _MUCH):
        yield "errors (5xx)"


# --- plots ------------------------------------------------------------------------------------


def _most(values: list[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _bars(slots: list[Slot], zone: Any) -> list[Bar]:
    most = max((slot.requests for slot in slots), default=0) or 1
    bars = []
    for at, slot in enumerate(slots):
        height = HEIGHT * slot.requests / most
        errors = HEIGHT * slot.server_errors / most
        if slot.server_errors:
            errors = max(errors, 1.0)  # one of many is still to be seen
        title = (
            f"{slot.start.astimezone(zone):%d %b %H:%M}: {slot.requests:,} requests, "
            f"{slot.visitors:,} visitors, {slot.server_errors:,} errors, p95 {shown(slot.p95)} ms"
        )
        bars.append(
            Bar(
                at + 0.08,
                0.84,
                round(HEIGHT - height, 2),
                round(height, 2),
                round(HEIGHT - errors, 2),
                round(errors, 2),
                title,
            )
        )
    return bars


def _line(values: list[float | None], most: float | None = None) -> str:
    """The `d` of a path: one point a value, a gap where there is none."""
    most = most or _most(values) or 1.0
    steps = []
    pen = "M"
    for at, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = HEIGHT * (1 - min(value / most, 1.0) * 0.98)
        # a point without neighbours is a short line of its own
        alone = pen == "M" and (at + 1 == len(values) or values[at + 1] is None)
        steps.append(f"{pen}{at + 0.5:g} {y:.2f}" + ("h.1" if alone else ""))
        pen = "L"
    return "".join(steps)


def _ticks(slots: list[Slot], zone: Any) -> list[str]:
    """The start of the first, the middle and the last step."""
    if not slots:
        return []
    first, middle, last = slots[0], slots[len(slots) // 2], slots[-1]
    span = last.start - first.start
    form = "%d %b" if span.days >= 2 else "%H:%M" if span.total_seconds() >= 600 else "%H:%M:%S"

    def shown_time(time: datetime) -> str:
        return f"{time.astimezone(zone):{form}}"

    chosen = [first, middle, last] if len(slots) > 2 else [first, last]
    return [shown_time(slot.start) for slot in chosen]


# --- tables -----------------------------------------------------------------------------------


def _table(section: Section, report: Report, zone: Any) -> dict[str, Any]:
    is_asked_for = section in report.sections
    if section.key == "slowest":
        section = replace(section, rows=[_at_home(row, zone) for row in section.rows])
    section = without_empty_columns(section)
    groups = {"routes": report.routes, "labels": report.labels, "who": report.who}.get(section.key)
    slowest = max((g.p95 or 0.0 for g in groups or []), default=0.0) or 1.0
    is_number = [
        all(isinstance(row[at], int | float | None) for row in section.rows)
        for at in range(len(section.columns))
    ]
    rows = []
    for number, row in enumerate(section.rows[:_MOST_ROWS]):
        group = None if groups is None else groups[number]
        rows.append(
            [
                _cell(name, value, is_number[at], group, slowest)
                for at, (name, value) in enumerate(zip(section.columns, row, strict=True))
            ]
        )
    heads = [
        {"name": name, "is_number": number}
        for name, number in zip(section.columns, is_number, strict=True)
    ]
    return {
        "title": section.title,
        "key": section.key,
        "heads": heads,
        "rows": rows,
        "more": max(len(section.rows) - _MOST_ROWS, 0),
        "note": section.note,
        "is_asked_for": is_asked_for,
    }


def _at_home(row: list[Any], zone: Any) -> list[Any]:
    """The time of a slow request, in the time zone of the page."""
    time = datetime.fromisoformat(row[1]).astimezone(zone)
    return [row[0], f"{time:%d %b %H:%M:%S}", *row[2:]]


def _cell(name: str, value: Any, is_number: bool, group: Group | None, slowest: float) -> Cell:
    share = None
    trend = ""
    if group is not None and name == "p95 ms":
        known = sum(value is not None for value in group.trend)
        trend = _line(group.trend) if known >= _LEAST_TREND else ""
        share = None if trend else round(100 * (group.p95 or 0.0) / slowest, 1)
    return Cell(name, shown(value), is_number, share, trend)
