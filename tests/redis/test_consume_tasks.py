# SPDX-License-Identifier: MIT
"""The tasks that consume: Celery's here; Django's own where Django has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import pytest
from celery import Celery
from celery.exceptions import Retry

from headrace import EventSink
from headrace.celery import drain
from headrace.consume import Unavailable
from headrace.django.operate import health
from headrace.events import Event
from tests.redis.conftest import Server

HANDLER = "tests.redis.test_consume_tasks.handle"
done: list[str] = []
is_away = False


def handle(events: Sequence[Event]) -> None:
    if is_away:
        raise Unavailable("no database")
    done.extend(event.id for event in events)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    done.clear()
    monkeypatch.setattr(sys.modules[__name__], "is_away", False)
    monkeypatch.setattr("headrace.celery._is_django_site", lambda: False)  # pytest-django is


@pytest.fixture
def app() -> Celery:
    app = Celery(broker="memory://", set_as_current=True)
    app.finalize()
    return app


def add(server: Server, count: int) -> None:
    for n in range(count):
        server.client.xadd("headrace:events", {"id": f"a-{n}", "kind": "a", "time": "1"})


def test_a_task_drains_up_to_so_many(server: Server, app: Celery) -> None:
    add(server, 100)
    counts = drain.apply([HANDLER], {"url": server.url, "limit": 30, "batch": 10}).get()
    assert (counts["handled"], len(done)) == (30, 30)
    counts = drain.apply([HANDLER], {"url": server.url, "batch": 10}).get()
    assert counts["handled"] == 70
    assert done == [f"a-{n}" for n in range(100)]


def test_the_same_task_again_finds_nothing(server: Server, app: Celery) -> None:
    add(server, 10)
    for handled in (10, 0, 0):
        assert drain.apply([HANDLER], {"url": server.url}).get()["handled"] == handled


def test_the_url_may_come_from_the_environment(
    server: Server, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_SINK", server.url)
    add(server, 3)
    assert drain.apply([HANDLER]).get()["handled"] == 3
    monkeypatch.delenv("HEADRACE_SINK")
    with pytest.raises(ValueError, match="HEADRACE_SINK"):
        drain.apply([HANDLER]).get()


@pytest.mark.parametrize("retries", [0, 3, 7])
def test_it_is_tried_again_later_and_later(
    server: Server, app: Celery, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    add(server, 3)
    monkeypatch.setattr(sys.modules[__name__], "is_away", True)
    waits = []

    def retry(exc: Exception, countdown: float) -> Retry:
        waits.append(countdown)
        return Retry(exc=exc)

    monkeypatch.setattr(drain, "retry", retry)
    drain.push_request(retries=retries)
    try:
        with pytest.raises(Retry):
            drain.run(HANDLER, url=server.url, tries=1)
    finally:
        drain.pop_request()
    assert 0.7 <= waits[0] / min(300, 2 * 2**retries) <= 1.3
    assert not server.client.exists("headrace:events:dead")


def test_a_beat_schedule_knows_the_task_by_its_name(app: Celery) -> None:
    assert drain.name == "headrace.drain"
    assert app.tasks["headrace.drain"].acks_late
    assert app.tasks["headrace.drain"].reject_on_worker_lost


@contextmanager
def worker_of(
    code: str, server: Server, root: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker with one process in its pool, of the app that `code` makes."""
    (folder / "tasks_app.py").write_text(code)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root}:{folder}",
        "SEEN": str(folder / "seen"),
        "HEADRACE_SINK": server.url,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # the worker's site is its own, if any
    words = ["-A", "tasks_app", "worker", "--pool=prefork", "--concurrency=1", "--loglevel=error"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *words, *quiet],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield worker
        worker.terminate()
        assert worker.wait(60) == 0  # its pool may wait for 30 s, see docs/how-to/celery.md
    finally:
        worker.kill()
        worker.wait()


