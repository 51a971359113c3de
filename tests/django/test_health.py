# SPDX-License-Identifier: MIT
"""The health view: 200 or 503, and never later than its deadline."""

from __future__ import annotations

import dataclasses
import gc
import json
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable

from headrace.django import health
from headrace.django.operate import health as operate


@pytest.fixture(autouse=True)
def connections_of_threads() -> Iterator[None]:
    """Django does not close a database in memory, as that of the tests is, and a check opens it
    in a thread of its own: Python 3.13 warns when the connection is collected, in any later test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def ask(view: Any = health.view) -> tuple[int, dict[str, Any]]:
    response = view(RequestFactory().get("/health"))
    assert response["Cache-Control"] == "no-store"
    return response.status_code, json.loads(response.content)


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_a_site_that_is_well(settings: Any) -> None:
    status, found = ask(health.make(lambda: health.checks(celery=False)))
    assert status == 200
    assert found["status"] == "ok"
    assert {name: one["status"] for name, one in found["checks"].items()} == {
        "database default": "ok",
        "database other": "ok",
        "cache default": "ok",
        "sink": "ok",
    }


def test_a_redis_that_is_not_there() -> None:
    url = "redis://127.0.0.1:1/0"
    with override_settings(HEADRACE={"SINK": {"url": url, "reconnect": (0.01, 0.01)}}):
        from headrace.django import sink

        configured = sink()
        assert configured is not None
        configured.emit("visit")
        deadline = time.monotonic() + 10
        while configured.stats()["connection"]["state"] != "waiting":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        wanted = {name: health.checks(celery=False)[name] for name in ("sink", "redis")}
        status, found = ask(health.make(lambda: wanted))
    assert status == 503
    assert found["status"] == "unavailable"
    assert "events do not arrive: connect" in found["checks"]["sink"]["error"]
    assert "Redis" in found["checks"]["redis"]["error"]


@pytest.fixture
def hanging() -> Iterator[HealthCheck]:
    released = threading.Event()

    @dataclasses.dataclass
    class Hanging(HealthCheck):  # type: ignore[misc]
        def run(self) -> None:
            released.wait(30)

    yield Hanging()
    released.set()
    for thread in threading.enumerate():  # their places are free for the next test
        if thread.name == "headrace-health":
            thread.join()


@dataclasses.dataclass
class Fine(HealthCheck):  # type: ignore[misc]
    async def run(self) -> None: ...


@dataclasses.dataclass
class Broken(HealthCheck):  # type: ignore[misc]
    def run(self) -> None:
        raise ServiceUnavailable("out of order")


def test_what_hangs_is_reported_and_holds_up_nobody(hanging: HealthCheck) -> None:
    started = time.monotonic()
    status, found = ask(health.make(lambda: {"fine": Fine(), "slow": hanging}, 0.3))
    assert time.monotonic() - started < 20, "not the 30 s of the check"
    assert status == 503
    assert found["checks"]["slow"]["error"] == "no answer within 0.3 seconds"
    assert found["checks"]["fine"]["status"] == "ok"


def test_checks_that_hang_do_not_pile_up(hanging: HealthCheck) -> None:
    many = {f"slow {n}": hanging for n in range(operate.THREADS_MAX + 5)}
    _, found = ask(health.make(lambda: many, 0.1))
    errors = [one["error"] for one in found["checks"].values()]
    assert errors.count("too many checks hang already") >= 5
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("headrace-health") <= operate.THREADS_MAX


def test_a_check_of_ones_own() -> None:
    status, found = ask(health.make(lambda: {"mine": Broken()}))
    assert status == 503
    assert "out of order" in found["checks"]["mine"]["error"]
    assert ask(health.make(lambda: {"mine": Fine()}))[0] == 200


def test_celery_is_asked_where_wanted() -> None:
    assert type(health.checks(celery=True)["celery"]).__name__ == "Ping"
    assert "celery" not in health.checks(celery=False)
