# SPDX-License-Identifier: MIT
"""For Celery: the flush at the end of its prefork workers, which leave by `os._exit` and run no
`atexit`; tasks in the metrics; and a task that consumes events.

    app.conf.include = ["headrace.celery"]
    app.conf.beat_schedule = {"headrace": {"task": "headrace.drain", "schedule": 10.0}}

`from headrace.celery import drain` needs Celery and redis-py: see docs/how-to/consume.md.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, Final

from headrace._celery import flush_workers

__all__ = ["drain", "flush_workers", "measure_tasks"]

_RETRIES: Final = 8
_RETRY_WAIT: Final = (2.0, 300.0)  # seconds before a drain is tried again: the first, the longest


_started: dict[str, float] = {}  # when the tasks began that this process runs now
_measured = False


def measure_tasks() -> None:
    """Counts tasks and how long they take, by name, in the metrics; twice is fine.

    Called by itself with ``HEADRACE["METRICS"]`` where Celery has been imported before Django's
    apps are ready. Raises ImportError without Celery.
    """
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
    from headrace.django.measure import observe

    started = _started.pop(task_id, None)
    if started is not None:
        outcome = "success" if state == "SUCCESS" else "failure"
        observe("task", task.name, time.perf_counter() - started, outcome)


def _drain(
    self: Any,
    handler: str = "headrace.django.analytics.store",
    *,
    limit: int = 10_000,
    **options: Any,
) -> dict[str, Any]:
    """Hands up to about `limit` events to the handler at a dotted path; what is left is for the
    next call. Answers `headrace.consume.Counts` as a dict.

    `options`: url, stream, group, batch, tries, claim_after. Any number may run at a time, and
    again: they share the group. While Redis, or what the handler needs, is away, it is tried
    again later.
    """
    import redis

    from headrace.consume import Unavailable, drain_some

    try:
        return asdict(drain_some(handler, limit=limit, **options))
    except (redis.RedisError, Unavailable) as error:
        first, longest = _RETRY_WAIT
        wait = min(longest, first * 2**self.request.retries) * random.uniform(0.75, 1.25)
        raise self.retry(exc=error, countdown=wait) from error


def _make_task() -> Any:
    from celery import shared_task

    # A worker that dies takes no task along: what it had in hand is handled by the next run.
    make = shared_task(
        bind=True,
        name="headrace.drain",
        max_retries=_RETRIES,
        acks_late=True,
        reject_on_worker_lost=True,
    )
    return make(_drain)


if find_spec("celery") is not None:
    drain: Any = _make_task()
