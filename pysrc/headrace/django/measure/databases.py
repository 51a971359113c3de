# SPDX-License-Identifier: MIT
"""Queries by database, for ``METRICS``: nothing is wrapped unless the setting asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from headrace.django.measure.connections import Watch
from headrace.django.measure.observe import observe


def _measure(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    started = time.perf_counter()
    outcome = "failure"
    try:
        found = execute(sql, params, many, context)
        outcome = "success"
        return found
    finally:
        seconds = time.perf_counter() - started
        observe("database", context["connection"].alias, seconds, outcome)


_watch = Watch(_measure, "headrace.measure")
start, stop = _watch.start, _watch.stop
