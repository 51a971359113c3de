# SPDX-License-Identifier: MIT
"""The tasks that consume: Celery's here; Django's own where Django has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django
import pytest
from celery import Celery
from celery.exceptions import Retry

from penstock.celery import drain
from penstock.consume import Unavailable
from penstock.events import Event
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
    monkeypatch.setattr("penstock.consume._is_django_site", lambda: False)  # pytest-django is


@pytest.fixture
def app() -> Celery:
    app = Celery(broker="memory://", set_as_current=True)
    app.finalize()
    return app


def add(server: Server, count: int) -> None:
    for n in range(count):
        server.client.xadd("events", {"id": f"a-{n}", "kind": "a", "time": "1"})


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
    monkeypatch.setenv("PENSTOCK_SINK", server.url)
    add(server, 3)
    assert drain.apply([HANDLER]).get()["handled"] == 3
    monkeypatch.delenv("PENSTOCK_SINK")
    with pytest.raises(ValueError, match="PENSTOCK_SINK"):
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
    assert not server.client.exists("events:dead")


def test_a_beat_schedule_knows_the_task_by_its_name(app: Celery) -> None:
    assert drain.name == "penstock.drain"
    assert app.tasks["penstock.drain"].acks_late
    assert app.tasks["penstock.drain"].reject_on_worker_lost


def test_a_real_worker_drains(server: Server, root: Path, tmp_path: Path) -> None:
    """`include` is all that it takes."""
    (tmp_path / "tasks_app.py").write_text(
        "from celery import Celery\n"
        f"app = Celery(broker='redis+socket://{server.socket}?virtual_host=1')\n"
        "app.conf.include = ['penstock.celery']\n"
    )
    add(server, 50)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root}:{tmp_path}",
        "SEEN": str(tmp_path / "seen"),
        "PENSTOCK_SINK": server.url,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # the worker is of no Django site
    words = ["-A", "tasks_app", "worker", "--pool=prefork", "--concurrency=1", "--loglevel=error"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *words, *quiet],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        broker = Celery(broker=f"redis+socket://{server.socket}?virtual_host=1")
        broker.send_task("penstock.drain", ["tests.redis.handlers.note"], ignore_result=True)
        broker.close()
        deadline = time.monotonic() + 60
        seen = tmp_path / "seen"
        while not seen.exists() or len(seen.read_text().splitlines()) < 50:
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert len(seen.read_text().splitlines()) == 50


# --- django.tasks -----------------------------------------------------------------------------

if django.VERSION < (6,):

    def test_before_django_6_the_module_says_what_it_needs() -> None:
        code = "import penstock.django.tasks"
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
    PENSTOCK={"SINK": os.environ["PENSTOCK_SINK"]},
    TASKS={"default": {"BACKEND": os.environ["BACKEND"]}},
)
django.setup()
from django.tasks import default_task_backend
from penstock.django.tasks import drain

result = drain.enqueue(**json.loads(sys.argv[1]))
print(json.dumps({"status": result.status, "path": drain.module_path,
                  "value": result.return_value if result.is_finished else None,
                  "left": len(getattr(default_task_backend, "results", []))}))
"""

    def run_task(server: Server, root: Path, backend: str, **arguments: Any) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PENSTOCK_SINK": server.url,
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
        assert found["path"] == "penstock.django.tasks.drain"

    def test_a_task_of_django_can_be_enqueued(server: Server, root: Path) -> None:
        found = run_task(server, root, "dummy.DummyBackend", limit=10)
        assert (found["status"], found["left"]) == ("READY", 1)
