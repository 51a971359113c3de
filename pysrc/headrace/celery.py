# SPDX-License-Identifier: MIT
"""For Celery: the flush at the end of its prefork workers, which leave by `os._exit` and run no
`atexit`; tasks in the metrics; and a task that consumes events.

    app.conf.include = ["headrace.celery"]
    app.conf.beat_schedule = {"headrace": {"task": "headrace.drain", "schedule": 10.0}}

`from headrace.celery import drain` needs Celery and redis-py: see docs/how-to/consume.md.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any

from headrace._celery import at_worker_end
from headrace._drain import RETRIES, drained, wait_before
from headrace._exit import close_all
from headrace._redis_keys import Keys

__all__ = ["drain", "flush_workers", "measure_tasks"]


def flush_workers() -> None:
    """Flushes and closes the sinks of every worker process at its end.

    Called by itself where Celery has been imported before the first sink; calling it twice is
    fine. Raises ImportError without Celery.
    """
    at_worker_end(close_all)


def measure_tasks() -> None:
    """Counts tasks and how long they take, by name, in the metrics; twice is fine.

    Called by itself with ``HEADRACE["METRICS"]`` where Celery has been imported before Django's
    apps are ready. Raises ImportError without Celery or Django.
    """
    from headrace.django.measure import tasks

    tasks.measure_tasks()


def _drain(
    self: Any,
    handler: str = "headrace.django.analytics.store",
    *,
    limit: int = 10_000,
    **options: Any,
) -> dict[str, Any]:
    """Hands up to about `limit` events to the handler at a dotted path; what is left is for the
    next call. Answers `headrace.consume.Counts` as a dict.

    `options`: url, prefix, stream, group, batch, tries, claim_after. Any number may run at a
    time, and again: they share the group. While Redis, or what the handler needs, is away, it is
    tried again later. Without `url` it is the Django site's Redis, else that of the environment's
    HEADRACE_SINK.
    """
    import redis

    from headrace.consume import Unavailable

    client, keys = _redis_of(options.pop("url", None))
    try:
        return drained(client, keys, handler, limit, options)
    except (redis.RedisError, Unavailable) as error:
        wait = wait_before(self.request.retries)
        raise self.retry(exc=error, countdown=wait) from error


def _redis_of(url: str | None) -> tuple[Any, Keys]:
    """A client and its keys: the Django site's, else of the URL in the environment.

    Raises ValueError where there is none.
    """
    if _is_django_site():
        from headrace.django.operate.redis import client, keys

        return client(url), keys()
    from headrace.consume import connect

    url = url or os.environ.get("HEADRACE_SINK")
    if not url:
        raise ValueError("no url: pass one, or set HEADRACE_SINK in the environment")
    return connect(url), Keys()


def _is_django_site() -> bool:
    conf = sys.modules.get("django.conf")
    return bool(
        os.environ.get("DJANGO_SETTINGS_MODULE") or (conf is not None and conf.settings.configured)
    )


def _make_task() -> Any:
    from celery import shared_task

    # A worker that dies takes no task along: what it had in hand is handled by the next run.
    make = shared_task(
        bind=True,
        name="headrace.drain",
        max_retries=RETRIES,
        acks_late=True,
        reject_on_worker_lost=True,
    )
    return make(_drain)


if find_spec("celery") is not None:
    drain: Any = _make_task()
