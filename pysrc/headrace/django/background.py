# SPDX-License-Identifier: MIT
"""The task that consumes events, for Django's own tasks (Django 6.0).

from headrace.django.background import drain

drain.enqueue(limit=10_000)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from django.tasks import task  # type: ignore[import-not-found,unused-ignore]
except ImportError as error:
    raise ImportError(
        "headrace.django.background needs Django 6.0, which has django.tasks"
    ) from error

import redis
from django.utils import timezone

from headrace._drain import RETRIES, drained, wait_before
from headrace.consume import Unavailable
from headrace.django.operate import redis as of_site


@task  # type: ignore[untyped-decorator,unused-ignore]
def drain(
    handler: str = "headrace.django.analytics.store",
    limit: int = 10_000,
    retries: int = 0,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Hands up to about `limit` events to the handler at a dotted path; what is left is for the
    next call. Answers `headrace.consume.Counts` as a dict.

    `options`: url, prefix, stream, group, batch, tries, claim_after. Any number may run at a
    time, and again: they share the group. While Redis, or what the handler needs, is away, it is
    enqueued again for later, `retries` being how often that has been; with a backend that has no
    `run_after` the error is raised, as it is at last.
    """
    chosen = dict(options or {})
    client = of_site.client(chosen.pop("url", None))
    try:
        return drained(client, of_site.keys(), handler, limit, chosen)
    except (redis.RedisError, Unavailable) as error:
        if retries >= RETRIES or not drain.get_backend().supports_defer:
            raise
        wait = wait_before(retries)
        later = drain.using(run_after=timezone.now() + timedelta(seconds=wait))
        later.enqueue(handler=handler, limit=limit, retries=retries + 1, options=options)
        return {"retry_in": round(wait, 1), "error": f"{type(error).__name__}: {error}"}
