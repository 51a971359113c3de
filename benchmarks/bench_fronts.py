# SPDX-License-Identifier: MIT
"""What is added to a request, and where does the gain show? Four views, WSGI and ASGI.

Beside us in the same run: a no-op middleware, the same job in plain Python (naive.py) with its
events in memory, in Redis synchronously, and through Celery. Redis is a private one.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import bench_middleware
import django
import naive
import results
from bench_middleware import HEADERS, aget, hops
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from pairs import by_request

SECONDS = 3.0  # a question

US = "headrace.django.middleware.HeadraceMiddleware"
NO_OP = "bench_middleware.NoOp"
NAIVE, REDIS, CELERY = "naive.NaiveMiddleware", "naive.SynchronousRedis", "naive.CeleryDelay"
DEFAULTS = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(0.01)
    return HttpResponse("slow")


def keep(event: dict[str, Any]) -> None:
    """The task of Celery: no worker runs, only the sending is measured."""


urlpatterns = [*bench_middleware.urlpatterns, path("slow/", slow)]


def add_drf_views() -> None:
    """Once Django is set up: DRF looks at the models when it is imported."""
    from rest_framework.decorators import api_view, authentication_classes
    from rest_framework.response import Response
    from rest_framework_simplejwt.authentication import JWTAuthentication

    from headrace.django.auth import HeadraceAuthentication

    def view(kind: type) -> Any:
        @api_view(["GET"])
        @authentication_classes([kind])
        def who(request: Any) -> Response:
            return Response({"user": request.user.pk})

        return who

    urlpatterns.append(path("simplejwt/", view(JWTAuthentication)))
    urlpatterns.append(path("headrace/", view(HeadraceAuthentication)))


@contextlib.contextmanager
def private_redis() -> Iterator[str]:
    """The path of its Unix socket."""
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        socket = f"{folder}/redis.sock"
        options = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            while not Path(socket).exists():
                time.sleep(0.01)
            yield socket
        finally:
            process.terminate()
            process.wait()


def set_up(socket: str) -> None:
    settings.configure(
        SECRET_KEY="a secret key of the benchmarks, of the length that Django asks for",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["localhost"],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        HEADRACE={"SINK": {"url": f"unix://{socket}", "ring_bytes": 64 << 20}},
    )
    django.setup()
    from celery import Celery
    from django.core.management import call_command
    from redis import Redis

    call_command("migrate", verbosity=0)
    naive.SynchronousRedis.client = Redis(unix_socket_path=socket)
    app = Celery("bench", broker=f"redis+socket://{socket}")
    app.conf.task_ignore_result = True
    naive.CeleryDelay.task = app.task(keep)
    add_drf_views()


def request_of(url: str, **more: str) -> Callable[[], dict[str, Any]]:
    environ = bench_middleware.environ("")
    environ.update(PATH_INFO=url, **more)
    return lambda: {**environ}


def call(middleware: list[str], environ: Callable[[], dict[str, Any]]) -> Callable[[], object]:
    with override_settings(MIDDLEWARE=middleware):
        handler = WSGIHandler()

    def once() -> Any:
        response = handler(environ(), lambda line, headers: None)
        response.close()
        return response

    assert once().status_code == 200, (middleware, once().content)
    return once


def compare(question: str, ours: str, calls: dict[str, Callable[[], object]]) -> None:
    taken = by_request(calls, SECONDS)
    results.table(question, {name: results.chunks(values) for name, values in taken.items()})
    found = {name: statistics.median(values) for name, values in taken.items()}
    base = found["no-op"]
    print(f"\n{question}")
    for name, nanoseconds in found.items():
        added = "" if name == "no-op" else f"   added {nanoseconds - base:+12,.0f} ns"
        print(f"  {name:<22}{nanoseconds:12,.0f} ns{added}")
    print(f"  headrace beside {ours}: {found[ours] / found['headrace']:.2f} × as fast")


def cookies(url: str) -> tuple[str, str]:
    """Cookie headers of a returning visitor: ours and the naive one's."""
    ours, theirs = "", ""
    for middleware in (US, NAIVE):
        with override_settings(MIDDLEWARE=[middleware]):
            handler = WSGIHandler()
        given: dict[str, str] = {}
        environ = request_of(url)()
        handler(environ, lambda line, headers, into=given: into.update(headers)).close()
        value = given["Set-Cookie"].partition(";")[0]
        ours, theirs = (value, theirs) if middleware == US else (ours, value)
    return ours, theirs


