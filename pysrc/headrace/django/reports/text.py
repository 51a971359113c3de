# SPDX-License-Identifier: MIT
"""A report as a table for the terminal, as JSON, and as CSV.

What a client sent is in it: for a terminal everything that is not to be printed is escaped, for a
spreadsheet what it would take for a formula is quoted.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from headrace.django.measure.statements import printable
from headrace.django.reports.figures import Group, Report, Section

_WIDEST: Final = 56  # characters of a cell
_MOST_ROWS: Final = 30  # of one table on a terminal
_BARS: Final = " ▁▂▃▄▅▆▇█"


def shown(value: Any) -> str:
    """A cell for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))


def change(now: float | None, before: float | None) -> str:
    """How much more than before: "+12 %", "new", or "" where there is nothing to compare."""
    if now is None or before is None:
        return ""
    if not before:
        return "new" if now else ""
    if now >= 10 * before:
        return f"{now / before:,.0f} times"
    percent = round(100 * (now - before) / before)
    return f"{percent:+,} %" if percent else "±0 %"


def summary(report: Report) -> list[tuple[str, Any, str]]:
    """Name, value and change of the figures at the top."""
    total, then = report.total, report.before
    rate = 100 * total.error_rate
    return [
        ("requests", total.requests, change(total.requests, then.requests if then else None)),
        ("visitors", report.visitors, change(report.visitors, then.visitors if then else None)),
        ("new visitors", report.new_visitors, ""),
        ("sessions", report.sessions, change(report.sessions, then.sessions if then else None)),
        ("p50 ms", total.p50, ""),
        ("p95 ms", total.p95, change(total.p95, then.p95 if then else None)),
        ("p99 ms", total.p99, ""),
        (
            "errors (5xx)",
            total.server_errors,
            change(total.server_errors, then.server_errors if then else None),
        ),
        ("error rate %", round(rate, 2), ""),
        ("refused (4xx)", total.client_errors, ""),
    ]


_GROUP_COLUMNS = ["requests", "p50 ms", "p95 ms", "p99 ms", "5xx", "5xx %", "4xx", "total s"]


def _group_row(group: Group) -> list[Any]:
    return [
        group.name,
        group.requests,
        *(
            None if value is None else round(value, 2)
            for value in (group.p50, group.p95, group.p99)
        ),
        group.server_errors,
        round(100 * group.error_rate, 2),
        group.client_errors,
        round(group.total_seconds, 1),
    ]


def sections(report: Report) -> list[Section]:
    """Everything as tables, in the order in which it is read."""
    reasons: list[list[Any]] = [[name, count] for name, count in report.reasons.items()]
    slowest = [
        [
            round(slow.duration_us / 1000, 1),
            slow.at.isoformat(timespec="seconds"),
            slow.status,
            slow.method,
            slow.path,
            slow.route,
            slow.who,
            slow.request_id,
        ]
        for slow in report.slowest
    ]
    slots = [
        [
            slot.start.isoformat(timespec="minutes"),
            slot.requests,
            slot.visitors,
            slot.server_errors,
            slot.p50,
            slot.p95,
        ]
        for slot in report.slots
    ]
    return [
        Section("routes", "By route", ["route", *_GROUP_COLUMNS], _groups(report.routes)),
        Section("labels", "By label", ["label", *_GROUP_COLUMNS], _groups(report.labels)),
        Section("who", "For whom", ["who", *_GROUP_COLUMNS], _groups(report.who)),
        Section(
            "slowest",
            "Slowest requests",
            ["ms", "time", "status", "method", "path", "route", "who", "request id"],
            slowest,
        ),
        Section("reasons", "Why tokens were refused", ["reason", "requests"], reasons),
        Section(
            "growth",
            "Over time",
            ["from", "requests", "visitors", "5xx", "p50 ms", "p95 ms"],
            slots,
        ),
        *report.sections,
    ]


def without_empty_columns(section: Section) -> Section:
    """For people: a column that no row has anything in is left out."""
    kept = [
        at
        for at in range(len(section.columns))
        if not section.rows or any(row[at] not in (None, "") for row in section.rows)
    ]
    return replace(
        section,
        columns=[section.columns[at] for at in kept],
        rows=[[row[at] for at in kept] for row in section.rows],
    )


def _groups(groups: Sequence[Group]) -> list[list[Any]]:
    return [_group_row(group) for group in groups]


# --- the terminal -----------------------------------------------------------------------------


def sparkline(values: Sequence[float | None]) -> str:
    """A line of bars, one a value."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    steps = len(_BARS) - 1
    return "".join(_BARS[0 if not v else max(1, round(steps * v / most))] for v in values)


def table(report: Report) -> str:
    """For a terminal."""
    window = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC"
    lines = [f"{printable(report.source)}, {window}", ""]
    for name, value, changed in summary(report):
        compared = f"   {changed}" if changed else ""
        lines.append(f"  {name:<16}{shown(value):>14}{compared}")
    lines += [
        "",
        f"  requests  {sparkline([slot.requests for slot in report.slots])}",
        f"  p95 ms    {sparkline([slot.p95 for slot in report.slots])}",
        f"  5xx       {sparkline([slot.server_errors for slot in report.slots])}",
    ]
    for section in sections(report):
        if section.key != "growth" and (section.rows or section in report.sections):
            lines += ["", section.title, *_columns(without_empty_columns(section))]
            if section.note:
                lines.append(f"  {section.note}")
    lines += ["", *(f"  {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _columns(section: Section) -> list[str]:
    if not section.rows:
        return ["  none"]
    cells = [section.columns, *([_cut(shown(v)) for v in row] for row in section.rows)]
    more = len(cells) - 1 - _MOST_ROWS
    cells = cells[: _MOST_ROWS + 1]
    widths = [max(len(row[at]) for row in cells) for at in range(len(section.columns))]
    is_number = [
        all(isinstance(row[at], int | float | None) for row in section.rows)
        for at in range(len(section.columns))
    ]
    lines = [
        "  "
        + "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in cells
    ]
    return [*lines, f"  and {more} more"] if more > 0 else lines


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


# --- for programs -----------------------------------------------------------------------------


def as_json(report: Report) -> str:
    """One document: numbers as numbers, times in ISO 8601 and milliseconds."""
    total = {name.replace(" ", "_"): value for name, value, _ in summary(report)}
    document = {
        "source": report.source,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "total": total,
        "before": None if report.before is None else asdict(report.before),
        "notes": report.notes,
        **{
            section.key: [
                dict(zip(map(_key, section.columns), row, strict=True)) for row in section.rows
            ]
            for section in sections(report)
        },
    }
    return json.dumps(document, indent=2, default=str) + "\n"


def _key(column: str) -> str:
    return column.replace(" ", "_").replace("%", "percent").replace("µ", "u")


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def csv_cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula begins with a quotation mark (')."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = str(value)
    dangerous = text.lstrip(" '\"").startswith(_FORMULA) or text.startswith(_FORMULA)
    return ("'" if dangerous else "") + printable(text)


def as_csv(report: Report) -> str:
    """All tables, one below the other: each with a head of its own, its key in every line."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(["total", "name", "value", "change"])
    for name, value, changed in summary(report):
        writer.writerow(["total", name, csv_cell(value), csv_cell(changed)])
    for section in sections(report):
        writer.writerow([])
        writer.writerow([section.key, *section.columns])
        for row in section.rows:
            writer.writerow([section.key, *map(csv_cell, row)])
    return output.getvalue()
