# SPDX-License-Identifier: MIT
"""Prose quotes only figures that benchmarks/report.json holds, and `make bench` made that."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import quotes  # noqa: E402 - benchmarks are no package
import report  # noqa: E402
import results  # noqa: E402

NUMBERS = json.loads(report.NUMBERS.read_text())
REPORT = report.text(NUMBERS)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# What only a measurement yields: nanoseconds, microseconds, so many times.
NUMBER = r"\d[\d,]*(?:\.\d+)?"
FIGURE = re.compile(rf"(?<![\w.,])({NUMBER}) ?(ns|µs|×)(?!\w)")
FENCED = re.compile(r"^\s*```.*?^\s*```", re.M | re.S)
CODE_SPAN = re.compile(r"`[^`\n]*`")


def figures(text: str) -> set[str]:
    """The measured figures of a text, as `17.5 µs`; what is code is none."""
    prose = CODE_SPAN.sub("", FENCED.sub("", text))
    return {f"{number} {unit}" for number, unit in FIGURE.findall(prose)}


def not_held(text: str, held_by: str) -> set[str]:
    held = {f"{number} {unit}" for number, unit in FIGURE.findall(held_by)}
    return figures(text) - held


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_figure_is_in_the_report(page: Path) -> None:
    assert not_held(page.read_text(), REPORT) == set()


def test_a_figure_that_was_typed_is_found() -> None:
    kept = "| emit | 1,130 ns | 17.5 µs | 46.2 × (40 to 50) |"
    assert not_held("It takes 1,130 ns, 17.5µs, `5 ns`, is 46.2 × as fast.", kept) == set()
    assert not_held("130 ns, 17 µs and 46.2 µs, 6.2 ×", kept) == {
        *("130 ns", "17 µs", "46.2 µs", "6.2 ×")
    }


def test_the_readme_has_the_table_of_the_report() -> None:
    """`make bench` writes both; `python benchmarks/report.py --readme` the README's alone."""
    table = quotes.readme_table(NUMBERS)
    assert quotes.table_of((ROOT / "README.md").read_text()) == table
    assert quotes.table_of(REPORT) == table
    assert len(table) == 2 + len(quotes.QUOTES)


def test_the_committed_report_is_what_the_code_writes() -> None:
    assert report.NUMBERS.read_text() == report.dumped(NUMBERS) + "\n"
    assert list(NUMBERS) == [
        *("machine", "versions", "command", "date", "seconds", "benchmarks"),
    ]
    for one in NUMBERS["benchmarks"]:
        assert one["question"] == report.question_of(one["name"])
        assert one["code"] == 0


def test_a_run_becomes_numbers_and_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All kinds of records, from what a benchmark keeps to what a reader sees."""
    monkeypatch.setenv("HEADRACE_BENCH_RESULTS", str(tmp_path / "gate.jsonl"))
    results.table("a call", {"ours": [100.4, 100.4], "theirs": [40_013.0, 40_013.0]})
    results.table("a rate", {"ours": [365_812.0]}, "events/s")
    results.multiples("floor", {"emit; floor: a call": ([44.04, 44.04], [137.6, 137.6])})
    results.curve("growth", "rules", "ns", {"label": [(1.0, (47.91, 40, 50))]}, ["Flat."])
    results.grid("a grid", ["a", "b"], [["1 ms", "2 ms"]])
    results.bars("only drawn", {"ours": (1.0, 1.0, 1.0)})
    results.remark("It holds.")
    run = {
        "date": "2026-01-02",
        "seconds": 3.4,
        "sections": [{"name": "gate", "shown": "python x.py", "seconds": 1.6, "code": 0}],
    }
    numbers = report.numbers(run, report.found_by(tmp_path, run))
    [gate] = numbers["benchmarks"]
    assert gate["seconds"] == 2
    assert [one["kind"] for one in gate["found"]] == [
        *("table", "table", "multiples", "curve", "grid", "remark")
    ]
    assert gate["found"][0]["rows"] == [
        {"name": "ours", "value": 100, "spread": [100, 100]},
        {
            "name": "theirs",
            "value": 40000,
            "spread": [40000, 40000],
            "ratio": 399,
            "ratio_spread": [399, 399],
        },
    ]
    assert gate["found"][2]["rows"] == [
        {
            "name": "emit; floor: a call",
            "floor": 44,
            "value": 138,
            "ratio": 3.12,
            "ratio_spread": [3.12, 3.12],
        }
    ]
    assert gate["found"][3]["series"] == {"label": [[1, 47.9]]}
    around = {"machine": {"processor": "x"}, "versions": {"packages": {"Django": "5.2"}}}
    shown = report.text({**around, **numbers}, {"growth": "plots/g.svg"}, {"gate": "as it was"})
    for part in (
        *("| processor | x |", "| packages | Django 5.2 |", "`python x.py`, 2 s"),
        "| theirs | 40.0 µs | 40.0 µs to 40.0 µs | 399 × (399 to 399) |",
        "| ours | 366,000 events/s | 366,000 events/s to 366,000 events/s |  |",
        "| emit; floor: a call | 44.0 ns | 138 ns | 3.12 × (3.12 to 3.12) |",
        *("![growth](plots/g.svg)", "| 1 | 47.9 ns |", "Flat.", "| 1 ms | 2 ms |", "It holds."),
        "```text\nas it was\n```",
    ):
        assert part in shown, part


def test_long_json_is_broken_into_lines_that_fit() -> None:
    value = {"a": [{"b": "x" * 70, "c": [1, 2.5]}, {"b": "y" * 70}], "d": None}
    text = report.dumped(value)
    assert json.loads(text) == value
    assert text.splitlines()[2] == '  {"b": "' + "x" * 70 + '", "c": [1, 2.5]},'