def page_views() -> None:
    ours, theirs = cookies("/page/")
    seen = {US: ours}
    names = {"headrace": US, "no-op": NO_OP, "plain Python": NAIVE}
    slower = {"synchronous Redis": REDIS, "Celery": CELERY}

    def calls(which: dict[str, str], below: list[str], url: str) -> dict[str, Any]:
        return {
            name: call([entry, *below], request_of(url, HTTP_COOKIE=seen.get(entry, theirs)))
            for name, entry in which.items()
        }

    compare("an empty view, WSGI", "plain Python", calls(names, [], "/page/"))
    compare("the same, beside senders that wait", "Celery", calls(names | slower, [], "/page/"))
    compare("the seven defaults, WSGI", "plain Python", calls(names, DEFAULTS, "/page/"))
    compare("a view of 10 ms, WSGI", "plain Python", calls(names, [], "/slow/"))


def request_thread_alone() -> None:
    """The calls of the middleware without a request around them: caches are warm, and no sink
    thread and no Redis share the processor.
    """
    from headrace.django.operate import doctor

    print("\nthe middleware's calls alone, in a loop (manage.py headrace_doctor)")
    with doctor.measuring():
        for measured in doctor.measure("/page/"):
            print(f"  {measured.kind:<22}{measured.added}")


def api_view_of_a_user() -> None:
    from django.contrib.auth.models import User
    from rest_framework_simplejwt.tokens import AccessToken

    token = f"Bearer {AccessToken.for_user(User.objects.create_user('ann'))}"
    wanted = {"HTTP_AUTHORIZATION": token, "HTTP_ACCEPT": "application/json"}
    theirs = request_of("/simplejwt/", **wanted)
    ours = request_of("/headrace/", **wanted)
    compare(
        "DRF and a user's token, WSGI (simplejwt's class under all but headrace)",
        "plain Python",
        {
            "headrace": call([US], ours),
            "no-op": call([NO_OP], theirs),
            "plain Python": call([NAIVE], theirs),
        },
    )


def threads(once: Callable[[], object]) -> int:
    """How many threads a request starts."""
    started: list[threading.Thread] = []
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        original(thread)

    with mock.patch.object(threading.Thread, "start", start):
        once()
    return len(started)


def own_steps(once: Callable[[], object], count: int) -> float:
    """Nanoseconds that the middleware's two steps take of a request, median over `count`."""
    from headrace.django.site import Site

    spent: list[int] = []

    def timed(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter_ns()
            answer = step(*arguments)
            spent.append(time.perf_counter_ns() - start)
            return answer

        return call

    steps = {"enter": timed(Site.enter), "leave": timed(Site.leave)}
    with mock.patch.multiple(Site, **steps):
        for _ in range(count):
            once()
    assert len(spent) == 2 * count
    return statistics.median(a + b for a, b in zip(spent[::2], spent[1::2], strict=True))


def async_view() -> None:
    ours, theirs = cookies("/page/")
    loop = asyncio.new_event_loop()
    calls: dict[str, Callable[[], object]] = {}
    for name, entry in (("headrace", US), ("no-op", NO_OP), ("plain Python", NAIVE)):
        with override_settings(MIDDLEWARE=[entry]):
            handler = ASGIHandler()
        cookie = ours if entry == US else theirs
        calls[name] = lambda handler=handler, cookie=cookie: loop.run_until_complete(
            aget(handler, cookie)
        )
    compare("an async view, ASGI", "plain Python", calls)
    # A request's hops hand the processor to other threads and back, so that whatever runs next,
    # ours and everybody's, finds its instructions and data out of the caches.
    sync = call([US], request_of("/page/", HTTP_COOKIE=ours))
    print(f"  headrace's two steps in it{own_steps(calls['headrace'], 500):24,.0f} ns")
    print(f"  the same two under WSGI, without hops{own_steps(sync, 500):13,.0f} ns")
    for name, once in calls.items():
        print(f"  {name:<44}{hops(once):5} sync_to_async, {threads(once)} threads started")
    loop.close()


def main() -> None:
    with private_redis() as socket:
        set_up(socket)
        print(f"  headers of a browser: {', '.join(HEADERS)}")
        page_views()
        request_thread_alone()
        api_view_of_a_user()
        async_view()
        from headrace.django import sink

        events = sink()
        assert events is not None
        left = events.flush(10)
        stats = events.stats()
        print(
            f"\nthe ledger: accepted {stats['accepted']}, delivered {stats['delivered']}, "
            f"left {left}, refused {stats['refused']}"
        )
        events.close()


if __name__ == "__main__":
    main()
