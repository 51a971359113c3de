# SPDX-License-Identifier: MIT
"""What does the Django middleware add to a request, beside one that does nothing?"""

from __future__ import annotations

import asyncio
import io
import statistics
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import django
import results
from asgiref import sync as asgiref_sync
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from pairs import by_request

SECONDS = 6.0  # WSGI, and again ASGI
RUNS = 12  # of so many requests each that a twentieth of them means something

HEADERS = {"accept": "text/html", "user-agent": "Mozilla/5.0 Firefox/140.0"}


class NoOp:
    """A middleware that steps aside."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


async def async_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [path("page/", page), path("async/", async_page)]


def environ(cookie: str) -> dict[str, Any]:
    return {
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()},
        "HTTP_COOKIE": cookie,
        "HTTP_HOST": "localhost",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/page/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }


def get(handler: WSGIHandler, cookie: str) -> dict[str, str]:
    given: dict[str, str] = {}
    handler(environ(cookie), lambda status, headers: given.update(headers)).close()
    return given


async def aget(handler: ASGIHandler, cookie: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/async/",
        "raw_path": b"/async/",
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"host", b"localhost"), (b"cookie", cookie.encode())],
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 80),
    }
    sent = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        return sent.pop() if sent else await asyncio.Future()

    async def send(message: Any) -> None:
        pass

    await handler(scope, receive, send)


def hops(call: Callable[[], object]) -> int:
    """How many times a request went through sync_to_async."""
    count = 0
    original = asgiref_sync.SyncToAsync.__call__

    def counted(self: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        nonlocal count
        count += 1
        return original(self, *args, **kwargs)

    asgiref_sync.SyncToAsync.__call__ = counted
    try:
        call()
    finally:
        asgiref_sync.SyncToAsync.__call__ = original
    return count


def low(values: list[int]) -> float:
    """Noise only ever adds, and to a long request more than we do."""
    return statistics.quantiles(values, n=20)[0]


def compare(world: str, calls: dict[str, Callable[[], object]]) -> None:
    """The page under each, taking turns request by request, and what is added to the no-op."""
    taken = by_request(calls, SECONDS)
    size = len(taken["headrace"]) // RUNS
    lows = {
        name: [low(values[n * size : (n + 1) * size]) for n in range(RUNS)]
        for name, values in taken.items()
    }
    added = [a - b for a, b in zip(lows["headrace"], lows["a no-op middleware"], strict=True)]
    results.table(f"a page, {world}: the fastest twentieth of the requests", lows)
    results.table(f"added to a page, {world}", {"headrace": added})
    print(f"\na page, {world}: the fastest twentieth of {size} requests, {RUNS} times")
    for name, values in {**lows, "added to the no-op": added}.items():
        middle, least, most = results.spread(values)
        print(f"  {name:<44}{middle:12,.0f} ns ({least:,.0f} to {most:,.0f})")


def main() -> None:
    settings.configure(
        SECRET_KEY="a secret key of the benchmarks, of the length that Django asks for",
        ROOT_URLCONF="bench_middleware",
        ALLOWED_HOSTS=["localhost"],
        HEADRACE={"SINK": {"url": "memory:", "ring_bytes": 16 << 20}},
    )
    django.setup()
    handlers: dict[str, tuple[WSGIHandler, ASGIHandler]] = {}
    for name, middleware in (
        ("headrace", ["headrace.django.middleware.HeadraceMiddleware"]),
        ("a no-op middleware", ["bench_middleware.NoOp"]),
        ("no middleware", []),
    ):
        with override_settings(MIDDLEWARE=middleware):
            handlers[name] = WSGIHandler(), ASGIHandler()
    cookie = get(handlers["headrace"][0], "").get("Set-Cookie", "").strip().partition(";")[0]
    assert cookie.startswith("device_fp="), "the first page mints"
    loop = asyncio.new_event_loop()

    def wsgi(handler: WSGIHandler) -> Callable[[], object]:
        return lambda: get(handler, cookie)

    def asgi(handler: ASGIHandler) -> Callable[[], object]:
        return lambda: loop.run_until_complete(aget(handler, cookie))

    compare("WSGI", {name: wsgi(pair[0]) for name, pair in handlers.items()})
    compare("ASGI", {name: asgi(pair[1]) for name, pair in handlers.items()})
    for name, pair in handlers.items():
        print(f"  {name:<44}{hops(asgi(pair[1])):5} sync_to_async")
    print(f"  Python threads: {threading.active_count()}")
    from headrace.django import sink

    events = sink()
    assert events is not None
    print(f"  refused for want of room: {events.stats()['refused']}")
    events.close(timeout=0)


if __name__ == "__main__":
    main()
