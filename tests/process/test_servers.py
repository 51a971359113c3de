# SPDX-License-Identifier: MIT
"""Every server that people run Django with: traffic, SIGTERM, and no accepted event is lost.

Each test starts the server on a project as `startproject` makes it, with a real Redis.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from headrace import EventSink
from tests.process.project import (
    BIN,
    Running,
    add_views,
    fetch,
    free_port,
    serve,
    start_project,
)
from tests.redis.conftest import Server, folder, server

__all__ = ["folder", "server"]

REQUESTS = 48
PATHS = ("/page/", "/stream/", "/slow/", "/page/?q=1")

GUNICORN = [str(BIN / "gunicorn"), "-b", "127.0.0.1:{port}", "-w", "2"]
UVICORN = [str(BIN / "uvicorn"), "--port", "{port}", "--log-level", "info"]
DAPHNE = [str(BIN / "daphne"), "-b", "127.0.0.1", "-p", "{port}"]
DAPHNE += ["--application-close-timeout", "5"]
GRANIAN = [str(BIN / "granian"), "--host", "127.0.0.1", "--port", "{port}", "--workers", "2"]
UWSGI = [str(BIN / "uwsgi"), "--http-socket", "127.0.0.1:{port}", "--master", "--die-on-term"]
UWSGI += ["--processes", "2"]
RUNSERVER = [sys.executable, "manage.py", "runserver", "{port}"]

WSGI, ASGI = "fresh.wsgi:application", "fresh.asgi:application"
WRAPPED_WSGI, WRAPPED_ASGI = "fresh.wrapped_wsgi:application", "fresh.wrapped_asgi:application"

PREFIX = "headrace:fresh:"  # as the project is called

SERVERS = {
    "gunicorn-sync": [*GUNICORN, WSGI],
    "gunicorn-gthread": [*GUNICORN, "-k", "gthread", "--threads", "4", WSGI],
    "gunicorn-gevent": [*GUNICORN, "-k", "gevent", WSGI],
    "gunicorn-preload": [*GUNICORN, "--preload", WRAPPED_WSGI],
    "gunicorn-max-requests": [
        *GUNICORN,
        "--max-requests",
        "20",
        "--max-requests-jitter",
        "5",
        WSGI,
    ],
    "uvicorn": [*UVICORN, ASGI],
    "uvicorn-wrapped": [*UVICORN, "--lifespan", "on", WRAPPED_ASGI],
    "uvicorn-workers": [*UVICORN, "--workers", "2", ASGI],
    "daphne": [*DAPHNE, ASGI],
    "granian-asgi": [*GRANIAN, "--interface", "asgi", WRAPPED_ASGI],
    "granian-wsgi": [*GRANIAN, "--interface", "wsgi", WSGI],
    "uwsgi": [*UWSGI, "--module", WSGI],
    "uwsgi-threads": [*UWSGI, "--threads", "2", "--lazy-apps", "--module", WRAPPED_WSGI],
    "runserver": RUNSERVER,
    "runserver-noreload": [*RUNSERVER, "--noreload"],
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = start_project(tmp_path_factory.mktemp("template"))
    add_views(project)
    return project


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "site")
    return tmp_path / "site"


def adopt(server: Server) -> None:
    """What the next process does for one that had no time to."""
    sink = EventSink(server.url, prefix=PREFIX)
    assert sink.emit("next")
    deadline = time.monotonic() + 20
    while len(server.events(prefix=PREFIX)) < REQUESTS + 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    sink.close()


def send(running: Running, count: int) -> int:
    """How many of `count` requests were answered 200."""
    paths = [PATHS[number % len(PATHS)] for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        responses = pool.map(lambda path: fetch(running.port, path), paths)
        return [response.status for response in responses].count(200)


@pytest.mark.parametrize("name", SERVERS)
def test_no_event_is_lost_at_sigterm(name: str, project: Path, server: Server) -> None:
    port = free_port()
    command = [word.format(port=port) for word in SERVERS[name]]
    with serve(project, command, port, HEADRACE_SINK=server.url) as running:
        assert send(running, REQUESTS) == REQUESTS
        if name.startswith("granian"):  # a SIGTERM before both take signals is lost on the other
            running.wait_for("Started worker-1", "Started worker-2")
        log = running.stop(group=name.startswith("runserver"))
    # runserver kills itself, or is killed, at SIGTERM; uWSGI runs no exit handler in a worker that
    # has answered and not yet come back from the request
    if name.startswith(("runserver", "uwsgi")):
        if name.startswith("uwsgi"):  # no more than the last of each thread
            assert len(server.events(prefix=PREFIX)) >= REQUESTS - (
                4 if name == "uwsgi-threads" else 2
            ), log
        adopt(server)
    events = [event for event in server.events(prefix=PREFIX) if event["kind"] == "request"]
    assert len(events) == REQUESTS, log
    assert len({event["id"] for event in events}) == REQUESTS
    assert Counter(event["path"] for event in events) == {
        "/page/": REQUESTS // 2,
        "/stream/": REQUESTS // 4,
        "/slow/": REQUESTS // 4,
    }
    assert "Traceback" not in log


@pytest.mark.parametrize("name", ["daphne", "uvicorn", "gunicorn-gthread", "uvicorn-wrapped"])
def test_stopped_under_load(name: str, project: Path, server: Server) -> None:
    """What was answered is in Redis, and nobody had to be killed."""
    port = free_port()
    command = [word.format(port=port) for word in SERVERS[name]]
    answered = [0] * 4
    stopped = threading.Event()

    def load(worker: int) -> None:
        while not stopped.is_set():
            try:
                answered[worker] += fetch(running.port, "/page/").status == 200
            except (OSError, HTTPException):  # refused, or cut short
                return

    with serve(project, command, port, HEADRACE_SINK=server.url) as running:
        send(running, 8)
        threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        stopped.wait(0.5)
        log = running.stop()
        stopped.set()
        for thread in threads:
            thread.join()
    assert sum(answered) > 0
    assert len(server.events(prefix=PREFIX)) >= sum(answered) + 8
    assert "took too long to shut down" not in log


def test_health_is_answered_before_django(project: Path, server: Server) -> None:
    port = free_port()
    command = [word.format(port=port) for word in SERVERS["uvicorn-wrapped"]]
    with serve(project, command, port, HEADRACE_SINK=server.url) as running:
        # Django would refuse this Host
        assert fetch(running.port, "/livez", Host="probe.invalid").status == 200
        assert fetch(running.port, "/readyz", Host="probe.invalid").status == 200
        assert fetch(running.port, "/page/", Host="probe.invalid").status == 400
        running.stop()
