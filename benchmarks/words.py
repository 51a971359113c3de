# SPDX-License-Identifier: MIT
"""Figures in words: three digits, in a unit that suits."""

from __future__ import annotations

import math


def three(value: float) -> float:
    """The value with three digits that count, whole where it can be."""
    if value == 0 or math.isinf(value):
        return value
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return int(rounded) if rounded == int(rounded) else rounded


def digits(value: float) -> str:
    """Three digits that count: 0.79, 12.3, 4,560."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{three(value):,.{places}f}"


def figure(value: float, unit: str) -> str:
    """A time in the unit that suits, anything else in its own: 0.79 µs, 48,200 requests/s."""
    if unit == "ns":
        for limit, factor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if abs(value) < limit:
                return f"{digits(value / factor)} {name}"
        return f"{digits(value / 1e9)} s"
    return f"{digits(value)} {unit}"
