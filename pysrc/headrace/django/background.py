# SPDX-License-Identifier: MIT
"""The task that consumes events, for Django's own tasks (Django 6.0).

from headrace.django.background import drain

drain.enqueue(limit=10_000)
"""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

try:
    from django.tasks import task  # type: ignore[import-not-found,unused-ignore]
except ImportError as error:
    raise ImportError(
        "headrace.django.background needs Django 6.0, which has django.tasks"
    ) from error

import redis
from django.utils import timezone

from headrace.consume import Unavailable
from headrace.consume.turn import drain_some
from headrace.django.operate import redis as of_site

_RETRIES: Final = 8
_RETRY_WAIT: Final = (2.0, 300.0)  # seconds before a drain is tried again: the first, the longest


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
    keys = of_site.keys().replaced(chosen.get("prefix"), chosen.get("stream"))
    chosen.update(prefix=keys.prefix, stream=keys.stream)
    try:
        return asdict(drain_some(client, handler, limit=limit, **chosen))
    except (redis.RedisError, Unavailable) as error:
        if retries >= _RETRIES or not drain.get_backend().supports_defer:
            raise
        first, longest = _RETRY_WAIT
        wait = min(longest, first * 2**retries) * random.uniform(0.75, 1.25)
        later = drain.using(run_after=timezone.now() + timedelta(seconds=wait))
        later.enqueue(handler=handler, limit=limit, retries=retries + 1, options=options)
        return {"retry_in": round(wait, 1), "error": f"{type(error).__name__}: {error}"}
    finally:
        client.close()
