# SPDX-License-Identifier: MIT
"""Draws what the benchmarks kept: bars with their spread, and curves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def prepared() -> Any:
    """matplotlib, so that the same figures give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "headrace", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
    )
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    return path


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


def tables(records: list[Record], path: Path) -> Path | None:
    """All tables of one benchmark that have something to compare; None where none has."""
    shown = [
        one
        for one in records
        if one["kind"] == "bars"
        or (one["kind"] == "table" and any(row["ratio"] for row in one["rows"]))
    ]
    if not shown:
        return None
    pyplot = prepared()
    heights = [len(one["rows"]) + 1.4 for one in shown]
    whole, axes = pyplot.subplots(
        len(shown), 1, figsize=(8, 0.3 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axis, one in zip(axes[:, 0], shown, strict=True):
        rows = [row for row in one["rows"] if row["name"][0] != "("][::-1]
        scale = 1000 if one["unit"] == "ns" else 1
        middles = [row["value"][0] / scale for row in rows]
        errors = [
            [max(0, row["value"][0] - row["value"][1]) / scale for row in rows],
            [max(0, row["value"][2] - row["value"][0]) / scale for row in rows],
        ]
        ours = one.get("base", "headrace")
        colours = ["#1b6ca8" if row["name"] == ours else "#b9c4cc" for row in rows]
        axis.barh([row["name"] for row in rows], middles, xerr=errors, color=colours)
        axis.set_xscale("log")
        axis.set_title(f"{one['question']} ({'µs' if scale == 1000 else one['unit']})", loc="left")
        axis.set_axisbelow(True)
    whole.tight_layout()
    saved = save(whole, path)
    pyplot.close(whole)
    return saved


def curve(record: Record, folder: Path) -> Path:
    pyplot = prepared()
    whole, axis = pyplot.subplots(figsize=(6, 3.2))
    for name, points in record["series"].items():
        at = [point[0] for point in points]
        axis.plot(at, [point[1] for point in points], marker="o", label=name)
        axis.fill_between(
            at, [point[2] for point in points], [point[3] for point in points], alpha=0.2
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(record["x"])
    axis.set_ylabel(record["unit"])
    axis.set_title(record["question"], loc="left")
    axis.legend()
    saved = save(whole, folder / f"{slug(record['question'])}.svg")
    pyplot.close(whole)
    return saved
