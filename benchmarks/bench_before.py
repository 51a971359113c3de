# SPDX-License-Identifier: MIT
"""What did the replaced sites' middleware add to a request, and what does ours? No server.

An empty Django view in one process, Redis on the same machine, requests in turns. Before is a
synchronous Redis, after is Celery (its worker's time is not in it), both as in naive.py; a
pipeline is what one tries first. Each figure is what is added to a middleware that does nothing.
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_middleware
import django
import jwt as pyjwt
import naive
import results
from bench_sink import redis_server
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.test import override_settings
from django.urls import path

SECONDS = 10.0
SECRET = "a secret key of the benchmarks, of the length that Django asks for"
MIDDLEWARE = {
    "no-op": "bench_middleware.NoOp",
    "headrace": "headrace.django.middleware.HeadraceMiddleware",
    "PyJWT alone": f"{__name__}.OnlyToken",
    "a pipeline of redis-py": "naive.Pipeline",
    "before: synchronous Redis": "naive.Before",
    "after: Celery's delay": "naive.After",
}

urlpatterns = [*bench_middleware.urlpatterns]


class OnlyToken:
    """Verifies the bearer token and does nothing else."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.key = settings.SECRET_KEY

    def __call__(self, request: HttpRequest) -> Any:
        text = request.META["HTTP_AUTHORIZATION"].partition(" ")[2]
        pyjwt.decode(text, self.key, algorithms=["HS256"])
        return self.get_response(request)


def set_up(socket: Path, folder: Path) -> None:
    settings.configure(
        SECRET_KEY=SECRET,
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["localhost"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        HEADRACE={
            "SINK": {"url": f"unix://{socket}", "ring_bytes": 64 << 20, "ring_dir": str(folder)}
        },
    )
    django.setup()
    from celery import Celery
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from redis import Redis
    from rest_framework.decorators import api_view, authentication_classes
    from rest_framework.response import Response
    from rest_framework_simplejwt.authentication import JWTAuthentication

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada")
    client = Redis(unix_socket_path=str(socket))
    naive.Before.client = naive.Pipeline.client = client
    app = Celery("bench", broker=f"redis+socket://{socket}")
    app.conf.task_ignore_result = True
    naive.After.task = app.task(keep)

    @api_view(["GET"])
    @authentication_classes([JWTAuthentication])
    def who(request: Any) -> Response:
        return Response({"user": request.user.pk})

    urlpatterns.append(path("drf/", who))


def keep(event: dict[str, Any]) -> None:
    """The task of Celery: no worker runs, only the sending is measured."""


def call(entry: str, url: str, **headers: str) -> Callable[[], object]:
    """One request through a handler with this middleware alone."""
    with override_settings(MIDDLEWARE=[entry]):
        handler = WSGIHandler()
    environ = {**bench_middleware.environ(""), "PATH_INFO": url, **headers}

    def once() -> Any:
        response = handler({**environ}, lambda line, headers: None)
        response.close()
        return response

    assert once().status_code == 200, (entry, once().content)
    return once


def in_turns(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[int]]:
    """Nanoseconds of each request; who comes after whom changes."""
    found: dict[str, list[int]] = {name: [] for name in calls}
    order = list(calls.items())
    end = time.monotonic() + seconds
    gc.disable()
    while time.monotonic() < end:
        random.shuffle(order)
        for name, once in order:
            start = time.perf_counter_ns()
            once()
            found[name].append(time.perf_counter_ns() - start)
    gc.enable()
    return found


def main() -> None:
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as name,
        redis_server(Path(name)) as (_, socket),
    ):
        set_up(socket, Path(name))
        now = int(time.time())
        claims = {"token_type": "access", "exp": now + 3600, "iat": now, "jti": "b" * 32}
        token = pyjwt.encode({**claims, "user_id": "1"}, SECRET)
        sent = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        calls = {what: call(entry, "/page/", **sent) for what, entry in MIDDLEWARE.items()}
        calls["DRF and simplejwt"] = call(
            MIDDLEWARE["no-op"], "/drf/", **sent, HTTP_ACCEPT="application/json"
        )
        found = {what: results.chunks(values) for what, values in in_turns(calls, SECONDS).items()}
        base = found.pop("no-op")
        added = {
            what: [max(1.0, a - b) for a, b in zip(values, base, strict=True)]
            for what, values in found.items()
        }
        results.table("added to a request with a user's token, an empty view", added)
        alone = results.spread(base)[0] / 1000
        results.remark(f"\nThe empty view with a no-op middleware takes {alone:.1f} µs.")
        for what, values in added.items():
            middle, low, high = results.spread(values)
            ratio = results.ratios(added["headrace"], values)[0]
            print(
                f"  {what:<30}added {middle / 1000:8.1f} µs "
                f"({low / 1000:.1f} to {high / 1000:.1f}), {ratio:7.1f} ×"
            )
        from headrace.django import sink

        events = sink()
        assert events is not None
        left, stats = events.flush(10), events.stats()
        print(f"the ledger: accepted {stats['accepted']}, left {left}, refused {stats['refused']}")
        events.close()


if __name__ == "__main__":
    main()
