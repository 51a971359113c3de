# SPDX-License-Identifier: MIT
"""What the leak tests do a few thousand times: one entry makes a body and names its types."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

Scenario = tuple[Callable[[], object], tuple[type, ...]]


def canary_type() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.Leaky, (canary.Leaky,)


def canary_object() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.forget_object, ()


def canary_block() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.forget_block, ()


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "canary_type": canary_type,
    "canary_object": canary_object,
    "canary_block": canary_block,
}
