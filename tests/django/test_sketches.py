# SPDX-License-Identifier: MIT
"""The numbers of a report are as exact as they say."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from headrace.django.reports.sketches import (
    COARSE,
    FINE,
    Distinct,
    Histogram,
    Sessions,
    rounded_down,
)

DURATIONS = st.integers(min_value=0, max_value=10**11 - 1)


@given(DURATIONS, st.sampled_from([FINE, COARSE]))
def test_rounded_down_keeps_the_first_digits(value: int, digits: int) -> None:
    rounded = rounded_down(value, digits)
    assert str(rounded) == str(value)[:digits].ljust(len(str(value)), "0")
    assert rounded_down(rounded, digits) == rounded


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_percentiles_are_within_half_a_percent(values: list[int], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    (found,) = histogram.percentiles(share)
    exact = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
    assert found is not None
    assert abs(found - exact) <= 0.005 * exact + 1e-9


def test_nothing_has_no_percentile() -> None:
    assert Histogram().percentiles(0.5, 0.99) == [None, None]


@given(st.lists(st.text(max_size=3)))
def test_few_are_counted_exactly(texts: list[str]) -> None:
    distinct = Distinct()
    for text in texts:
        distinct.add(text)
    assert distinct.is_exact
    assert distinct.count == len(set(texts))


def test_many_are_estimated_in_bounded_memory() -> None:
    distinct, at_once = Distinct(1024), Distinct(1024)
    for number in range(50_000):
        distinct.add(f"visitor {number}")
        distinct.add(f"visitor {number // 2}")
    for start in range(0, 50_000, 1000):
        at_once.add_all(f"visitor {number}" for number in range(start // 2, start + 1000))
    assert at_once._kept == distinct._kept
    assert not distinct.is_exact
    assert len(distinct._heap) == len(distinct._kept) == 1024
    # the standard error is 3 %; a process in 10^8 is further off than six times that
    assert abs(distinct.count - 50_000) < 0.19 * 50_000


def test_a_session_ends_after_30_minutes() -> None:
    sessions = Sessions()
    minute = 60_000
    for time in (0, 29, 58, 88):
        sessions.add("ann", time * minute)
    sessions.add("bob", 90 * minute)
    assert sessions.count == 3
    assert sessions.is_exact


def test_sessions_of_very_many_are_said_to_be_inexact() -> None:
    sessions = Sessions(most=10)
    for number in range(11):
        sessions.add(f"visitor {number}", number)
    assert not sessions.is_exact
    assert len(sessions._last) == 10
