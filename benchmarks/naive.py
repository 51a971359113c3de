# SPDX-License-Identifier: MIT
"""The middleware's job in plain, decent Python: what a good engineer would write in an afternoon.

It filters paths, verifies the bearer token with PyJWT, reads and mints a signed cookie with
Django's signer, and records one event. Keys are prepared once; nothing is done twice. Where the
event goes is the only difference between its subclasses.
"""

from __future__ import annotations

import json
import os
import queue
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import jwt
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core import signing
from django.http import HttpRequest

SKIPPED = ("/static/", "/media/", "/health/", "/favicon.ico", "/robots.txt")
MONTH = 30 * 86400


class NaiveMiddleware:
    """Events go into a queue of this process, which nobody empties: the cheapest there is."""

    sync_capable = True
    async_capable = True
    events: ClassVar[queue.SimpleQueue[dict[str, Any]]] = queue.SimpleQueue()

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.async_mode = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)
        self.signer = signing.TimestampSigner(salt="device_fp")
        self.key = settings.SECRET_KEY

    def __call__(self, request: HttpRequest) -> Any | Awaitable[Any]:
        if self.async_mode:
            return self.__acall__(request)
        if request.path_info.startswith(SKIPPED):
            return self.get_response(request)
        start = time.perf_counter()
        user, fingerprint, new = self.look_at(request)
        response = self.get_response(request)
        return self.finish(request, response, user, fingerprint, new, start)

    async def __acall__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(SKIPPED):
            return await self.get_response(request)
        start = time.perf_counter()
        user, fingerprint, new = self.look_at(request)
        response = await self.get_response(request)
        return self.finish(request, response, user, fingerprint, new, start)

    def look_at(self, request: HttpRequest) -> tuple[Any, str | None, bool]:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        user = None
        if scheme.lower() == "bearer":
            try:
                user = jwt.decode(token, self.key, algorithms=["HS256"])["user_id"]
            except (jwt.InvalidTokenError, KeyError):
                user = None
        value = request.COOKIES.get("device_fp")
        if value is not None:
            try:
                return user, self.signer.unsign(value, max_age=MONTH), False
            except signing.BadSignature:
                pass
        if user is None and "text/html" in request.META.get("HTTP_ACCEPT", ""):
            return user, os.urandom(16).hex(), True
        return user, None, False

    def finish(
        self,
        request: HttpRequest,
        response: Any,
        user: Any,
        fingerprint: str | None,
        new: bool,
        start: float,
    ) -> Any:
        if new and fingerprint is not None and response.status_code < 400:
            response.set_cookie(
                "device_fp", self.signer.sign(fingerprint), max_age=MONTH, httponly=True
            )
        event = {
            "kind": "request",
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_us": int((time.perf_counter() - start) * 1e6),
        }
        if user is not None:
            event["user"] = str(user)
        if fingerprint is not None:
            event["fingerprint"] = fingerprint
        self.record(event)
        return response

    def record(self, event: dict[str, Any]) -> None:
        self.events.put(event)


class SynchronousRedis(NaiveMiddleware):
    """Events go into a Redis stream with redis-py, one XADD a request."""

    client: ClassVar[Any]

    def record(self, event: dict[str, Any]) -> None:
        self.client.xadd("events", event, maxlen=100_000)


class CeleryDelay(NaiveMiddleware):
    """Events go to a worker of Celery, one `.delay()` a request."""

    task: ClassVar[Any]

    def record(self, event: dict[str, Any]) -> None:
        self.task.delay(event)


class Before(NaiveMiddleware):
    """The replaced sites as they were: the visitor's session is read from Redis, changed in
    Python and written back, and the page view is pushed on a list; four round trips a request.
    """

    client: ClassVar[Any]
    expiry = 1800

    def record(self, event: dict[str, Any]) -> None:
        touch_session(self.client, event)


class Pipeline(NaiveMiddleware):
    """The first thing one tries: the same writes, sent in one round trip."""

    client: ClassVar[Any]

    def record(self, event: dict[str, Any]) -> None:
        now = time.time()
        key = f"session:{event.get('fingerprint') or event.get('user')}"
        pipeline = self.client.pipeline(transaction=False)
        pipeline.hincrby(key, "views", 1)
        pipeline.hsetnx(key, "first_seen", now)
        pipeline.hset(key, mapping={"last_seen": now, "path": event["path"]})
        pipeline.expire(key, Before.expiry)
        pipeline.lpush("page_views", json.dumps(event))
        pipeline.ltrim("page_views", 0, 100_000)
        pipeline.execute()


class After(NaiveMiddleware):
    """The replaced sites after their fix: a worker of Celery does what `Before` did."""

    task: ClassVar[Any]

    def record(self, event: dict[str, Any]) -> None:
        self.task.delay(event)


def touch_session(client: Any, event: dict[str, Any]) -> None:
    """What a page view did to Redis, in the request (`Before`) or in a worker (`After`)."""
    now = time.time()
    key = f"session:{event.get('fingerprint') or event.get('user')}"
    session = client.hgetall(key)
    views = int(session.get(b"views", 0)) + 1
    first = session.get(b"first_seen", now)
    client.hset(
        key,
        mapping={"views": views, "first_seen": first, "last_seen": now, "path": event["path"]},
    )
    client.expire(key, Before.expiry)
    client.lpush("page_views", json.dumps(event))
