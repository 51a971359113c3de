# SPDX-License-Identifier: MIT
"""The checks of the health view, and how they run: each in a thread of its own, with a deadline.

The checks are django-health-check's, and one of our own for the sink. What hangs is reported,
and holds up neither the answer nor a request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings

try:
    from health_check.base import HealthCheck
    from health_check.checks import Cache, Database
    from health_check.exceptions import ServiceUnavailable
except ImportError as error:
    raise ImportError(
        'health checks need django-health-check: pip install "django-health-check>=4.5"'
    ) from error

from headrace._celery import site_app
from headrace._front import NEARLY_FULL
from headrace.django.site import configured

DEADLINE = 2.0  # seconds
THREADS_MAX = 32  # checks that run at once: with that many hanging, more are not begun

_threads = threading.BoundedSemaphore(THREADS_MAX)

Checks = Mapping[str, HealthCheck]


@dataclasses.dataclass
class Sink(HealthCheck):  # type: ignore[misc]
    """The sink of this process: its ring takes events, and its last batch arrived."""

    def run(self) -> None:
        """Raises ServiceUnavailable."""
        sink = configured().sink
        if sink is None:
            return
        stats = sink.stats()
        ring, connection = stats["ring"], stats["connection"]
        if ring["bytes"] and ring["used"] > NEARLY_FULL * ring["bytes"]:
            raise ServiceUnavailable("the ring is nearly full")
        if connection["state"] == "waiting":
            raise ServiceUnavailable(f"events do not arrive: {connection['error']}")


def checks(celery: bool | None = None) -> dict[str, HealthCheck]:
    """By name: every database and cache of the site, the sink and its Redis, Celery.

    ``celery``: None asks Celery's workers where the site has an app of its own.
    """
    found: dict[str, HealthCheck] = {}
    for alias in settings.DATABASES:
        if settings.DATABASES[alias].get("ENGINE", "django.db.backends.dummy") != _NO_DATABASE:
            found[f"database {alias}"] = Database(alias=alias)
    for alias in settings.CACHES:
        found[f"cache {alias}"] = Cache(alias=alias)
    site = configured()
    if site.sink is not None:
        found["sink"] = Sink()
        url = str((site.conf.sink or {}).get("url", ""))
        if url.startswith(("redis://", "rediss://", "unix://")):
            found["redis"] = _redis(url)
    app = None if celery is False else site_app()
    if celery or app is not None:
        from health_check.contrib.celery import Ping

        whose = {} if app is None else {"app": app}
        found["celery"] = Ping(**whose, timeout=datetime.timedelta(seconds=1), limit=1)
    return found


_NO_DATABASE = "django.db.backends.dummy"


def _redis(url: str) -> HealthCheck:
    from health_check.contrib.redis import Redis
    from redis.asyncio import Redis as Client

    def client() -> Client:
        return Client.from_url(url, socket_timeout=DEADLINE, socket_connect_timeout=DEADLINE)

    return Redis(client_factory=client)


def results(wanted: Checks, deadline: float = DEADLINE) -> dict[str, dict[str, Any]]:
    """What each check found, within `deadline` seconds in all."""
    until = time.monotonic() + deadline
    answers: queue.SimpleQueue[tuple[str, str | None, float]] = queue.SimpleQueue()
    missing = set(wanted)
    found: dict[str, dict[str, Any]] = {}
    for name, check in wanted.items():
        if _threads.acquire(blocking=False):
            threading.Thread(
                target=_run, args=(name, check, answers), name="headrace-health", daemon=True
            ).start()
        else:
            missing.discard(name)
            found[name] = {"status": "unavailable", "error": "too many checks hang already"}
    while missing:
        try:
            name, error, seconds = answers.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            break
        missing.discard(name)
        found[name] = {"status": "ok" if error is None else "unavailable", "seconds": seconds}
        if error is not None:
            found[name]["error"] = error
    for name in missing:
        found[name] = {"status": "unavailable", "error": f"no answer within {deadline:g} seconds"}
    return {name: found[name] for name in wanted}


def _run(
    name: str, check: HealthCheck, answers: queue.SimpleQueue[tuple[str, str | None, float]]
) -> None:
    async def ask() -> tuple[str | None, float]:
        # Its own context: what hangs in here must not be in the way of the site's async views.
        async with ThreadSensitiveContext():
            result = await check.get_result()
        return (None if result.error is None else str(result.error)), result.time_taken

    try:
        error, seconds = asyncio.run(ask())
        answers.put((name, error, round(seconds, 6)))
    except Exception as error:
        answers.put((name, repr(error), 0.0))
    finally:
        _threads.release()
