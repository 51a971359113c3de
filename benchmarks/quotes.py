# SPDX-License-Identifier: MIT
"""The table of the README, made from report.json: no figure of it is typed.

tests/lint/test_figures.py holds the README and the docs against that file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from words import digits, figure

HEAD = "| what | headrace | times its floor in C (`bench_floor`) | beside it, in the same run |"
Record = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a figure stands: a benchmark, how its question begins, and how the row begins."""

    benchmark: str
    question: str
    row: str


@dataclass(frozen=True)
class Quote:
    """A line of the table: how the row of bench_floor.py begins that has its floor, where ours
    stand, and the peers with the words before their figures.
    """

    what: str
    floor: str
    ours: tuple[Place, ...]
    beside: tuple[tuple[str, Place], ...]


def same(benchmark: str, question: str, *rows: str) -> tuple[Place, ...]:
    return tuple(Place(benchmark, question, row) for row in rows)


VISITOR, USER = "a returning visitor", "a user"
QUOTES = (
    Quote(
        "`enter` + `finish`, returning visitor (`bench_gate`)",
        "enter + finish of a visitor",
        same("gate", VISITOR, "enter + finish"),
        (("the same job in plain Python", Place("gate", VISITOR, "plain Python")),),
    ),
    Quote(
        "`enter` + `finish`, user with a cached token",
        "enter + finish of a user",
        same("gate", USER, "enter + finish"),
        (("plain Python with PyJWT", Place("gate", USER, "plain Python")),),
    ),
    Quote(
        "path label, 10 rules / 10,000 rules (`bench_path_filter`)",
        "path label",
        same("path_filter", "a path label", "PathFilter.label, 10 ", "PathFilter.label, 10,000"),
        (
            ("`str.startswith` of 10", Place("path_filter", "", "str.startswith(tuple), 10 ")),
            ("of 10,000", Place("path_filter", "", "str.startswith(tuple), 10,000")),
        ),
    ),
    Quote(
        "fingerprint from a header of five cookies (`bench_fingerprint`)",
        "cookie read",
        same("fingerprint", "the fingerprint", "FingerprintCookie.read"),
        (("Django's `parse_cookie` and signed cookie", Place("fingerprint", "", "Django")),),
    ),
    Quote(
        "HS256 token, cached (`bench_jwt`)",
        "verify, cached",
        same("jwt", "HS256,", "cached"),
        (
            ("PyJWT", Place("jwt", "HS256,", "PyJWT")),
            ("ryjwt, under the newest Python", Place("jwt_newest", "HS256,", "ryjwt")),
        ),
    ),
    Quote(
        "HS256 token, not cached, claims as a dict",
        "verify HS256",
        same("jwt", "HS256,", "not cached"),
        (
            ("PyJWT", Place("jwt", "HS256,", "PyJWT")),
            ("ryjwt, under the newest Python", Place("jwt_newest", "HS256,", "ryjwt")),
        ),
    ),
    Quote(
        "RS256 token, not cached (`bench_floor`)",
        "RS256",
        same("floor", "", "RS256"),
        (("PyJWT", Place("jwt", "RS256,", "PyJWT")),),
    ),
    Quote(
        "`emit` of five fields, Redis up / stopped / down (`bench_sink`)",
        "emit of five",
        same("sink", "emit of five", "Redis up", "Redis stopped", "Redis down"),
        (
            ("confluent-kafka's `produce`", Place("sink", "emit of five", "confluent")),
            ("Celery's `.delay`", Place("sink", "emit of five", "celery")),
        ),
    ),
    Quote(
        "added to a Django page, WSGI, by a middleware of ours in place of a no-op "
        "(`bench_middleware`)",
        "",
        same("middleware", "added to a page, WSGI", "headrace"),
        (),
    ),
    Quote(
        "the same in turns with senders that wait, which leave the caches cold (`bench_before`)",
        "",
        same("before", "added to", "headrace"),
        (
            ("a synchronous Redis", Place("before", "added to", "before")),
            ("Celery", Place("before", "added to", "after")),
        ),
    ),
)


def find(report: Record, place: Place) -> tuple[Record, Record] | None:
    """The table and its row at this place."""
    for benchmark in report["benchmarks"]:
        if benchmark["name"] != place.benchmark:
            continue
        for record in benchmark["found"]:
            if record["kind"] in ("table", "multiples") and record["question"].startswith(
                place.question
            ):
                for row in record["rows"]:
                    if row["name"].startswith(place.row):
                        return record, row
    return None


def ratio_of(one: Record, other: Record) -> float:
    """The ratio that was taken round by round, where `one` is what its table compares with; else
    that of the medians.
    """
    if "ratio" in other and "ratio" not in one:
        return float(other["ratio"])
    return float(other["value"] / one["value"])


def line(report: Record, quote: Quote) -> str | None:
    ours = [hit for place in quote.ours if (hit := find(report, place))]
    if len(ours) != len(quote.ours):
        return None
    times = " / ".join(figure(row["value"], table["unit"]) for table, row in ours)
    others = []
    for words, place in quote.beside:
        hit = find(report, place)
        if hit:
            table, row = hit
            # headrace under the same Python, where the peer ran under another one
            near = find(report, Place(place.benchmark, table["question"], ours[0][1]["name"]))
            first = near[1] if near else ours[0][1]
            times_ours = digits(ratio_of(first, row))
            others.append(f"{words} {figure(row['value'], table['unit'])}: {times_ours} ×")
    above = find(report, Place("floor", "", quote.floor)) if quote.floor else None
    floor = f"{digits(above[1]['ratio'])} ×" if above else ""
    return f"| {quote.what} | {times} | {floor} | {'; '.join(others)} |"


def readme_table(report: Record) -> list[str]:
    """The lines of the table; a quote whose benchmark has not run is left out."""
    lines = [text for quote in QUOTES if (text := line(report, quote))]
    return [HEAD, "|---|---|---|---|", *lines]


def table_of(text: str) -> list[str]:
    """The same lines, out of a text that holds them."""
    lines = text.splitlines()
    start = lines.index(HEAD)
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith("|"))
    return lines[start:end]
