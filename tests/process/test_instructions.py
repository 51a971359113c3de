# SPDX-License-Identifier: MIT
"""The hot calls take no more instructions than what benchmarks/instructions.json keeps.

Where the processor, the compiler, a library or the Python is another one than there, the counts
say nothing about our code, and nothing is compared. That the comparison catches a call that has
grown is shown everywhere: by a cookie header with more to read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import instructions  # noqa: E402 - benchmarks are no package

EIGHT = {
    *("verify cached", "verify HS256", "path label", "cookie read", "cookie mint"),
    *("emit", "enter", "finish"),
}


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """Counted once, in about ten seconds: one run under valgrind."""
    return instructions.count()


def test_all_eight_calls_are_counted_and_kept(counted: dict[str, int]) -> None:
    assert counted.keys() - {instructions.PLANTED} == EIGHT
    assert instructions.load()["instructions"].keys() == EIGHT
    assert min(counted.values()) > 20


def test_a_call_that_has_grown_is_caught(counted: dict[str, int]) -> None:
    kept = {name: counted[name] for name in EIGHT}
    assert instructions.grown(kept, counted) == {}
    planted = {**counted, "cookie read": counted[instructions.PLANTED]}
    assert list(instructions.grown(kept, planted)) == ["cookie read"]


def test_no_hot_call_has_grown_by_more_than_a_twentieth(
    counted: dict[str, int],
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = instructions.load()
    others = instructions.differences(kept["circumstances"], instructions.circumstances())
    if others:
        said = f"counted elsewhere, nothing is compared; other: {', '.join(others)}"
        record_property("instructions", said)
        with capsys.disabled():
            print(f"\ninstructions: {said}")  # noqa: T201 - so that it is seen
        return
    larger = instructions.grown(kept["instructions"], counted)
    assert larger == {}, "make instructions keeps the new counts, where they are meant"
