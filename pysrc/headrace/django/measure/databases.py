# SPDX-License-Identifier: MIT
"""Queries by database, for ``METRICS``: nothing is wrapped unless the setting asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from headrace.django.measure.observe import observe


def start() -> None:
    """Looks at every query from now on; twice is fine."""
    connection_created.connect(_on_connection, dispatch_uid="headrace.measure")
    for connection in connections.all(initialized_only=True):
        _wrap_connection(connection)


def stop() -> None:
    """For connections to come, and those of this thread: for tests."""
    connection_created.disconnect(dispatch_uid="headrace.measure")
    for connection in connections.all(initialized_only=True):
        if _measure in connection.execute_wrappers:
            connection.execute_wrappers.remove(_measure)


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


def _wrap_connection(connection: Any) -> None:
    if _measure not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _measure)


def _on_connection(connection: Any, **kwargs: Any) -> None:
    _wrap_connection(connection)
