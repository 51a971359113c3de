# SPDX-License-Identifier: MIT
"""Keeps what a benchmark found, for report.py: one JSON line a table, a curve or a remark.

A benchmark that is run by hand only prints. run.py names a file in HEADRACE_BENCH_RESULTS, and
then the same figures go there too, each with its spread over the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Spread = tuple[float, float, float]

CHUNKS = 20


def spread(values: Sequence[float]) -> Spread:
    """The median, and between what eight rounds in ten lie."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return statistics.median(values), tenths[0], tenths[-1]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times ours theirs is, round by round where both took the same rounds."""
    if len(ours) == len(theirs):
        return spread([b / a for a, b in zip(ours, theirs, strict=True)])
    base = statistics.median(ours)
    return spread([value / base for value in theirs])


def chunks(values: Sequence[float], count: int = CHUNKS) -> list[float]:
    """Medians of `count` runs of neighbours: rounds, of what was timed call by call."""
    size = max(1, len(values) // count)
    return [statistics.median(values[n : n + size]) for n in range(0, size * count, size)]


def keep(record: Mapping[str, Any]) -> None:
    """Appends one record to the file that run.py asked for; without run.py does nothing."""
    name = os.environ.get("HEADRACE_BENCH_RESULTS")
    if name:
        with Path(name).open("a") as file:
            file.write(json.dumps(record) + "\n")


def table(
    question: str,
    rounds: Mapping[str, Sequence[float]],
    unit: str = "ns",
    base: str | None = None,
) -> None:
    """Keeps the rounds of several candidates; the others are compared with `base`, by default
    the first. A name in parentheses is no candidate.
    """
    base = base or next(iter(rounds))
    rows = [
        {
            "name": name,
            "value": spread(values),
            "ratio": None if name == base or name[0] == "(" else ratios(rounds[base], values),
        }
        for name, values in rounds.items()
    ]
    keep({"kind": "table", "question": question, "unit": unit, "base": base, "rows": rows})


def multiples(
    question: str, rounds: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Keeps, by name, the rounds of a floor and ours: ours is shown as a multiple of it."""
    rows = [
        {
            "name": name,
            "floor": statistics.median(floor),
            "value": statistics.median(ours),
            "ratio": ratios(floor, ours),
        }
        for name, (floor, ours) in rounds.items()
    ]
    keep({"kind": "multiples", "question": question, "unit": "ns", "rows": rows})


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Keeps a table of words and figures as they are to be shown."""
    keep({"kind": "grid", "question": title, "columns": list(columns), "rows": [*map(list, rows)]})


def bars(question: str, spreads: Mapping[str, Spread], unit: str = "ns") -> None:
    """Keeps what is only to be drawn, beside the other tables of its benchmark."""
    rows = [{"name": name, "value": value, "ratio": None} for name, value in spreads.items()]
    keep({"kind": "bars", "question": question, "unit": unit, "rows": rows})


def curve(
    question: str,
    x: str,
    unit: str,
    series: Mapping[str, Sequence[tuple[float, Spread]]],
    words: Sequence[str] = (),
) -> None:
    """Keeps how something grows: by name, pairs of x and the spread of y."""
    lines = {name: [[at, *y] for at, y in points] for name, points in series.items()}
    record = {"kind": "curve", "question": question, "x": x, "unit": unit}
    keep({**record, "series": lines, "words": list(words)})


def remark(text: str) -> None:
    """Prints a sentence and keeps it for the report."""
    print(text, flush=True)
    keep({"kind": "remark", "text": text.strip()})
