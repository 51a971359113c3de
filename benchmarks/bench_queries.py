# SPDX-License-Identifier: MIT
"""What does counting queries add to a query, and to a request?"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from pairs import report

QUERIES = 10  # in the view of the request


def ask(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 + %s", [number])


def page(request: HttpRequest) -> HttpResponse:
    for number in range(QUERIES):
        ask(number)
    return HttpResponse("hello")


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [path("page/", page), path("plain/", plain)]


def handler(**more: Any) -> WSGIHandler:
    with override_settings(HEADRACE={**settings.HEADRACE, **more}):
        return WSGIHandler()


def get(handler: WSGIHandler, path: str) -> None:
    environ = {
        "HTTP_ACCEPT": "text/html",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "Mozilla/5.0 Firefox/140.0",
        "PATH_INFO": path,
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }
    handler(environ, lambda status, headers: None).close()


def main() -> None:
    settings.configure(
        SECRET_KEY="a secret key of the benchmarks, of the length that Django asks for",
        ROOT_URLCONF="bench_queries",
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIDDLEWARE=["headrace.django.middleware.HeadraceMiddleware"],
        HEADRACE={
            "SINK": {"url": "memory:", "ring_bytes": 16 << 20},
            "FINGERPRINT": None,
            "SLOW_REQUEST": None,
        },
    )
    django.setup()
    from django.core.signals import request_finished, request_started
    from django.db import close_old_connections

    from headrace.django import sink
    from headrace.django.measure import queries

    for signal in (request_started, request_finished):  # the database stays in memory
        signal.disconnect(close_old_connections)
    connection.ensure_connection()
    off = handler()

    def calls(path: str, on: dict[str, WSGIHandler]) -> dict[str, Callable[[], object]]:
        return {name: lambda h=h: get(h, path) for name, h in {**on, "off": off}.items()}

    # one after the other: once a setting asks for it, the connection stays wrapped
    found = report("a query, SELECT 1 + %s in SQLite's memory", {"not wrapped": lambda: ask(1)})
    bare = found["not wrapped"]
    on = {
        "DB_TIME": handler(DB_TIME=True),
        "DB_TIME, SLOW_QUERY, REPEATED_QUERIES": handler(
            DB_TIME=True, SLOW_QUERY=1, REPEATED_QUERIES=1000
        ),
    }
    tally, watched = queries.Tally(), queries.Tally(1.0, 1 << 40)

    def inside(tally: queries.Tally) -> None:
        with queries.counted(tally):
            ask(1)

    found = report(
        "the same, wrapped",
        {
            "outside of a request": lambda: ask(1),
            "counted": lambda: inside(tally),
            "counted, and looked at": lambda: inside(watched),
        },
    )
    for name, nanoseconds in found.items():
        if name[0] != "(":
            print(f"  {'added: ' + name:<44}{nanoseconds - bare:12,.0f} ns")
    for path_ in ("/plain/", "/page/"):
        many = QUERIES if path_ == "/page/" else 0
        found = report(f"a request with {many} queries, WSGI", calls(path_, on))
        for name in on:
            print(f"  {'added: ' + name:<44}{found[name] - found['off']:12,.0f} ns")
    events = sink()
    assert events is not None
    events.close(timeout=0)


if __name__ == "__main__":
    main()
