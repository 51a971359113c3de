# SPDX-License-Identifier: MIT
"""Prose quotes only figures that benchmarks/report.md holds, and `make bench` made that."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import quotes  # noqa: E402 - benchmarks are no package

REPORT = (ROOT / "benchmarks" / "report.md").read_text()
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


def not_held(text: str, report: str) -> set[str]:
    held = {f"{number} {unit}" for number, unit in FIGURE.findall(report)}
    return figures(text) - held


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_figure_is_in_the_report(page: Path) -> None:
    assert not_held(page.read_text(), REPORT) == set()


def test_a_figure_that_was_typed_is_found() -> None:
    report = "| emit | 1,130 ns | 17.5 µs | 46.2 × (40 to 50) |"
    assert not_held("It takes 1,130 ns, 17.5µs, `5 ns`, is 46.2 × as fast.", report) == set()
    assert not_held("130 ns, 17 µs and 46.2 µs, 6.2 ×", report) == {
        *("130 ns", "17 µs", "46.2 µs", "6.2 ×")
    }


def test_the_readme_has_the_table_of_the_report() -> None:
    """`make bench` writes both; `python benchmarks/report.py --readme` the README's alone."""
    table = quotes.table_of(REPORT)
    assert quotes.table_of((ROOT / "README.md").read_text()) == table
    assert len(table) == 2 + len(quotes.QUOTES)
