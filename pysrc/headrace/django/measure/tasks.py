# SPDX-License-Identifier: MIT
"""Celery's tasks by name, for ``METRICS``."""

from __future__ import annotations

import sys
import time
from typing import Any

from headrace.django.measure.observe import observe

_started: dict[str, float] = {}  # when the tasks began that this process runs now
_measured = False


def start() -> None:
    """Counts tasks from now on, where Celery has been imported before; twice is fine."""
    if "celery" in sys.modules:
        measure_tasks()


def measure_tasks() -> None:
    """See `headrace.celery.measure_tasks`."""
    global _measured
    if _measured:
        return
    from celery.signals import task_postrun, task_prerun

    task_prerun.connect(_on_start, weak=False)
    task_postrun.connect(_on_end, weak=False)
    _measured = True


def _on_start(task_id: str, **_: Any) -> None:
    _started[task_id] = time.perf_counter()


def _on_end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    started = _started.pop(task_id, None)
    if started is not None:
        outcome = "success" if state == "SUCCESS" else "failure"
        observe("task", task.name, time.perf_counter() - started, outcome)