def until(worker: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_real_worker_drains(server: Server, root: Path, tmp_path: Path) -> None:
    """`include` is all that it takes."""
    url = f"redis+socket://{server.socket}?virtual_host=1"
    code = f"""
from celery import Celery
app = Celery(broker={url!r})
app.conf.include = ["headrace.celery"]
"""
    add(server, 50)
    seen = tmp_path / "seen"
    with worker_of(code, server, root, tmp_path) as worker:
        broker = Celery(broker=url)
        broker.send_task("headrace.drain", ["tests.redis.handlers.note"], ignore_result=True)
        broker.close()
        until(worker, lambda: seen.exists() and len(seen.read_text().splitlines()) >= 50)
    assert len(seen.read_text().splitlines()) == 50


def test_a_worker_of_a_django_site(server: Server, root: Path, tmp_path: Path) -> None:
    """Its tasks are in the metrics, its last events delivered, and it is asked how it is."""
    rings = tmp_path / "rings"
    rings.mkdir(0o700)
    url = f"redis+socket://{server.socket}?virtual_host=1"
    code = f"""
from celery import Celery
import django
from django.conf import settings

app = Celery("shop", broker={url!r})
settings.configure(
    SECRET_KEY="a secret key of the tests, long enough for HS256",
    INSTALLED_APPS=["headrace.django"],
    HEADRACE={{
        "NAME": "shop",
        "METRICS": True,
        # So late that only the end of the worker brings the events.
        "SINK": {{"url": {server.url!r}, "ring_dir": {str(rings)!r}, "linger": 60.0}},
    }},
)
django.setup()

@app.task(name="shop.mail", ignore_result=True)
def mail(fails):
    import headrace.django
    headrace.django.emit("mail", {{"fails": fails}})
    if fails:
        raise ValueError("no such address")
"""
    reader = EventSink(server.url, prefix="headrace:shop:", ring_dir=str(rings))
    broker = Celery(broker=url)

    def tasks() -> dict[str, int]:
        found = [row for row in reader.metrics()[1] if row[0] == "task"]
        return {f"{name} {outcome}": sum(counts) for _, name, _, outcome, _, counts in found}

    def ask() -> dict[str, Any]:
        return health.results({"celery": health.checks(celery=True)["celery"]})["celery"]

    wanted = {"shop.mail success": 2, "shop.mail failure": 1}
    with worker_of(code, server, root, tmp_path) as worker:
        for fails in (False, True, False):
            broker.send_task("shop.mail", [fails], ignore_result=True)
        until(worker, lambda: tasks() == wanted)
        until(worker, lambda: ask()["status"] == "ok")
        assert sum(reader.totals()["refused"].values()) == 0
        worker.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        error = ask()["error"]
        worker.send_signal(signal.SIGCONT)
        assert "unavailable" in error or "no answer within" in error
        assert time.monotonic() - started < 20, "a deadline, with much room"
        until(worker, lambda: ask()["status"] == "ok")
    broker.close()
    assert [event["kind"] for event in server.events(prefix="headrace:shop:")] == ["mail"] * 3
    assert tasks() == wanted, "what a worker has counted stays when it ends"
    reader.close(0)


def test_the_sites_app_is_found_from_any_thread() -> None:
    """Celery's `current_app` is that of one thread; a view may run in another."""
    code = """
import threading
from headrace._celery import site_app
assert site_app() is None
import celery
assert site_app() is None
app = celery.Celery("shop", broker="redis://elsewhere")
found = []
def look():
    celery.current_app.main  # makes the app that nobody configured
    found.append(site_app())
thread = threading.Thread(target=look)
thread.start()
thread.join()
assert found == [app] and site_app() is app, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# --- django.tasks -----------------------------------------------------------------------------

if django.VERSION < (6,):

    def test_before_django_6_the_module_says_what_it_needs() -> None:
        code = "import headrace.django.background"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert "needs Django 6.0" in done.stderr

else:
    SITE = """
import json, os, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a secret key of the tests, long enough for HS256",
    HEADRACE={"SINK": {"url": os.environ["HEADRACE_SINK"], "prefix": "headrace:"}},
    TASKS={"default": {"BACKEND": os.environ["BACKEND"]}},
)
django.setup()
from django.tasks import default_task_backend
from headrace.django.background import drain

result = drain.enqueue(**json.loads(sys.argv[1]))
print(json.dumps({"status": result.status, "path": drain.module_path,
                  "value": result.return_value if result.is_finished else None,
                  "left": len(getattr(default_task_backend, "results", []))}))
"""

    def run_task(server: Server, root: Path, backend: str, **arguments: Any) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "HEADRACE_SINK": server.url,
            "BACKEND": f"django.tasks.backends.{backend}",
            "SEEN": os.devnull,
        }
        output = subprocess.run(
            [sys.executable, "-c", SITE, json.dumps(arguments)],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        found: dict[str, Any] = json.loads(output)
        return found

    def test_a_task_of_django_drains(server: Server, root: Path) -> None:
        add(server, 25)
        arguments = {"handler": "tests.redis.handlers.note", "limit": 10, "options": {"batch": 5}}
        found = run_task(server, root, "immediate.ImmediateBackend", **arguments)
        assert (found["status"], found["value"]["handled"]) == ("SUCCESSFUL", 10)
        assert found["path"] == "headrace.django.background.drain"

    def test_a_task_of_django_can_be_enqueued(server: Server, root: Path) -> None:
        found = run_task(server, root, "dummy.DummyBackend", limit=10)
        assert (found["status"], found["left"]) == ("READY", 1)
